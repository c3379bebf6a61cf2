//! A gate's result, as text for people and as JSON for programs. Pure; decides nothing.

use std::time::Duration;

use duet_run_file::terms::{Difference, Terms};
use duet_terminal::human;
use serde_json::{Value, json};

use crate::metric::Metric;
use crate::report::{
    Side, assurance_text, difference_json, integer_json, metric_json, pair_json, percent,
    section_json, side_json, side_text, table,
};
use crate::stats::{CONFIDENCE, RESAMPLES, RatioEstimate};
use crate::summary::{MetricSummary, PairValues};
use duet_terminal::Exit;

use super::decide::{Call, Rule};
use super::judge::{Judgement, Stage, Verdict};
use super::look::MOST_PAIRS;
use super::needs::Needs;

/// The version of [`json`]'s shape. Fields may be added under the same number.
const SCHEMA: u32 = 1;

/// A gate that has come to its verdict.
#[derive(Debug)]
pub struct Gated {
    /// What BASE was.
    pub base: Side,
    /// What HEAD was.
    pub head: Side,
    /// Whether both executables are the same bytes.
    pub same_bytes: bool,
    /// The workload's options that all runs share.
    pub workload: Vec<String>,
    /// BASE's assurance and workload, and HEAD's too but for `differences`.
    pub terms: Terms,
    /// In what HEAD's assurance and workload differ from BASE's.
    pub differences: Vec<Difference>,
    /// The run file's `machine` section.
    pub machine: Value,
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
    /// Seed of their bootstrap.
    pub bootstrap_seed: u64,
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
            direction(last.reading.slowdown.median),
            percent((last.reading.slowdown.median - 1.0).abs()),
            interval(&last.reading.slowdown),
            percent(self.rule.threshold),
            floor(&last.reading.floor),
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

    /// The machine in a line.
    #[must_use]
    pub fn machine_text(&self) -> String {
        let text = |key: &str| self.machine[key].as_str().unwrap_or("").to_owned();
        let cores = self.machine["cores"].as_u64().unwrap_or(0);
        let features: Vec<&str> = self.machine["features"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let parts = [
            text("cpu"),
            human::counted(cores, "core"),
            text("os"),
            features.join(" "),
        ];
        let said: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        said.join(", ")
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
        match self.base.engine["backend"].as_str() {
            Some("dalek") => not.push(
                "the lanes back ends: these runs used dalek, because the machine has no vector unit \
                 for them or the workload says so"
                    .to_owned(),
            ),
            Some(lanes) if lanes.starts_with("lanes") => not.push(
                "the dalek back end, and lanes on other vector units: `bench instructions` counts \
                 dalek"
                    .to_owned(),
            ),
            _ => {}
        }
        let is = |section: &'static str, key: &str, value: Value| {
            let mut members = self.terms.section(section);
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

fn direction(slowdown: f64) -> &'static str {
    if slowdown >= 1.0 { "worse" } else { "better" }
}

/// `-1.2 % to +3.4 %`, of how much worse HEAD is.
pub(super) fn interval(estimate: &RatioEstimate) -> String {
    let end = |ratio: f64| match ratio {
        0.0 => "too few pairs".to_owned(),
        ratio if ratio.is_infinite() => "too few pairs".to_owned(),
        ratio => signed_percent(ratio),
    };
    if estimate.high.is_infinite() {
        return end(estimate.high);
    }
    format!("{} to {}", end(estimate.low), end(estimate.high))
}

pub(super) fn signed_percent(ratio: f64) -> String {
    format!("{:+.1} %", (ratio - 1.0) * 100.0)
}

pub(super) fn floor(estimate: &RatioEstimate) -> String {
    let reach = estimate.reach_from_one();
    if reach.is_finite() {
        format!("± {}", percent(reach))
    } else {
        "too few pairs".to_owned()
    }
}

pub(super) fn call_word(call: Call) -> &'static str {
    match call {
        Call::Below => "below the threshold",
        Call::Above => "slower",
        Call::Unclear => "unclear",
    }
}

/// One stage's cells: pairs, looks, slowdown, interval, confidence, floor, what it says, time.
pub(super) fn stage_cells(stage: &Stage) -> [String; 8] {
    let Stage {
        reading,
        call,
        looks,
        spent,
    } = stage;
    [
        reading.pairs.to_string(),
        looks.to_string(),
        signed_percent(reading.slowdown.median),
        interval(&reading.slowdown),
        format!("{:.2} %", (1.0 - reading.error) * 100.0),
        floor(&reading.floor),
        call_word(*call).to_owned(),
        human::seconds(spent.as_secs_f64()),
    ]
}

/// Headings of [`stage_cells`].
pub(super) const STAGE_HEADINGS: [&str; 8] = [
    "pairs",
    "looks",
    "slowdown",
    "interval",
    "confidence",
    "A/A floor",
    "says",
    "took",
];

/// The result as text for people.
#[must_use]
pub fn text(gated: &Gated) -> String {
    let mut lines = vec![
        format!("BASE       {}", side_text(&gated.base)),
        format!("HEAD       {}", side_text(&gated.head)),
    ];
    if gated.same_bytes {
        lines.push("           (the same bytes)".to_owned());
    }
    lines.push(format!("workload   {}", gated.workload.join(" ")));
    lines.push(format!("assurance  {}", assurance_text(&gated.terms)));
    for Difference { key, a, b } in &gated.differences {
        lines.push(format!("differs    {key}: BASE {a}, HEAD {b}"));
    }
    lines.push(format!("machine    {}", gated.machine_text()));
    lines.push(format!(
        "gate       {}, threshold {}, {} spent of a budget of {}",
        gated.metric.name(),
        percent(gated.rule.threshold),
        human::seconds(gated.spent.as_secs_f64()),
        human::seconds(gated.budget.as_secs_f64()),
    ));
    lines.push(String::new());
    lines.extend(stage_lines(&gated.judgement.stages));
    lines.push(String::new());
    lines.push("The last stage's medians; no verdict rests on them:".to_owned());
    lines.extend(table(&gated.metrics, ["BASE", "HEAD"]));
    lines.push(String::new());
    lines.push(format!("verdict: {}", gated.headline()));
    lines.push(format!("because {}", gated.judgement.reason()));
    lines.extend(gated.undecided());
    let not_gated = gated.not_gated();
    lines.extend(not_gated.iter().map(|what| format!("not gated: {what}")));
    lines.join("\n") + "\n"
}

fn stage_lines(stages: &[Stage]) -> Vec<String> {
    let mut rows = vec![STAGE_HEADINGS.map(str::to_owned)];
    rows.extend(stages.iter().map(stage_cells));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..STAGE_HEADINGS.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let line = |(at, row): (usize, &[String; 8])| {
        let name = match at {
            0 => String::new(),
            at => format!("stage {at}"),
        };
        let cells = row.iter().zip(&widths);
        let cells = cells.map(|(cell, width)| format!("{cell:>width$}"));
        format!("{name:9}  {}", cells.collect::<Vec<_>>().join("  "))
    };
    rows.iter().enumerate().map(line).collect()
}

/// The result as JSON for programs: everything in [`text`], and the value of every run.
#[must_use]
pub fn json(gated: &Gated) -> Value {
    json!({
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
        "base": side_json(&gated.base),
        "head": side_json(&gated.head),
        "same_bytes": gated.same_bytes,
        "workload_options": gated.workload,
        "assurance": section_json(&gated.terms, "assurance"),
        "workload": section_json(&gated.terms, "workload"),
        "differences": gated.differences.iter().map(difference_json).collect::<Vec<_>>(),
        "machine": gated.machine,
        "not_gated": gated.not_gated(),
        "stages": stages_json(gated),
        "bootstrap": {
            "seed": integer_json(gated.bootstrap_seed),
            "resamples": RESAMPLES,
            "confidence": CONFIDENCE,
        },
        "metrics": gated.metrics.iter().map(metric_json).collect::<Vec<_>>(),
    })
}

fn stages_json(gated: &Gated) -> Vec<Value> {
    let stages = gated.judgement.stages.iter().zip(&gated.pairs);
    stages
        .map(|(stage, pairs)| {
            let mut object = stage_json(stage);
            let pairs = pairs
                .iter()
                .map(|pair| pair_json(pair, ["base", "head", "base_copy"]));
            object["values"] = pairs.collect();
            object
        })
        .collect()
}

/// One stage without its runs' values.
#[must_use]
pub fn stage_json(stage: &Stage) -> Value {
    json!({
        "says": call_word(stage.call),
        "pairs": stage.reading.pairs,
        "looks": stage.looks,
        "confidence": 1.0 - stage.reading.error,
        "slowdown": estimate_json(&stage.reading.slowdown),
        "floor": estimate_json(&stage.reading.floor),
        "against_copy": estimate_json(&stage.reading.against_copy),
        "spent_s": stage.spent.as_secs_f64(),
    })
}

/// As ratios; `null` ends where there were too few pairs for an interval.
fn estimate_json(estimate: &RatioEstimate) -> Value {
    let has_interval = estimate.high.is_finite();
    let end = |ratio: f64| has_interval.then_some(ratio);
    json!({"ratio": estimate.median, "low": end(estimate.low), "high": end(estimate.high)})
}
