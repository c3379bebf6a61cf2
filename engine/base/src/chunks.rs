//! Rows that never move, in blocks of equal length: a million more cost a million rows, and not the
//! old ones once more while they grow, as in a vector. Forgets rows only all at once.

use std::ops::{Index, IndexMut};

/// Rows in a block.
const CHUNK: usize = 1024;

/// A list of rows that grows by blocks of 1,024.
#[derive(Clone, Debug)]
pub struct Chunks<T> {
    /// All but the last one with rows are full; empty ones may follow.
    blocks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Chunks<T> {
        Chunks {
            blocks: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Chunks<T> {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a row; gives its place.
    ///
    /// # Panics
    /// After 2^32 rows.
    pub fn push(&mut self, row: T) -> u32 {
        let place = u32::try_from(self.len).expect("fewer than 2^32 rows");
        let block = self.len / CHUNK;
        if block == self.blocks.len() {
            self.blocks.push(Vec::with_capacity(CHUNK));
        }
        self.blocks[block].push(row);
        self.len += 1;
        place
    }

    /// Forgets every row, and keeps their memory for others.
    pub fn clear(&mut self) {
        self.blocks.iter_mut().for_each(Vec::clear);
        self.len = 0;
    }

    /// All rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flatten()
    }
}

impl<T> Index<usize> for Chunks<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.blocks[at / CHUNK][at % CHUNK]
    }
}

impl<T> IndexMut<usize> for Chunks<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.blocks[at / CHUNK][at % CHUNK]
    }
}

/// Rows that come in any order, each with its place.
pub struct Gathered<T> {
    blocks: Vec<Vec<Option<T>>>,
    len: usize,
}

impl<T> Default for Gathered<T> {
    fn default() -> Gathered<T> {
        Gathered {
            blocks: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Gathered<T> {
    /// How many have come.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts a row in its place. Whether that was free.
    pub fn put(&mut self, place: u32, row: T) -> bool {
        let (block, at) = (place as usize / CHUNK, place as usize % CHUNK);
        if block >= self.blocks.len() {
            // A place beyond all reason costs 24 bytes a block, and not the rows before it.
            self.blocks.resize_with(block + 1, Vec::new);
        }
        let rows = &mut self.blocks[block];
        if rows.is_empty() {
            rows.resize_with(CHUNK, || None);
        }
        let free = rows[at].is_none();
        if free {
            rows[at] = Some(row);
            self.len += 1;
        }
        free
    }

    /// The rows of the first `places` places, empty ones among them; none if a row lies beyond.
    pub fn finish(self, places: u32) -> Option<impl Iterator<Item = Option<T>>> {
        let places = places as usize;
        let mut blocks = self.blocks.iter().enumerate().rev();
        let last = blocks.find_map(|(block, rows)| {
            let at = rows.iter().rposition(Option::is_some)?;
            Some(block * CHUNK + at)
        });
        if last.is_some_and(|last| last >= places) {
            return None;
        }
        let rows = self.blocks.into_iter().flat_map(|mut rows| {
            rows.resize_with(CHUNK, || None);
            rows
        });
        Some(rows.chain(std::iter::repeat_with(|| None)).take(places))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_come_in_any_order_find_their_places() {
        let come = |places: &[u32]| {
            let mut rows = Gathered::default();
            let free: Vec<bool> = places.iter().map(|&at| rows.put(at, at)).collect();
            (rows, free)
        };
        let (rows, free) = come(&[3000, 0, 2, 3000]);
        assert_eq!((rows.len(), free), (3, vec![true, true, true, false]));
        let rows: Vec<_> = rows.finish(3002).unwrap().collect();
        assert_eq!(rows.len(), 3002);
        for (at, row) in (0..).zip(rows) {
            assert_eq!(row, [0, 2, 3000].contains(&at).then_some(at));
        }
        assert!(come(&[5]).0.finish(5).is_none());
        assert!(come(&[u32::MAX]).0.finish(2000).is_none());
        assert_eq!(come(&[]).0.finish(2000).unwrap().flatten().count(), 0);
    }

    #[test]
    fn rows_stay_where_they_are() {
        let mut rows = Chunks::default();
        let mut first: *const u32 = std::ptr::null();
        for round in 0..2 {
            for row in 0..5000 {
                assert_eq!(rows.push(row), row);
                if round == 0 && row == 0 {
                    first = &raw const rows[0];
                }
            }
            assert!(std::ptr::eq(first, &raw const rows[0]));
            rows[4711] += 1;
            assert_eq!((rows.len(), rows[4711], rows[4999]), (5000, 4712, 4999));
            assert!(rows.iter().take(4000).copied().eq(0..4000));
            rows.clear();
            assert_eq!((rows.len(), rows.iter().count()), (0, 0));
        }
    }
}
