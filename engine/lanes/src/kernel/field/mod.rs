//! Eight elements of the field of order p = 2^255 − 19 side by side, one per 64-bit lane.
//!
//! An element is five limbs of radix 2^51, in whatever form the machine multiplies. [`Arithmetic`]
//! says what a machine does with them; there are three:
//!
//! - [`Ifma`]: integers, multiplied 52 bits by 52.
//! - [`Fma`]: doubles, multiplied twice with one rounding each.
//! - [`Long`]: integers, lane by lane, with products of 128 bits.
//!
//! Each has its own bounds, written down in its file, for three classes:
//!
//! - **tight**: what a carry gives.
//! - **loose**: what a multiplication takes. A negated tight element is loose.
//! - **wide** ([`Wide`]): not yet carried. What multiplication gives: sums and differences are made
//!   here, before the carry, so that they cost no carry of their own.

mod fma;
mod ifma;
mod long;

pub(crate) use fma::{Fma, LOW};
pub(crate) use ifma::Ifma;
pub(crate) use long::Long;

use crate::machine::{Arithmetic, Machine, Register, Tile, Vector, five};

const MASK: u64 = (1 << 51) - 1;

/// 2p, limb by limb.
const TWO_P: [u64; 5] = [(1 << 52) - 38, MASK * 2, MASK * 2, MASK * 2, MASK * 2];

/// Bounds of elements whose limbs are integers without signs.
#[cfg(test)]
const INTEGERS: [(i64, i64); 3] = [
    (0, (1 << 51) + (1 << 17)),
    (0, (1 << 52) - 1),
    (0, i64::MAX),
];

/// Eight field elements: tight unless a function says otherwise.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Field<M: Machine>(pub(crate) [M::V; 5]);

/// Eight field elements before the carry.
#[derive(Clone, Copy)]
pub(crate) struct Wide<M: Machine>([M::V; 5]);

impl<M: Machine> Field<M> {
    /// From limbs below 2^51.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn splat(machine: M, limbs: [u64; 5]) -> Field<M> {
        let words = M::Arithmetic::constant(limbs);
        Field(five!(I => machine.splat(words[I])))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn zero(machine: M) -> Field<M> {
        Field::splat(machine, [0; 5])
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn one(machine: M) -> Field<M> {
        Field::splat(machine, [1, 0, 0, 0, 0])
    }

    /// A constant where an element is at hand.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn constant(&self, limbs: [u64; 5]) -> Field<M> {
        let words = M::Arithmetic::constant(limbs);
        Field(five!(I => self.0[0].splat(words[I])))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn load(machine: M, from: &[Tile; 5]) -> Field<M> {
        Field(five!(I => machine.load(&from[I].0)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn store(&self, to: &mut [Tile; 5]) {
        for (limb, to) in self.0.iter().zip(to) {
            limb.store(&mut to.0);
        }
    }

    /// Unpacks 255 bits in four 64-bit words, least first; the top bit is ignored.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn from_words(words: &[M::V; 4]) -> Field<M> {
        let [w0, w1, w2, w3] = *words;
        let mask = w0.splat(MASK);
        Field(M::Arithmetic::of_integers([
            w0 & mask,
            (w0.shr(51) | w1.shl(13)) & mask,
            (w1.shr(38) | w2.shl(26)) & mask,
            (w2.shr(25) | w3.shl(39)) & mask,
            w3.shr(12) & mask,
        ]))
    }

    /// Packs into four 64-bit words, least first, fully reduced below p. Takes tight elements.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn to_words(self) -> [M::V; 4] {
        self.freeze().to_words()
    }

    /// The one representative below p. Takes tight elements.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn freeze(self) -> Frozen<M> {
        let mut limbs = M::Arithmetic::to_integers(self.0);
        let mask = limbs[0].splat(MASK);
        // Limbs of at most 2^51 + 2^17 are a value below 2^255 + 2^222, so below 2p. With x + 19
        // carried through, the bit 2^255 says whether x ≥ p.
        let mut carry = limbs[0].splat(19);
        for limb in limbs {
            carry = (limb + carry).shr(51);
        }
        // The carry is 1 for x in [p, 2p): subtract p as adding 19 and dropping 2^255.
        carry = (carry + carry.shl(1)) + carry.shl(4);
        for limb in &mut limbs {
            let sum = *limb + carry;
            *limb = sum & mask;
            carry = sum.shr(51);
        }
        Frozen(limbs)
    }

    /// Which lanes are zero mod p. Takes tight elements.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn is_zero(self) -> <M::V as Vector>::Mask {
        let [l0, l1, l2, l3, l4] = self.freeze().0;
        (((l0 | l1) | (l2 | l3)) | l4).zeros()
    }

    /// `−x`: takes tight, gives loose.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn negate(self) -> Field<M> {
        Field(M::Arithmetic::negate(self.0))
    }

    /// `−x` in the lanes of `mask`, x elsewhere: takes tight, gives loose.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn negate_where(self, mask: <M::V as Vector>::Mask) -> Field<M> {
        self.blend(mask, self.negate())
    }

    /// `other` in the lanes of `mask`, `self` elsewhere.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn blend(self, mask: <M::V as Vector>::Mask, other: Field<M>) -> Field<M> {
        Field(five!(I => self.0[I].blend(mask, other.0[I])))
    }

    /// The same value, to be added before a carry. Takes loose.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn widen(self) -> Wide<M> {
        Wide(M::Arithmetic::widen(self.0))
    }

    /// `a · b`. Takes loose, gives wide.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn mul_wide(&self, other: &Field<M>) -> Wide<M> {
        Wide(M::Arithmetic::multiply(&self.0, &other.0))
    }

    /// `a · a`. Takes loose, gives wide.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn square_wide(&self) -> Wide<M> {
        Wide(M::Arithmetic::square(&self.0))
    }

    /// `a · b`. Takes loose, gives tight.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn mul(&self, other: &Field<M>) -> Field<M> {
        Field(M::Arithmetic::multiply_carried(&self.0, &other.0))
    }

    /// Becomes `a · b`. Takes loose, gives tight.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn set_product(&mut self, a: &Field<M>, b: &Field<M>) {
        M::Arithmetic::multiply_carried_to(&a.0, &b.0, &mut self.0);
    }

    /// `a` times a constant, of limbs below 2^51. Takes loose, gives tight.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn times(&self, limbs: [u64; 5]) -> Field<M> {
        self.mul(&self.constant(limbs))
    }

    /// `a · a`. Takes loose, gives tight.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn square(&self) -> Field<M> {
        Field(M::Arithmetic::square_carried(&self.0))
    }

    /// `a · a`, copied into its caller: for loops of nothing else. Takes loose, gives tight.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn square_here(&self) -> Field<M> {
        Field(M::Arithmetic::square_here(&self.0))
    }

    /// `2a + b` and `2a − b`. Takes tight a, and b as [`Wide::both`]; gives tight.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn both_of_twice_to(
        &self,
        other: &Wide<M>,
        sum: &mut Field<M>,
        difference: &mut Field<M>,
    ) {
        M::Arithmetic::both_of_twice_to(&self.0, &other.0, &mut sum.0, &mut difference.0);
    }

    /// `a + b`. Takes loose, gives tight.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn add(&self, other: &Field<M>) -> Field<M> {
        self.widen().plus(other.widen()).carry()
    }

    /// `a − b`. Takes loose a and tight b, gives tight.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn sub(&self, other: &Field<M>) -> Field<M> {
        self.add(&other.negate())
    }
}

impl<M: Machine> Wide<M> {
    /// Zero, where a wide element is at hand.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn zero(any: Wide<M>) -> Wide<M> {
        Wide([any.0[0].splat(0); 5])
    }

    /// Gives tight.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn carry(self) -> Field<M> {
        Field(M::Arithmetic::carry(self.0))
    }

    /// `a + b`: the sum must be within the bounds of wide elements.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn plus(self, other: Wide<M>) -> Wide<M> {
        Wide(five!(I => self.0[I] + other.0[I]))
    }

    /// `a + b` and `a − b`, tight: b must be at most what [`Wide::biased`] gives a room for.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn both(&self, other: &Wide<M>) -> (Field<M>, Field<M>) {
        let (sum, difference) = M::Arithmetic::both(&self.0, &other.0);
        (Field(sum), Field(difference))
    }

    /// [`Wide::both`] in places.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn both_to(&self, other: &Wide<M>, sum: &mut Field<M>, difference: &mut Field<M>) {
        M::Arithmetic::both_to(&self.0, &other.0, &mut sum.0, &mut difference.0);
    }

    /// Becomes `a · b`. Takes loose.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn set_product(&mut self, a: &Field<M>, b: &Field<M>) {
        M::Arithmetic::multiply_to(&a.0, &b.0, &mut self.0);
    }

    /// `a − b`: b must be at most what [`Wide::biased`] gave a room for.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn minus(self, other: Wide<M>) -> Wide<M> {
        Wide(five!(I => self.0[I] - other.0[I]))
    }

    /// The same value with room to take off any one product of loose elements, or two of tight
    /// ones.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn biased(self) -> Wide<M> {
        Wide(M::Arithmetic::biased(self.0))
    }
}

/// Eight field elements below p: limbs below 2^51, as integers on every machine.
#[derive(Clone, Copy)]
pub(crate) struct Frozen<M: Machine>(pub(crate) [M::V; 5]);

impl<M: Machine> Frozen<M> {
    /// Packs into four 64-bit words, least first.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn to_words(self) -> [M::V; 4] {
        let [l0, l1, l2, l3, l4] = self.0;
        [
            l0 | l1.shl(51),
            l1.shr(13) | l2.shl(38),
            l2.shr(26) | l3.shl(25),
            l3.shr(39) | l4.shl(12),
        ]
    }

    /// The lowest bit of each, as the top one of a word.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn parity(&self) -> M::V {
        self.0[0].shl(63)
    }

    /// The same elements, to calculate with.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn thaw(self) -> Field<M> {
        Field(M::Arithmetic::of_integers(self.0))
    }
}

/// Gives integers of at most 2^51 + 2^17 from integers below 2^63: one pass, all limbs at once.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn carry_integers<V: Register>(wide: [V; 5]) -> [V; 5] {
    let mask = wide[0].splat(MASK);
    let [c0, c1, c2, c3, c4] = five!(I => wide[I].shr(51));
    let [r0, r1, r2, r3, r4] = five!(I => wide[I] & mask);
    [
        r0 + c4.mul32(c4.splat(19)),
        r1 + c0,
        r2 + c1,
        r3 + c2,
        r4 + c3,
    ]
}
