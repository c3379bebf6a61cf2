//! The random scripts: what people submit, when blocks are sealed, and the comparison.

use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;

use super::*;

/// One step of a script. Channels are named among those that were ever tried to open.
#[derive(Clone, Debug)]
enum Step {
    Transfer {
        from: Who,
        to: Who,
        amount: u64,
        ahead: u64,
    },
    Open {
        a: Who,
        channels: Vec<New>,
        ahead: u64,
        /// Even a single one in a batch.
        batch: bool,
    },
    Close {
        finals: Vec<(usize, Point)>,
        submitter: Who,
        /// Even a single one in a batch.
        batch: bool,
    },
    RollOver {
        which: usize,
        last: Point,
        deposits: (u64, u64),
        /// To whom, if not to the same.
        other: Option<Who>,
    },
    Post {
        which: usize,
        /// A, B or anyone.
        by: usize,
        /// How far above the highest so far, and how many quarters of the capacity A has.
        above: u64,
        quarters: u64,
        /// How far above that, and how many quarters of its own the poster gives away.
        offer: Option<(u64, u64)>,
        /// The state and the offer, if not so.
        odd: Option<(Point, Option<Point>)>,
    },
    Payout {
        which: usize,
        submitter: Who,
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
    /// Seals, and so many empty blocks after.
    Pass {
        blocks: u64,
    },
}

/// A channel to open.
#[derive(Clone, Copy, Debug)]
struct New {
    b: Who,
    deposits: (u64, u64),
    window: u32,
}

/// Version and A's balance.
type Point = (u64, u64);

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..EVERYONE.len();
    let ahead = || prop_oneof![19 => Just(0u64), 1 => Just(1)];
    let amount = || prop_oneof![9 => 1u64..120, 1 => 0u64..3000, 1 => Just(u64::MAX)];
    let deposits = || {
        let small = || 1u64..120;
        let both = (amount(), prop_oneof![Just(0), amount()]);
        prop_oneof![3 => (small(), prop_oneof![Just(0), small()]), 1 => both]
    };
    let version = || prop_oneof![9 => 0u64..6, 1 => Just(u64::MAX)];
    // Mostly within a channel, often equal to another one.
    let balance = || prop_oneof![4 => (0u64..5).prop_map(|step| 20 * step), 1 => amount()];
    let new = || {
        (who(), deposits(), 1u32..5).prop_map(|(b, deposits, window)| New {
            b,
            deposits,
            window,
        })
    };
    let news = prop_oneof![
        3 => prop::collection::vec(new(), 1),
        1 => prop::collection::vec(new(), 1..4),
    ];
    let point = || (version(), balance());
    let finals = || (any::<usize>(), point());
    let finals = prop_oneof![
        3 => prop::collection::vec(finals(), 1),
        1 => prop::collection::vec(finals(), 1..4),
    ];
    let offer = || prop::option::of((1u64..5, 0u64..5));
    let odd = prop::option::weighted(0.15, (point(), prop::option::of(point())));
    prop_oneof![
        3 => (who(), who(), amount(), ahead())
            .prop_map(|(from, to, amount, ahead)| Step::Transfer { from, to, amount, ahead }),
        4 => (0..4usize, news, ahead(), any::<bool>())
            .prop_map(|(a, channels, ahead, batch)| Step::Open { a, channels, ahead, batch }),
        1 => (finals, who(), any::<bool>())
            .prop_map(|(finals, submitter, batch)| Step::Close { finals, submitter, batch }),
        1 => (any::<usize>(), point(), deposits(), prop::option::weighted(0.2, who()))
            .prop_map(|(which, last, deposits, other)| Step::RollOver { which, last, deposits, other }),
        16 => (any::<usize>(), 0..5usize, (0u64..4, 0u64..5), offer(), odd).prop_map(
            |(which, by, (above, quarters), offer, odd)| {
                Step::Post { which, by, above, quarters, offer, odd }
            }
        ),
        4 => (any::<usize>(), who()).prop_map(|(which, submitter)| Step::Payout { which, submitter }),
        1 => any::<usize>().prop_map(|which| Step::Again { which }),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(which, bit)| Step::Flip { which, bit }),
        8 => Just(Step::Seal),
        3 => (1u64..5).prop_map(|blocks| Step::Pass { blocks }),
    ]
}

/// A transaction that waits.
#[derive(Clone)]
struct Waiting {
    ticket: u64,
    plain: Plain,
    operations: u32,
    bytes: usize,
}

/// The chain's mempool, as the model sees it.
#[derive(Default)]
struct Pool {
    queue: VecDeque<Waiting>,
    room: Vec<Waiting>,
    superseded: Vec<(u64, Option<Outcome>)>,
    /// Since the last block, by submitter: what it had refused at once, and how often it raised an
    /// answer of each channel.
    unsound: HashMap<Who, u32>,
    raised: HashMap<(Who, ChannelId), u32>,
}

/// All that a script has led to.
struct Run {
    world: World,
    model: Model,
    pool: Pool,
    tried: Vec<Terms>,
    made: Vec<(Bytes, Plain)>,
}

impl Run {
    fn new(config: Config) -> Run {
        let funds = [3000, 3000, 3000, 5];
        let world = World::funded("channels", config, &funds);
        let mut model = Model::default();
        for (who, funds) in funds.into_iter().enumerate() {
            model.accounts.insert(world.key(who), (funds, 0));
        }
        Run {
            world,
            model,
            pool: Pool::default(),
            tried: Vec::new(),
            made: Vec::new(),
        }
    }

    /// The next nonce, if all that waits is included.
    fn nonce(&self, who: Who) -> u64 {
        let key = self.world.key(who);
        let uses = |plain: &Plain| match plain {
            Plain::Transfer { from, .. } => *from == who,
            Plain::Open(terms) => terms.keys.a == key,
            Plain::OpenBatch(all) => all[0].keys.a == key,
            Plain::RollOver { successor, .. } => successor.keys.a == key,
            _ => false,
        };
        let waiting = self.pool.queue.iter().filter(|one| uses(&one.plain));
        self.model.nonce(&key) + waiting.count() as u64
    }

    /// One that is open, mostly, and disputed, if there is such a one; else any.
    fn channel(&self, which: usize) -> Option<Terms> {
        let of = |terms: &&Terms| self.model.channels.get(&terms.channel_id());
        let disputed = |terms: &&Terms| of(terms).is_some_and(|open| open.posted_at.is_some());
        let drawn: Vec<&Terms> = match which % 8 {
            0 => self.tried.iter().collect(),
            1 | 2 => (self.tried.iter())
                .filter(|terms| of(terms).is_some())
                .collect(),
            _ => self.tried.iter().filter(disputed).collect(),
        };
        let any = || self.tried.last().copied();
        let drawn = drawn.get(which / 8 % drawn.len().max(1));
        drawn.map_or_else(any, |terms| Some(**terms))
    }

    fn make(&mut self, step: Step) -> Option<(Bytes, Plain)> {
        Some(match step {
            Step::Seal | Step::Pass { .. } => return None,
            Step::Transfer {
                from,
                to,
                amount,
                ahead,
            } => {
                let nonce = self.nonce(from) + ahead;
                let plain = Plain::Transfer {
                    from,
                    nonce,
                    to,
                    amount,
                };
                (self.world.transfer(from, nonce, to, amount), plain)
            }
            Step::Open {
                a,
                channels,
                ahead,
                batch,
            } => self.make_open(a, &channels, ahead, batch),
            Step::Close {
                finals,
                submitter,
                batch,
            } => self.make_close(&finals, submitter, batch)?,
            Step::RollOver {
                which,
                last: (version, balance_a),
                deposits,
                other,
            } => {
                let terms = self.channel(which)?;
                let a = self.world.who(&terms.keys.a);
                let b = other.unwrap_or(self.world.who(&terms.keys.b));
                let nonce = self.nonce(a);
                let successor = Terms {
                    challenge_window_blocks: terms.challenge_window_blocks,
                    ..self.world.terms(a, nonce, b, deposits.0, deposits.1)
                };
                self.tried.push(successor);
                let closing = Closing {
                    terms,
                    version,
                    balance_a,
                };
                let bytes = self
                    .world
                    .roll_over(&terms, state(version, balance_a), &successor);
                (bytes, Plain::RollOver { closing, successor })
            }
            Step::Post {
                which,
                by,
                above,
                quarters,
                offer,
                odd,
            } => {
                let terms = self.channel(which)?;
                let capacity = terms.capacity().ok()?.units();
                let open = self.model.channels.get(&terms.channel_id());
                let posts = open.map_or(&[][..], |open| &open.posts);
                let highest = posts.iter().map(|post| post.version).max();
                let version = highest.unwrap_or(0).saturating_add(above);
                let balance_a = match version {
                    0 => terms.deposits.a.units(),
                    _ => (u128::from(capacity) * u128::from(quarters) / 4) as u64,
                };
                let offer = offer.map(|(above, quarters)| {
                    let share = if by < 2 {
                        balance_a
                    } else {
                        capacity - balance_a
                    };
                    let given = (u128::from(share) * u128::from(quarters) / 4) as u64;
                    let a = if by < 2 {
                        balance_a - given
                    } else {
                        balance_a + given
                    };
                    (version.saturating_add(above), a)
                });
                let ((version, balance_a), offer) = odd.unwrap_or(((version, balance_a), offer));
                let offer = offer.filter(|_| by < 4 || odd.is_some());
                let parties = [terms.keys.a, terms.keys.b].map(|key| self.world.who(&key));
                let submitter = match by {
                    0 | 1 => parties[0],
                    2 | 3 => parties[1],
                    _ => CAROL,
                };
                // An offer is after an entry, of whatever version.
                let bytes = self.world.post(
                    submitter,
                    &terms,
                    state(version, balance_a),
                    offer.map(|(version, balance_a)| after(version, balance_a)),
                );
                let plain = Plain::Post {
                    submitter,
                    terms,
                    version,
                    balance_a,
                    offer,
                };
                (bytes, plain)
            }
            Step::Payout { which, submitter } => {
                let channel = self.channel(which)?.channel_id();
                let plain = Plain::Payout { submitter, channel };
                (self.world.payout(submitter, channel), plain)
            }
            Step::Again { which } => self.made.get(which % self.made.len().max(1))?.clone(),
            Step::Flip { which, bit } => {
                let mut bytes = self.made.get(which % self.made.len().max(1))?.0.clone();
                // Any bit but those of the kind.
                let bit = 8 + bit % (8 * (bytes.len() - 1));
                bytes[bit / 8] ^= 1 << (bit % 8);
                (bytes, Plain::Damaged)
            }
        })
    }

    fn make_open(&mut self, a: Who, channels: &[New], ahead: u64, batch: bool) -> (Bytes, Plain) {
        let nonce = self.nonce(a) + ahead;
        let openings: Vec<Opening> = channels
            .iter()
            .map(|new| Opening {
                challenge_window_blocks: new.window,
                ..opening(self.world.key(new.b), new.deposits.0, new.deposits.1)
            })
            .collect();
        let terms = terms_of_batch(&self.world, a, nonce, &openings);
        self.tried.extend(&terms);
        if let [only] = terms[..]
            && !batch
        {
            return (self.world.open(&only), Plain::Open(only));
        }
        (
            self.world.open_batch(a, nonce, openings),
            Plain::OpenBatch(terms),
        )
    }

    fn make_close(
        &self,
        finals: &[(usize, Point)],
        submitter: Who,
        batch: bool,
    ) -> Option<(Bytes, Plain)> {
        let items: Option<Vec<Closing>> = finals
            .iter()
            .map(|&(which, (version, balance_a))| {
                self.channel(which).map(|terms| Closing {
                    terms,
                    version,
                    balance_a,
                })
            })
            .collect();
        let items = items?;
        let mut proofs: Vec<FinalProof> = items
            .iter()
            .map(|closing| {
                let state = state(closing.version, closing.balance_a);
                self.world.proof(&closing.terms, state)
            })
            .collect();
        if let [closing] = items[..]
            && !batch
        {
            let bytes = self.world.submit_proof(submitter, proofs.remove(0));
            return Some((bytes, Plain::Close { submitter, closing }));
        }
        let bytes = self.world.close_batch(submitter, proofs);
        Some((bytes, Plain::CloseBatch { submitter, items }))
    }

    fn submit(&mut self, bytes: &Bytes, plain: Plain) {
        let operations = match &plain {
            Plain::OpenBatch(all) => all.len() as u32,
            Plain::CloseBatch { items, .. } => items.len() as u32,
            // What is damaged in a batch still has as many items, or is malformed.
            Plain::Damaged if matches!(bytes[0], 13 | 14) => {
                let count = if bytes[0] == 13 { 41 } else { 33 };
                u32::from(u16::from_le_bytes([bytes[count], bytes[count + 1]]))
            }
            _ => 1,
        };
        let ticket = match self.world.submit(bytes) {
            Ok(ticket) => ticket,
            Err(SubmitError::TooManyItems { got, .. }) => {
                assert_eq!(got, operations);
                return;
            }
            Err(SubmitError::Malformed(_)) => {
                assert!(matches!(plain, Plain::Damaged));
                return;
            }
            Err(SubmitError::Refused(refusal)) => {
                self.refused_at_once(&plain, refusal);
                return;
            }
            Err(SubmitError::AnswersInVain { limit }) => {
                // What is damaged may name anybody.
                let counts = self.in_vain(&plain);
                assert!(counts.is_none_or(|counts| counts.contains(&limit)));
                return;
            }
            Err(other) => panic!("{other}"),
        };
        let one = Waiting {
            ticket,
            plain,
            operations,
            bytes: bytes.len(),
        };
        self.admit(one);
    }

    /// An answer that is not sound, or what its signer has not signed.
    fn refused_at_once(&mut self, plain: &Plain, refusal: Refusal) {
        match plain {
            Plain::Damaged => {}
            Plain::Post { submitter, .. } => {
                let height = self.world.chain.height() + 1;
                let expected = self.model.clone().execute(&self.world, plain, height);
                assert_eq!(expected, Some(Err(refusal)));
                *self.pool.unsound.entry(*submitter).or_default() += 1;
            }
            other => panic!("{other:?}: {refusal}"),
        }
    }

    /// What an answer's submitter has had verified in vain: at all, and in its channel.
    fn in_vain(&self, plain: &Plain) -> Option<[u32; 2]> {
        let Plain::Post {
            submitter, terms, ..
        } = plain
        else {
            assert!(matches!(plain, Plain::Damaged));
            return None;
        };
        let raised = self.pool.raised.get(&(*submitter, terms.channel_id()));
        let unsound = self.pool.unsound.get(submitter);
        Some([unsound, raised].map(|count| count.copied().unwrap_or(0)))
    }

    /// An answer that the next block could take goes into the room; if that may not reach it, alone
    /// of its channel.
    fn admit(&mut self, one: Waiting) {
        let waiting = || self.pool.queue.iter().chain(&self.pool.room);
        let operations: u64 = waiting().map(|one| u64::from(one.operations)).sum();
        let bytes: usize = waiting().map(|one| one.bytes).sum();
        let config = self.world.chain.config();
        let crowded = operations + u64::from(one.operations) > config.block_transactions.into()
            || (bytes + one.bytes) as u64 > config.block_bytes;
        let Plain::Post {
            submitter,
            terms,
            version,
            ..
        } = &one.plain
        else {
            self.pool.queue.push_back(one);
            return;
        };
        let channel = terms.channel_id();
        let of = |other: &Waiting| match &other.plain {
            Plain::Post {
                submitter,
                terms,
                version,
                ..
            } => (*submitter, terms.channel_id(), *version),
            _ => unreachable!(),
        };
        let place = (self.pool.room.iter()).rposition(|other| of(other).1 == channel);
        let others = self.pool.room.iter().map(of).enumerate();
        let others =
            others.filter(|(at, other)| other.0 == *submitter && !(crowded && Some(*at) == place));
        let fees = FEE * (1 + others.count() as u64);
        let open = self.model.channels.get(&channel);
        let height = self.world.chain.height() + 1;
        let in_time = |open: &Open| open.posted_at.is_some_and(|at| height <= at + open.window);
        let higher = |open: &Open| open.posts.iter().all(|post| post.version < *version);
        let reserved = open.is_some_and(|open| in_time(open) && higher(open))
            && place.is_none_or(|place| of(&self.pool.room[place]).2 < *version)
            && self.model.balance(&self.world.key(*submitter)) >= fees;
        if reserved {
            let outcome = self.model.clone().execute(&self.world, &one.plain, height);
            assert!(outcome.is_some_and(|outcome| outcome.is_ok()));
            let counts = self.in_vain(&one.plain).unwrap();
            assert!(counts.iter().all(|count| *count < 4), "{counts:?}");
        }
        let (by, raised) = (*version, (*submitter, channel));
        match (reserved, place.filter(|_| crowded)) {
            (false, _) => self.pool.queue.push_back(one),
            (true, None) => self.pool.room.push(one),
            (true, Some(place)) => {
                let lower = std::mem::replace(&mut self.pool.room[place], one);
                *self.pool.raised.entry(raised).or_default() += 1;
                let outcome = Err(Refusal::Superseded { by });
                self.pool.superseded.push((lower.ticket, Some(outcome)));
            }
        }
    }

    /// Seals a block, and compares all that came of it.
    fn seal(&mut self, even_empty: bool) {
        let height = self.world.chain.height() + 1;
        let mut expected = std::mem::take(&mut self.pool.superseded);
        let mut left = self.world.chain.config().block_transactions;
        loop {
            let first = self.pool.room.first().or(self.pool.queue.front());
            if first.is_none_or(|first| first.operations > left) {
                break;
            }
            let one = if self.pool.room.is_empty() {
                self.pool.queue.pop_front().unwrap()
            } else {
                self.pool.room.remove(0)
            };
            let outcome = self.model.execute(&self.world, &one.plain, height);
            if matches!(outcome, Some(Ok(_))) {
                left -= one.operations;
            }
            expected.push((one.ticket, outcome));
        }
        let (header, receipts) = self.world.seal_block(even_empty);
        let included = expected.iter().any(|one| matches!(one.1, Some(Ok(_))));
        assert_eq!(header.is_some(), included || even_empty);
        if header.is_some() {
            self.pool.unsound.clear();
            self.pool.raised.clear();
        }
        assert_eq!(receipts.len(), expected.len());
        for (receipt, (ticket, expected)) in receipts.iter().zip(expected) {
            assert_eq!(receipt.ticket, ticket);
            match expected {
                Some(expected) => assert_eq!(receipt.outcome, expected),
                None => assert!(receipt.outcome.is_err()),
            }
        }
        for who in EVERYONE {
            let key = self.world.key(who);
            let account = self.world.chain.account(&key);
            let found = account.map(|account| (account.balance.units(), account.nonce));
            assert_eq!(found, self.model.accounts.get(&key).copied());
        }
        for terms in &self.tried {
            let id = terms.channel_id();
            let found = self.world.chain.channel(&id).map(|record| {
                let dispute = record.dispute();
                let capacity = record.limits.capacity.units();
                (
                    capacity,
                    dispute.map(|d| (d.opened(), d.until(), d.highest())),
                )
            });
            let expected = self.model.channels.get(&id).map(|open| {
                let highest = open.posts.iter().map(|post| post.version).max();
                let dispute = open
                    .posted_at
                    .map(|at| (at, at + open.window, highest.unwrap()));
                (open.capacity, dispute)
            });
            assert_eq!(found, expected);
        }
    }
}

fn state(version: u64, balance_a: u64) -> State {
    match version {
        0 => State::Opening,
        _ => after(version, balance_a),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_chain_does_what_the_model_does(
        steps in prop::collection::vec(step(), 1..160),
        block_transactions in prop_oneof![1u32..6, Just(2857)],
        verification in prop::sample::select(vec![
            Verification::Sequential,
            Verification::Ahead,
        ]),
        restarts: bool,
        state_root: bool,
    ) {
        let mut run = Run::new(Config {
            block_transactions,
            verification,
            state_root,
            ..config()
        });
        run.world.restarts = restarts;
        for step in steps {
            match step {
                Step::Seal => run.seal(false),
                Step::Pass { blocks } => (0..blocks).for_each(|_| run.seal(true)),
                step => {
                    let Some((bytes, plain)) = run.make(step) else { continue };
                    run.submit(&bytes, plain.clone());
                    // A damaged one damaged again may be whole: it is not drawn from.
                    if !matches!(plain, Plain::Damaged) {
                        run.made.push((bytes, plain));
                    }
                }
            }
        }
        while run.world.chain.pending() > 0 {
            run.seal(false);
        }
    }
}
