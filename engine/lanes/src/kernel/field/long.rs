//! Multiplication lane by lane, with products of 128 bits: for processors of which nothing is
//! known.
//!
//! The bounds are [`Ifma`](super::Ifma)'s.

use super::MASK;
use super::ifma::{biased, negate};
use crate::kernel::scalar::{MINUS_INVERSE, ORDER};
use crate::machine::{Arithmetic, Tile};

/// Integers, lane by lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Long;

impl Arithmetic<Tile> for Long {
    #[cfg(test)]
    const BOUNDS: [(i64, i64); 3] = super::INTEGERS;

    #[cfg(test)]
    fn word(limb: i64) -> u64 {
        limb as u64
    }

    #[cfg(test)]
    fn limb(word: u64) -> i64 {
        word as i64
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn constant(limbs: [u64; 5]) -> [u64; 5] {
        limbs
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn of_integers(limbs: [Tile; 5]) -> [Tile; 5] {
        limbs
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn to_integers(limbs: [Tile; 5]) -> [Tile; 5] {
        limbs
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn widen(limbs: [Tile; 5]) -> [Tile; 5] {
        limbs
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn biased(wide: [Tile; 5]) -> [Tile; 5] {
        biased(wide)
    }

    #[inline(never)]
    fn carry(wide: [Tile; 5]) -> [Tile; 5] {
        each(&wide, &wide, |wide, _| carry(wide))
    }

    #[inline(never)]
    fn multiply(a: &[Tile; 5], b: &[Tile; 5]) -> [Tile; 5] {
        each(a, b, product)
    }

    #[inline(never)]
    fn square(a: &[Tile; 5]) -> [Tile; 5] {
        each(a, a, |a, _| square(a))
    }

    #[inline(never)]
    fn multiply_carried(a: &[Tile; 5], b: &[Tile; 5]) -> [Tile; 5] {
        each(a, b, |a, b| carry(product(a, b)))
    }

    #[inline(never)]
    fn square_carried(a: &[Tile; 5]) -> [Tile; 5] {
        each(a, a, |a, _| carry(square(a)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn square_here(a: &[Tile; 5]) -> [Tile; 5] {
        Self::square_carried(a)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn negate(limbs: [Tile; 5]) -> [Tile; 5] {
        negate(limbs)
    }

    #[inline(never)]
    fn montgomery(a: &[Tile; 5], b: &[Tile; 5]) -> [Tile; 5] {
        each(a, b, montgomery)
    }
}

/// Does the same to every lane.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn each(a: &[Tile; 5], b: &[Tile; 5], f: impl Fn([u64; 5], [u64; 5]) -> [u64; 5]) -> [Tile; 5] {
    let mut all = *a;
    for lane in 0..8 {
        let limbs = f(a.map(|limb| limb.0[lane]), b.map(|limb| limb.0[lane]));
        for (to, limb) in all.iter_mut().zip(limbs) {
            to.0[lane] = limb;
        }
    }
    all
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn times(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn product(a: [u64; 5], b: [u64; 5]) -> [u64; 5] {
    // Below 2^56.3.
    let [_, b1, b2, b3, b4] = b.map(|limb| 19 * limb);
    let [c0, c1, c2, c3, c4] = b;
    fold([
        times(a[0], c0) + times(a[1], b4) + times(a[2], b3) + times(a[3], b2) + times(a[4], b1),
        times(a[0], c1) + times(a[1], c0) + times(a[2], b4) + times(a[3], b3) + times(a[4], b2),
        times(a[0], c2) + times(a[1], c1) + times(a[2], c0) + times(a[3], b4) + times(a[4], b3),
        times(a[0], c3) + times(a[1], c2) + times(a[2], c1) + times(a[3], c0) + times(a[4], b4),
        times(a[0], c4) + times(a[1], c3) + times(a[2], c2) + times(a[3], c1) + times(a[4], c0),
    ])
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn square(a: [u64; 5]) -> [u64; 5] {
    let [a0, a1, a2, a3, a4] = a;
    let (d0, d1, d2) = (2 * a0, 2 * a1, 2 * a2);
    let (b3, b4) = (19 * a3, 19 * a4);
    fold([
        times(a0, a0) + times(d1, b4) + times(d2, b3),
        times(d0, a1) + times(d2, b4) + times(a3, b3),
        times(d0, a2) + times(a1, a1) + times(2 * a3, b4),
        times(d0, a3) + times(d1, a2) + times(a4, b4),
        times(d0, a4) + times(d1, a3) + times(a2, a2),
    ])
}

/// Columns below 2^110.3, of which the last one is below 2^106.4, as limbs below 2^60.1.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn fold(columns: [u128; 5]) -> [u64; 5] {
    let [c0, c1, c2, c3, c4] = columns.map(|column| (column >> 51) as u64);
    let [r0, r1, r2, r3, r4] = columns.map(|column| column as u64 & MASK);
    [r0 + 19 * c4, r1 + c0, r2 + c1, r3 + c2, r4 + c3]
}

/// From limbs below 2^63 to tight ones.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn carry(wide: [u64; 5]) -> [u64; 5] {
    let [c0, c1, c2, c3, c4] = wide.map(|limb| limb >> 51);
    let [r0, r1, r2, r3, r4] = wide.map(|limb| limb & MASK);
    [r0 + 19 * c4, r1 + c0, r2 + c1, r3 + c2, r4 + c3]
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn montgomery(a: [u64; 5], b: [u64; 5]) -> [u64; 5] {
    const MASK: u64 = (1 << 52) - 1;
    let mut sum = [0_u128; 5];
    for a in a {
        for (sum, b) in sum.iter_mut().zip(b) {
            *sum += times(a, b);
        }
        let q = (sum[0] as u64).wrapping_mul(MINUS_INVERSE) & MASK;
        for (sum, order) in sum.iter_mut().zip(ORDER) {
            *sum += times(q, order);
        }
        // The lowest 52 bits are zero now: what is above them moves down.
        sum = [sum[1] + (sum[0] >> 52), sum[2], sum[3], sum[4], 0];
    }
    let mut carry = 0;
    sum.map(|sum| {
        let sum = sum + carry;
        carry = sum >> 52;
        sum as u64 & MASK
    })
}
