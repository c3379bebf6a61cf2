//! All that a sweep's runs tell, fitted; and what it predicts of a run, which is how it is judged.

use std::collections::BTreeMap;

use super::{
    ask::{Role, Slo},
    cpu::{CpuModel, Place},
    observation::{Cell, Observation},
    response::Response,
    scaling::Scaling,
    statistics::{distinct, median},
    storage::{Log, Memory},
    waves::Waves,
};

/// The fitted model.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) cpu: CpuModel,
    pub(super) waves: Waves,
    /// None where no open-loop rate was held.
    pub(super) response: Option<Response>,
    pub(super) scaling: Scaling,
    pub(super) memory: Memory,
    pub(super) log: Option<Log>,
    /// Shards of the runs that waves were timed on.
    shards_max: f64,
    /// The most channels of a run.
    pub(super) channels_max: f64,
}

/// What is predicted of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Predicted {
    pub(super) payments_per_s: f64,
    pub(super) cpu_s_per_payment: f64,
    pub(super) peak_rss_bytes: f64,
}

impl Model {
    /// None without runs.
    pub(super) fn fit(runs: &[&Observation], slo: &Slo) -> Option<Model> {
        let durable = runs.iter().any(|run| run.log.is_some());
        Some(Model {
            cpu: CpuModel::fit(runs)?,
            waves: Waves::fit(runs, durable)?,
            response: Response::fit(runs, slo),
            scaling: Scaling::fit(&throughput_by_shards(runs)),
            memory: Memory::fit(runs)?,
            log: Log::fit(runs),
            shards_max: runs.iter().map(|run| run.shards).fold(1.0, f64::max),
            channels_max: runs.iter().map(|run| run.channels).fold(1.0, f64::max),
        })
    }

    /// What a shard among `shards` does of what it did among those that were measured.
    pub(super) fn relative_efficiency(&self, shards: f64, measured: f64) -> f64 {
        self.scaling.efficiency(shards) / self.scaling.efficiency(measured)
    }

    /// Of a run with the settings of `run`; only what could be known before it is looked at.
    pub(super) fn predict(&self, run: &Observation) -> Predicted {
        let place = Place::of(run);
        let shards = run.shards * self.relative_efficiency(run.shards, self.shards_max);
        let (at, most) = match run.offered_per_s {
            None => {
                let at = self.waves.closed_conditions(&place);
                (at, self.waves.rate_under(&self.cpu, &at) * shards)
            }
            Some(offered) => {
                let at = self.waves.at_rate(&self.cpu, &place, offered / shards);
                let full = || {
                    let cap = self.waves.wave_cap(&place);
                    self.waves.conditions(&place, cap)
                };
                let most = self.waves.rate_max(&self.cpu, &place) * shards;
                (at.unwrap_or_else(full), most.min(offered))
            }
        };
        Predicted {
            payments_per_s: most,
            cpu_s_per_payment: self.cpu.cpu(&at).of(Role::Both),
            peak_rss_bytes: self.memory.of_run(run, at.wave),
        }
    }
}

/// The throughput of saturated runs for each shard count: medians over the settings that all counts
/// share, closed loops only if they have more than one count.
fn throughput_by_shards(runs: &[&Observation]) -> Vec<(f64, f64)> {
    let counts = |runs: &[&Observation]| distinct(runs.iter().map(|run| run.shards));
    let mut runs: Vec<&Observation> = runs.iter().copied().filter(|r| r.is_saturated()).collect();
    let closed = runs.iter().copied();
    let closed: Vec<&Observation> = closed.filter(|run| run.offered_per_s.is_none()).collect();
    if counts(&closed).len() > 1 {
        runs = closed;
    }
    let all = counts(&runs);
    let mut counts_of: BTreeMap<Cell, Vec<&Observation>> = BTreeMap::new();
    let setting = |run: &Observation| Cell {
        shards: 0,
        ..run.cell()
    };
    for run in &runs {
        counts_of.entry(setting(run)).or_default().push(run);
    }
    let of_all = counts_of.into_values();
    let shared: Vec<&Observation> = of_all
        .filter(|runs| counts(runs).len() == all.len())
        .flatten()
        .collect();
    let shared = if shared.is_empty() { runs } else { shared };
    let rate_of = |count: f64| {
        let of_count = shared.iter().filter(|run| run.shards == count);
        median(of_count.map(|run| run.achieved_per_s)).map(|rate| (count, rate))
    };
    all.into_iter().filter_map(rate_of).collect()
}
