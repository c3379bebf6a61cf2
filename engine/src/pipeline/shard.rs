//! One shard: the channels of its slots, and the loop that moves them. Shares nothing with other
//! shards and takes no lock; its only links are the two queues to and from Layer 1.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::arrivals::ArrivalQueue;
use super::fault::{Faults, Hop};
use super::finish::Finals;
use super::latency::Latencies;
use super::run::{Config, StoppedChannel};
use super::schedule::Schedule;
use super::slot::{Channel, Identity, Opening, Phase, Slot};
use super::stage::{Stage, StageClock};
use super::steps::{Link, StepKind, StepOutcome, StepTransaction, Steps};
use super::wave::{Side, Wave};
use super::workload::{AccountIndex, Workload};
use crate::crypto::{Digest, Domain, Hasher, KeyRing, SecretKey, SignJob, Signature};
use crate::l1::{SignedTransaction, Transaction};
use crate::protocol::{Endpoint, Pair, Party, Rejection, Terms, WindowPool};

/// What all shards of a run share, read-only but for the flags and counters.
pub(super) struct Shared<'w> {
    pub(super) config: &'w Config,
    pub(super) workload: &'w dyn Workload,
    pub(super) schedule: Schedule,
    pub(super) genesis: Digest,
    pub(super) epoch: Instant,
    /// No more payments: finish and close what is open.
    pub(super) stop: &'w AtomicBool,
    /// A thread has panicked: everybody leaves.
    pub(super) abort: AtomicBool,
}

/// What a shard tells the observer, now and then.
#[derive(Default)]
pub(super) struct ShardProgress {
    pub(super) payments: AtomicU64,
    pub(super) sessions_closed: AtomicU64,
}

/// Channels with something to do, in the order in which they got it.
pub(super) struct Ready {
    queue: VecDeque<u32>,
    queued: Vec<bool>,
}

/// One shard.
pub(super) struct Shard<'w> {
    pub(super) config: &'w Config,
    pub(super) workload: &'w dyn Workload,
    shared: &'w Shared<'w>,
    link: &'w Link,
    progress: &'w ShardProgress,
    l1: Option<Thread>,

    pub(super) slots: Vec<Slot>,
    pub(super) identities: Vec<Identity>,
    pub(super) secrets: Vec<SecretKey>,
    pub(super) ring: KeyRing,
    /// For each secret key: whose it is, and how its balance on Layer 1 should have changed.
    ledger: Vec<(AccountIndex, i128)>,

    pub(super) ready: Ready,
    pub(super) finishing: Vec<u32>,
    pub(super) arrivals: ArrivalQueue,
    pub(super) steps: Steps,
    pub(super) draining: bool,

    pub(super) wave: Wave,
    pub(super) finals: Finals,
    pub(super) payer: Side,
    pub(super) payee: Side,
    pub(super) windows: WindowPool,
    pub(super) faults: Faults,

    pub(super) clock: StageClock,
    pub(super) latency: Latencies,
    /// Messages refused in the wave under way.
    pub(super) refusals: Vec<(u32, Rejection)>,
    pub(super) refused: u64,
    pub(super) value_at_risk: u64,
    pub(super) last_completion_ns: u64,
    tally: Tally,
}

/// What one shard counted.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) rejections: BTreeMap<&'static str, u64>,
    pub(super) stopped: Vec<StoppedChannel>,
    pub(super) sessions_opened: u64,
    pub(super) sessions_closed: u64,
    /// Payments in sessions that closed on Layer 1.
    pub(super) settled: u64,
    /// Sessions whose payout is not what the workload's own sums say.
    pub(super) payout_mismatches: u64,
    /// Sessions whose settled version is not the number of payments made.
    pub(super) count_mismatches: u64,
    /// Payments of the sessions that opened.
    pub(super) planned: u64,
    /// Of these: drawn from the workload.
    pub(super) drawn: u64,
    /// Covered by a co-signed state, by the payer's count.
    pub(super) covered: u64,
    /// Covered by a verified signature of the payer, by the payee's count.
    pub(super) received: u64,
    /// Drawn, and lost with a channel that stopped.
    pub(super) lost: u64,
    /// Never drawn, because the run was cut short or the channel stopped.
    pub(super) undrawn: u64,
    pub(super) first_submit_ns: Option<u64>,
    pub(super) transaction_signatures: u64,
    pub(super) last_close_ns: u64,
}

/// What a shard hands over when it is done.
pub(super) struct ShardOutcome {
    pub(super) tally: Tally,
    pub(super) ledger: Vec<(AccountIndex, i128)>,
    pub(super) clock: StageClock,
    pub(super) latency: Latencies,
    pub(super) sides: [Side; 2],
    pub(super) refused: u64,
    pub(super) value_at_risk: u64,
    pub(super) bytes: u64,
    pub(super) arrived: u64,
    pub(super) offered_span_ns: u64,
    pub(super) arrivals_started_ns: Option<u64>,
    pub(super) last_completion_ns: u64,
}

impl<'w> Shard<'w> {
    /// Sets up the slots of shard `index`: every slot whose number is `index` modulo the number
    /// of shards.
    pub(super) fn new(
        shared: &'w Shared<'w>,
        index: u64,
        link: &'w Link,
        progress: &'w ShardProgress,
    ) -> Shard<'w> {
        let Shared {
            config,
            workload,
            schedule,
            ..
        } = *shared;
        let shards = u64::from(config.shards);
        let numbers: Vec<u64> = (index..schedule.concurrent())
            .step_by(shards as usize)
            .collect();
        let share = numbers.len() as f64 / schedule.concurrent() as f64;
        let backend = config.backend;
        let mut shard = Shard {
            config,
            workload,
            shared,
            link,
            progress,
            l1: None,
            slots: Vec::with_capacity(numbers.len()),
            identities: Vec::with_capacity(numbers.len()),
            secrets: Vec::new(),
            ring: KeyRing::new(),
            ledger: Vec::new(),
            ready: Ready {
                queue: VecDeque::new(),
                queued: vec![false; numbers.len()],
            },
            finishing: Vec::new(),
            arrivals: ArrivalQueue::new(
                &config.arrivals,
                numbers.len(),
                share,
                arrival_seed(config.seed, index),
                config.rules.cosign_every,
                config.cosign_after,
            ),
            steps: Steps::new(schedule, &numbers),
            draining: false,
            wave: Wave::default(),
            finals: Finals::default(),
            payer: Side::new(backend),
            payee: Side::new(backend),
            windows: WindowPool::new(),
            faults: Faults::new(&config.faults),
            clock: StageClock::start(),
            latency: Latencies::new(),
            refusals: Vec::new(),
            refused: 0,
            value_at_risk: 0,
            last_completion_ns: 0,
            tally: Tally::default(),
        };
        shard.set_up(&numbers);
        shard
    }

    /// Derives the keys of all accounts that appear in the shard's slots.
    fn set_up(&mut self, numbers: &[u64]) {
        let mut places = HashMap::new();
        let mut accounts = Vec::new();
        let mut place_of = |account: AccountIndex| {
            *places.entry(account).or_insert_with(|| {
                accounts.push(account);
                accounts.len() as u32 - 1
            })
        };
        // A slot's sessions all have the same accounts.
        let secrets: Vec<Pair<u32>> = numbers
            .iter()
            .map(|&number| {
                let Pair { a, b } = self.workload.session(number).accounts;
                Pair {
                    a: place_of(a),
                    b: place_of(b),
                }
            })
            .collect();
        self.secrets = secret_keys(self.config.seed, &accounts);
        self.ledger = accounts.into_iter().map(|account| (account, 0)).collect();
        let keys: Vec<_> = self
            .secrets
            .iter()
            .map(|secret| {
                self.ring
                    .insert(secret.public())
                    .expect("a derived key is sound")
            })
            .collect();
        for (&number, secrets) in numbers.iter().zip(secrets) {
            let keys = Pair {
                a: keys[secrets.a as usize],
                b: keys[secrets.b as usize],
            };
            self.identities.push(Identity { secrets, keys });
            self.slots.push(Slot {
                number,
                phase: Phase::Vacant,
            });
        }
    }

    /// Runs on the calling thread until every session of its slots is closed.
    pub(super) fn run(mut self, l1: Thread) -> ShardOutcome {
        self.l1 = Some(l1);
        self.clock = StageClock::start();
        self.link.attach();
        while !self.steps.done() && !self.shared.abort.load(Ordering::Relaxed) {
            let mut busy = self.send_steps();
            busy |= self.read_receipts();
            self.arrive();
            let completed = self.wave();
            busy |= completed > 0 || !self.ready.is_empty();
            busy |= !self.finishing.is_empty();
            self.finish();
            if completed > 0 {
                self.progress
                    .payments
                    .fetch_add(completed, Ordering::Relaxed);
            }
            if !busy {
                self.wait();
            }
        }
        let (arrived, offered_span_ns) = self.arrivals.offered();
        ShardOutcome {
            tally: self.tally,
            ledger: self.ledger,
            clock: self.clock,
            latency: self.latency,
            bytes: self.wave.to_payee.carried()
                + self.wave.to_payer.carried()
                + self.finals.carried(),
            sides: [self.payer, self.payee],
            refused: self.refused,
            value_at_risk: self.value_at_risk,
            arrived,
            offered_span_ns,
            arrivals_started_ns: self.arrivals.started_ns(),
            last_completion_ns: self.last_completion_ns,
        }
    }

    /// Sends the steps whose sessions have all ended: their closes, and the opens that follow.
    fn send_steps(&mut self) -> bool {
        let mut sent = false;
        while let Some((step, slots, mut batch)) = self.steps.take() {
            let mut jobs = Vec::new();
            let mut unsigned = Vec::new();
            for &slot in &slots {
                if let Some((session, transaction)) = self.closing(slot) {
                    unsigned.push(((StepKind::Close, session), slot, transaction));
                }
            }
            let mut opens = 0;
            for &slot in &slots {
                if let Some((session, transaction)) = self.opening(slot, step) {
                    unsigned.push(((StepKind::Open, session), slot, transaction));
                    opens += 1;
                }
            }
            for (_, slot, transaction) in &unsigned {
                let secrets = self.identities[*slot as usize].secrets;
                let digest = transaction.digest(&self.shared.genesis);
                jobs.push(SignJob {
                    secret: secrets.a,
                    digest,
                });
                if transaction.consenter().is_some() {
                    jobs.push(SignJob {
                        secret: secrets.b,
                        digest,
                    });
                }
            }
            let mut signatures: Vec<Signature> = Vec::with_capacity(jobs.len());
            self.payer
                .signer
                .sign(&self.secrets, &jobs, &mut signatures);
            let mut signatures = signatures.into_iter();
            for (order, slot, transaction) in unsigned {
                let start = batch.bytes.len();
                let signature = signatures.next().expect("one signature per job");
                let consent = transaction.consenter().and_then(|_| signatures.next());
                SignedTransaction::new(transaction, signature, consent).encode(&mut batch.bytes);
                if order.0 == StepKind::Close && !self.faults.is_empty() {
                    let bytes = &mut batch.bytes[start..];
                    self.faults
                        .strike(Hop::Settlement, order.1, u64::MAX, bytes);
                }
                batch.transactions.push(StepTransaction {
                    order,
                    slot,
                    bytes_end: batch.bytes.len(),
                    outcome: None,
                });
            }
            self.clock.lap(Stage::Transact, batch.transactions.len());
            self.tally.transaction_signatures += jobs.len() as u64;
            let now_ns = self.now_ns();
            self.tally.first_submit_ns.get_or_insert(now_ns);
            self.steps.sent(slots, opens);
            self.link
                .to_l1(batch, self.l1.as_ref().expect("the shard runs"));
            sent = true;
        }
        sent
    }

    /// The transaction that closes a slot's finished session.
    fn closing(&mut self, slot: u32) -> Option<(u64, Transaction)> {
        let Phase::Closing(channel) = &self.slots[slot as usize].phase else {
            return None;
        };
        let proof = channel.a.final_proof().expect("both have signed a final");
        let submitter = self.secrets[self.identities[slot as usize].secrets.a as usize].public();
        Some((
            channel.session,
            Transaction::CooperativeClose { submitter, proof },
        ))
    }

    /// The transaction that opens a slot's next session. A slot whose session is closing in the
    /// same step stays as it is until that is settled.
    fn opening(&mut self, slot: u32, step: u64) -> Option<(u64, Transaction)> {
        let session = self
            .shared
            .schedule
            .opens(step, self.slots[slot as usize].number)?;
        if self.draining {
            return None;
        }
        let plan = self.workload.session(session);
        let terms = self.terms(slot, &plan);
        if !matches!(self.slots[slot as usize].phase, Phase::Closing(_)) {
            self.slots[slot as usize].phase = Phase::Opening(Opening { session, plan });
        }
        Some((session, Transaction::open(&terms)))
    }

    fn terms(&self, slot: u32, plan: &super::workload::Session) -> Terms {
        let secrets = self.identities[slot as usize].secrets;
        Terms {
            genesis: self.shared.genesis,
            nonce: plan.nonce,
            index: 0,
            keys: Pair {
                a: self.secrets[secrets.a as usize].public(),
                b: self.secrets[secrets.b as usize].public(),
            },
            deposits: plan.deposits,
            challenge_window_blocks: self.config.challenge_window_blocks,
            reserve: self.config.reserve,
        }
    }

    /// Reads what Layer 1 did with earlier steps.
    fn read_receipts(&mut self) -> bool {
        let mut any = false;
        while let Some(batch) = self.link.at_shard() {
            any = true;
            for transaction in &batch.transactions {
                let outcome = transaction
                    .outcome
                    .expect("Layer 1 answers every transaction");
                match transaction.order {
                    (StepKind::Close, _) => self.closed(transaction.slot, outcome),
                    (StepKind::Open, session) => self.opened(transaction.slot, session, outcome),
                }
            }
            self.clock.lap(Stage::Transact, 0);
            self.steps.returned(batch);
            if self.arrivals.started_ns().is_none() && self.steps.all_lanes_opened() {
                self.arrivals.start(self.now_ns());
            }
        }
        any
    }

    fn closed(&mut self, slot: u32, outcome: StepOutcome) {
        let phase = &mut self.slots[slot as usize].phase;
        let Phase::Closing(channel) = std::mem::replace(phase, Phase::Vacant) else {
            unreachable!("slot {slot} was closing");
        };
        let fee = i128::from(self.config.l1.fee.units());
        let secrets = self.identities[slot as usize].secrets;
        match outcome {
            StepOutcome::Closed { payouts, version } => {
                let deposits = channel.plan.deposits;
                let (a, b) = (i128::from(channel.paid.a), i128::from(channel.paid.b));
                let expected = Pair {
                    a: i128::from(deposits.a.units()) - a + b,
                    b: i128::from(deposits.b.units()) + a - b,
                };
                let paid_out = Pair {
                    a: i128::from(payouts.a),
                    b: i128::from(payouts.b),
                };
                self.tally.payout_mismatches += u64::from(paid_out != expected);
                let made = channel.drawn - channel.refused;
                self.tally.count_mismatches +=
                    u64::from(version != made || channel.covered != made);
                self.ledger[secrets.a as usize].1 += expected.a - fee;
                self.ledger[secrets.b as usize].1 += expected.b;
                self.tally.sessions_closed += 1;
                self.tally.settled += version;
                self.tally.last_close_ns = self.now_ns();
                self.progress
                    .sessions_closed
                    .fetch_add(1, Ordering::Relaxed);
            }
            StepOutcome::Refused { name, fee_paid } => {
                self.ledger[secrets.a as usize].1 -= if fee_paid { fee } else { 0 };
                self.slots[slot as usize].phase = Phase::Stopped;
                self.count_stop(channel.session, name);
            }
            StepOutcome::Opened => unreachable!("a close opens nothing"),
        }
    }

    fn opened(&mut self, slot: u32, session: u64, outcome: StepOutcome) {
        let fee = i128::from(self.config.l1.fee.units());
        let Identity { secrets, keys } = self.identities[slot as usize];
        let plan = match &self.slots[slot as usize].phase {
            Phase::Opening(opening) if opening.session == session => opening.plan,
            _ => self.workload.session(session),
        };
        if let StepOutcome::Refused { name, fee_paid } = outcome {
            self.ledger[secrets.a as usize].1 -= if fee_paid { fee } else { 0 };
            self.slots[slot as usize].phase = Phase::Stopped;
            self.count_stop(session, name);
            self.steps.session_ended(slot);
            return;
        }
        self.ledger[secrets.a as usize].1 -= i128::from(plan.deposits.a.units()) + fee;
        self.ledger[secrets.b as usize].1 -= i128::from(plan.deposits.b.units());
        self.tally.sessions_opened += 1;
        self.tally.planned += plan.payments;

        let terms = self.terms(slot, &plan);
        let end = |me, peer| {
            Endpoint::new(me, &terms, peer, self.config.rules)
                .expect("Layer 1 has opened a channel on these terms")
        };
        self.slots[slot as usize].phase = Phase::Running(Channel {
            session,
            plan,
            a: end(Party::A, keys.b),
            b: end(Party::B, keys.a),
            drawn: 0,
            refused: 0,
            covered: 0,
            paid: Pair { a: 0, b: 0 },
            rejected: false,
        });
        if !self.draining {
            self.arrivals
                .opened(slot, session, plan.payments, self.workload);
        }
        self.requeue(slot);
    }

    /// Decides what a running channel does next: pay, wait for arrivals, or finish.
    pub(super) fn requeue(&mut self, slot: u32) {
        let Phase::Running(channel) = &self.slots[slot as usize].phase else {
            return;
        };
        if self.draining || channel.left() == 0 {
            self.tally.count(channel);
            self.arrivals.closed(slot);
            self.finishing.push(slot);
        } else if self.arrivals.available(slot, self.now_ns(), channel.left()) > 0 {
            self.ready.push(slot);
        } else {
            self.arrivals.served(slot);
        }
    }

    /// A rule was broken in a channel: it gets no further, and no other is touched.
    pub(super) fn stop_channel(&mut self, slot: u32, name: &'static str, finishing: bool) {
        let phase = &mut self.slots[slot as usize].phase;
        let Phase::Running(channel) = std::mem::replace(phase, Phase::Stopped) else {
            *phase = Phase::Stopped;
            return;
        };
        if !finishing {
            self.tally.count(&channel);
        }
        self.arrivals.closed(slot);
        self.count_stop(channel.session, name);
        self.steps.session_ended(slot);
    }

    fn count_stop(&mut self, session: u64, name: &'static str) {
        *self.tally.rejections.entry(name).or_default() += 1;
        if self.tally.stopped.len() < StoppedChannel::MOST {
            self.tally.stopped.push(StoppedChannel {
                session,
                rejection: name,
            });
        }
    }

    /// Reads arrivals, and turns to draining when the run shall stop.
    fn arrive(&mut self) {
        let now_ns = self.now_ns();
        if !self.draining && self.must_stop(now_ns) {
            self.draining = true;
            self.arrivals.stop();
            self.ready.clear();
            for slot in 0..self.slots.len() as u32 {
                self.requeue(slot);
            }
        }
        let (ready, slots) = (&mut self.ready, &self.slots);
        self.arrivals.advance(now_ns, self.workload, |slot| {
            if matches!(slots[slot as usize].phase, Phase::Running(_)) {
                ready.push(slot);
            }
        });
        if !self.arrivals.is_closed_loop() {
            self.clock.lap(Stage::Draw, 0);
        }
    }

    fn must_stop(&self, now_ns: u64) -> bool {
        let since_ns = self.arrivals.started_ns().unwrap_or(now_ns);
        let over = |duration: Duration| u128::from(now_ns - since_ns) >= duration.as_nanos();
        self.shared.stop.load(Ordering::Relaxed) || self.config.duration.is_some_and(over)
    }

    /// Waits for Layer 1 or for the next arrival. Short waits are spun through: a thread that was
    /// put to sleep comes back late by more than they last.
    fn wait(&mut self) {
        const SPIN: Duration = Duration::from_micros(100);
        const LONGEST: Duration = Duration::from_millis(20);
        let due = self
            .arrivals
            .next_ns()
            .map(|due_ns| Duration::from_nanos(due_ns.saturating_sub(self.now_ns())));
        match due {
            Some(due) if due < SPIN => std::hint::spin_loop(),
            Some(due) => std::thread::park_timeout((due - SPIN).min(LONGEST)),
            None => std::thread::park_timeout(LONGEST),
        }
        self.clock.lap(Stage::Wait, 1);
    }

    /// Nanoseconds since the run's epoch.
    pub(super) fn now_ns(&self) -> u64 {
        self.shared.epoch.elapsed().as_nanos() as u64
    }
}

impl Tally {
    /// Counts the payments of a channel that makes no more of them.
    fn count(&mut self, channel: &Channel) {
        self.drawn += channel.drawn;
        self.covered += channel.covered;
        self.received += channel.a.counted() + channel.b.counted();
        self.lost += channel.drawn - channel.refused - channel.covered;
        self.undrawn += channel.left();
    }
}

impl Ready {
    pub(super) fn push(&mut self, slot: u32) {
        if !std::mem::replace(&mut self.queued[slot as usize], true) {
            self.queue.push_back(slot);
        }
    }

    pub(super) fn pop(&mut self) -> Option<u32> {
        let slot = self.queue.pop_front()?;
        self.queued[slot as usize] = false;
        Some(slot)
    }

    fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn clear(&mut self) {
        while self.pop().is_some() {}
    }
}

/// The keys of a benchmark's accounts, derived from its seed: reproducible, and therefore secret
/// from nobody.
pub(super) fn secret_keys(seed: u64, accounts: &[AccountIndex]) -> Vec<SecretKey> {
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
    SecretKey::from_seeds(&seeds)
}

fn arrival_seed(seed: u64, shard: u64) -> [u8; 32] {
    let mut hasher = Hasher::new(Domain::Genesis);
    hasher
        .update(b"benchmark arrivals")
        .update(&seed.to_le_bytes())
        .update(&shard.to_le_bytes());
    hasher.finish().0
}
