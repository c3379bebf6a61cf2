//! The kernels, the same for every machine.

mod buckets;
mod chain;
pub(crate) mod comb;
mod decode;
pub(crate) mod field;
mod joined;
mod key;
mod point;
mod power;
mod scalar;
mod sha512;
mod sign;
mod sums;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod timing;
mod verify;
mod window;

pub use chain::{extend_chains, hash_blocks};
pub use key::VerifyingKey;
pub use sign::{Signer, SigningKey};
pub use verify::Verifier;
