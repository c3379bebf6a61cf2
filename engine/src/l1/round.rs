//! A run of queued transactions whose signatures are verified together.
//!
//! Keys must be known before any transaction of the round has executed. An account's key stands
//! in the transaction. A channel's keys stand in its record, or, if it opens earlier in the same
//! round, in the open: the channel's id commits to them, so that they are the right ones whether
//! or not that open comes to pass. Where rounds are cut is therefore seen by nobody.

use std::collections::HashMap;

use super::ledger::Ledger;
use super::refusal::Refusal;
use super::witness::{Unchecked, Witness};
use crate::crypto::{Digest, KeyRing, PublicKey};
use crate::protocol::{ChannelId, Pair};

/// The round's memory, kept from round to round.
#[derive(Default)]
pub(super) struct Round {
    /// What each transaction claims, or why it is refused already.
    pub(super) claims: Vec<Result<Unchecked, Refusal>>,
    /// The signatures that those claims need, in the same order.
    pub(super) witnesses: Vec<Witness>,
    /// The keys of channels that the round's transactions open.
    opened: HashMap<ChannelId, Pair<PublicKey>>,
}

impl Round {
    /// Transactions at most: bounds the memory, and is past the size from which a verification
    /// gets no cheaper.
    pub(super) const LARGEST: usize = 8192;

    pub(super) fn clear(&mut self) {
        self.claims.clear();
        self.witnesses.clear();
        self.opened.clear();
    }

    /// Adds the next transaction.
    pub(super) fn add(
        &mut self,
        bytes: &[u8],
        genesis: &Digest,
        ledger: &Ledger,
        ring: &mut KeyRing,
    ) {
        let Round {
            claims,
            witnesses,
            opened,
        } = self;
        let keys_of = |channel: &ChannelId| {
            let record = ledger.channel(channel).map(|record| record.keys);
            record.or_else(|| opened.get(channel).copied())
        };
        let place = claims.len() as u32;
        let claim = Unchecked::read(place, bytes, genesis, ring, keys_of, witnesses);
        for one in claim.iter().flat_map(|unchecked| unchecked.claim().opens()) {
            opened.insert(one.channel, one.terms.keys);
        }
        claims.push(claim);
    }
}
