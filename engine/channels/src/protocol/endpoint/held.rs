//! The newest state that both have signed, and how this party's own signature over it comes back.
//!
//! An endpoint keeps the peer's signature only. Its own is made again where it has to be shown:
//! from an order over the same digest, so that nothing is signed that was not signed before (S1).

use super::super::entry::{Entry, EntryBytes};
use super::super::proof::{CoSigned, State, state_digest};
use super::super::terms::Pair;
use super::{Endpoint, SignOrder};
use crate::crypto::{Digest, Signature};

/// The newest co-signed state, without this party's own signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// The log head before the entry.
    pub(super) previous: Digest,
    /// The log's newest entry that both have signed. Of version 0: none, this is the opening.
    pub(super) entry: EntryBytes,
    /// The peer's signature.
    pub(super) theirs: Signature,
}

impl Held {
    pub(super) const OPENING: Held = Held {
        previous: Digest([0; 32]),
        entry: [0; 32],
        theirs: Signature([0; 64]),
    };

    pub(super) fn version(&self) -> u64 {
        Entry::decode(&self.entry).version
    }

    pub(super) fn state(&self) -> State {
        match self.version() {
            0 => State::Opening,
            _ => State::After {
                previous: self.previous,
                entry: self.entry,
            },
        }
    }
}

impl Endpoint {
    /// The version of the newest state that both have signed; 0 is the opening.
    #[must_use]
    pub fn held_version(&self) -> u64 {
        self.held.version()
    }

    /// The peer's signature over the newest state that both have signed; none over the opening.
    #[must_use]
    pub fn peers_signature(&self) -> Option<&Signature> {
        (self.held_version() > 0).then_some(&self.held.theirs)
    }

    /// Leave to make again this party's signature over the newest state that both have signed;
    /// none is needed for the opening.
    #[must_use]
    pub fn held_order(&self) -> Option<SignOrder> {
        (self.held_version() > 0).then(|| SignOrder {
            digest: state_digest(&self.channel, &self.held.state().head(&self.channel)),
        })
    }

    /// The newest state that both have signed, with both signatures: this party's is made again by
    /// `sign`. `None` for the opening, for which `sign` is not asked.
    pub fn held(&self, sign: impl FnOnce(&SignOrder) -> Signature) -> Option<CoSigned> {
        let order = self.held_order()?;
        Some(CoSigned {
            previous: self.held.previous,
            entry: self.held.entry,
            signatures: Pair::of(self.me(), sign(&order), self.held.theirs),
        })
    }
}
