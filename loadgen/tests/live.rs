//! What a run tells while it goes on: metrics over HTTP, as Prometheus reads them, and the
//! dashboard that shows them.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::Folder;

/// A run that goes on until its baseline is over, with the address of its metrics.
fn begun(folder: &Folder, words: &str) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(words.split_whitespace())
        .current_dir(folder.path("."))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = lines
        .by_ref()
        .find_map(|line| {
            let line = line.unwrap();
            let (_, address) = line.split_once("http://")?;
            Some(address.strip_suffix("/metrics").unwrap().to_owned())
        })
        .expect("it says where its metrics are");
    // Nobody reads the rest; a full pipe would hold it up.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address)
}

/// The head and the body of an answer.
fn ask(address: &str, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// None when the run has ended.
fn try_metrics(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    body.ends_with("# EOF\n").then(|| body.to_owned())
}

fn metrics(address: &str) -> String {
    let (head, body) = ask(address, "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("application/openmetrics-text"), "{head}");
    assert!(body.ends_with("# EOF\n"), "{body}");
    body
}

/// The value of a sample, by its name with its labels.
fn value(text: &str, name: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let line = line.unwrap_or_else(|| panic!("no {name} in\n{text}"));
    line.parse().unwrap()
}

/// Names of samples, without labels.
fn names(text: &str) -> BTreeSet<&str> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect()
}

#[test]
fn metrics_follow_a_run_and_the_dashboard_knows_their_names() {
    let folder = Folder::new();
    let words = "run --rate 500 --duration 20s --sessions 10 --payments 10k --in-flight 8 \
                 --metrics 0 --baseline-sessions 0 --quiet";
    let (mut child, address) = begun(&folder, words);
    let started = Instant::now();
    let first = loop {
        assert!(started.elapsed() < Duration::from_secs(60));
        let text = metrics(&address);
        if value(&text, "duet_payments_total") > 0.0 && text.contains("kind=\"response\"") {
            break text;
        }
        sleep(Duration::from_millis(100));
    };
    assert!(first.contains("in_flight=\"8\""), "{first}");
    assert_eq!(value(&first, "duet_payments_planned"), 10_000.0);
    assert!(value(&first, "duet_resident_memory_bytes") > 1e6);
    assert!(value(&first, "duet_cpu_seconds_total") > 0.0);

    // Later, more of it; and the buckets add up.
    let later = loop {
        assert!(started.elapsed() < Duration::from_secs(60));
        let text = metrics(&address);
        let count = "duet_payment_latency_seconds_count{kind=\"service\"}";
        if value(&text, count) > value(&first, count) {
            break text;
        }
        sleep(Duration::from_millis(100));
    };
    for name in ["duet_payments_total", "duet_elapsed_seconds"] {
        assert!(value(&later, name) > value(&first, name), "{name}");
    }
    for kind in ["service", "response"] {
        let of = |name: &str, le: &str| {
            let labels = format!("{{{le}kind=\"{kind}\"}}");
            value(
                &later,
                &format!("duet_payment_latency_seconds_{name}{labels}"),
            )
        };
        assert_eq!(of("bucket", "le=\"+Inf\","), of("count", ""));
        assert!(of("bucket", "le=\"100.0\",") <= of("count", ""));
        assert!(of("bucket", "le=\"0.00001\",") < of("bucket", "le=\"100.0\","));
        assert!(of("sum", "") > 0.0);
    }

    let dashboard = include_str!("../../docs/grafana-dashboard.json");
    let dashboard: serde_json::Value = serde_json::from_str(dashboard).unwrap();
    let told = names(&later);
    let mut shown = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for name in words.filter(|word| word.starts_with("duet_")) {
                assert!(told.contains(name), "{name} of {expression}");
                shown += 1;
            }
        }
    }
    assert!(shown >= 8, "{shown}");

    for (request, status) in [
        ("GET /nothing HTTP/1.1\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
        ("\u{16}\u{3}\u{1}\u{2}\r\n\r\n", "400"),
    ] {
        let (head, _) = ask(&address, request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    }
    // Who connects and says nothing keeps nobody else from an answer.
    let silent = TcpStream::connect(&address).unwrap();
    metrics(&address);
    drop(silent);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A run that does little is asked all the time: what that costs is in none of its figures.
#[test]
fn a_run_that_is_asked_stays_valid() {
    let folder = Folder::new();
    let words = "run --rate 20 --duration 3s --concurrent 4 --payments 1k --in-flight 4 \
                 --metrics 0 --baseline-sessions 0 --quiet --out run.json";
    let (mut child, address) = begun(&folder, words);
    let mut last = String::new();
    while child.try_wait().unwrap().is_none() {
        if let Some(text) = try_metrics(&address) {
            last = text;
        }
        sleep(Duration::from_millis(50));
    }
    let run = common::parse(&folder.read("run.json"));
    assert!(run.achieved.valid, "{:?}", run.achieved.invalid_reasons);
    // All payments are in the latencies before the end.
    let count = value(
        &last,
        "duet_payment_latency_seconds_count{kind=\"service\"}",
    );
    assert!(
        count > 0.0 && count <= run.achieved.payments as f64,
        "{last}"
    );
    // Its schedule ends it, and so many are planned.
    assert_eq!(value(&last, "duet_payments_planned"), 60.0);
}

#[test]
fn metrics_that_cannot_be_served_are_refused_before_the_run() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (address, expected) in [
        ("0.0.0.0:9464", "can be reached from other machines"),
        ("nonsense", "is no address: expected a port"),
        (&taken, "cannot be served there"),
    ] {
        let ended = folder.loadgen(&["run", "--out", "run.json", "--metrics", address]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("--metrics") && ended.stderr.contains(address),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        assert!(!folder.path("run.json").exists());
    }
}
