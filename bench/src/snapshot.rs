//! Copies both executables, and A once more, side by side before the first run: a build that goes
//! on meanwhile changes nothing, and all three are started from paths of the same length, which is
//! known to move timings. Removed on drop.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::Failure;
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
        let folder = TempDir::with_prefix("duet-bench-")
            .map_err(|error| Failure::MachineFault(format!("no temporary folder: {error}")))?;
        let snapshot = Self { folder };
        for (contender, source) in [(Contender::A, a), (Contender::B, b), (Contender::ACopy, a)] {
            snapshot.copy(contender, source)?;
        }
        Ok(snapshot)
    }

    /// Where a contender's executable lies.
    #[must_use]
    pub fn executable(&self, contender: Contender) -> PathBuf {
        let folder = match contender {
            Contender::A => "1",
            Contender::B => "2",
            Contender::ACopy => "3",
        };
        self.folder.path().join(folder).join("loadgen")
    }

    /// Whether A and B are the same bytes.
    ///
    /// # Errors
    /// A machine fault if they cannot be read back.
    pub fn a_is_b(&self) -> Result<bool, Failure> {
        let [a, b] = [Contender::A, Contender::B].map(|contender| self.executable(contender));
        same_bytes(&a, &b)
            .map_err(|error| Failure::MachineFault(format!("cannot read the copies: {error}")))
    }

    fn copy(&self, contender: Contender, source: &Path) -> Result<(), Failure> {
        let copy = self.executable(contender);
        let folder = copy.parent().unwrap_or(self.folder.path());
        fs::create_dir_all(folder)
            .and_then(|()| fs::copy(source, &copy))
            .map(drop)
            .map_err(|error| {
                let (source, copy) = (source.display(), copy.display());
                Failure::MachineFault(format!("cannot copy {source} to {copy}: {error}"))
            })
    }
}

fn same_bytes(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (fs::File::open(one)?, fs::File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let mut others = io::BufReader::new(other).bytes();
    for byte in io::BufReader::new(one).bytes() {
        if others.next().transpose()? != Some(byte?) {
            return Ok(false);
        }
    }
    Ok(true)
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
