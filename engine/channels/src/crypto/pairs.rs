//! Very many keys with their secret halves, in as little memory as the two can take: each public
//! key once, in a ring, and 64 bytes for its secret. Wiped when dropped.

use std::fmt;

use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::hazmat::ExpandedSecretKey;
use zeroize::Zeroizing;

use super::backend::Backend;
use super::keys::SecretKey;
use super::ring::KeyRing;
use super::signature::ByNumber;
use duet_base::chunks::Chunks;

/// Key pairs, for [`Signer::sign`](super::Signer::sign): a [`KeyRing`] whose every key has
/// its secret at the same place. They are known by their places, and not found by their keys.
///
/// A secret that signs beside another one's public key is given away, so that nobody gets to pair
/// them: both come from one seed, and stay together.
pub struct KeyPairs {
    backend: Backend,
    ring: KeyRing,
    /// Rows that never move: whatever moves leaves a copy that nobody wipes.
    secrets: Chunks<ExpandedSecretKey>,
}

/// Seeds that are expanded together.
const TOGETHER: usize = 256;

impl KeyPairs {
    /// No pairs, for signers and verifiers of this back end.
    #[must_use]
    pub fn new(backend: Backend) -> KeyPairs {
        KeyPairs {
            backend,
            ring: KeyRing::of_places(backend),
            secrets: Chunks::default(),
        }
    }

    /// Expands seeds and keeps the pairs, in their order, at the next places. A job names a secret
    /// by its place; [`KeyRing::id`] gives the id of the key there. Nothing is looked up: the same
    /// seed again is one more pair.
    ///
    /// # Panics
    /// After 2^32 pairs.
    pub fn insert_seeds(&mut self, seeds: &[Zeroizing<[u8; 32]>]) {
        for seeds in seeds.chunks(TOGETHER) {
            match self.backend {
                Backend::Dalek => self.insert_by_dalek(seeds),
                Backend::Lanes(lanes) => {
                    // Kept where they are until all are wiped: what is moved out leaves a copy.
                    let keys = duet_lanes::Signer::new(lanes).keys(seeds);
                    for key in &keys {
                        let parts = key.expanded();
                        let scalar = Zeroizing::new(Scalar::from_bytes_mod_order(*parts.scalar()));
                        self.push_secret(&scalar, parts.prefix());
                        self.ring.push_made(key.verifying());
                    }
                }
            }
        }
        assert_eq!(self.ring.len(), self.secrets.len(), "a secret for each key");
    }

    fn insert_by_dalek(&mut self, seeds: &[Zeroizing<[u8; 32]>]) {
        let secrets = SecretKey::from_seeds(self.backend, seeds);
        for secret in &secrets {
            self.push_secret(secret.scalar(), secret.prefix());
            let public = self.ring.insert(secret.public());
            public.expect("an expanded seed makes a sound key");
        }
    }

    fn push_secret(&mut self, scalar: &Scalar, prefix: &[u8; 32]) {
        let place = self.secrets.push(ExpandedSecretKey {
            scalar: Scalar::ZERO,
            hash_prefix: [0; 32],
        });
        let row = &mut self.secrets[place as usize];
        row.scalar = *scalar;
        row.hash_prefix = *prefix;
    }

    /// The public halves, to verify with.
    #[must_use]
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }
}

impl ByNumber for KeyPairs {
    fn count(&self) -> usize {
        self.secrets.len()
    }

    fn scalar(&self, at: usize) -> &Scalar {
        &self.secrets[at].scalar
    }

    fn prefix(&self, at: usize) -> &[u8; 32] {
        &self.secrets[at].hash_prefix
    }

    fn public(&self, at: usize) -> &[u8; 32] {
        self.ring.encoding(at)
    }
}

impl fmt::Debug for KeyPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} key pairs", self.ring.len())
    }
}
