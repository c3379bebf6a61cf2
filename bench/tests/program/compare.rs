//! `bench compare` from the command line to its exit code, on executables with planted figures.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::fake::{Bench, Fake, assert_nothing_left, compare_command, heeded, run_file};

/// A bench with fakes `a` and `b`.
fn bench(a: &Fake, b: &Fake) -> Bench {
    let bench = Bench::new();
    bench.fake("a", a);
    bench.fake("b", b);
    bench
}

fn with_cpu_ns(cpu_ns: u64) -> Fake {
    Fake {
        cpu_ns,
        ..Fake::default()
    }
}

fn at_first(first: &'static str) -> Fake {
    Fake {
        first,
        ..Fake::default()
    }
}

/// A of 40 µs and noise of ± 2 % against a B of `b_cpu_ns`.
fn check_verdict(b_cpu_ns: u64, expected: &str) {
    let result = bench(&with_cpu_ns(40_000), &with_cpu_ns(b_cpu_ns))
        .compare(&["a", "b", "--json"])
        .json();
    assert_eq!(result["verdict"], expected, "{result:#}");
    let ratio = result["metrics"][0]["ratio"]["median"].as_f64();
    let ratio = ratio.expect("a median ratio");
    let planted = b_cpu_ns as f64 / 40_000.0;
    assert!(
        (ratio / planted - 1.0).abs() < 0.02,
        "{ratio} planted {planted}"
    );
}

#[test]
fn planted_differences_are_found_and_equal_code_is_not_blamed() {
    check_verdict(44_000, "slower");
    check_verdict(36_000, "faster");
    check_verdict(40_000, "no difference seen");
}

#[test]
fn the_text_shows_every_metric_and_the_verdict() {
    let ended = bench(&with_cpu_ns(40_000), &with_cpu_ns(60_000)).compare(&["a", "b"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for part in [
        "cpu-per-payment  ns",
        "payments-per-s   1/s",
        "service-p99      ns",
        "peak-rss         MiB",
        "durability none",
        "verdict: slower · B's cpu-per-payment is 1.",
    ] {
        assert!(
            ended.stdout.contains(part),
            "{part:?} is missing in:\n{}",
            ended.stdout
        );
    }
    // Without a terminal a line every few seconds, and nothing else.
    let is_progress = |line: &str| line.contains(" of 33 runs: ");
    assert!(ended.stderr.lines().all(is_progress), "{}", ended.stderr);
}

#[test]
fn another_metric_can_decide() {
    let result = bench(&with_cpu_ns(40_000), &with_cpu_ns(60_000))
        .compare(&["a", "b", "--json", "--metric", "peak-rss"])
        .json();
    assert_eq!(result["metric"], "peak-rss");
    assert_eq!(result["verdict"], "no difference seen");
    assert_eq!(result["metrics"][1]["name"], "payments-per-s");
    assert_eq!(
        result["metrics"][1]["verdict"], "slower",
        "fewer payments/s"
    );
}

#[test]
fn runs_are_warmed_up_and_interleaved() {
    let bench = bench(&Fake::default(), &Fake::default());
    let result = bench.compare(&["a", "b", "--json", "--pairs", "4"]).json();
    assert_eq!(result["pairs"].as_array().unwrap().len(), 4);
    let order: String = bench
        .runs()
        .iter()
        .filter_map(|run| run.chars().next())
        .collect();
    assert_eq!(
        order, "123123321231132",
        "warm-up, A B A', mirrored, B A' A, mirrored"
    );
    let options = "run --json --quiet --sessions 8 --payments 2k --baseline-sessions 0";
    assert!(bench.runs().iter().all(|run| run.ends_with(options)));
}

#[test]
fn workload_options_go_to_both_sides_and_extra_ones_to_one() {
    let bench = bench(&Fake::default(), &Fake::default());
    let arguments = [
        "a",
        "a",
        "--json",
        "--pairs",
        "2",
        "--a-args",
        "--shards 1",
        "--b-args",
        "--shards 2",
        "--across",
        "workload.shards",
        "--",
        "--payments",
        "5k",
    ];
    let result = bench.compare(&arguments).json();
    let expected = json!([
        {"key": "workload.seed", "a": 1, "b": 2},
        {"key": "workload.shards", "a": 1, "b": 2},
    ]);
    assert_eq!(result["differences"], expected);
    assert_eq!(result["same_bytes"], true);
    assert_eq!(result["b"]["extra_options"], json!(["--shards", "2"]));
    let common = "run --json --quiet --payments 5k";
    for run in bench.runs() {
        let shards = if run.starts_with('2') { 2 } else { 1 };
        assert!(
            run.ends_with(&format!("{common} --shards {shards}")),
            "{run}"
        );
    }
}

#[test]
fn another_assurance_is_refused_before_any_pair_runs() {
    let durable = Fake {
        durability: "fsync",
        ..Fake::default()
    };
    let bench = bench(&Fake::default(), &durable);
    let refused = bench.compare(&["a", "b"]);
    refused.assert_refused(
        2,
        &[
            r#"assurance.durability: A "none", B "fsync""#,
            "--across assurance.durability",
        ],
    );
    assert_eq!(bench.runs().len(), 2, "one run of A and one of B");

    let wanted = [
        "a",
        "b",
        "--across",
        "assurance.durability",
        "--pairs",
        "2",
        "--json",
    ];
    let result = bench.compare(&wanted).json();
    let key = &result["differences"][0];
    assert_eq!(
        *key,
        json!({"key": "assurance.durability", "a": "none", "b": "fsync"})
    );
}

#[test]
fn another_workload_is_refused_unless_named() {
    let two_way = Fake {
        pattern: "two-way",
        ..Fake::default()
    };
    let bench = bench(&Fake::default(), &two_way);
    bench
        .compare(&["a", "b", "--across", "assurance.durability"])
        .assert_refused(2, &[r#"workload.pattern: A "one-way", B "two-way""#]);
    let ended = bench.compare(&["a", "b", "--across", "workload.pattern", "--pairs", "2"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended
            .stdout
            .contains(r#"differs    workload.pattern: A "one-way", B "two-way""#)
    );
}

#[test]
fn one_choice_that_stands_in_two_places_is_named_once() {
    let bench = bench(&Fake::default(), &Fake::default());
    let options = ["a", "a", "--pairs", "2", "--b-args", "--cosign-every 100"];
    bench.compare(&options).assert_refused(
        2,
        &[
            "assurance.cosign_every: A 1, B 100",
            "workload.cosign_every: A 1, B 100",
        ],
    );
    let named = [&options[..], &["--across", "assurance.cosign_every"]].concat();
    assert_eq!(bench.compare(&named).code, Some(0));
}

#[test]
fn a_run_that_changes_on_the_way_is_refused() {
    let drifting = at_first("[ $n -lt 6 ] || cosign_every=7");
    bench(&drifting, &drifting)
        .compare(&["a", "b"])
        .assert_refused(2, &["assurance.cosign_every", "later run 7"]);
}

#[test]
fn an_across_that_names_nothing_is_noted() {
    let bench = bench(&Fake::default(), &with_cpu_ns(41_000));
    let options = ["a", "b", "--pairs", "2", "--across", "workload.patern"];
    let ended = bench.compare(&options);
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stderr.contains("--across patern names nothing"),
        "{}",
        ended.stderr
    );
    let quiet = bench.compare(&[&options[..], &["--quiet"]].concat());
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
}

#[test]
fn an_invalid_run_ends_the_comparison() {
    let invalid = at_first(
        "if [ $n = 5 ]; then valid=false; reasons='\"offered rate not held\"'; echo gone >&2; fi",
    );
    bench(&invalid, &invalid)
        .compare(&["a", "b"])
        .assert_refused(
            3,
            &["run 5 of 33 (B) is INVALID: offered rate not held", "gone"],
        );
    let exits_3 = at_first("echo 'rate lost' >&2; exit 3");
    bench(&Fake::default(), &exits_3)
        .compare(&["a", "b"])
        .assert_refused(3, &["run 2 of 33 (B)", "rate lost"]);
}

#[test]
fn a_crash_ends_the_comparison_with_the_runs_own_words() {
    let crash = at_first("if [ $n = 7 ]; then echo 'the disk is gone' >&2; exit 101; fi");
    bench(&crash, &crash).compare(&["a", "b"]).assert_refused(
        1,
        &[
            "run 7 of 33 (A') failed",
            "101",
            "the disk is gone",
            "loadgen run --json",
        ],
    );
    let killed = at_first("kill -9 $$");
    bench(&killed, &killed)
        .compare(&["a", "b"])
        .assert_refused(1, &["run 1 of 33 (A) failed", "signal"]);
}

#[test]
fn bad_workload_options_stay_bad_input() {
    let picky = at_first("echo 'unexpected argument' >&2; exit 2");
    bench(&picky, &picky)
        .compare(&["a", "b", "--", "--paymnets", "3"])
        .assert_refused(2, &["unexpected argument", "--paymnets 3"]);
}

#[test]
fn output_that_is_no_run_file_is_refused() {
    let bench = Bench::new();
    bench.script("a", "#!/bin/sh\necho hello\n");
    bench
        .compare(&["a", "a"])
        .assert_refused(2, &["run 1 of 33 (A)", "no run file", "not JSON"]);
    bench.script("a", "#!/bin/sh\necho '{\"schema\": 9}'\n");
    bench.compare(&["a", "a"]).assert_refused(2, &["schema 9"]);
    bench.script("a", "#!/no/such/interpreter\n");
    bench
        .compare(&["a", "a"])
        .assert_refused(2, &["run 1 of 33 (A) cannot be started"]);
}

#[test]
fn a_metric_that_the_runs_lack_cannot_decide() {
    let bench = Bench::new();
    let mut file = run_file();
    file["latency_ns"]["service"] = json!(null);
    file["memory"]["peak_rss_bytes"] = json!(0);
    bench.script("a", &format!("#!/bin/sh\necho '{file}'\n"));
    let options = ["a", "a", "--pairs", "2", "--json"];
    bench
        .compare(&[&options[..], &["--metric", "p99"]].concat())
        .assert_refused(2, &["measured no service-p99"]);
    let result = bench.compare(&options).json();
    assert_eq!(result["metrics"].as_array().unwrap().len(), 2);
}

#[test]
fn names_that_cannot_be_used_are_refused_at_once() {
    let bench = bench(&Fake::default(), &Fake::default());
    bench.permit("b", 0o644);
    bench
        .compare(&["a", "b"])
        .assert_refused(2, &["B:", "\"b\"", "not executable"]);
    bench
        .compare(&["nowhere", "a"])
        .assert_refused(2, &["A:", "\"nowhere\"", "no file"]);
    bench
        .compare(&["a", "tmp"])
        .assert_refused(2, &["B:", "is a directory"]);
    bench.compare(&["a", "WORKTREE"]).assert_refused(
        2,
        &["git has no repository for us here", "not a git repository"],
    );
    bench
        .compare(&["a", "a", "--pairs", "0"])
        .assert_refused(2, &["2 to 1000"]);
    bench.compare(&["a"]).assert_refused(2, &["<B>"]);
    assert!(bench.runs().is_empty());
}

#[test]
fn help_has_examples() {
    let bench = env!("CARGO_BIN_EXE_bench");
    let help = Command::new(bench)
        .args(["compare", "--help"])
        .output()
        .unwrap();
    assert!(help.status.success());
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.contains("bench compare HEAD~1 HEAD"), "{text}");
}

#[test]
fn an_interrupt_stops_the_run_and_exits_130() {
    for signal in [heeded(Signal::INT), Signal::TERM] {
        let bench = Bench::new();
        bench.fake("a", &at_first("exec sleep 60"));
        let folder = bench.path("");
        let started = Instant::now();
        let child = compare_command(&folder, &["a", "a"]).spawn().unwrap();
        while bench.runs().is_empty() {
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "no run has begun"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        assert!(output.stdout.is_empty());
        assert!(
            started.elapsed() < Duration::from_secs(40),
            "the run was waited for"
        );
        assert_nothing_left(&folder);
    }
}

/// Asked twice, bench does not wait for a run that does not heed it, and leaves none behind.
#[test]
fn a_second_interrupt_leaves_no_run_behind() {
    let bench = Bench::new();
    bench.fake(
        "a",
        &at_first("trap '' TERM; echo $$ > pid; sleep 60 & wait; wait"),
    );
    let folder = bench.path("");
    let child = compare_command(&folder, &["a", "a"]).spawn().unwrap();
    let started = Instant::now();
    let pid = loop {
        let text = fs::read_to_string(bench.path("pid")).unwrap_or_default();
        match text.trim().parse().ok().and_then(Pid::from_raw) {
            Some(pid) => break pid,
            None => assert!(started.elapsed() < Duration::from_secs(30), "no run began"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    for _ in 0..2 {
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        std::thread::sleep(Duration::from_millis(700));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let stat = format!("/proc/{}/stat", pid.as_raw_nonzero());
    // It is gone, or dead and waits for whoever is its parent now.
    let runs = || fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    while runs() {
        assert!(
            started.elapsed() < Duration::from_secs(40),
            "the run goes on"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn executables_may_be_replaced_during_a_session() {
    let bench = Bench::new();
    let folder = bench.path("");
    let vanish = format!("rm -f '{0}/a' '{0}/b'", folder.display());
    let fake = Fake {
        first: Box::leak(vanish.into_boxed_str()),
        ..Fake::default()
    };
    bench.fake("a", &fake);
    bench.fake("b", &fake);
    assert_eq!(bench.compare(&["a", "b", "--pairs", "2"]).code, Some(0));
    assert!(!fs::exists(bench.path("a")).unwrap());
}
