//! Random scripts against a model that executes one transaction after the other, without bytes,
//! batches, blocks or signatures.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// One step of a script.
#[derive(Clone, Copy, Debug)]
enum Step {
    Transfer {
        from: Who,
        to: Who,
        amount: u64,
        ahead: u64,
    },
    Open {
        a: Who,
        b: Who,
        deposits: (u64, u64),
        ahead: u64,
    },
    /// Closes one of the channels that were ever tried to open.
    Close {
        which: usize,
        submitter: Who,
        version: u64,
        balance_a: u64,
    },
    /// One of the transactions before, again.
    Again {
        which: usize,
    },
    /// One of the transactions before, damaged.
    Flip {
        which: usize,
        bit: usize,
    },
    Seal,
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..EVERYONE.len();
    let ahead = || prop_oneof![9 => Just(0u64), 1 => Just(1)];
    let amount = || prop_oneof![9 => 1u64..120, 1 => 0u64..3000];
    prop_oneof![
        3 => (who(), who(), amount(), ahead())
            .prop_map(|(from, to, amount, ahead)| Step::Transfer { from, to, amount, ahead }),
        3 => (who(), who(), (amount(), prop_oneof![Just(0), amount()]), ahead())
            .prop_map(|(a, b, deposits, ahead)| Step::Open { a, b, deposits, ahead }),
        3 => (any::<usize>(), who(), 0u64..4, amount()).prop_map(
            |(which, submitter, version, balance_a)| Step::Close {
                which, submitter, version, balance_a,
            }
        ),
        1 => any::<usize>().prop_map(|which| Step::Again { which }),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(which, bit)| Step::Flip { which, bit }),
        1 => Just(Step::Seal),
    ]
}

/// What the model knows of a transaction.
#[derive(Clone, Copy, Debug)]
enum Plain {
    Transfer {
        from: Who,
        nonce: u64,
        to: Who,
        amount: u64,
    },
    Open {
        terms: Terms,
        a: Who,
        b: Who,
    },
    Close {
        terms: Terms,
        submitter: Who,
        version: u64,
        balance_a: u64,
    },
    /// Must be refused, whatever the name.
    Damaged,
}

#[derive(Default)]
struct Model {
    accounts: BTreeMap<Who, (u64, u64)>,
    channels: BTreeMap<ChannelId, (Who, Who, u64)>,
}

impl Model {
    fn nonce(&self, who: Who) -> u64 {
        self.accounts.get(&who).map_or(0, |account| account.1)
    }

    fn charge(&mut self, who: Who, key: PublicKey, nonce: Option<u64>) -> Result<u64, Refusal> {
        let Some((balance, used)) = self.accounts.get_mut(&who) else {
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

    fn pay(&mut self, who: Who, amount: u64) {
        if amount > 0 {
            self.accounts.entry(who).or_default().0 += amount;
        }
    }

    /// `None`: refused for a reason that the model does not know.
    fn execute(&mut self, world: &World, plain: &Plain) -> Option<Outcome> {
        Some(match *plain {
            Plain::Damaged => return None,
            Plain::Transfer { amount: 0, .. } => Err(Refusal::ZeroAmount),
            Plain::Transfer {
                from,
                nonce,
                to,
                amount,
            } => match self.charge(from, world.key(from), Some(nonce)) {
                Err(refusal) => Err(refusal),
                Ok(have) if have < amount => transfer_above(have, amount),
                Ok(_) => {
                    self.accounts.get_mut(&from).unwrap().0 -= amount;
                    self.pay(to, amount);
                    Ok(Executed::Transferred)
                }
            },
            Plain::Open { terms, a, b } => self.open(world, &terms, a, b),
            Plain::Close {
                terms,
                submitter,
                version,
                balance_a,
            } => self.close(world, &terms, submitter, version, balance_a),
        })
    }

    fn open(&mut self, world: &World, terms: &Terms, a: Who, b: Who) -> Outcome {
        let capacity = terms.capacity().map_err(Refusal::Terms)?.units();
        let have = self.charge(a, world.key(a), Some(terms.nonce))?;
        let (da, db) = (terms.deposits.a.units(), terms.deposits.b.units());
        if have < da {
            return deposit_above(Party::A, have, da);
        }
        let have = self.accounts.get(&b).map_or(0, |account| account.0);
        if have < db {
            return deposit_above(Party::B, have, db);
        }
        self.accounts.get_mut(&a).unwrap().0 -= da;
        if db > 0 {
            self.accounts.get_mut(&b).unwrap().0 -= db;
        }
        self.channels.insert(terms.channel_id(), (a, b, capacity));
        opened(terms)
    }

    fn close(
        &mut self,
        world: &World,
        terms: &Terms,
        submitter: Who,
        version: u64,
        balance_a: u64,
    ) -> Outcome {
        let id = terms.channel_id();
        let Some(&(a, b, capacity)) = self.channels.get(&id) else {
            return unknown(id);
        };
        let balance_a = if version == 0 {
            terms.deposits.a.units()
        } else {
            balance_a
        };
        if balance_a > capacity {
            return Err(Refusal::BalanceAboveCapacity {
                capacity: Amount::new(capacity),
                got: Amount::new(balance_a),
            });
        }
        self.charge(submitter, world.key(submitter), None)?;
        self.channels.remove(&id);
        self.pay(a, balance_a);
        self.pay(b, capacity - balance_a);
        closed(version, balance_a, capacity - balance_a)
    }
}

/// Makes the next transaction of a script.
fn make(
    world: &World,
    model: &Model,
    step: Step,
    made: &[(Bytes, Plain)],
    tried: &mut Vec<Terms>,
) -> Option<(Bytes, Plain)> {
    Some(match step {
        Step::Seal => return None,
        Step::Transfer {
            from,
            to,
            amount,
            ahead,
        } => {
            let nonce = model.nonce(from) + ahead;
            let plain = Plain::Transfer {
                from,
                nonce,
                to,
                amount,
            };
            (world.transfer(from, nonce, to, amount), plain)
        }
        Step::Open {
            a,
            b,
            deposits,
            ahead,
        } => {
            let terms = world.terms(a, model.nonce(a) + ahead, b, deposits.0, deposits.1);
            tried.push(terms);
            (world.open(&terms), Plain::Open { terms, a, b })
        }
        Step::Close {
            which,
            submitter,
            version,
            balance_a,
        } => {
            let terms = *tried.get(which % tried.len().max(1))?;
            let state = match version {
                0 => State::Opening,
                _ => after(version, balance_a),
            };
            let plain = Plain::Close {
                terms,
                submitter,
                version,
                balance_a,
            };
            (world.close(submitter, &terms, state), plain)
        }
        Step::Again { which } => made.get(which % made.len().max(1))?.clone(),
        Step::Flip { which, bit } => {
            let mut bytes = made.get(which % made.len().max(1))?.0.clone();
            // Any bit but those of the kind, which `submit` sees.
            let bit = 8 + bit % (8 * (bytes.len() - 1));
            bytes[bit / 8] ^= 1 << (bit % 8);
            (bytes, Plain::Damaged)
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_chain_does_what_the_model_does(
        steps in prop::collection::vec(step(), 1..80),
        block_transactions in prop_oneof![1u32..6, Just(2857)],
        parallel_verification: bool,
    ) {
        let mut world = World::new(Config {
            block_transactions,
            parallel_verification,
            ..config()
        });
        let mut model = Model::default();
        for (who, funds) in FUNDS.into_iter().enumerate() {
            model.accounts.insert(who, (funds, 0));
        }
        let (mut made, mut tried, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        let mut outcomes: Vec<Outcome> = Vec::new();
        for step in steps {
            if let Some((bytes, plain)) = make(&world, &model, step, &made, &mut tried) {
                expected.push(model.execute(&world, &plain));
                world.submit(&bytes).unwrap();
                // A damaged one damaged again may be whole: it is not drawn from.
                if !matches!(plain, Plain::Damaged) {
                    made.push((bytes, plain));
                }
            } else {
                let (_, receipts) = world.seal();
                outcomes.extend(receipts.into_iter().map(|receipt| receipt.outcome));
            }
        }
        outcomes.extend(world.seal_all().1);

        prop_assert_eq!(outcomes.len(), expected.len());
        for (outcome, expected) in outcomes.iter().zip(expected) {
            match expected {
                Some(expected) => prop_assert_eq!(outcome, &expected),
                None => prop_assert!(outcome.is_err()),
            }
        }
        for who in EVERYONE {
            let account = world.chain.account(&world.key(who));
            let found = account.map(|account| (account.balance.units(), account.nonce));
            prop_assert_eq!(found, model.accounts.get(&who).copied());
        }
        for terms in tried {
            let id = terms.channel_id();
            let record = world.chain.channel(&id).map(|record| record.limits.capacity.units());
            prop_assert_eq!(record, model.channels.get(&id).map(|channel| channel.2));
        }
    }
}
