//! Medians, ratios of pairs, and the bootstrap interval of a median ratio. Pure: the caller brings
//! the generator, so that a seed repeats an interval exactly.

use rand::{Rng, RngExt};

/// Resamples behind a reported interval.
pub const RESAMPLES: usize = 10_000;

/// The share of the bootstrap distribution that an interval keeps.
pub const CONFIDENCE: f64 = 0.95;

/// A median ratio with the ends of its interval, all three dimensionless.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioEstimate {
    /// The median of the pairs' ratios.
    pub median: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl RatioEstimate {
    /// Whether the whole interval lies on one side of 1.
    #[must_use]
    pub fn excludes_one(&self) -> bool {
        self.low > 1.0 || self.high < 1.0
    }

    /// How far the median is from 1.
    #[must_use]
    pub fn distance_from_one(&self) -> f64 {
        (self.median - 1.0).abs()
    }

    /// How far the further end of the interval is from 1. Of identical code compared with itself
    /// this is the *floor*: what the machine alone does to a ratio.
    #[must_use]
    pub fn reach_from_one(&self) -> f64 {
        (self.low - 1.0).abs().max((self.high - 1.0).abs())
    }
}

/// The median ratio of the pairs and its bootstrap percentile interval of [`CONFIDENCE`].
///
/// Pairs are drawn with replacement, as many as there are; the interval keeps the middle of the
/// `resamples` medians (Efron 1979, percentile method). With fewer than five pairs its coverage is
/// well below nominal: the median of three pairs has [smallest, largest] for interval, which holds
/// the truth 75 % of the time.
///
/// # Panics
/// If there are no ratios or no resamples.
pub fn median_ratio(ratios: &[f64], resamples: usize, rng: &mut impl Rng) -> RatioEstimate {
    assert!(resamples > 0, "a bootstrap needs resamples");
    let mut draw = ratios.to_vec();
    let median = median_in_place(&mut draw);
    let mut medians: Vec<f64> = (0..resamples)
        .map(|_| {
            for drawn in &mut draw {
                *drawn = ratios[rng.random_range(0..ratios.len())];
            }
            median_in_place(&mut draw)
        })
        .collect();
    medians.sort_unstable_by(f64::total_cmp);
    let cut = tail_count(resamples);
    RatioEstimate {
        median,
        low: medians[cut],
        high: medians[resamples - 1 - cut],
    }
}

/// The ratio of each pair, `numerators[i] / denominators[i]`.
///
/// # Panics
/// If the two sides do not have the same number of runs.
#[must_use]
pub fn pair_ratios(numerators: &[f64], denominators: &[f64]) -> Vec<f64> {
    assert_eq!(numerators.len(), denominators.len(), "a pair has two runs");
    numerators
        .iter()
        .zip(denominators)
        .map(|(numerator, denominator)| numerator / denominator)
        .collect()
}

/// The middle value, or the mean of the two middle values of an even number.
///
/// # Panics
/// If there are no values.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    median_in_place(&mut values.to_vec())
}

/// As [`median`], reordering the values instead of copying them.
fn median_in_place(values: &mut [f64]) -> f64 {
    assert!(!values.is_empty(), "no values have no median");
    let middle = values.len() / 2;
    let odd = values.len() % 2 == 1;
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if odd {
        return *upper;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    f64::midpoint(lower, *upper)
}

/// How many of the resampled medians are cut off at each end.
fn tail_count(resamples: usize) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a small fraction of a count is a count"
    )]
    let cut = (resamples as f64 * (1.0 - CONFIDENCE) / 2.0).round() as usize;
    cut.min((resamples - 1) / 2)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;

    fn estimate(ratios: &[f64]) -> RatioEstimate {
        median_ratio(ratios, RESAMPLES, &mut ChaCha12Rng::seed_from_u64(7))
    }

    fn assert_estimate(ratios: &[f64], median: f64, low: f64, high: f64) {
        let expected = RatioEstimate { median, low, high };
        assert_eq!(estimate(ratios), expected, "{ratios:?}");
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
    fn ratios_are_taken_pair_by_pair() {
        assert_eq!(
            pair_ratios(&[3.0, 10.0], &[2.0, 40.0]),
            [1.5, 0.25],
            "not the ratio of the medians"
        );
    }

    #[test]
    fn intervals_by_hand() {
        // No spread: every resample has the same median.
        assert_estimate(&[1.25; 6], 1.25, 1.25, 1.25);
        // Two pairs: a quarter of the resamples are the lower twice, a quarter the upper twice.
        assert_estimate(&[1.0, 3.0], 2.0, 1.0, 3.0);
        // Five pairs: the median is the smallest with P(Binomial(5, 1/5) ≥ 3) = 5.8 % > 2.5 %.
        assert_estimate(&[1.5, 1.1, 1.3, 1.2, 1.4], 1.3, 1.1, 1.5);
        // Nine pairs: P(Binomial(9, 1/9) ≥ 5) = 0.14 % and P(Binomial(9, 2/9) ≥ 5) = 3.0 %, so
        // the interval runs from the second smallest to the second largest.
        let nine = [1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08, 1.09];
        assert_estimate(&nine, 1.05, 1.02, 1.08);
        // One outlier in seven moves neither the median nor the lower end.
        let outlier = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 50.0];
        assert_eq!(estimate(&outlier).median, 1.0);
        assert_eq!(estimate(&outlier).low, 1.0);
        assert_eq!(estimate(&outlier).high, 1.0);
    }

    #[test]
    fn a_seed_repeats_an_interval() {
        let ratios: Vec<f64> = (0..10).map(|i| 1.0 + f64::from(i * i) / 100.0).collect();
        assert_eq!(estimate(&ratios), estimate(&ratios));
    }

    #[test]
    fn distances_from_one() {
        let below = RatioEstimate {
            median: 0.75,
            low: 0.5,
            high: 0.875,
        };
        assert!(below.excludes_one());
        assert_eq!(below.distance_from_one(), 0.25);
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

    #[test]
    fn the_tails_are_equal_and_never_meet() {
        assert_eq!(tail_count(10_000), 250);
        assert_eq!(tail_count(1_000), 25);
        assert_eq!(tail_count(2), 0);
        assert_eq!(tail_count(1), 0);
    }
}
