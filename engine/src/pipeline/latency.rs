//! Latency histograms of one shard, in nanoseconds, and their exact sum over shards.

use hdrhistogram::Histogram;

/// The largest latency that is told apart: an hour. Longer ones count as an hour.
const LARGEST_NS: u64 = 3_600_000_000_000;

/// A histogram of 3 significant digits.
#[derive(Clone, Debug)]
pub struct Latency(Histogram<u64>);

impl Latency {
    fn new() -> Latency {
        Latency(Histogram::new_with_bounds(1, LARGEST_NS, 3).expect("constant bounds are valid"))
    }

    /// Records `count` payments of this latency.
    #[inline]
    pub(super) fn record(&mut self, latency_ns: u64, count: u64) {
        if count > 0 {
            self.0.saturating_record_n(latency_ns.max(1), count);
        }
    }

    /// The histogram.
    #[must_use]
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }
}

/// Both latencies of a payment.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// From the intended send to the payer's co-signed state. Empty in closed loop.
    pub response: Latency,
    /// From the actual send (the start of its wave) to the same.
    pub service: Latency,
}

impl Latencies {
    /// Of no payments.
    #[must_use]
    pub(super) fn new() -> Latencies {
        Latencies {
            response: Latency::new(),
            service: Latency::new(),
        }
    }

    /// Adds another shard's histograms, exactly.
    pub(super) fn add(&mut self, other: &Latencies) {
        self.response.0.add(&other.response.0).expect("same bounds");
        self.service.0.add(&other.service.0).expect("same bounds");
    }
}
