//! Reads sweeps and run files, and takes out of them the runs that a plan can use.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::Path,
};

use serde::Serialize;
use serde_json::json;

use super::ask::Ask;
use super::observation::Observation;
use super::statistics::median;
use super::{PlanError, check};
use crate::human::{bytes, count, counted, grouped, nanoseconds};
use crate::{
    layout::sentence,
    run_file::{self, Durability, RunFile, utf8},
    sweep::Sweep,
    terms::{Across, Terms},
};

/// The runs of one file.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's name.
    pub file: String,
    /// Its runs, each with its name: the file, and the line if it is a sweep's.
    pub runs: Vec<(String, RunFile)>,
    /// Bytes after the last whole line of a sweep that was cut off.
    pub torn_bytes: usize,
}

impl Source {
    /// Reads a sweep or a run file; which of them it is follows from its content. `path` serves to
    /// name it in errors.
    ///
    /// # Errors
    /// It is neither: the file is named, and what was expected.
    pub fn parse(path: &Path, bytes: Vec<u8>) -> Result<Source, String> {
        let file = path.display().to_string();
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(format!("{file}: empty; expected a sweep or a run file"));
        }
        if Sweep::is_one(&bytes) {
            let sweep = Sweep::parse(path, &bytes).map_err(|error| error.to_string())?;
            let lines = sweep.lines.into_iter().enumerate();
            return Ok(Source {
                runs: lines
                    .map(|(index, line)| (format!("{file}, run {}", index + 1), line.run))
                    .collect(),
                torn_bytes: sweep.torn_bytes,
                file,
            });
        }
        if bytes.len() as u64 > run_file::LIMIT.bytes {
            return Err(format!("{file}: {}", run_file::LIMIT.exceeded()));
        }
        let text = utf8(path, bytes).map_err(|error| error.to_string())?;
        let run = RunFile::parse(path, &text).map_err(|error| error.to_string())?;
        Ok(Source {
            runs: vec![(file.clone(), run)],
            torn_bytes: 0,
            file,
        })
    }
}

/// What became of the runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inputs {
    /// Files read.
    pub files: Vec<String>,
    /// Runs that the plan is made from.
    pub runs_used: usize,
    /// Runs of another assurance.
    pub runs_of_other_assurance: usize,
    /// Runs that cannot be planned with.
    pub invalid: Vec<InvalidRun>,
    /// Runs whose machine does not tell whether others used it.
    pub runs_without_busy_share: usize,
    /// What else was noticed.
    pub notes: Vec<String>,
}

/// A run that is INVALID for planning.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InvalidRun {
    /// File and line.
    pub run: String,
    /// Why.
    pub reasons: Vec<String>,
}

/// The assurance of a run, as far as it was chosen, and what else costs are a matter of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Assurance {
    /// The co-sign interval k.
    pub cosign_every: u64,
    /// Proposals in flight.
    pub in_flight: u64,
    /// What is durable before a signature leaves.
    pub durability: String,
    /// Whether the log was in memory, where nothing survives the machine.
    pub in_memory: bool,
    /// The signature back end.
    pub backend: String,
    /// Who pays.
    pub pattern: String,
    /// Payments in a row by one party, where both pay: where the turn passes, a co-signed interval
    /// ends.
    pub turn_length: Option<u64>,
    /// The longest a payment waits for others to be co-signed with, in microseconds.
    pub cosign_after_us: Option<u64>,
    /// Whether each end checked all that the other one did.
    pub both_endpoints_checked: bool,
    /// Whether all that both ends said was kept for an auditor.
    pub audit_log: bool,
}

impl Assurance {
    pub(super) fn of(run: &RunFile) -> Assurance {
        Assurance {
            cosign_every: run.assurance.cosign_every,
            in_flight: run.assurance.in_flight,
            durability: run.assurance.durability.clone(),
            in_memory: (run.durability.as_ref()).is_some_and(Durability::is_in_memory),
            backend: run.engine.backend.clone(),
            pattern: run.workload.pattern.clone(),
            turn_length: run.workload.turn_length,
            cosign_after_us: run.workload.cosign_after_ms.map(|ms| (ms * 1e3) as u64),
            both_endpoints_checked: run.assurance.both_endpoints_checked,
            audit_log: run.has_audit_log(),
        }
    }

    /// What of it `sweep` hands on to `run`.
    pub(super) fn run_options(&self) -> String {
        let mut options = match self.pattern.as_str() {
            "one-way" => String::new(),
            pattern => format!(" --pattern {pattern}"),
        };
        if let Some(turn) = self.turn_length {
            options += &format!(" --turn-length {turn}");
        }
        if let Some(after) = self.cosign_after_us {
            options += &format!(" --cosign-after {after}us");
        }
        let dashes = if options.is_empty() { "" } else { " --" };
        format!("{dashes}{options}")
    }

    /// In words.
    #[must_use]
    pub fn text(&self) -> String {
        let after = self.cosign_after_us.map(|after| {
            let after = nanoseconds(after as f64 * 1e3);
            format!(" or after {after}")
        });
        let turns = self.turn_length.map(count);
        let turns = turns.map(|turn| format!(" in turns of {turn}"));
        let say = |is_so: bool, text| if is_so { text } else { "" };
        let unchecked = ", NOT checked by both endpoints";
        format!(
            "co-signed every {}{}, {} in flight, durability {}{}, back end {}, {}{}{}{}",
            count(self.cosign_every),
            after.unwrap_or_default(),
            count(self.in_flight),
            self.durability,
            say(self.in_memory, " in memory"),
            self.backend,
            self.pattern,
            turns.unwrap_or_default(),
            say(!self.both_endpoints_checked, unchecked),
            say(self.audit_log, ", with an audit log"),
        )
    }
}

/// The machine that all runs ran on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SweepMachine {
    /// The processor's name.
    pub cpu: String,
    /// Logical cores.
    pub cores: u64,
    /// Memory, in bytes.
    pub memory_bytes: u64,
}

impl SweepMachine {
    pub(super) fn of(run: &RunFile) -> SweepMachine {
        SweepMachine {
            cpu: run.machine.cpu_name().to_owned(),
            cores: run.machine.cores.max(1),
            memory_bytes: run.machine.memory_bytes,
        }
    }

    /// Processor and cores, in words.
    pub(super) fn text(&self) -> String {
        format!("{}, {}", self.cpu, counted(self.cores, "core"))
    }
}

/// A run that several machines made together, over one Layer 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Together {
    /// How many machines, as far as their systems tell. 1 is loopback.
    pub machines: u64,
    /// Their shards in all.
    pub shards: u64,
    /// What they made together.
    pub payments_per_s: f64,
    /// The sessions of the run per second.
    pub sessions_per_s: f64,
    /// The share of the run's time in which Layer 1 waited for one machine alone, the most of them.
    pub waited_share: f64,
}

impl Together {
    fn of(run: &RunFile) -> Option<Together> {
        let merged = run.merged.as_ref().filter(|merged| merged.layer_1s == 1)?;
        let waited = merged.parts.iter().filter_map(|part| part.l1_waited_s);
        let achieved = &run.achieved;
        let found = Together {
            machines: merged.machines,
            shards: run.workload.shards,
            payments_per_s: achieved.payments_per_s,
            sessions_per_s: achieved.sessions_closed as f64 / achieved.wall_s,
            waited_share: waited.fold(0.0, f64::max) / achieved.wall_s,
        };
        (achieved.valid && found.sessions_per_s.is_finite()).then_some(found)
    }
}

/// The runs that a plan is made from.
pub(super) struct Chosen {
    pub(super) runs: Vec<Observation>,
    pub(super) assurance: Assurance,
    pub(super) machine: SweepMachine,
    /// What the runs' channels lock per payment of their sessions, in the smallest unit of value.
    pub(super) locked_per_payment: Option<f64>,
    pub(super) inputs: Inputs,
    /// Sessions per second that Layer 1 opens and closes with nothing beside it, as far as a run
    /// tells: the most of them.
    pub(super) layer_1_sessions_per_s: Option<f64>,
    /// What several machines did together.
    pub(super) together: Vec<Together>,
}

/// INVALID runs that a refusal names.
const INVALID_SHOWN: usize = 8;
/// The fewest runs that a plan is made from.
const RUNS_MIN: usize = 3;
/// The most: ten times a preset's. Every run is fitted hundreds of times.
const RUNS_MAX: usize = 1000;
/// The most stages that the runs name, all together: no build has a fifth of them, and each is
/// fitted as often.
const STAGES_MAX: usize = 250;
/// What a sweep varies, or says of it: costs are fitted over these, or do not depend on them. Of
/// the rest of the workload, all that is not in [`Assurance`] is taken to be alike, and noted where
/// it is not.
const VARIED: &str = "sessions payments_per_session concurrent arrivals offered_per_s duration_s \
                      shards seed capacity backend_asked reproducible";

/// Sessions that tell how fast Layer 1 is, at least.
const LEAST_OPENS: u64 = 10_000;

/// A run and its name.
type Named<'a> = (&'a String, &'a RunFile);

/// What Layer 1 carries alone, by the run of this machine that asked it for most.
fn layer_1_limit(ask: &Ask, runs: &[Named]) -> Option<f64> {
    let is_quiet = |run: &RunFile| {
        let shares = [run.machine.others_share, run.machine.stolen_share];
        shares.iter().flatten().sum::<f64>() <= ask.busy_max
    };
    let sound = runs.iter().map(|(_, run)| *run);
    let sound = sound.filter(|run| run.achieved.valid && is_quiet(run));
    let alone = sound.filter_map(|run| run.l1.alone.as_ref());
    let alone = alone.filter(|alone| alone.opens.transactions >= LEAST_OPENS);
    alone
        .max_by_key(|alone| alone.opens.transactions)?
        .sessions_per_s()
}

/// Sorts the runs of all sources.
pub(super) fn choose(ask: &Ask, sources: &[Source]) -> Result<Chosen, PlanError> {
    let mut notes = Vec::new();
    let all = once_each(sources, &mut notes);
    if all.is_empty() {
        return refused("the files hold no whole run; expected a sweep of some");
    }
    let (merged, all): (Vec<Named>, Vec<Named>) = all
        .into_iter()
        .partition(|(_, run)| run.merged.is_some() || run.part.is_some());
    if all.is_empty() {
        return refused(
            "the files hold runs of several machines alone; expected a sweep of one machine beside \
             them",
        );
    }
    let machine = one_machine(&all)?;
    if all.iter().any(|(_, run)| !run.machine.is_cpu_known()) {
        notes.push(
            "runs do not name their processor: they are taken to be of one machine".to_owned(),
        );
    }
    let assurance = wanted(ask, &all)?;
    let of_assurance = all.iter().copied();
    let of_assurance = of_assurance.filter(|(_, run)| Assurance::of(run) == assurance);
    let of_assurance: Vec<Named> = of_assurance.collect();
    let (mut runs, mut used, mut invalid) = (Vec::new(), Vec::new(), Vec::new());
    for (name, run) in &of_assurance {
        match usable(run, ask.busy_max) {
            Ok(observation) => {
                used.push(*run);
                runs.push(observation);
            }
            Err(reasons) => invalid.push(InvalidRun {
                run: (*name).clone(),
                reasons,
            }),
        }
    }
    if runs.len() < RUNS_MIN {
        return Err(too_few(runs.len(), of_assurance.len(), &invalid));
    }
    within("runs to plan with", runs.len(), RUNS_MAX)?;
    let stages = runs.iter().flat_map(|run| &run.stages);
    let stages: BTreeSet<(&str, &str)> = stages.map(|one| (&*one.name, &*one.role)).collect();
    within("stages in all runs together", stages.len(), STAGES_MAX)?;
    notes.extend(of_used(&used, &of_assurance));
    let silent = used.iter().filter(|run| run.machine.others_share.is_none());
    let locked = used.iter().filter_map(|run| {
        let capacity: f64 = run.workload.capacity.parse().ok()?;
        Some(capacity / run.workload.payments_per_session as f64)
    });
    Ok(Chosen {
        inputs: Inputs {
            files: sources.iter().map(|source| source.file.clone()).collect(),
            runs_used: runs.len(),
            runs_of_other_assurance: all.len() - of_assurance.len(),
            invalid,
            runs_without_busy_share: silent.count(),
            notes,
        },
        locked_per_payment: median(locked),
        runs,
        assurance,
        machine,
        layer_1_sessions_per_s: layer_1_limit(ask, &all),
        together: (merged.iter())
            .filter_map(|(_, run)| Together::of(run))
            .collect(),
    })
}

fn refused<T>(why: &str) -> Result<T, PlanError> {
    Err(PlanError::Refused(why.to_owned()))
}

/// All runs; one that is given twice says nothing twice. Notes that, and what is torn.
fn once_each<'a>(sources: &'a [Source], notes: &mut Vec<String>) -> Vec<Named<'a>> {
    for source in sources.iter().filter(|source| source.torn_bytes > 0) {
        let (file, torn) = (&source.file, bytes(source.torn_bytes as f64));
        notes.push(format!(
            "{file}: its last line is torn ({torn}) and left out"
        ));
    }
    let mut all: Vec<Named> = Vec::new();
    let mut texts = HashSet::new();
    let mut again = 0;
    for (name, run) in sources.iter().flat_map(|source| &source.runs) {
        // Told by its text: a figure that is not finite equals no other one.
        match texts.insert(run.to_json()) {
            true => all.push((name, run)),
            false => again += 1,
        }
    }
    if again > 0 {
        let verb = if again == 1 { "is" } else { "are" };
        let runs = counted(again, "run");
        notes.push(format!("{runs} {verb} given twice, and counted once"));
    }
    all
}

/// What a run tells a plan, or why it is INVALID for planning.
pub(super) fn usable(run: &RunFile, busy_max: f64) -> Result<Observation, Vec<String>> {
    let reasons = check::reasons(run, busy_max);
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let nothing = || vec!["it has no time, waves or channels to divide by".to_owned()];
    Observation::of(run).ok_or_else(nothing)
}

/// Notes on the runs that are used: logs in memory, other work, several builds.
fn of_used(used: &[&RunFile], of_assurance: &[Named]) -> Vec<String> {
    let mut cautions = used.iter();
    let caution = cautions.find_map(|run| run.durability.as_ref()?.caution());
    let mut notes: Vec<String> = Vec::new();
    notes.extend(caution.map(|caution| {
        format!("{caution}, and a disk's syncs take longer: no plan for machines that keep a log")
    }));
    notes.extend(differ_in(used));
    let builds = of_assurance.iter().map(|(_, run)| &run.engine);
    let builds: BTreeSet<(&str, &str)> = builds.map(|of| (&*of.version, &*of.commit)).collect();
    if builds.len() > 1 {
        let count = builds.len();
        notes.push(format!(
            "the runs are of {count} builds of the engine: costs may differ between them"
        ));
    }
    notes
}

/// Refuses more than can be fitted in a time that is waited for.
fn within(what: &str, count: usize, most: usize) -> Result<(), PlanError> {
    if count <= most {
        return Ok(());
    }
    let (count, most) = (grouped(count as u64), grouped(most as u64));
    refused(&format!("{count} {what}; expected at most {most}"))
}

/// What else of the workload is not the same in all runs: each makes payments that may cost
/// something else.
fn differ_in(runs: &[&RunFile]) -> Option<String> {
    // A run file has both parts.
    let terms = |run: &RunFile| {
        let parts = json!({
            "assurance": run.assurance, "workload": run.workload, "stages": run.stages,
        });
        Terms::read(&parts).unwrap_or_default()
    };
    let first = terms(runs.first()?);
    let varied: Vec<String> = VARIED.split(' ').map(str::to_owned).collect();
    let varied = Across::new(&varied);
    let others = runs[1..].iter();
    let keys: BTreeSet<String> = others
        .flat_map(|run| first.differences(&terms(run)))
        .map(|difference| difference.key)
        .filter(|key| !varied.allows(key))
        .collect();
    let keys: Vec<String> = keys.into_iter().collect();
    let differ = || {
        format!(
            "the runs differ in {}: costs may differ between them",
            keys.join(", ")
        )
    };
    (!keys.is_empty()).then(differ)
}

fn too_few(used: usize, of: usize, invalid: &[InvalidRun]) -> PlanError {
    let mut lines = vec![format!(
        "{used} of {of} runs can be planned with; expected at least {RUNS_MIN}"
    )];
    for run in invalid.iter().take(INVALID_SHOWN) {
        let reasons = run.reasons.join("; ");
        lines.extend(sentence("  INVALID ", &format!("{}: {reasons}", run.run)));
    }
    if invalid.len() > INVALID_SHOWN {
        lines.push(format!("  and {} more", invalid.len() - INVALID_SHOWN));
    }
    let is_busy = |run: &InvalidRun| {
        run.reasons
            .iter()
            .all(|reason| reason.contains(check::BUSY))
    };
    if invalid.iter().any(is_busy) {
        let remedy = "Sweep again on a quiet machine, or raise --busy-max and plan for a busy one";
        lines.push(remedy.to_owned());
    }
    PlanError::Refused(lines.join("\n"))
}

/// Costs of two machines have no mean. (A system that is updated between runs leaves the machine.)
fn one_machine(all: &[Named]) -> Result<SweepMachine, PlanError> {
    let of = |run: &RunFile| {
        let machine = &run.machine;
        (machine.cpu.clone(), machine.cores, machine.features.clone())
    };
    let (first_name, first) = all[0];
    let machine = SweepMachine::of(first);
    match all.iter().find(|(_, run)| of(run) != of(first)) {
        None => Ok(machine),
        Some((name, run)) => refused(&format!(
            "{name} ran on another machine ({}) than {first_name} ({}): expected runs of one machine",
            SweepMachine::of(run).text(),
            machine.text(),
        )),
    }
}

/// The one assurance that fits what was asked for.
fn wanted(ask: &Ask, all: &[Named]) -> Result<Assurance, PlanError> {
    let mut counts: BTreeMap<Assurance, usize> = BTreeMap::new();
    for (_, run) in all {
        *counts.entry(Assurance::of(run)).or_default() += 1;
    }
    let want = &ask.assurance;
    let is = |asked: &Option<String>, found: &String| asked.as_ref().is_none_or(|a| a == found);
    let fits = |found: &Assurance| {
        want.cosign_every.is_none_or(|k| k == found.cosign_every)
            && want.in_flight.is_none_or(|depth| depth == found.in_flight)
            && is(&want.durability, &found.durability)
            && is(&want.backend, &found.backend)
            && is(&want.pattern, &found.pattern)
            && (want.turn_length).is_none_or(|turn| Some(turn) == found.turn_length)
    };
    let fitting: Vec<&Assurance> = counts.keys().filter(|found| fits(found)).collect();
    let by_options = |of: &Assurance| Assurance {
        in_memory: false,
        cosign_after_us: None,
        both_endpoints_checked: true,
        audit_log: false,
        ..of.clone()
    };
    let message = match &fitting[..] {
        [one] => return Ok((*one).clone()),
        [] => "no run has the assurance that is asked for; the files have:",
        [first, others @ ..]
            if others
                .iter()
                .all(|other| by_options(other) == by_options(first)) =>
        {
            "runs of more than one assurance fit, which no option tells apart; expected files that \
             hold one of these alone:"
        }
        _ => {
            "runs of more than one assurance fit; name one of these by --cosign-every, \
             --in-flight, --durability, --backend, --pattern or --turn-length:"
        }
    };
    let mut lines = vec![message.to_owned()];
    for (assurance, count) in &counts {
        if fitting.is_empty() || fitting.contains(&assurance) {
            let runs = counted(*count as u64, "run");
            lines.push(format!("  {}: {runs}", assurance.text()));
        }
    }
    refused(&lines.join("\n"))
}
