//! The command line: what can be asked, before it is checked for sense.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use duet_engine::crypto::BackendChoice;
use duet_terminal::exit::EXIT_CODES_HELP;
use duet_terminal::help::{
    Completions, FirstOptions, Manual, completions_help, manual_help, with_first_options,
};

use crate::adversary::Adversary;
use crate::amount::AmountDistribution;
use crate::arm::Arm;
use crate::live::parse_loopback;
use crate::part::PartAsked;
use crate::trace::Capacity;
use crate::trace::hourly::TraceArgs;
use crate::trials::args::{ExitArgs, SearchArgs, SweepArgs};
use crate::trials::offload::args::OffloadArgs;
use crate::validators::{
    CutOffAsked, ValidatorFaults, ValidatorLatency, ValidatorPartition, parse_loss,
};
use duet_audit::AuditArgs;
use duet_terminal::units::{
    parse_count, parse_duration, parse_positive_count, parse_rate, parse_share,
};

/// Drives very many two-party payment channels, settles each on an in-process Layer 1, and
/// measures how much load that Layer 1 was spared.
///
/// Without a command it runs `run` with its defaults: both parties sign and verify every payment.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, args_conflicts_with_subcommands = true, after_help = help_end())]
pub struct Cli {
    /// What to do; `run` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of `run`.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open channels, run payments through them, close them, and compare with Layer 1 alone.
    Run(Box<RunArgs>),
    /// Check a run's audit log with library code alone: chains, balances, settlements, signatures.
    Audit(AuditArgs),
    /// Read the log of a durable run that was interrupted: check it, go on, or close its channels.
    Recover(RecoverArgs),
    /// Find the highest rate at which response times stay within a bound.
    Search(SearchArgs),
    /// Measure a grid of rates, channels, cores and settings, for plots and capacity plans.
    Sweep(SweepArgs),
    /// Close all channels at once, and find the least challenge window that is safe.
    Exit(ExitArgs),
    /// Measure how much load channels take off Layer 1, over the length of sessions.
    Offload(OffloadArgs),
    /// Make a payment trace out of an operator's hourly activity.
    Trace(TraceArgs),
    /// Print a completion script for a shell.
    #[command(after_help = completions_help("loadgen"))]
    Completions(Completions),
    /// Print a manual page.
    #[command(after_help = manual_help("loadgen"))]
    Man(Manual),
}

/// What `-h` shows of `run`, whether it is named or not.
const FIRST_OF_RUN: [&str; 10] = [
    "sessions",
    "payments",
    "cosign-every",
    "in-flight",
    "rate",
    "duration",
    "trace",
    "durability",
    "log-dir",
    "out",
];

/// What `-h` shows of commands with many options.
const FIRST_OPTIONS: [FirstOptions<'_>; 5] = [
    ("", FIRST_OF_RUN),
    ("run", FIRST_OF_RUN),
    (
        "search",
        [
            "slo", "width", "trial", "trials", "passes", "start", "log-dir", "out", "json", "quiet",
        ],
    ),
    (
        "offload",
        [
            "payments",
            "disputes",
            "open-batch",
            "l1",
            "repeats",
            "seed",
            "cpu-within",
            "out",
            "json",
            "quiet",
        ],
    ),
    (
        "sweep",
        [
            "preset",
            "rate",
            "concurrent",
            "shards",
            "cosign-every",
            "durability",
            "trial",
            "repeats",
            "log-dir",
            "list",
        ],
    ),
];

impl Cli {
    /// The command line, with the first options only under `-h`.
    #[must_use]
    pub fn command_line() -> clap::Command {
        with_first_options(Self::command(), &FIRST_OPTIONS)
    }

    /// That of this process. Ends it with a message if it cannot be read.
    #[must_use]
    pub fn of_the_process() -> Self {
        let matches = Self::command_line().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// What makes a run durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Durability {
    /// Nothing: all is in memory.
    #[default]
    None,
    /// The operating system has what was signed before it leaves: survives the end of the process.
    Log,
    /// The disk has it (fdatasync): survives the end of the machine.
    Fsync,
}

impl Durability {
    /// Its name on the command line and in run files.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A workload and its channels by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// A million sessions of 10,000 payments, all open at once, k = 100: 10^10 payments.
    Headline,
}

/// Who pays whom in a synthetic session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Pattern {
    /// The opener pays every time.
    OneWay,
    /// The parties take turns of `--turn-length` payments.
    TwoWay,
}

impl Pattern {
    /// Its name on the command line and in run files.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The options of `run`. Counts may be written as 10k or 1M.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true, after_help = help_end())]
pub struct RunArgs {
    /// A workload by name; any option given beside it counts
    #[arg(long, value_enum, help_heading = "Workload")]
    pub preset: Option<Preset>,
    /// Sessions: channels that are opened, used and closed [default: 400 with lanes/avx512-ifma,
    /// 150 with lanes/avx2-fma, 20 with lanes/plain, 40 with dalek; with --duration, as many as are
    /// reached]
    #[arg(long, value_name = "N", value_parser = parse_positive_count, help_heading = "Workload")]
    pub sessions: Option<u64>,
    /// Payments in each session [default: 10k]
    #[arg(long, value_name = "N", value_parser = parse_positive_count, help_heading = "Workload")]
    pub payments: Option<u64>,
    /// Sessions that are open at once [default: all, at most 10k]
    #[arg(long, value_name = "N", value_parser = parse_positive_count, help_heading = "Workload")]
    pub concurrent: Option<u64>,
    /// Who pays [default: one-way]
    #[arg(long, value_enum, help_heading = "Workload")]
    pub pattern: Option<Pattern>,
    /// With --pattern two-way: payments in a row before the other side pays [default: as many as
    /// may be in flight, at most half of the session]
    #[arg(long, value_name = "N", value_parser = parse_positive_count, help_heading = "Workload")]
    pub turn_length: Option<u64>,
    /// What is paid: fixed:N, uniform:A-B or lognormal:MU,SIGMA [default: uniform:1-100]
    #[arg(long, value_name = "DISTRIBUTION", help_heading = "Workload")]
    pub amount: Option<AmountDistribution>,
    /// What each channel locks: N; for a trace also from-trace (perfect foresight) or quantile:Q
    /// [default: what the session can need at most; for a trace from-trace]
    #[arg(long, value_name = "CAPACITY", help_heading = "Workload")]
    pub capacity: Option<Capacity>,
    /// Replay payments from a CSV file with the header time_s,payer,payee,amount
    #[arg(long, value_name = "FILE", help_heading = "Workload")]
    pub trace: Option<PathBuf>,
    /// Replay the trace's own times, this many times faster [default: as fast as possible]
    #[arg(long, value_name = "X", value_parser = parse_rate, help_heading = "Workload")]
    pub speedup: Option<f64>,
    /// Open loop: this many payments per second arrive, ready or not [default: closed loop]
    #[arg(long, value_name = "PER_S", value_parser = parse_rate, help_heading = "Workload")]
    pub rate: Option<f64>,
    /// Stop making payments after this long, and close what is open
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Workload")]
    pub duration: Option<Duration>,
    /// Where every random choice of the workload comes from
    #[arg(long, value_name = "N", value_parser = parse_count, default_value = "1", help_heading = "Workload")]
    pub seed: u64,

    /// Payments that one pair of signatures covers at most (k) [default: 1]
    #[arg(long, value_name = "K", value_parser = parse_positive_count, help_heading = "Channels")]
    pub cosign_every: Option<u64>,
    /// In open loop: how long a payment may wait for others to fill its co-sign interval
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Channels")]
    pub cosign_after: Option<Duration>,
    /// Proposals that may be unanswered in a channel
    #[arg(long, value_name = "N", value_parser = parse_positive_count, default_value = "64", help_heading = "Channels")]
    pub in_flight: u64,

    /// The least balance that a payment may leave its payer: what a cheater always has to lose. The
    /// default deposits hold it beside what the session needs [default: none]
    #[arg(long, value_name = "UNITS", value_parser = parse_positive_count, help_heading = "Channels")]
    pub reserve: Option<u64>,

    /// Threads that run channels [default: one per core, and no more than channels]
    #[arg(long, value_name = "N", value_parser = parse_positive_count, help_heading = "Engine")]
    pub shards: Option<u64>,
    /// Run one part of a run that several machines make, as 2/4; auto/4 or auto take which from
    /// JOB_COMPLETION_INDEX or SLURM_PROCID. Each part has channels, keys and a Layer 1 of its own;
    /// `reports merge` makes one run of their files
    #[arg(long, value_name = "I/N", help_heading = "Parts")]
    pub part: Option<PartAsked>,
    /// Run together with other machines over one Layer 1, on the first of these: HOST:PORT,… of all
    /// of them. Each is started with the same command
    #[arg(
        long,
        value_name = "HOST:PORT,…",
        help_heading = "Parts",
        conflicts_with = "part"
    )]
    pub hosts: Option<String>,
    /// Which of --hosts this machine is, counted from 0 [default: JOB_COMPLETION_INDEX, or else
    /// SLURM_PROCID]
    #[arg(long, value_name = "I", value_parser = parse_count, help_heading = "Parts", requires = "hosts")]
    pub machine: Option<u64>,
    /// How long to wait for the other machines at the start
    #[arg(
        long,
        value_name = "TIME",
        value_parser = parse_duration,
        default_value = "30s",
        help_heading = "Parts",
        requires = "hosts"
    )]
    pub hosts_wait: Duration,
    /// Start at this time, in seconds since 1970 (`date +%s`), so that all parts start together
    /// (with --hosts they do in any case)
    #[arg(long, value_name = "UNIX_S", value_parser = parse_count, help_heading = "Parts")]
    pub start_at: Option<u64>,
    /// What signs and verifies: auto, dalek, lanes, or lanes of one kind: lanes/avx512-ifma,
    /// lanes/avx2-fma, lanes/plain
    #[arg(
        long,
        value_name = "NAME",
        default_value = "auto",
        help_heading = "Engine"
    )]
    pub backend: BackendChoice,
    /// Spend this share more CPU time in every wave, for nothing: to try a regression gate on
    #[arg(long, value_name = "SHARE", value_parser = parse_share, default_value = "0%", help_heading = "Engine")]
    pub planted_slowdown: f64,

    /// What holds a signature back until what it signs is kept
    #[arg(long, value_enum, default_value = "none", help_heading = "Durability")]
    pub durability: Durability,
    /// The log's directory: new or empty, or of this very run, which then goes on
    #[arg(long, value_name = "DIR", help_heading = "Durability")]
    pub log_dir: Option<PathBuf>,
    /// Append each channel and version here as it is acknowledged, for `recover --check-acks`: a
    /// file of this run alone
    #[arg(long, value_name = "FILE", help_heading = "Durability")]
    pub ack_file: Option<PathBuf>,

    /// Give Layer 1 the limits, prices, block times and order of a chain, in virtual time: duet,
    /// ethereum-60m, bitcoin, solana-like, cometbft-default, or a file of your own
    /// (docs/l1-profiles.md). Emulated: transactions are Duet's own [default: no clock, and 2857
    /// transactions a block]
    #[arg(long, value_name = "PROFILE|FILE", help_heading = "Layer 1")]
    pub l1: Option<String>,
    /// With --l1: how long channels stay open in Layer 1's time [default: in a closed loop 0s;
    /// otherwise as long as a session's payments arrive]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Layer 1")]
    pub session_time: Option<Duration>,
    /// Transactions in a Layer 1 block at most [default: 2857; with --l1 as the profile says]
    #[arg(long, value_name = "N", value_parser = parse_positive_count, help_heading = "Layer 1")]
    pub block_txs: Option<u64>,
    /// The challenge window in the channels' terms, in blocks [default: 144; with --l1 as the
    /// profile says]
    #[arg(long, value_name = "N", value_parser = parse_positive_count, help_heading = "Layer 1")]
    pub challenge_blocks: Option<u64>,
    /// Validators that decide Layer 1's blocks by votes, up to 100; 0 is a sequencer. Without --l1
    /// they decide about Duet's own chain
    #[arg(
        long,
        value_name = "N",
        value_parser = parse_count,
        default_value = "0",
        help_heading = "Layer 1",
    )]
    pub validators: u64,
    /// How many of them are faulty, and how: silent=1,censor=1,… (silent, slow, censor, equivocate,
    /// invalid-block, forged-votes, withhold) [default: none]
    #[arg(
        long,
        value_name = "FAULT=N,…",
        default_value = "",
        hide_default_value = true,
        help_heading = "Layer 1"
    )]
    pub validator_faults: ValidatorFaults,
    /// How long messages between them take: wide-area, data-centre, or shares and times as in
    /// 0:5ms,50%:40ms,100%:600ms [default: wide-area]
    #[arg(long, value_name = "LATENCY", help_heading = "Layer 1")]
    pub validator_latency: Option<ValidatorLatency>,
    /// The share of their messages that links lose, 50% at most, and send again after 200ms, then
    /// 400ms, …
    #[arg(
        long,
        value_name = "SHARE",
        value_parser = parse_loss,
        default_value = "0%",
        hide_default_value = true,
        help_heading = "Layer 1",
    )]
    pub validator_loss: f64,
    /// The first so many of them do not reach the others for a while, in Layer 1's time:
    /// 10s..40s=1. May be given several times
    #[arg(long, value_name = "FROM..UNTIL=N", help_heading = "Layer 1")]
    pub validator_partition: Vec<ValidatorPartition>,
    /// Have each validator execute each block itself, on a chain of its own, where otherwise one
    /// does for all
    #[arg(long, help_heading = "Layer 1")]
    pub each_validator_executes: bool,
    /// Have each block's header commit to all accounts and channels after it (docs/protocol.md)
    #[arg(long, help_heading = "Layer 1")]
    pub state_root: bool,
    /// Cheaters, and the share of the sessions that each kind strikes: stale-close=1%,silent=1%, …
    /// (stale-close, silent, half-signed, fake-offer, replay, equivocate, bad-signature,
    /// last-block, both-malicious; `all=N%` strikes with each of them) [default: none]
    #[arg(
        long,
        value_name = "KIND=SHARE,…",
        default_value = "",
        hide_default_value = true,
        help_heading = "Adversaries"
    )]
    pub adversary: Adversary,
    /// Blocks for which an honest party's posts are held back at most, at random; against
    /// last-block always. Its money is safe while the window is longer, and blocks have room
    #[arg(long, value_name = "N", value_parser = parse_count, default_value = "0", help_heading = "Adversaries")]
    pub l1_delay_blocks: u64,
    /// With --l1 or --validators: honest parties neither reach Layer 1 nor see it from one block
    /// until another one, while it goes on: 20..60
    #[arg(long, value_name = "FROM..UNTIL", help_heading = "Adversaries")]
    pub cut_off: Option<CutOffAsked>,

    /// Afterwards ask a new Layer 1 for what the run asked of its own, at full speed and with
    /// nothing beside it: how many sessions it carries
    #[arg(long, help_heading = "Layer 1")]
    pub l1_alone: bool,
    /// Sessions whose payments are also run directly on Layer 1; 0 for none [default: as many
    /// payments as a tenth of the run's CPU time or 1 s of it pays for, of 10 sessions or more]
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Layer 1")]
    pub baseline_sessions: Option<u64>,

    /// Make the baseline's payments by other means too: multi-send=N (so many of one payer's in one
    /// transaction; multi-send=most, as many as fit), tab=N (what so many of a session come to, by
    /// one transfer)
    #[arg(
        long,
        value_name = "MEANS=N,…",
        value_delimiter = ',',
        help_heading = "Layer 1"
    )]
    pub arms: Vec<Arm>,

    /// Write the run file here (JSON)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Write every payment, co-signature and block into this folder, which is empty or new, for
    /// `loadgen audit`
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub audit_log: Option<PathBuf>,
    /// With --audit-log: bytes after which a shard's log goes on in another file [default: 268M]
    #[arg(long, value_name = "BYTES", value_parser = parse_positive_count, help_heading = "Output")]
    pub audit_segment: Option<u64>,
    /// Serve metrics while it runs, for Prometheus: a port of this machine, or a loopback address
    /// and a port; 0 takes a free one, and says which
    #[arg(long, value_name = "ADDR", value_parser = parse_loopback, help_heading = "Output")]
    pub metrics: Option<SocketAddr>,
    /// Print the run file on standard output instead of the summary
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// No progress and no summary
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,
}

/// The options of `recover`.
#[derive(Args, Clone, Debug)]
#[command(after_help = recover_help_end())]
pub struct RecoverArgs {
    /// The log's directory
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Go on with the run where it was interrupted
    #[arg(long, group = "ending", conflicts_with_all = ["close", "check_acks"])]
    pub go_on: bool,
    /// Make no more payments: finish and close on Layer 1 what is open
    #[arg(long, group = "ending", conflicts_with = "check_acks")]
    pub close: bool,
    /// Where the run's trace is, if it has moved since
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Check that every channel in this file is there, at its version or higher
    #[arg(long, value_name = "FILE")]
    pub check_acks: Option<PathBuf>,
    /// Print what was found as JSON; with --go-on and --close, the run file
    #[arg(long)]
    pub json: bool,
    /// With --go-on or --close: write the run file here
    #[arg(long, value_name = "FILE", requires = "ending")]
    pub out: Option<PathBuf>,
    /// No progress and no summary
    #[arg(long)]
    pub quiet: bool,
}

fn recover_help_end() -> String {
    format!("{RECOVER_EXAMPLES}\n\n{EXIT_CODES_HELP}")
}

const RECOVER_EXAMPLES: &str = "\
Examples:
  loadgen recover LOG                       read and check it; nothing is written
  loadgen recover LOG --go-on               make the payments that are left
  loadgen recover LOG --close               close every open channel on Layer 1
  loadgen recover LOG --check-acks ACKS     is everything there that was acknowledged?";

/// Examples and exit codes.
fn help_end() -> String {
    format!("{EXAMPLES}\n\n{EXIT_CODES_HELP}")
}

const EXAMPLES: &str = "\
Examples:
  loadgen run                                         every payment signed by both, about 15 s
  loadgen run --sessions 1k --cosign-every 100        one pair of signatures per 100 payments
  loadgen run --sessions 20k --payments 100 --in-flight 1 --concurrent 10k
                                                      one signature per key and batch
  loadgen run --rate 20k --duration 10s               open loop: response times at 20,000 per s
  loadgen run --trace payments.csv --capacity quantile:0.9
                                                      real payments; what channels cannot carry
  loadgen run --sessions 10k --payments 100 --adversary all=1% --l1-delay-blocks 20
                                                      disputes: what they cost, and that nobody
                                                      honest loses
  loadgen run --l1 ethereum-60m --sessions 10k        Layer 1 at Ethereum's limits and prices, in
                                                      virtual time (emulated)
  loadgen run --l1 ethereum-60m --arms multi-send=10,multi-send=most,tab=100
                                                      the best that payers do without channels
  loadgen run --durability fsync --log-dir LOG        what is acknowledged survives; kill it, and the
                                                      same command goes on
  loadgen run --preset headline --metrics 9464        10^10 payments in a million channels, with
                                                      figures for Prometheus on the way
  loadgen run --baseline-sessions 0 --out run.json    channels only; keep the figures";
