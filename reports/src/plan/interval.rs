//! How far a plan would move had other runs been drawn: a bootstrap over the sweep's runs.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde::Serialize;

use super::ask::Ask;
use super::model::Model;
use super::observation::Observation;
use super::size::{Machine, Size, size};
use super::statistics::quantile;

/// Draws of the bootstrap.
const DRAWS: usize = 200;
/// Fewer draws than this that give a plan say nothing.
const DRAWS_MIN: usize = 50;
/// Of the draws, the share that lies within.
const LEVEL: f64 = 0.9;

/// The interval of a plan's numbers, each as `[low, high]`. It holds what repeats of the sweep
/// would change, not what the model leaves out: that is the hold-out error.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The share of draws within, 0 to 1.
    pub level: f64,
    /// Draws that gave a plan.
    pub draws: usize,
    /// Draws that gave none, such as for want of a rate that meets the objective.
    pub draws_without_plan: usize,
    /// The draws' seed.
    pub seed: u64,
    /// Payments per second.
    pub rate: [f64; 2],
    /// Cores.
    pub cores: [f64; 2],
    /// Machines, spares aside.
    pub machines: [f64; 2],
    /// Memory of all machines.
    pub memory_bytes: [f64; 2],
    /// What the log writes; none if it writes nothing.
    pub log_bytes_per_s: Option<[f64; 2]>,
}

/// None where too few draws give a plan.
pub(super) fn interval(ask: &Ask, runs: &[&Observation], machine: Machine) -> Option<Interval> {
    let mut rng = ChaCha12Rng::seed_from_u64(ask.seed);
    let strata = strata(runs);
    let mut sizes: Vec<Size> = Vec::new();
    for _ in 0..DRAWS {
        let mut drawn: Vec<&Observation> = Vec::new();
        for stratum in &strata {
            let mut draw = || stratum[rng.random_range(0..stratum.len())];
            drawn.extend(stratum.iter().map(|_| draw()));
        }
        let model = Model::fit(&drawn, &ask.slo);
        sizes.extend(model.and_then(|model| size(ask, &model, machine).ok()));
    }
    if sizes.len() < DRAWS_MIN {
        return None;
    }
    let ends = |of: &dyn Fn(&Size) -> f64| -> Option<[f64; 2]> {
        let at = |share| quantile(sizes.iter().map(of), share);
        Some([at((1.0 - LEVEL) / 2.0)?, at((1.0 + LEVEL) / 2.0)?])
    };
    Some(Interval {
        level: LEVEL,
        draws: sizes.len(),
        draws_without_plan: DRAWS - sizes.len(),
        seed: ask.seed,
        rate: ends(&|size| size.rate_per_s)?,
        cores: ends(&|size| size.cores)?,
        machines: ends(&|size| size.machines as f64)?,
        memory_bytes: ends(&|size| size.memory_bytes)?,
        log_bytes_per_s: sizes[0]
            .log_bytes_per_s
            .and_then(|_| ends(&|size| size.log_bytes_per_s.unwrap_or(f64::NAN))),
    })
}

/// Runs that may stand for each other in a draw: of one shard count and loop, so that no draw lacks
/// what the model needs of each.
fn strata<'r>(runs: &[&'r Observation]) -> Vec<Vec<&'r Observation>> {
    let mut strata: Vec<Vec<&Observation>> = Vec::new();
    for run in runs.iter().copied() {
        let alike = |other: &Observation| {
            other.shards == run.shards
                && other.offered_per_s.is_some() == run.offered_per_s.is_some()
        };
        match strata.iter_mut().find(|stratum| alike(stratum[0])) {
            Some(stratum) => stratum.push(run),
            None => strata.push(vec![run]),
        }
    }
    strata
}
