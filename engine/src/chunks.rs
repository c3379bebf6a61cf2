//! Rows that never move, in blocks of equal length: a million more cost a million rows, and not the
//! old ones once more while they grow, as in a vector. Forgets rows only all at once.

use std::ops::{Index, IndexMut};

/// Rows in a block.
const CHUNK: usize = 1024;

/// A list of rows that grows by blocks of 1,024.
#[derive(Clone, Debug)]
pub(crate) struct Chunks<T> {
    /// All but the last one with rows are full; empty ones may follow.
    blocks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Chunks<T> {
    pub(crate) fn new() -> Chunks<T> {
        Chunks {
            blocks: Vec::new(),
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends a row; gives its place.
    ///
    /// # Panics
    /// After 2^32 rows.
    pub(crate) fn push(&mut self, row: T) -> u32 {
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
    pub(crate) fn clear(&mut self) {
        self.blocks.iter_mut().for_each(Vec::clear);
        self.len = 0;
    }

    /// All rows, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_where_they_are() {
        let mut rows = Chunks::new();
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
