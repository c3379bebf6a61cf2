//! The file of acknowledgements: one line per channel and wave, written when its payments are
//! acknowledged, so that a recovery can be checked against what somebody outside was told.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::run::RunError;
use crate::protocol::ChannelId;

/// A channel in hexadecimal digits, a space, and a version.
const LONGEST_LINE: usize = 64 + 1 + 20;

/// One shard's way to the file, which all shards append to.
pub(super) struct Acknowledgements {
    path: PathBuf,
    file: File,
    lines: Vec<u8>,
}

impl Acknowledgements {
    /// Takes off a last line that has no end, before any shard opens the file: who wrote it ended, or its
    /// disk was full, in the midst of it. A pipe or a device keeps what it was given.
    pub(super) fn mend(path: &Path) -> Result<(), RunError> {
        let mended = || {
            let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
            if !is_file {
                return Ok(());
            }
            let mut file = OpenOptions::new().read(true).write(true).open(path)?;
            let length = file.seek(SeekFrom::End(0))?;
            // Longer than any line.
            let from = length.saturating_sub(LONGEST_LINE as u64 + 1);
            let mut tail = Vec::new();
            file.seek(SeekFrom::Start(from))?;
            file.read_to_end(&mut tail)?;
            let last = tail.iter().rposition(|byte| *byte == b'\n');
            let torn = &tail[last.map_or(0, |last| last + 1)..];
            let is_ours = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b' ';
            let whole_file_or_line = last.is_some() || from == 0;
            if whole_file_or_line && torn.iter().all(is_ours) {
                file.set_len(length - torn.len() as u64)?;
            }
            Ok(())
        };
        mended().map_err(|source| failed(path, &source))
    }

    /// Opens the file for appending; it is made if it is not there.
    pub(super) fn open(path: &Path) -> Result<Acknowledgements, RunError> {
        let opened = OpenOptions::new().create(true).append(true).open(path);
        let file = opened.map_err(|source| failed(path, &source))?;
        Ok(Acknowledgements {
            path: path.to_owned(),
            file,
            lines: Vec::new(),
        })
    }

    /// Notes that a channel's payer holds this version, signed by both.
    pub(super) fn note(&mut self, channel: &ChannelId, version: u64) {
        let written = writeln!(self.lines, "{} {version}", channel.0);
        written.expect("a vector takes all that is written");
    }

    /// Appends what was noted, in one write.
    pub(super) fn release(&mut self) -> Result<(), RunError> {
        let written = self.file.write_all(&self.lines);
        self.lines.clear();
        written.map_err(|source| failed(&self.path, &source))
    }
}

fn failed(path: &Path, source: &io::Error) -> RunError {
    RunError::File {
        path: path.to_owned(),
        problem: source.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_torn_goes_and_nothing_else_does() {
        let path = std::env::temp_dir().join(format!("duet-acks-{}", std::process::id()));
        let line = format!("{} 7\n", "ab".repeat(32));
        let torn = |bytes: usize| format!("{line}{}", &line[..bytes]);
        for (before, after) in [
            (String::new(), ""),
            (line.clone(), &line[..]),
            (torn(1), &line),
            (torn(65), &line),
            (torn(66), &line),
            (line[..20].to_owned(), ""),
            // Somebody else's.
            ("notes of mine".to_owned(), "notes of mine"),
            ("a".repeat(5000), &"a".repeat(5000)),
        ] {
            std::fs::write(&path, &before).expect("a temporary file");
            Acknowledgements::mend(&path).expect("a file like any other");
            let found = std::fs::read_to_string(&path).expect("it is there");
            assert_eq!(found, after, "{before:?}");
        }
        std::fs::remove_file(&path).expect("it is there");
        Acknowledgements::mend(&path).expect("there is nothing to mend");
    }
}
