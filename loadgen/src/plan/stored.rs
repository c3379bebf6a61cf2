//! What a run's directory says of the run: how it was asked for, and what that came to on the
//! machine that began it. Whoever reads the log, checks it or goes on with it takes everything from
//! here, and nothing from the machine or the directory that it works in.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use duet_engine::log::{Disk, DiskFile, Files, Foreign, META, RunId, is_as_new};
use duet_engine::pipeline::Beside;
use duet_run_file::run_file::Workload;
use duet_terminal::input::Limit;
use duet_terminal::output::OutputError;
use serde::{Deserialize, Serialize, de};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::durable::LOG;
use super::error::{PlanError, bad};
use crate::cli::{Pattern, RunArgs};

/// The file that says how a run was asked for, beside its log.
const COMMAND: &str = "run.json";

/// More than an operating system takes as a command line.
const COMMAND_LIMIT: Limit = Limit {
    bytes: 16 << 20,
    kind: "a command line",
};

/// A run as its directory has it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// How it was asked for.
    pub command: Vec<String>,
    /// Where it is, for people.
    directory: PathBuf,
    identity: Identity,
    /// Where its trace was when it began, from the root; none if it has none, or that is not known.
    pub trace: Option<PathBuf>,
}

/// The file's content.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    command: Vec<String>,
    run: Box<RawValue>,
    trace: Option<String>,
}

/// What makes a run the same one when it goes on: all that its channels, payments and Layer 1
/// follow from, and how it is spread over shards.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// As it is written down: a run keeps its identity when a later build would write it otherwise.
    text: String,
    run: Workload,
}

impl Identity {
    /// Of a run that begins.
    pub(super) fn of(workload: &Workload) -> Identity {
        // A schedule's rate and length may change, but not whether there is one.
        let run = Workload {
            offered_per_s: None,
            duration_s: None,
            reproducible: true,
            cosign_after_ms: None,
            backend_asked: String::new(),
            ..workload.clone()
        };
        let text = serde_json::to_string(&run).expect("writing to memory cannot fail");
        Identity { text, run }
    }

    fn parse(text: &str) -> serde_json::Result<Identity> {
        let run: Workload = serde_json::from_str(text)?;
        // Whatever else makes no sense is found where the run is planned anew.
        let counts = [
            ("sessions", run.sessions),
            ("payments_per_session", run.payments_per_session),
            ("concurrent", run.concurrent),
            ("turn_length", run.turn_length.unwrap_or(1)),
        ];
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(de::Error::custom(format!(
                "its {name} is 0, expected 1 or more"
            ))),
            None => Ok(Identity {
                text: text.to_owned(),
                run,
            }),
        }
    }

    /// By which its log knows it.
    pub(super) fn id(&self) -> RunId {
        RunId(Sha256::digest(&self.text).into())
    }

    /// What of another one differs from this: the option, its value there, and the one here.
    fn differs(&self, other: &Identity) -> Option<(&'static str, String, String)> {
        type Field = (&'static str, fn(&Workload) -> String);
        fn some<T: ToString>(value: &Option<T>) -> String {
            value.as_ref().map_or("none".to_owned(), T::to_string)
        }
        const FIELDS: [Field; 22] = [
            ("mode", |run| run.mode.clone()),
            ("--trace with SHA-256", |run| some(&run.trace_sha256)),
            ("arrivals", |run| run.arrivals.clone()),
            ("--sessions", |run| run.sessions.to_string()),
            ("--payments", |run| run.payments_per_session.to_string()),
            ("--concurrent", |run| run.concurrent.to_string()),
            ("--pattern", |run| run.pattern.clone()),
            ("--turn-length", |run| some(&run.turn_length)),
            ("--amount", |run| run.amount.clone()),
            ("--reserve", |run| some(&run.reserve)),
            ("--capacity", |run| run.capacity.clone()),
            ("--seed", |run| run.seed.to_string()),
            ("--cosign-every", |run| run.cosign_every.to_string()),
            ("--in-flight", |run| run.in_flight.to_string()),
            ("--shards", |run| run.shards.to_string()),
            ("--block-txs", |run| run.l1.block_transactions.to_string()),
            ("--challenge-blocks", |run| {
                run.l1.challenge_window_blocks.to_string()
            }),
            ("--state-root", |run| run.l1.state_root.to_string()),
            ("--planted-slowdown", |run| some(&run.planted_slowdown)),
            ("block_bytes", |run| run.l1.block_bytes.to_string()),
            ("fee", |run| run.l1.fee.to_string()),
            // What no option of a durable run changes.
            ("settings", |run| format!("{run:?}")),
        ];
        FIELDS.into_iter().find_map(|(name, value)| {
            let (here, there) = (value(&self.run), value(&other.run));
            (here != there).then_some((name, there, here))
        })
    }
}

impl Stored {
    /// The run in this directory; none if the directory is as empty as a start leaves it that was
    /// interrupted before that was written down.
    ///
    /// # Errors
    /// If the machine cannot read it, or what is there does not say how a run was asked for.
    pub fn read(directory: &Path) -> Result<Option<Stored>, PlanError> {
        let names = own_names(directory)?;
        let is_of_a_start = |name: &String| is_left(name) || name == LOG && is_new(directory);
        if names.iter().all(is_of_a_start) {
            return Ok(None);
        }
        let path = directory.join(COMMAND);
        let text = read_own(directory).map_err(|error| unusable("read", &path, &error))?;
        let read = Stored::parse(directory, &text);
        read.map(Some).map_err(|error| {
            PlanError::Stored(format!(
                "'{}' does not say how a run was asked for: {error}",
                path.display()
            ))
        })
    }

    fn parse(directory: &Path, text: &[u8]) -> serde_json::Result<Stored> {
        let written: Written = serde_json::from_slice(text)?;
        Ok(Stored {
            command: written.command,
            directory: directory.to_owned(),
            identity: Identity::parse(written.run.get())?,
            trace: written.trace.map(PathBuf::from),
        })
    }

    /// Whether it is known to replay a trace, which the command that went on with it last need not
    /// say.
    #[must_use]
    pub fn replays(&self) -> bool {
        self.identity.run.mode == "trace"
    }

    /// As [`Stored::read`], of a run that has a log: without one, a run that is asked for begins
    /// anew.
    pub(super) fn begun(directory: &Path) -> Result<Option<Stored>, PlanError> {
        match has_log(directory) && fs::symlink_metadata(directory.join(COMMAND)).is_ok() {
            true => Stored::read(directory),
            false => Ok(None),
        }
    }

    /// The options of whoever goes on with the run: what they do not say is what it was begun with.
    pub(super) fn complete(&self, args: &RunArgs) -> RunArgs {
        let (mut args, run) = (args.clone(), &self.identity.run);
        args.shards.get_or_insert(run.shards);
        args.cosign_every.get_or_insert(run.cosign_every);
        args.state_root |= run.l1.state_root;
        if run.mode == "trace" {
            args.trace = args.trace.or_else(|| self.trace.clone());
        } else if args.trace.is_none() {
            args.sessions.get_or_insert(run.sessions);
            args.payments.get_or_insert(run.payments_per_session);
            args.concurrent.get_or_insert(run.concurrent);
            args.amount = args.amount.or_else(|| run.amount.parse().ok());
            args.reserve = args.reserve.or(run.reserve);
            let patterns = [Pattern::OneWay, Pattern::TwoWay];
            let pattern = patterns
                .into_iter()
                .find(|pattern| pattern.name() == run.pattern);
            args.pattern = args.pattern.or(pattern);
            if args.pattern == Some(Pattern::TwoWay) {
                args.turn_length = args.turn_length.or(run.turn_length);
            }
        }
        args
    }

    /// The identity of the run that goes on as this one, which it is if nothing contradicts it.
    pub(super) fn identity_of(&self, workload: &Workload) -> Result<Identity, PlanError> {
        match self.identity.differs(&Identity::of(workload)) {
            None => Ok(self.identity.clone()),
            Some((option, asked, is)) => Err(PlanError::Stored(format!(
                "{option} {asked}: the log in '{}' is of a run with {option} {is}; expected that, or \
                 another directory",
                self.directory.display()
            ))),
        }
    }
}

/// Makes the directory of a run if it is not there.
///
/// # Errors
/// If it cannot be made, or holds something else.
pub(super) fn make(directory: &Path) -> Result<(), PlanError> {
    make_directory(directory).map_err(|error| refused(directory, &error))?;
    let names = own_names(directory)?;
    // Beside a log it is the log's, and whoever reads it says what is wrong with it. Alone it can
    // be anybody's of that name, and would be replaced.
    let is_command = || {
        has_log(directory)
            || read_own(directory).is_ok_and(|text| Stored::parse(directory, &text).is_ok())
    };
    let is_own = |name: &String| match name.as_str() {
        COMMAND => is_command(),
        name => name == LOG || is_left(name),
    };
    let stranger = names.iter().find(|name| !is_own(name));
    if let Some(name) = stranger {
        return Err(bad(format!(
            "--log-dir {}: expected a new or empty directory, or that of this run; it holds {name}",
            directory.display()
        )));
    }
    Ok(())
}

/// What the run is and how it was asked for, to be written down beside its log, so that whoever
/// reads that makes the same plan again: by whoever has the log, each time, since what may change
/// may have changed.
///
/// # Errors
/// If the working directory, to which the trace's path may be relative, is not known.
pub(super) fn beside(
    directory: &Path,
    command: &[String],
    identity: &Identity,
    trace: Option<&Path>,
) -> Result<Beside, PlanError> {
    let trace = trace.map(std::path::absolute).transpose();
    let trace = trace.map_err(|error| refused(directory, &error))?;
    let written = Written {
        command: command.to_vec(),
        run: RawValue::from_string(identity.text.clone()).expect("it was written as JSON"),
        // What is not UTF-8 cannot stand in JSON: then `recover --trace` says where it is.
        trace: trace.and_then(|trace| trace.to_str().map(str::to_owned)),
    };
    Ok(Beside {
        directory: directory.to_owned(),
        name: COMMAND,
        bytes: serde_json::to_vec_pretty(&written).expect("writing to memory cannot fail"),
    })
}

fn refused(directory: &Path, error: &io::Error) -> PlanError {
    PlanError::Output(OutputError::Refused {
        path: directory.to_owned(),
        reason: error.to_string(),
    })
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

/// Whether there is a log: it exists from when its header has its name.
fn has_log(directory: &Path) -> bool {
    fs::symlink_metadata(directory.join(LOG).join(META)).is_ok()
}

/// Whether the log is no more than a start leaves before it writes down how the run was asked for.
fn is_new(directory: &Path) -> bool {
    Files::to_read(directory.join(LOG)).is_ok_and(|files| is_as_new(&files) == Ok(true))
}

/// Whether a file has the name of one that was being written when its process ended.
fn is_left(name: &str) -> bool {
    name.starts_with(".duet-")
}

/// The names in a run's directory. Those of the program's own files are of plain files: a link that
/// has one could lead anywhere. (The log looks after its own folder, which may be a link.)
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

/// Makes a directory and what leads to it, durably: what is in it is worth nothing without its
/// name.
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
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
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
