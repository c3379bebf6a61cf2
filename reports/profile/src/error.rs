//! Why a profile could not be had. Every message names what was asked for and what was expected.

use std::{io, path::PathBuf};

use super::KNOWN;

/// Why a profile could not be had. All of them are bad input (exit code 2).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Neither a known name nor a file.
    #[error(
        "'{asked}' is no Layer 1 profile: expected {}, or a file",
        KNOWN.map(|(name, _)| name).join(", ")
    )]
    Unknown {
        /// What was asked for.
        asked: String,
    },
    /// The file exists and cannot be read.
    #[error("{path}: cannot be read: {source}")]
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// No Layer 1 can run by the profile, though its prices can be reckoned with.
    #[error("{origin}: not for a run: {detail}")]
    NotForARun {
        /// The file, or the name of a compiled-in profile.
        origin: String,
        /// The field, what is wrong with it, and what was expected.
        detail: String,
    },
    /// The text is no profile.
    #[error("{origin}: line {line}: {detail}")]
    Bad {
        /// The file, or the name of a compiled-in profile.
        origin: String,
        /// The line, from 1.
        line: usize,
        /// The field, what is wrong with it, and what was expected.
        detail: String,
    },
}

impl ProfileError {
    /// Whether somebody asked for a stop before it was read.
    #[must_use]
    pub fn is_interrupt(&self) -> bool {
        match self {
            Self::Unreadable { source, .. } => source.kind() == io::ErrorKind::Interrupted,
            _ => false,
        }
    }
}
