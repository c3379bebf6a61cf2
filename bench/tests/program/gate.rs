//! `bench gate` from the command line to its exit code, on executables with planted figures.

use std::fs;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::fake::{Bench, Ended, Fake, bench_command};

fn with_cpu_ns(cpu_ns: u64) -> Fake {
    Fake {
        cpu_ns,
        ..Fake::default()
    }
}

/// A of 40 µs and noise of ± 2 % as BASE, and a HEAD of `head_cpu_ns`.
fn bench(head_cpu_ns: u64) -> Bench {
    let bench = Bench::new();
    bench.fake("a", &with_cpu_ns(40_000));
    bench.fake("b", &with_cpu_ns(head_cpu_ns));
    bench
}

fn gate(bench: &Bench, words: &[&str]) -> Ended {
    bench.command("gate", &[&["a", "b"], words].concat())
}

/// The JSON of a gate that ended with `code`.
fn judged(ended: &Ended, code: i32) -> Value {
    assert_eq!(ended.code, Some(code), "{}{}", ended.stdout, ended.stderr);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON on stdout");
    assert_eq!(json["exit_code"], code);
    json
}

#[test]
fn a_slowdown_beyond_the_threshold_fails_in_two_stages_and_nothing_else_does() {
    for (head_cpu_ns, threshold, code, verdict, pairs) in [
        (40_000, "5%", 0, "pass", &[12][..]),
        (30_000, "5%", 0, "pass", &[12]),
        (41_000, "5%", 0, "pass", &[12]),
        (44_000, "5%", 6, "regression", &[12, 24]),
        (60_000, "5%", 6, "regression", &[12, 24]),
        (44_000, "20%", 0, "pass", &[12]),
    ] {
        let case = format!("{head_cpu_ns} at {threshold}");
        let ended = gate(&bench(head_cpu_ns), &["--json", "--threshold", threshold]);
        let json = judged(&ended, code);
        assert_eq!(json["verdict"], verdict, "{case}");
        let stages = json["stages"].as_array().unwrap();
        let found: Vec<u64> = stages
            .iter()
            .map(|s| s["pairs"].as_u64().unwrap())
            .collect();
        assert_eq!(found, pairs, "{case}");
        for stage in stages {
            let values = stage["values"].as_array().unwrap();
            assert_eq!(values.len() as u64, stage["pairs"], "{case}");
            let slowdown = stage["slowdown"]["ratio"].as_f64().unwrap();
            let planted = head_cpu_ns as f64 / 40_000.0;
            assert!(
                (slowdown / planted - 1.0).abs() < 0.02,
                "{case}: {slowdown}"
            );
        }
    }
}

#[test]
fn a_comparison_with_a_threshold_is_the_gate() {
    let bench = bench(44_000);
    let words = ["a", "b", "--threshold", "5%", "--json"];
    let ended = bench.compare(&words);
    assert_eq!(judged(&ended, 6)["verdict"], "regression");
    let refused = bench.compare(&["a", "b", "--budget", "5m"]);
    refused.assert_refused(2, &["--threshold <SHARE>"]);
}

/// As much slower as the threshold says, below noise of ± 30 %: unclear, however many pairs a
/// machine has time for. A folder of its own, so that the noise does not follow from how many that
/// were.
fn unclear(words: &[&str]) -> Ended {
    let bench = Bench::new();
    for (name, cpu_ns) in [("a", 40_000), ("b", 42_000)] {
        let noise_per_mille = 300;
        bench.fake(
            name,
            &Fake {
                noise_per_mille,
                ..with_cpu_ns(cpu_ns)
            },
        );
    }
    gate(&bench, words)
}

#[test]
fn a_gate_that_cannot_tell_exits_5_unless_told_otherwise() {
    let json = judged(&unclear(&["--json", "--budget", "1s"]), 5);
    assert_eq!(json["verdict"], "inconclusive");
    let spent_s = json["spent_s"].as_f64().unwrap();
    assert!(spent_s < 10.0, "{spent_s} s of a budget of 1 s");
    let undecided = json["undecided"].as_array().unwrap();
    assert_eq!(undecided.len(), 2, "{undecided:?}");
    // It says what would have decided, and what it lets through.
    for (words, said) in [
        // By how many pairs there were time for: "a slowdown of up to … is not", or "no slowdown
        // is".
        (&["--budget", "1s"][..], "excluded"),
        (
            &["--budget", "1s", "--on-inconclusive", "pass"],
            "let through by --on-inconclusive pass: ",
        ),
        (
            &["--budget", "1s", "--markdown", "-"],
            "**Inconclusive is not a pass**: ",
        ),
    ] {
        let ended = unclear(words);
        let code = if words.contains(&"pass") { 0 } else { 5 };
        assert_eq!(ended.code, Some(code));
        for part in ["inconclusive", "would have decided", said] {
            assert!(ended.stdout.contains(part), "{part}:\n{}", ended.stdout);
        }
    }
}

/// Whoever reads its log may go away: the verdict is on standard output.
#[test]
fn a_gate_outlives_its_log() {
    let bench = bench(44_000);
    for (words, code) in [(["a", "b"], 6), (["a", "nothing"], 2)] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = bench_command(&bench.path("."), "gate", &words);
        let ended = command.stderr(full).output().unwrap();
        assert_eq!(ended.status.code(), Some(code), "{words:?}: {ended:?}");
        assert_eq!(ended.stdout.is_empty(), code == 2, "{words:?}");
    }
}

#[test]
fn a_gate_that_cannot_tell_has_spent_its_budget() {
    let json = judged(&unclear(&["--json", "--budget", "6s"]), 5);
    let spent_s = json["spent_s"].as_f64().unwrap();
    assert!(spent_s > 4.5, "{spent_s} s of a budget of 6 s");
    assert!(
        json["reason"]
            .as_str()
            .unwrap()
            .contains("the budget was spent")
    );
}

#[test]
fn the_text_has_the_stages_the_machine_and_what_was_not_gated() {
    let ended = gate(&bench(44_000), &[]);
    assert_eq!(ended.code, Some(6));
    for part in [
        "HEAD       b (executable), fake back end",
        "machine    a fake, 2 cores, avx2",
        "threshold 5.0 %",
        "of a budget of 20 min 0 s",
        "\n    1     12      1",
        "\n    2     24      1",
        "verdict: regression · HEAD's cpu-per-payment is worse than BASE's by ",
        "because two independent stages",
        "not gated: payments-per-s, service-p99, peak-rss",
        "not gated: durable runs",
    ] {
        assert!(
            ended.stdout.contains(part),
            "{part:?} is missing in:\n{}",
            ended.stdout
        );
    }
    // Without a terminal a line every few seconds, and nothing else.
    let is_progress = |line: &str| line.contains(" of 1200 s: stage ");
    assert!(ended.stderr.lines().all(is_progress), "{}", ended.stderr);
}

#[test]
fn each_stage_runs_copies_of_its_own_after_a_warm_up_of_its_own() {
    let bench = bench(44_000);
    assert_eq!(gate(&bench, &[]).code, Some(6));
    let runs = bench.runs();
    assert_eq!(runs.len(), (1 + 12 + 1 + 24) * 3);
    let order = |runs: &[String]| -> String {
        let first = runs.iter().filter_map(|run| run.chars().next());
        first.collect()
    };
    let round = "123321231132312213";
    assert_eq!(order(&runs[..39]), format!("123{round}{round}"));
    assert_eq!(
        order(&runs[39..]),
        format!("123{round}{round}{round}{round}")
    );
    let options = "run --json --quiet --sessions 8 --payments 1k --baseline-sessions 0";
    assert!(runs.iter().all(|run| run.ends_with(options)), "{}", runs[0]);
}

#[test]
fn the_markdown_goes_to_a_file_or_in_the_texts_place() {
    let bench = bench(44_000);
    let ended = gate(&bench, &["--markdown", "verdict.md", "--json"]);
    assert_eq!(judged(&ended, 6)["verdict"], "regression");
    let text = fs::read_to_string(bench.path("verdict.md")).unwrap();
    for part in [
        "<!-- duet regression gate -->\n### Regression gate: regression\n",
        "| stage | pairs | looks |",
        "| 1 | 12 | 1 |",
        "| 2 | 24 | 1 |",
        "| BASE | a (executable), fake back end |",
        "| machine | a fake, 2 cores, avx2 |",
        "cpu-per-payment (gated)",
        "Not gated:",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
    let ended = gate(&bench, &["--markdown", "-"]);
    assert!(
        ended.stdout.starts_with("<!-- duet regression gate -->"),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains("verdict: "), "{}", ended.stdout);
    // Whoever names an option shall not call on anybody, or draw a picture.
    let hostile = gate(
        &bench,
        &["--markdown", "-", "--", "--amount", "@all<img src=x>|`"],
    );
    assert!(
        hostile
            .stdout
            .contains("--amount &#64;all&lt;img src=x&gt;\\|\\`"),
        "{}",
        hostile.stdout
    );
}

#[test]
fn a_markdown_file_that_cannot_be_written_is_refused_before_anything_runs() {
    let bench = bench(40_000);
    gate(&bench, &["--markdown", "no/such/folder.md"])
        .assert_refused(2, &["no/such", "does not exist"]);
    gate(&bench, &["--markdown", "-", "--json"]).assert_refused(2, &["--json contradicts"]);
    assert!(bench.runs().is_empty());
}

#[test]
fn another_metric_can_be_gated_and_more_throughput_is_no_slowdown() {
    let words = ["--json", "--metric", "payments-per-s"];
    let faster = judged(&gate(&bench(36_000), &words), 0);
    assert!(faster["stages"][0]["slowdown"]["ratio"].as_f64().unwrap() < 0.95);
    assert_eq!(
        judged(&gate(&bench(44_000), &words), 6)["metric"],
        "payments-per-s"
    );
}

#[test]
fn runs_that_do_not_compare_are_refused_and_named_differences_are_told() {
    let words = ["--b-args", "--shards 2 --cosign-every 100"];
    let bench = bench(40_000);
    gate(&bench, &words).assert_refused(2, &["cosign_every: A 1, B 100"]);
    let named = [&words[..], &["--across", "cosign_every", "--json"]].concat();
    let json = judged(&gate(&bench, &named), 0);
    assert!(
        json["differences"]
            .as_array()
            .unwrap()
            .contains(&json!({"key": "assurance.cosign_every", "a": 1, "b": 100})),
        "{json:#}"
    );
    let invalid = Fake {
        first: "if [ $n = 20 ]; then valid=false; reasons='\"it rained\"'; fi",
        ..Fake::default()
    };
    bench.fake("b", &invalid);
    bench.fake("a", &invalid);
    fs::remove_file(bench.path("count")).unwrap();
    gate(&bench, &[]).assert_refused(3, &["run 20 (", "is INVALID: it rained"]);
}

#[test]
fn a_gate_that_waits_for_a_reader_ends_when_it_is_asked_twice() {
    let bench = bench(44_000);
    let pipe = bench.path("pipe");
    mkfifoat(CWD, &pipe, Mode::RWXU).unwrap();
    let words = ["a", "b", "--markdown", "pipe", "--quiet"];
    let mut child = bench_command(&bench.path(""), "gate", &words)
        .spawn()
        .unwrap();
    // All runs are made, and nobody reads.
    let (mut made, mut since) = (0, Instant::now());
    while made == 0 || since.elapsed() < Duration::from_secs(2) {
        let now = bench.runs().len();
        if now > made {
            (made, since) = (now, Instant::now());
        }
        assert!(child.try_wait().unwrap().is_none(), "it waits for a reader");
        std::thread::sleep(Duration::from_millis(20));
    }
    for _ in 0..2 {
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        std::thread::sleep(Duration::from_millis(700));
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
