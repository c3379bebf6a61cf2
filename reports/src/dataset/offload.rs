//! The offload vector: Layer 1's measured load both ways, and the ratios between the two.

use super::{Cell, Dataset, Kind};
use crate::{
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
    of_endpoints: Option<fn(&RunFile) -> Cell>,
}

/// The vector's dimensions, in the order of the run file.
const DIMENSIONS: [Dimension; 7] = [
    Dimension {
        name: "transactions",
        heading: "transactions",
        ratio: |offload| offload.transactions,
        of_l1: |load| load.transactions.into(),
        of_endpoints: None,
    },
    Dimension {
        name: "bytes",
        heading: "bytes",
        ratio: |offload| offload.bytes,
        of_l1: |load| load.bytes.into(),
        of_endpoints: Some(|run| run.offchain.bytes.into()),
    },
    Dimension {
        name: "signature_verifications",
        heading: "signatures verified",
        ratio: |offload| offload.signature_verifications,
        of_l1: |load| load.signature_verifications.into(),
        of_endpoints: Some(|run| run.offchain.signature_verifications.into()),
    },
    Dimension {
        name: "state_reads",
        heading: "state reads",
        ratio: |offload| offload.state_reads,
        of_l1: |load| load.state_reads.into(),
        of_endpoints: None,
    },
    Dimension {
        name: "state_writes",
        heading: "state writes",
        ratio: |offload| offload.state_writes,
        of_l1: |load| load.state_writes.into(),
        of_endpoints: None,
    },
    Dimension {
        name: "peak_state_entries",
        heading: "peak state entries",
        ratio: |offload| offload.peak_state_entries,
        of_l1: |load| load.peak_state_entries.into(),
        of_endpoints: None,
    },
    Dimension {
        name: "cpu_s",
        heading: "CPU seconds",
        ratio: |offload| offload.cpu,
        of_l1: |load| load.cpu_s.into(),
        of_endpoints: Some(|run| run.offchain.cpu_s.into()),
    },
];

/// What is added up over Layer 1 and everyone who signs or verifies off it.
struct Total {
    name: &'static str,
    heading: &'static str,
    /// Layer 1 and the baseline's payers; none where their part was not measured.
    direct: fn(&RunFile) -> Option<Cell>,
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
            made.saturating_add(run.offchain.signature_verifications)
                .saturating_add(run.l1.channels.signature_verifications)
                .into()
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
/// which rises where Layer 1's load falls. Measured, all of it.
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
            ("ratio", "Offload per payment", Kind::Ratio),
            ("ratio_low", "95 % from", Kind::Ratio),
            ("ratio_high", "95 % to", Kind::Ratio),
        ],
    );
    for named in runs {
        let run = &named.run;
        let direct = run.l1.direct.as_ref();
        let direct_payments = Cell::or_missing(direct.map(|direct| direct.payments));
        for dimension in &DIMENSIONS {
            let ratio = run.l1.offload.as_ref().map(dimension.ratio);
            dataset.push(vec![
                (&named.name).into(),
                dimension.name.into(),
                direct.map_or(Cell::Missing, |direct| (dimension.of_l1)(&direct.load)),
                direct_payments.clone(),
                (dimension.of_l1)(&run.l1.channels),
                run.achieved.payments.into(),
                dimension.of_endpoints.map_or(Cell::Missing, |of| of(run)),
                Cell::or_missing(ratio.map(|ratio| ratio.ratio)),
                Cell::or_missing(ratio.map(|ratio| ratio.low)),
                Cell::or_missing(ratio.map(|ratio| ratio.high)),
            ]);
        }
        for total in &TOTALS {
            let (direct, channels) = ((total.direct)(run), (total.channels)(run));
            let of_direct =
                direct.as_ref().map_or(f64::NAN, Cell::number) / direct_payments.number();
            let of_channels = channels.number() / run.achieved.payments as f64;
            dataset.push(vec![
                (&named.name).into(),
                total.name.into(),
                direct.unwrap_or(Cell::Missing),
                direct_payments.clone(),
                channels,
                run.achieved.payments.into(),
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
