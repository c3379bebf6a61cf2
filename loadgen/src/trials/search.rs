//! `search`: the highest rate at which an objective holds, as an interval between a rate that passes
//! and one that fails, with every trial behind it.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;
use duet_reports::exit::{EXIT_CODES_HELP, Exit};
use duet_reports::human;
use duet_reports::output::{OutputError, check_writable, write_atomically};
use duet_reports::run_file::{Assurance, Engine, Machine, Percentiles, RunFile, Workload};
use duet_reports::units::{parse_duration, parse_rate, parse_share};
use serde::Serialize;

use super::bracket::{self, Goal, Length, Next, Tried, width};
use super::objective::{Judged, Objective};
use super::{Runner, TrialError, check_options, check_run, duration_option};
use crate::drive::{complain, print};
use crate::progress::Spinner;

/// The version of the JSON's shape.
const SCHEMA: u32 = 1;
/// A short trial is this part of a full one, and no shorter than this.
const SHORT: u32 = 4;
const SHORTEST: Duration = Duration::from_secs(1);
const TRIALS: std::ops::RangeInclusive<usize> = 1..=99;
const WIDTHS: (f64, f64) = (0.001, 0.5);
/// The first rate is this part of what a closed loop makes.
const FIRST: f64 = 0.5;
/// Payments of a trial at least: the 99th percentile of fewer is their largest.
const LEAST_PAYMENTS: f64 = 100.0;
/// A search that needs more trials than this is lost in noise.
const MOST_TRIALS: usize = 120;
/// What else the machine may do without a word of it, as a share of its CPU time.
const QUIET: f64 = 0.05;

/// The options of `search`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help_end())]
pub struct SearchArgs {
    /// What must hold on the response time: p50, p90, p99, p999 or max, each with its bound
    #[arg(long, value_name = "P=TIME,…", default_value = "p99=5ms")]
    pub slo: Objective,
    /// How wide the interval may be, over its upper end
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = parse_share)]
    pub width: f64,
    /// How long payments arrive in a trial that decides; those that look for the region take a
    /// quarter
    #[arg(long, value_name = "TIME", default_value = "8s", value_parser = parse_duration)]
    pub trial: Duration,
    /// Trials that decide on a rate at most; most of them do, so that one hiccup does not. Odd
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub trials: usize,
    /// The rate to begin with, in payments per second [default: half of what a closed loop makes]
    #[arg(long, value_name = "PER_S", value_parser = parse_rate)]
    pub start: Option<f64>,
    /// Where the logs of durable runs lie while they are needed [default: here]
    #[arg(long, value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
    /// Write the result here (JSON)
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// No progress and no table
    #[arg(long)]
    pub quiet: bool,
    /// Options of `run` for every trial
    #[arg(last = true, value_name = "RUN OPTIONS")]
    pub options: Vec<String>,
}

fn help_end() -> String {
    format!("{EXAMPLES}\n\n{EXIT_CODES_HELP}")
}

const EXAMPLES: &str = "\
Examples:
  loadgen search                                      at which rate does p99 reach 5 ms?
  loadgen search --slo p99=50ms,max=1s -- --cosign-every 100 --concurrent 10k
  loadgen search --slo p99=50ms --log-dir /var/tmp -- --durability fsync --payments 1k
  loadgen search --width 2% --trial 30s --trials 5    slower, and narrower";

/// The result, as JSON.
#[derive(Debug, Serialize)]
struct Found {
    schema: u32,
    command: Vec<String>,
    /// What had to hold.
    objective: Vec<Bound>,
    /// The highest rate that passed, in payments per second.
    pass_per_s: f64,
    /// The lowest rate that failed.
    fail_per_s: f64,
    /// The interval's width over its upper end.
    width: f64,
    /// Full trials of one rate at most, of which most decide.
    trials_per_rate: usize,
    /// Every trial, in order.
    trials: Vec<Trial>,
    /// What the highest passing rate was bought with, as its last passing trial measured it.
    assurance: Assurance,
    workload: Workload,
    engine: Engine,
    machine: Machine,
    /// What the reader should know beside the figures.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Bound {
    percentile: &'static str,
    bound_ns: u64,
}

/// One trial.
#[derive(Debug, Serialize)]
struct Trial {
    /// Asked for, in payments per second.
    rate_per_s: f64,
    duration_s: f64,
    /// Whether it counts for the verdict on its rate.
    full: bool,
    passed: bool,
    /// Why it failed.
    reasons: Vec<String>,
    /// As drawn, and as completed.
    offered_per_s: f64,
    achieved_per_s: f64,
    /// The backlog at the end, as time.
    behind_s: f64,
    response_ns: Option<Percentiles>,
    cpu_ns_per_payment: f64,
    batch_size: f64,
    /// Of the machine's CPU time, what its host gave to others and what other processes took.
    stolen_share: Option<f64>,
    others_share: Option<f64>,
}

/// Searches as asked; `stop` ends it. Gives the exit code.
pub fn search(args: &SearchArgs, command: Vec<String>, stop: &AtomicBool) -> Exit {
    let found = match find(args, command, stop) {
        Ok(found) => found,
        Err(Failure::Trial(error)) => {
            complain(&error);
            return error.exit();
        }
        Err(Failure::Output(error)) => {
            complain(&error);
            return match error.is_machine_fault() {
                true => Exit::MachineFault,
                false => Exit::BadInput,
            };
        }
        Err(Failure::Missed(text)) => {
            complain(text);
            return Exit::Regression;
        }
        Err(Failure::Invalid(text)) => {
            complain(text);
            return Exit::Invalid;
        }
        Err(Failure::Lost(text)) => {
            complain(text);
            return Exit::Inconclusive;
        }
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
        (false, true) => return Exit::Ok,
        (false, false) => table(args, &found),
    };
    print(&text).err().unwrap_or(Exit::Ok)
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
    if !TRIALS.contains(&args.trials) || args.trials.is_multiple_of(2) {
        return Err(bad(format!(
            "--trials {}: expected an odd number up to {}, of which most decide",
            args.trials,
            TRIALS.end()
        )));
    }
    if args.trial < SHORTEST {
        return Err(bad(format!(
            "--trial {}: expected 1s or more",
            human::seconds(args.trial.as_secs_f64())
        )));
    }
    if let Some(out) = &args.out {
        check_writable(out).map_err(Failure::Output)?;
    }
    check_options(&args.options, &["--rate"])?;
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

fn find(args: &SearchArgs, command: Vec<String>, stop: &AtomicBool) -> Result<Found, Failure> {
    check(args)?;
    let runner = Runner::new(args.log_dir.as_deref(), stop)?;
    let spinner = Spinner::new(args.quiet);
    let short = (args.trial / SHORT).max(SHORTEST);
    let start_per_s = match args.start {
        Some(start) => start,
        None => {
            spinner.say(format!(
                "closed loop, for {}",
                human::seconds(short.as_secs_f64())
            ));
            let options = args.options.iter().cloned().chain(duration_option(short));
            let run = runner.run(&options.collect::<Vec<_>>())?;
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
    let goal = Goal {
        width: args.width,
        trials: args.trials,
        start_per_s: start_per_s.max(least_per_s),
        least_per_s,
    };
    let (mut tried, mut trials): (Vec<Tried>, Vec<Trial>) = Default::default();
    let mut newest_pass: Option<(f64, RunFile)> = None;
    loop {
        match bracket::next(&goal, &tried) {
            Next::Trial { per_s, length } => {
                if tried.len() == MOST_TRIALS {
                    return Err(Failure::Lost(format!(
                        "{MOST_TRIALS} trials have not closed the interval: the machine is too \
                         noisy for --width {}; try longer --trial, or more --trials",
                        human::share(args.width)
                    )));
                }
                let duration = match length {
                    Length::Short => short,
                    Length::Full => args.trial,
                };
                let last = trials.last().map(|trial: &Trial| {
                    let word = if trial.passed { "passed" } else { "failed" };
                    format!("; {}/s {word}", human::figure(trial.rate_per_s))
                });
                spinner.say(format!(
                    "trial {}: {}/s for {}{}",
                    tried.len() + 1,
                    human::figure(per_s),
                    human::seconds(duration.as_secs_f64()),
                    last.unwrap_or_default()
                ));
                let (trial, run) = trial(args, &runner, per_s, duration, length)?;
                tried.push(Tried {
                    per_s,
                    length,
                    passed: trial.passed,
                });
                if trial.passed && length == Length::Full {
                    newest_pass = newest_pass
                        .filter(|(best, _)| *best > per_s)
                        .or(Some((per_s, run)));
                }
                trials.push(trial);
            }
            Next::NothingPasses { per_s } => {
                let reasons = trials.last().map(|trial| trial.reasons.join("; "));
                return Err(Failure::Missed(format!(
                    "no rate meets {}: at {}/s {}",
                    args.slo,
                    human::figure(per_s),
                    reasons.unwrap_or_default()
                )));
            }
            Next::Found {
                pass_per_s,
                fail_per_s,
            } => {
                spinner.clear();
                let (_, run) = newest_pass.expect("a rate that passes has passed");
                return Ok(Found {
                    schema: SCHEMA,
                    command,
                    objective: bounds(&args.slo),
                    pass_per_s,
                    fail_per_s,
                    width: width(pass_per_s, fail_per_s),
                    trials_per_rate: args.trials,
                    notes: notes(&trials),
                    trials,
                    assurance: run.assurance,
                    workload: run.workload,
                    engine: run.engine,
                    machine: run.machine,
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
    Ok((
        Trial {
            rate_per_s: per_s,
            duration_s: duration.as_secs_f64(),
            full: length == Length::Full,
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
        },
        run,
    ))
}

fn bounds(objective: &Objective) -> Vec<Bound> {
    let bounds = objective.bounds().iter();
    bounds
        .map(|(percentile, bound)| Bound {
            percentile: percentile.name(),
            bound_ns: u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX),
        })
        .collect()
}

/// What a reader must know: the machine was not the run's alone, or rates contradict each other.
fn notes(trials: &[Trial]) -> Vec<String> {
    let mut notes = Vec::new();
    let largest = |share: fn(&Trial) -> Option<f64>| {
        trials
            .iter()
            .filter_map(share)
            .max_by(f64::total_cmp)
            .unwrap_or(0.0)
    };
    for (taken, by) in [
        (
            largest(|trial| trial.stolen_share),
            "other guests of its host",
        ),
        (largest(|trial| trial.others_share), "other processes"),
    ] {
        if taken > QUIET {
            notes.push(format!(
                "The machine was not quiet: {by} took up to {} of its CPU time in a trial.",
                human::share(taken)
            ));
        }
    }
    notes
}

/// A trial on one line.
fn line(args: &SearchArgs, trial: &Trial) -> String {
    let first = args.slo.first();
    let found = trial.response_ns.as_ref();
    let found = found.map_or(f64::NAN, |response| first.of(response) as f64);
    format!(
        "{:>10}/s  {:>6}  {} {:>8}  {}",
        human::figure(trial.rate_per_s),
        human::seconds(trial.duration_s),
        first.name(),
        human::nanoseconds(found),
        if trial.passed {
            "passed".to_owned()
        } else {
            format!("failed: {}", trial.reasons.join("; "))
        }
    )
}

fn table(args: &SearchArgs, found: &Found) -> String {
    let mut text = format!(
        "{} to {} payments/s: {} holds at the first in most of {} trials of {}, not at the second\n",
        human::figure(found.pass_per_s),
        human::figure(found.fail_per_s),
        args.slo,
        found.trials_per_rate,
        human::seconds(args.trial.as_secs_f64()),
    );
    let assurance = &found.assurance;
    text += &format!(
        "width     {} of the upper end\n\
         assurance co-signed every {}, {} in flight, {} signatures per key and batch of {}, \
         durability {}\n\
         machine   {}, {}, {} back end\n",
        human::share(found.width),
        assurance.cosign_every,
        assurance.in_flight,
        human::figure(assurance.signatures_per_key_per_batch),
        human::figure(assurance.batch_size),
        assurance.durability,
        found.machine.cpu,
        human::counted(found.machine.cores, "core"),
        found.engine.backend,
    );
    for note in &found.notes {
        text += &format!("note      {note}\n");
    }
    text += "\nTRIALS\n";
    for trial in &found.trials {
        text += &line(args, trial);
        text.push('\n');
    }
    text
}
