//! Blocks: a header over the hash of a body, each bound to the one before.
//!
//! A body is its transactions' bytes one after the other. It is hashed as it comes, a piece at a
//! time, and not kept, unless asked for.

use super::config::Config;
use duet_channels::crypto::{Digest, Domain, Hasher, hash};

/// A block's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its place in the chain: 1 for the first.
    pub height: u64,
    /// The hash of the block before; of the first, the genesis id.
    pub parent: Digest,
    /// `H_block` of the body.
    pub body: Digest,
    /// Transactions in the body.
    pub transactions: u32,
    /// What the state after the block hashes to, if [`Config::state_root`].
    pub state_root: Option<Digest>,
    /// [`Header::digest`] of the rest.
    pub hash: Digest,
}

impl Header {
    /// An encoded header without a state root: `parent 32 · height 8 · count 4 · body hash 32`. No
    /// transaction is as short, nor with a state root's 32 more, so that a header's hash is no
    /// body's.
    pub const BYTES: usize = 76;

    /// Its length, encoded.
    #[must_use]
    pub fn bytes(&self) -> usize {
        Header::BYTES + self.state_root.map_or(0, |root| root.0.len())
    }

    /// `H_block(parent ‖ height ‖ count ‖ body hash ‖ state root, if there is one)`, integers
    /// little-endian.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut bytes = [0; Header::BYTES + 32];
        bytes[..32].copy_from_slice(&self.parent.0);
        bytes[32..40].copy_from_slice(&self.height.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.transactions.to_le_bytes());
        bytes[44..76].copy_from_slice(&self.body.0);
        bytes[76..].copy_from_slice(&self.state_root.unwrap_or_default().0);
        hash(Domain::Block, &bytes[..self.bytes()])
    }
}

impl Config {
    /// Bytes of an encoded header.
    #[must_use]
    pub fn header_bytes(&self) -> usize {
        let root = if self.state_root { 32 } else { 0 };
        Header::BYTES + root
    }
}

/// What a transaction takes of a block's limits, or a block has of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Channels or transfers.
    pub(super) operations: u64,
    pub(super) bytes: u64,
    /// In the chain's own unit.
    pub(super) units: u64,
    /// Those of them that are of transactions of channels.
    pub(super) units_of_channels: u64,
}

/// What still fits in a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room(pub(super) Size);

impl Room {
    /// Takes the room of one transaction, if there is as much.
    pub(super) fn take(&mut self, size: &Size) -> bool {
        let Room(left) = self;
        let fits = left.operations >= size.operations
            && left.bytes >= size.bytes
            && left.units >= size.units
            && left.units_of_channels >= size.units_of_channels;
        if fits {
            left.operations -= size.operations;
            left.bytes -= size.bytes;
            left.units -= size.units;
            left.units_of_channels -= size.units_of_channels;
        }
        fits
    }

    /// Whether nothing more fits, however small.
    pub(super) fn is_spent(&self) -> bool {
        let Room(left) = self;
        left.operations == 0 || left.bytes == 0 || left.units == 0
    }
}

/// A block in the making.
pub(super) struct Draft {
    height: u64,
    parent: Digest,
    room: Room,
    hasher: Hasher,
    /// The body's bytes that are not hashed yet: many at once are hashed in lanes.
    unhashed: Vec<u8>,
    transactions: u32,
    bytes: u64,
    units: u64,
    body: Option<Vec<u8>>,
}

/// Bytes that are hashed at once: 16 of BLAKE3's chunks, for as many lanes.
const PIECE: usize = 16 << 10;

/// A finished block: its header, its body's length, and the body if it is kept.
pub(super) struct Block {
    pub(super) header: Header,
    pub(super) body_bytes: u64,
    pub(super) units: u64,
    pub(super) body: Option<Vec<u8>>,
}

impl Draft {
    pub(super) fn new(height: u64, parent: Digest, config: &Config) -> Draft {
        Draft {
            height,
            parent,
            room: config.room(),
            units: 0,
            hasher: Hasher::new(Domain::Block),
            unhashed: Vec::new(),
            transactions: 0,
            bytes: 0,
            body: config.keep_bodies.then(Vec::new),
        }
    }

    pub(super) fn height(&self) -> u64 {
        self.height
    }

    pub(super) fn room(&self) -> Room {
        self.room
    }

    /// Includes a transaction.
    ///
    /// # Panics
    /// If there is no room for it.
    pub(super) fn include(&mut self, bytes: &[u8], size: &Size) {
        assert!(self.room.take(size), "a block keeps its limits");
        assert_eq!(size.bytes, bytes.len() as u64, "the transaction's own size");
        self.unhashed.extend_from_slice(bytes);
        let whole = self.unhashed.len() / PIECE * PIECE;
        if whole > 0 {
            self.hasher.update(&self.unhashed[..whole]);
            self.unhashed.drain(..whole);
        }
        self.transactions += 1;
        self.bytes += size.bytes;
        self.units += size.units;
        if let Some(body) = &mut self.body {
            body.extend_from_slice(bytes);
        }
    }

    /// The block; if it is empty, only if that is asked for.
    pub(super) fn finish(mut self, even_empty: bool, state_root: Option<Digest>) -> Option<Block> {
        if self.transactions == 0 && !even_empty {
            return None;
        }
        self.hasher.update(&self.unhashed);
        let mut header = Header {
            height: self.height,
            parent: self.parent,
            body: self.hasher.finish(),
            transactions: self.transactions,
            state_root,
            hash: Digest::default(),
        };
        header.hash = header.digest();
        Some(Block {
            header,
            body_bytes: self.bytes,
            units: self.units,
            body: self.body,
        })
    }
}
