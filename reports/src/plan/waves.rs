//! How large a shard's waves get at a rate, how long they take, and what a payment waits for them.
//!
//! A shard takes what is ready as a wave, without a timer. A wave of n signatures takes
//! `T(n) = α · n · cpu(n) + σ`: α is the wall time that a second of CPU time takes (1 on a core
//! that nobody else uses), σ what a wave waits for besides, such as a sync. During it λ T(n)
//! payments arrive, and those are the next wave; where none has arrived the shard sleeps until the
//! first. So the size that keeps itself is that with `n = λ T(n) + exp(−λ T(n))`: with a fixed cost
//! b and a cost a per payment, and many in a wave, `n = λ b / (1 − λ a)`. Pure.

use super::{
    ask::Role,
    cpu::{Conditions, CpuModel, Place},
    least_squares::non_negative,
    observation::{Observation, burst},
    statistics::{median, minimise_log, solve},
};

/// What makes a wave's size, fitted.
#[derive(Clone, Debug)]
pub(super) struct Waves {
    /// α: wall seconds per CPU second.
    pub(super) slowdown: f64,
    /// σ: seconds a wave takes besides its CPU time.
    pub(super) beside_cpu_s: f64,
    /// How much more alike a wave's payments are than drawn evenly from its channels. 1 for waves
    /// of one size; more where their size varies, as large waves meet a channel twice.
    clumping: f64,
    /// The largest mean wave in an open loop and in a closed one.
    pub(super) wave_max: f64,
    closed_wave: Option<f64>,
    /// Closed loop: signatures of one key over those of a burst.
    closed_per_key: f64,
    in_flight: f64,
}

/// A mean wave below this says little of how long waves take: it is mostly waiting.
const LEAST_TELLING_WAVE: f64 = 1.5;

impl Waves {
    /// None without runs. `durable`: waves also wait for a log.
    pub(super) fn fit(runs: &[&Observation], durable: bool) -> Option<Waves> {
        let shards_max = runs.iter().map(|run| run.shards).fold(0.0, f64::max);
        let mut timed: Vec<&Observation> = runs
            .iter()
            .copied()
            .filter(|run| run.shards == shards_max && payments_a_wave(run) >= LEAST_TELLING_WAVE)
            .collect();
        if timed.is_empty() {
            timed = runs.to_vec();
        }
        let (slowdown, beside_cpu_s) = wall_time(&timed, durable)?;
        let (open, closed): (Vec<&Observation>, Vec<&Observation>) =
            runs.iter().partition(|run| run.offered_per_s.is_some());
        let error = |clumping: f64, run: &Observation| {
            let alike = per_key(run.wave, run.channels / run.shards, clumping);
            let ratio = alike.min(run.in_flight.max(1.0)) / run.per_key;
            ratio.ln().powi(2)
        };
        let clumping = minimise_log(0.1, 1e3, |clumping| {
            open.iter().map(|run| error(clumping, run)).sum()
        });
        let per_key = closed
            .iter()
            .map(|run| run.per_key / (run.burst() * run.proposals_per_payment));
        Some(Waves {
            slowdown,
            beside_cpu_s,
            clumping: if open.is_empty() { 1.0 } else { clumping },
            wave_max: runs.iter().map(|run| run.wave).fold(1.0, f64::max),
            closed_wave: median(closed.iter().map(|run| run.wave)),
            closed_per_key: median(per_key).unwrap_or(1.0),
            in_flight: runs.iter().map(|run| run.in_flight).fold(1.0, f64::max),
        })
    }

    /// The conditions of a wave of `wave` signatures in an open loop.
    pub(super) fn conditions(&self, place: &Place, wave: f64) -> Conditions {
        let alike = per_key(wave, place.channels_per_shard, self.clumping);
        Conditions {
            wave,
            per_key: alike.min(self.in_flight.max(1.0)),
            place: *place,
        }
    }

    /// The conditions of a closed loop, in which every channel pays as fast as it may.
    pub(super) fn closed_conditions(&self, place: &Place) -> Conditions {
        let ppp = place.proposals_per_payment;
        let signatures = burst(self.in_flight, ppp, place.payments) * ppp;
        let wave = self.closed_wave.unwrap_or(self.wave_max);
        Conditions {
            wave: wave.min(place.channels_per_shard * self.in_flight).max(1.0),
            per_key: (self.closed_per_key * signatures).max(1.0),
            place: *place,
        }
    }

    /// The largest wave that there is room for.
    pub(super) fn wave_cap(&self, place: &Place) -> f64 {
        let room = place.channels_per_shard * self.in_flight;
        self.wave_max.min(room).max(1.0)
    }

    /// T(n), in seconds.
    pub(super) fn wave_s(&self, cpu: &CpuModel, at: &Conditions) -> f64 {
        let payments = at.wave / at.place.proposals_per_payment;
        self.slowdown * payments * cpu.on_shard(at).of(Role::Both) + self.beside_cpu_s
    }

    /// The most payments per second that a shard can make under these conditions.
    pub(super) fn rate_under(&self, cpu: &CpuModel, at: &Conditions) -> f64 {
        at.wave / at.place.proposals_per_payment / self.wave_s(cpu, at)
    }

    /// The most payments per second that a shard can make in an open loop: in full waves.
    pub(super) fn rate_max(&self, cpu: &CpuModel, place: &Place) -> f64 {
        self.rate_under(cpu, &self.conditions(place, self.wave_cap(place)))
    }

    /// The conditions that a rate per shard makes by itself; none if no wave is large enough for
    /// it.
    pub(super) fn at_rate(
        &self,
        cpu: &CpuModel,
        place: &Place,
        per_shard: f64,
    ) -> Option<Conditions> {
        // How much larger the next wave is.
        let growth = |wave: f64| {
            let at = self.conditions(place, wave);
            let arriving = per_shard * self.wave_s(cpu, &at);
            (arriving + (-arriving).exp()) * place.proposals_per_payment - wave
        };
        let cap = self.wave_cap(place);
        if growth(cap) > 0.0 {
            return None;
        }
        let least = place.proposals_per_payment.min(1.0);
        let wave = solve(least, cap, |wave| growth(wave) <= 0.0);
        Some(self.conditions(place, wave.max(1.0)))
    }
}

/// Signatures of one key in a wave of n over C channels: `x / (1 − exp(−x))` with x = n/C, the
/// payments a channel that has any has if they fall evenly, times what they clump.
fn per_key(wave: f64, channels: f64, clumping: f64) -> f64 {
    let x = clumping * wave / channels.max(1.0);
    if x < 1e-9 { 1.0 } else { x / -(-x).exp_m1() }
}

fn payments_a_wave(run: &Observation) -> f64 {
    run.wave / run.proposals_per_payment
}

/// Seconds that a wave took: the time from one to the next, less the sleep between them. Solves
/// `payments = y + exp(−y)` for the payments y that arrive in that time.
pub(super) fn wave_took_s(run: &Observation) -> f64 {
    let payments = payments_a_wave(run);
    let arrive = solve(0.0, payments, |y| y + f64::exp(-y) >= payments);
    run.wave_interval_s() * arrive / payments
}

/// α and σ. A thread cannot take less time than its CPU time: where the fit says so, α is 1.
fn wall_time(timed: &[&Observation], durable: bool) -> Option<(f64, f64)> {
    let rows: Vec<Vec<f64>> = timed
        .iter()
        .map(|run| {
            let mut row = vec![payments_a_wave(run) * run.paying_cpu_s()];
            row.extend(durable.then_some(1.0));
            row
        })
        .collect();
    let took: Vec<f64> = timed.iter().map(|run| wave_took_s(run)).collect();
    let costs = non_negative(&rows, &took)?;
    if costs[0] >= 1.0 {
        return Some((costs[0], costs.get(1).copied().unwrap_or(0.0)));
    }
    let beside = median(rows.iter().zip(&took).map(|(row, took)| took - row[0]))?;
    Some((1.0, if durable { beside.max(0.0) } else { 0.0 }))
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{Truth, sweep};
    use super::*;

    #[test]
    fn a_waves_size_keeps_itself() {
        let truth = Truth::default();
        let runs = sweep(&truth);
        let runs: Vec<&Observation> = runs.iter().collect();
        let (cpu, waves) = (
            CpuModel::fit(&runs).unwrap(),
            Waves::fit(&runs, false).unwrap(),
        );
        let place = Place {
            channels_per_shard: 1e5,
            sessions_per_payment: 1e-4,
            edge_sessions_per_payment: 0.0,
            payments: 1e4,
            proposals_per_payment: 1.0,
        };
        let most = waves.rate_max(&cpu, &place);
        let mut last = 0.0;
        for share in [1e-4, 0.01, 0.1, 0.3, 0.6, 0.9, 0.99] {
            let rate = share * most;
            let at = waves.at_rate(&cpu, &place, rate).unwrap();
            let arriving = rate * waves.wave_s(&cpu, &at);
            let next = arriving + (-arriving).exp();
            assert!(
                (next / at.wave - 1.0).abs() < 1e-6,
                "{share}: {next} {at:?}"
            );
            assert!(at.wave >= last, "{share}");
            last = at.wave;
        }
        assert!(waves.at_rate(&cpu, &place, 1.001 * most).is_none());
        let idle = waves.at_rate(&cpu, &place, 1e-3).unwrap();
        assert!((idle.wave - 1.0).abs() < 1e-3, "{idle:?}");
    }

    #[test]
    fn in_large_waves_the_size_is_that_of_the_closed_form() {
        let truth = Truth {
            key_s: 0.0,
            contention: 0.0,
            ..Truth::default()
        };
        let runs = sweep(&truth);
        let runs: Vec<&Observation> = runs.iter().collect();
        let (cpu, waves) = (
            CpuModel::fit(&runs).unwrap(),
            Waves::fit(&runs, false).unwrap(),
        );
        let place = Place {
            channels_per_shard: 1_500.0,
            sessions_per_payment: 1e-4,
            edge_sessions_per_payment: 0.0,
            payments: 1e4,
            proposals_per_payment: 1.0,
        };
        let payment_s = truth.payment_s + truth.signature_s + truth.session_s * 1e-4;
        for rate in [60e3, 90e3] {
            let found = waves.at_rate(&cpu, &place, rate).unwrap().wave;
            let expected = rate * truth.wave_s / (1.0 - rate * payment_s);
            assert!((found / expected - 1.0).abs() < 0.05, "{found} {expected}");
        }
    }

    #[test]
    fn keys_in_a_wave() {
        for (wave, channels, expected) in [
            (1.0, 1e9, 1.0),
            (100.0, 1e6, 1.00005),
            (1e3, 1e3, 1.582),
            (1e4, 1e2, 100.0),
        ] {
            let found = per_key(wave, channels, 1.0);
            assert!((found / expected - 1.0).abs() < 1e-3, "{found} {expected}");
        }
    }
}
