//! Eight points of edwards25519 (−x² + y² = 1 + d x² y²) side by side.
//!
//! The unified formulas of Hisil, Wong, Carter and Dawson (2008) for a = −1: complete, so that no
//! input, of whatever order, is an exception. A point keeps Y + X and Y − X instead of X and Y:
//! that is what the formulas take, and made before the carry it costs nothing.

use core::arch::x86_64::*;

use super::field::Field;
use super::power::invert;

/// −121665/121666.
pub(crate) const D: [u64; 5] = [
    929955233495203,
    466365720129213,
    1662059464998953,
    2033849074728123,
    1442794654840575,
];
/// 2d.
pub(crate) const TWO_D: [u64; 5] = [
    1859910466990425,
    932731440258426,
    1072319116312658,
    1815898335770999,
    633789495995903,
];
/// 1/2.
pub(crate) const HALF: [u64; 5] = [
    2251799813685239,
    2251799813685247,
    2251799813685247,
    2251799813685247,
    1125899906842623,
];

/// Extended coordinates (Y + X, Y − X, Z, T = XY/Z), all tight.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) plus: Field,
    pub(crate) minus: Field,
    pub(crate) z: Field,
    pub(crate) t: Field,
}

/// An affine point as the second operand of an addition: (y + x, y − x, 2dxy). `t2d` may be loose.
#[derive(Clone, Copy)]
pub(crate) struct Niels {
    pub(crate) plus: Field,
    pub(crate) minus: Field,
    pub(crate) t2d: Field,
}

/// A point half way through an addition: x = E/G, y = H/F. What comes next waits for all of it, so
/// that another addition's first half is best put in between.
#[derive(Clone, Copy)]
pub(crate) struct Half {
    e: Field,
    f: Field,
    g: Field,
    h: Field,
}

impl Point {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn identity() -> Point {
        Point {
            plus: Field::one(),
            minus: Field::one(),
            z: Field::one(),
            t: Field::zero(),
        }
    }

    /// `P + Q`, Q affine: 7 multiplications.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn add_niels(&self, q: &Niels) -> Point {
        self.start_add_niels(q).finish()
    }

    /// The first 3 multiplications of `P + Q`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn start_add_niels(&self, q: &Niels) -> Half {
        let c = self.t.mul_wide(&q.t2d);
        let d = self.z.widen().plus(self.z.widen());
        let g = d.plus(c).carry();
        let f = d.biased().minus(c).carry();
        let a = self.minus.mul_wide(&q.minus);
        let b = self.plus.mul_wide(&q.plus).biased();
        let e = b.minus(a).carry();
        let h = b.plus(a).carry();
        Half { e, f, g, h }
    }

    /// `P + Q`: 9 multiplications.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn add(&self, q: &Point) -> Point {
        let a = self.minus.mul_wide(&q.minus);
        let b = self.plus.mul_wide(&q.plus).biased();
        let e = b.minus(a).carry();
        let h = b.plus(a).carry();
        let c = self.t.mul_wide(&q.t.mul(&Field::splat(TWO_D)));
        let zz = self.z.mul_wide(&q.z);
        let d = zz.plus(zz).carry().widen();
        let g = d.plus(c).carry();
        let f = d.biased().minus(c).carry();
        Half { e, f, g, h }.finish()
    }

    /// `2P`: 5 multiplications and 3 squarings.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn double(&self) -> Point {
        self.start_double().finish()
    }

    /// The first half of `2P`. With P± = (Y ± X)² the textbook's E, F, G, H are, all doubled:
    /// P+ − P−, G − 4Z², 2(Y² − X²), −(P+ + P−). T is not asked for.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn start_double(&self) -> Half {
        let pp = self.plus.square_wide();
        let mm = self.minus.square_wide();
        let e = pp.biased().minus(mm).carry();
        let h = Field::zero().widen().biased().minus(pp.plus(mm)).carry();
        let pm = self.plus.mul_wide(&self.minus);
        let g = pm.plus(pm).carry();
        let zz = self.z.square().widen();
        let zz = zz.plus(zz);
        let f = g.widen().biased().minus(zz.plus(zz)).carry();
        Half { e, f, g, h }
    }

    /// `2^n · P`. Only the last doubling makes T, which the others do not take: 4 multiplications
    /// and 3 squarings.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn double_times(mut self, n: u32) -> Point {
        for _ in 1..n {
            self = Point {
                t: self.t,
                ..self.start_double().finish()
            };
        }
        if n > 0 { self.double() } else { self }
    }

    /// Which lanes are the neutral element: X = 0 and Y = Z.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn is_identity(&self) -> __mmask8 {
        self.plus.sub(&self.minus).is_zero() & {
            let twice_y = self.plus.add(&self.minus);
            let twice_z = self.z.add(&self.z);
            twice_y.sub(&twice_z).is_zero()
        }
    }

    /// Lane i holds lane `index[i]` of this point.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn permute(&self, index: __m512i) -> Point {
        let permuted = |x: &Field| Field(x.0.map(|limb| _mm512_permutexvar_epi64(index, limb)));
        Point {
            plus: permuted(&self.plus),
            minus: permuted(&self.minus),
            z: permuted(&self.z),
            t: permuted(&self.t),
        }
    }

    /// `other` in the lanes of `mask`, `self` elsewhere.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn blend(&self, mask: __mmask8, other: &Point) -> Point {
        Point {
            plus: self.plus.blend(mask, other.plus),
            minus: self.minus.blend(mask, other.minus),
            z: self.z.blend(mask, other.z),
            t: self.t.blend(mask, other.t),
        }
    }

    /// x and y, tight, given `1/(2Z)`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn affine(&self, half_over_z: &Field) -> (Field, Field) {
        let plus = self.plus.mul_wide(half_over_z).biased();
        let minus = self.minus.mul_wide(half_over_z);
        (plus.minus(minus).carry(), plus.plus(minus).carry())
    }

    /// The 32 bytes of each point as four words (RFC 8032, 5.1.2), given `1/(2Z)`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn compress(&self, half_over_z: &Field) -> [__m512i; 4] {
        let (x, y) = self.affine(half_over_z);
        encode(&x.freeze(), &y)
    }
}

/// The 32 bytes of each point as four words (RFC 8032, 5.1.2): y, and the sign of a frozen x.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn encode(x: &Field, y: &Field) -> [__m512i; 4] {
    let mut words = y.to_words();
    let sign = _mm512_slli_epi64::<63>(x.0[0]);
    words[3] = _mm512_or_si512(words[3], sign);
    words
}

impl Half {
    /// `X = EF, Y = GH, Z = FG, T = EH`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn finish(&self) -> Point {
        let Half { e, f, g, h } = self;
        let z = f.mul(g);
        let t = e.mul(h);
        let x = e.mul_wide(f);
        let y = g.mul_wide(h).biased();
        Point {
            plus: y.plus(x).carry(),
            minus: y.minus(x).carry(),
            z,
            t,
        }
    }
}

impl Niels {
    /// From affine coordinates, loose.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn new(x: &Field, y: &Field) -> Niels {
        let (wide_x, wide_y) = (x.widen(), y.widen());
        Niels {
            plus: wide_y.plus(wide_x).carry(),
            minus: wide_y.biased().minus(wide_x).carry(),
            t2d: x.mul(y).mul(&Field::splat(TWO_D)),
        }
    }

    /// `−P`: t2d, which must be tight, becomes loose.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn negate(&self) -> Niels {
        Niels {
            plus: self.minus,
            minus: self.plus,
            t2d: self.t2d.negate(),
        }
    }
}

/// `1/(2Z)` for each Z, with one inversion for all (Montgomery's trick). A Z of zero, which no
/// point has, would spoil the rest.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn halves_over_z(points: &[Point], out: &mut [Field]) {
    let mut product = Field::one();
    for (point, out) in points.iter().zip(&mut *out) {
        *out = product;
        product = product.mul(&point.z);
    }
    let mut inverse = invert(&product).mul(&Field::splat(HALF));
    // The inverse of all Z so far, halved; each step takes one off.
    for (point, out) in points.iter().zip(&mut *out).rev() {
        *out = out.mul(&inverse);
        inverse = inverse.mul(&point.z);
    }
}
