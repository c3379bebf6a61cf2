//! Multiscalar multiplication: sums of points times 16 digits each.

use core::arch::x86_64::*;

use super::buckets::{Buckets, MOST, PointRow, Row8};
use super::point::Point;

/// How 16 digits of radix 256 are worked off.
#[derive(Clone, Copy)]
pub(super) enum Window {
    /// As they are: fewest additions a point.
    Eight,
    /// Halved to 32 of radix 16: fewest buckets.
    Four,
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
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(super) fn sum<'a, I: Iterator<Item = (&'a PointRow, &'a [i8; 16])>>(
        self,
        above: Point,
        buckets: &mut Buckets,
        terms: impl Fn() -> I,
    ) -> Point {
        let mut sum = above;
        let bits = match self {
            Window::Eight => {
                for vector in [1, 0] {
                    sum = sum.double_times(64);
                    sum = sum.add(&buckets.sum(
                        MOST,
                        terms().map(|(point, digits)| (point, digits.as_chunks::<8>().0[vector])),
                    ));
                }
                8
            }
            Window::Four => {
                for vector in [3, 2, 1, 0] {
                    sum = sum.double_times(32);
                    sum = sum.add(&buckets.sum(
                        8,
                        terms().map(|(point, digits)| {
                            (point, nibbles(digits.as_chunks::<4>().0[vector]))
                        }),
                    ));
                }
                4
            }
        };
        // Lane i counts 2^(i·bits) times: pairs, pairs of pairs, and both fours.
        for distance in [1, 2, 4] {
            let from = _mm512_set1_epi64(distance);
            let lanes = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
            let shifted = sum.double_times(bits * distance as u32);
            sum = sum.add(&shifted.permute(_mm512_add_epi64(lanes, from)));
        }
        Point::identity().blend(1, &sum)
    }
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
