//! What payments cost as transfers, and through one channel; and from how many payments on the
//! channel is no dearer. Exact, and pure.

use duet_profile::{BatchLaw, Kind, Price, Profile};

use crate::exact::Exact;
use crate::share::Share;
use crate::{Deposits, DisputeKind};

/// Why a cost is not known: the profile has no price for it, which is never guessed.
pub type Unpriced = String;

/// Units of `payments` ≥ 1 transfers of one payer, `batch` ≥ 1 in a transaction and the rest in the
/// last one: `⌊N/b⌋ × T(b) + T(N mod b)`, with T(0) = 0.
///
/// # Errors
///
/// The profile has no price for such batches.
pub fn direct(profile: &Profile, payments: u64, batch: u64) -> Result<Exact, Unpriced> {
    let transfers = |count| many(profile, "transfers", &profile.transfer, count);
    let full = transfers(batch)?;
    let rest = match payments % batch {
        0 => Exact::from(0),
        rest => transfers(rest)?,
    };
    Ok(Exact::from(payments / batch) * full + rest)
}

/// Transactions of the same.
#[must_use]
pub fn direct_transactions(profile: &Profile, payments: u64, batch: u64) -> Exact {
    let of = |count: u64| match &profile.transfer.batched {
        Some(batched) if count > 1 => batched.transactions,
        _ => profile.transfer.single.transactions * count,
    };
    let rest = payments % batch;
    let last = if rest == 0 { 0 } else { of(rest) };
    Exact::from(payments / batch) * Exact::from(of(batch)) + Exact::from(last)
}

/// A channel's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Who deposits.
    pub deposits: Deposits,
    /// Channels that are opened together.
    pub open_batch: u64,
    /// The share of channels that end in a dispute.
    pub disputes: Share,
    /// What such a dispute is like.
    pub dispute_kind: DisputeKind,
}

/// Units of one channel's life, on average: `O(n)/n + (1 - p) × C + p × D`.
///
/// # Errors
///
/// The profile has no price for one of its parts.
pub fn channel(profile: &Profile, life: Life) -> Result<Exact, Unpriced> {
    let open = open(profile, life.deposits, life.open_batch)?;
    let polite = Exact::from(profile.cooperative_close.units) * life.disputes.rest();
    let disputed = if life.disputes.is_none() {
        Exact::from(0)
    } else {
        let dispute = dispute(profile, life.dispute_kind)?;
        let units = dispute.iter().map(|price| price.units).sum::<u64>();
        Exact::from(units) * life.disputes.exact()
    };
    Ok(open + polite + disputed)
}

/// Transactions of the same.
///
/// # Errors
///
/// As [`channel`].
pub fn channel_transactions(profile: &Profile, life: Life) -> Result<Exact, Unpriced> {
    let kind = opening(profile, life.deposits)?;
    let open = match &kind.batched {
        Some(batched) if life.open_batch > 1 => {
            Exact::fraction(batched.transactions, life.open_batch)
        }
        _ => Exact::from(kind.single.transactions),
    };
    let polite = Exact::from(profile.cooperative_close.transactions) * life.disputes.rest();
    let disputed = if life.disputes.is_none() {
        Exact::from(0)
    } else {
        let dispute = dispute(profile, life.dispute_kind)?;
        let transactions = dispute.iter().map(|price| price.transactions).sum::<u64>();
        Exact::from(transactions) * life.disputes.exact()
    };
    Ok(open + polite + disputed)
}

/// The transactions of a dispute, from the post to the payout.
///
/// # Errors
///
/// The profile has no price for one of them.
pub fn dispute(profile: &Profile, kind: DisputeKind) -> Result<Vec<Price>, Unpriced> {
    let post = part(profile, profile.post, "close.post")?;
    match kind {
        DisputeKind::Silent => Ok(vec![post, part(profile, profile.payout, "close.payout")?]),
        DisputeKind::Answered => Ok(vec![
            post,
            part(profile, profile.answer, "close.answer")?,
            part(
                profile,
                profile.payout_after_answer.or(profile.payout),
                "close.payout",
            )?,
        ]),
    }
}

/// The least number of payments that cost at least `channel` as transfers; none above 2^64 - 1.
///
/// # Errors
///
/// As [`direct`].
pub fn break_even(profile: &Profile, channel: &Exact, batch: u64) -> Result<Option<u64>, Unpriced> {
    let full = direct(profile, batch, batch)?;
    let before = (channel.clone() / full.clone()).floor();
    let Some(batches) = before.whole() else {
        return Ok(None);
    };
    if batches > 0 && Exact::from(batches) * full.clone() == *channel {
        return Ok(batches.checked_mul(batch));
    }
    // The last batch reaches it: the least part of it that does. More payments never cost less.
    let (mut low, mut high) = (1, batch);
    while low < high {
        let middle = low + (high - low) / 2;
        let units = Exact::from(batches) * full.clone() + direct(profile, middle, batch)?;
        if units >= *channel {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(batches
        .checked_mul(batch)
        .and_then(|before| before.checked_add(low)))
}

/// Units of one opening as a part of its batch.
///
/// # Errors
///
/// The profile has no price for it.
pub fn open(profile: &Profile, deposits: Deposits, batch: u64) -> Result<Exact, Unpriced> {
    let kind = opening(profile, deposits)?;
    Ok(many(profile, "opens", kind, batch)? / Exact::from(batch))
}

fn opening(profile: &Profile, deposits: Deposits) -> Result<&Kind, Unpriced> {
    let (kind, field) = match deposits {
        Deposits::One => (&profile.open_one_sided, "open.one_sided"),
        Deposits::Two => (&profile.open_two_sided, "open.two_sided"),
    };
    kind.as_ref().ok_or_else(|| lacks(profile, field))
}

fn part(profile: &Profile, price: Option<Price>, field: &str) -> Result<Price, Unpriced> {
    price.ok_or_else(|| lacks(profile, field))
}

fn lacks(profile: &Profile, field: &str) -> Unpriced {
    format!("{} has no price for `{field}`", profile.name)
}

/// Units of `count` operations together.
fn many(profile: &Profile, noun: &str, kind: &Kind, count: u64) -> Result<Exact, Unpriced> {
    if count == 1 {
        return Ok(kind.single.units.into());
    }
    let name = &profile.name;
    let Some(batched) = &kind.batched else {
        return Err(format!("{name} has no price for batched {noun}"));
    };
    match &batched.law {
        BatchLaw::Linear {
            first_units,
            each_further_units,
            at_most,
        } => {
            if let Some(most) = at_most.filter(|most| count > *most) {
                return Err(format!("{name} takes at most {most} {noun} in a batch"));
            }
            let units = Exact::from(*first_units)
                + Exact::from(*each_further_units) * Exact::from(count - 1);
            let limit = profile
                .block
                .transaction_units
                .unwrap_or(profile.block.units);
            if units > Exact::from(limit) * Exact::from(batched.transactions) {
                let unit = &profile.unit;
                return Err(format!(
                    "{name} holds {limit} {unit} in a transaction: too few for {count} {noun}"
                ));
            }
            Ok(units)
        }
        BatchLaw::Measured(points) => {
            let after = points.partition_point(|point| point.count < count);
            match (after.checked_sub(1), points.get(after)) {
                (_, Some(point)) if point.count == count => Ok(point.units.into()),
                (Some(before), Some(to)) => {
                    let from = points[before];
                    let slope = Exact::fraction(to.units - from.units, to.count - from.count);
                    Ok(Exact::from(from.units) + slope * Exact::from(count - from.count))
                }
                _ => {
                    let most = points.last().map_or(0, |point| point.count);
                    Err(format!("{name} knows {noun} in batches of at most {most}"))
                }
            }
        }
    }
}

/// Payments that a session of `planned` ≥ 1 makes on average where a disputed one stops at its
/// dispute, after 1 to all of its payments, each as likely: `(1 - p) × N + p × (N + 1) / 2`.
#[must_use]
pub fn payments_made(planned: u64, disputes: Share) -> Exact {
    let stopped = (Exact::from(planned) + Exact::from(1)) / Exact::from(2);
    Exact::from(planned) * disputes.rest() + stopped * disputes.exact()
}

/// The least session whose payments made, as [`payments_made`] has them, are at least so many; none
/// above 2^64 - 1.
#[must_use]
pub fn planned_for(made: u64, disputes: Share) -> Option<u64> {
    // N × (1 - p/2) + p/2 ≥ made, in parts per billion.
    let (parts, whole) = disputes.parts();
    let [parts, whole, made] = [parts, whole, made].map(u128::from);
    let planned = (2 * whole * made).saturating_sub(parts);
    u64::try_from(planned.div_ceil(2 * whole - parts)).ok()
}
