//! What Layer 1 keeps of a channel, and what it settles at. Moves no value: the ledger does.

use std::num::NonZeroU32;

use super::dispute::{Dispute, Posting};
use super::refusal::Refusal;
use duet_channels::crypto::PublicKey;
use duet_channels::protocol::{Amount, Balance, ChannelId, Limits, Pair, Party, State, Terms};

/// An open channel, as Layer 1 shows it. Closing removes it: its id never opens again, since the
/// opener's nonce is in it.
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
    Open,
    /// A party has posted, and the challenge window runs or is over (rules L4 to L6).
    Disputed(Dispute),
}

impl ChannelRecord {
    /// The dispute about it, if something is posted.
    #[must_use]
    pub fn dispute(&self) -> Option<Dispute> {
        match self.status {
            ChannelStatus::Open => None,
            ChannelStatus::Disputed(dispute) => Some(dispute),
        }
    }

    /// The party with this key.
    #[must_use]
    pub fn party(&self, key: &PublicKey) -> Option<Party> {
        let mut both = Party::BOTH.into_iter();
        both.find(|party| self.keys[*party] == *key)
    }
}

/// An open channel as it is kept, its parties aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) limits: Limits,
    pub(super) deposit_a: Amount,
    pub(super) challenge_window_blocks: NonZeroU32,
    /// If something is posted. Apart, so that the channels of which nothing is posted, which are
    /// nearly all, stay small.
    pub(super) dispute: Option<Box<Dispute>>,
}

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

impl Channel {
    /// A channel on these terms, of which this is the capacity.
    ///
    /// # Panics
    /// If the terms make no channel.
    pub(super) fn new(terms: &Terms, capacity: Amount) -> Channel {
        Channel {
            limits: Limits {
                capacity,
                reserve: terms.reserve,
            },
            deposit_a: terms.deposits.a,
            challenge_window_blocks: NonZeroU32::new(terms.challenge_window_blocks)
                .expect("terms that make a channel have a window"),
            dispute: None,
        }
    }

    /// What Layer 1 shows of it, between these parties.
    pub(super) fn record(&self, keys: Pair<PublicKey>) -> ChannelRecord {
        let dispute = self.dispute.as_deref();
        ChannelRecord {
            keys,
            limits: self.limits,
            deposit_a: self.deposit_a,
            challenge_window_blocks: self.challenge_window_blocks.get(),
            status: dispute.map_or(ChannelStatus::Open, |of| ChannelStatus::Disputed(*of)),
        }
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
            payouts: Pair::each(|party| balance.of(party, &self.limits)),
            version: balance.version,
            forfeited: None,
        })
    }

    /// Rule L4: the dispute after a post that is included at this height.
    pub(super) fn post(&self, posting: &Posting, height: u64) -> Result<Dispute, Refusal> {
        match &self.dispute {
            None => {
                let window = self.challenge_window_blocks.get();
                Dispute::begin(posting, &self.limits, window, height)
            }
            Some(dispute) => dispute.answered(posting, &self.limits, height),
        }
    }

    /// Rule L5: what a payout at this height pays.
    pub(super) fn pay_out(&self, channel: ChannelId, height: u64) -> Result<Settlement, Refusal> {
        match &self.dispute {
            None => Err(Refusal::NothingPosted { channel }),
            Some(dispute) => dispute.settle(&self.limits, height),
        }
    }
}
