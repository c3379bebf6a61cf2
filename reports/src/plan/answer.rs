//! The answer: its numbers, what they rest on, what is not measured, and what they leave out.

use serde::Serialize;

use super::PlanError;
use super::ask::{Ask, Role, Slo};
use super::compare::Comparison;
use super::cpu::{StageCpu, Term, varied};
use super::holdout::HoldoutError;
use super::input::{Assurance, Chosen, Inputs, Source, SweepMachine, Together, choose};
use super::interval::{Interval, interval};
use super::machine;
use super::model::Model;
use super::observation::Observation;
use super::scaling::Scaling;
use super::size::{Machine, PerCore, Point, Size, Sizer};
use super::statistics::{BEYOND, is_outside, span};
use super::wanting;
use crate::human::{bytes, count, counted, figure};

/// The version of an answer's shape.
const SCHEMA: u32 = 1;

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
pub struct Answer {
    /// The version of an answer's shape: 1.
    pub schema: u32,
    /// Whether the machines were given and the load asked for.
    pub inverse: bool,
    /// Its numbers.
    #[serde(flatten)]
    pub size: Size,
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
    /// Machines that stand by.
    pub spare_machines: u64,
    /// Cores of a machine.
    pub cores_per_machine: u64,
    /// Memory of a machine.
    pub memory_per_machine_bytes: u64,
    /// What Duet's own Layer 1 carries; none where no run tells.
    pub own_layer_1: Option<OwnLayer1>,
    /// Runs of several machines over one Layer 1, as they were measured.
    pub together: Vec<Together>,
    /// What all channels lock, in the smallest unit of value; none where the runs do not tell.
    pub locked_value: Option<f64>,
    /// One machine at its part of the load.
    pub point: Point,
    /// The objective's percentile that is expected while the headroom is free, in nanoseconds; none
    /// where it was not measured.
    pub response_ns: Option<f64>,
    /// What was not measured and could be, a sentence each, with the command that would.
    pub not_measured: Vec<String>,
    /// The back end that this machine takes unless it is told another.
    pub backend_here: &'static str,
    /// What other draws of the sweep's runs would have said; none where they say nothing.
    pub interval: Option<Interval>,
    /// What the model gets wrong where it has not looked.
    pub holdout_error: HoldoutError,
    /// What is taken for granted, a sentence each.
    pub assumptions: Vec<String>,
    /// What lies beyond the sweep, a sentence each.
    pub extrapolation: Vec<String>,
    /// What is not in the plan.
    pub excluded: [&'static str; 8],
    /// What the plan rests on.
    pub fit: Fit,
    /// The runs' assurance.
    pub assurance: Assurance,
    /// The machine that was measured.
    pub sweep_machine: SweepMachine,
    /// What became of the runs.
    pub inputs: Inputs,
    /// A run set beside the answer; none if none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Comparison>,
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

/// What was fitted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// Payments per second that a shard makes at the objective, under the sweep's conditions.
    pub rate_per_shard_measured: f64,
    /// Under the planned ones.
    #[serde(flatten)]
    pub core: PerCore,
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

/// What one of a kind costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TermCost {
    /// One of what.
    pub of: &'static str,
    /// CPU seconds.
    pub cpu_s: f64,
}

/// Answers, and sets a run beside the answer.
///
/// # Errors
/// The runs cannot be planned with, no measured rate meets the objective, or the run is none to set
/// beside it.
pub fn plan(ask: &Ask, sources: &[Source], check: Option<&Source>) -> Result<Answer, PlanError> {
    let chosen = choose(ask, sources)?;
    let runs: Vec<&Observation> = chosen.runs.iter().collect();
    let model = Model::fit(&runs, &ask.slo).ok_or_else(|| {
        PlanError::Refused(
            "the runs have no CPU time by stage, no memory or no time between waves; expected run \
             files that do"
                .into(),
        )
    })?;
    let (cores, memory) = (chosen.machine.cores, chosen.machine.memory_bytes);
    let machine = Machine {
        cores: ask.cores_per_machine.unwrap_or(cores) as f64,
        memory_bytes: ask.memory_per_machine.unwrap_or(memory) as f64,
        log_bytes_per_s: ask.log_per_machine.map(|bytes| bytes as f64),
    };
    let sizer = Sizer::new(ask, &model, machine);
    let sizer = sizer.map_err(|error| wanting::below(error, &chosen, &model))?;
    let size = sizer.size()?;
    answer(chosen, &sizer, size, check)
}

fn answer(
    chosen: Chosen,
    sizer: &Sizer<'_>,
    size: Size,
    check: Option<&Source>,
) -> Result<Answer, PlanError> {
    let (ask, machine) = (sizer.ask, sizer.machine);
    let runs: Vec<&Observation> = chosen.runs.iter().collect();
    let point = sizer.point(&size);
    let check = check.map(|source| Comparison::of(source, sizer, &chosen, &point));
    let locked = match ask.capacity {
        Some(capacity) => Some(capacity as f64),
        None => (chosen.locked_per_payment).map(|locked| locked * ask.payments as f64),
    };
    for (what, value) in [
        ("channels", size.channels),
        ("cores", size.cores),
        ("bytes of memory", size.memory_bytes),
    ] {
        if value >= u64::MAX as f64 {
            let text = format!("the plan would have {value:.3e} {what}; expected fewer than 2^64");
            return Err(PlanError::Refused(text));
        }
    }
    Ok(Answer {
        schema: SCHEMA,
        inverse: ask.rate_per_s.is_none(),
        payments: ask.payments,
        disputes: ask.disputes,
        slo: ask.slo,
        role: ask.role,
        headroom: ask.headroom,
        spare_machines: ask.spare,
        cores_per_machine: machine.cores as u64,
        memory_per_machine_bytes: machine.memory_bytes as u64,
        own_layer_1: OwnLayer1::of(&chosen, ask, &size),
        locked_value: locked.map(|locked| locked * size.channels),
        response_ns: point.response_ns,
        not_measured: wanting::not_measured(&chosen, sizer, &size, &point),
        interval: interval(ask, &runs, machine),
        holdout_error: HoldoutError::of(&runs, &ask.slo),
        assumptions: assumptions(ask, &chosen),
        extrapolation: extrapolation(sizer, &chosen, &size),
        excluded: EXCLUDED,
        fit: fit(sizer, &size),
        backend_here: machine::backend(),
        check: check.transpose()?,
        point,
        size,
        together: chosen.together,
        assurance: chosen.assurance,
        sweep_machine: chosen.machine,
        inputs: chosen.inputs,
    })
}

impl OwnLayer1 {
    fn of(chosen: &Chosen, ask: &Ask, size: &Size) -> Option<OwnLayer1> {
        let sessions_per_s = chosen.layer_1_sessions_per_s?;
        let share = size.rate_per_s / ask.payments as f64 / sessions_per_s;
        let machines = size.machines as f64 / share;
        machines.is_finite().then_some(OwnLayer1 {
            sessions_per_s,
            share,
            machines,
        })
    }
}

fn fit(sizer: &Sizer<'_>, size: &Size) -> Fit {
    let (model, core) = (sizer.model, &size.core);
    let (scaling, law) = match model.scaling {
        Scaling::Law {
            contention,
            coherence,
            ..
        } => ("law", Some((contention, coherence))),
        Scaling::Measured { .. } => ("measured", None),
        Scaling::Unknown { .. } => ("unknown", None),
    };
    let term = |(term, cpu_s): (Term, f64)| TermCost {
        of: term.name(),
        cpu_s,
    };
    Fit {
        rate_per_shard_measured: size.at_slo.per_shard,
        core: *core,
        stages: model.cpu.stages(&core.at),
        terms: model.cpu.terms().into_iter().map(term).collect(),
        wave: core.at.wave,
        signatures_per_key: core.at.per_key,
        wall_per_cpu: model.waves.slowdown,
        wave_beside_cpu_s: model.waves.beside_cpu_s,
        scaling,
        efficiency: sizer.efficiency(),
        contention: law.map(|law| law.0),
        coherence: law.map(|law| law.1),
        memory_process_bytes: model.memory.process_bytes,
        memory_shard_bytes: model.memory.full_shard_bytes(),
        memory_channel_bytes: model.memory.channel_bytes,
        memory_batches_bytes: model.memory.full_batches(),
        log_bytes_per_payment: model.log.map(|log| log.bytes_per_payment(&core.at)),
    }
}

/// What the question and the runs leave open, and how it is taken.
fn assumptions(ask: &Ask, chosen: &Chosen) -> Vec<String> {
    let mut taken = vec!["one shard a core; load spread evenly over shards and machines".into()];
    let mut say = |text: &str| taken.push(text.to_owned());
    if ask.role == Role::Hub {
        say(
            "hub: CPU time of the costlier end, half of what is accounted to both, the load \
             generator's in place of taking requests in, none of Layer 1's",
        );
        say("hub: memory and log as if it kept both ends of each channel, an upper bound");
    }
    match (ask.capacity, chosen.locked_per_payment.map(figure)) {
        (Some(_), _) => {}
        (None, Some(locked)) => say(&format!(
            "a channel locks {locked} for each payment of its session, as the runs' did"
        )),
        (None, None) => say("what a channel locks is not in the runs: give --capacity"),
    }
    if let Some(prices) = &ask.l1 {
        let profile = &prices.profile;
        say(&format!(
            "all of {profile}'s blocks are there for these channels: others' transactions leave \
             less, and headroom is not taken off"
        ));
        if ask.disputes > 0.0 {
            say("disputes are answered: a post, an answer, a payout in place of the polite close");
        }
    }
    if chosen.assurance.durability == "none" {
        let text = "a crash loses what was acknowledged since each channel was opened";
        say(&format!("nothing is durable: {text}"));
    }
    taken
}

/// Where the percentile was measured over the rate, if the plan's machines are others.
fn percentile_elsewhere(sizer: &Sizer<'_>, size: &Size) -> Option<String> {
    let (measured, shards) = (sizer.response.place(), sizer.response.shards);
    let (of, planned) = (
        measured.channels_per_shard,
        size.core.at.place.channels_per_shard,
    );
    if !is_outside(planned, (of, of)) && sizer.machine.cores == shards {
        return None;
    }
    let said = |channels: f64, shards: f64| {
        let shards = counted(shards as u64, "shard");
        format!("{} channels on {shards}", figure(channels.round()))
    };
    let name = sizer.ask.slo.percentile.name();
    let there = said(of * shards, shards);
    let here = said(size.channels / size.machines as f64, sizer.machine.cores);
    Some(format!(
        "{name} was measured over the rate with {there}, and is taken for {here}: how far off that \
         is was not tried"
    ))
}

/// What of the question lies beyond what was measured.
fn extrapolation(sizer: &Sizer<'_>, chosen: &Chosen, size: &Size) -> Vec<String> {
    let (ask, model) = (sizer.ask, sizer.model);
    let runs: Vec<&Observation> = chosen.runs.iter().collect();
    let mut found = shards(model, sizer.machine);
    found.extend(percentile_elsewhere(sizer, size));
    let mut say = |text: String| found.push(text);
    if (ask.cores_per_machine).is_some_and(|cores| cores != chosen.machine.cores) {
        let (cores, measured) = (figure(sizer.machine.cores), chosen.machine.text());
        say(format!(
            "machines of {cores} cores: cores like those measured are assumed ({measured})"
        ));
    }
    let planned = size.core.at.place.channels_per_shard;
    let measured = span(runs.iter().map(|run| run.channels / run.shards));
    if !varied(&runs, Term::Channels) {
        let text = "no two channel counts far enough apart: what channels cost in CPU is not seen";
        say(text.to_owned());
    } else if is_outside(planned, measured) {
        let (planned, [least, most]) = (figure(planned.round()), ends(measured));
        say(format!(
            "{planned} channels a shard: measured from {least} to {most}"
        ));
    }
    if !model.memory.sees_channels {
        let text =
            "no two channel counts apart: a channel's MEMORY IS NOT SEEN and counts as nothing";
        say(text.to_owned());
    }
    let planned = size.channels / size.machines as f64;
    if planned > model.channels_max * BEYOND {
        let (planned, most) = (figure(planned.round()), figure(model.channels_max));
        say(format!(
            "{planned} channels a machine: memory was measured up to {most}"
        ));
    }
    let measured = span(runs.iter().map(|run| 1.0 / run.sessions_per_payment));
    if !varied(&runs, Term::Session) {
        say("sessions of one length: what a session costs is not seen apart".to_owned());
    } else if is_outside(ask.payments as f64, measured) {
        let (planned, [least, most]) = (count(ask.payments), ends(measured));
        say(format!(
            "{planned} payments a session: those of the runs had made {least} to {most} when they \
             ended"
        ));
    }
    if let (Some(log), Some(written)) = (model.log, size.log_bytes_per_s)
        && written / size.machines as f64 > log.seen_per_s * BEYOND
    {
        let ends = [written / size.machines as f64, log.seen_per_s];
        let [planned, most] = ends.map(bytes);
        say(format!(
            "{planned}/s of log a machine: measured up to {most}/s"
        ));
    }
    if !runs.iter().any(|run| run.is_saturated()) {
        let text = "no run was saturated: how much a shard can do at most is not seen";
        say(text.to_owned());
    }
    found
}

fn ends((least, most): (f64, f64)) -> [String; 2] {
    [least, most].map(|value| figure(value.round()))
}

/// What of a machine's shards was not measured.
fn shards(model: &Model, machine: Machine) -> Vec<String> {
    let (cores, most) = (figure(machine.cores), model.scaling.shards_max());
    let measured = figure(most);
    let text = match model.scaling {
        Scaling::Unknown { shards } if machine.cores != shards => format!(
            "SCALING UNKNOWN: all runs had {}; {cores} are assumed to do {} times as much",
            counted(shards as u64, "shard"),
            figure(machine.cores / shards),
        ),
        Scaling::Measured { .. } if machine.cores > most => {
            format!(
                "{cores} shards a machine: the efficiency measured at {measured} is taken for them"
            )
        }
        Scaling::Law { .. } if machine.cores > most * BEYOND => {
            format!("{cores} shards a machine: the scalability law was fitted up to {measured}")
        }
        _ => return Vec::new(),
    };
    vec![text]
}
