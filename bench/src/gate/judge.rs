//! The course of a gate: a stage that looks until the answer is clear, and a second one, from
//! scratch and larger, that has to see a slowdown again before anybody is blamed for it. Knows no
//! process and no clock; the pairs come from a [`Source`], which tests simulate.

use std::time::Duration;

use super::decide::{Call, PairLogs, Reading, Rule};
use super::look::{Looks, MOST_PAIRS};

/// The share of the budget that the first stage may spend: a slowdown that it sees must leave time
/// for twice as many pairs of the second.
const FIRST_STAGE_SHARE: f64 = 1.0 / 3.0;

/// Where pairs come from.
pub trait Source {
    /// Why there are no more.
    type Error;

    /// Begins a stage from scratch: nothing that the machine did to the stage before may stay.
    ///
    /// # Errors
    /// If it cannot be begun.
    fn begin(&mut self) -> Result<(), Self::Error>;

    /// Measures two pairs, one in an order of runs and one in its mirror image.
    ///
    /// # Errors
    /// If a run fails.
    fn two_pairs(&mut self) -> Result<[PairLogs; 2], Self::Error>;

    /// Time spent measuring so far, in all stages.
    fn spent(&self) -> Duration;
}

/// The gate's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// HEAD is not slower than the threshold lets through.
    Pass,
    /// The budget was spent before the answer was clear.
    Inconclusive,
    /// HEAD is slower than both threshold and A/A floor, in both stages.
    Regression,
}

/// What one stage came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Its last look.
    pub reading: Reading,
    /// What that says.
    pub call: Call,
    /// How often it looked.
    pub looks: usize,
    /// Time that it spent.
    pub spent: Duration,
}

/// The verdict and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The answer.
    pub verdict: Verdict,
    /// One stage, or two.
    pub stages: Vec<Stage>,
}

impl Verdict {
    /// The word in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Regression => "regression",
        }
    }
}

impl Judgement {
    /// One sentence on how the verdict came about.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match (self.verdict, self.stages.len()) {
            (Verdict::Pass, 1) => "the slowdown's whole interval is below the threshold",
            (Verdict::Pass, _) => {
                "the first stage saw a slowdown, and the second, larger one did not: its whole \
                 interval is below the threshold"
            }
            (Verdict::Inconclusive, 1) => {
                "the budget was spent while the interval still held the threshold, or the A/A floor \
                 was above it"
            }
            (Verdict::Inconclusive, _) => {
                "the first stage saw a slowdown, and the second one could neither reproduce nor \
                 refute it within the budget"
            }
            (Verdict::Regression, _) => {
                "two independent stages saw a slowdown beyond both the threshold and the A/A floor"
            }
        }
    }
}

/// Judges HEAD against BASE within `budget`.
///
/// # Errors
/// Those of `source`.
pub fn judge<S: Source>(
    rule: &Rule,
    budget: Duration,
    source: &mut S,
) -> Result<Judgement, S::Error> {
    let first = stage(rule, 0, budget.mul_f64(FIRST_STAGE_SHARE), source)?;
    let verdict = match first.call {
        Call::Below => Verdict::Pass,
        Call::Unclear => Verdict::Inconclusive,
        Call::Above => {
            let second = stage(rule, first.reading.pairs, budget, source)?;
            // The second stage alone decides: pairs chosen for looking bad are no evidence.
            let verdict = match second.call {
                Call::Below => Verdict::Pass,
                Call::Unclear => Verdict::Inconclusive,
                Call::Above => Verdict::Regression,
            };
            return Ok(Judgement {
                verdict,
                stages: vec![first, second],
            });
        }
    };
    Ok(Judgement {
        verdict,
        stages: vec![first],
    })
}

/// One stage, until a look is clear or the time has come. The last look then takes place with what
/// is there: when, was not for the pairs to say.
fn stage<S: Source>(
    rule: &Rule,
    earlier_pairs: usize,
    deadline: Duration,
    source: &mut S,
) -> Result<Stage, S::Error> {
    let begun = source.spent();
    source.begin()?;
    let mut looks = Looks::after(earlier_pairs);
    let mut pairs = Vec::new();
    let mut longest = Duration::ZERO;
    for number in 1.. {
        let mut last = looks.next_pairs() >= MOST_PAIRS;
        while pairs.len() < looks.next_pairs() {
            let before = source.spent();
            // Two pairs are made in any case, so that there is a median to show; seven are needed for an
            // interval with ends.
            if !pairs.is_empty() && before + longest > deadline {
                last = true;
                break;
            }
            pairs.extend(source.two_pairs()?);
            longest = longest.max(source.spent().saturating_sub(before));
        }
        let reading = Reading::of(&pairs, looks.take());
        let call = reading.call(rule);
        if last || call != Call::Unclear {
            return Ok(Stage {
                reading,
                call,
                looks: number,
                spent: source.spent().saturating_sub(begun),
            });
        }
    }
    unreachable!("a stage has a last look")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs of these slowdowns, stage by stage, without noise but a little; a second each.
    struct Script {
        /// Per stage: the slowdown and the deviation of pairs from it.
        stages: Vec<(f64, f64)>,
        begun: usize,
        pairs: usize,
    }

    impl Script {
        fn new(stages: &[(f64, f64)]) -> Self {
            Self {
                stages: stages.to_vec(),
                begun: 0,
                pairs: 0,
            }
        }
    }

    impl Source for Script {
        type Error = ();

        fn begin(&mut self) -> Result<(), ()> {
            self.begun += 1;
            Ok(())
        }

        fn two_pairs(&mut self) -> Result<[PairLogs; 2], ()> {
            let (slowdown, deviation) = self.stages[self.begun - 1];
            let mut pair = || {
                self.pairs += 1;
                let wave = [-1.0, 1.0, 0.5, -0.5, 0.0][self.pairs % 5] * deviation;
                PairLogs {
                    slowdown: slowdown.ln() + wave,
                    floor: -wave / 2.0,
                }
            };
            Ok([pair(), pair()])
        }

        fn spent(&self) -> Duration {
            Duration::from_secs(self.pairs as u64)
        }
    }

    /// Verdict, and pairs of each stage, under a threshold of 5 % and a budget in seconds (= pairs).
    fn check(stages: &[(f64, f64)], budget_s: u64, verdict: Verdict, pairs: &[usize]) {
        let mut script = Script::new(stages);
        let rule = Rule { threshold: 0.05 };
        let judged = judge(&rule, Duration::from_secs(budget_s), &mut script).unwrap();
        let found: Vec<usize> = judged.stages.iter().map(|s| s.reading.pairs).collect();
        assert_eq!(
            (judged.verdict, &found[..]),
            (verdict, pairs),
            "{stages:?}: {judged:#?}"
        );
    }

    #[test]
    fn the_table_of_courses() {
        use Verdict::{Inconclusive, Pass, Regression};
        let calm = 0.002;
        check(&[(1.0, calm)], 1200, Pass, &[12]);
        check(&[(0.7, calm)], 1200, Pass, &[12]);
        check(&[(1.04, calm)], 1200, Pass, &[12]);
        check(&[(1.1, calm), (1.1, calm)], 1200, Regression, &[12, 24]);
        check(&[(1.1, calm), (1.0, calm)], 1200, Pass, &[12, 24]);
        // At the threshold itself nothing is clear, and the first stage leaves the rest alone.
        check(&[(1.05, calm)], 300, Inconclusive, &[100]);
        check(&[(1.1, calm), (1.05, calm)], 300, Inconclusive, &[12, 288]);
        // Noise asks for more pairs, and a budget ends it.
        check(&[(1.0, 0.15)], 1200, Pass, &[72]);
        check(&[(1.0, 0.15)], 60, Inconclusive, &[20]);
        check(&[(1.0, 2.0)], 1200, Inconclusive, &[400]);
    }

    #[test]
    fn a_budget_too_small_for_an_interval_is_inconclusive_and_kept_to() {
        check(&[(1.0, 0.002)], 1, Verdict::Inconclusive, &[2]);
        check(&[(1.3, 0.002)], 12, Verdict::Inconclusive, &[4]);
    }

    #[test]
    fn a_stage_ends_at_the_most_pairs() {
        check(
            &[(1.05, 0.002)],
            1_000_000,
            Verdict::Inconclusive,
            &[MOST_PAIRS],
        );
    }

    #[test]
    fn every_course_has_its_reason() {
        let course = |stages: &[(f64, f64)], budget_s| {
            let rule = Rule { threshold: 0.05 };
            let budget = Duration::from_secs(budget_s);
            let judged = judge(&rule, budget, &mut Script::new(stages)).unwrap();
            judged.reason()
        };
        let calm = 0.002;
        let reasons = [
            course(&[(1.0, calm)], 1200),
            course(&[(1.1, calm), (1.0, calm)], 1200),
            course(&[(1.05, calm)], 300),
            course(&[(1.1, calm), (1.05, calm)], 300),
            course(&[(1.1, calm), (1.1, calm)], 300),
        ];
        for (at, reason) in reasons.iter().enumerate() {
            assert!(!reasons[..at].contains(reason), "{reason}");
        }
    }
}
