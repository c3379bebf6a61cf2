//! Where the CPU time went: per stage of a payment's way, grouped by the role whose work it is.

use maud::{Markup, html};

use super::{
    chart::{BarChart, Chart, From, Group},
    figure::{Figure, group},
    words,
};
use crate::{dataset, human, measured, runs::NamedRun, summary::stage_cpu_s};

/// Stages below this share of every run's CPU time are drawn together.
const SMALL: f64 = 0.01;

pub(super) fn section(all: &[NamedRun]) -> Markup {
    let chart = BarChart::of(
        "CPU time per payment",
        From::Zero,
        human::nanoseconds,
        groups(all),
    );
    let heading = "CPU time per payment, by role and stage";
    let figure = Figure::new("cpu-stages", heading, all, dataset::stages(all), shows(all));
    html! {
        p {
            "A payer signs and verifies the answer, a payee verifies and signs it; a hub does both. What \
             stands under " em { "l1" } " is Layer 1's, under " em { "loadgen" } " the load generator's own. \
             Outlined bars are sums."
        }
        (figure.assured().markup(chart.map(Chart::Bars)))
    }
}

/// CPU nanoseconds per payment of one stage in one role; none in runs without the stage.
fn per_payment(named: &NamedRun, is: impl Fn(&str, &str) -> bool) -> f64 {
    let run = &named.run;
    let found = run
        .stages
        .iter()
        .filter(|stage| is(&stage.role, &stage.name));
    found
        .map(|stage| measured::cpu_per_payment_ns(run, &stage.role, stage_cpu_s(stage)))
        .sum()
}

/// Each role's sum, and its stages where it has several.
fn groups(all: &[NamedRun]) -> Vec<Group> {
    let mut groups = Vec::new();
    for role in roles(all) {
        let bars = |heading: String, is: &dyn Fn(&str) -> bool| {
            group(all, heading, |named| {
                let value = per_payment(named, |of, name| of == role && is(name));
                (value, human::nanoseconds(value))
            })
        };
        let mut sum = bars(format!("{role}, in all"), &|_| true).outlined();
        sum.strong = true;
        groups.push(sum);
        let is_large = |stage: &String| {
            all.iter().any(|named| {
                let parts = named.run.stages.iter();
                let parts = parts.filter(|part| part.role == role && part.name == *stage);
                parts.map(stage_cpu_s).sum::<f64>() >= SMALL * named.run.achieved.cpu_s
            })
        };
        let (large, small): (Vec<String>, Vec<String>) =
            stages(all, &role).into_iter().partition(is_large);
        // One bar alone is its role's sum.
        if large.len() + usize::from(!small.is_empty()) < 2 {
            continue;
        }
        let together = (!small.is_empty()).then_some(small);
        for stages in large.into_iter().map(|stage| vec![stage]).chain(together) {
            let heading = format!("{role}: {}", stages.join(", "));
            groups.push(bars(heading, &|name| {
                stages.iter().any(|stage| stage == name)
            }));
        }
    }
    groups
}

/// The roles, the one with the most CPU time first.
fn roles(all: &[NamedRun]) -> Vec<String> {
    let mut sums: Vec<(String, f64)> = Vec::new();
    for stage in all.iter().flat_map(|named| &named.run.stages) {
        match sums.iter_mut().find(|(role, _)| *role == stage.role) {
            Some((_, sum)) => *sum += stage_cpu_s(stage),
            None => sums.push((stage.role.clone(), stage_cpu_s(stage))),
        }
    }
    sums.sort_by(|a, b| b.1.total_cmp(&a.1));
    sums.into_iter().map(|(role, _)| role).collect()
}

/// The stages of a role, in the order of a payment's way.
fn stages(all: &[NamedRun], role: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for stage in all.iter().flat_map(|named| &named.run.stages) {
        if stage.role == role && !names.contains(&stage.name) {
            names.push(stage.name.clone());
        }
    }
    names
}

fn shows(all: &[NamedRun]) -> Vec<String> {
    words::each(all, |named| {
        let run = &named.run;
        let all_ns = measured::all_cpu_per_payment_ns(run);
        if !all_ns.is_finite() {
            return Some(format!("not per payment: {}", measured::SPANS));
        }
        let parts: Vec<String> = roles(std::slice::from_ref(named))
            .into_iter()
            .map(|role| {
                let of_role = per_payment(named, |of, _| of == role);
                format!("{role} {}", human::nanoseconds(of_role))
            })
            .collect();
        Some(format!(
            "{} of CPU time per payment in all: {}; {} of the process's CPU time is in a stage",
            human::nanoseconds(all_ns),
            parts.join(", "),
            human::share(run.checks.stage_cpu_share)
        ))
    })
}
