//! A signature, what is to be signed by whom, and what is said to be.

use std::fmt;

use curve25519_dalek::scalar::Scalar;

use super::hash::Digest;
use super::keys::SecretKey;
use super::ring::KeyId;

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

/// Something that carries a signature over its digest.
pub trait Signed {
    /// Who is said to have signed, a key of the ring that the batch is verified with; what was
    /// signed; and the signature, from outside, in any state.
    fn signed(&self) -> (KeyId, &Digest, &Signature);
}

impl Signed for (KeyId, Digest, Signature) {
    fn signed(&self) -> (KeyId, &Digest, &Signature) {
        (self.0, &self.1, &self.2)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
