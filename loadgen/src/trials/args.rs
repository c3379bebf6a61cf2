//! What searches and sweeps are asked for.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use duet_modelled::Share;
use duet_terminal::exit::EXIT_CODES_HELP;
use duet_terminal::units::{
    parse_count, parse_duration, parse_positive_count, parse_rate, parse_share,
};

use super::grid::{Load, count_as_written};
use super::objective::Objective;
use super::preset::Preset;
use super::result::ResultArgs;

/// The options of `search`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help_end(SEARCH_EXAMPLES))]
pub struct SearchArgs {
    /// What must hold on the response time: p50, p90, p99, p999 or max, each with its bound
    #[arg(long, value_name = "P=TIME,…", default_value = "p99=5ms")]
    pub slo: Objective,
    /// How wide the interval may be, over its upper end
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = parse_share)]
    pub width: f64,
    /// How long payments arrive in a trial that decides; those that look for the region take a
    /// quarter
    #[arg(long, value_name = "TIME", default_value = "8s", value_parser = parse_duration)]
    pub trial: Duration,
    /// At most so many full trials decide on a rate, so that one hiccup does not. Odd, unless
    /// --passes is given
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub trials: usize,
    /// So many of them must pass [default: more than half]. Few of many, such as 2 of --trials 8,
    /// find what a machine can do while its neighbours leave it alone
    #[arg(long, value_name = "N")]
    pub passes: Option<usize>,
    /// A trial is set aside and made again if the machine's host and, unless it is durable, other
    /// processes took more of the CPU time than this
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = parse_share)]
    pub disturbance: f64,
    /// The rate to begin near, in payments per second [default: half of what a closed loop makes]
    #[arg(long, value_name = "PER_S", value_parser = parse_rate)]
    pub start: Option<f64>,
    /// Keep every trial here, one run a line; trials that it has already are not made again, so
    /// that a search that was stopped goes on
    #[arg(long, value_name = "FILE")]
    pub book: Option<PathBuf>,
    /// Where the logs of durable runs lie while they are needed [default: here]
    #[arg(long, value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
    /// Where the result goes
    #[command(flatten)]
    pub result: ResultArgs,
    /// Options of `run` for every trial
    #[arg(last = true, value_name = "RUN OPTIONS")]
    pub options: Vec<String>,
}

impl SearchArgs {
    /// How many trials of a rate must pass.
    pub(super) fn passes(&self) -> usize {
        self.passes.unwrap_or(self.trials / 2 + 1)
    }
}

const SEARCH_EXAMPLES: &str = "\
Examples:
  loadgen search                                      at which rate does p99 reach 5 ms?
  loadgen search --slo p99=50ms,max=1s -- --cosign-every 100 --concurrent 10k
  loadgen search --slo p99=50ms --log-dir /var/tmp -- --durability fsync --payments 1k
  loadgen search --width 2% --trial 30s --trials 5    slower, and narrower
  loadgen search --trials 8 --passes 2                on a machine that others slow down, at its best";

/// The options of `sweep`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help_end(SWEEP_EXAMPLES))]
pub struct SweepArgs {
    /// The sweep's file, one run a line; runs that it has already are not made again
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A grid by name, of the settings given beside it (each with one value)
    #[arg(long, value_enum, conflicts_with_all = ["rate", "concurrent", "shards", "payments"])]
    pub preset: Option<Preset>,
    /// What arrives: payments per second, shares of what the same cell's closed loop makes, as 75%,
    /// or max, the closed loop [default: max]
    #[arg(
        long,
        value_name = "LOAD,…",
        value_delimiter = ',',
        help_heading = "Grid"
    )]
    pub rate: Vec<Load>,
    /// Channels open at once
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = count_as_written,
          help_heading = "Grid")]
    pub concurrent: Vec<String>,
    /// Shards: threads that run channels
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = count_as_written,
          help_heading = "Grid")]
    pub shards: Vec<String>,
    /// Payments in each session
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = count_as_written,
          help_heading = "Grid")]
    pub payments: Vec<String>,
    /// Co-sign intervals k
    #[arg(long, value_name = "K,…", value_delimiter = ',', value_parser = count_as_written,
          help_heading = "Grid")]
    pub cosign_every: Vec<String>,
    /// Proposals that may be unanswered in a channel
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = count_as_written,
          help_heading = "Grid")]
    pub in_flight: Vec<String>,
    /// Back ends: auto, dalek, lanes, lanes/avx512-ifma, lanes/avx2-fma, lanes/plain
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = trimmed,
          help_heading = "Grid")]
    pub backend: Vec<String>,
    /// Durability: none, log, fsync
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = trimmed,
          help_heading = "Grid")]
    pub durability: Vec<String>,
    /// How long payments are made in each run, opening and closing apart [default: 5s; with
    /// --preset 3s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub trial: Option<Duration>,
    /// Runs of each cell [default: 2; with --preset as many as fit into 13 minutes on this machine,
    /// at most 5]
    #[arg(long, value_name = "N")]
    pub repeats: Option<u32>,
    /// Where the order of the runs comes from
    #[arg(long, value_name = "N", value_parser = parse_count, default_value = "1")]
    pub seed: u64,
    /// Where the logs of durable runs lie while they are needed [default: here]
    #[arg(long, value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
    /// Say what would be run, and run nothing
    #[arg(long)]
    pub list: bool,
    /// No progress
    #[arg(long)]
    pub quiet: bool,
    /// Options of `run` for every run
    #[arg(last = true, value_name = "RUN OPTIONS")]
    pub options: Vec<String>,
}

/// The options of `exit`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help_end(EXIT_EXAMPLES))]
pub struct ExitArgs {
    /// Channels that close at once
    #[arg(long, value_name = "N", value_parser = parse_positive_count, default_value = "10k")]
    pub channels: u64,
    /// The share of them that a cheater closes with an old state; in the others an honest party
    /// closes, whose peer is silent
    #[arg(long, value_name = "SHARE", value_parser = Share::parse, default_value = "50%")]
    pub stale: Share,
    /// Layer 1: profiles by name, or files. Each has its own order of answers
    #[arg(
        long,
        value_name = "PROFILE|FILE,…",
        value_delimiter = ',',
        default_values = ["duet", "cometbft-default"],
    )]
    pub l1: Vec<String>,
    /// Try this challenge window alone, in blocks [default: look for the least]
    #[arg(long, value_name = "N", value_parser = parse_positive_count)]
    pub window_blocks: Option<u64>,
    /// Payments in each channel before the exit
    #[arg(long, value_name = "N", value_parser = parse_positive_count, default_value = "2")]
    pub payments: u64,
    /// Where every random choice comes from
    #[arg(long, value_name = "N", value_parser = parse_count, default_value = "1")]
    pub seed: u64,
    /// Keep every run here, one a line; runs that it has already are not made again
    #[arg(long, value_name = "FILE")]
    pub book: Option<PathBuf>,
    /// Where the result goes
    #[command(flatten)]
    pub result: ResultArgs,
    /// Options of `run` for every run, such as validators and their faults
    #[arg(last = true, value_name = "RUN OPTIONS")]
    pub options: Vec<String>,
}

const EXIT_EXAMPLES: &str = "\
Examples:
  loadgen exit                                        the least window of two Layer 1s
  loadgen exit --channels 100k --stale 10% --l1 duet
  loadgen exit --l1 solana-like --window-blocks 8     does this window do?
  loadgen exit --l1 duet -- --validators 4 --validator-faults censor=1";

fn trimmed(text: &str) -> Result<String, String> {
    Ok(text.trim().to_owned())
}

const SWEEP_EXAMPLES: &str = "\
Examples:
  loadgen sweep plan.sweep --preset plan              what a capacity plan needs, at k = 1
  loadgen sweep plan.sweep --preset plan --durability fsync --in-flight 16 --cosign-every 10
  loadgen sweep k.sweep --cosign-every 1,10,100,1k    the price of a signature per payment
  loadgen sweep load.sweep --rate 10k,50k,75%,90% --concurrent 10k --trial 20s --repeats 3";

fn help_end(examples: &str) -> String {
    format!("{examples}\n\n{EXIT_CODES_HELP}")
}
