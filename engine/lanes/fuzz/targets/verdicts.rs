//! A batch of up to 40 signatures of three keys, any of whose parts the fuzzer may have replaced:
//! every verdict is ZIP 215's. See ../README.md for how to run it.

#![no_main]

#[path = "../../tests/book/mod.rs"]
mod book;

use duet_lanes::{Item, Lanes, Signer, SigningKey, Verifier, VerifyingKey};
use libfuzzer_sys::fuzz_target;

struct Case {
    key: [u8; 32],
    message: Vec<u8>,
    signature: [u8; 64],
}

/// Cuts `N` bytes off, if there are as many.
fn take<const N: usize>(data: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = data.split_first_chunk::<N>()?;
    *data = rest;
    Some(*taken)
}

/// One case from the fuzzer's bytes: what to sign, then what to replace.
fn case(data: &mut &[u8], signer: &mut Signer, keys: &[SigningKey]) -> Option<Case> {
    let [which, length, change] = take(data)?;
    let key = &keys[usize::from(which) % keys.len()];
    let message = vec![which ^ length; usize::from(length)];
    let mut signature = [0; 64];
    signer.sign(
        1,
        |_| (key.expanded(), &message[..]),
        |made| signature = *made,
    );
    let mut case = Case {
        key: *key.public(),
        message,
        signature,
    };
    match change {
        0..96 => case.signature[usize::from(change) % 64] ^= take::<1>(data)?[0],
        96..128 => case.key = take(data)?,
        128..160 => case.signature[..32].copy_from_slice(&take::<32>(data)?),
        160..192 => case.signature[32..].copy_from_slice(&take::<32>(data)?),
        192..200 => case.signature = take(data)?,
        _ => {}
    }
    Some(case)
}

fuzz_target!(|data: &[u8]| {
    let lanes = Lanes::detect();
    let mut signer = Signer::new(lanes);
    let keys = signer.keys(&[&[1; 32], &[2; 32], &[3; 32]]);
    let mut data = data;
    let mut cases = Vec::new();
    while cases.len() < 40
        && let Some(case) = case(&mut data, &mut signer, &keys)
    {
        cases.push(case);
    }
    let mut known: Vec<VerifyingKey> = Vec::new();
    let mut places = Vec::new();
    for case in &cases {
        let place = known.iter().position(|key| *key.bytes() == case.key);
        places.push(place.or_else(|| {
            known.push(VerifyingKey::decode(lanes, &case.key)?);
            Some(known.len() - 1)
        }));
    }
    let judged: Vec<(&Case, usize)> = cases
        .iter()
        .zip(&places)
        .filter_map(|(case, place)| Some((case, (*place)?)))
        .collect();
    let items = judged.iter().map(|&(case, key)| Item {
        key,
        message: &case.message,
        signature: &case.signature,
    });
    let mut valid = Vec::new();
    // Eight times over there are enough for the wide window.
    let times = if data.len() % 2 == 0 { 8 } else { 1 };
    let items = std::iter::repeat_n(items, times).flatten();
    Verifier::new(lanes).verify(&known, items, &mut valid);
    for ((case, _), valid) in std::iter::repeat_n(&judged, times).flatten().zip(valid) {
        assert_eq!(
            valid,
            book::is_valid(&case.key, &case.message, &case.signature)
        );
    }
});
