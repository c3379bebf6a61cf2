//! Secret multiples of the base point, eight side by side, in constant time.
//!
//! A scalar is written in 43 odd digits of radix 64, each in {−63, −61, …, 63}: there is no zero,
//! so no case is special, and 32 magnitudes a digit are what two `vpermi2q` and a blend select
//! from registers. Every selection reads the digit's whole table, in the same order.

use core::arch::x86_64::*;
use std::sync::OnceLock;

use super::decode::decode;
use super::field::Field;
use super::point::{Niels, Point, halves_over_z};
use super::rows::{load, load_32, store};
use super::scalar::{HALVED, ODD, Scalar};

/// Digits of a scalar.
pub(crate) const DIGITS: usize = 43;

/// (2i + 1) · 64^digit · B for i < 32, limb by limb: y + x, y − x, 2dxy. 165 KB, so it stays in
/// the second-level cache; a digit's 3,840 bytes serve all groups of a chunk from the first.
type Digit = [[u64; 32]; 15];

static TABLE: OnceLock<Box<[Digit; DIGITS]>> = OnceLock::new();

/// A secret scalar, as digits.
#[derive(Clone, Copy)]
pub(crate) struct Digits(pub(crate) [__m512i; 5]);

impl Digits {
    /// No secret.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn zero() -> Digits {
        Digits([_mm512_setzero_si512(); 5])
    }

    /// The digits of r for an integer r of 512 bits, and W with r = 2W − (2^258 − 1) mod l, below
    /// 5l: the digits are 2w − 63 for the six-bit digits w of W.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn new(r: &[__m512i]) -> (Digits, Scalar) {
        let w = Scalar::reduce(r, &HALVED).plus(&ODD.splat());
        (Digits(w.to_digits()), w)
    }

    /// Digit number `at`, as the index of its magnitude and the lanes in which it is negative.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn digit(&self, at: usize) -> (__m512i, __mmask8) {
        let shift = _mm512_set1_epi64((at % 9 * 6) as i64);
        let digit = _mm512_srlv_epi64(self.0[at / 9], shift);
        let negative = _mm512_testn_epi64_mask(digit, _mm512_set1_epi64(32));
        // 63 − 2w = 2(31 − w) + 1 below 32, 2w − 63 = 2(w − 32) + 1 from 32 on.
        let ones = _mm512_set1_epi64(31);
        (
            _mm512_mask_xor_epi64(digit, negative, digit, ones),
            negative,
        )
    }
}

/// `r · B` for each group of eight r.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn multiply(scalars: &[Digits], points: &mut [Point]) {
    let table = table();
    for point in &mut *points {
        *point = Point::identity();
    }
    // Digit by digit over all groups: its table is fetched once. Each group's second half of an
    // addition comes after the next one's first.
    for (at, table) in table.iter().enumerate() {
        let start = |group: usize, points: &[Point]| {
            let (index, negative) = scalars[group].digit(at);
            points[group].start_add_niels(&select(table, index, negative))
        };
        let mut half = start(0, points);
        for group in 1..scalars.len() {
            let next = start(group, points);
            points[group - 1] = half.finish();
            half = next;
        }
        points[scalars.len() - 1] = half.finish();
    }
}

/// Entry `index` mod 32 of the table in each lane, negated where `negative`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn select(table: &Digit, index: __m512i, negative: __mmask8) -> Niels {
    // `vpermi2q` takes the low four bits of an index for itself.
    let upper = _mm512_test_epi64_mask(index, _mm512_set1_epi64(16));
    let limb = |limb: &[u64; 32]| {
        let ([t0, t1, t2, t3], []) = limb.as_chunks::<8>() else {
            unreachable!("32 is four times 8")
        };
        let low = _mm512_permutex2var_epi64(load(t0), index, load(t1));
        let high = _mm512_permutex2var_epi64(load(t2), index, load(t3));
        _mm512_mask_blend_epi64(upper, low, high)
    };
    let field = |first: usize| {
        let [l0, l1, l2, l3, l4] = [0, 1, 2, 3, 4].map(|at| limb(&table[first + at]));
        Field([l0, l1, l2, l3, l4])
    };
    let (plus, minus, t2d) = (field(0), field(5), field(10));
    // −(x, y) = (−x, y).
    Niels {
        plus: plus.blend(negative, minus),
        minus: minus.blend(negative, plus),
        t2d: t2d.negate_where(negative),
    }
}

/// The table, made on first use.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn table() -> &'static [Digit; DIGITS] {
    TABLE.get_or_init(|| build())
}

/// RFC 8032's base point: y = 4/5, x even.
pub(crate) const BASE: [u8; 32] = {
    let mut bytes = [0x66; 32];
    bytes[0] = 0x58;
    bytes
};

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn build() -> Box<[Digit; DIGITS]> {
    let mut table = Box::new([[[0; 32]; 15]; DIGITS]);
    let [(base, _)] = decode(&[load_32([&BASE; 8])]);
    let mut power = Point::identity().add_niels(&base);
    // Eight digits at a time, one per lane.
    for first in (0..DIGITS).step_by(8) {
        let mut lanes = power;
        for lane in 0..8 {
            lanes = lanes.blend(1 << lane, &power);
            power = power.double_times(6);
        }
        let twice = lanes.double();
        let mut multiples = [lanes; 32];
        for at in 1..32 {
            multiples[at] = multiples[at - 1].add(&twice);
        }
        let mut halves = [Field::zero(); 32];
        halves_over_z(&multiples, &mut halves);
        for (entry, (point, half)) in multiples.iter().zip(&halves).enumerate() {
            let (x, y) = point.affine(half);
            let niels = Niels::new(&x, &y);
            let fields = [niels.plus, niels.minus, niels.t2d];
            for (limb, words) in fields.iter().flat_map(|field| field.freeze().0).enumerate() {
                let mut lanes = [0; 8];
                store(words, &mut lanes);
                for (digit, word) in table[first..].iter_mut().zip(lanes) {
                    digit[limb][entry] = word;
                }
            }
        }
    }
    table
}
