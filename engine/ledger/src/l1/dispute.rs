//! Rules L4 to L6: who may post what and when, what settles, and whose post was a lie. A dispute is
//! plain data of one size, however many posts there are. Moves no value: the ledger does.
//!
//! One thing is stricter than the rules were first written: an offer does not cease to bind when
//! another post settles, as long as it covers what that one shows.

use super::channel::Settlement;
use super::refusal::Refusal;
use duet_base::bytes::Reader;
use duet_channels::protocol::{Amount, Balance, ChannelId, Limits, Pair, Party};

/// What a post claims, once its signatures have been verified and its poster is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(super) struct Posting {
    pub(super) channel: ChannelId,
    /// The party whose key signed the transaction; none for any other account.
    pub(super) poster: Option<Party>,
    /// The co-signed state shown.
    pub(super) shown: Balance,
    /// The state that the poster offers instead.
    pub(super) offer: Option<Balance>,
}

/// A channel that is closing against the will, or without the help, of one of its parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub struct Dispute {
    /// The height of the block with the first post.
    opened: u64,
    /// The last height at which an answer counts; payout from the next one on.
    until: u64,
    /// The highest version that a post has shown.
    highest: u64,
    /// What settles if nothing higher comes: that post's state, or its offer.
    settles: Balance,
    /// How each party's own posts stand.
    standing: Pair<Standing>,
}

/// How one party's posts stand, all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(super) enum Standing {
    /// It has posted nothing.
    Silent,
    /// None of its posts is proven stale. Each covers states up to some version (its own if it
    /// carries no offer, else the offer's) in which the party has at least so much; a state that
    /// all of them cover is one of at most the least version and at least the largest balance.
    Covers { version: u64, balance: Amount },
    /// A later state that one of its posts does not cover was shown (rule L6).
    Stale,
}

impl Posting {
    /// What rule L4 asks of a post by itself, whatever was posted before.
    fn check(&self, limits: &Limits) -> Result<(), Refusal> {
        let capacity = limits.capacity;
        if self.shown.a > capacity {
            return Err(Refusal::BalanceAboveCapacity {
                capacity,
                got: self.shown.a,
            });
        }
        let Some(offer) = self.offer else {
            return Ok(());
        };
        let Some(poster) = self.poster else {
            return Err(Refusal::OfferByStranger {
                channel: self.channel,
            });
        };
        if offer.a > capacity {
            return Err(Refusal::OfferAboveCapacity {
                capacity,
                got: offer.a,
            });
        }
        if offer.version <= self.shown.version {
            return Err(Refusal::OfferNotHigher {
                shown: self.shown.version,
                got: offer.version,
            });
        }
        let (have, got) = (self.shown.of(poster, limits), offer.of(poster, limits));
        if got > have {
            return Err(Refusal::OfferRaisesPoster { have, got });
        }
        Ok(())
    }

    /// What the poster's standing is on its account.
    fn covers(&self, poster: Party, limits: &Limits) -> Standing {
        match self.offer {
            Some(offer) => Standing::Covers {
                version: offer.version,
                balance: offer.of(poster, limits),
            },
            // No state of a later post is of this version, so that the balance does not matter.
            None => Standing::Covers {
                version: self.shown.version,
                balance: Amount::ZERO,
            },
        }
    }
}

impl Standing {
    /// After a post, of anyone, that shows this state.
    fn against(self, shown: &Balance, party: Party, limits: &Limits) -> Standing {
        match self {
            Standing::Covers { version, balance }
                if version < shown.version || balance > shown.of(party, limits) =>
            {
                Standing::Stale
            }
            standing => standing,
        }
    }

    /// After one more post of the party's own.
    fn and(self, post: Standing) -> Standing {
        match (self, post) {
            (Standing::Silent, post) => post,
            (
                Standing::Covers { version, balance },
                Standing::Covers {
                    version: of_post,
                    balance: balance_of_post,
                },
            ) => Standing::Covers {
                version: version.min(of_post),
                balance: balance.max(balance_of_post),
            },
            (standing, _) => standing,
        }
    }
}

/// An offer binds its poster as long as it covers what is shown, whoever shows it: else an offer of
/// everything, and then an old state shown from another account, would be an old state for which
/// nobody can be punished. Of several offers the highest one binds.
///
/// Nobody gets less by the other party's offer than in the state shown, which it covers; and nobody
/// by its own than it has signed itself.
fn promised(standing: &Pair<Standing>, posting: &Posting, limits: &Limits) -> Option<Balance> {
    let promise = |party: Party| match standing[party] {
        Standing::Covers { version, balance } if version > posting.shown.version => {
            let others = limits.capacity.minus(balance).expect("within the capacity");
            let a = match party {
                Party::A => balance,
                Party::B => others,
            };
            Some(Balance { version, a })
        }
        _ => None,
    };
    // The last of equals: the post's own, then the opener's.
    let promises = [Party::B, Party::A].into_iter().filter_map(promise);
    let promises = promises.chain(posting.offer);
    promises.max_by_key(|promise| promise.version)
}

impl Dispute {
    /// The dispute that a post begins, included at this height.
    pub(super) fn begin(
        posting: &Posting,
        limits: &Limits,
        challenge_window_blocks: u32,
        height: u64,
    ) -> Result<Dispute, Refusal> {
        posting.check(limits)?;
        if posting.poster.is_none() {
            return Err(Refusal::NothingToAnswer {
                channel: posting.channel,
            });
        }
        let silent = Dispute {
            opened: height,
            until: height + u64::from(challenge_window_blocks),
            highest: 0,
            settles: posting.shown,
            standing: Pair {
                a: Standing::Silent,
                b: Standing::Silent,
            },
        };
        Ok(silent.after(posting, limits))
    }

    /// The dispute after an answer, included at this height.
    pub(super) fn answered(
        &self,
        posting: &Posting,
        limits: &Limits,
        height: u64,
    ) -> Result<Dispute, Refusal> {
        posting.check(limits)?;
        if height <= self.opened {
            return Err(Refusal::WindowNotOpen {
                from: self.opened + 1,
                height,
            });
        }
        if height > self.until {
            return Err(Refusal::WindowClosed {
                until: self.until,
                height,
            });
        }
        if posting.shown.version <= self.highest {
            return Err(Refusal::PostNotHigher {
                highest: self.highest,
                got: posting.shown.version,
            });
        }
        Ok(self.after(posting, limits))
    }

    fn after(&self, posting: &Posting, limits: &Limits) -> Dispute {
        let Pair { a, b } = self.standing;
        let mut standing = Pair {
            a: a.against(&posting.shown, Party::A, limits),
            b: b.against(&posting.shown, Party::B, limits),
        };
        match posting.poster {
            Some(Party::A) => standing.a = standing.a.and(posting.covers(Party::A, limits)),
            Some(Party::B) => standing.b = standing.b.and(posting.covers(Party::B, limits)),
            None => {}
        }
        Dispute {
            highest: posting.shown.version,
            settles: promised(&standing, posting, limits).unwrap_or(posting.shown),
            standing,
            ..*self
        }
    }

    /// Rules L5 and L6: what a payout at this height pays.
    pub(super) fn settle(&self, limits: &Limits, height: u64) -> Result<Settlement, Refusal> {
        if height <= self.until {
            return Err(Refusal::WindowStillOpen {
                until: self.until,
                height,
            });
        }
        let [a, b] = Party::BOTH.map(|party| self.settles.of(party, limits));
        let forfeited = self.forfeits();
        let payouts = match forfeited {
            None => Pair { a, b },
            Some(Party::A) => Pair {
                a: Amount::ZERO,
                b: limits.capacity,
            },
            Some(Party::B) => Pair {
                a: limits.capacity,
                b: Amount::ZERO,
            },
        };
        Ok(Settlement {
            payouts,
            version: self.settles.version,
            forfeited,
        })
    }

    /// The party that forfeits its balance if nothing higher comes. If both are proven stale,
    /// neither does.
    #[must_use]
    pub fn forfeits(&self) -> Option<Party> {
        match (self.standing.a, self.standing.b) {
            (Standing::Stale, Standing::Stale) => None,
            (Standing::Stale, _) => Some(Party::A),
            (_, Standing::Stale) => Some(Party::B),
            _ => None,
        }
    }

    /// The height of the block with the first post: answers count from the next one on.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// The last height at which an answer counts; payout from the next one on.
    #[must_use]
    pub fn until(&self) -> u64 {
        self.until
    }

    /// The highest version that a post has shown: an answer must show a higher one.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// What settles if nothing higher comes, forfeits aside.
    #[must_use]
    pub fn settles(&self) -> &Balance {
        &self.settles
    }
}

/// A dispute as bytes: `opened 8 · until 8 · highest 8 · version 8 and A's balance 8 of what
/// settles · A's standing 17 · B's standing 17`, integers little-endian. A standing is `0`
/// (silent), `1` (covers: version 8 · balance 8) or `2` (stale); what is not said is 0.
pub(super) const DISPUTE_BYTES: usize = 5 * 8 + 2 * STANDING_BYTES;
const STANDING_BYTES: usize = 1 + 2 * 8;

impl Dispute {
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let Balance { version, a } = self.settles;
        for word in [self.opened, self.until, self.highest, version, a.units()] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for standing in [&self.standing.a, &self.standing.b] {
            let (kind, version, balance) = match *standing {
                Standing::Silent => (0, 0, 0),
                Standing::Covers { version, balance } => (1, version, balance.units()),
                Standing::Stale => (2, 0, 0),
            };
            bytes.push(kind);
            bytes.extend_from_slice(&version.to_le_bytes());
            bytes.extend_from_slice(&u64::to_le_bytes(balance));
        }
    }

    /// Reads a dispute about a channel of this capacity, if it can be one.
    pub(super) fn decode(bytes: &[u8; DISPUTE_BYTES], capacity: Amount) -> Option<Dispute> {
        let mut fields = Reader::new(bytes);
        let standing = |fields: &mut Reader<'_>| {
            let (kind, version, balance) = (fields.byte()?, fields.u64()?, fields.u64()?);
            match (kind, version, balance) {
                (0, 0, 0) => Some(Standing::Silent),
                (1, _, _) => Some(Standing::Covers {
                    version,
                    balance: Some(Amount::new(balance)).filter(|balance| *balance <= capacity)?,
                }),
                (2, 0, 0) => Some(Standing::Stale),
                _ => None,
            }
        };
        let dispute = Dispute {
            opened: fields.u64()?,
            until: fields.u64()?,
            highest: fields.u64()?,
            settles: Balance {
                version: fields.u64()?,
                a: Amount::new(fields.u64()?),
            },
            standing: Pair {
                a: standing(&mut fields)?,
                b: standing(&mut fields)?,
            },
        };
        let silent =
            dispute.standing.a == Standing::Silent && dispute.standing.b == Standing::Silent;
        let sound = dispute.opened < dispute.until
            && dispute.settles.a <= capacity
            && dispute.settles.version >= dispute.highest
            && !silent;
        sound.then_some(dispute)
    }
}
