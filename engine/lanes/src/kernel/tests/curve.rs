use curve25519_dalek::Scalar;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::traits::IsIdentity;

use super::*;
use crate::kernel::buckets::{self, Buckets, MOST, PointRow, broadcast, load_negated, store_niels};
use crate::kernel::comb;
use crate::kernel::decode::Decode;
use crate::kernel::field::Field;
use crate::kernel::point::{HalvesOverZ, Niels, Point, PointTiles};
use crate::machine::{Mask, Tile};

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

fn encodings<M: Machine>(machine: M, points: &[Point<M>]) -> Vec<[u8; 32]> {
    let mut tiles = vec![PointTiles::ZERO; points.len()];
    for (to, point) in tiles.iter_mut().zip(points) {
        to.store(point);
    }
    let mut halves = vec![[Tile::ZERO; 5]; points.len()];
    machine.run(HalvesOverZ(&tiles, &mut halves));
    let pairs = points.iter().zip(&halves);
    pairs
        .flat_map(|(point, half)| M::V::store_32(point.compress(&Field::load(machine, half))))
        .collect()
}

fn niels<M: Machine>(machine: M, points: &[EdwardsPoint; 8]) -> Niels<M> {
    let bytes = points.map(|point| point.compress().0);
    let [(niels, all)] = machine.run(Decode(&[machine.load_32(bytes.each_ref())]));
    assert_eq!(all.bits(), 0xff);
    niels
}

fn point<M: Machine>(machine: M, points: &[EdwardsPoint; 8]) -> Point<M> {
    Point::identity(machine).add_niels(&niels(machine, points))
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

on_all! {
    fn the_group_law_on_points_of_every_order<M>(machine) {
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
            let (x, y) = (point(machine, &p), point(machine, &q));
            // Also with a Z that is not 1.
            let turned = x.double().add(&y).add(&x.double());
            let sums = encodings(machine, &[x.add_niels(&niels(machine, &q)), x.add(&y), x.double(), turned]);
            assert_eq!(sums[..8], encoded(eight.map(|(p, q)| p + q)));
            assert_eq!(sums[8..16], encoded(eight.map(|(p, q)| p + q)));
            assert_eq!(sums[16..24], encoded(p.map(|p| p + p)));
            assert_eq!(sums[24..], encoded(eight.map(|(p, q)| p + p + p + p + q)));
            let identity = x.add(&y).is_identity().bits();
            for (lane, (p, q)) in eight.iter().enumerate() {
                assert_eq!(identity & (1 << lane) != 0, (p + q).is_identity());
            }
        }
    }

    fn encodings_are_decoded_as_by_dalek<M>(machine) {
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
                machine.load_32(sixteen.as_chunks::<8>().0[half].each_ref())
            });
            for (half, (niels, points)) in machine.run(Decode(&words)).iter().enumerate() {
                let points = points.bits();
                let found = encodings(machine, &[Point::identity(machine).add_niels(niels)]);
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

    fn multiples_of_the_base_point<M>(machine) {
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
            let digits: [comb::Digits; 3] = std::array::from_fn(|group| {
                let rows: [[u8; 32]; 8] = std::array::from_fn(|lane| row(8 * group + lane));
                comb::digits(machine, &machine.load_32(rows.each_ref())).0
            });
            let mut points = [PointTiles::ZERO; 3];
            machine.run(comb::Multiply(&digits, &mut points));
            let found = encodings(machine, &points.each_ref().map(|tiles| tiles.load(machine)));
            assert_eq!(found[..scalars.len()], encoded(scalars.iter().map(EdwardsPoint::mul_base)));
        }
    }

    fn buckets_add_up<M>(machine) {
        let mut rng = rng(4);
        let mut buckets = Buckets::new();
        let terms = points(64, 5);
        let mut rows: [PointRow; 64] = [[Tile::ZERO; 2]; 64];
        for (points, rows) in terms.as_chunks().0.iter().zip(rows.as_chunks_mut().0) {
            store_niels(&niels(machine, points), rows);
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
            let sum = machine.run(buckets::Sum {
                buckets: &mut buckets,
                most,
                terms: rows.iter().zip(digits.iter().copied()).take(count),
            });
            let expected = (0..8).map(|lane| {
                let terms = terms.iter().zip(&digits).take(count);
                terms.map(|(point, digits)| {
                    let magnitude = Scalar::from(digits[lane].unsigned_abs());
                    if digits[lane] < 0 { -(magnitude * point) } else { magnitude * point }
                }).sum::<EdwardsPoint>()
            });
            assert_eq!(encodings(machine, &[sum]), encoded(expected));
        }
        let eight: [EdwardsPoint; 8] = *terms.first_chunk().expect("64");
        for digit in 0..=8 {
            let scalar = Scalar::from(digit as u8);
            buckets.put(digit, &point(machine, &eight.map(|point| scalar * point)));
        }
        for _ in 0..100 {
            let digits: [i8; 8] = std::array::from_fn(|_| (rng.next_u32() % 17) as i8 - 8);
            let expected = eight.iter().zip(digits).map(|(point, digit)| {
                let magnitude = Scalar::from(digit.unsigned_abs());
                if digit < 0 { -(magnitude * point) } else { magnitude * point }
            });
            let found = Point::identity(machine).add(&buckets.get(machine, digits));
            assert_eq!(encodings(machine, &[found]), encoded(expected));
        }
    }

    fn rows_in_memory_negate_and_broadcast<M>(machine) {
        let eight: [EdwardsPoint; 8] = *points(8, 6).first_chunk().expect("8");
        let mut rows = [[Tile::ZERO; 2]; 8];
        store_niels(&niels(machine, &eight), &mut rows);
        let negated = Point::identity(machine).add_niels(&load_negated(machine, rows.each_ref()));
        assert_eq!(encodings(machine, &[negated]), encoded(eight.map(|point| -point)));
        for (row, point) in rows.iter().zip(eight) {
            let some = machine.splat(0).mask(0b0110_1001);
            let all = Point::identity(machine).add_niels(&broadcast(machine, row, some));
            let expected = (0..8).map(|lane| if 0b0110_1001 & (1 << lane) != 0 { -point } else { point });
            assert_eq!(encodings(machine, &[all]), encoded(expected));
        }
    }
}
