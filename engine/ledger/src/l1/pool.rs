//! Transactions that wait by what they bid, where Layer 1 goes by bids. Bounded, in number and in
//! bytes: who bids more evicts who bids least. Never reorders what one account has numbered.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};

use super::asks::Market;
use super::block::{Room, Size};
use super::config::Config;
use super::heads::{Arrival, Head, Heads};
use super::ledger::Ledger;
use super::market::{Bid, Rate};
use super::mempool::Mempool;
use super::refusal::{Refusal, SubmitError};
use super::transaction::{SignedTransaction, Transaction};
use duet_channels::crypto::{Digest, PublicKey};
use duet_channels::protocol::Amount;

/// What waits.
#[derive(Clone, Default)]
pub(super) struct Pool {
    waiting: HashMap<Arrival, Waiting>,
    arrivals: Arrival,
    /// Those with a nonce, by account and nonce.
    numbered: HashMap<PublicKey, BTreeMap<u64, Arrival>>,
    /// Those that may come next: all without a nonce, and the first of each account.
    heads: Heads,
    /// What can be evicted and leaves no gap, the lowest bid and latest arrival first: all without
    /// a nonce, and the last of each account.
    ends: BTreeSet<Head>,
    /// What each account has to pay for all that it has waiting, at most.
    costs: HashMap<PublicKey, u128>,
    smallest: Smallest,
    /// What each says, its bid included: nobody has another one's wait twice.
    said: HashSet<Digest>,
    bytes: usize,
}

/// A transaction that is submitted with a bid.
pub(super) struct Sent<'s> {
    pub(super) ticket: u64,
    pub(super) signed: &'s SignedTransaction,
    pub(super) bytes: &'s [u8],
    /// The digest that its signer signs.
    pub(super) says: Digest,
    pub(super) bid: Bid,
    pub(super) size: Size,
    /// What it takes out of its signer's account at most, fee included.
    pub(super) cost: Amount,
}

#[derive(Clone)]
pub(super) struct Waiting {
    ticket: u64,
    bytes: Vec<u8>,
    bid: Bid,
    /// What it is evicted by.
    standing: Rate,
    payer: PublicKey,
    nonce: Option<u64>,
    cost: Amount,
    /// What it takes of a block, so that it need not be decoded once more for that. What a post
    /// takes is said by what is posted when it has its turn.
    size: Size,
    /// What it takes at least, whatever is posted then.
    least: Size,
    is_post: bool,
    says: Digest,
}

/// The least that any of those that wait takes: a block with less room takes none of them.
#[derive(Clone, Default)]
struct Smallest {
    bytes: Counted,
    /// In units: transactions of channels, and all others.
    of_channels: Counted,
    of_others: Counted,
}

/// Sizes, and how many have each.
#[derive(Clone, Default)]
struct Counted(BTreeMap<u64, u64>);

impl Counted {
    fn add(&mut self, size: u64) {
        *self.0.entry(size).or_default() += 1;
    }

    fn remove(&mut self, size: u64) {
        let count = self.0.get_mut(&size).expect("it was added");
        *count -= 1;
        if *count == 0 {
            self.0.remove(&size);
        }
    }

    /// Whether one of them is no more than this.
    fn any_within(&self, most: u64) -> bool {
        (self.0.first_key_value()).is_some_and(|(least, _)| *least <= most)
    }
}

impl Smallest {
    fn of_kind(&mut self, size: &Size) -> &mut Counted {
        match size.units_of_channels {
            0 => &mut self.of_others,
            _ => &mut self.of_channels,
        }
    }

    fn add(&mut self, size: &Size) {
        self.bytes.add(size.bytes);
        self.of_kind(size).add(size.units);
    }

    fn remove(&mut self, size: &Size) {
        self.bytes.remove(size.bytes);
        self.of_kind(size).remove(size.units);
    }

    /// Whether any may fit.
    fn fits(&self, Room(left): &Room) -> bool {
        let of_channels = left.units.min(left.units_of_channels);
        left.operations > 0
            && self.bytes.any_within(left.bytes)
            && (self.of_others.any_within(left.units) || self.of_channels.any_within(of_channels))
    }
}

/// A transaction that left without a block: its ticket, and why.
pub(super) type Evicted = (u64, Refusal);

/// Which of those that wait make way for another one.
pub(super) struct Way {
    leaving: Vec<Arrival>,
    /// The first of them has the account and nonce of the new one.
    replaces: bool,
}

impl Way {
    /// Whether any of them could have waited on beside the new one.
    pub(super) fn evicts(&self) -> bool {
        self.leaving.len() > usize::from(self.replaces)
    }
}

impl Pool {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Queues a transaction, whose [`Pool::way`] this is. Gives those that made way for it.
    pub(super) fn submit(&mut self, sent: &Sent<'_>, way: Way, config: &Config) -> Vec<Evicted> {
        let standing = config.order.standing(&sent.bid);
        let by = standing.0;
        let evicted = way.leaving.into_iter().map(|arrival| {
            let left = self.remove(arrival);
            (left.ticket, Refusal::Evicted { by })
        });
        let evicted = evicted.collect();
        let transaction = sent.signed.transaction();
        let is_post = matches!(transaction, Transaction::Post { .. });
        let mut least = sent.size;
        if let Some(units) = config.units.filter(|_| is_post) {
            least.units = units.prices.post.min(units.prices.answer);
        }
        self.insert(Waiting {
            ticket: sent.ticket,
            bytes: sent.bytes.to_vec(),
            bid: sent.bid,
            standing,
            payer: *transaction.signer(),
            nonce: transaction.nonce(),
            cost: sent.cost,
            size: sent.size,
            least,
            is_post,
            says: sent.says,
        });
        evicted
    }

    /// Which of those that wait make way for a transaction.
    ///
    /// # Errors
    /// [`SubmitError::Outbid`] if what waits bids as much, [`SubmitError::AlreadyWaits`] if it is
    /// the same, [`SubmitError::NotInTurn`] if what bids least is what it has to come after.
    pub(super) fn way(&self, sent: &Sent<'_>, config: &Config) -> Result<Way, SubmitError> {
        if self.said.contains(&sent.says) {
            return Err(SubmitError::AlreadyWaits);
        }
        let standing = config.order.standing(&sent.bid);
        let outbid = |floor: Rate| SubmitError::Outbid {
            floor: floor.0,
            got: standing.0,
        };
        let (payer, nonce) = turn_of(sent);
        let replaced = nonce.and_then(|nonce| self.numbered.get(payer)?.get(&nonce).copied());
        let (mut count, mut sum) = (self.waiting.len(), self.bytes);
        if let Some(replaced) = replaced {
            let Waiting {
                standing: floor,
                bytes,
                ..
            } = &self.waiting[&replaced];
            if standing <= *floor {
                return Err(outbid(*floor));
            }
            (count, sum) = (count - 1, sum - bytes.len());
        }
        let mut leaving = Vec::from_iter(replaced);
        let has_room = |count: usize, sum: usize| {
            count < config.mempool_transactions as usize
                && sum + sent.bytes.len() <= Config::MEMPOOL_BYTES
        };
        let mut ends = (self.ends.iter()).filter(|(_, Reverse(end))| Some(*end) != replaced);
        while !has_room(count, sum) {
            let Some((floor, Reverse(arrival))) = ends.next() else {
                return Err(outbid(standing));
            };
            let end = &self.waiting[arrival];
            // Without the one before, its own could never be included, whatever it bids.
            if end.payer == *payer && end.nonce.is_some() && end.nonce < nonce {
                return Err(SubmitError::NotInTurn);
            }
            if standing <= *floor {
                return Err(outbid(*floor));
            }
            (count, sum) = (count - 1, sum - end.bytes.len());
            leaving.push(*arrival);
        }
        Ok(Way {
            leaving,
            replaces: replaced.is_some(),
        })
    }

    /// Whether all that a transaction has to come after waits, where its account's next nonce is
    /// this one. An account that has a gap anywhere has none in turn but its next.
    pub(super) fn is_in_turn(&self, sent: &Sent<'_>, next: u64) -> bool {
        let (payer, nonce) = turn_of(sent);
        nonce.is_none_or(|nonce| nonce <= next || self.reaches(payer, next, nonce))
    }

    fn reaches(&self, account: &PublicKey, next: u64, nonce: u64) -> bool {
        let range = self.numbered.get(account).and_then(|of_account| {
            let (first, _) = of_account.first_key_value()?;
            let (last, _) = of_account.last_key_value()?;
            Some((*first, *last, of_account.len() as u64))
        });
        range.is_some_and(|(first, last, count)| {
            first <= next && last - first == count - 1 && nonce <= last.saturating_add(1)
        })
    }

    /// What an account would have to pay at most for all that it has waiting, with this.
    pub(super) fn cost_with(&self, sent: &Sent<'_>, way: &Way) -> u128 {
        let (payer, _) = turn_of(sent);
        let before = self.costs.get(payer).copied().unwrap_or(0);
        let leaving = way.leaving.iter().map(|arrival| &self.waiting[arrival]);
        let own = leaving.filter(|left| left.payer == *payer);
        let leaves: u128 = own.map(|left| u128::from(left.cost.units())).sum();
        before - leaves + u128::from(sent.cost.units())
    }

    fn insert(&mut self, waiting: Waiting) {
        let arrival = self.arrivals;
        self.arrivals += 1;
        self.bytes += waiting.bytes.len();
        self.smallest.add(&waiting.least);
        self.said.insert(waiting.says);
        *self.costs.entry(waiting.payer).or_default() += u128::from(waiting.cost.units());
        let (payer, nonce) = (waiting.payer, waiting.nonce);
        match nonce {
            None => {
                self.heads.insert(&waiting.bid, arrival);
                self.ends.insert((waiting.standing, Reverse(arrival)));
                self.waiting.insert(arrival, waiting);
            }
            Some(nonce) => {
                self.waiting.insert(arrival, waiting);
                self.unlist(&payer);
                let of_account = self.numbered.entry(payer).or_default();
                let replaced = of_account.insert(nonce, arrival);
                assert!(replaced.is_none(), "one transaction a nonce");
                self.list(&payer);
            }
        }
    }

    fn remove(&mut self, arrival: Arrival) -> Waiting {
        let Waiting { payer, nonce, .. } = self.waiting[&arrival];
        if let Some(nonce) = nonce {
            self.unlist(&payer);
            let of_account = self.numbered.get_mut(&payer).expect("it waits");
            of_account.remove(&nonce);
            if of_account.is_empty() {
                self.numbered.remove(&payer);
            }
            self.list(&payer);
        }
        let left = self.waiting.remove(&arrival).expect("it waits");
        if nonce.is_none() {
            self.heads.remove(&left.bid, arrival);
            self.ends.remove(&(left.standing, Reverse(arrival)));
        }
        let cost = self.costs.remove(&payer).unwrap_or(0) - u128::from(left.cost.units());
        if cost > 0 {
            self.costs.insert(payer, cost);
        }
        self.bytes -= left.bytes.len();
        self.smallest.remove(&left.least);
        self.said.remove(&left.says);
        left
    }

    /// Takes those without a nonce out that are left out.
    pub(super) fn set_aside(&mut self, leave_out: impl Fn(&[u8]) -> bool) -> Vec<Waiting> {
        let is_left_out =
            |(_, of): &(&Arrival, &Waiting)| of.nonce.is_none() && leave_out(&of.bytes);
        let left_out = self.waiting.iter().filter(is_left_out);
        let mut arrivals: Vec<Arrival> = left_out.map(|(arrival, _)| *arrival).collect();
        // In which order they come again must not depend on a map's.
        arrivals.sort_unstable();
        let left = arrivals.into_iter().map(|arrival| self.remove(arrival));
        left.collect()
    }

    /// Has them wait again.
    pub(super) fn put_back(&mut self, aside: Vec<Waiting>) {
        aside.into_iter().for_each(|waiting| self.insert(waiting));
    }

    /// The first and the last that an account has numbered.
    fn edges(&self, account: &PublicKey) -> Option<(Arrival, Arrival)> {
        let of_account = self.numbered.get(account)?;
        let (_, first) = of_account.first_key_value()?;
        let (_, last) = of_account.last_key_value()?;
        Some((*first, *last))
    }

    /// Puts an account's first among the heads, and its last among the ends.
    fn list(&mut self, account: &PublicKey) {
        if let Some((first, last)) = self.edges(account) {
            self.heads.insert(&self.waiting[&first].bid, first);
            let standing = self.waiting[&last].standing;
            self.ends.insert((standing, Reverse(last)));
        }
    }

    /// Takes them out, before they change.
    fn unlist(&mut self, account: &PublicKey) {
        if let Some((first, last)) = self.edges(account) {
            self.heads.remove(&self.waiting[&first].bid, first);
            let standing = self.waiting[&last].standing;
            self.ends.remove(&(standing, Reverse(last)));
        }
    }

    /// Removes what an account has numbered so and above. Gives their tickets.
    pub(super) fn withdraw(&mut self, account: &PublicKey, from: u64) -> Vec<u64> {
        let of_account = self.numbered.get(account);
        let arrivals = of_account
            .into_iter()
            .flat_map(|by_nonce| by_nonce.range(from..));
        let arrivals: Vec<Arrival> = arrivals.map(|(_, arrival)| *arrival).collect();
        let tickets = arrivals
            .into_iter()
            .map(|arrival| self.remove(arrival).ticket);
        tickets.collect()
    }

    /// Accounts whose first that waits comes after a nonce that nothing has, each with that one's
    /// own. In the order of their keys.
    pub(super) fn gaps(&self, ledger: &Ledger) -> Vec<(PublicKey, u64)> {
        let first = |(account, of_account): (&PublicKey, &BTreeMap<u64, Arrival>)| {
            let (&nonce, _) = of_account.first_key_value()?;
            let next = ledger.account(account).map_or(0, |account| account.nonce);
            (nonce > next).then_some((*account, nonce))
        };
        let mut gaps: Vec<(PublicKey, u64)> = self.numbered.iter().filter_map(first).collect();
        gaps.sort_unstable();
        gaps
    }

    /// Moves into the queue of the next block what it holds of those that wait: the highest tip
    /// above the base fee first, of equal ones the first to come, and of an account its next nonce.
    /// What does not fit is passed over.
    pub(super) fn choose(
        &mut self,
        mut room: Room,
        market: &Market<'_>,
        ledger: &Ledger,
        queue: &mut Mempool,
    ) {
        self.heads.move_to(market.base);
        let mut heads = self.heads.iter().peekable();
        // The next of accounts whose first is chosen.
        let mut followers: BinaryHeap<Head> = BinaryHeap::new();
        let mut nonces: HashMap<PublicKey, u64> = HashMap::new();
        let mut chosen = Vec::new();
        while self.smallest.fits(&room) {
            let next = match followers.peek() > heads.peek() {
                true => followers.pop(),
                false => heads.next(),
            };
            let Some((_, Reverse(arrival))) = next else {
                break;
            };
            let waiting = &self.waiting[&arrival];
            if let Some(nonce) = waiting.nonce {
                let next = nonces.entry(waiting.payer).or_insert_with(|| {
                    let found = ledger.account(&waiting.payer);
                    found.map_or(0, |account| account.nonce)
                });
                // One before it is missing.
                if nonce > *next {
                    continue;
                }
                // What is of the past is refused, and changes nothing of what comes next.
            }
            if !room.take(&waiting.size_at(market.config, ledger)) {
                continue;
            }
            chosen.push(arrival);
            if let Some(nonce) = waiting.nonce {
                let next = nonces.entry(waiting.payer).or_default();
                *next = nonce.saturating_add(1).max(*next);
                followers.extend(self.follower(&waiting.payer, nonce, market.base));
            }
        }
        drop(heads);
        for arrival in chosen {
            let chosen = self.remove(arrival);
            let operations = u32::try_from(chosen.size.operations).expect("a block holds them");
            queue.push(chosen.ticket, &chosen.bytes, operations);
        }
    }

    /// What an account has numbered next after this, if its bid reaches the base fee.
    fn follower(&self, account: &PublicKey, nonce: u64, base: Rate) -> Option<Head> {
        let of_account = self.numbered.get(account)?;
        let (_, arrival) = of_account.range(nonce.checked_add(1)?..).next()?;
        let tip = self.waiting[arrival].bid.tip_above(base)?;
        Some((tip, Reverse(*arrival)))
    }
}

impl Waiting {
    fn size_at(&self, config: &Config, ledger: &Ledger) -> Size {
        if !self.is_post {
            return self.size;
        }
        let signed = SignedTransaction::decode(&self.bytes);
        let signed = signed.expect("only what decodes is queued");
        config.size(&signed, self.bytes.len(), ledger)
    }
}

/// Who signs a transaction, and its place among those that its signer has numbered.
fn turn_of<'s>(sent: &Sent<'s>) -> (&'s PublicKey, Option<u64>) {
    let transaction = sent.signed.transaction();
    (transaction.signer(), transaction.nonce())
}

#[cfg(test)]
mod tests {
    use super::super::market::Order;
    use super::super::transaction::Transaction;
    use super::*;
    use duet_channels::crypto::Signature;
    use duet_channels::protocol::Amount;

    fn signed(nonce: u64, rate: u64) -> SignedTransaction {
        let transaction = Transaction::Transfer {
            from: PublicKey([1; 32]),
            nonce,
            to: PublicKey([2; 32]),
            amount: Amount::new(1),
        };
        let signed = SignedTransaction::new(transaction, Signature([0; 64]), []);
        signed.with_bid(Some(Bid::flat(Rate(rate))))
    }

    /// Whoever bids more for a nonce of its own does not get more memory for it than there is.
    #[test]
    fn a_higher_bid_for_a_nonce_keeps_to_the_bytes() {
        let config = Config {
            order: Order::Bid,
            ..Config::default()
        };
        let mut pool = Pool::default();
        let mut submit = |nonce: u64, rate: u64, bytes: usize| {
            let signed = signed(nonce, rate);
            let sent = Sent {
                ticket: nonce,
                signed: &signed,
                bytes: &vec![0; bytes],
                says: Digest([pool.arrivals as u8; 32]),
                bid: Bid::flat(Rate(rate)),
                size: Size::default(),
                cost: Amount::ZERO,
            };
            let way = pool.way(&sent, &config);
            let evicted = way.map(|way| pool.submit(&sent, way, &config));
            (evicted.map(|evicted| evicted.len()), pool.bytes)
        };
        let (half, most) = (Config::MEMPOOL_BYTES / 2, Config::MEMPOOL_BYTES);
        assert_eq!(submit(0, 5, half), (Ok(0), half));
        assert_eq!(submit(1, 5, half - 1), (Ok(0), most - 1));
        assert_eq!(submit(0, 6, half + 1), (Ok(1), most));
        // Its own last makes way for what comes before it, and not the other way round.
        assert_eq!(submit(0, 7, half + 2), (Ok(2), half + 2));
        assert_eq!(
            submit(1, 8, half - 1),
            (Err(SubmitError::NotInTurn), half + 2)
        );
        assert_eq!(submit(1, 8, half - 2), (Ok(0), most));
    }
}
