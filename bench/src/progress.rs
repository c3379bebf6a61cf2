//! Tells the user how far a session is, on standard error: a bar on a terminal, else a line every
//! few seconds. It speaks between runs, never during one: a ticking bar is work that the machine
//! under measurement would do. Builds are not measured, and say what they are at.

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use duet_terminal::human;
use duet_terminal::process::Underway;
use duet_terminal::say::say;
use indicatif::{ProgressBar, ProgressStyle};

/// The least time between two lines where there is no bar.
const EVERY: Duration = Duration::from_secs(5);

/// A progress bar, lines, or silence.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
    /// When the last line was printed.
    said: Cell<Instant>,
}

impl Progress {
    /// A bar if standard error is a terminal, else lines; neither if the user has asked for quiet.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        let shown = !quiet && io::stderr().is_terminal();
        let bar = if shown {
            ProgressBar::no_length()
        } else {
            ProgressBar::hidden()
        };
        let said = Cell::new(Instant::now());
        let progress = Self { bar, quiet, said };
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

    /// The time spent of the budget, and what it has come to.
    pub fn step(&self, spent: Duration, come_to: &str) {
        self.bar.set_position(spent.as_secs());
        self.line(|| format!("{} s: {come_to}", self.reached()));
    }

    /// A progress for what one of this one's steps is made of: only one of them has a bar.
    #[must_use]
    pub fn of_a_step(&self) -> Self {
        Self::new(self.quiet || !self.bar.is_hidden())
    }

    /// Says what a child process is at that runs for long and is not measured.
    pub fn wait(&self, what: &str, underway: &Underway<'_>) {
        if self.quiet || self.said.get().elapsed() < EVERY {
            return;
        }
        let seconds = human::seconds(underway.elapsed().as_secs() as f64);
        let text = match underway.last_line() {
            silent if silent.is_empty() => format!("{what}: {seconds}"),
            line => format!("{what}: {seconds}, {line}"),
        };
        if !self.bar.is_hidden() {
            self.said.set(Instant::now());
            self.bar.set_message(text);
        } else {
            self.line(|| text);
        }
    }

    fn reached(&self) -> String {
        let (at, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
        format!("{at} of {all}")
    }

    /// A line where there is no bar, if the last one is some time ago.
    fn line(&self, text: impl FnOnce() -> String) {
        if self.quiet || !self.bar.is_hidden() || self.said.get().elapsed() < EVERY {
            return;
        }
        self.said.set(Instant::now());
        say(text());
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
        self.line(|| format!("{} done", self.reached()));
    }

    /// Prints a line on standard error unless the user asked for quiet.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| say(line));
        }
    }
}

impl Drop for Progress {
    /// Leaves no half-drawn bar beside a result or a message.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
