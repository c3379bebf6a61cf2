//! The proposer's second half: an answer arrives, is verified, and completes its proposal and all
//! earlier ones.

use super::super::new_state::NewState;
use super::super::rejection::Rejection;
use super::held::Held;
use super::window::WindowPool;
use super::{Endpoint, Flag};
use crate::crypto::{Digest, KeyId, Signature, Signed, Verified};

/// What an acknowledgement turns out to be, before its signature is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It answers a proposal in flight.
    New(AcknowledgementClaim),
    /// It answers one that was answered before: nothing to do.
    Duplicate,
}

/// That the peer co-signed a state that this party proposed. To be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcknowledgementClaim {
    version: u64,
    digest: Digest,
    signer: KeyId,
    signature: Signature,
}

impl AcknowledgementClaim {
    /// The version claimed to be co-signed.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl Signed for AcknowledgementClaim {
    fn signed(&self) -> (KeyId, &Digest, &Signature) {
        (self.signer, &self.digest, &self.signature)
    }
}

/// What an acknowledgement completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The version below the payments that are now co-signed.
    pub after: u64,
    /// The version of the last of them.
    pub version: u64,
}

impl Endpoint {
    /// Finds the proposal that an acknowledgement answers. One of a version that both have signed
    /// already says nothing new, and whatever it carries is ignored, after a final too.
    ///
    /// # Errors
    /// [`Rejection::UnknownVersion`] for a version that was never proposed as a state,
    /// [`Rejection::Ended`], [`Rejection::MissingResume`], or why the channel stopped.
    pub fn receive_acknowledgement(
        &self,
        version: u64,
        signature: Signature,
    ) -> Result<Answer, Rejection> {
        self.hears()?;
        if version <= self.held_version() {
            return Ok(Answer::Duplicate);
        }
        self.running()?;
        let sent = self.window().and_then(|window| window.find(version));
        let Some(sent) = sent else {
            return Err(Rejection::UnknownVersion {
                newest: self.balance.version,
                got: version,
            });
        };
        Ok(Answer::New(AcknowledgementClaim {
            version,
            digest: sent.state.digest,
            signer: self.peer,
            signature,
        }))
    }

    /// Completes the proposal that a verified acknowledgement answers, and all earlier ones.
    ///
    /// # Errors
    /// [`Rejection::BrokenChain`] if it answers another channel's proposal, [`Rejection::Ended`],
    /// or why the channel stopped. An answer that a later one has overtaken completes nothing and
    /// is no error.
    pub fn acknowledged(
        &mut self,
        claim: Verified<AcknowledgementClaim>,
        windows: &mut WindowPool,
    ) -> Result<Acknowledged, Rejection> {
        let claim = claim.into_inner();
        self.running()?;
        let after = self.held_version();
        let window = self.aside.as_mut().map(|aside| &mut aside.window);
        let Some((digest, window)) = window.and_then(|window| {
            let digest = window.find(claim.version)?.state.digest;
            Some((digest, window))
        }) else {
            return Ok(Acknowledged {
                after,
                version: after,
            });
        };
        if claim.digest != digest {
            return Err(Rejection::BrokenChain {
                version: claim.version,
            });
        }
        assert_eq!(claim.signer, self.peer, "a claim of this side");
        let sent = window.answer(claim.version).expect("the version was found");
        windows.take_back(&mut self.aside);
        let NewState {
            previous, entry, ..
        } = sent.state;
        self.held = Held {
            previous,
            entry,
            theirs: claim.signature,
        };
        if self.flags.has(Flag::Passing) && self.in_flight() == 0 {
            self.turn_passes();
        }
        Ok(Acknowledged {
            after,
            version: claim.version,
        })
    }
}
