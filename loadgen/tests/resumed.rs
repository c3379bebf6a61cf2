//! Figures of a run that was killed and went on: they are of what was measured after it did, and what
//! is not known is not shown.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use common::{Ended, Folder, arguments, parse};
use duet_run_file::run_file::RunFile;
use hdrhistogram::serialization::Deserializer;

const SESSIONS: u64 = 10;
const PAYMENTS: u64 = 4_000;
const ALL: u64 = SESSIONS * PAYMENTS;

/// A durable run in a folder, always by the same command.
struct Run {
    folder: Folder,
    words: String,
}

impl Run {
    fn new(options: &str) -> Run {
        Run {
            folder: Folder::new(),
            words: format!(
                "run --sessions {SESSIONS} --payments {PAYMENTS} --durability log --log-dir log \
                 --ack-file acks {options}"
            ),
        }
    }

    /// Kills it after so many acknowledgements.
    fn kill_after(&self, acknowledged: usize) {
        let mut child = self
            .folder
            .command(&arguments(&self.words))
            .arg("--quiet")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let lines = || {
            let acks = fs::read(self.folder.path("acks")).unwrap_or_default();
            acks.iter().filter(|byte| **byte == b'\n').count()
        };
        while lines() < acknowledged {
            assert!(child.try_wait().unwrap().is_none(), "it ended too soon");
            assert!(started.elapsed() < Duration::from_secs(120));
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Runs the command to its end: what it printed, its run file, and how long it took.
    fn go_on(&self) -> (Ended, RunFile, Duration) {
        let started = Instant::now();
        let words = format!("{} --out run.json", self.words);
        let ended = self.folder.loadgen(&arguments(&words));
        let took = started.elapsed();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let run = parse(&self.folder.read("run.json"));
        (ended, run, took)
    }
}

fn recorded(histogram: &str) -> u64 {
    let bytes = BASE64_STANDARD.decode(histogram).unwrap();
    let histogram = Deserializer::new().deserialize::<u64, _>(&mut &bytes[..]);
    histogram.unwrap().len()
}

fn row<'a>(shown: &'a str, start: &str) -> &'a str {
    let found = shown.lines().find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("{start}:\n{shown}"))
}

#[test]
fn figures_are_of_what_was_measured_after_the_restart() {
    for shards in [1, 2] {
        let run = Run::new(&format!("--baseline-sessions 2 --shards {shards}"));
        run.kill_after(100);
        let (ended, file, took) = run.go_on();
        let before = file.resumed().unwrap();
        let measured = file.payments_measured();
        assert_eq!(file.achieved.payments, ALL);
        assert_eq!(before.payments + measured, ALL);
        assert!(measured > 0 && before.payments > 0, "{before:?}");

        // In time that there was, on cores that there are.
        let achieved = &file.achieved;
        assert!(achieved.wall_s > 0.0 && achieved.wall_s < took.as_secs_f64());
        let rate = measured as f64 / achieved.wall_s;
        assert!((achieved.payments_per_s / rate - 1.0).abs() < 1e-9);
        let cores = std::thread::available_parallelism().unwrap().get() as f64;
        assert!(
            achieved.cpu_s < 1.1 * cores * achieved.wall_s,
            "{achieved:?}"
        );

        // Every payment measured was completed once, at its latency, and verified by both.
        let complete = file.stages.iter().find(|stage| stage.name == "complete");
        assert_eq!(complete.unwrap().items, measured);
        let service = file.latency_histogram.service.as_ref().unwrap();
        assert_eq!(recorded(service), measured);
        let off = &file.offchain;
        let verified = 2 * measured..=2 * (measured + SESSIONS);
        assert!(verified.contains(&off.signature_verifications), "{off:?}");
        let samples = file.series.iter();
        assert!(samples.clone().all(|sample| sample.payments <= measured));

        // Layer 1 counts on: two transactions a session, in its whole life.
        assert_eq!(file.l1.channels.transactions, 2 * SESSIONS);
        let offload = file.l1.offload.as_ref().unwrap();
        assert_eq!(offload.transactions.ratio, PAYMENTS as f64 / 2.0);
        assert!(offload.cpu.ratio.is_nan());

        let shown = &ended.stdout;
        assert!(
            shown.starts_with("VALID, RESUMED: payments accounted"),
            "{shown}"
        );
        assert!(row(shown, "payments ").contains(" of them after the restart"));
        assert!(row(shown, "CPU     ").contains("µs per payment"));
        let more = "x: more, not less; made + verified";
        let unknown = "- (sessions span the restart)";
        let signatures = row(shown, "in all: signatures");
        assert!(
            signatures.ends_with(more) || signatures.ends_with(unknown),
            "{shown}"
        );

        // Once more: nothing is left, and nothing is shown of nothing.
        let (ended, file, _) = run.go_on();
        assert_eq!((file.payments_measured(), file.achieved.payments), (0, ALL));
        assert!(file.achieved.payments_per_s.is_nan());
        assert!(file.achieved.steady_payments_per_s.is_none());
        assert!(file.latency_ns.service.is_none());
        assert!(file.l1.offload.is_none() && file.l1.direct.is_none());
        let shown = &ended.stdout;
        assert!(
            shown.starts_with("VALID, RESUMED: payments accounted"),
            "{shown}"
        );
        assert!(
            row(shown, "payments ").contains("none of them after the restart"),
            "{shown}"
        );
        assert!(!shown.contains("/s"), "{shown}");
        assert!(
            !shown.contains(" x: ") && !shown.contains("more, not less"),
            "{shown}"
        );
    }
}

#[test]
fn a_run_that_was_not_stopped_says_nothing_of_a_restart() {
    let run = Run::new("--baseline-sessions 0");
    let (ended, file, _) = run.go_on();
    assert!(file.resumed().is_none());
    assert_eq!(file.payments_measured(), ALL);
    assert!(ended.stdout.starts_with("VALID: "), "{}", ended.stdout);
    assert!(!ended.stdout.contains("restart"), "{}", ended.stdout);
}

#[test]
fn what_was_not_served_before_a_restart_is_not_forgotten() {
    const RUN: &str = "run --sessions 200 --payments 1k --shards 2 --rate 200k --duration 200ms \
                       --durability log --log-dir log --baseline-sessions 0 --json";
    let folder = Folder::new();
    let first = folder.loadgen(&arguments(RUN));
    let given_up = parse(&first.stdout).achieved.open_loop.unwrap().unserved;
    assert_eq!(first.code, Some(3), "{}", first.stderr);
    assert!(given_up > 0);
    // Nothing comes due any more, and nothing is forgotten.
    let again = folder.loadgen(&arguments(RUN));
    assert_eq!(again.code, Some(3), "{}", again.stderr);
    let run = parse(&again.stdout).achieved;
    let open_loop = run.open_loop.unwrap();
    assert_eq!(
        (open_loop.arrived, open_loop.unserved_before),
        (0, given_up)
    );
    assert_eq!(run.payments, open_loop.arrived_before - given_up);
    let [reason] = &run.invalid_reasons[..] else {
        panic!("{:?}", run.invalid_reasons);
    };
    assert!(reason.contains("payments not served"), "{reason}");
    // Closing it is no claim about the rate.
    let closed = folder.loadgen(&["recover", "log", "--close", "--quiet"]);
    assert_eq!(closed.code, Some(0), "{}", closed.stderr);
}
