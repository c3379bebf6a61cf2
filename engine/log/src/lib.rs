//! A durable, hash-chained log that keeps the newest record of each key.
//!
//! One directory is the log of one run. In it each writer has a *stream* of its own, which shares
//! nothing with the others. A stream gathers records in a [`Batch`]; a commit hands the batch to a
//! thread that writes it, syncs it once, records in the *floor file* that it is durable, and only
//! then acknowledges it. Recovery reads back each key's newest record: whatever was acknowledged is
//! there, or the log is refused with a reason. It is never silently lost.
//!
//! The log carries bytes, knows only hashing, and holds no record in memory. `docs/log.md` has the
//! format, byte by byte, and why each point of a crash is safe.
//!
//! ```no_run
//! use duet_log::{Durability, Files, Log, Options, RunId};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options {
//!     run: RunId([7; 32]),
//!     streams: vec!["shard-0".to_owned()],
//!     ..Options::default()
//! };
//! let log = Log::open(Files::new("run-log")?, options)?;
//! let mut recovered = log.recover(0)?;
//! recovered.for_each(|key, sequence, record| println!("{key} {sequence} {record:?}"))?;
//! let mut stream = recovered.start()?;
//! stream.put(3, b"newest state of channel 3");
//! let sequence = stream.commit()?;
//! stream.wait(sequence)?;
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), warn(clippy::too_many_lines))]

mod batch;
mod committer;
mod directory;
pub mod disk;
mod error;
mod floor;
mod format;
mod index;
mod recover;
mod scan;
mod statistics;
mod stream;
mod window;

pub use batch::Batch;
pub use committer::Committer;
pub use directory::{Log, is_as_new};
pub use disk::{Disk, DiskFile, Files, Foreign};
pub use error::{Damage, LogError};
pub use format::{BLOCK_BYTES, META, RunId, VERSION};
pub use index::Index;
pub use recover::Recovered;
pub use scan::Cut;
pub use statistics::Statistics;
pub use stream::{Closed, Stream};

/// Numbers a stream's batches from 1. 0 is before the first.
pub type Sequence = u64;

/// What an acknowledgement means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The operating system has it: it survives the end of the process, not that of the machine.
    Log,
    /// The disk has it (`fdatasync`).
    #[default]
    Fsync,
}

/// How a log is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose log it is. One of another run is refused.
    pub run: RunId,
    /// The streams' names: letters, digits and `-`, at most 64 of them. A log with others is
    /// refused.
    pub streams: Vec<String>,
    /// Length of a segment. May differ from one opening to the next.
    pub segment_bytes: u64,
    /// Keys are below this. A stream takes 8 bytes for each up to the largest that is used.
    pub key_limit: u32,
    /// What an acknowledgement means.
    pub durability: Durability,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            run: RunId::default(),
            streams: Vec::new(),
            segment_bytes: 64 << 20,
            key_limit: 1 << 26,
            durability: Durability::Fsync,
        }
    }
}
