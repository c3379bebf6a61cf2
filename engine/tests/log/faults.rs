//! Faults beyond a crash, at every operation: the log stops, recovers everything acknowledged, or
//! is refused with a reason.

use duet_engine::log::disk::{Crash, Fault, SimulatedDisk};
use duet_engine::log::{Batch, Log, LogError};

use crate::crashes::operations;
use crate::owner::{End, Owner, Violation, options};
use crate::rng::Rng;

const BATCHES: usize = 16;

/// A write or a sync fails: the stream stops, syncs nothing again, and what it acknowledged holds.
#[test]
fn a_stream_stops_at_the_first_failure() {
    for seed in 0..3 {
        for at in 0..operations(seed, BATCHES) {
            // After `Process` it starts on top of a cache that holds what is not on the disk. What
            // it then acts on must hold when power fails.
            for crash in [Crash::Process, Crash::Power] {
                let case = format!("seed {seed}, operation {at}, {crash:?}");
                let mut owner = Owner::new(seed);
                let mut disk = SimulatedDisk::new(seed ^ at << 8);
                disk.fault_at(at, Fault::Fails);
                match owner.live(&disk, BATCHES) {
                    Ok(End::Stopped(error)) => {
                        assert!(error.to_string().contains("os error 5"), "{case}: {error}");
                    }
                    Ok(End::Done) => panic!("{case}: the failure went unnoticed"),
                    Err(violation) => panic!("{case}: {violation:?}"),
                }
                assert_eq!(disk.syncs_after_failure(), 0, "{case}");
                disk = disk.after(crash);
                for batches in [0, 3, 0] {
                    if let Err(violation) = owner.live(&disk, batches) {
                        panic!("{case}: {violation:?}");
                    }
                    disk = disk.after(Crash::Power);
                }
            }
        }
    }
}

#[test]
fn a_stream_that_stopped_touches_the_disk_no_more() {
    let disk = SimulatedDisk::new(1);
    let halves = Log::open(disk.clone(), options()).and_then(|log| log.recover(0)?.resume());
    let (mut index, mut committer) = halves.expect("a new log");
    // One block; it opens a segment with a write, a sync, and two changes of names.
    disk.fault_at(disk.operations() + 5, Fault::Fails);
    let mut batch = Batch::new();
    index.put(&mut batch, 1, b"one");
    index.seal(&mut batch);
    let failed = committer.commit(&mut batch);
    let shown = failed.clone().map_err(|error| error.to_string());
    let expected = "cannot sync shard-0-00000001.seg: Input/output error (os error 5)";
    assert_eq!(shown, Err(expected.to_owned()));
    let operations = disk.operations();
    for _ in 0..3 {
        assert_eq!(committer.commit(&mut batch), failed);
        assert_eq!(committer.tidy(&batch).err(), failed.clone().err());
    }
    assert_eq!(disk.operations(), operations);
    assert_eq!(committer.floor(), 0);
}

#[test]
fn a_full_disk_stops_a_stream_and_loses_nothing() {
    let mut stopped = 0;
    for seed in 0..40 {
        let mut owner = Owner::new(seed);
        let disk = SimulatedDisk::new(seed);
        disk.set_room(20_000 + seed * 4_000);
        match owner.live(&disk, 40) {
            Ok(End::Stopped(LogError::Io { kind, .. })) => {
                assert_eq!(kind, std::io::ErrorKind::StorageFull);
                stopped += 1;
            }
            Ok(End::Stopped(error)) => panic!("{error}"),
            Ok(End::Done) => {}
            Err(violation) => panic!("seed {seed}: {violation:?}"),
        }
        let disk = disk.after(Crash::Power);
        disk.set_room(1 << 40);
        if let Err(violation) = owner.live(&disk, 3) {
            panic!("seed {seed}: {violation:?}");
        }
    }
    assert!(stopped > 10, "{stopped}");
}

/// Runs with one fault, then crashes; how it ended.
fn one_fault(seed: u64, at: u64, fault: Fault) -> Result<(), LogError> {
    let case = format!("seed {seed}, operation {at}, {fault:?}");
    let mut owner = Owner::new(seed);
    let mut disk = SimulatedDisk::new(seed ^ at << 8);
    disk.fault_at(at, fault);
    // So that the crash comes soon after the fault, or later.
    disk.crash_at(at + 1 + Rng(at ^ seed).below(12));
    for life in 0..3 {
        match owner.live(&disk, BATCHES) {
            Ok(_) => disk = disk.after(Crash::Power),
            Err(Violation::Refused(error)) => {
                let before = disk.all();
                let again = Log::open(disk.after(Crash::Process), options());
                let again = again.and_then(|log| log.recover(0).map(|_| ()));
                assert_eq!(again, Err(error.clone()), "{case}: refused for good");
                assert_eq!(disk.all(), before, "{case}: and nothing written");
                return Err(error);
            }
            Err(violation) => panic!("{case}, life {life}: {violation:?}"),
        }
    }
    Ok(())
}

/// Of all places at which this fault may strike, whether it led to a refusal.
fn every_place(fault: impl Fn(&mut Rng) -> Fault) -> (u64, u64) {
    let (mut harmless, mut refused) = (0, 0);
    for seed in 0..3 {
        let mut rng = Rng(seed);
        for at in 0..operations(seed, BATCHES) {
            match one_fault(seed, at, fault(&mut rng)) {
                Ok(()) => harmless += 1,
                Err(_) => refused += 1,
            }
        }
    }
    println!("{harmless} harmless, {refused} refused");
    (harmless, refused)
}

#[test]
fn a_lost_write_is_harmless_or_refused() {
    let (harmless, refused) = every_place(|_| Fault::Lost);
    assert!(harmless > 10 && refused > 10, "{harmless}, {refused}");
}

#[test]
fn a_sync_that_did_nothing_is_harmless_or_refused() {
    let (harmless, refused) = every_place(|_| Fault::Unsynced);
    assert!(harmless > 10 && refused > 10, "{harmless}, {refused}");
}

#[test]
fn a_misdirected_write_is_harmless_or_refused() {
    let (harmless, refused) = every_place(|rng| Fault::Misdirected {
        file: rng.below(8) as usize,
        // Half of the time where something starts.
        offset: match rng.below(2) {
            0 => rng.below(5) * 4096,
            _ => rng.below(40) * 512,
        },
    });
    assert!(harmless > 10 && refused > 10, "{harmless}, {refused}");
}

/// One bit at rest, anywhere: everything is there, or the log is refused.
#[test]
fn a_flipped_bit_is_harmless_or_refused() {
    let (mut harmless, mut refused) = (0, 0);
    for seed in 0..3 {
        let mut owner = Owner::new(seed);
        let clean = SimulatedDisk::new(seed);
        assert!(matches!(owner.live(&clean, BATCHES), Ok(End::Done)));
        let mut rng = Rng(seed);
        for (name, bytes) in clean.all() {
            for round in 0..600 {
                let disk = clean.after(Crash::Process);
                // Headers are small and matter most.
                let reach = if round < 200 { 256 } else { bytes.len() as u64 };
                let offset = rng.below(reach.min(bytes.len() as u64));
                disk.flip(&name, offset, 1 << rng.below(8));
                let found = Log::open(disk, options()).and_then(|log| log.recover(0));
                match found.and_then(|mut recovered| owner.judge(&mut recovered)) {
                    Ok(Ok(())) => harmless += 1,
                    Ok(Err(violation)) => panic!("{name} at {offset}: {violation:?}"),
                    Err(error) => {
                        let shown = error.to_string();
                        assert!(shown.contains(".seg") || shown.contains(&name), "{shown}");
                        refused += 1;
                    }
                }
            }
        }
    }
    println!("{harmless} harmless, {refused} refused");
    assert!(harmless > 100 && refused > 100, "{harmless}, {refused}");
}
