//! Eight elements of the field of order p = 2^255 − 19 side by side, one per 64-bit lane.
//!
//! An element is five limbs of radix 2^51. IFMA multiplies the low 52 bits of its operands and
//! silently drops the rest, so every function states its bounds, in three classes:
//!
//! - **tight**: limbs at most 2^51 + 2^17. What [`Wide::carry`] gives.
//! - **loose**: limbs below 2^52. What multiplication takes.
//! - **wide** ([`Wide`]): limbs below 2^63, not yet carried. What multiplication gives: sums and
//!   differences are made here, before the carry, so that they cost no carry of their own.

use core::arch::x86_64::*;

/// Largest limb of a tight element.
#[cfg(test)]
pub(crate) const TIGHT: u64 = (1 << 51) + (1 << 17);

const MASK: i64 = (1 << 51) - 1;

/// 2p, limb by limb: at least any tight limb, below 2^52.
const TWO_P: [i64; 5] = [(1 << 52) - 38, MASK * 2, MASK * 2, MASK * 2, MASK * 2];

/// Eight field elements whose limbs are below 2^52; tight unless a function says otherwise.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Field(pub(crate) [__m512i; 5]);

/// Eight field elements before the carry: limbs below 2^63.
#[derive(Clone, Copy)]
pub(crate) struct Wide([__m512i; 5]);

/// Accumulates the low (or high) halves of a column's products onto a start value.
macro_rules! column {
    ($madd:ident, $a:ident, $b:ident, $start:expr; $($i:literal $j:literal),+) => {{
        let mut sum = $start;
        $(sum = $madd(sum, $a[$i], $b[$j]);)+
        sum
    }};
}

impl Field {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn splat(limbs: [u64; 5]) -> Field {
        Field(limbs.map(|limb| _mm512_set1_epi64(limb as i64)))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn zero() -> Field {
        Field([_mm512_setzero_si512(); 5])
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn one() -> Field {
        Field::splat([1, 0, 0, 0, 0])
    }

    /// Unpacks 255 bits in four 64-bit words, least first; the top bit is ignored. Tight.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn from_words(words: &[__m512i; 4]) -> Field {
        let mask = _mm512_set1_epi64(MASK);
        let [w0, w1, w2, w3] = *words;
        let joined = |low, high, down: u32, up: u32| {
            let low = _mm512_srlv_epi64(low, _mm512_set1_epi64(i64::from(down)));
            let high = _mm512_sllv_epi64(high, _mm512_set1_epi64(i64::from(up)));
            _mm512_and_si512(_mm512_or_si512(low, high), mask)
        };
        Field([
            _mm512_and_si512(w0, mask),
            joined(w0, w1, 51, 13),
            joined(w1, w2, 38, 26),
            joined(w2, w3, 25, 39),
            _mm512_and_si512(_mm512_srli_epi64::<12>(w3), mask),
        ])
    }

    /// Packs into four 64-bit words, least first, fully reduced below p. Takes tight elements.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn to_words(self) -> [__m512i; 4] {
        let [l0, l1, l2, l3, l4] = self.freeze().0;
        [
            _mm512_or_si512(l0, _mm512_slli_epi64::<51>(l1)),
            _mm512_or_si512(_mm512_srli_epi64::<13>(l1), _mm512_slli_epi64::<38>(l2)),
            _mm512_or_si512(_mm512_srli_epi64::<26>(l2), _mm512_slli_epi64::<25>(l3)),
            _mm512_or_si512(_mm512_srli_epi64::<39>(l3), _mm512_slli_epi64::<12>(l4)),
        ]
    }

    /// The one representative below p, limbs below 2^51. Takes tight elements.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn freeze(self) -> Field {
        let mask = _mm512_set1_epi64(MASK);
        let nineteen = _mm512_set1_epi64(19);
        // A tight element is below 2^255 + 2^222, so below 2p. With x + 19 carried through, the bit
        // 2^255 says whether x ≥ p.
        let mut carry = nineteen;
        for limb in self.0 {
            carry = _mm512_srli_epi64::<51>(_mm512_add_epi64(limb, carry));
        }
        // The carry is 1 for x in [p, 2p): subtract p as adding 19 and dropping 2^255.
        let mut limbs = self.0;
        let mut carry = _mm512_madd52lo_epu64(_mm512_setzero_si512(), carry, nineteen);
        for limb in &mut limbs {
            let sum = _mm512_add_epi64(*limb, carry);
            *limb = _mm512_and_si512(sum, mask);
            carry = _mm512_srli_epi64::<51>(sum);
        }
        Field(limbs)
    }

    /// Which lanes are zero mod p. Takes tight elements.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn is_zero(self) -> __mmask8 {
        let [l0, l1, l2, l3, l4] = self.freeze().0;
        let any = _mm512_or_si512(
            _mm512_or_si512(_mm512_or_si512(l0, l1), _mm512_or_si512(l2, l3)),
            l4,
        );
        _mm512_testn_epi64_mask(any, any)
    }

    /// `2p − x`: takes tight, gives loose.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn negate(self) -> Field {
        self.negate_where(0xff)
    }

    /// `2p − x` in the lanes of `mask`, x elsewhere: takes tight, gives loose.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn negate_where(self, mask: __mmask8) -> Field {
        let mut limbs = self.0;
        for (limb, two_p) in limbs.iter_mut().zip(TWO_P) {
            *limb = _mm512_mask_sub_epi64(*limb, mask, _mm512_set1_epi64(two_p), *limb);
        }
        Field(limbs)
    }

    /// `other` in the lanes of `mask`, `self` elsewhere.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn blend(self, mask: __mmask8, other: Field) -> Field {
        let mut limbs = self.0;
        for (limb, other) in limbs.iter_mut().zip(other.0) {
            *limb = _mm512_mask_blend_epi64(mask, *limb, other);
        }
        Field(limbs)
    }

    /// The same limbs, to be added before a carry. Takes loose.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn widen(self) -> Wide {
        Wide(self.0)
    }

    /// `a · b`. Takes loose, gives wide: limbs below 2^60.1.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn mul_wide(&self, other: &Field) -> Wide {
        let (a, b) = (&self.0, &other.0);
        let zero = _mm512_setzero_si512();
        let twice = |x| _mm512_add_epi64(x, x);
        // A product's high half stands at 2^52, which is 2 · 2^51: it counts twice one column up.
        let h0 = column!(_mm512_madd52hi_epu64, a, b, zero; 0 0);
        let h1 = column!(_mm512_madd52hi_epu64, a, b, zero; 0 1, 1 0);
        let h2 = column!(_mm512_madd52hi_epu64, a, b, zero; 0 2, 1 1, 2 0);
        let h3 = column!(_mm512_madd52hi_epu64, a, b, zero; 0 3, 1 2, 2 1, 3 0);
        let h4 = column!(_mm512_madd52hi_epu64, a, b, zero; 0 4, 1 3, 2 2, 3 1, 4 0);
        let h5 = column!(_mm512_madd52hi_epu64, a, b, zero; 1 4, 2 3, 3 2, 4 1);
        let h6 = column!(_mm512_madd52hi_epu64, a, b, zero; 2 4, 3 3, 4 2);
        let h7 = column!(_mm512_madd52hi_epu64, a, b, zero; 3 4, 4 3);
        let h8 = column!(_mm512_madd52hi_epu64, a, b, zero; 4 4);
        let z0 = column!(_mm512_madd52lo_epu64, a, b, zero; 0 0);
        let z1 = column!(_mm512_madd52lo_epu64, a, b, twice(h0); 0 1, 1 0);
        let z2 = column!(_mm512_madd52lo_epu64, a, b, twice(h1); 0 2, 1 1, 2 0);
        let z3 = column!(_mm512_madd52lo_epu64, a, b, twice(h2); 0 3, 1 2, 2 1, 3 0);
        let z4 = column!(_mm512_madd52lo_epu64, a, b, twice(h3); 0 4, 1 3, 2 2, 3 1, 4 0);
        let z5 = column!(_mm512_madd52lo_epu64, a, b, twice(h4); 1 4, 2 3, 3 2, 4 1);
        let z6 = column!(_mm512_madd52lo_epu64, a, b, twice(h5); 2 4, 3 3, 4 2);
        let z7 = column!(_mm512_madd52lo_epu64, a, b, twice(h6); 3 4, 4 3);
        let z8 = column!(_mm512_madd52lo_epu64, a, b, twice(h7); 4 4);
        // A rotation by the reasons given in `fold`.
        let z9 = _mm512_rol_epi64::<1>(h8);
        Wide::fold([z0, z1, z2, z3, z4], [z5, z6, z7, z8, z9])
    }

    /// `a · a`. Takes loose, gives wide: limbs below 2^60.1.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn square_wide(&self) -> Wide {
        let a = &self.0;
        let zero = _mm512_setzero_si512();
        let twice = |x| _mm512_add_epi64(x, x);
        // Products of two different limbs count twice.
        let h0 = column!(_mm512_madd52hi_epu64, a, a, zero; 0 0);
        let h1 = twice(column!(_mm512_madd52hi_epu64, a, a, zero; 0 1));
        let h2 = twice(column!(_mm512_madd52hi_epu64, a, a, zero; 0 2));
        let h2 = column!(_mm512_madd52hi_epu64, a, a, h2; 1 1);
        let h3 = twice(column!(_mm512_madd52hi_epu64, a, a, zero; 0 3, 1 2));
        let h4 = twice(column!(_mm512_madd52hi_epu64, a, a, zero; 0 4, 1 3));
        let h4 = column!(_mm512_madd52hi_epu64, a, a, h4; 2 2);
        let h5 = twice(column!(_mm512_madd52hi_epu64, a, a, zero; 1 4, 2 3));
        let h6 = twice(column!(_mm512_madd52hi_epu64, a, a, zero; 2 4));
        let h6 = column!(_mm512_madd52hi_epu64, a, a, h6; 3 3);
        let h7 = twice(column!(_mm512_madd52hi_epu64, a, a, zero; 3 4));
        let h8 = column!(_mm512_madd52hi_epu64, a, a, zero; 4 4);
        // The high halves of the column below join before the doubling they share.
        let z0 = column!(_mm512_madd52lo_epu64, a, a, zero; 0 0);
        let z1 = twice(column!(_mm512_madd52lo_epu64, a, a, h0; 0 1));
        let z2 = twice(column!(_mm512_madd52lo_epu64, a, a, h1; 0 2));
        let z2 = column!(_mm512_madd52lo_epu64, a, a, z2; 1 1);
        let z3 = twice(column!(_mm512_madd52lo_epu64, a, a, h2; 0 3, 1 2));
        let z4 = twice(column!(_mm512_madd52lo_epu64, a, a, h3; 0 4, 1 3));
        let z4 = column!(_mm512_madd52lo_epu64, a, a, z4; 2 2);
        let z5 = twice(column!(_mm512_madd52lo_epu64, a, a, h4; 1 4, 2 3));
        let z6 = twice(column!(_mm512_madd52lo_epu64, a, a, h5; 2 4));
        let z6 = column!(_mm512_madd52lo_epu64, a, a, z6; 3 3);
        let z7 = twice(column!(_mm512_madd52lo_epu64, a, a, h6; 3 4));
        let z8 = column!(_mm512_madd52lo_epu64, a, a, twice(h7); 4 4);
        // A rotation by the reasons given in `fold`.
        let z9 = _mm512_rol_epi64::<1>(h8);
        Wide::fold([z0, z1, z2, z3, z4], [z5, z6, z7, z8, z9])
    }

    /// `a · b`. Takes loose, gives tight.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn mul(&self, other: &Field) -> Field {
        self.mul_wide(other).carry()
    }

    /// `a · a`. Takes loose, gives tight.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn square(&self) -> Field {
        self.square_wide().carry()
    }

    /// `a + b`. Takes loose, gives tight.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn add(&self, other: &Field) -> Field {
        self.widen().plus(other.widen()).carry()
    }

    /// `a − b`. Takes loose a and tight b, gives tight.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn sub(&self, other: &Field) -> Field {
        self.add(&other.negate())
    }
}

impl Wide {
    /// Adds 19 times the columns from 2^255 on to those below: limbs up to 2^60.1.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn fold(low: [__m512i; 5], high: [__m512i; 5]) -> Wide {
        let mut limbs = low;
        for (limb, high) in limbs.iter_mut().zip(high) {
            let low = _mm512_add_epi64(*limb, high);
            let twice = _mm512_add_epi64(high, high);
            // A rotation, as the top bits are 0: from a shift the compiler would make out the 19
            // and use `vpmullq`, which is three times the work.
            let sixteenfold = _mm512_rol_epi64::<4>(high);
            *limb = _mm512_add_epi64(_mm512_add_epi64(low, twice), sixteenfold);
        }
        Wide(limbs)
    }

    /// Gives tight: one pass, all limbs at once.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn carry(self) -> Field {
        let mask = _mm512_set1_epi64(MASK);
        let carry = self.0.map(|limb| _mm512_srli_epi64::<51>(limb));
        let rest = self.0.map(|limb| _mm512_and_si512(limb, mask));
        Field([
            _mm512_madd52lo_epu64(rest[0], carry[4], _mm512_set1_epi64(19)),
            _mm512_add_epi64(rest[1], carry[0]),
            _mm512_add_epi64(rest[2], carry[1]),
            _mm512_add_epi64(rest[3], carry[2]),
            _mm512_add_epi64(rest[4], carry[3]),
        ])
    }

    /// `a + b`: the sum's limbs must be below 2^63.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn plus(self, other: Wide) -> Wide {
        let mut limbs = self.0;
        for (limb, other) in limbs.iter_mut().zip(other.0) {
            *limb = _mm512_add_epi64(*limb, other);
        }
        Wide(limbs)
    }

    /// `a − b`: b's limbs must be at most a's, for which [`Wide::biased`] is there.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn minus(self, other: Wide) -> Wide {
        let mut limbs = self.0;
        for (limb, other) in limbs.iter_mut().zip(other.0) {
            *limb = _mm512_sub_epi64(*limb, other);
        }
        Wide(limbs)
    }

    /// The same value with 2^10 · p added, each limb of which is above 2^60.9: room to take off any
    /// one product of loose elements (2^60.1), or two of tight ones (2^59 each).
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn biased(self) -> Wide {
        let p = |limb: i64| _mm512_set1_epi64(limb << 9);
        self.plus(Wide(TWO_P.map(p)))
    }
}
