//! Instruction counts as text, Markdown and JSON. Pure.

use serde_json::{Value, json};

use super::{Call, Counted, Kernel};

/// The version of [`json`]'s shape. Fields may be added under the same number.
const SCHEMA: u32 = 1;

/// What these counts say nothing about.
const NOT_GATED: [&str; 3] = [
    "the lanes back end: Valgrind has no AVX-512, and the kernels name dalek",
    "time: an instruction is not a nanosecond, and caches are not counted",
    "threads, queues and disks: the kernels are single-threaded",
];

/// The result as text for people.
#[must_use]
pub fn text(counted: &Counted) -> String {
    let mut lines = vec![
        format!("BASE       {}", side(&counted.base)),
        format!("HEAD       {}", side(&counted.head)),
        format!("valgrind   {}", counted.valgrind),
        String::new(),
    ];
    let rows = rows(counted);
    let widths: Vec<usize> = (0..5)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    for [name, base, head, change, says] in &rows {
        let [name_width, base_width, head_width, change_width, _] = widths[..] else {
            unreachable!("five columns")
        };
        lines.push(format!(
            "{name:name_width$}  {base:>base_width$}  {head:>head_width$}  {change:>change_width$}  \
             {says}"
        ));
    }
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
    for (at, row) in rows(counted).iter().enumerate() {
        lines.push(format!("| {} |", row.join(" | ").replace('_', "\\_")));
        if at == 0 {
            lines.push("| --- | ---: | ---: | ---: | --- |".to_owned());
        }
    }
    lines.push(String::new());
    lines.push("Not gated:".to_owned());
    lines.push(String::new());
    lines.extend(NOT_GATED.map(|what| format!("- {what}")));
    lines.join("\n") + "\n"
}

/// The result as JSON for programs.
#[must_use]
pub fn json(counted: &Counted) -> Value {
    let side = |(name, commit): &(String, Option<String>)| json!({"name": name, "commit": commit});
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
        "base": side(&counted.base),
        "head": side(&counted.head),
        "valgrind": counted.valgrind,
        "kernels": kernels.collect::<Vec<Value>>(),
        "not_gated": NOT_GATED,
    })
}

fn verdict(counted: &Counted) -> &'static str {
    if counted.is_regression() {
        "regression"
    } else {
        "pass"
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
    if beyond.is_empty() {
        return format!(
            "pass · none of {compared} kernels takes {threshold} % more instructions{not}"
        );
    }
    format!(
        "regression · {} of {compared} kernels take over {threshold} % more instructions: {}{not}",
        beyond.len(),
        beyond.join(", ")
    )
}

fn side((name, commit): &(String, Option<String>)) -> String {
    match commit {
        Some(commit) => format!("{name} (revision {})", commit.get(..12).unwrap_or(commit)),
        None => name.clone(),
    }
}

fn call_word(call: Call) -> &'static str {
    match call {
        Call::Within => "within",
        Call::Beyond => "beyond the threshold",
        Call::NotGated => "not gated",
    }
}

fn rows(counted: &Counted) -> Vec<[String; 5]> {
    let headings = ["kernel", "BASE", "HEAD", "change", ""].map(str::to_owned);
    let row = |kernel: &Kernel| {
        let count = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
        [
            kernel.name.clone(),
            count(kernel.base),
            count(kernel.head),
            kernel.ratio().map_or("-".to_owned(), |ratio| {
                format!("{:+.2} %", (ratio - 1.0) * 100.0)
            }),
            call_word(kernel.call).to_owned(),
        ]
    };
    let mut rows = vec![headings];
    rows.extend(counted.kernels.iter().map(row));
    rows
}

#[cfg(test)]
mod tests {
    use super::super::{Counts, judge};
    use super::*;

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
            base: ("main".into(), Some("0123456789abcdef".into())),
            head: ("WORKTREE".into(), None),
            threshold: 0.01,
            valgrind: "valgrind-3".into(),
            kernels: judge(&base, &head, 0.01),
        }
    }

    #[test]
    fn the_text_as_people_see_it() {
        let expected = "\
BASE       main (revision 0123456789ab)
HEAD       WORKTREE
valgrind   valgrind-3

kernel      BASE     HEAD    change  \n\
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
