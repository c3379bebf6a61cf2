//! The Layer 1 thread: merges the shards' steps in their logical order and seals each step's blocks
//! when every shard has passed it, whatever order the shards came in. Where Layer 1 has a clock,
//! steps wait for blocks, and others arrive meanwhile. In a durable run, a step goes back to the
//! shards when its blocks are durable.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::beginning::Logged;
use super::chain_log::ChainLog;
use super::court::Court;
use super::deciding::Decided;
use super::error::RunError;
use super::inlet::{Inlet, Origin};
use super::machines::Way;
use super::relay::relay;
use super::shared::Shared;
use super::stage::{Stage, StageClock};
use super::steps::{Link, StepBatch};
use super::traffic::Traffic;
use super::unsettled::Unsettled;
use crate::transcript::Recorder;
use duet_consensus::Stopped;
use duet_fabric::{Gate, Waited};
use duet_ledger::l1::{Chain, Load};
use duet_log::Sequence;

/// What the Layer 1 thread hands over when it is done.
pub(super) struct Settled {
    /// None where Layer 1 is on another machine.
    pub(super) chain: Option<Chain>,
    /// What became of transactions, where Layer 1 has a clock.
    pub(super) traffic: Traffic,
    /// What the validators did, if there are some.
    pub(super) decided: Option<Decided>,
    pub(super) clock: StageClock,
    pub(super) court: Court,
    /// What Layer 1 had done when the figures began, before the restart.
    pub(super) l1_before: Load,
    /// When the last dispute was decided.
    pub(super) last_payout_ns: Option<u64>,
    /// What Layer 1's part of the durable log did.
    pub(super) log: Option<Logged>,
    /// How long Layer 1 waited for each machine, where there are several.
    pub(super) waited: Vec<Waited>,
    /// Which machine fell, and how, if one did.
    pub(super) fallen: Option<String>,
}

/// Settles every step from the first one on, and decides every dispute. Other machines' steps come
/// through these sockets, if there are any.
///
/// # Errors
/// If the log cannot be written, or the way to other machines cannot be opened.
pub(super) fn settle(
    chain: Chain,
    log: Option<ChainLog>,
    first: u64,
    shared: &Shared<'_>,
    (links, sockets): (&[Link], Option<Way>),
    transactions: &AtomicU64,
    recorder: Option<Recorder>,
) -> Result<(Settled, Option<Gate>), RunError> {
    let config = shared.config;
    let (delay, window) = (config.sending.delay_blocks, config.challenge_window_blocks);
    let mut settler = Settler {
        court: Court::new(config, delay, window),
        chain,
        clock: StageClock::of_thread(),
        unsettled: Unsettled::new(config, &shared.schedule, &shared.genesis, recorder),
        log,
        returning: VecDeque::new(),
        inlet: match sockets {
            None => Inlet::of_shards(links),
            Some(machines) => Inlet::of_machines(machines.open()?, links, shared),
        },
    };
    if let Some(log) = &mut settler.log {
        log.attach();
    }
    if shared.await_figures() {
        settler.clock.begin_figures(Stage::Wait);
        if let Some(log) = &mut settler.log {
            log.metered().begin_figures();
        }
    }
    let before = *settler.chain.load();
    let told = |chain: &Chain| {
        let settled = chain.load().transactions - before.transactions;
        transactions.store(settled, Ordering::Relaxed);
    };
    let settled = settler.steps(first, shared, told);
    let settled = settled.and_then(|()| settler.settle_all(shared, told));
    let mut fallen = fallen(settled, shared)?;
    let aborted = || shared.abort.load(Ordering::Relaxed);
    while !settler.returning.is_empty() && !aborted() {
        settler.await_durable()?;
        settler.give_back()?;
    }
    let disputes = settler.decide_disputes(shared, told);
    let (traffic, decided, ended) = told_by(settler.unsettled, &settler.court, &mut settler.clock);
    let ended = disputes.and_then(|at_ns| ended.map(|()| at_ns).map_err(RunError::from));
    let (last_payout_ns, stopped) = match ended {
        Ok(last_payout_ns) => (last_payout_ns, None),
        Err(error) => (None, self::fallen(Err(error), shared)?),
    };
    fallen = fallen.or(stopped);
    let settled = settler.chain.load().transactions - before.transactions;
    settler.clock.lap(Stage::Settle, settled as usize);
    (settler.clock).add(Stage::Settle, settler.chain.others_cpu_ns());
    let log = match settler.log {
        Some(log) if !aborted() => Some(log.finish()?),
        _ => None,
    };
    let (mut waited, mut open) = (Vec::new(), None);
    if let Some((gate, of_machines)) = settler.inlet.into_gate() {
        waited = of_machines;
        let (gate, fell) = still_open(leave_open(gate, shared, &mut settler.clock), shared)?;
        (open, fallen) = (gate, fallen.or(fell));
    }
    let settled = Settled {
        chain: Some(settler.chain),
        traffic,
        decided,
        clock: settler.clock,
        court: settler.court,
        l1_before: before,
        last_payout_ns,
        log,
        waited,
        fallen,
    };
    Ok((settled, open))
}

/// What became of transactions; what the validators did, if there are some; and whether they came to
/// two last blocks.
fn told_by(
    unsettled: Unsettled,
    court: &Court,
    clock: &mut StageClock,
) -> (Traffic, Option<Decided>, Result<(), Stopped>) {
    clock.lap(Stage::Settle, 0);
    let (mut traffic, deciding, late_ms) = unsettled.into_parts();
    traffic.add(court.traffic());
    let Some(deciding) = deciding else {
        return (traffic, None, Ok(()));
    };
    let (decided, discarded_ns, ended) = deciding.finish(late_ms);
    clock.lap(Stage::Decide, 0);
    clock.add(Stage::Settle, discarded_ns);
    (traffic, Some(decided), ended)
}

/// The same on a machine whose Layer 1 is elsewhere: relays steps and outcomes.
///
/// # Errors
/// If the way to other machines cannot be opened.
pub(super) fn settle_elsewhere(
    shared: &Shared<'_>,
    links: &[Link],
    machines: Way,
) -> Result<(Settled, Option<Gate>), RunError> {
    let config = shared.config;
    let mut clock = StageClock::of_thread();
    let mut gate = machines.open()?;
    let relayed = relay(&mut gate, shared, links, &mut clock);
    let fallen = fallen(relayed.map_err(RunError::from), shared)?;
    let (open, fell) = still_open(leave_open(gate, shared, &mut clock), shared)?;
    let settled = Settled {
        chain: None,
        traffic: Traffic::default(),
        decided: None,
        clock,
        court: Court::new(config, 0, 0),
        l1_before: Load::default(),
        last_payout_ns: None,
        log: None,
        waited: Vec::new(),
        fallen: fallen.or(fell),
    };
    Ok((settled, open))
}

/// Has what was said last on its way, and tells what the way took so far. It stays open until the
/// process's CPU time has been read: its threads would take more to end. Where something has gone
/// wrong, it is closed at once, and the others hear of it.
fn leave_open(
    mut gate: Gate,
    shared: &Shared<'_>,
    clock: &mut StageClock,
) -> Result<Option<Gate>, RunError> {
    if shared.abort.load(Ordering::Relaxed) {
        return Ok(None);
    }
    for _ in 0..2 {
        gate.turn(Duration::ZERO)?;
    }
    clock.add(Stage::Fabric, gate.threads_cpu_ns());
    clock.lap(Stage::Fabric, 0);
    Ok(Some(gate))
}

/// What [`leave_open`] left open, and which machine fell meanwhile.
fn still_open(
    left: Result<Option<Gate>, RunError>,
    shared: &Shared<'_>,
) -> Result<(Option<Gate>, Option<String>), RunError> {
    match left {
        Ok(gate) => Ok((gate, None)),
        Err(error) => Ok((None, fallen(Err(error), shared)?)),
    }
}

/// Which machine fell, if that is what went wrong: then all shards leave, and what was measured so
/// far is told.
fn fallen(done: Result<(), RunError>, shared: &Shared<'_>) -> Result<Option<String>, RunError> {
    match done {
        Ok(()) => Ok(None),
        Err(RunError::Machines { problem, .. }) => {
            shared.abort.store(true, Ordering::Relaxed);
            Ok(Some(problem))
        }
        Err(RunError::Layer1Stopped(stopped)) => {
            shared.abort.store(true, Ordering::Relaxed);
            Ok(Some(RunError::Layer1Stopped(stopped).to_string()))
        }
        Err(error) => Err(error),
    }
}

/// All that the Layer 1 thread works with.
struct Settler<'l> {
    chain: Chain,
    court: Court,
    clock: StageClock,
    unsettled: Unsettled,
    log: Option<ChainLog>,
    /// Steps that are settled and not durable yet: they go back when this commit is.
    returning: VecDeque<(Sequence, Vec<Origin>, Vec<StepBatch>)>,
    inlet: Inlet<'l>,
}

impl Settler<'_> {
    /// Settles one step after the other, until all shards have passed their last one.
    fn steps(
        &mut self,
        first: u64,
        shared: &Shared<'_>,
        told: impl Fn(&Chain),
    ) -> Result<(), RunError> {
        for number in first..shared.schedule.steps() {
            // No shard passes a step before the one before it in its track has come back.
            while self.unsettled.is_full() {
                self.block(shared)?;
            }
            while !self.inlet.collect(shared, &mut self.clock)? {
                if shared.abort.load(Ordering::Relaxed) {
                    return Ok(());
                }
                self.give_back()?;
                self.inlet.wait(shared, &mut self.clock)?;
            }
            if self.inlet.ended() {
                break;
            }
            let step = self.inlet.take(number)?;
            let Settler {
                unsettled,
                chain,
                court,
                clock,
                ..
            } = self;
            unsettled.arrive(number, step, shared.workload, (chain, court), clock)?;
            self.settled()?;
            told(&self.chain);
            self.clock.lap(Stage::Settle, 0);
            self.give_back()?;
        }
        Ok(())
    }

    /// One block, and what it settled goes back.
    fn block(&mut self, shared: &Shared<'_>) -> Result<(), RunError> {
        let Settler {
            unsettled,
            chain,
            court,
            clock,
            ..
        } = self;
        unsettled.block(false, shared.workload, (chain, court), clock)?;
        self.settled()?;
        self.give_back()
    }

    /// Blocks until no step waits any more.
    fn settle_all(&mut self, shared: &Shared<'_>, told: impl Fn(&Chain)) -> Result<(), RunError> {
        while !self.unsettled.is_empty() && !shared.abort.load(Ordering::Relaxed) {
            self.block(shared)?;
            told(&self.chain);
        }
        Ok(())
    }

    /// Time passes until the last window is over. Gives when the last dispute was decided.
    fn decide_disputes(
        &mut self,
        shared: &Shared<'_>,
        told: impl Fn(&Chain),
    ) -> Result<Option<u64>, RunError> {
        let mut last_payout_ns = None;
        while !self.court.is_empty() && !shared.abort.load(Ordering::Relaxed) {
            let Settler {
                unsettled,
                chain,
                court,
                clock,
                ..
            } = self;
            unsettled.pass_over(u64::MAX, chain, court);
            unsettled.block(true, shared.workload, (chain, court), clock)?;
            told(chain);
            last_payout_ns = Some(shared.epoch.elapsed().as_nanos() as u64);
        }
        Ok(last_payout_ns)
    }

    /// Commits the steps of which nothing waits any more.
    fn settled(&mut self) -> Result<(), RunError> {
        while let Some((origins, batches)) = self.unsettled.settled() {
            let sequence = match &mut self.log {
                None => 0,
                Some(log) => {
                    self.clock.lap(Stage::Settle, 0);
                    let sequence = log.commit(&mut self.chain)?;
                    self.clock.lap(Stage::Log, 0);
                    sequence
                }
            };
            self.returning.push_back((sequence, origins, batches));
        }
        Ok(())
    }

    /// Gives the steps back whose blocks are durable.
    fn give_back(&mut self) -> Result<(), RunError> {
        let durable = match &self.log {
            None => 0,
            Some(log) => log.durable()?,
        };
        while let Some((_, origins, batches)) =
            (self.returning).pop_front_if(|(sequence, ..)| *sequence <= durable)
        {
            for (origin, batch) in origins.into_iter().zip(batches) {
                self.inlet.give_back(origin, batch);
            }
        }
        Ok(())
    }

    fn await_durable(&mut self) -> Result<(), RunError> {
        self.clock.lap(Stage::Settle, 0);
        if let (Some(log), Some((sequence, ..))) = (&mut self.log, self.returning.front()) {
            log.wait(*sequence)?;
        }
        self.clock.lap(Stage::Wait, 1);
        Ok(())
    }
}
