//! Fixed powers of field elements: several groups of eight at once, because one group's squarings
//! wait for each other.

use super::field::Field;

/// `x^(2^n)` of each.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn squarings<const N: usize>(mut x: [Field; N], n: u32) -> [Field; N] {
    for _ in 0..n {
        for x in &mut x {
            *x = x.square();
        }
    }
    x
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn products<const N: usize>(mut x: [Field; N], y: &[Field; N]) -> [Field; N] {
    for (x, y) in x.iter_mut().zip(y) {
        *x = x.mul(y);
    }
    x
}

/// `x^(2^250 − 1)` and `x^11`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn common<const N: usize>(x: &[Field; N]) -> ([Field; N], [Field; N]) {
    let x2 = squarings(*x, 1);
    let x9 = products(squarings(x2, 2), x);
    let x11 = products(x9, &x2);
    let e5 = products(squarings(x11, 1), &x9);
    let e10 = products(squarings(e5, 5), &e5);
    let e20 = products(squarings(e10, 10), &e10);
    let e40 = products(squarings(e20, 20), &e20);
    let e50 = products(squarings(e40, 10), &e10);
    let e100 = products(squarings(e50, 50), &e50);
    let e200 = products(squarings(e100, 100), &e100);
    (products(squarings(e200, 50), &e50), x11)
}

/// `1/x = x^(p − 2)`, and 0 for 0. Takes loose, gives tight. The same steps for every input.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn invert(x: &Field) -> Field {
    let (e250, x11) = common(&[*x]);
    products(squarings(e250, 5), &x11)[0]
}

/// `x^((p − 5)/8)`, the power behind square roots. Takes loose, gives tight.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn root_power<const N: usize>(x: &[Field; N]) -> [Field; N] {
    let (e250, _) = common(x);
    products(squarings(e250, 2), x)
}
