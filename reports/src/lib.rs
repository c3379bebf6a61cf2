//! Reads Duet's run files and shows them. Knows the file's schema and nothing of the engine.
//!
//! [`RunFile`] is the schema, [`summary`](summary::summary) the twenty lines printed after a run,
//! [`tables`](tables::tables) what `reports show` adds to them. [`Runs`](runs::Runs) are runs that
//! may stand side by side, [`dataset`] their figures as rows, of which CSV, JSON and the [`html`] page
//! are made; [`diff`] has two runs with ratios, [`histogram`] latency for other tools.
//!
//! What all of Duet's binaries share is here too: the one table of exit codes ([`Exit`]), numbers as
//! people write them ([`units`]) and show them ([`human`]), files that are read up to a bound ([`input`])
//! and that appear whole or not at all ([`output`]), and what two runs must have in common before their figures may meet ([`terms`]).

#![forbid(unsafe_code)]

// Lets the sample run file under `tests/` name this crate the same way from inside and outside.
#[cfg(test)]
extern crate self as duet_reports;

pub mod dataset;
pub mod diff;
pub mod exit;
pub mod histogram;
pub mod html;
pub mod human;
pub mod input;
mod layout;
pub mod machines;
mod measured;
pub mod modelled;
mod offload;
pub mod output;
pub mod plan;
pub mod process;
pub mod profile;
pub mod run_file;
pub mod runs;
pub mod summary;
pub mod sweep;
pub mod tables;
pub mod terms;
pub mod units;

pub use exit::Exit;
pub use run_file::{RunFile, RunFileError, SCHEMA};

#[cfg(test)]
#[path = "../tests/sample/mod.rs"]
mod sample;
