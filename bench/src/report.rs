//! Shows a comparison as text or as JSON, and what it has in common with a gate. Pure; decides
//! nothing.

use duet_run_file::run_file::{Engine, Machine};
use duet_run_file::terms::{Difference, Terms};
use duet_terminal::human;
use duet_terminal::layout::Column;
use serde_json::{Value, json};

use crate::metric::{Better, Metric, MetricValues};
use crate::ratio::RatioEstimate;
use crate::schedule::Contender;
use crate::session::Session;
use crate::session_options::{SessionOptions, Words};
use crate::subject::Subject;
use crate::summary::{CONFIDENCE, FEWEST_PAIRS, MetricSummary, PairValues};
use crate::table::Cells;

/// The version of [`json`]'s shape. Fields may be added under the same number.
pub(crate) const SCHEMA: u32 = 1;

/// A finished comparison.
#[derive(Debug)]
pub struct Comparison {
    /// What was compared.
    pub ground: Ground,
    /// The metric that the verdict is about.
    pub decisive: Metric,
    /// Every metric that all runs measured.
    pub metrics: Vec<MetricSummary>,
    /// The values behind them.
    pub pairs: Vec<PairValues>,
}

/// What was compared, and under which terms.
#[derive(Debug)]
pub struct Ground {
    /// A, or BASE; and B, or HEAD.
    pub sides: [Side; 2],
    /// Whether both executables are the same bytes.
    pub same_bytes: bool,
    /// The workload's options that all runs share.
    pub workload: Vec<String>,
    /// A's assurance and workload, and B's too but for `differences`.
    pub terms: Terms,
    /// In what B's assurance and workload differ from A's.
    pub differences: Vec<Difference>,
    /// The machine.
    pub machine: Machine,
}

/// One side of a comparison.
#[derive(Debug)]
pub struct Side {
    /// What it is.
    pub subject: Subject,
    /// Workload options that only this side got.
    pub extra_options: Vec<String>,
    /// The `engine` section of its run file.
    pub engine: Engine,
}

impl Ground {
    /// That of a session of these two.
    #[must_use]
    pub fn of(session: &Session<'_>, options: &SessionOptions, [a, b]: [Subject; 2]) -> Self {
        let side = |subject, extra: &Words, contender| Side {
            subject,
            extra_options: extra.0.clone(),
            engine: session.warm_up(contender).0.engine.clone(),
        };
        let (run, terms) = session.warm_up(Contender::A);
        Self {
            sides: [
                side(a, &options.a_args, Contender::A),
                side(b, &options.b_args, Contender::B),
            ],
            same_bytes: session.same_bytes,
            workload: options.workload.clone(),
            terms: terms.clone(),
            differences: session.differences.clone(),
            machine: run.machine.clone(),
        }
    }

    /// What is said of it, each with its label; the sides go by these names.
    pub(crate) fn said(&self, [a, b]: [&'static str; 2]) -> Vec<(&'static str, String)> {
        let mut said = vec![(a, self.sides[0].shown()), (b, self.sides[1].shown())];
        if self.same_bytes {
            said.push(("", "(the same bytes)".to_owned()));
        }
        let assurance = self.terms.section("assurance");
        let assurance = assurance.map(|(key, value)| match value {
            Value::String(text) => format!("{key} {text}"),
            other => format!("{key} {other}"),
        });
        said.push(("workload", self.workload.join(" ")));
        said.push(("assurance", assurance.collect::<Vec<_>>().join(" · ")));
        let differences = self.differences.iter();
        said.extend(differences.map(|of| {
            let Difference {
                key,
                a: one,
                b: other,
            } = of;
            ("differs", format!("{key}: {a} {one}, {b} {other}"))
        }));
        said
    }

    /// The same for programs, beside what else is in `json`.
    pub(crate) fn add_to(&self, mut json: Value, [a, b]: [&str; 2]) -> Value {
        let section = |name| -> Value {
            let members = self.terms.section(name);
            members
                .map(|(key, value)| (key.to_owned(), value.clone()))
                .collect()
        };
        let differences = self.differences.iter();
        json[a] = self.sides[0].json();
        json[b] = self.sides[1].json();
        json["same_bytes"] = self.same_bytes.into();
        json["workload_options"] = self.workload.clone().into();
        json["assurance"] = section("assurance");
        json["workload"] = section("workload");
        json["differences"] = differences
            .map(|of| json!({"key": of.key, "a": of.a, "b": of.b}))
            .collect();
        json
    }
}

/// Labels and what stands beside them, as lines.
pub(crate) fn labelled(said: &[(&str, String)]) -> Vec<String> {
    let lines = said.iter();
    lines
        .map(|(label, text)| format!("{label:<11}{text}"))
        .collect()
}

impl Side {
    fn shown(&self) -> String {
        let mut text = self.subject.shown();
        if !self.extra_options.is_empty() {
            text.push_str(&format!(", {}", self.extra_options.join(" ")));
        }
        format!("{text}, {} back end", self.engine.backend)
    }

    fn json(&self) -> Value {
        json!({
            "name": self.subject.name,
            "kind": self.subject.kind_word(),
            "commit": self.subject.commit(),
            "extra_options": self.extra_options,
            "engine": self.engine,
        })
    }
}

impl Comparison {
    /// The metric that the verdict is about. The session has refused every run without it.
    ///
    /// # Panics
    /// If no summary of it is there.
    #[must_use]
    pub fn decisive_summary(&self) -> &MetricSummary {
        let mut summaries = self.metrics.iter();
        let found = summaries.find(|summary| summary.metric == self.decisive);
        found.expect("a session lets no run pass that lacks the decisive metric")
    }
}

/// The comparison as text for people.
#[must_use]
pub fn text(comparison: &Comparison) -> String {
    let mut said = comparison.ground.said(["A", "B"]);
    let session = format!(
        "{} pairs after warm-up, A, B and A' (a copy of A) in balanced order",
        comparison.pairs.len()
    );
    said.push(("session", session));
    let mut lines = labelled(&said);
    lines.push(String::new());
    let headings = ["A median", "B median", "B/A"];
    lines.extend(table(&comparison.metrics, headings).text());
    lines.push(String::new());
    lines.push(verdict_text(comparison.decisive_summary()));
    if comparison.pairs.len() < FEWEST_PAIRS {
        lines.push(format!(
            "note: fewer than {FEWEST_PAIRS} pairs have no interval, and no verdict; raise --pairs"
        ));
    }
    lines.join("\n") + "\n"
}

/// The metrics, with these headings of both medians and their ratio.
pub(crate) fn table(metrics: &[MetricSummary], headings: [&'static str; 3]) -> Cells<8> {
    let [a, b, ratio] = headings.map(Column::Right);
    let mut table = Cells::new([
        Column::Left("metric"),
        Column::Left("unit"),
        a,
        b,
        ratio,
        Column::Right("95 % interval"),
        Column::Right("A/A floor"),
        Column::Left("verdict"),
    ]);
    table.rows.extend(Metric::ALL.map(|metric| {
        let name = metric.name().to_owned();
        let Some(of) = metrics.iter().find(|of| of.metric == metric) else {
            let [a, b, ratio, interval, floor] = [(); 5].map(|()| "-".to_owned());
            let (unit, not) = (metric.unit().to_owned(), "not measured".to_owned());
            return [name, unit, a, b, ratio, interval, floor, not];
        };
        let (scale, unit) = match metric {
            Metric::PeakRss => (1.0 / f64::from(1 << 20), "MiB"),
            metric => (1.0, metric.unit()),
        };
        [
            name,
            unit.to_owned(),
            figure(of.a_median * scale),
            figure(of.b_median * scale),
            format!("{:.3}", of.ratio.median),
            interval(&of.ratio, |end| format!("{end:.3}"), "…"),
            reach(&of.floor),
            metric.verdict_word(of.verdict).to_owned(),
        ]
    }));
    table
}

/// An interval, its ends in these words.
pub(crate) fn interval(of: &RatioEstimate, end: fn(f64) -> String, between: &str) -> String {
    match of.has_interval() {
        true => format!("{} {between} {}", end(of.low), end(of.high)),
        false => "too few pairs".to_owned(),
    }
}

/// `± 1.2 %`: the A/A floor.
pub(crate) fn reach(floor: &RatioEstimate) -> String {
    match floor.has_interval() {
        true => format!("± {}", human::share(floor.reach_from_one())),
        false => "too few pairs".to_owned(),
    }
}

fn verdict_text(summary: &MetricSummary) -> String {
    let MetricSummary { metric, ratio, .. } = summary;
    let better = match metric.better() {
        Better::Lower => "less is better",
        Better::Higher => "more is better",
    };
    format!(
        "verdict: {} · B's {} is {:.3} × A's ({better}), 95 % interval {}, A/A floor {}",
        metric.verdict_word(summary.verdict),
        metric.name(),
        ratio.median,
        interval(ratio, |end| format!("{end:.3}"), "…"),
        reach(&summary.floor),
    )
}

/// Four significant digits at least, with a comma between thousands.
fn figure(value: f64) -> String {
    match value {
        value if value >= 1000.0 => human::grouped(value.round() as u64),
        value if value >= 100.0 => format!("{value:.1}"),
        value if value >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The comparison as JSON for programs: everything in [`text`], and the value of every run.
#[must_use]
pub fn json(comparison: &Comparison) -> Value {
    let decisive = comparison.decisive_summary();
    let names = ["a", "b", "a_copy"];
    let pairs = comparison.pairs.iter();
    let json = json!({
        "schema": SCHEMA,
        "verdict": decisive.metric.verdict_word(decisive.verdict),
        "metric": decisive.metric.name(),
        "confidence": CONFIDENCE,
        "metrics": comparison.metrics.iter().map(metric_json).collect::<Vec<_>>(),
        "pairs": pairs.map(|pair| pair_json(pair, names)).collect::<Vec<_>>(),
    });
    comparison.ground.add_to(json, ["a", "b"])
}

pub(crate) fn metric_json(summary: &MetricSummary) -> Value {
    let better: &str = summary.metric.better().into();
    json!({
        "name": summary.metric.name(),
        "unit": summary.metric.unit(),
        "better": better,
        "a_median": summary.a_median,
        "b_median": summary.b_median,
        "ratio": estimate_json(&summary.ratio, "median"),
        "floor": estimate_json(&summary.floor, "median"),
        "floor_distance": summary.floor.reach_from_one(),
        "verdict": summary.metric.verdict_word(summary.verdict),
        "pair_ratios": summary.pair_ratios,
        "floor_ratios": summary.floor_ratios,
    })
}

/// As ratios; `null` ends where there were too few pairs for an interval.
pub(crate) fn estimate_json(estimate: &RatioEstimate, name: &str) -> Value {
    let end = |ratio: f64| estimate.has_interval().then_some(ratio);
    json!({name: estimate.median, "low": end(estimate.low), "high": end(estimate.high)})
}

pub(crate) fn pair_json(pair: &PairValues, names: [&str; Contender::ALL.len()]) -> Value {
    let run = |values: &MetricValues| -> Value {
        let members = Metric::ALL.into_iter().zip(values);
        members
            .map(|(metric, value)| (metric.name().to_owned(), json!(value)))
            .collect()
    };
    let runs = names.into_iter().zip(pair);
    runs.map(|(name, values)| (name.to_owned(), run(values)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use crate::subject::Kind;
    use crate::summary::summarise;

    fn side(name: &str, kind: Kind) -> Side {
        Side {
            subject: Subject {
                name: name.to_owned(),
                kind,
            },
            extra_options: Vec::new(),
            engine: Engine {
                backend: "dalek".to_owned(),
                ..sample::open_loop().engine
            },
        }
    }

    /// So many pairs: B needs a tenth more of everything; no p99.
    fn sample(pairs: usize) -> Comparison {
        let run = |x: f64| {
            [
                Some(40_000.0 * x),
                Some(25_000.0 * x),
                None,
                Some(2_097_152.0 * x),
            ]
        };
        let pairs = vec![[run(1.0), run(1.1), run(1.0)]; pairs];
        let run_file = json!({
            "assurance": {"cosign_every": 1, "in_flight": 16, "durability": "none",
                          "both_endpoints_checked": true},
            "workload": {"shards": 1},
        });
        Comparison {
            ground: Ground {
                sides: [
                    side("main", Kind::Executable("main".into())),
                    side("./loadgen", Kind::Executable("loadgen".into())),
                ],
                same_bytes: false,
                workload: vec!["--payments".to_owned(), "2k".to_owned()],
                terms: Terms::read(&run_file).unwrap(),
                differences: vec![Difference {
                    key: "workload.shards".to_owned(),
                    a: json!(1),
                    b: json!(2),
                }],
                machine: sample::open_loop().machine,
            },
            decisive: Metric::CpuPerPayment,
            metrics: summarise(&pairs),
            pairs,
        }
    }

    #[test]
    fn the_text_as_people_see_it() {
        let expected = "\
A          main (executable), dalek back end
B          ./loadgen (executable), dalek back end
workload   --payments 2k
assurance  both_endpoints_checked true · cosign_every 1 · durability none · in_flight 16
differs    workload.shards: A 1, B 2
session    6 pairs after warm-up, A, B and A' (a copy of A) in balanced order

                            A       B                            A/A
metric           unit  median  median    B/A  95 % interval    floor
cpu-per-payment  ns    40,000  44,000  1.100  1.100 … 1.100  ± 0.0 %
payments-per-s   1/s   25,000  27,500  1.100  1.100 … 1.100  ± 0.0 %
service-p99      ns         -       -      -              -        -
peak-rss         MiB    2.000   2.200  1.100  1.100 … 1.100  ± 0.0 %
metric           unit  verdict
cpu-per-payment  ns    slower
payments-per-s   1/s   faster
service-p99      ns    not measured
peak-rss         MiB   larger

verdict: slower · B's cpu-per-payment is 1.100 × A's (less is better), 95 % interval 1.100 … 1.100, A/A floor ± 0.0 %
";
        assert_eq!(text(&sample(6)), expected);
        let few = text(&sample(5));
        assert!(
            few.contains("no difference seen") && few.contains("too few pairs"),
            "{few}"
        );
        assert!(few.contains("fewer than 6 pairs have no interval"), "{few}");
    }

    #[test]
    fn the_json_holds_every_figure() {
        let json = json(&sample(6));
        assert_eq!(json["schema"], 1);
        assert_eq!(json["verdict"], "slower");
        assert_eq!(json["confidence"], 0.95);
        assert_eq!(json["metrics"].as_array().unwrap().len(), 3);
        assert_eq!(json["metrics"][0]["pair_ratios"][5], 1.1);
        assert_eq!(json["pairs"][1]["b"]["cpu-per-payment"], json!(44_000.0));
        assert_eq!(json["pairs"][0]["a"]["service-p99"], Value::Null);
        assert_eq!(json["differences"][0]["key"], "workload.shards");
        assert_eq!(json["assurance"]["cosign_every"], 1);
        assert_eq!(json["a"]["kind"], "executable");
        assert_eq!(json["b"]["engine"]["backend"], "dalek");
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
