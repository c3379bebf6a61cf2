//! Reads a stream's segments, chunk by chunk, and holds each against the chain of checksums. Knows
//! nothing of what the chunks say.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::bytes::Reader;
use super::finding::{AuditError, Finding, Place};
use super::hash::{Digest, KEYS, hex};

const MAGIC: [u8; 8] = *b"DUETAUD1";
const HEADER_BYTES: usize = 120;
const CHUNK_HEAD_BYTES: usize = 40;
const RECORDS: u32 = 1;
const END: u32 = 2;

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

    /// The name of a segment that is whole.
    pub(super) fn whole(self, number: u64) -> String {
        format!("{}-{number:06}.audit", self.name())
    }

    /// The name of a segment that is being written.
    pub(super) fn part(self, number: u64) -> String {
        format!("{}-{number:06}.part", self.name())
    }
}

/// One segment, read from its start.
pub(super) struct Segment {
    path: PathBuf,
    pub(super) name: String,
    file: File,
    /// Bytes read, and bytes that there were when it was opened.
    offset: u64,
    bytes: u64,
    /// Of the last chunk, and before the first of the header.
    pub(super) checksum: Digest,
    chunk: Vec<u8>,
    /// It may still be written: its end is where whole chunks end.
    growing: bool,
}

/// What comes next in a segment.
pub(super) enum Next<'a> {
    /// Records, and where they stand.
    Records(Reader<'a>),
    /// Its end.
    End,
    /// No more yet: it is being written.
    Later,
}

impl Segment {
    /// Opens a segment that should be whole, and checks that it follows the one before.
    pub(super) fn open(
        folder: &Path,
        source: Source,
        number: u64,
        genesis: &Digest,
        previous: &Digest,
        chunk: Vec<u8>,
    ) -> Result<Segment, AuditError> {
        let name = source.whole(number);
        let opened = Segment::at(folder, name, false, chunk)?;
        let Some(mut segment) = opened else {
            let name = source.whole(number);
            return Err(Finding::of_file(name, "the segment", "a file", "none"));
        };
        segment.header(source, number, genesis, previous)?;
        Ok(segment)
    }

    /// Opens a segment that is being written, or has just become whole; `None` if there is none, or
    /// not even its header.
    pub(super) fn open_growing(
        folder: &Path,
        source: Source,
        number: u64,
        genesis: &Digest,
        previous: &Digest,
    ) -> Result<Option<Segment>, AuditError> {
        let part = Segment::at(folder, source.part(number), true, Vec::new())?;
        let opened = match part {
            Some(part) => Some(part),
            None => Segment::at(folder, source.whole(number), false, Vec::new())?,
        };
        let Some(mut segment) = opened else {
            return Ok(None);
        };
        if segment.growing && segment.bytes < HEADER_BYTES as u64 {
            return Ok(None);
        }
        segment.header(source, number, genesis, previous)?;
        Ok(Some(segment))
    }

    fn at(
        folder: &Path,
        name: String,
        growing: bool,
        chunk: Vec<u8>,
    ) -> Result<Option<Segment>, AuditError> {
        let path = folder.join(&name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(AuditError::machine(&path)(error)),
        };
        let metadata = file.metadata().map_err(AuditError::machine(&path))?;
        Ok(Some(Segment {
            path,
            name,
            file,
            offset: 0,
            bytes: metadata.len(),
            checksum: [0; 32],
            chunk,
            growing,
        }))
    }

    fn header(
        &mut self,
        source: Source,
        number: u64,
        genesis: &Digest,
        previous: &Digest,
    ) -> Result<(), AuditError> {
        let header: [u8; HEADER_BYTES] = self.read()?;
        let checksum = KEYS.segment.hash(&[&header[..88]]);
        let mut reader = Reader::new(&self.name, 0, &header);
        let expect = |place: Place<'_>, what, expected: String, found: String| {
            if expected == found {
                Ok(())
            } else {
                Err(place.finding(what, expected, found))
            }
        };
        let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let place = reader.place();
        expect(place, "the magic", shown(&MAGIC), shown(reader.bytes(8)?))?;
        let place = reader.place();
        let found = reader.u32()?;
        expect(
            place,
            "the stream",
            source.number().to_string(),
            found.to_string(),
        )?;
        let place = reader.place();
        expect(place, "padding", "0".into(), reader.u32()?.to_string())?;
        let place = reader.place();
        expect(
            place,
            "its number",
            number.to_string(),
            reader.u64()?.to_string(),
        )?;
        let place = reader.place();
        expect(place, "the genesis id", hex(genesis), hex(&reader.take()?))?;
        let place = reader.place();
        expect(
            place,
            "the segment before",
            hex(previous),
            hex(&reader.take()?),
        )?;
        let place = reader.place();
        expect(
            place,
            "the header's checksum",
            hex(&checksum),
            hex(&reader.take()?),
        )?;
        self.checksum = checksum;
        Ok(())
    }

    /// Looks again how much there is.
    pub(super) fn refresh(&mut self) -> Result<(), AuditError> {
        let metadata = self.file.metadata();
        self.bytes = metadata.map_err(AuditError::machine(&self.path))?.len();
        Ok(())
    }

    /// The next chunk.
    pub(super) fn next(&mut self) -> Result<Next<'_>, AuditError> {
        let left = self.bytes - self.offset;
        if self.growing && left < CHUNK_HEAD_BYTES as u64 {
            return Ok(Next::Later);
        }
        let at = self.offset;
        let head: [u8; CHUNK_HEAD_BYTES] = self.read()?;
        let mut reader = Reader::new("", 0, &head);
        let (length, kind) = (reader.u32()?, reader.u32()?);
        let found: Digest = reader.take()?;
        let left = self.bytes - self.offset;
        if u64::from(length) > left {
            if self.growing {
                self.offset = at;
                let start = self.file.seek(SeekFrom::Start(at));
                start.map_err(AuditError::machine(&self.path))?;
                return Ok(Next::Later);
            }
            return Err(self.place(at).finding(
                "the chunk's length",
                format!("at most {left}"),
                length,
            ));
        }
        let length = length as usize;
        if self.chunk.len() < length {
            self.chunk.resize(length, 0);
        }
        let payload = &mut self.chunk[..length];
        self.file
            .read_exact(payload)
            .map_err(AuditError::machine(&self.path))?;
        self.offset += length as u64;
        let checksum = KEYS.segment.hash(&[&self.checksum, &head[..8], payload]);
        if checksum != found {
            let (expected, found) = (hex(&checksum), hex(&found));
            return Err(self
                .place(at)
                .finding("the chunk's checksum", expected, found));
        }
        self.checksum = checksum;
        match kind {
            RECORDS => {
                let start = at + CHUNK_HEAD_BYTES as u64;
                Ok(Next::Records(Reader::new(
                    &self.name,
                    start,
                    &self.chunk[..length],
                )))
            }
            END if length > 0 => Err(self.place(at).finding("the last chunk's length", 0, length)),
            END if self.offset < self.bytes => {
                let found = self.bytes - self.offset;
                Err(self
                    .place(self.offset)
                    .finding("bytes after the end", 0, found))
            }
            END => Ok(Next::End),
            _ => Err(self.place(at).finding("the chunk's kind", "1 or 2", kind)),
        }
    }

    /// Gives the buffer back.
    pub(super) fn into_chunk(self) -> Vec<u8> {
        self.chunk
    }

    fn read<const N: usize>(&mut self) -> Result<[u8; N], AuditError> {
        let left = self.bytes - self.offset;
        if left < N as u64 {
            return Err(self.place(self.offset).finding("bytes left", N, left));
        }
        let mut bytes = [0; N];
        self.file
            .read_exact(&mut bytes)
            .map_err(AuditError::machine(&self.path))?;
        self.offset += N as u64;
        Ok(bytes)
    }

    fn place(&self, offset: u64) -> Place<'_> {
        Place {
            file: &self.name,
            offset: Some(offset),
        }
    }
}
