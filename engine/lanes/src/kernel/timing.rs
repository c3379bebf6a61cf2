//! What the parts cost, by hand:
//! `cargo test --release -p duet-lanes timing -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use crate::Lanes;
use crate::kernel::buckets::{Buckets, MOST, PointRow};
use crate::kernel::comb::{self, Digits};
use crate::kernel::decode::decode;
use crate::kernel::field::Field;
use crate::kernel::point::{Point, halves_over_z};
use crate::kernel::rows::load_32;
use crate::kernel::scalar::{Scalar, UNCHANGED};
use crate::kernel::sha512::hash_short;
use crate::kernel::sums::Sum;

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

#[test]
#[ignore = "prints times, proves nothing"]
fn parts() {
    if Lanes::detect().is_some() {
        // SAFETY: the line above has found the features.
        unsafe { all() };
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn all() {
    let bytes = [7; 32];
    let words = load_32([&bytes; 8]);
    let mut x = Field::from_words(&words);
    let mut y = x.square();
    time("squaring, one chain, per lane", 80_000, || {
        for _ in 0..10_000 {
            x = x.square();
        }
    });
    time("squaring, two chains, per lane", 160_000, || {
        for _ in 0..10_000 {
            x = x.square();
            y = y.square();
        }
    });
    time("multiplication, two chains, per lane", 160_000, || {
        for _ in 0..10_000 {
            (x, y) = (x.mul(&y), y.mul(&x));
        }
    });
    black_box((x.to_words(), y.to_words()));
    let two = [black_box(words); 2];
    time("decoding, per point", 16 * 256, || {
        for _ in 0..256 {
            black_box(decode(&two));
        }
    });
    time("SHA-512 of one block, per message", 8 * 256, || {
        for _ in 0..256 {
            black_box(hash_short(&black_box(words), &words));
        }
    });
    let hash = hash_short(&words, &words);
    time("512 bits mod l, per scalar", 8 * 256, || {
        for _ in 0..256 {
            black_box(Scalar::reduce(
                &black_box(hash),
                &[UNCHANGED[0], UNCHANGED[1]],
            ));
        }
    });
    let mut sum = Sum::default();
    time("z·h added up, per signature", 4096, || {
        for i in 0..4096 {
            sum.add(&[i as i8; 16], &[i; 8]);
        }
    });
    black_box(sum);
    let digits = [Digits::new(&hash).0; 16];
    let mut points = [Point::identity(); 16];
    time("base point multiple, per scalar", 128, || {
        comb::multiply(&digits, black_box(&mut points));
    });
    let mut halves = [Field::zero(); 16];
    time("shared inversion of 128, per point", 128, || {
        halves_over_z(&points, black_box(&mut halves));
    });
    time("compressing, per point", 128, || {
        for (point, half) in points.iter().zip(&halves) {
            black_box(point.compress(half));
        }
    });
    let mut rows = [PointRow::ZERO; 8];
    PointRow::store(&decode(&two)[0].0, &mut rows);
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
    let term = |at: usize| (&rows[at % 8], terms[at]);
    time("buckets, emptied and summed up", 1, || {
        black_box(buckets.sum(MOST, std::iter::empty()));
    });
    time("8192 points into buckets, per lane", 8 * 8192, || {
        black_box(buckets.sum(MOST, (0..8192).map(term)));
    });
}

#[test]
#[ignore = "prints times, proves nothing"]
fn chains() {
    use crate::{ChainJob, extend_chains};
    let Some(lanes) = Lanes::detect() else { return };
    const LENGTH: usize = 100;
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
