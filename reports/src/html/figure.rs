//! A figure: what it shows in words, its legend, its chart, and its data as a table and as files.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{
    chart::{Alt, Chart, swatch},
    lettered, words,
};
use crate::{
    dataset::{Dataset, Kind},
    runs::NamedRun,
};

/// Columns that stand in the table's caption, once for all rows of a run.
const IN_CAPTION: [&str; 4] = [
    "cosign_every",
    "in_flight",
    "durability",
    "both_endpoints_checked",
];

/// A figure of some runs.
pub(super) struct Figure<'a> {
    /// Unique in the page.
    pub(super) id: &'static str,
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

impl Figure<'_> {
    /// The figure, without a chart where there is nothing to draw.
    pub(super) fn markup(&self, chart: Option<&Chart>) -> Markup {
        let heading = format!("{}-caption", self.id);
        let chart_id = format!("{}-chart", self.id);
        let description = self.shows.join(" ");
        let alt = Alt {
            id: &chart_id,
            title: &self.heading,
            description: &description,
        };
        html! {
            figure id=(self.id) aria-labelledby=(heading) {
                figcaption {
                    h3 id=(heading) { (self.heading) }
                    @for sentence in &self.shows { p { (sentence) } }
                    @if self.assured {
                        p.assurance { (words::assurance_of_all(self.runs)) }
                    }
                }
                @if let Some(chart) = chart {
                    (legend(&self.legend))
                    (chart.draw(&alt))
                }
                (self.downloads())
                @if !self.data.rows.is_empty() { (self.details()) }
            }
        }
    }

    /// The data as files. `data:` addresses need neither network nor script.
    fn downloads(&self) -> Markup {
        let file = |extension| format!("{}.{extension}", self.id);
        let address = |kind, text: &str| format!("data:{kind};base64,{}", STANDARD.encode(text));
        let csv = address("text/csv;charset=utf-8", &self.data.to_csv());
        let json = address("application/json", &self.to_json());
        html! {
            p.downloads {
                "Data: "
                a download=(file("csv")) href=(csv) { "CSV" span.unseen { " of " (self.heading) } }
                " "
                a download=(file("json")) href=(json) { "JSON" span.unseen { " of " (self.heading) } }
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
                members.retain(|name, _| !IN_CAPTION.contains(&name.as_str()));
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

/// A table of all rows. The columns that every run has but one value in are left out.
pub(super) fn table(data: &Dataset, runs: &[NamedRun], caption: &str, assured: bool) -> Markup {
    let columns: Vec<usize> = data
        .columns_in_use()
        .into_iter()
        .filter(|column| {
            let name = data.columns[*column].name.as_str();
            !(assured && IN_CAPTION.contains(&name) || name == "run" && runs.len() == 1)
        })
        .collect();
    html! {
        div.scroll tabindex="0" role="region" aria-label=(format!("Table: {caption}")) {
            table {
                caption {
                    (caption)
                    @if assured { ". " (words::assurance_of_all(runs)) }
                }
                thead { tr {
                    @for column in &columns {
                        @let column = &data.columns[*column];
                        th scope="col" class=[(column.kind == Kind::Text).then_some("t")] {
                            (column.heading)
                        }
                    }
                } }
                tbody {
                    @for row in &data.rows { tr {
                        @for (nth, column) in columns.iter().enumerate() {
                            @let kind = data.columns[*column].kind;
                            @let shown = row[*column].shown(kind);
                            @if nth == 0 {
                                th scope="row" class=[(kind == Kind::Text).then_some("t")] { (shown) }
                            } @else {
                                td class=[(kind == Kind::Text).then_some("t")] { (shown) }
                            }
                        }
                    } }
                }
            }
        }
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

/// A legend with a line for each run; none for a single one, which needs no name.
pub(super) fn legend_of(all: &[NamedRun]) -> Vec<(usize, String)> {
    let named = |index| (index, lettered(all, index));
    match all.len() {
        1 => Vec::new(),
        count => (0..count).map(named).collect(),
    }
}
