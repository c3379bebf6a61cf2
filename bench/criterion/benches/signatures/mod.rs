//! The same keys, messages and signatures for every contender.

use duet_engine::crypto::{
    Backend, BackendChoice, Digest, Domain, SecretKey, SignJob, Signature, Signer, hash,
};
use zeroize::Zeroizing;

/// Signing work: `digests[i]` is signed by the key of `seeds[i % seeds.len()]`.
pub(crate) struct Corpus {
    /// One per key.
    pub(crate) seeds: Vec<[u8; 32]>,
    /// 32-byte messages. The first byte is 0: commonware signs `varint(len ns) ‖ ns ‖ message`, so
    /// that with an empty namespace and the other 31 bytes it signs exactly these 32.
    pub(crate) digests: Vec<Digest>,
}

impl Corpus {
    /// `count` messages, spread over `count / per_key` keys.
    pub(crate) fn new(count: usize, per_key: usize) -> Corpus {
        let bytes = |domain, i: usize| hash(domain, &i.to_le_bytes());
        Corpus {
            seeds: (0..count.div_ceil(per_key))
                .map(|i| bytes(Domain::Final, i).0)
                .collect(),
            digests: (0..count)
                .map(|i| {
                    let mut digest = bytes(Domain::State, i);
                    digest.0[0] = 0;
                    digest
                })
                .collect(),
        }
    }

    /// Each message with one entry per key of `keys`, which follow the order of the seeds.
    pub(crate) fn with<'a, K>(
        &'a self,
        keys: &'a [K],
    ) -> impl Iterator<Item = (&'a K, &'a Digest)> {
        keys.iter().cycle().zip(&self.digests)
    }

    /// Duet's secret keys.
    pub(crate) fn secrets(&self) -> Vec<SecretKey> {
        let seeds: Vec<_> = self.seeds.iter().copied().map(Zeroizing::new).collect();
        SecretKey::from_seeds(backend(), &seeds)
    }

    /// Duet's jobs.
    pub(crate) fn jobs(&self) -> Vec<SignJob> {
        let keys: Vec<u32> = (0..self.seeds.len() as u32).collect();
        self.with(&keys)
            .map(|(&secret, &digest)| SignJob { secret, digest })
            .collect()
    }

    /// One signature per message. Ed25519 is deterministic, so every contender makes these.
    pub(crate) fn signatures(&self) -> Vec<Signature> {
        let mut signatures = Vec::new();
        Signer::new(backend()).sign(&self.secrets(), &self.jobs(), &mut signatures);
        signatures
    }
}

/// The back end that a run without options takes.
pub(crate) fn backend() -> Backend {
    Backend::select(BackendChoice::Auto).expect("there is always one")
}
