//! Tells the user how far a session is, on standard error and only on a terminal. It draws between
//! runs, never during one: a ticking bar is work that the machine under measurement would do.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar, or silence.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
}

impl Progress {
    /// A bar if standard error is a terminal and the user has not asked for quiet.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        let shown = !quiet && io::stderr().is_terminal();
        let bar = if shown {
            ProgressBar::no_length()
        } else {
            ProgressBar::hidden()
        };
        let progress = Self { bar, quiet };
        progress.style("{msg}");
        progress
    }

    /// Starts to count runs.
    pub fn start(&self, runs: usize) {
        self.style("{pos} of {len} runs [{wide_bar}] {eta_precise} left, now {msg:10}");
        self.bar.set_length(runs as u64);
        self.bar.reset_eta();
    }

    /// Starts to count trials.
    pub fn start_trials(&self, trials: usize) {
        self.style("{pos} of {len} trials [{wide_bar}] {eta_precise} left, now {msg:6}");
        self.bar.set_length(trials as u64);
        self.bar.reset_eta();
    }

    /// Starts to count the time that a gate has spent of its budget.
    pub fn start_budget(&self, budget: Duration) {
        self.style("{pos} of at most {len} s [{wide_bar}] now {msg:10}");
        self.bar.set_length(budget.as_secs());
    }

    /// The time spent of the budget.
    pub fn step(&self, spent: Duration) {
        self.bar.set_position(spent.as_secs());
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
    }

    /// Names the run that begins.
    pub fn begin(&self, run: &str) {
        self.bar.set_message(run.to_owned());
    }

    /// Counts a run, or a trial, that has ended.
    pub fn end_run(&self) {
        self.bar.inc(1);
    }

    /// Prints a line on standard error unless the user asked for quiet.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| eprintln!("{line}"));
        }
    }
}

impl Drop for Progress {
    /// Leaves no half-drawn bar beside a result or a message.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
