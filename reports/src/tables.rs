//! What `reports show` prints below the summary: every reason in full, the setting, the stages,
//! the phases, the latency percentiles, the course of the run, the rejections.

use crate::{
    human,
    layout::{self, Column, Table, clean},
    measured,
    run_file::{Machine, RunFile},
    summary::{rejections, stage_cpu_s},
};

/// The most samples of the series that are shown, spread evenly, the last among them.
const SAMPLES_MAX: usize = 12;

/// The tables of a run, each after an empty line and its heading. Tables without rows are left
/// out.
#[must_use]
pub fn tables(run: &RunFile) -> String {
    let sections = [
        ("reasons", reasons(run)),
        ("setting", setting(run)),
        ("parts", parts(run)),
        ("checks", checks(run)),
        ("stages", stages(run)),
        ("phases", phases(run)),
        ("latency", latency(run)),
        ("series", series(run)),
        ("disputes", disputes(run)),
        ("rejections", rejection_counts(run)),
    ];
    let mut lines = Vec::new();
    for (heading, section) in sections {
        if !section.is_empty() {
            lines.push(String::new());
            lines.push(heading.to_uppercase());
            lines.extend(section);
        }
    }
    layout::text(&lines)
}

/// In full, however long: the summary may have had to cut them.
fn reasons(run: &RunFile) -> Vec<String> {
    run.achieved
        .invalid_reasons
        .iter()
        .flat_map(|reason| layout::flow("", std::slice::from_ref(reason), ""))
        .collect()
}

fn setting(run: &RunFile) -> Vec<String> {
    let rows = setting_rows(run).into_iter().flat_map(|(name, value)| {
        let label = format!("{name:<16}");
        match name {
            // It shall be copied as it was typed.
            "command" => vec![format!("{label}{}", clean(&value))],
            _ => layout::flow(&label, &[value], ""),
        }
    });
    rows.collect()
}

/// What the run was asked for and what ran it, by name; what is empty is left out.
#[expect(clippy::too_many_lines, reason = "a table of rows")]
pub(crate) fn setting_rows(run: &RunFile) -> Vec<(&'static str, String)> {
    let (asked, engine, machine) = (&run.workload, &run.engine, &run.machine);
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "none".into());
    let baseline = run.l1.direct.as_ref().map(|direct| {
        format!(
            "{} payments of {} of {} sessions, in {} blocks",
            human::grouped(direct.payments),
            human::grouped(direct.sampled_sessions),
            human::grouped(asked.sessions),
            human::grouped(direct.load.blocks),
        )
    });
    let commit = if engine.commit.is_empty() {
        "unknown"
    } else {
        &engine.commit
    };
    let rows = [
        ("command", run.command.join(" ")),
        (
            "mode",
            format!("{}, arrivals {}", asked.mode, asked.arrivals),
        ),
        (
            "sharding",
            format!(
                "{}, seed {}",
                human::counted(asked.shards, "shard"),
                asked.seed
            ),
        ),
        (
            "reproducible",
            if asked.reproducible { "yes" } else { "no" }.into(),
        ),
        ("trace SHA-256", or_none(asked.trace_sha256.clone())),
        ("trace speed-up", or_none(asked.speedup.map(human::ratio))),
        ("amount", asked.amount.clone()),
        ("capacity", asked.capacity.clone()),
        (
            "turn length",
            or_none(asked.turn_length.map(human::grouped)),
        ),
        (
            "co-sign after",
            or_none(asked.cosign_after_ms.map(|ms| human::seconds(ms / 1e3))),
        ),
        (
            "duration bound",
            or_none(asked.duration_s.map(human::seconds)),
        ),
        (
            "sessions",
            format!(
                "{} opened, {} closed",
                human::grouped(run.achieved.sessions_opened),
                human::grouped(run.achieved.sessions_closed),
            ),
        ),
        (
            "audit log",
            if run.has_audit_log() { "kept" } else { "none" }.into(),
        ),
        ("restart", restart(run)),
        (
            "L1 block",
            format!(
                "at most {} transactions, {}; challenge window {} blocks; fee {}",
                human::grouped(asked.l1.block_transactions),
                human::bytes(asked.l1.block_bytes as f64),
                human::grouped(asked.l1.challenge_window_blocks),
                human::grouped(asked.l1.fee),
            ),
        ),
        ("L1 blocks", human::grouped(run.l1.channels.blocks)),
        ("L1 tip", run.l1.channels.tip.clone()),
        ("baseline", or_none(baseline)),
        ("engine", format!("{}, commit {commit}", engine.version)),
        (
            "back end",
            format!("{} (asked: {})", engine.backend, asked.backend_asked),
        ),
        ("system", machine.os.clone()),
        ("features", machine.features.join(" ")),
        ("CPU of others", others(machine)),
    ];
    rows.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// What stands for each part alone.
fn parts(run: &RunFile) -> Vec<String> {
    let Some(merged) = &run.merged else {
        return Vec::new();
    };
    let mut table = Table::new(&[
        Column::Left("part"),
        Column::Left("machine"),
        Column::Right("shards"),
        Column::Right("payments/s"),
        Column::Right("took"),
        Column::Right("peak"),
        Column::Right("L1 blocks"),
        Column::Left("L1 tip"),
    ]);
    for one in &merged.parts {
        table.row([
            one.part.name(),
            layout::clip(one.machine.cpu_name(), 18),
            human::grouped(one.shards),
            human::figure(one.payments_per_s),
            human::seconds(one.wall_s),
            human::bytes(one.peak_rss_bytes as f64),
            human::grouped(one.l1_blocks),
            one.l1_tip.chars().take(8).collect(),
        ]);
    }
    table.lines()
}

/// What was done before a restart, and what the figures are of.
fn restart(run: &RunFile) -> String {
    let Some((before, part)) = run.resumed().zip(measured::part(run)) else {
        return String::new();
    };
    format!(
        "{} payments before it, {} closed, {} channels open; links up in {}; figures are of {part}",
        human::grouped(before.payments),
        human::counted(before.sessions_closed, "session"),
        human::grouped(before.channels_open),
        human::seconds(before.recovery_s),
    )
}

/// What kept the machine's cores busy beside the run.
fn others(machine: &Machine) -> String {
    match (machine.stolen_share, machine.others_share) {
        (Some(stolen), Some(others)) => format!(
            "{} other guests of the host, {} other processes",
            human::share(stolen),
            human::share(others)
        ),
        _ => String::new(),
    }
}

fn checks(run: &RunFile) -> Vec<String> {
    let word = |passed: bool| match (passed, run.achieved.ended_early()) {
        (true, _) => "passed",
        (false, true) => "not checked",
        (false, false) => "FAILED",
    };
    let checks = &run.checks;
    let rows = [
        (
            "payments accounted",
            word(checks.payments_accounted).to_owned(),
        ),
        (
            "signatures verified",
            word(checks.signatures_verified).to_owned(),
        ),
        ("supply conserved", word(checks.supply_conserved).to_owned()),
        ("balances match", word(checks.balances_match).to_owned()),
        (
            "stages over process CPU",
            human::share(checks.stage_cpu_share),
        ),
    ];
    rows.iter()
        .map(|(name, value)| format!("{name:<25}{value}"))
        .collect()
}

fn stages(run: &RunFile) -> Vec<String> {
    let mut table = Table::new(&[
        Column::Left("stage"),
        Column::Left("role"),
        Column::Right("items"),
        Column::Left("unit"),
        Column::Right("CPU per item"),
        Column::Right("CPU"),
        Column::Right("of process CPU"),
    ]);
    for stage in &run.stages {
        let cpu_s = stage_cpu_s(stage);
        table.row([
            stage.name.clone(),
            stage.role.clone(),
            human::grouped(stage.items),
            stage.unit.clone(),
            human::nanoseconds(stage.cpu_ns_per_item),
            human::seconds(cpu_s),
            human::share(cpu_s / run.achieved.cpu_s),
        ]);
    }
    if run.stages.is_empty() {
        Vec::new()
    } else {
        table.lines()
    }
}

fn phases(run: &RunFile) -> Vec<String> {
    let mut table = Table::new(&[
        Column::Left("phase"),
        Column::Right("wall time"),
        Column::Right("CPU"),
    ]);
    for phase in &run.achieved.phases {
        table.row([
            phase.name.clone(),
            human::seconds(phase.wall_s),
            human::seconds(phase.cpu_s),
        ]);
    }
    if run.achieved.phases.is_empty() {
        Vec::new()
    } else {
        table.lines()
    }
}

fn latency(run: &RunFile) -> Vec<String> {
    let mut table = Table::new(&[
        Column::Left("kind"),
        Column::Right("p50"),
        Column::Right("p90"),
        Column::Right("p99"),
        Column::Right("p99.9"),
        Column::Right("max"),
    ]);
    let kinds = [
        ("response", &run.latency_ns.response),
        ("service", &run.latency_ns.service),
    ];
    for (kind, percentiles) in kinds {
        if let Some(found) = percentiles {
            let show = |value: u64| human::nanoseconds(value as f64);
            let [p50, p90, p99, p999, max] =
                [found.p50, found.p90, found.p99, found.p999, found.max].map(show);
            table.row([kind.into(), p50, p90, p99, p999, max]);
        }
    }
    let measured = kinds.iter().any(|(_, percentiles)| percentiles.is_some());
    if measured { table.lines() } else { Vec::new() }
}

fn series(run: &RunFile) -> Vec<String> {
    let mut table = Table::new(&[
        Column::Right("time"),
        Column::Right("payments"),
        Column::Right("payments/s"),
        Column::Right("L1 transactions"),
        Column::Right("CPU"),
    ]);
    let total = run.series.len();
    let shown = total.min(SAMPLES_MAX);
    for nth in 1..=shown {
        let sample = &run.series[total * nth / shown - 1];
        table.row([
            human::seconds(sample.t_s),
            human::count(sample.payments),
            human::figure(sample.payments_per_s),
            human::count(sample.l1_transactions),
            human::seconds(sample.cpu_s),
        ]);
    }
    let mut lines = if total == 0 {
        Vec::new()
    } else {
        table.lines()
    };
    if shown < total {
        lines.push(format!("{shown} of {total} samples"));
    }
    lines
}

/// What each kind of dispute cost Layer 1, and the guarantee.
fn disputes(run: &RunFile) -> Vec<String> {
    let Some(disputes) = &run.disputes else {
        return Vec::new();
    };
    let mut table = Table::new(&[
        Column::Left("attack"),
        Column::Right("channels"),
        Column::Right("punished"),
        Column::Right("transactions"),
        Column::Right("by honest"),
        Column::Right("extra each"),
        Column::Right("bytes"),
        Column::Right("extra each"),
    ]);
    for (attack, cost) in &disputes.attacks {
        table.row([
            attack.clone(),
            human::grouped(cost.cases),
            human::grouped(cost.punishments),
            human::grouped(cost.transactions),
            human::grouped(cost.paid_by_honest),
            human::figure(cost.extra_transactions_per_case),
            human::bytes(cost.bytes as f64),
            human::bytes(cost.extra_bytes_per_case),
        ]);
    }
    let mut lines = table.lines();
    lines.push(format!(
        "lost by honest parties {} ({} parties), honest parties punished {}",
        human::grouped(disputes.lost_by_honest),
        human::grouped(disputes.honest_losers),
        human::grouped(disputes.honest_punished),
    ));
    let window = run.workload.l1.challenge_window_blocks;
    let delay = run.workload.l1_delay_blocks.unwrap_or(0);
    lines.push(format!(
        "window {}, delay up to {}{}",
        human::counted(window, "block"),
        human::counted(delay, "block"),
        if window > delay {
            ""
        } else {
            ": NOT longer, so that honest parties can come too late"
        },
    ));
    if disputes.late_posts > 0 {
        lines.push(format!(
            "{} found no room in the block in which they were due: the guarantee is for blocks with room",
            human::counted(disputes.late_posts, "post")
        ));
    }
    for (name, count) in &disputes.refused {
        lines.push(format!("refused {name} {}", human::grouped(*count)));
    }
    lines
}

fn rejection_counts(run: &RunFile) -> Vec<String> {
    let mut table = Table::new(&[Column::Left("name"), Column::Right("count")]);
    let found = rejections(run);
    for (name, count) in &found {
        table.row([(*name).into(), human::grouped(*count)]);
    }
    if found.is_empty() {
        Vec::new()
    } else {
        table.lines()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{run_file::Sample, sample};

    #[test]
    fn the_sample_run_shows_each_table_once() {
        let shown = tables(&sample::open_loop());
        for heading in [
            "SETTING",
            "CHECKS",
            "STAGES",
            "PHASES",
            "LATENCY",
            "SERIES",
            "REJECTIONS",
        ] {
            assert_eq!(
                shown.lines().filter(|line| *line == heading).count(),
                1,
                "{heading}"
            );
        }
        assert!(!shown.contains("REASONS"), "{shown}");
    }

    #[test]
    fn the_setting_tells_of_a_restart() {
        assert!(!tables(&sample::open_loop()).contains("restart"));
        let shown = tables(&sample::resumed(250_000));
        let row = "restart         750,000 payments before it, 50 sessions closed, 0 channels open;\n\
                   \x20               links up in 100 ms; figures are of 250 k of 1 M payments\n";
        assert!(shown.contains(row), "{shown}");
    }

    #[test]
    fn disputes_say_what_they_cost_and_whether_the_window_was_long_enough() {
        let mut run = sample::open_loop();
        run.disputes = Some(sample::disputes());
        run.workload.l1.challenge_window_blocks = 10;
        run.workload.l1_delay_blocks = Some(9);
        let shown = tables(&run);
        assert!(shown.contains("\nDISPUTES\n"), "{shown}");
        assert!(shown.contains("stale-close"), "{shown}");
        assert!(
            shown.contains("window 10 blocks, delay up to 9 blocks\n"),
            "{shown}"
        );
        run.workload.l1_delay_blocks = Some(10);
        assert!(tables(&run).contains("NOT longer"));
    }

    #[test]
    fn tables_without_rows_are_left_out() {
        let mut run = sample::open_loop();
        run.stages.clear();
        run.series.clear();
        run.achieved.phases.clear();
        run.rejections.clear();
        run.latency_ns.response = None;
        run.latency_ns.service = None;
        let shown = tables(&run);
        for heading in ["STAGES", "PHASES", "LATENCY", "SERIES", "REJECTIONS"] {
            assert!(!shown.contains(heading), "{heading}: {shown}");
        }
    }

    #[test]
    fn reasons_stand_in_full() {
        let mut run = sample::open_loop();
        let reason = "a reason of many words, ".repeat(12);
        run.achieved.invalid_reasons = vec![reason.clone()];
        let shown = tables(&run);
        assert_eq!(shown.matches("many").count(), 12, "{shown}");
        let widest = shown.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(layout::WIDTH), "{shown}");
    }

    #[test]
    fn a_long_series_is_thinned_and_keeps_its_last_sample() {
        let mut run = sample::open_loop();
        run.series = (1..=100)
            .map(|second| Sample {
                t_s: f64::from(second),
                payments: u64::from(second as u32) * 1_000,
                payments_per_s: 1_000.0,
                l1_transactions: 2,
                cpu_s: f64::from(second),
            })
            .collect();
        let lines = series(&run);
        assert_eq!(lines.len(), 1 + SAMPLES_MAX + 1);
        assert!(lines[SAMPLES_MAX].contains("100 k"), "{lines:?}");
        assert_eq!(lines[SAMPLES_MAX + 1], "12 of 100 samples");
    }
}
