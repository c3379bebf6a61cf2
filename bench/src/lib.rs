//! Compares two builds of the load generator on a noisy machine: interleaved process runs, ratios
//! with bootstrap intervals, and an A/A floor taken in the same session.
//!
//! It measures whole processes from outside and reads their run files; it never links the engine
//! under comparison, so that any two revisions can meet. Kernels in isolation are the business of
//! the criterion benches, a crate of their own.
//!
//! One comparison's walk: [`options`] → [`subject`] (a path, or a revision built by [`revision`]) →
//! [`snapshot`] → [`runner`] in the order of [`schedule`], each run read by [`run_file`] and held
//! against [`terms`](duet_run_file::terms) → [`summary`] by [`stats`] and [`mod@verdict`] →
//! [`report`].
//!
//! `stats`, `verdict`, `schedule`, `run_file`, `summary` and `report` are pure.
#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

pub mod compare;
pub mod failure;
pub mod gate;
pub mod instructions;
pub mod interrupt;
pub mod metric;
pub mod options;
pub mod progress;
pub mod rank;
pub mod report;
pub mod revision;
pub mod run_file;
pub mod runner;
pub mod schedule;
pub mod session_options;
pub mod snapshot;
pub mod stats;
pub mod subject;
pub mod summary;
pub mod trials;
pub mod verdict;
