//! What became of a transaction, and what others should know of it.

use super::channel::Settlement;
use super::refusal::{Failure, Refusal};
use duet_channels::protocol::{Amount, ChannelId, Pair, Party};

/// What became of one submitted transaction, for whoever submitted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The number that it was submitted under.
    pub ticket: u64,
    /// The height of the block that it is in; refused, of the block that it was refused for.
    pub height: u64,
    /// What it paid for being in that block; nothing, if it is in none.
    pub fee: Amount,
    /// What it did, or why it is in no block.
    pub outcome: Result<Executed, Refusal>,
}

/// What an included transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Executed {
    /// Moved its amount.
    Transferred,
    /// Opened a channel.
    Opened {
        /// Its id.
        channel: ChannelId,
    },
    /// Opened several channels.
    OpenedBatch {
        /// Their ids, in the order of the batch.
        channels: Vec<ChannelId>,
    },
    /// Closed a channel cooperatively.
    Closed {
        /// What each party got.
        payouts: Pair<Amount>,
        /// Payments made in the channel.
        version: u64,
    },
    /// Closed at least one of several channels.
    ClosedBatch {
        /// What became of each item.
        items: Vec<Result<PaidOut, Refusal>>,
    },
    /// Posted in a channel.
    Posted {
        /// The version that it shows, the highest so far.
        version: u64,
        /// Whose post it is; `None`: evidence of another account.
        by: Option<Party>,
        /// The last height at which an answer counts.
        until: u64,
    },
    /// Settled a channel after its challenge window.
    PaidOut {
        /// What each party got.
        payouts: Pair<Amount>,
        /// The version that settled: of the highest post, or of its offer.
        version: u64,
        /// Whose balance went to the other party (rule L6).
        forfeited: Option<Party>,
    },
    /// Closed a channel and opened its successor.
    RolledOver {
        /// What the old one paid out, before the new deposits.
        closed: PaidOut,
        /// The new one's id.
        successor: ChannelId,
    },
    /// Nothing but pay its fee and use its nonce.
    Failed(Failure),
}

/// How a channel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidOut {
    /// What each party got.
    pub payouts: Pair<Amount>,
    /// Payments made in the channel.
    pub version: u64,
}

impl From<Settlement> for PaidOut {
    fn from(settlement: Settlement) -> PaidOut {
        PaidOut {
            payouts: settlement.payouts,
            version: settlement.version,
        }
    }
}

/// What a party or a watchtower that reads blocks looks for in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Somebody posted in a channel.
    Posted {
        /// In which.
        channel: ChannelId,
        /// Whose post it is; `None`: evidence of another account.
        by: Option<Party>,
        /// The version that it shows, the highest so far.
        version: u64,
        /// The last height at which an answer counts.
        until: u64,
    },
    /// A channel ended, however it did.
    Ended {
        /// Which.
        channel: ChannelId,
    },
}
