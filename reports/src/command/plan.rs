//! `reports plan`: machines for a load, or a load for machines.

use std::path::{Path, PathBuf};

use duet_profile::Profile;
use duet_reports::{
    modelled::Deposits,
    plan::{self, Ask, L1Prices, PlanError, Source},
};
use duet_run_file::{RunFileError, sweep};
use duet_terminal::{Exit, input, units::parse_positive_count as positive};

use super::Refusal;

const EXAMPLES: &str = "\
Examples:
    reports plan --rate 1M --channels 1M --payments 10k --slo p99=50ms --from plan.sweep
    reports plan --rate 200k --channels 100k --payments 1k --disputes 1% --slo p99=20ms \\
        --role hub --durability fsync --spare 2 --l1 ethereum-60m --from plan.sweep --json
    reports plan --inverse --slo p99=50ms --from plan.sweep      what this machine can carry
    reports plan --inverse --slo p99=50ms --from plan.sweep --check run.json      was it so?";

const L1: &str = "Layer 1 (modelled)";

/// Says how many machines a load needs, or what load machines can carry, from what a sweep
/// measured.
///
/// Fits CPU time, waiting, memory and log to the runs of one assurance, and prints what it got
/// wrong at the sweep's edge, what lies beyond the sweep, and what is not in the plan. Exits 6 if
/// no measured rate meets the objective, or Layer 1 has no room for the sessions.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    ask: Ask,

    /// A Layer 1 profile or its file: what share of its blocks the sessions take.
    #[arg(long, value_name = "PROFILE|FILE", help_heading = L1)]
    l1: Option<String>,
    /// Who deposits: the opener, or both parties.
    #[arg(long, value_parser = ["one", "two"], default_value = "two", help_heading = L1)]
    #[arg(requires = "l1")]
    deposits: String,
    /// Channels that are opened together.
    #[arg(long, value_name = "N", value_parser = positive, default_value = "1")]
    #[arg(help_heading = L1, requires = "l1")]
    open_batch: u64,

    /// Sweeps and run files; `-` reads standard input.
    #[arg(long, value_name = "FILE", required = true, num_args = 1.., help_heading = "Runs")]
    from: Vec<PathBuf>,
    /// A run of one machine at its part of the load, to be set beside the plan.
    #[arg(long, value_name = "RUN", help_heading = "Runs")]
    check: Option<PathBuf>,
    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// The text to print, and how to exit.
    pub(crate) fn run(&self) -> Result<(String, Exit), Refusal> {
        let ask = Ask {
            l1: self.prices()?,
            ..self.ask.clone()
        };
        let sources = self.from.iter().map(|path| read(path));
        let sources = sources.collect::<Result<Vec<Source>, Refusal>>()?;
        let check = self.check.as_deref().map(read).transpose()?;
        let answer = plan::plan(&ask, &sources, check.as_ref())?;
        let exit = match answer.size.l1_block_share {
            Some(share) if share > 1.0 => Exit::Regression,
            _ => Exit::Ok,
        };
        let text = match self.json {
            true => super::json(&answer),
            false => plan::text(&answer),
        };
        Ok((text, exit))
    }

    fn prices(&self) -> Result<Option<L1Prices>, Refusal> {
        let Some(asked) = &self.l1 else {
            return Ok(None);
        };
        let deposits = match self.deposits.as_str() {
            "one" => Deposits::One,
            _ => Deposits::Two,
        };
        let prices = L1Prices::of(&Profile::find(asked)?, deposits, self.open_batch);
        prices.map(Some).map_err(Refusal::bad_input)
    }
}

fn read(path: &Path) -> Result<Source, Refusal> {
    let unreadable = |source| {
        Refusal::bad_input(RunFileError::Unreadable {
            path: path.to_owned(),
            source,
        })
    };
    // It may be a sweep, which is longer than a run file may be.
    let bytes = input::read(path, sweep::LIMIT).map_err(unreadable)?;
    Source::parse(path, bytes).map_err(Refusal::bad_input)
}

impl From<PlanError> for Refusal {
    fn from(error: PlanError) -> Self {
        let exit = match error {
            PlanError::Refused(_) => Exit::BadInput,
            PlanError::Missed(_) => Exit::Regression,
        };
        let message = error.to_string();
        Refusal { exit, message }
    }
}
