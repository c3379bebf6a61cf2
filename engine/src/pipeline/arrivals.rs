//! When payments are due. Closed loop: as soon as the one before is answered. Open loop: on a
//! schedule that does not wait for the system, so that a late answer counts from the due time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::workload::Workload;

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

/// A shard's arrivals: which payments of which slots are due. All times in nanoseconds.
pub(super) struct ArrivalQueue {
    source: Source,
    /// The due times of each slot's payments that are due and not drawn; empty in closed loop.
    waiting: Vec<VecDeque<u64>>,
    waiting_count: usize,
    cosign_every: usize,
    cosign_after_ns: Option<u64>,
    /// Slots with fewer waiting payments than the co-sign interval, and when they shall wait no
    /// longer.
    aging: BinaryHeap<Reverse<(u64, u32)>>,
    arrived: u64,
    started_ns: Option<u64>,
    first_due_ns: Option<u64>,
    last_due_ns: u64,
}

#[allow(clippy::large_enum_variant)] // There is one per shard.
enum Source {
    Closed,
    Poisson {
        rng: ChaCha8Rng,
        mean_gap_ns: f64,
        next_ns: f64,
        /// Slots that take arrivals, and how many each still takes.
        accepting: Vec<(u32, u64)>,
    },
    Timed {
        speedup: f64,
        /// The next payment of each slot: due time, slot, session, payment.
        next: BinaryHeap<Reverse<(u64, u32, u64, u64)>>,
        payments: Vec<u64>,
    },
}

impl ArrivalQueue {
    /// `share`: this shard's part of all slots, from 0 to 1.
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
            Arrivals::Poisson { per_s } => Source::Poisson {
                rng: ChaCha8Rng::from_seed(seed),
                mean_gap_ns: 1e9 / (per_s * share),
                next_ns: 0.0,
                accepting: Vec::new(),
            },
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
            waiting: (0..waiting).map(|_| VecDeque::new()).collect(),
            waiting_count: 0,
            cosign_every: cosign_every as usize,
            cosign_after_ns: cosign_after.map(|after| after.as_nanos() as u64),
            aging: BinaryHeap::new(),
            arrived: 0,
            started_ns: None,
            first_due_ns: None,
            last_due_ns: 0,
        }
    }

    pub(super) fn is_closed_loop(&self) -> bool {
        matches!(self.source, Source::Closed)
    }

    /// The schedule's clock starts.
    pub(super) fn start(&mut self, now_ns: u64) {
        self.started_ns = Some(now_ns);
        self.last_due_ns = now_ns;
        if let Source::Poisson {
            rng,
            mean_gap_ns,
            next_ns,
            ..
        } = &mut self.source
        {
            *next_ns = now_ns as f64 + exponential(rng) * *mean_gap_ns;
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
            Source::Poisson { accepting, .. } if payments > 0 => accepting.push((slot, payments)),
            Source::Poisson { .. } => {}
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

    /// No further arrivals: what waits is still served.
    pub(super) fn stop(&mut self) {
        match &mut self.source {
            Source::Closed => {}
            Source::Poisson { accepting, .. } => accepting.clear(),
            Source::Timed { next, .. } => next.clear(),
        }
    }

    /// Reads the schedule up to now; calls `ready` for slots that may have become ready.
    pub(super) fn advance(
        &mut self,
        now_ns: u64,
        workload: &dyn Workload,
        mut ready: impl FnMut(u32),
    ) {
        let Some(started_ns) = self.started_ns else {
            return;
        };
        while self.waiting_count < MOST_WAITING {
            let (slot, due_ns, last) = match &mut self.source {
                Source::Closed => return,
                Source::Poisson {
                    rng,
                    mean_gap_ns,
                    next_ns,
                    accepting,
                } => {
                    if *next_ns > now_ns as f64 || accepting.is_empty() {
                        break;
                    }
                    let due_ns = *next_ns as u64;
                    *next_ns += exponential(rng) * *mean_gap_ns;
                    let at = below(rng, accepting.len());
                    let (slot, left) = &mut accepting[at];
                    *left -= 1;
                    let (slot, last) = (*slot, *left == 0);
                    if last {
                        accepting.swap_remove(at);
                    }
                    (slot, due_ns, last)
                }
                Source::Timed {
                    speedup,
                    next,
                    payments,
                } => {
                    let Some(&Reverse((due, slot, session, payment))) = next.peek() else {
                        break;
                    };
                    let due_ns = started_ns + (due as f64 / *speedup) as u64;
                    if due_ns > now_ns {
                        break;
                    }
                    next.pop();
                    let last = payment + 1 == payments[slot as usize];
                    if !last && let Some(due) = workload.due_ns(session, payment + 1) {
                        next.push(Reverse((due, slot, session, payment + 1)));
                    }
                    (slot, due_ns, last)
                }
            };
            let waiting = &mut self.waiting[slot as usize];
            waiting.push_back(due_ns);
            self.waiting_count += 1;
            self.arrived += 1;
            self.first_due_ns.get_or_insert(due_ns);
            self.last_due_ns = due_ns;
            match self.cosign_after_ns {
                Some(after) if !last && waiting.len() < self.cosign_every => {
                    if waiting.len() == 1 {
                        self.aging.push(Reverse((due_ns + after, slot)));
                    }
                }
                _ => ready(slot),
            }
        }
        while let Some(&Reverse((deadline, slot))) = self.aging.peek() {
            if deadline > now_ns {
                break;
            }
            self.aging.pop();
            ready(slot);
        }
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
        let ripe = waiting.get(whole).is_some_and(|due| due + after <= now_ns);
        if ripe || waiting.len() as u64 == left {
            waiting.len()
        } else {
            whole
        }
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
            self.aging.push(Reverse((due + after, slot)));
        }
    }

    /// A slot's session is over: what waits there is dropped.
    pub(super) fn closed(&mut self, slot: u32) {
        let Some(waiting) = self.waiting.get_mut(slot as usize) else {
            return;
        };
        self.waiting_count -= waiting.len();
        waiting.clear();
    }

    /// A slot's session has stopped before its end: nothing more arrives there. Looks through all
    /// slots, which is no matter for what ought not to happen.
    pub(super) fn withdraw(&mut self, slot: u32) {
        self.closed(slot);
        match &mut self.source {
            Source::Closed => {}
            Source::Poisson { accepting, .. } => accepting.retain(|(at, _)| *at != slot),
            Source::Timed { next, .. } => next.retain(|Reverse((_, at, ..))| *at != slot),
        }
    }

    /// When there will be something to do; `None` if that does not depend on time.
    pub(super) fn next_ns(&self) -> Option<u64> {
        let started_ns = self.started_ns?;
        let arrival = match &self.source {
            Source::Closed => None,
            Source::Poisson {
                next_ns, accepting, ..
            } => (!accepting.is_empty()).then_some(*next_ns as u64),
            Source::Timed { speedup, next, .. } => next
                .peek()
                .map(|Reverse((due, ..))| started_ns + (*due as f64 / speedup) as u64),
        };
        let aged = self.aging.peek().map(|Reverse((deadline, _))| *deadline);
        arrival.into_iter().chain(aged).min()
    }

    /// Arrivals so far, and the time from the first of them to the last.
    pub(super) fn offered(&self) -> (u64, u64) {
        let first_ns = self.first_due_ns.unwrap_or(self.last_due_ns);
        (self.arrived, self.last_due_ns - first_ns)
    }

    /// When the schedule's clock started.
    pub(super) fn started_ns(&self) -> Option<u64> {
        self.started_ns
    }
}

/// A draw from the exponential distribution of mean 1, by inversion.
fn exponential(rng: &mut ChaCha8Rng) -> f64 {
    // 53 random bits, shifted off zero so that the logarithm is finite.
    let uniform = ((rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    -uniform.ln()
}

/// A uniform index below `bound`, by a widening multiplication.
fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    ((u128::from(rng.next_u64()) * bound as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_gaps_have_mean_one() {
        let mut rng = ChaCha8Rng::from_seed([7; 32]);
        let draws = 100_000;
        let mean = (0..draws).map(|_| exponential(&mut rng)).sum::<f64>() / f64::from(draws);
        // The mean's standard deviation is 1/√100,000 ≈ 0.003; five of them.
        assert!((mean - 1.0).abs() < 0.016, "{mean}");
    }

    #[test]
    fn indices_cover_their_range() {
        let mut rng = ChaCha8Rng::from_seed([1; 32]);
        let mut seen = [0; 7];
        (0..7000).for_each(|_| seen[below(&mut rng, 7)] += 1);
        assert!(
            seen.iter().all(|&count| (800..1200).contains(&count)),
            "{seen:?}"
        );
    }
}
