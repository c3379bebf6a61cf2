//! Power fails, or the process ends, at every operation.

use duet_engine::log::disk::{Crash, SimulatedDisk};
use duet_engine::log::{Durability, Log, Recovered};

use crate::owner::{End, Owner, Violation, options};
use crate::rng::Rng;

/// How many operations that change something a life of this seed has.
pub(crate) fn operations(seed: u64, batches: usize) -> u64 {
    let disk = SimulatedDisk::new(seed);
    let end = Owner::new(seed).live(&disk, batches);
    assert!(matches!(end, Ok(End::Done)));
    disk.operations()
}

/// Crashes once at this operation, then some more times while the log recovers or goes on.
fn crash_and_go_on(seed: u64, at: u64, batches: usize, crash: Crash) {
    let case = format!("seed {seed}, operation {at}, {crash:?}");
    let mut rng = Rng(seed ^ at << 20);
    let mut owner = Owner::new(seed);
    let mut disk = SimulatedDisk::new(rng.next());
    disk.crash_at(at);
    for life in 0..4 {
        match owner.live(&disk, batches) {
            Ok(End::Stopped(_)) => assert!(disk.has_crashed(), "{case}, life {life}"),
            Ok(End::Done) => {}
            Err(violation) => panic!("{case}, life {life}: {violation:?}"),
        }
        disk = disk.after(crash);
        // Recovery itself takes 10 operations or so.
        disk.crash_at(rng.below(30));
    }
    disk = disk.after(crash);
    if let Err(violation) = owner.live(&disk, 1) {
        panic!("{case}, at the end: {violation:?}");
    }
}

#[test]
fn nothing_acknowledged_is_lost_at_any_operation() {
    let batches = 16;
    for seed in 0..5 {
        for at in 0..operations(seed, batches) {
            crash_and_go_on(seed, at, batches, Crash::Power);
            crash_and_go_on(seed, at, batches, Crash::Process);
        }
    }
}

/// Wherever a start stops, the log has not begun, or is there and empty; and it begins the next
/// time.
#[test]
fn a_start_that_stops_at_any_operation_has_not_begun_or_is_whole() {
    let started = SimulatedDisk::new(1);
    let log = Log::open(started.clone(), options()).expect("a new log");
    let made = started.operations();
    drop(log.recover(0).and_then(Recovered::resume).expect("new"));
    let mut begun = [0, 0];
    for seed in 0..20 {
        for at in 0..started.operations() {
            for crash in [Crash::Process, Crash::Power] {
                let disk = SimulatedDisk::new(seed);
                disk.crash_at(at);
                let start = Log::open(disk.clone(), options());
                drop(start.and_then(|log| log.recover(0)?.resume()));
                assert!(disk.has_crashed());
                let found = disk.after(crash);
                let log = Log::open_existing(found.clone(), options()).expect("no damage");
                begun[usize::from(log.is_some())] += 1;
                assert!(log.is_none() || at + 2 >= made, "operation {at}, {crash:?}");
                assert!(log.is_some() || at < made, "operation {at}, {crash:?}");
                let log = Log::open(disk.after(crash), options()).expect("no damage");
                assert_eq!(log.recover(0).expect("no damage").sequence(), 0);
            }
        }
    }
    assert!(begun.iter().all(|&times| times > 0), "{begun:?}");
}

/// Whatever an earlier life, or a copy, left in memory only: once a life that syncs has started,
/// power may fail.
#[test]
fn what_a_start_finds_unsynced_is_durable_before_anything_rests_on_it() {
    let mut started = 0;
    for seed in 0..6 {
        for is_copied in [false, true] {
            let mut owner = Owner::new(seed);
            let disk = SimulatedDisk::new(seed);
            if !is_copied {
                owner.durability = Durability::Log;
            }
            assert!(matches!(owner.live(&disk, 16), Ok(End::Done)));
            owner.durability = Durability::Fsync;
            // Nothing was acknowledged yet in the sense that counts from here on.
            owner.acknowledged = 0;
            let unsynced = || match is_copied {
                true => disk.copied(),
                false => disk.after(Crash::Process),
            };
            let all = unsynced();
            assert!(matches!(owner.clone().live(&all, 3), Ok(End::Done)));
            let before = unsynced().operations();
            for at in before..=all.operations() {
                let case = format!("seed {seed}, operation {at}, copied {is_copied}");
                let mut owner = owner.clone();
                let disk = unsynced();
                disk.crash_at(at);
                assert!(owner.live(&disk, 3).is_ok(), "{case}");
                let has_started = owner.acknowledged > 0;
                started += u64::from(has_started);
                match owner.live(&disk.after(Crash::Power), 1) {
                    Ok(_) => {}
                    // Some of what was acknowledged without a sync is gone.
                    Err(Violation::Refused(_)) if !has_started => {}
                    Err(violation) => panic!("{case}: {violation:?}"),
                }
            }
        }
    }
    assert!(started > 100, "{started}");
}

#[test]
fn nothing_acknowledged_is_lost_in_long_runs() {
    for seed in 100..104 {
        let mut rng = Rng(seed);
        let mut owner = Owner::new(seed);
        let mut disk = SimulatedDisk::new(seed);
        for life in 0..60 {
            disk.crash_at(rng.below(700));
            match owner.live(&disk, 150) {
                Ok(End::Stopped(_)) => assert!(disk.has_crashed()),
                Ok(End::Done) => {}
                Err(violation) => panic!("seed {seed}, life {life}: {violation:?}"),
            }
            let crash = if rng.once_in(3) {
                Crash::Process
            } else {
                Crash::Power
            };
            disk = disk.after(crash);
        }
        assert!(owner.acknowledged > 500, "{}", owner.acknowledged);
    }
}

/// `cargo test -p duet-engine --test log -- --ignored at_any_operation_of_many`
#[test]
#[ignore = "minutes: the same for 200 seeds"]
fn nothing_acknowledged_is_lost_at_any_operation_of_many_seeds() {
    for seed in 1000..1200 {
        for at in 0..operations(seed, 40) {
            crash_and_go_on(seed, at, 40, Crash::Power);
            crash_and_go_on(seed, at, 40, Crash::Process);
        }
    }
}
