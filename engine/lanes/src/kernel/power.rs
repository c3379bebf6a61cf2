//! Fixed powers of field elements: several groups of eight at once, because one group's squarings
//! wait for each other.

use super::field::Field;
use crate::machine::{Machine, Work};

/// `x^(2^n)` of each, in a function of its own: a power has ten of these loops.
struct Squarings<'a, M: Machine, const N: usize>(&'a mut [Field<M>; N], u32);

impl<M: Machine, const N: usize> Work<M> for Squarings<'_, M, N> {
    type Out = ();

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, _: M) {
        let mut x = *self.0;
        for _ in 0..self.1 {
            for x in &mut x {
                *x = x.square_here();
            }
        }
        *self.0 = x;
    }
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn squarings<M: Machine, const N: usize>(
    machine: M,
    mut x: [Field<M>; N],
    n: u32,
) -> [Field<M>; N] {
    machine.run(Squarings(&mut x, n));
    x
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn products<M: Machine, const N: usize>(x: [Field<M>; N], y: &[Field<M>; N]) -> [Field<M>; N] {
    let mut products = x;
    for ((product, x), y) in products.iter_mut().zip(&x).zip(y) {
        product.set_product(x, y);
    }
    products
}

/// `x^(2^250 − 1)` and `x^11`.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn common<M: Machine, const N: usize>(
    machine: M,
    x: &[Field<M>; N],
) -> ([Field<M>; N], [Field<M>; N]) {
    let x2 = squarings(machine, *x, 1);
    let x9 = products(squarings(machine, x2, 2), x);
    let x11 = products(x9, &x2);
    let e5 = products(squarings(machine, x11, 1), &x9);
    let e10 = products(squarings(machine, e5, 5), &e5);
    let e20 = products(squarings(machine, e10, 10), &e10);
    let e40 = products(squarings(machine, e20, 20), &e20);
    let e50 = products(squarings(machine, e40, 10), &e10);
    let e100 = products(squarings(machine, e50, 50), &e50);
    let e200 = products(squarings(machine, e100, 100), &e100);
    (products(squarings(machine, e200, 50), &e50), x11)
}

/// `1/x = x^(p − 2)`, and 0 for 0. Takes loose, gives tight. The same steps for every input.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
pub(crate) fn invert<M: Machine>(machine: M, x: &Field<M>) -> Field<M> {
    let (e250, x11) = common(machine, &[*x]);
    products(squarings(machine, e250, 5), &x11)[0]
}

/// `x^((p − 5)/8)`, the power behind square roots. Takes loose, gives tight.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
pub(crate) fn root_power<M: Machine, const N: usize>(
    machine: M,
    x: &[Field<M>; N],
) -> [Field<M>; N] {
    let (e250, _) = common(machine, x);
    products(squarings(machine, e250, 2), x)
}
