//! Files that a person names to be read: plain ones, pipes and devices, through links. Each kind
//! has a greatest length, so that no file takes more memory than it is worth. Says while one is
//! being read, so that a signal can end what may never come; sets no handler itself.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// How long a file of one kind may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its bytes at most.
    pub bytes: u64,
    /// What it is, for people, as in "a run file".
    pub kind: &'static str,
}

/// The file at `path`, or standard input if that is `-`.
///
/// # Errors
/// If it cannot be read, or is longer than its kind may be.
pub fn read(path: &Path, limit: Limit) -> io::Result<Vec<u8>> {
    let _reading = Reading::begin()?;
    if path == Path::new("-") {
        limit.read(io::stdin().lock())
    } else {
        limit.read(open(path)?)
    }
}

/// Opens a file to be read; a folder is refused at once, and in words.
///
/// # Errors
/// If it cannot be opened.
pub fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

impl Limit {
    /// All bytes of a source.
    ///
    /// # Errors
    /// If it cannot be read, or has more than it may.
    pub fn read(self, source: impl Read) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        source.take(self.bytes + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > self.bytes {
            return Err(self.exceeded());
        }
        Ok(bytes)
    }

    /// What is said of a file that is too long.
    #[must_use]
    pub fn exceeded(self) -> io::Error {
        let Limit { bytes, kind } = self;
        let text = format!("it is longer than {bytes} bytes, which is the most for {kind}");
        io::Error::new(io::ErrorKind::FileTooLarge, text)
    }
}

/// As long as one lives, the process does nothing but read what a person named.
#[derive(Debug)]
pub struct Reading(());

static READING: AtomicUsize = AtomicUsize::new(0);
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

impl Reading {
    /// From here on an interrupt may end the process.
    ///
    /// # Errors
    /// If one came before: what would be read might never come, and nobody would end it.
    pub fn begin() -> io::Result<Reading> {
        READING.fetch_add(1, Ordering::SeqCst);
        let reading = Reading(());
        if INTERRUPTED.load(Ordering::SeqCst) {
            let said = "interrupted before it was read";
            return Err(io::Error::new(io::ErrorKind::Interrupted, said));
        }
        Ok(reading)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        READING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// For a signal's handler: whether the process may end at once, because it only reads. If not,
/// nothing is read from now on.
pub fn interrupt() -> bool {
    INTERRUPTED.store(true, Ordering::SeqCst);
    READING.load(Ordering::SeqCst) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit {
        bytes: 5,
        kind: "a word",
    };

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("word");
        for (text, expected) in [("", Some("")), ("12345", Some("12345")), ("123456", None)] {
            std::fs::write(&path, text).unwrap();
            let found = read(&path, LIMIT);
            match expected {
                Some(text) => assert_eq!(found.unwrap(), text.as_bytes()),
                None => assert_eq!(
                    found.unwrap_err().to_string(),
                    "it is longer than 5 bytes, which is the most for a word"
                ),
            }
        }
    }

    #[test]
    fn what_has_no_end_is_refused_and_a_folder_at_once() {
        let endless = read(Path::new("/dev/zero"), LIMIT).unwrap_err();
        assert_eq!(endless.kind(), io::ErrorKind::FileTooLarge);
        assert!(read(Path::new("/dev/null"), LIMIT).unwrap().is_empty());
        let folder = read(Path::new("/"), LIMIT).unwrap_err();
        assert_eq!(folder.kind(), io::ErrorKind::IsADirectory);
    }
}
