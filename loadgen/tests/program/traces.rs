//! Traces through the real binary: what is replayed is the file, payment by payment, and what a
//! capacity refuses is what a walk through the file by hand finds.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use duet_run_file::run_file::RunFile;
use sha2::{Digest, Sha256};

use crate::common::{Folder, arguments, parse};

const SMALL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/mobile-money-small.csv"
);
const PAYMENTS: u64 = 5_000;
const SESSIONS: u64 = 50;

/// A folder with the committed trace in it.
fn folder() -> Folder {
    let folder = Folder::new();
    fs::copy(SMALL, folder.path("small.csv")).unwrap();
    folder
}

fn sha256(path: &Path) -> String {
    let digest = Sha256::digest(fs::read(path).unwrap());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Payer, payee and amount of every line.
fn lines(text: &str) -> Vec<(&str, &str, u64)> {
    let fields = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>());
    fields
        .map(|fields| (fields[1], fields[2], fields[3].parse().unwrap()))
        .collect()
}

/// How many payments a channel of this capacity refuses, both sides locking half if both pay.
fn refusals(text: &str, capacity: u64) -> u64 {
    let key = |payer: &str, payee: &str| {
        let (low, high) = if payer < payee {
            (payer, payee)
        } else {
            (payee, payer)
        };
        format!("{low} {high}")
    };
    let mut directions: HashMap<String, Vec<&str>> = HashMap::new();
    for (payer, payee, _) in lines(text) {
        let payers = directions.entry(key(payer, payee)).or_default();
        if !payers.contains(&payer) {
            payers.push(payer);
        }
    }
    let mut balances: HashMap<(String, &str), u64> = HashMap::new();
    for (pair, payers) in &directions {
        let peer = if payers.len() == 2 { capacity / 2 } else { 0 };
        balances.insert((pair.clone(), payers[0]), capacity - peer);
        if let Some(second) = payers.get(1) {
            balances.insert((pair.clone(), second), peer);
        }
    }
    let mut refused = 0;
    for (payer, payee, amount) in lines(text) {
        let pair = key(payer, payee);
        let balance = balances.get_mut(&(pair.clone(), payer)).unwrap();
        if *balance < amount {
            refused += 1;
            continue;
        }
        *balance -= amount;
        // A side that never pays needs no balance here.
        if let Some(balance) = balances.get_mut(&(pair, payee)) {
            *balance += amount;
        }
    }
    refused
}

fn accounted(run: &RunFile) {
    assert_eq!(
        run.achieved.payments + run.achieved.payments_refused,
        PAYMENTS
    );
    assert_eq!(
        (run.achieved.sessions_opened, run.achieved.sessions_closed),
        (SESSIONS, SESSIONS)
    );
    assert!(run.checks.balances_match && run.checks.payments_accounted);
    assert!(run.rejections.is_empty(), "{:?}", run.rejections);
}

#[test]
fn perfect_foresight_refuses_nothing_and_says_what_it_is() {
    let folder = folder();
    for words in ["", "--capacity from-trace"] {
        let (run, said) = folder.run(&format!("--trace small.csv {words}"));
        accounted(&run);
        assert_eq!(run.achieved.payments_refused, 0);
        assert!(said.contains("perfect foresight"), "{said}");
        assert_eq!(run.workload.capacity, "from-trace");
        assert_eq!(
            (run.workload.mode.as_str(), run.workload.pattern.as_str()),
            ("trace", "two-way")
        );
        assert_eq!(
            (run.workload.sessions, run.workload.payments_per_session),
            (SESSIONS, 100)
        );
        assert_eq!(
            run.workload.trace_sha256,
            Some(sha256(&folder.path("small.csv")))
        );
        assert!(run.workload.reproducible && run.latency_ns.response.is_none());
        // Payments per pair is the offload ratio.
        let offload = run.l1.offload.as_ref().unwrap();
        assert_eq!(
            offload.transactions.ratio,
            (PAYMENTS / SESSIONS) as f64 / 2.0
        );
        assert_eq!(run.l1.direct.as_ref().unwrap().payments, PAYMENTS);
    }
    let quiet = folder.loadgen(&arguments(
        "run --trace small.csv --quiet --baseline-sessions 0",
    ));
    assert_eq!(
        (quiet.code, quiet.stderr.as_str()),
        (Some(0), ""),
        "{quiet:?}"
    );
}

#[test]
fn a_real_capacity_refuses_what_it_cannot_carry() {
    let folder = folder();
    let text = folder.read("small.csv");
    for capacity in [3_001, 30_000, 1_000_000, 20_000_001] {
        let words = format!("--trace small.csv --capacity {capacity} --baseline-sessions 0");
        let (run, said) = folder.run(&words);
        accounted(&run);
        assert_eq!(
            run.achieved.payments_refused,
            refusals(&text, capacity),
            "{capacity}"
        );
        assert!(run.achieved.payments_refused > 0, "{capacity}");
        assert!(!said.contains("foresight"), "{said}");
    }
    let ended = folder.loadgen(&arguments("run --trace small.csv --capacity 700"));
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(
        ended.stdout.starts_with("INVALID: no payment was made"),
        "{ended:?}"
    );
    let mut before = PAYMENTS;
    for part in ["0.01", "0.5", "0.9", "1"] {
        let words = format!("--trace small.csv --capacity quantile:{part} --baseline-sessions 0");
        let (run, _) = folder.run(&words);
        accounted(&run);
        assert_eq!(run.workload.capacity, format!("quantile:{part}"));
        assert!(run.achieved.payments_refused < before, "{part}");
        before = run.achieved.payments_refused;
    }
    let ended = folder.loadgen(&arguments("run --trace small.csv --capacity 1M"));
    assert!(ended.stdout.contains("\nrefused   payments "), "{ended:?}");
}

#[test]
fn a_trace_decides_layer_1_whatever_the_number_of_shards() {
    let folder = folder();
    let start: Vec<String> = folder
        .read("small.csv")
        .lines()
        .take(1_000)
        .map(str::to_owned)
        .collect();
    folder.write("start.csv", start.join("\n"));
    // One hub opens many channels, so that shards share its account.
    let mut hub = "time_s,payer,payee,amount\n".to_owned();
    for payment in 0..600 {
        hub += &format!("{payment},hub,c{},{}\n", payment % 60, 1 + payment % 7);
    }
    folder.write("hub.csv", hub);
    for (words, speed) in [
        ("--trace start.csv", ""),
        ("--trace start.csv --capacity 300k", ""),
        ("--trace start.csv --cosign-every 7 --in-flight 2", ""),
        ("--trace hub.csv", "--speedup 600"),
    ] {
        let words = format!("{words} --baseline-sessions 0");
        let (one, _) = folder.run(&format!("{words} --shards 1"));
        let (three, _) = folder.run(&format!("{words} --shards 3"));
        assert_eq!(one.l1.channels.tip, three.l1.channels.tip, "{words}");
        if !speed.is_empty() {
            let timed = folder.run_on_time(&format!("{words} --shards 2 {speed}"));
            assert_eq!(
                one.l1.channels.tip, timed.l1.channels.tip,
                "{words} {speed}"
            );
        }
        let (reseeded, _) = folder.run(&format!("{words} --shards 1 --seed 2"));
        assert_ne!(
            one.l1.channels.tip, reseeded.l1.channels.tip,
            "the seed makes the keys"
        );
    }
}

#[test]
fn a_speedup_keeps_the_traces_own_clock() {
    let folder = folder();
    let words = "--trace small.csv --speedup 2M --baseline-sessions 0";
    let run = folder.run_on_time(words);
    accounted(&run);
    assert_eq!(
        (run.workload.arrivals.as_str(), run.workload.speedup),
        ("trace", Some(2e6))
    );
    let last_s: f64 = {
        let text = folder.read("small.csv");
        let times: Vec<f64> = text
            .lines()
            .skip(1)
            .map(|line| line.split(',').next().unwrap().parse().unwrap())
            .collect();
        (times[times.len() - 1] - times[0]) / 2e6
    };
    assert!(
        run.achieved.wall_s >= last_s,
        "{} of {last_s}",
        run.achieved.wall_s
    );
    let response = run.latency_ns.response.unwrap();
    assert!(response.p50 > 0 && response.max >= run.latency_ns.service.unwrap().max);
    assert_eq!(run.achieved.payments_refused, 0);
}

#[test]
fn payments_of_one_time_have_no_rate_and_one_verdict() {
    let folder = Folder::new();
    let header = "time_s,payer,payee,amount\n";
    let one_way = (1..=9).map(|i| format!("3600,C{i},M{},{}\n", i % 3, i * 100));
    folder.write(
        "one-way.csv",
        header.to_owned() + &one_way.collect::<String>(),
    );
    let two_way = "3600,C1,M1,500\n3600,M1,C1,300\n3600,C1,M2,900\n";
    folder.write("two-way.csv", header.to_owned() + two_way);
    for trace in ["one-way.csv", "two-way.csv"] {
        for shards in [1, 2, 3, 8] {
            let (run, _) = folder.run(&format!(
                "--trace {trace} --speedup 1 --shards {shards} --baseline-sessions 0"
            ));
            let open_loop = run.achieved.open_loop.expect("an open loop");
            assert!(open_loop.offered_per_s.is_nan(), "{trace}: {open_loop:?}");
        }
    }
}

#[test]
fn a_duration_cuts_a_replay_short() {
    let folder = folder();
    let words = "run --trace small.csv --speedup 100k --duration 200ms --json";
    let ended = folder.loadgen(&arguments(words));
    let run = parse(&ended.stdout);
    assert!(run.achieved.payments > 0 && run.achieved.payments < PAYMENTS);
    assert!(run.checks.payments_accounted && run.checks.balances_match);
    assert!(!run.workload.reproducible);
    assert_eq!(run.achieved.sessions_closed, SESSIONS);
}

#[test]
fn a_generated_trace_replays() {
    let folder = Folder::new();
    folder.write(
        "hourly.csv",
        "action,month,day,hour,count,sum,avg,std,step\n\
         CASH_IN,10,0,1,50,50000,1000,100,1\n\
         PAYMENT,10,0,1,300,300000,1000,500,1\n\
         TRANSFER,10,0,1,100,900000,9000,9000,1\n\
         TRANSFER,10,0,3,100,900000,9000,9000,3\n",
    );
    let words = "trace --from-hourly hourly.csv --action PAYMENT,TRANSFER --pairs 10 \
                 --skew zipf:1.1 --payments 1k --seed 3 --out payments.csv";
    let ended = folder.loadgen(&arguments(words));
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), ""),
        "{ended:?}"
    );
    for part in [
        "1000 payments",
        "synthetic counterparties",
        "payments per pair",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    assert_eq!(folder.names(), ["hourly.csv", "payments.csv"]);
    let text = folder.read("payments.csv");
    assert_eq!(lines(&text).len(), 1_000);
    let (run, _) = folder.run("--trace payments.csv --capacity 20k --baseline-sessions 0");
    assert_eq!(
        run.workload.trace_sha256,
        Some(sha256(&folder.path("payments.csv")))
    );
    assert_eq!(run.achieved.payments_refused, refusals(&text, 20_000));
    assert_eq!(run.achieved.payments + run.achieved.payments_refused, 1_000);
    // The same options make the same trace; another seed makes another one.
    let again = words.replace("payments.csv", "again.csv");
    assert_eq!(folder.loadgen(&arguments(&again)).code, Some(0));
    assert_eq!(folder.read("again.csv"), text);
    let other = again.replace("--seed 3", "--seed 4");
    assert_eq!(folder.loadgen(&arguments(&other)).code, Some(0));
    assert_ne!(folder.read("again.csv"), text);
}

#[test]
fn a_trace_as_other_programs_write_it() {
    let folder = Folder::new();
    // Byte order mark, CRLF, quotation marks, spaces, empty lines, no last line end.
    folder.write(
        "t.csv",
        "\u{feff}time_s,payer,payee,amount\r\n\r\n0.5,\"Ann, A.\", Bob ,5\r\n1e0,Bob,\"Ann, A.\",2",
    );
    let (run, _) = folder.run("--trace t.csv");
    assert_eq!((run.achieved.payments, run.workload.sessions), (2, 1));
    assert_eq!(
        run.workload.trace_sha256,
        Some(sha256(&folder.path("t.csv")))
    );
}

#[cfg(unix)]
#[test]
fn a_trace_may_come_through_a_pipe() {
    use std::process::{Command, Stdio};
    let folder = folder();
    let made = Command::new("mkfifo")
        .arg(folder.path("pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    let words = "run --trace pipe --json --baseline-sessions 0";
    let child = folder
        .command(&arguments(words))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    fs::write(folder.path("pipe"), folder.read("small.csv")).unwrap();
    let output = child.wait_with_output().unwrap();
    let run = parse(&String::from_utf8(output.stdout).unwrap());
    accounted(&run);
    assert_eq!(
        run.workload.trace_sha256,
        Some(sha256(&folder.path("small.csv")))
    );
}
