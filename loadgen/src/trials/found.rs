//! What a search found, as JSON and as text: the interval, or why there is none, and every trial.
//! Pure.

use duet_experiment::disturbance::MOST_SET_ASIDE;
use duet_run_file::run_file::{Assurance, Engine, Machine, Percentiles, Workload};
use duet_run_file::summary::assurance_phrases;
use duet_terminal::human;
use duet_terminal::layout::{self, flow};
use serde::Serialize;

use super::args::SearchArgs;
use super::bracket::width;
use super::objective::Objective;

/// The version of the JSON's shape.
pub(super) const SCHEMA: u32 = 3;

/// The result, as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    pub(super) schema: u32,
    pub(super) command: Vec<String>,
    /// What had to hold.
    pub(super) objective: Vec<Bound>,
    /// The highest rate that passed, in payments per second; none if the search has no answer.
    pub(super) pass_per_s: Option<f64>,
    /// The lowest rate that failed.
    pub(super) fail_per_s: Option<f64>,
    /// The interval's width over its upper end.
    pub(super) width: Option<f64>,
    /// Why there is no answer.
    pub(super) failure: Option<String>,
    /// Full trials of one rate at most, and how many of them had to pass.
    pub(super) trials_per_rate: usize,
    pub(super) passes_per_rate: usize,
    /// Trials in which the host and other processes took more than this share of the machine's CPU
    /// time were set aside, up to a number of them.
    pub(super) disturbance: f64,
    /// Every trial, in order.
    pub(super) trials: Vec<Trial>,
    /// What the highest passing rate was bought with, as its last passing trial measured it.
    pub(super) assurance: Option<Assurance>,
    pub(super) workload: Option<Workload>,
    pub(super) engine: Option<Engine>,
    pub(super) machine: Option<Machine>,
    /// What the reader should know beside the figures.
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Bound {
    pub(super) percentile: &'static str,
    pub(super) bound_ns: u64,
}

/// One trial.
#[derive(Debug, Serialize)]
pub(super) struct Trial {
    /// Asked for, in payments per second.
    pub(super) rate_per_s: f64,
    pub(super) duration_s: f64,
    /// Whether it is one of those that decide on a rate.
    pub(super) full: bool,
    /// The machine was disturbed: it counts for nothing, whatever it says, and was made again.
    pub(super) set_aside: bool,
    pub(super) passed: bool,
    /// Why it failed.
    pub(super) reasons: Vec<String>,
    /// As drawn, and as completed.
    pub(super) offered_per_s: f64,
    pub(super) achieved_per_s: f64,
    /// The backlog at the end, as time.
    pub(super) behind_s: f64,
    pub(super) response_ns: Option<Percentiles>,
    pub(super) cpu_ns_per_payment: f64,
    pub(super) batch_size: f64,
    /// Of the machine's CPU time, what its host gave to others and what other processes took, the
    /// system's own work for the run among it.
    pub(super) stolen_share: Option<f64>,
    pub(super) others_share: Option<f64>,
    /// The share by which it is judged whether the machine was the run's own.
    pub(super) disturbance: f64,
}

impl Trial {
    /// What became of it, beside what goes on now.
    pub(super) fn outcome(&self) -> String {
        let word = match (self.set_aside, self.passed) {
            (true, _) => {
                let share = human::share(self.disturbance);
                format!("does not count, others took {share} of the machine")
            }
            (false, true) => "passed".to_owned(),
            (false, false) => "failed".to_owned(),
        };
        format!("; {}/s {word}", human::figure(self.rate_per_s))
    }
}

pub(super) fn bounds(objective: &Objective) -> Vec<Bound> {
    let bounds = objective.bounds().iter();
    bounds
        .map(|(percentile, bound)| Bound {
            percentile: percentile.name(),
            bound_ns: u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX),
        })
        .collect()
}

/// What a reader must know: the machine was not the run's alone, or rates contradict each other.
pub(super) fn notes(args: &SearchArgs, trials: &[Trial], fail_per_s: Option<f64>) -> Vec<String> {
    let mut notes = Vec::new();
    let counted = || trials.iter().filter(|trial| !trial.set_aside);
    let lucky = counted().filter(|trial| {
        trial.full && trial.passed && fail_per_s.is_some_and(|fail| trial.rate_per_s >= fail)
    });
    let lucky = lucky.count();
    if lucky > 0 {
        notes.push(format!(
            "{} passed at or above the rate that fails: the machine was now faster, now slower.",
            human::counted(lucky as u64, "full trial")
        ));
    }
    let set_aside = trials.len() - counted().count();
    let limit = human::share(args.disturbance);
    if set_aside > 0 {
        notes.push(format!(
            "{} of {} set aside, whatever they said, and made again: the host and other processes \
             took more than {limit} of the CPU time.",
            set_aside,
            human::counted(trials.len() as u64, "trial")
        ));
    }
    let disturbed = counted().filter(|trial| trial.disturbance > args.disturbance);
    let disturbed = disturbed.count();
    if disturbed > 0 && set_aside >= MOST_SET_ASIDE {
        notes.push(format!(
            "THE MACHINE WAS NOT QUIET: so many were set aside that from then on all counted, {disturbed} of \
             them with more than {limit} of the CPU time taken by others. Repeat it when it is quiet, \
             or say what is usual there with --disturbance."
        ));
    }
    if trials.iter().any(|trial| trial.stolen_share.is_none()) {
        notes.push("This system does not tell how much CPU time others took.".to_owned());
    }
    notes
}

/// A trial, on as many lines as what it failed for takes.
fn line(args: &SearchArgs, trial: &Trial) -> Vec<String> {
    let first = args.slo.first();
    let found = trial.response_ns.as_ref();
    let found = found.map_or(f64::NAN, |response| first.of(response) as f64);
    let start = format!(
        "{:>10}/s  {:>6}  {} {:>8}  ",
        human::figure(trial.rate_per_s),
        human::seconds(trial.duration_s),
        first.name(),
        human::nanoseconds(found),
    );
    let (start, said) = match (trial.set_aside, trial.passed) {
        (true, _) => {
            let share = human::share(trial.disturbance);
            let taken = format!("set aside: others took {share} of the CPU");
            (start, vec![taken])
        }
        (false, true) => (start, vec!["passed".to_owned()]),
        (false, false) => (start + "failed: ", trial.reasons.clone()),
    };
    flow(&start, &said, ";")
}

pub(super) fn table(args: &SearchArgs, found: &Found) -> String {
    let mut lines = Vec::new();
    if let (Some(pass), Some(fail)) = (found.pass_per_s, found.fail_per_s) {
        let (low, high) = (human::figure(pass), human::figure(fail));
        lines.push(format!("{low} to {high} payments/s"));
        let holds = format!(
            "{} holds at the first in {} of up to {} trials of {}, not at the second",
            args.slo,
            found.passes_per_rate,
            found.trials_per_rate,
            human::seconds(args.trial.as_secs_f64()),
        );
        lines.extend(flow("bound     ", &[holds], ""));
        let width = human::share(width(pass, fail));
        lines.push(format!("width     {width} of the upper end"));
    }
    if let Some(assurance) = &found.assurance {
        lines.extend(flow("assurance ", &assurance_phrases(assurance), ","));
    }
    if let (Some(machine), Some(engine)) = (&found.machine, &found.engine) {
        let machine = [
            machine.cpu_name().to_owned(),
            human::counted(machine.cores, "core"),
            format!("{} back end", engine.backend),
        ];
        lines.extend(flow("machine   ", &machine, ","));
    }
    for note in &found.notes {
        lines.extend(flow("note      ", std::slice::from_ref(note), ""));
    }
    lines.extend([String::new(), "TRIALS".to_owned()]);
    lines.extend(found.trials.iter().flat_map(|trial| line(args, trial)));
    layout::text(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        search: SearchArgs,
    }

    fn trial(rate_per_s: f64, passed: bool, set_aside: bool, disturbance: f64) -> Trial {
        Trial {
            rate_per_s,
            duration_s: 8.0,
            full: true,
            set_aside,
            passed,
            reasons: if passed {
                Vec::new()
            } else {
                vec!["p99 9 ms > 5 ms".to_owned()]
            },
            offered_per_s: rate_per_s,
            achieved_per_s: rate_per_s,
            behind_s: 0.0,
            response_ns: None,
            cpu_ns_per_payment: 1.0,
            batch_size: 1.0,
            stolen_share: Some(disturbance),
            others_share: Some(0.0),
            disturbance,
        }
    }

    #[test]
    fn a_reader_is_told_what_was_set_aside_and_what_was_not() {
        let args = Cli::try_parse_from(["search"]).unwrap().search;
        let quiet = [
            trial(1000.0, true, false, 0.003),
            trial(1100.0, false, false, 0.003),
        ];
        assert_eq!(notes(&args, &quiet, Some(1100.0)), Vec::<String>::new());
        for (more, words) in [
            (trial(1200.0, true, false, 0.0), "1 full trial passed"),
            (trial(1000.0, false, true, 0.017), "1 of 3 trials set aside"),
            (trial(1000.0, true, true, 0.017), "1 of 3 trials set aside"),
        ] {
            let is_set_aside = more.set_aside;
            let told = line(&args, &more).concat();
            assert_eq!(told.contains("set aside: others took 1.7 %"), is_set_aside);
            let mut trials = vec![];
            trials.extend(quiet.iter().map(|trial| Trial {
                reasons: trial.reasons.clone(),
                response_ns: None,
                ..*trial
            }));
            trials.push(more);
            let told = notes(&args, &trials, Some(1100.0));
            assert!(told.len() == 1 && told[0].contains(words), "{told:?}");
        }
        // Disturbed trials count once so many were set aside.
        let mut trials: Vec<Trial> = Vec::new();
        trials.resize_with(MOST_SET_ASIDE, || trial(1000.0, true, true, 0.017));
        trials.push(trial(1000.0, true, false, 0.017));
        let told = notes(&args, &trials, Some(1100.0));
        assert!(
            told.iter()
                .any(|note| note.contains("THE MACHINE WAS NOT QUIET")),
            "{told:?}"
        );
    }
}
