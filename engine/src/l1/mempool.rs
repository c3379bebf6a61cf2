//! Transactions that wait for a block, first come first served. Bounded: it pushes back.

use std::collections::VecDeque;

use super::refusal::SubmitError;

/// The queue. Bytes lie one after the other in one arena, which stops growing once it has seen the
/// most that wait at once.
pub(super) struct Mempool {
    capacity: u32,
    waiting: VecDeque<Waiting>,
    arena: Vec<u8>,
    /// Where in the arena the first waiting transaction starts.
    start: usize,
}

struct Waiting {
    ticket: u64,
    bytes: usize,
}

impl Mempool {
    pub(super) fn new(capacity: u32) -> Mempool {
        Mempool {
            capacity,
            waiting: VecDeque::new(),
            arena: Vec::new(),
            start: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether there is room for one more.
    pub(super) fn admit(&self) -> Result<(), SubmitError> {
        if self.waiting.len() < self.capacity as usize {
            Ok(())
        } else {
            Err(SubmitError::MempoolFull {
                capacity: self.capacity,
            })
        }
    }

    /// Queues a transaction for which there is room.
    pub(super) fn push(&mut self, ticket: u64, bytes: &[u8]) {
        assert!(self.admit().is_ok(), "room was asked for");
        // At least as much is dropped as is moved: a byte's moves cost what its arrival cost.
        if self.start >= self.arena.len() - self.start {
            self.arena.copy_within(self.start.., 0);
            self.arena.truncate(self.arena.len() - self.start);
            self.start = 0;
        }
        self.arena.extend_from_slice(bytes);
        self.waiting.push_back(Waiting {
            ticket,
            bytes: bytes.len(),
        });
    }

    /// The bytes of all that wait, first first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.waiting.iter().scan(self.start, |start, waiting| {
            let bytes = &self.arena[*start..*start + waiting.bytes];
            *start += waiting.bytes;
            Some(bytes)
        })
    }

    /// The first that waits: its ticket and its bytes.
    pub(super) fn first(&self) -> Option<(u64, &[u8])> {
        let first = self.waiting.front()?;
        Some((
            first.ticket,
            &self.arena[self.start..self.start + first.bytes],
        ))
    }

    /// Drops the first that waits.
    pub(super) fn pop(&mut self) {
        let first = self.waiting.pop_front().expect("one waits");
        self.start += first.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_come_first_served_in_one_arena_that_stops_growing() {
        let mut mempool = Mempool::new(100);
        let bytes = |ticket: u64| vec![ticket as u8; 1 + ticket as usize % 321];
        let (mut submitted, mut served, mut grown) = (0, 0, 0);
        for round in 0..200 {
            while mempool.admit().is_ok() {
                mempool.push(submitted, &bytes(submitted));
                submitted += 1;
            }
            assert!(mempool.iter().eq((served..submitted).map(bytes)));
            for _ in 0..1 + round % 100 {
                let (ticket, found) = mempool.first().unwrap();
                assert_eq!((ticket, found), (served, &bytes(served)[..]));
                mempool.pop();
                served += 1;
            }
            if round == 100 {
                grown = mempool.arena.capacity();
            }
        }
        assert_eq!(mempool.arena.capacity(), grown);
    }
}
