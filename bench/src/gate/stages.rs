//! A gate's pairs, from processes. A stage is a session of its own: fresh copies of the
//! executables, which lie in other pages of memory than the last stage's, and fresh warm-ups.

use std::path::Path;
use std::time::{Duration, Instant};

use duet_experiment::Failure;

use crate::metric::{Better, Metric};
use crate::operator::Operator;
use crate::report::Ground;
use crate::schedule::{Contender, Triple, unending};
use crate::session::Session;
use crate::session_options::SessionOptions;
use crate::subject::Subject;
use crate::summary::PairValues;

use super::decide::PairLogs;
use super::judge::Source;

type Order = Box<dyn Iterator<Item = [Triple; 2]>>;

/// The stages so far.
pub(super) struct Stages<'a> {
    executables: [&'a Path; 2],
    options: &'a SessionOptions,
    operator: &'a Operator<'a>,
    begun: Instant,
    /// The stage that runs, and the order of its runs.
    stage: Option<(Session<'a>, Order)>,
    /// The values of every pair, stage by stage.
    pub(super) pairs: Vec<Vec<PairValues>>,
}

impl<'a> Stages<'a> {
    /// Begins to count the time.
    pub(super) fn new(
        executables: [&'a Path; 2],
        options: &'a SessionOptions,
        operator: &'a Operator<'a>,
    ) -> Self {
        Self {
            executables,
            options,
            operator,
            begun: Instant::now(),
            stage: None,
            pairs: Vec::new(),
        }
    }

    /// What was compared: it is the same in all stages.
    pub(super) fn ground(&self, subjects: [Subject; 2]) -> Ground {
        let (session, _) = self.stage.as_ref().expect("a stage was begun");
        Ground::of(session, self.options, subjects)
    }
}

impl Source for Stages<'_> {
    type Error = Failure;

    fn begin(&mut self) -> Result<(), Failure> {
        self.stage = None;
        let session = Session::begin(self.options, self.executables, None, self.operator)?;
        if self.pairs.is_empty() {
            session.note(["BASE", "HEAD"]);
        }
        self.pairs.push(Vec::new());
        self.stage = Some((session, Box::new(unending())));
        Ok(())
    }

    fn two_pairs(&mut self) -> Result<[PairLogs; 2], Failure> {
        let (session, order) = self.stage.as_mut().expect("a stage was begun");
        let [there, back] = order.next().expect("it does not end");
        let two = [session.pair(there)?, session.pair(back)?];
        let stage = self.pairs.len();
        let pairs = self.pairs.last_mut().expect("a stage was begun");
        pairs.extend(two);
        let come_to = format!("stage {stage}, {} pairs", pairs.len());
        let spent = self.begun.elapsed().as_secs();
        self.operator.bar.at(spent, &come_to);
        Ok(two.map(|pair| logs(self.options.metric, &pair)))
    }

    fn spent(&self) -> Duration {
        self.begun.elapsed()
    }
}

/// A pair's log ratios, with what is worse above 0.
fn logs(metric: Metric, pair: &PairValues) -> PairLogs {
    let log = |contender: Contender| {
        let value = pair[contender.index()][metric.index()];
        value.expect("a session lets no run pass without it").ln()
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
