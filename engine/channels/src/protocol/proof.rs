//! The settlement proof: what Layer 1 accepts as a channel's state.

use super::amount::Amount;
use super::entry::{Balance, Entry, EntryBytes};
use super::terms::{ChannelId, Pair};
use crate::crypto::{Digest, Domain, Signature, block, hash, link};

/// The state that a log leads to, in the form from which its digest can be recomputed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Version 0: the deposits, as opened.
    Opening,
    /// The state after an entry.
    After {
        /// The log head before the entry.
        previous: Digest,
        /// The log's newest entry.
        entry: EntryBytes,
    },
}

/// `H_state(channel id ‖ log head)`: what both parties sign to agree on a state.
#[must_use]
pub fn state_digest(channel: &ChannelId, head: &Digest) -> Digest {
    hash(Domain::State, &block(&channel.0, &head.0))
}

/// `H_final(channel id ‖ log head)`: what both parties sign to end the channel in a state.
#[must_use]
pub fn final_digest(channel: &ChannelId, head: &Digest) -> Digest {
    hash(Domain::Final, &block(&channel.0, &head.0))
}

impl State {
    /// The log head in this state; at version 0 it is the channel's id.
    #[must_use]
    pub fn head(&self, channel: &ChannelId) -> Digest {
        match self {
            State::Opening => channel.0,
            State::After { previous, entry } => link(previous, entry),
        }
    }

    /// The version and A's balance, given A's deposit.
    #[must_use]
    pub fn balance(&self, deposit_a: Amount) -> Balance {
        match self {
            State::Opening => Balance {
                version: 0,
                a: deposit_a,
            },
            State::After { entry, .. } => {
                let Entry {
                    version, balance_a, ..
                } = Entry::decode(entry);
                Balance {
                    version,
                    a: balance_a,
                }
            }
        }
    }
}

/// A state that both parties signed as the channel's last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalProof {
    /// Which channel it ends.
    pub channel: ChannelId,
    /// In which state.
    pub state: State,
    /// Both signatures over [`final_digest`].
    pub signatures: Pair<Signature>,
}

/// A state that both parties signed: the newest one that an endpoint holds is what it would post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoSigned {
    /// The log head before the entry.
    pub previous: Digest,
    /// The log's newest entry.
    pub entry: EntryBytes,
    /// Both signatures over [`state_digest`].
    pub signatures: Pair<Signature>,
}

impl CoSigned {
    /// The state that both signed.
    #[must_use]
    pub fn state(&self) -> State {
        State::After {
            previous: self.previous,
            entry: self.entry,
        }
    }

    /// How many payments led to it.
    #[must_use]
    pub fn version(&self) -> u64 {
        Entry::decode(&self.entry).version
    }
}

/// A state that one party signed: a proposal that was never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HalfSigned {
    /// The log head before the entry.
    pub previous: Digest,
    /// The log's newest entry.
    pub entry: EntryBytes,
    /// The proposer's signature over [`state_digest`].
    pub signature: Signature,
}

impl HalfSigned {
    /// The state that was proposed.
    #[must_use]
    pub fn state(&self) -> State {
        State::After {
            previous: self.previous,
            entry: self.entry,
        }
    }
}

/// What a party shows Layer 1 to close a channel, or to answer such a post (rule L4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post {
    /// Which channel.
    pub channel: ChannelId,
    /// The newest state that both have signed, as far as the poster knows; `None`: the opening.
    pub shown: Option<CoSigned>,
    /// The poster's newest proposal that was never answered. It binds the poster if its post is
    /// the one that settles.
    pub offer: Option<HalfSigned>,
}

impl Post {
    /// The state that it shows.
    #[must_use]
    pub fn state(&self) -> State {
        self.shown.as_ref().map_or(State::Opening, CoSigned::state)
    }

    /// The version that it shows.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.shown.as_ref().map_or(0, CoSigned::version)
    }
}
