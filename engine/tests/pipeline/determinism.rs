//! Layer 1 is the same, byte for byte, however many shards drive it.

use std::sync::atomic::AtomicBool;

use duet_engine::l1::{SignedTransaction, Transaction};
use duet_engine::pipeline::{Config, run};

use crate::config::config;
use crate::workload::Uniform;

#[test]
fn blocks_and_balances_do_not_depend_on_shards() {
    let workloads = [
        (Uniform::new(60, 14, 30), 1),
        (
            Uniform {
                two_way: Some(7),
                ..Uniform::new(45, 9, 40)
            },
            5,
        ),
        (
            Uniform {
                funded: 0.2,
                ..Uniform::new(30, 8, 40)
            },
            3,
        ),
    ];
    for (workload, k) in workloads {
        let mut config = config(1, workload.concurrent, k, 4);
        // Small blocks, so that where they are cut matters, and a mempool that pushes back.
        config.l1.block_transactions = 3;
        config.l1.mempool_transactions = 5;
        let runs: Vec<_> = [1, 2, 7]
            .into_iter()
            .map(|shards| {
                let config = Config {
                    shards,
                    ..config.clone()
                };
                run(&config, &workload, &AtomicBool::new(false), |_| {}).unwrap()
            })
            .collect();
        for other in &runs {
            assert!(other.checks.all(), "{:?}", other.checks);
            assert_eq!(other.chain().tip(), runs[0].chain().tip());
            assert_eq!(other.chain().bodies(), runs[0].chain().bodies());
            assert_eq!(other.chain().totals(), runs[0].chain().totals());
            assert_eq!(other.counts.refused, runs[0].counts.refused);
        }
    }
}

#[test]
fn another_seed_makes_other_blocks() {
    let workload = Uniform::new(4, 4, 5);
    let tips = [1, 2].map(|seed| {
        let config = Config {
            seed,
            ..config(1, 4, 1, 4)
        };
        let outcome = run(&config, &workload, &AtomicBool::new(false), |_| {}).unwrap();
        *outcome.chain().tip()
    });
    assert_ne!(tips[0], tips[1]);
}

#[test]
fn closes_reach_blocks_before_the_last_session_has_opened() {
    let workload = Uniform::new(60, 14, 30);
    let outcome = run(
        &config(2, 14, 1, 4),
        &workload,
        &AtomicBool::new(false),
        |_| {},
    )
    .unwrap();
    let mut kinds = Vec::new();
    for body in outcome.chain().bodies() {
        let mut rest = &body[..];
        while !rest.is_empty() {
            let (transaction, len) = (1..=rest.len())
                .find_map(|len| Some((SignedTransaction::decode(&rest[..len]).ok()?, len)))
                .expect("a block holds whole transactions");
            kinds.push(matches!(
                transaction.transaction(),
                Transaction::Open { .. }
            ));
            rest = &rest[len..];
        }
    }
    assert_eq!(kinds.len(), 120);
    let first_close = kinds.iter().position(|&open| !open).unwrap();
    let last_open = kinds.iter().rposition(|&open| open).unwrap();
    assert!(first_close < last_open, "{first_close} {last_open}");
}
