//! Modelled cost: what payments would take of a real Layer 1's blocks by its price list, direct and
//! through channels. Nothing here is measured, and everything says so; the measured offload is in
//! the run file.
//!
//! [`table`] crosses all that a cost depends on; [`of_run`] prices the transactions that one run
//! made. Arithmetic is exact ([`Exact`]). The formulae and their assumptions are in
//! `docs/l1-profiles.md`.

#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

pub mod cost;
mod exact;
mod exit;
pub mod own;
pub mod queue;
mod run;
mod share;
mod text;

use duet_profile::{Constant, Profile};
use serde::{Serialize, Serializer};

pub use exact::Exact;
pub use exit::{FORMULA, MassExit, mass_exit};
pub use run::{Item, RunCost, of_run};
pub use share::Share;
pub use text::{constants_text, run_text, table_text};

/// The most rows of a table.
pub const ROWS_MAX: usize = 100_000;

/// Who deposits into a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Deposits {
    /// The opener alone.
    One,
    /// Both parties.
    Two,
}

/// What a dispute is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum DisputeKind {
    /// A post, and the payout.
    Silent,
    /// A post, an answer to it, and the payout.
    Answered,
}

/// Everything that a cost depends on: each list is crossed with all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Payments in a session.
    pub payments: Vec<u64>,
    /// Shares of channels that end in a dispute.
    pub disputes: Vec<Share>,
    /// What disputes are like; of no matter without any.
    pub dispute_kinds: Vec<DisputeKind>,
    /// Who deposits.
    pub deposits: Vec<Deposits>,
    /// Channels that are opened together.
    pub open_batches: Vec<u64>,
    /// Transfers that a payer puts in one transaction.
    pub transfer_batches: Vec<u64>,
    /// Sessions, for blocks and time.
    pub sessions: u64,
    /// The share of blocks that exits may use.
    pub exit_share: Share,
    /// Blocks in which a post can be answered, in place of the profile's.
    pub window_blocks: Option<u64>,
}

/// The modelled cost of one session, both ways. What the profile has no price for is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The profile's name.
    pub profile: String,
    /// What it counts.
    pub unit: String,
    /// Always true: no figure here is measured.
    pub modelled: bool,
    /// Payments in the session.
    #[serde(serialize_with = "count")]
    pub payments: u64,
    /// The share of channels that end in a dispute.
    pub disputes: Share,
    /// `silent` or `answered`; `none` without disputes.
    pub dispute_kind: &'static str,
    /// Who deposits.
    pub deposits: Deposits,
    /// Channels that are opened together.
    #[serde(serialize_with = "count")]
    pub open_batch: u64,
    /// Transfers that a payer puts in one transaction.
    #[serde(serialize_with = "count")]
    pub transfer_batch: u64,
    /// Units of the payments as transfers.
    pub direct_units: Option<Exact>,
    /// Units of the channel's life; with disputes, on average over channels.
    pub channel_units: Option<Exact>,
    /// Direct over channel. Below 1 the channel takes more, not less.
    pub ratio: Option<f64>,
    /// The least payments that take at least as many units as the channel.
    pub break_even_payments: Option<u64>,
    /// Blocks that the channels of all sessions fill.
    pub blocks: Option<Exact>,
    /// The time those blocks take, in seconds.
    pub block_time_s: Option<Exact>,
}

/// A profile as far as the rows do not show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// Its name.
    pub profile: String,
    /// What it counts.
    pub unit: String,
    /// What it stands for.
    pub about: String,
    /// Its numbers and where they come from.
    pub constants: Vec<Constant>,
}

/// What a profile has no price for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotPriced {
    /// The profile's name.
    pub profile: String,
    /// What it lacks.
    pub reason: String,
}

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// Always true: no figure here is measured.
    pub modelled: bool,
    /// Sessions that `blocks` are for.
    #[serde(serialize_with = "count")]
    pub sessions: u64,
    /// One cost each.
    pub rows: Vec<Row>,
    /// The profiles, with all constants and sources.
    pub profiles: Vec<Listed>,
    /// What becomes of so many channels when all close at once, by profile.
    pub mass_exit: Vec<MassExit>,
    /// Why some figures are none.
    pub not_priced: Vec<NotPriced>,
}

/// The cost of every combination on every profile.
///
/// # Errors
///
/// There would be more rows than [`ROWS_MAX`].
pub fn table(profiles: &[Profile], grid: &Grid) -> Result<Table, String> {
    let ends = ends(grid);
    let lengths = [
        profiles.len(),
        grid.payments.len(),
        ends.len(),
        grid.deposits.len(),
        grid.open_batches.len(),
        grid.transfer_batches.len(),
    ];
    let rows = lengths
        .iter()
        .try_fold(1_usize, |rows, length| rows.checked_mul(*length));
    if rows.is_none_or(|rows| rows > ROWS_MAX) {
        return Err(format!(
            "the lists multiply to more than {ROWS_MAX} rows: expected shorter lists"
        ));
    }
    let mut table = Table {
        modelled: true,
        sessions: grid.sessions,
        rows: Vec::new(),
        profiles: profiles.iter().map(listed).collect(),
        mass_exit: Vec::new(),
        not_priced: Vec::new(),
    };
    for profile in profiles {
        for &deposits in &grid.deposits {
            for &open_batch in &grid.open_batches {
                for &transfer_batch in &grid.transfer_batches {
                    for &(disputes, dispute_kind) in &ends {
                        let life = cost::Life {
                            deposits,
                            open_batch,
                            disputes,
                            dispute_kind,
                        };
                        for &payments in &grid.payments {
                            table.cost(profile, life, payments, transfer_batch);
                        }
                    }
                }
            }
        }
        match mass_exit(profile, grid.sessions, grid.exit_share, grid.window_blocks) {
            Ok(exit) => table.mass_exit.push(exit),
            Err(reason) => table.lacks(profile, reason),
        }
    }
    Ok(table)
}

/// The ways in which channels end: without disputes there is only one.
fn ends(grid: &Grid) -> Vec<(Share, DisputeKind)> {
    let mut ends = Vec::new();
    for &share in &grid.disputes {
        let kinds = if share.is_none() {
            &[DisputeKind::Silent][..]
        } else {
            &grid.dispute_kinds
        };
        ends.extend(kinds.iter().map(|kind| (share, *kind)));
    }
    ends
}

impl Table {
    fn cost(&mut self, profile: &Profile, life: cost::Life, payments: u64, transfer_batch: u64) {
        let direct = cost::direct(profile, payments, transfer_batch);
        let channel = cost::channel(profile, life);
        let direct_units = direct.map_err(|reason| self.lacks(profile, reason)).ok();
        let channel_units = channel.map_err(|reason| self.lacks(profile, reason)).ok();
        let both = direct_units.as_ref().zip(channel_units.as_ref());
        let blocks = channel_units
            .as_ref()
            .map(|units| blocks(profile, Exact::from(self.sessions) * units.clone()));
        self.rows.push(Row {
            profile: profile.name.clone(),
            unit: profile.unit.clone(),
            modelled: true,
            payments,
            disputes: life.disputes,
            dispute_kind: match life.dispute_kind {
                _ if life.disputes.is_none() => "none",
                DisputeKind::Silent => "silent",
                DisputeKind::Answered => "answered",
            },
            deposits: life.deposits,
            open_batch: life.open_batch,
            transfer_batch,
            ratio: both.map(|(direct, channel)| (direct.clone() / channel.clone()).to_f64()),
            break_even_payments: both.and_then(|(_, channel)| {
                cost::break_even(profile, channel, transfer_batch)
                    .ok()
                    .flatten()
            }),
            block_time_s: blocks.as_ref().map(|blocks| seconds(profile, blocks)),
            blocks,
            direct_units,
            channel_units,
        });
    }

    fn lacks(&mut self, profile: &Profile, reason: String) {
        let profile = profile.name.clone();
        let lack = NotPriced { profile, reason };
        if !self.not_priced.contains(&lack) {
            self.not_priced.push(lack);
        }
    }

    /// The rows alone, as CSV with a heading. What is none is empty.
    ///
    /// # Panics
    ///
    /// Never: writing to memory cannot fail.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in &self.rows {
            writer.serialize(row).expect("a flat row, into memory");
        }
        let bytes = writer.into_inner().expect("into memory");
        String::from_utf8(bytes).expect("made of text")
    }
}

fn listed(profile: &Profile) -> Listed {
    Listed {
        profile: profile.name.clone(),
        unit: profile.unit.clone(),
        about: profile.about.clone(),
        constants: profile.constants.clone(),
    }
}

/// Whole blocks that so many units of channels' transactions fill. Where all channels write one
/// account, a block holds what may write that account.
fn blocks(profile: &Profile, units: Exact) -> Exact {
    let account = profile
        .block
        .account_units
        .filter(|_| profile.shared_escrow);
    let of_block = account.unwrap_or(profile.block.units);
    (units / Exact::from(of_block)).ceil()
}

/// The time that so many blocks take.
fn seconds(profile: &Profile, blocks: &Exact) -> Exact {
    blocks.clone() * Exact::fraction(profile.block.interval_ms, 1_000)
}

/// Whole numbers above 2^53 are strings here as everywhere.
fn count<S: Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
    Exact::from(*value).serialize(to)
}

#[cfg(test)]
mod tests;

// Lets the sample run file name its crate as the tests of other crates do.
#[cfg(test)]
#[path = "../../run-file/tests/sample/mod.rs"]
mod sample;
