//! What durability took: the log and its syncs.

use super::{Dataset, Kind};
use crate::runs::NamedRun;

/// A row for each durable run.
#[must_use]
pub fn durability(runs: &[NamedRun]) -> Dataset {
    let mut dataset = Dataset::new(
        "durability",
        &[
            ("run", "Run", Kind::Text),
            ("durability", "Durability", Kind::Text),
            ("file_system", "File system", Kind::Text),
            ("commits", "Commits", Kind::Figure),
            ("records", "Records", Kind::Figure),
            ("bytes_written", "Written", Kind::Bytes),
            ("bytes_per_payment", "Written a payment", Kind::Bytes),
            ("syncs", "Syncs", Kind::Figure),
            ("payments_per_sync", "Payments a sync", Kind::Figure),
            ("sync_p50_ns", "Sync p50", Kind::Nanoseconds),
            ("sync_p99_ns", "Sync p99", Kind::Nanoseconds),
            ("sync_max_ns", "Longest sync", Kind::Nanoseconds),
            ("in_memory", "In memory", Kind::Text),
        ],
    );
    for named in runs {
        let Some(log) = &named.run.durability else {
            continue;
        };
        let payments = named.run.payments_measured() as f64;
        dataset.push(vec![
            (&named.name).into(),
            (&named.run.assurance.durability).into(),
            (&log.file_system).into(),
            log.commits.into(),
            log.records.into(),
            log.bytes_written.into(),
            (log.bytes_written as f64 / payments).into(),
            log.syncs.into(),
            (payments / log.syncs as f64).into(),
            log.sync_p50_ns.into(),
            log.sync_p99_ns.into(),
            log.sync_max_ns.into(),
            (if log.is_in_memory() { "yes" } else { "no" }).into(),
        ]);
    }
    dataset
}
