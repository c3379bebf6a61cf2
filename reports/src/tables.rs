//! What `reports show` prints below the summary: every reason in full, the setting, the checks, and
//! a table of each kind of rows that the run has.

use duet_terminal::named;

use crate::{
    dataset::{self, Cell, Dataset, Kind, is_of_run},
    human,
    layout::{self, sentence},
    measured::{self, guarantee},
    run_file::{L1Limits, L1Moment, Machine, RunFile},
    runs::NamedRun,
};

/// The most samples of the series that are shown, spread evenly, the last among them.
const SAMPLES_MAX: usize = 12;

/// Transactions of a block that is bounded by its units alone.
const UNLIMITED_TRANSACTIONS: u64 = u32::MAX as u64;

/// The tables of a run, each after an empty line and its heading. Tables without rows are left
/// out.
#[must_use]
pub fn tables(run: &RunFile) -> String {
    let named = &[NamedRun::unnamed(run)];
    let stages = dataset::stages(named).without(|name| name == "cpu_ns_per_payment");
    let sections = [
        ("REASONS", reasons(run)),
        ("SETTING", setting(run)),
        ("PARTS", lines(dataset::parts(named))),
        ("CHECKS", checks(run)),
        ("STAGES", lines(stages)),
        ("PHASES", lines(dataset::phases(named))),
        ("LATENCY", lines(dataset::percentiles(named))),
        ("SERIES", some_of(dataset::course(named))),
        ("L1 TRAFFIC", lines(dataset::traffic(named))),
        ("L1 COURSE", l1_course(run)),
        ("L1 CONSENSUS", lines(dataset::consensus(named))),
        ("WHOLE SYSTEM", whole_system(named)),
        ("DISPUTES", disputes(named)),
        ("GRIEFING", lines(dataset::griefing(named))),
        ("REJECTIONS", lines(dataset::refusals(named))),
    ];
    let there = sections.into_iter().filter(|(_, lines)| !lines.is_empty());
    let lines =
        there.flat_map(|(heading, lines)| [vec![String::new(), heading.into()], lines].concat());
    layout::text(&lines.collect::<Vec<_>>())
}

fn lines(data: Dataset) -> Vec<String> {
    data.without(is_of_run).in_use().to_lines()
}

/// In full, however long: the summary may have had to cut them.
fn reasons(run: &RunFile) -> Vec<String> {
    let reasons = run.achieved.invalid_reasons.iter();
    reasons.flat_map(|reason| sentence("", reason)).collect()
}

fn setting(run: &RunFile) -> Vec<String> {
    let row =
        |(name, value): (&str, Cell)| sentence(&format!("{name:<16}"), &value.shown(Kind::Text));
    let label = format!("{:<16}", "command");
    let command = layout::command(&label, &run.command);
    let rows = setting_rows(run).into_iter().flat_map(row);
    command.into_iter().chain(rows).collect()
}

/// What the run was asked for and what ran it, by name; what is empty is left out.
pub(crate) fn setting_rows(run: &RunFile) -> Vec<(&'static str, Cell)> {
    let (asked, engine, machine) = (&run.workload, &run.engine, &run.machine);
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "none".into());
    let limits = &asked.l1;
    let baseline = run.l1.direct.as_ref().map(|direct| {
        let counts = [
            direct.payments,
            direct.sampled_sessions,
            asked.sessions,
            direct.load.blocks,
        ];
        let [payments, sampled, sessions, blocks] = counts.map(human::grouped);
        format!("{payments} payments of {sampled} of {sessions} sessions, in {blocks} blocks")
    });
    let commit = match engine.commit.as_str() {
        "" => "unknown",
        commit => commit,
    };
    let [opened, closed] =
        [run.achieved.sessions_opened, run.achieved.sessions_closed].map(human::grouped);
    let rows = named! {
        "mode": format!("{}, arrivals {}", asked.mode, asked.arrivals);
        "sharding": format!("{}, seed {}", human::counted(asked.shards, "shard"), asked.seed);
        "reproducible": if asked.reproducible { "yes" } else { "no" };
        "trace SHA-256": or_none(asked.trace_sha256.clone());
        "trace speed-up": or_none(asked.speedup.map(human::ratio));
        "amount": asked.amount.clone();
        "capacity": asked.capacity.clone();
        "turn length": or_none(asked.turn_length.map(human::grouped));
        "co-sign after": or_none(asked.cosign_after_ms.map(|ms| human::seconds(ms / 1e3)));
        "duration bound": or_none(asked.duration_s.map(human::seconds));
        "sessions": format!("{opened} opened, {closed} closed");
        "audit log": if run.has_audit_log() { "kept" } else { "none" };
        "restart": restart(run);
        "L1 block": block(limits);
        "L1 profile": profile(limits);
        "L1 blocks": human::grouped(run.l1.channels.blocks);
        "L1 state root": state_root(run);
        "L1 time": chain_time(run);
        "L1 tip": run.l1.channels.tip.clone();
        "baseline": or_none(baseline);
        "engine": format!("{}, commit {commit}", engine.version);
        "back end": format!("{} (asked: {})", engine.backend, asked.backend_asked);
        "system": machine.os.clone();
        "features": machine.features.join(" ");
        "CPU of others": others(machine);
    };
    rows.into_iter()
        .filter(|(_, value)| value.is_there())
        .collect()
}

/// What the roots of the state took; nothing where blocks have none.
fn state_root(run: &RunFile) -> String {
    let load = &run.l1.channels;
    let Some(root_s) = load.root_cpu_s else {
        return String::new();
    };
    let share = human::share(root_s / load.cpu_s);
    let in_each = "in each header".to_owned();
    // After a restart, CPU time is of fewer transactions than are counted.
    match load.transactions {
        transactions if transactions > 0 && measured::l1_cpu_known(run) => format!(
            "{in_each}, CPU {} a transaction, {share} of Layer 1's",
            human::seconds(root_s / transactions as f64)
        ),
        _ => in_each,
    }
}

/// What a block of Layer 1 holds. A profile's block may be bounded by its units alone.
fn block(limits: &L1Limits) -> String {
    let transactions = match limits.block_transactions {
        UNLIMITED_TRANSACTIONS => "unlimited transactions".to_owned(),
        most => format!("at most {} transactions", human::grouped(most)),
    };
    let bytes = match limits.block_bytes {
        u64::MAX => "unlimited bytes".to_owned(),
        most => human::bytes(most as f64),
    };
    let fee = match limits.order.as_deref() {
        Some("fee" | "base-fee") => "fees by bids".to_owned(),
        _ => format!("fee {}", human::grouped(limits.fee)),
    };
    format!(
        "{transactions}, {bytes}; challenge window {} blocks; {fee}",
        human::grouped(limits.challenge_window_blocks),
    )
}

/// How long a run took in Layer 1's own time, and what was left of its blocks; nothing where it had
/// no clock.
fn chain_time(run: &RunFile) -> String {
    let Some(chain) = &run.l1.chain else {
        return String::new();
    };
    let base = chain.highest_base_fee.map(|base| {
        let base = human::grouped(base);
        format!("; base fee up to {base} for a million units")
    });
    format!(
        "{} virtual, {} blocks, {} of them empty; {} of all units taken, {} of those of blocks \
         with anything in them; {} state entries at the end{}",
        human::seconds(chain.time_s),
        human::grouped(chain.height),
        human::grouped(chain.empty_blocks),
        human::share(chain.occupancy),
        human::share(chain.occupancy_when_used),
        human::grouped(chain.state_entries),
        base.unwrap_or_default(),
    )
}

/// Which profile Layer 1 was run by; nothing where it was a plain one.
fn profile(limits: &L1Limits) -> String {
    let Some(name) = &limits.profile else {
        return String::new();
    };
    let counts = [
        ("units for channels", limits.channel_units),
        ("may wait", limits.mempool_transactions),
    ];
    let counts = counts.into_iter().filter_map(|(what, count)| {
        let count = human::grouped(count?);
        Some(format!("{count} {what}"))
    });
    let sha256 = limits.profile_sha256.as_ref();
    let sha256 = sha256.map(|hash| format!("SHA-256 {hash}"));
    let parts = std::iter::once(name.clone()).chain(counts).chain(sha256);
    parts.collect::<Vec<_>>().join(", ")
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
    let shares = machine.stolen_share.zip(machine.others_share);
    let shares = shares.map(|(stolen, others)| {
        let [stolen, others] = [stolen, others].map(human::share);
        format!("{stolen} other guests of the host, {others} other processes")
    });
    shares.unwrap_or_default()
}

fn checks(run: &RunFile) -> Vec<String> {
    let word = |passed: bool| match (passed, run.achieved.ended_early()) {
        (true, _) => "passed",
        (false, true) => "not checked",
        (false, false) => "FAILED",
    };
    let named = run
        .checks
        .named()
        .map(|(name, passed)| (name, word(passed).to_owned()));
    let share = human::share(run.checks.stage_cpu_share);
    let rows = named
        .into_iter()
        .chain([("stages over process CPU", share)]);
    rows.map(|(name, value)| format!("{name:<25}{value}"))
        .collect()
}

/// Layer 1's own time in a few rows: the units taken are of all since the row above.
fn l1_course(run: &RunFile) -> Vec<String> {
    let mut run = run.clone();
    let Some(chain) = &mut run.l1.chain else {
        return Vec::new();
    };
    let total = chain.course.len();
    chain.course = merged(&chain.course);
    let mut lines = lines(dataset::l1_course(&[NamedRun::unnamed(&run)]));
    if total > SAMPLES_MAX {
        lines.push(format!("{SAMPLES_MAX} of {total} samples"));
    }
    lines
}

/// Samples put together to few. Blocks come at equal times, so that times weigh them.
fn merged(course: &[L1Moment]) -> Vec<L1Moment> {
    let (mut before_s, mut first) = (0.0, 0);
    let shown = course.len().min(SAMPLES_MAX);
    let rows = (1..=shown).map(|nth| {
        let end = course.len() * nth / shown;
        let (mut units, begins_s) = (0.0, before_s);
        for moment in &course[first..end] {
            units += moment.occupancy * (moment.time_s - before_s);
            before_s = moment.time_s;
        }
        first = end;
        L1Moment {
            occupancy: units / (before_s - begins_s),
            ..course[end - 1].clone()
        }
    });
    rows.collect()
}

/// Some of many samples, spread evenly, the last among them.
fn some_of(mut data: Dataset) -> Vec<String> {
    let total = data.rows.len();
    let shown = total.min(SAMPLES_MAX);
    data.rows = (1..=shown)
        .map(|nth| data.rows[total * nth / shown - 1].clone())
        .collect();
    let mut lines = lines(data);
    if shown < total {
        lines.push(format!("{shown} of {total} samples"));
    }
    lines
}

/// What whole systems of validators would do, and how that is charged.
fn whole_system(named: &[NamedRun]) -> Vec<String> {
    let mut lines = lines(dataset::whole_system(named));
    let said = dataset::charged(&named[0]).map(|said| said + ".");
    lines.extend(said.iter().flat_map(|said| sentence("", said)));
    lines
}

/// What each kind of dispute cost Layer 1, and the guarantee.
fn disputes(named: &[NamedRun]) -> Vec<String> {
    let guarantee = guarantee(&named[0].run).into_iter();
    let mut lines = lines(dataset::disputes(named));
    lines.extend(guarantee.flat_map(|said| sentence("", &said)));
    lines
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
    fn a_block_says_what_it_has_no_bound_on_and_what_it_costs() {
        let mut limits = sample::open_loop().workload.l1;
        limits.challenge_window_blocks = 10;
        limits.fee = 7;
        limits.block_bytes = 1_000;
        let rows = [
            (
                5,
                None,
                "at most 5 transactions, 1000 B; challenge window 10 blocks; fee 7",
            ),
            (
                u64::from(u32::MAX),
                Some("fee"),
                "unlimited transactions, 1000 B; challenge window 10 blocks; fees by bids",
            ),
        ];
        for (most, order, expected) in rows {
            limits.block_transactions = most;
            limits.order = order.map(str::to_owned);
            assert_eq!(block(&limits), expected);
        }
    }

    #[test]
    fn griefing_is_of_attacks() {
        let mut run = sample::open_loop();
        let mut disputes = sample::disputes();
        let mut cost = disputes.attacks["silent"].clone();
        cost.fees_by_honest = 1;
        disputes.attacks.insert("none".to_owned(), cost.clone());
        run.disputes = Some(disputes);
        assert!(!tables(&run).contains("GRIEFING"));
        let disputes = run.disputes.as_mut().unwrap();
        disputes.attacks.insert("silent".to_owned(), cost);
        assert!(tables(&run).contains("GRIEFING"));
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
    fn units_taken_are_of_all_since_the_row_above() {
        let mut run = sample::open_loop();
        let mut chain = sample::chain();
        let moment = chain.course[0].clone();
        chain.course = (1..=24)
            .map(|second| L1Moment {
                time_s: f64::from(second),
                occupancy: if second % 2 == 0 { 0.5 } else { 0.0 },
                ..moment.clone()
            })
            .collect();
        run.l1.chain = Some(chain);
        let lines = l1_course(&run);
        let rows = lines.iter().filter(|line| line.contains("25.0 %"));
        assert_eq!(rows.count(), SAMPLES_MAX, "{lines:?}");
        assert_eq!(lines[lines.len() - 1], "12 of 24 samples");
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
        let lines = some_of(dataset::course(&[NamedRun::unnamed(&run)]));
        let rows: Vec<&String> = lines.iter().filter(|line| line.contains(",000")).collect();
        assert_eq!(rows.len(), SAMPLES_MAX);
        assert!(rows[SAMPLES_MAX - 1].contains("100,000"), "{lines:?}");
        assert_eq!(lines[lines.len() - 1], "12 of 100 samples");
    }
}
