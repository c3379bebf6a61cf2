//! Two parties that both do as they like, and strangers: every order in which they can post any
//! states that they care to sign. They can divide their own capacity among themselves; nobody else
//! gains or loses, and what is locked comes out. Each payout runs on a real ledger.

use std::collections::HashSet;

use super::super::claim::{Claim, Closed, Opened};
use super::super::dispute::{Dispute, Posting};
use super::super::ledger::Ledger;
use super::super::witness::Checked;
use super::Bounds;
use super::court::OPENED;
use super::honest::secret;
use duet_channels::crypto::{Digest, PublicKey};
use duet_channels::protocol::{Amount, Balance, ChannelId, Entry, Limits, Pair, Party, State};

/// What the search went through.
#[derive(Debug, Default)]
pub(super) struct Tried {
    pub(super) disputes: usize,
    pub(super) posts: u64,
    pub(super) refused: u64,
}

const FUNDS: u64 = 100;
const FEE: u64 = 1;

/// The ledger with the channel open, and who is on it: A, B, a stranger.
struct World {
    ledger: Ledger,
    channel: ChannelId,
    keys: [PublicKey; 3],
}

impl World {
    fn new(bounds: &Bounds) -> World {
        let keys = [0, 1, 2].map(|who| secret(who).public());
        let terms = bounds.terms(
            Digest([9; 32]),
            Pair {
                a: keys[0],
                b: keys[1],
            },
        );
        let funds = keys.map(|key| (key, Amount::new(FUNDS)));
        let channel = terms.channel_id();
        let mut world = World {
            ledger: Ledger::new(Amount::new(3 * FUNDS), &funds.to_vec()),
            channel,
            keys,
        };
        let capacity = Amount::new(bounds.capacity);
        let open = Claim::Open(Opened {
            terms,
            capacity,
            channel,
        });
        execute(&mut world.ledger, open, 1);
        world
    }

    fn key(&self, poster: Option<Party>) -> PublicKey {
        self.keys[poster.map_or(2, |party| party as usize)]
    }
}

fn execute(ledger: &mut Ledger, claim: Claim, height: u64) {
    let decision = ledger.decide(&Checked::assume(claim), Amount::new(FEE), height);
    ledger.apply(decision.expect("it was decided before"), &mut Vec::new());
    ledger.assert_conserved();
}

/// Every post that anybody can make: of any state that both sign, with any offer, sound or not.
fn posts(bounds: &Bounds, channel: ChannelId) -> Vec<Posting> {
    let versions: Vec<u64> = (1..=bounds.payments).chain([u64::MAX]).collect();
    let states = |above: u64| {
        let of_version = |version| {
            (0..=above).map(move |a| Balance {
                version,
                a: Amount::new(a),
            })
        };
        versions
            .iter()
            .copied()
            .flat_map(of_version)
            .collect::<Vec<_>>()
    };
    let mut posts = Vec::new();
    // One unit more than there is must be refused.
    for shown in [vec![bounds.opening()], states(bounds.capacity + 1)].concat() {
        let post = |poster, offer| Posting {
            channel,
            poster,
            shown,
            offer,
        };
        posts.extend([None, Some(Party::A), Some(Party::B)].map(|poster| post(poster, None)));
        for offer in states(bounds.capacity + 1) {
            let posters = [None, Some(Party::A), Some(Party::B)];
            posts.extend(posters.map(|poster| post(poster, Some(offer))));
        }
    }
    posts
}

/// Goes through all disputes that posts can lead to, and pays each one out.
pub(super) fn search(bounds: &Bounds) -> Tried {
    let world = World::new(bounds);
    let limits = bounds.limits();
    let posts = posts(bounds, world.channel);
    let mut tried = Tried::default();
    let mut known: HashSet<Dispute> = HashSet::new();
    // Each dispute with the ledger on which it stands.
    let mut waiting: Vec<(Option<Dispute>, Ledger)> = vec![(None, world.ledger.clone())];
    cooperative(bounds, &world, &world.ledger, OPENED);
    while let Some((dispute, ledger)) = waiting.pop() {
        for posting in &posts {
            tried.posts += 1;
            let height = OPENED + u64::from(dispute.is_some());
            let after = match &dispute {
                None => Dispute::begin(posting, &limits, bounds.window, height),
                Some(before) => {
                    answered_in_time(bounds, before, posting);
                    before.answered(posting, &limits, height)
                }
            };
            let highest = dispute.as_ref().map(Dispute::highest);
            assert_eq!(
                after.is_ok(),
                is_in_order(posting, &limits, highest),
                "{posting:?}"
            );
            let Ok(after) = after else {
                tried.refused += 1;
                continue;
            };
            let until = OPENED + u64::from(bounds.window);
            assert_eq!(after.until(), until, "nothing extends it");
            if !known.insert(after) {
                continue;
            }
            let mut ledger = ledger.clone();
            let claim = Claim::Post {
                submitter: world.key(posting.poster),
                channel: world.channel,
                shown: (posting.shown.version > 0).then_some(posting.shown),
                offer: posting.offer,
            };
            execute(&mut ledger, claim, height);
            let record = ledger.channel(&world.channel).expect("it is open");
            assert_eq!(record.dispute(), Some(after), "the ledger decides alike");
            pay_out(bounds, &world, &ledger, &after);
            cooperative(bounds, &world, &ledger, height);
            waiting.push((Some(after), ledger));
        }
    }
    tried.disputes = known.len();
    tried
}

/// Rule L4, as it is written.
fn is_in_order(posting: &Posting, limits: &Limits, highest: Option<u64>) -> bool {
    let within = |state: &Balance| state.a <= limits.capacity;
    let in_turn = match highest {
        None => posting.poster.is_some(),
        Some(highest) => posting.shown.version > highest,
    };
    let offered = match (posting.poster, posting.offer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(poster), Some(offer)) => {
            within(&offer)
                && within(&posting.shown)
                && offer.version > posting.shown.version
                && offer.of(poster, limits) <= posting.shown.of(poster, limits)
        }
    };
    within(&posting.shown) && in_turn && offered
}

/// An answer counts the same at every height of the window, and at no other.
fn answered_in_time(bounds: &Bounds, dispute: &Dispute, posting: &Posting) {
    let limits = bounds.limits();
    let at = |height| dispute.answered(posting, &limits, height).ok();
    let (first, last) = (OPENED + 1, OPENED + u64::from(bounds.window));
    for height in first..=last {
        assert_eq!(at(height), at(first));
    }
    assert_eq!([at(OPENED), at(last + 1), at(u64::MAX)], [None; 3]);
}

/// Pays out as soon as that is valid, and never before.
fn pay_out(bounds: &Bounds, world: &World, ledger: &Ledger, dispute: &Dispute) {
    let payout = || Claim::Payout {
        submitter: world.keys[2],
        channel: world.channel,
    };
    let early = ledger.decide(
        &Checked::assume(payout()),
        Amount::new(FEE),
        dispute.until(),
    );
    assert!(early.is_err(), "a payout within the window");
    let mut after = ledger.clone();
    execute(&mut after, payout(), dispute.until() + 1);
    check_accounts(bounds, world, ledger, &after);
}

/// A final over any state ends the channel, disputed or not, and pays that state.
fn cooperative(bounds: &Bounds, world: &World, ledger: &Ledger, height: u64) {
    for a in 0..=bounds.capacity + 1 {
        let entry = Entry {
            version: 1,
            amount: Amount::new(1),
            balance_a: Amount::new(a),
            payer: Party::A,
            tag: 0,
        };
        let closed = Closed {
            channel: world.channel,
            state: State::After {
                previous: Digest::default(),
                entry: entry.encode(),
            },
        };
        let claim = Claim::Close {
            submitter: world.keys[2],
            closed,
        };
        if a > bounds.capacity {
            assert!(
                ledger
                    .decide(&Checked::assume(claim), Amount::new(FEE), height)
                    .is_err()
            );
            continue;
        }
        let mut after = ledger.clone();
        execute(&mut after, claim, height);
        check_accounts(bounds, world, ledger, &after);
    }
}

/// The channel is gone, its parties have its capacity, and the stranger has paid the fee.
fn check_accounts(bounds: &Bounds, world: &World, before: &Ledger, after: &Ledger) {
    let of = |ledger: &Ledger, who: usize| {
        let account = ledger.account(&world.keys[who]);
        account.expect("it has funds").balance.units()
    };
    let parties = |ledger: &Ledger| of(ledger, 0) + of(ledger, 1);
    assert!(after.channel(&world.channel).is_none());
    assert_eq!(parties(after), parties(before) + bounds.capacity);
    assert!(of(after, 0) >= of(before, 0) && of(after, 1) >= of(before, 1));
    assert_eq!(of(after, 2), of(before, 2) - FEE);
}
