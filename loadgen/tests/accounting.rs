//! Whether the check that stages account for the process's CPU time can fail: it does when a stage
//! is forgotten, and when a thread works that no stage knows. One test, alone in its process, since
//! whatever else runs in it would be such a thread.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser as _;
use duet_engine::pipeline::{self, Stage};
use duet_loadgen::cli::Cli;
use duet_loadgen::plan::Plan;
use duet_loadgen::record::{Measured, record};
use duet_run_file::run_file::RunFile;

/// A run in this process, with what comes of `change`.
fn run(change: impl FnOnce(&mut pipeline::Outcome)) -> RunFile {
    // Long enough that a twentieth of it is more than what is lost between two clocks.
    let words = "loadgen --sessions 8 --payments 2k --shards 2 --baseline-sessions 0";
    let cli = Cli::parse_from(words.split_whitespace());
    let plan = Plan::new(&cli.run).unwrap_or_else(|error| panic!("{error:?}"));
    let stop = AtomicBool::new(false);
    let mut outcome = pipeline::run(&plan.config, &*plan.workload, &stop, |_| {}).unwrap();
    change(&mut outcome);
    let measured = Measured {
        whole_systems: Vec::new(),
        outcome,
        direct: None,
        arms: Vec::new(),
        alone: None,
        series: Vec::new(),
        steady_payments_per_s: None,
        phases: Vec::new(),
        interrupted: false,
        channels_interrupted: false,
        only_closed: false,
        started_unix_s: 0,
        began_unix_ms: 0,
        rss_before_bytes: 0,
        peak_rss_bytes: 0,
        taken: None,
    };
    record(&plan, Vec::new(), &measured)
}

fn is_refused(run: &RunFile) -> bool {
    let [reason] = &run.achieved.invalid_reasons[..] else {
        return false;
    };
    reason.starts_with("stages account for ") && reason.ends_with(" expected at least 95 %")
}

#[test]
fn cpu_time_in_no_stage_makes_a_run_invalid() {
    let sound = run(|_| {});
    assert_eq!(sound.achieved.invalid_reasons, [""; 0]);
    assert!(sound.checks.stage_cpu_share <= 1.05);

    let mut forgotten = 0;
    for stage in Stage::ALL {
        let mut share = 0.0;
        let found = run(|outcome| {
            let cost = &mut outcome.stages[stage as usize];
            share = cost.cpu_ns as f64 / outcome.times.cpu_ns as f64;
            cost.cpu_ns = 0;
        });
        // Of what the others leave, a little may be lost.
        if share > 0.07 {
            assert!(is_refused(&found), "{stage:?} with {share}");
            forgotten += 1;
        }
    }
    assert!(forgotten >= 2, "signing and verifying are most of it");

    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        // Others may leave that thread no CPU time for as long as a short run takes.
        let found = (0..50).any(|_| is_refused(&run(|_| {})));
        stop.store(true, Ordering::Relaxed);
        assert!(found, "every run was in order beside a busy thread");
    });
}
