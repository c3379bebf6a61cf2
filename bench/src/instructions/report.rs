//! Instruction counts as text, Markdown and JSON. Pure.

use duet_terminal::layout::Column;
use serde_json::{Value, json};

use crate::report::{SCHEMA, labelled};
use crate::subject::Subject;
use crate::table::Cells;

use super::{Call, Counted};

/// What these counts say nothing about.
const NOT_GATED: [&str; 3] = [
    "the lanes back end: Valgrind has no AVX-512, and the kernels name dalek",
    "time: an instruction is not a nanosecond, and caches are not counted",
    "threads, queues and disks: the kernels are single-threaded",
];

/// The result as text for people.
#[must_use]
pub fn text(counted: &Counted) -> String {
    let [base, head] = counted.sides.each_ref().map(Subject::shown);
    let valgrind = counted.valgrind.clone();
    let mut lines = labelled(&[("BASE", base), ("HEAD", head), ("valgrind", valgrind)]);
    lines.push(String::new());
    lines.extend(table(counted).text());
    lines.push(String::new());
    lines.push(format!("verdict: {}", headline(counted)));
    lines.extend(NOT_GATED.map(|what| format!("not gated: {what}")));
    lines.join("\n") + "\n"
}

/// The result as Markdown, to be posted as a comment.
#[must_use]
pub fn markdown(counted: &Counted) -> String {
    let mut lines = vec![
        format!("### Instruction counts: {}", verdict(counted)),
        String::new(),
        headline(counted),
        String::new(),
    ];
    lines.extend(table(counted).markdown());
    lines.push(String::new());
    lines.push("Not gated:".to_owned());
    lines.push(String::new());
    lines.extend(NOT_GATED.map(|what| format!("- {what}")));
    lines.join("\n") + "\n"
}

/// The result as JSON for programs.
#[must_use]
pub fn json(counted: &Counted) -> Value {
    let side = |of: &Subject| json!({"name": of.name, "commit": of.commit()});
    let kernels = counted.kernels.iter().map(|kernel| {
        json!({
            "name": kernel.name,
            "base": kernel.base,
            "head": kernel.head,
            "ratio": kernel.ratio(),
            "says": call_word(kernel.call),
        })
    });
    json!({
        "schema": SCHEMA,
        "verdict": verdict(counted),
        "threshold": counted.threshold,
        "base": side(&counted.sides[0]),
        "head": side(&counted.sides[1]),
        "valgrind": counted.valgrind,
        "kernels": kernels.collect::<Vec<Value>>(),
        "not_gated": NOT_GATED,
    })
}

fn verdict(counted: &Counted) -> &'static str {
    match counted.is_regression() {
        true => "regression",
        false => "pass",
    }
}

fn headline(counted: &Counted) -> String {
    let is = |call: Call| {
        let kernels = counted.kernels.iter();
        kernels.filter(move |kernel| kernel.call == call)
    };
    let beyond: Vec<&str> = is(Call::Beyond).map(|kernel| &kernel.name[..]).collect();
    let compared = is(Call::Within).count() + beyond.len();
    let threshold = counted.threshold * 100.0;
    let not = match is(Call::NotGated).count() {
        0 => String::new(),
        count => format!("; {count} that only one side has"),
    };
    match beyond.len() {
        0 => {
            format!("pass · none of {compared} kernels takes {threshold} % more instructions{not}")
        }
        count => format!(
            "regression · {count} of {compared} kernels take over {threshold} % more instructions: \
             {}{not}",
            beyond.join(", ")
        ),
    }
}

fn call_word(call: Call) -> &'static str {
    match call {
        Call::Within => "within",
        Call::Beyond => "beyond the threshold",
        Call::NotGated => "not gated",
    }
}

/// The kernels, a row each.
fn table(counted: &Counted) -> Cells<5> {
    let shown = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
    let change = |ratio: f64| format!("{:+.2} %", (ratio - 1.0) * 100.0);
    let mut table = Cells::new([
        Column::Left("kernel"),
        Column::Right("BASE"),
        Column::Right("HEAD"),
        Column::Right("change"),
        Column::Left(""),
    ]);
    let kernels = counted.kernels.iter();
    table.rows.extend(kernels.map(|kernel| {
        [
            kernel.name.clone(),
            shown(kernel.base),
            shown(kernel.head),
            kernel.ratio().map_or("-".to_owned(), change),
            call_word(kernel.call).to_owned(),
        ]
    }));
    table
}

#[cfg(test)]
mod tests {
    use super::super::{Counts, judge};
    use super::*;
    use crate::subject::Kind;

    fn counted(head_of_sign: u64) -> Counted {
        let counts = |counts: &[(&str, u64)]| -> Counts {
            let counts = counts.iter();
            counts
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect()
        };
        let base = counts(&[("sign", 1_000_000), ("verify", 5_000_000)]);
        let head = counts(&[
            ("sign", head_of_sign),
            ("verify", 4_000_000),
            ("co_sign", 7),
        ]);
        Counted {
            sides: ["old/bench", "new/bench"].map(|path| Subject {
                name: path.to_owned(),
                kind: Kind::Executable(path.into()),
            }),
            threshold: 0.01,
            valgrind: "valgrind-3".into(),
            kernels: judge(&base, &head, 0.01),
        }
    }

    #[test]
    fn the_text_as_people_see_it() {
        let expected = "\
BASE       old/bench (executable)
HEAD       new/bench (executable)
valgrind   valgrind-3

kernel      BASE     HEAD    change
co_sign        -        7         -  not gated
sign     1000000  1020000   +2.00 %  beyond the threshold
verify   5000000  4000000  -20.00 %  within

verdict: regression · 1 of 2 kernels take over 1 % more instructions: sign; 1 that only one side has
";
        let text = text(&counted(1_020_000));
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("not gated: the lanes back end"), "{text}");
    }

    #[test]
    fn markdown_and_json_say_the_same() {
        let counted_well = counted(1_000_100);
        assert!(markdown(&counted_well).starts_with(
            "### Instruction counts: pass\n\npass · none of 2 kernels takes 1 % more instructions"
        ));
        assert!(markdown(&counted_well).contains("| co\\_sign | - | 7 | - | not gated |"));
        let json = json(&counted(1_020_000));
        assert_eq!(json["verdict"], "regression");
        assert_eq!(json["kernels"][1]["says"], "beyond the threshold");
        assert_eq!(json["kernels"][0]["base"], Value::Null);
    }
}
