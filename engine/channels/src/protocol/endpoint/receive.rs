//! The receiver's half: make the entries of a proposal's payments, have its signature verified over
//! what they hash to, co-sign.

use super::super::amount::Amount;
use super::super::burst::Burst;
use super::super::entry::{Balance, Entry, EntryBytes};
use super::super::message::Message;
use super::super::new_state::NewState;
use super::super::payments::Payments;
use super::super::rejection::Rejection;
use super::super::terms::Party;
use super::held::Held;
use super::{Endpoint, Flag, SignOrder};
use crate::crypto::{Digest, KeyId, Signature, Signed, Verified, link};

/// What a proposal turns out to be, before its signature is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// New payments: their entries were appended to the burst.
    New,
    /// A proposal that this party has answered already: the answer is to be sent again.
    Answered,
}

/// That the peer signed a state that this party recomputed itself. To be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposalClaim {
    state: NewState,
    signer: KeyId,
    signature: Signature,
    pass: bool,
}

impl ProposalClaim {
    /// The version claimed to be signed.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.state.version()
    }
}

impl Signed for ProposalClaim {
    fn signed(&self) -> (KeyId, &Digest, &Signature) {
        (self.signer, &self.state.digest, &self.signature)
    }
}

/// Leave to complete one verified proposal with this party's signature.
#[derive(Debug)]
#[must_use]
pub struct CoSignOrder {
    order: SignOrder,
    claim: ProposalClaim,
}

impl CoSignOrder {
    /// What to sign.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        self.order.digest()
    }

    /// How many payments it completes.
    #[must_use]
    pub fn payments(&self) -> u32 {
        self.claim.state.payments()
    }

    /// The log's length after the last of them.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.claim.version()
    }
}

impl Endpoint {
    /// Checks a proposal's place and payments, and appends their entries to this party's burst,
    /// which was begun with this endpoint, as one state.
    ///
    /// # Errors
    /// [`Rejection::Ended`], [`Rejection::MissingResume`], [`Rejection::NotYourTurn`],
    /// [`Rejection::WrongEntryCount`], [`Rejection::TooManyInFlight`], or a payment's rejection by
    /// rule S2, or that it is malformed.
    pub fn receive_proposal(
        &self,
        payments: &Payments<'_>,
        signature: &Signature,
        burst: &mut Burst,
    ) -> Result<Incoming, Rejection> {
        self.hears()?;
        self.running()?;
        let most = u32::from(self.cosign_every);
        let got = payments.len() as u32;
        if !(1..=most).contains(&got) {
            return Err(Rejection::WrongEntryCount { most, got });
        }
        if self.is_answered(payments, signature) {
            return Ok(Incoming::Answered);
        }
        self.peers_turn()?;
        let most = self.in_flight_most;
        if burst.states_of_channel().saturating_add(self.answering()) >= most {
            return Err(Rejection::TooManyInFlight { most });
        }
        burst.receive(payments)?;
        burst.cut();
        Ok(Incoming::New)
    }

    /// The claim that a proposal makes about a state that this party's burst has hashed.
    #[must_use]
    pub fn claim(&self, state: &NewState, signature: Signature, pass: bool) -> ProposalClaim {
        ProposalClaim {
            state: *state,
            signer: self.peer,
            signature,
            pass,
        }
    }

    /// Counts a verified proposal's payments as received (rule S4) and authorises the answer.
    ///
    /// # Errors
    /// [`Rejection::Ended`], [`Rejection::MissingResume`], [`Rejection::NotYourTurn`], or
    /// [`Rejection::WrongVersion`] or [`Rejection::BrokenChain`] if the state does not extend the
    /// newest one that this party has signed, as when an earlier proposal was refused.
    pub fn accept(&mut self, claim: Verified<ProposalClaim>) -> Result<CoSignOrder, Rejection> {
        let claim = claim.into_inner();
        self.hears()?;
        self.running()?;
        self.peers_turn()?;
        self.extends(&claim.state)?;
        assert_eq!(claim.signer, self.peer, "a claim of this side");
        self.moves_to(claim.state.tip);
        self.flags.set(Flag::Answering, true);
        self.outstanding += 1;
        self.counted += u64::from(claim.state.payments());
        if claim.pass {
            self.turn_passes();
        }
        let order = SignOrder {
            digest: claim.state.digest,
        };
        Ok(CoSignOrder { order, claim })
    }

    /// Records the co-signature that an order gave leave for; gives the answer to send. It answers
    /// all earlier proposals too, whose orders may be left unused.
    ///
    /// # Panics
    /// If this order or a later one has been recorded: our own bug.
    pub fn co_signed(&mut self, order: &CoSignOrder, signature: Signature) -> Message<'static> {
        let claim = &order.claim;
        assert!(
            self.held_version() < claim.version() && claim.version() <= self.balance.version,
            "an order outstanding"
        );
        self.outstanding = match self.balance.version {
            newest if newest == claim.version() => 0,
            _ => self.outstanding - 1,
        };
        self.phase.tail_mut().answered_from = claim.state.from.1;
        self.held = Held {
            previous: claim.state.previous,
            entry: claim.state.entry,
            theirs: claim.signature,
        };
        Message::Acknowledgement {
            version: claim.state.version(),
            signature,
        }
    }

    /// The newest answer once more, for a peer that may have lost it, made again by `sign`. It
    /// answers all earlier proposals too. `None` if the newest state was not the peer's proposal.
    pub fn answer_again(
        &self,
        sign: impl FnOnce(&SignOrder) -> Signature,
    ) -> Option<Message<'static>> {
        let entry = Entry::decode(&self.held.entry);
        let order = self.held_order().filter(|_| entry.payer != self.me())?;
        Some(Message::Acknowledgement {
            version: entry.version,
            signature: sign(&order),
        })
    }

    /// Only the turn's holder proposes, and it cannot have it while anything of this party's is
    /// unanswered.
    fn peers_turn(&self) -> Result<(), Rejection> {
        if self.turn_holder() == self.me() || self.in_flight() > 0 {
            return Err(Rejection::NotYourTurn { holder: self.me() });
        }
        Ok(())
    }

    /// Whether this is the proposal that this party answered last, byte for byte. An older one is
    /// stale: what it said is no longer known, so that it cannot be told from a different one.
    fn is_answered(&self, payments: &Payments<'_>, signature: &Signature) -> bool {
        let last = Entry::decode(&self.held.entry);
        // A proposal of this party's own was never the peer's to send.
        if self.held.theirs != *signature || last.version == 0 || last.payer == self.me() {
            return false;
        }
        let answered = || {
            // Its entries, made again from what the payer had before.
            let (mut paid, payer) = (0_u64, last.payer);
            let full = Rejection::LogFull;
            payments.each(|amount, _| {
                paid = paid.checked_add(amount.units()).ok_or(full)?;
                Ok(())
            })?;
            let (after, capacity) = (last.balance_a.units(), self.limits.capacity.units());
            let before = match payer {
                Party::A => after.checked_add(paid),
                Party::B => after.checked_sub(paid),
            };
            let version = last.version.checked_sub(payments.len() as u64);
            let before = Balance {
                version: version.ok_or(full)?,
                a: Amount::new(before.filter(|a| *a <= capacity).ok_or(full)?),
            };
            let mut steps = before.steps(payer, &self.limits);
            let tail = self.phase.tail().ok_or(full)?;
            let (mut previous, mut head) = (Digest::default(), tail.answered_from);
            let mut newest = EntryBytes::default();
            payments.each(|amount, tag| {
                newest = steps.step(amount, tag)?.encode();
                (previous, head) = (head, link(&head, &newest));
                Ok(())
            })?;
            Ok((previous, newest))
        };
        answered() == Ok::<_, Rejection>((self.held.previous, self.held.entry))
    }
}
