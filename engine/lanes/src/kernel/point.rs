//! Eight points of edwards25519 (−x² + y² = 1 + d x² y²) side by side.
//!
//! The unified formulas of Hisil, Wong, Carter and Dawson (2008) for a = −1: complete, so that no
//! input, of whatever order, is an exception. A point keeps Y + X and Y − X instead of X and Y:
//! that is what the formulas take, and made before the carry it costs nothing.

use zeroize::Zeroize;

use super::field::{Field, Frozen, Wide};
use super::power::invert;
use crate::machine::{Limbs, Machine, Tile, Vector, Work};

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
#[repr(C)]
pub(crate) struct Point<M: Machine> {
    pub(crate) plus: Field<M>,
    pub(crate) minus: Field<M>,
    pub(crate) z: Field<M>,
    pub(crate) t: Field<M>,
}

/// An affine point as the second operand of an addition: (y + x, y − x, 2dxy). `t2d` may be loose.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Niels<M: Machine> {
    pub(crate) plus: Field<M>,
    pub(crate) minus: Field<M>,
    pub(crate) t2d: Field<M>,
}

/// Where a point is half way through an addition: x = E/G, y = H/F. What comes next waits for all
/// of it, so that another addition's first half may be put in between.
#[derive(Clone, Copy)]
pub(crate) struct Half<M: Machine> {
    e: Field<M>,
    f: Field<M>,
    g: Field<M>,
    h: Field<M>,
    products: [Wide<M>; 2],
}

impl<M: Machine> Point<M> {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn identity(machine: M) -> Point<M> {
        Point {
            plus: Field::one(machine),
            minus: Field::one(machine),
            z: Field::one(machine),
            t: Field::zero(machine),
        }
    }

    /// `P + Q`, Q affine: 7 multiplications.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn add_niels(&self, q: &Niels<M>) -> Point<M> {
        let mut half = Half::new(self.z);
        half.start_add_niels(self, q);
        let mut sum = *self;
        half.finish(&mut sum);
        sum
    }

    /// `P + Q`: 9 multiplications.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn add(&self, q: &Point<M>) -> Point<M> {
        let mut half = Half::new(self.z);
        half.start_add(self, q);
        let mut sum = *self;
        half.finish(&mut sum);
        sum
    }

    /// `2P`: 5 multiplications and 3 squarings.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn double(&self) -> Point<M> {
        let mut twice = *self;
        self.start_double().finish(&mut twice);
        twice
    }

    /// The first half of `2P`. With P± = (Y ± X)² the textbook's E, F, G, H are, all doubled:
    /// P+ − P−, G − 4Z², 2(Y² − X²), −(P+ + P−). T is not asked for.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn start_double(&self) -> Half<M> {
        let pp = self.plus.square_wide();
        let mm = self.minus.square_wide();
        let e = pp.biased().minus(mm).carry();
        let h = Wide::zero(pp).biased().minus(pp.plus(mm)).carry();
        let pm = self.plus.mul_wide(&self.minus);
        let g = pm.plus(pm).carry();
        let zz = self.z.square().widen();
        let zz = zz.plus(zz);
        let f = g.widen().biased().minus(zz.plus(zz)).carry();
        Half {
            e,
            f,
            g,
            h,
            products: [zz; 2],
        }
    }

    /// `2^n · P`.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn double_times(mut self, machine: M, n: u32) -> Point<M> {
        machine.run(Doublings(&mut self, n));
        self
    }

    /// Which lanes are the neutral element: X = 0 and Y = Z.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn is_identity(&self) -> <M::V as Vector>::Mask {
        self.plus.sub(&self.minus).is_zero() & {
            let twice_y = self.plus.add(&self.minus);
            let twice_z = self.z.add(&self.z);
            twice_y.sub(&twice_z).is_zero()
        }
    }

    /// `other` in the lanes of `mask`, `self` elsewhere.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn blend(&self, mask: <M::V as Vector>::Mask, other: &Point<M>) -> Point<M> {
        Point {
            plus: self.plus.blend(mask, other.plus),
            minus: self.minus.blend(mask, other.minus),
            z: self.z.blend(mask, other.z),
            t: self.t.blend(mask, other.t),
        }
    }

    /// x and y, tight, given `1/(2Z)`.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn affine(&self, half_over_z: &Field<M>) -> (Field<M>, Field<M>) {
        let plus = self.plus.mul_wide(half_over_z);
        let minus = self.minus.mul_wide(half_over_z);
        let (y, x) = plus.both(&minus);
        (x, y)
    }

    /// The 32 bytes of each point as four words (RFC 8032, 5.1.2), given `1/(2Z)`.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn compress(&self, half_over_z: &Field<M>) -> [M::V; 4] {
        let (x, y) = self.affine(half_over_z);
        encode(&x.freeze(), &y)
    }
}

/// The 32 bytes of each point as four words (RFC 8032, 5.1.2): y, and the sign of a frozen x.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
pub(crate) fn encode<M: Machine>(x: &Frozen<M>, y: &Field<M>) -> [M::V; 4] {
    let mut words = y.to_words();
    words[3] = words[3] | x.parity();
    words
}

impl<M: Machine> Half<M> {
    /// Anything.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn new(any: Field<M>) -> Half<M> {
        Half {
            e: any,
            f: any,
            g: any,
            h: any,
            products: [any.widen(); 2],
        }
    }

    /// The first 3 multiplications of `P + Q`.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn start_add_niels(&mut self, p: &Point<M>, q: &Niels<M>) {
        let [c, _] = &mut self.products;
        c.set_product(&p.t, &q.t2d);
        p.z.both_of_twice_to(c, &mut self.g, &mut self.f);
        self.start(p, &q.plus, &q.minus);
    }

    /// The first 5 multiplications of `P + Q`.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn start_add(&mut self, p: &Point<M>, q: &Point<M>) {
        let [c, _] = &mut self.products;
        // E and H wait until these were taken.
        self.e.set_product(&q.t, &q.t.constant(TWO_D));
        c.set_product(&p.t, &self.e);
        self.h.set_product(&p.z, &q.z);
        self.h.both_of_twice_to(c, &mut self.g, &mut self.f);
        self.start(p, &q.plus, &q.minus);
    }

    /// H and E.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn start(&mut self, p: &Point<M>, plus: &Field<M>, minus: &Field<M>) {
        let [a, b] = &mut self.products;
        a.set_product(&p.minus, minus);
        b.set_product(&p.plus, plus);
        b.both_to(a, &mut self.h, &mut self.e);
    }

    /// `X = EF, Y = GH, Z = FG, T = EH`.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn finish(&mut self, sum: &mut Point<M>) {
        sum.t.set_product(&self.e, &self.h);
        self.finish_without_t(sum);
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn finish_without_t(&mut self, sum: &mut Point<M>) {
        let Half {
            e,
            f,
            g,
            h,
            products,
        } = self;
        sum.z.set_product(f, g);
        let [x, y] = products;
        x.set_product(e, f);
        y.set_product(g, h);
        y.both_to(x, &mut sum.plus, &mut sum.minus);
    }
}

impl<M: Machine> Niels<M> {
    /// From its limbs where they are.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn of(limbs: &Limbs<M::V>) -> &Niels<M> {
        const {
            assert!(size_of::<Niels<M>>() == size_of::<Limbs<M::V>>());
            assert!(align_of::<Niels<M>>() == align_of::<Limbs<M::V>>());
        }
        // SAFETY: both are fifteen vectors in the same order.
        unsafe { &*std::ptr::from_ref(limbs).cast() }
    }

    /// From affine coordinates, loose.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn new(x: &Field<M>, y: &Field<M>) -> Niels<M> {
        let (plus, minus) = y.widen().both(&x.widen());
        Niels {
            plus,
            minus,
            t2d: x.mul(y).times(TWO_D),
        }
    }

    /// `−P`: t2d, which must be tight, becomes loose.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn negate(&self) -> Niels<M> {
        Niels {
            plus: self.minus,
            minus: self.plus,
            t2d: self.t2d.negate(),
        }
    }
}

/// Doubles so many times, in a function of its own. Only the last doubling makes T, which the
/// others do not take: 4 multiplications and 3 squarings.
struct Doublings<'a, M: Machine>(&'a mut Point<M>, u32);

impl<M: Machine> Work<M> for Doublings<'_, M> {
    type Out = ();

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, _: M) {
        let Doublings(point, n) = self;
        for _ in 1..n {
            point.start_double().finish_without_t(point);
        }
        if n > 0 {
            *point = point.double();
        }
    }
}

/// Eight points in memory.
#[derive(Clone, Copy, Zeroize)]
#[repr(C)]
pub(crate) struct PointTiles {
    plus: [Tile; 5],
    minus: [Tile; 5],
    z: [Tile; 5],
    t: [Tile; 5],
}

impl PointTiles {
    pub(crate) const ZERO: PointTiles = PointTiles {
        plus: [Tile::ZERO; 5],
        minus: [Tile::ZERO; 5],
        z: [Tile::ZERO; 5],
        t: [Tile::ZERO; 5],
    };

    #[cfg(test)]
    pub(crate) fn is_zero(&self) -> bool {
        let fields = [self.plus, self.minus, self.z, self.t];
        fields.as_flattened().iter().all(|tile| tile.0 == [0; 8])
    }

    /// The points where they are.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn place<M: Machine>(&mut self, _: M) -> &mut Point<M> {
        const {
            assert!(size_of::<Point<M>>() == size_of::<PointTiles>());
            assert!(align_of::<Point<M>>() <= align_of::<PointTiles>());
        }
        // SAFETY: both are twenty vectors in the same order, which lie in memory as their words do
        // and may hold any, as every `Vector` says; the machine is proof of its instructions.
        unsafe { &mut *std::ptr::from_mut(self).cast() }
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn load<M: Machine>(&self, machine: M) -> Point<M> {
        Point {
            plus: Field::load(machine, &self.plus),
            minus: Field::load(machine, &self.minus),
            z: Field::load(machine, &self.z),
            t: Field::load(machine, &self.t),
        }
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn store<M: Machine>(&mut self, point: &Point<M>) {
        point.plus.store(&mut self.plus);
        point.minus.store(&mut self.minus);
        point.z.store(&mut self.z);
        point.t.store(&mut self.t);
    }
}

/// `1/(2Z)` for each Z, with one inversion for all (Montgomery's trick). A Z of zero, which no
/// point has, would spoil the rest.
pub(crate) struct HalvesOverZ<'a>(pub(crate) &'a [PointTiles], pub(crate) &'a mut [[Tile; 5]]);

impl<M: Machine> Work<M> for HalvesOverZ<'_> {
    type Out = ();

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) {
        let HalvesOverZ(points, out) = self;
        let mut product = Field::one(machine);
        for (point, out) in points.iter().zip(&mut *out) {
            product.store(out);
            product = product.mul(&Field::load(machine, &point.z));
        }
        let mut inverse = invert(machine, &product).times(HALF);
        // The inverse of all Z so far, halved; each step takes one off.
        for (point, out) in points.iter().zip(&mut *out).rev() {
            Field::load(machine, out).mul(&inverse).store(out);
            inverse = inverse.mul(&Field::load(machine, &point.z));
        }
    }
}
