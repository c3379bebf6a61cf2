//! Multiscalar multiplication: sums of points times 16 digits each.

use super::buckets::{Buckets, MOST, PointRow, Row8, Sum};
use super::field::Field;
use super::point::Point;
use crate::machine::{Machine, Vector};

/// How 16 digits of radix 256 are worked off.
#[derive(Clone, Copy)]
pub(super) enum Window {
    /// As they are: fewest additions a point.
    Eight,
    /// Halved to 32 of radix 16: fewest buckets.
    Four,
}

/// Points and the 16 digits that each is to be taken times. One type, so that the sum over them is
/// compiled once for each machine.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    /// Places in the next two.
    pub(super) items: &'a [u32],
    pub(super) points: &'a [PointRow],
    pub(super) coefficients: &'a [[i8; 16]],
    /// One for each scalar.
    pub(super) keys: &'a [PointRow],
    pub(super) key_scalars: &'a [[i8; 32]],
    /// Which half of the keys' scalars, the lower one first.
    pub(super) half: usize,
}

impl Window {
    /// The window with fewer additions in all: a point costs two vectors of eight windows against
    /// four, and the buckets 2 · 128 full additions for each of two vectors against 2 · 8 for
    /// each of four; a full addition is 9 multiplications against 7.
    pub(super) fn for_points(points: usize) -> Window {
        if 14 * points + 9 * 512 < 28 * points + 9 * 64 {
            Window::Eight
        } else {
            Window::Four
        }
    }

    /// `2^128 · above + Σ digits · point` in lane 0; `above` is in lane 0, with the neutral element
    /// in the others.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(super) fn sum<M: Machine>(
        self,
        machine: M,
        above: Point<M>,
        buckets: &mut Buckets,
        terms: &Terms<'_>,
    ) -> Point<M> {
        let (vectors, bits, most) = match self {
            Window::Eight => (2, 8, MOST),
            Window::Four => (4, 4, 8),
        };
        let mut sum = above;
        for vector in (0..vectors).rev() {
            sum = sum.double_times(machine, 8 * bits);
            let rows = terms.iter();
            sum = sum.add(&machine.run(Sum {
                buckets: &mut *buckets,
                most,
                terms: rows.map(|(point, digits)| (point, self.row(digits, vector))),
            }));
        }
        // Lane i counts 2^(i·bits) times: pairs, pairs of pairs, and both fours.
        for distance in [1, 2, 4] {
            let shifted = sum.double_times(machine, bits * distance);
            sum = sum.add(&down(machine, shifted, distance as usize));
        }
        Point::identity(machine).blend(machine.splat(0).mask(1), &sum)
    }

    /// Eight windows of a scalar.
    #[inline]
    fn row(self, digits: &[i8; 16], vector: usize) -> Row8 {
        match self {
            Window::Eight => digits.as_chunks::<8>().0[vector],
            Window::Four => nibbles(digits.as_chunks::<4>().0[vector]),
        }
    }
}

impl<'a> Terms<'a> {
    #[inline]
    fn iter(&self) -> impl Iterator<Item = (&'a PointRow, &'a [i8; 16])> + use<'a> {
        let Terms {
            items,
            points,
            coefficients,
            keys,
            key_scalars,
            half,
        } = *self;
        let items = items
            .iter()
            .map(move |&item| (&points[item as usize], &coefficients[item as usize]));
        let keys = keys.iter().zip(key_scalars);
        items.chain(keys.map(move |(point, digits)| (point, &digits.as_chunks::<16>().0[half])))
    }
}

/// Lane i holds what was in lane i + `distance`, around the end.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn down<M: Machine>(machine: M, point: Point<M>, distance: usize) -> Point<M> {
    Point {
        plus: down_limbs(machine, point.plus, distance),
        minus: down_limbs(machine, point.minus, distance),
        z: down_limbs(machine, point.z, distance),
        t: down_limbs(machine, point.t, distance),
    }
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn down_limbs<M: Machine>(machine: M, field: Field<M>, distance: usize) -> Field<M> {
    let mut limbs = field.0;
    for limb in &mut limbs {
        let mut lanes = [0; 8];
        limb.store(&mut lanes);
        lanes.rotate_left(distance);
        *limb = machine.load(&lanes);
    }
    Field(limbs)
}

/// Four signed digits of radix 256 as eight of radix 16, from −8 to 8.
#[inline]
fn nibbles(digits: [i8; 4]) -> Row8 {
    let mut halves = [0; 8];
    for (halves, digit) in halves.as_chunks_mut::<2>().0.iter_mut().zip(digits) {
        *halves = halves_of(digit);
    }
    halves
}

/// A signed digit of radix 256 as two of radix 16, from −8 to 8, the lower first.
#[inline]
pub(super) fn halves_of(digit: i8) -> [i8; 2] {
    let low = (digit << 4) >> 4;
    [low, ((i16::from(digit) - i16::from(low)) >> 4) as i8]
}
