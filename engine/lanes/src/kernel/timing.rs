//! What the parts cost, by hand:
//! `cargo test --release -p duet-lanes timing -- --ignored --nocapture --test-threads 1`.

use std::hint::black_box;
use std::time::Instant;

use super::super::kernel::key::VerifyingKey;
use super::super::kernel::sign::Signer;
use super::super::kernel::verify::Verifier;
use super::buckets::{Buckets, MOST, Sum as Bucketed, store_niels};
use super::comb;
use super::decode::Decode;
use super::field::Field;
use super::point::{HalvesOverZ, PointTiles};
use super::scalar::{Scalar, UNCHANGED};
use super::sha512::hash_short;
use super::sums::Sum;
use crate::machine::{Machine, Tile, Work};
use crate::{Item, Lanes, OnAny};

/// Prints the least and the median time of 41 rounds, per item.
fn time(name: &str, items: usize, mut round: impl FnMut()) {
    let mut nanos: Vec<f64> = (0..41)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed().as_nanos() as f64 / items as f64
        })
        .collect();
    nanos.sort_by(f64::total_cmp);
    println!(
        "{name:40} least {:8.1} ns, median {:8.1} ns",
        nanos[0], nanos[20]
    );
}

/// Those of the machine, and not what tests emulate.
fn machines() -> impl Iterator<Item = Lanes> {
    let all = crate::Unit::ALL.into_iter().filter_map(Lanes::of);
    all.inspect(|lanes| println!("\n{}", lanes.unit().name()))
}

/// Does something so many times.
struct Times<F>(usize, F);

/// A step in a register's loop.
trait Step<M: Machine> {
    fn step(&mut self, machine: M);
}

impl<M: Machine, F: Step<M>> Work<M> for &mut Times<F> {
    type Out = ();

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) {
        for _ in 0..self.0 {
            self.1.step(machine);
        }
    }
}

struct Square1<M: Machine>(Field<M>);
struct Square2<M: Machine>(Field<M>, Field<M>);
struct Multiply2<M: Machine>(Field<M>, Field<M>);
struct Hash<M: Machine>([M::V; 4], [M::V; 8]);
struct Reduce<M: Machine>([M::V; 8], Scalar<M>);

impl<M: Machine> Step<M> for Square1<M> {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn step(&mut self, _: M) {
        self.0 = self.0.square_here();
    }
}

impl<M: Machine> Step<M> for Square2<M> {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn step(&mut self, _: M) {
        self.0 = self.0.square_here();
        self.1 = self.1.square_here();
    }
}

impl<M: Machine> Step<M> for Multiply2<M> {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn step(&mut self, _: M) {
        let (x, y) = (self.0, self.1);
        self.0.set_product(&x, &y);
        self.1.set_product(&y, &x);
    }
}

impl<M: Machine> Step<M> for Hash<M> {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn step(&mut self, machine: M) {
        let Hash(words, hash) = self;
        *hash = hash_short(machine, words, &[hash[0], hash[1], hash[2], hash[3]]);
    }
}

impl<M: Machine> Step<M> for Reduce<M> {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn step(&mut self, machine: M) {
        self.1 = Scalar::reduce(machine, &self.0, &[UNCHANGED[0], UNCHANGED[1]]);
        self.0[0] = self.0[0] + self.1.0[0];
    }
}

struct Parts;

impl OnAny for Parts {
    type Out = ();

    fn on<M: Machine>(self, machine: M) {
        machine.run(self);
    }
}

impl<M: Machine> Work<M> for Parts {
    type Out = ();

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) {
        let words = machine.load_32([&[7; 32]; 8]);
        let x = Field::from_words(&words);
        let y = x.square();
        let mut one = Times(10_000, Square1(x));
        time("squaring, one chain, per lane", 80_000, || {
            machine.run(&mut one);
        });
        let mut two = Times(10_000, Square2(x, y));
        time("squaring, two chains, per lane", 160_000, || {
            machine.run(&mut two);
        });
        let mut two = Times(10_000, Multiply2(x, y));
        time("multiplication, two chains, per lane", 160_000, || {
            machine.run(&mut two);
        });
        let two = [black_box(words); 2];
        time("decoding, per point", 16 * 256, || {
            for _ in 0..256 {
                black_box(machine.run(Decode(&two)));
            }
        });
        let hash = hash_short(machine, &words, &words);
        let mut hashing = Times(256, Hash(words, hash));
        time("SHA-512 of one block, per message", 8 * 256, || {
            machine.run(&mut hashing);
        });
        let mut reducing = Times(256, Reduce(hash, Scalar::from_words(&words)));
        time("512 bits mod l, per scalar", 8 * 256, || {
            machine.run(&mut reducing);
        });
        let mut sum = Sum::default();
        time("z·h added up, per signature", 4096, || {
            for i in 0..4096 {
                sum.add(&[i as i8; 16], &[i; 8]);
            }
        });
        black_box(sum);
        let digits = [comb::digits(machine, &hash).0; 16];
        let mut points = [PointTiles::ZERO; 16];
        time("base point multiple, per scalar", 128, || {
            machine.run(comb::Multiply(&digits, black_box(&mut points)));
        });
        let mut halves = [[Tile::ZERO; 5]; 16];
        time("shared inversion of 128, per point", 128, || {
            machine.run(HalvesOverZ(&points, black_box(&mut halves)));
        });
        let mut rows = [[Tile::ZERO; 2]; 8];
        store_niels(&machine.run(Decode(&two))[0].0, &mut rows);
        let mut buckets = Buckets::new();
        let mut state = 1u64;
        let terms: Vec<[i8; 8]> = (0..8192)
            .map(|_| {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                (state >> 1).to_le_bytes().map(|byte| byte as i8)
            })
            .collect();
        let mut sum = |count: usize| {
            black_box(machine.run(Bucketed {
                buckets: &mut buckets,
                most: MOST,
                terms: (0..count).map(|at| (&rows[at % 8], terms[at])),
            }));
        };
        time("buckets, emptied and summed up", 1, || sum(0));
        time("8192 points into buckets, per lane", 8 * 8192, || sum(8192));
    }
}

#[test]
#[ignore = "prints times, proves nothing"]
fn parts() {
    for lanes in machines() {
        lanes.on(Parts);
    }
}

#[test]
#[ignore = "prints times, proves nothing"]
fn batches() {
    for lanes in machines() {
        let mut signer = Signer::new(lanes);
        let seeds: Vec<[u8; 32]> = (0..4096_u16)
            .map(|at| std::array::from_fn(|byte| (at >> (8 * (byte % 2))) as u8))
            .collect();
        let keys = signer.keys(&seeds.iter().collect::<Vec<_>>());
        let known: Vec<VerifyingKey> = keys.iter().map(|key| *key.verifying()).collect();
        for count in [1, 2, 8, 64, 1024] {
            time(&format!("signing {count}, per signature"), count, || {
                let job = |at: usize| (keys[at].expanded(), &[7; 32][..]);
                signer.sign(count, job, |signature| {
                    black_box(signature);
                });
            });
        }
        let mut verifier = Verifier::new(lanes);
        for (count, per_key) in [
            (1, 1),
            (2, 1),
            (4, 1),
            (8, 1),
            (16, 1),
            (32, 1),
            (64, 1),
            (256, 4),
            (4096, 64),
            (4096, 1),
        ] {
            let mut signatures = Vec::new();
            let job = |at: usize| (keys[at / per_key].expanded(), &[7; 32][..]);
            signer.sign(count, job, |signature| signatures.push(*signature));
            let name = format!("verifying {count}, {per_key} per key, per signature");
            time(&name, count, || {
                let mut valid = Vec::new();
                let items = signatures.iter().enumerate().map(|(at, signature)| Item {
                    key: at / per_key,
                    message: &[7; 32],
                    signature,
                });
                verifier.verify(&known, items, &mut valid);
                assert!(valid.iter().all(|valid| *valid));
            });
        }
    }
}

#[test]
#[ignore = "prints times, proves nothing"]
fn chains() {
    use crate::{ChainJob, extend_chains};
    const LENGTH: usize = 100;
    for lanes in machines() {
        for (chains, wants) in [(16, 2), (64, 2), (64, LENGTH)] {
            let entries = vec![[7; 32]; chains * LENGTH];
            let start = &[1; 32];
            let jobs = (0..chains).map(|chain| ChainJob {
                start,
                first: chain * LENGTH,
                count: LENGTH,
            });
            let wanted: Vec<u32> = (1..=chains)
                .flat_map(|chain| (chain * LENGTH - wants..chain * LENGTH).map(|i| i as u32))
                .collect();
            let name = format!("{chains} chains of {LENGTH}, {wants} wanted, per link");
            time(&name, chains * LENGTH, || {
                extend_chains(
                    lanes,
                    &[3; 8],
                    jobs.clone(),
                    &entries,
                    &wanted,
                    |_, head| {
                        black_box(head);
                    },
                );
            });
        }
    }
}
