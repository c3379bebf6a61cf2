//! What Layer 1 did without channels over what it did with them: the whole vector, measured.
//!
//! What that would have cost on other Layer 1s stands after it, in figures of `modelled`: measured
//! and modelled cost never share an axis or a table.

use maud::{Markup, html};

use super::{
    chart::{Axis, Bar, BarChart, Chart, Group, Scale},
    figure::Figure,
    letter, modelled, words,
};
use crate::{
    dataset::{self, Dataset},
    human,
    measured::SPANS,
    profile::Profile,
    runs::NamedRun,
};

pub(super) fn section(all: &[NamedRun], profiles: &[Profile]) -> Markup {
    let any = all.iter().any(|named| named.run.l1.offload.is_some());
    html! {
        @if any {
            p {
                "Payments of the same workload were run as plain transfers on the same Layer 1 code. Above 1\u{a0}x, \
                 channels took that much load off Layer 1 per payment; below 1\u{a0}x, they added to it."
            }
        } @else {
            p {
                "No baseline was run, or no payment was made: there are no measured ratios. The table \
                 has what Layer 1 did with channels."
            }
        }
        (measured(all))
        (modelled::figures(all, profiles))
    }
}

fn measured(all: &[NamedRun]) -> Markup {
    let data = dataset::offload(all);
    let bars = bars(all, &data);
    let figure = Figure {
        id: "offload-measured",
        heading: match bars {
            Some(_) => "Offload per payment, measured".into(),
            None => "Layer 1's load, measured".into(),
        },
        shows: shows(all),
        runs: all,
        legend: super::figure::legend_of(all),
        assured: true,
        data,
    };
    figure.markup(bars.map(Chart::Bars).as_ref())
}

/// None where no run has a ratio.
fn bars(all: &[NamedRun], data: &Dataset) -> Option<BarChart> {
    let column = |name: &str| {
        let found = data.columns.iter().position(|column| column.name == name);
        found.expect("a column of the offload table")
    };
    let [ratio, low, high] = ["ratio", "ratio_low", "ratio_high"].map(column);
    let dimension = column("dimension");
    let per_run = data.rows.len() / all.len();
    let mut groups = Vec::new();
    for nth in 0..per_run {
        let rows = data.rows.iter().skip(nth).step_by(per_run);
        let bars: Vec<Bar> = rows
            .enumerate()
            .map(|(index, row)| {
                let [ratio, low, high] = [ratio, low, high].map(|column| row[column].number());
                Bar {
                    mark: index,
                    letter: letter(all, index),
                    value: ratio,
                    interval: (low < high && high.is_finite()).then_some((low, high)),
                    shown: shown(&all[index], ratio, low, high),
                    outline: false,
                }
            })
            .collect();
        if bars.iter().any(|bar| bar.value.is_finite()) {
            groups.push(Group {
                heading: dataset::offload_heading(&data.rows[nth][dimension]).to_owned(),
                strong: false,
                bars,
            });
        }
    }
    let values = || {
        groups
            .iter()
            .flat_map(|group| &group.bars)
            .map(|bar| bar.value)
    };
    if groups.is_empty() {
        return None;
    }
    let scale = Scale::log_around(values(), Some(1.0));
    Some(BarChart {
        axis: Axis::new(
            "direct / with channels, times (log scale)",
            scale,
            6,
            human::figure,
        ),
        base: 1.0,
        groups,
    })
}

/// `385 x (378 – 391)`.
fn shown(named: &NamedRun, ratio: f64, low: f64, high: f64) -> String {
    let bare = |end| human::ratio(end).trim_end_matches(" x").to_owned();
    match ratio {
        _ if !ratio.is_finite()
            && named.run.l1.offload.is_some()
            && named.run.resumed().is_some() =>
        {
            format!("not known: {SPANS}")
        }
        _ if !ratio.is_finite() => "no baseline".into(),
        _ if ratio < 1.0 => format!("{}: more", human::ratio(ratio)),
        _ if low < high && high.is_finite() => {
            format!("{} ({} – {})", human::ratio(ratio), bare(low), bare(high))
        }
        _ => human::ratio(ratio),
    }
}

fn shows(all: &[NamedRun]) -> Vec<String> {
    let mut sentences = words::each(all, |named| {
        let run = &named.run;
        let (offload, direct) = run.l1.offload.as_ref().zip(run.l1.direct.as_ref())?;
        let said = [
            ("transactions", offload.transactions),
            ("bytes", offload.bytes),
            ("CPU", offload.cpu),
            ("peak state entries", offload.peak_state_entries),
        ]
        .map(|(name, ratio)| match ratio.ratio {
            known if known.is_finite() => format!("{name} {}", human::ratio(known)),
            _ => format!("{name} not known ({SPANS})"),
        });
        Some(format!(
            "per payment, Layer 1 without channels over with them: {}; baseline of {} of {} sessions",
            said.join(", "),
            human::grouped(direct.sampled_sessions),
            human::grouped(run.achieved.sessions_opened)
        ))
    });
    if sentences.is_empty() {
        return vec!["No ratio was measured.".into()];
    }
    sentences.push("Whiskers are the 95 % intervals that the baseline's sampling gives.".into());
    sentences
}
