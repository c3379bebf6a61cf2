//! Verifying signatures of 32-byte messages, per signature: batches of several sizes, with 64, 4
//! and 1 signatures per key, and single verification. All contenders get the same keys,
//! messages and signatures.
//!
//! They do not do the same work, so no ratio is printed:
//!
//! | contender | rule | keys | terms of one key |
//! | --- | --- | --- | --- |
//! | duet, each of its back ends | ZIP 215 | decompressed before, as in a channel | joined |
//! | `ed25519_dalek::verify_batch` | not cofactored | decompressed before | not joined |
//! | ed25519-zebra | ZIP 215 | decompressed in every batch | joined |
//! | commonware | ZIP 215 | decompressed before | joined |
//!
//! Of these only Duet gives each signature its verdict. Hashing is part of every row.

#![forbid(unsafe_code)]

mod signatures;

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use commonware_codec::{Copying, DecodeExt as _};
use commonware_cryptography::{BatchEntry, BatchVerifier as _};
use commonware_cryptography_curve25519::signing as commonware;
use commonware_parallel::Sequential;
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group,
    criterion_main,
};
use duet_engine::crypto::{
    Backend, Digest, KeyId, KeyRing, PublicKey, SecretKey, Signature, Verifier, accept,
};
use ed25519_dalek::Verifier as _;

use signatures::{Corpus, backend};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A batch in the forms that the contenders take.
struct Batch {
    corpus: Corpus,
    publics: Vec<PublicKey>,
    signatures: Vec<Signature>,
    daleks: Vec<ed25519_dalek::VerifyingKey>,
}

impl Batch {
    fn new(count: usize, per_key: usize) -> Batch {
        let corpus = Corpus::new(count, per_key);
        let signing = corpus
            .seeds
            .iter()
            .map(ed25519_dalek::SigningKey::from_bytes);
        Batch {
            publics: corpus.secrets().iter().map(SecretKey::public).collect(),
            signatures: corpus.signatures(),
            daleks: signing.map(|key| key.verifying_key()).collect(),
            corpus,
        }
    }

    fn dalek_signatures(&self) -> Vec<ed25519_dalek::Signature> {
        let signatures = self.signatures.iter();
        signatures
            .map(|signature| ed25519_dalek::Signature::from_bytes(&signature.0))
            .collect()
    }
}

impl Batch {
    /// The keys and the items in the form that Duet's verifier takes.
    fn items(&self, backend: Backend) -> (KeyRing, Vec<(KeyId, Digest, Signature)>) {
        let mut ring = KeyRing::new(backend);
        let ids: Vec<_> = self
            .publics
            .iter()
            .map(|&key| ring.insert(key).expect("a sound key"))
            .collect();
        let items = self
            .corpus
            .with(&ids)
            .zip(&self.signatures)
            .map(|((&signer, &digest), &signature)| (signer, digest, signature))
            .collect();
        (ring, items)
    }
}

fn duet(group: &mut BenchmarkGroup<WallTime>, batch: &Batch, backend: Backend) {
    let (ring, items) = batch.items(backend);
    let mut verifier = Verifier::new(backend);
    let mut verdicts = Vec::new();
    let name = format!("duet {}", backend.name());
    group.bench_function(BenchmarkId::new(name, items.len()), |bencher| {
        bencher.iter_batched(
            || items.clone(),
            |mut items| {
                verdicts.clear();
                verifier.verify(&ring, &mut items, &mut verdicts);
                assert!(verdicts.iter().all(Result::is_ok));
                items
            },
            BatchSize::PerIteration,
        );
    });
}

fn dalek(group: &mut BenchmarkGroup<WallTime>, batch: &Batch) {
    let (keys, messages): (Vec<_>, Vec<&[u8]>) = batch
        .corpus
        .with(&batch.daleks)
        .map(|(key, message)| (*key, &message.0[..]))
        .unzip();
    let signatures = batch.dalek_signatures();
    group.bench_function(BenchmarkId::new("ed25519-dalek", keys.len()), |bencher| {
        bencher.iter(|| {
            ed25519_dalek::verify_batch(&messages, &signatures, &keys).expect("all valid");
        });
    });
}

fn zebra(group: &mut BenchmarkGroup<WallTime>, batch: &Batch) {
    let signatures = batch.dalek_signatures();
    group.bench_function(
        BenchmarkId::new("ed25519-zebra", signatures.len()),
        |bencher| {
            bencher.iter(|| {
                let mut verifier = ed25519_zebra::batch::Verifier::new();
                for ((key, message), signature) in
                    batch.corpus.with(&batch.publics).zip(&signatures)
                {
                    let key = ed25519_zebra::VerificationKeyBytes::from(key.0);
                    verifier.queue((key, *signature, &message.0));
                }
                verifier.verify(rand::rng()).expect("all valid");
            });
        },
    );
}

fn commonware(group: &mut BenchmarkGroup<WallTime>, batch: &Batch) {
    let keys: Vec<_> = batch
        .corpus
        .seeds
        .iter()
        .map(|seed| commonware::SigningKey::decode(Copying(seed)).expect("a seed"))
        .map(|key| key.verifying_key())
        .collect();
    let items: Vec<_> = batch
        .corpus
        .with(&keys)
        .zip(&batch.signatures)
        .map(|((key, message), signature)| {
            let signature = commonware::Signature::decode(Copying(&signature.0));
            (key, &message.0[1..], signature.expect("64 bytes"))
        })
        .collect();
    group.bench_function(BenchmarkId::new("commonware", items.len()), |bencher| {
        bencher.iter(|| {
            let valid = commonware::VerifyingKey::verify_batch(
                &mut rand::rng(),
                &items,
                |_, (public_key, message, signature)| BatchEntry {
                    namespace: b"",
                    message,
                    public_key,
                    signature,
                },
                &Sequential,
            );
            assert!(valid);
        });
    });
}

fn batches(criterion: &mut Criterion) {
    let sizes: [(usize, &[usize]); 3] = [
        (64, &[256, 1024, 4096]),
        (4, &[256]),
        (1, &[256, 1024, 4096]),
    ];
    for (per_key, counts) in sizes {
        let mut group = criterion.benchmark_group(format!("verify/{per_key} per key"));
        group.sampling_mode(SamplingMode::Flat);
        for &count in counts {
            let batch = Batch::new(count, per_key);
            group.throughput(Throughput::Elements(count as u64));
            for backend in Backend::all() {
                duet(&mut group, &batch, backend);
            }
            dalek(&mut group, &batch);
            zebra(&mut group, &batch);
            commonware(&mut group, &batch);
        }
        group.finish();
    }
}

/// One signature at a time. Duet's `accept` decompresses the key in each call; the others hold it
/// ready.
fn singles(criterion: &mut Criterion) {
    let batch = Batch::new(64, 1);
    let mut group = criterion.benchmark_group("verify/one");
    group.throughput(Throughput::Elements(64));
    group.bench_function("duet accept", |bencher| {
        bencher.iter(|| {
            for ((key, message), signature) in
                batch.corpus.with(&batch.publics).zip(&batch.signatures)
            {
                assert!(accept(&key.0, &message.0, &signature.0));
            }
        });
    });
    let signatures = batch.dalek_signatures();
    group.bench_function("ed25519-dalek", |bencher| {
        bencher.iter(|| {
            for ((key, message), signature) in batch.corpus.with(&batch.daleks).zip(&signatures) {
                key.verify(&message.0, signature).expect("valid");
            }
        });
    });
    let aws_lc: Vec<_> = batch
        .publics
        .iter()
        .map(|key| ParsedPublicKey::new(&ED25519, key.0).expect("a key"))
        .collect();
    group.bench_function("aws-lc-rs", |bencher| {
        bencher.iter(|| {
            for ((key, message), signature) in batch.corpus.with(&aws_lc).zip(&batch.signatures) {
                key.verify_sig(&message.0, &signature.0).expect("valid");
            }
        });
    });
    group.finish();
}

/// Batches with bad signatures in them, evenly spread: bisected to the exact culprits. With one in
/// N signatures bad, N above the batch's size, the mean cost is that of no bad one, and of one bad
/// one in every N / 4,096th batch.
fn poisoned(criterion: &mut Criterion) {
    const BATCH: usize = 4096;
    let batch = Batch::new(BATCH, 64);
    let mut group = criterion.benchmark_group("verify/poisoned, 64 per key");
    group.throughput(Throughput::Elements(BATCH as u64));
    for bad in [0, 1, 4, 41, 410] {
        let (ring, mut items) = batch.items(backend());
        for at in 0..bad {
            // In the scalar: a point that does not decode would be found for nothing.
            items[at * BATCH / bad].2.0[32] ^= 1;
        }
        let mut verifier = Verifier::new(backend());
        let mut verdicts = Vec::new();
        group.bench_function(BenchmarkId::new("bad of 4096", bad), |bencher| {
            bencher.iter_batched(
                || items.clone(),
                |mut items| {
                    verdicts.clear();
                    verifier.verify(&ring, &mut items, &mut verdicts);
                    assert_eq!(
                        verdicts.iter().filter(|verdict| verdict.is_err()).count(),
                        bad
                    );
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// Checking a public key and keeping it, once per channel and party.
fn keys(criterion: &mut Criterion) {
    let batch = Batch::new(256, 1);
    let mut group = criterion.benchmark_group("verify/insert key");
    group.throughput(Throughput::Elements(256));
    group.bench_function("duet", |bencher| {
        bencher.iter(|| {
            let mut ring = KeyRing::new(backend());
            for &key in &batch.publics {
                black_box(ring.insert(key).expect("a sound key"));
            }
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1000));
    targets = batches, singles, poisoned, keys
}
criterion_main!(benches);
