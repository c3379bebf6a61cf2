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
use super::shard::Shard;
use super::slot::SlotState;
use super::stage::Stage;
use super::waves::Wave;

impl Shard<'_> {
    /// Moves the shard's waves on by a leg each; gives the number of payments completed, and
    /// whether there was anything to move.
    ///
    /// # Errors
    /// If the log cannot be written: what waits for it never leaves.
    pub(super) fn move_waves(&mut self) -> Result<(u64, bool), RunError> {
        let mut new = self.waves.idle.pop().unwrap_or_else(Wave::with_room);
        self.propose_wave(&mut new);
        if self.journal.is_none() {
            let moved = !new.is_empty();
            let mut completed = 0;
            if moved {
                self.answer_wave(&mut new);
                completed = self.complete_wave(&mut new)?;
            }
            self.waves.idle.push(new);
            return Ok((completed, moved));
        }
        self.move_waves_durably(new)
    }

    /// Rule S3: what a leg signed leaves with the next one, once it is durable. While one commit is
    /// on its way to the disk, the next wave's first leg is computed; a commit carries a leg of up
    /// to three waves.
    fn move_waves_durably(&mut self, mut new: Wave) -> Result<(u64, bool), RunError> {
        let (proposed, answered) = (self.waves.proposed.take(), self.waves.answered.take());
        let moved = !new.is_empty() || proposed.is_some() || answered.is_some();
        let mut completed = 0;
        if let Some(mut wave) = answered {
            self.await_durable(wave.kept_in)?;
            completed = self.complete_wave(&mut wave)?;
            self.waves.idle.push(wave);
        }
        if let Some(mut wave) = proposed {
            self.await_durable(wave.kept_in)?;
            self.answer_wave(&mut wave);
            self.waves.answered = Some(wave);
        }
        if new.is_empty() && self.waves.answered.is_none() {
            // Nothing waits for what was put.
            self.commit_if_idle()?;
            self.waves.idle.push(new);
            return Ok((completed, moved));
        }
        let sequence = self.commit()?;
        if let Some(wave) = &mut self.waves.answered {
            wave.kept_in = sequence;
        }
        if new.is_empty() {
            self.waves.idle.push(new);
        } else {
            new.kept_in = sequence;
            self.waves.proposed = Some(new);
        }
        Ok((completed, moved))
    }

    /// The first leg: payers propose, and sessions begin to end.
    fn propose_wave(&mut self, wave: &mut Wave) {
        wave.sent_ns = self.now_ns();
        // A session's first payment waits until all sessions that shall run at once are open.
        if self.steps.all_tracks_opened() || self.ending.draining {
            self.draw(wave);
        }
        if !wave.parts.is_empty() {
            let opened = self.tally.counts.sessions_opened;
            self.gauges.first_wave(wave.sent_ns, opened);
            self.propose(wave);
            for part in wave.parts.iter().filter(|part| !part.states.is_empty()) {
                self.keep(part.slot, part.payer);
            }
            self.kept();
        }
        if self
            .paid(wave)
            .lets_end(self.line.finishing.len(), self.slots.len())
        {
            self.start_finals(&mut wave.finals);
        }
    }

    /// What is paid now that a wave is proposed.
    fn paid(&self, new: &Wave) -> Paid {
        let pays = |wave: &Wave| !wave.parts.is_empty();
        let mut others = [&self.waves.proposed, &self.waves.answered]
            .into_iter()
            .flatten();
        let pays_at_all = self.arrivals.waits() || pays(new) || others.any(pays);
        match self.ending.draining {
            true if pays_at_all => Paid::Last,
            false if pays(new) => Paid::Now,
            _ => Paid::Nothing,
        }
    }

    /// The second leg: payees answer.
    pub(super) fn answer_wave(&mut self, wave: &mut Wave) {
        if !wave.parts.is_empty() {
            self.answer_proposals(wave);
        }
        self.answer_finals(&mut wave.finals);
    }

    /// The last leg: payers complete, and the channels are back in line.
    fn complete_wave(&mut self, wave: &mut Wave) -> Result<u64, RunError> {
        self.slow_down();
        let completed = self.take_answers(wave)?;
        for part in wave.parts.drain(..) {
            if let SlotState::Running(channel) = &mut self.slots[part.slot as usize].state {
                channel.busy = false;
            }
            self.requeue(part.slot);
        }
        self.clock.lap(Stage::Complete, 0);
        self.complete_finals(&mut wave.finals)?;
        Ok(completed)
    }

    /// Payers complete; channels whose messages were refused stop.
    pub(super) fn take_answers(&mut self, wave: &mut Wave) -> Result<u64, RunError> {
        let completed = if wave.parts.is_empty() {
            0
        } else {
            let completed = self.complete(wave);
            self.record_wave(wave);
            completed
        };
        for (slot, rejection) in wave.refusals.drain(..) {
            self.stop_channel(slot, rejection.name())?;
        }
        self.acknowledge(wave)?;
        for part in wave.parts.iter().filter(|part| part.completed > 0) {
            // Now without the proposals that were in flight.
            self.keep(part.slot, part.payer);
        }
        self.kept();
        Ok(completed)
    }

    /// Writes down which channels' payers now hold which versions, if that is asked for.
    fn acknowledge(&mut self, wave: &Wave) -> Result<(), RunError> {
        let journal = self.journal.as_mut();
        let Some(acknowledgements) = journal.and_then(|journal| journal.acknowledgements.as_mut())
        else {
            return Ok(());
        };
        for part in wave.parts.iter().filter(|part| part.completed > 0) {
            if let Some(channel) = self.slots[part.slot as usize].state.open() {
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
