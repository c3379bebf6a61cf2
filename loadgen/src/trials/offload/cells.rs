//! The cells of an offload curve: what is asked for, and which of it is run. Pure.

use duet_modelled::own::OPEN_BATCH_MOST;
use duet_modelled::{Exact, Share};

use super::args::OffloadArgs;

/// Sessions of a run at least: what fills blocks, so that CPU time is that of full ones.
const SESSIONS: u64 = 2_500;
/// Sessions of a run at most, and so the least share of disputes.
const SESSIONS_MOST: u64 = 20_000;
/// Disputes that a run expects, if it has any.
const DISPUTES: u64 = 10;
/// Sessions up to this length are run at every share of disputes, each payment signed by both.
const SHORT: u64 = 100;
/// Longer ones up to here without disputes, with a pair of signatures per so many payments: Layer
/// 1's work is the same.
const LONG: u64 = 10_000;
const LONG_COSIGN_EVERY: u64 = 100;
/// Payments of the baseline, about: they fill some blocks.
const BASELINE: u64 = 20_000;
/// Values of one list at most.
const VALUES_MOST: usize = 100;
const REPEATS_MOST: u32 = 100;

/// One cell: sessions of one length, on one profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) disputes: Share,
    pub(super) open_batch: u64,
    pub(super) payments: u64,
}

/// How a cell is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) sessions: u64,
    pub(super) cosign_every: u64,
    pub(super) baseline_sessions: u64,
}

impl Cell {
    /// How it is run; none where it is modelled.
    pub(super) fn sizes(&self) -> Option<Sizes> {
        let most = if self.disputes.is_none() { LONG } else { SHORT };
        if self.open_batch > 1 || self.payments > most {
            return None;
        }
        let sessions = sessions(self.disputes);
        Some(Sizes {
            sessions,
            cosign_every: match self.payments > SHORT {
                true => LONG_COSIGN_EVERY,
                false => 1,
            },
            baseline_sessions: BASELINE.div_ceil(self.payments).min(sessions),
        })
    }
}

/// Sessions of a run with this share of disputes.
fn sessions(disputes: Share) -> u64 {
    if disputes.is_none() {
        return SESSIONS;
    }
    let expected = (Exact::from(DISPUTES) / disputes.exact()).ceil();
    expected.whole().unwrap_or(u64::MAX).max(SESSIONS)
}

/// The cells that are asked for, line by line: all lengths of one share and one batch are a line.
///
/// # Errors
/// They make no sense together: which value, and what was expected.
pub(super) fn lines(args: &OffloadArgs) -> Result<Vec<Vec<Cell>>, String> {
    let payments = distinct("--payments", &args.payments, u64::to_string)?;
    let disputes = distinct("--disputes", &args.disputes, |share| share.percent())?;
    let batches = distinct("--open-batch", &args.open_batch, u64::to_string)?;
    let repeats = args.repeats;
    if !(1..=REPEATS_MOST).contains(&repeats) {
        return Err(format!("--repeats {repeats}: expected 1 to {REPEATS_MOST}"));
    }
    if let Some(batch) = batches.iter().find(|batch| **batch > OPEN_BATCH_MOST) {
        return Err(format!(
            "--open-batch {batch}: expected 1 to {OPEN_BATCH_MOST}, as many channels as one \
             transaction opens"
        ));
    }
    if let Some(share) = disputes
        .iter()
        .find(|share| sessions(**share) > SESSIONS_MOST)
    {
        return Err(format!(
            "--disputes {}: expected 0, or 0.05 % and more: a run has {DISPUTES} disputes or so, \
             and at most {SESSIONS_MOST} sessions",
            share.percent()
        ));
    }
    let of_line = |disputes, open_batch| {
        let cell = |payments: &u64| Cell {
            disputes,
            open_batch,
            payments: *payments,
        };
        payments.iter().map(cell).collect::<Vec<Cell>>()
    };
    let lines = disputes
        .iter()
        .flat_map(|share| batches.iter().map(|batch| of_line(*share, *batch)));
    let lines: Vec<Vec<Cell>> = lines.collect();
    if lines.iter().flatten().all(|cell| cell.sizes().is_none()) {
        return Err(format!(
            "--payments {}: nothing of it is run; expected a length of 1 to {SHORT}, or up to \
             {LONG} with --disputes 0, and --open-batch 1 (`reports offload` models without runs)",
            payments
                .iter()
                .map(u64::to_string)
                .collect::<Vec<_>>()
                .join(",")
        ));
    }
    Ok(lines)
}

/// The values, in the order in which they were given; none may be there twice.
fn distinct<T: PartialEq + Clone>(
    option: &str,
    values: &[T],
    show: impl Fn(&T) -> String,
) -> Result<Vec<T>, String> {
    if values.len() > VALUES_MOST {
        return Err(format!(
            "{option}: {} values; expected at most {VALUES_MOST}",
            values.len()
        ));
    }
    let twice = values.iter().enumerate();
    let mut twice = twice.filter(|(at, value)| values[..*at].contains(value));
    match twice.next() {
        Some((_, value)) => Err(format!(
            "{option}: {} is there twice; expected each once",
            show(value)
        )),
        None => Ok(values.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_ten_disputes_or_so_and_blocks_full_of_sessions() {
        for (share, payments, batch, expected) in [
            ("0", 1, 1, Some((2_500, 1, 2_500))),
            ("0", 100, 1, Some((2_500, 1, 200))),
            ("0", 10_000, 1, Some((2_500, 100, 2))),
            ("0", 10_001, 1, None),
            ("0.1%", 9, 1, Some((10_000, 1, 2_223))),
            ("10%", 100, 1, Some((2_500, 1, 200))),
            ("10%", 101, 1, None),
            ("0", 1, 2, None),
        ] {
            let cell = Cell {
                disputes: Share::parse(share).unwrap(),
                open_batch: batch,
                payments,
            };
            let sizes = cell.sizes();
            let sizes = sizes.map(|of| (of.sessions, of.cosign_every, of.baseline_sessions));
            assert_eq!(sizes, expected, "{cell:?}");
        }
    }
}
