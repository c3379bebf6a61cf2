//! `Σ zᵢxᵢ` over a batch's signatures of one key: added up as integers, reduced mod l once, eight
//! sums side by side.

use super::scalar::{OFFSET, Scalar, UNCHANGED};
use crate::machine::{Machine, Vector};

/// A random coefficient: Σ digitᵢ · 256^i. The 2^128 values of its digits are as many integers,
/// and, all being below l/2 in magnitude, as many residues mod l.
pub(crate) type Coefficient = [i8; 16];

/// Σ z·x and Σ x for integers x below 2^512 and coefficients z, up to 2^16 of them.
///
/// A digit with its top bit flipped is an unsigned byte, 128 too large: products are added with
/// such z, and Σ x tells how much is to be taken off.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum {
    products: [u64; 11],
    factors: [u64; 9],
}

impl Sum {
    /// Adds `z · x`, x least word first.
    #[inline]
    pub(crate) fn add<const N: usize>(&mut self, z: &Coefficient, x: &[u64; N]) {
        const { assert!(N <= 8) };
        let z = u128::from_le_bytes(z.map(|digit| digit as u8 ^ 0x80));
        for (first, z) in [z as u64, (z >> 64) as u64].into_iter().enumerate() {
            let (limbs, above) = self.products[first..].split_at_mut(N);
            let mut carry = 0;
            for (limb, x) in limbs.iter_mut().zip(x) {
                (*limb, carry) = z.carrying_mul_add(*x, *limb, carry);
            }
            carry_up(above, carry);
        }
        let (limbs, above) = self.factors.split_at_mut(N);
        let mut carry = false;
        for (limb, x) in limbs.iter_mut().zip(x) {
            (*limb, carry) = limb.carrying_add(*x, carry);
        }
        carry_up(above, u64::from(carry));
    }

    /// The digits of eight sums mod l: Σ digitᵢ · 256^i.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn reduce<M: Machine>(machine: M, sums: &[&Sum; 8]) -> [[i8; 32]; 8] {
        let mut products = [machine.splat(0); 11];
        for (word, to) in products.iter_mut().enumerate() {
            *to = machine.load(&sums.map(|sum| sum.products[word]));
        }
        let mut factors = [machine.splat(0); 9];
        for (word, to) in factors.iter_mut().enumerate() {
            *to = machine.load(&sums.map(|sum| sum.factors[word]));
        }
        let sum = Scalar::reduce(machine, &products, &UNCHANGED)
            .plus(&Scalar::reduce(machine, &factors, &OFFSET));
        M::V::store_32(sum.canonical().to_words()).map(|bytes| signed(&bytes))
    }
}

#[inline]
fn carry_up(limbs: &mut [u64], mut carry: u64) {
    for limb in limbs {
        let over;
        (*limb, over) = limb.overflowing_add(carry);
        carry = u64::from(over);
    }
    debug_assert_eq!(carry, 0, "sums fit");
}

/// Unsigned bytes as signed digits: what is above 127 borrows from the next. The scalar is below
/// 2^253, so nothing is left over.
pub(crate) fn signed(bytes: &[u8; 32]) -> [i8; 32] {
    let mut carry = 0;
    bytes.map(|byte| {
        let digit = i16::from(byte) + carry;
        carry = i16::from(digit > 127);
        (digit - 256 * carry) as i8
    })
}
