//! What validators say to each other: what is signed of it, and how long it is.

use arc_malachitebft_core_types as mc;
use mc::{
    ExtendedCommitCertificate, NilOrVal, PolkaCertificate, Round, RoundCertificate, SignedProposal,
    SignedVote, VoteType,
};

use super::context::{Address, BlockId, Height, Layer1, Proposal, Vote};
use duet_channels::crypto::{Digest, Domain, hash};

/// A message.
pub(super) enum Message {
    /// A proposal; whether the block's body comes with it.
    Proposal(SignedProposal<Layer1>, bool),
    Vote(SignedVote<Layer1>),
    /// Why a round may be entered.
    Round(RoundCertificate<Layer1>),
    /// Why a block may be proposed again.
    Polka(PolkaCertificate<Layer1>),
    /// Who was left behind asks what was decided at a height.
    Ask(u64),
    Decided(SignedProposal<Layer1>, ExtendedCommitCertificate<Layer1>),
}

/// A height, a round and a signature's place in a certificate, beside the signature itself.
const SIGNATURE_BYTES: u64 = 64;

impl Message {
    pub(super) fn height(&self) -> u64 {
        match self {
            Message::Proposal(proposal, _) | Message::Decided(proposal, _) => proposal.height.0,
            Message::Vote(vote) => vote.height.0,
            Message::Round(certificate) => certificate.height.0,
            Message::Polka(certificate) => certificate.height.0,
            Message::Ask(height) => *height,
        }
    }

    /// Its bytes: what is signed, the signatures, and of a proposal the block.
    pub(super) fn bytes(&self) -> u64 {
        let proposal = |proposal: &Proposal| {
            PROPOSAL_BYTES as u64 + 2 + SIGNATURE_BYTES + u64::from(proposal.block.bytes)
        };
        let certificate = |signatures: usize| 44 + (2 + SIGNATURE_BYTES) * signatures as u64;
        match self {
            Message::Proposal(signed, true) => proposal(signed),
            Message::Proposal(signed, false) => proposal(signed) - u64::from(signed.block.bytes),
            Message::Vote(_) => VOTE_BYTES as u64 + 2 + SIGNATURE_BYTES,
            // Votes of one may be for different blocks.
            Message::Round(round) => {
                12 + (35 + SIGNATURE_BYTES) * round.round_signatures.len() as u64
            }
            Message::Polka(polka) => certificate(polka.polka_signatures.len()),
            Message::Ask(_) => 8,
            Message::Decided(signed, commit) => {
                proposal(signed) + certificate(commit.commit_signatures.len())
            }
        }
    }
}

const VOTE_BYTES: usize = 32 + 8 + 4 + 1 + 1 + 32;
const PROPOSAL_BYTES: usize = 32 + 8 + 4 + 4 + 32;

fn round_bytes(round: Round) -> [u8; 4] {
    round.as_u32().unwrap_or(u32::MAX).to_le_bytes()
}

/// What a vote signs: `H_vote(genesis id ‖ height u64 ‖ round u32 ‖ 0 prevote, 1 precommit ‖ 1 for
/// a block, 0 for none ‖ its hash, or zeros)`, integers little-endian.
pub(super) fn vote_digest(genesis: &Digest, vote: &Vote) -> Digest {
    let mut bytes = [0; VOTE_BYTES];
    bytes[..32].copy_from_slice(&genesis.0);
    bytes[32..40].copy_from_slice(&vote.height.0.to_le_bytes());
    bytes[40..44].copy_from_slice(&round_bytes(vote.round));
    bytes[44] = u8::from(vote.kind == VoteType::Precommit);
    if let NilOrVal::Val(BlockId(block)) = &vote.value {
        bytes[45] = 1;
        bytes[46..].copy_from_slice(&block.0);
    }
    hash(Domain::Vote, &bytes)
}

/// What a proposal signs: `H_proposal(genesis id ‖ height u64 ‖ round u32 ‖ the polka's round u32,
/// 2^32 − 1 for none ‖ the block's hash)`, integers little-endian.
pub(super) fn proposal_digest(genesis: &Digest, proposal: &Proposal) -> Digest {
    let mut bytes = [0; PROPOSAL_BYTES];
    bytes[..32].copy_from_slice(&genesis.0);
    bytes[32..40].copy_from_slice(&proposal.height.0.to_le_bytes());
    bytes[40..44].copy_from_slice(&round_bytes(proposal.round));
    bytes[44..48].copy_from_slice(&round_bytes(proposal.pol_round));
    bytes[48..].copy_from_slice(&proposal.block.hash.0);
    hash(Domain::Proposal, &bytes)
}

/// The precommit that a certificate's signature is over.
pub(super) fn precommit(height: u64, round: u32, block: Digest, from: u16) -> Vote {
    Vote {
        kind: VoteType::Precommit,
        height: Height(height),
        round: Round::new(round),
        value: NilOrVal::Val(BlockId(block)),
        from: Address(from),
    }
}
