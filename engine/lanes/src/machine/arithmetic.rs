//! What a machine's multiplications give: elements mod p in five limbs, and products mod l.

use std::fmt::Debug;

use super::{Vector, five};

/// How a machine calculates mod p and mod l.
pub(crate) trait Arithmetic<V: Vector>: Copy + Debug {
    /// Least and largest limb of a tight element, of a loose one, and of a wide one that is taken.
    #[cfg(test)]
    const BOUNDS: [(i64, i64); 3];
    /// A limb of an element as its word.
    #[cfg(test)]
    fn word(limb: i64) -> u64;
    /// The inverse of [`Arithmetic::word`].
    #[cfg(test)]
    fn limb(word: u64) -> i64;

    /// The words of an element, from limbs below 2^51. Tight.
    fn constant(limbs: [u64; 5]) -> [u64; 5];
    /// An element from integers up to 2^51. Tight.
    fn of_integers(limbs: [V; 5]) -> [V; 5];
    /// A tight element as integers, at most 2^51 + 2^17.
    fn to_integers(limbs: [V; 5]) -> [V; 5];
    /// The same value, to be added before a carry. Takes loose.
    fn widen(limbs: [V; 5]) -> [V; 5];
    /// The same value with a multiple of p added that leaves room to take off any one product of
    /// loose elements, or two of tight ones.
    fn biased(wide: [V; 5]) -> [V; 5];
    /// Gives tight.
    fn carry(wide: [V; 5]) -> [V; 5];
    /// `a + b` and `a − b`, carried: takes wide, b at most what [`Arithmetic::biased`] leaves room
    /// for.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn both(a: &[V; 5], b: &[V; 5]) -> ([V; 5], [V; 5]) {
        let a = Self::biased(*a);
        let sum = Self::carry(five!(I => a[I] + b[I]));
        (sum, Self::carry(five!(I => a[I] - b[I])))
    }
    /// [`Arithmetic::both`] in places, which saves a copy where they are in memory.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn both_to(a: &[V; 5], b: &[V; 5], sum: &mut [V; 5], difference: &mut [V; 5]) {
        (*sum, *difference) = Self::both(a, b);
    }
    /// `2a + b` and `2a − b`, carried: takes tight a, and b as [`Arithmetic::both`].
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn both_of_twice_to(a: &[V; 5], b: &[V; 5], sum: &mut [V; 5], difference: &mut [V; 5]) {
        let a = Self::widen(*a);
        (*sum, *difference) = Self::both(&five!(I => a[I] + a[I]), b);
    }
    /// [`Arithmetic::multiply`] in its place.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn multiply_to(a: &[V; 5], b: &[V; 5], product: &mut [V; 5]) {
        *product = Self::multiply(a, b);
    }
    /// [`Arithmetic::multiply_carried`] in its place.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn multiply_carried_to(a: &[V; 5], b: &[V; 5], product: &mut [V; 5]) {
        *product = Self::multiply_carried(a, b);
    }
    /// `a · b`: takes loose, gives wide.
    fn multiply(a: &[V; 5], b: &[V; 5]) -> [V; 5];
    /// `a · a`: takes loose, gives wide.
    fn square(a: &[V; 5]) -> [V; 5];
    /// `a · b`, carried: takes loose, gives tight.
    fn multiply_carried(a: &[V; 5], b: &[V; 5]) -> [V; 5];
    /// `a · a`, carried: takes loose, gives tight.
    fn square_carried(a: &[V; 5]) -> [V; 5];
    /// As [`Arithmetic::square_carried`], but copied into its caller: for loops of nothing else.
    fn square_here(a: &[V; 5]) -> [V; 5];
    /// `−a`: takes tight, gives loose.
    fn negate(limbs: [V; 5]) -> [V; 5];
    /// `a·b/2^260` mod l for limbs of 52 bits: below `a·b/2^260 + l`, which must be below 2^260.
    fn montgomery(a: &[V; 5], b: &[V; 5]) -> [V; 5];
}
