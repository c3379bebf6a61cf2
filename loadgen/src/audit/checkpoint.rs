//! What takes the place of segments that were deleted: how far each stream was audited, and where
//! each channel's log stood. The auditor's own word, for its own later reading.
//!
//! `"DUETCHK1" · genesis 32 · streams u32 · streams · checksum 32`, a stream being `next segment u64 ·
//! last checksum 32 · entries u64 · bursts u64 · bytes u64 · signatures u64 · logs u64` and per log
//! `channel u32 · session u64 · version u64 · balance of A u64 · head 32`; a log that has ended as Layer 1
//! closed it has nothing but zeros after its channel. Channels are counted in the order in which
//! Layer 1 opened them.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::bytes::Reader;
use super::finding::{AuditError, Finding};
use super::hash::{Digest, KEYS, hex};
use super::ledger::Ledger;
use super::manifest::Manifest;
use super::stream::{Counts, Log, Running, Stream};

const NAME: &str = "audit.checkpoint";
const MAGIC: [u8; 8] = *b"DUETCHK1";

/// Replaces the checkpoint.
pub(super) fn write(folder: &Path, genesis: &Digest, streams: &[Stream]) -> Result<(), AuditError> {
    let path = folder.join(NAME);
    let failed = AuditError::machine(&path);
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(genesis);
    bytes.extend_from_slice(&(streams.len() as u32).to_le_bytes());
    for stream in streams {
        put(&mut bytes, stream);
    }
    let checksum = KEYS.checkpoint.hash(&[&bytes]);
    bytes.extend_from_slice(&checksum);
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(&failed)?;
    file.write_all(&bytes).map_err(&failed)?;
    file.as_file().sync_all().map_err(&failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn put(bytes: &mut Vec<u8>, stream: &Stream) {
    let Counts {
        entries,
        bursts,
        bytes: of_records,
        signatures,
    } = stream.counts;
    bytes.extend_from_slice(&stream.segment.to_le_bytes());
    bytes.extend_from_slice(&stream.checksum);
    for count in [
        entries,
        bursts,
        of_records,
        signatures,
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

/// The streams of an earlier audit, if there was one that deleted.
pub(super) fn read(folder: &Path, manifest: &Manifest) -> Result<Option<Vec<Stream>>, AuditError> {
    let path = folder.join(NAME);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(AuditError::machine(&path)(error)),
    };
    let Some((content, found)) = bytes.split_last_chunk::<32>() else {
        return Err(Finding::of_file(NAME, "bytes", "32 at least", bytes.len()));
    };
    let checksum = KEYS.checkpoint.hash(&[content]);
    if checksum != *found {
        return Err(Finding::of_file(
            NAME,
            "its checksum",
            hex(&checksum),
            hex(found),
        ));
    }
    let mut reader = Reader::new(NAME, 0, content);
    let (magic, genesis): ([u8; 8], Digest) = (reader.take()?, reader.take()?);
    let place = reader.place();
    let streams = reader.u32()?;
    if magic != MAGIC || genesis != manifest.genesis || streams != manifest.shards {
        return Err(place.finding("the run that it is of", "the manifest's", "another"));
    }
    let streams = (0..streams).map(|_| stream(&mut reader));
    let streams = streams.collect::<Result<_, _>>()?;
    if !reader.is_empty() {
        return Err(reader.place().finding("bytes left", 0, reader.rest().len()));
    }
    Ok(Some(streams))
}

/// Checks that the logs of a checkpoint are of channels that Layer 1 has opened.
pub(super) fn check(streams: &[Stream], ledger: &Ledger) -> Result<(), AuditError> {
    let logs = streams.iter().flat_map(|stream| &stream.logs);
    for (index, log) in logs {
        let capacity = ledger.channels.get(*index as usize);
        let capacity = capacity.map(|channel| channel.capacity);
        let balance = match log {
            Log::Running(running) => running.balance_a,
            Log::Settled => 0,
        };
        if capacity.is_none_or(|capacity| balance > capacity) {
            let expected = "one that Layer 1 opened, and balances within it";
            let found = format!("number {index}, A's balance {balance}");
            return Err(Finding::of_file(NAME, "a channel", expected, found));
        }
    }
    Ok(())
}

fn stream(reader: &mut Reader<'_>) -> Result<Stream, AuditError> {
    let (segment, checksum) = (reader.u64()?, reader.take()?);
    let counts = Counts {
        entries: reader.u64()?,
        bursts: reader.u64()?,
        bytes: reader.u64()?,
        signatures: reader.u64()?,
    };
    let mut logs = HashMap::default();
    for _ in 0..reader.u64()? {
        let channel = reader.u32()?;
        let running = Running {
            session: reader.u64()?,
            version: reader.u64()?,
            balance_a: reader.u64()?,
            head: reader.take()?,
            batch: 0,
        };
        let log = if running.version == 0 {
            Log::Settled
        } else {
            Log::Running(running)
        };
        logs.insert(channel, log);
    }
    Ok(Stream {
        segment,
        checksum,
        logs,
        counts,
    })
}
