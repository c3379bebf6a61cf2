//! Many runs of the load generator for one question: starts each as a process, reads its file, says
//! which to set aside, and keeps a book that can be gone on with. Knows nothing of the engine, so
//! that any two builds can meet.
//!
//! [`loadgen`] makes one run, [`disturbance`] says whether the machine was the run's own, [`book`]
//! keeps what was made, and [`failure`] is why there is no answer.

#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

pub mod book;
pub mod disturbance;
pub mod failure;
pub mod loadgen;

pub use failure::Failure;

// Lets the sample run file name its crate as the tests of other crates do.
#[cfg(test)]
#[path = "../../../reports/run-file/tests/sample/mod.rs"]
mod sample;
