//! Pippenger's buckets, with a window of the scalars in each lane: every addition adds one point to
//! eight windows' buckets at once.
//!
//! A point is the same in all lanes, so it is broadcast from memory; the buckets differ, so eight
//! rows are loaded and transposed, added to, and transposed back. Shuffles and loads have ports to
//! spare beside the multiplications, which gather and scatter instructions would not leave.

use core::arch::x86_64::*;

use super::field::Field;
use super::point::{Niels, Point};
use super::rows::{load, load_15, load_half, pair, store, store_15, store_half, transpose};
use super::rows::{transpose_half, transpose_half_back};

/// An affine point in memory: y + x, y − x, 2dxy, in five limbs each, tight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PointRow(pub(crate) [u64; 15]);

/// Eight signed digits: one window's in each lane.
pub(crate) type Row8 = [i8; 8];

/// A point in memory, as in [`Point`]: three cache lines.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct BucketRow([u64; 24]);

/// Largest magnitude of a digit.
pub(crate) const MOST: usize = 128;

/// Eight windows' buckets: row 8d + w is bucket d of window w. What has the digit 0 goes to bucket
/// 0, which nobody reads.
pub(crate) struct Buckets(Vec<BucketRow>);

impl PointRow {
    pub(crate) const ZERO: PointRow = PointRow([0; 15]);

    /// Writes the eight lanes of a point to eight rows.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn store(niels: &Niels, rows: &mut [PointRow; 8]) {
        let (a, b, c) = (niels.plus.0, niels.minus.0, niels.t2d.0);
        let low = transpose([a[0], a[1], a[2], a[3], a[4], b[0], b[1], b[2]]);
        let zero = _mm512_setzero_si512();
        let high = transpose([b[3], b[4], c[0], c[1], c[2], c[3], c[4], zero]);
        for ((row, low), high) in rows.iter_mut().zip(low).zip(high) {
            store_15([low, high], &mut row.0);
        }
    }

    /// Eight points from eight rows, negated.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn load_negated(rows: [&PointRow; 8]) -> Niels {
        let rows = rows.map(|row| load_15(&row.0));
        let low = transpose(rows.map(|[low, _]| low));
        let high = transpose(rows.map(|[_, high]| high));
        Niels {
            minus: Field([low[0], low[1], low[2], low[3], low[4]]),
            plus: Field([low[5], low[6], low[7], high[0], high[1]]),
            t2d: Field([high[2], high[3], high[4], high[5], high[6]]).negate(),
        }
    }

    /// The point in all lanes, negated in those of `negative`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn broadcast(&self, negative: __mmask8) -> Niels {
        let field = |first: usize| {
            Field([0, 1, 2, 3, 4].map(|at| _mm512_set1_epi64(self.0[first + at] as i64)))
        };
        let (plus, minus, t2d) = (field(0), field(5), field(10));
        Niels {
            plus: plus.blend(negative, minus),
            minus: minus.blend(negative, plus),
            t2d: t2d.negate_where(negative),
        }
    }
}

impl Buckets {
    pub(crate) fn new() -> Buckets {
        Buckets(vec![BucketRow([0; 24]); 8 * (MOST + 1)])
    }

    /// Empties the buckets of digits up to `most`.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn clear(&mut self, most: usize) {
        let mut empty = [0; 24];
        // Y + X, Y − X, Z and T of the neutral element.
        (empty[0], empty[5], empty[10]) = (1, 1, 1);
        self.0[..8 * (most + 1)].fill(BucketRow(empty));
    }

    /// Σ digit · point in each window; no digit's magnitude is above `most`.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn sum<'a>(
        &mut self,
        most: usize,
        terms: impl Iterator<Item = (&'a PointRow, Row8)>,
    ) -> Point {
        self.clear(most);
        for (point, digits) in terms {
            self.add(point, digits);
        }
        // Σ d·bucket_d, as a sum of sums from the top.
        let mut running = Point::identity();
        let mut total = Point::identity();
        for rows in self.0[8..8 * (most + 1)].as_chunks::<8>().0.iter().rev() {
            running = running.add(&load_rows(&rows.each_ref().map(|row| &row.0)));
            total = total.add(&running);
        }
        total
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn add(&mut self, point: &PointRow, digits: Row8) {
        let (at, negative) = places(digits);
        let bucket = load_rows(&at.map(|at| &self.0[at].0));
        let sum = bucket.add_niels(&point.broadcast(negative));
        store_rows(&sum, &mut self.0, &at);
    }

    /// Makes bucket `digit` of each window hold that lane's point.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn put(&mut self, digit: usize, point: &Point) {
        store_rows(
            point,
            &mut self.0,
            &std::array::from_fn(|lane| 8 * digit + lane),
        );
    }

    /// What [`Buckets::put`] put at each lane's digit, negated where that is negative. T is
    /// loose then.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(crate) fn get(&self, digits: Row8) -> Point {
        let (at, negative) = places(digits);
        let point = load_rows(&at.map(|at| &self.0[at].0));
        Point {
            plus: point.plus.blend(negative, point.minus),
            minus: point.minus.blend(negative, point.plus),
            z: point.z,
            t: point.t.negate_where(negative),
        }
    }
}

/// The rows of eight digits' magnitudes, and which of the digits are negative.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn places(digits: Row8) -> ([usize; 8], __mmask8) {
    let digits = _mm_cvtsi64_si128(i64::from_le_bytes(digits.map(|digit| digit as u8)));
    let magnitudes = _mm_cvtsi128_si64(_mm_abs_epi8(digits)).to_le_bytes();
    let at = std::array::from_fn(|lane| 8 * usize::from(magnitudes[lane]) + lane);
    (at, _mm_movepi8_mask(digits) as u8)
}

/// Eight points from eight rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn load_rows(rows: &[&[u64; 24]; 8]) -> Point {
    let chunk = |lane: usize, at: usize| &rows[lane].as_chunks::<8>().0[at];
    let a = transpose([0, 1, 2, 3, 4, 5, 6, 7].map(|lane| load(chunk(lane, 0))));
    let b = transpose([0, 1, 2, 3, 4, 5, 6, 7].map(|lane| load(chunk(lane, 1))));
    let half = |lane: usize| load_half(&rows[lane].as_chunks::<4>().0[4]);
    let c = transpose_half([0, 1, 2, 3].map(|lane| pair(half(lane), half(lane + 4))));
    Point {
        plus: Field([a[0], a[1], a[2], a[3], a[4]]),
        minus: Field([a[5], a[6], a[7], b[0], b[1]]),
        z: Field([b[2], b[3], b[4], b[5], b[6]]),
        t: Field([b[7], c[0], c[1], c[2], c[3]]),
    }
}

/// Eight points to eight rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn store_rows(point: &Point, rows: &mut [BucketRow], at: &[usize; 8]) {
    let (p, m, z, t) = (point.plus.0, point.minus.0, point.z.0, point.t.0);
    let a = transpose([p[0], p[1], p[2], p[3], p[4], m[0], m[1], m[2]]);
    let b = transpose([m[3], m[4], z[0], z[1], z[2], z[3], z[4], t[0]]);
    let c = transpose_half_back([t[1], t[2], t[3], t[4]]);
    for (lane, at) in at.iter().enumerate() {
        let row = &mut rows[*at].0;
        let (eights, _) = row.as_chunks_mut::<8>();
        store(a[lane], &mut eights[0]);
        store(b[lane], &mut eights[1]);
        let half = match lane {
            0..4 => _mm512_castsi512_si256(c[lane]),
            _ => _mm512_extracti64x4_epi64::<1>(c[lane - 4]),
        };
        store_half(half, &mut row.as_chunks_mut::<4>().0[4]);
    }
}
