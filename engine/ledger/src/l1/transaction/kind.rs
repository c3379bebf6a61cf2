//! The kinds of transactions, and how long each is.

use strum::{EnumCount, FromRepr};

use super::super::refusal::Malformed;
use duet_channels::crypto::{Digest, PublicKey, Signature};
use duet_channels::protocol::{Amount, FinalProof, Pair, State};

/// The first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, FromRepr)]
#[repr(u8)]
pub(in super::super) enum Kind {
    Transfer = 1,
    OpenOneSided = 2,
    OpenTwoSided = 3,
    CooperativeClose = 4,
    CooperativeCloseAtOpening = 5,
    Post = 6,
    PostAtOpening = 7,
    PostWithOffer = 8,
    PostAtOpeningWithOffer = 9,
    Payout = 10,
    RollOver = 11,
    RollOverAtOpening = 12,
    OpenBatch = 13,
    CloseBatch = 14,
    MultiSend = 15,
}

const KEY: usize = size_of::<PublicKey>();
pub(super) const SIGNATURE: usize = size_of::<Signature>();
const DIGEST: usize = size_of::<Digest>();
const STATE: usize = DIGEST + 32;
const OFFER: usize = STATE + SIGNATURE;
const FINAL_AT_OPENING: usize = DIGEST + 2 * SIGNATURE;
const FINAL: usize = FINAL_AT_OPENING + STATE;
const OPENING: usize = KEY + 8 + 4 + 8;
const POST: usize = KEY + DIGEST + STATE + 2 * SIGNATURE;

impl Kind {
    /// What messages name when a byte is none of them.
    pub(in super::super) const LAST: u8 = Kind::COUNT as u8;

    /// The longest transaction but for batches.
    pub(in super::super) const LONGEST_BYTES: u64 = 453;

    /// The length of a multi-send of so many outputs.
    pub(in super::super) const fn multi_send_bytes(outputs: u64) -> u64 {
        (1 + KEY + 8 + 2 + SIGNATURE) as u64 + outputs * (1 + KEY + 8) as u64
    }

    pub(super) fn of(got: u8) -> Result<Kind, Malformed> {
        Kind::from_repr(got).ok_or(Malformed::UnknownKind { got })
    }

    /// The kind of an open, or of an item of a batch of them.
    pub(super) fn of_opening(deposits: &Pair<Amount>) -> Kind {
        match deposits.b.is_zero() {
            true => Kind::OpenOneSided,
            false => Kind::OpenTwoSided,
        }
    }

    /// The kind of a cooperative close, or of an item of a batch of them.
    pub(super) fn of_final(proof: &FinalProof) -> Kind {
        match proof.state {
            State::After { .. } => Kind::CooperativeClose,
            State::Opening => Kind::CooperativeCloseAtOpening,
        }
    }

    /// The length of a transaction of this kind; none of a batch.
    pub(in super::super) const fn bytes(self) -> Option<usize> {
        let (unsigned, signatures) = match self {
            Kind::Transfer => (KEY + 8 + KEY + 8, 1),
            Kind::OpenOneSided => (KEY + 8 + 4 + OPENING, 1),
            Kind::OpenTwoSided => (KEY + 8 + 4 + OPENING + 8, 2),
            Kind::CooperativeClose => (KEY + FINAL, 1),
            Kind::CooperativeCloseAtOpening => (KEY + FINAL_AT_OPENING, 1),
            Kind::Post => (POST, 1),
            Kind::PostAtOpening | Kind::Payout => (KEY + DIGEST, 1),
            Kind::PostWithOffer => (POST + OFFER, 1),
            Kind::PostAtOpeningWithOffer => (KEY + DIGEST + OFFER, 1),
            Kind::RollOver => (KEY + 8 + OPENING + 8 + FINAL, 2),
            Kind::RollOverAtOpening => (KEY + 8 + OPENING + 8 + FINAL_AT_OPENING, 2),
            Kind::OpenBatch | Kind::CloseBatch | Kind::MultiSend => return None,
        };
        Some(1 + unsigned + signatures * SIGNATURE)
    }
}

/// A cooperative close of a channel in which something was paid: what a dispute takes the place of.
pub const COOPERATIVE_CLOSE_BYTES: u64 = 321;

const _: () = {
    const fn is(kind: Kind, bytes: usize) -> bool {
        matches!(kind.bytes(), Some(found) if found == bytes)
    }
    assert!(is(Kind::Transfer, 145));
    assert!(is(Kind::OpenOneSided, 161));
    assert!(is(Kind::OpenTwoSided, 233));
    assert!(is(Kind::CooperativeClose, COOPERATIVE_CLOSE_BYTES as usize));
    assert!(is(Kind::CooperativeCloseAtOpening, 257));
    assert!(is(Kind::Post, 321));
    assert!(is(Kind::PostAtOpening, 129));
    assert!(is(Kind::PostWithOffer, 449));
    assert!(is(Kind::PostAtOpeningWithOffer, 257));
    assert!(is(Kind::Payout, 129));
    assert!(is(Kind::RollOver, 453));
    assert!(is(Kind::RollOverAtOpening, 389));
};
