//! What Layer 1 keeps of a channel, and what it settles at. Moves no value: the ledger does.

use super::dispute::{Dispute, Posting};
use super::refusal::Refusal;
use crate::crypto::PublicKey;
use crate::protocol::{Amount, Balance, ChannelId, Limits, Pair, Party, State, Terms};

/// An open channel. Closing removes it: its id never opens again, since the opener's nonce is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelStatus {
    /// Nothing has been posted.
    Open,
    /// A party has posted, and the challenge window runs or is over (rules L4 to L6). Apart, so
    /// that the channels of which nothing is posted, which are nearly all, stay small.
    Disputed(Box<Dispute>),
}

// A million channels of 104 bytes, and their ids of 32: 136 MB, a map's slack aside.
const _: () = assert!(size_of::<ChannelRecord>() == 104);

/// How a channel ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settlement {
    /// What each side gets; the capacity in all.
    pub(super) payouts: Pair<Amount>,
    /// Payments made in the channel.
    pub(super) version: u64,
    /// Whose balance goes to the other party (rule L6).
    pub(super) forfeited: Option<Party>,
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

    /// The dispute about it, if something is posted.
    #[must_use]
    pub fn dispute(&self) -> Option<&Dispute> {
        match &self.status {
            ChannelStatus::Open => None,
            ChannelStatus::Disputed(dispute) => Some(dispute),
        }
    }

    /// The party with this key.
    #[must_use]
    pub fn party(&self, key: &PublicKey) -> Option<Party> {
        [Party::A, Party::B]
            .into_iter()
            .find(|party| self.keys.of(*party) == key)
    }

    /// Rules L2 and L3: what a state that both parties signed as final pays out, disputed or not.
    /// It comes from them; that it divides the capacity, neither more nor less, is Layer 1's to
    /// see to.
    pub(super) fn settle(&self, state: &State) -> Result<Settlement, Refusal> {
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
            forfeited: None,
        })
    }

    /// Rule L4: the dispute after a post that is included at this height.
    pub(super) fn post(&self, posting: &Posting, height: u64) -> Result<Dispute, Refusal> {
        match &self.status {
            ChannelStatus::Open => {
                Dispute::begin(posting, &self.limits, self.challenge_window_blocks, height)
            }
            ChannelStatus::Disputed(dispute) => dispute.answered(posting, &self.limits, height),
        }
    }

    /// Rule L5: what a payout at this height pays.
    pub(super) fn pay_out(&self, channel: ChannelId, height: u64) -> Result<Settlement, Refusal> {
        match &self.status {
            ChannelStatus::Open => Err(Refusal::NothingPosted { channel }),
            ChannelStatus::Disputed(dispute) => dispute.settle(&self.limits, height),
        }
    }
}
