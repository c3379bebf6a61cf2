//! Whoever runs the program: hears how far it is, and may ask it to stop. That is looked at between
//! and during runs: unwinding through ordinary returns removes what was created.

use std::process::{Command, exit};
use std::sync::atomic::{AtomicBool, Ordering};

use duet_experiment::Failure;
use duet_terminal::Exit;
use duet_terminal::process::{Finished, end_at_once, run_to_end, run_watched};
use duet_terminal::progress::StillBar;
use duet_terminal::say::complain;
use duet_terminal::signals::{self, Asked};

/// Set by the first Ctrl-C, SIGTERM or SIGHUP; the next one ends the process where it is.
static STOP: AtomicBool = AtomicBool::new(false);

/// Whoever runs the program.
pub struct Operator<'a> {
    /// Whether a stop was asked for.
    pub stop: &'a AtomicBool,
    /// How far it is.
    pub bar: StillBar,
}

impl<'a> Operator<'a> {
    /// One who is told how far it is, or nothing.
    #[must_use]
    pub fn new(stop: &'a AtomicBool, quiet: bool) -> Self {
        let bar = StillBar::new(quiet);
        Self { stop, bar }
    }

    /// Whoever runs this process, whose signals are heeded from here on. To be called once.
    ///
    /// # Errors
    /// The system refuses the handler, or a thread for it.
    pub fn of_this_process(quiet: bool) -> Result<Self, Failure> {
        let handle = |asked| match asked {
            Asked::ToStop => STOP.store(true, Ordering::Relaxed),
            Asked::ToEndAtOnce => {
                end_at_once();
                complain("ended at once; what was built or copied for it may be left");
                exit(Exit::Interrupted.code().into());
            }
        };
        signals::on_stop(handle).map_err(|error| Failure::machine_fault(error.to_string()))?;
        Ok(Self::new(&STOP, quiet))
    }

    /// Turns a stop that was asked for into the failure that ends everything.
    ///
    /// # Errors
    /// A stop was asked for.
    pub fn check(&self) -> Result<(), Failure> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Failure::interrupted()),
            false => Ok(()),
        }
    }

    /// Runs a tool to its end.
    ///
    /// # Errors
    /// It cannot be started or is lost, or a stop was asked for.
    pub fn finish(&self, tool: &str, command: &mut Command) -> Result<Finished, Failure> {
        let finished = run_to_end(command, self.stop);
        finished.map_err(|unfinished| Failure::unfinished(tool, unfinished))
    }

    /// The same of a tool that runs for long and is not measured: says every few seconds that it
    /// does `what`.
    ///
    /// # Errors
    /// As [`Operator::finish`].
    pub fn watch(
        &self,
        tool: &str,
        command: &mut Command,
        what: &str,
    ) -> Result<Finished, Failure> {
        let finished = run_watched(command, self.stop, |underway| self.bar.wait(what, underway));
        finished.map_err(|unfinished| Failure::unfinished(tool, unfinished))
    }

    /// The first line that a tool prints; a tool that fails is the machine's fault.
    ///
    /// # Errors
    /// As [`Operator::finish`], or the tool fails.
    pub fn ask(&self, tool: &str, command: &mut Command) -> Result<String, Failure> {
        let finished = self.finish(tool, command)?;
        if finished.status.success() {
            return Ok(String::from_utf8_lossy(&finished.stdout).into_owned());
        }
        let words: Vec<_> = command.get_args().map(|word| word.display()).collect();
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        Err(Failure::machine_fault(format!(
            "{tool} {} ended with {}:\n{}",
            words.join(" "),
            finished.status,
            finished.stderr.trim_end()
        )))
    }
}
