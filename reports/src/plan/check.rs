//! Whether a run can be planned with: what it says must hold together, and its machine must have
//! been its own. Pure.

use super::observation::paying_s;
use crate::human::{figure, grouped, seconds, share};
use crate::run_file::{RunFile, Stage};
use crate::summary::stage_cpu_s;
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
pub(super) fn reasons(run: &RunFile, busy_max: f64) -> Vec<String> {
    let (achieved, workload) = (&run.achieved, &run.workload);
    let mut reasons: Vec<String> = achieved.broken().cloned().collect();
    let mut say = |is_so: bool, text: &str| reasons.extend(is_so.then(|| text.to_owned()));
    let is_nameless = !achieved.valid && achieved.invalid_reasons.is_empty();
    say(is_nameless, "it is INVALID without a reason");
    say(achieved.interrupted, "it was interrupted");
    let resumed = "it went on after a restart: its figures are of a part";
    say(run.resumed().is_some(), resumed);
    if let Some(adversary) = &workload.adversary {
        say(true, &format!("it had adversaries ({adversary})"));
    }
    if let Some(slowdown) = workload.planted_slowdown.map(share) {
        say(true, &format!("it was SLOWED ON PURPOSE by {slowdown}"));
    }
    let mode = &workload.mode;
    let other = format!("its workload is a {mode}: a plan needs synthetic ones");
    say(mode != "synthetic", &other);
    say(achieved.payments == 0, "no payment was made");
    let accounted = run.checks.stage_cpu_share;
    let is_whole = STAGE_SHARE.contains(&accounted);
    let ends = [accounted, *STAGE_SHARE.start(), *STAGE_SHARE.end()];
    let [found, least, most] = ends.map(share);
    let text = format!("stages account for {found} of its CPU time, expected {least} to {most}");
    say(!is_whole, &text);
    for (taken, who) in [
        (run.machine.stolen_share, "the host gave to other guests"),
        (run.machine.others_share, "other processes took"),
    ] {
        if let Some(taken) = taken.filter(|taken| *taken > busy_max) {
            let [taken, most] = [taken, busy_max].map(share);
            say(
                true,
                &format!("{who} {taken}{BUSY}, expected at most {most}"),
            );
        }
    }
    let is_absurd = |stage: &&Stage| !(stage.cpu_s >= 0.0 && stage.cpu_s.is_finite());
    if let Some(stage) = run.stages.iter().find(is_absurd) {
        let (name, took) = (&stage.name, seconds(stage.cpu_s));
        let text = format!("stage {name} took {took} of CPU time, expected 0 s or more");
        say(true, &text);
    }
    say(run.memory.peak_rss_bytes == 0, "its peak memory is 0 B");
    let stages: f64 = run.stages.iter().map(stage_cpu_s).sum();
    let stated = accounted * achieved.cpu_s;
    let is_off = (stages - stated).abs() > STAGES_WITHIN * stated;
    let [stages, stated] = [stages, stated].map(seconds);
    let text = format!("its stages are {stages} of CPU time, and it says {stated}");
    say(is_whole && is_off, &text);
    reasons.extend(histogram(run));
    reasons
}

/// What the latency histogram contradicts: the count of payments, and Little's law.
fn histogram(run: &RunFile) -> Option<String> {
    let histogram = match decode(run.latency_histogram.service.as_ref()?) {
        Ok(histogram) => histogram,
        Err(reason) => {
            let text = "its service time histogram cannot be read";
            return Some(format!("{text}: {reason}"));
        }
    };
    let (count, mean_s) = (histogram.len(), histogram.mean() / 1e9);
    let payments = run.achieved.payments;
    if count != payments {
        let [count, payments] = [count, payments].map(grouped);
        return Some(format!(
            "its histogram holds {count} payments, expected the {payments} that it made"
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
        let ([rate, way, room], took) = ([rate, on_the_way, room].map(figure), seconds(mean_s));
        format!(
            "Little's law: {rate}/s that take {took} each are {way} payments on their way, and at \
             most {room} can be"
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
