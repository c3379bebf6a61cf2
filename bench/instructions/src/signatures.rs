//! Hashing, signing, verifying.

use duet_engine::crypto::{
    Backend, BackendChoice, ChainJob, Digest, Domain, KeyId, KeyRing, SecretKey, SignJob,
    Signature, Signer, Unit, Verifier, chain, hash,
};

const KEYS: usize = 16;
const BATCH: usize = 64;
const LOGS: usize = 16;
const BURST: usize = 100;

fn digests(count: usize) -> Vec<Digest> {
    let digest = |i: usize| hash(Domain::State, &i.to_le_bytes());
    (0..count).map(digest).collect()
}

fn secrets() -> Vec<SecretKey> {
    let seed = |i: usize| [i as u8 + 1; 32];
    (0..KEYS).map(|i| SecretKey::from_seed(&seed(i))).collect()
}

/// 64 messages to be signed by 16 keys.
pub struct Signing {
    signer: Signer,
    secrets: Vec<SecretKey>,
    jobs: Vec<SignJob>,
    signatures: Vec<Signature>,
}

impl Default for Signing {
    fn default() -> Self {
        Signing::by(Backend::Dalek)
    }
}

impl Signing {
    fn by(backend: Backend) -> Self {
        let digests = digests(BATCH).into_iter().enumerate();
        let job = |(i, digest)| SignJob {
            secret: (i % KEYS) as u32,
            digest,
        };
        Self {
            signer: Signer::new(backend),
            secrets: secrets(),
            jobs: digests.map(job).collect(),
            signatures: Vec::with_capacity(BATCH),
        }
    }

    /// Signs them in one batch.
    #[must_use]
    pub fn run(mut self) -> Vec<Signature> {
        self.signer
            .sign(&self.secrets, &self.jobs, &mut self.signatures);
        self.signatures
    }
}

/// The same in lanes.
pub struct SigningInLanes(Signing);

impl Default for SigningInLanes {
    fn default() -> Self {
        // The multiples of the base point are made once in a process.
        drop(Signing::by(lanes()).run());
        Self(Signing::by(lanes()))
    }
}

impl SigningInLanes {
    /// Signs them in one batch.
    #[must_use]
    pub fn run(self) -> Vec<Signature> {
        self.0.run()
    }
}

/// The widest lanes that Valgrind knows, where this machine has them.
fn lanes() -> Backend {
    let lanes = BackendChoice::LanesOf(Unit::Avx2Fma);
    Backend::select(lanes).unwrap_or(Backend::Dalek)
}

/// 64 signatures of 16 keys.
pub struct Verifying {
    ring: KeyRing,
    verifier: Verifier,
    items: Vec<(KeyId, Digest, Signature)>,
}

impl Default for Verifying {
    fn default() -> Self {
        let mut ring = KeyRing::new(Backend::Dalek);
        let insert = |secret: &SecretKey| ring.insert(secret.public()).expect("a sound key");
        let ids: Vec<KeyId> = secrets().iter().map(insert).collect();
        let signed = digests(BATCH).into_iter().zip(Signing::default().run());
        let items =
            (signed.enumerate()).map(|(i, (digest, signature))| (ids[i % KEYS], digest, signature));
        Self {
            ring,
            verifier: Verifier::new(Backend::Dalek),
            items: items.collect(),
        }
    }
}

impl Verifying {
    /// Verifies them in one batch; gives how many are genuine.
    #[must_use]
    pub fn run(mut self) -> usize {
        let mut verdicts = Vec::with_capacity(BATCH);
        self.verifier
            .verify(&self.ring, &mut self.items, &mut verdicts);
        verdicts.iter().filter(|verdict| verdict.is_ok()).count()
    }
}

/// Bursts of 100 entries in each of 16 logs.
#[derive(Debug)]
pub struct Chains {
    jobs: Vec<ChainJob>,
    entries: Vec<[u8; 32]>,
    wanted: Vec<u32>,
    heads: Vec<Digest>,
}

impl Default for Chains {
    fn default() -> Self {
        let job = |log| ChainJob {
            start: Digest([log as u8; 32]),
            first: log * BURST,
            count: BURST,
        };
        Self {
            jobs: (0..LOGS).map(job).collect(),
            entries: digests(LOGS * BURST)
                .iter()
                .map(|digest| digest.0)
                .collect(),
            wanted: (0..(LOGS * BURST) as u32).collect(),
            heads: Vec::with_capacity(LOGS * BURST),
        }
    }
}

impl Chains {
    /// Hashes them; gives every log head.
    #[must_use]
    pub fn run(mut self) -> Vec<Digest> {
        chain(&self.jobs, &self.entries, &self.wanted, &mut self.heads);
        self.heads
    }
}

#[cfg(test)]
mod tests {
    use duet_engine::crypto::{accept, link};

    use super::*;

    #[test]
    fn what_is_signed_is_accepted_one_by_one_and_in_a_batch() {
        let signatures = Signing::default().run();
        assert_eq!(signatures.len(), BATCH);
        let secrets = secrets();
        for (i, (digest, signature)) in digests(BATCH).iter().zip(&signatures).enumerate() {
            let key = secrets[i % KEYS].public();
            assert!(accept(&key.0, &digest.0, &signature.0), "{i}");
        }
        assert_eq!(Verifying::default().run(), BATCH);
        let mut forged = Verifying::default();
        forged.items[7].2.0[40] ^= 1;
        assert_eq!(forged.run(), BATCH - 1);
    }

    #[test]
    fn chains_are_those_of_single_links() {
        let Chains { jobs, entries, .. } = Chains::default();
        let heads = Chains::default().run();
        for job in &jobs {
            let mut head = job.start;
            for at in job.first..job.first + job.count {
                head = link(&head, &entries[at]);
                assert_eq!(heads[at], head);
            }
        }
    }
}
