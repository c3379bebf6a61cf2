//! Ed25519 in eight AVX-512 IFMA lanes: eight independent signatures side by side; and chains of keyed
//! BLAKE3 hashes, sixteen side by side.
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
//! let keys = signer.keys(&[&[7; 32]]);
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

#[cfg_attr(target_arch = "x86_64", path = "kernel/mod.rs")]
#[cfg_attr(not(target_arch = "x86_64"), path = "absent.rs")]
mod kernel;

pub mod hazmat;

pub use kernel::{Signer, SigningKey, Verifier, VerifyingKey, extend_chains};

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

/// A secret key's parts, borrowed for signing: [`SigningKey::expanded`] gives them.
#[derive(Clone, Copy)]
pub struct Expanded<'a> {
    scalar: &'a [u8; 32],
    prefix: &'a [u8; 32],
    public: &'a [u8; 32],
}

/// One chain to extend: from which head, by which run of entries.
#[derive(Clone, Copy, Debug)]
pub struct ChainJob<'a> {
    /// The head before the first entry.
    pub start: &'a [u8; 32],
    /// Index of the first entry.
    pub first: usize,
    /// How many consecutive entries to append; may be 0.
    pub count: usize,
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
