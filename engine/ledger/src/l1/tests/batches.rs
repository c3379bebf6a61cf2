//! Batched opens, all or none; batched closes, each judged by itself.

use super::outcomes::{TRANSFERRED, check, identity};
use super::*;
use duet_channels::crypto::KeyError;
use duet_channels::protocol::TermsError;

const BEFORE: [u64; EVERYONE.len()] = [1000, 1000, 1000, 5, 0, 0];

/// What Alice opens with her first nonce.
fn batch(w: &World, channels: &[(Who, u64, u64)]) -> (Bytes, Vec<Terms>) {
    let channels: Vec<Opening> = channels
        .iter()
        .map(|&(peer, a, b)| opening(w.key(peer), a, b))
        .collect();
    let terms = terms_of_batch(w, ALICE, 0, &channels);
    (w.open_batch(ALICE, 0, channels), terms)
}

#[test]
fn batched_opens() {
    check(
        "A opens to B, to C and to B again: one fee, one nonce",
        |w| {
            let (bytes, terms) = batch(w, &[(BOB, 100, 50), (CAROL, 200, 0), (BOB, 30, 20)]);
            vec![
                (bytes, opened_batch(&terms)),
                (w.transfer(ALICE, 1, DAN, 1), TRANSFERRED),
                (w.close(BOB, &terms[2], after(1, 50)), closed(1, 50, 0)),
                (w.close(BOB, &terms[0], after(1, 0)), closed(1, 0, 150)),
                (w.close(CAROL, &terms[1], State::Opening), closed(0, 200, 0)),
            ]
        },
        [899, 1060, 990, 6, 0, 0],
    );
    check(
        "a batch of one opens the channel that an open alone would",
        |w| {
            let (bytes, _) = batch(w, &[(BOB, 100, 50)]);
            let alone = w.terms(ALICE, 0, BOB, 100, 50);
            let (expected, got) = (1, 0);
            vec![
                (bytes, opened_batch(&[alone])),
                (w.open(&alone), Err(Refusal::WrongNonce { expected, got })),
                (w.close(BOB, &alone, after(1, 150)), closed(1, 150, 0)),
            ]
        },
        [1040, 940, 1000, 5, 0, 0],
    );
    check(
        "equal channels are two: their places differ",
        |w| {
            let (bytes, terms) = batch(w, &[(BOB, 100, 0), (BOB, 100, 0)]);
            assert_ne!(terms[0].channel_id(), terms[1].channel_id());
            let wrong = w.proof(&terms[0], after(1, 0));
            let wrong = FinalProof {
                channel: terms[1].channel_id(),
                ..wrong
            };
            vec![
                (bytes, opened_batch(&terms)),
                (
                    w.submit_proof(CAROL, wrong),
                    forged(SignatureRole::Final(Party::A), w.key(ALICE)),
                ),
                (w.close(BOB, &terms[1], after(1, 0)), closed(1, 0, 100)),
            ]
        },
        [790, 1090, 1000, 5, 0, 0],
    );
    check(
        "all that A and B have",
        |w| {
            let (bytes, terms) = batch(w, &[(BOB, 490, 999), (BOB, 500, 1)]);
            vec![(bytes, opened_batch(&terms))]
        },
        [0, 0, 1000, 5, 0, 0],
    );
    check(
        "to D, who can pay no fee, and to E, who has no account",
        |w| {
            let (bytes, terms) = batch(w, &[(DAN, 1, 5), (ERIN, 1, 0)]);
            vec![
                (bytes, opened_batch(&terms)),
                (w.close(ALICE, &terms[1], after(1, 0)), closed(1, 0, 1)),
            ]
        },
        [978, 1000, 1000, 0, 1, 0],
    );
}

#[test]
fn batched_opens_open_all_or_nothing() {
    let fails = |scenario: &str, channels: &[(Who, u64, u64)], party, have, got| {
        check(
            scenario,
            |w| {
                let (bytes, terms) = batch(w, channels);
                let mut rows = vec![(bytes, deposit_above(party, have, got))];
                // Not one of them is there.
                for terms in terms {
                    let close = w.close(CAROL, &terms, after(1, 0));
                    rows.push((close, unknown(terms.channel_id())));
                }
                // The nonce is used.
                rows.push((w.transfer(ALICE, 1, BOB, 1), TRANSFERRED));
                rows
            },
            [979, 1001, 1000, 5, 0, 0],
        );
    };
    let (a, b) = (Party::A, Party::B);
    let most = u64::MAX;
    fails(
        "A's sum",
        &[(BOB, 500, 1), (CAROL, 490, 1), (BOB, 1, 1)],
        a,
        990,
        991,
    );
    fails("A's first", &[(BOB, 991, 1), (CAROL, 1, 1)], a, 990, 991);
    fails(
        "B's sum, C between",
        &[(BOB, 1, 600), (CAROL, 1, 1000), (BOB, 1, 401)],
        b,
        1000,
        1001,
    );
    fails(
        "C's, B having enough",
        &[(BOB, 1, 1000), (CAROL, 1, 1001)],
        b,
        1000,
        1001,
    );
    fails("E has none", &[(BOB, 1, 1), (ERIN, 1, 1)], b, 0, 1);
    fails(
        "A's sum overflows",
        &[(BOB, 500, 0), (CAROL, most, 0)],
        a,
        990,
        most,
    );
    fails(
        "A's sum overflows twice",
        &[(BOB, 500, 0), (CAROL, most, 0), (BOB, most, 0)],
        a,
        990,
        most,
    );
    fails(
        "B's sum overflows",
        &[(BOB, 1, 500), (BOB, 0, most)],
        b,
        1000,
        most,
    );
    fails("B's is the widest", &[(BOB, 0, most)], b, 1000, most);
}

#[test]
fn batched_opens_that_are_none() {
    let refused = |scenario: &str, make: fn(&World) -> (Bytes, Refusal)| {
        let script = |w: &World| {
            let (bytes, refusal) = make(w);
            vec![(bytes, Err(refusal))]
        };
        check(scenario, script, BEFORE);
    };
    refused("the second's capacity overflows", |w| {
        let deposits = opening(w.key(CAROL), u64::MAX, 1).deposits;
        let overflow = TermsError::CapacityOverflow(deposits);
        (
            batch(w, &[(BOB, 1, 1), (CAROL, u64::MAX, 1)]).0,
            Refusal::Terms(overflow),
        )
    });
    refused("the second's parties are one", |w| {
        let same = TermsError::SameKey(w.key(ALICE));
        (
            batch(w, &[(BOB, 1, 1), (ALICE, 1, 0)]).0,
            Refusal::Terms(same),
        )
    });
    refused("the second's window is none", |w| {
        let mut channels = vec![opening(w.key(BOB), 1, 1); 2];
        channels[1].challenge_window_blocks = 0;
        (
            w.open_batch(ALICE, 0, channels),
            Refusal::Terms(TermsError::NoWindow),
        )
    });
    refused("the second's reserve is more than it holds", |w| {
        let mut channels = vec![opening(w.key(BOB), 1, 1); 2];
        channels[1].reserve = Amount::new(3);
        let refusal = Refusal::Terms(TermsError::ReserveAboveCapacity {
            capacity: Amount::new(2),
            got: Amount::new(3),
        });
        (w.open_batch(ALICE, 0, channels), refusal)
    });
    refused("the second locks nothing", |w| {
        (
            batch(w, &[(BOB, 1, 1), (CAROL, 0, 0)]).0,
            Refusal::Terms(TermsError::NothingLocked),
        )
    });
    refused("the second's key is of small order", |w| {
        let channels = vec![opening(w.key(BOB), 1, 0), opening(identity(), 1, 0)];
        (
            w.open_batch(ALICE, 0, channels),
            Refusal::Key(KeyError::SmallOrder(identity())),
        )
    });
    let two = |w: &World| Transaction::OpenBatch {
        opener: w.key(ALICE),
        nonce: 0,
        channels: vec![opening(w.key(BOB), 1, 1), opening(w.key(CAROL), 1, 1)],
    };
    let bad = |role, key| Refusal::BadSignature { role, key };
    check(
        "signed by B · consents swapped · C's missing",
        |w| {
            let consent = SignatureRole::Consent;
            vec![
                (
                    w.signed(two(w), BOB, [BOB, CAROL]),
                    Err(bad(SignatureRole::Signer, w.key(ALICE))),
                ),
                (
                    w.signed(two(w), ALICE, [CAROL, BOB]),
                    Err(bad(consent, w.key(BOB))),
                ),
                (
                    w.signed(two(w), ALICE, [BOB, BOB]),
                    Err(bad(consent, w.key(CAROL))),
                ),
            ]
        },
        BEFORE,
    );
    refused("out of order", |w| {
        let channels = vec![opening(w.key(BOB), 1, 0)];
        let (expected, got) = (0, 1);
        (
            w.open_batch(ALICE, 1, channels),
            Refusal::WrongNonce { expected, got },
        )
    });
    refused("by D, who cannot pay", |w| {
        let channels = vec![opening(w.key(BOB), 0, 100)];
        let refusal = Refusal::FeeAboveBalance {
            have: Amount::new(5),
            fee: Amount::new(FEE),
        };
        (w.open_batch(DAN, 0, channels), refusal)
    });
    refused("by E, who has no account", |w| {
        let channels = vec![opening(w.key(BOB), 0, 100)];
        let account = w.key(ERIN);
        (
            w.open_batch(ERIN, 0, channels),
            Refusal::UnknownAccount { account },
        )
    });
}

/// Three channels with 300 each, opened by Alice to Bob, to Carol and to Bob.
fn three(w: &World) -> (Vec<(Bytes, Outcome)>, Vec<Terms>) {
    let (bytes, terms) = batch(w, &[(BOB, 300, 0), (CAROL, 300, 0), (BOB, 300, 0)]);
    (vec![(bytes, opened_batch(&terms))], terms)
}

fn tampered(mut proof: FinalProof) -> FinalProof {
    proof.signatures.b.0[40] ^= 1;
    proof
}

#[test]
fn batched_closes() {
    check(
        "all of them, for one fee",
        |w| {
            let (mut rows, terms) = three(w);
            let proofs = vec![
                w.proof(&terms[0], after(4, 200)),
                w.proof(&terms[1], State::Opening),
                w.proof(&terms[2], after(1, 0)),
            ];
            let items = vec![
                Ok(paid_out(4, 200, 100)),
                Ok(paid_out(0, 300, 0)),
                Ok(paid_out(1, 0, 300)),
            ];
            rows.push((w.close_batch(CAROL, proofs), closed_batch(items)));
            rows
        },
        [590, 1400, 990, 5, 0, 0],
    );
    check(
        "a batch of one",
        |w| {
            let (mut rows, terms) = three(w);
            let proofs = vec![w.proof(&terms[0], after(4, 200))];
            let items = vec![Ok(paid_out(4, 200, 100))];
            rows.push((w.close_batch(BOB, proofs), closed_batch(items)));
            rows
        },
        [290, 1090, 1000, 5, 0, 0],
    );
    check(
        "forged · unknown · twice · at version 0 · above the capacity · and one that is good",
        |w| {
            let (mut rows, terms) = three(w);
            let never = w.terms(ALICE, 7, BOB, 300, 0);
            let proofs = vec![
                tampered(w.proof(&terms[0], after(1, 0))),
                w.proof(&never, after(1, 0)),
                w.proof(&terms[0], after(2, 100)),
                w.proof(&terms[0], after(3, 50)),
                w.proof(&terms[1], after(0, 300)),
                w.proof(&terms[1], after(1, 301)),
                w.proof(&terms[2], after(9, 300)),
            ];
            let [first, second] = [&terms[0], &terms[1]].map(Terms::channel_id);
            let bad = |role, key| Err(Refusal::BadSignature { role, key });
            let items = vec![
                bad(SignatureRole::Final(Party::B), w.key(BOB)),
                Err(Refusal::UnknownChannel {
                    channel: never.channel_id(),
                }),
                Ok(paid_out(2, 100, 200)),
                Err(Refusal::UnknownChannel { channel: first }),
                Err(Refusal::VersionZero { channel: second }),
                Err(Refusal::BalanceAboveCapacity {
                    capacity: Amount::new(300),
                    got: Amount::new(301),
                }),
                Ok(paid_out(9, 300, 0)),
            ];
            rows.push((w.close_batch(CAROL, proofs), closed_batch(items)));
            // The one that it left can still close.
            let close = w.close(BOB, &terms[1], after(1, 100));
            rows.push((close, closed(1, 100, 200)));
            rows
        },
        [590, 1190, 1190, 5, 0, 0],
    );
    check(
        "none of them: refused for the first one's reason",
        |w| {
            let (mut rows, terms) = three(w);
            let never = w.terms(ALICE, 7, BOB, 300, 0);
            let (unknown_one, forged_one) = (
                w.proof(&never, after(1, 0)),
                tampered(w.proof(&terms[1], after(1, 0))),
            );
            rows.push((
                w.close_batch(CAROL, vec![unknown_one, forged_one]),
                unknown(never.channel_id()),
            ));
            rows.push((
                w.close_batch(CAROL, vec![forged_one, unknown_one]),
                forged(SignatureRole::Final(Party::B), w.key(CAROL)),
            ));
            rows
        },
        [90, 1000, 1000, 5, 0, 0],
    );
    check(
        "signed by another · by E, who has no account · by D, who could pay only once it is paid",
        |w| {
            let terms = w.terms(ALICE, 0, DAN, 300, 0);
            let proofs = vec![w.proof(&terms, after(1, 0))];
            let transaction = Transaction::CloseBatch {
                submitter: w.key(CAROL),
                proofs: proofs.clone(),
            };
            let account = w.key(ERIN);
            let broke = Refusal::FeeAboveBalance {
                have: Amount::new(5),
                fee: Amount::new(FEE),
            };
            vec![
                (w.open(&terms), opened(&terms)),
                (
                    w.signed(transaction, BOB, None),
                    forged(SignatureRole::Signer, w.key(CAROL)),
                ),
                (
                    w.close_batch(ERIN, proofs.clone()),
                    Err(Refusal::UnknownAccount { account }),
                ),
                (w.close_batch(DAN, proofs.clone()), Err(broke)),
                (
                    w.close_batch(CAROL, proofs),
                    closed_batch(vec![Ok(paid_out(1, 0, 300))]),
                ),
            ]
        },
        [690, 1000, 990, 305, 0, 0],
    );
}

/// A channel's keys are looked up before the queue executes. That must not show.
#[test]
fn an_item_whose_channel_is_gone_by_its_turn_names_no_channel() {
    check(
        "a forged item after a close · after an open that failed",
        |w| {
            let (mut rows, terms) = three(w);
            let failing = w.terms(ALICE, 1, BOB, 3000, 0);
            let proofs = vec![
                tampered(w.proof(&terms[0], after(1, 0))),
                tampered(w.proof(&failing, after(1, 0))),
                w.proof(&terms[1], after(1, 0)),
            ];
            let gone = |terms: &Terms| {
                let channel = terms.channel_id();
                Err(Refusal::UnknownChannel { channel })
            };
            let items = vec![gone(&terms[0]), gone(&failing), Ok(paid_out(1, 0, 300))];
            rows.push((w.close(BOB, &terms[0], after(2, 100)), closed(2, 100, 200)));
            rows.push((w.open(&failing), deposit_above(Party::A, 180, 3000)));
            rows.push((w.close_batch(CAROL, proofs), closed_batch(items)));
            rows
        },
        [180, 1190, 1290, 5, 0, 0],
    );
    check(
        "nothing but such an item",
        |w| {
            let (mut rows, terms) = three(w);
            let proofs = vec![tampered(w.proof(&terms[0], after(1, 0)))];
            rows.push((w.close(BOB, &terms[0], after(2, 100)), closed(2, 100, 200)));
            rows.push((w.close_batch(CAROL, proofs), unknown(terms[0].channel_id())));
            rows
        },
        [190, 1190, 1000, 5, 0, 0],
    );
}

#[test]
fn a_block_counts_a_batch_by_its_items() {
    let five = Config {
        block_transactions: 5,
        ..config()
    };
    let mut world = World::new(five);
    let one = opening(world.key(BOB), 1, 0);
    let openings = |count| vec![one; count];
    let three = world.open_batch(ALICE, 0, openings(3));
    let terms = terms_of_batch(&world, ALICE, 0, &openings(3));
    let proofs = terms.iter().map(|terms| world.proof(terms, after(1, 0)));
    let close = world.close_batch(CAROL, proofs.collect());
    let six = world.open_batch(BOB, 0, openings(6));
    let transfers: Vec<Bytes> = (0..4)
        .map(|nonce| world.transfer(CAROL, nonce, BOB, 1))
        .collect();
    // 3 + 1 + 1, then 3 + 1, since no later one overtakes the batch of 3; then 3 + 1.
    let too_many = SubmitError::TooManyItems { limit: 5, got: 6 };
    assert_eq!(world.submit(&six), Err(too_many));
    let again = world.open_batch(ALICE, 1, openings(3));
    let queue = [
        &three,
        &transfers[0],
        &transfers[1],
        &again,
        &transfers[2],
        &close,
        &transfers[3],
    ];
    for bytes in queue {
        world.submit(bytes).unwrap();
    }
    let (headers, outcomes) = world.seal_all();
    assert!(outcomes.iter().all(Result::is_ok));
    let transactions: Vec<u32> = headers.iter().map(|header| header.transactions).collect();
    assert_eq!(transactions, [3, 2, 2]);
    // A batch that is refused takes no room, one that closes a part takes all of its own.
    for bytes in [&close, &world.transfer(CAROL, 4, BOB, 1)] {
        world.submit(bytes).unwrap();
    }
    let (headers, outcomes) = world.seal_all();
    assert_eq!(outcomes[0], unknown(terms[0].channel_id()));
    assert_eq!(headers.len(), 1);
}

#[test]
fn multi_sends_pay_all_or_nobody() {
    check(
        "A pays B twice, C, and E, who is new: one fee, one nonce",
        |w| {
            let all = [(BOB, 10), (CAROL, 20), (BOB, 5), (ERIN, 1)];
            vec![
                (w.multi_send(ALICE, 0, &all), TRANSFERRED),
                (w.transfer(ALICE, 1, BOB, 1), TRANSFERRED),
            ]
        },
        [943, 1016, 1020, 5, 1, 0],
    );
    check(
        "to herself",
        |w| {
            vec![(
                w.multi_send(ALICE, 0, &[(ALICE, 50), (BOB, 1)]),
                TRANSFERRED,
            )]
        },
        [989, 1001, 1000, 5, 0, 0],
    );
    check(
        "more than she has: nobody gets anything, and the nonce is used",
        |w| {
            vec![
                (
                    w.multi_send(ALICE, 0, &[(BOB, 500), (CAROL, 491)]),
                    transfer_above(990, 991),
                ),
                (
                    w.multi_send(ALICE, 1, &[(BOB, u64::MAX), (CAROL, 1)]),
                    transfer_above(980, u64::MAX),
                ),
                (w.transfer(ALICE, 2, BOB, 1), TRANSFERRED),
            ]
        },
        [969, 1001, 1000, 5, 0, 0],
    );
    check(
        "nothing to one of them: refused",
        |w| {
            vec![(
                w.multi_send(ALICE, 0, &[(BOB, 1), (CAROL, 0)]),
                Err(Refusal::ZeroAmount),
            )]
        },
        BEFORE,
    );
}

#[test]
fn a_multi_send_reads_and_writes_each_account_once() {
    let mut world = World::new(config());
    let bytes = world.multi_send(ALICE, 0, &[(BOB, 1), (CAROL, 1), (BOB, 1)]);
    assert_eq!(bytes.len() as u64, Transaction::multi_send_bytes(3));
    world.submit(&bytes).unwrap();
    world.chain.seal(&mut Vec::new());
    let load = world.chain.load();
    let found = [
        load.transactions,
        load.signature_verifications,
        load.state_reads,
        load.state_writes,
    ];
    assert_eq!(found, [1, 1, 3, 3]);
}
