//! Why a run does not start, or does not end.

use std::path::PathBuf;

use super::workload::AccountIndex;
use crate::transcript::TranscriptError;
use duet_channels::protocol::{ChannelId, Party, RecordError, Rejection};
use duet_ledger::l1::{self, SetupError};
use duet_log::LogError;

/// Why a run did not start, or did not end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// Layer 1 cannot be set up like this.
    #[error("{0}")]
    L1(SetupError),
    /// An account would need more than an amount can hold.
    #[error("account {} would need more than {} units for its deposits and fees", .0, u64::MAX)]
    AllocationOverflow(AccountIndex),
    /// The audit log could not be written: a fault of the machine, at the start or on the way.
    #[error("{0}")]
    Audit(TranscriptError),
    /// The log is refused, or cannot be written any more.
    #[error("{0}")]
    Log(LogError),
    /// What the log holds does not fit together.
    #[error("{0}")]
    Restore(RestoreError),
    /// The run must have begun, and has not: it was interrupted before anything of it stood.
    #[error("not begun: the run was interrupted before anything of it stood")]
    NotBegun,
    /// The machines that should run it together cannot begin, or one of them has fallen.
    #[error("{problem}")]
    Machines {
        /// Which machine, and what is wrong.
        problem: String,
        /// What was asked for has to be changed: hosts, or what one of them was told.
        is_bad_input: bool,
    },
    /// Layer 1's validators go on no more.
    #[error("Layer 1 has stopped: {0}")]
    Layer1Stopped(#[from] duet_consensus::Stopped),
    /// A stop was asked for before the machines that should run it together had come.
    #[error("interrupted before all machines had come")]
    Interrupted,
    /// A file cannot be written.
    #[error("writing '{path}' failed: {problem}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it, in words.
        problem: String,
    },
    /// The system starts no more threads, for this reason: a fault of the machine.
    #[error("cannot start a thread: {0}")]
    Thread(String),
    /// The file for acknowledgements ends with something else: it is left as it is.
    #[error(
        "'{0}' does not end with acknowledgements: expected a new file, or one that a run has \
         written"
    )]
    NotAcknowledgements(PathBuf),
    /// The file for acknowledgements ends with one of a channel that this run has not had.
    #[error(
        "'{0}' has acknowledgements of another run: expected this run's own file, or a new one, \
         since of two runs' nobody could tell what is missing"
    )]
    OthersAcknowledgements(PathBuf),
    /// A channel of a durable run stopped, where both parties and the link are honest.
    #[error(
        "the channel of session {session} stopped on {name}, although nobody cheats; the log has \
         it as it was before"
    )]
    Stopped {
        /// Whose channel.
        session: u64,
        /// The rejection.
        name: &'static str,
    },
}

impl From<LogError> for RunError {
    fn from(error: LogError) -> RunError {
        RunError::Log(error)
    }
}

/// Why a log, each record of which is in order, does not make a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Layer 1's records do not fit together.
    #[error("Layer 1's part of the log: {0}")]
    L1(l1::RestoreError),
    /// Layer 1 began otherwise than this run's does.
    #[error("the log's Layer 1 began with other accounts than this run's")]
    OtherGenesis,
    /// A shard has written, and Layer 1, which begins first, has not begun.
    #[error(
        "shard {shard} has written to the log, and Layer 1's part of it is empty: expected Layer 1 \
         to have begun first"
    )]
    NoLayer1 {
        /// Which shard, from 0.
        shard: usize,
    },
    /// A record of a channel is not in order.
    #[error("the record of slot {slot}, party {party:?}: {error}")]
    Record {
        /// In which slot, over all shards.
        slot: u64,
        /// Whose end.
        party: Party,
        /// What is wrong.
        error: RecordError,
    },
    /// A record's key or note makes no sense in this run.
    #[error("record {key} of shard {shard}: {problem}")]
    NoPlace {
        /// In the stream of which shard.
        shard: u64,
        /// The record's key.
        key: u32,
        /// What is wrong, in words.
        problem: &'static str,
    },
    /// A shard's stream and Layer 1's are of different age: no crash leaves both.
    #[error(
        "the log's parts are of different age: on Layer 1 {} of shard {shard}'s sessions have \
         opened and {} closed, and shard {shard}'s part knows of {} and {}; expected all parts as \
         one run left them, at one moment",
        .l1.opened, .l1.closed, .knows.opened, .knows.closed
    )]
    OtherAge {
        /// Which shard, from 0.
        shard: u64,
        /// What of its channels its own stream knows: opens heard of, closes counted or agreed on.
        knows: SessionCounts,
        /// What Layer 1's stream says of them.
        l1: SessionCounts,
    },
    /// The two ends of a channel cannot stand where their records say.
    #[error("channel {}: its two ends do not fit together: {rejection}", .channel.0)]
    Apart {
        /// Which channel.
        channel: ChannelId,
        /// What one end says of the other.
        rejection: Rejection,
    },
    /// A peer's signature in a record does not verify.
    #[error("channel {}: a signature in party {party:?}'s record is not its peer's", .channel.0)]
    Forged {
        /// Which channel.
        channel: ChannelId,
        /// Whose end's record.
        party: Party,
    },
}

/// How many of a shard's sessions have opened, and how many of these have closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCounts {
    /// Opened, closed ones among them.
    pub opened: u64,
    /// Closed.
    pub closed: u64,
}

impl From<RestoreError> for RunError {
    fn from(error: RestoreError) -> RunError {
        RunError::Restore(error)
    }
}
