//! How wrong the model is where it has not looked: fitted on the inner part of the sweep, it
//! predicts the sweep's edge. Whole settings are held out with all of their repeats.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    ask::Slo,
    model::{Model, Predicted},
    observation::{Cell, Observation},
    response::{is_held, ladder, rates},
    statistics::{distinct, median, span},
    storage::is_calm,
};

/// The hold-out errors of a plan; none where the sweep is too small to hold that edge out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HoldoutError {
    /// The largest offered rate, predicted from those that were held.
    pub rate: Option<Edge>,
    /// The largest rate that was held, predicted from lower ones; none if it is the largest
    /// offered.
    pub held_rate: Option<Edge>,
    /// The most channels, predicted from fewer.
    pub channels: Option<Edge>,
    /// The most shards, predicted from fewer.
    pub cores: Option<Edge>,
    /// Over all edges.
    pub all: Option<Errors>,
}

/// One edge of the sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edge {
    /// The largest value, which was held out.
    pub held_out: f64,
    /// The largest one that the model saw.
    pub fitted_up_to: f64,
    /// Its errors.
    #[serde(flatten)]
    pub errors: Errors,
}

/// Relative errors of predictions, each none where nothing of its kind was held out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Errors {
    /// Payments per second of saturated runs, and of held ones that were predicted not to be.
    pub throughput: Option<Spread>,
    /// CPU time per payment.
    pub cpu: Option<Spread>,
    /// Peak memory, of runs without a backlog.
    pub memory: Option<Spread>,
}

/// Errors as shares of what was measured: 0.1 is 10 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the settings were predicted this well.
    pub median: f64,
    /// The worst one.
    pub worst: f64,
    /// Settings that were predicted; the repeats of each are one, by their median.
    pub settings: usize,
}

/// A rate that was held is predicted to be so if at most this share of it is missing: it was drawn,
/// and not offered to the payment.
const HELD_WITHIN: f64 = 0.02;

/// The errors of single settings: of throughput, CPU time and memory.
type Found = [Vec<f64>; 3];

/// What a sweep is large in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    /// Offered payments per second and shard; a closed loop has none.
    Rate,
    Channels,
    Shards,
}

impl Axis {
    const ALL: [Axis; 3] = [Axis::Rate, Axis::Channels, Axis::Shards];

    fn of(self, run: &Observation) -> Option<f64> {
        match self {
            Axis::Rate => run.offered_per_s.map(|rate| rate / run.shards),
            Axis::Channels => Some(run.channels),
            Axis::Shards => Some(run.shards),
        }
    }

    /// Values that the inner part must have, and the edge one more. Of one value alone nothing
    /// follows about more of it; but one shard says at least what a shard does alone.
    fn values_min(self) -> usize {
        match self {
            Axis::Rate | Axis::Channels => 2,
            Axis::Shards => 1,
        }
    }

    /// Whether the run lies outside what `inner` has on this axis.
    fn is_outside(self, run: &Observation, inner: &[&Observation]) -> bool {
        let values = inner.iter().map(|other| self.of(other));
        let Some(value) = self.of(run) else {
            return values.flatten().count() == inner.len();
        };
        let (low, high) = span(values.flatten());
        !(low..=high).contains(&value)
    }
}

/// A sweep in two along an axis: what is judged, and what the model sees.
struct Cut<'r> {
    axis: Axis,
    held_out: f64,
    fitted_up_to: f64,
    outer: Vec<&'r Observation>,
    inner: Vec<&'r Observation>,
}

impl HoldoutError {
    /// Holds each edge out of the runs in turn.
    pub(super) fn of(runs: &[&Observation], slo: &Slo) -> HoldoutError {
        let mut all = Found::default();
        let mut edge = |cut: Option<Cut>| {
            let cut = cut?;
            let found = cut.errors(slo)?;
            for (all, found) in all.iter_mut().zip(&found) {
                all.extend(found);
            }
            Some(Edge {
                held_out: cut.held_out,
                fitted_up_to: cut.fitted_up_to,
                errors: spreads(&found),
            })
        };
        HoldoutError {
            rate: edge(rates_from(runs, false)),
            held_rate: edge(rates_from(runs, true)),
            channels: edge(most(runs, Axis::Channels)),
            cores: edge(most(runs, Axis::Shards)),
            all: all
                .iter()
                .any(|found| !found.is_empty())
                .then(|| spreads(&all)),
        }
    }
}

/// Holds out all runs with the most of an axis; none if there are too few values.
fn most<'r>(runs: &[&'r Observation], axis: Axis) -> Option<Cut<'r>> {
    let values = distinct(runs.iter().filter_map(|run| axis.of(run)));
    let [.., fitted_up_to, held_out] = values[..] else {
        return None;
    };
    let is_edge = |run: &&Observation| axis.of(run) == Some(held_out);
    let (outer, inner) = runs.iter().copied().partition(is_edge);
    (values.len() > axis.values_min()).then_some(Cut {
        axis,
        held_out,
        fitted_up_to,
        outer,
        inner,
    })
}

/// Of the ladder of rates, holds out all above the largest held one, and judges the top; or those
/// from the largest held one on, and judges that: a plan lies near it. Runs of other shards and
/// channels that were offered as much are in neither part. Closed loops stay in the inner one.
fn rates_from<'r>(runs: &[&'r Observation], held: bool) -> Option<Cut<'r>> {
    let ladder = ladder(runs);
    let shards = ladder.first()?.shards;
    let rungs = rates(&ladder);
    let of = |rate: f64| -> Vec<&'r Observation> {
        let of_rate = |run: &&Observation| run.offered_per_s == Some(rate);
        ladder.iter().copied().filter(of_rate).collect()
    };
    let top = rungs.len().checked_sub(1)?;
    let last_held = rungs.iter().rposition(|rate| is_held(&of(*rate)))?;
    let (judged, first_out) = match held {
        true if last_held == top => return None,
        true => (last_held, last_held),
        false => (top, top.min(last_held + 1)),
    };
    if first_out < Axis::Rate.values_min() {
        return None;
    }
    let bound = rungs[first_out] / shards;
    let is_inner = |run: &&Observation| Axis::Rate.of(run).is_none_or(|rate| rate < bound);
    Some(Cut {
        axis: Axis::Rate,
        held_out: rungs[judged] / shards,
        fitted_up_to: rungs[first_out - 1] / shards,
        outer: of(rungs[judged]),
        inner: runs.iter().copied().filter(is_inner).collect(),
    })
}

impl Cut<'_> {
    fn errors(&self, slo: &Slo) -> Option<Found> {
        let model = Model::fit(&self.inner, slo)?;
        // What the inner part has not seen in another respect either is a corner, not this edge.
        let is_corner = |run: &Observation| {
            let mut others = Axis::ALL.iter().filter(|other| **other != self.axis);
            others.any(|other| other.is_outside(run, &self.inner))
        };
        let mut settings: BTreeMap<Cell, Vec<&Observation>> = BTreeMap::new();
        for run in self.outer.iter().filter(|run| !is_corner(run)) {
            settings.entry(run.cell()).or_default().push(run);
        }
        // What a shard takes of memory cannot be told from what the process does by one count.
        let counts = distinct(self.inner.iter().map(|run| run.shards));
        let sees_memory = self.axis != Axis::Shards || counts.len() > 1;
        let mut found = Found::default();
        for repeats in settings.values() {
            let error = |measured: fn(&Observation) -> f64, predicted: fn(&Predicted) -> f64| {
                let measured = median(repeats.iter().map(|run| measured(run)))?;
                let predictions = repeats.iter().map(|run| predicted(&model.predict(run)));
                Some((median(predictions)? / measured - 1.0).abs())
            };
            // Of a rate that was held, that it would be is easily said: it counts only if it was
            // not said.
            let throughput = error(|run| run.achieved_per_s, |found| found.payments_per_s);
            let saturated = repeats.iter().any(|run| run.is_saturated());
            found[0].extend(throughput.filter(|error| saturated || *error > HELD_WITHIN));
            found[1].extend(error(Observation::cpu_s, |found| found.cpu_s_per_payment));
            if sees_memory && repeats.iter().all(|run| is_calm(run)) {
                found[2].extend(error(
                    |run| run.peak_rss_bytes,
                    |found| found.peak_rss_bytes,
                ));
            }
        }
        Some(found)
    }
}

fn spreads(found: &Found) -> Errors {
    let spread = |errors: &Vec<f64>| {
        Some(Spread {
            median: median(errors.iter().copied())?,
            worst: errors.iter().copied().fold(0.0, f64::max),
            settings: errors.len(),
        })
    };
    let [throughput, cpu, memory] = found.each_ref().map(spread);
    Errors {
        throughput,
        cpu,
        memory,
    }
}
