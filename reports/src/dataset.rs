//! The figures of runs as rows, one function for each kind of them: what `reports csv`, `show` and
//! the page have in common. Rates stand beside the assurance that they were bought with.

mod consensus;
mod flat;
mod modelled;

use duet_run_file::offload;
use duet_terminal::columns;
use duet_terminal::dataset::Filled;

pub use self::consensus::{charged, consensus, whole_system};
pub use self::flat::summary;
pub use self::modelled::{modelled, modelled_prices};
pub use duet_terminal::dataset::{Cell, Dataset, Kind};

use crate::{
    histogram::spectrum,
    measured::cpu_per_payment_ns,
    run_file::{AttackCost, L1Traffic, L1Wait, RunFile, Sample},
    runs::NamedRun,
    summary::{rejections, stage_cpu_s},
};

/// A row, and the run that it is of.
type Of<'a, T> = (&'a NamedRun, T);

/// What there is of each run.
fn rows<'a, T, I: IntoIterator<Item = T>>(
    runs: &'a [NamedRun],
    of: impl Fn(&'a RunFile) -> I,
) -> Vec<Of<'a, T>> {
    let of = |named: &'a NamedRun| of(&named.run).into_iter().map(move |one| (named, one));
    runs.iter().flat_map(of).collect()
}

/// The columns that say what a rate was bought with.
const ASSURANCE: [&str; 4] = [
    "cosign_every",
    "in_flight",
    "durability",
    "both_endpoints_checked",
];

/// Whether a column of a single run says no more than the run and its assurance, which stand
/// beside it.
pub(crate) fn is_of_run(column: &str) -> bool {
    column == "run" || ASSURANCE.contains(&column)
}

/// The columns after the run's name and its assurance.
fn assured<'a, T>(own: Vec<Filled<Of<'a, T>>>) -> Vec<Filled<Of<'a, T>>> {
    let mut columns: Vec<Filled<Of<'a, T>>> = columns! { |(named, _)|
        "run", "Run", Text: &named.name;
        "cosign_every", "Co-signed every", Figure: named.run.assurance.cosign_every;
        "in_flight", "In flight", Figure: named.run.assurance.in_flight;
        "durability", "Durability", Text: &named.run.assurance.durability;
        "both_endpoints_checked", "Both ends checked", Text: named.run.assurance.both_endpoints_checked;
    };
    columns.extend(own);
    columns
}

/// A row for each sample of each run: totals so far, and what went on since the sample before.
#[must_use]
pub fn course(runs: &[NamedRun]) -> Dataset {
    let samples = rows(runs, |run| with_rates(&run.series));
    Dataset::of(
        samples,
        assured(columns! { |(_, (sample, rates))|
            "t_s", "Time", Seconds: sample.t_s;
            "payments", "Payments so far", Figure: sample.payments;
            "payments_per_s", "Payments/s", Figure: sample.payments_per_s;
            "l1_transactions", "L1 transactions so far", Figure: sample.l1_transactions;
            "l1_transactions_per_s", "L1 transactions/s", Figure: rates.l1_transactions_per_s;
            "cpu_s", "CPU so far", Seconds: sample.cpu_s;
            "cores_busy", "Cores busy", Figure: rates.cores_busy;
        }),
    )
}

/// A row for each stage of each run: its CPU time.
#[must_use]
pub fn stages(runs: &[NamedRun]) -> Dataset {
    let stages = rows(runs, |run| &run.stages);
    Dataset::of(
        stages,
        assured(columns! { |(named, stage)|
            "role", "Role", Text: &stage.role;
            "stage", "Stage", Text: &stage.name;
            "items", "Items", Figure: stage.items;
            "unit", "Of", Text: &stage.unit;
            "cpu_ns_per_item", "CPU per item", Nanoseconds: stage.cpu_ns_per_item;
            "cpu_s", "CPU", Seconds: stage_cpu_s(stage);
            "cpu_ns_per_payment", "CPU per payment", Nanoseconds:
                cpu_per_payment_ns(&named.run, &stage.role, stage_cpu_s(stage));
            "share_of_process_cpu", "Of all CPU", Share: stage_cpu_s(stage) / named.run.achieved.cpu_s;
        }),
    )
}

/// A row for each step of each distribution of each run.
#[must_use]
pub fn latency(runs: &[NamedRun]) -> Dataset {
    let steps = runs.iter().flat_map(|named| {
        let steps = named
            .latencies()
            .flat_map(|(kind, found)| spectrum(found).into_iter().map(move |step| (kind, step)));
        steps.map(move |step| (named, step))
    });
    Dataset::of(
        steps,
        assured(columns! { |(_, (kind, step))|
            "kind", "Kind", Text: *kind;
            "percentile", "Percentile", Percentile: step.percentile;
            "latency_ns", "Latency", Nanoseconds: step.value_ns;
            "payments_within", "Payments within", Figure: step.total_count;
        }),
    )
}

/// A row for each kind of latency of each run: its percentiles as the run file has them.
#[must_use]
pub fn percentiles(runs: &[NamedRun]) -> Dataset {
    Dataset::of(
        rows(runs, |run| run.latency_ns.named()),
        assured(columns! { |(_, (kind, of))|
            "kind", "Kind", Text: *kind;
            "p50_ns", "p50", Nanoseconds: of.p50;
            "p90_ns", "p90", Nanoseconds: of.p90;
            "p99_ns", "p99", Nanoseconds: of.p99;
            "p999_ns", "p99.9", Nanoseconds: of.p999;
            "max_ns", "max", Nanoseconds: of.max;
        }),
    )
}

/// A row for each dimension of each run: totals of both ways with the payments that they are for,
/// and the ratio per payment with its 95 % interval; then what all parties did together. Measured,
/// all of it; missing where a restart cut it in two.
#[must_use]
pub fn offload(runs: &[NamedRun]) -> Dataset {
    let dimensions = rows(runs, offload::rows);
    Dataset::of(
        dimensions,
        columns! { |(named, row)|
            "run", "Run", Text: &named.name;
            "dimension", "Layer 1's", Text: row.name;
            "direct", "Direct", Figure: row.direct.clone();
            "direct_payments", "of payments", Figure: row.direct_payments;
            "channels", "With channels", Figure: row.channels.clone();
            "channels_payments", "of payments", Figure: row.channels_payments;
            "endpoints", "Moved to the endpoints", Figure: row.endpoints.clone();
            "endpoints_payments", "of payments", Figure: row.endpoints_payments;
            "ratio", "Offload per payment", Ratio: row.ratio;
            "ratio_low", "95 % from", Ratio: row.interval.map(|(low, _)| low);
            "ratio_high", "95 % to", Ratio: row.interval.map(|(_, high)| high);
        },
    )
}

/// The kinds of attack of each run, and what they cost.
fn attacks(runs: &[NamedRun]) -> Vec<Of<'_, (&String, &AttackCost)>> {
    rows(runs, |run| {
        run.disputes.iter().flat_map(|found| &found.attacks)
    })
}

/// A row for each kind of attack of each run: what disputes cost Layer 1; `none` is channels that
/// stopped without one.
#[must_use]
pub fn disputes(runs: &[NamedRun]) -> Dataset {
    let attacks = attacks(runs);
    Dataset::of(
        attacks,
        columns! { |(named, (attack, cost))|
            "run", "Run", Text: &named.name;
            "attack", "Attack", Text: *attack;
            "cases", "Channels", Figure: cost.cases;
            "punishments", "Punished", Figure: cost.punishments;
            "transactions", "Transactions", Figure: cost.transactions;
            "paid_by_honest", "Paid by honest", Figure: cost.paid_by_honest;
            "bytes", "Bytes", Bytes: cost.bytes;
            "extra_transactions_per_case", "Extra a case", Figure: cost.extra_transactions_per_case;
            "extra_bytes_per_case", "Extra bytes a case", Bytes: cost.extra_bytes_per_case;
        },
    )
}

/// A row for each kind of attack of each run: what it cost either side, before what was won or lost
/// in the channel. Channels that stopped without one have no cheater: they are in [`disputes`].
#[must_use]
pub fn griefing(runs: &[NamedRun]) -> Dataset {
    let paid = |cost: &AttackCost| cost.fees_by_cheaters > 0 || cost.fees_by_honest > 0;
    let attacks = attacks(runs).into_iter();
    let attacks = attacks.filter(|(_, (attack, cost))| *attack != "none" && paid(cost));
    Dataset::of(
        attacks.collect::<Vec<_>>(),
        columns! { |(named, (attack, cost))|
            "run", "Run", Text: &named.name;
            "attack", "Attack", Text: *attack;
            "cases", "Channels", Figure: cost.cases;
            "fees_by_cheaters", "Fees of cheaters", Figure: cost.fees_by_cheaters;
            "fees_by_honest", "Fees of honest", Figure: cost.fees_by_honest;
            "locked_unit_blocks_per_case", "Locked x blocks a case", Figure:
                cost.locked_unit_blocks as f64 / cost.cases as f64;
        },
    )
}

/// A row for each kind of transaction of each run whose Layer 1 had a clock: what became of them.
/// Waits are in virtual time.
#[must_use]
pub fn traffic(runs: &[NamedRun]) -> Dataset {
    let traffic = rows(runs, |run| {
        run.l1.chain.iter().flat_map(|chain| &chain.traffic)
    });
    Dataset::of(
        traffic,
        columns! { |(named, (kind, of))|
            "run", "Run", Text: &named.name;
            "kind", "To", Text: *kind;
            "included", "In blocks", Figure: of.included;
            "refused", "Refused", Figure: of.refused;
            "evicted", "Evicted", Figure: of.evicted;
            "outbid", "Outbid", Figure: of.outbid;
            "raised", "Raised", Figure: of.raised;
            "given_up", "Gave up", Figure: of.given_up;
            "fees", "Fees", Figure: of.fees;
            "wait_p50_s", "Wait p50", Seconds: waited_s(of, |wait| wait.p50);
            "wait_p99_s", "Wait p99", Seconds: waited_s(of, |wait| wait.p99);
            "wait_max_s", "Longest wait", Seconds: waited_s(of, |wait| wait.max);
        },
    )
}

/// A row for each sample of Layer 1's own time, of runs whose Layer 1 had a clock.
#[must_use]
pub fn l1_course(runs: &[NamedRun]) -> Dataset {
    let moments = rows(runs, |run| {
        run.l1.chain.iter().flat_map(|chain| &chain.course)
    });
    Dataset::of(
        moments,
        columns! { |(named, at)|
            "run", "Run", Text: &named.name;
            "time_s", "Virtual time", Seconds: at.time_s;
            "occupancy", "Units taken", Share: at.occupancy;
            "waiting", "Waiting", Figure: at.waiting;
            "evicted", "Evicted so far", Figure: at.evicted;
            "base_fee", "Base fee", Figure: at.base_fee;
        },
    )
}

fn waited_s(of: &L1Traffic, which: fn(&L1Wait) -> u64) -> Option<f64> {
    of.wait_ms.as_ref().map(|wait| which(wait) as f64 / 1e3)
}

/// A row for each name under which an endpoint or Layer 1 refused something.
#[must_use]
pub fn refusals(runs: &[NamedRun]) -> Dataset {
    let refusals = rows(runs, |run| {
        let by_l1 = run.disputes.iter().flat_map(|found| &found.refused);
        let by_l1 = by_l1.map(|(name, count)| ("Layer 1", name.as_str(), *count));
        let by_endpoints = rejections(run).into_iter();
        by_endpoints
            .map(|(name, count)| ("an endpoint", name, count))
            .chain(by_l1)
    });
    Dataset::of(
        refusals,
        columns! { |(named, (by, name, count))|
            "run", "Run", Text: &named.name;
            "by", "By", Text: *by;
            "name", "Refusal", Text: *name;
            "count", "Count", Figure: *count;
        },
    )
}

/// A row for each durable run: the log and its syncs.
#[must_use]
pub fn durability(runs: &[NamedRun]) -> Dataset {
    let logs = rows(runs, |run| &run.durability);
    Dataset::of(
        logs,
        columns! { |(named, log)|
            "run", "Run", Text: &named.name;
            "durability", "Durability", Text: &named.run.assurance.durability;
            "file_system", "File system", Text: &log.file_system;
            "commits", "Commits", Figure: log.commits;
            "records", "Records", Figure: log.records;
            "bytes_written", "Written", Bytes: log.bytes_written;
            "bytes_per_payment", "Written a payment", Bytes:
                log.bytes_written as f64 / named.run.payments_measured() as f64;
            "syncs", "Syncs", Figure: log.syncs;
            "payments_per_sync", "Payments a sync", Figure:
                named.run.payments_measured() as f64 / log.syncs as f64;
            "sync_p50_ns", "Sync p50", Nanoseconds: log.sync_p50_ns;
            "sync_p99_ns", "Sync p99", Nanoseconds: log.sync_p99_ns;
            "sync_max_ns", "Longest sync", Nanoseconds: log.sync_max_ns;
            "in_memory", "In memory", Text: if log.is_in_memory() { "yes" } else { "no" };
        },
    )
}

/// A row for each phase of each run.
#[must_use]
pub fn phases(runs: &[NamedRun]) -> Dataset {
    Dataset::of(
        rows(runs, |run| &run.achieved.phases),
        columns! { |(named, phase)|
            "run", "Run", Text: &named.name;
            "phase", "Phase", Text: &phase.name;
            "wall_s", "Wall time", Seconds: phase.wall_s;
            "cpu_s", "CPU", Seconds: phase.cpu_s;
            "sessions", "Sessions", Figure: phase.sessions;
        },
    )
}

/// A row for each part that a run was merged of: what stands for it alone.
#[must_use]
pub fn parts(runs: &[NamedRun]) -> Dataset {
    let parts = rows(runs, |run| {
        run.merged.iter().flat_map(|merged| &merged.parts)
    });
    Dataset::of(
        parts,
        columns! { |(named, part)|
            "run", "Run", Text: &named.name;
            "part", "Part", Text: part.part.name();
            "machine", "Machine", Text: part.machine.cpu_name();
            "shards", "Shards", Figure: part.shards;
            "payments_per_s", "Payments/s", Figure: part.payments_per_s;
            "wall_s", "Took", Seconds: part.wall_s;
            "peak_rss_bytes", "Peak", Bytes: part.peak_rss_bytes;
            "l1_blocks", "L1 blocks", Figure: part.l1_blocks;
            "l1_tip", "L1 tip", Text: part.l1_tip.chars().take(8).collect::<String>();
        },
    )
}

/// Since the sample before, or the start.
pub(crate) struct Rates {
    pub(crate) l1_transactions_per_s: f64,
    pub(crate) cores_busy: f64,
}

/// Each sample, and the rates between it and the one before. A file whose counts fall has no rate
/// there.
pub(crate) fn with_rates(series: &[Sample]) -> impl Iterator<Item = (&Sample, Rates)> {
    let before = std::iter::once(None).chain(series.iter().map(Some));
    series.iter().zip(before).map(|(sample, before)| {
        let (t_s, l1_transactions, cpu_s) =
            before.map_or((0.0, 0, 0.0), |s| (s.t_s, s.l1_transactions, s.cpu_s));
        let per_s = |amount: f64| match (amount, sample.t_s - t_s) {
            (amount, seconds) if amount >= 0.0 && seconds > 0.0 => amount / seconds,
            _ => f64::NAN,
        };
        let rates = Rates {
            l1_transactions_per_s: per_s(sample.l1_transactions as f64 - l1_transactions as f64),
            cores_busy: per_s(sample.cpu_s - cpu_s),
        };
        (sample, rates)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_since_the_sample_before() {
        let sample = |t_s, l1_transactions, cpu_s| Sample {
            t_s,
            payments: 0,
            payments_per_s: 0.0,
            l1_transactions,
            cpu_s,
        };
        let series = [
            sample(2.0, 100, 3.0),
            sample(3.0, 150, 5.0),
            sample(3.0, 160, 5.5),
            sample(4.0, 10, 6.0),
        ];
        let rates: Vec<(f64, f64)> = with_rates(&series)
            .map(|(_, rates)| (rates.l1_transactions_per_s, rates.cores_busy))
            .collect();
        assert_eq!(rates[..2], [(50.0, 1.5), (50.0, 2.0)]);
        assert!(rates[2].0.is_nan(), "no time has passed");
        assert!(
            rates[3].0.is_nan() && rates[3].1 == 0.5,
            "a count that falls"
        );
    }
}
