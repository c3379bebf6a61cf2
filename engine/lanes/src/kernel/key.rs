//! Public keys, decoded once for many verifications, in 64 bytes each.

use super::decode::Decode;
use super::field::Field;
use super::point::{HALF, Niels, Point, encode};
use crate::machine::{Machine, Mask, Vector, Work};
use crate::{Lanes, OnAny};

/// A public key, decoded once for many verifications: what took long, the square root, is kept.
/// What a sum takes of it is made again, eight keys at a time, whenever a batch needs it: two
/// multiplications, against twice the memory.
#[derive(Clone, Copy, Debug)]
pub struct VerifyingKey {
    /// The encoding: y, mod p, and a sign.
    pub(super) bytes: [u8; 32],
    /// x, below p; and in the top bit whether the point is of small order.
    x: [u8; 32],
}

const _: () = assert!(size_of::<VerifyingKey>() == 64);

const SMALL_ORDER: u8 = 0x80;

impl VerifyingKey {
    /// Decodes keys by ZIP 215's rule for encodings, non-canonical ones included; `each` receives
    /// them in order, or nothing where there is no point. The price is that of whole eights, and
    /// lower where there are two of them.
    pub fn decode_many(
        lanes: Lanes,
        encodings: &[[u8; 32]],
        mut each: impl FnMut(Option<VerifyingKey>),
    ) {
        for encodings in encodings.chunks(16) {
            match encodings.split_at_checked(8) {
                Some((low, high)) if !high.is_empty() => {
                    let decoded = lanes.on(Eights([lane_rows(low), lane_rows(high)]));
                    keys(low, &decoded[0], &mut each);
                    keys(high, &decoded[1], &mut each);
                }
                _ => {
                    let [decoded] = lanes.on(Eights([lane_rows(encodings)]));
                    keys(encodings, &decoded, &mut each);
                }
            }
        }
    }

    /// Decodes one key, at the price of eight; `None` if it encodes no point.
    #[must_use]
    pub fn decode(lanes: Lanes, encoding: &[u8; 32]) -> Option<VerifyingKey> {
        let mut decoded = None;
        VerifyingKey::decode_many(lanes, std::slice::from_ref(encoding), |key| decoded = key);
        decoded
    }

    /// Whether it is a point of order 1, 2, 4 or 8, for which anyone can sign. ZIP 215 has no
    /// objection to such keys; whoever hands out money should.
    #[must_use]
    pub fn is_small_order(&self) -> bool {
        self.x[31] & SMALL_ORDER != 0
    }

    /// The encoding it was decoded from.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// What stands where a key is going to be.
    pub(super) fn unknown() -> VerifyingKey {
        VerifyingKey {
            bytes: [0; 32],
            x: [0; 32],
        }
    }

    /// Eight keys whose affine coordinates are known, since they were made here: multiples of the
    /// base point by clamped scalars. None is of small order: a clamped scalar is 8k with 0 < k <
    /// l.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(super) fn multiples_of_base<M: Machine>(x: &Field<M>, y: &Field<M>) -> [VerifyingKey; 8] {
        let x = x.freeze();
        let encodings = M::V::store_32(encode(&x, y));
        let xs = M::V::store_32(x.to_words());
        std::array::from_fn(|lane| VerifyingKey {
            bytes: encodings[lane],
            x: xs[lane],
        })
    }

    /// The points of eight keys.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    pub(super) fn points<M: Machine>(machine: M, keys: [&VerifyingKey; 8]) -> Niels<M> {
        // Unpacking ignores the top bit of either.
        let y = Field::from_words(&machine.load_32(keys.map(|key| &key.bytes)));
        let x = Field::from_words(&machine.load_32(keys.map(|key| &key.x)));
        Niels::new(&x, &y)
    }
}

/// What is known of eight encodings: x, which lanes are points, which of them are of small order.
struct Eight {
    x: [[u8; 32]; 8],
    points: u8,
    small: u8,
}

impl Eight {
    const NONE: Eight = Eight {
        x: [[0; 32]; 8],
        points: 0,
        small: 0,
    };
}

fn keys(encodings: &[[u8; 32]], eight: &Eight, each: &mut impl FnMut(Option<VerifyingKey>)) {
    for (lane, (bytes, mut x)) in encodings.iter().zip(eight.x).enumerate() {
        let of_lane = |mask: u8| mask & (1 << lane) != 0;
        if of_lane(eight.small) {
            x[31] |= SMALL_ORDER;
        }
        each(of_lane(eight.points).then_some(VerifyingKey { bytes: *bytes, x }));
    }
}

/// Up to eight rows for eight lanes: the last one is repeated.
fn lane_rows(rows: &[[u8; 32]]) -> [&[u8; 32]; 8] {
    std::array::from_fn(|lane| &rows[lane.min(rows.len() - 1)])
}

/// Decodes N groups of eight keys.
struct Eights<'a, const N: usize>([[&'a [u8; 32]; 8]; N]);

impl<const N: usize> OnAny for Eights<'_, N> {
    type Out = [Eight; N];

    fn on<M: Machine>(self, machine: M) -> [Eight; N] {
        machine.run(self)
    }
}

impl<M: Machine, const N: usize> Work<M> for Eights<'_, N> {
    type Out = [Eight; N];

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) -> [Eight; N] {
        let mut words = [[machine.splat(0); 4]; N];
        for (words, eight) in words.iter_mut().zip(self.0) {
            *words = machine.load_32(eight);
        }
        let decoded = machine.run(Decode(&words));
        let mut eights = [const { Eight::NONE }; N];
        for (eight, (niels, points)) in eights.iter_mut().zip(&decoded) {
            let point = Point::identity(machine).add_niels(niels);
            // 2x = (y + x) − (y − x).
            let x = niels.plus.sub(&niels.minus).times(HALF);
            *eight = Eight {
                x: M::V::store_32(x.to_words()),
                points: points.bits(),
                small: point.double_times(machine, 3).is_identity().bits(),
            };
        }
        eights
    }
}

#[cfg(test)]
mod tests {
    use crate::{Lanes, Signer, VerifyingKey};

    #[test]
    fn a_key_that_was_made_is_the_one_that_its_encoding_decodes_to() {
        for lanes in Lanes::all() {
            keys_equal_their_encodings(lanes);
        }
    }

    fn keys_equal_their_encodings(lanes: Lanes) {
        let seeds: Vec<[u8; 32]> = (0..300_u16)
            .map(|number| std::array::from_fn(|at| (number >> (8 * (at % 2))) as u8))
            .collect();
        for key in Signer::new(lanes).keys(&seeds.iter().collect::<Vec<_>>()) {
            let decoded = VerifyingKey::decode(lanes, key.public()).unwrap();
            let made = key.verifying();
            assert_eq!((made.bytes, made.x), (decoded.bytes, decoded.x));
            assert!(!made.is_small_order());
        }
    }
}
