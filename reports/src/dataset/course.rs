//! The course of a run: its samples, and the rates between them.

use super::{Dataset, Kind, assured, with_assurance};
use crate::{run_file::Sample, runs::NamedRun};

/// A row for each sample of each run: totals so far, and what went on since the sample before.
#[must_use]
pub fn course(runs: &[NamedRun]) -> Dataset {
    let mut dataset = with_assurance(
        "series",
        &[
            ("t_s", "Time", Kind::Seconds),
            ("payments", "Payments so far", Kind::Figure),
            ("payments_per_s", "Payments/s", Kind::Figure),
            ("l1_transactions", "L1 transactions so far", Kind::Figure),
            ("l1_transactions_per_s", "L1 transactions/s", Kind::Figure),
            ("cpu_s", "CPU so far", Kind::Seconds),
            ("cores_busy", "Cores busy", Kind::Figure),
        ],
    );
    for named in runs {
        for (sample, rates) in with_rates(&named.run.series) {
            let mut row = assured(named);
            row.extend([
                sample.t_s.into(),
                sample.payments.into(),
                sample.payments_per_s.into(),
                sample.l1_transactions.into(),
                rates.l1_transactions_per_s.into(),
                sample.cpu_s.into(),
                rates.cores_busy.into(),
            ]);
            dataset.push(row);
        }
    }
    dataset
}

/// Since the sample before, or the start.
pub(crate) struct Rates {
    pub(crate) l1_transactions_per_s: f64,
    pub(crate) cores_busy: f64,
}

/// Each sample, and the rates between it and the one before. A file whose counts fall has no rate
/// there.
pub(crate) fn with_rates(series: &[Sample]) -> impl Iterator<Item = (&Sample, Rates)> {
    let before = std::iter::once(None).chain(series.iter().map(Some));
    series.iter().zip(before).map(|(sample, before)| {
        let (t_s, l1_transactions, cpu_s) =
            before.map_or((0.0, 0, 0.0), |s| (s.t_s, s.l1_transactions, s.cpu_s));
        let per_s = |amount: f64| match (amount, sample.t_s - t_s) {
            (amount, seconds) if amount >= 0.0 && seconds > 0.0 => amount / seconds,
            _ => f64::NAN,
        };
        let rates = Rates {
            l1_transactions_per_s: per_s(sample.l1_transactions as f64 - l1_transactions as f64),
            cores_busy: per_s(sample.cpu_s - cpu_s),
        };
        (sample, rates)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_since_the_sample_before() {
        let sample = |t_s, l1_transactions, cpu_s| Sample {
            t_s,
            payments: 0,
            payments_per_s: 0.0,
            l1_transactions,
            cpu_s,
        };
        let series = [
            sample(2.0, 100, 3.0),
            sample(3.0, 150, 5.0),
            sample(3.0, 160, 5.5),
            sample(4.0, 10, 6.0),
        ];
        let rates: Vec<(f64, f64)> = with_rates(&series)
            .map(|(_, rates)| (rates.l1_transactions_per_s, rates.cores_busy))
            .collect();
        assert_eq!(rates[..2], [(50.0, 1.5), (50.0, 2.0)]);
        assert!(rates[2].0.is_nan(), "no time has passed");
        assert!(
            rates[3].0.is_nan() && rates[3].1 == 0.5,
            "a count that falls"
        );
    }
}
