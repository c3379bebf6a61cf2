//! The distinct keys of a batch: a table of the batch's size, whatever the number of keys there
//! are.

/// The distinct keys of the items joined last.
#[derive(Default)]
pub(super) struct Joined {
    /// The keys, in the order in which they came.
    pub(super) keys: Vec<usize>,
    /// For each item, its key's place in `keys`.
    pub(super) places: Vec<u32>,
    /// Places by key: the first free slot from where the key belongs. At least half are free.
    pub(super) slots: Vec<u32>,
}

const FREE: u32 = u32::MAX;

impl Joined {
    /// Lists the distinct keys of `items`, and where each item's key is in the list.
    pub(super) fn join(&mut self, key_of: &[usize], items: impl ExactSizeIterator<Item = u32>) {
        let bits = (2 * items.len()).next_power_of_two().ilog2().max(1);
        self.keys.clear();
        self.places.clear();
        self.slots.clear();
        self.slots.resize(1 << bits, FREE);
        for item in items {
            let key = key_of[item as usize];
            // Keys are numbers that were given out in order: a multiplication (by 2^64 over the
            // golden ratio) spreads them well, and nobody outside chooses them.
            let hash = (key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut slot = (hash >> (64 - bits)) as usize;
            let place = loop {
                match self.slots[slot] {
                    FREE => {
                        let place = self.keys.len() as u32;
                        self.slots[slot] = place;
                        self.keys.push(key);
                        break place;
                    }
                    place if self.keys[place as usize] == key => break place,
                    _ => slot = (slot + 1) & (self.slots.len() - 1),
                }
            };
            self.places.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_finds_its_key_and_none_is_listed_twice() {
        let mut joined = Joined::default();
        for (items, keys, stride) in [
            (0, 1, 1),
            (1, 1, 1),
            (9, 3, 7),
            (4096, 4096, 1 << 20),
            (4096, 64, 3),
        ] {
            let key_of: Vec<usize> = (0..items).map(|item| item % keys * stride).collect();
            joined.join(&key_of, 0..items as u32);
            assert_eq!(joined.keys.len(), keys.min(items));
            assert_eq!(joined.places.len(), items);
            for (place, key) in joined.places.iter().zip(&key_of) {
                assert_eq!(joined.keys[*place as usize], *key);
            }
        }
    }
}
