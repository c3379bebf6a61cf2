//! One stream's files. A segment is a header and chunks; each chunk's checksum covers the one
//! before, and a segment's header names the last checksum of the segment before: a file that is
//! missing, cut, damaged or exchanged is noticed. Knows nothing of what the chunks say.
//!
//! | part | bytes |
//! | --- | --- |
//! | header | `"DUETAUD1" · stream u32 · 0 u32 · number u64 · genesis 32 · previous 32 · checksum 32` |
//! | chunk | `length u32 · kind u32 · checksum 32 · payload` |
//!
//! The header's checksum is BLAKE3, keyed for its purpose, of what stands before it; a chunk's is
//! over the checksum before, `length ‖ kind` and the payload. Kind 1 has records, kind 2 ends the
//! segment. No file that is there already is written to or followed: the folder was empty.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use rustix::fs::OFlags;

use super::TranscriptError;
use duet_base::folder::Folder;
use duet_channels::crypto::Digest;

/// From which BLAKE3 derives the key of all checksums.
const CONTEXT: &str = "duet 2026-11 audit log";
const MAGIC: [u8; 8] = *b"DUETAUD1";
const RECORDS: u32 = 1;
const END: u32 = 2;
/// A chunk's payload has no more bytes: an auditor reads one at a time.
pub(super) const MOST_CHUNK_BYTES: usize = 16 << 20;

/// Which stream: a shard's, or Layer 1's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Shard(u32),
    L1,
}

impl Source {
    fn number(self) -> u32 {
        match self {
            Source::Shard(shard) => shard,
            Source::L1 => u32::MAX,
        }
    }

    /// How its files' names begin.
    pub(super) fn name(self) -> String {
        match self {
            Source::Shard(shard) => format!("shard-{shard}"),
            Source::L1 => "l1".to_owned(),
        }
    }
}

/// One stream, in the segment that is being written.
pub(super) struct Stream {
    source: Source,
    folder: Arc<Folder>,
    genesis: Digest,
    segment_bytes: u64,
    /// Of the segment that is open.
    number: u64,
    file: File,
    written: u64,
    key: [u8; 32],
    checksum: [u8; 32],
}

/// How a stream ended.
pub(super) struct Ended {
    pub(super) source: Source,
    pub(super) segments: u64,
    /// Of its last segment's last chunk.
    pub(super) checksum: Digest,
}

impl Stream {
    /// Begins a stream's first segment.
    pub(super) fn begin(
        source: Source,
        folder: &Arc<Folder>,
        genesis: &Digest,
        segment_bytes: u64,
    ) -> Result<Stream, TranscriptError> {
        let file = create(folder, &name(source, 0, PART))?;
        let mut stream = Stream {
            source,
            folder: Arc::clone(folder),
            genesis: *genesis,
            segment_bytes,
            number: 0,
            file,
            written: 0,
            key: blake3::derive_key(CONTEXT, &[]),
            checksum: [0; 32],
        };
        stream.head()?;
        Ok(stream)
    }

    /// Appends a chunk of records; a full segment is closed, and the next one begun.
    pub(super) fn append(&mut self, payload: &[u8]) -> Result<(), TranscriptError> {
        if self.written >= self.segment_bytes {
            self.close()?;
            self.number += 1;
            self.file = create(&self.folder, &self.name(PART))?;
            self.head()?;
        }
        self.chunk(RECORDS, payload)
    }

    /// Closes the last segment.
    pub(super) fn end(mut self) -> Result<Ended, TranscriptError> {
        self.close()?;
        Ok(Ended {
            source: self.source,
            segments: self.number + 1,
            checksum: Digest(self.checksum),
        })
    }

    fn head(&mut self) -> Result<(), TranscriptError> {
        let mut bytes = Vec::with_capacity(120);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.source.number().to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.genesis.0);
        bytes.extend_from_slice(&self.checksum);
        self.checksum = *blake3::keyed_hash(&self.key, &bytes).as_bytes();
        bytes.extend_from_slice(&self.checksum);
        self.written = 0;
        self.write(&bytes)
    }

    fn chunk(&mut self, kind: u32, payload: &[u8]) -> Result<(), TranscriptError> {
        let length = payload.len();
        assert!(length <= MOST_CHUNK_BYTES, "a chunk of {length} bytes");
        let length = length as u32;
        let mut head = [0; 40];
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..8].copy_from_slice(&kind.to_le_bytes());
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&self.checksum).update(&head[..8]);
        self.checksum = *hasher.update(payload).finalize().as_bytes();
        head[8..].copy_from_slice(&self.checksum);
        self.write(&head)?;
        self.write(payload)
    }

    fn close(&mut self) -> Result<(), TranscriptError> {
        self.chunk(END, &[])?;
        let (part, whole) = (self.name(PART), self.name(WHOLE));
        let renamed = self.folder.rename(&part, &whole);
        renamed.map_err(TranscriptError::of(&self.folder.path(&part)))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), TranscriptError> {
        self.written += bytes.len() as u64;
        let written = self.file.write_all(bytes);
        written.map_err(|error| TranscriptError::of(&self.folder.path(&self.name(PART)))(error))
    }

    fn name(&self, ending: &str) -> String {
        name(self.source, self.number, ending)
    }
}

/// A segment that is being written, and one that is whole: an auditor may take it, and delete it.
const PART: &str = "part";
const WHOLE: &str = "audit";

fn name(source: Source, number: u64, ending: &str) -> String {
    format!("{}-{number:06}.{ending}", source.name())
}

fn create(folder: &Folder, name: &str) -> Result<File, TranscriptError> {
    let created = folder.create_new(name);
    created.map_err(TranscriptError::of(&folder.path(name)))
}

/// Makes a whole segment durable. An auditor that follows may have deleted it; what somebody has
/// put in its place is not followed or waited for.
pub(super) fn sync(folder: &Folder, name: &str) -> io::Result<()> {
    match folder.open_file(name, OFlags::RDONLY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => opened?.sync_all(),
    }
}

/// The whole segments of a stream that ended, those that somebody has deleted included.
pub(super) fn names(ended: &Ended) -> impl Iterator<Item = String> {
    let source = ended.source;
    (0..ended.segments).map(move |number| name(source, number, WHOLE))
}
