//! From what was asked to what is run: every option is checked here, before anything starts.

mod baseline;
mod durable;
pub mod error;
pub(crate) mod layer_1;
mod load;
mod stored;
mod together;
mod validators;

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use duet_engine::crypto::{Backend, Unit};
use duet_engine::l1;
use duet_engine::pipeline::{
    Arrivals, Config, Machines, Means, Outcome, Place, Sampling, Sending, Watching, Workload,
};
use duet_engine::protocol::{Amount, Rules};
use duet_engine::transcript;
use duet_run_file::run_file;

use crate::cli::{Durability, Pattern, Preset, RunArgs};
use crate::file_system::FileSystem;
use crate::live::bystanders_cpu_ns;
use crate::machine;
use crate::part::{Part, PartAsked, PartOfRun};
use crate::trace::Capacity;
use crate::validators::CutOffAsked;
use duet_terminal::output::{check_writable, empty_folder, open_alone};
use duet_terminal::paths::Paths;
use duet_terminal::progress;
use duet_terminal::threads;
use error::{PlanError, bad, bounded};
use layer_1::Layer1;
use load::Load;
use stored::Identity;

pub use stored::Stored;

/// Sessions of a bare run: about 15 s of fully co-signed payments on two cores.
const fn default_sessions(backend: Backend) -> u64 {
    match backend {
        Backend::Dalek => 40,
        Backend::Lanes(lanes) => match lanes.unit() {
            Unit::Avx512Ifma => 400,
            Unit::Avx2Fma => 150,
            Unit::Plain => 20,
        },
    }
}

const MOST_IN_FLIGHT: u64 = 1 << 16;
const MOST_SHARDS: u64 = 1 << 10;
pub(crate) const MOST_DELAY_BLOCKS: u64 = 1 << 20;
/// Payments per second.
const RATES: (f64, f64) = (1e-3, 1e9);
const SPEEDUPS: (f64, f64) = (1e-6, 1e12);
const LONGEST_COSIGN_AFTER: Duration = Duration::from_secs(3600);
/// Memory per open channel: both endpoints, their slot, and Layer 1's records and keys.
const BYTES_PER_CHANNEL: u64 = 1536;

/// A run that makes sense.
pub struct Plan {
    /// How it is run.
    pub config: Config,
    /// What is run.
    pub workload: Box<dyn Workload>,
    /// Sessions of the baseline that were asked for, if that was said.
    pub baseline_sessions: Option<u64>,
    /// By which other means the baseline's payments are made, with what those are called.
    pub arms: Vec<(String, Means)>,
    /// Why its back end is the one that it is.
    pub backend_reason: &'static str,
    /// How the run file describes it.
    pub description: run_file::Workload,
    /// What the reader should be told beside the figures.
    pub notes: Vec<String>,
    /// What makes it durable.
    pub durability: Durability,
    /// Where the run file goes.
    pub out: Option<PathBuf>,
    /// The machines that run it together, if there are several.
    pub machines: Option<Machines>,
    /// Which part of a larger run it is, if it is one.
    pub part: Option<PartOfRun>,
    /// What the run is when it goes on.
    identity: Identity,
    /// The trace that it replays.
    trace: Option<PathBuf>,
    /// What no other process may write to meanwhile.
    held: Vec<File>,
}

impl Plan {
    /// The same of a run that must have begun.
    pub fn resumed(mut self) -> Plan {
        if let Some(log) = &mut self.config.log {
            log.must_exist = true;
        }
        self
    }

    /// The same of a run that makes no more payments.
    pub fn only_closed(mut self) -> Plan {
        if let Some(log) = &mut self.config.log {
            log.only_closes = true;
        }
        self
    }

    /// The same of a run that begins, if it has not.
    pub fn begun_if_need_be(mut self) -> Plan {
        if let Some(log) = &mut self.config.log {
            log.must_exist = false;
        }
        self
    }

    /// Takes what the run writes to, for as long as the plan lives. If the run has a log, makes its
    /// directory, and gives the log what is to be written down beside it: how the run was asked
    /// for.
    ///
    /// # Errors
    /// If the directory cannot be used, or another process writes to one of the files.
    pub fn hold(&mut self, args: &RunArgs, command: &[String]) -> Result<(), PlanError> {
        if let (Some(log), Some(directory)) = (&mut self.config.log, &args.log_dir) {
            if !log.must_exist {
                stored::make(directory)?;
            }
            let trace = self.trace.as_deref();
            log.beside = Some(stored::beside(directory, command, &self.identity, trace)?);
        }
        let is_kept = |path: &&PathBuf| path.metadata().map_or(true, |there| there.is_file());
        if let Some(path) = args.ack_file.as_ref().filter(is_kept) {
            self.held.push(open_alone(path).map_err(PlanError::Output)?);
        }
        Ok(())
    }

    /// Checks the options of a run that begins.
    ///
    /// # Errors
    /// A [`PlanError`] that names the offending value and what was expected.
    pub fn new(args: &RunArgs) -> Result<Plan, PlanError> {
        Plan::of(args, None)
    }

    /// Checks the options of a run; one whose log's directory has a run already is that run.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn in_its_directory(args: &RunArgs) -> Result<Plan, PlanError> {
        let stored = match &args.log_dir {
            Some(directory) => Stored::begun(directory)?,
            None => None,
        };
        Plan::of(args, stored.as_ref())
    }

    /// Checks the options of a run: of the stored one, if there is one. What they do not say is as
    /// it was when that began, whatever this machine and this build would choose.
    ///
    /// # Errors
    /// As [`Plan::new`], and if the options contradict what is stored.
    #[expect(
        clippy::too_many_lines,
        reason = "every option, in the order in which they are judged"
    )]
    pub fn of(args: &RunArgs, stored: Option<&Stored>) -> Result<Plan, PlanError> {
        let args = &with_preset(args);
        let args = &stored.map_or_else(|| args.clone(), |stored| stored.complete(args));
        let args = &validators::with_chain(args);
        check_contradictions(args)?;
        outputs_apart(args).map_err(PlanError::Paths)?;
        check_clock(args)?;
        let backend = Backend::select(args.backend).map_err(|error| bad(error.to_string()))?;
        if let Some(out) = &args.out {
            check_writable(out).map_err(PlanError::Output)?;
        }
        let rules = Rules {
            cosign_every: bounded(
                "--cosign-every",
                args.cosign_every.unwrap_or(1),
                u64::from(Rules::MOST_ENTRIES),
            )? as u32,
            in_flight: bounded("--in-flight", args.in_flight, MOST_IN_FLIGHT)? as u32,
        };
        let layer_1 = Layer1::asked(args)?;
        let validators = validators::asked(args)?;
        let challenge_window_blocks = layer_1.challenge_window_blocks;
        let l1_delay_blocks = match args.l1_delay_blocks {
            0 => 0,
            blocks => bounded("--l1-delay-blocks", blocks, MOST_DELAY_BLOCKS)? as u32,
        };
        let load = match &args.trace {
            Some(path) => Load::replay(args, path)?,
            None => Load::synthetic(args, default_sessions(backend), layer_1.most_fees())?,
        };
        let session_time = layer_1.session_time(args, &load)?;
        let arms = layer_1.arms(args)?;
        let part = match args.part {
            None => None,
            Some(asked) => Some(part_of_run(args, asked)?),
        };
        let machines = together::asked(args)?;
        let whole = (
            load.concurrent,
            load.payments_per_session,
            load.source.sessions(),
        );
        let load = match part {
            None => load,
            Some(part) => load.part(part)?,
        };
        let concurrent = load.concurrent;
        let rate = args
            .rate
            .map(|rate| rate * concurrent as f64 / whole.0 as f64);
        let shards = bounded(
            "--shards",
            // One without a channel would have nothing to do.
            args.shards
                .unwrap_or_else(|| threads::cores().min(MOST_SHARDS).min(concurrent)),
            MOST_SHARDS,
        )? as u32;
        let place = machines
            .as_ref()
            .map_or(Place::ALONE, together::Asked::place);
        if let Some(hosts) = &args.hosts
            && u64::from(place.machines) * u64::from(shards) > concurrent
        {
            return Err(bad(format!(
                "--hosts {hosts} with --shards {shards}: {} shards in all, expected at most one for \
                 each of {concurrent} channels at once",
                u64::from(place.machines) * u64::from(shards)
            )));
        }
        // Who reads a log has no choice: it takes what it takes.
        if stored.is_none() {
            check_memory(concurrent / u64::from(place.machines))?;
        }
        let sessions = load.source.sessions();
        if let Some(wanted) = args.baseline_sessions
            && wanted > sessions
        {
            return Err(bad(format!(
                "--baseline-sessions {wanted}: expected at most the run's {sessions} sessions"
            )));
        }
        let arrivals = match (rate, args.speedup) {
            (Some(per_s), _) => Arrivals::Poisson { per_s },
            (_, Some(speedup)) => Arrivals::Timed { speedup },
            _ => Arrivals::Closed,
        };
        let mut notes = load.notes;
        notes.extend(layer_1.note());
        notes.extend(validators::note(args, validators.as_ref()));
        let attacked = !args.adversary.0.is_empty();
        if attacked {
            // Time passes block by block until the last window is over.
            let window = match args.l1 {
                Some(_) if args.challenge_blocks.is_none() => {
                    "--l1 with block.challenge_window_blocks"
                }
                _ => "--challenge-blocks",
            };
            bounded(window, challenge_window_blocks.into(), MOST_DELAY_BLOCKS)?;
        }
        let mut description = run_file::Workload {
            mode: load.mode.to_owned(),
            sessions,
            payments_per_session: load.payments_per_session,
            concurrent,
            cosign_every: u64::from(rules.cosign_every),
            in_flight: u64::from(rules.in_flight),
            pattern: load.pattern,
            amount: load.amount,
            arrivals: match arrivals {
                Arrivals::Closed => "closed-loop",
                Arrivals::Poisson { .. } => "poisson",
                Arrivals::Timed { .. } => "trace",
            }
            .to_owned(),
            offered_per_s: rate,
            duration_s: args.duration.map(|duration| duration.as_secs_f64()),
            shards: u64::from(shards),
            seed: args.seed,
            trace_sha256: load.trace_sha256,
            l1: run_file::L1Limits {
                validators: validators::described(args, validators.as_ref()),
                ..layer_1.described(session_time)
            },
            reproducible: args.duration.is_none(),
            capacity: load.capacity,
            cosign_after_ms: args.cosign_after.map(|after| after.as_secs_f64() * 1e3),
            backend_asked: args.backend.to_string(),
            speedup: args.speedup,
            turn_length: load.turn_length,
            reserve: args.reserve,
            adversary: attacked.then(|| args.adversary.to_string()),
            l1_delay_blocks: attacked.then_some(args.l1_delay_blocks),
            l1_cut_off: args.cut_off.map(|CutOffAsked(of)| run_file::L1CutOff {
                from_block: of.from,
                until_block: of.until,
            }),
            planted_slowdown: (args.planted_slowdown > 0.0).then_some(args.planted_slowdown),
            audit_log: args.audit_log.is_some(),
            part: part.map(|part| part.to_string()),
        };
        let delay_blocks = description.delay_blocks();
        if attacked && u64::from(challenge_window_blocks) <= delay_blocks {
            notes.push(format!(
                "The challenge window of {challenge_window_blocks} blocks is not longer than the \
                 delay of {delay_blocks}: answers can come too late, and honest parties lose."
            ));
        }
        let mut part_of_run = part.map(|part| {
            let (concurrent, payments_per_session, sessions) = whole;
            let whole = run_file::Workload {
                sessions,
                payments_per_session,
                concurrent,
                offered_per_s: args.rate,
                ..description.clone()
            };
            PartOfRun::new(part, &whole, env!("DUET_COMMIT"), args.start_at)
        });
        let machines = match machines {
            None => None,
            Some(hosts) => {
                let (machines, part) = hosts.of(&description, args)?;
                part_of_run = Some(part);
                notes.extend(together::note(&machines));
                together::share(&mut description, &machines, shards);
                Some(machines)
            }
        };
        let identity = match stored {
            Some(stored) => stored.identity_of(&description)?,
            None => Identity::of(&description),
        };
        let log = durable::log_config(args, identity.id())?;
        let caution = args.log_dir.as_deref().filter(|_| log.is_some());
        notes.extend(caution.and_then(|path| FileSystem::of(path).caution(path)));
        let audit = audit_log(args, &layer_1.config)?;
        Ok(Plan {
            config: Config {
                log,
                shards,
                place,
                concurrent,
                rules,
                cosign_after: args.cosign_after.filter(|after| !after.is_zero()),
                arrivals,
                duration: args.duration,
                backend,
                seed: part.map_or(args.seed, |part| part.seed(args.seed)),
                l1: layer_1.config,
                sending: Sending {
                    session_time,
                    bid: layer_1.bid,
                    delay_blocks: l1_delay_blocks,
                    cut_off: args.cut_off.map(|CutOffAsked(of)| of),
                },
                validators,
                challenge_window_blocks,
                reserve: Amount::new(args.reserve.unwrap_or(0)),
                faults: Vec::new(),
                attacks: args.adversary.0.clone(),
                planted_slowdown: args.planted_slowdown,
                watching: Watching {
                    latencies: args.metrics.is_some() || progress::has_figures(args.quiet),
                    bystanders_ns: bystanders_cpu_ns,
                },
                audit,
            },
            workload: load.source.workload(),
            arms,
            backend_reason: backend.reason(args.backend),
            // Layer 1 is on machine 0.
            baseline_sessions: match place.has_layer_1() {
                true => args.baseline_sessions,
                false => Some(0),
            },
            machines,
            description,
            notes,
            durability: args.durability,
            out: args.out.clone(),
            part: part_of_run,
            identity,
            trace: args.trace.clone(),
            held: Vec::new(),
        })
    }

    /// What the baseline runs: whole sessions, as many as were asked for, or else as many payments
    /// as a share of the run's CPU time pays for. Nothing, where nothing was paid.
    #[must_use]
    pub fn baseline(&self, outcome: &Outcome) -> Sampling {
        let nothing_was_left = outcome.resumed.is_some() && outcome.payments_measured == 0;
        if nothing_was_left || outcome.counts.covered == 0 {
            return Sampling::whole(Vec::new());
        }
        let reached = if outcome.cut_short {
            outcome.counts.sessions_opened
        } else {
            self.workload.sessions()
        };
        match self.baseline_sessions {
            Some(wanted) => Sampling::whole(baseline::every(wanted, reached)),
            None => baseline::sampling(outcome, reached, self.description.payments_per_session),
        }
    }
}

/// The part that is asked for. Its whole must not depend on the machine.
fn part_of_run(args: &RunArgs, asked: PartAsked) -> Result<Part, PlanError> {
    let variable = |name: &str| std::env::var(name).ok();
    let part = asked
        .resolve(variable)
        .map_err(|error| bad(format!("--part {error}")))?;
    if args.trace.is_none() && args.sessions.is_none() {
        return Err(bad(format!(
            "--part {part} needs --sessions, those of the whole run: the default depends on the \
             machine"
        )));
    }
    Ok(part)
}

/// What a preset says, where nothing else is said.
fn with_preset(args: &RunArgs) -> RunArgs {
    let mut args = args.clone();
    match args.preset {
        None => {}
        Some(Preset::Headline) => {
            args.sessions.get_or_insert(1_000_000);
            args.concurrent.get_or_insert(1_000_000);
            args.payments.get_or_insert(10_000);
            args.cosign_every.get_or_insert(100);
        }
    }
    args
}

/// Options of which one makes no sense beside, or without, another.
#[expect(
    clippy::too_many_lines,
    reason = "a list of options that contradict each other"
)]
fn check_contradictions(args: &RunArgs) -> Result<(), PlanError> {
    if args.trace.is_some() {
        let fixed_by_trace = [
            ("--preset", args.preset.is_some()),
            ("--sessions", args.sessions.is_some()),
            ("--payments", args.payments.is_some()),
            ("--concurrent", args.concurrent.is_some()),
            ("--pattern", args.pattern.is_some()),
            ("--turn-length", args.turn_length.is_some()),
            ("--amount", args.amount.is_some()),
            ("--rate", args.rate.is_some()),
            ("--reserve", args.reserve.is_some()),
        ];
        if !args.adversary.0.is_empty() {
            return Err(bad(
                "--adversary contradicts --trace: cheaters change what accounts get back, which \
                 the trace's later channels lock again",
            ));
        }
        if let Some((option, _)) = fixed_by_trace.iter().find(|(_, given)| *given) {
            return Err(bad(format!(
                "{option} contradicts --trace: the trace decides it"
            )));
        }
    } else {
        if args.speedup.is_some() {
            return Err(bad(
                "--speedup needs --trace: it speeds the trace's own times up",
            ));
        }
        if let Some(capacity @ (Capacity::FromTrace | Capacity::Quantile(_))) = &args.capacity {
            return Err(bad(format!(
                "--capacity {capacity} needs --trace; without one, expected a number"
            )));
        }
    }
    if args.durability != Durability::None && !args.adversary.0.is_empty() {
        return Err(bad(
            "--adversary contradicts --durability: disputes are not logged",
        ));
    }
    if args.durability != Durability::None && args.speedup.is_some() {
        return Err(bad(
            "--speedup contradicts --durability: a trace's clock cannot be stopped and started",
        ));
    }
    together::check_contradictions(args)?;
    layer_1::check_contradictions(args)?;
    if args.audit_segment.is_some() && args.audit_log.is_none() {
        return Err(bad("--audit-segment needs --audit-log"));
    }
    if args.audit_log.is_some() && args.durability != Durability::None {
        return Err(bad(
            "--audit-log contradicts --durability: a run that goes on would leave its log incomplete",
        ));
    }
    if args.audit_log.is_some() && !args.adversary.0.is_empty() {
        return Err(bad(
            "--audit-log contradicts --adversary: the auditor does not replay disputes",
        ));
    }
    let alone = [
        ("--baseline-sessions 0", args.baseline_sessions == Some(0)),
        ("--part", args.part.is_some()),
        ("--hosts", args.hosts.is_some()),
        ("--durability", args.durability != Durability::None),
    ];
    if let Some((option, _)) = alone.iter().find(|(_, given)| *given)
        && !args.arms.is_empty()
    {
        return Err(bad(format!(
            "--arms contradicts {option}: arms make a whole run's baseline again"
        )));
    }
    if args.l1_delay_blocks > 0 && args.adversary.0.is_empty() {
        return Err(bad(
            "--l1-delay-blocks needs --adversary: only transactions of disputes are held back",
        ));
    }
    if args.cut_off.is_some() && args.l1.is_none() {
        return Err(bad(
            "--cut-off needs --l1 or --validators: without a clock no block comes that nobody sent \
             anything for",
        ));
    }
    if args.turn_length.is_some() && args.pattern != Some(Pattern::TwoWay) {
        return Err(bad(
            "--turn-length needs --pattern two-way: one-way traffic takes no turns",
        ));
    }
    if args.cosign_after.is_some() && args.rate.is_none() && args.speedup.is_none() {
        return Err(bad(
            "--cosign-after needs --rate, or --trace with --speedup: in a closed loop no payment \
             waits for another",
        ));
    }
    Ok(())
}

/// Whether each output is a file or folder of its own.
fn outputs_apart(args: &RunArgs) -> Result<(), String> {
    // The log's own folder may be a link.
    let log = (args.log_dir.as_ref()).map(|directory| directory.join(durable::LOG));
    Paths::default()
        .writes("--ack-file", args.ack_file.as_deref())
        .writes("--out", args.out.as_deref())
        .owns("--log-dir", args.log_dir.as_deref())
        .owns("--log-dir", log.as_deref())
        .owns("--audit-log", args.audit_log.as_deref())
        .reads("--trace", args.trace.as_deref())
        .reads("--l1", layer_1::file(args))
        .check()
}

/// Times and rates that no run can keep.
fn check_clock(args: &RunArgs) -> Result<(), PlanError> {
    if args.duration.is_some_and(|duration| duration.is_zero()) {
        return Err(bad("--duration 0s: expected more than zero"));
    }
    if let Some(after) = args.cosign_after
        && after > LONGEST_COSIGN_AFTER
    {
        return Err(bad(format!(
            "--cosign-after {}s: expected at most 1h",
            after.as_secs()
        )));
    }
    let within = |option: &str, value: Option<f64>, (least, most): (f64, f64)| match value {
        Some(value) if !(least..=most).contains(&value) => Err(bad(format!(
            "{option} {value:?}: expected {least} to {most}"
        ))),
        _ => Ok(()),
    };
    within("--rate", args.rate, RATES)?;
    within("--speedup", args.speedup, SPEEDUPS)
}

/// Where the audit log goes: the last check, since it makes the folder.
fn audit_log(args: &RunArgs, l1: &l1::Config) -> Result<Option<transcript::Settings>, PlanError> {
    let Some(folder) = &args.audit_log else {
        return Ok(None);
    };
    let (longest, most) = (
        l1.most_block_bytes(),
        transcript::Settings::MOST_BLOCK_BYTES,
    );
    if longest > most {
        return Err(bad(format!(
            "--audit-log {} contradicts --l1 {}: its blocks may have {longest} bytes; expected \
             `block.bytes` of at most {most}",
            folder.display(),
            args.l1.as_deref().unwrap_or_default()
        )));
    }
    empty_folder(folder).map_err(PlanError::Output)?;
    let mut settings = transcript::Settings::new(folder.clone());
    settings.segment_bytes = args.audit_segment.unwrap_or(settings.segment_bytes);
    Ok(Some(settings))
}

fn check_memory(concurrent: u64) -> Result<(), PlanError> {
    let have = machine::machine().memory_bytes;
    let need = concurrent.saturating_mul(BYTES_PER_CHANNEL);
    if have > 0 && need > have {
        return Err(bad(format!(
            "--concurrent {concurrent}: that many open channels take about {} GiB, this machine \
             has {} GiB",
            need >> 30,
            have >> 30
        )));
    }
    Ok(())
}
