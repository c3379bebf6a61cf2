//! `search`: the highest rate at which an objective holds, as an interval between a rate that
//! passes and one that fails, with every trial behind it.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use duet_run_file::measured;
use duet_run_file::run_file::{Durability, RunFile};
use duet_terminal::exit::Exit;
use duet_terminal::human;
use duet_terminal::output::{OutputError, check_writable, write_atomically};
use duet_terminal::paths::Paths;

use super::args::SearchArgs;
use super::bracket::{self, Goal, Ladder, Length, Next, Tried, width};
use super::found::{Found, SCHEMA, Trial, bounds, disturbance, notes, sets_aside, table};
use super::objective::Judged;
use super::{Runner, TrialError, check_options, check_run, duration_option};
use duet_terminal::progress::Spinner;
use duet_terminal::say::{complain, print};

/// A short trial is this part of a full one, and no shorter than this.
const SHORT: u32 = 4;
const SHORTEST: Duration = Duration::from_secs(1);
const TRIALS: std::ops::RangeInclusive<usize> = 1..=99;
const WIDTHS: (f64, f64) = (0.001, 0.5);
/// The first rate is this part of what a closed loop makes.
const FIRST: f64 = 0.5;
/// Payments of a trial at least: the 99th percentile of fewer is their largest.
const LEAST_PAYMENTS: f64 = 100.0;
/// A search that needs more trials than this, and than full trials of so many rates, is lost in
/// noise.
const MOST_TRIALS: usize = 120;
const MOST_RATES: usize = 20;

/// Searches as asked; `stop` ends it. Gives the exit code.
pub fn search(args: &SearchArgs, command: Vec<String>, stop: &AtomicBool) -> Exit {
    let mut trials = Vec::new();
    let answer = find(args, &mut trials, stop);
    let (exit, failure) = match &answer {
        Ok(_) => (Exit::Ok, None),
        Err(failure) => {
            complain(failure);
            (failure.exit(), Some(failure.to_string()))
        }
    };
    // What was measured is not lost with the answer.
    if trials.is_empty() {
        return exit;
    }
    let answer = answer.ok();
    let (pass_per_s, fail_per_s) = answer
        .as_ref()
        .map(|a| (a.pass_per_s, a.fail_per_s))
        .unzip();
    let run = answer.map(|answer| answer.run);
    let mut notes = notes(args, &trials, fail_per_s);
    if let Some(run) = &run {
        notes.extend(measured::slowed(run));
        notes.extend(run.durability.as_ref().and_then(Durability::caution));
    }
    let found = Found {
        schema: SCHEMA,
        command,
        objective: bounds(&args.slo),
        pass_per_s,
        fail_per_s,
        width: pass_per_s
            .zip(fail_per_s)
            .map(|(pass, fail)| width(pass, fail)),
        failure,
        trials_per_rate: args.trials,
        passes_per_rate: args.passes(),
        disturbance: args.disturbance,
        notes,
        trials,
        assurance: run.as_ref().map(|run| run.assurance.clone()),
        workload: run.as_ref().map(|run| run.workload.clone()),
        engine: run.as_ref().map(|run| run.engine.clone()),
        machine: run.map(|run| run.machine),
    };
    let mut json = serde_json::to_string_pretty(&found).expect("it is made of names and numbers");
    json.push('\n');
    if let Some(out) = &args.out {
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
            return Exit::MachineFault;
        }
    }
    let text = match (args.json, args.quiet) {
        (true, _) => json,
        (false, true) => return exit,
        (false, false) => table(args, &found),
    };
    print(&text).err().unwrap_or(exit)
}

enum Failure {
    Trial(TrialError),
    Output(OutputError),
    /// Nothing meets the objective.
    Missed(String),
    /// A run failed its own checks.
    Invalid(String),
    /// Noise hides the answer.
    Lost(String),
}

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Failure::Trial(error) => error.exit(),
            Failure::Output(error) if error.is_machine_fault() => Exit::MachineFault,
            Failure::Output(_) => Exit::BadInput,
            Failure::Missed(_) => Exit::Regression,
            Failure::Invalid(_) => Exit::Invalid,
            Failure::Lost(_) => Exit::Inconclusive,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Trial(error) => error.fmt(f),
            Failure::Output(error) => error.fmt(f),
            Failure::Missed(text) | Failure::Invalid(text) | Failure::Lost(text) => {
                f.write_str(text)
            }
        }
    }
}

/// What a search ends with.
struct Answer {
    pass_per_s: f64,
    fail_per_s: f64,
    /// The last full trial at the lower rate that passed.
    run: RunFile,
}

impl From<TrialError> for Failure {
    fn from(error: TrialError) -> Failure {
        Failure::Trial(error)
    }
}

fn bad(text: String) -> Failure {
    Failure::Trial(TrialError::Options(text))
}

fn check(args: &SearchArgs) -> Result<(), Failure> {
    if !(WIDTHS.0..=WIDTHS.1).contains(&args.width) {
        return Err(bad(format!(
            "--width {}: expected 0.1% to 50%",
            human::share(args.width)
        )));
    }
    let most = TRIALS.end();
    if !TRIALS.contains(&args.trials) {
        return Err(bad(format!(
            "--trials {}: expected 1 to {most}",
            args.trials
        )));
    }
    if args.trials.is_multiple_of(2) && args.passes.is_none() {
        return Err(bad(format!(
            "--trials {}: expected an odd number, of which more than half decide, or --passes beside it",
            args.trials
        )));
    }
    if !(1..=args.trials).contains(&args.passes()) {
        return Err(bad(format!(
            "--passes {}: expected 1 to {}, of --trials {}",
            args.passes(),
            args.trials,
            args.trials
        )));
    }
    if args.trial < SHORTEST {
        return Err(bad(format!(
            "--trial {}: expected 1s or more",
            human::seconds(args.trial.as_secs_f64())
        )));
    }
    Paths::default()
        .writes("--out", args.out.as_deref())
        .writes("--log-dir", args.log_dir.as_deref())
        .check()
        .map_err(bad)?;
    if let Some(out) = &args.out {
        check_writable(out).map_err(Failure::Output)?;
    }
    check_options(&args.options, &[])?;
    let with_rate = |per_s: f64| {
        let rate = ["--rate".to_owned(), per_s.to_string()];
        let options = args.options.iter().cloned().chain(rate);
        check_run(
            &options
                .chain(duration_option(args.trial))
                .collect::<Vec<_>>(),
        )
    };
    with_rate(args.start.unwrap_or(1000.0))?;
    Ok(())
}

/// What a closed loop takes of the options of an open one: how long payments wait for others is
/// nothing to it.
fn closed_loop(options: &[String]) -> Vec<String> {
    const NAME: &str = "--cosign-after";
    let mut kept = Vec::new();
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix(NAME) {
            Some("") => drop(words.next()),
            Some(value) if value.starts_with('=') => {}
            _ => kept.push(word.clone()),
        }
    }
    kept
}

/// The answer; every trial that was made stands in `trials`, whatever comes of it.
#[expect(
    clippy::too_many_lines,
    reason = "one search, from its first trial to its answer"
)]
fn find(args: &SearchArgs, trials: &mut Vec<Trial>, stop: &AtomicBool) -> Result<Answer, Failure> {
    check(args)?;
    let runner = Runner::new(args.log_dir.as_deref(), stop)?;
    if !args.quiet {
        runner.caution([&*args.options])?;
    }
    let spinner = Spinner::new(args.quiet);
    let short = (args.trial / SHORT).max(SHORTEST);
    let start_per_s = match args.start {
        Some(start) => start,
        None => {
            spinner.say(format!(
                "closed loop, for {}",
                human::seconds(short.as_secs_f64())
            ));
            let mut options = closed_loop(&args.options);
            options.extend(duration_option(short));
            let run = runner.run(&options)?;
            if !run.achieved.valid {
                return Err(Failure::Invalid(format!(
                    "the run that tells where to begin is INVALID: {}",
                    run.achieved.invalid_reasons.join("; ")
                )));
            }
            FIRST * run.achieved.payments_per_s
        }
    };
    let least_per_s = LEAST_PAYMENTS / short.as_secs_f64();
    let ladder = Ladder::new(args.width);
    let least = ladder.rung(least_per_s);
    let goal = Goal {
        trials: args.trials,
        passes: args.passes(),
        start: ladder.rung(start_per_s).max(least),
        least,
    };
    let most_trials = MOST_TRIALS.max(MOST_RATES * args.trials);
    let mut tried: Vec<Tried> = Vec::new();
    let mut set_aside = 0;
    // The last full trial that passed, of each rung.
    let mut passed: Vec<(i32, RunFile)> = Vec::new();
    loop {
        match bracket::next(&goal, &ladder, &tried) {
            Next::Trial { rung, length } => {
                let per_s = ladder.per_s(rung);
                if tried.len() == most_trials {
                    return Err(Failure::Lost(format!(
                        "{most_trials} trials have not closed the interval: the machine is too \
                         noisy for --width {}; try longer --trial, or more --trials",
                        human::share(args.width)
                    )));
                }
                let duration = match length {
                    Length::Short => short,
                    Length::Full => args.trial,
                };
                let last = trials.last().map(|trial: &Trial| {
                    let word = match (trial.set_aside, trial.passed) {
                        (true, _) => {
                            let share = human::share(trial.disturbance);
                            format!("does not count, others took {share} of the machine")
                        }
                        (false, true) => "passed".to_owned(),
                        (false, false) => "failed".to_owned(),
                    };
                    format!("; {}/s {word}", human::figure(trial.rate_per_s))
                });
                spinner.say(format!(
                    "trial {}: {}/s for {}{}",
                    trials.len() + 1,
                    human::figure(per_s),
                    human::seconds(duration.as_secs_f64()),
                    last.unwrap_or_default()
                ));
                let (mut trial, run) = trial(args, &runner, per_s, duration, length)?;
                let (limit, cores) = (args.disturbance, run.machine.cores);
                let lasted_s = duration.as_secs_f64();
                if sets_aside(trial.disturbance, limit, lasted_s, cores, set_aside) {
                    set_aside += 1;
                    trial.set_aside = true;
                    trials.push(trial);
                    continue;
                }
                tried.push(Tried {
                    rung,
                    length,
                    passed: trial.passed,
                });
                if trial.passed && length == Length::Full {
                    passed.retain(|(other, _)| *other != rung);
                    passed.push((rung, run));
                }
                trials.push(trial);
            }
            Next::NothingPasses { rung } => {
                let reasons = trials.last().map(|trial| trial.reasons.join("; "));
                return Err(Failure::Missed(format!(
                    "no rate meets {}: at {}/s {}",
                    args.slo,
                    human::figure(ladder.per_s(rung)),
                    reasons.unwrap_or_default()
                )));
            }
            Next::Found { pass } => {
                spinner.clear();
                let at = passed.into_iter().find(|(rung, _)| *rung == pass);
                let (_, run) = at.expect("a rate that passes has passed");
                let [pass_per_s, fail_per_s] = [pass, pass + 1].map(|rung| ladder.per_s(rung));
                return Ok(Answer {
                    pass_per_s,
                    fail_per_s,
                    run,
                });
            }
        }
    }
}

fn trial(
    args: &SearchArgs,
    runner: &Runner<'_>,
    per_s: f64,
    duration: Duration,
    length: Length,
) -> Result<(Trial, RunFile), Failure> {
    let rate = ["--rate".to_owned(), per_s.to_string()];
    let options = args.options.iter().cloned().chain(rate);
    let run = runner.run(&options.chain(duration_option(duration)).collect::<Vec<_>>())?;
    let reasons = match args.slo.judge(&run) {
        Judged::Passed => Vec::new(),
        Judged::Failed(reasons) => reasons,
        Judged::Broken(reasons) => {
            return Err(Failure::Invalid(format!(
                "a trial at {}/s is INVALID, and says nothing of the rate: {}",
                human::figure(per_s),
                reasons.join("; ")
            )));
        }
    };
    let open_loop = run.achieved.open_loop.as_ref().expect("it was judged");
    let is_durable = run.assurance.durability != "none";
    Ok((
        Trial {
            rate_per_s: per_s,
            duration_s: duration.as_secs_f64(),
            full: length == Length::Full,
            set_aside: false,
            passed: reasons.is_empty(),
            reasons,
            offered_per_s: open_loop.offered_per_s,
            achieved_per_s: open_loop.achieved_per_s,
            behind_s: open_loop.behind_s,
            response_ns: run.latency_ns.response.clone(),
            cpu_ns_per_payment: run.achieved.cpu_s * 1e9 / run.achieved.payments.max(1) as f64,
            batch_size: run.assurance.batch_size,
            stolen_share: run.machine.stolen_share,
            others_share: run.machine.others_share,
            disturbance: disturbance(&run.machine, is_durable),
        },
        run,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_loop_waits_for_no_interval() {
        let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        for (text, expected) in [
            (
                "--cosign-every 10 --cosign-after 5ms --seed 3",
                "--cosign-every 10 --seed 3",
            ),
            ("--cosign-after=5ms --seed 3", "--seed 3"),
            ("--seed 3", "--seed 3"),
        ] {
            assert_eq!(closed_loop(&words(text)), words(expected));
        }
    }
}
