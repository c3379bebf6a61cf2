//! What accounts hold, and where all value is.

use duet_channels::protocol::Amount;

/// What an account holds. It is never removed: its nonce keeps old transactions out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What it can spend: locked value is not in it.
    pub balance: Amount,
    /// Nonces used: the next transfer's or open's.
    pub nonce: u64,
}

/// Where all value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// In accounts.
    pub accounts: Amount,
    /// In channels.
    pub locked: Amount,
    /// Paid as fees.
    pub fees: Amount,
}

/// Rule L7 is broken: our own bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sum} sum to {got}, expected {expected}")]
pub struct Imbalance {
    /// Which sum.
    pub sum: &'static str,
    /// What it should be.
    pub expected: u128,
    /// What it is.
    pub got: u128,
}
