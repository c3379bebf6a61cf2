//! How far an earlier audit of the same log had come: how far each stream was read, and where each
//! channel's log stood. The auditor's own word, in a file that the auditor names, outside of
//! the log's folder: whoever wrote the log must not be able to write it.
//!
//! `"DUETCHK2" · genesis 32 · height u64 · block 32 · streams u32 · streams · checksum 32`, the block being
//! Layer 1's at that height, and a stream `next segment u64 · last checksum 32 · entries u64 · bursts u64 ·
//! bytes u64 · signatures u64 · largest interval u64 · most at risk u64 · most in flight u64 · logs u64` and
//! per log `channel u32 · session u64 · version u64 · balance of A u64 · head 32`; a log that has ended as
//! Layer 1 closed it has nothing but zeros after its channel. Channels are counted in the order in
//! which Layer 1 opened them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::bytes::Reader;
use super::finding::{AuditError, Finding, Place};
use super::hash::{Digest, KEYS, hex};
use super::ledger::Ledger;
use super::stream::{Counts, Largest, Log, Running, Stream};

const MAGIC: [u8; 8] = *b"DUETCHK2";
/// All but the streams.
const FRAME_BYTES: u64 = 8 + 32 + 8 + 32 + 4 + 32;
const STREAM_BYTES: u64 = 8 + 32 + 8 * 8;
const LOG_BYTES: u64 = 4 + 3 * 8 + 32;
/// No log has more entries or bytes in a stream.
const MOST_COUNTED: u64 = 1 << 60;

/// The file that an auditor has named.
pub(super) struct Checkpoint {
    path: PathBuf,
    /// What findings call it.
    name: String,
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
        })
    }

    /// As findings and reports call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Replaces it by how far these streams have come.
    pub(super) fn write(&self, ledger: &Ledger, streams: &[Stream]) -> Result<(), AuditError> {
        let failed = AuditError::machine(&self.path);
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&ledger.genesis);
        bytes.extend_from_slice(&ledger.height().to_le_bytes());
        bytes.extend_from_slice(&ledger.tip());
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
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(&failed)?;
        file.write_all(&bytes).map_err(&failed)?;
        file.as_file().sync_all().map_err(&failed)?;
        file.persist(&self.path)
            .map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// The streams as an earlier audit left them, if there was one: of this Layer 1, whose blocks
    /// have been replayed as far as that audit had come.
    pub(super) fn read(
        &self,
        shards: u32,
        ledger: &Ledger,
    ) -> Result<Option<Vec<Stream>>, AuditError> {
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
        let streams = (0..streams).map(|_| stream(&mut reader, ledger));
        let streams = streams.collect::<Result<_, _>>()?;
        if !reader.is_empty() {
            return Err(reader.place().finding("bytes left", 0, reader.rest().len()));
        }
        Ok(Some(streams))
    }
}

fn put(bytes: &mut Vec<u8>, stream: &Stream) {
    let Counts {
        entries,
        bursts,
        bytes: of_records,
        signatures,
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

fn stream(reader: &mut Reader<'_>, ledger: &Ledger) -> Result<Stream, AuditError> {
    let mut stream = Stream::new();
    (stream.segment, stream.checksum) = (reader.u64()?, reader.take()?);
    let place = reader.place();
    stream.counts = Counts {
        entries: reader.u64()?,
        bursts: reader.u64()?,
        bytes: reader.u64()?,
        signatures: reader.u64()?,
    };
    stream.rests = stream.counts;
    stream.largest = Largest {
        interval: reader.u64()?,
        at_risk: reader.u64()?,
        in_flight: reader.u64()?,
    };
    for _ in 0..reader.u64()? {
        log(reader, ledger, &mut stream.logs)?;
    }
    check_counts(&stream, ledger, place)?;
    Ok(stream)
}

/// Takes one log off: of a channel that Layer 1 has opened, and no further than it was closed at.
fn log(
    reader: &mut Reader<'_>,
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
    if bursts > counted || u128::from(signatures) > 2 * entries {
        let expected = format!("at most {entries} and {}", 2 * entries);
        let found = format!("{bursts} and {signatures}");
        return Err(place.finding("bursts and signatures", expected, found));
    }
    Ok(())
}
