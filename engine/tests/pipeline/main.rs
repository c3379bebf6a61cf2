//! Whole runs of the pipeline on real cryptography.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod attacks;
mod config;
mod determinism;
mod faults;
mod machines;
mod scarcity;
mod shapes;
mod validators;
mod workload;
