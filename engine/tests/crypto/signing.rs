//! Batched signing makes the signatures that `ed25519_dalek` makes one at a time, bit for bit.

use duet_engine::crypto::{
    Backend, Digest, KeyPairs, SecretKey, SignJob, Signature, Signer, accept,
};
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

/// A batch for every back end, and the same work for dalek alone.
struct Pair {
    signers: Vec<Signer>,
    secrets: Vec<SecretKey>,
    /// The same secrets as pairs, for every back end, and at which place the first one is.
    pairs: Vec<(KeyPairs, u32)>,
    daleks: Vec<SigningKey>,
}

impl Pair {
    fn new(seeds: &[[u8; 32]]) -> Pair {
        Pair {
            signers: Backend::all().into_iter().map(Signer::new).collect(),
            secrets: seeds.iter().map(SecretKey::from_seed).collect(),
            pairs: Backend::all()
                .into_iter()
                .map(|backend| {
                    let mut pairs = KeyPairs::new(backend);
                    let seeds: Vec<_> = seeds.iter().copied().map(Zeroizing::new).collect();
                    // In two goes, the second with all of the first once more.
                    let first = seeds.len() / 2;
                    pairs.insert_seeds(&seeds[..first]);
                    pairs.insert_seeds(&seeds);
                    (pairs, first as u32)
                })
                .collect(),
            daleks: seeds.iter().map(SigningKey::from_bytes).collect(),
        }
    }

    fn check(&mut self, jobs: &[SignJob]) {
        let kept = Signature([7; 64]);
        let mut signatures = vec![kept];
        for at in 0..self.signers.len() {
            let signer = &mut self.signers[at];
            let before = signer.made();
            signatures.truncate(1);
            signer.sign(&self.secrets, jobs, &mut signatures);
            assert_eq!(signer.made() - before, jobs.len() as u64);
            self.compare(jobs, &signatures);
            let (pairs, first) = &self.pairs[at];
            let of_pairs = jobs.iter().map(|job| SignJob {
                secret: first + job.secret,
                ..*job
            });
            let of_pairs: Vec<SignJob> = of_pairs.collect();
            signatures.truncate(1);
            self.signers[at].sign(pairs, &of_pairs, &mut signatures);
            self.compare(jobs, &signatures);
        }
    }

    fn compare(&self, jobs: &[SignJob], signatures: &[Signature]) {
        let kept = Signature([7; 64]);
        assert_eq!(signatures.len(), 1 + jobs.len());
        assert_eq!(signatures[0], kept, "appended");
        for (job, signature) in jobs.iter().zip(&signatures[1..]) {
            let dalek = &self.daleks[job.secret as usize];
            assert_eq!(signature.0, dalek.sign(&job.digest.0).to_bytes());
        }
        if let (Some(job), Some(signature)) = (jobs.last(), signatures.last()) {
            let key = self.secrets[job.secret as usize].public();
            assert!(accept(&key.0, &job.digest.0, &signature.0));
        }
    }
}

#[test]
fn batches_of_every_size_equal_dalek() {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let seeds: Vec<[u8; 32]> = (0..17)
        .map(|_| {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            seed
        })
        .collect();
    let mut pair = Pair::new(&seeds);
    for count in (0..=130).chain([255, 256, 257, 1000, 4096]) {
        let jobs: Vec<SignJob> = (0..count)
            .map(|_| {
                let mut digest = Digest::default();
                rng.fill_bytes(&mut digest.0);
                SignJob {
                    secret: rng.next_u32() % 17,
                    digest,
                }
            })
            .collect();
        pair.check(&jobs);
    }
}

#[test]
fn a_pair_has_a_place_of_its_own_and_its_halves_belong_together() {
    let seeds = [[1; 32], [2; 32], [1; 32], [3; 32], [2; 32]].map(Zeroizing::new);
    for backend in Backend::all() {
        let mut pairs = KeyPairs::new(backend);
        pairs.insert_seeds(&seeds);
        assert_eq!(pairs.ring().len(), seeds.len());
        for (place, seed) in (0..).zip(&seeds) {
            let id = pairs.ring().id(place).unwrap();
            let public = SecretKey::from_seed(seed).public();
            assert_eq!(pairs.ring().key(id), public);
            assert_eq!(pairs.ring().find(&public), None, "known by places alone");
        }
    }
}

#[test]
fn the_same_digest_gives_the_same_signature_anywhere_in_a_batch() {
    let mut pair = Pair::new(&[[1; 32], [2; 32]]);
    let job = |secret| SignJob {
        secret,
        digest: Digest([3; 32]),
    };
    pair.check(&[job(0), job(1), job(0), job(0), job(1)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_keys_and_digests_equal_dalek(
        seeds in prop::collection::vec(any::<[u8; 32]>(), 1..6),
        jobs in prop::collection::vec((any::<u32>(), any::<[u8; 32]>()), 0..20),
    ) {
        let jobs: Vec<SignJob> = jobs
            .into_iter()
            .map(|(secret, digest)| SignJob {
                secret: secret % seeds.len() as u32,
                digest: Digest(digest),
            })
            .collect();
        Pair::new(&seeds).check(&jobs);
    }
}

#[test]
fn a_job_without_its_key_stops_the_batch_before_any_signature() {
    let pair = Pair::new(&[[1; 32], [2; 32]]);
    for mut signer in pair.signers {
        let digest = Digest::default();
        let jobs: Vec<SignJob> = (0..300)
            .map(|at| SignJob {
                secret: u32::from(at > 200) * 2,
                digest,
            })
            .collect();
        let mut signatures = Vec::new();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            signer.sign(&pair.secrets, &jobs, &mut signatures);
        }));
        assert!(caught.is_err() && signatures.is_empty());
    }
}
