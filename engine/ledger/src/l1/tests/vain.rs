//! What is verified in vain, and what fills the queue: each is bounded, and neither keeps anybody
//! else's answer out.

use super::room::{crowded, disputed, fill, posted, sealed};
use super::*;

/// So many answers, all different, which show a state that A has not signed.
pub(super) fn unsound(world: &World, by: Who, terms: &Terms, count: u8) -> Vec<Bytes> {
    let forge = |at: u8| {
        let mut shown = world.cosigned(terms, after(2, 50)).unwrap();
        shown.signatures.a.0[40] ^= at;
        let post = Post {
            channel: terms.channel_id(),
            shown: Some(shown),
            offer: None,
        };
        world.submit_post(by, post)
    };
    (1..=count).map(forge).collect()
}

const IN_VAIN: SubmitError = SubmitError::AnswersInVain { limit: 4 };

/// Whatever others submit, however often, and in whoever's name.
#[test]
fn nobody_can_starve_an_answer_out() {
    let window = 6;
    for (places, full) in [(1, false), (1, true), (8, false), (8, true), (100, true)] {
        let (mut world, terms) = disputed(crowded(places, places), 1, window);
        let until = world.chain.height() + u64::from(window);
        // Frank is no party, and has what one answer costs.
        let funds = world.transfer(BOB, 0, FRANK, FEE);
        world.submit(&funds).unwrap();
        world.seal();
        for block in 0..u64::from(window) - 1 {
            if full {
                fill(&mut world);
            }
            let genuine = world.post(BOB, &terms[0], after(50 + block, 0), None);
            let flipped = |mut bytes: Bytes| {
                let at = bytes.len() - 40;
                bytes[at] ^= 1;
                bytes
            };
            let higher = Post {
                channel: terms[0].channel_id(),
                shown: world.cosigned(&terms[0], after(1000, 0)),
                offer: None,
            };
            let in_his_name = Transaction::Post {
                submitter: world.key(BOB),
                post: higher,
            };
            let mut unsound = higher;
            unsound.shown.as_mut().unwrap().signatures.b.0[40] ^= 1;
            let forged = [
                flipped(genuine.clone()),
                flipped(world.submit_post(FRANK, higher)),
                world.signed(in_his_name, FRANK, None),
                world.submit_post(FRANK, unsound),
            ];
            let pending = world.chain.pending();
            for bytes in (0..2 * places).flat_map(|_| &forged) {
                let error = world.submit(bytes).unwrap_err();
                assert!(matches!(error, SubmitError::Refused(_)) || error == IN_VAIN);
            }
            assert_eq!(world.chain.pending(), pending);
            let answer = world.submit(&genuine).unwrap();
            let expected = (answer, posted(50 + block, Some(Party::B), until));
            assert_eq!(sealed(&mut world)[0], expected, "{places} places");
        }
        assert_eq!(world.chain.height(), until);
        // What the answers have passed, if anything.
        sealed(&mut world);
        let payout = world.payout(BOB, terms[0].channel_id());
        world.submit(&payout).unwrap();
        let version = 50 + u64::from(window) - 2;
        let paid = sealed(&mut world).pop().unwrap().1.unwrap();
        assert!(matches!(paid, Executed::PaidOut { version: found, .. } if found == version));
        assert_eq!(world.balance(FRANK), FEE);
    }
}

/// What is verified in vain is its submitter's own, and bounded until a block is made.
#[test]
fn an_account_submits_in_vain_a_few_times_between_two_blocks() {
    let (mut world, terms) = disputed(crowded(100, 50), 2, 99);
    let submitted = unsound(&world, CAROL, &terms[0], 50);
    let genuine = |world: &World, by, version| world.post(by, &terms[1], after(version, 50), None);
    for round in 0..3 {
        let before = world.chain.load().signature_verifications;
        let refusals: Vec<SubmitError> = submitted
            .iter()
            .map(|bytes| world.submit(bytes).unwrap_err())
            .collect();
        let (looked_at, not) = refusals.split_at(4);
        let key = world.key(ALICE);
        let role = SignatureRole::State(Party::A);
        let bad = SubmitError::Refused(Refusal::BadSignature { role, key });
        assert!(looked_at.iter().all(|refusal| *refusal == bad));
        assert!(not.iter().all(|refusal| *refusal == IN_VAIN));
        // It is in the queue neither: a block does not verify it once more.
        assert_eq!(world.chain.pending(), 0);
        // Replays, and a block that is none, are for nothing.
        assert!(world.seal().0.is_none());
        assert_eq!(world.submit(&submitted[0]), Err(IN_VAIN));
        assert_eq!(
            world.submit(&genuine(&world, CAROL, 900 + round)),
            Err(IN_VAIN)
        );
        let spent = world.chain.load().signature_verifications - before;
        assert_eq!(spent, 4 * 3);
        // Nobody else is the worse for it.
        world.submit(&genuine(&world, BOB, 2 + round)).unwrap();
        assert!(world.seal().0.is_some());
    }
    world.submit(&genuine(&world, CAROL, 900)).unwrap();
}

/// One that makes way for a higher one pays nothing either: that is whoever's raises it, there.
#[test]
fn an_account_raises_the_answer_of_a_channel_a_few_times_between_two_blocks() {
    let (mut world, terms) = disputed(crowded(2, 5), 2, 9);
    fill(&mut world);
    let ladder: Vec<Bytes> = (2..60)
        .map(|version| world.post(BOB, &terms[0], after(version, 50), None))
        .collect();
    let submitted: Vec<_> = ladder.iter().map(|bytes| world.submit(bytes)).collect();
    // The first one takes nobody's place.
    let (taken, not) = submitted.split_at(1 + 4);
    assert!(taken.iter().all(Result::is_ok));
    assert!(not.iter().all(|refusal| *refusal == Err(IN_VAIN)));
    // Neither he elsewhere, nor anybody else there.
    world
        .submit(&world.post(BOB, &terms[1], after(2, 50), None))
        .unwrap();
    world
        .submit(&world.post(CAROL, &terms[0], after(99, 50), None))
        .unwrap();
    let outcomes = sealed(&mut world);
    let included = outcomes.iter().filter(|(_, outcome)| outcome.is_ok());
    assert_eq!((outcomes.len(), included.count()), (5 + 2 + 2, 2 + 2));
    fill(&mut world);
    let higher = world.post(BOB, &terms[0], after(100, 50), None);
    world.submit(&higher).unwrap();
}

/// An honest answer can be late. It is refused at its turn, and held against nobody.
#[test]
fn an_answer_that_comes_too_late_is_not_verified_when_it_comes() {
    let (mut world, terms) = disputed(crowded(100, 50), 1, 1);
    world.pass();
    let before = world.chain.load().signature_verifications;
    for version in 2..12 {
        let late = world.post(BOB, &terms[0], after(version, 50), None);
        world.submit(&late).unwrap();
    }
    assert_eq!(world.chain.load().signature_verifications, before);
    let outcomes = sealed(&mut world);
    let late = |outcome: &Outcome| matches!(outcome, Err(Refusal::WindowClosed { .. }));
    assert_eq!(outcomes.len(), 10);
    assert!(outcomes.iter().all(|(_, outcome)| late(outcome)));
}

/// A batch takes the room of hundreds, and as many verifications: its signer has to have signed it.
#[test]
fn a_batch_in_another_name_does_not_come_in() {
    let (mut world, terms) = disputed(crowded(100, 2857), 1, 9);
    let proof = world.proof(&terms[0], after(1, 0));
    let batch = Transaction::CloseBatch {
        submitter: world.key(CAROL),
        proofs: vec![proof; Transaction::MOST_ITEMS],
    };
    let forged = world.signed(batch.clone(), DAN, None);
    let refused = Refusal::BadSignature {
        role: SignatureRole::Signer,
        key: world.key(CAROL),
    };
    let before = world.chain.load().signature_verifications;
    for _ in 0..10 {
        assert_eq!(world.submit_any(&forged), Some(refused));
    }
    assert_eq!(world.chain.pending(), 0);
    assert_eq!(world.chain.load().signature_verifications, before);
    world.submit(&world.properly(batch)).unwrap();
    assert!(matches!(
        sealed(&mut world)[0].1,
        Ok(Executed::ClosedBatch { .. })
    ));
}

/// The queue is bounded in bytes, and however bulky what waits there is, an answer gets in.
#[test]
fn bulky_transactions_fill_the_queue_and_not_the_room() {
    let (mut world, terms) = disputed(config(), 1, 9);
    let nowhere = world.proof(&world.terms(ALICE, 99, BOB, 1, 0), after(1, 0));
    let bulk = world.close_batch(CAROL, vec![nowhere; Transaction::MOST_ITEMS]);
    let fit = Config::MEMPOOL_BYTES / bulk.len();
    for _ in 0..fit {
        world.submit(&bulk).unwrap();
    }
    let full = SubmitError::MempoolBytesFull {
        left: Config::MEMPOOL_BYTES - fit * bulk.len(),
        got: bulk.len(),
    };
    assert_eq!((fit, world.submit(&bulk)), (581, Err(full)));
    // What is short still finds room, and an answer its own.
    let transfer = world.submit(&world.transfer(CAROL, 0, DAN, 1)).unwrap();
    let answer = world.post(BOB, &terms[0], after(2, 50), None);
    let answer = world.submit(&answer).unwrap();
    let outcomes = sealed(&mut world);
    assert_eq!(outcomes.len(), fit + 2);
    assert_eq!(outcomes[0].0, answer);
    assert!(outcomes[0].1.is_ok());
    assert_eq!(outcomes[fit + 1], (transfer, Ok(Executed::Transferred)));
}
