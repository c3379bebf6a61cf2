//! The gate's rule on simulated machines, where the truth is known: how often equal code is held
//! up, how often a slowdown gets through, under drift, heavy tails and neighbours that come and go.

use std::time::Duration;

use duet_bench::gate::decide::{PairLogs, Rule};
use duet_bench::gate::judge::{Source, Verdict, judge};
use duet_bench::schedule::{Contender, Triple, unending};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

/// A run, as long as the default workload's.
const RUN: Duration = Duration::from_millis(120);
/// Less than by default: what these machines ask for, and a test must end.
const BUDGET: Duration = Duration::from_secs(3 * 60);
const GATES: usize = 100;

/// A normal deviate by Box and Muller.
fn normal(rng: &mut ChaCha12Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// What a machine does to runs.
#[derive(Clone, Copy)]
struct Machine {
    /// Log-normal deviation of each run.
    noise: f64,
    /// Share of runs that take up to three times as long.
    outliers: f64,
    /// Standard deviation of a random walk of the machine's speed, per run.
    drift: f64,
    /// A neighbour who begins or leaves with this probability at each run, and costs a half.
    neighbour: f64,
    /// What lies in other pages is this much slower or faster, drawn anew in each stage.
    placement: f64,
}

struct Simulated {
    machine: Machine,
    slowdown: f64,
    rng: ChaCha12Rng,
    order: Box<dyn Iterator<Item = [Triple; 2]>>,
    runs: u32,
    walk: f64,
    neighbour: bool,
    placements: [f64; 3],
}

impl Simulated {
    fn new(machine: Machine, slowdown: f64, seed: u64) -> Self {
        Self {
            machine,
            slowdown,
            rng: ChaCha12Rng::seed_from_u64(seed),
            order: Box::new(unending()),
            runs: 0,
            walk: 0.0,
            neighbour: false,
            placements: [0.0; 3],
        }
    }

    /// The log of a run's cost.
    fn run(&mut self, contender: Contender) -> f64 {
        let machine = self.machine;
        let rng = &mut self.rng;
        self.runs += 1;
        self.walk += machine.drift * normal(rng);
        self.neighbour ^= rng.random::<f64>() < machine.neighbour;
        let mut log = machine.noise * normal(rng) + self.walk + self.placements[contender.index()];
        if rng.random::<f64>() < machine.outliers {
            log += 3_f64.ln() * rng.random::<f64>();
        }
        if self.neighbour {
            log += 1.5_f64.ln();
        }
        if contender == Contender::B {
            log += self.slowdown.ln();
        }
        log
    }

    fn pair(&mut self, triple: Triple) -> PairLogs {
        let mut logs = [0.0; 3];
        for contender in triple {
            logs[contender.index()] = self.run(contender);
        }
        let [base, head, copy] = logs;
        PairLogs {
            slowdown: head - base,
            floor: copy - base,
        }
    }
}

impl Source for Simulated {
    type Error = std::convert::Infallible;

    fn begin(&mut self) -> Result<(), Self::Error> {
        self.order = Box::new(unending());
        for at in 0..3 {
            self.placements[at] = self.machine.placement * normal(&mut self.rng);
        }
        self.runs += 3;
        Ok(())
    }

    fn two_pairs(&mut self) -> Result<[PairLogs; 2], Self::Error> {
        let triples = self.order.next().expect("it does not end");
        Ok(triples.map(|triple| self.pair(triple)))
    }

    fn spent(&self) -> Duration {
        RUN * self.runs
    }
}

/// Of [`GATES`] gates at a threshold of 5 %: passed, inconclusive, regression; and the median of
/// their pairs.
fn gates(machine: Machine, slowdown: f64) -> ([usize; 3], usize) {
    let rule = Rule { threshold: 0.05 };
    let mut counts = [0; 3];
    let mut pairs: Vec<usize> = (0..GATES as u64)
        .map(|seed| {
            let mut source = Simulated::new(machine, slowdown, seed);
            let judged = judge(&rule, BUDGET, &mut source).expect("nothing fails");
            counts[match judged.verdict {
                Verdict::Pass => 0,
                Verdict::Inconclusive => 1,
                Verdict::Regression => 2,
            }] += 1;
            judged.stages.iter().map(|stage| stage.reading.pairs).sum()
        })
        .collect();
    pairs.sort_unstable();
    (counts, pairs[GATES / 2])
}

const CALM: Machine = Machine {
    noise: 0.0,
    outliers: 0.0,
    drift: 0.0,
    neighbour: 0.0,
    placement: 0.0,
};

/// From a machine of one's own to one that nobody should measure on.
const MACHINES: [(&str, Machine); 6] = [
    (
        "quiet",
        Machine {
            noise: 0.01,
            ..CALM
        },
    ),
    (
        "noisy",
        Machine {
            noise: 0.06,
            ..CALM
        },
    ),
    (
        "drifting",
        Machine {
            noise: 0.03,
            drift: 0.03,
            ..CALM
        },
    ),
    (
        "heavy tails",
        Machine {
            noise: 0.03,
            outliers: 0.1,
            ..CALM
        },
    ),
    (
        "neighbours",
        Machine {
            noise: 0.03,
            outliers: 0.05,
            drift: 0.005,
            neighbour: 0.05,
            ..CALM
        },
    ),
    (
        "pages",
        Machine {
            noise: 0.03,
            outliers: 0.05,
            drift: 0.005,
            placement: 0.005,
            ..CALM
        },
    ),
];

#[test]
fn equal_code_passes_and_a_tenth_is_caught_on_every_machine() {
    for (name, machine) in MACHINES {
        let ([pass, ..], pairs) = gates(machine, 1.0);
        assert!(pass >= GATES * 97 / 100, "{name}: {pass} of {GATES} pass");
        let ([.., regression], pairs_of_a_tenth) = gates(machine, 1.10);
        assert!(
            regression >= GATES * 97 / 100,
            "{name}: {regression} of {GATES} tenths caught"
        );
        println!(
            "{name}: {pass} of {GATES} pass in {pairs} pairs; {regression} tenths caught in {pairs_of_a_tenth}"
        );
    }
}

#[test]
fn a_slowdown_at_the_threshold_seldom_passes_and_is_hardly_ever_blamed() {
    for (name, machine) in MACHINES {
        // What pages do is in the threshold's stead then: a slowdown of its own.
        if machine.placement > 0.0 {
            continue;
        }
        let ([pass, _, regression], _) = gates(machine, 1.05);
        // By the error of a stage, 2.5 % at each end, and the square of it for two.
        assert!(pass <= GATES * 5 / 100, "{name}: {pass} of {GATES} pass");
        assert!(regression <= 1, "{name}: {regression} of {GATES} blamed");
    }
}

#[test]
fn what_is_let_through_passes_and_twice_the_threshold_never_does() {
    for (name, machine) in MACHINES {
        let ([_, _, regression], _) = gates(machine, 1.02);
        assert_eq!(regression, 0, "{name}: 2 % blamed");
        let ([pass, ..], _) = gates(machine, 1.10);
        assert!(pass <= 2, "{name}: {pass} tenths of {GATES} pass");
    }
}

#[test]
fn a_machine_that_cannot_tell_says_so() {
    let hopeless = Machine { noise: 1.2, ..CALM };
    let ([pass, inconclusive, regression], _) = gates(hopeless, 1.0);
    assert_eq!(regression, 0);
    assert!(
        inconclusive > GATES * 9 / 10,
        "{pass} pass, {inconclusive} inconclusive"
    );
}
