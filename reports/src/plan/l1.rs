//! What the sessions of a load take of Layer 1. Modelled from a profile's prices, never measured.
//! Pure.

use serde::Serialize;

use super::ask::Ask;
use crate::{
    modelled::{Deposits, DisputeKind, cost},
    profile::{Price, Profile},
};

/// A Layer 1's prices and limits, as far as a plan needs them.
#[derive(Clone, Debug, PartialEq)]
pub struct L1Prices {
    /// The profile's name.
    pub profile: String,
    /// What prices and limits count, as in `gas`.
    pub unit: String,
    /// Opening a channel.
    pub open: f64,
    /// Closing one by both parties' will.
    pub close: f64,
    /// Closing one in a dispute, from the first post to the payout, in place of `close`; none if
    /// the profile has no price for it.
    pub dispute: Option<f64>,
    /// Units of one block that channels can have.
    pub block_units: f64,
    /// Transactions of one block; none if only its units bound them.
    pub block_transactions: Option<f64>,
    /// Seconds from block to block.
    pub block_s: f64,
}

impl L1Prices {
    /// Of channels into which `deposits` pay, opened `open_batch` at a time, and whose disputes are
    /// answered: the dearest kind.
    ///
    /// # Errors
    /// The profile has no price for opening channels so.
    pub fn of(profile: &Profile, deposits: Deposits, open_batch: u64) -> Result<L1Prices, String> {
        let dispute = cost::dispute(profile, DisputeKind::Answered).ok();
        let units = |parts: Vec<Price>| parts.iter().map(|part| part.units as f64).sum();
        let block = &profile.block;
        // Where all channels write one account, no block has more room for them than that account
        // has.
        let shared = block.account_units.filter(|_| profile.shared_escrow);
        Ok(L1Prices {
            profile: profile.name.clone(),
            unit: profile.unit.clone(),
            open: cost::open(profile, deposits, open_batch)?.to_f64(),
            close: profile.cooperative_close.units as f64,
            dispute: dispute.map(units),
            block_units: shared.map_or(block.units, |units| units.min(block.units)) as f64,
            block_transactions: block.transactions.map(|most| most as f64),
            block_s: block.interval_ms as f64 / 1e3,
        })
    }
}

/// What Layer 1 has to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct L1Load {
    /// The profile's name.
    pub profile: String,
    /// The profile's unit.
    pub unit: String,
    /// Modelled, not measured.
    pub modelled: bool,
    /// Sessions that are opened, and closed, per second.
    pub sessions_per_s: f64,
    /// Units of one session: open, and close or dispute.
    pub units_per_session: f64,
    /// Units per second.
    pub units_per_s: f64,
    /// Units per second that there are blocks for.
    pub capacity_units_per_s: f64,
    /// The share of every block. Above 1 it cannot be done.
    pub block_share: f64,
    /// Payments that a session must have, at least, for whole blocks to suffice.
    pub payments_least: f64,
    /// The time that blocks take to open all channels at once, or to close them, in seconds.
    pub open_all_s: f64,
    /// As `open_all_s`, for closing them politely.
    pub close_all_s: f64,
}

impl L1Load {
    /// Of `rate` payments per second with `channels` open, in sessions as they are asked for.
    ///
    /// # Errors
    /// The profile has no price for a dispute, and there are some.
    pub(super) fn of(
        prices: &L1Prices,
        ask: &Ask,
        rate: f64,
        channels: f64,
    ) -> Result<L1Load, String> {
        let (disputes, payments) = (ask.disputes, ask.payments as f64);
        let dispute = match prices.dispute {
            Some(price) => price,
            None if disputes == 0.0 => 0.0,
            None => {
                return Err(format!(
                    "the profile {} has no price for a dispute: expected --disputes 0, or a profile that \
                     prices post, answer and payout",
                    prices.profile
                ));
            }
        };
        let units_per_session = prices.open + (1.0 - disputes) * prices.close + disputes * dispute;
        let sessions_per_s = rate / payments;
        let units_per_s = sessions_per_s * units_per_session;
        let capacity_units_per_s = prices.block_units / prices.block_s;
        // An open and a close; of a dispute a post, an answer and a payout in place of the close.
        let transactions = 2.0 + 2.0 * disputes;
        // The seconds of blocks that so many transactions of so many units in all take.
        let seconds = |units: f64, transactions: f64| {
            let blocks = units / prices.block_units;
            let most = prices.block_transactions;
            blocks.max(most.map_or(0.0, |most| transactions / most)) * prices.block_s
        };
        let block_share = sessions_per_s * seconds(units_per_session, transactions);
        Ok(L1Load {
            profile: prices.profile.clone(),
            unit: prices.unit.clone(),
            modelled: true,
            sessions_per_s,
            units_per_session,
            units_per_s,
            capacity_units_per_s,
            block_share,
            payments_least: payments * block_share,
            open_all_s: channels * seconds(prices.open, 1.0),
            close_all_s: channels * seconds(prices.close, 1.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ethereum() -> L1Prices {
        let profile = Profile::find("ethereum-60m").unwrap();
        L1Prices::of(&profile, Deposits::Two, 1).unwrap()
    }

    /// Sessions of 10,000 payments.
    fn ask(disputes: f64) -> Ask {
        let base = super::super::tests::ask(None, "p99=50ms");
        Ask {
            disputes,
            payments: 10_000,
            ..base
        }
    }

    #[test]
    fn prices_are_the_profiles() {
        let prices = ethereum();
        assert_eq!((prices.open, prices.close), (75_904.0, 111_514.0));
        assert_eq!(prices.dispute, Some(113_146.0 + 96_482.0 + 82_026.0));
        assert_eq!((prices.block_units, prices.block_s), (60e6, 12.0));
        let solana = Profile::find("solana-like").unwrap();
        let prices = L1Prices::of(&solana, Deposits::One, 1).unwrap();
        // The shared escrow account, not the block.
        assert_eq!(prices.block_units, 12e6);
    }

    #[test]
    fn a_million_payments_a_second_are_too_many_sessions_for_ethereum() {
        let load = L1Load::of(&ethereum(), &ask(0.01), 1e6, 1e6).unwrap();
        // 75,904 + 0.99 × 111,514 + 0.01 × 291,654 = 189,219.4 gas a session.
        assert!((load.units_per_session - 189_219.4).abs() < 1e-6);
        assert_eq!(load.sessions_per_s, 100.0);
        assert!((load.block_share - 18_921_940.0 / 5e6).abs() < 1e-9);
        assert!((load.payments_least - 37_843.88).abs() < 1e-6);
        // 10.4 hours of whole blocks open and close a million channels.
        let hours = (load.open_all_s + load.close_all_s) / 3600.0;
        assert!((hours - 10.4).abs() < 0.05, "{hours}");
    }

    #[test]
    fn a_blocks_transactions_bind_where_they_are_fewer() {
        let load = |block_transactions| {
            let prices = L1Prices {
                block_transactions,
                ..ethereum()
            };
            L1Load::of(&prices, &ask(0.0), 1e6, 1e6).unwrap()
        };
        // 100 sessions a second are 2,400 transactions a block of 12 s.
        let (bound, free) = (load(Some(240.0)), load(None));
        assert!((bound.block_share - 10.0).abs() < 1e-9);
        assert!((bound.open_all_s - 1e6 / 240.0 * 12.0).abs() < 1e-6);
        assert_eq!(load(Some(1e6)), free);
    }

    #[test]
    fn a_dispute_without_a_price_is_refused() {
        let silent = L1Prices {
            dispute: None,
            ..ethereum()
        };
        assert!(L1Load::of(&silent, &ask(0.0), 1e3, 1e3).is_ok());
        let error = L1Load::of(&silent, &ask(0.01), 1e3, 1e3).unwrap_err();
        assert!(error.contains("no price for a dispute"), "{error}");
    }
}
