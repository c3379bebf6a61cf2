//! The pseudo-median of paired log ratios and its exact interval, by Wilcoxon's signed ranks. Pure,
//! and without a generator: the same values give the same interval.
//!
//! Two runs of a pair deviate by the same law, so that the deviation of their log ratio is
//! symmetric whatever that law is: the one thing that this interval asks for besides pairs that do
//! not hang together. It then covers the truth with the confidence that it says or more, for few
//! pairs and for wild ones, where a bootstrap's does so roughly and for many. Of normal deviations
//! it uses 95.5 % of the pairs' information, of heavier tails more than the mean does; the median
//! uses 64 % (Hodges and Lehmann 1963; Lehmann, *Nonparametrics*, 1975, sections 4.3 and 4.5).

use crate::stats::RatioEstimate;

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
}
