//! `reports csv`, `hgrm` and `diff` with the real binary: what they print is what the run file
//! says, and what must not stand side by side is refused.

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Output},
};

use base64::{Engine as _, prelude::BASE64_STANDARD as STANDARD};
use duet_run_file::RunFile;
use duet_run_file::histogram::decode;
use hdrhistogram::{
    Histogram,
    serialization::{
        Deserializer,
        interval_log::{IntervalLogIterator, LogEntry},
    },
};
use serde_json::Value;
use tempfile::TempDir;

use crate::sample;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn text(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn run(&self, name: &str, change: impl FnOnce(&mut RunFile)) -> String {
        let mut run = sample::open_loop();
        change(&mut run);
        self.text(name, &run.to_json())
    }
}

fn reports(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reports"))
        .args(arguments)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What a command printed that went well.
fn printed(arguments: &[&str]) -> String {
    let output = reports(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What a command complained of that was refused.
fn refused(arguments: &[&str]) -> String {
    let output = reports(arguments);
    assert_eq!(
        output.status.code(),
        Some(2),
        "{arguments:?}: {}",
        stderr(&output)
    );
    assert!(output.stdout.is_empty(), "{arguments:?}");
    stderr(&output)
}

/// CSV as rows by column name.
fn rows(csv: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn the_summary_has_every_figure_under_its_frozen_name() {
    let folder = Folder::new();
    let one = folder.run("one.json", |_| {});
    let two = folder.run("two.json", |run| {
        run.workload.seed = 43;
        run.achieved.payments = u64::MAX;
        run.disputes = Some(sample::disputes());
        run.latency_ns.response = None;
    });
    let rows = rows(&printed(&["csv", &one, &two]));
    assert_eq!(rows.len(), 2);
    // Column → the first run's cell, the second's.
    let table = [
        ("run", "one", "two"),
        ("achieved.payments", "1000000", "18446744073709551615"),
        ("achieved.payments_per_s", "900900.9", "900900.9"),
        ("achieved.valid", "true", "true"),
        ("achieved.phases.baseline.wall_s", "0.8", "0.8"),
        ("assurance.durability", "off", "off"),
        ("workload.seed", "42", "43"),
        ("workload.l1.block_transactions", "1000", "1000"),
        ("latency_ns.response.p99", "4920000", ""),
        ("l1.offload.cpu.low", "951", "951"),
        ("l1.direct.sampled_sessions", "10", "10"),
        ("rejections.StaleVersion", "12", "12"),
        ("disputes.attacks.silent.cases", "", "100"),
        ("machine.features", "avx2 avx512ifma", "avx2 avx512ifma"),
        (
            "command",
            "loadgen --sessions 100",
            "loadgen --sessions 100",
        ),
    ];
    for (column, first, second) in table {
        assert_eq!(rows[0][column], first, "{column}");
        assert_eq!(rows[1][column], second, "{column}");
    }
    // A rate stands beside what it was bought with.
    let heading = printed(&["csv", &one]);
    let columns: Vec<&str> = heading.lines().next().unwrap().split(',').collect();
    let at = |start: &str| {
        columns
            .iter()
            .position(|name| name.starts_with(start))
            .unwrap()
    };
    assert!(at("achieved.") < at("assurance.") && at("assurance.") < at("workload."));
    assert!(
        !columns.iter().any(|name| name.starts_with("series")),
        "{columns:?}"
    );
}

#[test]
fn each_kind_of_rows_says_what_its_rates_were_bought_with() {
    let folder = Folder::new();
    let run = folder.run("run.json", |run| {
        run.disputes = Some(sample::disputes());
    });
    // What, rows, a column and its first cell.
    let table = [
        ("series", 1, "payments_per_s", "900000"),
        ("series", 1, "l1_transactions_per_s", "150"),
        ("stages", 4, "stage", "hash"),
        ("stages", 4, "cpu_ns_per_payment", "15"),
        ("offload", 9, "ratio", "5000"),
        ("disputes", 2, "attack", "silent"),
        ("durability", 0, "", ""),
    ];
    for (what, count, column, first) in table {
        let csv = printed(&["csv", &run, "--what", what]);
        let found = rows(&csv);
        assert_eq!(found.len(), count, "{what}");
        if count > 0 {
            assert_eq!(found[0][column], first, "{what}");
        }
        if ["series", "stages", "latency"].contains(&what) {
            assert_eq!(found[0]["cosign_every"], "100", "{what}");
            assert_eq!(found[0]["durability"], "off", "{what}");
        }
        let json = printed(&["csv", &run, "--what", what, "--json"]);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json.as_array().unwrap().len(), count, "{what}");
        if count > 0 {
            assert!(json[0].get(column).is_some(), "{what}: {json}");
        }
    }
}

#[test]
fn the_latency_rows_are_the_histogram() {
    let folder = Folder::new();
    let run = sample::open_loop();
    let path = folder.run("run.json", |_| {});
    let histogram = decode(run.latency_histogram.service.as_deref().unwrap()).unwrap();
    let rows = rows(&printed(&["csv", &path, "--what", "latency"]));
    let service: Vec<_> = rows.iter().filter(|row| row["kind"] == "service").collect();
    assert!(service.len() > 20 && service.len() < rows.len());
    for row in &service {
        let percentile: f64 = row["percentile"].parse().unwrap();
        let value: u64 = row["latency_ns"].parse().unwrap();
        let expected = histogram.value_at_quantile(percentile / 100.0);
        assert!(histogram.equivalent(value, expected), "{row:?}: {expected}");
    }
    assert_eq!(service.last().unwrap()["payments_within"], "1000000");
}

#[test]
fn hgrm_is_read_as_the_plotters_read_it() {
    let folder = Folder::new();
    let path = folder.run("run.json", |_| {});
    let run = sample::open_loop();
    for (arguments, of, scale) in [
        (vec!["hgrm", &path], &run.latency_histogram.response, 1e6),
        (
            vec!["hgrm", &path, "--of", "service", "--unit", "us"],
            &run.latency_histogram.service,
            1e3,
        ),
    ] {
        let histogram = decode(of.as_deref().unwrap()).unwrap();
        let text = printed(&arguments);
        // As the public plotters: lines of four numbers that begin with a space.
        let mut points = 0;
        for line in text.lines().filter(|line| line.starts_with(' ')) {
            let numbers: Vec<f64> = line
                .split_whitespace()
                .filter_map(|w| w.parse().ok())
                .collect();
            let &[value, share, count, inverse] = numbers.as_slice() else {
                continue;
            };
            points += 1;
            // Where a share is reached exactly, it may be taken as just missed.
            let [low, high] =
                [-1e-9, 1e-9].map(|off| histogram.value_at_quantile(share + off) as f64 / scale);
            assert!(
                value >= low * 0.999 && value <= high * 1.001,
                "{line}: {low} to {high}"
            );
            assert!(
                (inverse - 1.0 / (1.0 - share)).abs() <= 0.005 + inverse * 1e-4,
                "{line}"
            );
            assert!(count >= share * 1e6 - 1.0, "{line}");
        }
        assert!(points > 20, "{text}");
        assert_eq!(
            text.lines().filter(|line| line.starts_with("#[")).count(),
            3
        );
        assert!(text.ends_with("SubBuckets     =         2048]\n"), "{text}");
    }
}

#[test]
fn the_v2_log_is_read_back_by_the_library() {
    let folder = Folder::new();
    let path = folder.run("run.json", |_| {});
    let run = sample::open_loop();
    let log = printed(&["hgrm", &path, "--v2-log"]);
    let mut intervals = 0;
    for entry in IntervalLogIterator::new(log.as_bytes()) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            intervals += 1;
            assert_eq!(interval.duration().as_millis(), 1_110);
            let expected = decode(run.latency_histogram.response.as_deref().unwrap()).unwrap();
            // Compressed, as interval logs have it and no run file does.
            let bytes = STANDARD.decode(interval.encoded_histogram()).unwrap();
            let found: Histogram<u64> = (Deserializer::new())
                .deserialize(&mut bytes.as_slice())
                .unwrap();
            assert_eq!(found, expected);
        }
    }
    assert_eq!(intervals, 1, "{log}");
}

#[test]
fn a_latency_that_was_not_measured_is_refused_with_what_there_is() {
    let folder = Folder::new();
    let closed = folder.run("closed.json", |run| {
        run.workload.arrivals = "closed-loop".into();
        run.latency_histogram.response = None;
    });
    let message = refused(&["hgrm", &closed, "--of", "response"]);
    assert!(
        message.contains("it has no response latency, being a closed loop; it has: service"),
        "{message}"
    );
    assert!(printed(&["hgrm", &closed]).contains("TotalCount"));
    let none = folder.run("none.json", |run| {
        run.latency_histogram.response = None;
        run.latency_histogram.service = None;
    });
    assert!(refused(&["hgrm", &none]).contains("it has: none"));
}

#[test]
fn a_diff_puts_b_over_a() {
    let folder = Folder::new();
    let a = folder.run("a.json", |_| {});
    let b = folder.run("b.json", |run| {
        run.achieved.payments_per_s *= 1.5;
        run.assurance.durability = "fsync".into();
    });
    let text = printed(&["diff", &a, &b, "--across", "durability"]);
    let line = text
        .lines()
        .find(|line| line.starts_with("achieved.payments_per_s"));
    let cells: Vec<&str> = line.unwrap().split_whitespace().collect();
    assert_eq!(
        cells,
        [
            "achieved.payments_per_s",
            "901",
            "k",
            "1.35",
            "M",
            "1.5",
            "x"
        ]
    );
    assert!(text.contains("bench compare"), "{text}");

    let json = printed(&["diff", &a, &b, "--across", "durability", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let row = json["rows"].as_array().unwrap().iter();
    let row = row
        .clone()
        .find(|row| row["figure"] == "achieved.payments_per_s")
        .unwrap();
    assert_eq!(row["a"], 900_900.9);
    assert!(
        (row["ratio"].as_f64().unwrap() - 1.5).abs() < 1e-12,
        "{row}"
    );
    assert_eq!(json["differences"][0]["key"], "assurance.durability");

    let csv = rows(&printed(&["diff", &a, &a, "--csv"]));
    assert!(csv.iter().all(|row| row["ratio"] == "1"), "{csv:?}");
}

/// Rows of validators, as CSV, as text and on the page: the run's own, and whole systems beside one
/// validator. Votes are of block time, whatever is in the blocks.
#[test]
fn a_layer_1_with_validators_has_rows_of_its_votes() {
    let folder = Folder::new();
    let plain = folder.run("plain.json", |run| run.l1.chain = Some(sample::chain()));
    let one = folder.run("one.json", |run| {
        let mut chain = sample::chain();
        chain.consensus = Some(sample::consensus());
        run.l1.chain = Some(chain);
    });
    for what in ["consensus", "whole-system"] {
        assert!(rows(&printed(&["csv", &plain, "--what", what])).is_empty());
    }
    let of_run = rows(&printed(&["csv", &one, "--what", "consensus"]));
    assert_eq!(of_run.len(), 1);
    for (column, expected) in [
        ("validators", "7"),
        ("heights", "60"),
        ("messages_per_block", "110"),
        ("last_decision_p99_s", "1.84"),
        ("answer_delay_max_blocks", "2"),
    ] {
        assert_eq!(of_run[0][column], expected, "{column}");
    }
    let systems = rows(&printed(&["csv", &one, "--what", "whole-system"]));
    let named: Vec<&str> = systems.iter().map(|row| row["system"].as_str()).collect();
    let expected = [
        "one validator",
        "whole system, n = 1",
        "whole system, n = 100",
    ];
    assert_eq!(named, expected);
    let number = |row: usize, column: &str| systems[row][column].parse::<f64>().unwrap();
    for column in [
        "transactions",
        "transactions_verified",
        "transactions_bytes",
    ] {
        assert_eq!(number(1, column), number(0, column), "{column}");
        assert_eq!(number(2, column), 100.0 * number(0, column), "{column}");
    }
    // 348 intervals, of which 60 had anything in them; 99 validators hear each of 201 messages.
    assert_eq!(number(2, "intervals"), 348.0);
    assert_eq!(number(2, "votes_verified"), 348.0 * 99.0 * 201.0);
    assert_eq!(
        number(2, "idle_votes_verified"),
        number(2, "votes_verified")
    );
    assert_eq!(number(2, "marginal_votes"), 0.0);
    assert_eq!(
        (
            systems[0]["votes_verified"].as_str(),
            systems[1]["votes_verified"].as_str()
        ),
        ("", "0")
    );

    let shown = printed(&["show", &one]);
    for part in [
        "L1 CONSENSUS",
        "WHOLE SYSTEM",
        "whole system, n = 100",
        "charged by block time",
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    let page = folder.text("page.html", "");
    printed(&["html", &one, "-o", &page]);
    let page = fs::read_to_string(page).unwrap();
    for part in [
        "<figure id=\"consensus\"",
        "<figure id=\"whole-system\"",
        "one more of these adds no vote",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_by_all_but_show() {
    let folder = Folder::new();
    let text = sample::open_loop().to_json();
    let good = folder.run("good.json", |_| {});
    let cut = folder.text("cut.json", &text[..text.len() / 2]);
    let schema = folder.text(
        "schema.json",
        &text.replacen("\"schema\": 1", "\"schema\": 9", 1),
    );
    let invalid = folder.run("invalid.json", |run| {
        run.achieved.valid = false;
        run.achieved.invalid_reasons = vec!["balances differ".into()];
    });
    let corrupt = folder.run("corrupt.json", |run| {
        run.latency_histogram.response = Some("no base64!".into());
    });
    let other = folder.run("other.json", |run| run.workload.pattern = "one-way".into());
    for (file, expected) in [
        (&cut, "cut.json: truncated: "),
        (&schema, "schema.json: schema 9; this build reads 1"),
        (
            &invalid,
            "invalid.json: the run is INVALID: balances differ; expected a VALID run",
        ),
        (
            &corrupt,
            "corrupt.json: `latency_histogram.response`: not base64: ",
        ),
    ] {
        let commands: [&[&str]; 5] = [
            &["csv", file],
            &["csv", &good, file, "--what", "series"],
            &["hgrm", file],
            &["diff", &good, file],
            &["diff", file, &good, "--json"],
        ];
        for command in commands {
            let message = refused(command);
            assert!(message.contains(expected), "{command:?}: {message}");
        }
    }
    for command in ["csv", "diff"] {
        let message = refused(&[command, &good, &other]);
        for part in [
            "workload.pattern: \"two-way\" and \"one-way\"",
            "--across workload.pattern",
        ] {
            assert!(message.contains(part), "{command}: {message}");
        }
        printed(&[command, &good, &other, "--across", "pattern"]);
    }
    assert!(printed(&["show", &invalid]).starts_with("INVALID: balances differ"));
    let noted = reports(&["csv", &good, "--across", "typo"]);
    assert!(
        stderr(&noted).contains("--across typo names nothing"),
        "{}",
        stderr(&noted)
    );
    for usage in [
        &["csv"][..],
        &["diff", &good],
        &["hgrm"],
        &["csv", &good, "--what", "x"],
    ] {
        assert_eq!(reports(usage).status.code(), Some(2), "{usage:?}");
    }
    for command in ["csv", "diff", "hgrm", "html"] {
        assert!(
            printed(&[command, "--help"]).contains("Examples:"),
            "{command}"
        );
    }
}
