//! Layer 1's validators as rows: what they did in a run, and what whole systems of other sizes
//! would do beside what one validator does. No other rows have any of it.

use duet_terminal::columns;

use super::{Dataset, Of, rows};
use crate::run_file::{L1Consensus, L1Load, L1Quantiles, L1WholeSystem, RunFile};
use crate::{human, runs::NamedRun};

/// A row for each run whose Layer 1 has validators: what all of them did together. Times are
/// virtual.
#[must_use]
pub fn consensus(runs: &[NamedRun]) -> Dataset {
    let all = rows(runs, |run| {
        run.l1.chain.iter().flat_map(|chain| &chain.consensus)
    });
    let a_block = |count: u64, of: &L1Consensus| count as f64 / of.heights as f64;
    Dataset::of(
        all.into_iter().map(|(named, of)| (named, (of, a_block))),
        columns! { |(named, (of, a_block))|
            "run", "Run", Text: &named.name;
            "validators", "Validators", Figure: of.validators;
            "faulty", "Faulty", Figure: of.faulty;
            "heights", "Blocks decided", Figure: of.heights;
            "more_rounds", "More rounds", Figure: of.more_rounds;
            "late_s", "Late", Seconds: of.late_s;
            "censored_blocks", "Censored", Figure: of.censored_blocks;
            "vain_blocks", "Of nothing", Figure: of.vain_blocks;
            "messages_per_block", "Messages a block", Figure: a_block(of.messages, of);
            "bytes_per_block", "Sent a block", Bytes: a_block(of.bytes, of);
            "block_bytes_per_block", "of it blocks", Bytes: a_block(of.block_bytes, of);
            "verifications_per_block", "Verified a block", Figure:
                a_block(of.charged_verifications, of);
            "forged", "Forged", Figure: of.forged;
            "timeouts", "Timeouts", Figure: of.timeouts;
            "evidence", "Evidence", Figure: of.evidence;
            "cpu_s", "CPU, simulated", Seconds: of.cpu_s;
            "first_decision_p50_s", "First decision p50", Seconds:
                p50_s(of.first_decision_ms.as_ref());
            "first_decision_p99_s", "p99", Seconds: p99_s(of.first_decision_ms.as_ref());
            "last_decision_p50_s", "Last decision p50", Seconds:
                p50_s(of.last_decision_ms.as_ref());
            "last_decision_p99_s", "p99", Seconds: p99_s(of.last_decision_ms.as_ref());
            "answer_delay_p99_blocks", "Answers late p99", Figure:
                of.answer_delay_blocks.as_ref().map(|of| of.p99);
            "answer_delay_max_blocks", "at most", Figure:
                of.answer_delay_blocks.as_ref().map(|of| of.max);
        },
    )
}

/// A Layer 1 as its users see it, or a whole system of validators that make it.
struct Work<'a> {
    /// None: one validator's, as all other figures have it.
    system: Option<&'a L1WholeSystem>,
    one: &'a L1Load,
    /// Blocks that its time has room for, with anything in them or not.
    intervals: u64,
}

impl Work<'_> {
    fn name(&self) -> String {
        match self.system {
            None => "one validator".to_owned(),
            Some(of) => format!("whole system, n = {}", of.validators),
        }
    }

    /// Each validator does once what one does.
    fn of_all(&self, one: f64) -> f64 {
        one * self.system.map_or(1.0, |of| of.validators as f64)
    }

    /// Over all of Layer 1's time.
    fn in_time(&self, of: fn(&L1WholeSystem) -> f64) -> Option<f64> {
        self.system.map(|system| of(system) * self.intervals as f64)
    }
}

/// Rows for each run with validators: one of them, as all other figures have it, then whole systems
/// of several sizes. Votes are charged by block time, for every interval, so that a run of as many
/// intervals and no transactions has as many, and one transaction more adds none.
#[must_use]
pub fn whole_system(runs: &[NamedRun]) -> Dataset {
    let works = rows(runs, |run| {
        let (intervals, systems) = sampled(run);
        let one = (!systems.is_empty()).then_some(None);
        let all = one.into_iter().chain(systems.iter().map(Some));
        all.map(move |system| Work {
            system,
            one: &run.l1.channels,
            intervals,
        })
    });
    Dataset::of(works, columns())
}

/// A run's blocks of time, and the whole systems that were sampled after it.
fn sampled(run: &RunFile) -> (u64, &[L1WholeSystem]) {
    let chain = run.l1.chain.as_ref();
    let consensus = chain.and_then(|chain| chain.consensus.as_ref());
    let systems = consensus.map_or(&[][..], |of| &of.whole_system);
    (chain.map_or(0, |chain| chain.height), systems)
}

fn columns<'a>() -> Vec<duet_terminal::dataset::Filled<Of<'a, Work<'a>>>> {
    columns! { |(named, work)|
        "run", "Run", Text: &named.name;
        "system", "Charged to", Text: work.name();
        "transactions", "Transactions", Figure: work.of_all(work.one.transactions as f64);
        "transactions_verified", "Their signatures", Figure:
            work.of_all(work.one.signature_verifications as f64);
        "transactions_bytes", "Blocks", Bytes: work.of_all(work.one.bytes as f64);
        "transactions_cpu_s", "CPU", Seconds: work.of_all(work.one.cpu_s);
        "intervals", "Intervals", Figure: work.intervals;
        "votes_verified", "Votes' signatures", Figure:
            work.in_time(|of| of.verifications_per_block);
        "votes_messages", "Messages", Figure: work.in_time(|of| of.messages_per_block);
        "votes_bytes", "Votes", Bytes: work.in_time(|of| of.bytes_per_block);
        "votes_cpu_s", "Votes' CPU", Seconds: work.in_time(|of| of.cpu_ms_per_block / 1e3);
        "idle_votes_verified", "Votes, idle run", Figure:
            work.in_time(|of| of.verifications_per_block);
        "marginal_votes", "Votes of one more", Figure: work.system.map(|_| 0_u64);
        "votes_cpu_s_per_block", "Votes' CPU a block", Seconds:
            work.system.map(|of| of.cpu_ms_per_block / 1e3);
        "last_decision_p50_s", "Final p50", Seconds:
            p50_s(work.system.and_then(|of| of.last_decision_ms.as_ref()));
        "last_decision_p99_s", "p99", Seconds:
            p99_s(work.system.and_then(|of| of.last_decision_ms.as_ref()));
        "sampled_heights", "Sampled", Figure: work.system.map(|of| of.sampled_heights);
    }
}

/// How the rows of [`whole_system`] are charged; nothing where there are none.
#[must_use]
pub fn charged(named: &NamedRun) -> Option<String> {
    let (intervals, systems) = sampled(&named.run);
    let of = systems.first()?;
    Some(format!(
        "n validators execute each block n times. Votes are charged by block time: for all {} \
         intervals, at what {} sampled heights without faults took, each signature verified by \
         itself, which is the batch that a validator would have had. An idle run has as many \
         intervals and no transactions: one more of these adds no vote. No other figure has any \
         of it",
        human::grouped(intervals),
        of.sampled_heights,
    ))
}

fn p50_s(of: Option<&L1Quantiles>) -> Option<f64> {
    of.map(|of| of.p50 / 1e3)
}

fn p99_s(of: Option<&L1Quantiles>) -> Option<f64> {
    of.map(|of| of.p99 / 1e3)
}
