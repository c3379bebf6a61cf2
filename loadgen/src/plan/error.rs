//! Why a command line makes no run.

use std::fmt;
use std::path::Path;

use duet_run_file::exit::Exit;
use duet_run_file::output::OutputError;

use crate::trace::TraceError;

/// Why a run does not start.
#[derive(Debug)]
pub enum PlanError {
    /// An option, or two of them, make no sense; the text says which and what was expected.
    Options(String),
    /// Two of the paths given are one, or one lies where it must not.
    Paths(String),
    /// The trace is not usable.
    Trace(TraceError),
    /// The run file could not be written.
    Output(OutputError),
    /// What is stored where the run shall be is refused.
    Stored(String),
    /// The machine cannot read it, or keep it.
    Unreadable(String),
}

pub(super) fn bad(text: impl Into<String>) -> PlanError {
    PlanError::Options(text.into())
}

pub(super) fn bounded(option: &str, value: u64, most: u64) -> Result<u64, PlanError> {
    if (1..=most).contains(&value) {
        Ok(value)
    } else {
        Err(bad(format!("{option} {value}: expected 1 to {most}")))
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::Options(text)
            | PlanError::Paths(text)
            | PlanError::Stored(text)
            | PlanError::Unreadable(text) => f.write_str(text),
            PlanError::Trace(error) => error.fmt(f),
            PlanError::Output(error) => error.fmt(f),
        }
    }
}

impl PlanError {
    /// The exit code of a run that does not start for it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            PlanError::Trace(error) if error.is_machine_fault() => Exit::MachineFault,
            PlanError::Output(error) if error.is_machine_fault() => Exit::MachineFault,
            PlanError::Unreadable(_) => Exit::MachineFault,
            PlanError::Stored(_) => Exit::StoredDataRefused,
            PlanError::Trace(_)
            | PlanError::Output(_)
            | PlanError::Options(_)
            | PlanError::Paths(_) => Exit::BadInput,
        }
    }

    /// The same of the run that is stored in this directory: its options were not given now, but
    /// its trace may lie elsewhere now.
    #[must_use]
    pub fn of_a_stored_run(self, directory: &Path) -> PlanError {
        match self {
            PlanError::Options(text) => PlanError::Stored(format!(
                "'{}' does not hold a run that makes sense: {text}",
                directory.display()
            )),
            PlanError::Trace(error @ TraceError::Open { .. }) => bad(format!(
                "{error}; if it has moved, --trace FILE says where it is"
            )),
            error => error,
        }
    }
}

impl std::error::Error for PlanError {}
