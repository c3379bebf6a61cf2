//! Rules S7 and S8, the end without the peer's help: what this party shows Layer 1, and when.
//!
//! From its first post on, sent or seen, an endpoint signs and counts nothing more. What it shows
//! is then always the newest state that both have signed, with its own newest unanswered proposal
//! as the offer: no answer that the peer can make proves such a post stale.

use super::super::proof::Post;
use super::super::rejection::Rejection;
use super::window::Window;
use super::{Endpoint, Flag, Phase, SignOrder};
use crate::crypto::Signature;

impl Endpoint {
    /// Closes unilaterally: because the channel stopped, or because the peer is silent or has
    /// nothing to say any more. Gives what to post; the same again if asked again. Its signature
    /// over the state shown, if that is not the opening, is made again by `sign`.
    ///
    /// A channel that both have finished stays so: its final proof ends it at once.
    ///
    /// # Panics
    /// If an order of this party is not recorded yet: what it signed would be missing in the post.
    pub fn close(&mut self, sign: impl FnOnce(&SignOrder) -> Signature) -> Post {
        self.closes();
        let newest = self.window().and_then(Window::newest);
        Post {
            channel: self.channel,
            shown: self.held(sign),
            offer: newest.map(|sent| sent.state.half_signed(sent.signature)),
        }
    }

    /// Somebody has posted in this channel: the answer, if this party holds a higher state (rule
    /// S7), whatever that post carries and whoever made it.
    ///
    /// # Panics
    /// As [`Endpoint::close`].
    pub fn posted(
        &mut self,
        version: u64,
        sign: impl FnOnce(&SignOrder) -> Signature,
    ) -> Option<Post> {
        self.closes();
        (self.held_version() > version).then(|| self.close(sign))
    }

    /// Why this party closes unilaterally, if the peer broke a rule.
    #[must_use]
    pub fn closes_because(&self) -> Option<Rejection> {
        self.because()
    }

    /// From here on nothing more is signed or counted. Why the channel stopped stays known.
    fn closes(&mut self) {
        self.nothing_outstanding("close");
        if let Phase::Running(tail) | Phase::Finishing(tail) | Phase::Stopped(tail) = self.phase {
            self.phase = Phase::Closing(tail);
        }
    }

    /// # Panics
    /// If an order of this party is not recorded yet.
    pub(super) fn nothing_outstanding(&self, when: &str) {
        let running = matches!(self.phase, Phase::Running(_));
        let unsigned_final = self.flags.has(Flag::FinalOrdered) && running;
        let outstanding = self.outstanding > 0 || unsigned_final;
        assert!(!outstanding, "an order outstanding at a {when}");
    }
}
