//! A height that somebody may still work on or ask about: what was offered, precommitted and
//! decided there.

use arc_malachitebft_core_types as mc;
use mc::{NilOrVal, Round, SignedProposal, VoteType};

use super::blocks::{Block, Offer};
use super::context::{BlockId, Layer1, Vote};
use duet_channels::crypto::Digest;

/// A block, and why it is final.
pub(super) type Decided = (
    SignedProposal<Layer1>,
    mc::ExtendedCommitCertificate<Layer1>,
);

/// A height.
pub(super) struct Turn {
    pub(super) height: u64,
    pub(super) begins_us: u64,
    pub(super) offers: Vec<(Offer, Block)>,
    /// The first decision.
    pub(super) decided: Option<Decided>,
    /// When that was.
    pub(super) first_us: u64,
    pub(super) honest_decisions: usize,
    /// The number of the first signature that was made when it began.
    pub(super) signatures: u32,
    /// How many validators have said that they precommit a block in a round.
    precommits: Vec<(Round, Digest, usize)>,
    /// Blocks that more than two thirds have precommitted in one round.
    certified: Vec<Digest>,
}

impl Turn {
    pub(super) fn new(height: u64, begins_us: u64, signatures: u32) -> Turn {
        Turn {
            height,
            begins_us,
            offers: Vec::new(),
            decided: None,
            first_us: 0,
            honest_decisions: 0,
            signatures,
            precommits: Vec::new(),
            certified: Vec::new(),
        }
    }

    /// Whether a block that was offered keeps the rules.
    pub(super) fn is_valid(&self, block: &Digest) -> bool {
        let is_valid = |(offer, of): &(Offer, Block)| *offer != Offer::Invalid && of.hash == *block;
        self.offers.iter().any(is_valid)
    }

    /// Counts a vote that one of so many validators says for the first time. Gives two blocks once
    /// somebody could show a certificate of each.
    pub(super) fn count(&mut self, vote: &Vote, validators: usize) -> Option<[Digest; 2]> {
        let (VoteType::Precommit, NilOrVal::Val(BlockId(block))) = (vote.kind, vote.value) else {
            return None;
        };
        let of_vote = |row: &&mut (Round, Digest, usize)| (row.0, row.1) == (vote.round, block);
        let count = match self.precommits.iter_mut().find(of_vote) {
            Some((.., count)) => {
                *count += 1;
                *count
            }
            None => {
                self.precommits.push((vote.round, block, 1));
                1
            }
        };
        if count * 3 > validators * 2 && !self.certified.contains(&block) {
            self.certified.push(block);
        }
        match self.certified[..] {
            [one, other, ..] => Some([one, other]),
            _ => None,
        }
    }
}
