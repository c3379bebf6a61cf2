//! A figure: what it shows in words, its legend, its chart, and its data as a table and as files.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{
    chart::{self, Alt, Bar, Chart, Group, swatch},
    letter, lettered, words,
};
use crate::{
    dataset::{Dataset, Kind, is_of_run},
    runs::NamedRun,
};

/// A figure of some runs.
pub(super) struct Figure<'a> {
    /// Unique in the page.
    pub(super) id: String,
    pub(super) heading: String,
    /// What it shows, in full sentences: below the heading, and for those who do not see it.
    pub(super) shows: Vec<String>,
    pub(super) runs: &'a [NamedRun],
    /// Its lines' names by their marks; none where bars have letters, or there is but one thing.
    pub(super) legend: Vec<(usize, String)>,
    /// Whether it has rates, which no table shows without their assurance.
    pub(super) assured: bool,
    pub(super) data: Dataset,
}

impl<'a> Figure<'a> {
    /// With a legend that has a line for each of several runs.
    pub(super) fn new(
        id: impl Into<String>,
        heading: impl Into<String>,
        runs: &'a [NamedRun],
        data: Dataset,
        shows: Vec<String>,
    ) -> Self {
        let legend = match runs.len() {
            1 => Vec::new(),
            count => (0..count)
                .map(|index| (index, lettered(runs, index)))
                .collect(),
        };
        let (id, heading, assured) = (id.into(), heading.into(), false);
        Self {
            id,
            heading,
            shows,
            runs,
            legend,
            assured,
            data,
        }
    }

    /// With rates, which stand nowhere without their assurance.
    pub(super) fn assured(self) -> Self {
        let assured = true;
        Self { assured, ..self }
    }

    /// The figure, without a chart where there is nothing to draw.
    pub(super) fn markup(&self, chart: Option<Chart>) -> Markup {
        let heading = format!("{}-caption", self.id);
        let chart_id = format!("{}-chart", self.id);
        let description = self.shows.join(" ");
        let alt = Alt {
            id: &chart_id,
            title: &self.heading,
            description: &description,
        };
        let chart = chart.map(|chart| chart.draw(&alt));
        html! {
            figure id=(self.id) aria-labelledby=(heading) {
                figcaption {
                    h3 id=(heading) { (self.heading) }
                    @for sentence in &self.shows { p { (sentence) } }
                    @if self.assured {
                        p.assurance { (words::assurance_of_all(self.runs)) }
                    }
                }
                @if let Some(chart) = &chart {
                    (legend(&self.legend))
                    (chart)
                }
                (self.downloads(chart.as_ref()))
                @if !self.data.rows.is_empty() { (self.details()) }
            }
        }
    }

    /// The data and the chart as files. `data:` addresses need neither network nor script.
    fn downloads(&self, chart: Option<&Markup>) -> Markup {
        let file = |extension| format!("{}.{extension}", self.id);
        let address = |kind, text: &str| format!("data:{kind};base64,{}", STANDARD.encode(text));
        let chart =
            chart.map(|drawn| ("SVG", "svg", address("image/svg+xml", &chart::file(drawn))));
        let files = [
            (
                "CSV",
                "csv",
                address("text/csv;charset=utf-8", &self.data.to_csv()),
            ),
            ("JSON", "json", address("application/json", &self.to_json())),
        ];
        html! {
            p.downloads {
                "Data: "
                @for (name, extension, address) in files.into_iter().chain(chart) {
                    a download=(file(extension)) href=(address) {
                        (name) span.unseen { " of " (self.heading) }
                    }
                    " "
                }
            }
        }
    }

    /// What is said once for a run is not in its rows.
    fn to_json(&self) -> String {
        let runs = self.runs.iter().map(|named| {
            let assurance = &named.run.assurance;
            json!({ "run": named.name, "assurance": assurance })
        });
        let mut rows = self.data.to_value();
        for row in rows.as_array_mut().into_iter().flatten() {
            if let Some(members) = row.as_object_mut() {
                members.retain(|name, _| name == "run" || !is_of_run(name));
            }
        }
        let value = json!({
            "figure": self.heading,
            "runs": runs.collect::<Vec<Value>>(),
            "rows": rows,
        });
        value.to_string() + "\n"
    }

    fn details(&self) -> Markup {
        html! {
            details {
                summary { "Table: " (self.heading) }
                (table(&self.data, self.runs, &self.heading, self.assured))
            }
        }
    }
}

/// A table of all rows. What stands in its caption, or nowhere, has no column.
pub(super) fn table(data: &Dataset, runs: &[NamedRun], caption: &str, assured: bool) -> Markup {
    let said = |name: &str| match name {
        "run" => runs.len() == 1,
        name => assured && is_of_run(name),
    };
    let data = data.clone().without(said).in_use();
    let classes = data.columns.iter();
    let classes: Vec<Option<&str>> = classes
        .map(|column| (column.kind == Kind::Text).then_some("t"))
        .collect();
    html! {
        div.scroll tabindex="0" role="region" aria-label=(format!("Table: {caption}")) {
            table {
                caption {
                    (caption)
                    @if assured { ". " (words::assurance_of_all(runs)) }
                }
                thead { tr {
                    @for (column, class) in data.columns.iter().zip(&classes) {
                        th scope="col" class=[class] { (column.heading) }
                    }
                } }
                tbody {
                    @for row in &data.rows { tr {
                        @for (nth, (cell, column)) in row.iter().zip(&data.columns).enumerate() {
                            @let shown = cell.shown(column.kind);
                            @if nth == 0 {
                                th scope="row" class=[classes[nth]] { (shown) }
                            } @else {
                                td class=[classes[nth]] { (shown) }
                            }
                        }
                    } }
                }
            }
        }
    }
}

/// Bars of one quantity: how long a run's is, and what stands beside it.
pub(super) fn group(
    all: &[NamedRun],
    heading: impl Into<String>,
    of: impl Fn(&NamedRun) -> (f64, String),
) -> Group {
    let bar = |(mark, named): (usize, &NamedRun)| {
        let (value, shown) = of(named);
        let letter = letter(all, mark);
        let (interval, outline) = (None, false);
        Bar {
            mark,
            letter,
            value,
            interval,
            shown,
            outline,
        }
    };
    let (heading, strong) = (heading.into(), false);
    let bars = all.iter().enumerate().map(bar).collect();
    Group {
        heading,
        strong,
        bars,
    }
}

/// The names of the lines beside a piece of each.
fn legend(entries: &[(usize, String)]) -> Markup {
    html! {
        @if !entries.is_empty() {
            ul.legend {
                @for (mark, name) in entries { li { (swatch(*mark)) (name) } }
            }
        }
    }
}
