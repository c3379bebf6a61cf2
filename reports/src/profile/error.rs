//! Why a profile could not be had. Every message names what was asked for and what was expected.

use std::{error::Error, fmt, io, path::PathBuf};

use super::KNOWN;

/// Why a profile could not be had. All of them are bad input (exit code 2).
#[derive(Debug)]
#[non_exhaustive]
pub enum ProfileError {
    /// Neither a known name nor a file.
    Unknown {
        /// What was asked for.
        asked: String,
    },
    /// The file exists and cannot be read.
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The text is no profile.
    Bad {
        /// The file, or the name of a compiled-in profile.
        origin: String,
        /// The line, from 1.
        line: usize,
        /// The field, what is wrong with it, and what was expected.
        detail: String,
    },
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { asked } => {
                let known: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
                write!(
                    f,
                    "'{asked}' is no Layer 1 profile: expected {}, or a file",
                    known.join(", ")
                )
            }
            Self::Unreadable { path, source } => {
                write!(f, "{}: cannot be read: {source}", path.display())
            }
            Self::Bad {
                origin,
                line,
                detail,
            } => write!(f, "{origin}: line {line}: {detail}"),
        }
    }
}

impl Error for ProfileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            _ => None,
        }
    }
}
