//! Duet's command line: drives payment channels and measures them.

#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

pub mod adversary;
pub mod amount;
pub mod arm;
pub mod cli;
pub mod drive;
pub mod file_system;
pub mod live;
pub mod machine;
pub mod offered;
pub mod part;
pub mod plan;
pub mod record;
pub mod recover;
pub mod replay;
pub mod series;
pub mod synthetic;
pub mod trace;
pub mod trials;
pub mod validators;

#[cfg(test)]
#[path = "../../reports/run-file/tests/sample/mod.rs"]
mod sample;
