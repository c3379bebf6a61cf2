//! Every part against big integers, curve25519-dalek, sha2 and blake3.

mod chain;
mod curve;
mod field;
mod hash;
mod scalar;

use core::arch::x86_64::__m512i;

use num_bigint::BigUint;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A test whose body runs in lanes, where there are any.
macro_rules! in_lanes {
    ($($(#[$attribute:meta])* fn $name:ident() $body:block)+) => {$(
        #[test]
        $(#[$attribute])*
        fn $name() {
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
            fn body() $body
            if crate::Lanes::detect().is_some() {
                // SAFETY: the features were just found.
                unsafe { body() }
            }
        }
    )+};
}
pub(crate) use in_lanes;

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn random_bytes<const N: usize>(rng: &mut StdRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// The words of each lane.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn lanes_of<const N: usize>(words: &[__m512i; N]) -> [[u64; N]; 8] {
    let mut lanes = [[0; N]; 8];
    for (at, word) in words.iter().enumerate() {
        let mut each = [0; 8];
        crate::kernel::rows::store(*word, &mut each);
        for (lane, word) in lanes.iter_mut().zip(each) {
            lane[at] = word;
        }
    }
    lanes
}

/// The inverse of [`lanes_of`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn vectors_of<const N: usize>(lanes: &[[u64; N]; 8]) -> [__m512i; N] {
    std::array::from_fn(|at| crate::kernel::rows::load(&lanes.map(|lane| lane[at])))
}

/// Σ limbᵢ · 2^(bits·i).
fn integer(limbs: &[u64], bits: usize) -> BigUint {
    let limbs = limbs.iter().enumerate();
    limbs
        .map(|(at, &limb)| BigUint::from(limb) << (bits * at))
        .sum()
}

fn p() -> BigUint {
    (BigUint::from(1u8) << 255u32) - 19u8
}

fn l() -> BigUint {
    (BigUint::from(1u8) << 252u32) + 27742317777372353535851937790883648493u128
}
