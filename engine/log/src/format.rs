//! The bytes on disk: headers and the records in a batch. Pure: reads and writes no file.
//!
//! `docs/log.md` has the tables. Integers are little-endian. Every header starts with the same 64
//! bytes, which say whose it is, and ends with a keyed BLAKE3 hash of all of it before. A batch's
//! such hash is what the next batch names as its previous one.

use std::fmt;

use super::Sequence;
use super::error::Damage;
use duet_base::bytes::Reader;
use duet_channels::crypto::{Digest, Domain, hash};

/// The file that says whose log it is: from when it has its name, the log exists.
pub const META: &str = "log.meta";

/// The version of everything on this page.
pub const VERSION: u32 = 1;

/// Headers and batches start at multiples of this: the largest sector that a drive rewrites as a
/// whole, so that no write can tear what is durable already.
pub const BLOCK_BYTES: usize = 4096;

/// Names a run: whatever the owner takes its workload to be identified by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RunId(pub [u8; 32]);

/// What every header starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Random, of this log: old bytes on the disk cannot be taken for its own.
    pub(super) salt: [u8; 16],
    pub(super) run: RunId,
    /// The stream's index in the log.
    pub(super) stream: u32,
}

/// At the start of a segment's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) segment: u32,
    /// The file's length.
    pub(super) capacity_bytes: u64,
    /// The batch that it starts with.
    pub(super) first: Sequence,
    /// The hash of the batch before that.
    pub(super) previous: Digest,
}

/// At the start of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchHeader {
    pub(super) segment: u32,
    pub(super) records: u32,
    /// Where in the segment it starts.
    pub(super) offset: u64,
    pub(super) sequence: Sequence,
    pub(super) body_bytes: u64,
    /// Up to which batch everything was acknowledged when this one was written.
    pub(super) floor: Sequence,
    /// The hash of the batch before.
    pub(super) previous: Digest,
    /// The hash of the records.
    pub(super) body: Digest,
}

/// A slot of the floor file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FloorSlot {
    /// The first segment that is needed.
    pub(super) first_segment: u32,
    /// The segment that batch `floor` is in; before `first_segment` if there is no batch.
    pub(super) last_segment: u32,
    /// Counts the slots written.
    pub(super) writes: u64,
    /// Up to which batch everything is acknowledged.
    pub(super) floor: Sequence,
}

/// `log.meta`: whose log it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) salt: [u8; 16],
    pub(super) run: RunId,
    pub(super) streams: Vec<String>,
}

const IDENTITY_BYTES: usize = 8 + 4 + 4 + 16 + 32;
const HASH_BYTES: usize = 32;

impl SegmentHeader {
    pub(super) const BYTES: usize = IDENTITY_BYTES + 4 + 4 + 8 + 8 + 32 + HASH_BYTES;
    const MAGIC: [u8; 8] = *b"duet-seg";

    pub(super) fn encode(&self, identity: &Identity) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BLOCK_BYTES);
        identity.encode(Self::MAGIC, &mut bytes);
        bytes.extend(self.segment.to_le_bytes());
        bytes.extend((BLOCK_BYTES as u32).to_le_bytes());
        bytes.extend(self.capacity_bytes.to_le_bytes());
        bytes.extend(self.first.to_le_bytes());
        bytes.extend(self.previous.0);
        seal(&mut bytes);
        bytes
    }

    pub(super) fn decode(bytes: &[u8], identity: &Identity) -> Result<SegmentHeader, Damage> {
        let mut fields = unseal(Self::MAGIC, bytes, Self::BYTES)?;
        identity.check(&mut fields)?;
        let segment = fields.u32();
        let _block_bytes = fields.u32();
        Ok(SegmentHeader {
            segment,
            capacity_bytes: fields.u64(),
            first: fields.u64(),
            previous: Digest(fields.take()),
        })
    }
}

impl BatchHeader {
    pub(super) const BYTES: usize = IDENTITY_BYTES + 4 + 4 + 8 * 4 + 32 + 32 + HASH_BYTES;
    const MAGIC: [u8; 8] = *b"duet-bat";

    /// Writes it to the start of `batch`; returns the batch's hash.
    pub(super) fn encode(&self, identity: &Identity, batch: &mut [u8]) -> Digest {
        let mut bytes = Vec::with_capacity(Self::BYTES);
        identity.encode(Self::MAGIC, &mut bytes);
        bytes.extend(self.segment.to_le_bytes());
        bytes.extend(self.records.to_le_bytes());
        bytes.extend(self.offset.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend(self.body_bytes.to_le_bytes());
        bytes.extend(self.floor.to_le_bytes());
        bytes.extend(self.previous.0);
        bytes.extend(self.body.0);
        let digest = seal(&mut bytes);
        batch[..Self::BYTES].copy_from_slice(&bytes);
        digest
    }

    /// The header, and the batch's hash.
    pub(super) fn decode(
        bytes: &[u8],
        identity: &Identity,
    ) -> Result<(BatchHeader, Digest), Damage> {
        let mut fields = unseal(Self::MAGIC, bytes, Self::BYTES)?;
        identity.check(&mut fields)?;
        let header = BatchHeader {
            segment: fields.u32(),
            records: fields.u32(),
            offset: fields.u64(),
            sequence: fields.u64(),
            body_bytes: fields.u64(),
            floor: fields.u64(),
            previous: Digest(fields.take()),
            body: Digest(fields.take()),
        };
        Ok((header, Digest(fields.take())))
    }

    /// Whether something that was meant as a batch's header starts here.
    pub(super) fn is_here(bytes: &[u8]) -> bool {
        bytes.starts_with(&Self::MAGIC)
    }
}

impl FloorSlot {
    pub(super) const BYTES: usize = IDENTITY_BYTES + 4 + 4 + 8 + 8 + HASH_BYTES;
    const MAGIC: [u8; 8] = *b"duet-flr";

    /// As a whole block.
    pub(super) fn encode(&self, identity: &Identity) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BLOCK_BYTES);
        identity.encode(Self::MAGIC, &mut bytes);
        bytes.extend(self.first_segment.to_le_bytes());
        bytes.extend(self.last_segment.to_le_bytes());
        bytes.extend(self.writes.to_le_bytes());
        bytes.extend(self.floor.to_le_bytes());
        seal(&mut bytes);
        bytes.resize(BLOCK_BYTES, 0);
        bytes
    }

    pub(super) fn decode(bytes: &[u8], identity: &Identity) -> Result<FloorSlot, Damage> {
        let mut fields = unseal(Self::MAGIC, bytes, Self::BYTES)?;
        identity.check(&mut fields)?;
        Ok(FloorSlot::of(fields))
    }

    /// As [`FloorSlot::decode`], of whichever log.
    pub(super) fn decode_of_any(bytes: &[u8]) -> Result<FloorSlot, Damage> {
        let mut fields = unseal(Self::MAGIC, bytes, Self::BYTES)?;
        Identity::decode(&mut fields);
        Ok(FloorSlot::of(fields))
    }

    fn of(mut fields: Fields<'_>) -> FloorSlot {
        FloorSlot {
            first_segment: fields.u32(),
            last_segment: fields.u32(),
            writes: fields.u64(),
            floor: fields.u64(),
        }
    }
}

impl Meta {
    const MAGIC: [u8; 8] = *b"duet-log";

    pub(super) fn identity(&self, stream: u32) -> Identity {
        Identity {
            salt: self.salt,
            run: self.run,
            stream,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Where other headers have their stream's index, this one has how many there are.
        self.identity(self.streams.len() as u32)
            .encode(Self::MAGIC, &mut bytes);
        for name in &self.streams {
            bytes.push(name.len() as u8);
            bytes.extend(name.as_bytes());
        }
        seal(&mut bytes);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Meta, Damage> {
        let length = bytes.len().max(IDENTITY_BYTES + HASH_BYTES);
        let mut fields = unseal(Self::MAGIC, bytes, length)?;
        let count = fields.u32();
        let salt = fields.take();
        let run = RunId(fields.take());
        let mut names = Reader::new(&bytes[IDENTITY_BYTES..length - HASH_BYTES]);
        let mut streams = Vec::new();
        while let Some(name_bytes) = names.byte() {
            let name = names.take(name_bytes.into()).ok_or(Damage::Streams)?;
            let name = str::from_utf8(name).map_err(|_| Damage::Streams)?;
            streams.push(name.to_owned());
        }
        if streams.len() != count as usize {
            return Err(Damage::Streams);
        }
        Ok(Meta { salt, run, streams })
    }
}

impl Identity {
    fn encode(&self, magic: [u8; 8], bytes: &mut Vec<u8>) {
        bytes.extend(magic);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.stream.to_le_bytes());
        bytes.extend(self.salt);
        bytes.extend(self.run.0);
    }

    fn decode(fields: &mut Fields<'_>) -> Identity {
        Identity {
            stream: fields.u32(),
            salt: fields.take(),
            run: RunId(fields.take()),
        }
    }

    fn check(&self, fields: &mut Fields<'_>) -> Result<(), Damage> {
        let found = Identity::decode(fields);
        if found.run != self.run {
            Err(Damage::OtherRun { found: found.run })
        } else if found.salt != self.salt {
            Err(Damage::OtherLog)
        } else if found.stream != self.stream {
            Err(Damage::OtherStream {
                found: found.stream,
            })
        } else {
            Ok(())
        }
    }
}

/// Appends the hash of a header, and returns it.
fn seal(bytes: &mut Vec<u8>) -> Digest {
    let digest = hash(Domain::LogHeader, bytes);
    bytes.extend(digest.0);
    digest
}

/// The fields of a header of this kind and length, from the stream's index on.
fn unseal(magic: [u8; 8], bytes: &[u8], length: usize) -> Result<Fields<'_>, Damage> {
    let Some(bytes) = bytes.get(..length) else {
        return Err(Damage::Truncated {
            length: bytes.len() as u64,
            needed: length as u64,
        });
    };
    let mut fields = Fields(Reader::new(bytes));
    if fields.take() != magic {
        return Err(Damage::Absent);
    }
    // Before the hash: another version may hash otherwise.
    let found = fields.u32();
    if found != VERSION {
        return Err(Damage::OtherVersion { found });
    }
    let (content, digest) = bytes.split_at(length - HASH_BYTES);
    if hash(Domain::LogHeader, content).0 != digest {
        return Err(Damage::Header);
    }
    Ok(fields)
}

/// The rest of a header whose length was checked.
struct Fields<'b>(Reader<'b>);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        self.0.array().expect("as long as its fields")
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Digest(self.0), f)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
