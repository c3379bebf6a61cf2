//! Reads one stream's segments from the oldest on, checks every byte that counts, and decides where
//! the log ends. Writes nothing.

use super::batch::Records;
use super::committer::Place;
use super::disk::{Disk, DiskFile};
use super::error::{Damage, During, LogError};
use super::floor::Floor;
use super::format::{BLOCK_BYTES, BatchHeader, SegmentHeader};
use super::recover::Cut;
use super::{Options, Sequence};
use crate::crypto::{Digest, Domain, hash};

/// What was read.
pub(super) struct Scan<F> {
    pub(super) segments: Vec<Segment<F>>,
    pub(super) batches: Vec<Found>,
    pub(super) newest: Vec<Option<Newest>>,
    /// The newest batch that is there.
    pub(super) last: Sequence,
    /// Its hash.
    pub(super) previous: Digest,
    pub(super) cut: Option<Cut>,
}

/// A segment that is there, with the reading of its file.
pub(super) struct Segment<F> {
    pub(super) number: u32,
    pub(super) window: Window<F>,
    pub(super) header: SegmentHeader,
}

/// A batch that is there and whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) segment: u32,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) sequence: Sequence,
}

/// A key's newest record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) segment: u32,
    /// Content's length in bytes.
    pub(super) length: u32,
    /// Where in the segment the record starts.
    pub(super) offset: u64,
}

/// A batch, before its body is checked.
struct Candidate {
    header: BatchHeader,
    digest: Digest,
}

/// What must be at the next place.
#[derive(Clone, Copy)]
struct Expected {
    segment: u32,
    offset: u64,
    sequence: Sequence,
    previous: Digest,
}

/// Reads a stream whose floor is this one, and which has these segments, in order.
pub(super) fn scan<D: Disk>(
    disk: &D,
    place: &Place,
    floor: Floor,
    options: &Options,
) -> Result<Scan<D::File>, LogError> {
    let mut segments = open_segments(disk, place, floor)?;
    // A segment is opened only after everything before it was acknowledged.
    let opened = segments.iter().map(|segment| segment.header.first - 1);
    let acknowledged = opened.max().unwrap_or(0).max(floor.sequence);
    let (first, previous) = match segments.first() {
        Some(segment) => (segment.header.first, segment.header.previous),
        None => (1, Digest::default()),
    };
    if floor.sequence > 0 && first > floor.sequence {
        let damage = Damage::OtherSequence { found: first };
        let file = place.segment(floor.first_segment);
        return Err(LogError::header(&file, damage, options.run));
    }
    let ends: Vec<Sequence> = segments[segments.len().min(1)..]
        .iter()
        .map(|next| next.header.first)
        .chain([Sequence::MAX])
        .collect();
    let mut scan = Scan {
        segments: Vec::new(),
        batches: Vec::new(),
        newest: Vec::new(),
        last: first - 1,
        previous,
        cut: None,
    };
    for (segment, end) in segments.iter_mut().zip(ends) {
        let file = place.segment(segment.number);
        if let Err(damage) = follows(&segment.header, &scan) {
            return Err(LogError::header(&file, damage, options.run));
        }
        let mut offset = BLOCK_BYTES as u64;
        while scan.last + 1 < end {
            let expected = Expected {
                segment: segment.number,
                offset,
                sequence: scan.last + 1,
                previous: scan.previous,
            };
            let damage =
                match read_batch(&mut segment.window, place, expected).during("read", &file)? {
                    Ok(candidate) => {
                        let bytes = BatchHeader::BYTES as u64 + candidate.header.body_bytes;
                        let batch = segment.window.get(offset, bytes).during("read", &file)?;
                        let batch = batch.expect("read a moment ago");
                        match gather(&mut scan.newest, batch, &candidate.header, options) {
                            Ok(()) => {
                                scan.batches.push(Found {
                                    segment: segment.number,
                                    offset,
                                    bytes,
                                    sequence: expected.sequence,
                                });
                                scan.last = expected.sequence;
                                scan.previous = candidate.digest;
                                offset += bytes.next_multiple_of(BLOCK_BYTES as u64);
                                continue;
                            }
                            Err(Ungathered::Key { at, key }) => {
                                return Err(LogError::KeyOutOfRange {
                                    file,
                                    offset: offset + at,
                                    key,
                                    limit: options.key_limit,
                                });
                            }
                            Err(Ungathered::Damage(damage)) => damage,
                        }
                    }
                    Err(damage) => damage,
                };
            // What comes later may know that this batch was acknowledged.
            let later = floor_after(&mut segment.window, place, expected).during("read", &file)?;
            let floor = acknowledged.max(later);
            if expected.sequence <= floor {
                return Err(LogError::Corrupt {
                    file,
                    offset,
                    sequence: expected.sequence,
                    floor,
                    damage,
                });
            }
            let start = segment.window.up_to(offset, BatchHeader::BYTES as u64);
            let start = start.during("read", &file)?;
            let was_tried = BatchHeader::is_here(start)
                && !matches!(
                    damage,
                    Damage::OtherPlace { .. }
                        | Damage::OtherLog
                        | Damage::OtherRun { .. }
                        | Damage::OtherStream { .. }
                );
            scan.cut = was_tried.then_some(Cut {
                segment: segment.number,
                offset,
                sequence: expected.sequence,
                damage,
            });
            break;
        }
    }
    scan.segments = segments;
    assert!(
        scan.last >= acknowledged,
        "a missing batch is refused above"
    );
    Ok(scan)
}

/// Opens every segment from the first that is needed on, and reads its header.
fn open_segments<D: Disk>(
    disk: &D,
    place: &Place,
    floor: Floor,
) -> Result<Vec<Segment<D::File>>, LogError> {
    let names = disk.list().during("list", ".")?;
    let mut numbers: Vec<u32> = names
        .iter()
        .filter_map(|name| place.segment_number(name))
        .filter(|&number| number >= floor.first_segment)
        .collect();
    numbers.sort_unstable();
    let last = numbers.last().copied().unwrap_or(0);
    let mut segments = Vec::new();
    for number in floor.first_segment..=last.max(floor.last_segment) {
        let name = place.segment(number);
        if numbers.binary_search(&number).is_err() {
            let named_by = if number <= floor.last_segment {
                place.floor()
            } else {
                place.segment(last)
            };
            return Err(LogError::MissingFile {
                file: name,
                named_by,
            });
        }
        let file = disk.open(&name).during("open", &name)?;
        let mut window = Window::new(file).during("read the length of", &name)?;
        let bytes = window.up_to(0, SegmentHeader::BYTES as u64);
        let bytes = bytes.during("read", &name)?;
        let header = SegmentHeader::decode(bytes, &place.identity)
            .and_then(|header| {
                let found = header.segment;
                (found == number && header.first > 0)
                    .then_some(header)
                    .ok_or(Damage::OtherPlace {
                        segment: found,
                        offset: 0,
                    })
            })
            .map_err(|damage| LogError::header(&name, damage, place.identity.run))?;
        segments.push(Segment {
            number,
            window,
            header,
        });
    }
    Ok(segments)
}

/// Whether a segment starts where the log has come to.
fn follows<F>(header: &SegmentHeader, scan: &Scan<F>) -> Result<(), Damage> {
    if header.first != scan.last + 1 {
        Err(Damage::OtherSequence {
            found: header.first,
        })
    } else if header.previous != scan.previous {
        Err(Damage::OtherPrevious)
    } else {
        Ok(())
    }
}

/// The batch that is expected, its body's hash checked.
fn read_batch<F: DiskFile>(
    window: &mut Window<F>,
    place: &Place,
    expected: Expected,
) -> std::io::Result<Result<Candidate, Damage>> {
    let bytes = window.up_to(expected.offset, BatchHeader::BYTES as u64)?;
    let (header, digest) = match BatchHeader::decode(bytes, &place.identity) {
        Ok(decoded) => decoded,
        Err(damage) => return Ok(Err(damage)),
    };
    if let Err(damage) = check_header(&header, expected) {
        return Ok(Err(damage));
    }
    let length = window.length;
    let needed = (expected.offset + BatchHeader::BYTES as u64).checked_add(header.body_bytes);
    let Some(needed) = needed.filter(|&needed| needed <= length) else {
        let needed = needed.unwrap_or(u64::MAX);
        return Ok(Err(Damage::Truncated { length, needed }));
    };
    let batch = window.get(expected.offset, needed - expected.offset)?;
    let batch = batch.expect("its end is in the file");
    if hash(Domain::LogBody, &batch[BatchHeader::BYTES..]) != header.body {
        let first = Records::of(batch).find_map(|record| match record {
            Ok(record) if record.is_intact() => None,
            Ok(record) => Some(record.at),
            Err(at) => Some(at),
        });
        return Ok(Err(Damage::Body {
            record: first.map(|at| expected.offset + at as u64),
        }));
    }
    Ok(Ok(Candidate { header, digest }))
}

fn check_header(header: &BatchHeader, expected: Expected) -> Result<(), Damage> {
    if (header.segment, header.offset) != (expected.segment, expected.offset) {
        Err(Damage::OtherPlace {
            segment: header.segment,
            offset: header.offset,
        })
    } else if header.sequence != expected.sequence {
        Err(Damage::OtherSequence {
            found: header.sequence,
        })
    } else if header.previous != expected.previous {
        Err(Damage::OtherPrevious)
    } else {
        Ok(())
    }
}

/// Why a batch's records are not taken in.
enum Ungathered {
    Damage(Damage),
    Key {
        /// Where in the batch.
        at: u64,
        key: u32,
    },
}

/// Takes in a batch's records.
fn gather(
    newest: &mut Vec<Option<Newest>>,
    batch: &[u8],
    header: &BatchHeader,
    options: &Options,
) -> Result<(), Ungathered> {
    let malformed = |at: usize| {
        let offset = header.offset + at as u64;
        Ungathered::Damage(Damage::Record { offset })
    };
    // First all checks: a batch is taken in whole or not at all.
    let mut count = 0;
    for record in Records::of(batch) {
        let record = record.map_err(malformed)?;
        if !record.is_intact() {
            return Err(malformed(record.at));
        }
        if record.key >= options.key_limit {
            return Err(Ungathered::Key {
                at: record.at as u64,
                key: record.key,
            });
        }
        count += 1;
    }
    if count != header.records {
        return Err(malformed(batch.len()));
    }
    for record in Records::of(batch).flatten() {
        let key = record.key as usize;
        if key >= newest.len() {
            newest.resize(key + 1, None);
        }
        newest[key] = record.content.map(|content| Newest {
            segment: header.segment,
            length: content.len() as u32,
            offset: header.offset + record.at as u64,
        });
    }
    Ok(())
}

/// The highest floor that a batch further on in this segment names, 0 if there is none. It counts
/// only if it was written for the very place where it is, after the batch that is expected here.
fn floor_after<F: DiskFile>(
    window: &mut Window<F>,
    place: &Place,
    expected: Expected,
) -> std::io::Result<Sequence> {
    let mut floor = 0;
    let mut offset = expected.offset + BLOCK_BYTES as u64;
    while let Some(block) = window.get(offset, BLOCK_BYTES as u64)? {
        if BatchHeader::is_here(block)
            && let Ok((header, _)) = BatchHeader::decode(block, &place.identity)
            && (header.segment, header.offset) == (expected.segment, offset)
            && header.sequence > expected.sequence
        {
            floor = header.floor.max(floor);
        }
        offset += BLOCK_BYTES as u64;
    }
    Ok(floor)
}

/// A file, read ahead in large pieces.
pub(super) struct Window<F> {
    file: F,
    length: u64,
    start: u64,
    bytes: Vec<u8>,
}

/// As much as is read at once, at least.
const READ_BYTES: u64 = 4 << 20;

impl<F: DiskFile> Window<F> {
    pub(super) fn new(file: F) -> std::io::Result<Window<F>> {
        let length = file.length()?;
        Ok(Window {
            file,
            length,
            start: 0,
            bytes: Vec::new(),
        })
    }

    /// These bytes of the file; none if it ends before.
    pub(super) fn get(&mut self, offset: u64, length: u64) -> std::io::Result<Option<&[u8]>> {
        let end = offset.checked_add(length);
        let Some(end) = end.filter(|&end| end <= self.length) else {
            return Ok(None);
        };
        if offset < self.start || end > self.start + self.bytes.len() as u64 {
            let ahead = length.max(READ_BYTES).min(self.length - offset);
            self.start = offset;
            self.bytes.resize(ahead as usize, 0);
            self.file.read_at(offset, &mut self.bytes)?;
        }
        let at = (offset - self.start) as usize;
        Ok(Some(&self.bytes[at..at + length as usize]))
    }

    /// These bytes, or as many as the file has.
    fn up_to(&mut self, offset: u64, length: u64) -> std::io::Result<&[u8]> {
        let length = length.min(self.length.saturating_sub(offset));
        Ok(self.get(offset, length)?.unwrap_or_default())
    }

    /// Forgets what was read, and hands the file out.
    pub(super) fn file(&mut self) -> &mut F {
        self.bytes = Vec::new();
        &mut self.file
    }
}
