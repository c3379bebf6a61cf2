//! The accounts of a workload on Layer 1: keys, first balances, and what should be left at the end.

use std::collections::HashMap;

use rayon::prelude::*;
use zeroize::Zeroizing;

use super::run::{Config, RunError};
use super::steps::ShardOf;
use super::workload::{AccountIndex, Workload};
use crate::crypto::{Backend, Domain, Hasher, KeyId, KeyPairs, PublicKey, SecretKey};
use crate::l1::{Chain, Genesis};
use crate::protocol::{Amount, Pair};

/// Keys derived in one go: enough to fill the lanes, and work for every core.
const CHUNK: usize = 4096;

/// One shard's parties, of both sides of its channels: their keys, who takes part where, and how
/// their balances on Layer 1 should have changed.
pub(super) struct Parties {
    /// The account of each place.
    accounts: Vec<AccountIndex>,
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
        accounts.shrink_to_fit();
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
            changes: vec![0; accounts.len()],
            accounts,
            pairs,
            slots,
        }
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.len()
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
        Pair {
            a: self.public_key(a),
            b: self.public_key(b),
        }
    }

    fn public_key(&self, place: u32) -> PublicKey {
        let ring = self.pairs.ring();
        ring.key(ring.id(place).expect("a key at each place"))
    }

    /// Takes the balances as they stand: of what led to them, nothing is left but the sum.
    pub(super) fn begin_at(&mut self, chain: &Chain, allocation: impl Fn(AccountIndex) -> u64) {
        for (place, account) in self.accounts.iter().enumerate() {
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

/// Keys and first balances of the workload's accounts.
pub(super) struct Accounts {
    keys: Vec<PublicKey>,
    allocations: Vec<Amount>,
}

impl Accounts {
    /// Derives the keys; `units` is what an account has, fees included, if an amount can hold it.
    pub(super) fn new(
        config: &Config,
        accounts: AccountIndex,
        units: impl Fn(AccountIndex) -> Option<u64>,
    ) -> Result<Accounts, RunError> {
        let indices: Vec<AccountIndex> = (0..accounts).collect();
        let keys = derived(config, &indices);
        Accounts::with(keys, units)
    }

    /// Takes the keys from the shards that have derived them, and derives those of accounts that
    /// take part nowhere.
    pub(super) fn of(
        parties: &[&Parties],
        config: &Config,
        accounts: AccountIndex,
        units: impl Fn(AccountIndex) -> Option<u64>,
    ) -> Result<Accounts, RunError> {
        const NONE: PublicKey = PublicKey([0; 32]);
        let mut keys = vec![NONE; accounts as usize];
        for parties in parties {
            for (place, account) in (0..).zip(&parties.accounts) {
                keys[*account as usize] = parties.public_key(place);
            }
        }
        let left: Vec<AccountIndex> = (0..accounts)
            .filter(|account| keys[*account as usize] == NONE)
            .collect();
        for (account, key) in left.iter().zip(derived(config, &left)) {
            keys[*account as usize] = key;
        }
        Accounts::with(keys, units)
    }

    fn with(
        keys: Vec<PublicKey>,
        units: impl Fn(AccountIndex) -> Option<u64>,
    ) -> Result<Accounts, RunError> {
        let allocation = |account| {
            let units = units(account).ok_or(RunError::AllocationOverflow(account))?;
            Ok(Amount::new(units))
        };
        let allocations = (0..keys.len() as AccountIndex)
            .map(allocation)
            .collect::<Result<_, RunError>>()?;
        Ok(Accounts { keys, allocations })
    }

    pub(super) fn genesis(&self, label: &str) -> Genesis {
        let allocations = self
            .keys
            .iter()
            .copied()
            .zip(self.allocations.iter().copied());
        Genesis {
            label: label.to_owned(),
            allocations: allocations.collect(),
        }
    }

    pub(super) fn key(&self, account: AccountIndex) -> PublicKey {
        self.keys[account as usize]
    }

    /// Whether every account has on Layer 1 what it began with and what the shards' own sums, taken
    /// from the workload, and the court's, taken from the disputes' payouts, add to it.
    pub(super) fn match_ledger(
        &self,
        parties: &[&Parties],
        of_court: &[(AccountIndex, i128)],
        chain: &Chain,
    ) -> bool {
        let mut changes = vec![0_u64; self.keys.len()];
        let mut change = |account: AccountIndex, units: u64| {
            let sum = &mut changes[account as usize];
            *sum = sum.wrapping_add(units);
        };
        for parties in parties {
            for (account, units) in parties.accounts.iter().zip(&parties.changes) {
                change(*account, *units);
            }
        }
        for (account, units) in of_court {
            change(*account, *units as u64);
        }
        self.hold(&changes, chain)
    }

    /// Whether every account has on Layer 1 what it began with and this change, modulo 2^64.
    pub(super) fn hold(&self, changes: &[u64], chain: &Chain) -> bool {
        let expected = self.allocations.iter().zip(changes);
        self.keys
            .iter()
            .zip(expected)
            .all(|(key, (allocation, change))| {
                let balance = chain
                    .account(key)
                    .map_or(0, |account| account.balance.units());
                balance == allocation.units().wrapping_add(*change)
            })
    }
}

/// The public keys of accounts, derived on all cores.
fn derived(config: &Config, accounts: &[AccountIndex]) -> Vec<PublicKey> {
    accounts
        .par_chunks(256)
        .flat_map_iter(|accounts| {
            let secrets = secret_keys(config.backend, config.seed, accounts);
            secrets.into_iter().map(|secret| secret.public())
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
