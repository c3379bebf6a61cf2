//! What a run comes to, in a few figures: its rate with what that was bought with, the load taken
//! off Layer 1, and that it checked itself.

use duet_run_file::offload;
use maud::{Markup, html};
use serde_json::Value;

use super::{
    chart::{class, swatch},
    letter,
    origin::utc,
    words,
};
use crate::{
    human,
    layout::quoted,
    measured::{self, INTERRUPTED, RESUMED, busy, ended_short, only_closed, slowed},
    run_file::RunFile,
    runs::{NamedRun, Runs},
    summary::{checks_passed, facts, stage_cpu_s},
    terms::Difference,
};

pub(super) fn section(runs: &Runs) -> Markup {
    let all = runs.all();
    html! {
        (differences(runs.differences()))
        div.cards {
            @for (index, named) in all.iter().enumerate() { (card(all, index, named)) }
        }
    }
}

/// Side by side, though they differ: the reader is told in what. A quantity that stands under the
/// assurance and under the workload is one.
fn differences(differences: &[Difference]) -> Markup {
    let mut said: Vec<(&str, Vec<String>)> = Vec::new();
    for Difference { key, a, b } in differences {
        let quantity = key.split_once('.').map_or(key.as_str(), |(_, rest)| rest);
        let index = said.iter().position(|(name, _)| *name == quantity);
        let index = index.unwrap_or_else(|| {
            said.push((quantity, Vec::new()));
            said.len() - 1
        });
        let values = &mut said[index].1;
        for value in [a, b].map(word) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
    let said: Vec<String> = said
        .iter()
        .map(|(quantity, values)| format!("{quantity} ({})", values.join(", ")))
        .collect();
    html! {
        @if !said.is_empty() {
            p.notice {
                "These runs differ in " (said.join(" and in ")) ". Where the assurance or the work differs, so do \
                 the kinds of their figures."
            }
        }
    }
}

/// A value as it would be said.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".into(),
        other => other.to_string(),
    }
}

fn card(all: &[NamedRun], index: usize, named: &NamedRun) -> Markup {
    let run = &named.run;
    let achieved = &run.achieved;
    let heading = format!("headline-{index}");
    html! {
        article class={ "card " (class(index)) } aria-labelledby=(heading) {
            h3 id=(heading) {
                @if all.len() > 1 { (swatch(index)) (letter(all, index)) ": " }
                (named.name)
            }
            @if let Some((ratio, word)) = offload(run) {
                p.rate { strong { (ratio) } " " (word) " Layer 1 transactions per payment" }
            }
            p.rate {
                @if achieved.payments_per_s.is_finite() {
                    strong { (human::figure(achieved.payments_per_s)) } " payments/s"
                } @else {
                    strong { "no rate" } ": no payment was made after the restart"
                }
                @if let Some(steady) = achieved.steady_payments_per_s {
                    span.steady { " (steady " (human::figure(steady)) "/s)" }
                }
            }
            p.assurance { (words::assurance(named)) }
            p.verdict {
                strong { "VALID" }
                @if let Some(part) = measured::part(run) {
                    ", " strong { (RESUMED) } " after a restart: figures are of " (part)
                }
                @let told = [slowed(run), only_closed(run), busy(run), ended_short(run)];
                @for told in told.into_iter().flatten() { ", " strong { (told) } }
                @if achieved.interrupted { ", " strong { (INTERRUPTED) } ": stopped by hand before its end" }
                ": " (checks_passed(&run.checks).join(", "))
            }
            p.assurance { "Cite as: " (cite(run)) }
            dl {
                div { dt { "offload" } dd { (measured_offload(run)) } }
                @for (name, phrases) in facts(run) {
                    div { dt { (name) } dd {
                        (phrases.join(", "))
                        @if name == "CPU" { ", " (loadgen_share(run)) " of it the load generator's own" }
                    } }
                }
            }
        }
    }
}

/// Of the run's CPU time: making the workload, and waiting for it to come due.
fn loadgen_share(run: &RunFile) -> String {
    let stages = run.stages.iter().filter(|stage| stage.role == "loadgen");
    human::share(stages.map(stage_cpu_s).sum::<f64>() / run.achieved.cpu_s)
}

/// The first of the ratios and what it means. Never a saving without a measured baseline.
fn offload(run: &RunFile) -> Option<(String, &'static str)> {
    let transactions = &offload::rows(run)[0];
    let word = if transactions.ratio < 1.0 {
        "more, not fewer,"
    } else {
        "fewer"
    };
    transactions
        .ratio
        .is_finite()
        .then(|| (human::ratio(transactions.ratio), word))
}

/// The ratios, and what they rest on, or why there are none.
fn measured_offload(run: &RunFile) -> String {
    let rows = offload::rows(run)
        .into_iter()
        .filter(|row| row.ratio.is_finite());
    let ratios = rows.filter_map(|row| Some(format!("{} {}", row.heading, row.shown()?)));
    let ratios: Vec<String> = ratios.collect();
    match ratios.is_empty() {
        true => offload::baseline(run),
        false => format!("{} ({})", ratios.join("; "), offload::baseline(run)),
    }
}

/// What ran it, when, on what, and how it was called.
pub(super) fn cite(run: &RunFile) -> String {
    let command: Vec<String> = run.command.iter().map(|word| quoted(word)).collect();
    let commit = match run.engine.commit.as_str() {
        "" => "unknown",
        commit => commit,
    };
    format!(
        "Duet {}, commit {commit}, run of {} on {}: {}",
        run.engine.version,
        utc(run.started_unix_s),
        run.machine.cpu_name(),
        command.join(" ")
    )
}
