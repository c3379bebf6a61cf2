//! What disputes cost Layer 1, by the attack that led to them.

use super::{Dataset, Kind};
use crate::runs::NamedRun;

/// A row for each kind of attack of each run; `none` is channels that stopped without one.
#[must_use]
pub fn disputes(runs: &[NamedRun]) -> Dataset {
    let mut dataset = Dataset::new(
        "disputes",
        &[
            ("run", "Run", Kind::Text),
            ("attack", "Attack", Kind::Text),
            ("cases", "Channels", Kind::Figure),
            ("punishments", "Punished", Kind::Figure),
            ("transactions", "Transactions", Kind::Figure),
            ("paid_by_honest", "Paid by honest", Kind::Figure),
            ("bytes", "Bytes", Kind::Bytes),
            (
                "extra_transactions_per_case",
                "Extra transactions a case",
                Kind::Figure,
            ),
            ("extra_bytes_per_case", "Extra bytes a case", Kind::Bytes),
        ],
    );
    for named in runs {
        let attacks = named.run.disputes.iter().flat_map(|found| &found.attacks);
        for (attack, cost) in attacks {
            dataset.push(vec![
                (&named.name).into(),
                attack.into(),
                cost.cases.into(),
                cost.punishments.into(),
                cost.transactions.into(),
                cost.paid_by_honest.into(),
                cost.bytes.into(),
                cost.extra_transactions_per_case.into(),
                cost.extra_bytes_per_case.into(),
            ]);
        }
    }
    dataset
}
