//! Shows a comparison as text or as JSON. Pure; decides nothing.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::metric::{Better, Metric};
use crate::run_file::MetricValues;
use crate::schedule::Contender;
use crate::stats::{CONFIDENCE, RESAMPLES, RatioEstimate};
use crate::summary::{MetricSummary, PairValues};
use duet_run_file::terms::{Difference, Terms};

/// The version of [`json`]'s shape. Fields may be added under the same number.
const SCHEMA: u32 = 1;

/// Below this many pairs an interval covers the truth visibly less often than it says.
const FEWEST_SOUND_PAIRS: usize = 5;

/// Integers above this are strings in JSON: many readers hold numbers as doubles.
const LARGEST_JSON_INTEGER: u64 = 1 << 53;

/// A finished comparison.
#[derive(Debug)]
pub struct Comparison {
    /// What A was.
    pub a: Side,
    /// What B was.
    pub b: Side,
    /// Whether both executables are the same bytes.
    pub same_bytes: bool,
    /// The workload's options that all runs share.
    pub workload: Vec<String>,
    /// A's assurance and workload, and B's too but for `differences`.
    pub terms: Terms,
    /// In what B's assurance and workload differ from A's.
    pub differences: Vec<Difference>,
    /// The metric that the verdict is about.
    pub decisive: Metric,
    /// Seed of the bootstrap.
    pub bootstrap_seed: u64,
    /// Every metric that all runs measured.
    pub metrics: Vec<MetricSummary>,
    /// The values behind them.
    pub pairs: Vec<PairValues>,
}

/// One side of a comparison.
#[derive(Debug)]
pub struct Side {
    /// As the user wrote it.
    pub name: String,
    /// `executable`, `revision` or `working tree`.
    pub kind: &'static str,
    /// The commit of a revision.
    pub commit: Option<String>,
    /// Workload options that only this side got.
    pub extra_options: Vec<String>,
    /// The `engine` section of its run file.
    pub engine: Value,
}

impl Comparison {
    /// The metric that the verdict is about. The runner has refused every run without it.
    ///
    /// # Panics
    /// If no summary of it is there.
    #[must_use]
    pub fn decisive_summary(&self) -> &MetricSummary {
        let found = self
            .metrics
            .iter()
            .find(|summary| summary.metric == self.decisive);
        found.expect("the runner lets no run pass that lacks the decisive metric")
    }
}

/// The comparison as text for people.
#[must_use]
pub fn text(comparison: &Comparison) -> String {
    let mut lines = vec![
        format!("A          {}", side_text(&comparison.a)),
        format!("B          {}", side_text(&comparison.b)),
    ];
    if comparison.same_bytes {
        lines.push("           (the same bytes)".to_owned());
    }
    lines.push(format!("workload   {}", comparison.workload.join(" ")));
    lines.push(format!("assurance  {}", assurance_text(&comparison.terms)));
    for Difference { key, a, b } in &comparison.differences {
        lines.push(format!("differs    {key}: A {a}, B {b}"));
    }
    lines.push(format!(
        "session    {} pairs after warm-up, A, B and A' (a copy of A) in balanced order; \
         bootstrap seed {}",
        comparison.pairs.len(),
        comparison.bootstrap_seed
    ));
    lines.push(String::new());
    lines.extend(table(&comparison.metrics, ["A", "B"]));
    lines.push(String::new());
    lines.push(verdict_text(comparison.decisive_summary()));
    if comparison.pairs.len() < FEWEST_SOUND_PAIRS {
        lines.push(format!(
            "note: intervals of fewer than {FEWEST_SOUND_PAIRS} pairs are weak; raise --pairs"
        ));
    }
    lines.join("\n") + "\n"
}

pub(crate) fn side_text(side: &Side) -> String {
    let mut text = side.name.clone();
    match &side.commit {
        Some(commit) => text.push_str(&format!(
            " (revision {})",
            commit.get(..12).unwrap_or(commit)
        )),
        None if side.kind == side.name => (),
        None => text.push_str(&format!(" ({})", side.kind)),
    }
    if !side.extra_options.is_empty() {
        text.push_str(&format!(", {}", side.extra_options.join(" ")));
    }
    if let Some(backend) = side.engine.get("backend").and_then(Value::as_str) {
        text.push_str(&format!(", {backend} back end"));
    }
    text
}

pub(crate) fn assurance_text(terms: &Terms) -> String {
    let parts = terms.section("assurance").map(|(key, value)| match value {
        Value::String(text) => format!("{key} {text}"),
        other => format!("{key} {other}"),
    });
    parts.collect::<Vec<_>>().join(" · ")
}

/// The table's lines, columns as wide as their widest cell.
pub(crate) fn table(metrics: &[MetricSummary], [a, b]: [&str; 2]) -> Vec<String> {
    let header = [
        String::new(),
        "unit".to_owned(),
        format!("{a} median"),
        format!("{b} median"),
        format!("{b}/{a}"),
        "95 % interval".to_owned(),
        "A/A floor".to_owned(),
        String::new(),
    ];
    let columns = header.len();
    let mut rows = vec![header];
    rows.extend(Metric::ALL.map(|metric| {
        let summary = metrics.iter().find(|summary| summary.metric == metric);
        summary.map_or_else(|| unmeasured_row(metric), table_row)
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    rows.iter().map(|row| table_line(row, &widths)).collect()
}

fn table_line(row: &[String; 8], widths: &[usize]) -> String {
    let mut line = String::new();
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        let words = column < 2 || column == row.len() - 1;
        // Writing to a string cannot fail.
        let _ = if words {
            write!(line, "{cell:<width$}  ")
        } else {
            write!(line, "{cell:>width$}  ")
        };
    }
    line.trim_end().to_owned()
}

pub(crate) fn table_row(summary: &MetricSummary) -> [String; 8] {
    let (scale, unit) = match summary.metric {
        Metric::PeakRss => (1.0 / f64::from(1 << 20), "MiB"),
        metric => (1.0, metric.unit()),
    };
    [
        summary.metric.name().to_owned(),
        unit.to_owned(),
        figure(summary.a_median * scale),
        figure(summary.b_median * scale),
        format!("{:.3}", summary.ratio.median),
        format!("{:.3} … {:.3}", summary.ratio.low, summary.ratio.high),
        format!("± {}", percent(summary.floor.reach_from_one())),
        summary.metric.verdict_word(summary.verdict).to_owned(),
    ]
}

fn unmeasured_row(metric: Metric) -> [String; 8] {
    let dash = || "-".to_owned();
    let name = metric.name().to_owned();
    let unit = metric.unit().to_owned();
    [
        name,
        unit,
        dash(),
        dash(),
        dash(),
        dash(),
        dash(),
        "not measured".to_owned(),
    ]
}

fn verdict_text(summary: &MetricSummary) -> String {
    let MetricSummary { metric, ratio, .. } = summary;
    let better = match metric.better() {
        Better::Lower => "less is better",
        Better::Higher => "more is better",
    };
    format!(
        "verdict: {} · B's {} is {:.3} × A's ({better}), 95 % interval {:.3} … {:.3}, A/A floor {}",
        metric.verdict_word(summary.verdict),
        metric.name(),
        ratio.median,
        ratio.low,
        ratio.high,
        percent(summary.floor.reach_from_one()),
    )
}

pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Four significant digits at least, with a comma between thousands.
fn figure(value: f64) -> String {
    let decimals = match value {
        value if value >= 1000.0 => 0,
        value if value >= 100.0 => 1,
        value if value >= 10.0 => 2,
        _ => 3,
    };
    let plain = format!("{value:.decimals$}");
    let (whole, fraction) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

/// The comparison as JSON for programs: everything in [`text`], and the value of every run.
#[must_use]
pub fn json(comparison: &Comparison) -> Value {
    let decisive = comparison.decisive_summary();
    let pairs = comparison.pairs.iter();
    let pairs: Vec<Value> = pairs
        .map(|pair| pair_json(pair, ["a", "b", "a_copy"]))
        .collect();
    json!({
        "schema": SCHEMA,
        "verdict": decisive.metric.verdict_word(decisive.verdict),
        "metric": decisive.metric.name(),
        "a": side_json(&comparison.a),
        "b": side_json(&comparison.b),
        "same_bytes": comparison.same_bytes,
        "workload_options": comparison.workload,
        "assurance": section_json(&comparison.terms, "assurance"),
        "workload": section_json(&comparison.terms, "workload"),
        "differences": comparison.differences.iter().map(difference_json).collect::<Vec<_>>(),
        "bootstrap": {
            "seed": integer_json(comparison.bootstrap_seed),
            "resamples": RESAMPLES,
            "confidence": CONFIDENCE,
        },
        "metrics": comparison.metrics.iter().map(metric_json).collect::<Vec<_>>(),
        "pairs": pairs,
    })
}

pub(crate) fn side_json(side: &Side) -> Value {
    json!({
        "name": side.name,
        "kind": side.kind,
        "commit": side.commit,
        "extra_options": side.extra_options,
        "engine": side.engine,
    })
}

/// A's terms under their dotted keys without the section.
pub(crate) fn section_json(terms: &Terms, section: &str) -> Value {
    let members = terms
        .section(section)
        .map(|(key, value)| (key.to_owned(), value.clone()));
    Value::Object(members.collect::<Map<_, _>>())
}

pub(crate) fn difference_json(difference: &Difference) -> Value {
    json!({"key": difference.key, "a": difference.a, "b": difference.b})
}

pub(crate) fn metric_json(summary: &MetricSummary) -> Value {
    json!({
        "name": summary.metric.name(),
        "unit": summary.metric.unit(),
        "better": match summary.metric.better() {
            Better::Lower => "lower",
            Better::Higher => "higher",
        },
        "a_median": summary.a_median,
        "b_median": summary.b_median,
        "ratio": estimate_json(&summary.ratio),
        "floor": estimate_json(&summary.floor),
        "floor_distance": summary.floor.reach_from_one(),
        "verdict": summary.metric.verdict_word(summary.verdict),
        "pair_ratios": summary.pair_ratios,
        "floor_ratios": summary.floor_ratios,
    })
}

fn estimate_json(estimate: &RatioEstimate) -> Value {
    json!({"median": estimate.median, "low": estimate.low, "high": estimate.high})
}

pub(crate) fn pair_json(pair: &PairValues, names: [&str; Contender::ALL.len()]) -> Value {
    let values = names.into_iter().zip(pair);
    let members = values.map(|(name, values)| (name.to_owned(), values_json(values)));
    Value::Object(members.collect())
}

fn values_json(values: &MetricValues) -> Value {
    let members =
        Metric::ALL.map(|metric| (metric.name().to_owned(), json!(values[metric.index()])));
    Value::Object(Map::from_iter(members))
}

pub(crate) fn integer_json(integer: u64) -> Value {
    if integer <= LARGEST_JSON_INTEGER {
        json!(integer)
    } else {
        json!(integer.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::summarise;

    fn side(name: &str, commit: Option<&str>) -> Side {
        Side {
            name: name.to_owned(),
            kind: if commit.is_some() {
                "revision"
            } else {
                "executable"
            },
            commit: commit.map(str::to_owned),
            extra_options: Vec::new(),
            engine: json!({"backend": "dalek"}),
        }
    }

    /// Two pairs: B needs a tenth more of everything; no p99.
    fn sample() -> Comparison {
        let run = |x: f64| {
            [
                Some(40_000.0 * x),
                Some(25_000.0 * x),
                None,
                Some(2_097_152.0 * x),
            ]
        };
        let pairs = vec![[run(1.0), run(1.1), run(1.0)]; 2];
        let run_file = json!({
            "assurance": {"cosign_every": 1, "in_flight": 16, "durability": "none",
                          "both_endpoints_checked": true},
            "workload": {"shards": 1},
        });
        let terms = Terms::read(&run_file).unwrap();
        Comparison {
            a: side("main", Some("0123456789abcdef0123")),
            b: side("./loadgen", None),
            same_bytes: false,
            workload: vec!["--payments".to_owned(), "2k".to_owned()],
            terms,
            differences: vec![Difference {
                key: "workload.shards".to_owned(),
                a: json!(1),
                b: json!(2),
            }],
            decisive: Metric::CpuPerPayment,
            bootstrap_seed: u64::MAX,
            metrics: summarise(&pairs, 1),
            pairs,
        }
    }

    #[test]
    fn the_text_as_people_see_it() {
        let expected = "\
A          main (revision 0123456789ab), dalek back end
B          ./loadgen (executable), dalek back end
workload   --payments 2k
assurance  both_endpoints_checked true · cosign_every 1 · durability none · in_flight 16
differs    workload.shards: A 1, B 2
session    2 pairs after warm-up, A, B and A' (a copy of A) in balanced order; bootstrap seed 18446744073709551615

                 unit  A median  B median    B/A  95 % interval  A/A floor
cpu-per-payment  ns      40,000    44,000  1.100  1.100 … 1.100    ± 0.0 %  slower
payments-per-s   1/s     25,000    27,500  1.100  1.100 … 1.100    ± 0.0 %  faster
service-p99      ns           -         -      -              -          -  not measured
peak-rss         MiB      2.000     2.200  1.100  1.100 … 1.100    ± 0.0 %  larger

verdict: slower · B's cpu-per-payment is 1.100 × A's (less is better), 95 % interval 1.100 … 1.100, A/A floor 0.0 %
note: intervals of fewer than 5 pairs are weak; raise --pairs
";
        assert_eq!(text(&sample()), expected);
    }

    #[test]
    fn the_json_holds_every_figure() {
        let json = json(&sample());
        assert_eq!(json["schema"], 1);
        assert_eq!(json["verdict"], "slower");
        assert_eq!(json["bootstrap"]["seed"], "18446744073709551615");
        assert_eq!(json["metrics"].as_array().unwrap().len(), 3);
        assert_eq!(json["metrics"][0]["pair_ratios"], json!([1.1, 1.1]));
        assert_eq!(json["pairs"][1]["b"]["cpu-per-payment"], json!(44_000.0));
        assert_eq!(json["pairs"][0]["a"]["service-p99"], Value::Null);
        assert_eq!(json["differences"][0]["key"], "workload.shards");
        assert_eq!(json["assurance"]["cosign_every"], 1);
        assert_eq!(json["a"]["commit"], "0123456789abcdef0123");
    }

    #[test]
    fn figures_group_their_thousands() {
        assert_eq!(figure(1_234_567.8), "1,234,568");
        assert_eq!(figure(1000.0), "1,000");
        assert_eq!(figure(999.94), "999.9");
        assert_eq!(figure(12.345), "12.35");
        assert_eq!(figure(0.5), "0.500");
    }
}
