//! Keys: public ones are checked and decompressed once, secret ones are expanded once and wiped.

use std::collections::HashMap;
use std::fmt;

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use duet_lanes::{Expanded, Lanes, VerifyingKey};
use ed25519_dalek::hazmat::ExpandedSecretKey;
use zeroize::Zeroizing;

use super::backend::Backend;

/// A public key as it stands in channel terms and transactions: 32 bytes, not yet checked.
///
/// [`KeyRing::insert`] checks it; nothing verifies under a key that is not in a ring.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

/// Why a public key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The bytes encode no point of the curve.
    NotAPoint(PublicKey),
    /// The bytes encode a point, but are not the encoding that RFC 8032 gives it.
    NonCanonical(PublicKey),
    /// A point of order 1, 2, 4 or 8: anyone can sign for it.
    SmallOrder(PublicKey),
}

/// A checked key's place in its [`KeyRing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(super) u32);

/// Public keys that were checked and decompressed, once each.
///
/// Torsion is not tested for: under the cofactored equation it cannot change a verdict.
pub struct KeyRing {
    keys: Vec<PublicKey>,
    points: Points,
    ids: HashMap<PublicKey, KeyId>,
}

/// The keys as the back end takes them.
pub(super) enum Points {
    Dalek(Vec<EdwardsPoint>),
    Lanes(Lanes, Vec<VerifyingKey>),
}

impl KeyRing {
    /// A ring without keys, for verifiers of this back end.
    #[must_use]
    pub fn new(backend: Backend) -> KeyRing {
        KeyRing {
            keys: Vec::new(),
            points: match backend {
                Backend::Dalek => Points::Dalek(Vec::new()),
                Backend::Lanes(lanes) => Points::Lanes(lanes, Vec::new()),
            },
            ids: HashMap::new(),
        }
    }

    /// Checks a key and keeps it; the same key again gives the same id without further work.
    ///
    /// # Errors
    /// A [`KeyError`] that names the key.
    ///
    /// # Panics
    /// After 2^32 keys.
    pub fn insert(&mut self, key: PublicKey) -> Result<KeyId, KeyError> {
        if let Some(&id) = self.ids.get(&key) {
            return Ok(id);
        }
        let id = KeyId(u32::try_from(self.keys.len()).expect("fewer than 2^32 keys"));
        match &mut self.points {
            Points::Dalek(points) => {
                let point = CompressedEdwardsY(key.0).decompress();
                let small = point.as_ref().map(EdwardsPoint::is_small_order);
                key.check(small)?;
                points.extend(point);
            }
            Points::Lanes(lanes, points) => {
                let point = VerifyingKey::decode(*lanes, &key.0);
                let small = point.as_ref().map(VerifyingKey::is_small_order);
                key.check(small)?;
                points.extend(point);
            }
        }
        self.keys.push(key);
        self.ids.insert(key, id);
        Ok(id)
    }

    /// The id of a key, if the ring has it.
    #[must_use]
    pub fn find(&self, key: &PublicKey) -> Option<KeyId> {
        self.ids.get(key).copied()
    }

    /// The key behind an id of this ring.
    #[must_use]
    pub fn key(&self, id: KeyId) -> &PublicKey {
        &self.keys[id.0 as usize]
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn points(&self) -> &Points {
        &self.points
    }

    /// Takes in a key of small order too.
    #[cfg(test)]
    pub(super) fn insert_unchecked(&mut self, key: PublicKey) -> Option<KeyId> {
        let id = KeyId(self.keys.len() as u32);
        match &mut self.points {
            Points::Dalek(points) => points.push(CompressedEdwardsY(key.0).decompress()?),
            Points::Lanes(lanes, points) => points.push(VerifyingKey::decode(*lanes, &key.0)?),
        }
        self.keys.push(key);
        Some(id)
    }
}

impl PublicKey {
    /// Judges a key, given whether it is of small order if it is a point at all.
    fn check(self, small_order: Option<bool>) -> Result<(), KeyError> {
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

    /// Its parts, for signing in lanes.
    pub(super) fn expanded(&self) -> Expanded<'_> {
        Expanded::from_parts(
            self.expanded.scalar.as_bytes(),
            &self.expanded.hash_prefix,
            &self.public.0,
        )
    }

    pub(super) fn scalar(&self) -> &Scalar {
        &self.expanded.scalar
    }

    /// What nonces are derived from.
    pub(super) fn prefix(&self) -> &[u8; 32] {
        &self.expanded.hash_prefix
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

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::NotAPoint(key) => write!(f, "key {key} is no point of the curve"),
            KeyError::NonCanonical(key) => write!(f, "key {key} is not canonically encoded"),
            KeyError::SmallOrder(key) => write!(f, "key {key} is a point of small order"),
        }
    }
}

impl std::error::Error for KeyError {}
