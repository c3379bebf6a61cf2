//! Accounts and channels: decides what a checked claim does, then applies it.
//!
//! Every `?` is in `decide`, which changes nothing; [`Ledger::apply`] has none. Value moves between
//! accounts, channels and fees paid, and its sum is checked at every block (L7).

mod decide;

use std::collections::HashMap;
use std::fmt;

use super::channel::{ChannelRecord, ChannelStatus, Settlement};
use super::receipt::{Executed, Notice};
use super::refusal::Refusal;
use crate::crypto::PublicKey;
use crate::protocol::{Amount, ChannelId, Party};
use decide::{Decision, Effect, Locking, Releasing};

/// What an account holds. It is never removed: its nonce keeps old transactions out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What it can spend: locked value is not in it.
    pub balance: Amount,
    /// Nonces used: the next transfer's or open's.
    pub nonce: u64,
}

// Two million accounts of 16 bytes, and their keys of 32: 96 MB, a map's slack aside.
const _: () = assert!(size_of::<Account>() == 16);

/// Where all value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// In accounts.
    pub accounts: Amount,
    /// In channels.
    pub locked: Amount,
    /// Paid as fees.
    pub fees: Amount,
}

/// Rule L7 is broken: our own bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imbalance {
    /// Which sum.
    pub sum: &'static str,
    /// What it should be.
    pub expected: u128,
    /// What it is.
    pub got: u128,
}

/// All state of this Layer 1.
#[cfg_attr(test, derive(Clone, PartialEq, Debug))]
pub(super) struct Ledger {
    fee: Amount,
    supply: Amount,
    accounts: HashMap<PublicKey, Account>,
    channels: HashMap<ChannelId, ChannelRecord>,
    totals: Totals,
}

impl Ledger {
    /// The ledger at genesis. `supply` is the allocations' sum.
    pub(super) fn new(fee: Amount, supply: Amount, allocations: &[(PublicKey, Amount)]) -> Ledger {
        let mut ledger = Ledger {
            fee,
            supply,
            accounts: HashMap::with_capacity(allocations.len()),
            channels: HashMap::new(),
            totals: Totals::default(),
        };
        for &(key, amount) in allocations {
            ledger.credit(key, amount);
        }
        ledger.assert_conserved();
        ledger
    }

    pub(super) fn account(&self, key: &PublicKey) -> Option<&Account> {
        self.accounts.get(key)
    }

    pub(super) fn channel(&self, id: &ChannelId) -> Option<&ChannelRecord> {
        self.channels.get(id)
    }

    pub(super) fn totals(&self) -> &Totals {
        &self.totals
    }

    pub(super) fn supply(&self) -> Amount {
        self.supply
    }

    /// Accounts and channels alive.
    pub(super) fn records(&self) -> u64 {
        (self.accounts.len() + self.channels.len()) as u64
    }

    /// A channel that is there to be closed.
    pub(super) fn open_channel(&self, id: &ChannelId) -> Result<&ChannelRecord, Refusal> {
        let channel = self.channels.get(id);
        channel.ok_or(Refusal::UnknownChannel { channel: *id })
    }

    /// Carries a decision out, and notes what watchers should know.
    pub(super) fn apply(&mut self, decision: Decision, notices: &mut Vec<Notice>) -> Executed {
        let charge = self
            .fee
            .plus(decision.spends)
            .expect("within the payer's balance");
        let payer = self.debit(&decision.payer, charge);
        payer.nonce += u64::from(decision.uses_nonce);
        self.totals.fees = self.totals.fees.plus(self.fee).expect("within the supply");

        match decision.effect {
            Effect::Fail(failure) => Executed::Failed(failure),
            Effect::Credit { to, amount } => {
                self.credit(to, amount);
                Executed::Transferred
            }
            Effect::Lock(locking) => Executed::Opened {
                channel: self.lock(locking),
            },
            Effect::LockAll(all) => Executed::OpenedBatch {
                channels: all.into_iter().map(|one| self.lock(one)).collect(),
            },
            Effect::Dispute {
                channel,
                by,
                dispute,
            } => {
                let (version, until) = (dispute.highest(), dispute.until());
                let record = self.channels.get_mut(&channel).expect("it was found");
                record.status = ChannelStatus::Disputed(Box::new(dispute));
                notices.push(Notice::Posted {
                    channel,
                    by,
                    version,
                    until,
                });
                Executed::Posted { version, by, until }
            }
            Effect::Close(releasing) => {
                let Settlement {
                    payouts, version, ..
                } = self.release(releasing, notices);
                Executed::Closed { payouts, version }
            }
            Effect::CloseAll(items) => Executed::ClosedBatch {
                items: items
                    .into_iter()
                    .map(|item| item.map(|one| self.release(one, notices).into()))
                    .collect(),
            },
            Effect::PayOut(releasing) => {
                let Settlement {
                    payouts,
                    version,
                    forfeited,
                } = self.release(releasing, notices);
                Executed::PaidOut {
                    payouts,
                    version,
                    forfeited,
                }
            }
            Effect::RollOver(releasing, locking) => {
                let settlement = self.release(releasing, notices);
                let opener = locking.record.keys.a;
                let deposit_a = locking.deposit_a;
                self.debit(&opener, deposit_a);
                Executed::RolledOver {
                    closed: settlement.into(),
                    successor: self.lock(locking),
                }
            }
        }
    }

    /// Moves B's deposit, and A's that was debited, into a channel.
    fn lock(&mut self, locking: Locking) -> ChannelId {
        let Locking {
            channel,
            record,
            deposit_b,
            ..
        } = locking;
        if !deposit_b.is_zero() {
            self.debit(&record.keys.b, deposit_b);
        }
        let locked = self.totals.locked.plus(record.limits.capacity);
        self.totals.locked = locked.expect("within the supply");
        let old = self.channels.insert(channel, record);
        assert!(old.is_none(), "a channel's id is unique for ever");
        channel
    }

    /// Moves a channel's capacity out, and removes it.
    fn release(&mut self, releasing: Releasing, notices: &mut Vec<Notice>) -> Settlement {
        let Releasing {
            channel,
            keys,
            settlement,
        } = releasing;
        let record = self.channels.remove(&channel).expect("the channel is open");
        let capacity = record.limits.capacity;
        let payouts = settlement.payouts;
        assert_eq!(
            payouts.a.plus(payouts.b),
            Some(capacity),
            "all that was locked"
        );
        self.totals.locked = self.totals.locked.minus(capacity).expect("it was locked");
        for party in [Party::A, Party::B] {
            if !payouts.of(party).is_zero() {
                self.credit(*keys.of(party), *payouts.of(party));
            }
        }
        notices.push(Notice::Ended { channel });
        settlement
    }

    fn debit(&mut self, key: &PublicKey, amount: Amount) -> &mut Account {
        let account = self.accounts.get_mut(key).expect("the account was found");
        account.balance = account.balance.minus(amount).expect("within the balance");
        self.totals.accounts = self.totals.accounts.minus(amount).expect("it was there");
        account
    }

    fn credit(&mut self, key: PublicKey, amount: Amount) {
        let account = self.accounts.entry(key).or_default();
        account.balance = account.balance.plus(amount).expect("within the supply");
        self.totals.accounts = self
            .totals
            .accounts
            .plus(amount)
            .expect("within the supply");
    }

    /// Rule L7, on the totals.
    pub(super) fn assert_conserved(&self) {
        let Totals {
            accounts,
            locked,
            fees,
        } = self.totals;
        let sum = accounts.plus(locked).and_then(|sum| sum.plus(fees));
        assert_eq!(sum, Some(self.supply), "supply is conserved");
    }

    /// Rule L7 from scratch: every record summed, against the totals and the supply.
    pub(super) fn audit(&self) -> Result<Totals, Imbalance> {
        let expect = |sum, expected: Amount, got: u128| {
            let expected = u128::from(expected.units());
            if expected == got {
                Ok(())
            } else {
                Err(Imbalance { sum, expected, got })
            }
        };
        let units = |amount: Amount| u128::from(amount.units());
        let accounts: u128 = self
            .accounts
            .values()
            .map(|account| units(account.balance))
            .sum();
        let locked: u128 = self
            .channels
            .values()
            .map(|channel| units(channel.limits.capacity))
            .sum();
        expect("accounts", self.totals.accounts, accounts)?;
        expect("locked", self.totals.locked, locked)?;
        expect(
            "supply",
            self.supply,
            accounts + locked + units(self.totals.fees),
        )?;
        Ok(self.totals)
    }
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sum to {}, expected {}",
            self.sum, self.got, self.expected
        )
    }
}

impl std::error::Error for Imbalance {}
