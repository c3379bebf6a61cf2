//! What a rate must do to count as sustained, and whether a run did it. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use duet_run_file::run_file::{NOT_HELD, Percentiles, RunFile};
use duet_terminal::human;
use duet_terminal::units::parse_duration;
use serde::Serialize;

/// A percentile of the response time.
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
    /// The largest.
    Max,
}

impl Percentile {
    /// Its name in options and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Its value, in nanoseconds.
    #[must_use]
    pub fn of(self, percentiles: &Percentiles) -> u64 {
        match self {
            Percentile::P50 => percentiles.p50,
            Percentile::P90 => percentiles.p90,
            Percentile::P99 => percentiles.p99,
            Percentile::P999 => percentiles.p999,
            Percentile::Max => percentiles.max,
        }
    }
}

/// A service level objective: bounds on percentiles of the response time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objective(Vec<(Percentile, Duration)>);

impl Objective {
    /// The bounds.
    #[must_use]
    pub fn bounds(&self) -> &[(Percentile, Duration)] {
        &self.0
    }

    /// The first bound's percentile, for tables.
    #[must_use]
    pub fn first(&self) -> Percentile {
        self.0[0].0
    }

    /// Why a run did not sustain its rate; nothing if it did: it held it ([`OpenLoop::not_held`]),
    /// and every bound holds on the response time.
    ///
    /// [`OpenLoop::not_held`]: duet_run_file::run_file::OpenLoop::not_held
    ///
    /// # Errors
    /// Why the run says nothing of the rate: its own checks failed.
    pub fn missed(&self, run: &RunFile) -> Result<Vec<String>, Vec<String>> {
        let broken: Vec<String> = run.achieved.broken().cloned().collect();
        if !broken.is_empty() {
            return Err(broken);
        }
        let Some(open_loop) = &run.achieved.open_loop else {
            return Err(vec!["it was no open loop".to_owned()]);
        };
        let not_held = open_loop.not_held();
        let mut reasons: Vec<String> = not_held
            .map(|reason| format!("{NOT_HELD}: {reason}"))
            .into_iter()
            .collect();
        let Some(response) = &run.latency_ns.response else {
            reasons.push("no response time was measured".to_owned());
            return Ok(reasons);
        };
        for (percentile, bound) in &self.0 {
            let found = percentile.of(response);
            if u128::from(found) > bound.as_nanos() {
                reasons.push(format!(
                    "{} {} > {}",
                    percentile.name(),
                    human::nanoseconds(found as f64),
                    human::seconds(bound.as_secs_f64())
                ));
            }
        }
        Ok(reasons)
    }
}

impl FromStr for Objective {
    type Err = String;

    fn from_str(text: &str) -> Result<Objective, String> {
        let mut bounds: Vec<(Percentile, Duration)> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (name, bound) = part.split_once('=').ok_or_else(|| {
                format!("'{part}': expected a percentile and a bound, as in p99=5ms")
            })?;
            let Ok(percentile) = name.parse::<Percentile>() else {
                return Err(format!(
                    "'{name}': expected one of p50, p90, p99, p999, max"
                ));
            };
            let bound = parse_duration(bound)?;
            if bound.is_zero() {
                return Err(format!("'{part}': no payment takes no time"));
            }
            if bounds.iter().any(|(other, _)| *other == percentile) {
                return Err(format!("'{part}': {name} has its bound already"));
            }
            bounds.push((percentile, bound));
        }
        Ok(Objective(bounds))
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (percentile, bound)) in self.0.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            let bound = human::seconds(bound.as_secs_f64());
            write!(f, "{comma}{} {bound}", percentile.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_read_and_nonsense_is_refused_by_name() {
        let read: Objective = "p99=5ms,max=1s".parse().unwrap();
        assert_eq!(read.bounds().len(), 2);
        assert_eq!(read.to_string(), "p99 5 ms, max 1 s");
        for (text, words) in [
            ("", "expected a percentile and a bound"),
            ("p99", "expected a percentile and a bound"),
            ("p98=5ms", "'p98': expected one of"),
            ("p99=5", "'5'"),
            ("p99=0s", "takes no time"),
            ("p99=5ms,p99=6ms", "already"),
        ] {
            let error = text.parse::<Objective>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
