//! Random scripts against a model that executes one transaction after the other, without bytes,
//! signatures or rounds. It keeps every post of a channel and judges them at the
//! end ([`judge`]); it knows how blocks are filled, since for posts the height is the time.

mod judge;
mod script;

use std::collections::BTreeMap;

use super::*;
use judge::{Shown, judge};

/// What the model knows of a transaction.
#[derive(Clone, Debug)]
enum Plain {
    Transfer {
        from: Who,
        nonce: u64,
        to: Who,
        amount: u64,
    },
    Open(Terms),
    OpenBatch(Vec<Terms>),
    Close {
        submitter: Who,
        closing: Closing,
    },
    CloseBatch {
        submitter: Who,
        items: Vec<Closing>,
    },
    RollOver {
        closing: Closing,
        successor: Terms,
    },
    Post {
        submitter: Who,
        terms: Terms,
        version: u64,
        balance_a: u64,
        offer: Option<(u64, u64)>,
    },
    Payout {
        submitter: Who,
        channel: ChannelId,
    },
    /// Must be refused, whatever the name.
    Damaged,
}

/// A final state; at version 0 the opening, whatever the balance.
#[derive(Clone, Copy, Debug)]
struct Closing {
    terms: Terms,
    version: u64,
    balance_a: u64,
}

/// An open channel.
#[derive(Clone, Debug, PartialEq)]
struct Open {
    keys: Pair<PublicKey>,
    deposit_a: u64,
    capacity: u64,
    window: u64,
    /// The first post's height.
    posted_at: Option<u64>,
    posts: Vec<Shown>,
}

#[derive(Clone, Default, PartialEq)]
struct Model {
    /// Balance and nonce.
    accounts: BTreeMap<PublicKey, (u64, u64)>,
    channels: BTreeMap<ChannelId, Open>,
}

impl Model {
    fn nonce(&self, key: &PublicKey) -> u64 {
        self.accounts.get(key).map_or(0, |account| account.1)
    }

    fn balance(&self, key: &PublicKey) -> u64 {
        self.accounts.get(key).map_or(0, |account| account.0)
    }

    fn charge(&mut self, key: PublicKey, nonce: Option<u64>) -> Result<u64, Refusal> {
        let Some((balance, used)) = self.accounts.get_mut(&key) else {
            return Err(Refusal::UnknownAccount { account: key });
        };
        match nonce {
            Some(got) if got != *used => {
                return Err(Refusal::WrongNonce {
                    expected: *used,
                    got,
                });
            }
            _ => {}
        }
        if *balance < FEE {
            let have = Amount::new(*balance);
            return Err(Refusal::FeeAboveBalance {
                have,
                fee: Amount::new(FEE),
            });
        }
        *balance -= FEE;
        *used += u64::from(nonce.is_some());
        Ok(*balance)
    }

    fn pay(&mut self, key: PublicKey, amount: u64) {
        if amount > 0 {
            self.accounts.entry(key).or_default().0 += amount;
        }
    }

    /// Executes in a block of this height. A refused one changes nothing. `None`: refused for a
    /// reason that the model does not know.
    fn execute(&mut self, world: &World, plain: &Plain, height: u64) -> Option<Outcome> {
        let mut after = self.clone();
        let outcome = match plain {
            Plain::Damaged => return None,
            Plain::Transfer {
                from,
                nonce,
                to,
                amount,
            } => after.transfer(world.key(*from), *nonce, world.key(*to), *amount),
            Plain::Open(terms) => after.open(std::slice::from_ref(terms)).map(|opened| {
                opened.map_or_else(Executed::Failed, |()| Executed::Opened {
                    channel: terms.channel_id(),
                })
            }),
            Plain::OpenBatch(all) => after.open(all).map(|opened| {
                opened.map_or_else(Executed::Failed, |()| Executed::OpenedBatch {
                    channels: all.iter().map(Terms::channel_id).collect(),
                })
            }),
            Plain::Close { submitter, closing } => {
                let end = after.end(closing);
                end.and_then(|PaidOut { payouts, version }| {
                    after.fee_of(self, world.key(*submitter))?;
                    Ok(Executed::Closed { payouts, version })
                })
            }
            Plain::CloseBatch { submitter, items } => {
                let items: Vec<Result<PaidOut, Refusal>> =
                    items.iter().map(|closing| after.end(closing)).collect();
                match (&items[0], items.iter().any(Result::is_ok)) {
                    (Err(first), false) => Err(*first),
                    _ => after
                        .fee_of(self, world.key(*submitter))
                        .map(|()| Executed::ClosedBatch { items }),
                }
            }
            Plain::RollOver { closing, successor } => after.roll_over(self, closing, successor),
            Plain::Post {
                submitter,
                terms,
                version,
                balance_a,
                offer,
            } => {
                let submitter = world.key(*submitter);
                let shown = (*version, *balance_a);
                let posted = after.post(submitter, terms, shown, *offer, height);
                posted.and_then(|posted| after.charge(submitter, None).map(|_| posted))
            }
            Plain::Payout { submitter, channel } => {
                let paid = after.pay_out(channel, height);
                paid.and_then(|paid| {
                    after.fee_of(self, world.key(*submitter))?;
                    Ok(paid)
                })
            }
        };
        if outcome.is_ok() {
            *self = after;
        }
        Some(outcome)
    }

    /// The fee comes from what the account had before, whatever the transaction pays it.
    fn fee_of(&mut self, before: &Model, key: PublicKey) -> Result<(), Refusal> {
        before.clone().charge(key, None)?;
        self.charge(key, None).map(|_| ())
    }

    fn transfer(&mut self, from: PublicKey, nonce: u64, to: PublicKey, amount: u64) -> Outcome {
        if amount == 0 {
            return Err(Refusal::ZeroAmount);
        }
        let have = self.charge(from, Some(nonce))?;
        if have < amount {
            return transfer_above(have, amount);
        }
        self.accounts.get_mut(&from).unwrap().0 -= amount;
        self.pay(to, amount);
        Ok(Executed::Transferred)
    }

    /// Opens all of them or, but for fee and nonce, nothing.
    fn open(&mut self, all: &[Terms]) -> Result<Result<(), Failure>, Refusal> {
        for terms in all {
            terms.capacity().map_err(Refusal::Terms)?;
        }
        let opener = all[0].keys.a;
        let have = u128::from(self.charge(opener, Some(all[0].nonce))?);
        let mut sums = BTreeMap::new();
        for terms in all {
            let deposits = [
                (Party::A, opener, terms.deposits.a.units(), have),
                (
                    Party::B,
                    terms.keys.b,
                    terms.deposits.b.units(),
                    u128::from(self.balance(&terms.keys.b)),
                ),
            ];
            for (party, key, deposit, have) in deposits {
                let sum: &mut u128 = sums.entry(key).or_default();
                *sum += u128::from(deposit);
                if *sum > have {
                    return Ok(Err(Failure::DepositAboveBalance {
                        party,
                        have: Amount::new(have as u64),
                        got: Amount::new((*sum).min(u128::from(u64::MAX)) as u64),
                    }));
                }
            }
        }
        all.iter().for_each(|terms| self.lock(terms));
        Ok(Ok(()))
    }

    fn lock(&mut self, terms: &Terms) {
        let Pair { a, b } = terms.deposits;
        for (key, deposit) in [(terms.keys.a, a.units()), (terms.keys.b, b.units())] {
            if deposit > 0 {
                self.accounts.get_mut(&key).unwrap().0 -= deposit;
            }
        }
        let open = Open {
            keys: terms.keys,
            deposit_a: a.units(),
            capacity: a.units() + b.units(),
            window: u64::from(terms.challenge_window_blocks),
            posted_at: None,
            posts: Vec::new(),
        };
        self.channels.insert(terms.channel_id(), open);
    }

    fn found(&self, channel: ChannelId) -> Result<&Open, Refusal> {
        let open = self.channels.get(&channel);
        open.ok_or(Refusal::UnknownChannel { channel })
    }

    /// Removes a channel and pays it out.
    fn release(&mut self, channel: &ChannelId, a: u64, b: u64, version: u64) -> PaidOut {
        let open = self.channels.remove(channel).unwrap();
        assert_eq!(a + b, open.capacity);
        self.pay(open.keys.a, a);
        self.pay(open.keys.b, b);
        paid_out(version, a, b)
    }

    /// Ends a channel in a final state.
    fn end(&mut self, closing: &Closing) -> Result<PaidOut, Refusal> {
        let channel = closing.terms.channel_id();
        let open = self.found(channel)?;
        let a = match closing.version {
            0 => open.deposit_a,
            _ => closing.balance_a,
        };
        let capacity = open.capacity;
        if a > capacity {
            return Err(Refusal::BalanceAboveCapacity {
                capacity: Amount::new(capacity),
                got: Amount::new(a),
            });
        }
        Ok(self.release(&channel, a, capacity - a, closing.version))
    }

    fn roll_over(&mut self, before: &Model, closing: &Closing, successor: &Terms) -> Outcome {
        successor.capacity().map_err(Refusal::Terms)?;
        let channel = closing.terms.channel_id();
        if self.found(channel)?.keys != successor.keys {
            return Err(Refusal::OtherParties { channel });
        }
        let closed = self.end(closing)?;
        let mut failed = before.clone();
        failed.charge(successor.keys.a, Some(successor.nonce))?;
        self.charge(successor.keys.a, Some(successor.nonce))?;
        let deposits = [
            (Party::A, successor.keys.a, successor.deposits.a),
            (Party::B, successor.keys.b, successor.deposits.b),
        ];
        for (party, key, got) in deposits {
            let have = self.balance(&key);
            if have < got.units() {
                *self = failed;
                return deposit_above(party, have, got.units());
            }
        }
        self.lock(successor);
        rolled_over(closed, successor)
    }

    fn post(
        &mut self,
        submitter: PublicKey,
        terms: &Terms,
        (version, balance_a): (u64, u64),
        offer: Option<(u64, u64)>,
        height: u64,
    ) -> Outcome {
        let channel = terms.channel_id();
        self.found(channel)?;
        let open = self.channels.get_mut(&channel).unwrap();
        let balance_a = if version == 0 {
            open.deposit_a
        } else {
            balance_a
        };
        let (capacity, amount) = (Amount::new(open.capacity), Amount::new);
        if balance_a > open.capacity {
            return Err(Refusal::BalanceAboveCapacity {
                capacity,
                got: amount(balance_a),
            });
        }
        let by = [(Party::A, open.keys.a), (Party::B, open.keys.b)];
        let by = by.into_iter().find(|(_, key)| *key == submitter);
        let by = by.map(|(party, _)| party);
        if let Some((offered, a)) = offer {
            let Some(party) = by else {
                return Err(Refusal::OfferByStranger { channel });
            };
            if a > open.capacity {
                let got = amount(a);
                return Err(Refusal::OfferAboveCapacity { capacity, got });
            }
            if offered <= version {
                return Err(Refusal::OfferNotHigher {
                    shown: version,
                    got: offered,
                });
            }
            let [have, got] = match party {
                Party::A => [balance_a, a],
                Party::B => [open.capacity - balance_a, open.capacity - a],
            };
            if got > have {
                return Err(Refusal::OfferRaisesPoster {
                    have: amount(have),
                    got: amount(got),
                });
            }
        }
        match open.posted_at {
            None if by.is_none() => return Err(Refusal::NothingToAnswer { channel }),
            None => open.posted_at = Some(height),
            Some(posted_at) => {
                let (from, until) = (posted_at + 1, posted_at + open.window);
                if height < from {
                    return Err(Refusal::WindowNotOpen { from, height });
                }
                if height > until {
                    return Err(Refusal::WindowClosed { until, height });
                }
                let highest = open.posts.iter().map(|post| post.version).max().unwrap();
                if version <= highest {
                    return Err(Refusal::PostNotHigher {
                        highest,
                        got: version,
                    });
                }
            }
        }
        open.posts.push(Shown {
            by,
            version,
            balance_a,
            offer,
        });
        let until = open.posted_at.unwrap() + open.window;
        Ok(Executed::Posted { version, by, until })
    }

    fn pay_out(&mut self, channel: &ChannelId, height: u64) -> Outcome {
        let open = self.found(*channel)?;
        let Some(posted_at) = open.posted_at else {
            return Err(Refusal::NothingPosted { channel: *channel });
        };
        let until = posted_at + open.window;
        if height <= until {
            return Err(Refusal::WindowStillOpen { until, height });
        }
        let ((a, b), version, forfeited) = judge(&open.posts, open.capacity);
        let PaidOut { payouts, version } = self.release(channel, a, b, version);
        Ok(Executed::PaidOut {
            payouts,
            version,
            forfeited,
        })
    }
}
