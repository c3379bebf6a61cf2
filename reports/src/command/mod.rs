//! One file for each command: its options, its examples, and what it prints. What it computes is
//! in the library.

pub(crate) mod offload;
pub(crate) mod plan;
pub(crate) mod show;

use std::{
    fmt::Display,
    io::{self, Read as _},
    path::Path,
};

use duet_reports::{
    Exit, RunFileError,
    output::OutputError,
    profile::{Profile, ProfileError},
    run_file::{read_text, utf8},
};

/// The text that a command prints, or why there is none.
pub(crate) type Answer = Result<String, Refusal>;

/// Why a command gave no answer, and the exit code of that.
pub(crate) struct Refusal {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Refusal {
    /// What was given cannot be used.
    pub(crate) fn bad_input(message: impl Display) -> Self {
        Refusal {
            exit: Exit::BadInput,
            message: message.to_string(),
        }
    }
}

impl From<RunFileError> for Refusal {
    fn from(error: RunFileError) -> Self {
        Refusal::bad_input(error)
    }
}

impl From<ProfileError> for Refusal {
    fn from(error: ProfileError) -> Self {
        Refusal::bad_input(error)
    }
}

impl From<OutputError> for Refusal {
    fn from(error: OutputError) -> Self {
        let exit = if error.is_machine_fault() {
            Exit::MachineFault
        } else {
            Exit::BadInput
        };
        let message = error.to_string();
        Refusal { exit, message }
    }
}

/// The profiles that `--l1` names, each once.
fn find_profiles(asked: &[String]) -> Result<Vec<Profile>, Refusal> {
    let mut profiles: Vec<Profile> = Vec::new();
    for asked in asked {
        let profile = Profile::find(asked)?;
        if profiles.iter().any(|other| other.name == profile.name) {
            let name = &profile.name;
            return Err(Refusal::bad_input(format!(
                "'{asked}': there is already a profile called '{name}': expected each name once"
            )));
        }
        profiles.push(profile);
    }
    Ok(profiles)
}

/// Indented JSON that ends with a newline.
fn json(value: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value)
        .expect("writing to memory cannot fail and every key is a string");
    text.push('\n');
    text
}

/// The text of the file at `path`, or of standard input if that is `-`.
fn read(path: &Path) -> Result<String, RunFileError> {
    if path != Path::new("-") {
        return read_text(path);
    }
    let mut bytes = Vec::new();
    io::stdin()
        .read_to_end(&mut bytes)
        .map_err(|source| RunFileError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
    utf8(path, bytes)
}
