//! Whether signing takes as long for one secret as for another, in the way of dudect (Reparaz,
//! Balasch and Verbauwhede, 2017): Welch's t-test between a fixed secret and random ones, measured
//! in random order. By hand, on a machine that is otherwise idle:
//! `cargo test --release -p duet-lanes --test constant_time -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use duet_lanes::{Expanded, Lanes, Signer};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const ROUNDS: usize = 400_000;
/// What dudect calls evidence of a leak.
const LEAK: f64 = 4.5;

/// Count, mean and sum of squared deviations (Welford).
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, x: f64) {
        self.count += 1.0;
        let delta = x - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (x - self.mean);
    }

    /// Welch's t between two samples.
    fn t(&self, other: &Moments) -> f64 {
        let error = |moments: &Moments| moments.squares / (moments.count - 1.0) / moments.count;
        (self.mean - other.mean) / (error(self) + error(other)).sqrt()
    }
}

struct Secret {
    scalar: [u8; 32],
    prefix: [u8; 32],
}

impl Secret {
    fn random(rng: &mut StdRng) -> Secret {
        let mut secret = Secret {
            scalar: [0; 32],
            prefix: [0; 32],
        };
        rng.fill_bytes(&mut secret.scalar);
        rng.fill_bytes(&mut secret.prefix);
        secret.scalar[31] &= 0x7f;
        secret
    }
}

/// The largest |t| over several cuts of the slowest measurements, which are other programs' doing.
fn largest_t(mut work: impl FnMut(&Secret)) -> f64 {
    let mut rng = StdRng::seed_from_u64(1);
    let fixed = Secret {
        scalar: [0; 32],
        prefix: [0; 32],
    };
    // One place in memory for both classes.
    let mut secret = Secret::random(&mut rng);
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let is_fixed = rng.next_u32() % 2 == 0;
        let next = Secret::random(&mut rng);
        let from = if is_fixed { &fixed } else { &next };
        secret.scalar.copy_from_slice(&from.scalar);
        secret.prefix.copy_from_slice(&from.prefix);
        let start = Instant::now();
        work(black_box(&secret));
        times.push((is_fixed, start.elapsed().as_nanos() as f64));
    }
    let mut sorted: Vec<f64> = times.iter().map(|&(_, time)| time).collect();
    sorted.sort_by(f64::total_cmp);
    let cuts = [0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];
    let t = cuts.map(|cut| {
        let most = sorted[(cut * (sorted.len() - 1) as f64) as usize];
        let mut classes = [Moments::default(); 2];
        for &(is_fixed, time) in times.iter().filter(|&&(_, time)| time <= most) {
            classes[usize::from(is_fixed)].add(time);
        }
        let t = classes[0].t(&classes[1]);
        println!("  fastest {:3.0} %: t = {t:6.2}", 100.0 * cut);
        t.abs()
    });
    t.into_iter().fold(0.0, f64::max)
}

#[test]
#[ignore = "statistics on times: by hand, on an idle machine"]
fn signing_takes_as_long_for_any_secret() {
    Lanes::all().into_iter().for_each(takes_as_long);
}

fn takes_as_long(lanes: Lanes) {
    let mut signer = Signer::new(lanes);
    println!("eight signatures by {}", lanes.unit().name());
    let t = largest_t(|secret| {
        let key = Expanded::from_parts(&secret.scalar, &secret.prefix, &[9; 32]);
        signer.sign(
            8,
            |_| (key, &[7; 32]),
            |signature| {
                black_box(signature);
            },
        );
    });
    assert!(t < LEAK, "|t| = {t:.1}");
}

#[test]
#[ignore = "statistics on times: by hand, on an idle machine"]
fn the_test_finds_a_leak_where_there_is_one() {
    println!("a loop that is 1 % longer for a scalar that is not 0");
    let t = largest_t(|secret| {
        let more = usize::from(secret.scalar != [0; 32]);
        for i in 0..2_000 + 20 * more {
            black_box(i);
        }
    });
    assert!(t > LEAK, "|t| = {t:.1}");
}
