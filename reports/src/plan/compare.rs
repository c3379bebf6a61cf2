//! A run set beside the plan's point: what a payment costs, and apart from it what is amortised over
//! a session, which a short run pays in full.

use serde::Serialize;

use super::PlanError;
use super::ask::Role;
use super::input::{Assurance, Chosen, Source, SweepMachine, usable};
use super::observation::Observation;
use super::size::{Point, Sizer};
use super::statistics::{is_outside, median};
use crate::human::figure;
use crate::run_file::RunFile;

/// A run beside the prediction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The run's file.
    pub run: String,
    /// What both say.
    pub figures: Vec<Figure>,
    /// Where the run is not at the planned point, a sentence each.
    pub notes: Vec<String>,
}

/// One figure of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// Its unit: `/s`, `count`, `ns`, `s` or `bytes`.
    pub unit: &'static str,
    /// As planned; none where it was not measured.
    pub planned: Option<f64>,
    /// As the run has it.
    pub measured: Option<f64>,
    /// `planned / measured - 1`; none of what was asked for.
    pub error: Option<f64>,
}

impl Comparison {
    /// Of the one run of a file, with one machine of the plan.
    ///
    /// # Errors
    /// It is not one run, none that can be planned with, or one of another assurance.
    pub(super) fn of(
        source: &Source,
        sizer: &Sizer<'_>,
        chosen: &Chosen,
        point: &Point,
    ) -> Result<Comparison, PlanError> {
        let file = &source.file;
        let refused = |why: String| Err(PlanError::Refused(format!("{file}: {why}")));
        let [(_, run)] = &source.runs[..] else {
            let count = source.runs.len();
            return refused(format!("{count} runs; expected one to set beside the plan"));
        };
        if run.merged.is_some() || run.part.is_some() {
            let text =
                "of several machines, or a part of such a run: expected a run of one machine";
            return refused(text.to_owned());
        }
        let assurance = Assurance::of(run);
        if assurance != chosen.assurance {
            let (its, plans) = (assurance.text(), chosen.assurance.text());
            return refused(format!(
                "a run of another assurance ({its}) than the plan's: expected {plans}"
            ));
        }
        let seen = match usable(run, sizer.ask.busy_max) {
            Ok(seen) => seen,
            Err(why) => return refused(format!("INVALID for planning: {}", why.join("; "))),
        };
        Ok(Comparison {
            run: source.file.clone(),
            figures: figures(&seen, sizer, chosen, point),
            notes: notes(run, &seen, sizer, chosen, point),
        })
    }
}

fn figures(seen: &Observation, sizer: &Sizer<'_>, chosen: &Chosen, point: &Point) -> Vec<Figure> {
    let (slo, payments) = (&sizer.ask.slo, sizer.ask.payments as f64);
    let response = seen.response.as_ref().map(|found| slo.percentile.of(found));
    let (each, session) = (point.cpu_s_apart_from_sessions, point.cpu_s_per_session);
    let (sessions_s, log) = (
        seen.sessions_cpu_s(),
        seen.log.map(|log| log.bytes_per_payment),
    );
    let mut figures = Vec::new();
    let mut add = |name, unit, planned: Option<f64>, measured: Option<f64>| {
        let both = planned.zip(measured).filter(|_| unit != "count");
        figures.push(Figure {
            name,
            unit,
            planned,
            measured,
            error: both.map(|(planned, measured)| planned / measured - 1.0),
        });
    };
    add(
        "payments/s",
        "/s",
        Some(point.rate_per_s),
        Some(seen.achieved_per_s),
    );
    add(
        "channels",
        "count",
        Some(point.channels),
        Some(seen.channels),
    );
    add(slo.percentile.name(), "ns", point.response_ns, response);
    add(
        "CPU a payment",
        "s",
        Some(each),
        Some(seen.cpu_s() - sessions_s),
    );
    let measured = Some(sessions_s / seen.sessions_per_payment);
    add("CPU a session", "s", Some(session), measured);
    for (part, name) in ["opening", "closing", "keys, set-up a channel"]
        .into_iter()
        .enumerate()
    {
        let planned = median(chosen.runs.iter().filter_map(|run| run.amortised[part]));
        add(name, "s", planned, seen.amortised[part]);
    }
    let measured = Some(1.0 / seen.sessions_per_payment);
    add("payments a session", "count", Some(payments), measured);
    let all = "CPU a payment, its session's part in it";
    add(
        all,
        "s",
        Some(each + session / payments),
        Some(seen.cpu_s()),
    );
    add(
        "memory",
        "bytes",
        Some(point.memory_bytes),
        Some(seen.peak_rss_bytes),
    );
    add("log a payment", "bytes", point.log_bytes_per_payment, log);
    figures.retain(|figure| figure.planned.is_some() || figure.measured.is_some());
    figures
}

fn notes(
    run: &RunFile,
    seen: &Observation,
    sizer: &Sizer<'_>,
    chosen: &Chosen,
    point: &Point,
) -> Vec<String> {
    let rate = seen.offered_per_s.unwrap_or(seen.achieved_per_s);
    let mut notes = Vec::new();
    for (what, planned, is) in [
        ("payments/s", point.rate_per_s, rate),
        ("channels", point.channels, seen.channels),
        ("shards", sizer.machine.cores, seen.shards),
        (
            "payments a session",
            sizer.ask.payments as f64,
            1.0 / seen.sessions_per_payment,
        ),
    ] {
        if is_outside(is, (planned, planned)) {
            let [is, planned] = [is, planned].map(figure);
            notes.push(format!(
                "NOT AT THE PLANNED POINT: {is} {what}, planned {planned}"
            ));
        }
    }
    let machines = [&SweepMachine::of(run), &chosen.machine].map(SweepMachine::text);
    if machines[0] != machines[1] {
        let [its, sweeps] = machines;
        notes.push(format!(
            "ANOTHER MACHINE ({its}) than the sweep's ({sweeps})"
        ));
    }
    if !seen.held {
        notes.push("the run DID NOT HOLD its rate".to_owned());
    }
    if sizer.ask.role == Role::Hub {
        notes.push("CPU time is of both ends, as runs have them; a hub is one".to_owned());
    }
    notes
}
