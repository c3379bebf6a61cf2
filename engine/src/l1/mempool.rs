//! Transactions that wait for a block, first come first served. Bounded: it pushes back.
//!
//! Beside the queue there is a reserved room (rule L8): one answer for each disputed channel, the
//! highest that came. Nobody can fill it against anybody else, since a place in it belongs to its
//! channel; what is in it was found valid before, and is served before the queue.

use std::collections::{HashMap, VecDeque};

use super::refusal::SubmitError;
use crate::crypto::PublicKey;
use crate::protocol::ChannelId;

/// The queue. Bytes lie one after the other in one arena, which stops growing once it has seen the
/// most that wait at once.
pub(super) struct Mempool {
    capacity: u32,
    waiting: VecDeque<Waiting>,
    arena: Vec<u8>,
    /// Where in the arena the first waiting transaction starts.
    start: usize,
    /// What the queue takes of a block's limit of transactions.
    operations: u64,
    reserved: Reserved,
}

struct Waiting {
    ticket: u64,
    bytes: usize,
    operations: u32,
}

/// One transaction on its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next<'m> {
    pub(super) ticket: u64,
    pub(super) bytes: &'m [u8],
    /// What it takes of a block's limit.
    pub(super) operations: u32,
}

/// The reserved room.
#[derive(Default)]
struct Reserved {
    answers: VecDeque<Answer>,
    /// Answers served so far: where in the count the first of `answers` is.
    served: u64,
    /// Each channel's place in the count.
    places: HashMap<ChannelId, u64>,
    /// Answers of each account.
    by: HashMap<PublicKey, u32>,
}

/// An answer in the reserved room.
pub(super) struct Answer {
    pub(super) ticket: u64,
    pub(super) channel: ChannelId,
    pub(super) version: u64,
    /// Whose account pays for it.
    pub(super) payer: PublicKey,
    pub(super) bytes: Vec<u8>,
}

impl Mempool {
    pub(super) fn new(capacity: u32) -> Mempool {
        Mempool {
            capacity,
            waiting: VecDeque::new(),
            arena: Vec::new(),
            start: 0,
            operations: 0,
            reserved: Reserved::default(),
        }
    }

    /// All that wait, in the reserved room too.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.reserved.answers.len()
    }

    /// Whether there is room for one more in the queue.
    pub(super) fn admit(&self) -> Result<(), SubmitError> {
        if self.waiting.len() < self.capacity as usize {
            Ok(())
        } else {
            Err(SubmitError::MempoolFull {
                capacity: self.capacity,
            })
        }
    }

    /// What waits in the queue: its share of a block's limit of transactions, and its bytes.
    pub(super) fn queued(&self) -> (u64, u64) {
        (self.operations, (self.arena.len() - self.start) as u64)
    }

    /// Queues a transaction for which there is room.
    pub(super) fn push(&mut self, ticket: u64, bytes: &[u8], operations: u32) {
        assert!(self.admit().is_ok(), "room was asked for");
        // At least as much is dropped as is moved: a byte's moves cost what its arrival cost.
        if self.start >= self.arena.len() - self.start {
            self.arena.copy_within(self.start.., 0);
            self.arena.truncate(self.arena.len() - self.start);
            self.start = 0;
        }
        self.arena.extend_from_slice(bytes);
        self.operations += u64::from(operations);
        self.waiting.push_back(Waiting {
            ticket,
            bytes: bytes.len(),
            operations,
        });
    }

    /// The version of the answer that waits in the reserved room for a channel.
    pub(super) fn reserved_version(&self, channel: &ChannelId) -> Option<u64> {
        let reserved = &self.reserved;
        let place = reserved.places.get(channel)?;
        Some(reserved.answers[(place - reserved.served) as usize].version)
    }

    /// Answers in the reserved room that this account pays for, that for this channel aside.
    pub(super) fn reserved_by(&self, payer: &PublicKey, but: &ChannelId) -> u32 {
        let reserved = &self.reserved;
        let all = reserved.by.get(payer).copied().unwrap_or(0);
        let place = reserved.places.get(but);
        let replaced = place.map(|place| &reserved.answers[(place - reserved.served) as usize]);
        all - u32::from(replaced.is_some_and(|answer| answer.payer == *payer))
    }

    /// Puts an answer into the reserved room; gives the lower one that it takes the place of.
    pub(super) fn reserve(&mut self, answer: Answer) -> Option<Answer> {
        let reserved = &mut self.reserved;
        *reserved.by.entry(answer.payer).or_default() += 1;
        match reserved.places.get(&answer.channel) {
            Some(place) => {
                let held = &mut reserved.answers[(place - reserved.served) as usize];
                assert!(held.version < answer.version, "a higher answer");
                let lower = std::mem::replace(held, answer);
                reserved.pays_no_more(&lower.payer);
                Some(lower)
            }
            None => {
                let place = reserved.served + reserved.answers.len() as u64;
                reserved.places.insert(answer.channel, place);
                reserved.answers.push_back(answer);
                None
            }
        }
    }

    /// All that wait, first first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Next<'_>> {
        let queue = self.waiting.iter().scan(self.start, |start, waiting| {
            let bytes = &self.arena[*start..*start + waiting.bytes];
            *start += waiting.bytes;
            Some(Next {
                ticket: waiting.ticket,
                bytes,
                operations: waiting.operations,
            })
        });
        let answers = self.reserved.answers.iter().map(|answer| Next {
            ticket: answer.ticket,
            bytes: &answer.bytes,
            operations: 1,
        });
        answers.chain(queue)
    }

    /// The first that waits.
    pub(super) fn first(&self) -> Option<Next<'_>> {
        self.iter().next()
    }

    /// Drops the first that waits.
    pub(super) fn pop(&mut self) {
        if let Some(answer) = self.reserved.answers.pop_front() {
            self.reserved.places.remove(&answer.channel);
            self.reserved.pays_no_more(&answer.payer);
            self.reserved.served += 1;
            return;
        }
        let first = self.waiting.pop_front().expect("one waits");
        self.start += first.bytes;
        self.operations -= u64::from(first.operations);
    }
}

impl Reserved {
    /// One answer of this account less.
    fn pays_no_more(&mut self, payer: &PublicKey) {
        let left = self.by.get_mut(payer).expect("it paid for one");
        *left -= 1;
        if *left == 0 {
            self.by.remove(payer);
        }
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
                mempool.push(submitted, &bytes(submitted), 1);
                submitted += 1;
            }
            let all = (served..submitted).map(|ticket| (ticket, bytes(ticket)));
            let found = mempool
                .iter()
                .map(|next| (next.ticket, next.bytes.to_vec()));
            assert!(found.eq(all));
            for _ in 0..1 + round % 100 {
                let next = mempool.first().unwrap();
                assert_eq!((next.ticket, next.bytes), (served, &bytes(served)[..]));
                mempool.pop();
                served += 1;
            }
            if round == 100 {
                grown = mempool.arena.capacity();
            }
        }
        assert_eq!(mempool.arena.capacity(), grown);
    }

    #[test]
    fn the_reserved_room_keeps_the_highest_answer_of_each_channel_and_goes_first() {
        let channel = |number: u8| ChannelId(crate::crypto::Digest([number; 32]));
        let answer = |ticket: u64, number, version| Answer {
            ticket,
            channel: channel(number),
            version,
            payer: PublicKey([ticket as u8 % 2; 32]),
            bytes: vec![ticket as u8],
        };
        let mut mempool = Mempool::new(1);
        mempool.push(0, &[0], 1);
        assert!(mempool.reserve(answer(1, 7, 4)).is_none());
        assert!(mempool.reserve(answer(2, 8, 4)).is_none());
        assert_eq!(mempool.reserved_version(&channel(7)), Some(4));
        assert_eq!(mempool.reserved_version(&channel(9)), None);
        let replaced = mempool.reserve(answer(3, 7, 9)).map(|old| old.ticket);
        assert_eq!(replaced, Some(1));
        let order =
            |mempool: &Mempool| -> Vec<u64> { mempool.iter().map(|next| next.ticket).collect() };
        assert_eq!((order(&mempool), mempool.len()), (vec![3, 2, 0], 3));
        let by = |mempool: &Mempool, payer: u8, but: u8| {
            mempool.reserved_by(&PublicKey([payer; 32]), &channel(but))
        };
        assert_eq!([by(&mempool, 1, 9), by(&mempool, 1, 7)], [1, 0]);
        assert_eq!([by(&mempool, 0, 9), by(&mempool, 0, 8)], [1, 0]);
        mempool.pop();
        assert_eq!(mempool.reserved_version(&channel(7)), None);
        assert_eq!(mempool.reserved_version(&channel(8)), Some(4));
        assert!(mempool.reserve(answer(4, 7, 1)).is_none());
        assert_eq!(order(&mempool), [2, 4, 0]);
        for _ in 0..3 {
            mempool.pop();
        }
        assert_eq!((order(&mempool), mempool.len()), (vec![], 0));
        assert_eq!([by(&mempool, 0, 9), by(&mempool, 1, 9)], [0, 0]);
    }
}
