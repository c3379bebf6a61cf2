//! Runs the real `reports offload` and `reports show --l1`: what they print, where, and how they
//! exit.

use std::{
    fs,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::sample;

fn reports(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reports"))
        .args(arguments)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn good(arguments: &[&str]) -> String {
    let output = reports(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).is_empty(), "{}", stderr(&output));
    stdout(&output)
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&good(arguments)).unwrap()
}

const MY_CHAIN: &str = include_str!("../../profile/profiles/ethereum-60m.toml");

#[test]
fn bare_it_shows_every_known_profile() {
    let shown = good(&["offload"]);
    for (name, _) in duet_profile::KNOWN {
        assert!(shown.contains(&format!("MODELLED on {name} (")), "{shown}");
    }
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    assert!(!shown.contains('…'), "{shown}");
}

#[test]
fn ten_thousand_payments_on_ethereum_are_exact() {
    let answer = json(&[
        "offload",
        "--l1",
        "ethereum-60m",
        "--payments",
        "1,9,10k,1M",
        "--disputes",
        "0,1%",
        "--dispute-kind",
        "silent,answered",
        "--deposits",
        "two",
        "--open-batch",
        "1,100",
        "--transfer-batch",
        "1",
        "--json",
    ]);
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4 * 3 * 2);
    let row = rows.iter().find(|row| row["payments"] == 10_000).unwrap();
    let text = row.to_string();
    let expected = serde_json::json!({
        "profile": "ethereum-60m", "unit": "gas", "modelled": true, "payments": 10_000,
        "disputes": 0, "dispute_kind": "none", "deposits": "two", "open_batch": 1,
        "transfer_batch": 1, "direct_units": 210_000_000, "channel_units": 187_418,
        "ratio": 210_000_000.0 / 187_418.0, "break_even_payments": 9, "blocks": 3_124,
        "block_time_s": 37_488,
    });
    assert_eq!(*row, expected, "{text}");
    let batched = rows.iter().find(|row| row["open_batch"] == 100).unwrap();
    assert_eq!(
        batched["channel_units"],
        f64::from(3_321_861 + 1_613_061 + 11_151_400) / 100.0
    );
    for part in ["profiles", "mass_exit", "not_priced"] {
        assert!(answer[part].is_array(), "{part}");
    }
    let constants = answer["profiles"][0]["constants"].as_array().unwrap();
    assert!(
        constants
            .iter()
            .any(|one| one["name"] == "block.units" && one["source"].is_string())
    );
    assert_eq!(answer["mass_exit"][0]["largest_safe_channels"], 1_030_396);
    assert_eq!(answer["modelled"], true);
}

#[test]
fn a_file_of_one_s_own_is_read_as_the_known_ones_are() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mine.toml");
    let text = MY_CHAIN
        .replace("name = \"ethereum-60m\"", "name = \"mine\"")
        .replace("units = 21_000\n", "units = 30_000\n")
        .replace("first_units = 30_892", "first_units = 39_892");
    fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();
    let answer = json(&[
        "offload",
        "--l1",
        file,
        "--l1",
        "bitcoin",
        "--payments",
        "10",
        "--json",
    ]);
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(
        (&rows[0]["profile"], &rows[0]["direct_units"]),
        (&"mine".into(), &300_000.into())
    );
    assert!(rows.iter().any(|row| row["profile"] == "bitcoin"));
    assert!(good(&["offload", "--l1", file, "--constants"]).contains("transfer.units = 30,000"));
    let csv = good(&["offload", "--l1", file, "--csv"]);
    assert!(csv.starts_with("profile,unit,modelled,"), "{csv}");
}

#[test]
fn bad_input_exits_2_and_says_what_was_expected() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, from: &str, to: &str| {
        assert!(MY_CHAIN.contains(from), "{from}");
        let path = folder.path().join(name);
        fs::write(&path, MY_CHAIN.replacen(from, to, 1)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let missing = file("missing.toml", "units = 21_000\n", "");
    let negative = file("negative.toml", "units = 21_000\n", "units = -1\n");
    let zero = file("zero.toml", "value = 60_000_000", "value = 0");
    let unknown = file("unknown.toml", "unit =", "units =");
    let binary = folder.path().join("binary.toml");
    fs::write(&binary, [0xff, 0xfe]).unwrap();
    let same = file("same.toml", "about =", "about =");
    let directory = folder.path().to_str().unwrap();
    let table: [(&[&str], &[&str]); 21] = [
        (
            &["--l1", "etherium"],
            &[
                "'etherium'",
                "ethereum-60m, bitcoin, solana-like, cometbft-default",
            ],
        ),
        (
            &["--l1", &missing],
            &["missing.toml: line ", "`transfer`", "missing field `units`"],
        ),
        (
            &["--l1", &negative],
            &[
                "negative.toml: line ",
                "`transfer.units` is -1",
                "from 1 to",
            ],
        ),
        (
            &["--l1", &zero],
            &["zero.toml: line ", "`block.units` is 0", "from 1 to"],
        ),
        (
            &["--l1", &unknown],
            &["unknown.toml: line ", "unknown field `units`"],
        ),
        (
            &["--l1", binary.to_str().unwrap()],
            &["binary.toml", "not UTF-8"],
        ),
        (&["--l1", directory], &["cannot be read"]),
        (
            &["--l1", "bitcoin", "--l1", "bitcoin"],
            &["'bitcoin'", "expected each name once"],
        ),
        (
            &["--l1", "ethereum-60m", "--l1", &same],
            &["'ethereum-60m'", "expected each name once"],
        ),
        (&["--payments", "0"], &["'0' is too small", "1 or more"]),
        (&["--payments", "-5"], &["-5"]),
        (&["--payments", "ten"], &["'ten' is not a count"]),
        (&["--payments", ""], &["''"]),
        (
            &["--disputes", "101%"],
            &["'101%' is not a share", "0% to 100%"],
        ),
        (&["--disputes", "-1%"], &["'-1%' is not a share"]),
        (&["--dispute-kind", "loud"], &["loud", "silent, answered"]),
        (&["--deposits", "three"], &["three", "one, two"]),
        (&["--open-batch", "0"], &["'0' is too small"]),
        (&["--exit-share", "0"], &["'0' is too small", "above 0%"]),
        (&["--window", "0"], &["'0' is too small"]),
        (&["--json", "--csv"], &["cannot be used with"]),
    ];
    for (arguments, words) in table {
        let output = reports(&[&["offload"], arguments].concat());
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(stdout(&output).is_empty(), "{arguments:?}");
        for word in words {
            assert!(message.contains(word), "{arguments:?}: {word}: {message}");
        }
    }
}

#[test]
fn show_prices_the_run_s_own_transactions_after_the_measured_tables() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.json");
    let mut run = sample::open_loop();
    run.disputes = Some(sample::disputes());
    run.achieved.sessions_opened = 2_000;
    run.achieved.sessions_closed = 2_000;
    fs::write(&path, run.to_json()).unwrap();
    let file = path.to_str().unwrap();
    let plain = good(&["show", file]);
    assert!(!plain.contains("MODELLED"), "{plain}");
    let shown = good(&["show", file, "--l1", "ethereum-60m", "--l1", "bitcoin"]);
    assert!(
        shown.starts_with(&plain),
        "the measured part is not touched"
    );
    for words in [
        "MODELLED on ethereum-60m (gas)",
        "MODELLED on bitcoin (weight units)",
        "no figure of this section",
        "close.answer",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let answer = json(&["show", file, "--l1", "bitcoin", "--json"]);
    let priced = &answer["modelled"][0];
    assert_eq!(priced["modelled"], true);
    assert_eq!(priced["direct_units"], 562_000_000);
    assert_eq!(priced["channels"][1]["count"], 900);
    let output = reports(&["show", file, "--l1", "nochain"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).is_empty());
    assert!(
        stderr(&output).contains("solana-like"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn help_has_examples() {
    let help = good(&["offload", "--help"]);
    assert!(
        help.contains("reports offload --l1 bitcoin --json"),
        "{help}"
    );
}
