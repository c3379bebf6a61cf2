//! One run's own transactions at a profile's prices. The counts were measured, the prices were not:
//! every figure here is modelled.

use serde::Serialize;

use duet_profile::{Price, Profile};
use duet_run_file::run_file::{Disputes, RunFile};

use crate::cost::{self, Unpriced};
use crate::exact::Exact;
use crate::{Deposits, blocks, seconds};

/// What a run would have taken of a Layer 1's blocks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunCost {
    /// The profile's name.
    pub profile: String,
    /// What it counts.
    pub unit: String,
    /// What the profile stands for.
    pub about: String,
    /// Always true: no figure here is measured.
    pub modelled: bool,
    /// Whether the run was valid; the counts of one that was not prove nothing.
    pub run_valid: bool,
    /// The payments as transfers, one in a transaction.
    pub direct: Item,
    /// The channels' transactions, kind by kind.
    pub channels: Vec<Item>,
    /// Units of the transfers.
    pub direct_units: Option<Exact>,
    /// Units of all the channels' transactions; none if one kind has no price.
    pub channel_units: Option<Exact>,
    /// Direct over channels. Below 1 the channels take more, not less; none without payments or
    /// sessions.
    pub ratio: Option<f64>,
    /// Payments per session that was opened, on average.
    pub payments_per_session: Option<f64>,
    /// The least payments per session at which these channels would be no dearer than transfers.
    pub break_even_payments: Option<u64>,
    /// Blocks that the channels' transactions fill.
    pub blocks: Option<Exact>,
    /// The time those blocks take, in seconds.
    pub block_time_s: Option<Exact>,
    /// Transactions of disputes in the run's blocks, as it counted them.
    pub dispute_transactions_counted: u64,
    /// How many were priced: a post and a payout a channel, and the answers. The two differ where a
    /// run stopped in the middle of disputes, or had transactions fail in them.
    pub dispute_transactions_priced: u64,
    /// What the profile has no price for.
    pub not_priced: Vec<String>,
}

/// Transactions of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// The run file's fields that were counted.
    pub counted: &'static str,
    /// How many there were.
    #[serde(serialize_with = "crate::count")]
    pub count: u64,
    /// The profile's field that they were priced as.
    pub priced_as: &'static str,
    /// Units of each.
    pub units_each: Option<u64>,
    /// Units of all.
    pub units: Option<Exact>,
}

/// Prices a run's payments and its channels' transactions by a profile.
///
/// Every open is priced alone, even if the run opened channels in batches; a run in which A alone
/// pays is taken to have one-sided deposits, every other one two-sided. Of the channels closed
/// by a post, as many are paid out as answered as may have been ([`Disputes::answered_at_most`]).
///
/// [`Disputes::answered_at_most`]: duet_run_file::run_file::Disputes::answered_at_most
#[must_use]
#[expect(
    clippy::too_many_lines,
    reason = "a run's counts, priced one after the other"
)]
pub fn of_run(run: &RunFile, profile: &Profile) -> RunCost {
    let achieved = &run.achieved;
    let mut bill = Bill::default();
    let transfer = Some(profile.transfer.single);
    let direct = bill.item("achieved.payments", achieved.payments, "transfer", transfer);

    let b_pays = |turn| run.workload.payments_per_session > turn;
    let deposits = match run.workload.pattern.as_str() {
        "one-way" => Deposits::One,
        // The turn never passes, so that the run opened with A's deposit alone.
        _ if !run.workload.turn_length.is_none_or(b_pays) => Deposits::One,
        _ => Deposits::Two,
    };
    let (open, opened_as) = match deposits {
        Deposits::One => (&profile.open_one_sided, "open.one_sided"),
        Deposits::Two => (&profile.open_two_sided, "open.two_sided"),
    };
    let open = open.as_ref().map(|kind| kind.single);
    let disputes = run.disputes.as_ref();
    let closes = disputes.map_or(0, |found| found.closes);
    let answers = disputes.map_or(0, |found| found.answers);
    let answered = disputes.map_or(0, Disputes::answered_at_most);
    let polite = achieved.sessions_closed.saturating_sub(closes);
    let mut channels = vec![
        bill.item(
            "achieved.sessions_opened",
            achieved.sessions_opened,
            opened_as,
            open,
        ),
        bill.item(
            "achieved.sessions_closed - disputes.closes",
            polite,
            "close.cooperative",
            Some(profile.cooperative_close),
        ),
    ];
    if closes > 0 {
        let after = profile.payout_after_answer;
        let after_as = match after {
            Some(_) => "close.payout_after_answer",
            None => "close.payout",
        };
        channels.extend([
            bill.item("disputes.closes", closes, "close.post", profile.post),
            bill.item("disputes.answers", answers, "close.answer", profile.answer),
            bill.item(
                "disputes.closes unanswered, at least",
                closes - answered,
                "close.payout",
                profile.payout,
            ),
            bill.item(
                "disputes.closes answered, at most",
                answered,
                after_as,
                after.or(profile.payout),
            ),
        ]);
    }

    let channel_units: Option<Exact> = channels.iter().map(|item| item.units.clone()).sum();
    let direct_units = direct.units.clone();
    let opened = achieved.sessions_opened;
    let nothing = Exact::from(0);
    let both = direct_units
        .clone()
        .zip(channel_units.clone())
        .filter(|(direct, channel)| *direct > nothing && *channel > nothing);
    let break_even = |channel: &Exact| -> Result<Option<u64>, Unpriced> {
        cost::break_even(profile, &(channel.clone() / Exact::from(opened)), 1)
    };
    let filled = channel_units.clone().map(|units| blocks(profile, units));
    RunCost {
        profile: profile.name.clone(),
        unit: profile.unit.clone(),
        about: profile.about.clone(),
        modelled: true,
        run_valid: achieved.valid,
        ratio: both.map(|(direct, channel)| (direct / channel).to_f64()),
        payments_per_session: (opened > 0).then(|| achieved.payments as f64 / opened as f64),
        break_even_payments: channel_units
            .as_ref()
            .filter(|units| opened > 0 && **units > nothing)
            .and_then(|units| break_even(units).ok().flatten()),
        block_time_s: filled.as_ref().map(|blocks| seconds(profile, blocks)),
        blocks: filled,
        dispute_transactions_counted: disputes.map_or(0, |found| {
            let counted = found.attacks.values().map(|cost| cost.transactions);
            counted.fold(0, u64::saturating_add)
        }),
        dispute_transactions_priced: closes.saturating_add(answers).saturating_add(closes),
        direct,
        channels,
        direct_units,
        channel_units,
        not_priced: bill
            .lacking
            .into_iter()
            .map(|field| format!("{} has no price for `{field}`", profile.name))
            .collect(),
    }
}

#[derive(Default)]
struct Bill {
    lacking: Vec<&'static str>,
}

impl Bill {
    /// What there is none of costs nothing, even without a price.
    fn item(
        &mut self,
        counted: &'static str,
        count: u64,
        priced_as: &'static str,
        price: Option<Price>,
    ) -> Item {
        if price.is_none() && count > 0 && !self.lacking.contains(&priced_as) {
            self.lacking.push(priced_as);
        }
        let units_each = price.map(|price| price.units);
        let units = match units_each {
            Some(each) => Some(Exact::from(each) * Exact::from(count)),
            None if count == 0 => Some(Exact::from(0)),
            None => None,
        };
        Item {
            counted,
            count,
            priced_as,
            units_each,
            units,
        }
    }
}
