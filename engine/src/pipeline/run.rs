//! Runs a workload through channels: sets up, starts the shards and Layer 1, watches, and checks
//! what came out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;
use rayon::prelude::*;

use super::arrivals::Arrivals;
use super::fault::Fault;
use super::latency::Latencies;
use super::schedule::Schedule;
use super::settle::settle;
use super::shard::{Shard, ShardOutcome, ShardProgress, Shared, secret_keys};
use super::stage::{Stage, StageClock, StageCost, StageCosts, process_cpu_ns};
use super::steps::Link;
use super::workload::{AccountIndex, Workload};
use crate::crypto::{Backend, PublicKey, VerifierCounts};
use crate::l1::{self, Chain, Genesis, Load, SetupError};
use crate::protocol::{Amount, Rules};

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

/// A channel that stopped because a rule was broken in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoppedChannel {
    /// Which session's.
    pub session: u64,
    /// The rejection, by name.
    pub rejection: &'static str,
}

impl StoppedChannel {
    /// How many are listed per shard; all are counted.
    pub const MOST: usize = 1024;
}

/// Why a run did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunError {
    /// Layer 1 cannot be set up like this.
    L1(SetupError),
    /// An account would need more than an amount can hold.
    AllocationOverflow(AccountIndex),
}

/// What a run did, and whether it adds up.
#[derive(Debug)]
pub struct Outcome {
    /// Sessions that ran at once.
    pub concurrent: u64,
    /// Sessions whose channel was opened.
    pub sessions_opened: u64,
    /// Sessions whose channel was closed.
    pub sessions_closed: u64,
    /// Payments of the sessions that were opened.
    pub payments_planned: u64,
    /// Payments that a co-signed state covers.
    pub payments: u64,
    /// Payments that the payer's own endpoint refused for lack of balance.
    pub payments_refused: u64,
    /// The run was cut short, by its duration or from outside.
    pub cut_short: bool,
    /// From the first open submitted to the last payout.
    pub wall: Duration,
    /// CPU time of the process from the shards' start to their end, in nanoseconds.
    pub cpu_ns: u64,
    /// CPU time of the stages, in the order of [`Stage::ALL`].
    pub stages: StageCosts,
    /// Both latencies.
    pub latency: Latencies,
    /// Signatures that the parties made, for states, finals and Layer 1 transactions.
    pub signatures_made: u64,
    /// What the parties' verifiers did.
    pub verified: VerifierCounts,
    /// Bytes that crossed between endpoints.
    pub bytes: u64,
    /// The largest sum that one pair of signatures covers.
    pub value_at_risk: u64,
    /// What Layer 1 did.
    pub l1: Load,
    /// The last block's hash.
    pub tip: crate::crypto::Digest,
    /// Channels that stopped, by the rejection's name.
    pub rejections: BTreeMap<&'static str, u64>,
    /// The first of them.
    pub stopped: Vec<StoppedChannel>,
    /// In open loop: payments that were due, and the rate at which they were, and at which they
    /// were completed, per second.
    pub offered: Option<Offered>,
    /// Whether it adds up.
    pub checks: Checks,
    /// Layer 1 as it is at the end.
    pub chain: Chain,
}

/// An open loop's schedule, and how it was held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offered {
    /// Payments that came due.
    pub arrived: u64,
    /// The rate at which they came due, as drawn.
    pub offered_per_s: f64,
    /// The rate at which they were completed: from the schedule's start to the last completion.
    pub achieved_per_s: f64,
}

/// What a run finds when it checks itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// Every payment drawn is covered, refused, or lost with a stopped channel; payer, payee and
    /// Layer 1 count the same; and none is left out unless the run was cut short.
    pub payments_accounted: bool,
    /// Every signature that a party made off chain was verified by the other one.
    pub signatures_verified: bool,
    /// Layer 1's accounts, channels and fees sum to its supply.
    pub supply_conserved: bool,
    /// Every payout, and every account at the end, is what the workload's own sums say.
    pub balances_match: bool,
}

impl Checks {
    /// Whether all hold.
    #[must_use]
    pub fn all(&self) -> bool {
        self.payments_accounted
            && self.signatures_verified
            && self.supply_conserved
            && self.balances_match
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
    assert!(config.shards > 0, "at least one shard");
    let accounts = Accounts::new(config.seed, workload.accounts(), |account| {
        // Opening and closing a channel cost its opener a fee each.
        let fees = workload
            .opens(account)
            .checked_mul(2)?
            .checked_mul(config.l1.fee.units())?;
        fees.checked_add(workload.allocation(account).units())
    })?;
    let genesis = accounts.genesis("channels");
    let chain = Chain::new(config.l1, &genesis, config.backend).map_err(RunError::L1)?;
    let schedule = Schedule::new(workload.sessions(), config.concurrent);
    let links: Vec<Link> = (0..config.shards)
        .map(|_| Link::new(schedule.lanes()))
        .collect();
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
    let shards: Vec<Shard<'_>> = links
        .par_iter()
        .zip(&progress)
        .enumerate()
        .map(|(index, (link, progress))| Shard::new(shared, index as u64, link, progress))
        .collect();

    let observer = std::thread::current();
    let mut clock = StageClock::start();
    let cpu_before = process_cpu_ns();
    let started = Instant::now();
    let (ends, chain, l1_clock) = std::thread::scope(|scope| {
        let l1 = scope.spawn(|| {
            let _guard = AbortOnPanic(shared);
            settle(chain, shared, &links, &l1_transactions)
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
        let (chain, l1_clock) = join(l1);
        (ends, chain, l1_clock)
    });
    let elapsed = started.elapsed();
    let cpu_ns = process_cpu_ns() - cpu_before;
    clock.lap(Stage::Observe, 0);
    let clocks = [clock, l1_clock];
    Ok(outcome(
        shared, &accounts, ends, chain, &clocks, elapsed, cpu_ns,
    ))
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

fn outcome(
    shared: &Shared<'_>,
    accounts: &Accounts,
    ends: Vec<ShardOutcome>,
    chain: Chain,
    clocks: &[StageClock],
    elapsed: Duration,
    cpu_ns: u64,
) -> Outcome {
    let mut stages = [StageCost::default(); Stage::COUNT];
    for clock in clocks.iter().chain(ends.iter().map(|end| &end.clock)) {
        for (sum, cost) in stages.iter_mut().zip(clock.costs()) {
            sum.items += cost.items;
            sum.cpu_ns += cost.cpu_ns;
        }
    }
    let sum = |count: fn(&ShardOutcome) -> u64| ends.iter().map(count).sum::<u64>();
    let mut latency = ends[0].latency.clone();
    ends[1..].iter().for_each(|end| latency.add(&end.latency));
    let mut verified = VerifierCounts::default();
    let mut rejections = BTreeMap::new();
    let mut stopped = Vec::new();
    for end in &ends {
        end.sides
            .iter()
            .for_each(|side| verified.add(side.verifier.counts()));
        for (name, count) in &end.tally.rejections {
            *rejections.entry(*name).or_default() += count;
        }
        stopped.extend_from_slice(&end.tally.stopped);
    }
    stopped.sort_unstable();
    let planned = sum(|end| end.tally.planned);
    let drawn = sum(|end| end.tally.drawn);
    let covered = sum(|end| end.tally.covered);
    let refused = sum(|end| end.refused);
    let lost = sum(|end| end.tally.lost);
    let undrawn = sum(|end| end.tally.undrawn);
    let sessions_opened = sum(|end| end.tally.sessions_opened);
    let sessions_closed = sum(|end| end.tally.sessions_closed);
    let cut_short = sessions_opened < shared.workload.sessions() || undrawn > 0;
    let signatures_made = sum(|end| end.sides.iter().map(|side| side.signer.made()).sum());
    let transaction_signatures = sum(|end| end.tally.transaction_signatures);
    let whole = rejections.is_empty();
    let checks = Checks {
        payments_accounted: planned == drawn + undrawn
            && drawn == covered + refused + lost
            && (!whole || lost == 0 && sum(|end| end.tally.received) == covered)
            && (!whole || covered == sum(|end| end.tally.settled))
            && sum(|end| end.tally.count_mismatches) == 0,
        signatures_verified: verified.forged == 0
            && verified.signatures == signatures_made - transaction_signatures,
        supply_conserved: chain.audit().is_ok(),
        balances_match: sum(|end| end.tally.payout_mismatches) == 0
            && accounts.match_ledger(&ends, &chain),
    };
    let first_ns = ends
        .iter()
        .filter_map(|end| end.tally.first_submit_ns)
        .min();
    let last_ns = ends.iter().map(|end| end.tally.last_close_ns).max();
    let wall = match (first_ns, last_ns) {
        (Some(first), Some(last)) if last > first => Duration::from_nanos(last - first),
        _ => elapsed,
    };
    Outcome {
        concurrent: shared.schedule.concurrent(),
        sessions_opened,
        sessions_closed,
        payments_planned: planned,
        payments: covered,
        payments_refused: refused,
        cut_short,
        wall,
        cpu_ns,
        stages,
        latency,
        signatures_made,
        verified,
        bytes: sum(|end| end.bytes),
        value_at_risk: ends.iter().map(|end| end.value_at_risk).max().unwrap_or(0),
        l1: *chain.load(),
        tip: *chain.tip(),
        rejections,
        stopped,
        offered: offered(shared, &ends),
        checks,
        chain,
    }
}

fn offered(shared: &Shared<'_>, ends: &[ShardOutcome]) -> Option<Offered> {
    if shared.config.arrivals == Arrivals::Closed {
        return None;
    }
    let per_s = |count: u64, span_ns: u64| count as f64 * 1e9 / span_ns.max(1) as f64;
    let span_ns = ends.iter().map(|end| end.offered_span_ns).max()?;
    let took_ns = ends
        .iter()
        .filter_map(|end| {
            Some(
                end.last_completion_ns
                    .saturating_sub(end.arrivals_started_ns?),
            )
        })
        .max()?;
    let arrived = ends.iter().map(|end| end.arrived).sum();
    let answered: u64 = ends.iter().map(|end| end.tally.covered + end.refused).sum();
    Some(Offered {
        arrived,
        offered_per_s: per_s(arrived, span_ns),
        achieved_per_s: per_s(answered, took_ns),
    })
}

/// Keys and first balances of the workload's accounts.
pub(super) struct Accounts {
    keys: Vec<PublicKey>,
    allocations: Vec<Amount>,
}

impl Accounts {
    /// Derives the keys; `units` is what an account has, fees included, if an amount can hold it.
    pub(super) fn new(
        seed: u64,
        accounts: AccountIndex,
        units: impl Fn(AccountIndex) -> Option<u64>,
    ) -> Result<Accounts, RunError> {
        let indices: Vec<AccountIndex> = (0..accounts).collect();
        let keys = indices
            .par_chunks(256)
            .flat_map_iter(|accounts| {
                let secrets = secret_keys(seed, accounts);
                secrets.into_iter().map(|secret| secret.public())
            })
            .collect();
        let allocation = |account| {
            let units = units(account).ok_or(RunError::AllocationOverflow(account))?;
            Ok(Amount::new(units))
        };
        let allocations = indices
            .into_iter()
            .map(allocation)
            .collect::<Result<_, _>>()?;
        Ok(Accounts { keys, allocations })
    }

    pub(super) fn genesis(&self, label: &str) -> Genesis {
        let allocations = self
            .keys
            .iter()
            .copied()
            .zip(self.allocations.iter().copied());
        Genesis {
            label: label.to_owned(),
            allocations: allocations.collect(),
        }
    }

    pub(super) fn key(&self, account: AccountIndex) -> PublicKey {
        self.keys[account as usize]
    }

    /// Whether every account has on Layer 1 what it began with and what the shards' own sums, taken
    /// from the workload, add to it.
    fn match_ledger(&self, ends: &[ShardOutcome], chain: &Chain) -> bool {
        let mut changes = vec![0; self.keys.len()];
        for (account, change) in ends.iter().flat_map(|end| &end.ledger) {
            changes[*account as usize] += change;
        }
        self.holds(&changes, chain)
    }

    /// Whether every account has on Layer 1 what it began with and this change.
    pub(super) fn holds(&self, changes: &[i128], chain: &Chain) -> bool {
        let expected = self.allocations.iter().zip(changes);
        self.keys
            .iter()
            .zip(expected)
            .all(|(key, (allocation, change))| {
                let balance = chain
                    .account(key)
                    .map_or(0, |account| account.balance.units());
                i128::from(balance) == i128::from(allocation.units()) + change
            })
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::L1(error) => error.fmt(f),
            RunError::AllocationOverflow(account) => write!(
                f,
                "account {account} would need more than {} units for its deposits and fees",
                u64::MAX
            ),
        }
    }
}

impl std::error::Error for RunError {}
