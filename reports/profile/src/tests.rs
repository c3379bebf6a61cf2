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
        ("duet", 2_857, None, None, 12_000, 0),
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
            "name = \"small\"",
            "name = \"two\\nlines\"",
            2,
            &["`name` is \"two\\nlines\": expected one line of at most 100 characters"],
        ),
        (
            "[block]\n",
            "[block]\naccount_units = { value = 500, source = \"s\" }\n",
            6,
            &["`block.account_units` bounds nothing: expected `escrow.shared` beside it"],
        ),
        (
            "interval_ms = { value = 1_000, source = \"s\" }",
            "interval_ms = \"unlimited\"",
            7,
            &[
                "`block.interval_ms`",
                "expected a number with its source, as { value = 1,",
            ],
        ),
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
        (
            "interval_ms = { value = 1_000, source = \"s\" }",
            "",
            5,
            &["`block`", "missing field `interval_ms`"],
        ),
        (
            "interval_ms = { value = 1_000,",
            "interval_ms = { value = -1,",
            7,
            &["`block.interval_ms` is -1", "from 1 to"],
        ),
        (
            "interval_ms = { value = 1_000,",
            "interval_ms = { value = 0,",
            7,
            &["`block.interval_ms` is 0", "from 1 to"],
        ),
        (
            "[transfer]",
            "account_units = { value = 19, source = \"s\" }\n[escrow]\nshared = true\n\
             source = \"s\"\n[transfer]",
            22,
            &["`close.cooperative.units` is 20", "expected at most 19"],
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

/// What a run needs beside prices.
const MARKET: &str = r#"
[mempool]
transactions = { value = 10, source = "s" }

[order]
by = { value = "base-fee", source = "s" }
answers = { value = "compete", source = "s" }

[fees]
money = { value = "a cent", source = "s" }
per_million_units = { value = 100, source = "s" }
tip_per_million_units = { value = 10, source = "s" }
least_per_million_units = { value = 5, source = "s" }
"#;

#[test]
fn an_order_has_its_fees() {
    let rates = "per_million_units = { value = 100, source = \"s\" }\n\
                 tip_per_million_units = { value = 10, source = \"s\" }\n\
                 least_per_million_units = { value = 5, source = \"s\" }\n";
    for (by, fees, order) in [
        (
            "arrival",
            "fixed = { value = 0, source = \"s\" }\n",
            Order::Arrival { fee: 0 },
        ),
        (
            "fee",
            rates.lines().next().unwrap(),
            Order::Fee {
                per_million_units: 100,
            },
        ),
        (
            "base-fee",
            rates,
            Order::BaseFee {
                per_million_units: 100,
                tip_per_million_units: 10,
                least_per_million_units: 5,
            },
        ),
    ] {
        assert!(MARKET.contains(rates));
        let text = MARKET.replace("base-fee", by).replace(rates, fees);
        let profile = Profile::parse("my.toml", &format!("{SMALL}{text}")).unwrap();
        let market = profile.market.unwrap();
        assert_eq!(market.order, order);
        assert_eq!(market.order.name(), by);
        assert_eq!(market.answers, Answers::Compete);
        assert_eq!(market.money, "a cent");
        assert_eq!(profile.mempool_transactions, Some(10));
    }
}

#[test]
fn a_block_may_hold_any_number() {
    for (given, bytes, transactions) in [
        ("", None, None),
        ("transactions = \"unlimited\"\n", None, None),
        ("bytes = \"unlimited\"\n", None, None),
        (
            "bytes = { value = 469, source = \"s\" }\n\
             transactions = { value = 1, source = \"s\" }\n",
            Some(469),
            Some(1),
        ),
    ] {
        let text = SMALL.replacen("[block]\n", &format!("[block]\n{given}"), 1);
        let block = Profile::parse("my.toml", &text).unwrap().block;
        assert_eq!((block.bytes, block.transactions), (bytes, transactions));
    }
}

#[test]
fn what_is_wrong_with_a_market_is_named_with_file_line_field_and_expectation() {
    // What is replaced by what, in which line of the market that is complained of, in which words.
    let table = [
        (
            "value = 10, source = \"s\" }\n\n",
            "value = 0, source = \"s\" }\n\n",
            3,
            &["`mempool.transactions` is 0", "from 1 to"][..],
        ),
        (
            "transactions = { value = 10, source = \"s\" }",
            "transactions = \"unlimited\"",
            3,
            &[
                "`mempool.transactions`",
                "expected a number with its source",
            ],
        ),
        (
            "base-fee",
            "lottery",
            6,
            &[
                "`order.by`: unknown variant `lottery`",
                "`arrival`, `fee`, `base-fee`",
            ],
        ),
        (
            "by = { value = \"base-fee\", source = \"s\" }",
            "by = { value = \"base-fee\" }",
            6,
            &["`order.by`: expected a `source` or an `assumption`"],
        ),
        (
            "compete",
            "ignored",
            7,
            &["`order.answers`", "`reserved`", "`compete`"],
        ),
        (
            "answers = { value = \"compete\", source = \"s\" }\n",
            "",
            5,
            &["`order`", "missing field `answers`"],
        ),
        (
            "base-fee",
            "fee",
            12,
            &["`fees.tip_per_million_units`: expected no such fee where order is by fee"],
        ),
        (
            "base-fee",
            "arrival",
            9,
            &["`fees`: missing field `fixed`, which order by arrival needs"],
        ),
        (
            "tip_per_million_units = { value = 10, source = \"s\" }\n",
            "",
            9,
            &["`fees`: missing field `tip_per_million_units`, which order by base-fee needs"],
        ),
        (
            "least_per_million_units = { value = 5,",
            "least_per_million_units = { value = 101,",
            13,
            &["`fees.least_per_million_units` is 101: expected at most `per_million_units`, 100"],
        ),
        (
            "tip_per_million_units = { value = 10,",
            "tip_per_million_units = { value = 101,",
            12,
            &["`fees.tip_per_million_units` is 101: expected at most `per_million_units`, 100"],
        ),
        (
            "\"a cent\"",
            "\" \"",
            10,
            &["`fees.money` is empty: expected what one unit of money stands for"],
        ),
    ];
    let before = SMALL.lines().count();
    for (from, to, line, words) in table {
        assert!(MARKET.contains(from), "{from}");
        let message = error(&format!("{SMALL}{}", MARKET.replacen(from, to, 1)));
        let line = before + line;
        assert!(
            message.starts_with(&format!("my.toml: line {line}: ")),
            "{to}: {message}"
        );
        for word in words {
            assert!(message.contains(word), "{word}: {message}");
        }
    }
    for (part, words) in [
        ("[order]", "`order`: expected `fees` beside it"),
        ("[fees]", "`fees`: expected `order` beside it"),
    ] {
        let start = MARKET.find(part).unwrap();
        let length = MARKET[start..].find("\n\n").unwrap_or(MARKET.len() - start);
        let message = error(&format!("{SMALL}{}", &MARKET[start..start + length]));
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn what_is_wrong_with_a_block_is_named() {
    for (given, words) in [
        (
            "bytes = { value = 468, source = \"s\" }",
            "`block.bytes` is 468: expected at least 469",
        ),
        (
            "bytes = { value = 0, source = \"s\" }",
            "`block.bytes` is 0: expected a whole number from 1",
        ),
        (
            "bytes = { value = 500 }",
            "`block.bytes`: expected a `source` or an `assumption`",
        ),
        (
            "transactions = { value = 0, source = \"s\" }",
            "`block.transactions` is 0: expected a whole number from 1",
        ),
        (
            "transactions = \"many\"",
            "`block.transactions`: invalid value: string \"many\", expected a number with its \
             source, or \"unlimited\"",
        ),
        (
            "transactions = 5",
            "`block.transactions`: invalid type: integer `5`, expected a number with its source",
        ),
    ] {
        let text = SMALL.replacen("[block]\n", &format!("[block]\n{given}\n"), 1);
        let message = error(&text);
        let expected = format!("my.toml: line 6: {words}");
        assert!(message.starts_with(&expected), "{message}");
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
        "duet",
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
