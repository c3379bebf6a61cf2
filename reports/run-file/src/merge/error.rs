//! Why run files are not parts that can be merged.

use std::path::PathBuf;

use crate::layout::clean;
use crate::run_file::RunFileError;
use crate::terms::Difference;

/// Why parts were not merged. All of these are bad input (exit code 2).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A file is no run file of this schema.
    #[error(transparent)]
    File(#[from] RunFileError),
    /// A run that cannot be merged with others.
    #[error("{path}: {}", clean(.detail))]
    NotMergeable {
        /// The file.
        path: PathBuf,
        /// Why not, and what was expected.
        detail: String,
    },
    /// The same part of the same run.
    #[error(
        "{first} and {other} are both part {part} of one run: expected each part once (`reports \
         diff` sets repeats side by side)"
    )]
    Twice {
        /// The first file.
        first: PathBuf,
        /// The other one.
        other: PathBuf,
        /// Which part they are.
        part: String,
    },
    /// Parts that did not do the same work, or not with the same assurance.
    #[error(
        "{first} and {other} are no parts of one run:{}",
        lines(.differences)
    )]
    Different {
        /// The first file.
        first: PathBuf,
        /// The one that differs from it.
        other: PathBuf,
        /// In what.
        differences: Vec<Difference>,
    },
    /// Parts of different runs.
    #[error(
        "{first} and {other} are parts of different runs: {what} {} and {}{}",
        clean(&.values[0]), clean(&.values[1]), hint(.what)
    )]
    OtherRun {
        /// The first file.
        first: PathBuf,
        /// The one that differs from it.
        other: PathBuf,
        /// What differs.
        what: &'static str,
        /// Its two values.
        values: [String; 2],
    },
}

/// What differs, a line each.
fn lines(differences: &[Difference]) -> String {
    let lines = differences.iter().map(|found| format!("\n  {found}"));
    lines.collect()
}

/// What an id that differs means.
fn hint(what: &str) -> &'static str {
    match what {
        "run id" => " (asked for other sessions, channels, rates or times to start at)",
        _ => "",
    }
}
