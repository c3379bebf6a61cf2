use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};
use crate::plan::Plan;

fn plan(words: &str) -> Result<Plan, String> {
    let words = format!("loadgen run --baseline-sessions 0 --shards 1 {words}");
    let cli = Cli::try_parse_from(words.split_whitespace()).map_err(|error| error.to_string())?;
    let Some(Command::Run(args)) = cli.command else {
        unreachable!("`run` was said");
    };
    Plan::new(&args).map_err(|error| error.to_string())
}

#[test]
fn without_a_profile_layer_1_is_as_it_was() {
    let plan = plan("--sessions 4").unwrap();
    let default = l1::Config::default();
    let expected = l1::Config {
        verification: l1::Verification::Ahead,
        ..default
    };
    assert_eq!(plan.config.l1, expected);
    assert_eq!(plan.config.sending.session_time, Duration::ZERO);
    assert_eq!(plan.config.sending.bid, l1::Bid::default());
    assert_eq!(plan.config.challenge_window_blocks, 144);
    let text = serde_json::to_string(&plan.description.l1).unwrap();
    assert_eq!(
        text,
        r#"{"block_transactions":2857,"block_bytes":8388608,"challenge_window_blocks":144,"fee":1}"#
    );
}

#[test]
fn every_known_profile_is_a_layer_1_of_the_engine() {
    // Fee, usual bid and tip, and the order.
    for (name, fee, most, tip, order, answers) in [
        ("duet", 1, 0, 0, l1::Order::Arrival, l1::Answers::Reserved),
        (
            "ethereum-60m",
            0,
            60_000,
            3_000,
            l1::Order::BaseFee {
                least: l1::Rate(3_000),
            },
            l1::Answers::Compete,
        ),
        (
            "bitcoin",
            0,
            12_500_000,
            12_500_000,
            l1::Order::Bid,
            l1::Answers::Compete,
        ),
        (
            "solana-like",
            0,
            5_000,
            5_000,
            l1::Order::Bid,
            l1::Answers::Compete,
        ),
        (
            "cometbft-default",
            100,
            0,
            0,
            l1::Order::Arrival,
            l1::Answers::Compete,
        ),
    ] {
        let plan = plan(&format!("--sessions 4 --l1 {name}")).unwrap();
        let config = plan.config.l1;
        assert_eq!(config.check(), Ok(()), "{name}");
        assert_eq!(config.fee, Amount::new(fee), "{name}");
        assert_eq!(config.order, order, "{name}");
        assert_eq!(config.answers, answers, "{name}");
        let bid = l1::Bid {
            most: l1::Rate(most),
            tip: l1::Rate(tip),
        };
        assert_eq!(plan.config.sending.bid, bid, "{name}");
        let limits = Profile::find(name).unwrap().limits().unwrap();
        let pace = config.pace.unwrap();
        assert_eq!(pace.interval_ms, limits.interval_ms, "{name}");
        assert_eq!(pace.finality_blocks, limits.finality_blocks, "{name}");
        let units = config.units.unwrap();
        assert_eq!(units.block, limits.block_units, "{name}");
        assert_eq!(units.of_channels, limits.channel_units, "{name}");
        assert_eq!(units.prices.transfer, limits.prices.transfer, "{name}");
        assert_eq!(units.prices.close, limits.prices.close, "{name}");
        assert_eq!(config.mempool_transactions, limits.mempool_transactions);
        let window = plan.config.challenge_window_blocks;
        assert_eq!(window, limits.challenge_window_blocks, "{name}");
        // What is not bounded is the largest number there is.
        assert_eq!(config.block_transactions, u32::MAX, "{name}");
        let bytes = limits.block_bytes.unwrap_or(u64::MAX);
        assert_eq!(config.block_bytes, bytes, "{name}");
        let said = plan.description.l1;
        assert_eq!(said.profile.as_deref(), Some(name));
        assert_eq!(said.profile_sha256.unwrap().len(), 64, "{name}");
        assert_eq!(said.order.as_deref(), Some(limits.order.name()));
        assert_eq!(said.session_time_ms, Some(0), "{name}");
        let note = plan.notes.iter().find(|note| note.starts_with("Emulated"));
        let is_of_it = |note: &String| note.contains(&format!("prices of {name};"));
        assert_eq!(note.is_some_and(is_of_it), name != "duet", "{name}");
    }
}

#[test]
fn channels_stay_open_while_their_payments_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("t.csv");
    let text = "time_s,payer,payee,amount\n0,a,b,50\n90,b,a,20\n";
    std::fs::write(&trace, text).unwrap();
    let trace = trace.display();
    for (words, ms) in [
        ("--sessions 4", 0),
        ("--sessions 4 --session-time 1h", 3_600_000),
        ("--sessions 4 --rate 1k --session-time 5ms", 5),
        // Payments of a session, channels at once, over the rate.
        ("--sessions 4 --payments 500 --rate 1k", 2_000),
        (
            "--sessions 9 --payments 500 --concurrent 3 --rate 1k",
            1_500,
        ),
        ("--sessions 9 --payments 1 --concurrent 3 --rate 7", 429),
        // A part has its part of both.
        ("--sessions 4 --payments 500 --rate 1k --part 1/2", 2_000),
        (&format!("--trace {trace}"), 0),
        (&format!("--trace {trace} --speedup 10"), 9_000),
    ] {
        let plan = plan(&format!("--l1 duet {words}")).unwrap();
        let expected = Duration::from_millis(ms);
        assert_eq!(plan.config.sending.session_time, expected, "{words}");
        assert_eq!(plan.description.l1.session_time_ms, Some(ms), "{words}");
    }
}

#[test]
fn what_makes_no_layer_1_is_refused() {
    for (words, said) in [
        (
            "--l1 duet --session-time 1us",
            "--session-time 1µs: expected whole milliseconds",
        ),
        (
            "--l1 duet --session-time 9000h",
            "--session-time 9000 h: expected at most 8784 h, 366 days",
        ),
        (
            "--l1 duet --rate 0.001",
            "--session-time 1111111 h, the time in which a session's payments arrive: expected",
        ),
        (
            "--l1 etherium",
            "--l1: 'etherium' is no Layer 1 profile: expected duet, ethereum-60m",
        ),
        (
            "--l1 bitcoin --amount fixed:1 --payments 1 --sessions 5e14 --concurrent 4",
            "sessions that lock 1 and pay up to 648900 each: expected at most",
        ),
    ] {
        let error = plan(&format!("--sessions 400 {words}")).err().unwrap();
        assert!(error.contains(said), "{words}: {error}");
    }
}

/// Runs under profiles of one name and other numbers are not runs of one workload.
#[test]
fn a_changed_profile_is_another_workload() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let known = ProfileText::find("bitcoin").unwrap().text;
    let text = known.replacen("name = \"bitcoin\"", "name = \"mine\"", 1);
    let described = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let words = format!("--sessions 4 --l1 {}", path.display());
        plan(&words).map(|plan| plan.description)
    };
    let described_well = |text: &str| described(text).unwrap();
    let one = described_well(&text);
    let other = described_well(&text.replacen("units = 562", "units = 563", 1));
    assert_eq!(one.l1.profile, other.l1.profile);
    assert_ne!(one, other);
    assert_eq!(one, described_well(&text));
    // Nor has a user's own text a known profile's name.
    assert!(described(&known).is_ok());
    let error = described(&known.replacen("units = 562", "units = 563", 1)).unwrap_err();
    assert!(
        error.contains("mine.toml: its `name` is 'bitcoin', a known profile's of another text"),
        "{error}"
    );
}

/// The run file tells runs with a state root from others, and says nothing of it elsewhere.
#[test]
fn a_state_root_is_asked_for_beside_a_profile_a_log_or_an_audit() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let logs = [
        format!("--durability log --log-dir {}", log.display()),
        format!("--audit-log {}", folder.path().join("audit").display()),
    ];
    for words in ["", "--l1 bitcoin", &logs[0], &logs[1]] {
        for (option, asked) in [("", false), ("--state-root", true)] {
            let plan = plan(&format!("--sessions 4 {words} {option}")).unwrap();
            assert_eq!(plan.config.l1.state_root, asked, "{words}");
            let text = serde_json::to_string(&plan.description.l1).unwrap();
            let says = text.contains(r#""state_root":true"#);
            assert_eq!(says, asked, "{words}: {text}");
            assert_eq!(text.contains("state_root"), asked, "{words}: {text}");
        }
    }
}
