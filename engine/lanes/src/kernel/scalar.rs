//! Eight integers modulo the group order l = 2^252 + 27742317777372353535851937790883648493 side by
//! side: five limbs of radix 2^52, Montgomery's multiplication with R = 2^260.
//!
//! No branch and no address depends on a value.

use crate::machine::{Arithmetic, Machine, Register, Tile, Vector, five};

const MASK: u64 = (1 << 52) - 1;

/// l.
pub(super) const ORDER: [u64; 5] = [
    671914833335277,
    3916664325105025,
    1367801,
    0,
    17592186044416,
];
/// −1/l mod 2^52.
pub(super) const MINUS_INVERSE: u64 = 1439961107955227;

/// Eight integers below 2^260: limbs below 2^52.
#[derive(Clone, Copy)]
pub(crate) struct Scalar<M: Machine>(pub(crate) [M::V; 5]);

/// A constant, the same in every lane.
#[derive(Clone, Copy)]
pub(crate) struct Constant(pub(crate) [u64; 5]);

// All mod l, and derived again from their definitions in the tests.

/// Factor 1 for [`Scalar::reduce`]: R, R², R³.
pub(crate) const UNCHANGED: [Constant; 3] = [
    Constant([
        4302102966953709,
        1049714374468698,
        4503599278581019,
        4503599627370495,
        17592186044415,
    ]),
    Constant([
        2764609938444603,
        3768881411696287,
        1616719297148420,
        1087343033131391,
        10175238647962,
    ]),
    Constant([
        1395377511269417,
        3784408209663315,
        1607835187960122,
        2111499815093484,
        787914267884,
    ]),
];
/// Factor R: R², R³.
pub(crate) const INTO_MONTGOMERY: [Constant; 2] = [
    Constant([
        2764609938444603,
        3768881411696287,
        1616719297148420,
        1087343033131391,
        10175238647962,
    ]),
    Constant([
        1395377511269417,
        3784408209663315,
        1607835187960122,
        2111499815093484,
        787914267884,
    ]),
];
/// Factor 1/2: R/2, R²/2.
pub(crate) const HALVED: [Constant; 2] = [
    Constant([
        235209086459245,
        2483189349786862,
        4503599453659658,
        4503599627370495,
        17592186044415,
    ]),
    Constant([
        1718262385889940,
        1590973054715408,
        3060159462943359,
        543671516565695,
        13883712346189,
    ]),
];
/// Factor −Σ 128 · 256^i for i < 16: what a coefficient's digits, taken as unsigned bytes with
/// their top bits flipped, are too large by.
pub(crate) const OFFSET: [Constant; 3] = [
    Constant([
        2361376175112293,
        2091812732790089,
        2942751919537924,
        4171075294204152,
        10956029014913,
    ]),
    Constant([
        3668017684899842,
        3855362727067914,
        652886072193313,
        1031936682229226,
        1995162993142,
    ]),
    Constant([
        1281639739942245,
        1336140665093962,
        503864538865795,
        1334970631679484,
        5617255216486,
    ]),
];
/// 2R.
pub(crate) const TWICE: Constant = Constant([
    3428691473201645,
    2686364051202868,
    4503598928423740,
    4503599627370495,
    17592186044415,
]);
/// 2^n − 1.
pub(crate) const fn ones(n: u32) -> Constant {
    let mut ones = Constant([0; 5]);
    let mut at = 0;
    while at < n {
        let Constant([a, b, c, d, e]) = ones;
        ones = Constant([2 * a + 1, 2 * b, 2 * c, 2 * d, 2 * e]).less(ORDER, true);
        at += 1;
    }
    ones
}

impl Constant {
    /// `−x`, for x from 1 to l − 1.
    pub(crate) const fn negative(self) -> Constant {
        Constant(ORDER).less(self.0, false)
    }

    /// `x/2`, for x below l.
    pub(crate) const fn half(self) -> Constant {
        let (x, mut half) = (self.0, [0; 5]);
        let odd = x[0] % 2;
        let (mut at, mut carry) = (0, 0);
        while at < 5 {
            let sum = x[at] + odd * ORDER[at] + carry;
            half[at] = sum & MASK;
            carry = sum >> 52;
            at += 1;
        }
        at = 0;
        while at < 5 {
            let above = if at < 4 { half[at + 1] } else { carry };
            half[at] = (half[at] >> 1) | ((above & 1) << 51);
            at += 1;
        }
        Constant(half)
    }

    /// `x − y`, x of limbs below 2^63 and y of limbs below 2^52; `unless_negative`, x itself where
    /// that would be, its limbs carried.
    const fn less(self, y: [u64; 5], unless_negative: bool) -> Constant {
        let (mut less, mut same) = ([0; 5], [0; 5]);
        let (mut at, mut borrow, mut carry) = (0, 0, 0);
        while at < 5 {
            let sum = self.0[at] + carry;
            (same[at], carry) = (sum & MASK, sum >> 52);
            let difference = same[at].wrapping_add(borrow).wrapping_sub(y[at]) as i64;
            less[at] = difference as u64 & MASK;
            borrow = (difference >> 52) as u64;
            at += 1;
        }
        if borrow != 0 && unless_negative {
            return Constant(same);
        }
        assert!(borrow == 0);
        Constant(less)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn splat<M: Machine>(self, machine: M) -> Scalar<M> {
        Scalar(five!(I => machine.splat(self.0[I])))
    }

    /// The constant where a vector is at hand.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn beside<M: Machine>(self, any: M::V) -> Scalar<M> {
        Scalar(five!(I => any.splat(self.0[I])))
    }
}

impl<M: Machine> Scalar<M> {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn load(machine: M, from: &[Tile; 5]) -> Scalar<M> {
        Scalar(five!(I => machine.load(&from[I].0)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn store(&self, to: &mut [Tile; 5]) {
        for (limb, to) in self.0.iter().zip(to) {
            limb.store(&mut to.0);
        }
    }

    /// From four words, least first: any 256 bits.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn from_words(words: &[M::V; 4]) -> Scalar<M> {
        let [w0, w1, w2, w3] = *words;
        Scalar::split([w0, w1, w2, w3, w0.splat(0)])
    }

    /// The low 260 bits of five words.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn split([w0, w1, w2, w3, w4]: [M::V; 5]) -> Scalar<M> {
        let mask = w0.splat(MASK);
        Scalar([
            w0 & mask,
            (w0.shr(52) | w1.shl(12)) & mask,
            (w1.shr(40) | w2.shl(24)) & mask,
            (w2.shr(28) | w3.shl(36)) & mask,
            (w3.shr(16) | w4.shl(48)) & mask,
        ])
    }

    /// Bits 260n to 260n + 259 of an integer of any number of words.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn piece(machine: M, words: &[M::V], n: usize) -> Scalar<M> {
        let zero = machine.splat(0);
        let mut all = [zero; 6];
        for (to, word) in all.iter_mut().zip(&words[(4 * n).min(words.len())..]) {
            *to = *word;
        }
        if n == 0 {
            let [w0, w1, w2, w3, w4, _] = all;
            return Scalar::split([w0, w1, w2, w3, w4]);
        }
        let (down, up) = (4 * n as u32, 64 - 4 * n as u32);
        Scalar::split(five!(I => all[I].shr(down) | all[I + 1].shl(up)))
    }

    /// `x · a` mod l, for an integer x of at most 260N bits and the factor a that `by`, which is
    /// (a·R, a·R², …), stands for. Below 2Nl.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn reduce<const N: usize>(
        machine: M,
        words: &[M::V],
        by: &[Constant; N],
    ) -> Scalar<M> {
        let mut sum = Scalar::piece(machine, words, 0).montgomery(&by[0].splat(machine));
        for (n, by) in by.iter().enumerate().skip(1) {
            let piece = Scalar::piece(machine, words, n);
            sum = sum.plus(&piece.montgomery(&by.splat(machine)));
        }
        sum
    }

    /// `a·b/R` mod l: below `a·b/R + l`, which must be below 2^260.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn montgomery(&self, other: &Scalar<M>) -> Scalar<M> {
        Scalar(M::Arithmetic::montgomery(&self.0, &other.0))
    }

    /// `a + b`: the sum must be below 2^260.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn plus(&self, other: &Scalar<M>) -> Scalar<M> {
        Scalar(carried(five!(I => self.0[I] + other.0[I])))
    }

    /// The one representative below l. Takes any value.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn canonical(&self) -> Scalar<M> {
        // R/R: below 2^260 · l / 2^260 + l = 2l.
        let x = self.montgomery(&UNCHANGED[0].beside(self.0[0]));
        let mask = x.0[0].splat(MASK);
        let mut less = x.0;
        let mut borrow = mask.splat(0);
        for (limb, order) in less.iter_mut().zip(ORDER) {
            let difference = (*limb - mask.splat(order)) + borrow;
            *limb = difference & mask;
            // 0 or −1.
            borrow = mask.splat(0) - difference.shr(63);
        }
        let below = borrow.tops();
        Scalar(five!(I => less[I].blend(below, x.0[I])))
    }

    /// As four words. Takes values below 2^256.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn to_words(self) -> [M::V; 4] {
        let [l0, l1, l2, l3, l4] = self.0;
        [
            l0 | l1.shl(52),
            l1.shr(12) | l2.shl(40),
            l2.shr(24) | l3.shl(28),
            l3.shr(36) | l4.shl(16),
        ]
    }

    /// As words of so many bits each, 60 to 64. Takes values below 2^260.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn to_words_of(self, bits: u32) -> [M::V; 5] {
        five!(I => self.bits(I as u32 * bits, bits))
    }

    /// The bits from a place on.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn bits(&self, from: u32, bits: u32) -> M::V {
        let (limb, skip) = ((from / 52) as usize, from % 52);
        let mut word = self.0[limb].shr(skip);
        if limb == 4 {
            return word;
        }
        // Two limbs are enough.
        assert!(bits + skip <= 104);
        word = word | self.0[limb + 1].shl(52 - skip);
        if bits == 64 {
            return word;
        }
        word & word.splat((1 << bits) - 1)
    }
}

/// Limbs below 2^52, from limbs below 2^63.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
pub(super) fn carried<R: Register>(mut limbs: [R; 5]) -> [R; 5] {
    let mask = limbs[0].splat(MASK);
    let mut carry = mask.splat(0);
    for limb in &mut limbs {
        let sum = *limb + carry;
        *limb = sum & mask;
        carry = sum.shr(52);
    }
    limbs
}
