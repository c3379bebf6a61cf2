//! An open loop's schedule as the run file tells it, and whether its rate was held.

use duet_engine::pipeline::Offered;
use duet_run_file::run_file::OpenLoop;

/// Whether a part of a run held the rate that it was offered. What is only closed was offered none.
#[must_use]
pub fn held(offered: &Offered) -> bool {
    offered.arrived == 0 || open_loop(offered).not_held().is_none()
}

/// What came due, and what became of it. A rate that is none is not finite, and so `null`.
pub fn open_loop(offered: &Offered) -> OpenLoop {
    let offered_per_s = offered.offered_per_s.unwrap_or(f64::NAN);
    let behind_s = offered
        .behind
        .map_or(f64::NAN, |behind| behind.as_secs_f64());
    OpenLoop {
        arrived: offered.arrived,
        backlog: offered.backlog,
        arrived_before: offered.arrived_before,
        refused: offered.refused,
        lost: offered.lost,
        refused_before: offered.refused_before,
        late_before: offered.late_before,
        unserved: offered.unserved,
        unserved_before: offered.unserved_before,
        cut_short: offered.cut_short,
        stopped: offered.stopped,
        offered_per_s,
        achieved_per_s: offered.achieved_per_s.unwrap_or(f64::NAN),
        behind_s,
    }
}
