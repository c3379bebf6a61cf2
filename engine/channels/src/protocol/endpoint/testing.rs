//! What tests of other crates see of an endpoint.

use super::super::entry::Entry;
use super::Endpoint;
use crate::crypto::Digest;

/// What the games tell one endpoint from another by.
impl Endpoint {
    /// The head that the newest answered proposal extends, as far as it can make a difference.
    #[must_use]
    pub fn answered_from(&self) -> Option<Digest> {
        let by_peer = Entry::decode(&self.held.entry).payer != self.me();
        let tail = self.phase.tail().filter(|_| self.held_version() > 0);
        tail.filter(|_| by_peer).map(|tail| tail.answered_from)
    }

    /// The versions of the proposals in flight, and whether each passes the turn.
    #[must_use]
    pub fn proposals_in_flight(&self) -> Vec<(u64, bool)> {
        let sent = self.window().into_iter().flat_map(|window| window.after(0));
        sent.map(|(sent, _)| (sent.state.version(), sent.pass))
            .collect()
    }
}
