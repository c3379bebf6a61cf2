//! Two honest sides: everything that they want to pay is paid, and both can close.

use duet_engine::protocol::{Amount, Message, Party, Rules, State, Status};

use super::duo::Duo;
use super::script::{check, check_with};
use super::side::Habits;

#[test]
fn sessions_end_in_the_balances_that_their_payments_lead_to() {
    check("open 60/40 · A pays 15 · B pays 5 → A 50, B 50, v2");
    check("open 60/40 → A 60, B 40, v0");
    check("open 60/0 · A pays 60 → A 0, B 60, v1");
    check("open 0/60 · B pays 60 → A 60, B 0, v1");
    check("open 60/0 · A pays 60 · B pays 60 · A pays 1 → A 59, B 1, v3");
    check("open 100/0 · k 1 · in flight 1 · A pays 1 ×30 → A 70, B 30, v30");
    check("open 100/0 · k 3 · in flight 4 · A pays 1 ×50 · B pays 2 ×10 → A 70, B 30, v60");
    check(
        "open 0/18446744073709551615 · B pays 18446744073709551615 → A 18446744073709551615, B 0, v1",
    );
}

#[test]
fn a_payment_that_the_balance_does_not_cover_is_refused_by_its_payers_own_endpoint() {
    check("open 60/40 · A pays 61: insufficient_balance → A 60, B 40, v0");
    check("open 60/40 · A pays 0: zero_amount · A pays 60 → A 0, B 100, v1");
    check("open 60/40 · reserve 10 · A pays 51: insufficient_balance · A pays 50 → A 10, B 90, v1");
    check("open 60/40 · B pays 41: insufficient_balance · B pays 40 → A 100, B 0, v1");
    check("open 60/0 · reserve 10 · A pays 5 · B pays 1: insufficient_balance → A 55, B 5, v1");
    check("open 60/40 · A pays 18446744073709551615: insufficient_balance → A 60, B 40, v0");
}

#[test]
fn the_turn_goes_back_and_forth() {
    check("open 60/40 · A passes · B pays 5 · B passes · A pays 1 → A 64, B 36, v2");
    check("open 60/40 · B asks · B pays 5 → A 65, B 35, v1");
    check("open 60/40 · A passes · A asks · A pays 5 → A 55, B 45, v1");
    // An ask that crosses a pass.
    check("open 60/40 · B asks · A passes · B pays 1 → A 61, B 39, v1");
}

#[test]
fn whichever_holds_the_turn_finishes() {
    check("open 60/40 · A finishes → A 60, B 40, v0");
    check("open 60/40 · A passes · B finishes → A 60, B 40, v0");
    check("open 60/40 · A pays 5 · A finishes → A 55, B 45, v1");
    check("open 60/40 · A pays 5 · A passes · B finishes → A 55, B 45, v1");
    check("open 60/40 · B pays 5 · B finishes → A 65, B 35, v1");
}

#[test]
fn an_ask_that_crosses_a_final_is_no_offence() {
    check("open 60/40 · A finishes · B asks → A 60, B 40, v0");
    check("open 60/40 · A pays 1 · B asks · A finishes → A 59, B 41, v1");
    check("open 60/40 · A passes · A asks · B finishes → A 60, B 40, v0");
}

#[test]
fn a_pass_takes_effect_when_everything_is_answered() {
    let rules = Rules {
        cosign_every: 1,
        in_flight: 4,
    };
    let mut duo = Duo::open([60, 40], 0, rules);
    duo.a.wants_to_pay([1; 3]);
    for _ in 0..3 {
        duo.a.propose_at_most(1, |side, _| side.wants.is_empty());
    }
    duo.deliver(Party::B, usize::MAX);
    assert_eq!(duo.b.end.turn_holder(), Party::B);
    for in_flight in [2, 1] {
        duo.deliver(Party::A, 1);
        assert_eq!(duo.a.end.in_flight(), in_flight);
        assert_eq!(duo.a.end.turn_holder(), Party::A);
        assert!(duo.a.end.my_turn().is_err(), "passing");
    }
    duo.deliver(Party::A, 1);
    assert_eq!(duo.a.end.turn_holder(), Party::B);
    duo.finish();
}

/// After a link broke, the turn is the payer's of the newest entry, or the opener's.
#[test]
fn the_log_says_who_holds_the_turn() {
    check("open 60/40 · turn of A · A passes · turn of B → A 60, B 40, v0");
    check("open 60/40 · A passes · link breaks · turn of A → A 60, B 40, v0");
    check("open 60/40 · B pays 1 · turn of B · link breaks · turn of B → A 61, B 39, v1");
    check("open 60/40 · B pays 1 · B passes · link breaks · turn of B → A 61, B 39, v1");
    check("open 60/40 · B pays 1 · A pays 2 · link breaks · turn of A → A 59, B 41, v2");
}

#[test]
fn a_broken_link_loses_nothing() {
    check("open 60/40 · link breaks → A 60, B 40, v0");
    check("open 60/40 · A pays 5 · link breaks · A pays 5 → A 50, B 50, v2");
    check("open 60/40 · A pays 5 · link breaks · B pays 5 → A 60, B 40, v2");
    check("open 60/40 · A passes · link breaks · B pays 5 → A 65, B 35, v1");
    check("open 60/40 · B pays 5 · link breaks · A pays 5 · link breaks → A 60, B 40, v2");
    check("open 60/40 · A finishes · link breaks → A 60, B 40, v0");
    check("open 60/40 · A passes · B finishes · link breaks · link breaks → A 60, B 40, v0");
    check("open 60/40 · B pays 5 · B passes · A finishes · link breaks → A 65, B 35, v1");
}

/// Both sides want to pay all the time, in every style of passing the turn.
#[test]
fn both_sides_pay_at_once_without_deadlock_or_starvation() {
    let sessions = [
        "open 500/500 · k 1 · in flight 1 · A pays 1 ×20 and B pays 1 ×20 → A 500, B 500, v40",
        "open 500/500 · k 1 · in flight 7 · A pays 2 ×60 and B pays 1 ×70 → A 450, B 550, v130",
        "open 500/500 · k 3 · in flight 2 · A pays 2 ×60 and B pays 1 ×70 → A 450, B 550, v130",
        "open 9000/9000 · k 100 · in flight 3 · A pays 2 ×750 and B pays 3 ×450 → A 8850, B 9150, v1200",
        "open 30000/30000 · k 10_000 · in flight 2 · A pays 1 ×25_000 and B pays 2 ×13_000 → A 31000, B 29000, v38000",
    ];
    for session in sessions {
        for pass_on_proposal in [false, true] {
            for pass_unasked in [false, true] {
                for sign_late in [false, true] {
                    check_with(session, |habits| Habits {
                        pass_on_proposal,
                        pass_unasked,
                        sign_late,
                        ..habits
                    });
                }
            }
        }
    }
}

/// While a side wants to pay, it waits for at most one turn of the other.
#[test]
fn no_side_waits_longer_than_one_turn_of_the_other() {
    for (rules, per_turn) in [
        (
            Rules {
                cosign_every: 1,
                in_flight: 1,
            },
            1,
        ),
        (
            Rules {
                cosign_every: 1,
                in_flight: 4,
            },
            10,
        ),
        (
            Rules {
                cosign_every: 3,
                in_flight: 2,
            },
            30,
        ),
    ] {
        let mut duo = Duo::open([1000, 1000], 0, rules);
        for side in [&mut duo.a, &mut duo.b] {
            side.wants_to_pay([1; 100]);
            side.habits.per_turn = per_turn;
        }
        let mut waited = [0; 2];
        let mut longest = 0;
        while !(duo.a.satisfied() && duo.b.satisfied()) {
            let before = [duo.a.wants.len(), duo.b.wants.len()];
            assert!(duo.round(), "{rules:?}: deadlock");
            for (i, side) in [&duo.a, &duo.b].into_iter().enumerate() {
                let moved = side.wants.len() < before[i] || side.wants.is_empty();
                waited[i] = if moved { 0 } else { waited[i] + 1 };
                longest = longest.max(waited[i]);
            }
        }
        let a_round = (rules.cosign_every * rules.in_flight) as usize;
        let most = per_turn.div_ceil(a_round) + 4;
        assert!(
            longest <= most,
            "{rules:?}: waited {longest} rounds, expected {most} at most"
        );
        duo.finish();
    }
}

/// A peer may answer only the newest of several proposals.
#[test]
fn an_answer_completes_all_earlier_proposals() {
    let mut duo = Duo::open(
        [60, 40],
        0,
        Rules {
            cosign_every: 2,
            in_flight: 8,
        },
    );
    duo.a.wants_to_pay([1; 9]);
    duo.a.act();
    assert_eq!(duo.a.end.in_flight(), 5);
    duo.deliver(Party::B, usize::MAX);
    assert_eq!(duo.to_a.len(), 5, "one answer each");
    for (kept, version) in [(2, 6), (3, 8)] {
        let answer = duo.to_a[kept].clone();
        duo.a.receive(&answer);
        assert_eq!(
            (duo.a.end.held_version(), duo.a.acknowledged),
            (version, version)
        );
    }
    assert_eq!(duo.a.end.in_flight(), 1);
    // Those that were overtaken come late, and the last one twice.
    let last = duo.to_a[4].clone();
    duo.to_a.push_back(last);
    duo.finish();
    assert_eq!(duo.a.acknowledged, 9);
}

#[test]
fn the_newest_answered_proposal_is_answered_again() {
    for k in [1, 3] {
        let mut duo = Duo::open(
            [60, 40],
            0,
            Rules {
                cosign_every: k,
                in_flight: 4,
            },
        );
        duo.a.wants_to_pay([1; 6]);
        duo.a.act();
        let proposals: Vec<_> = duo.a.out.iter().cloned().collect();
        duo.deliver(Party::B, usize::MAX);
        let answer = duo.to_a.back().cloned();
        let seen = duo.b.seen();
        let newest = proposals.last().expect("several proposals");
        for _ in 0..3 {
            duo.b.receive(newest);
            assert_eq!(duo.b.out.pop_front(), answer, "the same answer");
            assert_eq!(duo.b.seen(), seen, "and nothing else");
        }
        duo.finish();
    }
}

#[test]
fn one_signature_covers_an_interval() {
    for k in [1, 3, 100, 10_000] {
        let mut duo = Duo::open(
            [20_000, 0],
            0,
            Rules {
                cosign_every: k,
                in_flight: 4,
            },
        );
        duo.a.wants_to_pay(vec![1; 10_000]);
        duo.finish();
        let proposals = 10_000_u64.div_ceil(u64::from(k));
        assert_eq!(duo.a.states.len() as u64, proposals, "k = {k}");
        assert_eq!(duo.b.states.len() as u64, proposals, "k = {k}");
        // Each once as a state, and the newest once more as final.
        assert_eq!(duo.a.signatures(), proposals + 1, "k = {k}");
        assert_eq!(duo.b.balance(), 10_000);
    }
}

#[test]
fn a_finished_channel_keeps_its_proof_whatever_comes_after() {
    let mut duo = Duo::open(
        [60, 40],
        0,
        Rules {
            cosign_every: 1,
            in_flight: 1,
        },
    );
    duo.finish();
    let proof = duo.b.final_proof();
    assert_eq!(proof.expect("finished").state, State::Opening);
    duo.b.receive(b"nonsense");
    assert_eq!(duo.b.rejections.len(), 1);
    assert!(matches!(duo.b.end.status(), Status::Finished));
    assert_eq!(duo.b.final_proof(), proof);
}

#[test]
fn an_ended_side_asks_and_passes_no_more() {
    let mut duo = Duo::open(
        [60, 40],
        0,
        Rules {
            cosign_every: 1,
            in_flight: 1,
        },
    );
    duo.finish();
    for side in [&mut duo.a, &mut duo.b] {
        assert_eq!(side.end.ask_for_turn(), None);
        assert!(side.end.pass_turn().is_err());
        assert!(side.end.finish().is_err());
        assert!(side.end.proposals_left().is_err());
        side.send(&Message::TurnAsked { turn: 0 });
    }
    let seen = [duo.a.seen(), duo.b.seen()];
    duo.carry();
    duo.settle();
    assert_eq!(seen, [duo.a.seen(), duo.b.seen()]);
    assert_eq!(duo.a.end.limits().capacity, Amount::new(100));
}
