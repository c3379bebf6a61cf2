//! Runs a workload through channels: sets up, starts the shards and Layer 1, watches, and checks
//! what came out.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;
use rayon::prelude::*;

use super::accounts::{Accounts, Parties};
use super::arrivals::Arrivals;
use super::attack::{Attack, Attacks};
use super::audit::AuditLog;
use super::beginning::Beginning;
use super::door::Door;
use super::fault::Fault;
use super::outcome::{Outcome, Restored, Spent, outcome};
use super::restore::{LogConfig, Purpose, RestoreError, parties_and_log};
use super::schedule::Schedule;
use super::settle::settle;
use super::shard::{Shard, ShardOutcome, ShardProgress, Shared};
use super::stage::{Stage, StageClock};
use super::steps::{Link, ShardOf};
use super::threads;
use super::workers::Workers;
use super::workload::{AccountIndex, Session, Workload};
use crate::clock::process_cpu_ns;
use crate::crypto::Backend;
use crate::l1::{self, Chain, SetupError};
use crate::log::LogError;
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
    /// The share, 0 to 1, of each wave's CPU time that is spent once more for nothing: to try a
    /// regression gate. Normally 0.
    pub planted_slowdown: f64,
    /// CPU time so far, in nanoseconds, of the caller's own threads that wait beside the run, such as one
    /// for signals: no stage has it, and no figure.
    pub bystanders: fn() -> u64,
    /// What makes the run durable, if anything. Then there are neither faults nor attacks.
    pub log: Option<LogConfig>,
    /// Where every payment, co-signature and block is written down for an auditor, if anywhere; not
    /// of a durable run, whose second part would leave the first one's log incomplete. Blocks'
    /// bodies are then there, and not kept in memory.
    pub audit: Option<transcript::Settings>,
}

impl Config {
    /// The process's CPU time, less that of bystanders. These are two clocks, read one after the other: it
    /// may stand a little lower than it did a moment before.
    pub(super) fn cpu_ns(&self) -> u64 {
        let all_ns = process_cpu_ns();
        all_ns.saturating_sub((self.bystanders)())
    }
}

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

/// Why a run did not start, or did not end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunError {
    /// Layer 1 cannot be set up like this.
    L1(SetupError),
    /// An account would need more than an amount can hold.
    AllocationOverflow(AccountIndex),
    /// The audit log could not be written: a fault of the machine, at the start or on the way.
    Audit(TranscriptError),
    /// The log is refused, or cannot be written any more.
    Log(LogError),
    /// What the log holds does not fit together.
    Restore(RestoreError),
    /// The run must have begun, and has not: it was interrupted before anything of it stood.
    NotBegun,
    /// A file cannot be written.
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it, in words.
        problem: String,
    },
    /// The system starts no more threads, for this reason: a fault of the machine.
    Thread(String),
    /// The file for acknowledgements ends with something else: it is left as it is.
    NotAcknowledgements(PathBuf),
    /// A channel of a durable run stopped, where both parties and the link are honest.
    Stopped {
        /// Whose channel.
        session: u64,
        /// The rejection.
        name: &'static str,
    },
}

impl From<LogError> for RunError {
    fn from(error: LogError) -> RunError {
        RunError::Log(error)
    }
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
    let units = |account| units(config, workload, &disputes, account);
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

/// Every shard's parties.
pub(super) type ShardsParties = Vec<(ShardOf, Parties)>;

/// Derives the keys of every shard's parties.
pub(super) fn parties(
    config: &Config,
    workload: &dyn Workload,
    schedule: &Schedule,
) -> ShardsParties {
    assert!(config.shards > 0, "at least one shard");
    let shards = u64::from(config.shards);
    (0..shards)
        .into_par_iter()
        .map(|index| {
            let of = ShardOf { index, shards };
            let slots = of.slots_below(schedule.concurrent());
            (of, Parties::new(config, workload, of, slots))
        })
        .collect()
}

/// The label of the channels' Layer 1.
pub(super) const CHANNELS: &str = "channels";

/// What an account has at genesis: all that it locks, and the fees.
pub(super) fn units(
    config: &Config,
    workload: &dyn Workload,
    disputes: &HashMap<AccountIndex, u64>,
    account: AccountIndex,
) -> Option<u64> {
    // Opening and closing a channel cost its opener a fee each.
    let disputes = disputes.get(&account).copied().unwrap_or(0);
    let fees = workload
        .opens(account)
        .checked_mul(2)?
        .checked_add(disputes * FEES_OF_A_DISPUTE)?
        .checked_mul(config.l1.fee.units())?;
    fees.checked_add(workload.allocation(account).units())
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
            RunError::Log(error) => error.fmt(f),
            RunError::Restore(error) => error.fmt(f),
            RunError::NotBegun => {
                write!(
                    f,
                    "not begun: the run was interrupted before anything of it stood"
                )
            }
            RunError::File { path, problem } => {
                write!(f, "writing '{}' failed: {problem}", path.display())
            }
            RunError::Thread(problem) => write!(f, "cannot start a thread: {problem}"),
            RunError::NotAcknowledgements(path) => write!(
                f,
                "'{}' does not end with acknowledgements: expected a new file, or one that a run \
                 has written",
                path.display()
            ),
            RunError::Stopped { session, name } => write!(
                f,
                "the channel of session {session} stopped on {name}, although nobody cheats; the log \
                 has it as it was before"
            ),
        }
    }
}

impl std::error::Error for RunError {}
