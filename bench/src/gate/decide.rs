//! What one look at a stage's pairs allows to say. Pure.

use crate::ratio::{RatioEstimate, SignedRanks};

/// What is gated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The slowdown that is let through, as a share: 0.05 for 5 %.
    pub threshold: f64,
}

/// The log ratios of one pair. Positive is worse, whichever way the metric improves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairLogs {
    /// HEAD against BASE.
    pub slowdown: f64,
    /// BASE's copy against BASE: what the machine does to identical bytes.
    pub floor: f64,
}

/// What a stage knows at a look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Pairs so far.
    pub pairs: usize,
    /// Probability, at most, that the slowdown's interval misses its truth; the floor's has the
    /// same.
    pub error: f64,
    /// How many times as much HEAD needs as BASE, with its interval.
    pub slowdown: RatioEstimate,
    /// The same of BASE's copy.
    pub floor: RatioEstimate,
    /// How many times as much HEAD needs as BASE's copy, with its interval.
    pub against_copy: RatioEstimate,
}

/// What a reading says of the slowdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Its whole interval is below the threshold.
    Below,
    /// Its whole interval is above the threshold, and what the machine does to identical bytes does
    /// not explain it.
    Above,
    /// Neither: more pairs may tell.
    Unclear,
}

impl Reading {
    /// Looks at `pairs` with an error of `error`.
    ///
    /// # Panics
    /// If there are no pairs.
    #[must_use]
    pub fn of(pairs: &[PairLogs], error: f64) -> Self {
        let ranks = SignedRanks::new(pairs.len(), error);
        let estimate = |log: fn(&PairLogs) -> f64| {
            let logs: Vec<f64> = pairs.iter().map(log).collect();
            ranks.estimate(&logs)
        };
        Self {
            pairs: pairs.len(),
            error,
            slowdown: estimate(|pair| pair.slowdown),
            floor: estimate(|pair| pair.floor),
            against_copy: estimate(|pair| pair.slowdown - pair.floor),
        }
    }

    /// What it says under `rule`.
    #[must_use]
    pub fn call(&self, rule: &Rule) -> Call {
        let limit = 1.0 + rule.threshold;
        if self.slowdown.high < limit {
            Call::Below
        } else if self.slowdown.low > limit && (self.is_beyond_floor() || self.is_beyond_copy(rule))
        {
            Call::Above
        } else {
            Call::Unclear
        }
    }

    /// Whether HEAD's whole interval is above all that the machine may do to identical bytes.
    #[must_use]
    pub fn is_beyond_floor(&self) -> bool {
        self.slowdown.low > 1.0 + self.floor.reach_from_one()
    }

    /// Whether HEAD is above the threshold against BASE's copy as well, and nothing says that BASE
    /// and its copy differ. The floor's further end is far away then only because few pairs were
    /// made, and a HEAD that is far slower than both need not wait until it has come closer.
    #[must_use]
    pub fn is_beyond_copy(&self, rule: &Rule) -> bool {
        let has_floor = self.floor.reach_from_one().is_finite();
        has_floor && !self.floor.excludes_one() && self.against_copy.low > 1.0 + rule.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(low: f64, high: f64) -> RatioEstimate {
        let median = f64::midpoint(low, high);
        RatioEstimate { median, low, high }
    }

    #[test]
    fn the_table_of_calls() {
        use Call::{Above, Below, Unclear};
        let rule = Rule { threshold: 0.05 };
        // Against the copy as against BASE, unless another interval is named below.
        for (slowdown, floor, expected, why) in [
            ((0.98, 1.02), (0.99, 1.01), Below, "no slowdown"),
            ((0.70, 0.80), (0.99, 1.01), Below, "faster"),
            ((1.02, 1.04), (0.99, 1.01), Below, "seen, and let through"),
            ((1.02, 1.05), (0.99, 1.01), Unclear, "up to the threshold"),
            ((0.98, 1.09), (0.99, 1.01), Unclear, "too wide"),
            ((1.03, 1.08), (0.99, 1.01), Unclear, "around the threshold"),
            ((1.05, 1.08), (0.99, 1.01), Unclear, "from the threshold"),
            ((1.06, 1.14), (0.99, 1.01), Above, "a slowdown"),
            ((1.06, 1.14), (1.01, 1.07), Unclear, "within the floor"),
            ((1.06, 1.14), (0.93, 0.99), Unclear, "within it, below 1"),
            (
                (1.15, 1.29),
                (0.93, 1.18),
                Above,
                "a wide floor of no effect",
            ),
            ((1.20, 1.30), (0.90, 1.15), Above, "beyond a wide floor"),
            ((0.98, 1.02), (0.60, 1.90), Below, "a floor hinders no pass"),
            ((0.0, f64::INFINITY), (0.99, 1.01), Unclear, "too few pairs"),
            ((1.06, 1.14), (0.0, f64::INFINITY), Unclear, "no floor yet"),
        ] {
            let reading = Reading {
                pairs: 12,
                error: 0.025,
                slowdown: interval(slowdown.0, slowdown.1),
                floor: interval(floor.0, floor.1),
                against_copy: interval(slowdown.0, slowdown.1),
            };
            assert_eq!(reading.call(&rule), expected, "{why}");
        }
    }

    #[test]
    fn within_the_floor_head_must_be_slower_than_the_copy_too() {
        let rule = Rule { threshold: 0.05 };
        for (against_copy, expected) in [
            ((1.06, 1.30), Call::Above),
            ((1.05, 1.30), Call::Unclear),
            ((0.98, 1.20), Call::Unclear),
        ] {
            let reading = Reading {
                pairs: 12,
                error: 0.025,
                slowdown: interval(1.15, 1.29),
                floor: interval(0.93, 1.18),
                against_copy: interval(against_copy.0, against_copy.1),
            };
            assert_eq!(reading.call(&rule), expected, "{against_copy:?}");
        }
    }

    #[test]
    fn pairs_are_read_on_both_scales() {
        let pairs: Vec<PairLogs> = (0..20)
            .map(|i| PairLogs {
                slowdown: 1.1_f64.ln() + f64::from(i % 5 - 2) / 1000.0,
                floor: f64::from(i % 3 - 1) / 1000.0,
            })
            .collect();
        let reading = Reading::of(&pairs, 0.025);
        assert_eq!(reading.pairs, 20);
        assert!((reading.slowdown.median - 1.1).abs() < 0.002);
        assert!(reading.floor.reach_from_one() < 0.002);
        assert!((reading.against_copy.median - 1.1).abs() < 0.002);
        assert_eq!(reading.call(&Rule { threshold: 0.05 }), Call::Above);
        assert_eq!(reading.call(&Rule { threshold: 0.2 }), Call::Below);
    }
}
