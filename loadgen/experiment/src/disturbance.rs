//! Whether the machine was a run's own, and what is done about a run that it was not. Pure.

use duet_run_file::RunFile;

/// So many disturbed runs are set aside; of a machine that is never quiet the next ones count.
pub const MOST_SET_ASIDE: usize = 30;
/// What is less than three of the ticks that the system counts in is not told from nothing.
const LEAST_DISTURBANCE_S: f64 = 0.03;

/// What others took of the CPU time of a run's machine; 0 where the system does not tell. Of a
/// durable run only what the host gave away: its syncs are other threads' work, the system's.
#[must_use]
pub fn disturbance(run: &RunFile) -> f64 {
    let is_durable = run.assurance.durability != "none";
    let others = run.machine.others_share.filter(|_| !is_durable);
    run.machine.stolen_share.unwrap_or(0.0) + others.unwrap_or(0.0)
}

/// Whether a run is to be set aside and made again, `so_far` having been. It does not ask what the
/// run says: to set aside only those that fail would raise the answer.
#[must_use]
pub fn sets_aside(
    disturbance: f64,
    limit: f64,
    duration_s: f64,
    cores: u64,
    so_far: usize,
) -> bool {
    let least = LEAST_DISTURBANCE_S / (duration_s * cores as f64);
    so_far < MOST_SET_ASIDE && disturbance > limit.max(least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_run_is_set_aside_for_what_others_took_of_a_machine_that_can_be_quiet() {
        // Disturbance, limit, seconds, cores, set aside so far.
        for (taken, limit, duration_s, cores, so_far, expected) in [
            (0.004, 0.005, 8.0, 2, 0, false),
            (0.006, 0.005, 8.0, 2, 0, true),
            (0.006, 0.005, 8.0, 2, MOST_SET_ASIDE - 1, true),
            (0.006, 0.005, 8.0, 2, MOST_SET_ASIDE, false),
            (0.006, 0.01, 8.0, 2, 0, false),
            // Two ticks of a hundred a second, and four.
            (0.01, 0.005, 1.0, 2, 0, false),
            (0.02, 0.005, 1.0, 2, 0, true),
            (0.01, 0.005, 1.0, 16, 0, true),
            (1.0, 1.0, 8.0, 2, 0, false),
        ] {
            let found = sets_aside(taken, limit, duration_s, cores, so_far);
            assert_eq!(
                found, expected,
                "{taken} {limit} {duration_s} {cores} {so_far}"
            );
        }
    }

    #[test]
    fn a_durable_runs_own_syncs_do_not_disturb_it() {
        let mut run = sample::open_loop();
        for (durability, stolen, others, expected) in [
            ("none", Some(0.25), Some(0.5), 0.75),
            ("fsync", Some(0.25), Some(0.5), 0.25),
            ("none", None, None, 0.0),
        ] {
            run.assurance.durability = durability.to_owned();
            (run.machine.stolen_share, run.machine.others_share) = (stolen, others);
            assert_eq!(disturbance(&run), expected);
        }
    }
}
