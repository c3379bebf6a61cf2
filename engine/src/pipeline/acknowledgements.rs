//! The file of acknowledgements: one line per channel and wave, written when its payments are
//! acknowledged, so that a recovery can be checked against what somebody outside was told.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::run::RunError;
use crate::protocol::ChannelId;

/// One shard's way to the file, which all shards append to.
pub(super) struct Acknowledgements {
    path: PathBuf,
    file: File,
    lines: Vec<u8>,
}

impl Acknowledgements {
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
