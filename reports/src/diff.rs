//! Two runs side by side: each figure of both, and how many times the one is the other. Says no
//! word on whether the difference means anything: one pair of runs cannot tell.

use duet_terminal::dataset::number_shown;
use duet_terminal::{columns, named};
use serde_json::{Value, json};

use crate::{
    dataset::{Cell, Dataset, Kind},
    human,
    layout::{self, Column, Table, clean, sentence, wrap},
    machines::Kinship,
    measured::{self, INTERRUPTED, RESUMED},
    run_file::{Durability, Offload, RunFile},
    runs::{NamedRun, Runs},
    summary::{assurance_phrases, stage_cpu_s},
};

/// What every comparison of two runs says of itself.
const NO_VERDICT: (&str, &str) = (
    "One pair of runs on a machine that other work moves is no verdict",
    "`bench compare` interleaves runs and says how much of it noise explains.",
);

/// Two runs, A and B.
#[derive(Debug)]
pub struct Diff<'a> {
    a: &'a NamedRun,
    b: &'a NamedRun,
    runs: &'a Runs,
    rows: Vec<Row>,
}

/// One figure of both runs.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    /// Its name in the run file, or one like it.
    figure: String,
    kind: Kind,
    a: f64,
    b: f64,
}

/// A figure by name. NaN where the run has none.
type Named = (String, Kind, f64);

impl<'a> Diff<'a> {
    /// The first two of the runs.
    ///
    /// # Panics
    /// With fewer than two.
    #[must_use]
    pub fn new(runs: &'a Runs) -> Self {
        let [a, b, ..] = runs.all() else {
            panic!("two runs");
        };
        let (of_a, of_b) = (figures(&a.run), figures(&b.run));
        // In A's order; what only B has comes last.
        let mut names: Vec<&Named> = of_a.iter().collect();
        let missing = |(name, ..): &&Named| of_a.iter().all(|(other, ..)| other != name);
        names.extend(of_b.iter().filter(missing));
        let value = |of: &[Named], name: &str| {
            let found = of.iter().find(|(other, ..)| other == name);
            found.map_or(f64::NAN, |(_, _, value)| *value)
        };
        let rows = names
            .into_iter()
            .map(|(name, kind, _)| Row {
                figure: name.clone(),
                kind: *kind,
                a: value(&of_a, name),
                b: value(&of_b, name),
            })
            .filter(|row| row.a.is_finite() || row.b.is_finite())
            .collect();
        Self { a, b, runs, rows }
    }

    /// For people: who A and B are, in what they differ, a line a figure.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut lines = Vec::new();
        for (letter, named) in [("A  ", self.a), ("B  ", self.b)] {
            lines.push(format!(
                "{letter}{}",
                clean(&named.path.display().to_string())
            ));
            lines.extend(wrap(
                "   ",
                &assurance_phrases(&named.run.assurance),
                ',',
                4,
            ));
            lines.extend(measured::part(&named.run).map(|part| {
                format!("   {RESUMED}: its figures are of {part}, made after a restart")
            }));
            let told = [
                measured::slowed(&named.run),
                measured::only_closed(&named.run),
                measured::ended_short(&named.run),
                named.run.durability.as_ref().and_then(Durability::caution),
            ];
            let told = told.into_iter().flatten();
            lines.extend(told.map(|told| format!("   {told}")));
            if named.run.achieved.interrupted {
                lines.push(format!("   {INTERRUPTED}: stopped by hand before its end"));
            }
        }
        let differences = self.runs.differences().iter();
        lines.extend(differences.flat_map(|found| sentence("", &format!("differ in {found}"))));
        lines.extend(self.kinship().caveat());
        lines.push(String::new());
        let mut table = Table::new(&[
            Column::Left("figure"),
            Column::Right("A"),
            Column::Right("B"),
            Column::Right("B / A"),
        ]);
        for row in &self.rows {
            table.row([
                row.figure.clone(),
                number_shown(row.a, row.kind),
                number_shown(row.b, row.kind),
                match row.ratio() {
                    ratio if ratio.is_finite() => human::ratio(ratio),
                    _ => "–".into(),
                },
            ]);
        }
        lines.extend(table.lines());
        lines.push(String::new());
        let (doubt, remedy) = NO_VERDICT;
        lines.extend([format!("{doubt}:"), remedy.to_owned()]);
        layout::text(&lines)
    }

    fn kinship(&self) -> Kinship {
        Kinship::of(&self.a.run.machine, &self.b.run.machine)
    }

    /// The rows, exact.
    #[must_use]
    pub fn to_dataset(&self) -> Dataset {
        Dataset::of(
            &self.rows,
            columns! { |row|
                "figure", "Figure", Text: &row.figure;
                "a", "A", Figure: row.a;
                "b", "B", Figure: row.b;
                "ratio", "B / A", Ratio: row.ratio();
            },
        )
    }

    /// The rows, who A and B are, and in what they differ.
    #[must_use]
    pub fn to_json(&self) -> String {
        let who = |named: &NamedRun| {
            json!({
                "run": named.name,
                "file": named.path.display().to_string(),
                "assurance": named.run.assurance,
                "resumed": named.run.resumed(),
                "interrupted": named.run.achieved.interrupted,
            })
        };
        let differences: Vec<Value> = self
            .runs
            .differences()
            .iter()
            .map(|difference| json!({"key": difference.key, "a": difference.a, "b": difference.b}))
            .collect();
        let value = json!({
            "a": who(self.a),
            "b": who(self.b),
            "differences": differences,
            "same_machine": self.kinship().is_same(),
            "rows": self.to_dataset().to_value(),
            "note": format!("{}: {}", NO_VERDICT.0, NO_VERDICT.1),
        });
        value.to_string() + "\n"
    }
}

impl Row {
    fn ratio(&self) -> f64 {
        self.b / self.a
    }
}

/// The figures of a run that another run's can be put beside. Names end with the unit.
fn figures(run: &RunFile) -> Vec<Named> {
    let (achieved, load) = (&run.achieved, &run.l1.channels);
    // Nothing is per payment where none was measured.
    let measured = Some(run.payments_measured()).filter(|measured| *measured > 0);
    let per_payment = |total: u64| measured.map(|measured| total as f64 / measured as f64);
    let per_any_payment = |total: f64| total / achieved.payments as f64;
    let l1_cpu_s = measured::l1_cpu_known(run).then_some(load.cpu_s);
    let rates = named! {
        "achieved.payments_per_s": achieved.payments_per_s;
        "achieved.steady_payments_per_s": achieved.steady_payments_per_s;
        "achieved.wall_s": achieved.wall_s;
        "cpu_ns_per_payment": measured::all_cpu_per_payment_ns(run);
    };
    let loads = named! {
        "memory.peak_rss_bytes": run.memory.peak_rss_bytes;
        "memory.bytes_per_channel": run.memory.bytes_per_channel;
        "l1.channels.transactions_per_payment": per_any_payment(load.transactions as f64);
        "l1.channels.bytes_per_payment": per_any_payment(load.bytes as f64);
        "l1.channels.cpu_s_per_payment": l1_cpu_s.map(per_any_payment);
    };
    let log = run.durability.iter().flat_map(|log| {
        named! {
            "durability.sync_p50_ns": log.sync_p50_ns;
            "durability.sync_p99_ns": log.sync_p99_ns;
            "durability.sync_max_ns": log.sync_max_ns;
            "durability.bytes_per_payment": per_payment(log.bytes_written);
        }
    });
    let latencies = run.latency_ns.named().into_iter();
    let latencies = latencies.flat_map(|(kind, found)| {
        let named = move |(name, ns): (&str, u64)| (format!("latency_ns.{kind}.{name}"), ns.into());
        found.named().map(named)
    });
    let offload = run.l1.offload.iter().flat_map(Offload::named);
    let offload = offload.map(|(name, of)| (format!("l1.offload.{name}.ratio"), of.ratio.into()));
    let phases = achieved.phases.iter();
    let phases = phases.map(|of| {
        (
            format!("achieved.phases.{}.wall_s", of.name),
            of.wall_s.into(),
        )
    });
    let stages = run.stages.iter().map(|of| {
        let ns = measured::cpu_per_payment_ns(run, &of.role, stage_cpu_s(of));
        let name = format!("stages.{}.{}.cpu_ns_per_payment", of.role, of.name);
        (name, ns.into())
    });
    let plain = |(name, cell): (&str, Cell)| (name.to_owned(), cell);
    (rates.into_iter().map(plain))
        .chain(latencies)
        .chain(loads.into_iter().map(plain))
        .chain(offload)
        .chain(log.map(plain))
        .chain(phases)
        .chain(stages)
        .map(|(name, cell): (String, Cell)| (clean(&name), kind(&name), cell.number()))
        .collect()
}

/// The kind of a figure by the unit in its name.
fn kind(name: &str) -> Kind {
    let of = [
        ("_ns", Kind::Nanoseconds),
        ("_ns_per_item", Kind::Nanoseconds),
        (".ratio", Kind::Ratio),
        ("bytes", Kind::Bytes),
        ("_per_s", Kind::Figure),
        ("_s", Kind::Seconds),
    ];
    let found = of.iter().find(|(unit, _)| name.ends_with(unit));
    found.map_or(Kind::Figure, |(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sample, terms::Across};

    fn runs(change: impl FnOnce(&mut RunFile)) -> Runs {
        let a = sample::open_loop();
        let mut b = sample::open_loop();
        change(&mut b);
        let files = [
            ("a.json".into(), a.to_json()),
            ("b.json".into(), b.to_json()),
        ];
        Runs::gather(&files, &Across::new(&["durability".to_owned()])).unwrap()
    }

    #[test]
    fn ratios_are_b_over_a_and_missing_where_one_has_none() {
        let runs = runs(|run| {
            run.achieved.payments_per_s *= 2.0;
            run.achieved.steady_payments_per_s = None;
            run.latency_ns.response = None;
            run.stages.remove(0);
            run.stages[0].name = "sign2".into();
        });
        let diff = Diff::new(&runs);
        let ratio = |figure: &str| {
            let row = diff.rows.iter().find(|row| row.figure == figure);
            row.unwrap_or_else(|| panic!("{figure}")).ratio()
        };
        let table = [
            ("achieved.payments_per_s", 2.0),
            ("achieved.wall_s", 1.0),
            ("achieved.steady_payments_per_s", f64::NAN),
            ("latency_ns.response.p99", f64::NAN),
            ("latency_ns.service.p99", 1.0),
            ("stages.payer.hash.cpu_ns_per_payment", f64::NAN),
            ("stages.payer.sign2.cpu_ns_per_payment", f64::NAN),
            ("stages.payee.verify.cpu_ns_per_payment", 1.0),
            ("l1.offload.transactions.ratio", 1.0),
        ];
        for (figure, expected) in table {
            let found = ratio(figure);
            let same = found.total_cmp(&expected).is_eq() || found.is_nan() && expected.is_nan();
            assert!(same, "{figure}: {found}");
        }
    }

    #[test]
    fn a_resumed_run_meets_a_whole_one_only_where_that_is_named() {
        let files = [
            ("a.json".into(), sample::open_loop().to_json()),
            ("b.json".into(), sample::resumed(500_000).to_json()),
        ];
        let gather = |across: &[&str]| {
            let across: Vec<String> = across.iter().map(|key| (*key).to_owned()).collect();
            Runs::gather(&files, &Across::new(&across))
        };
        let refusal = gather(&[]).unwrap_err().to_string();
        assert!(refusal.contains("resumed: false and true"), "{refusal}");
        assert!(refusal.ends_with(":\n  --across resumed"), "{refusal}");

        let runs = gather(&["resumed"]).unwrap();
        let diff = Diff::new(&runs);
        let text = diff.to_text();
        for part in [
            "   RESUMED: its figures are of 500 k of 1 M payments, made after a restart\n",
            "differ in resumed: false and true\n",
        ] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
        let ratio = |figure: &str| {
            let row = diff.rows.iter().find(|row| row.figure == figure);
            row.unwrap_or_else(|| panic!("{figure}")).ratio()
        };
        assert_eq!(ratio("cpu_ns_per_payment"), 2.0);
        assert!(ratio("stages.payee.verify.cpu_ns_per_payment").is_finite());
        assert!(ratio("stages.l1.verify.cpu_ns_per_payment").is_nan());
        assert_eq!(ratio("l1.channels.transactions_per_payment"), 1.0);
        assert!(ratio("l1.channels.cpu_s_per_payment").is_nan());
        assert!(ratio("l1.offload.cpu.ratio").is_nan());
        // Sessions that span the restart are not the payments' own.
        let cut = Runs::gather(
            &[
                files[0].clone(),
                ("c.json".into(), sample::resumed(250_000).to_json()),
            ],
            &Across::new(&["resumed".to_owned()]),
        );
        let cut = cut.unwrap();
        let cut = Diff::new(&cut);
        let known = cut
            .rows
            .iter()
            .find(|row| row.figure == "cpu_ns_per_payment");
        assert!(known.unwrap().ratio().is_nan());
        let json: Value = serde_json::from_str(&diff.to_json()).unwrap();
        assert_eq!(json["a"]["resumed"], Value::Null);
        assert_eq!(json["b"]["resumed"]["payments"], 500_000);
    }

    #[test]
    fn a_difference_in_machine_is_said_where_there_is_one() {
        type Change = fn(&mut RunFile);
        let table: [(Change, Value, Option<&str>); 3] = [
            (
                |run| run.machine.others_share = Some(0.82),
                json!(true),
                None,
            ),
            (
                |run| run.machine.cores = 2,
                json!(false),
                Some("differ in machine (cores): times compare the machines too\n"),
            ),
            (
                |run| run.machine.cpu.clear(),
                Value::Null,
                Some("perhaps of two machines (processor unknown): times may compare these too\n"),
            ),
        ];
        for (change, same_machine, said) in table {
            let runs = runs(change);
            let diff = Diff::new(&runs);
            let json: Value = serde_json::from_str(&diff.to_json()).unwrap();
            assert_eq!(json["same_machine"], same_machine);
            let text = diff.to_text();
            match said {
                Some(said) => assert!(text.contains(said), "{said}:\n{text}"),
                None => assert!(
                    !text.contains("in machine") && !text.contains("two machines"),
                    "{text}"
                ),
            }
        }
    }

    #[test]
    fn an_interrupted_run_meets_a_whole_one_only_where_that_is_named() {
        let mut cut = sample::open_loop();
        (cut.achieved.interrupted, cut.achieved.sessions_cut) = (true, 50);
        cut.workload.reproducible = false;
        let files = [
            ("a.json".into(), sample::open_loop().to_json()),
            ("b.json".into(), cut.to_json()),
        ];
        let gather = |across: &[&str]| {
            let across: Vec<String> = across.iter().map(|key| (*key).to_owned()).collect();
            Runs::gather(&files, &Across::new(&across))
        };
        let refusal = gather(&[]).unwrap_err().to_string();
        assert!(refusal.contains("interrupted: false and true"), "{refusal}");
        assert!(refusal.ends_with(":\n  --across interrupted"), "{refusal}");

        let runs = gather(&["interrupted"]).unwrap();
        let text = Diff::new(&runs).to_text();
        for part in [
            "   INTERRUPTED: stopped by hand before its end\n",
            "differ in interrupted: false and true\n",
        ] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
        let json: Value = serde_json::from_str(&Diff::new(&runs).to_json()).unwrap();
        assert_eq!(
            [&json["a"]["interrupted"], &json["b"]["interrupted"]],
            [false, true]
        );
    }

    #[test]
    fn the_text_tells_who_is_who_and_gives_no_verdict() {
        let runs = runs(|run| {
            run.assurance.durability = "fsync".into();
            run.machine.cores = 2;
        });
        let text = Diff::new(&runs).to_text();
        for part in [
            "A  a.json\n",
            "B  b.json\n",
            "durability fsync",
            "differ in assurance.durability: \"off\" and \"fsync\"\n",
            "differ in machine",
            "is no verdict",
            "`bench compare`",
        ] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
        assert!(
            text.lines()
                .all(|line| line.chars().count() <= layout::WIDTH),
            "{text}"
        );
        let json: Value = serde_json::from_str(&Diff::new(&runs).to_json()).unwrap();
        assert_eq!(json["differences"][0]["b"], "fsync");
        assert_eq!(json["same_machine"], false);
        assert_eq!(json["a"]["assurance"]["cosign_every"], 100);
    }
}
