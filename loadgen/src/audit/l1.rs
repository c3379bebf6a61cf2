//! Layer 1's stream from its first segment on, as far as it is written, and once more for the
//! signatures of the sampled sessions.

use std::path::{Path, PathBuf};

use super::bytes::Reader;
use super::finding::{AuditError, Finding};
use super::hash::{Digest, hex};
use super::ledger::Ledger;
use super::manifest::StreamEnd;
use super::segment::{Next, Segment, Source};
use super::signature::{Sampled, verify_blocks};

/// Layer 1's stream, read up to somewhere.
pub(super) struct L1 {
    folder: PathBuf,
    pub(super) ledger: Ledger,
    /// The segment that comes next, the last checksum before it, and the one that is being read.
    number: u64,
    checksum: Digest,
    segment: Option<Segment>,
}

impl L1 {
    pub(super) fn new(folder: &Path, genesis: &Digest) -> L1 {
        L1 {
            folder: folder.to_owned(),
            ledger: Ledger::new(genesis),
            number: 0,
            checksum: [0; 32],
            segment: None,
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

    /// Verifies the transactions of the sampled channels; gives the number of signatures.
    pub(super) fn verify(&self, sampled: &Sampled) -> Result<u64, AuditError> {
        let mut signatures = 0;
        if sampled.len() > 0 {
            each_chunk(
                &self.folder,
                Source::L1,
                self.number,
                &self.ledger.genesis,
                |records| {
                    signatures += verify_blocks(records, &self.ledger, sampled)?;
                    Ok(())
                },
            )?;
        }
        Ok(signatures)
    }
}

fn each_chunk(
    folder: &Path,
    source: Source,
    segments: u64,
    genesis: &Digest,
    mut read: impl FnMut(Reader<'_>) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let (mut checksum, mut chunk) = ([0; 32], Vec::new());
    for number in 0..segments {
        let mut segment = Segment::open(folder, source, number, genesis, &checksum, chunk)?;
        while let Next::Records(records) = segment.next()? {
            read(records)?;
        }
        checksum = segment.checksum;
        chunk = segment.into_chunk();
    }
    Ok(())
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
