//! What transactions take of a block, and what they pay there: a block's room, sizes by kind, and
//! the fee as of one base fee. Decides nothing about a transaction itself.

use super::block::{Room, Size};
use super::config::Config;
use super::ledger::Ledger;
use super::market::{Bid, Rate, Units};
use super::refusal::Refusal;
use super::transaction::{Kind, SignedTransaction, Transaction};
use duet_channels::protocol::{Amount, ChannelId};

/// What a block asks of transactions, as of one base fee.
pub(super) struct Market<'c> {
    pub(super) config: &'c Config,
    pub(super) base: Rate,
}

impl Market<'_> {
    /// What an encoded transaction takes of a block, and what it pays there.
    pub(super) fn terms(
        &self,
        signed: &SignedTransaction,
        bytes: usize,
        ledger: &Ledger,
    ) -> (Size, Result<Amount, Refusal>) {
        let size = self.config.size(signed, bytes, ledger);
        let fee = match (self.config.order.takes_bids(), signed.bid()) {
            (false, None) => Ok(self.config.fee),
            (false, Some(_)) => Err(Refusal::BidNotTaken),
            (true, None) => Err(Refusal::NoBid),
            (true, Some(bid)) => self.fee_of(bid, size.units),
        };
        (size, fee)
    }

    fn fee_of(&self, bid: &Bid, units: u64) -> Result<Amount, Refusal> {
        let Rate(base) = self.base;
        let tip = bid.tip_above(self.base).ok_or(Refusal::BidBelowBase {
            base,
            got: bid.most.0,
        })?;
        Ok(Rate(base + tip.0).of(units))
    }
}

impl Config {
    /// All the room of a block.
    pub(super) fn room(&self) -> Room {
        let units = self.units.as_ref();
        let of_channels = |units: &Units| units.of_channels.unwrap_or(units.block);
        Room(Size {
            operations: u64::from(self.block_transactions),
            bytes: self.block_bytes,
            units: units.map_or(u64::MAX, |units| units.block),
            units_of_channels: units.map_or(u64::MAX, of_channels),
        })
    }

    /// Bytes of a block's transactions at most, as far as its limits on bytes, transactions and
    /// units bound them.
    #[must_use]
    pub fn most_block_bytes(&self) -> u64 {
        let bid = match self.order.takes_bids() {
            true => Bid::BYTES as u64,
            false => 0,
        };
        let by_count = u64::from(self.block_transactions) * (Kind::LONGEST_BYTES + bid);
        let by_units = self.units.as_ref().and_then(|units| units.most_bytes(bid));
        (self.block_bytes)
            .min(by_count)
            .min(by_units.unwrap_or(u64::MAX))
    }

    /// How many transfers fill a block, at least one.
    #[must_use]
    pub fn transfers_in_a_block(&self) -> u64 {
        let bid = match self.order.takes_bids() {
            true => Bid::BYTES,
            false => 0,
        };
        let bytes = Kind::Transfer.bytes().expect("all are as long") + bid;
        let by_units =
            (self.units.as_ref()).and_then(|units| units.block.checked_div(units.prices.transfer));
        u64::from(self.block_transactions)
            .min(self.block_bytes / bytes as u64)
            .min(by_units.unwrap_or(u64::MAX))
            .max(1)
    }

    /// What an encoded transaction takes of a block.
    pub(super) fn size(&self, signed: &SignedTransaction, bytes: usize, ledger: &Ledger) -> Size {
        let transaction = signed.transaction();
        let is_disputed = |channel: &ChannelId| ledger.is_disputed(channel);
        let units = (self.units.as_ref()).map_or(0, |units| units.of(transaction, is_disputed));
        Size {
            operations: u64::from(transaction.operations()),
            bytes: bytes as u64,
            units,
            units_of_channels: match transaction {
                Transaction::Transfer { .. } | Transaction::MultiSend { .. } => 0,
                _ => units,
            },
        }
    }
}

impl Units {
    /// What a transaction takes; `is_disputed` says whether something is posted in a channel.
    fn of(&self, transaction: &Transaction, is_disputed: impl Fn(&ChannelId) -> bool) -> u64 {
        let prices = &self.prices;
        let open = |deposit_b: Amount| match deposit_b.is_zero() {
            true => prices.open_one_sided,
            false => prices.open_two_sided,
        };
        match transaction {
            Transaction::Transfer { .. } => prices.transfer,
            Transaction::MultiSend { outputs, .. } => prices.multi_send(outputs.len() as u64),
            Transaction::Open { deposits, .. } => open(deposits.b),
            Transaction::OpenBatch { channels, .. } => channels
                .iter()
                .map(|opening| open(opening.deposits.b))
                .fold(0, u64::saturating_add),
            Transaction::CooperativeClose { .. } => prices.close,
            Transaction::CloseBatch { proofs, .. } => {
                prices.close.saturating_mul(proofs.len() as u64)
            }
            Transaction::Post { post, .. } if is_disputed(&post.channel) => prices.answer,
            Transaction::Post { .. } => prices.post,
            Transaction::Payout { .. } => prices.payout,
            Transaction::RollOver { successor, .. } => {
                prices.close.saturating_add(open(successor.deposits.b))
            }
        }
    }

    /// Bytes of a block's transactions at most, so many beside each for its bid; none if some take
    /// no units.
    fn most_bytes(&self, bid: u64) -> Option<u64> {
        let of = |kind: Kind| kind.bytes().expect("no batch") as u64;
        let prices = &self.prices;
        let roll_over = prices.close.saturating_add(prices.open_two_sided);
        // A close in a batch of its own takes three more. All other items take less than alone. Of
        // multi-sends one of the shortest or the longest has most for its units.
        let sends = [1, Transaction::MOST_ITEMS as u64]
            .map(|count| (Kind::multi_send_bytes(count), prices.multi_send(count)));
        let dearest_bytes = [
            sends[0],
            sends[1],
            (of(Kind::Transfer), prices.transfer),
            (of(Kind::OpenOneSided), prices.open_one_sided),
            (of(Kind::OpenTwoSided), prices.open_two_sided),
            (of(Kind::CooperativeClose) + 3, prices.close),
            (of(Kind::PostWithOffer), prices.post.min(prices.answer)),
            (of(Kind::Payout), prices.payout),
            (of(Kind::RollOver), roll_over),
        ];
        let most = dearest_bytes.map(|(bytes, units)| {
            let most = u128::from(self.block) * u128::from(bytes + bid);
            Some(u64::try_from(most.checked_div(u128::from(units))?).unwrap_or(u64::MAX))
        });
        most.into_iter().try_fold(0, |most, of| Some(most.max(of?)))
    }
}
