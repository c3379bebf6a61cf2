//! A durable run that is killed in the midst of it: everything that was acknowledged is there
//! afterwards, the run goes on, and it ends VALID.
//!
//! The long form, 200 rounds: `cargo test --release -p duet-loadgen --test kill -- --ignored --nocapture`

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Folder, arguments, parse};
use duet_reports::run_file::RunFile;

/// How a round differs from the others.
struct Round {
    number: u64,
    durability: &'static str,
    options: &'static str,
}

/// Payments one by one, in bursts, back and forth, and sessions that follow each other.
const SHAPES: [&str; 4] = [
    "--sessions 64 --payments 1M --in-flight 16",
    "--sessions 600 --payments 1M --cosign-every 100",
    "--sessions 100 --payments 1M --cosign-every 7 --pattern two-way",
    "--sessions 1M --concurrent 200 --payments 40 --cosign-every 8",
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
    /// Kills a run, checks what it left, and closes that.
    fn run(&self) {
        let folder = Folder::new();
        let found = self.kill(&folder);
        let run = self.end(&folder, "--close");
        assert_eq!(run.achieved.sessions_opened, run.achieved.sessions_closed);
        let resumed = run.durability.unwrap().resumed.unwrap();
        assert_eq!(
            resumed.channels_open,
            found["channels_open"].as_u64().unwrap()
        );
    }

    /// What is left is done, and the run as a whole adds up.
    fn end(&self, folder: &Folder, how: &str) -> RunFile {
        let ended = folder.loadgen(&["recover", "log", how, "--out", "run.json", "--quiet"]);
        let run = folder.path("run.json");
        let run = run.exists().then(|| parse(&folder.read("run.json")));
        let reasons = run.as_ref().map(|run| &run.achieved.invalid_reasons);
        assert_eq!(
            ended.code,
            Some(0),
            "round {}: {reasons:?} {}",
            self.number,
            ended.stderr
        );
        run.unwrap()
    }

    /// Kills a run after so many acknowledgements; everything acknowledged is there. Gives what the
    /// recovery found.
    fn kill(&self, folder: &Folder) -> serde_json::Value {
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
            .args(arguments(self.options))
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
        found
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

#[test]
fn a_killed_run_goes_on_to_its_end() {
    for number in 100..102 {
        let round = Round {
            number,
            durability: ["log", "fsync"][number as usize % 2],
            options: "--sessions 40 --concurrent 20 --payments 1k --in-flight 1",
        };
        let folder = Folder::new();
        round.kill(&folder);
        let run = round.end(&folder, "--go-on");
        assert_eq!(run.achieved.payments, 40 * 1_000);
        assert_eq!(run.achieved.sessions_closed, 40);
        assert!(!run.workload.reproducible);
        // Nothing is left to do, and a version that never was is not there.
        let over = folder.loadgen(&["recover", "log", "--check-acks", "acks"]);
        assert_eq!(over.code, Some(0), "{}", over.stderr);
        let acks = folder.read("acks");
        let (channel, _) = acks.split_once(' ').unwrap();
        folder.write("lies", format!("{channel} 1001\n"));
        let lies = folder.loadgen(&["recover", "log", "--check-acks", "lies"]);
        assert_eq!(lies.code, Some(4), "{}", lies.stdout);
        assert!(
            lies.stdout.contains("version 1001 was acknowledged"),
            "{}",
            lies.stdout
        );
    }
}
