//! Transactions that may come next, by what they pay above the base fee. Keeps that order from
//! block to block: a base fee that moves costs no more than those whose pay follows another rule
//! from then on.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use super::market::{Bid, Rate};

/// A transaction's place in the order in which all of them came.
pub(super) type Arrival = u64;

/// A transaction by a rate: of those with equal ones the first to come is the highest.
pub(super) type Head = (Rate, Reverse<Arrival>);

/// A bid pays its tip while the base fee leaves that much of it, and above that what is left. So
/// there are two lists, neither of which changes its order with the base fee.
#[derive(Clone, Default)]
pub(super) struct Heads {
    base: Rate,
    /// Those that pay their tip, by it.
    whole: BTreeSet<Head>,
    /// Those of which the base fee leaves less, by what they pay at most.
    cut: BTreeSet<Head>,
    /// All of them, by the highest base fee that leaves the tip, with the tip.
    turns: BTreeMap<(Rate, Arrival), Rate>,
}

impl Heads {
    pub(super) fn insert(&mut self, bid: &Bid, arrival: Arrival) {
        let (turn, tip) = turn_of(bid);
        self.turns.insert((turn, arrival), tip);
        let head = (self.rate(turn, tip), Reverse(arrival));
        self.list_of(turn).insert(head);
    }

    pub(super) fn remove(&mut self, bid: &Bid, arrival: Arrival) {
        let (turn, tip) = turn_of(bid);
        self.turns.remove(&(turn, arrival));
        let head = (self.rate(turn, tip), Reverse(arrival));
        self.list_of(turn).remove(&head);
    }

    /// Goes by another base fee.
    pub(super) fn move_to(&mut self, base: Rate) {
        let (low, high) = (self.base.min(base), self.base.max(base));
        for (&(turn, arrival), &tip) in self.turns.range((low, 0)..(high, 0)) {
            let whole = (tip, Reverse(arrival));
            let cut = (Rate(turn.0 + tip.0), Reverse(arrival));
            if base > self.base {
                self.whole.remove(&whole);
                self.cut.insert(cut);
            } else {
                self.cut.remove(&cut);
                self.whole.insert(whole);
            }
        }
        self.base = base;
    }

    /// All whose bid reaches the base fee, with what they pay above it: the highest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Head> {
        let mut whole = self.whole.iter().rev().copied().peekable();
        let cut = self.cut.iter().rev().map_while(|(most, arrival)| {
            let left = most.0.checked_sub(self.base.0)?;
            Some((Rate(left), *arrival))
        });
        let mut cut = cut.peekable();
        iter::from_fn(move || match whole.peek() > cut.peek() {
            true => whole.next(),
            false => cut.next(),
        })
    }

    /// What one is listed by.
    fn rate(&self, turn: Rate, tip: Rate) -> Rate {
        match turn >= self.base {
            true => tip,
            false => Rate(turn.0 + tip.0),
        }
    }

    fn list_of(&mut self, turn: Rate) -> &mut BTreeSet<Head> {
        match turn >= self.base {
            true => &mut self.whole,
            false => &mut self.cut,
        }
    }
}

/// The highest base fee that leaves a bid its tip, and the tip: together what it pays at most.
fn turn_of(bid: &Bid) -> (Rate, Rate) {
    let tip = bid.tip.min(bid.most);
    (Rate(bid.most.0 - tip.0), tip)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes, goes and bids, and however the base fee moves: the order is that of all
        /// bids, sorted anew.
        #[test]
        fn the_order_is_that_of_all_bids_sorted_anew(
            steps in prop::collection::vec((0..6u8, 0..12u64, 0..12u64), 1..80),
        ) {
            let (mut heads, mut all, mut base) = (Heads::default(), Vec::new(), Rate(0));
            for ((kind, most, tip), arrival) in steps.into_iter().zip(0..) {
                let bid = Bid { most: Rate(most), tip: Rate(tip) };
                match kind {
                    0..3 => {
                        heads.insert(&bid, arrival);
                        all.push((bid, arrival));
                    }
                    3 if !all.is_empty() => {
                        let (bid, arrival) = all.swap_remove(most as usize % all.len());
                        heads.remove(&bid, arrival);
                    }
                    _ => {
                        base = Rate(most);
                        heads.move_to(base);
                    }
                }
                let head = |(bid, arrival): &(Bid, Arrival)| {
                    Some((bid.tip_above(base)?, Reverse(*arrival)))
                };
                let mut expected: Vec<Head> = all.iter().filter_map(head).collect();
                expected.sort_unstable_by_key(|head| Reverse(*head));
                prop_assert_eq!(heads.iter().collect::<Vec<_>>(), expected);
            }
        }
    }
}
