//! How a comparison can fail, and the exit code that each failure has. One table for all of Duet's
//! binaries; a verdict is never a failure.

use duet_run_file::exit::Exit;

/// A verdict was reached, whichever it is.
pub const OK: u8 = 0;
/// The machine failed: a run crashed, a disk refused, memory ran out.
pub const MACHINE_FAULT: u8 = 1;
/// What the user gave cannot be used: an option, a path, a revision, two runs that do not compare.
pub const BAD_INPUT: u8 = 2;
/// A run called itself INVALID, so nothing may be concluded from it.
pub const RUN_INVALID: u8 = 3;
/// A run refused data that it had stored earlier.
pub const STORED_DATA_REFUSED: u8 = 4;
/// A gate's budget was spent before its answer was clear.
pub const INCONCLUSIVE: u8 = Exit::Inconclusive.code();
/// A gate found a regression.
pub const REGRESSION: u8 = Exit::Regression.code();
/// The user stopped the comparison.
pub const INTERRUPTED: u8 = 130;

/// Why no verdict was reached, with what the user should read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// See [`MACHINE_FAULT`].
    #[error("{0}")]
    MachineFault(String),
    /// See [`BAD_INPUT`].
    #[error("{0}")]
    BadInput(String),
    /// See [`RUN_INVALID`].
    #[error("{0}")]
    RunInvalid(String),
    /// See [`STORED_DATA_REFUSED`].
    #[error("{0}")]
    StoredDataRefused(String),
    /// See [`INTERRUPTED`].
    #[error("interrupted before a verdict; nothing is reported")]
    Interrupted,
}

impl Failure {
    /// The process exit code of this failure.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::MachineFault(_) => MACHINE_FAULT,
            Self::BadInput(_) => BAD_INPUT,
            Self::RunInvalid(_) => RUN_INVALID,
            Self::StoredDataRefused(_) => STORED_DATA_REFUSED,
            Self::Interrupted => INTERRUPTED,
        }
    }
}
