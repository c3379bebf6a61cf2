use super::*;
use crate::kernel::comb::{digits, digits_of_a_word};
use crate::kernel::scalar::*;
use crate::kernel::sums::{Coefficient, Sum};
use crate::machine::Multiples;

const TOP: u64 = (1 << 52) - 1;

fn r() -> BigUint {
    BigUint::from(1u8) << 260u32
}

fn limbs52(value: &BigUint) -> [u64; 5] {
    std::array::from_fn(|at| {
        let limb: BigUint = (value >> (52 * at)) & BigUint::from(TOP);
        u64::try_from(limb).expect("52 bits")
    })
}

/// Integers below 2^260, with those around multiples of l.
fn integers() -> Vec<BigUint> {
    let mut rng = rng(7);
    let mut all = vec![
        BigUint::ZERO,
        BigUint::from(1u8),
        r() - 1u8,
        BigUint::from(1u8) << 252u32,
    ];
    for multiple in [1u8, 2, 3, 4, 15] {
        let at = l() * multiple;
        all.extend([&at - 1u8, at.clone(), at + 1u8]);
    }
    all.extend((0..times(200)).map(|_| BigUint::from_bytes_le(&random_bytes::<32>(&mut rng))));
    all
}

fn of<M: Machine>(machine: M, values: &[&BigUint; 8]) -> Scalar<M> {
    Scalar(vectors_of(machine, &values.map(limbs52)))
}

fn values<M: Machine>(scalar: &Scalar<M>) -> [BigUint; 8] {
    lanes_of(&scalar.0).map(|limbs| {
        assert!(limbs.iter().all(|&limb| limb <= TOP));
        integer(&limbs, 52)
    })
}

#[test]
fn constants_are_what_they_say() {
    let half = (l() + 1u8) / 2u8;
    let offset: BigUint = (0..16).map(|at| BigUint::from(128u8) << (8 * at)).sum();
    let minus = |value: BigUint| l() - value % l();
    let is = |constant: Constant, value: BigUint| assert_eq!(integer(&constant.0, 52), value % l());
    for (n, constant) in UNCHANGED.into_iter().enumerate() {
        is(constant, r().pow(n as u32 + 1));
    }
    for (n, constant) in INTO_MONTGOMERY.into_iter().enumerate() {
        is(constant, r().pow(n as u32 + 2));
    }
    for (n, constant) in HALVED.into_iter().enumerate() {
        is(constant, r().pow(n as u32 + 1) * &half);
    }
    for (n, constant) in OFFSET.into_iter().enumerate() {
        is(constant, minus(r().pow(n as u32 + 1) * &offset));
    }
    is(TWICE, r() * 2u8);
    for n in [1, 252, 253, 256, 258, 259] {
        let all: BigUint = (BigUint::from(1u8) << n) - 1u8;
        is(ones(n), all.clone());
        is(ones(n).half(), &all * &half);
        is(ones(n).negative(), minus(all));
    }
}

on_all! {
    fn products<M>(machine) {
        let all = integers();
        let inverse = r().modinv(&l()).expect("l is a prime");
        for at in 0..all.len() {
            let a: [&BigUint; 8] = std::array::from_fn(|lane| &all[(at + lane) % all.len()]);
            let b: [&BigUint; 8] = std::array::from_fn(|lane| &all[(at * 3 + 5 * lane) % all.len()]);
            // The second factor may be as large as a clamped key.
            let b = b.map(|b| b % (BigUint::from(1u8) << 255u32));
            let product = values(&of(machine, &a).montgomery(&of(machine, &b.each_ref())));
            for lane in 0..8 {
                assert_eq!(&product[lane] % l(), a[lane] * &b[lane] * &inverse % l());
                assert!(product[lane] <= a[lane] * &b[lane] / r() + l());
            }
        }
    }

    fn one_representative<M>(machine) {
        let all = integers();
        for eight in all.windows(8) {
            let eight: [&BigUint; 8] = std::array::from_fn(|lane| &eight[lane]);
            let canonical = of(machine, &eight).canonical();
            let words = lanes_of(&canonical.to_words());
            for lane in 0..8 {
                assert_eq!(integer(&words[lane], 64), eight[lane] % l());
            }
            assert!(values(&canonical).iter().zip(eight).all(|(x, y)| *x == y % l()));
        }
    }

    fn long_integers<M>(machine) {
        let mut rng = rng(3);
        for round in 0..times(300) {
            let words: [[u64; 12]; 8] = std::array::from_fn(|_| std::array::from_fn(|_| match round {
                0 => 0,
                1 => u64::MAX,
                _ => rng.next_u64(),
            }));
            let vectors = vectors_of(machine, &words);
            let short = values(&Scalar::reduce(machine, &vectors[..8], &[UNCHANGED[0], UNCHANGED[1]]));
            let long = values(&Scalar::reduce(machine, &vectors, &UNCHANGED));
            let half = (l() + 1u8) / 2u8;
            let (digits, w) = digits(machine, &vectors[..8]);
            let (packed, w) = (digits.map(|tile| tile.0), values(&w));
            let (bits, count) = (M::Multiples::BITS as usize, M::Multiples::DIGITS);
            let many = digits_of_a_word(bits as u32) as usize;
            for lane in 0..8 {
                let value = integer(&words[lane][..8], 64);
                assert_eq!(&short[lane] % l(), &value % l());
                assert!(short[lane] < l() * 4u8);
                // 12 words are 768 bits, of which three pieces hold 780.
                assert_eq!(&long[lane] % l(), integer(&words[lane], 64) % l());
                let odd: BigUint = (BigUint::from(1u8) << (bits * count)) - 1u8;
                assert_eq!(&w[lane] % l(), (value + odd) * &half % l());
                assert!(w[lane] < l() * 5u8);
                let mut rebuilt = BigUint::ZERO;
                for at in (0..count).rev() {
                    let digit = packed[at / many][lane] >> (at % many * bits);
                    rebuilt = (rebuilt << bits) + (digit & ((1 << bits) - 1));
                }
                assert_eq!(rebuilt, w[lane]);
            }
        }
    }

    fn sums_of_products_with_coefficients<M>(machine) {
        let mut rng = rng(4);
        let mut sums = [Sum::default(); 8];
        let mut expected = [const { BigUint::ZERO }; 8];
        let offset: BigUint = (0..16).map(|at| BigUint::from(128u8) << (8 * at)).sum();
        for round in 0..times(3000) {
            let lane = round % 8;
            let z: Coefficient = match round {
                0..8 => [-128; 16],
                8..16 => [127; 16],
                16..24 => [0; 16],
                _ => random_bytes::<16>(&mut rng).map(|byte| byte as i8),
            };
            let x: [u64; 8] = std::array::from_fn(|_| match round {
                0..16 => u64::MAX,
                _ => rng.next_u64(),
            });
            sums[lane].add(&z, &x);
            // z = u − offset with unsigned bytes u.
            let u = BigUint::from_bytes_le(&z.map(|digit| digit as u8 ^ 0x80));
            let z = (u + l() - &offset) % l();
            expected[lane] = (&expected[lane] + z * integer(&x, 64)) % l();
        }
        let digits = Sum::reduce(machine, &sums.each_ref());
        for (digits, expected) in digits.iter().zip(expected) {
            let mut value = BigUint::ZERO;
            for &digit in digits.iter().rev() {
                value = value * 256u16 + l() + BigUint::from((i16::from(digit) + 256) as u16) - 256u16;
                value %= l();
            }
            assert_eq!(value, expected);
        }
    }
}
