//! A gate's result as Markdown, to be posted as a comment. Pure.

use duet_run_file::terms::Difference;
use duet_terminal::human;

use crate::metric::Metric;
use crate::report::{assurance_text, side_text};

use super::judge::Verdict;
use super::report::{Gated, STAGE_HEADINGS, stage_cells};

/// A hidden first line, by which a workflow can find the comment that it posted before.
pub(super) const MARKER: &str = "<!-- duet regression gate -->";

/// The result as Markdown.
#[must_use]
pub fn markdown(gated: &Gated) -> String {
    let mut lines = vec![
        MARKER.to_owned(),
        format!("### Regression gate: {}", gated.judgement.verdict.word()),
        String::new(),
        escaped(&gated.headline()),
        String::new(),
        format!("Because {}.", gated.judgement.reason()),
        String::new(),
    ];
    if gated.judgement.verdict == Verdict::Inconclusive {
        let undecided = gated.undecided();
        lines.push(format!(
            "**Inconclusive is not a pass**: {}.",
            escaped(&undecided.join("; "))
        ));
        lines.push(String::new());
    }
    lines.push(row(["stage"]
        .into_iter()
        .chain(STAGE_HEADINGS)
        .map(str::to_owned)));
    lines.push(format!("| --- {}|", "| ---: ".repeat(STAGE_HEADINGS.len())));
    for (at, stage) in gated.judgement.stages.iter().enumerate() {
        let cells = stage_cells(stage).into_iter();
        lines.push(row([(at + 1).to_string()].into_iter().chain(cells)));
    }
    lines.push(String::new());
    lines.push("<details><summary>What ran, and what was not gated</summary>".to_owned());
    lines.push(String::new());
    lines.push(row(["", ""].map(str::to_owned).into_iter()));
    lines.push("| --- | --- |".to_owned());
    let said = said(gated);
    lines.extend(
        said.into_iter()
            .map(|(what, text)| row([what, text].into_iter())),
    );
    lines.push(String::new());
    lines.extend(metric_table(gated));
    lines.push(String::new());
    lines.push("Not gated:".to_owned());
    lines.push(String::new());
    let not_gated = gated.not_gated();
    lines.extend(not_gated.iter().map(|what| format!("- {}", escaped(what))));
    lines.push(String::new());
    lines.push("</details>".to_owned());
    lines.join("\n") + "\n"
}

fn said(gated: &Gated) -> Vec<(String, String)> {
    let mut said = vec![
        ("BASE".to_owned(), side_text(&gated.base)),
        ("HEAD".to_owned(), side_text(&gated.head)),
        ("workload".to_owned(), gated.workload.join(" ")),
        ("assurance".to_owned(), assurance_text(&gated.terms)),
    ];
    for Difference { key, a, b } in &gated.differences {
        said.push(("differs".to_owned(), format!("{key}: BASE {a}, HEAD {b}")));
    }
    said.push(("machine".to_owned(), gated.machine_text()));
    said.push((
        "budget".to_owned(),
        format!(
            "{} spent of {}, builds aside",
            human::seconds(gated.spent.as_secs_f64()),
            human::seconds(gated.budget.as_secs_f64())
        ),
    ));
    said
}

/// Medians of all metrics over the last stage.
fn metric_table(gated: &Gated) -> Vec<String> {
    let headings = [
        "last stage",
        "unit",
        "BASE",
        "HEAD",
        "HEAD/BASE",
        "95 % interval",
    ];
    let mut lines = vec![
        row(headings.map(str::to_owned).into_iter()),
        "| --- | --- | ---: | ---: | ---: | ---: |".to_owned(),
    ];
    for summary in &gated.metrics {
        let gated_mark = if summary.metric == gated.metric {
            " (gated)"
        } else {
            ""
        };
        let value = |value: f64| match summary.metric {
            Metric::PeakRss => human::bytes(value),
            Metric::CpuPerPayment | Metric::ServiceP99 => human::nanoseconds(value),
            Metric::PaymentsPerS => human::figure(value),
        };
        lines.push(row([
            format!("{}{gated_mark}", summary.metric.name()),
            summary.metric.unit().to_owned(),
            value(summary.a_median),
            value(summary.b_median),
            format!("{:.3}", summary.ratio.median),
            format!("{:.3} to {:.3}", summary.ratio.low, summary.ratio.high),
        ]
        .into_iter()));
    }
    lines
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| escaped(&cell)).collect();
    format!("| {} |", cells.join(" | "))
}

/// Names, options and machines are others' words: none of them shall become markup, a link, or a
/// call to a user.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' => escaped.push_str("&#64;"),
            '\n' | '\r' => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '!' | '~' | '#' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            _ => escaped.push(letter),
        }
    }
    escaped
}
