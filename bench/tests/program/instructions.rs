//! `bench instructions` from the command line to its exit code. Kernels and Valgrind are scripts
//! that print what a test plants; what the real ones print is pinned in
//! `src/instructions/count.rs`.

use std::fs;

use serde_json::{Value, json};

use crate::fake::{Bench, Ended, bench_command};

/// A bench whose bench targets `a` and `b` print these counts.
fn bench(a: &[(&str, u64)], b: &[(&str, u64)]) -> Bench {
    let bench = Bench::new();
    fs::create_dir(bench.path("tools")).expect("a folder");
    bench.script("tools/valgrind", "#!/bin/sh\necho valgrind-3.19.0\n");
    for (name, counts) in [("a", a), ("b", b)] {
        let lines: Vec<String> = counts
            .iter()
            .map(|(kernel, count)| line(kernel, *count))
            .collect();
        let script = format!(
            "#!/bin/sh\nmkdir \"$GUNGRAUN_HOME/instructions\" || exit 9\necho \"$*\" >> '{}'\ncat <<'END'\n{}\nEND\n",
            bench.path("log").display(),
            lines.join("\n")
        );
        bench.script(name, &script);
    }
    bench
}

fn line(kernel: &str, count: u64) -> String {
    let metrics = json!({"Ir": {"values": {"new": count}}});
    let profile = json!({"tool": "Callgrind", "data": {"total": {"metrics": metrics}}});
    json!({"function_name": kernel, "profiles": [profile]}).to_string()
}

fn count(bench: &Bench, words: &[&str]) -> Ended {
    let arguments = [&["a", "b"], words].concat();
    let mut command = bench_command(&bench.path(""), "instructions", &arguments);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = format!(
        "{}:{}",
        bench.path("tools").display(),
        path.to_string_lossy()
    );
    let ended = command.env("PATH", path).output();
    ended.expect("bench starts").into()
}

#[test]
fn a_kernel_beyond_the_threshold_fails_and_less_does_not() {
    for (head, words, code, verdict) in [
        (1_000_000, &[][..], 0, "pass"),
        (1_010_000, &[], 0, "pass"),
        (1_011_000, &[], 6, "regression"),
        (1_011_000, &["--threshold", "2%"], 0, "pass"),
        (900_000, &[], 0, "pass"),
    ] {
        let bench = bench(
            &[("sign", 1_000_000), ("verify", 5)],
            &[("sign", head), ("verify", 5)],
        );
        let ended = count(&bench, &[words, &["--json"]].concat());
        assert_eq!(ended.code, Some(code), "{head}: {}", ended.stderr);
        let json: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(json["verdict"], verdict, "{head}");
        assert_eq!(json["kernels"][0]["head"], head);
        assert_eq!(json["valgrind"], "valgrind-3.19.0");
        assert_eq!(bench.runs(), ["--bench --output-format=json"; 2]);
    }
}

#[test]
fn kernels_of_one_side_are_told_and_a_pair_without_common_ones_is_refused() {
    let new = bench(&[("sign", 10)], &[("sign", 10), ("fold", 3)]);
    let ended = count(&new, &["--markdown", "counts.md"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("verdict: pass · none of 1 kernels"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("1 that only one side has"),
        "{}",
        ended.stdout
    );
    let markdown = fs::read_to_string(new.path("counts.md")).unwrap();
    assert!(
        markdown.contains("| fold | - | 3 | - | not gated |"),
        "{markdown}"
    );

    let strangers = bench(&[("sign", 10)], &[("fold", 3)]);
    count(&strangers, &[]).assert_refused(2, &["no kernel in common"]);
}

#[test]
fn what_is_missing_or_fails_is_said() {
    let bench = bench(&[("sign", 10)], &[("sign", 10)]);
    bench.script(
        "b",
        "#!/bin/sh\necho 'is gungraun-runner installed?' >&2\nexit 1\n",
    );
    count(&bench, &[]).assert_refused(1, &["failed", "gungraun-runner installed?"]);
    bench.script("b", "#!/bin/sh\necho hello\n");
    count(&bench, &[]).assert_refused(2, &["printed no counts: it is not JSON"]);
    bench.script("b", "#!/bin/sh\n");
    count(&bench, &[]).assert_refused(2, &["has no kernels"]);
    bench.script("tools/valgrind", "#!/bin/sh\nexit 3\n");
    count(&bench, &[]).assert_refused(1, &["valgrind --version ended with"]);
    count(&bench, &["--threshold", "0%"]).assert_refused(2, &["more than 0%"]);
    count(&bench, &["--markdown", "no/x.md"]).assert_refused(2, &["does not exist"]);
}
