//! An answer for reading: what to buy in its first lines, then what it rests on. Cuts nothing.

use super::answer::{Answer, Fit};
use super::ask::Role;
use super::compare::Figure;
use super::holdout::{Errors, Spread};
use super::size::Constraint;
use crate::{
    human,
    layout::{self, Column, Table, flow, sentence},
};

/// A plan whose rate, CPU time or memory is further off than this, where the model was tried, is none
/// to buy machines by.
const ERROR_MOST: f64 = 0.25;

/// The answer as lines.
#[must_use]
pub fn text(answer: &Answer) -> String {
    let mut lines = buy(answer);
    lines.extend(rows(summary(answer)));
    lines.extend(rows(cautions(answer)));
    let beyond = match answer.extrapolation.is_empty() {
        true => &["nothing: all of it was measured around".to_owned()][..],
        false => &answer.extrapolation,
    };
    for (heading, section) in [
        ("CHECK", check(answer)),
        ("NOT MEASURED", list(&answer.not_measured)),
        ("WHAT BINDS", constraints(answer)),
        ("WHAT IT RESTS ON", fit(answer)),
        ("LAYER 1 (modelled, not measured)", l1(answer)),
        ("DUET'S OWN LAYER 1", own_layer_1(answer)),
        (
            "HOLD-OUT ERROR (fitted on the inner part, predicting its edge)",
            holdout(answer),
        ),
        ("TAKEN FOR GRANTED", list(&answer.assumptions)),
        ("BEYOND THE SWEEP", list(beyond)),
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

/// The first lines: machines, and what each of them does there.
fn buy(answer: &Answer) -> Vec<String> {
    let (point, machine) = (&answer.point, &answer.sweep_machine);
    let verb = if answer.inverse { "With" } else { "Buy" };
    let spare = match answer.spare_machines {
        0 => String::new(),
        spare => format!(" + {} spare", human::count(spare)),
    };
    let machines = format!(
        "{verb} {}{spare} like {}, {}, back end {}",
        human::counted(answer.machines, "machine"),
        machine.cpu,
        human::counted(answer.cores_per_machine, "core"),
        answer.assurance.backend,
    );
    let name = answer.slo.percentile.name();
    let rate = human::figure(point.rate_per_s);
    let response = match point.response_ns {
        Some(ns) => format!(
            "Expect {name} of {} at {rate} payments/s each, {} with no headroom",
            human::nanoseconds(ns),
            human::nanoseconds(answer.slo.at_most_ns),
        ),
        None => format!("Expect {name} NOT MEASURED at {rate} payments/s each: sweep, as below"),
    };
    let ends = match answer.role {
        Role::Hub => "one end (hub)",
        Role::Both => "both ends",
    };
    let cpu = format!(
        "Expect {} of CPU time a payment, {ends}, {} of it for its session",
        human::seconds(point.cpu_s_per_payment),
        human::seconds(point.cpu_s_per_session / answer.payments as f64),
    );
    let lines = [machines, response, cpu];
    lines.iter().flat_map(|line| sentence("", line)).collect()
}

type Row = (&'static str, String);

fn rows(rows: Vec<Row>) -> Vec<String> {
    let rows = rows.iter();
    rows.flat_map(|(label, text)| sentence(&format!("{label:<10}"), text))
        .collect()
}

fn summary(answer: &Answer) -> Vec<Row> {
    let load = format!(
        "{}/s, {} channels of {} payments, {} disputed, {}",
        human::figure(answer.rate_per_s),
        human::count(answer.channels),
        human::count(answer.payments),
        human::share(answer.disputes),
        answer.slo,
    );
    let verb = if answer.inverse { "carry" } else { "plan for" };
    let mut rows = vec![(verb, load)];
    let cores = human::count(answer.cores);
    let free = human::share(answer.headroom);
    rows.push(("cores", format!("{cores}, of which {free} stay free")));
    let room = answer.channels_max.map(human::count);
    let room = room.map_or_else(String::new, |most| format!("; room for {most} channels"));
    rows.push((
        "memory",
        format!(
            "{} of {} a machine{room}",
            human::bytes(answer.memory_bytes as f64),
            human::bytes(answer.memory_per_machine_bytes as f64),
        ),
    ));
    let log = match (answer.log_bytes_per_s, answer.log_space_bytes) {
        (Some(written), Some(space)) => {
            let (written, space) = (human::bytes(written), human::bytes(space));
            format!("{written}/s, at most {space} of space")
        }
        _ => "nothing is written: these runs were not durable".to_owned(),
    };
    rows.push(("log disk", log));
    if let Some(l1) = &answer.l1 {
        let least = human::figure(l1.payments_least.ceil());
        let verdict = match l1.block_share > 1.0 {
            true => format!(": IMPOSSIBLE, sessions need {least} payments at least"),
            false => String::new(),
        };
        let share = human::share(l1.block_share);
        rows.push((
            "Layer 1",
            format!("{share} of {}'s blocks{verdict}", l1.profile),
        ));
    }
    if let Some(value) = answer.locked_value {
        rows.push(("locked", format!("{} units of value", human::figure(value))));
    }
    rows.push(("binds", answer.binding_constraint.to_owned()));
    rows.push(("interval", interval(answer)));
    rows.push(("error", error(answer)));
    rows
}

fn interval(answer: &Answer) -> String {
    let Some(found) = &answer.interval else {
        return "none: too few draws of the runs give a plan".to_owned();
    };
    let ends =
        |[low, high]: [f64; 2], of: fn(f64) -> String| format!("{} to {}", of(low), of(high));
    let whole = |value: f64| human::figure(value.ceil());
    let what = match answer.inverse {
        true => format!("{} payments/s", ends(found.rate, human::figure)),
        false => format!(
            "{} cores, {} machines",
            ends(found.cores, whole),
            ends(found.machines, whole)
        ),
    };
    let without = match found.draws_without_plan {
        0 => String::new(),
        draws => format!("; {draws} of {} draws give no plan", found.draws + draws),
    };
    let memory = ends(found.memory_bytes, human::bytes);
    format!(
        "{what}, {memory} of memory ({:.0} %){without}",
        found.level * 100.0
    )
}

/// What is wrong by how much, of what was held out.
fn figures(errors: &Errors) -> [(&'static str, Option<Spread>); 3] {
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
    let parts = figures(all).map(|(name, spread)| {
        spread.map_or_else(
            || format!("{name} n/a"),
            |of| format!("{name} {:.1}, {:.1}", of.median * 100.0, of.worst * 100.0),
        )
    });
    format!("{} % (held out: median, worst)", parts.join("; "))
}

fn cautions(answer: &Answer) -> Vec<Row> {
    let mut found = Vec::new();
    let (measured, here) = (&answer.assurance.backend, answer.backend_here);
    if measured != here {
        found.push(format!(
            "the back end {measured} is not this machine's, {here}: the plan is for machines that \
             have it"
        ));
    }
    let spreads = (answer.holdout_error.all.iter()).flat_map(figures);
    let medians = spreads.filter_map(|(_, spread)| Some(spread?.median));
    if medians.fold(0.0, f64::max) > ERROR_MOST {
        let text = "an error is above 25 %: sweep longer, on a quiet machine, before you buy by it";
        found.push(text.to_owned());
    }
    let (used, refused) = (answer.inputs.runs_used, answer.inputs.invalid.len());
    if refused > 0 {
        let all = human::counted((used + refused) as u64, "run");
        found.push(format!(
            "{used} of {all} were used; {refused} are INVALID for planning, below"
        ));
    }
    if !answer.not_measured.is_empty() {
        let name = answer.slo.percentile.name();
        found.push(format!(
            "{name} is NOT MEASURED everywhere, below: a sweep would say more"
        ));
    }
    if !answer.extrapolation.is_empty() {
        let count = human::counted(answer.extrapolation.len() as u64, "point");
        found.push(format!("{count} beyond the sweep, below"));
    }
    found.into_iter().map(|text| ("CAUTION", text)).collect()
}

/// A run beside the plan.
fn check(answer: &Answer) -> Vec<String> {
    let Some(check) = &answer.check else {
        return Vec::new();
    };
    let mut table = Table::new(&[
        Column::Left("of one machine"),
        Column::Right("planned"),
        Column::Right("run"),
        Column::Right("planned is off by"),
    ]);
    for Figure {
        name,
        unit,
        planned,
        measured,
        error,
    } in &check.figures
    {
        let show = |value: Option<f64>| match (value, *unit) {
            (None, _) => "-".to_owned(),
            (Some(value), "ns") => human::nanoseconds(value),
            (Some(value), "s") => human::seconds(value),
            (Some(value), "bytes") => human::bytes(value),
            (Some(value), _) => human::figure(value),
        };
        let off = error.map_or_else(|| "-".to_owned(), |off| format!("{:+.1} %", off * 100.0));
        table.row([(*name).to_owned(), show(*planned), show(*measured), off]);
    }
    let mut lines = sentence("", &check.run);
    lines.extend(table.lines());
    lines.extend(list(&check.notes));
    lines
}

fn constraints(answer: &Answer) -> Vec<String> {
    let mut table = Table::new(&[
        Column::Left("resource"),
        Column::Right("needed"),
        Column::Right("a machine may use"),
        Column::Right("machines"),
    ]);
    let show = |constraint: &Constraint, value: f64| match constraint.name {
        "cpu" => format!("{} cores", human::figure(value)),
        "memory" => human::bytes(value),
        "l1" => format!("{} of the blocks", human::share(value)),
        _ => format!("{}/s", human::bytes(value)),
    };
    for constraint in &answer.constraints {
        let is_binding = constraint.name == answer.binding_constraint;
        let mark = if is_binding { "  <- binds" } else { "" };
        let machines = constraint.machines.map(human::count);
        table.row([
            format!("{}{mark}", constraint.name),
            show(constraint, constraint.total),
            show(constraint, constraint.per_machine),
            machines.unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    let fit = &answer.fit;
    let process = fit.memory_process_bytes
        + fit.memory_shard_bytes * answer.cores_per_machine as f64
        + fit.memory_batches_bytes;
    let beside = format!(
        "cores are needed with {} headroom; memory for channels, beside {} a process",
        human::share(answer.headroom),
        human::bytes(process),
    );
    let mut lines = table.lines();
    lines.extend(sentence("", &beside));
    lines
}

fn fit(answer: &Answer) -> Vec<String> {
    let fit = &answer.fit;
    let whose = match answer.role {
        Role::Both => "",
        Role::Hub => "; of both ends",
    };
    let seconds = human::seconds;
    let stages = fit.stages.iter().take(6);
    let stages = stages.map(|of| format!("{} ({}) {}", of.name, of.role, seconds(of.cpu_s)));
    let cpu = format!("{} a payment{whose}", seconds(fit.cpu_s_per_payment));
    let terms = fit.terms.iter();
    let mut rows = vec![
        (
            "rate",
            vec![
                format!(
                    "{} payments/s a shard as measured",
                    human::figure(fit.rate_per_shard_measured)
                ),
                format!("{} as planned", human::figure(fit.rate_per_shard)),
                format!("{} a core", human::figure(fit.rate_per_core)),
                format!("in waves of {}", human::figure(fit.wave)),
                format!("{} signatures a key", human::figure(fit.signatures_per_key)),
            ],
        ),
        ("CPU", [cpu].into_iter().chain(stages).collect()),
        (
            "of which",
            terms
                .map(|term| format!("{} {}", term.of, seconds(term.cpu_s)))
                .collect(),
        ),
        ("scaling", vec![scaling(fit)]),
        (
            "memory",
            [
                ("process", fit.memory_process_bytes),
                ("shard", fit.memory_shard_bytes),
                ("channel", fit.memory_channel_bytes),
                ("batches", fit.memory_batches_bytes),
            ]
            .map(|(of, bytes)| format!("{of} {}", human::bytes(bytes)))
            .to_vec(),
        ),
    ];
    if let Some(bytes) = fit.log_bytes_per_payment {
        let text = format!("{} a payment, both ends", human::bytes(bytes));
        rows.push(("log", vec![text]));
    }
    if fit.wave_beside_cpu_s > 0.0 {
        let beside = seconds(fit.wave_beside_cpu_s);
        rows.push((
            "waves",
            vec![format!("wait {beside} each besides their CPU time")],
        ));
    }
    if fit.wall_per_cpu > 1.1 {
        let got = human::share(1.0 / fit.wall_per_cpu);
        let text =
            format!("shards got {got} of a core: the machines planned are taken to give no more");
        rows.push(("BUSY", vec![text]));
    }
    let rows = rows.iter();
    rows.flat_map(|(label, phrases)| flow(&format!("{label:<10}"), phrases, ","))
        .collect()
}

fn scaling(fit: &Fit) -> String {
    let efficiency = human::share(fit.efficiency);
    match (fit.contention, fit.coherence) {
        (Some(sigma), Some(kappa)) => format!(
            "Universal Scalability Law, σ {}, κ {}: {efficiency} of a shard's measured rate",
            human::figure(sigma),
            human::figure(kappa),
        ),
        _ if fit.scaling == "measured" => format!(
            "measured efficiency (fewer than 5 core counts): {efficiency} of a shard's measured rate"
        ),
        _ => "one core count: unknown, shards are assumed not to hinder each other".to_owned(),
    }
}

fn sentences(sentences: &[String]) -> Vec<String> {
    let all = sentences.iter();
    all.flat_map(|text| sentence("", text)).collect()
}

fn l1(answer: &Answer) -> Vec<String> {
    let Some(l1) = &answer.l1 else {
        return Vec::new();
    };
    sentences(&[
        format!(
            "{} sessions/s of {} {}: {} of {} a second",
            human::figure(l1.sessions_per_s),
            human::figure(l1.units_per_session),
            l1.unit,
            human::figure(l1.units_per_s),
            human::figure(l1.capacity_units_per_s),
        ),
        format!(
            "opening all channels at once takes whole blocks for {}, closing them {}",
            human::seconds(l1.open_all_s),
            human::seconds(l1.close_all_s),
        ),
        format!(
            "sessions of {} payments or more fit",
            human::figure(l1.payments_least.ceil())
        ),
    ])
}

/// How many machines' worth of sessions one Layer 1 of Duet's carries.
fn own_layer_1(answer: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(own) = &answer.own_layer_1 {
        found.push(format!(
            "it opens and closes {} sessions/s with nothing beside it (measured); this load takes {} \
             of them",
            human::figure(own.sessions_per_s),
            human::share(own.share),
        ));
        let machines = human::figure(own.machines);
        found.push(format!(
            "so it carries {machines} such machines: extrapolated, not measured"
        ));
    }
    found.extend(answer.together.iter().map(|run| {
        let loopback = if run.machines == 1 { "loopback, " } else { "" };
        format!(
            "measured together ({loopback}{}, {}): {} payments/s and {} sessions/s; Layer 1 waited \
             for one of them alone for {} of the time at most",
            human::counted(run.machines, "machine"),
            human::counted(run.shards, "shard"),
            human::figure(run.payments_per_s),
            human::figure(run.sessions_per_s),
            human::share(run.waited_share),
        )
    }));
    sentences(&found)
}

fn holdout(answer: &Answer) -> Vec<String> {
    let held = &answer.holdout_error;
    let mut table = Table::new(&[
        Column::Left("edge"),
        Column::Right("held out"),
        Column::Right("fitted up to"),
        Column::Left("figure"),
        Column::Right("median"),
        Column::Right("worst"),
        Column::Right("settings"),
    ]);
    let mut row = |edge: &str, ends: [String; 2], errors: &Errors| {
        let known = figures(errors).into_iter();
        for (figure, spread) in known.filter_map(|(figure, spread)| Some((figure, spread?))) {
            let [held_out, fitted_up_to] = ends.clone();
            table.row([
                edge.to_owned(),
                held_out,
                fitted_up_to,
                figure.to_owned(),
                human::share(spread.median),
                human::share(spread.worst),
                human::count(spread.settings as u64),
            ]);
        }
    };
    let mut missing = Vec::new();
    for (name, edge) in [
        ("rate a shard", &held.rate),
        ("rate held", &held.held_rate),
        ("channels", &held.channels),
        ("shards", &held.cores),
    ] {
        match edge {
            Some(edge) => {
                let ends = [edge.held_out, edge.fitted_up_to].map(human::figure);
                row(name, ends, &edge.errors);
            }
            None if name == "rate held" => {}
            None => missing.push(format!("{name}: too few values to hold one out")),
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
    let memory = human::bytes(machine.memory_bytes as f64);
    let mut lines = vec![
        answer.assurance.text(),
        format!("{}, {memory}", machine.text()),
        format!(
            "{} used, {} of other assurance, {} INVALID for planning",
            human::counted(inputs.runs_used as u64, "run"),
            inputs.runs_of_other_assurance,
            inputs.invalid.len(),
        ),
    ];
    lines.extend(answer.interval.as_ref().map(|interval| {
        let (with, without) = (interval.draws, interval.draws_without_plan);
        let (all, seed) = (with + without, interval.seed);
        format!("interval: {all} draws, {without} of them without a plan, seed {seed}")
    }));
    if inputs.runs_without_busy_share > 0 {
        let runs = human::counted(inputs.runs_without_busy_share as u64, "run");
        lines.push(format!(
            "{runs} cannot tell whether other work kept the machine busy"
        ));
    }
    let mut lines = sentences(&lines);
    lines.extend(list(&inputs.notes));
    let invalid = inputs.invalid.iter();
    lines.extend(invalid.flat_map(|run| {
        let reasons = run.reasons.join("; ");
        sentence("INVALID ", &format!("{}: {reasons}", run.run))
    }));
    lines
}

fn list(sentences: &[String]) -> Vec<String> {
    let all = sentences.iter();
    all.flat_map(|text| sentence("- ", text)).collect()
}
