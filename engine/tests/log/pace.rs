//! How fast it is, on a real disk. Prints; asserts nothing about time.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use duet_engine::log::{Durability, Files, Log, Options, Recovered};

use crate::owner::options;

/// `cargo test --release -p duet-engine --test log -- --ignored --nocapture pace`
///
/// In the current directory, or where `DUET_LOG_DIRECTORY` says: the temporary directory is
/// often no disk.
#[test]
#[ignore = "writes gigabytes"]
fn pace_of_commits_and_of_recovery() {
    const KEYS: u32 = 2_000_000;
    const RECORD_BYTES: usize = 400;
    const BATCH: u32 = 4096;
    const BATCHES: u32 = 1000;
    let place = std::env::var_os("DUET_LOG_DIRECTORY").unwrap_or_else(|| ".".into());
    for durability in [Durability::Log, Durability::Fsync] {
        let directory = tempfile::tempdir_in(&place).expect("room");
        let options = Options {
            segment_bytes: 64 << 20,
            key_limit: KEYS,
            durability,
            ..options()
        };
        let open = || {
            let disk = Files::new(directory.path()).expect("a directory");
            let disk = match durability {
                Durability::Log => disk,
                Durability::Fsync => disk.direct(),
            };
            Log::open(disk, options.clone()).and_then(|log| log.recover(0))
        };
        let mut stream = open().and_then(Recovered::start).expect("a new log");
        let start = Instant::now();
        let (mut key, mut refreshed) = (0, 0);
        let mut refresh = Vec::new();
        let mut putting_ns = 0;
        for _ in 0..BATCHES {
            let putting = cpu_ns();
            for _ in 0..BATCH {
                key = (key + 7919) % KEYS;
                stream.put(key, &[key as u8; RECORD_BYTES]);
            }
            refresh.clear();
            stream.to_refresh(BATCH as usize, &mut refresh);
            refreshed += refresh.len();
            for &key in &refresh {
                stream.put(key, &[key as u8; RECORD_BYTES]);
            }
            putting_ns += cpu_ns() - putting;
            stream.commit().expect("a disk in order");
        }
        let closed = stream.close();
        closed.durable.expect("a disk in order");
        let statistics = closed.statistics;
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{durability:?}: {:.2} million records/s, {:.0} MB/s; {} ns of CPU a put, {:.0} ns of the \
             writer's CPU a record; {} syncs, median {} µs, 99 % {} µs; {refreshed} refreshed",
            f64::from(BATCH * BATCHES) / seconds / 1e6,
            statistics.bytes_written as f64 / seconds / 1e6,
            putting_ns / statistics.records,
            statistics.cpu_ns as f64 / statistics.records as f64,
            statistics.syncs(),
            statistics.sync_ns.value_at_quantile(0.5) / 1000,
            statistics.sync_ns.value_at_quantile(0.99) / 1000,
        );
        let start = Instant::now();
        let start_cpu_ns = cpu_ns();
        let mut recovered = open().expect("as it was left");
        let read = start.elapsed();
        let read_cpu_ms = (cpu_ns() - start_cpu_ns) / 1_000_000;
        let mut records = 0;
        let visited = recovered.for_each(|_, _, _| records += 1);
        visited.expect("as it was read");
        println!(
            "{records} records recovered: read and checked in {read:.2?} ({read_cpu_ms} ms of CPU), \
             visited in {:.2?}",
            start.elapsed() - read
        );
    }
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
