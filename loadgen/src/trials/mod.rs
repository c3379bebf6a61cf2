//! Many runs for one question: each is a process of its own, so that none inherits another's memory
//! or CPU time. What is asked of the runs is checked before the first of them starts.

pub mod args;
pub mod bracket;
mod found;
pub mod grid;
pub mod objective;
pub mod preset;
pub mod search;
pub mod sweep;

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Parser;
use duet_run_file::RunFile;
use duet_terminal::exit::Exit;
use duet_terminal::process::{Unfinished, run_to_end};
use tempfile::TempDir;

use crate::cli::{self, Cli, RunArgs};
use crate::file_system::FileSystem;
use crate::plan::Plan;
use crate::plan::error::PlanError;
use duet_terminal::say::say;

/// How much of a failed run's standard error is shown.
const STDERR_LINES_SHOWN: usize = 20;

/// Runs this very program; a log that a run needs lies in a folder that goes with it.
pub struct Runner<'a> {
    program: PathBuf,
    log_dir: PathBuf,
    stop: &'a AtomicBool,
}

/// Why there is no run file.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The options make no sense; the text says which and what was expected.
    #[error("{0}")]
    Options(String),
    /// The machine failed: the program or its folder is lost.
    #[error("{0}")]
    Machine(String),
    /// The run ended badly, with this exit code.
    #[error("{1}")]
    Ended(i32, String),
    /// It was stopped by hand.
    #[error("stopped")]
    Interrupted,
}

impl<'a> Runner<'a> {
    /// Runs this program; logs, if the runs are durable, lie in folders in `log_dir`.
    ///
    /// # Errors
    /// The system does not tell where this program is.
    pub fn new(log_dir: Option<&Path>, stop: &'a AtomicBool) -> Result<Runner<'a>, TrialError> {
        // What runs here, even if another program has its name by now.
        let this = PathBuf::from("/proc/self/exe");
        let found = match this.exists() {
            true => Ok(this),
            false => std::env::current_exe(),
        };
        let program = found.map_err(|error| {
            TrialError::Machine(format!("this program cannot be found: {error}"))
        })?;
        let log_dir = log_dir.unwrap_or(Path::new(".")).to_owned();
        Ok(Runner {
            program,
            log_dir,
            stop,
        })
    }

    /// One run with these options, without a baseline. It may be INVALID.
    ///
    /// # Errors
    /// There is no run file.
    pub fn run(&self, options: &[String]) -> Result<RunFile, TrialError> {
        let log = self.log_of(options)?;
        let mut command = Command::new(&self.program);
        // By whatever name it was opened.
        command
            .arg0("loadgen")
            .args(["run", "--json", "--quiet", "--baseline-sessions", "0"])
            .args(options);
        if let Some(log) = &log {
            command.arg("--log-dir").arg(log.path().join("log"));
        }
        let finished =
            run_to_end(&mut command, self.stop).map_err(|unfinished| match unfinished {
                Unfinished::Interrupted => TrialError::Interrupted,
                Unfinished::NotStarted(error) => {
                    TrialError::Machine(format!("cannot start a run: {error}"))
                }
                Unfinished::Lost(error) => TrialError::Machine(format!("a run was lost: {error}")),
            })?;
        let code = finished.status.code().unwrap_or(-1);
        let text = String::from_utf8_lossy(&finished.stdout);
        let read = RunFile::parse(Path::new("its run file"), &text);
        let ended_well = code == 0 || code == i32::from(Exit::Invalid.code());
        let why = match read {
            Ok(run) if ended_well => return Ok(run),
            Err(error) if ended_well => format!("{error}\n"),
            _ => String::new(),
        };
        // A signal's name is in the status and in no exit code.
        Err(TrialError::Ended(
            code,
            format!(
                "`loadgen run {}` ended with {} and no figures:\n{why}{}",
                options.join(" "),
                finished.status,
                last_lines(&finished.stderr)
            ),
        ))
    }

    /// Says, if one of these runs is durable, what is to be known of where its log lies.
    ///
    /// # Errors
    /// The options make no run.
    pub fn caution<'o>(
        &self,
        runs: impl IntoIterator<Item = &'o [String]>,
    ) -> Result<(), TrialError> {
        for options in runs {
            if is_durable(options)? {
                if let Some(caution) = FileSystem::of(&self.log_dir).caution(&self.log_dir) {
                    say(caution);
                }
                break;
            }
        }
        Ok(())
    }

    /// A folder for the log of a durable run, gone when dropped.
    fn log_of(&self, options: &[String]) -> Result<Option<TempDir>, TrialError> {
        if !is_durable(options)? {
            return Ok(None);
        }
        let folder = tempfile::Builder::new()
            .prefix("duet-trial-")
            .tempdir_in(&self.log_dir);
        folder.map(Some).map_err(|error: io::Error| {
            let text = format!(
                "--log-dir {}: no folder can be made in it: {error}",
                self.log_dir.display()
            );
            match error.kind() {
                io::ErrorKind::StorageFull => TrialError::Machine(text),
                _ => TrialError::Options(text),
            }
        })
    }
}

/// Whether a run with these options keeps a log.
fn is_durable(options: &[String]) -> Result<bool, TrialError> {
    Ok(parse_run(options)?.durability != cli::Durability::None)
}

/// The options of a run, as `run` itself reads them.
fn parse_run(options: &[String]) -> Result<RunArgs, TrialError> {
    let all = ["loadgen", "run"].into_iter().map(str::to_owned);
    let parsed = Cli::try_parse_from(all.chain(options.iter().cloned()))
        .map_err(|error| TrialError::Options(first_line(&error)))?;
    match parsed.command {
        Some(cli::Command::Run(run)) => Ok(*run),
        _ => unreachable!("`run` was said"),
    }
}

/// The options of runs as they were given after `--`, checked: they must make a run, and must be
/// neither the command's own nor of those that its trials set themselves.
///
/// # Errors
/// Names the option.
pub fn check_options(words: &[String], own: &[&str]) -> Result<RunArgs, TrialError> {
    // What a trial may not do: print elsewhere, follow another clock, leave something behind,
    // or end before its time.
    const NEVER: [&str; 13] = [
        "--rate",
        "--sessions",
        "--json",
        "--quiet",
        "--out",
        "--baseline-sessions",
        "--duration",
        "--trace",
        "--speedup",
        "--preset",
        "--log-dir",
        "--ack-file",
        "--audit-log",
    ];
    for word in words {
        let name = word.split('=').next().unwrap_or(word);
        if own.contains(&name) {
            return Err(TrialError::Options(format!(
                "{name} after `--`: expected before it, as this command's own"
            )));
        }
        if NEVER.contains(&name) {
            return Err(TrialError::Options(format!(
                "{name} after `--`: expected options of `run` that this command does not set itself"
            )));
        }
    }
    parse_run(words).map_err(|error| TrialError::Options(format!("after `--`: {error}")))
}

/// What is wrong, without the usage that clap prints below it.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.is_empty());
    let joined = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    joined.trim_start_matches("error: ").to_owned()
}

/// Checks that a run with these options would start, as far as that can be told without one.
///
/// # Errors
/// What the run itself would say.
pub fn check_run(options: &[String]) -> Result<(), TrialError> {
    let mut run = parse_run(options)?;
    if run.durability != cli::Durability::None {
        // Each trial gets a folder of its own; planning one makes nothing.
        run.log_dir = Some(PathBuf::from("."));
    }
    match Plan::new(&run) {
        Ok(_) => Ok(()),
        Err(PlanError::Output(error)) if error.is_machine_fault() => {
            Err(TrialError::Machine(error.to_string()))
        }
        Err(error) => Err(TrialError::Options(error.to_string())),
    }
}

/// `--duration` as `run` reads it.
fn duration_option(duration: Duration) -> [String; 2] {
    [
        "--duration".to_owned(),
        format!("{}ms", duration.as_millis()),
    ]
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let left_out = lines.len().saturating_sub(STDERR_LINES_SHOWN);
    let shown = lines[left_out..].iter().map(|line| format!("  {line}"));
    shown.collect::<Vec<_>>().join("\n")
}

impl TrialError {
    /// The exit code of a command that ends with it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            TrialError::Options(_) => Exit::BadInput,
            TrialError::Machine(_) => Exit::MachineFault,
            TrialError::Interrupted => Exit::Interrupted,
            TrialError::Ended(code, _) => match code {
                2 => Exit::BadInput,
                3 => Exit::Invalid,
                4 => Exit::StoredDataRefused,
                130 => Exit::Interrupted,
                _ => Exit::MachineFault,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_that_trials_set_themselves_are_refused_by_name() {
        for (text, expected) in [
            ("--rate 5", "--rate after `--`"),
            ("--rate=5", "--rate after `--`"),
            ("--backend auto", "--backend after `--`: expected before it"),
            ("--payments 10 --json", "--json after `--`"),
            ("--log-dir x", "--log-dir after `--`"),
            ("--payments ten", "'ten' is not a count"),
            ("--bogus", "--bogus"),
        ] {
            let error = check_options(&words(text), &["--backend"]).unwrap_err();
            assert_eq!(error.exit(), Exit::BadInput);
            assert!(error.to_string().contains(expected), "{text}: {error}");
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
        let run = check_options(&words("--payments 10 --cosign-every 2"), &[]).unwrap();
        assert_eq!(run.payments, Some(10));
    }

    #[test]
    fn runs_that_would_not_start_are_refused_before_the_first() {
        assert!(check_run(&words("--rate 5k --durability fsync")).is_ok());
        let error = check_run(&words("--durability=log --adversary all=1%")).unwrap_err();
        assert!(error.to_string().contains("contradicts"), "{error}");
        let error = check_run(&words("--turn-length 3")).unwrap_err();
        assert!(error.to_string().contains("--turn-length needs"), "{error}");
    }

    #[test]
    fn durable_options_are_known() {
        for (text, expected) in [
            ("", false),
            ("--durability none", false),
            ("--rate 5 --durability fsync", true),
            ("--durability=log", true),
        ] {
            assert_eq!(is_durable(&words(text)).unwrap(), expected, "{text}");
        }
    }
}
