//! `reports`, as whoever runs it sees it: what it prints, writes and refuses.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

#[path = "../chromium/mod.rs"]
mod chromium;
#[path = "../../run-file/tests/sample/mod.rs"]
mod sample;

mod curve;
mod figures;
mod html;
mod merge;
mod named_files;
mod offload;
mod plan;
mod show;
