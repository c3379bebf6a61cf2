//! Rules L4 to L6 once more, by the book: every post is kept, and every pair of them compared.

use duet_engine::protocol::{Amount, Balance, Entry, Pair, Party, Post};

use super::model::Objection;
use super::node::Ground;

/// One channel's posts, in the order of their blocks.
pub(crate) struct Oracle {
    deposit_a: Amount,
    capacity: u64,
    window_blocks: u64,
    posts: Vec<Posted>,
}

struct Posted {
    by: Option<Party>,
    height: u64,
    shown: Balance,
    offer: Option<Balance>,
}

impl Oracle {
    pub(crate) fn new(channel: usize, ground: &Ground) -> Oracle {
        let deposits = ground.plan.channels[channel].deposits;
        Oracle {
            deposit_a: Amount::new(deposits[0]),
            capacity: deposits.iter().sum(),
            window_blocks: ground.plan.window_blocks,
            posts: Vec::new(),
        }
    }

    /// The highest version posted, and the last block of the window.
    pub(crate) fn posted(&self) -> Option<(u64, u64)> {
        let (first, last) = (self.posts.first()?, self.posts.last()?);
        Some((last.shown.version, first.height + self.window_blocks))
    }

    fn of(&self, party: Party, balance: &Balance) -> u64 {
        match party {
            Party::A => balance.a.units(),
            Party::B => self.capacity.wrapping_sub(balance.a.units()),
        }
    }

    /// A post is in the block of this height. Gives who is proven stale by now.
    pub(crate) fn included(
        &mut self,
        by: Option<Party>,
        post: &Post,
        height: u64,
    ) -> Result<Vec<Party>, Objection> {
        let shown = post.state().balance(self.deposit_a);
        let offer = post.offer.as_ref().map(|offer| {
            let entry = Entry::decode(&offer.entry);
            Balance {
                version: entry.version,
                a: entry.balance_a,
            }
        });
        let in_order = match (self.posts.first(), self.posts.last()) {
            (Some(first), Some(last)) => {
                let window = first.height + 1..=first.height + self.window_blocks;
                window.contains(&height) && shown.version > last.shown.version
            }
            _ => by.is_some(),
        };
        let sound = |balance: &Balance| balance.a.units() <= self.capacity;
        let offer_in_order = offer.as_ref().is_none_or(|offer| {
            by.is_some_and(|by| {
                sound(offer)
                    && offer.version > shown.version
                    && self.of(by, offer) <= self.of(by, &shown)
            })
        });
        if !(in_order && sound(&shown) && offer_in_order) {
            return Err(format!(
                "L4: a post of {by:?} at {height} should be refused"
            ));
        }
        self.posts.push(Posted {
            by,
            height,
            shown,
            offer,
        });
        let parties = Party::BOTH.into_iter();
        Ok(parties.filter(|party| self.stale(*party)).collect())
    }

    fn stale(&self, party: Party) -> bool {
        self.posts.iter().enumerate().any(|(at, post)| {
            let covered = |later: &Posted| {
                post.offer.as_ref().is_some_and(|offer| {
                    offer.version >= later.shown.version
                        && self.of(party, offer) <= self.of(party, &later.shown)
                })
            };
            post.by == Some(party) && self.posts[at + 1..].iter().any(|later| !covered(later))
        })
    }

    /// What a party has promised, all of its posts together, that covers whatever was shown.
    fn promised(&self, party: Party) -> Option<Balance> {
        let last = self.posts.last()?;
        let own: Vec<&Posted> = self
            .posts
            .iter()
            .filter(|post| post.by == Some(party))
            .collect();
        let version = |post: &&Posted| post.offer.map_or(post.shown.version, |offer| offer.version);
        let version = own.iter().map(version).min()?;
        let offers = own.iter().filter_map(|post| post.offer);
        let weakest = offers.max_by_key(|offer| self.of(party, offer))?;
        (version > last.shown.version && !self.stale(party)).then_some(Balance {
            version,
            a: weakest.a,
        })
    }

    /// A payout in the block of this height paid so much.
    pub(crate) fn settles(
        &self,
        payouts: &Pair<u64>,
        forfeited: Option<Party>,
        height: u64,
    ) -> Result<(), Objection> {
        let (Some(first), Some(last)) = (self.posts.first(), self.posts.last()) else {
            return Err("L5: a payout, and nothing was posted".into());
        };
        if height <= first.height + self.window_blocks {
            return Err(format!("L5: a payout at {height}, within the window"));
        }
        let promised = [Party::B, Party::A].into_iter();
        let promised = promised.filter_map(|party| self.promised(party));
        let settles = promised
            .chain(last.offer)
            .max_by_key(|offer| offer.version)
            .unwrap_or(last.shown);
        let settles = &settles;
        let forfeits = match Party::BOTH.map(|party| self.stale(party)) {
            [true, false] => Some(Party::A),
            [false, true] => Some(Party::B),
            _ => None,
        };
        let mut due = [self.of(Party::A, settles), self.of(Party::B, settles)];
        if let Some(party) = forfeits {
            due = [self.capacity; 2];
            due[party as usize] = 0;
        }
        if ([payouts.a, payouts.b], forfeited) != (due, forfeits) {
            return Err(format!(
                "L5, L6: paid {payouts:?} with {forfeited:?} forfeiting, due {due:?} with {forfeits:?}"
            ));
        }
        Ok(())
    }
}
