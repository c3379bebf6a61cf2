//! The receiver's half: check a proposal's entries, have its signature verified, co-sign.

use super::super::burst::{Burst, NewState};
use super::super::entry::{Entry, EntryBytes};
use super::super::message::Message;
use super::super::proof::CoSigned;
use super::super::rejection::Rejection;
use super::{Endpoint, SignOrder};
use crate::crypto::{Digest, KeyId, Signature, Signed, Verified};

/// What a proposal turns out to be, before its signature is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// New entries: they were appended to the burst.
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
    fn signer(&self) -> KeyId {
        self.signer
    }

    fn digest(&self) -> &Digest {
        &self.state.digest
    }

    fn signature(&self) -> &Signature {
        &self.signature
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
}

impl Endpoint {
    /// Checks a proposal's place and entries, and appends these to this party's burst, which was
    /// begun with this endpoint, as one state.
    ///
    /// # Errors
    /// [`Rejection::Ended`], [`Rejection::NotYourTurn`], [`Rejection::WrongEntryCount`],
    /// [`Rejection::TooManyInFlight`], or an entry's rejection by rule S2.
    pub fn receive_proposal(
        &self,
        entries: &[EntryBytes],
        signature: &Signature,
        burst: &mut Burst,
    ) -> Result<Incoming, Rejection> {
        self.running()?;
        let most = self.rules.cosign_every;
        let got = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        if !(1..=most).contains(&got) {
            return Err(Rejection::WrongEntryCount { most, got });
        }
        if self.is_answered(&entries[entries.len() - 1], signature) {
            return Ok(Incoming::Answered);
        }
        if self.turn.holder() == self.me {
            return Err(Rejection::NotYourTurn { holder: self.me });
        }
        let most = self.rules.in_flight;
        if burst.states_of_channel() >= most {
            return Err(Rejection::TooManyInFlight { most });
        }
        burst.check(entries, self.me.other())?;
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
    /// [`Rejection::Ended`], or [`Rejection::WrongVersion`] if the state does not extend the newest
    /// one that this party has signed, as when an earlier proposal was refused.
    pub fn accept(&mut self, claim: Verified<ProposalClaim>) -> Result<CoSignOrder, Rejection> {
        let claim = claim.into_inner();
        self.running()?;
        if self.turn.holder() == self.me {
            return Err(Rejection::NotYourTurn { holder: self.me });
        }
        self.extends(&claim.state)?;
        self.signed = claim.state.tip;
        self.counted += u64::from(claim.state.payments());
        if claim.pass {
            self.turn.pass();
        }
        let order = SignOrder {
            digest: claim.state.digest,
        };
        Ok(CoSignOrder { order, claim })
    }

    /// Records the co-signature that an order gave leave for; gives the answer to send.
    pub fn co_signed(&mut self, order: &CoSignOrder, signature: Signature) -> Message<'static> {
        let claim = &order.claim;
        self.held = Some(CoSigned {
            previous: claim.state.previous,
            entry: claim.state.entry,
            signatures: self.pair(signature, claim.signature),
        });
        Message::Acknowledgement {
            version: claim.state.version(),
            signature,
        }
    }

    /// The newest answer once more, for a peer that may have lost it. It answers all earlier
    /// proposals too. `None` if the newest state was not the peer's proposal.
    #[must_use]
    pub fn answer_again(&self) -> Option<Message<'static>> {
        let held = self.held.as_ref()?;
        let entry = Entry::decode(&held.entry);
        (entry.payer != self.me).then_some(Message::Acknowledgement {
            version: entry.version,
            signature: *held.signatures.of(self.me),
        })
    }

    /// Whether this is the proposal that this party answered last, byte for byte. An older one is
    /// stale: what it said is no longer known, so that it cannot be told from a different one.
    fn is_answered(&self, last: &EntryBytes, signature: &Signature) -> bool {
        self.held.as_ref().is_some_and(|held| {
            held.entry == *last && held.signatures.of(self.me.other()) == signature
        })
    }
}
