//! Signing in batches: plain Ed25519 (RFC 8032), bit for bit, of 32-byte digests.

use duet_lanes::Expanded;

use super::backend::Backend;
use super::dalek;
use super::hash::Digest;
use super::signature::{Secrets, SignJob, Signature};

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
