//! What is to be submitted when, and what the disputes came to.

use std::collections::BTreeMap;

use duet_channels::crypto::PublicKey;
use duet_channels::protocol::{ChannelId, Party, Post};
use duet_ledger::l1::Transaction;

use super::super::attack::Attack;

/// What the disputes of a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disputes {
    /// Channels that a post closed.
    pub closes: u64,
    /// Posts in such channels after the first.
    pub answers: u64,
    /// Channels in which a party forfeited its balance.
    pub punishments: u64,
    /// What honest parties got less than they were due, in the smallest unit, summed over
    /// channels; what they got more is not set off against it.
    pub lost_by_honest: u64,
    /// Honest parties that got less than they were due.
    pub honest_losers: u64,
    /// Honest parties that forfeited their balance.
    pub honest_punished: u64,
    /// Posts that were not in the block in which they were due, since others had filled it; or in
    /// none before the payout.
    pub late_posts: u64,
    /// Channels whose payout is not what the rules make of the attack, although the window is
    /// longer than the delay and no post was late: our own bug.
    pub mismatches: u64,
    /// Rule breaks that made an honest party close, by the rejection's name.
    pub rejections: BTreeMap<&'static str, u64>,
    /// Transactions of disputes that Layer 1 refused, by the refusal's name.
    pub refused: BTreeMap<&'static str, u64>,
    /// What each kind of attack cost Layer 1.
    pub attacks: BTreeMap<Attack, AttackCost>,
    /// The same for channels that stopped without an attack.
    pub stopped: AttackCost,
}

/// What the disputes of one kind cost Layer 1, from the first post to the payout. The cooperative
/// close of each that would have been is not set off against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttackCost {
    /// Channels.
    pub cases: u64,
    /// Transactions in blocks.
    pub transactions: u64,
    /// Of these, transactions whose fee an honest party paid.
    pub paid_by_honest: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Channels in which a party forfeited its balance.
    pub punishments: u64,
}

impl Disputes {
    pub(super) fn of(&mut self, attack: Option<Attack>) -> &mut AttackCost {
        match attack {
            Some(attack) => self.attacks.entry(attack).or_default(),
            None => &mut self.stopped,
        }
    }

    /// Channels that did not end politely.
    #[must_use]
    pub fn cases(&self) -> u64 {
        self.stopped.cases + self.attacks.values().map(|cost| cost.cases).sum::<u64>()
    }
}

/// What is to be submitted in which block.
#[derive(Default)]
pub(super) struct Docket {
    due: BTreeMap<u64, Vec<Due>>,
}

/// One transaction to come.
pub(super) struct Due {
    pub(super) channel: ChannelId,
    pub(super) by: Party,
    /// The block that it was due in before it was pushed back, if it was.
    pub(super) first_due: Option<u64>,
    what: What,
}

enum What {
    Post(Box<Post>),
    Payout,
}

impl Due {
    pub(super) fn post(channel: ChannelId, by: Party, post: Post) -> Due {
        Due::new(channel, by, What::Post(Box::new(post)))
    }

    pub(super) fn payout(channel: ChannelId, by: Party) -> Due {
        Due::new(channel, by, What::Payout)
    }

    fn new(channel: ChannelId, by: Party, what: What) -> Due {
        Due {
            channel,
            by,
            first_due: None,
            what,
        }
    }

    pub(super) fn is_post(&self) -> bool {
        matches!(self.what, What::Post(_))
    }

    pub(super) fn transaction(&self, submitter: PublicKey) -> Transaction {
        match &self.what {
            What::Post(post) => Transaction::Post {
                submitter,
                post: **post,
            },
            What::Payout => Transaction::Payout {
                submitter,
                channel: self.channel,
            },
        }
    }
}

impl Docket {
    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    pub(super) fn at(&mut self, height: u64, due: Due) {
        self.due.entry(height).or_default().push(due);
    }

    /// Everything up to this height.
    pub(super) fn take(&mut self, height: u64) -> Vec<Due> {
        let later = self.due.split_off(&(height + 1));
        let due = std::mem::replace(&mut self.due, later);
        due.into_values().flatten().collect()
    }
}
