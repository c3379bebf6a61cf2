//! The records of one batch, in the buffer that is written. Does no I/O and knows no segments.

use super::Sequence;
use super::format::{BLOCK_BYTES, BatchHeader};
use duet_base::bytes::Reader;

/// Records gathered for one commit. Reused: it allocates only to grow.
#[derive(Debug)]
pub struct Batch {
    /// Room for the header, then the records.
    pub(super) bytes: Vec<u8>,
    pub(super) records: u32,
    /// Set when it is sealed.
    pub(super) order: Order,
}

/// What is to be done with a sealed batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) sequence: Sequence,
    pub(super) segment: u32,
    pub(super) offset: u64,
    /// The capacity of the segment, in bytes, if this batch is its first.
    pub(super) opens: Option<u64>,
    /// The first segment that is needed once this batch is durable.
    pub(super) first_segment: u32,
}

/// One record, read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'b> {
    /// Where it starts, counted from the batch's start.
    pub(super) at: usize,
    bytes: &'b [u8],
    pub(super) key: u32,
    /// None removes the key.
    pub(super) content: Option<&'b [u8]>,
}

/// Checksum, key, length.
pub(super) const RECORD_HEADER_BYTES: usize = 12;

/// In place of a length: the key is removed.
const REMOVED: u32 = u32::MAX;

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Batch {
        Batch {
            bytes: vec![0; BatchHeader::BYTES],
            records: 0,
            order: Order::default(),
        }
    }

    /// Whether it holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// How many records it holds. One that was put again at another length counts twice.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records as usize
    }

    /// How many bytes of the disk it takes.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.bytes.len().next_multiple_of(BLOCK_BYTES) as u64
    }

    /// Empties it for reuse.
    pub fn clear(&mut self) {
        self.bytes.truncate(BatchHeader::BYTES);
        self.records = 0;
    }

    /// Appends a record; returns where it starts.
    pub(super) fn append(&mut self, key: u32, content: Option<&[u8]>) -> u32 {
        let at = u32::try_from(self.bytes.len()).expect("a batch below 4 GiB");
        let mut header = [0; RECORD_HEADER_BYTES];
        header[4..8].copy_from_slice(&key.to_le_bytes());
        header[8..].copy_from_slice(&length_of(content).to_le_bytes());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(content.unwrap_or_default());
        self.write_checksum(at as usize, self.bytes.len());
        self.records += 1;
        at
    }

    /// Replaces the record at this place, if the new one is as long.
    pub(super) fn replace(&mut self, at: u32, content: Option<&[u8]>) -> bool {
        let at = at as usize;
        let same = self.bytes[at + 8..at + 12] == length_of(content).to_le_bytes();
        if same {
            let content = content.unwrap_or_default();
            let start = at + RECORD_HEADER_BYTES;
            let end = start + content.len();
            self.bytes[start..end].copy_from_slice(content);
            self.write_checksum(at, end);
        }
        same
    }

    fn write_checksum(&mut self, at: usize, end: usize) {
        let checksum = crc32fast::hash(&self.bytes[at + 4..end]);
        self.bytes[at..at + 4].copy_from_slice(&checksum.to_le_bytes());
    }

    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        Records::of(&self.bytes).map(|record| record.expect("a record as it was appended"))
    }
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

fn length_of(content: Option<&[u8]>) -> u32 {
    match content {
        None => REMOVED,
        Some(content) => {
            let length = u32::try_from(content.len()).ok();
            let length = length.filter(|&length| length != REMOVED);
            length.expect("a record below 4 GiB")
        }
    }
}

/// The records of a batch's bytes, header included. Ends after the first that is malformed.
pub(super) struct Records<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Records<'b> {
    pub(super) fn of(batch: &'b [u8]) -> Records<'b> {
        Records {
            bytes: batch,
            at: BatchHeader::BYTES,
        }
    }

    fn read(&self) -> Option<Record<'b>> {
        let bytes = &self.bytes[self.at..];
        let mut fields = Reader::new(bytes);
        let (_checksum, key, length) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let content = match length {
            REMOVED => None,
            length => Some(fields.take(length as usize)?),
        };
        let end = RECORD_HEADER_BYTES + content.map_or(0, <[u8]>::len);
        Some(Record {
            at: self.at,
            bytes: &bytes[..end],
            key,
            content,
        })
    }
}

impl<'b> Iterator for Records<'b> {
    /// Or where the malformed record starts.
    type Item = Result<Record<'b>, usize>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let at = self.at;
        let record = self.read();
        self.at = record.map_or(self.bytes.len(), |record| at + record.bytes.len());
        Some(record.ok_or(at))
    }
}

impl Record<'_> {
    /// Whether its checksum is right.
    pub(super) fn is_intact(&self) -> bool {
        let (checksum, checked) = self.bytes.split_at(4);
        crc32fast::hash(checked).to_le_bytes() == checksum
    }
}
