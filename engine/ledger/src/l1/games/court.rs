//! What Layer 1 says to a post and to a payout: the real decisions, or those with one rule broken.
//! A rule is broken from outside, by asking and by reading otherwise; the decisions themselves are
//! always the real ones.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::super::channel::Settlement;
use super::super::dispute::{Dispute, Posting};
use super::super::refusal::Refusal;
use duet_channels::protocol::{Amount, Balance, Limits, Pair, Party};

/// The height of every first post: heights matter only relative to it.
pub(super) const OPENED: u64 = 40;

/// The rules as they are, or with one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Law {
    /// No change.
    AsItIs,
    /// Offers neither cover nor settle.
    OffersIgnored,
    /// An offer covers every state up to its version, whatever it gives the poster.
    CoveredByVersionOnly,
    /// An offer may give the poster more than the state that it shows.
    OffersRaise,
    /// What a stranger shows counts as the honest party's own post.
    EvidenceIsAPost,
    /// Nobody forfeits.
    NoPunishment,
    /// The honest party posts without its offer.
    HonestOffersNothing,
    /// The honest party answers nothing.
    HonestSleeps,
    /// The honest party goes on signing after it has posted.
    HonestSignsOn,
    /// An offer binds only if the post that it came with settles. (So the rule was first written.)
    OffersLifted,
}

/// A dispute, and what a changed rule settles it at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Case {
    pub(super) dispute: Dispute,
    instead: Option<Balance>,
}

/// All cases so far, by number.
pub(super) struct Court {
    pub(super) limits: Limits,
    window: u32,
    law: Law,
    honest: Party,
    cases: Vec<Case>,
    places: HashMap<Case, u32, BuildHasherDefault<Mixer>>,
}

impl Court {
    pub(super) fn new(limits: Limits, window: u32, law: Law, honest: Party) -> Court {
        Court {
            limits,
            window,
            law,
            honest,
            cases: Vec::new(),
            places: HashMap::default(),
        }
    }

    pub(super) fn law(&self) -> Law {
        self.law
    }

    pub(super) fn case(&self, place: u32) -> &Case {
        &self.cases[place as usize]
    }

    pub(super) fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// The case after a post in it, or the one that a first post begins.
    pub(super) fn post(
        &mut self,
        case: Option<u32>,
        posting: &Posting,
        blocks: u8,
    ) -> Result<u32, Refusal> {
        let (asked, instead) = self.read(posting, case.is_some());
        let height = OPENED + u64::from(blocks);
        let dispute = match case {
            None => Dispute::begin(&asked, &self.limits, self.window, height),
            Some(place) => {
                let case = &self.cases[place as usize];
                case.dispute.answered(&asked, &self.limits, height)
            }
        };
        let case = Case {
            dispute: dispute?,
            instead,
        };
        let cases = &mut self.cases;
        Ok(*self.places.entry(case).or_insert_with(|| {
            cases.push(case);
            u32::try_from(cases.len() - 1).expect("fewer than 2^32 cases")
        }))
    }

    /// What is asked of the real decisions, and what settles instead.
    fn read(&self, posting: &Posting, disputed: bool) -> (Posting, Option<Balance>) {
        let mut asked = *posting;
        // Where offers are not what they were, they bind with their own post alone.
        let instead = match self.law {
            Law::OffersLifted | Law::CoveredByVersionOnly | Law::OffersRaise => {
                Some(posting.offer.unwrap_or(posting.shown))
            }
            _ => None,
        };
        match (self.law, posting.poster, posting.offer) {
            (Law::OffersIgnored, ..) => asked.offer = None,
            (Law::CoveredByVersionOnly, Some(poster), Some(offer))
                if offer.of(poster, &self.limits) <= posting.shown.of(poster, &self.limits) =>
            {
                asked.offer = Some(self.giving(poster, Amount::ZERO, offer));
            }
            (Law::OffersRaise, Some(poster), Some(offer)) => {
                let most = posting.shown.of(poster, &self.limits);
                let least = most.min(offer.of(poster, &self.limits));
                asked.offer = Some(self.giving(poster, least, offer));
            }
            (Law::EvidenceIsAPost, None, _) if disputed => asked.poster = Some(self.honest),
            _ => {}
        }
        (asked, instead)
    }

    fn giving(&self, poster: Party, amount: Amount, offer: Balance) -> Balance {
        let rest = self.limits.capacity.minus(amount).expect("within capacity");
        let a = if poster == Party::A { amount } else { rest };
        Balance { a, ..offer }
    }

    /// What a payout pays, so many blocks after the first post.
    pub(super) fn settle(&self, case: u32, blocks: u8) -> Result<Settlement, Refusal> {
        let Case { dispute, instead } = self.case(case);
        let mut settlement = dispute.settle(&self.limits, OPENED + u64::from(blocks))?;
        if self.law == Law::NoPunishment {
            settlement.forfeited = None;
            settlement.payouts = self.shares(dispute.settles());
        }
        if let (Some(instead), None) = (instead, settlement.forfeited) {
            settlement.payouts = self.shares(instead);
        }
        Ok(settlement)
    }

    fn shares(&self, balance: &Balance) -> Pair<Amount> {
        Pair::each(|party| balance.of(party, &self.limits))
    }
}

/// A hash for small keys that nobody chooses to collide.
#[derive(Default)]
pub(super) struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(u64::from(n));
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
