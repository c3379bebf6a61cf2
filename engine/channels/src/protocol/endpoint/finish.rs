//! Rule S6, the polite end: both sign the newest state as final, and nothing after it.

use super::super::message::Message;
use super::super::proof::{FinalProof, final_digest};
use super::super::rejection::Rejection;
use super::super::terms::Pair;
use super::{Endpoint, Flag, Phase, SignOrder};
use crate::crypto::{Digest, KeyId, Signature, Signed, Verified};

/// That the peer signed this party's newest state as final. To be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalClaim {
    version: u64,
    digest: Digest,
    signer: KeyId,
    signature: Signature,
}

impl FinalClaim {
    /// The version claimed to be final.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl Signed for FinalClaim {
    fn signed(&self) -> (KeyId, &Digest, &Signature) {
        (self.signer, &self.digest, &self.signature)
    }
}

impl Endpoint {
    /// Authorises this party's final signature, its last.
    ///
    /// # Errors
    /// As [`Endpoint::my_turn`], or [`Rejection::FinalInFlight`].
    pub fn finish(&mut self) -> Result<SignOrder, Rejection> {
        self.my_turn()?;
        self.nothing_in_flight()?;
        Ok(self.order_final())
    }

    /// Records the final signature; from its order on nothing is proposed or counted.
    ///
    /// # Panics
    /// If the order is of something else: our own bug.
    pub fn finish_signed(&mut self, order: &SignOrder, signature: Signature) -> Message<'static> {
        assert!(self.flags.has(Flag::FinalOrdered), "a final ordered");
        assert_eq!(
            order.digest,
            self.final_digest(),
            "an order is for one state"
        );
        if let Phase::Running(tail) = self.phase {
            self.phase = Phase::Finishing(tail);
        }
        Message::Final {
            version: self.balance.version,
            signature,
        }
    }

    /// Checks a final that the peer starts.
    ///
    /// # Errors
    /// [`Rejection::Ended`], [`Rejection::MissingResume`], [`Rejection::NotYourTurn`],
    /// [`Rejection::FinalInFlight`] or [`Rejection::FinalNotNewest`].
    pub fn receive_final(
        &self,
        version: u64,
        signature: Signature,
    ) -> Result<FinalClaim, Rejection> {
        self.hears()?;
        self.running()?;
        if self.turn_holder() == self.me() {
            return Err(Rejection::NotYourTurn { holder: self.me() });
        }
        self.nothing_in_flight()?;
        self.final_claim(version, signature)
    }

    /// Authorises the answer to a verified final, this party's last signature.
    ///
    /// # Errors
    /// As [`Endpoint::receive_final`], or [`Rejection::BrokenChain`] if it ends another channel.
    pub fn accept_final(&mut self, claim: &Verified<FinalClaim>) -> Result<SignOrder, Rejection> {
        let claim = claim.get();
        self.receive_final(claim.version, claim.signature)?;
        self.of_this_log(claim)?;
        Ok(self.order_final())
    }

    /// Records the answering final signature: this side is finished.
    ///
    /// # Panics
    /// If the order is of something else: our own bug.
    pub fn final_signed(
        &mut self,
        order: &SignOrder,
        claim: &Verified<FinalClaim>,
        signature: Signature,
    ) -> Message<'static> {
        assert!(self.flags.has(Flag::FinalOrdered), "a final ordered");
        assert_eq!(
            order.digest,
            claim.get().digest,
            "an order is for one state"
        );
        self.finished(claim.get().signature);
        Message::FinalAcknowledgement {
            version: self.balance.version,
            signature,
        }
    }

    /// Checks the answer to this party's final. The same answer again is let through, and changes
    /// nothing.
    ///
    /// # Errors
    /// [`Rejection::Ended`] if this party waits for none, [`Rejection::MissingResume`] or
    /// [`Rejection::FinalNotNewest`].
    pub fn receive_final_acknowledgement(
        &self,
        version: u64,
        signature: Signature,
    ) -> Result<FinalClaim, Rejection> {
        self.hears()?;
        match self.phase {
            Phase::Finishing(_) => self.final_claim(version, signature),
            Phase::Finished { theirs } if theirs == signature => {
                self.final_claim(version, signature)
            }
            _ => Err(Rejection::Ended),
        }
    }

    /// Completes this party's final with its verified answer.
    ///
    /// # Errors
    /// [`Rejection::Ended`] if this party waits for none, [`Rejection::BrokenChain`] if it ends
    /// another channel, or why the channel stopped.
    pub fn finish_acknowledged(&mut self, claim: &Verified<FinalClaim>) -> Result<(), Rejection> {
        let claim = claim.get();
        self.of_this_log(claim)?;
        match self.phase {
            Phase::Finishing(_) => self.finished(claim.signature),
            Phase::Finished { theirs } if theirs == claim.signature => {}
            Phase::Stopped(_) => return Err(self.stopped_because()),
            _ => return Err(Rejection::Ended),
        }
        Ok(())
    }

    /// What closes the channel at once, when both have signed a final; this party's signature is
    /// made again by `sign`.
    pub fn final_proof(&self, sign: impl FnOnce(&SignOrder) -> Signature) -> Option<FinalProof> {
        let theirs = *self.peers_final()?;
        Some(FinalProof {
            channel: self.channel,
            state: self.held.state(),
            signatures: Pair::of(self.me(), sign(&self.final_signed_before()), theirs),
        })
    }

    /// Leave to make again this party's final signature, if it has made one.
    #[must_use]
    pub fn final_order(&self) -> Option<SignOrder> {
        let signed = self.flags.has(Flag::FinalOrdered);
        signed.then(|| self.final_signed_before())
    }

    /// The peer's final signature, when both have signed one.
    #[must_use]
    pub fn peers_final(&self) -> Option<&Signature> {
        match &self.phase {
            Phase::Finished { theirs } => Some(theirs),
            _ => None,
        }
    }

    /// The message in which this party's final signature goes out once more, for a peer that may
    /// have lost it; `peer_signed` tells whether the peer has signed its own.
    pub(super) fn final_again(
        &self,
        peer_signed: bool,
        sign: impl FnOnce(&SignOrder) -> Signature,
    ) -> Option<Message<'static>> {
        let version = self.balance.version;
        match self.phase {
            Phase::Finishing(_) if !peer_signed => Some(Message::Final {
                version,
                signature: sign(&self.final_signed_before()),
            }),
            Phase::Finished { .. } => Some(Message::FinalAcknowledgement {
                version,
                signature: sign(&self.final_signed_before()),
            }),
            _ => None,
        }
    }

    fn order_final(&mut self) -> SignOrder {
        self.flags.set(Flag::FinalOrdered, true);
        SignOrder {
            digest: self.final_digest(),
        }
    }

    /// Leave to make again the final signature that this party has made.
    fn final_signed_before(&self) -> SignOrder {
        assert!(self.flags.has(Flag::FinalOrdered), "a final ordered");
        SignOrder {
            digest: self.final_digest(),
        }
    }

    fn finished(&mut self, theirs: Signature) {
        // A final is ordered only while nothing is unanswered, and after it nothing is signed: the
        // log's head follows from what is held.
        assert_eq!(self.held_version(), self.balance.version);
        self.phase = Phase::Finished { theirs };
    }

    fn final_claim(&self, version: u64, signature: Signature) -> Result<FinalClaim, Rejection> {
        let expected = self.balance.version;
        if version != expected {
            return Err(Rejection::FinalNotNewest {
                expected,
                got: version,
            });
        }
        Ok(FinalClaim {
            version,
            digest: self.final_digest(),
            signer: self.peer,
            signature,
        })
    }

    fn nothing_in_flight(&self) -> Result<(), Rejection> {
        match self.unanswered() {
            0 => Ok(()),
            in_flight => Err(Rejection::FinalInFlight { in_flight }),
        }
    }

    fn of_this_log(&self, claim: &FinalClaim) -> Result<(), Rejection> {
        if claim.digest != self.final_digest() {
            return Err(Rejection::BrokenChain {
                version: claim.version,
            });
        }
        assert_eq!(claim.signer, self.peer, "a claim of this side");
        Ok(())
    }

    fn final_digest(&self) -> Digest {
        final_digest(&self.channel, &self.head())
    }
}
