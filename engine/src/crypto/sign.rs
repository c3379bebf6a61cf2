//! Signing in batches: plain Ed25519 (RFC 8032), bit for bit, of 32-byte digests.

use std::fmt;

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

/// Makes signatures in batches and keeps the scratch memory for the next one.
pub struct Signer {
    backend: Backend,
    dalek: dalek::SignScratch,
    made: u64,
}

impl Signer {
    /// A signer that works with this back end.
    #[must_use]
    pub fn new(backend: Backend) -> Signer {
        Signer {
            backend,
            dalek: dalek::SignScratch::new(),
            made: 0,
        }
    }

    /// Appends one signature per job to `signatures`, in the jobs' order.
    ///
    /// # Panics
    /// If a job names a secret key that `secrets` does not have.
    pub fn sign(
        &mut self,
        secrets: &[SecretKey],
        jobs: &[SignJob],
        signatures: &mut Vec<Signature>,
    ) {
        match self.backend {
            Backend::Dalek => self.dalek.sign(secrets, jobs, signatures),
        }
        self.made += jobs.len() as u64;
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
