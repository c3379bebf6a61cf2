//! What became of channels that did not end politely: what each kind of attack cost Layer 1 beyond
//! a polite close, what was guaranteed, and what was refused.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::{
    chart::{BarChart, Chart, From},
    figure::{Figure, group},
    words,
};
use crate::{
    dataset, human, measured::guarantee, run_file::AttackCost, runs::NamedRun, summary::rejections,
};

/// Whether there is anything to show.
pub(super) fn any(all: &[NamedRun]) -> bool {
    all.iter()
        .any(|named| named.run.disputes.is_some() || !rejections(&named.run).is_empty())
}

pub(super) fn section(all: &[NamedRun]) -> Markup {
    html! {
        @for sentence in words::each(all, promised) { p { (sentence) } }
        @if all.iter().any(|named| named.run.disputes.is_some()) { (costs(all)) (griefing(all)) }
        (refusals(all))
    }
}

/// What the protocol promises honest parties, and whether the run was within its conditions.
fn promised(named: &NamedRun) -> Option<String> {
    let said = guarantee(&named.run).join("; ");
    (!said.is_empty())
        .then(|| format!("{said}. The guarantee is before fees: who paid them is in the table"))
}

fn costs(all: &[NamedRun]) -> Markup {
    let attacks = all.iter().filter_map(|named| named.run.disputes.as_ref());
    let attacks: BTreeSet<&String> = attacks
        .flat_map(|disputes| disputes.attacks.keys())
        .collect();
    let bars = |attack: &String| {
        group(all, attack, |named| {
            let cost = named
                .run
                .disputes
                .as_ref()
                .and_then(|found| found.attacks.get(attack));
            let shown = |cost: &AttackCost| {
                let extra = human::figure(cost.extra_transactions_per_case);
                format!("{extra} ({})", human::counted(cost.cases, "case"))
            };
            let extra = cost.map_or(f64::NAN, |cost| cost.extra_transactions_per_case);
            (extra, cost.map_or("none".into(), shown))
        })
    };
    let groups = attacks.into_iter().map(bars).collect();
    let label = "extra L1 transactions a case";
    let chart = BarChart::of(label, From::Zero, human::figure, groups);
    let shows = words::each(all, |named| {
        let disputes = named.run.disputes.as_ref()?;
        let (cases, transactions) = (
            disputes.total(|of| of.cases),
            disputes.total(|of| of.transactions),
        );
        Some(format!(
            "{}, {} Layer 1 transactions each on average, the polite close that they replace included",
            human::counted(cases, "case"),
            human::figure(transactions as f64 / cases as f64),
        ))
    });
    let heading = "Layer 1 transactions beyond a polite close, by attack";
    let figure = Figure::new("disputes-cost", heading, all, dataset::disputes(all), shows);
    figure.markup(chart.map(Chart::Bars))
}

/// What each kind of attack cost either side.
fn griefing(all: &[NamedRun]) -> Markup {
    let (data, heading) = (dataset::griefing(all), "What attacks cost either side");
    let shows = vec![
        "Fees in units of value; what channels held times the blocks from the first post to the \
         payout. What was won or lost in the channels is not in it."
            .to_owned(),
    ];
    html! {
        @if !data.rows.is_empty() {
            (Figure::new("griefing", heading, all, data, shows).markup(None))
        }
    }
}

/// What endpoints rejected and Layer 1 refused, by name.
fn refusals(all: &[NamedRun]) -> Markup {
    let data = dataset::refusals(all);
    let shows = vec![format!(
        "{} named refusals. An endpoint's refusal stops its channel; a transaction that Layer 1 \
         refused is in no block.",
        data.rows.len()
    )];
    html! {
        @if !data.rows.is_empty() {
            (Figure::new("refusals", "What was refused", all, data, shows).markup(None))
        }
    }
}
