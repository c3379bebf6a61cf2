//! For a party or a watchtower that trusts no single node of Layer 1: what a node says is believed
//! by a certificate of more than two thirds of the validators, and by proofs against the state that
//! the header so certified commits to. It holds one header, and no chain.
//!
//! A node can say nothing, which anybody notices who asks another one. It cannot show an old block
//! as the newest, another state, or a channel without the post that is in it.

use duet_channels::crypto::Digest;
use duet_channels::protocol::ChannelId;
use duet_consensus::{Certificate, CertificateError, Validators};
use duet_ledger::l1::{ChannelProof, ChannelRecord, Header};

/// The newest header that was shown to be final.
#[derive(Clone, Debug)]
pub struct LightClient {
    validators: Validators,
    newest: Option<Header>,
}

/// What a node said and cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lie {
    /// A header that is not newer than one that was shown.
    #[error("a header of height {got}, after one of height {newest}")]
    Old {
        /// The newest one's height.
        newest: u64,
        /// The one that was shown now.
        got: u64,
    },
    /// A header whose hash is not that of what it says.
    #[error("a header whose hash is not its own")]
    OtherHash,
    /// A certificate of another block.
    #[error("a certificate of another block")]
    OtherBlock,
    /// A certificate that shows nothing.
    #[error("{0}")]
    Certificate(CertificateError),
    /// A proof that does not lead to the newest header's state.
    #[error("a proof that does not lead to the newest header's state")]
    OtherState,
    /// A proof of another channel.
    #[error("a proof of another channel")]
    OtherChannel,
}

impl LightClient {
    /// Knows these validators, and no header.
    #[must_use]
    pub fn new(validators: Validators) -> LightClient {
        LightClient {
            validators,
            newest: None,
        }
    }

    /// The newest header that was shown to be final.
    #[must_use]
    pub fn newest(&self) -> Option<&Header> {
        self.newest.as_ref()
    }

    /// Takes a header with its certificate.
    ///
    /// # Errors
    /// A [`Lie`]: nothing changes.
    pub fn follow(&mut self, header: &Header, certificate: &Certificate) -> Result<(), Lie> {
        let newest = self.newest.map_or(0, |newest| newest.height);
        let got = header.height;
        if got <= newest {
            return Err(Lie::Old { newest, got });
        }
        if header.digest() != header.hash {
            return Err(Lie::OtherHash);
        }
        if (certificate.height, certificate.block) != (got, header.hash) {
            return Err(Lie::OtherBlock);
        }
        self.validators
            .check(certificate)
            .map_err(Lie::Certificate)?;
        self.newest = Some(*header);
        Ok(())
    }

    /// A channel as it was after the newest header's block, with what is posted in it.
    ///
    /// # Errors
    /// A [`Lie`]: the proof is of another state or channel, or headers commit to none.
    pub fn channel(&self, id: &ChannelId, proof: &ChannelProof) -> Result<ChannelRecord, Lie> {
        let root: Option<Digest> = self.newest.and_then(|newest| newest.state_root);
        let shown = root.and_then(|root| proof.verify(&root));
        match shown.ok_or(Lie::OtherState)? {
            (shown, record) if shown == *id => Ok(record),
            _ => Err(Lie::OtherChannel),
        }
    }
}
