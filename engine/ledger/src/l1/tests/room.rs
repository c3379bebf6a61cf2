//! The reserved room (rule L8): answers pass a crowded queue, one for each disputed channel, and
//! nothing that anybody else submits keeps an answer out.

use super::vain::unsound;
use super::*;

/// Room for so many transactions in the queue, and so many in a block.
pub(super) fn crowded(mempool_transactions: u32, block_transactions: u32) -> Config {
    Config {
        mempool_transactions,
        block_transactions,
        ..config()
    }
}

/// A world in which Alice and Bob have so many channels of 60 and 40, and Alice has posted version
/// 1 (60/40) in each. The queue is empty, and the next block the first that takes answers.
pub(super) fn disputed(config: Config, channels: u64, window: u32) -> (World, Vec<Terms>) {
    let mut world = World::new(config);
    let terms: Vec<Terms> = (0..channels)
        .map(|nonce| Terms {
            challenge_window_blocks: window,
            ..world.terms(ALICE, nonce, BOB, 60, 40)
        })
        .collect();
    let opens = terms.iter().map(|terms| world.open(terms));
    let posts = terms
        .iter()
        .map(|terms| world.post(ALICE, terms, after(1, 60), None));
    for bytes in opens.chain(posts).collect::<Vec<Bytes>>() {
        world.submit(&bytes).unwrap();
        world.seal();
    }
    (world, terms)
}

/// Fills the queue with Carol's transfers; gives their tickets.
pub(super) fn fill(world: &mut World) -> Vec<u64> {
    let mut nonce = world.chain.account(&world.key(CAROL)).unwrap().nonce;
    let mut tickets = Vec::new();
    loop {
        let bytes = world.transfer(CAROL, nonce, DAN, 1);
        match world.submit(&bytes) {
            Ok(ticket) => tickets.push(ticket),
            Err(full) => {
                let capacity = world.chain.config().mempool_transactions;
                assert_eq!(full, SubmitError::MempoolFull { capacity });
                return tickets;
            }
        }
        nonce += 1;
    }
}

/// What left the mempool, by ticket.
pub(super) fn sealed(world: &mut World) -> Vec<(u64, Outcome)> {
    let (_, receipts) = world.seal_block(false);
    receipts
        .into_iter()
        .map(|receipt| (receipt.ticket, receipt.outcome))
        .collect()
}

pub(super) fn posted(version: u64, by: Option<Party>, until: u64) -> Outcome {
    Ok(Executed::Posted { version, by, until })
}

#[test]
fn answers_pass_a_full_queue_and_nothing_else_does() {
    let (mut world, terms) = disputed(crowded(3, 2857), 2, 9);
    let quiet = world.terms(ALICE, 2, BOB, 1, 0);
    world.submit(&world.open(&quiet)).unwrap();
    world.seal();
    let transfers = fill(&mut world);
    assert_eq!(transfers.len(), 3);

    let answer = |by, shown, offer| world.post(by, &terms[0], shown, offer);
    let mut damaged = answer(BOB, after(2, 50), None);
    damaged[200] ^= 1;
    let forged = unsound(&world, CAROL, &terms[0], 1).remove(0);
    let elsewhere = World::labelled("direct", *world.chain.config());
    let (full, forger) = ("full", "l1_bad_signature");
    let kept_out = [
        ("damaged", forger, damaged),
        ("with a forged state", forger, forged),
        ("not higher", full, answer(BOB, after(1, 0), None)),
        ("at version 0", full, answer(BOB, State::Opening, None)),
        ("after no entry", full, answer(BOB, after(0, 60), None)),
        (
            "above the capacity",
            "l1_balance_above_capacity",
            answer(BOB, after(2, 101), None),
        ),
        (
            "a stranger's offer",
            "l1_offer_by_stranger",
            answer(CAROL, after(2, 50), Some(after(3, 40))),
        ),
        (
            "an offer that raises its poster",
            "l1_offer_raises_poster",
            answer(BOB, after(2, 50), Some(after(3, 49))),
        ),
        (
            "an offer that is not higher",
            "l1_offer_not_higher",
            answer(BOB, after(2, 50), Some(after(2, 50))),
        ),
        (
            "of D, who cannot pay",
            full,
            answer(DAN, after(2, 50), None),
        ),
        (
            "of E, who has no account",
            full,
            answer(ERIN, after(2, 50), None),
        ),
        (
            "of another Layer 1",
            forger,
            elsewhere.post(BOB, &terms[0], after(2, 50), None),
        ),
        (
            "a post that opens",
            full,
            world.post(ALICE, &quiet, after(2, 0), None),
        ),
        (
            "in no channel",
            full,
            world.post(BOB, &world.terms(ALICE, 9, BOB, 1, 0), after(2, 0), None),
        ),
        ("a close", full, world.close(BOB, &terms[0], after(2, 50))),
        ("a payout", full, world.payout(BOB, terms[0].channel_id())),
        ("a transfer", full, world.transfer(BOB, 0, ALICE, 1)),
    ];
    let before = (world.chain.pending(), world.chain.ledger().clone());
    for (which, expected, bytes) in &kept_out {
        let found = match world.submit(bytes).unwrap_err() {
            SubmitError::MempoolFull { capacity: 3 } => full,
            SubmitError::Refused(refusal) => refusal.name(),
            error => panic!("{which}: {error}"),
        };
        assert_eq!(found, *expected, "{which}");
    }
    let after_all = (world.chain.pending(), world.chain.ledger().clone());
    assert!(before == after_all);

    // A party's, and any other account's, one in each channel. They go first.
    let until = world.chain.channel(&terms[0].channel_id()).unwrap();
    let until = until.dispute().unwrap().until();
    let first = world.post(BOB, &terms[0], after(2, 50), Some(after(3, 55)));
    let second = world.post(CAROL, &terms[1], after(2, 50), None);
    let first = world.submit(&first).unwrap();
    let second = world.submit(&second).unwrap();
    assert_eq!(world.chain.pending(), 5);
    let outcomes = sealed(&mut world);
    assert_eq!(outcomes[0], (first, posted(2, Some(Party::B), until)));
    assert_eq!(outcomes[1], (second, posted(2, None, until + 1)));
    let rest: Vec<u64> = outcomes[2..].iter().map(|(ticket, _)| *ticket).collect();
    assert_eq!(rest, transfers);
    assert_eq!(world.chain.pending(), 0);
}

#[test]
fn a_higher_answer_takes_the_place_of_a_lower_one() {
    let (mut world, terms) = disputed(crowded(2, 2857), 2, 9);
    fill(&mut world);
    let full = Err(SubmitError::MempoolFull { capacity: 2 });
    let answer = |world: &World, which: usize, version| {
        world.post(BOB, &terms[which], after(version, 50), None)
    };
    let low = world.submit(&answer(&world, 0, 4)).unwrap();
    let other = world.submit(&answer(&world, 1, 9)).unwrap();
    assert_eq!(world.submit(&answer(&world, 0, 3)), full);
    assert_eq!(world.submit(&answer(&world, 0, 4)), full);
    let middle = world.submit(&answer(&world, 0, 5)).unwrap();
    let high = world.submit(&answer(&world, 0, u64::MAX)).unwrap();
    assert_eq!(world.submit(&answer(&world, 0, 6)), full);
    assert_eq!(world.chain.pending(), 4);

    let refused = world.chain.load().refused;
    let outcomes = sealed(&mut world);
    assert_eq!(outcomes.len(), 6);
    assert_eq!(
        outcomes[..2],
        [
            (low, Err(Refusal::Superseded { by: 5 })),
            (middle, Err(Refusal::Superseded { by: u64::MAX })),
        ]
    );
    // It keeps the place in the order that the channel had.
    assert_eq!([outcomes[2].0, outcomes[3].0], [high, other]);
    assert!(outcomes[2..].iter().all(|(_, outcome)| outcome.is_ok()));
    assert_eq!(world.chain.load().refused, refused + 2);
    // The next block's room is a new one.
    fill(&mut world);
    world.submit(&answer(&world, 1, 10)).unwrap();
    assert_eq!(world.submit(&answer(&world, 0, 7)), full);
}

#[test]
fn answers_that_fill_a_block_leave_the_rest_for_the_next_one() {
    let (mut world, terms) = disputed(crowded(2, 2), 3, 9);
    let transfers = fill(&mut world);
    let answers: Vec<u64> = terms
        .iter()
        .map(|terms| world.post(BOB, terms, after(2, 50), None))
        .collect::<Vec<Bytes>>()
        .iter()
        .map(|bytes| world.submit(bytes).unwrap())
        .collect();
    let tickets = |outcomes: Vec<(u64, Outcome)>| -> Vec<u64> {
        assert!(outcomes.iter().all(|(_, outcome)| outcome.is_ok()));
        outcomes.into_iter().map(|(ticket, _)| ticket).collect()
    };
    assert_eq!(tickets(sealed(&mut world)), answers[..2]);
    assert_eq!(tickets(sealed(&mut world)), [answers[2], transfers[0]]);
    assert_eq!(tickets(sealed(&mut world)), transfers[1..]);
}

/// A queue that is not full, but longer than the window, would hold an answer up too long.
#[test]
fn a_long_queue_does_not_hold_an_answer_up_past_its_window() {
    for (waiting, config) in [
        (99, crowded(100, 2)),
        (2, crowded(100, 2)),
        (5, {
            let block_bytes = 2 * 453;
            Config {
                block_bytes,
                ..crowded(100, 2857)
            }
        }),
    ] {
        let (mut world, terms) = disputed(config, 1, 1);
        for nonce in 0..waiting {
            let bytes = world.transfer(CAROL, nonce, DAN, 1);
            world.submit(&bytes).unwrap();
        }
        let until = world.chain.height() + 1;
        let bytes = world.post(BOB, &terms[0], after(2, 50), None);
        let answer = world.submit(&bytes).unwrap();
        let outcomes = sealed(&mut world);
        assert_eq!(outcomes[0], (answer, posted(2, Some(Party::B), until)));
    }
    // It goes first also where the next block reaches it.
    let (mut world, terms) = disputed(crowded(100, 2), 1, 1);
    let transfer = world.transfer(CAROL, 0, DAN, 1);
    let transfer = world.submit(&transfer).unwrap();
    let bytes = world.post(BOB, &terms[0], after(2, 50), None);
    let answer = world.submit(&bytes).unwrap();
    let outcomes = sealed(&mut world);
    assert_eq!([outcomes[0].0, outcomes[1].0], [answer, transfer]);
}

/// Among answers it is first come, first served, whenever the queue grew long: an early one cannot
/// be held up by later ones.
#[test]
fn an_early_answer_goes_before_later_ones() {
    let (mut world, terms) = disputed(crowded(100, 2), 3, 9);
    let bytes = world.post(BOB, &terms[0], after(2, 50), None);
    let early = world.submit(&bytes).unwrap();
    for nonce in 0..50 {
        let bytes = world.transfer(CAROL, nonce, DAN, 1);
        world.submit(&bytes).unwrap();
    }
    let late = [1, 2].map(|channel| {
        let bytes = world.post(BOB, &terms[channel], after(2, 50), None);
        world.submit(&bytes).unwrap()
    });
    for expected in [[early, late[0]], [late[1], early + 1]] {
        let outcomes = sealed(&mut world);
        assert_eq!([outcomes[0].0, outcomes[1].0], expected);
    }
}

/// What cannot be answered out of the room waits in the queue, if that is not full.
#[test]
fn what_the_room_does_not_take_waits_for_its_turn() {
    let (mut world, terms) = disputed(crowded(4, 1), 1, 9);
    for nonce in 0..2 {
        let bytes = world.transfer(CAROL, nonce, DAN, 1);
        world.submit(&bytes).unwrap();
    }
    let same = world.post(BOB, &terms[0], after(1, 50), None);
    let refused = world.submit(&same).unwrap();
    let answer = world.post(BOB, &terms[0], after(2, 50), None);
    let answer = world.submit(&answer).unwrap();
    let order: Vec<u64> = (0..4)
        .flat_map(|_| sealed(&mut world))
        .map(|one| one.0)
        .collect();
    assert_eq!(order, [answer, refused - 2, refused - 1, refused]);
}

/// An answer that has its channel's place must not fail for its fee when its turn comes: whoever
/// holds a higher state could keep all others out so, block after block, for one fee each.
#[test]
fn an_account_pays_for_all_its_answers_that_wait() {
    let (mut world, terms) = disputed(crowded(2, 2857), 3, 9);
    let of_frank = |world: &World, which: usize, version| {
        world.post(FRANK, &terms[which], after(version, 50), None)
    };
    // He can pay for two.
    let funds = world.transfer(CAROL, 0, FRANK, 2 * FEE + 9);
    world.submit(&funds).unwrap();
    world.seal();
    fill(&mut world);
    let full = Err(SubmitError::MempoolFull { capacity: 2 });
    let answer = world.post(BOB, &terms[1], after(2, 50), Some(after(3, 60)));
    world.submit(&answer).unwrap();
    world.submit(&of_frank(&world, 0, 5)).unwrap();
    world.submit(&of_frank(&world, 2, 5)).unwrap();
    assert_eq!(world.submit(&of_frank(&world, 1, 6)), full);
    // One in the place of his own costs him nothing more; one that made way costs nothing.
    world.submit(&of_frank(&world, 0, 7)).unwrap();
    let higher = world.post(BOB, &terms[2], after(8, 50), None);
    world.submit(&higher).unwrap();
    world.submit(&of_frank(&world, 1, 6)).unwrap();
    assert_eq!(world.submit(&of_frank(&world, 2, 9)), full);

    let outcomes = sealed(&mut world);
    let names: Vec<&str> = outcomes
        .iter()
        .map(|(_, outcome)| outcome.as_ref().map_or_else(Refusal::name, |_| "included"))
        .collect();
    assert_eq!(
        names,
        [["l1_superseded"; 3].as_slice(), &["included"; 5]].concat()
    );
    assert_eq!(world.balance(FRANK), 9);

    // What was served is paid: the account for the next block starts from nothing.
    fill(&mut world);
    assert_eq!(world.submit(&of_frank(&world, 0, 8)), full);
    let funds = world.transfer(BOB, 0, FRANK, 1);
    world.seal();
    world.submit(&funds).unwrap();
    world.seal();
    fill(&mut world);
    world.submit(&of_frank(&world, 0, 8)).unwrap();
    assert_eq!(world.submit(&of_frank(&world, 1, 8)), full);
}

/// What was posted already is known for it without a look at its signatures.
#[test]
fn a_replay_is_not_verified() {
    let (mut world, terms) = disputed(crowded(2, 5), 1, 9);
    let answer = world.post(BOB, &terms[0], after(2, 50), None);
    world.submit(&answer).unwrap();
    world.seal();
    fill(&mut world);
    let before = world.chain.load().signature_verifications;
    for _ in 0..20 {
        let full = Err(SubmitError::MempoolFull { capacity: 2 });
        assert_eq!(world.submit(&answer), full);
    }
    assert_eq!(world.chain.load().signature_verifications, before);
}

/// Its signer's signature and both parties': when it came, and not once more in its block.
#[test]
fn an_answer_is_verified_once() {
    let (mut world, terms) = disputed(config(), 1, 9);
    let before = world.chain.load().signature_verifications;
    let answer = world.post(BOB, &terms[0], after(2, 50), None);
    world.submit(&answer).unwrap();
    let verified = |world: &World| world.chain.load().signature_verifications - before;
    assert_eq!(verified(&world), 3);
    assert_eq!(sealed(&mut world).len(), 1);
    assert_eq!(verified(&world), 3);
}
