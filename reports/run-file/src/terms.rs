//! What two runs must share before their figures may meet in a ratio: the assurance they gave, the
//! work they did, and whether it was done in one go and to its end. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::layout::clean;

/// The parts of a run's assurance that are compared. The rest of it is measured, not chosen.
const ASSURANCE_KEYS: [&str; 4] = [
    "cosign_every",
    "in_flight",
    "durability",
    "both_endpoints_checked",
];

/// Parts of the workload that may differ: how the work was spread and which random draws made it.
/// A difference in them is reported, never refused.
const FREE_KEYS: [&str; 2] = ["workload.seed", "workload.shards"];

/// The key of what [`crate::run_file::Durability::resumed`] says: whether the run went on after a
/// restart, so that its figures are of a part of it.
const RESUMED: &str = "resumed";

/// The key of whether the run was interrupted, or, of one that went on, any session of it was ended
/// short by an interrupt: it did less than was asked for.
const INTERRUPTED: &str = "interrupted";

/// The key of how many parts a merged run has; a run that is whole by itself has none.
const PARTS: &str = "parts";
/// The key of how many Layer 1s these had.
const LAYER_1S: &str = "layer_1s";
/// The most keys: a workload has some thirty, and every difference is told.
const MOST_KEYS: usize = 1000;

/// What stands for no bound on a block of Layer 1.
const UNLIMITED: [(&str, u64); 2] = [
    ("workload.l1.block_transactions", u32::MAX as u64),
    ("workload.l1.block_bytes", u64::MAX),
];

/// A part of the workload that is not chosen: it follows from its duration and from the two above.
const DERIVED: &str = "workload.reproducible";

/// Whether all that both parties said was kept, and the stage in which that is done.
const AUDIT_LOG: &str = "workload.audit_log";
pub(crate) const AUDIT_STAGE: &str = "audit";

/// A run's assurance and workload under dotted keys, as `workload.pattern`, and whether it is
/// resumed or interrupted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms(BTreeMap<String, Value>);

/// A key whose values differ. An absent key is `null`.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Dotted key.
    pub key: String,
    /// The value on A's side.
    pub a: Value,
    /// The value on B's side.
    pub b: Value,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Difference { key, a, b } = self;
        to.write_str(&clean(&format!("{key}: {a} and {b}")))
    }
}

impl Terms {
    /// Takes the terms out of a run file's text, so that what a later version adds to the workload
    /// is compared as well.
    ///
    /// # Errors
    /// As [`Terms::read`].
    pub fn parse(run_file: &str) -> Result<Self, String> {
        let value = serde_json::from_str(run_file).map_err(|error| error.to_string())?;
        Self::read(&value)
    }

    /// Takes the terms out of a run file.
    ///
    /// # Errors
    /// Names the key that the run file lacks: figures without their assurance are not compared. Or
    /// it has more keys than any workload.
    pub fn read(run_file: &Value) -> Result<Self, String> {
        let mut terms = BTreeMap::new();
        for key in ASSURANCE_KEYS {
            let dotted = format!("assurance.{key}");
            match run_file.pointer(&format!("/assurance/{key}")) {
                None => return Err(format!("it has no {dotted}")),
                Some(value) => flatten(dotted, value, &mut terms),
            }
        }
        match run_file.get("workload") {
            Some(workload @ Value::Object(_)) => {
                flatten("workload".to_owned(), workload, &mut terms);
            }
            _ => return Err("it has no workload".to_owned()),
        }
        if terms.len() > MOST_KEYS {
            let keys = terms.len();
            return Err(format!(
                "its assurance and workload have {keys} keys, expected at most {MOST_KEYS}"
            ));
        }
        let resumed = run_file.pointer("/durability/resumed");
        let resumed = resumed.is_some_and(|resumed| !resumed.is_null());
        terms.insert(RESUMED.to_owned(), Value::Bool(resumed));
        // Before it went on, an interrupt shows in the sessions that it cut; a planned end cuts
        // some too.
        let planned = run_file.pointer("/workload/duration_s");
        let cut = is_any(run_file.pointer("/achieved/sessions_cut"));
        let stopped_before = resumed && cut && planned.is_none_or(Value::is_null);
        let stopped = run_file.pointer("/achieved/interrupted") == Some(&Value::Bool(true));
        terms.insert(
            INTERRUPTED.to_owned(),
            Value::Bool(stopped || stopped_before),
        );
        terms.remove(DERIVED);
        // A block that is bounded by its units alone, as a person is told of it.
        for (key, most) in UNLIMITED {
            if let Some(limit) = terms.get_mut(key).filter(|limit| **limit == most) {
                *limit = Value::from("unlimited");
            }
        }
        // What several Layer 1s carried is not what one did.
        for (key, pointer) in [(PARTS, "/merged/of"), (LAYER_1S, "/merged/layer_1s")] {
            if let Some(count) = run_file.pointer(pointer) {
                terms.insert(key.to_owned(), count.clone());
            }
        }
        // Files of earlier versions say that they kept one by its stage alone.
        let mut stages = run_file.get("stages").and_then(Value::as_array).into_iter();
        if stages.any(|stages| stages.iter().any(|stage| stage["name"] == AUDIT_STAGE)) {
            terms.insert(AUDIT_LOG.to_owned(), Value::Bool(true));
        }
        Ok(Self(terms))
    }

    /// Every key on which `self` (as A) and `other` (as B) differ, in order.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let keys: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        keys.into_iter()
            .filter_map(|key| {
                let (a, b) = (self.value(key), other.value(key));
                (!same(a, b)).then(|| Difference {
                    key: key.clone(),
                    a: a.clone(),
                    b: b.clone(),
                })
            })
            .collect()
    }

    /// The keys under `section` without it, with their values.
    pub fn section<'a>(&'a self, section: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.0.iter().filter_map(move |(key, value)| {
            let rest = key.strip_prefix(section)?.strip_prefix('.')?;
            Some((rest, value))
        })
    }

    fn value(&self, key: &str) -> &Value {
        self.0.get(key).unwrap_or(&Value::Null)
    }
}

/// The differences that the user has named as wanted.
///
/// A key is named with or without its section, and names the quantity in both: the co-sign
/// interval is one choice, though it stands under `workload` and under `assurance`. A key also
/// names everything below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Across(Vec<String>);

impl Across {
    /// The differences wanted by `--across`.
    #[must_use]
    pub fn new(keys: &[String]) -> Self {
        Self(keys.iter().map(|key| quantity(key).to_owned()).collect())
    }

    /// Whether a difference in `key` does not stand in the way of a comparison.
    #[must_use]
    pub fn allows(&self, key: &str) -> bool {
        FREE_KEYS.contains(&key) || self.0.iter().any(|named| covers(named, key))
    }

    /// The wanted keys that name none of `differences`: most likely typing errors.
    pub fn idle<'a>(&'a self, differences: &'a [Difference]) -> impl Iterator<Item = &'a str> {
        let names_one = |named: &&String| differences.iter().any(|d| covers(named, &d.key));
        let idle = self.0.iter().filter(move |named| !names_one(named));
        idle.map(String::as_str)
    }
}

/// Whether a count, in either of its forms, is above 0.
fn is_any(value: Option<&Value>) -> bool {
    match value {
        Some(Value::String(digits)) => digits.bytes().any(|digit| digit != b'0'),
        Some(number) => number.as_u64().is_some_and(|count| count > 0),
        None => false,
    }
}

fn covers(named: &str, key: &str) -> bool {
    quantity(key)
        .strip_prefix(named)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The key without `assurance.` or `workload.`.
fn quantity(key: &str) -> &str {
    key.strip_prefix("assurance.")
        .or_else(|| key.strip_prefix("workload."))
        .unwrap_or(key)
}

/// Numbers are equal by value (`1000` is `1000.0`), everything else as JSON.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
        _ => a == b,
    }
}

fn flatten(key: String, value: &Value, terms: &mut BTreeMap<String, Value>) {
    let Value::Object(members) = value else {
        terms.insert(key, value.clone());
        return;
    };
    for (member, value) in members {
        flatten(format!("{key}.{member}"), value, terms);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn terms(cosign_every: u64, workload: Value) -> Terms {
        let run_file = json!({
            "assurance": {
                "cosign_every": cosign_every, "in_flight": 16, "durability": "none",
                "both_endpoints_checked": true, "batch_size": 512
            },
            "workload": workload
        });
        Terms::read(&run_file).unwrap()
    }

    fn differing_keys(a: &Terms, b: &Terms) -> Vec<String> {
        a.differences(b).into_iter().map(|d| d.key).collect()
    }

    #[test]
    fn differences_are_named_with_both_values() {
        let a = terms(1, json!({"pattern": "one-way", "cosign_every": 1}));
        let b = terms(100, json!({"pattern": "two-way", "cosign_every": 100}));
        let found = a.differences(&b);
        assert_eq!(found.len(), 3);
        assert_eq!(
            found[2],
            Difference {
                key: "workload.pattern".to_owned(),
                a: json!("one-way"),
                b: json!("two-way"),
            }
        );
        assert!(a.differences(&a).is_empty());
    }

    #[test]
    fn values_are_compared_and_not_their_spelling() {
        let a = terms(1, json!({"offered_per_s": 1000, "trace_sha256": null}));
        let b = terms(1, json!({"offered_per_s": 1000.0}));
        assert_eq!(differing_keys(&a, &b), Vec::<String>::new());
        let c = terms(1, json!({"l1": {"block_txs": 5}}));
        let d = terms(1, json!({"l1": {"block_txs": 6}}));
        assert_eq!(differing_keys(&c, &d), ["workload.l1.block_txs"]);
    }

    #[test]
    fn a_bound_that_a_block_does_not_have_is_told_in_words() {
        let of = |most: u64| terms(1, json!({"l1": {"block_transactions": most}}));
        let found = of(u32::MAX.into()).differences(&of(1_000));
        let told = "workload.l1.block_transactions: \"unlimited\" and 1000";
        assert_eq!(found[0].to_string(), told);
    }

    #[test]
    fn a_key_that_only_one_side_has_is_a_difference() {
        let a = terms(1, json!({}));
        let b = terms(1, json!({"reserve": 0}));
        assert_eq!(differing_keys(&a, &b), ["workload.reserve"]);
    }

    #[test]
    fn a_run_with_an_audit_log_did_more_work() {
        let (without, with) = (json!({}), json!({"audit_log": true}));
        let (without, with) = (terms(1, without), terms(1, with));
        assert_eq!(differing_keys(&without, &with), ["workload.audit_log"]);
        let earlier = json!({
            "assurance": {
                "cosign_every": 1, "in_flight": 16, "durability": "none",
                "both_endpoints_checked": true
            },
            "workload": {},
            "stages": [{"name": "hash"}, {"name": "audit"}]
        });
        let earlier = Terms::read(&earlier).unwrap();
        assert_eq!(differing_keys(&earlier, &with), [""; 0]);
        assert!(Across::new(&["audit_log".to_owned()]).allows("workload.audit_log"));
    }

    #[test]
    fn a_run_that_went_on_after_a_restart_differs_from_a_whole_one() {
        let run_file = |durability: Value| {
            let mut run_file = json!({
                "assurance": {
                    "cosign_every": 1, "in_flight": 16, "durability": "log",
                    "both_endpoints_checked": true
                },
                "workload": {}
            });
            run_file["durability"] = durability;
            Terms::read(&run_file).unwrap()
        };
        let whole = [json!(null), json!({}), json!({"resumed": null})].map(run_file);
        let resumed = run_file(json!({"resumed": {"payments": 0}}));
        for one in &whole {
            assert_eq!(differing_keys(one, &resumed), ["resumed"]);
            assert_eq!(differing_keys(one, &whole[0]), [""; 0]);
        }
        assert!(!Across::default().allows("resumed"));
        assert!(Across::new(&["resumed".to_owned()]).allows("resumed"));
    }

    #[test]
    fn a_run_that_was_interrupted_differs_from_one_that_ended() {
        let run_file = |achieved: &Value, resumed: bool, duration_s: Option<f64>| {
            let run_file = json!({
                "assurance": {
                    "cosign_every": 1, "in_flight": 16, "durability": "log",
                    "both_endpoints_checked": true
                },
                // What follows from the interrupt is no difference of its own.
                "workload": {
                    "reproducible": achieved["interrupted"] != true, "duration_s": duration_s
                },
                "durability": {"resumed": resumed.then_some(7)},
                "achieved": achieved,
            });
            Terms::read(&run_file).unwrap()
        };
        let cut = json!({"interrupted": false, "sessions_cut": 7});
        for (achieved, resumed, duration_s, differs) in [
            (&json!(null), false, None, false),
            (&json!({"interrupted": true}), false, None, true),
            (
                &json!({"interrupted": true, "sessions_cut": 7}),
                false,
                None,
                true,
            ),
            (
                &json!({"interrupted": true, "sessions_cut": 7}),
                false,
                Some(1.0),
                true,
            ),
            // By its planned end.
            (&cut, false, Some(1.0), false),
            (&cut, true, Some(1.0), false),
            // By an interrupt, before it went on.
            (&cut, true, None, true),
            (
                &json!({"sessions_cut": "9007199254740994"}),
                true,
                None,
                true,
            ),
            (&json!({"sessions_cut": "0"}), true, None, false),
        ] {
            let ended = json!({"interrupted": false, "sessions_cut": 0});
            let ended = run_file(&ended, resumed, duration_s);
            let expected: &[&str] = if differs { &["interrupted"] } else { &[] };
            let other = run_file(achieved, resumed, duration_s);
            assert_eq!(differing_keys(&ended, &other), expected, "{achieved}");
        }
    }

    #[test]
    fn figures_without_assurance_are_refused() {
        let silent = json!({"assurance": {"cosign_every": 1}, "workload": {}});
        assert_eq!(
            Terms::read(&silent),
            Err("it has no assurance.in_flight".to_owned())
        );
        assert!(Terms::read(&json!([])).is_err());
    }

    #[test]
    fn more_keys_than_any_workload_has_are_refused() {
        let run_file = |keys: usize| {
            let l1: serde_json::Map<String, Value> =
                (0..keys).map(|key| (key.to_string(), json!(1))).collect();
            json!({
                "assurance": {
                    "cosign_every": 1, "in_flight": 16, "durability": "none",
                    "both_endpoints_checked": true
                },
                "workload": {"l1": l1},
            })
        };
        assert!(Terms::read(&run_file(996)).is_ok());
        assert_eq!(
            Terms::read(&run_file(997)),
            Err("its assurance and workload have 1001 keys, expected at most 1000".to_owned())
        );
    }

    #[test]
    fn across_names_a_quantity_wherever_it_stands() {
        let check = |named: &str, key: &str, expected: bool| {
            let across = Across::new(&[named.to_owned()]);
            assert_eq!(across.allows(key), expected, "--across {named}: {key}");
        };
        check("assurance.cosign_every", "assurance.cosign_every", true);
        check("assurance.cosign_every", "workload.cosign_every", true);
        check("cosign_every", "workload.cosign_every", true);
        check("workload.l1", "workload.l1.block_txs", true);
        check("workload.l1", "workload.l1x", false);
        check("workload.pattern", "workload.amount", false);
        check("nothing", "workload.shards", true);
        check("nothing", "workload.seed", true);
    }

    #[test]
    fn an_idle_across_is_found() {
        let differences = terms(1, json!({})).differences(&terms(2, json!({})));
        let across = Across::new(&["cosign_every".to_owned(), "workload.typo".to_owned()]);
        let idle: Vec<&str> = across.idle(&differences).collect();
        assert_eq!(idle, ["typo"]);
    }
}
