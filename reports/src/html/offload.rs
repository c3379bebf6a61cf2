//! What Layer 1 did without channels over what it did with them: the whole vector, measured.
//!
//! What that would have cost on other Layer 1s stands after it, in figures of `modelled`: measured
//! and modelled cost never share an axis or a table.

use maud::{Markup, html};

use duet_run_file::offload::{self, Row};

use super::{
    chart::{BarChart, Chart, From, Group},
    figure::{Figure, group},
    modelled, words,
};
use crate::{dataset, human, measured::SPANS, profile::Profile, runs::NamedRun};

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
    let label = "direct / with channels, times (log scale)";
    let bars = BarChart::of(label, From::One, human::figure, groups(all));
    let heading = match bars {
        Some(_) => "Offload per payment, measured",
        None => "Layer 1's load, measured",
    };
    let figure = Figure::new(
        "offload-measured",
        heading,
        all,
        dataset::offload(all),
        shows(all),
    );
    figure.assured().markup(bars.map(Chart::Bars))
}

/// Those rows in which a run has a ratio.
fn groups(all: &[NamedRun]) -> Vec<Group> {
    let rows: Vec<Vec<Row>> = all.iter().map(|named| offload::rows(&named.run)).collect();
    let of_rows = (0..rows[0].len()).filter(|nth| rows.iter().any(|of| of[*nth].ratio.is_finite()));
    let group = |nth: usize| {
        let mut group = group(all, rows[0][nth].heading, |_| (f64::NAN, String::new()));
        for (bar, row) in group.bars.iter_mut().zip(rows.iter().map(|of| &of[nth])) {
            let shown = row.shown().unwrap_or_else(|| "no baseline".to_owned());
            bar.value = row.ratio;
            bar.interval = row
                .interval
                .filter(|(low, high)| low < high && high.is_finite());
            bar.shown = match row.why {
                Some(why) => format!("not known: {why}"),
                None => shown.trim_end_matches(", not less").to_owned(),
            };
        }
        group
    };
    of_rows.map(group).collect()
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
