//! One party's side of one channel. It trusts nothing that it did not compute or verify itself.
//!
//! Every step is a decision that may refuse, followed by an application that cannot. A signature
//! is made only under a [`SignOrder`], and an order moves the endpoint's newest signed state, or
//! ends its signing, before it is handed out: rules S1, S2 and S6 hold by construction.
//!
//! A channel's messages take effect in the order in which they arrived. Consecutive proposals may
//! be checked, verified and accepted together, and so may consecutive acknowledgements; any other
//! message is decided on when those before it have been applied.

mod acknowledge;
mod close;
mod finish;
mod propose;
mod receive;
mod store;
#[cfg(test)]
mod tests;
mod turn;
mod window;

pub use acknowledge::{Acknowledged, AcknowledgementClaim, Answer};
pub use finish::FinalClaim;
pub use receive::{CoSignOrder, Incoming, ProposalClaim};
pub use store::{InMemory, Storage, Stored, StoredProposal};
pub use window::WindowPool;

use super::burst::Tip;
use super::entry::{Balance, Entry, Limits};
use super::proof::{CoSigned, FinalProof, State};
use super::rejection::Rejection;
use super::terms::{ChannelId, Pair, Party, Terms, TermsError};
use crate::crypto::{Digest, KeyId, Signature};
use turn::Turn;
use window::Window;

/// What both endpoints of a channel were configured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The co-sign interval k: entries that one pair of signatures covers at most.
    pub cosign_every: u32,
    /// Proposals that may be unanswered.
    pub in_flight: u32,
}

impl Rules {
    /// The largest co-sign interval.
    pub const MOST_ENTRIES: u32 = 10_000;
}

/// One party's side of one channel.
#[cfg_attr(test, derive(Clone))]
pub struct Endpoint {
    me: Party,
    peer: KeyId,
    rules: Rules,
    channel: ChannelId,
    limits: Limits,
    /// The newest state that this party has signed, answered or not.
    signed: Tip,
    /// The newest state that both have signed; none is the opening.
    held: Option<CoSigned>,
    /// The log head that the newest answered proposal extends.
    answered_from: Digest,
    turn: Turn,
    status: Status,
    in_flight: Option<Box<Window>>,
    /// Proposals authorised and not yet recorded in the window.
    ordered: u32,
    /// Proposals of the peer accepted and not yet answered.
    answering: u32,
    /// This party's final is authorised: it signs nothing else any more.
    final_ordered: bool,
    /// Payments to this party that it has counted as received (rule S4).
    counted: u64,
}

// A hub holds two of these per channel when it plays both sides, so their size is a promise.
const _: () = assert!(size_of::<Endpoint>() <= 512);

/// What an endpoint may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Payments in both directions.
    Running,
    /// This party has signed a final and waits for the other's.
    Finishing {
        /// This party's final signature.
        signature: Signature,
    },
    /// Both have signed a final: the channel can be closed at once.
    Finished {
        /// Both final signatures.
        signatures: Pair<Signature>,
    },
    /// The peer broke a rule: nothing more is signed, and the channel is to be closed unilaterally
    /// ([`Endpoint::close`], rule S8).
    Stopped(Rejection),
    /// This party has posted, or seen a post: nothing more is signed or counted.
    Closing {
        /// The rule that the peer broke, if that is why.
        because: Option<Rejection>,
    },
}

/// Leave to make exactly one signature. Not to be copied, so that it cannot be used twice.
#[derive(Debug)]
#[must_use]
pub struct SignOrder {
    digest: Digest,
}

impl SignOrder {
    /// What to sign.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl Endpoint {
    /// One side of a channel that Layer 1 has opened under these terms.
    ///
    /// `peer` is the other side's key in the ring with which its signatures are verified.
    ///
    /// # Errors
    /// If the terms make no channel.
    ///
    /// # Panics
    /// If the rules are out of range: they are configuration, checked where they are read.
    pub fn new(
        me: Party,
        terms: &Terms,
        peer: KeyId,
        rules: Rules,
    ) -> Result<Endpoint, TermsError> {
        assert!((1..=Rules::MOST_ENTRIES).contains(&rules.cosign_every));
        assert!(rules.in_flight >= 1);
        let capacity = terms.capacity()?;
        let channel = terms.channel_id();
        Ok(Endpoint {
            me,
            peer,
            rules,
            channel,
            limits: Limits {
                capacity,
                reserve: terms.reserve,
            },
            signed: Tip {
                balance: Balance {
                    version: 0,
                    a: terms.deposits.a,
                },
                head: channel.0,
            },
            held: None,
            answered_from: channel.0,
            turn: Turn::first(),
            status: Status::Running,
            in_flight: None,
            ordered: 0,
            answering: 0,
            final_ordered: false,
            counted: 0,
        })
    }

    /// Which side this is.
    #[must_use]
    pub fn me(&self) -> Party {
        self.me
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &ChannelId {
        &self.channel
    }

    /// The channel's capacity and reserve.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The newest state that this party has signed; at version 0 the opening.
    #[must_use]
    pub fn signed(&self) -> &Tip {
        &self.signed
    }

    /// The newest state that both have signed, or `None` for the opening.
    #[must_use]
    pub fn held(&self) -> Option<&CoSigned> {
        self.held.as_ref()
    }

    /// What this endpoint may still do.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Payments to this party that it counts as received (rule S4).
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.counted
    }

    /// Proposals that the peer has not answered.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.ordered + self.in_flight.as_ref().map_or(0, |window| window.len())
    }

    /// What closes the channel at once, when both have signed a final.
    #[must_use]
    pub fn final_proof(&self) -> Option<FinalProof> {
        match self.status {
            Status::Finished { signatures } => Some(FinalProof {
                channel: self.channel,
                state: self.held_state(),
                signatures,
            }),
            _ => None,
        }
    }

    /// Ends this side because the peer broke a rule. The first reason stays; what both have
    /// finished stays finished.
    pub fn stop(&mut self, rejection: Rejection) {
        match self.status {
            Status::Running | Status::Finishing { .. } => self.status = Status::Stopped(rejection),
            Status::Stopped(_) | Status::Closing { .. } | Status::Finished { .. } => {}
        }
    }

    /// The version of the newest state that both have signed.
    #[must_use]
    pub fn held_version(&self) -> u64 {
        self.held
            .as_ref()
            .map_or(0, |held| Entry::decode(&held.entry).version)
    }

    fn held_state(&self) -> State {
        match &self.held {
            None => State::Opening,
            Some(held) => State::After {
                previous: held.previous,
                entry: held.entry,
            },
        }
    }

    /// Whether payments may still be proposed and counted.
    fn running(&self) -> Result<(), Rejection> {
        match self.status {
            Status::Stopped(rejection) => Err(rejection),
            Status::Running if !self.final_ordered => Ok(()),
            _ => Err(Rejection::Ended),
        }
    }

    /// Whether a message of the peer may be heard, running or ended.
    fn hears(&self) -> Result<(), Rejection> {
        match self.status {
            Status::Stopped(rejection) => Err(rejection),
            _ if self.turn.resuming => Err(Rejection::MissingResume),
            _ => Ok(()),
        }
    }

    /// Proposals of either side without an answer, as far as this party knows.
    fn unanswered(&self) -> u32 {
        self.in_flight() + self.answering
    }

    /// Puts this party's and the peer's signature in their places.
    fn pair(&self, mine: Signature, theirs: Signature) -> Pair<Signature> {
        match self.me {
            Party::A => Pair { a: mine, b: theirs },
            Party::B => Pair { a: theirs, b: mine },
        }
    }
}
