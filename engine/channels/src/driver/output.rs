//! What a driver puts out: records to keep, then messages to send and events to believe.

use std::ops::Range;

use super::slot::Slot;
use crate::protocol::{Amount, Entry, Post, Rejection};

/// What came of one [`Driver::advance`](super::Driver::advance). Reused: it allocates only while it
/// grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    bytes: Vec<u8>,
    records: Vec<(Slot, Range<usize>)>,
    messages: Vec<(Slot, Range<usize>)>,
    posts: Vec<(Slot, Post)>,
    events: Vec<(Slot, Event)>,
    received: Vec<(Slot, Entry)>,
}

/// What happened in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer has paid: this party counts the payments as received (rule S4).
    /// [`Output::received`] has them one by one.
    Received {
        /// How many.
        payments: u64,
        /// The log's length after the last of them.
        version: u64,
    },
    /// The peer has co-signed payments of this party's.
    Paid {
        /// How many.
        payments: u64,
        /// The log's length after the last of them.
        version: u64,
    },
    /// A payment that was asked for is not made: this party's own rules refuse it.
    Refused {
        /// How much.
        amount: Amount,
        /// Its tag.
        tag: u64,
        /// Why.
        rejection: Rejection,
    },
    /// Payments that were asked for are not made: the channel ended before they were proposed.
    /// Those in flight may settle or not: what is posted offers them.
    NotMade {
        /// How many.
        payments: u64,
    },
    /// Both have signed the last state as final: the channel can be closed at once.
    Finished,
    /// The peer broke a rule: nothing more is signed or counted, and the channel is to be closed
    /// without it ([`Driver::close`](super::Driver::close)).
    Stopped(Rejection),
}

impl Output {
    /// What to keep of each channel before anything else of this output leaves: the newest record
    /// of a channel replaces the one before.
    pub fn records(&self) -> impl Iterator<Item = (Slot, &[u8])> {
        let records = self.records.iter();
        records.map(|(slot, range)| (*slot, &self.bytes[range.clone()]))
    }

    /// Whole messages for the peers, of each channel in the order in which they must arrive.
    pub fn messages(&self) -> impl Iterator<Item = (Slot, &[u8])> {
        let messages = self.messages.iter();
        messages.map(|(slot, range)| (*slot, &self.bytes[range.clone()]))
    }

    /// What to show Layer 1 of channels that are closed without the peer.
    #[must_use]
    pub fn posts(&self) -> &[(Slot, Post)] {
        &self.posts
    }

    /// The payments that this party counts as received, one by one.
    #[must_use]
    pub fn received(&self) -> &[(Slot, Entry)] {
        &self.received
    }

    /// What happened, of each channel in order.
    #[must_use]
    pub fn events(&self) -> &[(Slot, Event)] {
        &self.events
    }

    /// Whether there is nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.messages.is_empty()
            && self.posts.is_empty()
            && self.events.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
        self.messages.clear();
        self.posts.clear();
        self.events.clear();
        self.received.clear();
    }

    pub(super) fn record(&mut self, slot: Slot, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.records.push((slot, start..self.bytes.len()));
    }

    /// Appends messages, if `write` writes any; those of one channel that follow each other are
    /// one.
    pub(super) fn message(&mut self, slot: Slot, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let end = self.bytes.len();
        match self.messages.last_mut() {
            _ if start == end => {}
            Some((last, range)) if *last == slot && range.end == start => range.end = end,
            _ => self.messages.push((slot, start..end)),
        }
    }

    pub(super) fn post(&mut self, slot: Slot, post: Post) {
        self.posts.push((slot, post));
    }

    pub(super) fn entry(&mut self, slot: Slot, entry: Entry) {
        self.received.push((slot, entry));
    }

    pub(super) fn event(&mut self, slot: Slot, event: Event) {
        self.events.push((slot, event));
    }
}
