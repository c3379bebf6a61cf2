//! What a merged run was asked for, what ran it, and on what machines.

use super::Read;
use crate::run_file::{Engine, Machine, RunFile, Workload};

/// The whole's workload: what parts share, and the sums of what was split.
pub(super) fn workload(runs: &[&RunFile]) -> Workload {
    let sum = |count: fn(&Workload) -> u64| {
        let counts = runs.iter().map(|run| count(&run.workload));
        counts.fold(0, u64::saturating_add)
    };
    let payments = runs.iter().map(|run| {
        let asked = &run.workload;
        u128::from(asked.sessions) * u128::from(asked.payments_per_session)
    });
    let (sessions, payments) = (sum(|of| of.sessions), payments.sum::<u128>());
    let rates: Option<Vec<f64>> = runs.iter().map(|run| run.workload.offered_per_s).collect();
    Workload {
        sessions,
        payments_per_session: (payments / u128::from(sessions.max(1))) as u64,
        concurrent: sum(|of| of.concurrent),
        offered_per_s: rates.map(|rates| rates.iter().sum()),
        shards: sum(|of| of.shards),
        reproducible: runs.iter().all(|run| run.workload.reproducible),
        part: None,
        ..runs[0].workload.clone()
    }
}

/// What ran it: one build, and each of the back ends.
pub(super) fn engine(runs: &[&RunFile]) -> Engine {
    let each = |name: fn(&Engine) -> &str| distinct(runs.iter().map(|run| name(&run.engine)));
    Engine {
        backend: each(|of| &of.backend),
        backend_reason: each(|of| &of.backend_reason),
        ..runs[0].engine.clone()
    }
}

/// How many machines there are: parts of one have one id. One whose system does not tell is taken
/// to have run alone.
pub(super) fn machines(parts: &[Read]) -> u64 {
    each_machine(parts).len() as u64
}

/// One part of each machine.
fn each_machine(parts: &[Read]) -> Vec<&Read> {
    let mut found: Vec<&Read> = Vec::new();
    for read in parts {
        let id = &read.part.machine_id;
        if id.is_empty() || found.iter().all(|other| other.part.machine_id != *id) {
            found.push(read);
        }
    }
    found
}

/// The machines as one: cores and memory are added up, once for each machine.
pub(super) fn machine(parts: &[Read]) -> Machine {
    let machines: Vec<&Machine> = each_machine(parts)
        .iter()
        .map(|read| &read.run.machine)
        .collect();
    let sum = |count: fn(&Machine) -> u64| {
        let counts = machines.iter().map(|machine| count(machine));
        counts.fold(0, u64::saturating_add)
    };
    let each = |name: fn(&Machine) -> &str| distinct(machines.iter().map(|machine| name(machine)));
    let everywhere = |feature: &&String| machines.iter().all(|of| of.features.contains(feature));
    // Of all cores' time.
    let share = |share: fn(&Machine) -> Option<f64>| {
        let of_one = |of: &&Machine| Some(share(of)? * of.cores as f64);
        let taken: Option<Vec<f64>> = machines.iter().map(of_one).collect();
        Some(taken?.iter().sum::<f64>() / sum(|of| of.cores) as f64)
    };
    Machine {
        cpu: each(|of| &of.cpu),
        cores: sum(|of| of.cores),
        memory_bytes: sum(|of| of.memory_bytes),
        os: each(|of| &of.os),
        features: machines[0]
            .features
            .iter()
            .filter(everywhere)
            .cloned()
            .collect(),
        stolen_share: share(|of| of.stolen_share),
        // Parts on one machine are each other's others.
        others_share: share(|of| of.others_share).filter(|_| machines.len() == parts.len()),
    }
}

/// Each name once, in order of appearance.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut found: Vec<&str> = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found.join(" + ")
}
