//! The course of a gate: a stage that looks until the answer is clear, and a second one, from
//! scratch and larger, that has to see a slowdown again before anybody is blamed for it. Knows no
//! process and no clock; the pairs come from a [`Source`], which tests simulate.

use std::time::Duration;

use super::decide::{Call, PairLogs, Reading, Rule};
use super::look::{FIRST_PAIRS, Looks, MOST_PAIRS};
use super::needs::Needs;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Verdict {
    /// HEAD is not slower than the threshold lets through.
    Pass,
    /// The answer was not clear when the budget was spent.
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
    /// What would have decided; none if something has.
    pub needs: Option<Needs>,
    rule: Rule,
}

impl Verdict {
    /// The word in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.into()
    }
}

impl Judgement {
    /// One sentence on how the verdict came about.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        let last = self.stages.last().expect("a judgement has a stage");
        match (self.verdict, self.stages.len()) {
            (Verdict::Pass, 1) => "the slowdown's whole interval is below the threshold",
            (Verdict::Pass, _) => {
                "the first stage saw a slowdown, and the second one did not: its whole interval is \
                 below the threshold"
            }
            (Verdict::Inconclusive, 1) => match last.call {
                Call::Above => {
                    "a slowdown was seen once, and what is left of the budget does not pay for the \
                     second stage that would have to see it too"
                }
                _ if last.reading.pairs >= MOST_PAIRS => {
                    "a stage makes no more pairs, and they do not tell"
                }
                _ if last.reading.slowdown.low > 1.0 + self.rule.threshold => {
                    "the budget was spent while HEAD was above the threshold, and not beyond what \
                     the machine may do to identical bytes"
                }
                _ => "the budget was spent while the interval still held the threshold",
            },
            (Verdict::Inconclusive, _) => {
                "the first stage saw a slowdown, and the second one could neither reproduce nor \
                 refute it within the budget"
            }
            (Verdict::Regression, _) if self.stages.iter().all(|s| s.reading.is_beyond_floor()) => {
                "two independent stages saw a slowdown beyond both the threshold and the A/A floor"
            }
            (Verdict::Regression, _) => {
                "two independent stages saw a slowdown beyond the threshold, against BASE and \
                 against its copy, of which nothing says that they differ"
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
    let (first, cost) = stage(rule, Looks::of_first_stage(), Which::First, budget, source)?;
    let left = budget.saturating_sub(source.spent());
    let judgement = |verdict, stages, needs| Judgement {
        verdict,
        stages,
        needs,
        rule: *rule,
    };
    if first.call != Call::Above || cost.of_second_stage() > left {
        let verdict = match first.call {
            Call::Below => Verdict::Pass,
            Call::Above | Call::Unclear => Verdict::Inconclusive,
        };
        let needs = (verdict == Verdict::Inconclusive)
            .then(|| Needs::of(&first.reading, rule, cost.pair(), Duration::ZERO));
        return Ok(judgement(verdict, vec![first], needs));
    }
    let looks = Looks::of_second_stage(first.reading.pairs, cost.payable_pairs(left));
    let (second, cost) = stage(rule, looks, Which::Second, budget, source)?;
    // The second stage alone decides: pairs chosen for looking bad are no evidence.
    let verdict = match second.call {
        Call::Below => Verdict::Pass,
        Call::Unclear => Verdict::Inconclusive,
        Call::Above => Verdict::Regression,
    };
    let needs = (verdict == Verdict::Inconclusive)
        .then(|| Needs::of(&second.reading, rule, cost.pair(), first.spent));
    Ok(judgement(verdict, vec![first, second], needs))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    First,
    Second,
}

/// What a stage takes.
#[derive(Clone, Copy, Default)]
struct Cost {
    /// To begin it.
    begin: Duration,
    /// All of its pairs.
    pairs: Duration,
    /// How often two of them were made.
    twos: u32,
    /// The longest that two of them took.
    longest_two: Duration,
}

impl Cost {
    fn two(&self) -> Duration {
        self.pairs / self.twos.max(1)
    }

    fn pair(&self) -> Duration {
        self.two() / 2
    }

    /// The least that a second stage takes: up to its first look.
    fn of_second_stage(&self) -> Duration {
        self.begin + self.two() * (FIRST_PAIRS / 2) as u32
    }

    /// The pairs that a second stage can make in that time.
    fn payable_pairs(&self, left: Duration) -> usize {
        let twos = left.saturating_sub(self.begin).as_secs_f64()
            / self.two().as_secs_f64().max(f64::MIN_POSITIVE);
        2 * twos.min(MOST_PAIRS as f64) as usize
    }
}

/// One stage, until a look is clear or the time has come. A look takes place with what is there
/// then: when, was not for the pairs to say.
///
/// The first stage looks once when what is left just pays for a second one. A slowdown that it sees
/// later has no second stage to follow; but HEAD can still pass.
fn stage<S: Source>(
    rule: &Rule,
    mut looks: Looks,
    which: Which,
    budget: Duration,
    source: &mut S,
) -> Result<(Stage, Cost), S::Error> {
    let begun = source.spent();
    source.begin()?;
    let mut cost = Cost {
        begin: source.spent().saturating_sub(begun),
        ..Cost::default()
    };
    let mut pairs: Vec<PairLogs> = Vec::new();
    let mut last: Option<(Reading, Call)> = None;
    for number in 0.. {
        let had = pairs.len();
        let mut deadline = budget;
        if which == Which::First && had >= FIRST_PAIRS {
            let for_second = budget.saturating_sub(cost.of_second_stage());
            if source.spent() + cost.longest_two <= for_second {
                deadline = for_second;
            }
        }
        while pairs.len() < looks.next_pairs() {
            let before = source.spent();
            // Two pairs are made in any case, so that there is a median to show; seven are needed
            // for an interval with ends.
            if !pairs.is_empty() && before + cost.longest_two > deadline {
                break;
            }
            pairs.extend(source.two_pairs()?);
            let took = source.spent().saturating_sub(before);
            cost.pairs += took;
            cost.twos += 1;
            cost.longest_two = cost.longest_two.max(took);
        }
        // A look at what was looked at already would only have to be surer.
        let looked = match last {
            Some(looked) if pairs.len() == had => Some((looked, number)),
            _ => None,
        };
        let ((reading, call), looks_taken) = looked.unwrap_or_else(|| {
            let reading = Reading::of(&pairs, looks.take());
            ((reading, reading.call(rule)), number + 1)
        });
        if looked.is_some() || call != Call::Unclear || pairs.len() >= MOST_PAIRS {
            let stage = Stage {
                reading,
                call,
                looks: looks_taken,
                spent: source.spent().saturating_sub(begun),
            };
            return Ok((stage, cost));
        }
        last = Some((reading, call));
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

    /// Verdict, and pairs of each stage, under a threshold of 5 % and a budget in seconds (=
    /// pairs).
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
        // At the threshold itself nothing is clear, whatever is spent; and all of it is.
        check(&[(1.05, calm)], 300, Inconclusive, &[300]);
        check(&[(1.1, calm), (1.05, calm)], 300, Inconclusive, &[12, 288]);
        // Noise asks for more pairs, and a budget ends it.
        check(&[(1.0, 0.15)], 1200, Pass, &[72]);
        check(&[(1.0, 0.15)], 60, Pass, &[60]);
        check(&[(1.0, 0.3)], 60, Inconclusive, &[60]);
        check(&[(1.0, 2.0)], 300, Inconclusive, &[300]);
    }

    #[test]
    fn a_late_slowdown_has_the_rest_of_the_budget_for_its_second_stage() {
        // What a third of the budget did not show, and what is left of it does.
        let (slow, calm) = ((1.2, 0.3), (1.2, 0.002));
        let mut script = Script::new(&[slow, calm]);
        let rule = Rule { threshold: 0.05 };
        let judged = judge(&rule, Duration::from_secs(120), &mut script).unwrap();
        let found: Vec<usize> = judged.stages.iter().map(|s| s.reading.pairs).collect();
        assert_eq!(judged.verdict, Verdict::Regression, "{judged:#?}");
        assert!(found[0] > 40 && found[0] + found[1] <= 120, "{found:?}");
        assert!(judged.needs.is_none());
    }

    #[test]
    fn what_would_have_decided_does() {
        for (slowdown, deviation, budget_s) in [(1.0, 0.15, 40), (1.2, 0.3, 40), (1.1, 0.1, 40)] {
            let stages = [(slowdown, deviation); 2];
            let decide = |budget_s| {
                let rule = Rule { threshold: 0.05 };
                let budget = Duration::from_secs(budget_s);
                judge(&rule, budget, &mut Script::new(&stages)).unwrap()
            };
            let short = decide(budget_s);
            assert_eq!(short.verdict, Verdict::Inconclusive, "{slowdown}");
            let Some(Needs::Budget(needed)) = short.needs else {
                panic!("{slowdown}: {short:#?}");
            };
            let long = decide(needed.as_secs());
            assert_ne!(
                long.verdict,
                Verdict::Inconclusive,
                "{slowdown}: {needed:?}"
            );
        }
    }

    #[test]
    fn a_budget_too_small_for_an_interval_is_inconclusive_and_kept_to() {
        check(&[(1.0, 0.002)], 1, Verdict::Inconclusive, &[2]);
        check(&[(1.0, 0.002)], 12, Verdict::Pass, &[12]);
        // A slowdown that is seen when nothing is left for a second stage.
        check(&[(1.3, 0.002)], 12, Verdict::Inconclusive, &[12]);
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
            course(&[(1.3, calm)], 12),
            course(&[(1.05, calm)], 1_000_000),
        ];
        for (at, reason) in reasons.iter().enumerate() {
            assert!(!reasons[..at].contains(reason), "{reason}");
        }
    }
}
