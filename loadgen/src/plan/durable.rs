//! What makes a run durable: the log's directory, the run's identity, and how it was asked for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use duet_engine::log::{self, RunId};
use duet_engine::pipeline::LogConfig;
use duet_reports::run_file::Workload;
use sha2::{Digest, Sha256};

use super::{PlanError, bad};
use crate::cli::{Durability, RunArgs};
use duet_reports::output::{OutputError, check_writable, write_atomically};

/// The file that says how a run was asked for, beside its log.
const COMMAND: &str = "run.json";
/// The log itself, in the directory.
const LOG: &str = "log";

/// The log that was asked for, if one was.
pub(super) fn log_config(
    args: &RunArgs,
    workload: &Workload,
) -> Result<Option<LogConfig>, PlanError> {
    let durability = match (args.durability, &args.log_dir) {
        (Durability::None, None) => {
            return match &args.ack_file {
                Some(_) => Err(bad(
                    "--ack-file needs --durability log or fsync: it is for checking a recovery",
                )),
                None => Ok(None),
            };
        }
        (Durability::None, Some(directory)) => {
            return Err(bad(format!(
                "--log-dir {} needs --durability log or fsync",
                directory.display()
            )));
        }
        (durability, None) => {
            return Err(bad(format!(
                "--durability {} needs --log-dir: where the log shall be",
                durability.name()
            )));
        }
        (Durability::Log, Some(_)) => log::Durability::Log,
        (Durability::Fsync, Some(_)) => log::Durability::Fsync,
    };
    if !args.adversary.0.is_empty() {
        return Err(bad(
            "--adversary contradicts --durability: disputes are not logged",
        ));
    }
    if args.speedup.is_some() {
        return Err(bad(
            "--speedup contradicts --durability: a trace's clock cannot be stopped and started",
        ));
    }
    if let Some(file) = &args.ack_file {
        check_writable(file).map_err(PlanError::Output)?;
    }
    let directory = args.log_dir.as_ref().expect("it is given");
    Ok(Some(LogConfig {
        must_exist: false,
        directory: directory.join(LOG),
        durability,
        run: run_id(workload),
        acknowledgements: args.ack_file.clone(),
    }))
}

/// What makes a run the same one when it goes on: all that its channels, payments and Layer 1
/// follow from, and how it is spread over shards.
fn run_id(workload: &Workload) -> RunId {
    let same = Workload {
        arrivals: String::new(),
        offered_per_s: None,
        duration_s: None,
        reproducible: true,
        cosign_after_ms: None,
        backend_asked: String::new(),
        ..workload.clone()
    };
    let text = serde_json::to_vec(&same).expect("writing to memory cannot fail");
    RunId(Sha256::digest(text).into())
}

/// Makes the directory if it is not there, and writes down how the run was asked for, so that
/// `recover` can make the same plan again.
///
/// # Errors
/// If it cannot be written, or the directory holds something else.
pub fn write_command(directory: &Path, command: &[String]) -> Result<(), PlanError> {
    let refused = |path: &Path, reason: String| {
        PlanError::Output(OutputError::Refused {
            path: path.to_owned(),
            reason,
        })
    };
    make_directory(directory).map_err(|error| refused(directory, error.to_string()))?;
    let entries = fs::read_dir(directory).map_err(|error| refused(directory, error.to_string()))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name == COMMAND || name == LOG {
            continue;
        }
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with(".duet-") {
            return Err(bad(format!(
                "--log-dir {}: expected a new or empty directory, or that of this run; it holds {name}",
                directory.display()
            )));
        }
    }
    let path = directory.join(COMMAND);
    if path.exists() {
        return Ok(());
    }
    let text = serde_json::to_vec_pretty(command).expect("writing to memory cannot fail");
    write_atomically(&path, |out| {
        out.write_all(&text).map_err(|source| OutputError::Failed {
            path: path.clone(),
            source,
        })
    })
    .map_err(PlanError::Output)
}

/// Makes a directory and what leads to it, durably: what is in it is worth nothing without its name.
fn make_directory(directory: &Path) -> io::Result<()> {
    let parent = (directory.parent()).filter(|path| !path.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.exists()) {
        make_directory(parent)?;
    }
    match fs::create_dir(directory) {
        // Who made it may have ended before its name was durable.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
        made => made?,
    }
    fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// How the run in this directory was asked for.
///
/// # Errors
/// A text that names the file and what is wrong with it.
pub fn read_command(directory: &Path) -> Result<Vec<String>, String> {
    let path: PathBuf = directory.join(COMMAND);
    let text =
        fs::read(&path).map_err(|error| format!("cannot read '{}': {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| {
        format!(
            "'{}' does not say how a run was asked for: {error}",
            path.display()
        )
    })
}
