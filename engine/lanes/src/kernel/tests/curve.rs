use curve25519_dalek::Scalar;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::traits::IsIdentity;

use super::*;
use crate::kernel::buckets::{Buckets, MOST, PointRow};
use crate::kernel::comb::{self, Digits};
use crate::kernel::decode::decode;
use crate::kernel::field::Field;
use crate::kernel::point::{Niels, Point, halves_over_z};
use crate::kernel::rows::{load_32, store_32};

/// Honest points, points of small order, and sums of both.
fn points(count: usize, seed: u64) -> Vec<EdwardsPoint> {
    let mut rng = rng(seed);
    (0..count)
        .map(|at| {
            let scalar = Scalar::from_bytes_mod_order(random_bytes(&mut rng));
            let torsion = EIGHT_TORSION[rng.next_u32() as usize % 8];
            match at % 3 {
                0 => EdwardsPoint::mul_base(&scalar),
                1 => torsion,
                _ => EdwardsPoint::mul_base(&scalar) + torsion,
            }
        })
        .collect()
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn encodings(points: &[Point]) -> Vec<[u8; 32]> {
    let mut halves = vec![Field::zero(); points.len()];
    halves_over_z(points, &mut halves);
    let pairs = points.iter().zip(&halves);
    pairs
        .flat_map(|(point, half)| store_32(point.compress(half)))
        .collect()
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn niels(points: &[EdwardsPoint; 8]) -> Niels {
    let bytes = points.map(|point| point.compress().0);
    let [(niels, all)] = decode(&[load_32(bytes.each_ref())]);
    assert_eq!(all, 0xff);
    niels
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn point(points: &[EdwardsPoint; 8]) -> Point {
    Point::identity().add_niels(&niels(points))
}

fn encoded(points: impl IntoIterator<Item = EdwardsPoint>) -> Vec<[u8; 32]> {
    points.into_iter().map(|point| point.compress().0).collect()
}

#[test]
fn constants_are_what_they_say() {
    let value = |limbs: [u64; 5]| integer(&limbs, 51);
    let d = value(crate::kernel::point::D);
    assert_eq!((&d * 121666u32 + 121665u32) % p(), BigUint::ZERO);
    assert_eq!(value(crate::kernel::point::TWO_D), &d * 2u8 % p());
    assert_eq!(
        value(crate::kernel::point::HALF) * 2u8 % p(),
        BigUint::from(1u8)
    );
    let root = value(crate::kernel::decode::SQRT_M1);
    assert_eq!((&root * &root + 1u8) % p(), BigUint::ZERO);
}

in_lanes! {
    fn the_group_law_on_points_of_every_order() {
        let all = points(96, 1);
        let mut pairs: Vec<(EdwardsPoint, EdwardsPoint)> = Vec::new();
        for (at, p) in all.iter().enumerate() {
            pairs.extend([(*p, all[(at * 7 + 5) % all.len()]), (*p, *p), (*p, -p)]);
        }
        for p in EIGHT_TORSION {
            pairs.extend(EIGHT_TORSION.map(|q| (p, q)));
        }
        for eight in pairs.as_chunks::<8>().0 {
            let (p, q) = (eight.map(|pair| pair.0), eight.map(|pair| pair.1));
            let (x, y) = (point(&p), point(&q));
            // Also with a Z that is not 1.
            let turned = x.double().add(&y).add(&x.double());
            let sums = encodings(&[x.add_niels(&niels(&q)), x.add(&y), x.double(), turned]);
            assert_eq!(sums[..8], encoded(eight.map(|(p, q)| p + q)));
            assert_eq!(sums[8..16], encoded(eight.map(|(p, q)| p + q)));
            assert_eq!(sums[16..24], encoded(p.map(|p| p + p)));
            assert_eq!(sums[24..], encoded(eight.map(|(p, q)| p + p + p + p + q)));
            let identity = x.add(&y).is_identity();
            for (lane, (p, q)) in eight.iter().enumerate() {
                assert_eq!(identity & (1 << lane) != 0, (p + q).is_identity());
            }
        }
    }

    fn encodings_are_decoded_as_by_dalek() {
        let mut rng = rng(2);
        // Every y close to 0, p and 2^255, with both signs: all non-canonical ones are among them.
        let mut all: Vec<[u8; 32]> = Vec::new();
        for low in 0..=255u8 {
            for (middle, top) in [(0, 0), (0, 0x80), (0xff, 0x7f), (0xff, 0xff)] {
                let mut bytes = [middle; 32];
                (bytes[0], bytes[31]) = (low, top);
                all.push(bytes);
            }
        }
        all.extend(encoded(EIGHT_TORSION));
        all.extend((0..20_000).map(|_| random_bytes::<32>(&mut rng)));
        let mut decoded = 0;
        for sixteen in all.as_chunks::<16>().0 {
            let words: [[_; 4]; 2] = std::array::from_fn(|half| {
                load_32(sixteen.as_chunks::<8>().0[half].each_ref())
            });
            for (half, (niels, points)) in decode(&words).iter().enumerate() {
                let found = encodings(&[Point::identity().add_niels(niels)]);
                for lane in 0..8 {
                    let bytes = sixteen[8 * half + lane];
                    let expected = CompressedEdwardsY(bytes).decompress();
                    assert_eq!(points & (1 << lane) != 0, expected.is_some(), "{bytes:?}");
                    if let Some(expected) = expected {
                        assert_eq!(found[lane], expected.compress().0, "{bytes:?}");
                        decoded += 1;
                    }
                }
            }
        }
        assert!(decoded > 5_000);
    }

    fn multiples_of_the_base_point() {
        let mut rng = rng(3);
        let one = Scalar::ONE;
        let mut scalars = vec![Scalar::ZERO, one, -one, Scalar::from(63u8), Scalar::from(64u8)];
        for bit in 0..253 {
            let mut bytes = [0; 32];
            bytes[bit / 8] = 1 << (bit % 8);
            let power = Scalar::from_bytes_mod_order(bytes);
            scalars.extend([power, power - one, -power]);
        }
        scalars.extend((0..500).map(|_| Scalar::from_bytes_mod_order(random_bytes(&mut rng))));
        for scalars in scalars.chunks(24) {
            let row = |at: usize| scalars[at.min(scalars.len() - 1)].to_bytes();
            let digits: [Digits; 3] = std::array::from_fn(|group| {
                let rows: [[u8; 32]; 8] = std::array::from_fn(|lane| row(8 * group + lane));
                Digits::new(&load_32(rows.each_ref())).0
            });
            let mut points = [Point::identity(); 3];
            comb::multiply(&digits, &mut points);
            let found = encodings(&points);
            assert_eq!(found[..scalars.len()], encoded(scalars.iter().map(EdwardsPoint::mul_base)));
        }
    }

    fn buckets_add_up() {
        let mut rng = rng(4);
        let mut buckets = Buckets::new();
        let terms = points(64, 5);
        let mut rows = [PointRow::ZERO; 64];
        for (points, rows) in terms.as_chunks().0.iter().zip(rows.as_chunks_mut().0) {
            PointRow::store(&niels(points), rows);
        }
        for round in 0..30 {
            let digits: Vec<[i8; 8]> = rows.iter().map(|_| match round {
                0 => [0; 8],
                1 => [-128; 8],
                2 => [127, -127, 1, -1, 0, 64, -64, 2],
                3 => [8, -8, 1, -1, 0, 5, -5, 2],
                4.. => random_bytes::<8>(&mut rng).map(|byte| byte as i8),
            }).collect();
            let most = if round == 3 { 8 } else { MOST };
            let count = if round % 2 == 0 { 64 } else { round };
            let sum = buckets.sum(most, rows.iter().zip(digits.iter().copied()).take(count));
            let expected = (0..8).map(|lane| {
                let terms = terms.iter().zip(&digits).take(count);
                terms.map(|(point, digits)| {
                    let magnitude = Scalar::from(digits[lane].unsigned_abs());
                    if digits[lane] < 0 { -(magnitude * point) } else { magnitude * point }
                }).sum::<EdwardsPoint>()
            });
            assert_eq!(encodings(&[sum]), encoded(expected));
        }
        let eight: [EdwardsPoint; 8] = *terms.first_chunk().expect("64");
        for digit in 0..=8 {
            let scalar = Scalar::from(digit as u8);
            buckets.put(digit, &point(&eight.map(|point| scalar * point)));
        }
        for _ in 0..100 {
            let digits: [i8; 8] = std::array::from_fn(|_| (rng.next_u32() % 17) as i8 - 8);
            let expected = eight.iter().zip(digits).map(|(point, digit)| {
                let magnitude = Scalar::from(digit.unsigned_abs());
                if digit < 0 { -(magnitude * point) } else { magnitude * point }
            });
            let found = Point::identity().add(&buckets.get(digits));
            assert_eq!(encodings(&[found]), encoded(expected));
        }
    }

    fn rows_in_memory_negate_and_broadcast() {
        let eight: [EdwardsPoint; 8] = *points(8, 6).first_chunk().expect("8");
        let mut rows = [PointRow::ZERO; 8];
        PointRow::store(&niels(&eight), &mut rows);
        let negated = Point::identity().add_niels(&PointRow::load_negated(rows.each_ref()));
        assert_eq!(encodings(&[negated]), encoded(eight.map(|point| -point)));
        for (row, point) in rows.iter().zip(eight) {
            let all = Point::identity().add_niels(&row.broadcast(0b0110_1001));
            let expected = (0..8).map(|lane| if 0b0110_1001 & (1 << lane) != 0 { -point } else { point });
            assert_eq!(encodings(&[all]), encoded(expected));
        }
    }
}
