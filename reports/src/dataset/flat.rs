//! One row a run: every figure and setting under the name that it has in the run file.

use duet_terminal::dataset::Column;
use serde_json::Value;

use super::{Cell, Dataset, Kind};
use crate::{run_file::RunFile, runs::NamedRun};

/// The run file's sections in the order of the columns: a rate stands beside its assurance. Those
/// that later versions add come after them.
const SECTIONS: [&str; 16] = [
    "run",
    "file",
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

/// Cells by their names.
type Cells = Vec<(String, Cell)>;

/// One row a run. Columns are the run file's frozen names, dotted, as `achieved.payments_per_s`;
/// phases by their names, lists joined by spaces. A column that only some runs have is empty in
/// the others.
#[must_use]
pub fn summary(runs: &[NamedRun]) -> Dataset {
    let flat = runs.iter().map(|named| {
        let path = named.path.display().to_string();
        let of = [("run", named.name.clone()), ("file", path)];
        let of = of.map(|(name, text)| (name.to_owned(), text.into()));
        of.into_iter().chain(flattened(&named.run)).collect()
    });
    let flat: Vec<Cells> = flat.collect();
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in flat.iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    // A name that only a later run has would stand after all others.
    names.sort_by_key(|name| section(name));
    let row = |cells: &Cells| {
        let find = |name: &&String| cells.iter().find(|(key, _)| key == *name);
        let cell = |name| find(name).map(|(_, cell)| cell.clone()).into();
        names.iter().map(cell).collect()
    };
    let column = |name: &&String| Column {
        name: (*name).clone(),
        heading: (*name).clone(),
        kind: Kind::Text,
    };
    Dataset {
        columns: names.iter().map(column).collect(),
        rows: flat.iter().map(row).collect(),
    }
}

fn section(name: &str) -> usize {
    let first = name.split('.').next().unwrap_or(name);
    let place = SECTIONS.iter().position(|section| *section == first);
    place.unwrap_or(SECTIONS.len())
}

/// All of a run file that has no table of its own, by dotted names.
fn flattened(run: &RunFile) -> Cells {
    let value = serde_json::to_value(run).expect("a run file is JSON");
    let sections = value.as_object().into_iter().flatten();
    let sections = sections.filter(|(name, _)| !ELSEWHERE.contains(&name.as_str()));
    let mut sections: Vec<(&String, &Value)> = sections.collect();
    sections.sort_by_key(|(name, _)| section(name));
    let mut cells = Vec::new();
    for (name, value) in sections {
        flatten(name.clone(), value, &mut cells);
    }
    cells
}

fn flatten(name: String, value: &Value, cells: &mut Cells) {
    let cell = match value {
        Value::Object(members) => {
            for (member, value) in members {
                flatten(format!("{name}.{member}"), value, cells);
            }
            return;
        }
        // Phases: a list of objects that have names.
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for item in items {
                let Some(item_name) = item["name"].as_str() else {
                    continue;
                };
                let members = item.as_object().into_iter().flatten();
                for (member, value) in members.filter(|(member, _)| *member != "name") {
                    flatten(format!("{name}.{item_name}.{member}"), value, cells);
                }
            }
            return;
        }
        Value::Array(items) => {
            let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            words.join(" ").into()
        }
        Value::Null => Cell::Missing,
        Value::Bool(value) => (*value).into(),
        Value::String(text) => text.into(),
        Value::Number(number) => match number.as_u64() {
            Some(count) => count.into(),
            None => number.as_f64().into(),
        },
    };
    cells.push((name, cell));
}
