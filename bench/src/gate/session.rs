//! A gate's pairs, from processes. A stage is a session of its own: fresh copies of the
//! executables, which lie in other pages of memory than the last stage's, and fresh warm-ups.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::compare::{note_idle_across, plan};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::metric::{Better, Metric};
use crate::progress::Progress;
use crate::runner::Running;
use crate::schedule::{Contender, Triple, unending};
use crate::session_options::SessionOptions;
use crate::snapshot::Snapshot;
use crate::summary::PairValues;
use duet_run_file::terms::{Difference, Terms};

use super::decide::PairLogs;
use super::judge::Source;

/// What all stages share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup<'a> {
    pub(super) base: &'a Path,
    pub(super) head: &'a Path,
    pub(super) options: &'a SessionOptions,
    pub(super) interrupt: &'a Interrupt,
    pub(super) progress: &'a Progress,
}

/// What was found out beside the ratios.
#[derive(Debug)]
pub(super) struct Found {
    /// BASE's terms.
    pub(super) terms: Terms,
    pub(super) differences: Vec<Difference>,
    /// The `engine` sections of BASE and HEAD.
    pub(super) engines: [Value; 2],
    pub(super) machine: Value,
    pub(super) same_bytes: bool,
}

/// The stages so far.
pub(super) struct Session<'a> {
    setup: Setup<'a>,
    begun: Instant,
    stage: Option<Stage<'a>>,
    /// The values of every pair, stage by stage.
    pub(super) stages: Vec<Vec<PairValues>>,
    pub(super) found: Option<Found>,
}

/// The stage that runs.
struct Stage<'a> {
    running: Running<'a>,
    order: Box<dyn Iterator<Item = [Triple; 2]>>,
    /// Holds the executables that it runs.
    _snapshot: Snapshot,
}

impl<'a> Session<'a> {
    /// Begins to count the time.
    pub(super) fn new(setup: Setup<'a>) -> Self {
        Self {
            setup,
            begun: Instant::now(),
            stage: None,
            stages: Vec::new(),
            found: None,
        }
    }
}

impl Source for Session<'_> {
    type Error = Failure;

    fn begin(&mut self) -> Result<(), Failure> {
        let Setup {
            base,
            head,
            options,
            interrupt,
            progress,
        } = self.setup;
        self.stage = None;
        let snapshot = Snapshot::take(base, head)?;
        let plan = plan(options, &snapshot);
        let running = Running::begin(plan.clone(), None, interrupt, progress)?;
        if self.found.is_none() {
            let same_bytes = snapshot.a_is_b()?;
            if same_bytes && options.a_args == options.b_args {
                progress.say("note: BASE and HEAD are the same bytes with the same options");
            }
            note_idle_across(&plan, &running.differences, progress);
            let [base, head, _] = &running.warm_ups;
            self.found = Some(Found {
                terms: base.terms.clone(),
                differences: running.differences.clone(),
                engines: [base.engine.clone(), head.engine.clone()],
                machine: base.machine.clone(),
                same_bytes,
            });
        }
        self.stages.push(Vec::new());
        self.stage = Some(Stage {
            running,
            order: Box::new(unending()),
            _snapshot: snapshot,
        });
        Ok(())
    }

    fn two_pairs(&mut self) -> Result<[PairLogs; 2], Failure> {
        let stage = self.stage.as_mut().expect("a stage was begun");
        let [there, back] = stage.order.next().expect("it does not end");
        let pairs = [stage.running.pair(there)?, stage.running.pair(back)?];
        let stages = self.stages.last_mut().expect("a stage was begun");
        stages.extend(pairs);
        let metric = self.setup.options.metric;
        let made = self.stages.last().map_or(0, Vec::len);
        self.setup.progress.step(
            self.begun.elapsed(),
            &format!("stage {}, {made} pairs", self.stages.len()),
        );
        Ok(pairs.map(|pair| logs(metric, &pair)))
    }

    fn spent(&self) -> Duration {
        self.begun.elapsed()
    }
}

/// A pair's log ratios, with what is worse above 0.
fn logs(metric: Metric, pair: &PairValues) -> PairLogs {
    let log = |contender: Contender| {
        let value = pair[contender.index()][metric.index()];
        value.expect("the runner lets no run pass without it").ln()
    };
    let worse = match metric.better() {
        Better::Lower => 1.0,
        Better::Higher => -1.0,
    };
    let base = log(Contender::A);
    PairLogs {
        slowdown: worse * (log(Contender::B) - base),
        floor: worse * (log(Contender::ACopy) - base),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_is_above_0_whichever_way_the_metric_improves() {
        let values = |cpu_ns: f64| [Some(cpu_ns), Some(1e9 / cpu_ns), None, None];
        let pair = [values(40_000.0), values(44_000.0), values(38_000.0)];
        for metric in [Metric::CpuPerPayment, Metric::PaymentsPerS] {
            let found = logs(metric, &pair);
            assert!((found.slowdown - 1.1_f64.ln()).abs() < 1e-12, "{metric:?}");
            assert!((found.floor - 0.95_f64.ln()).abs() < 1e-12, "{metric:?}");
        }
    }
}
