//! What became of channels that did not end politely: what each kind of attack cost Layer 1 beyond
//! a polite close, what was guaranteed, and what was refused.

use maud::{Markup, html};

use super::{
    chart::{Axis, Bar, BarChart, Chart, Group, Scale},
    figure::{Figure, legend_of},
    letter, lettered, words,
};
use crate::{
    dataset::{self, Dataset, Kind},
    human,
    runs::NamedRun,
    summary::rejections,
};

/// Whether there is anything to show.
pub(super) fn any(all: &[NamedRun]) -> bool {
    all.iter()
        .any(|named| named.run.disputes.is_some() || !rejections(&named.run).is_empty())
}

pub(super) fn section(all: &[NamedRun]) -> Markup {
    html! {
        @if all.iter().any(|named| named.run.disputes.is_some()) {
            @for (index, named) in all.iter().enumerate() { (guarantee(all, index, named)) }
            (costs(all))
        }
        (refusals(all))
    }
}

/// What the protocol promises honest parties, and whether the run was within its conditions.
fn guarantee(all: &[NamedRun], index: usize, named: &NamedRun) -> Markup {
    let run = &named.run;
    let Some(disputes) = &run.disputes else {
        return html! {};
    };
    let window = run.workload.l1.challenge_window_blocks;
    let delay = run.workload.l1_delay_blocks.unwrap_or(0);
    html! {
        p {
            @if all.len() > 1 { (lettered(all, index)) ": " }
            "Honest parties lost " strong { (human::grouped(disputes.lost_by_honest)) }
            " units (" (human::counted(disputes.honest_losers, "loser")) ") and were punished "
            strong { (human::grouped(disputes.honest_punished)) } " times; "
            (human::grouped(disputes.punishments)) " cheaters forfeited their balance. The challenge window was "
            (human::counted(window, "block")) ", honest transactions were held back for up to "
            (human::counted(delay, "block"))
            @if window <= delay {
                strong { ": NOT shorter than the window, so that honest parties can come too late" }
            }
            @if disputes.late_posts > 0 {
                "; " strong { (human::counted(disputes.late_posts, "post")) }
                " found no room in the block in which they were due: the guarantee is for blocks with room"
            }
            ". The guarantee is before fees: who paid them is in the table."
        }
    }
}

fn costs(all: &[NamedRun]) -> Markup {
    let mut attacks: Vec<&String> = all
        .iter()
        .filter_map(|named| named.run.disputes.as_ref())
        .flat_map(|disputes| disputes.attacks.keys())
        .collect();
    attacks.sort();
    attacks.dedup();
    let groups = attacks.into_iter().map(|attack| Group {
        heading: attack.clone(),
        strong: false,
        bars: all
            .iter()
            .enumerate()
            .map(|(index, named)| {
                let disputes = named.run.disputes.as_ref();
                let cost = disputes.and_then(|disputes| disputes.attacks.get(attack));
                Bar {
                    mark: index,
                    letter: letter(all, index),
                    value: cost.map_or(f64::NAN, |cost| cost.extra_transactions_per_case),
                    interval: None,
                    shown: cost.map_or("none".into(), |cost| {
                        format!(
                            "{} ({})",
                            human::figure(cost.extra_transactions_per_case),
                            human::counted(cost.cases, "case")
                        )
                    }),
                    outline: false,
                }
            })
            .collect(),
    });
    let groups: Vec<Group> = groups.collect();
    let values = groups
        .iter()
        .flat_map(|group| &group.bars)
        .map(|bar| bar.value);
    let scale = Scale::from_zero(values, 5);
    let chart = BarChart {
        axis: Axis::new("extra L1 transactions a case", scale, 5, human::figure),
        base: 0.0,
        groups,
    };
    let figure = Figure {
        id: "disputes-cost",
        heading: "Layer 1 transactions beyond a polite close, by attack".into(),
        shows: words::each(all, |named| {
            let disputes = named.run.disputes.as_ref()?;
            let sum = |of: fn(&_) -> u64| {
                disputes
                    .attacks
                    .values()
                    .map(of)
                    .fold(0, u64::saturating_add)
            };
            let (cases, transactions) = (sum(|c| c.cases), sum(|c| c.transactions));
            Some(format!(
                "{}, {} Layer 1 transactions each on average, the polite close that they replace included",
                human::counted(cases, "case"),
                human::figure(transactions as f64 / cases as f64),
            ))
        }),
        runs: all,
        legend: legend_of(all),
        assured: false,
        data: dataset::disputes(all),
    };
    figure.markup(Some(&Chart::Bars(chart)))
}

/// What endpoints rejected and Layer 1 refused, by name.
fn refusals(all: &[NamedRun]) -> Markup {
    let mut data = Dataset::new(
        "refusals",
        &[
            ("run", "Run", Kind::Text),
            ("by", "By", Kind::Text),
            ("name", "Refusal", Kind::Text),
            ("count", "Count", Kind::Figure),
        ],
    );
    for named in all {
        let by_l1 = named.run.disputes.iter().flat_map(|found| &found.refused);
        let by_l1 = by_l1.map(|(name, count)| ("Layer 1", name.as_str(), *count));
        let found = rejections(&named.run);
        let by_endpoints = found
            .iter()
            .map(|(name, count)| ("an endpoint", *name, *count));
        for (by, name, count) in by_endpoints.chain(by_l1) {
            data.push(vec![
                (&named.name).into(),
                by.into(),
                name.into(),
                count.into(),
            ]);
        }
    }
    if data.rows.is_empty() {
        return html! {};
    }
    let figure = Figure {
        id: "refusals",
        heading: "What was refused".into(),
        shows: vec![format!(
            "{} named refusals. An endpoint's refusal stops its channel; a transaction that Layer 1 \
             refused is in no block.",
            data.rows.len()
        )],
        runs: all,
        legend: Vec::new(),
        assured: false,
        data,
    };
    figure.markup(None)
}
