//! What the parts achieved together.

use std::collections::BTreeMap;

use super::{MergeError, Read, latency};
use crate::run_file::{
    Achieved, Assurance, AttackCost, Checks, DirectClient, Disputes, Durability, Memory, Offchain,
    OpenLoop, Phase, RunFile, Stage,
};

/// A count over all parts.
fn sum<T>(of: &[T], count: impl Fn(&T) -> u64) -> u64 {
    of.iter().map(count).fold(0, u64::saturating_add)
}

/// A mean over all parts: what is counted, over what each part says that it is per unit. Parts in
/// which there was none of it have no mean, and no share.
fn mean(parts: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (mut counted, mut units) = (0.0, 0.0);
    for (count, per_unit) in parts.filter(|(count, mean)| *count > 0.0 && mean.is_finite()) {
        counted += count;
        units += count / per_unit;
    }
    counted / units
}

pub(super) fn assurance(runs: &[&RunFile]) -> Assurance {
    let verified = |of: fn(&Assurance) -> f64| {
        mean(runs.iter().map(|run| {
            let signatures = run.offchain.signature_verifications as f64;
            (signatures, of(&run.assurance))
        }))
    };
    let cosigned = mean(runs.iter().filter_map(|run| {
        let payments = run.payments_measured() as f64;
        Some((payments, run.assurance.payments_per_cosigning?))
    }));
    Assurance {
        payments_per_cosigning: Some(cosigned).filter(|mean| mean.is_finite()),
        signatures_per_key_per_batch: verified(|of| of.signatures_per_key_per_batch),
        batch_size: verified(|of| of.batch_size),
        value_at_risk_max: runs
            .iter()
            .map(|run| run.assurance.value_at_risk_max)
            .max()
            .unwrap_or(0),
        ..runs[0].assurance.clone()
    }
}

/// All but the verdict.
pub(super) fn achieved(runs: &[&RunFile], wall_s: f64) -> Achieved {
    let count = |count: fn(&Achieved) -> u64| sum(runs, |run| count(&run.achieved));
    let measured = sum(runs, |run| run.payments_measured());
    Achieved {
        payments: count(|of| of.payments),
        payments_measured: Some(measured),
        wall_s,
        payments_per_s: match measured {
            0 => f64::NAN,
            measured => measured as f64 / wall_s,
        },
        // The parts' were not of one time.
        steady_payments_per_s: None,
        cpu_s: runs.iter().map(|run| run.achieved.cpu_s).sum(),
        valid: false,
        invalid_reasons: Vec::new(),
        phases: phases(runs),
        interrupted: runs.iter().any(|run| run.achieved.interrupted),
        sessions_opened: count(|of| of.sessions_opened),
        sessions_closed: count(|of| of.sessions_closed),
        sessions_cut: count(|of| of.sessions_cut),
        channels_stopped: count(|of| of.channels_stopped),
        payments_refused: count(|of| of.payments_refused),
        open_loop: open_loop(runs),
    }
}

/// Each phase took as long as in the part in which it took longest, and the CPU time of all.
fn phases(runs: &[&RunFile]) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::new();
    for one in runs.iter().flat_map(|run| &run.achieved.phases) {
        match phases.iter_mut().find(|phase| phase.name == one.name) {
            None => phases.push(one.clone()),
            Some(phase) => {
                phase.wall_s = phase.wall_s.max(one.wall_s);
                phase.cpu_s += one.cpu_s;
                phase.sessions = match (phase.sessions, one.sessions) {
                    (Some(a), Some(b)) => Some(a.saturating_add(b)),
                    (a, b) => a.or(b),
                };
            }
        }
    }
    phases
}

/// Arrivals and rates add up; the backlog is as long as the longest.
fn open_loop(runs: &[&RunFile]) -> Option<OpenLoop> {
    let loops = runs
        .iter()
        .filter_map(|run| run.achieved.open_loop.as_ref());
    let loops: Vec<&OpenLoop> = loops.collect();
    if loops.is_empty() {
        return None;
    }
    let count = |count: fn(&OpenLoop) -> u64| sum(&loops, |one| count(one));
    let rate = |rate: fn(&OpenLoop) -> f64| loops.iter().map(|one| rate(one)).sum();
    Some(OpenLoop {
        arrived: count(|of| of.arrived),
        backlog: count(|of| of.backlog),
        arrived_before: count(|of| of.arrived_before),
        refused: count(|of| of.refused),
        lost: count(|of| of.lost),
        refused_before: count(|of| of.refused_before),
        late_before: loops.iter().any(|of| of.late_before),
        unserved: count(|of| of.unserved),
        unserved_before: count(|of| of.unserved_before),
        cut_short: count(|of| of.cut_short),
        stopped: loops.iter().any(|of| of.stopped),
        offered_per_s: rate(|of| of.offered_per_s),
        achieved_per_s: rate(|of| of.achieved_per_s),
        behind_s: loops.iter().map(|of| of.behind_s).fold(0.0, f64::max),
    })
}

pub(super) fn offchain(runs: &[&RunFile]) -> Offchain {
    let count = |count: fn(&Offchain) -> u64| sum(runs, |run| count(&run.offchain));
    let clients = runs
        .iter()
        .filter_map(|run| run.offchain.direct_client.as_ref());
    let clients: Vec<&DirectClient> = clients.collect();
    Offchain {
        signatures_made: count(|of| of.signatures_made),
        signature_verifications: count(|of| of.signature_verifications),
        bytes: count(|of| of.bytes),
        cpu_s: runs.iter().map(|run| run.offchain.cpu_s).sum(),
        direct_client: (!clients.is_empty()).then(|| DirectClient {
            signatures_made: sum(&clients, |client| client.signatures_made),
            cpu_s: clients.iter().map(|client| client.cpu_s).sum(),
        }),
    }
}

/// What all parts passed; the stages' share is that of all CPU time.
pub(super) fn checks(runs: &[&RunFile]) -> Checks {
    let all = |passed: fn(&Checks) -> bool| runs.iter().all(|run| passed(&run.checks));
    let shares = runs
        .iter()
        .map(|run| run.checks.stage_cpu_share * run.achieved.cpu_s);
    let cpu_s: f64 = runs.iter().map(|run| run.achieved.cpu_s).sum();
    Checks {
        payments_accounted: all(|of| of.payments_accounted),
        signatures_verified: all(|of| of.signatures_verified),
        supply_conserved: all(|of| of.supply_conserved),
        balances_match: all(|of| of.balances_match),
        stage_cpu_share: shares.sum::<f64>() / cpu_s,
    }
}

pub(super) fn disputes(runs: &[&RunFile]) -> Option<Disputes> {
    let parts = runs.iter().filter_map(|run| run.disputes.as_ref());
    let parts: Vec<&Disputes> = parts.collect();
    if parts.is_empty() {
        return None;
    }
    let count = |count: fn(&Disputes) -> u64| sum(&parts, |part| count(part));
    let mut attacks: BTreeMap<String, Vec<&AttackCost>> = BTreeMap::new();
    for (name, cost) in parts.iter().flat_map(|part| &part.attacks) {
        attacks.entry(name.clone()).or_default().push(cost);
    }
    let attacks = attacks
        .into_iter()
        .map(|(name, costs)| (name, attack(&costs)));
    Some(Disputes {
        closes: count(|of| of.closes),
        answers: count(|of| of.answers),
        punishments: count(|of| of.punishments),
        lost_by_honest: count(|of| of.lost_by_honest),
        honest_losers: count(|of| of.honest_losers),
        honest_punished: count(|of| of.honest_punished),
        late_posts: count(|of| of.late_posts),
        attacks: attacks.collect(),
        refused: counts_by_name(parts.iter().map(|part| &part.refused)),
    })
}

/// The costs of one kind; what a case costs beyond a cooperative close is a mean over all cases.
fn attack(costs: &[&AttackCost]) -> AttackCost {
    let count = |count: fn(&AttackCost) -> u64| sum(costs, |cost| count(cost));
    let cases = count(|of| of.cases);
    let each = |extra: fn(&AttackCost) -> f64| {
        let of_all = costs.iter().map(|cost| extra(cost) * cost.cases as f64);
        of_all.sum::<f64>() / cases as f64
    };
    AttackCost {
        cases,
        punishments: count(|of| of.punishments),
        transactions: count(|of| of.transactions),
        paid_by_honest: count(|of| of.paid_by_honest),
        bytes: count(|of| of.bytes),
        extra_transactions_per_case: each(|of| of.extra_transactions_per_case),
        extra_bytes_per_case: each(|of| of.extra_bytes_per_case),
    }
}

/// What the parts' logs did together. The terms have seen to it that all have one, or none.
pub(super) fn durability(parts: &[Read]) -> Result<Option<Durability>, MergeError> {
    let logs = parts
        .iter()
        .filter_map(|read| Some((read, read.run.durability.as_ref()?)));
    let logs: Vec<(&Read, &Durability)> = logs.collect();
    if logs.is_empty() {
        return Ok(None);
    }
    let without = logs.iter().find(|(_, log)| log.sync_histogram.is_none());
    if let Some((read, _)) = without {
        return Err(MergeError::NotMergeable {
            path: read.path.clone(),
            detail:
                "it has no `durability.sync_histogram`: the times of its syncs cannot be added \
                     up"
                .to_owned(),
        });
    }
    let texts = logs
        .iter()
        .filter_map(|(read, log)| Some((*read, log.sync_histogram.as_deref()?)));
    let syncs = latency::added("durability.sync_histogram", texts)?;
    let quantile = |at| {
        syncs
            .as_ref()
            .map_or(0, |syncs| syncs.value_at_quantile(at))
    };
    let count = |count: fn(&Durability) -> u64| sum(&logs, |(_, log)| count(log));
    let each = |name: fn(&Durability) -> &str| {
        let mut names: Vec<&str> = logs.iter().map(|(_, log)| name(log)).collect();
        names.sort_unstable();
        names.dedup();
        names.join(" + ")
    };
    Ok(Some(Durability {
        directory: each(|log| &log.directory),
        file_system: each(|log| &log.file_system),
        in_memory: logs.iter().any(|(_, log)| log.is_in_memory()),
        commits: count(|of| of.commits),
        records: count(|of| of.records),
        bytes_written: count(|of| of.bytes_written),
        syncs: count(|of| of.syncs),
        sync_p50_ns: quantile(0.5),
        sync_p99_ns: quantile(0.99),
        sync_max_ns: syncs.as_ref().map_or(0, hdrhistogram::Histogram::max),
        sync_histogram: syncs.as_ref().map(crate::histogram::encode),
        resumed: None,
    }))
}

pub(super) fn rejections(runs: &[&RunFile]) -> BTreeMap<String, u64> {
    counts_by_name(runs.iter().map(|run| &run.rejections))
}

fn counts_by_name<'a>(
    parts: impl Iterator<Item = &'a BTreeMap<String, u64>>,
) -> BTreeMap<String, u64> {
    let mut all: BTreeMap<String, u64> = BTreeMap::new();
    for (name, count) in parts.flatten() {
        let sum = all.entry(name.clone()).or_default();
        *sum = sum.saturating_add(*count);
    }
    all
}

/// By name and role, in the order of the first part that has them.
pub(super) fn stages(runs: &[&RunFile]) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for one in runs.iter().flat_map(|run| &run.stages) {
        let is_same = |stage: &&mut Stage| (&stage.name, &stage.role) == (&one.name, &one.role);
        match stages.iter_mut().find(is_same) {
            None => stages.push(one.clone()),
            Some(stage) => {
                stage.items = stage.items.saturating_add(one.items);
                stage.cpu_s += one.cpu_s;
            }
        }
    }
    for stage in &mut stages {
        stage.cpu_ns_per_item = stage.cpu_s * 1e9 / stage.items as f64;
    }
    stages
}

/// Peaks are added up, though each was at its own time; a channel takes the mean over all channels.
pub(super) fn memory(runs: &[&RunFile]) -> Memory {
    let per_channel = runs.iter().map(|run| {
        let bytes = run.memory.bytes_per_channel?;
        Some((u128::from(bytes), u128::from(run.workload.concurrent)))
    });
    let per_channel: Option<Vec<(u128, u128)>> = per_channel.collect();
    Memory {
        peak_rss_bytes: sum(runs, |run| run.memory.peak_rss_bytes),
        bytes_per_channel: per_channel.and_then(|parts| {
            let bytes: u128 = parts.iter().map(|(bytes, channels)| bytes * channels).sum();
            let channels: u128 = parts.iter().map(|(_, channels)| channels).sum();
            u64::try_from(bytes.checked_div(channels)?).ok()
        }),
    }
}
