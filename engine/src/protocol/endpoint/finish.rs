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
        Ok(SignOrder {
            digest: self.final_digest(),
        })
    }

    /// Records the final signature; from here on nothing is proposed or counted.
    pub fn finish_signed(&mut self, order: &SignOrder, signature: Signature) -> Message<'static> {
        assert_eq!(
            order.digest,
            self.final_digest(),
            "an order is for one state"
        );
        self.status = Status::Finishing { signature };
        Message::Final {
            version: self.signed.balance.version,
            signature,
        }
    }

    /// Checks a final that the peer starts.
    ///
    /// # Errors
    /// [`Rejection::Ended`], [`Rejection::NotYourTurn`], [`Rejection::FinalInFlight`] or
    /// [`Rejection::FinalNotNewest`].
    pub fn receive_final(
        &self,
        version: u64,
        signature: Signature,
    ) -> Result<FinalClaim, Rejection> {
        self.running()?;
        if self.turn.holder() == self.me {
            return Err(Rejection::NotYourTurn { holder: self.me });
        }
        self.nothing_in_flight()?;
        self.final_claim(version, signature)
    }

    /// Authorises the answer to a verified final.
    ///
    /// # Errors
    /// As [`Endpoint::receive_final`].
    pub fn accept_final(&mut self, claim: &Verified<FinalClaim>) -> Result<SignOrder, Rejection> {
        let claim = claim.get();
        self.receive_final(claim.version, claim.signature)?;
        Ok(SignOrder {
            digest: self.final_digest(),
        })
    }

    /// Records the answering final signature: this side is finished.
    pub fn final_signed(
        &mut self,
        order: &SignOrder,
        claim: &Verified<FinalClaim>,
        signature: Signature,
    ) -> Message<'static> {
        assert_eq!(
            order.digest,
            claim.get().digest,
            "an order is for one state"
        );
        self.finished(signature, claim.get().signature);
        Message::FinalAcknowledgement {
            version: self.signed.balance.version,
            signature,
        }
    }

    /// Checks the answer to this party's final.
    ///
    /// # Errors
    /// [`Rejection::Ended`] if this party has signed none, or [`Rejection::FinalNotNewest`].
    pub fn receive_final_acknowledgement(
        &self,
        version: u64,
        signature: Signature,
    ) -> Result<FinalClaim, Rejection> {
        match self.status {
            Status::Finishing { .. } => self.final_claim(version, signature),
            Status::Stopped(rejection) => Err(rejection),
            Status::Running | Status::Finished { .. } => Err(Rejection::Ended),
        }
    }

    /// Completes this party's final with its verified answer.
    ///
    /// # Errors
    /// [`Rejection::Ended`] if this party has signed none.
    pub fn finish_acknowledged(&mut self, claim: &Verified<FinalClaim>) -> Result<(), Rejection> {
        let Status::Finishing { signature } = self.status else {
            return Err(Rejection::Ended);
        };
        self.finished(signature, claim.get().signature);
        Ok(())
    }

    fn finished(&mut self, mine: Signature, theirs: Signature) {
        // Nothing is in flight and every acceptance was completed: the newest signed state is held.
        assert_eq!(self.held_version(), self.signed.balance.version);
        self.status = Status::Finished {
            signatures: self.pair(mine, theirs),
        };
    }

    fn final_claim(&self, version: u64, signature: Signature) -> Result<FinalClaim, Rejection> {
        let expected = self.signed.balance.version;
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
        match self.in_flight() {
            0 => Ok(()),
            in_flight => Err(Rejection::FinalInFlight { in_flight }),
        }
    }

    fn final_digest(&self) -> Digest {
        final_digest(&self.channel, &self.signed.head)
    }
}
