//! A signal that was ignored when the process began stays ignored: a run under `nohup`, or in the
//! background of a script, goes on. Every other one asks for a stop.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::Folder;

/// For about a second and a half.
const RUN: &str = "run --rate 200 --duration 1500ms --sessions 10 --payments 1k \
                   --baseline-sessions 0 --quiet";

fn begun(folder: &Folder, ignored: &str) -> Child {
    let command = format!(
        "trap '' {ignored}; exec {} {RUN}",
        env!("CARGO_BIN_EXE_loadgen")
    );
    let child = Command::new("sh")
        .args(["-c", &command])
        .current_dir(folder.path("."))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !catches_all(&child) {
        assert!(started.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(5));
    }
    child
}

/// Whether it catches by now each of HUP, INT and TERM that it does not ignore: all its handlers
/// stand, which are set one after the other.
fn catches_all(child: &Child) -> bool {
    const THREE: u64 = 1 << 0 | 1 << 1 | 1 << 14;
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let [caught, ignored] = ["SigCgt:", "SigIgn:"].map(|name| {
        let set = status.lines().find_map(|line| line.strip_prefix(name));
        u64::from_str_radix(set.unwrap().trim(), 16).unwrap()
    });
    (caught | ignored) & THREE == THREE
}

#[test]
fn what_was_ignored_stays_ignored_and_the_rest_asks_for_a_stop() {
    for (ignored, sent, code) in [
        ("HUP", &[Signal::HUP][..], Some(0)),
        ("HUP INT", &[Signal::INT, Signal::HUP], Some(0)),
        ("INT", &[Signal::TERM], Some(130)),
        ("INT", &[Signal::HUP], Some(130)),
        ("TERM", &[Signal::TERM], Some(0)),
    ] {
        // A short run may end before it has said that it stops: the flag is set first, so that
        // nobody who does not read standard error keeps a run from ending.
        let said = (0..10).any(|_| {
            let folder = Folder::new();
            let child = begun(&folder, ignored);
            for signal in sent {
                kill_process(Pid::from_child(&child), *signal).unwrap();
            }
            let ended = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&ended.stderr);
            let what = format!("{sent:?} sent, {ignored} ignored: {} {said}", ended.status);
            // A busy machine may fail to hold the rate.
            let held = ended.status.code() != Some(3);
            // Nor need it be asked before the run has ended.
            let over = ended.status.code() == Some(0) && !said.contains("stopping");
            assert!(!held || over || ended.status.code() == code, "{what}");
            assert!(code == Some(130) || !said.contains("stopping"), "{what}");
            said.contains("stopping") || code != Some(130)
        });
        assert!(said, "{sent:?} sent, {ignored} ignored");
    }
}
