//! Whole runs of the pipeline on real cryptography: they add up, in every shape.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use duet_engine::pipeline::{
    Arrivals, Config, DirectSample, Outcome, RunError, Sampling, run, run_direct,
};
use duet_engine::transcript::Settings;

use crate::config::config;
use crate::workload::Uniform;

fn run_all(config: &Config, workload: &Uniform) -> Outcome {
    let outcome = run(config, workload, &AtomicBool::new(false), |_| {}).expect("a sound set-up");
    assert!(
        outcome.checks.all(),
        "{:?}, {:?}",
        outcome.checks,
        outcome.stops.rejections
    );
    assert_eq!(outcome.counts.sessions_closed, workload.sessions);
    assert_eq!(
        outcome.counts.covered + outcome.counts.refused,
        workload.sessions * workload.payments
    );
    assert!(!outcome.cut_short);
    outcome
}

#[test]
fn every_shape_adds_up() {
    // shards, sessions, concurrent, payments, k, in flight, two-way turn
    for (shards, sessions, concurrent, payments, k, in_flight, two_way) in [
        (1, 1, 1, 1, 1, 1, None),
        (1, 3, 2, 10, 1, 4, None),
        (2, 9, 4, 25, 1, 64, None),
        (2, 20, 20, 250, 100, 16, None),
        (3, 20, 7, 33, 10, 1, None),
        (2, 5, 5, 30, 1, 4, Some(1)),
        (2, 5, 5, 200, 7, 3, Some(50)),
        (7, 3, 3, 300, 10_000, 1, None),
    ] {
        let workload = Uniform {
            two_way,
            ..Uniform::new(sessions, concurrent, payments)
        };
        let outcome = run_all(&config(shards, concurrent, k, in_flight), &workload);
        assert_eq!(outcome.l1.transactions, 2 * sessions);
        assert_eq!(outcome.counts.covered, sessions * payments);
    }
}

#[test]
fn payments_above_the_balance_are_refused_and_counted() {
    let workload = Uniform {
        funded: 0.25,
        ..Uniform::new(6, 3, 200)
    };
    let outcome = run_all(&config(2, 3, 10, 4), &workload);
    assert!(outcome.counts.refused > 0);
    let few = Uniform {
        two_way: Some(20),
        funded: 0.02,
        ..Uniform::new(6, 3, 200)
    };
    let outcome = run_all(&config(2, 3, 10, 4), &few);
    assert!(outcome.counts.refused > 0);
}

#[test]
fn an_open_loop_keeps_its_schedule() {
    for cosign_after in [None, Some(Duration::from_millis(5))] {
        let config = Config {
            arrivals: Arrivals::Poisson { per_s: 2_000.0 },
            cosign_after,
            ..config(2, 8, 10, 4)
        };
        let outcome = run_all(&config, &Uniform::new(16, 8, 100));
        let response = outcome.latency.response.histogram();
        assert_eq!(response.len(), outcome.counts.covered);
        assert_eq!(outcome.offered.unwrap().arrived, 1600);
        assert!(response.min() > 0);
    }
}

#[test]
fn a_stopped_run_closes_what_is_open_and_still_adds_up() {
    // Sessions, shards, and whether it is told to stop before it starts. With 2^38 sessions it
    // would never end if it walked through the rest of the schedule.
    for (sessions, shards, at_once) in [(1000, 2, false), (1 << 38, 3, false), (1 << 38, 2, true)] {
        const PAYMENTS: u64 = 100_000;
        let workload = Uniform::new(sessions, 10, PAYMENTS);
        let config = Config {
            duration: Some(Duration::from_millis(300)),
            ..config(shards, 10, 100, 4)
        };
        let outcome =
            run(&config, &workload, &AtomicBool::new(at_once), |_| {}).expect("a sound set-up");
        assert!(outcome.cut_short);
        assert!(outcome.checks.all(), "{:?}", outcome.checks);
        assert_eq!(
            outcome.counts.sessions_closed,
            outcome.counts.sessions_opened
        );
        assert!(at_once || outcome.counts.covered > 0);
        // However fast the machine is: of all payments only a part was made.
        assert!(outcome.counts.covered < sessions * PAYMENTS);
    }
}

#[test]
fn a_run_that_stops_while_many_sessions_end_ends_each_once() {
    // More sessions than are finished in one go, and no more payments in the midst of them.
    let workload = Uniform::new(9_000, 9_000, 1);
    let config = Config {
        duration: Some(Duration::from_millis(1)),
        ..config(1, 9_000, 1, 1)
    };
    let outcome = run(&config, &workload, &AtomicBool::new(false), |_| {}).expect("a sound set-up");
    assert!(outcome.checks.all(), "{:?}", outcome.checks);
    assert_eq!(
        outcome.counts.sessions_closed,
        outcome.counts.sessions_opened
    );
}

#[test]
fn an_audit_log_changes_no_block_and_ends_a_run_that_cannot_write_it() {
    let folder = std::env::temp_dir().join(format!("duet-audit-{}", std::process::id()));
    std::fs::create_dir(&folder).expect("a new folder");
    let workload = Uniform::new(6, 3, 20);
    let logged = Config {
        audit: Some(Settings::new(folder.clone())),
        ..config(2, 3, 7, 4)
    };
    let tip = *run_all(&config(2, 3, 7, 4), &workload).chain().tip();
    assert_eq!(*run_all(&logged, &workload).chain().tip(), tip);
    let manifest = std::fs::read_to_string(folder.join("audit.toml")).expect("a manifest");
    assert!(manifest.contains(&format!("tip = \"{tip}\"")), "{manifest}");
    std::fs::remove_dir_all(&folder).expect("it is there");
    let gone = run(&logged, &workload, &AtomicBool::new(false), |_| {});
    assert!(matches!(gone, Err(RunError::Audit(_))), "{gone:?}");
}

#[test]
fn a_baseline_that_is_stopped_keeps_what_it_measured() {
    const PAYMENTS: u64 = 20;
    let mut config = config(1, 10, 1, 1);
    config.l1.block_transactions = 50;
    let workload = Uniform::new(10, 10, PAYMENTS);
    // Sessions until the stop → samples: of three sessions each, which are more than a block.
    for (sessions, samples) in [(1, 1), (2, 1), (3, 1), (4, 2), (6, 2), (10, 4)] {
        let stop = AtomicBool::new(false);
        let sampling = Sampling::whole((0..10).collect());
        let direct = run_direct(&config, &workload, &sampling, &stop, |payments| {
            stop.store(payments >= sessions * PAYMENTS, Ordering::Relaxed);
        })
        .expect("a sound set-up");
        assert_eq!(direct.cut_short, sessions < 10);
        assert_eq!(direct.payments, sessions * PAYMENTS);
        assert_eq!(direct.samples.len(), samples, "{sessions} sessions");
        let sum = |of: fn(&DirectSample) -> u64| direct.samples.iter().map(of).sum::<u64>();
        assert_eq!(sum(|sample| sample.payments), direct.payments);
        assert_eq!(sum(|sample| sample.cpu_ns), direct.l1.cpu_ns);
        assert!(direct.balances_match && direct.supply_conserved);
    }
}

#[test]
fn the_phases_of_a_run_that_paid_nothing_lie_within_its_time() {
    let config = config(2, 9_000, 1, 1);
    let workload = Uniform::new(9_000, 9_000, 3);
    let stop = AtomicBool::new(false);
    // Stopped while channels are being opened. A machine that opens all of them before the first
    // look pays, and its phases must fit as well.
    let outcome = run(&config, &workload, &stop, |snapshot| {
        let is_opening = snapshot.l1_transactions > 0 && snapshot.payments == 0;
        stop.fetch_or(is_opening, Ordering::Relaxed);
    });
    let outcome = outcome.expect("a sound set-up");
    let (opening, closing, wall) = (
        outcome.times.opening,
        outcome.times.closing,
        outcome.times.wall,
    );
    assert!(closing.sessions > 0);
    assert!(
        opening.wall + closing.wall <= wall,
        "{} payments: {opening:?} and {closing:?} of {wall:?}",
        outcome.counts.covered
    );
}
