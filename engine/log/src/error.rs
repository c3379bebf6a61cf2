//! Why a log is refused or stops. Every reason names the file, what was found and what was
//! expected.

use std::fmt;
use std::io;

use super::Sequence;
use super::disk::Foreign;
use super::format::RunId;

/// Why a log cannot be used. Nothing is written to a log that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The machine's fault: an operation on a file failed. If it was a write or a sync, the stream
    /// has stopped for good, and nothing is tried again.
    #[error("cannot {operation} {file}: {message}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        file: String,
        /// What went wrong, for programs.
        kind: io::ErrorKind,
        /// What went wrong, for people.
        message: String,
    },
    /// Another process, or another part of this one, has the log open.
    #[error("the log is in use: another process has its directory locked")]
    InUse,
    /// The directory holds something that is no plain file of its own.
    #[error("{0}")]
    Foreign(Foreign),
    /// The directory holds files of something else, or of a log whose header is lost.
    #[error("{file} is in the directory, but no log's header is")]
    NotALog {
        /// A file that does not belong in an empty log.
        file: String,
    },
    /// A file was written in another version of the format.
    #[error("{file} is of format version {found}, this build reads version {expected}")]
    OtherVersion {
        /// Which file.
        file: String,
        /// The version that this build reads.
        expected: u32,
        /// Its version.
        found: u32,
    },
    /// A file belongs to another run.
    #[error("{file} is of run {found}, expected run {expected}")]
    OtherRun {
        /// Which file.
        file: String,
        /// The run that was asked for.
        expected: RunId,
        /// The file's run.
        found: RunId,
    },
    /// The log has other streams.
    #[error("{file} names the streams {}, expected {}", .found.join(" "), .expected.join(" "))]
    OtherStreams {
        /// The header that names them.
        file: String,
        /// The streams that were asked for.
        expected: Vec<String>,
        /// Its streams.
        found: Vec<String>,
    },
    /// A file is not there.
    #[error("{file} is missing, which {named_by} needs")]
    MissingFile {
        /// Which file.
        file: String,
        /// The file that says that it must be.
        named_by: String,
    },
    /// A file's header is damaged.
    #[error("the header of {file}: {damage}")]
    BadHeader {
        /// Which file.
        file: String,
        /// What is wrong with it.
        damage: Damage,
    },
    /// Something that was acknowledged, and so must be there, is damaged.
    #[error(
        "{file} at offset {offset}: batch {sequence} is corrupt, and everything up to batch \
         {floor} was acknowledged: {damage}"
    )]
    Corrupt {
        /// The segment's file.
        file: String,
        /// Where in it.
        offset: u64,
        /// Which batch is, or should be, there.
        sequence: Sequence,
        /// Up to which batch everything was acknowledged.
        floor: Sequence,
        /// What is wrong with it.
        damage: Damage,
    },
    /// A record's key is beyond what the owner has room for.
    #[error("{file} at offset {offset}: a record has key {key}, expected one below {limit}")]
    KeyOutOfRange {
        /// The segment's file.
        file: String,
        /// Where in it.
        offset: u64,
        /// The record's key.
        key: u32,
        /// Keys must be below.
        limit: u32,
    },
}

/// What is wrong with a piece of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The file ends too early.
    Truncated {
        /// The file's length in bytes.
        length: u64,
        /// What would be needed.
        needed: u64,
    },
    /// There is nothing of the right kind: zeros, or old bytes.
    Absent,
    /// The header does not hash to what it says.
    Header,
    /// The header is of another version.
    OtherVersion {
        /// Its version.
        found: u32,
    },
    /// The header is of another log: its salt differs.
    OtherLog,
    /// The header is of another run.
    OtherRun {
        /// Its run.
        found: RunId,
    },
    /// The header is of another stream.
    OtherStream {
        /// Its stream's index.
        found: u32,
    },
    /// The header was written for another place.
    OtherPlace {
        /// The segment that it names.
        segment: u32,
        /// The offset that it names; 0 for a segment's own header.
        offset: u64,
    },
    /// The batch has another number.
    OtherSequence {
        /// Its number.
        found: Sequence,
    },
    /// It does not follow what is before it.
    OtherPrevious,
    /// The batch's body does not hash to what its header says. If a record's own checksum is wrong
    /// too, this is the first such record.
    Body {
        /// Offset of the record in the file.
        record: Option<u64>,
    },
    /// A record's checksum or length is wrong, although the body's hash is right.
    Record {
        /// Offset of the record in the file.
        offset: u64,
    },
    /// The slots of the floor file are both damaged.
    BothSlots,
    /// The list of streams cannot be read.
    Streams,
}

impl LogError {
    /// Whether the machine failed, as opposed to stored data being refused.
    #[must_use]
    pub fn is_machine_fault(&self) -> bool {
        matches!(self, LogError::Io { .. })
    }

    /// Why an operation on a file failed.
    #[must_use]
    pub fn of(operation: &'static str, file: &str, error: &io::Error) -> LogError {
        match Foreign::of(error) {
            Some(foreign) => LogError::Foreign(foreign.clone()),
            None => LogError::Io {
                operation,
                file: file.to_owned(),
                kind: error.kind(),
                message: error.to_string(),
            },
        }
    }

    /// A damaged header, or the more telling reason behind it.
    pub(super) fn header(file: &str, damage: Damage, run: RunId) -> LogError {
        let file = file.to_owned();
        match damage {
            Damage::OtherVersion { found } => LogError::OtherVersion {
                file,
                expected: super::format::VERSION,
                found,
            },
            Damage::OtherRun { found } => LogError::OtherRun {
                file,
                expected: run,
                found,
            },
            damage => LogError::BadHeader { file, damage },
        }
    }
}

/// Says what was being done when an operation failed.
pub(super) trait During<T> {
    fn during(self, operation: &'static str, file: &str) -> Result<T, LogError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, operation: &'static str, file: &str) -> Result<T, LogError> {
        self.map_err(|error| LogError::of(operation, file, &error))
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Truncated { length, needed } => {
                write!(f, "the file has {length} bytes, {needed} are needed")
            }
            Damage::Absent => write!(f, "nothing of the right kind is there"),
            Damage::Header => write!(f, "the header's hash is wrong"),
            Damage::OtherVersion { found } => write!(f, "it is of format version {found}"),
            Damage::OtherLog => write!(f, "it belongs to another log"),
            Damage::OtherRun { found } => write!(f, "it belongs to run {found}"),
            Damage::OtherStream { found } => write!(f, "it belongs to stream number {found}"),
            Damage::OtherPlace { segment, offset } => {
                write!(f, "it was written for segment {segment}, offset {offset}")
            }
            Damage::OtherSequence { found } => write!(f, "it is batch {found}"),
            Damage::OtherPrevious => write!(f, "it does not follow the batch before it"),
            Damage::Body { record: None } => write!(f, "the body's hash is wrong"),
            Damage::Body {
                record: Some(offset),
            } => write!(
                f,
                "the body's hash is wrong, first seen in the record at offset {offset}"
            ),
            Damage::Record { offset } => {
                write!(f, "the record at offset {offset} is malformed")
            }
            Damage::BothSlots => write!(f, "both slots are damaged"),
            Damage::Streams => write!(f, "the list of streams is malformed"),
        }
    }
}
