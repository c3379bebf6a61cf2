//! What durability took: how long syncs lasted, and how much was written.

use maud::{Markup, html};

use super::{
    chart::{BarChart, Chart, From, Group},
    figure::{self, Figure},
    words,
};
use crate::{dataset, human, measured, run_file::Durability, runs::NamedRun};

/// A quantile of the syncs: how it is called, and where it stands.
type Quantile = (&'static str, fn(&Durability) -> u64);

const QUANTILES: [Quantile; 3] = [
    ("half of all syncs within", |log| log.sync_p50_ns),
    ("99 % within", |log| log.sync_p99_ns),
    ("the longest", |log| log.sync_max_ns),
];

pub(super) fn section(all: &[NamedRun]) -> Markup {
    let groups = QUANTILES
        .iter()
        .map(|quantile| group(all, quantile))
        .collect();
    let label = "time of one sync, log scale";
    let chart = BarChart::of(label, From::Least, human::nanoseconds, groups);
    let shows = words::each(all, |named| {
        Some(said(named, named.run.durability.as_ref()?))
    });
    let data = dataset::durability(all);
    let figure = Figure::new("durability-syncs", "How long syncs took", all, data, shows);
    html! {
        p {
            "A signature leaves its party only when what it signs is as durable as the run asked for; one \
             commit carries the newest states of many channels."
        }
        (resumed(all))
        @for sentence in words::each(all, |named| named.run.durability.as_ref()?.caution()) {
            p.notice { (sentence) }
        }
        (figure.assured().markup(chart.map(Chart::Bars)))
    }
}

fn group(all: &[NamedRun], (heading, of): &Quantile) -> Group {
    figure::group(all, *heading, |named| {
        let log = named.run.durability.as_ref().filter(|log| log.syncs > 0);
        let value = log.map_or(f64::NAN, |log| of(log) as f64);
        (
            value,
            log.map_or("no syncs".into(), |_| human::nanoseconds(value)),
        )
    })
}

fn said(named: &NamedRun, log: &Durability) -> String {
    format!(
        "{} on {}: {} of {} records, {} written, {}",
        named.run.assurance.durability,
        log.file_system,
        human::counted(log.commits, "commit"),
        human::count(log.records),
        human::bytes(log.bytes_written as f64),
        human::counted(log.syncs, "sync"),
    )
}

/// A run that went on after a restart measures only what followed.
fn resumed(all: &[NamedRun]) -> Markup {
    let said = words::each(all, |named| {
        let (before, part) = named.run.resumed().zip(measured::part(&named.run))?;
        Some(format!(
            "this run went on after a restart: {} payments and {} were there already, {} channels were \
             open, recovery took {}; rates, times and CPU time are of what followed, that is {part}",
            human::count(before.payments),
            human::counted(before.sessions_closed, "closed session"),
            human::count(before.channels_open),
            human::seconds(before.recovery_s)
        ))
    });
    html! { @for sentence in said { p.notice { (sentence) } } }
}
