//! How shards kept up with their schedules, and what that comes to over all of them.

use std::time::Duration;

use super::arrivals::{Arrivals, Arrived, ScheduleEnd, spanning};

/// An open loop's schedule, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offered {
    /// Payments that came due, to the schedule's end. Each is in the response times once, served,
    /// or at its age when it was given up; but for those that were refused.
    pub arrived: u64,
    /// Those that had come due before a restart, were not answered, and came due once more.
    pub backlog: u64,
    /// What had come due before a restart, whether it had been looked at or not.
    pub arrived_before: u64,
    /// Those that their payer's own endpoint refused.
    pub refused: u64,
    /// Those that were lost with a channel that stopped.
    pub lost: u64,
    /// Of what had come due before a restart, what was refused.
    pub refused_before: u64,
    /// Of what had come due before a restart, what was not served.
    pub unserved_before: u64,
    /// A part of the run that ended before a restart did not hold its rate.
    pub late_before: bool,
    /// Those that were not served.
    pub unserved: u64,
    /// Those that still waited for their co-sign interval to fill when the schedule ended, and were
    /// then proposed at once.
    pub cut_short: u64,
    /// The schedule was ended before its plan, by an interrupt.
    pub stopped: bool,
    /// The rate at which they came due, as drawn, from the first to the last by the schedule's
    /// clock, the backlog aside; none if all of them came due at one time.
    pub offered_per_s: Option<f64>,
    /// The rate at which they were completed, from when the first came due to when the last was
    /// completed, over all shards; none if all of them were completed at one time.
    pub achieved_per_s: Option<f64>,
    /// From when the last payment came due to when the last one was completed, and the time in
    /// which those that were not served came due; none without either. If the schedule was stopped,
    /// or payments may wait for their co-sign interval: how long any payment had waited when it
    /// ended that could be proposed, since what could not is proposed then all at once.
    pub behind: Option<Duration>,
}

/// How far a shard is with the end of its schedule.
#[derive(Default)]
pub(super) struct Ending {
    /// No session opens any more, and no payment comes due.
    pub(super) draining: bool,
    /// Where the schedule ends, once that is known.
    pub(super) end: Option<ScheduleEnd>,
    /// How it kept up by then.
    pub(super) at_end: Option<AtEnd>,
    /// Draining: until when payments that had come due by then are served.
    pub(super) serving_until_ns: Option<u64>,
}

/// How one shard kept up with its schedule.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) arrived: Arrived,
    /// When the first wave was completed.
    pub(super) first_completion_ns: Option<u64>,
    pub(super) last_completion_ns: u64,
    /// Payments completed since the figures began.
    pub(super) completed: u64,
    /// Of what had come due before a restart: what was refused, and not served.
    pub(super) refused_before: u64,
    pub(super) unserved_before: u64,
    pub(super) late_before: bool,
    /// Whether payments may wait for their co-sign interval to fill.
    pub(super) waits_for_intervals: bool,
    pub(super) at_end: Option<AtEnd>,
}

/// How a shard kept up when its schedule ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct AtEnd {
    /// Somebody ended it before its plan.
    pub(super) stopped: bool,
    /// The longest that a payment had waited that could be proposed, or whose session was to open.
    pub(super) behind_ns: u64,
    /// What had come due before a restart waited: it comes due at one moment, whenever that is.
    pub(super) serves_backlog: bool,
}

impl Pace {
    fn was_stopped(&self) -> bool {
        self.at_end.is_some_and(|at_end| at_end.stopped)
    }

    /// How long it was behind at its end; none if nothing came due, or was completed.
    fn behind_ns(&self) -> Option<u64> {
        let (_, last_due_ns) = self.arrived.due_here_ns?;
        let completed_ns = (self.last_completion_ns > 0).then_some(self.last_completion_ns)?;
        let since_due_ns = completed_ns.saturating_sub(last_due_ns);
        Some(match self.at_end {
            Some(at_end) if at_end.serves_backlog => at_end.behind_ns.max(since_due_ns),
            Some(at_end) if at_end.stopped || self.waits_for_intervals => at_end.behind_ns,
            _ => since_due_ns,
        })
    }
}

/// Sums up how the shards kept up; none in closed loop.
pub(super) fn offered(arrivals: &Arrivals, paces: &[Pace]) -> Option<Offered> {
    if *arrivals == Arrivals::Closed {
        return None;
    }
    let per_s = |count: u64, from_ns: u64, to_ns: u64| {
        let span_ns = to_ns.checked_sub(from_ns).filter(|span_ns| *span_ns > 0)?;
        Some(count as f64 * 1e9 / span_ns as f64)
    };
    let sum = |count: fn(&Arrived) -> u64| {
        let arrived = paces.iter().map(|pace| &pace.arrived);
        arrived.map(count).sum::<u64>()
    };
    let arrived = sum(|of| of.count);
    let backlog = sum(|of| of.backlog);
    // Shards start the schedule's clock when their channels are open, which is not at one time.
    let due_ns = paces.iter().filter_map(|pace| pace.arrived.due_ns);
    let due_ns = due_ns.reduce(spanning);
    let due_here_ns = paces.iter().filter_map(|pace| pace.arrived.due_here_ns);
    let due_here_ns = due_here_ns.reduce(spanning);
    let last_completion_ns = paces.iter().map(|pace| pace.last_completion_ns).max()?;
    let first_completion_ns = paces
        .iter()
        .filter_map(|pace| pace.first_completion_ns)
        .min();
    let completed = paces.iter().map(|pace| pace.completed).sum::<u64>();
    let drawn = arrived - backlog;
    let offered_per_s =
        due_ns.and_then(|(first, last)| per_s(drawn.saturating_sub(1), first, last));
    let unserved = sum(|of| of.unserved);
    let unserved_ns = offered_per_s.map_or(0.0, |per_s| unserved as f64 * 1e9 / per_s) as u64;
    let stopped = paces.iter().any(Pace::was_stopped);
    let each = stopped || paces.iter().any(|pace| pace.waits_for_intervals);
    let behind_ns = match each {
        true => paces.iter().filter_map(Pace::behind_ns).max(),
        // What was not served came due in as much time; a backlog alone did at one moment.
        false => due_here_ns
            .filter(|_| last_completion_ns > 0)
            .map(|(_, last)| last_completion_ns.saturating_sub(last) + unserved_ns),
    };
    let unserved_before = paces.iter().map(|pace| pace.unserved_before).sum::<u64>();
    Some(Offered {
        arrived,
        backlog,
        arrived_before: sum(|of| of.before),
        refused: sum(|of| of.refused),
        lost: sum(|of| of.lost),
        refused_before: paces.iter().map(|pace| pace.refused_before).sum(),
        late_before: paces.iter().any(|pace| pace.late_before),
        unserved,
        unserved_before: unserved_before + sum(|of| of.unserved_before),
        cut_short: sum(|of| of.cut_short),
        stopped,
        offered_per_s,
        achieved_per_s: due_here_ns
            .filter(|_| first_completion_ns.is_some_and(|first| first < last_completion_ns))
            .and_then(|(first, _)| per_s(completed.saturating_sub(1), first, last_completion_ns)),
        behind: behind_ns.map(Duration::from_nanos),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::arrivals::Arrived;

    /// A shard's pace: payments, when the first and the last were due, and were completed, in ms.
    fn pace(count: u64, due_ms: (u64, u64), completed_ms: (u64, u64)) -> Pace {
        let ns = |ms: u64| ms * 1_000_000;
        let due_ns = Some((ns(due_ms.0), ns(due_ms.1)));
        Pace {
            arrived: Arrived {
                count,
                due_ns,
                due_here_ns: due_ns,
                ..Arrived::default()
            },
            first_completion_ns: Some(ns(completed_ms.0)),
            last_completion_ns: ns(completed_ms.1),
            completed: count,
            refused_before: 0,
            unserved_before: 0,
            late_before: false,
            waits_for_intervals: false,
            at_end: None,
        }
    }

    #[test]
    fn where_intervals_are_cut_the_end_is_behind_by_what_waited_then() {
        let arrivals = Arrivals::Poisson { per_s: 1.0 };
        let ended = |stopped: bool, ms: u64, pace: Pace| Pace {
            at_end: Some(AtEnd {
                stopped,
                behind_ns: ms * 1_000_000,
                serves_backlog: false,
            }),
            ..pace
        };
        let (stopped, planned) = (
            |ms, pace| ended(true, ms, pace),
            |ms, pace| ended(false, ms, pace),
        );
        // All were completed 400 ms after the last was due.
        let late = pace(1001, (0, 1000), (1, 1400));
        let waits = Pace {
            waits_for_intervals: true,
            ..late
        };
        let nothing = Pace {
            last_completion_ns: 0,
            ..late
        };
        let mut backlog = stopped(0, late);
        backlog.at_end.as_mut().expect("it ended").serves_backlog = true;
        for (name, paces, is_stopped, behind_ms) in [
            ("it ended by itself", vec![late, late], false, Some(400)),
            ("as planned", vec![planned(7, late)], false, Some(400)),
            ("with intervals", vec![planned(7, waits)], false, Some(7)),
            (
                "stopped",
                vec![stopped(0, late), stopped(0, late)],
                true,
                Some(0),
            ),
            (
                "one behind",
                vec![stopped(0, late), stopped(70, waits)],
                true,
                Some(70),
            ),
            (
                "one had ended",
                vec![late, stopped(0, late)],
                true,
                Some(400),
            ),
            (
                "with a backlog",
                vec![backlog, stopped(3, late)],
                true,
                Some(400),
            ),
            (
                "nothing was completed",
                vec![stopped(3, nothing)],
                true,
                None,
            ),
        ] {
            let found = offered(&arrivals, &paces).expect("an open loop");
            assert_eq!(found.stopped, is_stopped, "{name}");
            assert_eq!(found.behind, behind_ms.map(Duration::from_millis), "{name}");
        }
    }

    #[test]
    fn what_was_achieved_is_of_one_span_and_no_more_than_what_came_due() {
        let arrivals = Arrivals::Poisson { per_s: 1.0 };
        // Paces => achieved per second, behind in ms.
        for (name, paces, achieved_per_s, behind_ms) in [
            (
                "one shard",
                vec![pace(1001, (0, 1000), (1, 1000))],
                Some(1000.0),
                0,
            ),
            (
                "shards that are busy one after the other",
                vec![
                    pace(501, (0, 100), (10, 600)),
                    pace(500, (900, 1000), (910, 2000)),
                ],
                Some(500.0),
                1000,
            ),
            (
                "all completed late, and nearly at once",
                vec![pace(1001, (0, 1000), (1990, 2000))],
                Some(500.0),
                1000,
            ),
            (
                "one wave",
                vec![pace(100, (0, 1000), (1500, 1500))],
                None,
                500,
            ),
        ] {
            let found = offered(&arrivals, &paces).expect("an open loop");
            assert_eq!(found.achieved_per_s, achieved_per_s, "{name}");
            let behind = Duration::from_millis(behind_ms);
            assert_eq!(found.behind, Some(behind), "{name}");
            let most = found.offered_per_s.expect("two times");
            assert!(
                found.achieved_per_s.is_none_or(|achieved| achieved <= most),
                "{name}"
            );
        }
    }
}
