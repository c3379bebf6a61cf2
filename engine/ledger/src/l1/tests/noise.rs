//! Whatever bytes arrive at a live chain, with channels in every status, full queue or empty: it
//! does not panic, names what is wrong, and stays as it was.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestCaseResult, TestRunner};

use super::*;

/// One of the sound transactions, with pieces overwritten, cut off or added.
#[derive(Clone, Debug)]
struct Damage {
    which: usize,
    /// Where, and with which bytes.
    pieces: Vec<(usize, Vec<u8>)>,
    /// Where, how long, and from where in which sound transaction.
    grafts: Vec<(usize, usize, usize, usize)>,
    cut: usize,
    added: Vec<u8>,
}

fn damage() -> impl Strategy<Value = Damage> {
    let piece = (any::<usize>(), prop::collection::vec(any::<u8>(), 1..40));
    let graft = (
        any::<usize>(),
        prop_oneof![Just(32), Just(64), 1..100usize],
        any::<usize>(),
        any::<usize>(),
    );
    let rarely = |most| prop_oneof![8 => Just(0), 1 => 0..most];
    (
        any::<usize>(),
        prop::collection::vec(piece, 0..3),
        prop::collection::vec(graft, 0..3),
        rarely(80usize),
        prop_oneof![8 => Just(Vec::new()), 1 => prop::collection::vec(any::<u8>(), 1..80)],
    )
        .prop_map(|(which, pieces, grafts, cut, added)| Damage {
            which,
            pieces,
            grafts,
            cut,
            added,
        })
}

impl Damage {
    fn done(&self, sound: &[Bytes]) -> Bytes {
        let mut bytes = sound[self.which % sound.len()].clone();
        for (place, piece) in &self.pieces {
            for (offset, byte) in piece.iter().enumerate() {
                let place = (place % bytes.len() + offset) % bytes.len();
                bytes[place] = *byte;
            }
        }
        for &(place, len, which, from) in &self.grafts {
            let donor = &sound[which % sound.len()];
            for offset in 0..len {
                let place = (place % bytes.len() + offset) % bytes.len();
                bytes[place] = donor[(from % donor.len() + offset) % donor.len()];
            }
        }
        bytes.truncate(bytes.len() - self.cut);
        bytes.extend(&self.added);
        bytes
    }
}

/// A chain with channels in every status, and what could be done next, one of each kind.
fn live(config: Config) -> (World, Vec<Bytes>) {
    let mut world = World::new(config);
    let terms: Vec<Terms> = (0..3)
        .map(|nonce| Terms {
            challenge_window_blocks: if nonce == 2 { 1 } else { 100 },
            ..world.terms(ALICE, nonce, BOB, 60, 40)
        })
        .collect();
    let opens = terms.iter().map(|terms| world.open(terms));
    let posts = (terms[1..].iter()).map(|terms| world.post(ALICE, terms, after(1, 60), None));
    for bytes in opens.chain(posts).collect::<Vec<Bytes>>() {
        world.submit(&bytes).unwrap();
        world.pass();
    }
    world.pass();
    let openings = vec![
        opening(world.key(CAROL), 3, 0),
        opening(world.key(BOB), 3, 4),
    ];
    let offer = Some(after(9, 10));
    let sound = vec![
        world.transfer(ALICE, 3, BOB, 7),
        world.open(&world.terms(ALICE, 3, BOB, 1, 0)),
        world.open(&world.terms(ALICE, 3, BOB, 1, 2)),
        world.close(CAROL, &terms[0], after(1, 2)),
        world.close(CAROL, &terms[1], State::Opening),
        world.post(BOB, &terms[1], after(8, 50), None),
        world.post(ALICE, &terms[0], State::Opening, None),
        world.post(ALICE, &terms[1], after(8, 50), offer),
        world.post(ALICE, &terms[0], State::Opening, offer),
        world.payout(CAROL, terms[2].channel_id()),
        world.roll_over(&terms[1], after(3, 4), &world.terms(ALICE, 3, BOB, 1, 2)),
        world.roll_over(&terms[2], State::Opening, &world.terms(ALICE, 3, BOB, 1, 2)),
        world.open_batch(ALICE, 3, openings),
        world.close_batch(
            BOB,
            vec![
                world.proof(&terms[0], State::Opening),
                world.proof(&terms[1], after(1, 0)),
            ],
        ),
    ];
    (world, sound)
}

/// Submits so many such strings, some at a time.
fn endure<T: std::fmt::Debug>(
    config: Config,
    cases: u32,
    strategy: impl Strategy<Value = Vec<T>>,
    bytes: impl Fn(&T, &[Bytes]) -> Bytes,
) {
    let (world, sound) = live(config);
    let world = RefCell::new(world);
    let case = |noise: Vec<T>| -> TestCaseResult {
        let mut world = world.borrow_mut();
        let before = (world.chain.height(), world.chain.ledger().clone());
        let mut waiting = 0;
        for bytes in noise.iter().map(|one| bytes(one, &sound)) {
            // What the damage has not touched would be accepted, rightly.
            if sound.contains(&bytes) {
                continue;
            }
            match world.submit(&bytes) {
                Ok(_) => waiting += 1,
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
        prop_assert_eq!(world.chain.pending(), waiting);
        while world.chain.pending() > 0 {
            let (header, receipts) = world.seal_block(false);
            prop_assert_eq!(header, None);
            for receipt in receipts {
                let refusal = receipt.outcome.err();
                prop_assert!(refusal.is_some_and(|refusal| refusal.name().starts_with("l1_")));
            }
        }
        let found = (world.chain.height(), world.chain.ledger().clone());
        prop_assert!(before == found);
        Ok(())
    };
    let cases = Cases {
        // The world goes from case to case: what is found is not to be replayed by itself.
        failure_persistence: None,
        ..Cases::with_cases(cases)
    };
    TestRunner::new(cases).run(&strategy, case).unwrap();
}

#[test]
fn damaged_transactions_are_refused() {
    let dozens = || prop::collection::vec(damage(), 36);
    endure(config(), 80, dozens(), Damage::done);
    // With one place in the queue, nearly all answers are for the reserved room.
    let narrow = Config {
        mempool_transactions: 1,
        ..config()
    };
    endure(narrow, 40, dozens(), Damage::done);
}

#[test]
fn arbitrary_strings_are_refused() {
    let string = prop::collection::vec(any::<u8>(), 0..700);
    let string = (0u8..18, string).prop_map(|(kind, mut bytes)| {
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        // As long as its kind is, if it is one of a fixed length.
        let lengths = [
            0, 145, 161, 233, 321, 257, 321, 129, 449, 257, 129, 453, 389,
        ];
        let len = lengths.get(usize::from(kind)).copied().unwrap_or(0);
        if bytes.len() % 8 != 0 && len > 0 {
            bytes.resize(len, 0x5a);
            bytes[0] = kind;
        }
        bytes
    });
    let dozens = prop::collection::vec(string, 36);
    endure(config(), 300, dozens, |bytes, _| bytes.clone());
}
