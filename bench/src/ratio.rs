//! The ratio behind pairs of runs with its exact interval, and what may be said of it. Pure, and
//! without a generator: the same values give the same interval.
//!
//! The ratio is the pseudo-median of the pairs' log ratios, and the interval Wilcoxon's, by signed
//! ranks. Two runs of a pair deviate by the same law, so that the deviation of their log ratio is
//! symmetric whatever that law is: the one thing that this interval asks for besides pairs that do
//! not hang together. It then covers the truth with the confidence that it says or more, for few
//! pairs and for wild ones, where a bootstrap's does so roughly and for many. Of normal deviations
//! it uses 95.5 % of the pairs' information, of heavier tails more than the mean does; the median
//! uses 64 % (Hodges and Lehmann 1963; Lehmann, *Nonparametrics*, 1975, sections 4.3 and 4.5).

use crate::metric::Better;

/// A ratio with the ends of its interval, all three dimensionless.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioEstimate {
    /// The pseudo-median of the pairs' ratios.
    pub median: f64,
    /// Lower end of the interval; 0 where there are too few pairs for one.
    pub low: f64,
    /// Upper end of the interval; infinite where there are too few pairs for one.
    pub high: f64,
}

impl RatioEstimate {
    /// Whether there are enough pairs for an interval.
    #[must_use]
    pub fn has_interval(&self) -> bool {
        self.low > 0.0 && self.high.is_finite()
    }

    /// Whether the whole interval lies on one side of 1.
    #[must_use]
    pub fn excludes_one(&self) -> bool {
        self.low > 1.0 || self.high < 1.0
    }

    /// How far the further end of the interval is from 1. Of identical code compared with itself
    /// this is the *floor*: what the machine alone does to a ratio.
    #[must_use]
    pub fn reach_from_one(&self) -> f64 {
        (self.low - 1.0).abs().max((self.high - 1.0).abs())
    }
}

/// What may be said of B against A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// B is better than A by more than this session's noise.
    BIsBetter,
    /// B is worse than A by more than this session's noise.
    BIsWorse,
    /// The session shows no difference. That is not proof of equality.
    NoDifferenceSeen,
}

/// Claims a difference only if the interval of B/A excludes 1 **and** its median is further from 1
/// than A against a copy of itself was (`floor`, see [`RatioEstimate::reach_from_one`]). Without
/// thresholds: whether a difference matters to somebody is a gate's question, asked on top of this
/// one.
#[must_use]
pub fn verdict(better: Better, ratio: &RatioEstimate, floor: f64) -> Verdict {
    let seen = ratio.excludes_one() && (ratio.median - 1.0).abs() > floor;
    match (seen, (ratio.median > 1.0) == (better == Better::Higher)) {
        (false, _) => Verdict::NoDifferenceSeen,
        (true, true) => Verdict::BIsBetter,
        (true, false) => Verdict::BIsWorse,
    }
}

/// The middle value, or the mean of the two middle values of an even number.
///
/// # Panics
/// If there are no values.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}

/// Intervals of a number of pairs that miss the truth with a probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedRanks {
    pairs: usize,
    /// Averages to leave out at each end; none if there are too few pairs for an interval.
    cut: Option<usize>,
}

impl SignedRanks {
    /// Two-sided intervals of `pairs` pairs, which miss the truth with probability `error` at most.
    #[must_use]
    pub fn new(pairs: usize, error: f64) -> Self {
        let cut = cut(pairs, error / 2.0);
        Self { pairs, cut }
    }

    /// The ratio behind `log_ratios` and its interval: 0 to infinity where there are too few pairs.
    ///
    /// # Panics
    /// If there are no pairs, or not those of [`SignedRanks::new`].
    #[must_use]
    pub fn estimate(&self, log_ratios: &[f64]) -> RatioEstimate {
        assert_eq!(
            log_ratios.len(),
            self.pairs,
            "the pairs that were announced"
        );
        assert!(self.pairs > 0, "no pairs have no ratio");
        let mut averages = walsh_averages(log_ratios);
        let last = averages.len() - 1;
        let mut at = |place: usize| {
            let (_, value, _) = averages.select_nth_unstable_by(place, f64::total_cmp);
            *value
        };
        let middle = f64::midpoint(at(last / 2), at(last.div_ceil(2)));
        let (low, high) = match self.cut {
            Some(cut) => (at(cut), at(last - cut)),
            None => (f64::NEG_INFINITY, f64::INFINITY),
        };
        RatioEstimate {
            median: middle.exp(),
            low: low.exp(),
            high: high.exp(),
        }
    }
}

/// The mean of each two values, and each value itself.
fn walsh_averages(values: &[f64]) -> Vec<f64> {
    let pairs = |(i, a): (usize, &f64)| {
        let a = *a;
        values[i..].iter().map(move |b| f64::midpoint(a, *b))
    };
    values.iter().enumerate().flat_map(pairs).collect()
}

/// How many averages may be left out at each end: the largest c with P(T ≤ c) ≤ `tail`, T being the
/// signed-rank sum of `pairs` values around 0; none if even the sum 0 is more likely than that.
fn cut(pairs: usize, tail: f64) -> Option<usize> {
    let mut probability = 0.0;
    let sums = signed_rank_probabilities(pairs);
    let within = sums.iter().take_while(|sum| {
        probability += **sum;
        probability <= tail
    });
    within.count().checked_sub(1)
}

/// The probability of each sum of a random subset of the ranks 1 to `pairs`, from 0 up to the mean.
fn signed_rank_probabilities(pairs: usize) -> Vec<f64> {
    let half = pairs * (pairs + 1) / 4;
    let mut sums = vec![0.0; half + 1];
    sums[0] = 1.0;
    let mut reached = 0;
    for rank in 1..=pairs {
        reached = (reached + rank).min(half);
        for sum in (0..=reached).rev() {
            let without = sums[sum];
            let with = sum.checked_sub(rank).map_or(0.0, |rest| sums[rest]);
            sums[sum] = f64::midpoint(without, with);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio_estimate(log_ratios: &[f64], error: f64) -> RatioEstimate {
        SignedRanks::new(log_ratios.len(), error).estimate(log_ratios)
    }

    /// The critical values of printed tables: the largest c with P(T ≤ c) ≤ tail.
    #[test]
    fn cuts_are_those_of_printed_tables() {
        for (pairs, tail, expected) in [
            (5, 0.05, Some(0)),
            (5, 0.025, None),
            (6, 0.025, Some(0)),
            (8, 0.025, Some(3)),
            (10, 0.025, Some(8)),
            (10, 0.005, Some(3)),
            (12, 0.025, Some(13)),
            (15, 0.005, Some(15)),
            (20, 0.025, Some(52)),
            (25, 0.005, Some(68)),
            (50, 0.025, Some(434)),
            (50, 0.005, Some(373)),
        ] {
            assert_eq!(cut(pairs, tail), expected, "{pairs} pairs, tail {tail}");
        }
    }

    #[test]
    fn probabilities_by_hand() {
        // Subsets of {1, 2, 3}: 0, 1, 2, {3, 1+2}, 4, 5, 6; up to the mean.
        assert_eq!(signed_rank_probabilities(3), [0.125, 0.125, 0.125, 0.25]);
        assert_eq!(signed_rank_probabilities(1), [0.5]);
    }

    #[test]
    fn an_interval_by_hand() {
        // Averages of 0, 2, 4: 0, 1, 2, 2, 3, 4. P(T ≤ 0) = 1/8.
        let estimate = ratio_estimate(&[0.0, 2.0, 4.0], 0.25);
        let expected = RatioEstimate {
            median: 2_f64.exp(),
            low: 1.0,
            high: 4_f64.exp(),
        };
        assert_eq!(estimate, expected);
    }

    #[test]
    fn too_few_pairs_say_nothing() {
        let estimate = ratio_estimate(&[0.1; 5], 0.025);
        assert_eq!((estimate.low, estimate.high), (0.0, f64::INFINITY));
        assert!((estimate.median - 0.1_f64.exp()).abs() < 1e-12);
        assert_eq!(estimate.reach_from_one(), f64::INFINITY);
    }

    #[test]
    fn swapping_the_sides_mirrors_the_interval() {
        let values = [0.3, -0.1, 0.05, 0.2, 0.4, -0.02, 0.11, 0.09];
        let swapped = values.map(|value: f64| -value);
        let (one, other) = (
            ratio_estimate(&values, 0.05),
            ratio_estimate(&swapped, 0.05),
        );
        assert!((one.median * other.median - 1.0).abs() < 1e-12);
        assert!((one.low * other.high - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_wild_pair_of_twelve_moves_little() {
        let mut values: Vec<f64> = (0..12).map(|i| f64::from(i) / 1000.0).collect();
        let calm = ratio_estimate(&values, 0.025);
        values[11] = 5.0;
        let wild = ratio_estimate(&values, 0.025);
        assert!((wild.median - calm.median).abs() < 0.001, "{wild:?}");
        assert_eq!(wild.low, calm.low);
    }

    #[test]
    fn medians_by_hand() {
        assert_eq!(median(&[5.0]), 5.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&[1.0, 1.0, 1.0, 9.0]), 1.0);
        assert_eq!(median(&[-1.0, -3.0]), -2.0);
    }

    #[test]
    fn distances_from_one() {
        let below = RatioEstimate {
            median: 0.75,
            low: 0.5,
            high: 0.875,
        };
        assert!(below.excludes_one());
        assert_eq!(below.reach_from_one(), 0.5);
        let across = RatioEstimate {
            median: 1.0,
            low: 0.75,
            high: 1.5,
        };
        assert!(!across.excludes_one());
        assert_eq!(across.reach_from_one(), 0.5);
        let touching = RatioEstimate {
            median: 1.25,
            low: 1.0,
            high: 1.5,
        };
        assert!(!touching.excludes_one(), "1 itself is inside");
    }

    /// `low median high floor → verdict`, for a metric of which less is better.
    fn check(low: f64, median: f64, high: f64, floor: f64, expected: Verdict) {
        let ratio = RatioEstimate { median, low, high };
        let found = verdict(Better::Lower, &ratio, floor);
        assert_eq!(found, expected, "{ratio:?} floor {floor}");
    }

    #[test]
    fn both_conditions_are_needed() {
        check(1.04, 1.05, 1.06, 0.01, Verdict::BIsWorse);
        check(0.94, 0.95, 0.96, 0.01, Verdict::BIsBetter);
        check(0.99, 1.05, 1.06, 0.01, Verdict::NoDifferenceSeen);
        check(1.04, 1.05, 1.06, 0.06, Verdict::NoDifferenceSeen);
        check(0.94, 0.95, 0.96, 0.06, Verdict::NoDifferenceSeen);
        check(1.0, 1.0, 1.0, 0.0, Verdict::NoDifferenceSeen);
        check(1.0, 1.05, 1.1, 0.01, Verdict::NoDifferenceSeen);
    }

    #[test]
    fn at_the_floor_nothing_is_claimed() {
        check(1.1, 1.25, 1.5, 0.25, Verdict::NoDifferenceSeen);
        check(1.1, 1.25, 1.5, 0.249, Verdict::BIsWorse);
    }

    #[test]
    fn more_throughput_is_better() {
        let more = RatioEstimate {
            median: 1.2,
            low: 1.1,
            high: 1.3,
        };
        assert_eq!(verdict(Better::Higher, &more, 0.05), Verdict::BIsBetter);
        let less = RatioEstimate {
            median: 0.8,
            low: 0.7,
            high: 0.9,
        };
        assert_eq!(verdict(Better::Higher, &less, 0.05), Verdict::BIsWorse);
    }
}
