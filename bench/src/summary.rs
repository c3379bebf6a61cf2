//! Turns a session's values into ratios, intervals, a floor and a verdict for each metric. Pure.

use crate::metric::{Metric, MetricValues};
use crate::ratio::{RatioEstimate, SignedRanks, Verdict, median, verdict};
use crate::schedule::Contender;

/// How sure an interval is.
pub const CONFIDENCE: f64 = 0.95;

/// The fewest pairs that have an interval of that.
pub const FEWEST_PAIRS: usize = 6;

/// The values of one pair: of A, of B and of the copy of A, in the order of [`Contender::ALL`].
pub type PairValues = [MetricValues; Contender::ALL.len()];

/// One metric over a whole session.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSummary {
    /// Which metric.
    pub metric: Metric,
    /// Median over A's runs, in the metric's unit.
    pub a_median: f64,
    /// Median over B's runs, in the metric's unit.
    pub b_median: f64,
    /// B/A over the pairs.
    pub ratio: RatioEstimate,
    /// A'/A over the pairs: what the machine does to identical bytes.
    pub floor: RatioEstimate,
    /// What may be said.
    pub verdict: Verdict,
    /// B/A of every pair, in order.
    pub pair_ratios: Vec<f64>,
    /// A'/A of every pair, in order.
    pub floor_ratios: Vec<f64>,
}

/// Summarises every metric that all runs measured, in the order of [`Metric::ALL`].
///
/// # Panics
/// If there are no pairs.
#[must_use]
pub fn summarise(pairs: &[PairValues]) -> Vec<MetricSummary> {
    assert!(!pairs.is_empty(), "a session has pairs");
    let metrics = Metric::ALL.into_iter();
    metrics
        .filter_map(|metric| summarise_metric(metric, pairs))
        .collect()
}

fn summarise_metric(metric: Metric, pairs: &[PairValues]) -> Option<MetricSummary> {
    let values = |contender: Contender| -> Option<Vec<f64>> {
        let value = |pair: &PairValues| pair[contender.index()][metric.index()];
        pairs.iter().map(value).collect()
    };
    let (a, b) = (values(Contender::A)?, values(Contender::B)?);
    let over_a = |values: &[f64]| -> Vec<f64> {
        let both = values.iter().zip(&a);
        both.map(|(value, a)| value / a).collect()
    };
    let pair_ratios = over_a(&b);
    let floor_ratios = over_a(&values(Contender::ACopy)?);
    let (ratio, floor) = (estimate(&pair_ratios), estimate(&floor_ratios));
    Some(MetricSummary {
        metric,
        a_median: median(&a),
        b_median: median(&b),
        ratio,
        floor,
        verdict: verdict(metric.better(), &ratio, floor.reach_from_one()),
        pair_ratios,
        floor_ratios,
    })
}

/// The ratio behind pairs' ratios, at [`CONFIDENCE`].
#[must_use]
pub fn estimate(ratios: &[f64]) -> RatioEstimate {
    let logs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
    SignedRanks::new(ratios.len(), 1.0 - CONFIDENCE).estimate(&logs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pair in which A has `a` for every metric, B `b` and the copy `a_copy`.
    fn pair(a: f64, b: f64, a_copy: f64) -> PairValues {
        [a, b, a_copy].map(|value| [Some(value); Metric::ALL.len()])
    }

    #[test]
    fn a_session_by_hand() {
        let pairs = [
            pair(100.0, 150.0, 100.0),
            pair(200.0, 250.0, 250.0),
            pair(100.0, 150.0, 100.0),
            pair(100.0, 150.0, 100.0),
            pair(100.0, 150.0, 100.0),
            pair(100.0, 150.0, 100.0),
        ];
        let summaries = summarise(&pairs);
        assert_eq!(summaries.len(), 4);
        let cpu = &summaries[0];
        assert_eq!(cpu.metric, Metric::CpuPerPayment);
        assert_eq!((cpu.a_median, cpu.b_median), (100.0, 150.0));
        assert_eq!(cpu.pair_ratios, [1.5, 1.25, 1.5, 1.5, 1.5, 1.5]);
        assert_eq!(cpu.floor_ratios, [1.0, 1.25, 1.0, 1.0, 1.0, 1.0]);
        // Six pairs: from the least to the largest of them.
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
        near(cpu.ratio.median, 1.5);
        near(cpu.ratio.low, 1.25);
        near(cpu.ratio.high, 1.5);
        near(cpu.floor.reach_from_one(), 0.25);
        assert_eq!(cpu.verdict, Verdict::BIsWorse);
        assert_eq!(summaries[1].verdict, Verdict::BIsBetter, "of payments/s");
        let few = &summarise(&pairs[..FEWEST_PAIRS - 1])[0];
        assert!(!few.ratio.has_interval());
        assert_eq!(few.verdict, Verdict::NoDifferenceSeen);
    }

    #[test]
    fn a_metric_that_any_run_lacks_is_left_out_and_moves_no_other() {
        let spread = |i: u32| f64::from(i % 7) + 100.0;
        let whole: Vec<PairValues> = (0..9)
            .map(|i| pair(spread(i), spread(i * 3 + 1), spread(i * 5 + 2)))
            .collect();
        let mut holed = whole.clone();
        holed[4][Contender::B.index()][Metric::PaymentsPerS.index()] = None;
        let mut expected = summarise(&whole);
        expected.remove(Metric::PaymentsPerS.index());
        assert_eq!(summarise(&holed), expected);
    }
}
