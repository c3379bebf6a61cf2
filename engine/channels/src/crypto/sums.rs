//! `Σ zᵢxᵢ mod l` over many terms, reduced once: the products are added up as integers.
//!
//! A product mod l costs as much as a dozen of these: over a batch that is 4 % of a signature.

use curve25519_dalek::scalar::Scalar;

/// A sum of products of a 128-bit and a 256-bit integer, in 64-bit limbs, least first.
///
/// A product is below 2^384, so 512 bits hold 2^128 of them: no sum overflows.
/// Variable time nowhere, but only public values are summed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProductSum([u64; 8]);

impl ProductSum {
    /// Adds `z · x`, with `x` little-endian.
    #[inline]
    pub(super) fn add(&mut self, z: u128, x: &[u8; 32]) {
        let (x, []) = x.as_chunks::<8>() else {
            unreachable!("32 is a multiple of 8")
        };
        for (first, z) in [z as u64, (z >> 64) as u64].into_iter().enumerate() {
            let limbs = &mut self.0[first..];
            let mut carry = 0;
            for (limb, x) in limbs.iter_mut().zip(x) {
                (*limb, carry) = z.carrying_mul_add(u64::from_le_bytes(*x), *limb, carry);
            }
            for limb in &mut limbs[4..] {
                let (sum, over) = limb.overflowing_add(carry);
                (*limb, carry) = (sum, u64::from(over));
            }
        }
    }

    /// The sum mod l.
    pub(super) fn reduce(&self) -> Scalar {
        let mut bytes = [0; 64];
        for (bytes, limb) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *bytes = limb.to_le_bytes();
        }
        Scalar::from_bytes_mod_order_wide(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_largest_products_carry_through() {
        let mut sum = ProductSum::default();
        let mut expected = Scalar::ZERO;
        for _ in 0..10_000 {
            sum.add(u128::MAX, &[0xff; 32]);
            expected += Scalar::from(u128::MAX) * Scalar::from_bytes_mod_order([0xff; 32]);
        }
        assert_eq!(sum.reduce(), expected);
    }

    proptest! {
        #[test]
        fn sums_equal_scalar_arithmetic(terms: Vec<(u128, [u8; 32])>) {
            let mut sum = ProductSum::default();
            let mut expected = Scalar::ZERO;
            for (z, x) in terms {
                sum.add(z, &x);
                expected += Scalar::from(z) * Scalar::from_bytes_mod_order(x);
            }
            prop_assert_eq!(sum.reduce(), expected);
        }
    }
}
