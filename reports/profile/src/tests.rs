use super::*;

const SMALL: &str = r#"
name = "small"
unit = "gas"

[block]
units = { value = 1_000, source = "s" }
interval_ms = { value = 1_000, source = "s" }

[transfer]
units = 10
source = "s"

[open.one_sided]
units = 15
source = "s"

[close.cooperative]
units = 20
source = "s"
"#;

fn error(text: &str) -> String {
    Profile::parse("my.toml", text).unwrap_err().to_string()
}

#[test]
fn the_known_profiles_bear_their_names_and_say_where_each_number_comes_from() {
    let known = Profile::known();
    assert_eq!(known.len(), KNOWN.len());
    for (profile, (name, _)) in known.iter().zip(KNOWN) {
        assert_eq!(profile.name, name);
        assert_eq!(Profile::find(name).unwrap(), *profile);
        assert!(!profile.about.is_empty(), "{name}");
        assert!(profile.constants.len() >= 12, "{name}");
        for constant in &profile.constants {
            let said = [&constant.source, &constant.assumption];
            assert!(said.iter().any(|text| text.is_some()), "{constant:?}");
        }
    }
}

#[test]
fn the_known_limits_are_those_of_the_chains() {
    // Block, transaction, account, interval in ms, blocks to finality.
    let table = [
        (
            "ethereum-60m",
            60_000_000,
            Some(16_777_216),
            None,
            12_000,
            64,
        ),
        ("bitcoin", 4_000_000, Some(400_000), None, 600_000, 6),
        (
            "solana-like",
            100_000_000,
            Some(1_400_000),
            Some(12_000_000),
            400,
            32,
        ),
        ("cometbft-default", 4 << 20, None, None, 1_000, 1),
    ];
    for (name, units, transaction, account, interval_ms, finality) in table {
        let block = Profile::find(name).unwrap().block;
        assert_eq!(block.units, units, "{name}");
        assert_eq!(block.transaction_units, transaction, "{name}");
        assert_eq!(block.account_units, account, "{name}");
        assert_eq!(block.interval_ms, interval_ms, "{name}");
        assert_eq!(block.finality_blocks, Some(finality), "{name}");
    }
}

#[test]
fn the_sums_that_solana_like_is_made_of() {
    let profile = Profile::find("solana-like").unwrap();
    let (signature, lock, system, ed25519, executed) = (720, 300, 150, 2_280, 10_000);
    let one = |price: Option<Price>| price.unwrap().units;
    let table = [
        (profile.transfer.single.units, signature + 2 * lock + system),
        (
            one(profile.open_one_sided.map(|kind| kind.single)),
            signature + 3 * lock + executed,
        ),
        (
            one(profile.open_two_sided.map(|kind| kind.single)),
            2 * signature + 4 * lock + executed,
        ),
        (
            profile.cooperative_close.units,
            signature + 5 * lock + 2 * ed25519 + executed,
        ),
        (
            one(profile.post),
            signature + 2 * lock + 2 * ed25519 + executed,
        ),
        (one(profile.payout), signature + 5 * lock + executed),
    ];
    for (index, (found, sum)) in table.into_iter().enumerate() {
        assert_eq!(found, sum, "row {index}");
    }
    assert!(profile.shared_escrow);
}

#[test]
fn a_small_profile_needs_no_more_than_this() {
    let profile = Profile::parse("my.toml", SMALL).unwrap();
    assert_eq!(profile.name, "small");
    assert_eq!(
        profile.transfer.single,
        Price {
            units: 10,
            transactions: 1
        }
    );
    assert!(profile.open_two_sided.is_none() && profile.post.is_none());
    let names: Vec<&str> = profile
        .constants
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    let expected = [
        "block.units",
        "block.interval_ms",
        "transfer.units",
        "open.one_sided.units",
        "close.cooperative.units",
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_is_wrong_is_named_with_file_line_field_and_expectation() {
    // What is replaced by what, in which line that is complained of, in which words.
    let table = [
        (
            "units = 10\n",
            "",
            9,
            &["`transfer`", "missing field `units`"][..],
        ),
        (
            "units = 10\n",
            "units = -10\n",
            10,
            &["`transfer.units` is -10", "from 1 to"],
        ),
        (
            "units = 10\n",
            "units = 0\n",
            10,
            &["`transfer.units` is 0", "from 1 to"],
        ),
        (
            "units = 10\n",
            "units = 1.5\n",
            10,
            &["`transfer.units`", "expected a whole number"],
        ),
        (
            "units = 10\n",
            "units = \"x\"\n",
            10,
            &["`transfer.units`", "expected a whole number"],
        ),
        (
            "units = 10\n",
            "units = 10\nprice = 3\n",
            11,
            &["unknown field `price`", "`units`"],
        ),
        (
            "units = 10\n",
            "units = 1_001\n",
            10,
            &["`transfer.units` is 1001", "at most 1000"],
        ),
        (
            "units = 10\nsource = \"s\"\n",
            "units = 10\n",
            10,
            &["`transfer.units`", "expected a `source` or an `assumption`"],
        ),
        (
            "units = 10\nsource = \"s\"",
            "units = 10\nsource = \" \"",
            10,
            &["expected a `source`"],
        ),
        (
            "value = 1_000, source = \"s\" }\ninterval",
            "value = 0, source = \"s\" }\ninterval",
            6,
            &["`block.units` is 0", "from 1 to"],
        ),
        (
            "interval_ms = { value = 1_000",
            "interval_ms = { value = 0",
            7,
            &["`block.interval_ms` is 0"],
        ),
        (
            "interval_ms",
            "interval_s",
            7,
            &["`block.interval_s`", "unknown field `interval_s`"],
        ),
        (
            "[close.cooperative]",
            "[close.polite]",
            17,
            &["unknown field `polite`"],
        ),
        ("name = \"small\"", "name = \"\"", 2, &["`name` is empty"]),
        ("name = \"small\"", "name = ", 2, &["string"]),
        (
            "[open.one_sided]",
            "[open.one_sided.batched]\neach_further_units = 1\npoints = []\nsource = \"s\"\n[open.one_sided]",
            13,
            &["`open.one_sided.batched`", "not both"],
        ),
        (
            "[open.one_sided]",
            "[open.one_sided.batched]\neach_further_units = 5\nfirst_units = 1\nsource = \"s\"\n[open.one_sided]",
            14,
            &["a batch costs 6", "at least 15"],
        ),
        (
            "[open.one_sided]",
            "[open.one_sided.batched]\npoints = [{ count = 2, units = 20 }]\nsource = \"s\"\n[open.one_sided]",
            14,
            &["two points or more"],
        ),
        (
            "[open.one_sided]",
            "[open.one_sided.batched]\npoints = [{ count = 1, units = 20 }, { count = 1, units = 30 }]\nsource = \"s\"\n[open.one_sided]",
            14,
            &["points.count` is 1", "expected more than 1"],
        ),
        (
            "[open.one_sided]",
            "[open.one_sided.batched]\npoints = [{ count = 3, units = 20 }, { count = 4, units = 30 }]\nsource = \"s\"\n[open.one_sided]",
            14,
            &["points.count` is 3", "expected 1 or 2"],
        ),
        // Each point in a line of its own: that line, and the number's name.
        (
            "[open.one_sided]",
            "[open.one_sided.batched]\npoints = [\n  { count = 1, units = 20 },\n  { count = 2, units = 15 },\n]\nsource = \"s\"\n[open.one_sided]",
            16,
            &["batched.points.units` is 15", "expected more than 20"],
        ),
        (
            "[open.one_sided]",
            "[open.one_sided.batched]\npoints = [\n  { count = 1, units = 20 },\n  { count = 2, units = -5 },\n]\nsource = \"s\"\n[open.one_sided]",
            16,
            &["`open.one_sided.batched.points.units` "],
        ),
        (
            "[close.cooperative]",
            "[close.cooperative.batched]\neach_further_units = 5\nsource = \"s\"\n[close.cooperative]",
            17,
            &["`close.cooperative.batched`", "unknown field `batched`"],
        ),
        (
            "[block]\n",
            "[block]\naccount_units = { value = 2_000, source = \"s\" }\n",
            6,
            &["`block.account_units` is 2000", "at most the block's, 1000"],
        ),
    ];
    for (from, to, line, words) in table {
        assert!(SMALL.contains(from), "{from}");
        let message = error(&SMALL.replacen(from, to, 1));
        assert!(
            message.starts_with(&format!("my.toml: line {line}: ")),
            "{to}: {message}"
        );
        for word in words {
            assert!(message.contains(word), "{word}: {message}");
        }
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

/// However long a name or a value in the file is.
#[test]
fn a_message_is_short() {
    let long = "a".repeat(1 << 20);
    let nested = "a.".repeat(1 << 19) + "a";
    for (from, to) in [
        ("units = 10\n", format!("{nested} = 10\n")),
        ("units = 10\n", format!("units = 10\n{long} = 10\n")),
        ("units = 10\n", format!("units = \"{long}\"\n")),
        ("units = 10\n", format!("units = {}\n", "9".repeat(1 << 20))),
        ("[transfer]", format!("[{long}]")),
        ("[transfer]", format!("[{nested}]")),
        ("name = \"small\"", format!("name = \"{long}")),
    ] {
        let message = error(&SMALL.replacen(from, &to, 1));
        let start: String = to.chars().take(20).collect();
        assert!(message.len() < 600, "{start}: {}", message.len());
        assert!(message.starts_with("my.toml: line "), "{start}: {message}");
        assert_eq!(message.lines().count(), 1, "{start}: {message}");
    }
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let message = Profile::find("etherium").unwrap_err().to_string();
    for word in [
        "'etherium'",
        "ethereum-60m",
        "bitcoin",
        "solana-like",
        "cometbft-default",
        "or a file",
    ] {
        assert!(message.contains(word), "{word}: {message}");
    }
}

#[test]
fn a_text_cut_anywhere_is_a_profile_or_an_error_with_a_line() {
    let (_, whole) = KNOWN[0];
    for cut in (0..whole.len()).filter(|cut| whole.is_char_boundary(*cut)) {
        if let Err(error) = Profile::parse("cut.toml", &whole[..cut]) {
            assert!(
                error.to_string().starts_with("cut.toml: line "),
                "{cut}: {error}"
            );
        }
    }
}
