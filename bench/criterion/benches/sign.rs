//! Signing 32-byte messages with 64 keys, per signature: Duet in batches, the peers one at a time.
//!
//! All sign the same bytes and make the same signatures, which is checked first. aws-lc-rs and
//! commonware choose code for the processor that runs them, as Duet's back ends do.

#![forbid(unsafe_code)]

mod signatures;

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use commonware_codec::{Copying, DecodeExt as _};
use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use duet_engine::crypto::{Backend, Signer};
use ed25519_dalek::Signer as _;

use signatures::Corpus;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: usize = 64;

fn sign(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sign");
    group.sampling_mode(SamplingMode::Flat);
    for batch in [64, 256, 4096] {
        let corpus = Corpus::new(batch, batch / KEYS);
        let (secrets, jobs) = (corpus.secrets(), corpus.jobs());
        let mut signatures = Vec::new();
        group.throughput(Throughput::Elements(batch as u64));
        for backend in Backend::all() {
            let mut signer = Signer::new(backend);
            let name = format!("duet {} batch", backend.name());
            group.bench_function(BenchmarkId::new(name, batch), |bencher| {
                bencher.iter(|| {
                    signatures.clear();
                    signer.sign(&secrets, &jobs, &mut signatures);
                    black_box(&signatures);
                });
            });
        }
    }

    let corpus = Corpus::new(KEYS, 1);
    let expected = corpus.signatures();
    let messages = || corpus.digests.iter().zip(&expected);
    group.throughput(Throughput::Elements(KEYS as u64));

    let dalek: Vec<_> = corpus
        .seeds
        .iter()
        .map(ed25519_dalek::SigningKey::from_bytes)
        .collect();
    for (key, (message, expected)) in dalek.iter().zip(messages()) {
        assert_eq!(key.sign(&message.0).to_bytes(), expected.0);
    }
    group.bench_function("ed25519-dalek", |bencher| {
        bencher.iter(|| {
            for (key, message) in corpus.with(&dalek) {
                black_box(key.sign(&message.0));
            }
        });
    });

    let aws_lc: Vec<_> = corpus
        .seeds
        .iter()
        .map(|seed| Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed"))
        .collect();
    for (key, (message, expected)) in aws_lc.iter().zip(messages()) {
        assert_eq!(key.sign(&message.0).as_ref(), expected.0);
    }
    group.bench_function("aws-lc-rs", |bencher| {
        bencher.iter(|| {
            for (key, message) in corpus.with(&aws_lc) {
                black_box(key.sign(&message.0));
            }
        });
    });

    type CommonwareKey = commonware_cryptography_curve25519::signing::SigningKey;
    let commonware: Vec<_> = corpus
        .seeds
        .iter()
        .map(|seed| CommonwareKey::decode(Copying(seed)).expect("a seed"))
        .collect();
    for (key, (message, expected)) in commonware.iter().zip(messages()) {
        assert_eq!(key.sign(b"", &message.0[1..]).as_ref(), expected.0);
    }
    group.bench_function("commonware", |bencher| {
        bencher.iter(|| {
            for (key, message) in corpus.with(&commonware) {
                black_box(key.sign(b"", &message.0[1..]));
            }
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(400))
        .measurement_time(Duration::from_millis(1200));
    targets = sign
}
criterion_main!(benches);
