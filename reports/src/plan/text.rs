//! An answer for reading: what to buy in its first lines, then what it rests on. Cuts nothing. A
//! figure's unit follows from its JSON name.

use serde::Serialize;
use serde_json::Value;

use super::answer::Answer;
use super::ask::Role;
use super::cpu::StageCpu;
use super::holdout::{Errors, Spread};
use crate::human::{bytes, count, counted, figure, nanoseconds, seconds, share};
use crate::layout::{self, Column, Table, flow, sentence};

/// A plan whose rate, CPU time or memory is further off than this, where the model was tried, is none
/// to buy machines by.
const ERROR_MOST: f64 = 0.25;

/// The answer as lines.
#[must_use]
pub fn text(answer: &Answer) -> String {
    let mut lines = buy(answer);
    let summary = summary(answer).into_iter().chain(cautions(answer));
    lines.extend(summary.flat_map(|(label, text)| sentence(&format!("{label:<10}"), &text)));
    let mut beyond = answer.extrapolation.clone();
    if beyond.is_empty() {
        beyond.push("nothing: all of it was measured around".to_owned());
    }
    for (heading, section) in [
        ("CHECK", check(answer)),
        ("NOT MEASURED", list(&answer.not_measured)),
        ("WHAT BINDS", constraints(answer)),
        ("WHAT IT RESTS ON", fit(answer)),
        ("LAYER 1 (modelled, not measured)", figures(&answer.size.l1)),
        ("DUET'S OWN LAYER 1", own_layer_1(answer)),
        (
            "HOLD-OUT ERROR (fitted on the inner part, predicting its edge)",
            holdout(answer),
        ),
        ("TAKEN FOR GRANTED", list(&answer.assumptions)),
        ("BEYOND THE SWEEP", list(&beyond)),
        ("NOT IN THE PLAN", list(&answer.excluded.map(str::to_owned))),
        ("RUNS", inputs(answer)),
    ] {
        if !section.is_empty() {
            lines.extend([String::new(), heading.to_owned()]);
            lines.extend(section);
        }
    }
    layout::text(&lines)
}

/// A figure in the unit that its JSON name tells: `_ns`, `_s`, `bytes`, `share`; or as it is.
fn shown(name: &str, value: f64) -> String {
    let words: Vec<&str> = name.split('_').collect();
    let is_time = |at: usize| words[at] == "s" && (at == 0 || words[at - 1] != "per");
    let has = |word: &str| words.contains(&word);
    match name {
        _ if has("bytes") => bytes(value),
        _ if has("ns") => nanoseconds(value),
        _ if (0..words.len()).any(is_time) => seconds(value),
        _ if has("share") || has("efficiency") => share(value),
        _ => figure(value),
    }
}

/// An object's figures and words, by their names; those that are none left out.
fn figures(of: &impl Serialize) -> Vec<String> {
    let Ok(Value::Object(fields)) = serde_json::to_value(of) else {
        return Vec::new();
    };
    let phrase = |(name, value): (String, Value)| {
        let value = match value {
            Value::Number(number) => shown(&name, number.as_f64()?),
            Value::String(text) => text,
            _ => return None,
        };
        Some(format!("{name} {value}"))
    };
    let phrases: Vec<String> = fields.into_iter().filter_map(phrase).collect();
    flow("", &phrases, ",")
}

/// The first lines: machines, and what each of them does there.
fn buy(answer: &Answer) -> Vec<String> {
    let (point, backend) = (&answer.point, &answer.assurance.backend);
    let verb = if answer.inverse { "With" } else { "Buy" };
    let spare = match answer.spare_machines {
        0 => String::new(),
        spare => format!(" + {} spare", count(spare)),
    };
    let machines = counted(answer.size.machines, "machine");
    let cores = counted(answer.cores_per_machine, "core");
    let cpu = &answer.sweep_machine.cpu;
    let (name, rate) = (answer.slo.percentile.name(), figure(point.rate_per_s));
    let full = point.response_without_headroom_ns;
    let full = full.map_or_else(String::new, |ns| {
        format!(", {} with no headroom", nanoseconds(ns))
    });
    let response = match point.response_ns.map(nanoseconds) {
        Some(ns) => format!("{name} of {ns} at {rate} payments/s each{full}"),
        None => format!("{name} NOT MEASURED at {rate} payments/s each: sweep, as below"),
    };
    let payment = seconds(point.cpu_s_per_payment);
    let session = seconds(point.cpu_s_per_session / answer.payments as f64);
    let ends = match answer.role {
        Role::Hub => "one end (hub)".to_owned(),
        Role::Both => format!("both ends, {session} of it for its session"),
    };
    let l1 = answer.size.l1.as_ref().filter(|l1| l1.block_share > 1.0);
    let impossible = l1.map_or_else(String::new, |l1| {
        let taken = share(l1.block_share);
        format!(
            "IMPOSSIBLE on {}: {taken} of its blocks. Without it: ",
            l1.profile
        )
    });
    sentences(&[
        format!("{impossible}{verb} {machines}{spare} like {cpu}, {cores}, back end {backend}"),
        format!("Expect {response}"),
        format!("Expect {payment} of CPU time a payment, {ends}"),
    ])
}

type Row = (&'static str, String);

fn summary(answer: &Answer) -> Vec<Row> {
    let (rate, channels) = (
        figure(answer.size.rate_per_s),
        count(answer.size.channels as u64),
    );
    let (payments, disputes) = (count(answer.payments), share(answer.disputes));
    let load = format!("{rate}/s, {channels} channels of {payments} payments, {disputes} disputed");
    let verb = if answer.inverse { "carry" } else { "plan for" };
    let cores = count(answer.size.cores.ceil() as u64);
    let busy = answer.point.rate_per_s * answer.point.cpu_s_per_payment;
    let busy = share(busy / answer.cores_per_machine as f64);
    // Shards spend what time they have on smaller waves, so that headroom is rate and no idle time.
    let free = share(answer.headroom);
    let room = match answer.size.channels_max {
        most if most < u64::MAX as f64 => format!("; room for {} channels", count(most as u64)),
        _ => String::new(),
    };
    let all = bytes(answer.size.memory_bytes);
    let each = bytes(answer.memory_per_machine_bytes as f64);
    let log = answer.size.log_bytes_per_s.zip(answer.size.log_space_bytes);
    let log = log.map(|(written, space)| {
        let (written, space) = (bytes(written), bytes(space));
        format!("{written}/s, at most {space} of space")
    });
    let nothing = || "nothing is written: these runs were not durable".to_owned();
    let mut rows = vec![
        (verb, format!("{load}, {}", answer.slo)),
        (
            "cores",
            format!("{cores}, {busy} busy there; {free} of the rate is headroom"),
        ),
        ("memory", format!("{all} of {each} a machine{room}")),
        ("log disk", log.unwrap_or_else(nothing)),
    ];
    if let Some(l1) = &answer.size.l1 {
        let (taken, least) = (share(l1.block_share), figure(l1.payments_least.ceil()));
        let verdict = match l1.block_share > 1.0 {
            true => format!(": IMPOSSIBLE, sessions need {least} payments at least"),
            false => String::new(),
        };
        rows.push((
            "Layer 1",
            format!("{taken} of {}'s blocks{verdict}", l1.profile),
        ));
    }
    let locked = answer.locked_value.map(figure);
    rows.extend(locked.map(|value| ("locked", format!("{value} units of value"))));
    rows.push(("binds", answer.size.binding_constraint.to_owned()));
    rows.push(("interval", interval(answer)));
    rows.push(("error", error(answer)));
    rows
}

fn interval(answer: &Answer) -> String {
    let Some(found) = &answer.interval else {
        return "none: too few draws of the runs give a plan".to_owned();
    };
    let ends = |ends: [f64; 2], of: fn(f64) -> String| ends.map(of).join(" to ");
    let whole = |value: f64| figure(value.ceil());
    let (cores, machines) = (ends(found.cores, whole), ends(found.machines, whole));
    let (rate, memory) = (ends(found.rate, figure), ends(found.memory_bytes, bytes));
    let what = match answer.inverse {
        true => format!("{rate} payments/s"),
        false => format!("{cores} cores, {machines} machines"),
    };
    let without = match found.draws_without_plan {
        0 => String::new(),
        draws => format!("; {draws} of {} draws give no plan", found.draws + draws),
    };
    let level = found.level * 100.0;
    format!("{what}, {memory} of memory ({level:.0} %){without}")
}

/// What is wrong by how much, of what was held out.
fn spreads(errors: &Errors) -> [(&'static str, Option<Spread>); 3] {
    [
        ("rate", errors.throughput),
        ("CPU", errors.cpu),
        ("memory", errors.memory),
    ]
}

fn error(answer: &Answer) -> String {
    let Some(all) = &answer.holdout_error.all else {
        return "unknown: too few of the runs can be used to hold an edge out".to_owned();
    };
    let parts = spreads(all).map(|(name, spread)| match spread {
        Some(of) => format!("{name} {:.1}, {:.1}", of.median * 100.0, of.worst * 100.0),
        None => format!("{name} n/a"),
    });
    format!("{} % (held out: median, worst)", parts.join("; "))
}

fn cautions(answer: &Answer) -> Vec<Row> {
    let mut found = Vec::new();
    let (measured, here) = (&answer.assurance.backend, answer.backend_here);
    if measured != here {
        found.push(format!(
            "the back end {measured} is not the one that this machine takes, {here}: the plan is for \
             machines that run {measured}"
        ));
    }
    let errors = (answer.holdout_error.all.iter()).flat_map(spreads);
    let medians = errors.filter_map(|(_, spread)| Some(spread?.median));
    if medians.fold(0.0, f64::max) > ERROR_MOST {
        let text = "an error is above 25 %: sweep longer, on a quiet machine, before you buy by it";
        found.push(text.to_owned());
    }
    let (used, refused) = (answer.inputs.runs_used, answer.inputs.invalid.len());
    if refused > 0 {
        let all = counted((used + refused) as u64, "run");
        let text = format!("{used} of {all} were used; {refused} are INVALID for planning, below");
        found.push(text);
    }
    if !answer.not_measured.is_empty() {
        let name = answer.slo.percentile.name();
        found.push(format!(
            "{name} is NOT MEASURED everywhere, below: a sweep would say more"
        ));
    }
    if !answer.extrapolation.is_empty() {
        let beyond = counted(answer.extrapolation.len() as u64, "point");
        found.push(format!("{beyond} beyond the sweep, below"));
    }
    found.into_iter().map(|text| ("CAUTION", text)).collect()
}

/// A table with these headings; those that begin with `>` are of columns to the right.
fn table(headings: &[&str]) -> Table {
    let columns: Vec<Column> = headings
        .iter()
        .map(|heading| match heading.strip_prefix('>') {
            Some(heading) => Column::Right(heading),
            None => Column::Left(heading),
        })
        .collect();
    Table::new(&columns)
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

/// A run beside the plan.
fn check(answer: &Answer) -> Vec<String> {
    let Some(check) = &answer.check else {
        return Vec::new();
    };
    let mut table = table(&["of one machine", ">planned", ">run", ">planned is off by"]);
    for of in &check.figures {
        let value = |value: Option<f64>| or_dash(value.map(|value| shown(of.unit, value)));
        let off = of.error.map(|off| format!("{:+.1} %", off * 100.0));
        let name = of.name.to_owned();
        table.row([name, value(of.planned), value(of.measured), or_dash(off)]);
    }
    let mut lines = sentence("", &check.run);
    lines.extend(table.lines());
    lines.extend(list(&check.notes));
    lines
}

fn constraints(answer: &Answer) -> Vec<String> {
    let mut table = table(&["resource", ">needed", ">a machine may use", ">machines"]);
    for constraint in &answer.size.constraints {
        let name = constraint.name;
        let is_binding = name == answer.size.binding_constraint;
        let mark = if is_binding { "  <- binds" } else { "" };
        let show = |value: f64| match name {
            "cpu" => format!("{} cores", figure(value)),
            "memory" => bytes(value),
            "l1" => format!("{} of the blocks", share(value)),
            _ => format!("{}/s", bytes(value)),
        };
        let (total, each) = (show(constraint.total), show(constraint.per_machine));
        let machines = or_dash(constraint.machines.map(count));
        table.row([format!("{name}{mark}"), total, each, machines]);
    }
    let fit = &answer.fit;
    let shards = fit.memory_shard_bytes * answer.cores_per_machine as f64;
    let process = bytes(fit.memory_process_bytes + shards + fit.memory_batches_bytes);
    let free = share(answer.headroom);
    let beside = format!(
        "cores are needed with {free} headroom; memory for channels, beside {process} a process"
    );
    let mut lines = table.lines();
    lines.extend(sentence("", &beside));
    lines
}

fn fit(answer: &Answer) -> Vec<String> {
    let fit = &answer.fit;
    let mut lines = figures(fit);
    let stage = |of: &StageCpu| format!("{} ({}) {}", of.name, of.role, seconds(of.cpu_s));
    let stages: Vec<String> = fit.stages.iter().map(stage).collect();
    lines.extend(flow("CPU of stages: ", &stages, ","));
    let terms = fit.terms.iter();
    let terms: Vec<String> = terms
        .map(|term| format!("{} {}", term.of, seconds(term.cpu_s)))
        .collect();
    lines.extend(flow("CPU of one: ", &terms, ","));
    lines.push(match fit.scaling {
        "law" => "scaling by the Universal Scalability Law, whose σ is the contention, κ the coherence",
        "measured" => "scaling by the efficiency measured at fewer than 5 core counts",
        _ => "scaling of one core count: unknown, shards are assumed not to hinder each other",
    }
    .to_owned());
    if fit.wall_per_cpu > 1.1 {
        let got = share(1.0 / fit.wall_per_cpu);
        lines.push(format!(
            "BUSY: shards got {got} of a core: the machines planned are taken to give no more"
        ));
    }
    lines
}

/// How many machines' worth of sessions one Layer 1 of Duet's carries.
fn own_layer_1(answer: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(own) = &answer.own_layer_1 {
        let (sessions, taken) = (figure(own.sessions_per_s), share(own.share));
        found.push(format!(
            "it opens and closes {sessions} sessions/s with nothing beside it (measured); this load \
             takes {taken} of them"
        ));
        let machines = figure(own.machines);
        found.push(format!(
            "so it carries {machines} such machines: extrapolated, not measured"
        ));
    }
    for run in &answer.together {
        let loopback = if run.machines == 1 { "loopback, " } else { "" };
        let (machines, shards) = (
            counted(run.machines, "machine"),
            counted(run.shards, "shard"),
        );
        let (rate, sessions) = (figure(run.payments_per_s), figure(run.sessions_per_s));
        let waited = share(run.waited_share);
        found.push(format!(
            "measured together ({loopback}{machines}, {shards}): {rate} payments/s and {sessions} \
             sessions/s; Layer 1 waited for one of them alone for {waited} of the time at most"
        ));
    }
    sentences(&found)
}

fn holdout(answer: &Answer) -> Vec<String> {
    let held = &answer.holdout_error;
    let mut table = table(&[
        "edge",
        ">held out",
        ">fitted up to",
        "figure",
        ">median",
        ">worst",
        ">settings",
    ]);
    let mut row = |edge: &str, ends: [String; 2], errors: &Errors| {
        let known = spreads(errors).into_iter();
        for (name, of) in known.filter_map(|(name, spread)| Some((name, spread?))) {
            let [held_out, seen] = ends.clone();
            let [median, worst] = [of.median, of.worst].map(share);
            let (edge, name, settings) = (edge.into(), name.into(), count(of.settings as u64));
            table.row([edge, held_out, seen, name, median, worst, settings]);
        }
    };
    let mut missing = Vec::new();
    for (name, edge) in [
        ("rate a shard", &held.rate),
        ("rate held", &held.held_rate),
        ("channels", &held.channels),
        ("shards", &held.cores),
    ] {
        if let Some(edge) = edge {
            let ends = [edge.held_out, edge.fitted_up_to].map(figure);
            row(name, ends, &edge.errors);
        } else if name != "rate held" {
            missing.push(format!("{name}: too few values to hold one out"));
        }
    }
    let Some(all) = &held.all else {
        return missing;
    };
    row("all", Default::default(), all);
    table.lines().into_iter().chain(missing).collect()
}

fn inputs(answer: &Answer) -> Vec<String> {
    let (inputs, machine) = (&answer.inputs, &answer.sweep_machine);
    let memory = bytes(machine.memory_bytes as f64);
    let used = counted(inputs.runs_used as u64, "run");
    let (other, invalid) = (inputs.runs_of_other_assurance, inputs.invalid.len());
    let mut lines = vec![
        answer.assurance.text(),
        format!("{}, {memory}", machine.text()),
        format!("{used} used, {other} of other assurance, {invalid} INVALID for planning"),
    ];
    if let Some(interval) = &answer.interval {
        let (seed, without) = (interval.seed, interval.draws_without_plan);
        let all = interval.draws + without;
        lines.push(format!(
            "interval: {all} draws, {without} of them without a plan, seed {seed}"
        ));
    }
    if inputs.runs_without_busy_share > 0 {
        let runs = counted(inputs.runs_without_busy_share as u64, "run");
        lines.push(format!(
            "{runs} cannot tell whether other work kept the machine busy"
        ));
    }
    let mut lines = sentences(&lines);
    lines.extend(list(&inputs.notes));
    for run in &inputs.invalid {
        let reasons = format!("{}: {}", run.run, run.reasons.join("; "));
        lines.extend(sentence("INVALID ", &reasons));
    }
    lines
}

fn sentences(sentences: &[String]) -> Vec<String> {
    let all = sentences.iter();
    all.flat_map(|text| sentence("", text)).collect()
}

fn list(sentences: &[String]) -> Vec<String> {
    let all = sentences.iter();
    all.flat_map(|text| sentence("- ", text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figures_unit_follows_from_its_name() {
        for (name, value, expected) in [
            ("response_ns", 5e6, "5 ms"),
            ("cpu_s_per_payment", 6e-6, "6 µs"),
            ("wave_beside_cpu_s", 1e-3, "1 ms"),
            ("open_all_s", 90.0, "90 s"),
            ("s", 2.0, "2 s"),
            ("sessions_per_s", 5e3, "5 k"),
            ("memory_channel_bytes", 2048.0, "2 KiB"),
            ("log_bytes_per_payment", 300.0, "300 B"),
            ("block_share", 0.5, "50.0 %"),
            ("wall_per_cpu", 1.5, "1.5"),
            ("/s", 2e5, "200 k"),
        ] {
            assert_eq!(shown(name, value), expected, "{name}");
        }
        let fields = serde_json::json!({"cpu_s": 1e-6, "unit": "gas", "none": null, "list": [1]});
        assert_eq!(figures(&fields), ["cpu_s 1 µs, unit gas"]);
        assert!(figures(&None::<u8>).is_empty());
    }
}
