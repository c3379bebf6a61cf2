//! Layer 1's validators on the command line: how many are faulty and how, what is between them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use duet_engine::consensus::{Fault, Latency, MOST_LOSS_PPM, Partition};
use duet_engine::pipeline::CutOff;
use strum::VariantNames;

use duet_terminal::units::{parse_duration, parse_positive_count, parse_share};

/// As many as a transaction may be held back for.
const MOST_CUT_OFF_BLOCKS: u64 = 1 << 20;

/// Faults, and how many validators have each: `silent=1,censor=2`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidatorFaults(pub Vec<(Fault, u16)>);

impl FromStr for ValidatorFaults {
    type Err = String;

    fn from_str(text: &str) -> Result<ValidatorFaults, String> {
        let mut faults: Vec<(Fault, u16)> = Vec::new();
        for part in parts(text)? {
            let (name, count) = part.split_once('=').ok_or_else(|| {
                format!("'{part}': expected a fault and a number of validators, as in silent=1")
            })?;
            let kind: Fault = name.parse().map_err(|_| {
                format!(
                    "'{part}': unknown fault '{name}', expected one of {}",
                    Fault::VARIANTS.join(", ")
                )
            })?;
            let count = count.parse().map_err(|_| {
                format!("'{part}': '{count}' is no number of validators, 0 to 65,535")
            })?;
            if faults.iter().any(|(other, _)| *other == kind) {
                return Err(format!("'{part}': {name} has its number already"));
            }
            faults.push((kind, count));
        }
        Ok(ValidatorFaults(faults))
    }
}

/// A network's latencies: a name, or a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorLatency {
    /// As it was given.
    pub text: String,
    /// What that stands for.
    pub latency: Latency,
}

impl FromStr for ValidatorLatency {
    type Err = String;

    fn from_str(text: &str) -> Result<ValidatorLatency, String> {
        let latency = match text {
            "wide-area" => Latency::wide_area(),
            "data-centre" => Latency::data_centre(),
            table => {
                let points = parts(table)?.map(point);
                let points: Result<Vec<(u32, u64)>, String> = points.collect();
                Latency::new(points?).map_err(|error| format!("'{text}': {error}"))?
            }
        };
        Ok(ValidatorLatency {
            text: text.to_owned(),
            latency,
        })
    }
}

impl Default for ValidatorLatency {
    fn default() -> ValidatorLatency {
        ValidatorLatency {
            text: "wide-area".to_owned(),
            latency: Latency::wide_area(),
        }
    }
}

/// A share and a time, as in `50%:40ms`.
fn point(part: &str) -> Result<(u32, u64), String> {
    let (share, time) = part.split_once(':').ok_or_else(|| {
        format!(
            "'{part}': expected wide-area, data-centre, or shares and times, as in \
             0:5ms,50%:40ms,100%:600ms"
        )
    })?;
    let share = parse_share(share)?;
    Ok((millionths(share), micros(part, time)?))
}

/// Reads the share of messages that links lose: one that the network can draw.
///
/// # Errors
/// Says what was given and what was expected: no share, above a half, or below a millionth.
pub fn parse_loss(text: &str) -> Result<f64, String> {
    let share = parse_share(text)?;
    let ppm = millionths(share);
    if ppm > MOST_LOSS_PPM {
        let most = MOST_LOSS_PPM / 10_000;
        return Err(format!(
            "'{text}': expected at most {most}%: over a link that loses more nobody keeps a \
             connection"
        ));
    }
    match share > 0.0 && ppm == 0 {
        true => Err(format!("'{text}': expected 0%, or 0.0001% and more")),
        false => Ok(share),
    }
}

/// A share in millionths, as networks have shares.
pub fn millionths(share: f64) -> u32 {
    (share * 1e6).round() as u32
}

fn micros(part: &str, time: &str) -> Result<u64, String> {
    let time: Duration = parse_duration(time).map_err(|error| format!("'{part}': {error}"))?;
    if !time.subsec_nanos().is_multiple_of(1_000) {
        return Err(format!(
            "'{part}': expected whole microseconds, not {time:?}"
        ));
    }
    u64::try_from(time.as_micros()).map_err(|_| format!("'{part}': longer than any run"))
}

/// Some validators that do not reach the others for a while: `10s..40s=1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidatorPartition(pub Partition);

impl FromStr for ValidatorPartition {
    type Err = String;

    fn from_str(text: &str) -> Result<ValidatorPartition, String> {
        let unlike = || {
            format!(
                "'{text}': expected from when, until when and how many validators are cut off, as \
                 in 10s..40s=1"
            )
        };
        let (times, validators) = text.split_once('=').ok_or_else(unlike)?;
        let (from, until) = times.split_once("..").ok_or_else(unlike)?;
        let partition = Partition {
            from_us: micros(text, from)?,
            until_us: micros(text, until)?,
            validators: validators.parse().map_err(|_| unlike())?,
        };
        if partition.from_us >= partition.until_us {
            return Err(format!(
                "'{text}': it ends before it begins; expected an end after {from}"
            ));
        }
        match partition.validators > 0 {
            true => Ok(ValidatorPartition(partition)),
            false => Err(format!("'{text}': it cuts nobody off; expected at least 1")),
        }
    }
}

impl fmt::Display for ValidatorPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Partition {
            from_us,
            until_us,
            validators,
        } = self.0;
        let time = |us| match us {
            0 => "0s".to_owned(),
            us => format!("{:?}", Duration::from_micros(us)),
        };
        write!(f, "{}..{}={validators}", time(from_us), time(until_us))
    }
}

/// Blocks in which honest parties are cut off: `20..60`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutOffAsked(pub CutOff);

impl FromStr for CutOffAsked {
    type Err = String;

    fn from_str(text: &str) -> Result<CutOffAsked, String> {
        let unlike =
            || format!("'{text}': expected from which block until which other one, as in 20..60");
        let (from, until) = text.split_once("..").ok_or_else(unlike)?;
        let block = |text: &str| parse_positive_count(text).map_err(|_| unlike());
        let (from, until) = (block(from)?, block(until)?);
        match from < until && until - from <= MOST_CUT_OFF_BLOCKS {
            true => Ok(CutOffAsked(CutOff { from, until })),
            false => Err(format!(
                "'{text}': expected 1 to {MOST_CUT_OFF_BLOCKS} blocks, from {from} on"
            )),
        }
    }
}

/// What stands between commas: nothing in no text, and something everywhere in any other.
fn parts(text: &str) -> Result<impl Iterator<Item = &str>, String> {
    let parts = || text.split(',').map(str::trim);
    match !text.is_empty() && parts().any(str::is_empty) {
        true => Err(format!("'{text}': expected something between its commas")),
        false => Ok(parts().filter(|part| !part.is_empty())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_named() {
        let faults = |text: &str| text.parse::<ValidatorFaults>();
        let two = vec![(Fault::Silent, 1), (Fault::ForgedVotes, 2)];
        assert_eq!(faults("silent=1, forged-votes=2"), Ok(ValidatorFaults(two)));
        for (text, names) in [
            ("silent", "'silent': expected a fault"),
            (
                "asleep=1",
                "unknown fault 'asleep', expected one of silent, slow",
            ),
            ("silent=-1", "'-1' is no number"),
            ("silent=1,silent=2", "silent has its number already"),
            (",", "',': expected something between its commas"),
            ("silent=1,,slow=1", "'silent=1,,slow=1': expected something"),
        ] {
            let error = faults(text).unwrap_err();
            assert!(error.contains(names), "{error}");
        }
        let latency = |text: &str| text.parse::<ValidatorLatency>();
        assert!(latency("data-centre").is_ok());
        assert!(latency("0:5ms,50%:40ms,100%:600ms").is_ok());
        for (text, names) in [
            ("moon", "'moon': expected wide-area, data-centre, or shares"),
            ("0:5ms,50%:40ms", "rise from 0 to 1"),
            ("0:5ms,100%:1ms", "must not fall"),
            ("0:5ms,100%:fast", "'100%:fast'"),
            ("0:5ms,100%:11s", "'0:5ms,100%:11s': its times must not"),
            (",,", "',,': expected something between its commas"),
            ("", "'': its shares have to rise from 0 to 1"),
            (
                "0:1ns,100%:5ms",
                "'0:1ns': expected whole microseconds, not 1ns",
            ),
        ] {
            let error = latency(text).unwrap_err();
            assert!(error.contains(names), "{error}");
        }
        assert_eq!(parse_loss("50%"), Ok(0.5));
        assert_eq!(parse_loss("0.0001%"), Ok(1e-6));
        assert_eq!(parse_loss("0"), Ok(0.0));
        for (text, names) in [
            ("99.9%", "'99.9%': expected at most 50%"),
            ("1", "'1': expected at most 50%"),
            ("99.99999%", "'99.99999%': expected at most 50%"),
            ("0.00001%", "'0.00001%': expected 0%, or 0.0001%"),
            ("200%", "'200%' is not a share"),
        ] {
            let error = parse_loss(text).unwrap_err();
            assert!(error.contains(names), "{error}");
        }
        let partition = |text: &str| text.parse::<ValidatorPartition>();
        assert_eq!(partition("10s..40s=1").unwrap().to_string(), "10s..40s=1");
        assert_eq!(
            partition("0ms..1500ms=1").unwrap().to_string(),
            "0s..1.5s=1"
        );
        for (text, names) in [
            ("10s", "'10s': expected from when, until when"),
            ("10s=1", "expected from when, until when"),
            ("10s..40s=x", "expected from when, until when"),
            (
                "40s..10s=1",
                "'40s..10s=1': it ends before it begins; expected an end after 40s",
            ),
            ("5s..5s=1", "'5s..5s=1': it ends before it begins"),
            ("10s..40s=0", "'10s..40s=0': it cuts nobody off"),
            ("a..b=1", "'a' is not a duration"),
        ] {
            let error = partition(text).unwrap_err();
            assert!(error.contains(names), "{error}");
        }
    }
}
