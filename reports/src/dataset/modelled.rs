//! What runs' own Layer 1 transactions would have cost at profiles' prices. Nothing here is
//! measured but the counts, and every row says so.

use super::{Cell, Dataset, Kind};
use crate::{
    modelled::{Exact, Item, RunCost, of_run},
    profile::Profile,
    runs::NamedRun,
};

/// The columns that name a run and a profile, and say that the row is modelled.
const OF: [(&str, &str, Kind); 4] = [
    ("run", "Run", Kind::Text),
    ("profile", "Profile", Kind::Text),
    ("unit", "Unit", Kind::Text),
    ("modelled", "Modelled", Kind::Text),
];

/// A row for each profile and run: units of the payments as transfers and of the channels'
/// transactions, the ratio of the two, and from how many payments a session on it is 1.
#[must_use]
pub fn modelled(runs: &[NamedRun], profiles: &[Profile]) -> Dataset {
    let own = [
        ("direct_units", "Direct, units", Kind::Figure),
        ("channel_units", "With channels, units", Kind::Figure),
        ("ratio", "Direct / with channels", Kind::Ratio),
        ("payments_per_session", "Payments a session", Kind::Figure),
        ("break_even_payments", "Break-even at", Kind::Figure),
        ("blocks", "Blocks, with channels", Kind::Figure),
        ("block_time_s", "Time of the blocks", Kind::Seconds),
        (
            "dispute_transactions_counted",
            "Dispute transactions, counted",
            Kind::Figure,
        ),
        (
            "dispute_transactions_priced",
            "Dispute transactions, priced",
            Kind::Figure,
        ),
        ("not_priced", "Not priced", Kind::Text),
    ];
    let mut dataset = Dataset::new("modelled", &[&OF[..], &own].concat());
    for (named, _, cost) in costs(runs, profiles) {
        let of_disputes = |count: u64| {
            let both = [
                cost.dispute_transactions_counted,
                cost.dispute_transactions_priced,
            ];
            let any = both != [0, 0];
            Cell::or_missing(any.then_some(count))
        };
        let lacks = !cost.not_priced.is_empty();
        let not_priced = lacks.then(|| cost.not_priced.join("; "));
        let mut row = of(named, &cost);
        row.extend([
            units(cost.direct_units.as_ref()),
            units(cost.channel_units.as_ref()),
            Cell::or_missing(cost.ratio),
            Cell::or_missing(cost.payments_per_session),
            Cell::or_missing(cost.break_even_payments),
            units(cost.blocks.as_ref()),
            Cell::or_missing(cost.block_time_s.as_ref().map(Exact::to_f64)),
            of_disputes(cost.dispute_transactions_counted),
            of_disputes(cost.dispute_transactions_priced),
            Cell::or_missing(not_priced.as_deref()),
        ]);
        dataset.push(row);
    }
    dataset
}

/// A row for each kind of transaction in each profile and run: how many there were, what they were
/// priced as, and who says that this is the price.
#[must_use]
pub fn modelled_prices(runs: &[NamedRun], profiles: &[Profile]) -> Dataset {
    let own = [
        ("way", "Way", Kind::Text),
        ("counted", "Counted in the run file", Kind::Text),
        ("count", "Count", Kind::Figure),
        ("priced_as", "Priced as", Kind::Text),
        ("units_each", "Units each", Kind::Figure),
        ("units", "Units", Kind::Figure),
        ("source", "Source of the price", Kind::Text),
        ("assumption", "Assumption", Kind::Text),
    ];
    let mut dataset = Dataset::new("modelled-prices", &[&OF[..], &own].concat());
    for (named, profile, cost) in costs(runs, profiles) {
        let ways = std::iter::once(("direct", &cost.direct));
        for (way, item) in ways.chain(cost.channels.iter().map(|item| ("channels", item))) {
            let mut row = of(named, &cost);
            row.extend(priced(profile, way, item));
            dataset.push(row);
        }
    }
    dataset
}

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

/// The cells of [`OF`].
fn of(named: &NamedRun, cost: &RunCost) -> Vec<Cell> {
    vec![
        (&named.name).into(),
        (&cost.profile).into(),
        (&cost.unit).into(),
        cost.modelled.into(),
    ]
}

fn priced(profile: &Profile, way: &str, item: &Item) -> [Cell; 8] {
    let name = format!("{}.units", item.priced_as);
    let constant = profile.constants.iter().find(|found| found.name == name);
    let origin = |text: Option<&String>| Cell::or_missing(text.map(String::as_str));
    [
        way.into(),
        item.counted.into(),
        item.count.into(),
        item.priced_as.into(),
        Cell::or_missing(item.units_each),
        units(item.units.as_ref()),
        origin(constant.and_then(|found| found.source.as_ref())),
        origin(constant.and_then(|found| found.assumption.as_ref())),
    ]
}

/// With all its digits, however many.
fn units(value: Option<&Exact>) -> Cell {
    let Some(value) = value else {
        return Cell::Missing;
    };
    match value.whole() {
        Some(whole) => whole.into(),
        None => value
            .digits()
            .map_or_else(|| value.to_f64().into(), Cell::text),
    }
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
        let at = dataset.columns.iter().position(|c| c.name == name).unwrap();
        &dataset.rows[row][at]
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
            ("direct_units", Cell::text(digits)),
            ("channel_units", Cell::Missing),
            ("ratio", Cell::Missing),
            (
                "not_priced",
                Cell::text("ethereum-60m has no price for `open.two_sided`"),
            ),
        ] {
            assert_eq!(*cell(&found, 0, name), expected, "{name}");
        }
    }
}
