//! Turns a session's values into ratios, intervals, a floor and a verdict for each metric. Pure.

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use crate::metric::Metric;
use crate::run_file::MetricValues;
use crate::schedule::Contender;
use crate::stats::{RESAMPLES, RatioEstimate, median, median_ratio, pair_ratios};
use crate::verdict::{Verdict, verdict};

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

/// Summarises every metric that all runs measured, in the order of [`Metric::ALL`]. Each interval
/// has its own ChaCha stream of `bootstrap_seed`, so that one metric's absence changes no other's.
///
/// # Panics
/// If there are no pairs.
#[must_use]
pub fn summarise(pairs: &[PairValues], bootstrap_seed: u64) -> Vec<MetricSummary> {
    assert!(!pairs.is_empty(), "a session has pairs");
    Metric::ALL
        .into_iter()
        .filter_map(|metric| summarise_metric(metric, pairs, bootstrap_seed))
        .collect()
}

fn summarise_metric(metric: Metric, pairs: &[PairValues], seed: u64) -> Option<MetricSummary> {
    let a = values_of(Contender::A, metric, pairs)?;
    let b = values_of(Contender::B, metric, pairs)?;
    let a_copy = values_of(Contender::ACopy, metric, pairs)?;

    let b_over_a = pair_ratios(&b, &a);
    let copy_over_a = pair_ratios(&a_copy, &a);
    let stream = 2 * metric.index() as u64;
    let ratio = median_ratio(&b_over_a, RESAMPLES, &mut stream_of(seed, stream));
    let floor = median_ratio(&copy_over_a, RESAMPLES, &mut stream_of(seed, stream + 1));

    Some(MetricSummary {
        metric,
        a_median: median(&a),
        b_median: median(&b),
        ratio,
        floor,
        verdict: verdict(metric.better(), &ratio, floor.reach_from_one()),
        pair_ratios: b_over_a,
        floor_ratios: copy_over_a,
    })
}

fn values_of(contender: Contender, metric: Metric, pairs: &[PairValues]) -> Option<Vec<f64>> {
    let value = |pair: &PairValues| pair[contender.index()][metric.index()];
    pairs.iter().map(value).collect()
}

fn stream_of(seed: u64, stream: u64) -> ChaCha12Rng {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
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
        let pairs = [pair(100.0, 150.0, 100.0), pair(200.0, 250.0, 250.0)];
        let summaries = summarise(&pairs, 1);
        assert_eq!(summaries.len(), 4);
        let cpu = &summaries[0];
        assert_eq!(cpu.metric, Metric::CpuPerPayment);
        assert_eq!((cpu.a_median, cpu.b_median), (150.0, 200.0));
        assert_eq!(cpu.pair_ratios, [1.5, 1.25]);
        assert_eq!(cpu.floor_ratios, [1.0, 1.25]);
        let expected = RatioEstimate {
            median: 1.375,
            low: 1.25,
            high: 1.5,
        };
        assert_eq!(cpu.ratio, expected);
        assert_eq!(cpu.floor.reach_from_one(), 0.25);
        assert_eq!(cpu.verdict, Verdict::BIsWorse);
        assert_eq!(summaries[1].verdict, Verdict::BIsBetter, "of payments/s");
    }

    #[test]
    fn a_metric_that_any_run_lacks_is_left_out_and_moves_no_other() {
        let spread = |i: u32| f64::from(i % 7) + 100.0;
        let whole: Vec<PairValues> = (0..9)
            .map(|i| pair(spread(i), spread(i * 3 + 1), spread(i * 5 + 2)))
            .collect();
        let mut holed = whole.clone();
        holed[4][Contender::B.index()][Metric::PaymentsPerS.index()] = None;
        let mut expected = summarise(&whole, 1);
        expected.remove(Metric::PaymentsPerS.index());
        assert_eq!(summarise(&holed, 1), expected);
    }
}
