//! Why a Layer 1 cannot be made of a log's records again.

use std::fmt;

use super::config::ConfigError;
use super::ledger::Imbalance;
use duet_channels::crypto::PublicKey;
use duet_channels::protocol::ChannelId;

/// Why [`Chain::restore`](super::Chain::restore) refuses a log's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// The parameters are refused, whatever the records say.
    Config(ConfigError),
    /// There is no record of key 0.
    NoHead,
    /// The head is of another format than this one writes.
    OtherFormat {
        /// This one's.
        expected: u32,
        /// The head's.
        got: u32,
    },
    /// The Layer 1 ran under another parameter, which is part of its identity.
    OtherParameter {
        /// Which.
        parameter: &'static str,
        /// The one asked for.
        expected: u64,
        /// The one on record.
        got: u64,
    },
    /// A record is not as long as its kind is.
    WrongLength {
        /// Its key.
        key: u32,
        /// The kind's length in bytes.
        expected: usize,
        /// The record's.
        got: usize,
    },
    /// A record says what cannot be.
    Unsound {
        /// Its key.
        key: u32,
        /// What cannot be.
        reason: &'static str,
    },
    /// Two records have one key.
    KeyTwice {
        /// Which.
        key: u32,
    },
    /// Records are missing, or lie beyond the places that there are.
    Incomplete {
        /// Of what.
        records: &'static str,
        /// How many the head says there are.
        expected: u64,
        /// How many there are.
        got: u64,
    },
    /// Two records are of one account.
    AccountTwice {
        /// Whose.
        account: PublicKey,
    },
    /// Two records are of one channel.
    ChannelTwice {
        /// Which.
        channel: ChannelId,
    },
    /// A channel's party has no record.
    UnknownParty {
        /// The channel.
        channel: ChannelId,
    },
    /// Value is missing, or too much (rule L7).
    Imbalance(Imbalance),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreError::Config(error) => write!(f, "Layer 1 parameters: {error}"),
            RestoreError::NoHead => write!(f, "no record of key 0, which is the head"),
            RestoreError::OtherFormat { expected, got } => {
                write!(f, "records of format {got}, expected {expected}")
            }
            RestoreError::OtherParameter {
                parameter,
                expected,
                got,
            } => write!(f, "{parameter}: {got} on record, expected {expected}"),
            RestoreError::WrongLength { key, expected, got } => {
                write!(f, "record {key} has {got} bytes, expected {expected}")
            }
            RestoreError::Unsound { key, reason } => write!(f, "record {key}: {reason}"),
            RestoreError::KeyTwice { key } => write!(f, "two records of key {key}"),
            RestoreError::Incomplete {
                records,
                expected,
                got,
            } => write!(
                f,
                "{got} records of {records}, expected {expected}, one for each place"
            ),
            RestoreError::AccountTwice { account } => {
                write!(f, "two records of account {account}")
            }
            RestoreError::ChannelTwice { channel } => {
                write!(f, "two records of channel {}", channel.0)
            }
            RestoreError::UnknownParty { channel } => {
                write!(f, "a party of channel {} has no record", channel.0)
            }
            RestoreError::Imbalance(imbalance) => write!(f, "supply: {imbalance}"),
        }
    }
}

impl std::error::Error for RestoreError {}

impl From<ConfigError> for RestoreError {
    fn from(error: ConfigError) -> RestoreError {
        RestoreError::Config(error)
    }
}
