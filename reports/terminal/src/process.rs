//! Runs one child process to its end and captures what it printed. Never leaves a child behind
//! when the user stops, and never lets a child's output fill this process's memory.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How often a child is looked at. Short beside a run, and rare enough to cost it nothing.
const POLL: Duration = Duration::from_millis(10);

/// How long a child may take to stop by itself once asked.
const GRACE: Duration = Duration::from_secs(2);

/// The most that is read of each output stream.
const OUTPUT_LIMIT_BYTES: u64 = 64 << 20;

/// The most of standard error that is looked at for its last line.
const LAST_LINE_BYTES: u64 = 4096;

/// A child that came to its end.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, cut at 64 MiB.
    pub stdout: Vec<u8>,
    /// Its standard error, cut at 64 MiB; what is not UTF-8 is replaced.
    pub stderr: String,
}

/// A child that still runs.
#[derive(Debug)]
pub struct Underway<'a> {
    begun: Instant,
    stderr: &'a File,
}

impl Underway<'_> {
    /// How long it has run.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The last line that it has written to standard error; empty if there is none.
    #[must_use]
    pub fn last_line(&self) -> String {
        let length = self.stderr.metadata().map_or(0, |metadata| metadata.len());
        let start = length.saturating_sub(LAST_LINE_BYTES);
        let mut end = vec![0; (length - start) as usize];
        // At a place of its own: the file's is the child's too.
        let read = self.stderr.read_at(&mut end, start).unwrap_or(0);
        let text = String::from_utf8_lossy(&end[..read]);
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        last.map_or(String::new(), |line| line.trim().to_owned())
    }
}

/// Why there is no [`Finished`].
#[derive(Debug)]
pub enum Unfinished {
    /// The program could not be started.
    NotStarted(io::Error),
    /// The machine failed underneath it.
    Lost(io::Error),
    /// The user asked for a stop; the child and its children are gone.
    Interrupted,
}

/// Runs `command` without standard input and waits for its end or for the user's interrupt.
///
/// Output goes to unnamed temporary files, so that a child is never held up by its reader. The
/// child gets a process group of its own: Ctrl-C reaches this process alone, which then stops the
/// whole group.
///
/// # Errors
/// See [`Unfinished`].
pub fn run_to_end(command: &mut Command, stop_asked: &AtomicBool) -> Result<Finished, Unfinished> {
    run_watched(command, stop_asked, |_| ())
}

/// As [`run_to_end`]; calls `watch` some hundred times a second while the child runs. Not for a
/// child that is measured.
///
/// # Errors
/// See [`Unfinished`].
pub fn run_watched(
    command: &mut Command,
    stop_asked: &AtomicBool,
    mut watch: impl FnMut(&Underway<'_>),
) -> Result<Finished, Unfinished> {
    let (stdout, stdout_end) = output_file().map_err(Unfinished::Lost)?;
    let (stderr, stderr_end) = output_file().map_err(Unfinished::Lost)?;
    command
        .stdin(Stdio::null())
        .stdout(stdout_end)
        .stderr(stderr_end)
        .process_group(0);
    let mut child = command.spawn().map_err(Unfinished::NotStarted)?;
    let _underway = Group::begin(&child);
    let underway = Underway {
        begun: Instant::now(),
        stderr: &stderr,
    };
    let status = wait(&mut child, stop_asked, || watch(&underway))?;
    let stderr = read_back(stderr).map_err(Unfinished::Lost)?;
    Ok(Finished {
        status,
        stdout: read_back(stdout).map_err(Unfinished::Lost)?,
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    })
}

/// The group of the child that runs, or 0.
static GROUP: AtomicI32 = AtomicI32::new(0);

/// A child's group while it runs.
struct Group;

impl Group {
    fn begin(child: &Child) -> Group {
        let pid = Pid::from_child(child).as_raw_nonzero().get();
        GROUP.store(pid, Ordering::SeqCst);
        Group
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        GROUP.store(0, Ordering::SeqCst);
    }
}

/// Ends the child that runs, if there is one, with all that it has started: before this process
/// ends at once.
pub fn end_at_once() {
    if let Some(group) = Pid::from_raw(GROUP.load(Ordering::SeqCst)) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

fn wait(
    child: &mut Child,
    stop_asked: &AtomicBool,
    mut watch: impl FnMut(),
) -> Result<ExitStatus, Unfinished> {
    loop {
        let ended = child.try_wait().map_err(Unfinished::Lost)?;
        match (ended, stop_asked.load(Ordering::Relaxed)) {
            (Some(_), true) => return Err(Unfinished::Interrupted),
            (Some(status), false) => return Ok(status),
            (None, false) => {
                watch();
                thread::sleep(POLL);
            }
            (None, true) => {
                stop(child);
                return Err(Unfinished::Interrupted);
            }
        }
    }
}

/// Asks the child's group to stop, then makes it.
fn stop(child: &mut Child) {
    let group = Pid::from_child(child);
    // A group that has already gone is no failure: there is nothing left to stop.
    // Not INT: who is started in the background ignores that.
    let _ = kill_process_group(group, Signal::TERM);
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
        thread::sleep(POLL);
    }
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
}

/// A file to read back, and the end of it that a child writes to.
fn output_file() -> io::Result<(File, Stdio)> {
    let folder = std::env::temp_dir();
    let file = tempfile::tempfile_in(&folder).map_err(|error| {
        let text = format!("no file for its output in {}: {error}", folder.display());
        io::Error::new(error.kind(), text)
    })?;
    let end = Stdio::from(file.try_clone()?);
    Ok((file, end))
}

fn read_back(mut file: File) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    file.rewind()?;
    file.take(OUTPUT_LIMIT_BYTES).read_to_end(&mut output)?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_and_status_are_captured() {
        let mut command = shell("echo out; echo err >&2; exit 7");
        let finished = run_to_end(&mut command, &AtomicBool::new(false)).unwrap();
        assert_eq!(finished.status.code(), Some(7));
        assert_eq!(finished.stdout, b"out\n");
        assert_eq!(finished.stderr, "err\n");
    }

    #[test]
    fn what_a_child_says_is_seen_while_it_runs_and_lost_nowhere() {
        let mut command = shell("echo one >&2; echo two >&2; sleep 0.3; echo three >&2");
        let mut seen = Vec::new();
        let finished = run_watched(&mut command, &AtomicBool::new(false), |underway| {
            assert!(underway.elapsed() < Duration::from_secs(60));
            seen.push(underway.last_line());
        });
        assert_eq!(finished.unwrap().stderr, "one\ntwo\nthree\n");
        assert!(seen.iter().any(|line| line == "two"), "{seen:?}");
    }

    #[test]
    fn a_missing_program_is_not_started() {
        let mut command = Command::new("/nonexistent/program");
        let unfinished = run_to_end(&mut command, &AtomicBool::new(false));
        assert!(matches!(unfinished, Err(Unfinished::NotStarted(_))));
    }

    #[test]
    fn an_interrupt_stops_the_child_and_its_children() {
        let stop_asked = Arc::new(AtomicBool::new(false));
        let raiser = Arc::clone(&stop_asked);
        let started = Instant::now();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            raiser.store(true, Ordering::Relaxed);
        });
        let unfinished = run_to_end(&mut shell("sleep 60 & sleep 60; wait"), &stop_asked);
        assert!(matches!(unfinished, Err(Unfinished::Interrupted)));
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
