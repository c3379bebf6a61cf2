//! `reports show`: one run as text.

use std::path::PathBuf;

use duet_reports::{
    modelled::{RunCost, of_run, run_text},
    tables::tables,
};
use duet_run_file::{RunFile, run_file::read_text, summary::summary};
use serde::Serialize;

use super::{Answer, find_profiles};

const EXAMPLES: &str = "\
Examples:
    reports show run.json
    reports show run.json --json | jq .achieved
    reports show run.json --l1 ethereum-60m --l1 bitcoin
    loadgen --json | reports show -";

/// Prints one run: its summary, then stages, phases, latency, series and rejections.
///
/// A run that is INVALID is shown too, with that word first, and exits 0.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The run file; `-` reads standard input.
    file: PathBuf,
    /// Print the run file itself, once it has been checked; with `--l1`, the modelled prices alone.
    #[arg(long)]
    json: bool,
    /// Price the run's own Layer 1 transactions by a profile or its file (see `reports offload`),
    /// as often as wanted. What comes of it is modelled, not measured.
    #[arg(long, value_name = "PROFILE|FILE")]
    l1: Vec<String>,
}

/// What `--json` prints of prices.
#[derive(Serialize)]
struct Priced {
    modelled: Vec<RunCost>,
}

impl Args {
    /// The text to print.
    pub(crate) fn run(&self) -> Answer {
        let text = read_text(&self.file)?;
        let run = RunFile::parse(&self.file, &text)?;
        let profiles = find_profiles(&self.l1)?;
        let modelled: Vec<RunCost> = profiles
            .iter()
            .map(|profile| of_run(&run, profile))
            .collect();
        // The text as it came also holds the fields that later versions added.
        Ok(if !self.json {
            let priced: String = modelled.iter().map(run_text).collect();
            summary(&run) + &tables(&run) + &priced
        } else if modelled.is_empty() {
            text
        } else {
            super::json(&Priced { modelled })
        })
    }
}
