//! One flipped bit in any message: the endpoint that receives it refuses it by name, is afterwards
//! as if it had never come, and takes the message as it was sent.

use std::collections::BTreeMap;

use duet_engine::protocol::{Party, Rules};

use super::duo::Duo;

/// Which names the flips of a message's bits were refused by, and how often.
type Names = BTreeMap<&'static str, usize>;

/// Flips each bit of the messages on their way to a side, delivered together; then delivers them
/// as they are.
fn flip_each_bit(duo: &mut Duo, to: Party) -> Names {
    duo.carry();
    let queue = match to {
        Party::A => &mut duo.to_a,
        Party::B => &mut duo.to_b,
    };
    let sound: Vec<u8> = queue.drain(..).flatten().collect();
    assert!(!sound.is_empty(), "something to flip");
    let names = refuse_each_flip(duo, to, &sound);
    duo.side(to).receive(&sound);
    duo.carry();
    names
}

fn refuse_each_flip(duo: &mut Duo, to: Party, sound: &[u8]) -> Names {
    let side = duo.side(to);
    side.strict = false;
    let (seen, status) = (side.seen(), side.end.status());
    let mut names = Names::new();
    for bit in 0..8 * sound.len() {
        let mut flipped = sound.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        side.receive(&flipped);
        let [rejection] = side.rejections[..] else {
            panic!("bit {bit}: refused {:?}", side.rejections);
        };
        side.rejections.clear();
        assert_eq!(side.seen(), seen, "bit {bit}: {rejection}");
        assert_eq!(side.end.status(), status, "bit {bit}: {rejection}");
        assert_eq!(
            side.out.len(),
            0,
            "bit {bit}: {rejection}, and still answered"
        );
        *names.entry(rejection.name()).or_default() += 1;
    }
    names
}

fn names<const N: usize>(names: [(&'static str, usize); N]) -> Names {
    Names::from(names)
}

/// Header, tags and amounts, signature. A larger count leaves too few bytes, and so does a number
/// that goes on; a smaller count makes the signature of payments. Kind, padding and all but the
/// lowest bits of the count are malformed.
#[test]
fn every_bit_of_a_proposal_matters() {
    for (k, expected) in [
        (
            1,
            names([
                ("malformed", 8 + 8 + 15 + 2),
                ("wrong_entry_count", 1),
                ("insufficient_balance", 2),
                ("bad_signature", 7 + 5 + 512),
            ]),
        ),
        (
            3,
            names([
                // One payment's tag is no row.
                ("malformed", 8 + 8 + 14 + 6 + 1),
                ("insufficient_balance", 3 * 2),
                ("bad_signature", 3 * (7 + 5) + 512 + 1),
            ]),
        ),
    ] {
        let rules = Rules {
            cosign_every: k,
            in_flight: 4,
        };
        let mut duo = Duo::open([31, 69], 0, rules);
        duo.a.wants_to_pay(vec![5; k as usize]);
        duo.a.act();
        let found = flip_each_bit(&mut duo, Party::B);
        assert_eq!(found, expected, "k = {k}");
        duo.finish();
        assert_eq!(duo.b.received, u64::from(k));
    }
}

/// In a proposal that was answered already, and that comes once more.
#[test]
fn every_bit_of_a_repeated_proposal_matters() {
    for k in [1, 3] {
        let rules = Rules {
            cosign_every: k,
            in_flight: 4,
        };
        let mut duo = Duo::open([60, 40], 0, rules);
        duo.a.wants_to_pay(vec![5; 2 * k as usize]);
        duo.a.act();
        duo.carry();
        let newest = duo.to_b.back().expect("two proposals").clone();
        duo.settle();
        let names = refuse_each_flip(&mut duo, Party::B, &newest);
        assert_eq!(names.values().sum::<usize>(), 8 * newest.len(), "k = {k}");
        duo.finish();
    }
}

/// One that passes the turn cannot lose that by one bit, nor another one gain it.
#[test]
fn every_bit_of_a_pass_matters() {
    let rules = Rules {
        cosign_every: 3,
        in_flight: 4,
    };
    let mut duo = Duo::open([60, 40], 0, rules);
    duo.b.ask();
    let asks = flip_each_bit(&mut duo, Party::A);
    assert_eq!(asks, names([("malformed", 8 * 12)]));
    duo.a.wants_to_pay([5; 3]);
    duo.a.act();
    flip_each_bit(&mut duo, Party::B);
    flip_each_bit(&mut duo, Party::A);
    assert_eq!(duo.a.end.turn_holder(), Party::B);
    duo.b.pass();
    let passes = flip_each_bit(&mut duo, Party::A);
    assert_eq!(passes, names([("malformed", 8 * 12)]));
    assert_eq!(duo.a.end.turn_holder(), Party::A);
    duo.finish();
}

#[test]
fn every_bit_of_an_answer_matters() {
    for k in [1, 3] {
        let rules = Rules {
            cosign_every: k,
            in_flight: 4,
        };
        let mut duo = Duo::open([60, 40], 0, rules);
        duo.a.wants_to_pay(vec![5; k as usize]);
        duo.a.act();
        duo.deliver(Party::B, 1);
        let found = flip_each_bit(&mut duo, Party::A);
        let expected = names([("malformed", 8 * 12), ("bad_signature", 512)]);
        assert_eq!(found, expected, "k = {k}");
        assert_eq!(duo.a.acknowledged, u64::from(k));
        duo.finish();
    }
}

#[test]
fn every_bit_of_a_final_and_of_its_answer_matters() {
    for (k, payments) in [(1, 0), (1, 2), (3, 5)] {
        let rules = Rules {
            cosign_every: k,
            in_flight: 4,
        };
        let mut duo = Duo::open([60, 40], 0, rules);
        duo.a.wants_to_pay(vec![5; payments]);
        duo.settle();
        duo.a.finish();
        let expected = names([("malformed", 8 * 12), ("bad_signature", 512)]);
        assert_eq!(flip_each_bit(&mut duo, Party::B), expected);
        assert_eq!(flip_each_bit(&mut duo, Party::A), expected);
        duo.check_finished();
    }
}

#[test]
fn every_bit_of_a_resume_matters() {
    let rules = Rules {
        cosign_every: 3,
        in_flight: 4,
    };
    let mut duo = Duo::open([60, 40], 0, rules);
    duo.a.wants_to_pay([5; 5]);
    duo.a.act();
    duo.deliver(Party::B, 1);
    duo.break_link();
    let expected = names([("malformed", 8 * 12)]);
    assert_eq!(flip_each_bit(&mut duo, Party::A), expected);
    assert_eq!(
        duo.to_b.len(),
        2,
        "its own resume, and the proposal that was lost"
    );
    duo.finish();
}

/// Two proposals together: a bit of the second costs the first nothing.
#[test]
fn a_flipped_bit_costs_no_earlier_proposal() {
    let rules = Rules {
        cosign_every: 1,
        in_flight: 4,
    };
    let proposals = || {
        let mut duo = Duo::open([60, 40], 0, rules);
        duo.a.wants_to_pay([5; 2]);
        duo.a.act();
        let sent: Vec<u8> = duo.a.out.drain(..).flatten().collect();
        (duo, sent)
    };
    let each = proposals().1.len() / 2;
    for bit in (0..8 * each).step_by(7) {
        let (mut duo, mut sent) = proposals();
        sent[each + bit / 8] ^= 1 << (bit % 8);
        duo.b.receive(&sent);
        assert_eq!(duo.b.rejections.len(), 1, "bit {bit}");
        assert_eq!(
            (duo.b.received, duo.b.end.held_version()),
            (1, 1),
            "bit {bit}"
        );
        duo.check();
    }
}
