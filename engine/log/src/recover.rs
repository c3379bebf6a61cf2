//! What a stream held when it was opened, and how it goes on from there.
//!
//! Reading decides alone; nothing is written before the owner goes on.

use std::collections::VecDeque;
use std::sync::Arc;

use super::batch::Records;
use super::committer::{Committer, Place, Start};
use super::disk::{Disk, DiskFile};
use super::error::{Damage, During, LogError};
use super::floor::{Floor, FloorFile};
use super::format::{BatchHeader, META};
use super::index::{self, Index};
use super::scan::{Cut, Scan, scan};
use super::stream::Stream;
use super::{Durability, Options, Sequence};

/// What a stream holds: each key's newest record.
pub struct Recovered<D: Disk> {
    disk: Arc<D>,
    place: Place,
    options: Options,
    floor_file: FloorFile<D::File>,
    floor: Floor,
    scan: Scan<D::File>,
}

impl<D: Disk> Recovered<D> {
    pub(super) fn read(disk: Arc<D>, place: Place, options: Options) -> Result<Self, LogError> {
        let name = place.floor();
        let file = match disk.open(&name) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(LogError::MissingFile {
                    file: name,
                    named_by: META.to_owned(),
                });
            }
            opened => opened.during("open", &name)?,
        };
        let (floor_file, floor) = FloorFile::read(file, name, place.identity, options.run)?;
        let scan = scan(&*disk, &place, floor, &options)?;
        Ok(Recovered {
            disk,
            place,
            options,
            floor_file,
            floor,
            scan,
        })
    }

    /// The newest batch; 0 if there never was one.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        self.scan.last
    }

    /// The batch that a crash interrupted, if there is a trace of one.
    #[must_use]
    pub fn cut(&self) -> Option<Cut> {
        self.scan.cut
    }

    /// Visits each key's newest record, with the batch that it came in, in the order of batches.
    ///
    /// Nothing of it may be acted on before [`start`](Recovered::start) returns: the newest batch
    /// may not be durable before that.
    ///
    /// # Errors
    /// If the files cannot be read any more, or differ from what was read at first.
    pub fn for_each(
        &mut self,
        mut visit: impl FnMut(u32, Sequence, &[u8]),
    ) -> Result<(), LogError> {
        let Scan {
            segments,
            batches,
            newest,
            last,
            ..
        } = &mut self.scan;
        let mut batches = batches.iter().peekable();
        for segment in segments {
            let file = self.place.segment(segment.number);
            while let Some(found) = batches.next_if(|batch| batch.segment == segment.number) {
                let batch = segment.window.get(found.offset, found.bytes);
                let batch = batch.during("read", &file)?.unwrap_or_default();
                let mut changed = batch.len() < BatchHeader::BYTES;
                for record in Records::of(batch) {
                    let Ok(record) = record else {
                        changed = true;
                        break;
                    };
                    let known = newest.get(record.key as usize).copied().flatten();
                    let offset = found.offset + record.at as u64;
                    let is_newest = known.is_some_and(|known| {
                        (known.segment, known.offset) == (segment.number, offset)
                    });
                    if !is_newest {
                        continue;
                    }
                    changed |= !record.is_intact();
                    if let Some(content) = record.content.filter(|_| !changed) {
                        visit(record.key, found.sequence, content);
                    }
                }
                if changed {
                    return Err(LogError::Corrupt {
                        file,
                        offset: found.offset,
                        sequence: found.sequence,
                        floor: *last,
                        damage: Damage::Body { record: None },
                    });
                }
            }
            segment.window.forget();
        }
        Ok(())
    }

    /// Goes on from here: the first that writes. On return everything recovered is as durable as
    /// was asked for.
    ///
    /// The index and the committer are a stream's two halves, for those who drive them on one
    /// thread.
    ///
    /// # Errors
    /// If the machine fails.
    pub fn resume(self) -> Result<(Index, Committer<D>), LogError> {
        let mut scan = self.scan;
        let last_segment = scan.batches.last().map(|found| found.segment);
        let last_segment = last_segment.unwrap_or(self.floor.first_segment - 1);
        scan.segments.retain(|s| s.number <= last_segment);
        // What is above the floor was perhaps never synced, and a sync that failed before may have
        // left it in memory only, marked as written. It is written again.
        for found in &scan.batches {
            if found.sequence > self.floor.sequence {
                let name = self.place.segment(found.segment);
                let segments = &mut scan.segments;
                let at = segments.partition_point(|segment| segment.number < found.segment);
                let window = &mut segments[at].window;
                let batch = window
                    .get(found.offset, found.bytes)
                    .during("read", &name)?;
                let batch = batch.expect("it was read before").to_vec();
                window
                    .file()
                    .write_at(found.offset, &batch)
                    .during("write", &name)?;
            }
        }
        if self.place.durability == Durability::Fsync {
            // Below the floor, too, nothing may be durable: whoever wrote it did not sync, or these
            // are copies of its files.
            for segment in &mut scan.segments {
                let name = self.place.segment(segment.number);
                segment.window.file().sync().during("sync", &name)?;
            }
            let mut meta = self.disk.open(META).during("open", META)?;
            meta.sync().during("sync", META)?;
        }
        let segments: VecDeque<(u32, u64)> = (scan.segments.iter())
            .map(|segment| (segment.number, segment.header.capacity_bytes))
            .collect();
        let found = index::Found {
            last: scan.last,
            first_segment: self.floor.first_segment,
            capacities: segments.iter().map(|&(_, bytes)| bytes).collect(),
            newest: scan
                .newest
                .iter()
                .map(|newest| newest.map(|newest| (newest.segment, newest.length)))
                .collect(),
        };
        let index = Index::new(&found, self.options.segment_bytes, self.options.key_limit);
        let start = Start {
            floor_file: self.floor_file,
            floor: Floor {
                sequence: scan.last,
                first_segment: self.floor.first_segment,
                last_segment,
            },
            segments,
            previous: scan.previous,
        };
        let committer = Committer::start(self.disk, self.place, start)?;
        Ok((index, committer))
    }

    /// Goes on from here with a thread that writes: the first that writes to the log. On return
    /// everything recovered is as durable as was asked for.
    ///
    /// # Errors
    /// If the machine fails.
    pub fn start(self) -> Result<Stream, LogError> {
        let (index, committer) = self.resume()?;
        Stream::start(index, committer)
    }
}
