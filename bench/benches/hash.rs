//! Domain-keyed BLAKE3 of single 64-byte blocks, per hash: log chains in lanes and independent
//! blocks in lanes, beside `blake3` one at a time.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use duet_engine::crypto::{ChainJob, Digest, Domain, block, chain, hash, hash_blocks, link};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn entries(count: usize) -> Vec<[u8; 32]> {
    (0..count)
        .map(|i| hash(Domain::State, &i.to_le_bytes()).0)
        .collect()
}

/// Bursts of 100 payments: one log alone, one group of 16 lanes, and more logs than lanes. Of each
/// burst the last two heads are wanted, as a co-signed state needs them.
fn chains(criterion: &mut Criterion) {
    const BURST: usize = 100;
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
    group.finish();
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
