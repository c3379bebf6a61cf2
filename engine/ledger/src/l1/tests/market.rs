//! What makes blocks scarce: limits that bind, bids, the base fee, a clock, and answers that have
//! no room of their own.

use proptest::prelude::*;

use super::room::disputed;
use super::*;

/// Every transaction takes 10 units, but for a post's answer: 20.
const PRICES: Prices = Prices {
    transfer: 10,
    multi_send: None,
    open_one_sided: 10,
    open_two_sided: 10,
    close: 10,
    post: 10,
    answer: 20,
    payout: 10,
};

fn units(block: u64) -> Option<Units> {
    Some(Units {
        block,
        of_channels: None,
        prices: PRICES,
    })
}

fn bids(block: u64, mempool_transactions: u32) -> Config {
    Config {
        units: units(block),
        order: Order::Bid,
        answers: Answers::Compete,
        mempool_transactions,
        ..config()
    }
}

/// A rate at which a transaction of 10 units pays so much.
fn rate(fee: u64) -> Rate {
    Rate(fee * Rate::PER / 10)
}

impl World {
    /// A transaction that bids so many units of money in all, signed by whoever should.
    fn bidding(&self, transaction: Transaction, fee: u64) -> Bytes {
        self.with_bid(transaction, Bid::flat(rate(fee)))
    }

    fn with_bid(&self, transaction: Transaction, bid: Bid) -> Bytes {
        let digest = transaction.digest_with(Some(&bid), self.chain.genesis());
        let signer = self.who(transaction.signer());
        let consents: Vec<Signature> = transaction
            .consenters()
            .map(|key| self.sign(self.who(key), digest))
            .collect();
        let signature = self.sign(signer, digest);
        let mut bytes = Vec::new();
        let signed = SignedTransaction::new(transaction, signature, consents);
        signed.with_bid(Some(bid)).encode(&mut bytes);
        bytes
    }

    fn to_dan(&self, from: Who, nonce: u64) -> Transaction {
        Transaction::Transfer {
            from: self.key(from),
            nonce,
            to: self.key(DAN),
            amount: Amount::new(1),
        }
    }

    /// The tickets and fees of the next block, in its order.
    fn block(&mut self) -> Vec<(u64, u64)> {
        let mut receipts = Vec::new();
        self.chain.seal(&mut receipts);
        self.chain.recount().unwrap();
        let included = receipts.iter().filter(|receipt| receipt.outcome.is_ok());
        included
            .map(|receipt| (receipt.ticket, receipt.fee.units()))
            .collect()
    }
}

/// Seven transfers in blocks of each limit, and of half of it.
#[test]
fn halving_a_limit_makes_twice_as_many_blocks() {
    let blocks = |config: Config| {
        let mut world = World::new(config);
        for nonce in 0..8 {
            let transfer = world.transfer(ALICE, nonce, BOB, 1);
            world.submit(&transfer).unwrap();
        }
        let (headers, outcomes) = world.seal_all();
        assert_eq!(outcomes.len(), 8);
        headers.len()
    };
    type Limited = fn(u64) -> Config;
    let rows: [(&str, Limited, u64); 4] = [
        (
            "transactions",
            |most| Config {
                block_transactions: most as u32,
                ..config()
            },
            4,
        ),
        (
            "bytes",
            |most| Config {
                block_bytes: most,
                ..config()
            },
            8 * 145,
        ),
        (
            "units",
            |most| Config {
                units: units(most),
                ..config()
            },
            40,
        ),
        ("none", |_| config(), 1),
    ];
    for (limit, of, most) in rows {
        let expected = match limit {
            "transactions" | "units" => (2, 4),
            "bytes" => (1, 2),
            _ => (1, 1),
        };
        assert_eq!(
            (blocks(of(most)), blocks(of(most / 2))),
            expected,
            "{limit}"
        );
    }
}

#[test]
fn channels_share_a_part_of_the_block_and_transfers_do_not() {
    let of_channels = Config {
        units: Some(Units {
            of_channels: Some(20),
            ..units(60).unwrap()
        }),
        ..config()
    };
    let mut world = World::new(of_channels);
    for nonce in 0..3 {
        let open = world.open(&world.terms(ALICE, nonce, BOB, 5, 0));
        world.submit(&open).unwrap();
    }
    for nonce in 0..2 {
        let transfer = world.transfer(CAROL, nonce, BOB, 1);
        world.submit(&transfer).unwrap();
    }
    // By arrival, what does not fit any more ends the block.
    let sizes = |world: &mut World| world.block().len();
    assert_eq!((sizes(&mut world), sizes(&mut world)), (2, 3));
}

/// What a post takes is said by whether something is posted before it.
#[test]
fn an_answer_takes_its_own_units() {
    let by_units = |block| Config {
        units: units(block),
        answers: Answers::Compete,
        ..config()
    };
    for (block, transactions) in [(30, 2), (29, 1)] {
        let (mut world, terms) = disputed(by_units(block), 1, 9);
        let answer = world.post(BOB, &terms[0], after(2, 50), None);
        let transfer = world.transfer(CAROL, 0, DAN, 1);
        for bytes in [answer, transfer] {
            world.submit(&bytes).unwrap();
        }
        assert_eq!(world.block().len(), transactions, "{block} units");
    }
}

/// Where units bound a block, one channel's answers do not fill the room against another's either.
#[test]
fn room_is_kept_by_units_too() {
    let reserved = Config {
        units: units(40),
        ..config()
    };
    let (mut world, terms) = disputed(reserved, 2, 9);
    // Two answers of 20 units fill a block; later ones take their channel's own place.
    for version in 2..6 {
        let answer = world.post(ALICE, &terms[0], after(version, 60), None);
        world.submit(&answer).unwrap();
    }
    let answer = world.post(BOB, &terms[1], after(2, 50), None);
    let ticket = world.submit(&answer).unwrap();
    assert_eq!(world.block().len(), 2);
    assert_eq!(world.block()[0].0, ticket);
}

#[test]
fn the_highest_bid_goes_first_and_an_account_in_its_own_order() {
    let mut world = World::new(bids(30, 100));
    let rows = [
        // Alice's second bids most, and waits for her first.
        (ALICE, 1, 9),
        (BOB, 0, 5),
        (ALICE, 0, 4),
        (CAROL, 0, 5),
        (CAROL, 1, 1),
    ];
    for (who, nonce, fee) in rows {
        let bytes = world.bidding(world.to_dan(who, nonce), fee);
        world.submit(&bytes).unwrap();
    }
    assert_eq!(world.block(), [(1, 5), (3, 5), (2, 4)]);
    assert_eq!(world.block(), [(0, 9), (4, 1)]);
    assert_eq!(world.chain.totals().fees, Amount::new(24));
    assert_eq!(world.chain.space().units, 50);
}

#[test]
fn a_full_queue_evicts_the_lowest_bid_and_leaves_no_gap() {
    let mut world = World::new(bids(30, 3));
    for (who, nonce, fee) in [(ALICE, 0, 2), (ALICE, 1, 9), (BOB, 0, 3)] {
        let bytes = world.bidding(world.to_dan(who, nonce), fee);
        world.submit(&bytes).unwrap();
    }
    let outbid = |floor, fee| SubmitError::Outbid {
        floor: rate(floor).0,
        got: rate(fee).0,
    };
    // Alice's lowest is not her last, so that Bob's is the lowest that can go.
    let rows = [
        (CAROL, 0, 3, Err(outbid(3, 3))),
        (CAROL, 0, 4, Ok(3)),
        // Her own last would leave a gap before it.
        (CAROL, 1, 8, Err(SubmitError::NotInTurn)),
        // One of the same nonce makes way for a higher bid alone.
        (ALICE, 0, 1, Err(outbid(2, 1))),
        (ALICE, 0, 2, Err(SubmitError::AlreadyWaits)),
        (ALICE, 0, 5, Ok(4)),
    ];
    for (who, nonce, fee, expected) in rows {
        let bytes = world.bidding(world.to_dan(who, nonce), fee);
        assert_eq!(world.submit(&bytes), expected, "{who} {nonce} {fee}");
    }
    assert!(world.chain.owes_receipts(), "of those that were evicted");
    let mut receipts = Vec::new();
    world.chain.seal(&mut receipts);
    assert!(!world.chain.owes_receipts());
    let evicted: Vec<(u64, Refusal)> = receipts
        .iter()
        .filter_map(|receipt| Some((receipt.ticket, receipt.outcome.clone().err()?)))
        .collect();
    let by = |fee| Refusal::Evicted { by: rate(fee).0 };
    assert_eq!(evicted, [(2, by(4)), (0, by(5))]);
    assert_eq!(world.chain.space().evicted, 2);
    assert_eq!((receipts.len(), world.chain.pending()), (5, 0));
}

#[test]
fn a_bid_is_wanted_where_bids_are_taken_and_nowhere_else() {
    let mut by_arrival = World::new(config());
    let bytes = by_arrival.bidding(by_arrival.to_dan(ALICE, 0), 5);
    assert_eq!(by_arrival.submit_any(&bytes), Some(Refusal::BidNotTaken));
    let mut by_bids = World::new(bids(30, 3));
    let bytes = by_bids.transfer(ALICE, 0, DAN, 1);
    assert_eq!(by_bids.submit_any(&bytes), Some(Refusal::NoBid));
    // A bid is signed: another one is another's word.
    let mut bytes = by_bids.bidding(by_bids.to_dan(ALICE, 0), 5);
    bytes[1] ^= 1;
    let forged = Refusal::BadSignature {
        role: SignatureRole::Signer,
        key: by_bids.key(ALICE),
    };
    assert_eq!(by_bids.submit_any(&bytes), Some(forged));
}

/// What could be in no block evicts nothing: a flood costs at least that its account could pay.
#[test]
fn what_waits_by_its_bid_could_be_paid_for() {
    let least = Rate(800_000);
    let mut world = World::new(Config {
        order: Order::BaseFee { least },
        pace: Some(Pace {
            interval_ms: 500,
            finality_blocks: 0,
        }),
        ..bids(40, 100)
    });
    let first = world.bidding(world.to_dan(ALICE, 0), 9);
    world.submit(&first).unwrap();
    assert_eq!(world.block(), [(0, 9)]);
    let most = Bid::flat(Rate(u64::MAX));
    let gone = world.terms(ALICE, 0, BOB, 5, 0).channel_id();
    let rows = [
        (
            "one of the past, once more",
            first,
            Refusal::WrongNonce {
                expected: 1,
                got: 0,
            },
        ),
        (
            "a bid of all there can be",
            world.with_bid(world.to_dan(BOB, 0), most),
            Refusal::FeeAboveBalance {
                have: Amount::new(FUNDS[BOB]),
                fee: most.most.of(10),
            },
        ),
        (
            "a bid that no base fee is as low as",
            world.bidding(world.to_dan(CAROL, 0), 7),
            Refusal::BidBelowBase {
                base: least.0,
                got: rate(7).0,
            },
        ),
        (
            "a payout of a channel that is gone",
            world.bidding(
                Transaction::Payout {
                    submitter: world.key(CAROL),
                    channel: gone,
                },
                9,
            ),
            Refusal::UnknownChannel { channel: gone },
        ),
        (
            "an account that never was",
            world.bidding(world.to_dan(ERIN, 0), 9),
            Refusal::UnknownAccount {
                account: world.key(ERIN),
            },
        ),
    ];
    for (name, bytes, refusal) in rows {
        let refused = Err(SubmitError::Refused(refusal));
        assert_eq!(world.submit(&bytes), refused, "{name}");
    }
    assert_eq!(world.chain.pending(), 0);
}

/// What is refused at its turn pays nothing, and has cost nobody a place before that.
#[test]
fn what_would_be_refused_at_its_turn_evicts_nothing() {
    let mut world = World::new(bids(100, 4));
    let [open, disputed] = [0, 1].map(|nonce| world.terms(ALICE, nonce, BOB, 50, 0));
    for terms in [&open, &disputed] {
        let bytes = world.bidding(Transaction::open(terms), 5);
        world.submit(&bytes).unwrap();
    }
    assert_eq!(world.block().len(), 2);
    let post = |terms: &Terms, version| Transaction::Post {
        submitter: world.key(BOB),
        post: Post {
            channel: terms.channel_id(),
            shown: world.cosigned(terms, after(version, 20)),
            offer: None,
        },
    };
    let [first, beaten] = [2, 1].map(|version| post(&disputed, version));
    let mut forged = post(&open, 1);
    if let Transaction::Post { post, .. } = &mut forged {
        post.shown.as_mut().unwrap().signatures.a.0[0] ^= 1;
    }
    let bytes = world.bidding(first, 5);
    world.submit(&bytes).unwrap();
    assert_eq!(world.block().len(), 1);
    // Carol's lowest bid is the first to make way, and Alice has all of her money waiting.
    let spent = Transaction::Transfer {
        from: world.key(ALICE),
        nonce: 2,
        to: world.key(DAN),
        amount: Amount::new(world.balance(ALICE) - 30),
    };
    let rows = [
        (spent, 20),
        (world.to_dan(BOB, 0), 9),
        (world.to_dan(CAROL, 0), 9),
        (world.to_dan(CAROL, 1), 2),
    ];
    for (transaction, fee) in rows {
        let bytes = world.bidding(transaction, fee);
        world.submit(&bytes).unwrap();
    }
    let two_sided = world.terms(BOB, 1, ALICE, 5, 5);
    let mut without_consent = world.bidding(Transaction::open(&two_sided), 40);
    *without_consent.last_mut().unwrap() ^= 1;
    let payout = |terms: &Terms| Transaction::Payout {
        submitter: world.key(BOB),
        channel: terms.channel_id(),
    };
    let rows = [
        (
            "more than Alice has left",
            world.bidding(world.to_dan(ALICE, 3), 10),
        ),
        (
            "a nonce before which one is missing",
            world.bidding(world.to_dan(BOB, 2), 40),
        ),
        ("an open without B's consent", without_consent),
        ("a post that A never signed", world.bidding(forged, 40)),
        (
            "a post of a version that was beaten",
            world.bidding(beaten, 40),
        ),
        (
            "a payout while the window is open",
            world.bidding(payout(&disputed), 40),
        ),
        ("a payout without a post", world.bidding(payout(&open), 40)),
        (
            "a next one of an account with the lowest bid",
            world.bidding(world.to_dan(CAROL, 2), 40),
        ),
    ];
    for (name, bytes) in rows {
        let found = world.submit(&bytes).unwrap_err();
        let refused = matches!(found, SubmitError::Refused(_) | SubmitError::NotInTurn);
        assert!(refused, "{name}: {found}");
        assert!(!world.chain.owes_receipts(), "{name}");
    }
    assert_eq!(world.chain.space().evicted, 0);
    let sound = world.bidding(world.to_dan(BOB, 1), 40);
    world.submit(&sound).unwrap();
    assert_eq!(world.chain.space().evicted, 1);
}

/// However often somebody outbids itself, what is to be told is no more than what was sent.
#[test]
fn receipts_that_are_owed_are_no_more_than_what_was_taken() {
    let mut world = World::new(bids(100, 3));
    for fee in 1..=50 {
        let bytes = world.bidding(world.to_dan(ALICE, 0), fee);
        world.submit(&bytes).unwrap();
    }
    let mut receipts = Vec::new();
    world.chain.seal(&mut receipts);
    assert_eq!((receipts.len(), world.chain.pending()), (50, 0));
}

/// A stranger can have a payout that waits come again, byte for byte: it waits once.
#[test]
fn the_same_does_not_wait_twice() {
    let mut world = World::new(bids(30, 100));
    let terms = world.terms(ALICE, 0, BOB, 5, 0);
    let channel = terms.channel_id();
    let open = world.bidding(Transaction::open(&terms), 5);
    world.submit(&open).unwrap();
    assert_eq!(world.block(), [(0, 5)]);
    let submitter = world.key(CAROL);
    let payout = world.bidding(Transaction::Payout { submitter, channel }, 5);
    world.submit(&payout).unwrap();
    assert_eq!(world.submit(&payout), Err(SubmitError::AlreadyWaits));
    assert_eq!((world.block(), world.chain.pending()), (vec![], 0));
    assert!(world.submit(&payout).is_ok(), "it waits no more");
}

#[test]
fn who_waits_for_a_nonce_that_nothing_has_is_known_and_can_be_withdrawn() {
    let mut world = World::new(bids(100, 100));
    for (who, nonce) in [
        (ALICE, 1),
        (ALICE, 2),
        (BOB, 0),
        (BOB, 2),
        (CAROL, u64::MAX),
    ] {
        let bytes = world.bidding(world.to_dan(who, nonce), 5);
        world.submit(&bytes).unwrap();
    }
    assert_eq!(world.block(), [(2, 5)]);
    assert_eq!(world.block(), []);
    let mut gaps = vec![
        (world.key(ALICE), 1),
        (world.key(BOB), 2),
        (world.key(CAROL), u64::MAX),
    ];
    gaps.sort_unstable();
    assert_eq!(world.chain.gaps(), gaps);
    let withdrawn = gaps
        .iter()
        .map(|(who, from)| world.chain.withdraw(who, *from));
    assert_eq!(withdrawn.map(|tickets| tickets.len()).sum::<usize>(), 4);
    assert_eq!((world.chain.gaps(), world.chain.pending()), (vec![], 0));
}

/// Signatures that were heard together are the ones of these very transactions.
#[test]
fn what_is_heard_together_is_judged_as_what_is_heard_alone() {
    let mut world = World::new(bids(30, 10));
    let sound = world.bidding(world.to_dan(ALICE, 0), 5);
    let mut forged = world.bidding(world.to_dan(BOB, 0), 5);
    *forged.last_mut().unwrap() ^= 1;
    let mut other = sound.clone();
    *other.last_mut().unwrap() ^= 1;
    let all = [&sound[..], &forged[..], b"no transaction"];
    world.chain.hear_together(all.into_iter());
    let bad = |who| Refusal::BadSignature {
        role: SignatureRole::Signer,
        key: world.key(who),
    };
    let (of_bob, of_alice) = (bad(BOB), bad(ALICE));
    assert_eq!(world.submit_any(&forged), Some(of_bob));
    assert_eq!(world.submit_any(&other), Some(of_alice));
    assert_eq!(world.submit_any(&sound), None);
    assert_eq!(world.block(), [(0, 5)]);
}

#[test]
fn the_base_fee_rises_with_full_blocks_and_lets_low_bids_wait() {
    let least = Rate(800_000);
    let mut world = World::new(Config {
        order: Order::BaseFee { least },
        pace: Some(Pace {
            interval_ms: 500,
            finality_blocks: 0,
        }),
        ..bids(40, 100)
    });
    let bid = |most, tip| Bid {
        most: Rate(most),
        tip: Rate(tip),
    };
    for nonce in 0..4 {
        let bytes = world.with_bid(world.to_dan(ALICE, nonce), bid(5_000_000, 100_000));
        world.submit(&bytes).unwrap();
    }
    let low = world.with_bid(world.to_dan(BOB, 0), bid(850_000, 850_000));
    world.submit(&low).unwrap();
    // Alice's tip is above what Bob's bid leaves; 10 units at 0.9 a unit.
    assert_eq!(world.block(), [(0, 9), (1, 9), (2, 9), (3, 9)]);
    assert_eq!(world.chain.base_fee(), Rate(900_000));
    assert_eq!(world.block(), []);
    assert_eq!(
        world.chain.base_fee(),
        least,
        "an eighth less, and no less than that"
    );
    assert_eq!(world.block(), [(4, 9)]);
    assert_eq!(world.chain.space().highest_base, Rate(900_000));
}

#[test]
fn time_passes_without_blocks() {
    let mut world = World::new(Config {
        pace: Some(Pace {
            interval_ms: 500,
            finality_blocks: 2,
        }),
        ..config()
    });
    let transfer = world.transfer(ALICE, 0, BOB, 1);
    world.submit(&transfer).unwrap();
    let mut receipts = Vec::new();
    let first = world.chain.seal(&mut receipts).unwrap();
    assert_eq!(world.chain.seal(&mut receipts), None);
    world.chain.pass_over(1_000_000);
    assert_eq!(world.chain.height(), 1_000_002);
    let transfer = world.transfer(ALICE, 1, BOB, 1);
    world.submit(&transfer).unwrap();
    let next = world.chain.seal(&mut receipts).unwrap();
    assert_eq!((next.height, next.parent), (1_000_003, first.hash));
    assert_eq!(world.chain.space().empty_blocks, 1_000_001);
    assert_eq!(world.chain.load().blocks, 2);
}

/// Where answers compete, a full queue keeps them out, and a block takes them by their bids.
#[test]
fn answers_without_room_of_their_own_wait_like_all_else() {
    let compete = Config {
        answers: Answers::Compete,
        mempool_transactions: 1,
        ..config()
    };
    let (mut world, terms) = disputed(compete, 1, 9);
    let transfer = world.transfer(CAROL, 0, DAN, 1);
    world.submit(&transfer).unwrap();
    let answer = world.post(BOB, &terms[0], after(2, 50), None);
    let full = SubmitError::MempoolFull { capacity: 1 };
    assert_eq!(world.submit(&answer), Err(full));
}

#[test]
fn what_a_layer_1_is_scarce_by_is_part_of_its_identity() {
    let plain = config();
    let base_fee = Order::BaseFee { least: Rate(1) };
    let all = [
        plain,
        Config {
            pace: Some(Pace {
                interval_ms: 1,
                finality_blocks: 0,
            }),
            ..plain
        },
        Config {
            units: units(40),
            ..plain
        },
        Config {
            answers: Answers::Compete,
            ..plain
        },
        bids(40, 65_536),
        Config {
            order: base_fee,
            pace: Some(Pace {
                interval_ms: 1,
                finality_blocks: 0,
            }),
            ..bids(40, 65_536)
        },
    ];
    let ids: std::collections::BTreeSet<Digest> = all
        .iter()
        .map(|config| *World::new(*config).chain.genesis())
        .collect();
    assert_eq!(ids.len(), all.len());
    assert_eq!(plain.scarcity(), Vec::<u8>::new());
}

#[test]
fn a_market_that_makes_no_sense_is_refused() {
    let dear = Units {
        prices: Prices { post: 41, ..PRICES },
        ..units(40).unwrap()
    };
    let narrow = Units {
        of_channels: Some(15),
        ..units(40).unwrap()
    };
    // Transfers are dearest, and fit: that a close fits beside them does not follow.
    let dear_transfers = Units {
        of_channels: Some(30),
        prices: Prices {
            transfer: 40,
            multi_send: None,
            close: 25,
            ..PRICES
        },
        ..units(40).unwrap()
    };
    let rows: [(Config, &str); 7] = [
        (
            Config {
                pace: Some(Pace {
                    interval_ms: 0,
                    finality_blocks: 0,
                }),
                ..config()
            },
            "0 ms from block to block, expected at least 1",
        ),
        (
            Config {
                units: Some(dear),
                ..config()
            },
            "post: 41 units, expected at most the 40 that a block has for it",
        ),
        (
            Config {
                units: Some(narrow),
                ..config()
            },
            "roll-over: 20 units, expected at most the 15 that a block has for it",
        ),
        (
            Config {
                units: Some(dear_transfers),
                ..config()
            },
            "roll-over: 35 units, expected at most the 30 that a block has for it",
        ),
        (
            Config {
                units: units(0),
                ..config()
            },
            "0 of 0 units a block for channels, expected 1 to all of them",
        ),
        (
            Config {
                units: None,
                ..bids(40, 1)
            },
            "bids, and no units to bid for",
        ),
        (
            Config {
                answers: Answers::Reserved,
                ..bids(40, 1)
            },
            "room kept for answers beside bids, expected answers that compete",
        ),
    ];
    for (config, expected) in rows {
        assert_eq!(config.check().unwrap_err().to_string(), expected);
    }
}

/// What waits, in the model: ticket, account, nonce, fee.
type Row = (u64, Who, u64, u64);

/// The rows that the next block takes, by looking at all that wait again and again.
fn by_hand(waiting: &mut Vec<Row>, nonces: &mut [u64], most: usize) -> Vec<(u64, u64)> {
    let mut block = Vec::new();
    while block.len() < most {
        let ready = waiting
            .iter()
            .filter(|(_, who, nonce, _)| *nonce == nonces[*who]);
        let Some(next) = ready.max_by_key(|(ticket, _, _, fee)| (*fee, u64::MAX - ticket)) else {
            break;
        };
        let &(ticket, who, _, fee) = next;
        nonces[who] += 1;
        waiting.retain(|row| row.0 != ticket);
        block.push((ticket, fee));
    }
    block
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn blocks_by_bids_are_those_of_a_model(
        steps in prop::collection::vec(
            prop_oneof![8 => (0..3usize, 1..6u64).prop_map(Some), 1 => Just(None)],
            1..60,
        ),
    ) {
        let mut world = World::new(bids(30, 10_000));
        let (mut waiting, mut nonces, mut sent) = (Vec::new(), [0; 3], [0; 3]);
        for step in steps.into_iter().chain([None; 20]) {
            match step {
                Some((who, fee)) => {
                    let bytes = world.bidding(world.to_dan(who, sent[who]), fee);
                    let ticket = world.submit(&bytes).unwrap();
                    waiting.push((ticket, who, sent[who], fee));
                    sent[who] += 1;
                }
                None => {
                    let expected = by_hand(&mut waiting, &mut nonces, 3);
                    prop_assert_eq!(world.block(), expected);
                }
            }
        }
        prop_assert_eq!(world.chain.pending(), 0);
    }
}

/// Whoever keeps blocks has room for the longest that there can be.
#[test]
fn a_blocks_bytes_are_bounded_by_its_transactions_and_units_too() {
    let wide = Config {
        block_bytes: u64::MAX,
        block_transactions: u32::MAX,
        ..config()
    };
    let free = Units {
        prices: Prices {
            payout: 0,
            ..PRICES
        },
        ..units(1_000).unwrap()
    };
    for (config, most) in [
        (
            config(),
            config()
                .block_bytes
                .min(453 * u64::from(config().block_transactions)),
        ),
        (
            Config {
                block_transactions: 7,
                ..wide
            },
            7 * 453,
        ),
        (
            Config {
                block_bytes: 999,
                ..wide
            },
            999,
        ),
        (
            Config {
                units: units(1_000),
                ..wide
            },
            100 * 449,
        ),
        (
            Config {
                block_bytes: u64::MAX,
                block_transactions: u32::MAX,
                ..bids(1_000, 1)
            },
            100 * (449 + 16),
        ),
        (
            Config {
                units: Some(free),
                ..wide
            },
            453 * u64::from(u32::MAX),
        ),
    ] {
        assert_eq!(config.most_block_bytes(), most, "{config:?}");
    }
}
