//! `reports diff`: two runs side by side.

use std::path::PathBuf;

use duet_reports::diff::Diff;

use super::{Answer, Differences};

const EXAMPLES: &str = "\
Examples:
    reports diff before.json after.json
    reports diff none.json fsync.json --across durability
    reports diff before.json after.json --json | jq '.rows[] | select(.ratio > 1.1)'

Whether a difference means anything, one pair of runs cannot tell; `bench compare` can.";

/// Prints the figures of two runs side by side, and how many times B is A.
///
/// Runs of different assurance or different work are refused unless --across names the difference.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The run file to compare with; `-` reads standard input.
    a: PathBuf,
    /// The run file to compare.
    b: PathBuf,
    #[command(flatten)]
    differences: Differences,
    /// Print JSON: who A and B are, their differences, the rows.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print the rows as CSV.
    #[arg(long)]
    csv: bool,
}

impl Args {
    /// The comparison.
    pub(crate) fn run(&self) -> Answer {
        let runs = self.differences.gather(&[self.a.clone(), self.b.clone()])?;
        let diff = Diff::new(&runs);
        Ok(match (self.json, self.csv) {
            (true, _) => diff.to_json(),
            (_, true) => diff.to_dataset().to_csv(),
            _ => diff.to_text(),
        })
    }
}
