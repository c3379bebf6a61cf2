//! An endpoint from a record, before the peer's signatures in it are verified: of no use until
//! then. What they are over, the endpoint computes itself.

use super::super::super::proof::{final_digest, state_digest};
use super::super::super::terms::{ChannelId, Party};
use super::super::{Endpoint, Status};
use crate::crypto::{Digest, KeyId, Signature, Signed, Verified};

/// An endpoint that was read and not yet verified.
#[must_use]
pub struct Recovered {
    end: Endpoint,
}

/// That the peer signed what an endpoint's record says it did. To be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveredClaim {
    digest: Digest,
    signer: KeyId,
    signature: Signature,
}

impl Signed for RecoveredClaim {
    fn signed(&self) -> (KeyId, &Digest, &Signature) {
        (self.signer, &self.digest, &self.signature)
    }
}

impl Recovered {
    pub(super) fn of(end: Endpoint) -> Recovered {
        Recovered { end }
    }

    /// What it would be if its claims verified.
    #[cfg(test)]
    pub(super) fn unverified(&self) -> &Endpoint {
        &self.end
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &ChannelId {
        self.end.channel()
    }

    /// Which side it is.
    #[must_use]
    pub fn me(&self) -> Party {
        self.end.me()
    }

    /// The newest version that it has signed.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.end.signed().version()
    }

    /// What it may still do.
    #[must_use]
    pub fn status(&self) -> Status {
        self.end.status()
    }

    /// What the peer must have signed: the held state, if it is not the opening, and the final, if
    /// both have signed one. Any number of endpoints' claims can be verified in one batch.
    pub fn claims(&self) -> impl Iterator<Item = RecoveredClaim> {
        let Endpoint { channel, peer, .. } = self.end;
        let head = self.end.held.state().head(&channel);
        let claim = move |digest, signature| RecoveredClaim {
            digest,
            signer: peer,
            signature,
        };
        let held = self.end.peers_signature();
        let held = held.map(|theirs| claim(state_digest(&channel, &head), *theirs));
        let last = self.end.peers_final();
        let last = last.map(|theirs| claim(final_digest(&channel, &head), *theirs));
        held.into_iter().chain(last)
    }

    /// The endpoint, its claims verified. Takes as many off `verified` as it makes, in order.
    ///
    /// # Panics
    /// If these are other claims: our own bug.
    #[must_use]
    pub fn verified(
        self,
        verified: impl IntoIterator<Item = Verified<RecoveredClaim>>,
    ) -> Endpoint {
        let mut verified = verified.into_iter();
        for claim in self.claims() {
            let proof = verified.next().map(Verified::into_inner);
            assert_eq!(proof, Some(claim), "a claim of this endpoint");
        }
        self.end
    }
}
