//! Accounts and channels: decides what a checked claim does, then applies it.
//!
//! Every `?` is in `decide`, which changes nothing; [`Ledger::apply`] has none. Value moves between
//! accounts, channels and fees paid, and its sum is checked at every block (L7).

mod accounts;
mod changed;
mod changes;
mod channels;
mod decide;
mod decision;
mod spare;
mod value;

use super::channel::{ChannelRecord, Settlement};
use super::config::Allocations;
use super::receipt::{Executed, Notice};
use super::refusal::Refusal;
use super::transaction::Output;
pub(super) use accounts::{AccountPlace, AccountRow};
pub(super) use channels::ChannelRow;
use duet_channels::crypto::PublicKey;
use duet_channels::protocol::{Amount, ChannelId, Pair, Party};
pub use value::{Account, Imbalance, Totals};

use accounts::Accounts;
use changed::Changed;
use channels::{ChannelPlace, Channels};
use decision::{Decision, Effect, Locking, Releasing};

/// All state of this Layer 1.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Ledger {
    supply: Amount,
    accounts: Accounts,
    channels: Channels,
    totals: Totals,
    /// Noted only if asked for.
    changes: Option<Changed>,
}

impl Ledger {
    /// The ledger at genesis. `supply` is the allocations' sum.
    pub(super) fn new(supply: Amount, allocations: &impl Allocations) -> Ledger {
        let mut ledger = Ledger {
            supply,
            accounts: Accounts::for_about(allocations.count()),
            channels: Channels::new(),
            totals: Totals::default(),
            changes: None,
        };
        allocations.each(|key, amount| {
            let place = ledger.accounts.place(key);
            ledger.credit(place, amount);
        });
        ledger.assert_conserved();
        ledger
    }

    pub(super) fn account(&self, key: &PublicKey) -> Option<&Account> {
        self.accounts.of(key)
    }

    /// Has these keys' accounts near when they are asked for: looked up one right after the other,
    /// they are waited for all at once, and there are millions of them.
    pub(super) fn fetch(&self, keys: &[PublicKey]) {
        for key in keys {
            std::hint::black_box(self.accounts.find(key));
        }
    }

    pub(super) fn channel(&self, id: &ChannelId) -> Option<ChannelRecord> {
        let row = self.channels.row(self.channels.find(id)?);
        Some(row.channel.record(self.keys(row)))
    }

    /// Whether something is posted in a channel.
    pub(super) fn is_disputed(&self, id: &ChannelId) -> bool {
        let place = self.channels.find(id);
        place.is_some_and(|place| self.channels.row(place).channel.dispute.is_some())
    }

    /// The keys of an open channel's parties.
    pub(super) fn keys_of(&self, id: &ChannelId) -> Option<Pair<PublicKey>> {
        let place = self.channels.find(id)?;
        Some(self.keys(self.channels.row(place)))
    }

    fn keys(&self, row: &ChannelRow) -> Pair<PublicKey> {
        row.parties.map(|place| self.accounts.key(place))
    }

    /// How many places accounts have, and channels, empty ones among them.
    pub(super) fn places(&self) -> [u32; 2] {
        [self.accounts.len(), self.channels.places()]
    }

    /// A key and its account, by place.
    pub(super) fn account_at(&self, place: u32) -> &AccountRow {
        self.accounts.row(AccountPlace(place))
    }

    /// The place of a key that is known.
    pub(super) fn account_place(&self, key: &PublicKey) -> Option<u32> {
        self.accounts.find(key).map(|place| place.0)
    }

    /// The channel at a place, if that is not empty.
    pub(super) fn channel_at(&self, place: u32) -> Option<(ChannelId, ChannelRecord)> {
        let row = self.channels.slot(ChannelPlace(place))?;
        Some((row.id, row.channel.record(self.keys(row))))
    }

    /// The place of an open channel.
    pub(super) fn channel_place(&self, id: &ChannelId) -> Option<u32> {
        self.channels.find(id).map(|place| place.0)
    }

    /// Has the next block's channels, at most so many, come to the lowest empty places.
    pub(super) fn put_lowest_first(&mut self, most: u32) {
        self.channels.put_lowest_first(most as usize);
    }

    pub(super) fn totals(&self) -> &Totals {
        &self.totals
    }

    pub(super) fn supply(&self) -> Amount {
        self.supply
    }

    /// Accounts and channels alive.
    pub(super) fn records(&self) -> u64 {
        self.accounts.alive() + self.channels.alive()
    }

    /// A channel that is there to be closed.
    pub(super) fn open_channel(&self, id: &ChannelId) -> Result<ChannelPlace, Refusal> {
        let channel = self.channels.find(id);
        channel.ok_or(Refusal::UnknownChannel { channel: *id })
    }

    /// Carries a decision out, and notes what watchers should know.
    pub(super) fn apply(&mut self, decision: Decision, notices: &mut Vec<Notice>) -> Executed {
        let fee = decision.fee;
        let charge = fee
            .plus(decision.spends)
            .expect("within the payer's balance");
        let payer = self.debit(decision.payer, charge);
        payer.nonce += u64::from(decision.uses_nonce);
        self.totals.fees = self.totals.fees.plus(fee).expect("within the supply");

        match decision.effect {
            Effect::Fail(failure) => Executed::Failed(failure),
            Effect::Credit { to, amount } => self.pay([Output { to, amount }]),
            Effect::CreditAll(outputs) => self.pay(outputs),
            Effect::Lock(locking) => Executed::Opened {
                channel: self.lock(locking),
            },
            Effect::LockAll(all) => Executed::OpenedBatch {
                channels: all.into_iter().map(|one| self.lock(one)).collect(),
            },
            Effect::Dispute {
                place,
                channel,
                by,
                dispute,
            } => {
                let (version, until) = (dispute.highest(), dispute.until());
                self.channels.channel_mut(place).dispute = Some(Box::new(dispute));
                self.channel_changed(place);
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
                let settled = self.release(releasing, notices);
                Executed::PaidOut {
                    payouts: settled.payouts,
                    version: settled.version,
                    forfeited: settled.forfeited,
                }
            }
            Effect::RollOver(releasing, locking) => {
                let settlement = self.release(releasing, notices);
                self.debit(locking.opener, locking.terms.deposit_a);
                Executed::RolledOver {
                    closed: settlement.into(),
                    successor: self.lock(locking),
                }
            }
        }
    }

    /// Moves to these accounts what was debited.
    fn pay(&mut self, outputs: impl IntoIterator<Item = Output>) -> Executed {
        for Output { to, amount } in outputs {
            let to = self.accounts.place(to);
            self.credit(to, amount);
        }
        Executed::Transferred
    }

    /// Moves B's deposit, and A's that was debited, into a channel.
    fn lock(&mut self, locking: Locking) -> ChannelId {
        let Locking {
            channel: id,
            opener,
            peer,
            terms: channel,
            deposit_b,
        } = locking;
        let peer = self.accounts.place(peer);
        // It may be new.
        self.account_changed(peer);
        if !deposit_b.is_zero() {
            self.debit(peer, deposit_b);
        }
        let locked = self.totals.locked.plus(channel.limits.capacity);
        self.totals.locked = locked.expect("within the supply");
        let place = self.channels.insert(ChannelRow {
            id,
            parties: Pair { a: opener, b: peer },
            channel,
        });
        self.channel_changed(place);
        id
    }

    /// Moves a channel's capacity out, and removes it.
    fn release(&mut self, releasing: Releasing, notices: &mut Vec<Notice>) -> Settlement {
        let Releasing {
            place, settlement, ..
        } = releasing;
        let ChannelRow {
            id,
            parties,
            channel,
        } = self.channels.remove(place);
        self.channel_changed(place);
        let capacity = channel.limits.capacity;
        let payouts = settlement.payouts;
        assert_eq!(
            payouts.a.plus(payouts.b),
            Some(capacity),
            "all that was locked"
        );
        self.totals.locked = self.totals.locked.minus(capacity).expect("it was locked");
        for party in Party::BOTH {
            if !payouts[party].is_zero() {
                self.credit(parties[party], payouts[party]);
            }
        }
        notices.push(Notice::Ended { channel: id });
        settlement
    }

    fn account_changed(&mut self, place: AccountPlace) {
        if let Some(changes) = &mut self.changes {
            changes.account(place);
        }
    }

    fn channel_changed(&mut self, place: ChannelPlace) {
        if let Some(changes) = &mut self.changes {
            changes.channel(place);
        }
    }

    fn debit(&mut self, place: AccountPlace, amount: Amount) -> &mut Account {
        self.account_changed(place);
        let account = self.accounts.account_mut(place);
        account.balance = account.balance.minus(amount).expect("within the balance");
        self.totals.accounts = self.totals.accounts.minus(amount).expect("it was there");
        account
    }

    fn credit(&mut self, place: AccountPlace, amount: Amount) {
        self.account_changed(place);
        let account = self.accounts.open(place);
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
    pub(super) fn recount(&self) -> Result<Totals, Imbalance> {
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
            .rows()
            .filter_map(AccountRow::account)
            .map(|account| units(account.balance))
            .sum();
        let locked: u128 = self
            .channels
            .rows()
            .map(|(_, row)| units(row.channel.limits.capacity))
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

/// The same accounts and channels, wherever they lie.
#[cfg(test)]
impl PartialEq for Ledger {
    fn eq(&self, other: &Ledger) -> bool {
        let same_account =
            |row: &AccountRow| row.account().is_none() || other.account(&row.key) == row.account();
        let same_channel =
            |(_, row): (_, &ChannelRow)| other.channel(&row.id) == self.channel(&row.id);
        (self.supply, self.totals) == (other.supply, other.totals)
            && self.accounts.alive() == other.accounts.alive()
            && self.channels.alive() == other.channels.alive()
            && self.accounts.rows().all(same_account)
            && self.channels.rows().all(same_channel)
    }
}
