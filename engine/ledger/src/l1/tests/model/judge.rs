//! Rules L5 and L6 by their words, over the full list of posts. The engine keeps two small records
//! instead of the list; here is what they have to amount to.

use super::super::super::channel::Settlement;
use super::super::super::dispute::{Dispute, Posting};
use super::*;
use duet_channels::protocol::{Balance, Limits};

/// One accepted post.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shown {
    pub(super) by: Option<Party>,
    pub(super) version: u64,
    pub(super) balance_a: u64,
    /// Version and A's balance.
    pub(super) offer: Option<(u64, u64)>,
}

fn share(party: Party, balance_a: u64, capacity: u64) -> u64 {
    match party {
        Party::A => balance_a,
        Party::B => capacity - balance_a,
    }
}

/// A party's post is proven stale when a state of a higher version is posted later, by anyone,
/// unless the post's offer covers that state: offer version ≥ that version, and the poster's
/// balance in the offer ≤ its balance in that state.
fn has_stale_post(posts: &[Shown], party: Party, capacity: u64) -> bool {
    posts.iter().enumerate().any(|(place, post)| {
        let share = |balance_a| share(party, balance_a, capacity);
        let covers = |later: &Shown| {
            post.offer.is_some_and(|(version, balance_a)| {
                version >= later.version && share(balance_a) <= share(later.balance_a)
            })
        };
        let mut later = posts[place + 1..].iter();
        post.by == Some(party) && later.any(|later| later.version > post.version && !covers(later))
    })
}

/// What a party that is not proven stale has promised with all of its posts together: the least
/// version that one of them covers, and the largest share that it keeps in one of its offers. It
/// binds above what was shown.
fn promise(posts: &[Shown], party: Party, capacity: u64) -> Option<(u64, u64)> {
    let highest = posts.iter().map(|post| post.version).max().unwrap();
    let own: Vec<&Shown> = posts.iter().filter(|post| post.by == Some(party)).collect();
    let versions = own
        .iter()
        .map(|post| post.offer.map_or(post.version, |offer| offer.0));
    let version = versions.min().filter(|version| *version > highest)?;
    let offers = own.iter().filter_map(|post| post.offer);
    let kept = offers
        .max_by_key(|(_, balance_a)| share(party, *balance_a, capacity))
        .unwrap();
    (!has_stale_post(posts, party, capacity)).then_some((version, kept.1))
}

/// What a channel pays out after these posts: both shares, the version that settles, and who
/// forfeits.
pub(super) fn judge(posts: &[Shown], capacity: u64) -> ((u64, u64), u64, Option<Party>) {
    let highest = posts.iter().max_by_key(|post| post.version).unwrap();
    let promises = [Party::B, Party::A]
        .into_iter()
        .filter_map(|party| promise(posts, party, capacity));
    let (version, a) = promises
        .chain(highest.offer)
        .max_by_key(|(version, _)| *version)
        .unwrap_or((highest.version, highest.balance_a));
    let [stale_a, stale_b] = Party::BOTH.map(|party| has_stale_post(posts, party, capacity));
    match (stale_a, stale_b) {
        (true, false) => ((0, capacity), version, Some(Party::A)),
        (false, true) => ((capacity, 0), version, Some(Party::B)),
        _ => ((a, capacity - a), version, None),
    }
}

/// Every post that the rules allow in a small channel, by version.
fn posts(capacity: u64, versions: u64) -> Vec<Shown> {
    let mut all = Vec::new();
    for (version, balance_a) in (0..=versions).flat_map(|v| (0..=capacity).map(move |a| (v, a))) {
        // Version 0 is what the channel opened with.
        if version == 0 && balance_a != 1 {
            continue;
        }
        for by in [None, Some(Party::A), Some(Party::B)] {
            let mut offers = vec![None];
            if let Some(party) = by {
                let offered = (version + 1..=versions + 1)
                    .flat_map(|v| (0..=capacity).map(move |a| (v, a)))
                    .filter(|(_, a)| {
                        share(party, *a, capacity) <= share(party, balance_a, capacity)
                    });
                offers.extend(offered.map(Some));
            }
            all.extend(offers.into_iter().map(|offer| Shown {
                by,
                version,
                balance_a,
                offer,
            }));
        }
    }
    all
}

/// All lists of posts in a channel that holds 2, with states up to version 3 and offers up to 4.
#[test]
fn every_list_of_posts_settles_by_the_words_of_the_rules() {
    struct Walk {
        all: Vec<Shown>,
        limits: Limits,
        list: Vec<Shown>,
        settled: u64,
    }
    impl Walk {
        fn from(&mut self, dispute: &Dispute) {
            let settlement: Settlement = dispute.settle(&self.limits, 9).unwrap();
            let Pair { a, b } = settlement.payouts;
            let found = (
                (a.units(), b.units()),
                settlement.version,
                settlement.forfeited,
            );
            assert_eq!(found, judge(&self.list, 2), "{:?}", self.list);
            assert_eq!(dispute.forfeits(), found.2);
            self.settled += 1;
            let highest = self.list.last().unwrap().version;
            let first = self.all.partition_point(|post| post.version <= highest);
            for place in first..self.all.len() {
                let post = self.all[place];
                let answered = dispute.answered(&posting(&post), &self.limits, 2).unwrap();
                self.list.push(post);
                self.from(&answered);
                self.list.pop();
            }
        }
    }
    let limits = Limits {
        capacity: Amount::new(2),
        reserve: Amount::ZERO,
    };
    let mut walk = Walk {
        all: posts(2, 3),
        limits,
        list: Vec::new(),
        settled: 0,
    };
    for place in 0..walk.all.len() {
        let post = walk.all[place];
        let begun = Dispute::begin(&posting(&post), &limits, 7, 1);
        if post.by.is_none() {
            assert!(matches!(begun, Err(Refusal::NothingToAnswer { .. })));
            continue;
        }
        walk.list.push(post);
        walk.from(&begun.unwrap());
        walk.list.pop();
    }
    assert!(walk.settled > 100_000, "{}", walk.settled);
}

fn posting(post: &Shown) -> Posting {
    let balance = |version, a| Balance {
        version,
        a: Amount::new(a),
    };
    Posting {
        channel: ChannelId(Digest([7; 32])),
        poster: post.by,
        shown: balance(post.version, post.balance_a),
        offer: post.offer.map(|(version, a)| balance(version, a)),
    }
}
