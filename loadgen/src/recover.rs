//! `recover`: reads the log of a durable run that was interrupted. Checks it, goes on, or closes what
//! is open; knows the run from how it was asked for.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Parser;
use duet_engine::pipeline::{self, ChannelFound, Inspection, Workload};
use duet_reports::exit::Exit;
use duet_reports::human;
use serde::Serialize;

use crate::cli::{Cli, Command, RecoverArgs, RunArgs};
use crate::drive::{Ending, complain, exit_of, print, resume};
use crate::plan::{Plan, read_command};

/// What a recovery found, as JSON.
#[derive(Debug, Serialize)]
struct Found {
    /// Channels open on Layer 1.
    channels_open: u64,
    /// Sessions closed on Layer 1.
    sessions_closed: u64,
    /// Payments in the newest states that the payees have signed, closed sessions not counted.
    payments_open: u64,
    /// Layer 1's height and tip.
    height: u64,
    tip: String,
    /// Torn tails: commits that were interrupted, and never acknowledged.
    cut: Vec<String>,
    /// From opening the log to the last signature verified.
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledgements: Option<Acknowledgements>,
}

/// How what was acknowledged compares with what is there.
#[derive(Debug, Default, Serialize)]
struct Acknowledgements {
    /// Lines read: channels and versions.
    lines: u64,
    /// Channels among them.
    channels: u64,
    /// Of these, closed on Layer 1 since: compared with what was planned, since the log of an open
    /// channel ends when it closes. What it was closed at is in Layer 1's blocks.
    closed: u64,
    /// Channels that are not there, or at a lower version: lost.
    lost: Vec<String>,
}

/// Does what was asked; `stop` ends it early, cleanly.
pub fn recover(args: &RecoverArgs, command: Vec<String>, stop: &AtomicBool) -> Exit {
    let run = match asked_for(args) {
        Ok(run) => run,
        Err(problem) => {
            complain(problem);
            return Exit::StoredDataRefused;
        }
    };
    if args.go_on || args.close {
        let ending = if args.close {
            Ending::AtOnce
        } else {
            Ending::AsPlanned
        };
        return resume(&run, command, stop, ending);
    }
    match check(args, &run) {
        Ok(found) => report(args, &found),
        Err(exit) => exit,
    }
}

/// How the run was asked for, but with this directory, and this command's outputs.
fn asked_for(args: &RecoverArgs) -> Result<RunArgs, String> {
    let words = read_command(&args.directory)?;
    let run = match Cli::try_parse_from(&words) {
        Ok(Cli {
            command: Some(Command::Run(run)),
            ..
        }) => *run,
        Ok(Cli { command: None, run }) => run,
        Ok(_) | Err(_) => {
            return Err(format!(
                "'{}' holds the log of another command than a run: {}",
                args.directory.display(),
                words.join(" ")
            ));
        }
    };
    Ok(RunArgs {
        log_dir: Some(args.directory.clone()),
        ack_file: None,
        out: args.out.clone(),
        json: args.json,
        quiet: args.quiet,
        ..run
    })
}

fn check(args: &RecoverArgs, run: &RunArgs) -> Result<Found, Exit> {
    let plan = Plan::new(run).map(Plan::resumed).map_err(|error| {
        complain(&error);
        Exit::BadInput
    })?;
    let started = Instant::now();
    let inspection = pipeline::inspect(&plan.config, &*plan.workload).map_err(|error| {
        complain(&error);
        exit_of(&error)
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let acknowledgements = match &args.check_acks {
        None => None,
        Some(file) => Some(
            compare(file, &inspection, &*plan.workload).map_err(|problem| {
                complain(problem);
                Exit::BadInput
            })?,
        ),
    };
    let open = inspection.channels.iter().filter_map(|found| found.open);
    Ok(Found {
        channels_open: open.clone().count() as u64,
        sessions_closed: inspection.sessions_closed,
        payments_open: open.map(|open| open.signed.a.min(open.signed.b)).sum(),
        height: inspection.height,
        tip: inspection.tip.to_string(),
        cut: inspection.cut,
        seconds,
        acknowledgements,
    })
}

/// Whether every channel in the file is there, at its newest version or higher.
fn compare(
    path: &Path,
    inspection: &Inspection,
    workload: &dyn Workload,
) -> Result<Acknowledgements, String> {
    let broken = |error: &dyn std::fmt::Display| format!("'{}': {error}", path.display());
    let mut lines = BufReader::new(File::open(path).map_err(|error| broken(&error))?);
    let mut newest: HashMap<String, u64> = HashMap::new();
    let mut found = Acknowledgements::default();
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line).map_err(|error| broken(&error))? == 0 {
            break;
        }
        // The process may have ended in the midst of its last line.
        let Some(whole) = line.strip_suffix('\n') else {
            break;
        };
        let read = whole.split_once(' ');
        let read = read.and_then(|(channel, version)| Some((channel, version.parse().ok()?)));
        let Some((channel, version)) = read else {
            return Err(broken(&format!(
                "line {}: '{whole}', expected a channel and a version",
                found.lines + 1
            )));
        };
        found.lines += 1;
        let known = newest.entry(channel.to_owned()).or_insert(version);
        *known = version.max(*known);
    }
    found.channels = newest.len() as u64;
    let there: HashMap<String, &ChannelFound> = inspection
        .channels
        .iter()
        .map(|found| (found.channel.0.to_string(), found))
        .collect();
    for (channel, version) in newest {
        match there.get(&channel).map(|found| (found.session, found.open)) {
            Some((session, None)) if version <= workload.session(session).payments => {
                found.closed += 1;
            }
            Some((_, None)) => found.lost.push(format!(
                "{channel}: version {version} was acknowledged, more than its session has payments"
            )),
            Some((_, Some(open))) if open.signed.a.min(open.signed.b) >= version => {}
            Some((_, Some(open))) => found.lost.push(format!(
                "{channel}: version {version} was acknowledged, found {} and {}",
                open.signed.a, open.signed.b
            )),
            None => found.lost.push(format!(
                "{channel}: version {version} was acknowledged, found no channel"
            )),
        }
    }
    found.lost.sort();
    Ok(found)
}

fn report(args: &RecoverArgs, found: &Found) -> Exit {
    let lost = found
        .acknowledgements
        .as_ref()
        .map_or(0, |acknowledgements| acknowledgements.lost.len());
    let printed = if args.json {
        let json = serde_json::to_string_pretty(found).expect("writing to memory cannot fail");
        print(&format!("{json}\n"))
    } else if args.quiet {
        Ok(())
    } else {
        print(&text(found))
    };
    match printed {
        Err(exit) => exit,
        Ok(()) if lost > 0 => {
            complain(format!(
                "{lost} channels are not there as they were acknowledged"
            ));
            Exit::StoredDataRefused
        }
        Ok(()) => Exit::Ok,
    }
}

fn text(found: &Found) -> String {
    let mut text = format!(
        "in order: {} open, {} closed, Layer 1 at height {}; read and verified in {}\n",
        human::counted(found.channels_open, "channel"),
        human::counted(found.sessions_closed, "session"),
        human::count(found.height),
        human::seconds(found.seconds),
    );
    for cut in &found.cut {
        text += &format!("cut: {cut}\n");
    }
    if let Some(acknowledged) = &found.acknowledgements {
        text += &format!(
            "acknowledged: {} in {}, {} of them closed since, {} lost\n",
            human::counted(acknowledged.channels, "channel"),
            human::counted(acknowledged.lines, "line"),
            human::count(acknowledged.closed),
            acknowledged.lost.len(),
        );
        for lost in acknowledged.lost.iter().take(10) {
            text += &format!("  {lost}\n");
        }
    }
    text
}
