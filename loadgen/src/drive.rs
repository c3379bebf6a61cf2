//! Runs a plan: channels first, then the baseline, then the verdict and the run file.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use duet_engine::pipeline::{self, DirectOutcome, Outcome, RunError, Sampling, process_cpu_ns};
use duet_run_file::run_file::{Phase, RunFile};
use duet_run_file::summary::summary;
use duet_terminal::exit::Exit;
use duet_terminal::human;

use crate::cli::RunArgs;
use crate::machine::{self, CpuTicks};
use crate::plan::error::PlanError;
use crate::plan::{Plan, Stored};
use crate::record::{Measured, phase, record};
use crate::series::Series;
use duet_terminal::output::{OutputError, write_atomically};
use duet_terminal::progress::Bar;
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
    let plan = plan.and_then(|mut plan| {
        plan.hold(args, words)?;
        Ok(plan)
    });
    let mut plan = match plan {
        Ok(plan) => plan,
        Err(error) => {
            complain(&error);
            return error.exit();
        }
    };
    if !args.quiet {
        plan.notes.iter().for_each(say);
    }
    let goes_on = (plan.config.log.as_ref()).is_some_and(|log| log.must_exist);
    if let Some(start_at) = args.start_at.filter(|_| !goes_on) {
        wait_for(Duration::from_secs(start_at), args.quiet, stop);
    }
    let mut measured = measure(&plan, args.quiet, command.clone(), stop, ending);
    if let (Err(error @ RunError::NotBegun), Ending::AsPlanned) = (&measured, ending) {
        if !args.quiet {
            say(format_args!("{error}; it begins now"));
        }
        plan = plan.begun_if_need_be();
        measured = measure(&plan, args.quiet, command, stop, ending);
    }
    let file = match measured {
        Ok(file) => file,
        Err(error) => {
            complain(&error);
            return exit_of(&error);
        }
    };
    if let Err(exit) = publish(&plan, args, &file) {
        return exit;
    }
    match (file.achieved.valid, file.achieved.interrupted) {
        // Nothing to judge yet.
        (false, true) if file.achieved.payments == 0 => Exit::Interrupted,
        (false, _) => Exit::Invalid,
        (true, true) => Exit::Interrupted,
        (true, false) => Exit::Ok,
    }
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
        // Nothing is lost, and nothing is left to be done.
        RunError::NotBegun => Exit::Ok,
        RunError::Log(_) | RunError::Audit(_) | RunError::File { .. } | RunError::Thread(_) => {
            Exit::MachineFault
        }
        RunError::Stopped { .. } => Exit::Invalid,
    }
}

fn measure(
    plan: &Plan,
    quiet: bool,
    command: Vec<String>,
    stop: &AtomicBool,
    ending: Ending,
) -> Result<RunFile, RunError> {
    let started = since_1970();
    machine::await_quiet();
    let rss_before_bytes = machine::rss_bytes();
    let (begin, cpu_before) = (Instant::now(), process_cpu_ns());
    let ticks_before = CpuTicks::now();
    let mut series = Series::new();
    let (outcome, began_unix_ms) = match ending {
        Ending::AsPlanned => channels(plan, quiet, &mut series, stop),
        Ending::AtOnce => channels(plan, quiet, &mut series, &AtomicBool::new(true)),
    }?;
    let channels_interrupted = stop.load(Ordering::Relaxed);
    let peak_rss_bytes = machine::peak_rss_bytes();
    let all_ns = process_cpu_ns() - cpu_before;
    let wall_s = begin.elapsed().as_secs_f64();
    let taken = ticks_before
        .zip(CpuTicks::now())
        .and_then(|(before, now)| now.taken_since(before, wall_s, all_ns as f64 / 1e9));
    let mut phases = vec![
        phase(
            "set-up",
            begin.elapsed().saturating_sub(outcome.wall),
            all_ns - outcome.cpu_ns,
        ),
        phase("channels", outcome.wall, outcome.cpu_ns),
    ];
    for (name, part) in [("opening", outcome.opening), ("closing", outcome.closing)] {
        if part.sessions > 0 {
            phases.push(part_of_channels(name, part));
        }
    }
    let (begin, cpu_before) = (Instant::now(), process_cpu_ns());
    let direct = baseline(plan, &plan.baseline(&outcome), quiet, stop)?;
    if direct.is_some() {
        phases.push(phase(
            "baseline",
            begin.elapsed(),
            process_cpu_ns() - cpu_before,
        ));
    }
    let interrupted = stop.load(Ordering::Relaxed);
    // Of intervals that wait to be filled, the last ones are proposed all at once.
    let is_steady = plan.config.cosign_after.is_none();
    let steady_payments_per_s = series.steady_payments_per_s(outcome.payments_measured);
    let measured = Measured {
        steady_payments_per_s: steady_payments_per_s.filter(|_| is_steady),
        series: series.into_samples(),
        outcome,
        direct,
        phases,
        interrupted,
        channels_interrupted,
        only_closed: ending == Ending::AtOnce,
        started_unix_s: started.as_secs(),
        began_unix_ms,
        rss_before_bytes,
        peak_rss_bytes,
        taken,
    };
    Ok(record(plan, command, measured))
}

/// A part of the channels' phase, in which nothing was paid.
fn part_of_channels(name: &str, part: pipeline::Phase) -> Phase {
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
    quiet: bool,
    series: &mut Series,
    stop: &AtomicBool,
) -> Result<(Outcome, u64), RunError> {
    let sessions = plan.workload.sessions();
    let total = plan
        .description
        .payments_per_session
        .saturating_mul(sessions);
    let expected = match (plan.config.duration, plan.description.offered_per_s) {
        (Some(duration), Some(rate)) => total.min((duration.as_secs_f64() * rate) as u64),
        _ => total,
    };
    let bar = Bar::new("channels", expected, plan.config.duration, quiet);
    let mut began = None;
    let outcome = pipeline::run(&plan.config, &*plan.workload, stop, |snapshot| {
        began.get_or_insert_with(|| since_1970().saturating_sub(snapshot.elapsed));
        series.observe(snapshot);
        let beside = if snapshot.payments == 0 {
            "opening channels"
        } else if stop.load(Ordering::Relaxed) {
            "stopping: closing what is open"
        } else {
            ""
        };
        bar.at(snapshot.payments, beside);
    });
    bar.clear();
    let began = began.unwrap_or_else(since_1970);
    Ok((outcome?, began.as_millis() as u64))
}

fn baseline(
    plan: &Plan,
    sampling: &Sampling,
    quiet: bool,
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
    let bar = Bar::new("baseline", total, None, quiet);
    let direct = pipeline::run_direct(&plan.config, workload, sampling, stop, |payments| {
        bar.at(payments, "");
    })?;
    bar.clear();
    Ok((direct.payments > 0).then_some(direct))
}

/// Writes the run file and prints what was asked for: either one if the other fails.
fn publish(plan: &Plan, args: &RunArgs, file: &RunFile) -> Result<(), Exit> {
    let json = file.to_json();
    let mut published = Ok(());
    if let Some(out) = &plan.out {
        let written: Result<(), OutputError> = write_atomically(out, |target| {
            target
                .write_all(json.as_bytes())
                .map_err(|source| OutputError::Failed {
                    path: out.clone(),
                    source,
                })
        });
        if let Err(error) = written {
            complain(&error);
            published = Err(Exit::MachineFault);
        }
    }
    let text = match (args.json, args.quiet) {
        (true, _) => json,
        (false, true) => return published,
        (false, false) => summary(file),
    };
    print(&text).and(published)
}
