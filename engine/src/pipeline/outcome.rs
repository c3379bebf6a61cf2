//! What a run did, put together from its shards, and whether it adds up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::accounts::{Accounts, Parties};
use super::court::Disputes;
use super::latency::Latencies;
use super::pace::{Offered, Pace, offered};
use super::settle::Settled;
use super::shard::{Shard, ShardOutcome};
use super::shared::Moment;
use super::shared::Shared;
use super::stage::{Stage, StageClock, StageCost, StageCosts};
use super::tally::StoppedChannel;
use super::workload::AccountIndex;
use crate::crypto::{Digest, VerifierCounts};
use crate::l1::{Chain, Load};
use crate::log::Statistics;

/// What a run did, and whether it adds up.
#[derive(Debug)]
pub struct Outcome {
    /// Sessions that ran at once.
    pub concurrent: u64,
    /// Sessions whose channel was opened.
    pub sessions_opened: u64,
    /// Sessions whose channel was closed, politely or after a dispute.
    pub sessions_closed: u64,
    /// Payments of the sessions that were opened.
    pub payments_planned: u64,
    /// Payments that a co-signed state covers.
    pub payments: u64,
    /// Of these, all that the figures are of: those completed since they began. Times, CPU time,
    /// latencies, signatures, batches and bytes are of these alone.
    pub payments_measured: u64,
    /// Payments that the payer's own endpoint refused for lack of balance.
    pub payments_refused: u64,
    /// The run was cut short, by its duration or from outside.
    pub cut_short: bool,
    /// Sessions that ended before their payments were made, by an interrupt or by the planned end,
    /// before a restart included.
    pub sessions_cut: u64,
    /// From the first open submitted, or, after a restart, from when the links were up, to the last
    /// payout.
    pub wall: Duration,
    /// CPU time of the process from the threads' start, or, after a restart, from when the links
    /// were up, to the threads' end, in nanoseconds.
    pub cpu_ns: u64,
    /// What was spent between the threads' start and when the figures began.
    pub before: SpentBefore,
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
    /// What Layer 1 did, in the whole life of the run; but its CPU time since the figures began.
    pub l1: Load,
    /// The last block's hash.
    pub tip: Digest,
    /// Channels that stopped, by the rejection's name.
    pub rejections: BTreeMap<&'static str, u64>,
    /// The first of them.
    pub stopped: Vec<StoppedChannel>,
    /// What became of the channels that did not end politely.
    pub disputes: Disputes,
    /// In open loop: what came due, and what became of it.
    pub offered: Option<Offered>,
    /// What the durable log did, if there was one: all its streams.
    pub log: Option<Statistics>,
    /// What was done before the run was interrupted, if it was.
    pub resumed: Option<Resumed>,
    /// Opening: sessions that were opened before the first payment, and how long that took.
    pub opening: Phase,
    /// Closing: sessions that were closed after the last payment, and how long that took.
    pub closing: Phase,
    /// Whether it adds up.
    pub checks: Checks,
    /// Layer 1 as it is at the end.
    pub chain: Chain,
}

/// CPU time that is in no figure, and accounted for all the same: bringing the links up after a
/// restart. Nothing in any other run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpentBefore {
    /// CPU time of the process, in nanoseconds.
    pub cpu_ns: u64,
    /// CPU time of all stages, in nanoseconds.
    pub stages_ns: u64,
}

/// What a run had done before it went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// Payments that a co-signed state covered when the links were up.
    pub payments: u64,
    /// In open loop: payments that had come due and were not answered. They come due once more when the
    /// links are up, unless what is open is only closed.
    pub backlog: u64,
    /// Sessions that were closed.
    pub sessions_closed: u64,
    /// Channels that were open.
    pub channels_open: u64,
    /// From the start of deriving keys and reading the log until the links were up.
    pub recovery: Duration,
}

/// What a log held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restored {
    sessions_closed: u64,
    channels_open: u64,
    backlog: u64,
}

impl Restored {
    pub(super) fn of(shards: &[Shard<'_>]) -> Restored {
        let slots = shards.iter().flat_map(|shard| &shard.slots);
        Restored {
            sessions_closed: shards.iter().map(|shard| shard.tally.sessions_closed).sum(),
            channels_open: slots.filter(|slot| slot.phase.open().is_some()).count() as u64,
            backlog: shards.iter().map(|shard| shard.arrivals.backlog()).sum(),
        }
    }
}

/// Sessions, and a time for all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phase {
    /// How many.
    pub sessions: u64,
    /// How long.
    pub wall: Duration,
    /// CPU time of the process in it, in nanoseconds.
    pub cpu_ns: u64,
}

/// What a run finds when it checks itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// Every payment drawn is covered, refused, or lost with a stopped channel; payer, payee and
    /// Layer 1 count the same; none is left out unless the run was cut short; and in open loop every one
    /// that came due, and was not refused, is in the response times once.
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

/// What a run took.
pub(super) struct Spent {
    /// From the start of deriving keys until the figures began.
    pub(super) recovery: Duration,
    pub(super) begun: Moment,
    /// Since the figures began.
    pub(super) elapsed: Duration,
    /// The process's CPU time between the threads' start and when the figures began, and since.
    pub(super) cpu_before_ns: u64,
    pub(super) cpu_ns: u64,
    /// Rayon's workers, and their CPU time since the threads' start.
    pub(super) workers: u64,
    pub(super) workers_ns: u64,
}

/// Sums up what the shards hand over, and checks it.
pub(super) fn outcome(
    shared: &Shared<'_>,
    accounts: &Accounts<'_, impl Fn(AccountIndex) -> Option<u64>>,
    ends: &[ShardOutcome],
    settled: Settled,
    clock: &StageClock,
    spent: Spent,
    restored: Option<Restored>,
) -> Outcome {
    let Spent {
        recovery,
        begun,
        elapsed,
        cpu_before_ns,
        cpu_ns,
        workers,
        workers_ns,
    } = spent;
    let Settled {
        chain,
        clock: l1_clock,
        court,
        l1_cpu_before_ns,
        last_payout_ns,
        log: l1_log,
    } = settled;
    let mut before = SpentBefore {
        cpu_ns: cpu_before_ns,
        stages_ns: 0,
    };
    let mut stages = [StageCost::default(); Stage::COUNT];
    let clocks = [clock, &l1_clock];
    for clock in clocks.into_iter().chain(ends.iter().map(|end| &end.clock)) {
        before.stages_ns += clock.before_ns();
        for (sum, cost) in stages.iter_mut().zip(clock.costs()) {
            sum.items += cost.items;
            sum.cpu_ns += cost.cpu_ns;
        }
    }
    stages[Stage::Workers as usize] = StageCost {
        items: workers,
        // What they verified is in a stage of its own.
        cpu_ns: workers_ns.saturating_sub(chain.others_cpu_ns()),
    };
    let logs = || {
        ends.iter()
            .filter_map(|end| end.log.as_ref())
            .chain(&l1_log)
    };
    before.stages_ns += logs().map(|log| log.before_ns).sum::<u64>();
    let log = logs()
        .map(|log| log.statistics.clone())
        .reduce(Statistics::with);
    if let Some(log) = &log {
        let cost = &mut stages[Stage::Log as usize];
        cost.items += log.records;
        cost.cpu_ns += log.cpu_ns;
    }
    let sum = |count: fn(&ShardOutcome) -> u64| ends.iter().map(count).sum::<u64>();
    let mut latency = ends[0].latency.clone();
    ends[1..].iter().for_each(|end| latency.add(&end.latency));
    let mut verified = VerifierCounts::default();
    let mut rejections = BTreeMap::new();
    let mut stopped = Vec::new();
    for end in ends {
        end.legs
            .iter()
            .for_each(|legs| verified.add(legs.verifier.counts()));
        for (name, count) in &end.tally.rejections {
            *rejections.entry(*name).or_default() += count;
        }
        stopped.extend_from_slice(&end.tally.stopped);
    }
    stopped.sort_unstable();
    let planned = sum(|end| end.tally.planned);
    let drawn = sum(|end| end.tally.drawn);
    let covered = sum(|end| end.tally.covered);
    let refused = sum(|end| end.tally.refused);
    let lost = sum(|end| end.tally.lost);
    let poisoned = sum(|end| end.tally.poisoned);
    let undrawn = sum(|end| end.tally.undrawn);
    let sessions_opened = sum(|end| end.tally.sessions_opened);
    let (disputes, changes) = court.into_outcome();
    let sessions_closed = sum(|end| end.tally.sessions_closed) + disputes.cases();
    let forgone = sum(|end| end.tally.forgone);
    let contested = sum(|end| end.tally.contested);
    let cut_short = sessions_opened < shared.workload.sessions() || undrawn > 0;
    let made_in_all = sum(|end| end.legs.iter().map(|legs| legs.signer.made()).sum());
    let verified_before = ends.iter().fold(VerifierCounts::default(), |mut sum, end| {
        sum.add(&end.before.verified);
        sum
    });
    let payments_before = sum(|end| end.before.payments);
    let transaction_signatures = sum(|end| end.tally.transaction_signatures);
    let whole = rejections.is_empty();
    let parties: Vec<&Parties> = ends.iter().map(|end| &end.parties).collect();
    let paces: Vec<Pace> = ends.iter().map(|end| end.pace).collect();
    let offered = offered(&shared.config.arrivals, &paces);
    let responses = latency.response.histogram().len();
    let checks = Checks {
        payments_accounted: offered.is_none_or(|of| of.arrived - of.refused == responses)
            && planned == drawn + undrawn + forgone
            && drawn == covered + refused + lost + poisoned
            && (!whole || lost == 0 && sum(|end| end.tally.received) == covered)
            && (!whole || covered == sum(|end| end.tally.settled) + contested)
            && sum(|end| end.tally.count_mismatches) == 0,
        signatures_verified: verified.forged == sum(|end| end.tally.poisoned_signatures)
            && verified.signatures
                == made_in_all - transaction_signatures + sum(|end| end.tally.resent),
        supply_conserved: chain.audit().is_ok(),
        balances_match: sum(|end| end.tally.payout_mismatches) + disputes.mismatches == 0
            && accounts.match_ledger(&parties, shared.workload, &changes, &chain),
    };
    let first_ns = match restored {
        // It may open nothing any more.
        Some(_) => Some(begun.ns),
        None => ends
            .iter()
            .filter_map(|end| end.tally.first_submit_ns)
            .min(),
    };
    let last_ns = ends.iter().map(|end| end.tally.last_close_ns).max();
    let last_ns = last_ns.max(last_payout_ns);
    let wall = match (first_ns, last_ns) {
        (Some(first), Some(last)) if last > first => Duration::from_nanos(last - first),
        _ => elapsed,
    };
    let first_paid_ns = ends.iter().filter_map(|end| end.first_wave_ns).min();
    let last_paid_ns = ends.iter().map(|end| end.last_completion_ns).max();
    // Where nothing was paid, all that followed the first open is closing.
    let last_paid_ns = last_paid_ns.max(first_ns).max(Some(begun.ns));
    let span = |from: Option<u64>, to: Option<u64>| {
        let span = from.zip(to).and_then(|(from, to)| to.checked_sub(from));
        Duration::from_nanos(span.unwrap_or(0))
    };
    let opening = Phase {
        sessions: sum(|end| {
            let opened = end.opened_before_paying;
            opened.saturating_sub(end.before.sessions_opened)
        }),
        wall: span(first_ns, first_paid_ns),
        cpu_ns: (ends.iter().filter_map(|end| end.cpu_before_paying_ns).min())
            .map_or(0, |cpu| cpu.saturating_sub(begun.cpu_ns)),
    };
    let closing = Phase {
        sessions: (ends.iter().flat_map(|end| &end.closed_since))
            .filter(|(at_ns, _)| last_paid_ns.is_none_or(|paid_ns| *at_ns >= paid_ns))
            .map(|(_, count)| count)
            .sum(),
        wall: span(last_paid_ns, last_ns),
        cpu_ns: begun.cpu_ns + cpu_ns
            - ends
                .iter()
                .map(|end| end.cpu_after_paying_ns)
                .max()
                .unwrap_or(0)
                .clamp(begun.cpu_ns, begun.cpu_ns + cpu_ns),
    };
    Outcome {
        log,
        resumed: restored.map(|restored| Resumed {
            payments: payments_before,
            sessions_closed: restored.sessions_closed,
            channels_open: restored.channels_open,
            backlog: restored.backlog,
            recovery,
        }),
        before,
        payments_measured: covered - payments_before,
        opening,
        closing,
        concurrent: shared.schedule.concurrent(),
        sessions_opened,
        sessions_closed,
        payments_planned: planned,
        payments: covered,
        payments_refused: refused,
        cut_short,
        sessions_cut: sum(|end| end.tally.sessions_cut),
        wall,
        cpu_ns,
        stages,
        latency,
        signatures_made: made_in_all - sum(|end| end.before.signatures_made),
        verified: verified.since(&verified_before),
        bytes: sum(|end| end.bytes),
        value_at_risk: ends.iter().map(|end| end.value_at_risk).max().unwrap_or(0),
        l1: Load {
            cpu_ns: chain.load().cpu_ns - l1_cpu_before_ns,
            ..*chain.load()
        },
        tip: *chain.tip(),
        rejections,
        stopped,
        disputes,
        offered,
        checks,
        chain,
    }
}
