//! Why a run file could not be read. Every message names the file and what was expected.

use std::{io, path::PathBuf};

use super::SCHEMA;

/// Why a run file could not be read. All of them are bad input (exit code 2).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunFileError {
    /// There is no such file.
    #[error("{path}: not found; expected a run file")]
    NotFound {
        /// The file asked for.
        path: PathBuf,
    },
    /// The file exists and cannot be read.
    #[error("{path}: cannot be read: {source}")]
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The text is not JSON.
    #[error("{path}: not JSON: {detail}; expected a run file")]
    NotJson {
        /// The file read.
        path: PathBuf,
        /// What was found, with line and column.
        detail: String,
    },
    /// The text is JSON that stops before its end.
    #[error("{path}: truncated: {detail}; expected a whole run file")]
    Truncated {
        /// The file read.
        path: PathBuf,
        /// Where it stops, with line and column.
        detail: String,
    },
    /// JSON of some other kind.
    #[error("{path}: not a Duet run file: {detail}; expected `\"schema\": {SCHEMA}`")]
    NotARunFile {
        /// The file read.
        path: PathBuf,
        /// What tells so.
        detail: String,
    },
    /// A run file of a schema that this build cannot read.
    #[error("{path}: schema {found}; this build reads {SCHEMA}")]
    OtherSchema {
        /// The file read.
        path: PathBuf,
        /// The schema it names.
        found: String,
    },
    /// A run file of this schema with a field missing or of the wrong type.
    #[error("{path}: not a whole run file of schema {SCHEMA}: {detail}")]
    BadField {
        /// The file read.
        path: PathBuf,
        /// The field or what was expected of it, with line and column.
        detail: String,
    },
}
