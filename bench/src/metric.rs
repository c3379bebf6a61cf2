//! The four figures that a comparison takes from a run: their names, units, and which way is good.

use clap::ValueEnum;
use duet_run_file::RunFile;
use strum::{IntoStaticStr, VariantArray};

use crate::ratio::Verdict;

/// A figure of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Metric {
    /// CPU time of the whole process per payment: the steadiest on a shared machine
    CpuPerPayment,
    /// Payments ÷ (first open submitted → last payout)
    PaymentsPerS,
    /// 99th percentile from actual send to co-signed
    #[value(alias = "p99")]
    ServiceP99,
    /// Largest resident memory
    PeakRss,
}

/// One value per metric, in the order of [`Metric::ALL`]; `None` where the run measured nothing.
pub type MetricValues = [Option<f64>; Metric::ALL.len()];

/// Which way a metric improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
}

impl Metric {
    /// Every metric, in the order of reports.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.as_array().expect("its length");

    /// The name on the command line and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Its value, if the run measured one. A ratio needs a positive value: nothing paid, or no CPU
    /// time seen, measures nothing.
    #[must_use]
    pub fn of(self, run: &RunFile) -> Option<f64> {
        let value = match self {
            Self::CpuPerPayment => run.achieved.cpu_s * 1e9 / run.achieved.payments as f64,
            Self::PaymentsPerS => run.achieved.payments_per_s,
            Self::ServiceP99 => run.latency_ns.service.as_ref()?.p99 as f64,
            Self::PeakRss => run.memory.peak_rss_bytes as f64,
        };
        (value.is_finite() && value > 0.0).then_some(value)
    }

    /// The unit of the metric's values.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::CpuPerPayment | Self::ServiceP99 => "ns",
            Self::PaymentsPerS => "1/s",
            Self::PeakRss => "bytes",
        }
    }

    /// Which way is better.
    #[must_use]
    pub fn better(self) -> Better {
        match self {
            Self::PaymentsPerS => Better::Higher,
            Self::CpuPerPayment | Self::ServiceP99 | Self::PeakRss => Better::Lower,
        }
    }

    /// The verdict in words that fit the metric: memory is not fast or slow.
    #[must_use]
    pub fn verdict_word(self, verdict: Verdict) -> &'static str {
        match (verdict, self) {
            (Verdict::NoDifferenceSeen, _) => "no difference seen",
            (Verdict::BIsBetter, Self::PeakRss) => "smaller",
            (Verdict::BIsWorse, Self::PeakRss) => "larger",
            (Verdict::BIsBetter, _) => "faster",
            (Verdict::BIsWorse, _) => "slower",
        }
    }

    /// The metric's place in [`Metric::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn what_was_not_measured_has_no_value() {
        let mut run = sample::open_loop();
        run.achieved.payments = 16_000;
        run.achieved.cpu_s = 0.64;
        let values = |run: &RunFile| Metric::ALL.map(|metric| metric.of(run));
        let [cpu_ns, per_s, p99_ns, rss_bytes] = values(&run);
        assert!((cpu_ns.unwrap() - 40_000.0).abs() < 1e-6);
        assert_eq!(per_s, Some(run.achieved.payments_per_s));
        assert_eq!(p99_ns, Some(4.0 * 456_000.0));
        assert_eq!(rss_bytes, Some(268_435_456.0));
        run.latency_ns.service = None;
        run.memory.peak_rss_bytes = 0;
        run.achieved.payments = 0;
        assert_eq!(values(&run), [None, per_s, None, None]);
        run.achieved.cpu_s = 0.0;
        assert_eq!(values(&run)[0], None);
    }

    #[test]
    fn names_and_places_agree_with_the_command_line() {
        for (place, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(metric.index(), place);
            assert_eq!(Metric::from_str(metric.name(), false), Ok(metric));
        }
        assert_eq!(Metric::value_variants(), Metric::ALL);
    }
}
