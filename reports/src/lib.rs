//! Makes tables, pages and plans of Duet's run files. Knows the file's schema and nothing of the
//! engine.
//!
//! The schema and the summary of one run are in [`duet_run_file`]; here is what needs more than
//! one, or more room: [`tables`](tables::tables) are what `reports show` adds to the summary.
//! [`Runs`](runs::Runs) are runs that may stand side by side, [`dataset`] their figures as rows, of
//! which CSV, JSON and the [`html`] page are made; [`diff`] has two runs with ratios, [`histogram`]
//! latency for other tools, [`modelled`] what a channel costs on a chain, and [`plan`] what a load
//! needs.

#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

pub mod dataset;
pub mod diff;
pub mod histogram;
pub mod html;
pub mod plan;
pub mod runs;
pub mod tables;

pub use duet_modelled as modelled;
use duet_profile as profile;
use duet_run_file::{machines, measured, run_file, summary, sweep, terms};
use duet_terminal::{human, layout, units};

#[cfg(test)]
#[path = "../run-file/tests/sample/mod.rs"]
mod sample;
