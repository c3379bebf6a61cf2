//! The audit log: what both parties of every channel said, and every Layer 1 block, in files that
//! somebody else can check. Written in order, a megabyte at a time, by a thread of its own.
//!
//! It is evidence about a run that has ended, not a means of recovery: nothing waits for it to be
//! durable, and nothing is ever read back here. The formats, byte by byte, and what an audit proves
//! are in `docs/audit.md`; the auditor shares no code with this engine.
//!
//! - `record` writes what is told: bursts, blocks, the genesis.
//! - `segment` writes files: headers, chunks, a chain of checksums over all of a stream.
//! - `writer` has the thread, and the buffers between it and those who record.
//! - `manifest` names the run and what the log must add up to.

mod manifest;
mod record;
mod segment;
mod writer;

use std::io;
use std::path::PathBuf;

pub(crate) use manifest::{Finish, Start};
pub(crate) use record::Burst;
pub(crate) use writer::{Closed, Recorder, Transcript};

/// Where an audit log goes, and how it is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// An empty folder.
    pub folder: PathBuf,
    /// Bytes after which a stream goes on in another file.
    pub segment_bytes: u64,
}

impl Settings {
    /// The longest block, in bytes, that a log takes: an auditor reads no longer chunk.
    pub const MOST_BLOCK_BYTES: u64 = (segment::MOST_CHUNK_BYTES - writer::BLOCK_HEAD_BYTES) as u64;

    /// An audit log in this folder, in segments of 256 MiB.
    #[must_use]
    pub fn new(folder: PathBuf) -> Settings {
        Settings {
            folder,
            segment_bytes: 256 << 20,
        }
    }
}

/// The machine failed to write the audit log: the run that it is of ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("writing the audit log '{path}' failed: {reason}")]
pub struct TranscriptError {
    /// The file or folder.
    pub path: PathBuf,
    /// The system's reason.
    pub reason: String,
}

impl TranscriptError {
    fn of(path: &std::path::Path) -> impl Fn(io::Error) -> TranscriptError {
        |error| TranscriptError {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }
}
