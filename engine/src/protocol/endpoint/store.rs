//! What of an endpoint must survive a crash, and how it comes back.
//!
//! Rule S3: what a party signed is stored before the signature leaves it. An endpoint is stored
//! when no order is outstanding; a signature that was ordered, and lost with a crash before that,
//! has left nobody.

use super::super::burst::{NewState, Tip};
use super::super::terms::{ChannelId, Party, Terms, TermsError};
use super::held::Held;
use super::window::{Window, WindowPool};
use super::{Endpoint, Flag, Phase, Rules, Status, Tail};
use crate::crypto::{Digest, KeyId, Signature};

/// Everything that an endpoint has to remember. Who holds the turn is not among it: that follows
/// from the log when the two ends resume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The newest state that this party has signed, answered or not.
    pub signed: Tip,
    /// The newest state that both have signed.
    held: Held,
    /// The log head that the newest answered proposal extends.
    pub answered_from: Digest,
    /// What this party may still do.
    pub status: Status,
    /// The peer's final signature, if both have signed one.
    theirs: Option<Signature>,
    /// Whether this party has signed a final: a channel that closes no longer tells by its status.
    pub final_signed: bool,
    /// Payments to this party that it has counted as received.
    pub counted: u64,
    /// Its unanswered proposals, oldest first.
    pub in_flight: Vec<StoredProposal>,
}

/// One unanswered proposal, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredProposal {
    /// The state proposed.
    pub state: NewState,
    /// This party's signature over it.
    pub signature: Signature,
    /// Whether it passes the turn.
    pub pass: bool,
    /// Its message.
    pub message: Vec<u8>,
}

/// Where endpoints are kept between crashes. What `store` has returned from survives.
pub trait Storage {
    /// Why it cannot keep something.
    type Error;

    /// Keeps one side of a channel, in place of what was kept of it before.
    ///
    /// # Errors
    /// If it cannot. The endpoint must then send nothing that it signed since it was last stored.
    fn store(
        &mut self,
        channel: &ChannelId,
        side: Party,
        stored: &Stored,
    ) -> Result<(), Self::Error>;

    /// What was kept last.
    ///
    /// # Errors
    /// If it cannot be read.
    fn load(&self, channel: &ChannelId, side: Party) -> Result<Option<Stored>, Self::Error>;
}

/// Storage that survives as long as the process.
#[derive(Debug, Default)]
pub struct InMemory(std::collections::HashMap<(ChannelId, Party), Stored>);

impl Storage for InMemory {
    type Error = std::convert::Infallible;

    fn store(
        &mut self,
        channel: &ChannelId,
        side: Party,
        stored: &Stored,
    ) -> Result<(), Self::Error> {
        self.0.insert((*channel, side), stored.clone());
        Ok(())
    }

    fn load(&self, channel: &ChannelId, side: Party) -> Result<Option<Stored>, Self::Error> {
        Ok(self.0.get(&(*channel, side)).cloned())
    }
}

impl Endpoint {
    /// What must be kept before anything that this party has signed leaves it.
    ///
    /// # Panics
    /// If an order of this party is not recorded yet.
    #[must_use]
    pub fn stored(&self) -> Stored {
        self.nothing_outstanding("store");
        Stored {
            signed: self.signed(),
            held: self.held,
            answered_from: self
                .phase
                .tail()
                .map_or(self.head(), |tail| tail.answered_from),
            status: self.status(),
            theirs: self.peers_final().copied(),
            final_signed: self.flags.has(Flag::FinalOrdered),
            counted: self.counted,
            in_flight: self.window().map_or(Vec::new(), Window::stored),
        }
    }

    /// The endpoint as it was stored. Its link is broken: it goes on from [`Endpoint::resume`].
    ///
    /// # Errors
    /// If the terms make no channel.
    ///
    /// # Panics
    /// If the rules are out of range, as [`Endpoint::new`].
    pub fn restore(
        me: Party,
        terms: &Terms,
        peer: KeyId,
        rules: Rules,
        stored: &Stored,
        windows: &mut WindowPool,
    ) -> Result<Endpoint, TermsError> {
        let mut end = Endpoint::new(me, terms, peer, rules)?;
        let tail = Tail {
            head: stored.signed.head,
            answered_from: stored.answered_from,
        };
        end.balance = stored.signed.balance;
        end.held = stored.held;
        end.phase = match (stored.status, stored.theirs) {
            (Status::Running, _) => Phase::Running(tail),
            (Status::Finishing, _) => Phase::Finishing(tail),
            (Status::Finished, theirs) => Phase::Finished {
                theirs: theirs.expect("both finals"),
            },
            (Status::Stopped(_), _) => Phase::Stopped(tail),
            (Status::Closing { .. }, _) => Phase::Closing(tail),
        };
        end.counted = stored.counted;
        end.flags.set(Flag::FinalOrdered, stored.final_signed);
        let because = match stored.status {
            Status::Stopped(rejection) => Some(rejection),
            Status::Closing { because } => because,
            _ => None,
        };
        if !stored.in_flight.is_empty() || because.is_some() {
            let aside = windows.lend(&mut end.aside);
            aside.because = because;
            aside.window.restore(&stored.in_flight);
        }
        end.flags.set(Flag::Resuming, true);
        Ok(end)
    }
}
