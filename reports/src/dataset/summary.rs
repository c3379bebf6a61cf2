//! One row a run: every figure and setting under the name that it has in the run file.

use serde_json::Value;

use super::{Cell, Column, Dataset, Kind};
use crate::runs::NamedRun;

/// The run file's sections in the order of the columns: a rate stands beside its assurance. Those
/// that later versions add come after them.
const SECTIONS: [&str; 14] = [
    "achieved",
    "assurance",
    "latency_ns",
    "workload",
    "l1",
    "offchain",
    "checks",
    "memory",
    "disputes",
    "durability",
    "rejections",
    "engine",
    "machine",
    "command",
];

/// What has a table of its own.
const ELSEWHERE: [&str; 3] = ["series", "stages", "latency_histogram"];

/// One row a run. Columns are the run file's frozen names, dotted, as `achieved.payments_per_s`;
/// phases by their names, lists joined by spaces. A column that only some runs have is empty in
/// the others.
#[must_use]
pub fn summary(runs: &[NamedRun]) -> Dataset {
    let flat: Vec<Vec<(String, Cell)>> = runs.iter().map(flattened).collect();
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in flat.iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    // A name that only a later run has would stand after all others.
    names.sort_by_key(|name| section(name));
    let columns = names.iter().map(|name| Column {
        name: (*name).clone(),
        heading: (*name).clone(),
        kind: Kind::Text,
    });
    let mut dataset = Dataset {
        name: "summary",
        columns: columns.collect(),
        rows: Vec::new(),
    };
    for cells in &flat {
        let find = |name: &&String| cells.iter().find(|(key, _)| key == *name);
        let cell = |name| find(name).map_or(Cell::Missing, |(_, cell)| cell.clone());
        dataset.push(names.iter().map(cell).collect());
    }
    dataset
}

fn section(name: &str) -> usize {
    let first = name.split('.').next().unwrap_or(name);
    match first {
        "run" | "file" => 0,
        _ => {
            1 + SECTIONS
                .iter()
                .position(|section| *section == first)
                .unwrap_or(SECTIONS.len())
        }
    }
}

fn flattened(named: &NamedRun) -> Vec<(String, Cell)> {
    let mut cells = vec![
        ("run".to_owned(), Cell::from(&named.name)),
        (
            "file".to_owned(),
            Cell::text(named.path.display().to_string()),
        ),
    ];
    let value = serde_json::to_value(&named.run).expect("a run file is JSON");
    let mut sections: Vec<(&String, &Value)> = value
        .as_object()
        .expect("of an object")
        .iter()
        .filter(|(name, _)| !ELSEWHERE.contains(&name.as_str()))
        .collect();
    sections.sort_by_key(|(name, _)| section(name));
    for (name, value) in sections {
        flatten(name.clone(), value, &mut cells);
    }
    cells
}

fn flatten(name: String, value: &Value, cells: &mut Vec<(String, Cell)>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                flatten(format!("{name}.{member}"), value, cells);
            }
        }
        // Phases: a list of objects that have names.
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for item in items {
                let Some(item_name) = item["name"].as_str() else {
                    continue;
                };
                for (member, value) in item.as_object().into_iter().flatten() {
                    if member != "name" {
                        flatten(format!("{name}.{item_name}.{member}"), value, cells);
                    }
                }
            }
        }
        Value::Array(items) => {
            let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            cells.push((name, Cell::text(words.join(" "))));
        }
        Value::Null => cells.push((name, Cell::Missing)),
        Value::Bool(value) => cells.push((name, Cell::Flag(*value))),
        Value::String(text) => cells.push((name, Cell::text(text))),
        Value::Number(number) => {
            let count = number.as_u64().map(Cell::Count);
            cells.push((
                name,
                count.unwrap_or_else(|| Cell::or_missing(number.as_f64())),
            ));
        }
    }
}
