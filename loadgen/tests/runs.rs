//! Small real runs: what they count is exact, what they claim is checked, and their results reach
//! the reader whole.

mod common;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use common::{Folder, arguments, parse};
use duet_run_file::run_file::{Ratio, RunFile};
use duet_run_file::summary::LINES_MAX;
use duet_terminal::layout::WIDTH;
use hdrhistogram::serialization::Deserializer;

const SESSIONS: u64 = 6;
const PAYMENTS: u64 = 200;
const ALL: u64 = SESSIONS * PAYMENTS;

fn point(ratio: f64) -> Ratio {
    Ratio {
        ratio,
        low: ratio,
        high: ratio,
    }
}

/// All of a run's payments are covered or refused, and every session was opened and closed.
fn accounted(run: &RunFile) {
    let all = run.workload.sessions * run.workload.payments_per_session;
    assert_eq!(run.achieved.payments + run.achieved.payments_refused, all);
    assert_eq!(run.achieved.sessions_opened, run.workload.sessions);
    assert_eq!(run.achieved.sessions_closed, run.workload.sessions);
}

fn recorded(histogram: &str) -> u64 {
    let bytes = BASE64_STANDARD.decode(histogram).expect("base64");
    let histogram = Deserializer::new().deserialize::<u64, _>(&mut &bytes[..]);
    histogram.expect("an HDR histogram").len()
}

#[test]
fn every_count_is_exact() {
    let (run, said) = Folder::new().run("--sessions 6 --payments 200");
    assert_eq!(said, "");
    accounted(&run);
    assert_eq!(run.achieved.payments, ALL);
    assert!(run.workload.reproducible);
    assert_eq!(run.workload.arrivals, "closed-loop");
    let rate = run.achieved.payments_per_s * run.achieved.wall_s;
    assert!((rate - ALL as f64).abs() < 1e-6, "{rate}");

    // A session is one open, signed by the opener, and one close, signed by its submitter and by
    // both parties as final. A baseline payment is one transfer.
    let (channels, direct) = (&run.l1.channels, run.l1.direct.as_ref().unwrap());
    assert_eq!(channels.transactions, 2 * SESSIONS);
    assert_eq!(channels.signature_verifications, 4 * SESSIONS);
    assert_eq!(channels.peak_state_entries, 3 * SESSIONS);
    assert_eq!((direct.payments, direct.sampled_sessions), (ALL, SESSIONS));
    assert_eq!(direct.load.transactions, ALL);
    assert_eq!(direct.load.signature_verifications, ALL);
    assert_eq!(direct.load.peak_state_entries, 2 * SESSIONS);
    let offload = run.l1.offload.as_ref().unwrap();
    assert_eq!(offload.transactions, point(PAYMENTS as f64 / 2.0));
    assert_eq!(
        offload.signature_verifications,
        point(PAYMENTS as f64 / 4.0)
    );
    assert_eq!(offload.peak_state_entries, point(2.0 / 3.0));
    let per_payment = |load: u64| load as f64 / ALL as f64;
    let bytes = per_payment(direct.load.bytes) / per_payment(channels.bytes);
    assert!((offload.bytes.ratio - bytes).abs() < 1e-9);

    // Both sign and verify every payment and the final; the opener signs two transactions more, and
    // for the second makes its own final signature once more, since an endpoint keeps its peer's
    // only.
    let off = &run.offchain;
    assert_eq!(off.signature_verifications, 2 * ALL + 2 * SESSIONS);
    assert_eq!(off.signatures_made, 2 * ALL + 5 * SESSIONS);
    assert_eq!(off.direct_client.as_ref().unwrap().signatures_made, ALL);

    assert!(run.latency_ns.response.is_none() && run.latency_histogram.response.is_none());
    assert!(run.latency_ns.service.is_some());
    assert_eq!(
        recorded(run.latency_histogram.service.as_ref().unwrap()),
        ALL
    );

    let checks = &run.checks;
    assert!(checks.payments_accounted && checks.signatures_verified);
    assert!(checks.supply_conserved && checks.balances_match);
    assert!((0.95..1.05).contains(&checks.stage_cpu_share));
    let stages: BTreeSet<(&str, &str)> = run
        .stages
        .iter()
        .map(|stage| (stage.name.as_str(), stage.role.as_str()))
        .collect();
    for name in ["sign", "verify", "hash"] {
        for role in ["payer", "payee"] {
            assert!(stages.contains(&(name, role)), "{name} {role}");
        }
    }
}

#[test]
fn a_seed_decides_layer_1_whatever_the_number_of_shards() {
    let folder = Folder::new();
    for workload in [
        "--sessions 20 --payments 40 --concurrent 8",
        "--sessions 9 --payments 60 --pattern two-way --turn-length 7 --in-flight 3",
        "--sessions 9 --payments 300 --cosign-every 100 --amount lognormal:3,1",
        "--sessions 9 --payments 50 --capacity 600 --amount uniform:1-100",
        "--sessions 9 --payments 50 --capacity 100 --pattern two-way",
    ] {
        let run = |options: &str| {
            folder
                .run(&format!("{workload} --baseline-sessions 0 {options}"))
                .0
        };
        let first = run("--seed 5 --shards 1");
        for options in ["--seed 5 --shards 2", "--seed 5 --shards 7"] {
            let other = run(options);
            assert_eq!(
                other.l1.channels.tip, first.l1.channels.tip,
                "{workload} {options}"
            );
            assert_eq!(
                other.l1.channels.blocks, first.l1.channels.blocks,
                "{workload}"
            );
            assert_eq!(
                other.achieved.payments_refused,
                first.achieved.payments_refused
            );
        }
        let other = run("--seed 6 --shards 1");
        assert_ne!(other.l1.channels.tip, first.l1.channels.tip, "{workload}");
        assert!(first.workload.reproducible);
    }
}

#[test]
fn two_way_traffic_takes_turns() {
    let folder = Folder::new();
    for (words, turn) in [
        ("--sessions 3 --payments 200", 64),
        ("--sessions 3 --payments 201 --turn-length 1", 1),
        (
            "--sessions 3 --payments 200 --turn-length 64 --in-flight 5",
            64,
        ),
        // Both sides pay, however short the session or long the interval.
        ("--sessions 3 --payments 20", 10),
        ("--sessions 3 --payments 7 --cosign-every 10k", 4),
        ("--sessions 3 --payments 1", 1),
    ] {
        let (run, _) = folder.run(&format!("--pattern two-way {words}"));
        accounted(&run);
        assert_eq!(run.workload.turn_length, Some(turn), "{words}");
        assert_eq!(run.workload.pattern, "two-way");
        assert_eq!(run.achieved.payments_refused, 0, "{words}");
        assert_eq!(run.l1.channels.transactions, 6, "{words}");
    }
}

#[test]
fn one_pair_of_signatures_covers_k_payments() {
    let folder = Folder::new();
    // Payments, k, and co-signed states per session.
    for (payments, k, states) in [
        (1_000, 100, 10),
        (1_001, 100, 11),
        (3, 10_000, 1),
        (50, 1, 50),
    ] {
        let words = format!("--sessions 4 --payments {payments} --cosign-every {k}");
        let (run, _) = folder.run(&words);
        accounted(&run);
        assert_eq!(run.assurance.cosign_every, k);
        assert_eq!(
            run.offchain.signature_verifications,
            4 * 2 * (states + 1),
            "{words}"
        );
        assert_eq!(
            run.l1.offload.unwrap().transactions.ratio,
            f64::from(payments) / 2.0
        );
        let least_at_risk = if k == 1 { 1 } else { 100 };
        assert!(run.assurance.value_at_risk_max >= least_at_risk, "{words}");
    }
}

#[test]
fn log_normal_amounts_are_all_paid() {
    let (run, _) = Folder::new().run("--sessions 4 --payments 300 --amount lognormal:4.6,1.2");
    accounted(&run);
    assert_eq!(run.achieved.payments_refused, 0);
    assert_eq!(run.workload.amount, "lognormal:4.6,1.2");
}

#[test]
fn what_a_small_capacity_refuses_is_counted() {
    let folder = Folder::new();
    for words in [
        "--capacity 300 --amount uniform:1-100",
        "--capacity 200 --amount lognormal:3,1",
        "--capacity 150 --pattern two-way",
        "--capacity 1 --pattern two-way --amount uniform:1-2",
    ] {
        let (run, _) = folder.run(&format!("--sessions 5 --payments 100 {words}"));
        accounted(&run);
        assert!(run.achieved.payments_refused > 0, "{words}");
        assert!(run.achieved.payments > 0, "{words}");
        assert!(run.rejections.is_empty(), "{words}: {:?}", run.rejections);
        // The baseline has no such limit, and its ratio is per payment that was made.
        let direct = run.l1.direct.unwrap();
        assert_eq!(direct.payments, 500, "{words}");
        let ratio = run.l1.offload.unwrap().transactions.ratio;
        assert_eq!(ratio, run.achieved.payments as f64 / 10.0, "{words}");
    }
    let ended = folder.loadgen(&arguments("run --sessions 5 --payments 100 --capacity 300"));
    assert!(ended.stdout.contains("\nrefused   payments "), "{ended:?}");
}

#[test]
fn an_open_loop_measures_responses() {
    let folder = Folder::new();
    let words = "--sessions 4 --payments 100 --rate 1k --baseline-sessions 0";
    let run = folder.run_on_time(words);
    accounted(&run);
    assert_eq!(
        (run.workload.arrivals.as_str(), run.workload.offered_per_s),
        ("poisson", Some(1e3))
    );
    let (response, service) = (
        run.latency_ns.response.unwrap(),
        run.latency_ns.service.unwrap(),
    );
    assert!(response.p50 > 0 && response.p99 >= response.p50 && response.max >= response.p99);
    assert!(service.max <= response.max, "{service:?} {response:?}");
    assert_eq!(recorded(&run.latency_histogram.response.unwrap()), 400);
    // 400 arrivals at 1,000 per second take 0.4 s ± 5 standard deviations of 0.02 s.
    assert!(run.achieved.wall_s > 0.3, "{}", run.achieved.wall_s);
    // When payments arrive decides nothing on Layer 1.
    let closed = folder
        .run("--sessions 4 --payments 100 --baseline-sessions 0")
        .0;
    assert_eq!(run.l1.channels.tip, closed.l1.channels.tip);
}

#[test]
fn payments_wait_for_their_interval_as_long_as_they_may() {
    let words = "--sessions 2 --payments 150 --rate 500 --cosign-every 50 --baseline-sessions 0";
    let folder = Folder::new();
    let alone = folder.run_on_time(words);
    let waiting = folder.run_on_time(&format!("{words} --cosign-after 1h"));
    for run in [&alone, &waiting] {
        accounted(run);
    }
    assert_eq!(waiting.workload.cosign_after_ms, Some(3_600_000.0));
    // Whole intervals only: three states and a final, each signed and verified by both.
    assert_eq!(waiting.offchain.signature_verifications, 2 * 2 * 4);
    assert!(alone.offchain.signature_verifications > 100);
    assert!(waiting.latency_ns.response.unwrap().p50 > alone.latency_ns.response.unwrap().p50);
}

/// Looking for work is no work of the endpoints', and no dispute.
#[test]
fn an_idle_open_loop_waits_and_nothing_else() {
    let folder = Folder::new();
    let words = "--sessions 4 --payments 100 --rate 500 --shards 1 --baseline-sessions 0";
    let run = folder.run_on_time(words);
    let of = |name: &str| {
        let mut stages = run.stages.iter();
        stages.find(|stage| stage.name == name)
    };
    assert_eq!(of("dispute"), None);
    let (wait, finish) = (of("wait").unwrap(), of("finish").unwrap());
    assert!(wait.items > 1_000, "it looked often: {wait:?}");
    assert!(
        finish.items == 4 && wait.cpu_s > 10.0 * finish.cpu_s,
        "{finish:?} {wait:?}"
    );
}

/// A shard that has no channel has no schedule to be stopped in.
#[test]
fn what_nobody_stopped_was_not_stopped() {
    let folder = Folder::new();
    let trace = "time_s,payer,payee,amount\n0,a,b,5\n0.1,a,b,6\n0.2,a,b,7\n";
    folder.write("t.csv", trace);
    for shards in 1..=3 {
        let words = format!("--trace t.csv --speedup 1 --shards {shards} --baseline-sessions 0");
        let open_loop = folder.run_on_time(&words).achieved.open_loop.unwrap();
        assert!(!open_loop.stopped, "{shards}: {open_loop:?}");
    }
}

/// Shards with fewer sessions than others, or none, get as much less of the rate.
#[test]
fn the_rate_that_is_offered_is_the_one_that_was_asked_for() {
    for words in [
        "--sessions 9 --concurrent 8 --payments 500 --shards 8",
        "--sessions 15 --concurrent 10 --payments 300 --shards 2",
        "--sessions 3 --concurrent 1 --payments 1500 --shards 2",
    ] {
        let words = format!("run --json {words} --rate 3k --baseline-sessions 0");
        let run = parse(&Folder::new().loadgen(&arguments(&words)).stdout);
        let open_loop = run.achieved.open_loop.unwrap();
        let offered_per_s = open_loop.offered_per_s;
        assert!(
            (2_500.0..3_500.0).contains(&offered_per_s),
            "{words}: {open_loop:?}"
        );
        assert!(
            // Shards start the schedule's clock within a moment of each other.
            open_loop.achieved_per_s <= 1.01 * offered_per_s,
            "{words}: {open_loop:?}"
        );
    }
}

#[test]
fn a_rate_that_most_payments_did_not_get_is_not_held() {
    let waits =
        "--rate 10k --duration 300ms --concurrent 100 --cosign-every 100 --cosign-after 1000s";
    let refuses = "--rate 2k --duration 300ms --pattern two-way --capacity 100 --turn-length 5000 \
                   --concurrent 8";
    for (words, reason) in [
        (refuses, "arrivals refused or lost"),
        ("--rate 1e9 --duration 50ms", "arrivals not served"),
        (waits, "waited for their co-sign interval until the end"),
    ] {
        let words = format!("run --json {words} --baseline-sessions 0");
        let ended = Folder::new().loadgen(&arguments(&words));
        assert_eq!(ended.code, Some(3), "{ended:?}");
        let run = parse(&ended.stdout);
        let [found] = &run.achieved.invalid_reasons[..] else {
            panic!("{:?}", run.achieved.invalid_reasons);
        };
        assert!(found.contains(reason), "{found}");
        // Each is in the response times once, served or not, unless it was refused.
        let open_loop = run.achieved.open_loop.unwrap();
        let response = run.latency_histogram.response.unwrap();
        let answered = open_loop.arrived - open_loop.refused;
        assert_eq!(recorded(&response), answered);
        assert_eq!(run.achieved.payments, answered - open_loop.unserved);
    }
}

/// Whose session has not opened yet when the schedule ends is served like the rest.
#[test]
fn what_waits_for_a_session_at_the_planned_end_is_served() {
    let folder = Folder::new();
    for words in [
        "--rate 20k --duration 500ms --payments 100 --concurrent 100",
        "--rate 3630 --duration 500ms --payments 10 --concurrent 4",
        "--rate 5k --duration 500ms --payments 20 --concurrent 8 --shards 3",
    ] {
        // A machine that stands still for a tenth of a second may leave some.
        let unserved = |seed: u64| {
            let words = format!("run {words} --seed {seed} --baseline-sessions 0 --json");
            let ended = folder.loadgen(&arguments(&words));
            let open_loop = parse(&ended.stdout).achieved.open_loop.unwrap();
            assert!(open_loop.arrived > 100, "{words}: {open_loop:?}");
            open_loop.unserved
        };
        assert!((1..=5).any(|seed| unserved(seed) == 0), "{words}");
    }
}

#[test]
fn a_duration_ends_a_run_and_marks_it() {
    let folder = Folder::new();
    let words = "run --duration 300ms --payments 100 --out run.json";
    let ended = folder.loadgen(&arguments(words));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let run = parse(&folder.read("run.json"));
    assert!(run.achieved.valid && !run.achieved.interrupted);
    assert!(!run.workload.reproducible);
    assert_eq!(run.workload.duration_s, Some(0.3));
    assert!(run.achieved.payments > 0 && run.checks.payments_accounted);
    assert_eq!(run.achieved.sessions_opened, run.achieved.sessions_closed);
    // It claims no session that it did not get to, and the baseline takes none either.
    assert!(run.achieved.sessions_opened < run.workload.sessions);
    let direct = run.l1.direct.unwrap();
    assert!(direct.sampled_sessions <= run.achieved.sessions_opened.max(2));
    assert!(direct.payments <= run.achieved.payments.max(200));
    let (_, workload) = ended.stdout.split_once("workload  ").unwrap();
    let (workload, _) = workload.split_once("payments  ").unwrap();
    assert!(
        workload.contains(" of ") && workload.contains("not reproducible"),
        "{workload}"
    );
}

#[test]
fn an_idle_moment_is_no_result() {
    let ended = Folder::new().loadgen(&arguments("run --json --rate 0.001 --duration 20ms"));
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let run = parse(&ended.stdout);
    assert_eq!(run.achieved.invalid_reasons, ["no payment was made"]);
    assert!(run.l1.offload.is_none(), "a ratio of nothing");
}

#[test]
fn without_a_baseline_there_are_no_ratios() {
    let folder = Folder::new();
    let (run, _) = folder.run("--sessions 2 --payments 20 --baseline-sessions 0");
    assert!(run.l1.direct.is_none() && run.l1.offload.is_none());
    assert!(run.offchain.direct_client.is_none());
    let json = folder.loadgen(&arguments(
        "run --sessions 2 --payments 20 --baseline-sessions 0 --json",
    ));
    assert!(json.stdout.contains("\"direct\": null") && json.stdout.contains("\"offload\": null"));

    let (sampled, _) = folder.run("--sessions 9 --payments 20 --baseline-sessions 3");
    let direct = sampled.l1.direct.unwrap();
    assert_eq!((direct.sampled_sessions, direct.payments), (3, 60));
    assert_eq!(sampled.l1.offload.unwrap().transactions.ratio, 10.0);
}

#[test]
fn the_run_file_is_written_whole_and_is_what_is_printed() {
    let folder = Folder::new();
    folder.write("run.json", "an older one");
    let words = "run --sessions 2 --payments 20 --out run.json --json";
    let ended = folder.loadgen(&arguments(words));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stderr, "");
    assert_eq!(folder.read("run.json"), ended.stdout);
    assert_eq!(folder.names(), ["run.json"]);
    let command = parse(&ended.stdout).command;
    assert_eq!(command[0], "loadgen");
    assert_eq!(command[1..], arguments(words)[..]);
}

#[test]
fn quiet_says_nothing_and_still_writes() {
    let folder = Folder::new();
    let ended = folder.loadgen(&arguments(
        "--sessions 2 --payments 20 --quiet --out run.json",
    ));
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (Some(0), "", "")
    );
    assert!(parse(&folder.read("run.json")).achieved.valid);
}

#[test]
fn the_summary_is_of_few_lines_that_fit_a_terminal() {
    let folder = Folder::new();
    for words in [
        "--sessions 3 --payments 30",
        "run --sessions 1 --payments 1",
        "run --sessions 5 --payments 100 --capacity 10 --pattern two-way",
        "run --sessions 5 --payments 100 --rate 10M",
        "run --duration 50ms --baseline-sessions 1",
    ] {
        let ended = folder.loadgen(&arguments(words));
        assert!(matches!(ended.code, Some(0 | 3)), "{words}: {ended:?}");
        let verdict = if ended.code == Some(0) {
            "VALID: "
        } else {
            "INVALID: "
        };
        assert!(ended.stdout.starts_with(verdict), "{words}: {ended:?}");
        assert!(
            ended.stdout.lines().count() <= LINES_MAX,
            "{words}:\n{}",
            ended.stdout
        );
        for line in ended.stdout.lines() {
            assert!(line.chars().count() <= WIDTH, "{words}: {line}");
            // What is cut is not seen; only the machine's and the workload's rows may be.
            assert!(!line.ends_with('…'), "{words}: {line}");
        }
    }
}

#[test]
fn a_rate_that_cannot_be_held_is_invalid_and_exits_3() {
    let folder = Folder::new();
    for words in [
        "--rate 10M --sessions 8 --payments 10k",
        "--rate 10M --sessions 8 --payments 5k --duration 50ms",
        "--rate 20M --duration 200ms",
    ] {
        let words = format!("run {words} --baseline-sessions 0 --out run.json");
        let ended = folder.loadgen(&arguments(&words));
        assert_eq!(ended.code, Some(3), "{words}: {ended:?}");
        let first = ended.stdout.lines().next().unwrap();
        assert!(
            first.starts_with("INVALID: the offered rate was not held: "),
            "{first}"
        );
        let run = parse(&folder.read("run.json"));
        assert!(
            !run.achieved.valid && run.checks.payments_accounted,
            "{words}"
        );
        assert_eq!(
            run.achieved.invalid_reasons.len(),
            1,
            "{:?}",
            run.achieved.invalid_reasons
        );
        assert!(run.achieved.payments > 0);
    }
}

#[test]
fn odd_sizes_run() {
    let folder = Folder::new();
    for words in [
        "--sessions 1 --payments 1",
        "--sessions 1 --payments 1 --shards 40",
        "--payments 1",
        "--sessions 2 --payments 300 --in-flight 65536",
        "--sessions 2 --payments 20k --in-flight 65536 --cosign-every 10k --baseline-sessions 0",
        "--sessions 50 --payments 3 --concurrent 1",
        "--sessions 50 --payments 3 --concurrent 1M",
        "--sessions 5 --payments 10 --block-txs 1 --challenge-blocks 4294967295",
        "--sessions 5 --payments 10 --block-txs 4294967295 --challenge-blocks 1",
        "--sessions 5 --payments 10 --amount fixed:1099511627776",
        "--sessions 5 --payments 10 --capacity 4e17 --seed 18446744073709551615",
        "--sessions 1 --sessions 3 --payments 7 --backend dalek",
    ] {
        let (run, _) = folder.run(words);
        accounted(&run);
    }
}

#[cfg(unix)]
#[test]
fn a_name_that_is_not_utf_8_is_a_name() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new();
    let mut words: Vec<&OsStr> = ["--sessions", "1", "--payments", "5", "--out"]
        .map(OsStr::new)
        .into();
    words.push(OsStr::from_bytes(b"run-\xff.json"));
    let ended = folder.loadgen(&words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(folder.names().len(), 1);
}

#[test]
fn a_planted_slowdown_is_burnt_and_said_and_one_of_nothing_is_none() {
    let folder = Folder::new();
    let few = "--sessions 6 --payments 200 --baseline-sessions 0";
    let (plain, _) = folder.run(&format!("{few} --planted-slowdown 0%"));
    assert_eq!(plain.workload.planted_slowdown, None);
    let cpu_s = |run: &RunFile, roles: &[&str]| -> f64 {
        let stages = run.stages.iter();
        let of_roles = stages.filter(|stage| roles.contains(&stage.role.as_str()));
        of_roles
            .filter(|stage| !matches!(stage.name.as_str(), "transact" | "log" | "wait" | "observe"))
            .map(|stage| stage.cpu_s)
            .sum()
    };
    let planted_s = |run: &RunFile| -> f64 {
        let stages = run.stages.iter();
        let planted = stages.filter(|stage| stage.name == "planted-slowdown");
        planted.map(|stage| stage.cpu_s).sum()
    };
    assert_eq!(planted_s(&plain), 0.0);

    let (slowed, _) = folder.run(&format!("{few} --planted-slowdown 50%"));
    assert_eq!(slowed.workload.planted_slowdown, Some(0.5));
    assert!(
        slowed.achieved.valid,
        "{:?}",
        slowed.achieved.invalid_reasons
    );
    let waves_s = cpu_s(&slowed, &["payer", "payee", "both", "loadgen"]) - planted_s(&slowed);
    let share = planted_s(&slowed) / waves_s;
    // What a shard's last wave does after it has been slowed down is not billed.
    assert!(
        (0.4..0.55).contains(&share),
        "{share} of the waves' own time"
    );
}

#[test]
fn as_many_channels_are_open_at_once_as_were_asked_for_however_short_the_run() {
    let folder = Folder::new();
    let (run, _) = folder.run("--concurrent 60k --duration 300ms --baseline-sessions 0");
    assert_eq!(run.workload.concurrent, 60_000);
    assert_eq!(run.achieved.sessions_opened, 60_000);
}

#[test]
fn layer_1_alone_is_asked_for_what_the_run_asked_of_its_own() {
    let folder = Folder::new();
    for (words, opens, closes) in [
        ("--sessions 60 --payments 3", 60, 60),
        ("--sessions 90 --payments 3 --adversary all=9%", 90, 0),
    ] {
        let words = format!("{words} --baseline-sessions 0 --l1-alone --block-txs 7");
        let (run, _) = folder.run(&words);
        let alone = run.l1.alone.as_ref().unwrap();
        let all = [&alone.opens, &alone.closes, &alone.disputes].map(|fed| fed.transactions);
        assert_eq!(
            all.iter().sum::<u64>(),
            run.l1.channels.transactions,
            "{words}"
        );
        assert_eq!(all[0], opens, "{words}: {all:?}");
        assert!(
            all[1] > 0 && (closes == 0 || all[1] == closes),
            "{words}: {all:?}"
        );
        assert_eq!(all[2] == 0, closes > 0, "{words}: {all:?}");
        assert!(alone.sessions_per_s().is_some(), "{words}");
        let (without, _) = folder.run(&words.replace("--l1-alone", ""));
        assert_eq!(without.l1.channels.tip, run.l1.channels.tip, "{words}");
        assert_eq!(without.l1.alone, None);
    }
}
