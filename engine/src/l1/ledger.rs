//! Accounts and channels: decides what a checked claim does, then applies it.
//!
//! Every `?` is in [`Ledger::decide`], which changes nothing; [`Ledger::apply`] has none. Value
//! moves between accounts, channels and fees paid, and its sum is checked at every block (L7).

use std::collections::HashMap;
use std::fmt;

use super::channel::{ChannelRecord, Settlement};
use super::claim::Claim;
use super::load::Accesses;
use super::receipt::Executed;
use super::refusal::{Failure, Refusal};
use super::witness::Checked;
use crate::crypto::PublicKey;
use crate::protocol::{Amount, ChannelId, Pair, Party};

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

/// What an included transaction does: to be applied to the ledger that it was decided on, as that
/// ledger's next change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decision {
    /// Who pays the fee.
    payer: PublicKey,
    /// What else leaves the payer's account.
    spends: Amount,
    /// Whether it uses the payer's nonce.
    uses_nonce: bool,
    effect: Effect,
    accesses: Accesses,
}

#[derive(Clone, Copy, Debug)]
enum Effect {
    Credit {
        to: PublicKey,
        amount: Amount,
    },
    Lock {
        channel: ChannelId,
        record: ChannelRecord,
        deposit_b: Amount,
    },
    Release {
        channel: ChannelId,
        keys: Pair<PublicKey>,
        settlement: Settlement,
    },
    Fail(Failure),
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

    /// What a claim does: a decision if it is valid, whether or not it reaches its end.
    pub(super) fn decide(&self, claim: &Checked<Claim>) -> Result<Decision, Refusal> {
        match claim.get() {
            Claim::Transfer {
                from,
                nonce,
                to,
                amount,
            } => self.decide_transfer(from, *nonce, to, *amount),
            Claim::Open {
                terms,
                capacity,
                channel,
            } => {
                let record = ChannelRecord::new(terms, *capacity);
                self.decide_open(channel, terms.nonce, record, terms.deposits)
            }
            Claim::Close {
                submitter,
                channel,
                state,
            } => {
                let record = self.open_channel(channel)?;
                let settlement = record.settle(state)?;
                self.decide_close(submitter, channel, record.keys, settlement)
            }
        }
    }

    fn decide_transfer(
        &self,
        from: &PublicKey,
        nonce: u64,
        to: &PublicKey,
        amount: Amount,
    ) -> Result<Decision, Refusal> {
        let have = self.payable(from, Some(nonce))?;
        let decision = |spends, effect, accounts| Decision {
            payer: *from,
            spends,
            uses_nonce: true,
            effect,
            accesses: Accesses {
                reads: accounts,
                writes: accounts,
            },
        };
        if have < amount {
            let failure = Failure::TransferAboveBalance { have, got: amount };
            return Ok(decision(Amount::ZERO, Effect::Fail(failure), 1));
        }
        let accounts = if from == to { 1 } else { 2 };
        Ok(decision(
            amount,
            Effect::Credit { to: *to, amount },
            accounts,
        ))
    }

    fn decide_open(
        &self,
        channel: &ChannelId,
        nonce: u64,
        record: ChannelRecord,
        deposits: Pair<Amount>,
    ) -> Result<Decision, Refusal> {
        let opener = record.keys.a;
        let have = self.payable(&opener, Some(nonce))?;
        let decision = |spends, effect, reads, writes| Decision {
            payer: opener,
            spends,
            uses_nonce: true,
            effect,
            accesses: Accesses { reads, writes },
        };
        let fail = |party, have, got, reads| {
            let failure = Failure::DepositAboveBalance { party, have, got };
            Ok(decision(Amount::ZERO, Effect::Fail(failure), reads, 1))
        };
        if have < deposits.a {
            return fail(Party::A, have, deposits.a, 1);
        }
        let lock = Effect::Lock {
            channel: *channel,
            record,
            deposit_b: deposits.b,
        };
        if deposits.b.is_zero() {
            return Ok(decision(deposits.a, lock, 1, 2));
        }
        let have = self
            .account(&record.keys.b)
            .map_or(Amount::ZERO, |b| b.balance);
        if have < deposits.b {
            return fail(Party::B, have, deposits.b, 2);
        }
        Ok(decision(deposits.a, lock, 2, 3))
    }

    fn decide_close(
        &self,
        submitter: &PublicKey,
        channel: &ChannelId,
        keys: Pair<PublicKey>,
        settlement: Settlement,
    ) -> Result<Decision, Refusal> {
        self.payable(submitter, None)?;
        // The channel, the submitter, and each party that gets something and is not the submitter.
        let paid = [
            (keys.a, settlement.payouts.a),
            (keys.b, settlement.payouts.b),
        ]
        .into_iter()
        .filter(|(key, payout)| !payout.is_zero() && key != submitter)
        .count() as u32;
        Ok(Decision {
            payer: *submitter,
            spends: Amount::ZERO,
            uses_nonce: false,
            effect: Effect::Release {
                channel: *channel,
                keys,
                settlement,
            },
            accesses: Accesses {
                reads: 2 + paid,
                writes: 2 + paid,
            },
        })
    }

    /// What an account has after the fee, if it can be charged, and its nonce is this one.
    fn payable(&self, payer: &PublicKey, nonce: Option<u64>) -> Result<Amount, Refusal> {
        let Some(account) = self.accounts.get(payer) else {
            return Err(Refusal::UnknownAccount { account: *payer });
        };
        if let Some(got) = nonce
            && got != account.nonce
        {
            return Err(Refusal::WrongNonce {
                expected: account.nonce,
                got,
            });
        }
        account
            .balance
            .minus(self.fee)
            .ok_or(Refusal::FeeAboveBalance {
                have: account.balance,
                fee: self.fee,
            })
    }

    /// Carries a decision out.
    pub(super) fn apply(&mut self, decision: Decision) -> Executed {
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
            Effect::Lock {
                channel,
                record,
                deposit_b,
            } => {
                if !deposit_b.is_zero() {
                    self.debit(&record.keys.b, deposit_b);
                }
                let locked = self.totals.locked.plus(record.limits.capacity);
                self.totals.locked = locked.expect("within the supply");
                let old = self.channels.insert(channel, record);
                assert!(old.is_none(), "a channel's id is unique for ever");
                Executed::Opened { channel }
            }
            Effect::Release {
                channel,
                keys,
                settlement: Settlement { payouts, version },
            } => {
                let record = self.channels.remove(&channel).expect("the channel is open");
                let capacity = record.limits.capacity;
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
                Executed::Closed { payouts, version }
            }
        }
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

impl Decision {
    pub(super) fn accesses(&self) -> Accesses {
        self.accesses
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
