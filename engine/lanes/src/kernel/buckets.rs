//! Pippenger's buckets, with a window of the scalars in each lane: every addition adds one point to
//! eight windows' buckets at once.
//!
//! A point is the same in all lanes, so it is broadcast from memory; the buckets differ, so eight
//! rows are loaded and transposed, added to, and transposed back. Shuffles and loads have ports to
//! spare beside the multiplications, which gather and scatter instructions would not leave.

use super::field::Field;
use super::point::{Half, Niels, Point};
use crate::machine::{Machine, Register, Tile, Vector, Work, five};

/// An affine point in memory: y + x, y − x, 2dxy, in five limbs each, tight; and a word that fills
/// two cache lines up.
pub(crate) type PointRow = [Tile; 2];

/// Eight signed digits: one window's in each lane.
pub(crate) type Row8 = [i8; 8];

/// A point in memory, as in [`Point`]: three cache lines, half of the last unused.
type BucketRow = [Tile; 3];

/// Largest magnitude of a digit.
pub(crate) const MOST: usize = 128;

/// Eight windows' buckets: row 8d + w is bucket d of window w. What has the digit 0 goes to bucket
/// 0, which nobody reads.
pub(crate) struct Buckets(Vec<BucketRow>);

/// Writes the eight lanes of a point to eight rows.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
pub(crate) fn store_niels<M: Machine>(niels: &Niels<M>, rows: &mut [PointRow; 8]) {
    let (a, b, c) = (niels.plus.0, niels.minus.0, niels.t2d.0);
    let zero = a[0].splat(0);
    let low = [a[0], a[1], a[2], a[3], a[4], b[0], b[1], b[2]];
    let high = [b[3], b[4], c[0], c[1], c[2], c[3], c[4], zero];
    let tiles = rows.as_flattened_mut();
    M::V::store_8x8(low, tiles, [0, 2, 4, 6, 8, 10, 12, 14]);
    M::V::store_8x8(high, tiles, [1, 3, 5, 7, 9, 11, 13, 15]);
}

/// Eight points from eight rows, negated.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
pub(crate) fn load_negated<M: Machine>(machine: M, rows: [&PointRow; 8]) -> Niels<M> {
    let low = machine.load_8x8(rows.map(|row| &row[0].0));
    let high = machine.load_8x8(rows.map(|row| &row[1].0));
    Niels {
        minus: Field([low[0], low[1], low[2], low[3], low[4]]),
        plus: Field([low[5], low[6], low[7], high[0], high[1]]),
        t2d: Field([high[2], high[3], high[4], high[5], high[6]]).negate(),
    }
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn word(row: &PointRow, at: usize) -> u64 {
    row[at / 8].0[at % 8]
}

/// A row's point in all lanes, negated in those of `negative`.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
pub(crate) fn broadcast<M: Machine>(
    machine: M,
    row: &PointRow,
    negative: <M::V as Vector>::Mask,
) -> Niels<M> {
    let plus = Field::<M>(five!(I => machine.splat(word(row, I))));
    let minus = Field::<M>(five!(I => machine.splat(word(row, 5 + I))));
    let t2d = Field::<M>(five!(I => machine.splat(word(row, 10 + I))));
    Niels {
        plus: plus.blend(negative, minus),
        minus: minus.blend(negative, plus),
        t2d: t2d.negate_where(negative),
    }
}

impl Buckets {
    pub(crate) fn new() -> Buckets {
        Buckets(vec![[Tile::ZERO; 3]; 8 * (MOST + 1)])
    }

    /// Empties the buckets of digits up to `most`.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn clear<M: Machine>(&mut self, machine: M, most: usize) {
        let mut empty = [[Tile::ZERO; 3]; 8];
        store_rows(
            &Point::identity(machine),
            &mut empty,
            [0, 1, 2, 3, 4, 5, 6, 7],
        );
        self.0[..8 * (most + 1)].fill(empty[0]);
    }

    /// Makes bucket `digit` of each window hold that lane's point.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn put<M: Machine>(&mut self, digit: usize, point: &Point<M>) {
        let first = 8 * digit;
        let rows = [
            first,
            first + 1,
            first + 2,
            first + 3,
            first + 4,
            first + 5,
            first + 6,
            first + 7,
        ];
        store_rows(point, &mut self.0, rows);
    }

    /// What [`Buckets::put`] put at each lane's digit, negated where that is negative. T is
    /// loose then.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(crate) fn get<M: Machine>(&self, machine: M, digits: Row8) -> Point<M> {
        let (at, negative) = places(digits);
        let point = load_rows(machine, at.map(|at| &self.0[at]));
        let negative = machine.splat(0).mask(negative);
        Point {
            plus: point.plus.blend(negative, point.minus),
            minus: point.minus.blend(negative, point.plus),
            z: point.z,
            t: point.t.negate_where(negative),
        }
    }
}

/// Σ digit · point in each window; no digit's magnitude is above `most`.
pub(crate) struct Sum<'a, T> {
    pub(crate) buckets: &'a mut Buckets,
    pub(crate) most: usize,
    pub(crate) terms: T,
}

impl<'p, M: Machine, T: Iterator<Item = (&'p PointRow, Row8)>> Work<M> for Sum<'_, T> {
    type Out = Point<M>;

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) -> Point<M> {
        let Sum {
            buckets,
            most,
            terms,
        } = self;
        buckets.clear(machine, most);
        let mut half = Half::new(Field::zero(machine));
        for (point, digits) in terms {
            let (at, negative) = places(digits);
            let mut bucket = load_rows(machine, at.map(|at| &buckets.0[at]));
            let negative = machine.splat(0).mask(negative);
            half.start_add_niels(&bucket, &broadcast(machine, point, negative));
            half.finish(&mut bucket);
            store_rows(&bucket, &mut buckets.0, at);
        }
        // Σ d·bucket_d, as a sum of sums from the top.
        let mut running = Point::identity(machine);
        let mut total = Point::identity(machine);
        for rows in buckets.0[8..8 * (most + 1)].as_chunks::<8>().0.iter().rev() {
            half.start_add(&running, &load_rows(machine, rows.each_ref()));
            half.finish(&mut running);
            half.start_add(&total, &running);
            half.finish(&mut total);
        }
        total
    }
}

/// The rows of eight digits' magnitudes, and which of the digits are negative.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn places(digits: Row8) -> ([usize; 8], u8) {
    let bits = u64::from_le_bytes(digits.map(|digit| digit as u8));
    // The top bit of each byte, moved to the top byte in their order.
    let tops = bits & 0x8080_8080_8080_8080;
    let negative = ((tops >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8;
    // Of a negative byte the magnitude is its complement and 1, which carries into no other byte.
    let all = (tops >> 7).wrapping_mul(0xff);
    let magnitudes = ((bits ^ all) + (tops >> 7)).to_le_bytes();
    let at = |lane: usize| 8 * usize::from(magnitudes[lane]) + lane;
    (
        [at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)],
        negative,
    )
}

/// Eight points from eight rows.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn load_rows<M: Machine>(machine: M, rows: [&BucketRow; 8]) -> Point<M> {
    let a = machine.load_8x8(rows.map(|row| &row[0].0));
    let b = machine.load_8x8(rows.map(|row| &row[1].0));
    let c = machine.load_8x4(rows.map(|row| &row[2].0.as_chunks().0[0]));
    Point {
        plus: Field([a[0], a[1], a[2], a[3], a[4]]),
        minus: Field([a[5], a[6], a[7], b[0], b[1]]),
        z: Field([b[2], b[3], b[4], b[5], b[6]]),
        t: Field([b[7], c[0], c[1], c[2], c[3]]),
    }
}

/// Eight points to eight rows.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn store_rows<M: Machine>(point: &Point<M>, rows: &mut [BucketRow], at: [usize; 8]) {
    let (p, m, z, t) = (point.plus.0, point.minus.0, point.z.0, point.t.0);
    let tiles = rows.as_flattened_mut();
    let a = [p[0], p[1], p[2], p[3], p[4], m[0], m[1], m[2]];
    M::V::store_8x8(a, tiles, at.map(|row| 3 * row));
    let b = [m[3], m[4], z[0], z[1], z[2], z[3], z[4], t[0]];
    M::V::store_8x8(b, tiles, at.map(|row| 3 * row + 1));
    M::V::store_8x4([t[1], t[2], t[3], t[4]], tiles, at.map(|row| 3 * row + 2));
}
