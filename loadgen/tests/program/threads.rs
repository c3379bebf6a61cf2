//! A thread that the system does not start ends a command: one line, exit 1, nothing left running,
//! and no panic. Every place that starts one is met in turn, by giving each process room for one
//! stack more.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Ended, Folder};

/// Address space of one stack: so much that room for threads is all that a limit decides.
const STACK_GIB: u64 = 4;
/// A run with these shards starts no more threads than that.
const MOST_THREADS: u64 = 20;
const LONGEST: Duration = Duration::from_secs(60);

/// Ends in time, or is ended: whatever happens, nothing is left running.
fn ended(folder: &Folder, stacks: u64, words: &str) -> Ended {
    // What the program itself maps is less than a stack, and each of them has its own.
    let kib = (stacks * STACK_GIB + STACK_GIB / 2) << 20;
    let command = format!(
        "ulimit -v {kib}; exec {} {words}",
        env!("CARGO_BIN_EXE_loadgen")
    );
    let mut child = Command::new("sh")
        .args(["-c", &command])
        .env("RUST_MIN_STACK", (STACK_GIB << 30).to_string())
        .env("RAYON_NUM_THREADS", "2")
        .current_dir(folder.path("."))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > LONGEST {
            child.kill().unwrap();
            panic!("`{words}` with room for {stacks} threads did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap().into()
}

/// Gives room for no thread, for one, and so on, until there is room for all.
fn at_every_place(words: &str, least_places: usize) {
    for (places, stacks) in (0..=MOST_THREADS).enumerate() {
        let folder = Folder::new();
        let ended = ended(&folder, stacks, words);
        if ended.code == Some(0) {
            assert!(places >= least_places, "{places} places in `{words}`");
            return;
        }
        let what = format!("`{words}` with room for {stacks} threads: {ended:?}");
        assert_eq!(ended.code, Some(1), "{what}");
        assert!(ended.stderr.contains("cannot start a thread"), "{what}");
        assert!(!ended.stderr.contains("panicked"), "{what}");
        assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{what}");
        assert_eq!(ended.stdout, "", "{what}");
    }
    panic!("`{words}` never had room for all of its threads");
}

#[test]
fn a_run_ends_with_one_line_whichever_thread_cannot_be_started() {
    // The signals' thread, the pool's, Layer 1's, and three shards'.
    at_every_place(
        "run --sessions 16 --payments 20 --shards 3 --baseline-sessions 0 --quiet",
        6,
    );
}

#[test]
fn a_durable_run_and_one_with_an_audit_log_too() {
    at_every_place(
        "run --sessions 8 --payments 20 --shards 2 --baseline-sessions 0 --quiet \
         --durability log --log-dir log",
        8,
    );
    at_every_place(
        "run --sessions 8 --payments 20 --shards 2 --baseline-sessions 0 --quiet --audit-log log",
        6,
    );
}
