//! Very many keys with their secret halves, in as little memory as the two can take: each public key
//! once, in a ring, and 64 bytes for its secret. Wiped when dropped.

use std::fmt;

use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::hazmat::ExpandedSecretKey;
use zeroize::Zeroizing;

use super::backend::Backend;
use super::keys::SecretKey;
use super::ring::{KeyId, KeyRing};
use super::sign::Secrets;
use crate::chunks::Chunks;

/// Key pairs, for [`Signer::sign_with`](super::Signer::sign_with): a [`KeyRing`] whose every key has
/// its secret at the same place.
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
            ring: KeyRing::new(backend),
            secrets: Chunks::new(),
        }
    }

    /// Expands seeds and keeps them; gives their keys' ids in order. The same seed again gives the
    /// same id. The number of an id ([`KeyId::place`]) is what a job names the secret by.
    ///
    /// # Panics
    /// After 2^32 pairs.
    pub fn insert_seeds(&mut self, seeds: &[Zeroizing<[u8; 32]>]) -> Vec<KeyId> {
        let mut ids = Vec::with_capacity(seeds.len());
        for seeds in seeds.chunks(TOGETHER) {
            let secrets = SecretKey::from_seeds(self.backend, seeds);
            let publics: Vec<_> = secrets.iter().map(SecretKey::public).collect();
            for (secret, id) in secrets.iter().zip(self.ring.insert_many(&publics)) {
                let id = id.expect("an expanded seed makes a sound key");
                if id.place() as usize == self.secrets.len() {
                    self.push(secret);
                }
                ids.push(id);
            }
        }
        assert_eq!(self.ring.len(), self.secrets.len(), "a secret for each key");
        ids
    }

    fn push(&mut self, secret: &SecretKey) {
        let place = self.secrets.push(ExpandedSecretKey {
            scalar: Scalar::ZERO,
            hash_prefix: [0; 32],
        });
        let row = &mut self.secrets[place as usize];
        row.scalar = *secret.scalar();
        row.hash_prefix = *secret.prefix();
    }

    /// No more pairs: lets go of what finds a key that is there already.
    pub fn seal(&mut self) {
        self.ring.seal();
    }

    /// The public halves, to verify with.
    #[must_use]
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }
}

impl Secrets for KeyPairs {
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
