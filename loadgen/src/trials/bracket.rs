//! Which rate a search tries next, and when it is done: from the trials so far alone. After RFC 9971
//! (Multiple Loss Ratio Search): short trials find the region, full ones decide. Pure.

/// What a search looks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// The interval's width over its upper end at which the search is done.
    pub width: f64,
    /// Full trials of one rate at most; most of them decide, and none is made that cannot change
    /// the verdict. Odd.
    pub trials: usize,
    /// The rate that is tried first, in payments per second.
    pub start_per_s: f64,
    /// A rate below which nothing is tried.
    pub least_per_s: f64,
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tried {
    /// The rate offered, in payments per second.
    pub per_s: f64,
    /// How long it was.
    pub length: Length,
    /// Whether it passed.
    pub passed: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// A trial.
    Trial {
        /// The rate to offer, in payments per second.
        per_s: f64,
        /// How long.
        length: Length,
    },
    /// The answer lies between these rates, in payments per second: most full trials at the lower
    /// one passed, and at the upper one failed.
    Found {
        /// The highest rate that passes.
        pass_per_s: f64,
        /// The lowest rate that fails.
        fail_per_s: f64,
    },
    /// Not even this rate passes.
    NothingPasses {
        /// The lowest rate tried.
        per_s: f64,
    },
}

/// What most full trials at a rate say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Passes,
    Fails,
    Undecided,
}

/// Short trials stop here: a bracket that is this much wider than the goal's.
const COARSE: f64 = 4.0;

/// What to do after these trials.
#[must_use]
pub fn next(goal: &Goal, tried: &[Tried]) -> Next {
    match region(goal, tried) {
        Err(next) => next,
        Ok(region) => decide(goal, tried, region),
    }
}

/// The bracket of the short trials, or the next of them.
fn region(goal: &Goal, tried: &[Tried]) -> Result<(f64, f64), Next> {
    let trial = |per_s| {
        Err(Next::Trial {
            per_s,
            length: Length::Short,
        })
    };
    let short = || tried.iter().filter(|trial| trial.length == Length::Short);
    let rates = |passed| {
        short()
            .filter(move |trial| trial.passed == passed)
            .map(|trial| trial.per_s)
    };
    let fail = rates(false).min_by(f64::total_cmp);
    let pass = rates(true)
        .filter(|pass| fail.is_none_or(|fail| *pass < fail))
        .max_by(f64::total_cmp);
    match (pass, fail) {
        (None, None) => trial(goal.start_per_s),
        (Some(pass), None) => trial(pass * 2.0),
        // Full trials decide here too.
        (None, Some(fail)) if fail <= goal.least_per_s => Ok((fail, fail)),
        (None, Some(fail)) => trial((fail / 2.0).max(goal.least_per_s)),
        (Some(pass), Some(fail)) if width(pass, fail) > COARSE * goal.width => {
            trial((pass * fail).sqrt())
        }
        (Some(pass), Some(fail)) => Ok((pass, fail)),
    }
}

/// Full trials: of both ends of the region, further out where they do not hold, then inwards.
fn decide(goal: &Goal, tried: &[Tried], (low, high): (f64, f64)) -> Next {
    let trial = |per_s| Next::Trial {
        per_s,
        length: Length::Full,
    };
    let mut rates: Vec<f64> = tried
        .iter()
        .filter(|trial| trial.length == Length::Full)
        .map(|trial| trial.per_s)
        .collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    let verdicts: Vec<(f64, Verdict)> = rates
        .into_iter()
        .map(|per_s| (per_s, verdict(goal, tried, per_s)))
        .collect();
    if let Some((begun, _)) = verdicts
        .iter()
        .find(|(_, verdict)| *verdict == Verdict::Undecided)
    {
        return trial(*begun);
    }
    // Of rates that contradict each other the lower failure counts: a rate that held above it was luck.
    let fails = || {
        verdicts
            .iter()
            .filter(|(_, found)| *found == Verdict::Fails)
    };
    let fail = fails().map(|(per_s, _)| *per_s).next();
    let passes = || {
        verdicts
            .iter()
            .filter(|(per_s, found)| {
                *found == Verdict::Passes && fail.is_none_or(|fail| *per_s < fail)
            })
            .map(|(per_s, _)| *per_s)
    };
    // Twice as far each time.
    let step = |times: usize| goal.width * f64::from(1 << times.min(20));
    match (passes().next_back(), fail) {
        (None, None) => trial(low),
        (Some(pass), None) if pass < high => trial(high),
        (Some(pass), None) => trial(pass * (1.0 + step(passes().count().saturating_sub(2)))),
        (None, Some(fail)) if fail <= goal.least_per_s => Next::NothingPasses { per_s: fail },
        (None, Some(fail)) if fail > low => trial(low),
        (None, Some(fail)) => {
            let further = step(fails().count() - 1).min(0.5);
            trial((fail * (1.0 - further)).max(goal.least_per_s))
        }
        (Some(pass), Some(fail)) if width(pass, fail) > goal.width => trial((pass * fail).sqrt()),
        (Some(pass_per_s), Some(fail_per_s)) => Next::Found {
            pass_per_s,
            fail_per_s,
        },
    }
}

/// The verdict of most of the full trials, as soon as the ones to come cannot change it.
fn verdict(goal: &Goal, tried: &[Tried], per_s: f64) -> Verdict {
    let of = |passed| {
        tried
            .iter()
            .filter(|trial| {
                trial.length == Length::Full
                    && trial.per_s.total_cmp(&per_s).is_eq()
                    && trial.passed == passed
            })
            .count()
    };
    let most = goal.trials / 2 + 1;
    if of(true) >= most {
        Verdict::Passes
    } else if of(false) >= most {
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

    fn goal(start_per_s: f64) -> Goal {
        Goal {
            width: 0.05,
            trials: 3,
            start_per_s,
            least_per_s: 1.0,
        }
    }

    /// Searches a machine that passes as `passes` says; gives the interval and the trials.
    fn search(
        goal: &Goal,
        mut passes: impl FnMut(f64, Length) -> bool,
    ) -> (Option<(f64, f64)>, Vec<Tried>) {
        let mut tried = Vec::new();
        loop {
            match next(goal, &tried) {
                Next::Trial { per_s, length } => {
                    let passed = passes(per_s, length);
                    tried.push(Tried {
                        per_s,
                        length,
                        passed,
                    });
                    assert!(tried.len() < 200, "{tried:?}");
                }
                Next::Found {
                    pass_per_s,
                    fail_per_s,
                } => return (Some((pass_per_s, fail_per_s)), tried),
                Next::NothingPasses { .. } => return (None, tried),
            }
        }
    }

    #[test]
    fn a_steady_machine_is_bracketed_in_few_trials() {
        for (limit, start, most) in [(1000.0, 1000.0, 14), (1000.0, 10.0, 20), (37.0, 50e3, 24)] {
            let (found, tried) = search(&goal(start), |per_s, _| per_s <= limit);
            let (pass, fail) = found.unwrap();
            assert!(pass <= limit && limit < fail, "{pass} {limit} {fail}");
            assert!(width(pass, fail) <= 0.05, "{pass} {fail}");
            assert!(tried.len() <= most, "{limit} {start}: {}", tried.len());
            let full = tried.iter().filter(|trial| trial.length == Length::Full);
            assert!(
                full.count() >= 4,
                "both ends are decided by two trials each"
            );
        }
    }

    #[test]
    fn short_trials_that_mislead_are_put_right_by_full_ones() {
        // Short trials pass at twice, or fail at half, of what full ones can.
        // Or fail at all rates.
        for factor in [2.0, 0.5, 0.0] {
            let (found, _) = search(&goal(300.0), |per_s, length| match length {
                Length::Short => per_s <= 1000.0 * factor,
                Length::Full => per_s <= 1000.0,
            });
            let (pass, fail) = found.unwrap();
            assert!(pass <= 1000.0 && 1000.0 < fail, "{pass} {fail}");
            assert!(width(pass, fail) <= 0.05);
        }
    }

    #[test]
    fn one_bad_trial_of_three_changes_nothing() {
        let mut full = 0;
        let (found, _) = search(&goal(900.0), |per_s, length| {
            full += usize::from(length == Length::Full);
            let hiccup = length == Length::Full && full % 5 == 1;
            per_s <= 1000.0 && !hiccup
        });
        let (pass, fail) = found.unwrap();
        assert!(pass <= 1000.0 && 1000.0 < fail, "{pass} {fail}");
    }

    #[test]
    fn a_machine_that_passes_nothing_is_told() {
        let (found, tried) = search(&goal(50.0), |_, _| false);
        assert_eq!(found, None);
        assert!(tried.iter().all(|trial| trial.per_s >= 1.0));
        let full = tried.iter().filter(|trial| trial.length == Length::Full);
        assert_eq!(full.count(), 2, "most of three trials say so");
        // Short trials pass, full ones never do.
        let (found, _) = search(&goal(50.0), |per_s, length| {
            length == Length::Short && per_s < 40.0
        });
        assert_eq!(found, None);
    }

    proptest! {
        /// Whatever the trials say, a search ends, and its interval is of full trials.
        #[test]
        fn any_noise_ends(seed: u64, limit in 2.0..1e6f64, start in 1.0..1e7f64, noise in 0.0..0.3f64) {
            let mut random = ChaCha12Rng::seed_from_u64(seed);
            let (found, tried) = search(&goal(start), |per_s, _| {
                let uniform = f64::from(random.next_u32()) / f64::from(u32::MAX);
                per_s <= limit * (1.0 + noise * (2.0 * uniform - 1.0))
            });
            if let Some((pass, fail)) = found {
                prop_assert!(pass < fail && width(pass, fail) <= 0.05);
                for (per_s, passed) in [(pass, true), (fail, false)] {
                    let same = tried.iter().filter(|trial| {
                        trial.length == Length::Full && trial.per_s == per_s && trial.passed == passed
                    });
                    prop_assert!(same.count() >= 2);
                }
            }
        }
    }
}
