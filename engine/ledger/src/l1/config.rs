//! What a Layer 1 starts from: its parameters, its first balances, and the identity of both.

use super::market::{Answers, Bid, Order, Pace, Prices, Rate, Units};
use super::transaction::Kind;
use duet_channels::crypto::{Digest, Domain, Hasher, PublicKey};
use duet_channels::protocol::Amount;

/// The parameters of a Layer 1. All that its blocks follow from is part of its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Transactions in a block at most; a batch counts as many as it has items.
    pub block_transactions: u32,
    /// Bytes of a block's transactions at most; its header is not among them.
    pub block_bytes: u64,
    /// What every included transaction pays, executed or failed, where none has a bid.
    pub fee: Amount,
    /// When blocks are made; `None`: whenever that is asked for, and time does not pass otherwise.
    pub pace: Option<Pace>,
    /// What transactions take of a block beside bytes, if that is bounded.
    pub units: Option<Units>,
    /// Which of those that wait goes first.
    pub order: Order,
    /// Whether answers have room of their own.
    pub answers: Answers,
    /// Whether the header of a block commits to the whole state after it.
    pub state_root: bool,
    /// Transactions that wait for a block at most, of [`Config::MEMPOOL_BYTES`] in all. Beside them
    /// there is room for one answer for each disputed channel (rule L8).
    pub mempool_transactions: u32,
    /// Whether [`Chain::bodies`](super::Chain::bodies) keeps the transactions of every block.
    pub keep_bodies: bool,
    /// Whether [`Chain::tape`](super::Chain::tape) keeps all that the chain was asked for.
    pub keep_tape: bool,
    /// Who decodes a block's keys and verifies its signatures. The verdicts, and so the blocks, are
    /// the same.
    pub verification: Verification,
}

/// On which threads a block is verified, and in how many batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// On the thread that seals, in batches as large as can be: costs least.
    #[default]
    Sequential,
    /// On all of rayon's threads, in smaller batches, of which the first execute while the last are
    /// verified: costs a little more, and takes less time.
    Ahead,
}

impl Default for Config {
    /// Ethereum's block: 60 million gas (EIP-7935) at 21,000 a plain transfer are 2,857 of them,
    /// in at most 8 MiB (EIP-7934). A fee of one unit. Room for 65,536 waiting transactions: about
    /// 23 blocks, mostly 10 to 20 MB, and never more than [`Config::MEMPOOL_BYTES`].
    fn default() -> Config {
        Config {
            block_transactions: 60_000_000 / 21_000,
            block_bytes: 8 << 20,
            fee: Amount::new(1),
            pace: None,
            units: None,
            order: Order::Arrival,
            answers: Answers::Reserved,
            state_root: false,
            mempool_transactions: 65_536,
            keep_bodies: false,
            keep_tape: false,
            verification: Verification::Sequential,
        }
    }
}

impl Config {
    /// Bytes of the transactions that wait for a block at most, answers in their reserved room
    /// aside: 32 MiB. All that the default number of transactions takes fits, unless they are
    /// batches, of which it holds 581 of the longest.
    pub const MEMPOOL_BYTES: usize = 32 << 20;

    /// Checks that a transaction can pass.
    ///
    /// # Errors
    /// A [`ConfigError`] that names the limit.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.block_transactions == 0 {
            return Err(ConfigError::NoBlockTransactions);
        }
        let bid_bytes = if self.order.takes_bids() {
            Bid::BYTES
        } else {
            0
        };
        let least = SMALLEST_BLOCK_BYTES + bid_bytes as u64;
        if self.block_bytes < least {
            return Err(ConfigError::BlockBytesTooFew {
                least,
                got: self.block_bytes,
            });
        }
        if self.mempool_transactions == 0 {
            return Err(ConfigError::NoMempoolTransactions);
        }
        if self.pace.is_some_and(|pace| pace.interval_ms == 0) {
            return Err(ConfigError::NoInterval);
        }
        if let Some(units) = &self.units {
            check_units(units)?;
        }
        if self.order.takes_bids() && self.units.is_none() {
            return Err(ConfigError::BidsWithoutUnits);
        }
        if matches!(self.order, Order::BaseFee { .. }) && self.pace.is_none() {
            return Err(ConfigError::BaseFeeWithoutClock);
        }
        if self.order.takes_bids() && self.answers == Answers::Reserved {
            return Err(ConfigError::ReservedAmongBids);
        }
        Ok(())
    }

    /// Whether nothing makes it scarce but bytes and transactions.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let plain = Config::default();
        let what = |config: &Config| (config.pace, config.units, config.order, config.answers);
        what(self) == what(&plain)
    }

    /// What of the parameters a plain Layer 1 has not, in bytes; none of a plain one. Numbers are
    /// little-endian, and what is left out is 0:
    ///
    /// `interval 8 · finality 4 · block units 8 · channels' units 8 · seven prices of 8 each, in
    /// the order of [`Prices`] · order 1 (0 arrival, 1 bid, 2 base fee) · least base fee 8 ·
    /// answers 1 (0 reserved, 1 compete) · 1 (1), which is there only with a state root`
    #[must_use]
    pub fn scarcity(&self) -> Vec<u8> {
        if self.is_plain() && !self.state_root {
            return Vec::new();
        }
        let mut bytes = Vec::with_capacity(95);
        let pace = self
            .pace
            .map(|pace| (pace.interval_ms, pace.finality_blocks));
        let (interval_ms, finality_blocks) = pace.unwrap_or_default();
        bytes.extend_from_slice(&interval_ms.to_le_bytes());
        bytes.extend_from_slice(&finality_blocks.to_le_bytes());
        let (block, of_channels, prices) = match &self.units {
            None => (0, 0, [0; 7]),
            Some(units) => {
                let of_channels = units.of_channels.unwrap_or(0);
                (units.block, of_channels, units.prices.listed())
            }
        };
        for number in [block, of_channels].into_iter().chain(prices) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let (order, least) = match self.order {
            Order::Arrival => (0, Rate(0)),
            Order::Bid => (1, Rate(0)),
            Order::BaseFee { least } => (2, least),
        };
        bytes.push(order);
        bytes.extend_from_slice(&least.0.to_le_bytes());
        bytes.push(u8::from(self.answers == Answers::Compete));
        bytes.extend(self.state_root.then_some(1));
        bytes
    }
}

/// Every single transaction fits into a block, and costs something of it.
fn check_units(units: &Units) -> Result<(), ConfigError> {
    let limit = units.of_channels.unwrap_or(units.block);
    if units.block == 0 || limit == 0 || limit > units.block {
        return Err(ConfigError::BlockUnits {
            block: units.block,
            of_channels: limit,
        });
    }
    let is_transfer = |kind: &str| kind == "transfer";
    let limit_of = |kind| {
        if is_transfer(kind) {
            units.block
        } else {
            limit
        }
    };
    let above = units.singles().into_iter();
    let above = above.filter(|(kind, units)| *units > limit_of(kind));
    if let Some((kind, units)) = above.max_by_key(|(_, units)| *units) {
        return Err(ConfigError::UnitsAboveBlock {
            kind,
            units,
            limit: limit_of(kind),
        });
    }
    Ok(())
}

impl Prices {
    /// All of them, in their order.
    pub(super) fn listed(&self) -> [u64; 7] {
        [
            self.transfer,
            self.open_one_sided,
            self.open_two_sided,
            self.close,
            self.post,
            self.answer,
            self.payout,
        ]
    }
}

const SMALLEST_BLOCK_BYTES: u64 = Kind::LONGEST_BYTES;

/// The first balances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Genesis<A = Vec<(PublicKey, Amount)>> {
    /// A name that keeps this Layer 1 apart from others with the same balances.
    pub label: String,
    /// Who has what. What is allocated to one account twice adds up; zero makes an empty account.
    pub allocations: A,
}

/// Who has what at genesis, told as often as asked: a list, or what needs none.
pub trait Allocations {
    /// How many there are.
    fn count(&self) -> u64;

    /// Gives each of them, in an order that never changes.
    fn each(&self, give: impl FnMut(PublicKey, Amount));
}

impl Allocations for Vec<(PublicKey, Amount)> {
    fn count(&self) -> u64 {
        self.len() as u64
    }

    fn each(&self, mut give: impl FnMut(PublicKey, Amount)) {
        for (key, amount) in self {
            give(*key, *amount);
        }
    }
}

impl<A: Allocations> Allocations for &A {
    fn count(&self) -> u64 {
        (**self).count()
    }

    fn each(&self, give: impl FnMut(PublicKey, Amount)) {
        (**self).each(give);
    }
}

/// Bytes of allocations that are hashed in one go.
const HASHED_TOGETHER: usize = 40 << 10;

impl<A: Allocations> Genesis<A> {
    /// The Layer 1's identity: `H_genesis(label's length ‖ label ‖ block transactions ‖ block bytes
    /// ‖ fee ‖ number of allocations ‖ every key and amount in the order given ‖ what it is scarce
    /// by)`, the first as u64, integers little-endian, the last as [`Config::scarcity`] has it.
    #[must_use]
    pub fn id(&self, config: &Config) -> Digest {
        let mut hasher = Hasher::new(Domain::Genesis);
        hasher
            .update(&(self.label.len() as u64).to_le_bytes())
            .update(self.label.as_bytes())
            .update(&config.block_transactions.to_le_bytes())
            .update(&config.block_bytes.to_le_bytes())
            .update(&config.fee.units().to_le_bytes())
            .update(&self.allocations.count().to_le_bytes());
        // Many at once: only then does hashing fill its lanes.
        let mut rows = Vec::with_capacity(HASHED_TOGETHER);
        self.allocations.each(|key, amount| {
            rows.extend_from_slice(&key.0);
            rows.extend_from_slice(&amount.units().to_le_bytes());
            if rows.len() >= HASHED_TOGETHER {
                hasher.update(&rows);
                rows.clear();
            }
        });
        hasher.update(&rows).update(&config.scarcity());
        hasher.finish()
    }

    /// The sum of all allocations, if an amount can hold it.
    #[must_use]
    pub fn supply(&self) -> Option<Amount> {
        let mut supply = Some(Amount::ZERO);
        self.allocations.each(|_, amount| {
            supply = supply.and_then(|sum| sum.plus(amount));
        });
        supply
    }
}

/// Why parameters are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A block of no transactions.
    #[error("0 transactions a block, expected at least 1")]
    NoBlockTransactions,
    /// A block in which not every single transaction fits: a channel could not be closed.
    #[error("{got} bytes a block, expected at least {least}")]
    BlockBytesTooFew {
        /// The longest transaction but for batches.
        least: u64,
        /// The limit asked for.
        got: u64,
    },
    /// A mempool of no transactions.
    #[error("a mempool of 0 transactions, expected at least 1")]
    NoMempoolTransactions,
    /// Blocks at no distance from each other.
    #[error("0 ms from block to block, expected at least 1")]
    NoInterval,
    /// A block of no units, or whose part for channels is none of it.
    #[error("{of_channels} of {block} units a block for channels, expected 1 to all of them")]
    BlockUnits {
        /// Units of a block.
        block: u64,
        /// Units of a block that channels may take.
        of_channels: u64,
    },
    /// A transaction that no block holds.
    #[error("{kind}: {units} units, expected at most the {limit} that a block has for it")]
    UnitsAboveBlock {
        /// Which kind.
        kind: &'static str,
        /// What it takes.
        units: u64,
        /// What a block has for it.
        limit: u64,
    },
    /// Bids for units that there are none of.
    #[error("bids, and no units to bid for")]
    BidsWithoutUnits,
    /// A base fee that no time brings down again.
    #[error("a base fee, and no time from block to block")]
    BaseFeeWithoutClock,
    /// Room kept for answers where room is sold.
    #[error("room kept for answers beside bids, expected answers that compete")]
    ReservedAmongBids,
}

/// Why a Layer 1 cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// Its parameters are refused.
    #[error("Layer 1 parameters: {0}")]
    Config(ConfigError),
    /// The allocations' sum is more than an amount can hold.
    #[error("the first balances' sum is more than {} can hold", u64::MAX)]
    SupplyOverflow,
}

impl From<ConfigError> for SetupError {
    fn from(error: ConfigError) -> SetupError {
        SetupError::Config(error)
    }
}
