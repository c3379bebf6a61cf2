//! Runs a plan: channels first, then the baseline, then the verdict and the run file.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use duet_engine::pipeline::{
    self, DirectOutcome, FabricError, Machines, Outcome, RunError, Sampling, Verdict,
    process_cpu_ns,
};
use duet_run_file::merge::merge;
use duet_run_file::run_file::{Phase, RunFile};
use duet_run_file::summary::summary;
use duet_terminal::exit::Exit;
use duet_terminal::human;

use crate::cli::RunArgs;
use crate::live::Live;
use crate::machine::{self, CpuTicks};
use crate::plan::error::PlanError;
use crate::plan::{Plan, Stored};
use crate::record::{Measured, phase, record};
use crate::series::Series;
use duet_terminal::output::write_text;
use duet_terminal::say::{complain, print, say};

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// To the end of its payments.
    AsPlanned,
    /// No more payments: what is open is finished and closed.
    AtOnce,
}

/// Runs what was asked; `stop` ends it early, cleanly. Gives the exit code.
pub fn drive(args: &RunArgs, command: Vec<String>, stop: &AtomicBool) -> Exit {
    let plan = Plan::in_its_directory(args);
    drive_plan(
        plan,
        args,
        &command,
        command.clone(),
        stop,
        Ending::AsPlanned,
    )
}

/// Goes on with a durable run, to this end. One that has not begun begins, unless it shall end at
/// once.
pub fn resume(
    (args, stored): (&RunArgs, &Stored),
    command: Vec<String>,
    stop: &AtomicBool,
    ending: Ending,
) -> Exit {
    let plan = Plan::of(args, Some(stored)).map(Plan::resumed);
    let plan = match ending {
        Ending::AsPlanned => plan,
        Ending::AtOnce => plan.map(Plan::only_closed),
    };
    let directory = args.log_dir.as_deref().unwrap_or(Path::new(""));
    let plan = plan.map_err(|error| error.of_a_stored_run(directory));
    drive_plan(plan, args, &stored.command, command, stop, ending)
}

fn drive_plan(
    plan: Result<Plan, PlanError>,
    args: &RunArgs,
    words: &[String],
    command: Vec<String>,
    stop: &AtomicBool,
    ending: Ending,
) -> Exit {
    let refused = |error: PlanError| {
        complain(&error);
        error.exit()
    };
    let mut plan = match plan {
        Ok(plan) => plan,
        Err(error) => return refused(error),
    };
    let live = match live(&plan, args) {
        Ok(live) => live,
        Err(error) => {
            complain(error);
            return Exit::BadInput;
        }
    };
    if let Err(error) = plan.hold(args, words) {
        return refused(error);
    }
    if !args.quiet {
        plan.notes.iter().for_each(say);
    }
    let goes_on = (plan.config.log.as_ref()).is_some_and(|log| log.must_exist);
    if let Some(start_at) = args.start_at.filter(|_| !goes_on) {
        wait_for(Duration::from_secs(start_at), args.quiet, stop);
    }
    let mut measured = measure(&plan, &live, stop, ending);
    if let (Err(error @ RunError::NotBegun), Ending::AsPlanned) = (&measured, ending) {
        if !args.quiet {
            say(format_args!("{error}; it begins now"));
        }
        plan = plan.begun_if_need_be();
        measured = measure(&plan, &live, stop, ending);
    }
    let ended = measured.and_then(|measured| match &plan.machines {
        None => {
            let mut measured = measured;
            add_baseline(&mut measured, &plan, &live, stop)?;
            let file = record(&plan, command, &measured);
            let ended = end(&plan, args, &file);
            // Nobody has asked Layer 1 to stop.
            let has_stopped = measured.outcome.ended.fallen.is_some();
            Ok(if has_stopped && ended == Exit::Interrupted {
                Exit::Invalid
            } else {
                ended
            })
        }
        Some(machines) => {
            let add_baseline = |measured: &mut Measured| add_baseline(measured, &plan, &live, stop);
            Ok(end_together(
                machines,
                &plan,
                args,
                command,
                measured,
                add_baseline,
            ))
        }
    });
    ended.unwrap_or_else(|error| {
        complain(&error);
        exit_of(&error)
    })
}

/// What the run tells while it goes on. Says where its metrics are, if they were asked for.
///
/// # Errors
/// If they cannot be served there.
fn live(plan: &Plan, args: &RunArgs) -> Result<Live, String> {
    let backend = plan.config.backend.name();
    let begun = Live::begin(args.quiet, args.metrics, &plan.description, backend);
    let (live, address) = begun.map_err(|error| {
        let address = args
            .metrics
            .map_or_else(String::new, |address| address.to_string());
        format!("--metrics {address}: cannot be served there: {error}")
    })?;
    if let Some(address) = address {
        say(format_args!("metrics are at http://{address}/metrics"));
    }
    Ok(live)
}

/// Publishes a run, and gives its exit code.
fn end(plan: &Plan, args: &RunArgs, file: &RunFile) -> Exit {
    match publish(plan, args, file) {
        Ok(()) => verdict(file),
        Err(exit) => exit,
    }
}

fn verdict(file: &RunFile) -> Exit {
    match (file.achieved.valid, file.achieved.interrupted) {
        // Nothing to judge yet.
        (false, true) if file.achieved.payments == 0 => Exit::Interrupted,
        (false, _) => Exit::Invalid,
        (true, true) => Exit::Interrupted,
        (true, false) => Exit::Ok,
    }
}

/// Makes one run of what all machines measured, on machine 0, which publishes it and tells the
/// others how it ended. Where one has fallen, each of the others publishes its own part.
fn end_together(
    machines: &Machines,
    plan: &Plan,
    args: &RunArgs,
    command: Vec<String>,
    mut measured: Measured,
    add_baseline: impl Fn(&mut Measured) -> Result<(), RunError>,
) -> Exit {
    if let Some(problem) = measured.outcome.ended.fallen.clone() {
        return end_early(problem, plan, args, command, &mut measured);
    }
    if machines.place().has_layer_1() {
        let mut ended = Exit::MachineFault;
        machines.gather(|given| {
            let given = match given {
                Ok(given) => given,
                Err(error) => {
                    let problem = error.to_string();
                    ended = end_early(problem.clone(), plan, args, command, &mut measured);
                    return told(ended, problem);
                }
            };
            match report(
                machines,
                plan,
                &command,
                &mut measured,
                &given,
                &add_baseline,
            ) {
                Ok(file) => match publish(plan, args, &file) {
                    Ok(()) => {
                        ended = verdict(&file);
                        told(ended, String::new())
                    }
                    Err(exit) => {
                        ended = exit;
                        told(ended, "machine 0 could not write its report".to_owned())
                    }
                },
                Err(error) => {
                    complain(&error);
                    told(ended, format!("machine 0 could not make a report: {error}"))
                }
            }
        });
        return ended;
    }
    let own = record(plan, command.clone(), &measured).to_json();
    let problem = match machines.report(own.into_bytes()) {
        Ok(Verdict { code, problem }) if problem.is_empty() => {
            if !args.quiet {
                let place = machines.place();
                say(format_args!(
                    "machine {} of {}: machine 0 has the report",
                    place.machine, place.machines
                ));
            }
            return Exit::of_code(code.into()).unwrap_or(Exit::MachineFault);
        }
        Ok(Verdict { problem, .. }) => problem,
        // It hung. The report has its part.
        Err(FabricError::Silent { machine, .. }) if machine == machines.hosts().me() => {
            complain("machine 0 did not hear of this machine, and ended the run without it");
            return Exit::MachineFault;
        }
        Err(error) => error.to_string(),
    };
    end_early(problem, plan, args, command, &mut measured)
}

/// What machine 0 tells the others.
fn told(ended: Exit, problem: String) -> Verdict {
    Verdict {
        code: ended.code(),
        problem,
    }
}

/// Publishes what this machine measured of a run that has ended early, for this reason.
fn end_early(
    problem: String,
    plan: &Plan,
    args: &RunArgs,
    command: Vec<String>,
    measured: &mut Measured,
) -> Exit {
    complain(&problem);
    measured.ended_early(problem);
    let file = record(plan, command, measured);
    publish(plan, args, &file)
        .err()
        .unwrap_or(Exit::MachineFault)
}

/// One run file of all machines', on machine 0, which runs the baseline first.
fn report(
    machines: &Machines,
    plan: &Plan,
    command: &[String],
    measured: &mut Measured,
    given: &[Vec<u8>],
    add_baseline: impl Fn(&mut Measured) -> Result<(), RunError>,
) -> Result<RunFile, Box<dyn Error>> {
    add_baseline(measured)?;
    let own = record(plan, command.to_vec(), measured).to_json();
    let mut parts = Vec::new();
    let name = |machine| format!("machine {machine} ({})", machines.hosts().address(machine));
    parts.push((PathBuf::from(name(0)), own));
    for (given, machine) in given.iter().zip(1..) {
        let text = String::from_utf8(given.clone());
        let text = text.map_err(|_| format!("{} reports what is no text", name(machine)))?;
        parts.push((PathBuf::from(name(machine)), text));
    }
    let mut file = merge(&parts, command.to_vec())?;
    if let Some(merged) = &mut file.merged {
        let waited = &measured.outcome.ended.waited;
        for (part, waited) in merged.parts.iter_mut().zip(waited) {
            part.l1_waited_s = Some(waited.alone_ns as f64 / 1e9);
        }
    }
    Ok(file)
}

/// The exit code of a run that did not start, or did not end.
#[must_use]
pub fn exit_of(error: &RunError) -> Exit {
    match error {
        RunError::L1(_)
        | RunError::AllocationOverflow(_)
        | RunError::NotAcknowledgements(_)
        | RunError::OthersAcknowledgements(_) => Exit::BadInput,
        RunError::Log(error) if !error.is_machine_fault() => Exit::StoredDataRefused,
        RunError::Restore(_) => Exit::StoredDataRefused,
        RunError::Machines { is_bad_input, .. } if *is_bad_input => Exit::BadInput,
        RunError::Interrupted => Exit::Interrupted,
        // Nothing is lost, and nothing is left to be done.
        RunError::NotBegun => Exit::Ok,
        RunError::Log(_)
        | RunError::Audit(_)
        | RunError::File { .. }
        | RunError::Thread(_)
        | RunError::Machines { .. } => Exit::MachineFault,
        RunError::Stopped { .. } | RunError::Layer1Stopped(_) => Exit::Invalid,
    }
}

/// Runs the channels. What is measured has no baseline yet.
fn measure(
    plan: &Plan,
    live: &Live,
    stop: &AtomicBool,
    ending: Ending,
) -> Result<Measured, RunError> {
    let started = since_1970();
    machine::await_quiet();
    let rss_before_bytes = machine::rss_bytes();
    let (begin, cpu_before) = (Instant::now(), process_cpu_ns());
    let ticks_before = CpuTicks::now();
    let mut series = Series::new();
    let (outcome, began_unix_ms) = match ending {
        Ending::AsPlanned => channels(plan, live, &mut series, stop),
        Ending::AtOnce => channels(plan, live, &mut series, &AtomicBool::new(true)),
    }?;
    let channels_interrupted = stop.load(Ordering::Relaxed);
    let peak_rss_bytes = machine::peak_rss_bytes();
    let all_ns = process_cpu_ns() - cpu_before;
    let wall_s = begin.elapsed().as_secs_f64();
    let taken = ticks_before
        .zip(CpuTicks::now())
        .and_then(|(before, now)| now.taken_since(before, wall_s, all_ns as f64 / 1e9));
    let times = outcome.times;
    let mut phases = vec![
        phase(
            "set-up",
            begin.elapsed().saturating_sub(times.wall),
            all_ns - times.cpu_ns,
        ),
        phase("channels", times.wall, times.cpu_ns),
    ];
    for (name, part) in [("opening", times.opening), ("closing", times.closing)] {
        if part.sessions > 0 {
            phases.push(part_of_channels(name, part));
        }
    }
    // Of intervals that wait to be filled, the last ones are proposed all at once.
    let is_steady = plan.config.cosign_after.is_none();
    let steady_payments_per_s = series.steady_payments_per_s(outcome.payments_measured);
    Ok(Measured {
        steady_payments_per_s: steady_payments_per_s.filter(|_| is_steady),
        series: series.into_samples(),
        outcome,
        direct: None,
        arms: Vec::new(),
        alone: None,
        whole_systems: Vec::new(),
        phases,
        interrupted: channels_interrupted,
        channels_interrupted,
        only_closed: ending == Ending::AtOnce,
        started_unix_s: started.as_secs(),
        began_unix_ms,
        rss_before_bytes,
        peak_rss_bytes,
        taken,
    })
}

/// Runs the baseline, if one is to be run.
fn add_baseline(
    measured: &mut Measured,
    plan: &Plan,
    live: &Live,
    stop: &AtomicBool,
) -> Result<(), RunError> {
    let (begin, cpu_before) = (Instant::now(), process_cpu_ns());
    let mut sampling = plan.baseline(&measured.outcome);
    measured.direct = baseline(plan, &sampling, live, stop)?;
    if measured.direct.is_some() {
        let cpu_ns = process_cpu_ns() - cpu_before;
        let phase = phase("baseline", begin.elapsed(), cpu_ns);
        measured.phases.push(phase);
    }
    for (name, means) in &plan.arms {
        sampling.means = *means;
        let arm = baseline(plan, &sampling, live, stop)?;
        measured.arms.extend(arm.map(|arm| (name.clone(), arm)));
    }
    if let Some(chain) = &measured.outcome.ended.chain {
        let (begin, cpu_before) = (Instant::now(), process_cpu_ns());
        measured.alone = pipeline::layer_1_alone(&plan.config, &*plan.workload, chain, stop)?;
        if measured.alone.is_some() {
            let cpu_ns = process_cpu_ns() - cpu_before;
            let phase = phase("layer 1 alone", begin.elapsed(), cpu_ns);
            measured.phases.push(phase);
        }
        let (begin, cpu_before) = (Instant::now(), process_cpu_ns());
        measured.whole_systems = pipeline::whole_systems(&plan.config, stop);
        if !measured.whole_systems.is_empty() {
            let cpu_ns = process_cpu_ns() - cpu_before;
            let phase = phase("whole systems", begin.elapsed(), cpu_ns);
            measured.phases.push(phase);
        }
    }
    measured.interrupted = stop.load(Ordering::Relaxed);
    Ok(())
}

/// A part of the channels' phase, in which nothing was paid.
fn part_of_channels(name: &str, part: pipeline::Timing) -> Phase {
    Phase {
        name: name.to_owned(),
        wall_s: part.wall.as_secs_f64(),
        cpu_s: part.cpu_ns as f64 / 1e9,
        sessions: Some(part.sessions),
    }
}

fn since_1970() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}

/// Waits until a run shall start, or a stop.
fn wait_for(start_at: Duration, quiet: bool, stop: &AtomicBool) {
    let left = start_at.saturating_sub(since_1970());
    let late = since_1970().saturating_sub(start_at);
    if quiet {
    } else if late >= Duration::from_secs(1) {
        let late = human::seconds(late.as_secs_f64());
        say(format_args!(
            "--start-at {}: that was {late} ago; it starts now",
            start_at.as_secs()
        ));
    } else if left >= Duration::from_secs(1) {
        say(format_args!(
            "it starts in {}",
            human::seconds(left.as_secs_f64())
        ));
    }
    while since_1970() < start_at && !stop.load(Ordering::Relaxed) {
        let left = start_at.saturating_sub(since_1970());
        std::thread::sleep(left.min(Duration::from_millis(20)));
    }
}

/// Runs the channels; with the time at which their figures began, in milliseconds since 1970.
fn channels(
    plan: &Plan,
    live: &Live,
    series: &mut Series,
    stop: &AtomicBool,
) -> Result<(Outcome, u64), RunError> {
    let asked = &plan.description;
    let total = asked.payments_per_session.saturating_mul(asked.sessions);
    let expected = match (plan.config.duration, plan.description.offered_per_s) {
        (Some(duration), Some(rate)) => total.min((duration.as_secs_f64() * rate) as u64),
        _ => total,
    };
    let is_planned = plan.config.duration.is_none() || plan.description.offered_per_s.is_some();
    let mut shown = live.channels(expected, plan.config.duration, is_planned);
    let mut began = None;
    let observe = |snapshot: &pipeline::Snapshot| {
        began.get_or_insert_with(|| since_1970().saturating_sub(snapshot.elapsed));
        series.observe(snapshot);
        let beside = if snapshot.payments == 0 {
            "opening channels"
        } else if stop.load(Ordering::Relaxed) {
            "stopping: closing what is open"
        } else {
            ""
        };
        shown.at(snapshot, beside);
    };
    let (config, workload) = (&plan.config, &*plan.workload);
    let outcome = match &plan.machines {
        None => pipeline::run(config, workload, stop, observe),
        Some(machines) => pipeline::run_together(machines, config, workload, stop, observe),
    };
    shown.clear();
    let began = began.unwrap_or_else(since_1970);
    Ok((outcome?, began.as_millis() as u64))
}

fn baseline(
    plan: &Plan,
    sampling: &Sampling,
    live: &Live,
    stop: &AtomicBool,
) -> Result<Option<DirectOutcome>, RunError> {
    let sessions = &sampling.sessions;
    if sessions.is_empty() || stop.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let workload = &*plan.workload;
    let total = sessions
        .iter()
        .map(|session| {
            workload
                .session(*session)
                .payments
                .min(sampling.first_payments)
        })
        .sum();
    let shown = live.baseline(total);
    let direct = pipeline::run_direct(&plan.config, workload, sampling, stop, |payments| {
        shown.at(payments);
    })?;
    shown.clear();
    Ok((direct.payments > 0).then_some(direct))
}

/// Writes the run file and prints what was asked for: either one if the other fails.
fn publish(plan: &Plan, args: &RunArgs, file: &RunFile) -> Result<(), Exit> {
    let json = file.to_json();
    let mut published = Ok(());
    if let Some(Err(error)) = plan.out.as_ref().map(|out| write_text(out, &json)) {
        complain(&error);
        published = Err(Exit::MachineFault);
    }
    let text = match (args.json, args.quiet) {
        (true, _) => json,
        (false, true) => return published,
        (false, false) => summary(file),
    };
    print(&text).and(published)
}
