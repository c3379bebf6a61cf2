//! Rules S7 and S8, the end without the peer's help: what this party shows Layer 1, and when.
//!
//! From its first post on, sent or seen, an endpoint signs and counts nothing more. What it shows
//! is then always the newest state that both have signed, with its own newest unanswered proposal
//! as the offer: no answer that the peer can make proves such a post stale.

use super::super::proof::Post;
use super::super::rejection::Rejection;
use super::{Endpoint, Status};

impl Endpoint {
    /// Closes unilaterally: because the channel stopped, or because the peer is silent or has
    /// nothing to say any more. Gives what to post; the same again if asked again.
    ///
    /// A channel that both have finished stays so: its final proof ends it at once.
    ///
    /// # Panics
    /// If an order of this party is not recorded yet: what it signed would be missing in the post.
    pub fn close(&mut self) -> Post {
        self.nothing_outstanding("close");
        self.status = match self.status {
            finished @ Status::Finished { .. } => finished,
            closing @ Status::Closing { .. } => closing,
            Status::Stopped(rejection) => Status::Closing {
                because: Some(rejection),
            },
            Status::Running | Status::Finishing { .. } => Status::Closing { because: None },
        };
        self.post()
    }

    /// Somebody has posted in this channel: the answer, if this party holds a higher state (rule
    /// S7), whatever that post carries and whoever made it.
    ///
    /// # Panics
    /// As [`Endpoint::close`].
    pub fn posted(&mut self, version: u64) -> Option<Post> {
        let post = self.close();
        (post.version() > version).then_some(post)
    }

    /// Why this party closes unilaterally, if the peer broke a rule.
    #[must_use]
    pub fn closes_because(&self) -> Option<Rejection> {
        match self.status {
            Status::Closing { because } => because,
            Status::Stopped(rejection) => Some(rejection),
            _ => None,
        }
    }

    fn post(&self) -> Post {
        let newest = self.in_flight.as_ref().and_then(|window| window.newest());
        Post {
            channel: self.channel,
            shown: self.held,
            offer: newest.map(|sent| sent.state.half_signed(sent.signature)),
        }
    }

    /// # Panics
    /// If an order of this party is not recorded yet.
    pub(super) fn nothing_outstanding(&self, when: &str) {
        let unsigned_final = self.final_ordered && self.status == Status::Running;
        let outstanding = self.ordered > 0 || self.answering > 0 || unsigned_final;
        assert!(!outstanding, "an order outstanding at a {when}");
    }
}
