//! Layer 1's own time, of runs that a profile was enforced on: how long transactions waited in it,
//! and what they paid. Knows no wall time.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::{
    chart::{BarChart, Chart, From},
    figure::{Figure, group},
    words,
};
use crate::{dataset, human, run_file::L1Traffic, runs::NamedRun};

pub(super) fn section(all: &[NamedRun]) -> Markup {
    html! {
        @for sentence in words::each(all, room) { p { (sentence) } }
        (waits(all))
        (course(all))
        (votes(all))
    }
}

/// How long it took, and how much of its blocks was taken.
fn room(named: &NamedRun) -> Option<String> {
    let chain = named.run.l1.chain.as_ref()?;
    Some(format!(
        "{} in virtual time: {} blocks, of which {} had anything in them and were {} full. \
         Payments have wall time",
        human::seconds(chain.time_s),
        human::count(chain.height),
        human::count(chain.height.saturating_sub(chain.empty_blocks)),
        human::share(chain.occupancy_when_used),
    ))
}

fn waits(all: &[NamedRun]) -> Markup {
    let chains = || all.iter().filter_map(|named| named.run.l1.chain.as_ref());
    let kinds: BTreeSet<&String> = chains().flat_map(|chain| chain.traffic.keys()).collect();
    let bars = |kind: &String| {
        group(all, kind, |named| {
            let chain = named.run.l1.chain.as_ref();
            let of = chain.and_then(|chain| chain.traffic.get(kind));
            let longest = |of: &L1Traffic| Some(of.wait_ms.as_ref()?.max as f64 / 1e3);
            let longest = of.and_then(longest);
            (
                longest.unwrap_or(f64::NAN),
                longest.map_or("none".into(), human::seconds),
            )
        })
    };
    let groups = kinds.into_iter().map(bars).collect();
    let chart = BarChart::of("longest wait", From::Zero, human::seconds, groups);
    let shows = words::each(all, |named| {
        let chain = named.run.l1.chain.as_ref()?;
        let evicted = chain.traffic.values().map(|of| of.evicted);
        let evicted = evicted.fold(0, u64::saturating_add);
        Some(format!(
            "fees of {} in all, {} evictions, {} not opened",
            human::count(chain.fees),
            human::count(evicted),
            human::counted(chain.sessions_not_opened, "session"),
        ))
    });
    let heading = "From arrival to a block, in virtual time";
    let figure = Figure::new("traffic", heading, all, dataset::traffic(all), shows);
    figure.markup(chart.map(Chart::Bars))
}

/// Its blocks over virtual time, as a table.
fn course(all: &[NamedRun]) -> Markup {
    let shows = vec![
        "Units taken of all since the sample before, transactions that waited, evictions so far and \
         the base fee, over virtual time."
            .to_owned(),
    ];
    let heading = "Blocks over virtual time";
    Figure::new("l1-course", heading, all, dataset::l1_course(all), shows).markup(None)
}

/// What validators did, and what whole systems of several sizes would do, as tables.
fn votes(all: &[NamedRun]) -> Markup {
    let decided = dataset::consensus(all);
    if decided.rows.is_empty() {
        return html! {};
    }
    let did =
        "What all validators of a run did together, in virtual time. No other figure has any \
               of it."
            .to_owned();
    let heading = "Votes about blocks";
    let decided = Figure::new("consensus", heading, all, decided, vec![did]).markup(None);
    let systems = dataset::whole_system(all);
    let charged = words::each(all, dataset::charged);
    let heading = "One validator and whole systems";
    html! {
        (decided)
        @if !systems.rows.is_empty() {
            (Figure::new("whole-system", heading, all, systems, charged).markup(None))
        }
    }
}
