//! How far an earlier audit of the same log had come: how far each stream was read, and where each
//! channel's log stood. The auditor's own word, in a file that the auditor names, outside of
//! the log's folder: whoever wrote the log must not be able to write it.
//!
//! `"DUETCHK3" · genesis 32 · height u64 · block 32 · sessions u64 · k u64 · in flight u64 · sample
//! · streams u32 · streams · checksum 32`, the block being Layer 1's at that height, and what
//! follows it the manifest's claims. A sample is `kind u64 · size u64 · salt's origin u64 · salt 32
//! · chosen by the log's writer u64`: the sessions that every pass has looked at in full. A stream
//! is `next segment u64 · last checksum 32 · entries u64 · bursts u64 · bytes u64 · signatures u64
//! · verified u64 · largest interval u64 · most at risk u64 · most in flight u64 · logs u64` and
//! per log `channel u32 · session u64 · version u64 · balance of A u64 · head 32`; a log that has
//! ended as Layer 1 closed it has nothing but zeros after its channel. Channels are counted in the
//! order in which Layer 1 opened them.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use duet_terminal::output::{Over, Readers, write_atomically_in};

use super::burst::Largest;
use super::bytes::Reader;
use super::finding::{AuditError, Finding, Place};
use super::hash::{Digest, KEYS, hex};
use super::ledger::Ledger;
use super::manifest::Claims;
use super::sample::{Rule, Salt, SampleSize};
use super::stream::{Counts, Log, Running, Stream};

const MAGIC: [u8; 8] = *b"DUETCHK3";
/// All but the streams.
const FRAME_BYTES: u64 = SAMPLE_AT + SAMPLE_BYTES + 4 + 32;
/// What stands before the sample, and it.
const SAMPLE_AT: u64 = 8 + 32 + 8 + 32 + 3 * 8;
const SAMPLE_BYTES: u64 = 3 * 8 + 32 + 8;
const STREAM_BYTES: u64 = 8 + 32 + 9 * 8;
const LOG_BYTES: u64 = 4 + 3 * 8 + 32;
/// No log has more entries or bytes in a stream.
const MOST_COUNTED: u64 = 1 << 60;

/// What an earlier audit has come to.
pub(super) struct Kept {
    pub(super) streams: Vec<Stream>,
    pub(super) looked: Looked,
}

/// Whose signatures passes have verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looked {
    /// The sessions that each of them has looked at in full, as far as it read.
    pub(super) rule: Rule,
    /// Whether the log's writer could choose the sample of one.
    pub(super) writer_chose: bool,
}

impl Looked {
    /// By one pass.
    pub(super) fn by(rule: Rule) -> Looked {
        Looked {
            rule,
            writer_chose: rule.is_of_writer(),
        }
    }

    /// By passes before and one more.
    pub(super) fn and(self, rule: Rule) -> Looked {
        Looked {
            rule: self.rule.and(rule),
            writer_chose: self.writer_chose || rule.is_of_writer(),
        }
    }
}

/// The salt that a checkpoint's passes chose by, if there is one. What it says is checked when it
/// is read as a whole.
pub(super) fn kept_salt(path: &Path) -> Option<Salt> {
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = [0; (SAMPLE_AT + SAMPLE_BYTES) as usize];
    File::open(path).ok()?.read_exact(&mut bytes).ok()?;
    let sample = bytes.strip_prefix(&MAGIC)?;
    let mut reader = Reader::new("", 0, &sample[SAMPLE_AT as usize - MAGIC.len()..]);
    looked(&mut reader).ok()?.rule.salt
}

/// What has a checkpoint's name.
enum There {
    Nothing,
    /// A file that ends with this.
    Checkpoint(Digest),
    /// A link, a pipe, or too short a file.
    Other,
}

/// The file that an auditor has named.
pub(super) struct Checkpoint {
    path: PathBuf,
    /// What findings call it.
    name: String,
    /// The checksum of what this audit read or wrote there last.
    last: Cell<Option<Digest>>,
}

impl Checkpoint {
    /// One that lies outside of the audited folder.
    pub(super) fn outside(path: &Path, folder: &Path) -> Result<Checkpoint, AuditError> {
        let name = path.display().to_string();
        let bad = |why: &str| AuditError::Input(format!("--checkpoint '{name}': {why}"));
        let parent = match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => return Err(bad("expected the name of a file")),
        };
        let parent = fs::canonicalize(parent).map_err(|_| bad("its folder does not exist"))?;
        let folder = fs::canonicalize(folder).map_err(AuditError::machine(folder))?;
        let inside = || {
            bad(
                "expected a file outside of the audited folder: whoever wrote that could have \
                 written it",
            )
        };
        if parent.starts_with(&folder) {
            return Err(inside());
        }
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_symlink() => {
                // Replacing it would leave what it names as it is.
                return Err(bad("expected a plain file, found a link"));
            }
            Ok(metadata) if !metadata.is_file() => return Err(bad("expected a plain file")),
            _ => {}
        }
        Ok(Checkpoint {
            path: path.to_owned(),
            name,
            last: Cell::new(None),
        })
    }

    /// As findings and reports call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Replaces it by how far these streams have come, durably: what it takes the place of may be
    /// deleted when this returns. Gives its length.
    ///
    /// # Errors
    /// If what is there is not what this audit read or wrote last: whoever wrote that may have
    /// deleted what it takes the place of.
    pub(super) fn write(
        &self,
        ledger: &Ledger,
        claims: Claims,
        looked: Looked,
        streams: &[Stream],
    ) -> Result<u64, AuditError> {
        let failed = AuditError::machine(&self.path);
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&ledger.genesis);
        bytes.extend_from_slice(&ledger.height().to_le_bytes());
        bytes.extend_from_slice(&ledger.tip());
        for claim in [claims.sessions, claims.cosign_every, claims.in_flight] {
            bytes.extend_from_slice(&claim.to_le_bytes());
        }
        put_looked(&mut bytes, looked);
        bytes.extend_from_slice(&(streams.len() as u32).to_le_bytes());
        for stream in streams {
            put(&mut bytes, stream);
        }
        let checksum = KEYS.checkpoint.hash(&[&bytes]);
        bytes.extend_from_slice(&checksum);
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let name = self.path.file_name().unwrap_or_default();
        let over = match (self.last.get(), self.there().map_err(&failed)?) {
            // Whoever took it away has no other one there.
            (None, _) | (_, There::Nothing) => Over::Nothing,
            (Some(last), There::Checkpoint(found)) if last == found => Over::Anything,
            (Some(_), There::Checkpoint(_) | There::Other) => {
                return Err(AuditError::Input(format!(
                    "--checkpoint '{}': it is not what this audit left there; expected a file of its \
                     own for each log",
                    self.name
                )));
            }
        };
        // It has the salt, which the log's writer may not know before the end.
        write_atomically_in(folder, name, Readers::Owner, over, |file| {
            file.write_all(&bytes).map_err(&failed)
        })?;
        self.last.set(Some(checksum));
        Ok(bytes.len() as u64)
    }

    /// Whether what this audit left there is there no more.
    pub(super) fn was_moved(&self) -> Result<bool, AuditError> {
        let there = self.there().map_err(AuditError::machine(&self.path))?;
        Ok(match (self.last.get(), there) {
            (Some(last), There::Checkpoint(found)) => last != found,
            (last, _) => last.is_some(),
        })
    }

    /// What has its name.
    fn there(&self) -> io::Result<There> {
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(There::Nothing),
            Ok(there) if there.is_file() && there.len() >= FRAME_BYTES => {}
            Ok(_) => return Ok(There::Other),
            Err(error) => return Err(error),
        }
        let mut checksum = Digest::default();
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::End(-(checksum.len() as i64)))?;
        file.read_exact(&mut checksum)?;
        Ok(There::Checkpoint(checksum))
    }

    /// What an earlier audit left, if there was one: of this Layer 1, whose blocks have been
    /// replayed as far as that audit had come, and of a run that claims the same.
    pub(super) fn read(
        &self,
        shards: u32,
        claims: Claims,
        ledger: &Ledger,
    ) -> Result<Option<Kept>, AuditError> {
        let machine = AuditError::machine(&self.path);
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(machine(error)),
        };
        let name = &self.name;
        let finding = |what, expected: &str, found: &str| {
            Err(Finding::of_file(name.clone(), what, expected, found))
        };
        let logs = ledger.channels.len() as u64;
        let most = FRAME_BYTES + u64::from(shards) * (STREAM_BYTES + logs * LOG_BYTES);
        let mut bytes = Vec::new();
        file.take(most + 1)
            .read_to_end(&mut bytes)
            .map_err(machine)?;
        if bytes.len() as u64 > most {
            let most = format!("at most {most}, which every channel in every stream takes");
            return finding("bytes", &most, "more");
        }
        let Some((content, found)) = bytes.split_last_chunk::<32>() else {
            return finding("bytes", "32 at least", &bytes.len().to_string());
        };
        let checksum = KEYS.checkpoint.hash(&[content]);
        if checksum != *found {
            return finding("its checksum", &hex(&checksum), &hex(found));
        }
        let mut reader = Reader::new(name, 0, content);
        let (magic, genesis): ([u8; 8], Digest) = (reader.take()?, reader.take()?);
        let (height, block): (u64, Digest) = (reader.u64()?, reader.take()?);
        let place = reader.place();
        let kept = Claims {
            sessions: reader.u64()?,
            cosign_every: reader.u64()?,
            in_flight: reader.u64()?,
        };
        if genesis == ledger.genesis && kept != claims {
            let shown = |claims: Claims| {
                let Claims {
                    sessions,
                    cosign_every,
                    in_flight,
                } = claims;
                format!("{sessions} sessions, k {cosign_every} and {in_flight} in flight")
            };
            let expected = format!("{}, as the manifest says", shown(claims));
            return Err(place.finding("the run's claims", expected, shown(kept)));
        }
        let looked = looked(&mut reader)?;
        let place = reader.place();
        let streams = reader.u32()?;
        if magic != MAGIC || genesis != ledger.genesis || streams != shards {
            return Err(place.finding("the run that it is of", "the manifest's", "another"));
        }
        if ledger.block_at(height) != Some(&block) {
            let expected = match ledger.block_at(height) {
                Some(block) => hex(block),
                None => format!("of a height up to {}", ledger.height()),
            };
            let found = format!("{} at height {height}", hex(&block));
            return Err(place.finding("the block that it was made at", expected, found));
        }
        let streams = (0..streams).map(|_| stream(&mut reader, claims, ledger));
        let streams = streams.collect::<Result<_, _>>()?;
        if !reader.is_empty() {
            return Err(reader.place().finding("bytes left", 0, reader.rest().len()));
        }
        self.last.set(Some(checksum));
        Ok(Some(Kept { streams, looked }))
    }
}

/// Kinds of samples, and origins of salts.
const NOBODY: u64 = 0;
const ALL: u64 = 1;
const SESSIONS: u64 = 2;
const SHARE: u64 = 3;
const UNSALTED: u64 = 0;
const DRAWN: u64 = 1;
const GIVEN: u64 = 2;
const NONE: u64 = 3;

fn put_looked(bytes: &mut Vec<u8>, looked: Looked) {
    let Looked { rule, writer_chose } = looked;
    let (kind, size) = match rule.size {
        size if size.is_none() => (NOBODY, 0),
        SampleSize::All => (ALL, 0),
        SampleSize::Sessions(most) => (SESSIONS, most),
        SampleSize::Share(share) => (SHARE, share.to_bits()),
    };
    let (origin, salt) = match rule.salt {
        None => (UNSALTED, [0; 32]),
        Some(Salt::Drawn(salt)) => (DRAWN, salt),
        Some(Salt::Given(salt)) => (GIVEN, salt),
        Some(Salt::None) => (NONE, [0; 32]),
    };
    for number in [kind, size, origin] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&salt);
    bytes.extend_from_slice(&u64::from(writer_chose).to_le_bytes());
}

fn looked(reader: &mut Reader<'_>) -> Result<Looked, AuditError> {
    let place = reader.place();
    let (kind, size) = (reader.u64()?, reader.u64()?);
    let (origin, salt): (u64, [u8; 32]) = (reader.u64()?, reader.take()?);
    let writer_chose = reader.u64()?;
    let share = f64::from_bits(size);
    let size = match kind {
        NOBODY if size == 0 => Some(SampleSize::Sessions(0)),
        ALL if size == 0 => Some(SampleSize::All),
        SESSIONS if size > 0 => Some(SampleSize::Sessions(size)),
        SHARE if share > 0.0 && share <= 1.0 => Some(SampleSize::Share(share)),
        _ => None,
    };
    let salt = match origin {
        UNSALTED => Some(None),
        DRAWN => Some(Some(Salt::Drawn(salt))),
        GIVEN => Some(Some(Salt::Given(salt))),
        NONE => Some(Some(Salt::None)),
        _ => None,
    };
    match (size, salt) {
        (Some(size), Some(salt)) if size.is_part() == salt.is_some() && writer_chose <= 1 => {
            Ok(Looked {
                rule: Rule { size, salt },
                writer_chose: writer_chose == 1,
            })
        }
        _ => {
            let found = format!("kind {kind}, with salt {origin}");
            Err(place.finding("the sample", "one that an audit takes", found))
        }
    }
}

fn put(bytes: &mut Vec<u8>, stream: &Stream) {
    let Counts {
        entries,
        bursts,
        bytes: of_records,
        signatures,
        verified,
    } = stream.counts;
    let Largest {
        interval,
        at_risk,
        in_flight,
    } = stream.largest;
    bytes.extend_from_slice(&stream.segment.to_le_bytes());
    bytes.extend_from_slice(&stream.checksum);
    for count in [
        entries,
        bursts,
        of_records,
        signatures,
        verified,
        interval,
        at_risk,
        in_flight,
        stream.logs.len() as u64,
    ] {
        bytes.extend_from_slice(&count.to_le_bytes());
    }
    for (channel, log) in &stream.logs {
        bytes.extend_from_slice(&channel.to_le_bytes());
        let nothing = Running {
            session: 0,
            version: 0,
            balance_a: 0,
            head: [0; 32],
            batch: 0,
        };
        let running = match log {
            Log::Running(running) => running,
            Log::Settled => &nothing,
        };
        for number in [running.session, running.version, running.balance_a] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&running.head);
    }
}

fn stream(reader: &mut Reader<'_>, claims: Claims, ledger: &Ledger) -> Result<Stream, AuditError> {
    let mut stream = Stream::new();
    (stream.segment, stream.checksum) = (reader.u64()?, reader.take()?);
    let place = reader.place();
    stream.counts = Counts {
        entries: reader.u64()?,
        bursts: reader.u64()?,
        bytes: reader.u64()?,
        signatures: reader.u64()?,
        verified: reader.u64()?,
    };
    stream.rests = stream.counts;
    stream.largest = Largest {
        interval: reader.u64()?,
        at_risk: reader.u64()?,
        in_flight: reader.u64()?,
    };
    let Largest {
        interval,
        in_flight,
        ..
    } = stream.largest;
    if interval > claims.cosign_every || in_flight > claims.in_flight {
        let expected = format!(
            "at most {} and {}, as the manifest claims",
            claims.cosign_every, claims.in_flight
        );
        let found = format!("{interval} and {in_flight}");
        return Err(place.finding("k and in flight", expected, found));
    }
    for _ in 0..reader.u64()? {
        log(reader, claims, ledger, &mut stream.logs)?;
    }
    check_counts(&stream, ledger, place)?;
    Ok(stream)
}

/// Takes one log off: of a channel that Layer 1 has opened, and no further than it was closed at.
fn log(
    reader: &mut Reader<'_>,
    claims: Claims,
    ledger: &Ledger,
    logs: &mut HashMap<u32, Log>,
) -> Result<(), AuditError> {
    let place = reader.place();
    let index = reader.u32()?;
    let running = Running {
        session: reader.u64()?,
        version: reader.u64()?,
        balance_a: reader.u64()?,
        head: reader.take()?,
        batch: 0,
    };
    let Some(channel) = ledger.channels.get(index as usize) else {
        let most = format!("one of the {} that Layer 1 opened", ledger.channels.len());
        return Err(place.finding("a channel", most, format!("number {index}")));
    };
    if running.session >= claims.sessions {
        let most = format!("one of {}, as the manifest claims", claims.sessions);
        return Err(place.finding("a session", most, running.session));
    }
    let log = if running.version == 0 {
        if channel.closed.is_none() {
            return Err(place.finding("a channel", "one that Layer 1 closed", "an open one"));
        }
        Log::Settled
    } else {
        if running.balance_a > channel.capacity {
            let most = format!("at most {}", channel.capacity);
            return Err(place.finding("A's balance", most, running.balance_a));
        }
        Log::Running(running)
    };
    if logs.insert(index, log).is_some() {
        return Err(place.finding("a channel", "each one once", format!("{index} again")));
    }
    Ok(())
}

/// What it counts is what its logs add up to, as far as they say.
fn check_counts(stream: &Stream, ledger: &Ledger, place: Place<'_>) -> Result<(), AuditError> {
    let versions = stream.logs.iter().map(|(index, log)| match log {
        Log::Running(running) => u128::from(running.version),
        Log::Settled => {
            let closed = ledger.channels[*index as usize].closed;
            closed.map_or(0, |closed| u128::from(closed.version))
        }
    });
    let entries: u128 = versions.sum();
    let Counts {
        entries: counted,
        bursts,
        bytes,
        signatures,
        verified,
    } = stream.counts;
    if counted.max(bytes) > MOST_COUNTED {
        let most = format!("at most {MOST_COUNTED} of each");
        let found = format!("{counted} and {bytes}");
        return Err(place.finding("entries and bytes", most, found));
    }
    if entries != u128::from(counted) {
        let expected = format!("{entries}, the sum of its logs' versions");
        return Err(place.finding("entries", expected, counted));
    }
    if bursts > counted || u128::from(signatures) > 2 * entries || verified > signatures {
        let expected = format!("at most {entries}, {} and as many", 2 * entries);
        let found = format!("{bursts}, {signatures} and {verified}");
        let what = "bursts, signatures and those verified";
        return Err(place.finding(what, expected, found));
    }
    Ok(())
}
