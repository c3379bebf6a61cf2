//! What makes a Layer 1 scarce beside bytes: its clock, the units of a block, the order in which
//! transactions come and what they pay for it. Reads what the log says of it, refuses what makes
//! no sense, and has the arithmetic. Looks at no block.

use super::bytes::Reader;
use super::finding::{AuditError, Place};
use super::transaction::{Act, Bid, Open};

/// Units that a rate is for.
const PER: u128 = 1_000_000;

/// What a Layer 1 has beside a fee and bounds on transactions and bytes; all zeros: nothing.
#[derive(Clone, Copy, Default)]
pub(super) struct Scarcity {
    /// From block to block; 0: no clock.
    interval_ms: u64,
    finality_blocks: u32,
    /// Of a block; 0: no units.
    block_units: u64,
    /// Those of transactions of channels; 0: as many.
    channel_units: u64,
    prices: Prices,
    order: Order,
    /// The first base fee, and the least.
    least: u64,
    answers_compete: bool,
    has_state_root: bool,
}

/// Units that a transaction of each kind takes.
#[derive(Clone, Copy, Default)]
struct Prices {
    transfer: u64,
    open_one_sided: u64,
    open_two_sided: u64,
    close: u64,
    post: u64,
    answer: u64,
    payout: u64,
}

/// Which transaction comes first.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Arrival,
    Bid,
    BaseFee,
}

impl Scarcity {
    /// Reads a record's content, and refuses what no Layer 1 is set up with.
    pub(super) fn read(record: &mut Reader<'_>) -> Result<Scarcity, AuditError> {
        let place = record.place();
        let (interval_ms, finality_blocks) = (record.u64()?, record.u32()?);
        let (block_units, channel_units) = (record.u64()?, record.u64()?);
        let prices = Prices {
            transfer: record.u64()?,
            open_one_sided: record.u64()?,
            open_two_sided: record.u64()?,
            close: record.u64()?,
            post: record.u64()?,
            answer: record.u64()?,
            payout: record.u64()?,
        };
        let place_of_order = record.place();
        let order = match record.u8()? {
            0 => Order::Arrival,
            1 => Order::Bid,
            2 => Order::BaseFee,
            other => return Err(place_of_order.finding("the order", "0, 1 or 2", other)),
        };
        let least = record.u64()?;
        let place_of_answers = record.place();
        let answers = record.u8()?;
        if answers > 1 {
            return Err(place_of_answers.finding("who answers compete with", "0 or 1", answers));
        }
        let place_of_root = record.place();
        let has_state_root = !record.is_empty();
        if has_state_root && record.u8()? != 1 {
            return Err(place_of_root.finding("the state root", "1, or nothing", "another byte"));
        }
        let scarcity = Scarcity {
            interval_ms,
            finality_blocks,
            block_units,
            channel_units,
            prices,
            order,
            least,
            answers_compete: answers == 1,
            has_state_root,
        };
        scarcity.check_form(place)?;
        scarcity.check_units(place)?;
        scarcity.check_order(place)?;
        Ok(scarcity)
    }

    /// What is left out is 0, and something is there.
    fn check_form(&self, place: Place<'_>) -> Result<(), AuditError> {
        let unread = [
            (
                "finality without a clock",
                self.interval_ms == 0 && self.finality_blocks > 0,
            ),
            (
                "units without those of a block",
                self.block_units == 0 && self.names_units(),
            ),
            (
                "a base fee in another order",
                self.order != Order::BaseFee && self.least > 0,
            ),
        ];
        if let Some((found, _)) = unread.iter().find(|(_, found)| *found) {
            return Err(place.finding("what Layer 1 is scarce by", "zeros", found));
        }
        let is_plain = self.interval_ms == 0
            && self.block_units == 0
            && self.order == Order::Arrival
            && !self.answers_compete
            && !self.has_state_root;
        match is_plain {
            true => Err(place.finding("what Layer 1 is scarce by", "something", "nothing")),
            false => Ok(()),
        }
    }

    fn names_units(&self) -> bool {
        let prices = self.prices.listed();
        self.channel_units > 0 || prices.iter().any(|(_, units)| *units > 0)
    }

    /// Every single transaction fits into a block.
    fn check_units(&self, place: Place<'_>) -> Result<(), AuditError> {
        if self.channel_units > self.block_units {
            let most = format!("at most {}, a block's", self.block_units);
            return Err(place.finding("the units of channels", most, self.channel_units));
        }
        if self.block_units == 0 {
            return Ok(());
        }
        for (kind, units) in self.prices.listed() {
            let limit = match kind {
                "units of a transfer" => self.block_units,
                _ => self.most_units(),
            };
            if units > limit {
                return Err(place.finding(kind, format!("at most {limit}"), units));
            }
        }
        Ok(())
    }

    fn check_order(&self, place: Place<'_>) -> Result<(), AuditError> {
        let missing = [
            (
                "units to bid for",
                self.takes_bids() && self.block_units == 0,
            ),
            (
                "answers that compete",
                self.takes_bids() && !self.answers_compete,
            ),
            (
                "a clock",
                self.order == Order::BaseFee && self.interval_ms == 0,
            ),
        ];
        match missing.iter().find(|(_, missing)| *missing) {
            Some((expected, _)) => Err(place.finding("the order", expected, "none")),
            None => Ok(()),
        }
    }

    /// Whether heights pass without a block.
    pub(super) fn has_clock(&self) -> bool {
        self.interval_ms > 0
    }

    pub(super) fn takes_bids(&self) -> bool {
        self.order != Order::Arrival
    }

    pub(super) fn has_state_root(&self) -> bool {
        self.has_state_root
    }

    /// Units of a block's transactions at most: all that are audited are of channels.
    pub(super) fn most_units(&self) -> u64 {
        match (self.block_units, self.channel_units) {
            (0, _) => u64::MAX,
            (block, 0) => block,
            (_, of_channels) => of_channels,
        }
    }

    /// What a transaction takes of them.
    pub(super) fn units_of(&self, act: &Act) -> u64 {
        match act {
            Act::Open(Open {
                two_sided: false, ..
            }) => self.prices.open_one_sided,
            Act::Open(_) => self.prices.open_two_sided,
            Act::Close(_) => self.prices.close,
        }
    }

    /// The first block's base fee.
    pub(super) fn first_base(&self) -> u64 {
        self.least
    }

    /// The base fee after a block in which so many units were taken (EIP-1559, with its elasticity
    /// of 2 and its largest change of an eighth).
    pub(super) fn next_base(&self, base: u64, taken: u64) -> u64 {
        if self.order != Order::BaseFee {
            return base;
        }
        let target = (self.block_units / 2).max(1);
        let change = u128::from(base) * u128::from(taken.abs_diff(target)) / u128::from(target) / 8;
        let change = u64::try_from(change).unwrap_or(u64::MAX);
        let next = match taken {
            _ if taken > target => base.saturating_add(change.max(1)),
            _ if taken < target => base.saturating_sub(change.max(1)),
            _ => base,
        };
        next.max(self.least)
    }

    /// The base fee after so many blocks with nothing in them. It has soon come down as far as it
    /// goes.
    pub(super) fn base_after(&self, mut base: u64, empty_blocks: u64) -> u64 {
        for _ in 0..empty_blocks {
            let next = self.next_base(base, 0);
            if next == base {
                break;
            }
            base = next;
        }
        base
    }

    /// What a bid pays for so many units above this base fee, rounded up; none if it is below.
    pub(super) fn fee(bid: Bid, base: u64, units: u64) -> Option<u64> {
        let tip = bid.most.checked_sub(base)?.min(bid.tip);
        let cost = (u128::from(base + tip) * u128::from(units)).div_ceil(PER);
        Some(u64::try_from(cost).unwrap_or(u64::MAX))
    }
}

impl Prices {
    /// All of them by name, and that of a roll-over.
    fn listed(&self) -> [(&'static str, u64); 8] {
        let roll_over = self.close.saturating_add(self.open_two_sided);
        [
            ("units of a transfer", self.transfer),
            ("units of an open, one-sided", self.open_one_sided),
            ("units of an open, two-sided", self.open_two_sided),
            ("units of a cooperative close", self.close),
            ("units of a post", self.post),
            ("units of an answer", self.answer),
            ("units of a payout", self.payout),
            ("units of a roll-over", roll_over),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bid_pays_what_the_base_fee_leaves_rounded_up() {
        for (most, tip, base, units, fee) in [
            (100, 10, 0, 1_000_000, Some(10)),
            (100, 10, 95, 1_000_000, Some(100)),
            (100, 10, 100, 1_000_000, Some(100)),
            (100, 10, 101, 1_000_000, None),
            (100, 100, 30, 10_001, Some(2)),
            (1, 1, 0, 1, Some(1)),
            (0, 0, 0, 1, Some(0)),
            (u64::MAX, u64::MAX, 7, u64::MAX, Some(u64::MAX)),
        ] {
            let found = Scarcity::fee(Bid { most, tip }, base, units);
            assert_eq!(found, fee, "{most} {tip} {base} {units}");
        }
    }

    #[test]
    fn the_base_fee_follows_how_full_blocks_are() {
        let scarcity = Scarcity {
            block_units: 60,
            order: Order::BaseFee,
            least: 8,
            ..Scarcity::default()
        };
        for (base, taken, next) in [
            (1_000, 30, 1_000),
            (1_000, 60, 1_125),
            (1_000, 0, 875),
            (1_000, 45, 1_062),
            (1_000, 15, 938),
            (8, 31, 9),
            (8, 0, 8),
            (u64::MAX, 60, u64::MAX),
        ] {
            assert_eq!(scarcity.next_base(base, taken), next, "{base} {taken}");
        }
        assert_eq!(scarcity.base_after(1_000, 2), 766);
        assert_eq!(scarcity.base_after(u64::MAX, u64::MAX), 8);
    }
}
