//! `recover`: reads the log of a durable run that was interrupted. Checks it, goes on, or closes
//! what is open; knows the run from how it was asked for.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Parser;
use duet_engine::crypto::BackendChoice;
use duet_engine::pipeline::{self, ChannelFound, Inspection, RunError, Workload};
use duet_terminal::exit::Exit;
use duet_terminal::human;
use duet_terminal::input::{self, Limit, Reading};
use duet_terminal::layout::clean;
use duet_terminal::paths::Paths;
use serde::Serialize;

use crate::cli::{Cli, Command, RecoverArgs, RunArgs};
use crate::drive::{Ending, exit_of, resume};
use crate::plan::error::PlanError;
use crate::plan::{Plan, Stored};
use duet_terminal::say::{complain, print};

/// What a recovery found, as JSON.
#[derive(Debug, Default, Serialize)]
struct Found {
    /// Whether anything of the run stands. If not, it was interrupted before, and nothing is lost.
    begun: bool,
    /// Channels open on Layer 1.
    channels_open: u64,
    /// Sessions closed on Layer 1.
    sessions_closed: u64,
    /// Payments in the newest states that the payees have signed, closed sessions not counted.
    payments_open: u64,
    /// Layer 1's height and tip; no tip if the run has not begun.
    height: u64,
    tip: Option<String>,
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
    /// Of these, closed on Layer 1 since. The log of a channel ends when it closes: each of them is
    /// compared with what was planned, and all of them with the sum of what was settled.
    closed: u64,
    /// Payments that were acknowledged of these, and payments that they were settled with, at most.
    closed_acknowledged: u64,
    closed_settled: u64,
    /// Closed channels that the file does not name. What they were settled with is their plan, or,
    /// if sessions were cut short, not known: then it is among the above.
    closed_unnamed: u64,
    /// Channels that are not there, or at a lower version: lost.
    lost: Vec<String>,
}

/// A file of acknowledgements has 86 bytes a line at most. The longest that a run could write,
/// 10^10 payments each acknowledged alone, has 10^12; a pipe need not end.
const ACKNOWLEDGEMENTS: Limit = Limit {
    bytes: 1 << 40,
    kind: "a file of acknowledgements",
};
/// A channel, a space, a version and the line's end.
const MOST_LINE_BYTES: u64 = 64 + 1 + 20 + 1;
/// Channels that are not there, after which no more are looked for: they are held in memory.
const MOST_MISSING: usize = 1 << 20;

/// Does what was asked; `stop` ends it early, cleanly.
pub fn recover(args: &RecoverArgs, command: Vec<String>, stop: &AtomicBool) -> Exit {
    if let Err(problem) = outputs_apart(args) {
        complain(problem);
        return Exit::BadInput;
    }
    let run = match asked_for(args) {
        Ok(run) => run,
        Err(error) => {
            complain(&error);
            return error.exit();
        }
    };
    if let (Some((RunArgs { trace: None, .. }, _)), Some(trace)) = (&run, &args.trace) {
        complain(format_args!(
            "--trace {}: the run in '{}' replays none",
            trace.display(),
            args.directory.display()
        ));
        return Exit::BadInput;
    }
    match (&run, args.close, args.go_on) {
        (Some((run, stored)), true, _) => resume((run, stored), command, stop, Ending::AtOnce),
        (Some((run, stored)), _, true) => resume((run, stored), command, stop, Ending::AsPlanned),
        (None, true, _) => {
            complain(RunError::NotBegun);
            exit_of(&RunError::NotBegun)
        }
        (None, _, true) => {
            complain(format_args!(
                "{}, and '{}' does not say how it was asked for: expected the command of the run",
                RunError::NotBegun,
                args.directory.display()
            ));
            Exit::BadInput
        }
        (run, false, false) => match check(args, run.as_ref(), stop) {
            Ok(found) => report(args, &found),
            Err(exit) => exit,
        },
    }
}

/// Whether the run file is none of what is read.
fn outputs_apart(args: &RecoverArgs) -> Result<(), String> {
    Paths::default()
        .writes("--out", args.out.as_deref())
        .owns("DIR", Some(&args.directory))
        .reads("--trace", args.trace.as_deref())
        .reads("--check-acks", args.check_acks.as_deref())
        .check()
}

/// A run, with this directory and this command's outputs, and what is stored of it; none if that
/// was not written down yet.
fn asked_for(args: &RecoverArgs) -> Result<Option<(RunArgs, Stored)>, PlanError> {
    let Some(stored) = Stored::read(&args.directory)? else {
        return Ok(None);
    };
    let run = match Cli::try_parse_from(&stored.command) {
        Ok(Cli {
            command: Some(Command::Run(run)),
            ..
        }) => *run,
        Ok(Cli { command: None, run }) => run,
        Ok(_) | Err(_) => {
            return Err(PlanError::Stored(format!(
                "'{}' holds the log of another command than a run: {}",
                args.directory.display(),
                stored.command.join(" ")
            )));
        }
    };
    let trace = [&args.trace, &stored.trace, &run.trace];
    let run = RunArgs {
        // The path that was given may have been relative to another directory.
        trace: (run.trace.is_some() || stored.replays())
            .then(|| trace.into_iter().flatten().next().cloned())
            .flatten(),
        // Every back end makes the same signatures; this machine may lack the one that was asked
        // for.
        backend: BackendChoice::Auto,
        log_dir: Some(args.directory.clone()),
        ack_file: None,
        out: args.out.clone(),
        json: args.json,
        quiet: args.quiet,
        metrics: None,
        ..run
    };
    Ok(Some((run, stored)))
}

fn check(
    args: &RecoverArgs,
    run: Option<&(RunArgs, Stored)>,
    stop: &AtomicBool,
) -> Result<Found, Exit> {
    let plan = run.map(|(run, stored)| Plan::of(run, Some(stored)).map(Plan::resumed));
    let plan = plan.transpose().map_err(|error| {
        let error = error.of_a_stored_run(&args.directory);
        complain(&error);
        error.exit()
    })?;
    let started = Instant::now();
    let inspection = match &plan {
        None => None,
        Some(plan) => match pipeline::inspect(&plan.config, &*plan.workload) {
            Ok(inspection) => Some(inspection),
            Err(RunError::NotBegun) => None,
            Err(error) => {
                complain(&error);
                return Err(exit_of(&error));
            }
        },
    };
    let seconds = started.elapsed().as_secs_f64();
    if stop.load(Ordering::Relaxed) {
        return Err(Exit::Interrupted);
    }
    let workload = plan.as_ref().map(|plan| &*plan.workload);
    let there = inspection.as_ref().zip(workload);
    let acknowledgements = match &args.check_acks {
        None => None,
        Some(file) => Some(compare(file, there).map_err(|problem| {
            complain(problem);
            Exit::BadInput
        })?),
    };
    let Some(inspection) = inspection else {
        return Ok(Found {
            acknowledgements,
            seconds,
            ..Found::default()
        });
    };
    let open = inspection.channels.iter().filter_map(|found| found.open);
    Ok(Found {
        begun: true,
        channels_open: open.clone().count() as u64,
        sessions_closed: inspection.sessions_closed,
        payments_open: open.map(|open| open.signed.a.min(open.signed.b)).sum(),
        height: inspection.height,
        tip: Some(inspection.tip.to_string()),
        cut: inspection.cut,
        seconds,
        acknowledgements,
    })
}

/// Whether every channel in the file is there, at its newest version or higher. Where the run has
/// not begun, none is.
fn compare(
    path: &Path,
    there: Option<(&Inspection, &dyn Workload)>,
) -> Result<Acknowledgements, String> {
    let broken = |error: &dyn std::fmt::Display| format!("'{}': {error}", path.display());
    let _reading = Reading::begin().map_err(|error| broken(&error))?;
    let file = input::open(path).map_err(|error| broken(&error))?;
    compare_lines(BufReader::new(file), ACKNOWLEDGEMENTS, there).map_err(|error| broken(&error))
}

fn compare_lines(
    mut source: impl BufRead,
    limit: Limit,
    there: Option<(&Inspection, &dyn Workload)>,
) -> io::Result<Acknowledgements> {
    let channels = there.map_or(&[][..], |(inspection, _)| &inspection.channels);
    let places: HashMap<String, usize> = (channels.iter().zip(0..))
        .map(|(found, place)| (found.channel.0.to_string(), place))
        .collect();
    let mut newest: Vec<Option<u64>> = vec![None; channels.len()];
    let mut missing: BTreeMap<String, u64> = BTreeMap::new();
    let mut found = Acknowledgements::default();
    let (mut line, mut bytes) = (Vec::new(), 0);
    while missing.len() < MOST_MISSING {
        line.clear();
        (&mut source)
            .take(MOST_LINE_BYTES)
            .read_until(b'\n', &mut line)?;
        bytes += line.len() as u64;
        if bytes > limit.bytes {
            return Err(limit.exceeded());
        }
        let Some((channel, version)) = acknowledgement(&line, found.lines)? else {
            break;
        };
        found.lines += 1;
        let known = match places.get(channel) {
            Some(&place) => newest[place].get_or_insert(version),
            None => missing.entry(channel.to_owned()).or_insert(version),
        };
        *known = version.max(*known);
    }
    let acknowledged = newest.iter().filter(|newest| newest.is_some()).count();
    found.channels = (acknowledged + missing.len()) as u64;
    for (channel, version) in missing {
        found.lost.push(format!(
            "{channel}: version {version} was acknowledged, found no channel"
        ));
    }
    if let Some((inspection, workload)) = there {
        found.closed_settled = inspection.settled;
        for (channel, version) in inspection.channels.iter().zip(newest) {
            match version {
                Some(version) => found.judge(channel, version, workload),
                None if channel.open.is_none() => {
                    found.closed_unnamed += 1;
                    if inspection.settled_in_full {
                        let planned = workload.session(channel.session).payments;
                        found.closed_settled = found.closed_settled.saturating_sub(planned);
                    }
                }
                None => {}
            }
        }
        if found.closed_acknowledged > found.closed_settled {
            found.lost.push(format!(
                "{} that are closed: {} payments were acknowledged, and settled {}",
                human::counted(found.closed, "channel"),
                found.closed_acknowledged,
                found.closed_settled
            ));
        }
    }
    found.lost.sort();
    Ok(found)
}

/// The channel and the version in a line; none at the end.
fn acknowledgement(line: &[u8], before: u64) -> io::Result<Option<(&str, u64)>> {
    let refused = || {
        io::Error::other(format!(
            "line {}: '{}', expected a channel and a version",
            before + 1,
            String::from_utf8_lossy(line).trim_end()
        ))
    };
    let Some(whole) = line.strip_suffix(b"\n") else {
        // The process may have ended in the midst of its last line.
        return match line.len() as u64 == MOST_LINE_BYTES {
            true => Err(refused()),
            false => Ok(None),
        };
    };
    let read = str::from_utf8(whole).ok().and_then(|whole| {
        let (channel, version) = whole.split_once(' ')?;
        Some((channel, version.parse().ok()?))
    });
    read.map(Some).ok_or_else(refused)
}

impl Acknowledgements {
    /// Compares what was acknowledged of a channel with what is there.
    fn judge(&mut self, found: &ChannelFound, version: u64, workload: &dyn Workload) {
        let channel = found.channel.0;
        match found.open {
            None if version <= workload.session(found.session).payments => {
                self.closed += 1;
                self.closed_acknowledged += version;
            }
            None => self.lost.push(format!(
                "{channel}: version {version} was acknowledged, more than its session has payments"
            )),
            Some(open) if open.signed.a.min(open.signed.b) >= version => {}
            Some(open) => self.lost.push(format!(
                "{channel}: version {version} was acknowledged, found {} and {}",
                open.signed.a, open.signed.b
            )),
        }
    }
}

fn report(args: &RecoverArgs, found: &Found) -> Exit {
    let lost = (found.acknowledgements.as_ref()).map_or(&[][..], |of| &of.lost);
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
        Ok(()) => match lost {
            [] => Exit::Ok,
            [first, more @ ..] => {
                let more = match more.len() {
                    0 => String::new(),
                    more => format!("; and {more} more"),
                };
                complain(format!("what was acknowledged is not there: {first}{more}"));
                Exit::StoredDataRefused
            }
        },
    }
}

fn text(found: &Found) -> String {
    let mut text = if !found.begun {
        format!("{}\n", RunError::NotBegun)
    } else {
        format!(
            "in order: {} open, {} closed, Layer 1 at height {};\n\
             read and verified in {}\n",
            human::counted(found.channels_open, "channel"),
            human::counted(found.sessions_closed, "session"),
            human::count(found.height),
            human::seconds(found.seconds),
        )
    };
    for cut in &found.cut {
        text += &format!("cut: {}\n", clean(cut));
    }
    if let Some(acknowledged) = &found.acknowledgements {
        text += &format!(
            "acknowledged: {} in {}, {} found lost\n",
            human::counted(acknowledged.channels, "channel"),
            human::counted(acknowledged.lines, "line"),
            acknowledged.lost.len(),
        );
        for lost in acknowledged.lost.iter().take(10) {
            text += &format!("  {}\n", clean(lost));
        }
        if acknowledged.closed > 0 {
            text += &format!(
                "{} of them closed since, which can only be compared in sum: {} payments \
                 acknowledged, {}{} settled\n",
                human::count(acknowledged.closed),
                human::count(acknowledged.closed_acknowledged),
                if acknowledged.closed_unnamed > 0 {
                    "at most "
                } else {
                    ""
                },
                human::count(acknowledged.closed_settled),
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(text: &str, bytes: u64) -> Result<Acknowledgements, String> {
        let limit = Limit {
            bytes,
            ..ACKNOWLEDGEMENTS
        };
        compare_lines(text.as_bytes(), limit, None).map_err(|error| error.to_string())
    }

    #[test]
    fn acknowledgements_are_read_line_by_line() {
        let (one, other) = ("a".repeat(64), "b".repeat(64));
        // Lines, and how many of them and of channels there are, or what is wrong.
        type Row = (String, Result<(u64, u64), &'static str>);
        let table: [Row; 7] = [
            (String::new(), Ok((0, 0))),
            (format!("{one} 1\n{other} 2\n{one} 7\n"), Ok((3, 2))),
            // The last one is torn.
            (format!("{one} 1\n{other} "), Ok((1, 1))),
            (format!("{one} {}", u64::MAX), Ok((0, 0))),
            (format!("{one} 1\n\n"), Err("line 2: ''")),
            (format!("{one} -1\n"), Err("line 1: 'aaaa")),
            ("x".repeat(1000), Err("line 1: 'xxxx")),
        ];
        for (text, expected) in table {
            let found = compared(&text, 10_000);
            match expected {
                Ok(counts) => {
                    let found = found.unwrap();
                    assert_eq!((found.lines, found.channels), counts, "{text}");
                    assert_eq!(found.lost.len() as u64, counts.1, "nothing is there");
                }
                Err(words) => {
                    let error = found.unwrap_err();
                    assert!(error.starts_with(words), "{error}");
                    assert!(error.len() < 200, "{error}");
                }
            }
        }
        let all = format!("{one} 1\n").repeat(100);
        assert_eq!(compared(&all, 6700).unwrap().lines, 100);
        let error = compared(&all, 6699).unwrap_err();
        assert!(error.starts_with("it is longer than 6699 bytes"), "{error}");
    }
}
