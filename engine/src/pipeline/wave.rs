//! One wave: a burst of payments in each of many channels, from the workload to the payer's proof
//! that the payee has co-signed. Every stage handles the whole wave before the next one starts.
//!
//! What crosses between the ends of a channel are bytes on a wire; either end works with its own
//! endpoint, burst, signer and verifier.

use std::ops::Range;

use super::fault::{Faults, Hop};
use super::shard::Shard;
use super::slot::{Channel, Phase, Slot};
use super::stage::Stage;
use super::wire::Wire;
use super::workload::Next;
use crate::crypto::{Backend, Forged, SignJob, Signature, Signer, Verified, Verifier};
use crate::protocol::{
    AcknowledgementClaim, Answer, Burst, CoSignOrder, Incoming, Message, Party, Payment,
    ProposalClaim, Rejection, SignOrder,
};

/// Proposals in a wave at most: one multiscalar multiplication's worth.
const MOST_PROPOSALS: usize = Verifier::LARGEST_BATCH;
/// Entries in a wave at most, but for one channel's co-sign interval. At k = 100 that is a batch of
/// some 650 signatures, past which verification gains little; entries and heads of both ends are a
/// few MB, read and written in order.
const MOST_ENTRIES: usize = 65_536;
/// Entries of one channel in a wave at most, but for one co-sign interval: so that at least as
/// twice as many channels take part as there are hash lanes.
const MOST_ENTRIES_OF_CHANNEL: usize = MOST_ENTRIES / 32;

/// One end's tools. Payer and payee each have their own.
pub(super) struct Side {
    pub(super) burst: Burst,
    pub(super) signer: Signer,
    pub(super) verifier: Verifier,
    pub(super) jobs: Vec<SignJob>,
    pub(super) signatures: Vec<Signature>,
}

impl Side {
    pub(super) fn new(backend: Backend) -> Side {
        Side {
            burst: Burst::default(),
            signer: Signer::new(backend),
            verifier: Verifier::new(backend),
            jobs: Vec::new(),
            signatures: Vec::new(),
        }
    }
}

/// Scratch memory of a wave, reused.
#[derive(Default)]
pub(super) struct Wave {
    parts: Vec<Part>,
    payments: Vec<Payment>,
    /// Due times of `payments`; empty in closed loop.
    due_ns: Vec<u64>,
    orders: Vec<SignOrder>,
    pub(super) to_payee: Wire,
    pub(super) to_payer: Wire,
    received: Vec<Received>,
    proposals: Vec<ProposalClaim>,
    proposals_judged: Vec<Result<Verified<ProposalClaim>, Forged<ProposalClaim>>>,
    cosign_orders: Vec<(u32, Party, CoSignOrder)>,
    answers: Vec<AcknowledgementClaim>,
    answerers: Vec<(u32, Party)>,
    answers_judged: Vec<Result<Verified<AcknowledgementClaim>, Forged<AcknowledgementClaim>>>,
}

/// One channel's part of a wave.
struct Part {
    slot: u32,
    payer: Party,
    /// Indices into the wave's payments.
    payments: Range<usize>,
    /// Indices into the payer's states.
    states: Range<usize>,
    next: Next,
    /// The version before the part's first payment, and the index of that payment's due time
    /// among the accepted ones.
    before: u64,
    first_due: usize,
    /// Payments that the payer now has co-signed, and proposals without an answer yet.
    completed: u64,
}

/// What the payee keeps of a proposal until its own burst is hashed.
struct Received {
    slot: u32,
    me: Party,
    signature: Signature,
    pass: bool,
}

impl Shard<'_> {
    /// Runs one wave over the channels that are ready; gives the number of payments completed.
    pub(super) fn wave(&mut self) -> u64 {
        let sent_ns = self.now_ns();
        self.draw(sent_ns);
        if self.wave.parts.is_empty() {
            return 0;
        }
        self.propose();
        self.payer_sign_and_send();
        self.receive();
        self.accept();
        self.answer();
        let completed = self.complete(sent_ns);
        self.end_wave();
        completed
    }

    /// Draws each ready channel's next payments, up to the wave's caps.
    fn draw(&mut self, now_ns: u64) {
        let wave = &mut self.wave;
        wave.parts.clear();
        wave.payments.clear();
        wave.due_ns.clear();
        let k = self.config.rules.cosign_every as usize;
        let mut proposals = 0;
        while proposals < MOST_PROPOSALS && wave.payments.len() < MOST_ENTRIES {
            let Some(slot) = self.ready.pop() else { break };
            let channel = self.slots[slot as usize].channel();
            let left = if self.draining { 0 } else { channel.left() };
            let available = self
                .arrivals
                .available(slot, now_ns, left)
                .min(left as usize);
            if available == 0 {
                self.arrivals.served(slot);
                continue;
            }
            let payer = self.workload.payer(channel.session, channel.drawn);
            let most = match channel.end(payer).proposals_left() {
                Ok(most) => most as usize,
                Err(Rejection::NotYourTurn { .. }) => {
                    take_turn(channel, payer, slot, &mut wave.to_payee, &mut wave.to_payer);
                    channel
                        .end(payer)
                        .proposals_left()
                        .map_or(0, |most| most as usize)
                }
                Err(rejection) => unreachable!("slot {slot} runs: {rejection}"),
            };
            let most_entries = MOST_ENTRIES_OF_CHANNEL
                .min(MOST_ENTRIES - wave.payments.len())
                .max(k);
            let most_proposals = most.min(MOST_PROPOSALS - proposals);
            let most = most_entries
                .min(k.saturating_mul(most_proposals))
                .min(available);
            assert!(most > 0, "slot {slot} has the turn and nothing in flight");
            let first = wave.payments.len();
            let next = self
                .workload
                .draw(channel.session, channel.drawn, most, &mut wave.payments);
            let count = wave.payments.len() - first;
            assert!(
                (1..=most).contains(&count) && count as u64 <= left,
                "the workload draws between 1 and {most} payments, not {count}"
            );
            channel.drawn += count as u64;
            wave.due_ns
                .extend((0..count).map_while(|_| self.arrivals.take(slot)));
            proposals += count.div_ceil(k);
            wave.parts.push(Part {
                slot,
                payer,
                payments: first..first + count,
                states: 0..0,
                next,
                before: 0,
                first_due: 0,
                completed: 0,
            });
        }
        self.clock.lap(Stage::Draw, wave.payments.len());
    }

    /// The payer turns payments into entries and hashes them. Its own endpoint refuses what its
    /// balance does not cover; such a payment is not made.
    fn propose(&mut self) {
        let Shard {
            wave,
            slots,
            payer,
            config,
            ..
        } = self;
        let k = config.rules.cosign_every as usize;
        payer.burst.clear();
        let mut accepted = 0;
        for part in &mut wave.parts {
            let channel = slots[part.slot as usize].channel();
            let end = channel.end(part.payer);
            part.before = end.signed().balance.version;
            part.first_due = accepted;
            let first_state = payer.burst.len();
            payer.burst.begin(end);
            let mut paid = 0;
            let mut refused = 0;
            for i in part.payments.clone() {
                let payment = &wave.payments[i];
                match payer.burst.pay(payment) {
                    Ok(()) => {
                        paid += payment.amount.units();
                        if let Some(due) = wave.due_ns.get(i).copied() {
                            wave.due_ns[accepted] = due;
                        }
                        accepted += 1;
                        if payer.burst.uncut() == k {
                            payer.burst.cut();
                        }
                    }
                    Err(Rejection::InsufficientBalance { .. }) => refused += 1,
                    Err(rejection) => {
                        unreachable!("the workload makes valid payments: {rejection}")
                    }
                }
            }
            payer.burst.cut();
            part.states = first_state..payer.burst.len();
            match part.payer {
                Party::A => channel.paid.a += paid,
                Party::B => channel.paid.b += paid,
            }
            channel.refused += refused;
            self.refused += refused;
        }
        self.clock.lap(Stage::Propose, wave.payments.len());
        payer.burst.hash();
        self.clock.lap(Stage::PayerHash, payer.burst.entries());
    }

    fn payer_sign_and_send(&mut self) {
        let Shard {
            wave, slots, payer, ..
        } = self;
        payer.jobs.clear();
        wave.orders.clear();
        for part in &wave.parts {
            let secret = *self.parties.places(part.slot).of(part.payer);
            let end = slots[part.slot as usize].channel().end_mut(part.payer);
            for at in part.states.clone() {
                let state = &payer.burst.states()[at];
                let pass = part.next == Next::Other && at + 1 == part.states.end;
                let order = end
                    .propose(state, pass)
                    .expect("an honest proposal is allowed");
                payer.jobs.push(SignJob {
                    secret,
                    digest: *order.digest(),
                });
                wave.orders.push(order);
                self.value_at_risk = self.value_at_risk.max(state.value());
            }
        }
        self.clock.lap(Stage::Propose, 0);
        payer.signatures.clear();
        payer
            .signer
            .sign(&self.parties.secrets, &payer.jobs, &mut payer.signatures);
        self.clock.lap(Stage::PayerSign, payer.jobs.len());

        wave.to_payee.clear();
        for part in &wave.parts {
            let end = slots[part.slot as usize].channel().end_mut(part.payer);
            wave.to_payee.frame(part.slot, part.payer.other(), |bytes| {
                for at in part.states.clone() {
                    let state = &payer.burst.states()[at];
                    end.proposed(
                        &wave.orders[at],
                        state,
                        &payer.burst,
                        payer.signatures[at],
                        &mut self.windows,
                        bytes,
                    );
                }
            });
        }
        if !self.attacks.is_empty() {
            poison(&wave.parts, payer, &mut wave.to_payee, slots);
        }
        strike(&mut self.faults, Hop::Proposal, &mut wave.to_payee, slots);
        self.clock.lap(Stage::Send, self.wave.orders.len());
    }

    /// The payee reads what arrived, checks it against its own state, and hashes it itself.
    fn receive(&mut self) {
        let Shard {
            wave, slots, payee, ..
        } = self;
        wave.received.clear();
        payee.burst.clear();
        for (slot, me, mut bytes) in wave.to_payee.frames() {
            let end = slots[slot as usize].channel().end(me);
            payee.burst.begin(end);
            while !bytes.is_empty() {
                let read = Message::decode_first(bytes).and_then(|(message, rest)| {
                    let Message::Proposal {
                        entries,
                        signature,
                        pass,
                    } = message
                    else {
                        return Err(Rejection::Malformed {
                            what: "not a proposal",
                        });
                    };
                    let incoming = end.receive_proposal(entries, &signature, &mut payee.burst)?;
                    Ok((
                        incoming,
                        Received {
                            slot,
                            me,
                            signature,
                            pass,
                        },
                        rest,
                    ))
                });
                match read {
                    Ok((Incoming::New, received, rest)) => {
                        wave.received.push(received);
                        bytes = rest;
                    }
                    Ok((Incoming::Answered, _, rest)) => bytes = rest,
                    Err(rejection) => {
                        self.refusals.push((slot, rejection));
                        break;
                    }
                }
            }
        }
        self.clock.lap(Stage::Receive, payee.burst.entries());
        payee.burst.hash();
        self.clock.lap(Stage::PayeeHash, payee.burst.entries());
    }

    /// The payee verifies the payer's signatures over the states that it computed, and counts.
    fn accept(&mut self) {
        let Shard {
            wave, slots, payee, ..
        } = self;
        for (state, received) in payee.burst.states().iter().zip(&wave.received) {
            let end = slots[received.slot as usize].channel().end(received.me);
            wave.proposals
                .push(end.claim(state, received.signature, received.pass));
        }
        wave.proposals_judged.clear();
        payee.verifier.verify(
            &self.parties.ring,
            &mut wave.proposals,
            &mut wave.proposals_judged,
        );
        self.clock
            .lap(Stage::PayeeVerify, wave.proposals_judged.len());

        wave.cosign_orders.clear();
        payee.jobs.clear();
        assert_eq!(wave.proposals_judged.len(), wave.received.len());
        for (judged, &Received { slot, me, .. }) in
            wave.proposals_judged.drain(..).zip(&wave.received)
        {
            let channel = slots[slot as usize].channel();
            if channel.rejected == Some(me) {
                continue;
            }
            let end = channel.end_mut(me);
            let accepted = match judged {
                Ok(claim) => end.accept(claim),
                Err(Forged(claim)) => Err(Rejection::BadSignature {
                    version: claim.version(),
                }),
            };
            match accepted {
                Ok(order) => {
                    let secret = *self.parties.places(slot).of(me);
                    payee.jobs.push(SignJob {
                        secret,
                        digest: *order.digest(),
                    });
                    wave.cosign_orders.push((slot, me, order));
                }
                Err(rejection) => {
                    channel.rejected = Some(me);
                    self.refusals.push((slot, rejection));
                }
            }
        }
        self.clock.lap(Stage::Accept, wave.cosign_orders.len());
    }

    /// The payee co-signs what it accepted and answers, proposal by proposal.
    fn answer(&mut self) {
        let Shard {
            wave, slots, payee, ..
        } = self;
        payee.signatures.clear();
        payee
            .signer
            .sign(&self.parties.secrets, &payee.jobs, &mut payee.signatures);
        self.clock.lap(Stage::PayeeSign, payee.jobs.len());

        wave.to_payer.clear();
        let signed = wave.cosign_orders.iter().zip(&payee.signatures);
        let mut signed = signed.peekable();
        while let Some(&(&(slot, me, _), _)) = signed.peek() {
            let end = slots[slot as usize].channel().end_mut(me);
            wave.to_payer.frame(slot, me.other(), |bytes| {
                while let Some(((_, _, order), signature)) =
                    signed.next_if(|((of, _, _), _)| *of == slot)
                {
                    end.co_signed(order, *signature).encode(bytes);
                }
            });
        }
        strike(
            &mut self.faults,
            Hop::Acknowledgement,
            &mut wave.to_payer,
            slots,
        );
        self.clock.lap(Stage::Answer, wave.cosign_orders.len());
    }

    /// The payer verifies the answers against what it proposed, and completes its proposals.
    fn complete(&mut self, sent_ns: u64) -> u64 {
        let Shard {
            wave, slots, payer, ..
        } = self;
        wave.answerers.clear();
        for (slot, me, mut bytes) in wave.to_payer.frames() {
            let end = slots[slot as usize].channel().end(me);
            while !bytes.is_empty() {
                let read = Message::decode_first(bytes).and_then(|(message, rest)| {
                    let Message::Acknowledgement { version, signature } = message else {
                        return Err(Rejection::Malformed {
                            what: "not an acknowledgement",
                        });
                    };
                    Ok((end.receive_acknowledgement(version, signature)?, rest))
                });
                match read {
                    Ok((Answer::New(claim), rest)) => {
                        wave.answers.push(claim);
                        wave.answerers.push((slot, me));
                        bytes = rest;
                    }
                    Ok((Answer::Duplicate, rest)) => bytes = rest,
                    Err(rejection) => {
                        self.refusals.push((slot, rejection));
                        break;
                    }
                }
            }
        }
        self.clock.lap(Stage::Match, wave.answers.len());
        wave.answers_judged.clear();
        payer.verifier.verify(
            &self.parties.ring,
            &mut wave.answers,
            &mut wave.answers_judged,
        );
        self.clock
            .lap(Stage::PayerVerify, wave.answers_judged.len());

        let now_ns = self.now_ns();
        let Shard { wave, slots, .. } = self;
        let mut completed = 0;
        let mut judged = wave
            .answers_judged
            .drain(..)
            .zip(&wave.answerers)
            .peekable();
        for part in &mut wave.parts {
            let channel = slots[part.slot as usize].channel();
            while let Some((judged, _)) = judged.next_if(|(_, (slot, _))| *slot == part.slot) {
                if channel.rejected == Some(part.payer) {
                    continue;
                }
                let acknowledged = match judged {
                    Ok(claim) => channel
                        .end_mut(part.payer)
                        .acknowledged(claim, &mut self.windows),
                    Err(Forged(claim)) => Err(Rejection::BadSignature {
                        version: claim.version(),
                    }),
                };
                match acknowledged {
                    Ok(done) => part.completed += done.version - done.after,
                    Err(rejection) => {
                        channel.rejected = Some(part.payer);
                        self.refusals.push((part.slot, rejection));
                    }
                }
            }
            channel.covered += part.completed;
            completed += part.completed;
            self.latency
                .service
                .record(now_ns - sent_ns, part.completed);
            // Answers complete a prefix of what was proposed.
            let due = wave.due_ns.iter().skip(part.first_due);
            for due_ns in due.take(part.completed as usize) {
                self.latency
                    .response
                    .record(now_ns.saturating_sub(*due_ns), 1);
            }
        }
        assert!(judged.next().is_none(), "every answer is of a part");
        drop(judged);
        if completed > 0 {
            self.first_completion_ns.get_or_insert(now_ns);
            self.last_completion_ns = now_ns;
        }
        self.clock.lap(Stage::Complete, completed as usize);
        completed
    }

    /// Stops the channels whose messages were refused; puts the others back in line.
    fn end_wave(&mut self) {
        for (slot, rejection) in std::mem::take(&mut self.refusals) {
            self.stop_channel(slot, rejection.name(), false);
        }
        for part in std::mem::take(&mut self.wave.parts) {
            self.requeue(part.slot);
        }
        self.clock.lap(Stage::Complete, 0);
    }
}

/// The payer asks for the turn, and the other end, with nothing of its own to send, passes it.
fn take_turn(
    channel: &mut Channel,
    payer: Party,
    slot: u32,
    to_payee: &mut Wire,
    to_payer: &mut Wire,
) {
    let (asker, holder) = channel.ends_mut(payer);
    to_payee.clear();
    to_payer.clear();
    to_payee.frame(slot, payer.other(), |bytes| {
        asker
            .ask_for_turn()
            .iter()
            .for_each(|ask| ask.encode(bytes));
    });
    for (_, _, bytes) in to_payee.frames() {
        let Ok((Message::TurnAsked { turn }, _)) = Message::decode_first(bytes) else {
            continue;
        };
        let again = holder.receive_ask(turn).ok().flatten();
        if let Some(pass) = again.or_else(|| holder.pass_turn().ok()) {
            to_payer.frame(slot, payer, |bytes| pass.encode(bytes));
        }
    }
    for (_, _, bytes) in to_payer.frames() {
        if let Ok((Message::TurnPassed { turn }, _)) = Message::decode_first(bytes) {
            asker.receive_pass(turn).expect("an honest pass is in turn");
        }
    }
}

/// A cheater's last signature does not verify: the batch that it is in has to be searched for it.
fn poison(parts: &[Part], payer: &Side, wire: &mut Wire, slots: &mut [Slot]) {
    let mut poisoned = parts.iter().filter_map(|part| {
        let cheat = slots[part.slot as usize].channel().poisons()?;
        let last = part.states.clone().next_back()?;
        let state = &payer.burst.states()[last];
        cheat.poisoned_units = state.value();
        cheat.poisoned_payments = u64::from(state.payments());
        Some(part.slot)
    });
    let Some(mut next) = poisoned.next() else {
        return;
    };
    wire.frames_mut(|slot, bytes| {
        if slot == next {
            // In its scalar: a point that does not decode would be found for nothing.
            let scalar = bytes.len() - 32;
            bytes[scalar] ^= 1;
            next = poisoned.next().unwrap_or(u32::MAX);
        }
    });
}

/// Damages what is on the wire, where a fault is due.
pub(super) fn strike(faults: &mut Faults, hop: Hop, wire: &mut Wire, slots: &mut [Slot]) {
    if faults.is_empty() {
        return;
    }
    wire.frames_mut(|slot, bytes| {
        if let Phase::Running(channel) = &slots[slot as usize].phase {
            faults.strike(hop, channel.session, channel.drawn, bytes);
        }
    });
}
