//! Decoding points as ZIP 215 says: any y of 255 bits, reduced mod p, and for x = 0 either sign.

use super::field::Field;
use super::point::{D, Niels};
use super::power::root_power;
use crate::machine::{Machine, Vector, Work};

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
pub(crate) struct Decode<'a, M: Machine, const N: usize>(pub(crate) &'a [[M::V; 4]; N]);

impl<M: Machine, const N: usize> Work<M> for Decode<'_, M, N> {
    type Out = [(Niels<M>, <M::V as Vector>::Mask); N];

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) -> Self::Out {
        let words = self.0;
        let one = Field::one(machine);
        let d = Field::splat(machine, D);
        // x² = u/v with u = y² − 1 and v = dy² + 1.
        let (mut y, mut u, mut v) = ([one; N], [one; N], [one; N]);
        // x = uv³ (uv⁷)^((p − 5)/8), up to a factor of √−1.
        let (mut uv3, mut uv7) = ([one; N], [one; N]);
        for group in 0..N {
            y[group] = Field::from_words(&words[group]);
            let yy = y[group].square();
            u[group] = yy.sub(&one);
            v[group] = yy.mul_wide(&d).plus(one.widen()).carry();
            let vv = v[group].square();
            let (mut v3, mut v4) = (vv, vv);
            v3.set_product(&vv, &v[group]);
            v4.set_product(&v3, &v[group]);
            uv3[group].set_product(&u[group], &v3);
            uv7[group].set_product(&uv3[group], &v4);
        }
        let power = root_power(machine, &uv7);
        let neutral = Niels {
            plus: one,
            minus: one,
            t2d: one,
        };
        let mut decoded = [(neutral, machine.splat(0).tops()); N];
        for group in 0..N {
            let root = uv3[group].mul(&power[group]);
            let vxx = root.square().mul(&v[group]);
            let straight = vxx.sub(&u[group]).is_zero();
            let turned = vxx.add(&u[group]).is_zero();
            let x = root.blend(turned, root.times(SQRT_M1)).freeze();
            let odd = x.parity().tops();
            let sign = words[group][3].tops();
            let x = x.thaw().negate_where(odd ^ sign);
            decoded[group] = (Niels::new(&x, &y[group]), straight | turned);
        }
        decoded
    }
}
