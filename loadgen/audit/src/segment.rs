//! Reads a stream's segments, chunk by chunk, and holds each against the chain of checksums. Knows
//! nothing of what the chunks say, and takes no more memory than the longest chunk may have.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::bytes::Reader;
use super::finding::{AuditError, Finding, Place};
use super::folder;
use super::hash::{Digest, KEYS, hex};
use super::source::Source;

const MAGIC: [u8; 8] = *b"DUETAUD1";
const HEADER_BYTES: usize = 120;
const CHUNK_HEAD_BYTES: usize = 40;
const RECORDS: u32 = 1;
const END: u32 = 2;
/// A chunk's payload has no more bytes.
const MOST_CHUNK_BYTES: u32 = 16 << 20;

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
        let Some((file, bytes)) = folder::open(folder, &name)? else {
            return Ok(None);
        };
        let path = folder.join(&name);
        Ok(Some(Segment {
            path,
            name,
            file,
            offset: 0,
            bytes,
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
        if self.bytes < self.offset {
            let least = format!("at least the {} that were read", self.offset);
            return Err(self.place(self.bytes).finding("bytes", least, self.bytes));
        }
        Ok(())
    }

    /// The next chunk.
    pub(super) fn next(&mut self) -> Result<Next<'_>, AuditError> {
        if self.growing && self.left() < CHUNK_HEAD_BYTES as u64 {
            return Ok(Next::Later);
        }
        let at = self.offset;
        let head: [u8; CHUNK_HEAD_BYTES] = self.read()?;
        let mut reader = Reader::new("", 0, &head);
        let (length, kind) = (reader.u32()?, reader.u32()?);
        let found: Digest = reader.take()?;
        if length > MOST_CHUNK_BYTES {
            return Err(self.place(at).finding(
                "the chunk's length",
                format!("at most {MOST_CHUNK_BYTES}"),
                length,
            ));
        }
        let left = self.left();
        if u64::from(length) > left {
            if self.growing {
                self.offset = at;
                let start = self.file.seek(SeekFrom::Start(at));
                start.map_err(AuditError::machine(&self.path))?;
                return Ok(Next::Later);
            }
            return Err(self.place(at).finding(
                "the chunk's length",
                format!("at most the {left} bytes left"),
                length,
            ));
        }
        let length = length as usize;
        if self.chunk.len() < length {
            self.chunk.resize(length, 0);
        }
        let payload = &mut self.chunk[..length];
        let filled = self.file.read_exact(payload);
        filled.map_err(unread(&self.path, &self.name, self.offset))?;
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
            RECORDS if length == 0 => {
                Err(self
                    .place(at)
                    .finding("the chunk's length", "at least 1", 0))
            }
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
        let left = self.left();
        if left < N as u64 {
            return Err(self.place(self.offset).finding("bytes left", N, left));
        }
        let mut bytes = [0; N];
        let filled = self.file.read_exact(&mut bytes);
        filled.map_err(unread(&self.path, &self.name, self.offset))?;
        self.offset += N as u64;
        Ok(bytes)
    }

    /// Bytes that are not read yet.
    fn left(&self) -> u64 {
        self.bytes - self.offset
    }

    fn place(&self, offset: u64) -> Place<'_> {
        Place {
            file: &self.name,
            offset: Some(offset),
        }
    }
}

/// Why bytes that were there could not be read: somebody has cut the file, or the machine failed.
fn unread(path: &Path, file: &str, offset: u64) -> impl Fn(std::io::Error) -> AuditError {
    move |error| {
        if error.kind() == ErrorKind::UnexpectedEof {
            let place = Place {
                file,
                offset: Some(offset),
            };
            return place.finding("the file", "as long as when it was opened", "a shorter one");
        }
        AuditError::machine(path)(error)
    }
}
