//! What a plan is asked for: the load, its objective, the assurance, and the machines it may have.

use std::fmt;

use serde::Serialize;

use super::l1::L1Prices;
use crate::{human, run_file::Percentiles, units};

/// A plan's question.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Payments per second; none asks the inverse: what can `machines` carry?
    pub rate_per_s: Option<f64>,
    /// Channels that are open at once; none in the inverse leaves them to the memory.
    pub channels: Option<u64>,
    /// Payments in a channel's life.
    pub payments: u64,
    /// Of all channels, the share that ends in a dispute, 0 to 1.
    pub disputes: f64,
    /// The objective on response time.
    pub slo: Slo,
    /// Which of the sweep's runs count.
    pub assurance: Wanted,
    /// Whose work is planned.
    pub role: Role,
    /// Of each machine's cores, memory and log disk, the share that stays free, 0 to below 1.
    pub headroom: f64,
    /// Machines that stand by.
    pub spare: u64,
    /// The inverse: machines that carry the load.
    pub machines: u64,
    /// Layer 1's prices and limits.
    pub l1: Option<L1Prices>,
    /// Cores of a machine; none: those of the sweep's machine.
    pub cores_per_machine: Option<u64>,
    /// Memory of a machine, in bytes; none: that of the sweep's machine.
    pub memory_per_machine: Option<u64>,
    /// What a machine's log disk writes, in bytes per second; none: not limited.
    pub log_per_machine: Option<f64>,
    /// What a channel locks, in the smallest unit of value; none: what the sweep's did.
    pub capacity: Option<u64>,
    /// The share of a run's CPU time that others may have taken from its machine, 0 to 1.
    pub busy_max: f64,
    /// The bootstrap's seed.
    pub seed: u64,
}

/// Whose work is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// One end of every channel.
    Hub,
    /// Both ends, as they were measured.
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
    pub fn parse(text: &str) -> Result<Slo, String> {
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
pub fn parse_bytes(text: &str) -> Result<u64, String> {
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

/// The assurance that is asked for. What is left open is the sweep's own, if it has only one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// The co-sign interval k.
    pub cosign_every: Option<u64>,
    /// Proposals in flight.
    pub in_flight: Option<u64>,
    /// `none`, `log` or `fsync`.
    pub durability: Option<String>,
    /// The signature back end that ran.
    pub backend: Option<String>,
    /// `one-way` or `two-way`.
    pub pattern: Option<String>,
    /// Payments in a row by one party, where both pay.
    pub turn_length: Option<u64>,
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
