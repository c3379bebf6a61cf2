//! From what was measured to the run file.

use std::collections::BTreeMap;
use std::time::Duration;

use duet_engine::consensus::Finality;
use duet_engine::l1::{self, COOPERATIVE_CLOSE_BYTES, Load};
use duet_engine::pipeline::{
    self, Alone, Arrivals, Decided, DirectOutcome, Fed, Latency, OfKind, Outcome, Stage,
    TrafficKind, WholeSystem, validators_digest,
};
use duet_run_file::histogram;
use duet_run_file::run_file::{
    Achieved, Assurance, AttackCost, Checks, DirectClient, DirectLoad, Disputes, Durability,
    ENDED_EARLY, Engine, L1, L1Alone, L1Arm, L1Chain, L1Consensus, L1Fed, L1Load, L1Moment,
    L1Quantiles, L1Traffic, L1Wait, L1WholeSystem, LatencyHistogram, LatencyNs, Machine, Memory,
    NOT_HELD, Offchain, Offload, OpenLoop, Percentiles, Phase, Ratio, Resumed, RunFile, SCHEMA,
    Sample, Stage as StageRow,
};
use duet_terminal::human;
use hdrhistogram::Histogram;

use crate::file_system::FileSystem;
use crate::machine;
use crate::offered::open_loop;
use crate::plan::Plan;

/// All that was measured.
pub struct Measured {
    /// What the channels did.
    pub outcome: Outcome,
    /// What the baseline did, if it ran.
    pub direct: Option<DirectOutcome>,
    /// What it did by other means, by name, if that was asked for.
    pub arms: Vec<(String, DirectOutcome)>,
    /// What Layer 1 did with nothing beside it, if that was asked for.
    pub alone: Option<Alone>,
    /// What systems of other numbers of validators would do, if the run has some.
    pub whole_systems: Vec<WholeSystem>,
    /// Over time.
    pub series: Vec<Sample>,
    /// The rate over the middle of the run.
    pub steady_payments_per_s: Option<f64>,
    /// The parts of the whole.
    pub phases: Vec<Phase>,
    /// Ctrl-C.
    pub interrupted: bool,
    /// Ctrl-C before the baseline.
    pub channels_interrupted: bool,
    /// No payments were asked for: only that what is open is closed.
    pub only_closed: bool,
    /// Seconds since 1970.
    pub started_unix_s: u64,
    /// When the figures began, in milliseconds since 1970.
    pub began_unix_ms: u64,
    /// Memory before the run, in bytes.
    pub rss_before_bytes: u64,
    /// Peak memory after the channels' part, in bytes.
    pub peak_rss_bytes: u64,
    /// The shares of the machine's CPU time that its host gave to other guests, and that its other
    /// processes took, while channels ran.
    pub taken: Option<(f64, f64)>,
}

impl Measured {
    /// The run has ended early, for this reason.
    pub fn ended_early(&mut self, problem: String) {
        self.outcome.ended.fallen = Some(problem);
    }
}

/// Makes the run file, and judges the run.
#[must_use]
#[expect(clippy::too_many_lines, reason = "the run file, field by field")]
pub fn record(plan: &Plan, command: Vec<String>, measured: &Measured) -> RunFile {
    let Measured {
        outcome, direct, ..
    } = measured;
    let checks = checks(outcome);
    let invalid_reasons = invalid_reasons(plan, measured, &checks);
    let offchain_ns: u64 = Stage::ALL
        .iter()
        .zip(&outcome.stages)
        .filter(|(stage, _)| stage.is_offchain())
        .map(|(_, cost)| cost.cpu_ns)
        .sum();
    let wall_s = outcome.times.wall.as_secs_f64();
    // Not finite, and so `null`, where nothing was measured.
    let ratio = |a: u64, b: u64| a as f64 / b as f64;
    let payments = outcome.payments_measured;
    let state_root = plan.config.l1.state_root;
    let proposals = outcome.stages[Stage::Accept as usize].items;
    RunFile {
        schema: SCHEMA,
        command,
        started_unix_s: measured.started_unix_s,
        workload: duet_run_file::run_file::Workload {
            // Where the channels were interrupted, Layer 1's blocks are cut.
            reproducible: plan.description.reproducible
                && !measured.channels_interrupted
                && outcome.resumed.is_none(),
            ..plan.description.clone()
        },
        engine: Engine {
            backend: plan.config.backend.name().to_owned(),
            backend_reason: plan.backend_reason.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: env!("DUET_COMMIT").to_owned(),
        },
        assurance: Assurance {
            cosign_every: u64::from(plan.config.rules.cosign_every),
            payments_per_cosigning: (proposals > 0).then(|| ratio(payments, proposals)),
            in_flight: u64::from(plan.config.rules.in_flight),
            signatures_per_key_per_batch: ratio(
                outcome.offchain.verified.signatures,
                outcome.offchain.verified.keys,
            ),
            batch_size: ratio(
                outcome.offchain.verified.signatures,
                outcome.offchain.verified.batches,
            ),
            durability: plan.durability.name().to_owned(),
            both_endpoints_checked: true,
            value_at_risk_max: outcome.offchain.value_at_risk,
        },
        achieved: Achieved {
            payments: outcome.counts.covered,
            payments_measured: Some(payments),
            wall_s,
            payments_per_s: match payments {
                0 => f64::NAN,
                _ if wall_s == 0.0 => f64::NAN,
                _ => payments as f64 / wall_s,
            },
            steady_payments_per_s: measured.steady_payments_per_s,
            cpu_s: seconds(outcome.times.cpu_ns),
            valid: invalid_reasons.is_empty(),
            invalid_reasons,
            phases: measured.phases.clone(),
            interrupted: measured.interrupted || outcome.ended.fallen.is_some(),
            sessions_opened: outcome.counts.sessions_opened,
            sessions_closed: outcome.counts.sessions_closed,
            sessions_cut: outcome.counts.sessions_cut,
            channels_stopped: outcome.stops.rejections.values().sum::<u64>()
                + outcome.disputes.rejections.values().sum::<u64>(),
            payments_refused: outcome.counts.refused,
            open_loop: outcome.offered.as_ref().map(open_loop),
        },
        latency_ns: LatencyNs {
            response: recorded(&outcome.latency.response).map(Percentiles::of),
            service: recorded(&outcome.latency.service).map(Percentiles::of),
        },
        latency_histogram: LatencyHistogram {
            response: recorded(&outcome.latency.response).map(histogram::encode),
            service: recorded(&outcome.latency.service).map(histogram::encode),
        },
        series: measured.series.clone(),
        offchain: Offchain {
            signatures_made: outcome.offchain.signatures_made,
            signature_verifications: outcome.offchain.verified.signatures,
            bytes: outcome.offchain.bytes,
            cpu_s: seconds(offchain_ns),
            direct_client: direct.as_ref().map(|direct| DirectClient {
                signatures_made: direct.client_signatures,
                cpu_s: seconds(direct.client_cpu_ns),
            }),
        },
        l1: L1 {
            channels: load(
                &outcome.l1,
                state_root && outcome.ended.chain.is_some(),
                // None where Layer 1 is on another machine.
                (outcome.ended.chain.as_ref())
                    .map_or_else(String::new, |chain| chain.tip().to_string()),
            ),
            // Nothing was taken off Layer 1 when nothing was paid.
            offload: direct
                .as_ref()
                .filter(|_| payments > 0)
                .map(|direct| offload(outcome, direct)),
            direct: direct.as_ref().map(|direct| DirectLoad {
                load: load(&direct.l1, state_root, direct.tip.to_string()),
                sampled_sessions: direct.sessions,
                payments: direct.payments,
            }),
            alone: measured.alone.as_ref().map(alone),
            arms: arms(plan, &measured.arms),
            chain: chain(plan, measured),
        },
        checks,
        disputes: (outcome.disputes.cases() > 0).then(|| disputes(&outcome.disputes)),
        durability: durability(plan, measured),
        rejections: rejections(outcome),
        stages: stages(outcome),
        memory: Memory {
            peak_rss_bytes: machine::peak_rss_bytes(),
            bytes_per_channel: measured
                .peak_rss_bytes
                .saturating_sub(measured.rss_before_bytes)
                .checked_div(channels_at_once(outcome)),
        },
        machine: Machine {
            stolen_share: measured.taken.map(|(stolen, _)| stolen),
            others_share: measured.taken.map(|(_, others)| others),
            ..machine::machine()
        },
        part: plan
            .part
            .as_ref()
            .map(|part| part.record(measured.began_unix_ms)),
        merged: None,
    }
}

/// The most channels that were open at once: as many as may be, if the run came to so many.
fn channels_at_once(outcome: &Outcome) -> u64 {
    let closed_before = outcome.resumed.map_or(0, |resumed| resumed.sessions_closed);
    let here = outcome.counts.sessions_opened.saturating_sub(closed_before);
    outcome.concurrent.min(here)
}

/// What the durable log did, if there was one.
fn durability(plan: &Plan, measured: &Measured) -> Option<Durability> {
    let outcome = &measured.outcome;
    let log = outcome.log.as_ref()?;
    let directory = &plan.config.log.as_ref()?.directory;
    let file_system = FileSystem::of(directory);
    let sync_ns = |quantile| log.sync_ns.value_at_quantile(quantile);
    Some(Durability {
        directory: directory.display().to_string(),
        file_system: file_system.kind,
        in_memory: file_system.in_memory,
        commits: log.batches,
        records: log.records,
        bytes_written: log.bytes_written,
        syncs: log.syncs(),
        sync_p50_ns: sync_ns(0.5),
        sync_p99_ns: sync_ns(0.99),
        sync_max_ns: log.sync_ns.max(),
        sync_histogram: (!log.sync_ns.is_empty()).then(|| histogram::encode(&log.sync_ns)),
        resumed: outcome.resumed.map(|resumed| Resumed {
            payments: resumed.payments,
            sessions_closed: resumed.sessions_closed,
            channels_open: resumed.channels_open,
            backlog: resumed.backlog,
            only_closed: Some(measured.only_closed),
            recovery_s: resumed.recovery.as_secs_f64(),
        }),
    })
}

/// Rule breaks by name: those that attacks provoked, and those that nobody asked for.
fn rejections(outcome: &Outcome) -> BTreeMap<String, u64> {
    let mut rejections = named(&outcome.stops.rejections);
    for (name, count) in &outcome.disputes.rejections {
        *rejections.entry((*name).to_owned()).or_default() += count;
    }
    rejections
}

fn disputes(disputes: &pipeline::Disputes) -> Disputes {
    let cost = |cost: &pipeline::AttackCost| AttackCost {
        cases: cost.cases,
        punishments: cost.punishments,
        transactions: cost.transactions,
        paid_by_honest: cost.paid_by_honest,
        fees_by_honest: cost.fees_of_honest,
        fees_by_cheaters: cost.fees_of_cheaters,
        locked_unit_blocks: cost.locked_unit_blocks,
        bytes: cost.bytes,
        extra_transactions_per_case: cost.transactions as f64 / cost.cases as f64 - 1.0,
        extra_bytes_per_case: cost.bytes as f64 / cost.cases as f64
            - COOPERATIVE_CLOSE_BYTES as f64,
    };
    let stopped = Some(("none".to_owned(), cost(&disputes.stopped)));
    let attacks = disputes.attacks.iter();
    Disputes {
        closes: disputes.closes,
        answers: disputes.answers,
        punishments: disputes.punishments,
        lost_by_honest: disputes.lost_by_honest,
        honest_losers: disputes.honest_losers,
        honest_punished: disputes.honest_punished,
        late_posts: disputes.late_posts,
        attacks: attacks
            .map(|(attack, found)| (attack.name().to_owned(), cost(found)))
            .chain(stopped.filter(|_| disputes.stopped.cases > 0))
            .collect(),
        refused: named(&disputes.refused),
    }
}

fn named(counts: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    let named = counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count));
    named.collect()
}

/// A phase's name, time and CPU time.
#[must_use]
pub fn phase(name: &str, wall: Duration, cpu_ns: u64) -> Phase {
    Phase {
        name: name.to_owned(),
        wall_s: wall.as_secs_f64(),
        cpu_s: seconds(cpu_ns),
        sessions: None,
    }
}

/// The run's checks of itself; its CPU time is that from the threads' start to their end.
fn checks(outcome: &Outcome) -> Checks {
    let stages = outcome.stages.iter().map(|stage| stage.cpu_ns);
    let stages_ns = outcome.times.apart.stages_ns + stages.sum::<u64>();
    let checked = outcome.ended.fallen.is_none();
    Checks {
        payments_accounted: checked && outcome.checks.payments_accounted,
        signatures_verified: checked && outcome.checks.signatures_verified,
        supply_conserved: checked && outcome.checks.supply_conserved,
        balances_match: checked && outcome.checks.balances_match,
        stage_cpu_share: stages_ns as f64 / process_cpu_ns(outcome) as f64,
    }
}

/// CPU time of the process from the threads' start to their end.
fn process_cpu_ns(outcome: &Outcome) -> u64 {
    outcome.times.apart.cpu_ns + outcome.times.cpu_ns
}

#[expect(clippy::too_many_lines, reason = "a list of what makes a run INVALID")]
fn invalid_reasons(plan: &Plan, measured: &Measured, checks: &Checks) -> Vec<String> {
    let Measured {
        outcome, direct, ..
    } = measured;
    let mut reasons = Vec::new();
    if let Some(problem) = &outcome.ended.fallen {
        // Of what is half done nothing can be checked.
        return vec![format!("{ENDED_EARLY}: {problem}")];
    }
    let mut require = |holds: bool, reason: String| {
        if !holds {
            reasons.push(reason);
        }
    };
    require(
        checks.payments_accounted,
        "not every payment is accounted for".to_owned(),
    );
    require(
        checks.signatures_verified,
        "not every signature was verified".to_owned(),
    );
    require(
        checks.supply_conserved,
        "Layer 1's supply is not conserved".to_owned(),
    );
    require(
        checks.balances_match,
        "final balances differ from the workload's own sums".to_owned(),
    );
    let stopped: u64 = outcome.stops.rejections.values().sum();
    require(
        stopped == 0,
        format!("{stopped} channels stopped on a rejection"),
    );
    // What goes on may have nothing left to pay.
    let is_resumed = outcome.resumed.is_some();
    require(
        outcome.counts.covered > 0 || is_resumed,
        "no payment was made".to_owned(),
    );
    let window = u64::from(plan.config.challenge_window_blocks);
    let delay = plan.description.delay_blocks();
    if let Some(reason) = disputes(&outcome.disputes).unjust(window, delay) {
        require(false, reason);
    }
    if let Some(reason) = checks.unaccounted(seconds(process_cpu_ns(outcome))) {
        require(false, reason);
    }
    // What was only closed had no rate to hold.
    let offered = outcome.offered.as_ref().filter(|_| !measured.only_closed);
    let open_loop = offered.map(open_loop);
    if let Some(reason) = open_loop.as_ref().and_then(OpenLoop::not_held) {
        require(false, format!("{NOT_HELD}: {reason}"));
    }
    if let (Some(open_loop), Arrivals::Poisson { per_s }) = (open_loop, plan.config.arrivals)
        && !plan.config.attacks.is_empty()
        && let Some(offered_per_s) = offered_in_part(&open_loop, per_s)
    {
        require(
            false,
            format!(
                "{} payments/s came due of --rate {}: cheated sessions end early, and their shard's \
                 part of the rate with them; expected --shards 1",
                human::figure(offered_per_s),
                human::figure(per_s)
            ),
        );
    }
    if let Some(alone) = &measured.alone {
        require(alone.is_same, "Layer 1 alone made other blocks".to_owned());
    }
    if let Some(direct) = direct {
        require(
            direct.supply_conserved,
            "the baseline's supply is not conserved".to_owned(),
        );
        require(
            direct.balances_match,
            "the baseline's final balances differ from the workload's own sums".to_owned(),
        );
    }
    for (name, arm) in &measured.arms {
        require(
            arm.supply_conserved && arm.balances_match,
            format!("the final balances of --arms {name} differ from the workload's own sums"),
        );
    }
    reasons
}

/// The rate at which payments came due, if that is below what was asked for by more than chance:
/// the number of n arrivals of a Poisson process deviates by √n.
fn offered_in_part(open_loop: &OpenLoop, per_s: f64) -> Option<f64> {
    let deviation = 1.0 / (open_loop.arrived.max(1) as f64).sqrt();
    let is_less = open_loop.offered_per_s < per_s * (0.99 - 5.0 * deviation);
    is_less.then_some(open_loop.offered_per_s)
}

/// Layer 1's own limits.
fn alone(alone: &Alone) -> L1Alone {
    let fed = |of: &Fed| L1Fed {
        transactions: of.transactions,
        wall_s: of.wall.as_secs_f64(),
        cpu_s: seconds(of.cpu_ns),
    };
    L1Alone {
        opens: fed(&alone.opens),
        closes: fed(&alone.closes),
        disputes: fed(&alone.disputes),
    }
}

/// What Layer 1 did with the baseline's payments by other means.
fn arms(plan: &Plan, arms: &[(String, DirectOutcome)]) -> BTreeMap<String, L1Arm> {
    let state_root = plan.config.l1.state_root;
    let arm = |(name, arm): &(String, DirectOutcome)| {
        let of = L1Arm {
            load: load(&arm.l1, state_root, arm.tip.to_string()),
            sampled_sessions: arm.sessions,
            payments: arm.payments,
            units: plan.config.l1.units.map(|_| arm.units),
            fees: arm.fees,
            most_waiting: arm.most_waiting,
            most_owed: arm.most_owed,
            balances_match: arm.balances_match && arm.supply_conserved,
        };
        (name.clone(), of)
    };
    arms.iter().map(arm).collect()
}

/// Layer 1's own time, and how its room was used, where it has a clock and is here.
fn chain(plan: &Plan, measured: &Measured) -> Option<L1Chain> {
    let (outcome, direct) = (&measured.outcome, measured.direct.as_ref());
    let chain = outcome.ended.chain.as_ref()?;
    let pace = plan.config.l1.pace?;
    let (space, height) = (chain.space(), chain.height());
    let block_units = plan
        .config
        .l1
        .units
        .map_or(f64::NAN, |units| units.block as f64);
    // A run's transactions are all of channels.
    let of_channels = plan.config.l1.units.and_then(|units| units.of_channels);
    let late_ms = outcome
        .decided
        .as_ref()
        .map_or(0, |decided| decided.late_ms);
    let time_ms = |blocks: u64| blocks * pace.interval_ms + late_ms;
    let occupancy = |blocks: u64| space.units as f64 / (blocks as f64 * block_units);
    let has_base = matches!(plan.config.l1.order, l1::Order::BaseFee { .. });
    let traffic = TrafficKind::ALL.iter().map(|kind| {
        let of = outcome.traffic.of(*kind);
        (kind.name().to_owned(), traffic(of))
    });
    Some(L1Chain {
        time_s: time_ms(height) as f64 / 1e3,
        height,
        empty_blocks: space.empty_blocks,
        idle_bytes: space.empty_blocks * plan.config.l1.header_bytes() as u64,
        units: space.units,
        occupancy: occupancy(height),
        occupancy_when_used: occupancy(chain.load().blocks),
        channels_occupancy_when_used: of_channels.map(|units| {
            let all = chain.load().blocks as f64 * units as f64;
            space.units as f64 / all
        }),
        highest_base_fee: has_base.then_some(space.highest_base.0),
        fees: chain.totals().fees.units(),
        state_entries: chain.state_entries(),
        sessions_not_opened: outcome.counts.opens_given_up,
        closes_given_up: outcome.counts.closes_given_up,
        direct_units: direct.map(|direct| direct.units),
        course: course(outcome, block_units, has_base),
        consensus: (outcome.decided.as_ref()).map(|decided| L1Consensus {
            whole_system: measured.whole_systems.iter().map(whole_system).collect(),
            ..consensus(plan, outcome, decided)
        }),
        traffic: traffic
            .filter(|(_, of)| of.included + of.refused + of.evicted + of.outbid + of.given_up > 0)
            .collect(),
    })
}

/// What its validators did.
fn consensus(plan: &Plan, outcome: &Outcome, decided: &Decided) -> L1Consensus {
    let Decided {
        counts,
        finality,
        others,
        late_ms,
    } = decided;
    let asked = plan.config.validators.as_ref();
    let late = &outcome.traffic.answers_late;
    L1Consensus {
        validators: asked.map_or(0, |asked| u64::from(asked.count)),
        keys: validators_digest(&plan.config).map_or_else(String::new, |keys| keys.to_string()),
        faulty: asked.map_or(0, |asked| u64::from(asked.faults.count())),
        heights: counts.heights,
        more_rounds: counts.more_rounds,
        not_reached: counts.not_reached,
        late_s: *late_ms as f64 / 1e3,
        censored_blocks: others.censored,
        vain_blocks: others.empty,
        messages: counts.messages,
        bytes: counts.bytes,
        block_bytes: counts.block_bytes,
        signatures: counts.signatures,
        forged: counts.forged,
        charged_verifications: counts.verifications,
        timeouts: counts.timeouts,
        evidence: counts.evidence,
        cpu_s: seconds(counts.cpu_ns),
        first_decision_ms: decision_ms(&finality.first_us),
        last_decision_ms: decision_ms(&finality.last_us),
        answer_delay_blocks: quantiles(|share| late.quantile(share).map(|blocks| blocks as f64)),
        whole_system: Vec::new(),
    }
}

/// What so many validators would do for a block.
fn whole_system(of: &WholeSystem) -> L1WholeSystem {
    let counts = &of.counts;
    let a_block = |count: u64| count as f64 / counts.heights as f64;
    L1WholeSystem {
        validators: u64::from(of.validators),
        sampled_heights: counts.heights,
        verifications_per_block: a_block(counts.verifications),
        messages_per_block: a_block(counts.messages),
        bytes_per_block: a_block(counts.bytes),
        cpu_ms_per_block: of.cpu_ns_per_height() / 1e6,
        first_decision_ms: decision_ms(&of.finality.first_us),
        last_decision_ms: decision_ms(&of.finality.last_us),
    }
}

/// From a height's beginning to decisions, which are in µs.
fn decision_ms(times: &[u64]) -> Option<L1Quantiles> {
    quantiles(|share| Finality::quantile(times, share).map(|us| us as f64 / 1e3))
}

/// The median, the 99th percentile and the longest; none of nothing.
fn quantiles(of: impl Fn(f64) -> Option<f64>) -> Option<L1Quantiles> {
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(of);
    let all = p50.zip(p99).zip(max);
    all.map(|((p50, p99), max)| L1Quantiles { p50, p99, max })
}

/// Layer 1 over its own time.
fn course(outcome: &Outcome, block_units: f64, has_base: bool) -> Vec<L1Moment> {
    let (mut height, mut units) = (0, 0);
    let moments = outcome.traffic.course.samples().map(|now| {
        let blocks = (now.height - height) as f64;
        let occupancy = (now.units - units) as f64 / (blocks * block_units);
        (height, units) = (now.height, now.units);
        L1Moment {
            time_s: now.at_ms as f64 / 1e3,
            occupancy,
            waiting: now.waiting,
            evicted: now.evicted,
            base_fee: has_base.then_some(now.base_fee),
        }
    });
    moments.collect()
}

fn traffic(of: &OfKind) -> L1Traffic {
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| of.wait_ms.quantile(share));
    let wait = p50.zip(p99).zip(max);
    L1Traffic {
        included: of.included,
        refused: of.refused,
        evicted: of.evicted,
        outbid: of.outbid,
        raised: of.raised,
        given_up: of.given_up,
        fees: of.fees,
        wait_ms: wait.map(|((p50, p99), max)| L1Wait { p50, p99, max }),
    }
}

fn load(load: &Load, state_root: bool, tip: String) -> L1Load {
    L1Load {
        transactions: load.transactions,
        bytes: load.bytes,
        signature_verifications: load.signature_verifications,
        state_reads: load.state_reads,
        state_writes: load.state_writes,
        peak_state_entries: load.peak_state_entries,
        cpu_s: seconds(load.cpu_ns),
        root_cpu_s: state_root.then(|| seconds(load.root_cpu_ns)),
        blocks: load.blocks,
        tip,
    }
}

/// What Layer 1 did per payment without channels, over what it did with them.
///
/// Counts are exact for the sessions run: every payment is one transfer like any other. CPU time
/// varies between sessions, so that its ratio has a 95 % interval over them. State entries are a
/// stock and not a flow: they are compared as they stand, with all accounts on either side.
///
/// After a restart, Layer 1 goes on with the counts that its records hold: they are of the run's
/// whole life, as its payments are. Its CPU time is known since the restart alone, and the sessions
/// that it was spent on paid before it too: that ratio is not known.
fn offload(outcome: &Outcome, direct: &DirectOutcome) -> Offload {
    let per = |count: u64, payments: u64| count as f64 / payments.max(1) as f64;
    let flow = |count: fn(&Load) -> u64| {
        exact(
            per(count(&direct.l1), direct.payments)
                / per(count(&outcome.l1), outcome.counts.covered),
        )
    };
    let channels_ns = per(outcome.l1.cpu_ns, outcome.counts.covered);
    let (mean_ns, half_ns) = cpu_per_payment(direct);
    Offload {
        transactions: flow(|load| load.transactions),
        bytes: flow(|load| load.bytes),
        signature_verifications: flow(|load| load.signature_verifications),
        state_reads: flow(|load| load.state_reads),
        state_writes: flow(|load| load.state_writes),
        peak_state_entries: exact(
            direct.l1.peak_state_entries as f64 / outcome.l1.peak_state_entries.max(1) as f64,
        ),
        cpu: match outcome.resumed {
            Some(_) => exact(f64::NAN),
            None => Ratio {
                ratio: mean_ns / channels_ns,
                low: (mean_ns - half_ns).max(0.0) / channels_ns,
                high: (mean_ns + half_ns) / channels_ns,
            },
        },
    }
}

fn exact(ratio: f64) -> Ratio {
    Ratio {
        ratio,
        low: ratio,
        high: ratio,
    }
}

/// Layer 1's CPU time per transfer, and half the width of its 95 % interval: a ratio estimator
/// over samples of sessions (Cochran, Sampling Techniques, 3rd ed., 6.4). Infinite for one sample.
fn cpu_per_payment(direct: &DirectOutcome) -> (f64, f64) {
    let (count, payments) = (direct.samples.len() as f64, direct.payments as f64);
    let mean = direct.l1.cpu_ns as f64 / payments;
    if direct.samples.len() < 2 {
        return (mean, f64::INFINITY);
    }
    let squares: f64 = direct
        .samples
        .iter()
        .map(|sample| (sample.cpu_ns as f64 - mean * sample.payments as f64).powi(2))
        .sum();
    let error = (count / (count - 1.0) * squares).sqrt() / payments;
    (mean, student(direct.samples.len() - 1) * error)
}

/// The 97.5 % quantile of Student's t (NIST/SEMATECH e-Handbook, 1.3.6.7.2), rounded up between
/// the table's rows.
fn student(degrees: usize) -> f64 {
    const TABLE: [(usize, f64); 14] = [
        (1, 12.706),
        (2, 4.303),
        (3, 3.182),
        (4, 2.776),
        (5, 2.571),
        (6, 2.447),
        (7, 2.365),
        (8, 2.306),
        (9, 2.262),
        (10, 2.228),
        (15, 2.131),
        (20, 2.086),
        (30, 2.042),
        (60, 2.000),
    ];
    let row = TABLE.iter().rev().find(|(row, _)| *row <= degrees);
    row.map_or(f64::INFINITY, |(_, quantile)| *quantile)
}

/// A latency's distribution, if anything was recorded.
fn recorded(latency: &Latency) -> Option<&Histogram<u64>> {
    let histogram = latency.histogram();
    (!histogram.is_empty()).then_some(histogram)
}

fn stages(outcome: &Outcome) -> Vec<StageRow> {
    Stage::ALL
        .iter()
        .zip(&outcome.stages)
        .filter(|(_, cost)| cost.items > 0 || cost.cpu_ns > 0)
        .map(|(stage, cost)| {
            let label = stage.label();
            StageRow {
                name: label.name.to_owned(),
                role: label.role.to_owned(),
                items: cost.items,
                // Not finite, and so `null`, where a stage had nothing to do.
                cpu_ns_per_item: cost.cpu_ns as f64 / cost.items as f64,
                cpu_s: seconds(cost.cpu_ns),
                unit: label.unit.to_owned(),
            }
        })
        .collect()
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
