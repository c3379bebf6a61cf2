//! Rule S6, the polite end: both sign the newest state as final, and nothing after it.

use super::super::message::Message;
use super::super::proof::final_digest;
use super::super::rejection::Rejection;
use super::{Endpoint, SignOrder, Status};
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
    fn signer(&self) -> KeyId {
        self.signer
    }

    fn digest(&self) -> &Digest {
        &self.digest
    }

    fn signature(&self) -> &Signature {
        &self.signature
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
        assert!(self.final_ordered, "a final ordered");
        assert_eq!(
            order.digest,
            self.final_digest(),
            "an order is for one state"
        );
        if let Status::Running = self.status {
            self.status = Status::Finishing { signature };
        }
        Message::Final {
            version: self.signed.version(),
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
        if self.turn.holder() == self.me {
            return Err(Rejection::NotYourTurn { holder: self.me });
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
        assert!(self.final_ordered, "a final ordered");
        assert_eq!(
            order.digest,
            claim.get().digest,
            "an order is for one state"
        );
        self.finished(signature, claim.get().signature);
        Message::FinalAcknowledgement {
            version: self.signed.version(),
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
        match self.status {
            Status::Finishing { .. } => self.final_claim(version, signature),
            Status::Finished { signatures } if *signatures.of(self.me.other()) == signature => {
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
        match self.status {
            Status::Finishing { signature } => self.finished(signature, claim.signature),
            Status::Finished { signatures }
                if *signatures.of(self.me.other()) == claim.signature => {}
            Status::Stopped(rejection) => return Err(rejection),
            _ => return Err(Rejection::Ended),
        }
        Ok(())
    }

    /// The message in which this party's final signature goes out once more, for a peer that may
    /// have lost it; `peer_signed` tells whether the peer has signed its own.
    pub(super) fn final_again(&self, peer_signed: bool) -> Option<Message<'static>> {
        let version = self.signed.version();
        match self.status {
            Status::Finishing { signature } if !peer_signed => {
                Some(Message::Final { version, signature })
            }
            Status::Finished { signatures } => Some(Message::FinalAcknowledgement {
                version,
                signature: *signatures.of(self.me),
            }),
            _ => None,
        }
    }

    fn order_final(&mut self) -> SignOrder {
        self.final_ordered = true;
        SignOrder {
            digest: self.final_digest(),
        }
    }

    fn finished(&mut self, mine: Signature, theirs: Signature) {
        // A final is ordered only while nothing is unanswered, and after it nothing is signed.
        assert_eq!(self.held_version(), self.signed.version());
        self.status = Status::Finished {
            signatures: self.pair(mine, theirs),
        };
    }

    fn final_claim(&self, version: u64, signature: Signature) -> Result<FinalClaim, Rejection> {
        let expected = self.signed.version();
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
        final_digest(&self.channel, &self.signed.head)
    }
}
