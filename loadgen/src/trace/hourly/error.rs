//! Every reason for which no trace is generated.

use std::{error::Error, fmt};

use super::profile::ProfileError;
use duet_run_file::output::OutputError;

use crate::trace::{LARGEST_PAIR_TOTAL, error::shown};

/// Why no trace was generated.
#[derive(Debug)]
pub enum GenerateError {
    /// An option is out of range or contradicts another. Bad input.
    Option(String),
    /// The profile has no such action. Bad input.
    UnknownAction {
        /// The action asked for.
        action: String,
        /// The actions that the profile has, sorted.
        present: Vec<String>,
    },
    /// The profile was not read.
    Profile(ProfileError),
    /// A pair's amounts sum to more than a trace may have. Bad input.
    PairTotalTooLarge,
    /// The trace was not written.
    Output(OutputError),
    /// It was stopped by hand.
    Stopped,
}

impl GenerateError {
    /// Whether the machine is at fault (exit 1) and not the input (exit 2).
    pub fn is_machine_fault(&self) -> bool {
        match self {
            Self::Option(_)
            | Self::UnknownAction { .. }
            | Self::PairTotalTooLarge
            | Self::Stopped => false,
            Self::Profile(error) => error.is_machine_fault(),
            Self::Output(error) => error.is_machine_fault(),
        }
    }
}

impl fmt::Display for GenerateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(reason) => f.write_str(reason),
            Self::UnknownAction { action, present } => {
                let action = shown(action.as_bytes());
                let present = shown_list(present);
                write!(
                    f,
                    "the hourly profile has no action '{action}': it has {present}"
                )
            }
            Self::Profile(error) => error.fmt(f),
            Self::PairTotalTooLarge => write!(
                f,
                "a pair's amounts sum to more than {LARGEST_PAIR_TOTAL} (2^62): \
                 take more --pairs or fewer --payments"
            ),
            Self::Output(error) => error.fmt(f),
            Self::Stopped => f.write_str("stopped by hand"),
        }
    }
}

/// Names as they may be shown; the first few of very many.
fn shown_list(names: &[String]) -> String {
    const MOST_NAMES: usize = 20;
    if names.is_empty() {
        return "none".to_owned();
    }
    let mut list: Vec<String> = names
        .iter()
        .take(MOST_NAMES)
        .map(|name| shown(name.as_bytes()))
        .collect();
    if names.len() > MOST_NAMES {
        list.push(format!("and {} more", names.len() - MOST_NAMES));
    }
    list.join(", ")
}

impl Error for GenerateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Option(_)
            | Self::UnknownAction { .. }
            | Self::PairTotalTooLarge
            | Self::Stopped => None,
            Self::Profile(error) => Some(error),
            Self::Output(error) => Some(error),
        }
    }
}

impl From<ProfileError> for GenerateError {
    fn from(error: ProfileError) -> Self {
        Self::Profile(error)
    }
}

impl From<OutputError> for GenerateError {
    fn from(error: OutputError) -> Self {
        Self::Output(error)
    }
}
