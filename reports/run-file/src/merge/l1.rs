//! The load of several Layer 1s: what they did is added up, and the offload computed anew from the
//! sums. Each has its own tip, and its own peak at its own time: their sum is what all of them had
//! to have room for.

use std::collections::BTreeMap;

use crate::run_file::{DirectLoad, L1, L1Load, Offload, Ratio, RunFile, number::sum};

pub(super) fn l1(runs: &[&RunFile]) -> L1 {
    // A part without a baseline would be on one side only; where all share a Layer 1, part 1 has it.
    let share = |run: &&&RunFile| run.part.as_ref().is_some_and(|part| part.one_layer_1);
    let with_layer_1 = |run: &&&RunFile| !share(run) || run.l1.channels.blocks > 0;
    let mut of_layer_1: Vec<&RunFile> = runs.iter().filter(with_layer_1).copied().collect();
    if of_layer_1.is_empty() {
        // All were stopped before the first block: none of them says which had Layer 1.
        of_layer_1.extend(runs.first());
    }
    let channels = sum(of_layer_1.iter().map(|run| &run.l1.channels));
    let mut channels = channels.expect("a run at least");
    let direct = of_layer_1.iter().map(|run| run.l1.direct.as_ref());
    let direct: Option<Vec<&DirectLoad>> = direct.collect();
    let mut direct = direct.and_then(sum);
    if of_layer_1.len() > 1 {
        // There is no one tip.
        channels.tip.clear();
        direct.iter_mut().for_each(|direct| direct.load.tip.clear());
    }
    let payments = runs.iter().map(|run| run.achieved.payments);
    let payments = payments.fold(0, u64::saturating_add);
    let offload = direct
        .as_ref()
        .and_then(|direct| offload(&of_layer_1, payments, &channels, direct));
    L1 {
        channels,
        direct,
        offload,
        alone: match of_layer_1[..] {
            [one] => one.l1.alone.clone(),
            // Each was alone on its own machine.
            _ => None,
        },
        // Nor did a part make its payments by other means.
        arms: BTreeMap::new(),
        chain: match of_layer_1[..] {
            [one] => one.l1.chain.clone(),
            // Each had a time of its own.
            _ => None,
        },
    }
}

/// Per payment, the sums without channels over the sums with them.
fn offload(
    runs: &[&RunFile],
    payments: u64,
    channels: &L1Load,
    direct: &DirectLoad,
) -> Option<Offload> {
    if payments == 0 || direct.payments == 0 {
        return None;
    }
    let per = |count: u64, payments: u64| count as f64 / payments as f64;
    let flow = |count: fn(&L1Load) -> u64| {
        exact(per(count(&direct.load), direct.payments) / per(count(channels), payments))
    };
    let peaks = [&direct.load, channels].map(|of| of.peak_state_entries as f64);
    Some(Offload {
        transactions: flow(|of| of.transactions),
        bytes: flow(|of| of.bytes),
        signature_verifications: flow(|of| of.signature_verifications),
        state_reads: flow(|of| of.state_reads),
        state_writes: flow(|of| of.state_writes),
        peak_state_entries: exact(peaks[0] / peaks[1].max(1.0)),
        cpu: cpu(runs, channels.cpu_s / payments as f64, direct),
    })
}

/// CPU time, with its interval: the parts are strata, so that the error of the whole is the root of
/// their weighted errors' squares (Cochran, Sampling Techniques, 3rd ed., 5.3). Each part's
/// half-width has its own Student's t in it, so that the interval is rather too wide.
fn cpu(runs: &[&RunFile], channels_s: f64, direct: &DirectLoad) -> Ratio {
    let ratio = direct.load.cpu_s / direct.payments as f64 / channels_s;
    let squares = runs.iter().map(|run| {
        let (Some(of_part), Some(offload)) = (&run.l1.direct, &run.l1.offload) else {
            return f64::NAN;
        };
        let weight = of_part.payments as f64 / direct.payments as f64;
        // The high end, since the low one stops at 0.
        let half = offload.cpu.high - offload.cpu.ratio;
        let part_s = run.l1.channels.cpu_s / run.achieved.payments as f64;
        (weight * half * part_s / channels_s).powi(2)
    });
    // The interval's upper end is not finite where a part has but one sample.
    let half = match squares.sum::<f64>().sqrt() {
        half if half.is_nan() => f64::INFINITY,
        half => half,
    };
    Ratio {
        ratio,
        low: (ratio - half).max(0.0),
        high: ratio + half,
    }
}

fn exact(ratio: f64) -> Ratio {
    Ratio {
        ratio,
        low: ratio,
        high: ratio,
    }
}
