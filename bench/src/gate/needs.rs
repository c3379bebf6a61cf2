//! What a gate that could not tell would have needed: the pairs after which a reading that keeps
//! its estimates would be clear, and the budget that pays for them. Pure; no verdict rests on it.

use std::time::Duration;

use super::decide::{Reading, Rule};
use super::look::{ERROR, FIRST_PAIRS, MOST_PAIRS};
use crate::ratio::RatioEstimate;

/// Pairs that a second stage makes for each one of the first before it looks.
const SECOND_STAGE: u32 = 2;

/// What an inconclusive gate needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// A budget of this length would have decided, if what was measured holds.
    Budget(Duration),
    /// No budget would: the most pairs that a stage makes cannot tell.
    QuieterMachine,
}

impl Needs {
    /// Of the stage that could not tell, each of whose pairs took `pair`, after `earlier` was spent
    /// on other stages.
    #[must_use]
    pub fn of(reading: &Reading, rule: &Rule, pair: Duration, earlier: Duration) -> Self {
        let Some(pairs) = pairs_to_decide(reading, rule) else {
            return Self::QuieterMachine;
        };
        let is_slower = reading.slowdown.median > 1.0 + rule.threshold;
        let has_second_stage = is_slower && earlier.is_zero();
        let stages = if has_second_stage {
            1 + SECOND_STAGE
        } else {
            1
        };
        let needed = earlier + pair * (pairs as u32) * stages;
        // Nobody gives a budget to the second.
        let step = match needed.as_secs() {
            0..60 => 10,
            60..600 => 60,
            _ => 300,
        };
        let rounded = (needed.as_secs() + 1).next_multiple_of(step);
        Self::Budget(Duration::from_secs(rounded))
    }
}

/// The pairs after which the interval, which narrows with their root, would be on one side of the
/// threshold; none if that takes more than a stage makes.
fn pairs_to_decide(reading: &Reading, rule: &Rule) -> Option<usize> {
    if !reading.slowdown.has_interval() || !reading.floor.has_interval() {
        return Some(FIRST_PAIRS);
    }
    let limit = (1.0 + rule.threshold).ln();
    let room = |from: f64, to: f64, width: f64| (to - from) / width.max(f64::MIN_POSITIVE);
    let (median, below, above) = logs(&reading.slowdown);
    // The share of today's width that would do.
    let narrower = if median <= limit {
        room(median, limit, above)
    } else {
        let (floor, floor_below, floor_above) = logs(&reading.floor);
        let beyond_floor = room(floor.abs(), median, below + floor_below.max(floor_above));
        let (copy, copy_below, _) = logs(&reading.against_copy);
        let beyond_copy = match reading.floor.excludes_one() {
            true => f64::NEG_INFINITY,
            false => room(limit, copy, copy_below),
        };
        room(limit, median, below).min(beyond_floor.max(beyond_copy))
    };
    if narrower <= 0.0 {
        return None;
    }
    let pairs = reading.pairs as f64 / narrower.min(1.0).powi(2);
    // Later looks have to be surer: the quantile of a small error grows with the root of its
    // logarithm.
    let looks = (pairs / FIRST_PAIRS as f64).max(1.0).log(1.5) + 1.0;
    let error = ERROR / (looks * (looks + 1.0));
    let surer = ((2.0 / error).ln() / (2.0 / reading.error).ln()).max(1.0);
    let pairs = (pairs * surer).ceil();
    (pairs <= MOST_PAIRS as f64).then_some(pairs as usize)
}

/// The logarithm of an estimate, and how far its interval reaches below and above.
fn logs(estimate: &RatioEstimate) -> (f64, f64, f64) {
    let median = estimate.median.ln();
    (
        median,
        median - estimate.low.ln(),
        estimate.high.ln() - median,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(median: f64, half_width: f64) -> RatioEstimate {
        RatioEstimate {
            median,
            low: median * (-half_width).exp(),
            high: median * half_width.exp(),
        }
    }

    fn reading(slowdown: RatioEstimate, floor: RatioEstimate) -> Reading {
        Reading {
            pairs: 100,
            error: 0.025,
            slowdown,
            floor,
            against_copy: slowdown,
        }
    }

    #[test]
    fn what_is_needed_follows_the_distance_and_the_width() {
        let rule = Rule { threshold: 0.05 };
        let calm = around(1.0, 0.01);
        let pair = Duration::from_secs(1);
        let needs =
            |slowdown, floor, earlier| Needs::of(&reading(slowdown, floor), &rule, pair, earlier);
        let budget = |needs| match needs {
            Needs::Budget(budget) => budget.as_secs(),
            Needs::QuieterMachine => panic!("a budget"),
        };
        // Twice as wide as it may be: four times the pairs, and some for surer looks.
        let equal = budget(needs(around(1.0, 0.0976), calm, Duration::ZERO));
        assert!((400..=900).contains(&equal), "{equal}");
        // A slowdown has to be seen twice, the second time with twice as many pairs.
        let slower = budget(needs(around(1.1, 0.07), calm, Duration::ZERO));
        assert!((750..=1500).contains(&slower), "{slower}");
        // In the second stage there is none to follow, and the first is paid for.
        let second = budget(needs(around(1.1, 0.07), calm, Duration::from_secs(50)));
        assert!(second < slower / 2, "{second} {slower}");
        // The floor's width counts where the copy differs from its original.
        let shifted = around(1.04, 0.03);
        assert!(shifted.excludes_one());
        let floor = budget(needs(around(1.1, 0.05), shifted, Duration::ZERO));
        let none = budget(needs(around(1.1, 0.05), calm, Duration::ZERO));
        assert!(floor > none, "{floor} {none}");
        // At the threshold itself nothing tells.
        let at = needs(around(1.05, 0.02), calm, Duration::ZERO);
        assert_eq!(at, Needs::QuieterMachine);
        let within = needs(around(1.1, 0.02), around(1.2, 0.02), Duration::ZERO);
        assert_eq!(within, Needs::QuieterMachine);
        // Of too few pairs for an interval nothing is known but that more are needed.
        let none = RatioEstimate {
            median: 1.1,
            low: 0.0,
            high: f64::INFINITY,
        };
        assert_eq!(budget(needs(none, none, Duration::ZERO)), 40);
    }
}
