//! Which rate a search tries next, and when it is done: from the trials so far alone. After RFC
//! 9971 (Multiple Loss Ratio Search): short trials find the region, full ones decide. Pure.
//!
//! Rates are the rungs of a ladder, so that two searches try the same rates, and can be compared
//! trial by trial: the answer is two rungs next to each other.

/// What a search looks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// Full trials of one rate at most; none is made that cannot change the verdict.
    pub trials: usize,
    /// So many of them must pass for the rate to pass; 1 to `trials`.
    pub passes: usize,
    /// The rung that is tried first.
    pub start: i32,
    /// A rung below which nothing is tried.
    pub least: i32,
}

/// Rates in equal ratios, from 1 payment/s at rung 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ladder {
    ratio: f64,
}

/// Rungs are this much closer than the interval may be wide, so that rounding does not widen it.
const CLOSER: f64 = 0.99;

impl Ladder {
    /// A ladder on which two neighbours are no wider apart than this, over the upper one.
    ///
    /// # Panics
    /// If the width is not between 0 and 1.
    #[must_use]
    pub fn new(width: f64) -> Ladder {
        assert!(0.0 < width && width < 1.0, "a width of {width}");
        Ladder {
            ratio: 1.0 / (1.0 - CLOSER * width),
        }
    }

    /// The rate of a rung, in payments per second.
    #[must_use]
    pub fn per_s(&self, rung: i32) -> f64 {
        self.ratio.powi(rung)
    }

    /// The lowest rung of this rate, in payments per second, or a higher one.
    #[must_use]
    pub fn rung(&self, per_s: f64) -> i32 {
        // The cast saturates. A rung's own rate is that rung, whatever rounding says.
        ((per_s.ln() / self.ratio.ln()) - 1e-6).ceil() as i32
    }

    /// How many rungs double a rate, at least one.
    fn doubling(&self) -> i32 {
        ((2_f64.ln() / self.ratio.ln()).round() as i32).max(1)
    }
}

/// How long a trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Enough to find the region, and not to decide.
    Short,
    /// Enough to decide.
    Full,
}

/// A trial that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The rate offered.
    pub rung: i32,
    /// How long it was.
    pub length: Length,
    /// Whether it passed.
    pub passed: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A trial.
    Trial {
        /// The rate to offer.
        rung: i32,
        /// How long.
        length: Length,
    },
    /// The answer lies between this rung and the next one: enough full trials passed at this one,
    /// and at the next one too many failed.
    Found {
        /// The highest rate that passes.
        pass: i32,
    },
    /// Not even this rate passes.
    NothingPasses {
        /// The lowest rate tried.
        rung: i32,
    },
}

/// What full trials at a rate say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Passes,
    Fails,
    Undecided,
}

/// Short trials stop here: a bracket of so many rungs.
const COARSE: i32 = 4;

/// What to do after these trials.
#[must_use]
pub fn next(goal: &Goal, ladder: &Ladder, tried: &[Tried]) -> Next {
    match region(goal, ladder, tried) {
        Err(next) => next,
        Ok(region) => decide(goal, ladder, tried, region),
    }
}

/// The bracket of the short trials, or the next of them.
fn region(goal: &Goal, ladder: &Ladder, tried: &[Tried]) -> Result<(i32, i32), Next> {
    let trial = |rung| {
        Err(Next::Trial {
            rung,
            length: Length::Short,
        })
    };
    let short = || tried.iter().filter(|trial| trial.length == Length::Short);
    let rungs = |passed| {
        short()
            .filter(move |trial| trial.passed == passed)
            .map(|trial| trial.rung)
    };
    let fail = rungs(false).min();
    let pass = rungs(true)
        .filter(|pass| fail.is_none_or(|fail| *pass < fail))
        .max();
    match (pass, fail) {
        (None, None) => trial(goal.start),
        (Some(pass), None) => trial(pass + ladder.doubling()),
        // Full trials decide here too.
        (None, Some(fail)) if fail <= goal.least => Ok((fail, fail)),
        (None, Some(fail)) => trial((fail - ladder.doubling()).max(goal.least)),
        (Some(pass), Some(fail)) if fail - pass > COARSE => trial(between(pass, fail)),
        (Some(pass), Some(fail)) => Ok((pass, fail)),
    }
}

/// Full trials: of both ends of the region, further out where they do not hold, then inwards.
fn decide(goal: &Goal, ladder: &Ladder, tried: &[Tried], (low, high): (i32, i32)) -> Next {
    let trial = |rung| Next::Trial {
        rung,
        length: Length::Full,
    };
    let mut rungs: Vec<i32> = tried
        .iter()
        .filter(|trial| trial.length == Length::Full)
        .map(|trial| trial.rung)
        .collect();
    rungs.sort_unstable();
    rungs.dedup();
    let verdicts: Vec<(i32, Verdict)> = rungs
        .into_iter()
        .map(|rung| (rung, verdict(goal, tried, rung)))
        .collect();
    if let Some((begun, _)) = verdicts
        .iter()
        .find(|(_, verdict)| *verdict == Verdict::Undecided)
    {
        return trial(*begun);
    }
    // Of rates that contradict each other the lower failure counts: a rate that held above it was
    // luck.
    let fails = || {
        verdicts
            .iter()
            .filter(|(_, found)| *found == Verdict::Fails)
    };
    let fail = fails().map(|(rung, _)| *rung).next();
    let passes = || {
        verdicts
            .iter()
            .filter(|(rung, found)| {
                *found == Verdict::Passes && fail.is_none_or(|fail| *rung < fail)
            })
            .map(|(rung, _)| *rung)
    };
    // Twice as far each time, up to half or twice the rate.
    let step = |times: usize| (1 << times.min(30)).min(ladder.doubling());
    match (passes().next_back(), fail) {
        (None, None) => trial(low),
        (Some(pass), None) if pass < high => trial(high),
        (Some(pass), None) => trial(pass + step(passes().count().saturating_sub(2))),
        (None, Some(fail)) if fail <= goal.least => Next::NothingPasses { rung: fail },
        (None, Some(fail)) if fail > low => trial(low),
        (None, Some(fail)) => trial((fail - step(fails().count() - 1)).max(goal.least)),
        (Some(pass), Some(fail)) if fail - pass > 1 => trial(between(pass, fail)),
        (Some(pass), Some(_)) => Next::Found { pass },
    }
}

/// The middle of two rungs that are not neighbours.
fn between(low: i32, high: i32) -> i32 {
    low + (high - low) / 2
}

/// The verdict of the full trials, as soon as the ones to come cannot change it.
fn verdict(goal: &Goal, tried: &[Tried], rung: i32) -> Verdict {
    let of = |passed| {
        let full = tried.iter().filter(|trial| trial.length == Length::Full);
        full.filter(|trial| trial.rung == rung && trial.passed == passed)
            .count()
    };
    if of(true) >= goal.passes {
        Verdict::Passes
    } else if of(false) > goal.trials - goal.passes {
        Verdict::Fails
    } else {
        Verdict::Undecided
    }
}

/// The width of an interval over its upper end.
#[must_use]
pub fn width(pass_per_s: f64, fail_per_s: f64) -> f64 {
    (fail_per_s - pass_per_s) / fail_per_s
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::ChaCha12Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    const WIDTH: f64 = 0.05;

    /// Searches a machine that passes as `passes` says, from this rate on; gives the interval and
    /// the trials.
    fn search(
        start_per_s: f64,
        passes: impl FnMut(f64, Length) -> bool,
    ) -> (Option<(f64, f64)>, Vec<Tried>) {
        search_by((2, 3), start_per_s, passes)
    }

    /// The same, where so many of so many trials must pass.
    fn search_by(
        (passing, trials): (usize, usize),
        start_per_s: f64,
        mut passes: impl FnMut(f64, Length) -> bool,
    ) -> (Option<(f64, f64)>, Vec<Tried>) {
        let ladder = Ladder::new(WIDTH);
        let goal = Goal {
            trials,
            passes: passing,
            start: ladder.rung(start_per_s),
            least: ladder.rung(1.0),
        };
        let mut tried = Vec::new();
        loop {
            match next(&goal, &ladder, &tried) {
                Next::Trial { rung, length } => {
                    assert!(rung >= goal.least, "{rung} {tried:?}");
                    let passed = passes(ladder.per_s(rung), length);
                    tried.push(Tried {
                        rung,
                        length,
                        passed,
                    });
                    assert!(tried.len() < 200, "{tried:?}");
                }
                Next::Found { pass } => {
                    let found = (ladder.per_s(pass), ladder.per_s(pass + 1));
                    return (Some(found), tried);
                }
                Next::NothingPasses { .. } => return (None, tried),
            }
        }
    }

    #[test]
    fn neighbours_on_a_ladder_are_as_close_as_asked_for() {
        for asked in [0.001, 0.05, 0.5] {
            let ladder = Ladder::new(asked);
            for rung in [0, 1, 17, 300] {
                let [low, high] = [rung, rung + 1].map(|rung| ladder.per_s(rung));
                let found = width(low, high);
                assert!(
                    found <= asked && found > 0.98 * asked,
                    "{asked} {rung} {found}"
                );
                assert_eq!(ladder.rung(low), rung, "a rung's rate is on it");
                assert_eq!(
                    ladder.rung(low * 1.000_1),
                    rung + 1,
                    "or the next one above"
                );
            }
        }
    }

    #[test]
    fn a_steady_machine_is_bracketed_in_few_trials() {
        for (limit, start, most) in [(1000.0, 1000.0, 14), (1000.0, 10.0, 20), (37.0, 50e3, 24)] {
            let (found, tried) = search(start, |per_s, _| per_s <= limit);
            let (pass, fail) = found.unwrap();
            assert!(pass <= limit && limit < fail, "{pass} {limit} {fail}");
            assert!(width(pass, fail) <= WIDTH, "{pass} {fail}");
            assert!(tried.len() <= most, "{limit} {start}: {}", tried.len());
            let full = tried.iter().filter(|trial| trial.length == Length::Full);
            assert!(
                full.count() >= 4,
                "both ends are decided by two trials each"
            );
        }
    }

    #[test]
    fn searches_that_begin_elsewhere_end_at_the_same_rates() {
        let [one, other] = [700.0, 123_456.0].map(|start| search(start, |per_s, _| per_s <= 5e3).0);
        assert_eq!(one, other);
    }

    #[test]
    fn short_trials_that_mislead_are_put_right_by_full_ones() {
        // Short trials pass at twice, or fail at half, of what full ones can.
        // Or fail at all rates.
        for factor in [2.0, 0.5, 0.0] {
            let (found, _) = search(300.0, |per_s, length| match length {
                Length::Short => per_s <= 1000.0 * factor,
                Length::Full => per_s <= 1000.0,
            });
            let (pass, fail) = found.unwrap();
            assert!(pass <= 1000.0 && 1000.0 < fail, "{pass} {fail}");
            assert!(width(pass, fail) <= WIDTH);
        }
    }

    #[test]
    fn one_bad_trial_of_three_changes_nothing() {
        let mut full = 0;
        let (found, _) = search(900.0, |per_s, length| {
            full += usize::from(length == Length::Full);
            let hiccup = length == Length::Full && full % 5 == 1;
            per_s <= 1000.0 && !hiccup
        });
        let (pass, fail) = found.unwrap();
        assert!(pass <= 1000.0 && 1000.0 < fail, "{pass} {fail}");
    }

    #[test]
    fn a_machine_that_is_slowed_most_of_the_time_is_bracketed_by_its_best_trials() {
        for (rule, expected) in [((2, 8), true), ((2, 3), false)] {
            let mut full = 0;
            let (found, tried) = search_by(rule, 900.0, |per_s, length| {
                full += usize::from(length == Length::Full);
                // Left alone in every third full trial.
                let limit = if full % 3 == 0 { 1000.0 } else { 600.0 };
                per_s <= limit
            });
            let (pass, fail) = found.unwrap();
            let is_best = pass <= 1000.0 && 1000.0 < fail;
            assert_eq!(is_best, expected, "{rule:?}: {pass} {fail} {tried:?}");
        }
    }

    #[test]
    fn a_machine_that_passes_nothing_is_told() {
        let (found, tried) = search(50.0, |_, _| false);
        assert_eq!(found, None);
        let full = tried.iter().filter(|trial| trial.length == Length::Full);
        assert_eq!(full.count(), 2, "most of three trials say so");
        // Short trials pass, full ones never do.
        let (found, _) = search(50.0, |per_s, length| {
            length == Length::Short && per_s < 40.0
        });
        assert_eq!(found, None);
    }

    proptest! {
        /// Whatever the trials say, a search ends, and its interval is of full trials.
        #[test]
        fn any_noise_ends(seed: u64, limit in 2.0..1e6f64, start in 1.0..1e7f64, noise in 0.0..0.3f64) {
            let mut random = ChaCha12Rng::seed_from_u64(seed);
            let (found, tried) = search(start, |per_s, _| {
                let uniform = f64::from(random.next_u32()) / f64::from(u32::MAX);
                per_s <= limit * (1.0 + noise * (2.0 * uniform - 1.0))
            });
            if let Some((pass, fail)) = found {
                prop_assert!(pass < fail && width(pass, fail) <= WIDTH);
                let ladder = Ladder::new(WIDTH);
                for (per_s, passed) in [(pass, true), (fail, false)] {
                    let same = tried.iter().filter(|trial| {
                        trial.length == Length::Full
                            && trial.rung == ladder.rung(per_s)
                            && trial.passed == passed
                    });
                    prop_assert!(same.count() >= 2);
                }
            }
        }
    }
}
