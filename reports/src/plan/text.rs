//! A plan for reading: the answer first, in the lines that a screen shows at once; then what it
//! rests on.

use super::answer::{Constraint, Fit, Plan};
use super::ask::Role;
use super::holdout::{Edge, Errors, Spread};
use crate::{
    human,
    layout::{self, Column, Table, flow, sentence},
};

/// A plan whose rate, CPU time or memory is further off than this, where the model was tried, is none
/// to buy machines by. (The percentile is always: search for the objective on a machine.)
const ERROR_MOST: f64 = 0.25;

/// The plan as lines, nothing of it cut.
#[must_use]
pub fn text(plan: &Plan) -> String {
    let mut lines = answer(plan);
    let sections = [
        ("WHAT BINDS", constraints(plan)),
        ("WHAT IT RESTS ON", fit(plan)),
        ("LAYER 1 (modelled, not measured)", l1(plan)),
        ("DUET'S OWN LAYER 1", own_layer_1(plan)),
        (
            "HOLD-OUT ERROR (fitted on the inner part, predicting its edge)",
            holdout(plan),
        ),
        ("TAKEN FOR GRANTED", list(&plan.assumptions, "")),
        (
            "BEYOND THE SWEEP",
            list(
                &plan.extrapolation,
                "nothing: all of it was measured around",
            ),
        ),
        ("NOT IN THE PLAN", list(&plan.excluded, "")),
        ("RUNS", inputs(plan)),
    ];
    for (heading, section) in sections {
        if !section.is_empty() {
            lines.push(String::new());
            lines.push(heading.to_owned());
            lines.extend(section);
        }
    }
    layout::text(&lines)
}

#[expect(clippy::too_many_lines, reason = "one text, line by line")]
fn answer(plan: &Plan) -> Vec<String> {
    let load = format!(
        "{}/s, {} channels of {} payments, {} disputed, {}, {}",
        human::figure(plan.rate_per_s),
        human::count(plan.channels),
        human::count(plan.payments),
        human::share(plan.disputes),
        plan.slo,
        match plan.role {
            Role::Hub => "one end (hub)",
            Role::Both => "both ends",
        },
    );
    let machines = format!(
        "{} of {} and {}{}",
        human::counted(plan.machines, "machine"),
        human::counted(plan.cores_per_machine, "core"),
        human::bytes(plan.memory_per_machine_bytes as f64),
        match plan.spare_machines {
            0 => String::new(),
            spare => format!(" + {} spare", human::count(spare)),
        },
    );
    let (first, second) = match plan.inverse {
        false => (("plan for", load), ("machines", machines)),
        true => (("machines", machines), ("carry", load)),
    };
    let mut rows = vec![first, second];
    let objective = human::nanoseconds(plan.slo.at_most_ns);
    let percentile = plan.slo.percentile.name();
    let expected = match plan.response_ns {
        Some(ns) => format!(
            "{percentile} of {} with the headroom free, {objective} when it is used up",
            human::nanoseconds(ns)
        ),
        None => format!("{percentile} of at most {objective}"),
    };
    rows.push(("expect", expected));
    rows.push((
        "measured",
        format!(
            "with the {} back end, on {}",
            plan.assurance.backend, plan.sweep_machine.cpu
        ),
    ));
    let free = human::share(plan.headroom);
    rows.push((
        "cores",
        format!("{}, of which {free} stay free", human::count(plan.cores)),
    ));
    let mut memory = human::bytes(plan.memory_bytes as f64);
    if let Some(most) = plan.channels_max {
        memory = format!("{memory}; room for {} channels", human::count(most));
    }
    rows.push(("memory", memory));
    let log = match (plan.log_bytes_per_s, plan.log_space_bytes) {
        (Some(written), Some(space)) => format!(
            "{}/s, at most {} of space",
            human::bytes(written),
            human::bytes(space)
        ),
        _ => "nothing is written: these runs were not durable".to_owned(),
    };
    rows.push(("log disk", log));
    if let Some(l1) = &plan.l1 {
        let verdict = match l1.block_share > 1.0 {
            true => format!(
                ": IMPOSSIBLE, sessions need {} payments at least",
                human::figure(l1.payments_least.ceil())
            ),
            false => String::new(),
        };
        let share = human::share(l1.block_share);
        rows.push((
            "Layer 1",
            format!("{share} of {}'s blocks{verdict}", l1.profile),
        ));
    }
    if let Some(value) = plan.locked_value {
        rows.push(("locked", format!("{} units of value", human::figure(value))));
    }
    rows.push(("binds", plan.binding_constraint.to_owned()));
    let interval = match &plan.interval {
        None => "none: too few draws of the runs give a plan".to_owned(),
        Some(found) => {
            let what = match plan.inverse {
                true => format!(
                    "{} to {} payments/s",
                    human::figure(found.rate[0]),
                    human::figure(found.rate[1])
                ),
                false => format!(
                    "{} to {} cores, {} to {} machines",
                    human::figure(found.cores[0].ceil()),
                    human::figure(found.cores[1].ceil()),
                    human::figure(found.machines[0].ceil()),
                    human::figure(found.machines[1].ceil()),
                ),
            };
            let without = match found.draws_without_plan {
                0 => String::new(),
                draws => format!("; {draws} of {} draws give no plan", found.draws + draws),
            };
            format!(
                "{what}, {} to {} of memory ({:.0} %){without}",
                human::bytes(found.memory_bytes[0]),
                human::bytes(found.memory_bytes[1]),
                found.level * 100.0
            )
        }
    };
    rows.push(("interval", interval));
    rows.push(("error", error_line(plan)));
    let all = plan.holdout_error.all.as_ref();
    let figures = all.map(|all| [all.throughput, all.cpu, all.memory]);
    let medians = figures.into_iter().flatten().flatten();
    if medians.map(|spread| spread.median).fold(0.0, f64::max) > ERROR_MOST {
        let text = "an error is above 25 %: sweep longer, on a quiet machine, before you buy by it";
        rows.push(("CAUTION", text.to_owned()));
    }
    let (used, refused) = (plan.inputs.runs_used, plan.inputs.invalid.len());
    if refused > 0 {
        let all = human::counted((used + refused) as u64, "run");
        rows.push((
            "CAUTION",
            format!("{used} of {all} were used; {refused} are INVALID for planning, below"),
        ));
    }
    if !plan.extrapolation.is_empty() {
        let count = human::counted(plan.extrapolation.len() as u64, "point");
        rows.push(("CAUTION", format!("{count} beyond the sweep, below")));
    }
    rows.iter()
        .flat_map(|(label, text)| sentence(&format!("{label:<10}"), text))
        .collect()
}

fn error_line(plan: &Plan) -> String {
    let Some(all) = &plan.holdout_error.all else {
        return "unknown: too few of the runs can be used to hold an edge out".to_owned();
    };
    let part = |name: &str, spread: Option<Spread>| match spread {
        None => format!("{name} n/a"),
        Some(found) => format!(
            "{name} {:.1}, {:.1}",
            found.median * 100.0,
            found.worst * 100.0
        ),
    };
    format!(
        "{}; {}; {}; {} % (held out: median, worst)",
        part("rate", all.throughput),
        part("CPU", all.cpu),
        part("memory", all.memory),
        part(plan.slo.percentile.name(), all.response)
    )
}

fn constraints(plan: &Plan) -> Vec<String> {
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
    for constraint in &plan.constraints {
        let mark = match constraint.name == plan.binding_constraint {
            true => "  <- binds",
            false => "",
        };
        table.row([
            format!("{}{mark}", constraint.name),
            show(constraint, constraint.total),
            show(constraint, constraint.per_machine),
            constraint
                .machines
                .map_or_else(|| "-".to_owned(), human::count),
        ]);
    }
    let mut lines = table.lines();
    let process = plan.fit.memory_process_bytes
        + plan.fit.memory_shard_bytes * plan.cores_per_machine as f64
        + plan.fit.memory_batches_bytes;
    lines.extend(sentence(
        "",
        &format!(
            "cores are needed with {} headroom; memory for channels, beside {} a process",
            human::share(plan.headroom),
            human::bytes(process),
        ),
    ));
    lines
}

fn fit(plan: &Plan) -> Vec<String> {
    let fit = &plan.fit;
    let micros = |seconds: f64| human::seconds(seconds);
    let mut phrases = vec![
        format!(
            "{} payments/s a shard as measured",
            human::figure(fit.rate_per_shard_measured)
        ),
        format!("{} as planned", human::figure(fit.rate_per_shard)),
        format!("{} a core", human::figure(fit.rate_per_core)),
        format!("in waves of {}", human::figure(fit.wave)),
        format!("{} signatures a key", human::figure(fit.signatures_per_key)),
    ];
    let mut lines = flow("rate      ", &phrases, ",");
    let top = fit
        .stages
        .iter()
        .take(6)
        .map(|stage| format!("{} ({}) {}", stage.name, stage.role, micros(stage.cpu_s)));
    let whose = match plan.role {
        Role::Both => "",
        Role::Hub => "; of both ends",
    };
    phrases = vec![format!(
        "{} a payment{whose}",
        micros(fit.cpu_s_per_payment)
    )];
    phrases.extend(top);
    lines.extend(flow("CPU       ", &phrases, ","));
    let terms = fit.terms.iter();
    phrases = terms
        .map(|term| format!("{} {}", term.of, micros(term.cpu_s)))
        .collect();
    lines.extend(flow("of which  ", &phrases, ","));
    lines.extend(flow("scaling   ", &[scaling(fit)], ","));
    lines.extend(flow(
        "memory    ",
        &[
            format!("process {}", human::bytes(fit.memory_process_bytes)),
            format!("shard {}", human::bytes(fit.memory_shard_bytes)),
            format!("channel {}", human::bytes(fit.memory_channel_bytes)),
            format!("batches {}", human::bytes(fit.memory_batches_bytes)),
        ],
        ",",
    ));
    if let Some(bytes) = fit.log_bytes_per_payment {
        lines.push(format!(
            "log       {} a payment, both ends",
            human::bytes(bytes)
        ));
    }
    if fit.wave_beside_cpu_s > 0.0 {
        let beside = human::seconds(fit.wave_beside_cpu_s);
        lines.push(format!(
            "waves     wait {beside} each besides their CPU time"
        ));
    }
    if fit.wall_per_cpu > 1.1 {
        lines.extend(sentence(
            "BUSY      ",
            &format!(
                "shards got {} of a core: the machines planned are taken to give no more",
                human::share(1.0 / fit.wall_per_cpu)
            ),
        ));
    }
    lines
}

fn scaling(fit: &Fit) -> String {
    match (fit.contention, fit.coherence) {
        (Some(sigma), Some(kappa)) => format!(
            "Universal Scalability Law, σ {}, κ {}: {} of a shard's measured rate",
            human::figure(sigma),
            human::figure(kappa),
            human::share(fit.efficiency)
        ),
        _ if fit.scaling == "measured" => format!(
            "measured efficiency (fewer than 5 core counts): {} of a shard's measured rate",
            human::share(fit.efficiency)
        ),
        _ => "one core count: unknown, shards are assumed not to hinder each other".to_owned(),
    }
}

fn l1(plan: &Plan) -> Vec<String> {
    let Some(l1) = &plan.l1 else {
        return Vec::new();
    };
    let sentences = [
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
    ];
    sentences
        .iter()
        .flat_map(|text| sentence("", text))
        .collect()
}

/// How many machines' worth of sessions one Layer 1 of Duet's carries.
fn own_layer_1(plan: &Plan) -> Vec<String> {
    let own = plan.own_layer_1.iter().flat_map(|own| {
        let machines = human::figure(own.machines);
        [
            format!(
                "it opens and closes {} sessions/s with nothing beside it (measured); this load \
                 takes {} of them",
                human::figure(own.sessions_per_s),
                human::share(own.share),
            ),
            format!("so it carries {machines} such machines: extrapolated, not measured"),
        ]
    });
    let together = plan.together.iter().map(|run| {
        let machines = match run.machines {
            1 => "loopback, 1 machine".to_owned(),
            machines => human::counted(machines, "machine"),
        };
        format!(
            "measured together ({machines}, {}): {} payments/s and {} sessions/s; Layer 1 waited \
             for one of them alone for {} of the time at most",
            human::counted(run.shards, "shard"),
            human::figure(run.payments_per_s),
            human::figure(run.sessions_per_s),
            human::share(run.waited_share),
        )
    });
    let sentences: Vec<String> = own.chain(together).collect();
    sentences
        .iter()
        .flat_map(|text| sentence("", text))
        .collect()
}

fn holdout(plan: &Plan) -> Vec<String> {
    let held = &plan.holdout_error;
    let edges: [(&str, &Option<Edge>); 4] = [
        ("rate a shard", &held.rate),
        ("rate held", &held.held_rate),
        ("channels", &held.channels),
        ("shards", &held.cores),
    ];
    let percentile = plan.slo.percentile.name();
    let mut table = Table::new(&[
        Column::Left("edge"),
        Column::Right("held out"),
        Column::Right("fitted up to"),
        Column::Left("figure"),
        Column::Right("median"),
        Column::Right("worst"),
        Column::Right("settings"),
    ]);
    let mut row = |name: &str, ends: Option<(f64, f64)>, errors: &Errors| {
        let end = |value: Option<f64>| value.map_or_else(String::new, human::figure);
        let figures = [
            ("rate", errors.throughput),
            ("CPU", errors.cpu),
            ("memory", errors.memory),
            (percentile, errors.response),
        ];
        let known = figures
            .iter()
            .filter_map(|(figure, spread)| Some((figure, (*spread)?)));
        for (
            figure,
            Spread {
                median,
                worst,
                settings,
            },
        ) in known
        {
            table.row([
                name.to_owned(),
                end(ends.map(|ends| ends.0)),
                end(ends.map(|ends| ends.1)),
                (*figure).to_owned(),
                human::share(median),
                human::share(worst),
                human::count(settings as u64),
            ]);
        }
    };
    let mut missing = Vec::new();
    for (name, edge) in edges {
        match edge {
            Some(edge) => row(name, Some((edge.held_out, edge.fitted_up_to)), &edge.errors),
            None if name == "rate held" => {}
            None => missing.push(format!("{name}: too few values to hold one out")),
        }
    }
    let Some(all) = &held.all else {
        return missing;
    };
    row("all", None, all);
    table.lines().into_iter().chain(missing).collect()
}

fn inputs(plan: &Plan) -> Vec<String> {
    let inputs = &plan.inputs;
    let machine = &plan.sweep_machine;
    let mut lines = sentence("", &plan.assurance.text());
    lines.extend(sentence(
        "",
        &format!(
            "{}, {}, {}",
            machine.cpu,
            human::counted(machine.cores, "core"),
            human::bytes(machine.memory_bytes as f64)
        ),
    ));
    lines.push(format!(
        "{} used, {} of other assurance, {} INVALID for planning",
        human::counted(inputs.runs_used as u64, "run"),
        inputs.runs_of_other_assurance,
        inputs.invalid.len(),
    ));
    if let Some(interval) = &plan.interval {
        lines.push(format!(
            "interval: {} draws, {} of them without a plan, seed {}",
            interval.draws + interval.draws_without_plan,
            interval.draws_without_plan,
            interval.seed
        ));
    }
    if inputs.runs_without_busy_share > 0 {
        lines.push(format!(
            "{} cannot tell whether other work kept the machine busy",
            human::counted(inputs.runs_without_busy_share as u64, "run")
        ));
    }
    lines.extend(list(&inputs.notes, ""));
    for run in &inputs.invalid {
        lines.extend(sentence(
            "INVALID ",
            &format!("{}: {}", run.run, run.reasons.join("; ")),
        ));
    }
    lines
}

fn list(sentences: &[String], none: &str) -> Vec<String> {
    if sentences.is_empty() {
        return match none {
            "" => Vec::new(),
            none => vec![format!("- {none}")],
        };
    }
    sentences
        .iter()
        .flat_map(|text| sentence("- ", text))
        .collect()
}
