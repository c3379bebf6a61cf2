//! What the parts achieved together.

use super::{MergeError, Read, latency};
use crate::run_file::{
    Achieved, Assurance, AttackCost, Checks, Disputes, Durability, Memory, OpenLoop, Phase,
    RunFile, Stage,
    number::{sum, sums},
};

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
    let at_risk = runs.iter().map(|run| run.assurance.value_at_risk_max);
    Assurance {
        payments_per_cosigning: Some(cosigned).filter(|mean| mean.is_finite()),
        signatures_per_key_per_batch: verified(|of| of.signatures_per_key_per_batch),
        batch_size: verified(|of| of.batch_size),
        value_at_risk_max: at_risk.max().unwrap_or(0),
        ..runs[0].assurance.clone()
    }
}

/// All but the verdict.
pub(super) fn achieved(runs: &[&RunFile], wall_s: f64) -> Achieved {
    let measured = runs.iter().map(|run| run.payments_measured());
    let measured = measured.fold(0, u64::saturating_add);
    let sum = sum(runs.iter().map(|run| &run.achieved)).expect("at least one part");
    Achieved {
        payments_measured: Some(measured),
        wall_s,
        payments_per_s: match measured {
            0 => f64::NAN,
            measured => measured as f64 / wall_s,
        },
        // The parts' were not of one time.
        steady_payments_per_s: None,
        valid: false,
        invalid_reasons: Vec::new(),
        phases: phases(runs),
        open_loop: open_loop(runs),
        ..sum
    }
}

/// Each phase took as long as in the part in which it took longest, and the CPU time of all.
fn phases(runs: &[&RunFile]) -> Vec<Phase> {
    let all = || runs.iter().flat_map(|run| &run.achieved.phases);
    let mut phases = sums(all(), |one, other| one.name == other.name);
    for phase in &mut phases {
        let of_parts = all().filter(|part| part.name == phase.name);
        phase.wall_s = of_parts.map(|part| part.wall_s).fold(0.0, f64::max);
    }
    phases
}

/// Arrivals and rates add up; the backlog is as long as the longest.
fn open_loop(runs: &[&RunFile]) -> Option<OpenLoop> {
    let loops = || {
        runs.iter()
            .filter_map(|run| run.achieved.open_loop.as_ref())
    };
    let behind_s = loops().map(|of| of.behind_s).fold(0.0, f64::max);
    Some(OpenLoop {
        behind_s,
        ..sum(loops())?
    })
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

/// What a case costs beyond a cooperative close is a mean over all cases.
pub(super) fn disputes(runs: &[&RunFile]) -> Option<Disputes> {
    let parts = || runs.iter().filter_map(|run| run.disputes.as_ref());
    let mut all = sum(parts())?;
    for (name, cost) in &mut all.attacks {
        let of_parts = || parts().filter_map(|part| part.attacks.get(name));
        let mean = |extra: fn(&AttackCost) -> f64| {
            let of_all = of_parts().map(|part| extra(part) * part.cases as f64);
            of_all.sum::<f64>() / cost.cases as f64
        };
        (cost.extra_transactions_per_case, cost.extra_bytes_per_case) = (
            mean(|of| of.extra_transactions_per_case),
            mean(|of| of.extra_bytes_per_case),
        );
    }
    Some(all)
}

/// What the parts' logs did together. The terms have seen to it that all have one, or none.
pub(super) fn durability(parts: &[Read]) -> Result<Option<Durability>, MergeError> {
    let logs = parts.iter();
    let logs = logs.filter_map(|read| Some((read, read.run.durability.as_ref()?)));
    let logs: Vec<(&Read, &Durability)> = logs.collect();
    let Some(sum) = sum(logs.iter().map(|(_, log)| *log)) else {
        return Ok(None);
    };
    let without = logs.iter().find(|(_, log)| log.sync_histogram.is_none());
    if let Some((read, _)) = without {
        return Err(MergeError::NotMergeable {
            path: read.path.clone(),
            detail: NO_TIMES.to_owned(),
        });
    }
    let texts = logs.iter();
    let texts = texts.filter_map(|(read, log)| Some((*read, log.sync_histogram.as_deref()?)));
    let syncs = latency::added("durability.sync_histogram", texts)?;
    let syncs = syncs.expect("each log has its times");
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
        sync_p50_ns: syncs.value_at_quantile(0.5),
        sync_p99_ns: syncs.value_at_quantile(0.99),
        sync_max_ns: syncs.max(),
        sync_histogram: Some(crate::histogram::encode(&syncs)),
        resumed: None,
        ..sum
    }))
}

const NO_TIMES: &str =
    "it has no `durability.sync_histogram`: the times of its syncs cannot be added up";

/// By name and role, in the order of the first part that has them.
pub(super) fn stages(runs: &[&RunFile]) -> Vec<Stage> {
    let all = runs.iter().flat_map(|run| &run.stages);
    let mut stages = sums(all, |one: &Stage, other| {
        (&one.name, &one.role) == (&other.name, &other.role)
    });
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
    let per_channel = per_channel.and_then(|parts| {
        let bytes: u128 = parts.iter().map(|(bytes, channels)| bytes * channels).sum();
        let channels: u128 = parts.iter().map(|(_, channels)| channels).sum();
        u64::try_from(bytes.checked_div(channels)?).ok()
    });
    let sum = sum(runs.iter().map(|run| &run.memory)).expect("at least one part");
    Memory {
        bytes_per_channel: per_channel,
        ..sum
    }
}
