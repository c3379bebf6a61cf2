//! What Layer 1 keeps of a channel, and what it settles at. Moves no value: the ledger does.

use super::refusal::Refusal;
use crate::crypto::PublicKey;
use crate::protocol::{Amount, Balance, Limits, Pair, Party, State, Terms};

/// An open channel. Closing removes it: its id never opens again, since the opener's nonce is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelRecord {
    /// Who signs for each side, and whose accounts are paid out to.
    pub keys: Pair<PublicKey>,
    /// What is locked, for as long as the channel lives, and the reserve.
    pub limits: Limits,
    /// What A locked: its balance at version 0.
    pub deposit_a: Amount,
    /// The challenge window, in blocks.
    pub challenge_window_blocks: u32,
    /// How far its end has come.
    pub status: ChannelStatus,
}

/// How far a channel's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelStatus {
    /// Nothing has been posted.
    ///
    /// `Disputed { .. }`, with the highest post, its offer, each party's stale post and the
    /// deadline inside, comes with rules L4–L6.
    Open,
}

// A million channels of 96 bytes, and their ids of 32: 128 MB, a map's slack aside.
const _: () = assert!(size_of::<ChannelRecord>() == 96);

/// How a channel ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settlement {
    /// What each side gets; the capacity in all.
    pub(super) payouts: Pair<Amount>,
    /// Payments made in the channel.
    pub(super) version: u64,
}

impl ChannelRecord {
    /// The record of a channel on these terms.
    pub(super) fn new(terms: &Terms, capacity: Amount) -> ChannelRecord {
        ChannelRecord {
            keys: terms.keys,
            limits: Limits {
                capacity,
                reserve: terms.reserve,
            },
            deposit_a: terms.deposits.a,
            challenge_window_blocks: terms.challenge_window_blocks,
            status: ChannelStatus::Open,
        }
    }

    /// Rules L2 and L3: what a state that both parties signed as final pays out. It comes from
    /// them; that it divides the capacity, neither more nor less, is Layer 1's to see to.
    pub(super) fn settle(&self, state: &State) -> Result<Settlement, Refusal> {
        match self.status {
            ChannelStatus::Open => {}
        }
        let balance: Balance = state.balance(self.deposit_a);
        if balance.a > self.limits.capacity {
            return Err(Refusal::BalanceAboveCapacity {
                capacity: self.limits.capacity,
                got: balance.a,
            });
        }
        Ok(Settlement {
            payouts: Pair {
                a: balance.of(Party::A, &self.limits),
                b: balance.of(Party::B, &self.limits),
            },
            version: balance.version,
        })
    }
}
