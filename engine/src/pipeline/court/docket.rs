//! What is to be submitted when.

use std::collections::BTreeMap;

use super::super::traffic::TrafficKind;
use duet_channels::crypto::PublicKey;
use duet_channels::protocol::{ChannelId, Party, Post};
use duet_ledger::l1::Transaction;

/// What is to be submitted in which block.
#[derive(Default)]
pub(super) struct Docket {
    due: BTreeMap<u64, Vec<Due>>,
}

/// One transaction to come.
#[derive(Clone)]
pub(super) struct Due {
    pub(super) channel: ChannelId,
    pub(super) by: Party,
    /// When it was due first, once it has been submitted or pushed back.
    pub(super) first_due: Option<DueAt>,
    /// How often its bid was raised.
    pub(super) raises: u32,
    /// Of an honest party's answer: the block of the post that it answers.
    pub(super) answers: Option<u64>,
    what: What,
}

/// When a transaction is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DueAt {
    /// The block.
    pub(super) height: u64,
    /// When the block before it was sealed, in virtual milliseconds.
    pub(super) from_ms: u64,
}

#[derive(Clone)]
enum What {
    Post(Box<Post>),
    Payout,
}

impl Due {
    pub(super) fn post(channel: ChannelId, by: Party, post: Post) -> Due {
        Due::new(channel, by, What::Post(Box::new(post)))
    }

    /// An honest party's, to a post in this block.
    pub(super) fn answer(channel: ChannelId, by: Party, post: Post, posted: u64) -> Due {
        Due {
            answers: Some(posted),
            ..Due::post(channel, by, post)
        }
    }

    pub(super) fn payout(channel: ChannelId, by: Party) -> Due {
        Due::new(channel, by, What::Payout)
    }

    fn new(channel: ChannelId, by: Party, what: What) -> Due {
        Due {
            channel,
            by,
            first_due: None,
            raises: 0,
            answers: None,
            what,
        }
    }

    pub(super) fn is_post(&self) -> bool {
        matches!(self.what, What::Post(_))
    }

    /// What it is counted as while it is in no block: of a channel in which something is posted,
    /// or nothing yet.
    pub(super) fn kind(&self, is_posted: bool) -> TrafficKind {
        match (self.is_post(), is_posted) {
            (true, false) => TrafficKind::Post,
            (true, true) => TrafficKind::Answer,
            (false, _) => TrafficKind::Payout,
        }
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

    /// The first block in which something is due.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.due.first_key_value().map(|(height, _)| *height)
    }

    /// Everything up to this height, in the order in which it was due first.
    pub(super) fn take(&mut self, height: u64) -> Vec<Due> {
        let later = self.due.split_off(&(height + 1));
        let due = std::mem::replace(&mut self.due, later);
        let mut all: Vec<Due> = due.into_values().flatten().collect();
        all.sort_by_key(|due| due.first_due.map_or(height, |at| at.height));
        all
    }

    /// Of what is due up to `height`, so many at most that were pushed back and due first by
    /// `since`; in their order.
    pub(super) fn take_pushed_back(&mut self, height: u64, since: u64, most: usize) -> Vec<Due> {
        let mut taken = Vec::new();
        for due in self.due.range_mut(..=height).map(|(_, due)| due) {
            let is_older = |due: &mut Due| due.first_due.is_some_and(|at| at.height <= since);
            let room = most - taken.len();
            taken.extend(due.extract_if(.., is_older).take(room));
        }
        self.due.retain(|_, due| !due.is_empty());
        taken
    }
}
