//! Compares two builds of the load generator on a noisy machine: interleaved process runs, ratios
//! with exact intervals, and an A/A floor taken in the same session.
//!
//! It measures whole processes from outside and reads their run files; it never links the engine
//! under comparison, so that any two revisions can meet. Kernels in isolation are the business of
//! the criterion benches, a crate of their own.
//!
//! One comparison's walk: [`options`] → [`subject`] (a path, or a revision built by [`revision`]) →
//! [`session`], of executables copied by [`snapshot`], in the order of [`schedule`], each run held
//! against [`terms`](duet_run_file::terms) → [`summary`] by [`ratio`] → [`report`].
//!
//! `ratio`, `schedule`, `summary`, `report` and `table` are pure.
#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

pub mod compare;
pub mod gate;
pub mod instructions;
pub mod metric;
pub mod operator;
pub mod options;
pub mod ratio;
pub mod report;
pub mod revision;
pub mod schedule;
pub mod session;
pub mod session_options;
pub mod snapshot;
pub mod subject;
pub mod summary;
pub mod table;

// Lets the sample run file name its crate as the tests of other crates do.
#[cfg(test)]
#[path = "../../reports/run-file/tests/sample/mod.rs"]
mod sample;
