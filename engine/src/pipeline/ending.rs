//! When payments come due, and when no more do: the schedule is read to its planned end, or to an
//! interrupt, what had come due is served for a bounded time, and then every session ends.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::arrivals::ScheduleEnd;
use super::pace::{AtEnd, Pace, offered};
use super::shard::Shard;
use super::slot::{Slot, SlotState};
use super::stage::Stage;

impl Shard<'_> {
    /// Reads arrivals, and ends their schedule when the run shall stop.
    pub(super) fn arrive(&mut self) {
        let now_ns = self.now_ns();
        if !self.ending.draining {
            // What goes on only to be closed reads no schedule.
            let stopped = self.shared.stop.load(Ordering::Relaxed);
            let ready = self.steps.all_tracks_opened() && (!stopped || self.serves_backlog());
            if ready && !self.arrivals.has_started() {
                self.arrivals.start(now_ns);
            }
            let mut ended = None;
            if self.ending.end.is_none() {
                self.ending.end = self.ends(now_ns);
                if let Some(end) = self.ending.end {
                    self.arrivals.ends_at(end);
                    let serving_ns = serving_ns(end, self.shared.config.cosign_after);
                    self.ending.serving_until_ns = Some(now_ns + serving_ns);
                    ended = Some(end);
                }
            }
            let (ready, slots) = (&mut self.line.ready, &self.slots);
            self.arrivals.advance(now_ns, self.shared.workload, |slot| {
                // One in a wave is back in line when that has landed.
                if let SlotState::Running(channel) = &slots[slot as usize].state
                    && !channel.busy
                {
                    ready.push(slot);
                }
            });
            if let Some(end) = ended {
                self.ending.at_end = Some(self.at_end(end, now_ns));
            }
            if let Some(end) = self.ending.end
                && !self.opens_for(end, now_ns)
            {
                self.drain(end, now_ns);
            }
        }
        let is_served = self.ending.draining && !self.arrivals.waits();
        let over = |until_ns| is_served || until_ns <= now_ns;
        if self.ending.serving_until_ns.is_some_and(over) {
            self.ending.serving_until_ns = None;
            self.finish_all(now_ns);
        }
        if !self.arrivals.is_closed_loop() {
            self.clock.lap(Stage::Draw, 0);
        }
    }

    /// When the schedule ends, by its own clock, if it is time: as planned, or now if the run is
    /// stopped.
    fn ends(&self, now_ns: u64) -> Option<ScheduleEnd> {
        if self.serves_backlog() {
            return None;
        }
        // It goes no further than to its plan, nor does it go back behind a restart.
        let at_ns = self.arrivals.position_ns(now_ns);
        let duration_ns = (self.shared.config.duration).map(|planned| planned.as_nanos() as u64);
        let is_over = duration_ns.is_some_and(|planned_ns| planned_ns <= at_ns);
        let stopped = self.shared.stop.load(Ordering::Relaxed);
        // A shard without a channel waits for nothing, and nobody stopped it.
        (is_over || stopped || self.slots.is_empty()).then_some(ScheduleEnd {
            at_ns,
            planned: is_over || !stopped,
        })
    }

    /// Whether the clock goes on for what had come due before a restart, if for nothing else.
    fn serves_backlog(&self) -> bool {
        let closes = self
            .shared
            .config
            .log
            .as_ref()
            .is_some_and(|log| log.only_closes);
        !closes && !self.arrivals.has_started() && self.arrivals.backlog() > 0
    }

    /// Whether a session shall still open that what had come due by the end waits for.
    fn opens_for(&self, end: ScheduleEnd, now_ns: u64) -> bool {
        if self
            .ending
            .serving_until_ns
            .is_none_or(|until_ns| until_ns <= now_ns)
        {
            return false;
        }
        self.unread(end).next().is_some()
    }

    /// What has come due by the end and waits for a session to open: when each was due.
    fn unread(&self, end: ScheduleEnd) -> impl Iterator<Item = u64> {
        let slots = (0..).zip(&self.slots);
        let unopened = slots.flat_map(move |(slot, held)| {
            let number = self.parties.of.number(slot);
            let unopened = self.unopened_of(slot, held);
            unopened.map(move |generation| self.shared.schedule.session(number, generation))
        });
        self.arrivals.unread(end, self.shared.workload, unopened)
    }

    /// How the shard keeps up when the schedule ends.
    fn at_end(&self, end: ScheduleEnd, now_ns: u64) -> AtEnd {
        let slots = (0..).zip(&self.slots);
        let waiting = slots.filter_map(|(slot, held)| {
            let SlotState::Running(channel) = &held.state else {
                return None;
            };
            (self.arrivals).available_since_ns(slot, now_ns, channel.left())
        });
        let oldest_ns = waiting.chain(self.unread(end)).min();
        AtEnd {
            stopped: !end.planned,
            behind_ns: oldest_ns.map_or(0, |due_ns| now_ns.saturating_sub(due_ns)),
            serves_backlog: self.arrivals.serves_backlog(),
        }
    }

    /// No session opens from here on. What had come due when the schedule ended is still served.
    fn drain(&mut self, end: ScheduleEnd, now_ns: u64) {
        self.ending.draining = true;
        let unopened = self.unopened();
        self.steps.drain();
        for slot in 0..self.slots.len() as u32 {
            // Its track's last step closes it, and has to wait for it.
            let state = &mut self.slots[slot as usize].state;
            let is_running = matches!(state, SlotState::Running(_));
            if let Some(channel) = state.open_mut().filter(|channel| channel.early) {
                channel.early = false;
                if is_running {
                    self.steps.session_joins(slot);
                }
            }
        }
        let (arrivals, response) = (&mut self.arrivals, &mut self.gauges.latency.response);
        let workload = self.shared.workload;
        arrivals.end(end, now_ns, workload, unopened, |age_ns, payments| {
            response.record(age_ns, payments);
        });
        self.line.ready.clear();
        self.requeue_all();
    }

    /// The sessions of an open loop that have not opened so far.
    pub(super) fn unopened(&self) -> impl Iterator<Item = u64> + use<> {
        let (schedule, of) = (self.shared.schedule, self.parties.of);
        let unopened = self.unopened_generations();
        (0..).zip(unopened).flat_map(move |(slot, generations)| {
            let number = of.number(slot);
            generations.map(move |generation| schedule.session(number, generation))
        })
    }

    /// The same, by slot.
    fn unopened_generations(&self) -> Vec<Range<u64>> {
        if self.arrivals.is_closed_loop() {
            return Vec::new();
        }
        let slots = (0..).zip(&self.slots);
        let unopened = slots.map(|(slot, held)| self.unopened_of(slot, held));
        unopened.collect()
    }

    /// Those of one slot.
    fn unopened_of(&self, slot: u32, held: &Slot) -> Range<u64> {
        let schedule = self.shared.schedule;
        let number = self.parties.of.number(slot);
        let sent = self.steps.generations_sent(slot);
        let next = match &held.state {
            // The next one may be on its way to Layer 1, but has not opened.
            SlotState::Running(channel) | SlotState::Closing(channel) => {
                channel.session / schedule.concurrent() + 1
            }
            SlotState::Opening => sent - 1,
            SlotState::Vacant | SlotState::Disputed(_) | SlotState::Stopped => sent,
        };
        next.max(self.restoring.opened(slot))..schedule.sessions_of(number)
    }

    /// Serves nothing more: all sessions end.
    fn finish_all(&mut self, now_ns: u64) {
        let response = &mut self.gauges.latency.response;
        self.arrivals
            .give_up(now_ns, |age_ns, payments| response.record(age_ns, payments));
        self.line.ready.clear();
        self.requeue_all();
    }

    /// How this shard kept up with its schedule, now that it ends.
    pub(super) fn pace(&self) -> Pace {
        Pace {
            arrived: self.arrivals.offered(),
            first_completion_ns: self.gauges.first_completion_ns,
            last_completion_ns: self.gauges.last_completion_ns,
            completed: self
                .tally
                .counts
                .covered
                .saturating_sub(self.gauges.before.payments),
            refused_before: self.gauges.before.refused,
            unserved_before: self.tally.counts.unserved,
            late_before: self.tally.late_before,
            waits_for_intervals: self.shared.config.cosign_after.is_some(),
            at_end: self.ending.at_end,
        }
    }

    /// The last shard that ends keeps it if the rate was not held: no later part of the run could
    /// tell.
    pub(super) fn judge_pace(&mut self, pace: Pace) {
        let Some(log) = &self.shared.config.log else {
            return;
        };
        let mut paces = self.shared.paces.lock().expect("pushing does not panic");
        paces.push(pace);
        let is_last = paces.len() == self.shared.config.shards as usize;
        let offered = offered(&self.shared.config.arrivals, &paces).filter(|_| is_last);
        if let (Some(offered), Some(journal)) = (offered, &mut self.journal)
            && !(log.held)(&offered)
        {
            self.tally.late = true;
            journal.changed();
        }
    }

    fn requeue_all(&mut self) {
        for slot in 0..self.slots.len() as u32 {
            self.requeue(slot);
        }
    }
}

/// How long what came due is served after the schedule's end: a tenth of the schedule's time. A
/// load that is kept up with leaves less than that, and one that is not would never be served. What
/// waits for its co-sign interval is proposed all at once, and would have had that long.
fn serving_ns(end: ScheduleEnd, cosign_after: Option<Duration>) -> u64 {
    const LEAST_NS: u64 = 100_000_000;
    const MOST_FOR_INTERVALS_NS: u64 = 1_000_000_000;
    let after_ns = cosign_after.map_or(0, |after| after.as_nanos() as u64);
    LEAST_NS
        .max(end.at_ns / 10)
        .max(after_ns.min(MOST_FOR_INTERVALS_NS))
}
