//! Bytes from outside: one encoding of everything, nothing else accepted, not one bit.

use proptest::prelude::*;

use super::*;
use crate::protocol::EntryBytes;

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
    let signature = || {
        (digest(), digest()).prop_map(|(r, s)| {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&r.0);
            signature[32..].copy_from_slice(&s.0);
            Signature(signature)
        })
    };
    let transfer = (key(), any::<u64>(), key(), amount()).prop_map(|(from, nonce, to, amount)| {
        Transaction::Transfer {
            from,
            nonce,
            to,
            amount,
        }
    });
    let open = (
        (any::<u64>(), any::<u32>(), any::<u32>()),
        (key(), key(), amount(), amount(), amount()),
    )
        .prop_map(
            |((nonce, index, challenge_window_blocks), (a, b, da, db, reserve))| {
                Transaction::Open {
                    nonce,
                    index,
                    keys: Pair { a, b },
                    deposits: Pair { a: da, b: db },
                    challenge_window_blocks,
                    reserve,
                }
            },
        );
    let state = prop_oneof![
        Just(State::Opening),
        (digest(), any::<EntryBytes>())
            .prop_map(|(previous, entry)| State::After { previous, entry }),
    ];
    let close = (key(), digest(), state, signature(), signature()).prop_map(
        |(submitter, channel, state, a, b)| Transaction::CooperativeClose {
            submitter,
            proof: FinalProof {
                channel: ChannelId(channel),
                state,
                signatures: Pair { a, b },
            },
        },
    );
    let transaction = prop_oneof![transfer, open, close];
    (transaction, signature(), signature()).prop_map(|(transaction, signature, consent)| {
        let consents = vec![consent; transaction.consenters().count()];
        SignedTransaction::new(transaction, signature, consents)
    })
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(transaction in arbitrary()) {
        let mut bytes = Vec::new();
        transaction.encode(&mut bytes);
        prop_assert_eq!(bytes.len(), transaction.transaction().encoded_bytes());
        prop_assert_eq!(SignedTransaction::decode(&bytes), Ok(transaction));
    }

    #[test]
    fn what_decodes_is_encoded_so_and_no_other_way(
        kind in 0u8..13,
        exact: bool,
        mut bytes in prop::collection::vec(any::<u8>(), 0..500),
    ) {
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        if let Some(&(_, len)) = BYTES.iter().find(|(known, _)| *known == kind)
            && exact
        {
            bytes.resize(len, kind);
            bytes[0] = kind;
        }
        if let Ok(transaction) = SignedTransaction::decode(&bytes) {
            let mut again = Vec::new();
            transaction.encode(&mut again);
            prop_assert_eq!(bytes, again);
        } else {
            prop_assert!(!BYTES.contains(&(kind, bytes.len())));
        }
    }
}

#[test]
fn other_bytes_are_malformed_by_name() {
    assert_eq!(SignedTransaction::decode(&[]), Err(Malformed::Empty));
    for got in (0..=255).filter(|kind| !(1..=14).contains(kind)) {
        let bytes = [got; 321];
        assert_eq!(
            SignedTransaction::decode(&bytes),
            Err(Malformed::UnknownKind { got })
        );
    }
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
    let malformed = Malformed::UnknownKind { got: 15 };
    assert_eq!(
        world.submit(&[15; 145]),
        Err(SubmitError::Malformed(malformed))
    );
    assert_eq!(world.chain.pending(), 0);
}

/// Flips every bit of a valid transaction, one at a time. None of it is accepted, nothing changes,
/// and the transaction itself still works.
fn flip_every_bit(world: &mut World, bytes: &[u8]) {
    let before = (*world.chain.tip(), world.chain.ledger().clone());
    let mut submitted = 0;
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match world.submit(&flipped) {
            Ok(_) => submitted += 1,
            Err(SubmitError::Malformed(_)) => {}
            Err(other) => panic!("bit {bit}: {other}"),
        }
    }
    assert_eq!(world.chain.pending(), submitted);
    assert!(
        submitted >= 8 * (bytes.len() - 100),
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
    let transactions = [
        world.open(&one_sided),
        world.open(&two_sided),
        world.transfer(ALICE, 2, BOB, 7),
        world.close(BOB, &one_sided, after(5, 100)),
        world.close(CAROL, &two_sided, State::Opening),
    ];
    for bytes in &transactions {
        flip_every_bit(&mut world, bytes);
    }
}
