//! The course of a merged run: at each moment, what all parts had done by then.

use crate::run_file::{RunFile, Sample};

/// Samples at most, as of any run.
const MOST_SAMPLES: f64 = 600.0;

/// What a part had done at a moment.
#[derive(Clone, Copy, Default)]
struct Done {
    payments: f64,
    l1_transactions: f64,
    cpu_s: f64,
}

/// The parts' samples, on a common grid. Between two samples of a part its counts are taken to have
/// grown evenly. Empty where no part is long enough to have any.
pub(super) fn series(runs: &[&RunFile], offsets_s: &[f64], wall_s: f64) -> Vec<Sample> {
    let spacing = |run: &&RunFile| {
        let last = run.series.last()?;
        Some(last.t_s / run.series.len() as f64)
    };
    let spacings: Option<Vec<f64>> = runs.iter().map(spacing).collect();
    let Some(spacings) = spacings.filter(|_| wall_s.is_finite()) else {
        return Vec::new();
    };
    let step_s = spacings
        .into_iter()
        .fold(1.0, f64::max)
        .max(wall_s / MOST_SAMPLES);
    let count = (wall_s / step_s) as usize;
    let mut samples: Vec<Sample> = Vec::with_capacity(count);
    let mut places = vec![0; runs.len()];
    for at in 1..=count {
        let t_s = at as f64 * step_s;
        let parts = runs.iter().zip(offsets_s).zip(&mut places);
        let done = parts.map(|((run, offset_s), place)| done(run, t_s - offset_s, place));
        let done = done.fold(Done::default(), |sum, one| Done {
            payments: sum.payments + one.payments,
            l1_transactions: sum.l1_transactions + one.l1_transactions,
            cpu_s: sum.cpu_s + one.cpu_s,
        });
        let payments = done.payments.round() as u64;
        let before = samples.last().map_or(0, |last| last.payments);
        samples.push(Sample {
            t_s,
            payments,
            payments_per_s: payments.saturating_sub(before) as f64 / step_s,
            l1_transactions: done.l1_transactions.round() as u64,
            cpu_s: done.cpu_s,
        });
    }
    samples
}

/// What a run had done `t_s` seconds after its begin; `place` is the first of its samples that is
/// not before that, and goes on with time.
fn done(run: &RunFile, t_s: f64, place: &mut usize) -> Done {
    let of_sample = |sample: &Sample| {
        let (payments, l1_transactions) = (sample.payments as f64, sample.l1_transactions as f64);
        let done = Done {
            payments,
            l1_transactions,
            cpu_s: sample.cpu_s,
        };
        (sample.t_s, done)
    };
    let whole = Sample {
        t_s: run.achieved.wall_s,
        payments: run.achieved.payments,
        payments_per_s: f64::NAN,
        l1_transactions: run.l1.channels.transactions,
        cpu_s: run.achieved.cpu_s,
    };
    while run
        .series
        .get(*place)
        .is_some_and(|sample| sample.t_s < t_s)
    {
        *place += 1;
    }
    let (to_s, to) = of_sample(run.series.get(*place).unwrap_or(&whole));
    let before = place
        .checked_sub(1)
        .map(|place| of_sample(&run.series[place]));
    let (from_s, from) = before.unwrap_or_default();
    let share = match to_s > from_s {
        true => ((t_s - from_s) / (to_s - from_s)).clamp(0.0, 1.0),
        false => 1.0,
    };
    let between = |from: f64, to: f64| from + share * (to - from);
    Done {
        payments: between(from.payments, to.payments),
        l1_transactions: between(from.l1_transactions, to.l1_transactions),
        cpu_s: between(from.cpu_s, to.cpu_s),
    }
}
