//! An offload curve's page: the ratio between Layer 1's load without channels and with them, over
//! the length of sessions. Run cells are dots, modelled ones rings; nothing is worked out here.

use duet_run_file::curve::{Curve, CurveCell, CurveFigure, CurveLine};
use duet_terminal::columns;
use maud::{Markup, html};

use super::{
    Section,
    chart::{Axis, Chart, Line, LineChart, MARKS, Scale},
    figure::Figure,
    origin::utc,
    words,
};
use crate::{
    dataset::Dataset,
    human,
    layout::{clean, quoted},
    runs::NamedRun,
};

/// Resources in the order of charts, and what they are called; the profile's own unit has its
/// name.
const RESOURCES: [(&str, &str); 8] = [
    ("transactions", "transactions"),
    ("bytes", "bytes"),
    (UNITS, ""),
    ("signature_verifications", "signatures verified"),
    ("state_reads", "state reads"),
    ("state_writes", "state writes"),
    ("peak_state_entries", "peak entries, all"),
    ("cpu_s", "CPU"),
];
const UNITS: &str = "units";
/// Whom the figures are of.
const WHOM: &str = "Two parties only: a session pays one peer.";

/// A line of a chart: what it is called, and whose resource it shows.
struct Drawn<'c> {
    name: String,
    line: &'c CurveLine,
    resource: &'static str,
}

/// The sections of the page; `digest` is that of the file.
///
/// # Errors
/// It has no runs, or nothing to draw.
pub(super) fn sections(curve: &Curve, digest: &str) -> Result<Vec<Section>, String> {
    let of_cell = curve.runs.iter().find(|run| run.line.is_some());
    let Some(first) = of_cell else {
        return Err(
            "it has no runs; expected a curve, as `loadgen offload --out` writes it".into(),
        );
    };
    let named = [NamedRun::unnamed(&first.run)];
    let section = |id, heading, content| Section {
        id,
        heading,
        content,
    };
    let mut sections = vec![
        section("headline", "Offload", headline(curve, &named, digest)),
        section("resources", "By resource", by_resource(curve, &named)),
    ];
    if profiles(curve).len() > 1 {
        let content = by_chain(curve, &named);
        sections.push(section("chains", "By chain", content));
    }
    if profiles(curve).iter().any(|lines| lines.len() > 1) {
        let content = by_ending(curve, &named);
        sections.push(section("endings", "Disputes and batches", content));
    }
    Ok(sections)
}

/// The lines of each profile.
fn profiles(curve: &Curve) -> Vec<&[CurveLine]> {
    let of_one = |a: &CurveLine, b: &CurveLine| a.profile == b.profile;
    curve.lines.chunk_by(of_one).collect()
}

fn headline(curve: &Curve, named: &[NamedRun], digest: &str) -> Markup {
    let problems = curve.lines.iter().flat_map(|line| {
        let cells = line.cells.iter();
        cells.flat_map(move |cell| cell.problems.iter().map(move |text| (line, cell, text)))
    });
    let problems: Vec<_> = problems.collect();
    html! {
        p { strong { (WHOM) }
            " Layer 1's load without channels over with them, per payment. Below 1\u{a0}x a \
             channel is more load, not less." }
        p { "Dots were run, " (human::counted(u64::from(curve.repeats), "run")) " each; rings are \
             modelled: what each transaction takes, times how many there are. Runs were held to \
             that model: counts equal, CPU time within " (human::share(curve.cpu_within)) "." }
        @if problems.is_empty() {
            p { strong { "AGREES" } ": all runs are VALID, and as the model says." }
        } @else {
            p.notice { strong { "DOES NOT AGREE" } ": what is said below is in no line, or off." }
            ul { @for (line, cell, text) in problems {
                li { (titled(line)) ", " (human::counted(cell.payments, "payment")) ": " (text) }
            } }
        }
        p.assurance { (words::assurance_of_all(named)) }
        p.assurance { "Cite as: " (cite(curve, named, digest)) }
    }
}

/// `duet: no disputes, opened alone`.
fn titled(line: &CurveLine) -> String {
    format!("{}: {}", clean(&line.profile), ending(line))
}

fn ending(line: &CurveLine) -> String {
    let disputes = match line.disputes {
        0.0 => "no disputes".to_owned(),
        share => format!("{} disputed", human::share(share)),
    };
    let opened = match line.open_batch {
        1 => "opened alone".to_owned(),
        batch => format!("opened {} at a time", human::count(batch)),
    };
    format!("{disputes}, {opened}")
}

/// A sentence with all that a reader needs to look the figure up.
fn cite(curve: &Curve, named: &[NamedRun], digest: &str) -> String {
    let command: Vec<String> = curve.command.iter().map(|word| quoted(word)).collect();
    let figures: Vec<String> = profiles(curve)
        .iter()
        .filter_map(|lines| cited(lines.first()?))
        .collect();
    let commit = match curve.commit.as_str() {
        "" => "unknown",
        commit => commit,
    };
    format!(
        "Duet offload, two parties only, {}: {}. Commit {commit}, {}, on {}: {} (SHA-256 of the \
         curve's file {digest})",
        figures.join("; "),
        named.first().map(words::assurance).unwrap_or_default(),
        utc(curve.started_unix_s),
        curve.machine.cpu_name(),
        command.join(" "),
    )
}

/// The longest sessions that were run, and where transactions and the chain's unit break even.
fn cited(line: &CurveLine) -> Option<String> {
    let run = line.cells.iter().filter(|cell| !cell.modelled);
    let run = run.filter(|cell| cell.figures.contains_key("transactions"));
    let longest = run.max_by_key(|cell| cell.payments)?;
    let of = |resource, name: &str| {
        let figure = longest.figures.get(resource)?;
        let even = line.break_even_payments.get(resource).copied().flatten();
        let even = even.map_or("never even".to_owned(), |at| {
            format!("even at {}", human::count(at))
        });
        Some(format!("{} {name} ({even})", human::ratio(figure.ratio)))
    };
    let figures = [
        of("transactions", "in transactions"),
        of(UNITS, &format!("in {}", clean(&line.unit))),
    ];
    let figures: Vec<String> = figures.into_iter().flatten().collect();
    Some(format!(
        "on Layer 1 {} at {} a session {}",
        titled(line),
        human::counted(longest.payments, "payment"),
        figures.join(" and "),
    ))
}

/// A chart for each profile: its first line, by resource.
fn by_resource(curve: &Curve, named: &[NamedRun]) -> Markup {
    let figures = profiles(curve).into_iter().enumerate();
    let figures = figures.filter_map(|(nth, lines)| {
        let line = lines.first()?;
        let drawn = RESOURCES.iter().map(|(resource, name)| Drawn {
            name: match *resource {
                UNITS => clean(&line.unit),
                _ => (*name).to_owned(),
            },
            line,
            resource,
        });
        let heading = format!("Offload over session length, {}", titled(line));
        Some(figure(
            format!("resources-{nth}"),
            heading,
            named,
            drawn.collect(),
        ))
    });
    html! { @for figure in figures { (figure) } }
}

/// One chart of all profiles, each in its own unit.
fn by_chain(curve: &Curve, named: &[NamedRun]) -> Markup {
    let drawn = profiles(curve).into_iter().filter_map(|lines| {
        let line = lines.first()?;
        Some(Drawn {
            name: format!("{} ({})", clean(&line.profile), clean(&line.unit)),
            line,
            resource: UNITS,
        })
    });
    let heading = "Offload over session length, each chain in its own unit".to_owned();
    figure("chains".to_owned(), heading, named, drawn.collect())
}

/// A chart for each profile: all of its lines, in its unit.
fn by_ending(curve: &Curve, named: &[NamedRun]) -> Markup {
    let figures = profiles(curve).into_iter().enumerate();
    let figures = figures.filter_map(|(nth, lines)| {
        let first = lines.first().filter(|_| lines.len() > 1)?;
        let drawn = lines.iter().map(|line| Drawn {
            name: ending(line),
            line,
            resource: UNITS,
        });
        let (profile, unit) = (clean(&first.profile), clean(&first.unit));
        let heading = format!("Offload over session length, {profile}, in {unit}");
        Some(figure(
            format!("endings-{nth}"),
            heading,
            named,
            drawn.collect(),
        ))
    });
    html! { @for figure in figures { (figure) } }
}

fn figure(id: String, heading: String, named: &[NamedRun], mut drawn: Vec<Drawn<'_>>) -> Markup {
    drawn.retain(|of| of.line.cells.iter().any(|cell| of.of(cell).is_some()));
    let data = rows(&drawn);
    let more = drawn.len().saturating_sub(MARKS);
    drawn.truncate(MARKS);
    let lines: Vec<Line> = drawn.iter().enumerate().map(line).collect();
    let mut shows = vec![WHOM.to_owned()];
    shows.extend(drawn.iter().filter_map(Drawn::said));
    if more > 0 {
        shows.push(format!("{more} more are in the table alone."));
    }
    let values = |of: fn(&(f64, f64)) -> f64| lines.iter().flat_map(|line| &line.points).map(of);
    let chart = LineChart {
        x: Axis::new(
            "payments a session, log scale",
            Scale::decades(values(|point| point.0), None, 6),
            6,
            |value| human::count(value as u64),
        ),
        y: Axis::new(
            "direct / with channels, times (log scale)",
            Scale::decades(values(|point| point.1), Some(1.0), 6),
            6,
            human::figure,
        ),
        rule: None,
        losses_below: Some((1.0, "more load than without channels")),
        lines,
    };
    let mut figure = Figure::new(id, heading, named, data, shows);
    figure.legend = drawn.iter().map(Drawn::legend).enumerate().collect();
    figure.markup(Some(Chart::Lines(chart)))
}

impl Drawn<'_> {
    fn of<'l>(&self, cell: &'l CurveCell) -> Option<&'l CurveFigure> {
        cell.figures.get(self.resource)
    }

    fn even(&self) -> Option<u64> {
        let even = self.line.break_even_payments.get(self.resource);
        even.copied().flatten()
    }

    fn legend(&self) -> String {
        match self.even() {
            Some(payments) => format!("{}: even at {}", self.name, human::count(payments)),
            None => format!("{}: never even", self.name),
        }
    }

    /// From the shortest session to the longest.
    fn said(&self) -> Option<String> {
        let known = self.line.cells.iter();
        let known = known.filter_map(|cell| Some((cell.payments, self.of(cell)?.ratio)));
        let (least, from) = known.clone().min_by_key(|(payments, _)| *payments)?;
        let (most, to) = known.max_by_key(|(payments, _)| *payments)?;
        Some(format!(
            "{}, from {} at {} to {} at {}.",
            self.legend(),
            human::ratio(from),
            human::counted(least, "payment"),
            human::ratio(to),
            human::count(most),
        ))
    }
}

fn line((mark, drawn): (usize, &Drawn<'_>)) -> Line {
    let cells = drawn.line.cells.iter();
    let mut known: Vec<(&CurveCell, &CurveFigure)> = cells
        .filter_map(|cell| Some((cell, drawn.of(cell)?)))
        .collect();
    known.sort_by_key(|(cell, _)| cell.payments);
    let spread = known.iter().filter_map(|(cell, figure)| {
        let least = figure.ratios.iter().copied().reduce(f64::min)?;
        let most = figure.ratios.iter().copied().reduce(f64::max)?;
        Some((cell.payments as f64, least, most))
    });
    let points = known.iter();
    let points = points.map(|(cell, figure)| (cell.payments as f64, figure.ratio));
    Line {
        spread: spread.collect(),
        ringed: known.iter().map(|(cell, _)| cell.modelled).collect(),
        crossing: drawn.even().map(|payments| payments as f64),
        ..Line::new(mark, points.collect())
    }
}

/// A row for each cell of each line.
fn rows(drawn: &[Drawn<'_>]) -> Dataset {
    let rows = drawn.iter().flat_map(|of| {
        let cells = of.line.cells.iter();
        cells.filter_map(move |cell| Some((of, cell, of.of(cell)?)))
    });
    Dataset::of(
        rows,
        columns! { |(of, cell, figure)|
            "profile", "Layer 1", Text: &of.line.profile;
            "disputes", "Disputed", Figure: of.line.disputes;
            "open_batch", "Opened together", Figure: of.line.open_batch;
            "resource", "Resource", Text: of.resource;
            "unit", "Unit", Text: &of.line.unit;
            "payments", "Payments", Figure: cell.payments;
            "modelled", "Modelled", Text: cell.modelled;
            "ratio", "Ratio", Ratio: figure.ratio;
            "ratio_least", "Least", Ratio: figure.ratios.iter().copied().reduce(f64::min);
            "ratio_most", "Most", Ratio: figure.ratios.iter().copied().reduce(f64::max);
            "modelled_ratio", "By the model", Ratio: figure.modelled_ratio;
            "agrees", "Agrees", Text: figure.agrees;
            "direct_per_payment", "Direct, each", Figure: figure.direct;
            "channels_per_payment", "Channels, each", Figure: figure.channels;
            "break_even_payments", "Even at", Figure: of.even();
            "cosign_every", "Co-signed every", Figure: cell.cosign_every;
            "sessions", "Sessions", Figure: cell.sessions;
        },
    )
}
