//! What a run says: the run file's schema, its summary, and what all of Duet's binaries share.
//! Knows nothing of the engine, and makes no table or page of several runs: `duet-reports` does.
//!
//! [`RunFile`] is the schema, [`summary`](summary::summary) the twenty lines printed after a run,
//! [`sweep`] a file of many runs, and [`terms`] what two runs must have in common before their
//! figures may meet.
//!
//! Shared are the one table of exit codes ([`Exit`]), what `-h` shows ([`help`]), numbers as people
//! write them ([`units`]) and show them ([`human`]), text in columns ([`layout`]), files that are
//! read up to a bound ([`input`]) and that appear whole or not at all ([`output`]), which of them
//! may be one ([`paths`]), child processes ([`process`]), and how [`threads`] are started and
//! [`signals`] heeded.

#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

// Lets the sample run file under `tests/` name this crate the same way from inside and outside.
#[cfg(test)]
extern crate self as duet_run_file;

pub mod exit;
pub mod help;
pub mod human;
pub mod input;
pub mod layout;
pub mod lines;
pub mod machines;
pub mod measured;
pub mod offload;
pub mod output;
pub mod paths;
pub mod process;
pub mod run_file;
pub mod signals;
pub mod summary;
pub mod sweep;
pub mod terms;
pub mod threads;
pub mod units;

pub use exit::Exit;
pub use run_file::{RunFile, RunFileError, SCHEMA};

#[cfg(test)]
#[path = "../tests/sample/mod.rs"]
mod sample;
