//! What `offload` is asked for.

use clap::Args;
use duet_modelled::Share;
use duet_modelled::own::Planted;
use duet_terminal::exit::EXIT_CODES_HELP;
use duet_terminal::units::{parse_count, parse_positive_count, parse_share};

use crate::trials::result::ResultArgs;

/// The options of `offload`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help_end())]
pub struct OffloadArgs {
    /// Payments in a session. Those of up to 100 are run, and up to 10k without disputes; the rest
    /// is modelled
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,3,9,100,10k,1M",
          value_parser = parse_positive_count)]
    pub payments: Vec<u64>,
    /// Shares of sessions that end in a dispute: a post of an old state, an answer and a payout
    #[arg(long, value_name = "SHARE,…", value_delimiter = ',', default_value = "0,1%",
          value_parser = Share::parse, allow_hyphen_values = true)]
    pub disputes: Vec<Share>,
    /// Channels that are opened together; more than one are modelled
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1",
          value_parser = parse_positive_count)]
    pub open_batch: Vec<u64>,
    /// A Layer 1 to run on, as often as wanted: duet, ethereum-60m, bitcoin, solana-like,
    /// cometbft-default, or a file of your own (docs/l1-profiles.md) [default: duet]
    #[arg(long, value_name = "PROFILE|FILE")]
    pub l1: Vec<String>,
    /// Runs of each cell, each with a seed of its own: CPU time is that of the median
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub repeats: u32,
    /// The first run's seed
    #[arg(long, value_name = "N", value_parser = parse_count, default_value = "1")]
    pub seed: u64,
    /// How far a cell's CPU time may be from the model's; counts have to be equal
    #[arg(long, value_name = "SHARE", value_parser = parse_share, default_value = "15%")]
    pub cpu_within: f64,
    /// Put a wrong price into the model, to see it found: close.bytes=320, open.state_reads=2, …
    #[arg(long, value_name = "KIND.RESOURCE=N")]
    pub planted_price: Vec<Planted>,
    /// Where the curve goes, with its run files: for `reports html`
    #[command(flatten)]
    pub result: ResultArgs,
}

fn help_end() -> String {
    format!("{EXAMPLES}\n\n{EXIT_CODES_HELP}")
}

const EXAMPLES: &str = "\
Examples:
  loadgen offload                                     how long must a session be?
  loadgen offload --payments 1,3,9,100,10k,1M --disputes 0,0.1%,1%,10% --open-batch 1,100
  loadgen offload --l1 ethereum-60m --l1 bitcoin --repeats 5 --out curve.json
  reports html curve.json -o curve.html               its page";
