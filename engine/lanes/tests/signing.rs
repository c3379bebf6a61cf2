//! Keys and signatures against ed25519-dalek, bit for bit.

use duet_lanes::{Lanes, Signer};
use ed25519_dalek::Signer as _;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

fn seeds(count: usize, seed: u64) -> Vec<[u8; 32]> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count)
        .map(|_| {
            let mut bytes = [0; 32];
            rng.fill_bytes(&mut bytes);
            bytes
        })
        .collect()
}

#[test]
fn every_count_gives_the_bytes_of_rfc_8032() {
    Lanes::all()
        .into_iter()
        .for_each(every_count_gives_the_bytes_of_rfc_8032_by);
}

fn every_count_gives_the_bytes_of_rfc_8032_by(lanes: Lanes) {
    let mut signer = Signer::new(lanes);
    for count in (1..=130).chain([255, 256, 257, 1000]) {
        let seeds = seeds(count, count as u64);
        let keys = signer.keys(&seeds.iter().collect::<Vec<_>>());
        let expected: Vec<_> = seeds
            .iter()
            .map(ed25519_dalek::SigningKey::from_bytes)
            .collect();
        for (key, expected) in keys.iter().zip(&expected) {
            assert_eq!(*key.public(), expected.verifying_key().to_bytes());
        }
        let messages = seeds_to_messages(&seeds);
        let mut signatures = Vec::new();
        signer.sign(
            count,
            |at| (keys[at].expanded(), &messages[at][..]),
            |signature| signatures.push(*signature),
        );
        assert_eq!(signatures.len(), count);
        for at in 0..count {
            assert_eq!(
                signatures[at],
                expected[at].sign(&messages[at]).to_bytes(),
                "{at} of {count}"
            );
        }
    }
}

fn seeds_to_messages(seeds: &[[u8; 32]]) -> Vec<Vec<u8>> {
    seeds
        .iter()
        .map(|seed| seed.iter().rev().copied().collect())
        .collect()
}

#[test]
fn messages_of_any_length_beside_each_other() {
    Lanes::all()
        .into_iter()
        .for_each(messages_of_any_length_beside_each_other_by);
}

fn messages_of_any_length_beside_each_other_by(lanes: Lanes) {
    let mut signer = Signer::new(lanes);
    let seeds = seeds(300, 5);
    let keys = signer.keys(&seeds.iter().collect::<Vec<_>>());
    let text: Vec<u8> = (0..1000u32).map(|at| (at * 7) as u8).collect();
    let message = |at: usize| &text[..at];
    let mut signatures = Vec::new();
    signer.sign(
        300,
        |at| (keys[at].expanded(), message(at)),
        |signature| signatures.push(*signature),
    );
    for (at, signature) in signatures.iter().enumerate() {
        let expected = ed25519_dalek::SigningKey::from_bytes(&seeds[at]);
        assert_eq!(*signature, expected.sign(message(at)).to_bytes());
    }
}

/// RFC 8032, 7.1: seed, public key, message, signature.
#[test]
fn the_vectors_of_rfc_8032() {
    Lanes::all()
        .into_iter()
        .for_each(the_vectors_of_rfc_8032_by);
}

fn the_vectors_of_rfc_8032_by(lanes: Lanes) {
    let vectors = [
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ],
        [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ],
        [
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ],
    ];
    let hex = |text: &str| -> Vec<u8> {
        let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex");
        (0..text.len() / 2).map(byte).collect()
    };
    let mut signer = Signer::new(lanes);
    for vector in vectors {
        let [seed, public, message, signature] = vector.map(hex);
        let seed: [u8; 32] = seed.try_into().expect("32 bytes");
        let keys = signer.keys(&[&seed]);
        assert_eq!(keys[0].public()[..], public);
        let mut made = Vec::new();
        signer.sign(
            1,
            |_| (keys[0].expanded(), &message[..]),
            |signature| made.push(*signature),
        );
        assert_eq!(made[0][..], signature);
    }
}

/// A nonce must never serve two messages: the job is asked for once, whatever it would say then.
#[test]
fn a_job_is_asked_for_once_and_in_order() {
    Lanes::all()
        .into_iter()
        .for_each(a_job_is_asked_for_once_and_in_order_by);
}

fn a_job_is_asked_for_once_and_in_order_by(lanes: Lanes) {
    let mut signer = Signer::new(lanes);
    let keys = signer.keys(&[&[7; 32]]);
    for count in [1, 7, 8, 9, 128, 129, 300] {
        let mut asked = Vec::new();
        let mut emitted = 0;
        let job = |at| {
            asked.push(at);
            (keys[0].expanded(), &b"message"[..])
        };
        signer.sign(count, job, |_| emitted += 1);
        assert_eq!(asked, (0..count).collect::<Vec<_>>());
        assert_eq!(emitted, count);
    }
}
