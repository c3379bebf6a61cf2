//! Multiplication by fused multiply-add of doubles, for processors whose floating-point units are
//! their widest multipliers. The trick is Emmart's, without a change of the rounding mode.
//!
//! An element's limbs are *doubles*, integers between −2^50 and 2^50 and a little more, so that they
//! need no conversion before they are multiplied, and changing the sign is negation. For a product
//! |ab| ≤ 2^102,
//!
//! - `h = fma(a, b, 1.5 · 2^103)` rounds ab to a multiple of 2^51, the last place of doubles from 2^103
//!   to 2^104. Taken as integers, bit patterns of such doubles count those multiples: what h is above
//!   1.5 · 2^103 is the product's part for the *next* limb.
//! - `l = fma(a, b, 1.5 · 2^103 + 1.5 · 2^52 − h)` is ab less that part, exactly, and 1.5 · 2^52. It is
//!   within 2^50 of 1.5 · 2^52, so that its bit pattern counts units.
//!
//! A second product may take the first one's h in the place of the constant, if both together are at
//! most 2^102; h is then the sum of both parts, and the two l, only one of which carries the
//! constant, add up exactly as doubles, within 2^51 of it. So two products cost nine instructions.
//! Bit patterns are summed as integers, from start values that take off all constants.
//!
//! - **tight** and **loose**: integers of magnitude at most T = 2^50 + 2^15. Two products of such are at
//!   most 2T² < 2^101 + 2^67, and one of them may be doubled: 3T² < 2^102.
//! - **wide**: integers, not doubles, of magnitude below 2^61. A product's are below 2^57.3: a column
//!   of at most five has low parts within 5 · 2^50 and as many high ones within 5 · (T²/2^51 + 1), and a
//!   limb is a column and 19 times another.

use super::{Arithmetic, MASK, TWO_P, carry_integers};
use crate::machine::{Doubles, Leaf, Vector, five};

/// Doubles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fma;

/// 1.5 · 2^103: doubles around it count multiples of 2^51.
const HIGH: u64 = 0x4668_0000_0000_0000;
/// 1.5 · 2^52: doubles around it count units.
const LOW: u64 = 0x4338_0000_0000_0000;
/// 1.5 · 2^103 + 1.5 · 2^52.
const BOTH: u64 = HIGH + 3;

const _: () = {
    assert!(f64::from_bits(LOW) == 1.5 * (1u64 << 52) as f64);
    assert!(f64::from_bits(HIGH) == 1.5 * (1u128 << 103) as f64);
    assert!(f64::from_bits(BOTH) - f64::from_bits(HIGH) == f64::from_bits(LOW));
};

/// Added before a carry: makes every limb positive, and the carry round to nearest.
const BIAS: u64 = (1 << 62) + (1 << 50);
/// What a carry of a limb with the bias is too large by.
const CARRY_BIAS: u64 = 1 << 11;

/// What each column's sum starts from, so that no constant is left in the end: from the number of
/// low and of high parts that it gets, and an extra.
const fn starts((low, high): ([u64; 10], [u64; 10]), extra: u64) -> [u64; 10] {
    let mut starts = [0u64; 10];
    let mut at = 0;
    while at < 10 {
        let constants = LOW
            .wrapping_mul(low[at])
            .wrapping_add(HIGH.wrapping_mul(high[at]));
        starts[at] = constants.wrapping_neg();
        if at < 5 {
            starts[at] = starts[at].wrapping_add(extra);
        }
        at += 1;
    }
    starts
}

/// Columns of products, as they are summed up.
struct Columns<R> {
    high: R,
    both: R,
    sums: [R; 10],
}

impl<R: Doubles> Columns<R> {
    #[cfg_attr(not(test), inline(always))]
    fn new(any: R, starts: [u64; 10]) -> Columns<R> {
        let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9] = starts;
        Columns {
            high: any.splat(HIGH),
            both: any.splat(BOTH),
            sums: [
                any.splat(s0),
                any.splat(s1),
                any.splat(s2),
                any.splat(s3),
                any.splat(s4),
                any.splat(s5),
                any.splat(s6),
                any.splat(s7),
                any.splat(s8),
                any.splat(s9),
            ],
        }
    }

    /// Adds `a · b` to a column and the next one.
    #[cfg_attr(not(test), inline(always))]
    fn one(&mut self, column: usize, a: R, b: R) {
        let high = a.fused(b, self.high);
        let low = a.fused(b, self.both.fsub(high));
        self.sums[column] = self.sums[column] + low;
        self.sums[column + 1] = self.sums[column + 1] + high;
    }

    /// Adds `a · b + c · d` to a column and the next one.
    #[cfg_attr(not(test), inline(always))]
    fn two(&mut self, column: usize, a: R, b: R, c: R, d: R) {
        let first = a.fused(b, self.high);
        let low = a.fused(b, self.both.fsub(first));
        let high = c.fused(d, first);
        let low = low.fadd(c.fused(d, first.fsub(high)));
        self.sums[column] = self.sums[column] + low;
        self.sums[column + 1] = self.sums[column + 1] + high;
    }

    /// Adds 19 times the columns from 2^255 on to those below.
    #[cfg_attr(not(test), inline(always))]
    fn fold(self) -> [R; 5] {
        let sums = self.sums;
        five!(I => {
            let high = sums[I + 5];
            ((sums[I] + high) + (high + high)) + high.shl(4)
        })
    }
}

/// Parts that each column gets of a product, and of a square: one low part, and one high part in the
/// next column, for each call of [`Columns::one`] or [`Columns::two`].
const PRODUCT: ([u64; 10], [u64; 10]) = (
    [1, 1, 2, 2, 3, 2, 2, 1, 1, 0],
    [0, 1, 1, 2, 2, 3, 2, 2, 1, 1],
);
const SQUARE: ([u64; 10], [u64; 10]) = (
    [1, 1, 1, 2, 2, 2, 1, 1, 1, 0],
    [0, 1, 1, 1, 2, 2, 2, 1, 1, 1],
);

#[cfg_attr(not(test), inline(always))]
fn product<R: Doubles, const EXTRA: u64>(a: [R; 5], b: [R; 5]) -> [R; 5] {
    let mut columns = Columns::new(a[0], const { starts(PRODUCT, EXTRA) });
    columns.one(0, a[0], b[0]);
    columns.two(5, a[1], b[4], a[2], b[3]);
    columns.two(5, a[3], b[2], a[4], b[1]);
    columns.two(1, a[0], b[1], a[1], b[0]);
    columns.two(6, a[2], b[4], a[3], b[3]);
    columns.one(6, a[4], b[2]);
    columns.two(2, a[0], b[2], a[1], b[1]);
    columns.one(2, a[2], b[0]);
    columns.two(7, a[3], b[4], a[4], b[3]);
    columns.two(3, a[0], b[3], a[1], b[2]);
    columns.two(3, a[2], b[1], a[3], b[0]);
    columns.one(8, a[4], b[4]);
    columns.two(4, a[0], b[4], a[1], b[3]);
    columns.two(4, a[2], b[2], a[3], b[1]);
    columns.one(4, a[4], b[0]);
    columns.fold()
}

#[cfg_attr(not(test), inline(always))]
fn square<R: Doubles, const EXTRA: u64>(a: [R; 5]) -> [R; 5] {
    let [d0, d1, d2, d3] = [
        a[0].fadd(a[0]),
        a[1].fadd(a[1]),
        a[2].fadd(a[2]),
        a[3].fadd(a[3]),
    ];
    let mut columns = Columns::new(a[0], const { starts(SQUARE, EXTRA) });
    columns.one(0, a[0], a[0]);
    columns.one(5, d1, a[4]);
    columns.one(5, d2, a[3]);
    columns.one(1, d0, a[1]);
    columns.two(6, d2, a[4], a[3], a[3]);
    columns.two(2, d0, a[2], a[1], a[1]);
    columns.one(7, d3, a[4]);
    columns.one(3, d0, a[3]);
    columns.one(3, d1, a[2]);
    columns.one(8, a[4], a[4]);
    columns.two(4, d0, a[4], a[2], a[2]);
    columns.one(4, d1, a[3]);
    columns.fold()
}

/// Takes limbs with the bias.
#[cfg_attr(not(test), inline(always))]
fn carry_biased<R: Doubles>(wide: [R; 5]) -> [R; 5] {
    let mask = wide[0].splat(MASK);
    let one = wide[0].splat(LOW);
    // Integers become doubles around 1.5 · 2^52.
    let rest = wide[0].splat(LOW - (1 << 50) - CARRY_BIAS);
    let first = wide[0].splat(LOW - (1 << 50) - 19 * CARRY_BIAS);
    let [c0, c1, c2, c3, c4] = five!(I => wide[I].shr(51));
    let [r0, r1, r2, r3, r4] = five!(I => wide[I] & mask);
    [
        ((r0 + first) + c4.mul32(c4.splat(19))).fsub(one),
        ((r1 + rest) + c0).fsub(one),
        ((r2 + rest) + c1).fsub(one),
        ((r3 + rest) + c2).fsub(one),
        ((r4 + rest) + c3).fsub(one),
    ]
}

struct Product;
struct Square;
struct ProductCarried;
struct SquareCarried;
struct Montgomery;

impl<R: Doubles> Leaf<R, 5, 5, 5> for Product {
    #[cfg_attr(not(test), inline(always))]
    fn run(a: &[R; 5], b: &[R; 5]) -> [R; 5] {
        product::<R, 0>(*a, *b)
    }
}

impl<R: Doubles> Leaf<R, 5, 5, 5> for ProductCarried {
    #[cfg_attr(not(test), inline(always))]
    fn run(a: &[R; 5], b: &[R; 5]) -> [R; 5] {
        carry_biased(product::<R, BIAS>(*a, *b))
    }
}

impl<R: Doubles> Leaf<R, 5, 0, 5> for Square {
    #[cfg_attr(not(test), inline(always))]
    fn run(a: &[R; 5], _: &[R; 0]) -> [R; 5] {
        square::<R, 0>(*a)
    }
}

impl<R: Doubles> Leaf<R, 5, 0, 5> for SquareCarried {
    #[cfg_attr(not(test), inline(always))]
    fn run(a: &[R; 5], _: &[R; 0]) -> [R; 5] {
        carry_biased(square::<R, BIAS>(*a))
    }
}

impl<R: Doubles> Leaf<R, 5, 5, 5> for Montgomery {
    #[cfg_attr(not(test), inline(always))]
    fn run(a: &[R; 5], b: &[R; 5]) -> [R; 5] {
        scalar::montgomery(*a, *b)
    }
}

impl<V: Vector + Doubles> Arithmetic<V> for Fma
where
    V::Part: Doubles,
{
    #[cfg(test)]
    const BOUNDS: [(i64, i64); 3] = {
        let tight = (1 << 50) + (1 << 15);
        let wide = (1 << 61) - 1;
        [(-tight, tight), (-tight, tight), (-wide, wide)]
    };

    #[cfg(test)]
    fn word(limb: i64) -> u64 {
        assert!(limb.unsigned_abs() <= 1 << 53, "a double holds it");
        (limb as f64).to_bits()
    }

    #[cfg(test)]
    fn limb(word: u64) -> i64 {
        let double = f64::from_bits(word);
        assert_eq!(double as i64 as f64, double, "an integer");
        double as i64
    }

    /// Balanced: a limb above 2^50 borrows from the next.
    #[cfg_attr(not(test), inline(always))]
    fn constant(limbs: [u64; 5]) -> [u64; 5] {
        let mut carry = 0;
        let mut signed = [0_i64; 5];
        for (signed, limb) in signed.iter_mut().zip(limbs) {
            let limb = limb as i64 + carry;
            carry = (limb + (1 << 50)) >> 51;
            *signed = limb - (carry << 51);
        }
        signed[0] += 19 * carry;
        signed.map(|limb| (limb as f64).to_bits())
    }

    #[cfg_attr(not(test), inline(always))]
    fn of_integers(limbs: [V; 5]) -> [V; 5] {
        Self::carry(limbs)
    }

    #[cfg_attr(not(test), inline(always))]
    fn to_integers(limbs: [V; 5]) -> [V; 5] {
        let wide = <Self as Arithmetic<V>>::widen(limbs);
        carry_integers(five!(I => wide[I] + wide[I].splat(TWO_P[I])))
    }

    #[cfg_attr(not(test), inline(always))]
    fn widen(limbs: [V; 5]) -> [V; 5] {
        five!(I => limbs[I].fadd(limbs[I].splat(LOW)) - limbs[I].splat(LOW))
    }

    /// Nothing: limbs have signs.
    #[cfg_attr(not(test), inline(always))]
    fn biased(wide: [V; 5]) -> [V; 5] {
        wide
    }

    #[cfg_attr(not(test), inline(always))]
    fn carry(wide: [V; 5]) -> [V; 5] {
        carry_biased(five!(I => wide[I] + wide[I].splat(BIAS)))
    }

    #[cfg_attr(not(test), inline(always))]
    fn multiply(a: &[V; 5], b: &[V; 5]) -> [V; 5] {
        V::call::<Product, 5, 5, 5>(a, b)
    }

    #[cfg_attr(not(test), inline(always))]
    fn square(a: &[V; 5]) -> [V; 5] {
        V::call::<Square, 5, 0, 5>(a, &[])
    }

    #[cfg_attr(not(test), inline(always))]
    fn multiply_carried(a: &[V; 5], b: &[V; 5]) -> [V; 5] {
        V::call::<ProductCarried, 5, 5, 5>(a, b)
    }

    #[cfg_attr(not(test), inline(always))]
    fn square_carried(a: &[V; 5]) -> [V; 5] {
        V::call::<SquareCarried, 5, 0, 5>(a, &[])
    }

    #[cfg_attr(not(test), inline(always))]
    fn square_here(a: &[V; 5]) -> [V; 5] {
        V::apply::<SquareCarried, 5, 0, 5>(a, &[])
    }

    #[cfg_attr(not(test), inline(always))]
    fn negate(limbs: [V; 5]) -> [V; 5] {
        five!(I => limbs[I] ^ limbs[I].splat(1 << 63))
    }

    #[cfg_attr(not(test), inline(always))]
    fn montgomery(a: &[V; 5], b: &[V; 5]) -> [V; 5] {
        V::call::<Montgomery, 5, 5, 5>(a, b)
    }
}

mod scalar {
    //! The same for integers mod l: limbs of 52 bits, without signs, products below 2^104.

    use super::LOW;
    use crate::kernel::scalar::{MINUS_INVERSE, ORDER};
    use crate::machine::Doubles;

    /// 2^52: bit patterns from here on count units.
    const UNITS: u64 = 0x4330_0000_0000_0000;
    /// 2^104: doubles from here to 2^105 count multiples of 2^52.
    const HIGH: u64 = 0x4670_0000_0000_0000;
    const MASK: u64 = (1 << 52) - 1;

    const _: () = assert!(f64::from_bits(HIGH) == (1u128 << 104) as f64);

    /// From an integer below 2^52.
    #[cfg_attr(not(test), inline(always))]
    fn double<R: Doubles>(x: R) -> R {
        (x | x.splat(UNITS)).fsub(x.splat(UNITS))
    }

    /// `a · b` as `low + 2^52 · high`, low from −2^51 to 2^51, both with the constants LOW and HIGH.
    #[cfg_attr(not(test), inline(always))]
    fn product<R: Doubles>(a: R, b: R) -> [R; 2] {
        let constant = a.splat(HIGH);
        let high = a.fused(b, constant);
        let low = a.fused(b, constant.fsub(high));
        [low.fadd(a.splat(LOW)), high]
    }

    /// What is above the low 52 bits of an integer with a sign, of magnitude below 2^62.
    #[cfg_attr(not(test), inline(always))]
    fn above<R: Doubles>(x: R) -> R {
        (x + x.splat(1 << 62)).shr(52) - x.splat(1 << 10)
    }

    #[cfg_attr(not(test), inline(always))]
    pub(super) fn montgomery<R: Doubles>(a: [R; 5], b: [R; 5]) -> [R; 5] {
        let zero = a[0].splat(0);
        let (low, high) = (zero.splat(LOW), zero.splat(HIGH));
        let mask = zero.splat(MASK);
        let b = [
            double(b[0]),
            double(b[1]),
            double(b[2]),
            double(b[3]),
            double(b[4]),
        ];
        let inverse = zero.splat((MINUS_INVERSE as f64).to_bits());
        let mut sum = [zero; 6];
        for a in a {
            let a = double(a);
            for j in 0..5 {
                let [l, h] = product(a, b[j]);
                sum[j] = sum[j] + (l - low);
                sum[j + 1] = sum[j + 1] + (h - high);
            }
            let [q, _] = product(double(sum[0] & mask), inverse);
            let q = double((q - low) & mask);
            // Limb 3 of l is 0.
            for j in [0, 1, 2, 4] {
                let [l, h] = product(q, zero.splat((ORDER[j] as f64).to_bits()));
                sum[j] = sum[j] + (l - low);
                sum[j + 1] = sum[j + 1] + (h - high);
            }
            // The lowest 52 bits are zero now: what is above them moves down.
            let carry = above(sum[0]);
            sum = [sum[1] + carry, sum[2], sum[3], sum[4], sum[5], zero];
        }
        let mut limbs = [sum[0], sum[1], sum[2], sum[3], sum[4]];
        let mut carry = zero;
        for limb in &mut limbs {
            let x = *limb + carry;
            *limb = x & mask;
            carry = above(x);
        }
        limbs
    }
}
