//! What a plan is asked for: the load, its objective, the assurance, and the machines it may have.

use std::fmt;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::l1::L1Prices;
use crate::{
    human,
    run_file::Percentiles,
    units::{
        self, parse_count as count, parse_positive_count as positive, parse_rate as rate,
        parse_share as share,
    },
};

const LOAD: &str = "Load";
const ASSURANCE: &str = "Assurance";
const MACHINES: &str = "Machines";
const RUNS: &str = "Runs";

/// A plan's question, as options of the command line.
#[derive(Args, Clone, Debug)]
pub struct Ask {
    /// Payments per second; without it, says what the machines can carry.
    #[arg(id = "rate", long, value_name = "PER_S", value_parser = rate, help_heading = LOAD)]
    #[arg(requires = "channels", conflicts_with_all = ["inverse", "machines"])]
    pub rate_per_s: Option<f64>,
    /// Ask for what the machines can carry.
    #[arg(long, help_heading = LOAD)]
    pub inverse: bool,
    /// Channels open at once [with --inverse, as many as the largest run had, a machine].
    #[arg(long, value_name = "N", value_parser = positive, help_heading = LOAD)]
    pub channels: Option<u64>,
    /// Payments in a channel's life.
    #[arg(long, value_name = "N", value_parser = positive, help_heading = LOAD)]
    #[arg(default_value = "10k")]
    pub payments: u64,
    /// The share of channels that ends in an answered dispute.
    #[arg(long, value_name = "SHARE", value_parser = share, help_heading = LOAD)]
    #[arg(default_value = "0%")]
    pub disputes: f64,
    /// What a channel locks, in the smallest unit of value [as the runs' did, by their payments].
    #[arg(long, value_name = "N", value_parser = positive, help_heading = LOAD)]
    pub capacity: Option<u64>,
    /// The objective on response time: p50, p90, p99 or p999, and its bound.
    #[arg(long, value_name = "P=TIME", value_parser = Slo::parse, help_heading = LOAD)]
    pub slo: Slo,
    /// Whose work is planned.
    #[arg(long, value_enum, default_value = "both", help_heading = LOAD)]
    pub role: Role,
    /// Layer 1's prices and limits.
    #[arg(skip)]
    pub l1: Option<L1Prices>,
    /// Which of the sweep's runs count.
    #[command(flatten)]
    pub assurance: Wanted,

    /// Of each machine's cores, memory and log disk, the share that stays free.
    #[arg(long, value_name = "SHARE", value_parser = headroom, help_heading = MACHINES)]
    #[arg(default_value = "30%")]
    pub headroom: f64,
    /// Machines that stand by.
    #[arg(long, value_name = "N", value_parser = count, help_heading = MACHINES)]
    #[arg(default_value = "1")]
    pub spare: u64,
    /// With --inverse: machines that carry the load.
    #[arg(long, value_name = "N", value_parser = positive, help_heading = MACHINES)]
    #[arg(default_value = "1")]
    pub machines: u64,
    /// Cores of a machine [the sweep's machine's].
    #[arg(long, value_name = "N", value_parser = positive, help_heading = MACHINES)]
    pub cores_per_machine: Option<u64>,
    /// Memory of a machine, as in 64GiB [the sweep's machine's].
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, help_heading = MACHINES)]
    pub memory_per_machine: Option<u64>,
    /// What a machine's log disk writes a second, as in 500MiB [no limit].
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, help_heading = MACHINES)]
    pub log_per_machine: Option<u64>,

    /// A run of whose machine's CPU time others took more than this is INVALID for planning.
    #[arg(long, value_name = "SHARE", value_parser = share, help_heading = RUNS)]
    #[arg(default_value = "5%")]
    pub busy_max: f64,
    /// The seed of the interval's draws.
    #[arg(long, value_parser = count, default_value = "1", help_heading = RUNS)]
    pub seed: u64,
}

/// The assurance that is asked for. What is left open is the sweep's own, if it has only one.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// The co-sign interval of the runs to use [the sweep's, if it has one].
    #[arg(long, value_name = "K", value_parser = positive, help_heading = ASSURANCE)]
    pub cosign_every: Option<u64>,
    /// Proposals in flight of the runs to use [the sweep's, if it has one].
    #[arg(long, value_name = "N", value_parser = positive, help_heading = ASSURANCE)]
    pub in_flight: Option<u64>,
    /// Durability of the runs to use: none, log or fsync [the sweep's, if it has one].
    #[arg(long, help_heading = ASSURANCE)]
    pub durability: Option<String>,
    /// Back end of the runs to use [the sweep's, if it has one].
    #[arg(long, help_heading = ASSURANCE)]
    pub backend: Option<String>,
    /// Pattern of the runs to use: one-way or two-way [the sweep's, if it has one].
    #[arg(long, help_heading = ASSURANCE)]
    pub pattern: Option<String>,
    /// Turn length of the two-way runs to use [the sweep's, if it has one].
    #[arg(long, value_name = "N", value_parser = positive, help_heading = ASSURANCE)]
    pub turn_length: Option<u64>,
}

/// Whose work is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// One end of every channel: the costlier one.
    Hub,
    /// Both ends, as measured.
    Both,
}

/// An objective on response time: `p99=50ms`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Slo {
    /// The percentile's name in the run file.
    pub percentile: Percentile,
    /// What it may be at most, in nanoseconds.
    pub at_most_ns: f64,
}

/// A percentile of the run file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, strum::EnumString, strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Percentile {
    /// The median.
    P50,
    /// The 90th.
    P90,
    /// The 99th.
    P99,
    /// The 99.9th.
    P999,
}

impl Percentile {
    /// Of a run's latencies, in nanoseconds.
    pub(super) fn of(self, found: &Percentiles) -> f64 {
        let value = match self {
            Percentile::P50 => found.p50,
            Percentile::P90 => found.p90,
            Percentile::P99 => found.p99,
            Percentile::P999 => found.p999,
        };
        value as f64
    }

    pub(super) fn name(self) -> &'static str {
        self.into()
    }
}

impl Slo {
    /// Reads `p99=50ms`.
    ///
    /// # Errors
    /// Says what was given and what was expected.
    pub(super) fn parse(text: &str) -> Result<Slo, String> {
        let expected = "expected a percentile of response time and its bound, as in p99=50ms";
        let (name, bound) = text
            .split_once('=')
            .ok_or_else(|| format!("'{text}' is not an objective: {expected}"))?;
        let Ok(percentile) = name.parse() else {
            return Err(format!(
                "'{name}' is no percentile of a run: expected p50, p90, p99 or p999"
            ));
        };
        let at_most = units::parse_duration(bound)?;
        if at_most.is_zero() {
            return Err(format!("'{text}' can never be met: {expected}"));
        }
        Ok(Slo {
            percentile,
            at_most_ns: at_most.as_nanos() as f64,
        })
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = human::nanoseconds(self.at_most_ns);
        write!(f, "{} at most {bound}", self.percentile.name())
    }
}

/// Reads bytes: a count as elsewhere (`64G` is 64 × 10⁹), or with KiB, MiB, GiB or TiB.
///
/// # Errors
/// Says what was given and what was expected.
pub(super) fn parse_bytes(text: &str) -> Result<u64, String> {
    const BINARY: [(&str, u64); 4] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    let text = text.trim();
    for (suffix, unit) in BINARY {
        if let Some(number) = text.strip_suffix(suffix) {
            let found: Option<f64> = number.trim_end().parse().ok();
            let bytes = found.map(|number: f64| number * unit as f64);
            return match bytes {
                Some(bytes) if (1.0..=2_f64.powi(60)).contains(&bytes) => Ok(bytes as u64),
                _ => Err(format!("'{text}' is not a size: expected such as 64GiB")),
            };
        }
    }
    units::parse_positive_count(text)
        .map_err(|error| format!("{error}; sizes may end in KiB, MiB, GiB or TiB too"))
}

fn headroom(text: &str) -> Result<f64, String> {
    let free = share(text)?;
    let nothing = || format!("'{text}' leaves nothing to use: expected less than 100%");
    (free < 1.0).then_some(free).ok_or_else(nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives() {
        let slo = Slo::parse("p99=50ms").unwrap();
        assert_eq!((slo.percentile, slo.at_most_ns), (Percentile::P99, 50e6));
        assert_eq!(slo.to_string(), "p99 at most 50 ms");
        for (text, words) in [
            ("50ms", "'50ms' is not an objective"),
            ("p95=50ms", "expected p50, p90, p99 or p999"),
            ("p99=50", "is not a duration"),
            ("p99=0s", "can never be met"),
        ] {
            let error = Slo::parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("64GiB", 64 << 30),
            ("1.5 MiB", 3 << 19),
            ("64G", 64_000_000_000),
            ("1TiB", 1 << 40),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "-1GiB", "NaNGiB", "0", "64 G B", "1e99TiB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
