//! Verdicts against ZIP 215 as it is written.

mod book;

use book::challenge;
use curve25519_dalek::Scalar;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use duet_lanes::{Item, Lanes, Verifier, VerifyingKey};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A signature of any kind, and what ZIP 215 says of it.
#[derive(Clone)]
struct Case {
    key: [u8; 32],
    message: Vec<u8>,
    signature: [u8; 64],
}

impl Case {
    /// Signed with a key and a nonce that may carry torsion.
    fn signed(
        rng: &mut StdRng,
        seed: u64,
        a: EdwardsPoint,
        r: EdwardsPoint,
        length: usize,
    ) -> Case {
        let secret =
            Scalar::from_bytes_mod_order([(seed % 200) as u8 + 1; 32]) + Scalar::from(seed);
        let key = (EdwardsPoint::mul_base(&secret) + a).compress().0;
        let mut message = vec![0; length];
        rng.fill_bytes(&mut message);
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let nonce = Scalar::from_bytes_mod_order(nonce);
        let r = (EdwardsPoint::mul_base(&nonce) + r).compress().0;
        let s = nonce + challenge(&r, &key, &message) * secret;
        let signature = [r, s.to_bytes()].concat().try_into().expect("64 bytes");
        Case {
            key,
            message,
            signature,
        }
    }

    fn flip(mut self, bit: usize) -> Case {
        match bit {
            0..512 => self.signature[bit / 8] ^= 1 << (bit % 8),
            _ => {
                let bit = bit % (8 * self.message.len());
                self.message[bit / 8] ^= 1 << (bit % 8);
            }
        }
        self
    }

    fn is_valid(&self) -> bool {
        book::is_valid(&self.key, &self.message, &self.signature)
    }
}

/// Judges in one batch; cases whose key is no point are left out of it, as they must be.
fn verdicts(verifier: &mut Verifier, cases: &[Case]) -> Vec<bool> {
    let mut keys: Vec<VerifyingKey> = Vec::new();
    let mut places = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let known = keys.iter().position(|key| *key.bytes() == case.key);
        let place = known.or_else(|| {
            keys.push(VerifyingKey::decode(verifier.lanes(), &case.key)?);
            Some(keys.len() - 1)
        });
        places.extend(place.map(|place| (at, place)));
    }
    let items = places.iter().map(|&(at, key)| Item {
        key,
        message: &cases[at].message,
        signature: &cases[at].signature,
    });
    let mut valid = vec![true];
    let distinct = verifier.verify(&keys, items, &mut valid);
    assert!(distinct <= keys.len());
    assert!(valid.remove(0), "appended");
    let mut all = vec![false; cases.len()];
    for ((at, _), valid) in places.into_iter().zip(valid) {
        all[at] = valid;
    }
    all
}

fn check(verifier: &mut Verifier, cases: &[Case]) {
    let verdicts = verdicts(verifier, cases);
    for (at, (case, verdict)) in cases.iter().zip(verdicts).enumerate() {
        assert_eq!(
            verdict,
            case.is_valid(),
            "{at} of {}: key {:?}",
            cases.len(),
            case.key
        );
    }
}

fn honest(rng: &mut StdRng, count: usize, keys: u64) -> Vec<Case> {
    let none = EIGHT_TORSION[0];
    (0..count)
        .map(|at| Case::signed(rng, at as u64 % keys, none, none, 32))
        .collect()
}

fn verifier(lanes: Lanes) -> (Verifier, StdRng) {
    (Verifier::new(lanes), StdRng::seed_from_u64(215))
}

#[test]
fn batches_of_every_size_with_and_without_a_culprit() {
    Lanes::all()
        .into_iter()
        .for_each(batches_of_every_size_with_and_without_a_culprit_by);
}

fn batches_of_every_size_with_and_without_a_culprit_by(lanes: Lanes) {
    let (mut verifier, mut rng) = verifier(lanes);
    for count in (0..=130).chain([255, 256, 257, 700]) {
        for keys in [1, 5, 1000] {
            let mut cases = honest(&mut rng, count, keys);
            assert_eq!(verdicts(&mut verifier, &cases), vec![true; count]);
            if count > 0 {
                let culprit = rng.next_u64() as usize % count;
                cases[culprit] = cases[culprit].clone().flip(rng.next_u64() as usize % 768);
                check(&mut verifier, &cases);
            }
        }
    }
}

#[test]
fn a_culprit_in_every_place_and_many_at_once() {
    Lanes::all()
        .into_iter()
        .for_each(a_culprit_in_every_place_and_many_at_once_by);
}

fn a_culprit_in_every_place_and_many_at_once_by(lanes: Lanes) {
    let (mut verifier, mut rng) = verifier(lanes);
    let cases = honest(&mut rng, 67, 9);
    for culprit in 0..67 {
        let mut cases = cases.clone();
        cases[culprit] = cases[culprit].clone().flip(300);
        check(&mut verifier, &cases);
    }
    for share in [2, 5, 30] {
        let mut cases = cases.clone();
        for case in &mut cases {
            if rng.next_u32() % share == 0 {
                *case = case.clone().flip(rng.next_u64() as usize % 768);
            }
        }
        check(&mut verifier, &cases);
    }
    let all: Vec<Case> = cases.into_iter().map(|case| case.flip(1)).collect();
    check(&mut verifier, &all);
}

#[test]
fn messages_of_every_length() {
    Lanes::all()
        .into_iter()
        .for_each(messages_of_every_length_by);
}

fn messages_of_every_length_by(lanes: Lanes) {
    let (mut verifier, mut rng) = verifier(lanes);
    let none = EIGHT_TORSION[0];
    let mut cases: Vec<Case> = (0..300)
        .map(|length| Case::signed(&mut rng, length % 7, none, none, length as usize))
        .collect();
    check(&mut verifier, &cases);
    for at in [1, 33, 64, 127, 128, 299] {
        cases[at] = cases[at].clone().flip(600);
    }
    check(&mut verifier, &cases);
}

#[test]
fn torsion_changes_no_verdict() {
    Lanes::all()
        .into_iter()
        .for_each(torsion_changes_no_verdict_by);
}

fn torsion_changes_no_verdict_by(lanes: Lanes) {
    let (mut verifier, mut rng) = verifier(lanes);
    let mut cases = Vec::new();
    for a in EIGHT_TORSION {
        for r in EIGHT_TORSION {
            cases.push(Case::signed(&mut rng, cases.len() as u64 % 3, a, r, 32));
        }
    }
    assert_eq!(verdicts(&mut verifier, &cases), [true; 64]);
    for case in &cases {
        check(&mut verifier, std::slice::from_ref(case));
        check(&mut verifier, &[case.clone(), case.clone().flip(290)]);
    }
}

#[test]
fn odd_encodings_are_judged_by_the_book() {
    Lanes::all()
        .into_iter()
        .for_each(odd_encodings_are_judged_by_the_book_by);
}

fn odd_encodings_are_judged_by_the_book_by(lanes: Lanes) {
    let (mut verifier, mut rng) = verifier(lanes);
    // Encodings near 0, p and 2^255, with both signs; s near 0, l, 2l and 2^256.
    let mut odd: Vec<[u8; 32]> = EIGHT_TORSION
        .iter()
        .map(|point| point.compress().0)
        .collect();
    for low in [0, 1, 2, 3, 0xea, 0xeb, 0xec, 0xed, 0xee, 0xef, 0xfe, 0xff] {
        for (middle, top) in [(0, 0), (0, 0x80), (0xff, 0x7f), (0xff, 0xff)] {
            let mut bytes = [middle; 32];
            (bytes[0], bytes[31]) = (low, top);
            odd.push(bytes);
        }
    }
    let minus_one = (-Scalar::ONE).to_bytes();
    let mut scalars = vec![[0; 32], [0xff; 32], minus_one];
    for more in 1..=3 {
        let mut bytes = minus_one;
        bytes[0] += more;
        scalars.push(bytes);
    }
    let mut cases = Vec::new();
    for key in &odd {
        for r in &odd {
            let s = scalars[1 + rng.next_u64() as usize % (scalars.len() - 1)];
            cases.extend([scalars[0], s].map(|s| Case {
                key: *key,
                message: vec![7; 32],
                signature: [*r, s].concat().try_into().expect("64 bytes"),
            }));
        }
    }
    // Honest signatures with the same response once more, l higher.
    for mut case in honest(&mut rng, 40, 3) {
        cases.push(case.clone());
        let mut carry = 0u16;
        let order = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        for (byte, order) in case.signature[32..].iter_mut().zip(order) {
            carry += u16::from(*byte) + order;
            *byte = carry as u8;
            carry >>= 8;
        }
        assert!(!case.is_valid());
        cases.push(case);
    }
    let valid = cases.iter().filter(|case| case.is_valid()).count();
    assert!(
        valid > 200 && valid < cases.len() - 200,
        "{valid} of {} are valid",
        cases.len()
    );
    for cases in cases.chunks(500) {
        check(&mut verifier, cases);
    }
    for case in cases.iter().step_by(17) {
        check(&mut verifier, std::slice::from_ref(case));
    }
}

#[test]
fn errors_that_cancel_are_found() {
    Lanes::all()
        .into_iter()
        .for_each(errors_that_cancel_are_found_by);
}

fn errors_that_cancel_are_found_by(lanes: Lanes) {
    let (mut verifier, mut rng) = verifier(lanes);
    let mut cases = honest(&mut rng, 40, 2);
    // One response too large by what the other is too small by.
    for (at, delta) in [(3, Scalar::ONE), (21, -Scalar::ONE)] {
        let s: [u8; 32] = cases[at].signature[32..].try_into().expect("32 bytes");
        let s = Scalar::from_bytes_mod_order(s) + delta;
        cases[at].signature[32..].copy_from_slice(s.as_bytes());
    }
    for _ in 0..20 {
        check(&mut verifier, &cases);
    }
}

#[test]
fn a_large_batch_and_the_price_of_its_culprits() {
    Lanes::all()
        .into_iter()
        .for_each(a_large_batch_and_the_price_of_its_culprits_by);
}

fn a_large_batch_and_the_price_of_its_culprits_by(lanes: Lanes) {
    let (mut verifier, mut rng) = verifier(lanes);
    let few = honest(&mut rng, 64, 16);
    let mut cases: Vec<Case> = (0..20_000).map(|at| few[at % 64].clone()).collect();
    assert_eq!(verdicts(&mut verifier, &cases), vec![true; 20_000]);
    assert_eq!(verifier.equations(), 1);
    cases[12_345] = cases[12_345].clone().flip(17);
    let expected: Vec<bool> = (0..20_000).map(|at| at != 12_345).collect();
    assert_eq!(verdicts(&mut verifier, &cases), expected);
    // 20,000 halved 12 times, at most two equations each, is at most 8.
    assert!(
        verifier.equations() <= 1 + 1 + 2 * 12,
        "{}",
        verifier.equations()
    );
}

#[test]
fn keys_are_told_apart() {
    Lanes::all().into_iter().for_each(keys_are_told_apart_by);
}

fn keys_are_told_apart_by(lanes: Lanes) {
    let mut rng = StdRng::seed_from_u64(8);
    let mut encodings: Vec<[u8; 32]> = EIGHT_TORSION
        .iter()
        .map(|point| point.compress().0)
        .collect();
    for _ in 0..500 {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        encodings.push(bytes);
    }
    let mut at = 0;
    VerifyingKey::decode_many(lanes, &encodings, |key| {
        let expected = CompressedEdwardsY(encodings[at]).decompress();
        assert_eq!(key.is_some(), expected.is_some());
        if let (Some(key), Some(expected)) = (key, expected) {
            assert_eq!(key.bytes(), &encodings[at]);
            assert_eq!(key.is_small_order(), expected.is_small_order());
        }
        at += 1;
    });
    assert_eq!(at, encodings.len());
}

#[test]
fn what_cannot_be_judged_panics_and_leaves_the_verifier_sound() {
    Lanes::all()
        .into_iter()
        .for_each(what_cannot_be_judged_panics_and_leaves_the_verifier_sound_by);
}

fn what_cannot_be_judged_panics_and_leaves_the_verifier_sound_by(lanes: Lanes) {
    let (mut verifier, mut rng) = verifier(lanes);
    let cases = honest(&mut rng, 40, 3);
    let known = VerifyingKey::decode(verifier.lanes(), &cases[0].key).expect("a sound key");
    let item = |at: usize, key| Item {
        key,
        message: &cases[at].message,
        signature: &cases[at].signature,
    };
    let too_many = Verifier::LARGEST_BATCH + 1;
    let mut valid = vec![true];
    for bad in [vec![item(0, 0), item(1, 1)], vec![item(0, 0); too_many]] {
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            verifier.verify(&[known], bad, &mut valid);
        }));
        assert!(judged.is_err());
        assert_eq!(valid, [true], "as it was");
        check(&mut verifier, &cases);
    }
}

#[test]
fn keys_are_counted_whatever_the_signatures() {
    Lanes::all()
        .into_iter()
        .for_each(keys_are_counted_whatever_the_signatures_by);
}

fn keys_are_counted_whatever_the_signatures_by(lanes: Lanes) {
    let (mut verifier, mut rng) = verifier(lanes);
    let mut cases = honest(&mut rng, 40, 40);
    let keys: Vec<VerifyingKey> = cases
        .iter()
        .map(|case| VerifyingKey::decode(verifier.lanes(), &case.key).expect("a sound key"))
        .collect();
    for case in &mut cases {
        case.signature[63] = 0xff;
    }
    let items = cases.iter().enumerate().map(|(key, case)| Item {
        key,
        message: &case.message,
        signature: &case.signature,
    });
    let mut valid = Vec::new();
    assert_eq!(verifier.verify(&keys, items, &mut valid), 40);
    assert_eq!(valid, [false; 40]);
}

/// `cargo test --release -p duet-lanes -- --ignored millions`.
#[test]
#[ignore = "minutes: by hand"]
fn millions_of_mutations() {
    Lanes::all().into_iter().for_each(millions_of_mutations_by);
}

fn millions_of_mutations_by(lanes: Lanes) {
    let (mut verifier, mut rng) = verifier(lanes);
    for round in 0..2_000 {
        let mut cases = Vec::new();
        for at in 0..500u64 {
            let (a, r) = (rng.next_u64() as usize % 8, rng.next_u64() as usize % 8);
            let length = rng.next_u64() as usize % 200;
            let case = Case::signed(
                &mut rng,
                at % 50,
                EIGHT_TORSION[a],
                EIGHT_TORSION[r],
                1 + length,
            );
            cases.push(match rng.next_u32() % 20 {
                0 => case.flip(rng.next_u64() as usize % 768),
                _ => case,
            });
        }
        check(&mut verifier, &cases);
        if round % 100 == 0 {
            println!("{} signatures", (round + 1) * 500);
        }
    }
}
