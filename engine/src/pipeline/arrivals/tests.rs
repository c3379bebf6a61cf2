//! Schedules that end, that go on after a restart, and that nobody keeps up with.

use super::*;

use super::super::workload::{AccountIndex, Next, Session};
use duet_channels::protocol::{Amount, Pair, Party, Payment};

/// Sessions of so many payments, at the due times given.
pub(super) struct Sessions {
    pub(super) payments: u64,
    pub(super) due_ns: Vec<u64>,
}

impl Workload for Sessions {
    fn sessions(&self) -> u64 {
        1 << 30
    }

    fn session(&self, _: u64) -> Session {
        Session {
            accounts: Pair { a: 0, b: 1 },
            nonce: 0,
            deposits: Pair {
                a: Amount::new(1),
                b: Amount::new(0),
            },
            payments: self.payments,
        }
    }

    fn payer(&self, _: u64, _: u64) -> Party {
        Party::A
    }

    fn draw(&self, _: u64, _: u64, _: usize, _: &mut Vec<Payment>) -> Next {
        Next::Same
    }

    fn accounts(&self) -> AccountIndex {
        2
    }

    fn opens(&self, _: AccountIndex) -> u64 {
        1
    }

    fn allocation(&self, _: AccountIndex) -> Amount {
        Amount::new(1)
    }

    fn due_ns(&self, _: u64, payment: u64) -> Option<u64> {
        self.due_ns.get(payment as usize).copied()
    }
}

const POISSON: Sessions = Sessions {
    payments: 1 << 40,
    due_ns: Vec::new(),
};

/// One slot, 1,000 payments per second.
fn queue(arrivals: Arrivals, cosign: (u32, Option<u64>)) -> ArrivalQueue {
    let (every, after_ms) = cosign;
    let after = after_ms.map(Duration::from_millis);
    ArrivalQueue::new(&arrivals, 1, 1.0, [7; 32], every, after)
}

fn poisson(per_s: f64) -> ArrivalQueue {
    let mut queue = queue(Arrivals::Poisson { per_s }, (1, None));
    queue.opened(0, 0, POISSON.payments, &POISSON);
    queue
}

/// The due times that wait, by the shard's clock.
fn taken(queue: &mut ArrivalQueue) -> Vec<u64> {
    std::iter::from_fn(|| queue.take(0)).collect()
}

const MS: u64 = 1_000_000;

/// A schedule ends there as planned.
pub(super) fn planned(at_ns: u64) -> ScheduleEnd {
    ScheduleEnd {
        at_ns,
        planned: true,
    }
}

#[test]
fn a_schedule_that_goes_on_keeps_its_distances() {
    let mut whole = poisson(1e3);
    whole.start(0);
    whole.advance(1000 * MS, &POISSON, |_| {});
    let all = taken(&mut whole);
    for cut_ms in [1, 250, 999] {
        let mut before = poisson(1e3);
        before.start(5 * MS);
        before.advance((5 + cut_ms) * MS, &POISSON, |_| {});
        let position = before.position((5 + cut_ms) * MS);
        assert_eq!(position.clock_ns, cut_ms * MS);
        let read = taken(&mut before).len();
        // Of what was read, one was not answered.
        let backlog = u64::from(read > 0);
        let mut after = poisson(1e3);
        let settled = read as u64 - backlog;
        let left = std::iter::once(POISSON.payments);
        after.resume(position, settled, left).expect("it was read");
        assert_eq!(after.backlog(), backlog);
        // The links are up at 70 ms of another process's clock.
        after.start(70 * MS);
        after.advance((70 + 1000 - cut_ms) * MS, &POISSON, |_| {});
        let found = taken(&mut after);
        let expected = all[read..].iter().map(|due| due - cut_ms * MS + 70 * MS);
        let once_more = std::iter::repeat_n(70 * MS, backlog as usize);
        let expected: Vec<u64> = once_more.chain(expected).collect();
        assert_eq!(found, expected, "cut at {cut_ms} ms");
        assert_eq!(after.offered().count, found.len() as u64);
    }
}

/// There may be as many sessions as one likes.
#[test]
fn what_waits_for_a_session_is_found_at_the_first_that_takes_it() {
    for (now_ms, end_ms, due) in [(1000, 1000, true), (1000, 0, false)] {
        let mut queue = poisson(1e3);
        queue.withdraw(0, 0, |_, _| {});
        queue.start(0);
        queue.advance(now_ms * MS, &POISSON, |_| {});
        let unopened = (0..u64::MAX).inspect(|session| {
            assert!(due && *session == 0, "it looked at session {session}");
        });
        let unread: Vec<u64> = queue
            .unread(planned(end_ms * MS), &POISSON, unopened)
            .collect();
        assert_eq!(unread.len(), usize::from(due), "{unread:?}");
        assert!(
            unread.iter().all(|due_ns| *due_ns <= end_ms * MS),
            "{unread:?}"
        );
    }
}

#[test]
fn payments_can_be_proposed_since_their_interval_was_full_or_waited_no_longer() {
    let due_ns = [10, 20, 30, 40, 50].map(|ms| ms * MS).to_vec();
    let timed = Sessions {
        payments: 5,
        due_ns,
    };
    // Co-sign interval and how long to wait for it, the time, payments left => since when they can.
    for (every, after_ms, now_ms, left, since_ms) in [
        (1, None, 35, 5, Some(10)),
        (3, Some(100), 25, 5, None),
        (3, Some(100), 35, 5, Some(30)),
        (3, Some(15), 24, 5, None),
        (3, Some(15), 27, 5, Some(25)),
        (3, Some(5), 35, 5, Some(15)),
        (9, Some(100), 45, 5, None),
        (9, Some(100), 55, 5, Some(50)),
        (9, Some(100), 112, 9, Some(110)),
    ] {
        let mut queue = queue(Arrivals::Timed { speedup: 1.0 }, (every, after_ms));
        queue.opened(0, 0, 5, &timed);
        queue.start(0);
        queue.advance(now_ms * MS, &timed, |_| {});
        let found = queue.available_since_ns(0, now_ms * MS, left);
        let case = format!("{every} {after_ms:?} at {now_ms} ms");
        assert_eq!(found, since_ms.map(|ms: u64| ms * MS), "{case}");
    }
}

/// What was due before has waited for its co-sign interval, and the end cuts nothing of it short.
#[test]
fn a_backlog_waits_for_no_interval_once_more() {
    let before = SchedulePosition {
        clock_ns: 100 * MS,
        arrivals: 5,
        next_due_ns: 100.5 * MS as f64,
        mean_gap_ns: MS as f64,
    };
    // Settled before, milliseconds since the clock went on => what is drawn at once.
    for (settled, since_ms, drawn) in [(5, 0, 0), (4, 0, 1), (1, 0, 4), (5, 2, 0), (1, 2, 4)] {
        let mut queue = queue(Arrivals::Poisson { per_s: 1e3 }, (3, Some(50)));
        let left = std::iter::once(POISSON.payments);
        queue.resume(before, settled, left).expect("it was read");
        queue.opened(0, 0, POISSON.payments, &POISSON);
        queue.start(70 * MS);
        let mut ready = 0;
        queue.advance(70 * MS, &POISSON, |_| ready += 1);
        assert_eq!(ready > 0, drawn > 0, "{settled}");
        assert_eq!(queue.available(0, 70 * MS, 1000), drawn, "{settled}");
        assert_eq!(queue.serves_backlog(), settled < 5, "{settled}");
        let now_ns = (70 + since_ms) * MS;
        queue.advance(now_ns, &POISSON, |_| {});
        let fresh = queue.offered().count - queue.offered().backlog;
        let end_ns = queue.position_ns(now_ns);
        queue.end(planned(end_ns), now_ns, &POISSON, 0..0, |_, _| {});
        let part = (queue.waiting[0].len() % 3) as u64;
        assert_eq!(queue.offered().cut_short, fresh.min(part), "{settled}");
    }
}

/// What was due by the schedule when the clock stood still comes due once more, although nobody had
/// looked.
#[test]
fn what_was_due_and_not_read_is_a_backlog_and_moves_no_rate() {
    // Mean gaps before and after the restart: the backlog is by the one of before.
    for (per_s_before, per_s) in [(1e3, 1e3), (1e3, 100.0), (100.0, 1e3)] {
        let mut whole = poisson(per_s_before);
        whole.start(0);
        whole.advance(10_000 * MS, &POISSON, |_| {});
        let due = taken(&mut whole).len() as u64;
        // A session that takes two payments, and no other one while the process stands still.
        let mut before = queue(
            Arrivals::Poisson {
                per_s: per_s_before,
            },
            (1, None),
        );
        before.opened(0, 0, 2, &POISSON);
        before.start(0);
        before.advance(10_000 * MS, &POISSON, |_| {});
        assert_eq!(taken(&mut before).len(), 2);
        let position = before.position(10_000 * MS);
        assert_eq!(position.arrivals, 2);

        for left in [POISSON.payments, due / 2, 0] {
            let mut after = poisson(per_s);
            let left = std::iter::repeat_n(1, left.min(1 << 20) as usize);
            let all = (due - 2).min(left.len() as u64);
            after.resume(position, 2, left).expect("it was read");
            assert_eq!(after.backlog(), all);
            assert_eq!(after.offered().before, all + 2);
        }
        let mut after = poisson(per_s);
        let left = std::iter::once(POISSON.payments);
        after.resume(position, 2, left).expect("it was read");
        after.start(0);
        after.advance(20_000 * MS, &POISSON, |_| {});
        let offered = after.offered();
        assert_eq!((offered.backlog, offered.before), (due - 2, due));
        let drawn = offered.count - offered.backlog;
        let (first_ns, last_ns) = offered.due_ns.expect("more came due");
        let span_s = (last_ns - first_ns) as f64 / 1e9;
        let rate = (drawn - 1) as f64 / span_s;
        assert!((rate / per_s - 1.0).abs() < 0.1, "{rate} of {per_s}");
    }
}

#[test]
fn a_schedule_goes_on_only_from_where_it_can_have_stood() {
    let position = poisson(1e3).position(0);
    type Spoil = fn(&mut SchedulePosition);
    let table: [(Spoil, u64, &str); 5] = [
        (|_| {}, 0, ""),
        (|_| {}, 1, "it counts fewer arrivals"),
        (|at| at.next_due_ns = f64::NAN, 0, "its schedule is none"),
        (
            |at| at.next_due_ns = f64::INFINITY,
            0,
            "its schedule is none",
        ),
        (|at| at.mean_gap_ns = 0.0, 0, "its schedule is none"),
    ];
    for (spoil, settled, expected) in table {
        let mut at = position;
        spoil(&mut at);
        let resumed = poisson(1e3).resume(at, settled, 0..0);
        let problem = resumed.err().unwrap_or_default();
        assert_eq!(problem.is_empty(), expected.is_empty(), "{at:?}");
        assert!(problem.starts_with(expected), "{problem}");
    }
}

/// Ends a schedule, and gives the ages of what was not served.
fn end(queue: &mut ArrivalQueue, end_ns: u64, now_ns: u64, unopened: u64) -> Vec<(u64, u64)> {
    let mut ages = Vec::new();
    let mut age = |age_ns, count| ages.push((age_ns, count));
    queue.end(planned(end_ns), now_ns, &POISSON, 0..unopened, &mut age);
    ages
}

#[test]
fn a_schedule_is_read_to_its_end_and_what_is_left_counts_at_its_age() {
    let mut whole = poisson(1e3);
    whole.start(0);
    whole.advance(1000 * MS, &POISSON, |_| {});
    let all = taken(&mut whole);

    // A thread that was held up from 100 ms on notices the end half a second late.
    let mut late = poisson(1e3);
    late.start(0);
    late.advance(100 * MS, &POISSON, |_| {});
    assert!(end(&mut late, 1000 * MS, 1500 * MS, 0).is_empty());
    assert_eq!(late.offered().count, all.len() as u64);
    let mut ages = 0;
    late.take(0);
    late.give_up(1600 * MS, |age_ns, count| {
        assert!(age_ns >= 600 * MS);
        ages += count;
    });
    let found = late.offered();
    assert_eq!((ages, found.unserved), (all.len() as u64 - 1, ages));
    assert!(!late.waits());

    // No session is open, but others are still to come, or none are.
    for (unopened, expected) in [(1, all.len()), (0, 0)] {
        let mut closed = queue(Arrivals::Poisson { per_s: 1e3 }, (1, None));
        closed.start(0);
        let ages = end(&mut closed, 1000 * MS, 1000 * MS, unopened);
        let expected_ages = all.iter().take(expected).map(|due| (1000 * MS - due, 1));
        assert_eq!(ages, expected_ages.collect::<Vec<_>>());
        assert_eq!(closed.offered().unserved, expected as u64);
    }
}

#[test]
fn a_schedule_far_beyond_the_machine_ends_soon_and_is_counted_whole() {
    let per_s = 1e9;
    let mut queue = poisson(per_s);
    queue.start(0);
    queue.advance(MS, &POISSON, |_| {});
    let ages = end(&mut queue, 1000 * MS, 1000 * MS, 1 << 30);
    let found = queue.offered();
    let counted = ages.iter().map(|(_, count)| count).sum::<u64>();
    assert_eq!(found.unserved, counted);
    assert_eq!(found.count - found.unserved, MOST_WAITING as u64);
    // 10^9 ± 3 × 10^4, and on the average half as old as the schedule is long.
    assert!(found.count.abs_diff(1_000_000_000) < 300_000, "{found:?}");
    let of_each = ages
        .iter()
        .map(|(age_ns, count)| *age_ns as f64 * *count as f64);
    let mean_ms = of_each.sum::<f64>() / counted as f64 / 1e6;
    assert!((mean_ms - 500.0).abs() < 2.0, "{mean_ms}");
}

#[test]
fn the_end_cuts_short_what_waited_for_its_interval() {
    for (after_ms, now_ms, planned, waits, cut_short) in [
        (Some(50), 60, true, true, 2),
        (Some(50), 95, true, false, 0),
        // Who stops a run does not ask it to have been faster.
        (Some(50), 60, false, true, 0),
        (None, 60, true, false, 0),
    ] {
        let due_ns = [10, 20, 30, 40, 41].map(|ms| ms * MS).to_vec();
        let timed = Sessions {
            payments: 9,
            due_ns,
        };
        let mut queue = queue(Arrivals::Timed { speedup: 1.0 }, (3, after_ms));
        queue.opened(0, 0, 9, &timed);
        queue.start(0);
        queue.advance(now_ms * MS - 1, &timed, |_| {});
        let part = if waits { 3 } else { 5 };
        assert_eq!(queue.available(0, now_ms * MS - 1, 9), part, "{after_ms:?}");
        let mut age = |_, _| unreachable!("all of it can wait");
        let end = ScheduleEnd {
            at_ns: now_ms * MS,
            planned,
        };
        queue.end(end, now_ms * MS, &timed, 0..0, &mut age);
        assert_eq!(queue.offered().cut_short, cut_short, "{after_ms:?}");
        assert_eq!(queue.available(0, now_ms * MS, 9), 5);
    }
}
