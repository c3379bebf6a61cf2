//! Eight integers modulo the group order l = 2^252 + 27742317777372353535851937790883648493 side by
//! side: five limbs of radix 2^52, Montgomery's multiplication with R = 2^260.
//!
//! No branch and no address depends on a value.

use core::arch::x86_64::*;

const MASK: i64 = (1 << 52) - 1;

/// l.
const ORDER: [u64; 5] = [
    671914833335277,
    3916664325105025,
    1367801,
    0,
    17592186044416,
];
/// −1/l mod 2^52.
const MINUS_INVERSE: i64 = 1439961107955227;

/// Eight integers below 2^260: limbs below 2^52.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Scalar(pub(crate) [__m512i; 5]);

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
/// (2^258 − 1)/2.
pub(crate) const ODD: Constant = Constant([
    3604480700476502,
    474063511880347,
    4503599584284737,
    4503599627370495,
    8796093022207,
]);
/// −(2^258 − 1).
pub(crate) const MINUS_ODD: Constant =
    Constant([2470152687123265, 2968537301344329, 87539319, 0, 0]);

impl Constant {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn splat(self) -> Scalar {
        Scalar(self.0.map(|limb| _mm512_set1_epi64(limb as i64)))
    }
}

impl Scalar {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn zero() -> Scalar {
        Scalar([_mm512_setzero_si512(); 5])
    }

    /// From four words, least first: any 256 bits.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn from_words(words: &[__m512i; 4]) -> Scalar {
        let zero = _mm512_setzero_si512();
        let [w0, w1, w2, w3] = *words;
        Scalar::split([w0, w1, w2, w3, zero])
    }

    /// The low 260 bits of five words.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn split(words: [__m512i; 5]) -> Scalar {
        let mask = _mm512_set1_epi64(MASK);
        let [w0, w1, w2, w3, w4] = words;
        let joined = |low, high, down: u32, up: u32| {
            let low = _mm512_srlv_epi64(low, _mm512_set1_epi64(i64::from(down)));
            let high = _mm512_sllv_epi64(high, _mm512_set1_epi64(i64::from(up)));
            _mm512_and_si512(_mm512_or_si512(low, high), mask)
        };
        Scalar([
            _mm512_and_si512(w0, mask),
            joined(w0, w1, 52, 12),
            joined(w1, w2, 40, 24),
            joined(w2, w3, 28, 36),
            joined(w3, w4, 16, 48),
        ])
    }

    /// Bits 260n to 260n + 259 of an integer of any number of words.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn piece(words: &[__m512i], n: usize) -> Scalar {
        let word = |at: usize| words.get(at).copied().unwrap_or(_mm512_setzero_si512());
        let down = _mm512_set1_epi64(4 * n as i64);
        let up = _mm512_set1_epi64(64 - 4 * n as i64);
        let mut shifted = [_mm512_setzero_si512(); 5];
        for (at, shifted) in shifted.iter_mut().enumerate() {
            // A shift by 64 gives 0.
            let low = _mm512_srlv_epi64(word(4 * n + at), down);
            *shifted = _mm512_or_si512(low, _mm512_sllv_epi64(word(4 * n + at + 1), up));
        }
        Scalar::split(shifted)
    }

    /// `x · a` mod l, for an integer x of at most 260N bits and the factor a that `by`, which is
    /// (a·R, a·R², …), stands for. Below 2Nl.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn reduce<const N: usize>(words: &[__m512i], by: &[Constant; N]) -> Scalar {
        let mut sum = Scalar::piece(words, 0).montgomery(&by[0].splat());
        for (n, by) in by.iter().enumerate().skip(1) {
            sum = sum.plus(&Scalar::piece(words, n).montgomery(&by.splat()));
        }
        sum
    }

    /// `a·b/R` mod l: below `a·b/R + l`, which must be below 2^260.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn montgomery(&self, other: &Scalar) -> Scalar {
        let zero = _mm512_setzero_si512();
        let order = Constant(ORDER).splat().0;
        let inverse = _mm512_set1_epi64(MINUS_INVERSE);
        let b = &other.0;
        let mut sum = [zero; 6];
        for a in self.0 {
            for j in 0..5 {
                sum[j] = _mm512_madd52lo_epu64(sum[j], a, b[j]);
                sum[j + 1] = _mm512_madd52hi_epu64(sum[j + 1], a, b[j]);
            }
            let q = _mm512_madd52lo_epu64(zero, sum[0], inverse);
            // Limb 3 of l is 0.
            for j in [0, 1, 2, 4] {
                sum[j] = _mm512_madd52lo_epu64(sum[j], q, order[j]);
                sum[j + 1] = _mm512_madd52hi_epu64(sum[j + 1], q, order[j]);
            }
            // The lowest 52 bits are zero now: what is above them moves down.
            let carry = _mm512_srli_epi64::<52>(sum[0]);
            sum = [
                _mm512_add_epi64(sum[1], carry),
                sum[2],
                sum[3],
                sum[4],
                sum[5],
                zero,
            ];
        }
        Scalar([sum[0], sum[1], sum[2], sum[3], sum[4]]).carried()
    }

    /// `a + b`: the sum must be below 2^260.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn plus(&self, other: &Scalar) -> Scalar {
        let mut limbs = self.0;
        for (limb, other) in limbs.iter_mut().zip(other.0) {
            *limb = _mm512_add_epi64(*limb, other);
        }
        Scalar(limbs).carried()
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn carried(self) -> Scalar {
        let mask = _mm512_set1_epi64(MASK);
        let mut limbs = self.0;
        let mut carry = _mm512_setzero_si512();
        for limb in &mut limbs {
            let sum = _mm512_add_epi64(*limb, carry);
            *limb = _mm512_and_si512(sum, mask);
            carry = _mm512_srli_epi64::<52>(sum);
        }
        Scalar(limbs)
    }

    /// The one representative below l. Takes any value.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn canonical(&self) -> Scalar {
        // R/R: below 2^260 · l / 2^260 + l = 2l.
        let x = self.montgomery(&UNCHANGED[0].splat());
        let mask = _mm512_set1_epi64(MASK);
        let mut less = x.0;
        let mut borrow = _mm512_setzero_si512();
        for (limb, order) in less.iter_mut().zip(ORDER) {
            let order = _mm512_set1_epi64(order as i64);
            let difference = _mm512_add_epi64(_mm512_sub_epi64(*limb, order), borrow);
            *limb = _mm512_and_si512(difference, mask);
            borrow = _mm512_srai_epi64::<63>(difference);
        }
        let below = _mm512_movepi64_mask(borrow);
        let mut limbs = less;
        for (limb, kept) in limbs.iter_mut().zip(x.0) {
            *limb = _mm512_mask_blend_epi64(below, *limb, kept);
        }
        Scalar(limbs)
    }

    /// As four words. Takes values below 2^256.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn to_words(self) -> [__m512i; 4] {
        let [l0, l1, l2, l3, l4] = self.0;
        [
            _mm512_or_si512(l0, _mm512_slli_epi64::<52>(l1)),
            _mm512_or_si512(_mm512_srli_epi64::<12>(l1), _mm512_slli_epi64::<40>(l2)),
            _mm512_or_si512(_mm512_srli_epi64::<24>(l2), _mm512_slli_epi64::<28>(l3)),
            _mm512_or_si512(_mm512_srli_epi64::<36>(l3), _mm512_slli_epi64::<16>(l4)),
        ]
    }

    /// As five limbs of radix 2^54, nine digits of six bits each. Takes values below 2^258.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn to_digits(self) -> [__m512i; 5] {
        let mask = _mm512_set1_epi64((1 << 54) - 1);
        let [l0, l1, l2, l3, l4] = self.0;
        let join = |low, high| _mm512_and_si512(_mm512_or_si512(low, high), mask);
        [
            join(l0, _mm512_slli_epi64::<52>(l1)),
            join(_mm512_srli_epi64::<2>(l1), _mm512_slli_epi64::<50>(l2)),
            join(_mm512_srli_epi64::<4>(l2), _mm512_slli_epi64::<48>(l3)),
            join(_mm512_srli_epi64::<6>(l3), _mm512_slli_epi64::<46>(l4)),
            _mm512_srli_epi64::<8>(l4),
        ]
    }
}
