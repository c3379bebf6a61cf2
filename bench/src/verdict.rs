//! Decides what a session of runs allows to say. Pure, and without thresholds: whether a
//! difference matters to somebody is a gate's question, asked on top of this one.

use crate::metric::Better;
use crate::stats::RatioEstimate;

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
/// than A against a copy of itself was (`floor`, see [`RatioEstimate::reach_from_one`]).
#[must_use]
pub fn verdict(better: Better, ratio: &RatioEstimate, floor: f64) -> Verdict {
    let seen = ratio.excludes_one() && ratio.distance_from_one() > floor;
    let rose = ratio.median > 1.0;
    match (seen, better) {
        (false, _) => Verdict::NoDifferenceSeen,
        (true, Better::Higher) if rose => Verdict::BIsBetter,
        (true, Better::Lower) if !rose => Verdict::BIsBetter,
        (true, _) => Verdict::BIsWorse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
