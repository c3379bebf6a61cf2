//! The file of acknowledgements: one line per channel and wave, written when its payments are
//! acknowledged, so that a recovery can be checked against what somebody outside was told.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::RunError;
use duet_channels::crypto::Digest;
use duet_channels::protocol::ChannelId;

/// A channel in hexadecimal digits.
const CHANNEL: usize = 64;
/// A channel, a space, and a version.
const LONGEST_LINE: usize = CHANNEL + 1 + 20;

/// One shard's way to the file, which all shards append to.
pub(super) struct Acknowledgements {
    path: PathBuf,
    file: File,
    lines: Vec<u8>,
}

impl Acknowledgements {
    /// Takes off a last line that has no end, before any shard opens the file: who wrote it ended,
    /// or its disk was full, in the midst of it. A pipe or a device keeps what it was given.
    ///
    /// # Errors
    /// If the file ends with anything else: then it is somebody else's, and stays as it is. If the
    /// last one is of a channel that this run `has_had` not, it is another run's.
    pub(super) fn mend(path: &Path, has_had: impl Fn(&ChannelId) -> bool) -> Result<(), RunError> {
        let mended = || {
            let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
            if !is_file {
                return Ok(Ok(()));
            }
            let refused = |error: fn(PathBuf) -> RunError| Ok(Err(error(path.to_owned())));
            let mut file = OpenOptions::new().read(true).write(true).open(path)?;
            let length = file.seek(SeekFrom::End(0))?;
            // A whole line, with the end of the one before, and a torn one.
            let from = length.saturating_sub(2 * LONGEST_LINE as u64 + 2);
            let mut tail = Vec::new();
            file.seek(SeekFrom::Start(from))?;
            file.read_to_end(&mut tail)?;
            let Some((whole, torn)) = last_line(&tail) else {
                return match tail.is_empty() {
                    true => Ok(Ok(())),
                    false => refused(RunError::NotAcknowledgements),
                };
            };
            if !(is_line(whole) && is_torn(torn)) {
                return refused(RunError::NotAcknowledgements);
            }
            if !channel(whole).is_some_and(|channel| has_had(&channel)) {
                return refused(RunError::OthersAcknowledgements);
            }
            if !torn.is_empty() {
                file.set_len(length - torn.len() as u64)?;
            }
            Ok(Ok(()))
        };
        mended().unwrap_or_else(|source| Err(failed(path, &source)))
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

/// The channel that a line begins with.
fn channel(line: &[u8]) -> Option<ChannelId> {
    let mut bytes = [0; CHANNEL / 2];
    for (byte, digits) in bytes.iter_mut().zip(line.chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(ChannelId(Digest(bytes)))
}

/// The last whole line of some bytes, and what follows it; none if they end no line.
fn last_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n')?;
    let before = bytes[..end].iter().rposition(|byte| *byte == b'\n');
    let start = before.map_or(0, |before| before + 1);
    Some((&bytes[start..end], &bytes[end + 1..]))
}

/// Whether these bytes are a line as [`Acknowledgements::note`] writes it.
fn is_line(bytes: &[u8]) -> bool {
    bytes.len() > CHANNEL + 1 && is_torn(bytes)
}

/// Whether these bytes are the beginning of such a line.
fn is_torn(bytes: &[u8]) -> bool {
    let (channel, rest) = bytes.split_at(bytes.len().min(CHANNEL));
    let is_channel = channel
        .iter()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_version = match rest {
        [] => true,
        [b' ', version @ ..] => version.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_channel && is_version && bytes.len() <= LONGEST_LINE
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
        let many = line.repeat(10);
        let ours = [
            (String::new(), ""),
            (line.clone(), &line[..]),
            (torn(1), &line),
            (torn(64), &line),
            (torn(65), &line),
            (torn(66), &line),
            (format!("{many}{}", &line[..30]), &many),
        ];
        let not_ours = [
            "my notes\nbeef",
            "my notes\n",
            "notes of mine",
            "2024 10",
            "beef",
            "\n",
            &"a".repeat(5000),
            &format!("{line}\n"),
            &format!("{line}2024 10"),
            &format!("{line}BEEF"),
            &format!("{line}{line}beefs"),
            &format!("{line}{}", line[..65].replace(' ', "a")),
            &format!("{}123456789012345678901", &line[..65]),
            &format!("{line}{}123456789012345678901", &line[..65]),
        ];
        let not_ours = not_ours.map(|text| (text.to_owned(), text));
        for (at, (before, after)) in ours.iter().chain(&not_ours).enumerate() {
            std::fs::write(&path, before).expect("a temporary file");
            let mended = Acknowledgements::mend(&path, |_| true);
            let expected = match at < ours.len() {
                true => Ok(()),
                false => Err(RunError::NotAcknowledgements(path.clone())),
            };
            assert_eq!(mended, expected, "{before:?}");
            let found = std::fs::read_to_string(&path).expect("it is there");
            assert_eq!(found, *after, "{before:?}");
        }
        std::fs::remove_file(&path).expect("it is there");
        Acknowledgements::mend(&path, |_| false).expect("there is nothing to mend");
        std::fs::write(&path, &line).expect("a temporary file");
        let others = Acknowledgements::mend(&path, |of| !line.starts_with(&of.0.to_string()));
        assert_eq!(others, Err(RunError::OthersAcknowledgements(path.clone())));
        std::fs::remove_file(&path).expect("it is there");
    }
}
