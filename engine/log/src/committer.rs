//! Writes sealed batches, one after the other, and stops for good at the first failure. Decides
//! nothing about what is in them, and starts no thread.
//!
//! The order is what makes it safe: a new segment is synced before it gets its name, a batch before
//! the floor names it, the floor before the batch is acknowledged and before a file is given up.

use std::collections::VecDeque;
use std::sync::Arc;

use super::batch::{Batch, Order};
use super::disk::{Disk, DiskFile};
use super::error::{During, LogError};
use super::floor::{Floor, FloorFile};
use super::format::{BLOCK_BYTES, BatchHeader, Identity, SegmentHeader};
use super::statistics::Statistics;
use super::{Durability, Sequence};
use duet_channels::crypto::{Digest, Domain, hash};

/// The writing half of a stream. Drives a [`Disk`] on the caller's thread.
pub struct Committer<D: Disk> {
    disk: Arc<D>,
    pub(super) place: Place,
    floor_file: FloorFile<D::File>,
    floor: Floor,
    /// The open segment.
    head: Option<D::File>,
    /// Numbers and lengths of the segments that are there, oldest first.
    segments: VecDeque<(u32, u64)>,
    spare: Option<Spare<D::File>>,
    /// The hash of the newest batch.
    previous: Digest,
    failed: Option<LogError>,
    statistics: Statistics,
}

/// Which stream, where, and how it is written.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) identity: Identity,
    pub(super) stream: String,
    pub(super) segment_bytes: u64,
    pub(super) durability: Durability,
}

/// A file that will be a segment: given up by an old one, or being lengthened.
struct Spare<F> {
    file: F,
    length: u64,
    synced: bool,
}

/// What recovery leaves to the committer.
pub(super) struct Start<F> {
    pub(super) floor_file: FloorFile<F>,
    pub(super) floor: Floor,
    pub(super) segments: VecDeque<(u32, u64)>,
    pub(super) previous: Digest,
}

/// Zeros are written in pieces of at most this many bytes.
const ZERO_BYTES: usize = 1 << 20;

impl Place {
    pub(super) fn segment(&self, number: u32) -> String {
        format!("{}-{number:08}.seg", self.stream)
    }

    /// The number in a segment's name; none if it is not this stream's.
    pub(super) fn segment_number(&self, name: &str) -> Option<u32> {
        let rest = name.strip_prefix(&self.stream)?.strip_prefix('-')?;
        let digits = rest.strip_suffix(".seg")?;
        let number = digits.parse().ok()?;
        (self.segment(number) == name).then_some(number)
    }

    pub(super) fn floor(&self) -> String {
        format!("{}.floor", self.stream)
    }

    fn spare(&self) -> String {
        format!("{}.spare", self.stream)
    }

    /// A segment of its own length, before it has its name.
    fn odd(&self) -> String {
        format!("{}.odd", self.stream)
    }
}

impl<D: Disk> Committer<D> {
    /// Makes what was recovered durable beyond doubt, and clears away what is not needed.
    pub(super) fn start(
        disk: Arc<D>,
        place: Place,
        start: Start<D::File>,
    ) -> Result<Committer<D>, LogError> {
        let mut committer = Committer {
            disk,
            place,
            floor_file: start.floor_file,
            floor: start.floor,
            head: None,
            segments: start.segments,
            spare: None,
            previous: start.previous,
            failed: None,
            statistics: Statistics::default(),
        };
        // Names that were seen may still be on their way to the disk.
        committer.sync_directory()?;
        committer.write_floor_twice()?;
        let first = committer.floor.first_segment;
        let last = committer.floor.last_segment;
        let names = committer.disk.list().during("list", ".")?;
        for name in names {
            let number = committer.place.segment_number(&name);
            if number.is_some_and(|number| number < first || number > last)
                || name == committer.place.odd()
            {
                committer.disk.remove(&name).during("remove", &name)?;
            } else if name == committer.place.spare() {
                committer.adopt_spare()?;
            }
        }
        committer.lengthen_spare(u64::MAX)?;
        Ok(committer)
    }

    /// Writes a batch. On return it is acknowledged: it is as durable as was asked for, and the
    /// floor file says so. [`tidy`](Committer::tidy) is due afterwards.
    ///
    /// # Errors
    /// If the machine failed, now or before: the stream has stopped for good. No sync is repeated,
    /// since a second one that succeeds would say nothing about what the first one lost.
    pub fn commit(&mut self, batch: &mut Batch) -> Result<Sequence, LogError> {
        self.unless_failed(|committer| committer.try_commit(batch))
    }

    /// Frees segments and lengthens the next one, in proportion to the batch that was written.
    /// Nothing that is acknowledged depends on it.
    ///
    /// # Errors
    /// If the machine failed, now or before: the stream has stopped for good.
    pub fn tidy(&mut self, batch: &Batch) -> Result<(), LogError> {
        self.unless_failed(|committer| {
            committer.free_segments()?;
            committer.lengthen_spare(2 * batch.disk_bytes())
        })
    }

    /// What it did so far.
    #[must_use]
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The newest batch that is acknowledged.
    #[must_use]
    pub fn floor(&self) -> Sequence {
        self.floor.sequence
    }

    fn unless_failed<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        act(self).inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn try_commit(&mut self, batch: &mut Batch) -> Result<Sequence, LogError> {
        let order = batch.order;
        assert_eq!(order.sequence, self.floor.sequence + 1, "one by one");
        if let Some(capacity_bytes) = order.opens {
            self.open_segment(&order, capacity_bytes)?;
        }
        let digest = self.write_batch(batch)?;
        self.statistics.batches += 1;
        self.statistics.records += u64::from(batch.records);
        self.previous = digest;
        let frees = order.first_segment != self.floor.first_segment;
        self.floor = Floor {
            sequence: order.sequence,
            first_segment: order.first_segment,
            last_segment: order.segment,
        };
        if frees {
            // Both slots, before a file goes: whichever is lost, the other one does not ask for it.
            self.write_floor_twice()?;
        } else {
            self.write_floor()?;
        }
        Ok(order.sequence)
    }

    /// Returns the batch's hash.
    fn write_batch(&mut self, batch: &mut Batch) -> Result<Digest, LogError> {
        let order = batch.order;
        let body = &batch.bytes[BatchHeader::BYTES..];
        let header = BatchHeader {
            segment: order.segment,
            records: batch.records,
            offset: order.offset,
            sequence: order.sequence,
            body_bytes: body.len() as u64,
            floor: self.floor.sequence,
            previous: self.previous,
            body: hash(Domain::LogBody, body),
        };
        let digest = header.encode(&self.place.identity, &mut batch.bytes);
        let length = batch.bytes.len();
        batch.bytes.resize(length.next_multiple_of(BLOCK_BYTES), 0);
        let head = self.head.as_mut().expect("a segment was opened");
        let name = self.place.segment(order.segment);
        head.write_at(order.offset, &batch.bytes)
            .during("write", &name)?;
        self.statistics.bytes_written += batch.bytes.len() as u64;
        batch.bytes.truncate(length);
        if self.place.durability == Durability::Fsync {
            self.statistics.sync(head).during("sync", &name)?;
        }
        Ok(digest)
    }

    /// A segment has its name only once its header and its length are durable.
    fn open_segment(&mut self, order: &Order, capacity_bytes: u64) -> Result<(), LogError> {
        let name = self.place.segment(order.segment);
        let usual = capacity_bytes == self.place.segment_bytes;
        let (before, mut file) = if usual {
            self.lengthen_spare(u64::MAX)?;
            let spare = self.spare.take().expect("it was lengthened");
            (self.place.spare(), spare.file)
        } else {
            let before = self.place.odd();
            let mut file = self.disk.create(&before).during("create", &before)?;
            self.write_zeros(&mut file, &before, 0, capacity_bytes)?;
            (before, file)
        };
        let header = SegmentHeader {
            segment: order.segment,
            capacity_bytes,
            first: order.sequence,
            previous: self.previous,
        };
        let header = header.encode(&self.place.identity);
        file.write_at(0, &header).during("write", &before)?;
        self.statistics.bytes_written += header.len() as u64;
        if self.place.durability == Durability::Fsync {
            self.statistics.sync(&mut file).during("sync", &before)?;
        }
        self.disk.rename(&before, &name).during("rename", &before)?;
        self.sync_directory()?;
        self.head = Some(file);
        self.segments.push_back((order.segment, capacity_bytes));
        self.statistics.segments_opened += 1;
        Ok(())
    }

    fn free_segments(&mut self) -> Result<(), LogError> {
        while let Some(&(number, capacity_bytes)) = self.segments.front()
            && number < self.floor.first_segment
        {
            let name = self.place.segment(number);
            if self.spare.is_none() && capacity_bytes == self.place.segment_bytes {
                let spare = self.place.spare();
                self.disk.rename(&name, &spare).during("rename", &name)?;
                self.adopt_spare()?;
            } else {
                self.disk.remove(&name).during("remove", &name)?;
            }
            self.segments.pop_front();
            self.statistics.segments_freed += 1;
        }
        Ok(())
    }

    /// Takes the spare file that is there, of whatever length. What it holds does not matter: old
    /// bytes are of another segment, and say so. What is no file of the log's own is left for
    /// [`lengthen_spare`](Committer::lengthen_spare) to make anew.
    fn adopt_spare(&mut self) -> Result<(), LogError> {
        let name = self.place.spare();
        let file = match self.disk.open(&name).during("open", &name) {
            Err(LogError::Foreign(_)) => return Ok(()),
            opened => opened?,
        };
        let length = file.length().during("read the length of", &name)?;
        if length > self.place.segment_bytes {
            return self.disk.remove(&name).during("remove", &name);
        }
        self.spare = Some(Spare {
            file,
            length,
            synced: false,
        });
        Ok(())
    }

    /// Lengthens the spare file by at most so much, and syncs it once it is whole.
    fn lengthen_spare(&mut self, bytes: u64) -> Result<(), LogError> {
        let name = self.place.spare();
        let mut spare = match self.spare.take() {
            Some(spare) => spare,
            None => Spare {
                file: self.disk.create(&name).during("create", &name)?,
                length: 0,
                synced: false,
            },
        };
        let more = bytes.min(self.place.segment_bytes - spare.length);
        self.write_zeros(&mut spare.file, &name, spare.length, more)?;
        spare.length += more;
        if spare.length == self.place.segment_bytes && !spare.synced {
            if self.place.durability == Durability::Fsync {
                let sync = self.statistics.sync(&mut spare.file);
                sync.during("sync", &name)?;
            }
            spare.synced = true;
        }
        self.spare = Some(spare);
        Ok(())
    }

    /// Zeros instead of a hole, so that no later sync has anything but data to write.
    fn write_zeros(
        &mut self,
        file: &mut D::File,
        name: &str,
        mut offset: u64,
        mut bytes: u64,
    ) -> Result<(), LogError> {
        // Aligned as direct writes want it.
        #[repr(align(4096))]
        struct Zeros([u8; ZERO_BYTES]);
        static ZEROS: Zeros = Zeros([0; ZERO_BYTES]);
        const { assert!(align_of::<Zeros>() == BLOCK_BYTES) };
        self.statistics.bytes_written += bytes;
        self.statistics.zero_bytes_written += bytes;
        while bytes > 0 {
            let piece = bytes.min(ZERO_BYTES as u64);
            file.write_at(offset, &ZEROS.0[..piece as usize])
                .during("write", name)?;
            offset += piece;
            bytes -= piece;
        }
        Ok(())
    }

    fn write_floor_twice(&mut self) -> Result<(), LogError> {
        self.write_floor()?;
        self.write_floor()
    }

    fn write_floor(&mut self) -> Result<(), LogError> {
        let statistics = &mut self.statistics;
        statistics.bytes_written += BLOCK_BYTES as u64;
        self.floor_file
            .write(self.floor, self.place.durability, |file| {
                statistics.sync(file)
            })
    }

    fn sync_directory(&mut self) -> Result<(), LogError> {
        if self.place.durability == Durability::Fsync {
            self.disk
                .sync_directory()
                .during("sync the directory of", &self.place.stream)?;
        }
        Ok(())
    }
}
