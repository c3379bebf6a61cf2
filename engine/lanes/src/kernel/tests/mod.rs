//! Every part against big integers, curve25519-dalek, sha2 and blake3, on every machine that there
//! is here and on those that can be emulated.

mod chain;
mod curve;
mod field;
mod hash;
mod scalar;

use num_bigint::{BigInt, BigUint};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::machine::{Machine, Vector};

/// Tests whose bodies run on all machines.
macro_rules! on_all {
    ($($(#[$attribute:meta])* fn $name:ident<$m:ident>($machine:ident) $body:block)+) => {$(
        #[test]
        $(#[$attribute])*
        fn $name() {
            struct Body;

            impl<$m: crate::machine::Machine> crate::machine::Work<$m> for Body {
                type Out = ();

                #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
                fn run(self, $machine: $m) $body
            }

            impl crate::OnAny for Body {
                type Out = ();

                fn on<M: crate::machine::Machine>(self, machine: M) {
                    println!("on {machine:?}");
                    machine.run(self);
                }
            }

            for lanes in crate::Lanes::all() {
                lanes.on(Body);
            }
        }
    )+};
}
pub(crate) use on_all;

/// So often; a hundredth of that under Miri, which takes a thousand times as long.
fn times(count: usize) -> usize {
    if cfg!(miri) {
        count.div_ceil(100)
    } else {
        count
    }
}

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn random_bytes<const N: usize>(rng: &mut StdRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// The words of each lane.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn lanes_of<V: Vector, const N: usize>(words: &[V; N]) -> [[u64; N]; 8] {
    let mut lanes = [[0; N]; 8];
    for (at, word) in words.iter().enumerate() {
        let mut each = [0; 8];
        word.store(&mut each);
        for (lane, word) in lanes.iter_mut().zip(each) {
            lane[at] = word;
        }
    }
    lanes
}

/// The inverse of [`lanes_of`].
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn vectors_of<M: Machine, const N: usize>(machine: M, lanes: &[[u64; N]; 8]) -> [M::V; N] {
    let mut words = [machine.splat(0); N];
    for (at, word) in words.iter_mut().enumerate() {
        *word = machine.load(&lanes.map(|lane| lane[at]));
    }
    words
}

/// Σ limbᵢ · 2^(bits·i).
fn integer(limbs: &[u64], bits: usize) -> BigUint {
    let limbs = limbs.iter().enumerate();
    limbs
        .map(|(at, &limb)| BigUint::from(limb) << (bits * at))
        .sum()
}

/// The residue mod p of Σ limbᵢ · 2^(51·i).
fn residue(limbs: &[i64; 5]) -> BigUint {
    let limbs = limbs.iter().enumerate();
    let sum: BigInt = limbs
        .map(|(at, &limb)| BigInt::from(limb) << (51 * at))
        .sum();
    let p = BigInt::from(p());
    (((sum % &p) + &p) % p).to_biguint().expect("not negative")
}

fn p() -> BigUint {
    (BigUint::from(1u8) << 255u32) - 19u8
}

fn l() -> BigUint {
    (BigUint::from(1u8) << 252u32) + 27742317777372353535851937790883648493u128
}
