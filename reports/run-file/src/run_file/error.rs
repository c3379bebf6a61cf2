//! Why a run file could not be read. Every message names the file and what was expected.

use std::{error::Error, fmt, io, path::PathBuf};

use super::SCHEMA;

/// Why a run file could not be read. All of them are bad input (exit code 2).
#[derive(Debug)]
#[non_exhaustive]
pub enum RunFileError {
    /// There is no such file.
    NotFound {
        /// The file asked for.
        path: PathBuf,
    },
    /// The file exists and cannot be read.
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The text is not JSON.
    NotJson {
        /// The file read.
        path: PathBuf,
        /// What was found, with line and column.
        detail: String,
    },
    /// The text is JSON that stops before its end.
    Truncated {
        /// The file read.
        path: PathBuf,
        /// Where it stops, with line and column.
        detail: String,
    },
    /// JSON of some other kind.
    NotARunFile {
        /// The file read.
        path: PathBuf,
        /// What tells so.
        detail: String,
    },
    /// A run file of a schema that this build cannot read.
    OtherSchema {
        /// The file read.
        path: PathBuf,
        /// The schema it names.
        found: String,
    },
    /// A run file of this schema with a field missing or of the wrong type.
    BadField {
        /// The file read.
        path: PathBuf,
        /// The field or what was expected of it, with line and column.
        detail: String,
    },
}

impl fmt::Display for RunFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { path } => {
                write!(f, "{}: not found; expected a run file", path.display())
            }
            Self::Unreadable { path, source } => {
                write!(f, "{}: cannot be read: {source}", path.display())
            }
            Self::NotJson { path, detail } => {
                write!(
                    f,
                    "{}: not JSON: {detail}; expected a run file",
                    path.display()
                )
            }
            Self::Truncated { path, detail } => {
                let path = path.display();
                write!(f, "{path}: truncated: {detail}; expected a whole run file")
            }
            Self::NotARunFile { path, detail } => {
                let path = path.display();
                write!(
                    f,
                    "{path}: not a Duet run file: {detail}; expected `\"schema\": {SCHEMA}`"
                )
            }
            Self::OtherSchema { path, found } => {
                write!(
                    f,
                    "{}: schema {found}; this build reads {SCHEMA}",
                    path.display()
                )
            }
            Self::BadField { path, detail } => {
                let path = path.display();
                write!(
                    f,
                    "{path}: not a whole run file of schema {SCHEMA}: {detail}"
                )
            }
        }
    }
}

impl Error for RunFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            _ => None,
        }
    }
}
