//! Layer 1 profiles: what a chain's transactions cost in its own unit, and what a block of it
//! holds. Every constant keeps its source, or says that it is an assumption of ours. Computes
//! nothing.
//!
//! Four profiles are compiled in; a user's own file is read by the same code. The format is in
//! `docs/l1-profiles.md`.

#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

mod error;
mod read;
mod shape;

use std::path::Path;

use duet_terminal::input::{self, Limit};
use serde::Serialize;

pub use error::ProfileError;

/// A hundred times the longest that is compiled in.
pub const LIMIT: Limit = Limit {
    bytes: 1 << 20,
    kind: "a profile",
};

/// The profiles that are compiled in, by name.
pub const KNOWN: [(&str, &str); 4] = [
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

/// A Layer 1's prices and limits. All prices are in `unit`.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
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
    /// Every number of the file with where it comes from, in the order of the format.
    pub constants: Vec<Constant>,
}

/// What a block holds, and how long it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Units that a block holds.
    pub units: u64,
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
        if let Some((name, text)) = KNOWN.iter().find(|(name, _)| *name == name_or_file) {
            return Self::parse(name, text);
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
        Self::parse(name_or_file, &text)
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

#[cfg(test)]
mod tests;
