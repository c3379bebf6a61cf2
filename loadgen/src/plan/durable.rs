//! What makes a run durable: the log's directory, the run's identity, and how it was asked for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use duet_engine::log::{self, Disk, DiskFile, Files, Foreign, META, RunId};
use duet_engine::pipeline::LogConfig;
use duet_reports::run_file::Workload;
use sha2::{Digest, Sha256};

use super::{PlanError, bad};
use crate::cli::{Durability, RunArgs};
use duet_reports::input::Limit;
use duet_reports::output::{OutputError, check_writable, resolved, write_atomically_in};

/// The file that says how a run was asked for, beside its log.
const COMMAND: &str = "run.json";
/// The log itself, in the directory.
const LOG: &str = "log";

/// More than an operating system takes as a command line.
const COMMAND_LIMIT: Limit = Limit {
    bytes: 16 << 20,
    kind: "a command line",
};

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
    outputs_apart(args, directory)?;
    Ok(Some(LogConfig {
        must_exist: false,
        directory: directory.join(LOG),
        durability,
        run: run_id(workload),
        acknowledgements: args.ack_file.clone(),
    }))
}

/// Nothing else is written into the log's directory, nor two things into one file.
fn outputs_apart(args: &RunArgs, directory: &Path) -> Result<(), PlanError> {
    let folders = [directory.to_owned(), directory.join(LOG)];
    let folders: Vec<PathBuf> = folders.iter().filter_map(|path| resolved(path)).collect();
    let out = (args.out.as_ref()).map(|path| ("--out", path));
    let acknowledgements = (args.ack_file.as_ref()).map(|path| ("--ack-file", path));
    for (option, path) in out.into_iter().chain(acknowledgements) {
        let file = resolved(path);
        let within = |folder: &PathBuf| file.as_ref().is_some_and(|file| file.starts_with(folder));
        if folders.iter().any(within) {
            return Err(bad(format!(
                "{option} {}: expected a file outside of --log-dir {}",
                path.display(),
                directory.display()
            )));
        }
    }
    let others = [("--out", &args.out), ("--trace", &args.trace)];
    let Some((_, acknowledgements)) = acknowledgements else {
        return Ok(());
    };
    for (option, path) in others {
        let other = path.as_ref().and_then(|path| resolved(path));
        if other.is_some_and(|other| other.is_file() && resolved(acknowledgements) == Some(other))
            || path.as_ref() == Some(acknowledgements)
        {
            return Err(bad(format!(
                "--ack-file {}: {option} names the same file",
                acknowledgements.display()
            )));
        }
    }
    Ok(())
}

/// What makes a run the same one when it goes on: all that its channels, payments and Layer 1
/// follow from, and how it is spread over shards.
fn run_id(workload: &Workload) -> RunId {
    // A schedule's rate and length may change, but not whether there is one.
    let same = Workload {
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
/// `recover` can make the same plan again. What was written down stays from when there is a log.
///
/// # Errors
/// If it cannot be written, or the directory holds something else.
pub fn write_command(directory: &Path, command: &[String]) -> Result<(), PlanError> {
    let refused = |error: io::Error| {
        PlanError::Output(OutputError::Refused {
            path: directory.to_owned(),
            reason: error.to_string(),
        })
    };
    make_directory(directory).map_err(refused)?;
    let names = own_names(directory)?;
    let stranger = (names.iter()).find(|name| *name != COMMAND && *name != LOG && !is_left(name));
    if let Some(name) = stranger {
        return Err(bad(format!(
            "--log-dir {}: expected a new or empty directory, or that of this run; it holds {name}",
            directory.display()
        )));
    }
    let has_log = || fs::symlink_metadata(directory.join(LOG).join(META)).is_ok();
    if names.iter().any(|name| name == COMMAND) && has_log() {
        return Ok(());
    }
    let text = serde_json::to_vec_pretty(command).expect("writing to memory cannot fail");
    write_atomically_in(directory, COMMAND, |out| {
        out.write_all(&text).map_err(|source| OutputError::Failed {
            path: directory.join(COMMAND),
            source,
        })
    })
    .map_err(PlanError::Output)
}

/// Makes durable how the run was asked for, and the names that lead to its log, whoever made them: what
/// is acknowledged is worth nothing without.
///
/// # Errors
/// If the machine fails, or what is there is no folder or file of the program's own.
pub fn sync_command(directory: &Path) -> Result<(), PlanError> {
    let synced = Files::existing(directory).and_then(|files| sync_in(&files));
    synced.map_err(|error| unusable("sync", directory, &error))
}

fn sync_in(disk: &impl Disk) -> io::Result<()> {
    disk.open(COMMAND)?.sync()?;
    disk.sync_directory()
}

/// Why a run's directory cannot be used: what is in it, or the machine.
fn unusable(operation: &str, path: &Path, error: &io::Error) -> PlanError {
    let problem = format!("cannot {operation} '{}': {error}", path.display());
    let is_stored = Foreign::of(error).is_some()
        || matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::FileTooLarge
        );
    match is_stored {
        true => PlanError::Stored(problem),
        false => PlanError::Unreadable(problem),
    }
}

/// Whether a file has the name of one that was being written when its process ended.
fn is_left(name: &str) -> bool {
    name.starts_with(".duet-")
}

/// The names in a run's directory. Those of the program's own files are of plain files: a link that has
/// one could lead anywhere. (The log looks after its own folder, which may be a link.)
fn own_names(directory: &Path) -> Result<Vec<String>, PlanError> {
    let refused = |error: io::Error| unusable("use", directory, &error);
    let entries = fs::read_dir(directory).map_err(refused)?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(refused)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == COMMAND || is_left(&name) {
            match entry.metadata() {
                // Another process was writing it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(refused(error)),
                Ok(metadata) => {
                    Foreign::check(&name, &metadata).map_err(|foreign| refused(foreign.into()))?;
                }
            }
        }
        names.push(name);
    }
    Ok(names)
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

/// How the run in this directory was asked for; none if the directory is as empty as a start leaves it
/// that was interrupted before that was written down.
///
/// # Errors
/// If the machine cannot read it, or what is there does not say how a run was asked for.
pub fn read_command(directory: &Path) -> Result<Option<Vec<String>>, PlanError> {
    let names = own_names(directory)?;
    if names.iter().all(|name| is_left(name)) {
        return Ok(None);
    }
    let path = directory.join(COMMAND);
    let text = read_own(directory).map_err(|error| unusable("read", &path, &error))?;
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        PlanError::Stored(format!(
            "'{}' does not say how a run was asked for: {error}",
            path.display()
        ))
    })
}

/// The bytes of the command's file, which is the program's own.
fn read_own(directory: &Path) -> io::Result<Vec<u8>> {
    let file = Files::to_read(directory)?.open(COMMAND)?;
    let length = file.length()?;
    if length > COMMAND_LIMIT.bytes {
        return Err(COMMAND_LIMIT.exceeded());
    }
    let mut bytes = vec![0; length as usize];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use duet_engine::log::disk::{Crash, SimulatedDisk};

    use super::*;

    /// As somebody's copy of a run's directory is, or a run without syncs left it.
    #[test]
    fn what_was_not_synced_before_is_after() {
        for seed in 0..20 {
            let disk = SimulatedDisk::new(seed);
            let text = [b'x'; 5000];
            disk.create(COMMAND).unwrap().write_at(0, &text).unwrap();
            sync_in(&disk).unwrap();
            let found = disk.after(Crash::Power).contents(COMMAND);
            assert_eq!(found.as_deref(), Some(&text[..]), "seed {seed}");
        }
    }
}
