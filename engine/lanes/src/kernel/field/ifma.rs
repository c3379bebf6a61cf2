//! Multiplication by AVX-512 IFMA, which multiplies the low 52 bits of its operands and silently
//! drops the rest.
//!
//! - **tight**: limbs at most 2^51 + 2^17.
//! - **loose**: limbs below 2^52.
//! - **wide**: limbs below 2^63; those of a product are below 2^60.1.

use super::{MASK, TWO_P};
use crate::machine::{Arithmetic, Leaf, Multiply52, Register, Vector, five};

/// Integers, multiplied 52 bits by 52.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ifma;

/// Accumulates the low (or high) halves of a column's products onto a start value.
macro_rules! column {
    ($add:ident, $a:ident, $b:ident, $start:expr; $($i:literal $j:literal),+) => {{
        let mut sum = $start;
        $(sum = sum.$add($a[$i], $b[$j]);)+
        sum
    }};
}

impl<V: Vector + Multiply52> Arithmetic<V> for Ifma
where
    V::Part: Multiply52,
{
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
    fn of_integers(limbs: [V; 5]) -> [V; 5] {
        limbs
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn to_integers(limbs: [V; 5]) -> [V; 5] {
        limbs
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn widen(limbs: [V; 5]) -> [V; 5] {
        limbs
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn biased(wide: [V; 5]) -> [V; 5] {
        biased(wide)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn carry(wide: [V; 5]) -> [V; 5] {
        carry(wide)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn multiply(a: &[V; 5], b: &[V; 5]) -> [V; 5] {
        V::call::<Product, 5, 5, 5>(a, b)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn square(a: &[V; 5]) -> [V; 5] {
        V::call::<Square, 5, 0, 5>(a, &[])
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn multiply_carried(a: &[V; 5], b: &[V; 5]) -> [V; 5] {
        carry(<Self as Arithmetic<V>>::multiply(a, b))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn square_carried(a: &[V; 5]) -> [V; 5] {
        carry(<Self as Arithmetic<V>>::square(a))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn montgomery(a: &[V; 5], b: &[V; 5]) -> [V; 5] {
        V::call::<Montgomery, 5, 5, 5>(a, b)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn square_here(a: &[V; 5]) -> [V; 5] {
        Self::square_carried(a)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn negate(limbs: [V; 5]) -> [V; 5] {
        negate(limbs)
    }
}

struct Product;
struct Square;
struct Montgomery;

impl<R: Multiply52> Leaf<R, 5, 5, 5> for Product {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(a: &[R; 5], b: &[R; 5]) -> [R; 5] {
        product(*a, *b)
    }
}

impl<R: Multiply52> Leaf<R, 5, 0, 5> for Square {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(a: &[R; 5], _: &[R; 0]) -> [R; 5] {
        square(*a)
    }
}

impl<R: Multiply52> Leaf<R, 5, 5, 5> for Montgomery {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(a: &[R; 5], b: &[R; 5]) -> [R; 5] {
        montgomery(*a, *b)
    }
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn product<R: Multiply52>(a: [R; 5], b: [R; 5]) -> [R; 5] {
    let zero = a[0].splat(0);
    // A product's high half stands at 2^52, which is 2 · 2^51: it counts twice one column up.
    let h0 = column!(add_high, a, b, zero; 0 0);
    let h1 = column!(add_high, a, b, zero; 0 1, 1 0);
    let h2 = column!(add_high, a, b, zero; 0 2, 1 1, 2 0);
    let h3 = column!(add_high, a, b, zero; 0 3, 1 2, 2 1, 3 0);
    let h4 = column!(add_high, a, b, zero; 0 4, 1 3, 2 2, 3 1, 4 0);
    let h5 = column!(add_high, a, b, zero; 1 4, 2 3, 3 2, 4 1);
    let h6 = column!(add_high, a, b, zero; 2 4, 3 3, 4 2);
    let h7 = column!(add_high, a, b, zero; 3 4, 4 3);
    let h8 = column!(add_high, a, b, zero; 4 4);
    let z0 = column!(add_low, a, b, zero; 0 0);
    let z1 = column!(add_low, a, b, twice(h0); 0 1, 1 0);
    let z2 = column!(add_low, a, b, twice(h1); 0 2, 1 1, 2 0);
    let z3 = column!(add_low, a, b, twice(h2); 0 3, 1 2, 2 1, 3 0);
    let z4 = column!(add_low, a, b, twice(h3); 0 4, 1 3, 2 2, 3 1, 4 0);
    let z5 = column!(add_low, a, b, twice(h4); 1 4, 2 3, 3 2, 4 1);
    let z6 = column!(add_low, a, b, twice(h5); 2 4, 3 3, 4 2);
    let z7 = column!(add_low, a, b, twice(h6); 3 4, 4 3);
    let z8 = column!(add_low, a, b, twice(h7); 4 4);
    // A rotation by the reasons given in `fold`.
    let z9 = h8.ror(63);
    fold([z0, z1, z2, z3, z4], [z5, z6, z7, z8, z9])
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn square<R: Multiply52>(a: [R; 5]) -> [R; 5] {
    let zero = a[0].splat(0);
    // Products of two different limbs count twice.
    let h0 = column!(add_high, a, a, zero; 0 0);
    let h1 = twice(column!(add_high, a, a, zero; 0 1));
    let h2 = twice(column!(add_high, a, a, zero; 0 2));
    let h2 = column!(add_high, a, a, h2; 1 1);
    let h3 = twice(column!(add_high, a, a, zero; 0 3, 1 2));
    let h4 = twice(column!(add_high, a, a, zero; 0 4, 1 3));
    let h4 = column!(add_high, a, a, h4; 2 2);
    let h5 = twice(column!(add_high, a, a, zero; 1 4, 2 3));
    let h6 = twice(column!(add_high, a, a, zero; 2 4));
    let h6 = column!(add_high, a, a, h6; 3 3);
    let h7 = twice(column!(add_high, a, a, zero; 3 4));
    let h8 = column!(add_high, a, a, zero; 4 4);
    // The high halves of the column below join before the doubling they share.
    let z0 = column!(add_low, a, a, zero; 0 0);
    let z1 = twice(column!(add_low, a, a, h0; 0 1));
    let z2 = twice(column!(add_low, a, a, h1; 0 2));
    let z2 = column!(add_low, a, a, z2; 1 1);
    let z3 = twice(column!(add_low, a, a, h2; 0 3, 1 2));
    let z4 = twice(column!(add_low, a, a, h3; 0 4, 1 3));
    let z4 = column!(add_low, a, a, z4; 2 2);
    let z5 = twice(column!(add_low, a, a, h4; 1 4, 2 3));
    let z6 = twice(column!(add_low, a, a, h5; 2 4));
    let z6 = column!(add_low, a, a, z6; 3 3);
    let z7 = twice(column!(add_low, a, a, h6; 3 4));
    let z8 = column!(add_low, a, a, twice(h7); 4 4);
    // A rotation by the reasons given in `fold`.
    let z9 = h8.ror(63);
    fold([z0, z1, z2, z3, z4], [z5, z6, z7, z8, z9])
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn carry<R: Multiply52>(wide: [R; 5]) -> [R; 5] {
    let mask = wide[0].splat(MASK);
    let [c0, c1, c2, c3, c4] = five!(I => wide[I].shr(51));
    let [r0, r1, r2, r3, r4] = five!(I => wide[I] & mask);
    [
        r0.add_low(c4, c4.splat(19)),
        r1 + c0,
        r2 + c1,
        r3 + c2,
        r4 + c3,
    ]
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn montgomery<R: Multiply52>(a: [R; 5], b: [R; 5]) -> [R; 5] {
    use crate::kernel::scalar::{MINUS_INVERSE, ORDER};

    let zero = a[0].splat(0);
    let order = five!(I => zero.splat(ORDER[I]));
    let inverse = zero.splat(MINUS_INVERSE);
    let mut sum = [zero; 6];
    for a in a {
        for j in 0..5 {
            sum[j] = sum[j].add_low(a, b[j]);
            sum[j + 1] = sum[j + 1].add_high(a, b[j]);
        }
        let q = zero.add_low(sum[0], inverse);
        // Limb 3 of l is 0.
        for j in [0, 1, 2, 4] {
            sum[j] = sum[j].add_low(q, order[j]);
            sum[j + 1] = sum[j + 1].add_high(q, order[j]);
        }
        // The lowest 52 bits are zero now: what is above them moves down.
        let carry = sum[0].shr(52);
        sum = [sum[1] + carry, sum[2], sum[3], sum[4], sum[5], zero];
    }
    crate::kernel::scalar::carried([sum[0], sum[1], sum[2], sum[3], sum[4]])
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn twice<R: Register>(x: R) -> R {
    x + x
}

/// Adds 19 times the columns from 2^255 on to those below: limbs up to 2^60.1.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn fold<R: Register>(low: [R; 5], high: [R; 5]) -> [R; 5] {
    // A rotation, as the top bits are 0: from a shift the compiler would make out the 19 and use
    // `vpmullq`, which is three times the work.
    five!(I => ((low[I] + high[I]) + twice(high[I])) + high[I].ror(60))
}

/// `2p − x`: takes limbs of at most 2^51 + 2^17, gives limbs below 2^52.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
pub(super) fn negate<R: Register>(limbs: [R; 5]) -> [R; 5] {
    five!(I => limbs[I].splat(TWO_P[I]) - limbs[I])
}

/// Adds 2^10 · p, each limb of which is above 2^60.9: room to take off any one product of loose
/// elements (2^60.1), or two of tight ones (2^59 each).
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
pub(super) fn biased<R: Register>(wide: [R; 5]) -> [R; 5] {
    five!(I => wide[I] + wide[I].splat(TWO_P[I] << 9))
}
