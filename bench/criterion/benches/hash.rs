//! Domain-keyed BLAKE3 of single 64-byte blocks, per hash: log chains in lanes and independent
//! blocks in lanes, beside `blake3` one at a time, and its kernels for many at a time.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::Duration;

use blake3::IncrementCounter;
use blake3::platform::Platform;
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use duet_engine::crypto::{ChainJob, Digest, Domain, block, chain, hash, hash_blocks, link};
use duet_lanes::{Lanes, extend_chains};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn entries(count: usize) -> Vec<[u8; 32]> {
    (0..count)
        .map(|i| hash(Domain::State, &i.to_le_bytes()).0)
        .collect()
}

/// Payments of a burst.
const BURST: usize = 100;

// Flags of BLAKE3's compression function (BLAKE3 paper, table 3).
const CHUNK_START: u8 = 1 << 0;
const CHUNK_END: u8 = 1 << 1;
const ROOT: u8 = 1 << 3;
const KEYED_HASH: u8 = 1 << 4;

/// Bursts of 100 payments: one log alone, one group of 16 lanes, and more logs than lanes. Of each
/// burst the last two heads are wanted, as a co-signed state needs them.
fn chains(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hash/chain");
    for logs in [1, 16, 32, 256] {
        let entries = entries(logs * BURST);
        let wanted: Vec<u32> = (1..=logs)
            .flat_map(|log| (log * BURST - 2..log * BURST).map(|i| i as u32))
            .collect();
        let mut heads = Vec::new();
        let jobs: Vec<ChainJob> = (0..logs)
            .map(|log| ChainJob {
                start: Digest([log as u8; 32]),
                first: log * BURST,
                count: BURST,
            })
            .collect();
        group.throughput(Throughput::Elements(entries.len() as u64));
        group.bench_function(BenchmarkId::new("duet, logs", logs), |bencher| {
            bencher.iter(|| {
                chain(black_box(&jobs), &entries, &wanted, &mut heads);
                black_box(&heads);
            });
        });
    }
    let entries = entries(1000);
    group.throughput(Throughput::Elements(entries.len() as u64));
    group.bench_function("blake3 one at a time", |bencher| {
        bencher.iter(|| {
            entries.iter().fold(Digest::default(), |head, entry| {
                link(black_box(&head), entry)
            })
        });
    });
    each_machine(&mut group);
    library_lanes(&mut group);
    group.finish();
}

/// Sixteen logs on each machine that this processor has, the last two heads of each wanted.
fn each_machine(group: &mut BenchmarkGroup<WallTime>) {
    const LOGS: usize = 16;
    let key = key_words();
    let entries = entries(LOGS * BURST);
    let starts: Vec<[u8; 32]> = (0..LOGS).map(|log| [log as u8; 32]).collect();
    let wanted: Vec<u32> = (1..=LOGS)
        .flat_map(|log| (log * BURST - 2..log * BURST).map(|i| i as u32))
        .collect();
    group.throughput(Throughput::Elements(entries.len() as u64));
    for lanes in Lanes::all() {
        let name = format!("duet lanes/{}, logs", lanes.unit().name());
        group.bench_function(BenchmarkId::new(name, LOGS), |bencher| {
            bencher.iter(|| {
                let jobs = starts
                    .iter()
                    .zip(0..)
                    .map(|(start, log)| duet_lanes::ChainJob {
                        start,
                        first: log * BURST,
                        count: BURST,
                    });
                let mut heads = [[0; 32]; 2 * LOGS];
                extend_chains(
                    lanes,
                    &key,
                    jobs,
                    black_box(&entries),
                    &wanted,
                    |at, head| {
                        heads[at] = *head;
                    },
                );
                black_box(heads)
            });
        });
    }
}

/// The words of the key under which logs are hashed.
fn key_words() -> [u32; 8] {
    let key = blake3::derive_key(Domain::Log.context(), &[]);
    let (words, _) = key.as_chunks::<4>();
    std::array::from_fn(|word| u32::from_le_bytes(words[word]))
}

/// The same chains by the library's own kernels, several blocks at a time: heads go to the next
/// blocks by copies. All heads of a step come out.
fn library_lanes(group: &mut BenchmarkGroup<WallTime>) {
    const LOGS: usize = 16;
    let key = key_words();
    let entries = entries(LOGS * BURST);
    group.throughput(Throughput::Elements(entries.len() as u64));
    let kernels = [
        ("blake3 in AVX2 lanes, logs", Platform::avx2()),
        ("blake3 in its lanes, logs", Some(Platform::detect())),
    ];
    for (name, platform) in kernels {
        let Some(platform) = platform else { continue };
        group.bench_function(BenchmarkId::new(name, LOGS), |bencher| {
            bencher.iter(|| {
                let mut blocks = [[0; 64]; LOGS];
                let mut heads = [[0; 32]; LOGS];
                for step in 0..BURST {
                    for (log, (block, head)) in blocks.iter_mut().zip(&heads).enumerate() {
                        block[..32].copy_from_slice(head);
                        block[32..].copy_from_slice(&entries[log * BURST + step]);
                    }
                    platform.hash_many(
                        &blocks.each_ref(),
                        &key,
                        0,
                        IncrementCounter::No,
                        KEYED_HASH,
                        CHUNK_START,
                        CHUNK_END | ROOT,
                        heads.as_flattened_mut(),
                    );
                }
                black_box(heads)
            });
        });
    }
}

fn blocks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hash/blocks");
    for count in [1, 15, 16, 1024] {
        let blocks: Vec<[u8; 64]> = entries(count)
            .iter()
            .map(|entry| block(&Digest([7; 32]), entry))
            .collect();
        let mut digests = Vec::new();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("duet, blocks", count), |bencher| {
            bencher.iter(|| {
                digests.clear();
                hash_blocks(Domain::State, black_box(&blocks), &mut digests);
                black_box(&digests);
            });
        });
        if count == 1024 {
            let key = blake3::derive_key(Domain::State.context(), &[]);
            group.bench_function(BenchmarkId::new("blake3 one at a time", count), |bencher| {
                bencher.iter(|| {
                    for block in &blocks {
                        black_box(blake3::keyed_hash(&key, black_box(block)));
                    }
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1000));
    targets = chains, blocks
}
criterion_main!(benches);
