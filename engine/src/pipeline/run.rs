//! Runs a workload through channels: sets up, starts the shards and Layer 1, watches, and checks
//! what came out.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;
use rayon::prelude::*;

use super::accounts::{Accounts, CHANNELS, Parties, disputes, given_keys, told, units};
use super::audit::AuditLog;
use super::config::Config;
use super::door::Door;
use super::error::RunError;
use super::latency::Latencies;
use super::machines::{Machines, Meeting};
use super::outcome::{Outcome, Restored, Spent, outcome};
use super::restore::{OpenLog, Purpose, parties_and_log};
use super::schedule::Schedule;
use super::settle::{Settled, settle, settle_elsewhere};
use super::shard::{Shard, ShardOutcome};
use super::shared::{Beginning, Moment, ShardProgress, Shared};
use super::stage::{Stage, StageClock};
use super::steps::{Link, batches};
use super::threads;
use super::workers::Workers;
use super::workload::{AccountIndex, Workload};
use duet_channels::crypto::Digest;
use duet_fabric::Gate;
use duet_ledger::l1::{self, Chain};

/// How far a run is. Counts and times run from the start of its threads, or, where it goes on after
/// a restart, from when its links were up.
#[derive(Clone, Debug)]
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
    /// Latencies of all payments so far, as the shards last told them: in about one snapshot a
    /// second, if [`Watching::latencies`](super::Watching::latencies) asks for them.
    pub latencies: Option<Arc<Latencies>>,
}

/// Between two snapshots with latencies.
const LATENCIES_EVERY: Duration = Duration::from_secs(1);

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
    run_on(None, config, workload, stop, &mut observe)
}

/// The same, together with other machines, over one Layer 1 on machine 0: this machine's shards
/// are as many of all as its configuration says. Blocks and balances are those that one machine
/// with all the shards would make. A stop on one of them stops all.
///
/// # Errors
/// As [`run`], and if the machines do not come together. If one falls later, the outcome says so.
///
/// # Panics
/// As [`run`]; and with attacks, faults, a log or an audit log, which are of one machine.
pub fn run_together(
    machines: &Machines,
    config: &Config,
    workload: &dyn Workload,
    stop: &AtomicBool,
    mut observe: impl FnMut(&Snapshot),
) -> Result<Outcome, RunError> {
    assert_eq!(machines.place(), config.place, "the machine's own place");
    let alone = [config.log.is_some(), config.audit.is_some()];
    assert_eq!(alone, [false; 2], "no log over several machines");
    let honest = config.attacks.is_empty() && config.faults.is_empty();
    assert!(honest, "no disputes over several machines");
    let by_arrival = !config.l1.order.takes_bids();
    assert!(by_arrival, "a close that is outbid ends in a dispute");
    run_on(Some(machines), config, workload, stop, &mut observe)
}

/// Generic over nothing, so that the whole pipeline is compiled here and not in every caller.
#[expect(
    clippy::too_many_lines,
    reason = "what is set up, started and asked, in the order that figures depend on"
)]
fn run_on(
    machines: Option<&Machines>,
    config: &Config,
    workload: &dyn Workload,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Snapshot),
) -> Result<Outcome, RunError> {
    assert!(
        config.log.is_none() || config.audit.is_none(),
        "a durable run has no audit log"
    );
    assert!(
        config.log.is_none() || config.l1.is_plain(),
        "a log keeps nothing of what waits for blocks"
    );
    let begin = Instant::now();
    threads::pool()?;
    let disputes = disputes(config, workload);
    let units = |account| {
        let disputes = disputes.get(&account).copied().unwrap_or(0);
        units(config, workload, disputes, account)
    };
    let schedule = schedule(config, workload);
    if let Some(account) = (0..workload.accounts()).find(|account| units(*account).is_none()) {
        return Err(RunError::AllocationOverflow(account));
    }
    let (parties, mut open_log) = parties_and_log(config, workload, &schedule, Purpose::Run)?;
    // Of all machines' accounts, where Layer 1 is theirs and here.
    let mut keys = Vec::new();
    let (mut layer_1, goes_on, mut audit) = {
        let parties: Vec<&Parties> = parties.iter().map(|(_, parties)| parties).collect();
        match machines {
            None => {
                let accounts = Accounts::of(&parties, config, workload, units)?;
                let (chain, goes_on, audit) =
                    layer_1(config, workload, &accounts, open_log.as_mut())?;
                (Layer1::Here(chain), goes_on, audit)
            }
            Some(machines) => {
                let own = told(&parties, workload, Parties::give_keys);
                let first = |given: &[Vec<u8>]| {
                    keys = given_keys(config, workload, given)?;
                    let accounts = Accounts::listed(keys.clone(), units);
                    Some(accounts.and_then(|accounts| layer_1(config, workload, &accounts, None)))
                };
                let layer_1 = begin_together(machines, stop, own, first)?;
                (layer_1, false, AuditLog::none())
            }
        }
    };
    let links: Vec<Link> = (0..config.shards)
        .map(|_| Link::new(batches(config, &schedule)))
        .collect();
    let progress: Vec<CachePadded<ShardProgress>> =
        links.iter().map(|_| CachePadded::default()).collect();
    let l1_transactions = CachePadded::new(AtomicU64::new(0));
    let mut shared = Shared {
        config,
        workload,
        schedule,
        genesis: layer_1.genesis(),
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
            let Layer1::Here(chain) = &mut layer_1 else {
                unreachable!("no log over several machines")
            };
            let (first_step, l1_log) = log.start(&mut shards, chain)?;
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
    let way = machines.map(Machines::way);
    let (workers, (clock, cpu_before)) =
        Workers::read(|| (StageClock::from_now(), config.cpu_ns()));
    if restored.is_some() {
        shared.begin_figures_after(shards.len());
    } else {
        shared.begin_figures();
    }
    let mut watch = Watch {
        shared,
        progress: &progress,
        l1_transactions: &l1_transactions,
        clock,
        links_are_down: restored.is_some(),
        told: links.iter().map(|_| None).collect(),
        next_latencies: Duration::ZERO,
        has_asked: false,
    };
    let door = Door::shut(shards.len() + 1);
    let (ends, settled, audit, workers_now, cpu_end) = std::thread::scope(|scope| {
        let (links, l1_transactions, door) = (&links, &l1_transactions, &door);
        let opener = door.opener();
        let l1 = threads::start(scope, shared, door, move || {
            let settle = || match (layer_1, way) {
                (Layer1::Here(chain), way) => settle(
                    chain,
                    l1_log,
                    first_step,
                    shared,
                    (links, way),
                    l1_transactions,
                    l1_recorder,
                ),
                (Layer1::Elsewhere(_), Some(way)) => settle_elsewhere(shared, links, way),
                (Layer1::Elsewhere(_), None) => unreachable!("a machine that is alone has it"),
            };
            let close = |gate: Option<Gate>| {
                // Who falls now is missed when balances are told.
                let _ = gate.map(Gate::close);
            };
            at_work(shared, door, settle, |settled| &mut settled.clock, close)
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
                    let run = || shard.run(l1).map(|end| (end, ()));
                    at_work(shared, door, run, |end| &mut end.clock, |()| ())
                })
            })
            .collect();
        watch.until_all_leave(door, observe);
        let audit = audit.close();
        let (workers_now, cpu_end) = Workers::read(|| {
            watch.clock.lap(Stage::Observe, 0);
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
    let mut settled = settled?;
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
    let told = match (machines, &settled.fallen) {
        (Some(machines), None) => {
            let parties: Vec<&Parties> = ends.iter().map(|end| &end.parties).collect();
            let own = told(&parties, workload, Parties::give_changes);
            let accounts = Accounts::listed(keys, units)?;
            Some(balances(machines, own, &accounts, &mut settled))
        }
        (Some(_), Some(_)) => Some(false),
        (None, _) => None,
    };
    let mut accounts_error = None;
    let balances_match = |parties: &[&Parties], of_court: &[_], chain: Option<&Chain>| match told {
        Some(told) => told,
        None => match Accounts::of(parties, config, workload, units) {
            Ok(accounts) => {
                chain.is_some_and(|chain| accounts.match_ledger(parties, workload, of_court, chain))
            }
            Err(error) => {
                accounts_error = Some(error);
                false
            }
        },
    };
    let mut outcome = outcome(
        shared,
        balances_match,
        &ends,
        settled,
        &watch.clock,
        spent,
        restored,
    );
    if let Some(error) = accounts_error {
        return Err(error);
    }
    audit.finish(&mut outcome).map_err(RunError::Audit)?;
    Ok(outcome)
}

/// Which sessions open and close in which step.
fn schedule(config: &Config, workload: &dyn Workload) -> Schedule {
    let schedule = Schedule::new(workload.sessions(), config.concurrent);
    match config.l1.order.takes_bids() {
        true => schedule.with_disputes_after(),
        false => schedule,
    }
}

/// Where Layer 1 is.
#[expect(clippy::large_enum_variant, reason = "there is one")]
enum Layer1 {
    Here(Chain),
    /// On machine 0, which has told what it began with.
    Elsewhere(Digest),
}

impl Layer1 {
    fn genesis(&self) -> Digest {
        match self {
            Layer1::Here(chain) => *chain.genesis(),
            Layer1::Elsewhere(genesis) => *genesis,
        }
    }
}

/// Layer 1 of several machines: begins it on machine 0, with the keys that all of them give.
fn begin_together(
    machines: &Machines,
    stop: &AtomicBool,
    own: Vec<u8>,
    first: impl FnOnce(&[Vec<u8>]) -> Option<Result<(Chain, bool, AuditLog), RunError>>,
) -> Result<Layer1, RunError> {
    let mut begun = None;
    machines.meet(stop)?;
    let told = machines.exchange(Meeting::Genesis, own, |given| {
        begun = first(given);
        match &begun {
            Some(Ok((chain, ..))) => chain.genesis().0.to_vec(),
            Some(Err(_)) | None => Vec::new(),
        }
    })?;
    match (begun, <[u8; 32]>::try_from(told)) {
        (Some(Ok((chain, ..))), _) => Ok(Layer1::Here(chain)),
        (Some(Err(error)), _) => Err(error),
        (None, Ok(genesis)) if !machines.place().has_layer_1() => {
            Ok(Layer1::Elsewhere(Digest(genesis)))
        }
        (None, _) => Err(RunError::Machines {
            problem: "machine 0 could not begin Layer 1".to_owned(),
            is_bad_input: false,
        }),
    }
}

/// Whether all accounts have what all machines together say that they should have. A machine that
/// falls now is told in the outcome.
fn balances(
    machines: &Machines,
    own: Vec<u8>,
    accounts: &Accounts<'_, impl Fn(AccountIndex) -> Option<u64>>,
    settled: &mut Settled,
) -> bool {
    let chain = settled.chain.as_ref();
    let told = machines.exchange(Meeting::Balances, own, |given| {
        let matches = chain.is_some_and(|chain| accounts.match_given(given, chain));
        vec![u8::from(matches)]
    });
    match told {
        Ok(told) => told == [1],
        Err(error) => {
            settled.fallen = Some(error.to_string());
            false
        }
    }
}

/// Layer 1 as the durable log has it, and whether it has, or with these accounts; and the audit log.
fn layer_1(
    config: &Config,
    workload: &dyn Workload,
    accounts: &Accounts<'_, impl Fn(AccountIndex) -> Option<u64> + Sync>,
    log: Option<&mut OpenLog>,
) -> Result<(Chain, bool, AuditLog), RunError> {
    let genesis = accounts.genesis(CHANNELS);
    let restored = match log {
        Some(log) => log.chain(&genesis.id(&config.l1))?,
        None => None,
    };
    let goes_on = restored.is_some();
    let each_executes = (config.validators.as_ref()).is_some_and(|asked| asked.each_executes);
    let limits = l1::Config {
        keep_bodies: config.l1.keep_bodies || config.audit.is_some() || each_executes,
        ..config.l1
    };
    let chain = match restored {
        Some(chain) => chain,
        None => Chain::new(limits, &genesis, config.backend).map_err(RunError::L1)?,
    };
    let audit = AuditLog::begin(config, workload, &chain, &genesis).map_err(RunError::Audit)?;
    Ok((chain, goes_on, audit))
}

/// What the calling thread does while the others work: it tells how far they are.
struct Watch<'r> {
    shared: &'r Shared<'r>,
    progress: &'r [CachePadded<ShardProgress>],
    l1_transactions: &'r AtomicU64,
    clock: StageClock,
    links_are_down: bool,
    /// Each shard's latencies, as it last told them.
    told: Vec<Option<Box<Latencies>>>,
    next_latencies: Duration,
    has_asked: bool,
}

impl Watch<'_> {
    fn until_all_leave(&mut self, door: &Door, observe: &mut dyn FnMut(&Snapshot)) {
        loop {
            let done = door.wait(Duration::from_millis(100));
            if let Some(begun) = self.shared.begun() {
                if std::mem::take(&mut self.links_are_down) {
                    self.clock.begin_figures(Stage::Observe);
                }
                let snapshot = self.snapshot(begun, done);
                observe(&snapshot);
            }
            self.clock.lap(Stage::Observe, 1);
            if done {
                break;
            }
        }
    }

    fn snapshot(&mut self, begun: Moment, is_last: bool) -> Snapshot {
        let elapsed = self.shared.epoch.elapsed() - Duration::from_nanos(begun.ns);
        let latencies = self.latencies(elapsed, is_last);
        let sum = |count: fn(&ShardProgress) -> &AtomicU64| {
            let shards = self.progress.iter();
            let counts = shards.map(|shard| count(shard).load(Ordering::Relaxed));
            counts.sum()
        };
        Snapshot {
            elapsed,
            payments: sum(|shard| &shard.payments),
            sessions_closed: sum(|shard| &shard.sessions_closed),
            l1_transactions: self.l1_transactions.load(Ordering::Relaxed),
            cpu_ns: self.shared.config.cpu_ns().saturating_sub(begun.cpu_ns),
            latencies,
        }
    }

    /// What all shards have told of what they were asked at the snapshot before, or, when they have
    /// ended, of all their payments.
    fn latencies(&mut self, elapsed: Duration, is_last: bool) -> Option<Arc<Latencies>> {
        if !self.shared.config.watching.latencies {
            return None;
        }
        if !std::mem::take(&mut self.has_asked) && !is_last {
            if elapsed >= self.next_latencies {
                self.next_latencies = elapsed + LATENCIES_EVERY;
                self.has_asked = true;
                self.progress.iter().for_each(|shard| shard.ask_latencies());
            }
            return None;
        }
        for (told, shard) in self.told.iter_mut().zip(self.progress) {
            // A shard that has completed nothing since stands where it stood.
            if let Some(new) = shard.take_latencies() {
                *told = Some(new);
            }
        }
        let mut told = self.told.iter().flatten();
        let mut all = Latencies::clone(told.next()?);
        told.for_each(|shard| all.add(shard));
        Some(Arc::new(all))
    }
}

/// A thread's work, to its last lap: if it ends in error, or panics, all others end too. What it
/// leaves to be ended is ended when the process's CPU time has been read.
fn at_work<T, L>(
    shared: &Shared<'_>,
    door: &Door,
    work: impl FnOnce() -> Result<(T, L), RunError>,
    clock: impl FnOnce(&mut T) -> &mut StageClock,
    end: impl FnOnce(L),
) -> Result<T, RunError> {
    let _guard = GoneOnPanic(shared, door);
    let mut done = work();
    match &mut done {
        Ok((done, _)) => clock(done).lap(Stage::Thread, 0),
        Err(_) => shared.abort.store(true, Ordering::Relaxed),
    }
    door.leave();
    done.map(|(done, left)| {
        end(left);
        done
    })
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
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
