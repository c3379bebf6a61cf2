//! A shard's part of the durable log. What its parties have signed is kept before any of it leaves
//! them (rule S3): one commit, and one sync, for a whole turn of the shard's waves.
//!
//! The log has two records of every open channel, one per end, each complete in itself, and one of
//! what the shard has counted. A channel that Layer 1 has closed is taken out in the same batch
//! that counts it, so that after a crash no session is counted twice or left out.

use super::acknowledgements::Acknowledgements;
use super::beginning::Metered;
use super::slot::Channel;
use duet_channels::protocol::{Pair, Party};
use duet_log::{Sequence, Stream};

/// Records put again per commit at least, if so many are stale: else as many as were put, so that
/// the log's oldest segment comes free at the pace at which new ones fill.
pub(super) const LEAST_REFRESHED: usize = 16;
/// A schedule's clock goes on while nothing is paid: it is kept at least so often, so that a run
/// that is killed again and again comes to its end.
pub(super) const CLOCK_KEPT_EVERY_NS: u64 = 100_000_000;

/// The shard's stream, and what of it is under way.
pub(super) struct Journal {
    pub(super) log: Metered,
    /// The last commit.
    pub(super) committed: Sequence,
    /// Something was put since.
    pub(super) changed: bool,
    /// Where the schedule's clock stood in it.
    pub(super) clock_ns: u64,
    /// Where versions are written down that were acknowledged, if that is asked for.
    pub(super) acknowledgements: Option<Acknowledgements>,
    pub(super) record: Vec<u8>,
    pub(super) stale: Vec<u32>,
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
    let party = Party::BOTH[key as usize % 2];
    ((slot as usize) < slots).then_some((slot, party))
}

impl Journal {
    pub(super) fn new(stream: Stream) -> Journal {
        Journal {
            log: Metered::new(stream),
            committed: 0,
            changed: false,
            clock_ns: 0,
            acknowledgements: None,
            record: Vec::new(),
            stale: Vec::new(),
        }
    }

    /// Puts one end of a channel.
    pub(super) fn keep(&mut self, slot: u32, party: Party, channel: &Channel) {
        self.record.clear();
        let note = Note::of(channel).encode();
        channel.ends[party].record(&note, &mut self.record);
        self.log.stream.put(key(slot, party), &self.record);
        self.changed = true;
    }

    /// Takes out both ends of a channel that is closed, and puts what the shard has counted.
    pub(super) fn closed(&mut self, slot: u32) {
        for party in Party::BOTH {
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
