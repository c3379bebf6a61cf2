//! Roll-overs: the old channel ends and its successor opens, both or neither.

use super::outcomes::{TRANSFERRED, check, identity};
use super::*;
use duet_channels::crypto::KeyError;
use duet_channels::protocol::TermsError;

/// Alice's channel to Bob, 300 and 200: her first nonce. She has 690 then, he 800.
fn old(w: &World) -> Terms {
    w.terms(ALICE, 0, BOB, 300, 200)
}

#[test]
fn roll_overs() {
    // From 100 and 400 at version 3; Alice has 680 beside it after the fee, Bob 800.
    let rolls = |scenario: &str, a, b, balances| {
        check(
            scenario,
            |w| {
                let (old, new) = (old(w), w.terms(ALICE, 1, BOB, a, b));
                vec![
                    (w.open(&old), opened(&old)),
                    (
                        w.roll_over(&old, after(3, 100), &new),
                        rolled_over(paid_out(3, 100, 400), &new),
                    ),
                    (
                        w.close(CAROL, &old, after(3, 100)),
                        unknown(old.channel_id()),
                    ),
                    (w.close(CAROL, &new, State::Opening), closed(0, a, b)),
                    (w.transfer(ALICE, 2, DAN, 1), TRANSFERRED),
                ]
            },
            balances,
        );
    };
    let after_all = [769, 1200, 990, 6, 0, 0];
    rolls("as it stood", 100, 400, after_all);
    rolls("with more of A's", 780, 400, after_all);
    rolls("with more of B's", 100, 1200, after_all);
    rolls("with less of both", 1, 2, after_all);
    rolls("B takes all out", 100, 0, after_all);
    rolls("A takes all out", 0, 1, after_all);

    check(
        "as it opened",
        |w| {
            let (old, new) = (old(w), w.terms(ALICE, 1, BOB, 300, 200));
            vec![
                (w.open(&old), opened(&old)),
                (
                    w.roll_over(&old, State::Opening, &new),
                    rolled_over(paid_out(0, 300, 200), &new),
                ),
            ]
        },
        [680, 800, 1000, 5, 0, 0],
    );
    check(
        "again and again, all in one block",
        |w| {
            let terms: Vec<Terms> = (0..4)
                .map(|nonce| w.terms(ALICE, nonce, ERIN, 100 - nonce, nonce))
                .collect();
            let mut rows = vec![(w.open(&terms[0]), opened(&terms[0]))];
            for (old, new) in terms.iter().zip(&terms[1..]) {
                let a = new.deposits.a.units();
                let outcome = rolled_over(paid_out(1, a, 100 - a), new);
                rows.push((w.roll_over(old, after(1, a), new), outcome));
            }
            let last = &terms[3];
            rows.push((w.close(BOB, last, after(1, 0)), closed(1, 0, 100)));
            rows
        },
        [860, 990, 1000, 5, 100, 0],
    );
    check(
        "E gets no account where nothing is hers",
        |w| {
            let (old, new) = (w.terms(ALICE, 0, ERIN, 9, 0), w.terms(ALICE, 1, ERIN, 8, 0));
            vec![
                (w.open(&old), opened(&old)),
                (
                    w.roll_over(&old, after(2, 9), &new),
                    rolled_over(paid_out(2, 9, 0), &new),
                ),
                (
                    w.transfer(ERIN, 0, BOB, 1),
                    Err(Refusal::UnknownAccount {
                        account: w.key(ERIN),
                    }),
                ),
            ]
        },
        [972, 1000, 1000, 5, 0, 0],
    );
}

#[test]
fn roll_overs_that_fail_leave_the_old_channel_open() {
    let fails = |scenario: &str, a, b, failure: fn() -> Outcome| {
        check(
            scenario,
            |w| {
                let (old, new) = (old(w), w.terms(ALICE, 1, BOB, a, b));
                let then = w.terms(ALICE, 2, BOB, 100, 400);
                vec![
                    (w.open(&old), opened(&old)),
                    (w.roll_over(&old, after(3, 100), &new), failure()),
                    (w.close(CAROL, &new, after(1, 0)), unknown(new.channel_id())),
                    (
                        w.roll_over(&old, after(3, 100), &then),
                        rolled_over(paid_out(3, 100, 400), &then),
                    ),
                ]
            },
            [670, 800, 1000, 5, 0, 0],
        );
    };
    let most = u64::MAX;
    fails("A deposits one too much", 781, 400, || {
        deposit_above(Party::A, 780, 781)
    });
    fails("B deposits one too much", 100, 1201, || {
        deposit_above(Party::B, 1200, 1201)
    });
    fails("both do", 781, 1201, || deposit_above(Party::A, 780, 781));
    fails("A deposits the most there is", most, 0, || {
        deposit_above(Party::A, 780, u64::MAX)
    });
    fails("B does", 0, most, || {
        deposit_above(Party::B, 1200, u64::MAX)
    });
}

#[test]
fn roll_overs_that_are_none() {
    let refused = |scenario: &str, make: fn(&World, &Terms, &Terms) -> (Bytes, Outcome)| {
        check(
            scenario,
            |w| {
                let (old, new) = (old(w), w.terms(ALICE, 1, BOB, 250, 250));
                vec![
                    (w.open(&old), opened(&old)),
                    make(w, &old, &new),
                    // Neither the nonce nor the channel is used.
                    (
                        w.roll_over(&old, after(1, 100), &new),
                        rolled_over(paid_out(1, 100, 400), &new),
                    ),
                ]
            },
            [530, 950, 1000, 5, 0, 0],
        );
    };
    let transaction = |w: &World, old: &Terms, new: &Terms| Transaction::RollOver {
        proof: w.proof(old, after(1, 100)),
        opener: new.keys.a,
        nonce: new.nonce,
        successor: Opening::of(new),
    };
    check(
        "C signs for A · C consents for B",
        |w| {
            let (old, new) = (old(w), w.terms(ALICE, 1, BOB, 250, 250));
            vec![
                (w.open(&old), opened(&old)),
                (
                    w.signed(transaction(w, &old, &new), CAROL, [BOB]),
                    forged(SignatureRole::Signer, w.key(ALICE)),
                ),
                (
                    w.signed(transaction(w, &old, &new), ALICE, [CAROL]),
                    forged(SignatureRole::Consent, w.key(BOB)),
                ),
            ]
        },
        [690, 800, 1000, 5, 0, 0],
    );
    refused("A's final is forged", |w, old, new| {
        let mut proof = w.proof(old, after(1, 100));
        proof.signatures.a.0[0] ^= 1;
        let outcome = forged(SignatureRole::Final(Party::A), w.key(ALICE));
        (w.submit_roll_over(proof, new), outcome)
    });
    refused("the state is signed, but not as final", |w, old, new| {
        let shown = w.cosigned(old, after(1, 100)).unwrap();
        let proof = FinalProof {
            channel: old.channel_id(),
            state: shown.state(),
            signatures: shown.signatures,
        };
        let outcome = forged(SignatureRole::Final(Party::A), w.key(ALICE));
        (w.submit_roll_over(proof, new), outcome)
    });
    refused("a final of version 0 after an entry", |w, old, new| {
        let channel = old.channel_id();
        let outcome = Err(Refusal::VersionZero { channel });
        (w.roll_over(old, after(0, 300), new), outcome)
    });
    refused("a balance above the capacity", |w, old, new| {
        let outcome = Err(Refusal::BalanceAboveCapacity {
            capacity: Amount::new(500),
            got: Amount::new(501),
        });
        (w.roll_over(old, after(1, 501), new), outcome)
    });
    refused("of a channel that never was", |w, _, new| {
        let never = w.terms(ALICE, 7, BOB, 300, 200);
        let outcome = unknown(never.channel_id());
        (w.roll_over(&never, after(1, 100), new), outcome)
    });
    refused("into nothing", |w, old, new| {
        let new = Terms {
            deposits: Pair::default(),
            ..*new
        };
        let outcome = Err(Refusal::Terms(TermsError::NothingLocked));
        (w.roll_over(old, after(1, 100), &new), outcome)
    });
    refused("into more than an amount holds", |w, old, new| {
        let new = Terms {
            deposits: opening(w.key(BOB), u64::MAX, 1).deposits,
            ..*new
        };
        let outcome = Err(Refusal::Terms(TermsError::CapacityOverflow(new.deposits)));
        (w.roll_over(old, after(1, 100), &new), outcome)
    });
    refused("into a channel without a window", |w, old, new| {
        let new = Terms {
            challenge_window_blocks: 0,
            ..*new
        };
        let outcome = Err(Refusal::Terms(TermsError::NoWindow));
        (w.roll_over(old, after(1, 100), &new), outcome)
    });
    refused("to a key of small order", |w, old, new| {
        let transaction = Transaction::RollOver {
            proof: w.proof(old, after(1, 100)),
            opener: new.keys.a,
            nonce: 1,
            successor: Opening {
                peer: identity(),
                ..Opening::of(new)
            },
        };
        let outcome = Err(Refusal::Key(KeyError::SmallOrder(identity())));
        (w.signed(transaction, ALICE, [BOB]), outcome)
    });
    refused("to C instead of B", |w, old, _| {
        let new = w.terms(ALICE, 1, CAROL, 250, 250);
        let channel = old.channel_id();
        let outcome = Err(Refusal::OtherParties { channel });
        (w.roll_over(old, after(1, 100), &new), outcome)
    });
    refused("by B, who opened nothing", |w, old, _| {
        let new = w.terms(BOB, 0, ALICE, 250, 250);
        let channel = old.channel_id();
        let outcome = Err(Refusal::OtherParties { channel });
        (w.roll_over(old, after(1, 100), &new), outcome)
    });
    refused("signed as final by the parties to be", |w, old, _| {
        let new = w.terms(CAROL, 0, DAN, 250, 250);
        let channel = old.channel_id();
        let state = after(1, 100);
        let digest = final_digest(&channel, &state.head(&channel));
        let signatures = Pair {
            a: w.sign(CAROL, digest),
            b: w.sign(DAN, digest),
        };
        let proof = FinalProof {
            channel,
            state,
            signatures,
        };
        let outcome = Err(Refusal::OtherParties { channel });
        (w.submit_roll_over(proof, &new), outcome)
    });
    refused("sent too early", |w, old, _| {
        let new = w.terms(ALICE, 2, BOB, 250, 250);
        let (expected, got) = (1, 2);
        let outcome = Err(Refusal::WrongNonce { expected, got });
        (w.roll_over(old, after(1, 100), &new), outcome)
    });
    check(
        "A has spent what the fee needs: the payout does not pay it",
        |w| {
            let (old, new) = (old(w), w.terms(ALICE, 2, BOB, 250, 250));
            let broke = Refusal::FeeAboveBalance {
                have: Amount::new(9),
                fee: Amount::new(FEE),
            };
            vec![
                (w.open(&old), opened(&old)),
                (w.transfer(ALICE, 1, CAROL, 671), TRANSFERRED),
                (w.roll_over(&old, after(1, 100), &new), Err(broke)),
            ]
        },
        [9, 800, 1671, 5, 0, 0],
    );
}

/// A channel's keys are looked up before the queue executes. That must not show.
#[test]
fn a_roll_over_of_a_channel_that_is_gone_by_its_turn_names_no_channel() {
    check(
        "to other parties, after a close · the same one again",
        |w| {
            let (old, new) = (old(w), w.terms(ALICE, 1, BOB, 250, 250));
            let other = w.terms(ALICE, 1, CAROL, 250, 250);
            vec![
                (w.open(&old), opened(&old)),
                (w.close(CAROL, &old, after(3, 0)), closed(3, 0, 500)),
                (
                    w.roll_over(&old, after(1, 100), &other),
                    unknown(old.channel_id()),
                ),
                (
                    w.roll_over(&old, after(1, 100), &new),
                    unknown(old.channel_id()),
                ),
            ]
        },
        [690, 1300, 990, 5, 0, 0],
    );
}
