//! `loadgen`, as whoever runs it sees it: what it prints, writes, goes on with and refuses. Tests of
//! rates and of accounted CPU time are apart: they bear no neighbours.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

#[path = "../common/mod.rs"]
mod common;

mod adversaries;
mod bad_input;
mod durability;
mod elsewhere;
mod exit;
mod help;
mod named_files;
mod offload;
mod one_writer;
mod outputs;
mod parts;
mod resumed;
mod senseless;
mod signals;
mod starts;
mod threads;
mod traces;
mod trials;
mod validators;
