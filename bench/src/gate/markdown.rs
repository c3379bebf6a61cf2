//! A gate's result as Markdown, to be posted as a comment. Pure.

use duet_terminal::human;
use duet_terminal::layout::Column;

use crate::table::{Cells, escaped};

use super::judge::Verdict;
use super::report::{Gated, medians, stages};

/// A hidden first line, by which a workflow can find the comment that it posted before.
const MARKER: &str = "<!-- duet regression gate -->";

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
        let undecided = escaped(&gated.undecided().join("; "));
        lines.push(format!("**Inconclusive is not a pass**: {undecided}."));
        lines.push(String::new());
    }
    lines.extend(stages(gated).markdown());
    lines.push(String::new());
    lines.push("<details><summary>What ran, and what was not gated</summary>".to_owned());
    lines.push(String::new());
    let budget = format!(
        "{} spent of {}, builds aside",
        human::seconds(gated.spent.as_secs_f64()),
        human::seconds(gated.budget.as_secs_f64())
    );
    let mut said = gated.said();
    said.push(("budget", budget));
    let mut table = Cells::new([Column::Left(""), Column::Left("")]);
    let rows = said.into_iter();
    table.rows = rows.map(|(what, text)| [what.to_owned(), text]).collect();
    lines.extend(table.markdown());
    lines.push(String::new());
    let mut medians = medians(gated);
    for [name, ..] in &mut medians.rows {
        if name == gated.metric.name() {
            name.push_str(" (gated)");
        }
    }
    lines.extend(medians.markdown());
    lines.push(String::new());
    lines.push("Not gated:".to_owned());
    lines.push(String::new());
    let not_gated = gated.not_gated();
    lines.extend(not_gated.iter().map(|what| format!("- {}", escaped(what))));
    lines.push(String::new());
    lines.push("</details>".to_owned());
    lines.join("\n") + "\n"
}
