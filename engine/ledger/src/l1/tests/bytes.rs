//! Bytes from outside: one encoding of everything, nothing else accepted, not one bit.

use proptest::prelude::*;

use super::*;
use duet_channels::protocol::EntryBytes;

const BYTES: [(u8, usize); 12] = [
    (1, 145),
    (2, 161),
    (3, 233),
    (4, 321),
    (5, 257),
    (6, 321),
    (7, 129),
    (8, 449),
    (9, 257),
    (10, 129),
    (11, 453),
    (12, 389),
];

fn arbitrary() -> impl Strategy<Value = SignedTransaction> {
    let key = || any::<[u8; 32]>().prop_map(PublicKey);
    let digest = || any::<[u8; 32]>().prop_map(Digest);
    let amount = || prop_oneof![Just(0), any::<u64>()].prop_map(Amount::new);
    let signature = move || {
        (digest(), digest()).prop_map(|(r, s)| {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&r.0);
            signature[32..].copy_from_slice(&s.0);
            Signature(signature)
        })
    };
    let signatures = move || (signature(), signature()).prop_map(|(a, b)| Pair { a, b });
    let deposits = move || (amount(), amount()).prop_map(|(a, b)| Pair { a, b });
    let opening = move || {
        (key(), deposits(), any::<u32>(), amount()).prop_map(
            |(peer, deposits, challenge_window_blocks, reserve)| Opening {
                peer,
                deposits,
                challenge_window_blocks,
                reserve,
            },
        )
    };
    let after = move || (digest(), any::<EntryBytes>());
    let proof = move || {
        let state = prop_oneof![
            Just(State::Opening),
            after().prop_map(|(previous, entry)| State::After { previous, entry }),
        ];
        (digest(), state, signatures()).prop_map(|(channel, state, signatures)| FinalProof {
            channel: ChannelId(channel),
            state,
            signatures,
        })
    };
    let shown = (after(), signatures()).prop_map(|((previous, entry), signatures)| CoSigned {
        previous,
        entry,
        signatures,
    });
    let offer = (after(), signature()).prop_map(|((previous, entry), signature)| HalfSigned {
        previous,
        entry,
        signature,
    });
    let transfer = (key(), any::<u64>(), key(), amount()).prop_map(|(from, nonce, to, amount)| {
        Transaction::Transfer {
            from,
            nonce,
            to,
            amount,
        }
    });
    let open =
        (any::<u64>(), any::<u32>(), key(), opening()).prop_map(|(nonce, index, a, opening)| {
            Transaction::Open {
                nonce,
                index,
                keys: Pair { a, b: opening.peer },
                deposits: opening.deposits,
                challenge_window_blocks: opening.challenge_window_blocks,
                reserve: opening.reserve,
            }
        });
    let most = Transaction::MOST_ITEMS;
    let count = move || prop_oneof![9 => 1..4usize, 1 => Just(most)];
    let opens = (key(), any::<u64>(), opening(), count()).prop_flat_map(
        move |(opener, nonce, first, count)| {
            prop::collection::vec(opening(), count - 1).prop_map(move |mut channels| {
                channels.push(first);
                Transaction::OpenBatch {
                    opener,
                    nonce,
                    channels,
                }
            })
        },
    );
    let sends = (key(), any::<u64>(), count()).prop_flat_map(move |(from, nonce, count)| {
        let output = (key(), amount()).prop_map(|(to, amount)| Output { to, amount });
        prop::collection::vec(output, count).prop_map(move |outputs| Transaction::MultiSend {
            from,
            nonce,
            outputs,
        })
    });
    let close = (key(), proof())
        .prop_map(|(submitter, proof)| Transaction::CooperativeClose { submitter, proof });
    let closes = (key(), count()).prop_flat_map(move |(submitter, count)| {
        prop::collection::vec(proof(), count)
            .prop_map(move |proofs| Transaction::CloseBatch { submitter, proofs })
    });
    let post = (
        key(),
        digest(),
        prop::option::of(shown),
        prop::option::of(offer),
    )
        .prop_map(|(submitter, channel, shown, offer)| Transaction::Post {
            submitter,
            post: Post {
                channel: ChannelId(channel),
                shown,
                offer,
            },
        });
    let payout = (key(), digest()).prop_map(|(submitter, channel)| Transaction::Payout {
        submitter,
        channel: ChannelId(channel),
    });
    let roll_over =
        (proof(), any::<u64>(), key(), opening()).prop_map(|(proof, nonce, opener, successor)| {
            Transaction::RollOver {
                proof,
                opener,
                nonce,
                successor,
            }
        });
    let transaction = prop_oneof![
        1 => transfer,
        1 => open,
        1 => opens,
        1 => sends,
        1 => close,
        1 => closes,
        3 => post,
        1 => payout,
        1 => roll_over,
    ];
    let bid = (any::<u64>(), any::<u64>()).prop_map(|(most, tip)| Bid {
        most: Rate(most),
        tip: Rate(tip),
    });
    (transaction, prop::option::of(bid), signature(), signature()).prop_map(
        |(transaction, bid, signature, consent)| {
            let consents = vec![consent; transaction.consenters().count()];
            SignedTransaction::new(transaction, signature, consents).with_bid(bid)
        },
    )
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(transaction in arbitrary()) {
        let mut bytes = Vec::new();
        transaction.encode(&mut bytes);
        let bid_bytes = transaction.bid().map_or(0, |_| Bid::BYTES);
        prop_assert_eq!(bytes.len(), transaction.transaction().encoded_bytes() + bid_bytes);
        prop_assert_eq!(SignedTransaction::decode(&bytes), Ok(transaction));
    }

    #[test]
    fn what_decodes_is_encoded_so_and_no_other_way(
        kind in 0u8..17,
        bids: bool,
        exact: bool,
        mut bytes in prop::collection::vec(any::<u8>(), 0..500),
    ) {
        let (bid, bid_bytes) = if bids { (0x80, Bid::BYTES) } else { (0, 0) };
        if let Some(first) = bytes.first_mut() {
            *first = kind | bid;
        }
        if let Some(&(_, len)) = BYTES.iter().find(|(known, _)| *known == kind)
            && exact
        {
            bytes.resize(len + bid_bytes, kind);
            bytes[0] = kind | bid;
        }
        if let Ok(transaction) = SignedTransaction::decode(&bytes) {
            let mut again = Vec::new();
            transaction.encode(&mut again);
            prop_assert_eq!(bytes, again);
        } else {
            let without = bytes.len().checked_sub(bid_bytes);
            prop_assert!(!without.is_some_and(|len| BYTES.contains(&(kind, len))));
        }
    }
}

#[test]
fn other_bytes_are_malformed_by_name() {
    assert_eq!(SignedTransaction::decode(&[]), Err(Malformed::Empty));
    for got in (0..=255_u8).filter(|kind| !(1..=15).contains(&(kind & 0x7f))) {
        let bytes = [got; 321];
        assert_eq!(
            SignedTransaction::decode(&bytes),
            Err(Malformed::UnknownKind { got })
        );
    }
    // A batch's bytes of a fixed length have no meaning: batches have a test of their own.
    for (kind, expected) in BYTES {
        let mut bytes = vec![kind; 500];
        for got in (1..500).filter(|got| *got != expected) {
            let malformed = Malformed::WrongLength {
                kind,
                expected,
                got,
            };
            assert_eq!(SignedTransaction::decode(&bytes[..got]), Err(malformed));
        }
        bytes.truncate(expected);
        assert!(SignedTransaction::decode(&bytes).is_ok());
    }
    let mut bytes = [3; 233];
    bytes[1 + 32 + 8 + 4 + 32 + 8..][..8].fill(0);
    assert_eq!(
        SignedTransaction::decode(&bytes),
        Err(Malformed::ZeroDepositOfB)
    );

    let mut world = World::new(config());
    let malformed = Malformed::UnknownKind { got: 16 };
    assert_eq!(
        world.submit(&[16; 145]),
        Err(SubmitError::Malformed(malformed))
    );
    assert_eq!(world.chain.pending(), 0);
}

/// A frame, a count, and items of these kinds and lengths, all bytes 1.
fn batch(kind: u8, count: u16, items: &[(u8, usize)], rest: usize) -> Vec<u8> {
    let mut bytes = vec![1; if kind == 13 { 41 } else { 33 }];
    bytes[0] = kind;
    bytes.extend(count.to_le_bytes());
    for &(item, len) in items {
        bytes.push(item);
        bytes.extend(vec![1; len]);
    }
    bytes.extend(vec![1; rest]);
    bytes
}

#[test]
fn malformed_batches_are_refused_by_name() {
    let most = Transaction::MOST_ITEMS;
    let count = |got| Err(Malformed::WrongCount { most, got });
    let item = |got| Err(Malformed::WrongItem { got });
    let length = |kind, expected, got| {
        Err(Malformed::WrongLength {
            kind,
            expected,
            got,
        })
    };
    let (one, two, close, opening) = (52, 60, 224, 160);
    let table: Vec<(Vec<u8>, Result<usize, Malformed>)> = vec![
        // Sound ones, with the consents that they need.
        (batch(13, 1, &[(2, one)], 64), Ok(0)),
        (batch(13, 2, &[(3, two), (2, one)], 128), Ok(1)),
        (batch(13, 2, &[(3, two), (3, two)], 192), Ok(2)),
        (batch(14, 2, &[(4, close), (5, opening)], 64), Ok(0)),
        (batch(13, 256, &[(2, one); 256], 64), Ok(0)),
        // Counts.
        (batch(13, 0, &[], 64), count(0)),
        (batch(14, 0, &[], 64), count(0)),
        (batch(13, 257, &[(2, one); 257], 64), count(257)),
        (batch(14, 257, &[(5, opening); 257], 64), count(257)),
        (batch(14, u16::MAX, &[], 64), count(65_535)),
        // Items of other kinds, and of none.
        (batch(13, 1, &[(4, close)], 64), item(4)),
        (batch(13, 2, &[(2, one), (1, one)], 64), item(1)),
        (batch(13, 1, &[(13, one)], 64), item(13)),
        (batch(13, 1, &[(0, one)], 64), item(0)),
        (batch(13, 1, &[(255, one)], 64), item(255)),
        (batch(14, 1, &[(2, one)], 64), item(2)),
        (batch(14, 1, &[(6, close)], 64), item(6)),
        (batch(14, 1, &[(14, close)], 64), item(14)),
        (batch(14, 1, &[(15, close)], 64), item(15)),
        // Bytes missing, as far as they can be read, and left over.
        (vec![13], length(13, 33, 1)),
        (vec![13; 42], length(13, 43, 42)),
        (vec![14; 34], length(14, 35, 34)),
        (batch(13, 1, &[], 0), length(13, 44, 43)),
        (
            batch(13, 1, &[(2, one)], 63),
            length(13, 43 + 53 + 64, 43 + 53 + 63),
        ),
        (
            batch(13, 1, &[(2, one)], 65),
            length(13, 43 + 53 + 64, 43 + 53 + 65),
        ),
        (
            batch(13, 1, &[(3, two)], 64),
            length(13, 43 + 61 + 128, 43 + 61 + 64),
        ),
        (batch(13, 2, &[(2, one)], 0), length(13, 43 + 54, 43 + 53)),
        (
            batch(14, 1, &[(4, close)], 63),
            length(14, 35 + 225 + 64, 35 + 225 + 63),
        ),
        (
            batch(14, 1, &[(5, opening)], 65),
            length(14, 35 + 161 + 64, 35 + 161 + 65),
        ),
    ];
    for (bytes, expected) in table {
        let found = SignedTransaction::decode(&bytes).map(|signed| signed.consents().len());
        assert_eq!(
            found,
            expected,
            "{} bytes of kind {}",
            bytes.len(),
            bytes[0]
        );
    }
    let mut bytes = batch(13, 1, &[(3, two)], 128);
    bytes[43 + 1 + 32 + 8..][..8].fill(0);
    let found = SignedTransaction::decode(&bytes);
    assert_eq!(found, Err(Malformed::ZeroDepositOfB));
    // A name for every one: a new variant does not compile without one here and a row above.
    if let Err(malformed) = found {
        match malformed {
            Malformed::Empty
            | Malformed::UnknownKind { .. }
            | Malformed::WrongLength { .. }
            | Malformed::ZeroDepositOfB
            | Malformed::WrongCount { .. }
            | Malformed::WrongItem { .. } => assert!(!malformed.to_string().is_empty()),
        }
    }
}

/// Flips every bit of a valid transaction, one at a time. None of it is accepted, nothing changes,
/// and the transaction itself still works.
fn flip_every_bit(world: &mut World, bytes: &[u8]) {
    let before = (*world.chain.tip(), world.chain.ledger().clone());
    let (mut submitted, mut at_once) = (0, 0);
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match world.submit(&flipped) {
            Ok(_) => submitted += 1,
            Err(SubmitError::Refused(_)) => at_once += 1,
            Err(SubmitError::Malformed(_)) => {}
            Err(other) => panic!("bit {bit}: {other}"),
        }
    }
    assert_eq!(world.chain.pending(), submitted);
    assert!(
        submitted + at_once >= 8 * (bytes.len() - 100),
        "most bits have no format of their own"
    );
    let (headers, outcomes) = world.seal_all();
    assert!(headers.is_empty());
    assert!(outcomes.iter().all(Result::is_err));
    assert!(before == (*world.chain.tip(), world.chain.ledger().clone()));

    world.submit(bytes).unwrap();
    let (headers, outcomes) = world.seal_all();
    assert_eq!(headers.len(), 1);
    assert!(matches!(outcomes[..], [Ok(_)]));
}

#[test]
fn no_bit_of_a_transaction_can_be_flipped() {
    let mut world = World::new(config());
    let one_sided = world.terms(ALICE, 0, BOB, 300, 0);
    let two_sided = world.terms(ALICE, 1, BOB, 300, 200);
    let state = after(5, 100);
    let openings = vec![
        opening(world.key(CAROL), 3, 0),
        opening(world.key(BOB), 3, 4),
    ];
    let batched = terms_of_batch(&world, ALICE, 4, &openings);
    let finals = vec![
        world.proof(&batched[1], State::Opening),
        world.proof(&batched[0], after(1, 0)),
    ];
    let transactions = [
        world.open(&one_sided),
        world.open(&two_sided),
        world.transfer(ALICE, 2, BOB, 7),
        world.roll_over(&one_sided, state, &world.terms(ALICE, 3, BOB, 99, 9)),
        world.close(CAROL, &two_sided, State::Opening),
        world.open_batch(ALICE, 4, openings),
        world.close_batch(BOB, finals),
    ];
    for bytes in &transactions {
        flip_every_bit(&mut world, bytes);
    }
}

#[test]
fn no_bit_of_a_post_a_payout_or_a_close_can_be_flipped() {
    let mut world = World::new(config());
    let (shown, offer) = (after(5, 10), Some(after(6, 5)));
    let posts = [
        (State::Opening, None),
        (State::Opening, offer),
        (shown, None),
        (shown, offer),
    ];
    let mut channels = Vec::new();
    for (nonce, (shown, offer)) in (0..).zip(posts) {
        let terms = Terms {
            challenge_window_blocks: 1,
            ..world.terms(ALICE, nonce, BOB, 20, 10)
        };
        world.submit(&world.open(&terms)).unwrap();
        assert_eq!(world.pass()[0].outcome, opened(&terms));
        let post = world.post(ALICE, &terms, shown, offer);
        flip_every_bit(&mut world, &post);
        channels.push(terms);
    }
    let payout = world.payout(CAROL, channels[0].channel_id());
    flip_every_bit(&mut world, &payout);
    let close = world.close(CAROL, &channels[1], shown);
    flip_every_bit(&mut world, &close);
    let successor = world.terms(ALICE, 4, BOB, 9, 9);
    let roll_over = world.roll_over(&channels[2], State::Opening, &successor);
    flip_every_bit(&mut world, &roll_over);
}
