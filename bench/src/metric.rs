//! The four figures that a comparison takes from a run: their names, units, and which way is good.

use clap::ValueEnum;
use strum::{IntoStaticStr, VariantArray};

use crate::verdict::Verdict;

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

/// Which way a metric improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    #[test]
    fn names_and_places_agree_with_the_command_line() {
        for (place, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(metric.index(), place);
            assert_eq!(Metric::from_str(metric.name(), false), Ok(metric));
        }
        assert_eq!(Metric::value_variants(), Metric::ALL);
    }
}
