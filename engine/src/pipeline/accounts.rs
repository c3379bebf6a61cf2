//! The accounts of a workload on Layer 1: keys, first balances, and what should be left at the end.

use rayon::prelude::*;
use zeroize::Zeroizing;

use super::run::RunError;
use super::shard::ShardOutcome;
use super::workload::AccountIndex;
use crate::crypto::{Backend, Domain, Hasher, PublicKey, SecretKey};
use crate::l1::{Chain, Genesis};
use crate::protocol::Amount;

/// Keys and first balances of the workload's accounts.
pub(super) struct Accounts {
    keys: Vec<PublicKey>,
    allocations: Vec<Amount>,
}

impl Accounts {
    /// Derives the keys; `units` is what an account has, fees included, if an amount can hold it.
    pub(super) fn new(
        backend: Backend,
        seed: u64,
        accounts: AccountIndex,
        units: impl Fn(AccountIndex) -> Option<u64>,
    ) -> Result<Accounts, RunError> {
        let indices: Vec<AccountIndex> = (0..accounts).collect();
        let keys = indices
            .par_chunks(256)
            .flat_map_iter(|accounts| {
                let secrets = secret_keys(backend, seed, accounts);
                secrets.into_iter().map(|secret| secret.public())
            })
            .collect();
        let allocation = |account| {
            let units = units(account).ok_or(RunError::AllocationOverflow(account))?;
            Ok(Amount::new(units))
        };
        let allocations = indices
            .into_iter()
            .map(allocation)
            .collect::<Result<_, _>>()?;
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
        ends: &[ShardOutcome],
        of_court: &[(AccountIndex, i128)],
        chain: &Chain,
    ) -> bool {
        let mut changes = vec![0; self.keys.len()];
        for (account, change) in ends.iter().flat_map(|end| &end.ledger).chain(of_court) {
            changes[*account as usize] += change;
        }
        self.holds(&changes, chain)
    }

    /// Whether every account has on Layer 1 what it began with and this change.
    pub(super) fn holds(&self, changes: &[i128], chain: &Chain) -> bool {
        let expected = self.allocations.iter().zip(changes);
        self.keys
            .iter()
            .zip(expected)
            .all(|(key, (allocation, change))| {
                let balance = chain
                    .account(key)
                    .map_or(0, |account| account.balance.units());
                i128::from(balance) == i128::from(allocation.units()) + change
            })
    }
}

/// The keys of a benchmark's accounts, derived from its seed: reproducible, and therefore secret
/// from nobody.
pub(super) fn secret_keys(
    backend: Backend,
    seed: u64,
    accounts: &[AccountIndex],
) -> Vec<SecretKey> {
    let seeds: Vec<Zeroizing<[u8; 32]>> = accounts
        .iter()
        .map(|account| {
            let mut hasher = Hasher::new(Domain::Genesis);
            hasher
                .update(b"benchmark account")
                .update(&seed.to_le_bytes())
                .update(&account.to_le_bytes());
            Zeroizing::new(hasher.finish().0)
        })
        .collect();
    SecretKey::from_seeds(backend, &seeds)
}
