//! The highest rate of a shard at which the objective on response time holds: read off the measured
//! rates where they lie around it, predicted from the time of a wave beyond them. Pure.

use super::{
    ask::Slo,
    cpu::CpuModel,
    least_squares::non_negative,
    observation::Observation,
    statistics::{median, rising},
    waves::{Place, Waves, wave_took_s},
};

/// Response time as a function of the rate per shard.
#[derive(Clone, Debug)]
pub(super) struct Response {
    /// The rates that were held, rising, each with the percentile, in nanoseconds, which never
    /// falls.
    pub(super) held: Vec<Point>,
    /// The least rate per shard that was not held, if there is one above those held.
    pub(super) not_held: Option<f64>,
    /// The percentile is this, in nanoseconds, plus `multiple` of a wave's time.
    floor_ns: f64,
    multiple: f64,
    /// Shards of the runs that it is read off.
    pub(super) shards: f64,
    place: Place,
}

/// A measured rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) per_shard: f64,
    pub(super) ns: f64,
    pub(super) place: Place,
}

/// The rate at which the objective is just met.
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
    /// All measured rates meet the objective: predicted beyond them.
    Beyond,
    /// None does: predicted below them.
    Below,
    /// The largest that was held meets it, and the next one, this many payments per second and
    /// shard, was not held although the model would have it so: nothing in between is counted on.
    LastHeld(f64),
}

/// Why there is no such rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct NeverMet {
    /// The best percentile that was measured, in nanoseconds, and its rate per shard.
    pub(super) best: Option<Point>,
    /// What is predicted of a payment on an idle shard, in nanoseconds.
    pub(super) idle_ns: f64,
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
        let mut held: Vec<Point> = cells
            .iter()
            .filter(|(_, runs)| is_held(runs))
            .filter_map(|(rate, runs)| {
                // Of all repeats: the ones that held it alone would be the lucky ones.
                let found = runs
                    .iter()
                    .filter_map(|run| Some(slo.percentile.of(run.response.as_ref()?)));
                Some(Point {
                    per_shard: rate / shards,
                    ns: median(found)?,
                    place: Place::of(runs[0]),
                })
            })
            .collect();
        let values: Vec<f64> = held.iter().map(|point| point.ns).collect();
        for (point, ns) in held.iter_mut().zip(rising(&values)) {
            point.ns = ns;
        }
        let (rows, targets): (Vec<Vec<f64>>, Vec<f64>) = group
            .iter()
            .filter(|run| run.held)
            .filter_map(|run| {
                let ns = slo.percentile.of(run.response.as_ref()?);
                Some((vec![1.0, wave_took_s(run) * 1e9], ns))
            })
            .unzip();
        let costs = non_negative(&rows, &targets)?;
        Some(Response {
            not_held,
            floor_ns: costs[0],
            multiple: costs[1],
            shards,
            place: held.last()?.place,
            held,
        })
    }

    /// The percentile that a rate per shard makes, in nanoseconds; none if the shard cannot keep
    /// up.
    pub(super) fn predict_ns(
        &self,
        cpu: &CpuModel,
        waves: &Waves,
        place: &Place,
        per_shard: f64,
    ) -> Option<f64> {
        let at = waves.at_rate(cpu, place, per_shard)?;
        Some(self.floor_ns + self.multiple * waves.wave_s(cpu, &at) * 1e9)
    }

    /// The percentile at a rate per shard, in nanoseconds: between measured rates read off them,
    /// else predicted, on the right side of the nearest one. None if the shard cannot keep up.
    pub(super) fn at(&self, cpu: &CpuModel, waves: &Waves, per_shard: f64) -> Option<f64> {
        let above = self
            .held
            .iter()
            .position(|held| held.per_shard >= per_shard);
        match above {
            Some(0) => {
                let first = self.held[0];
                let predicted = self.predict_ns(cpu, waves, &first.place, per_shard);
                Some(predicted?.min(first.ns))
            }
            Some(next) => {
                let (last, next) = (self.held[next - 1], self.held[next]);
                let share = (per_shard - last.per_shard) / (next.per_shard - last.per_shard);
                Some(last.ns + share * (next.ns - last.ns))
            }
            None => {
                let last = self.held.last()?;
                let predicted = self.predict_ns(cpu, waves, &last.place, per_shard);
                Some(predicted?.max(last.ns))
            }
        }
    }

    /// The highest rate per shard, under the conditions of the measured ones, at which the
    /// objective holds.
    pub(super) fn rate_at(
        &self,
        slo: &Slo,
        cpu: &CpuModel,
        waves: &Waves,
    ) -> Result<RateAtSlo, NeverMet> {
        let bound = slo.at_most_ns;
        let answer = |per_shard, basis, place| {
            Ok(RateAtSlo {
                per_shard,
                basis,
                place,
            })
        };
        let met = self
            .held
            .iter()
            .take_while(|point| point.ns <= bound)
            .count();
        let Some(last) = met.checked_sub(1).map(|last| self.held[last]) else {
            let first = self.held[0];
            let idle = 1e-3 * first.per_shard;
            let below = self.highest(slo, cpu, waves, idle, first.per_shard, &first.place);
            return match below {
                Some(rate) => answer(rate, Basis::Below, first.place),
                None => Err(NeverMet {
                    best: self.held.first().copied(),
                    idle_ns: self
                        .predict_ns(cpu, waves, &first.place, idle)
                        .unwrap_or(f64::NAN),
                }),
            };
        };
        if let Some(next) = self.held.get(met) {
            let share = (bound - last.ns) / (next.ns - last.ns);
            let rate = last.per_shard + share * (next.per_shard - last.per_shard);
            return answer(rate, Basis::Between, last.place);
        }
        let most = waves.rate_max(cpu, &self.place);
        let highest = |limit: f64| {
            self.highest(slo, cpu, waves, last.per_shard, limit, &last.place)
                .unwrap_or(last.per_shard)
        };
        match self.not_held {
            // What the model would hold and the machine did not is not planned with.
            Some(limit) if highest(limit) >= 0.999 * limit => {
                answer(last.per_shard, Basis::LastHeld(limit), last.place)
            }
            Some(limit) => answer(highest(limit), Basis::Between, last.place),
            None => answer(highest(most.max(last.per_shard)), Basis::Beyond, last.place),
        }
    }

    /// The highest rate from `low` to `high` at which the predicted percentile keeps the bound;
    /// none if not even `low` does.
    fn highest(
        &self,
        slo: &Slo,
        cpu: &CpuModel,
        waves: &Waves,
        low: f64,
        high: f64,
        place: &Place,
    ) -> Option<f64> {
        let meets = |rate: f64| {
            let predicted = self.predict_ns(cpu, waves, place, rate);
            predicted.is_some_and(|ns| ns <= slo.at_most_ns)
        };
        if !meets(low) {
            return None;
        }
        let (mut low, mut high) = (low, high);
        if meets(high) {
            return Some(high);
        }
        for _ in 0..30 {
            let middle = (low + high) / 2.0;
            if meets(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(low)
    }
}

/// The open-loop runs that response times are read off: of those with the most shards, the ones of
/// the channel count with the most rates.
pub(super) fn ladder<'r>(runs: &[&'r Observation]) -> Vec<&'r Observation> {
    let open = || {
        let open = runs.iter().copied();
        open.filter(|run| run.offered_per_s.is_some() && run.response.is_some())
    };
    let shards = open().map(|run| run.shards).fold(0.0, f64::max);
    let mut groups: Vec<Vec<&Observation>> = Vec::new();
    for run in open().filter(|run| run.shards == shards) {
        let same = |group: &&mut Vec<&Observation>| group[0].channels == run.channels;
        match groups.iter_mut().find(same) {
            Some(group) => group.push(run),
            None => groups.push(vec![run]),
        }
    }
    let most = groups
        .into_iter()
        .max_by_key(|group| (rates(group).len(), group[0].channels as u64));
    match most {
        Some(group) if rates(&group).len() > 1 => group,
        // Where each rate has channels of its own, they stand together.
        _ => open().filter(|run| run.shards == shards).collect(),
    }
}

/// Whether a rate was held: in half of its repeats.
pub(super) fn is_held(repeats: &[&Observation]) -> bool {
    let held = repeats.iter().filter(|run| run.held).count();
    held * 2 >= repeats.len() && held > 0
}

/// The offered rates, rising, each once.
pub(super) fn rates(runs: &[&Observation]) -> Vec<f64> {
    let mut rates: Vec<f64> = runs.iter().filter_map(|run| run.offered_per_s).collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    rates
}
