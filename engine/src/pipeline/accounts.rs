//! The accounts of a workload on Layer 1: keys, first balances, and what should be left at the end.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashMap;
use rayon::prelude::*;
use zeroize::Zeroizing;

use super::attack::Attacks;
use super::config::Config;
use super::error::RunError;
use super::schedule::{Schedule, ShardOf};
use super::workload::{AccountIndex, Session, Workload};
use duet_base::bytes::Reader;
use duet_channels::crypto::{Backend, Domain, Hasher, KeyId, KeyPairs, PublicKey, SecretKey};
use duet_channels::protocol::{Amount, Pair};
use duet_ledger::l1::{Allocations, Chain, Genesis};

/// Keys derived in one go: enough to fill the lanes.
const CHUNK: usize = 4096;

/// One shard's parties, of both sides of its channels: their keys, who takes part where, and how
/// their balances on Layer 1 should have changed.
pub(super) struct Parties {
    pub(super) of: ShardOf,
    /// The keys of each place.
    pub(super) pairs: KeyPairs,
    /// The change of each place's balance, modulo 2^64: the balances themselves are below that.
    changes: Vec<u64>,
    /// The places of each slot's parties: a slot's sessions all have the same accounts.
    slots: Vec<Pair<u32>>,
}

impl Parties {
    /// Derives and checks the keys of all accounts that appear in a shard's slots.
    pub(super) fn new(
        config: &Config,
        workload: &dyn Workload,
        of: ShardOf,
        slots: u32,
    ) -> Parties {
        let mut places = HashMap::new();
        let mut accounts = Vec::new();
        let mut place_of = |account: AccountIndex| {
            *places.entry(account).or_insert_with(|| {
                accounts.push(account);
                accounts.len() as u32 - 1
            })
        };
        let slots = (0..slots).map(|slot| {
            let Pair { a, b } = workload.session(of.number(slot)).accounts;
            Pair {
                a: place_of(a),
                b: place_of(b),
            }
        });
        let slots: Vec<Pair<u32>> = slots.collect();
        drop(places);
        let mut pairs = KeyPairs::new(config.backend);
        for accounts in accounts.chunks(CHUNK) {
            pairs.insert_seeds(&seeds(config.seed, accounts));
        }
        assert_eq!(
            pairs.ring().len(),
            accounts.len(),
            "a key of its own for each"
        );
        Parties {
            of,
            changes: vec![0; accounts.len()],
            pairs,
            slots,
        }
    }

    /// The account of each place: asked, not kept.
    fn accounts(&self, workload: &dyn Workload) -> Vec<AccountIndex> {
        let mut accounts = vec![0; self.changes.len()];
        for (slot, places) in (0..).zip(&self.slots) {
            let Pair { a, b } = workload.session(self.of.number(slot)).accounts;
            accounts[places.a as usize] = a;
            accounts[places.b as usize] = b;
        }
        accounts
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Appends each account's number, 4 bytes, and key, 32.
    pub(super) fn give_keys(&self, workload: &dyn Workload, out: &mut Vec<u8>) {
        for (place, account) in self.accounts(workload).into_iter().enumerate() {
            out.extend(account.to_le_bytes());
            out.extend(self.public_key(place as u32).0);
        }
    }

    /// Appends each account's number, 4 bytes, and what it should have gained, 8, modulo 2^64.
    pub(super) fn give_changes(&self, workload: &dyn Workload, out: &mut Vec<u8>) {
        for (account, change) in self.accounts(workload).into_iter().zip(&self.changes) {
            out.extend(account.to_le_bytes());
            out.extend(change.to_le_bytes());
        }
    }

    /// How many places there are.
    fn count(&self) -> u32 {
        self.changes.len() as u32
    }

    /// The places of a slot's parties, for their secret keys.
    pub(super) fn places(&self, slot: u32) -> Pair<u32> {
        self.slots[slot as usize]
    }

    /// Their places in the ring.
    pub(super) fn key_ids(&self, slot: u32) -> Pair<KeyId> {
        let Pair { a, b } = self.places(slot);
        let id = |place| self.pairs.ring().id(place).expect("a key at each place");
        Pair { a: id(a), b: id(b) }
    }

    pub(super) fn public_keys(&self, slot: u32) -> Pair<PublicKey> {
        let Pair { a, b } = self.places(slot);
        Pair { a, b }.map(|place| self.public_key(place))
    }

    fn public_key(&self, place: u32) -> PublicKey {
        let ring = self.pairs.ring();
        ring.key(ring.id(place).expect("a key at each place"))
    }

    /// Takes the balances as they stand: of what led to them, nothing is left but the sum. An
    /// account of several shards counts in the first that asks for it.
    pub(super) fn begin_at(
        &mut self,
        chain: &Chain,
        workload: &dyn Workload,
        allocation: impl Fn(AccountIndex) -> u64,
        taken: &[AtomicBool],
    ) {
        for (place, account) in self.accounts(workload).iter().enumerate() {
            if taken[*account as usize].swap(true, Ordering::Relaxed) {
                continue;
            }
            let key = self.public_key(place as u32);
            let balance = chain.account(&key).map_or(0, |found| found.balance.units());
            self.changes[place] = balance.wrapping_sub(allocation(*account));
        }
    }

    /// What a place's balance on Layer 1 gained, or lost.
    pub(super) fn change(&mut self, place: u32, units: i128) {
        let change = &mut self.changes[place as usize];
        *change = change.wrapping_add(units as u64);
    }
}

/// Keys and first balances of the workload's accounts: told from what there is, not listed, since a
/// run of a million channels has two million of them.
pub(super) struct Accounts<'p, U> {
    keys: Keys<'p>,
    count: AccountIndex,
    /// What an account has at genesis, fees included.
    units: U,
}

enum Keys<'p> {
    Listed(Vec<PublicKey>),
    /// Those of shards' parties, and of accounts that take part nowhere.
    Of {
        parties: &'p [&'p Parties],
        /// Each account's place, counted through all shards, and on through `others`.
        places: Vec<u32>,
        others: Vec<PublicKey>,
    },
}

impl<'p, U: Fn(AccountIndex) -> Option<u64>> Accounts<'p, U> {
    /// Derives the keys; `units` is what an account has, if an amount can hold it.
    pub(super) fn new(
        config: &Config,
        count: AccountIndex,
        units: U,
    ) -> Result<Accounts<'p, U>, RunError> {
        let indices: Vec<AccountIndex> = (0..count).collect();
        Accounts::listed(derived(config, &indices), units)
    }

    /// Takes the keys from the shards that have derived them, and derives those of accounts that
    /// take part nowhere.
    pub(super) fn of(
        parties: &'p [&'p Parties],
        config: &Config,
        workload: &dyn Workload,
        units: U,
    ) -> Result<Accounts<'p, U>, RunError> {
        const NOWHERE: u32 = u32::MAX;
        let count = workload.accounts();
        let mut places = vec![NOWHERE; count as usize];
        let mut next = 0;
        for parties in parties {
            for account in parties.accounts(workload) {
                places[account as usize] = next;
                next += 1;
            }
        }
        let nowhere: Vec<AccountIndex> = (0..count)
            .filter(|account| places[*account as usize] == NOWHERE)
            .collect();
        for account in &nowhere {
            places[*account as usize] = next;
            next += 1;
        }
        let keys = Keys::Of {
            parties,
            places,
            others: derived(config, &nowhere),
        };
        Accounts { keys, count, units }.checked()
    }

    /// All accounts, with these keys in their order.
    pub(super) fn listed(keys: Vec<PublicKey>, units: U) -> Result<Accounts<'p, U>, RunError> {
        let count = keys.len() as AccountIndex;
        let keys = Keys::Listed(keys);
        Accounts { keys, count, units }.checked()
    }

    /// Whether every account has on Layer 1 what it began with, and what all machines say that it
    /// should have gained.
    pub(super) fn match_given(&self, given: &[Vec<u8>], chain: &Chain) -> bool {
        let mut changes = vec![0_u64; self.count as usize];
        for (account, units) in given.iter().flat_map(|bytes| rows::<8>(bytes)) {
            let Some(change) = changes.get_mut(account as usize) else {
                return false;
            };
            *change = change.wrapping_add(u64::from_le_bytes(units));
        }
        self.hold(chain, |account| changes[account as usize])
    }

    fn checked(self) -> Result<Accounts<'p, U>, RunError> {
        match (0..self.count).find(|account| (self.units)(*account).is_none()) {
            Some(account) => Err(RunError::AllocationOverflow(account)),
            None => Ok(self),
        }
    }

    pub(super) fn genesis(&self, label: &str) -> Genesis<&Accounts<'p, U>> {
        Genesis {
            label: label.to_owned(),
            allocations: self,
        }
    }

    pub(super) fn key(&self, account: AccountIndex) -> PublicKey {
        let others = match &self.keys {
            Keys::Listed(keys) => return keys[account as usize],
            Keys::Of { others, .. } => others,
        };
        match self.place(account) {
            (Some(parties), place) => parties.public_key(place),
            (None, place) => others[place as usize],
        }
    }

    /// Whose party an account is, and at which place; of none of them, its place among the others.
    fn place(&self, account: AccountIndex) -> (Option<&'p Parties>, u32) {
        let Keys::Of {
            parties, places, ..
        } = &self.keys
        else {
            return (None, account);
        };
        let mut place = places[account as usize];
        for parties in *parties {
            match place.checked_sub(parties.count()) {
                None => return (Some(parties), place),
                Some(rest) => place = rest,
            }
        }
        (None, place)
    }

    fn allocation(&self, account: AccountIndex) -> u64 {
        (self.units)(account).expect("checked when it was made")
    }

    /// Whether every account has on Layer 1 what it began with and what the shards' own sums, taken
    /// from the workload, and the court's, taken from the disputes' payouts, add to it.
    pub(super) fn match_ledger(
        &self,
        parties: &[&Parties],
        workload: &dyn Workload,
        of_court: &[(AccountIndex, i128)],
        chain: &Chain,
    ) -> bool {
        let Keys::Of { places, .. } = &self.keys else {
            unreachable!("the shards' accounts")
        };
        // Most accounts have one place, which has their whole change.
        let mut elsewhere: HashMap<AccountIndex, u64> = HashMap::new();
        let mut add = |account: AccountIndex, units: u64| {
            let sum = elsewhere.entry(account).or_default();
            *sum = sum.wrapping_add(units);
        };
        let mut here = 0;
        for parties in parties {
            for (account, units) in parties.accounts(workload).into_iter().zip(&parties.changes) {
                if places[account as usize] != here {
                    add(account, *units);
                }
                here += 1;
            }
        }
        for (account, units) in of_court {
            add(*account, *units as u64);
        }
        self.hold(chain, |account| {
            let (shard, place) = self.place(account);
            let of_place = shard.map_or(0, |parties| parties.changes[place as usize]);
            of_place.wrapping_add(elsewhere.get(&account).copied().unwrap_or(0))
        })
    }

    /// Whether every account has on Layer 1 what it began with and its change, modulo 2^64.
    pub(super) fn hold(&self, chain: &Chain, change: impl Fn(AccountIndex) -> u64) -> bool {
        (0..self.count).all(|account| {
            let found = chain.account(&self.key(account));
            let balance = found.map_or(0, |account| account.balance.units());
            balance == self.allocation(account).wrapping_add(change(account))
        })
    }
}

impl<U: Fn(AccountIndex) -> Option<u64>> Allocations for Accounts<'_, U> {
    fn count(&self) -> u64 {
        u64::from(self.count)
    }

    fn each(&self, mut give: impl FnMut(PublicKey, Amount)) {
        for account in 0..self.count {
            give(self.key(account), Amount::new(self.allocation(account)));
        }
    }
}

/// The keys of all accounts of a workload that several machines run: those that each of them gave,
/// and the others', which are derived here. None if what they gave is no list of keys.
pub(super) fn given_keys(
    config: &Config,
    workload: &dyn Workload,
    given: &[Vec<u8>],
) -> Option<Vec<PublicKey>> {
    let count = workload.accounts();
    let mut keys = vec![None; count as usize];
    for (account, key) in given.iter().flat_map(|bytes| rows::<32>(bytes)) {
        *keys.get_mut(account as usize)? = Some(PublicKey(key));
    }
    let missing = (0..count).filter(|account| keys[*account as usize].is_none());
    let missing: Vec<AccountIndex> = missing.collect();
    for (account, key) in missing.iter().zip(derived(config, &missing)) {
        keys[*account as usize] = Some(key);
    }
    keys.into_iter().collect()
}

/// What one machine tells of its shards' accounts.
pub(super) fn told(
    parties: &[&Parties],
    workload: &dyn Workload,
    tell: impl Fn(&Parties, &dyn Workload, &mut Vec<u8>),
) -> Vec<u8> {
    let mut out = Vec::new();
    parties
        .iter()
        .for_each(|parties| tell(parties, workload, &mut out));
    out
}

/// An account's number and N bytes each; what is left over at the end is none.
fn rows<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = (AccountIndex, [u8; N])> {
    bytes.chunks_exact(4 + N).filter_map(|row| {
        let mut row = Reader::new(row);
        Some((row.u32()?, row.array()?))
    })
}

/// The public keys of accounts, derived on all cores.
fn derived(config: &Config, accounts: &[AccountIndex]) -> Vec<PublicKey> {
    accounts
        .par_chunks(256)
        .flat_map_iter(|accounts| {
            let secrets = secret_keys(config.backend, config.seed, accounts);
            let publics: Vec<PublicKey> = secrets.iter().map(SecretKey::public).collect();
            publics
        })
        .collect()
}

/// The keys of a benchmark's accounts, derived from its seed: reproducible, and therefore secret
/// from nobody.
pub(super) fn secret_keys(
    backend: Backend,
    seed: u64,
    accounts: &[AccountIndex],
) -> Vec<SecretKey> {
    SecretKey::from_seeds(backend, &seeds(seed, accounts))
}

fn seeds(seed: u64, accounts: &[AccountIndex]) -> Vec<Zeroizing<[u8; 32]>> {
    let of = |account: &AccountIndex| {
        let mut hasher = Hasher::new(Domain::Genesis);
        hasher
            .update(b"benchmark account")
            .update(&seed.to_le_bytes())
            .update(&account.to_le_bytes());
        Zeroizing::new(hasher.finish().0)
    };
    accounts.iter().map(of).collect()
}

/// What the keys of Layer 1's validators are made of.
pub(super) fn validator_seeds(seed: u64, validators: u16) -> Vec<Zeroizing<[u8; 32]>> {
    let of = |place: u16| {
        let mut hasher = Hasher::new(Domain::Genesis);
        hasher
            .update(b"benchmark validator")
            .update(&seed.to_le_bytes())
            .update(&place.to_le_bytes());
        Zeroizing::new(hasher.finish().0)
    };
    (0..validators).map(of).collect()
}

/// Every shard's parties.
pub(super) type ShardsParties = Vec<(ShardOf, Parties)>;

/// Derives the keys of every shard's parties.
pub(super) fn parties(
    config: &Config,
    workload: &dyn Workload,
    schedule: &Schedule,
) -> ShardsParties {
    assert!(config.shards > 0, "at least one shard");
    let own = u64::from(config.shards);
    let first = u64::from(config.place.machine) * own;
    let shards = u64::from(config.place.machines) * own;
    (first..first + own)
        .into_par_iter()
        .map(|index| {
            let of = ShardOf { index, shards };
            let slots = of.slots_below(schedule.concurrent());
            (of, Parties::new(config, workload, of, slots))
        })
        .collect()
}

/// The label of the channels' Layer 1.
pub(super) const CHANNELS: &str = "channels";

/// What an account has at genesis: all that it locks, and the fees, with those of so many disputes.
pub(super) fn units(
    config: &Config,
    workload: &dyn Workload,
    disputes: u64,
    account: AccountIndex,
) -> Option<u64> {
    // Opening and closing a channel cost its opener a fee each.
    let fees = workload
        .opens(account)
        .checked_mul(2)?
        .checked_add(disputes * FEES_OF_A_DISPUTE)?
        .checked_mul(config.most_fee())?;
    fees.checked_add(workload.allocation(account).units())
}

/// Posts and payouts of one party in one dispute at most.
pub(super) const FEES_OF_A_DISPUTE: u64 = 8;

/// In how many disputes each account is going to be, those among them that are none by accident.
pub(super) fn disputes(config: &Config, workload: &dyn Workload) -> HashMap<AccountIndex, u64> {
    let mut disputes = HashMap::new();
    // A close that others outbid ends in one too.
    let any = config.l1.order.takes_bids();
    if config.attacks.is_empty() && config.faults.is_empty() && !any {
        return disputes;
    }
    let attacks = Attacks::new(config.seed, &config.attacks);
    let damaged: HashSet<u64> = config.faults.iter().map(|fault| fault.session).collect();
    for number in 0..workload.sessions() {
        let Session {
            accounts, payments, ..
        } = workload.session(number);
        if any || damaged.contains(&number) || attacks.on(number, payments).is_some() {
            for account in [accounts.a, accounts.b] {
                *disputes.entry(account).or_default() += 1;
            }
        }
    }
    disputes
}
