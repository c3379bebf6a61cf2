//! A curve's file: what `loadgen offload` found, with the runs that it rests on, as one JSON
//! document. `reports html` draws it, and works nothing out again.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::input::Limit;
use crate::layout;
use crate::run_file::{Machine, RunFile};

/// The version of the file's shape.
pub const SCHEMA: u32 = 1;

/// How the file begins.
pub const BEGINNING: &str = "{\"curve\":\"offload\",";

/// Ten times the largest that is written: five repeats of five profiles.
pub const LIMIT: Limit = Limit {
    bytes: 256 << 20,
    kind: "an offload curve",
};

/// Offload over session length, and what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// What it is of: `offload`.
    pub curve: String,
    /// [`SCHEMA`].
    pub schema: u32,
    /// The command line, program name first.
    pub command: Vec<String>,
    /// When it began, in seconds since 1970-01-01 UTC.
    pub started_unix_s: u64,
    /// The commit that made it.
    pub commit: String,
    /// The machine that its runs ran on.
    pub machine: Machine,
    /// Runs of each cell.
    pub repeats: u32,
    /// Whether every run is VALID and as the model says.
    pub valid: bool,
    /// How far a run's CPU time may be from the model's.
    pub cpu_within: f64,
    /// A line for each profile, share of disputes and number of channels opened together.
    pub lines: Vec<CurveLine>,
    /// The runs, in the order in which they were made.
    pub runs: Vec<CurveRun>,
}

/// Cells that differ in the length of their sessions alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurveLine {
    /// The profile's name.
    pub profile: String,
    /// What it counts.
    pub unit: String,
    /// The share of sessions that end in a dispute: a post, an answer and a payout.
    pub disputes: f64,
    /// Channels that are opened together.
    pub open_batch: u64,
    /// By resource: the least payments in a session whose transfers take no less than its channel;
    /// none where no length does, or there is no price.
    pub break_even_payments: BTreeMap<String, Option<u64>>,
    /// Sessions by length.
    pub cells: Vec<CurveCell>,
}

/// Sessions of one length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurveCell {
    /// Payments that each session plans.
    pub payments: u64,
    /// Whether nothing of it was run.
    pub modelled: bool,
    /// Sessions of each of its runs, and payments that a pair of signatures covers at most; none
    /// where nothing was run.
    pub sessions: Option<u64>,
    /// See `sessions`.
    pub cosign_every: Option<u64>,
    /// Disputes of its runs.
    pub disputed: Vec<u64>,
    /// By resource; none at all if a run of it is INVALID, and none of what has no price.
    pub figures: BTreeMap<String, CurveFigure>,
    /// Why its runs prove nothing, or are not as the model says.
    pub problems: Vec<String>,
}

/// One resource in one cell, per payment that was made; state entries as they stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurveFigure {
    /// Direct over channels: the median of the runs, or the model's.
    pub ratio: f64,
    /// What the payments take as transfers, of the same run.
    pub direct: f64,
    /// What the channels take, of the same run.
    pub channels: f64,
    /// The model's ratio.
    pub modelled_ratio: f64,
    /// Each run's ratio; none where nothing was run.
    pub ratios: Vec<f64>,
    /// Whether the runs are as the model says.
    pub agrees: bool,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurveRun {
    /// The options of `loadgen run` that made it.
    pub options: Vec<String>,
    /// Its line, from 0; none for one that measures what CPU time transactions take.
    pub line: Option<usize>,
    /// Which repeat it is, from 0.
    pub repeat: u32,
    /// What it measured.
    pub run: RunFile,
}

impl Curve {
    /// Whether these are such a file's first bytes.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(BEGINNING.as_bytes())
    }

    /// The file's text.
    ///
    /// # Panics
    /// Never: writing to memory cannot fail, and every key is a string.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("it is made of names and numbers") + "\n"
    }

    /// Reads it from its bytes; `path` serves to name it in errors.
    ///
    /// # Errors
    /// It is no such file, or of another schema: in words, with the file's name.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Curve, String> {
        let curve: Curve = serde_json::from_slice(bytes).map_err(|error| {
            let detail = layout::detail(&error.to_string());
            format!(
                "{}: {detail}; expected an offload curve, as `loadgen offload --out` writes it",
                path.display()
            )
        })?;
        if (curve.curve.as_str(), curve.schema) != ("offload", SCHEMA) {
            return Err(format!(
                "{}: a curve of '{}', schema {}; this build reads 'offload', schema {SCHEMA}",
                path.display(),
                layout::clean(&curve.curve),
                curve.schema
            ));
        }
        Ok(curve)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn curve() -> Curve {
        let run = sample::open_loop();
        let figure = CurveFigure {
            ratio: 4.5,
            direct: 145.0,
            channels: 32.2,
            modelled_ratio: 4.5,
            ratios: vec![4.5],
            agrees: true,
        };
        Curve {
            curve: "offload".to_owned(),
            schema: SCHEMA,
            command: vec!["loadgen".to_owned(), "offload".to_owned()],
            started_unix_s: 1,
            commit: run.engine.commit.clone(),
            machine: run.machine.clone(),
            repeats: 1,
            valid: true,
            cpu_within: 0.15,
            lines: vec![CurveLine {
                profile: "duet".to_owned(),
                unit: "operations".to_owned(),
                disputes: 0.0,
                open_batch: 1,
                break_even_payments: [("bytes".to_owned(), Some(4))].into(),
                cells: vec![CurveCell {
                    payments: 9,
                    modelled: false,
                    sessions: Some(2_500),
                    cosign_every: Some(1),
                    disputed: vec![0],
                    figures: [("bytes".to_owned(), figure)].into(),
                    problems: Vec::new(),
                }],
            }],
            runs: vec![CurveRun {
                options: Vec::new(),
                line: Some(0),
                repeat: 0,
                run,
            }],
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = curve().to_json();
        assert!(Curve::is_one(text.as_bytes()));
        let read = Curve::parse(Path::new("c"), text.as_bytes()).unwrap();
        assert_eq!(read, curve());
        for (text, words) in [
            (
                text[..text.len() / 2].to_owned(),
                "expected an offload curve",
            ),
            (text.replacen("\"schema\":1", "\"schema\":2", 1), "schema 2"),
            (text.replacen("offload", "other", 1), "a curve of 'other'"),
        ] {
            let error = Curve::parse(Path::new("c"), text.as_bytes()).unwrap_err();
            assert!(error.starts_with("c: ") && error.contains(words), "{error}");
        }
    }
}
