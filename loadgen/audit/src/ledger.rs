//! Replays Layer 1 from its genesis: headers, accounts, channels, payouts, and what a block holds
//! and asks. Checks no signature: that is for the sample that the last block chooses.

use std::collections::HashMap;

use super::bytes::Reader;
use super::finding::{AuditError, Place};
use super::genesis::{Parameters, Start};
use super::hash::{Digest, KEYS, hex, link};
use super::scarcity::Scarcity;
use super::state::{State, account_leaf, channel_leaf};
use super::transaction::{Act, Close, Open, PublicKey, Transaction};
use super::validators::{Candidates, Validators, Voters};

/// Kinds of records in Layer 1's stream.
const GENESIS: u8 = 2;
const ACCOUNT: u8 = 3;
const BLOCK: u8 = 4;
const SCARCITY: u8 = 5;
const VALIDATORS: u8 = 6;
const CERTIFICATE: u8 = 7;

/// A block's header, and what it is longer by with a state root.
const HEADER_BYTES: usize = 76;
const ROOT_BYTES: usize = 32;

/// Layer 1, as far as it has been replayed.
pub(super) struct Ledger {
    pub(super) genesis: Digest,
    start: Start,
    accounts: Vec<Account>,
    account_of: ByDigest,
    pub(super) channels: Vec<Channel>,
    channel_of: ByDigest,
    /// Every block's height and hash, from the first one.
    blocks: Vec<(u64, Digest)>,
    /// The next block's base fee, were it of the next height.
    base: u64,
    /// Only if headers have its root.
    state: Option<Box<State>>,
    /// Only where blocks are decided by votes.
    validators: Option<Validators>,
    pub(super) transactions: u64,
    pub(super) failed: u64,
    pub(super) closed: u64,
    /// Those of all transactions.
    pub(super) signatures: u64,
    supply: u128,
    fees: u128,
    locked: u128,
}

/// What a block's header says of it.
struct Header {
    height: u64,
    transactions: u32,
    state_root: Option<Digest>,
    hash: Digest,
}

/// A key that has an account, or that a channel names.
struct Account {
    key: PublicKey,
    balance: u64,
    nonce: u64,
    /// It has an account: since the genesis, or since a payout.
    has_begun: bool,
}

/// A channel that Layer 1 has opened.
pub(super) struct Channel {
    pub(super) id: Digest,
    /// Indices of A's and B's accounts.
    parties: [u32; 2],
    pub(super) capacity: u64,
    pub(super) reserve: u64,
    pub(super) deposit_a: u64,
    window: u32,
    pub(super) closed: Option<Closed>,
}

/// The state that a channel was closed in.
#[derive(Clone, Copy)]
pub(super) struct Closed {
    pub(super) version: u64,
    pub(super) head: Digest,
    pub(super) balance_a: u64,
}

/// Where a digest's record is. Its hash is keyed with what the system drew: a log's writer chooses
/// keys and identities, and could choose ones that collide.
type ByDigest = HashMap<Digest, u32>;

impl Ledger {
    /// Before anything is read.
    pub(super) fn new(genesis: &Digest) -> Ledger {
        Ledger {
            genesis: *genesis,
            start: Start::Nothing,
            accounts: Vec::new(),
            account_of: ByDigest::default(),
            channels: Vec::new(),
            channel_of: ByDigest::default(),
            blocks: Vec::new(),
            base: 0,
            state: None,
            validators: None,
            transactions: 0,
            failed: 0,
            closed: 0,
            signatures: 0,
            supply: 0,
            fees: 0,
            locked: 0,
        }
    }

    /// Whether the first balances are all there: blocks follow.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.start, Start::Done(_))
    }

    /// The last block's height; 0 before the first.
    pub(super) fn height(&self) -> u64 {
        self.blocks.last().map_or(0, |(height, _)| *height)
    }

    /// The last height that was decided about, with a block or without.
    pub(super) fn decided_height(&self) -> u64 {
        let certified = self.validators.as_ref().map_or(0, Validators::certified);
        self.height().max(certified)
    }

    /// How many blocks there are.
    pub(super) fn blocks(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Whether heights pass without a block.
    pub(super) fn has_clock(&self) -> bool {
        matches!(&self.start, Start::Done(of) if of.scarcity.has_clock())
    }

    /// Whether headers have the state's root.
    pub(super) fn has_state_root(&self) -> bool {
        self.state.is_some()
    }

    /// Bytes of a block's header.
    pub(super) fn header_bytes(&self) -> usize {
        match self.state {
            Some(_) => HEADER_BYTES + ROOT_BYTES,
            None => HEADER_BYTES,
        }
    }

    /// The last block's hash; the genesis id before the first.
    pub(super) fn tip(&self) -> Digest {
        self.blocks.last().map_or(self.genesis, |(_, hash)| *hash)
    }

    /// The hash of the block at a height, or the genesis id at 0.
    pub(super) fn block_at(&self, height: u64) -> Option<&Digest> {
        if height == 0 {
            return Some(&self.genesis);
        }
        let found = self
            .blocks
            .binary_search_by_key(&height, |(height, _)| *height);
        found.ok().map(|at| &self.blocks[at].1)
    }

    /// The channel of this identity.
    pub(super) fn channel(&self, id: &Digest) -> Option<u32> {
        self.channel_of.get(id).copied()
    }

    /// Who signs for A and for B.
    pub(super) fn keys(&self, channel: u32) -> [PublicKey; 2] {
        let parties = self.channels[channel as usize].parties;
        parties.map(|account| self.accounts[account as usize].key)
    }

    /// Replays the records of one chunk.
    pub(super) fn replay(&mut self, mut records: Reader<'_>) -> Result<(), AuditError> {
        while !records.is_empty() {
            let place = records.place();
            let length = records.u32()?;
            let kind = records.u8()?;
            let start = records.place().offset.unwrap_or(0);
            let mut content = Reader::new(place.file, start, records.bytes(length as usize)?);
            match kind {
                GENESIS => self.start.parameters(&mut content, &self.genesis)?,
                ACCOUNT => self.account(&mut content)?,
                BLOCK => self.block(&mut content)?,
                SCARCITY => self.scarcity(&mut content)?,
                VALIDATORS => self.validators(&mut content)?,
                CERTIFICATE => self.certificate(&mut content)?,
                _ => return Err(place.finding("the record's kind", "2 to 7", kind)),
            }
            if !content.is_empty() {
                let left = content.rest().len();
                return Err(content.place().finding("bytes left in the record", 0, left));
            }
        }
        Ok(())
    }

    /// What else Layer 1 is set up with.
    fn scarcity(&mut self, record: &mut Reader<'_>) -> Result<(), AuditError> {
        let scarcity = self.start.scarcity(record, &self.genesis)?;
        self.base = scarcity.first_base();
        self.state = scarcity.has_state_root().then(Box::default);
        Ok(())
    }

    /// Who decides about blocks: between the last account and the first block.
    fn validators(&mut self, record: &mut Reader<'_>) -> Result<(), AuditError> {
        if !self.has_begun() || self.height() > 0 || self.validators.is_some() {
            let expected = "at most one, after the last account and before the first block";
            return Err(record
                .place()
                .finding("a record of validators", expected, "another"));
        }
        self.validators = Some(Validators::read(record)?);
        Ok(())
    }

    fn certificate(&mut self, record: &mut Reader<'_>) -> Result<(), AuditError> {
        let (last, genesis) = ((self.height(), self.tip()), self.genesis);
        let Some(mut validators) = self.validators.take() else {
            let expected = "none: nobody decides";
            return Err(record.place().finding("a certificate", expected, "one"));
        };
        let empty = |height| self.has_clock().then(|| self.empty_block(height));
        let candidates = Candidates { last, empty };
        let held = validators.certificate(record, &genesis, candidates);
        self.validators = Some(validators);
        held
    }

    /// The hash of a block of nothing after the last one, were it of this height.
    fn empty_block(&mut self, height: u64) -> Digest {
        let (tip, root) = (self.tip(), self.state_root());
        let body = KEYS.block.hash(&[]);
        let root = root.as_ref().map_or(&[][..], |root| root);
        KEYS.block
            .hash(&[&tip, &height.to_le_bytes(), &[0; 4], &body, root])
    }

    /// Who decides about blocks, where somebody does, and how many of them have certificates.
    pub(super) fn votes(&self) -> Option<(Voters, u64)> {
        let validators = self.validators.as_ref()?;
        Some((validators.voters(), validators.certificates()))
    }

    /// That the last block is certified, where blocks are.
    pub(super) fn check_certified(&self, place: Place<'_>) -> Result<(), AuditError> {
        let validators = self.validators.iter();
        let mut checks = validators.map(|of| of.check_certified(self.height(), place));
        checks.try_for_each(|check| check)
    }

    fn account(&mut self, record: &mut Reader<'_>) -> Result<(), AuditError> {
        let place = record.place();
        let (key, amount): (PublicKey, u64) = (record.take()?, record.u64()?);
        self.supply += u128::from(amount);
        if self.supply > u128::from(u64::MAX) {
            return Err(place.finding("the supply", format!("at most {}", u64::MAX), self.supply));
        }
        let account = self.account_index(&key);
        self.credit(account, amount);
        self.start.account((&key, amount), &self.genesis, place)
    }

    /// Where a key's account is or would be: with a new one, none has begun.
    fn account_index(&mut self, key: &PublicKey) -> u32 {
        let next = self.accounts.len() as u32;
        let account = *self.account_of.entry(*key).or_insert(next);
        if account == next {
            self.accounts.push(Account {
                key: *key,
                balance: 0,
                nonce: 0,
                has_begun: false,
            });
            self.account_changed(account);
        }
        account
    }

    fn account_changed(&mut self, account: u32) {
        if let Some(state) = &mut self.state {
            state.account_changed(account);
        }
    }

    /// Pays into an account, which begins with that if it has not.
    fn credit(&mut self, account: u32, amount: u64) {
        self.account_changed(account);
        let account = &mut self.accounts[account as usize];
        account.has_begun = true;
        account.balance += amount;
    }

    /// One block: its header follows the last one and has its body's hash; what it holds is within
    /// its limits, pays what it asks, and leads to the state that the header says.
    fn block(&mut self, record: &mut Reader<'_>) -> Result<(), AuditError> {
        let Start::Done(parameters) = self.start else {
            return Err(record
                .place()
                .finding("accounts before the first block", "all", "some"));
        };
        let place = record.place();
        let last = self.height();
        self.check_certified(place)?;
        let header = self.header(record, &parameters)?;
        let scarcity = parameters.scarcity;
        self.base = scarcity.base_after(self.base, header.height - last - 1);
        self.blocks.push((header.height, header.hash));
        let (mut count, mut units) = (0, 0_u64);
        while !record.is_empty() {
            let place = record.place();
            let transaction = Transaction::read(record)?;
            self.signatures += transaction.signatures();
            let taken = scarcity.units_of(&transaction.act);
            let most = scarcity.most_units();
            units = units.saturating_add(taken);
            if units > most {
                return Err(place.finding("the block's units", format!("at most {most}"), units));
            }
            let fee = self.fee(&transaction, &parameters, taken, place)?;
            match &transaction.act {
                Act::Open(open) => self.open(open, fee, place)?,
                Act::Close(close) => self.close(close, fee, place)?,
            }
            count += 1;
        }
        if count != header.transactions {
            return Err(place.finding("the block's transactions", count, header.transactions));
        }
        self.base = scarcity.next_base(self.base, units);
        self.transactions += u64::from(count);
        self.check_root(header.state_root, place)
    }

    /// Takes a header off, and holds the rest, its body, against it.
    fn header(
        &self,
        record: &mut Reader<'_>,
        parameters: &Parameters,
    ) -> Result<Header, AuditError> {
        let header = record.rest();
        let place = record.place();
        let parent: Digest = record.take()?;
        if parent != self.tip() {
            return Err(place.finding("the block's parent", hex(&self.tip()), hex(&parent)));
        }
        let place = record.place();
        let (last, height) = (self.decided_height(), record.u64()?);
        let (holds, expected) = match parameters.scarcity.has_clock() {
            true => (height > last, format!("above {last}")),
            false => (height == last + 1, (last + 1).to_string()),
        };
        if !holds {
            return Err(place.finding("the block's height", expected, height));
        }
        let place = record.place();
        let transactions = record.u32()?;
        if transactions > parameters.block_transactions {
            let most = format!("at most {}", parameters.block_transactions);
            return Err(place.finding("the block's transactions", most, transactions));
        }
        let place_of_body = record.place();
        let body_hash: Digest = record.take()?;
        let state_root = match &self.state {
            Some(_) => Some(record.take()?),
            None => None,
        };
        let body = record.rest();
        if body.len() as u64 > parameters.block_bytes {
            let most = format!("at most {}", parameters.block_bytes);
            return Err(record.place().finding("the body's bytes", most, body.len()));
        }
        let found = KEYS.block.hash(&[body]);
        if found != body_hash {
            return Err(place_of_body.finding("the body's hash", hex(&found), hex(&body_hash)));
        }
        Ok(Header {
            height,
            transactions,
            state_root,
            hash: KEYS.block.hash(&[&header[..self.header_bytes()]]),
        })
    }

    /// What a transaction pays: the fee, or what it bids for so many units.
    fn fee(
        &self,
        transaction: &Transaction<'_>,
        parameters: &Parameters,
        units: u64,
        place: Place<'_>,
    ) -> Result<u64, AuditError> {
        match (parameters.scarcity.takes_bids(), transaction.bid) {
            (false, None) => Ok(parameters.fee),
            (false, Some(_)) => Err(place.finding("the bid", "none: here all pay one fee", "one")),
            (true, None) => Err(place.finding("the bid", "one", "none")),
            (true, Some(bid)) => {
                let fee = Scarcity::fee(bid, self.base, units);
                let expected = || format!("at least the base fee, {}", self.base);
                fee.ok_or_else(|| place.finding("the bid", expected(), bid.most))
            }
        }
    }

    /// Whether the accounts and channels are those that a header commits to.
    fn check_root(&mut self, told: Option<Digest>, place: Place<'_>) -> Result<(), AuditError> {
        let (Some(found), Some(told)) = (self.state_root(), told) else {
            return Ok(());
        };
        match found == told {
            true => Ok(()),
            false => Err(place.finding("the state root", hex(&found), hex(&told))),
        }
    }

    /// The root of all accounts and channels, if headers commit to it.
    fn state_root(&mut self) -> Option<Digest> {
        let state = self.state.as_mut()?;
        let (accounts, channels) = (&self.accounts, &self.channels);
        let key = |account: u32| accounts[account as usize].key;
        let of_account = |account: u32| {
            let account = &accounts[account as usize];
            let nonce = account.has_begun.then_some(account.nonce);
            account_leaf(&account.key, account.balance, nonce)
        };
        let of_channel = |channel: u32| {
            let of = &channels[channel as usize];
            let amounts = [of.capacity, of.reserve, of.deposit_a];
            channel_leaf(&of.id, of.parties.map(key), amounts, of.window)
        };
        Some(state.root(of_account, of_channel))
    }

    /// Takes the fee of a transaction.
    fn charge(&mut self, key: &PublicKey, fee: u64, place: Place<'_>) -> Result<u32, AuditError> {
        let account = self.account_of.get(key).copied();
        let begun = account.filter(|account| self.accounts[*account as usize].has_begun);
        let Some(account) = begun else {
            return Err(place.finding("the submitter's account", "one that exists", hex(key)));
        };
        let balance = &mut self.accounts[account as usize].balance;
        let Some(left) = balance.checked_sub(fee) else {
            return Err(place.finding(
                "the submitter's balance",
                format!("at least {fee}"),
                balance,
            ));
        };
        *balance = left;
        self.account_changed(account);
        self.fees += u128::from(fee);
        Ok(account)
    }

    fn open(&mut self, open: &Open, fee: u64, place: Place<'_>) -> Result<(), AuditError> {
        let capacity = check_terms(open, place)?;
        let a = self.charge(&open.key_a, fee, place)?;
        let account = &mut self.accounts[a as usize];
        if open.nonce != account.nonce {
            return Err(place.finding("the opener's nonce", account.nonce, open.nonce));
        }
        account.nonce += 1;
        let b = self.account_of.get(&open.key_b);
        let balance_b = b.map_or(0, |b| self.accounts[*b as usize].balance);
        let enough =
            self.accounts[a as usize].balance >= open.deposit_a && balance_b >= open.deposit_b;
        if !enough {
            // Included, but failed: it cost its fee and its nonce.
            self.failed += 1;
            return Ok(());
        }
        let b = self.account_index(&open.key_b);
        self.accounts[a as usize].balance -= open.deposit_a;
        self.accounts[b as usize].balance -= open.deposit_b;
        self.account_changed(b);
        self.locked += u128::from(capacity);
        let id = open.channel(&self.genesis);
        let index = self.channels.len() as u32;
        if self.channel_of.insert(id, index).is_some() {
            return Err(place.finding("the channel's id", "a new one", hex(&id)));
        }
        self.channels.push(Channel {
            id,
            parties: [a, b],
            capacity,
            reserve: open.reserve,
            deposit_a: open.deposit_a,
            window: open.window,
            closed: None,
        });
        if let Some(state) = &mut self.state {
            state.open();
        }
        Ok(())
    }

    fn close(&mut self, close: &Close, fee: u64, place: Place<'_>) -> Result<(), AuditError> {
        let Some(index) = self.channel(&close.channel) else {
            return Err(place.finding(
                "the closed channel",
                "one that is open",
                hex(&close.channel),
            ));
        };
        let channel = &self.channels[index as usize];
        if channel.closed.is_some() {
            return Err(place.finding(
                "the closed channel",
                "one that is open",
                "one closed before",
            ));
        }
        let (capacity, parties) = (channel.capacity, channel.parties);
        let closed = match &close.state {
            None => Closed {
                version: 0,
                head: channel.id,
                balance_a: channel.deposit_a,
            },
            Some((previous, entry)) => {
                let mut fields = Reader::new(place.file, 0, entry);
                let version = fields.u64()?;
                if version == 0 {
                    let least = "at least 1: a close at 0 shows no entry";
                    return Err(place.finding("the closed version", least, version));
                }
                fields.u64()?;
                Closed {
                    version,
                    head: link(previous, entry),
                    balance_a: fields.u64()?,
                }
            }
        };
        if closed.balance_a > capacity {
            let most = format!("at most {capacity}");
            return Err(place.finding("A's balance at the close", most, closed.balance_a));
        }
        self.charge(&close.submitter, fee, place)?;
        let payouts = [closed.balance_a, capacity - closed.balance_a];
        for (account, payout) in parties.into_iter().zip(payouts) {
            if payout > 0 {
                self.credit(account, payout);
            }
        }
        self.locked -= u128::from(capacity);
        self.channels[index as usize].closed = Some(closed);
        if let Some(state) = &mut self.state {
            state.close(index);
        }
        self.closed += 1;
        Ok(())
    }

    /// Whether all value is somewhere: accounts, channels and fees, record by record.
    pub(super) fn check_supply(&self, file: &str) -> Result<(), AuditError> {
        let balances = self
            .accounts
            .iter()
            .map(|account| u128::from(account.balance));
        let open = self
            .channels
            .iter()
            .filter(|channel| channel.closed.is_none());
        let locked: u128 = open.map(|channel| u128::from(channel.capacity)).sum();
        let found = balances.sum::<u128>() + locked + self.fees;
        if locked == self.locked && found == self.supply {
            return Ok(());
        }
        let place = Place { file, offset: None };
        Err(place.finding("the supply", self.supply, found))
    }

    /// All that exists, in the smallest unit.
    pub(super) fn supply(&self) -> u128 {
        self.supply
    }
}

/// Whether a channel may have these terms; gives its capacity.
fn check_terms(open: &Open, place: Place<'_>) -> Result<u64, AuditError> {
    if open.index > 0 {
        return Err(place.finding("the channel's index", 0, open.index));
    }
    if open.two_sided && open.deposit_b == 0 {
        return Err(place.finding("B's deposit", "at least 1", 0));
    }
    if open.window == 0 {
        return Err(place.finding("the window", "at least 1", 0));
    }
    if open.key_a == open.key_b {
        return Err(place.finding("the two keys", "different ones", hex(&open.key_a)));
    }
    let capacity = open.deposit_a.checked_add(open.deposit_b);
    let Some(capacity) = capacity.filter(|capacity| *capacity > 0) else {
        let found = u128::from(open.deposit_a) + u128::from(open.deposit_b);
        let expected = format!("1 to {}", u64::MAX);
        return Err(place.finding("both deposits", expected, found));
    };
    if open.reserve > capacity {
        return Err(place.finding("the reserve", "at most the capacity", open.reserve));
    }
    Ok(capacity)
}
