//! What runs' own Layer 1 transactions would have cost at profiles' prices. Nothing here is
//! measured but the counts, and every row says so.

use duet_terminal::columns;
use duet_terminal::dataset::Filled;

use super::{Cell, Dataset};
use crate::{
    modelled::{Exact, Item, RunCost, of_run},
    profile::{Constant, Profile},
    runs::NamedRun,
};

/// A run, what it would have cost, and one thing of that.
type Of<'a, T> = (&'a NamedRun, RunCost, T);

/// The columns after those that name a run and a profile, and say that the row is modelled.
fn of<'a, T>(own: Vec<Filled<Of<'a, T>>>) -> Vec<Filled<Of<'a, T>>> {
    let mut columns: Vec<Filled<Of<'a, T>>> = columns! { |(named, cost, _)|
        "run", "Run", Text: &named.name;
        "profile", "Profile", Text: &cost.profile;
        "unit", "Unit", Text: &cost.unit;
        "modelled", "Modelled", Text: cost.modelled;
    };
    columns.extend(own);
    columns
}

/// A row for each profile and run: units of the payments as transfers and of the channels'
/// transactions, the ratio of the two, and from how many payments a session on it is 1.
#[must_use]
pub fn modelled(runs: &[NamedRun], profiles: &[Profile]) -> Dataset {
    let rows = costs(runs, profiles).map(|(named, _, cost)| {
        let counted = cost.dispute_transactions_counted;
        let any = counted > 0 || cost.dispute_transactions_priced > 0;
        (named, cost, any)
    });
    Dataset::of(
        rows,
        of(columns! { |(_, cost, any)|
            "direct_units", "Direct, units", Figure: units(cost.direct_units.as_ref());
            "channel_units", "With channels, units", Figure: units(cost.channel_units.as_ref());
            "ratio", "Direct / with channels", Ratio: cost.ratio;
            "payments_per_session", "Payments a session", Figure: cost.payments_per_session;
            "break_even_payments", "Break-even at", Figure: cost.break_even_payments;
            "blocks", "Blocks, with channels", Figure: units(cost.blocks.as_ref());
            "block_time_s", "Time of the blocks", Seconds: cost.block_time_s.as_ref().map(Exact::to_f64);
            "dispute_transactions_counted", "Dispute transactions, counted", Figure:
                any.then_some(cost.dispute_transactions_counted);
            "dispute_transactions_priced", "Dispute transactions, priced", Figure:
                any.then_some(cost.dispute_transactions_priced);
            "not_priced", "Not priced", Text:
                (!cost.not_priced.is_empty()).then(|| cost.not_priced.join("; "));
        }),
    )
}

/// A row for each kind of transaction in each profile and run: how many there were, what they were
/// priced as, and who says that this is the price.
#[must_use]
pub fn modelled_prices(runs: &[NamedRun], profiles: &[Profile]) -> Dataset {
    let rows = costs(runs, profiles).flat_map(|(named, profile, cost)| {
        let priced = move |(way, item): (&'static str, &Item)| {
            let name = format!("{}.units", item.priced_as);
            let constant = profile.constants.iter().find(|found| found.name == name);
            (way, item.clone(), constant)
        };
        let direct = std::iter::once(("direct", &cost.direct));
        let ways = direct.chain(cost.channels.iter().map(|item| ("channels", item)));
        let items: Vec<Priced<'_>> = ways.map(priced).collect();
        items
            .into_iter()
            .map(move |item| (named, cost.clone(), item))
    });
    Dataset::of(
        rows,
        of::<Priced<'_>>(columns! { |(_, _, (way, item, constant))|
            "way", "Way", Text: *way;
            "counted", "Counted in the run file", Text: item.counted;
            "count", "Count", Figure: item.count;
            "priced_as", "Priced as", Text: item.priced_as;
            "units_each", "Units each", Figure: item.units_each;
            "units", "Units", Figure: units(item.units.as_ref());
            "source", "Source of the price", Text: constant.and_then(|found| found.source.as_ref());
            "assumption", "Assumption", Text: constant.and_then(|found| found.assumption.as_ref());
        }),
    )
}

/// Which way, how many of what, and the price.
type Priced<'a> = (&'static str, Item, Option<&'a Constant>);

/// Profile by profile, the runs in their order.
fn costs<'a>(
    runs: &'a [NamedRun],
    profiles: &'a [Profile],
) -> impl Iterator<Item = (&'a NamedRun, &'a Profile, RunCost)> {
    profiles.iter().flat_map(move |profile| {
        runs.iter()
            .map(move |named| (named, profile, of_run(&named.run, profile)))
    })
}

/// With all its digits, however many.
fn units(value: Option<&Exact>) -> Cell {
    let cell = |value: &Exact| match (value.whole(), value.digits()) {
        (Some(whole), _) => whole.into(),
        (None, Some(digits)) => Cell::Text(digits),
        (None, None) => value.to_f64().into(),
    };
    value.map(cell).into()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{run_file::RunFile, runs::Runs, sample, terms::Across};

    fn runs(change: impl FnOnce(&mut RunFile)) -> Runs {
        let mut run = sample::open_loop();
        change(&mut run);
        let file = (PathBuf::from("run.json"), run.to_json());
        Runs::gather(&[file], &Across::new(&[])).unwrap()
    }

    fn cell<'a>(dataset: &'a Dataset, row: usize, name: &str) -> &'a Cell {
        dataset.column(name).nth(row).unwrap()
    }

    #[test]
    fn a_run_is_priced_exactly_and_each_price_has_its_source() {
        let runs = runs(|_| {});
        let profiles = [Profile::find("ethereum-60m").unwrap()];
        let found = modelled(runs.all(), &profiles);
        // 1 M transfers of 21,000; 100 opens of 75,904 and 100 closes of 111,514.
        for (name, expected) in [
            ("modelled", Cell::Flag(true)),
            ("direct_units", Cell::Count(21_000_000_000)),
            ("channel_units", Cell::Count(100 * (75_904 + 111_514))),
            ("ratio", Cell::Figure(21e9 / 18_741_800.0)),
            ("break_even_payments", Cell::Count(9)),
            ("blocks", Cell::Count(1)),
            ("dispute_transactions_counted", Cell::Missing),
            ("not_priced", Cell::Missing),
        ] {
            assert_eq!(*cell(&found, 0, name), expected, "{name}");
        }
        let found = modelled_prices(runs.all(), &profiles);
        let row = |row| ["count", "priced_as", "units_each"].map(|name| cell(&found, row, name));
        assert_eq!(found.rows.len(), 3);
        let table = [
            (1_000_000, "transfer", 21_000),
            (100, "open.two_sided", 75_904),
            (100, "close.cooperative", 111_514),
        ];
        for (nth, (count, name, each)) in table.into_iter().enumerate() {
            let expected = [&Cell::Count(count), &Cell::from(name), &Cell::Count(each)];
            assert_eq!(row(nth), expected);
            assert!(
                matches!(cell(&found, nth, "source"), Cell::Text(_)),
                "{name}"
            );
        }
    }

    #[test]
    fn sums_beyond_a_word_keep_their_digits_and_what_has_no_price_has_no_sum() {
        let runs = runs(|run| run.achieved.payments = u64::MAX);
        let mut profile = Profile::find("ethereum-60m").unwrap();
        profile.open_two_sided = None;
        let profiles = [profile];
        let found = modelled(runs.all(), &profiles);
        let digits = (u128::from(u64::MAX) * 21_000).to_string();
        for (name, expected) in [
            ("direct_units", Cell::from(digits)),
            ("channel_units", Cell::Missing),
            ("ratio", Cell::Missing),
            (
                "not_priced",
                Cell::from("ethereum-60m has no price for `open.two_sided`"),
            ),
        ] {
            assert_eq!(*cell(&found, 0, name), expected, "{name}");
        }
    }
}
