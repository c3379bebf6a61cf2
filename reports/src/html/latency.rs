//! How long payments took, from the fastest to the slowest: the percentile spectrum, its horizontal
//! axis in nines, so that the slowest payments have as much room as the rest.

use hdrhistogram::Histogram;
use maud::{Markup, html};

use super::{
    chart::{Axis, Chart, Line, LineChart, Scale, Tick},
    figure::Figure,
    words,
};
use crate::{dataset, histogram::spectrum, human, runs::NamedRun};

/// The two kinds of latency, what they are called, and what they are.
struct Of {
    kind: &'static str,
    id: &'static str,
    heading: &'static str,
    meaning: &'static str,
    of: fn(&NamedRun) -> Option<&Histogram<u64>>,
}

const RESPONSE: Of = Of {
    kind: "response",
    id: "latency-response",
    heading: "Response time",
    meaning: "From when a payment was due until the payer holds a co-signed state that covers it; \
              waiting for a busy system counts. Only open loops have it.",
    of: |named| named.response.as_ref(),
};

const SERVICE: Of = Of {
    kind: "service",
    id: "latency-service",
    heading: "Service time",
    meaning: "From when a payment's batch began until the payer holds a co-signed state that covers \
              it. It does not know of payments that waited before.",
    of: |named| named.service.as_ref(),
};

pub(super) fn section(all: &[NamedRun]) -> Markup {
    let measured = |of: &Of| all.iter().any(|named| (of.of)(named).is_some());
    let kinds: Vec<&Of> = [&RESPONSE, &SERVICE]
        .into_iter()
        .filter(|of| measured(of))
        .collect();
    html! {
        @if kinds.is_empty() { p { "No latency was measured." } }
        @if !measured(&RESPONSE) && measured(&SERVICE) {
            p { "These runs are closed loops: payments are made as fast as they are done, so that none \
                 is ever due and there is no response time." }
        }
        @if all.len() == 1 && kinds.len() == 2 {
            (both(all))
        } @else {
            @for of in kinds { (one_kind(all, of)) }
        }
    }
}

/// Response and service of one run on one chart.
fn both(all: &[NamedRun]) -> Markup {
    let kinds = [&RESPONSE, &SERVICE];
    let lines = kinds.map(|of| (of.of)(&all[0]));
    let shows = kinds.map(|of| [shows(all, of), vec![of.meaning.to_owned()]].concat());
    let heading = "Response and service time by percentile";
    let data = dataset::latency(all);
    let mut figure = Figure::new("latency-spectrum", heading, all, data, shows.concat());
    figure.legend = kinds
        .iter()
        .map(|of| of.heading.to_owned())
        .enumerate()
        .collect();
    figure.assured().markup(Some(Chart::Lines(chart(&lines))))
}

/// One kind of latency, a line a run.
fn one_kind(all: &[NamedRun], of: &Of) -> Markup {
    let lines: Vec<_> = all.iter().map(of.of).collect();
    let shows = [shows(all, of), vec![of.meaning.to_owned()]].concat();
    let mut data = dataset::latency(all);
    let mut kinds = data
        .clone()
        .column("kind")
        .map(|kind| *kind == of.kind.into())
        .collect::<Vec<_>>()
        .into_iter();
    data.rows.retain(|_| kinds.next().expect("as many"));
    let heading = format!("{} by percentile", of.heading);
    let figure = Figure::new(of.id, heading, all, data, shows);
    figure.assured().markup(Some(Chart::Lines(chart(&lines))))
}

/// The line of each distribution, with the mark of its index.
fn chart(distributions: &[Option<&Histogram<u64>>]) -> LineChart {
    let lines: Vec<Line> = distributions
        .iter()
        .enumerate()
        .filter_map(|(mark, histogram)| {
            let points = points((*histogram)?);
            Some(Line::new(mark, points))
        })
        .collect();
    let all = || lines.iter().flat_map(|line| &line.points);
    let nines_most = all().map(|(nines, _)| *nines).fold(1.0, f64::max);
    LineChart {
        x: nines(nines_most),
        y: Axis::new(
            "latency, log scale",
            Scale::log_around(all().map(|(_, value)| *value), None),
            7,
            human::nanoseconds,
        ),
        lines,
        rule: None,
        losses_below: None,
    }
}

/// Nines and nanoseconds. 100 % is infinitely many nines: the slowest of n payments is drawn where
/// one in n is slower.
fn points(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let last = (histogram.len() as f64).log10();
    spectrum(histogram)
        .iter()
        .map(|step| {
            let nines = -(1.0 - step.percentile / 100.0).log10();
            (nines.clamp(0.0, last), step.value_ns.max(1) as f64)
        })
        .collect()
}

/// 0, 90, 99, 99.9, 4×9 and so on: short, so that there is room for ten.
fn nines(most: f64) -> Axis {
    let label = |nines: usize| match nines {
        0 => "0".to_owned(),
        1 => "90".to_owned(),
        2 => "99".to_owned(),
        3 => "99.9".to_owned(),
        more => format!("{more}×9"),
    };
    let ticks = (0..=most.floor() as usize).map(|count| Tick {
        value: count as f64,
        label: label(count),
    });
    Axis {
        label: "percentile (4×9 is 99.99 %)".into(),
        scale: Scale::Linear {
            from: 0.0,
            to: most,
        },
        ticks: ticks.collect(),
    }
}

fn shows(all: &[NamedRun], of: &Of) -> Vec<String> {
    words::each(all, |named| {
        let histogram = (of.of)(named)?;
        let at = |quantile| human::nanoseconds(histogram.value_at_quantile(quantile) as f64);
        Some(format!(
            "{} of {} payments: half within {}, 99 % within {}, 99.9 % within {}, the longest {}",
            of.kind,
            human::count(histogram.len()),
            at(0.5),
            at(0.99),
            at(0.999),
            human::nanoseconds(histogram.max() as f64),
        ))
    })
}
