//! Keys: what makes a public one sound; secret ones, expanded once and wiped.

use std::fmt;

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::hazmat::ExpandedSecretKey;
use zeroize::Zeroizing;

use super::backend::Backend;

/// A public key as it stands in channel terms and transactions: 32 bytes, not yet checked.
///
/// [`KeyRing::insert`](super::KeyRing::insert) checks it; nothing verifies under a key that is not
/// in a ring.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

/// Why a public key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes encode no point of the curve.
    #[error("key {0} is no point of the curve")]
    NotAPoint(PublicKey),
    /// The bytes encode a point, but are not the encoding that RFC 8032 gives it.
    #[error("key {0} is not canonically encoded")]
    NonCanonical(PublicKey),
    /// A point of order 1, 2, 4 or 8: anyone can sign for it.
    #[error("key {0} is a point of small order")]
    SmallOrder(PublicKey),
}

impl PublicKey {
    /// Judges a key, given whether it is of small order if it is a point at all.
    pub(super) fn check(self, small_order: Option<bool>) -> Result<(), KeyError> {
        match small_order {
            None => Err(KeyError::NotAPoint(self)),
            Some(_) if !self.is_canonical() => Err(KeyError::NonCanonical(self)),
            Some(true) => Err(KeyError::SmallOrder(self)),
            Some(false) => Ok(()),
        }
    }

    /// Whether these bytes, which decode to a point, are the encoding that RFC 8032, 5.1.2 gives
    /// it: y below p = 2^255 − 19, and the sign bit clear if x = 0, that is if y = ±1.
    /// Comparing bytes spares the inversion that encoding the point again would cost.
    fn is_canonical(self) -> bool {
        const P: [u8; 32] = little_endian(0xed, 0xff, 0x7f);
        const MINUS_ONE: [u8; 32] = little_endian(0xec, 0xff, 0x7f);
        const ONE: [u8; 32] = little_endian(1, 0, 0);
        let mut y = self.0;
        y[31] &= 0x7f;
        let negative = y != self.0;
        y.iter().rev().lt(P.iter().rev()) && !(negative && (y == ONE || y == MINUS_ONE))
    }
}

/// 32 bytes that differ only at the ends.
const fn little_endian(least: u8, middle: u8, most: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = least;
    bytes[31] = most;
    bytes
}

/// A secret key in the form that signing uses (RFC 8032, 5.1.5). Wiped when dropped.
pub struct SecretKey {
    expanded: ExpandedSecretKey,
    public: PublicKey,
}

impl SecretKey {
    /// Expands a 32-byte seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> SecretKey {
        let expanded = ExpandedSecretKey::from(seed);
        let public = EdwardsPoint::mul_base(&expanded.scalar).compress();
        SecretKey {
            expanded,
            public: PublicKey(public.0),
        }
    }

    /// Expands many seeds at once.
    #[must_use]
    pub fn from_seeds(backend: Backend, seeds: &[Zeroizing<[u8; 32]>]) -> Vec<SecretKey> {
        match backend {
            Backend::Dalek => SecretKey::from_seeds_by_dalek(seeds),
            Backend::Lanes(lanes) => {
                let keys = duet_lanes::Signer::new(lanes).keys(seeds);
                keys.iter().map(SecretKey::from_lanes).collect()
            }
        }
    }

    fn from_lanes(key: &duet_lanes::SigningKey) -> SecretKey {
        let parts = key.expanded();
        SecretKey {
            expanded: ExpandedSecretKey {
                scalar: Scalar::from_bytes_mod_order(*parts.scalar()),
                hash_prefix: *parts.prefix(),
            },
            public: PublicKey(*key.public()),
        }
    }

    /// With one inversion for all public keys.
    fn from_seeds_by_dalek(seeds: &[Zeroizing<[u8; 32]>]) -> Vec<SecretKey> {
        // Expanded where they stay: whatever moves leaves a copy that nobody wipes.
        let mut secrets: Vec<SecretKey> = seeds
            .iter()
            .map(|seed| SecretKey {
                expanded: ExpandedSecretKey::from(&**seed),
                public: PublicKey([0; 32]),
            })
            .collect();
        let points: Zeroizing<Vec<EdwardsPoint>> = Zeroizing::new(
            secrets
                .iter()
                .map(|secret| EdwardsPoint::mul_base(secret.scalar()))
                .collect(),
        );
        for (secret, public) in secrets
            .iter_mut()
            .zip(EdwardsPoint::compress_batch_alloc(&points))
        {
            secret.public = PublicKey(public.0);
        }
        secrets
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    pub(super) fn scalar(&self) -> &Scalar {
        &self.expanded.scalar
    }

    /// What nonces are derived from.
    pub(super) fn prefix(&self) -> &[u8; 32] {
        &self.expanded.hash_prefix
    }

    /// The public half's encoding.
    pub(super) fn public_bytes(&self) -> &[u8; 32] {
        &self.public.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey of {}", self.public)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
