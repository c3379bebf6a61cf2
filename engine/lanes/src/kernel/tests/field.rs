use super::*;
use crate::kernel::field::{Field, TIGHT};
use crate::kernel::power::{invert, root_power};

const LOOSE: u64 = (1 << 52) - 1;

/// Limbs of every kind up to `most`: extremes in all combinations that differ, then random ones.
fn limbs(most: u64) -> Vec<[[u64; 5]; 8]> {
    let extremes = [
        0,
        1,
        19,
        (1 << 51) - 20,
        (1 << 51) - 19,
        (1 << 51) - 1,
        1 << 51,
        most,
    ];
    let mut rng = rng(most);
    let mut elements: Vec<[u64; 5]> = Vec::new();
    for low in extremes {
        for high in extremes {
            elements.push([low, high, high, high, high]);
            elements.push([high, low, high, low, high]);
            elements.push([high, high, high, high, low]);
        }
    }
    for _ in 0..800 {
        elements.push(std::array::from_fn(|_| match rng.next_u32() % 3 {
            0 => extremes[rng.next_u32() as usize % 8],
            _ => rng.next_u64() % (most + 1),
        }));
    }
    elements.retain(|limbs| limbs.iter().all(|&limb| limb <= most));
    elements.as_chunks::<8>().0.to_vec()
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn values(field: &Field, most: u64) -> [BigUint; 8] {
    lanes_of(&field.0).map(|limbs| {
        assert!(
            limbs.iter().all(|&limb| limb <= most),
            "{limbs:?} above {most}"
        );
        integer(&limbs, 51) % p()
    })
}

in_lanes! {
    fn products_and_squares_at_the_bounds() {
        let all = limbs(LOOSE);
        for (at, a) in all.iter().enumerate() {
            let b = &all[(at * 7 + 3) % all.len()];
            let (x, y) = (Field(vectors_of(a)), Field(vectors_of(b)));
            let product = values(&x.mul(&y), TIGHT);
            let square = values(&x.square(), TIGHT);
            for lane in 0..8 {
                let (a, b) = (integer(&a[lane], 51), integer(&b[lane], 51));
                assert_eq!(product[lane], &a * &b % p());
                assert_eq!(square[lane], &a * &a % p());
            }
        }
    }

    fn sums_and_differences_of_wide_products() {
        let all = limbs(LOOSE);
        for (at, a) in all.iter().enumerate() {
            let b = &all[(at * 5 + 1) % all.len()];
            let (x, y) = (Field(vectors_of(a)), Field(vectors_of(b)));
            let (xx, xy) = (x.square_wide(), x.mul_wide(&y));
            let sum = values(&xx.biased().plus(xy).carry(), TIGHT);
            let difference = values(&xx.biased().minus(xy).carry(), TIGHT);
            for lane in 0..8 {
                let (a, b) = (integer(&a[lane], 51), integer(&b[lane], 51));
                let (aa, ab) = (&a * &a % p(), a * b % p());
                assert_eq!(sum[lane], (&aa + &ab) % p());
                assert_eq!(difference[lane], (&aa + p() - &ab) % p());
            }
        }
    }

    fn two_tight_products_taken_off() {
        let all = limbs(TIGHT);
        for (at, a) in all.iter().enumerate() {
            let b = &all[(at * 5 + 1) % all.len()];
            let (x, y) = (Field(vectors_of(a)), Field(vectors_of(b)));
            let (xx, yy) = (x.square_wide(), y.mul_wide(&y));
            let left = values(&Field::zero().widen().biased().minus(xx.plus(yy)).carry(), TIGHT);
            for lane in 0..8 {
                let (a, b) = (integer(&a[lane], 51), integer(&b[lane], 51));
                assert_eq!(left[lane], (p() * 4u8 - &a * &a % p() - &b * &b % p()) % p());
            }
        }
    }

    fn sums_of_elements_at_the_bounds() {
        let all = limbs(TIGHT);
        for (at, a) in all.iter().enumerate() {
            let b = &all[(at * 3 + 2) % all.len()];
            let (x, y) = (Field(vectors_of(a)), Field(vectors_of(b)));
            let sum = values(&x.add(&y), TIGHT);
            let difference = values(&x.sub(&y), TIGHT);
            let negative = values(&x.negate(), LOOSE);
            let some = values(&x.negate_where(0b1010_0101), LOOSE);
            for lane in 0..8 {
                let (a, b) = (integer(&a[lane], 51) % p(), integer(&b[lane], 51) % p());
                assert_eq!(sum[lane], (&a + &b) % p());
                assert_eq!(difference[lane], (&a + p() - &b) % p());
                assert_eq!(negative[lane], (p() - &a) % p());
                let kept = 0b1010_0101 & (1 << lane) == 0;
                assert_eq!(some[lane], if kept { a } else { (p() - a) % p() });
            }
        }
    }

    fn one_representative_and_its_words() {
        let mut all = limbs(TIGHT);
        // p − 1, p, p + 1, 2p − 1 and 2p as tight limbs.
        let top = (1 << 51) - 1;
        for low in [top - 19, top - 18, top - 17] {
            all.push([[low, top, top, top, top]; 8]);
        }
        all.push([[(1 << 51) + 12, top, top, top, top]; 8]);
        all.push([[(1 << 51) - 19, 1 << 51, top, 1 << 51, 1 << 51]; 8]);
        for limbs in &all {
            let x = Field(vectors_of(limbs));
            let frozen = lanes_of(&x.freeze().0);
            let words = lanes_of(&x.to_words());
            let zero = x.is_zero();
            for lane in 0..8 {
                let value = integer(&limbs[lane], 51) % p();
                assert!(frozen[lane].iter().all(|&limb| limb < 1 << 51));
                assert_eq!(integer(&frozen[lane], 51), value);
                assert_eq!(integer(&words[lane], 64), value);
                assert_eq!(zero & (1 << lane) != 0, value == BigUint::ZERO);
            }
        }
    }

    fn words_are_taken_without_their_top_bit() {
        let mut rng = rng(1);
        for round in 0..200 {
            let words: [[u64; 4]; 8] = std::array::from_fn(|_| std::array::from_fn(|_| match round {
                0 => u64::MAX,
                _ => rng.next_u64(),
            }));
            let x = Field::from_words(&vectors_of(&words));
            for (limbs, words) in lanes_of(&x.0).iter().zip(words) {
                assert!(limbs.iter().all(|&limb| limb < 1 << 51));
                assert_eq!(integer(limbs, 51), integer(&words, 64) % (BigUint::from(1u8) << 255u32));
            }
        }
    }

    fn powers() {
        for limbs in limbs(LOOSE).iter().take(30) {
            let x = Field(vectors_of(limbs));
            let inverse = values(&invert(&x), TIGHT);
            let [root, other] = root_power(&[x, x.square()]);
            let (root, other) = (values(&root, TIGHT), values(&other, TIGHT));
            for lane in 0..8 {
                let value = integer(&limbs[lane], 51) % p();
                let exponent: BigUint = (p() - 5u8) / 8u8;
                assert_eq!(inverse[lane], value.modpow(&(p() - 2u8), &p()));
                assert_eq!(root[lane], value.modpow(&exponent, &p()));
                assert_eq!(other[lane], (&value * &value).modpow(&exponent, &p()));
            }
        }
    }

    fn lanes_are_chosen_one_by_one() {
        let (x, y) = (Field::splat([1, 2, 3, 4, 5]), Field::splat([6, 7, 8, 9, 10]));
        for mask in 0..=255 {
            for (lane, limbs) in lanes_of(&x.blend(mask, y).0).into_iter().enumerate() {
                let other = mask & (1 << lane) != 0;
                assert_eq!(limbs, if other { [6, 7, 8, 9, 10] } else { [1, 2, 3, 4, 5] });
            }
        }
    }
}
