//! A gate's result, as text for people and as JSON for programs. Pure; decides nothing.

use std::time::Duration;

use duet_terminal::Exit;
use duet_terminal::human;
use duet_terminal::layout::Column;
use serde_json::{Value, json};

use crate::metric::Metric;
use crate::ratio::RatioEstimate;
use crate::report::{
    Ground, SCHEMA, estimate_json, interval, labelled, metric_json, pair_json, reach, table,
};
use crate::summary::{CONFIDENCE, MetricSummary, PairValues};
use crate::table::Cells;

use super::decide::{Call, Rule};
use super::judge::{Judgement, Stage, Verdict};
use super::look::MOST_PAIRS;
use super::needs::Needs;

/// A gate that has come to its verdict.
#[derive(Debug)]
pub struct Gated {
    /// What was compared.
    pub ground: Ground,
    /// The metric that is gated.
    pub metric: Metric,
    /// What is let through.
    pub rule: Rule,
    /// The time that could be spent.
    pub budget: Duration,
    /// The time that was.
    pub spent: Duration,
    /// What the gate exits with.
    pub exit: Exit,
    /// The verdict and its stages.
    pub judgement: Judgement,
    /// Every metric over the last stage's pairs.
    pub metrics: Vec<MetricSummary>,
    /// The values of every pair, stage by stage.
    pub pairs: Vec<Vec<PairValues>>,
}

impl Gated {
    /// The verdict in a line.
    #[must_use]
    pub fn headline(&self) -> String {
        let last = self.last_stage();
        format!(
            "{} · HEAD's {} is {} than BASE's by {} (interval {}), threshold {}, A/A floor {}",
            self.judgement.verdict.word(),
            self.metric.name(),
            if last.reading.slowdown.median >= 1.0 {
                "worse"
            } else {
                "better"
            },
            human::share((last.reading.slowdown.median - 1.0).abs()),
            shown(&last.reading.slowdown),
            human::share(self.rule.threshold),
            reach(&last.reading.floor),
        )
    }

    /// Of an inconclusive gate: what would have decided, and what it leaves open.
    #[must_use]
    pub fn undecided(&self) -> Vec<String> {
        let reading = &self.last_stage().reading;
        let mut said = Vec::new();
        said.extend(self.judgement.needs.map(|needs| match needs {
            Needs::Budget(budget) => format!(
                "a budget of {} would have decided, if what was measured holds",
                human::seconds(budget.as_secs_f64())
            ),
            Needs::QuieterMachine => format!(
                "no budget would have decided: {MOST_PAIRS} pairs of such runs do not tell {} from \
                 the threshold or from the A/A floor; a quieter machine may",
                signed_percent(reading.slowdown.median)
            ),
        }));
        if self.judgement.verdict == Verdict::Inconclusive {
            let open = match reading.slowdown.high {
                high if high.is_finite() => {
                    format!(
                        "a slowdown of up to {} is not excluded",
                        signed_percent(high)
                    )
                }
                _ => "no slowdown is excluded".to_owned(),
            };
            said.push(match self.exit {
                Exit::Ok => format!("let through by --on-inconclusive pass: {open}"),
                _ => open,
            });
        }
        said
    }

    /// What is said of the comparison itself, each with its label.
    pub(super) fn said(&self) -> Vec<(&'static str, String)> {
        let machine = &self.ground.machine;
        let parts = [
            machine.cpu.clone(),
            human::counted(machine.cores, "core"),
            machine.os.clone(),
            machine.features.join(" "),
        ];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let mut said = self.ground.said(["BASE", "HEAD"]);
        said.push(("machine", parts.join(", ")));
        said
    }

    /// What this verdict says nothing about.
    #[must_use]
    pub fn not_gated(&self) -> Vec<String> {
        let others: Vec<&str> = Metric::ALL
            .into_iter()
            .filter(|metric| *metric != self.metric)
            .map(Metric::name)
            .collect();
        let mut not = vec![format!(
            "{}: shown, but no verdict rests on them",
            others.join(", ")
        )];
        match &*self.ground.sides[0].engine.backend {
            "dalek" => not.push(
                "the lanes back ends: these runs used dalek, because the machine has no vector \
                 unit for them or the workload says so"
                    .to_owned(),
            ),
            lanes if lanes.starts_with("lanes") => not.push(
                "the dalek back end, and lanes on other vector units: `bench instructions` counts \
                 dalek"
                    .to_owned(),
            ),
            _ => {}
        }
        let is = |section: &'static str, key: &str, value: Value| {
            let mut members = self.ground.terms.section(section);
            members.any(|(name, found)| name == key && *found == value)
        };
        let unless = [
            (
                is("assurance", "durability", json!("none")),
                "durable runs: nothing was written to disk",
            ),
            (
                is("workload", "arrivals", json!("closed-loop")),
                "response times: the loop was closed",
            ),
            (
                is("workload", "adversary", Value::Null),
                "disputes: nobody cheated",
            ),
            (
                is("workload", "trace_sha256", Value::Null),
                "traces: the workload was synthetic",
            ),
        ];
        let lacking = unless.into_iter().filter(|(lacks, _)| *lacks);
        not.extend(lacking.map(|(_, what)| what.to_owned()));
        not.push(
            "other workloads, machines and numbers of cores; instruction counts (`bench \
             instructions`) and Layer 1's deterministic costs (bench/l1-costs.json) have checks of \
             their own"
                .to_owned(),
        );
        not
    }

    fn last_stage(&self) -> &Stage {
        let stages = self.judgement.stages.last();
        stages.expect("a judgement has a stage")
    }
}

/// `-1.2 % to +3.4 %`, of how much worse HEAD is.
fn shown(slowdown: &RatioEstimate) -> String {
    interval(slowdown, signed_percent, "to")
}

fn signed_percent(ratio: f64) -> String {
    format!("{:+.1} %", (ratio - 1.0) * 100.0)
}

fn call_word(call: Call) -> &'static str {
    match call {
        Call::Below => "below the threshold",
        Call::Above => "slower",
        Call::Unclear => "unclear",
    }
}

/// The stages, a row each.
pub(super) fn stages(gated: &Gated) -> Cells<9> {
    let headings = [
        "stage",
        "pairs",
        "looks",
        "slowdown",
        "interval",
        "confidence",
        "A/A floor",
        "says",
        "took",
    ];
    let mut table = Cells::new(headings.map(Column::Right));
    let stages = gated.judgement.stages.iter().zip(1..);
    table.rows.extend(stages.map(|(stage, number)| {
        let reading = &stage.reading;
        [
            number.to_string(),
            reading.pairs.to_string(),
            stage.looks.to_string(),
            signed_percent(reading.slowdown.median),
            shown(&reading.slowdown),
            format!("{:.2} %", (1.0 - reading.error) * 100.0),
            reach(&reading.floor),
            call_word(stage.call).to_owned(),
            human::seconds(stage.spent.as_secs_f64()),
        ]
    }));
    table
}

/// The last stage's medians.
pub(super) fn medians(gated: &Gated) -> Cells<8> {
    table(&gated.metrics, ["BASE median", "HEAD median", "HEAD/BASE"])
}

/// The result as text for people.
#[must_use]
pub fn text(gated: &Gated) -> String {
    let mut said = gated.said();
    said.push((
        "gate",
        format!(
            "{}, threshold {}, {} spent of a budget of {}",
            gated.metric.name(),
            human::share(gated.rule.threshold),
            human::seconds(gated.spent.as_secs_f64()),
            human::seconds(gated.budget.as_secs_f64()),
        ),
    ));
    let mut lines = labelled(&said);
    lines.push(String::new());
    lines.extend(stages(gated).text());
    lines.push(String::new());
    lines.push("The last stage's medians; no verdict rests on them:".to_owned());
    lines.extend(medians(gated).text());
    lines.push(String::new());
    lines.push(format!("verdict: {}", gated.headline()));
    lines.push(format!("because {}", gated.judgement.reason()));
    lines.extend(gated.undecided());
    let not_gated = gated.not_gated();
    lines.extend(not_gated.iter().map(|what| format!("not gated: {what}")));
    lines.join("\n") + "\n"
}

/// The result as JSON for programs: everything in [`text`], and the value of every run.
#[must_use]
pub fn json(gated: &Gated) -> Value {
    let stages = gated.judgement.stages.iter().zip(&gated.pairs);
    let stages: Vec<Value> = stages
        .map(|(stage, pairs)| stage_json(stage, pairs))
        .collect();
    let json = json!({
        "schema": SCHEMA,
        "verdict": gated.judgement.verdict.word(),
        "reason": gated.judgement.reason(),
        "undecided": gated.undecided(),
        "budget_to_decide_s": match gated.judgement.needs {
            Some(Needs::Budget(budget)) => Some(budget.as_secs()),
            Some(Needs::QuieterMachine) | None => None,
        },
        "exit_code": gated.exit.code(),
        "metric": gated.metric.name(),
        "threshold": gated.rule.threshold,
        "budget_s": gated.budget.as_secs_f64(),
        "spent_s": gated.spent.as_secs_f64(),
        "machine": gated.ground.machine,
        "not_gated": gated.not_gated(),
        "stages": stages,
        "confidence": CONFIDENCE,
        "metrics": gated.metrics.iter().map(metric_json).collect::<Vec<_>>(),
    });
    gated.ground.add_to(json, ["base", "head"])
}

fn stage_json(stage: &Stage, pairs: &[PairValues]) -> Value {
    let names = ["base", "head", "base_copy"];
    let reading = &stage.reading;
    json!({
        "says": call_word(stage.call),
        "pairs": reading.pairs,
        "looks": stage.looks,
        "confidence": 1.0 - reading.error,
        "slowdown": estimate_json(&reading.slowdown, "ratio"),
        "floor": estimate_json(&reading.floor, "ratio"),
        "against_copy": estimate_json(&reading.against_copy, "ratio"),
        "spent_s": stage.spent.as_secs_f64(),
        "values": pairs.iter().map(|pair| pair_json(pair, names)).collect::<Vec<_>>(),
    })
}
