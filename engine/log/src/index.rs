//! Where each key's newest record is, how full the segments are, what to refresh, what to free.
//! Decides only: writes nothing, and allocates only to grow.
//!
//! Segments are freed oldest first. A key whose newest record is in the oldest segment is put again
//! by its owner (*refreshed*), until the oldest segment holds nothing that is needed. Every record
//! is complete in itself, so a run of refreshed records is what elsewhere a snapshot is.

use std::collections::VecDeque;

use super::Sequence;
use super::batch::{Batch, Order, RECORD_HEADER_BYTES};
use super::format::BLOCK_BYTES;

/// The writer's knowledge of its stream, 8 bytes a key.
#[derive(Debug)]
pub struct Index {
    newest: Vec<Newest>,
    /// Keys are below this.
    key_limit: u32,
    /// Oldest first, numbered without a gap. Batches go to the last one, if it is open.
    segments: VecDeque<SegmentUse>,
    /// Where in the last segment the next batch goes; none if it goes to a new one.
    head_used: Option<u64>,
    next_segment: u32,
    segment_bytes: u64,
    next: Sequence,
    /// The newest records' bytes, their headers included.
    live_bytes: u64,
    /// Length of all segments.
    capacity_bytes: u64,
    /// Where the search for keys to refresh goes on.
    cursor: usize,
}

/// Where a key's newest record is.
#[derive(Clone, Copy, Debug)]
struct Newest {
    /// Its segment, or [`ABSENT`], or [`IN_BATCH`].
    segment: u32,
    /// Its content's length; in the current batch, where it starts.
    place: u32,
}

/// Segments are numbered from 1.
const ABSENT: u32 = 0;
const IN_BATCH: u32 = u32::MAX;

/// How much of a segment is needed.
#[derive(Clone, Copy, Debug, Default)]
struct SegmentUse {
    capacity_bytes: u64,
    live_records: u64,
}

/// Refreshing starts when the segments are this many times as long as what lives in them …
const SPREAD: u64 = 3;
/// … plus this many segments.
const SLACK_SEGMENTS: u64 = 4;

/// From where an index starts: what recovery found.
#[derive(Debug)]
pub(super) struct Found {
    /// The newest batch.
    pub(super) last: Sequence,
    /// The first segment that is there; 1 if none is.
    pub(super) first_segment: u32,
    /// Capacities from that one on.
    pub(super) capacities: Vec<u64>,
    /// The segment and the length of each key's newest record.
    pub(super) newest: Vec<Option<(u32, u32)>>,
}

impl Index {
    pub(super) fn new(found: &Found, segment_bytes: u64, key_limit: u32) -> Index {
        let mut index = Index {
            newest: Vec::with_capacity(found.newest.len()),
            key_limit,
            segments: VecDeque::new(),
            head_used: None,
            next_segment: found.first_segment + found.capacities.len() as u32,
            segment_bytes,
            next: found.last + 1,
            live_bytes: 0,
            capacity_bytes: found.capacities.iter().sum(),
            cursor: 0,
        };
        index
            .segments
            .extend(found.capacities.iter().map(|&capacity_bytes| SegmentUse {
                capacity_bytes,
                live_records: 0,
            }));
        for place in &found.newest {
            index.newest.push(Newest {
                segment: ABSENT,
                place: 0,
            });
            if let Some((segment, length)) = *place {
                index.settle(index.newest.len() - 1, segment, length);
            }
        }
        index
    }

    /// Makes this a key's newest record.
    ///
    /// # Panics
    /// If the key is not below the limit that the stream was opened with.
    pub fn put(&mut self, batch: &mut Batch, key: u32, record: &[u8]) {
        self.enter(batch, key, Some(record));
    }

    /// Removes a key. Removing one that is not there costs nothing.
    ///
    /// # Panics
    /// If the key is not below the limit that the stream was opened with.
    pub fn remove(&mut self, batch: &mut Batch, key: u32) {
        let known = self.newest.get(key as usize);
        if known.is_some_and(|newest| newest.segment != ABSENT) {
            self.enter(batch, key, None);
        }
    }

    fn enter(&mut self, batch: &mut Batch, key: u32, content: Option<&[u8]>) {
        assert!(
            key < self.key_limit,
            "key {key}, keys are below {}",
            self.key_limit
        );
        let at = key as usize;
        if at >= self.newest.len() {
            let absent = Newest {
                segment: ABSENT,
                place: 0,
            };
            self.newest.resize(at + 1, absent);
        }
        let newest = self.newest[at];
        if newest.segment == IN_BATCH {
            if batch.replace(newest.place, content) {
                return;
            }
        } else if newest.segment != ABSENT {
            let segment = self.segment_at(newest.segment);
            self.segments[segment].live_records -= 1;
            self.live_bytes -= record_bytes(newest.place);
        }
        self.newest[at] = Newest {
            segment: IN_BATCH,
            place: batch.append(key, content),
        };
    }

    /// Decides where the batch goes and what it makes superfluous. The batch is then the
    /// committer's.
    ///
    /// # Panics
    /// If the batch is empty.
    pub fn seal(&mut self, batch: &mut Batch) -> Sequence {
        assert!(!batch.is_empty(), "a batch holds records");
        let bytes = batch.disk_bytes();
        let last = self.segments.back().map_or(0, |head| head.capacity_bytes);
        let (offset, opens) = match self.head_used {
            Some(used) if used + bytes <= last => (used, None),
            _ => {
                // A batch that is longer than a segment gets one of its own.
                let capacity_bytes = self.segment_bytes.max(BLOCK_BYTES as u64 + bytes);
                self.segments.push_back(SegmentUse {
                    capacity_bytes,
                    live_records: 0,
                });
                self.capacity_bytes += capacity_bytes;
                self.next_segment += 1;
                (BLOCK_BYTES as u64, Some(capacity_bytes))
            }
        };
        self.head_used = Some(offset + bytes);
        let segment = self.next_segment - 1;
        for record in batch.records() {
            let key = record.key as usize;
            let newest = self.newest[key];
            // Not if the batch has a later record of this key.
            if newest.segment == IN_BATCH && newest.place as usize == record.at {
                match record.content {
                    Some(content) => self.settle(key, segment, content.len() as u32),
                    None => self.newest[key].segment = ABSENT,
                }
            }
        }
        while self.segments[0].live_records == 0 && self.segments.len() > 1 {
            self.capacity_bytes -= self.segments[0].capacity_bytes;
            self.segments.pop_front();
        }
        batch.order = Order {
            sequence: self.next,
            segment,
            offset,
            opens,
            first_segment: self.first_segment(),
        };
        self.next += 1;
        batch.order.sequence
    }

    /// Appends to `keys` those that should be put again in the current batch, so that old segments
    /// become free; at most so many. None as long as there is no need.
    ///
    /// To keep the disk's use bounded, allow at least as many as the batch has records, and no
    /// fewer than 16. Keys that are not put again are named again later.
    pub fn to_refresh(&mut self, limit: usize, keys: &mut Vec<u32>) {
        let bound = SPREAD * self.live_bytes + SLACK_SEGMENTS * self.segment_bytes;
        if self.capacity_bytes <= bound || self.segments.len() < 2 {
            return;
        }
        let oldest = self.first_segment();
        let enough = keys.len() + limit;
        // Bounded, and still one round in at most 64 calls.
        let steps = (64 * limit + self.newest.len() / 64).min(self.newest.len());
        for _ in 0..steps {
            if keys.len() == enough {
                return;
            }
            self.cursor = (self.cursor + 1) % self.newest.len();
            if self.newest[self.cursor].segment == oldest {
                keys.push(self.cursor as u32);
            }
        }
    }

    /// The newest batch that was sealed.
    #[must_use]
    pub fn last(&self) -> Sequence {
        self.next - 1
    }

    /// The newest records' bytes, with 12 more for each.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// The length of all segments together, once what was sealed is written.
    #[must_use]
    pub fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    fn first_segment(&self) -> u32 {
        self.next_segment - self.segments.len() as u32
    }

    fn segment_at(&self, segment: u32) -> usize {
        (segment - self.first_segment()) as usize
    }

    /// A key's newest record is now in this segment.
    fn settle(&mut self, key: usize, segment: u32, length: u32) {
        self.newest[key] = Newest {
            segment,
            place: length,
        };
        let at = self.segment_at(segment);
        self.segments[at].live_records += 1;
        self.live_bytes += record_bytes(length);
    }
}

fn record_bytes(length: u32) -> u64 {
    RECORD_HEADER_BYTES as u64 + u64::from(length)
}
