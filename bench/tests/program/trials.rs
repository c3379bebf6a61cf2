//! `gate-trials` on an executable that plants what it is told to.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::fake::{Bench, Ended, Fake, assert_nothing_left, program_in};

const FEW: [&str; 6] = ["--planted", "0,2%,10%", "--trials", "2", "--out", "t.jsonl"];

/// An example, which Cargo builds beside the program for every test.
fn gate_trials() -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_bench")).parent();
    let path = programs.expect("a folder").join("examples/gate-trials");
    path.to_str().expect("in UTF-8").to_owned()
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.fake("a", &Fake::default());
    bench
}

fn trials(bench: &Bench, words: &[&str]) -> Ended {
    let folder = bench.path("");
    let mut command = program_in(&folder, &gate_trials());
    let ended = command.args(["a", "--quiet"]).args(words).output();
    assert_nothing_left(&folder);
    ended.expect("it starts").into()
}

fn lines(bench: &Bench) -> Vec<Value> {
    let text = fs::read_to_string(bench.path("t.jsonl")).expect("the file");
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a trial"));
    lines.collect()
}

#[test]
fn rates_are_counted_and_what_is_there_is_not_done_again() {
    let bench = bench();
    let first = trials(&bench, &FEW);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    for row in [
        "| 0 % | left alone | 2 | 2 | 0 | 0 |",
        "| 2 % | left alone | 2 | 2 | 0 | 0 |",
        "| 10 % | left alone | 2 | 0 | 0 | 2 |",
    ] {
        assert!(
            first.stdout.contains(row),
            "{row} is missing in:\n{}",
            first.stdout
        );
    }
    let lines_of_first = lines(&bench);
    let order: Vec<(f64, u64)> = lines_of_first
        .iter()
        .map(|line| {
            (
                line["planted"].as_f64().unwrap(),
                line["trial"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        order,
        [(0.0, 1), (0.02, 1), (0.1, 1), (0.0, 2), (0.02, 2), (0.1, 2)]
    );

    let runs = bench.runs().len();
    let again = trials(&bench, &FEW);
    assert_eq!((again.code, &again.stdout), (Some(0), &first.stdout));
    assert_eq!(bench.runs().len(), runs, "nothing is run again");

    // Stopped within the last line: that trial is made once more, and no other.
    let whole = fs::read(bench.path("t.jsonl")).unwrap();
    fs::write(bench.path("t.jsonl"), &whole[..whole.len() - 5]).unwrap();
    assert_eq!(trials(&bench, &FEW).code, Some(0));
    assert_eq!(bench.runs().len(), runs + (1 + 12 + 1 + 24) * 3);
    assert_eq!(lines(&bench)[..5], lines_of_first[..5]);
    assert_eq!(lines(&bench).len(), 6);
}

#[test]
fn a_loaded_core_is_an_experiment_of_its_own_in_the_same_file() {
    let bench = bench();
    let few = ["--planted", "0", "--trials", "1", "--out", "t.jsonl"];
    assert_eq!(trials(&bench, &few).code, Some(0));
    if std::thread::available_parallelism().unwrap().get() < 2 {
        let refused = trials(&bench, &[&few[..], &["--load-other-core"]].concat());
        refused.assert_refused(2, &["needs a second core"]);
        return;
    }
    let both = trials(&bench, &[&few[..], &["--load-other-core"]].concat());
    assert_eq!(both.code, Some(0), "{}", both.stderr);
    let rows: Vec<&str> = both.stdout.lines().skip(2).collect();
    assert_eq!(rows.len(), 2, "{}", both.stdout);
    assert!(rows[0].starts_with("| 0 % | left alone | 1 | 1 | 0 | 0 |"));
    assert!(rows[1].starts_with("| 0 % | loaded | 1 | 1 | 0 | 0 |"));
}

#[test]
fn other_experiments_do_not_share_a_file() {
    let bench = bench();
    let few = ["--planted", "0", "--trials", "1", "--out", "t.jsonl"];
    assert_eq!(trials(&bench, &few).code, Some(0));
    for (words, said) in [
        (
            &["--", "--threshold", "4%"][..],
            "threshold is 0.05 there and 0.04 here",
        ),
        (
            &["--", "--budget", "9m"],
            "budget_s is 1200.0 there and 540.0 here",
        ),
        (
            &["--", "--metric", "peak-rss"],
            "metric is \"cpu-per-payment\" there",
        ),
        (&["--", "--", "--payments", "9"], "workload is "),
    ] {
        let words = [&few[..], words].concat();
        trials(&bench, &words).assert_refused(2, &["another experiment", said]);
    }
    bench.fake(
        "a",
        &Fake {
            cpu_ns: 41_000,
            ..Fake::default()
        },
    );
    trials(&bench, &few).assert_refused(2, &["executable_sha256 is "]);
    for (words, said) in [
        (&["--planted", "2"][..], "'2' is not a share"),
        (&["--trials", "0"], "1..=10000"),
        (&["--", "--bogus"], "after `--`: "),
        (
            &["--", "--", "--planted-slowdown", "4%"],
            "without --planted-slowdown",
        ),
        (&["--", "--", "--audit-log", "f"], "without --audit-log"),
    ] {
        let words = [&["--out", "u.jsonl"], words].concat();
        trials(&bench, &words).assert_refused(2, &[said]);
    }
    trials(&bench, &["--out", "a"]).assert_refused(2, &["--out"]);
}

/// What is no file of trials stays as it is, however it ends.
#[test]
fn nobody_elses_file_is_cut() {
    let bench = bench();
    assert_eq!(trials(&bench, &FEW).code, Some(0));
    let ours = fs::read_to_string(bench.path("t.jsonl")).expect("the file");
    let (whole, _) = ours.trim_end().rsplit_once('\n').expect("six trials");
    let unended = ours.trim_end();
    // What stands there => whether more is added, and what of it stays in front.
    for (text, taken, stays) in [
        (
            r#"{"schema":1,"command":["loadgen","run"]}"#.to_owned(),
            false,
            "",
        ),
        (r#"{"schema":1,"command":["loadgen","#.to_owned(), false, ""),
        (format!("{ours}my notes"), false, ""),
        (format!("{whole}\n{{\"schema\":1,\"exec"), true, whole),
        (unended.to_owned(), true, unended),
    ] {
        fs::write(bench.path("t.jsonl"), &text).expect("a disk");
        let ended = trials(&bench, &FEW);
        let found = fs::read_to_string(bench.path("t.jsonl")).expect("the file");
        if taken {
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            assert!(found.starts_with(stays));
            assert_eq!(lines(&bench).len(), 6, "{found}");
        } else {
            ended.assert_refused(2, &["expected"]);
            assert_eq!(found, text);
        }
    }
}
