//! `exit`: all channels of a Layer 1 close at once, and the least challenge window in which every
//! answer to an old state finds room: derived before any run, then measured.

use std::sync::atomic::AtomicBool;

use duet_experiment::Failure;
use duet_modelled::queue::{Exit as Exiting, least_window};
use duet_modelled::{Exact, Share, mass_exit};
use duet_profile::{Answers, Limits, Order, Profile, ProfileText};
use duet_run_file::RunFile;
use duet_run_file::run_file::{Engine, Machine};
use duet_run_file::sweep::Line;
use duet_terminal::columns;
use duet_terminal::dataset::Dataset;
use duet_terminal::exit::Exit;
use duet_terminal::human;
use duet_terminal::layout::{self, flow, sentence};
use duet_terminal::progress::Steps;
use duet_terminal::say::complain;
use serde::Serialize;

use super::args::ExitArgs;
use super::result::pretty;
use super::window::{Next, Tried, next};
use super::{Runner, check_options, check_run, option};
use crate::plan::MOST_DELAY_BLOCKS;

/// The version of the JSON's shape.
const SCHEMA: u32 = 1;
/// A measured window may be so far from the derived one, or a block: what is measured has its own
/// draw of who cheats.
const TOLERANCE: f64 = 0.05;

/// What was found, as JSON.
#[derive(Debug, Serialize)]
struct Found {
    schema: u32,
    command: Vec<String>,
    channels: u64,
    stale_share: f64,
    exits: Vec<Row>,
    engine: Option<Engine>,
    machine: Option<Machine>,
}

/// One Layer 1.
#[derive(Debug, Serialize)]
struct Row {
    l1: String,
    /// How answers come into blocks.
    answers: &'static str,
    /// By the queue in front of its blocks, before any run; none with why.
    derived_window_blocks: Option<u64>,
    not_derived: Option<String>,
    /// By the formula of `reports offload`, as if the last answer were due as early as the first.
    bound_window_blocks: Option<Exact>,
    /// The least in which nobody honest lost anything; none if only one was tried.
    measured_window_blocks: Option<u64>,
    measured_window_s: Option<f64>,
    trials: Vec<Trial>,
}

/// One run.
#[derive(Debug, Serialize)]
struct Trial {
    window_blocks: u64,
    /// Posts of old states that were answered.
    answers: u64,
    /// Honest parties that lost something, and what.
    honest_losers: u64,
    lost_by_honest: u64,
    /// How long answers waited, in virtual seconds, at most.
    longest_answer_s: Option<f64>,
    cpu_s: f64,
}

/// Exits as asked; `stop` ends it. Gives the exit code.
pub fn exit(args: &ExitArgs, command: Vec<String>, stop: &AtomicBool) -> Exit {
    go(args, command, stop).unwrap_or_else(|failure| failure.tell())
}

fn go(args: &ExitArgs, command: Vec<String>, stop: &AtomicBool) -> Result<Exit, Failure> {
    let book = args.book.as_deref();
    args.result.check(|paths| paths.writes("--book", book))?;
    const OWN: [&str; 7] = [
        "--l1",
        "--concurrent",
        "--payments",
        "--adversary",
        "--challenge-blocks",
        "--seed",
        "--l1-alone",
    ];
    check_options(&args.options, &OWN)?;
    let mut chains = Vec::new();
    for name in &args.l1 {
        let chain = Chain::of(name, args)?;
        check_run(&chain.options(args, args.window_blocks.unwrap_or(1)))?;
        chains.push(chain);
    }
    let mut runner = Runner::new(None, book, stop)?;
    let steps = Steps::new(None, args.result.quiet);
    let (mut exits, mut last) = (Vec::new(), None);
    for chain in &chains {
        runner.check_profiles(book, [&*chain.options(args, 1)])?;
        let (row, run) = chain.exits(args, &mut runner, &steps)?;
        exits.push(row);
        last = Some(run);
    }
    steps.clear();
    let found = Found {
        schema: SCHEMA,
        command,
        channels: args.channels,
        stale_share: args.stale.exact().to_f64(),
        exits,
        engine: last.as_ref().map(|run| run.engine.clone()),
        machine: last.map(|run| run.machine),
    };
    Ok(tell(args, &found))
}

fn tell(args: &ExitArgs, found: &Found) -> Exit {
    let unlike = found.exits.iter().find(|row| !row.is_as_derived());
    let exit = unlike.map_or(Exit::Ok, |row| {
        complain(format!(
            "{}: the least window measured is not the derived one, within {} or a block",
            row.l1,
            human::share(TOLERANCE)
        ));
        Exit::Invalid
    });
    (args.result).tell(|| pretty(found), || table(found), exit)
}

/// A Layer 1 that is asked for, and what is derived of it.
struct Chain {
    name: String,
    limits: Limits,
    derived: Result<u64, String>,
    bound: Option<Exact>,
}

impl Chain {
    fn of(name: &str, args: &ExitArgs) -> Result<Chain, Failure> {
        let bad = |error: &dyn std::fmt::Display| Failure::bad_input(format!("--l1: {error}"));
        let text = ProfileText::find(name).map_err(|error| bad(&error))?;
        let profile = Profile::parse(&text.origin, &text.text).map_err(|error| bad(&error))?;
        let limits = profile.limits().map_err(|error| bad(&error))?;
        let exiting = Exiting {
            channels: args.channels,
            stale: args.stale,
        };
        let derived = match args.options.is_empty() {
            true => least_window(&limits, exiting).map_err(|error| error.to_string()),
            false => Err("options of runs are not modelled".to_owned()),
        };
        let bound = mass_exit(&profile, args.channels, Share::ALL, None);
        Ok(Chain {
            name: name.to_owned(),
            limits,
            derived,
            bound: bound.ok().map(|bound| bound.blocks_needed),
        })
    }

    /// Of a run with this window.
    fn options(&self, args: &ExitArgs, window_blocks: u64) -> Vec<String> {
        let percent = |parts: u64| parts as f64 / 1e7;
        let stale = args.stale.per_billion();
        let attacks = [
            ("stale-close", stale),
            ("silent", Share::ALL.per_billion() - stale),
        ];
        let attacks = attacks.iter().filter(|(_, parts)| *parts > 0);
        let attacks: Vec<String> = attacks
            .map(|(name, parts)| format!("{name}={}%", percent(*parts)))
            .collect();
        let mut options = args.options.clone();
        for (name, value) in [
            ("--l1", self.name.clone()),
            ("--sessions", args.channels.to_string()),
            ("--concurrent", args.channels.to_string()),
            ("--payments", args.payments.to_string()),
            ("--adversary", attacks.join(",")),
            ("--challenge-blocks", window_blocks.to_string()),
            ("--seed", args.seed.to_string()),
        ] {
            options.extend(option(name, value));
        }
        options
    }

    /// Runs until the least window is found, or with the one that is asked for. Gives the last run.
    fn exits(
        &self,
        args: &ExitArgs,
        runner: &mut Runner<'_>,
        steps: &Steps,
    ) -> Result<(Row, RunFile), Failure> {
        let bound = self.bound.as_ref().map(Exact::to_f64);
        let start = self.derived.as_ref().copied().ok().or(args.window_blocks);
        let start = start.unwrap_or_else(|| bound.unwrap_or(1.0) as u64);
        let (mut tried, mut trials): (Vec<Tried>, Vec<Trial>) = (Vec::new(), Vec::new());
        let mut last = None;
        let measured = loop {
            let window = match (args.window_blocks, next(&tried, start, MOST_DELAY_BLOCKS)) {
                (Some(_), _) if last.is_some() => break None,
                (Some(window), _) | (None, Next::Try(window)) => window,
                (None, Next::Found(least)) => break Some(least),
                (None, Next::NotEvenWith(_)) => break None,
            };
            steps.say(format!(
                "{}: {} close at once, window of {}",
                self.name,
                human::counted(args.channels, "channel"),
                human::counted(window, "block")
            ));
            let run = self.run(args, runner, window)?;
            let trial = Trial::of(window, &run)?;
            tried.push((
                window,
                trial.lost_by_honest == 0 && trial.honest_losers == 0,
            ));
            trials.push(trial);
            last = Some(run);
        };
        let interval_s = self.limits.interval_ms as f64 / 1e3;
        let row = Row {
            l1: self.name.clone(),
            answers: self.answers(),
            derived_window_blocks: self.derived.as_ref().ok().copied(),
            not_derived: self.derived.as_ref().err().cloned(),
            bound_window_blocks: self.bound.clone(),
            measured_window_blocks: measured,
            measured_window_s: measured.map(|blocks| blocks as f64 * interval_s),
            trials,
        };
        Ok((row, last.expect("there was a run")))
    }

    fn run(
        &self,
        args: &ExitArgs,
        runner: &mut Runner<'_>,
        window: u64,
    ) -> Result<RunFile, Failure> {
        let cell = self.options(args, window);
        if let Some(run) = runner.runs.find(&cell, 0) {
            return Ok(run.clone());
        }
        let run = runner.run(&cell)?;
        runner.runs.add(Line {
            cell,
            repeat: 0,
            calibration: None,
            run: run.clone(),
        })?;
        Ok(run)
    }

    fn answers(&self) -> &'static str {
        match (self.limits.answers, self.limits.order) {
            (Answers::Reserved, _) => "first",
            (Answers::Compete, Order::Arrival { .. }) => "by arrival",
            (Answers::Compete, Order::Fee { .. }) => "by bid",
            (Answers::Compete, Order::BaseFee { .. }) => "above base fee",
        }
    }
}

impl Trial {
    /// Of a run that is sound, whatever was lost in it.
    fn of(window_blocks: u64, run: &RunFile) -> Result<Trial, Failure> {
        let disputes = run.disputes.as_ref();
        let disputes = disputes.ok_or_else(|| Failure::bad_input("nobody disputed anything"))?;
        let lost = disputes.lost_by_honest > 0;
        let sound = run.checks.named().iter().all(|(_, passed)| *passed);
        if !(sound && (run.achieved.valid || lost)) {
            let reasons = run.achieved.invalid_reasons.join("; ");
            let text = format!("the run with a window of {window_blocks} is INVALID: {reasons}");
            return Err(Failure::new(Exit::Invalid, text));
        }
        let chain = run.l1.chain.as_ref();
        let answers = chain.and_then(|chain| chain.traffic.get("answer")?.wait_ms.as_ref());
        Ok(Trial {
            window_blocks,
            answers: disputes.answers,
            honest_losers: disputes.honest_losers,
            lost_by_honest: disputes.lost_by_honest,
            longest_answer_s: answers.map(|wait| wait.max as f64 / 1e3),
            cpu_s: run.achieved.cpu_s,
        })
    }
}

impl Row {
    fn is_as_derived(&self) -> bool {
        let both = self.derived_window_blocks.zip(self.measured_window_blocks);
        both.is_none_or(|(derived, measured)| {
            let most = (derived as f64 * TOLERANCE).max(1.0);
            derived.abs_diff(measured) as f64 <= most
        })
    }
}

fn table(found: &Found) -> String {
    let mut lines = vec![format!(
        "MASS EXIT: {} of two parties each close at once, {} of them with an old state",
        human::counted(found.channels, "channel"),
        human::share(found.stale_share)
    )];
    let windows = Dataset::of(
        &found.exits,
        columns! { |row|
            "l1", "Layer 1", Text: &row.l1;
            "answers", "Answers go", Text: row.answers;
            "bound", "Bound", Figure: row.bound_window_blocks.as_ref().map(Exact::to_f64);
            "derived", "Derived", Figure: row.derived_window_blocks;
            "measured", "Measured", Figure: row.measured_window_blocks;
            "measured_s", "That is", Seconds: row.measured_window_s;
        },
    );
    lines.push("Least challenge window in which nobody honest loses, in blocks:".to_owned());
    lines.extend(windows.to_lines());
    for row in found.exits.iter().filter(|row| row.not_derived.is_some()) {
        let why = row.not_derived.as_deref().unwrap_or_default();
        lines.extend(sentence("", &format!("{}: not derived: {why}.", row.l1)));
    }
    let trials = found.exits.iter();
    let trials = trials.flat_map(|row| row.trials.iter().map(move |trial| (row, trial)));
    let trials = Dataset::of(
        trials,
        columns! { |(row, trial)|
            "l1", "Layer 1", Text: &row.l1;
            "window", "Window", Figure: trial.window_blocks;
            "answers", "Answers", Figure: trial.answers;
            "losers", "Honest losers", Figure: trial.honest_losers;
            "lost", "Lost", Figure: trial.lost_by_honest;
            "longest", "Longest answer", Seconds: trial.longest_answer_s;
            "cpu", "CPU", Seconds: trial.cpu_s;
        },
    );
    lines.push(String::new());
    lines.extend(trials.to_lines());
    if let (Some(machine), Some(engine)) = (&found.machine, &found.engine) {
        let machine = [
            machine.cpu_name().to_owned(),
            format!("{} back end", engine.backend),
        ];
        lines.extend(flow("machine   ", &machine, ","));
    }
    layout::text(&lines)
}
