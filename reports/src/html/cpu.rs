//! Where the CPU time went: per stage of a payment's way, grouped by the role whose work it is.

use maud::{Markup, html};

use super::{
    chart::{Axis, Bar, BarChart, Chart, Group, Scale},
    figure::{Figure, legend_of},
    letter, words,
};
use crate::{dataset, human, measured, runs::NamedRun, summary::stage_cpu_s};

/// Stages below this share of every run's CPU time are drawn together.
const SMALL: f64 = 0.01;

pub(super) fn section(all: &[NamedRun]) -> Markup {
    let chart = chart(all);
    let figure = Figure {
        id: "cpu-stages",
        heading: "CPU time per payment, by role and stage".into(),
        shows: shows(all),
        runs: all,
        legend: legend_of(all),
        assured: true,
        data: dataset::stages(all),
    };
    html! {
        p {
            "A payer signs and verifies the answer, a payee verifies and signs it; a hub does both. What \
             stands under " em { "l1" } " is Layer 1's, under " em { "loadgen" } " the load generator's own. \
             Outlined bars are sums."
        }
        (figure.markup(chart.map(Chart::Bars).as_ref()))
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

fn chart(all: &[NamedRun]) -> Option<BarChart> {
    let mut groups = Vec::new();
    for role in roles(all) {
        let group = |heading: String, strong, values: Vec<f64>| Group {
            heading,
            strong,
            bars: values
                .into_iter()
                .enumerate()
                .map(|(index, value)| Bar {
                    mark: index,
                    letter: letter(all, index),
                    value,
                    interval: None,
                    shown: human::nanoseconds(value),
                    outline: strong,
                })
                .collect(),
        };
        let of_all = |is: &dyn Fn(&str, &str) -> bool| -> Vec<f64> {
            all.iter().map(|named| per_payment(named, is)).collect()
        };
        let sums = of_all(&|of, _| of == role);
        groups.push(group(format!("{role}, in all"), true, sums));
        let (large, small): (Vec<String>, Vec<String>) =
            stages(all, &role).into_iter().partition(|stage| {
                all.iter().any(|named| {
                    let parts = named.run.stages.iter();
                    let parts = parts.filter(|part| part.role == role && part.name == *stage);
                    let cpu_s: f64 = parts.map(stage_cpu_s).sum();
                    cpu_s >= SMALL * named.run.achieved.cpu_s
                })
            });
        // One bar alone is its role's sum.
        if large.len() + usize::from(!small.is_empty()) < 2 {
            continue;
        }
        for stage in &large {
            let values = of_all(&|of, name| of == role && name == stage);
            groups.push(group(format!("{role}: {stage}"), false, values));
        }
        if !small.is_empty() {
            let values = of_all(&|of, name| of == role && small.iter().any(|s| s == name));
            groups.push(group(
                format!("{role}: {}", small.join(", ")),
                false,
                values,
            ));
        }
    }
    let values = || {
        groups
            .iter()
            .flat_map(|group| &group.bars)
            .map(|bar| bar.value)
    };
    if !values().any(f64::is_finite) {
        return None;
    }
    let scale = Scale::from_zero(values(), 5);
    Some(BarChart {
        axis: Axis::new("CPU time per payment", scale, 5, human::nanoseconds),
        base: 0.0,
        groups,
    })
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
