//! What the runs' Layer 1 transactions would have cost at Layer 1s' prices: modelled, in figures of
//! their own that say so. No axis and no table here has anything measured but counts, and no other
//! figure has anything of this.

use maud::{Markup, html};

use super::{
    chart::{BarChart, Chart, From},
    figure::{Figure, group},
    words,
};
use crate::{
    dataset, human,
    layout::{clean, clip},
    modelled::{RunCost, of_run},
    profile::Profile,
    runs::NamedRun,
};

/// The most columns of a profile's name, and of its unit, in a chart.
const NAME: usize = 28;

pub(super) fn figures(all: &[NamedRun], profiles: &[Profile]) -> Markup {
    let whose = if all.len() == 1 { "run's" } else { "runs'" };
    let bars = bars(all, profiles);
    let (costs, prices) = (
        dataset::modelled(all, profiles),
        dataset::modelled_prices(all, profiles),
    );
    let shows = shows(all, profiles, bars.is_some());
    let heading = format!("Modelled: what the {whose} Layer 1 transactions would have cost");
    let costs = Figure::new("offload-modelled", heading, all, costs, shows);
    let heading = "Modelled: what was priced as what";
    let shows = prices_shown(all, profiles);
    let mut prices = Figure::new("offload-modelled-prices", heading, all, prices, shows);
    prices.legend.clear();
    html! {
        (costs.markup(bars.map(Chart::Bars)))
        (prices.markup(None))
    }
}

/// Hollow, unlike what is measured. None where no run has a ratio under any profile.
fn bars(all: &[NamedRun], profiles: &[Profile]) -> Option<BarChart> {
    let bars = |profile: &Profile| {
        let heading = format!(
            "{} ({})",
            shortened(&profile.name),
            shortened(&profile.unit)
        );
        let group = group(all, heading, |named| {
            let cost = of_run(&named.run, profile);
            let shown = match cost.ratio {
                Some(ratio) if ratio < 1.0 => format!("{}: more", human::ratio(ratio)),
                Some(ratio) => human::ratio(ratio),
                None => lack(&cost).in_short.into(),
            };
            (cost.ratio.unwrap_or(f64::NAN), shown)
        });
        group.outlined()
    };
    let label = "MODELLED: direct / with channels, times (log scale)";
    BarChart::of(
        label,
        From::One,
        human::figure,
        profiles.iter().map(bars).collect(),
    )
}

fn shows(all: &[NamedRun], profiles: &[Profile], drawn: bool) -> Vec<String> {
    let mut sentences = vec![
        "Modelled, not measured: the counts are the run file's, the prices a Layer 1's, in its own unit. Below \
         1\u{a0}x, channels would have cost more."
            .to_owned(),
    ];
    sentences.extend(words::each(all, |named| {
        let costs: Vec<RunCost> = profiles
            .iter()
            .map(|profile| of_run(&named.run, profile))
            .collect();
        if costs.iter().any(|cost| cost.ratio.is_some()) {
            let said: Vec<String> = costs.iter().map(ratio_said).collect();
            return Some(format!("direct over with channels: {}", said.join(", ")));
        }
        let mut reasons: Vec<String> = costs.iter().map(|cost| lack(cost).in_full).collect();
        reasons.dedup();
        Some(format!("nothing can be priced: {}", reasons.join("; ")))
    }));
    if drawn {
        sentences.push(
            "The table has units, blocks, and the payments a session from which on channels cost no more."
                .into(),
        );
    }
    sentences
}

fn ratio_said(cost: &RunCost) -> String {
    let name = clean(&cost.profile);
    match cost.ratio {
        Some(ratio) => format!("{name} {} ({})", human::ratio(ratio), clean(&cost.unit)),
        None => format!("{name} none ({})", lack(cost).in_short),
    }
}

fn prices_shown(all: &[NamedRun], profiles: &[Profile]) -> Vec<String> {
    let mut sentences = vec![
        "Each payment is priced as a transfer of its own, and each open alone; where payments are one-way, \
         an open has one deposit, otherwise two."
            .to_owned(),
    ];
    // The same under every profile.
    if let Some(profile) = profiles.first() {
        sentences.extend(words::each(all, |named| {
            let cost = of_run(&named.run, profile);
            (cost.dispute_transactions_counted > 0).then(|| {
                format!(
                    "disputes took {} transactions, of which {} are priced: a post, its answers and a payout",
                    human::grouped(cost.dispute_transactions_counted),
                    human::grouped(cost.dispute_transactions_priced),
                )
            })
        }));
    }
    let mut lacking: Vec<String> = Vec::new();
    for profile in profiles {
        for lack in all
            .iter()
            .flat_map(|named| of_run(&named.run, profile).not_priced)
        {
            if !lacking.contains(&lack) {
                lacking.push(lack);
            }
        }
    }
    if !lacking.is_empty() {
        sentences.push(format!(
            "Not priced, and so without a sum: {}.",
            clean(&lacking.join("; "))
        ));
    }
    sentences
}

/// Why there is no ratio.
struct Lack {
    in_short: &'static str,
    in_full: String,
}

fn lack(cost: &RunCost) -> Lack {
    let (in_short, in_full) = if !cost.not_priced.is_empty() {
        ("no price", clean(&cost.not_priced.join("; ")))
    } else if cost.direct.count == 0 {
        ("no payments", "no payment was made".into())
    } else {
        ("no channels", "no channel was opened or closed".into())
    };
    Lack { in_short, in_full }
}

fn shortened(text: &str) -> String {
    clip(&clean(text), NAME)
}
