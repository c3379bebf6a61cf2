//! What became of a transaction.

use super::refusal::{Failure, Refusal};
use crate::protocol::{Amount, ChannelId, Pair};

/// What became of one submitted transaction, for whoever submitted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The number that it was submitted under.
    pub ticket: u64,
    /// The height of the block that it is in; refused, of the block that it was refused for.
    pub height: u64,
    /// What it did, or why it is in no block.
    pub outcome: Result<Executed, Refusal>,
}

/// What an included transaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executed {
    /// Moved its amount.
    Transferred,
    /// Opened a channel.
    Opened {
        /// Its id.
        channel: ChannelId,
    },
    /// Closed a channel.
    Closed {
        /// What each party got.
        payouts: Pair<Amount>,
        /// Payments made in the channel.
        version: u64,
    },
    /// Nothing but pay its fee and use its nonce.
    Failed(Failure),
}
