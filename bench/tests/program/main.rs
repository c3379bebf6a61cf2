//! `bench`, as whoever runs it sees it, with load generators that measure nothing.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

#[path = "../fake/mod.rs"]
mod fake;

mod compare;
mod gate;
mod instructions;
mod revisions;
mod trials;
