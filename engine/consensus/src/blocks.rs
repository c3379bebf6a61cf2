//! What validators decide about, as far as they know it.

use duet_channels::crypto::Digest;

/// A block, as validators know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// Its header's hash.
    pub hash: Digest,
    /// Bytes of its header and body, as they are sent.
    pub bytes: u32,
}

/// What kind of block a proposer offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offer {
    /// What waits, by the rules.
    Fair,
    /// The same without the answers to posts.
    Censored,
    /// Another one that is as valid: of nothing.
    Empty,
    /// One that breaks a rule.
    Invalid,
}

/// Builds and checks blocks of the height that is being decided.
pub trait Blocks {
    /// The block that a proposer of this height offers. Asked again for the same offer, it is the
    /// same; and it keeps the rules, unless it shall not.
    fn offer(&mut self, offer: Offer) -> Block;

    /// Whether this validator, which has the block of this hash, finds that it keeps the rules: its
    /// parent, limits, signatures and state root.
    fn check(&mut self, validator: u16, block: &Digest) -> bool;
}
