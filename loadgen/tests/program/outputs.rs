//! Where results go when the way is blocked, and a run that is stopped by hand.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Ended, Folder, arguments, heeded, parse};

/// A run that would take hours, few sessions of which are open at once.
const LONG: &str = "run --sessions 2k --payments 100k --concurrent 4 --out run.json";

fn start(folder: &Folder, words: &str) -> Child {
    folder
        .command(&arguments(words))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), heeded(signal)).unwrap();
}

/// Waits for it, but not for ever.
fn ended(mut child: Child) -> Ended {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
            panic!(
                "it hangs: {:?}",
                Ended::from(child.wait_with_output().unwrap())
            );
        }
        sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap().into()
}

fn full() -> Stdio {
    OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

#[test]
fn ctrl_c_ends_a_run_with_what_was_measured() {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = Folder::new();
        let child = start(&folder, LONG);
        sleep(Duration::from_millis(700));
        send(&child, signal);
        let ended = ended(child);
        assert_eq!(ended.code, Some(130), "{ended:?}");
        assert!(
            ended.stdout.starts_with("VALID, INTERRUPTED: "),
            "{ended:?}"
        );
        assert!(ended.stderr.contains("stopping"), "{ended:?}");
        assert_eq!(folder.names(), ["run.json"]);

        let run = parse(&folder.read("run.json"));
        assert!(run.achieved.interrupted && !run.workload.reproducible);
        assert!(run.achieved.payments > 0);
        let checks = &run.checks;
        assert!(checks.payments_accounted && checks.signatures_verified);
        assert!(checks.supply_conserved && checks.balances_match);
        assert_eq!(run.achieved.sessions_opened, 4);
        assert_eq!(run.achieved.sessions_closed, 4);
        assert_eq!(run.l1.channels.transactions, 8);
        assert!(run.l1.direct.is_none(), "no baseline after an interruption");
    }
}

#[test]
fn ctrl_c_in_an_open_loop_closes_what_waits() {
    let folder = Folder::new();
    let child = start(&folder, &format!("{LONG} --rate 100 --json"));
    sleep(Duration::from_millis(700));
    send(&child, Signal::INT);
    let ended = ended(child);
    let run = parse(&ended.stdout);
    // A busy machine may not have held the rate: that, and nothing else, is let pass.
    let expected = if run.achieved.valid { 130 } else { 3 };
    assert_eq!(ended.code, Some(expected), "{ended:?}");
    assert_eq!(run.achieved.broken().count(), 0, "{ended:?}");
    assert!(run.achieved.interrupted && run.checks.payments_accounted);
    assert_eq!(
        (run.achieved.sessions_opened, run.achieved.sessions_closed),
        (4, 4)
    );
}

/// What waited for its co-sign interval is proposed all at once then: nobody was behind with it.
#[test]
fn ctrl_c_makes_nobody_late_whose_co_sign_interval_was_not_full() {
    let folder = Folder::new();
    let words = "run --sessions 300 --payments 1k --rate 2k --cosign-every 1k --cosign-after 1h \
                 --backend dalek --baseline-sessions 0 --json";
    let child = start(&folder, words);
    sleep(Duration::from_millis(1500));
    send(&child, Signal::INT);
    let ended = ended(child);
    let run = parse(&ended.stdout);
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let open_loop = run.achieved.open_loop.unwrap();
    assert!(
        open_loop.stopped && open_loop.arrived > 100,
        "{open_loop:?}"
    );
    assert_eq!((open_loop.behind_s, open_loop.unserved), (0.0, 0));
    assert_eq!(run.achieved.payments, open_loop.arrived);
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let folder = Folder::new();
    // Layer 1 seals thousands of openings, so that stopping takes a while.
    let words = "run --sessions 1M --payments 1 --concurrent 20k --out run.json";
    let child = start(&folder, words);
    sleep(Duration::from_millis(300));
    send(&child, Signal::INT);
    sleep(Duration::from_millis(50));
    // It may have ended already.
    let _ = kill_process(Pid::from_child(&child), heeded(Signal::INT));
    let ended = ended(child);
    assert_eq!(ended.code, Some(130), "{ended:?}");
    for name in folder.names() {
        assert_eq!(name, "run.json", "nothing half-written");
    }
}

#[test]
fn a_trace_that_is_stopped_is_taken_back() {
    let folder = Folder::new();
    let hours = (1..2000).map(|hour| format!("PAYMENT,1,0,0,1000,1,100,10,{hour}\n"));
    let header = "action,month,day,hour,count,sum,avg,std,step\n".to_owned();
    folder.write("hourly.csv", header + &hours.collect::<String>());
    let words =
        "trace --from-hourly hourly.csv --action PAYMENT --pairs 10 --payments 500M --out t.csv";
    let child = start(&folder, words);
    sleep(Duration::from_millis(500));
    send(&child, Signal::INT);
    let ended = ended(child);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(130), ""),
        "{ended:?}"
    );
    assert_eq!(folder.names(), ["hourly.csv"]);
}

#[test]
fn who_closes_the_pipe_has_read_enough() {
    let folder = Folder::new();
    for words in [
        "run --sessions 1 --payments 5",
        "run --sessions 1 --payments 5 --json",
        "completions zsh",
    ] {
        let mut child = start(&folder, words);
        drop(child.stdout.take());
        let ended = ended(child);
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{words}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_the_machines_fault() {
    let folder = Folder::new();
    for words in ["run --sessions 1 --payments 5", "completions bash"] {
        let output = folder.command(&arguments(words)).stdout(full()).output();
        let ended = Ended::from(output.unwrap());
        assert_eq!(ended.code, Some(1), "{words}: {ended:?}");
        assert!(
            ended.stderr.starts_with("loadgen: standard output: "),
            "{ended:?}"
        );
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
    // What cannot be kept in a file is still told.
    let ended = folder.loadgen(&arguments("run --sessions 1 --payments 5 --out /dev/full"));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("writing '/dev/full' failed"),
        "{ended:?}"
    );
    assert!(ended.stdout.starts_with("VALID: "), "{ended:?}");
}

/// Whoever cannot be told does not make it panic.
#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_error_is_no_panic() {
    let folder = Folder::new();
    folder.write("t.csv", "time_s,payer,payee,amount\n0,a,b,5\n");
    for (words, code) in [
        ("run --trace t.csv", 0),
        ("run --in-flight 65537", 2),
        ("run --sessions 0", 2),
        (
            "trace --from-hourly t.csv --pairs 1 --payments 1 --out n.csv",
            2,
        ),
    ] {
        let status = folder
            .command(&arguments(words))
            .stdout(Stdio::null())
            .stderr(full())
            .status();
        assert_eq!(status.unwrap().code(), Some(code), "{words}");
    }
}

#[test]
fn devices_and_pipes_are_outputs_too() {
    let folder = Folder::new();
    let words = "run --sessions 1 --payments 5 --quiet --out";
    let ended = folder.loadgen(&arguments(&format!("{words} /dev/null")));
    assert_eq!(ended.code, Some(0), "{ended:?}");

    let made = Command::new("mkfifo")
        .arg(folder.path("pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    let child = start(&folder, &format!("{words} pipe"));
    let mut read = String::new();
    File::open(folder.path("pipe"))
        .unwrap()
        .read_to_string(&mut read)
        .unwrap();
    assert_eq!(ended_code(child), Some(0));
    assert!(parse(&read).achieved.valid);
    assert_eq!(folder.names(), ["pipe"]);
}

/// As a full disk is: a batch system's limit on the size of a file.
#[test]
fn a_file_that_may_not_grow_is_the_machines_fault() {
    let folder = Folder::new();
    folder.write("run.json", "kept");
    let words = "run --sessions 2 --payments 50 --baseline-sessions 0 --quiet";
    for more in ["--out run.json", "--audit-log audit"] {
        let loadgen = env!("CARGO_BIN_EXE_loadgen");
        let script = format!("ulimit -f 1; exec {loadgen} {words} {more}");
        let ended: Ended = Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path(""))
            .output()
            .unwrap()
            .into();
        assert_eq!(ended.code, Some(1), "{more}: {ended:?}");
        assert!(ended.stderr.contains("File too large"), "{more}: {ended:?}");
    }
    assert_eq!(folder.read("run.json"), "kept");
    assert_eq!(folder.names(), ["audit", "run.json"]);
}

/// A plain file behind one of the process's own descriptors is not replaced: what was there, and
/// what is printed there later, would be lost.
#[test]
fn the_file_that_standard_output_goes_to_is_no_output() {
    let folder = Folder::new();
    let words = "run --sessions 1 --payments 5 --baseline-sessions 0 --out";
    for (path, to_stdout) in [
        ("/dev/stdout", true),
        ("/dev/stderr", false),
        ("/proc/self/fd/1", true),
        ("kept", true),
        ("kept", false),
        ("link", true),
    ] {
        folder.write("kept", "keep me\n");
        let link = folder.path("link");
        if !link.exists() {
            std::os::unix::fs::symlink("/dev/fd/1", link).unwrap();
        }
        let kept = || OpenOptions::new().append(true).open(folder.path("kept"));
        let mut command = folder.command(&arguments(&format!("{words} {path}")));
        let (stdout, stderr) = match to_stdout {
            true => (kept().unwrap().into(), Stdio::piped()),
            false => (Stdio::piped(), kept().unwrap().into()),
        };
        let child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
        let ended = ended(child);
        assert_eq!(ended.code, Some(2), "{path}: {ended:?}");
        let said = ended.stderr + &folder.read("kept");
        assert!(
            said.contains("has that file open already"),
            "{path}: {said}"
        );
        assert!(folder.read("kept").starts_with("keep me"), "{path}");
    }
}

fn ended_code(child: Child) -> Option<i32> {
    ended(child).code
}
