//! The channel's rules without signatures: entries made and checked, logs extended, by both ends.
//!
//! One iteration is a burst of payments in each of 16 channels, as the pipeline handles it.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use duet_engine::crypto::{Backend, Digest, KeyRing, PublicKey, SecretKey};
use duet_engine::protocol::{
    Amount, Burst, Endpoint, Entry, PackedPayments, Pair, Party, Payment, Rules, Terms, WindowPool,
};
use std::time::Duration;

const CHANNELS: usize = 16;

fn endpoints(rules: Rules) -> Vec<(Endpoint, Endpoint)> {
    let key = |seed: u8| SecretKey::from_seed(&[seed; 32]).public();
    let mut ring = KeyRing::new(Backend::Dalek);
    let (a, b): (PublicKey, PublicKey) = (key(1), key(2));
    let ids = [a, b].map(|key| ring.insert(key).expect("a sound key"));
    (0..CHANNELS as u64)
        .map(|nonce| {
            let terms = Terms {
                genesis: Digest([7; 32]),
                nonce,
                index: 0,
                keys: Pair { a, b },
                deposits: Pair {
                    a: Amount::new(1 << 40),
                    b: Amount::ZERO,
                },
                challenge_window_blocks: 144,
                reserve: Amount::ZERO,
            };
            let end = |me, peer| Endpoint::new(me, &terms, peer, rules).expect("sound terms");
            (end(Party::A, ids[1]), end(Party::B, ids[0]))
        })
        .collect()
}

fn steps(c: &mut Criterion) {
    let mut group = c.benchmark_group("protocol");
    for (cosign_every, proposals) in [(1, 64), (100, 10)] {
        let mut ends = endpoints(Rules {
            cosign_every,
            in_flight: 64,
        });
        let per_channel = cosign_every as usize * proposals;
        let payment = Payment {
            payer: Party::A,
            amount: Amount::new(3),
            tag: 1,
        };
        let mut payer = Burst::default();
        let pay = |burst: &mut Burst| {
            burst.clear();
            for (a, _) in &ends {
                burst.begin(a);
                for at in 1..=per_channel {
                    burst.pay(&payment).expect("within the balance");
                    if at % cosign_every as usize == 0 {
                        burst.cut();
                    }
                }
            }
            burst.hash();
        };
        group.throughput(Throughput::Elements((CHANNELS * per_channel) as u64));
        group.bench_function(format!("payer_entries_and_hashes/k{cosign_every}"), |b| {
            b.iter(|| pay(&mut payer));
        });

        pay(&mut payer);
        let signature = duet_engine::crypto::Signature([0; 64]);
        let proposals: Vec<Vec<_>> = payer
            .states()
            .chunks(proposals)
            .map(|states| {
                states
                    .iter()
                    .map(|state| PackedPayments::of(payer.entries_of(state)))
                    .collect()
            })
            .collect();
        let mut payee = Burst::default();
        group.bench_function(format!("payee_checks_and_hashes/k{cosign_every}"), |b| {
            b.iter(|| {
                payee.clear();
                for ((_, end), proposals) in ends.iter().zip(&proposals) {
                    payee.begin(end);
                    for packed in proposals {
                        end.receive_proposal(&packed.payments(), &signature, &mut payee)
                            .expect("honest payments");
                    }
                }
                payee.hash();
            });
        });

        // What the payer's log keeps while all of it is in flight.
        let (mut windows, mut wire) = (WindowPool::new(), Vec::new());
        let [(a, _), ..] = &mut ends[..] else {
            unreachable!("more than one channel")
        };
        for state in &payer.states()[..proposals.len().min(10)] {
            let order = a.propose(state, false).expect("its turn");
            a.proposed(&order, state, &payer, signature, &mut windows, &mut wire);
        }
        let mut record = Vec::new();
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("record_with_10_in_flight/k{cosign_every}"), |b| {
            b.iter(|| {
                record.clear();
                a.record(&[], &mut record);
                record.len()
            });
        });
    }
    let idle = &endpoints(Rules {
        cosign_every: 1,
        in_flight: 1,
    })[0];
    let mut record = Vec::new();
    group.throughput(Throughput::Elements(1));
    group.bench_function("record_idle", |b| {
        b.iter(|| {
            record.clear();
            idle.0.record(&[], &mut record);
            record.len()
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("entry_decode_encode", |b| {
        b.iter_batched_ref(
            || [3u8; 32],
            |bytes| Entry::decode(std::hint::black_box(bytes)).encode(),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = steps
}
criterion_main!(benches);
