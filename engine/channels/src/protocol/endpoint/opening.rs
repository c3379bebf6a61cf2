//! What the two sides of a channel begin with.

use super::super::amount::Amount;
use super::super::entry::{Balance, Limits};
use super::super::terms::{ChannelId, Pair, Party, Terms, TermsError};
use super::held::Held;
use super::{Endpoint, Flag, Flags, Phase, Rules, Tail};
use crate::crypto::KeyId;

/// Of one channel: what its sides have in common.
pub(super) struct Opening {
    channel: ChannelId,
    limits: Limits,
    balance_a: Amount,
    rules: Rules,
}

impl Opening {
    pub(super) fn new(terms: &Terms, rules: Rules) -> Result<Opening, TermsError> {
        assert!((1..=Rules::MOST_ENTRIES).contains(&rules.cosign_every));
        assert!(rules.in_flight >= 1);
        Ok(Opening {
            limits: Limits {
                capacity: terms.capacity()?,
                reserve: terms.reserve,
            },
            channel: terms.channel_id(),
            balance_a: terms.deposits.a,
            rules,
        })
    }

    /// What a side began with that has not moved since.
    ///
    /// # Panics
    /// If it has.
    pub(super) fn of(end: &Endpoint) -> Opening {
        assert_eq!(
            end.balance.version, 0,
            "nothing was signed since the opening"
        );
        Opening {
            channel: end.channel,
            limits: end.limits,
            balance_a: end.balance.a,
            rules: end.rules(),
        }
    }

    pub(super) fn end(&self, me: Party, peer: KeyId) -> Endpoint {
        let mut flags = Flags(0);
        flags.set(Flag::OfB, me == Party::B);
        Endpoint {
            channel: self.channel,
            limits: self.limits,
            balance: Balance {
                version: 0,
                a: self.balance_a,
            },
            held: Held::OPENING,
            phase: Phase::Running(Tail {
                head: self.channel.0,
                answered_from: self.channel.0,
            }),
            counted: 0,
            turns_passed: 0,
            aside: None,
            outstanding: 0,
            in_flight_most: self.rules.in_flight,
            peer,
            cosign_every: self.rules.cosign_every as u16,
            flags,
        }
    }
}

impl Endpoint {
    /// One side of a channel that Layer 1 has opened under these terms.
    ///
    /// `peer` is the other side's key in the ring with which its signatures are verified.
    ///
    /// # Errors
    /// If the terms make no channel.
    ///
    /// # Panics
    /// If the rules are out of range: they are configuration, checked where they are read.
    pub fn new(
        me: Party,
        terms: &Terms,
        peer: KeyId,
        rules: Rules,
    ) -> Result<Endpoint, TermsError> {
        let opening = Opening::new(terms, rules)?;
        Ok(opening.end(me, peer))
    }

    /// Both sides of such a channel, for whoever plays both, for little more than one. `peers` are
    /// the keys that A and B verify with: the other one's.
    ///
    /// # Errors
    /// As [`Endpoint::new`].
    ///
    /// # Panics
    /// As [`Endpoint::new`].
    pub fn both(
        terms: &Terms,
        peers: Pair<KeyId>,
        rules: Rules,
    ) -> Result<Pair<Endpoint>, TermsError> {
        let opening = Opening::new(terms, rules)?;
        Ok(Pair {
            a: opening.end(Party::A, peers.a),
            b: opening.end(Party::B, peers.b),
        })
    }
}
