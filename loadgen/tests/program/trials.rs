//! Many runs for one question: searches and sweeps of the real binary, in short runs. What the
//! machine can do is not asserted: that what is printed follows from what was run, is.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use duet_run_file::sweep::Sweep;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common;
use crate::common::{Folder, arguments};

/// Small and quick: two channels on one shard.
const SMALL: &str = "--shards 1 --concurrent 2 --payments 1k";

fn sweep(folder: &Folder, words: &str) -> common::Ended {
    folder.loadgen(&arguments(&format!("sweep s.sweep --trial 200ms {words}")))
}

fn lines(folder: &Folder) -> Sweep {
    Sweep::read(Path::new(&folder.path("s.sweep"))).unwrap()
}

#[test]
fn a_sweep_measures_every_cell_once_and_goes_on_where_it_was() {
    let folder = Folder::new();
    let grid = "--repeats 2 --rate max,50%,2k --cosign-every 1,4 --quiet";
    let ended = sweep(&folder, &format!("{grid} {SMALL}"));
    // A busy machine may not hold a rate: that is a finding, and no failure.
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let whole = lines(&folder);
    assert_eq!(whole.lines.len(), 3 * 2 * 2);
    for line in &whole.lines {
        let twins = whole
            .lines
            .iter()
            .filter(|other| (&other.cell, other.repeat) == (&line.cell, line.repeat));
        assert_eq!(twins.count(), 1, "{:?}", line.cell);
        let asked = line.cell.join(" ");
        let workload = &line.run.workload;
        assert!(asked.contains(&format!("--cosign-every {}", workload.cosign_every)));
        match workload.offered_per_s {
            None => assert!(asked.contains("--rate max"), "{asked}"),
            Some(2000.0) => assert!(asked.contains("--rate 2000"), "{asked}"),
            Some(per_s) => {
                assert!(asked.contains("--rate 50%"), "{asked}");
                let closed = |line: &&duet_run_file::sweep::Line| {
                    line.run.workload.offered_per_s.is_none()
                        && line.run.workload.cosign_every == workload.cosign_every
                };
                let closed = whole.lines.iter().filter(closed);
                let rates: Vec<f64> = closed
                    .map(|line| line.run.achieved.payments_per_s)
                    .collect();
                let most = rates.iter().copied().fold(0.0, f64::max);
                let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
                assert!(
                    0.49 * least <= per_s && per_s <= 0.51 * most,
                    "{per_s} of {rates:?}"
                );
            }
        }
    }
    // The last run was cut off while it was written: it alone is made again.
    let text = folder.read("s.sweep");
    let kept = text[..text.len() - 1].rfind('\n').unwrap() + 1;
    folder.write("s.sweep", &text[..kept + 1000]);
    let ended = sweep(&folder, &format!("{grid} {SMALL}"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let again = lines(&folder);
    assert_eq!(again.lines.len(), whole.lines.len());
    assert!(folder.read("s.sweep").starts_with(&text[..kept]));
    let (last, before) = (again.lines.last().unwrap(), whole.lines.last().unwrap());
    assert_eq!((&last.cell, last.repeat), (&before.cell, before.repeat));
    // Nothing is left to do.
    let before = folder.read("s.sweep");
    assert_eq!(sweep(&folder, &format!("{grid} {SMALL}")).code, Some(0));
    assert_eq!(folder.read("s.sweep"), before);
    assert_eq!(folder.names(), ["s.sweep"]);
}

#[test]
fn durable_cells_leave_no_log_behind() {
    let folder = Folder::new();
    let ended = sweep(
        &folder,
        &format!("--repeats 1 --durability none,fsync --quiet {SMALL}"),
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut kinds: Vec<String> = lines(&folder)
        .lines
        .into_iter()
        .map(|line| line.run.assurance.durability)
        .collect();
    kinds.sort();
    assert_eq!(kinds, ["fsync", "none"]);
    assert_eq!(folder.names(), ["s.sweep"]);
}

#[test]
fn the_plan_is_listed_without_a_run() {
    let folder = Folder::new();
    let ended = sweep(&folder, "--preset plan --list");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for part in [
        "--rate max",
        "--rate 90%",
        "--concurrent 100k",
        "--payments 100",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    assert!(folder.names().is_empty());
}

/// Runs a sweep or a search until its file has more than `made` lines, stops it as Ctrl-C does, and
/// gives what it said.
fn stopped(folder: &Folder, words: &str, made: usize) -> String {
    let mut command = folder.command(&arguments(words));
    let piped = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let begun = Instant::now();
    while line_count(folder) <= made {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "no run was made"
        );
        thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut said = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    said
}

fn line_count(folder: &Folder) -> usize {
    let text = fs::read_to_string(folder.path("s.sweep"));
    text.map_or(0, |text| text.lines().count())
}

#[test]
fn a_plans_sweep_says_what_it_was_cut_to_and_goes_on_as_it_began() {
    let folder = Folder::new();
    let words = "sweep s.sweep --preset plan --trial 200ms --repeats 1";
    let said = stopped(&folder, words, 1);
    for part in [
        "besides its payments, and ",
        "runs made; the same command goes on, and takes about ",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let made = lines(&folder).lines;
    let calibration = made[0].calibration.unwrap();
    assert_eq!(calibration.repeats, 1);
    // It does not choose anew, and makes only what is left.
    let said = stopped(&folder, words, line_count(&folder));
    assert!(!said.contains("besides its payments"), "{said}");
    let all = lines(&folder).lines;
    assert!(all.len() > made.len());
    let distinct: HashSet<_> = all.iter().map(|line| (&line.cell, line.repeat)).collect();
    assert_eq!(distinct.len(), all.len());
    let alike = |line: &duet_run_file::sweep::Line| line.calibration == Some(calibration);
    assert!(all.iter().all(alike));
}

#[test]
fn a_search_brackets_a_rate_with_trials_that_bear_it_out() {
    let folder = Folder::new();
    let ended = folder.loadgen(&arguments(&format!(
        "search --slo p50=10s --start 1M --trial 1s --trials 1 --width 50% --disturbance 100% --json --quiet -- {SMALL}"
    )));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    let (pass, fail) = (
        found["pass_per_s"].as_f64().unwrap(),
        found["fail_per_s"].as_f64().unwrap(),
    );
    assert!(0.0 < pass && pass < fail && (fail - pass) / fail <= 0.5);
    let trials = found["trials"].as_array().unwrap();
    for (rate, passed) in [(pass, true), (fail, false)] {
        let of = |trial: &&Value| {
            trial["rate_per_s"] == rate && trial["full"] == true && trial["passed"] == passed
        };
        assert!(
            trials.iter().any(|trial| of(&trial)),
            "{rate} {passed}: {trials:?}"
        );
    }
    // Nobody waits 10 s: what fails is the rate that is not kept up with.
    for trial in trials {
        let reasons = trial["reasons"].as_array().unwrap();
        assert_eq!(trial["passed"] == true, reasons.is_empty());
        assert!(trial["offered_per_s"].as_f64().unwrap() > 0.0);
    }
}

/// Stopped by hand and cut off within a line, a search goes on with what its book has.
#[test]
fn a_search_with_a_book_goes_on_where_it_was() {
    let folder = Folder::new();
    let words = format!(
        "search --slo p50=10s --start 1M --trial 1s --trials 1 --width 50% --disturbance 100% --json --book s.sweep -- {SMALL}"
    );
    let said = stopped(&folder, &words, 1);
    assert!(said.contains("s.sweep: stopped after "), "{said}");
    assert!(said.contains("the same command goes on"), "{said}");
    let begun = folder.read("s.sweep");
    let ended = folder.loadgen(&arguments(&words));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let whole = folder.read("s.sweep");
    assert!(whole.starts_with(&begun), "nothing is made again");
    let of = |ended: &common::Ended| -> Value {
        let mut found: Value = serde_json::from_str(&ended.stdout).unwrap();
        found["command"].take();
        found
    };
    let found = of(&ended);
    assert_eq!(
        found["trials"].as_array().unwrap().len(),
        lines(&folder).lines.len()
    );
    // Its last trial again, and from then on what that says; nothing else.
    let kept = whole[..whole.len() - 1].rfind('\n').unwrap() + 1;
    folder.write("s.sweep", &whole[..kept + 1000]);
    assert_eq!(folder.loadgen(&arguments(&words)).code, Some(0));
    assert!(folder.read("s.sweep").starts_with(&whole[..kept]));
    // Nothing is left to do: the answer is the same, trial by trial.
    folder.write("s.sweep", &whole);
    assert_eq!(of(&folder.loadgen(&arguments(&words))), found);
    assert_eq!(folder.read("s.sweep"), whole);
    assert_eq!(folder.names(), ["s.sweep"]);
}

#[test]
fn an_objective_that_nothing_meets_is_missed() {
    let folder = Folder::new();
    let ended = folder.loadgen(&arguments(&format!(
        "search --slo p50=1ns --start 2k --trial 1s --trials 1 --width 50% --disturbance 100% --quiet -- {SMALL}"
    )));
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(ended.stderr.contains("no rate meets p50 1 ns"), "{ended:?}");
    assert!(ended.stdout.is_empty());
}

#[test]
fn bad_input_is_refused_before_the_first_run() {
    let folder = Folder::new();
    folder.write("text", "hello\n");
    folder.write("unfinished", "hello");
    folder.write("empty-line", "{}\n");
    for (words, parts) in [
        ("search --slo p98=5ms", "'p98' … p50, p90, p99"),
        ("search --slo p99=5", "'5' … "),
        ("search --width 0%", "--width 0.0 % … 0.1%"),
        ("search --disturbance much", "'much'"),
        ("search --trials 2", "--trials 2 … odd"),
        ("search --trials 100 --passes 2", "--trials 100 … 1 to 99"),
        ("search --passes 4", "--passes 4 … 1 to 3"),
        ("search --trials 2 --passes 0", "--passes 0 … 1 to 2"),
        ("search --trial 10ms", "--trial 10 ms … 1s or more"),
        ("search -- --rate 5k", "--rate after `--`"),
        ("search -- --duration 5s", "--duration after `--`"),
        ("search -- --payments ten", "'ten' is not a count"),
        ("search -- --turn-length 5", "--turn-length needs"),
        ("search --out missing/x.json", "missing"),
        ("search --book text", "text, line 1"),
        ("search --book unfinished", "does not end as a sweep does"),
        ("search --book x --out x", "--book"),
        ("sweep", "<FILE>"),
        ("sweep text", "text, line 1"),
        ("sweep unfinished", "does not end as a sweep does"),
        ("sweep empty-line", "line 1 … expected a run of a sweep"),
        ("sweep missing/x", "missing/x"),
        ("sweep x --rate fast", "'fast' is not a load"),
        ("sweep x --concurrent 0", "too small"),
        ("sweep x --durability maybe", "maybe"),
        ("sweep x --repeats 0", "--repeats 0"),
        ("sweep x --trial 1ms", "--trial 1 ms"),
        ("sweep x --preset plan --rate 5k", "--rate"),
        (
            "sweep x --preset plan --cosign-every 1,2",
            "--cosign-every 1,2 … one value",
        ),
        ("sweep x -- --shards 2", "--shards after `--`"),
    ] {
        let ended = folder.loadgen(&arguments(words));
        assert_eq!(ended.code, Some(2), "{words}: {ended:?}");
        assert_eq!(ended.stdout, "", "{words}");
        let mut rest = ended.stderr.as_str();
        for part in parts.split(" … ") {
            let at = rest.find(part);
            let at = at.unwrap_or_else(|| panic!("{words}: no {part:?} in {}", ended.stderr));
            rest = &rest[at + part.len()..];
        }
    }
    assert_eq!(folder.names(), ["empty-line", "text", "unfinished"]);
    assert_eq!(folder.read("unfinished"), "hello");
}

#[test]
fn a_sweep_of_another_machine_or_build_is_not_mixed_in() {
    let folder = Folder::new();
    let words = format!("--repeats 1 --quiet {SMALL}");
    assert_eq!(sweep(&folder, &words).code, Some(0));
    let text = folder.read("s.sweep");
    for (field, name) in [("cpu", "machine"), ("commit", "commit")] {
        let mut line: Value = serde_json::from_str(text.trim_end()).unwrap();
        let section = if field == "cpu" { "machine" } else { "engine" };
        line["run"][section][field] = "another".into();
        folder.write("s.sweep", format!("{line}\n"));
        let ended = sweep(&folder, &words);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(
            ended.stderr.contains(&format!("'another' as its {name}")),
            "{ended:?}"
        );
        assert_eq!(
            fs::read_to_string(folder.path("s.sweep")).unwrap(),
            format!("{line}\n")
        );
    }
}

/// Whoever builds meanwhile does not change what is measured: the program that runs goes on.
#[test]
fn a_program_that_is_replaced_goes_on_as_it_was() {
    let folder = Folder::new();
    let program = folder.path("loadgen");
    fs::copy(env!("CARGO_BIN_EXE_loadgen"), &program).unwrap();
    let words = format!("sweep s.sweep --trial 200ms --repeats 6 --quiet {SMALL}");
    let mut command = std::process::Command::new(&program);
    let mut child = command
        .args(arguments(&words))
        .current_dir(folder.path(""))
        .spawn()
        .unwrap();
    while line_count(&folder) == 0 {
        assert!(child.try_wait().unwrap().is_none(), "no run was made");
        thread::sleep(Duration::from_millis(10));
    }
    fs::rename(&program, folder.path("old")).unwrap();
    fs::write(&program, "another build").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(lines(&folder).lines.len(), 6);
}
