//! Layer 1's stream from its first segment on, as far as it is written, and once more for the
//! signatures of the sampled sessions.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::finding::{AuditError, Finding};
use super::hash::{Digest, hex};
use super::ledger::Ledger;
use super::manifest::StreamEnd;
use super::segment::{Next, Segment};
use super::signature::{Sampled, verify_blocks};
use super::source::Source;

/// Layer 1's stream, read up to somewhere.
pub(super) struct L1<'a> {
    folder: PathBuf,
    pub(super) ledger: Ledger,
    /// The segment that comes next, the last checksum before it, and the one that is being read.
    number: u64,
    checksum: Digest,
    segment: Option<Segment>,
    stop: &'a AtomicBool,
}

impl<'a> L1<'a> {
    pub(super) fn new(folder: &Path, genesis: &Digest, stop: &'a AtomicBool) -> L1<'a> {
        L1 {
            folder: folder.to_owned(),
            ledger: Ledger::new(genesis),
            number: 0,
            checksum: [0; 32],
            segment: None,
            stop,
        }
    }

    /// Replays what has been written since the last time.
    pub(super) fn follow(&mut self) -> Result<(), AuditError> {
        loop {
            if self.segment.is_none() {
                let (folder, genesis) = (&self.folder, &self.ledger.genesis);
                let (number, previous) = (self.number, &self.checksum);
                self.segment =
                    Segment::open_growing(folder, Source::L1, number, genesis, previous)?;
            }
            let Some(segment) = &mut self.segment else {
                return Ok(());
            };
            segment.refresh()?;
            loop {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(AuditError::Interrupted);
                }
                match segment.next()? {
                    Next::Records(records) => self.ledger.replay(records)?,
                    Next::Later => return Ok(()),
                    Next::End => break,
                }
            }
            self.checksum = segment.checksum;
            self.number += 1;
            self.segment = None;
        }
    }

    /// Checks that the stream was read to its end.
    pub(super) fn check_end(&self, end: &StreamEnd) -> Result<(), AuditError> {
        check_end(Source::L1, end, self.number, &self.checksum)
    }

    /// Reads the stream once more, for the signatures of the sampled channels' transactions and of
    /// those that failed; gives their number.
    pub(super) fn verify(&self, sampled: &Sampled) -> Result<u64, AuditError> {
        let (mut signatures, mut checksum, mut chunk) = (0, [0; 32], Vec::new());
        let (folder, genesis) = (&self.folder, &self.ledger.genesis);
        for number in 0..self.number {
            let mut segment = Segment::open(folder, Source::L1, number, genesis, &checksum, chunk)?;
            while let Next::Records(records) = segment.next()? {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(AuditError::Interrupted);
                }
                signatures += verify_blocks(records, &self.ledger, sampled)?;
            }
            checksum = segment.checksum;
            chunk = segment.into_chunk();
        }
        if checksum != self.checksum {
            let name = Source::L1.whole(self.number.saturating_sub(1));
            return Err(another_at_second_reading(name));
        }
        Ok(signatures)
    }
}

/// Somebody has changed a stream between two readings.
pub(super) fn another_at_second_reading(file: String) -> AuditError {
    let (expected, found) = ("the same at both readings", "another at the second");
    Finding::of_file(file, "its checksum", expected, found)
}

/// Checks that a stream ends as the manifest says.
pub(super) fn check_end(
    source: Source,
    end: &StreamEnd,
    segments: u64,
    checksum: &Digest,
) -> Result<(), AuditError> {
    if segments != end.segments {
        let expected = format!("{} that are whole", end.segments);
        return Err(Finding::of_file(
            source.whole(segments),
            "the segments",
            expected,
            segments,
        ));
    }
    if *checksum != end.checksum {
        let name = source.whole(segments.saturating_sub(1));
        let (expected, found) = (hex(&end.checksum), hex(checksum));
        return Err(Finding::of_file(name, "the last checksum", expected, found));
    }
    Ok(())
}
