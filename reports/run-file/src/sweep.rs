//! A sweep's file: one line of JSON for each run, in the order in which they ended; lines are only
//! ever added. Reads what a sweep that was cut off has left, and says so.

use std::{collections::HashMap, io, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    input::{self, Limit},
    layout,
    lines::Lines,
    run_file::{RunFile, RunFileError},
};

/// The version of a line's shape.
pub const SCHEMA: u32 = 1;

/// How a line begins.
pub const BEGINNING: &str = "{\"schema\":1,\"cell\":[";

/// A hundred times the largest preset's, 2 MB.
pub const LIMIT: Limit = Limit {
    bytes: 256 << 20,
    kind: "a sweep",
};

/// One run of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The options of `loadgen run` that make this cell of the grid, words apart.
    pub cell: Vec<String>,
    /// Which run of the cell it is, from 0.
    pub repeat: u32,
    /// What the sweep was cut to; none if it was not.
    pub calibration: Option<Calibration>,
    /// What it measured. A run that could not hold its rate is here too, and INVALID.
    pub run: RunFile,
}

/// What a sweep was cut to so that it ends in its time on this machine. Each of its lines says so:
/// a sweep that goes on does not choose anew.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Seconds that a run takes besides its payments and its channels.
    pub run_s: f64,
    /// Seconds that a channel takes: its keys, its opening and its closing.
    pub channel_s: f64,
    /// The most channels of a cell.
    pub channels_most: u64,
    /// Runs of each cell.
    pub repeats: u32,
}

/// A line as it is written: the run's own text is checked as any run file is.
#[derive(Serialize, Deserialize)]
struct Written<R> {
    schema: u32,
    cell: Vec<String>,
    repeat: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calibration: Option<Calibration>,
    run: R,
}

/// What a sweep's file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sweep {
    /// Its runs.
    pub lines: Vec<Line>,
    /// Bytes after the last whole line: a run that was being written when the sweep was cut off.
    pub torn_bytes: usize,
}

impl Line {
    /// The line's text, newline included.
    #[must_use]
    pub fn to_json(&self) -> String {
        let written = Written {
            schema: SCHEMA,
            cell: self.cell.clone(),
            repeat: self.repeat,
            calibration: self.calibration,
            run: &self.run,
        };
        let mut text = serde_json::to_string(&written)
            .expect("writing to memory cannot fail and every key is a string");
        text.push('\n');
        text
    }
}

impl Sweep {
    /// Whether these are a sweep's first bytes, a line or some dozens of them: its lines begin with
    /// schema and cell, where a run file has its `workload` within the object that it is.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        let first = bytes.split(|byte| *byte == b'\n').next();
        let first = first.unwrap_or_default().iter();
        let first = first.filter(|byte| !byte.is_ascii_whitespace()).take(64);
        let first: Vec<u8> = first.copied().collect();
        let first = String::from_utf8_lossy(&first);
        first.starts_with("{\"schema\":") && first.contains("\"cell\":")
    }

    /// Reads the sweep's file at `path`.
    ///
    /// # Errors
    /// The file cannot be read, or a whole line of it is no run of a sweep: file and line are
    /// named.
    pub fn read(path: &Path) -> Result<Sweep, SweepError> {
        let bytes = input::read(path, LIMIT).map_err(|source| SweepError::Unreadable {
            path: path.display().to_string(),
            source,
        })?;
        Sweep::parse(path, &bytes)
    }

    /// Reads a sweep from its bytes; `path` serves to name it in errors.
    ///
    /// # Errors
    /// As [`Sweep::read`], less those of the file system.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Sweep, SweepError> {
        let lines = Lines::of(bytes);
        let mut sweep = Sweep {
            lines: Vec::new(),
            torn_bytes: lines.torn_bytes(),
        };
        // The line of each run that needs no other one.
        let mut made: HashMap<(Vec<String>, u32), usize> = HashMap::new();
        for (number, row) in lines.numbered() {
            let bad = |detail| SweepError::BadLine {
                path: path.display().to_string(),
                line: number,
                detail,
            };
            let line = parse_line(path, row).map_err(bad)?;
            let run = (line.cell.clone(), line.repeat);
            if let Some(before) = made.get(&run) {
                return Err(bad(format!(
                    "run {} of `{}` is in line {before} already, so that two sweeps have written this \
                     file at once, on one machine; expected each run once",
                    line.repeat + 1,
                    line.cell.join(" "),
                )));
            }
            // A run that was INVALID is made again.
            if line.run.achieved.broken().next().is_none() {
                made.insert(run, number);
            }
            sweep.lines.push(line);
        }
        Ok(sweep)
    }
}

fn parse_line(path: &Path, row: &[u8]) -> Result<Line, String> {
    let text = str::from_utf8(row).map_err(|error| error.to_string())?;
    let written: Written<&RawValue> = serde_json::from_str(text).map_err(|error| {
        let detail = layout::detail(&error.to_string());
        format!("{detail}; expected a run of a sweep, as `loadgen sweep` writes it")
    })?;
    if written.schema != SCHEMA {
        return Err(format!(
            "it is of schema {}; this build reads {SCHEMA}",
            written.schema
        ));
    }
    let run =
        RunFile::parse(path, written.run.get()).map_err(|error: RunFileError| error.to_string())?;
    Ok(Line {
        cell: written.cell,
        repeat: written.repeat,
        calibration: written.calibration,
        run,
    })
}

/// Why a sweep's file was not read.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// It is missing, or the system does not let it be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The path as it was given.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// One of its lines is no run of a sweep.
    #[error("{path}, line {line}: {detail}")]
    BadLine {
        /// The path as it was given.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        detail: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn line(repeat: u32) -> Line {
        Line {
            cell: ["--rate", "10k"].map(str::to_owned).to_vec(),
            repeat,
            calibration: (repeat > 0).then_some(Calibration {
                run_s: 0.5,
                channel_s: 1e-4,
                channels_most: 100_000,
                repeats: 3,
            }),
            run: sample::open_loop(),
        }
    }

    fn parse(text: &str) -> Result<Sweep, SweepError> {
        Sweep::parse(Path::new("some.sweep"), text.as_bytes())
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = line(0).to_json() + &line(1).to_json();
        assert!(text.starts_with(BEGINNING), "what is taken back begins so");
        assert_eq!(text.lines().count(), 2);
        let sweep = parse(&text).unwrap();
        assert_eq!(sweep.lines, [line(0), line(1)]);
        assert_eq!(sweep.torn_bytes, 0);
    }

    #[test]
    fn a_torn_end_is_told_from_a_bad_line() {
        let (first, second) = (line(0).to_json(), line(1).to_json());
        let whole = second.trim_end().len();
        for length in 0..=whole {
            let sweep = parse(&(first.clone() + &second[..length])).unwrap();
            // All but its end is whole.
            let expected = if length < whole { (1, length) } else { (2, 0) };
            assert_eq!((sweep.lines.len(), sweep.torn_bytes), expected);
        }
        let table = [
            ("hello\n".to_owned(), "line 2: "),
            (
                second.replacen("\"schema\":1", "\"schema\":2", 1),
                "of schema 2",
            ),
            (
                second.replacen("\"run\":{\"schema\":1", "\"run\":{\"schema\":9", 1),
                "schema 9",
            ),
            (second.replacen("wall_s", "wall", 1), "missing field"),
            (second[..40].to_owned() + "\n", "expected a run of a sweep"),
            (
                line(0).to_json(),
                "run 1 of `--rate 10k` is in line 1 already",
            ),
        ];
        for (bad, words) in table {
            let error = parse(&(first.clone() + &bad)).unwrap_err().to_string();
            assert!(error.starts_with("some.sweep, line 2"), "{error}");
            assert!(error.contains(words), "{words}: {error}");
        }
    }

    #[test]
    fn a_run_that_was_invalid_may_be_made_again() {
        let mut broken = line(0);
        broken.run.achieved.valid = false;
        broken.run.achieved.invalid_reasons = vec!["a signature is wrong".to_owned()];
        let text = broken.to_json() + &line(0).to_json();
        assert_eq!(parse(&text).unwrap().lines.len(), 2);
    }
}
