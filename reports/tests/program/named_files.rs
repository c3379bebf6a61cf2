//! Files that a person names to `reports` may be pipes and devices: read up to a bound, and one
//! signal ends the wait for one that nobody writes to.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};

use crate::sample;

fn reports(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reports"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn pipe(folder: &tempfile::TempDir) -> String {
    let path = folder.path().join("pipe").to_str().unwrap().to_owned();
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    path
}

const LOAD: [&str; 9] = [
    "plan",
    "--rate",
    "1M",
    "--channels",
    "1M",
    "--payments",
    "1k",
    "--slo",
    "p99=50ms",
];

#[test]
fn one_signal_ends_the_wait_for_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(&folder);
    for arguments in [
        vec!["show", &pipe],
        vec!["csv", &pipe],
        vec!["offload", "--payments", "1", "--l1", &pipe],
        [&LOAD[..], &["--from", &pipe]].concat(),
    ] {
        let mut child = reports(&arguments).stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(200));
        assert!(child.try_wait().unwrap().is_none(), "{arguments:?}");
        // Not INT, which a shell may have told the tests to ignore.
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let ended = child.wait().unwrap();
        let signal = Some(Signal::TERM.as_raw());
        assert_eq!(ended.signal(), signal, "{arguments:?}: {ended}");
    }
}

#[test]
fn a_pipe_is_read_to_its_end_and_a_device_to_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(&folder);
    let writer = thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, sample::open_loop().to_json()).unwrap()
    });
    let shown = reports(&["show", &pipe]).output().unwrap();
    writer.join().unwrap();
    assert!(shown.status.success());
    for (arguments, words) in [
        (vec!["show", "/dev/zero"], "the most for a run file"),
        (
            vec!["html", "/dev/zero", "-o", "page.html"],
            "the most for a run file",
        ),
        (
            vec!["offload", "--payments", "1", "--l1", "/dev/zero"],
            "the most for a profile",
        ),
        (
            [&LOAD[..], &["--from", "/dev/zero"]].concat(),
            "the most for a sweep",
        ),
    ] {
        let refused = reports(&arguments).current_dir(&folder).output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}
