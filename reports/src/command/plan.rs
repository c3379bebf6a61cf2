//! `reports plan`: machines for a load, or a load for machines.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use duet_reports::{
    modelled::Deposits,
    plan::{self, Ask, L1Prices, PlanError, Slo, Source, Wanted},
    profile::Profile,
};
use duet_run_file::{RunFileError, sweep};
use duet_terminal::{
    Exit, input,
    units::{parse_count, parse_positive_count, parse_rate, parse_share},
};

use super::Refusal;

const EXAMPLES: &str = "\
Examples:
    reports plan --rate 1M --channels 1M --payments 10k --slo p99=50ms --from plan.sweep
    reports plan --rate 200k --channels 100k --payments 1k --disputes 1% --slo p99=20ms \\
        --role hub --durability fsync --spare 2 --l1 ethereum-60m --from plan.sweep --json
    reports plan --inverse --slo p99=50ms --from plan.sweep      what this machine can carry";

/// Says how many machines a load needs, or what load machines can carry, from what a sweep
/// measured.
///
/// Fits CPU time, waiting, memory and log to the runs of one assurance, and prints what it got
/// wrong at the sweep's edge, what lies beyond the sweep, and what is not in the plan. Exits 6 if
/// no rate meets the objective, or Layer 1 has no room for the sessions.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Payments per second; without it, says what the machines can carry.
    #[arg(long, value_name = "PER_S", value_parser = parse_rate, help_heading = "Load", requires = "channels")]
    rate: Option<f64>,
    /// Ask for what the machines can carry.
    #[arg(long, help_heading = "Load", conflicts_with = "rate")]
    inverse: bool,
    /// Channels open at once [with --inverse, as many as the largest run had, a machine].
    #[arg(long, value_name = "N", value_parser = parse_positive_count, help_heading = "Load")]
    channels: Option<u64>,
    /// Payments in a channel's life.
    #[arg(long, value_name = "N", value_parser = parse_positive_count, default_value = "10k", help_heading = "Load")]
    payments: u64,
    /// The share of channels that ends in an answered dispute.
    #[arg(long, value_name = "SHARE", value_parser = parse_share, default_value = "0%", help_heading = "Load")]
    disputes: f64,
    /// What a channel locks, in the smallest unit of value [as the runs' did, by their payments].
    #[arg(long, value_name = "N", value_parser = parse_positive_count, help_heading = "Load")]
    capacity: Option<u64>,
    /// The objective on response time: p50, p90, p99 or p999, and its bound.
    #[arg(long, value_name = "P=TIME", value_parser = Slo::parse, help_heading = "Load")]
    slo: Slo,
    /// Whose work is planned.
    #[arg(long, value_enum, default_value = "both", help_heading = "Load")]
    role: Role,

    /// A Layer 1 profile or its file: what share of its blocks the sessions take.
    #[arg(long, value_name = "PROFILE|FILE", help_heading = "Layer 1 (modelled)")]
    l1: Option<String>,
    /// Who deposits: the opener, or both parties.
    #[arg(
        long,
        value_enum,
        default_value = "two",
        help_heading = "Layer 1 (modelled)",
        requires = "l1"
    )]
    deposits: Who,
    /// Channels that are opened together.
    #[arg(long, value_name = "N", value_parser = parse_positive_count, default_value = "1", help_heading = "Layer 1 (modelled)", requires = "l1")]
    open_batch: u64,

    /// The co-sign interval of the runs to use [the sweep's, if it has one].
    #[arg(long, value_name = "K", value_parser = parse_positive_count, help_heading = "Assurance")]
    cosign_every: Option<u64>,
    /// Proposals in flight of the runs to use [the sweep's, if it has one].
    #[arg(long, value_name = "N", value_parser = parse_positive_count, help_heading = "Assurance")]
    in_flight: Option<u64>,
    /// Durability of the runs to use: none, log or fsync [the sweep's, if it has one].
    #[arg(long, help_heading = "Assurance")]
    durability: Option<String>,
    /// Back end of the runs to use [the sweep's, if it has one].
    #[arg(long, help_heading = "Assurance")]
    backend: Option<String>,
    /// Pattern of the runs to use: one-way or two-way [the sweep's, if it has one].
    #[arg(long, help_heading = "Assurance")]
    pattern: Option<String>,
    /// Turn length of the two-way runs to use [the sweep's, if it has one].
    #[arg(long, value_name = "N", value_parser = parse_positive_count, help_heading = "Assurance")]
    turn_length: Option<u64>,

    /// Of each machine's cores, memory and log disk, the share that stays free.
    #[arg(long, value_name = "SHARE", value_parser = parse_headroom, default_value = "30%", help_heading = "Machines")]
    headroom: f64,
    /// Machines that stand by.
    #[arg(long, value_name = "N", value_parser = parse_count, default_value = "1", help_heading = "Machines")]
    spare: u64,
    /// With --inverse: machines that carry the load.
    #[arg(long, value_name = "N", value_parser = parse_positive_count, default_value = "1", help_heading = "Machines", conflicts_with = "rate")]
    machines: u64,
    /// Cores of a machine [the sweep's machine's].
    #[arg(long, value_name = "N", value_parser = parse_positive_count, help_heading = "Machines")]
    cores_per_machine: Option<u64>,
    /// Memory of a machine, as in 64GiB [the sweep's machine's].
    #[arg(long, value_name = "SIZE", value_parser = plan::parse_bytes, help_heading = "Machines")]
    memory_per_machine: Option<u64>,
    /// What a machine's log disk writes a second, as in 500MiB [no limit].
    #[arg(long, value_name = "SIZE", value_parser = plan::parse_bytes, help_heading = "Machines")]
    log_per_machine: Option<u64>,

    /// Sweeps and run files; `-` reads standard input.
    #[arg(long, value_name = "FILE", required = true, num_args = 1.., help_heading = "Runs")]
    from: Vec<PathBuf>,
    /// A run of whose machine's CPU time others took more than this is INVALID for planning.
    #[arg(long, value_name = "SHARE", value_parser = parse_share, default_value = "5%", help_heading = "Runs")]
    busy_max: f64,
    /// The seed of the interval's draws.
    #[arg(long, value_parser = parse_count, default_value = "1", help_heading = "Runs")]
    seed: u64,
    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    /// One end of every channel: the costlier one.
    Hub,
    /// Both ends, as measured.
    Both,
}

#[derive(Clone, Copy, ValueEnum)]
enum Who {
    One,
    Two,
}

impl Args {
    /// The text to print, and how to exit.
    pub(crate) fn run(&self) -> Result<(String, Exit), Refusal> {
        let ask = self.ask()?;
        let sources = self
            .from
            .iter()
            .map(|path| read(path))
            .collect::<Result<Vec<Source>, Refusal>>()?;
        let plan = plan::plan(&ask, &sources)?;
        let exit = match plan.l1_block_share {
            Some(share) if share > 1.0 => Exit::Regression,
            _ => Exit::Ok,
        };
        let text = match self.json {
            true => super::json(&plan),
            false => plan::text(&plan),
        };
        Ok((text, exit))
    }

    fn prices(&self) -> Result<Option<L1Prices>, Refusal> {
        let Some(asked) = &self.l1 else {
            return Ok(None);
        };
        let deposits = match self.deposits {
            Who::One => Deposits::One,
            Who::Two => Deposits::Two,
        };
        let prices = L1Prices::of(&Profile::find(asked)?, deposits, self.open_batch);
        Ok(Some(prices.map_err(Refusal::bad_input)?))
    }

    fn ask(&self) -> Result<Ask, Refusal> {
        Ok(Ask {
            rate_per_s: self.rate,
            channels: self.channels,
            payments: self.payments,
            disputes: self.disputes,
            slo: self.slo,
            assurance: Wanted {
                cosign_every: self.cosign_every,
                in_flight: self.in_flight,
                durability: self.durability.clone(),
                backend: self.backend.clone(),
                pattern: self.pattern.clone(),
                turn_length: self.turn_length,
            },
            role: match self.role {
                Role::Hub => plan::Role::Hub,
                Role::Both => plan::Role::Both,
            },
            headroom: self.headroom,
            spare: self.spare,
            machines: self.machines,
            l1: self.prices()?,
            cores_per_machine: self.cores_per_machine,
            memory_per_machine: self.memory_per_machine,
            log_per_machine: self.log_per_machine.map(|bytes| bytes as f64),
            capacity: self.capacity,
            busy_max: self.busy_max,
            seed: self.seed,
        })
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

fn parse_headroom(text: &str) -> Result<f64, String> {
    let share = parse_share(text)?;
    match share < 1.0 {
        true => Ok(share),
        false => Err(format!(
            "'{text}' leaves nothing to use: expected less than 100%"
        )),
    }
}
