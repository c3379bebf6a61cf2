//! The highest rate of a shard at which the objective on response time holds, read off the measured
//! rates. Beyond them it says nothing: held out, such percentiles were three quarters off. Pure.

use super::{
    ask::Slo,
    cpu::Place,
    observation::Observation,
    statistics::{distinct, median, on_line, rising},
};

/// Response time as a function of the rate per shard.
#[derive(Clone, Debug)]
pub(super) struct Response {
    /// The rates that were held, rising, one or more, each with the percentile, in nanoseconds,
    /// which never falls.
    held: Vec<Point>,
    /// The least rate per shard that was not held, if there is one above those held.
    not_held: Option<f64>,
    /// Shards of the runs that it is read off.
    pub(super) shards: f64,
}

/// A measured rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) per_shard: f64,
    pub(super) ns: f64,
    pub(super) place: Place,
}

/// The highest rate at which the objective is known to be met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RateAtSlo {
    /// Payments per second and shard.
    pub(super) per_shard: f64,
    /// How it is known.
    pub(super) basis: Basis,
    /// Where it was measured.
    pub(super) place: Place,
}

/// How a rate is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Basis {
    /// Measured rates lie on both sides of it.
    Between,
    /// The largest that was held meets the objective. The next one, this many payments per second
    /// and shard, was not held; none if there was none.
    LastHeld(Option<f64>),
}

impl Response {
    /// Of the ladder of rates. None if none was held.
    pub(super) fn fit(runs: &[&Observation], slo: &Slo) -> Option<Response> {
        let group = ladder(runs);
        let shards = group.first()?.shards;
        let mut cells: Vec<(f64, Vec<&Observation>)> = rates(&group)
            .into_iter()
            .map(|rate| {
                let of_rate = |run: &&Observation| run.offered_per_s == Some(rate);
                (rate, group.iter().copied().filter(of_rate).collect())
            })
            .collect();
        let last_held = cells.iter().rposition(|(_, runs)| is_held(runs))?;
        let not_held = cells.get(last_held + 1).map(|(rate, _)| rate / shards);
        cells.truncate(last_held + 1);
        cells.retain(|(_, runs)| is_held(runs));
        // Of all repeats: the ones that held it alone would be the lucky ones.
        let percentiles = cells.iter().filter_map(|(_, runs)| {
            let of = |run: &&Observation| Some(slo.percentile.of(run.response.as_ref()?));
            median(runs.iter().filter_map(of))
        });
        let percentiles: Vec<f64> = percentiles.collect();
        let points = cells.iter().zip(rising(&percentiles));
        Some(Response {
            held: points
                .map(|((rate, runs), ns)| Point {
                    per_shard: rate / shards,
                    ns,
                    place: Place::of(runs[0]),
                })
                .collect(),
            not_held,
            shards,
        })
    }

    /// Where the rates were measured.
    pub(super) fn place(&self) -> Place {
        self.held[0].place
    }

    /// The least rate that was held.
    pub(super) fn least(&self) -> Point {
        self.held[0]
    }

    /// The percentile at a rate per shard, in nanoseconds, read off the measured rates around it;
    /// none where there are none.
    pub(super) fn at(&self, per_shard: f64) -> Option<f64> {
        let next = self.held.iter().position(|to| to.per_shard >= per_shard)?;
        let to = self.held[next];
        if to.per_shard == per_shard {
            return Some(to.ns);
        }
        let from = self.held[next.checked_sub(1)?];
        Some(on_line(
            per_shard,
            (from.per_shard, from.ns),
            (to.per_shard, to.ns),
        ))
    }

    /// The highest rate per shard, under the conditions of the measured ones, at which the
    /// objective is known to hold; none if the least rate misses it.
    pub(super) fn rate_at(&self, slo: &Slo) -> Option<RateAtSlo> {
        let bound = slo.at_most_ns;
        let met = self.held.iter().take_while(|point| point.ns <= bound);
        let met = met.count();
        let last = self.held[met.checked_sub(1)?];
        let (per_shard, basis) = match self.held.get(met) {
            Some(next) => {
                let (from, to) = ((last.ns, last.per_shard), (next.ns, next.per_shard));
                (on_line(bound, from, to), Basis::Between)
            }
            None => (last.per_shard, Basis::LastHeld(self.not_held)),
        };
        Some(RateAtSlo {
            per_shard,
            basis,
            place: last.place,
        })
    }
}

/// The open-loop runs that response times are read off: of those with the most shards, the ones of
/// the channel count with the most rates.
pub(super) fn ladder<'r>(runs: &[&'r Observation]) -> Vec<&'r Observation> {
    let open = runs.iter().copied();
    let open = open.filter(|run| run.offered_per_s.is_some() && run.response.is_some());
    let shards = open.clone().map(|run| run.shards).fold(0.0, f64::max);
    let all: Vec<&Observation> = open.filter(|run| run.shards == shards).collect();
    let counts = distinct(all.iter().map(|run| run.channels)).into_iter();
    let of_count = |count: f64| -> Vec<&Observation> {
        let of = all.iter().copied();
        of.filter(|run| run.channels == count).collect()
    };
    let most = counts.map(of_count).max_by_key(|group| rates(group).len());
    // Where each rate has channels of its own, they stand together.
    most.filter(|group| rates(group).len() > 1).unwrap_or(all)
}

/// Whether a rate was held: in half of its repeats.
pub(super) fn is_held(repeats: &[&Observation]) -> bool {
    let held = repeats.iter().filter(|run| run.held).count();
    held * 2 >= repeats.len() && held > 0
}

/// The offered rates, rising, each once.
pub(super) fn rates(runs: &[&Observation]) -> Vec<f64> {
    distinct(runs.iter().filter_map(|run| run.offered_per_s))
}
