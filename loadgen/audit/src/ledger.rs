//! Replays Layer 1 from its genesis: headers, accounts, channels, payouts. Checks no signature:
//! that is for the sample that the last block chooses.

use std::collections::HashMap;

use super::bytes::Reader;
use super::finding::{AuditError, Place};
use super::hash::{Digest, KEYS, hex, link};
use super::transaction::{Act, Close, Open, PublicKey, Transaction};

/// Kinds of records in Layer 1's stream.
const GENESIS: u8 = 2;
const ACCOUNT: u8 = 3;
const BLOCK: u8 = 4;

/// Every kind of transaction fits into a block.
const LEAST_BLOCK_BYTES: u64 = 453;

/// Layer 1, as far as it has been replayed.
pub(super) struct Ledger {
    pub(super) genesis: Digest,
    start: Start,
    accounts: Vec<Account>,
    account_of: ByDigest,
    pub(super) channels: Vec<Channel>,
    channel_of: ByDigest,
    /// Every block's hash, from the first one, of height 1.
    blocks: Vec<Digest>,
    pub(super) transactions: u64,
    pub(super) failed: u64,
    pub(super) closed: u64,
    /// Those of all transactions.
    pub(super) signatures: u64,
    supply: u128,
    fees: u128,
    locked: u128,
}

/// How much of the genesis has been read.
enum Start {
    Nothing,
    Accounts {
        parameters: Parameters,
        left: u64,
        hasher: Box<blake3::Hasher>,
    },
    Done(Parameters),
}

#[derive(Clone, Copy)]
struct Parameters {
    block_transactions: u32,
    block_bytes: u64,
    fee: u64,
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

    /// How many blocks there are.
    pub(super) fn height(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// The last block's hash; the genesis id before the first.
    pub(super) fn tip(&self) -> Digest {
        *self.blocks.last().unwrap_or(&self.genesis)
    }

    /// The hash of the block at a height, or the genesis id at 0.
    pub(super) fn block_at(&self, height: u64) -> Option<&Digest> {
        let Some(before) = height.checked_sub(1) else {
            return Some(&self.genesis);
        };
        self.blocks.get(usize::try_from(before).ok()?)
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
                GENESIS => self.parameters(&mut content)?,
                ACCOUNT => self.account(&mut content)?,
                BLOCK => self.block(&mut content)?,
                _ => return Err(place.finding("the record's kind", "2, 3 or 4", kind)),
            }
            if !content.is_empty() {
                let left = content.rest().len();
                return Err(content.place().finding("bytes left in the record", 0, left));
            }
        }
        Ok(())
    }

    /// `H_genesis(label's length ‖ label ‖ block transactions ‖ block bytes ‖ fee ‖ number of
    /// accounts ‖ every key and amount)`, once all of them have come.
    fn parameters(&mut self, record: &mut Reader<'_>) -> Result<(), AuditError> {
        if !matches!(self.start, Start::Nothing) {
            return Err(record.place().finding("genesis records", 1, 2));
        }
        let place = record.place();
        let parameters = Parameters {
            block_transactions: record.u32()?,
            block_bytes: record.u64()?,
            fee: record.u64()?,
        };
        if parameters.block_transactions == 0 {
            return Err(place.finding("transactions a block", "at least 1", 0));
        }
        if parameters.block_bytes < LEAST_BLOCK_BYTES {
            let least = format!("at least {LEAST_BLOCK_BYTES}, of the longest transaction");
            return Err(place.finding("bytes a block", least, parameters.block_bytes));
        }
        let left = record.u64()?;
        let label = record.bytes(record.rest().len())?;
        let mut hasher = KEYS.genesis.hasher();
        hasher
            .update(&(label.len() as u64).to_le_bytes())
            .update(label)
            .update(&parameters.block_transactions.to_le_bytes())
            .update(&parameters.block_bytes.to_le_bytes())
            .update(&parameters.fee.to_le_bytes())
            .update(&left.to_le_bytes());
        self.start = Start::Accounts {
            parameters,
            left,
            hasher: Box::new(hasher),
        };
        self.begin(record.place())
    }

    fn account(&mut self, record: &mut Reader<'_>) -> Result<(), AuditError> {
        let place = record.place();
        let (key, amount): (PublicKey, u64) = (record.take()?, record.u64()?);
        let Start::Accounts { left, hasher, .. } = &mut self.start else {
            return Err(place.finding("accounts left", 0, 1));
        };
        hasher.update(&key).update(&amount.to_le_bytes());
        *left -= 1;
        self.supply += u128::from(amount);
        if self.supply > u128::from(u64::MAX) {
            return Err(place.finding("the supply", format!("at most {}", u64::MAX), self.supply));
        }
        let account = self.account_index(&key);
        self.credit(account, amount);
        self.begin(place)
    }

    fn begin(&mut self, place: Place<'_>) -> Result<(), AuditError> {
        let Start::Accounts {
            parameters,
            left: 0,
            hasher,
        } = &self.start
        else {
            return Ok(());
        };
        let found = *hasher.finalize().as_bytes();
        if found != self.genesis {
            let expected = hex(&self.genesis);
            return Err(place.finding("the genesis id", expected, hex(&found)));
        }
        self.start = Start::Done(*parameters);
        Ok(())
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
        }
        account
    }

    /// Pays into an account, which begins with that if it has not.
    fn credit(&mut self, account: u32, amount: u64) {
        let account = &mut self.accounts[account as usize];
        account.has_begun = true;
        account.balance += amount;
    }

    /// One block: its header follows the last one and has its body's hash.
    fn block(&mut self, record: &mut Reader<'_>) -> Result<(), AuditError> {
        let Start::Done(parameters) = self.start else {
            return Err(record
                .place()
                .finding("accounts before the first block", "all", "some"));
        };
        let header = record.rest();
        let place = record.place();
        let parent: Digest = record.take()?;
        if parent != self.tip() {
            return Err(place.finding("the block's parent", hex(&self.tip()), hex(&parent)));
        }
        let place = record.place();
        let height = record.u64()?;
        if height != self.height() + 1 {
            return Err(place.finding("the block's height", self.height() + 1, height));
        }
        let place = record.place();
        let transactions = record.u32()?;
        if transactions > parameters.block_transactions {
            let most = format!("at most {}", parameters.block_transactions);
            return Err(place.finding("the block's transactions", most, transactions));
        }
        let place_of_body = record.place();
        let body_hash: Digest = record.take()?;
        let body = record.rest();
        if body.len() as u64 > parameters.block_bytes {
            let most = format!("at most {}", parameters.block_bytes);
            return Err(record.place().finding("the body's bytes", most, body.len()));
        }
        let found = KEYS.block.hash(&[body]);
        if found != body_hash {
            return Err(place_of_body.finding("the body's hash", hex(&found), hex(&body_hash)));
        }
        let header: &[u8] = &header[..76];
        self.blocks.push(KEYS.block.hash(&[header]));
        let mut count = 0;
        while !record.is_empty() {
            let place = record.place();
            let transaction = Transaction::read(record)?;
            self.signatures += transaction.signatures();
            match &transaction.act {
                Act::Open(open) => self.open(open, parameters.fee, place)?,
                Act::Close(close) => self.close(close, parameters.fee, place)?,
            }
            count += 1;
        }
        if count != transactions {
            return Err(place.finding("the block's transactions", count, transactions));
        }
        self.transactions += u64::from(count);
        Ok(())
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
        self.fees += u128::from(fee);
        Ok(account)
    }

    fn open(&mut self, open: &Open, fee: u64, place: Place<'_>) -> Result<(), AuditError> {
        let sound = |what, expected: &str, found: u64, holds: bool| {
            if holds {
                Ok(())
            } else {
                Err(place.finding(what, expected, found))
            }
        };
        sound(
            "the channel's index",
            "0",
            u64::from(open.index),
            open.index == 0,
        )?;
        if open.two_sided && open.deposit_b == 0 {
            return Err(place.finding("B's deposit", "at least 1", 0));
        }
        sound(
            "the window",
            "at least 1",
            u64::from(open.window),
            open.window > 0,
        )?;
        if open.key_a == open.key_b {
            return Err(place.finding("the two keys", "different ones", hex(&open.key_a)));
        }
        let capacity = open.deposit_a.checked_add(open.deposit_b);
        let Some(capacity) = capacity.filter(|capacity| *capacity > 0) else {
            let found = u128::from(open.deposit_a) + u128::from(open.deposit_b);
            let expected = format!("1 to {}", u64::MAX);
            return Err(place.finding("both deposits", expected, found));
        };
        sound(
            "the reserve",
            "at most the capacity",
            open.reserve,
            open.reserve <= capacity,
        )?;
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
            closed: None,
        });
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
