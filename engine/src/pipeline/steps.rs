//! One shard's part of the schedule: what it sends to Layer 1 in which step, and what comes back.

use std::ops::Range;
use std::sync::OnceLock;
use std::thread::Thread;

use crossbeam::queue::ArrayQueue;

use super::case::Case;
use super::config::Config;
use super::schedule::{Schedule, ShardOf};
use duet_channels::protocol::Pair;

/// Batches of a shard at most, where steps do not wait for blocks: steps that can be on their way
/// to Layer 1 and back at once.
const MOST_BATCHES: u64 = 4;

/// The transactions of one step of one shard, and, on the way back, what became of them. A batch
/// is a credit: both queues have room for all that a shard has.
#[derive(Default)]
pub(super) struct StepBatch {
    pub(super) step: u64,
    /// The shard passes no later step.
    pub(super) last: bool,
    pub(super) transactions: Vec<StepTransaction>,
    pub(super) bytes: Vec<u8>,
    /// Channels of the step's slots that did not end politely.
    pub(super) cases: Vec<Case>,
}

/// One transaction of a step.
pub(super) struct StepTransaction {
    /// Its place in the step: all closes, then all opens, each by session.
    pub(super) order: (StepKind, u64),
    pub(super) slot: u32,
    /// Where its bytes end in the batch; they start where those of the one before end.
    pub(super) bytes_end: usize,
    pub(super) outcome: Option<StepOutcome>,
    /// What it paid, once there is an outcome.
    pub(super) fee: u64,
    /// How often its bid was raised.
    pub(super) raises: u32,
}

/// What a transaction of a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StepKind {
    Close,
    Open,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepOutcome {
    Opened,
    Closed {
        payouts: Pair<u64>,
        version: u64,
    },
    /// Included, but failed, or refused: by name.
    Refused {
        name: &'static str,
    },
    /// It bid again and again, and others bid more.
    GaveUp,
}

impl StepTransaction {
    /// One on its way to Layer 1.
    pub(super) fn new(order: (StepKind, u64), slot: u32, bytes_end: usize) -> StepTransaction {
        StepTransaction {
            order,
            slot,
            bytes_end,
            outcome: None,
            fee: 0,
            raises: 0,
        }
    }
}

impl StepBatch {
    fn reset(&mut self, step: u64, last: bool) {
        self.step = step;
        self.last = last;
        self.transactions.clear();
        self.bytes.clear();
        assert!(self.cases.is_empty(), "the court has taken them");
    }

    /// Where the bytes of a transaction start and end.
    pub(super) fn range(&self, at: usize) -> Range<usize> {
        let start = match at {
            0 => 0,
            _ => self.transactions[at - 1].bytes_end,
        };
        start..self.transactions[at].bytes_end
    }
}

/// The queues between one shard and Layer 1.
pub(super) struct Link {
    to_l1: ArrayQueue<StepBatch>,
    to_shard: ArrayQueue<StepBatch>,
    shard: OnceLock<Thread>,
}

impl Link {
    /// Queues for so many batches.
    pub(super) fn new(room: usize) -> Link {
        Link {
            to_l1: ArrayQueue::new(room),
            to_shard: ArrayQueue::new(room),
            shard: OnceLock::new(),
        }
    }

    /// The calling thread is the shard's, to be woken when a batch comes back.
    pub(super) fn attach(&self) {
        let _ = self.shard.set(std::thread::current());
    }

    pub(super) fn to_l1(&self, batch: StepBatch, l1: &Thread) {
        assert!(self.to_l1.push(batch).is_ok(), "as much room as batches");
        l1.unpark();
    }

    pub(super) fn at_l1(&self) -> Option<StepBatch> {
        self.to_l1.pop()
    }

    pub(super) fn to_shard(&self, batch: StepBatch) {
        assert!(self.to_shard.push(batch).is_ok(), "as much room as batches");
        if let Some(shard) = self.shard.get() {
            shard.unpark();
        }
    }

    pub(super) fn at_shard(&self) -> Option<StepBatch> {
        self.to_shard.pop()
    }
}

/// A batch per track; up to a limit, where steps do not wait for blocks.
pub(super) fn batches(config: &Config, schedule: &Schedule) -> usize {
    match config.l1.pace {
        Some(_) => schedule.tracks() as usize,
        None => schedule.tracks().min(MOST_BATCHES) as usize,
    }
}

/// How far one shard is in the schedule.
pub(super) struct Steps {
    schedule: Schedule,
    shard: ShardOf,
    tracks: Vec<Track>,
    next: u64,
    /// The shard passes the steps below this one.
    end: u64,
    returned: u64,
    free: Vec<StepBatch>,
    /// Channels in dispute that go along with later steps.
    carried: Vec<(u64, Case)>,
}

/// The shard's slots of one track.
#[derive(Default)]
struct Track {
    /// Sessions that have opened or will, and have not ended.
    running: u32,
    /// The track's last batch has not come back.
    waiting: bool,
}

impl Steps {
    /// From the first step on, with so many batches.
    pub(super) fn new(schedule: Schedule, shard: ShardOf, batches: usize) -> Steps {
        Steps {
            schedule,
            shard,
            tracks: (0..schedule.tracks()).map(|_| Track::default()).collect(),
            next: 0,
            end: schedule.steps(),
            returned: 0,
            free: (0..batches).map(|_| StepBatch::default()).collect(),
            carried: Vec::new(),
        }
    }

    /// Goes on from a step that was not finished: all before it were. `running`: the slots whose
    /// session has opened in an earlier step, and has not ended.
    pub(super) fn resume(&mut self, step: u64, running: impl Iterator<Item = u32>) {
        assert_eq!(self.returned, 0, "nothing was sent");
        self.next = step;
        self.returned = step;
        running.for_each(|slot| self.session_joins(slot));
    }

    /// A slot's session, open since before a restart, is one that its track's next step waits for.
    pub(super) fn session_joins(&mut self, slot: u32) {
        let track = self.schedule.track_of(self.shard.number(slot));
        self.tracks[track as usize].running += 1;
    }

    /// A slot's session has ended or stopped.
    pub(super) fn session_ended(&mut self, slot: u32) {
        let track = self.schedule.track_of(self.shard.number(slot));
        let track = &mut self.tracks[track as usize];
        track.running = track.running.checked_sub(1).expect("the session ran");
    }

    /// The next step, if all it needs has come: its slots, and an empty batch.
    pub(super) fn take(&mut self) -> Option<(u64, Range<u32>, StepBatch)> {
        if self.next == self.end {
            return None;
        }
        let number = self.schedule.track(self.next);
        let track = &self.tracks[number as usize];
        if track.running > 0 || track.waiting {
            return None;
        }
        let mut batch = self.free.pop()?;
        batch.reset(self.next, self.next + 1 == self.end);
        let carried = self.carried.extract_if(.., |(step, _)| *step == self.next);
        batch.cases.extend(carried.map(|(_, case)| case));
        let slots = self.schedule.slots(number);
        let [first, end] = [slots.start, slots.end].map(|slot| self.shard.slots_below(slot));
        Some((self.next, first..end, batch))
    }

    /// How many of a slot's sessions are open, were, or are on their way to be opened.
    pub(super) fn generations_sent(&self, slot: u32) -> u64 {
        let track = self.schedule.track_of(self.shard.number(slot));
        (self.next + self.schedule.tracks() - 1 - track) / self.schedule.tracks()
    }

    /// No session opens from here on: once more around the tracks closes all that is open, and the
    /// rest of the schedule, however long, is left out.
    pub(super) fn drain(&mut self) {
        self.end = self.end.min(self.next + self.schedule.tracks());
    }

    /// The step that was taken is on its way, with this many sessions about to open.
    pub(super) fn sent(&mut self, opens: u32) {
        let track = &mut self.tracks[self.schedule.track(self.next) as usize];
        track.running = opens;
        track.waiting = true;
        self.next += 1;
    }

    /// A channel whose close failed in a step goes to a dispute with the next step of its track.
    pub(super) fn carry(&mut self, failed: u64, case: Case) {
        self.carried.push((failed + self.schedule.tracks(), case));
    }

    /// A batch has come back and was read.
    pub(super) fn returned(&mut self, batch: StepBatch) {
        self.tracks[self.schedule.track(batch.step) as usize].waiting = false;
        self.returned += 1;
        self.free.push(batch);
    }

    /// Whether every step that the shard passes was sent and has come back.
    pub(super) fn done(&self) -> bool {
        self.returned == self.end
    }

    /// Whether Layer 1 has answered the first step of every track.
    pub(super) fn all_tracks_opened(&self) -> bool {
        self.returned >= self.schedule.tracks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_is_one_shards() {
        for (sessions, concurrent, shards) in [(9, 8, 8), (3, 1, 2), (100, 7, 3), (64, 64, 5)] {
            let schedule = Schedule::new(sessions, concurrent);
            let of_shard = |index| {
                let slots = (index..concurrent).step_by(shards as usize);
                let expected: u64 = slots.map(|slot| schedule.sessions_of(slot)).sum();
                let found = ShardOf { index, shards }.sessions(&schedule);
                assert_eq!(found, expected, "shard {index} of {shards}");
                found
            };
            assert_eq!((0..shards).map(of_shard).sum::<u64>(), sessions);
        }
    }
}
