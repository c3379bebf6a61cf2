//! Whole runs on a Layer 1 that validators decide about. Without faults blocks are what they were,
//! for any number of them; what faulty ones do is seen in blocks, rounds and answers; and honest
//! money is lost exactly where answers come too late.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use duet_engine::consensus::{Fault, Faults, Network};
use duet_engine::l1::Pace;
use duet_engine::pipeline::{Attack, Config, Decided, Outcome, TrafficKind, Validators, run};

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

/// In blocks, how long an answer waited at most.
fn longest_answer(outcome: &Outcome) -> u64 {
    let answers = outcome.traffic.of(TrafficKind::Answer);
    answers.wait_ms.quantile(1.0).unwrap_or(0) / 1_000
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
            let longest = longest_answer(&run);
            assert!(run.disputes.answers > 0 || lost, "{case}");
            assert!(
                longest <= (most_in_a_row + 1).min(u64::from(window)),
                "{case}"
            );
            assert!(!lost || u64::from(window) <= most_in_a_row, "{case}");
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

/// Windows count blocks, and there are none.
#[test]
fn a_halted_layer_1_says_so_and_loses_nothing() {
    let mut config = decided_by(4, &[(Fault::Silent, 2)]);
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
