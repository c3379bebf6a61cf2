//! Opening and closing channels on Layer 1: what a shard sends in each step, and what it makes of
//! the answers.

use std::ops::Range;
use std::sync::atomic::Ordering;

use super::case::Case;
use super::fault::Hop;
use super::shard::Shard;
use super::slot::{Channel, SlotState};
use super::stage::Stage;
use super::steps::{StepKind, StepOutcome, StepTransaction};
use super::workload::Session;
use duet_channels::crypto::{SignJob, Signature};
use duet_channels::protocol::{Endpoint, Pair, Terms};
use duet_ledger::l1::{Bid, SignedTransaction, Transaction};

/// What Layer 1 calls an open before which another one of its opener is missing.
const LEFT_OUT_BEFORE: &str = "l1_wrong_nonce";

impl Shard<'_> {
    /// Sends the steps whose sessions have all ended: their closes, and the opens that follow.
    pub(super) fn send_steps(&mut self) -> bool {
        let mut sent = false;
        while let Some((step, slots, mut batch)) = self.steps.take() {
            let bid = self.shared.config.first_bid();
            let mut unsigned = Vec::new();
            let mut own_finals = self.own_finals(slots.clone()).into_iter();
            for slot in slots.clone() {
                batch.cases.extend(self.disputed(slot));
                if let Some((session, transaction)) = self.closing(slot, &mut own_finals) {
                    unsigned.push(((StepKind::Close, session), slot, transaction));
                }
            }
            let mut opens = 0;
            for slot in slots {
                if self.joins(slot, step) {
                    opens += 1;
                } else if let Some((session, transaction)) = self.opening(slot, step) {
                    unsigned.push(((StepKind::Open, session), slot, transaction));
                    opens += 1;
                }
            }
            let signatures = self.sign_all(&unsigned, bid.as_ref());
            let jobs = signatures.len();
            let mut signatures = signatures.into_iter();
            for (order, slot, transaction) in unsigned {
                let start = batch.bytes.len();
                let signature = signatures.next().expect("one signature per job");
                let consents: Vec<Signature> = transaction
                    .consenters()
                    .map_while(|_| signatures.next())
                    .collect();
                SignedTransaction::new(transaction, signature, consents)
                    .with_bid(bid)
                    .encode(&mut batch.bytes);
                if order.0 == StepKind::Close && !self.mischief.faults.is_empty() {
                    let bytes = &mut batch.bytes[start..];
                    self.mischief
                        .faults
                        .strike(Hop::Settlement, order.1, u64::MAX, bytes);
                }
                let end = batch.bytes.len();
                batch
                    .transactions
                    .push(StepTransaction::new(order, slot, end));
            }
            self.clock.lap(Stage::Transact, batch.transactions.len());
            self.tally.counts.transaction_signatures += jobs as u64;
            let now_ns = self.now_ns();
            self.tally.first_submit_ns.get_or_insert(now_ns);
            self.steps.sent(opens);
            self.link
                .to_l1(batch, self.l1.as_ref().expect("the shard runs"));
            sent = true;
        }
        sent
    }

    /// The signatures of a step's transactions, in their order: of each its signer's, and the
    /// consent of B where B deposits.
    fn sign_all(
        &mut self,
        unsigned: &[((StepKind, u64), u32, Transaction)],
        bid: Option<&Bid>,
    ) -> Vec<Signature> {
        let mut jobs = Vec::new();
        for (_, slot, transaction) in unsigned {
            let places = self.parties.places(*slot);
            let digest = transaction.digest_with(bid, &self.shared.genesis);
            let consents = transaction.consenters().map(|_| places.b);
            let signers = std::iter::once(places.a).chain(consents);
            jobs.extend(signers.map(|secret| SignJob { secret, digest }));
        }
        let mut signatures = Vec::with_capacity(jobs.len());
        (self.payer.signer).sign(&self.parties.pairs, &jobs, &mut signatures);
        signatures
    }

    /// A slot's session that did not end politely.
    fn disputed(&mut self, slot: u32) -> Option<Case> {
        let state = &mut self.slots[slot as usize].state;
        match std::mem::replace(state, SlotState::Vacant) {
            SlotState::Disputed(case) => Some(*case),
            other => {
                *state = other;
                None
            }
        }
    }

    /// The final signatures of those who close these slots' sessions, made again: an endpoint keeps
    /// the other party's only.
    fn own_finals(&mut self, slots: Range<u32>) -> Vec<Signature> {
        let jobs: Vec<SignJob> = slots
            .filter_map(|slot| {
                let channel = self.slots[slot as usize].state.closes()?;
                let order = channel
                    .ends
                    .a
                    .final_order()
                    .expect("both have signed a final");
                Some(SignJob {
                    secret: self.parties.places(slot).a,
                    digest: *order.digest(),
                })
            })
            .collect();
        let mut signatures = Vec::with_capacity(jobs.len());
        self.payer
            .signer
            .sign(&self.parties.pairs, &jobs, &mut signatures);
        self.tally.counts.transaction_signatures += jobs.len() as u64;
        signatures
    }

    /// The transaction that closes a slot's finished session; the closer's own final signatures are
    /// taken from the front.
    fn closing(
        &mut self,
        slot: u32,
        own_finals: &mut impl Iterator<Item = Signature>,
    ) -> Option<(u64, Transaction)> {
        let channel = self.slots[slot as usize].state.closes()?;
        let own = own_finals.next().expect("one per closing slot");
        let proof = channel.ends.a.final_proof(|_| own);
        let proof = proof.expect("both have signed a final");
        let submitter = self.parties.public_keys(slot).a;
        Some((
            channel.session,
            Transaction::CooperativeClose { submitter, proof },
        ))
    }

    /// Whether this step is the one that opened, before a restart, the session that is open in the
    /// slot, and that has not ended since. From here on its track waits for it.
    fn joins(&mut self, slot: u32, step: u64) -> bool {
        let opened = self.restoring.opened(slot);
        let state = &mut self.slots[slot as usize].state;
        let is_running = matches!(state, SlotState::Running(_));
        match state.open_mut().filter(|channel| channel.early) {
            Some(channel) if self.shared.schedule.generation(step) + 1 == opened => {
                channel.early = false;
                is_running
            }
            _ => false,
        }
    }

    /// The transaction that opens a slot's next session, unless that opened before a restart. A
    /// slot whose session is closing in the same step stays as it is until that is settled.
    fn opening(&mut self, slot: u32, step: u64) -> Option<(u64, Transaction)> {
        let session = self
            .shared
            .schedule
            .opens(step, self.parties.of.number(slot))?;
        let opened_before = self.shared.schedule.generation(step) < self.restoring.opened(slot);
        if self.ending.draining || opened_before {
            return None;
        }
        let plan = self.shared.workload.session(session);
        let terms = self.terms(slot, &plan);
        if !matches!(self.slots[slot as usize].state, SlotState::Closing(_)) {
            self.slots[slot as usize].state = SlotState::Opening;
        }
        Some((session, Transaction::open(&terms)))
    }

    pub(super) fn terms(&self, slot: u32, plan: &Session) -> Terms {
        Terms {
            genesis: self.shared.genesis,
            nonce: plan.nonce,
            index: 0,
            keys: self.parties.public_keys(slot),
            deposits: plan.deposits,
            challenge_window_blocks: self.shared.config.challenge_window_blocks,
            reserve: self.shared.config.reserve,
        }
    }

    /// Reads what Layer 1 did with earlier steps.
    pub(super) fn read_receipts(&mut self) -> bool {
        let mut any = false;
        while let Some(batch) = self.link.at_shard() {
            any = true;
            for transaction in &batch.transactions {
                let outcome = transaction
                    .outcome
                    .expect("Layer 1 answers every transaction");
                let fee = i128::from(transaction.fee);
                match transaction.order {
                    (StepKind::Close, _) => {
                        self.closed((batch.step, transaction.slot), outcome, fee);
                    }
                    (StepKind::Open, session) => {
                        self.opened(transaction.slot, session, outcome, fee);
                    }
                }
            }
            self.clock.lap(Stage::Transact, 0);
            self.steps.returned(batch);
        }
        any
    }

    fn closed(&mut self, (step, slot): (u64, u32), outcome: StepOutcome, fee: i128) {
        let state = &mut self.slots[slot as usize].state;
        let SlotState::Closing(channel) = std::mem::replace(state, SlotState::Vacant) else {
            unreachable!("slot {slot} was closing");
        };
        let places = self.parties.places(slot);
        let plan = self.shared.workload.session(channel.session);
        self.tally.count_ended(&channel, plan.payments);
        if let Some(journal) = &mut self.journal {
            journal.closed(slot);
        }
        match outcome {
            StepOutcome::Closed { payouts, version } => {
                let (a, b) = (i128::from(channel.paid.a), i128::from(channel.paid.b));
                let expected = Pair {
                    a: i128::from(plan.deposits.a.units()) - a + b,
                    b: i128::from(plan.deposits.b.units()) + a - b,
                };
                let paid_out = payouts.map(i128::from);
                self.tally.counts.payout_mismatches += u64::from(paid_out != expected);
                let made = channel.drawn - channel.refused;
                self.tally.counts.count_mismatches +=
                    u64::from(version != made || channel.covered != made);
                self.parties.change(places.a, expected.a - fee);
                self.parties.change(places.b, expected.b);
                self.tally.counts.sessions_closed += 1;
                self.tally.counts.settled += version;
                let now_ns = self.now_ns();
                self.tally.last_close_ns = now_ns;
                self.gauges.closed(now_ns);
                self.progress
                    .sessions_closed
                    .fetch_add(1, Ordering::Relaxed);
            }
            StepOutcome::Refused { name } => {
                self.parties.change(places.a, -fee);
                self.slots[slot as usize].state = SlotState::Stopped;
                self.tally.count_stop(channel.session, name);
            }
            // No block took it: each party closes alone.
            StepOutcome::GaveUp => {
                self.tally.counts.disputed += channel.covered;
                self.tally.counts.closes_given_up += 1;
                self.steps.carry(step, Case::stopped(channel, &plan));
            }
            StepOutcome::Opened => unreachable!("a close opens nothing"),
        }
    }

    fn opened(&mut self, slot: u32, session: u64, outcome: StepOutcome, fee: i128) {
        let places = self.parties.places(slot);
        let plan = self.shared.workload.session(session);
        if outcome == StepOutcome::GaveUp {
            self.tally.counts.opens_given_up += 1;
            self.slots[slot as usize].state = SlotState::Vacant;
            self.steps.session_ended(slot);
            return;
        }
        if let StepOutcome::Refused { name } = outcome {
            self.parties.change(places.a, -fee);
            // Shards see a stop one after the other. A channel that one of them left out is missing
            // before others of its opener: nobody broke a rule.
            let stop = self.shared.stop.load(Ordering::Relaxed);
            let state = &mut self.slots[slot as usize].state;
            if stop && name == LEFT_OUT_BEFORE {
                *state = SlotState::Vacant;
            } else {
                *state = SlotState::Stopped;
                self.tally.count_stop(session, name);
            }
            self.steps.session_ended(slot);
            return;
        }
        let [a, b] = [plan.deposits.a, plan.deposits.b].map(|deposit| i128::from(deposit.units()));
        self.parties.change(places.a, -a - fee);
        self.parties.change(places.b, -b);
        self.tally.counts.sessions_opened += 1;
        self.tally.counts.planned += plan.payments;

        let channel = self.channel(slot, session, &plan);
        self.slots[slot as usize].state = SlotState::Running(channel);
        self.start(slot);
    }

    /// A session's channel as Layer 1 has opened it.
    pub(super) fn channel(&self, slot: u32, session: u64, plan: &Session) -> Channel {
        let keys = self.parties.key_ids(slot);
        let terms = self.terms(slot, plan);
        let cheat = self
            .mischief
            .attacks
            .on(session, plan.payments)
            .map(Box::new);
        let ends_at = cheat
            .as_ref()
            .map_or(plan.payments, |cheat| cheat.after_payments());
        let peers = Pair {
            a: keys.b,
            b: keys.a,
        };
        let ends = Endpoint::both(&terms, peers, self.shared.config.rules)
            .expect("Layer 1 has opened a channel on these terms");
        Channel {
            session,
            ends,
            ends_at,
            cheat,
            drawn: 0,
            refused: 0,
            covered: 0,
            paid: Pair { a: 0, b: 0 },
            busy: false,
            early: false,
        }
    }

    /// Payments of a slot's session can be made.
    pub(super) fn start(&mut self, slot: u32) {
        let channel = self.slots[slot as usize].channel();
        let (session, left) = (channel.session, channel.left());
        channel.pause();
        if !self.ending.draining {
            self.arrivals
                .opened(slot, session, left, self.shared.workload);
        }
        self.requeue(slot);
    }
}
