//! What a run comes to, in a few figures: its rate with what that was bought with, the load taken
//! off Layer 1, and that it checked itself.

use maud::{Markup, html};
use serde_json::Value;

use super::{
    chart::{class, swatch},
    letter, words,
};
use crate::{
    human,
    measured::{self, INTERRUPTED, RESUMED, busy, ended_short, only_closed, slowed},
    run_file::RunFile,
    runs::{NamedRun, Runs},
    summary::{checks_passed, stage_cpu_s},
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
            dl {
                @for (name, value) in facts(run) {
                    div { dt { (name) } dd { (value) } }
                }
            }
        }
    }
}

/// CPU time of making the workload, and of waiting for it to come due.
fn loadgen_s(run: &RunFile) -> f64 {
    let stages = run.stages.iter().filter(|stage| stage.role == "loadgen");
    stages.map(stage_cpu_s).sum()
}

fn facts(run: &RunFile) -> Vec<(&'static str, String)> {
    let (achieved, workload) = (&run.achieved, &run.workload);
    let mut facts = vec![(
        "Payments",
        format!(
            "{} in {}, over {}",
            measured::part(run).unwrap_or_else(|| human::count(achieved.payments)),
            human::seconds(achieved.wall_s),
            human::counted(achieved.sessions_opened, "channel"),
        ),
    )];
    let arrivals = match workload.offered_per_s {
        Some(rate) => format!("{}, {} offered/s", workload.arrivals, human::figure(rate)),
        None => workload.arrivals.clone(),
    };
    facts.push((
        "Load",
        format!(
            "{arrivals}, {}, {} channels at a time",
            workload.pattern,
            human::count(workload.concurrent)
        ),
    ));
    facts.push(("Layer 1 transactions", transactions(run)));
    if let Some(share) = tail(run) {
        facts.push(share);
    }
    if measured::endpoints_known(run) {
        facts.push((
            "CPU",
            format!(
                "{} per payment, {} of it the load generator's own",
                human::nanoseconds(measured::all_cpu_per_payment_ns(run)),
                human::share(loadgen_s(run) / achieved.cpu_s)
            ),
        ));
    }
    let per_channel = (run.memory.bytes_per_channel).map_or_else(String::new, |bytes| {
        format!(", {} per channel", human::bytes(bytes as f64))
    });
    facts.push((
        "Memory",
        format!(
            "{} at most{per_channel}",
            human::bytes(run.memory.peak_rss_bytes as f64)
        ),
    ));
    if let Some(disputes) = &run.disputes {
        facts.push((
            "Disputes",
            format!(
                "{}; honest parties lost {} and were punished {} times",
                human::counted(disputes.closes, "post-closed channel"),
                human::grouped(disputes.lost_by_honest),
                human::grouped(disputes.honest_punished)
            ),
        ));
    }
    facts
}

/// Never a saving without a measured baseline.
fn transactions(run: &RunFile) -> String {
    let count = human::count(run.l1.channels.transactions);
    match (&run.l1.offload, &run.l1.direct) {
        (Some(offload), Some(direct)) => {
            let ratio = offload.transactions.ratio;
            let word = if ratio < 1.0 {
                "more, not fewer"
            } else {
                "fewer"
            };
            format!(
                "{count}: {} {word} per payment than without channels (measured, {} of {} sessions)",
                human::ratio(ratio),
                human::grouped(direct.sampled_sessions),
                human::grouped(run.achieved.sessions_opened)
            )
        }
        _ if run.resumed().is_some() && run.payments_measured() == 0 => {
            format!("{count}; nothing was measured to compare with")
        }
        _ => format!("{count}; no baseline was run"),
    }
}

fn tail(run: &RunFile) -> Option<(&'static str, String)> {
    let show = |value: u64| human::nanoseconds(value as f64);
    let (name, found) = match (&run.latency_ns.response, &run.latency_ns.service) {
        (Some(response), _) => ("Response time", response),
        (None, Some(service)) => ("Service time (closed loop)", service),
        (None, None) => return None,
    };
    let value = format!(
        "half within {}, 99 % within {}, longest {}",
        show(found.p50),
        show(found.p99),
        show(found.max)
    );
    Some((name, value))
}
