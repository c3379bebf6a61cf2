//! What a run did, put together from its shards, and whether it adds up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::accounts::Parties;
use super::counts::Counts;
use super::court::Disputes;
use super::deciding::Decided;
use super::latency::Latencies;
use super::pace::{Offered, Pace, offered};
use super::settle::Settled;
use super::shard::{Shard, ShardOutcome};
use super::shared::Moment;
use super::shared::Shared;
use super::stage::{Stage, StageClock, StageCost, StageCosts};
use super::tally::StoppedChannel;
use super::traffic::Traffic;
use super::workload::AccountIndex;
use duet_channels::crypto::VerifierCounts;
use duet_fabric::Waited;
use duet_ledger::l1::{Chain, Load};
use duet_log::Statistics;

/// What a run did, and whether it adds up.
#[derive(Debug)]
pub struct Outcome {
    /// Sessions that ran at once.
    pub concurrent: u64,
    /// What was counted of sessions and payments.
    pub counts: Counts,
    /// Of the payments that are covered, all that the figures are of: those completed since they
    /// began. Times, CPU time, latencies, signatures, batches and bytes are of these alone.
    pub payments_measured: u64,
    /// The run was cut short, by its duration or from outside.
    pub cut_short: bool,
    /// What the run took.
    pub times: Times,
    /// CPU time of the stages, in the order of [`Stage::ALL`].
    pub stages: StageCosts,
    /// Both latencies.
    pub latency: Latencies,
    /// What the parties did with each other.
    pub offchain: Offchain,
    /// What became of transactions, where Layer 1 has a clock and is here.
    pub traffic: Traffic,
    /// What Layer 1's validators did, if it has some and is here.
    pub decided: Option<Decided>,
    /// What Layer 1 did, in the whole life of the run; but its CPU time since the figures began.
    pub l1: Load,
    /// Channels that stopped because a rule was broken in them.
    pub stops: Stops,
    /// What became of the channels that did not end politely.
    pub disputes: Disputes,
    /// In open loop: what came due, and what became of it.
    pub offered: Option<Offered>,
    /// What the durable log did, if there was one: all its streams.
    pub log: Option<Statistics>,
    /// What was done before the run was interrupted, if it was.
    pub resumed: Option<Resumed>,
    /// Whether it adds up.
    pub checks: Checks,
    /// What is there at the end.
    pub ended: Ended,
}

impl Outcome {
    /// Layer 1 as it is at the end.
    ///
    /// # Panics
    /// Where it is on another machine.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        self.ended.chain.as_ref().expect("Layer 1 is here")
    }
}

/// What a run took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// From the first open submitted, or, after a restart, from when the links were up, to the last
    /// payout.
    pub wall: Duration,
    /// CPU time of the process from the threads' start, or, after a restart, from when the links
    /// were up, to the threads' end, in nanoseconds.
    pub cpu_ns: u64,
    /// What was spent that is in no figure: between the threads' start and when the figures began,
    /// and by validators for deciding.
    pub apart: SpentApart,
    /// Opening: sessions that were opened before the first payment, and how long that took.
    pub opening: Timing,
    /// Closing: sessions that were closed after the last payment, and how long that took.
    pub closing: Timing,
}

/// What a run leaves.
#[derive(Debug)]
pub struct Ended {
    /// Layer 1 as it is at the end; none where it is on another machine.
    pub chain: Option<Chain>,
    /// How long Layer 1 waited for each machine, where there are several and it is here.
    pub waited: Vec<Waited>,
    /// Which machine fell, and how, if one did: then the run has ended early.
    pub fallen: Option<String>,
}

/// What the parties did with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offchain {
    /// Signatures that the parties made, for states, finals and Layer 1 transactions.
    pub signatures_made: u64,
    /// What the parties' verifiers did.
    pub verified: VerifierCounts,
    /// Bytes that crossed between endpoints.
    pub bytes: u64,
    /// The largest sum that one pair of signatures covers.
    pub value_at_risk: u64,
}

/// Channels that stopped because a rule was broken in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stops {
    /// How many, by the rejection's name.
    pub rejections: BTreeMap<&'static str, u64>,
    /// The first of them.
    pub first: Vec<StoppedChannel>,
}

/// CPU time that is in no figure, and accounted for all the same: bringing the links up after a
/// restart, and what validators do together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpentApart {
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
    /// In open loop: payments that had come due and were not answered. They come due once more when
    /// the links are up, unless what is open is only closed.
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
    /// What had been done, with so many payments, and how long it took to go on.
    fn resumed(self, payments: u64, recovery: Duration) -> Resumed {
        Resumed {
            payments,
            sessions_closed: self.sessions_closed,
            channels_open: self.channels_open,
            backlog: self.backlog,
            recovery,
        }
    }

    pub(super) fn of(shards: &[Shard<'_>]) -> Restored {
        let slots = shards.iter().flat_map(|shard| &shard.slots);
        Restored {
            sessions_closed: shards
                .iter()
                .map(|shard| shard.tally.counts.sessions_closed)
                .sum(),
            channels_open: slots.filter(|slot| slot.state.open().is_some()).count() as u64,
            backlog: shards.iter().map(|shard| shard.arrivals.backlog()).sum(),
        }
    }
}

/// Sessions, and a time for all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
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
    /// Layer 1 count the same; none is left out unless the run was cut short; and in open loop
    /// every one that came due, and was not refused, is in the response times once.
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

impl SpentApart {
    /// Takes what validators do together out of all figures but their own ([`Decided`]).
    fn take(&mut self, stage: &mut StageCost, spent: Spent) -> Spent {
        let StageCost { cpu_ns, .. } = std::mem::take(stage);
        self.cpu_ns += cpu_ns;
        self.stages_ns += cpu_ns;
        Spent {
            cpu_ns: spent.cpu_ns.saturating_sub(cpu_ns),
            ..spent
        }
    }
}

/// Sums up what the shards hand over, and checks it.
pub(super) fn outcome(
    shared: &Shared<'_>,
    balances_match: impl FnOnce(&[&Parties], &[(AccountIndex, i128)], Option<&Chain>) -> bool,
    ends: &[ShardOutcome],
    settled: Settled,
    clock: &StageClock,
    spent: Spent,
    restored: Option<Restored>,
) -> Outcome {
    let log = (ends.iter().filter_map(|end| end.log.as_ref()))
        .chain(&settled.log)
        .map(|log| log.statistics.clone())
        .reduce(Statistics::with);
    let (mut stages, mut apart) = stages(ends, &settled, clock, &spent, log.as_ref());
    let spent = apart.take(&mut stages[Stage::Decide as usize], spent);
    let times = Span::of(ends, &settled, &spent, restored.is_some()).times(ends, &spent, apart);
    let Settled {
        chain,
        court,
        traffic,
        decided,
        l1_before,
        waited,
        fallen,
        ..
    } = settled;
    let (disputes, changes) = court.into_outcome(fallen.is_none());
    let mut counts: Counts = ends.iter().map(|end| end.tally.counts).sum();
    counts.sessions_closed += disputes.cases();
    let stops = Stops::of(ends);
    let mut latency = ends[0].gauges.latency.clone();
    let others = ends[1..].iter();
    others.for_each(|end| latency.add(&end.gauges.latency));
    let paces: Vec<Pace> = ends.iter().map(|end| end.pace).collect();
    let offered = offered(&shared.config.arrivals, &paces);
    let parties: Vec<&Parties> = ends.iter().map(|end| &end.parties).collect();
    let responses = latency.response.histogram().len();
    let checks = Checks {
        payments_accounted: offered.is_none_or(|of| of.arrived - of.refused == responses)
            && counts.are_accounted_for(stops.rejections.is_empty()),
        signatures_verified: are_verified(ends, &counts),
        supply_conserved: chain.as_ref().is_none_or(|chain| chain.recount().is_ok()),
        balances_match: counts.payout_mismatches + disputes.mismatches == 0
            && balances_match(&parties, &changes, chain.as_ref()),
    };
    let own_sessions = parties.iter().map(|of| of.of.sessions(&shared.schedule));
    let own_sessions: u64 = own_sessions.sum();
    let payments_before = ends.iter().map(|end| end.gauges.before.payments).sum();
    Outcome {
        log,
        resumed: restored.map(|restored| restored.resumed(payments_before, spent.recovery)),
        payments_measured: counts.covered - payments_before,
        times,
        concurrent: parties.iter().map(|of| of.slots() as u64).sum(),
        cut_short: counts.sessions_opened < own_sessions || counts.undrawn > 0,
        counts,
        stages,
        latency,
        offchain: Offchain::of(ends),
        traffic,
        decided,
        l1: chain.as_ref().map_or_else(Load::default, |chain| Load {
            cpu_ns: chain.load().cpu_ns - l1_before.cpu_ns,
            root_cpu_ns: chain.load().root_cpu_ns - l1_before.root_cpu_ns,
            ..*chain.load()
        }),
        stops,
        disputes,
        offered,
        checks,
        ended: Ended {
            chain,
            waited,
            fallen,
        },
    }
}

/// CPU time by stage, over all threads, and what was spent before the figures began.
fn stages(
    ends: &[ShardOutcome],
    settled: &Settled,
    clock: &StageClock,
    spent: &Spent,
    log: Option<&Statistics>,
) -> (StageCosts, SpentApart) {
    let mut before = SpentApart {
        cpu_ns: spent.cpu_before_ns,
        stages_ns: 0,
    };
    let mut stages = [StageCost::default(); Stage::COUNT];
    let clocks = [clock, &settled.clock];
    for clock in clocks.into_iter().chain(ends.iter().map(|end| &end.clock)) {
        before.stages_ns += clock.before_ns();
        for (sum, cost) in stages.iter_mut().zip(clock.costs()) {
            sum.items += cost.items;
            sum.cpu_ns += cost.cpu_ns;
        }
    }
    stages[Stage::Workers as usize] = StageCost {
        items: spent.workers,
        // What they verified is in a stage of its own.
        cpu_ns: (spent.workers_ns)
            .saturating_sub(settled.chain.as_ref().map_or(0, Chain::others_cpu_ns)),
    };
    let logs = ends.iter().filter_map(|end| end.log.as_ref());
    let logs = logs.chain(&settled.log);
    before.stages_ns += logs.map(|log| log.before_ns).sum::<u64>();
    if let Some(log) = log {
        let cost = &mut stages[Stage::Log as usize];
        cost.items += log.records;
        cost.cpu_ns += log.cpu_ns;
    }
    (stages, before)
}

/// Whether every signature that a party made off chain was verified by the other one, and none but
/// those of cheaters was refused.
fn are_verified(ends: &[ShardOutcome], counts: &Counts) -> bool {
    let Offchain {
        signatures_made,
        verified,
        ..
    } = Offchain::in_all(ends);
    let expected = signatures_made - counts.transaction_signatures + counts.resent;
    verified.forged == counts.poisoned_signatures && verified.signatures == expected
}

impl Counts {
    /// Whether each payment is accounted for once, and payer, payee and Layer 1 count the same. The
    /// last two do only where no channel has stopped.
    fn are_accounted_for(&self, whole: bool) -> bool {
        self.planned == self.drawn + self.undrawn + self.forgone
            && self.drawn == self.covered + self.refused + self.lost + self.poisoned
            && (!whole || self.lost == 0 && self.received == self.covered)
            && (!whole || self.covered == self.settled + self.disputed)
            && self.count_mismatches == 0
    }
}

impl Offchain {
    /// From the threads' start on.
    fn in_all(ends: &[ShardOutcome]) -> Offchain {
        let mut sum = Offchain::default();
        for end in ends {
            for legs in &end.legs {
                sum.signatures_made += legs.signer.made();
                sum.verified.add(legs.verifier.counts());
            }
            sum.bytes += end.bytes;
            sum.value_at_risk = sum.value_at_risk.max(end.gauges.value_at_risk);
        }
        sum
    }

    /// Since the figures began.
    fn of(ends: &[ShardOutcome]) -> Offchain {
        let mut sum = Offchain::in_all(ends);
        let mut verified_before = VerifierCounts::default();
        for end in ends {
            sum.signatures_made -= end.gauges.before.signatures_made;
            verified_before.add(&end.gauges.before.verified);
        }
        sum.verified = sum.verified.since(&verified_before);
        sum
    }
}

impl Stops {
    fn of(ends: &[ShardOutcome]) -> Stops {
        let mut stops = Stops::default();
        for end in ends {
            for (name, count) in &end.tally.rejections {
                *stops.rejections.entry(*name).or_default() += count;
            }
            stops.first.extend_from_slice(&end.tally.stopped);
        }
        stops.first.sort_unstable();
        stops
    }
}

/// Moments of a run, since its epoch.
struct Span {
    first_ns: Option<u64>,
    first_paid_ns: Option<u64>,
    last_paid_ns: Option<u64>,
    last_ns: Option<u64>,
    /// From the first to the last, if these are two.
    wall: Option<Duration>,
}

impl Span {
    fn of(ends: &[ShardOutcome], settled: &Settled, spent: &Spent, goes_on: bool) -> Span {
        let begun_ns = Some(spent.begun.ns);
        let submitted = ends.iter().filter_map(|end| end.tally.first_submit_ns);
        // One that goes on may open nothing any more.
        let first_ns = if goes_on { begun_ns } else { submitted.min() };
        let last_ns = ends.iter().map(|end| end.tally.last_close_ns).max();
        let last_ns = last_ns.max(settled.last_payout_ns);
        let last_paid_ns = ends.iter().map(|end| end.gauges.last_completion_ns).max();
        let wall = first_ns.zip(last_ns).filter(|(first, last)| last > first);
        Span {
            first_ns,
            first_paid_ns: ends.iter().filter_map(|end| end.gauges.first_wave_ns).min(),
            // Where nothing was paid, all that followed the first open is closing.
            last_paid_ns: last_paid_ns.max(first_ns).max(begun_ns),
            last_ns,
            wall: wall.map(|(first, last)| Duration::from_nanos(last - first)),
        }
    }

    fn times(&self, ends: &[ShardOutcome], spent: &Spent, apart: SpentApart) -> Times {
        Times {
            wall: self.wall.unwrap_or(spent.elapsed),
            cpu_ns: spent.cpu_ns,
            apart,
            opening: self.opening(ends, spent),
            closing: self.closing(ends, spent),
        }
    }

    fn between(from: Option<u64>, to: Option<u64>) -> Duration {
        let span = from.zip(to).and_then(|(from, to)| to.checked_sub(from));
        Duration::from_nanos(span.unwrap_or(0))
    }

    fn opening(&self, ends: &[ShardOutcome], spent: &Spent) -> Timing {
        let gauges = || ends.iter().map(|end| &end.gauges);
        let opened = gauges().map(|of| {
            of.opened_before_paying
                .saturating_sub(of.before.sessions_opened)
        });
        let cpu_ns = gauges().filter_map(|of| of.cpu_before_paying_ns).min();
        Timing {
            sessions: opened.sum(),
            wall: Span::between(self.first_ns, self.first_paid_ns),
            cpu_ns: cpu_ns.map_or(0, |cpu| cpu.saturating_sub(spent.begun.cpu_ns)),
        }
    }

    fn closing(&self, ends: &[ShardOutcome], spent: &Spent) -> Timing {
        let gauges = || ends.iter().map(|end| &end.gauges);
        let is_after = |at_ns: u64| self.last_paid_ns.is_none_or(|paid_ns| at_ns >= paid_ns);
        let closed = gauges().flat_map(|of| &of.closed_since);
        let closed = closed.filter(|(at_ns, _)| is_after(*at_ns));
        let (from, to) = (spent.begun.cpu_ns, spent.begun.cpu_ns + spent.cpu_ns);
        let paid = gauges().map(|of| of.cpu_after_paying_ns).max();
        Timing {
            sessions: closed.map(|(_, count)| count).sum(),
            wall: Span::between(self.last_paid_ns, self.last_ns),
            cpu_ns: to - paid.unwrap_or(0).clamp(from, to),
        }
    }
}
