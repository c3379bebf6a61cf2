//! Reads one stream's segments from the oldest on, checks every byte that counts, and decides where
//! the log ends. Writes nothing.

use super::batch::{Record, Records};
use super::committer::Place;
use super::disk::{Disk, DiskFile};
use super::error::{Damage, During, LogError};
use super::floor::Floor;
use super::format::{BLOCK_BYTES, BatchHeader, FloorSlot, SegmentHeader};
use super::window::Window;
use super::{Options, Sequence};
use duet_channels::crypto::{Digest, Domain, hash};

/// A torn tail: the batch that a crash interrupted. It was never acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// In which segment.
    pub segment: u32,
    /// Where in it.
    pub offset: u64,
    /// Which batch it was.
    pub sequence: Sequence,
    /// What is wrong with it.
    pub damage: Damage,
}

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

/// What must be at the next place.
struct Expected<'n> {
    /// The segment's file.
    file: &'n str,
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
        follows(&segment.header, &scan)
            .map_err(|damage| LogError::header(&file, damage, options.run))?;
        let mut offset = BLOCK_BYTES as u64;
        while scan.last + 1 < end {
            let expected = Expected {
                file: &file,
                segment: segment.number,
                offset,
                sequence: scan.last + 1,
                previous: scan.previous,
            };
            let window = &mut segment.window;
            match read_batch(window, place, &expected, options, &mut scan.newest) {
                Ok((digest, bytes)) => {
                    scan.batches.push(Found {
                        segment: segment.number,
                        offset,
                        bytes,
                        sequence: expected.sequence,
                    });
                    scan.last = expected.sequence;
                    scan.previous = digest;
                    offset += bytes.next_multiple_of(BLOCK_BYTES as u64);
                }
                Err(Unread::Damaged(damage)) => {
                    scan.cut = end_of_log(window, place, &expected, acknowledged, damage)?;
                    break;
                }
                Err(Unread::Refused(error)) => return Err(error),
            }
        }
        segment.window.forget();
    }
    scan.segments = segments;
    assert!(
        scan.last >= acknowledged,
        "a missing batch is refused above"
    );
    Ok(scan)
}

/// Decides about a batch that is not as it should be. Below the floor that is corruption; above it
/// the log ends here, and whatever is left of the batch is a torn tail.
fn end_of_log<F: DiskFile>(
    window: &mut Window<F>,
    place: &Place,
    expected: &Expected<'_>,
    acknowledged: Sequence,
    damage: Damage,
) -> Result<Option<Cut>, LogError> {
    // What comes later may know that this batch was acknowledged.
    let later = floor_after(window, place, expected)?;
    let floor = acknowledged.max(later);
    if expected.sequence <= floor {
        return Err(LogError::Corrupt {
            file: expected.file.to_owned(),
            offset: expected.offset,
            sequence: expected.sequence,
            floor,
            damage,
        });
    }
    let start = window.up_to(expected.offset, BatchHeader::BYTES as u64);
    let start = start.during("read", expected.file)?;
    // Bytes that the file held before it was this segment are no trace of a batch.
    let is_older = matches!(
        damage,
        Damage::OtherPlace { .. }
            | Damage::OtherLog
            | Damage::OtherRun { .. }
            | Damage::OtherStream { .. }
    );
    Ok((BatchHeader::is_here(start) && !is_older).then_some(Cut {
        segment: expected.segment,
        offset: expected.offset,
        sequence: expected.sequence,
        damage,
    }))
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
        // Nothing was ever written beyond, however long somebody has made the file.
        window.end_at(header.capacity_bytes);
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

/// Takes in the batch that is expected. Returns its hash, and its length in bytes.
fn read_batch<F: DiskFile>(
    window: &mut Window<F>,
    place: &Place,
    expected: &Expected<'_>,
    options: &Options,
    newest: &mut Vec<Option<Newest>>,
) -> Result<(Digest, u64), Unread> {
    let start = window.up_to(expected.offset, BatchHeader::BYTES as u64);
    let start = start.during("read", expected.file)?;
    let (header, digest) = BatchHeader::decode(start, &place.identity)?;
    check_header(&header, expected)?;
    let bytes = (BatchHeader::BYTES as u64).saturating_add(header.body_bytes);
    let length = window.length();
    let needed = expected.offset.saturating_add(bytes);
    let batch = window.get(expected.offset, bytes);
    let batch = batch.during("read", expected.file)?;
    let batch = batch.ok_or(Damage::Truncated { length, needed })?;
    if hash(Domain::LogBody, &batch[BatchHeader::BYTES..]) != header.body {
        let first = Records::of(batch).find_map(|record| match record {
            Ok(record) if record.is_intact() => None,
            Ok(record) => Some(record.at),
            Err(at) => Some(at),
        });
        let record = first.map(|at| expected.offset + at as u64);
        return Err(Damage::Body { record }.into());
    }
    check_records(batch, &header, expected, options)?;
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
    Ok((digest, bytes))
}

/// Why a batch is not taken in.
enum Unread {
    Damaged(Damage),
    /// The whole log is refused.
    Refused(LogError),
}

impl From<Damage> for Unread {
    fn from(damage: Damage) -> Unread {
        Unread::Damaged(damage)
    }
}

impl From<LogError> for Unread {
    fn from(error: LogError) -> Unread {
        Unread::Refused(error)
    }
}

fn check_header(header: &BatchHeader, expected: &Expected<'_>) -> Result<(), Damage> {
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

/// Whether each record is as it was put, although the hash over all of them is right.
fn check_records(
    batch: &[u8],
    header: &BatchHeader,
    expected: &Expected<'_>,
    options: &Options,
) -> Result<(), Unread> {
    let mut count = 0;
    for record in Records::of(batch) {
        let at = record.map_or_else(|at| at, |record| record.at);
        let offset = expected.offset + at as u64;
        let record = record.ok().filter(Record::is_intact);
        let record = record.ok_or(Damage::Record { offset })?;
        if record.key >= options.key_limit {
            return Err(Unread::Refused(LogError::KeyOutOfRange {
                file: expected.file.to_owned(),
                offset,
                key: record.key,
                limit: options.key_limit,
            }));
        }
        count += 1;
    }
    if count != header.records {
        let offset = expected.offset + batch.len() as u64;
        return Err(Damage::Record { offset }.into());
    }
    Ok(())
}

/// The highest floor that anything from here on in this segment proves, 0 if nothing does. A batch
/// counts if it was written for the very place where it is, after the one that is expected here; a
/// slot of the floor counts wherever it is, since only a misdirected write can have brought it
/// here.
fn floor_after<F: DiskFile>(
    window: &mut Window<F>,
    place: &Place,
    expected: &Expected<'_>,
) -> Result<Sequence, LogError> {
    /// The least that a drive can have written elsewhere.
    const SECTOR_BYTES: u64 = 512;
    let mut floor = 0;
    let mut offset = expected.offset;
    while let Some(sector) = window
        .get(offset, SECTOR_BYTES)
        .during("read", expected.file)?
    {
        if BatchHeader::is_here(sector) {
            if let Ok((header, _)) = BatchHeader::decode(sector, &place.identity)
                && (header.segment, header.offset) == (expected.segment, offset)
                && header.sequence > expected.sequence
            {
                floor = header.floor.max(floor);
            }
        } else if let Ok(slot) = FloorSlot::decode(sector, &place.identity) {
            floor = slot.floor.max(floor);
        }
        offset += SECTOR_BYTES;
    }
    Ok(floor)
}
