//! `sweep`: runs over a grid of rates, channels, cores and settings, each kept in a file as it
//! ends. A sweep that was stopped goes on where it was; nothing that was measured is ever
//! overwritten.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use duet_experiment::Failure;
use duet_run_file::measured::busy;
use duet_run_file::sweep::{Calibration, Line};
use duet_terminal::exit::Exit;
use duet_terminal::human;
use duet_terminal::layout::{flow, sentence};
use duet_terminal::paths::Paths;

use super::args::SweepArgs;
use super::grid::{Axes, Cell, Load, order, rounds_first};
use super::preset::{Cost, Estimate, PLAN_PROMISE, PLAN_TRIAL, Preset, calibrated, plan_cells};
use super::{Runner, check_options, check_run, duration_option, option};
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
    go(args, stop).unwrap_or_else(|failure| failure.tell())
}

fn go(args: &SweepArgs, stop: &AtomicBool) -> Result<Exit, Failure> {
    let asked = Asked::of(args)?;
    // Options are judged before anything runs; what the machine can do is known only then.
    let assumed = args
        .preset
        .map(|Preset::Plan| asked.calibration(Cost::ASSUMED));
    let (runs, repeats) = asked.planned(assumed);
    asked.check(repeats, &runs)?;
    if args.list {
        return Ok(list(args, &runs, repeats));
    }
    let mut runner = Runner::new(args.log_dir.as_deref(), Some(&args.file), stop)?;
    if runner.runs.was_torn() && !args.quiet {
        let file = args.file.display();
        say(format_args!(
            "{file}: the last run was not whole, and is made again"
        ));
    }
    let options: Vec<Vec<String>> = runs.iter().map(|(cell, _)| asked.options(cell)).collect();
    runner.check_storage(
        Some(&args.file),
        options.iter().map(Vec::as_slice),
        args.quiet,
    )?;
    runner.check_profiles(Some(&args.file), options.iter().map(Vec::as_slice))?;
    let calibration = asked.cut_to(&runner)?;
    let (runs, repeats) = asked.planned(calibration);
    let all = runs.len();
    let is_left = |(cell, repeat): &(Cell, u32)| {
        let cell = asked.words(cell);
        runner.runs.find(&cell, *repeat).is_none()
    };
    let left: Vec<(Cell, u32)> = runs.into_iter().filter(is_left).collect();
    let mut sweep = Sweeping {
        estimate: Estimate::new(calibration.map_or(Cost::ASSUMED, Cost::from), asked.trial),
        first_rounds: rounds_first(repeats),
        calibration,
        steps: Steps::new(Some(left.len() as u64), args.quiet),
        begin: Instant::now(),
        tally: Tally::default(),
        runner: &mut runner,
        asked: &asked,
    };
    if !args.quiet {
        say(format_args!(
            "{} of {all} runs are to be made, about {}; seed {}",
            left.len(),
            human::seconds(sweep.left_s(&left)),
            args.seed
        ));
    }
    for at in 0..left.len() {
        let to_come = &left[at..];
        match sweep.make(to_come) {
            Err(failure) if failure.is_interrupt() => {
                return Err(sweep.stopped(all, to_come));
            }
            made => made?,
        }
        sweep.steps.end();
    }
    Ok(sweep.conclude())
}

/// Says what would be run.
fn list(args: &SweepArgs, runs: &[(Cell, u32)], repeats: u32) -> Exit {
    if args.preset.is_some() && !args.quiet {
        say("a machine that opens and closes channels slowly makes fewer of these");
    }
    let lines = runs
        .iter()
        .map(|(cell, repeat)| format!("{cell}  (run {} of {repeats})\n", repeat + 1));
    print(&lines.collect::<String>()).err().unwrap_or(Exit::Ok)
}

/// What is to be run.
struct Asked<'a> {
    args: &'a SweepArgs,
    /// Options of `run` that cells share, with their values; of a preset one value each.
    settings: Vec<(&'static str, Vec<String>)>,
    /// How long payments are made in each run.
    trial: Duration,
}

impl<'a> Asked<'a> {
    fn of(args: &'a SweepArgs) -> Result<Asked<'a>, Failure> {
        let settings = vec![
            ("--cosign-every", args.cosign_every.clone()),
            ("--in-flight", args.in_flight.clone()),
            ("--backend", args.backend.clone()),
            ("--durability", args.durability.clone()),
        ];
        if args.preset == Some(Preset::Plan)
            && let Some((option, values)) = settings.iter().find(|(_, values)| values.len() > 1)
        {
            return Err(Failure::bad_input(format!(
                "{option} {}: expected one value with --preset plan: a plan is for one assurance",
                values.join(",")
            )));
        }
        let usual = match args.preset {
            Some(Preset::Plan) => PLAN_TRIAL,
            None => TRIAL,
        };
        Ok(Asked {
            args,
            settings,
            trial: args.trial.unwrap_or(usual),
        })
    }

    /// The options of a cell's runs, without the rate.
    fn options(&self, cell: &Cell) -> Vec<String> {
        let fixed = self.args.options.iter().cloned();
        let options = cell.options.iter().cloned().chain(fixed);
        options.chain(duration_option(self.trial)).collect()
    }

    /// The words by which the file names a cell.
    fn words(&self, cell: &Cell) -> Vec<String> {
        let rate = option("--rate", cell.load).into_iter();
        rate.chain(self.options(cell)).collect()
    }

    /// The runs that were asked for, and how many of each cell.
    fn planned(&self, calibration: Option<Calibration>) -> (Vec<(Cell, u32)>, u32) {
        let args = self.args;
        let (cells, repeats) = match calibration {
            Some(found) => {
                let cells = plan_cells(&self.settings, threads::cores(), found.channels_most);
                (cells, found.repeats)
            }
            None => {
                let mut options = vec![
                    ("--concurrent", args.concurrent.clone()),
                    ("--shards", args.shards.clone()),
                    ("--payments", args.payments.clone()),
                ];
                options.extend(self.settings.iter().cloned());
                let rate = args.rate.clone();
                let cells = Axes { rate, options }.cells();
                (cells, args.repeats.unwrap_or(REPEATS))
            }
        };
        (order(cells, repeats, args.seed), repeats)
    }

    fn check(&self, repeats: u32, runs: &[(Cell, u32)]) -> Result<(), Failure> {
        let args = self.args;
        Paths::default()
            .writes("FILE", Some(&args.file))
            .writes("--log-dir", args.log_dir.as_deref())
            .check()
            .map_err(Failure::bad_input)?;
        if self.trial < SHORTEST {
            return Err(Failure::bad_input(format!(
                "--trial {}: expected 200ms or more",
                human::seconds(self.trial.as_secs_f64())
            )));
        }
        if !(1..=MOST_REPEATS).contains(&repeats) {
            return Err(Failure::bad_input(format!(
                "--repeats {repeats}: expected 1 to {MOST_REPEATS}"
            )));
        }
        let own = ["--rate", "--concurrent", "--shards", "--payments"];
        let own = own
            .into_iter()
            .chain(self.settings.iter().map(|(name, _)| *name));
        check_options(&args.options, &own.collect::<Vec<_>>())?;
        for (cell, _) in runs {
            let mut options = self.options(cell);
            if let Load::PerS(per_s) = cell.load {
                options.extend(option("--rate", per_s));
            }
            check_run(&options)?;
        }
        Ok(())
    }

    fn calibration(&self, cost: Cost) -> Calibration {
        let cores = threads::cores();
        calibrated(&self.settings, cores, cost, self.trial, self.args.repeats)
    }

    /// What a preset is cut to: as the file says, if it has runs of this sweep, since a sweep that
    /// goes on does not choose anew; or by what the machine does now.
    fn cut_to(&self, runner: &Runner<'_>) -> Result<Option<Calibration>, Failure> {
        if self.args.preset.is_none() {
            return Ok(None);
        }
        let lines = runner.runs.lines().iter();
        let mut of_this = lines.filter(|line| self.is_of(&line.cell));
        if let Some(earlier) = of_this.find_map(|line| line.calibration) {
            return Ok(Some(Calibration {
                repeats: self.args.repeats.unwrap_or(earlier.repeats),
                ..earlier
            }));
        }
        let cost = self
            .measured_cost(runner)
            .map_err(|failure| match failure.is_interrupt() {
                true => Failure {
                    text: "stopped before the first run; the same command begins again".to_owned(),
                    ..failure
                },
                false => failure,
            })?;
        let found = self.calibration(cost);
        if !self.args.quiet {
            let text = format!(
                "a run takes {} besides its payments, and {} a channel: up to {} channels, {} of \
                 each cell",
                human::seconds(found.run_s),
                human::seconds(found.channel_s),
                human::count(found.channels_most),
                human::counted(u64::from(found.repeats), "run"),
            );
            say(sentence("", &text).join("\n"));
        }
        Ok(Some(found))
    }

    /// Whether a cell of the file is of a sweep with these settings, options and length of runs.
    fn is_of(&self, cell: &[String]) -> bool {
        let lasts = duration_option(self.trial);
        let fixed = self.args.options.iter().chain(&lasts);
        let value = |name: &str| {
            let at = cell.iter().position(|word| word == name)?;
            cell.get(at + 1)
        };
        let mut all = self.settings.iter();
        cell.iter().rev().zip(fixed.rev()).all(|(a, b)| a == b)
            && all.all(|(name, values)| value(name) == values.first())
    }

    /// Measures what a run takes besides its payments, with the settings of the sweep.
    fn measured_cost(&self, runner: &Runner<'_>) -> Result<Cost, Failure> {
        let took = |channels: u64| -> Result<(u64, f64), Failure> {
            let mut options = option("--concurrent", channels).to_vec();
            for (name, values) in &self.settings {
                options.extend(values.first().into_iter().flat_map(|of| option(name, of)));
            }
            options.extend(self.args.options.iter().cloned());
            options.extend(duration_option(CALIBRATION));
            let begin = Instant::now();
            runner.run(&options)?;
            Ok((channels, begin.elapsed().as_secs_f64()))
        };
        let [few, many] = CALIBRATION_CHANNELS;
        Ok(Cost::measured(CALIBRATION, took(few)?, took(many)?))
    }
}

/// A sweep that goes on.
struct Sweeping<'a, 'r> {
    asked: &'a Asked<'a>,
    runner: &'a mut Runner<'r>,
    calibration: Option<Calibration>,
    /// Rounds of closed loops that shares are of.
    first_rounds: u32,
    estimate: Estimate,
    steps: Steps,
    begin: Instant,
    tally: Tally,
}

/// What became of the runs that were to be made.
#[derive(Default)]
struct Tally {
    made: u64,
    not_held: usize,
    broken: usize,
    skipped: usize,
    put_off: usize,
    disturbed: usize,
}

impl Sweeping<'_, '_> {
    fn left_s(&self, left: &[(Cell, u32)]) -> f64 {
        self.estimate.left_s(left.iter().map(|(cell, _)| cell))
    }

    /// Makes the first of these runs, or says why it is left out.
    fn make(&mut self, to_come: &[(Cell, u32)]) -> Result<(), Failure> {
        let (cell, repeat) = &to_come[0];
        if self.is_put_off(to_come) {
            self.tally.put_off += 1;
            return Ok(());
        }
        let left = Duration::from_secs_f64(self.left_s(to_come));
        self.steps.begin(cell, left);
        let mut options = self.asked.options(cell);
        match self.rate(cell) {
            Rate::None => {}
            Rate::PerS(per_s) => options.extend(option("--rate", per_s)),
            Rate::Unknown => {
                self.tally.skipped += 1;
                let text = "is left out: no closed loop of it is VALID to take a share of";
                self.steps.above(|| complain(format_args!("{cell} {text}")));
                return Ok(());
            }
        }
        let before = Instant::now();
        let run = self.runner.run(&options)?;
        self.estimate.took(cell, before.elapsed().as_secs_f64());
        let reasons: Vec<&str> = run.achieved.broken().map(String::as_str).collect();
        if !reasons.is_empty() {
            self.tally.broken += 1;
            let reasons = reasons.join("; ");
            self.steps
                .above(|| complain(format_args!("{cell} is INVALID: {reasons}")));
        } else if !run.achieved.valid {
            self.tally.not_held += 1;
        }
        self.tally.disturbed += usize::from(busy(&run).is_some());
        self.tally.made += 1;
        self.runner.runs.add(Line {
            cell: self.asked.words(cell),
            repeat: *repeat,
            calibration: self.calibration,
            run,
        })
    }

    /// Whether the first of these runs would break a preset's promise. The first run of each cell
    /// is made in any case.
    fn is_put_off(&self, to_come: &[(Cell, u32)]) -> bool {
        let (cell, repeat) = &to_come[0];
        if self.calibration.is_none() || *repeat == 0 {
            return false;
        }
        let first = to_come.iter().filter(|(_, repeat)| *repeat == 0);
        let first_s = self.estimate.left_s(first.map(|(cell, _)| cell));
        let this_s = self.estimate.left_s(std::iter::once(cell));
        self.begin.elapsed().as_secs_f64() + first_s + this_s > PLAN_PROMISE.as_secs_f64()
    }

    /// What a cell offers. Shares are of the median of the closed loop's first rounds: all repeats
    /// of a cell have one rate.
    fn rate(&self, cell: &Cell) -> Rate {
        let share = match cell.load {
            Load::Closed => return Rate::None,
            Load::PerS(per_s) => return Rate::PerS(per_s),
            Load::OfClosed(share) => share,
        };
        let closed = self.asked.words(&cell.closed());
        let lines = self.runner.runs.lines().iter();
        let first = lines.filter(|line| line.cell == closed && line.repeat < self.first_rounds);
        let valid = first.filter(|line| line.run.achieved.valid);
        let mut rates: Vec<f64> = valid
            .map(|line| {
                let achieved = &line.run.achieved;
                let steady = achieved.steady_payments_per_s;
                steady.unwrap_or(achieved.payments_per_s)
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

    /// What is said of a sweep of `all` runs that was stopped with these to come.
    fn stopped(&self, all: usize, to_come: &[(Cell, u32)]) -> Failure {
        self.steps.clear();
        let text = format!(
            "{}: stopped with {} of {all} runs made; the same command goes on, and takes about {}",
            self.asked.args.file.display(),
            all - to_come.len() - self.tally.skipped - self.tally.put_off,
            human::seconds(self.left_s(to_come)),
        );
        Failure::new(Exit::Interrupted, text)
    }

    fn conclude(&self) -> Exit {
        self.steps.clear();
        let tally = &self.tally;
        if !self.asked.args.quiet {
            let mut phrases = vec![format!(
                "{}: {} more in {}, {} in all",
                self.asked.args.file.display(),
                human::counted(tally.made, "run"),
                human::seconds(self.begin.elapsed().as_secs_f64()),
                self.runner.runs.lines().len(),
            )];
            let of_the_new_ones = [
                (tally.not_held, "did not hold their rate"),
                (tally.broken, "are INVALID"),
                (
                    tally.skipped,
                    "were left out, and are made by the same command",
                ),
                (
                    tally.put_off,
                    "repeats were left out to end in time, and are made by the same command",
                ),
                (
                    tally.disturbed,
                    "were made while others or the host took more than 5 % of the machine: a plan \
                     may leave them out (--busy-max)",
                ),
            ];
            let of_the_new_ones = of_the_new_ones.iter().filter(|(count, _)| *count > 0);
            phrases.extend(of_the_new_ones.map(|(count, what)| format!("{count} {what}")));
            say(flow("", &phrases, ";").join("\n"));
        }
        match tally.broken + tally.skipped {
            0 => Exit::Ok,
            _ => Exit::Invalid,
        }
    }
}

/// The rate that a cell offers.
enum Rate {
    /// A closed loop has none.
    None,
    PerS(f64),
    /// A share of a closed loop that no run of it tells.
    Unknown,
}

/// To so many digits that a reader can say it.
fn rounded(value: f64) -> f64 {
    let scale = 10f64.powi(RATE_DIGITS - 1 - value.max(1.0).log10().floor() as i32);
    (value * scale).round() / scale
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
