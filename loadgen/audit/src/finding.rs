//! What an audit ends with when not all is well: a finding, with its place and what was expected.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use duet_terminal::output::OutputError;

/// Why an audit did not end well.
#[derive(Debug)]
pub enum AuditError {
    /// What was asked makes no sense. Exit 2.
    Input(String),
    /// The machine failed to read or write. Exit 1.
    Machine {
        /// What was read or written.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The log does not hold. Exit 4.
    Refused(Box<Finding>),
    /// Stopped by hand. Exit 130.
    Interrupted,
}

/// The first thing that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which file.
    pub file: String,
    /// From which byte of it on.
    pub offset: Option<u64>,
    /// In which session.
    pub session: Option<u64>,
    /// At which version.
    pub version: Option<u64>,
    /// What was looked at.
    pub what: &'static str,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

impl Finding {
    /// About a file as a whole.
    pub(super) fn of_file(
        file: impl Into<String>,
        what: &'static str,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> AuditError {
        Place {
            file: &file.into(),
            offset: None,
        }
        .finding(what, expected, found)
    }
}

/// Where something was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) offset: Option<u64>,
}

impl Place<'_> {
    pub(super) fn finding(
        &self,
        what: &'static str,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> AuditError {
        AuditError::Refused(Box::new(Finding {
            file: printable(self.file),
            offset: self.offset,
            session: None,
            version: None,
            what,
            expected: printable(&expected.to_string()),
            found: printable(&found.to_string()),
        }))
    }
}

/// Characters that a finding shows of a text at most.
const MOST_SHOWN: usize = 200;

/// Whether a terminal would show nothing for it, or show what stands beside it elsewhere.
fn is_unseen(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A text from a log as a terminal may show it: what it has is seen where it stands, and is no
/// megabytes.
fn printable(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(MOST_SHOWN)
        .map(|char| {
            if is_unseen(char) {
                char::REPLACEMENT_CHARACTER
            } else {
                char
            }
        })
        .collect();
    if text.chars().nth(MOST_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

impl AuditError {
    pub(super) fn machine(path: &Path) -> impl Fn(io::Error) -> AuditError {
        |source| AuditError::Machine {
            path: path.to_owned(),
            source,
        }
    }

    /// The same about a session at a version.
    pub(super) fn about(mut self, about_session: u64, about_version: Option<u64>) -> AuditError {
        if let AuditError::Refused(finding) = &mut self {
            finding.session.get_or_insert(about_session);
            finding.version = finding.version.or(about_version);
        }
        self
    }
}

impl From<OutputError> for AuditError {
    fn from(error: OutputError) -> AuditError {
        match error {
            OutputError::Failed { path, source } => AuditError::Machine { path, source },
            refused => AuditError::Input(refused.to_string()),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(offset) = self.offset {
            write!(f, " from byte {offset}")?;
        }
        if let Some(session) = self.session {
            write!(f, ", session {session}")?;
        }
        if let Some(version) = self.version {
            write!(f, ", version {version}")?;
        }
        let Finding {
            what,
            expected,
            found,
            ..
        } = self;
        write!(f, ": {what}: expected {expected}, found {found}")
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuditError::Input(text) => f.write_str(text),
            AuditError::Machine { path, source } => write!(f, "'{}': {source}", path.display()),
            AuditError::Refused(finding) => write!(f, "REFUSED: {finding}"),
            AuditError::Interrupted => f.write_str("stopped before the audit ended"),
        }
    }
}

impl std::error::Error for AuditError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_a_log_moves_no_cursor_and_fills_no_screen() {
        assert_eq!(printable("kind 3, ‖"), "kind 3, ‖");
        assert_eq!(printable("\u{1b}[2J\n"), "\u{fffd}[2J\u{fffd}");
        for char in "\u{ad}\u{61c}\u{200b}\u{200f}\u{2028}\u{202e}\u{2066}\u{feff}\u{e0041}".chars()
        {
            assert_eq!(printable(&format!("1{char}2")), "1\u{fffd}2", "{char:?}");
        }
        let long = printable(&"x".repeat(1 << 20));
        assert_eq!(long, "x".repeat(MOST_SHOWN) + "…");
    }
}
