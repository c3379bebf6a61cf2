//! Transactions that wait by what they bid, where Layer 1 goes by bids. Bounded, in number and in
//! bytes: who bids more evicts who bids least. Never reorders what one account has numbered.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};

use super::asks::Market;
use super::block::Room;
use super::config::Config;
use super::ledger::Ledger;
use super::market::{Bid, Rate};
use super::mempool::Mempool;
use super::refusal::{Refusal, SubmitError};
use super::transaction::SignedTransaction;
use duet_channels::crypto::{Digest, PublicKey};

/// A transaction's place in the order in which all of them came.
type Arrival = u64;

/// What waits.
#[derive(Clone, Default)]
pub(super) struct Pool {
    waiting: HashMap<Arrival, Waiting>,
    arrivals: Arrival,
    /// Those with a nonce, by account and nonce.
    numbered: HashMap<PublicKey, BTreeMap<u64, Arrival>>,
    /// Those without one.
    free: BTreeSet<Arrival>,
    /// What can be evicted and leaves no gap, the lowest bid and latest arrival first.
    ends: BTreeSet<(Rate, Reverse<Arrival>)>,
    /// What each says, its bid included: nobody has another one's wait twice.
    said: HashSet<Digest>,
    bytes: usize,
}

#[derive(Clone)]
pub(super) struct Waiting {
    ticket: u64,
    bytes: Vec<u8>,
    operations: u32,
    bid: Bid,
    /// What it is evicted by.
    standing: Rate,
    numbered: Option<(PublicKey, u64)>,
    says: Digest,
}

/// A transaction that left without a block: its ticket, and why.
pub(super) type Evicted = (u64, Refusal);

impl Pool {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Queues a transaction that has a bid, as it came and with the digest that it signs. Gives
    /// those that had to make way for it.
    ///
    /// # Errors
    /// [`SubmitError::Outbid`] if what waits bids as much, [`SubmitError::AlreadyWaits`] if it is
    /// the same, [`SubmitError::Refused`] without a bid.
    pub(super) fn submit(
        &mut self,
        ticket: u64,
        (signed, bytes, says): (&SignedTransaction, &[u8], Digest),
        config: &Config,
    ) -> Result<Vec<Evicted>, SubmitError> {
        let bid = *signed.bid().ok_or(SubmitError::Refused(Refusal::NoBid))?;
        let standing = config.order.standing(&bid);
        if self.said.contains(&says) {
            return Err(SubmitError::AlreadyWaits);
        }
        let transaction = signed.transaction();
        let numbered = transaction
            .nonce()
            .map(|nonce| (*transaction.signer(), nonce));
        let leaving = self.leaving(standing, numbered.as_ref(), bytes.len(), config);
        let leaving = leaving.map_err(|floor| SubmitError::Outbid {
            floor: floor.0,
            got: standing.0,
        })?;
        let by = standing.0;
        let evicted = leaving.into_iter().map(|arrival| {
            let left = self.remove(arrival);
            (left.ticket, Refusal::Evicted { by })
        });
        let evicted = evicted.collect();
        self.insert(Waiting {
            ticket,
            bytes: bytes.to_vec(),
            operations: transaction.operations(),
            bid,
            standing,
            numbered,
            says,
        });
        Ok(evicted)
    }

    /// Which of those that wait make way for one of this bid; or the bid that it would have to be
    /// above.
    fn leaving(
        &self,
        standing: Rate,
        numbered: Option<&(PublicKey, u64)>,
        bytes: usize,
        config: &Config,
    ) -> Result<Vec<Arrival>, Rate> {
        let of_nonce =
            |(account, nonce): &(PublicKey, u64)| self.numbered.get(account)?.get(nonce).copied();
        let (mut count, mut sum) = (self.waiting.len(), self.bytes);
        let mut leaving = Vec::new();
        if let Some(replaced) = numbered.and_then(of_nonce) {
            let Waiting {
                standing: floor,
                bytes,
                ..
            } = &self.waiting[&replaced];
            if standing <= *floor {
                return Err(*floor);
            }
            (count, sum) = (count - 1, sum - bytes.len());
            leaving.push(replaced);
        }
        let replaced = leaving.first().copied();
        let has_room = |count: usize, sum: usize| {
            count < config.mempool_transactions as usize && sum + bytes <= Config::MEMPOOL_BYTES
        };
        let mut ends = (self.ends.iter()).filter(|(_, Reverse(end))| Some(*end) != replaced);
        while !has_room(count, sum) {
            let Some((floor, Reverse(arrival))) = ends.next() else {
                return Err(standing);
            };
            let end = &self.waiting[arrival];
            let is_own =
                |(account, _): &(PublicKey, u64)| numbered.is_some_and(|(own, _)| own == account);
            // Without the one before, its own could never be included.
            if standing <= *floor || end.numbered.as_ref().is_some_and(is_own) {
                return Err((*floor).max(standing));
            }
            (count, sum) = (count - 1, sum - end.bytes.len());
            leaving.push(*arrival);
        }
        Ok(leaving)
    }

    fn insert(&mut self, waiting: Waiting) {
        let arrival = self.arrivals;
        self.arrivals += 1;
        self.bytes += waiting.bytes.len();
        self.said.insert(waiting.says);
        match waiting.numbered {
            None => {
                self.free.insert(arrival);
                self.ends.insert((waiting.standing, Reverse(arrival)));
            }
            Some((account, nonce)) => {
                let before = self.last_of(&account);
                let numbered = self.numbered.entry(account).or_default();
                let replaced = numbered.insert(nonce, arrival);
                assert!(replaced.is_none(), "one transaction a nonce");
                self.waiting.insert(arrival, waiting);
                self.move_end(before, &account);
                return;
            }
        }
        self.waiting.insert(arrival, waiting);
    }

    /// The last of an account's numbered ones, as it stands among the ends.
    fn last_of(&self, account: &PublicKey) -> Option<(Rate, Reverse<Arrival>)> {
        let (_, arrival) = self.numbered.get(account)?.last_key_value()?;
        Some((self.waiting[arrival].standing, Reverse(*arrival)))
    }

    /// Puts an account's last in the place of what was its last.
    fn move_end(&mut self, before: Option<(Rate, Reverse<Arrival>)>, account: &PublicKey) {
        if let Some(before) = before {
            self.ends.remove(&before);
        }
        self.ends.extend(self.last_of(account));
    }

    fn remove(&mut self, arrival: Arrival) -> Waiting {
        let numbered = self.waiting[&arrival].numbered;
        match numbered {
            None => {
                self.free.remove(&arrival);
                let standing = self.waiting[&arrival].standing;
                self.ends.remove(&(standing, Reverse(arrival)));
            }
            Some((account, nonce)) => {
                let before = self.last_of(&account);
                let of_account = self.numbered.get_mut(&account).expect("it waits");
                of_account.remove(&nonce);
                if of_account.is_empty() {
                    self.numbered.remove(&account);
                }
                self.move_end(before, &account);
            }
        }
        let left = self.waiting.remove(&arrival).expect("it waits");
        self.bytes -= left.bytes.len();
        self.said.remove(&left.says);
        left
    }

    /// Takes those without a nonce out that are left out.
    pub(super) fn set_aside(&mut self, leave_out: impl Fn(&[u8]) -> bool) -> Vec<Waiting> {
        let is_left_out = |arrival: &Arrival| leave_out(&self.waiting[arrival].bytes);
        let arrivals: Vec<Arrival> = self.free.iter().copied().filter(is_left_out).collect();
        let left = arrivals.into_iter().map(|arrival| self.remove(arrival));
        left.collect()
    }

    /// Has them wait again.
    pub(super) fn put_back(&mut self, aside: Vec<Waiting>) {
        aside.into_iter().for_each(|waiting| self.insert(waiting));
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
        let least = market.config.units.map_or(0, |units| units.cheapest());
        let mut heads = self.heads(market.base);
        let mut nonces: HashMap<PublicKey, u64> = HashMap::new();
        while let Some((_, Reverse(arrival))) = heads.pop() {
            if !room.holds(least) {
                break;
            }
            let waiting = &self.waiting[&arrival];
            if let Some((account, nonce)) = &waiting.numbered {
                let next = nonces.entry(*account).or_insert_with(|| {
                    let found = ledger.account(account);
                    found.map_or(0, |account| account.nonce)
                });
                // One before it is missing.
                if nonce > next {
                    continue;
                }
                // What is of the past is refused, and changes nothing of what comes next.
            }
            let signed = SignedTransaction::decode(&waiting.bytes);
            let signed = signed.expect("only what decodes is queued");
            let (size, _) = market.terms(&signed, waiting.bytes.len(), ledger);
            if !room.take(&size) {
                continue;
            }
            let chosen = self.remove(arrival);
            queue.push(chosen.ticket, &chosen.bytes, chosen.operations);
            if let Some((account, nonce)) = chosen.numbered {
                let next = nonces.entry(account).or_default();
                *next = nonce.saturating_add(1).max(*next);
                heads.extend(self.head_of(&account, market.base));
            }
        }
    }

    /// Those that may come next, by what they pay above the base fee.
    fn heads(&self, base: Rate) -> BinaryHeap<(Rate, Reverse<Arrival>)> {
        let free = self.free.iter().copied();
        let numbered = self.numbered.values().filter_map(|of_account| {
            let (_, arrival) = of_account.first_key_value()?;
            Some(*arrival)
        });
        let all = free.chain(numbered);
        all.filter_map(|arrival| self.head(arrival, base)).collect()
    }

    fn head_of(&self, account: &PublicKey, base: Rate) -> Option<(Rate, Reverse<Arrival>)> {
        let (_, arrival) = self.numbered.get(account)?.first_key_value()?;
        self.head(*arrival, base)
    }

    fn head(&self, arrival: Arrival, base: Rate) -> Option<(Rate, Reverse<Arrival>)> {
        let tip = self.waiting[&arrival].bid.tip_above(base)?;
        Some((tip, Reverse(arrival)))
    }
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
            let says = Digest([pool.arrivals as u8; 32]);
            let sent = (signed(nonce, rate), vec![0; bytes]);
            let evicted = pool.submit(nonce, (&sent.0, &sent.1, says), &config);
            (evicted.map(|evicted| evicted.len()), pool.bytes)
        };
        let (half, most) = (Config::MEMPOOL_BYTES / 2, Config::MEMPOOL_BYTES);
        assert_eq!(submit(0, 5, half), (Ok(0), half));
        assert_eq!(submit(1, 5, half - 1), (Ok(0), most - 1));
        assert_eq!(submit(0, 6, half + 1), (Ok(1), most));
        let own_last = SubmitError::Outbid { floor: 7, got: 7 };
        assert_eq!(submit(0, 7, half + 2), (Err(own_last), most));
        assert_eq!(submit(1, 6, half - 1), (Ok(1), most));
    }
}
