//! What the driver wants to know of us: the types behind its `Context`. All of it is glue.

use std::fmt;
use std::sync::Arc;

use arc_malachitebft_core_types as mc;
use mc::{NilOrVal, Round, SignedExtension, VoteType};

use super::blocks::Block;
use super::registry::SignatureId;
use duet_channels::crypto::{Digest, PublicKey};

/// A validator, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address(pub(super) u16);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "validator {}", self.0)
    }
}

impl mc::Address for Address {}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Height(pub(super) u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl mc::Height for Height {
    const ZERO: Height = Height(0);
    const INITIAL: Height = Height(1);

    fn increment_by(&self, n: u64) -> Height {
        Height(self.0 + n)
    }

    fn decrement_by(&self, n: u64) -> Option<Height> {
        self.0.checked_sub(n).map(Height)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// A block's hash, as the driver has values named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct BlockId(pub(super) Digest);

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A block, as the driver has values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate(pub(super) Block);

impl std::ops::Deref for Candidate {
    type Target = Block;

    fn deref(&self) -> &Block {
        &self.0
    }
}

impl mc::Value for Candidate {
    type Id = BlockId;

    fn id(&self) -> BlockId {
        BlockId(self.hash)
    }
}

/// Blocks are proposed whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole;

impl mc::ProposalPart<Layer1> for Whole {
    fn is_first(&self) -> bool {
        true
    }

    fn is_last(&self) -> bool {
        true
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    pub(super) height: Height,
    pub(super) round: Round,
    pub(super) block: Candidate,
    /// The round in which it had a polka before, if it had.
    pub(super) pol_round: Round,
    pub(super) from: Address,
}

impl mc::Proposal<Layer1> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Candidate {
        &self.block
    }

    fn take_value(self) -> Candidate {
        self.block
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.from
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vote {
    pub(super) kind: VoteType,
    pub(super) height: Height,
    pub(super) round: Round,
    pub(super) value: NilOrVal<BlockId>,
    pub(super) from: Address,
}

impl mc::Vote<Layer1> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockId> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<BlockId> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.from
    }

    fn extension(&self) -> Option<&SignedExtension<Layer1>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Layer1>> {
        None
    }

    fn extend(self, _: SignedExtension<Layer1>) -> Vote {
        self
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) address: Address,
    pub(super) key: PublicKey,
}

impl mc::Validator<Layer1> for Member {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn voting_power(&self) -> u64 {
        1
    }
}

/// Behind an `Arc`: a driver clones it at each height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Members(pub(super) Arc<[Member]>);

impl Members {
    pub(super) fn of(keys: &[PublicKey]) -> Members {
        let member = |(place, key): (usize, &PublicKey)| Member {
            address: Address(place as u16),
            key: *key,
        };
        Members(keys.iter().enumerate().map(member).collect())
    }
}

impl mc::ValidatorSet<Layer1> for Members {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.0.len() as u64
    }

    fn get_by_address(&self, address: &Address) -> Option<&Member> {
        self.get_by_index(usize::from(address.0))
    }

    fn get_by_index(&self, index: usize) -> Option<&Member> {
        self.0.get(index)
    }
}

/// The driver never looks into a signature: it holds its number in the [registry].
///
/// [registry]: super::registry::Registry
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ByNumber;

impl mc::SigningScheme for ByNumber {
    type DecodingError = &'static str;
    type Signature = SignatureId;
    type PublicKey = PublicKey;
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<SignatureId, &'static str> {
        let bytes = bytes.try_into().map_err(|_| "4 bytes")?;
        Ok(SignatureId(u32::from_le_bytes(bytes)))
    }

    fn encode_signature(signature: &SignatureId) -> Vec<u8> {
        signature.0.to_le_bytes().to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<PublicKey, &'static str> {
        bytes.try_into().map(PublicKey).map_err(|_| "32 bytes")
    }

    fn encode_public_key(key: &PublicKey) -> Vec<u8> {
        key.0.to_vec()
    }
}

/// Duet's Layer 1, as the driver knows it.
#[derive(Clone, Debug)]
pub(super) struct Layer1;

impl mc::Context for Layer1 {
    type Address = Address;
    type Height = Height;
    type ProposalPart = Whole;
    type Proposal = Proposal;
    type Validator = Member;
    type ValidatorSet = Members;
    type Timeouts = mc::LinearTimeouts;
    type Value = Candidate;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = ByNumber;

    /// The driver never asks: what it is told by is a height's number among those that are decided,
    /// from 0.
    fn select_proposer<'a>(&self, members: &'a Members, turn: Height, round: Round) -> &'a Member {
        let round = round.as_u32().expect("proposals are of a round");
        let place = (turn.0 + u64::from(round)) % members.0.len() as u64;
        &members.0[place as usize]
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        block: Candidate,
        pol_round: Round,
        from: Address,
    ) -> Proposal {
        Proposal {
            height,
            round,
            block,
            pol_round,
            from,
        }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockId>,
        from: Address,
    ) -> Vote {
        Vote {
            kind: VoteType::Prevote,
            height,
            round,
            value,
            from,
        }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockId>,
        from: Address,
    ) -> Vote {
        Vote {
            kind: VoteType::Precommit,
            height,
            round,
            value,
            from,
        }
    }
}
