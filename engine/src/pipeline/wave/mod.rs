//! Waves: a burst of payments in each of many channels, from the workload to the payer's proof that
//! the payee has co-signed. Every stage handles a whole wave before the next one starts.
//!
//! A wave has three legs, each of one party alone: the payers propose (`propose`), the payees check
//! and co-sign (`answer`), the payers complete (`complete`). Between them it is bytes on a wire,
//! and nothing else: what either end does is in [`Legs`](duet_channels::legs::Legs), of which
//! payers and payees have their own; here is what is around it: the draw, the clocks, latencies,
//! faults and the log.

mod answer;
mod complete;
mod propose;

use super::error::RunError;
use super::finish::Paid;
use super::flight::Flight;
use super::shard::Shard;
use super::slot::Phase;
use super::stage::Stage;

impl Shard<'_> {
    /// Moves the shard's waves on by a leg each; gives the number of payments completed, and
    /// whether there was anything to move.
    ///
    /// # Errors
    /// If the log cannot be written: what waits for it never leaves.
    pub(super) fn fly(&mut self) -> Result<(u64, bool), RunError> {
        let mut departing = self.waves.hangar.pop().unwrap_or_else(Flight::with_room);
        self.depart(&mut departing);
        if self.journal.is_none() {
            let moved = !departing.is_empty();
            let mut completed = 0;
            if moved {
                self.answer(&mut departing);
                completed = self.land(&mut departing)?;
            }
            self.waves.hangar.push(departing);
            return Ok((completed, moved));
        }
        self.fly_durably(departing)
    }

    /// Rule S3: what a leg signed leaves with the next one, once it is durable. While one commit is
    /// on its way to the disk, the next wave's first leg is computed; a commit carries a leg of up
    /// to three waves.
    fn fly_durably(&mut self, mut departing: Flight) -> Result<(u64, bool), RunError> {
        let (answering, landing) = (self.waves.proposed.take(), self.waves.answered.take());
        let moved = !departing.is_empty() || answering.is_some() || landing.is_some();
        let mut completed = 0;
        if let Some(mut flight) = landing {
            self.await_durable(flight.kept_in)?;
            completed = self.land(&mut flight)?;
            self.waves.hangar.push(flight);
        }
        if let Some(mut flight) = answering {
            self.await_durable(flight.kept_in)?;
            self.answer(&mut flight);
            self.waves.answered = Some(flight);
        }
        if departing.is_empty() && self.waves.answered.is_none() {
            // Nothing waits for what was put.
            self.commit_if_idle()?;
            self.waves.hangar.push(departing);
            return Ok((completed, moved));
        }
        let sequence = self.commit()?;
        if let Some(flight) = &mut self.waves.answered {
            flight.kept_in = sequence;
        }
        if departing.is_empty() {
            self.waves.hangar.push(departing);
        } else {
            departing.kept_in = sequence;
            self.waves.proposed = Some(departing);
        }
        Ok((completed, moved))
    }

    /// The first leg: payers propose, and sessions begin to end.
    fn depart(&mut self, flight: &mut Flight) {
        flight.sent_ns = self.now_ns();
        // A session's first payment waits until all sessions that shall run at once are open.
        if self.steps.all_lanes_opened() || self.ending.draining {
            self.draw(flight);
        }
        if !flight.parts.is_empty() {
            let opened = self.tally.counts.sessions_opened;
            self.gauges.first_wave(flight.sent_ns, opened);
            self.propose(flight);
            for part in flight.parts.iter().filter(|part| !part.states.is_empty()) {
                self.keep(part.slot, part.payer);
            }
            self.kept();
        }
        if self
            .paid(flight)
            .lets_end(self.line.finishing.len(), self.slots.len())
        {
            self.start_finals(&mut flight.finals);
        }
    }

    /// What is paid now that a wave departs.
    fn paid(&self, departing: &Flight) -> Paid {
        let pays = |flight: &Flight| !flight.parts.is_empty();
        let mut aloft = [&self.waves.proposed, &self.waves.answered]
            .into_iter()
            .flatten();
        let pays_at_all = self.arrivals.waits() || pays(departing) || aloft.any(pays);
        match self.ending.draining {
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
        let journal = self.journal.as_mut();
        let Some(acknowledgements) = journal.and_then(|journal| journal.acknowledgements.as_mut())
        else {
            return Ok(());
        };
        for part in flight.parts.iter().filter(|part| part.completed > 0) {
            if let Some(channel) = self.slots[part.slot as usize].phase.open() {
                let end = &channel.ends[part.payer];
                acknowledgements.note(end.channel(), end.held_version());
            }
        }
        acknowledgements.release()
    }
}

impl Shard<'_> {
    /// Slows a wave down, if that is asked for. It stands before the wave's latency is taken, which
    /// a slower engine would lengthen too.
    pub(super) fn slow_down(&mut self) {
        if let Some(planted) = self.mischief.planted {
            planted.burn(&mut self.clock);
        }
    }
}
