//! For a party or a watchtower that trusts no single node of Layer 1: what a node says is believed
//! by a certificate of more than two thirds of the validators, and by proofs against the state that
//! the header so certified commits to. It holds one header, and no chain.
//!
//! While less than a third of the validators are faulty, a node cannot show another state, a
//! channel without the post that is in it, or a block that does not follow from the one that was
//! shown before. Nor can it show a block as the newest that is older than the client allows by its
//! clock.
//!
//! What it can do: say nothing, and show a block that is the newest but for as many as the client
//! allows. Since a block is made only where something waits, the newest one of a chain that nobody
//! uses is old, and no header shows that there was none since: whoever has to know sends a
//! transaction, and waits for a block that has it. With a third and more of the validators at
//! fault, or keys of theirs that were lost, two blocks of a height can each have a certificate. The
//! client notices it if it is shown both, one after the other, and not if a node shows it one of
//! them.

use duet_channels::crypto::Digest;
use duet_channels::protocol::ChannelId;
use duet_consensus::{Certificate, CertificateError, Validators};
use duet_ledger::l1::{ChannelProof, ChannelRecord, Header};

/// The newest header that was shown to be final.
#[derive(Clone, Debug)]
pub struct LightClient {
    validators: Validators,
    most_behind: u64,
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
    /// A header that is older than the client allows.
    #[error("a header of height {got}, where the clock says {now}")]
    Stale {
        /// What height it is by the clock.
        now: u64,
        /// The header's.
        got: u64,
    },
    /// A header that does not follow from the one before it: blocks were left out, or the
    /// validators have told two.
    #[error("the header of height {height} does not follow from the one before")]
    OtherParent {
        /// Its height.
        height: u64,
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
    /// Knows these validators, and no header. Takes one that is at most so many heights behind the
    /// clock.
    #[must_use]
    pub fn new(validators: Validators, most_behind: u64) -> LightClient {
        LightClient {
            validators,
            most_behind,
            newest: None,
        }
    }

    /// The newest header that was shown to be final.
    #[must_use]
    pub fn newest(&self) -> Option<&Header> {
        self.newest.as_ref()
    }

    /// Takes a header with its certificate, and the headers of all blocks between the newest one so
    /// far and it, in their order; `now` is the height by the clock: how often a block could have
    /// been made since the genesis. The first header is taken by its certificate alone.
    ///
    /// # Errors
    /// A [`Lie`]: nothing changes.
    pub fn follow(
        &mut self,
        between: &[Header],
        header: &Header,
        certificate: &Certificate,
        now: u64,
    ) -> Result<(), Lie> {
        let newest = self.newest.map_or(0, |newest| newest.height);
        let got = header.height;
        if got <= newest {
            return Err(Lie::Old { newest, got });
        }
        if got.saturating_add(self.most_behind) < now {
            return Err(Lie::Stale { now, got });
        }
        let mut before = self.newest.map(|newest| newest.hash);
        for of in between.iter().chain([header]) {
            if of.digest() != of.hash {
                return Err(Lie::OtherHash);
            }
            if before.is_some_and(|before| before != of.parent) {
                return Err(Lie::OtherParent { height: of.height });
            }
            before = Some(of.hash);
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
