//! Streams with their threads: what is handed over becomes durable, in order, and streams share
//! nothing.

use std::time::Duration;

use duet_engine::log::disk::{Crash, Fault, SimulatedDisk};
use duet_engine::log::{Disk, Durability, Log, LogError, Options, Recovered};

use crate::owner::options;

fn two_streams() -> Options {
    Options {
        streams: vec!["shard-0".to_owned(), "l1".to_owned()],
        ..options()
    }
}

fn records<D: Disk>(mut recovered: Recovered<D>) -> Vec<(u32, u64, Vec<u8>)> {
    let mut records = Vec::new();
    let visited = recovered.for_each(|key, sequence, record| {
        records.push((key, sequence, record.to_vec()));
    });
    visited.expect("as it was read");
    records.sort_unstable();
    records
}

#[test]
fn two_streams_of_one_log_keep_their_own() {
    for durability in [Durability::Fsync, Durability::Log] {
        let options = Options {
            durability,
            ..two_streams()
        };
        let disk = SimulatedDisk::new(1);
        let log = Log::open(disk.clone(), options.clone()).expect("a new log");
        for (at, fill) in [(0, 10), (1, 20)] {
            let mut stream = log.recover(at).and_then(Recovered::start).expect("new");
            assert_eq!(stream.durable(), Ok(0));
            for round in 1..=50 {
                stream.put(0, &[fill; 30]);
                stream.put(round, &[fill + 1; 40]);
                if round > 1 {
                    stream.remove(round - 1);
                }
                assert_eq!(stream.commit(), Ok(u64::from(round)));
            }
            assert_eq!(stream.commit(), Ok(50), "nothing to write");
            stream.wait(50).expect("a disk in order");
            assert_eq!(stream.durable(), Ok(50));
            let closed = stream.close();
            let statistics = closed.statistics;
            assert_eq!((statistics.batches, closed.durable), (50, Ok(50)));
            assert_eq!(statistics.syncs() > 100, durability == Durability::Fsync);
            assert!(statistics.cpu_ns > 0);
        }
        drop(log);
        let log = Log::open(disk.after(Crash::Process), options).expect("as it was left");
        for (at, fill) in [(0, 10), (1, 20)] {
            let found = records(log.recover(at).expect("as it was left"));
            assert_eq!(
                found,
                [(0, 50, vec![fill; 30]), (50, 50, vec![fill + 1; 40])]
            );
        }
    }
}

#[test]
fn both_batches_under_way_says_so_and_the_batch_grows_on() {
    let disk = SimulatedDisk::new(1);
    let log = Log::open(disk, options()).expect("a new log");
    let mut stream = log.recover(0).and_then(Recovered::start).expect("new");
    stream.wake(std::thread::current());
    let mut busy = 0;
    let mut last = 0;
    for round in 0..2000_u32 {
        stream.put(round % 100, &round.to_le_bytes());
        match stream.try_commit().expect("a disk in order") {
            Some(sequence) => {
                assert_eq!(sequence, last + 1, "one by one");
                last = sequence;
                assert!(stream.batch().is_empty());
            }
            None => {
                busy += 1;
                assert!(!stream.batch().is_empty(), "nothing is dropped");
            }
        }
    }
    let last = stream.commit().expect("a disk in order");
    while stream.durable().expect("a disk in order") < last {
        std::thread::park_timeout(Duration::from_secs(10));
    }
    println!("{busy} of 2000 times the batch before was under way");
}

#[test]
fn a_stream_whose_disk_fails_says_so_for_ever() {
    let disk = SimulatedDisk::new(1);
    let log = Log::open(disk.clone(), options()).expect("a new log");
    let mut stream = log.recover(0).and_then(Recovered::start).expect("new");
    stream.put(1, b"one");
    assert_eq!(stream.commit(), Ok(1));
    stream.wait(1).expect("a disk in order");
    stream.put(1, b"two");
    // The first batch's tidying may be under way: the next sync is among these.
    for operation in disk.operations()..disk.operations() + 8 {
        disk.fault_at(operation, Fault::Fails);
    }
    let mut failed = stream.commit().and_then(|last| stream.wait(last));
    for _ in 0..3 {
        let error = failed.expect_err("it failed before");
        assert!(matches!(error, LogError::Io { .. }), "{error}");
        assert_eq!(stream.durable(), Err(error.clone()));
        assert_eq!(stream.wait(2), Err(error.clone()));
        assert_eq!(stream.try_commit(), Err(error.clone()));
        failed = Err(error);
    }
    assert!(stream.close().durable.is_err());
    let log = Log::open(disk.after(Crash::Power), options()).expect("nothing else failed");
    let found = records(log.recover(0).expect("nothing else failed"));
    assert!(
        found == [(1, 1, b"one".to_vec())] || found == [(1, 2, b"two".to_vec())],
        "{found:?}"
    );
}
