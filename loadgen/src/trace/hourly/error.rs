//! Every reason for which no trace is generated.

use super::profile::ProfileError;
use duet_terminal::output::OutputError;

use crate::trace::{LARGEST_PAIR_TOTAL, error::shown};

/// Why no trace was generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// An option is out of range or contradicts another. Bad input.
    #[error("{0}")]
    Option(String),
    /// The profile has no such action. Bad input.
    #[error(
        "the hourly profile has no action '{}': it has {}",
        shown(.action.as_bytes()), shown_list(.present)
    )]
    UnknownAction {
        /// The action asked for.
        action: String,
        /// The actions that the profile has, sorted.
        present: Vec<String>,
    },
    /// The profile was not read.
    #[error("{0}")]
    Profile(#[from] ProfileError),
    /// A pair's amounts sum to more than a trace may have. Bad input.
    #[error(
        "a pair's amounts sum to more than {LARGEST_PAIR_TOTAL} (2^62): take more --pairs or fewer \
         --payments"
    )]
    PairTotalTooLarge,
    /// The trace was not written.
    #[error("{0}")]
    Output(#[from] OutputError),
    /// It was stopped by hand.
    #[error("stopped by hand")]
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
