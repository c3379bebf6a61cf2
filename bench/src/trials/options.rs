//! The command line of `bench trials`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use duet_terminal::units::{parse_positive_count, parse_share};

use crate::gate::options::{DEFAULT_WORKLOAD, GateFlags, GateOptions};
use crate::metric::Metric;
use crate::session_options::{SessionOptions, Words, trial_word};

const EXAMPLES: &str = "\
Examples:
  bench trials WORKTREE --out trials.jsonl
      20 trials each of a planted 0, 2, 5 and 10 %; the same command goes on after Ctrl-C.
  bench trials WORKTREE --out trials.jsonl --load-other-core
      The same beside a thread that keeps one core busy, into the same file.
  bench trials target/release/loadgen --planted 0,10% --trials 5 --out quick.jsonl

Exit codes: 0 all trials are done, whatever they said · 1 machine fault · 2 bad input · 3 a run was
INVALID · 130 interrupted";

/// The options of `bench trials`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct TrialsOptions {
    /// The executable, git revision, or WORKTREE, that is gated against itself
    pub subject: String,

    /// The slowdowns to plant, as shares of the CPU time of each wave
    #[arg(long, value_name = "SHARE,…", value_delimiter = ',', value_parser = parse_share,
          default_value = "0,2%,5%,10%")]
    pub planted: Vec<f64>,

    /// Trials of each slowdown
    #[arg(long, value_name = "N", value_parser = trial_count, default_value = "20")]
    pub trials: u32,

    /// Keep one core busy meanwhile
    #[arg(long)]
    pub load_other_core: bool,

    /// Append each trial here (JSON lines), and count those that are there
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,

    /// The slowdown that the gate lets through [default: 5%]
    #[arg(long, value_name = "SHARE", value_parser = crate::gate::options::threshold)]
    pub threshold: Option<f64>,

    /// The gate's budget in each trial [default: 20m]
    #[arg(long, value_name = "TIME", value_parser = crate::gate::options::budget)]
    pub budget: Option<Duration>,

    /// The metric that is gated
    #[arg(long, value_enum, default_value_t = Metric::CpuPerPayment)]
    pub metric: Metric,

    /// Print the rates as JSON
    #[arg(long)]
    pub json: bool,

    /// No progress and no notes on standard error
    #[arg(long)]
    pub quiet: bool,

    /// Options of `loadgen run` for every run [default: those of a gate]
    #[arg(last = true, value_name = "WORKLOAD", value_parser = trial_word)]
    pub workload: Vec<String>,
}

impl TrialsOptions {
    /// The gate of one trial.
    #[must_use]
    pub fn gate(&self, executable: &Path, planted: f64) -> GateOptions {
        // A shortest decimal reads back as the same share.
        let planting = ["--planted-slowdown".to_owned(), planted.to_string()];
        let (b_args, across) = if planted > 0.0 {
            (planting.to_vec(), vec!["planted_slowdown".to_owned()])
        } else {
            (Vec::new(), Vec::new())
        };
        let executable = executable.to_string_lossy().into_owned();
        GateOptions {
            base: executable.clone(),
            head: executable,
            gate: GateFlags {
                threshold: self.threshold,
                budget: self.budget,
                ..GateFlags::default()
            },
            session: SessionOptions {
                metric: self.metric,
                a_args: Words::default(),
                b_args: Words(b_args),
                across,
                bootstrap_seed: 1,
                json: false,
                quiet: true,
                workload: self.workload.clone(),
            }
            .with_default_workload(&DEFAULT_WORKLOAD),
        }
    }
}

fn trial_count(text: &str) -> Result<u32, String> {
    match parse_positive_count(text)? {
        count @ 1..=10_000 => Ok(count as u32),
        count => Err(format!("{count} trials: expected 1 to 10,000")),
    }
}
