//! The statistics on simulated sessions, where the truth is known: how often an interval holds it,
//! how often equal code is blamed, and what drift of the machine does.

use duet_bench::metric::Better;
use duet_bench::ratio::{Verdict, verdict};
use duet_bench::schedule::{Contender, schedule};
use duet_bench::summary::estimate;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

/// A normal deviate by Box and Muller.
fn normal(rng: &mut ChaCha12Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// Pair by pair, and not of the medians.
fn ratios(ones: &[f64], others: &[f64]) -> Vec<f64> {
    let pairs = ones.iter().zip(others);
    pairs.map(|(one, other)| one / other).collect()
}

/// A machine that takes `1 + drift` times as long at the session's end as at its beginning, and
/// whose every run deviates by a log-normal factor.
struct Machine {
    drift: f64,
    noise: f64,
}

impl Machine {
    /// CPU ns per payment of each contender's runs in a session in which B costs `ratio` of A.
    fn session(&self, pairs: usize, ratio: f64, rng: &mut ChaCha12Rng) -> [Vec<f64>; 3] {
        let order = schedule(pairs).concat();
        let mut costs_ns = [const { Vec::new() }; 3];
        for (position, contender) in order.iter().enumerate() {
            let slowness = 1.0 + self.drift * position as f64 / order.len() as f64;
            let deviation = (self.noise * normal(rng)).exp();
            let cost = if *contender == Contender::B {
                ratio
            } else {
                1.0
            };
            costs_ns[contender.index()].push(40_000.0 * cost * slowness * deviation);
        }
        costs_ns
    }

    /// Of 300 sessions of 10 pairs, how many said that B is better, and how many that it is worse.
    fn claims(&self, ratio: f64) -> (usize, usize) {
        let mut rng = ChaCha12Rng::seed_from_u64(11);
        let verdicts: Vec<Verdict> = (0..300)
            .map(|_| {
                let [a, b, a_copy] = self.session(10, ratio, &mut rng);
                let ratio = estimate(&ratios(&b, &a));
                let floor = estimate(&ratios(&a_copy, &a));
                verdict(Better::Lower, &ratio, floor.reach_from_one())
            })
            .collect();
        let count = |wanted: Verdict| verdicts.iter().filter(|said| **said == wanted).count();
        (count(Verdict::BIsBetter), count(Verdict::BIsWorse))
    }
}

#[test]
fn an_interval_holds_the_true_ratio_as_often_as_it_says() {
    let mut rng = ChaCha12Rng::seed_from_u64(5);
    for pairs in [10, 15, 30] {
        let sessions = 600;
        let held = (0..sessions)
            .filter(|_| {
                let mut side = |cost: f64| -> Vec<f64> {
                    let run = |_| cost * (0.05 * normal(&mut rng)).exp();
                    (0..pairs).map(run).collect()
                };
                let interval = estimate(&ratios(&side(1.07), &side(1.0)));
                interval.low <= 1.07 && 1.07 <= interval.high
            })
            .count();
        let share = held as f64 / f64::from(sessions);
        assert!(
            (0.91..=0.985).contains(&share),
            "{share} of intervals with {pairs} pairs"
        );
    }
}

#[test]
fn equal_code_is_seldom_blamed_also_on_a_drifting_machine() {
    for machine in [
        Machine {
            drift: 0.0,
            noise: 0.02,
        },
        Machine {
            drift: 0.6,
            noise: 0.02,
        },
        Machine {
            drift: -0.4,
            noise: 0.002,
        },
    ] {
        let (better, worse) = machine.claims(1.0);
        assert!(
            better + worse <= 9,
            "{better} + {worse} of 300 at drift {}",
            machine.drift
        );
    }
}

#[test]
fn a_tenth_is_found_under_noise_and_drift() {
    for machine in [
        Machine {
            drift: 0.0,
            noise: 0.02,
        },
        Machine {
            drift: 0.6,
            noise: 0.02,
        },
    ] {
        let (_, worse) = machine.claims(1.10);
        assert!(worse >= 295, "{worse} of 300 at drift {}", machine.drift);
        let (better, _) = machine.claims(0.90);
        assert!(better >= 295, "{better} of 300 at drift {}", machine.drift);
    }
}
