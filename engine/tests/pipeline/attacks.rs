//! Dishonest parties in the running pipeline: whatever they do, honest parties get what they are
//! due and nobody honest is punished, as long as Layer 1 answers within the window; and it is
//! seen when it does not.

use std::sync::atomic::AtomicBool;

use duet_engine::l1;
use duet_engine::pipeline::{Attack, Config, Outcome, Sending, Stage, run};

use crate::config::config;
use crate::workload::Uniform;

const SESSIONS: u64 = 90;
const PAYMENTS: u64 = 24;

struct Row {
    attack: Attack,
    cosign_every: u32,
    two_way: Option<u64>,
    window: u32,
    delay: u32,
}

fn play(row: &Row, shards: u32, share: f64) -> Outcome {
    let workload = Uniform {
        two_way: row.two_way,
        ..Uniform::new(SESSIONS, SESSIONS / 2, PAYMENTS)
    };
    let config = Config {
        attacks: vec![(row.attack, share)],
        challenge_window_blocks: row.window,
        sending: Sending {
            delay_blocks: row.delay,
            ..Sending::default()
        },
        ..config(shards, SESSIONS / 2, row.cosign_every, 4)
    };
    run(&config, &workload, &AtomicBool::new(false), |_| {}).expect("a sound set-up")
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for attack in Attack::ALL {
        for (cosign_every, two_way) in [(1, None), (3, None), (2, Some(4))] {
            for (window, delay) in [(1, 0), (5, 4), (144, 3)] {
                rows.push(Row {
                    attack,
                    cosign_every,
                    two_way,
                    window,
                    delay,
                });
            }
        }
    }
    rows
}

fn check_sound(row: &Row, outcome: &Outcome) {
    let name = row.attack.name();
    let checks = outcome.checks;
    assert!(checks.all(), "{name}: {checks:?}");
    assert_eq!(outcome.counts.sessions_closed, SESSIONS, "{name}: all end");
    assert_eq!(outcome.chain().totals().locked.units(), 0, "{name}");
    assert!(
        outcome.stops.rejections.is_empty(),
        "{:?}",
        outcome.stops.rejections
    );
    let disputes = &outcome.disputes;
    let cost = disputes
        .attacks
        .get(&row.attack)
        .copied()
        .unwrap_or_default();
    assert_eq!(disputes.cases(), cost.cases);
    assert_eq!(disputes.closes, cost.cases, "{name}: every case is a post");
    assert_eq!(disputes.punishments, cost.punishments);
    let settled = outcome.stages[Stage::Settle as usize].items;
    assert_eq!(settled, outcome.l1.transactions, "{name}: all are counted");
    // The first post, the answers, the payout.
    assert_eq!(
        cost.transactions,
        2 * cost.cases + disputes.answers,
        "{name}"
    );
}

#[test]
fn honest_parties_get_their_due_while_the_window_exceeds_the_delay() {
    for row in rows() {
        let outcome = play(&row, 2, 1.0);
        check_sound(&row, &outcome);
        let name = row.attack.name();
        let disputes = &outcome.disputes;
        assert_eq!(disputes.cases(), SESSIONS, "{name}");
        assert_eq!(disputes.lost_by_honest, 0, "{name}");
        assert_eq!(disputes.honest_losers, 0, "{name}");
        assert_eq!(disputes.honest_punished, 0, "{name}");
        match row.attack {
            // Whoever shows an old state is answered, and forfeits.
            Attack::StaleClose | Attack::FakeOffer | Attack::Replay | Attack::LastBlock => {
                assert!(disputes.answers >= disputes.punishments);
                assert!(disputes.punishments > SESSIONS / 2, "{name}: {disputes:?}");
            }
            Attack::Silent | Attack::BadSignature | Attack::HalfSigned => {
                assert_eq!(disputes.punishments, 0, "{name}");
            }
            Attack::Equivocate => {
                assert!(disputes.punishments > SESSIONS / 2, "{name}: {disputes:?}");
            }
            // Neither forfeits where both are proven stale; where B has no other old state than A,
            // only A is.
            Attack::BothMalicious => {
                assert!(disputes.answers > SESSIONS, "{disputes:?}");
                assert!(disputes.punishments < SESSIONS / 2, "{disputes:?}");
            }
        }
        let rejected: u64 = disputes.rejections.values().sum();
        let breaks = matches!(row.attack, Attack::BadSignature | Attack::Equivocate);
        assert_eq!(rejected > SESSIONS / 2, breaks, "{name}: {disputes:?}");
    }
}

/// The synchrony that the guarantee assumes is real: with a window that is no longer than the
/// delay, an honest party can come too late.
#[test]
fn losses_appear_when_the_delay_reaches_the_window() {
    for (window, delay) in [(1, 1), (4, 4), (3, 9)] {
        let row = Row {
            attack: Attack::LastBlock,
            cosign_every: 1,
            two_way: None,
            window,
            delay,
        };
        let outcome = play(&row, 2, 0.5);
        check_sound(&row, &outcome);
        let disputes = &outcome.disputes;
        assert!(disputes.lost_by_honest > 0, "{disputes:?}");
        assert!(disputes.honest_losers > 0);
        assert_eq!(disputes.honest_punished, 0);
    }
}

/// Blocks, balances and what is counted are the same for any number of shards.
#[test]
fn disputes_do_not_depend_on_the_shards() {
    for attack in [
        Attack::StaleClose,
        Attack::HalfSigned,
        Attack::Replay,
        Attack::BadSignature,
    ] {
        let row = Row {
            attack,
            cosign_every: 2,
            two_way: Some(4),
            window: 9,
            delay: 5,
        };
        let [one, three] = [1, 3].map(|shards| play(&row, shards, 0.3));
        assert!(one.disputes.cases() > 10);
        assert_eq!(one.disputes, three.disputes);
        assert_eq!(one.chain().tip(), three.chain().tip());
        assert_eq!(
            one.l1,
            l1::Load {
                cpu_ns: one.l1.cpu_ns,
                ..three.l1
            }
        );
    }
}

/// Nor on how waves are cut, which depends on when Layer 1 answers: more channels than one wave
/// holds, so that some are cut in the midst.
#[test]
fn disputes_do_not_depend_on_waves() {
    let workload = Uniform::new(1500, 1500, 24);
    let play = |shards| {
        let config = Config {
            attacks: Attack::ALL.map(|attack| (attack, 0.05)).to_vec(),
            challenge_window_blocks: 9,
            sending: Sending {
                delay_blocks: 5,
                ..Sending::default()
            },
            ..config(shards, 1500, 1, 64)
        };
        run(&config, &workload, &AtomicBool::new(false), |_| {}).expect("a sound set-up")
    };
    let [one, two, again] = [1, 2, 2].map(play);
    assert!(one.checks.all() && one.disputes.cases() > 500);
    for other in [two, again] {
        assert_eq!(one.disputes, other.disputes);
        assert_eq!(one.chain().tip(), other.chain().tip());
        assert_eq!(one.counts.covered, other.counts.covered);
    }
}
