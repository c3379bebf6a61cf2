//! Runs of a few milliseconds of CPU time: none is INVALID by chance, with however many threads,
//! alone or on a machine that has other things to do.

mod common;

use std::process::{Child, Command, Stdio};

use common::Folder;

const REPETITIONS: usize = 20;
const SHARDS: [u64; 3] = [1, 2, 64];

/// Other processes that keep the machine's cores busy, as long as this is there.
struct Busy(Vec<Child>);

impl Busy {
    fn machine() -> Busy {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let busy = || {
            let mut loops = Command::new("sh");
            loops
                .args(["-c", "while :; do :; done"])
                .stdin(Stdio::null());
            loops.spawn().expect("a shell")
        };
        Busy((0..cores).map(|_| busy()).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn all_valid(repetitions: usize) {
    for shards in SHARDS {
        for _ in 0..repetitions {
            let words =
                format!("--sessions 1 --payments 3 --shards {shards} --baseline-sessions 0");
            let (run, _) = Folder::new().run(&words);
            let share = run.checks.stage_cpu_share;
            // Of so short a run, what the system takes to switch threads may be a twentieth: a
            // millisecond of a process is not asked for (docs/methodology.md).
            let missing_s = (1.0 - share) * run.achieved.cpu_s;
            let accounted = share >= 0.95 || missing_s < 0.001;
            assert!(accounted && share < 1.2, "{shards} shards: {share}");
        }
    }
}

#[test]
fn short_runs_are_valid() {
    all_valid(REPETITIONS);
}

#[test]
fn short_runs_are_valid_on_a_busy_machine() {
    let _busy = Busy::machine();
    all_valid(REPETITIONS);
}

#[test]
fn short_runs_that_write_logs_are_valid() {
    for shards in SHARDS {
        for options in ["--durability log --log-dir log", "--audit-log audit"] {
            let words = format!(
                "--sessions 1 --payments 3 --shards {shards} --baseline-sessions 0 {options}"
            );
            Folder::new().run(&words);
        }
    }
}

#[test]
#[ignore = "200 of each, by hand"]
fn two_hundred_short_runs_are_valid() {
    all_valid(200);
    let _busy = Busy::machine();
    all_valid(200);
}
