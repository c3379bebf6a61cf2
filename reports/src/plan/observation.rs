//! What one run tells a plan, in the model's terms: costs per payment, waves per payment, rates per
//! shard. Pure.

use crate::{
    run_file::{Achieved, RunFile, Stage},
    summary::stage_cpu_s,
};

/// One run.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    /// Threads that run channels.
    pub(super) shards: f64,
    /// Channels open at once, over all shards.
    pub(super) channels: f64,
    /// Payments per session as asked for: names the cell, where the run was cut by its duration.
    pub(super) payments_asked: u64,
    /// Payments offered per second; none in a closed loop.
    pub(super) offered_per_s: Option<f64>,
    /// Whether the offered rate was held, or nearly.
    pub(super) held: bool,
    /// Payments per second between opening and closing.
    pub(super) achieved_per_s: f64,
    /// Response time percentiles, open loop only.
    pub(super) response: Option<crate::run_file::Percentiles>,
    /// Sessions opened per payment.
    pub(super) sessions_per_payment: f64,
    /// Of these, as many as are open at once: opened before the first payment, closed after the
    /// last.
    pub(super) edge_sessions_per_payment: f64,
    /// Pairs of signatures per payment: 1 at k = 1.
    pub(super) proposals_per_payment: f64,
    /// Mean signatures in a verified batch, which is a wave's.
    pub(super) wave: f64,
    /// Of these, mean signatures of one key.
    pub(super) per_key: f64,
    /// CPU seconds per payment, stage by stage.
    pub(super) stages: Vec<StageCost>,
    /// Peak resident memory, in bytes.
    pub(super) peak_rss_bytes: f64,
    /// The durable log, if there was one.
    pub(super) log: Option<LogCost>,
    /// Proposals that a channel may have in flight.
    pub(super) in_flight: f64,
    /// What is paid once for many payments.
    pub(super) amortised: Amortised,
}

/// CPU seconds of what is done once: to open a session, of those opened before the first payment;
/// to close one, of those closed after the last; and a channel's keys, with what else a run sets
/// up. None where a run does not tell.
pub(super) type Amortised = [Option<f64>; 3];

fn amortised(run: &RunFile) -> Amortised {
    let phase = |name: &str, channels: Option<u64>| {
        let mut phases = run.achieved.phases.iter();
        let phase = phases.find(|phase| phase.name == name)?;
        let count = phase.sessions.or(channels).filter(|count| *count > 0)?;
        Some(phase.cpu_s / count as f64)
    };
    [
        phase("opening", None),
        phase("closing", None),
        phase("set-up", Some(run.workload.concurrent)),
    ]
}

/// A stage's CPU time per payment.
#[derive(Clone, Debug)]
pub(super) struct StageCost {
    pub(super) name: String,
    pub(super) role: String,
    /// What one item of it is.
    pub(super) unit: String,
    /// Seconds per payment.
    pub(super) cpu_s: f64,
}

/// What a payment writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogCost {
    pub(super) bytes_per_payment: f64,
    pub(super) bytes_per_record: f64,
    pub(super) bytes_per_s: f64,
}

impl StageCost {
    /// Whether it is done for a session, and not for a payment.
    pub(super) fn is_of_sessions(&self) -> bool {
        ["session", "transaction", "channel"].contains(&self.unit.as_str())
    }

    /// Whether a shard's own thread does it while it pays. Layer 1 and the observer have threads of
    /// their own, and starting and ending threads is before and after; of `log` only a part has a
    /// thread of its own, and it is counted with the shard's.
    pub(super) fn is_on_shard(&self) -> bool {
        self.role != "l1" && !["observe", "thread"].contains(&self.name.as_str())
    }
}

impl Observation {
    /// None if the run made no payment in measurable time: there is nothing to divide by.
    pub(super) fn of(run: &RunFile) -> Option<Observation> {
        let (workload, achieved, assurance) = (&run.workload, &run.achieved, &run.assurance);
        let payments = achieved.payments as f64;
        let paying_s = paying_s(achieved);
        let usable = payments > 0.0
            && paying_s > 0.0
            && assurance.batch_size >= 1.0
            && workload.shards > 0
            && workload.concurrent > 0;
        if !usable {
            return None;
        }
        let cost = |stage: &Stage| StageCost {
            name: stage.name.clone(),
            role: stage.role.clone(),
            unit: stage.unit.clone(),
            cpu_s: stage_cpu_s(stage) / payments,
        };
        let sessions = achieved.sessions_opened.max(1);
        let log = run.durability.as_ref().map(|log| LogCost {
            bytes_per_payment: log.bytes_written as f64 / payments,
            bytes_per_record: log.bytes_written as f64 / log.records.max(1) as f64,
            bytes_per_s: log.bytes_written as f64 / achieved.wall_s,
        });
        Some(Observation {
            shards: workload.shards as f64,
            channels: workload.concurrent as f64,
            payments_asked: workload.payments_per_session,
            offered_per_s: workload.offered_per_s,
            held: achieved.held(),
            achieved_per_s: payments / paying_s,
            response: run.latency_ns.response.clone(),
            sessions_per_payment: sessions as f64 / payments,
            edge_sessions_per_payment: sessions.min(workload.concurrent) as f64 / payments,
            proposals_per_payment: 1.0 / assurance.payments_per_cosigning.unwrap_or(1.0).max(1.0),
            wave: assurance.batch_size,
            per_key: assurance.signatures_per_key_per_batch.max(1.0),
            stages: run.stages.iter().map(cost).collect(),
            peak_rss_bytes: run.memory.peak_rss_bytes as f64,
            log,
            in_flight: workload.in_flight as f64,
            amortised: amortised(run),
        })
    }

    /// Payments that a channel makes in one wave of a closed loop: as many as it may have in
    /// flight, up to a bound of the engine.
    pub(super) fn burst(&self) -> f64 {
        burst(
            self.in_flight,
            self.proposals_per_payment,
            self.payments_asked as f64,
        )
    }

    /// Channels that paid before the run's end: a closed loop goes from one to the next, burst by
    /// burst; arrivals fall evenly on all.
    pub(super) fn paying_channels(&self) -> f64 {
        let a_channel = 1.0 / self.edge_sessions_per_payment;
        match self.offered_per_s {
            None => self.channels * (a_channel / self.burst()).min(1.0),
            Some(_) => self.channels * -(-a_channel).exp_m1(),
        }
    }

    /// CPU seconds per payment of the shards' own threads, while payments are made.
    pub(super) fn paying_cpu_s(&self) -> f64 {
        let within = 1.0 - self.edge_sessions_per_payment / self.sessions_per_payment;
        let share = |stage: &StageCost| if stage.is_of_sessions() { within } else { 1.0 };
        let on_shard = self.stages.iter().filter(|stage| stage.is_on_shard());
        on_shard.map(|stage| stage.cpu_s * share(stage)).sum()
    }

    /// CPU seconds per payment, all threads.
    pub(super) fn cpu_s(&self) -> f64 {
        self.stages.iter().map(|stage| stage.cpu_s).sum()
    }

    /// Of these, of what is done for sessions.
    pub(super) fn sessions_cpu_s(&self) -> f64 {
        let of_sessions = self.stages.iter().filter(|stage| stage.is_of_sessions());
        of_sessions.map(|stage| stage.cpu_s).sum()
    }

    /// Whether the shards had all the work they could take: a closed loop, or a rate not held.
    pub(super) fn is_saturated(&self) -> bool {
        self.offered_per_s.is_none() || !self.held
    }

    /// Seconds from one wave of a shard to the next.
    pub(super) fn wave_interval_s(&self) -> f64 {
        self.wave / self.proposals_per_payment * self.shards / self.achieved_per_s
    }

    /// The settings that make the run's cell of the grid: repeats agree in them.
    pub(super) fn cell(&self) -> Cell {
        Cell {
            shards: self.shards as u64,
            channels: self.channels as u64,
            payments: self.payments_asked,
            offered_millihertz: self.offered_per_s.map(|rate| (rate * 1e3) as u64),
        }
    }
}

/// Seconds between opening and closing.
pub(super) fn paying_s(achieved: &Achieved) -> f64 {
    let phases = achieved.phases.iter();
    let edges = phases.filter(|phase| phase.name == "opening" || phase.name == "closing");
    achieved.wall_s - edges.map(|phase| phase.wall_s).sum::<f64>()
}

/// The most payments of one channel in one wave, unless one proposal covers more (engine,
/// `pipeline/wave/propose.rs`).
const BURST_MAX: f64 = 2048.0;

/// Payments of one channel in one wave of a closed loop, where so many proposals may be in flight.
pub(super) fn burst(in_flight: f64, proposals_per_payment: f64, payments: f64) -> f64 {
    let a_proposal = 1.0 / proposals_per_payment;
    (in_flight * a_proposal)
        .min(BURST_MAX.max(a_proposal))
        .min(payments)
        .max(1.0)
}

/// A cell of the sweep's grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) shards: u64,
    pub(super) channels: u64,
    pub(super) payments: u64,
    pub(super) offered_millihertz: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_what_may_be_in_flight_up_to_the_engines_bound() {
        for (in_flight, payments_a_proposal, payments, expected) in [
            (64.0, 1.0, 1e4, 64.0),
            (64.0, 10.0, 1e4, 640.0),
            (64.0, 100.0, 1e4, 2048.0),
            (64.0, 5_000.0, 1e4, 5_000.0),
            (64.0, 1.0, 10.0, 10.0),
            (1.0, 1.0, 1e4, 1.0),
        ] {
            let found = burst(in_flight, 1.0 / payments_a_proposal, payments);
            assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
        }
    }
}
