//! Turns an operator's hourly profile into a payment trace: as many payments in each hour as the
//! profile says, amounts with its average and deviation, between counterparties that are made up.
//! All choices come from the seed; no choice depends on the machine.

mod draw;
mod error;
mod profile;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    io::Write,
    path::PathBuf,
    str::FromStr,
    sync::atomic::{AtomicBool, Ordering},
};

use self::{
    draw::{Draw, PairChoice},
    profile::{ACTIONS, Hour, action_name},
};
pub use self::{
    error::GenerateError,
    profile::{PROFILE_HEADER, ProfileError},
};
use super::{HEADER, LARGEST_PAIR_TOTAL};
use duet_terminal::output::{OutputError, check_writable, write_atomically};
use duet_terminal::paths::Paths;

use duet_terminal::units::parse_count;

/// The most payments of one generated trace; 10^9 of them are a file of some 30 GB.
pub const MOST_PAYMENTS: u64 = 1_000_000_000;
/// The most pairs of a trace: they are held in memory.
pub const MOST_PAIRS: u64 = 10_000_000;

/// What a generated trace is and is not; part of every report.
pub const ASSUMPTION: &str = "real volumes and amounts, synthetic counterparties: payments per pair \
     are an assumption (pairs, skew), and payments per pair is the offload ratio";

const EXAMPLES: &str = "\
Examples:
  A million payments between a thousand pairs, a few of them very busy:
    loadgen trace --from-hourly hourly.csv --pairs 1k --payments 1M --out payments.csv

  Transfers only, every pair as busy as any other, from another seed:
    loadgen trace --from-hourly hourly.csv --action TRANSFER --pairs 100 --skew uniform \\
      --payments 100k --seed 7 --out payments.csv

The profile's columns: action,month,day,hour,count,sum,avg,std,step. Volumes and amounts are the
profile's, counterparties are made up: payments per pair follow from --payments, --pairs and --skew,
and payments per pair is what sets the offload ratio.";

/// Makes a payment trace from an operator's hourly profile
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(args_override_self = true, after_help = EXAMPLES)]
pub struct TraceArgs {
    /// The hourly profile to read
    #[arg(long, value_name = "FILE")]
    pub from_hourly: PathBuf,

    /// The profile's actions to take payments from, joined by commas
    ///
    /// A CASH_IN pays the customer, a TRANSFER goes either way with equal chance, and all else pays
    /// the merchant. Case, spaces and hyphens do not matter: cash-in is CASH_IN.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "PAYMENT,TRANSFER"
    )]
    pub action: Vec<String>,

    /// How many pairs of one customer and one merchant there are: one channel each
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub pairs: u64,

    /// How payments are spread over the pairs: zipf:S (pair r has weight 1/r^S) or uniform
    #[arg(long, value_name = "SKEW", default_value = "zipf:1.1")]
    pub skew: Skew,

    /// How many payments to make
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub payments: u64,

    /// What all random choices follow from
    #[arg(long, value_name = "N", value_parser = parse_count, default_value = "1")]
    pub seed: u64,

    /// The trace to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// How payments are spread over pairs. Written `uniform` or `zipf:S`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Skew {
    /// Every pair is equally likely.
    Uniform,
    /// The pair of rank r (from 1) has weight r^-S; S above 0, at most 10.
    Zipf(f64),
}

/// What was generated.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateReport {
    /// The number of payments.
    pub payments: u64,
    /// The number of pairs to draw from.
    pub pairs: u64,
    /// The number of pairs that pay at all: the trace's channels.
    pub pairs_used: u64,
    /// The payments of the pair that has most.
    pub busiest_pair_payments: u64,
    /// The middle one of all pairs' numbers of payments.
    pub median_pair_payments: u64,
    /// The actions taken, in the order asked for.
    pub actions: Vec<String>,
    /// Those of them of which nobody knows who pays whom, each with its first line in the profile.
    pub unknown_actions: Vec<(String, usize)>,
    /// How the payments are spread over pairs.
    pub skew: Skew,
    /// The seed of all random choices.
    pub seed: u64,
    /// The number of the profile's hours that have operations of these actions.
    pub hours: u64,
    /// The number of these operations in the profile.
    pub profile_operations: u64,
    /// The average amount of these operations in the profile.
    pub profile_average: f64,
    /// The average amount of the payments made.
    pub average: f64,
}

/// Writes the trace that `args` describe to `args.out`, whole or not at all; not at all if `stop`
/// is set before it is done.
///
/// # Errors
/// [`GenerateError`]; the output is checked before any other work is done.
pub fn generate_file(args: &TraceArgs, stop: &AtomicBool) -> Result<GenerateReport, GenerateError> {
    Paths::default()
        .reads("--from-hourly", Some(&args.from_hourly))
        .writes("--out", Some(&args.out))
        .check()
        .map_err(GenerateError::Option)?;
    check_writable(&args.out)?;
    check_options(args)?;
    // Before there is a file to be left behind: to read a pipe may take for ever.
    let profile = profile::read(&args.from_hourly)?;
    write_atomically(&args.out, |out| generate_from(&profile, args, stop, out))
}

/// Writes the trace that `args` describe to `out`, ordered by time, whatever `args.out` says.
///
/// # Errors
/// [`GenerateError`]; nothing is written before every option and the whole profile are checked.
pub fn generate(
    args: &TraceArgs,
    stop: &AtomicBool,
    out: &mut dyn Write,
) -> Result<GenerateReport, GenerateError> {
    check_options(args)?;
    generate_from(&profile::read(&args.from_hourly)?, args, stop, out)
}

fn generate_from(
    profile: &[Hour],
    args: &TraceArgs,
    stop: &AtomicBool,
    out: &mut dyn Write,
) -> Result<GenerateReport, GenerateError> {
    let actions = actions(args);
    let hours = chosen_hours(profile, &actions)?;
    let counts: Vec<u64> = hours.iter().map(|hour| hour.operations).collect();
    let shares = apportion(args.payments, &counts);

    let write_error = |source| {
        GenerateError::Output(OutputError::Failed {
            path: args.out.clone(),
            source,
        })
    };
    writeln!(out, "{HEADER}").map_err(write_error)?;
    let mut draw = Draw::new(args.seed, PairChoice::new(args.pairs, args.skew));
    let mut totals = PairTotals::new(args.pairs);
    let mut payments = Vec::new();
    let of_one_step = hours.chunk_by(|one, next| one.step == next.step);
    let mut shares = shares.into_iter();
    for step in of_one_step {
        if stop.load(Ordering::Relaxed) {
            return Err(GenerateError::Stopped);
        }
        payments.clear();
        for hour in step {
            let share = shares.next().unwrap_or(0);
            draw.payments(hour, share, &mut payments);
        }
        payments.sort_by_key(|payment| payment.offset_ms);
        for payment in &payments {
            totals.add(payment)?;
            payment.write(step[0].step, out).map_err(write_error)?;
        }
    }
    Ok(totals.report(args, actions, &hours))
}

fn check_options(args: &TraceArgs) -> Result<(), GenerateError> {
    let refused = |reason: String| Err(GenerateError::Option(reason));
    let TraceArgs {
        pairs, payments, ..
    } = *args;
    if payments == 0 {
        return refused("--payments 0 makes no trace: expected 1 or more".to_owned());
    }
    if payments > MOST_PAYMENTS {
        return refused(format!(
            "--payments {payments} is too many: the most is {MOST_PAYMENTS}"
        ));
    }
    if pairs == 0 {
        return refused("--pairs 0 leaves no one to pay: expected 1 or more".to_owned());
    }
    if pairs > MOST_PAIRS {
        return refused(format!(
            "--pairs {pairs} is too many: the most is {MOST_PAIRS}"
        ));
    }
    if pairs > payments {
        return refused(format!(
            "--pairs {pairs} is more than --payments {payments}: most pairs would never pay"
        ));
    }
    let actions = actions(args);
    for (index, action) in actions.iter().enumerate() {
        if actions[..index].contains(action) {
            return refused(format!("--action names {action} twice"));
        }
    }
    if args.action.is_empty() {
        return refused("--action names no action".to_owned());
    }
    Ok(())
}

/// The actions asked for, as the profile spells them.
fn actions(args: &TraceArgs) -> Vec<String> {
    let actions = args.action.iter();
    actions.map(|action| action_name(action)).collect()
}

/// The hours with operations of these actions, by time and then in the order of the actions.
fn chosen_hours<'a>(
    profile: &'a [Hour],
    actions: &[String],
) -> Result<Vec<&'a Hour>, GenerateError> {
    let mut chosen = Vec::new();
    for action in actions {
        let of_action = profile.iter().filter(|hour| hour.action == *action);
        if of_action.clone().next().is_none() {
            let mut present: Vec<String> = profile.iter().map(|hour| hour.action.clone()).collect();
            present.sort();
            present.dedup();
            return Err(GenerateError::UnknownAction {
                action: action.clone(),
                present,
            });
        }
        chosen.extend(of_action.filter(|hour| hour.operations > 0));
    }
    if chosen.is_empty() {
        let actions = actions.join(",");
        return Err(GenerateError::Option(format!(
            "--action {actions}: all counts are zero"
        )));
    }
    chosen.sort_by_key(|hour| hour.step);
    Ok(chosen)
}

/// Divides `whole` in proportion to the weights, by largest remainder; among equal remainders the
/// earlier one gains. The shares sum to `whole`. Weights must not all be zero.
fn apportion(whole: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    let exact = |weight: u64| u128::from(whole) * u128::from(weight);
    let mut shares: Vec<u64> = weights
        .iter()
        .map(|&weight| (exact(weight) / sum) as u64)
        .collect();
    let missing = whole - shares.iter().sum::<u64>();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|&index| std::cmp::Reverse(exact(weights[index]) % sum));
    for &index in &by_remainder[..missing as usize] {
        shares[index] += 1;
    }
    shares
}

/// How much each pair has paid so far, both directions together.
struct PairTotals {
    payments: Vec<u64>,
    amounts: Vec<u64>,
}

impl PairTotals {
    fn new(pairs: u64) -> Self {
        Self {
            payments: vec![0; pairs as usize],
            amounts: vec![0; pairs as usize],
        }
    }

    fn add(&mut self, payment: &draw::Payment) -> Result<(), GenerateError> {
        let pair = payment.pair as usize;
        self.payments[pair] += 1;
        self.amounts[pair] += payment.amount;
        if self.amounts[pair] > LARGEST_PAIR_TOTAL {
            return Err(GenerateError::PairTotalTooLarge);
        }
        Ok(())
    }

    fn report(mut self, args: &TraceArgs, actions: Vec<String>, hours: &[&Hour]) -> GenerateReport {
        let payments: u64 = self.payments.iter().sum();
        assert_eq!(
            payments, args.payments,
            "as many payments as were asked for"
        );
        let amount: u128 = self.amounts.iter().map(|&amount| u128::from(amount)).sum();
        let operations: u64 = hours.iter().map(|hour| hour.operations).sum();
        let operations_amount: f64 = hours
            .iter()
            .map(|hour| hour.operations as f64 * hour.average)
            .sum();
        self.payments.sort_unstable();
        GenerateReport {
            payments,
            pairs: args.pairs,
            pairs_used: self.payments.iter().filter(|&&count| count > 0).count() as u64,
            busiest_pair_payments: self.payments.last().copied().unwrap_or(0),
            median_pair_payments: self.payments[self.payments.len() / 2],
            unknown_actions: unknown(&actions, hours),
            actions,
            skew: args.skew,
            seed: args.seed,
            hours: hours
                .iter()
                .map(|hour| hour.step)
                .collect::<std::collections::BTreeSet<_>>()
                .len() as u64,
            profile_operations: operations,
            profile_average: operations_amount / operations as f64,
            average: amount as f64 / payments as f64,
        }
    }
}

/// The actions that are none of [`ACTIONS`], each with its first line.
fn unknown(actions: &[String], hours: &[&Hour]) -> Vec<(String, usize)> {
    let unknown = actions
        .iter()
        .filter(|action| !ACTIONS.contains(&action.as_str()));
    unknown
        .filter_map(|action| {
            let lines = hours.iter().filter(|hour| hour.action == *action);
            Some((action.clone(), lines.map(|hour| hour.line).min()?))
        })
        .collect()
}

impl fmt::Display for GenerateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions = self.actions.join(",");
        writeln!(
            f,
            "{} payments, in proportion to {} real {actions} operations in {} hours",
            self.payments, self.profile_operations, self.hours,
        )?;
        writeln!(
            f,
            "average amount {:.2} (profile {:.2})",
            self.average, self.profile_average,
        )?;
        writeln!(
            f,
            "{} of {} pairs pay ({}, seed {}); payments per pair: {:.1} on average, median {}, \
             most {}",
            self.pairs_used,
            self.pairs,
            self.skew,
            self.seed,
            self.payments as f64 / self.pairs_used as f64,
            self.median_pair_payments,
            self.busiest_pair_payments,
        )?;
        for (action, line) in &self.unknown_actions {
            writeln!(
                f,
                "'{action}' (line {line}) is none of {}: taken to pay the merchant",
                ACTIONS.join(", "),
            )?;
        }
        f.write_str(ASSUMPTION)
    }
}

impl FromStr for Skew {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "uniform" {
            return Ok(Self::Uniform);
        }
        let exponent = text.strip_prefix("zipf:").ok_or_else(|| {
            format!("'{text}' is not a skew: expected uniform or zipf:S, as in zipf:1.1")
        })?;
        match exponent.parse::<f64>() {
            Ok(exponent) if exponent > 0.0 && exponent <= 10.0 => Ok(Self::Zipf(exponent)),
            _ => Err(format!(
                "'{text}': expected an exponent above 0 and at most 10, as in zipf:1.1"
            )),
        }
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Zipf(exponent) => write!(f, "zipf:{exponent}"),
        }
    }
}
