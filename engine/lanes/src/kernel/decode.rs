//! Decoding points as ZIP 215 says: any y of 255 bits, reduced mod p, and for x = 0 either sign.

use core::arch::x86_64::*;

use super::field::Field;
use super::point::{D, Niels};
use super::power::root_power;

/// A square root of −1.
pub(crate) const SQRT_M1: [u64; 5] = [
    1718705420411056,
    234908883556509,
    2233514472574048,
    2117202627021982,
    765476049583133,
];

/// Decodes N groups of eight encodings, as four words each. Lanes outside the mask that comes with
/// a group are no points; what they hold is on no curve.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn decode<const N: usize>(words: &[[__m512i; 4]; N]) -> [(Niels, __mmask8); N] {
    let one = Field::one();
    let y = words.each_ref().map(|words| Field::from_words(words));
    // x² = u/v with u = y² − 1 and v = dy² + 1.
    let yy = y.each_ref().map(|y| y.square());
    let u = yy.each_ref().map(|yy| yy.sub(&one));
    let v = yy
        .each_ref()
        .map(|yy| yy.mul_wide(&Field::splat(D)).plus(one.widen()).carry());
    // x = uv³ (uv⁷)^((p − 5)/8), up to a factor of √−1.
    let mut uv3 = u;
    let mut uv7 = u;
    for ((uv3, uv7), v) in uv3.iter_mut().zip(&mut uv7).zip(&v) {
        let v3 = v.square().mul(v);
        *uv3 = uv3.mul(&v3);
        *uv7 = uv3.mul(&v3.mul(v));
    }
    let power = root_power(&uv7);
    let mut decoded = [(
        Niels {
            plus: one,
            minus: one,
            t2d: one,
        },
        0,
    ); N];
    for (group, decoded) in decoded.iter_mut().enumerate() {
        let root = uv3[group].mul(&power[group]);
        let vxx = root.square().mul(&v[group]);
        let straight = vxx.sub(&u[group]).is_zero();
        let turned = vxx.add(&u[group]).is_zero();
        let x = root.blend(turned, root.mul(&Field::splat(SQRT_M1)));
        let x = x.freeze();
        let odd = _mm512_test_epi64_mask(x.0[0], _mm512_set1_epi64(1));
        let sign = _mm512_movepi64_mask(words[group][3]);
        let x = x.negate_where(odd ^ sign);
        *decoded = (Niels::new(&x, &y[group]), straight | turned);
    }
    decoded
}
