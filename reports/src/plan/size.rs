//! From the fitted model to a number of cores, machines, bytes. Pure; done again for each draw of
//! the bootstrap.

use serde::{Serialize, Serializer};

use super::{
    PlanError,
    ask::{Ask, Role},
    cpu::{Conditions, Place},
    l1::L1Load,
    model::Model,
    response::{RateAtSlo, Response},
    storage::Log,
};
use crate::human::{bytes, counted, figure, grouped, nanoseconds};

/// A machine that a plan may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    pub(super) cores: f64,
    pub(super) memory_bytes: f64,
    pub(super) log_bytes_per_s: Option<f64>,
}

/// What one core does at the objective, under the planned conditions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PerCore {
    /// Payments per second and shard.
    pub rate_per_shard: f64,
    /// The same, with what other threads do for a shard taken from it.
    pub rate_per_core: f64,
    /// CPU time per payment of the planned role, in seconds.
    pub cpu_s_per_payment: f64,
    #[serde(skip)]
    pub(super) at: Conditions,
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

/// The answer's numbers. Field names are the JSON names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Size {
    /// Payments per second, asked for or carried.
    pub rate_per_s: f64,
    /// Channels that are open at once.
    #[serde(serialize_with = "whole")]
    pub channels: f64,
    /// Channels that these machines' memory has room for; none if no run tells.
    #[serde(serialize_with = "whole")]
    pub channels_max: f64,
    /// Cores, headroom included, spares not.
    #[serde(serialize_with = "whole")]
    pub cores: f64,
    /// Machines, spares not included.
    pub machines: u64,
    /// Memory that the processes on all machines take.
    #[serde(serialize_with = "whole")]
    pub memory_bytes: f64,
    /// What all logs write; none if nothing is durable.
    pub log_bytes_per_s: Option<f64>,
    /// The most space that all logs take.
    pub log_space_bytes: Option<f64>,
    /// Each resource with the machines that it alone would need.
    pub constraints: Vec<Constraint>,
    /// The resource that decides: `cpu`, `memory`, `log bandwidth` or `l1`.
    pub binding_constraint: &'static str,
    /// The share of Layer 1's blocks; none without a profile.
    pub l1_block_share: Option<f64>,
    /// What that share is made of.
    pub l1: Option<L1Load>,
    #[serde(skip)]
    pub(super) at_slo: RateAtSlo,
    #[serde(skip)]
    pub(super) core: PerCore,
}

/// As a whole number, rounded up; none where no count is so large.
fn whole<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    let count = (*value < u64::MAX as f64).then_some(value.ceil() as u64);
    count.serialize(to)
}

/// A machine at its part of the planned load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Payments per second.
    pub rate_per_s: f64,
    /// Channels open at once.
    pub channels: f64,
    /// The objective's percentile, in nanoseconds; none where no rates around it were measured.
    pub response_ns: Option<f64>,
    /// The same with no headroom: the objective's bound, or what was measured at the largest rate
    /// that was held.
    pub response_without_headroom_ns: Option<f64>,
    /// CPU seconds per payment of the planned role, its part of a session included.
    pub cpu_s_per_payment: f64,
    /// CPU seconds per payment of both ends, without what is done for sessions.
    pub cpu_s_apart_from_sessions: f64,
    /// CPU seconds of a session of both ends: opening, closing, and what Layer 1 does for it.
    pub cpu_s_per_session: f64,
    /// Memory.
    pub memory_bytes: f64,
    /// Bytes that the log writes per payment.
    pub log_bytes_per_payment: Option<f64>,
    /// Payments per second of a shard that was measured at this point of its load.
    #[serde(skip)]
    pub(super) per_measured_shard: f64,
}

/// More machines than this are a mistake in the question.
const MACHINES_MAX: f64 = 1e9;

/// What a plan is made from.
pub(super) struct Sizer<'a> {
    pub(super) ask: &'a Ask,
    pub(super) model: &'a Model,
    pub(super) machine: Machine,
    pub(super) response: &'a Response,
    at_slo: RateAtSlo,
    /// The share of a machine that may be used.
    free: f64,
}

/// Sizes the load that is asked for, or, without one, the load that the machines can carry.
pub(super) fn size(ask: &Ask, model: &Model, machine: Machine) -> Result<Size, PlanError> {
    Sizer::new(ask, model, machine)?.size()
}

impl<'a> Sizer<'a> {
    pub(super) fn new(ask: &'a Ask, model: &'a Model, machine: Machine) -> Result<Self, PlanError> {
        let Some(response) = &model.response else {
            return Err(PlanError::Refused(
                "no open-loop rate was held, so that nothing is known of response times; expected \
                 runs with --rate that are VALID"
                    .to_owned(),
            ));
        };
        let at_slo = response.rate_at(&ask.slo).ok_or_else(|| {
            let (slo, least) = (&ask.slo, response.least());
            let (best, rate) = (nanoseconds(least.ns), figure(least.per_shard));
            PlanError::Missed(format!(
                "no measured rate meets {slo}: the least is {best} at {rate} payments/s a shard"
            ))
        })?;
        Ok(Sizer {
            ask,
            model,
            machine,
            response,
            at_slo,
            free: 1.0 - ask.headroom,
        })
    }

    pub(super) fn size(&self) -> Result<Size, PlanError> {
        let (rate, channels, core, bound) = match self.ask.rate_per_s {
            Some(rate) => {
                let channels = self.ask.channels.unwrap_or(1) as f64;
                (rate, channels, self.core_for(rate, channels), None)
            }
            None => self.carried()?,
        };
        let mut constraints = self.needs(rate, channels, &core)?;
        let l1 = self.l1(rate, channels)?;
        let l1_block_share = l1.as_ref().map(|l1| l1.block_share);
        // Of those that need as many machines, the one that leaves the least of them free.
        let share = |need: &Constraint| need.total / need.per_machine;
        let most = constraints.iter();
        let most = most.max_by(|a, b| share(a).total_cmp(&share(b)));
        let most = most.map_or("cpu", |need| need.name);
        let needed = constraints.iter().filter_map(|need| need.machines).max();
        let (mut machines, mut cores) = (needed.unwrap_or(1), constraints[0].total);
        if bound.is_some() {
            machines = self.ask.machines;
            cores = machines as f64 * self.machine.cores;
            let needs = constraints.iter_mut();
            needs.for_each(|need| need.machines = Some(machines));
        }
        constraints.extend(l1_block_share.map(|total| Constraint {
            name: "l1",
            machines: None,
            total,
            per_machine: 1.0,
        }));
        let is_full = l1_block_share.is_some_and(|share| share > 1.0);
        let (model, shards, count) = (self.model, self.machine.cores, machines as f64);
        let space = |log: Log| log.space_bytes(channels, shards * count, count);
        Ok(Size {
            rate_per_s: rate,
            channels: channels.floor(),
            channels_max: self.channels_max(count).floor(),
            cores,
            machines,
            memory_bytes: model.memory.bytes(shards, channels / count) * count,
            log_bytes_per_s: model.log.map(|log| log.bytes_per_payment(&core.at) * rate),
            log_space_bytes: model.log.map(space),
            constraints,
            binding_constraint: bound.unwrap_or(if is_full { "l1" } else { most }),
            l1_block_share,
            l1,
            at_slo: self.at_slo,
            core,
        })
    }

    /// A core of those that a load needs. More shards have fewer channels each, which makes them a
    /// little cheaper, which makes them fewer.
    fn core_for(&self, rate: f64, channels: f64) -> PerCore {
        let among = |per_core: f64| channels / (rate / per_core / self.free).max(1.0);
        let first = self.per_core(among(self.at_slo.per_shard));
        (0..20).fold(first, |core, _| self.per_core(among(core.rate_per_core)))
    }

    /// The inverse: rate, channels and core of what the scarcest resource allows, and its name.
    fn carried(&self) -> Result<(f64, f64, PerCore, Option<&'static str>), PlanError> {
        let (ask, machine) = (self.ask, self.machine);
        let machines = ask.machines as f64;
        if machines > MACHINES_MAX {
            let asked = grouped(ask.machines);
            return Err(PlanError::Refused(format!(
                "{asked} machines; expected at most 10^9"
            )));
        }
        let room = self.channels_max(machines);
        // As many as were measured, on each machine.
        let measured = self.model.channels_max * machines;
        let channels = match ask.channels {
            Some(channels) => channels as f64,
            None => measured.min(room.max(1.0)),
        };
        if channels > room {
            let [channels, room] = [channels, room.floor()].map(figure);
            let machines = counted(ask.machines, "machine");
            return Err(PlanError::Missed(format!(
                "{channels} channels do not fit into the memory of {machines}: room for {room}"
            )));
        }
        let core = self.per_core(channels / (machines * machine.cores));
        let cores = machines * machine.cores * self.free;
        let mut limits = vec![("cpu", cores * core.rate_per_core)];
        if let (Some(log), Some(limit)) = (self.model.log, machine.log_bytes_per_s) {
            let bytes = log.bytes_per_payment(&core.at);
            limits.push(("log bandwidth", machines * limit * self.free / bytes));
        }
        if let Some(one) = self.l1(1.0, channels)? {
            limits.push(("l1", 1.0 / one.block_share));
        }
        let least = limits.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let (name, rate) = least.copied().unwrap_or(limits[0]);
        // Not the rate, but the channels that were not asked for are fewer for want of memory.
        let is_memory = ask.channels.is_none() && room < measured;
        let bound = if is_memory { "memory" } else { name };
        Ok((rate, channels, core, Some(bound)))
    }

    /// The conditions measured at a rate per shard, and those planned with waves as large.
    fn conditions(&self, per_shard: f64, channels_per_shard: f64) -> (Conditions, Conditions) {
        let (waves, was) = (&self.model.waves, &self.at_slo.place);
        let place = Place {
            channels_per_shard,
            sessions_per_payment: 1.0 / self.ask.payments as f64,
            edge_sessions_per_payment: 0.0,
            payments: self.ask.payments as f64,
            ..*was
        };
        let measured = waves
            .at_rate(&self.model.cpu, was, per_shard)
            .unwrap_or_else(|| waves.conditions(was, waves.wave_cap(was)));
        let wave = measured.wave.min(waves.wave_cap(&place));
        (measured, waves.conditions(&place, wave))
    }

    fn per_core(&self, channels_per_shard: f64) -> PerCore {
        let (model, role, per_shard) = (self.model, self.ask.role, self.at_slo.per_shard);
        let (measured, at) = self.conditions(per_shard, channels_per_shard);
        let was = model.cpu.on_shard(&measured).of(Role::Both);
        let becomes = model.cpu.on_shard(&at).of(role);
        let busy = (per_shard * model.waves.slowdown * was).min(1.0);
        let per_shard = per_shard / ((1.0 - busy) + busy * becomes / was) * self.efficiency();
        let cpu_s = model.cpu.cpu(&at).of(role);
        let elsewhere = (cpu_s - becomes).max(0.0) * model.waves.slowdown;
        PerCore {
            rate_per_shard: per_shard,
            rate_per_core: 1.0 / (1.0 / per_shard + elsewhere),
            cpu_s_per_payment: cpu_s,
            at,
        }
    }

    /// What a shard does among those of one machine, of what it did among those measured.
    pub(super) fn efficiency(&self) -> f64 {
        let measured = self.response.shards;
        self.model.relative_efficiency(self.machine.cores, measured)
    }

    /// One of the machines at its part of the load: shards make the share of the rate at the
    /// objective that leaves the headroom free, in waves that are as much smaller.
    pub(super) fn point(&self, size: &Size) -> Point {
        let (model, machines) = (self.model, size.machines as f64);
        let cores = machines * self.machine.cores;
        let share = (size.rate_per_s / (cores * size.core.rate_per_core)).min(1.0);
        let per_shard = share * self.at_slo.per_shard;
        let (_, at) = self.conditions(per_shard, size.channels / cores);
        let all = model.cpu.cpu(&at).of(Role::Both);
        let of_sessions = model.cpu.of_sessions(&at);
        Point {
            rate_per_s: size.rate_per_s / machines,
            channels: size.channels / machines,
            response_ns: self.response.at(per_shard),
            response_without_headroom_ns: self.response.at(self.at_slo.per_shard),
            // The model's waves are whole batches: no machine spends more than its cores.
            cpu_s_per_payment: (model.cpu.cpu(&at).of(self.ask.role))
                .min(self.machine.cores * machines / size.rate_per_s),
            cpu_s_apart_from_sessions: all - of_sessions,
            cpu_s_per_session: of_sessions * self.ask.payments as f64,
            memory_bytes: size.memory_bytes / machines,
            log_bytes_per_payment: model.log.map(|log| log.bytes_per_payment(&at)),
            per_measured_shard: per_shard,
        }
    }

    /// What the load needs of cores, memory and disk.
    fn needs(
        &self,
        rate: f64,
        channels: f64,
        core: &PerCore,
    ) -> Result<Vec<Constraint>, PlanError> {
        let (memory, machine) = (&self.model.memory, self.machine);
        let room = self.memory_for_channels();
        if room <= 0.0 {
            return Err(PlanError::Missed(format!(
                "a machine's memory of {} less the headroom does not hold the {} of a process \
                 without channels",
                bytes(machine.memory_bytes),
                bytes(memory.fixed_bytes(machine.cores) + memory.full_batches()),
            )));
        }
        let mut needs = vec![
            ("cpu", rate / core.rate_per_core / self.free, machine.cores),
            ("memory", memory.channel_bytes * channels, room),
        ];
        if let (Some(log), Some(limit)) = (self.model.log, machine.log_bytes_per_s) {
            let written = log.bytes_per_payment(&core.at) * rate;
            needs.push(("log bandwidth", written, limit * self.free));
        }
        needs
            .into_iter()
            .map(|(name, total, per_machine)| need(name, total, per_machine))
            .collect()
    }

    /// What a machine's memory has for channels.
    fn memory_for_channels(&self) -> f64 {
        let memory = &self.model.memory;
        let fixed = memory.fixed_bytes(self.machine.cores) + memory.full_batches();
        self.machine.memory_bytes * self.free - fixed
    }

    fn channels_max(&self, machines: f64) -> f64 {
        self.memory_for_channels().max(0.0) * machines / self.model.memory.channel_bytes
    }

    fn l1(&self, rate: f64, channels: f64) -> Result<Option<L1Load>, PlanError> {
        let load = |prices| L1Load::of(prices, self.ask, rate, channels);
        let load = self.ask.l1.as_ref().map(load);
        load.transpose().map_err(PlanError::Refused)
    }
}

fn need(name: &'static str, total: f64, per_machine: f64) -> Result<Constraint, PlanError> {
    let machines = (total / per_machine).ceil().max(1.0);
    if machines.is_nan() || machines > MACHINES_MAX {
        return Err(PlanError::Refused(format!(
            "{name} would need {machines:.3e} machines; expected a load for at most 10^9"
        )));
    }
    Ok(Constraint {
        name,
        machines: Some(machines as u64),
        total,
        per_machine,
    })
}
