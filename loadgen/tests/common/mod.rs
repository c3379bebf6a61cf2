//! Runs the real `loadgen` in a folder of its own. Shared by the tests of the binary.

#![allow(dead_code, clippy::unwrap_used)] // Each test file uses its part; a test fails by panicking.

mod ended;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use duet_run_file::run_file::RunFile;
use tempfile::TempDir;

#[allow(unused_imports)] // Each test file uses its part.
pub(crate) use ended::{Ended, heeded};

/// A folder in which `loadgen` runs, so that relative paths are within it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// What lies in it, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// A `loadgen` with these arguments, not started yet.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn loadgen<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// The run file of `loadgen run --json` with these words, and what it said on standard error.
    /// It is VALID.
    pub(crate) fn run(&self, words: &str) -> (RunFile, String) {
        let ended = self.loadgen(&arguments(&format!("run --json {words}")));
        assert_eq!(ended.code, Some(0), "{words}: {ended:?}");
        let run = parse(&ended.stdout);
        assert!(run.achieved.valid, "{words}: {ended:?}");
        (run, ended.stderr)
    }

    /// As [`Folder::run`], for a run on a schedule. A busy machine may fail to hold it: that, and
    /// nothing else, is let pass after a second try.
    pub(crate) fn run_on_time(&self, words: &str) -> RunFile {
        let attempt = || {
            let ended = self.loadgen(&arguments(&format!("run --json {words}")));
            let run = parse(&ended.stdout);
            let expected = if run.achieved.valid { 0 } else { 3 };
            assert_eq!(ended.code, Some(expected), "{words}: {ended:?}");
            for reason in &run.achieved.invalid_reasons {
                assert!(reason.contains("rate was not held"), "{words}: {reason}");
            }
            run
        };
        let first = attempt();
        if first.achieved.valid {
            first
        } else {
            attempt()
        }
    }
}

/// What all machines or parts together have by the workload alone, whoever ran it.
pub(crate) fn counts(run: &RunFile) -> Vec<(&'static str, u64)> {
    let (achieved, l1) = (&run.achieved, &run.l1.channels);
    vec![
        ("payments", achieved.payments),
        ("opened", achieved.sessions_opened),
        ("closed", achieved.sessions_closed),
        ("refused", achieved.payments_refused),
        ("signatures made", run.offchain.signatures_made),
        ("signatures verified", run.offchain.signature_verifications),
        ("bytes between parties", run.offchain.bytes),
        ("transactions", l1.transactions),
        ("Layer 1's signatures", l1.signature_verifications),
        ("writes", l1.state_writes),
        ("sessions", run.workload.sessions),
        ("at once", run.workload.concurrent),
    ]
}

/// Words apart.
pub(crate) fn arguments(words: &str) -> Vec<&str> {
    words.split_whitespace().collect()
}

/// A number from the environment, for long forms of a test that are run by hand.
pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

pub(crate) fn parse(json: &str) -> RunFile {
    RunFile::parse(Path::new("stdout"), json).unwrap_or_else(|error| panic!("{error}\n{json}"))
}
