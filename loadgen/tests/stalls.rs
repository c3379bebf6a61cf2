//! A process that is stopped for a while, at any moment of an open loop's run: the stall is in the
//! response times of what came due meanwhile, in the time of the phase in which it fell, or the run
//! is INVALID.
//!
//! The long form, 50 moments from a seed:
//! `DUET_ROUNDS=50 DUET_SEED=1 cargo test --release -p duet-loadgen --test stalls -- --nocapture`

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use common::{Folder, arguments, number, parse};
use duet_run_file::run_file::RunFile;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};

/// Payments per second, and for how long they come due.
const RATE_PER_S: f64 = 1000.0;
const LASTS_S: f64 = 1.0;
/// By how much the test's clock and the run's may be apart, a busy machine's hold-ups included.
const SLACK_S: f64 = 0.03;

/// What to try: plain, with co-sign intervals that fill or wait, back and forth, made durable.
const SHAPES: [&str; 5] = [
    "--sessions 8 --payments 100k --shards 1",
    "--sessions 8 --payments 100k --shards 2",
    "--sessions 4 --payments 100k --shards 2 --cosign-every 10 --cosign-after 20ms",
    "--sessions 500 --concurrent 20 --payments 9 --shards 2 --pattern two-way",
    "--sessions 8 --payments 100k --shards 2 --durability log --log-dir log",
];

struct Stall {
    seed: u64,
    shape: &'static str,
    after: Duration,
    lasts: Duration,
}

impl Stall {
    fn new(seed: u64) -> Stall {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut micros = |least: u64, most: u64| {
            Duration::from_micros(least * 1000 + rng.next_u64() % ((most - least) * 1000))
        };
        Stall {
            // From before the first payment is due to after the last one.
            after: micros(0, 1_300),
            lasts: micros(300, 800),
            seed,
            shape: SHAPES[seed as usize % SHAPES.len()],
        }
    }

    fn run(&self) {
        let folder = Folder::new();
        let options = format!(
            "run --json --rate {RATE_PER_S} --duration {LASTS_S}s --baseline-sessions 0 --seed {} {}",
            self.seed, self.shape
        );
        let child = folder
            .command(&arguments(&options))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let process = Pid::from_child(&child);
        std::thread::sleep(self.after);
        let stopped_s = started.elapsed().as_secs_f64();
        kill_process(process, Signal::STOP).unwrap();
        std::thread::sleep(self.lasts);
        kill_process(process, Signal::CONT).unwrap();
        let continued_s = started.elapsed().as_secs_f64();
        let ended = child.wait_with_output().unwrap();
        let run = parse(&String::from_utf8(ended.stdout).unwrap());
        println!(
            "stall {}: after {stopped_s:.3} s until {continued_s:.3} s: {}",
            self.seed,
            judge(&run, stopped_s, continued_s)
                .unwrap_or_else(|found| panic!("{options}, after {:?}: {found}", self.after))
        );
    }
}

/// Where the stall shows; an error if nowhere.
fn judge(run: &RunFile, stopped_s: f64, continued_s: f64) -> Result<String, String> {
    let lasted_s = continued_s - stopped_s;
    if !run.achieved.valid {
        return Ok(format!(
            "INVALID: {}",
            run.achieved.invalid_reasons.join("; ")
        ));
    }
    let phase_s = |name: &str| {
        let found = run.achieved.phases.iter().find(|phase| phase.name == name);
        found.map_or(0.0, |phase| phase.wall_s)
    };
    for name in ["set-up", "opening", "closing"] {
        if phase_s(name) >= 0.9 * lasted_s {
            return Ok(format!("{name} took {:.3} s", phase_s(name)));
        }
    }
    // In all, process start and end aside.
    let measured_s = phase_s("set-up") + phase_s("channels");
    if measured_s < stopped_s + SLACK_S {
        return Ok(format!("all was over after {measured_s:.3} s"));
    }
    let response = run
        .latency_histogram
        .response
        .as_ref()
        .ok_or("no response times")?;
    let bytes = BASE64_STANDARD.decode(response).unwrap();
    let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
    let max_s = histogram.max() as f64 / 1e9;
    let half_ns = (lasted_s / 2.0 * 1e9) as u64;
    let late = histogram.count_between(half_ns, u64::MAX);
    // What came due in the stall's first half, from the schedule's start to its end.
    let start_s = phase_s("set-up") + phase_s("opening");
    let from_s = stopped_s.max(start_s) + SLACK_S;
    let to_s = (stopped_s + lasted_s / 2.0).min(start_s + LASTS_S) - SLACK_S;
    let mean = (to_s - from_s).max(0.0) * RATE_PER_S;
    // Five standard deviations of a Poisson process below its mean.
    let due = (mean - 5.0 * mean.sqrt()).max(0.0);
    let found = format!(
        "max {max_s:.3} s, {late} responses above half of {lasted_s:.3} s, at least {due:.0} came due \
         in that"
    );
    let shows = max_s >= 0.9 * lasted_s && late as f64 >= due;
    if shows { Ok(found) } else { Err(found) }
}

#[test]
fn a_stall_is_in_the_figures_or_makes_the_run_invalid() {
    let (seed, rounds) = (number("DUET_SEED", 1), number("DUET_ROUNDS", 10));
    println!("DUET_SEED={seed} DUET_ROUNDS={rounds}");
    (seed..seed + rounds).for_each(|seed| Stall::new(seed).run());
}
