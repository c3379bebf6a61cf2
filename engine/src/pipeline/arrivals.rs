//! When payments are due. Closed loop: as soon as the one before is answered. Open loop: on a
//! schedule that does not wait for the system, so that a late answer counts from the due time.

#[cfg(test)]
mod life;
mod poisson;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::workload::Workload;
use poisson::Poisson;

/// How payments arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// Closed loop: the next burst when the last is answered.
    Closed,
    /// Open loop: a Poisson process over all sessions, each arrival at a session drawn uniformly
    /// from those that are open.
    Poisson {
        /// Payments per second over all shards.
        per_s: f64,
    },
    /// Open loop: the times that the workload carries, divided by this.
    Timed {
        /// How much faster than the workload's clock.
        speedup: f64,
    },
}

/// Arrivals that may wait for their channel in one shard. Beyond these the schedule is not read
/// ahead; their lateness counts all the same.
const MOST_WAITING: usize = 1 << 20;

/// A shard's arrivals: which payments of which slots are due. All times are in nanoseconds; those
/// of the schedule count from its start, before any restart.
pub(super) struct ArrivalQueue {
    source: Source,
    clock: ScheduleClock,
    /// When the schedule ends, by its own clock: as planned, or before, once it was stopped.
    end_ns: Option<u64>,
    /// Payments that had come due before a restart and were not answered: all of them come due when
    /// the clock goes on.
    backlog: u64,
    /// The due times, by the shard's clock, of each slot's payments that are due and not drawn;
    /// empty in closed loop.
    waiting: Vec<VecDeque<u64>>,
    waiting_count: usize,
    cosign_every: usize,
    cosign_after_ns: Option<u64>,
    /// Slots with fewer waiting payments than the co-sign interval, and when they shall wait no
    /// longer.
    aging: BinaryHeap<Reverse<(u64, u32)>>,
    /// Arrivals read of the schedule, before a restart included.
    read: u64,
    offered: Arrived,
}

/// How far a schedule was read: what outlives a restart. Nothing but the clock where it is not
/// Poisson's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct SchedulePosition {
    /// Where its clock stands.
    pub(super) clock_ns: u64,
    /// Arrivals read.
    pub(super) arrivals: u64,
    /// When the next one is due, and the mean time between two: what is due by the clock, and was
    /// not read, follows from them.
    pub(super) next_due_ns: f64,
    pub(super) mean_gap_ns: f64,
}

/// What came due in one shard since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) count: u64,
    /// What had come due before a restart, read by then or not.
    pub(super) before: u64,
    /// Of that, what was neither answered nor in flight, and came due once more.
    pub(super) backlog: u64,
    /// Of that, what was given up before the clock went on: it did not come due once more.
    pub(super) unserved_before: u64,
    /// When the first and the last were due by the schedule's clock, which is one for all shards,
    /// the backlog aside.
    pub(super) due_ns: Option<(u64, u64)>,
    /// The same by the shard's clock, with the backlog.
    pub(super) due_here_ns: Option<(u64, u64)>,
    /// Those that their payer's own endpoint refused: they have no response time.
    pub(super) refused: u64,
    /// Those that were lost with a channel that stopped.
    pub(super) lost: u64,
    /// Those that were not served.
    pub(super) unserved: u64,
    /// Those that still waited for their co-sign interval to fill when the schedule ended as
    /// planned.
    pub(super) cut_short: u64,
}

/// Where a schedule ends, by its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScheduleEnd {
    pub(super) at_ns: u64,
    /// As planned, and not because somebody stopped the run.
    pub(super) planned: bool,
}

/// From the schedule's clock to the shard's.
#[derive(Clone, Copy, Default)]
struct ScheduleClock {
    /// When it started here, by the shard's clock.
    started_ns: Option<u64>,
    /// Where it stood before a restart.
    before_ns: u64,
}

#[allow(clippy::large_enum_variant)] // There is one per shard.
enum Source {
    Closed,
    Poisson(Poisson),
    Timed {
        speedup: f64,
        /// The next payment of each slot: due time, slot, session, payment.
        next: BinaryHeap<Reverse<(u64, u32, u64, u64)>>,
        payments: Vec<u64>,
    },
}

impl ScheduleClock {
    /// Where it stands at a time of the shard's clock.
    fn position_ns(&self, now_ns: u64) -> u64 {
        let since_ns = self.started_ns.map(|started_ns| now_ns - started_ns);
        self.before_ns + since_ns.unwrap_or(0)
    }

    /// When that is by the shard's clock; what was due before a restart is due when it went on.
    fn at_ns(&self, position_ns: u64) -> Option<u64> {
        let since_ns = position_ns.saturating_sub(self.before_ns);
        Some(self.started_ns?.saturating_add(since_ns))
    }

    /// Until when a payment waits for its co-sign interval to fill, at most, all by the shard's
    /// clock. What was due before a restart has waited.
    fn ripe_ns(&self, due_ns: u64, after_ns: u64) -> u64 {
        match self.was_due(due_ns) {
            true => due_ns,
            false => due_ns + after_ns,
        }
    }

    /// Whether that was before a restart.
    fn was_due(&self, due_ns: u64) -> bool {
        self.before_ns > 0 && self.started_ns >= Some(due_ns)
    }
}

impl ArrivalQueue {
    /// `share`: this shard's part of all sessions, from 0 to 1.
    pub(super) fn new(
        arrivals: &Arrivals,
        slots: usize,
        share: f64,
        seed: [u8; 32],
        cosign_every: u32,
        cosign_after: Option<Duration>,
    ) -> ArrivalQueue {
        let source = match *arrivals {
            Arrivals::Closed => Source::Closed,
            // Nothing ever arrives at a shard without sessions.
            Arrivals::Poisson { .. } if share == 0.0 => Source::Closed,
            Arrivals::Poisson { per_s } => {
                Source::Poisson(Poisson::new(seed, 1e9 / (per_s * share)))
            }
            Arrivals::Timed { speedup } => Source::Timed {
                speedup,
                next: BinaryHeap::new(),
                payments: vec![0; slots],
            },
        };
        let waiting = if matches!(source, Source::Closed) {
            0
        } else {
            slots
        };
        ArrivalQueue {
            source,
            clock: ScheduleClock::default(),
            end_ns: None,
            backlog: 0,
            waiting: (0..waiting).map(|_| VecDeque::new()).collect(),
            waiting_count: 0,
            cosign_every: cosign_every as usize,
            cosign_after_ns: cosign_after.map(|after| after.as_nanos() as u64),
            aging: BinaryHeap::new(),
            read: 0,
            offered: Arrived::default(),
        }
    }

    /// The same, which is planned to end.
    pub(super) fn lasting(mut self, duration: Option<Duration>) -> ArrivalQueue {
        self.end_ns = duration.map(|duration| duration.as_nanos() as u64);
        self
    }

    pub(super) fn is_closed_loop(&self) -> bool {
        matches!(self.source, Source::Closed)
    }

    /// The schedule goes on where it was read to before a restart. What was due by then comes due
    /// once more when the clock goes on, but for `settled`: payments of it that were made, or given
    /// up. `left`: what each session can still pay, of those that are open or have not opened.
    ///
    /// # Errors
    /// What is wrong with the position.
    pub(super) fn resume(
        &mut self,
        at: SchedulePosition,
        settled: u64,
        left: impl Iterator<Item = u64>,
    ) -> Result<(), &'static str> {
        self.clock.before_ns = at.clock_ns;
        let Source::Poisson(poisson) = &mut self.source else {
            return Ok(());
        };
        let unanswered = at.arrivals.checked_sub(settled);
        let unanswered = unanswered.ok_or("it counts fewer arrivals than payments were made")?;
        let mean_gap_ns = poisson.go_on(&at).ok_or("its schedule is none")?;
        let left = poisson.most_left(at.clock_ns, unanswered, left);
        let mut unread = 0;
        poisson.rest(
            at.clock_ns,
            left.saturating_sub(unanswered),
            |count, _, _| {
                unread += count;
            },
        );
        poisson.change_mean(mean_gap_ns, at.clock_ns);
        self.backlog = unanswered + unread;
        self.read = at.arrivals + unread;
        self.offered.before = self.read;
        Ok(())
    }

    /// Payments that are due once more when the clock goes on.
    pub(super) fn backlog(&self) -> u64 {
        self.backlog
    }

    /// The schedule's clock starts, or goes on.
    pub(super) fn start(&mut self, now_ns: u64) {
        self.clock.started_ns = Some(now_ns);
    }

    /// Whether the schedule's clock goes.
    pub(super) fn has_started(&self) -> bool {
        self.clock.started_ns.is_some()
    }

    /// Where the schedule's clock stands.
    pub(super) fn position_ns(&self, now_ns: u64) -> u64 {
        let position_ns = self.clock.position_ns(now_ns);
        let end_ns = self.end_ns.map(|end_ns| end_ns.max(self.clock.before_ns));
        end_ns.map_or(position_ns, |end_ns| position_ns.min(end_ns))
    }

    /// How far the schedule was read, for a restart.
    pub(super) fn position(&self, now_ns: u64) -> SchedulePosition {
        let (next_due_ns, mean_gap_ns) = match &self.source {
            Source::Poisson(poisson) => (poisson.next_ns, poisson.mean_gap_ns),
            Source::Closed | Source::Timed { .. } => (0.0, 0.0),
        };
        SchedulePosition {
            clock_ns: self.position_ns(now_ns),
            arrivals: self.read,
            next_due_ns,
            mean_gap_ns,
        }
    }

    /// A session's channel is open and takes arrivals.
    pub(super) fn opened(
        &mut self,
        slot: u32,
        session: u64,
        payments: u64,
        workload: &dyn Workload,
    ) {
        match &mut self.source {
            Source::Closed => {}
            Source::Poisson(poisson) if payments > 0 => poisson.accepting.push((slot, payments)),
            Source::Poisson(_) => {}
            Source::Timed {
                next,
                payments: all,
                ..
            } => {
                all[slot as usize] = payments;
                if let Some(due) = workload.due_ns(session, 0) {
                    next.push(Reverse((due, slot, session, 0)));
                }
            }
        }
    }

    /// Reads the schedule up to now; calls `ready` for slots that may have become ready.
    pub(super) fn advance(
        &mut self,
        now_ns: u64,
        workload: &dyn Workload,
        mut ready: impl FnMut(u32),
    ) {
        let Some(started_ns) = self.clock.started_ns else {
            return;
        };
        let by_ns = self.position_ns(now_ns);
        while self.waiting_count < MOST_WAITING {
            if self.backlog > 0 {
                let Source::Poisson(poisson) = &mut self.source else {
                    unreachable!("only a Poisson schedule goes on after a restart");
                };
                let Some((slot, last)) = poisson.slot() else {
                    break;
                };
                self.backlog -= 1;
                self.offered.again(1, started_ns);
                self.arrives(slot, started_ns, last, &mut ready);
                continue;
            }
            let Some((due_ns, slot, last)) = self.source.next(by_ns, workload) else {
                break;
            };
            self.read += 1;
            let position_ns = due_ns;
            let due_ns = self.clock.at_ns(position_ns).expect("the clock goes");
            self.offered
                .count(1, (position_ns, position_ns), (due_ns, due_ns));
            self.arrives(slot, due_ns, last, &mut ready);
        }
        while let Some(&Reverse((deadline, slot))) = self.aging.peek() {
            if deadline > now_ns {
                break;
            }
            self.aging.pop();
            ready(slot);
        }
    }

    /// A payment is due at a slot, the last one of its session or not.
    fn arrives(&mut self, slot: u32, due_ns: u64, last: bool, ready: &mut impl FnMut(u32)) {
        let waiting = &mut self.waiting[slot as usize];
        waiting.push_back(due_ns);
        self.waiting_count += 1;
        match self.cosign_after_ns {
            Some(after) if !last && waiting.len() < self.cosign_every => {
                if waiting.len() == 1 {
                    let ripe_ns = self.clock.ripe_ns(due_ns, after);
                    self.aging.push(Reverse((ripe_ns, slot)));
                }
            }
            _ => ready(slot),
        }
    }

    /// The schedule is read no further than to its end.
    pub(super) fn ends_at(&mut self, end: ScheduleEnd) {
        self.end_ns = Some(end.at_ns);
    }

    /// What has come due by the end and waits for one of these sessions to open: when it was due by
    /// the shard's clock, as far as that is known now. Looks at no more of them than it needs:
    /// there may be as many as one likes.
    pub(super) fn unread<'a>(
        &'a self,
        end: ScheduleEnd,
        workload: &'a dyn Workload,
        mut unopened: impl Iterator<Item = u64> + 'a,
    ) -> impl Iterator<Item = u64> + 'a {
        let mut next_ns = None;
        let mut timed = None;
        match &self.source {
            Source::Closed => {}
            // It waits for whichever opens.
            Source::Poisson(poisson) => {
                let backlog_ns = (self.backlog > 0).then_some(self.clock.before_ns);
                let due_ns = backlog_ns.unwrap_or(poisson.next_ns.ceil() as u64);
                let is_due = due_ns <= end.at_ns;
                let waits =
                    is_due && unopened.any(|session| workload.session(session).payments > 0);
                next_ns = waits.then_some(due_ns);
            }
            Source::Timed { speedup, .. } => {
                let due = unopened.filter_map(|session| workload.due_ns(session, 0));
                let due = due.map(move |due_ns| (due_ns as f64 / speedup) as u64);
                timed = Some(due.filter(move |due_ns| *due_ns <= end.at_ns));
            }
        }
        let due = next_ns.into_iter().chain(timed.into_iter().flatten());
        due.filter_map(|due_ns| self.clock.at_ns(due_ns))
    }

    /// Whether anything waits that had come due before a restart.
    pub(super) fn serves_backlog(&self) -> bool {
        let mut first = self.waiting.iter().filter_map(VecDeque::front);
        self.backlog > 0 || first.any(|due_ns| self.clock.was_due(*due_ns))
    }

    /// The schedule ended when its clock stood at `end_ns`. Reads it up to there. What
    /// waits can be served, and waits for no co-sign interval to fill. What has no place to wait
    /// in, or whose session (one of `unopened`) never opened, is unserved, and given to `age`: an
    /// age, and how many payments are of it. If the clock has not gone on after a restart, what had
    /// come due before is given up as it stands: it came due once, and has no age here.
    pub(super) fn end(
        &mut self,
        end: ScheduleEnd,
        now_ns: u64,
        workload: &dyn Workload,
        unopened: impl Iterator<Item = u64>,
        mut age: impl FnMut(u64, u64),
    ) {
        let ScheduleEnd {
            at_ns: end_ns,
            planned,
        } = end;
        self.ends_at(end);
        if self.is_closed_loop() {
            return;
        }
        if !self.has_started() {
            self.offered.unserved_before += std::mem::take(&mut self.backlog);
            return;
        }
        self.advance(now_ns, workload, |_| {});
        if let Some(after) = self.cosign_after_ns.take() {
            self.aging.clear();
            for waiting in &self.waiting {
                let part = waiting.len() % self.cosign_every;
                let waits = waiting.iter().rev().take(part);
                let cut_short = waits.filter(|due_ns| self.clock.ripe_ns(**due_ns, after) > now_ns);
                let cut_short = cut_short.count();
                self.offered.cut_short += if planned { cut_short as u64 } else { 0 };
            }
        }
        let clock = self.clock;
        let at_ns = |position_ns| clock.at_ns(position_ns).unwrap_or(now_ns);
        let mut offered = self.offered;
        let mut unserved = |count: u64, from_ns: u64, to_ns: u64| {
            let span_ns = (from_ns, to_ns);
            let (from_ns, to_ns) = (at_ns(from_ns), at_ns(to_ns));
            offered.count(count, span_ns, (from_ns, to_ns));
            offered.unserved += count;
            age(now_ns.saturating_sub(from_ns.midpoint(to_ns)), count);
        };
        match &mut self.source {
            Source::Closed => {}
            Source::Poisson(poisson) => {
                let taken: Vec<u64> = poisson.accepting.drain(..).map(|(_, left)| left).collect();
                let unopened = unopened.map(|session| workload.session(session).payments);
                let left =
                    poisson.most_left(end_ns, self.backlog, taken.into_iter().chain(unopened));
                let left = left.saturating_sub(self.backlog);
                self.read += poisson.rest(end_ns, left, unserved);
                let backlog = std::mem::take(&mut self.backlog);
                if backlog > 0 {
                    let due_ns = at_ns(clock.before_ns);
                    offered.again(backlog, due_ns);
                    offered.unserved += backlog;
                    age(now_ns.saturating_sub(due_ns), backlog);
                }
            }
            Source::Timed { speedup, next, .. } => {
                let mut late = |session: u64, from: u64| {
                    for payment in from..workload.session(session).payments {
                        let due = workload
                            .due_ns(session, payment)
                            .map(|due| due as f64 / *speedup);
                        match due.map(|due| due as u64).filter(|due_ns| *due_ns <= end_ns) {
                            Some(due_ns) => unserved(1, due_ns, due_ns),
                            None => break,
                        }
                    }
                };
                for Reverse((_, _, session, payment)) in next.drain() {
                    late(session, payment);
                }
                unopened.for_each(|session| late(session, 0));
            }
        }
        self.offered = offered;
    }

    /// Serves nothing more: what still waits is unserved, at its age.
    pub(super) fn give_up(&mut self, now_ns: u64, mut age: impl FnMut(u64, u64)) {
        for waiting in &mut self.waiting {
            for due_ns in waiting.drain(..) {
                age(now_ns.saturating_sub(due_ns), 1);
                self.offered.unserved += 1;
            }
        }
        self.waiting_count = 0;
    }

    /// How many of a slot's payments may be drawn now; `left` are not drawn yet.
    pub(super) fn available(&self, slot: u32, now_ns: u64, left: u64) -> usize {
        if self.is_closed_loop() {
            return usize::try_from(left).unwrap_or(usize::MAX);
        }
        let waiting = &self.waiting[slot as usize];
        let Some(after) = self.cosign_after_ns else {
            return waiting.len();
        };
        // Whole co-sign intervals, and a part of one only when it is the last or has waited enough.
        let whole = waiting.len() - waiting.len() % self.cosign_every;
        let oldest = waiting.get(whole);
        let ripe = oldest.is_some_and(|due_ns| self.clock.ripe_ns(*due_ns, after) <= now_ns);
        if ripe || waiting.len() as u64 == left {
            waiting.len()
        } else {
            whole
        }
    }

    /// Since when the first of those could be: it was due, and its co-sign interval was full, or
    /// waited no longer, or had its session's last payment.
    pub(super) fn available_since_ns(&self, slot: u32, now_ns: u64, left: u64) -> Option<u64> {
        if self.is_closed_loop() || self.available(slot, now_ns, left) == 0 {
            return None;
        }
        let waiting = &self.waiting[slot as usize];
        let due_ns = *waiting.front()?;
        let Some(after) = self.cosign_after_ns else {
            return Some(due_ns);
        };
        let full = waiting.get(self.cosign_every - 1).copied();
        let last = waiting.back().copied();
        let last = last.filter(|_| waiting.len() as u64 == left);
        let ripe_ns = self.clock.ripe_ns(due_ns, after);
        full.into_iter().chain(last).chain([ripe_ns]).min()
    }

    /// So many payments of those drawn were refused by their payer's own endpoint.
    pub(super) fn refused(&mut self, count: u64) {
        self.offered.refused += count;
    }

    /// So many payments of those drawn were lost with their channel.
    pub(super) fn lost(&mut self, count: u64) {
        self.offered.lost += count;
    }

    /// Whether payments wait at a slot.
    pub(super) fn waits_at(&self, slot: u32) -> bool {
        let waiting = self.waiting.get(slot as usize);
        waiting.is_some_and(|waiting| !waiting.is_empty())
    }

    /// Whether payments wait at any slot.
    pub(super) fn waits(&self) -> bool {
        self.waiting_count > 0
    }

    /// The due time of the slot's next payment, which is now drawn; `None` in closed loop.
    pub(super) fn take(&mut self, slot: u32) -> Option<u64> {
        let due = self.waiting.get_mut(slot as usize)?.pop_front();
        self.waiting_count -= usize::from(due.is_some());
        due
    }

    /// What still waits at a slot is served when it has waited enough.
    pub(super) fn served(&mut self, slot: u32) {
        if let (Some(after), Some(due)) = (
            self.cosign_after_ns,
            self.waiting.get(slot as usize).and_then(VecDeque::front),
        ) {
            let ripe_ns = self.clock.ripe_ns(*due, after);
            self.aging.push(Reverse((ripe_ns, slot)));
        }
    }

    /// A slot's session has stopped before its end: nothing more arrives there, and what waits is
    /// unserved, at its age. Looks through all slots, which is no matter for what ought not to
    /// happen.
    pub(super) fn withdraw(&mut self, slot: u32, now_ns: u64, mut age: impl FnMut(u64, u64)) {
        if let Some(waiting) = self.waiting.get_mut(slot as usize) {
            self.waiting_count -= waiting.len();
            for due_ns in waiting.drain(..) {
                age(now_ns.saturating_sub(due_ns), 1);
                self.offered.unserved += 1;
            }
        }
        match &mut self.source {
            Source::Closed => {}
            Source::Poisson(poisson) => poisson.accepting.retain(|(at, _)| *at != slot),
            Source::Timed { next, .. } => next.retain(|Reverse((_, at, ..))| *at != slot),
        }
    }

    /// When there will be something to do, by the shard's clock; `None` if that does not depend on
    /// time.
    pub(super) fn next_ns(&self) -> Option<u64> {
        let arrival = match &self.source {
            Source::Closed => None,
            Source::Poisson(poisson) => {
                (!poisson.accepting.is_empty()).then_some(poisson.next_ns as u64)
            }
            Source::Timed { speedup, next, .. } => next
                .peek()
                .map(|Reverse((due, ..))| (*due as f64 / speedup) as u64),
        };
        let arrival = arrival.and_then(|due_ns| self.clock.at_ns(due_ns));
        let aged = self.aging.peek().map(|Reverse((deadline, _))| *deadline);
        arrival.into_iter().chain(aged).min()
    }

    /// What came due so far.
    pub(super) fn offered(&self) -> Arrived {
        self.offered
    }
}

impl Source {
    /// The next arrival, if it is due by then: when, at which slot, and whether it is the slot's
    /// last.
    fn next(&mut self, by_ns: u64, workload: &dyn Workload) -> Option<(u64, u32, bool)> {
        match self {
            Source::Closed => None,
            Source::Poisson(poisson) => poisson.next(by_ns),
            Source::Timed {
                speedup,
                next,
                payments,
            } => {
                let Reverse((due, slot, session, payment)) = *next.peek()?;
                let due_ns = (due as f64 / *speedup) as u64;
                if due_ns > by_ns {
                    return None;
                }
                next.pop();
                let last = payment + 1 == payments[slot as usize];
                if !last && let Some(due) = workload.due_ns(session, payment + 1) {
                    next.push(Reverse((due, slot, session, payment + 1)));
                }
                Some((due_ns, slot, last))
            }
        }
    }
}

impl Arrived {
    /// So many come due once more.
    fn again(&mut self, count: u64, now_ns: u64) {
        self.count += count;
        self.backlog += count;
        widen(&mut self.due_here_ns, (now_ns, now_ns));
    }

    /// So many come due, the first and the last by the schedule's clock, and by the shard's.
    fn count(&mut self, count: u64, span_ns: (u64, u64), span_here_ns: (u64, u64)) {
        self.count += count;
        widen(&mut self.due_ns, span_ns);
        widen(&mut self.due_here_ns, span_here_ns);
    }
}

fn widen(span: &mut Option<(u64, u64)>, by: (u64, u64)) {
    *span = Some(span.map_or(by, |span| spanning(span, by)));
}

/// The least span that holds both.
pub(super) fn spanning(one: (u64, u64), other: (u64, u64)) -> (u64, u64) {
    (one.0.min(other.0), one.1.max(other.1))
}
