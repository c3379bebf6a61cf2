//! Hashing, signing and verifying, in batches. The only place that can make a [`Verified`] value.
//!
//! One acceptance rule ([`accept`]) judges every signature, alone or in a batch, off chain or on
//! Layer 1. Everything that a batch costs once (the back end's choice, scratch memory, the keys'
//! decompression) is paid here once, not per signature.

mod accept;
mod backend;
mod dalek;
mod hash;
mod keys;
mod pairs;
mod ring;
mod sign;
mod signature;
mod sums;
#[cfg(test)]
mod tests;
mod verify;

pub use accept::accept;
pub use backend::{Backend, BackendChoice, BackendUnavailable};
pub use duet_lanes::Unit;
pub use hash::{ChainJob, Digest, Domain, Hasher, block, chain, hash, hash_blocks, link};
pub use keys::{KeyError, PublicKey, SecretKey};
pub use pairs::KeyPairs;
pub use ring::{KeyId, KeyRing};
pub use sign::Signer;
pub use signature::{Secrets, SignJob, Signature, Signed};
pub use verify::{Forged, Verified, Verifier, VerifierCounts};
