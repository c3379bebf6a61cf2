//! A run's whole life, in random parts, over the arrivals' code alone: whatever ends each of them,
//! every arrival that came due by the schedule is accounted for exactly once, whether it was read
//! or not.

use proptest::prelude::*;

use super::tests::{Sessions, planned};
use super::*;

const SLOTS: usize = 3;
const MEAN_GAP_NS: f64 = 1e6;
const SEED: [u8; 32] = [7; 32];

/// What one process does.
#[derive(Clone, Debug)]
struct Part {
    /// Its schedule's clock goes on: else it is told to stop, or to close, before all links are up.
    starts: bool,
    turns: Vec<Turn>,
    end: End,
    /// Payments that are served between the end of the schedule and that of the process.
    serves_last: usize,
}

/// So long after the one before, so many payments are served; what stands then is kept, or not.
#[derive(Clone, Debug)]
struct Turn {
    after_ns: u64,
    serves: usize,
    keeps: bool,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Kill,
    /// By a person, or by the planned end, which is noticed so much later.
    Stop {
        late_ns: u64,
    },
    /// The same, and a kill before what was served last was kept, or after.
    StopAndKill {
        keeps: bool,
    },
}

/// What outlives a process.
#[derive(Clone, Debug)]
struct Kept {
    at: Option<SchedulePosition>,
    slots: [Slot; SLOTS],
    /// Payments drawn, and given up.
    made: u64,
    unserved: u64,
    /// When each arrival is due, by a schedule that nobody disturbs.
    due_ns: Vec<f64>,
}

/// The session of a slot, and its payments drawn.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    generation: u64,
    drawn: u64,
}

struct Life {
    sessions: Sessions,
    /// Sessions of each slot.
    generations: u64,
    /// Between each arrival and the one before.
    gaps_ns: Vec<f64>,
    kept: Kept,
}

/// One process.
struct Process<'l> {
    life: &'l mut Life,
    live: Kept,
    queue: ArrivalQueue,
    now_ns: u64,
    /// Payments taken, and given up at an age.
    taken: u64,
    aged: u64,
}

fn queue() -> ArrivalQueue {
    let per_s = 1e9 / MEAN_GAP_NS;
    ArrivalQueue::new(&Arrivals::Poisson { per_s }, SLOTS, 1.0, SEED, 1, None)
}

impl Life {
    fn new(payments: u64, generations: u64) -> Life {
        let mut poisson = Poisson::new(SEED, MEAN_GAP_NS);
        let due_ns = std::iter::from_fn(|| {
            let due_ns = poisson.next_ns;
            poisson.rest(due_ns.ceil() as u64, 1, |_, _, _| {});
            Some(due_ns)
        });
        let due_ns: Vec<f64> = due_ns.take_while(|due_ns| *due_ns < 30e9).collect();
        let before_ns = [0.0].iter().chain(&due_ns);
        Life {
            gaps_ns: due_ns
                .iter()
                .zip(before_ns)
                .map(|(due, before)| due - before)
                .collect(),
            sessions: Sessions {
                payments,
                due_ns: Vec::new(),
            },
            generations,
            kept: Kept {
                at: None,
                slots: [Slot::default(); SLOTS],
                made: 0,
                unserved: 0,
                due_ns,
            },
        }
    }

    /// What the sessions can still pay.
    fn left(&self, kept: &Kept) -> u64 {
        let left = kept.slots.iter().map(|slot| {
            let all = (self.generations - slot.generation) * self.sessions.payments;
            all - slot.drawn
        });
        left.sum()
    }

    /// Arrivals up to there, of which so many are settled, as far as there are payments for them.
    /// What would have come due without one does not: the next gap begins there.
    fn due(&self, kept: &mut Kept, position_ns: u64, settled: u64) -> u64 {
        let most = (settled + self.left(kept)) as usize;
        let due_ns = &mut kept.due_ns;
        let due = due_ns.partition_point(|due_ns| *due_ns <= position_ns as f64);
        if due > most {
            let later_ns = position_ns as f64 + self.gaps_ns[most] - due_ns[most];
            due_ns[most..]
                .iter_mut()
                .for_each(|due_ns| *due_ns += later_ns);
        }
        due.min(most) as u64
    }

    fn part(&mut self, part: &Part) {
        let mut queue = queue();
        let mut live = self.kept.clone();
        let settled = live.made + live.unserved;
        if let Some(at) = live.at {
            let due = self.due(&mut live, at.clock_ns, settled);
            let left = std::iter::once(self.left(&live));
            queue.resume(at, settled, left).expect("it was kept so");
            assert_eq!(queue.backlog(), due - settled);
        }
        let mut process = Process {
            life: self,
            live,
            queue,
            now_ns: 70_000_000,
            taken: 0,
            aged: 0,
        };
        let backlog = process.queue.backlog();
        for slot in 0..SLOTS {
            process.open(slot);
        }
        if part.starts {
            process.queue.start(process.now_ns);
        }
        for turn in &part.turns {
            process.now_ns += turn.after_ns;
            let sessions = &process.life.sessions;
            process.queue.advance(process.now_ns, sessions, |_| {});
            process.serve(turn.serves, false);
            process.check(backlog);
            if turn.keeps {
                process.keep();
            }
        }
        match part.end {
            End::Kill => {}
            End::Stop { late_ns } => {
                process.stop(late_ns);
                process.check(backlog);
                process.serve(part.serves_last, true);
                process.give_up();
                process.check(backlog);
                process.keep();
            }
            End::StopAndKill { keeps } => {
                process.stop(0);
                process.serve(part.serves_last, true);
                process.check(backlog);
                if keeps {
                    process.keep();
                }
            }
        }
    }
}

impl Process<'_> {
    /// A slot's session takes what comes due.
    fn open(&mut self, slot: usize) {
        let Slot { generation, drawn } = self.live.slots[slot];
        if generation < self.life.generations {
            let (session, sessions) = (generation * SLOTS as u64, &self.life.sessions);
            let left = sessions.payments - drawn;
            self.queue.opened(slot as u32, session, left, sessions);
        }
    }

    /// Serves so many payments of those that wait. A session whose payments are made gives way to
    /// the next one.
    fn serve(&mut self, most: usize, ending: bool) {
        let mut left = most;
        while left > 0 && self.queue.waits() {
            for slot in 0..SLOTS {
                if self.queue.take(slot as u32).is_none() {
                    continue;
                }
                left = left.saturating_sub(1);
                self.taken += 1;
                self.live.made += 1;
                self.live.slots[slot].drawn += 1;
                if self.live.slots[slot].drawn == self.life.sessions.payments {
                    self.end_session(slot);
                    if !ending {
                        self.open(slot);
                    }
                }
            }
        }
    }

    fn end_session(&mut self, slot: usize) {
        let generation = self.live.slots[slot].generation + 1;
        self.live.slots[slot] = Slot {
            generation,
            drawn: 0,
        };
    }

    /// The schedule ends where it stands, or ended there.
    fn stop(&mut self, late_ns: u64) {
        let end_ns = self.queue.position_ns(self.now_ns);
        self.now_ns += late_ns;
        let settled = self.live.made + self.unserved();
        let due = self.life.due(&mut self.live, end_ns, settled);
        let slots = self.live.slots.iter();
        // Those of each slot's later generations.
        let unopened: u64 = slots
            .map(|slot| (self.life.generations - slot.generation).saturating_sub(1))
            .sum();
        let (sessions, aged) = (&self.life.sessions, &mut self.aged);
        let age = |_, count| *aged += count;
        self.queue
            .end(planned(end_ns), self.now_ns, sessions, 0..unopened, age);
        let at = self.queue.position(self.now_ns);
        assert_eq!((at.clock_ns, at.arrivals), (end_ns, due));
        assert_eq!(self.queue.backlog(), 0);
    }

    /// All sessions that are open end.
    fn give_up(&mut self) {
        let aged = &mut self.aged;
        self.queue.give_up(self.now_ns, |_, count| *aged += count);
        for slot in 0..SLOTS {
            if self.live.slots[slot].generation < self.life.generations {
                self.end_session(slot);
            }
        }
    }

    fn unserved(&self) -> u64 {
        let offered = self.queue.offered();
        self.live.unserved + offered.unserved + offered.unserved_before
    }

    /// Each arrival is one thing, and is counted as that.
    fn check(&self, backlog: u64) {
        let (queue, offered) = (&self.queue, self.queue.offered());
        let waiting = queue.waiting_count as u64;
        let read = queue.position(self.now_ns).arrivals;
        let settled = self.live.made + self.unserved();
        assert_eq!(read, settled + waiting + queue.backlog());
        assert_eq!(read, offered.before + offered.count - offered.backlog);
        let once_more = offered.backlog + offered.unserved_before;
        assert_eq!(backlog, once_more + queue.backlog());
        // What came due here is in the response times once, or waits.
        assert_eq!(offered.count, self.taken + self.aged + waiting);
        assert_eq!(offered.unserved, self.aged);
    }

    fn keep(&mut self) {
        self.life.kept = Kept {
            at: Some(self.queue.position(self.now_ns)),
            unserved: self.unserved(),
            ..self.live.clone()
        };
    }
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let turn =
        (0..400_000_000_u64, 0..300_usize, any::<bool>()).prop_map(|(after_ns, serves, keeps)| {
            Turn {
                after_ns,
                serves,
                keeps,
            }
        });
    let end = prop_oneof![
        2 => Just(End::Kill),
        1 => (0..50_000_000_u64).prop_map(|late_ns| End::Stop { late_ns }),
        1 => any::<bool>().prop_map(|keeps| End::StopAndKill { keeps }),
    ];
    let turns = prop::collection::vec(turn, 0..6);
    let part = (prop::bool::weighted(0.8), turns, end, 0..300_usize).prop_map(
        |(starts, turns, end, serves_last)| Part {
            starts,
            turns,
            end,
            serves_last,
        },
    );
    prop::collection::vec(part, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_arrival_is_accounted_for_once(
        parts in parts(),
        payments in 1..200_u64,
        generations in 1..12_u64,
    ) {
        let mut life = Life::new(payments, generations);
        for part in &parts {
            life.part(part);
        }
        // Only closed at last: nothing is left in between.
        life.part(&Part {
            starts: false,
            turns: Vec::new(),
            end: End::Stop { late_ns: 0 },
            serves_last: 0,
        });
        let first = life.kept.clone();
        let at = first.at.expect("it was kept");
        prop_assert_eq!(at.arrivals, first.made + first.unserved);
        // Nothing comes due while nothing goes on.
        life.part(&Part {
            starts: false,
            turns: Vec::new(),
            end: End::Stop { late_ns: 0 },
            serves_last: 0,
        });
        prop_assert_eq!(life.kept.at.map(|at| at.arrivals), Some(at.arrivals));
    }
}
