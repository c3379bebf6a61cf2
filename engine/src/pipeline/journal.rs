//! A shard's part of the durable log. What its parties have signed is kept before any of it leaves
//! them (rule S3): one commit, and one sync, for a whole turn of the shard's waves.
//!
//! The log has two records of every open channel, one per end, each complete in itself, and one of
//! what the shard has counted. A channel that Layer 1 has closed is taken out in the same batch that
//! counts it, so that after a crash no session is counted twice or left out.

use super::beginning::{Logged, Metered};
use super::shard::Shard;
use super::slot::Channel;
use super::stage::Stage;
use super::tally::Kept;
use crate::log::{LogError, Sequence, Stream};
use crate::protocol::{Pair, Party};

/// Records put again per commit at least, if so many are stale: else as many as were put, so that
/// the log's oldest segment comes free at the pace at which new ones fill.
const LEAST_REFRESHED: usize = 16;
/// A schedule's clock goes on while nothing is paid: it is kept at least so often, so that a run that is
/// killed again and again comes to its end.
const CLOCK_KEPT_EVERY_NS: u64 = 100_000_000;

/// The shard's stream, and what of it is under way.
pub(super) struct Journal {
    log: Metered,
    /// The last commit.
    committed: Sequence,
    /// Something was put since.
    changed: bool,
    /// Where the schedule's clock stood in it.
    clock_ns: u64,
    record: Vec<u8>,
    stale: Vec<u32>,
}

/// The driver's own book-keeping of a session, beside each of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) session: u64,
    pub(super) drawn: u64,
    pub(super) refused: u64,
    pub(super) paid: Pair<u64>,
}

impl Note {
    pub(super) const BYTES: usize = 40;

    pub(super) fn of(channel: &Channel) -> Note {
        Note {
            session: channel.session,
            drawn: channel.drawn,
            refused: channel.refused,
            paid: channel.paid,
        }
    }

    /// Its numbers in order, little-endian.
    pub(super) fn encode(&self) -> [u8; Note::BYTES] {
        let mut bytes = [0; Note::BYTES];
        let numbers = [
            self.session,
            self.drawn,
            self.refused,
            self.paid.a,
            self.paid.b,
        ];
        for (bytes, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// Reads a note; none if it has another length.
    pub(super) fn decode(bytes: &[u8]) -> Option<Note> {
        let [session, drawn, refused, a, b] = numbers(bytes)?;
        Some(Note {
            session,
            drawn,
            refused,
            paid: Pair { a, b },
        })
    }
}

/// So many little-endian numbers; none if the bytes are of another length.
pub(super) fn numbers<const N: usize>(bytes: &[u8]) -> Option<[u64; N]> {
    let (words, rest) = bytes.as_chunks::<8>();
    let words: &[[u8; 8]; N] = words.try_into().ok()?;
    rest.is_empty().then(|| words.map(u64::from_le_bytes))
}

/// The key of one end's record.
pub(super) fn key(slot: u32, party: Party) -> u32 {
    2 * slot + u32::from(party == Party::B)
}

/// The slot and the party of a key, or none for the shard's own record.
pub(super) fn place(key: u32, slots: usize) -> Option<(u32, Party)> {
    let slot = key / 2;
    let party = [Party::A, Party::B][key as usize % 2];
    ((slot as usize) < slots).then_some((slot, party))
}

impl Journal {
    pub(super) fn new(stream: Stream) -> Journal {
        Journal {
            log: Metered::new(stream),
            committed: 0,
            changed: false,
            clock_ns: 0,
            record: Vec::new(),
            stale: Vec::new(),
        }
    }

    /// Puts one end of a channel.
    pub(super) fn keep(&mut self, slot: u32, party: Party, channel: &Channel) {
        self.record.clear();
        let note = Note::of(channel).encode();
        channel.end(party).record(&note, &mut self.record);
        self.log.stream.put(key(slot, party), &self.record);
        self.changed = true;
    }

    /// Takes out both ends of a channel that is closed, and puts what the shard has counted.
    pub(super) fn closed(&mut self, slot: u32) {
        for party in [Party::A, Party::B] {
            self.log.stream.remove(key(slot, party));
        }
        self.changed = true;
    }

    /// What the shard has counted is to be put.
    pub(super) fn changed(&mut self) {
        self.changed = true;
    }

    /// The stream, for its thread's CPU time.
    pub(super) fn metered(&mut self) -> &mut Metered {
        &mut self.log
    }

    /// The calling thread is the shard's, to be woken when something has become durable.
    pub(super) fn attach(&self) {
        self.log.stream.wake(std::thread::current());
    }
}

impl Shard<'_> {
    /// Puts one end of the slot's channel, if the run is durable.
    pub(super) fn keep(&mut self, slot: u32, party: Party) {
        if let Some(journal) = &mut self.journal
            && let Some(channel) = self.slots[slot as usize].phase.open()
        {
            journal.keep(slot, party, channel);
        }
    }

    /// What was done since the last lap was making records.
    pub(super) fn kept(&mut self) {
        if self.journal.is_some() {
            self.clock.lap(Stage::Log, 0);
        }
    }

    /// Waits until a commit is durable.
    pub(super) fn await_durable(&mut self, sequence: Sequence) -> Result<(), LogError> {
        self.clock.lap(Stage::Wait, 0);
        if let Some(journal) = &self.journal {
            assert!(sequence <= journal.committed, "it was committed");
            journal.log.stream.wait(sequence)?;
        }
        self.clock.lap(Stage::Wait, 1);
        Ok(())
    }

    /// Keeps what is left to keep, and ends the stream's thread.
    pub(super) fn close_journal(&mut self) -> Result<Option<Logged>, LogError> {
        if self.journal.is_none() {
            return Ok(None);
        }
        let sequence = self.commit()?;
        self.await_durable(sequence)?;
        let journal = self.journal.take().expect("it is there");
        journal.log.close().map(Some)
    }

    /// Commits what was put, unless a commit is on its way: then that is left for later.
    pub(super) fn commit_if_idle(&mut self) -> Result<(), LogError> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        let has_clock = self.config.duration.is_some() || !self.arrivals.is_closed_loop();
        if has_clock && self.arrivals.has_started() && !self.draining {
            let clock_ns = self.arrivals.position_ns(self.shared.now_ns());
            journal.changed |= clock_ns >= journal.clock_ns + CLOCK_KEPT_EVERY_NS;
        }
        if journal.changed && journal.log.stream.durable()? >= journal.committed {
            self.commit()?;
        }
        Ok(())
    }

    /// Commits what was put; waits for the commit before, if that is on its way. Gives the commit
    /// that has all that was put so far.
    pub(super) fn commit(&mut self) -> Result<Sequence, LogError> {
        let Some(journal) = &mut self.journal else {
            return Ok(0);
        };
        if !journal.changed {
            return Ok(journal.committed);
        }
        let mut stale = std::mem::take(&mut journal.stale);
        let most = journal.log.stream.batch().len().max(LEAST_REFRESHED);
        journal.log.stream.to_refresh(most, &mut stale);
        // The shard's own record is put in any case.
        let ends = stale
            .drain(..)
            .filter_map(|key| place(key, self.slots.len()));
        for (slot, party) in ends {
            let channel = self.slots[slot as usize].phase.open();
            journal.keep(
                slot,
                party,
                channel.expect("a record is of an open channel"),
            );
        }
        journal.stale = stale;
        journal.record.clear();
        let schedule = self.arrivals.position(self.shared.now_ns());
        let offered = self.arrivals.offered();
        let unserved = offered.unserved + offered.unserved_before;
        Kept::of(&self.tally, self.value_at_risk, schedule, unserved).encode(&mut journal.record);
        let key = 2 * self.slots.len() as u32;
        journal.log.stream.put(key, &journal.record);
        journal.committed = journal.log.stream.commit()?;
        journal.changed = false;
        journal.clock_ns = schedule.clock_ns;
        let committed = journal.committed;
        self.kept();
        Ok(committed)
    }
}
