//! Finds rows by their keys, in 5 bytes a slot: the keys stay in the rows. Knows the rows' places
//! only.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use hashbrown::HashTable;

/// From keys of 32 bytes to the places of the rows that hold them.
#[derive(Clone, Debug)]
pub struct PlaceIndex {
    places: HashTable<u32>,
    /// Outsiders choose keys, and must not choose where they go.
    hash: Multilinear,
}

impl PlaceIndex {
    /// The place of the row with this key.
    pub fn find<'r>(&self, key: &[u8; 32], key_at: impl Fn(u32) -> &'r [u8; 32]) -> Option<u32> {
        self.places
            .find(self.hash.of(key), |place| key_at(*place) == key)
            .copied()
    }

    /// Notes a row, whose key must be new.
    pub fn insert<'r>(&mut self, place: u32, key_at: impl Fn(u32) -> &'r [u8; 32]) {
        let hash = |place: &u32| self.hash.of(key_at(*place));
        self.places.insert_unique(hash(&place), place, hash);
    }

    /// Forgets the row with this key; gives its place.
    pub fn remove<'r>(
        &mut self,
        key: &[u8; 32],
        key_at: impl Fn(u32) -> &'r [u8; 32],
    ) -> Option<u32> {
        let hash = self.hash.of(key);
        let found = self.places.find_entry(hash, |place| key_at(*place) == key);
        found.ok().map(|entry| entry.remove().0)
    }

    /// Makes room for so many rows; of an empty index, so that none has to be moved.
    pub fn reserve(&mut self, more: usize) {
        assert!(self.places.is_empty(), "nothing to move");
        self.places.reserve(more, |_| 0);
    }

    /// Forgets every row, and keeps the memory.
    pub fn clear(&mut self) {
        self.places.clear();
    }
}

impl Default for PlaceIndex {
    fn default() -> PlaceIndex {
        PlaceIndex {
            places: HashTable::new(),
            hash: Multilinear::new(),
        }
    }
}

/// A hash that is drawn from a strongly universal family: whoever chooses keys without having seen
/// hashes gets two of them into one bucket as often as by chance, and not more. At a tenth of
/// `SipHash`'s price for what is always 32 bytes.
///
/// MULTILINEAR-HM of Lemire and Kaser, *Strongly universal string hashing is fast* (2014), 2.1: of
/// the sum, the upper 32 bits are strongly universal.
#[derive(Clone, Debug)]
struct Multilinear {
    offset: u64,
    terms: [u64; 8],
}

impl Multilinear {
    /// One of the family, drawn with the randomness that the standard library keys its maps by.
    fn new() -> Multilinear {
        let random = RandomState::new();
        Multilinear {
            offset: random.hash_one(8),
            terms: std::array::from_fn(|at| random.hash_one(at)),
        }
    }

    /// The strong half comes lowest, where the bucket is taken from.
    fn of(&self, key: &[u8; 32]) -> u64 {
        let (words, _) = key.as_chunks::<4>();
        let factor = |at: usize| {
            let word = u32::from_le_bytes(words[at]);
            self.terms[at].wrapping_add(u64::from(word))
        };
        let sum = (0..4).fold(self.offset, |sum, pair| {
            sum.wrapping_add(factor(2 * pair).wrapping_mul(factor(2 * pair + 1)))
        });
        sum.rotate_left(32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys as an outsider would choose them: alike but for one byte of two positions.
    fn alike() -> Vec<[u8; 32]> {
        let mut keys = Vec::new();
        for (first, second) in [(0, 31), (3, 4), (7, 8), (12, 16)] {
            for value in 0..=u16::MAX {
                let mut key = [first as u8; 32];
                [key[first], key[second]] = value.to_le_bytes();
                keys.push(key);
            }
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// One of the family, from a seed (`SplitMix64`).
    fn drawn(mut seed: u64) -> Multilinear {
        let mut next = || {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Multilinear {
            offset: next(),
            terms: std::array::from_fn(|_| next()),
        }
    }

    #[test]
    fn keys_that_are_alike_spread_as_random_ones_would() {
        let keys = alike();
        let buckets = 1 << 18;
        let expected = (keys.len() as u64).pow(2) / (2 * buckets as u64);
        // Pairs in one bucket: n²/2m are expected of random ones.
        let mut pairs: Vec<u64> = (0..9)
            .map(|seed| {
                let hash = drawn(seed);
                let mut loads = vec![0_u64; buckets];
                for key in &keys {
                    loads[hash.of(key) as usize % buckets] += 1;
                }
                let pairs = loads.iter().map(|load| load * load.saturating_sub(1) / 2);
                pairs.sum()
            })
            .collect();
        pairs.sort_unstable();
        assert!(pairs[4] < 2 * expected, "{pairs:?} for {expected}");
    }

    #[test]
    fn rows_are_found_by_their_keys_until_they_are_removed() {
        let keys = alike();
        let key_at = |place: u32| &keys[place as usize];
        let mut index = PlaceIndex::default();
        for place in 0..keys.len() as u32 {
            assert_eq!(index.find(key_at(place), key_at), None);
            index.insert(place, key_at);
        }
        for place in 0..keys.len() as u32 {
            assert_eq!(index.find(key_at(place), key_at), Some(place));
            if place % 3 == 0 {
                assert_eq!(index.remove(key_at(place), key_at), Some(place));
                assert_eq!(index.remove(key_at(place), key_at), None);
            }
        }
        let left =
            (0..keys.len() as u32).filter(|place| index.find(key_at(*place), key_at).is_some());
        assert!(left.eq((0..keys.len() as u32).filter(|place| place % 3 != 0)));
    }
}
