//! Runs a workload through channels: sets up, starts the shards and Layer 1, watches, and checks
//! what came out.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;
use rayon::prelude::*;

use super::accounts::{Accounts, Parties};
use super::arrivals::Arrivals;
use super::attack::{Attack, Attacks};
use super::audit::Log;
use super::fault::Fault;
use super::outcome::{Outcome, outcome};
use super::schedule::Schedule;
use super::settle::settle;
use super::shard::{Shard, ShardOutcome, ShardProgress, Shared};
use super::stage::{Stage, StageClock, process_cpu_ns};
use super::steps::{Link, ShardOf};
use super::workload::{AccountIndex, Session, Workload};
use crate::crypto::Backend;
use crate::l1::{self, Chain, SetupError};
use crate::protocol::{Amount, Rules};
use crate::transcript::{self, TranscriptError};

/// How a workload is run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Threads that run channels, at least one.
    pub shards: u32,
    /// Sessions that run at once, at least one.
    pub concurrent: u64,
    /// What both endpoints of every channel are configured with.
    pub rules: Rules,
    /// How long a payment may wait for others to fill its co-sign interval; `None`: not at all.
    /// Only in open loop: in closed loop nothing is waited for.
    pub cosign_after: Option<Duration>,
    /// When payments are due.
    pub arrivals: Arrivals,
    /// When to stop making payments, and finish and close what is open.
    pub duration: Option<Duration>,
    /// What signs and verifies.
    pub backend: Backend,
    /// Keys and arrivals are derived from it. (Not what verification draws.)
    pub seed: u64,
    /// Layer 1's limits and fee.
    pub l1: l1::Config,
    /// The challenge window in the channels' terms.
    pub challenge_window_blocks: u32,
    /// The least balance that a payment may leave its payer.
    pub reserve: Amount,
    /// Bits to flip on the way, for tests; normally none.
    pub faults: Vec<Fault>,
    /// Attacks, and the share of sessions that each strikes; in sum at most 1.
    pub attacks: Vec<(Attack, f64)>,
    /// Blocks for which an honest party's transaction in a dispute can be held back, at most. By
    /// the design's rule of synchrony, less than the challenge window.
    pub l1_delay_blocks: u32,
    /// Where every payment, co-signature and block is written down for an auditor, if anywhere.
    /// Blocks' bodies are then there, and not kept in memory.
    pub audit: Option<transcript::Settings>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// Since the shards started.
    pub elapsed: Duration,
    /// Payments that a co-signed state covers.
    pub payments: u64,
    /// Sessions closed on Layer 1.
    pub sessions_closed: u64,
    /// Transactions in Layer 1's blocks.
    pub l1_transactions: u64,
    /// CPU time of the process since the shards started, in nanoseconds.
    pub cpu_ns: u64,
}

/// Why a run did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunError {
    /// Layer 1 cannot be set up like this.
    L1(SetupError),
    /// An account would need more than an amount can hold.
    AllocationOverflow(AccountIndex),
    /// The audit log could not be written: a fault of the machine, at the start or on the way.
    Audit(TranscriptError),
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
    assert!(config.shards > 0, "at least one shard");
    let disputes = disputes(config, workload);
    let units = |account| {
        // Opening and closing a channel cost its opener a fee each.
        let disputes = disputes.get(&account).copied().unwrap_or(0);
        let fees = workload
            .opens(account)
            .checked_mul(2)?
            .checked_add(disputes * FEES_OF_A_DISPUTE)?
            .checked_mul(config.l1.fee.units())?;
        fees.checked_add(workload.allocation(account).units())
    };
    let schedule = Schedule::new(workload.sessions(), config.concurrent);
    let shards = u64::from(config.shards);
    let parties: Vec<(ShardOf, Parties)> = (0..shards)
        .into_par_iter()
        .map(|index| {
            let of = ShardOf { index, shards };
            let slots = of.slots_below(schedule.concurrent());
            (of, Parties::new(config, workload, of, slots))
        })
        .collect();
    let accounts = {
        let parties: Vec<&Parties> = parties.iter().map(|(_, parties)| parties).collect();
        Accounts::of(&parties, config, workload.accounts(), units)?
    };
    let genesis = accounts.genesis("channels");
    drop(accounts);
    let limits = l1::Config {
        keep_bodies: config.l1.keep_bodies || config.audit.is_some(),
        ..config.l1
    };
    let chain = Chain::new(limits, &genesis, config.backend).map_err(RunError::L1)?;
    let mut log = Log::begin(config, workload, &chain, &genesis).map_err(RunError::Audit)?;
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
    };
    drop(genesis);
    shared.epoch = Instant::now();
    let shared = &shared;
    let ends = links.iter().zip(&progress);
    let shards: Vec<Shard<'_>> = parties
        .into_iter()
        .zip(ends)
        .map(|((of, parties), (link, progress))| {
            let mut shard = Shard::new(shared, of, parties, link, progress);
            shard.recorder = log.recorder();
            shard
        })
        .collect();

    let l1_recorder = log.recorder();
    let observer = std::thread::current();
    let mut clock = StageClock::start();
    let cpu_before = process_cpu_ns();
    let started = Instant::now();
    let (ends, settled) = std::thread::scope(|scope| {
        let l1 = scope.spawn(|| {
            let _guard = AbortOnPanic(shared);
            settle(chain, shared, &links, &l1_transactions, l1_recorder)
        });
        let threads: Vec<_> = shards
            .into_iter()
            .map(|shard| {
                let (l1, observer) = (l1.thread().clone(), observer.clone());
                scope.spawn(move || {
                    let _guard = AbortOnPanic(shared);
                    let end = shard.run(l1);
                    observer.unpark();
                    end
                })
            })
            .collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            std::thread::park_timeout(Duration::from_millis(100));
            let sum = |count: fn(&ShardProgress) -> &AtomicU64| {
                progress
                    .iter()
                    .map(|shard| count(shard).load(Ordering::Relaxed))
                    .sum()
            };
            observe(&Snapshot {
                elapsed: started.elapsed(),
                payments: sum(|shard| &shard.payments),
                sessions_closed: sum(|shard| &shard.sessions_closed),
                l1_transactions: l1_transactions.load(Ordering::Relaxed),
                cpu_ns: process_cpu_ns() - cpu_before,
            });
            clock.lap(Stage::Observe, 1);
        }
        let ends: Vec<ShardOutcome> = threads.into_iter().map(join).collect();
        (ends, join(l1))
    });
    let log = log.close().map_err(RunError::Audit)?;
    let elapsed = started.elapsed();
    let cpu_ns = process_cpu_ns() - cpu_before;
    clock.lap(Stage::Observe, 0);
    let parties: Vec<&Parties> = ends.iter().map(|end| &end.parties).collect();
    let accounts = Accounts::of(&parties, config, workload.accounts(), units)?;
    let mut outcome = outcome(shared, &accounts, &ends, settled, &clock, elapsed, cpu_ns);
    log.finish(&mut outcome).map_err(RunError::Audit)?;
    Ok(outcome)
}

/// Posts and payouts of one party in one dispute at most.
const FEES_OF_A_DISPUTE: u64 = 8;

/// In how many disputes each account is going to be, those among them that are none by accident.
fn disputes(config: &Config, workload: &dyn Workload) -> HashMap<AccountIndex, u64> {
    let mut disputes = HashMap::new();
    if config.attacks.is_empty() && config.faults.is_empty() {
        return disputes;
    }
    let attacks = Attacks::new(config.seed, &config.attacks);
    let damaged: HashSet<u64> = config.faults.iter().map(|fault| fault.session).collect();
    for number in 0..workload.sessions() {
        let Session {
            accounts, payments, ..
        } = workload.session(number);
        if damaged.contains(&number) || attacks.on(number, payments).is_some() {
            for account in [accounts.a, accounts.b] {
                *disputes.entry(account).or_default() += 1;
            }
        }
    }
    disputes
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Sends everybody home when its thread panics: the others would wait for it for ever.
struct AbortOnPanic<'s>(&'s Shared<'s>);

impl Drop for AbortOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.abort.store(true, Ordering::Relaxed);
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::L1(error) => error.fmt(f),
            RunError::Audit(error) => error.fmt(f),
            RunError::AllocationOverflow(account) => write!(
                f,
                "account {account} would need more than {} units for its deposits and fees",
                u64::MAX
            ),
        }
    }
}

impl std::error::Error for RunError {}
