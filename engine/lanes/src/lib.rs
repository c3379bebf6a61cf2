//! Ed25519 in eight AVX-512 IFMA lanes: eight independent signatures side by side.
//!
//! Signing and key generation are RFC 8032 bit for bit and constant time in the secrets.
//! Verification is ZIP 215, in batches with an exact verdict per signature. Everything starts at
//! [`Lanes::detect`]: without its proof that the machine has the lanes nothing here can be called.

#[cfg(target_arch = "x86_64")]
mod buckets;
#[cfg(target_arch = "x86_64")]
mod comb;
#[cfg(target_arch = "x86_64")]
mod decode;
#[cfg(target_arch = "x86_64")]
mod field;
#[cfg(target_arch = "x86_64")]
mod point;
#[cfg(target_arch = "x86_64")]
mod power;
#[cfg(target_arch = "x86_64")]
mod rows;
#[cfg(target_arch = "x86_64")]
mod scalar;
#[cfg(target_arch = "x86_64")]
mod sha512;
#[cfg(target_arch = "x86_64")]
mod sign;
#[cfg(target_arch = "x86_64")]
mod sums;
#[cfg(target_arch = "x86_64")]
mod verify;

pub use sign::{Signer, SigningKey};
pub use verify::{BadKey, Item, Verifier, VerifyingKey};

/// Proof that this machine has the lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes(());

impl Lanes {
    /// Whether this machine has AVX-512 F, BW, DQ, VL and IFMA, and the system lets them be used.
    #[must_use]
    pub fn detect() -> Option<Lanes> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512ifma");
        all.then_some(Lanes(()))
    }
}
