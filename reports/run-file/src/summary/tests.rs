//! The summary's size whatever the file holds, and what must be visible in it.

use super::*;
use crate::{
    run_file::{Ratio, RunFile, Validators},
    sample,
};

fn changed(change: impl FnOnce(&mut RunFile)) -> RunFile {
    let mut run = sample::open_loop();
    change(&mut run);
    run
}

fn line<'a>(shown: &'a str, start: &str) -> &'a str {
    shown
        .lines()
        .find(|line| line.starts_with(start))
        .unwrap_or_else(|| panic!("{start}:\n{shown}"))
}

#[test]
fn never_more_than_so_many_lines_and_columns() {
    let long = "words upon words ".repeat(20);
    let worst = changed(|run| {
        run.achieved.valid = false;
        run.achieved.interrupted = true;
        run.achieved.invalid_reasons = vec![long.clone(); 5];
        run.assurance.durability.clone_from(&long);
        run.assurance.signatures_per_key_per_batch = 1234.5;
        run.assurance.both_endpoints_checked = false;
        run.achieved.payments_refused = u64::MAX;
        run.achieved.channels_stopped = u64::MAX;
        run.rejections = (0..50).map(|nth| (format!("{long}{nth}\n"), nth)).collect();
        run.workload.pattern.clone_from(&long);
        run.workload.arrivals.clone_from(&long);
        run.workload.seed = u64::MAX;
        run.machine.cpu.clone_from(&long);
        run.engine.backend.clone_from(&long);
        run.workload.l1.profile = Some(long.clone());
        run.workload.l1.unit = Some(long.clone());
        run.workload.l1.order = Some(long.clone());
        run.workload.l1.block_units = Some(u64::MAX);
        run.workload.l1.interval_ms = Some(u64::MAX);
        run.workload.l1.finality_blocks = Some(u64::MAX);
        run.workload.l1.session_time_ms = Some(u64::MAX);
        run.engine.backend_reason.clone_from(&long);
        run.machine.others_share = Some(0.8);
        let wide = Ratio {
            ratio: 0.123_4,
            low: 1e-9,
            high: 123_456_789_012.0,
        };
        run.l1.offload.as_mut().unwrap().state_reads = wide;
    });
    let empty = changed(|run| {
        run.achieved.payments = 0;
        run.achieved.cpu_s = f64::NAN;
        run.l1.direct.as_mut().unwrap().payments = 0;
    });
    for run in [sample::open_loop(), worst, empty] {
        let shown = summary(&run);
        assert!(shown.lines().count() <= LINES_MAX, "{shown}");
        for line in shown.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }
}

#[test]
fn a_chain_that_layer_1_was_run_as_is_called_emulated() {
    let of = |profile: &str, finality_blocks, session_time_ms| {
        changed(|run| {
            let limits = &mut run.workload.l1;
            limits.profile = Some(profile.to_owned());
            limits.unit = Some("gas".to_owned());
            limits.block_units = Some(60_000_000);
            limits.interval_ms = Some(12_000);
            limits.finality_blocks = Some(finality_blocks);
            limits.order = Some("base-fee".to_owned());
            let answers = if profile == "duet" {
                "reserved"
            } else {
                "compete"
            };
            limits.answers = Some(answers.to_owned());
            limits.session_time_ms = Some(session_time_ms);
        })
    };
    for (run, expected) in [
        (sample::open_loop(), None),
        (
            of("ethereum-60m", 64, 1_500),
            Some(
                "Layer 1   emulated: Duet's transactions at the limits and prices of ethereum-60m, \
                 60 M gas a block, every 12 s, final after 64 blocks, order by base-fee, answers \
                 compete, channels open for 1.5 s",
            ),
        ),
        (
            of("duet", 0, 0),
            Some(
                "Layer 1   duet with a clock, 60 M gas a block, every 12 s, final at once, order \
                 by base-fee, room kept for answers",
            ),
        ),
    ] {
        let shown = summary(&run);
        let lines = shown.lines();
        let mut lines = lines.skip_while(|line| !line.starts_with("Layer 1"));
        let said = lines.next().map(|first| {
            let rest = lines.take_while(|line| line.starts_with(' '));
            let rest = rest.map(|line| format!(" {}", line.trim_start()));
            first.to_owned() + &rest.collect::<String>()
        });
        assert_eq!(said.as_deref(), expected, "{shown}");
    }
}

#[test]
fn the_first_word_is_the_verdict() {
    let reasons = |run: &mut RunFile| {
        run.achieved.valid = false;
        run.achieved.invalid_reasons = vec!["offered rate not held".into(), "balances".into()];
    };
    let table = [
        (
            sample::open_loop(),
            "VALID: payments accounted, signatures verified",
        ),
        (
            changed(reasons),
            "INVALID: offered rate not held; balances\nmachine",
        ),
        (
            changed(|run| run.achieved.valid = false),
            "INVALID: no reason is given",
        ),
        (
            changed(|run| run.achieved.interrupted = true),
            "VALID, INTERRUPTED: payments",
        ),
        (
            changed(|run| {
                reasons(run);
                run.achieved.interrupted = true;
            }),
            "INVALID, INTERRUPTED: offered rate",
        ),
    ];
    for (run, expected) in table {
        let shown = summary(&run);
        assert!(shown.starts_with(expected), "{expected}:\n{shown}");
    }
}

#[test]
fn no_figure_of_a_rate_that_was_not_held_is_cut_off() {
    for figures in [
        "177 k of 598 k payments/s",
        "it was not before a restart",
        "1 M of 80 k arrivals not served",
        "2.06 k of 2.48 k arrivals waited for their co-sign interval",
        "1.78 M of 4.92 M payments/s, 441 ms behind when it was stopped; it was not before a \
         restart; 2.98 M of 6.98 M arrivals not served; 1.00 M of 6.98 M arrivals refused or lost",
    ] {
        let mut run = sample::resumed(250_000);
        run.workload.planted_slowdown = Some(0.125);
        run.machine.others_share = Some(0.56);
        run.achieved.valid = false;
        run.achieved.interrupted = true;
        run.achieved.steady_payments_per_s = Some(151e3);
        run.durability.as_mut().unwrap().in_memory = true;
        run.achieved.sessions_cut = 2_000;
        run.achieved.invalid_reasons = vec![format!("the offered rate was not held: {figures}")];
        let shown = summary(&run);
        let unbroken = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            figures,
            "(56 % taken by others)",
            "ended short of their payments",
        ] {
            assert!(unbroken.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains('…'), "{shown}");
    }
}

#[test]
fn the_rate_stands_with_its_assurance() {
    let shown = summary(&sample::open_loop());
    let start = shown.find("payments  1 M").expect("the headline");
    let headline = &shown[start..shown.find("CPU  ").expect("the line after")];
    for part in [
        "901 k/s (steady 912 k/s)",
        "co-signed every 100",
        "4 in flight",
        "1.3 signatures per key and batch of 512",
        "both endpoints checked",
        "durability off",
        "at most 1.23 M at risk",
    ] {
        assert!(headline.contains(part), "{part}:\n{headline}");
    }
    for (achieved, part) in [
        (None, "co-signed every 100,"),
        (Some(95.0), "co-signed every 100,"),
        (Some(1.5), "co-signed every 100 at most (1.5 on average),"),
    ] {
        let shown = summary(&changed(|run| {
            run.assurance.payments_per_cosigning = achieved;
        }));
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    let unchecked = changed(|run| run.assurance.both_endpoints_checked = false);
    assert!(summary(&unchecked).contains("NOT checked by both endpoints"));
}

#[test]
fn cpu_is_split_by_stage_and_layer_1_stands_apart() {
    let shown = summary(&sample::open_loop());
    assert_eq!(
        line(&shown, "CPU  "),
        "CPU       2.1 µs per payment: hash 15 ns, sign 141 ns, verify 202 ns, L1 10 ns,"
    );
    assert!(shown.contains("\n          other 1.73 µs\n"), "{shown}");
}

#[test]
fn what_else_took_much_is_named() {
    let stage = |name: &str, role: &str, cpu_s| Stage {
        name: name.into(),
        role: role.into(),
        cpu_s,
        ..sample::open_loop().stages[0].clone()
    };
    let run = changed(|run| {
        run.stages.extend([
            stage("idle", "engine", 0.01),
            stage("draw", "engine", 0.5),
            stage("receive", "payer", 0.3),
            stage("receive", "payee", 0.3),
            stage("encode", "payer", 0.2),
        ]);
    });
    let shown = summary(&run);
    let expected = "other 1.73 µs (receive 600 ns; draw 500 ns)";
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn the_machine_stands_first_with_what_makes_it_fast_or_slow() {
    let run = changed(|run| {
        run.engine.backend = "dalek".into();
        run.engine.backend_reason = "library code".into();
        run.machine.others_share = Some(0.82);
    });
    let shown = summary(&run);
    let busy: Vec<&str> = shown.lines().take(2).collect();
    let [verdict, busy] = busy[..] else {
        panic!("{shown}")
    };
    assert!(verdict.starts_with("VALID: payments accounted"), "{shown}");
    let expected = "       numbers of a busy machine (82 % taken by others)";
    assert_eq!(busy, expected, "{shown}");
    let machine = line(&shown, "machine   ");
    assert!(
        machine.ends_with("dalek back end (library code),"),
        "{shown}"
    );
}

#[test]
fn a_resumed_run_says_so_before_any_figure() {
    let mut run = sample::resumed(500_000);
    assert!(summary(&run).starts_with("VALID, RESUMED: payments accounted"));
    run.achieved.interrupted = true;
    assert!(summary(&run).starts_with("VALID, INTERRUPTED, RESUMED: payments"));
    run.achieved.valid = false;
    run.workload.planted_slowdown = Some(0.05);
    let expected = "INVALID, INTERRUPTED, RESUMED, SLOWED ON PURPOSE by 5 %:\n       no reason";
    assert!(summary(&run).starts_with(expected), "{}", summary(&run));
}

#[test]
fn sessions_that_ended_short_and_a_backlog_are_told() {
    let mut run = sample::resumed(500_000);
    run.achieved.sessions_cut = 33;
    let before = run.durability.as_mut().unwrap().resumed.as_mut().unwrap();
    before.backlog = 1234;
    let shown = summary(&run);
    let expected = "VALID, RESUMED: 33 sessions ended short of their payments, payments accounted";
    assert!(shown.starts_with(expected), "{shown}");
    assert!(shown.contains("with a backlog of 1.23 k"), "{shown}");
    let before = run.durability.as_mut().unwrap().resumed.as_mut().unwrap();
    before.only_closed = Some(true);
    let shown = summary(&run);
    let expected =
        "VALID, RESUMED: only closed, no rate judged,\n                33 sessions ended";
    assert!(shown.starts_with(expected), "{shown}");
    assert!(shown.contains("a backlog of 1.23 k given up"), "{shown}");
}

#[test]
fn figures_of_a_resumed_run_are_of_the_payments_that_followed() {
    // Payments of the million that were made after the restart, in 1.11 s and 2.1 s of CPU time.
    for (measured, rate, cpu) in [
        (
            1_000_000,
            "1 M, 1 M of them after the restart in 1.11 s: 901 k/s,",
            "per payment not shown: sessions span the restart",
        ),
        (
            500_000,
            "1 M, 500 k of them after the restart in 1.11 s: 450 k/s,",
            "4.2 µs per payment: hash 30 ns,",
        ),
        (
            0,
            "1 M, none of them after the restart, co-signed every 100,",
            "not measured: no payment was made after the restart",
        ),
    ] {
        let shown = summary(&sample::resumed(measured));
        assert!(line(&shown, "payments  ").contains(rate), "{shown}");
        assert!(line(&shown, "CPU  ").contains(cpu), "{shown}");
    }
}

#[test]
fn a_resumed_run_has_the_ratios_that_are_known() {
    let ratios = |measured, signatures: u64| {
        let mut run = sample::resumed(measured);
        run.offchain.signatures_made = signatures / 2;
        run.offchain.signature_verifications = signatures / 2;
        let shown = summary(&run);
        ["transactions", "CPU     ", "signatures in", "CPU in all"].map(|start| {
            // The first such line that begins with CPU is the one of stages.
            let mut rows = shown.lines().rev();
            rows.find(|line| line.starts_with(start))
                .unwrap()
                .to_owned()
        })
    };
    // Half of the sessions and half of the payments: two pairs of signatures for each.
    let [transactions, cpu, signatures, all_cpu] = ratios(500_000, 2_000_000);
    assert!(transactions.ends_with("5,000 x"), "{transactions}");
    assert!(cpu.ends_with("- (sessions span the restart)"), "{cpu}");
    assert!(
        signatures.ends_with("0.500 x: more, not less"),
        "{signatures}"
    );
    assert!(all_cpu.ends_with(" x"), "{all_cpu}");
    // Half of the sessions and hardly any payments: what closing took is not what paying takes.
    let [transactions, cpu, signatures, all_cpu] = ratios(20, 380);
    assert!(transactions.ends_with("5,000 x"), "{transactions}");
    for unknown in [cpu, signatures, all_cpu] {
        let end = "- (sessions span the restart)";
        assert!(unknown.ends_with(end), "{unknown}");
    }
    // Nothing at all.
    let none = ratios(0, 0);
    for row in &none {
        assert!(!row.contains(" x"), "{none:?}");
    }
    let shown = summary(&sample::resumed(0));
    assert!(
        shown.contains("baseline  nothing was measured: no ratios"),
        "{shown}"
    );
    assert!(!shown.contains("n/a"), "{shown}");
}

#[test]
fn latency_that_was_not_measured_says_why() {
    let none = |run: &mut RunFile| run.latency_ns.response = None;
    let table = [
        (
            sample::open_loop(),
            "latency   response  p50 1.23 ms  p99 4.92 ms  max 12.3 ms",
        ),
        (changed(none), "latency   response  not measured"),
        (
            changed(|run| {
                none(run);
                run.workload.arrivals = "closed-loop".into();
            }),
            "latency   service   p50 456 µs   p99 1.82 ms  max 4.56 ms",
        ),
    ];
    for (run, expected) in table {
        let shown = summary(&run);
        assert_eq!(line(&shown, "latency"), expected);
        assert!(
            shown.contains("service   p50 456 µs   p99 1.82 ms  max 4.56 ms"),
            "{shown}"
        );
    }
}

#[test]
fn the_offload_table_shows_savings_and_rises() {
    let shown = summary(&sample::open_loop());
    let table = [
        ("per 10 k payments", "moved off  offload"),
        ("transactions", "5,000 x"),
        ("bytes", "2,143 x ± 0.163 %"),
        ("peak entries, all", "0.571 x: more, not less"),
        ("CPU    ", "1,000 x ± 4.9 %"),
        ("signatures in all", "48.9 x"),
        ("CPU in all", "19.8 x"),
    ];
    let vector: String = shown
        .lines()
        .skip_while(|line| !line.starts_with("per 10 k"))
        .map(|line| format!("{line}\n"))
        .collect();
    for (start, end) in table {
        assert!(
            line(&vector, start).ends_with(end),
            "{start} … {end}:\n{vector}"
        );
    }
    let cells = |start| line(&vector, start).split_whitespace().collect::<Vec<_>>();
    assert_eq!(
        cells("signatures verified")[2..],
        ["10", "k", "5", "202", "2,000", "x"]
    );
    // A stock: the figures of both sides as they stand, whose ratio is the one beside them.
    assert_eq!(cells("peak entries, all")[3..6], ["200", "350", "-"]);
}

#[test]
fn an_interval_is_shown_whole_or_said_to_be_missing() {
    let with = |ratio, low, high| {
        changed(|run| run.l1.offload.as_mut().unwrap().cpu = Ratio { ratio, low, high })
    };
    let table = [
        (with(10.3, 0.0, f64::INFINITY), "10.3 x ± unknown"),
        (with(0.812, 0.0, f64::NAN), "0.812 x ± unknown: more"),
        (
            with(0.001_62, 0.001_59, 0.001_64),
            "0.00162 x ± 1.23 %: more",
        ),
        (with(0.5, 0.5, 0.5), "0.5 x: more, not less"),
    ];
    for (run, end) in table {
        let shown = summary(&run);
        let mut cpu = shown.lines().filter(|line| line.starts_with("CPU  "));
        assert!(cpu.next_back().unwrap().ends_with(end), "{end}:\n{shown}");
    }
}

#[test]
fn without_payments_there_are_no_ratios() {
    let shown = summary(&changed(|run| {
        run.achieved.payments = 0;
        run.l1.offload = None;
    }));
    assert!(
        line(&shown, "baseline").ends_with("no payments: no ratios"),
        "{shown}"
    );
    assert!(!shown.contains(" x:") && !shown.contains(" x;"), "{shown}");
}

#[test]
fn sessions_that_were_not_reached_are_not_claimed() {
    let cut = changed(|run| {
        run.workload.sessions = 200_000;
        run.achieved.sessions_opened = 516;
    });
    let shown = summary(&cut);
    assert!(
        line(&shown, "workload")
            .contains("516 of 200 k sessions x 10 k payments, poisson at 900 k/s,"),
        "{shown}"
    );
    assert!(
        line(&shown, "baseline").starts_with("baseline  100 k payments of 10 sessions in"),
        "{shown}"
    );
    let trace = changed(|run| run.workload.mode = "trace".into());
    assert!(summary(&trace).contains("100 sessions x 10 k payments on average,"));
}

#[test]
fn a_run_that_was_slowed_on_purpose_says_so_first() {
    let slowed = changed(|run| run.workload.planted_slowdown = Some(0.05));
    let shown = summary(&slowed);
    assert!(
        shown.starts_with("VALID, SLOWED ON PURPOSE by 5 %: "),
        "{shown}"
    );
    assert!(!summary(&changed(|_| {})).contains("PURPOSE"));
}

#[test]
fn a_total_that_rises_says_so() {
    let run = changed(|run| run.offchain.cpu_s = 100.0);
    let shown = summary(&run);
    assert!(
        line(&shown, "CPU in all").ends_with("0.320 x: more, not less"),
        "{shown}"
    );
}

#[test]
fn a_baseline_is_of_all_payments_only_where_it_made_those_of_every_session() {
    for (sessions, payments, told) in [
        (100, 1_000_000, "baseline  all payments of 100 sessions"),
        (100, 1_100_000, "baseline  1.1 M payments of 100 sessions"),
        (10, 1_000_000, "baseline  1 M payments of 10 sessions"),
        (10, 100_000, "baseline  100 k payments of 10 sessions"),
    ] {
        let shown = summary(&changed(|run| {
            let direct = run.l1.direct.as_mut().unwrap();
            (direct.sampled_sessions, direct.payments) = (sessions, payments);
        }));
        assert!(shown.contains(told), "{told}: {shown}");
    }
}

#[test]
fn no_baseline_no_ratios() {
    let run = changed(|run| {
        run.l1.direct = None;
        run.offchain.direct_client = None;
    });
    let shown = summary(&run);
    assert!(
        line(&shown, "baseline").ends_with("not run: no ratios"),
        "{shown}"
    );
    assert!(!shown.contains("more, not less"), "{shown}");
    for row in ["transactions", "bytes", "state reads", "CPU in all"] {
        assert!(!line(&shown, row).contains(" x"), "{shown}");
    }
}

#[test]
fn a_baseline_whose_payers_were_not_measured_gives_no_total() {
    let shown = summary(&changed(|run| run.offchain.direct_client = None));
    assert!(
        line(&shown, "signatures in all").contains("payers' signing not measured"),
        "{shown}"
    );
}

#[test]
fn disputes_are_shown_when_there_are_any() {
    assert!(!summary(&changed(|_| {})).contains("disputes"));
    let some = changed(|run| run.disputes = Some(sample::disputes()));
    assert_eq!(
        line(&summary(&some), "disputes"),
        "disputes  1.1 k channels, honest lost 0, honest punished 0, 900 punished,"
    );
}

#[test]
fn refusals_are_shown_when_there_are_any() {
    let none = changed(|run| run.rejections.clear());
    assert!(!summary(&none).contains("refused"));
    let some = changed(|run| {
        run.achieved.payments_refused = 12;
        run.achieved.channels_stopped = 1;
    });
    assert_eq!(
        line(&summary(&some), "refused"),
        "refused   payments 12, channels stopped 1, StaleVersion 12, BadSignature 3"
    );
}

#[test]
fn a_layer_1_with_a_clock_tells_its_time() {
    assert!(!summary(&changed(|_| {})).contains("L1 time"));
    let shown = summary(&changed(|run| {
        run.l1.chain = Some(sample::chain());
        run.workload.l1.block_units = Some(60_000_000);
        run.workload.l1.interval_ms = Some(12_000);
    }));
    let at = shown.find("L1 time").expect("its row");
    let row: Vec<&str> = shown[at..].lines().take(4).map(str::trim).collect();
    assert_eq!(
        row,
        [
            "L1 time   1 h 9 min virtual, 348 blocks, 288 of them empty,",
            "87.8 % full where used, longest wait 2 min 48 s, fees 27.2 M,",
            "20.1 k evictions, 3 sessions not opened,",
            "all payments as transfers 11 h 40 min of full blocks",
        ]
    );
}

#[test]
fn a_layer_1_with_validators_tells_their_votes() {
    assert!(!summary(&changed(|_| {})).contains("L1 votes"));
    let shown = summary(&changed(|run| {
        run.l1.chain = Some(L1Chain {
            consensus: Some(sample::consensus()),
            ..sample::chain()
        });
        run.workload.l1.validators = Some(Validators {
            count: 7,
            faults: "silent=1".into(),
            latency: "wide-area".into(),
            loss: 0.0,
            partitions: Vec::new(),
            each_executes: false,
        });
    }));
    let at = shown.find("L1 votes").expect("its row");
    let row: Vec<&str> = shown[at..].lines().take(7).map(str::trim).collect();
    assert_eq!(
        row,
        [
            "L1 votes  7 validators, faulty: silent=1, 60 blocks decided,",
            "8 rounds beyond the first, decided after 151 ms (p99 1.75 s),",
            "by the last after 210 ms (p99 1.84 s), answers 2 blocks late at most,",
            "all of them, a block: 83.3 signatures verified,",
            "110 messages of 1.05 MiB in all, simulated in 31 ms of CPU",
            "L1 n-fold n validators' CPU a block: 50 µs at n = 1, 398 ms at 100,",
            "each vote verified by itself, of 16 heights",
        ]
    );
}
