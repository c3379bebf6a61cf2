//! Two sides, and a link between them that carries bytes, in order, until it breaks.

use std::collections::VecDeque;

use duet_engine::crypto::{Digest, SecretKey};
use duet_engine::protocol::{Amount, Pair, Party, Rules, Terms};

use super::side::Side;

/// Both sides and the link.
pub(crate) struct Duo {
    pub(crate) a: Side,
    pub(crate) b: Side,
    pub(crate) to_a: VecDeque<Vec<u8>>,
    pub(crate) to_b: VecDeque<Vec<u8>>,
    pub(crate) rounds: u64,
}

/// Terms between two keys made of these seeds.
pub(crate) fn terms(seeds: [u8; 2], deposits: [u64; 2], reserve: u64) -> (Terms, [SecretKey; 2]) {
    let [a, b] = seeds.map(|seed| SecretKey::from_seed(&[seed; 32]));
    let terms = Terms {
        genesis: Digest([9; 32]),
        nonce: 3,
        index: 0,
        keys: Pair {
            a: a.public(),
            b: b.public(),
        },
        deposits: Pair {
            a: Amount::new(deposits[0]),
            b: Amount::new(deposits[1]),
        },
        challenge_window_blocks: 144,
        reserve: Amount::new(reserve),
    };
    (terms, [a, b])
}

impl Duo {
    pub(crate) fn open(deposits: [u64; 2], reserve: u64, rules: Rules) -> Duo {
        let (terms, [a, b]) = terms([1, 2], deposits, reserve);
        Duo {
            a: Side::new(Party::A, &terms, a, rules),
            b: Side::new(Party::B, &terms, b, rules),
            to_a: VecDeque::new(),
            to_b: VecDeque::new(),
            rounds: 0,
        }
    }

    pub(crate) fn side(&mut self, party: Party) -> &mut Side {
        match party {
            Party::A => &mut self.a,
            Party::B => &mut self.b,
        }
    }

    /// Takes what the sides have written onto the link.
    pub(crate) fn carry(&mut self) {
        self.to_b.append(&mut self.a.out);
        self.to_a.append(&mut self.b.out);
    }

    /// Delivers up to `most` messages together; gives how many.
    pub(crate) fn deliver(&mut self, to: Party, most: usize) -> usize {
        self.carry();
        let queue = match to {
            Party::A => &mut self.to_a,
            Party::B => &mut self.to_b,
        };
        let count = most.min(queue.len());
        let bytes: Vec<u8> = queue.drain(..count).flatten().collect();
        self.side(to).receive(&bytes);
        self.carry();
        count
    }

    /// The link breaks: all that it carries is lost, and both sides know.
    pub(crate) fn break_link(&mut self) {
        self.to_a.clear();
        self.to_b.clear();
        self.a.resume();
        self.b.resume();
        self.carry();
    }

    /// One round: each side acts, then reads all that has arrived.
    pub(crate) fn round(&mut self) -> bool {
        self.rounds += 1;
        let acted = self.a.act() | self.b.act();
        let delivered = self.deliver(Party::B, usize::MAX) + self.deliver(Party::A, usize::MAX);
        acted || delivered > 0
    }

    /// Rounds until both sides are satisfied and the link is empty: a bounded number per payment.
    pub(crate) fn settle(&mut self) {
        let in_flight = self.a.end.in_flight() + self.b.end.in_flight();
        let payments = self.a.wants.len() + self.b.wants.len() + in_flight as usize;
        let limit = self.rounds + 12 + 6 * payments as u64;
        while self.round() {
            assert!(self.rounds < limit, "no end after {limit} rounds");
        }
        for side in [&self.a, &self.b] {
            assert!(
                side.satisfied(),
                "deadlock: {:?} still wants {} payments, {} in flight, {:?} holds the turn",
                side.me(),
                side.wants.len(),
                side.end.in_flight(),
                side.end.turn_holder(),
            );
        }
    }

    /// The holder of the turn starts the final, unless somebody has.
    pub(crate) fn finish(&mut self) {
        self.settle();
        let holder = self.a.end.turn_holder();
        if self.a.last.is_none() && self.b.last.is_none() {
            assert_eq!(
                holder,
                self.b.end.turn_holder(),
                "both know who holds the turn"
            );
            self.side(holder).finish();
        }
        self.settle();
        self.check_finished();
    }

    /// Both are done, agree, and have refused nothing of each other.
    pub(crate) fn check_finished(&self) {
        self.check();
        assert_eq!(self.a.rejections, [], "A refused something of an honest B");
        assert_eq!(self.b.rejections, [], "B refused something of an honest A");
        let (Some(a), Some(b)) = (self.a.final_proof(), self.b.final_proof()) else {
            panic!(
                "not finished: {:?}, {:?}",
                self.a.end.status(),
                self.b.end.status()
            );
        };
        assert_eq!(a, b, "one final proof");
        assert_eq!(self.a.log, self.b.log, "one log");
        assert_eq!(self.a.end.signed(), self.b.end.signed(), "one head");
        assert_eq!(
            self.a.acknowledged, self.b.received,
            "A's payments, as each counts them"
        );
        assert_eq!(
            self.b.acknowledged, self.a.received,
            "B's payments, as each counts them"
        );
    }

    /// Each side's own invariants, and that the two logs are one as far as both go.
    pub(crate) fn check(&self) {
        self.a.check();
        self.b.check();
        let common = self.a.log.len().min(self.b.log.len());
        assert_eq!(self.a.log[..common], self.b.log[..common], "one log");
    }
}
