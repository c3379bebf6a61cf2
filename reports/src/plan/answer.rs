//! The plan: its numbers, what they rest on, and what they leave out.

use serde::Serialize;

use super::PlanError;
use super::ask::{Ask, Role, Slo};
use super::cpu::{Term, varied};
use super::holdout::HoldoutError;
use super::input::Together;
use super::input::{Assurance, Chosen, Inputs, Source, SweepMachine, choose};
use super::interval::{Interval, interval};
use super::l1::L1Load;
use super::model::Model;
use super::observation::Observation;
use super::response::Basis;
use super::scaling::Scaling;
use super::size::{Machines, Size, size};
use crate::human;

/// The version of a plan's shape.
pub(super) const SCHEMA: u32 = 1;

/// What a plan does not contain.
const EXCLUDED: [&str; 8] = [
    "network: latency to the peers, bandwidth, and the CPU time of sockets and framing",
    "TLS or other encryption of the links, and authentication of users",
    "operating a second copy: replication, fail-over, its traffic and its log",
    "key management: hardware modules, backups, rotation",
    "watchtowers, routing over several channels, rebalancing, what capital costs",
    "the Layer 1 node, and fees at other times than a profile's",
    "backups, monitoring, the application's own database",
    "bursts beyond Poisson arrivals, and channels that are paid through far more than others",
];

/// An answer. Field names are the JSON names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The version of a plan's shape: 1.
    pub schema: u32,
    /// Whether the machines were given and the load asked for.
    pub inverse: bool,
    /// Payments per second, asked for or carried.
    pub rate_per_s: f64,
    /// Channels that are open at once.
    pub channels: u64,
    /// Channels that these machines' memory has room for; none if no run tells.
    pub channels_max: Option<u64>,
    /// Payments in a channel's life.
    pub payments: u64,
    /// The share of channels that ends in a dispute.
    pub disputes: f64,
    /// The objective.
    pub slo: Slo,
    /// Whose work is planned.
    pub role: Role,
    /// The share of each machine that stays free.
    pub headroom: f64,
    /// Cores, headroom included, spares not.
    pub cores: u64,
    /// Machines, spares not included.
    pub machines: u64,
    /// Machines that stand by.
    pub spare_machines: u64,
    /// Cores of a machine.
    pub cores_per_machine: u64,
    /// Memory of a machine.
    pub memory_per_machine_bytes: u64,
    /// Memory that the processes on all machines take.
    pub memory_bytes: u64,
    /// What all logs write; none if nothing is durable.
    pub log_bytes_per_s: Option<f64>,
    /// The most space that all logs take.
    pub log_space_bytes: Option<f64>,
    /// The share of Layer 1's blocks; none without a profile.
    pub l1_block_share: Option<f64>,
    /// What that share is made of.
    pub l1: Option<L1Load>,
    /// What Duet's own Layer 1 carries; none where no run tells.
    pub own_layer_1: Option<OwnLayer1>,
    /// Runs of several machines over one Layer 1, as they were measured.
    pub together: Vec<Together>,
    /// What all channels lock, in the smallest unit of value; none where the runs do not tell.
    pub locked_value: Option<f64>,
    /// The objective's percentile that is expected while the headroom is free, in nanoseconds; none
    /// where the model has none.
    pub response_ns: Option<f64>,
    /// The resource that decides: `cpu`, `memory`, `log bandwidth` or `l1`.
    pub binding_constraint: &'static str,
    /// Each resource with the machines that it alone would need.
    pub constraints: Vec<Constraint>,
    /// What other draws of the sweep's runs would have said; none where they say nothing.
    pub interval: Option<Interval>,
    /// What the model gets wrong where it has not looked.
    pub holdout_error: HoldoutError,
    /// What is taken for granted, a sentence each.
    pub assumptions: Vec<String>,
    /// What lies beyond the sweep, a sentence each.
    pub extrapolation: Vec<String>,
    /// What is not in the plan.
    pub excluded: Vec<String>,
    /// What the plan rests on.
    pub fit: Fit,
    /// The runs' assurance.
    pub assurance: Assurance,
    /// The machine that was measured.
    pub sweep_machine: SweepMachine,
    /// What became of the runs.
    pub inputs: Inputs,
}

/// What Duet's own Layer 1 carries, which is one for all machines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OwnLayer1 {
    /// Sessions per second that it opens and closes with nothing beside it, measured.
    pub sessions_per_s: f64,
    /// Of these, what the planned load takes.
    pub share: f64,
    /// Machines, each at its part of the planned load, whose sessions take all of it: nobody has
    /// run so many.
    pub machines: f64,
}

impl OwnLayer1 {
    fn of(sessions_per_s: f64, payments: f64, sized: &Size) -> Option<OwnLayer1> {
        let share = sized.rate / payments / sessions_per_s;
        let machines = sized.machines as f64 / share;
        machines.is_finite().then_some(OwnLayer1 {
            sessions_per_s,
            share,
            machines,
        })
    }
}

/// A resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Constraint {
    /// Its name.
    pub name: &'static str,
    /// Machines that it alone would need; none of Layer 1, of which there is one.
    pub machines: Option<u64>,
    /// What is needed in all: cores, bytes, bytes per second; of Layer 1, shares of its blocks.
    pub total: f64,
    /// What of it a machine may use; of Layer 1, what there is.
    pub per_machine: f64,
}

/// What was fitted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// Payments per second that a shard makes at the objective, under the sweep's conditions.
    pub rate_per_shard_measured: f64,
    /// Under the planned ones.
    pub rate_per_shard: f64,
    /// What a core makes, other threads' work taken off.
    pub rate_per_core: f64,
    /// CPU time per payment of the planned role, in seconds.
    pub cpu_s_per_payment: f64,
    /// CPU time per payment, stage by stage, of all roles.
    pub stages: Vec<StageCpu>,
    /// What one of each thing costs, over all stages.
    pub terms: Vec<TermCost>,
    /// Signatures in a wave at the objective.
    pub wave: f64,
    /// Of these, of one key.
    pub signatures_per_key: f64,
    /// Wall seconds that a second of a shard's CPU time took: 1 on cores that nobody else used.
    pub wall_per_cpu: f64,
    /// Seconds that a wave takes besides: the log.
    pub wave_beside_cpu_s: f64,
    /// `law`, `measured` or `unknown`.
    pub scaling: &'static str,
    /// What a shard does among those of one machine, of what it did among those measured.
    pub efficiency: f64,
    /// The law's σ and κ.
    pub contention: Option<f64>,
    /// See `contention`.
    pub coherence: Option<f64>,
    /// Of a process without shards or channels.
    pub memory_process_bytes: f64,
    /// Of a shard.
    pub memory_shard_bytes: f64,
    /// Of a channel.
    pub memory_channel_bytes: f64,
    /// Of the batches of a process with many channels.
    pub memory_batches_bytes: f64,
    /// Bytes that the log writes per payment.
    pub log_bytes_per_payment: Option<f64>,
}

/// A stage's CPU time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageCpu {
    /// Its name.
    pub name: String,
    /// For whom.
    pub role: String,
    /// Seconds per payment.
    pub cpu_s: f64,
}

/// What one of a kind costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TermCost {
    /// One of what.
    pub of: &'static str,
    /// CPU seconds.
    pub cpu_s: f64,
}

/// Answers.
///
/// # Errors
/// The runs cannot be planned with, or no rate meets the objective.
#[expect(
    clippy::too_many_lines,
    reason = "an answer put together, part by part"
)]
pub fn plan(ask: &Ask, sources: &[Source]) -> Result<Plan, PlanError> {
    let chosen = choose(ask, sources)?;
    let runs: Vec<&Observation> = chosen.runs.iter().collect();
    let model = Model::fit(&runs, &ask.slo).ok_or_else(|| {
        PlanError::Refused(
            "the runs have no CPU time by stage, no memory or no time between waves; expected run files \
             that do"
                .into(),
        )
    })?;
    let machine = Machines {
        cores: ask.cores_per_machine.unwrap_or(chosen.machine.cores) as f64,
        memory_bytes: ask
            .memory_per_machine
            .unwrap_or(chosen.machine.memory_bytes) as f64,
        log_bytes_per_s: ask.log_per_machine,
    };
    let sized = size(ask, &model, machine)?;
    let capacity = match (ask.capacity, chosen.locked_per_payment) {
        (Some(capacity), _) => Some(capacity as f64),
        (None, Some(locked)) => Some(locked * ask.payments as f64),
        (None, None) => None,
    };
    let whole = |what: &str, value: f64| match value.ceil() {
        value if value < u64::MAX as f64 => Ok(value as u64),
        value => Err(PlanError::Refused(format!(
            "the plan would have {value:.3e} {what}; expected fewer than 2^64"
        ))),
    };
    let channels_max = Some(sized.channels_max).filter(|most| *most < u64::MAX as f64);
    Ok(Plan {
        schema: SCHEMA,
        inverse: ask.rate_per_s.is_none(),
        rate_per_s: sized.rate,
        channels: whole("channels", sized.channels.floor())?,
        channels_max: channels_max.map(|most| most as u64),
        payments: ask.payments,
        disputes: ask.disputes,
        slo: ask.slo,
        role: ask.role,
        headroom: ask.headroom,
        cores: whole("cores", sized.cores)?,
        machines: sized.machines,
        spare_machines: ask.spare,
        cores_per_machine: machine.cores as u64,
        memory_per_machine_bytes: machine.memory_bytes as u64,
        memory_bytes: whole("bytes of memory", sized.memory_bytes)?,
        log_bytes_per_s: sized.log_bytes_per_s,
        log_space_bytes: sized.log_space_bytes,
        l1_block_share: sized.l1.as_ref().map(|l1| l1.block_share),
        locked_value: capacity.map(|capacity| capacity * sized.channels),
        response_ns: expected_ns(&model, machine, &sized),
        binding_constraint: sized.binding,
        constraints: sized
            .needs
            .iter()
            .map(|need| Constraint {
                name: need.name,
                machines: Some(need.machines),
                total: need.total,
                per_machine: need.per_machine,
            })
            .chain(sized.l1.as_ref().map(|l1| Constraint {
                name: "l1",
                machines: None,
                total: l1.block_share,
                per_machine: 1.0,
            }))
            .collect(),
        interval: interval(ask, &runs, machine),
        holdout_error: HoldoutError::of(&runs, &ask.slo),
        extrapolation: extrapolation(ask, &chosen, &runs, &model, machine, &sized),
        assumptions: assumptions(ask, &chosen),
        excluded: EXCLUDED.map(str::to_owned).to_vec(),
        fit: fit(&model, machine, &sized),
        own_layer_1: chosen
            .layer_1_sessions_per_s
            .and_then(|limit| OwnLayer1::of(limit, ask.payments as f64, &sized)),
        together: chosen.together,
        l1: sized.l1,
        assurance: chosen.assurance,
        sweep_machine: chosen.machine,
        inputs: chosen.inputs,
    })
}

/// What the objective's percentile is with this load on these machines: shards make the share of
/// the rate at the objective that leaves the headroom free, in waves that are as much smaller.
fn expected_ns(model: &Model, machine: Machines, sized: &Size) -> Option<f64> {
    let cores = sized.machines as f64 * machine.cores;
    let share = sized.rate / (cores * sized.core.per_core);
    let at_slo = &sized.core.at_slo;
    let rate = share.min(1.0) * at_slo.per_shard;
    let response = model.response.as_ref()?;
    response.at(&model.cpu, &model.waves, rate)
}

fn fit(model: &Model, machine: Machines, sized: &Size) -> Fit {
    let core = &sized.core;
    let (scaling, contention, coherence) = match model.scaling {
        Scaling::Law {
            contention,
            coherence,
            ..
        } => ("law", Some(contention), Some(coherence)),
        Scaling::Measured { .. } => ("measured", None, None),
        Scaling::Unknown { .. } => ("unknown", None, None),
    };
    let measured_shards = model.response.as_ref().map_or(1.0, |found| found.shards);
    let stages = model.cpu.stages(&core.at).into_iter();
    let terms = model.cpu.terms().into_iter();
    Fit {
        rate_per_shard_measured: core.at_slo.per_shard,
        rate_per_shard: core.per_shard,
        rate_per_core: core.per_core,
        cpu_s_per_payment: core.cpu_s,
        stages: stages
            .map(|(name, role, cpu_s)| StageCpu {
                name: name.to_owned(),
                role: role.to_owned(),
                cpu_s,
            })
            .collect(),
        terms: terms
            .map(|(term, cpu_s)| TermCost {
                of: term.name(),
                cpu_s,
            })
            .collect(),
        wave: core.at.wave,
        signatures_per_key: core.at.per_key,
        wall_per_cpu: model.waves.slowdown,
        wave_beside_cpu_s: model.waves.beside_cpu_s,
        scaling,
        efficiency: model.relative_efficiency(machine.cores, measured_shards),
        contention,
        coherence,
        memory_process_bytes: model.memory.process_bytes,
        memory_shard_bytes: model.memory.full_shard_bytes(),
        memory_channel_bytes: model.memory.channel_bytes,
        memory_batches_bytes: model.memory.full_batches(),
        log_bytes_per_payment: model.log.map(|log| log.bytes_per_payment(&core.at)),
    }
}

/// What the question and the runs leave open, and how it is taken.
fn assumptions(ask: &Ask, chosen: &Chosen) -> Vec<String> {
    let mut taken =
        vec!["one shard a core; load spread evenly over shards and machines".to_owned()];
    if ask.role == Role::Hub {
        taken.push(
            "hub: CPU time of the costlier end, half of what is accounted to both, the load generator's \
             in place of taking requests in, none of Layer 1's"
                .to_owned(),
        );
        taken.push(
            "hub: memory and log as if it kept both ends of each channel, an upper bound"
                .to_owned(),
        );
    }
    match (ask.capacity, chosen.locked_per_payment) {
        (Some(_), _) => {}
        (None, Some(locked)) => taken.push(format!(
            "a channel locks {} for each payment of its session, as the runs' did",
            human::figure(locked)
        )),
        (None, None) => {
            taken.push("what a channel locks is not in the runs: give --capacity".to_owned());
        }
    }
    if let Some(profile) = &ask.l1 {
        taken.push(format!(
            "all of {}'s blocks are there for these channels: others' transactions leave less, and \
             headroom is not taken off",
            profile.profile
        ));
    }
    if ask.l1.is_some() && ask.disputes > 0.0 {
        taken.push(
            "disputes are answered: a post, an answer, a payout in place of the polite close"
                .to_owned(),
        );
    }
    if chosen.assurance.durability == "none" {
        taken.push(
            "nothing is durable: a crash loses what was acknowledged since each channel was opened"
                .to_owned(),
        );
    }
    taken
}

/// Beyond this factor of the largest value measured, or below the least by it, a value is not "as
/// measured".
const BEYOND: f64 = 1.1;

/// What of the question lies beyond what was measured.
#[expect(
    clippy::too_many_lines,
    reason = "a paragraph for each way in which a plan goes beyond its runs"
)]
fn extrapolation(
    ask: &Ask,
    chosen: &Chosen,
    runs: &[&Observation],
    model: &Model,
    machine: Machines,
    sized: &Size,
) -> Vec<String> {
    let mut found = Vec::new();
    let range = |of: &dyn Fn(&Observation) -> f64| {
        let values = runs.iter().map(|run| of(run));
        values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    let outside =
        |value: f64, (low, high): (f64, f64)| value > high * BEYOND || value * BEYOND < low;
    match sized.core.at_slo.basis {
        Basis::Between => {}
        Basis::LastHeld(next) => found.push(format!(
            "{} payments/s a shard is the largest rate that was held; the next one, {}, was not: what lies \
             between them is not counted on",
            human::figure(sized.core.at_slo.per_shard),
            human::figure(next)
        )),
        Basis::Beyond => found.push(format!(
            "every measured rate meets the objective: {} payments/s a shard is the model's",
            human::figure(sized.core.at_slo.per_shard)
        )),
        Basis::Below => found.push(format!(
            "no measured rate meets the objective: {} payments/s a shard, below all of them, is the model's",
            human::figure(sized.core.at_slo.per_shard)
        )),
    }
    let shards_max = model.scaling.shards_max();
    match model.scaling {
        Scaling::Unknown { shards } if machine.cores != shards => found.push(format!(
            "SCALING UNKNOWN: all runs had {}; {} are assumed to do {} times as much",
            human::counted(shards as u64, "shard"),
            human::figure(machine.cores),
            human::figure(machine.cores / shards),
        )),
        Scaling::Measured { .. } if machine.cores > shards_max => found.push(format!(
            "{} shards a machine: the efficiency measured at {} is taken for them",
            human::figure(machine.cores),
            human::figure(shards_max),
        )),
        Scaling::Law { .. } if machine.cores > shards_max * BEYOND => found.push(format!(
            "{} shards a machine: the scalability law was fitted up to {}",
            human::figure(machine.cores),
            human::figure(shards_max),
        )),
        _ => {}
    }
    let other_machine = ask
        .cores_per_machine
        .is_some_and(|c| c != chosen.machine.cores);
    if other_machine {
        found.push(format!(
            "machines of {} cores: cores like those measured are assumed ({}, {})",
            human::figure(machine.cores),
            chosen.machine.cpu,
            human::counted(chosen.machine.cores, "core"),
        ));
    }
    let per_shard = sized.core.at.channels_per_shard;
    let channels = range(&|run| run.channels / run.shards);
    if !varied(runs, Term::Channels) {
        found.push(
            "no two channel counts far enough apart: what channels cost in CPU is not seen".into(),
        );
    } else if outside(per_shard, channels) {
        found.push(format!(
            "{} channels a shard: measured from {} to {}",
            human::figure(per_shard.round()),
            human::figure(channels.0),
            human::figure(channels.1),
        ));
    }
    if !model.memory.sees_channels {
        found.push(
            "no two channel counts apart: a channel's MEMORY IS NOT SEEN and counts as nothing"
                .into(),
        );
    }
    let per_machine = sized.channels / sized.machines as f64;
    if per_machine > model.channels_max * BEYOND {
        found.push(format!(
            "{} channels a machine: memory was measured up to {}",
            human::figure(per_machine.round()),
            human::figure(model.channels_max),
        ));
    }
    let sessions = range(&|run| 1.0 / run.sessions_per_payment);
    if !varied(runs, Term::Session) {
        found.push("sessions of one length: what a session costs is not seen apart".into());
    } else if outside(ask.payments as f64, sessions) {
        found.push(format!(
            "{} payments a session: those of the runs had made {} to {} when they ended",
            human::count(ask.payments),
            human::figure(sessions.0.round()),
            human::figure(sessions.1.round()),
        ));
    }
    if let (Some(log), Some(bytes)) = (model.log, sized.log_bytes_per_s)
        && bytes / sized.machines as f64 > log.seen_per_s * BEYOND
    {
        found.push(format!(
            "{}/s of log a machine: measured up to {}/s",
            human::bytes(bytes / sized.machines as f64),
            human::bytes(log.seen_per_s),
        ));
    }
    if !runs.iter().any(|run| run.is_saturated()) {
        found.push("no run was saturated: how much a shard can do at most is not seen".into());
    }
    found
}
