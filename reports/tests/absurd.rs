//! Run files whose numbers no run could have: each is refused, or shown in bounded time and memory,
//! and nothing panics.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

#[path = "../run-file/tests/sample/mod.rs"]
mod sample;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use duet_profile::Profile;
use duet_reports::{
    diff::Diff,
    html::page,
    modelled::{of_run, run_text},
    runs::Runs,
    tables::tables,
};
use duet_run_file::{RunFile, summary::summary, terms::Across};
use serde_json::{Value, json};

fn whole() -> Value {
    let mut run = sample::open_loop();
    run.disputes = Some(sample::disputes());
    run.l1.chain = Some(sample::chain());
    serde_json::from_str(&run.to_json()).unwrap()
}

/// The paths of all numbers, and of texts that are numbers.
fn numbers(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(path.to_owned()),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate().take(3) {
                numbers(item, &format!("{path}/{at}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                numbers(field, &format!("{path}/{name}"), found);
            }
        }
        _ => {}
    }
}

fn absurd() -> [Value; 7] {
    [
        json!(0),
        json!(1),
        json!("18446744073709551615"),
        json!(1_u64 << 53),
        json!(1e308),
        json!(5e-324),
        json!(-1e300),
    ]
}

/// Shows a run in every way, if it is one; the length of all that was made.
fn shown(what: &str, file: &Value) -> usize {
    let text = file.to_string();
    let Ok(run) = RunFile::parse(Path::new("a.json"), &text) else {
        return 0;
    };
    let start = Instant::now();
    let mut made = summary(&run) + &tables(&run);
    let profiles = Profile::known();
    for profile in &profiles {
        made += &run_text(&of_run(&run, profile));
    }
    let files = [PathBuf::from("a.json"), PathBuf::from("b.json")].map(|path| (path, text.clone()));
    if let Ok(runs) = Runs::gather(&files, &Across::new(&[])) {
        made += &page(&runs, &profiles);
        made += &Diff::new(&runs).to_text();
    }
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "{what}: {took:?}");
    assert!(made.len() < 10 << 20, "{what}: {} bytes", made.len());
    made.len()
}

#[test]
fn any_number_of_a_run_file_may_be_absurd() {
    let whole = whole();
    let mut paths = Vec::new();
    numbers(&whole, "", &mut paths);
    assert!(paths.len() > 100, "{}", paths.len());
    let (mut shown_at_all, mut panicked) = (0, Vec::new());
    for value in absurd() {
        let mut all = whole.clone();
        for path in &paths {
            let mut one = whole.clone();
            *one.pointer_mut(path).unwrap() = value.clone();
            let name = format!("{path} = {value}");
            match std::panic::catch_unwind(|| shown(&name, &one)) {
                Ok(made) => shown_at_all += u32::from(made > 0),
                Err(_) => panicked.push(name),
            }
            let was = all.pointer(path).unwrap().clone();
            *all.pointer_mut(path).unwrap() = value.clone();
            if RunFile::parse(Path::new("a.json"), &all.to_string()).is_err() {
                *all.pointer_mut(path).unwrap() = was;
            }
        }
        let name = format!("all {value}");
        if std::panic::catch_unwind(|| shown(&name, &all)).is_err() {
            panicked.push(name);
        }
    }
    assert!(panicked.is_empty(), "{panicked:#?}");
    assert!(shown_at_all > 300, "{shown_at_all}");
}
