//! Runs a workload through channels: sets up, starts the shards and Layer 1, watches, and checks
//! what came out.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;
use rayon::prelude::*;

use super::accounts::{Accounts, CHANNELS, Parties, disputes, units};
use super::audit::AuditLog;
use super::config::Config;
use super::door::Door;
use super::error::RunError;
use super::outcome::{Outcome, Restored, Spent, outcome};
use super::restore::{Purpose, parties_and_log};
use super::schedule::Schedule;
use super::settle::settle;
use super::shard::{Shard, ShardOutcome};
use super::shared::Beginning;
use super::shared::{ShardProgress, Shared};
use super::stage::{Stage, StageClock};
use super::steps::Link;
use super::threads;
use super::workers::Workers;
use super::workload::Workload;
use duet_ledger::l1::{self, Chain};

/// How far a run is. Counts and times run from the start of its threads, or, where it goes on after
/// a restart, from when its links were up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// Since then.
    pub elapsed: Duration,
    /// Payments that came to be covered by a co-signed state.
    pub payments: u64,
    /// Sessions closed on Layer 1.
    pub sessions_closed: u64,
    /// Transactions in Layer 1's blocks.
    pub l1_transactions: u64,
    /// CPU time of the process, in nanoseconds.
    pub cpu_ns: u64,
}

/// Runs a workload to its end, or until `stop` is set: then no more payments are made, and what is
/// open is finished and closed. `observe` is called about every 100 ms on the calling thread.
///
/// # Errors
/// If the run cannot be set up.
///
/// # Panics
/// If one of our own invariants breaks, on whichever thread.
pub fn run(
    config: &Config,
    workload: &dyn Workload,
    stop: &AtomicBool,
    mut observe: impl FnMut(&Snapshot),
) -> Result<Outcome, RunError> {
    assert!(
        config.log.is_none() || config.audit.is_none(),
        "a durable run has no audit log"
    );
    let begin = Instant::now();
    threads::pool()?;
    let disputes = disputes(config, workload);
    let units = |account| {
        let disputes = disputes.get(&account).copied().unwrap_or(0);
        units(config, workload, disputes, account)
    };
    let schedule = Schedule::new(workload.sessions(), config.concurrent);
    if let Some(account) = (0..workload.accounts()).find(|account| units(*account).is_none()) {
        return Err(RunError::AllocationOverflow(account));
    }
    let (parties, mut open_log) = parties_and_log(config, workload, &schedule, Purpose::Run)?;
    let limits = l1::Config {
        keep_bodies: config.l1.keep_bodies || config.audit.is_some(),
        ..config.l1
    };
    let (mut chain, goes_on, mut audit) = {
        let parties: Vec<&Parties> = parties.iter().map(|(_, parties)| parties).collect();
        let accounts = Accounts::of(&parties, config, workload, units)?;
        let genesis = accounts.genesis(CHANNELS);
        let restored = match &mut open_log {
            Some(log) => log.chain(&genesis.id(&config.l1))?,
            None => None,
        };
        let goes_on = restored.is_some();
        let chain = match restored {
            Some(chain) => chain,
            None => Chain::new(limits, &genesis, config.backend).map_err(RunError::L1)?,
        };
        let audit = AuditLog::begin(config, workload, &chain, &genesis).map_err(RunError::Audit)?;
        (chain, goes_on, audit)
    };
    let links: Vec<Link> = (0..config.shards).map(|_| Link::new(&schedule)).collect();
    let progress: Vec<CachePadded<ShardProgress>> =
        links.iter().map(|_| CachePadded::default()).collect();
    let l1_transactions = CachePadded::new(AtomicU64::new(0));
    let mut shared = Shared {
        config,
        workload,
        schedule,
        genesis: *chain.genesis(),
        epoch: Instant::now(),
        stop,
        abort: AtomicBool::new(false),
        beginning: Beginning::default(),
        paces: Mutex::new(Vec::new()),
    };
    shared.epoch = Instant::now();
    let shared = &shared;
    let ends = links.par_iter().zip(&progress);
    let mut shards: Vec<Shard<'_>> = parties
        .into_par_iter()
        .zip(ends)
        .map(|((of, parties), (link, progress))| Shard::new(shared, of, parties, link, progress))
        .collect();
    for shard in &mut shards {
        shard.recorder = audit.recorder();
    }
    let mut restored = None;
    let (first_step, mut l1_log) = match open_log {
        None => (0, None),
        Some(log) => {
            let (first_step, l1_log) = log.start(&mut shards, &mut chain)?;
            restored = goes_on.then(|| Restored::of(&shards));
            (first_step, Some(l1_log))
        }
    };

    let l1_recorder = audit.recorder();
    for shard in &mut shards {
        if let Some(journal) = &mut shard.journal {
            journal.metered().threads_start().map_err(RunError::Log)?;
        }
    }
    if let Some(log) = &mut l1_log {
        log.metered().threads_start().map_err(RunError::Log)?;
    }
    let (workers, (mut clock, cpu_before)) =
        Workers::read(|| (StageClock::from_now(), config.cpu_ns()));
    let mut links_are_down = restored.is_some();
    if links_are_down {
        shared.begin_figures_after(shards.len());
    } else {
        shared.begin_figures();
    }
    let door = Door::shut(shards.len() + 1);
    let (ends, settled, audit, workers_now, cpu_end) = std::thread::scope(|scope| {
        let (links, l1_transactions, door) = (&links, &l1_transactions, &door);
        let opener = door.opener();
        let l1 = threads::start(scope, shared, door, move || {
            let _guard = GoneOnPanic(shared, door);
            let settled = settle(
                chain,
                l1_log,
                first_step,
                shared,
                links,
                l1_transactions,
                l1_recorder,
            );
            let mut settled = abort_on_error(shared, settled);
            if let Ok(settled) = &mut settled {
                settled.clock.lap(Stage::Thread, 0);
            }
            door.leave();
            settled
        });
        let threads: Vec<_> = shards
            .into_iter()
            .map(|shard| {
                let l1 = match &l1 {
                    Ok(l1) => l1.thread().clone(),
                    Err(error) => {
                        door.gone();
                        return Err(error.clone());
                    }
                };
                threads::start(scope, shared, door, move || {
                    let _guard = GoneOnPanic(shared, door);
                    let mut end = abort_on_error(shared, shard.run(l1));
                    if let Ok(end) = &mut end {
                        end.clock.lap(Stage::Thread, 0);
                    }
                    door.leave();
                    end
                })
            })
            .collect();
        loop {
            let done = door.wait(Duration::from_millis(100));
            if let Some(begun) = shared.begun() {
                if std::mem::take(&mut links_are_down) {
                    clock.begin_figures(Stage::Observe);
                }
                let sum = |count: fn(&ShardProgress) -> &AtomicU64| {
                    progress
                        .iter()
                        .map(|shard| count(shard).load(Ordering::Relaxed))
                        .sum()
                };
                observe(&Snapshot {
                    elapsed: shared.epoch.elapsed() - Duration::from_nanos(begun.ns),
                    payments: sum(|shard| &shard.payments),
                    sessions_closed: sum(|shard| &shard.sessions_closed),
                    l1_transactions: l1_transactions.load(Ordering::Relaxed),
                    cpu_ns: config.cpu_ns().saturating_sub(begun.cpu_ns),
                });
            }
            clock.lap(Stage::Observe, 1);
            if done {
                break;
            }
        }
        let audit = audit.close();
        let (workers_now, cpu_end) = Workers::read(|| {
            clock.lap(Stage::Observe, 0);
            config.cpu_ns()
        });
        drop(opener);
        let ends: Vec<Result<_, RunError>> =
            (threads.into_iter().map(|thread| thread.map(join))).collect();
        (ends, l1.map(join), audit, workers_now, cpu_end)
    });
    // Which of them never were comes first: the others may have ended in error for it.
    let (ends, settled) = (
        ends.into_iter().collect::<Result<Vec<_>, RunError>>()?,
        settled?,
    );
    let ends = ends.into_iter().collect::<Result<Vec<ShardOutcome>, _>>()?;
    let settled = settled?;
    let audit = audit.map_err(RunError::Audit)?;
    let begun = shared.begun().expect("nobody aborted");
    let spent = Spent {
        recovery: shared.epoch + Duration::from_nanos(begun.ns) - begin,
        elapsed: shared.epoch.elapsed() - Duration::from_nanos(begun.ns),
        begun,
        cpu_before_ns: begun.cpu_ns.saturating_sub(cpu_before),
        cpu_ns: cpu_end.saturating_sub(begun.cpu_ns),
        workers: workers.count() as u64,
        workers_ns: workers_now.since(&workers),
    };
    let parties: Vec<&Parties> = ends.iter().map(|end| &end.parties).collect();
    let accounts = Accounts::of(&parties, config, workload, units)?;
    let mut outcome = outcome(shared, &accounts, &ends, settled, &clock, spent, restored);
    audit.finish(&mut outcome).map_err(RunError::Audit)?;
    Ok(outcome)
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Tells all threads to stop when one cannot go on.
fn abort_on_error<T>(shared: &Shared<'_>, result: Result<T, RunError>) -> Result<T, RunError> {
    if result.is_err() {
        shared.abort.store(true, Ordering::Relaxed);
    }
    result
}

/// Tells all threads to stop when its own panics: the others would wait for it for ever.
struct GoneOnPanic<'s>(&'s Shared<'s>, &'s Door);

impl Drop for GoneOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.abort.store(true, Ordering::Relaxed);
            self.1.gone();
        }
    }
}
