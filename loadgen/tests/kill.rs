//! A durable run that is killed in the midst of it: everything that was acknowledged is there
//! afterwards, the run goes on, and it ends VALID.
//!
//! The long form, 200 rounds: `cargo test --release -p duet-loadgen --test kill -- --ignored --nocapture`

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Folder, parse};

/// How a round differs from the others.
struct Round {
    number: u64,
    durability: &'static str,
    options: &'static [&'static str],
}

/// Payments one by one, in bursts, back and forth, and sessions that follow each other.
const SHAPES: [&[&str]; 4] = [
    &[
        "--sessions",
        "64",
        "--payments",
        "100k",
        "--in-flight",
        "16",
    ],
    &[
        "--sessions",
        "600",
        "--payments",
        "20k",
        "--cosign-every",
        "100",
    ],
    &[
        "--sessions",
        "100",
        "--payments",
        "40k",
        "--cosign-every",
        "7",
        "--pattern",
        "two-way",
    ],
    &[
        "--sessions",
        "1M",
        "--concurrent",
        "200",
        "--payments",
        "40",
        "--cosign-every",
        "8",
    ],
];

/// Acknowledgements before the process is killed.
const ACKNOWLEDGED: usize = 10_000;

fn rounds(numbers: impl Iterator<Item = u64>) {
    for number in numbers {
        let round = Round {
            number,
            durability: ["log", "fsync"][number as usize % 2],
            options: SHAPES[number as usize / 2 % SHAPES.len()],
        };
        round.run();
    }
}

impl Round {
    fn run(&self) {
        let folder = Folder::new();
        let mut child = folder
            .command(&[
                "run",
                "--quiet",
                "--baseline-sessions",
                "0",
                "--shards",
                "2",
            ])
            .args(["--durability", self.durability, "--log-dir", "log"])
            .args(["--ack-file", "acks", "--seed", &self.number.to_string()])
            .args(self.options)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let lines = || {
            let acks = fs::read(folder.path("acks")).unwrap_or_default();
            acks.iter().filter(|byte| **byte == b'\n').count()
        };
        while lines() < ACKNOWLEDGED {
            if let Some(ended) = child.try_wait().unwrap() {
                let output = child.wait_with_output().unwrap();
                panic!(
                    "round {}: {ended}: {}",
                    self.number,
                    String::from_utf8_lossy(&output.stderr)
                );
            }
            assert!(
                started.elapsed() < Duration::from_secs(120),
                "round {}",
                self.number
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        // Anywhere in the next waves: different in each round, and again when a round is repeated.
        std::thread::sleep(Duration::from_micros(7919 * (self.number + 1) % 150_000));
        child.kill().unwrap();
        child.wait().unwrap();

        let checked = folder.loadgen(&["recover", "log", "--check-acks", "acks", "--json"]);
        assert_eq!(
            checked.code,
            Some(0),
            "round {}: {}",
            self.number,
            checked.stderr
        );
        let found: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
        let acknowledged = &found["acknowledgements"];
        assert!(acknowledged["lines"].as_u64().unwrap() >= ACKNOWLEDGED as u64);
        assert_eq!(acknowledged["lost"].as_array().unwrap().len(), 0, "{found}");
        println!(
            "round {}: {}, killed after {:.1} s, {} lines of {} channels, {} open, {} closed, \
             recovered in {:.2} s, cut {}",
            self.number,
            self.durability,
            started.elapsed().as_secs_f64(),
            acknowledged["lines"],
            acknowledged["channels"],
            found["channels_open"],
            found["sessions_closed"],
            found["seconds"].as_f64().unwrap(),
            found["cut"],
        );
        // What is left is closed, and the run as a whole adds up.
        let closed = folder.loadgen(&["recover", "log", "--close", "--out", "run.json", "--quiet"]);
        assert_eq!(
            closed.code,
            Some(0),
            "round {}: {}",
            self.number,
            closed.stderr
        );
        let run = parse(&folder.read("run.json"));
        assert!(run.achieved.valid, "{:?}", run.achieved.invalid_reasons);
        assert_eq!(run.achieved.sessions_opened, run.achieved.sessions_closed);
        let resumed = run.durability.unwrap().resumed.unwrap();
        assert_eq!(
            resumed.channels_open,
            found["channels_open"].as_u64().unwrap()
        );
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    rounds(0..8);
}

#[test]
#[ignore = "200 rounds, by hand"]
fn what_was_acknowledged_survives_two_hundred_kills() {
    rounds(0..200);
}
