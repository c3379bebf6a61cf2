//! From the fitted model to a number of cores, machines, bytes. Pure; done again for each draw of
//! the bootstrap.

use super::PlanError;
use super::ask::{Ask, Role};
use super::cpu::{Conditions, Cpu};
use super::l1::L1Load;
use super::model::Model;
use super::response::{NeverMet, RateAtSlo};
use super::waves::Place;
use crate::human;

/// The machines that a plan may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machines {
    pub(super) cores: f64,
    pub(super) memory_bytes: f64,
    pub(super) log_bytes_per_s: Option<f64>,
}

/// What one core does at the objective.
#[derive(Clone, Copy, Debug)]
pub(super) struct PerCore {
    /// Measured or predicted under the sweep's conditions, per shard.
    pub(super) at_slo: RateAtSlo,
    /// Payments per second and shard under the planned conditions.
    pub(super) per_shard: f64,
    /// The same, with what other threads do for a shard taken from it.
    pub(super) per_core: f64,
    /// The planned conditions.
    pub(super) at: Conditions,
    /// CPU time per payment of the planned role.
    pub(super) cpu_s: f64,
}

/// A resource and the machines that it alone needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    pub(super) name: &'static str,
    pub(super) machines: u64,
    /// Needed in all, and what a machine may use: cores, bytes, bytes per second.
    pub(super) total: f64,
    pub(super) per_machine: f64,
}

impl Need {
    /// In machines, and not rounded.
    fn share(&self) -> f64 {
        self.total / self.per_machine
    }
}

/// The answer's numbers.
#[derive(Clone, Debug)]
pub(super) struct Size {
    pub(super) rate: f64,
    pub(super) channels: f64,
    /// Channels that the memory of the machines has room for.
    pub(super) channels_max: f64,
    /// Headroom included.
    pub(super) cores: f64,
    pub(super) machines: u64,
    pub(super) memory_bytes: f64,
    pub(super) log_bytes_per_s: Option<f64>,
    pub(super) log_space_bytes: Option<f64>,
    pub(super) needs: Vec<Need>,
    pub(super) binding: &'static str,
    pub(super) l1: Option<L1Load>,
    pub(super) core: PerCore,
}

/// More machines than this are a mistake in the question.
const MACHINES_MAX: f64 = 1e9;

/// Sizes the load that is asked for, or, without one, the load that the machines can carry.
pub(super) fn size(ask: &Ask, model: &Model, machine: Machines) -> Result<Size, PlanError> {
    match ask.rate_per_s {
        Some(rate) => load(ask, model, machine, rate),
        None => carried(ask, model, machine),
    }
}

fn load(ask: &Ask, model: &Model, machine: Machines, rate: f64) -> Result<Size, PlanError> {
    let channels = ask.channels.unwrap_or(1) as f64;
    let at_slo = rate_at_slo(ask, model)?;
    // More shards have fewer channels each, which makes them a little cheaper, which makes them
    // fewer.
    let free = 1.0 - ask.headroom;
    let mut cores = (rate / at_slo.per_shard / free).max(1.0);
    let mut core = per_core(ask, model, machine, at_slo, channels / cores);
    for _ in 0..20 {
        cores = (rate / core.per_core / free).max(1.0);
        core = per_core(ask, model, machine, at_slo, channels / cores);
    }
    let cores = rate / core.per_core / free;
    let mut needs = vec![need("cpu", cores, machine.cores)?];
    needs.push(memory_need(model, machine, channels, free)?);
    let written = model.log.map(|log| log.bytes_per_payment(&core.at) * rate);
    if let (Some(bytes), Some(limit)) = (written, machine.log_bytes_per_s) {
        needs.push(need("log bandwidth", bytes, limit * free)?);
    }
    let machines = needs.iter().map(|need| need.machines).max().unwrap_or(1);
    // Of those that need as many machines, the one that leaves the least of them free.
    let most = needs.iter().max_by(|a, b| a.share().total_cmp(&b.share()));
    let mut binding = most.map_or("cpu", |need| need.name);
    let l1 = l1(ask, rate, channels)?;
    if l1.as_ref().is_some_and(|l1| l1.block_share > 1.0) {
        binding = "l1";
    }
    Ok(Size {
        rate,
        channels,
        channels_max: channels_max(model, machine, machines as f64, free),
        cores,
        machines,
        memory_bytes: memory(model, machine, machines as f64, channels),
        log_bytes_per_s: written,
        log_space_bytes: space(model, machine, machines as f64, channels),
        needs,
        binding,
        l1,
        core,
    })
}

/// The inverse: the rate is what the scarcest resource allows.
#[expect(clippy::too_many_lines, reason = "one bound after the other")]
fn carried(ask: &Ask, model: &Model, machine: Machines) -> Result<Size, PlanError> {
    let machines = ask.machines as f64;
    if machines > MACHINES_MAX {
        let asked = human::grouped(ask.machines);
        return Err(PlanError::Refused(format!(
            "{asked} machines; expected at most 10^9"
        )));
    }
    let free = 1.0 - ask.headroom;
    let channels_max = channels_max(model, machine, machines, free);
    let channels = match ask.channels {
        Some(channels) => channels as f64,
        // As many as were measured, on each machine.
        None => (model.channels_max * machines).min(channels_max.max(1.0)),
    };
    if channels > channels_max {
        return Err(PlanError::Missed(format!(
            "{} channels do not fit into the memory of {}: room for {}",
            human::figure(channels),
            human::counted(ask.machines, "machine"),
            human::figure(channels_max.floor()),
        )));
    }
    let at_slo = rate_at_slo(ask, model)?;
    let core = per_core(
        ask,
        model,
        machine,
        at_slo,
        channels / (machines * machine.cores),
    );
    let by_cpu = machines * machine.cores * free * core.per_core;
    let mut limits = vec![("cpu", by_cpu)];
    let per_payment = model.log.map(|log| log.bytes_per_payment(&core.at));
    if let (Some(bytes), Some(limit)) = (per_payment, machine.log_bytes_per_s) {
        limits.push(("log bandwidth", machines * limit * free / bytes));
    }
    if let Some(one) = l1(ask, 1.0, channels)? {
        limits.push(("l1", 1.0 / one.block_share));
    }
    let (mut binding, rate) = limits
        .into_iter()
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap_or(("cpu", by_cpu));
    if ask.channels.is_none() && channels_max < model.channels_max * machines {
        // Not the rate, but the channels that were not asked for are fewer for it.
        binding = "memory";
    }
    let mut needs = vec![Need {
        name: "cpu",
        machines: ask.machines,
        total: rate / core.per_core / free,
        per_machine: machine.cores,
    }];
    needs.push(Need {
        machines: ask.machines,
        ..memory_need(model, machine, channels, free)?
    });
    if let (Some(bytes), Some(limit)) = (per_payment, machine.log_bytes_per_s) {
        needs.push(Need {
            name: "log bandwidth",
            machines: ask.machines,
            total: bytes * rate,
            per_machine: limit * free,
        });
    }
    Ok(Size {
        rate,
        channels,
        channels_max,
        cores: machines * machine.cores,
        machines: ask.machines,
        memory_bytes: memory(model, machine, machines, channels),
        log_bytes_per_s: per_payment.map(|bytes| bytes * rate),
        log_space_bytes: space(model, machine, machines, channels),
        needs,
        binding,
        l1: l1(ask, rate, channels)?,
        core,
    })
}

fn rate_at_slo(ask: &Ask, model: &Model) -> Result<RateAtSlo, PlanError> {
    let Some(response) = &model.response else {
        return Err(PlanError::Refused(
            "no open-loop rate was held, so that nothing is known of response times; expected runs with \
             --rate that are VALID"
                .to_owned(),
        ));
    };
    let found = response.rate_at(&ask.slo, &model.cpu, &model.waves);
    found.map_err(|NeverMet { best, idle_ns }| {
        let measured = best.map_or_else(String::new, |best| {
            format!(
                "the least measured is {} at {} payments/s a shard, and ",
                human::nanoseconds(best.ns),
                human::figure(best.per_shard)
            )
        });
        PlanError::Missed(format!(
            "no rate meets {}: {measured}{} is predicted of an idle shard",
            ask.slo,
            human::nanoseconds(idle_ns),
        ))
    })
}

fn per_core(
    ask: &Ask,
    model: &Model,
    machine: Machines,
    at_slo: RateAtSlo,
    channels_per_shard: f64,
) -> PerCore {
    let (cpu, waves) = (&model.cpu, &model.waves);
    let place = Place {
        channels_per_shard,
        sessions_per_payment: 1.0 / ask.payments as f64,
        edge_sessions_per_payment: 0.0,
        payments: ask.payments as f64,
        ..at_slo.place
    };
    let measured = waves
        .at_rate(cpu, &at_slo.place, at_slo.per_shard)
        .unwrap_or_else(|| waves.conditions(&at_slo.place, waves.wave_cap(&at_slo.place)));
    let at = waves.conditions(&place, measured.wave.min(waves.wave_cap(&place)));
    let of_role = |cpu: Cpu| match ask.role {
        Role::Both => cpu.sum(),
        Role::Hub => cpu.hub(),
    };
    let was = cpu.on_shard(&measured).sum();
    let becomes = of_role(cpu.on_shard(&at));
    let busy = (at_slo.per_shard * waves.slowdown * was).min(1.0);
    let response_shards = model.response.as_ref().map_or(1.0, |found| found.shards);
    let per_shard = at_slo.per_shard / ((1.0 - busy) + busy * becomes / was)
        * model.relative_efficiency(machine.cores, response_shards);
    let cpu_s = of_role(cpu.cpu(&at));
    let elsewhere = (cpu_s - becomes).max(0.0) * waves.slowdown;
    PerCore {
        at_slo,
        per_shard,
        per_core: 1.0 / (1.0 / per_shard + elsewhere),
        at,
        cpu_s,
    }
}

fn need(name: &'static str, total: f64, per_machine: f64) -> Result<Need, PlanError> {
    let machines = (total / per_machine).ceil().max(1.0);
    if machines.is_nan() || machines > MACHINES_MAX {
        return Err(PlanError::Refused(format!(
            "{name} would need {machines:.3e} machines; expected a load for at most 10^9"
        )));
    }
    Ok(Need {
        name,
        machines: machines as u64,
        total,
        per_machine,
    })
}

/// What a machine's memory has for channels.
fn memory_for_channels(model: &Model, machine: Machines, free: f64) -> f64 {
    let fixed = model.memory.fixed_bytes(machine.cores) + model.memory.full_batches();
    machine.memory_bytes * free - fixed
}

fn memory_need(
    model: &Model,
    machine: Machines,
    channels: f64,
    free: f64,
) -> Result<Need, PlanError> {
    let room = memory_for_channels(model, machine, free);
    if room <= 0.0 {
        return Err(PlanError::Missed(format!(
            "a machine's memory of {} less the headroom does not hold the {} of a process without channels",
            human::bytes(machine.memory_bytes),
            human::bytes(model.memory.fixed_bytes(machine.cores) + model.memory.full_batches()),
        )));
    }
    need("memory", model.memory.channel_bytes * channels, room)
}

fn channels_max(model: &Model, machine: Machines, machines: f64, free: f64) -> f64 {
    let room = memory_for_channels(model, machine, free).max(0.0) * machines;
    room / model.memory.channel_bytes
}

fn memory(model: &Model, machine: Machines, machines: f64, channels: f64) -> f64 {
    model.memory.bytes(machine.cores, channels / machines) * machines
}

fn space(model: &Model, machine: Machines, machines: f64, channels: f64) -> Option<f64> {
    let log = model.log?;
    Some(log.space_bytes(channels, machine.cores * machines, machines))
}

fn l1(ask: &Ask, rate: f64, channels: f64) -> Result<Option<L1Load>, PlanError> {
    let Some(prices) = &ask.l1 else {
        return Ok(None);
    };
    L1Load::of(prices, rate, ask.payments as f64, ask.disputes, channels)
        .map(Some)
        .map_err(PlanError::Refused)
}
