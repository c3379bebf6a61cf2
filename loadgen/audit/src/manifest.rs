//! Reads `audit.toml`: which run a log is of, and what it must add up to.

use std::fs;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;

use super::finding::{AuditError, Finding, Place};
use super::folder;
use super::hash::{Digest, KEYS, hex, unhex};
use super::source::Source;
use super::validators::Voters;

/// Its name.
pub(super) const NAME: &str = "audit.toml";

/// What the log says of itself.
#[derive(Clone, Debug)]
pub(super) struct Manifest {
    pub(super) genesis: Digest,
    pub(super) shards: u32,
    pub(super) claims: Claims,
    /// Who decides about blocks, if somebody does.
    pub(super) voters: Option<Voters>,
    /// `None` while the run runs.
    pub(super) end: Option<End>,
}

/// What the run's assurance rests on: no burst may say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    /// Sessions are numbered below this.
    pub(super) sessions: u64,
    /// Entries that one pair of signatures covers at most: k.
    pub(super) cosign_every: u64,
    /// Proposals that wait for their answers at most.
    pub(super) in_flight: u64,
}

/// What is known of a run that has ended.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) tip: Digest,
    pub(super) height: u64,
    pub(super) l1_transactions: u64,
    pub(super) sessions_opened: u64,
    pub(super) sessions_closed: u64,
    pub(super) payments: u64,
    /// The shards' streams, in order.
    pub(super) shards: Vec<StreamEnd>,
    pub(super) l1: StreamEnd,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamEnd {
    pub(super) segments: u64,
    pub(super) checksum: Digest,
}

impl End {
    pub(super) fn stream(&self, source: Source) -> &StreamEnd {
        match source {
            Source::Shard(shard) => &self.shards[shard as usize],
            Source::L1 => &self.l1,
        }
    }
}

/// More shards than this are none of a run's.
const MOST_SHARDS: u64 = 1 << 16;
/// The lines of so many shards take no more: two each, of 136 bytes at most, after the others.
const MOST_BYTES: u64 = 1024 + 136 * MOST_SHARDS;
/// The one comment that there may be: the first line.
const TITLE: &str = "# An audit log of Duet. `loadgen audit` checks it.";
/// The largest co-sign interval of the protocol.
const MOST_COSIGN_EVERY: u64 = 10_000;

impl Manifest {
    /// Reads the manifest of a folder.
    pub(super) fn read(folder: &Path) -> Result<Manifest, AuditError> {
        let Some((file, length)) = folder::open(folder, NAME)? else {
            return Err(missing(folder));
        };
        if length > MOST_BYTES {
            let most = format!("at most {MOST_BYTES}");
            return Err(Finding::of_file(NAME, "bytes", most, length));
        }
        let mut bytes = Vec::new();
        let read = file.take(MOST_BYTES).read_to_end(&mut bytes);
        read.map_err(AuditError::machine(&folder.join(NAME)))?;
        Lines::of(&bytes)?.manifest()
    }

    /// Whether both are of one run, at whichever times.
    pub(super) fn is_of_same_run(&self, other: &Manifest) -> bool {
        let run = |of: &Manifest| (of.genesis, of.shards, of.claims, of.voters);
        run(self) == run(other)
    }
}

/// A folder without a manifest: no audit log, unless there is one.
fn missing(folder: &Path) -> AuditError {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = names.map(|entry| entry.file_name());
    if names.any(|name| folder::is_segment(&name.to_string_lossy())) {
        return Finding::of_file(NAME, "the manifest", "a file", "none");
    }
    AuditError::Input(format!(
        "'{}' is no audit log: there is no {NAME} in it",
        folder.display()
    ))
}

/// The lines that are left to read, each exactly where the writer puts it.
struct Lines<'a> {
    rest: &'a str,
    offset: u64,
}

impl<'a> Lines<'a> {
    /// Checks the checksum in the last line over all that stands before.
    fn of(bytes: &'a [u8]) -> Result<Lines<'a>, AuditError> {
        let whole = |what, found: &str| {
            Finding::of_file(NAME, what, "what `loadgen run --audit-log` writes", found)
        };
        let text =
            str::from_utf8(bytes).map_err(|_| whole("its text", "bytes that are no text"))?;
        let last = text.len().checked_sub("checksum = \"\"\n".len() + 64);
        let last = last.filter(|last| text.is_char_boundary(*last));
        let (rest, last) = last
            .map(|last| text.split_at(last))
            .ok_or_else(|| whole("its last line", "too short a file"))?;
        let expected = format!(
            "checksum = \"{}\"\n",
            hex(&KEYS.manifest.hash(&[rest.as_bytes()]))
        );
        if last != expected {
            return Err(Finding::of_file(
                NAME,
                "its last line",
                expected.trim(),
                last.trim(),
            ));
        }
        Ok(Lines { rest, offset: 0 })
    }

    fn manifest(mut self) -> Result<Manifest, AuditError> {
        if self.rest.starts_with('#') {
            let title = self.line()?;
            if title != TITLE {
                return Err(self.finding("the first line", TITLE, title));
            }
        }
        self.exactly("format", "1")?;
        let state = self.text("state")?;
        let genesis = self.digest("genesis")?;
        let shards = self.within("shards", 1..=MOST_SHARDS)?;
        let claims = Claims {
            sessions: self.number("sessions")?,
            cosign_every: self.within("cosign_every", 1..=MOST_COSIGN_EVERY)?,
            in_flight: self.within("in_flight", 1..=u64::from(u32::MAX))?,
        };
        let voters = match self.rest.starts_with("validators = ") {
            true => Some(Voters {
                validators: self.within("validators", 1..=u64::from(u16::MAX))?,
                keys: self.digest("validator_keys")?,
            }),
            false => None,
        };
        let end = match state {
            "complete" => Some(End {
                tip: self.digest("tip")?,
                height: self.number("height")?,
                l1_transactions: self.number("l1_transactions")?,
                sessions_opened: self.within("sessions_opened", 0..=claims.sessions)?,
                sessions_closed: self.number("sessions_closed")?,
                payments: self.number("payments")?,
                shards: (0..shards as u32)
                    .map(|shard| self.stream(Source::Shard(shard)))
                    .collect::<Result<_, _>>()?,
                l1: self.stream(Source::L1)?,
            }),
            "running" => None,
            _ => return Err(self.finding("state", "complete or running", state)),
        };
        if !self.rest.is_empty() {
            return Err(self.finding("lines left", 0, self.rest.lines().count()));
        }
        Ok(Manifest {
            genesis,
            shards: shards as u32,
            claims,
            voters,
            end,
        })
    }

    fn stream(&mut self, source: Source) -> Result<StreamEnd, AuditError> {
        let name = source.name();
        Ok(StreamEnd {
            // A stream that nothing was written to has one segment all the same.
            segments: self.within(&format!("{name}.segments"), 1..=u64::MAX)?,
            checksum: self.digest(&format!("{name}.checksum"))?,
        })
    }

    fn exactly(&mut self, key: &str, expected: &str) -> Result<(), AuditError> {
        let value = self.value(key)?;
        if value == expected {
            Ok(())
        } else {
            Err(self.finding("the format", expected, value))
        }
    }

    /// A number that makes sense.
    fn within(&mut self, key: &str, bounds: RangeInclusive<u64>) -> Result<u64, AuditError> {
        let number = self.number(key)?;
        if bounds.contains(&number) {
            return Ok(number);
        }
        let expected = format!("{key} = {} to {}", bounds.start(), bounds.end());
        Err(self.finding("a number", expected, number))
    }

    fn number(&mut self, key: &str) -> Result<u64, AuditError> {
        let value = self.value(key)?;
        let number = value.parse::<u64>().ok();
        let number = number.filter(|number| number.to_string() == value);
        number.ok_or_else(|| self.finding("a number", format!("{key} = a number"), value))
    }

    fn digest(&mut self, key: &str) -> Result<Digest, AuditError> {
        let value = self.text(key)?;
        unhex(value)
            .ok_or_else(|| self.finding("a digest", format!("{key} = 64 hex digits"), value))
    }

    fn text(&mut self, key: &str) -> Result<&'a str, AuditError> {
        let value = self.value(key)?;
        let text = value
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        text.ok_or_else(|| self.finding("a text", format!("{key} = \"…\""), value))
    }

    fn value(&mut self, key: &str) -> Result<&'a str, AuditError> {
        let line = self.line()?;
        let value = line
            .strip_prefix(key)
            .and_then(|line| line.strip_prefix(" = "));
        value.ok_or_else(|| self.finding("a line", format!("{key} = …"), line))
    }

    fn line(&mut self) -> Result<&'a str, AuditError> {
        let Some((line, rest)) = self.rest.split_once('\n') else {
            return Err(self.finding("a line", "one more", "none"));
        };
        self.offset += line.len() as u64 + 1;
        self.rest = rest;
        Ok(line)
    }

    /// About the line that was read last.
    fn finding(
        &self,
        what: &'static str,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> AuditError {
        Place {
            file: NAME,
            offset: Some(self.offset),
        }
        .finding(what, expected, found)
    }
}
