//! Transactions that wait for a block, first come first served. Bounded, in number and in bytes: it
//! pushes back.
//!
//! Beside the queue there is a reserved room (rule L8) for answers that the next block could
//! include, first come first served, and before the queue. As long as all that waits fits in a
//! block, every answer gets in; beyond that, one of each disputed channel, the highest that came.
//! So nobody can fill it against anybody else: a place belongs to its channel, what is in it was
//! found valid before, and its account can pay for all that it has in there. What waits in the
//! queue, however much, takes nothing of that room. What is found not to be valid does not come in:
//! that is the business of `vain`.

use std::collections::{HashMap, VecDeque};

use super::claim::Claim;
use super::config::Config;
use super::market::Units;
use super::refusal::SubmitError;
use super::witness::Checked;
use duet_channels::crypto::PublicKey;
use duet_channels::protocol::ChannelId;

/// The queue. Its memory is what waits, and two segments of slack.
#[derive(Clone)]
pub(super) struct Mempool {
    capacity: u32,
    waiting: VecDeque<Waiting>,
    /// The bytes of what waits, in order; only the last one has room.
    segments: VecDeque<Segment>,
    /// The memory of one that was emptied.
    spare: Option<Vec<u8>>,
    /// What all of `waiting` take of blocks' limits.
    operations: u64,
    bytes: usize,
    reserved: Reserved,
}

#[derive(Clone)]
struct Waiting {
    ticket: u64,
    bytes: u32,
    operations: u32,
}

/// Whole transactions, one after the other.
#[derive(Clone)]
struct Segment {
    bytes: Vec<u8>,
    /// Where the first one that waits starts.
    start: usize,
}

/// Bytes of a segment; more, if one transaction alone takes more.
const SEGMENT: usize = 1 << 18;

/// One transaction on its turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next<'m> {
    pub(super) ticket: u64,
    pub(super) bytes: &'m [u8],
    /// What it takes of a block's limit.
    pub(super) operations: u32,
    /// Its claim, if it was verified when it came.
    pub(super) checked: Option<&'m Checked<Claim>>,
}

/// The reserved room.
#[derive(Clone, Default)]
struct Reserved {
    answers: VecDeque<Answer>,
    /// Answers served so far: where in the count the first of `answers` is.
    served: u64,
    /// The place in the count of each channel's newest answer.
    places: HashMap<ChannelId, u64>,
    /// Bytes of all answers.
    bytes: usize,
    /// How many of them each account pays for.
    payers: HashMap<PublicKey, u64>,
}

/// An answer in the reserved room.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) ticket: u64,
    pub(super) channel: ChannelId,
    pub(super) payer: PublicKey,
    pub(super) version: u64,
    pub(super) bytes: Vec<u8>,
    /// What it claims, verified when it came: a block need not verify it again.
    pub(super) claim: Checked<Claim>,
}

impl Mempool {
    pub(super) fn new(capacity: u32) -> Mempool {
        Mempool {
            capacity,
            waiting: VecDeque::new(),
            segments: VecDeque::new(),
            spare: None,
            operations: 0,
            bytes: 0,
            reserved: Reserved::default(),
        }
    }

    /// All that wait, in the reserved room too.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.reserved.answers.len()
    }

    /// Whether there is room in the queue for one more, of so many bytes.
    pub(super) fn admit(&self, bytes: usize) -> Result<(), SubmitError> {
        if self.waiting.len() >= self.capacity as usize {
            return Err(SubmitError::MempoolFull {
                capacity: self.capacity,
            });
        }
        let left = Config::MEMPOOL_BYTES - self.bytes;
        if bytes > left {
            return Err(SubmitError::MempoolBytesFull { left, got: bytes });
        }
        Ok(())
    }

    /// Whether the next block may end before it reaches one more that is queued now.
    pub(super) fn is_crowded(&self, config: &Config, bytes: usize, operations: u32) -> bool {
        let reserved = &self.reserved;
        let ahead = self.operations + reserved.answers.len() as u64;
        let bytes_ahead = self.bytes + reserved.bytes;
        let all = ahead + u64::from(operations);
        // As if each were the dearest there is, a roll-over among them: what they take is known
        // when they have their turn.
        let has_units = |units: &Units| {
            let most = units.of_channels.unwrap_or(units.block);
            let (close, open) = (units.prices.close, units.prices.open_two_sided);
            let dearest = units.dearest_units().max(close.saturating_add(open));
            all.saturating_mul(dearest) <= most
        };
        all > u64::from(config.block_transactions)
            || (bytes_ahead + bytes) as u64 > config.block_bytes
            || !config.units.as_ref().is_none_or(has_units)
    }

    /// Queues a transaction for which there is room.
    pub(super) fn push(&mut self, ticket: u64, bytes: &[u8], operations: u32) {
        assert!(self.admit(bytes.len()).is_ok(), "room was asked for");
        let fits = |last: &&mut Segment| last.bytes.capacity() - last.bytes.len() >= bytes.len();
        match self.segments.back_mut().filter(fits) {
            Some(last) => last.bytes.extend_from_slice(bytes),
            None => {
                let spare = self.spare.take();
                let mut memory = spare.unwrap_or_else(|| Vec::with_capacity(SEGMENT));
                memory.extend_from_slice(bytes);
                self.segments.push_back(Segment {
                    bytes: memory,
                    start: 0,
                });
            }
        }
        self.waiting.push_back(Waiting {
            ticket,
            bytes: u32::try_from(bytes.len()).expect("shorter than a block"),
            operations,
        });
        self.operations += u64::from(operations);
        self.bytes += bytes.len();
    }

    /// The answer that waits in the reserved room for a channel.
    pub(super) fn reserved(&self, channel: &ChannelId) -> Option<&Answer> {
        let reserved = &self.reserved;
        let place = reserved.places.get(channel)?;
        Some(&reserved.answers[(place - reserved.served) as usize])
    }

    /// How many answers in the reserved room this account pays for.
    pub(super) fn reserved_by(&self, payer: &PublicKey) -> u64 {
        self.reserved.payers.get(payer).copied().unwrap_or(0)
    }

    /// Puts an answer into the reserved room, behind those that came before. If `alone`, its
    /// channel gets no second place: it takes that of the lower one, which is given back.
    pub(super) fn reserve(&mut self, answer: Answer, alone: bool) -> Option<Answer> {
        let reserved = &mut self.reserved;
        reserved.bytes += answer.bytes.len();
        *reserved.payers.entry(answer.payer).or_default() += 1;
        let next = reserved.served + reserved.answers.len() as u64;
        let place = reserved.places.entry(answer.channel).or_insert(next);
        if *place < next {
            let held = &mut reserved.answers[(*place - reserved.served) as usize];
            assert!(held.version < answer.version, "a higher answer");
            if alone {
                let held = std::mem::replace(held, answer);
                reserved.release(&held);
                return Some(held);
            }
            *place = next;
        }
        reserved.answers.push_back(answer);
        None
    }

    /// All that wait, first first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Next<'_>> {
        let mut segments = self.segments.iter();
        let mut rest: &[u8] = &[];
        let queue = self.waiting.iter().map(move |waiting| {
            // Each one is whole, and no segment is empty.
            if rest.is_empty() {
                let next = segments.next().expect("what waits has bytes");
                rest = &next.bytes[next.start..];
            }
            let (bytes, others) = rest.split_at(waiting.bytes as usize);
            rest = others;
            Next {
                ticket: waiting.ticket,
                bytes,
                operations: waiting.operations,
                checked: None,
            }
        });
        let answers = self.reserved.answers.iter().map(|answer| Next {
            ticket: answer.ticket,
            bytes: &answer.bytes,
            operations: 1,
            checked: Some(&answer.claim),
        });
        answers.chain(queue)
    }

    /// What waits in the queue and is not left out; then what is, with all answers that have room
    /// of their own.
    pub(super) fn split(&self, leave_out: impl Fn(&[u8]) -> bool) -> [Mempool; 2] {
        let [mut kept, mut left] = [(); 2].map(|()| Mempool::new(self.capacity));
        for next in self.iter().filter(|next| next.checked.is_none()) {
            let to = if leave_out(next.bytes) {
                &mut left
            } else {
                &mut kept
            };
            to.push(next.ticket, next.bytes, next.operations);
        }
        left.reserved = self.reserved.clone();
        [kept, left]
    }

    /// Queues what waits in another one's queue behind what waits here.
    pub(super) fn append(&mut self, other: &Mempool) {
        for next in other.iter() {
            self.push(next.ticket, next.bytes, next.operations);
        }
    }

    /// The first that waits.
    pub(super) fn first(&self) -> Option<Next<'_>> {
        self.iter().next()
    }

    /// Drops the first that waits.
    pub(super) fn pop(&mut self) {
        if let Some(answer) = self.reserved.answers.pop_front() {
            let reserved = &mut self.reserved;
            if reserved.places.get(&answer.channel) == Some(&reserved.served) {
                reserved.places.remove(&answer.channel);
            }
            reserved.served += 1;
            self.reserved.release(&answer);
            return;
        }
        let first = self.waiting.pop_front().expect("one waits");
        self.operations -= u64::from(first.operations);
        self.bytes -= first.bytes as usize;
        let segment = self.segments.front_mut().expect("what waits has bytes");
        segment.start += first.bytes as usize;
        if segment.start == segment.bytes.len() {
            let emptied = self.segments.pop_front();
            self.spare = emptied.map(|segment| segment.bytes);
            self.spare.iter_mut().for_each(Vec::clear);
        }
    }
}

impl Reserved {
    /// Takes an answer that has left off the accounts.
    fn release(&mut self, answer: &Answer) {
        self.bytes -= answer.bytes.len();
        let paid = self.payers.get_mut(&answer.payer).expect("it had a payer");
        *paid -= 1;
        if *paid == 0 {
            self.payers.remove(&answer.payer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever it claims.
    fn claim() -> Checked<Claim> {
        let channel = ChannelId(duet_channels::crypto::Digest([1; 32]));
        let submitter = PublicKey([1; 32]);
        Checked::assume(Claim::Payout { submitter, channel })
    }

    #[test]
    fn first_come_first_served_in_the_memory_of_what_waits() {
        let mut mempool = Mempool::new(100);
        // Now and then one that is longer than a segment.
        let bytes = |ticket: u64| match ticket % 997 {
            996 => vec![ticket as u8; SEGMENT + 1],
            _ => vec![ticket as u8; 1 + 99 * (ticket as usize % 321)],
        };
        let (mut submitted, mut served) = (0, 0);
        for round in 0..200 {
            while mempool.admit(bytes(submitted).len()).is_ok() {
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
            let segments = mempool.segments.iter().map(|segment| &segment.bytes);
            let memory: usize = segments.chain(&mempool.spare).map(Vec::capacity).sum();
            let most = 2 * mempool.bytes + 5 * SEGMENT;
            assert!(memory <= most, "{memory} for {}", mempool.bytes);
        }
    }

    #[test]
    fn the_queue_is_bounded_in_bytes_and_the_reserved_room_is_not_touched_by_that() {
        let mut mempool = Mempool::new(u32::MAX);
        let bulk = vec![7; 57_000];
        let fit = Config::MEMPOOL_BYTES / bulk.len();
        for ticket in 0..fit as u64 {
            mempool.push(ticket, &bulk, 256);
        }
        let left = Config::MEMPOOL_BYTES - fit * bulk.len();
        let got = left + 1;
        let full = SubmitError::MempoolBytesFull { left, got };
        assert_eq!(mempool.admit(left), Ok(()));
        assert_eq!(mempool.admit(got), Err(full));
        let memory: usize = (mempool.segments.iter())
            .map(|segment| segment.bytes.capacity())
            .sum();
        // What is left at the end of a segment is less than one transaction.
        assert!(memory <= Config::MEMPOOL_BYTES * 5 / 4, "{memory}");
        let answer = Answer {
            ticket: 9999,
            channel: ChannelId(duet_channels::crypto::Digest([1; 32])),
            payer: PublicKey([1; 32]),
            version: 2,
            bytes: vec![6; 321],
            claim: claim(),
        };
        assert!(mempool.reserve(answer, true).is_none());
        assert_eq!(mempool.first().unwrap().ticket, 9999);
        assert_eq!(mempool.admit(got), Err(full));
        for _ in 0..2 {
            mempool.pop();
        }
        assert_eq!(mempool.admit(bulk.len()), Ok(()));
    }

    #[test]
    fn the_reserved_room_keeps_the_highest_answer_of_each_channel_and_goes_first() {
        let channel = |number: u8| ChannelId(duet_channels::crypto::Digest([number; 32]));
        let answer = |ticket: u64, number, version| Answer {
            ticket,
            channel: channel(number),
            payer: PublicKey([ticket as u8 % 2; 32]),
            version,
            bytes: vec![ticket as u8],
            claim: claim(),
        };
        let version = |mempool: &Mempool, number| {
            let answer = mempool.reserved(&channel(number));
            answer.map(|answer| answer.version)
        };
        let payers =
            |mempool: &Mempool| [0, 1].map(|key| mempool.reserved_by(&PublicKey([key; 32])));
        let mut mempool = Mempool::new(1);
        mempool.push(0, &[0], 1);
        assert!(mempool.reserve(answer(1, 7, 4), true).is_none());
        assert!(mempool.reserve(answer(2, 8, 4), true).is_none());
        assert_eq!(version(&mempool, 7), Some(4));
        assert_eq!(version(&mempool, 9), None);
        let replaced = mempool.reserve(answer(3, 7, 9), true).map(|old| old.ticket);
        assert_eq!(replaced, Some(1));
        let order =
            |mempool: &Mempool| -> Vec<u64> { mempool.iter().map(|next| next.ticket).collect() };
        assert_eq!((order(&mempool), mempool.len()), (vec![3, 2, 0], 3));
        assert_eq!(payers(&mempool), [1, 1]);
        mempool.pop();
        assert_eq!(payers(&mempool), [1, 0]);
        assert_eq!(version(&mempool, 7), None);
        assert_eq!(version(&mempool, 8), Some(4));
        assert!(mempool.reserve(answer(4, 7, 1), true).is_none());
        assert_eq!(order(&mempool), [2, 4, 0]);
        for _ in 0..3 {
            mempool.pop();
        }
        assert_eq!((order(&mempool), mempool.len()), (vec![], 0));
        assert_eq!((payers(&mempool), mempool.reserved.bytes), ([0, 0], 0));
    }
}
