//! The offload, each row once: Layer 1's load without channels and with them, what moved to the
//! endpoints, the totals of both, and the ratios. No ratio that was not measured, and no figure
//! that a restart cut in two. The table of it has loads per 10,000 payments; state is a stock and
//! stands as it is.

use duet_terminal::dataset::{Cell, Kind, number_shown};

use crate::{
    human,
    layout::{self, Column, Table, WIDTH, width},
    measured::{self, SPANS},
    run_file::{Achieved, L1Load, Offchain, Offload, RunFile},
};

/// Payments of the reference session; loads are shown for so many.
const PER_PAYMENTS: f64 = 10_000.0;

/// One row of the load.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// In CSV and JSON.
    pub name: &'static str,
    /// For people.
    pub heading: &'static str,
    /// How its figures are shown.
    kind: Kind,
    /// Without channels, in all.
    pub direct: Cell,
    /// The payments that `direct` is for.
    pub direct_payments: Option<u64>,
    /// With channels, in all.
    pub channels: Cell,
    /// The payments that `channels` is for.
    pub channels_payments: u64,
    /// What moved to the endpoints, in all.
    pub endpoints: Cell,
    /// The payments that `endpoints` is for.
    pub endpoints_payments: Option<u64>,
    /// Direct over channels, per payment; NaN where it is not known.
    pub ratio: f64,
    /// The 95 % interval around the ratio.
    pub interval: Option<(f64, f64)>,
    /// Why a baseline that was run gives no ratio.
    pub why: Option<&'static str>,
}

/// One dimension of Layer 1's load, and where to find it.
struct Dimension {
    name: &'static str,
    heading: &'static str,
    kind: Kind,
    of_l1: fn(&L1Load) -> Cell,
    of_endpoints: Option<fn(&Offchain) -> Cell>,
}

macro_rules! dimensions {
    ($($field:ident, $heading:literal, $kind:ident $(, $moved:ident)?;)*) => {
        [$(Dimension {
            name: stringify!($field),
            heading: $heading,
            kind: Kind::$kind,
            of_l1: |load| load.$field.into(),
            of_endpoints: [$(Some((|of| of.$moved.into()) as fn(&Offchain) -> Cell),)? None][0],
        }),*]
    };
}

/// The vector's dimensions, in the order of the run file. The last word is what endpoints do of it.
const DIMENSIONS: [Dimension; 7] = dimensions! {
    transactions, "transactions", Figure;
    bytes, "bytes", Bytes, bytes;
    signature_verifications, "signatures verified", Figure, signature_verifications;
    state_reads, "state reads", Figure;
    state_writes, "state writes", Figure;
    peak_state_entries, "peak entries, all", Figure;
    cpu_s, "CPU", Seconds, cpu_s;
};

/// A row for each dimension; then what all parties did together, most of which rises where Layer
/// 1's load falls.
#[must_use]
pub fn rows(run: &RunFile) -> Vec<Row> {
    let direct = run.l1.direct.as_ref();
    let ratios = direct.and(run.l1.offload.as_ref()).map(Offload::named);
    let known = measured::endpoints_known(run);
    let dimension = |(nth, of): (usize, &Dimension)| {
        let ratio = ratios.as_ref().map(|ratios| ratios[nth].1);
        // What Layer 1 counts goes on where its records leave off; CPU time does not.
        let l1_known = of.name != "cpu_s" || measured::l1_cpu_known(run);
        let of_endpoints = of.of_endpoints.filter(|_| known);
        Row {
            name: of.name,
            heading: of.heading,
            kind: of.kind,
            direct: direct.map(|direct| (of.of_l1)(&direct.load)).into(),
            direct_payments: direct.map(|direct| direct.payments),
            channels: l1_known.then(|| (of.of_l1)(&run.l1.channels)).into(),
            channels_payments: run.achieved.payments,
            endpoints: of_endpoints.map(|of| of(&run.offchain)).into(),
            endpoints_payments: of_endpoints.map(|_| run.payments_measured()),
            ratio: ratio.map_or(f64::NAN, |of| of.ratio),
            interval: ratio.map(|of| (of.low, of.high)),
            why: (ratio.is_some() && !l1_known).then_some(SPANS),
        }
    };
    let rows = DIMENSIONS.iter().enumerate().map(dimension);
    rows.chain(totals(run)).collect()
}

/// Signatures made and verified by anyone, and CPU time of everyone, payers of the baseline
/// included; with channels, of the payments measured.
fn totals(run: &RunFile) -> [Row; 2] {
    let (endpoints, l1) = (&run.offchain, &run.l1.channels);
    let (measured, all) = (run.payments_measured(), run.achieved.payments);
    let made = (endpoints.signatures_made).saturating_add(endpoints.signature_verifications);
    let signatures: Cell = match measured == all {
        true => made.saturating_add(l1.signature_verifications).into(),
        false => {
            let verified = l1.signature_verifications as f64;
            (made as f64 + verified * measured as f64 / all as f64).into()
        }
    };
    let direct = run.l1.direct.as_ref();
    let both = direct.zip(endpoints.direct_client.as_ref());
    let direct_signatures = both.map(|(direct, client)| {
        let verified = direct.load.signature_verifications;
        verified.saturating_add(client.signatures_made)
    });
    let direct_cpu_s = both.map(|(direct, client)| direct.load.cpu_s + client.cpu_s);
    let known = measured::endpoints_known(run);
    let total = |name, heading, kind, direct_total: Cell, channels: Cell| {
        let channels = known.then_some(channels).into();
        let direct_payments = direct.map(|direct| direct.payments);
        let per = |cell: &Cell, payments: u64| match payments {
            0 => f64::NAN,
            _ => cell.number() / payments as f64,
        };
        let of_direct = direct_payments.map_or(f64::NAN, |of| per(&direct_total, of));
        Row {
            name,
            heading,
            kind,
            ratio: of_direct / per(&channels, measured),
            direct: direct_total,
            direct_payments,
            channels,
            channels_payments: measured,
            endpoints: Cell::Missing,
            endpoints_payments: None,
            interval: None,
            why: match (direct, both) {
                (Some(_), _) if !known => Some(SPANS),
                (Some(_), None) => Some("payers' signing not measured"),
                _ => None,
            },
        }
    };
    let (signing, seconds) = (direct_signatures.into(), direct_cpu_s.into());
    let cpu = (endpoints.cpu_s + l1.cpu_s).into();
    [
        total(
            "signatures_in_all",
            "signatures in all",
            Kind::Figure,
            signing,
            signatures,
        ),
        total("cpu_s_in_all", "CPU in all", Kind::Seconds, seconds, cpu),
    ]
}

impl Row {
    /// The ratio in words, with its interval, and whether it is a rise; or why there is none.
    #[must_use]
    pub fn shown(&self) -> Option<String> {
        match (self.why, self.interval) {
            (Some(SPANS), _) => Some(format!("- ({SPANS})")),
            (Some(why), _) => Some(why.to_owned()),
            _ if self.ratio.is_nan() => None,
            (None, None) => Some(in_words(self.ratio)),
            (None, Some((low, _))) if low == self.ratio => Some(in_words(self.ratio)),
            (None, Some((low, high))) => {
                let rise = if self.ratio < 1.0 { ": more" } else { "" };
                // Symmetric but for its low end, which stops at 0.
                let interval = match low.is_finite() && high.is_finite() {
                    true => human::figure((high - self.ratio) / self.ratio * 100.0) + " %",
                    false => "unknown".to_owned(),
                };
                Some(format!("{} ± {interval}{rise}", human::ratio(self.ratio)))
            }
        }
    }

    fn cells(&self) -> [String; 5] {
        let show = |cell: &Cell, payments: Option<u64>| {
            let scale = match self.name {
                "peak_state_entries" => 1.0,
                _ => PER_PAYMENTS / payments.unwrap_or(0) as f64,
            };
            match cell {
                Cell::Missing => "-".to_owned(),
                cell => number_shown(cell.number() * scale, self.kind),
            }
        };
        [
            self.heading.into(),
            show(&self.direct, self.direct_payments),
            show(&self.channels, Some(self.channels_payments)),
            show(&self.endpoints, self.endpoints_payments),
            self.shown().unwrap_or_default(),
        ]
    }
}

/// The table's lines: what its baseline was, its heading, and a line a row.
pub fn lines(run: &RunFile) -> Vec<String> {
    let mut table = Table::new(&[
        Column::Left("per 10 k payments"),
        Column::Right("L1 direct"),
        Column::Right("channels"),
        Column::Right("moved off"),
        Column::Left("offload"),
    ]);
    for row in rows(run) {
        table.row(row.cells());
    }
    let mut lines = layout::wrap("baseline  ", &[baseline(run)], ',', WIDTH.div_ceil(width()));
    lines.extend(table.lines());
    lines
}

/// What the ratios rest on, or why there are none.
pub fn baseline(run: &RunFile) -> String {
    let Some(direct) = &run.l1.direct else {
        let nothing = run.resumed().is_some() && run.payments_measured() == 0;
        let why = if nothing {
            "nothing was measured"
        } else {
            "not run"
        };
        return format!("{why}: no ratios");
    };
    if run.l1.offload.is_none() {
        return "no payments: no ratios".into();
    }
    let sessions = human::counted(direct.sampled_sessions, "session");
    let Achieved {
        payments,
        payments_refused,
        sessions_opened,
        phases,
        ..
    } = &run.achieved;
    // Of a run that was ended early, and of cheated sessions, the baseline makes more than the run
    // did.
    let whole = (payments.saturating_add(*payments_refused), *sessions_opened);
    let sample = match (direct.payments, direct.sampled_sessions) == whole {
        true => "all payments".to_owned(),
        false => human::counted(direct.payments, "payment"),
    };
    let phase = phases.iter().find(|phase| phase.name == "baseline");
    let took = phase.map(|phase| format!(" in {}", human::seconds(phase.wall_s)));
    let took = took.unwrap_or_default();
    format!("{sample} of {sessions}{took}; counts exact, CPU ± at 95 %")
}

/// `5,000 x`, or that it is more and not less: a ratio below 1 must not be taken for a saving.
pub fn in_words(ratio: f64) -> String {
    let rise = if ratio < 1.0 { ": more, not less" } else { "" };
    format!("{}{rise}", human::ratio(ratio))
}
