//! What makes a Layer 1 scarce beside bytes: when blocks are made, what transactions take of them,
//! and who comes first. All of it can be left out.

use duet_channels::protocol::Amount;

/// When blocks are made. Layer 1 then has a clock of its own: block h is sealed `h × interval_ms`
/// after its genesis, in virtual milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Milliseconds from block to block, at least 1.
    pub interval_ms: u64,
    /// Blocks on top of a block until it is final: nobody counts on it before. Modelled: no block
    /// is ever taken back.
    pub finality_blocks: u32,
}

/// What transactions take of a block, in a chain's own unit: gas, weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Units {
    /// Units of a block's transactions at most.
    pub block: u64,
    /// Those of transactions of channels at most, where all of them write one account and a chain
    /// bounds what one account may be written; at most `block`.
    pub of_channels: Option<u64>,
    /// What each kind takes.
    pub prices: Prices,
}

/// What one transaction of each kind takes, in units. A batch takes as much as its items would; a
/// roll-over, a close and an open of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// A transfer.
    pub transfer: u64,
    /// The first output of a multi-send, and each further one; none: each as much as a transfer.
    pub multi_send: Option<(u64, u64)>,
    /// An open into which only A deposits.
    pub open_one_sided: u64,
    /// An open into which both deposit.
    pub open_two_sided: u64,
    /// A cooperative close.
    pub close: u64,
    /// The first post in a channel.
    pub post: u64,
    /// A post in a channel in which something is posted.
    pub answer: u64,
    /// A payout.
    pub payout: u64,
}

impl Prices {
    /// A multi-send of so many outputs.
    #[must_use]
    pub fn multi_send(&self, outputs: u64) -> u64 {
        let (first, further) = self.multi_send.unwrap_or((self.transfer, self.transfer));
        let units = further.saturating_mul(outputs.saturating_sub(1));
        // No less than one alone.
        units.saturating_add(first).max(self.transfer)
    }
}

/// Which of the transactions that wait goes first, and what it pays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The first to come; each pays the fixed fee. None has a bid.
    #[default]
    Arrival,
    /// The highest bid for a unit, which it pays. Of one account by nonce, and of equal bids the
    /// first to come.
    Bid,
    /// The same above a base fee, which rises while blocks are more than half full (EIP-1559).
    BaseFee {
        /// The first block's base fee, and the least of any.
        least: Rate,
    },
}

/// Which answers to posts have room kept for them (rule L8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answers {
    /// All: they go before what waits. No public chain has that.
    #[default]
    Reserved,
    /// None: they compete like all else.
    Compete,
}

/// A price: units of money for a million units of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(pub u64);

/// What a transaction offers for a unit of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bid {
    /// What it pays at most, the base fee included.
    pub most: Rate,
    /// What it pays above the base fee, if that leaves as much.
    pub tip: Rate,
}

impl Units {
    /// What the dearest transaction takes, batches and roll-overs aside.
    #[must_use]
    pub fn dearest_units(&self) -> u64 {
        let all = self.prices.listed();
        all.into_iter().max().expect("there are kinds")
    }

    /// Every kind of single transaction: its name, and what it takes.
    pub(super) fn singles(&self) -> [(&'static str, u64); 8] {
        let Prices {
            transfer,
            open_one_sided,
            open_two_sided,
            close,
            post,
            answer,
            payout,
            multi_send: _,
        } = self.prices;
        let roll_over = close.saturating_add(open_two_sided);
        [
            ("transfer", transfer),
            ("open, one-sided", open_one_sided),
            ("open, two-sided", open_two_sided),
            ("cooperative close", close),
            ("post", post),
            ("answer", answer),
            ("payout", payout),
            ("roll-over", roll_over),
        ]
    }
}

impl Rate {
    /// The units that a rate is for.
    pub const PER: u64 = 1_000_000;

    /// What so many units cost, rounded up; the largest amount, if it is more than that.
    #[must_use]
    pub fn of(self, units: u64) -> Amount {
        let product = u128::from(self.0) * u128::from(units);
        let cost = product.div_ceil(u128::from(Rate::PER));
        Amount::new(u64::try_from(cost).unwrap_or(u64::MAX))
    }
}

impl Bid {
    /// Bytes that it takes of a transaction.
    pub const BYTES: usize = 16;

    /// A bid of one rate, whatever the base fee is.
    #[must_use]
    pub const fn flat(rate: Rate) -> Bid {
        Bid {
            most: rate,
            tip: rate,
        }
    }

    /// What it pays above a base fee; none if it does not reach that.
    #[must_use]
    pub fn tip_above(&self, base: Rate) -> Option<Rate> {
        let left = self.most.0.checked_sub(base.0)?;
        Some(Rate(left.min(self.tip.0)))
    }
}

impl Order {
    /// Whether transactions have bids.
    #[must_use]
    pub fn takes_bids(&self) -> bool {
        *self != Order::Arrival
    }

    /// What a bid is worth to a queue that is full.
    pub(super) fn standing(&self, bid: &Bid) -> Rate {
        match self {
            Order::BaseFee { .. } => bid.most,
            Order::Arrival | Order::Bid => bid.most.min(bid.tip),
        }
    }

    /// The base fee of the first block.
    pub(super) fn first_base(&self) -> Rate {
        match self {
            Order::Arrival | Order::Bid => Rate(0),
            Order::BaseFee { least } => *least,
        }
    }

    /// The base fee after a block of this one, in which so many units of so many were taken:
    /// EIP-1559's formula, with its elasticity of 2 and its largest change of an eighth.
    pub(super) fn next_base(&self, base: Rate, taken: u64, block: u64) -> Rate {
        let Order::BaseFee { least } = self else {
            return base;
        };
        let target = (block / 2).max(1);
        let change = |by: u64| {
            let change = u128::from(base.0) * u128::from(by) / u128::from(target) / 8;
            u64::try_from(change).unwrap_or(u64::MAX)
        };
        let next = match taken.checked_sub(target) {
            Some(0) => base.0,
            Some(above) => base.0.saturating_add(change(above).max(1)),
            // By one at least too: else a bid of a few units would never be reached again.
            None => base.0.saturating_sub(change(target - taken).max(1)),
        };
        Rate(next.max(least.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_rounded_up_and_never_wraps() {
        for (rate, units, cost) in [
            (0, 21_000, 0),
            (1_430, 21_000, 31),
            (1_000_000, 7, 7),
            (1, 1, 1),
            (u64::MAX, u64::MAX, u64::MAX),
        ] {
            assert_eq!(Rate(rate).of(units), Amount::new(cost), "{rate} {units}");
        }
    }

    #[test]
    fn a_bid_pays_its_tip_as_far_as_the_base_fee_leaves_it() {
        for (most, tip, base, pays) in [
            (100, 10, 0, Some(10)),
            (100, 10, 95, Some(5)),
            (100, 10, 100, Some(0)),
            (100, 10, 101, None),
            (100, 100, 30, Some(70)),
        ] {
            let bid = Bid {
                most: Rate(most),
                tip: Rate(tip),
            };
            assert_eq!(bid.tip_above(Rate(base)), pays.map(Rate), "{bid:?} {base}");
        }
    }

    /// EIP-1559: full blocks raise the base fee by an eighth, empty ones lower it by as much.
    #[test]
    fn the_base_fee_follows_how_full_blocks_are() {
        let order = Order::BaseFee { least: Rate(8) };
        for (base, taken, next) in [
            (1_000, 30, 1_000),
            (1_000, 60, 1_125),
            (1_000, 0, 875),
            (1_000, 45, 1_062),
            (1_000, 15, 938),
            // It rises and falls by 1 at least, and never below the least.
            (8, 31, 9),
            (8, 0, 8),
            (u64::MAX, 60, u64::MAX),
        ] {
            assert_eq!(
                order.next_base(Rate(base), taken, 60),
                Rate(next),
                "{base} {taken}"
            );
        }
        let low = Order::BaseFee { least: Rate(1) };
        let mut base = Rate(7);
        for _ in 0..6 {
            base = low.next_base(base, 0, 60);
        }
        assert_eq!(base, Rate(1), "an eighth of it is nothing");
        assert_eq!(Order::Bid.next_base(Rate(0), 60, 60), Rate(0));
    }
}
