//! The lanes themselves, on x86-64.

mod buckets;
mod chain;
mod comb;
mod decode;
mod field;
mod joined;
mod key;
mod point;
mod power;
mod rows;
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

pub use chain::extend_chains;
pub use key::VerifyingKey;
pub use sign::{Signer, SigningKey};
pub use verify::Verifier;
