//! Reads what a run printed: its figures, its terms, and whether it holds itself valid. Pure, and
//! trusts nothing: the text comes from whatever program the user named.

use serde_json::Value;

use crate::metric::Metric;
use duet_run_file::terms::Terms;

/// The run-file schema that is understood.
const SCHEMA: u64 = 1;

/// One value per metric, in the order of [`Metric::ALL`]; `None` where the run measured nothing.
pub type MetricValues = [Option<f64>; Metric::ALL.len()];

/// What a comparison keeps of a run file.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFile {
    /// The figures.
    pub values: MetricValues,
    /// What the figures were measured under.
    pub terms: Terms,
    /// The run file's `engine` section as it is, `null` if there is none.
    pub engine: Value,
    /// The run file's `machine` section as it is, `null` if there is none.
    pub machine: Value,
}

/// Why a run's output cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is no run file of the schema that is understood, for this reason.
    NotARunFile(String),
    /// The run calls itself INVALID, for these reasons.
    Invalid(Vec<String>),
    /// The run went on after a restart: its figures are of a part of it.
    Resumed,
    /// The run was stopped by hand: it did less than was asked for.
    Interrupted,
}

/// Parses a run's standard output.
///
/// # Errors
/// See [`Refusal`].
pub fn parse(stdout: &[u8]) -> Result<RunFile, Refusal> {
    let file: Value = serde_json::from_slice(stdout)
        .map_err(|error| Refusal::NotARunFile(format!("it is not JSON: {error}")))?;
    check_schema(&file)?;
    check_validity(&file)?;
    if file
        .pointer("/durability/resumed")
        .is_some_and(|resumed| !resumed.is_null())
    {
        return Err(Refusal::Resumed);
    }
    if file.pointer("/achieved/interrupted") == Some(&Value::Bool(true)) {
        return Err(Refusal::Interrupted);
    }
    Ok(RunFile {
        values: read_values(&file)?,
        terms: Terms::read(&file).map_err(Refusal::NotARunFile)?,
        engine: section(&file, "engine"),
        machine: section(&file, "machine"),
    })
}

fn section(file: &Value, name: &str) -> Value {
    file.get(name).cloned().unwrap_or(Value::Null)
}

fn check_schema(file: &Value) -> Result<(), Refusal> {
    match file.get("schema") {
        None => not_a_run_file("it has no schema"),
        Some(schema) if schema.as_u64() == Some(SCHEMA) => Ok(()),
        Some(schema) => not_a_run_file(&format!(
            "it is of schema {schema}; this program reads schema {SCHEMA}"
        )),
    }
}

fn check_validity(file: &Value) -> Result<(), Refusal> {
    match file.pointer("/achieved/valid").and_then(Value::as_bool) {
        None => not_a_run_file("it has no achieved.valid"),
        Some(true) => contradiction(file).map_or(Ok(()), |reason| {
            not_a_run_file(&format!("its achieved.valid is true, but {reason}"))
        }),
        Some(false) => Err(Refusal::Invalid(invalid_reasons(file))),
    }
}

/// What the file says against the run's being valid.
fn contradiction(file: &Value) -> Option<String> {
    let checks = file.get("checks").and_then(Value::as_object);
    let broken = checks
        .into_iter()
        .flatten()
        .find(|(_, held)| **held == Value::Bool(false));
    if let Some((name, _)) = broken {
        return Some(format!("checks.{name} is false"));
    }
    let reasons = invalid_reasons(file);
    (!reasons.is_empty()).then(|| format!("a reason is given: {}", reasons.join("; ")))
}

fn invalid_reasons(file: &Value) -> Vec<String> {
    let reasons = file.pointer("/achieved/invalid_reasons");
    let reasons = reasons.and_then(Value::as_array).into_iter().flatten();
    reasons
        .map(|reason| {
            reason
                .as_str()
                .map_or_else(|| reason.to_string(), str::to_owned)
        })
        .collect()
}

fn read_values(file: &Value) -> Result<MetricValues, Refusal> {
    let payments = required(file, "/achieved/payments")?;
    let cpu_s = required(file, "/achieved/cpu_s")?;
    let payments_per_s = required(file, "/achieved/payments_per_s")?;
    let value_of = |metric: Metric| {
        let value = match metric {
            Metric::CpuPerPayment => Some(cpu_s / payments * 1e9),
            Metric::PaymentsPerS => Some(payments_per_s),
            Metric::ServiceP99 => number(file, "/latency_ns/service/p99"),
            Metric::PeakRss => number(file, "/memory/peak_rss_bytes"),
        };
        // A ratio needs a positive value: nothing paid, or no CPU time seen, measures nothing.
        value.filter(|value| value.is_finite() && *value > 0.0)
    };
    Ok(Metric::ALL.map(value_of))
}

fn required(file: &Value, pointer: &str) -> Result<f64, Refusal> {
    let dotted = || pointer.trim_start_matches('/').replace('/', ".");
    match number(file, pointer) {
        Some(value) if value >= 0.0 => Ok(value),
        Some(value) => not_a_run_file(&format!("its {} is {value}, expected 0 or more", dotted())),
        None => not_a_run_file(&format!("it has no number under {}", dotted())),
    }
}

/// A number, or an integer above 2^53 written as a string.
fn number(file: &Value, pointer: &str) -> Option<f64> {
    match file.pointer(pointer)? {
        Value::Number(number) => number.as_f64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    }
}

fn not_a_run_file<T>(reason: &str) -> Result<T, Refusal> {
    Err(Refusal::NotARunFile(reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> Value {
        json!({
            "schema": 1,
            "workload": {"sessions": 8},
            "engine": {"backend": "dalek"},
            "assurance": {
                "cosign_every": 1, "in_flight": 16, "durability": "none",
                "both_endpoints_checked": true
            },
            "achieved": {
                "payments": 16000, "payments_per_s": 25000.0, "cpu_s": 0.64, "valid": true,
                "invalid_reasons": []
            },
            "latency_ns": {"response": null, "service": {"p99": 500_000}},
            "memory": {"peak_rss_bytes": "9007199254740994"}
        })
    }

    fn parse_edited(edit: impl FnOnce(&mut Value)) -> Result<RunFile, Refusal> {
        let mut file = sample();
        edit(&mut file);
        parse(file.to_string().as_bytes())
    }

    fn assert_not_a_run_file(edit: impl FnOnce(&mut Value), reason: &str) {
        match parse_edited(edit) {
            Err(Refusal::NotARunFile(found)) => assert!(found.contains(reason), "{found}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_four_figures() {
        let run = parse_edited(|_| ()).unwrap();
        let [cpu_ns, per_s, p99_ns, rss_bytes] = run.values;
        assert!((cpu_ns.unwrap() - 40_000.0).abs() < 1e-6);
        assert_eq!(per_s, Some(25_000.0));
        assert_eq!(p99_ns, Some(500_000.0));
        assert_eq!(rss_bytes, Some(9_007_199_254_740_994.0));
        assert_eq!(run.engine, json!({"backend": "dalek"}));
    }

    #[test]
    fn what_was_not_measured_is_none() {
        let run = parse_edited(|file| {
            file["latency_ns"]["service"] = Value::Null;
            file["memory"] = json!({});
            file["achieved"]["payments"] = json!(0);
        });
        assert_eq!(run.unwrap().values, [None, Some(25_000.0), None, None]);
    }

    #[test]
    fn a_run_that_went_on_after_a_restart_is_no_whole_one() {
        for (resumed, whole) in [(Value::Null, true), (json!({"payments": 7}), false)] {
            let run = parse_edited(|file| file["durability"] = json!({"resumed": resumed}));
            assert_eq!(run.is_ok(), whole);
            assert!(whole || run == Err(Refusal::Resumed));
        }
    }

    #[test]
    fn a_run_that_was_stopped_by_hand_is_no_whole_one() {
        let run = parse_edited(|file| file["achieved"]["interrupted"] = json!(true));
        assert_eq!(run, Err(Refusal::Interrupted));
        let run = parse_edited(|file| file["achieved"]["interrupted"] = json!(false));
        assert!(run.is_ok());
    }

    #[test]
    fn an_invalid_run_gives_its_reasons() {
        let run = parse_edited(|file| {
            file["achieved"]["valid"] = json!(false);
            file["achieved"]["invalid_reasons"] = json!(["offered rate not held", {"x": 1}]);
        });
        let reasons = vec!["offered rate not held".to_owned(), r#"{"x":1}"#.to_owned()];
        assert_eq!(run, Err(Refusal::Invalid(reasons)));
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        assert_not_a_run_file(|file| file["schema"] = json!(2), "schema 2");
        assert_not_a_run_file(|file| *file = json!([1]), "no schema");
        assert_not_a_run_file(
            |file| file["achieved"]["valid"] = json!("yes"),
            "achieved.valid",
        );
        assert_not_a_run_file(
            |file| file["achieved"]["cpu_s"] = json!(null),
            "achieved.cpu_s",
        );
        assert_not_a_run_file(
            |file| file["achieved"]["payments"] = json!(-5),
            "achieved.payments is -5, expected 0 or more",
        );
        assert_not_a_run_file(
            |file| file["achieved"]["cpu_s"] = json!(-1.5),
            "achieved.cpu_s is -1.5",
        );
        assert_not_a_run_file(
            |file| file["checks"] = json!({"balances_match": false, "stage_cpu_share": 1.0}),
            "achieved.valid is true, but checks.balances_match is false",
        );
        assert_not_a_run_file(
            |file| file["achieved"]["invalid_reasons"] = json!(["late"]),
            "achieved.valid is true, but a reason is given: late",
        );
        assert_not_a_run_file(
            |file| file["assurance"] = json!({}),
            "assurance.cosign_every",
        );
        assert!(matches!(parse(b"hello"), Err(Refusal::NotARunFile(_))));
        assert!(matches!(parse(b""), Err(Refusal::NotARunFile(_))));
        assert!(matches!(parse(b"\xff{}"), Err(Refusal::NotARunFile(_))));
    }
}
