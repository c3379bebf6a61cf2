//! One party's side of one channel. It trusts nothing that it did not compute or verify itself.
//!
//! Every step is a decision that may refuse, followed by an application that cannot. A signature
//! is made only under a [`SignOrder`]. An order for a new one moves the endpoint's newest signed
//! state, or ends its signing, before it is handed out, and any other is for one that was made:
//! rules S1, S2 and S6 hold by construction.
//!
//! A channel's messages take effect in the order in which they arrived. Consecutive proposals may
//! be checked, verified and accepted together, and so may consecutive acknowledgements; any other
//! message is decided on when those before it have been applied.

mod acknowledge;
mod close;
mod finish;
mod held;
mod opening;
mod propose;
mod receive;
mod record;
mod store;
#[cfg(feature = "testing")]
mod testing;
#[cfg(test)]
mod tests;
mod turn;
mod window;

pub use acknowledge::{Acknowledged, AcknowledgementClaim, Answer};
pub use finish::FinalClaim;
pub use receive::{CoSignOrder, Incoming, ProposalClaim};
pub use record::{
    FORMAT as RECORD_FORMAT, MOST_NOTE, RecordError, Recovered, RecoveredClaim, record_identity,
};
pub use store::{InMemory, Storage};
pub use window::WindowPool;

use super::entry::{Balance, Limits};
use super::new_state::Tip;
use super::rejection::Rejection;
use super::terms::{ChannelId, Party};
use crate::crypto::{Digest, KeyId, Signature};
use held::Held;
use window::{Aside, Window};

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

impl Default for Rules {
    /// Every payment is co-signed by itself, and 64 may wait for that.
    fn default() -> Rules {
        Rules {
            cosign_every: 1,
            in_flight: 64,
        }
    }
}

/// One party's side of one channel.
///
/// Of what both have signed it keeps the peer's signatures only: this party's own are made again
/// when they are needed, byte for byte the same, since Ed25519 draws nothing at random.
#[cfg_attr(any(test, feature = "testing"), derive(Clone))]
pub struct Endpoint {
    channel: ChannelId,
    limits: Limits,
    /// The length and balance of the newest state that this party has signed, answered or not.
    balance: Balance,
    /// The newest state that both have signed.
    held: Held,
    phase: Phase,
    /// Payments to this party that it has counted as received (rule S4).
    counted: u64,
    /// How often the turn has been passed since counting began.
    turns_passed: u64,
    /// What most endpoints lack at most times.
    aside: Option<Box<Aside>>,
    /// With [`Flag::Answering`], proposals of the peer accepted and not yet answered; else
    /// proposals authorised and not yet recorded in the window. There are never both: a party
    /// that owes an answer may not propose, nor accept anything while its own waits for one.
    outstanding: u32,
    in_flight_most: u32,
    peer: KeyId,
    cosign_every: u16,
    flags: Flags,
}

// A hub holds two of these per channel when it plays both sides, so their size is a promise.
const _: () = assert!(size_of::<Endpoint>() <= 296);

/// How far the channel has come, and what is needed to go on from there. Bytes only, so that it
/// packs: the peer's final signature takes the place of what only a log that grows needs.
#[derive(Clone, Copy)]
enum Phase {
    Running(Tail),
    Finishing(Tail),
    Finished {
        /// The peer's final signature.
        theirs: Signature,
    },
    Stopped(Tail),
    Closing(Tail),
}

/// Where the log goes on.
#[derive(Clone, Copy)]
struct Tail {
    /// The log head in the newest state that this party has signed.
    head: Digest,
    /// The log head that the newest answered proposal extends.
    answered_from: Digest,
}

impl Phase {
    /// None when both have signed a final: that log ends in the held state.
    fn tail(&self) -> Option<&Tail> {
        match self {
            Phase::Running(tail)
            | Phase::Finishing(tail)
            | Phase::Stopped(tail)
            | Phase::Closing(tail) => Some(tail),
            Phase::Finished { .. } => None,
        }
    }

    /// # Panics
    /// When both have signed a final: nothing is ordered after it, so that nothing changes either.
    fn tail_mut(&mut self) -> &mut Tail {
        match self {
            Phase::Running(tail)
            | Phase::Finishing(tail)
            | Phase::Stopped(tail)
            | Phase::Closing(tail) => tail,
            Phase::Finished { .. } => panic!("a log that has ended"),
        }
    }
}

/// What an endpoint may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Payments in both directions.
    Running,
    /// This party has signed a final and waits for the other's.
    Finishing,
    /// Both have signed a final: the channel can be closed at once ([`Endpoint::final_proof`]).
    Finished,
    /// The peer broke a rule: nothing more is signed, and the channel is to be closed unilaterally
    /// ([`Endpoint::close`], rule S8).
    Stopped(Rejection),
    /// This party has posted, or seen a post: nothing more is signed or counted.
    Closing {
        /// The rule that the peer broke, if that is why.
        because: Option<Rejection>,
    },
}

/// Yes or no, packed into one byte.
#[derive(Clone, Copy)]
struct Flags(u8);

/// What a bit of [`Flags`] says.
#[derive(Clone, Copy)]
enum Flag {
    /// This is party B's side.
    OfB = 1,
    /// B holds the turn.
    HeldByB = 2,
    /// This party has passed the turn on a proposal, and waits for the answer for that to take
    /// effect.
    Passing = 4,
    /// The peer has asked for the turn.
    Asked = 8,
    /// The link broke, and the peer has not yet said how far it had come.
    Resuming = 16,
    /// This party's final is authorised: it signs nothing else any more.
    FinalOrdered = 32,
    /// What is outstanding are answers.
    Answering = 64,
}

impl Flags {
    fn has(self, flag: Flag) -> bool {
        self.0 & flag as u8 != 0
    }

    fn set(&mut self, flag: Flag, on: bool) {
        if on {
            self.0 |= flag as u8;
        } else {
            self.0 &= !(flag as u8);
        }
    }
}

/// Leave to make exactly one signature, or once more one that was made. Not to be copied, so that
/// it cannot be used twice.
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
    /// Which side this is.
    #[must_use]
    pub fn me(&self) -> Party {
        if self.flags.has(Flag::OfB) {
            Party::B
        } else {
            Party::A
        }
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &ChannelId {
        &self.channel
    }

    /// What this endpoint was configured with.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            cosign_every: u32::from(self.cosign_every),
            in_flight: self.in_flight_most,
        }
    }

    /// The channel's capacity and reserve.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The newest state that this party has signed; at version 0 the opening.
    #[must_use]
    pub fn signed(&self) -> Tip {
        Tip {
            balance: self.balance,
            head: self.head(),
        }
    }

    /// What this endpoint may still do.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.phase {
            Phase::Running(_) => Status::Running,
            Phase::Finishing(_) => Status::Finishing,
            Phase::Finished { .. } => Status::Finished,
            Phase::Stopped(_) => Status::Stopped(self.stopped_because()),
            Phase::Closing(_) => Status::Closing {
                because: self.because(),
            },
        }
    }

    /// Payments to this party that it counts as received (rule S4).
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.counted
    }

    /// Proposals that the peer has not answered.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.ordered() + self.window().map_or(0, Window::len)
    }

    /// Ends this side because the peer broke a rule. The first reason stays; what both have
    /// finished stays finished.
    pub fn stop(&mut self, rejection: Rejection) {
        if let Phase::Running(tail) | Phase::Finishing(tail) = self.phase {
            self.phase = Phase::Stopped(tail);
            self.aside.get_or_insert_default().because = Some(rejection);
        }
    }

    /// Whether payments may still be proposed and counted.
    fn running(&self) -> Result<(), Rejection> {
        match self.phase {
            Phase::Stopped(_) => Err(self.stopped_because()),
            Phase::Running(_) if !self.flags.has(Flag::FinalOrdered) => Ok(()),
            _ => Err(Rejection::Ended),
        }
    }

    /// Whether a message of the peer may be heard, running or ended.
    fn hears(&self) -> Result<(), Rejection> {
        match self.phase {
            Phase::Stopped(_) => Err(self.stopped_because()),
            _ if self.flags.has(Flag::Resuming) => Err(Rejection::MissingResume),
            _ => Ok(()),
        }
    }

    /// Why the peer's messages are heard no more, if it broke a rule.
    fn because(&self) -> Option<Rejection> {
        self.aside.as_ref().and_then(|aside| aside.because)
    }

    fn stopped_because(&self) -> Rejection {
        self.because().expect("a channel stops for a reason")
    }

    /// The log head in the newest state that this party has signed.
    fn head(&self) -> Digest {
        match self.phase.tail() {
            Some(tail) => tail.head,
            None => self.held.state().head(&self.channel),
        }
    }

    /// From here on this is the newest state that this party has signed.
    fn moves_to(&mut self, tip: Tip) {
        self.balance = tip.balance;
        self.phase.tail_mut().head = tip.head;
    }

    fn window(&self) -> Option<&Window> {
        self.aside.as_ref().map(|aside| &aside.window)
    }

    /// Proposals authorised and not yet recorded in the window.
    fn ordered(&self) -> u32 {
        match self.flags.has(Flag::Answering) {
            true => 0,
            false => self.outstanding,
        }
    }

    /// Proposals of the peer accepted and not yet answered.
    fn answering(&self) -> u32 {
        self.outstanding - self.ordered()
    }

    /// Proposals of either side without an answer, as far as this party knows.
    fn unanswered(&self) -> u32 {
        self.in_flight() + self.answering()
    }
}
