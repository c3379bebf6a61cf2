//! The latency distributions, percentile by percentile.

use super::{Dataset, Kind, assured, with_assurance};
use crate::{histogram::spectrum, runs::NamedRun};

/// A row for each step of each distribution of each run.
#[must_use]
pub fn latency(runs: &[NamedRun]) -> Dataset {
    let mut dataset = with_assurance(
        "latency",
        &[
            ("kind", "Kind", Kind::Text),
            ("percentile", "Percentile", Kind::Percentile),
            ("latency_ns", "Latency", Kind::Nanoseconds),
            ("payments_within", "Payments within", Kind::Figure),
        ],
    );
    for named in runs {
        for (kind, histogram) in named.latencies() {
            for step in spectrum(histogram) {
                let mut row = assured(named);
                row.extend([
                    kind.into(),
                    step.percentile.into(),
                    step.value_ns.into(),
                    step.total_count.into(),
                ]);
                dataset.push(row);
            }
        }
    }
    dataset
}
