//! What posts, payouts, roll-overs and batches cost Layer 1, by the definitions of [`Load`]:
//! `[failed, refused, bytes, verifications, reads, writes, records more at the peak]`.

use super::blocks::added;
use super::*;

/// What the last of a script's transactions adds to those before it; the peak is that of all.
fn last(script: impl Fn(&World) -> Vec<Bytes>) -> [u64; 7] {
    let all = added(&script);
    let before = added(|w| {
        let mut transactions = script(w);
        transactions.pop();
        transactions
    });
    let mut last: [u64; 7] = std::array::from_fn(|i| all[i].wrapping_sub(before[i]));
    last[6] = all[6];
    last
}

fn channel(w: &World) -> Terms {
    w.terms(ALICE, 0, BOB, 100, 0)
}

#[test]
fn a_post_costs_its_signatures_and_two_records() {
    let post = |by, shown: State, offer: Option<State>| {
        last(move |w| {
            let terms = channel(w);
            vec![w.open(&terms), w.post(by, &terms, shown, offer)]
        })
    };
    let offer = Some(after(9, 0));
    assert_eq!(post(ALICE, after(1, 50), None), [0, 0, 321, 3, 2, 2, 1]);
    assert_eq!(post(BOB, State::Opening, None), [0, 0, 129, 1, 2, 2, 1]);
    assert_eq!(post(ALICE, after(1, 50), offer), [0, 0, 449, 4, 2, 2, 1]);
    assert_eq!(post(ALICE, State::Opening, offer), [0, 0, 257, 2, 2, 2, 1]);
    // Refused: but for the signatures, as if it had never come. A stranger's offer is no offer.
    assert_eq!(post(CAROL, after(1, 50), None), [0, 1, 0, 3, 0, 0, 1]);
    assert_eq!(post(CAROL, after(1, 50), offer), [0, 1, 0, 3, 0, 0, 1]);
}

#[test]
fn a_payout_costs_one_signature_and_the_records_that_it_moves() {
    let paid = |by, b, balance_a| {
        let mut world = World::new(config());
        let terms = Terms {
            challenge_window_blocks: 1,
            ..world.terms(ALICE, 0, b, 100, 0)
        };
        let post = world.post(ALICE, &terms, after(1, balance_a), None);
        for bytes in [world.open(&terms), post] {
            world.submit(&bytes).unwrap();
        }
        world.pass();
        world.pass();
        let before = *world.chain.load();
        assert_eq!(before.blocks, 1);
        world.submit(&world.payout(by, terms.channel_id())).unwrap();
        assert!(world.pass()[0].outcome.is_ok());
        let after = world.chain.load();
        [
            after.bytes - before.bytes - Header::BYTES as u64,
            after.signature_verifications - before.signature_verifications,
            after.state_reads - before.state_reads,
            after.state_writes - before.state_writes,
        ]
    };
    assert_eq!(paid(CAROL, BOB, 50), [129, 1, 4, 4]);
    assert_eq!(paid(ALICE, BOB, 50), [129, 1, 3, 3]);
    assert_eq!(paid(BOB, BOB, 50), [129, 1, 3, 3]);
    assert_eq!(paid(ALICE, BOB, 100), [129, 1, 2, 2]);
    assert_eq!(paid(CAROL, BOB, 0), [129, 1, 3, 3]);
    assert_eq!(paid(ALICE, ERIN, 50), [129, 1, 3, 3]);
}

#[test]
fn a_roll_over_costs_four_signatures_and_a_record_less_than_close_and_open() {
    let rolled = |b, balance_a, deposits: (u64, u64)| {
        last(move |w| {
            let terms = w.terms(ALICE, 0, b, 100, 0);
            let new = w.terms(ALICE, 1, b, deposits.0, deposits.1);
            let roll_over = w.roll_over(&terms, after(1, balance_a), &new);
            vec![w.open(&terms), roll_over]
        })
    };
    assert_eq!(rolled(BOB, 50, (50, 50)), [0, 0, 453, 4, 3, 4, 1]);
    assert_eq!(rolled(BOB, 50, (50, 0)), [0, 0, 453, 4, 3, 4, 1]);
    assert_eq!(rolled(BOB, 100, (50, 9)), [0, 0, 453, 4, 3, 4, 1]);
    assert_eq!(rolled(BOB, 100, (50, 0)), [0, 0, 453, 4, 2, 3, 1]);
    assert_eq!(rolled(ERIN, 50, (50, 50)), [0, 0, 453, 4, 3, 4, 2]);
    // Failed: the records looked at, the fee written.
    assert_eq!(rolled(BOB, 50, (5000, 0)), [1, 0, 453, 4, 2, 1, 1]);
    assert_eq!(rolled(BOB, 50, (0, 5000)), [1, 0, 453, 4, 3, 1, 1]);
    let opening = last(|w| {
        let terms = channel(w);
        let new = w.terms(ALICE, 1, BOB, 50, 0);
        vec![w.open(&terms), w.roll_over(&terms, State::Opening, &new)]
    });
    assert_eq!(opening, [0, 0, 389, 4, 2, 3, 1]);
}

#[test]
fn a_batched_open_costs_one_account_once() {
    let open = |channels: &'static [(Who, u64, u64)]| {
        added(|w| {
            let channels = channels
                .iter()
                .map(|&(peer, a, b)| opening(w.key(peer), a, b));
            vec![w.open_batch(ALICE, 0, channels.collect())]
        })
    };
    let frame = 1 + 32 + 8 + 2 + 64;
    let (one, two) = (1 + 52, 1 + 60);
    assert_eq!(open(&[(BOB, 1, 0)]), [0, 0, frame + one, 1, 1, 2, 1]);
    let consented = frame + two + 64;
    assert_eq!(open(&[(BOB, 1, 1)]), [0, 0, consented, 2, 2, 3, 1]);
    assert_eq!(
        open(&[(BOB, 1, 1), (CAROL, 1, 0), (BOB, 0, 1)]),
        [0, 0, frame + 2 * two + one + 128, 3, 2, 5, 3]
    );
    assert_eq!(
        open(&[(BOB, 1, 1), (CAROL, 1, 1)]),
        [0, 0, frame + 2 * (two + 64), 3, 3, 5, 2]
    );
    // Failed: those looked at until then.
    assert_eq!(
        open(&[(BOB, 5000, 0), (CAROL, 1, 0)]),
        [1, 0, frame + 2 * one, 1, 1, 1, 0]
    );
    assert_eq!(
        open(&[(BOB, 1, 1), (CAROL, 5000, 1)]),
        [1, 0, frame + 2 * (two + 64), 3, 2, 1, 0]
    );
    assert_eq!(
        open(&[(BOB, 1, 1), (CAROL, 1, 5000)]),
        [1, 0, frame + 2 * (two + 64), 3, 3, 1, 0]
    );
}

#[test]
fn a_batched_close_costs_one_account_once() {
    // Three channels of Alice's; those numbered are closed, in a state that gives A so much.
    let close = |by, finals: &'static [(usize, u64)]| {
        last(move |w| {
            let peers = [BOB, BOB, CAROL, DAN];
            let openings = peers.map(|peer| opening(w.key(peer), 100, 0)).to_vec();
            let terms = terms_of_batch(w, ALICE, 0, &openings);
            let proofs = finals
                .iter()
                .map(|&(which, balance_a)| w.proof(&terms[which], after(1, balance_a)));
            let opened = Vec::from(&openings[..3]);
            vec![
                w.open_batch(ALICE, 0, opened),
                w.close_batch(by, proofs.collect()),
            ]
        })
    };
    let bytes = |items: u64| 1 + 32 + 2 + 64 + items * (1 + 288 - 64);
    assert_eq!(close(CAROL, &[(0, 50)]), [0, 0, bytes(1), 3, 4, 4, 3]);
    assert_eq!(
        close(CAROL, &[(0, 50), (1, 50), (2, 50)]),
        [0, 0, bytes(3), 7, 6, 6, 3]
    );
    assert_eq!(
        close(ALICE, &[(0, 100), (1, 100)]),
        [0, 0, bytes(2), 5, 3, 3, 3]
    );
    // The same one twice: looked up once, closed once. One that was never opened: looked for.
    assert_eq!(
        close(ALICE, &[(0, 100), (0, 100)]),
        [0, 0, bytes(2), 5, 2, 2, 3]
    );
    assert_eq!(
        close(ALICE, &[(3, 50), (0, 100)]),
        [0, 0, bytes(2), 3, 3, 2, 3]
    );
    assert_eq!(
        close(ALICE, &[(1, 101), (0, 100)]),
        [0, 0, bytes(2), 5, 3, 2, 3]
    );
    // Nothing closed: refused, and nothing read.
    assert_eq!(close(ALICE, &[(3, 50), (0, 101)]), [0, 1, 0, 3, 0, 0, 3]);
}
