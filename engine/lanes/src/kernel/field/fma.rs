//! Multiplication by fused multiply-add of doubles, for processors whose floating-point units are
//! their widest multipliers. The trick is Emmart's, without a change of the rounding mode.
//!
//! An element's limbs are *doubles*, integers between −2^50 and 2^50 and a little more, so that
//! they need no conversion before they are multiplied, and changing the sign is negation. For a
//! product
//! |ab| ≤ 2^102,
//!
//! - `h = fma(a, b, 1.5 · 2^103)` rounds ab to a multiple of 2^51, the last place of doubles from
//!   2^103 to 2^104. Taken as integers, bit patterns of such doubles count those multiples: what h
//!   is above 1.5 · 2^103 is the product's part for the *next* limb.
//! - `l = fma(a, b, 1.5 · 2^103 + 1.5 · 2^52 − h)` is ab less that part, exactly, and 1.5 · 2^52.
//!   It is within 2^50 of 1.5 · 2^52, so that its bit pattern counts units.
//!
//! A second product may take the first one's h in the place of the constant, if both together are
//! at most 2^102; h is then the sum of both parts, and the two l, only one of which carries the
//! constant, add up exactly as doubles, within 2^51 of it. So two products cost nine instructions.
//! Bit patterns are summed as integers, and all constants taken off a limb at once.
//!
//! - **tight** and **loose**: integers of magnitude at most T = 2^50 + 2^15. Two products of such
//!   are at most 2T² < 2^101 + 2^67, and one of them may be doubled: 3T² < 2^102.
//! - **wide**: integers, not doubles, of magnitude below 2^61. A product's are below 2^57.3: a
//!   column of at most five has low parts within 5 · 2^50 and as many high ones within 5 · (T²/2^51
//!   + 1), and a limb is a column and 19 times another.

use super::{MASK, TWO_P, carry_integers};
use crate::machine::{Arithmetic, Constants, Doubles, Leaf, Products, five};

/// Doubles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fma;

/// 1.5 · 2^103: doubles around it count multiples of 2^51.
const HIGH: u64 = 0x4668_0000_0000_0000;
/// 1.5 · 2^52: doubles around it count units.
pub(crate) const LOW: u64 = 0x4338_0000_0000_0000;
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
/// Makes twice a double with LOW, taken as integers, twice the integer with the bias.
const TWICE_BIAS: u64 = BIAS.wrapping_sub(LOW.wrapping_mul(2));
/// Makes a double around 1.5 · 2^52 of what a carry leaves and what it brings.
const CARRIED: u64 = LOW - (1 << 50) - CARRY_BIAS;
/// The same for the first limb.
const CARRIED_FIRST: u64 = LOW - (1 << 50) - 19 * CARRY_BIAS;

/// What each limb gets, so that no constant is left in the end: from the number of low and of high
/// parts in each column, and an extra.
const fn rests((low, high): ([u64; 10], [u64; 10]), extra: u64) -> [u64; 5] {
    let mut rests = [0; 5];
    let mut at = 0;
    while at < 5 {
        let lows = low[at].wrapping_add(19 * low[at + 5]);
        let highs = high[at].wrapping_add(19 * high[at + 5]);
        let constants = LOW
            .wrapping_mul(lows)
            .wrapping_add(HIGH.wrapping_mul(highs));
        rests[at] = extra.wrapping_sub(constants);
        at += 1;
    }
    rests
}

/// Part of a column, and what of it belongs to the next one.
#[derive(Clone, Copy)]
struct Part<R> {
    low: R,
    high: R,
}

impl<R: Doubles> Part<R> {
    /// Of `a · b`.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn one(a: R, b: R) -> Part<R> {
        let (all, both) = (a.splat(HIGH), a.splat(BOTH));
        let high = a.fused(b, all);
        let low = a.fused(b, both.fsub(high));
        Part { low, high }
    }

    /// Of `a · b + c · d`.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn two(a: R, b: R, c: R, d: R) -> Part<R> {
        let first = Part::one(a, b);
        let high = c.fused(d, first.high);
        let low = first.low.fadd(c.fused(d, first.high.fsub(high)));
        Part { low, high }
    }

    /// Both together.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn and(self, other: Part<R>) -> Part<R> {
        Part {
            low: self.low + other.low,
            high: self.high + other.high,
        }
    }
}

/// `column + 19 · above + rest`: what is from 2^255 on comes back below.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn fold<R: Doubles>(column: R, above: R, rest: u64) -> R {
    let rest = column.splat(rest);
    ((column + above) + (above + above)) + (above.shl(4) + rest)
}

/// Parts that each column gets of a product, and of a square: one low part, and one high part in
/// the next column, for each call of [`Part::one`] or [`Part::two`].
const PRODUCT: ([u64; 10], [u64; 10]) = (
    [1, 1, 2, 2, 3, 2, 2, 1, 1, 0],
    [0, 1, 1, 2, 2, 3, 2, 2, 1, 1],
);
const SQUARE: ([u64; 10], [u64; 10]) = (
    [1, 1, 1, 2, 2, 2, 1, 1, 1, 0],
    [0, 1, 1, 1, 2, 2, 2, 1, 1, 1],
);

/// Of a product.
static WIDE: Constants = constants(product_constants(0));
/// Of a product that is carried.
static BIASED: Constants = constants(product_constants(BIAS));
/// Of sums and differences.
static SUMS: Constants = constants([BIAS, TWICE_BIAS, 0, 0, 0, 0, 0]);

const fn product_constants(extra: u64) -> [u64; 7] {
    let [r0, r1, r2, r3, r4] = rests(PRODUCT, extra);
    [HIGH, BOTH, r0, r1, r2, r3, r4]
}

const fn constants([c0, c1, c2, c3, c4, c5, c6]: [u64; 7]) -> Constants {
    Constants([
        [c0; 4],
        [c1; 4],
        [c2; 4],
        [c3; 4],
        [c4; 4],
        [c5; 4],
        [c6; 4],
        [MASK; 4],
        [19; 4],
        [CARRIED_FIRST; 4],
        [CARRIED; 4],
        [LOW; 4],
    ])
}

/// The columns in an order in which few are unfinished at a time: sixteen registers hold them.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn product<R: Doubles, const EXTRA: u64>(a: [R; 5], b: [R; 5]) -> [R; 5] {
    let rests = const { rests(PRODUCT, EXTRA) };
    let c4 = Part::two(a[0], b[4], a[1], b[3])
        .and(Part::two(a[2], b[2], a[3], b[1]))
        .and(Part::one(a[4], b[0]));
    let c5 = Part::two(a[1], b[4], a[2], b[3]).and(Part::two(a[3], b[2], a[4], b[1]));
    let c0 = Part::one(a[0], b[0]);
    let r0 = fold(c0.low, c4.high + c5.low, rests[0]);
    let c6 = Part::two(a[2], b[4], a[3], b[3]).and(Part::one(a[4], b[2]));
    let c1 = Part::two(a[0], b[1], a[1], b[0]);
    let r1 = fold(c0.high + c1.low, c5.high + c6.low, rests[1]);
    let c7 = Part::two(a[3], b[4], a[4], b[3]);
    let c2 = Part::two(a[0], b[2], a[1], b[1]).and(Part::one(a[2], b[0]));
    let r2 = fold(c1.high + c2.low, c6.high + c7.low, rests[2]);
    let c8 = Part::one(a[4], b[4]);
    let c3 = Part::two(a[0], b[3], a[1], b[2]).and(Part::two(a[2], b[1], a[3], b[0]));
    let r3 = fold(c2.high + c3.low, c7.high + c8.low, rests[3]);
    let r4 = fold(c3.high + c4.low, c8.high, rests[4]);
    [r0, r1, r2, r3, r4]
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn square<R: Doubles, const EXTRA: u64>(a: [R; 5]) -> [R; 5] {
    let rests = const { rests(SQUARE, EXTRA) };
    let [d0, d1, d2, d3] = [
        a[0].fadd(a[0]),
        a[1].fadd(a[1]),
        a[2].fadd(a[2]),
        a[3].fadd(a[3]),
    ];
    let c4 = Part::two(d0, a[4], a[2], a[2]).and(Part::one(d1, a[3]));
    let c5 = Part::one(d1, a[4]).and(Part::one(d2, a[3]));
    let c0 = Part::one(a[0], a[0]);
    let r0 = fold(c0.low, c4.high + c5.low, rests[0]);
    let c6 = Part::two(d2, a[4], a[3], a[3]);
    let c1 = Part::one(d0, a[1]);
    let r1 = fold(c0.high + c1.low, c5.high + c6.low, rests[1]);
    let c7 = Part::one(d3, a[4]);
    let c2 = Part::two(d0, a[2], a[1], a[1]);
    let r2 = fold(c1.high + c2.low, c6.high + c7.low, rests[2]);
    let c8 = Part::one(a[4], a[4]);
    let c3 = Part::one(d0, a[3]).and(Part::one(d1, a[2]));
    let r3 = fold(c2.high + c3.low, c7.high + c8.low, rests[3]);
    let r4 = fold(c3.high + c4.low, c8.high, rests[4]);
    [r0, r1, r2, r3, r4]
}

/// Takes limbs with the bias.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn carry_biased<R: Doubles>(wide: [R; 5]) -> [R; 5] {
    let mask = wide[0].splat(MASK);
    let one = wide[0].splat(LOW);
    // Integers become doubles around 1.5 · 2^52.
    let rest = wide[0].splat(CARRIED);
    let first = wide[0].splat(CARRIED_FIRST);
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

/// Twice a tight element, with the bias.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn twice_biased<R: Doubles>(a: &[R; 5]) -> [R; 5] {
    let a = five!(I => a[I].fadd(a[I].splat(LOW)));
    let rest = a[0].splat(TWICE_BIAS);
    five!(I => (a[I] + a[I]) + rest)
}

struct Product;
struct Square;
struct Plus;
struct Minus;
struct TwicePlus;
struct TwiceMinus;
struct ProductCarried;
struct SquareCarried;
struct Montgomery;

impl<R: Doubles> Leaf<R, 5, 5, 5> for Product {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(a: &[R; 5], b: &[R; 5]) -> [R; 5] {
        product::<R, 0>(*a, *b)
    }
}

impl<R: Doubles> Leaf<R, 5, 5, 5> for ProductCarried {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(a: &[R; 5], b: &[R; 5]) -> [R; 5] {
        carry_biased(product::<R, BIAS>(*a, *b))
    }
}

impl<R: Doubles> Leaf<R, 5, 0, 5> for Square {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(a: &[R; 5], _: &[R; 0]) -> [R; 5] {
        square::<R, 0>(*a)
    }
}

impl<R: Doubles> Leaf<R, 5, 0, 5> for SquareCarried {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(a: &[R; 5], _: &[R; 0]) -> [R; 5] {
        carry_biased(square::<R, BIAS>(*a))
    }
}

impl<R: Doubles> Leaf<R, 5, 5, 5> for Plus {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(a: &[R; 5], b: &[R; 5]) -> [R; 5] {
        carry_biased(five!(I => (a[I] + a[I].splat(BIAS)) + b[I]))
    }
}

impl<R: Doubles> Leaf<R, 5, 5, 5> for Minus {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(a: &[R; 5], b: &[R; 5]) -> [R; 5] {
        carry_biased(five!(I => (a[I] + a[I].splat(BIAS)) - b[I]))
    }
}

impl<R: Doubles> Leaf<R, 5, 5, 5> for TwicePlus {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(a: &[R; 5], b: &[R; 5]) -> [R; 5] {
        let a = twice_biased(a);
        carry_biased(five!(I => a[I] + b[I]))
    }
}

impl<R: Doubles> Leaf<R, 5, 5, 5> for TwiceMinus {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(a: &[R; 5], b: &[R; 5]) -> [R; 5] {
        let a = twice_biased(a);
        carry_biased(five!(I => a[I] - b[I]))
    }
}

impl<R: Doubles> Leaf<R, 5, 5, 5> for Montgomery {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(a: &[R; 5], b: &[R; 5]) -> [R; 5] {
        scalar::montgomery(*a, *b)
    }
}

impl<V: Products> Arithmetic<V> for Fma {
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
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
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

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn of_integers(limbs: [V; 5]) -> [V; 5] {
        Self::carry(limbs)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn to_integers(limbs: [V; 5]) -> [V; 5] {
        let wide = <Self as Arithmetic<V>>::widen(limbs);
        carry_integers(five!(I => wide[I] + wide[I].splat(TWO_P[I])))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn widen(limbs: [V; 5]) -> [V; 5] {
        five!(I => limbs[I].fadd(limbs[I].splat(LOW)) - limbs[I].splat(LOW))
    }

    /// Nothing: limbs have signs.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn biased(wide: [V; 5]) -> [V; 5] {
        wide
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn carry(wide: [V; 5]) -> [V; 5] {
        carry_biased(five!(I => wide[I] + wide[I].splat(BIAS)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn both(a: &[V; 5], b: &[V; 5]) -> ([V; 5], [V; 5]) {
        let (mut sum, mut difference) = ([a[0].splat(0); 5], [a[0].splat(0); 5]);
        <Self as Arithmetic<V>>::both_to(a, b, &mut sum, &mut difference);
        (sum, difference)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn both_to(a: &[V; 5], b: &[V; 5], sum: &mut [V; 5], difference: &mut [V; 5]) {
        V::both::<Plus, Minus>([a, b], &SUMS, sum, difference);
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn both_of_twice_to(a: &[V; 5], b: &[V; 5], sum: &mut [V; 5], difference: &mut [V; 5]) {
        V::both_of_twice::<TwicePlus, TwiceMinus>([a, b], &SUMS, sum, difference);
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn multiply(a: &[V; 5], b: &[V; 5]) -> [V; 5] {
        let mut product = [a[0].splat(0); 5];
        <Self as Arithmetic<V>>::multiply_to(a, b, &mut product);
        product
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn multiply_to(a: &[V; 5], b: &[V; 5], product: &mut [V; 5]) {
        V::multiply::<Product>([a, b], &WIDE, product);
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn square(a: &[V; 5]) -> [V; 5] {
        V::call::<Square, 5, 0, 5>(a, &[])
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn multiply_carried(a: &[V; 5], b: &[V; 5]) -> [V; 5] {
        let mut product = [a[0].splat(0); 5];
        <Self as Arithmetic<V>>::multiply_carried_to(a, b, &mut product);
        product
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn multiply_carried_to(a: &[V; 5], b: &[V; 5], product: &mut [V; 5]) {
        V::multiply_carried::<ProductCarried>([a, b], &BIASED, product);
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn square_carried(a: &[V; 5]) -> [V; 5] {
        V::call::<SquareCarried, 5, 0, 5>(a, &[])
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn square_here(a: &[V; 5]) -> [V; 5] {
        V::apply::<SquareCarried, 5, 0, 5>(a, &[])
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn negate(limbs: [V; 5]) -> [V; 5] {
        five!(I => limbs[I] ^ limbs[I].splat(1 << 63))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
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

    /// Makes a double of the low 52 bits of an integer with LOW.
    const FROM_LOW: u64 = UNITS | 1 << 51;

    /// Low and high parts that each limb of a sum gets in one step, both with their constants, once
    /// for the lowest one's own low part.
    const STEP: [[u64; 2]; 6] = [[1, 0], [2, 2], [2, 2], [1, 2], [2, 1], [0, 2]];

    /// What limbs begin with, so that nothing is left of the constants in the end: those that move
    /// from each place to the lowest one, and those that come in at the top with four steps to go,
    /// three, two, one.
    const START: [u64; 10] = {
        let (mut start, mut limb) = ([0_u64; 10], 0);
        while limb < 10 {
            let first = if limb < 5 { limb } else { 5 };
            let last = if limb < 5 { 0 } else { limb - 4 };
            let mut at = last;
            while at <= first {
                let [low, high] = STEP[at];
                let constants = LOW.wrapping_mul(low).wrapping_add(HIGH.wrapping_mul(high));
                start[limb] = start[limb].wrapping_sub(constants);
                at += 1;
            }
            limb += 1;
        }
        start
    };

    /// From an integer below 2^52.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn double<R: Doubles>(x: R) -> R {
        (x | x.splat(UNITS)).fsub(x.splat(UNITS))
    }

    /// `a · b` as `low + 2^52 · high`, low from −2^51 to 2^51, both with the constants LOW and
    /// HIGH.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn product<R: Doubles>(a: R, b: R) -> [R; 2] {
        let constant = a.splat(HIGH);
        let high = a.fused(b, constant);
        let low = a.fused(b, constant.fsub(high));
        [low.fadd(a.splat(LOW)), high]
    }

    /// What is above the low 52 bits of an integer with a sign, of magnitude below 2^62, and with
    /// a constant.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn above<R: Doubles>(x: R, constant: u64) -> R {
        (x + x.splat((1_u64 << 62).wrapping_sub(constant))).shr(52) - x.splat(1 << 10)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(super) fn montgomery<R: Doubles>(a: [R; 5], b: [R; 5]) -> [R; 5] {
        let zero = a[0].splat(0);
        let mask = zero.splat(MASK);
        let b = [
            double(b[0]),
            double(b[1]),
            double(b[2]),
            double(b[3]),
            double(b[4]),
        ];
        let inverse = zero.splat((MINUS_INVERSE as f64).to_bits());
        let [s0, s1, s2, s3, s4, s5, later @ ..] = START;
        let mut sum = [s0, s1, s2, s3, s4, s5].map(|start| zero.splat(start));
        for (step, a) in a.into_iter().enumerate() {
            let a = double(a);
            for j in 0..5 {
                let [l, h] = product(a, b[j]);
                sum[j] = sum[j] + l;
                sum[j + 1] = sum[j + 1] + h;
            }
            let [q, _] = product(double(sum[0] & mask), inverse);
            let q = ((q & mask) ^ zero.splat(FROM_LOW)).fsub(zero.splat(UNITS));
            // Limb 3 of l is 0.
            for j in [0, 1, 2, 4] {
                let [l, h] = product(q, zero.splat((ORDER[j] as f64).to_bits()));
                sum[j] = sum[j] + l;
                sum[j + 1] = sum[j + 1] + h;
            }
            // The lowest 52 bits are zero now: what is above them moves down.
            let carry = above(sum[0], LOW);
            let next = zero.splat(if step < 4 { later[step] } else { 0 });
            sum = [sum[1] + carry, sum[2], sum[3], sum[4], sum[5], next];
        }
        let mut limbs = [sum[0], sum[1], sum[2], sum[3], sum[4]];
        let mut carry = zero;
        for limb in &mut limbs {
            let x = *limb + carry;
            *limb = x & mask;
            carry = above(x, 0);
        }
        limbs
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::machine::{Avx2Fma, Machine, Vector, Work};

    type V = <Avx2Fma as Machine>::V;

    fn words<const N: usize>(vectors: &[V; N]) -> [[u64; 8]; N] {
        vectors.map(|vector| {
            let mut words = [0; 8];
            vector.store(&mut words);
            words
        })
    }

    struct Compare;

    impl Work<Avx2Fma> for Compare {
        type Out = ();

        #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
        fn run(self, machine: Avx2Fma) {
            const TIGHT: i64 = (1 << 50) + (1 << 15);
            let mut state = 1_u64;
            let mut random = || {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                // The largest of either sign, small ones, and any.
                match state >> 61 {
                    0 => TIGHT,
                    1 => -TIGHT,
                    2 => (state << 3 >> 50) as i64,
                    _ => ((state << 3) as i64 >> 12) % TIGHT,
                }
            };
            let mut element = || -> [i64; 40] { std::array::from_fn(|_| random()) };
            let vectors = |limbs: &[i64; 40], word: fn(i64) -> u64| -> [V; 5] {
                let (limbs, _) = limbs.as_chunks::<8>();
                std::array::from_fn(|at| machine.load(&limbs[at].map(word)))
            };
            for _ in 0..3000 {
                let (x, y) = (element(), element());
                let doubles = |limb: i64| (limb as f64).to_bits();
                let (a, b) = (vectors(&x, doubles), vectors(&y, doubles));
                let zero = [machine.splat(0); 5];
                let (mut out, mut difference) = (zero, zero);
                V::multiply::<Product>([&a, &b], &WIDE, &mut out);
                assert_eq!(words(&out), words(&V::call::<Product, 5, 5, 5>(&a, &b)));
                V::multiply_carried::<ProductCarried>([&a, &b], &BIASED, &mut out);
                let carried = V::call::<ProductCarried, 5, 5, 5>(&a, &b);
                assert_eq!(words(&out), words(&carried));
                // A product's limbs are up to 2^7 times as large.
                let wide = |limb: i64| (limb << 7) as u64;
                let (c, d) = (vectors(&x, wide), vectors(&y, wide));
                V::both::<Plus, Minus>([&c, &d], &SUMS, &mut out, &mut difference);
                assert_eq!(words(&out), words(&V::apply::<Plus, 5, 5, 5>(&c, &d)));
                let minus = V::apply::<Minus, 5, 5, 5>(&c, &d);
                assert_eq!(words(&difference), words(&minus));
                let sums = (&mut out, &mut difference);
                V::both_of_twice::<TwicePlus, TwiceMinus>([&a, &d], &SUMS, sums.0, sums.1);
                assert_eq!(words(&out), words(&V::apply::<TwicePlus, 5, 5, 5>(&a, &d)));
                let minus = V::apply::<TwiceMinus, 5, 5, 5>(&a, &d);
                assert_eq!(words(&difference), words(&minus));
            }
        }
    }

    /// Word by word, on a machine that has them.
    #[test]
    fn the_instructions_are_the_formulas() {
        if let Some(machine) = Avx2Fma::detect() {
            machine.run(Compare);
        }
    }
}
