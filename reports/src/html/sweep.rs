//! A sweep's page: what was handled of each offered rate, and how long payments took at it, a curve
//! for each setting that was tried at several rates. Repeats are one point, with their spread.

use duet_terminal::columns;
use maud::{Markup, html};

use super::{
    Section,
    chart::{Axis, Chart, Line, LineChart, MARKS, Scale, class, swatch},
    figure::Figure,
    headline::cite,
    lettered, words,
};
use crate::{
    dataset::Dataset,
    human,
    layout::quoted,
    measured::all_cpu_per_payment_ns,
    run_file::{Percentiles, RunFile},
    runs::NamedRun,
    sweep::{Line as Made, Sweep},
};

/// Runs of one setting, but for the rate that is offered.
struct Curve<'s> {
    /// The options that make it, without the rate.
    options: Vec<String>,
    /// Rising.
    rates: Vec<Rate<'s>>,
    /// Runs as fast as they went.
    closed: Vec<&'s RunFile>,
}

/// Repeats at one offered rate.
struct Rate<'s> {
    offered_per_s: f64,
    runs: Vec<&'s RunFile>,
}

/// One of a run's percentiles, in nanoseconds.
type Percentile = fn(&Percentiles) -> u64;

/// The percentiles that are drawn, and what they are called.
const PERCENTILES: [(&str, Percentile); 4] = [
    ("p50", |of| of.p50),
    ("p90", |of| of.p90),
    ("p99", |of| of.p99),
    ("max", |of| of.max),
];

/// The sections of the page.
///
/// # Errors
/// No setting was run at two rates.
pub(super) fn sections(sweep: &Sweep) -> Result<Vec<Section>, String> {
    let mut curves = curves(sweep);
    // What has most rates tells most; of as many, what came first.
    curves.sort_by_key(|curve| std::cmp::Reverse(curve.rates.len()));
    let more = curves.len().saturating_sub(MARKS);
    curves.truncate(MARKS);
    if curves.is_empty() {
        return Err(
            "no setting was run at two offered rates or more; expected a sweep with --rate".into(),
        );
    }
    let named = named(&curves);
    let section = |id, heading, content| Section {
        id,
        heading,
        content,
    };
    Ok(vec![
        section(
            "headline",
            "What was held",
            headline(sweep, &curves, &named, more),
        ),
        section("handled", "Offered and handled", handled(&curves, &named)),
        section("latency", "Response time", latencies(&curves, &named)),
    ])
}

/// Those of two rates or more. Runs that failed their own checks, but for not holding their rate,
/// are in none.
fn curves(sweep: &Sweep) -> Vec<Curve<'_>> {
    let mut curves: Vec<Curve<'_>> = Vec::new();
    for line in &sweep.lines {
        if line.run.achieved.broken().next().is_some() {
            continue;
        }
        let options = without_rate(line);
        let found = curves.iter().position(|curve| curve.options == options);
        let found = found.unwrap_or_else(|| {
            let (rates, closed) = (Vec::new(), Vec::new());
            curves.push(Curve {
                options,
                rates,
                closed,
            });
            curves.len() - 1
        });
        curves[found].add(&line.run);
    }
    for curve in &mut curves {
        curve
            .rates
            .sort_by(|a, b| a.offered_per_s.total_cmp(&b.offered_per_s));
    }
    curves.retain(|curve| curve.rates.len() > 1);
    curves
}

/// A cell's options but for the rate.
fn without_rate(line: &Made) -> Vec<String> {
    let mut words = line.cell.iter();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--rate" => drop(words.next()),
            _ => kept.push(word.clone()),
        }
    }
    kept
}

impl<'s> Curve<'s> {
    fn add(&mut self, run: &'s RunFile) {
        let Some(offered_per_s) = run.workload.offered_per_s else {
            self.closed.push(run);
            return;
        };
        let mut rates = self.rates.iter_mut();
        match rates.find(|rate| rate.offered_per_s == offered_per_s) {
            Some(rate) => rate.runs.push(run),
            None => self.rates.push(Rate {
                offered_per_s,
                runs: vec![run],
            }),
        }
    }

    /// The largest rate that was held, and by how many of its runs: up to it, a plan may use the
    /// curve. None if the least was not.
    fn knee(&self) -> Option<&Rate<'s>> {
        self.rates.iter().take_while(|rate| rate.is_held()).last()
    }

    /// The least rate beyond that.
    fn beyond(&self) -> Option<&Rate<'s>> {
        self.rates.iter().find(|rate| !rate.is_held())
    }
}

impl Rate<'_> {
    fn held(&self) -> usize {
        let held = self.runs.iter().filter(|run| run.achieved.held());
        held.count()
    }

    /// As a plan takes it: in half of its repeats.
    fn is_held(&self) -> bool {
        self.held() > 0 && self.held() * 2 >= self.runs.len()
    }

    /// Median, least and most of a figure over the repeats that have it.
    fn of(&self, figure: impl Fn(&RunFile) -> Option<f64>) -> Option<(f64, f64, f64)> {
        spread(self.runs.iter().filter_map(|run| figure(run)))
    }
}

fn spread(figures: impl Iterator<Item = f64>) -> Option<(f64, f64, f64)> {
    let mut figures: Vec<f64> = figures.filter(|figure| figure.is_finite()).collect();
    figures.sort_by(f64::total_cmp);
    let median = *figures.get(figures.len() / 2)?;
    Some((median, figures[0], figures[figures.len() - 1]))
}

fn response(run: &RunFile) -> Option<&Percentiles> {
    run.latency_ns.response.as_ref()
}

fn handled_per_s(run: &RunFile) -> Option<f64> {
    Some(run.achieved.open_loop.as_ref()?.achieved_per_s)
}

/// A run of each curve, called by the options that it has for itself.
fn named(curves: &[Curve<'_>]) -> Vec<NamedRun> {
    let pairs = |curve: &Curve<'_>| {
        let pairs = curve.options.chunks(2);
        pairs.map(<[String]>::to_vec).collect::<Vec<_>>()
    };
    let all: Vec<_> = curves.iter().map(pairs).collect();
    let is_common = |pair: &Vec<String>| all.iter().all(|pairs| pairs.contains(pair));
    let name = |(curve, pairs): (&Curve<'_>, &Vec<Vec<String>>)| {
        let own = pairs.iter().filter(|pair| !is_common(pair));
        NamedRun {
            name: words_of(own),
            ..NamedRun::unnamed(curve.rates[0].runs[0])
        }
    };
    curves.iter().zip(&all).map(name).collect()
}

/// `shards 2, concurrent 10k`.
fn words_of<'p>(pairs: impl Iterator<Item = &'p Vec<String>>) -> String {
    let words = pairs.map(|pair| pair.join(" ").trim_start_matches('-').to_owned());
    words.collect::<Vec<_>>().join(", ")
}

fn headline(sweep: &Sweep, curves: &[Curve<'_>], named: &[NamedRun], more: usize) -> Markup {
    let broken = sweep.lines.iter().map(|line| line.run.achieved.broken());
    let broken = broken.filter_map(|mut reasons| reasons.next()).count();
    let first = &named[0].run;
    let options = &curves[0].options;
    let common = options.chunks(2).filter(|pair| {
        let has = |curve: &Curve<'_>| curve.options.chunks(2).any(|other| other == *pair);
        curves.iter().all(has)
    });
    let common: Vec<String> = common.flatten().map(|word| quoted(word)).collect();
    html! {
        @if more > 0 {
            p.notice {
                (human::counted(more as u64, "more setting")) " of several rates: not drawn."
            }
        }
        @if broken > 0 {
            p.notice { (human::counted(broken as u64, "run")) " INVALID: in no figure." }
        }
        @if !common.is_empty() { p { "All curves: " code { (common.join(" ")) } } }
        div.cards {
            @for (index, curve) in curves.iter().enumerate() { (card(curve, named, index)) }
        }
        p.assurance { "Cite the first run as: " (cite(first)) }
    }
}

fn card(curve: &Curve<'_>, named: &[NamedRun], index: usize) -> Markup {
    let heading = format!("headline-{index}");
    let p99 = |run: &RunFile| Some(response(run)?.p99 as f64);
    let cpu = |run: &RunFile| Some(all_cpu_per_payment_ns(run));
    let facts: Vec<(&str, String)> = match curve.knee() {
        None => Vec::new(),
        Some(rate) => [
            (
                "p99 there",
                rate.of(p99),
                human::nanoseconds as fn(f64) -> String,
            ),
            ("CPU a payment there", rate.of(cpu), human::nanoseconds),
        ]
        .into_iter()
        .filter_map(|(name, figure, show)| Some((name, spread_shown(figure?, show))))
        .collect(),
    };
    let closed = spread(curve.closed.iter().map(|run| run.achieved.payments_per_s));
    html! {
        article class={ "card " (class(index)) } aria-labelledby=(heading) {
            h3 id=(heading) {
                @if named.len() > 1 { (swatch(index)) (lettered(named, index)) }
                @else { "The curve" }
            }
            p.rate {
                @match curve.knee() {
                    Some(rate) => {
                        strong { (human::figure(rate.offered_per_s)) } " payments/s held"
                    },
                    None => { strong { "no rate" } " was held" },
                }
            }
            p.assurance { (words::assurance(&named[index])) }
            dl {
                @for (name, shown) in facts { div { dt { (name) } dd { (shown) } } }
                @if let Some(rate) = curve.beyond() {
                    div { dt { "not held" } dd {
                        (human::figure(rate.offered_per_s)) " payments/s, by "
                        (rate.runs.len() - rate.held()) " of "
                        (human::counted(rate.runs.len() as u64, "run"))
                    } }
                }
                @if let Some(closed) = closed {
                    div { dt { "closed loop" } dd {
                        (spread_shown(closed, human::figure)) " payments/s"
                    } }
                }
            }
        }
    }
}

/// `4.02 ms (3.9 to 36 ms)`; without a spread where there is none.
fn spread_shown((median, least, most): (f64, f64, f64), show: fn(f64) -> String) -> String {
    match least == most {
        true => show(median),
        false => format!("{} ({} to {})", show(median), show(least), show(most)),
    }
}

/// One chart of all curves.
fn handled(curves: &[Curve<'_>], named: &[NamedRun]) -> Markup {
    let line = |(mark, curve): (usize, &Curve<'_>)| line(mark, curve, handled_per_s);
    let lines: Vec<Line> = curves.iter().enumerate().map(line).collect();
    let rule = match curves {
        [one] => one
            .knee()
            .map(|rate| (rate.offered_per_s, "held up to here")),
        _ => None,
    };
    let chart = LineChart {
        x: offered(curves),
        y: Axis::new(
            "handled, payments/s",
            Scale::from_zero(values(&lines), 5),
            5,
            human::figure,
        ),
        lines,
        rule,
        losses_below: None,
    };
    let mut said = curves
        .iter()
        .map(|curve| match (curve.knee(), curve.beyond()) {
            (Some(held), Some(beyond)) => format!(
                "held up to {}/s, and not at {}/s",
                human::figure(held.offered_per_s),
                human::figure(beyond.offered_per_s)
            ),
            (Some(held), None) => format!(
                "held at all rates, up to {}/s",
                human::figure(held.offered_per_s)
            ),
            (None, _) => "held at no rate".to_owned(),
        });
    let mut shows = words::each(named, |_| said.next());
    shows.push(
        "Medians of the repeats, from the least to the most. A rate is held where half of its \
         repeats hold it; a plan uses a curve up to the largest such rate."
            .to_owned(),
    );
    let data = rows(curves, named);
    let figure = Figure::new(
        "handled-rate",
        "Handled over offered rate",
        named,
        data,
        shows,
    );
    figure.assured().markup(Some(Chart::Lines(chart)))
}

/// A chart for each curve.
fn latencies(curves: &[Curve<'_>], named: &[NamedRun]) -> Markup {
    html! {
        p { "From when a payment was due until the payer holds a co-signed state that covers it." }
        @for (index, curve) in curves.iter().enumerate() { (latency(curve, named, index)) }
    }
}

fn latency(curve: &Curve<'_>, named: &[NamedRun], index: usize) -> Markup {
    let percentile = |of: Percentile| move |run: &RunFile| Some(of(response(run)?) as f64);
    let lines = PERCENTILES.iter().enumerate();
    let lines: Vec<Line> = lines
        .map(|(mark, (_, of))| line(mark, curve, percentile(*of)))
        .collect();
    let chart = LineChart {
        x: offered(std::slice::from_ref(curve)),
        y: Axis::new(
            "response time, log scale",
            Scale::log_around(values(&lines), None),
            7,
            human::nanoseconds,
        ),
        lines,
        rule: (curve.knee()).map(|rate| (rate.offered_per_s, "held up to here")),
        losses_below: None,
    };
    let heading = match lettered(named, index) {
        name if name.is_empty() => "Response time over offered rate".to_owned(),
        name => format!("Response time over offered rate, {name}"),
    };
    let shows = curve.knee().map(|rate| {
        let at = |of| {
            rate.of(percentile(of))
                .map(|spread| spread_shown(spread, human::nanoseconds))
        };
        let at = PERCENTILES
            .iter()
            .filter_map(|(name, of)| Some(format!("{name} {}", at(*of)?)));
        let at: Vec<String> = at.collect();
        format!(
            "At {}/s: {}.",
            human::figure(rate.offered_per_s),
            at.join(", ")
        )
    });
    let one = std::slice::from_ref(&named[index]);
    let data = rows(std::slice::from_ref(curve), one);
    let id = format!("latency-{index}");
    let mut figure = Figure::new(id, heading, one, data, shows.into_iter().collect());
    let names = PERCENTILES.iter().map(|(name, _)| (*name).to_owned());
    figure.legend = names.enumerate().collect();
    figure.assured().markup(Some(Chart::Lines(chart)))
}

/// Medians over the offered rate, with their spread.
fn line(mark: usize, curve: &Curve<'_>, of: impl Fn(&RunFile) -> Option<f64>) -> Line {
    let rates = curve.rates.iter();
    let found = rates.filter_map(|rate| Some((rate.offered_per_s, rate.of(&of)?)));
    let found: Vec<_> = found.collect();
    Line {
        spread: found
            .iter()
            .map(|(x, (_, least, most))| (*x, *least, *most))
            .collect(),
        ..Line::new(
            mark,
            found
                .iter()
                .map(|(x, (median, ..))| (*x, *median))
                .collect(),
        )
    }
}

/// All that the lines show.
fn values(lines: &[Line]) -> impl Iterator<Item = f64> {
    let spread = |line: &Line| {
        line.spread
            .iter()
            .flat_map(|(_, least, most)| [*least, *most])
            .collect::<Vec<_>>()
    };
    lines.iter().flat_map(spread)
}

fn offered(curves: &[Curve<'_>]) -> Axis {
    let rates = curves.iter().flat_map(|curve| &curve.rates);
    let scale = Scale::from_zero(rates.map(|rate| rate.offered_per_s), 6);
    Axis::new("offered, payments/s", scale, 6, human::figure)
}

/// A row for each run of each curve.
fn rows(curves: &[Curve<'_>], named: &[NamedRun]) -> Dataset {
    let runs = curves.iter().zip(named).flat_map(|(curve, named)| {
        let repeats = curve
            .rates
            .iter()
            .flat_map(|rate| rate.runs.iter().enumerate());
        repeats.map(move |(repeat, run)| (named, repeat, *run))
    });
    Dataset::of(
        runs,
        columns! { |(named, repeat, run)|
            "run", "Curve", Text: &named.name;
            "cosign_every", "Co-signed every", Figure: run.assurance.cosign_every;
            "in_flight", "In flight", Figure: run.assurance.in_flight;
            "durability", "Durability", Text: &run.assurance.durability;
            "both_endpoints_checked", "Both ends checked", Text:
                run.assurance.both_endpoints_checked;
            "offered_per_s", "Offered/s", Figure: run.workload.offered_per_s;
            "repeat", "Repeat", Figure: *repeat as u64 + 1;
            "handled_per_s", "Handled/s", Figure: handled_per_s(run);
            "held", "Held", Text: run.achieved.held();
            "response_p50_ns", "p50", Nanoseconds: response(run).map(|of| of.p50);
            "response_p90_ns", "p90", Nanoseconds: response(run).map(|of| of.p90);
            "response_p99_ns", "p99", Nanoseconds: response(run).map(|of| of.p99);
            "response_max_ns", "max", Nanoseconds: response(run).map(|of| of.max);
            "cpu_ns_per_payment", "CPU per payment", Nanoseconds: all_cpu_per_payment_ns(run);
        },
    )
}
