//! Where a log stands, and the states that bursts make of checked entries.

use super::entry::{Balance, EntryBytes};
use super::proof::HalfSigned;
use crate::crypto::{Digest, Signature};

/// A log's newest state: where it stands and what it hashes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The log's length and A's balance.
    pub balance: Balance,
    /// The log head.
    pub head: Digest,
}

impl Tip {
    /// The log's length.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.balance.version
    }
}

/// A state that checked entries lead to: what one pair of signatures covers.
///
/// Only a burst makes one, so it always extends `from` by at least one valid entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewState {
    /// The version and head that it extends.
    pub(super) from: (u64, Digest),
    /// The state itself.
    pub(super) tip: Tip,
    /// The head before the last entry.
    pub(super) previous: Digest,
    /// The last entry.
    pub(super) entry: EntryBytes,
    /// What is signed.
    pub(super) digest: Digest,
    /// Sum of the amounts of the entries, for the value at risk between two co-signatures.
    pub(super) value: u64,
    /// Where the entries lie in the burst.
    pub(super) first: u32,
    pub(super) count: u32,
}

impl NewState {
    /// The state with its proposer's signature, in the form that can be shown to Layer 1.
    #[must_use]
    pub fn half_signed(&self, signature: Signature) -> HalfSigned {
        HalfSigned {
            previous: self.previous,
            entry: self.entry,
            signature,
        }
    }

    /// What is signed: `H_state(channel id ‖ head)`.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The log's length in this state.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.tip.balance.version
    }

    /// How many payments it adds.
    #[must_use]
    pub fn payments(&self) -> u32 {
        self.count
    }

    /// The sum of these payments, saturating.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.value
    }
}
