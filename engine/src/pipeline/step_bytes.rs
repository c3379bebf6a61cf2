//! Steps as bytes: what a shard of another machine has for Layer 1, and what became of it. Pure.

use std::collections::BTreeSet;
use std::sync::Mutex;

use duet_base::bytes::Reader;
use duet_channels::protocol::Pair;

use super::steps::{StepBatch, StepKind, StepOutcome, StepTransaction};

/// The longest name of a refusal, and the most of them: far more than there are.
const LONGEST_NAME: usize = 64;
const MOST_NAMES: usize = 256;

/// Appends a step: whether it is the shard's last one 1 · how many transactions 4 · of each: kind
/// 1, session 8, slot 4, end of its bytes 4 · then all their bytes. Little-endian.
pub(super) fn encode_step(batch: &StepBatch, out: &mut Vec<u8>) {
    assert!(batch.cases.is_empty(), "no disputes over several machines");
    out.push(u8::from(batch.last));
    out.extend((batch.transactions.len() as u32).to_le_bytes());
    for transaction in &batch.transactions {
        let (kind, session) = transaction.order;
        out.push(kind as u8);
        out.extend(session.to_le_bytes());
        out.extend(transaction.slot.to_le_bytes());
        out.extend((transaction.bytes_end as u32).to_le_bytes());
    }
    out.extend(&batch.bytes);
}

/// Reads a step; none if the bytes are not one.
pub(super) fn decode_step(step: u64, bytes: &[u8]) -> Option<StepBatch> {
    let mut reader = Reader::new(bytes);
    let last = match reader.byte()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let count = reader.u32()? as usize;
    // 17 bytes each.
    if count > reader.rest().len() / 17 {
        return None;
    }
    let mut transactions: Vec<StepTransaction> = Vec::with_capacity(count);
    for _ in 0..count {
        let kind = match reader.byte()? {
            kind if kind == StepKind::Close as u8 => StepKind::Close,
            kind if kind == StepKind::Open as u8 => StepKind::Open,
            _ => return None,
        };
        let order = (kind, reader.u64()?);
        let slot = reader.u32()?;
        let bytes_end = reader.u32()? as usize;
        let before = transactions.last().map_or(0, |last| last.bytes_end);
        if bytes_end < before {
            return None;
        }
        transactions.push(StepTransaction::new(order, slot, bytes_end));
    }
    let end = transactions.last().map_or(0, |last| last.bytes_end);
    (end == reader.rest().len()).then(|| StepBatch {
        step,
        last,
        transactions,
        bytes: reader.rest().to_vec(),
        cases: Vec::new(),
    })
}

/// Appends what became of a step's transactions, in their order: the fee 8, then the outcome.
pub(super) fn encode_outcomes(batch: &StepBatch, out: &mut Vec<u8>) {
    for transaction in &batch.transactions {
        out.extend(transaction.fee.to_le_bytes());
        let outcome = transaction.outcome;
        match outcome.expect("Layer 1 answers every transaction") {
            StepOutcome::Opened => out.push(0),
            StepOutcome::Closed { payouts, version } => {
                out.push(1);
                for number in [payouts.a, payouts.b, version] {
                    out.extend(number.to_le_bytes());
                }
            }
            StepOutcome::Refused { name } => {
                out.extend([2, name.len() as u8]);
                out.extend(name.as_bytes());
            }
            StepOutcome::GaveUp => out.push(3),
        }
    }
}

/// Puts the outcomes into the step that they are of; none if the bytes are not so many outcomes.
pub(super) fn decode_outcomes(bytes: &[u8], batch: &mut StepBatch) -> Option<()> {
    let mut reader = Reader::new(bytes);
    for transaction in &mut batch.transactions {
        transaction.fee = reader.u64()?;
        transaction.outcome = Some(match reader.byte()? {
            0 => StepOutcome::Opened,
            1 => StepOutcome::Closed {
                payouts: Pair {
                    a: reader.u64()?,
                    b: reader.u64()?,
                },
                version: reader.u64()?,
            },
            2 => {
                let length = usize::from(reader.byte()?);
                let name = std::str::from_utf8(reader.take(length)?).ok()?;
                let name = interned(name)?;
                StepOutcome::Refused { name }
            }
            3 => StepOutcome::GaveUp,
            _ => return None,
        });
    }
    reader.rest().is_empty().then_some(())
}

/// The same name for ever: refusals are counted by names that are constants here. There are few.
fn interned(name: &str) -> Option<&'static str> {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().expect("nothing panics with it");
    if let Some(known) = names.get(name) {
        return Some(known);
    }
    if name.len() > LONGEST_NAME || names.len() == MOST_NAMES {
        return None;
    }
    let name: &'static str = Box::leak(name.into());
    names.insert(name);
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> StepBatch {
        let transaction = |kind, session, slot, bytes_end, outcome| StepTransaction {
            outcome: Some(outcome),
            fee: session,
            ..StepTransaction::new((kind, session), slot, bytes_end)
        };
        let payouts = Pair { a: 7, b: u64::MAX };
        let closed = StepOutcome::Closed {
            payouts,
            version: 9,
        };
        let refused = StepOutcome::Refused {
            name: "l1_wrong_nonce",
        };
        StepBatch {
            step: 5,
            last: true,
            transactions: vec![
                transaction(StepKind::Close, 1 << 40, 3, 2, closed),
                transaction(StepKind::Open, 8, 4, 2, StepOutcome::Opened),
                transaction(StepKind::Open, 9, u32::MAX, 5, refused),
                transaction(StepKind::Open, 10, 6, 6, StepOutcome::GaveUp),
            ],
            bytes: vec![1, 2, 3, 4, 5, 6],
            cases: Vec::new(),
        }
    }

    fn orders(batch: &StepBatch) -> Vec<((StepKind, u64), u32, usize)> {
        let all = batch.transactions.iter();
        all.map(|one| (one.order, one.slot, one.bytes_end))
            .collect()
    }

    #[test]
    fn a_step_and_its_outcomes_come_back_as_they_were() {
        let batch = batch();
        let mut bytes = Vec::new();
        encode_step(&batch, &mut bytes);
        let mut back = decode_step(5, &bytes).expect("a step");
        assert_eq!((back.step, back.last), (5, true));
        assert_eq!((orders(&back), &back.bytes), (orders(&batch), &batch.bytes));
        let mut outcomes = Vec::new();
        encode_outcomes(&batch, &mut outcomes);
        decode_outcomes(&outcomes, &mut back).expect("outcomes");
        let of = |batch: &StepBatch| {
            let all = batch.transactions.iter();
            all.map(|one| (one.outcome, one.fee)).collect::<Vec<_>>()
        };
        assert_eq!(of(&back), of(&batch));
    }

    #[test]
    fn what_is_no_step_and_no_outcome_is_refused() {
        let mut step = Vec::new();
        encode_step(&batch(), &mut step);
        let mut outcomes = Vec::new();
        encode_outcomes(&batch(), &mut outcomes);
        for cut in 0..step.len() {
            assert!(decode_step(5, &step[..cut]).is_none(), "{cut}");
        }
        for cut in 0..outcomes.len() {
            assert!(
                decode_outcomes(&outcomes[..cut], &mut batch()).is_none(),
                "{cut}"
            );
        }
        for at in 0..step.len() {
            for bit in 0..8 {
                let mut bytes = step.clone();
                bytes[at] ^= 1 << bit;
                // Some other step, or none; and never a panic, nor ends beyond its bytes.
                if let Some(batch) = decode_step(5, &bytes) {
                    let count = batch.transactions.len();
                    assert!((0..count).all(|at| batch.range(at).end <= batch.bytes.len()));
                }
            }
        }
        for bytes in [
            &[0, 255, 255, 255, 255][..],
            &[2, 0, 0, 0, 0],
            &[0, 0, 0, 0, 0, 1],
        ] {
            assert!(decode_step(0, bytes).is_none());
        }
    }
}
