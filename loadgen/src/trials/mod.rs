//! Many runs for one question: each is a process of its own, so that none inherits another's memory
//! or CPU time. What is asked of the runs is checked before the first of them starts.

pub mod args;
pub mod bracket;
pub mod exit;
mod found;
pub mod grid;
pub mod objective;
pub mod offload;
pub mod preset;
pub mod result;
pub mod search;
pub mod sweep;
mod window;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Parser;
use duet_experiment::Failure;
use duet_experiment::book::Runs;
use duet_experiment::loadgen::Loadgen;
use duet_profile::{Profile, ProfileText};
use duet_run_file::RunFile;
use duet_run_file::sweep::Line;
use tempfile::TempDir;

use crate::cli::{self, Cli, RunArgs};
use crate::file_system::FileSystem;
use crate::machine;
use crate::plan::Plan;
use crate::plan::error::PlanError;
use crate::plan::layer_1::sha256;
use duet_terminal::say::say;

/// Runs this very program, and has the runs that were made; a log that a run needs lies in a folder
/// that goes with it.
struct Runner<'a> {
    loadgen: Loadgen,
    log_dir: PathBuf,
    runs: Runs,
    stop: &'a AtomicBool,
}

impl<'a> Runner<'a> {
    /// Logs, if the runs are durable, lie in folders in `log_dir`. Runs are added to the file, if
    /// there is one, and those that it has are not made again.
    fn new(
        log_dir: Option<&Path>,
        file: Option<&Path>,
        stop: &'a AtomicBool,
    ) -> Result<Runner<'a>, Failure> {
        let runs = file.map(Runs::in_file).transpose()?.unwrap_or_default();
        if let Some(file) = file {
            same_machine(file, runs.lines())?;
        }
        Ok(Runner {
            loadgen: Loadgen::this()?,
            log_dir: log_dir.unwrap_or(Path::new(".")).to_owned(),
            runs,
            stop,
        })
    }

    /// One run with these options, without a baseline. It may be INVALID.
    fn run(&self, options: &[String]) -> Result<RunFile, Failure> {
        let log = self.log_of(options)?;
        let words = ["--baseline-sessions", "0"].map(OsString::from);
        let mut words: Vec<OsString> = words.to_vec();
        words.extend(options.iter().map(OsString::from));
        if let Some(log) = &log {
            words.extend(["--log-dir".into(), log.path().join("log").into_os_string()]);
        }
        Ok(self.loadgen.run("a run", &words, self.stop)?.file)
    }

    /// What is to be known of where the logs of these runs lie, if one of them is durable: whether
    /// that goes with the runs in the file, and, unless `quiet`, a caution.
    fn check_storage<'o>(
        &self,
        file: Option<&Path>,
        runs: impl IntoIterator<Item = &'o [String]>,
        quiet: bool,
    ) -> Result<(), Failure> {
        for options in runs {
            if is_durable(options)? {
                let here = FileSystem::of(&self.log_dir);
                if let Some(file) = file {
                    same_storage(file, self.runs.lines(), &here, &self.log_dir)?;
                }
                if let Some(caution) = here.caution(&self.log_dir).filter(|_| !quiet) {
                    say(caution);
                }
                break;
            }
        }
        Ok(())
    }

    /// Whether the runs in the file were made by what the profiles of these runs say now: a user's
    /// own can have changed.
    fn check_profiles<'o>(
        &self,
        file: Option<&Path>,
        runs: impl IntoIterator<Item = &'o [String]>,
    ) -> Result<(), Failure> {
        let Some(file) = file else { return Ok(()) };
        for options in runs {
            let Some(asked) = parse_run(options)?.l1 else {
                continue;
            };
            let text = ProfileText::find(&asked);
            let text = text.map_err(|error| Failure::bad_input(format!("--l1: {error}")))?;
            let profile = Profile::parse(&text.origin, &text.text);
            let profile = profile.map_err(|error| Failure::bad_input(format!("--l1: {error}")))?;
            same_profile(file, self.runs.lines(), &profile.name, &sha256(&text))?;
        }
        Ok(())
    }

    /// A folder for the log of a durable run, gone when dropped.
    fn log_of(&self, options: &[String]) -> Result<Option<TempDir>, Failure> {
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
                io::ErrorKind::StorageFull => Failure::machine_fault(text),
                _ => Failure::bad_input(text),
            }
        })
    }
}

/// A file of runs is of one machine and one build: figures of two would be taken for those of one.
fn same_machine(file: &Path, lines: &[Line]) -> Result<(), Failure> {
    let here = machine::machine();
    let here = [
        ("machine", here.cpu),
        ("cores", here.cores.to_string()),
        ("commit", env!("DUET_COMMIT").to_owned()),
    ];
    for (line, number) in lines.iter().zip(1..) {
        let run = &line.run;
        let cores = run.machine.cores.to_string();
        let there = [&run.machine.cpu, &cores, &run.engine.commit];
        let mut pairs = here.iter().zip(there);
        if let Some(((what, here), there)) = pairs.find(|((_, here), there)| here != *there) {
            return Err(Failure::bad_input(format!(
                "{}: its run {number} has '{there}' as its {what}, and not '{here}'; expected a new \
                 file",
                file.display()
            )));
        }
    }
    Ok(())
}

/// Nor do runs whose log is in memory stand beside those on a disk. A run that will be made again
/// stands beside none.
fn same_storage(
    file: &Path,
    lines: &[Line],
    here: &FileSystem,
    log_dir: &Path,
) -> Result<(), Failure> {
    for (line, number) in lines.iter().zip(1..) {
        if let Some(there) = &line.run.durability
            && line.run.achieved.broken().next().is_none()
            && there.is_in_memory() != here.in_memory
        {
            return Err(Failure::bad_input(format!(
                "{}: the log of its run {number} was on {}, and '{}' is on {}: one of them is in \
                 memory; expected another --log-dir, or a new file",
                file.display(),
                there.file_system,
                log_dir.display(),
                here.kind
            )));
        }
    }
    Ok(())
}

/// Runs under profiles of one name and other numbers do not stand side by side.
fn same_profile(file: &Path, lines: &[Line], name: &str, sha256: &str) -> Result<(), Failure> {
    for (line, number) in lines.iter().zip(1..) {
        let there = &line.run.workload.l1;
        if there.profile.as_deref() == Some(name) && there.profile_sha256.as_deref() != Some(sha256)
        {
            return Err(Failure::bad_input(format!(
                "{}: its run {number} was made by another text of the profile '{name}'; expected a \
                 new file, or another name",
                file.display()
            )));
        }
    }
    Ok(())
}

/// Whether a run with these options keeps a log.
fn is_durable(options: &[String]) -> Result<bool, Failure> {
    Ok(parse_run(options)?.durability != cli::Durability::None)
}

/// The options of a run, as `run` itself reads them.
fn parse_run(options: &[String]) -> Result<RunArgs, Failure> {
    let all = ["loadgen", "run"].into_iter().map(str::to_owned);
    let parsed = Cli::try_parse_from(all.chain(options.iter().cloned()))
        .map_err(|error| Failure::bad_input(first_line(&error)))?;
    match parsed.command {
        Some(cli::Command::Run(run)) => Ok(*run),
        _ => unreachable!("`run` was said"),
    }
}

/// The options of runs as they were given after `--`, checked: they must make a run, and must be
/// neither the command's own nor of those that its trials set themselves.
fn check_options(words: &[String], own: &[&str]) -> Result<RunArgs, Failure> {
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
        let expected = if own.contains(&name) {
            "before it, as this command's own"
        } else if NEVER.contains(&name) {
            "options of `run` that this command does not set itself"
        } else {
            continue;
        };
        return Err(Failure::bad_input(format!(
            "{name} after `--`: expected {expected}"
        )));
    }
    parse_run(words).map_err(|error| Failure::bad_input(format!("after `--`: {error}")))
}

/// What is wrong, without the usage that clap prints below it.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.is_empty());
    let joined = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    joined.trim_start_matches("error: ").to_owned()
}

/// Checks that a run with these options would start, as far as that can be told without one.
fn check_run(options: &[String]) -> Result<(), Failure> {
    let mut run = parse_run(options)?;
    if run.durability != cli::Durability::None {
        // Each trial gets a folder of its own; planning one makes nothing.
        run.log_dir = Some(PathBuf::from("."));
    }
    match Plan::new(&run) {
        Ok(_) => Ok(()),
        Err(PlanError::Output(error)) => Err(error.into()),
        Err(error) => Err(Failure::bad_input(error.to_string())),
    }
}

/// An option with its value.
fn option(name: &str, value: impl ToString) -> [String; 2] {
    [name.to_owned(), value.to_string()]
}

/// `--duration` as `run` reads it.
fn duration_option(duration: Duration) -> [String; 2] {
    option("--duration", format_args!("{}ms", duration.as_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use duet_terminal::exit::Exit;

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
            assert_eq!(error.exit, Exit::BadInput);
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
    fn runs_by_another_text_of_a_profile_are_refused() {
        let mut run = sample::open_loop();
        run.workload.l1.profile = Some("mine".to_owned());
        run.workload.l1.profile_sha256 = Some("11".to_owned());
        let line = |run| Line {
            cell: Vec::new(),
            repeat: 0,
            calibration: None,
            run,
        };
        let lines = [line(sample::open_loop()), line(run)];
        for (name, sha256, is_refused) in [
            ("mine", "11", false),
            ("mine", "22", true),
            ("duet", "22", false),
        ] {
            let found = same_profile(Path::new("book"), &lines, name, sha256);
            let said = found.err().map(|error| error.to_string());
            assert_eq!(said.is_some(), is_refused, "{name} {sha256}");
            let expected = "book: its run 2 was made by another text of the profile 'mine'";
            assert!(said.is_none_or(|said| said.starts_with(expected)));
        }
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
