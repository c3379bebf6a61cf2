//! What a stream did: batches, bytes, syncs and how long they took.

use std::io;
use std::time::Instant;

use hdrhistogram::Histogram;

use super::disk::DiskFile;

/// What a stream's writer did since it started.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// Batches written.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes written: batches, headers, floors, and zeros to lengthen segments ahead.
    pub bytes_written: u64,
    /// Of these, zeros.
    pub zero_bytes_written: u64,
    /// How long each `fdatasync` took, in nanoseconds; as many as there were.
    pub sync_ns: Histogram<u64>,
    /// Segments opened.
    pub segments_opened: u64,
    /// Segments freed: removed, or kept to be opened again.
    pub segments_freed: u64,
    /// CPU time of the writer's thread.
    pub cpu_ns: u64,
}

impl Statistics {
    /// How many `fdatasync` calls there were.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.sync_ns.len()
    }

    /// The sum of two streams' statistics.
    #[must_use]
    pub fn with(mut self, other: Statistics) -> Statistics {
        self.batches += other.batches;
        self.records += other.records;
        self.bytes_written += other.bytes_written;
        self.zero_bytes_written += other.zero_bytes_written;
        self.segments_opened += other.segments_opened;
        self.segments_freed += other.segments_freed;
        self.cpu_ns += other.cpu_ns;
        let added = self.sync_ns.add(&other.sync_ns);
        added.expect("histograms of the same bounds");
        self
    }

    /// Syncs a file and records how long it took.
    pub(super) fn sync<F: DiskFile>(&mut self, file: &mut F) -> io::Result<()> {
        let start = Instant::now();
        let result = file.sync();
        let ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.sync_ns.saturating_record(ns.max(1));
        result
    }
}

impl Default for Statistics {
    fn default() -> Statistics {
        Statistics {
            batches: 0,
            records: 0,
            bytes_written: 0,
            zero_bytes_written: 0,
            // Up to an hour, to three digits.
            sync_ns: Histogram::new_with_max(3_600_000_000_000, 3).expect("bounds in order"),
            segments_opened: 0,
            segments_freed: 0,
            cpu_ns: 0,
        }
    }
}
