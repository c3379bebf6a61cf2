//! Runs the real `reports plan` on sweeps: what it answers, what it refuses, and how it exits.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use duet_run_file::{
    RunFile,
    run_file::{Durability, L1Alone, L1Fed, Merged, Percentiles, Phase, Stage},
    sweep::Line,
};
use hdrhistogram::{
    Histogram,
    serialization::{Serializer as _, V2Serializer},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::sample;

const LOAD: [&str; 9] = [
    "plan",
    "--rate",
    "1M",
    "--channels",
    "1M",
    "--payments",
    "1k",
    "--slo",
    "p99=50ms",
];

fn reports(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reports"))
        .args(arguments)
        .output()
        .unwrap()
}

fn plan(more: &[&str], file: &Path) -> Output {
    let from = ["--from", file.to_str().unwrap()];
    reports(&[&LOAD[..], more, &from].concat())
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    assert!(stderr(output).is_empty(), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A run whose payment costs 6 µs of CPU time, 150 µs more a wave and 40 a session, and each
/// channel 1,200 bytes. Ten seconds; rates are per run.
fn run(shards: u64, channels: u64, rate: Option<f64>, durable: bool) -> RunFile {
    let mut run = sample::open_loop();
    let (payment_s, wave_s, session_s, sync_s) = (6e-6, 150e-6, 40e-6, f64::from(durable) * 1e-3);
    let took = |wave: f64| wave * (payment_s + wave_s / wave + session_s / 1e3) + sync_s;
    let (mut wave, cap) = (1.0_f64, 4_000.0);
    match rate {
        None => wave = cap,
        Some(rate) => {
            for _ in 0..50_000 {
                let arriving = rate / shards as f64 * took(wave);
                wave = (arriving + (-arriving).exp()).min(cap);
            }
        }
    }
    let most = shards as f64 * wave / took(wave);
    let held = rate.is_none_or(|rate| rate <= most * 1.000_001);
    let per_s = rate.map_or(most, |rate| rate.min(most));
    let seconds = 10.0;
    let payments = (per_s * seconds) as u64;
    let made = payments as f64;

    let workload = &mut run.workload;
    (workload.shards, workload.concurrent) = (shards, channels);
    (workload.cosign_every, workload.in_flight) = (1, 16);
    (workload.sessions, workload.payments_per_session) = (payments / 1_000, 1_000);
    workload.offered_per_s = rate;
    workload.arrivals = if rate.is_some() {
        "poisson"
    } else {
        "closed-loop"
    }
    .into();
    workload.capacity = "100000".into();
    workload.cosign_after_ms = None;

    let assurance = &mut run.assurance;
    (assurance.cosign_every, assurance.in_flight) = (1, 16);
    assurance.payments_per_cosigning = Some(1.0);
    (assurance.batch_size, assurance.signatures_per_key_per_batch) = (wave, 1.0);
    assurance.durability = if durable { "fsync" } else { "none" }.into();

    let achieved = &mut run.achieved;
    (achieved.payments, achieved.wall_s, achieved.payments_per_s) = (payments, seconds, per_s);
    achieved.steady_payments_per_s = Some(per_s);
    achieved.sessions_opened = payments / 1_000;
    achieved.phases = vec![Phase {
        name: "opening".into(),
        wall_s: 0.0,
        cpu_s: 0.0,
        sessions: None,
    }];
    achieved.valid = held;
    if !held {
        let reason = format!("the offered rate was not held: {per_s} of {rate:?} payments/s");
        achieved.invalid_reasons = vec![reason];
    }
    let stage = |name: &str, role: &str, unit: &str, per_payment_s: f64| Stage {
        name: name.into(),
        role: role.into(),
        items: payments,
        cpu_ns_per_item: per_payment_s * 1e9,
        cpu_s: per_payment_s * made,
        unit: unit.into(),
    };
    run.stages = vec![
        stage("sign", "payer", "signature", payment_s / 2.0),
        stage("sign", "payee", "signature", payment_s / 2.0),
        stage("verify", "payer", "signature", wave_s / wave / 2.0),
        stage("verify", "payee", "signature", wave_s / wave / 2.0),
        stage("settle", "l1", "transaction", session_s / 1e3),
    ];
    achieved.cpu_s = run.stages.iter().map(|stage| stage.cpu_s).sum();
    run.checks.stage_cpu_share = 1.0;
    let ns = (4.0 * took(wave) * 1e9) as u64 + 1_000_000;
    run.latency_ns.response = rate.map(|_| Percentiles {
        p50: ns / 4,
        p90: ns / 2,
        p99: ns,
        p999: 2 * ns,
        max: 4 * ns,
    });
    run.latency_histogram.service = Some(histogram(payments, (took(wave) * 1e9) as u64));
    run.memory.peak_rss_bytes = 30_000_000 + 10_000_000 * shards + 1_200 * channels;
    run.machine.cores = 2;
    run.durability = durable.then(|| Durability {
        directory: "log".into(),
        file_system: "ext4".into(),
        in_memory: false,
        commits: (made / wave) as u64,
        records: 2 * payments,
        bytes_written: (made * (300.0 + 4_096.0 / wave)) as u64,
        syncs: (2.0 * made / wave) as u64,
        sync_p50_ns: 500_000,
        sync_p99_ns: 900_000,
        sync_max_ns: 1_000_000,
        sync_histogram: None,
        resumed: None,
    });
    run
}

fn histogram(count: u64, ns: u64) -> String {
    let mut histogram = Histogram::<u64>::new(3).unwrap();
    histogram.record_n(ns, count).unwrap();
    let mut bytes = Vec::new();
    V2Serializer::new()
        .serialize(&histogram, &mut bytes)
        .unwrap();
    BASE64_STANDARD.encode(bytes)
}

fn runs(durable: bool) -> Vec<RunFile> {
    let mut runs = Vec::new();
    for shards in [1, 2] {
        for rate in [10e3, 40e3, 80e3, 120e3, 200e3] {
            runs.push(run(shards, 3_000, Some(rate * shards as f64), durable));
        }
        runs.push(run(shards, 3_000, None, durable));
    }
    for channels in [1_000, 30_000, 100_000] {
        runs.push(run(2, channels, Some(80e3), durable));
    }
    runs
}

fn sweep_text(runs: &[RunFile]) -> String {
    let line = |(repeat, run): (u32, &RunFile)| Line {
        cell: vec!["--made-up".into()],
        repeat,
        calibration: None,
        run: run.clone(),
    };
    (0..).zip(runs).map(|run| line(run).to_json()).collect()
}

fn sweep(folder: &TempDir, name: &str, runs: &[RunFile]) -> PathBuf {
    write(folder, name, &sweep_text(runs))
}

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

/// A text whose lines are not broken.
fn unbroken(text: &str) -> String {
    text.split_whitespace().collect::<Vec<&str>>().join(" ")
}

#[test]
fn a_plan_answers_in_its_first_lines_and_within_80_columns() {
    let folder = TempDir::new().unwrap();
    let output = plan(&[], &sweep(&folder, "plan.sweep", &runs(false)));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    for (line, words) in [
        (
            0,
            &[
                "Buy ",
                " machines + 1 spare like AMD EPYC",
                ", 2 cores, back end avx512",
            ][..],
        ),
        (
            1,
            &["Expect p99 of ", " payments/s each, 50 ms with no headroom"],
        ),
        (
            2,
            &[
                "Expect ",
                " µs of CPU time a payment, both ends, 40.0 ns of it for its session",
            ],
        ),
    ] {
        for words in words {
            assert!(
                lines[line].contains(words),
                "{words} in line {line}:\n{text}"
            );
        }
    }
    let first = unbroken(&lines[3..18].join(" "));
    let mut rest = &first[..];
    for words in [
        "plan for 1 M/s, 1 M channels of 1 k payments",
        "30.0 % of the rate is headroom",
        "binds cpu",
        "(90 %)",
        "error rate ",
        "(held out: median, worst)",
    ] {
        let at = rest.find(words);
        let at = at.unwrap_or_else(|| panic!("{words}, in this order:\n{text}"));
        rest = &rest[at + words.len()..];
    }
    for heading in [
        "WHAT BINDS",
        "HOLD-OUT ERROR",
        "BEYOND THE SWEEP",
        "NOT IN THE PLAN",
        "RUNS",
    ] {
        assert!(text.contains(heading), "{heading}:\n{text}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.contains('…'), "{line}");
    }
}

#[test]
fn a_plan_cuts_nothing_however_long_it_is() {
    let folder = TempDir::new().unwrap();
    let mut all = runs(false);
    let processor = "a processor with a name that goes on ".repeat(8);
    for run in &mut all {
        run.machine.cpu = processor.trim().to_owned();
    }
    all[1].achieved.valid = false;
    all[1].achieved.invalid_reasons = (0..40).map(|number| format!("reason {number}")).collect();
    all[1].achieved.payments += 1;
    let name = format!("{}.sweep", "long-name-".repeat(20));
    let output = plan(&[], &sweep(&folder, &name, &all));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.contains('…') && !line.contains(", +"), "{line}");
    }
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    for whole in [processor.as_str(), "reason 39", &name] {
        assert!(bare(&text).contains(&bare(whole)), "{whole}:\n{text}");
    }
}

#[test]
fn what_is_expected_lies_between_an_idle_shard_and_the_objective() {
    let folder = TempDir::new().unwrap();
    let file = sweep(&folder, "plan.sweep", &runs(false));
    let expected = |headroom: &str| {
        let found = json(&plan(&["--json", "--headroom", headroom], &file));
        found["response_ns"].as_f64().unwrap()
    };
    let (full, some, much) = (expected("0%"), expected("30%"), expected("60%"));
    assert!(
        much > 0.0 && much <= some && some < full,
        "{much} {some} {full}"
    );
    assert!(full <= 50e6 * 1.001, "{full}");
}

#[test]
fn duets_own_layer_1_is_divided_by_the_load_and_what_machines_did_together_is_told() {
    let folder = TempDir::new().unwrap();
    let mut runs = runs(false);
    let fed = |transactions, wall_s| L1Fed {
        transactions,
        wall_s,
        cpu_s: wall_s,
    };
    // 100 k opens/s and 300 k closes/s: 75 k sessions/s.
    runs[0].l1.alone = Some(L1Alone {
        opens: fed(50_000, 0.5),
        closes: fed(30_000, 0.1),
        disputes: fed(0, 0.0),
    });
    let mut together = run(4, 1_000, None, false);
    together.merged = Some(Merged {
        run_id: "x".into(),
        of: 2,
        machines: 2,
        layer_1s: 1,
        overlap: 1.0,
        parts: Vec::new(),
    });
    let rate = together.achieved.payments_per_s;
    runs.push(together);
    let file = sweep(&folder, "plan.sweep", &runs);
    let found = json(&plan(&["--json"], &file));
    let own = &found["own_layer_1"];
    let near = |value: &Value, expected: f64| {
        let value = value.as_f64().unwrap();
        assert!((value / expected - 1.0).abs() < 1e-9, "{value} {expected}");
    };
    near(&own["sessions_per_s"], 75_000.0);
    // 1 M payments/s in sessions of 1 k.
    near(&own["share"], 1_000.0 / 75_000.0);
    near(&own["machines"], found["machines"].as_f64().unwrap() * 75.0);
    assert_eq!(found["together"][0]["machines"], 2);
    near(&found["together"][0]["payments_per_s"], rate);
    let text = stdout(&plan(&[], &file));
    assert!(text.contains("DUET'S OWN LAYER 1"), "{text}");
    assert!(text.contains("75 k sessions/s"), "{text}");
    assert!(text.contains("extrapolated, not"), "{text}");
    assert!(
        text.contains("measured together (2 machines, 4 shards)"),
        "{text}"
    );
}

#[test]
fn json_has_the_documented_names_and_the_numbers_add_up() {
    let folder = TempDir::new().unwrap();
    let file = sweep(&folder, "plan.sweep", &runs(true));
    let found = json(&plan(
        &["--json", "--durability", "fsync", "--role", "both"],
        &file,
    ));
    for name in [
        "cores",
        "machines",
        "spare_machines",
        "memory_bytes",
        "log_bytes_per_s",
        "log_space_bytes",
        "l1_block_share",
        "locked_value",
        "response_ns",
        "binding_constraint",
        "constraints",
        "interval",
        "holdout_error",
        "extrapolation",
        "assumptions",
        "excluded",
    ] {
        assert!(found.get(name).is_some(), "{name}: {found:#}");
    }
    let number = |name: &str| found[name].as_f64().unwrap();
    assert_eq!(number("machines"), (number("cores") / 2.0).ceil());
    // 1 M channels of 1,000 payments that lock 100 each.
    assert_eq!(number("locked_value"), 1e11);
    let fit = &found["fit"];
    let channel = fit["memory_channel_bytes"].as_f64().unwrap();
    assert!((channel / 1_200.0 - 1.0).abs() < 0.02, "{channel}");
    let logged = fit["log_bytes_per_payment"].as_f64().unwrap() * 1e6;
    assert!((number("log_bytes_per_s") / logged - 1.0).abs() < 1e-9);
    assert!((300e6..400e6).contains(&logged), "{logged}");
    for metric in ["cpu", "memory"] {
        let errors = &found["holdout_error"]["all"][metric];
        assert!(errors["median"].as_f64().unwrap() < 0.1, "{found:#}");
        assert!(errors["worst"].as_f64().unwrap() < 0.25, "{found:#}");
    }
    assert_eq!(found["interval"]["seed"], 1);
    assert!(found["excluded"].as_array().unwrap().len() > 3);
}

#[test]
fn the_inverse_says_what_the_machine_carries() {
    let folder = TempDir::new().unwrap();
    let file = sweep(&folder, "plan.sweep", &runs(false));
    let from = file.to_str().unwrap();
    let base = [
        "plan",
        "--inverse",
        "--slo",
        "p99=50ms",
        "--payments",
        "1k",
        "--json",
        "--from",
    ];
    let found = json(&reports(&[&base[..], &[from]].concat()));
    assert_eq!(found["inverse"], true);
    // Two shards, 30 % of each free, each at most at 1 / 6.04 µs.
    let rate = found["rate_per_s"].as_f64().unwrap();
    assert!((150e3..232e3).contains(&rate), "{rate}");
    assert_eq!(found["channels"], 100_000);
    let text = stdout(&reports(&["plan", "--slo", "p99=50ms", "--from", from]));
    assert!(
        text.starts_with("With 1 machine + 1 spare like AMD EPYC"),
        "{text}"
    );
    assert!(text.contains("\ncarry     "), "{text}");
}

#[test]
fn run_files_and_sweeps_may_be_mixed() {
    let folder = TempDir::new().unwrap();
    let all = runs(false);
    let file = sweep(&folder, "plan.sweep", &all[1..]);
    let single = write(&folder, "run.json", &all[0].to_json());
    let output = plan(&["--json", "--from", single.to_str().unwrap()], &file);
    assert_eq!(json(&output)["inputs"]["runs_used"], all.len());
}

#[test]
fn a_torn_line_is_told_and_the_rest_is_used() {
    let folder = TempDir::new().unwrap();
    let text = sweep_text(&runs(false));
    let file = write(&folder, "torn.sweep", &text[..text.len() - 100]);
    let found = json(&plan(&["--json"], &file));
    assert_eq!(found["inputs"]["runs_used"], runs(false).len() - 1);
    let note = found["inputs"]["notes"][0].as_str().unwrap();
    assert!(note.contains("its last line is torn"), "{note}");
}

#[test]
fn invalid_runs_are_named_and_the_plan_goes_on_without_them() {
    let folder = TempDir::new().unwrap();
    let mut all = runs(false);
    all[1].machine.others_share = Some(0.3);
    all[2].achieved.payments += 1;
    all[3].latency_histogram.service = Some(histogram(all[3].achieved.payments, 9_000_000_000));
    all[4].achieved.invalid_reasons = vec!["Layer 1's supply is not conserved".into()];
    let file = sweep(&folder, "plan.sweep", &all);
    let found = json(&plan(&["--json"], &file));
    assert_eq!(found["inputs"]["runs_used"], all.len() - 4);
    let invalid = found["inputs"]["invalid"].as_array().unwrap();
    for (index, words) in [
        (0, "other processes took 30.0 %"),
        (1, "its histogram holds "),
        (2, "Little's law: "),
        (3, "supply is not conserved"),
    ] {
        let reason = invalid[index]["reasons"][0].as_str().unwrap();
        assert!(reason.contains(words), "{words}: {reason}");
        let name = invalid[index]["run"].as_str().unwrap();
        assert!(name.ends_with(&format!("run {}", index + 2)), "{name}");
    }
    // What was busy may be let in by hand.
    let found = json(&plan(&["--json", "--busy-max", "50%"], &file));
    assert_eq!(found["inputs"]["runs_used"], all.len() - 3);
}

#[test]
fn what_cannot_be_planned_with_is_refused() {
    let folder = TempDir::new().unwrap();
    let all = runs(false);
    let text = sweep_text(&all);
    let mut busy = all.clone();
    for run in &mut busy {
        run.machine.stolen_share = Some(0.2);
    }
    let mut elsewhere = all.clone();
    elsewhere[5].machine.cpu = "Some other processor".into();
    let both = [all.clone(), runs(true)].concat();
    let closed: Vec<RunFile> = all
        .iter()
        .filter(|run| run.workload.offered_per_s.is_none())
        .flat_map(|run| {
            let mut later = run.clone();
            later.started_unix_s += 1;
            [run.clone(), later]
        })
        .collect();
    let table = [
        (
            write(&folder, "empty", ""),
            &[][..],
            "empty; expected a sweep or a run file",
        ),
        (write(&folder, "text", "hello\n"), &[], "not JSON"),
        (
            write(&folder, "bad-line", &text.replacen("wall_s", "wall", 1)),
            &[],
            "line 1: ",
        ),
        (
            write(
                &folder,
                "schema",
                &text.replacen("\"run\":{\"schema\":1", "\"run\":{\"schema\":7", 1),
            ),
            &[],
            "schema 7",
        ),
        (folder.path().join("missing"), &[], "cannot be read"),
        (
            sweep(&folder, "k", &all),
            &["--cosign-every", "100"],
            "no run has the assurance that is asked for; the files have:\n  co-signed every 1, 16 in \
             flight, durability none, back end avx512, two-way in \
             turns of 32: 15 runs",
        ),
        (
            sweep(&folder, "both", &both),
            &[],
            "runs of more than one assurance fit",
        ),
        (
            sweep(&folder, "busy", &busy),
            &[],
            "0 of 15 runs can be planned with; expected at least 3\n  INVALID ",
        ),
        (
            sweep(&folder, "machines", &elsewhere),
            &[],
            "run 6 ran on another machine (Some other processor, 2 cores)",
        ),
        (
            sweep(&folder, "closed", &closed),
            &[],
            "no open-loop rate was held",
        ),
    ];
    for (file, more, expected) in table {
        let output = plan(more, &file);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{expected}: {message}");
        assert!(stdout(&output).is_empty(), "{}", stdout(&output));
        assert!(message.contains(expected), "{expected}: {message}");
    }
}

#[test]
fn layer_1_without_room_exits_6_with_the_plan() {
    let folder = TempDir::new().unwrap();
    let file = sweep(&folder, "plan.sweep", &runs(false));
    let l1 = ["--l1", "ethereum-60m", "--disputes", "1%"];
    let output = plan(&l1, &file);
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    let text = stdout(&output);
    // 1,000 sessions a second of 189,219.4 gas, at 5 M gas a second.
    let line =
        "Layer 1   3784.4 % of ethereum-60m's blocks: IMPOSSIBLE, sessions need 37.8 k payments";
    assert!(unbroken(&text).contains(&unbroken(line)), "{text}");
    assert!(text.contains("\nbinds     l1\n"), "{text}");
    assert!(text.contains("LAYER 1 (modelled, not measured)"), "{text}");

    let inverse = [
        "plan",
        "--slo",
        "p99=50ms",
        "--json",
        "--l1",
        "ethereum-60m",
        "--from",
    ];
    let output = reports(&[&inverse[..], &[file.to_str().unwrap()]].concat());
    let found = json(&output);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(found["binding_constraint"], "cpu");
    assert!(found["l1_block_share"].as_f64().unwrap() < 1.0);

    let output = plan(&["--l1", "no-such-chain"], &file);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("no-such-chain"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_objective_that_nothing_meets_exits_6() {
    let folder = TempDir::new().unwrap();
    let file = sweep(&folder, "plan.sweep", &runs(false));
    let arguments = ["plan", "--inverse", "--slo", "p99=100us", "--from"];
    let output = reports(&[&arguments[..], &[file.to_str().unwrap()]].concat());
    assert_eq!(output.status.code(), Some(6));
    assert!(stdout(&output).is_empty());
    let message = stderr(&output);
    assert!(
        message.contains("no measured rate meets p99 at most 100 µs"),
        "{message}"
    );
    // The command that would measure lower ones.
    let command = "lower ones are not measured: sweep down to 1.25 k: loadgen sweep more.sweep \
                   --rate 2500,10000 --concurrent 3000 --shards 2 --payments 1000 --cosign-every 1 \
                   --in-flight 16 --durability none --backend avx512 -- --pattern two-way \
                   --turn-length 32";
    assert!(message.contains(command), "{message}");
}

/// Beyond the measured rates no percentile is said, but the command that would measure it.
#[test]
fn what_is_not_measured_is_said_with_the_command_for_it() {
    let folder = TempDir::new().unwrap();
    let base = "loadgen sweep more.sweep --rate ";
    let rest = " --concurrent 3000 --shards 2 --payments 1000 --cosign-every 1 --in-flight 16 \
                --durability none --backend avx512 -- --pattern two-way --turn-length 32";
    // Of the sweep's runs, those up to a rate a shard; what is asked → what is said, in JSON.
    let table = [
        (
            f64::MAX,
            &["--slo", "p99=10s"][..],
            "p99 between 120 k payments/s a shard, which was held, and 200 k, which was not: not \
             measured, and not counted on; sweep up to it: ",
            "293000,347000",
        ),
        (
            80e3,
            &["--slo", "p99=10s"],
            "p99 above 80 k payments/s a shard: not measured, and every rate below meets the \
             objective; sweep up to ",
            "",
        ),
        (
            f64::MAX,
            &[
                "--slo",
                "p99=50ms",
                "--headroom",
                "95%",
                "--memory-per-machine",
                "1GiB",
            ],
            "payments/s a shard: not measured below 10 k; sweep down to it: ",
            "",
        ),
    ];
    for (most, asked, said, swept) in table {
        let mut kept = runs(false);
        kept.retain(|run| {
            let rate = run.workload.offered_per_s;
            rate.is_none_or(|rate| rate / run.workload.shards as f64 <= most)
        });
        let late = kept.iter_mut().filter(|run| !run.achieved.valid);
        late.for_each(|run| run.achieved.open_loop.as_mut().unwrap().behind_s = 5.0);
        let file = sweep(&folder, "plan.sweep", &kept);
        let from = [
            "--inverse",
            "--payments",
            "1k",
            "--from",
            file.to_str().unwrap(),
        ];
        let found = json(&reports(&[&["plan", "--json"], asked, &from].concat()));
        let sentence = found["not_measured"].to_string();
        for words in [said, base, swept, rest] {
            assert!(sentence.contains(words), "{words}: {sentence}");
        }
        let is_below = said.contains("not measured below");
        assert_eq!(found["response_ns"].is_null(), is_below, "{found:#}");
        let text = stdout(&reports(&[&["plan"], asked, &from].concat()));
        assert!(text.contains("\nNOT MEASURED\n"), "{text}");
        assert!(
            text.contains("CAUTION   p99 is NOT MEASURED everywhere"),
            "{text}"
        );
        let first = text.lines().nth(1).unwrap();
        assert_eq!(first.contains("p99 NOT MEASURED at"), is_below, "{first}");
        // With no headroom it is what was measured at most, and not what was asked for.
        assert!(!first.contains("10 s with no headroom"), "{first}");
        assert_eq!(first.contains(" with no headroom"), !is_below, "{first}");
    }
    let file = sweep(&folder, "plan.sweep", &runs(false));
    let found = json(&plan(&["--json"], &file));
    assert_eq!(found["not_measured"], serde_json::json!([]));
    assert!(!stdout(&plan(&[], &file)).contains("NOT MEASURED"));
}

/// The back end that `auto` takes on this machine, by the rule of the engine.
fn backend_here() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512ifma") && is_x86_feature_detected!("avx512dq") {
            return "lanes/avx512-ifma";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return "lanes/avx2-fma";
        }
    }
    "dalek"
}

#[test]
fn another_back_end_than_this_machines_is_a_caution() {
    let folder = TempDir::new().unwrap();
    let caution = "is not the one that this machine takes";
    for (backend, warns) in [(backend_here(), false), ("lanes/plain", true)] {
        let mut all = runs(false);
        for run in &mut all {
            run.engine.backend = backend.into();
        }
        let file = sweep(&folder, "plan.sweep", &all);
        let text = unbroken(&stdout(&plan(&[], &file)));
        assert_eq!(text.contains(caution), warns, "{text}");
        let found = json(&plan(&["--json"], &file));
        assert_eq!(found["backend_here"], backend_here());
        assert_eq!(found["assurance"]["backend"], backend);
    }
}

/// The figure of a check by its name.
fn figure<'a>(found: &'a Value, name: &str) -> &'a Value {
    let figures = found["check"]["figures"].as_array().unwrap();
    let figure = figures.iter().find(|figure| figure["name"] == name);
    figure.unwrap_or_else(|| panic!("{name}: {found:#}"))
}

#[test]
fn a_run_is_set_beside_the_plan_with_what_is_amortised_told_apart() {
    let folder = TempDir::new().unwrap();
    let file = sweep(&folder, "plan.sweep", &runs(false));
    // At the planned point, but short: its channels made 100 payments each, where 1,000 are planned.
    let mut short = run(2, 100_000, Some(160e3), false);
    for stage in short
        .stages
        .iter_mut()
        .filter(|stage| stage.unit == "transaction")
    {
        stage.cpu_s *= 10.0;
    }
    short.achieved.sessions_opened *= 10;
    short.achieved.cpu_s = short.stages.iter().map(|stage| stage.cpu_s).sum();
    let phase = |name: &str, cpu_s: f64, sessions: Option<u64>| Phase {
        name: name.into(),
        wall_s: 0.0,
        cpu_s,
        sessions,
    };
    short.achieved.phases = vec![
        phase("set-up", 0.3, None),
        phase("opening", 1.5, Some(100_000)),
        phase("closing", 2.5, Some(100_000)),
    ];
    let short_file = write(&folder, "short.json", &short.to_json());
    let load = [
        "plan",
        "--rate",
        "160k",
        "--channels",
        "100k",
        "--payments",
        "1k",
        "--slo",
        "p99=50ms",
        "--headroom",
        "0%",
        "--from",
    ];
    let checked = |more: &[&str], run: &Path| {
        let more = [more, &["--check", run.to_str().unwrap()]].concat();
        reports(&[&load[..], &[file.to_str().unwrap()], &more].concat())
    };
    let found = json(&checked(&["--json"], &short_file));
    assert_eq!(found["machines"], 1);
    let near = |name: &str, which: &str, expected: f64| {
        let value = figure(&found, name)[which].as_f64().unwrap();
        assert!(
            (value / expected - 1.0).abs() < 0.05,
            "{name} {which}: {value}, {expected}"
        );
    };
    // A payment costs what was planned; so does a session; but a session has a tenth of payments.
    let each = figure(&found, "CPU a payment");
    assert!(each["error"].as_f64().unwrap().abs() < 0.05, "{each}");
    near("CPU a session", "planned", 40e-6);
    near("CPU a session", "measured", 40e-6);
    near("payments a session", "planned", 1_000.0);
    near("payments a session", "measured", 100.0);
    let all = "CPU a payment, its session's part in it";
    let difference = figure(&found, all)["measured"].as_f64().unwrap()
        - figure(&found, "CPU a payment")["measured"]
            .as_f64()
            .unwrap();
    assert!((difference / 400e-9 - 1.0).abs() < 0.01, "{difference}");
    near("opening", "measured", 15e-6);
    near("closing", "measured", 25e-6);
    near("keys, set-up a channel", "measured", 3e-6);
    let note = "NOT AT THE PLANNED POINT: 100 payments a session, planned 1 k";
    assert_eq!(found["check"]["notes"], serde_json::json!([note]));
    let text = stdout(&checked(&[], &short_file));
    assert!(text.contains("\nCHECK\n"), "{text}");

    // A run elsewhere is told so.
    let mut elsewhere = run(1, 3_000, Some(40e3), false);
    elsewhere.machine.cpu = "Some other processor".into();
    let path = write(&folder, "elsewhere.json", &elsewhere.to_json());
    let text = unbroken(&stdout(&checked(&[], &path)));
    for words in [
        "NOT AT THE PLANNED POINT: 40 k payments/s, planned 160 k",
        "NOT AT THE PLANNED POINT: 3 k channels, planned 100 k",
        "NOT AT THE PLANNED POINT: 1 shards, planned 2",
        "ANOTHER MACHINE (Some other processor, 2 cores) than the sweep's",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }

    // What is none to set beside a plan is refused.
    let mut busy = short.clone();
    busy.machine.stolen_share = Some(0.5);
    let mut other = short;
    other.engine.backend = "dalek".into();
    for (path, words) in [
        (file.clone(), "15 runs; expected one to set beside the plan"),
        (
            write(&folder, "busy.json", &busy.to_json()),
            "INVALID for planning: the host gave",
        ),
        (
            write(&folder, "other.json", &other.to_json()),
            "a run of another assurance (co-signed",
        ),
        (folder.path().join("missing"), "cannot be read"),
    ] {
        let output = checked(&[], &path);
        let message = unbroken(&stderr(&output));
        assert_eq!(output.status.code(), Some(2), "{words}: {message}");
        assert!(message.contains(words), "{words}: {message}");
    }
}

#[test]
fn bad_options_exit_2() {
    let folder = TempDir::new().unwrap();
    let file = sweep(&folder, "plan.sweep", &runs(false));
    let from = file.to_str().unwrap();
    for (arguments, words) in [
        (&["--slo", "p99"][..], "is not an objective"),
        (&["--slo", "p99=1s", "--rate", "1k"], "--channels"),
        (
            &[
                "--slo",
                "p99=1s",
                "--inverse",
                "--rate",
                "1k",
                "--channels",
                "1",
            ],
            "cannot be used",
        ),
        (
            &["--slo", "p99=1s", "--headroom", "100%"],
            "expected less than 100%",
        ),
        (&["--slo", "p99=1s", "--role", "client"], "client"),
        (
            &["--slo", "p99=1s", "--inverse", "--machines", "1000000001"],
            "1,000,000,001 machines; expected at most 10^9",
        ),
        (
            &[
                "--slo",
                "p99=1s",
                "--rate",
                "1k",
                "--channels",
                "1000000000000000000",
                "--memory-per-machine",
                "1048576TiB",
            ],
            "expected fewer than 2^64",
        ),
        (&["--slo", "p99=1s", "--memory-per-machine", "much"], "much"),
        (&[], "--slo"),
    ] {
        let output = reports(&[&["plan", "--from", from], arguments].concat());
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.contains(words), "{words}: {message}");
    }
    let help = reports(&["plan", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(stdout(&help).contains("reports plan --rate 1M"));
}

#[test]
fn runs_that_are_given_twice_count_once() {
    let folder = TempDir::new().unwrap();
    let mut all = runs(false);
    for run in &mut all {
        // As in every real run: a stage that had nothing to do has no time of one item.
        let idle = &mut run.stages[4];
        (idle.items, idle.cpu_ns_per_item, idle.cpu_s) = (0, f64::NAN, 0.0);
        run.achieved.cpu_s = run.stages.iter().map(|stage| stage.cpu_s).sum();
    }
    let file = sweep(&folder, "plan.sweep", &all);
    let once = plan(&["--json"], &file);
    let path = file.to_str().unwrap();
    let twice = plan(&["--json", "--from", path], &file);
    let value = |output: &Output| -> Value { serde_json::from_str(&stdout(output)).unwrap() };
    let (once, twice) = (value(&once), value(&twice));
    assert_eq!(once["interval"], twice["interval"]);
    assert_eq!(twice["inputs"]["runs_used"], 15);
    let notes = twice["inputs"]["notes"].to_string();
    assert!(notes.contains("15 runs are given twice"), "{notes}");
}

/// What a memory file system measures is no disk, and is not mixed with one.
#[test]
fn a_log_in_memory_is_said_in_a_plan_and_kept_apart() {
    let folder = TempDir::new().unwrap();
    let in_memory = |run: &mut RunFile| {
        let durability = run.durability.as_mut().unwrap();
        (durability.in_memory, durability.file_system) = (true, "tmpfs".into());
    };
    let mut all = runs(true);
    all.iter_mut().for_each(in_memory);
    let told = plan(&[], &sweep(&folder, "memory.sweep", &all));
    assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
    let text = unbroken(&stdout(&told));
    for words in [
        "durability fsync in memory",
        "the log is in memory (tmpfs): nothing there survives the machine",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    let half = all.len() / 2;
    all.truncate(half);
    all.extend(runs(true).into_iter().skip(half));
    let mixed = plan(&[], &sweep(&folder, "mixed.sweep", &all));
    let said = stderr(&mixed);
    assert_eq!(mixed.status.code(), Some(2), "{said}");
    assert!(said.contains("no option tells apart"), "{said}");
}

#[test]
fn runs_of_other_work_are_told_apart() {
    let folder = TempDir::new().unwrap();
    // What half of the runs have otherwise → how many are used, and what is said.
    type Change = fn(&mut RunFile);
    let table: [(Change, usize, &str); 9] = [
        (
            |run| run.workload.turn_length = Some(1),
            0,
            "runs of more than one assurance fit",
        ),
        (
            |run| run.workload.audit_log = true,
            0,
            "in turns of 32, with an audit log: 7 runs",
        ),
        (
            |run| run.workload.planted_slowdown = Some(0.1),
            8,
            "it was SLOWED ON PURPOSE by 10.0 %",
        ),
        (
            |run| run.workload.amount = "exponential:50".into(),
            15,
            "the runs differ in workload.amount: costs may differ",
        ),
        (
            |run| run.workload.reserve = Some(5),
            15,
            "the runs differ in workload.reserve: costs",
        ),
        (
            |run| (run.workload.l1.fee, run.workload.l1.block_transactions) = (0, 10),
            15,
            "the runs differ in workload.l1.block_transactions, workload.l1.fee: costs",
        ),
        (
            |run| run.workload.speedup = Some(2.0),
            15,
            "the runs differ in workload.speedup: costs",
        ),
        (|run| run.workload.seed += 1, 15, "\"notes\": []"),
        (|run| run.workload.sessions += 1, 15, "\"notes\": []"),
    ];
    for (change, used, words) in table {
        let mut all = runs(false);
        all.iter_mut().skip(1).step_by(2).for_each(change);
        let output = plan(&["--json"], &sweep(&folder, "half.sweep", &all));
        let said = stderr(&output) + &stdout(&output);
        assert!(said.contains(words), "{words}: {said}");
        if used > 0 {
            assert_eq!(json(&output)["inputs"]["runs_used"], used, "{words}");
        }
    }
    let mut all = runs(false);
    let short = all.iter_mut().filter(|run| run.workload.concurrent > 3_000);
    short.for_each(|run| run.workload.turn_length = Some(1));
    let file = sweep(&folder, "turns.sweep", &all);
    let found = json(&plan(&["--json", "--turn-length", "32"], &file));
    assert_eq!(found["assurance"]["turn_length"], 32);
    assert_eq!(found["inputs"]["runs_of_other_assurance"], 2);
}

/// Each run and each stage is fitted hundreds of times: more than any sweep has is not begun with.
#[test]
fn more_runs_or_stages_than_can_be_fitted_are_refused() {
    let folder = TempDir::new().unwrap();
    // Distinct stages of each of 15 runs → what is said; each run has 5 of its own.
    for (stages, words) in [
        (16, "binds"),
        (17, "260 stages in all runs together; expected at most 250"),
        (995, "14,930 stages in all runs together"),
    ] {
        let mut all = runs(false);
        for (at, run) in all.iter_mut().enumerate() {
            let idle = Stage {
                items: 0,
                cpu_s: 0.0,
                ..run.stages[0].clone()
            };
            let new = (0..stages).map(|stage| Stage {
                name: format!("{stage} of {at}"),
                ..idle.clone()
            });
            run.stages.extend(new);
        }
        let output = plan(&[], &sweep(&folder, "stages.sweep", &all));
        let said = stderr(&output) + &stdout(&output);
        assert!(said.contains(words), "{words}: {said}");
    }
    let mut one = run(2, 3_000, Some(80e3), false);
    one.latency_histogram.service = None;
    let many = (0..1_001).map(|at| {
        one.started_unix_s += at;
        one.clone()
    });
    let output = plan(
        &[],
        &sweep(&folder, "runs.sweep", &many.collect::<Vec<_>>()),
    );
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let words = "1,001 runs to plan with; expected at most 1,000";
    assert!(said.contains(words), "{said}");
}

/// The paths of all numbers in a run file, of a list the first three.
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

/// Whatever a sweep's numbers are, it is planned with or refused, and soon.
#[test]
fn any_number_of_a_sweep_may_be_absurd() {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<Value> = sweep_text(&runs(true))
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut paths = Vec::new();
    numbers(&lines[0], "", &mut paths);
    assert!(paths.len() > 100, "{}", paths.len());
    let path = folder.path().join("absurd.sweep");
    let mut wrong = Vec::new();
    for value in [
        serde_json::json!("18446744073709551615"),
        serde_json::json!(1e308),
    ] {
        for at in &paths {
            let mutated = lines.iter().map(|line| {
                let mut line = line.clone();
                if let Some(number) = line.pointer_mut(at) {
                    *number = value.clone();
                }
                format!("{line}\n")
            });
            fs::write(&path, mutated.collect::<String>()).unwrap();
            let start = std::time::Instant::now();
            let output = plan(&[], &path);
            let took = start.elapsed();
            if !matches!(output.status.code(), Some(0 | 2 | 6)) || took.as_secs() > 20 {
                let said = stderr(&output);
                wrong.push(format!(
                    "{at} = {value}: {:?} after {took:?}: {said}",
                    output.status
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
