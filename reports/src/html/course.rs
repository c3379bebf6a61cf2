//! The course of a run: payments, Layer 1 transactions and busy cores per second of it.

use maud::{Markup, html};

use super::{
    chart::{Axis, Chart, Line, LineChart, Scale},
    figure::Figure,
    words,
};
use crate::{
    dataset::{self, Dataset, Rates, with_rates},
    human,
    run_file::Sample,
    runs::NamedRun,
};

/// Beyond so many seconds the axis is in minutes, beyond so many minutes in hours.
const LONGEST_IN_A_UNIT: f64 = 300.0;

pub(super) fn section(all: &[NamedRun]) -> Markup {
    if all.iter().all(|named| named.run.series.is_empty()) {
        return html! { p { "The runs were too short for a sample of their course." } };
    }
    let course = Course::of(all);
    html! {
        p { "One sample a second, in long runs fewer; each step is the rate since the sample before." }
        @for quantity in &QUANTITIES { (course.figure(quantity)) }
    }
}

struct Quantity {
    id: &'static str,
    heading: &'static str,
    axis: &'static str,
    /// The columns of the course that are about it, beside the run and the time.
    columns: [&'static str; 2],
    of: fn(&Sample, &Rates) -> f64,
}

const QUANTITIES: [Quantity; 3] = [
    Quantity {
        id: "course-payments",
        heading: "Payments per second",
        axis: "payments/s",
        columns: ["payments", "payments_per_s"],
        of: |sample, _| sample.payments_per_s,
    },
    Quantity {
        id: "course-l1",
        heading: "Layer 1 transactions per second",
        axis: "L1 transactions/s",
        columns: ["l1_transactions", "l1_transactions_per_s"],
        of: |_, rates| rates.l1_transactions_per_s,
    },
    Quantity {
        id: "course-cores",
        heading: "Cores busy",
        axis: "CPU seconds per second",
        columns: ["cpu_s", "cores_busy"],
        of: |_, rates| rates.cores_busy,
    },
];

struct Course<'a> {
    all: &'a [NamedRun],
    data: Dataset,
    /// What a unit of the time axis is in seconds, and its name.
    unit: (f64, &'static str),
    longest_s: f64,
}

impl<'a> Course<'a> {
    fn of(all: &'a [NamedRun]) -> Self {
        let samples = all.iter().flat_map(|named| &named.run.series);
        let longest_s = samples
            .map(|sample| sample.t_s)
            .filter(|t_s| t_s.is_finite())
            .fold(0.0, f64::max);
        let unit = match longest_s / LONGEST_IN_A_UNIT {
            ..1.0 => (1.0, "seconds"),
            1.0..60.0 => (60.0, "minutes"),
            _ => (3600.0, "hours"),
        };
        Self {
            all,
            data: dataset::course(all),
            unit,
            longest_s,
        }
    }

    fn figure(&self, quantity: &Quantity) -> Markup {
        let line = |(mark, named): (usize, &NamedRun)| {
            let points = steps(&self.points(named, quantity.of));
            Line::new(mark, points)
        };
        let lines: Vec<Line> = self.all.iter().enumerate().map(line).collect();
        let values = lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y);
        let (unit_s, unit) = self.unit;
        let to = (self.longest_s / unit_s).max(1e-9);
        let time = Scale::Linear { from: 0.0, to };
        let since = format!("{unit} since {}", start(self.all));
        let y = Axis::new(quantity.axis, Scale::from_zero(values, 5), 5, human::figure);
        let x = Axis::new(since, time, 8, human::figure);
        let chart = LineChart {
            x,
            y,
            lines,
            rule: None,
            losses_below: None,
        };
        let shows = words::each(self.all, |named| {
            Some(shows(&self.points(named, quantity.of)))
        });
        let of_another = QUANTITIES.iter().flat_map(|other| other.columns);
        let of_another: Vec<&str> = of_another
            .filter(|name| !quantity.columns.contains(name))
            .collect();
        let data = self.data.clone().without(|name| of_another.contains(&name));
        let figure = Figure::new(quantity.id, quantity.heading, self.all, data, shows);
        figure.assured().markup(Some(Chart::Lines(chart)))
    }

    fn points(&self, named: &NamedRun, of: fn(&Sample, &Rates) -> f64) -> Vec<(f64, f64)> {
        with_rates(&named.run.series)
            .map(|(sample, rates)| (sample.t_s / self.unit.0, of(sample, &rates)))
            .collect()
    }
}

/// When the runs' time begins, in words.
fn start(all: &[NamedRun]) -> &'static str {
    let resumed = all.iter().filter(|named| named.run.resumed().is_some());
    match resumed.count() {
        0 => "the first channel was opened",
        count if count == all.len() => "the links were up after the restart",
        _ => "the first channel was opened, or the links were up after a restart",
    }
}

/// A rate holds from the sample before, or the start, to its own.
fn steps(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let before = std::iter::once(0.0).chain(points.iter().map(|(x, _)| *x));
    points
        .iter()
        .zip(before)
        .flat_map(|(&(x, y), before)| [(before, y), (x, y)])
        .collect()
}

fn shows(points: &[(f64, f64)]) -> String {
    let values = || points.iter().map(|(_, y)| *y).filter(|y| y.is_finite());
    if values().next().is_none() {
        return "no samples".into();
    }
    let mut sorted: Vec<f64> = values().collect();
    sorted.sort_by(f64::total_cmp);
    format!(
        "{}, median {}, from {} to {}",
        human::counted(sorted.len() as u64, "sample"),
        human::figure(sorted[sorted.len() / 2]),
        human::figure(sorted[0]),
        human::figure(sorted[sorted.len() - 1])
    )
}
