//! What two parties agree on before their channel opens, and the identity that follows from it.

use std::ops::{Index, IndexMut};

use super::amount::Amount;
use crate::crypto::{Digest, Domain, Hasher, PublicKey};

/// One side of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Party {
    /// The opener.
    A,
    /// The other one.
    B,
}

impl Party {
    /// Each side.
    pub const BOTH: [Party; 2] = [Party::A, Party::B];

    /// The other side.
    #[must_use]
    pub const fn other(self) -> Party {
        match self {
            Party::A => Party::B,
            Party::B => Party::A,
        }
    }
}

/// One thing per side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pair<T> {
    /// The opener's.
    pub a: T,
    /// The other one's.
    pub b: T,
}

impl<T> Pair<T> {
    /// What `of` gives for each side.
    pub fn each(of: impl FnMut(Party) -> T) -> Pair<T> {
        let [a, b] = Party::BOTH.map(of);
        Pair { a, b }
    }

    /// One side's own, and the other's.
    pub fn of(party: Party, own: T, others: T) -> Pair<T> {
        match party {
            Party::A => Pair { a: own, b: others },
            Party::B => Pair { a: others, b: own },
        }
    }

    /// The same of each side.
    pub fn map<U>(self, mut of: impl FnMut(T) -> U) -> Pair<U> {
        let (a, b) = (of(self.a), of(self.b));
        Pair { a, b }
    }
}

/// One side's.
impl<T> Index<Party> for Pair<T> {
    type Output = T;

    #[inline]
    fn index(&self, party: Party) -> &T {
        match party {
            Party::A => &self.a,
            Party::B => &self.b,
        }
    }
}

impl<T> IndexMut<Party> for Pair<T> {
    #[inline]
    fn index_mut(&mut self, party: Party) -> &mut T {
        match party {
            Party::A => &mut self.a,
            Party::B => &mut self.b,
        }
    }
}

/// A channel's identity: unique for ever, on every Layer 1. Also the log head at version 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub Digest);

/// All that a channel's identity commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The Layer 1 that holds the deposits.
    pub genesis: Digest,
    /// The opener's account nonce in the opening transaction.
    pub nonce: u64,
    /// The channel's place among those that one transaction opens.
    pub index: u32,
    /// Who signs for each side. The opener's account is party A's key.
    pub keys: Pair<PublicKey>,
    /// What each side locks.
    pub deposits: Pair<Amount>,
    /// The challenge window, in blocks.
    pub challenge_window_blocks: u32,
    /// The least balance that a payment may leave its payer.
    pub reserve: Amount,
}

/// Why terms make no channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// Both sides would sign with the same key.
    #[error("both parties have the key {0}, expected two keys")]
    SameKey(PublicKey),
    /// The deposits' sum is more than an amount can hold.
    #[error("deposits of {} and {}, expected a sum of at most {}", .0.a, .0.b, u64::MAX)]
    CapacityOverflow(Pair<Amount>),
    /// Both deposits are zero.
    #[error("deposits of 0 and 0, expected more")]
    NothingLocked,
    /// A post could never be answered: the window must be at least one block.
    #[error("a challenge window of 0 blocks, expected at least 1")]
    NoWindow,
    /// No payment could ever be made: the reserve is more than both deposits.
    #[error("a reserve of {got}, expected at most the deposits' sum of {capacity}")]
    ReserveAboveCapacity {
        /// The deposits' sum.
        capacity: Amount,
        /// The reserve.
        got: Amount,
    },
}

impl Terms {
    /// A channel into which A alone locks value, with a challenge window of 144 blocks and no
    /// reserve.
    #[must_use]
    pub fn one_sided(genesis: Digest, nonce: u64, keys: Pair<PublicKey>, deposit: Amount) -> Terms {
        Terms {
            genesis,
            nonce,
            index: 0,
            keys,
            deposits: Pair {
                a: deposit,
                b: Amount::ZERO,
            },
            challenge_window_blocks: 144,
            reserve: Amount::ZERO,
        }
    }

    /// Checks the terms; gives the capacity.
    ///
    /// # Errors
    /// A [`TermsError`] that names what is wrong.
    pub fn capacity(&self) -> Result<Amount, TermsError> {
        if self.keys.a == self.keys.b {
            return Err(TermsError::SameKey(self.keys.a));
        }
        if self.challenge_window_blocks == 0 {
            return Err(TermsError::NoWindow);
        }
        match self.deposits.a.plus(self.deposits.b) {
            None => Err(TermsError::CapacityOverflow(self.deposits)),
            Some(Amount::ZERO) => Err(TermsError::NothingLocked),
            Some(capacity) if capacity < self.reserve => Err(TermsError::ReserveAboveCapacity {
                capacity,
                got: self.reserve,
            }),
            Some(capacity) => Ok(capacity),
        }
    }

    /// `H_id(genesis ‖ opener ‖ nonce ‖ index ‖ both keys ‖ both deposits ‖ window ‖ reserve)`,
    /// integers little-endian. The opener's account is its key, so that it stands there twice.
    #[must_use]
    pub fn channel_id(&self) -> ChannelId {
        let mut hasher = Hasher::new(Domain::ChannelId);
        hasher
            .update(&self.genesis.0)
            .update(&self.keys.a.0)
            .update(&self.nonce.to_le_bytes())
            .update(&self.index.to_le_bytes())
            .update(&self.keys.a.0)
            .update(&self.keys.b.0)
            .update(&self.deposits.a.units().to_le_bytes())
            .update(&self.deposits.b.units().to_le_bytes())
            .update(&self.challenge_window_blocks.to_le_bytes())
            .update(&self.reserve.units().to_le_bytes());
        ChannelId(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms {
            genesis: Digest([1; 32]),
            nonce: 2,
            index: 3,
            keys: Pair {
                a: PublicKey([4; 32]),
                b: PublicKey([5; 32]),
            },
            deposits: Pair {
                a: Amount::new(60),
                b: Amount::new(40),
            },
            challenge_window_blocks: 144,
            reserve: Amount::new(6),
        }
    }

    fn deposits(a: u64, b: u64) -> Terms {
        let deposits = Pair {
            a: Amount::new(a),
            b: Amount::new(b),
        };
        Terms {
            deposits,
            ..terms()
        }
    }

    #[test]
    fn terms_make_a_channel_or_say_why_not() {
        const MOST: u64 = u64::MAX;
        let overflow = |terms: Terms| (terms, Err(TermsError::CapacityOverflow(terms.deposits)));
        let same = PublicKey([4; 32]);
        let table = [
            (terms(), Ok(100)),
            (deposits(100, 0), Ok(100)),
            (deposits(0, 6), Ok(6)),
            (
                deposits(0, 5),
                Err(TermsError::ReserveAboveCapacity {
                    capacity: Amount::new(5),
                    got: Amount::new(6),
                }),
            ),
            (deposits(MOST, 0), Ok(MOST)),
            (deposits(1, MOST - 1), Ok(MOST)),
            overflow(deposits(1, MOST)),
            overflow(deposits(MOST, MOST)),
            (deposits(0, 0), Err(TermsError::NothingLocked)),
            (
                Terms {
                    keys: Pair { a: same, b: same },
                    ..terms()
                },
                Err(TermsError::SameKey(same)),
            ),
            (
                Terms {
                    challenge_window_blocks: 0,
                    ..terms()
                },
                Err(TermsError::NoWindow),
            ),
            (
                Terms {
                    challenge_window_blocks: 1,
                    ..terms()
                },
                Ok(100),
            ),
        ];
        for (terms, expected) in table {
            assert_eq!(terms.capacity(), expected.map(Amount::new), "{terms:?}");
        }
    }

    #[test]
    fn a_channels_id_changes_with_every_field() {
        let Terms { keys, .. } = terms();
        let other = PublicKey([7; 32]);
        let variants = [
            terms(),
            Terms {
                genesis: Digest([0; 32]),
                ..terms()
            },
            Terms {
                nonce: 0,
                ..terms()
            },
            Terms {
                index: 0,
                ..terms()
            },
            // One after the other, so that no value can slip into the neighbouring field.
            Terms {
                nonce: 2 | 3 << 32,
                index: 0,
                ..terms()
            },
            Terms {
                keys: Pair { a: other, ..keys },
                ..terms()
            },
            Terms {
                keys: Pair { b: other, ..keys },
                ..terms()
            },
            Terms {
                keys: Pair {
                    a: keys.b,
                    b: keys.a,
                },
                ..terms()
            },
            deposits(61, 40),
            deposits(60, 41),
            deposits(40, 60),
            Terms {
                challenge_window_blocks: 145,
                ..terms()
            },
            Terms {
                reserve: Amount::ZERO,
                ..terms()
            },
        ];
        for (i, terms) in variants.iter().enumerate() {
            assert_eq!(terms.channel_id(), terms.channel_id());
            for earlier in &variants[..i] {
                assert_ne!(terms.channel_id(), earlier.channel_id(), "{terms:?}");
            }
        }
    }

    #[test]
    fn a_channels_id_is_the_hash_of_its_terms_in_order() {
        let mut bytes = Vec::new();
        bytes.extend([1; 32]);
        bytes.extend([4; 32]);
        bytes.extend(2_u64.to_le_bytes());
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend([4; 32]);
        bytes.extend([5; 32]);
        bytes.extend(60_u64.to_le_bytes());
        bytes.extend(40_u64.to_le_bytes());
        bytes.extend(144_u32.to_le_bytes());
        bytes.extend(6_u64.to_le_bytes());
        let id = crate::crypto::hash(Domain::ChannelId, &bytes);
        assert_eq!(terms().channel_id(), ChannelId(id));
    }
}
