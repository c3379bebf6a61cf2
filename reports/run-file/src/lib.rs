//! What a run says: the run file's schema and its summary. Knows nothing of the engine, and makes
//! no table or page of several runs: `duet-reports` does.
//!
//! [`RunFile`] is the schema, [`summary`](summary::summary) the twenty lines printed after a run,
//! [`sweep`] a file of many runs, [`curve`] one of runs and a model, [`terms`] what two runs must
//! have in common before their figures may meet, and [`merge`](merge::merge) makes one run of the
//! parts of a run.

#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

// Lets the sample run file under `tests/` name this crate the same way from inside and outside.
#[cfg(test)]
extern crate self as duet_run_file;

pub mod curve;
pub mod histogram;
pub mod machines;
pub mod measured;
pub mod merge;
pub mod offload;
pub mod run_file;
pub mod summary;
pub mod sweep;
pub mod terms;

use duet_terminal::{human, input, layout, lines};
pub use run_file::{RunFile, RunFileError, SCHEMA};

#[cfg(test)]
#[path = "../tests/sample/mod.rs"]
mod sample;
