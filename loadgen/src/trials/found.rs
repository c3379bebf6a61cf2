//! What a search found, as JSON and as text: the interval, or why there is none, and every trial. Pure.

use duet_reports::human;
use duet_reports::run_file::{Assurance, Engine, Machine, Percentiles, Workload};
use serde::Serialize;

use super::bracket::width;
use super::objective::Objective;
use super::search::SearchArgs;

/// The version of the JSON's shape.
pub(super) const SCHEMA: u32 = 1;
/// What else the machine may do without a word of it, as a share of its CPU time.
const QUIET: f64 = 0.05;

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
    /// Full trials of one rate at most, of which most decide.
    pub(super) trials_per_rate: usize,
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
    /// Whether it counts for the verdict on its rate.
    pub(super) full: bool,
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
    /// Of the machine's CPU time, what its host gave to others and what other processes took.
    pub(super) stolen_share: Option<f64>,
    pub(super) others_share: Option<f64>,
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
pub(super) fn notes(trials: &[Trial], fail_per_s: Option<f64>) -> Vec<String> {
    let mut notes = Vec::new();
    let above = |trial: &&Trial| {
        trial.full && trial.passed && fail_per_s.is_some_and(|fail| trial.rate_per_s >= fail)
    };
    let lucky = trials.iter().filter(above).count();
    if lucky > 0 {
        notes.push(format!(
            "{} passed at or above the rate that fails: the machine was now faster, now slower.",
            human::counted(lucky as u64, "full trial")
        ));
    }
    let largest = |share: fn(&Trial) -> Option<f64>| {
        trials
            .iter()
            .filter_map(share)
            .max_by(f64::total_cmp)
            .unwrap_or(0.0)
    };
    for (taken, by) in [
        (
            largest(|trial| trial.stolen_share),
            "other guests of its host",
        ),
        (largest(|trial| trial.others_share), "other processes"),
    ] {
        if taken > QUIET {
            notes.push(format!(
                "The machine was not quiet: {by} took up to {} of its CPU time in a trial.",
                human::share(taken)
            ));
        }
    }
    notes
}

/// A trial on one line.
fn line(args: &SearchArgs, trial: &Trial) -> String {
    let first = args.slo.first();
    let found = trial.response_ns.as_ref();
    let found = found.map_or(f64::NAN, |response| first.of(response) as f64);
    format!(
        "{:>10}/s  {:>6}  {} {:>8}  {}",
        human::figure(trial.rate_per_s),
        human::seconds(trial.duration_s),
        first.name(),
        human::nanoseconds(found),
        if trial.passed {
            "passed".to_owned()
        } else {
            format!("failed: {}", trial.reasons.join("; "))
        }
    )
}

pub(super) fn table(args: &SearchArgs, found: &Found) -> String {
    let mut text = String::new();
    if let (Some(pass), Some(fail)) = (found.pass_per_s, found.fail_per_s) {
        text += &format!(
            "{} to {} payments/s: {} holds at the first in most of {} trials of {}, not at the second\n\
             width     {} of the upper end\n",
            human::figure(pass),
            human::figure(fail),
            args.slo,
            found.trials_per_rate,
            human::seconds(args.trial.as_secs_f64()),
            human::share(width(pass, fail)),
        );
    }
    if let Some(assurance) = &found.assurance {
        text += &format!(
            "assurance co-signed every {}, {} in flight, {} signatures per key and batch of {}, \
             durability {}\n",
            assurance.cosign_every,
            assurance.in_flight,
            human::figure(assurance.signatures_per_key_per_batch),
            human::figure(assurance.batch_size),
            assurance.durability,
        );
    }
    if let (Some(machine), Some(engine)) = (&found.machine, &found.engine) {
        text += &format!(
            "machine   {}, {}, {} back end\n",
            machine.cpu,
            human::counted(machine.cores, "core"),
            engine.backend,
        );
    }
    for note in &found.notes {
        text += &format!("note      {note}\n");
    }
    text += "\nTRIALS\n";
    for trial in &found.trials {
        text += &line(args, trial);
        text.push('\n');
    }
    text
}
