//! Scenario → outcomes and balances, for every end that a transfer, an open and a cooperative
//! close can come to. Each runs as one block, as blocks of one transaction, and with parallel
//! verification.

use super::*;
use duet_channels::crypto::KeyError;
use duet_channels::protocol::TermsError;

pub(super) const TRANSFERRED: Outcome = Ok(Executed::Transferred);

/// Submits the transactions in order and compares each one's outcome, and everyone's balance
/// after all.
#[track_caller]
pub(super) fn check(
    scenario: &str,
    script: impl Fn(&World) -> Vec<(Bytes, Outcome)>,
    balances: [u64; EVERYONE.len()],
) {
    let parallel = Config {
        verification: Verification::Ahead,
        ..config()
    };
    for (config, one_each) in [(config(), false), (config(), true), (parallel, false)] {
        let mut world = World::new(config);
        let (transactions, expected): (Vec<Bytes>, Vec<Outcome>) =
            script(&world).into_iter().unzip();
        let mut outcomes = Vec::new();
        let mut at_once = Vec::new();
        for (place, transaction) in transactions.iter().enumerate() {
            let refused = world.submit_any(transaction);
            at_once.extend(refused.map(|refusal| (place, Err(refusal))));
            if one_each {
                outcomes.extend(world.seal_all().1);
            }
        }
        outcomes.extend(world.seal_all().1);
        for (place, refused) in at_once {
            outcomes.insert(place, refused);
        }
        assert_eq!(outcomes, expected, "{scenario}");
        let found = EVERYONE.map(|who| world.balance(who));
        assert_eq!(found, balances, "{scenario}");
    }
}

#[test]
fn transfers() {
    check(
        "A pays B",
        |w| vec![(w.transfer(ALICE, 0, BOB, 100), TRANSFERRED)],
        [890, 1100, 1000, 5, 0, 0],
    );
    check(
        "A pays itself",
        |w| vec![(w.transfer(ALICE, 0, ALICE, 100), TRANSFERRED)],
        [990, 1000, 1000, 5, 0, 0],
    );
    check(
        "A pays all that the fee leaves · can pay no other fee",
        |w| {
            let broke = Refusal::FeeAboveBalance {
                have: Amount::ZERO,
                fee: Amount::new(FEE),
            };
            vec![
                (w.transfer(ALICE, 0, BOB, 990), TRANSFERRED),
                (w.transfer(ALICE, 1, BOB, 1), Err(broke)),
            ]
        },
        [0, 1990, 1000, 5, 0, 0],
    );
    check(
        "A pays nothing",
        |w| vec![(w.transfer(ALICE, 0, BOB, 0), Err(Refusal::ZeroAmount))],
        [1000, 1000, 1000, 5, 0, 0],
    );
    check(
        "A pays above its balance · the fee is paid, the nonce used",
        |w| {
            vec![
                (w.transfer(ALICE, 0, BOB, 991), transfer_above(990, 991)),
                (
                    w.transfer(ALICE, 1, BOB, u64::MAX),
                    transfer_above(980, u64::MAX),
                ),
                (w.transfer(ALICE, 2, BOB, 1), TRANSFERRED),
            ]
        },
        [969, 1001, 1000, 5, 0, 0],
    );
    check(
        "E has no account · is paid · pays in the same block",
        |w| {
            let account = w.key(ERIN);
            vec![
                (
                    w.transfer(ERIN, 0, BOB, 1),
                    Err(Refusal::UnknownAccount { account }),
                ),
                (w.transfer(ALICE, 0, ERIN, 100), TRANSFERRED),
                (w.transfer(ERIN, 0, FRANK, 50), TRANSFERRED),
            ]
        },
        [890, 1000, 1000, 5, 40, 50],
    );
    check(
        "D cannot pay the fee",
        |w| {
            let broke = Refusal::FeeAboveBalance {
                have: Amount::new(5),
                fee: Amount::new(FEE),
            };
            vec![(w.transfer(DAN, 0, BOB, 1), Err(broke))]
        },
        [1000, 1000, 1000, 5, 0, 0],
    );
    check(
        "A's payment comes twice, a later one too early",
        |w| {
            let wrong = |expected, got| Err(Refusal::WrongNonce { expected, got });
            vec![
                (w.transfer(ALICE, 0, BOB, 100), TRANSFERRED),
                (w.transfer(ALICE, 0, BOB, 100), wrong(1, 0)),
                (w.transfer(ALICE, 2, BOB, 100), wrong(1, 2)),
                (w.transfer(ALICE, u64::MAX, BOB, 100), wrong(1, u64::MAX)),
            ]
        },
        [890, 1100, 1000, 5, 0, 0],
    );
}

#[test]
fn transfers_by_others() {
    check(
        "B signs A's payment",
        |w| {
            let transaction = Transaction::Transfer {
                from: w.key(ALICE),
                nonce: 0,
                to: w.key(BOB),
                amount: Amount::new(1),
            };
            let bytes = w.signed(transaction, BOB, None);
            vec![(bytes, forged(SignatureRole::Signer, w.key(ALICE)))]
        },
        [1000, 1000, 1000, 5, 0, 0],
    );
    check(
        "A signed it for another Layer 1",
        |w| {
            let other = World::labelled("direct", *w.chain.config());
            let bytes = other.transfer(ALICE, 0, BOB, 1);
            vec![(bytes, forged(SignatureRole::Signer, w.key(ALICE)))]
        },
        [1000, 1000, 1000, 5, 0, 0],
    );
    check(
        "from an account for which anyone could sign",
        |w| {
            let identity = identity();
            let transaction = Transaction::Transfer {
                from: identity,
                nonce: 0,
                to: w.key(BOB),
                amount: Amount::new(1),
            };
            let bytes = w.signed(transaction, ALICE, None);
            vec![(bytes, Err(Refusal::Key(KeyError::SmallOrder(identity))))]
        },
        [1000, 1000, 1000, 5, 0, 0],
    );
}

/// The group's neutral point: y = 1.
pub(super) fn identity() -> PublicKey {
    let mut key = [0; 32];
    key[0] = 1;
    PublicKey(key)
}

#[test]
fn opens() {
    check(
        "A locks 300",
        |w| {
            let terms = w.terms(ALICE, 0, BOB, 300, 0);
            vec![(w.open(&terms), opened(&terms))]
        },
        [690, 1000, 1000, 5, 0, 0],
    );
    check(
        "A locks 300, B 200",
        |w| {
            let terms = w.terms(ALICE, 0, BOB, 300, 200);
            vec![(w.open(&terms), opened(&terms))]
        },
        [690, 800, 1000, 5, 0, 0],
    );
    check(
        "A opens, B alone locks all it has, which pays no fee",
        |w| {
            let terms = w.terms(ALICE, 0, BOB, 0, 1000);
            vec![(w.open(&terms), opened(&terms))]
        },
        [990, 0, 1000, 5, 0, 0],
    );
    check(
        "A opens to E, who has no account",
        |w| {
            let terms = w.terms(ALICE, 0, ERIN, 990, 0);
            vec![(w.open(&terms), opened(&terms))]
        },
        [0, 1000, 1000, 5, 0, 0],
    );
    check(
        "A opens twice to B · the same open again",
        |w| {
            let (first, second) = (
                w.terms(ALICE, 0, BOB, 300, 0),
                w.terms(ALICE, 1, BOB, 300, 0),
            );
            let (expected, got) = (2, 0);
            vec![
                (w.open(&first), opened(&first)),
                (w.open(&second), opened(&second)),
                (w.open(&first), Err(Refusal::WrongNonce { expected, got })),
            ]
        },
        [380, 1000, 1000, 5, 0, 0],
    );
    check(
        "A locks 600 · cannot spend 600 · nor lock them again · can spend the rest",
        |w| {
            let (first, second) = (
                w.terms(ALICE, 0, BOB, 600, 0),
                w.terms(ALICE, 2, CAROL, 600, 0),
            );
            vec![
                (w.open(&first), opened(&first)),
                (w.transfer(ALICE, 1, CAROL, 600), transfer_above(380, 600)),
                (w.open(&second), deposit_above(Party::A, 370, 600)),
                (w.transfer(ALICE, 3, CAROL, 360), TRANSFERRED),
            ]
        },
        [0, 1000, 1360, 5, 0, 0],
    );
    check(
        "A deposits above its balance · B does · E has none · nothing moves but fees",
        |w| {
            let first = w.terms(ALICE, 0, BOB, 991, 1);
            let second = w.terms(ALICE, 1, BOB, 100, 1001);
            let third = w.terms(ALICE, 2, ERIN, 100, 1);
            vec![
                (w.open(&first), deposit_above(Party::A, 990, 991)),
                (w.open(&second), deposit_above(Party::B, 1000, 1001)),
                (w.open(&third), deposit_above(Party::B, 0, 1)),
            ]
        },
        [970, 1000, 1000, 5, 0, 0],
    );
    check(
        "D cannot pay the fee · E has no account",
        |w| {
            let broke = Refusal::FeeAboveBalance {
                have: Amount::new(5),
                fee: Amount::new(FEE),
            };
            let account = w.key(ERIN);
            vec![
                (w.open(&w.terms(DAN, 0, BOB, 0, 100)), Err(broke)),
                (
                    w.open(&w.terms(ERIN, 0, BOB, 0, 100)),
                    Err(Refusal::UnknownAccount { account }),
                ),
            ]
        },
        [1000, 1000, 1000, 5, 0, 0],
    );
}

#[test]
fn opens_on_bad_terms() {
    let refused = |scenario: &str, edit: fn(&mut Terms), expected: fn(&Terms) -> Refusal| {
        check(
            scenario,
            |w| {
                let mut terms = w.terms(ALICE, 0, BOB, 300, 200);
                edit(&mut terms);
                let transaction = Transaction::open(&terms);
                let consenter = transaction.consenters().next().map(|_| BOB);
                let bytes = w.signed(transaction, ALICE, consenter);
                vec![(bytes, Err(expected(&terms)))]
            },
            [1000, 1000, 1000, 5, 0, 0],
        );
    };
    refused(
        "one key for both",
        |terms| terms.keys.b = terms.keys.a,
        |terms| Refusal::Terms(TermsError::SameKey(terms.keys.a)),
    );
    refused(
        "deposits overflow",
        |terms| terms.deposits.a = Amount::new(u64::MAX - 199),
        |terms| Refusal::Terms(TermsError::CapacityOverflow(terms.deposits)),
    );
    refused(
        "nothing locked",
        |terms| terms.deposits = Pair::default(),
        |_| Refusal::Terms(TermsError::NothingLocked),
    );
    refused(
        "no window",
        |terms| terms.challenge_window_blocks = 0,
        |_| Refusal::Terms(TermsError::NoWindow),
    );
    refused(
        "an index",
        |terms| terms.index = 1,
        |_| Refusal::WrongIndex {
            expected: 0,
            got: 1,
        },
    );
    refused(
        "B's key is no point",
        |terms| terms.keys.b = PublicKey(std::array::from_fn(|i| if i == 0 { 2 } else { 0 })),
        |terms| Refusal::Key(KeyError::NotAPoint(terms.keys.b)),
    );
    refused(
        "B's key is not canonical: y = p + 3",
        |terms| {
            terms.keys.b = PublicKey([0xff; 32]);
            (terms.keys.b.0[0], terms.keys.b.0[31]) = (0xf0, 0x7f);
        },
        |terms| Refusal::Key(KeyError::NonCanonical(terms.keys.b)),
    );
    refused(
        "B's key is of small order",
        |terms| terms.keys.b = identity(),
        |terms| Refusal::Key(KeyError::SmallOrder(terms.keys.b)),
    );
    refused(
        "A's key is of small order",
        |terms| terms.keys.a = identity(),
        |terms| Refusal::Key(KeyError::SmallOrder(terms.keys.a)),
    );
}

#[test]
fn opens_by_others() {
    let both = [1000, 1000, 1000, 5, 0, 0];
    check(
        "C signs for A · A consents for B · B consents to other terms",
        |w| {
            let terms = w.terms(ALICE, 0, BOB, 300, 200);
            let transaction = Transaction::open(&terms);
            let digest = transaction.digest(w.chain.genesis());
            let other = Transaction::open(&w.terms(ALICE, 0, BOB, 300, 100));
            let other = w.sign(BOB, other.digest(w.chain.genesis()));
            vec![
                (
                    w.signed(transaction.clone(), CAROL, Some(BOB)),
                    forged(SignatureRole::Signer, w.key(ALICE)),
                ),
                (
                    w.signed(transaction.clone(), ALICE, Some(ALICE)),
                    forged(SignatureRole::Consent, w.key(BOB)),
                ),
                (
                    encoded(transaction, w.sign(ALICE, digest), Some(other)),
                    forged(SignatureRole::Consent, w.key(BOB)),
                ),
            ]
        },
        both,
    );
    check(
        "signed for another Layer 1",
        |w| {
            let other = World::labelled("direct", *w.chain.config());
            let terms = other.terms(ALICE, 0, BOB, 300, 0);
            vec![(
                other.open(&terms),
                forged(SignatureRole::Signer, w.key(ALICE)),
            )]
        },
        both,
    );
}

#[test]
fn closes() {
    check(
        "A locks 300 · pays B 100 · A closes, B closes, C closes: the submitter pays the fee",
        |w| {
            let script = [ALICE, BOB, CAROL].into_iter().enumerate();
            script
                .flat_map(|(nonce, submitter)| {
                    let terms = w.terms(ALICE, nonce as u64, BOB, 300, 0);
                    [
                        (w.open(&terms), opened(&terms)),
                        (
                            w.close(submitter, &terms, after(4, 200)),
                            closed(4, 200, 100),
                        ),
                    ]
                })
                .collect()
        },
        [660, 1290, 990, 5, 0, 0],
    );
    check(
        "closed as opened",
        |w| {
            let terms = w.terms(ALICE, 0, BOB, 300, 200);
            vec![
                (w.open(&terms), opened(&terms)),
                (w.close(BOB, &terms, State::Opening), closed(0, 300, 200)),
            ]
        },
        [990, 990, 1000, 5, 0, 0],
    );
    check(
        "all to A: E gets no account · all to F: it gets one",
        |w| {
            let (first, second) = (
                w.terms(ALICE, 0, ERIN, 300, 0),
                w.terms(ALICE, 1, FRANK, 300, 0),
            );
            vec![
                (w.open(&first), opened(&first)),
                (w.close(ALICE, &first, after(2, 300)), closed(2, 300, 0)),
                (w.open(&second), opened(&second)),
                (w.close(ALICE, &second, after(1, 0)), closed(1, 0, 300)),
            ]
        },
        [660, 1000, 1000, 5, 0, 300],
    );
    check(
        "a close uses no nonce, and comes twice",
        |w| {
            let terms = w.terms(ALICE, 0, BOB, 300, 0);
            let close = w.close(ALICE, &terms, after(1, 250));
            vec![
                (w.open(&terms), opened(&terms)),
                (close.clone(), closed(1, 250, 50)),
                (close, unknown(terms.channel_id())),
                (w.transfer(ALICE, 1, BOB, 1), TRANSFERRED),
            ]
        },
        [919, 1051, 1000, 5, 0, 0],
    );
    check(
        "two finals: the first one closes",
        |w| {
            let terms = w.terms(ALICE, 0, BOB, 300, 0);
            vec![
                (w.open(&terms), opened(&terms)),
                (w.close(BOB, &terms, after(1, 250)), closed(1, 250, 50)),
                (
                    w.close(BOB, &terms, after(2, 200)),
                    unknown(terms.channel_id()),
                ),
            ]
        },
        [940, 1040, 1000, 5, 0, 0],
    );
}

#[test]
fn closes_of_channels_that_are_not_there() {
    check(
        "closed before it opens · after an open that fails · never opened",
        |w| {
            let terms = w.terms(ALICE, 0, BOB, 300, 0);
            let failing = w.terms(ALICE, 1, BOB, 3000, 0);
            let never = w.terms(ALICE, 7, BOB, 300, 0);
            let close = |terms| w.close(BOB, terms, after(1, 200));
            vec![
                (close(&terms), unknown(terms.channel_id())),
                (w.open(&terms), opened(&terms)),
                (close(&terms), closed(1, 200, 100)),
                (w.open(&failing), deposit_above(Party::A, 880, 3000)),
                (close(&failing), unknown(failing.channel_id())),
                (close(&never), unknown(never.channel_id())),
            ]
        },
        [880, 1090, 1000, 5, 0, 0],
    );
    check(
        "a forged close after a good one: there is no channel to judge it by",
        |w| {
            let terms = w.terms(ALICE, 0, BOB, 300, 0);
            let mut proof = w.proof(&terms, after(1, 200));
            proof.signatures.a.0[0] ^= 1;
            vec![
                (w.open(&terms), opened(&terms)),
                (w.close(BOB, &terms, after(1, 200)), closed(1, 200, 100)),
                (w.submit_proof(BOB, proof), unknown(terms.channel_id())),
            ]
        },
        [890, 1090, 1000, 5, 0, 0],
    );
    check(
        "the same parties' channel on another Layer 1",
        |w| {
            let other = World::labelled("direct", *w.chain.config());
            let terms = w.terms(ALICE, 0, BOB, 300, 0);
            let foreign = other.terms(ALICE, 0, BOB, 300, 0);
            vec![
                (w.open(&terms), opened(&terms)),
                (
                    w.close(BOB, &foreign, after(1, 200)),
                    unknown(foreign.channel_id()),
                ),
                (
                    other.submit_proof(BOB, other.proof(&terms, after(1, 200))),
                    forged(SignatureRole::Signer, w.key(BOB)),
                ),
            ]
        },
        [690, 1000, 1000, 5, 0, 0],
    );
}

#[test]
fn closes_with_bad_proofs() {
    let refused = |scenario: &str, close: fn(&World, &Terms) -> (Bytes, Outcome)| {
        check(
            scenario,
            |w| {
                let terms = w.terms(ALICE, 0, BOB, 300, 100);
                let (bytes, outcome) = close(w, &terms);
                let good = w.close(CAROL, &terms, after(3, 100));
                vec![
                    (w.open(&terms), opened(&terms)),
                    (bytes, outcome),
                    (good, closed(3, 100, 300)),
                ]
            },
            [790, 1200, 990, 5, 0, 0],
        );
    };
    refused("signed as a state, not as final", |w, terms| {
        let channel = terms.channel_id();
        let state = after(1, 100);
        let digest = state_digest(&channel, &state.head(&channel));
        let signatures = Pair {
            a: w.sign(ALICE, digest),
            b: w.sign(BOB, digest),
        };
        let proof = FinalProof {
            channel,
            state,
            signatures,
        };
        let outcome = forged(SignatureRole::Final(Party::A), w.key(ALICE));
        (w.submit_proof(CAROL, proof), outcome)
    });
    refused("signatures swapped", |w, terms| {
        let mut proof = w.proof(terms, after(1, 100));
        std::mem::swap(&mut proof.signatures.a, &mut proof.signatures.b);
        let outcome = forged(SignatureRole::Final(Party::A), w.key(ALICE));
        (w.submit_proof(CAROL, proof), outcome)
    });
    refused("A signed twice", |w, terms| {
        let mut proof = w.proof(terms, after(1, 100));
        proof.signatures.b = proof.signatures.a;
        let outcome = forged(SignatureRole::Final(Party::B), w.key(BOB));
        (w.submit_proof(CAROL, proof), outcome)
    });
    refused("B signed another balance", |w, terms| {
        let mut proof = w.proof(terms, after(1, 100));
        proof.signatures.b = w.proof(terms, after(1, 99)).signatures.b;
        let outcome = forged(SignatureRole::Final(Party::B), w.key(BOB));
        (w.submit_proof(CAROL, proof), outcome)
    });
    refused("the proof of another channel of theirs", |w, terms| {
        let mut proof = w.proof(&w.terms(ALICE, 5, BOB, 300, 100), after(1, 100));
        proof.channel = terms.channel_id();
        let outcome = forged(SignatureRole::Final(Party::A), w.key(ALICE));
        (w.submit_proof(CAROL, proof), outcome)
    });
    refused("signed by strangers", |w, terms| {
        let mut proof = w.proof(terms, after(1, 100));
        let digest = final_digest(&proof.channel, &proof.state.head(&proof.channel));
        proof.signatures = Pair {
            a: w.sign(CAROL, digest),
            b: w.sign(DAN, digest),
        };
        let outcome = forged(SignatureRole::Final(Party::A), w.key(ALICE));
        (w.submit_proof(CAROL, proof), outcome)
    });
    refused("signed after an entry, shown as the opening", |w, terms| {
        let mut proof = w.proof(terms, after(1, 100));
        proof.state = State::Opening;
        let outcome = forged(SignatureRole::Final(Party::A), w.key(ALICE));
        (w.submit_proof(CAROL, proof), outcome)
    });
    refused("a final of version 0 after an entry", |w, terms| {
        let channel = terms.channel_id();
        let outcome = Err(Refusal::VersionZero { channel });
        (w.close(CAROL, terms, after(0, 300)), outcome)
    });
    refused("a balance above the capacity", |w, terms| {
        let outcome = Err(Refusal::BalanceAboveCapacity {
            capacity: Amount::new(400),
            got: Amount::new(401),
        });
        (w.close(CAROL, terms, after(1, 401)), outcome)
    });
    refused("a balance far above the capacity", |w, terms| {
        let outcome = Err(Refusal::BalanceAboveCapacity {
            capacity: Amount::new(400),
            got: Amount::new(u64::MAX),
        });
        (w.close(CAROL, terms, after(u64::MAX, u64::MAX)), outcome)
    });
    refused("submitted by somebody else than says so", |w, terms| {
        let transaction = Transaction::CooperativeClose {
            submitter: w.key(CAROL),
            proof: w.proof(terms, after(1, 100)),
        };
        let outcome = forged(SignatureRole::Signer, w.key(CAROL));
        (w.signed(transaction, BOB, None), outcome)
    });
    refused("submitted by an account that is none", |w, terms| {
        let account = w.key(ERIN);
        let outcome = Err(Refusal::UnknownAccount { account });
        (w.close(ERIN, terms, after(1, 100)), outcome)
    });
    refused("submitted by somebody who cannot pay", |w, terms| {
        let outcome = Err(Refusal::FeeAboveBalance {
            have: Amount::new(5),
            fee: Amount::new(FEE),
        });
        (w.close(DAN, terms, after(1, 100)), outcome)
    });
}

#[test]
fn a_channel_is_on_record_while_it_is_open() {
    let mut world = World::new(config());
    let terms = Terms {
        reserve: Amount::new(3),
        ..world.terms(ALICE, 0, BOB, 300, 200)
    };
    let id = terms.channel_id();
    assert_eq!(world.chain.channel(&id), None);
    world.submit(&world.open(&terms)).unwrap();
    world.seal();
    let record = world.chain.channel(&id).unwrap();
    assert_eq!(record.keys, terms.keys);
    assert_eq!(record.limits.capacity, Amount::new(500));
    assert_eq!(record.limits.reserve, Amount::new(3));
    assert_eq!(record.deposit_a, Amount::new(300));
    assert_eq!(record.challenge_window_blocks, 144);
    assert_eq!(record.status, ChannelStatus::Open);
    assert_eq!(world.chain.totals().locked, Amount::new(500));
    world
        .submit(&world.close(BOB, &terms, after(1, 1)))
        .unwrap();
    world.seal();
    assert_eq!(world.chain.channel(&id), None);
    assert_eq!(world.chain.totals().locked, Amount::ZERO);
    assert_eq!(world.chain.totals().fees, Amount::new(2 * FEE));
}
