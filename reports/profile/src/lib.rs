//! Layer 1 profiles: what a chain's transactions cost in its own unit, and what a block of it
//! holds. Every constant keeps its source, or says that it is an assumption of ours. Computes
//! nothing.
//!
//! [`Limits`] are the plain numbers of a Layer 1 that runs by a profile. Five profiles are compiled
//! in; a user's own file is read by the same code. The format is in
//! `docs/l1-profiles.md`.

#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

mod error;
mod limits;
mod read;
mod shape;

use std::path::Path;

use duet_terminal::input::{self, Limit};
use serde::{Deserialize, Serialize};

pub use error::ProfileError;
pub use limits::{Limits, Prices};

/// A hundred times the longest that is compiled in.
pub const LIMIT: Limit = Limit {
    bytes: 1 << 20,
    kind: "a profile",
};

/// The profiles that are compiled in, by name.
pub const KNOWN: [(&str, &str); 5] = [
    ("duet", include_str!("../profiles/duet.toml")),
    (
        "ethereum-60m",
        include_str!("../profiles/ethereum-60m.toml"),
    ),
    ("bitcoin", include_str!("../profiles/bitcoin.toml")),
    ("solana-like", include_str!("../profiles/solana-like.toml")),
    (
        "cometbft-default",
        include_str!("../profiles/cometbft-default.toml"),
    ),
];

/// A profile's text, and what it is called in errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileText {
    /// The file, or the name of a profile that is compiled in.
    pub origin: String,
    /// The text.
    pub text: String,
}

/// A Layer 1's prices and limits. All prices are in `unit`.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The file it was read from, or the name of one that is compiled in.
    pub origin: String,
    /// What it was read from: where in it a number stands.
    pub text: String,
    /// Its name, as in `bitcoin`.
    pub name: String,
    /// What prices and limits count, as in `gas`.
    pub unit: String,
    /// What it stands for, in a line.
    pub about: String,
    /// The limits of blocks, and their times.
    pub block: Block,
    /// Whether every transaction of every channel writes one shared account.
    pub shared_escrow: bool,
    /// A direct payment.
    pub transfer: Kind,
    /// Opening a channel into which one party deposits.
    pub open_one_sided: Option<Kind>,
    /// Opening a channel into which both deposit.
    pub open_two_sided: Option<Kind>,
    /// Closing a channel by both parties' will.
    pub cooperative_close: Price,
    /// Closing without the other party: the transaction that opens the challenge window.
    pub post: Option<Price>,
    /// Answering a post with a newer state.
    pub answer: Option<Price>,
    /// Paying out after the window, if nobody answered.
    pub payout: Option<Price>,
    /// Paying out after an answer; as `payout` where the file has none.
    pub payout_after_answer: Option<Price>,
    /// Transactions that may wait for a block.
    pub mempool_transactions: Option<u64>,
    /// Who comes first, and what it costs in money.
    pub market: Option<Market>,
    /// Every number of the file with where it comes from, in the order of the format.
    pub constants: Vec<Constant>,
}

/// What a block holds, and how long it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Units that a block holds.
    pub units: u64,
    /// Bytes that a block holds; none if they are unlimited.
    pub bytes: Option<u64>,
    /// Transactions that a block holds; none if they are unlimited.
    pub transactions: Option<u64>,
    /// Units that one transaction may take.
    pub transaction_units: Option<u64>,
    /// Units of one block that may write one account.
    pub account_units: Option<u64>,
    /// Milliseconds from block to block.
    pub interval_ms: u64,
    /// Blocks until a block is final.
    pub finality_blocks: Option<u64>,
    /// Blocks in which a post can be answered.
    pub challenge_window_blocks: Option<u64>,
}

/// Which of the transactions that wait comes first, and what they pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Market {
    /// The order, and what a transaction pays by it.
    pub order: Order,
    /// Whether answers to posts have room of their own.
    pub answers: Answers,
    /// What one unit of money stands for, in words.
    pub money: String,
}

/// Which of the transactions that wait comes first, and what it pays, in units of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first to come.
    Arrival {
        /// What each pays.
        fee: u64,
    },
    /// The one that bids most.
    Fee {
        /// The usual bid for a million units.
        per_million_units: u64,
    },
    /// The one that bids most above a base fee, which follows how full blocks are.
    BaseFee {
        /// The usual bid for a million units, base fee included.
        per_million_units: u64,
        /// What of it goes to who makes the block, at most; not above the bid.
        tip_per_million_units: u64,
        /// The first base fee and the least, not above the bid.
        least_per_million_units: u64,
    },
}

/// The order's word in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    Arrival,
    Fee,
    BaseFee,
}

/// Whether answers to posts have room of their own, whatever else waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// They have.
    Reserved,
    /// They compete with all else.
    Compete,
}

/// What one kind of operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Units, all of its transactions together.
    pub units: u64,
    /// Transactions.
    pub transactions: u64,
}

/// What an operation takes that may also be done many at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// One alone.
    pub single: Price,
    /// Many at a time; none if the profile has no price for it.
    pub batched: Option<Batched>,
}

/// What n operations of one kind take together, n ≥ 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batched {
    /// Transactions of a batch.
    pub transactions: u64,
    /// Units of a batch.
    pub law: BatchLaw,
}

/// Units of a batch of n.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchLaw {
    /// `first_units + (n - 1) × each_further_units`.
    Linear {
        /// Units that a batch of one would take.
        first_units: u64,
        /// Units of each further one.
        each_further_units: u64,
        /// The largest n, where something other than units bounds it.
        at_most: Option<u64>,
    },
    /// Measured batches, by size; between two of them on the straight line through both, beyond
    /// the last one nothing.
    Measured(Vec<BatchPoint>),
}

/// A batch that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPoint {
    /// Operations in it.
    pub count: u64,
    /// Units of all of them together.
    pub units: u64,
}

/// A number of a profile and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Constant {
    /// Its place in the file, as in `block.units`.
    pub name: String,
    /// The number.
    pub value: u64,
    /// Who says so.
    pub source: Option<String>,
    /// What of it is an assumption of the profile's author.
    pub assumption: Option<String>,
}

impl Profile {
    /// The profile of that name, or the one in that file.
    ///
    /// # Errors
    ///
    /// It is neither, or the file cannot be used: with file, line, field and what was expected.
    pub fn find(name_or_file: &str) -> Result<Self, ProfileError> {
        let ProfileText { origin, text } = ProfileText::find(name_or_file)?;
        Self::parse(&origin, &text)
    }

    /// Reads a profile from its text; `origin` serves to name it in errors.
    ///
    /// # Errors
    ///
    /// As [`Profile::find`], less those of the file system.
    pub fn parse(origin: &str, text: &str) -> Result<Self, ProfileError> {
        read::profile(origin, text)
    }

    /// The profiles that are compiled in.
    ///
    /// # Panics
    ///
    /// Never: that they can be read is tested.
    #[must_use]
    pub fn known() -> Vec<Self> {
        KNOWN
            .iter()
            .map(|(name, text)| Self::parse(name, text).expect("compiled in and tested"))
            .collect()
    }
}

impl ProfileText {
    /// The text of the profile of that name, or of the one in that file, which is read once.
    ///
    /// # Errors
    ///
    /// It is neither, or the file cannot be read, or is no text.
    pub fn find(name_or_file: &str) -> Result<Self, ProfileError> {
        let found = KNOWN.iter().find(|(name, _)| *name == name_or_file);
        if let Some((name, text)) = found {
            return Ok(ProfileText {
                origin: (*name).to_owned(),
                text: (*text).to_owned(),
            });
        }
        let path = Path::new(name_or_file);
        if !path.exists() {
            return Err(ProfileError::Unknown {
                asked: name_or_file.to_owned(),
            });
        }
        let bytes = input::read(path, LIMIT).map_err(|source| ProfileError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let text = String::from_utf8(bytes).map_err(|error| ProfileError::Bad {
            origin: name_or_file.to_owned(),
            line: 1,
            detail: format!("not UTF-8: {}", error.utf8_error()),
        })?;
        Ok(ProfileText {
            origin: name_or_file.to_owned(),
            text,
        })
    }
}

impl Order {
    /// Its word in a file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Order::Arrival { .. } => "arrival",
            Order::Fee { .. } => "fee",
            Order::BaseFee { .. } => "base-fee",
        }
    }
}

impl Answers {
    /// Its word in a file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Answers::Reserved => "reserved",
            Answers::Compete => "compete",
        }
    }
}

#[cfg(test)]
mod tests;
