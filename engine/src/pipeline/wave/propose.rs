//! A wave's first leg: each payer draws its payments, makes entries of them, signs, and sends.

use super::super::fault::Hop;
use super::super::shard::Shard;
use super::super::slot::{At, Channel, RunningEnds, Slot};
use super::super::stage::Stage;
use super::super::waves::{MOST_ENTRIES, Part, Wave, strike};
use super::super::wire::Wire;
use super::super::workload::Next;
use duet_channels::crypto::Verifier;
use duet_channels::legs::{Ends, Legs};
use duet_channels::protocol::{Message, NewState, Party, Rejection};

/// Proposals in a wave at most: one multiscalar multiplication's worth.
const MOST_PROPOSALS: usize = Verifier::LARGEST_BATCH;
/// Entries of one channel in a wave at most, but for one co-sign interval: so that at least
/// twice as many channels take part as there are hash lanes.
const MOST_ENTRIES_OF_CHANNEL: usize = MOST_ENTRIES / 32;

impl Shard<'_> {
    /// What was drawn becomes proposals on the wire.
    pub(super) fn propose(&mut self, wave: &mut Wave) {
        self.make_entries(wave);
        self.sign_and_send(wave);
    }

    /// Draws each ready channel's next payments, up to the wave's caps.
    pub(super) fn draw(&mut self, wave: &mut Wave) {
        let now_ns = wave.sent_ns;
        let payments = &mut self.waves.payments;
        wave.parts.clear();
        wave.due_ns.clear();
        payments.clear();
        let k = self.shared.config.rules.cosign_every as usize;
        let mut proposals = 0;
        while proposals < MOST_PROPOSALS && payments.len() < MOST_ENTRIES {
            let Some(slot) = self.line.ready.pop() else {
                break;
            };
            let channel = self.slots[slot as usize].channel();
            let over = self.ending.draining && !self.arrivals.waits_at(slot);
            let left = if over { 0 } else { channel.left() };
            let available = self
                .arrivals
                .available(slot, now_ns, left)
                .min(left as usize);
            if available == 0 {
                self.arrivals.served(slot);
                continue;
            }
            let payer = self.shared.workload.payer(channel.session, channel.drawn);
            let most = match channel.ends[payer].proposals_left() {
                Ok(most) => most as usize,
                Err(Rejection::NotYourTurn { .. }) => {
                    take_turn(channel, payer, slot, &mut wave.to_payee, &mut wave.to_payer);
                    channel.ends[payer]
                        .proposals_left()
                        .map_or(0, |most| most as usize)
                }
                Err(rejection) => unreachable!("slot {slot} runs: {rejection}"),
            };
            let entries = MOST_ENTRIES_OF_CHANNEL
                .min(MOST_ENTRIES - payments.len())
                .max(k);
            let most = most.min(MOST_PROPOSALS - proposals);
            let most = entries.min(k.saturating_mul(most)).min(available);
            assert!(most > 0, "slot {slot} has the turn and nothing in flight");
            let first = payments.len();
            let next = self
                .shared
                .workload
                .draw(channel.session, channel.drawn, most, payments);
            let count = payments.len() - first;
            assert!(
                (1..=most).contains(&count) && count as u64 <= left,
                "the workload draws between 1 and {most} payments, not {count}"
            );
            channel.drawn += count as u64;
            channel.busy = true;
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
                due: 0..0,
                completed: 0,
            });
        }
        self.clock.lap(Stage::Draw, payments.len());
    }

    /// The payer turns payments into entries and hashes them. Its own endpoint refuses what its
    /// balance does not cover; such a payment is not made.
    fn make_entries(&mut self, wave: &mut Wave) {
        let Shard {
            waves,
            slots,
            payer,
            arrivals,
            shared,
            ..
        } = self;
        let payments = &waves.payments;
        let k = shared.config.rules.cosign_every as usize;
        payer.begin();
        let mut accepted = 0;
        for part in &mut wave.parts {
            let channel = slots[part.slot as usize].channel();
            let end = &channel.ends[part.payer];
            part.before = end.signed().balance.version;
            let first_accepted = accepted;
            let first_state = payer.burst.len();
            payer.burst.begin(end);
            let mut paid = 0;
            let mut refused = 0;
            let mut at = part.payments.start;
            while at < part.payments.end {
                // As many as may be one state, at once where all of them can be made.
                let until = part.payments.end.min(at + k - payer.burst.uncut());
                let are_made = payer.burst.pay_all(&payments[at..until]);
                for (i, payment) in (at..).zip(&payments[at..until]) {
                    let made = match are_made {
                        true => Ok(()),
                        false => payer.burst.pay(payment),
                    };
                    match made {
                        Ok(()) => {
                            paid += payment.amount.units();
                            if let Some(due) = wave.due_ns.get(i).copied() {
                                wave.due_ns[accepted] = due;
                            }
                            accepted += 1;
                        }
                        Err(Rejection::InsufficientBalance { .. }) => {
                            refused += 1;
                            arrivals.refused(u64::from(wave.due_ns.get(i).is_some()));
                        }
                        Err(rejection) => {
                            unreachable!("the workload makes valid payments: {rejection}")
                        }
                    }
                }
                at = until;
                if payer.burst.uncut() == k {
                    payer.burst.cut();
                }
            }
            payer.burst.cut();
            part.states = first_state..payer.burst.len();
            if !wave.due_ns.is_empty() {
                part.due = first_accepted..accepted;
            }
            channel.paid[part.payer] += paid;
            channel.refused += refused;
        }
        self.clock.lap(Stage::Propose, payments.len());
        payer.burst.hash();
        self.clock.lap(Stage::PayerHash, payer.burst.entries());
    }

    fn sign_and_send(&mut self, wave: &mut Wave) {
        let Shard {
            slots,
            payer,
            parties,
            ..
        } = self;
        let mut ends = RunningEnds { slots, parties };
        for part in &wave.parts {
            let at = (part.slot, part.payer);
            let (secret, pass) = (ends.secret(at), part.next == Next::Other);
            payer.order(ends.end(at), secret, part.states.clone(), pass);
        }
        let values = payer.burst.states().iter().map(NewState::value);
        self.gauges.value_at_risk = self.gauges.value_at_risk.max(values.max().unwrap_or(0));
        self.clock.lap(Stage::Propose, 0);
        let signed = payer.sign(&parties.pairs);
        self.clock.lap(Stage::PayerSign, signed);

        wave.to_payee.clear();
        for part in &wave.parts {
            let end = ends.end((part.slot, part.payer));
            wave.to_payee.frame(part.slot, part.payer.other(), |bytes| {
                payer.send(end, part.states.clone(), bytes);
            });
        }
        if !self.mischief.attacks.is_empty() {
            poison(&wave.parts, payer, &mut wave.to_payee, slots);
        }
        strike(
            &mut self.mischief.faults,
            Hop::Proposal,
            &mut wave.to_payee,
            slots,
        );
        self.clock.lap(Stage::Send, signed);
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
fn poison(parts: &[Part], payer: &Legs<At>, wire: &mut Wire, slots: &mut [Slot]) {
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
