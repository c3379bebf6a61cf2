//! Signing in batches: plain Ed25519 (RFC 8032), bit for bit, of 32-byte digests.

use std::fmt;

use curve25519_dalek::scalar::Scalar;
use duet_lanes::Expanded;

use super::backend::Backend;
use super::dalek;
use super::hash::Digest;
use super::keys::SecretKey;

/// An Ed25519 signature: `R ‖ s`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

/// One signature to make.
#[derive(Clone, Copy, Debug)]
pub struct SignJob {
    /// Which of the batch's secret keys signs.
    pub secret: u32,
    /// What it signs.
    pub digest: Digest,
}

/// Secret keys by number: some [`SecretKey`]s, or [`KeyPairs`](super::KeyPairs).
pub trait Secrets: ByNumber {}

impl<S: ByNumber + ?Sized> Secrets for S {}

pub(super) use by_number::ByNumber;

/// What no other crate sees of keys.
mod by_number {
    use super::{Scalar, SecretKey};

    /// Secret keys by number, each with its public half.
    pub trait ByNumber {
        /// How many there are.
        fn count(&self) -> usize;
        /// The secret scalar.
        fn scalar(&self, at: usize) -> &Scalar;
        /// What nonces are derived from.
        fn prefix(&self, at: usize) -> &[u8; 32];
        /// The public half's encoding.
        fn public(&self, at: usize) -> &[u8; 32];
    }

    impl<S: AsRef<[SecretKey]> + ?Sized> ByNumber for S {
        fn count(&self) -> usize {
            self.as_ref().len()
        }

        fn scalar(&self, at: usize) -> &Scalar {
            self.as_ref()[at].scalar()
        }

        fn prefix(&self, at: usize) -> &[u8; 32] {
            self.as_ref()[at].prefix()
        }

        fn public(&self, at: usize) -> &[u8; 32] {
            self.as_ref()[at].public_bytes()
        }
    }
}

/// Makes signatures in batches and keeps the scratch memory for the next one.
pub struct Signer {
    engine: Engine,
    made: u64,
}

enum Engine {
    Dalek(dalek::SignScratch),
    Lanes(duet_lanes::Signer),
}

impl Signer {
    /// A signer that works with this back end.
    #[must_use]
    pub fn new(backend: Backend) -> Signer {
        Signer {
            engine: match backend {
                Backend::Dalek => Engine::Dalek(dalek::SignScratch::new()),
                Backend::Lanes(lanes) => Engine::Lanes(duet_lanes::Signer::new(lanes)),
            },
            made: 0,
        }
    }

    /// Appends one signature per job to `signatures`, in the jobs' order.
    ///
    /// # Panics
    /// If a job names a secret key that `secrets` does not have.
    pub fn sign<S: Secrets + ?Sized>(
        &mut self,
        secrets: &S,
        jobs: &[SignJob],
        signatures: &mut Vec<Signature>,
    ) {
        // Before any nonce is derived.
        assert!(
            jobs.iter()
                .all(|job| (job.secret as usize) < secrets.count()),
            "every job names a secret key of the batch"
        );
        match &mut self.engine {
            Engine::Dalek(dalek) => dalek.sign(secrets, jobs, signatures),
            Engine::Lanes(lanes) => {
                signatures.reserve(jobs.len());
                lanes.sign(
                    jobs.len(),
                    |at| {
                        let job = &jobs[at];
                        let secret = job.secret as usize;
                        let expanded = Expanded::from_parts(
                            secrets.scalar(secret).as_bytes(),
                            secrets.prefix(secret),
                            secrets.public(secret),
                        );
                        (expanded, &job.digest.0)
                    },
                    |signature| signatures.push(Signature(*signature)),
                );
            }
        }
        self.made += jobs.len() as u64;
    }

    /// Makes one signature.
    ///
    /// # Panics
    /// As [`Signer::sign`].
    pub fn sign_one<S: Secrets + ?Sized>(
        &mut self,
        secrets: &S,
        secret: u32,
        digest: Digest,
    ) -> Signature {
        let mut signature = Vec::with_capacity(1);
        self.sign(secrets, &[SignJob { secret, digest }], &mut signature);
        signature[0]
    }

    /// Signatures made so far.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
