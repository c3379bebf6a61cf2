//! What is on its way between the parties of many channels: a wave, and sessions that end with it.

use std::ops::Range;

use super::fault::{Faults, Hop};
use super::slot::{At, Channel, RunningEnds, Slot, SlotState};
use super::wire::Wire;
use super::workload::Next;
use duet_channels::legs::{Ends, Legs};
use duet_channels::protocol::{Message, Party, Payment, Rejection};
use duet_log::Sequence;

/// Entries in a wave at most, but for one channel's co-sign interval. At k = 100 that is a batch of
/// some 650 signatures, past which verification gains little; entries of both ends are 2 MB each,
/// read and written in order.
pub(super) const MOST_ENTRIES: usize = 65_536;

/// A shard's waves.
pub(super) struct Waves {
    /// What a wave has drawn, reused.
    pub(super) payments: Vec<Payment>,
    /// Those that are not under way, kept for their memory.
    pub(super) idle: Vec<Wave>,
    /// Durable runs: the wave whose proposals, and the one whose answers, are being made durable.
    pub(super) proposed: Option<Wave>,
    pub(super) answered: Option<Wave>,
}

impl Waves {
    /// None yet.
    pub(super) fn new() -> Waves {
        Waves {
            payments: Vec::with_capacity(MOST_ENTRIES),
            idle: Vec::new(),
            proposed: None,
            answered: None,
        }
    }

    /// Bytes that all of them carried, once they are complete.
    pub(super) fn carried(&self) -> u64 {
        self.idle.iter().map(Wave::carried).sum()
    }
}

/// One wave, and what it takes along from leg to leg. Reused.
#[derive(Default)]
pub(super) struct Wave {
    /// When it was drawn.
    pub(super) sent_ns: u64,
    /// Durable runs: the commit that has all that its last leg signed.
    pub(super) kept_in: Sequence,
    pub(super) parts: Vec<Part>,
    /// Due times of the payments that were accepted; empty in closed loop.
    pub(super) due_ns: Vec<u64>,
    pub(super) to_payee: Wire,
    pub(super) to_payer: Wire,
    /// Messages refused on the way.
    pub(super) refusals: Vec<(u32, Rejection)>,
    /// The sessions that end with it.
    pub(super) finals: Finals,
}

/// One channel's part of a wave.
pub(super) struct Part {
    pub(super) slot: u32,
    pub(super) payer: Party,
    /// Indices into the wave's payments.
    pub(super) payments: Range<usize>,
    /// Indices into the payer's states.
    pub(super) states: Range<usize>,
    pub(super) next: Next,
    /// The version before the part's first payment.
    pub(super) before: u64,
    /// Indices of its accepted payments' due times; empty in closed loop.
    pub(super) due: Range<usize>,
    /// Payments that the payer now has co-signed, and proposals without an answer yet.
    pub(super) completed: u64,
}

impl Part {
    /// Of a channel that draws nothing.
    pub(super) fn again(slot: u32, payer: Party, channel: &Channel) -> Part {
        Part {
            slot,
            payer,
            payments: 0..0,
            states: 0..0,
            next: Next::Same,
            before: channel.ends[payer].held_version(),
            due: 0..0,
            completed: 0,
        }
    }
}

impl Wave {
    pub(super) fn with_room() -> Wave {
        let mut wave = Wave::default();
        wave.to_payee.make_room(MOST_ENTRIES);
        wave
    }

    /// Bytes that it has carried, each time that it was used.
    pub(super) fn carried(&self) -> u64 {
        self.to_payee.carried() + self.to_payer.carried() + self.finals.carried()
    }

    /// What its payers completed: slot, payer, the version before, and how many payments.
    pub(super) fn completed(&self) -> impl Iterator<Item = (u32, Party, u64, u64)> {
        let parts = self.parts.iter().filter(|part| part.completed > 0);
        parts.map(|part| (part.slot, part.payer, part.before, part.completed))
    }

    /// The proposals on the wire, channel by channel in the order of the parts.
    pub(super) fn proposed(&self) -> impl Iterator<Item = (u32, Party, &[u8])> {
        self.to_payee.frames()
    }

    /// The answers on the wire, likewise.
    pub(super) fn answered(&self) -> impl Iterator<Item = (u32, Party, &[u8])> {
        self.to_payer.frames()
    }

    /// It is sent now: what it carries was made before.
    pub(super) fn sent_now(&mut self, now_ns: u64) {
        self.sent_ns = now_ns;
    }

    /// Proposals are on their way once more.
    pub(super) fn propose_again(&mut self, slot: u32, to: Party, channel: &Channel, bytes: &[u8]) {
        self.parts.push(Part::again(slot, to.other(), channel));
        self.to_payee
            .frame(slot, to, |wire| wire.extend_from_slice(bytes));
    }

    /// An answer is on its way once more.
    pub(super) fn answer_again(&mut self, slot: u32, to: Party, channel: &Channel, bytes: &[u8]) {
        self.parts.push(Part::again(slot, to, channel));
        self.to_payer
            .frame(slot, to, |wire| wire.extend_from_slice(bytes));
    }

    /// Drops its channels.
    pub(super) fn drop_parts(&mut self) {
        self.parts.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.finals.is_empty()
    }
}

/// Sessions that end together. Reused.
#[derive(Default)]
pub(super) struct Finals {
    /// Each, and who began to end it.
    pub(super) starters: Vec<(u32, Party)>,
    pub(super) wire: Wire,
    pub(super) refusals: Vec<(u32, Rejection)>,
}

impl Finals {
    /// Sessions that are finished together at most: a batch for the verifiers, and no more memory.
    pub(super) const MOST: usize = 4096;

    /// A message is on its way once more, of a session that this party began to end.
    pub(super) fn again(&mut self, slot: u32, starter: Party, to: Party, bytes: &[u8]) {
        self.starters.push((slot, starter));
        self.wire
            .frame(slot, to, |wire| wire.extend_from_slice(bytes));
    }

    /// Whether a slot's session is among them.
    pub(super) fn has(&self, slot: u32) -> bool {
        self.starters.iter().any(|(other, _)| *other == slot)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.starters.is_empty()
    }

    /// Bytes carried since the beginning.
    pub(super) fn carried(&self) -> u64 {
        self.wire.carried()
    }
}

impl Finals {
    pub(super) fn send(&mut self, (slot, me): At, message: &Message<'_>) {
        self.wire
            .frame(slot, me.other(), |bytes| message.encode(bytes));
    }

    /// The ends read one message each.
    pub(super) fn hear(&mut self, ends: &mut RunningEnds<'_>, legs: &mut Legs<At>) {
        for (slot, me, bytes) in self.wire.frames() {
            let at = (slot, me);
            let heard = Message::decode_first(bytes)
                .and_then(|(message, _)| legs.hear_final(at, ends.end(at), &message));
            self.refusals.extend(heard.err().map(|why| (slot, why)));
        }
    }
}

/// Damages what is on the wire, where a fault is due.
pub(super) fn strike(faults: &mut Faults, hop: Hop, wire: &mut Wire, slots: &mut [Slot]) {
    if faults.is_empty() {
        return;
    }
    wire.frames_mut(|slot, bytes| {
        if let SlotState::Running(channel) = &slots[slot as usize].state {
            faults.strike(hop, channel.session, channel.drawn, bytes);
        }
    });
}
