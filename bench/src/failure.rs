//! Why a comparison came to no verdict. A verdict is never a failure.

use duet_terminal::Exit;

/// Why no verdict was reached, with what the user should read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A run crashed, a disk refused, memory ran out.
    #[error("{0}")]
    MachineFault(String),
    /// What the user gave cannot be used: an option, a path, a revision, two runs that do not
    /// compare.
    #[error("{0}")]
    BadInput(String),
    /// A run called itself INVALID, so nothing may be concluded from it.
    #[error("{0}")]
    RunInvalid(String),
    /// A run refused data that it had stored earlier.
    #[error("{0}")]
    StoredDataRefused(String),
    /// The user stopped the comparison.
    #[error("interrupted before a verdict; nothing is reported")]
    Interrupted,
}

impl Failure {
    /// How the process ends for it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::MachineFault(_) => Exit::MachineFault,
            Self::BadInput(_) => Exit::BadInput,
            Self::RunInvalid(_) => Exit::Invalid,
            Self::StoredDataRefused(_) => Exit::StoredDataRefused,
            Self::Interrupted => Exit::Interrupted,
        }
    }
}
