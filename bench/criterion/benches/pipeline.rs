//! Whole runs: channels opened, paid through with both ends signing and verifying, and closed.
//!
//! One shard, so that the figure is a core's; throughput in payments. In flight: 64. With k = 1 a
//! batch of 1,024 signatures holds 64 per key; with k = 100 a batch is 10 per key.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use duet_engine::pipeline::{Config, run};
use duet_engine::protocol::Rules;
use duet_loadgen::amount::AmountDistribution;
use duet_loadgen::synthetic::Synthetic;

fn sessions(c: &mut Criterion) {
    let mut group = c.benchmark_group("pipeline");
    for (cosign_every, payments) in [(1, 128), (100, 10_000)] {
        let (sessions, amount) = (16, AmountDistribution::Uniform { low: 1, high: 100 });
        let workload = Synthetic {
            sessions,
            concurrent: sessions,
            payments,
            turn_length: None,
            amount,
            seed: 1,
            deposits: duet_engine::protocol::Pair {
                a: 100 * payments,
                b: 0,
            },
            part: None,
        };
        let config = Config {
            concurrent: sessions,
            rules: Rules {
                cosign_every,
                in_flight: 64,
            },
            ..Config::default()
        };
        group.throughput(Throughput::Elements(sessions * payments));
        group.bench_function(format!("sessions/k{cosign_every}"), |b| {
            b.iter(|| {
                let outcome = run(&config, &workload, &AtomicBool::new(false), |_| {});
                let outcome = outcome.expect("a sound set-up");
                assert!(outcome.checks.all(), "{:?}", outcome.checks);
                outcome.counts.covered
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(4));
    targets = sessions
}
criterion_main!(benches);
