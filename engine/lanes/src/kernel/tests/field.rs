use super::*;
use crate::kernel::field::{Field, Wide};
use crate::kernel::power::{invert, root_power};
use crate::machine::Arithmetic;
use crate::machine::Mask;

/// Bounds of a machine's elements: least and largest limb.
fn bounds<M: Machine>() -> [(i64, i64); 3] {
    <M::Arithmetic as Arithmetic<M::V>>::BOUNDS
}

/// Limbs of every kind within the bounds: extremes in all combinations that differ, then random
/// ones.
fn limbs((least, most): (i64, i64)) -> Vec<[[i64; 5]; 8]> {
    let mut extremes = vec![least, least + 1, most - 1, most];
    for near in [0, 1 << 26, 1 << 49, 1 << 50, 1 << 51] {
        for near in [near, -near] {
            extremes.extend([near - 20, near - 19, near - 1, near, near + 1, near + 19]);
        }
    }
    extremes.retain(|limb| (least..=most).contains(limb));
    extremes.truncate(if cfg!(miri) { 4 } else { extremes.len() });
    let mut rng = rng(most as u64);
    let mut elements: Vec<[i64; 5]> = Vec::new();
    for &low in &extremes {
        for &high in &extremes {
            elements.push([low, high, high, high, high]);
            elements.push([high, low, high, low, high]);
            elements.push([high, high, high, high, low]);
        }
    }
    for _ in 0..times(800) {
        elements.push(std::array::from_fn(|_| match rng.next_u32() % 3 {
            0 => extremes[rng.next_u32() as usize % extremes.len()],
            // Products of small limbs are those whose rounding shows.
            1 => {
                let bits = rng.next_u32() % 52;
                ((rng.next_u64() >> 12 >> bits) as i64).clamp(least, most)
            }
            _ => least + (rng.next_u64() % (most.abs_diff(least) + 1)) as i64,
        }));
    }
    elements.as_chunks::<8>().0.to_vec()
}

fn element<M: Machine>(machine: M, limbs: &[[i64; 5]; 8]) -> Field<M> {
    let word = |limb| <M::Arithmetic as Arithmetic<M::V>>::word(limb);
    Field(vectors_of(machine, &limbs.map(|limbs| limbs.map(word))))
}

fn values<M: Machine>(field: &Field<M>, (least, most): (i64, i64)) -> [BigUint; 8] {
    lanes_of(&field.0).map(|words| {
        let limbs = words.map(<M::Arithmetic as Arithmetic<M::V>>::limb);
        assert!(
            limbs.iter().all(|limb| (least..=most).contains(limb)),
            "{limbs:?} outside of {least} to {most}"
        );
        residue(&limbs)
    })
}

on_all! {
    fn products_and_squares_at_the_bounds<M>(machine) {
        let [tight, loose, _] = bounds::<M>();
        let all = limbs(loose);
        for (at, a) in all.iter().enumerate() {
            let b = &all[(at * 7 + 3) % all.len()];
            let (x, y) = (element(machine, a), element(machine, b));
            let product = values(&x.mul(&y), tight);
            let square = values(&x.square(), tight);
            let wide = values(&x.mul_wide(&y).carry(), tight);
            let wide_square = values(&x.square_wide().carry(), tight);
            for lane in 0..8 {
                let (a, b) = (residue(&a[lane]), residue(&b[lane]));
                assert_eq!(product[lane], &a * &b % p());
                assert_eq!(square[lane], &a * &a % p());
                assert_eq!(wide[lane], product[lane]);
                assert_eq!(wide_square[lane], square[lane]);
            }
        }
    }

    fn sums_and_differences_of_wide_products<M>(machine) {
        let [tight, loose, _] = bounds::<M>();
        let all = limbs(loose);
        for (at, a) in all.iter().enumerate() {
            let b = &all[(at * 5 + 1) % all.len()];
            let (x, y) = (element(machine, a), element(machine, b));
            let (xx, xy) = (x.square_wide(), x.mul_wide(&y));
            let sum = values(&xx.biased().plus(xy).carry(), tight);
            let difference = values(&xx.biased().minus(xy).carry(), tight);
            for lane in 0..8 {
                let (a, b) = (residue(&a[lane]), residue(&b[lane]));
                let (aa, ab) = (&a * &a % p(), a * b % p());
                assert_eq!(sum[lane], (&aa + &ab) % p());
                assert_eq!(difference[lane], (&aa + p() - &ab) % p());
            }
        }
    }

    fn two_tight_products_taken_off<M>(machine) {
        let [tight, ..] = bounds::<M>();
        let all = limbs(tight);
        for (at, a) in all.iter().enumerate() {
            let b = &all[(at * 5 + 1) % all.len()];
            let (x, y) = (element(machine, a), element(machine, b));
            let (xx, yy) = (x.square_wide(), y.mul_wide(&y));
            let left = Wide::zero(xx).biased().minus(xx.plus(yy)).carry();
            let left = values(&left, tight);
            for lane in 0..8 {
                let (a, b) = (residue(&a[lane]), residue(&b[lane]));
                assert_eq!(left[lane], (p() * 4u8 - &a * &a % p() - &b * &b % p()) % p());
            }
        }
    }

    fn carries_at_the_bounds<M>(machine) {
        let [tight, _, wide] = bounds::<M>();
        for limbs in limbs(wide) {
            let words = limbs.map(|limbs| limbs.map(|limb| limb as u64));
            let carried = M::Arithmetic::carry(vectors_of(machine, &words));
            let carried = values::<M>(&Field(carried), tight);
            for lane in 0..8 {
                assert_eq!(carried[lane], residue(&limbs[lane]));
            }
        }
    }

    fn sums_of_elements_at_the_bounds<M>(machine) {
        let [tight, loose, _] = bounds::<M>();
        let all = limbs(tight);
        for (at, a) in all.iter().enumerate() {
            let b = &all[(at * 3 + 2) % all.len()];
            let (x, y) = (element(machine, a), element(machine, b));
            let sum = values(&x.add(&y), tight);
            let difference = values(&x.sub(&y), tight);
            let negative = values(&x.negate(), loose);
            let some = machine.splat(0).mask(0b1010_0101);
            let some = values(&x.negate_where(some), loose);
            for lane in 0..8 {
                let (a, b) = (residue(&a[lane]), residue(&b[lane]));
                assert_eq!(sum[lane], (&a + &b) % p());
                assert_eq!(difference[lane], (&a + p() - &b) % p());
                assert_eq!(negative[lane], (p() - &a) % p());
                let kept = 0b1010_0101 & (1 << lane) == 0;
                assert_eq!(some[lane], if kept { a } else { (p() - a) % p() });
            }
        }
    }

    /// A carry of −1, which is no unsigned limb: with unsigned limbs the prototype was wrong here.
    fn a_carry_of_minus_one<M>(machine) {
        let third = BigUint::from(3u8).modinv(&(BigUint::from(1u8) << 51u32));
        let third = u64::try_from(third.expect("3 is odd")).expect("51 bits");
        let x = [(1u64 << 50) / 3 + 5, (1 << 51) - third, 0, 0, 0];
        let [tight, ..] = bounds::<M>();
        let times3 = Field::splat(machine, x).mul(&Field::splat(machine, [3, 0, 0, 0, 0]));
        let again = times3.mul(&Field::one(machine));
        for value in values(&times3, tight).into_iter().chain(values(&again, tight)) {
            assert_eq!(value, residue(&x.map(|limb| limb as i64)) * 3u8 % p());
        }
        // All limbs around those whose triple ends a limb.
        for near in 0..64 {
            let limbs = x.map(|limb| (limb as i64 + near - 32).rem_euclid(1 << 51) as u64);
            for factor in 1..64 {
                let product = Field::splat(machine, limbs).mul(&Field::splat(machine, [factor, 0, 0, 0, 0]));
                let expected = residue(&limbs.map(|limb| limb as i64)) * factor % p();
                assert_eq!(values(&product, tight)[0], expected);
                assert_eq!(values(&product.mul(&Field::one(machine)), tight)[0], expected);
            }
        }
    }

    fn constants_are_tight<M>(machine) {
        let [tight, ..] = bounds::<M>();
        for limbs in limbs((0, (1 << 51) - 1)) {
            let value = values(&Field::splat(machine, limbs[0].map(|limb| limb as u64)), tight);
            assert_eq!(value[0], residue(&limbs[0]));
        }
    }

    fn one_representative_and_its_words<M>(machine) {
        let [tight, ..] = bounds::<M>();
        let mut all = limbs(tight);
        // p − 1, p, p + 1, 2p − 1 and 2p, and their negatives.
        let top = (1 << 51) - 1;
        for low in [top - 19, top - 18, top - 17] {
            for limbs in [[low, top, top, top, top], [low - top - 1, 0, 0, 0, 0]] {
                all.extend([[limbs; 8], [limbs.map(|limb| -limb); 8]]);
            }
        }
        all.push([[(1 << 51) + 12, top, top, top, top]; 8]);
        all.push([[(1 << 51) - 19, 1 << 51, top, 1 << 51, 1 << 51]; 8]);
        all.retain(|all| {
            all.as_flattened().iter().all(|limb| (tight.0..=tight.1).contains(limb))
        });
        for limbs in &all {
            let x = element(machine, limbs);
            let frozen = lanes_of(&x.freeze().0);
            let words = lanes_of(&x.to_words());
            let zero = x.is_zero().bits();
            let thawed = values(&x.freeze().thaw(), tight);
            let odd = x.freeze().parity().tops().bits();
            for lane in 0..8 {
                let value = residue(&limbs[lane]);
                assert!(frozen[lane].iter().all(|&limb| limb < 1 << 51));
                assert_eq!(integer(&frozen[lane], 51), value);
                assert_eq!(integer(&words[lane], 64), value);
                assert_eq!(zero & (1 << lane) != 0, value == BigUint::ZERO);
                assert_eq!(odd & (1 << lane) != 0, value.bit(0));
                assert_eq!(thawed[lane], value);
            }
        }
    }

    fn words_are_taken_without_their_top_bit<M>(machine) {
        let [tight, ..] = bounds::<M>();
        let mut rng = rng(1);
        for round in 0..times(200) {
            let words: [[u64; 4]; 8] = std::array::from_fn(|_| std::array::from_fn(|_| match round {
                0 => u64::MAX,
                _ => rng.next_u64(),
            }));
            let x = Field::<M>::from_words(&vectors_of(machine, &words));
            for (value, words) in values(&x, tight).into_iter().zip(words) {
                assert_eq!(value, integer(&words, 64) % (BigUint::from(1u8) << 255u32) % p());
            }
        }
    }

    fn powers<M>(machine) {
        let [tight, loose, _] = bounds::<M>();
        for limbs in limbs(loose).iter().step_by(9) {
            let x = element(machine, limbs);
            let inverse = values(&invert(machine, &x), tight);
            let [root, other] = root_power(machine, &[x, x.square()]);
            let (root, other) = (values(&root, tight), values(&other, tight));
            for lane in 0..8 {
                let value = residue(&limbs[lane]);
                let exponent: BigUint = (p() - 5u8) / 8u8;
                assert_eq!(inverse[lane], value.modpow(&(p() - 2u8), &p()));
                assert_eq!(root[lane], value.modpow(&exponent, &p()));
                assert_eq!(other[lane], (&value * &value).modpow(&exponent, &p()));
            }
        }
    }

    fn lanes_are_chosen_one_by_one<M>(machine) {
        let (x, y) = (Field::splat(machine, [1, 2, 3, 4, 5]), Field::splat(machine, [6, 7, 8, 9, 10]));
        let (of_x, of_y) = (lanes_of(&x.0)[0], lanes_of(&y.0)[0]);
        for bits in 0..=255 {
            let mask = machine.splat(0).mask(bits);
            assert_eq!(mask.bits(), bits);
            for (lane, limbs) in lanes_of(&x.blend(mask, y).0).into_iter().enumerate() {
                let other = bits & (1 << lane) != 0;
                assert_eq!(limbs, if other { of_y } else { of_x });
            }
        }
    }
}
