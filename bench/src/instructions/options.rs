//! The command line of `bench instructions`.

use std::path::PathBuf;

use clap::Args;

const DEFAULT_THRESHOLD: f64 = 0.01;

const EXAMPLES: &str = "\
Examples:
  bench instructions main HEAD
  bench instructions origin/main HEAD --threshold 0.5% --markdown counts.md

Needs valgrind, and gungraun-runner of the version that Cargo.lock has of gungraun.

Exit codes: 0 pass · 6 regression · 1 machine fault, or a tool that is not there · 2 bad input ·
130 interrupted";

/// The options of `bench instructions`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct InstructionsOptions {
    /// A git revision, WORKTREE, or the executable of its bench target
    pub base: String,

    /// The same for what is to be let through, or not
    pub head: String,

    /// How many more instructions a kernel may take [default: 1%]
    #[arg(long, value_name = "SHARE", value_parser = crate::gate::options::threshold)]
    pub threshold: Option<f64>,

    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,

    /// Write the result as Markdown here, for a comment
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,

    /// No notes on standard error
    #[arg(long)]
    pub quiet: bool,
}

impl InstructionsOptions {
    /// The threshold, given or not.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.threshold.unwrap_or(DEFAULT_THRESHOLD)
    }
}
