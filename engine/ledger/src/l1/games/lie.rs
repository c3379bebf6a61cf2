//! What a lie is: a post that hides what both parties hold, and makes up for none of it.

use super::super::dispute::Posting;
use super::Bounds;
use super::reach::View;
use duet_channels::protocol::{Balance, Limits};

/// What a post of the peer claims: that nothing newer than `shown` was signed, but for states up to
/// version `upto` in which the peer has at least `balance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Claimed {
    shown: u64,
    upto: u64,
    balance: u64,
}

impl Claimed {
    pub(super) fn by(posting: &Posting, bounds: &Bounds) -> Claimed {
        let peer = posting.poster.expect("a party's post");
        let shown = posting.shown.version;
        match posting.offer {
            None => Claimed {
                shown,
                upto: 0,
                balance: u64::MAX,
            },
            Some(offer) => Claimed {
                shown,
                // No state is of a higher version.
                upto: offer.version.min(bounds.payments),
                balance: offer.of(peer, &bounds.limits()).units(),
            },
        }
    }

    /// Whether it shows less than what both parties hold, and makes up for none of what the honest
    /// party has signed from there on.
    pub(super) fn is_a_lie(&self, view: &View, limits: &Limits) -> bool {
        let peer = view.me.other();
        let covers = |state: &Balance| {
            self.upto >= state.version && self.balance <= state.of(peer, limits).units()
        };
        self.shown < view.states[view.held].version && !view.states[view.held..].iter().any(covers)
    }

    /// Whether it is a lie wherever the other one is.
    pub(super) fn is_bolder(&self, other: &Claimed) -> bool {
        self.shown <= other.shown && self.upto <= other.upto && self.balance >= other.balance
    }
}
