//! Copies both executables, and A once more, side by side before the first run: a build that goes
//! on meanwhile changes nothing, and all three are started from paths of the same length, which is
//! known to move timings. Removed on drop.

use std::fs;
use std::path::{Path, PathBuf};

use duet_experiment::Failure;
use tempfile::TempDir;

use crate::schedule::Contender;

/// The three executables of a session.
#[derive(Debug)]
pub struct Snapshot {
    folder: TempDir,
}

impl Snapshot {
    /// Copies `a` twice and `b` once, with their permissions.
    ///
    /// # Errors
    /// A machine fault if a file cannot be read or the copy not be written.
    pub fn take(a: &Path, b: &Path) -> Result<Self, Failure> {
        let folder = temporary_folder()?;
        let snapshot = Self { folder };
        for (contender, source) in [(Contender::A, a), (Contender::B, b), (Contender::ACopy, a)] {
            copy(source, &snapshot.executable(contender))?;
        }
        Ok(snapshot)
    }

    /// Where a contender's executable lies.
    #[must_use]
    pub fn executable(&self, contender: Contender) -> PathBuf {
        let folder = (contender.index() + 1).to_string();
        self.folder.path().join(folder).join("loadgen")
    }

    /// Whether A and B are the same bytes.
    ///
    /// # Errors
    /// A machine fault if they cannot be read back.
    pub fn a_is_b(&self) -> Result<bool, Failure> {
        let read = |contender| fs::read(self.executable(contender));
        let same = read(Contender::A).and_then(|a| Ok(a == read(Contender::B)?));
        same.map_err(|error| Failure::machine_fault(format!("cannot read the copies: {error}")))
    }
}

/// A folder that is gone when dropped.
///
/// # Errors
/// A machine fault if there can be none.
pub fn temporary_folder() -> Result<TempDir, Failure> {
    TempDir::with_prefix("duet-bench-")
        .map_err(|error| Failure::machine_fault(format!("no temporary folder: {error}")))
}

/// Copies an executable with its permissions, into a folder that is made.
///
/// # Errors
/// A machine fault if it cannot be read or the copy not be written.
pub fn copy(source: &Path, copy: &Path) -> Result<(), Failure> {
    let made = copy.parent().map_or(Ok(()), fs::create_dir_all);
    let copied = made.and_then(|()| fs::copy(source, copy).map(drop));
    copied.map_err(|error| {
        let (source, copy) = (source.display(), copy.display());
        Failure::machine_fault(format!("cannot copy {source} to {copy}: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_outlive_their_sources_and_are_compared() {
        let sources = TempDir::new().unwrap();
        let (a, b) = (sources.path().join("a"), sources.path().join("b"));
        fs::write(&a, "one").unwrap();
        fs::write(&b, "two").unwrap();
        let snapshot = Snapshot::take(&a, &b).unwrap();
        assert!(!snapshot.a_is_b().unwrap());
        fs::write(&a, "changed").unwrap();
        for contender in [Contender::A, Contender::ACopy] {
            assert_eq!(fs::read(snapshot.executable(contender)).unwrap(), b"one");
        }
        assert!(Snapshot::take(&b, &b).unwrap().a_is_b().unwrap());
        assert!(Snapshot::take(&sources.path().join("gone"), &b).is_err());
    }

    #[test]
    fn all_three_paths_have_the_same_length() {
        let source = tempfile::NamedTempFile::new().unwrap();
        let snapshot = Snapshot::take(source.path(), source.path()).unwrap();
        let lengths = Contender::ALL.map(|c| snapshot.executable(c).as_os_str().len());
        assert!(lengths.iter().all(|length| *length == lengths[0]));
    }
}
