//! Which public keys a ring takes, and what a secret key shows.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use duet_engine::crypto::{Backend, KeyError, KeyRing, PublicKey, SecretKey};
use proptest::prelude::*;
use zeroize::Zeroizing;

const NEGATIVE: u8 = 0x80;

/// An encoding: `y` little-endian from its first byte, the bytes between, and the last one.
fn encoding(first: u8, between: u8, last: u8) -> PublicKey {
    let mut bytes = [between; 32];
    (bytes[0], bytes[31]) = (first, last);
    PublicKey(bytes)
}

fn from_hex(hex: &str) -> PublicKey {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits");
    PublicKey(std::array::from_fn(|i| byte(2 * i)))
}

fn refusal(key: PublicKey) -> Option<KeyError> {
    let refusals = Backend::all().into_iter().map(|backend| {
        let mut ring = KeyRing::new(backend);
        let refusal = ring.insert(key).err();
        assert_eq!(ring.is_empty(), refusal.is_some());
        assert_eq!(ring.find(&key).is_some(), refusal.is_none());
        refusal
    });
    let mut refusals: Vec<_> = refusals.collect();
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "the back ends agree");
    refusals[0]
}

#[test]
fn points_of_small_order_are_refused() {
    // y = 0 (order 4), 1 (order 1), −1 (order 2), and the four points of order 8.
    let order_8 = [
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ];
    let mut keys = vec![
        encoding(0, 0, 0),
        encoding(0, 0, NEGATIVE),
        encoding(1, 0, 0),
        encoding(0xec, 0xff, 0x7f),
    ];
    for hex in order_8 {
        let mut key = from_hex(hex);
        keys.push(key);
        key.0[31] ^= NEGATIVE;
        keys.push(key);
    }
    assert_eq!(keys.len(), 8);
    for key in keys {
        assert_eq!(refusal(key), Some(KeyError::SmallOrder(key)));
    }
}

#[test]
fn other_encodings_of_small_order_are_refused_as_such() {
    for key in [
        encoding(1, 0, NEGATIVE),          // y = 1, x = −0
        encoding(0xec, 0xff, 0xff),        // y = −1, x = −0
        encoding(0xed, 0xff, 0x7f),        // y = p
        encoding(0xed, 0xff, 0xff),        // y = p, negative x
        encoding(0xee, 0xff, 0x7f),        // y = p + 1
        encoding(0xee, 0xff, 0x7f | 0x80), // y = p + 1, x = −0
    ] {
        let point = CompressedEdwardsY(key.0).decompress();
        assert!(point.is_some_and(|point| point.is_small_order()));
        assert_eq!(refusal(key), Some(KeyError::NonCanonical(key)));
    }
}

/// The byte comparison against what it stands for: encoding the point again.
#[test]
fn every_y_near_the_edges_is_judged_as_by_encoding_again() {
    let mut refused = [0; 4];
    for (between, last) in [(0xff, 0x7f), (0, 0)] {
        for first in 0..=255 {
            for sign in [0, NEGATIVE] {
                let key = encoding(first, between, last | sign);
                let expected = match CompressedEdwardsY(key.0).decompress() {
                    None => Some(KeyError::NotAPoint(key)),
                    Some(point) if point.compress().0 != key.0 => Some(KeyError::NonCanonical(key)),
                    Some(point) if point.is_small_order() => Some(KeyError::SmallOrder(key)),
                    Some(_) => None,
                };
                assert_eq!(refusal(key), expected, "{key}");
                refused[match expected {
                    None => 0,
                    Some(KeyError::NotAPoint(_)) => 1,
                    Some(KeyError::NonCanonical(_)) => 2,
                    Some(KeyError::SmallOrder(_)) => 3,
                }] += 1;
            }
        }
    }
    assert!(refused.iter().all(|&count| count > 0), "{refused:?}");
}

#[test]
fn the_same_key_gets_the_same_id() {
    let mut ring = KeyRing::new(Backend::Dalek);
    let keys: Vec<PublicKey> = (0..5)
        .map(|i| SecretKey::from_seed(&[i; 32]).public())
        .collect();
    let ids: Vec<_> = keys.iter().map(|&key| ring.insert(key)).collect();
    let again: Vec<_> = keys.iter().map(|&key| ring.insert(key)).collect();
    assert_eq!(ids, again);
    assert_eq!(ring.len(), 5);
    for (key, id) in keys.iter().zip(ids) {
        let id = id.expect("a sound key");
        assert_eq!((ring.key(id), ring.find(key)), (*key, Some(id)));
    }
}

#[test]
fn many_keys_at_once_are_as_many_one_by_one() {
    let sound: Vec<PublicKey> = (0..70)
        .map(|i| SecretKey::from_seed(&[i; 32]).public())
        .collect();
    let small = encoding(1, 0, 0);
    let twice = encoding(0xed, 0xff, 0x7f);
    let none = from_hex("0200000000000000000000000000000000000000000000000000000000000000");
    // All sound; one of each kind over and over; bad ones first, last and in between; twice in one
    // group, in different ones, and known before.
    let tables: [Vec<PublicKey>; 6] = [
        sound.clone(),
        vec![sound[0]; 40],
        vec![none; 40],
        [&[small, twice], &sound[..15], &[small, sound[3], none]].concat(),
        [&sound[5..40], &sound[..20], &[twice], &sound[60..]].concat(),
        Vec::new(),
    ];
    for backend in Backend::all() {
        for known in [0, 7] {
            for keys in &tables {
                let (mut one, mut many) = (KeyRing::new(backend), KeyRing::new(backend));
                for key in &sound[..known] {
                    assert_eq!(one.insert(*key), many.insert(*key));
                }
                let ids: Vec<_> = keys.iter().map(|&key| one.insert(key)).collect();
                assert_eq!(many.insert_many(keys), ids);
                assert_eq!(many.len(), one.len());
                for (key, id) in keys.iter().zip(ids) {
                    assert_eq!(many.find(key), id.ok());
                    assert!(id.is_err() || many.key(id.unwrap()) == *key);
                }
                many.clear();
                assert_eq!((many.len(), many.find(&sound[0])), (0, None));
                assert_eq!(
                    many.insert(sound[1]),
                    KeyRing::new(backend).insert(sound[1])
                );
            }
        }
    }
}

#[test]
fn a_refusal_names_the_key() {
    let key = encoding(1, 0, 0);
    let text = KeyError::SmallOrder(key).to_string();
    assert_eq!(text, format!("key {key} is a point of small order"));
    assert!(text.contains("key 0100000000"));
}

#[test]
fn a_secret_key_shows_its_public_half_only() {
    let seed = [0xa5; 32];
    let secret = SecretKey::from_seed(&seed);
    let shown = format!("{secret:?}");
    assert_eq!(shown, format!("SecretKey of {}", secret.public()));
    assert_eq!(format!("{secret:#?}"), shown);
    assert!(!shown.contains("a5a5"));
}

proptest! {
    #[test]
    fn any_32_bytes_are_judged_as_by_encoding_again(bytes: [u8; 32]) {
        let key = PublicKey(bytes);
        let point = CompressedEdwardsY(bytes).decompress();
        // Random bytes hit no point of small order and no second encoding.
        let expected = point.is_none().then_some(KeyError::NotAPoint(key));
        prop_assert_eq!(refusal(key), expected);
    }

    #[test]
    fn many_seeds_give_the_keys_of_each(seeds: Vec<[u8; 32]>) {
        let wrapped: Vec<_> = seeds.iter().map(|&seed| Zeroizing::new(seed)).collect();
        for backend in Backend::all() {
            let keys = SecretKey::from_seeds(backend, &wrapped);
            prop_assert_eq!(keys.len(), seeds.len());
            for (key, seed) in keys.iter().zip(&seeds) {
                let dalek = ed25519_dalek::SigningKey::from_bytes(seed);
                prop_assert_eq!(key.public().0, dalek.verifying_key().to_bytes());
                prop_assert_eq!(SecretKey::from_seed(seed).public(), key.public());
            }
        }
    }

    #[test]
    fn honest_keys_are_taken(scalar: [u8; 32]) {
        let point = EdwardsPoint::mul_base(&Scalar::from_bytes_mod_order(scalar));
        prop_assert_eq!(refusal(PublicKey(point.compress().0)), None);
    }
}
