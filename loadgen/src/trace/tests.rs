//! What a trace says of a file, as tables: lines in, sessions or the line and reason out.

use std::{fs, io::Read, path::Path};

use duet_terminal::input::Limit;
use proptest::prelude::*;

use super::read::Bounds;
use super::*;

fn read(text: impl AsRef<[u8]>) -> Result<Trace, TraceError> {
    Trace::read_from(text.as_ref(), Path::new("payments.csv"))
}

/// Payments as `time payer payee amount`, joined by ` · `.
fn trace(payments: &str) -> Trace {
    let lines = payments
        .split(" · ")
        .map(|payment| payment.replace(' ', ",") + "\n");
    read(format!("{HEADER}\n{}", lines.collect::<String>())).unwrap()
}

/// Every session as `opener>peer`, then its payments as due_ns, amount and direction.
fn described(trace: &Trace) -> String {
    let name = |account: u32| trace.accounts()[account as usize].as_str();
    let session = |session: SessionView<'_>| {
        let payments = session.payments.iter().map(|payment| {
            let arrow = if payment.from_opener() { '>' } else { '<' };
            format!(" {}{arrow}@{}", payment.amount(), payment.due_ns())
        });
        format!(
            "{}-{}:{}",
            name(session.opener),
            name(session.peer),
            payments.collect::<String>()
        )
    };
    trace.iter().map(session).collect::<Vec<_>>().join(" | ")
}

#[test]
fn one_session_per_pair_each_payment_in_its_direction() {
    for (payments, expected) in [
        ("0 a b 5", "a-b: 5>@0"),
        (
            "0 a b 5 · 0 b a 4 · 1 a b 3",
            "a-b: 5>@0 4<@0 3>@1000000000",
        ),
        ("0 b a 5 · 0.5 a b 4", "b-a: 5>@0 4<@500000000"),
        (
            "7.25 a b 1 · 7.25 c a 2 · 8 b c 3 · 9 b a 4 · 9 a c 5",
            "a-b: 1>@0 4<@1750000000 | c-a: 2>@0 5<@1750000000 | b-c: 3>@750000000",
        ),
        ("0 a b 9007199254740992", "a-b: 9007199254740992>@0"),
        (
            "1700000000.123 a b 1 · 1700000000.124 a b 1",
            "a-b: 1>@0 1>@1000000",
        ),
    ] {
        assert_eq!(described(&trace(payments)), expected);
    }
}

#[test]
fn counts_names_and_hash() {
    let trace = trace("1.5 ann bob 5 · 2 cy ann 4 · 4 bob ann 3");
    assert_eq!(
        (trace.payments(), trace.sessions(), trace.duration_ns()),
        (3, 2, 2_500_000_000)
    );
    assert_eq!(trace.accounts(), ["ann", "bob", "cy"]);
    // sha256sum of the same bytes.
    let sha256 = "ec316f47ea7fe9f921b37a18a75b405bb7c289736b7b0257681324bb811fea19";
    assert_eq!(trace.sha256(), sha256);
}

#[test]
fn accepts_what_spreadsheets_write() {
    let plain = "a-b: 5>@0 4<@1000000000";
    for text in [
        "time_s,payer,payee,amount\n0,a,b,5\n1,b,a,4",
        "time_s,payer,payee,amount\r\n0,a,b,5\r\n1,b,a,4\r\n",
        "\u{feff}time_s,payer,payee,amount\n0,a,b,5\n1,b,a,4\n\n\n",
        "time_s, payer, payee, amount\n\n 0 ,a , b, 5 \n1e0,b,a,4\n",
        "\"time_s\",\"payer\",\"payee\",\"amount\"\n\"0\",\"a\",\"b\",\"5\"\n1,b,\"a\",4\n",
        "time_s,payer,payee,amount\n0,a,b,0005\n1.0000000000,b,a,04\n",
    ] {
        assert_eq!(described(&read(text).unwrap()), plain, "{text:?}");
    }
    let quoted = read(format!(
        "{HEADER}\n0,\"Smith, Ann\",é,1\n0,é,\"Smith, Ann\",2\n"
    ))
    .unwrap();
    assert_eq!(described(&quoted), "Smith, Ann-é: 1>@0 2<@0");
}

#[test]
fn malformed_traces_are_refused_with_line_and_reason() {
    let long_name = "n".repeat(5000);
    // Lines after a header, joined by " · "; the line that is wrong; what is said of it.
    for (lines, line, words) in [
        (
            "0,a,b",
            2,
            "expected 4 fields (time_s,payer,payee,amount), found 3",
        ),
        ("0,a,b,5 · 1,a,b,5,6", 3, "found 5"),
        ("0,a,b,5,", 2, "found 5"),
        ("x", 2, "found 1"),
        ("0;a;b;5", 2, "found 1"),
        ("0,,b,5", 2, "the payer has no name"),
        ("0,a,,5", 2, "the payee has no name"),
        ("0,a, \t,5", 2, "the payee has no name"),
        ("0,a,\"\",5", 2, "the payee has no name"),
        ("0,a,b,5 · 0,ann,ann,5", 3, "'ann' pays itself"),
        ("0,ann, ann ,5", 2, "'ann' pays itself"),
        ("0,\"ann\",ann,5", 2, "'ann' pays itself"),
        ("0,a,b,-5", 2, "amount '-5' is negative"),
        ("0,a,b,-0.5", 2, "amount '-0.5' is negative"),
        ("0,a,b,0", 2, "an amount of zero is not a payment"),
        ("0,a,b,000", 2, "an amount of zero is not a payment"),
        (
            "0,a,b,9007199254740993",
            2,
            "amount '9007199254740993' is too large: the largest is 9007199254740992",
        ),
        (
            "0,a,b,18446744073709551617",
            2,
            "amount '18446744073709551617' is too large",
        ),
        ("0,a,b,99999999999999999999999999", 2, "is too large"),
        ("0,a,b,1.5", 2, "amount '1.5' is not an integer"),
        ("0,a,b,5.0", 2, "amount '5.0' is not an integer"),
        ("0,a,b,1e3", 2, "amount '1e3' is not an integer"),
        ("0,a,b,+5", 2, "amount '+5' is not an integer"),
        ("0,a,b,", 2, "amount '' is not a number"),
        ("0,a,b,five", 2, "amount 'five' is not a number"),
        ("0,a,b,nan", 2, "amount 'nan' is not a number"),
        ("0,a,b,1 000", 2, "amount '1 000' is not a number"),
        ("0,a,b,٥", 2, "amount '٥' is not a number"),
        (",a,b,5", 2, "time '' is not a number"),
        (
            "noon,a,b,5",
            2,
            "time 'noon' is not a number: expected seconds, as in 12.5",
        ),
        ("inf,a,b,5", 2, "time 'inf' is not a number"),
        ("NaN,a,b,5", 2, "time 'NaN' is not a number"),
        (".,a,b,5", 2, "time '.' is not a number"),
        ("1.2.3,a,b,5", 2, "time '1.2.3' is not a number"),
        ("12:30,a,b,5", 2, "time '12:30' is not a number"),
        ("-1,a,b,5", 2, "time '-1' is negative"),
        ("-0.001,a,b,5", 2, "time '-0.001' is negative"),
        (
            "9223372036.854775808,a,b,5",
            2,
            "time '9223372036.854775808' is too large",
        ),
        (
            "99999999999999999999999,a,b,5",
            2,
            "is too large: the limit is 2^63 ns",
        ),
        ("1e300,a,b,5", 2, "time '1e300' is too large"),
        (
            "2,a,b,5 · 3,a,b,5 · 2.999999999,c,d,5",
            4,
            "time '2.999999999' goes back: the payment above is at 3.000000000 s",
        ),
        ("2,a,b,5 ·  · 1,a,b,5", 4, "time '1' goes back"),
        ("0,\"a,b,5", 2, "a quotation mark has no partner"),
        ("0,a\"b,c,5", 2, "a quotation mark has no partner"),
        ("0,\"a\"b,c,5", 2, "a quotation mark has no partner"),
        ("0,a,b,5 · LONG,a,b,5", 3, "it is longer than 4096 bytes"),
        ("0,a\u{1b}[2J,a\u{1b}[2J,5", 2, "'a\\u{1b}[2J' pays itself"),
    ] {
        let lines = lines.replace(" · ", "\n").replace("LONG", &long_name);
        let error = read(format!("{HEADER}\n{lines}\n0,z,y,1\n")).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.line(), Some(line), "{text}");
        assert!(
            text.starts_with(&format!("trace 'payments.csv', line {line}: ")),
            "{text}"
        );
        assert!(text.contains(words), "{lines}: {text}");
        assert!(!error.is_machine_fault());
    }
}

#[test]
fn names_that_are_almost_the_same_are_told() {
    let own = "and an account of its own";
    for (payments, expected) in [
        ("0 ann bob 1 · 1 bob ann 1", None),
        (
            "0 n-1-1 n-11 1 · 1 n.11 n1.1 1",
            Some("line 3: 'n.11' is almost 'n-11', OWN"),
        ),
        (
            "0 ann bob 1 · 1 Ann bob 1",
            Some("line 3: 'Ann' is almost 'ann', OWN"),
        ),
        (
            "0 shop-1 bob 1 · 1 cy bob 1 · 2 Shop_1 BOB 1",
            Some("line 4: 'Shop_1' is almost 'shop-1', OWN; 1 more like it"),
        ),
    ] {
        let found = trace(payments).near_names().map(ToString::to_string);
        let expected = expected.map(|text| text.replace("OWN", own));
        assert_eq!(found, expected, "{payments}");
    }
    // As spreadsheets and R write them: quoted, padded, and still one account.
    let text = "\"Time_s\",\"payer\",\"payee\",\"AMOUNT\"\r\n\
                0,\"ann\",\"bob \",1\r\n1,ann,\"bob\",\"2\"\r\n";
    let trace = read(text).unwrap();
    assert_eq!(described(&trace), "ann-bob: 1>@0 2>@1000000000");
    assert_eq!(trace.near_names(), None);
}

#[test]
fn malformed_headers_are_refused() {
    let many_columns = "column,".repeat(100);
    for (text, found) in [
        ("", ""),
        ("\n0,a,b,5\n", ""),
        ("0,a,b,5\n", "0,a,b,5"),
        (
            "time,payer,payee,amount\n0,a,b,5\n",
            "time,payer,payee,amount",
        ),
        ("time_s,payee,payer,amount\n", "time_s,payee,payer,amount"),
        ("time_s,payer,payee\n", "time_s,payer,payee"),
        (
            "time_s,payer,payee,amount,memo\n",
            "time_s,payer,payee,amount,memo",
        ),
        (&many_columns, &format!("{}…", &many_columns[..60])),
    ] {
        let text = read(text).unwrap_err().to_string();
        let words = format!("line 1: expected the header '{HEADER}', found '{found}'");
        assert!(text.ends_with(&words), "{text}");
    }
}

#[test]
fn other_refusals() {
    for (text, words) in [
        (
            format!("{HEADER}\n").into_bytes(),
            "the trace 'payments.csv' has a header and no payments",
        ),
        (HEADER.into(), "has a header and no payments"),
        (
            format!("{HEADER}\r\n\r\n").into_bytes(),
            "has a header and no payments",
        ),
        (
            [HEADER.as_bytes(), b"\n0,a,b,5\n0,a,\xff,5\n"].concat(),
            "line 3: it is not valid UTF-8",
        ),
        (
            [HEADER.as_bytes(), b"\n0,a,b,\xff\n"].concat(),
            "line 2: it is not valid UTF-8",
        ),
        (
            b"\xff\xfet\0i\0m\0e\0".to_vec(),
            "line 1: it is not valid UTF-8",
        ),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }

    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("missing.csv")] {
        let error = Trace::read(&path).unwrap_err();
        let text = error.to_string();
        assert!(!error.is_machine_fault());
        assert!(
            text.starts_with(&format!("cannot open the trace '{}': ", path.display())),
            "{text}"
        );
    }
}

#[test]
fn a_pairs_amounts_may_sum_to_the_limit_and_no_further() {
    // 2^53 · 2^9 = 2^62, in both directions.
    let full: String = (0..1 << 9)
        .map(|index| if index % 2 == 0 { "0,a,b," } else { "0,b,a," })
        .map(|line| format!("{line}{LARGEST_AMOUNT}\n"))
        .collect();
    let full = format!("{HEADER}\n{full}");
    assert_eq!(read(&full).unwrap().payments(), 1 << 9);
    assert!(read(format!("{full}0,a,c,1\n")).is_ok());
    let error = read(format!("{full}0,b,a,1\n")).unwrap_err();
    assert_eq!(error.line(), Some((1 << 9) + 2));
    assert!(
        error
            .to_string()
            .contains("the amounts between 'b' and 'a' sum to more than"),
        "{error}"
    );
}

#[test]
fn a_trace_without_end_is_refused_at_its_bounds() {
    let bounds = |bytes, payments| Bounds {
        length: Limit {
            bytes,
            kind: "a trace",
        },
        payments,
    };
    let endless = |line: &'static str| {
        let header = format!("{HEADER}\n").into_bytes();
        std::io::Cursor::new(header).chain(std::io::BufReader::new(Repeated(line)))
    };
    let refused = |line, bounds| {
        let read = Trace::read_within(endless(line), Path::new("pipe"), bounds);
        read.unwrap_err().to_string()
    };
    let payments = refused("1,a,b,5\n", bounds(u64::MAX, 1000));
    assert!(payments.contains("line 1002"), "{payments}");
    assert!(payments.contains("more payments than 1000"), "{payments}");
    for line in ["1,a,b,5\n", "\n"] {
        let bytes = refused(line, bounds(5000, u64::MAX));
        assert!(bytes.contains("longer than 5000 bytes"), "{bytes}");
    }
}

/// The same line for ever.
struct Repeated(&'static str);

impl Read for Repeated {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let line = self.0.as_bytes();
        let whole = bytes.len() / line.len() * line.len();
        for (to, from) in bytes[..whole].iter_mut().zip(line.iter().cycle()) {
            *to = *from;
        }
        Ok(whole)
    }
}

#[test]
fn a_disk_that_fails_is_the_machines_fault() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("no such sector"))
        }
    }
    let error = Trace::read_from(Failing, Path::new("payments.csv")).unwrap_err();
    assert!(error.is_machine_fault());
    assert_eq!(
        error.to_string(),
        "reading the trace 'payments.csv' failed: no such sector"
    );
}

#[test]
fn foresight_is_the_least_that_every_prefix_needs() {
    for (payments, opener, peer) in [
        ("0 a b 5", 5, 0),
        ("0 a b 5 · 1 a b 6", 11, 0),
        ("0 a b 5 · 1 b a 5", 5, 0),
        ("0 a b 5 · 1 b a 6", 5, 1),
        ("0 a b 5 · 1 b a 6 · 2 a b 7 · 3 b a 20", 6, 14),
        ("0 a b 5 · 1 b a 5 · 2 a b 5 · 3 b a 5", 5, 0),
    ] {
        assert_eq!(
            trace(payments).foresight(0),
            Deposits { opener, peer },
            "{payments}"
        );
    }
}

#[test]
fn capacities() {
    // Foresight: a-b 5+1, c-d 30+0, e-f 100+0.
    let trace = trace("0 a b 5 · 1 b a 6 · 2 c d 10 · 3 c d 20 · 4 e f 100 · 5 f e 1");
    for (capacity, expected) in [
        ("from-trace", [(5, 1), (30, 0), (100, 0)]),
        ("1", [(1, 0), (1, 0), (1, 0)]),
        ("7", [(4, 3), (7, 0), (4, 3)]),
        ("1k", [(500, 500), (1000, 0), (500, 500)]),
        ("quantile:0.1", [(3, 3), (6, 0), (3, 3)]),
        ("quantile:0.5", [(15, 15), (30, 0), (15, 15)]),
        ("quantile:0.67", [(50, 50), (100, 0), (50, 50)]),
        ("quantile:1", [(50, 50), (100, 0), (50, 50)]),
    ] {
        let parsed: Capacity = capacity.parse().unwrap();
        let deposits = trace.deposits(&parsed);
        let expected = expected.map(|(opener, peer)| Deposits { opener, peer });
        assert_eq!(deposits, expected, "{capacity}");
        assert_eq!(parsed.to_string().parse(), Ok(parsed));
        let sum = expected.iter().map(|deposits| deposits.capacity()).sum();
        assert_eq!(total_deposits(&deposits), Some(sum));
    }
    for (capacity, words) in [
        ("0", "a capacity of 0 can pay nothing"),
        (
            "",
            "'' is not a capacity: expected from-trace, an amount such as 10k, or quantile:Q",
        ),
        ("foresight", "'foresight' is not a capacity"),
        ("-5", "'-5' is not a capacity"),
        ("5G000", "'5G000' is not a capacity"),
        (
            "4611686018427387905",
            "capacity '4611686018427387905' is too large",
        ),
        (
            "quantile:0",
            "'quantile:0': expected a part above 0 and at most 1",
        ),
        (
            "quantile:90",
            "'quantile:90': expected a part above 0 and at most 1",
        ),
        ("quantile:NaN", "expected a part above 0 and at most 1"),
        ("quantile:", "expected a part above 0 and at most 1"),
    ] {
        let error = capacity.parse::<Capacity>().unwrap_err();
        assert!(error.contains(words), "{capacity}: {error}");
    }
    let most = Deposits {
        opener: 1 << 61,
        peer: 1 << 61,
    };
    assert_eq!(total_deposits(&[most; 3]), Some(3 << 62));
    assert_eq!(total_deposits(&[most; 4]), None);
}

proptest! {
    /// Against the plainest reading of the rules: one list of payments per pair, found by search.
    #[test]
    fn sessions_hold_every_payment_in_order(
        lines in prop::collection::vec((0_u64..3, 0_u8..5, 1_u8..5, 1_u64..50), 1..80)
    ) {
        let mut text = format!("{HEADER}\n");
        let mut time_s = 0;
        let mut expected: Vec<(String, String, Vec<TracePayment>)> = Vec::new();
        let first_time_s = lines[0].0;
        for (step_s, payer, distance, amount) in lines {
            time_s += step_s;
            let payer_name = format!("n{payer}");
            let payee_name = format!("n{}", (payer + distance) % 5);
            text += &format!("{time_s},{payer_name},{payee_name},{amount}\n");
            let due_ns = (time_s - first_time_s) * 1_000_000_000;
            let known = expected.iter_mut().find(|(opener, peer, _)| {
                (opener, peer) == (&payer_name, &payee_name)
                    || (opener, peer) == (&payee_name, &payer_name)
            });
            match known {
                Some((opener, _, payments)) => {
                    payments.push(TracePayment::new(due_ns, amount, *opener == payer_name));
                }
                None => {
                    let payment = TracePayment::new(due_ns, amount, true);
                    expected.push((payer_name, payee_name, vec![payment]));
                }
            }
        }
        let trace = read(&text).unwrap();
        let found: Vec<_> = trace
            .iter()
            .map(|session| {
                let name = |account: u32| trace.accounts()[account as usize].clone();
                (name(session.opener), name(session.peer), session.payments.to_vec())
            })
            .collect();
        prop_assert_eq!(found, expected);

        // With foresight no payment is refused; with one unit less on either side, one is.
        for session in 0..trace.sessions() {
            let deposits = trace.foresight(session);
            prop_assert!(replays(&trace.session(session), deposits));
            let Deposits { opener, peer } = deposits;
            prop_assert!(opener > 0);
            let less = Deposits { opener: opener - 1, peer };
            prop_assert!(!replays(&trace.session(session), less));
            if peer > 0 {
                let less = Deposits { opener, peer: peer - 1 };
                prop_assert!(!replays(&trace.session(session), less));
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = read([HEADER.as_bytes(), b"\n", &bytes].concat());
        let _ = read(bytes);
    }
}

fn replays(session: &SessionView<'_>, deposits: Deposits) -> bool {
    let (mut opener, mut peer) = (deposits.opener, deposits.peer);
    session.payments.iter().all(|payment| {
        let (payer, payee) = if payment.from_opener() {
            (&mut opener, &mut peer)
        } else {
            (&mut peer, &mut opener)
        };
        *payee += payment.amount();
        payer
            .checked_sub(payment.amount())
            .map(|balance| *payer = balance)
            .is_some()
    })
}

/// The committed trace; how it was made stands in the README beside it.
#[test]
fn the_committed_trace_is_what_its_readme_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mobile-money-small.csv");
    let trace = Trace::read(&path).unwrap();
    let readme = fs::read_to_string(path.with_file_name("README.md")).unwrap();
    assert!(readme.contains(trace.sha256()), "{}", trace.sha256());
    assert_eq!((trace.payments(), trace.sessions()), (5_000, 50));
    let both_ways = trace
        .iter()
        .filter(|session| session.payments.iter().any(|p| !p.from_opener()));
    assert!(both_ways.count() >= 40);
    assert!(
        trace
            .iter()
            .all(|session| session.payments.is_sorted_by_key(|p| p.due_ns()))
    );
    let foresight = trace.deposits(&Capacity::FromTrace);
    for (session, deposits) in trace.iter().zip(foresight) {
        assert!(replays(&session, deposits));
    }
}
