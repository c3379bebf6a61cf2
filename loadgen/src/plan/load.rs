//! What is run: synthetic sessions or a trace, with deposits that make sense for it.

use std::path::Path;
use std::time::Duration;

use duet_engine::pipeline::Workload;
use duet_engine::protocol::Pair;

use super::error::{PlanError, bad, bounded};
use crate::amount::AmountDistribution;
use crate::cli::{Pattern, RunArgs};
use crate::part::Part;
use crate::replay::Replay;
use crate::synthetic::Synthetic;
use crate::trace::{Capacity, Deposits, Trace, total_deposits};
use duet_terminal::human;
use duet_terminal::threads;

const DEFAULT_PAYMENTS: u64 = 10_000;
const DEFAULT_CONCURRENT: u64 = 10_000;
/// More payments per second than any core makes, and more sessions per second than any core opens
/// and closes: they bound a run that only time ends.
const BEYOND_ANY_RATE: f64 = 50e6;
const BEYOND_ANY_SESSION_RATE: f64 = 20e3;
const MOST_PAYMENTS: u64 = 1 << 50;
const MOST_CONCURRENT: u64 = 1 << 28;
/// A replay's end must fit the clock's 64 bits of nanoseconds; 100 years do.
const LONGEST_REPLAY_S: f64 = 100.0 * 365.25 * 86_400.0;

/// A workload and how to describe it.
pub(super) struct Load {
    pub(super) source: Source,
    pub(super) mode: &'static str,
    pub(super) concurrent: u64,
    /// The mean, where sessions differ.
    pub(super) payments_per_session: u64,
    pub(super) pattern: String,
    pub(super) turn_length: Option<u64>,
    pub(super) amount: String,
    pub(super) capacity: String,
    pub(super) trace_sha256: Option<String>,
    pub(super) notes: Vec<String>,
}

/// Where a load's payments come from.
pub(super) enum Source {
    Synthetic(Synthetic),
    Trace(Trace, Vec<Deposits>),
}

impl Source {
    pub(super) fn sessions(&self) -> u64 {
        match self {
            Source::Synthetic(workload) => workload.sessions,
            Source::Trace(trace, _) => trace.sessions() as u64,
        }
    }

    pub(super) fn workload(self) -> Box<dyn Workload> {
        match self {
            Source::Synthetic(workload) => Box::new(workload),
            Source::Trace(trace, deposits) => Box::new(Replay::new(trace, deposits)),
        }
    }
}

impl Load {
    /// The sessions of one part of it: its own slots, or its own pairs of the trace.
    ///
    /// # Errors
    /// If there are fewer channels at once than parts.
    pub(super) fn part(mut self, part: Part) -> Result<Load, PlanError> {
        let whole = self.concurrent;
        if whole < part.of() {
            let channels = match self.source {
                Source::Trace(..) => format!("the trace has {}", human::counted(whole, "channel")),
                Source::Synthetic(_) => format!("{} at once", human::counted(whole, "channel")),
            };
            return Err(bad(format!(
                "--part {part}: {channels}, expected at least one for each part"
            )));
        }
        self.concurrent = part.share(whole);
        self.source = match self.source {
            Source::Synthetic(of_whole) => Source::Synthetic(Synthetic {
                sessions: part.sessions(of_whole.sessions, whole),
                concurrent: self.concurrent,
                part: Some((part, whole)),
                ..of_whole
            }),
            Source::Trace(trace, deposits) => {
                let own = trace.part(part);
                self.payments_per_session = own.payments() as u64 / own.sessions() as u64;
                let numbers = (0..self.concurrent).map(|at| part.number(at) as usize);
                Source::Trace(own, numbers.map(|at| deposits[at]).collect())
            }
        };
        Ok(self)
    }

    /// A session's transactions pay at most so much, all of them together.
    pub(super) fn synthetic(
        args: &RunArgs,
        default_sessions: u64,
        most_fees: u64,
    ) -> Result<Load, PlanError> {
        let payments = bounded(
            "--payments",
            args.payments.unwrap_or(DEFAULT_PAYMENTS),
            MOST_PAYMENTS,
        )?;
        let amount = args
            .amount
            .unwrap_or(AmountDistribution::Uniform { low: 1, high: 100 });
        let pattern = args.pattern.unwrap_or(Pattern::OneWay);
        let turn_length = match pattern {
            Pattern::OneWay => None,
            Pattern::TwoWay => {
                // Both sides shall pay, however short the session.
                let in_flight = args
                    .in_flight
                    .saturating_mul(args.cosign_every.unwrap_or(1));
                let turn = in_flight.min(payments.div_ceil(2));
                Some(args.turn_length.unwrap_or(turn).min(payments))
            }
        };
        let deposits = deposits(args, payments, turn_length, &amount)?;
        let sessions = args.sessions.unwrap_or_else(|| match args.duration {
            None => default_sessions,
            Some(duration) => {
                let reached = unreachable_sessions(duration, args.rate, payments);
                // Those that are open at once are opened, however little time there is to pay.
                (default_sessions + reached)
                    .max(args.concurrent.unwrap_or(0))
                    .min(held_sessions(payments, deposits, most_fees))
            }
        });
        check_payments(sessions, payments)?;
        let default = match args.sessions {
            Some(_) => DEFAULT_CONCURRENT,
            None => default_sessions,
        };
        let concurrent = args.concurrent.unwrap_or(default.min(sessions));
        bounded("--concurrent", concurrent, MOST_CONCURRENT)?;
        let concurrent = concurrent.min(sessions);
        let workload = Synthetic {
            sessions,
            concurrent,
            payments,
            turn_length,
            amount,
            seed: args.seed,
            deposits,
            part: None,
        };
        check_supply(&workload, most_fees)?;
        Ok(Load {
            mode: "synthetic",
            concurrent,
            payments_per_session: payments,
            pattern: pattern.name().to_owned(),
            turn_length,
            amount: amount.to_string(),
            capacity: (u128::from(deposits.a) + u128::from(deposits.b)).to_string(),
            trace_sha256: None,
            notes: Vec::new(),
            source: Source::Synthetic(workload),
        })
    }

    pub(super) fn replay(args: &RunArgs, path: &Path) -> Result<Load, PlanError> {
        let trace = Trace::read(path).map_err(PlanError::Trace)?;
        if let Some(speedup) = args.speedup {
            let takes_s = trace.duration_ns() as f64 / 1e9 / speedup;
            if takes_s > LONGEST_REPLAY_S {
                return Err(bad(format!(
                    "--speedup {speedup:?}: the replay takes {takes_s:.0} s, expected at most \
                     {LONGEST_REPLAY_S:.0} (100 years)"
                )));
            }
        }
        let capacity = args.capacity.unwrap_or(Capacity::FromTrace);
        let payments = || trace.iter().flat_map(|session| session.payments);
        let smallest = payments()
            .map(|payment| payment.amount())
            .min()
            .unwrap_or(0);
        if let Capacity::Fixed(units) = capacity
            && units < smallest
        {
            return Err(bad(format!(
                "--capacity {units}: too small for any payment of the trace, the smallest is {smallest}"
            )));
        }
        let deposits = trace.deposits(&capacity);
        if total_deposits(&deposits).is_none_or(|total| total > u64::MAX / 2) {
            return Err(bad(format!(
                "--capacity {capacity}: the deposits sum to more than {} units",
                u64::MAX / 2
            )));
        }
        let near_names = trace.near_names();
        let mut notes: Vec<String> = near_names
            .map(|near| format!("trace '{}', {near}", path.display()))
            .into_iter()
            .collect();
        if capacity == Capacity::FromTrace {
            notes.push(
                "Deposits from perfect foresight: each channel locks just what its payments will \
                 need. Real parties do not know that; see --capacity N or quantile:Q."
                    .to_owned(),
            );
        }
        let two_way = payments().any(|payment| !payment.from_opener());
        let sessions = trace.sessions() as u64;
        Ok(Load {
            mode: "trace",
            concurrent: sessions,
            payments_per_session: trace.payments() as u64 / sessions,
            pattern: if two_way {
                Pattern::TwoWay
            } else {
                Pattern::OneWay
            }
            .name()
            .to_owned(),
            turn_length: None,
            amount: "trace".to_owned(),
            capacity: capacity.to_string(),
            trace_sha256: Some(trace.sha256().to_owned()),
            notes,
            source: Source::Trace(trace, deposits),
        })
    }
}

/// More sessions than can be reached in that time.
fn unreachable_sessions(duration: Duration, rate: Option<f64>, payments: u64) -> u64 {
    let cores = threads::cores() as f64;
    let payments_per_s = rate.map_or(BEYOND_ANY_RATE * cores, |rate| 1.1 * rate);
    let sessions_per_s = (payments_per_s / payments as f64).min(BEYOND_ANY_SESSION_RATE * cores);
    (sessions_per_s * duration.as_secs_f64()).min(1e9) as u64
}

/// The sessions that counts and amounts can hold.
fn held_sessions(payments: u64, deposits: Pair<u64>, most_fees: u64) -> u64 {
    // Deposits and fees.
    let locked = u128::from(deposits.a) + u128::from(deposits.b) + u128::from(most_fees).max(2);
    let holds = u64::try_from(u128::from(u64::MAX / 4) / locked).unwrap_or(u64::MAX);
    (MOST_PAYMENTS / payments).min(holds).max(1)
}

/// What each side of a synthetic channel locks: all that it may have to pay, or what was asked.
fn deposits(
    args: &RunArgs,
    payments: u64,
    turn_length: Option<u64>,
    amount: &AmountDistribution,
) -> Result<Pair<u64>, PlanError> {
    let by_b = match turn_length {
        None => 0,
        Some(turn) => payments / (2 * turn) * turn + (payments % (2 * turn)).saturating_sub(turn),
    };
    let by_a = payments - by_b;
    let reserve = args.reserve.unwrap_or(0);
    match args.capacity {
        Some(Capacity::Fixed(capacity)) => {
            // One-way sessions need all that is paid; two-way ones at least a payment.
            let least = match turn_length {
                None => u128::from(payments) * u128::from(amount.smallest()),
                Some(_) => u128::from(amount.smallest()),
            };
            let least = least + u128::from(reserve);
            if u128::from(capacity) < least {
                return Err(bad(format!(
                    "--capacity {capacity}: too small, {payments} payments of {amount} and a \
                     reserve of {reserve} take at least {least}"
                )));
            }
            let b = if by_b == 0 { 0 } else { capacity / 2 };
            Ok(Pair { a: capacity - b, b })
        }
        _ => {
            let deposit = |count: u64| {
                let spent = match count {
                    0 => Some(0),
                    _ => most_spent(amount, count).and_then(|spent| spent.checked_add(reserve)),
                };
                spent.filter(|sum| *sum <= u64::MAX / 4).ok_or_else(|| {
                    bad(format!(
                        "--amount {amount} with --payments {payments} and a reserve of {reserve}: \
                         the sum may be more than {} units",
                        u64::MAX / 4
                    ))
                })
            };
            Ok(Pair {
                a: deposit(by_a)?,
                b: deposit(by_b)?,
            })
        }
    }
}

/// The most that so many payments sum to. A log-normal has no such bound: there it is the mean
/// and twelve standard deviations of the sum; what exceeds it is refused, and counted.
fn most_spent(amount: &AmountDistribution, count: u64) -> Option<u64> {
    let bound = u128::from(amount.largest()) * u128::from(count);
    let bound = match *amount {
        AmountDistribution::LogNormal { mu, sigma } => {
            let mean = libm::exp(mu + sigma * sigma / 2.0);
            let deviation = mean * libm::expm1(sigma * sigma).sqrt();
            let count = count as f64;
            let likely = count * (mean + 1.0) + 12.0 * deviation * count.sqrt();
            bound.min(likely as u128)
        }
        _ => bound,
    };
    u64::try_from(bound)
        .ok()
        .filter(|bound| *bound <= u64::MAX / 4)
}

/// All payments must be counted.
fn check_payments(sessions: u64, payments: u64) -> Result<(), PlanError> {
    let all = sessions.checked_mul(payments);
    match all.is_some_and(|all| all <= MOST_PAYMENTS) {
        true => Ok(()),
        false => Err(bad(format!(
            "--sessions {sessions} with --payments {payments}: expected at most {MOST_PAYMENTS} \
             payments in all"
        ))),
    }
}

/// All accounts' balances must sum to what an amount can hold.
fn check_supply(workload: &Synthetic, most_fees: u64) -> Result<(), PlanError> {
    let per_slot = u128::from(workload.deposits.a) + u128::from(workload.deposits.b);
    let opens = u128::from(workload.sessions.div_ceil(workload.concurrent));
    let fees = opens * u128::from(most_fees);
    let supply = u128::from(workload.concurrent) * (per_slot * opens + fees);
    if supply > u128::from(u64::MAX / 2) {
        return Err(bad(format!(
            "{} sessions that lock {per_slot}{} each: expected at most {} units in all",
            workload.sessions,
            match most_fees {
                0..=2 => String::new(),
                fees => format!(" and pay up to {fees}"),
            },
            u64::MAX / 2
        )));
    }
    Ok(())
}
