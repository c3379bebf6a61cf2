//! What a checked claim does to the ledger: decided here, against a ledger that does not change.

use std::collections::{HashMap, HashSet};

use super::super::claim::{Claim, Closed, Item, Opened};
use super::super::dispute::Posting;
use super::super::load::Accesses;
use super::super::refusal::{Failure, Refusal};
use super::super::transaction::Output;
use super::super::witness::Checked;
use super::Ledger;
use super::accounts::AccountPlace;
use super::decision::{Decision, Effect, Locking, Releasing};
use duet_channels::crypto::PublicKey;
use duet_channels::protocol::{Amount, Balance, ChannelId, Pair, Party};

impl Ledger {
    /// What a claim that pays this fee does in a block of this height: a decision if it is valid,
    /// whether or not it reaches its end.
    pub(in super::super) fn decide(
        &self,
        claim: &Checked<Claim>,
        fee: Amount,
        height: u64,
    ) -> Result<Decision, Refusal> {
        let decision = match claim.get() {
            Claim::Transfer {
                from,
                nonce,
                to,
                amount,
            } => self.transfer(from, *nonce, to, *amount, fee),
            Claim::MultiSend {
                from,
                nonce,
                outputs,
            } => self.multi_send(from, *nonce, outputs, fee),
            Claim::Open(opened) => self.open(opened, fee),
            Claim::OpenBatch {
                opener,
                nonce,
                channels,
            } => self.open_batch(opener, *nonce, channels, fee),
            Claim::Close { submitter, closed } => self.close(submitter, closed, fee),
            Claim::CloseBatch { submitter, items } => self.close_batch(submitter, items, fee),
            Claim::Post {
                submitter,
                channel,
                shown,
                offer,
            } => self.post(submitter, channel, (*shown, *offer), fee, height),
            Claim::Payout { submitter, channel } => self.pay_out(submitter, channel, fee, height),
            Claim::RollOver { closed, successor } => self.roll_over(closed, successor, fee),
        };
        Ok(Decision { fee, ..decision? })
    }

    fn transfer(
        &self,
        from: &PublicKey,
        nonce: u64,
        to: &PublicKey,
        amount: Amount,
        fee: Amount,
    ) -> Result<Decision, Refusal> {
        let (payer, have) = self.payable(from, Some(nonce), fee)?;
        if have < amount {
            let failure = Failure::TransferAboveBalance { have, got: amount };
            return Ok(Decision::failed(payer, failure, 1));
        }
        let accounts = if from == to { 1 } else { 2 };
        let accesses = Accesses {
            reads: accounts,
            writes: accounts,
        };
        let credit = Effect::Credit { to: *to, amount };
        Ok(Decision::numbered(payer, amount, credit, accesses))
    }

    /// All of the amounts, or none.
    fn multi_send(
        &self,
        from: &PublicKey,
        nonce: u64,
        outputs: &[Output],
        fee: Amount,
    ) -> Result<Decision, Refusal> {
        let (payer, have) = self.payable(from, Some(nonce), fee)?;
        let sum = outputs
            .iter()
            .try_fold(Amount::ZERO, |sum, output| sum.plus(output.amount));
        let Some(sum) = sum.filter(|sum| *sum <= have) else {
            let got = sum.unwrap_or(Amount::new(u64::MAX));
            let failure = Failure::TransferAboveBalance { have, got };
            return Ok(Decision::failed(payer, failure, 1));
        };
        let accounts: HashSet<&PublicKey> = outputs.iter().map(|output| &output.to).collect();
        let records = accounts.len() as u32 + u32::from(!accounts.contains(from));
        let accesses = Accesses {
            reads: records,
            writes: records,
        };
        let credit = Effect::CreditAll(outputs.to_vec());
        Ok(Decision::numbered(payer, sum, credit, accesses))
    }

    fn open(&self, opened: &Opened, fee: Amount) -> Result<Decision, Refusal> {
        let Pair { a, b } = opened.terms.keys;
        let deposits = opened.terms.deposits;
        let (opener, have) = self.payable(&a, Some(opened.terms.nonce), fee)?;
        if have < deposits.a {
            let failure = deposit_above(Party::A, have, deposits.a);
            return Ok(Decision::failed(opener, failure, 1));
        }
        let mut accesses = Accesses {
            reads: 1,
            writes: 2,
        };
        if !deposits.b.is_zero() {
            let have = self.balance(&b);
            if have < deposits.b {
                let failure = deposit_above(Party::B, have, deposits.b);
                return Ok(Decision::failed(opener, failure, 2));
            }
            accesses.reads += 1;
            accesses.writes += 1;
        }
        let lock = Effect::Lock(Locking::of(opener, opened));
        Ok(Decision::numbered(opener, deposits.a, lock, accesses))
    }

    /// All of the channels, or none.
    fn open_batch(
        &self,
        opener: &PublicKey,
        nonce: u64,
        channels: &[Opened],
        fee: Amount,
    ) -> Result<Decision, Refusal> {
        let (opener, have) = self.payable(opener, Some(nonce), fee)?;
        let mut needed = Amount::ZERO;
        let mut of_peers: HashMap<&PublicKey, Amount> = HashMap::new();
        for Opened { terms, .. } in channels {
            let sum = needed.plus(terms.deposits.a);
            match sum.filter(|sum| *sum <= have) {
                Some(sum) => needed = sum,
                None => {
                    let got = sum.unwrap_or(Amount::new(u64::MAX));
                    let failure = deposit_above(Party::A, have, got);
                    let reads = 1 + of_peers.len() as u32;
                    return Ok(Decision::failed(opener, failure, reads));
                }
            }
            if terms.deposits.b.is_zero() {
                continue;
            }
            let of_peer = of_peers.entry(&terms.keys.b).or_default();
            let have = self.balance(&terms.keys.b);
            let sum = of_peer.plus(terms.deposits.b);
            match sum.filter(|sum| *sum <= have) {
                Some(sum) => *of_peer = sum,
                None => {
                    let got = sum.unwrap_or(Amount::new(u64::MAX));
                    let failure = deposit_above(Party::B, have, got);
                    let reads = 1 + of_peers.len() as u32;
                    return Ok(Decision::failed(opener, failure, reads));
                }
            }
        }
        let accounts = 1 + of_peers.len() as u32;
        let accesses = Accesses {
            reads: accounts,
            writes: accounts + channels.len() as u32,
        };
        let lock = channels.iter().map(|opened| Locking::of(opener, opened));
        let lock = Effect::LockAll(lock.collect());
        Ok(Decision::numbered(opener, needed, lock, accesses))
    }

    fn close(
        &self,
        submitter: &PublicKey,
        closed: &Closed,
        fee: Amount,
    ) -> Result<Decision, Refusal> {
        let releasing = self.closing(closed)?;
        let (submitter, _) = self.payable(submitter, None, fee)?;
        // The channel, the submitter, and each party that gets something and is not the submitter.
        let records = 2 + releasing.paid(submitter).count() as u32;
        let close = Effect::Close(releasing);
        Ok(Decision::unnumbered(submitter, close, records))
    }

    /// Each item by itself; refused if none of them closes anything.
    fn close_batch(
        &self,
        submitter: &PublicKey,
        items: &[Item],
        fee: Amount,
    ) -> Result<Decision, Refusal> {
        let looked_up = items.iter().filter(|item| item.looked_up());
        let looked_up: HashSet<&ChannelId> = looked_up.map(|item| &item.channel).collect();
        let mut ended = HashSet::new();
        let mut judged = Vec::with_capacity(items.len());
        for item in items {
            let channel = item.channel;
            let item = item.closed.and_then(|closed| {
                if ended.contains(&channel) {
                    return Err(Refusal::UnknownChannel { channel });
                }
                self.closing(&closed)
            });
            if item.is_ok() {
                ended.insert(channel);
            }
            judged.push(item);
        }
        if ended.is_empty() {
            let refused = judged.into_iter().find_map(Result::err);
            return Err(refused.expect("a batch has at least one item"));
        }
        let (submitter, _) = self.payable(submitter, None, fee)?;
        let paid = judged.iter().flatten();
        let mut accounts: HashSet<AccountPlace> = paid
            .flat_map(|releasing| releasing.paid(submitter))
            .collect();
        accounts.insert(submitter);
        let accesses = Accesses {
            reads: (accounts.len() + looked_up.len()) as u32,
            writes: (accounts.len() + ended.len()) as u32,
        };
        Ok(Decision {
            accesses,
            ..Decision::unnumbered(submitter, Effect::CloseAll(judged), 0)
        })
    }

    fn closing(&self, closed: &Closed) -> Result<Releasing, Refusal> {
        let place = self.open_channel(&closed.channel)?;
        let row = self.channels.row(place);
        Ok(Releasing {
            place,
            parties: row.parties,
            settlement: row.channel.settle(&closed.state)?,
        })
    }

    fn post(
        &self,
        submitter: &PublicKey,
        channel: &ChannelId,
        (shown, offer): (Option<Balance>, Option<Balance>),
        fee: Amount,
        height: u64,
    ) -> Result<Decision, Refusal> {
        let place = self.open_channel(channel)?;
        let row = self.channels.row(place);
        let opening = Balance {
            version: 0,
            a: row.channel.deposit_a,
        };
        let posting = Posting {
            channel: *channel,
            poster: row.party(self.accounts.find(submitter)),
            shown: shown.unwrap_or(opening),
            offer,
        };
        let dispute = Effect::Dispute {
            place,
            channel: *channel,
            by: posting.poster,
            dispute: row.channel.post(&posting, height)?,
        };
        let (submitter, _) = self.payable(submitter, None, fee)?;
        Ok(Decision::unnumbered(submitter, dispute, 2))
    }

    fn pay_out(
        &self,
        submitter: &PublicKey,
        channel: &ChannelId,
        fee: Amount,
        height: u64,
    ) -> Result<Decision, Refusal> {
        let place = self.open_channel(channel)?;
        let row = self.channels.row(place);
        let releasing = Releasing {
            place,
            parties: row.parties,
            settlement: row.channel.pay_out(*channel, height)?,
        };
        let (submitter, _) = self.payable(submitter, None, fee)?;
        let records = 2 + releasing.paid(submitter).count() as u32;
        let pay_out = Effect::PayOut(releasing);
        Ok(Decision::unnumbered(submitter, pay_out, records))
    }

    /// What the old channel pays out can go straight into the new one.
    fn roll_over(
        &self,
        closed: &Closed,
        successor: &Opened,
        fee: Amount,
    ) -> Result<Decision, Refusal> {
        let channel = closed.channel;
        // Without this check nothing says that the parties have signed.
        let place = self.open_channel(&channel)?;
        if self.keys(self.channels.row(place)) != successor.terms.keys {
            return Err(Refusal::OtherParties { channel });
        }
        let releasing = self.closing(closed)?;
        let Pair { a, b } = successor.terms.keys;
        let deposits = successor.terms.deposits;
        let payouts = releasing.settlement.payouts;
        let (opener, have) = self.payable(&a, Some(successor.terms.nonce), fee)?;
        let have = have.plus(payouts.a).expect("within the supply");
        if have < deposits.a {
            let failure = deposit_above(Party::A, have, deposits.a);
            return Ok(Decision::failed(opener, failure, 2));
        }
        let have = self.balance(&b).plus(payouts.b).expect("within the supply");
        if have < deposits.b {
            let failure = deposit_above(Party::B, have, deposits.b);
            return Ok(Decision::failed(opener, failure, 3));
        }
        let b_moves = u32::from(!payouts.b.is_zero() || !deposits.b.is_zero());
        // A's account and the old channel; B's if anything of it moves; the new channel.
        let accesses = Accesses {
            reads: 2 + b_moves,
            writes: 3 + b_moves,
        };
        let roll_over = Effect::RollOver(releasing, Locking::of(opener, successor));
        Ok(Decision::numbered(
            opener,
            Amount::ZERO,
            roll_over,
            accesses,
        ))
    }

    /// Whether an account has this fee for so many transactions.
    pub(in super::super) fn can_pay(
        &self,
        payer: &PublicKey,
        fee: Amount,
        transactions: u64,
    ) -> bool {
        let fees = u128::from(fee.units()) * u128::from(transactions);
        u128::from(self.balance(payer).units()) >= fees
    }

    fn balance(&self, key: &PublicKey) -> Amount {
        self.account(key)
            .map_or(Amount::ZERO, |account| account.balance)
    }

    /// An account's place, and what it has after the fee, if it can be charged, and its nonce is
    /// this one.
    pub(in super::super) fn payable(
        &self,
        payer: &PublicKey,
        nonce: Option<u64>,
        fee: Amount,
    ) -> Result<(AccountPlace, Amount), Refusal> {
        let place = self.accounts.find(payer);
        let account = place.and_then(|place| self.accounts.account(place));
        let (Some(place), Some(account)) = (place, account) else {
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
        let left = account.balance.minus(fee);
        let left = left.ok_or(Refusal::FeeAboveBalance {
            have: account.balance,
            fee,
        })?;
        Ok((place, left))
    }
}

fn deposit_above(party: Party, have: Amount, got: Amount) -> Failure {
    Failure::DepositAboveBalance { party, have, got }
}
