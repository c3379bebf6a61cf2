//! What the log needs from storage: one flat directory of files. Knows nothing of what is in them.
//!
//! [`Files`] are one; with the feature `simulated`, tests have another that breaks in every way
//! that is known of.

mod files;
#[cfg(any(test, feature = "simulated"))]
mod simulated;

use std::io;

pub use files::Files;
#[cfg(any(test, feature = "simulated"))]
pub use simulated::{Crash, Fault, SimulatedDisk, SimulatedFile};

/// A directory of plain files of its own. Names have no separators in them. What is no such file is
/// never opened: the [`io::Error`] then holds a [`Foreign`].
///
/// A change of the directory itself (a name made, moved or removed) is durable only after
/// [`sync_directory`](Disk::sync_directory), as with POSIX.
pub trait Disk: Send + Sync + 'static {
    /// An open file.
    type File: DiskFile;

    /// Takes the directory itself, for as long as this value lives. False if somebody else has it.
    fn lock(&self) -> io::Result<bool>;

    /// The names of all files, in no order; an error if anything else is there.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes an empty file, in place of whatever has the name: that is not written to.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Opens a file that is there, for reading and writing.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Gives a file another name, in place of a file that may have it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes all changes of names durable.
    fn sync_directory(&self) -> io::Result<()>;
}

/// Why a name is refused: a write to it would reach something outside the directory, or wait.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {found}: expected {expected}")]
pub struct Foreign {
    /// The name in the directory, or the directory's own.
    pub name: String,
    /// What has it, in words.
    pub found: &'static str,
    /// What should have it.
    pub expected: &'static str,
}

impl Foreign {
    /// The one that an error holds, if it does.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Foreign> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Foreign> for io::Error {
    fn from(foreign: Foreign) -> io::Error {
        io::Error::other(foreign)
    }
}

/// An open file of a [`Disk`].
pub trait DiskFile: Send + 'static {
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Fills `bytes` from this offset on; an error if the file ends before.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes`, lengthening the file where needed. Durable only after
    /// [`sync`](DiskFile::sync), and torn at any sector if the machine stops before.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything written durable, and as much of the length as is needed to read it
    /// (`fdatasync`). After an error nothing is known of what was written, and a second call that
    /// succeeds says nothing about it either.
    fn sync(&mut self) -> io::Result<()>;
}
