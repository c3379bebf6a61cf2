//! The schema's names, its round trip, and what a file that cannot be read is called.

use serde_json::Value;

use super::*;
use crate::sample;

/// The names that other tools read. Frozen: this list may grow, and never change.
const FROZEN: &str = "
    schema
    workload.{mode,sessions,payments_per_session,concurrent,cosign_every,in_flight,pattern,amount,\
        arrivals,offered_per_s,duration_s,shards,seed,trace_sha256,l1,reproducible}
    engine.{backend,version,commit}
    assurance.{cosign_every,in_flight,signatures_per_key_per_batch,batch_size,durability,\
        both_endpoints_checked,value_at_risk_max}
    achieved.{payments,wall_s,payments_per_s,steady_payments_per_s,cpu_s,valid,invalid_reasons,\
        phases}
    latency_ns.response.{p50,p90,p99,p999,max}
    latency_ns.service.{p50,p90,p99,p999,max}
    latency_histogram.{response,service}
    series
    offchain.{signatures_made,signature_verifications,bytes,cpu_s}
    l1.channels.{transactions,bytes,signature_verifications,state_reads,state_writes,\
        peak_state_entries,cpu_s,blocks,tip}
    l1.direct.{transactions,bytes,signature_verifications,state_reads,state_writes,\
        peak_state_entries,cpu_s,blocks,tip,sampled_sessions}
    l1.offload.{transactions,bytes,signature_verifications,state_reads,state_writes,\
        peak_state_entries,cpu}
    l1.offload.cpu.{ratio,low,high}
    checks.{payments_accounted,signatures_verified,supply_conserved,balances_match}
    rejections
    stages.0.{name,role,items,cpu_ns_per_item}
    memory.{peak_rss_bytes,bytes_per_channel}
    machine";

fn tree(run: &RunFile) -> Value {
    serde_json::from_str(&run.to_json()).unwrap()
}

fn parse(text: &str) -> Result<RunFile, RunFileError> {
    RunFile::parse(Path::new("some/run.json"), text)
}

/// Calls `change` on each value that is not a list or an object.
fn for_each_leaf(value: &mut Value, change: &mut impl FnMut(&mut Value)) {
    match value {
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| for_each_leaf(item, change)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|item| for_each_leaf(item, change)),
        leaf => change(leaf),
    }
}

#[test]
fn frozen_names_are_there() {
    let tree = tree(&sample::open_loop());
    for line in FROZEN.split_whitespace() {
        let (parent, names) = match line.split_once(".{") {
            Some((parent, names)) => (parent.replace('.', "/"), names.trim_end_matches('}')),
            None => (String::new(), line),
        };
        for name in names.split(',') {
            let pointer = if parent.is_empty() {
                format!("/{name}")
            } else {
                format!("/{parent}/{name}")
            };
            assert!(tree.pointer(&pointer).is_some(), "{pointer}");
        }
    }
}

#[test]
fn what_is_written_reads_back_equal() {
    let sampled = sample::open_loop();
    let mut bare = sampled.clone();
    bare.l1.direct = None;
    bare.l1.offload = None;
    bare.offchain.direct_client = None;
    bare.latency_ns = LatencyNs {
        response: None,
        service: None,
    };
    bare.workload.turn_length = None;
    bare.achieved.valid = false;
    bare.achieved.invalid_reasons = vec!["a \"quoted\"\nreason ≥ 1".into()];
    for run in [sampled, bare] {
        assert_eq!(parse(&run.to_json()).unwrap(), run);
    }
}

#[test]
fn figures_and_counts_of_any_size_read_back_equal() {
    let mut run = sample::open_loop();
    // No run has such figures: what a VALID one may not say is not asked for here.
    run.achieved.valid = false;
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..500 {
        // Xorshift: bit patterns without a pattern.
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        let figure = f64::from_bits(bits).abs();
        run.achieved.payments = bits >> (bits % 64);
        run.workload.turn_length = Some(bits);
        run.rejections.insert("StaleVersion".into(), bits);
        if figure.is_finite() {
            run.achieved.wall_s = figure;
            run.workload.offered_per_s = Some(figure);
            let direct = run.l1.direct.as_mut().unwrap();
            direct.load.cpu_s = figure;
            direct.load.bytes = bits;
        }
        assert_eq!(parse(&run.to_json()).unwrap(), run);
    }
}

#[test]
fn every_count_may_exceed_two_to_the_53() {
    let big = u64::MAX.to_string();
    let mut tree = tree(&sample::open_loop());
    for_each_leaf(&mut tree, &mut |leaf| {
        if leaf.is_u64() {
            *leaf = Value::String(big.clone());
        }
    });
    tree["schema"] = SCHEMA.into();
    tree["achieved"]["valid"] = false.into();
    let run = parse(&tree.to_string()).unwrap();
    assert_eq!(run.l1.direct.as_ref().unwrap().load.state_reads, u64::MAX);

    let mut written = self::tree(&run);
    assert_eq!(written, tree);
    written["schema"] = Value::Null;
    for_each_leaf(&mut written, &mut |leaf| assert!(!leaf.is_u64(), "{leaf}"));
}

#[test]
fn figures_that_are_not_finite_do_not_cost_the_file() {
    let mut run = sample::open_loop();
    run.achieved.payments_per_s = f64::INFINITY;
    run.l1.direct.as_mut().unwrap().load.cpu_s = f64::NAN;
    run.achieved.steady_payments_per_s = Some(f64::NAN);
    let read = parse(&run.to_json()).unwrap();
    assert!(read.achieved.payments_per_s.is_nan());
    assert!(read.l1.direct.unwrap().load.cpu_s.is_nan());
    assert_eq!(read.achieved.steady_payments_per_s, None);
}

#[test]
fn unknown_fields_are_ignored_and_added_fields_may_be_missing() {
    let run = sample::open_loop();
    let mut tree = tree(&run);
    tree["from_the_future"] = 1.into();
    tree["achieved"]["from_the_future"] = Value::Null;
    tree["l1"]["direct"]["from_the_future"] = "x".into();
    assert_eq!(parse(&tree.to_string()).unwrap(), run);

    for (parent, name) in [
        ("/workload", "capacity"),
        ("/workload", "cosign_after_ms"),
        ("/workload", "backend_asked"),
        ("/workload", "speedup"),
        ("/workload", "turn_length"),
        ("/achieved", "interrupted"),
        ("/achieved", "sessions_opened"),
        ("/achieved", "sessions_closed"),
        ("/achieved", "channels_stopped"),
        ("/achieved", "payments_refused"),
        ("/achieved", "payments_measured"),
        ("/offchain", "direct_client"),
        ("/checks", "stage_cpu_share"),
        ("/stages/0", "cpu_s"),
        ("/stages/0", "unit"),
    ] {
        let fields = tree.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        assert!(fields.remove(name).is_some(), "{parent}/{name}");
    }
    let read = parse(&tree.to_string()).unwrap();
    assert_eq!(read.workload.turn_length, None);
    assert_eq!(read.payments_measured(), read.achieved.payments);
    let mut resumed = sample::resumed(250_000);
    assert_eq!(resumed.payments_measured(), 250_000);
    resumed.achieved.payments_measured = None;
    assert_eq!(resumed.payments_measured(), 250_000);
}

/// Names that are frozen too, and a plain Layer 1 without them: a durable run's identity follows
/// from the workload, and stays what it was.
#[test]
fn only_a_layer_1_by_a_profile_has_its_fields() {
    let names = |run: &RunFile| {
        let tree = tree(run);
        let limits = tree["workload"]["l1"].as_object().unwrap();
        let mut names: Vec<String> = limits.keys().cloned().collect();
        names.sort();
        names.join(" ")
    };
    let mut run = sample::open_loop();
    let plain = "block_bytes block_transactions challenge_window_blocks fee";
    assert_eq!(names(&run), plain);
    run.workload.l1 = L1Limits {
        block_bytes: u64::MAX,
        profile: Some("bitcoin".into()),
        profile_sha256: Some("00ff".into()),
        unit: Some("weight units".into()),
        block_units: Some(4_000_000),
        channel_units: Some(1 << 60),
        mempool_transactions: Some(200_000),
        interval_ms: Some(600_000),
        finality_blocks: Some(0),
        order: Some("fee".into()),
        answers: Some("compete".into()),
        validators: Some(Validators {
            each_executes: false,
            count: 7,
            faults: "silent=1".into(),
            latency: "wide-area".into(),
            loss: 0.01,
            partitions: vec!["10s..40s=1".into()],
        }),
        session_time_ms: Some(0),
        state_root: true,
        ..run.workload.l1
    };
    let all = "answers block_bytes block_transactions block_units challenge_window_blocks \
               channel_units fee finality_blocks interval_ms mempool_transactions order profile \
               profile_sha256 session_time_ms state_root unit validators";
    assert_eq!(names(&run), all);
    assert_eq!(parse(&run.to_json()).unwrap(), run);
}

#[test]
fn lanes_of_before_there_were_several_kinds_were_those_of_ifma() {
    for (written, read) in [
        ("lanes", "lanes/avx512-ifma"),
        ("lanes/avx2-fma", "lanes/avx2-fma"),
        ("dalek", "dalek"),
    ] {
        let mut run = tree(&sample::open_loop());
        run["engine"]["backend"] = written.into();
        assert_eq!(parse(&run.to_string()).unwrap().engine.backend, read);
    }
}

#[test]
fn each_kind_of_bad_file_is_called_what_it_is() {
    let whole = sample::open_loop().to_json();
    let table: [(String, &[&str]); 11] = [
        (
            String::new(),
            &["truncated", "line 1 column 0", "expected a whole run file"],
        ),
        (
            whole[..whole.len() / 2].into(),
            &["truncated", "line ", "column "],
        ),
        ("hello".into(), &["not JSON", "line 1 column 1"]),
        (format!("{whole} x"), &["not JSON", "trailing characters"]),
        ("[1, 2]".into(), &["not a Duet run file"]),
        ("7".into(), &["not a Duet run file"]),
        (
            "{}".into(),
            &[
                "not a Duet run file",
                "no `schema`",
                "expected `\"schema\": 1`",
            ],
        ),
        ("{\"schema\": null}".into(), &["not a Duet run file"]),
        (
            "{\"schema\": \"x\"}".into(),
            &["not a Duet run file", "no number"],
        ),
        (
            whole.replacen("\"schema\": 1", "\"schema\": 2", 1),
            &["schema 2; this build reads 1"],
        ),
        (
            whole.replace("wall_s", "wall"),
            &["schema 1", "missing field `wall_s`", "line "],
        ),
    ];
    for (text, expected) in table {
        let message = parse(&text).unwrap_err().to_string();
        assert!(message.starts_with("some/run.json: "), "{message}");
        for part in expected {
            assert!(message.contains(part), "{part:?} in {message:?}");
        }
    }
}

#[test]
fn a_message_is_short_however_long_the_file_is() {
    let whole = sample::open_loop().to_json();
    let long = "x".repeat(1 << 20);
    for text in [
        format!("\"{long}\""),
        whole.replacen(
            "\"schema\": 1",
            &format!("\"schema\": 1, \"workload\": \"{long}\""),
            1,
        ),
    ] {
        let message = parse(&text).unwrap_err().to_string();
        assert!(message.len() < 1000, "{}", message.len());
        assert!(message.contains("xxx…xxx"), "{message}");
        assert!(
            message.contains("line 1") || message.contains("line 2"),
            "{message}"
        );
    }
}

#[test]
fn every_truncation_is_told_from_other_faults() {
    let whole = sample::open_loop().to_json();
    let whole = whole.trim_end();
    for length in (0..whole.len()).step_by(7) {
        let error = parse(&whole[..length]).unwrap_err();
        assert!(
            matches!(error, RunFileError::Truncated { .. }),
            "{length}: {error}"
        );
    }
}

#[test]
fn more_samples_than_any_run_takes_are_refused() {
    let mut run = sample::open_loop();
    run.series = vec![run.series[0].clone(); 6_000];
    assert!(parse(&run.to_json()).is_ok());
    run.series.push(run.series[0].clone());
    let refused = parse(&run.to_json()).unwrap_err().to_string();
    assert!(
        refused.contains("`series` has 6001 entries, expected at most 6000"),
        "{refused}"
    );
}

#[test]
fn bytes_that_are_not_utf8_are_not_json() {
    let path = Path::new("run.json");
    assert!(matches!(
        utf8(path, vec![b'{', 0xff]),
        Err(RunFileError::NotJson { .. })
    ));
    assert!(matches!(
        utf8(path, vec![b'"', 0xc2]),
        Err(RunFileError::Truncated { .. })
    ));
}

#[test]
fn a_file_that_contradicts_itself_is_refused() {
    type Edit = fn(&mut RunFile);
    let invalid = "`achieved.valid` is true, but ";
    let table: [(Edit, &str); 20] = [
        (
            |run| run.checks.supply_conserved = false,
            "a check is false",
        ),
        (
            |run| run.achieved.invalid_reasons = vec!["balances differ".into()],
            "a reason is given: balances differ",
        ),
        (
            |run| {
                let mut disputes = sample::disputes();
                disputes.honest_punished = 2;
                run.disputes = Some(disputes);
            },
            "2 honest parties were punished",
        ),
        (
            |run| {
                let mut disputes = sample::disputes();
                disputes.lost_by_honest = 7;
                run.disputes = Some(disputes);
                run.workload.l1_delay_blocks = Some(9);
            },
            "honest parties lost 7 units to cheaters although the window exceeds the delay \
             that was asked for",
        ),
        (|run| run.achieved.payments = 0, "no payment was made"),
        (
            |run| run.achieved.open_loop.as_mut().unwrap().unserved = 1_000_000,
            "the offered rate was not held: 1 M of 80 k arrivals not served",
        ),
        (
            |run| run.checks.stage_cpu_share = 0.1,
            "stages account for 10.0 % of the CPU time",
        ),
        (
            |run| run.achieved.payments_measured = Some(1_000_001),
            "`achieved.payments_measured` is 1000001, expected at most 1000000",
        ),
        (
            |run| run.latency_ns.response.as_mut().unwrap().p99 = 1,
            "`latency_ns.response`: a percentile is above a higher one",
        ),
        (
            |run| run.latency_ns.service.as_mut().unwrap().max = 1,
            "`latency_ns.service`: a percentile",
        ),
        (
            |run| run.assurance.cosign_every += 1,
            "`assurance.cosign_every` is 101, expected 100, as `workload.cosign_every` says",
        ),
        (
            |run| run.assurance.in_flight += 1,
            "as `workload.in_flight` says",
        ),
        (
            |run| {
                run.achieved.payments_measured = Some(run.achieved.payments);
                run.achieved.payments_per_s *= 10.0;
            },
            "`payments_measured` over `wall_s`",
        ),
        (
            |run| {
                run.achieved.payments_measured = Some(run.achieved.payments);
                run.achieved.wall_s = 0.0;
            },
            "`payments_measured` over `wall_s`",
        ),
        (
            |run| run.l1.offload.as_mut().unwrap().transactions.ratio = 99_999.0,
            "`l1.offload.transactions.ratio` is 99999, expected ",
        ),
        (
            |run| run.achieved.wall_s = -1.0,
            "expected a figure of 0 or more",
        ),
        (
            |run| run.achieved.payments_per_s = -5.0,
            "floating point `-5.0`, expected a figure of 0 or more",
        ),
        (
            |run| run.stages[0].cpu_s = -1.0,
            "expected a figure of 0 or more",
        ),
        (
            |run| run.machine.others_share = Some(-0.5),
            "expected a figure of 0 or more",
        ),
        (
            |run| run.l1.offload.as_mut().unwrap().cpu.low = -1.0,
            "expected a figure of 0 or more",
        ),
    ];
    for (at, (edit, words)) in table.into_iter().enumerate() {
        let mut run = sample::open_loop();
        edit(&mut run);
        let refused = parse(&run.to_json()).unwrap_err().to_string();
        assert!(refused.contains(words), "{words}: {refused}");
        // The first ones are no contradiction of an INVALID run.
        let of_validity = at < 7;
        assert_eq!(refused.contains(invalid), of_validity, "{refused}");
        run.achieved.valid = false;
        assert_eq!(parse(&run.to_json()).is_ok(), of_validity, "{words}");
    }
    // Of a run that went on a rate is asked, unless it only closed. Earlier versions do not say.
    for (only_closed, is_read) in [(Some(true), true), (None, true), (Some(false), false)] {
        let mut run = sample::resumed(0);
        run.achieved.open_loop.as_mut().unwrap().unserved = 1_000_000;
        let before = run.durability.as_mut().unwrap().resumed.as_mut().unwrap();
        before.only_closed = only_closed;
        assert_eq!(parse(&run.to_json()).is_ok(), is_read, "{only_closed:?}");
    }
    // What Layer 1 takes less with an attack than without is below 0.
    let mut run = sample::open_loop();
    let mut disputes = sample::disputes();
    let silent = disputes.attacks.get_mut("silent").unwrap();
    silent.extra_bytes_per_case = -32.0;
    run.disputes = Some(disputes);
    assert_eq!(parse(&run.to_json()).unwrap(), run);
}
