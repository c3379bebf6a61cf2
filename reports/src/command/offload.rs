//! `reports offload`: what payments would cost on a real Layer 1, direct and through channels.

use duet_profile::Profile;
use duet_reports::modelled::{
    Deposits, DisputeKind, Grid, Share, constants_text, table, table_text,
};
use duet_terminal::units::parse_positive_count;

use super::{Answer, Refusal, find_profiles};

const EXAMPLES: &str = "\
Examples:
    reports offload
    reports offload --l1 ethereum-60m --payments 1,9,10k,1M --disputes 0,1% --open-batch 1,100
    reports offload --l1 ./my-chain.toml --sessions 10M --exit-share 25% --window 50k
    reports offload --l1 bitcoin --json | jq '.rows[] | [.payments, .ratio]'
    reports offload --constants";

/// Models what payments cost on a Layer 1, direct and through channels. Measures nothing.
///
/// Prices come from a profile: duet, ethereum-60m, bitcoin, solana-like, cometbft-default, or a
/// file of your own (docs/l1-profiles.md). Lists are crossed with each other; break-even is the least
/// number of payments in a session at which its channel costs no more than direct transfers.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A profile or its file, as often as wanted [default: all five]
    #[arg(long, value_name = "PROFILE|FILE")]
    l1: Vec<String>,
    /// Payments in a session
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,9,10k,1M",
          value_parser = parse_positive_count)]
    payments: Vec<u64>,
    /// Shares of channels that end in a dispute
    #[arg(long, value_name = "SHARE,…", value_delimiter = ',', default_value = "0,1%",
          value_parser = Share::parse, allow_hyphen_values = true)]
    disputes: Vec<Share>,
    /// What disputes are like: a post and its payout, or with an answer to it
    #[arg(
        long,
        value_name = "KIND,…",
        value_delimiter = ',',
        default_value = "answered",
        hide_possible_values = true
    )]
    dispute_kind: Vec<DisputeKind>,
    /// Who deposits: the opener, or both parties
    #[arg(
        long,
        value_name = "WHO,…",
        value_delimiter = ',',
        default_value = "two",
        hide_possible_values = true
    )]
    deposits: Vec<Deposits>,
    /// Channels that are opened together
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1",
          value_parser = parse_positive_count)]
    open_batch: Vec<u64>,
    /// Direct transfers that the payer puts in one transaction
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,20",
          value_parser = parse_positive_count)]
    transfer_batch: Vec<u64>,
    /// Sessions: blocks and time are for so many, and so many channels exit at once
    #[arg(long, value_name = "N", default_value = "1M", value_parser = parse_positive_count)]
    sessions: u64,
    /// The share of blocks that a mass exit may use
    #[arg(long, value_name = "SHARE", default_value = "50%", value_parser = exit_share,
          allow_hyphen_values = true)]
    exit_share: Share,
    /// The challenge window in blocks [default: the profile's]
    #[arg(long, value_name = "BLOCKS", value_parser = parse_positive_count)]
    window: Option<u64>,
    /// Print JSON: rows, profiles with all sources, mass exits
    #[arg(long, conflicts_with_all = ["csv", "constants"])]
    json: bool,
    /// Print the rows as CSV
    #[arg(long, conflicts_with = "constants")]
    csv: bool,
    /// Print the profiles' numbers and where each comes from
    #[arg(long)]
    constants: bool,
}

impl Args {
    /// The text to print.
    pub(crate) fn run(&self) -> Answer {
        let profiles = if self.l1.is_empty() {
            Profile::known()
        } else {
            find_profiles(&self.l1)?
        };
        let grid = Grid {
            payments: self.payments.clone(),
            disputes: self.disputes.clone(),
            dispute_kinds: self.dispute_kind.clone(),
            deposits: self.deposits.clone(),
            open_batches: self.open_batch.clone(),
            transfer_batches: self.transfer_batch.clone(),
            sessions: self.sessions,
            exit_share: self.exit_share,
            window_blocks: self.window,
        };
        let answer = table(&profiles, &grid).map_err(Refusal::bad_input)?;
        Ok(if self.constants {
            constants_text(&answer)
        } else if self.csv {
            answer.to_csv()
        } else if self.json {
            super::json(&answer)
        } else {
            table_text(&answer)
        })
    }
}

/// Without any room nobody exits.
fn exit_share(text: &str) -> Result<Share, String> {
    let share = Share::parse(text)?;
    if share.is_none() {
        Err(format!("'{text}' is too small: expected a share above 0%"))
    } else {
        Ok(share)
    }
}
