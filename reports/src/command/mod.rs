//! One file for each command: its options, its examples, and what it prints. What it computes is
//! in the library.

pub(crate) mod csv;
pub(crate) mod diff;
pub(crate) mod hgrm;
pub(crate) mod html;
pub(crate) mod merge;
pub(crate) mod offload;
pub(crate) mod plan;
pub(crate) mod show;

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use duet_profile::{Profile, ProfileError};
use duet_reports::runs::{Runs, RunsError};
use duet_run_file::curve::{self, Curve};
use duet_run_file::{
    RunFileError, merge::MergeError, run_file::read_text, sweep::Sweep, terms::Across,
};
use duet_terminal::input;
use duet_terminal::layout::clean;
use duet_terminal::output::OutputError;
use duet_terminal::{Exit, paths::Paths, say::complain};
use sha2::{Digest as _, Sha256};

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

macro_rules! bad_input {
    ($($error:ty),*) => {
        $(impl From<$error> for Refusal {
            fn from(error: $error) -> Self {
                Refusal::bad_input(error)
            }
        })*
    };
}

bad_input!(RunFileError, MergeError, ProfileError, RunsError);

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

/// A file's name, without what follows its last point.
fn named(file: &Path) -> String {
    let name = file.file_stem().unwrap_or(file.as_os_str());
    clean(&name.to_string_lossy())
}

/// Indented JSON that ends with a newline.
fn json(value: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value)
        .expect("writing to memory cannot fail and every key is a string");
    text.push('\n');
    text
}

/// Runs that are to stand side by side.
#[derive(clap::Args)]
pub(crate) struct Selection {
    /// The run files; `-` reads standard input.
    #[arg(required = true, value_name = "RUN")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    differences: Differences,
}

/// In what runs may differ that stand side by side.
#[derive(clap::Args)]
pub(crate) struct Differences {
    /// A part of the assurance or workload in which the runs may differ, as cosign_every; may be
    /// given more than once. Seed and shards always may.
    #[arg(long, value_name = "KEY")]
    across: Vec<String>,
}

impl Selection {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.files.len()
    }

    /// The sweep, by its name, if one file is given and is one. What can be read but once is taken
    /// for a run.
    pub(crate) fn sweep(&self) -> Result<Option<(String, Sweep)>, Refusal> {
        let [file] = &self.files[..] else {
            return Ok(None);
        };
        if !Sweep::is_one(&self.first(file)) {
            return Ok(None);
        }
        let sweep = Sweep::read(file).map_err(Refusal::bad_input)?;
        Ok(Some((named(file), sweep)))
    }

    /// The offload curve, by its name and with its file's digest, if one file is given and is one.
    pub(crate) fn curve(&self) -> Result<Option<(String, Curve, String)>, Refusal> {
        let [file] = &self.files[..] else {
            return Ok(None);
        };
        if !Curve::is_one(&self.first(file)) {
            return Ok(None);
        }
        let bytes = input::read(file, curve::LIMIT)
            .map_err(|error| Refusal::bad_input(format!("{}: {error}", file.display())))?;
        let found = Curve::parse(file, &bytes).map_err(Refusal::bad_input)?;
        let digest = Sha256::digest(&bytes);
        let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some((named(file), found, digest)))
    }

    /// A file's first bytes; none of what can be read but once.
    fn first(&self, file: &Path) -> Vec<u8> {
        let mut first = [0; 256];
        let read = File::open(file)
            .and_then(|mut opened| match opened.metadata()?.is_file() {
                true => opened.read(&mut first),
                false => Ok(0),
            })
            // Who reads the run says what is wrong with the file.
            .unwrap_or(0);
        first[..read].to_vec()
    }

    /// The runs.
    pub(crate) fn read(&self) -> Result<Runs, Refusal> {
        self.differences.gather(&self.files)
    }

    /// With the run files that are read.
    pub(crate) fn of<'a>(&'a self, paths: Paths<'a>) -> Paths<'a> {
        let files = self.files.iter();
        files.fold(paths, |paths, file| paths.reads("a run file", Some(file)))
    }
}

impl Differences {
    /// Reads the runs, and refuses those that differ in anything else.
    pub(crate) fn gather(&self, files: &[PathBuf]) -> Result<Runs, Refusal> {
        let read_one = |path: &PathBuf| Ok((path.clone(), read_text(path)?));
        let texts: Result<Vec<_>, RunFileError> = files.iter().map(read_one).collect();
        let runs = Runs::gather(&texts?, &Across::new(&self.across))?;
        for key in runs.idle() {
            complain(format_args!(
                "note: --across {key} names nothing in which the runs differ"
            ));
        }
        Ok(runs)
    }
}
