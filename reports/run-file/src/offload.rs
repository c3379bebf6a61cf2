//! The offload table, and how its baseline was made: Layer 1's load per 10,000 payments without
//! channels and with them, what moved to the endpoints, and the totals of both. State is a stock
//! and stands as it is, not per payment. Prints no ratio that was not measured, and no figure that
//! a restart cut in two.

use crate::{
    human,
    layout::{Column, Table, WIDTH, clip},
    measured::{self, SPANS},
    run_file::{Achieved, L1Load, Offload, Ratio, RunFile},
};

/// Payments of the reference session; loads are shown for so many.
const PER_PAYMENTS: f64 = 10_000.0;

/// The table's lines: a heading, seven rows of the vector, and two totals.
pub fn lines(run: &RunFile) -> Vec<String> {
    let mut table = Table::new(&[
        Column::Left("per 10 k payments"),
        Column::Right("L1 direct"),
        Column::Right("channels"),
        Column::Right("moved off"),
        Column::Left("offload"),
    ]);
    for row in &ROWS {
        table.row(load_cells(run, row));
    }
    table.row(total_signatures(run));
    table.row(total_cpu(run));
    let heading = format!("baseline  {}", baseline(run));
    std::iter::once(clip(&heading, WIDTH))
        .chain(table.lines())
        .collect()
}

/// One dimension of the load: where to find it, and how to show it.
struct Row {
    name: &'static str,
    kind: Kind,
    of_l1: fn(&L1Load) -> f64,
    of_endpoints: Option<fn(&RunFile) -> f64>,
    ratio: fn(&Offload) -> Ratio,
    show: fn(f64) -> String,
}

/// How a figure goes with the length of a run.
enum Kind {
    /// It adds up over payments, and is shown for [`PER_PAYMENTS`] of them.
    Flow,
    /// So does CPU time, which does not outlive the process.
    Time,
    /// It is held at one time, for accounts that are there on both sides, and is shown as it is.
    Stock,
}

const ROWS: [Row; 7] = [
    Row {
        name: "transactions",
        kind: Kind::Flow,
        of_l1: |load| load.transactions as f64,
        of_endpoints: None,
        ratio: |offload| offload.transactions,
        show: human::figure,
    },
    Row {
        name: "bytes",
        kind: Kind::Flow,
        of_l1: |load| load.bytes as f64,
        of_endpoints: Some(|run| run.offchain.bytes as f64),
        ratio: |offload| offload.bytes,
        show: human::bytes,
    },
    Row {
        name: "signatures verified",
        kind: Kind::Flow,
        of_l1: |load| load.signature_verifications as f64,
        of_endpoints: Some(|run| run.offchain.signature_verifications as f64),
        ratio: |offload| offload.signature_verifications,
        show: human::figure,
    },
    Row {
        name: "state reads",
        kind: Kind::Flow,
        of_l1: |load| load.state_reads as f64,
        of_endpoints: None,
        ratio: |offload| offload.state_reads,
        show: human::figure,
    },
    Row {
        name: "state writes",
        kind: Kind::Flow,
        of_l1: |load| load.state_writes as f64,
        of_endpoints: None,
        ratio: |offload| offload.state_writes,
        show: human::figure,
    },
    Row {
        name: "peak entries, all",
        kind: Kind::Stock,
        of_l1: |load| load.peak_state_entries as f64,
        of_endpoints: None,
        ratio: |offload| offload.peak_state_entries,
        show: human::figure,
    },
    Row {
        name: "CPU",
        kind: Kind::Time,
        of_l1: |load| load.cpu_s,
        of_endpoints: Some(|run| run.offchain.cpu_s),
        ratio: |offload| offload.cpu,
        show: human::seconds,
    },
];

fn load_cells(run: &RunFile, row: &Row) -> [String; 5] {
    let Row {
        name,
        kind,
        of_l1,
        of_endpoints,
        ratio,
        show,
    } = row;
    let scaled = |total: f64, payments: u64| match kind {
        Kind::Flow | Kind::Time => per_payments(total, payments),
        Kind::Stock => total,
    };
    let is_known = !matches!(kind, Kind::Time) || measured::l1_cpu_known(run);
    let ratio = match (&run.l1.direct, &run.l1.offload) {
        (Some(_), Some(_)) if !is_known => format!("- ({SPANS})"),
        (Some(_), Some(offload)) => with_interval(ratio(offload)),
        _ => String::new(),
    };
    let channels = is_known.then(|| show(scaled(of_l1(&run.l1.channels), run.achieved.payments)));
    let endpoints = of_endpoints.filter(|_| measured::endpoints_known(run));
    let endpoints = endpoints.map(|of| show(scaled(of(run), run.payments_measured())));
    let or_dash = |figure: Option<String>| figure.unwrap_or_else(|| "-".into());
    [
        (*name).into(),
        direct(run, |direct| {
            show(scaled(of_l1(&direct.load), direct.payments))
        }),
        or_dash(channels),
        or_dash(endpoints),
        ratio,
    ]
}

/// Signatures made and verified by anyone, payers of the baseline included.
fn total_signatures(run: &RunFile) -> [String; 5] {
    let client = run
        .offchain
        .direct_client
        .as_ref()
        .map(|client| client.signatures_made as f64);
    let endpoints = &run.offchain;
    let endpoints = endpoints.signatures_made as f64 + endpoints.signature_verifications as f64;
    let l1 = run.l1.channels.signature_verifications as f64;
    let with_channels =
        per_payments(endpoints, run.payments_measured()) + per_payments(l1, run.achieved.payments);
    total(
        run,
        client,
        |load| load.signature_verifications as f64,
        with_channels,
        human::figure,
    )
    .named("signatures in all")
}

/// CPU time of Layer 1 and of everyone who signs or verifies off it.
fn total_cpu(run: &RunFile) -> [String; 5] {
    let client = run
        .offchain
        .direct_client
        .as_ref()
        .map(|client| client.cpu_s);
    let with_channels = run.offchain.cpu_s + run.l1.channels.cpu_s;
    let with_channels = per_payments(with_channels, run.payments_measured());
    total(
        run,
        client,
        |load| load.cpu_s,
        with_channels,
        human::seconds,
    )
    .named("CPU in all")
}

/// A total both ways, and what became of it.
struct Total {
    direct: String,
    with_channels: String,
    change: String,
}

impl Total {
    fn named(self, name: &str) -> [String; 5] {
        [
            name.into(),
            self.direct,
            self.with_channels,
            String::new(),
            self.change,
        ]
    }
}

/// `client` is what the baseline's payers did; without it the direct total is not known.
/// `with_channels` is for [`PER_PAYMENTS`].
fn total(
    run: &RunFile,
    client: Option<f64>,
    of_l1: fn(&L1Load) -> f64,
    with_channels: f64,
    show: fn(f64) -> String,
) -> Total {
    let direct_total = run
        .l1
        .direct
        .as_ref()
        .zip(client)
        .map(|(direct, client)| per_payments(of_l1(&direct.load) + client, direct.payments));
    if run.resumed().is_some() && !measured::endpoints_known(run) {
        return Total {
            direct: direct_total.map_or_else(|| "-".into(), show),
            with_channels: "-".into(),
            change: match run.l1.direct {
                Some(_) => format!("- ({SPANS})"),
                None => String::new(),
            },
        };
    }
    let (direct, change) = match (direct_total, &run.l1.direct) {
        // Without payments there is nothing to compare.
        (Some(direct), _) if !with_channels.is_finite() => (show(direct), String::new()),
        (Some(direct), _) => (show(direct), in_words(direct / with_channels)),
        (None, Some(_)) => ("n/a".into(), "payers' signing not measured".into()),
        (None, None) => ("-".into(), String::new()),
    };
    Total {
        direct,
        with_channels: show(with_channels),
        change,
    }
}

/// What the ratios rest on, or why there are none.
fn baseline(run: &RunFile) -> String {
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
        ..
    } = run.achieved;
    // Of a run that was ended early, and of cheated sessions, the baseline makes more than the run
    // did.
    let whole = payments.saturating_add(payments_refused);
    let sample = if (direct.payments, direct.sampled_sessions) == (whole, sessions_opened) {
        format!("all payments of {sessions}")
    } else {
        let payments = human::counted(direct.payments, "payment");
        format!("{payments} of {sessions}")
    };
    let phase = run
        .achieved
        .phases
        .iter()
        .find(|phase| phase.name == "baseline");
    let took = phase.map_or_else(String::new, |phase| {
        format!(" in {}", human::seconds(phase.wall_s))
    });
    format!("{sample}{took}; counts exact, CPU ± at 95 %")
}

/// `5,000 x ± 0.7 %`, without the interval where it is but a point.
fn with_interval(Ratio { ratio, low, high }: Ratio) -> String {
    if low == high {
        return in_words(ratio);
    }
    // Symmetric but for its low end, which stops at 0.
    let interval = if low.is_finite() && high.is_finite() {
        format!("± {} %", human::figure((high - ratio) / ratio * 100.0))
    } else {
        "± unknown".to_owned()
    };
    let rise = if ratio < 1.0 { ": more" } else { "" };
    format!("{} {interval}{rise}", human::ratio(ratio))
}

/// `5,000 x`, or that it is more and not less.
pub fn in_words(ratio: f64) -> String {
    format!("{}{}", human::ratio(ratio), rise(ratio))
}

/// A ratio below 1 must not be taken for a saving.
fn rise(ratio: f64) -> &'static str {
    if ratio < 1.0 { ": more, not less" } else { "" }
}

fn direct(run: &RunFile, show: impl Fn(&crate::run_file::DirectLoad) -> String) -> String {
    run.l1.direct.as_ref().map_or_else(|| "-".into(), show)
}

fn per_payments(total: f64, payments: u64) -> f64 {
    total / payments as f64 * PER_PAYMENTS
}
