//! Runs the processes of a session in the order of its schedule. Stops at the first run that fails,
//! calls itself INVALID, or measured something else than the runs before it.

use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::metric::Metric;
use crate::progress::Progress;
use crate::run_file::{self, Refusal, RunFile};
use crate::schedule::{Contender, Triple, schedule};
use crate::summary::PairValues;
use duet_run_file::terms::{Across, Difference};
use duet_terminal::Exit;
use duet_terminal::process::{Finished, Unfinished, run_to_end};

/// How much of a failed run's standard error is shown.
const STDERR_LINES_SHOWN: usize = 100;

/// What a session runs.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Each contender's executable and options, in the order of [`Contender::ALL`].
    pub commands: [RunCommand; Contender::ALL.len()],
    /// The metric that every run must have measured.
    pub decisive: Metric,
    /// The differences between A and B that are wanted.
    pub across: Across,
}

/// One contender's command.
#[derive(Debug, Clone)]
pub struct RunCommand {
    /// The executable.
    pub executable: PathBuf,
    /// Everything after it.
    pub arguments: Vec<String>,
}

/// What a session measured.
#[derive(Debug)]
pub struct Session {
    /// The values of every pair, in order.
    pub pairs: Vec<PairValues>,
    /// The warm-up runs: their terms hold for all runs; their values are not used.
    pub warm_ups: [RunFile; Contender::ALL.len()],
    /// Every difference in terms between A and B, all of them wanted or free.
    pub differences: Vec<Difference>,
}

/// Warms each contender up once, checks that A and B may be compared, and runs `pairs` pairs.
///
/// # Errors
/// As [`Running::begin`] and [`Running::pair`].
pub fn run_session(
    plan: &Plan,
    pairs: usize,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<Session, Failure> {
    let triples = schedule(pairs);
    let runs = Contender::ALL.len() * (1 + triples.len());
    progress.start(runs);
    let mut running = Running::begin(plan.clone(), Some(runs), interrupt, progress)?;
    let pairs = triples.into_iter().map(|triple| running.pair(triple));
    let pairs = pairs.collect::<Result<_, _>>()?;
    Ok(Session {
        pairs,
        warm_ups: running.warm_ups,
        differences: running.differences,
    })
}

/// A session that goes on for as long as its caller wants.
#[derive(Debug)]
pub struct Running<'a> {
    runner: Runner<'a>,
    /// As in [`Session`].
    pub warm_ups: [RunFile; Contender::ALL.len()],
    /// As in [`Session`].
    pub differences: Vec<Difference>,
}

impl<'a> Running<'a> {
    /// Warms each contender up once, and checks that A and B may be compared. `runs` is how many
    /// runs there will be, warm-up included, if that is known: for messages.
    ///
    /// # Errors
    /// A failed run with its standard error ([`Failure::MachineFault`], or what its exit code
    /// says), an INVALID run, runs of different assurance or workload ([`Failure::BadInput`]), an
    /// interrupt.
    pub fn begin(
        plan: Plan,
        runs: Option<usize>,
        interrupt: &'a Interrupt,
        progress: &'a Progress,
    ) -> Result<Self, Failure> {
        let mut runner = Runner {
            plan,
            interrupt,
            progress,
            runs,
            started: 0,
        };
        let a = runner.run(Contender::A)?;
        let b = runner.run(Contender::B)?;
        let differences = a.terms.differences(&b.terms);
        runner.plan.refuse(&differences, "A", "B")?;
        let a_copy = runner.run(Contender::ACopy)?;
        runner.plan.refuse_changed(Contender::ACopy, &a, &a_copy)?;
        Ok(Self {
            runner,
            warm_ups: [a, b, a_copy],
            differences,
        })
    }

    /// Runs each contender once, in this order.
    ///
    /// # Errors
    /// As [`Running::begin`], and a run that measured something else than its contender's first.
    pub fn pair(&mut self, triple: Triple) -> Result<PairValues, Failure> {
        let mut values = PairValues::default();
        for contender in triple {
            let run = self.runner.run(contender)?;
            let first = &self.warm_ups[contender.index()];
            self.runner.plan.refuse_changed(contender, first, &run)?;
            values[contender.index()] = run.values;
        }
        Ok(values)
    }
}

impl Plan {
    /// Refuses differences that nobody asked for, naming each with both values.
    fn refuse(&self, differences: &[Difference], one: &str, other: &str) -> Result<(), Failure> {
        let unwanted: Vec<&Difference> = differences
            .iter()
            .filter(|difference| !self.across.allows(&difference.key))
            .collect();
        if unwanted.is_empty() {
            return Ok(());
        }
        let mut message = format!("{one} and {other} did not do the same, and do not compare:\n");
        for Difference { key, a, b } in &unwanted {
            message.push_str(&format!("  {key}: {one} {a}, {other} {b}\n"));
        }
        message.push_str("if such a difference is what you want to measure, name it:");
        for difference in unwanted {
            message.push_str(&format!(" --across {}", difference.key));
        }
        Err(Failure::BadInput(message))
    }

    /// Refuses a run that measured something else than its contender's first run.
    fn refuse_changed(
        &self,
        contender: Contender,
        first: &RunFile,
        run: &RunFile,
    ) -> Result<(), Failure> {
        let name = contender.name();
        let differences = first.terms.differences(&run.terms);
        self.refuse(
            &differences,
            &format!("{name}'s first run"),
            &format!("{name}'s later run"),
        )
    }
}

/// Counts runs for messages and progress.
#[derive(Debug)]
struct Runner<'a> {
    plan: Plan,
    interrupt: &'a Interrupt,
    progress: &'a Progress,
    /// How many there will be, if that is known.
    runs: Option<usize>,
    started: usize,
}

impl Runner<'_> {
    fn run(&mut self, contender: Contender) -> Result<RunFile, Failure> {
        self.started += 1;
        let warm_up = if self.started <= Contender::ALL.len() {
            "warm-up "
        } else {
            ""
        };
        self.progress
            .begin(&format!("{warm_up}{}", contender.name()));
        let command = &self.plan.commands[contender.index()];
        let outcome = run_to_end(
            Command::new(&command.executable).args(&command.arguments),
            self.interrupt.flag(),
        );
        let run = self.read(contender, outcome)?;
        if self.runs.is_some() {
            self.progress.end_run();
        }
        Ok(run)
    }

    fn read(
        &self,
        contender: Contender,
        outcome: Result<Finished, Unfinished>,
    ) -> Result<RunFile, Failure> {
        let of_runs = self
            .runs
            .map_or(String::new(), |runs| format!(" of {runs}"));
        let who = format!("run {}{of_runs} ({})", self.started, contender.name());
        let finished = outcome.map_err(|unfinished| not_finished(&who, unfinished))?;
        let read = run_file::parse(&finished.stdout);
        let told = self.account(contender, &finished.stderr);
        if let Err(Refusal::Invalid(reasons)) = &read {
            let reasons = reasons.join("; ");
            return Err(Failure::RunInvalid(format!(
                "{who} is INVALID: {reasons}\n{told}"
            )));
        }
        if !finished.status.success() {
            return Err(failed(&who, finished.status, &told));
        }
        let run = read.map_err(|refusal| match refusal {
            Refusal::NotARunFile(reason) => Failure::BadInput(format!(
                "{who} ended well, but what it printed is no run file: {reason}\n{told}"
            )),
            Refusal::Resumed => Failure::BadInput(format!(
                "{who} went on after a restart, so that its figures are of a part of it; expected a \
                 whole run: give each a --log-dir of its own\n{told}"
            )),
            Refusal::Interrupted => Failure::BadInput(format!(
                "{who} says that it was interrupted, so that it did less than was asked for; expected a \
                 whole run\n{told}"
            )),
            Refusal::Invalid(_) => unreachable!("an INVALID run was returned above"),
        })?;
        let decisive = self.plan.decisive;
        if run.values[decisive.index()].is_none() {
            return Err(Failure::BadInput(format!(
                "{who} measured no {}; choose another --metric or a longer workload\n{told}",
                decisive.name()
            )));
        }
        Ok(run)
    }

    /// The command of a run, to try it by hand, and what it wrote on standard error.
    fn account(&self, contender: Contender, stderr: &str) -> String {
        let arguments = self.plan.commands[contender.index()].arguments.join(" ");
        let shown = last_lines(stderr.trim_end());
        format!("command: loadgen {arguments}\nits standard error:\n{shown}")
    }
}

/// The end of a text, indented. The reason of a failure is what was written last.
fn last_lines(text: &str) -> String {
    if text.is_empty() {
        return "  (nothing)".to_owned();
    }
    let lines: Vec<&str> = text.lines().collect();
    let left_out = lines.len().saturating_sub(STDERR_LINES_SHOWN);
    let mut shown: Vec<String> = Vec::new();
    if left_out > 0 {
        shown.push(format!("  ({left_out} lines before these)"));
    }
    shown.extend(lines[left_out..].iter().map(|line| format!("  {line}")));
    shown.join("\n")
}

/// Bad input and an interrupt keep their meaning from one program of Duet to the other; a code
/// outside the table, or a signal, is a crash.
fn failed(who: &str, status: ExitStatus, told: &str) -> Failure {
    let message = format!("{who} failed ({status})\n{told}");
    match status.code().and_then(Exit::of_code) {
        Some(Exit::BadInput) => Failure::BadInput(message),
        Some(Exit::Invalid) => Failure::RunInvalid(message),
        Some(Exit::StoredDataRefused) => Failure::StoredDataRefused(message),
        Some(Exit::Interrupted) => Failure::Interrupted,
        _ => Failure::MachineFault(message),
    }
}

fn not_finished(who: &str, unfinished: Unfinished) -> Failure {
    match unfinished {
        Unfinished::Interrupted => Failure::Interrupted,
        Unfinished::Lost(error) => Failure::MachineFault(format!("{who} was lost: {error}")),
        Unfinished::NotStarted(error) => {
            let message = format!("{who} cannot be started: {error}");
            match error.kind() {
                io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock => {
                    Failure::MachineFault(message)
                }
                io::ErrorKind::PermissionDenied => Failure::BadInput(format!(
                    "{message} (it runs from a copy in {}, which must allow execution; TMPDIR \
                     moves it)",
                    std::env::temp_dir().display()
                )),
                _ => Failure::BadInput(message),
            }
        }
    }
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
            assert_eq!(failure.exit(), expected, "{failure:?}");
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
