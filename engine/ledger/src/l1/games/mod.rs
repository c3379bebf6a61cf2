//! Every game that can be played about a small channel: all off-chain histories of a real
//! [`Endpoint`](duet_channels::protocol::Endpoint) against a peer that does as it likes, and from
//! each of them every sequence of posts, answers, delays and payouts, judged by the real `dispute`.
//!
//! It lives here because only here both halves are in reach: an endpoint's interface is the whole
//! crate's, what decides on posts is Layer 1's own.
//!
//! 1. `honest` takes one step of the honest endpoint or its peer, with real signatures; `reach`
//!    takes them all, and keeps of every point what Layer 1 could be shown of it, a [`View`].
//! 2. `play` searches the games from there. One account after the other acts within a block, in any
//!    order: the peer posts any state that the honest party has signed, with any offer, a stranger
//!    shows any of them as evidence, transactions of the honest party wait up to `delay` blocks.
//! 3. `court` asks the real decisions, and can break one rule at a time, so that the search shows
//!    what it finds. `replay` plays some games again on the real chain, bytes and all.
//!
//! **The honest party** signs what its endpoint signs, may close at any moment, and answers what
//! its endpoint tells it to. A post that is included at height h is seen and answered, both
//! together, by height h + 1 + `delay`.
//!
//! **What each party is due.** The honest party: its balance in the newest state that it has
//! signed; what it counts by S4 is among these. The peer: the rest of the capacity, that is its
//! balance in that same state. So the unanswered proposals of the honest party are the peer's to
//! have, and its own proposals that the honest party never saw are not the honest party's.
//!
//! **Asserted at the end of every game**: the honest party gets at least its due, so that the peer
//! gets no more than its own; the payouts sum to the capacity; the honest party does not forfeit; a
//! *liar* gets nothing from a payout. A liar has posted a state below the one that both parties
//! hold once the honest party has looked, with an offer that covers none of the honest party's
//! states from that one on. Every game ends: no position is without a move, and every move leads
//! forward. With the honest party asleep, who is paid above its due must have lied.
//!
//! **Where blocks are scarce** ([`Bounds::scarce`]), the honest party's transactions wait for any
//! number of blocks, or are evicted, in any of them, whatever it bids. What the peer and strangers
//! send always may come at any height or never. A game whose answer got in, or was needless, must
//! end as above. In all others the honest party gets exactly what the dispute settles at, or all if
//! the peer forfeits; that is no less than its balance in the worst state that it has signed; and
//! it does not forfeit.
//!
//! **Not searched**: what fees cost, batches and roll-overs, reserves, and what other channels do.

mod both;
mod court;
mod honest;
mod lie;
mod play;
mod reach;
mod replay;
mod script;
mod step;
mod tests;

use duet_channels::crypto::{Digest, PublicKey};
use duet_channels::protocol::{Amount, Balance, Limits, Pair, Rules, Terms};

/// How small a channel, and how long its games.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Units locked.
    capacity: u64,
    /// Of them A's.
    deposit_a: u64,
    /// What one payment may be of.
    amounts: &'static [u64],
    /// Payments at most.
    payments: u64,
    /// Payments in one state at most.
    cosign_every: u32,
    /// Unanswered proposals at most.
    in_flight: u32,
    /// The challenge window, in blocks.
    window: u32,
    /// Blocks by which the honest party's transactions may be late, all told.
    delay: u32,
    /// Its transactions wait for any number of blocks beside, and are evicted: it bids again.
    scarce: bool,
}

impl Bounds {
    /// The bounds of the test run.
    const SMALL: Bounds = Bounds {
        capacity: 3,
        deposit_a: 2,
        amounts: &[1, 2],
        payments: 3,
        cosign_every: 2,
        in_flight: 2,
        window: 2,
        delay: 1,
        scarce: false,
    };

    /// The same with the shortest window, for searches that are made many times.
    const TIGHT: Bounds = Bounds {
        window: 1,
        delay: 0,
        ..Bounds::SMALL
    };

    fn told(&self) -> String {
        format!(
            "{} of {} A's, {} payments of {:?}, k {}, {} in flight, window {}, delay {}{}",
            self.deposit_a,
            self.capacity,
            self.payments,
            self.amounts,
            self.cosign_every,
            self.in_flight,
            self.window,
            self.delay,
            if self.scarce { ", scarce blocks" } else { "" },
        )
    }

    fn rules(&self) -> Rules {
        Rules {
            cosign_every: self.cosign_every,
            in_flight: self.in_flight,
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            capacity: Amount::new(self.capacity),
            reserve: Amount::ZERO,
        }
    }

    fn opening(&self) -> Balance {
        Balance {
            version: 0,
            a: Amount::new(self.deposit_a),
        }
    }

    fn terms(&self, genesis: Digest, keys: Pair<PublicKey>) -> Terms {
        Terms {
            genesis,
            nonce: 0,
            index: 0,
            keys,
            deposits: Pair {
                a: Amount::new(self.deposit_a),
                b: Amount::new(self.capacity - self.deposit_a),
            },
            challenge_window_blocks: self.window,
            reserve: Amount::ZERO,
        }
    }

    /// The payments that one state may consist of, if so many are left.
    fn runs(&self, left: usize) -> Vec<Vec<u64>> {
        let mut runs: Vec<Vec<u64>> = Vec::new();
        let mut longest: Vec<Vec<u64>> = vec![Vec::new()];
        for _ in 0..left.min(self.cosign_every as usize) {
            longest = longest
                .iter()
                .flat_map(|run| {
                    let with = |amount: &u64| [run.as_slice(), &[*amount]].concat();
                    self.amounts.iter().map(with).collect::<Vec<_>>()
                })
                .collect();
            runs.extend(longest.iter().cloned());
        }
        runs
    }
}
