//! `reports show`: one run as text.

use std::path::PathBuf;

use duet_reports::{RunFile, summary::summary, tables::tables};

use super::Answer;

const EXAMPLES: &str = "\
Examples:
    reports show run.json
    reports show run.json --json | jq .achieved
    loadgen --json | reports show -";

/// Prints one run: its summary, then stages, phases, latency, series and rejections.
///
/// A run that is INVALID is shown too, with that word first, and exits 0.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The run file; `-` reads standard input.
    file: PathBuf,
    /// Print the run file itself, once it has been checked.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// The text to print.
    pub(crate) fn run(&self) -> Answer {
        let text = super::read(&self.file)?;
        let run = RunFile::parse(&self.file, &text)?;
        // The text as it came also holds the fields that later versions added.
        Ok(if self.json {
            text
        } else {
            summary(&run) + &tables(&run)
        })
    }
}
