//! Whole runs on a Layer 1 that validators decide about. Without faults blocks are what they were,
//! for any number of them; what faulty ones do is seen in blocks, rounds and answers; and honest
//! money is lost exactly where answers come too late.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use duet_engine::consensus::{Counts, Fault, Faults, Network};
use duet_engine::l1::Pace;
use duet_engine::pipeline::{
    Attack, Config, CutOff, Decided, Outcome, TrafficKind, Validators, WholeSystem, run,
    whole_systems,
};
use strum::VariantArray;

use crate::config::config;
use crate::workload::Uniform;

/// Blocks a second apart, and so many validators.
fn decided_by(count: u16, faults: &[(Fault, u16)]) -> Config {
    let mut config = config(1, 14, 1, 4);
    config.l1.pace = Some(Pace {
        interval_ms: 1_000,
        finality_blocks: 0,
    });
    config.l1.block_transactions = 5;
    config.sending.session_time = Duration::from_millis(2_500);
    config.validators = Some(Validators {
        count,
        faults: Faults::new(faults.to_vec(), count).unwrap(),
        network: Network::default(),
        each_executes: false,
    });
    config
}

fn begin(config: &Config) -> Outcome {
    let workload = Uniform::new(60, 14, 30);
    run(config, &workload, &AtomicBool::new(false), |_| {}).unwrap()
}

fn outcome(config: &Config) -> Outcome {
    let outcome = begin(config);
    assert!(outcome.checks.all(), "{:?}", outcome.checks);
    outcome
}

fn decided(outcome: &Outcome) -> &Decided {
    outcome.decided.as_ref().unwrap()
}

#[test]
fn without_faults_blocks_depend_on_neither_validators_nor_shards() {
    let first = outcome(&decided_by(1, &[]));
    for (validators, shards) in [(1, 3), (4, 1), (4, 2), (7, 1)] {
        let config = Config {
            shards,
            ..decided_by(validators, &[])
        };
        let other = outcome(&config);
        assert_eq!(other.chain().bodies(), first.chain().bodies());
        assert_eq!(other.chain().tip(), first.chain().tip());
        assert_eq!(other.chain().height(), first.chain().height());
        let of = decided(&other);
        assert_eq!(of.counts.heights, other.chain().load().blocks);
        assert_eq!(of.counts.more_rounds, 0);
        // A proposal and two votes of each; who hears of others late votes for nothing, too, and
        // who has decided before it had its second vote to cast casts none.
        let each = of.counts.heights * (2 * u64::from(validators) + 1);
        assert!((each * 4 / 5..=each * 5 / 4).contains(&of.counts.signatures));
        assert_eq!(of.finality.last_us.len() as u64, of.counts.heights);
    }
}

/// All that a faulty one of four does to a run: its blocks, or rounds, or nothing but work.
#[test]
fn the_table_of_faults() {
    let of = |faults: &[(Fault, u16)]| {
        let mut config = decided_by(4, faults);
        config.attacks = vec![(Attack::StaleClose, 0.5)];
        outcome(&config)
    };
    let fair = of(&[]);
    for (fault, changes, costs_rounds) in [
        (Fault::Silent, true, true),
        (Fault::Slow, true, true),
        (Fault::Censor, true, false),
        (Fault::Equivocate, true, true),
        (Fault::InvalidBlock, true, true),
        (Fault::ForgedVotes, false, false),
        (Fault::Withhold, true, true),
    ] {
        let run = of(&[(fault, 1)]);
        let is_same = run.chain().bodies() == fair.chain().bodies();
        // A round more comes later than the next block was due: what arrives meanwhile is in it.
        assert!(!is_same || !changes || costs_rounds, "{fault:?}");
        assert!(changes || is_same, "{fault:?}");
        let Decided { counts, others, .. } = decided(&run);
        assert_eq!(counts.more_rounds > 0, costs_rounds, "{fault:?}");
        assert_eq!(others.censored > 0, fault == Fault::Censor, "{fault:?}");
        assert_eq!(others.empty > 0, fault == Fault::Equivocate, "{fault:?}");
        assert_eq!(counts.forged > 0, fault == Fault::ForgedVotes, "{fault:?}");
        assert_eq!(run.disputes.lost_by_honest, 0, "{fault:?}");
        assert!(run.disputes.answers > 0, "{fault:?}");
    }
}

/// Blocks by which an honest party's answer was late at most, in time or not: D.
fn delay(outcome: &Outcome) -> Option<u64> {
    outcome.traffic.answers_late.quantile(1.0)
}

/// A validator that executes each block on a chain of its own finds what one finds for all.
#[test]
fn each_executing_for_itself_agrees_with_one_for_all() {
    for faults in [
        &[][..],
        &[(Fault::Censor, 1)],
        &[(Fault::Equivocate, 1)],
        &[(Fault::InvalidBlock, 1)],
        &[(Fault::Withhold, 1)],
    ] {
        let of = |each_executes| {
            let mut config = decided_by(4, faults);
            config.attacks = vec![(Attack::StaleClose, 0.3), (Attack::Silent, 0.2)];
            config.l1.state_root = true;
            let validators = config.validators.as_mut().unwrap();
            validators.each_executes = each_executes;
            outcome(&config)
        };
        let [once, each] = [false, true].map(of);
        assert_eq!(each.chain().bodies(), once.chain().bodies(), "{faults:?}");
        assert_eq!(each.chain().tip(), once.chain().tip(), "{faults:?}");
        assert_eq!(each.chain().load().bytes, once.chain().load().bytes);
        let counts = |run: &Outcome| Counts {
            cpu_ns: 0,
            ..decided(run).counts
        };
        assert_eq!(counts(&each), counts(&once), "{faults:?}");
        assert_eq!(decided(&each).others, decided(&once).others, "{faults:?}");
        assert!(each.disputes.answers > 0, "{faults:?}");
    }
}

/// D is what proposers make of it: an answer waits for a block more for each censor in turn, and
/// honest money is lost exactly where that is as long as the window.
#[test]
fn honest_money_is_lost_exactly_where_answers_wait_as_long_as_the_window() {
    let mut seen = [false; 2];
    for censors in 0..=3 {
        for window in 1..=5 {
            let mut config = decided_by(4, &[(Fault::Censor, censors)]);
            config.attacks = vec![(Attack::StaleClose, 0.5)];
            config.challenge_window_blocks = window;
            // Room for all that waits: only censors make answers wait.
            config.l1.block_transactions = 100;
            let run = outcome(&config);
            let lost = run.disputes.lost_by_honest > 0;
            let case = format!("{censors} of 4 censor, window {window}: {:?}", run.disputes);
            // Places have their turns one after the other: of three, all three in a row.
            let most_in_a_row = [0, 1, 1, 3][usize::from(censors)];
            let longest = delay(&run).unwrap();
            assert!(run.disputes.answers > 0 || lost, "{case}");
            assert!(longest <= most_in_a_row, "{case}: {longest}");
            assert_eq!(lost, longest >= u64::from(window), "{case}: {longest}");
            assert_eq!(
                lost,
                run.disputes.late_posts > 0 && run.disputes.honest_losers > 0,
                "{case}"
            );
            seen[usize::from(lost)] = true;
        }
    }
    assert_eq!(seen, [true; 2], "some lose, and some do not");
}

/// Nor can a client answer that is cut off while the chain goes on: it is late by as much, and has
/// lost exactly where that is as long as the window.
#[test]
fn honest_money_is_lost_exactly_where_a_client_is_cut_off_as_long_as_the_window() {
    let mut seen = [false; 2];
    let blocks = 6;
    for from in [4, 6, 7, 8, 9] {
        for window in [1, 3, blocks - 1, blocks, blocks + 1] {
            let mut config = decided_by(4, &[]);
            config.attacks = vec![(Attack::StaleClose, 0.5)];
            config.challenge_window_blocks = window;
            config.l1.block_transactions = 100;
            let until = from + u64::from(blocks);
            config.sending.cut_off = Some(CutOff { from, until });
            let run = outcome(&config);
            let (lost, late) = (run.disputes.lost_by_honest > 0, delay(&run).unwrap());
            let case = format!("from {from}, window {window}, D {late}: {:?}", run.disputes);
            // The post may be in the last block before.
            assert!(late <= u64::from(blocks), "{case}");
            assert_eq!(lost, late >= u64::from(window), "{case}");
            assert_eq!(late > 0, run.disputes.late_posts > 0, "{case}");
            assert_eq!(run.disputes.honest_punished, 0, "{case}");
            seen[usize::from(lost)] |= late > 0;
        }
    }
    assert_eq!(seen, [true; 2], "some lose, and some do not");
}

/// What parties would have sent while they were cut off is in later blocks, and those are the same
/// for any number of shards.
#[test]
fn nothing_of_parties_that_are_cut_off_is_in_a_block() {
    let of = |shards, cut_off| {
        let mut config = decided_by(1, &[]);
        config.shards = shards;
        config.sending.cut_off = cut_off;
        outcome(&config)
    };
    // From before the first block on: nobody opens.
    let cut_off = Some(CutOff { from: 1, until: 50 });
    let [plain, one, two] = [of(1, None), of(1, cut_off), of(2, cut_off)];
    assert_eq!(one.chain().bodies(), two.chain().bodies());
    assert_eq!(one.chain().bodies().len(), plain.chain().bodies().len());
    assert_eq!(one.chain().height(), plain.chain().height() + 49);
    let opens = one.traffic.of(TrafficKind::Open).wait_ms.quantile(1.0);
    assert!(opens >= Some(49_000), "{opens:?}");
}

/// Every attack at once, on a Layer 1 of whose four validators one is faulty, and whose honest
/// parties are held back: a window that is longer than both keeps the guarantee.
#[test]
fn no_attack_under_faulty_validators_costs_an_honest_party() {
    let (held_back, censored) = (2, 1);
    for (seed, fault) in (0..).zip(Fault::VARIANTS) {
        let mut config = decided_by(4, &[(*fault, 1)]);
        config.seed = seed;
        config.attacks = Attack::ALL.map(|attack| (attack, 0.1)).to_vec();
        config.sending.delay_blocks = held_back;
        config.challenge_window_blocks = held_back + censored + 1;
        config.l1.block_transactions = 100;
        let run = outcome(&config);
        let case = format!("{fault:?}: {:?}", run.disputes);
        let found = &run.disputes;
        assert!(found.cases() > 20 && found.answers > 0, "{case}");
        assert_eq!(
            (found.lost_by_honest, found.honest_punished),
            (0, 0),
            "{case}"
        );
        assert_eq!(found.mismatches, 0, "{case}");
        assert!(
            delay(&run) <= Some(u64::from(held_back + censored)),
            "{case}"
        );
    }
}

/// Windows count blocks, and there are none.
#[test]
fn a_halted_layer_1_says_so_and_loses_nothing() {
    let mut config = decided_by(4, &[(Fault::Silent, 2)]);
    config.challenge_window_blocks = 1;
    config.sending.cut_off = Some(CutOff { from: 2, until: 9 });
    config.attacks = vec![(Attack::StaleClose, 0.5)];
    let run = begin(&config);
    let fallen = run.ended.fallen.unwrap();
    assert_eq!(
        fallen,
        "Layer 1 has stopped: validators decided nothing at height 1 for an hour of virtual time"
    );
    assert_eq!(run.disputes.lost_by_honest, 0);
}

/// With a third and more of them lying to each half, they tell two blocks.
#[test]
fn a_forked_layer_1_says_so() {
    let run = begin(&decided_by(4, &[(Fault::Equivocate, 2)]));
    let fallen = run.ended.fallen.unwrap();
    assert!(
        fallen.starts_with("Layer 1 has stopped: validators decided for two blocks"),
        "{fallen}"
    );
}

/// Each of n says a proposal or two votes to all others: n times as many say n times as much.
#[test]
fn a_whole_systems_votes_grow_with_the_square_of_its_validators() {
    let all = |config: &Config| whole_systems(config, &AtomicBool::new(false));
    // Neither the run's number of validators nor their faults are in it.
    let config = decided_by(4, &[(Fault::Silent, 1)]);
    let systems = all(&config);
    let sizes: Vec<u16> = systems.iter().map(|of| of.validators).collect();
    assert_eq!(sizes, WholeSystem::SIZES);
    for of in &systems {
        let (n, counts) = (u64::from(of.validators), of.counts);
        assert_eq!(
            (counts.heights, counts.more_rounds),
            (WholeSystem::HEIGHTS, 0)
        );
        assert_eq!(of.finality.last_us.len() as u64, counts.heights);
        // Who hears of a decision before its own precommit is due says one thing less.
        let all = counts.heights * (n - 1) * (2 * n + 1);
        assert!(
            (all * 9 / 10..=all * 5 / 4).contains(&counts.messages),
            "{of:?}"
        );
        assert!(counts.verifications <= counts.messages && counts.block_bytes == 0);
    }
    let again = all(&config);
    let counts = |of: &WholeSystem| (of.counts.messages, of.counts.bytes, of.finality.clone());
    assert!(
        systems
            .iter()
            .zip(&again)
            .all(|(one, other)| counts(one) == counts(other))
    );
    let plain = Config {
        validators: None,
        ..config
    };
    assert!(all(&plain).is_empty());
}
