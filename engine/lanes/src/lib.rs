//! Ed25519 in eight lanes, of AVX-512 IFMA or of AVX2 and FMA: eight independent signatures side by
//! side; and chains of keyed BLAKE3 hashes, sixteen side by side.
//!
//! Signing and key generation are RFC 8032 bit for bit, and constant time in the secrets.
//! Verification is ZIP 215, in batches, with an exact verdict per signature. Everything starts at
//! [`Lanes::detect`]: without its proof that the machine has the lanes nothing here can be called.
//!
//! ```
//! use duet_lanes::{Item, Lanes, Signer, Verifier, VerifyingKey};
//!
//! let lanes = Lanes::detect();
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

#![cfg_attr(not(test), warn(clippy::too_many_lines))]

pub mod hazmat;
mod kernel;
mod machine;

pub use kernel::{Signer, SigningKey, Verifier, VerifyingKey, extend_chains, hash_blocks};
#[cfg(target_arch = "x86_64")]
use machine::{Avx2Fma, Avx512Ifma};
#[cfg(test)]
use machine::{EmulatedFma, EmulatedIfma};
use machine::{Machine, Plain};

/// A set of instructions that the lanes are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// AVX-512 F, BW, DQ, VL and IFMA.
    Avx512Ifma,
    /// AVX2, FMA and BMI2.
    Avx2Fma,
    /// Those that every processor has.
    Plain,
}

impl Unit {
    /// All of them, the fastest first.
    pub const ALL: [Unit; 3] = [Unit::Avx512Ifma, Unit::Avx2Fma, Unit::Plain];

    /// A short name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Unit::Avx512Ifma => "avx512-ifma",
            Unit::Avx2Fma => "avx2-fma",
            Unit::Plain => "plain",
        }
    }

    /// What a machine needs for it.
    #[must_use]
    pub const fn needs(self) -> &'static str {
        match self {
            Unit::Avx512Ifma => "AVX-512 F, BW, DQ, VL and IFMA",
            Unit::Avx2Fma => "AVX2, FMA and BMI2",
            Unit::Plain => "nothing",
        }
    }
}

/// Proof that this machine has the instructions of a [`Unit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes(Proof);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    #[cfg(target_arch = "x86_64")]
    Avx512Ifma(Avx512Ifma),
    #[cfg(target_arch = "x86_64")]
    Avx2Fma(Avx2Fma),
    Plain(Plain),
    #[cfg(test)]
    EmulatedIfma(EmulatedIfma),
    #[cfg(test)]
    EmulatedFma(EmulatedFma),
}

impl Lanes {
    /// The fastest that this machine and its system have.
    #[must_use]
    pub fn detect() -> Lanes {
        let of = Unit::ALL.into_iter().find_map(Lanes::of);
        of.expect("any machine has the plain ones")
    }

    /// Those of one unit, if this machine has it and the system lets it be used.
    #[must_use]
    pub fn of(unit: Unit) -> Option<Lanes> {
        let proof = match unit {
            #[cfg(target_arch = "x86_64")]
            Unit::Avx512Ifma => Proof::Avx512Ifma(Avx512Ifma::detect()?),
            #[cfg(target_arch = "x86_64")]
            Unit::Avx2Fma => Proof::Avx2Fma(Avx2Fma::detect()?),
            Unit::Plain => Proof::Plain(Plain),
            #[cfg(not(target_arch = "x86_64"))]
            Unit::Avx512Ifma | Unit::Avx2Fma => return None,
        };
        Some(Lanes(proof))
    }

    /// Which unit they are of.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Proof::Avx512Ifma(_) => Unit::Avx512Ifma,
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2Fma(_) => Unit::Avx2Fma,
            Proof::Plain(_) => Unit::Plain,
            #[cfg(test)]
            Proof::EmulatedIfma(_) | Proof::EmulatedFma(_) => Unit::Plain,
        }
    }

    /// All that this machine has, the fastest first.
    #[must_use]
    pub fn all() -> Vec<Lanes> {
        let all = Unit::ALL.into_iter().filter_map(Lanes::of);
        #[cfg(test)]
        let all = all.chain([
            Lanes(Proof::EmulatedIfma(EmulatedIfma)),
            Lanes(Proof::EmulatedFma(EmulatedFma)),
        ]);
        all.collect()
    }

    /// Dispatches: once per batch.
    pub(crate) fn on<K: OnAny>(self, kernel: K) -> K::Out {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Proof::Avx512Ifma(machine) => kernel.on(machine),
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2Fma(machine) => kernel.on(machine),
            Proof::Plain(machine) => kernel.on(machine),
            #[cfg(test)]
            Proof::EmulatedIfma(machine) => kernel.on(machine),
            #[cfg(test)]
            Proof::EmulatedFma(machine) => kernel.on(machine),
        }
    }
}

/// What can be done on every machine.
pub(crate) trait OnAny {
    /// What comes of it.
    type Out;

    /// Does it on this one.
    fn on<M: Machine>(self, machine: M) -> Self::Out;
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
