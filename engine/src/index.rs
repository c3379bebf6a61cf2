//! Finds rows by their keys, in 5 bytes a slot: the keys stay in the rows. Knows the rows' places only.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;

/// From keys to the places of the rows that hold them.
#[derive(Clone, Debug)]
pub(crate) struct PlaceIndex {
    places: HashTable<u32>,
    /// Keyed: outsiders choose keys, and must not choose where they go.
    hasher: RandomState,
}

impl PlaceIndex {
    pub(crate) fn new() -> PlaceIndex {
        PlaceIndex {
            places: HashTable::new(),
            hasher: RandomState::new(),
        }
    }

    /// The place of the row with this key.
    pub(crate) fn find<'r, K>(&self, key: &K, key_at: impl Fn(u32) -> &'r K) -> Option<u32>
    where
        K: Hash + Eq + 'r,
    {
        let hash = self.hasher.hash_one(key);
        self.places
            .find(hash, |place| key_at(*place) == key)
            .copied()
    }

    /// Notes a row, whose key must be new.
    pub(crate) fn insert<'r, K>(&mut self, place: u32, key_at: impl Fn(u32) -> &'r K)
    where
        K: Hash + 'r,
    {
        let hasher = &self.hasher;
        let hash = |place: &u32| hasher.hash_one(key_at(*place));
        self.places.insert_unique(hash(&place), place, hash);
    }

    /// Forgets the row with this key; gives its place.
    pub(crate) fn remove<'r, K>(&mut self, key: &K, key_at: impl Fn(u32) -> &'r K) -> Option<u32>
    where
        K: Hash + Eq + 'r,
    {
        let hash = self.hasher.hash_one(key);
        let found = self.places.find_entry(hash, |place| key_at(*place) == key);
        found.ok().map(|entry| entry.remove().0)
    }

    /// Forgets every row, and the memory with them.
    pub(crate) fn drop_all(&mut self) {
        self.places = HashTable::new();
    }

    /// Forgets every row, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.places.clear();
    }
}
