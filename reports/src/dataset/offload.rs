//! The offload vector: Layer 1's measured load both ways, and the ratios between the two.

use super::{Cell, Dataset, Kind};
use crate::{
    measured::{endpoints_known, l1_cpu_known},
    run_file::{L1Load, Offload, Ratio, RunFile},
    runs::NamedRun,
};

/// One dimension of the vector.
struct Dimension {
    /// As in the run file.
    name: &'static str,
    /// For people.
    heading: &'static str,
    ratio: fn(&Offload) -> Ratio,
    of_l1: fn(&L1Load) -> Cell,
    /// Whether Layer 1's part is that of all payments.
    is_known: fn(&RunFile) -> bool,
    of_endpoints: Option<fn(&RunFile) -> Cell>,
}

/// What Layer 1 counts goes on where its records leave off.
fn counted(_: &RunFile) -> bool {
    true
}

/// The vector's dimensions, in the order of the run file.
const DIMENSIONS: [Dimension; 7] = [
    Dimension {
        name: "transactions",
        heading: "transactions",
        ratio: |offload| offload.transactions,
        of_l1: |load| load.transactions.into(),
        is_known: counted,
        of_endpoints: None,
    },
    Dimension {
        name: "bytes",
        heading: "bytes",
        ratio: |offload| offload.bytes,
        of_l1: |load| load.bytes.into(),
        is_known: counted,
        of_endpoints: Some(|run| run.offchain.bytes.into()),
    },
    Dimension {
        name: "signature_verifications",
        heading: "signatures verified",
        ratio: |offload| offload.signature_verifications,
        of_l1: |load| load.signature_verifications.into(),
        is_known: counted,
        of_endpoints: Some(|run| run.offchain.signature_verifications.into()),
    },
    Dimension {
        name: "state_reads",
        heading: "state reads",
        ratio: |offload| offload.state_reads,
        of_l1: |load| load.state_reads.into(),
        is_known: counted,
        of_endpoints: None,
    },
    Dimension {
        name: "state_writes",
        heading: "state writes",
        ratio: |offload| offload.state_writes,
        of_l1: |load| load.state_writes.into(),
        is_known: counted,
        of_endpoints: None,
    },
    Dimension {
        name: "peak_state_entries",
        heading: "peak state entries",
        ratio: |offload| offload.peak_state_entries,
        of_l1: |load| load.peak_state_entries.into(),
        is_known: counted,
        of_endpoints: None,
    },
    Dimension {
        name: "cpu_s",
        heading: "CPU seconds",
        ratio: |offload| offload.cpu,
        of_l1: |load| load.cpu_s.into(),
        is_known: l1_cpu_known,
        of_endpoints: Some(|run| run.offchain.cpu_s.into()),
    },
];

/// What is added up over Layer 1 and everyone who signs or verifies off it.
struct Total {
    name: &'static str,
    heading: &'static str,
    /// Layer 1 and the baseline's payers; none where their part was not measured.
    direct: fn(&RunFile) -> Option<Cell>,
    /// Layer 1 and the endpoints, of the payments measured.
    channels: fn(&RunFile) -> Cell,
}

const TOTALS: [Total; 2] = [
    Total {
        name: "signatures_in_all",
        heading: "in all: signatures made and verified",
        direct: |run| {
            let (direct, client) = run
                .l1
                .direct
                .as_ref()
                .zip(run.offchain.direct_client.as_ref())?;
            let verified = direct.load.signature_verifications;
            Some(verified.saturating_add(client.signatures_made).into())
        },
        channels: |run| {
            let made = run.offchain.signatures_made;
            let endpoints = made.saturating_add(run.offchain.signature_verifications);
            let l1 = run.l1.channels.signature_verifications;
            match (run.payments_measured(), run.achieved.payments) {
                (measured, all) if measured == all => endpoints.saturating_add(l1).into(),
                (measured, all) => {
                    (endpoints as f64 + l1 as f64 * measured as f64 / all as f64).into()
                }
            }
        },
    },
    Total {
        name: "cpu_s_in_all",
        heading: "in all: CPU of Layer 1 and endpoints",
        direct: |run| {
            let (direct, client) = run
                .l1
                .direct
                .as_ref()
                .zip(run.offchain.direct_client.as_ref())?;
            Some((direct.load.cpu_s + client.cpu_s).into())
        },
        channels: |run| (run.offchain.cpu_s + run.l1.channels.cpu_s).into(),
    },
];

/// A row for each dimension of each run: totals of both ways with the payments that they are for,
/// and the ratio per payment with its 95 % interval; then what all parties did together, most of
/// which rises where Layer 1's load falls. Measured, all of it; missing where a restart cut it in
/// two.
#[must_use]
pub fn offload(runs: &[NamedRun]) -> Dataset {
    let mut dataset = Dataset::new(
        "offload",
        &[
            ("run", "Run", Kind::Text),
            ("dimension", "Layer 1's", Kind::Text),
            ("direct", "Direct", Kind::Figure),
            ("direct_payments", "of payments", Kind::Figure),
            ("channels", "With channels", Kind::Figure),
            ("channels_payments", "of payments", Kind::Figure),
            ("endpoints", "Moved to the endpoints", Kind::Figure),
            ("endpoints_payments", "of payments", Kind::Figure),
            ("ratio", "Offload per payment", Kind::Ratio),
            ("ratio_low", "95 % from", Kind::Ratio),
            ("ratio_high", "95 % to", Kind::Ratio),
        ],
    );
    for named in runs {
        let run = &named.run;
        let direct = run.l1.direct.as_ref();
        let direct_payments = Cell::or_missing(direct.map(|direct| direct.payments));
        let measured = run.payments_measured();
        let known = endpoints_known(run);
        for dimension in &DIMENSIONS {
            let ratio = run.l1.offload.as_ref().map(dimension.ratio);
            let endpoints = dimension.of_endpoints.filter(|_| known);
            dataset.push(vec![
                (&named.name).into(),
                dimension.name.into(),
                direct.map_or(Cell::Missing, |direct| (dimension.of_l1)(&direct.load)),
                direct_payments.clone(),
                match (dimension.is_known)(run) {
                    true => (dimension.of_l1)(&run.l1.channels),
                    false => Cell::Missing,
                },
                run.achieved.payments.into(),
                endpoints.map_or(Cell::Missing, |of| of(run)),
                Cell::or_missing(endpoints.map(|_| measured)),
                Cell::or_missing(ratio.map(|ratio| ratio.ratio)),
                Cell::or_missing(ratio.map(|ratio| ratio.low)),
                Cell::or_missing(ratio.map(|ratio| ratio.high)),
            ]);
        }
        for total in &TOTALS {
            let direct = (total.direct)(run);
            let channels = match known {
                true => (total.channels)(run),
                false => Cell::Missing,
            };
            let of_direct =
                direct.as_ref().map_or(f64::NAN, Cell::number) / direct_payments.number();
            let of_channels = channels.number() / measured as f64;
            dataset.push(vec![
                (&named.name).into(),
                total.name.into(),
                direct.unwrap_or(Cell::Missing),
                direct_payments.clone(),
                channels,
                measured.into(),
                Cell::Missing,
                Cell::Missing,
                (of_direct / of_channels).into(),
                Cell::Missing,
                Cell::Missing,
            ]);
        }
    }
    dataset
}

/// For people: what a cell of the `dimension` column is called.
pub(crate) fn offload_heading(dimension: &Cell) -> &'static str {
    let known = DIMENSIONS.iter().map(|d| (d.name, d.heading));
    let mut known = known.chain(TOTALS.iter().map(|t| (t.name, t.heading)));
    let found = known.find(|(name, _)| *dimension == Cell::from(*name));
    found.map_or("", |(_, heading)| heading)
}
