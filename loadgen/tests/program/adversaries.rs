//! Runs with dishonest parties: nobody honest loses while the window is longer than the delay, and
//! the losses are told when it is not.

use crate::common::{Folder, arguments, parse};

#[test]
fn nobody_honest_loses_to_any_attack() {
    let folder = Folder::new();
    let words = "--sessions 400 --payments 40 --adversary all=8% --l1-delay-blocks 9 \
                 --challenge-blocks 10 --baseline-sessions 2";
    for pattern in [
        "--in-flight 4",
        "--pattern two-way --cosign-every 3",
        "--reserve 500",
    ] {
        let (run, stderr) = folder.run(&format!("{words} {pattern}"));
        let disputes = run.disputes.expect("72 % of the sessions are attacked");
        assert_eq!(run.achieved.sessions_closed, 400);
        assert_eq!(disputes.attacks.len(), 9, "{:?}", disputes.attacks);
        let cases: u64 = disputes.attacks.values().map(|cost| cost.cases).sum();
        assert_eq!((disputes.closes, cases > 200), (cases, true));
        assert!(disputes.punishments > 50 && disputes.answers > 50);
        assert_eq!(disputes.lost_by_honest, 0);
        assert_eq!(disputes.honest_losers, 0);
        assert_eq!(disputes.honest_punished, 0);
        for (name, cost) in &disputes.attacks {
            assert!(cost.extra_transactions_per_case >= 1.0, "{name}: {cost:?}");
            assert!(cost.bytes > 0 && cost.transactions >= 2 * cost.cases);
        }
        assert!(run.rejections.contains_key("bad_signature"));
        assert!(!stderr.contains("not longer than the delay"), "{stderr}");
        assert_eq!(run.workload.l1_delay_blocks, Some(9));
        let adversary = run.workload.adversary.expect("what was asked for");
        assert!(adversary.starts_with("stale-close=8%,silent=8%,half-signed=8%"));
    }
}

#[test]
fn a_window_that_is_too_short_loses_honest_money_and_says_so() {
    let folder = Folder::new();
    let words = "run --json --sessions 100 --payments 40 --adversary last-block=60% \
                 --l1-delay-blocks 4 --challenge-blocks 4 --baseline-sessions 0";
    let ended = folder.loadgen(&arguments(words));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("window of 4 blocks is not longer than the delay of 4"),
        "{}",
        ended.stderr
    );
    let run = parse(&ended.stdout);
    let disputes = run.disputes.expect("disputes");
    assert!(disputes.lost_by_honest > 0 && disputes.honest_losers > 0);
    assert_eq!(disputes.honest_punished, 0);
    let shown = folder.loadgen(&arguments(&words.replace("--json ", "")));
    assert!(shown.stdout.contains("\ndisputes  "), "{}", shown.stdout);
}

#[test]
fn posts_that_full_blocks_hold_up_are_counted_and_are_no_fault_of_the_balances() {
    let folder = Folder::new();
    for attacks in [
        "both-malicious=40%",
        "stale-close=20%,last-block=20%",
        "all=8%",
    ] {
        for (block, seeds) in [
            ("--block-txs 1", 6),
            ("--block-txs 2 --challenge-blocks 1", 3),
            ("--block-txs 3 --challenge-blocks 2", 3),
        ] {
            for seed in 1..=seeds {
                let words = format!(
                    "run --json --sessions 150 --payments 10 --adversary {attacks} {block} \
                     --seed {seed} --baseline-sessions 0"
                );
                let ended = folder.loadgen(&arguments(&words));
                let run = parse(&ended.stdout);
                let disputes = run
                    .disputes
                    .expect("a good part of the sessions is attacked");
                assert!(disputes.late_posts > 0, "{words}: {disputes:?}");
                assert_eq!(disputes.honest_punished, 0, "{words}");
                let reasons = &run.achieved.invalid_reasons;
                if disputes.lost_by_honest == 0 {
                    assert_eq!(ended.code, Some(0), "{words}: {reasons:?}");
                } else {
                    assert_eq!(
                        (ended.code, reasons.len()),
                        (Some(3), 1),
                        "{words}: {reasons:?}"
                    );
                    assert!(
                        reasons[0].contains("came later than their block"),
                        "{words}: {reasons:?}"
                    );
                }
            }
        }
    }
    let (run, _) = folder.run(
        "--sessions 150 --payments 10 --adversary both-malicious=40% --seed 2 --baseline-sessions 0",
    );
    assert_eq!(run.disputes.expect("disputes").late_posts, 0, "with room");
}

/// What Layer 1 does with a dispute's transactions is Layer 1's, and nobody else's.
#[test]
fn layer_1_and_the_endpoints_share_no_cpu_time() {
    let folder = Folder::new();
    for attacks in ["both-malicious=100%", "all=8%"] {
        let words = format!(
            "--sessions 200 --payments 20 --adversary {attacks} --shards 1 --baseline-sessions 0"
        );
        let (run, _) = folder.run(&words);
        let of = |role: &str| -> f64 {
            let stages = run.stages.iter().filter(|stage| stage.role == role);
            stages.map(|stage| stage.cpu_s).sum()
        };
        let (l1, loadgen) = (run.l1.channels.cpu_s, of("loadgen"));
        assert!(l1 > 0.0 && l1 <= of("l1"), "{attacks}: {l1}");
        let both = l1 + run.offchain.cpu_s;
        assert!(both <= run.achieved.cpu_s - loadgen, "{attacks}: {both}");
    }
}

/// Where the old state gives the cheater no more than the newest, its offer covers that: nobody
/// forfeits.
#[test]
fn whoever_gains_nothing_by_an_old_state_is_due_the_same() {
    let folder = Folder::new();
    for amount in ["fixed:1", "fixed:10", "uniform:1-3"] {
        for pattern in ["--turn-length 1", "--turn-length 3 --cosign-every 2"] {
            let words = format!(
                "--sessions 100 --payments 60 --amount {amount} --pattern two-way {pattern} \
                 --adversary fake-offer=20%,stale-close=20% --baseline-sessions 0"
            );
            let disputes = folder.run(&words).0.disputes.expect("disputes");
            let cases = |name: &str| &disputes.attacks[name];
            let (fake, stale) = (cases("fake-offer"), cases("stale-close"));
            assert!(fake.punishments < fake.cases, "{words}: {fake:?}");
            assert_eq!(stale.punishments, stale.cases, "{words}: {stale:?}");
        }
    }
}

/// Where a capacity is too small for the payments, some of an attack's moments are one.
#[test]
fn refused_payments_make_no_attack_another_one() {
    let folder = Folder::new();
    for capacity in [60, 200, 1000] {
        for seed in 1..=3 {
            folder.run(&format!(
                "--sessions 120 --payments 40 --capacity {capacity} --pattern two-way --seed {seed} \
                 --adversary all=8% --baseline-sessions 0"
            ));
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_disputes_on_any_number_of_shards() {
    let folder = Folder::new();
    let run = |words: &str| {
        let words = format!(
            "--sessions 120 --payments 30 --adversary all=5% --l1-delay-blocks 7 \
             --baseline-sessions 0 {words}"
        );
        let (run, _) = folder.run(&words);
        (run.disputes, run.l1.channels.tip)
    };
    let first = run("--shards 1 --seed 5");
    assert_eq!(first, run("--shards 3 --seed 5"));
    assert_ne!(first, run("--shards 1 --seed 6"));
}

#[test]
fn a_rate_that_came_due_in_part_is_said() {
    let folder = Folder::new();
    for (shards, is_whole) in [(1, true), (8, false)] {
        let words = format!(
            "run --json --sessions 160 --payments 100 --shards {shards} --rate 20k \
             --adversary all=10% --baseline-sessions 0"
        );
        let ended = folder.loadgen(&arguments(&words));
        let run = parse(&ended.stdout);
        let reasons = run.achieved.invalid_reasons.iter();
        let said = reasons.filter(|reason| reason.contains("came due of --rate"));
        assert_eq!(said.count() == 0, is_whole, "{words}: {:?}", run.achieved);
    }
}
