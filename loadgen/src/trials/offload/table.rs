//! An offload curve as text: for each line a table of ratios over session length, with what breaks
//! even where. Pure.

use duet_run_file::curve::{Curve, CurveCell, CurveLine};
use duet_terminal::human;
use duet_terminal::layout::{self, Column, Table, sentence};

use super::judge::CPU_OFF;
use super::model::{CPU, PEAK, RESOURCES, UNITS};

/// The whole text.
pub(super) fn table(curve: &Curve) -> String {
    let mut lines = headline(curve);
    for line in &curve.lines {
        lines.push(String::new());
        lines.extend(sentence("", &heading(line)));
        lines.extend(of_line(line));
    }
    lines.extend(notes(curve));
    layout::text(&lines)
}

/// What the figures are, for two parties only, and their range.
fn headline(curve: &Curve) -> Vec<String> {
    let cells = curve.lines.iter().flat_map(|line| &line.cells);
    let mut problems = cells.flat_map(|cell| &cell.problems);
    let verdict = match (curve.valid, problems.all(|text| text.starts_with(CPU_OFF))) {
        (true, _) => "AGREES: runs are VALID, and count what the model says",
        (false, true) => "AGREES IN ALL COUNTS, NOT IN CPU TIME: see below",
        (false, false) => "DOES NOT AGREE: see below",
    };
    let mut lines = sentence("", verdict);
    lines.extend(sentence(
        "offload   ",
        "Layer 1's load without channels over with them, per payment, for TWO PARTIES ONLY: a \
         session pays one peer. A column is a length of sessions; below 1 x a channel is more \
         load, not less.",
    ));
    if let Some(range) = curve.lines.first().and_then(range) {
        lines.extend(sentence("range     ", &range));
    }
    lines
}

/// From the shortest session to the longest.
pub(super) fn range(line: &CurveLine) -> Option<String> {
    let of = |cell: &CurveCell| Some((cell.payments, cell.figures.get("transactions")?.ratio));
    let known = line.cells.iter().filter_map(of);
    let least = known.clone().min_by_key(|(payments, _)| *payments)?;
    let most = known.max_by_key(|(payments, _)| *payments)?;
    let said = |(payments, ratio): (u64, f64)| {
        format!(
            "{} at {}",
            human::ratio(ratio),
            human::counted(payments, "payment")
        )
    };
    let even = |resource: &str| line.break_even_payments.get(resource).copied().flatten();
    let mut text = format!("transactions {} a session to {}", said(least), said(most));
    if let (Some(transactions), Some(bytes)) = (even("transactions"), even("bytes")) {
        text.push_str(&format!("; even at {transactions}, by bytes at {bytes}",));
    }
    Some(text)
}

fn heading(line: &CurveLine) -> String {
    let disputes = match line.disputes {
        0.0 => "no disputes".to_owned(),
        share => format!("{} of sessions disputed", percent(share)),
    };
    let opened = match line.open_batch {
        1 => "opened alone".to_owned(),
        batch => format!("opened {batch} at a time"),
    };
    format!("{}: {disputes}, {opened}", layout::clean(&line.profile))
}

fn percent(share: f64) -> String {
    format!("{} %", human::figure(share * 100.0))
}

/// A row a resource, a column a length.
fn of_line(line: &CurveLine) -> Vec<String> {
    let lengths: Vec<String> = line.cells.iter().map(length).collect();
    let mut columns = vec![Column::Left("payments")];
    columns.extend(lengths.iter().map(|length| Column::Right(length)));
    columns.push(Column::Right("even at"));
    let mut table = Table::new(&columns);
    for resource in RESOURCES {
        let mut cells = vec![named(resource, &line.unit)];
        cells.extend(line.cells.iter().map(|cell| shown(cell, resource)));
        let even = line.break_even_payments.get(resource).copied().flatten();
        cells.push(match (resource, even) {
            (_, Some(payments)) => human::count(payments),
            (PEAK, None) => "never".to_owned(),
            (_, None) => "-".to_owned(),
        });
        table.cells(cells);
    }
    table.lines()
}

fn length(cell: &CurveCell) -> String {
    let modelled = if cell.modelled { "*" } else { "" };
    human::count(cell.payments) + modelled
}

/// What a resource is called in tables.
pub(super) fn named(resource: &str, unit: &str) -> String {
    match resource {
        // It is a resource too.
        UNITS if unit == "bytes" => "units (bytes)".to_owned(),
        UNITS => layout::clean(unit),
        CPU => "CPU".to_owned(),
        PEAK => "peak entries".to_owned(),
        "signature_verifications" => "signatures".to_owned(),
        other => other.replace('_', " "),
    }
}

fn shown(cell: &CurveCell, resource: &str) -> String {
    match cell.figures.get(resource) {
        Some(figure) if figure.agrees => human::ratio(figure.ratio),
        Some(figure) => format!("{}!", human::ratio(figure.ratio)),
        None if cell.problems.is_empty() => "-".to_owned(),
        None => "INVALID".to_owned(),
    }
}

fn notes(curve: &Curve) -> Vec<String> {
    let mut lines = vec![String::new()];
    let cells = || curve.lines.iter().flat_map(|line| &line.cells);
    let run = cells().filter(|cell| !cell.modelled);
    let sessions = run.clone().filter_map(|cell| cell.sessions);
    let (least, most) = (sessions.clone().min(), sessions.max());
    let disputed: u64 = run.clone().flat_map(|cell| &cell.disputed).sum();
    let [least, most] = [least, most].map(|of| human::grouped(of.unwrap_or(0)));
    let sessions = match least == most {
        true => most,
        false => format!("{least} to {most}"),
    };
    let mut said = format!(
        "{} of {sessions} sessions each, {} of each cell",
        human::counted(curve.runs.len() as u64, "run"),
        curve.repeats,
    );
    if disputed > 0 {
        said.push_str(&format!(", {} in all", human::counted(disputed, "dispute")));
    }
    if run
        .clone()
        .any(|cell| cell.cosign_every.is_some_and(|k| k > 1))
    {
        said.push_str(
            "; co-signed every 1, sessions of more than 100 payments every 100: Layer 1's work is \
             the same",
        );
    }
    lines.extend(sentence("run       ", &said));
    if cells().any(|cell| cell.modelled) {
        lines.extend(sentence(
            "*         ",
            "modelled, not run: what each transaction takes, times how many there are. It is what \
             the runs beside it were held to.",
        ));
    }
    for line in &curve.lines {
        for cell in &line.cells {
            for problem in &cell.problems {
                let text = format!(
                    "{}, {}: {problem}",
                    heading(line),
                    human::counted(cell.payments, "payment"),
                );
                lines.extend(sentence("!         ", &text));
            }
        }
    }
    lines
}
