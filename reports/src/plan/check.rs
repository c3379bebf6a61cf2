//! Whether a run can be planned with: what it says must hold together, and its machine must have
//! been its own. Pure.

use super::observation::paying_s;
use crate::{human, run_file::RunFile, summary::stage_cpu_s};
use duet_run_file::histogram::decode;

/// Stages must account for this share of the run's CPU time, or costs per stage are not its costs;
/// and for no more than this beyond all of it.
const STAGE_SHARE: std::ops::RangeInclusive<f64> = 0.95..=1.05;
/// The sum of the stages agrees with the share that the run states, but for digits.
const STAGES_WITHIN: f64 = 0.01;
/// What ends the reason of a run whose machine others used.
pub(super) const BUSY: &str = " of the machine's CPU time";
/// Means of a histogram with three digits, and rates over windows that end a little apart.
const TOLERANCE: f64 = 1.05;

/// Why the run cannot be planned with; empty if it can. `busy_max` is the share of the machine's
/// CPU time that others may have taken.
#[expect(
    clippy::too_many_lines,
    reason = "a list of what makes a run useless to a plan"
)]
pub(super) fn reasons(run: &RunFile, busy_max: f64) -> Vec<String> {
    let mut reasons: Vec<String> = run.achieved.broken().cloned().collect();
    if !run.achieved.valid && run.achieved.invalid_reasons.is_empty() {
        reasons.push("it is INVALID without a reason".to_owned());
    }
    if run.achieved.interrupted {
        reasons.push("it was interrupted".to_owned());
    }
    if run.resumed().is_some() {
        reasons.push("it went on after a restart: its figures are of a part".to_owned());
    }
    if let Some(adversary) = &run.workload.adversary {
        reasons.push(format!("it had adversaries ({adversary})"));
    }
    if let Some(slowdown) = run.workload.planted_slowdown {
        reasons.push(format!(
            "it was SLOWED ON PURPOSE by {}",
            human::share(slowdown)
        ));
    }
    if run.workload.mode != "synthetic" {
        reasons.push(format!(
            "its workload is a {}: a plan needs synthetic ones",
            run.workload.mode
        ));
    }
    if run.achieved.payments == 0 {
        reasons.push("no payment was made".to_owned());
    }
    let share = run.checks.stage_cpu_share;
    if !STAGE_SHARE.contains(&share) {
        reasons.push(format!(
            "stages account for {} of its CPU time, expected {} to {}",
            human::share(share),
            human::share(*STAGE_SHARE.start()),
            human::share(*STAGE_SHARE.end()),
        ));
    }
    let taken = [
        (run.machine.stolen_share, "the host gave to other guests"),
        (run.machine.others_share, "other processes took"),
    ];
    for (share, who) in taken {
        if let Some(share) = share.filter(|share| *share > busy_max) {
            reasons.push(format!(
                "{who} {}{BUSY}, expected at most {}",
                human::share(share),
                human::share(busy_max),
            ));
        }
    }
    let absurd = run
        .stages
        .iter()
        .find(|stage| !(stage.cpu_s >= 0.0 && stage.cpu_s.is_finite()));
    if let Some(stage) = absurd {
        reasons.push(format!(
            "stage {} took {} of CPU time, expected 0 s or more",
            stage.name,
            human::seconds(stage.cpu_s)
        ));
    }
    if run.memory.peak_rss_bytes == 0 {
        reasons.push("its peak memory is 0 B".to_owned());
    }
    let stages: f64 = run.stages.iter().map(stage_cpu_s).sum();
    let stated = share * run.achieved.cpu_s;
    if STAGE_SHARE.contains(&share) && (stages - stated).abs() > STAGES_WITHIN * stated {
        reasons.push(format!(
            "its stages are {} of CPU time, and it says {}",
            human::seconds(stages),
            human::seconds(stated)
        ));
    }
    reasons.extend(histogram(run));
    reasons
}

/// What the latency histogram contradicts: the count of payments, and Little's law.
fn histogram(run: &RunFile) -> Option<String> {
    let text = run.latency_histogram.service.as_ref()?;
    let histogram = match decode(text) {
        Ok(histogram) => histogram,
        Err(reason) => {
            return Some(format!(
                "its service time histogram cannot be read: {reason}"
            ));
        }
    };
    let (count, mean_s) = (histogram.len(), histogram.mean() / 1e9);
    let payments = run.achieved.payments;
    if count != payments {
        return Some(format!(
            "its histogram holds {} payments, expected the {} that it made",
            human::grouped(count),
            human::grouped(payments),
        ));
    }
    // L = λ W: what is on its way at a time cannot be more than may be.
    let workload = &run.workload;
    let paying_s = paying_s(&run.achieved);
    if paying_s <= 0.0 {
        return Some("its payments took no time that it tells".to_owned());
    }
    let rate = payments as f64 / paying_s;
    let on_the_way = rate * mean_s;
    let room =
        workload.concurrent as f64 * workload.in_flight as f64 * workload.cosign_every as f64;
    (on_the_way > room * TOLERANCE).then(|| {
        format!(
            "Little's law: {}/s that take {} each are {} payments on their way, and at most {} can be",
            human::figure(rate),
            human::seconds(mean_s),
            human::figure(on_the_way),
            human::figure(room),
        )
    })
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use hdrhistogram::{
        Histogram,
        serialization::{Serializer as _, V2Serializer},
    };

    use super::*;
    use crate::{run_file::NOT_HELD, sample};

    /// The text of a histogram of so many values of so many nanoseconds.
    fn encoded(count: u64, ns: u64) -> String {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        histogram.record_n(ns, count).unwrap();
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&histogram, &mut bytes)
            .unwrap();
        BASE64_STANDARD.encode(bytes)
    }

    fn sound() -> RunFile {
        let mut run = sample::open_loop();
        run.latency_histogram.service = Some(encoded(run.achieved.payments, 456_000));
        let stages: f64 = run.stages.iter().map(stage_cpu_s).sum();
        run.achieved.cpu_s = stages / run.checks.stage_cpu_share;
        run
    }

    #[test]
    fn a_sound_run_passes_held_or_not() {
        assert_eq!(reasons(&sound(), 0.05), [""; 0]);
        let mut run = sound();
        run.achieved.valid = false;
        run.achieved.invalid_reasons = vec![format!("{NOT_HELD}: 1.0 of 2.0 payments/s")];
        assert_eq!(reasons(&run, 0.05), [""; 0]);
    }

    #[test]
    fn what_does_not_hold_together_is_named() {
        type Break = fn(&mut RunFile);
        let table: [(Break, &str); 17] = [
            (
                |run| run.machine.stolen_share = Some(0.06),
                "the host gave to other guests 6.0 %",
            ),
            (
                |run| run.machine.others_share = Some(0.2),
                "other processes took 20.0 %",
            ),
            (
                |run| run.checks.stage_cpu_share = 0.5,
                "stages account for 50.0 %",
            ),
            (
                |run| run.checks.stage_cpu_share = f64::NAN,
                "stages account for n/a",
            ),
            (|run| run.stages[0].cpu_s = -1.0, "expected 0 s or more"),
            (|run| run.achieved.cpu_s *= 1.1, "its stages are"),
            (|run| run.memory.peak_rss_bytes = 0, "peak memory is 0 B"),
            (|run| run.achieved.interrupted = true, "it was interrupted"),
            (
                |run| run.durability = sample::resumed(1_000).durability,
                "it went on after a restart: its figures are of a part",
            ),
            (|run| run.achieved.valid = false, "INVALID without a reason"),
            (
                |run| run.achieved.invalid_reasons = vec!["supply is not conserved".into()],
                "supply is not conserved",
            ),
            (
                |run| run.workload.adversary = Some("silent=1%".into()),
                "adversaries (silent=1%)",
            ),
            (
                |run| run.workload.planted_slowdown = Some(0.03),
                "SLOWED ON PURPOSE by 3.0 %",
            ),
            (
                |run| run.workload.mode = "trace".into(),
                "its workload is a trace",
            ),
            (
                |run| run.latency_histogram.service = Some("HISTFAAA".into()),
                "histogram cannot be read",
            ),
            (
                |run| run.latency_histogram.service = Some(encoded(999_999, 456_000)),
                "holds 999,999 payments, expected the 1,000,000",
            ),
            (
                |run| run.latency_histogram.service = Some(encoded(1_000_000, 60_000_000_000)),
                "Little's law: ",
            ),
        ];
        for (damage, words) in table {
            let mut run = sound();
            damage(&mut run);
            let found = reasons(&run, 0.05);
            assert_eq!(found.len(), 1, "{words}: {found:?}");
            assert!(found[0].contains(words), "{words}: {found:?}");
        }
    }
}
