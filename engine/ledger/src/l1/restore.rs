//! Why a Layer 1 cannot be made of a log's records again.

use super::config::ConfigError;
use super::ledger::Imbalance;
use duet_channels::crypto::PublicKey;
use duet_channels::protocol::ChannelId;

/// Why [`Chain::restore`](super::Chain::restore) refuses a log's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The parameters are refused, whatever the records say.
    #[error("Layer 1 parameters: {0}")]
    Config(ConfigError),
    /// There is no record of key 0.
    #[error("no record of key 0, which is the head")]
    NoHead,
    /// The head is of another format than this one writes.
    #[error("records of format {got}, expected {expected}")]
    OtherFormat {
        /// This one's.
        expected: u32,
        /// The head's.
        got: u32,
    },
    /// The Layer 1 ran under another parameter, which is part of its identity.
    #[error("{parameter}: {got} on record, expected {expected}")]
    OtherParameter {
        /// Which.
        parameter: &'static str,
        /// The one asked for.
        expected: u64,
        /// The one on record.
        got: u64,
    },
    /// A record is not as long as its kind is.
    #[error("record {key} has {got} bytes, expected {expected}")]
    WrongLength {
        /// Its key.
        key: u32,
        /// The kind's length in bytes.
        expected: usize,
        /// The record's.
        got: usize,
    },
    /// A record says what cannot be.
    #[error("record {key}: {reason}")]
    Unsound {
        /// Its key.
        key: u32,
        /// What cannot be.
        reason: &'static str,
    },
    /// Two records have one key.
    #[error("two records of key {key}")]
    KeyTwice {
        /// Which.
        key: u32,
    },
    /// Records are missing, or lie beyond the places that there are.
    #[error("{got} records of {records}, expected {expected}, one for each place")]
    Incomplete {
        /// Of what.
        records: &'static str,
        /// How many the head says there are.
        expected: u64,
        /// How many there are.
        got: u64,
    },
    /// Two records are of one account.
    #[error("two records of account {account}")]
    AccountTwice {
        /// Whose.
        account: PublicKey,
    },
    /// Two records are of one channel.
    #[error("two records of channel {}", .channel.0)]
    ChannelTwice {
        /// Which.
        channel: ChannelId,
    },
    /// A channel's party has no record.
    #[error("a party of channel {} has no record", .channel.0)]
    UnknownParty {
        /// The channel.
        channel: ChannelId,
    },
    /// Value is missing, or too much (rule L7).
    #[error("supply: {0}")]
    Imbalance(Imbalance),
}

impl From<ConfigError> for RestoreError {
    fn from(error: ConfigError) -> RestoreError {
        RestoreError::Config(error)
    }
}
