//! Ed25519 in eight AVX-512 IFMA lanes: eight independent signatures side by side.
//!
//! Signing and key generation are RFC 8032 bit for bit, and constant time in the secrets.
//! Verification is ZIP 215, in batches, with an exact verdict per signature. Everything starts at
//! [`Lanes::detect`]: without its proof that the machine has the lanes nothing here can be called.
//!
//! ```
//! use duet_lanes::{Item, Lanes, Signer, Verifier, VerifyingKey};
//!
//! let Some(lanes) = Lanes::detect() else { return };
//! let mut signer = Signer::new(lanes);
//! let mut keys = Vec::new();
//! signer.keys([[7; 32]].iter(), &mut keys);
//!
//! let messages: [&[u8]; 3] = [b"one", b"two", b"three"];
//! let mut signatures = Vec::new();
//! signer.sign(3, |i| (keys[0].expanded(), messages[i]), |signature| signatures.push(*signature));
//! signatures[1][5] ^= 1;
//!
//! let known = [VerifyingKey::decode(lanes, keys[0].public()).expect("a sound key")];
//! let items = (0..3).map(|i| Item { key: 0, message: messages[i], signature: &signatures[i] });
//! let mut valid = Vec::new();
//! Verifier::new(lanes).verify(&known, items, &mut valid);
//! assert_eq!(valid, [true, false, true]);
//! ```

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
#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
#[cfg(all(test, target_arch = "x86_64"))]
mod timing;
#[cfg(target_arch = "x86_64")]
mod verify;

#[cfg(not(target_arch = "x86_64"))]
mod absent;
#[cfg(not(target_arch = "x86_64"))]
use absent as machine;
#[cfg(target_arch = "x86_64")]
mod machine {
    pub use super::sign::{Signer, SigningKey};
    pub use super::verify::{Verifier, VerifyingKey};
}

pub use machine::{Signer, SigningKey, Verifier, VerifyingKey};

/// Proof that this machine has the lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes(Proof);

/// Has no value where there cannot be lanes.
#[cfg(target_arch = "x86_64")]
type Proof = ();
#[cfg(not(target_arch = "x86_64"))]
type Proof = std::convert::Infallible;

impl Lanes {
    /// Whether this machine has AVX-512 F, BW, DQ, VL and IFMA, and the system lets them be used.
    #[must_use]
    pub fn detect() -> Option<Lanes> {
        #[cfg(target_arch = "x86_64")]
        {
            let all = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512ifma");
            all.then_some(Lanes(()))
        }
        #[cfg(not(target_arch = "x86_64"))]
        None
    }
}

/// A secret key's parts in the form that signing uses (RFC 8032, 5.1.5).
#[derive(Clone, Copy)]
pub struct Expanded<'a> {
    /// The secret scalar, little-endian: clamped, or any other representative mod l below 2^256.
    pub scalar: &'a [u8; 32],
    /// What nonces are derived from.
    pub prefix: &'a [u8; 32],
    /// The public key.
    pub public: &'a [u8; 32],
}

/// One signature to judge.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The signer's place among the keys.
    pub key: usize,
    /// What was signed.
    pub message: &'a [u8],
    /// The signature, from outside, in any state.
    pub signature: &'a [u8; 64],
}
