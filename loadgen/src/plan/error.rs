//! Why a command line makes no run.

use std::path::Path;

use duet_profile::ProfileError;
use duet_terminal::exit::Exit;
use duet_terminal::output::OutputError;

use crate::trace::TraceError;

/// Why a run does not start.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// An option, or two of them, make no sense; the text says which and what was expected.
    #[error("{0}")]
    Options(String),
    /// Two of the paths given are one, or one lies where it must not.
    #[error("{0}")]
    Paths(String),
    /// The trace is not usable.
    #[error("{0}")]
    Trace(TraceError),
    /// Layer 1's profile is not usable.
    #[error("--l1: {0}")]
    Profile(ProfileError),
    /// The run file could not be written.
    #[error("{0}")]
    Output(OutputError),
    /// What is stored where the run shall be is refused.
    #[error("{0}")]
    Stored(String),
    /// The machine cannot read it, or keep it.
    #[error("{0}")]
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

impl PlanError {
    /// The exit code of a run that does not start for it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            PlanError::Trace(error) if error.is_interrupt() => Exit::Interrupted,
            PlanError::Profile(error) if error.is_interrupt() => Exit::Interrupted,
            PlanError::Trace(error) if error.is_machine_fault() => Exit::MachineFault,
            PlanError::Output(error) if error.is_machine_fault() => Exit::MachineFault,
            PlanError::Unreadable(_) => Exit::MachineFault,
            PlanError::Stored(_) => Exit::StoredDataRefused,
            PlanError::Trace(_)
            | PlanError::Output(_)
            | PlanError::Options(_)
            | PlanError::Profile(_)
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
            PlanError::Trace(error @ TraceError::Open { .. }) if !error.is_interrupt() => bad(
                format!("{error}; if it has moved, --trace FILE says where it is"),
            ),
            error => error,
        }
    }
}
