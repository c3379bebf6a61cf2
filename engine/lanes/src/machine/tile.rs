//! Eight words.

use zeroize::Zeroize;

/// Eight words: a vector here, and how every machine's vectors are kept in memory.
#[derive(Clone, Copy, Debug, Zeroize)]
#[repr(C, align(64))]
pub(crate) struct Tile(pub(crate) [u64; 8]);

impl Tile {
    pub(crate) const ZERO: Tile = Tile([0; 8]);
}
