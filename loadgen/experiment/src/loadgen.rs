//! One run of a load generator, as a process of its own: none inherits another's memory or CPU
//! time. Trusts nothing that it prints, since the program may be any that the user named.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::AtomicBool;

use duet_run_file::RunFile;
use duet_terminal::Exit;
use duet_terminal::process::{Unfinished, run_to_end};

use crate::failure::Failure;

/// How much of a failed run's standard error is shown.
const STDERR_LINES_SHOWN: usize = 100;

/// A load generator.
#[derive(Clone, Debug)]
pub struct Loadgen {
    program: PathBuf,
    /// What it is blamed on if it does not start or prints no run file.
    blame: Exit,
}

/// A run that came to its end. It may be INVALID.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it measured.
    pub file: RunFile,
    /// The file as the run printed it.
    pub text: String,
    /// Its command, to try it by hand, and what it wrote on standard error.
    pub told: String,
}

impl Loadgen {
    /// One that a user named.
    #[must_use]
    pub fn named(program: PathBuf) -> Loadgen {
        Loadgen {
            program,
            blame: Exit::BadInput,
        }
    }

    /// This very program, also if another one has its name by now.
    ///
    /// # Errors
    /// The system does not tell where this program is.
    pub fn this() -> Result<Loadgen, Failure> {
        let this = PathBuf::from("/proc/self/exe");
        let found = match this.exists() {
            true => Ok(this),
            false => std::env::current_exe(),
        };
        let program = found.map_err(|error| {
            Failure::machine_fault(format!("this program cannot be found: {error}"))
        })?;
        Ok(Loadgen {
            program,
            blame: Exit::MachineFault,
        })
    }

    /// Makes a run with these options of `loadgen run`; `who` names it in messages.
    ///
    /// # Errors
    /// There is no run file: the run did not start, crashed or refused its options (its exit code
    /// keeps its meaning), or was stopped.
    pub fn run(
        &self,
        who: &str,
        options: &[impl AsRef<OsStr>],
        stop: &AtomicBool,
    ) -> Result<Run, Failure> {
        let mut command = Command::new(&self.program);
        command
            .arg0("loadgen")
            .args(["run", "--json", "--quiet"])
            .args(options);
        let finished = run_to_end(&mut command, stop)
            .map_err(|unfinished| self.unfinished(who, unfinished))?;
        let words = options.iter().map(|word| word.as_ref().to_string_lossy());
        let told = format!(
            "command: loadgen run --json --quiet {}\nits standard error:\n{}",
            words.collect::<Vec<_>>().join(" "),
            last_lines(finished.stderr.trim_end())
        );
        let text = String::from_utf8_lossy(&finished.stdout).into_owned();
        let read = RunFile::parse(Path::new("its standard output"), &text);
        let code = finished.status.code().and_then(Exit::of_code);
        match (code, read) {
            (Some(Exit::Ok), Ok(file)) => Ok(Run { file, text, told }),
            (Some(Exit::Invalid), Ok(file)) if !file.achieved.valid => Ok(Run { file, text, told }),
            (Some(Exit::Ok), Err(error)) => Err(Failure::new(
                self.blame,
                format!("{who} ended well, but what it printed is no run file: {error}\n{told}"),
            )),
            _ => Err(failed(who, finished.status, &told)),
        }
    }

    fn unfinished(&self, who: &str, unfinished: Unfinished) -> Failure {
        match unfinished {
            Unfinished::NotStarted(error)
                if !matches!(
                    error.kind(),
                    io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock
                ) =>
            {
                let place = self.program.parent().unwrap_or(Path::new("."));
                let cure = match error.kind() {
                    io::ErrorKind::PermissionDenied => format!(
                        " ({} must allow execution; TMPDIR moves copies)",
                        place.display()
                    ),
                    _ => String::new(),
                };
                let text = format!("{who} cannot be started: {error}{cure}");
                Failure::new(self.blame, text)
            }
            other => Failure::unfinished(who, other),
        }
    }
}

/// What a run's exit code means keeps its meaning; a code outside the table, or a signal, is a
/// crash.
fn failed(who: &str, status: ExitStatus, told: &str) -> Failure {
    let text = format!("{who} failed ({status})\n{told}");
    match status.code().and_then(Exit::of_code) {
        Some(Exit::Interrupted) => Failure::interrupted(),
        Some(exit @ (Exit::BadInput | Exit::Invalid | Exit::StoredDataRefused)) => {
            Failure::new(exit, text)
        }
        _ => Failure::machine_fault(text),
    }
}

/// The end of a text, indented. The reason of a failure is what was written last.
fn last_lines(text: &str) -> String {
    if text.is_empty() {
        return "  (nothing)".to_owned();
    }
    let lines: Vec<&str> = text.lines().collect();
    let left_out = lines.len().saturating_sub(STDERR_LINES_SHOWN);
    let cut = (left_out > 0).then(|| format!("  ({left_out} lines before these)"));
    let shown = lines[left_out..].iter().map(|line| format!("  {line}"));
    cut.into_iter().chain(shown).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_errors_is_cut_at_its_beginning() {
        assert_eq!(last_lines(""), "  (nothing)");
        assert_eq!(last_lines("one\ntwo"), "  one\n  two");
        let flood: Vec<String> = (1..=103).map(|line| line.to_string()).collect();
        let shown = last_lines(&flood.join("\n"));
        assert!(
            shown.starts_with("  (3 lines before these)\n  4\n"),
            "{shown}"
        );
        assert!(shown.ends_with("\n  103"), "{shown}");
    }

    #[test]
    fn exit_codes_keep_their_meaning() {
        use std::os::unix::process::ExitStatusExt;
        let check = |wait_status: i32, expected: Exit| {
            let failure = failed("a run", ExitStatus::from_raw(wait_status), "");
            assert_eq!(failure.exit, expected, "{failure:?}");
        };
        let exited = |code: i32| code << 8;
        check(exited(1), Exit::MachineFault);
        check(exited(2), Exit::BadInput);
        check(exited(3), Exit::Invalid);
        check(exited(4), Exit::StoredDataRefused);
        check(exited(101), Exit::MachineFault);
        check(exited(130), Exit::Interrupted);
        check(9, Exit::MachineFault);
    }
}
