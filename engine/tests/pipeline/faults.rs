//! One flipped bit between any two stages of the pipeline: rejected by name, by whoever received
//! it, 100 of 100, and no other channel is touched.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use duet_engine::pipeline::{Config, Fault, Hop, run};

use crate::config::config;
use crate::workload::Uniform;

const FLIPS: u64 = 100;
const SESSIONS: u64 = 130;
const PAYMENTS: u64 = 24;

/// Flips one bit on this hop in each of 100 sessions; gives the names of the rejections.
fn flip(hop: Hop, cosign_every: u32, two_way: Option<u64>) -> BTreeSet<&'static str> {
    let workload = Uniform {
        two_way,
        ..Uniform::new(SESSIONS, SESSIONS, PAYMENTS)
    };
    let faults: Vec<Fault> = (0..FLIPS)
        .map(|i| Fault {
            session: i * 17 % SESSIONS,
            hop,
            after_payments: i % PAYMENTS,
            // Spread over the bits: 7,919 is prime.
            bit: i * 7_919 + i / 3,
        })
        .collect();
    let struck: BTreeSet<u64> = faults.iter().map(|fault| fault.session).collect();
    assert_eq!(struck.len() as u64, FLIPS);
    let config = Config {
        faults,
        ..config(2, SESSIONS, cosign_every, 4)
    };
    let outcome = run(&config, &workload, &AtomicBool::new(false), |_| {}).expect("a sound set-up");

    let stopped: BTreeSet<u64> = outcome
        .stops
        .first
        .iter()
        .map(|stopped| stopped.session)
        .collect();
    assert_eq!(
        stopped, struck,
        "{hop:?}, k = {cosign_every}: exactly the damaged channels stop"
    );
    assert_eq!(outcome.stops.rejections.values().sum::<u64>(), FLIPS);
    // A channel that stopped is closed on Layer 1 without the other party (rule S8); only where the
    // closing transaction itself was damaged, it stays as it is.
    let disputed = if hop == Hop::Settlement { 0 } else { FLIPS };
    assert_eq!(outcome.disputes.stopped.cases, disputed, "{hop:?}");
    assert_eq!(outcome.disputes.closes, disputed);
    assert_eq!(outcome.counts.sessions_closed, SESSIONS - FLIPS + disputed);
    assert_eq!(outcome.disputes.lost_by_honest, 0, "{hop:?}");
    assert_eq!(outcome.disputes.punishments, 0, "{hop:?}");
    let locked = outcome.chain().totals().locked.units();
    assert_eq!(locked == 0, hop != Hop::Settlement, "{hop:?}");
    assert!(outcome.checks.payments_accounted, "{hop:?}");
    assert!(
        outcome.checks.supply_conserved && outcome.checks.balances_match,
        "{hop:?}"
    );
    outcome.stops.rejections.into_keys().collect()
}

#[test]
fn every_flipped_bit_is_rejected_by_name() {
    let payments = [
        "bad_signature",
        "insufficient_balance",
        "malformed",
        "tag_too_large",
        "zero_amount",
    ];
    let proposal = [&payments[..], &["wrong_entry_count"]].concat();
    // "Bad signature" of Layer 1 says whose in its value; a flip in a key or the channel's id makes
    // it one that does not exist.
    let settlement = [
        "l1_bad_signature",
        "l1_key",
        "l1_malformed",
        "l1_unknown_account",
        "l1_unknown_channel",
    ];
    let table: [(Hop, &[&str]); 6] = [
        (Hop::Payments, &payments),
        (Hop::Proposal, &proposal),
        (Hop::Signature, &["bad_signature"]),
        (
            Hop::Acknowledgement,
            &["bad_signature", "malformed", "unknown_version"],
        ),
        (
            Hop::Final,
            &["bad_signature", "malformed", "final_not_newest"],
        ),
        (Hop::Settlement, &settlement),
    ];
    for (hop, expected) in table {
        for (cosign_every, two_way) in [(1, None), (3, None), (2, Some(4))] {
            let names = flip(hop, cosign_every, two_way);
            assert!(
                names.iter().all(|name| expected.contains(name)),
                "{hop:?}: {names:?}"
            );
            assert!(!names.is_empty());
        }
    }
}
