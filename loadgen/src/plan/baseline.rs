//! Which payments the baseline makes: as many as a share of the run's own CPU time pays for. Pure.

use duet_engine::pipeline::{Means, Outcome, Sampling, Stage};

/// The baseline may take this share of the channels' CPU time …
const SHARE: f64 = 0.1;
/// … or so much, where that is more.
const LEAST_NS: f64 = 1e9;
/// More payments make no count more exact, and the interval of CPU time no narrower than a
/// machine's own noise.
const MOST_PAYMENTS: u64 = 1_000_000;
/// Sessions at least, so that CPU time has an interval over them.
const LEAST_SESSIONS: u64 = 10;
/// What a transfer takes beyond signing and verifying it, against these: submitting, executing and
/// hashing it (measured with library code and in lanes: a fifth to a third).
const BESIDE_SIGNATURES: f64 = 1.3;
/// A signature made and verified, where the run tells nothing of it: library code on an old
/// processor.
const UNKNOWN_NS: f64 = 100e3;

/// What a run of `reached` sessions, of `mean` payments each on average, is compared with.
pub(super) fn sampling(outcome: &Outcome, reached: u64, mean: u64) -> Sampling {
    let made = outcome
        .counts
        .covered
        .saturating_add(outcome.counts.refused);
    let signed = |stages: [Stage; 2]| {
        let cost = stages.map(|stage| outcome.stages[stage as usize]);
        let (ns, items) = (
            cost[0].cpu_ns + cost[1].cpu_ns,
            cost[0].items + cost[1].items,
        );
        (items > 0).then(|| ns as f64 / items as f64)
    };
    let signature_ns = signed([Stage::PayerSign, Stage::PayeeSign])
        .zip(signed([Stage::PayerVerify, Stage::PayeeVerify]))
        .map_or(UNKNOWN_NS, |(sign_ns, verify_ns)| sign_ns + verify_ns);
    let budget_ns = (SHARE * outcome.times.cpu_ns as f64).max(LEAST_NS);
    let affordable = (budget_ns / (BESIDE_SIGNATURES * signature_ns)) as u64;
    spread(reached, mean, affordable.min(MOST_PAYMENTS).min(made))
}

/// Evenly spread sessions with `most` payments in all, about: whole ones if ten of them find room,
/// the first payments of ten otherwise.
fn spread(reached: u64, mean: u64, most: u64) -> Sampling {
    if most == 0 {
        return Sampling::whole(Vec::new());
    }
    let mean = mean.max(1);
    if reached.saturating_mul(mean) <= most {
        return Sampling::whole(every(reached, reached));
    }
    let wanted = (most / mean).max(LEAST_SESSIONS).min(reached);
    Sampling {
        means: Means::Transfers,
        sessions: every(wanted, reached),
        // Sessions of a trace may be far longer than their mean.
        first_payments: most.div_ceil(wanted),
    }
}

/// So many sessions of those that were reached, evenly spread.
pub(super) fn every(wanted: u64, reached: u64) -> Vec<u64> {
    let wanted = wanted.min(reached);
    (0..wanted)
        .map(|at| (u128::from(at) * u128::from(reached) / u128::from(wanted)) as u64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_cpu_time_pays_for_is_spread_over_ten_sessions_or_more() {
        // Sessions reached, mean payments, payments that can be paid for → sessions, payments of
        // each.
        for (reached, mean, most, sessions, first) in [
            (40, 10_000, 30_000, 10, 3_000),
            (400, 10_000, 1_000_000, 100, 10_000),
            (400, 10_000, 35_000, 10, 3_500),
            (3, 10_000, 6_000, 3, 2_000),
            (3, 10_000, 30_000, 3, u64::MAX),
            (1_000_000, 1, 30_000, 30_000, 1),
            (1_000, 100, 30_000, 300, 100),
            (1_000, 100, 7, 10, 1),
            (5, 0, 100, 5, u64::MAX),
            (5, 10, 0, 0, u64::MAX),
        ] {
            let found = spread(reached, mean, most);
            let case = format!("{reached} x {mean}, {most}");
            assert_eq!(found.sessions.len(), sessions, "{case}");
            assert_eq!(found.first_payments, first, "{case}");
            assert!(
                found.sessions.is_sorted_by(|one, next| one < next),
                "{case}"
            );
            assert!(found.sessions.iter().all(|at| *at < reached), "{case}");
        }
    }
}
