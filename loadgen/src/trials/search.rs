//! `search`: the highest rate at which an objective holds, as an interval between a rate that
//! passes and one that fails, with every trial behind it.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use duet_experiment::Failure;
use duet_experiment::disturbance::{disturbance, sets_aside};
use duet_run_file::measured;
use duet_run_file::run_file::{Durability, RunFile};
use duet_run_file::sweep::Line;
use duet_terminal::exit::Exit;
use duet_terminal::human;

use super::args::SearchArgs;
use super::bracket::{self, Goal, Ladder, Length, Next, Tried, width};
use super::found::{Found, SCHEMA, Trial, bounds, notes, table};
use super::result::pretty;
use super::{Runner, check_options, check_run, duration_option, option};
use duet_terminal::progress::Steps;

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
        Err(failure) => (failure.tell(), Some(failure.to_string())),
    };
    // What was measured is not lost with the answer.
    if trials.is_empty() {
        return exit;
    }
    let answer = answer.ok();
    let interval = answer.as_ref().map(|(interval, _)| *interval);
    let run = answer.map(|(_, run)| run);
    let mut notes = notes(args, &trials, interval.map(|[_, fail]| fail));
    if let Some(run) = &run {
        notes.extend(measured::slowed(run));
        notes.extend(run.durability.as_ref().and_then(Durability::caution));
    }
    let found = Found {
        schema: SCHEMA,
        command,
        objective: bounds(&args.slo),
        pass_per_s: interval.map(|[pass, _]| pass),
        fail_per_s: interval.map(|[_, fail]| fail),
        width: interval.map(|[pass, fail]| width(pass, fail)),
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
    (args.result).tell(|| pretty(&found), || table(args, &found), exit)
}

fn check(args: &SearchArgs) -> Result<(), Failure> {
    let most = TRIALS.end();
    let (trials, passes) = (args.trials, args.passes());
    let (width, trial) = (args.width, args.trial);
    let refused = if !(WIDTHS.0..=WIDTHS.1).contains(&width) {
        format!("--width {}: expected 0.1% to 50%", human::share(width))
    } else if !TRIALS.contains(&trials) {
        format!("--trials {trials}: expected 1 to {most}")
    } else if trials.is_multiple_of(2) && args.passes.is_none() {
        format!(
            "--trials {trials}: expected an odd number, of which more than half decide, or \
             --passes beside it"
        )
    } else if !(1..=trials).contains(&passes) {
        format!("--passes {passes}: expected 1 to {trials}, of --trials {trials}")
    } else if trial < SHORTEST {
        let trial = human::seconds(trial.as_secs_f64());
        format!("--trial {trial}: expected 1s or more")
    } else {
        String::new()
    };
    if !refused.is_empty() {
        return Err(Failure::bad_input(refused));
    }
    args.result.check(|paths| {
        paths
            .writes("--book", args.book.as_deref())
            .writes("--log-dir", args.log_dir.as_deref())
    })?;
    check_options(&args.options, &[])?;
    let mut options = args.options.clone();
    options.extend(option("--rate", args.start.unwrap_or(1000.0)));
    options.extend(duration_option(trial));
    check_run(&options)
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

/// A search that goes on.
struct Searching<'a> {
    args: &'a SearchArgs,
    runner: Runner<'a>,
    steps: Steps,
    /// How long a short trial is.
    short: Duration,
    ladder: Ladder,
    /// Every trial that was made, whatever comes of it.
    trials: &'a mut Vec<Trial>,
    /// Those that count.
    tried: Vec<Tried>,
    /// The last full trial that passed, of each rung.
    passed: Vec<(i32, RunFile)>,
}

/// The rate that passes and the one that fails, in payments per second, and the last full trial
/// that passed.
fn find(
    args: &SearchArgs,
    trials: &mut Vec<Trial>,
    stop: &AtomicBool,
) -> Result<([f64; 2], RunFile), Failure> {
    check(args)?;
    let book = args.book.as_deref();
    let runner = Runner::new(args.log_dir.as_deref(), book, stop)?;
    runner.check_storage(book, [&*args.options], args.result.quiet)?;
    runner.check_profiles(book, [&*args.options])?;
    let mut search = Searching {
        args,
        runner,
        steps: Steps::new(None, args.result.quiet),
        short: (args.trial / SHORT).max(SHORTEST),
        ladder: Ladder::new(args.width),
        trials,
        tried: Vec::new(),
        passed: Vec::new(),
    };
    let found = search.go();
    search.steps.clear();
    found.map_err(|failure| match (failure.is_interrupt(), book) {
        (true, Some(book)) => Failure {
            text: format!(
                "{}: stopped after {}; the same command goes on",
                book.display(),
                human::counted(search.trials.len() as u64, "trial")
            ),
            ..failure
        },
        _ => failure,
    })
}

impl Searching<'_> {
    fn go(&mut self) -> Result<([f64; 2], RunFile), Failure> {
        let args = self.args;
        let start_per_s = match args.start {
            Some(start) => start,
            None => self.closed_loop_per_s()? * FIRST,
        };
        let least = self.ladder.rung(LEAST_PAYMENTS / self.short.as_secs_f64());
        let goal = Goal {
            trials: args.trials,
            passes: args.passes(),
            start: self.ladder.rung(start_per_s).max(least),
            least,
        };
        let most_trials = MOST_TRIALS.max(MOST_RATES * args.trials);
        loop {
            match bracket::next(&goal, &self.ladder, &self.tried) {
                Next::Trial { .. } if self.tried.len() == most_trials => {
                    let width = human::share(args.width);
                    return Err(Failure::new(
                        Exit::Inconclusive,
                        format!(
                            "{most_trials} trials have not closed the interval: the machine is too \
                             noisy for --width {width}; try longer --trial, or more --trials"
                        ),
                    ));
                }
                Next::Trial { rung, length } => self.try_rung(rung, length)?,
                Next::NothingPasses { rung } => {
                    let reasons = self.trials.last().map(|trial| trial.reasons.join("; "));
                    return Err(Failure::new(
                        Exit::Regression,
                        format!(
                            "no rate meets {}: at {}/s {}",
                            args.slo,
                            human::figure(self.ladder.per_s(rung)),
                            reasons.unwrap_or_default()
                        ),
                    ));
                }
                Next::Found { pass } => {
                    let at = self.passed.iter().find(|(rung, _)| *rung == pass);
                    let (_, run) = at.expect("a rate that passes has passed");
                    let interval = [pass, pass + 1].map(|rung| self.ladder.per_s(rung));
                    return Ok((interval, run.clone()));
                }
            }
        }
    }

    /// The rate of a closed loop, which tells where to begin.
    fn closed_loop_per_s(&mut self) -> Result<f64, Failure> {
        let lasts = human::seconds(self.short.as_secs_f64());
        self.steps.say(format!("closed loop, for {lasts}"));
        let options = closed_loop(&self.args.options);
        let run = self.run(None, 0, options, self.short)?;
        if !run.achieved.valid {
            let reasons = run.achieved.invalid_reasons.join("; ");
            return Err(Failure::new(
                Exit::Invalid,
                format!("the run that tells where to begin is INVALID: {reasons}"),
            ));
        }
        Ok(run.achieved.payments_per_s)
    }

    /// The run of this number of this rate and length, made unless the book has it.
    fn run(
        &mut self,
        per_s: Option<f64>,
        number: u32,
        mut options: Vec<String>,
        lasts: Duration,
    ) -> Result<RunFile, Failure> {
        let rate = per_s.map_or("max".to_owned(), |per_s| per_s.to_string());
        let rate = option("--rate", rate);
        options.extend(duration_option(lasts));
        let cell = [&rate[..], &options].concat();
        if let Some(run) = self.runner.runs.find(&cell, number) {
            return Ok(run.clone());
        }
        if per_s.is_some() {
            options.extend(rate);
        }
        let run = self.runner.run(&options)?;
        self.runner.runs.add(Line {
            cell,
            repeat: number,
            calibration: None,
            run: run.clone(),
        })?;
        Ok(run)
    }

    /// Makes a trial, and counts it unless the machine was disturbed.
    fn try_rung(&mut self, rung: i32, length: Length) -> Result<(), Failure> {
        let per_s = self.ladder.per_s(rung);
        let lasts = match length {
            Length::Short => self.short,
            Length::Full => self.args.trial,
        };
        let lasts_s = lasts.as_secs_f64();
        self.steps.say(format!(
            "trial {}: {}/s for {}{}",
            self.trials.len() + 1,
            human::figure(per_s),
            human::seconds(lasts_s),
            self.trials.last().map_or(String::new(), Trial::outcome)
        ));
        let alike = |trial: &&Trial| trial.rate_per_s == per_s && trial.duration_s == lasts_s;
        let number = self.trials.iter().filter(alike).count() as u32;
        let run = self.run(Some(per_s), number, self.args.options.clone(), lasts)?;
        let mut trial = self.trial(&run, per_s, lasts_s, length)?;
        let so_far = self.trials.iter().filter(|trial| trial.set_aside).count();
        let (limit, cores) = (self.args.disturbance, run.machine.cores);
        trial.set_aside = sets_aside(trial.disturbance, limit, lasts_s, cores, so_far);
        if !trial.set_aside {
            let passed = trial.passed;
            self.tried.push(Tried {
                rung,
                length,
                passed,
            });
            if passed && length == Length::Full {
                self.passed.retain(|(other, _)| *other != rung);
                self.passed.push((rung, run));
            }
        }
        self.trials.push(trial);
        Ok(())
    }

    fn trial(
        &self,
        run: &RunFile,
        per_s: f64,
        lasts_s: f64,
        length: Length,
    ) -> Result<Trial, Failure> {
        let reasons = self.args.slo.missed(run).map_err(|reasons| {
            let (rate, reasons) = (human::figure(per_s), reasons.join("; "));
            let text =
                format!("a trial at {rate}/s is INVALID, and says nothing of the rate: {reasons}");
            Failure::new(Exit::Invalid, text)
        })?;
        let open_loop = run.achieved.open_loop.as_ref().expect("it was judged");
        Ok(Trial {
            rate_per_s: per_s,
            duration_s: lasts_s,
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
            disturbance: disturbance(run),
        })
    }
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
