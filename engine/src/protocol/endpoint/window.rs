//! Proposals in flight: what is needed to complete each when its answer comes, and its bytes, so
//! that it can be sent again as it was.

use std::collections::VecDeque;

use super::super::burst::NewState;
use crate::crypto::Signature;

/// One channel's unanswered proposals, oldest first.
#[derive(Default)]
pub(super) struct Window {
    proposals: VecDeque<Sent>,
    /// The proposals' messages, back to back; the first `answered` bytes are of answered ones.
    bytes: Vec<u8>,
    answered: usize,
}

/// One proposal that was sent.
pub(super) struct Sent {
    pub(super) state: NewState,
    pub(super) signature: Signature,
    pub(super) pass: bool,
    pub(super) message_len: usize,
}

impl Window {
    pub(super) fn len(&self) -> u32 {
        self.proposals.len() as u32
    }

    pub(super) fn push(&mut self, sent: Sent, message: &[u8]) {
        let newest = self.proposals.back();
        assert!(
            newest.is_none_or(|newest| newest.state.version() == sent.state.from.0),
            "proposals follow each other"
        );
        self.bytes.extend_from_slice(message);
        self.proposals.push_back(sent);
    }

    /// The proposal that led to this version.
    pub(super) fn find(&self, version: u64) -> Option<&Sent> {
        let at = self
            .proposals
            .partition_point(|sent| sent.state.version() < version);
        self.proposals
            .get(at)
            .filter(|sent| sent.state.version() == version)
    }

    /// Takes off all proposals up to this version and gives the last of them.
    pub(super) fn answer(&mut self, version: u64) -> Option<Sent> {
        let mut last = None;
        while let Some(sent) = self
            .proposals
            .pop_front_if(|sent| sent.state.version() <= version)
        {
            self.answered += sent.message_len;
            last = Some(sent);
        }
        if self.answered > self.bytes.len() / 2 {
            self.bytes.drain(..self.answered);
            self.answered = 0;
        }
        last
    }

    /// The messages of the unanswered proposals above a version, as they were sent, and whether
    /// the newest of them passes the turn.
    pub(super) fn after(&self, version: u64) -> (&[u8], bool) {
        let skipped: usize = self
            .proposals
            .iter()
            .take_while(|sent| sent.state.version() <= version)
            .map(|sent| sent.message_len)
            .sum();
        let bytes = &self.bytes[self.answered + skipped..];
        let pass = self.proposals.back().is_some_and(|sent| sent.pass);
        (bytes, pass && !bytes.is_empty())
    }
}

/// Windows that no channel needs at the moment. A channel has one only while it has proposals in
/// flight, so that idle channels cost nothing and busy ones do not allocate.
#[derive(Default)]
pub struct WindowPool(Vec<Box<Window>>);

impl WindowPool {
    /// A pool without windows; it grows to as many as are in use at once.
    #[must_use]
    pub fn new() -> WindowPool {
        WindowPool::default()
    }

    pub(super) fn lend<'w>(&mut self, place: &'w mut Option<Box<Window>>) -> &'w mut Window {
        place.get_or_insert_with(|| self.0.pop().unwrap_or_default())
    }

    /// Takes the window back if it is empty.
    pub(super) fn take_back(&mut self, place: &mut Option<Box<Window>>) {
        if let Some(window) = place.take_if(|window| window.proposals.is_empty()) {
            debug_assert_eq!(window.answered, window.bytes.len());
            self.0.push(window);
        }
    }
}
