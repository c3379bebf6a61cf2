//! How a program ended, and the signal by which it is asked to. Shared by the tests of all programs.

#![allow(dead_code, clippy::unwrap_used)] // Each test file uses its part; a test fails by panicking.

use std::fs;
use std::process::Output;

use rustix::process::Signal;

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The signal, or a polite kill if whoever runs the tests has it ignored: then the program ignores
/// it too.
pub(crate) fn heeded(signal: Signal) -> Signal {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    match mask.unwrap_or(0) >> (signal.as_raw() - 1) & 1 {
        1 => Signal::TERM,
        _ => signal,
    }
}
