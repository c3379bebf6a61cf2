//! `sweep`: runs over a grid of rates, channels, cores and settings, each kept in a file as it
//! ends. A sweep that was stopped goes on where it was; nothing that was measured is ever
//! overwritten.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use duet_run_file::measured::busy;
use duet_run_file::sweep::{self, Calibration, LIMIT, Line, Sweep};
use duet_terminal::exit::Exit;
use duet_terminal::human;
use duet_terminal::layout::{flow, sentence};
use duet_terminal::lines::Lines;
use duet_terminal::output::open_alone;
use duet_terminal::paths::Paths;

use super::args::SweepArgs;
use super::grid::{Axes, Cell, Load, Values, order, rounds_first};
use super::preset::{Cost, Estimate, PLAN_PROMISE, PLAN_TRIAL, Preset, calibrated, plan_cells};
use super::{Runner, TrialError, check_options, check_run, duration_option, is_durable};
use crate::file_system::FileSystem;
use crate::machine;
use duet_terminal::progress::Steps;
use duet_terminal::say::{complain, print, say};
use duet_terminal::threads;

const TRIAL: Duration = Duration::from_secs(5);
const REPEATS: u32 = 2;
const SHORTEST: Duration = Duration::from_millis(200);
const MOST_REPEATS: u32 = 1000;
/// How a preset is calibrated: two runs of this length, of so many channels. With library code both
/// take two seconds or so.
const CALIBRATION: Duration = SHORTEST;
const CALIBRATION_CHANNELS: [u64; 2] = [100, 2_000];
/// Digits of a rate that is a share of what was measured: enough, and the same on a restart.
const RATE_DIGITS: i32 = 3;

/// Sweeps as asked; `stop` ends it early. Gives the exit code.
pub fn sweep(args: &SweepArgs, stop: &AtomicBool) -> Exit {
    match go(args, stop) {
        Ok(exit) => exit,
        Err(error) => {
            complain(&error);
            error.exit()
        }
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "one sweep, from its options to its last line"
)]
fn go(args: &SweepArgs, stop: &AtomicBool) -> Result<Exit, TrialError> {
    let settings = settings(args)?;
    let trial = args.trial.unwrap_or(match args.preset {
        Some(Preset::Plan) => PLAN_TRIAL,
        None => TRIAL,
    });
    // Options are judged before anything runs; what the machine can do is known only then.
    let assumed = args
        .preset
        .map(|Preset::Plan| calibration(args, &settings, Cost::ASSUMED, trial));
    let (runs, repeats) = planned(args, &settings, assumed);
    check(args, trial, repeats, &runs)?;
    if args.list {
        if args.preset.is_some() && !args.quiet {
            say("a machine that opens and closes channels slowly makes fewer of these");
        }
        for (cell, repeat) in &runs {
            let text = format!("{cell}  (run {} of {repeats})\n", repeat + 1);
            if let Err(exit) = print(&text) {
                return Ok(exit);
            }
        }
        return Ok(Exit::Ok);
    }
    let (mut file, sweep) = open(&args.file, args.quiet)?;
    same_machine(&args.file, &sweep.lines)?;
    if any_durable(&runs, &args.options)? {
        same_storage(&args.file, &sweep.lines, args.log_dir.as_deref())?;
    }
    let mut lines = sweep.lines;
    let runner = Runner::new(args.log_dir.as_deref(), stop)?;
    // A sweep that goes on does not choose anew. (A file may hold sweeps of several settings.)
    let earlier = lines
        .iter()
        .filter(|line| is_of(&line.cell, &settings, args, trial))
        .find_map(|line| line.calibration);
    let calibration = match (args.preset, earlier) {
        (None, _) => None,
        (Some(Preset::Plan), Some(earlier)) => Some(Calibration {
            repeats: args.repeats.unwrap_or(earlier.repeats),
            ..earlier
        }),
        (Some(Preset::Plan), None) => {
            let cost = match calibrate(args, &settings, &runner) {
                Err(TrialError::Interrupted) => {
                    say("stopped before the first run; the same command begins again");
                    return Ok(Exit::Interrupted);
                }
                cost => cost?,
            };
            let calibration = calibration(args, &settings, cost, trial);
            if !args.quiet {
                say(sentence("", &calibration_text(&calibration)).join("\n"));
            }
            Some(calibration)
        }
    };
    let (runs, repeats) = planned(args, &settings, calibration);
    let done: HashSet<(Vec<String>, u32)> = lines
        .iter()
        .filter(|line| line.run.achieved.broken().next().is_none())
        .map(|line| (line.cell.clone(), line.repeat))
        .collect();
    let words = |cell: &Cell| -> Vec<String> {
        let fixed = args.options.iter().cloned();
        let lasts = duration_option(trial).into_iter();
        cell.words().into_iter().chain(fixed).chain(lasts).collect()
    };
    let left: Vec<(Cell, u32)> = runs
        .iter()
        .filter(|(cell, repeat)| !done.contains(&(words(cell), *repeat)))
        .cloned()
        .collect();
    let cost = calibration.map_or(Cost::ASSUMED, |found| Cost {
        run_s: found.run_s,
        channel_s: found.channel_s,
    });
    let mut estimate = Estimate::new(cost, trial);
    let left_s = |estimate: &Estimate, left: &[(Cell, u32)]| {
        estimate.left_s(left.iter().map(|(cell, _)| cell))
    };
    if !args.quiet {
        say(format_args!(
            "{} of {} runs are to be made, about {}; seed {}",
            left.len(),
            runs.len(),
            human::seconds(left_s(&estimate, &left)),
            args.seed
        ));
    }
    if !args.quiet {
        let options = left.iter().map(|(cell, _)| &*cell.options);
        runner.caution(options.chain([&*args.options]))?;
    }
    let steps = Steps::new(left.len() as u64, args.quiet);
    let (begin, mut begun) = (Instant::now(), 0);
    let (mut not_held, mut broken, mut skipped, mut put_off) = (0, 0, 0, 0);
    let mut disturbed = 0;
    for (index, (cell, repeat)) in left.iter().enumerate() {
        let (cell, repeat) = (cell.clone(), *repeat);
        let to_come = &left[index..];
        if calibration.is_some() && repeat > 0 {
            // The first run of each cell is made in any case.
            let first: f64 = estimate.left_s(
                to_come
                    .iter()
                    .filter(|(_, repeat)| *repeat == 0)
                    .map(|(cell, _)| cell),
            );
            let this = estimate.left_s(std::iter::once(&cell));
            if begin.elapsed().as_secs_f64() + first + this > PLAN_PROMISE.as_secs_f64() {
                put_off += 1;
                steps.end();
                continue;
            }
        }
        let left = Duration::from_secs_f64(left_s(&estimate, to_come));
        steps.begin(&cell, left);
        let mut options = cell.options.clone();
        options.extend(args.options.iter().cloned());
        options.extend(duration_option(trial));
        match rate(&cell, &words(&cell.closed()), rounds_first(repeats), &lines) {
            Rate::None => {}
            Rate::PerS(per_s) => options.extend(["--rate".to_owned(), per_s.to_string()]),
            Rate::Unknown => {
                skipped += 1;
                steps.above(|| {
                    complain(format_args!(
                        "{cell} is left out: no closed loop of it is VALID to take a share of"
                    ));
                });
                steps.end();
                continue;
            }
        }
        let before = Instant::now();
        let run = match runner.run(&options) {
            Err(TrialError::Interrupted) => {
                steps.clear();
                say(format_args!(
                    "{}: stopped with {} of {} runs made; the same command goes on, and takes about {}",
                    args.file.display(),
                    runs.len() - to_come.len() - skipped - put_off,
                    runs.len(),
                    human::seconds(left_s(&estimate, to_come)),
                ));
                return Ok(Exit::Interrupted);
            }
            run => run?,
        };
        estimate.took(&cell, before.elapsed().as_secs_f64());
        let reasons: Vec<String> = run.achieved.broken().cloned().collect();
        if !reasons.is_empty() {
            broken += 1;
            steps.above(|| complain(format_args!("{cell} is INVALID: {}", reasons.join("; "))));
        } else if !run.achieved.valid {
            not_held += 1;
        }
        disturbed += usize::from(busy(&run).is_some());
        let line = Line {
            cell: words(&cell),
            repeat,
            calibration,
            run,
        };
        append(&mut file, &args.file, &line)?;
        lines.push(line);
        begun += 1;
        steps.end();
    }
    steps.clear();
    if !args.quiet {
        let mut phrases = vec![format!(
            "{}: {} more in {}, {} in all",
            args.file.display(),
            human::counted(begun, "run"),
            human::seconds(begin.elapsed().as_secs_f64()),
            lines.len(),
        )];
        let of_the_new_ones = [
            (not_held, "did not hold their rate"),
            (broken, "are INVALID"),
            (skipped, "were left out, and are made by the same command"),
            (
                put_off,
                "repeats were left out to end in time, and are made by the same command",
            ),
            (
                disturbed,
                "were made while others or the host took more than 5 % of the machine: a plan may \
                 leave them out (--busy-max)",
            ),
        ];
        let of_the_new_ones = of_the_new_ones.iter().filter(|(count, _)| *count > 0);
        phrases.extend(of_the_new_ones.map(|(count, what)| format!("{count} {what}")));
        say(flow("", &phrases, ";").join("\n"));
    }
    Ok(if broken + skipped > 0 {
        Exit::Invalid
    } else {
        Exit::Ok
    })
}

/// Options of `run` that cells share, with their values.
type Settings = Vec<(&'static str, Vec<String>)>;

fn given(values: &Option<Values>) -> Vec<String> {
    values.clone().unwrap_or_default().0
}

/// What every cell is given, of a preset one value each.
fn settings(args: &SweepArgs) -> Result<Settings, TrialError> {
    let settings = vec![
        ("--cosign-every", given(&args.cosign_every)),
        ("--in-flight", given(&args.in_flight)),
        ("--backend", given(&args.backend)),
        ("--durability", given(&args.durability)),
    ];
    if args.preset == Some(Preset::Plan)
        && let Some((option, values)) = settings.iter().find(|(_, values)| values.len() > 1)
    {
        return Err(TrialError::Options(format!(
            "{option} {}: expected one value with --preset plan: a plan is for one assurance",
            values.join(",")
        )));
    }
    Ok(settings)
}

/// The runs that were asked for, and how many of each cell.
fn planned(
    args: &SweepArgs,
    settings: &Settings,
    calibration: Option<Calibration>,
) -> (Vec<(Cell, u32)>, u32) {
    let (cells, repeats) = match calibration {
        Some(found) => {
            let cells = plan_cells(settings, threads::cores(), found.channels_most);
            (cells, found.repeats)
        }
        None => {
            let mut options = vec![
                ("--concurrent", given(&args.concurrent)),
                ("--shards", given(&args.shards)),
                ("--payments", given(&args.payments)),
            ];
            options.extend(settings.iter().cloned());
            let rate = args.rate.clone().unwrap_or_default().0;
            let cells = Axes { rate, options }.cells();
            (cells, args.repeats.unwrap_or(REPEATS))
        }
    };
    (order(cells, repeats, args.seed), repeats)
}

fn calibration(args: &SweepArgs, settings: &Settings, cost: Cost, trial: Duration) -> Calibration {
    calibrated(settings, threads::cores(), cost, trial, args.repeats)
}

/// Whether a line of the file is of a sweep with these settings, options and length of runs.
fn is_of(cell: &[String], settings: &Settings, args: &SweepArgs, trial: Duration) -> bool {
    let lasts = duration_option(trial);
    let fixed = args.options.iter().chain(&lasts);
    let value = |name: &str| {
        let at = cell.iter().position(|word| word == name)?;
        cell.get(at + 1)
    };
    let mut all = settings.iter();
    cell.iter().rev().zip(fixed.rev()).all(|(a, b)| a == b)
        && all.all(|(name, values)| value(name) == values.first())
}

/// Measures what a run takes besides its payments, with the settings of the sweep.
fn calibrate(
    args: &SweepArgs,
    settings: &Settings,
    runner: &Runner<'_>,
) -> Result<Cost, TrialError> {
    let took = |channels: u64| -> Result<(u64, f64), TrialError> {
        let mut options = vec!["--concurrent".to_owned(), channels.to_string()];
        for (name, values) in settings {
            let value = values.first().cloned();
            options.extend(
                value
                    .into_iter()
                    .flat_map(|value| [(*name).to_owned(), value]),
            );
        }
        options.extend(args.options.iter().cloned());
        options.extend(duration_option(CALIBRATION));
        let begin = Instant::now();
        runner.run(&options)?;
        Ok((channels, begin.elapsed().as_secs_f64()))
    };
    let [few, many] = CALIBRATION_CHANNELS;
    Ok(Cost::measured(CALIBRATION, took(few)?, took(many)?))
}

/// What was found out, and what follows from it.
fn calibration_text(found: &Calibration) -> String {
    format!(
        "a run takes {} besides its payments, and {} a channel: up to {} channels, {} of each cell",
        human::seconds(found.run_s),
        human::seconds(found.channel_s),
        human::count(found.channels_most),
        human::counted(u64::from(found.repeats), "run"),
    )
}

fn check(
    args: &SweepArgs,
    trial: Duration,
    repeats: u32,
    runs: &[(Cell, u32)],
) -> Result<(), TrialError> {
    Paths::default()
        .writes("FILE", Some(&args.file))
        .writes("--log-dir", args.log_dir.as_deref())
        .check()
        .map_err(TrialError::Options)?;
    if trial < SHORTEST {
        return Err(TrialError::Options(format!(
            "--trial {}: expected 200ms or more",
            human::seconds(trial.as_secs_f64())
        )));
    }
    if !(1..=MOST_REPEATS).contains(&repeats) {
        return Err(TrialError::Options(format!(
            "--repeats {repeats}: expected 1 to {MOST_REPEATS}"
        )));
    }
    let own = [
        "--rate",
        "--concurrent",
        "--shards",
        "--payments",
        "--cosign-every",
        "--in-flight",
        "--backend",
        "--durability",
    ];
    check_options(&args.options, &own)?;
    for (cell, _) in runs {
        let mut options = cell.options.clone();
        options.extend(args.options.iter().cloned());
        options.extend(duration_option(trial));
        if let Load::PerS(per_s) = cell.load {
            options.extend(["--rate".to_owned(), per_s.to_string()]);
        }
        check_run(&options)?;
    }
    Ok(())
}

/// The rate that a cell offers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rate {
    /// A closed loop has none.
    None,
    PerS(f64),
    /// A share of a closed loop that no run of it tells.
    Unknown,
}

/// Shares are of the median of the closed loop's first rounds: all repeats of a cell have one rate.
fn rate(cell: &Cell, closed: &[String], first: u32, lines: &[Line]) -> Rate {
    let share = match cell.load {
        Load::Closed => return Rate::None,
        Load::PerS(per_s) => return Rate::PerS(per_s),
        Load::OfClosed(share) => share,
    };
    let mut rates: Vec<f64> = lines
        .iter()
        .filter(|line| line.cell == closed && line.repeat < first && line.run.achieved.valid)
        .map(|line| {
            let achieved = &line.run.achieved;
            achieved
                .steady_payments_per_s
                .unwrap_or(achieved.payments_per_s)
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    match rates.len() {
        0 => Rate::Unknown,
        count => {
            let median = (rates[(count - 1) / 2] + rates[count / 2]) / 2.0;
            Rate::PerS(rounded(share * median))
        }
    }
}

/// To so many digits that a reader can say it.
fn rounded(value: f64) -> f64 {
    let scale = 10f64.powi(RATE_DIGITS - 1 - value.max(1.0).log10().floor() as i32);
    (value * scale).round() / scale
}

/// Opens the sweep's file to add to it; a run that was being written when a sweep was cut off is
/// taken back.
fn open(path: &Path, quiet: bool) -> Result<(File, Sweep), TrialError> {
    let refused = |error: io::Error| {
        TrialError::Options(format!("cannot write '{}': {error}", path.display()))
    };
    let mut file = open_alone(path).map_err(|error| TrialError::Options(error.to_string()))?;
    let bytes = LIMIT.read(&file).map_err(refused)?;
    let sweep =
        Sweep::parse(path, &bytes).map_err(|error| TrialError::Options(error.to_string()))?;
    let lines = Lines::of(&bytes);
    if !lines.may_be_taken_back(sweep::BEGINNING) {
        return Err(TrialError::Options(format!(
            "{}: it does not end as a sweep does; expected lines of runs",
            path.display()
        )));
    }
    if sweep.torn_bytes > 0 && !quiet {
        say(format_args!(
            "{}: the last run was not whole, and is made again",
            path.display()
        ));
    }
    lines.end(&mut file).map_err(refused)?;
    Ok((file, sweep))
}

/// A sweep is of one machine and one build: figures of two would be fitted as if they were one.
fn same_machine(path: &Path, lines: &[Line]) -> Result<(), TrialError> {
    let here = machine::machine();
    let here = [
        ("machine", here.cpu),
        ("cores", here.cores.to_string()),
        ("commit", env!("DUET_COMMIT").to_owned()),
    ];
    for (line, number) in lines.iter().zip(1..) {
        let run = &line.run;
        let cores = run.machine.cores.to_string();
        let there = [&run.machine.cpu, &cores, &run.engine.commit];
        let mut pairs = here.iter().zip(there);
        if let Some(((what, here), there)) = pairs.find(|((_, here), there)| here != *there) {
            return Err(TrialError::Options(format!(
                "{}: its run {number} is of another {what}: '{there}', and not '{here}'; expected \
                 a new file",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Whether one of the runs keeps a log.
fn any_durable(runs: &[(Cell, u32)], options: &[String]) -> Result<bool, TrialError> {
    for (cell, _) in runs {
        if is_durable(&[&*cell.options, options].concat())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Nor do runs whose log is in memory stand beside those on a disk. A run that will be made again
/// stands beside none.
fn same_storage(path: &Path, lines: &[Line], log_dir: Option<&Path>) -> Result<(), TrialError> {
    let log_dir = log_dir.unwrap_or(Path::new("."));
    let here = FileSystem::of(log_dir);
    for (line, number) in lines.iter().zip(1..) {
        if let Some(there) = &line.run.durability
            && line.run.achieved.broken().next().is_none()
            && there.is_in_memory() != here.in_memory
        {
            return Err(TrialError::Options(format!(
                "{}: the log of its run {number} was on {}, and '{}' is on {}: one of them is in \
                 memory; expected another --log-dir, or a new file",
                path.display(),
                there.file_system,
                log_dir.display(),
                here.kind
            )));
        }
    }
    Ok(())
}

fn append(file: &mut File, path: &Path, line: &Line) -> Result<(), TrialError> {
    let text = line.to_json();
    let written = file.write_all(text.as_bytes());
    written.and_then(|()| file.sync_data()).map_err(|error| {
        TrialError::Machine(format!("writing '{}' failed: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_rounded_to_three_digits() {
        for (value, expected) in [
            (123_456.0, 123_000.0),
            (99.96, 100.0),
            (0.5, 0.5),
            (7.777, 7.78),
        ] {
            assert_eq!(rounded(value), expected);
        }
    }
}
