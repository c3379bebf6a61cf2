//! Waves: a burst of payments in each of many channels, from the workload to the payer's proof that
//! the payee has co-signed. Every stage handles a whole wave before the next one starts.
//!
//! A wave has three legs, each of one party alone: the payers propose (`propose`), the payees check
//! and co-sign (`answer`), the payers complete (`complete`). Between them it is bytes on a wire, and
//! nothing else: what either end does is in [`Legs`](crate::legs::Legs), of which payers and payees
//! have their own; here is what is around it: the draw, the clocks, latencies, faults and the log.

mod answer;
mod complete;
mod propose;

pub(super) use propose::MOST_ENTRIES;

use std::ops::Range;

use super::fault::{Faults, Hop};
use super::finish::{Finals, Paid};
use super::run::RunError;
use super::shard::Shard;
use super::slot::{Channel, Phase, Slot};
use super::stage::Stage;
use super::wire::Wire;
use super::workload::Next;
use crate::clock::process_cpu_ns;
use crate::log::Sequence;
use crate::protocol::{Party, Rejection};

/// One wave, and what it takes along from leg to leg. Reused.
#[derive(Default)]
pub(super) struct Flight {
    /// When it was drawn.
    sent_ns: u64,
    /// Durable runs: the commit that has all that its last leg signed.
    kept_in: Sequence,
    parts: Vec<Part>,
    /// Due times of the payments that were accepted; empty in closed loop.
    due_ns: Vec<u64>,
    to_payee: Wire,
    to_payer: Wire,
    /// Messages refused on the way.
    refusals: Vec<(u32, Rejection)>,
    /// The sessions that end with it.
    pub(super) finals: Finals,
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
    /// The version before the part's first payment.
    before: u64,
    /// Indices of its accepted payments' due times; empty in closed loop.
    due: Range<usize>,
    /// Payments that the payer now has co-signed, and proposals without an answer yet.
    completed: u64,
}

impl Part {
    /// Of a channel that draws nothing.
    fn again(slot: u32, payer: Party, channel: &Channel) -> Part {
        Part {
            slot,
            payer,
            payments: 0..0,
            states: 0..0,
            next: Next::Same,
            before: channel.end(payer).held_version(),
            due: 0..0,
            completed: 0,
        }
    }
}

impl Flight {
    fn with_room() -> Flight {
        let mut flight = Flight::default();
        flight.to_payee.make_room(MOST_ENTRIES);
        flight
    }

    /// Bytes that this flight's waves carried.
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

    /// It departs now: what it carries was made before.
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

    /// Its channels are in nobody's line.
    pub(super) fn leave(&mut self) {
        self.parts.clear();
    }

    fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.finals.is_empty()
    }
}

impl Shard<'_> {
    /// Moves the shard's waves on by a leg each; gives the number of payments completed, and whether
    /// there was anything to move.
    ///
    /// # Errors
    /// If the log cannot be written: what waits for it never leaves.
    pub(super) fn fly(&mut self) -> Result<(u64, bool), RunError> {
        let mut departing = self.hangar.pop().unwrap_or_else(Flight::with_room);
        self.depart(&mut departing);
        if self.journal.is_none() {
            let moved = !departing.is_empty();
            let mut completed = 0;
            if moved {
                self.answer(&mut departing);
                completed = self.land(&mut departing)?;
            }
            self.hangar.push(departing);
            return Ok((completed, moved));
        }
        self.fly_durably(departing)
    }

    /// Rule S3: what a leg signed leaves with the next one, once it is durable. While one commit is
    /// on its way to the disk, the next wave's first leg is computed; a commit carries a leg of up
    /// to three waves.
    fn fly_durably(&mut self, mut departing: Flight) -> Result<(u64, bool), RunError> {
        let (answering, landing) = (self.proposed.take(), self.answered.take());
        let moved = !departing.is_empty() || answering.is_some() || landing.is_some();
        let mut completed = 0;
        if let Some(mut flight) = landing {
            self.await_durable(flight.kept_in)?;
            completed = self.land(&mut flight)?;
            self.hangar.push(flight);
        }
        if let Some(mut flight) = answering {
            self.await_durable(flight.kept_in)?;
            self.answer(&mut flight);
            self.answered = Some(flight);
        }
        if departing.is_empty() && self.answered.is_none() {
            // Nothing waits for what was put.
            self.commit_if_idle()?;
            self.hangar.push(departing);
            return Ok((completed, moved));
        }
        let sequence = self.commit()?;
        if let Some(flight) = &mut self.answered {
            flight.kept_in = sequence;
        }
        if departing.is_empty() {
            self.hangar.push(departing);
        } else {
            departing.kept_in = sequence;
            self.proposed = Some(departing);
        }
        Ok((completed, moved))
    }

    /// The first leg: payers propose, and sessions begin to end.
    fn depart(&mut self, flight: &mut Flight) {
        flight.sent_ns = self.now_ns();
        // A session's first payment waits until all sessions that shall run at once are open.
        if self.steps.all_lanes_opened() || self.draining {
            self.draw(flight);
        }
        if !flight.parts.is_empty() {
            if self.first_wave_ns.is_none() {
                self.first_wave_ns = Some(flight.sent_ns);
                self.opened_before_paying = self.tally.sessions_opened;
                self.cpu_before_paying_ns = Some(process_cpu_ns());
            }
            self.propose(flight);
            for part in flight.parts.iter().filter(|part| !part.states.is_empty()) {
                self.keep(part.slot, part.payer);
            }
            self.kept();
        }
        if self
            .paid(flight)
            .lets_end(self.finishing.len(), self.slots.len())
        {
            self.start_finals(&mut flight.finals);
        }
    }

    /// What is paid now that a wave departs.
    fn paid(&self, departing: &Flight) -> Paid {
        let pays = |flight: &Flight| !flight.parts.is_empty();
        let mut aloft = [&self.proposed, &self.answered].into_iter().flatten();
        let pays_at_all = self.arrivals.waits() || pays(departing) || aloft.any(pays);
        match self.draining {
            true if pays_at_all => Paid::Last,
            false if pays(departing) => Paid::Now,
            _ => Paid::Nothing,
        }
    }

    /// The second leg: payees answer.
    pub(super) fn answer(&mut self, flight: &mut Flight) {
        if !flight.parts.is_empty() {
            self.answer_proposals(flight);
        }
        self.answer_finals(&mut flight.finals);
    }

    /// The last leg: payers complete, and the channels are back in line.
    fn land(&mut self, flight: &mut Flight) -> Result<u64, RunError> {
        self.slow_down();
        let completed = self.touch_down(flight)?;
        for part in flight.parts.drain(..) {
            if let Phase::Running(channel) = &mut self.slots[part.slot as usize].phase {
                channel.aloft = false;
            }
            self.requeue(part.slot);
        }
        self.clock.lap(Stage::Complete, 0);
        self.complete_finals(&mut flight.finals)?;
        Ok(completed)
    }

    /// Payers complete; channels whose messages were refused stop.
    pub(super) fn touch_down(&mut self, flight: &mut Flight) -> Result<u64, RunError> {
        let completed = if flight.parts.is_empty() {
            0
        } else {
            let completed = self.complete(flight);
            self.audit(flight);
            completed
        };
        for (slot, rejection) in flight.refusals.drain(..) {
            self.stop_channel(slot, rejection.name())?;
        }
        self.acknowledge(flight)?;
        for part in flight.parts.iter().filter(|part| part.completed > 0) {
            // Now without the proposals that were in flight.
            self.keep(part.slot, part.payer);
        }
        self.kept();
        Ok(completed)
    }

    /// Writes down which channels' payers now hold which versions, if that is asked for.
    fn acknowledge(&mut self, flight: &Flight) -> Result<(), RunError> {
        let Some(acknowledgements) = &mut self.acknowledgements else {
            return Ok(());
        };
        for part in flight.parts.iter().filter(|part| part.completed > 0) {
            if let Some(channel) = self.slots[part.slot as usize].phase.open() {
                let end = channel.end(part.payer);
                acknowledgements.note(end.channel(), end.held_version());
            }
        }
        acknowledgements.release()
    }
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
