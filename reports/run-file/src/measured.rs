//! What a reader must know before any figure: what of a run they are of, where it went on after a
//! restart, and whether the machine was busy with something else. Pure.

use crate::human;
use crate::run_file::RunFile;

/// How a run is called that went on after a restart.
pub const RESUMED: &str = "RESUMED";

/// How a run is called that was stopped by hand.
pub const INTERRUPTED: &str = "INTERRUPTED";

/// Why a figure is not shown of a run that went on after a restart.
pub const SPANS: &str = "sessions span the restart";

/// Opening or closing a session takes so many signatures at most, made and verified by both parties
/// and Layer 1 together; and as much CPU time.
const EDGE_SIGNATURES: f64 = 10.0;

/// What opens and closes that do not belong to the payments may make of a figure at most.
const MOST_OFF: f64 = 0.01;

/// Whether what the endpoints did is what the measured payments took: it is of any run that did not
/// stop in between. After a restart, sessions that opened before it are closed; the figure is not
/// known where that could move it by more than a hundredth.
pub fn endpoints_known(run: &RunFile) -> bool {
    let Some(before) = run.resumed() else {
        return true;
    };
    let (achieved, measured) = (&run.achieved, run.payments_measured() as f64);
    let opened_before = before.sessions_closed + before.channels_open;
    let share = measured / achieved.payments as f64;
    let astray = |all: u64, before: u64| {
        let here = all.saturating_sub(before) as f64;
        (here - all as f64 * share).abs()
    };
    let edges = astray(achieved.sessions_opened, opened_before)
        + astray(achieved.sessions_closed, before.sessions_closed);
    let signatures = run.offchain.signatures_made + run.offchain.signature_verifications;
    measured > 0.0 && EDGE_SIGNATURES * edges <= MOST_OFF * signatures as f64
}

/// Layer 1's CPU time for each of the payments measured: not known after a restart. Its counts are
/// of the run's whole life, its CPU time is not.
pub fn l1_cpu_known(run: &RunFile) -> bool {
    run.resumed().is_none()
}

/// So much CPU time of a role, for each payment measured, in nanoseconds; not finite where a
/// restart cut it in two. A role is one of a stage's.
pub fn cpu_per_payment_ns(run: &RunFile, role: &str, cpu_s: f64) -> f64 {
    match endpoints_known(run) && (role != "l1" || l1_cpu_known(run)) {
        true => cpu_s * 1e9 / run.payments_measured() as f64,
        false => f64::NAN,
    }
}

/// CPU time of the whole process for each payment measured, likewise: beside enough payments, the
/// closes and opens of other ones are no more than a hundredth of it.
pub fn all_cpu_per_payment_ns(run: &RunFile) -> f64 {
    cpu_per_payment_ns(run, "all", run.achieved.cpu_s)
}

/// What a resumed run's figures are of, in words: `8.1 k of 20 k payments`.
pub fn part(run: &RunFile) -> Option<String> {
    run.resumed()?;
    let all = human::counted(run.achieved.payments, "payment");
    Some(match run.payments_measured() {
        0 => format!("none of {all}"),
        measured => format!("{} of {all}", human::count(measured)),
    })
}

/// That sessions ended before all of their payments were made, by an interrupt or by a planned end,
/// of a run that went on after a restart: an earlier part's command may have been another. One that
/// did not go on says itself what ended it.
pub fn ended_short(run: &RunFile) -> Option<String> {
    let cut = run.achieved.sessions_cut;
    (cut > 0 && run.resumed().is_some()).then(|| {
        let sessions = human::counted(cut, "session");
        format!("{sessions} ended short of their payments")
    })
}

/// That a run was slowed on purpose, to try a gate on.
pub fn slowed(run: &RunFile) -> Option<String> {
    let share = run.workload.planted_slowdown?;
    Some(format!(
        "SLOWED ON PURPOSE by {} %",
        human::figure(share * 100.0)
    ))
}

/// That a run with a schedule went on only to be closed: no payment comes due then, and no rate is
/// judged.
pub fn only_closed(run: &RunFile) -> Option<String> {
    let closed = run.resumed()?.only_closed? && run.achieved.open_loop.is_some();
    closed.then(|| "only closed, no rate judged".to_owned())
}

/// What others may take of the machine's CPU time before its figures are those of a busy machine.
pub const QUIET_SHARE: f64 = 0.05;

/// That the machine was busy with something else, if it was: what other processes and the host's
/// other guests took of its CPU time, where that is above [`QUIET_SHARE`].
pub fn busy(run: &RunFile) -> Option<String> {
    let share = |share: Option<f64>| share.filter(|share| share.is_finite()).unwrap_or(0.0);
    let (others, host) = (
        share(run.machine.others_share),
        share(run.machine.stolen_share),
    );
    if others + host <= QUIET_SHARE {
        return None;
    }
    let who = if others < 0.01 { "its host" } else { "others" };
    let taken = (others + host) * 100.0;
    Some(format!(
        "numbers of a busy machine ({taken:.0} % taken by {who})"
    ))
}

/// What the protocol promises honest parties, what became of that, and whether the run was within
/// its conditions; nothing of a run without disputes.
pub fn guarantee(run: &RunFile) -> Vec<String> {
    let Some(disputes) = &run.disputes else {
        return Vec::new();
    };
    let window = run.workload.l1.challenge_window_blocks;
    let delay = run.workload.delay_blocks();
    let late = match window > delay {
        true => "",
        false => ": NOT longer, so that honest parties can come too late",
    };
    let mut said = vec![
        format!(
            "honest parties lost {} units ({}) and were punished {} times; {} cheaters forfeited \
             their balance",
            human::grouped(disputes.lost_by_honest),
            human::counted(disputes.honest_losers, "loser"),
            human::grouped(disputes.honest_punished),
            human::grouped(disputes.punishments),
        ),
        format!(
            "window {}, delay up to {}{late}",
            human::counted(window, "block"),
            human::counted(delay, "block"),
        ),
    ];
    if disputes.late_posts > 0 && run.workload.l1_cut_off.is_some() {
        said.push(format!(
            "{} were not in the block in which they were due: their parties were cut off, or it \
             had no room",
            human::counted(disputes.late_posts, "post")
        ));
    } else if disputes.late_posts > 0 {
        said.push(format!(
            "{} found no room in the block in which they were due: the guarantee is for blocks \
             with room",
            human::counted(disputes.late_posts, "post")
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    /// A run of 100 sessions of 10,000 payments, a signature pair for each, of which this many
    /// payments were left, when so many channels were open and so many sessions closed.
    fn resumed(measured: u64, open: u64, closed: u64) -> RunFile {
        let mut run = sample::resumed(measured);
        let before = run.durability.as_mut().unwrap().resumed.as_mut().unwrap();
        (before.channels_open, before.sessions_closed) = (open, closed);
        run.offchain.signatures_made = 2 * measured + 100;
        run.offchain.signature_verifications = 2 * measured;
        run
    }

    #[test]
    fn a_busy_machine_is_told() {
        for (others, host, told) in [
            (None, None, None),
            (Some(0.03), Some(0.02), None),
            (Some(f64::NAN), Some(0.01), None),
            (Some(0.82), Some(0.0), Some("82 % taken by others")),
            (Some(0.001), Some(0.31), Some("31 % taken by its host")),
            (Some(0.2), Some(0.1), Some("30 % taken by others")),
        ] {
            let mut run = sample::open_loop();
            (run.machine.others_share, run.machine.stolen_share) = (others, host);
            let told = told.map(|told| format!("numbers of a busy machine ({told})"));
            assert_eq!(busy(&run), told, "{others:?} {host:?}");
        }
    }

    #[test]
    fn what_the_endpoints_did_is_known_where_the_restart_cannot_have_moved_it() {
        let whole = sample::open_loop();
        assert!(endpoints_known(&whole) && cpu_per_payment_ns(&whole, "l1", 1.0).is_finite());
        for (measured, open, closed, known) in [
            (999_999, 0, 0, true),
            // Half of the payments, half of the opens and closes.
            (500_000, 0, 50, true),
            // All opens before, all closes after.
            (500_000, 100, 0, true),
            (50_000, 100, 0, true),
            (20_000, 100, 0, false),
            (20, 100, 0, false),
            (20, 0, 100, true),
            (0, 0, 100, false),
        ] {
            let run = resumed(measured, open, closed);
            let case = format!("{measured} payments, {open} open, {closed} closed");
            assert_eq!(endpoints_known(&run), known, "{case}");
            let shown = |role| cpu_per_payment_ns(&run, role, 1.0).is_finite();
            assert_eq!(["payer", "l1"].map(shown), [known, false], "{case}");
            assert_eq!(all_cpu_per_payment_ns(&run).is_finite(), known, "{case}");
        }
    }
}
