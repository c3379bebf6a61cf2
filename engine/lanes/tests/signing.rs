//! Keys and signatures against ed25519-dalek, bit for bit.

use duet_lanes::{Lanes, Signer, SigningKey};
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
    let Some(lanes) = Lanes::detect() else { return };
    let mut signer = Signer::new(lanes);
    for count in (1..=130).chain([255, 256, 257, 1000]) {
        let seeds = seeds(count, count as u64);
        let mut keys: Vec<SigningKey> = Vec::new();
        signer.keys(seeds.iter(), &mut keys);
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
