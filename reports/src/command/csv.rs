//! `reports csv`: the figures of runs as rows.

use clap::ValueEnum;
use duet_reports::dataset::{
    Dataset, consensus, course, disputes, durability, griefing, l1_course, latency, offload,
    stages, summary, traffic, whole_system,
};

use super::{Answer, Selection};

const EXAMPLES: &str = "\
Examples:
    reports csv run.json
    reports csv monday.json tuesday.json > runs.csv
    reports csv run.json --what latency
    reports csv k1.json k100.json --across cosign_every --what stages --json

Rates of different assurance or different work do not share a column: runs that differ in them
are refused unless --across names the difference. Every row of rates says what they were bought
with.";

/// Prints the figures of runs as CSV, all digits kept.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    runs: Selection,
    /// Which figures.
    #[arg(long, value_enum, default_value_t = What::Summary)]
    what: What,
    /// The same rows as JSON: an array of objects.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// One row a run: every figure and setting, by its name in the run file.
    Summary,
    /// One row a sample: the course of a run.
    Series,
    /// One row a stage and role: CPU time.
    Stages,
    /// One row a step of the percentile spectrum.
    Latency,
    /// One row a dimension of Layer 1's load, both ways, with ratios.
    Offload,
    /// One row a kind of attack.
    Disputes,
    /// One row a kind of transaction, of runs whose Layer 1 had a clock.
    Traffic,
    /// One row a sample of Layer 1's own time, of the same runs.
    L1Course,
    /// One row a run whose Layer 1 has validators: what all of them did.
    Consensus,
    /// One row a size of the whole system, of the same runs: what all validators would do.
    WholeSystem,
    /// One row a kind of attack: what it cost either side.
    Griefing,
    /// One row a durable run: its log and syncs.
    Durability,
}

impl Args {
    /// The rows.
    pub(crate) fn run(&self) -> Answer {
        let runs = self.runs.read()?;
        let make: fn(&[_]) -> Dataset = match self.what {
            What::Summary => summary,
            What::Series => course,
            What::Stages => stages,
            What::Latency => latency,
            What::Offload => offload,
            What::Disputes => disputes,
            What::Traffic => traffic,
            What::L1Course => l1_course,
            What::Consensus => consensus,
            What::WholeSystem => whole_system,
            What::Griefing => griefing,
            What::Durability => durability,
        };
        let rows = make(runs.all());
        Ok(if self.json {
            rows.to_json()
        } else {
            rows.to_csv()
        })
    }
}
