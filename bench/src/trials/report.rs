//! The rates of trials, as a table and as JSON. Pure.

use serde_json::{Value, json};

use crate::stats::median;
use duet_terminal::Exit;

use super::record::{Book, Trial};

/// The version of [`json`]'s shape. Fields may be added under the same number.
const SCHEMA: u32 = 1;

/// The trials of one slowdown under one load.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    /// The share that was planted.
    pub planted: f64,
    /// Whether another core was kept busy.
    pub other_core_loaded: bool,
    /// How many trials.
    pub trials: usize,
    /// How many of them passed (exit 0), were inconclusive (5), or found a regression (6).
    pub exits: [usize; 3],
    /// Median of the first stages' estimates, as a ratio: what of the planted share the metric
    /// shows.
    pub median_slowdown: f64,
    /// Median of the pairs in all stages.
    pub median_pairs: f64,
    /// Median time measured, and the longest, in seconds.
    pub spent_s: [f64; 2],
    /// Median load average at the trials' starts; none where no trial has one.
    pub median_load_average: Option<f64>,
}

/// The rates of all slowdowns in the file, the unloaded machine first.
#[must_use]
pub fn rates(book: &Book) -> Vec<Rates> {
    let mut kinds: Vec<(bool, f64)> = Vec::new();
    for trial in &book.trials {
        let kind = (trial.other_core_loaded, trial.planted);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
    let rates = kinds.into_iter();
    rates
        .map(|(loaded, planted)| {
            let trials: Vec<&Trial> = book.of(planted, loaded).collect();
            of(&trials)
        })
        .collect()
}

fn of(trials: &[&Trial]) -> Rates {
    let count = |exit: Exit| {
        trials
            .iter()
            .filter(|trial| trial.exit_code == exit.code())
            .count()
    };
    let numbers = |value: &dyn Fn(&Trial) -> Option<f64>| -> Vec<f64> {
        trials.iter().filter_map(|trial| value(trial)).collect()
    };
    let middle = |values: Vec<f64>| (!values.is_empty()).then(|| median(&values));
    let spent_s = numbers(&|trial| Some(trial.spent_s));
    let pairs = |trial: &Trial| {
        let stages = trial.stages.as_array()?.iter();
        stages.map(|stage| stage["pairs"].as_f64()).sum()
    };
    let slowdown = |trial: &Trial| trial.stages[0]["slowdown"]["ratio"].as_f64();
    Rates {
        planted: trials[0].planted,
        other_core_loaded: trials[0].other_core_loaded,
        trials: trials.len(),
        exits: [Exit::Ok, Exit::Inconclusive, Exit::Regression].map(count),
        median_slowdown: middle(numbers(&slowdown)).unwrap_or(f64::NAN),
        median_pairs: middle(numbers(&pairs)).unwrap_or(f64::NAN),
        spent_s: [
            median(&spent_s),
            spent_s.iter().copied().fold(0.0, f64::max),
        ],
        median_load_average: middle(numbers(&|trial| trial.load_average)),
    }
}

/// The rates as a Markdown table, which reads as text too.
#[must_use]
pub fn text(book: &Book) -> String {
    let mut lines = Vec::new();
    if let Some(Trial { settings, .. }) = book.trials.first() {
        lines.push(format!(
            "gate: {}, threshold {} %, budget {} s, workload {}, executable {}",
            settings.metric,
            settings.threshold * 100.0,
            settings.budget_s,
            settings.workload,
            settings.executable_sha256.get(..12).unwrap_or_default(),
        ));
        lines.push(String::new());
    }
    lines.push(
        "| planted | other core | trials | pass (0) | inconclusive (5) | regression (6) \
         | slowdown seen | pairs | took, median and longest | load average |"
            .to_owned(),
    );
    lines.push("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |".to_owned());
    for rates in rates(book) {
        let [pass, inconclusive, regression] = rates.exits;
        let load = rates
            .median_load_average
            .map_or_else(|| "-".to_owned(), |load| format!("{load:.1}"));
        lines.push(format!(
            "| {} % | {} | {} | {pass} | {inconclusive} | {regression} | {:+.1} % | {:.0} | {:.0} s, \
             {:.0} s | {load} |",
            rounded(rates.planted * 100.0),
            if rates.other_core_loaded { "loaded" } else { "left alone" },
            rates.trials,
            (rates.median_slowdown - 1.0) * 100.0,
            rates.median_pairs,
            rates.spent_s[0],
            rates.spent_s[1],
        ));
    }
    lines.join("\n") + "\n"
}

/// Without the last digits that a multiplication by 100 adds.
fn rounded(percent: f64) -> f64 {
    (percent * 1e6).round() / 1e6
}

/// The rates as JSON.
#[must_use]
pub fn json(book: &Book) -> Value {
    let rows: Vec<Value> = rates(book)
        .into_iter()
        .map(|rates| {
            let [pass, inconclusive, regression] = rates.exits;
            json!({
                "planted": rates.planted,
                "other_core_loaded": rates.other_core_loaded,
                "trials": rates.trials,
                "exits": {"0": pass, "5": inconclusive, "6": regression},
                "median_slowdown": rates.median_slowdown,
                "median_pairs": rates.median_pairs,
                "median_spent_s": rates.spent_s[0],
                "longest_spent_s": rates.spent_s[1],
                "median_load_average": rates.median_load_average,
            })
        })
        .collect();
    let first = book.trials.first();
    json!({
        "schema": SCHEMA,
        "settings": first.map(|trial| &trial.settings),
        "machine": first.map(|trial| &trial.machine),
        "rows": rows,
    })
}
