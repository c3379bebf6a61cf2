//! The summary printed after a run: the verdict first, then each figure beside what it was bought
//! with. At most [`LINES_MAX`] lines of at most [`WIDTH`] columns, whatever the file holds.

use std::collections::BTreeMap;

use crate::{
    human,
    layout::{self, WIDTH, clip},
    measured::{self, INTERRUPTED, RESUMED, busy, ended_short, only_closed, slowed},
    offload,
    run_file::{
        Achieved, Assurance, Checks, Durability, L1Chain, L1Consensus, L1Quantiles, L1Traffic,
        Percentiles, RunFile, Stage,
    },
};

/// The most lines of a summary in [`WIDTH`] columns; twice as many in fewer.
pub const LINES_MAX: usize = 47;

/// Columns of a verdict's words that reasons still stand beside.
const MOST_OF_VERDICT: usize = 40;

/// Another stage than hashing, signing and verifying is named where it takes this share of the CPU.
const LARGE_STAGE: f64 = 0.05;

/// The summary of a run, as lines that end with newlines.
#[must_use]
pub fn summary(run: &RunFile) -> String {
    let more = WIDTH.div_ceil(layout::width());
    let caution = run.durability.as_ref().and_then(Durability::caution);
    let assured = [payments(run), assurance_phrases(&run.assurance)].concat();
    let payments = assured.into_iter().chain(caution).collect();
    let labelled = |(label, phrases, most): (&str, Vec<String>, usize)| match phrases.is_empty() {
        true => Vec::new(),
        false => layout::wrap(&format!("{label:<10}"), &phrases, ',', more * most),
    };
    let before = [
        ("machine", machine(run), 3),
        ("workload", workload(run), 2),
        ("Layer 1", layer_1(run), 3),
        ("parts", parts(run), 3),
        ("payments", payments, 9),
        ("CPU", cpu(run), 2),
    ];
    let after = [
        ("L1 alone", alone(run), 2),
        ("arms", arms(run), 6),
        ("L1 time", chain_time(run), 4),
        ("L1 votes", votes(run), 6),
        ("L1 n-fold", whole_systems(run), 2),
        ("disputes", disputes(run), 2),
        ("refused", refused(run), 2),
    ];
    let mut lines: Vec<String> = before.into_iter().flat_map(labelled).collect();
    lines.extend(latency(run));
    lines.extend(offload::lines(run));
    lines.extend(after.into_iter().flat_map(labelled));
    let most = more * LINES_MAX;
    assert!(lines.len() < most, "{} lines", lines.len());
    layout::text(&verdict(run, most - lines.len())) + &layout::text(&lines)
}

/// What the summary says of a run beside its verdict, its assurance and its offload: phrases by
/// what they are of.
#[must_use]
pub fn facts(run: &RunFile) -> Vec<(&'static str, Vec<String>)> {
    let latencies = latencies(run).into_iter();
    let latencies = latencies.map(|(kind, shown)| (kind, vec![shown]));
    let facts = [
        ("payments", payments(run)),
        ("workload", workload(run)),
        ("Layer 1", layer_1(run)),
        ("parts", parts(run)),
        ("CPU", cpu(run)),
        ("machine", machine(run)),
        ("L1 alone", alone(run)),
        ("arms", arms(run)),
        ("L1 time", chain_time(run)),
        ("L1 votes", votes(run)),
        ("L1 n-fold", whole_systems(run)),
        ("disputes", disputes(run)),
        ("refused", refused(run)),
    ];
    let facts = facts.into_iter().chain(latencies);
    facts.filter(|(_, phrases)| !phrases.is_empty()).collect()
}

/// The verdict, on as many lines as its reasons need and the other figures leave.
fn verdict(run: &RunFile, lines_max: usize) -> Vec<String> {
    let Achieved {
        valid,
        invalid_reasons,
        ..
    } = &run.achieved;
    let start = format!("{}: ", verdict_words(run).join(", "));
    let limited = only_closed(run).into_iter().chain(ended_short(run));
    // What leaves no room beside it has a line of its own.
    let (mut lines, start) = match start.len() > MOST_OF_VERDICT {
        true => (vec![start.trim_end().to_owned()], "       ".to_owned()),
        false => (Vec::new(), start),
    };
    let lines_max = lines_max - lines.len();
    if *valid {
        let phrases: Vec<String> = limited.chain(checks_passed(&run.checks)).collect();
        let busy = busy(run).map(|busy| format!("       {busy}"));
        let most = lines_max - usize::from(busy.is_some());
        lines.extend(layout::wrap(&start, &phrases, ',', most));
        lines.extend(busy);
        return lines;
    }
    let unnamed = invalid_reasons.is_empty();
    let unnamed = unnamed.then(|| "no reason is given".to_owned());
    let reasons = invalid_reasons.iter().cloned().chain(unnamed);
    let reasons: Vec<String> = reasons.chain(limited).chain(busy(run)).collect();
    lines.extend(layout::wrap(&start, &reasons, ';', lines_max));
    lines
}

/// VALID or not, and what else a reader must know before any figure.
fn verdict_words(run: &RunFile) -> Vec<String> {
    let word = if run.achieved.valid {
        "VALID"
    } else {
        "INVALID"
    };
    let interrupted = run.achieved.interrupted.then(|| INTERRUPTED.to_owned());
    let resumed = run.resumed().map(|_| RESUMED.to_owned());
    let others = [interrupted, resumed, slowed(run)];
    std::iter::once(word.to_owned())
        .chain(others.into_iter().flatten())
        .collect()
}

/// The checks that a run passed, in words.
pub fn checks_passed(checks: &Checks) -> Vec<String> {
    let passed = checks.named().into_iter().filter(|(_, passed)| *passed);
    passed.map(|(name, _)| name.to_owned()).collect()
}

fn workload(run: &RunFile) -> Vec<String> {
    let (asked, opened) = (&run.workload, run.achieved.sessions_opened);
    let mut sessions = human::counted(asked.sessions, "session");
    if opened < asked.sessions {
        sessions = format!("{} of {sessions}", human::count(opened));
    }
    let payments = human::counted(asked.payments_per_session, "payment");
    let mean = if asked.mode == "trace" {
        " on average"
    } else {
        ""
    };
    let mut phrases = vec![
        format!("{sessions} x {payments}{mean}"),
        match asked.offered_per_s {
            Some(rate) => format!("{} at {}/s", asked.arrivals, human::figure(rate)),
            None => asked.arrivals.clone(),
        },
        asked.pattern.clone(),
        format!("{} at a time", human::count(asked.concurrent)),
        human::counted(asked.shards, "shard"),
        format!("seed {}", asked.seed),
    ];
    if !asked.reproducible {
        phrases.insert(2, "not reproducible".into());
    }
    let part = asked.part.iter();
    phrases.extend(part.map(|part| format!("part {} of a larger run", clip(part, 24))));
    phrases
}

/// The chain that Layer 1 was run as; nothing where it was a plain one.
#[must_use]
pub fn layer_1(run: &RunFile) -> Vec<String> {
    let limits = &run.workload.l1;
    let Some(profile) = &limits.profile else {
        return Vec::new();
    };
    let name = clip(profile, 40);
    let mut phrases = vec![match profile.as_str() {
        "duet" => "duet with a clock".to_owned(),
        _ => format!("emulated: Duet's transactions at the limits and prices of {name}"),
    }];
    let seconds = |ms: u64| human::seconds(ms as f64 / 1e3);
    if let (Some(units), Some(ms)) = (limits.block_units, limits.interval_ms) {
        let unit = limits.unit.as_deref().unwrap_or("units");
        let unit = clip(unit, 24);
        phrases.push(format!(
            "{} {unit} a block, every {}",
            human::count(units),
            seconds(ms)
        ));
    }
    let depth = limits.finality_blocks.map(|blocks| match blocks {
        _ if limits.validators.is_some() => "final when validators decide".to_owned(),
        0 => "final at once".to_owned(),
        blocks => format!("final after {}", human::counted(blocks, "block")),
    });
    let order = limits.order.iter();
    let order = order.map(|order| format!("order by {}", clip(order, 24)));
    let answers = limits.answers.as_deref().map(|answers| match answers {
        "reserved" => "room kept for answers".to_owned(),
        _ => "answers compete".to_owned(),
    });
    let open = limits.session_time_ms.filter(|ms| *ms > 0);
    let open = open.map(|ms| format!("channels open for {}", seconds(ms)));
    phrases.extend(depth.into_iter().chain(order).chain(answers).chain(open));
    phrases
}

/// What a merged run was merged of; nothing of any other run.
fn parts(run: &RunFile) -> Vec<String> {
    let Some(merged) = &run.merged else {
        return Vec::new();
    };
    let parts = &merged.parts;
    let rates = parts.iter().map(|part| part.payments_per_s);
    let rates: Vec<f64> = rates.filter(|rate| rate.is_finite()).collect();
    let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let most = rates.iter().copied().fold(0.0, f64::max);
    let mut phrases = vec![
        format!(
            "{} of {} on {}",
            parts.len(),
            human::count(merged.of),
            human::counted(merged.machines, "machine")
        ),
        match merged.layer_1s {
            1 => "one Layer 1".to_owned(),
            layer_1s => format!("{} in all", human::counted(layer_1s, "Layer 1")),
        },
    ];
    let share_one = parts.iter().any(|part| part.part.one_layer_1);
    phrases.push(match (share_one, merged.machines) {
        // They begin together.
        (true, 1) => "over loopback".to_owned(),
        (true, _) => "over the network".to_owned(),
        (false, _) => format!(
            "all parts at once for {} of the time",
            human::share(merged.overlap)
        ),
    });
    if !rates.is_empty() {
        let (least, most) = (human::figure(least), human::figure(most));
        phrases.push(match least == most {
            true => format!("{most} payments/s each"),
            false => format!("{least} to {most} payments/s each"),
        });
    }
    phrases
}

/// The headline figure.
fn payments(run: &RunFile) -> Vec<String> {
    let achieved = &run.achieved;
    let steady = achieved.steady_payments_per_s;
    let steady = steady.map(|rate| format!(" (steady {}/s)", human::figure(rate)));
    let all = human::count(achieved.payments);
    let rate = human::figure(achieved.payments_per_s);
    let rate = format!("{rate}/s{}", steady.unwrap_or_default());
    let wall = human::seconds(achieved.wall_s);
    let phrases = match (run.resumed(), run.payments_measured()) {
        (None, _) => vec![format!("{all} in {wall}: {rate}")],
        (Some(_), 0) => vec![all, "none of them after the restart".to_owned()],
        (Some(_), measured) => {
            let measured = human::count(measured);
            let measured = format!("{measured} of them after the restart in {wall}");
            vec![all, format!("{measured}: {rate}")]
        }
    };
    let backlog = run.resumed().filter(|before| before.backlog > 0);
    let backlog = backlog.map(|before| {
        let backlog = human::count(before.backlog);
        match before.only_closed {
            Some(true) => format!("a backlog of {backlog} given up"),
            _ => format!("with a backlog of {backlog}"),
        }
    });
    phrases.into_iter().chain(backlog).collect()
}

/// What a rate was bought with; no batches where nothing was verified.
pub fn assurance_phrases(assurance: &Assurance) -> Vec<String> {
    let batches = assurance.batch_size.is_finite().then(|| {
        format!(
            "{} signatures per key and batch of {}",
            human::figure(assurance.signatures_per_key_per_batch),
            human::figure(assurance.batch_size),
        )
    });
    let chosen = [
        cosigned(assurance),
        format!("{} in flight", human::count(assurance.in_flight)),
    ];
    let rest = [
        checked(assurance).into(),
        format!("durability {}", clip(&assurance.durability, 40)),
        format!(
            "at most {} at risk",
            human::count(assurance.value_at_risk_max)
        ),
    ];
    chosen.into_iter().chain(batches).chain(rest).collect()
}

/// Who checked what, in words.
pub fn checked(assurance: &Assurance) -> &'static str {
    if assurance.both_endpoints_checked {
        "both endpoints checked"
    } else {
        "NOT checked by both endpoints"
    }
}

/// The co-sign interval, and the mean that was achieved where that is 5 % or more below it: a turn
/// that ends, or a payment that is not there yet, ends an interval early.
fn cosigned(assurance: &Assurance) -> String {
    let asked = format!("co-signed every {}", human::count(assurance.cosign_every));
    match assurance.payments_per_cosigning {
        Some(mean) if mean < 0.95 * assurance.cosign_every as f64 => {
            format!("{asked} at most ({} on average)", human::figure(mean))
        }
        _ => asked,
    }
}

/// CPU time per payment, split by what it was spent on. Of a run that went on after a restart, only
/// the payments that followed, as the CPU time is theirs.
fn cpu(run: &RunFile) -> Vec<String> {
    if run.resumed().is_some() && run.payments_measured() == 0 {
        return vec!["not measured: no payment was made after the restart".to_owned()];
    }
    if !measured::endpoints_known(run) {
        return vec![format!("per payment not shown: {}", measured::SPANS)];
    }
    let per_payment = |cpu_s: f64| human::seconds(cpu_s / run.payments_measured() as f64);
    let sum = |is_part: &dyn Fn(&Stage) -> bool| -> f64 {
        let parts = run.stages.iter().filter(|stage| is_part(stage));
        parts.map(stage_cpu_s).sum()
    };
    let off_l1 = |name: &str| sum(&|stage| stage.role != "l1" && stage.name == name);
    let l1 = sum(&|stage| stage.role == "l1");
    let (hash, sign, verify) = (off_l1("hash"), off_l1("sign"), off_l1("verify"));
    let other = (run.achieved.cpu_s - hash - sign - verify - l1).max(0.0);
    let large = large_stages(run);
    let large = match large.as_slice() {
        [] => String::new(),
        stages => {
            let parts = stages.iter();
            let parts: Vec<String> = parts
                .map(|(name, cpu_s)| format!("{name} {}", per_payment(*cpu_s)))
                .collect();
            format!(" ({})", parts.join("; "))
        }
    };
    vec![
        format!(
            "{} per payment: hash {}",
            per_payment(run.achieved.cpu_s),
            per_payment(hash)
        ),
        format!("sign {}", per_payment(sign)),
        format!("verify {}", per_payment(verify)),
        match measured::l1_cpu_known(run) {
            true => format!("L1 {}", per_payment(l1)),
            false => "L1 not known".to_owned(),
        },
        format!("other {}{large}", per_payment(other)),
    ]
}

/// What "other" is, where that is large: the two largest stages, both parties' shares added up.
fn large_stages(run: &RunFile) -> Vec<(&str, f64)> {
    let mut stages: BTreeMap<&str, f64> = BTreeMap::new();
    for stage in &run.stages {
        let named = ["hash", "sign", "verify"].contains(&stage.name.as_str());
        if stage.role != "l1" && !named {
            *stages.entry(&stage.name).or_default() += stage_cpu_s(stage);
        }
    }
    let mut large: Vec<(&str, f64)> = stages.into_iter().collect();
    large.retain(|(_, cpu_s)| *cpu_s >= LARGE_STAGE * run.achieved.cpu_s);
    large.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    large.truncate(2);
    large
}

/// A stage's CPU time in seconds, from its items where the file has no total. Without items there
/// is no CPU time of one.
pub fn stage_cpu_s(stage: &Stage) -> f64 {
    if stage.cpu_s > 0.0 || stage.items == 0 {
        stage.cpu_s
    } else {
        stage.items as f64 * stage.cpu_ns_per_item / 1e9
    }
}

/// Each kind of latency that is measured of such a run, in figures.
fn latencies(run: &RunFile) -> Vec<(&'static str, String)> {
    let shown = |found: Option<&Percentiles>| match found {
        None => "not measured".to_owned(),
        Some(found) => {
            let show = |value: u64| human::nanoseconds(value as f64);
            let (p50, p99, max) = (show(found.p50), show(found.p99), show(found.max));
            format!("p50 {p50:<8} p99 {p99:<8} max {max}")
        }
    };
    let of = &run.latency_ns;
    let response = ("response", shown(of.response.as_ref()));
    // Without a schedule there is no time at which a payment was due.
    let response = (run.workload.arrivals != "closed-loop").then_some(response);
    let service = ("service", shown(of.service.as_ref()));
    response.into_iter().chain([service]).collect()
}

fn latency(run: &RunFile) -> Vec<String> {
    let lines = ["latency", ""].into_iter().zip(latencies(run));
    lines
        .map(|(label, (kind, shown))| format!("{label:<10}{kind:<9} {shown}"))
        .collect()
}

/// What Layer 1 carries with nothing beside it.
fn alone(run: &RunFile) -> Vec<String> {
    let Some(alone) = &run.l1.alone else {
        return Vec::new();
    };
    let rate = |rate: Option<f64>, what: &str| Some(format!("{} {what}/s", human::figure(rate?)));
    let rates = [
        rate(alone.sessions_per_s(), "sessions"),
        rate(alone.opens.per_s(), "opens"),
        rate(alone.closes.per_s(), "closes"),
        rate(alone.disputes.per_s(), "posts and payouts"),
    ];
    rates.into_iter().flatten().collect()
}

/// For how long all payments would fill Layer 1's blocks as plain transfers, each of them as many
/// units and bytes as those of the baseline took.
fn as_transfers(run: &RunFile, chain: &L1Chain) -> Option<String> {
    let (direct, limits) = (run.l1.direct.as_ref()?, &run.workload.l1);
    let a_payment = |of_all: u64| of_all as f64 / direct.payments as f64;
    let payments = run.achieved.payments as f64;
    let blocks = [
        (a_payment(chain.direct_units?), limits.block_units?),
        (a_payment(direct.load.bytes), limits.block_bytes),
        (1.0, limits.block_transactions),
    ];
    let blocks = blocks.map(|(each, block)| payments * each / block as f64);
    let blocks = blocks.into_iter().fold(0.0, f64::max).ceil();
    let time_s = blocks * limits.interval_ms? as f64 / 1e3;
    let time = time_s.is_finite().then(|| human::seconds(time_s))?;
    Some(format!("all payments as transfers {time} of full blocks"))
}

/// What other means than a transfer each took of Layer 1 for 10,000 of the baseline's payments.
fn arms(run: &RunFile) -> Vec<String> {
    let arms = run.l1.arms.iter().map(|(name, arm)| {
        let per = |count: u64| count as f64 * 1e4 / arm.payments.max(1) as f64;
        format!(
            "{} {} transactions {} {} signatures per 10 k payments (up to {} wait with up to {} \
             owed)",
            layout::clean(name),
            human::figure(per(arm.load.transactions)),
            human::bytes(per(arm.load.bytes)),
            human::figure(per(arm.load.signature_verifications)),
            human::count(arm.most_waiting),
            human::count(arm.most_owed),
        )
    });
    arms.collect()
}

/// How long the run took in Layer 1's own time, and what its room came to.
fn chain_time(run: &RunFile) -> Vec<String> {
    let Some(chain) = &run.l1.chain else {
        return Vec::new();
    };
    let count = |of: fn(&L1Traffic) -> u64| {
        let counts = chain.traffic.values().map(of);
        counts.fold(0, u64::saturating_add)
    };
    let waits = chain.traffic.values().filter_map(|of| of.wait_ms.as_ref());
    let longest = waits.map(|wait| wait.max).max();
    let some =
        |number: u64, what: &str| (number > 0).then(|| format!("{} {what}", human::count(number)));
    let phrases = [
        Some(format!("{} virtual", human::seconds(chain.time_s))),
        Some(human::counted(chain.height, "block")),
        some(chain.empty_blocks, "of them empty"),
        Some(format!(
            "{} full where used",
            human::share(chain.occupancy_when_used)
        )),
        (chain.channels_occupancy_when_used)
            .map(|share| format!("{} of what channels may take", human::share(share))),
        longest.map(|ms| format!("longest wait {}", human::seconds(ms as f64 / 1e3))),
        Some(format!("fees {}", human::count(chain.fees))),
        some(count(|of| of.evicted), "evictions"),
        some(count(|of| of.outbid), "outbid on arrival"),
        some(chain.sessions_not_opened, "sessions not opened"),
        some(chain.closes_given_up, "closes outbid for good"),
        as_transfers(run, chain),
    ];
    phrases.into_iter().flatten().collect()
}

/// What Layer 1's validators did, all of them together; nothing where it has none. None of it is in
/// any other figure.
fn votes(run: &RunFile) -> Vec<String> {
    let Some(of) = consensus(run) else {
        return Vec::new();
    };
    let some =
        |number: u64, what: &str| (number > 0).then(|| format!("{} {what}", human::count(number)));
    let times = |of: &L1Quantiles| {
        let [p50, p99] = [of.p50, of.p99].map(|ms| human::seconds(ms / 1e3));
        format!("{p50} (p99 {p99})")
    };
    let a_block = |number: u64| human::figure(number as f64 / of.heights as f64);
    let answers = of.answer_delay_blocks.as_ref();
    let faults = run
        .workload
        .l1
        .validators
        .as_ref()
        .map_or("", |asked| &asked.faults);
    let phrases = [
        Some(human::counted(of.validators, "validator")),
        (of.faulty > 0).then(|| format!("faulty: {}", clip(faults, 40))),
        Some(format!("{} decided", human::counted(of.heights, "block"))),
        (of.more_rounds > 0).then(|| {
            format!(
                "{} beyond the first",
                human::counted(of.more_rounds, "round")
            )
        }),
        of.first_decision_ms
            .as_ref()
            .map(|of| format!("decided after {}", times(of))),
        of.last_decision_ms
            .as_ref()
            .map(|of| format!("by the last after {}", times(of))),
        some(of.not_reached, "that one never came to"),
        some(of.censored_blocks, "blocks without answers that waited"),
        some(of.vain_blocks, "blocks of nothing"),
        some(of.forged, "forged votes refused"),
        answers.map(|of| {
            let most = human::counted(of.max as u64, "block");
            format!("answers {most} late at most")
        }),
        (of.heights > 0).then(|| {
            let verified = a_block(of.charged_verifications);
            format!("all of them, a block: {verified} signatures verified")
        }),
        (of.heights > 0).then(|| {
            let bytes = human::bytes(of.bytes as f64 / of.heights as f64);
            format!("{} messages of {bytes} in all", a_block(of.messages))
        }),
        Some(format!("simulated in {} of CPU", human::seconds(of.cpu_s))),
    ];
    phrases.into_iter().flatten().collect()
}

/// Its validators' work, of all of them together; nothing where it has none.
fn consensus(run: &RunFile) -> Option<&L1Consensus> {
    run.l1.chain.as_ref()?.consensus.as_ref()
}

/// What whole systems of several sizes would spend for a block.
fn whole_systems(run: &RunFile) -> Vec<String> {
    let systems = consensus(run).map_or(&[][..], |of| &of.whole_system);
    let cpu = systems.iter().zip(0..).map(|(of, nth)| {
        let cpu = human::seconds(of.cpu_ms_per_block / 1e3);
        match nth {
            0 => format!("n validators' CPU a block: {cpu} at n = {}", of.validators),
            _ => format!("{cpu} at {}", of.validators),
        }
    });
    let sampled = systems.first().map(|of| {
        let heights = human::counted(of.sampled_heights, "height");
        format!("each vote verified by itself, of {heights}")
    });
    cpu.chain(sampled).collect()
}

/// What the channels came to that did not end politely.
fn disputes(run: &RunFile) -> Vec<String> {
    let Some(disputes) = &run.disputes else {
        return Vec::new();
    };
    let (cases, transactions) = (
        disputes.total(|of| of.cases),
        disputes.total(|of| of.transactions),
    );
    let each = human::figure(transactions as f64 / cases as f64);
    let late = disputes.late_posts;
    let late =
        (late > 0).then(|| format!("{} later than their block", human::counted(late, "post")));
    let phrases = [
        human::counted(cases, "channel"),
        format!("honest lost {}", human::count(disputes.lost_by_honest)),
        format!("honest punished {}", human::count(disputes.honest_punished)),
        format!("{} punished", human::count(disputes.punishments)),
        format!("{each} transactions each"),
    ];
    phrases.into_iter().chain(late).collect()
}

/// Refused payments, stopped channels and named rejections, the most frequent first; nothing where
/// disputes are told, to which they led.
fn refused(run: &RunFile) -> Vec<String> {
    if run.disputes.is_some() {
        return Vec::new();
    }
    let achieved = &run.achieved;
    let counted = [
        ("payments", achieved.payments_refused),
        ("channels stopped", achieved.channels_stopped),
    ];
    let counted = counted.into_iter().filter(|(_, count)| *count > 0);
    let all = counted.chain(rejections(run));
    all.map(|(name, count)| format!("{name} {}", human::count(count)))
        .collect()
}

/// The rejections that occurred, the most frequent first.
pub fn rejections(run: &RunFile) -> Vec<(&str, u64)> {
    let mut found: Vec<(&str, u64)> = run
        .rejections
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    found
}

/// What ran it, and why it is fast or slow there.
fn machine(run: &RunFile) -> Vec<String> {
    let (machine, memory, engine) = (&run.machine, &run.memory, &run.engine);
    let backend = match engine.backend_reason.as_str() {
        "" => format!("{} back end", engine.backend),
        reason => format!("{} back end ({reason})", engine.backend),
    };
    let mut phrases = vec![
        clip(machine.cpu_name(), 36),
        human::counted(machine.cores, "core"),
        clip(&backend, WIDTH - "machine   ".len() - ", +9999 more".len()),
        format!(
            "peak {} of {}",
            human::bytes(memory.peak_rss_bytes as f64),
            human::bytes(machine.memory_bytes as f64)
        ),
    ];
    let per_channel = memory.bytes_per_channel;
    phrases.extend(per_channel.map(|bytes| format!("{} per channel", human::bytes(bytes as f64))));
    phrases
}

#[cfg(test)]
mod tests;
