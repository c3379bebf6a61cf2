//! `offload`: the ratio between Layer 1's load without channels and with them, over the length of
//! sessions. Short sessions are run, and held to a model that was fixed beforehand; the model goes
//! on where no run ends in time.

pub mod args;
mod cells;
mod judge;
mod model;
mod table;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use duet_experiment::Failure;
use duet_experiment::loadgen::Loadgen;
use duet_profile::Profile;
use duet_run_file::curve::{Curve, CurveCell, CurveFigure, CurveLine, CurveRun, SCHEMA};
use duet_terminal::exit::Exit;
use duet_terminal::progress::Steps;
use duet_terminal::say::complain;

use self::args::OffloadArgs;
use self::cells::{Cell, Sizes};
use self::judge::{Made, cpu_differs};
use self::model::{CPU, Cpu, Model, RESOURCES, median};
use super::option;
use crate::machine;

/// The runs that CPU time is taken from, by payments and disputes: neither length is asked for by
/// default, and each has blocks full of what it measures.
const CPU_FROM: [(u64, &str); 2] = [(2, "0"), (20, "10%")];
/// Seeds of those are this far from the cells'.
const CPU_SEED: u64 = 1 << 32;
/// Payments that a run makes a second, about, and what it takes besides.
const PAYMENTS_PER_S: f64 = 40_000.0;
const RUN_S: f64 = 0.7;

/// Measures as asked; `stop` ends it early. Gives the exit code.
pub fn offload(args: &OffloadArgs, command: Vec<String>, stop: &AtomicBool) -> Exit {
    go(args, command, stop).unwrap_or_else(|failure| failure.tell())
}

fn go(args: &OffloadArgs, command: Vec<String>, stop: &AtomicBool) -> Result<Exit, Failure> {
    let lines = cells::lines(args).map_err(Failure::bad_input)?;
    let models = models(args)?;
    check_paths(args)?;
    let began = SystemTime::now().duration_since(UNIX_EPOCH);
    let plan = plan(args, &models, &lines);
    let mut measuring = Measuring {
        args,
        loadgen: Loadgen::this()?,
        stop,
        steps: Steps::new(Some(plan.len() as u64), args.result.quiet),
        cpu: vec![Vec::new(); models.len()],
        samples: Vec::new(),
        made: BTreeMap::new(),
        runs: Vec::new(),
    };
    for at in 0..plan.len() {
        let made = measuring.run(&models, &plan[at..]);
        if made.is_err() {
            measuring.steps.clear();
        }
        made?;
    }
    measuring.steps.clear();
    let curve = Curve {
        curve: "offload".to_owned(),
        schema: SCHEMA,
        command,
        started_unix_s: began.unwrap_or_default().as_secs(),
        commit: env!("DUET_COMMIT").to_owned(),
        machine: machine::machine(),
        repeats: args.repeats,
        valid: true,
        cpu_within: args.cpu_within,
        lines: measuring.lines(&models, &lines),
        runs: measuring.runs,
    };
    let agrees = |line: &CurveLine| line.cells.iter().all(|cell| cell.problems.is_empty());
    let curve = Curve {
        valid: curve.lines.iter().all(agrees),
        ..curve
    };
    Ok(publish(args, &curve))
}

/// The models of the profiles that were asked for.
fn models(args: &OffloadArgs) -> Result<Vec<(String, Model)>, Failure> {
    let asked = match args.l1.is_empty() {
        true => vec!["duet".to_owned()],
        false => args.l1.clone(),
    };
    let mut models: Vec<(String, Model)> = Vec::new();
    for name in asked {
        let refused = |error| Failure::bad_input(format!("--l1: {error}"));
        let profile = Profile::find(&name).map_err(refused)?;
        let model = Model::of(&profile, &args.planted_price).map_err(refused)?;
        if models
            .iter()
            .any(|(_, other)| other.profile == model.profile)
        {
            return Err(Failure::bad_input(format!(
                "--l1: {} is there twice; expected each profile once",
                model.profile
            )));
        }
        models.push((name, model));
    }
    Ok(models)
}

fn check_paths(args: &OffloadArgs) -> Result<(), Failure> {
    let own = args.l1.iter().map(std::path::Path::new);
    (args.result).check(|paths| own.fold(paths, |paths, file| paths.reads("--l1", Some(file))))
}

fn publish(args: &OffloadArgs, curve: &Curve) -> Exit {
    if args.result.quiet && !curve.valid {
        complain("runs are INVALID or not as the model says");
    }
    let exit = match curve.valid {
        true => Exit::Ok,
        false => Exit::Invalid,
    };
    (args.result).tell(|| curve.to_json(), || table::table(curve), exit)
}

/// A run to be made.
#[derive(Clone, Copy, Debug)]
struct Order {
    /// Which of the profiles.
    profile: usize,
    /// Its line among the profile's; none for one that CPU time is taken from.
    line: Option<usize>,
    cell: Cell,
    sizes: Sizes,
    repeat: u32,
}

/// All runs: round by round, in each a profile's two for CPU time before its cells.
fn plan(args: &OffloadArgs, models: &[(String, Model)], lines: &[Vec<Cell>]) -> Vec<Order> {
    let mut orders = Vec::new();
    for repeat in 0..args.repeats {
        for profile in 0..models.len() {
            let order = |line, cell: Cell| {
                let sizes = cell.sizes()?;
                let sizes = match line {
                    Some(_) => sizes,
                    // Layer 1's work is the same.
                    None => Sizes {
                        cosign_every: 100,
                        ..sizes
                    },
                };
                Some(Order {
                    profile,
                    line,
                    cell,
                    sizes,
                    repeat,
                })
            };
            let measured = CPU_FROM.iter().filter_map(|(payments, disputes)| {
                let cell = Cell {
                    disputes: duet_modelled::Share::parse(disputes).ok()?,
                    open_batch: 1,
                    payments: *payments,
                };
                order(None, cell)
            });
            orders.extend(measured);
            let all = (0..).zip(lines).flat_map(|(nth, line)| {
                let cells = line.iter();
                cells.filter_map(move |cell| order(Some(nth), *cell))
            });
            orders.extend(all);
        }
    }
    orders
}

/// A curve in the making.
struct Measuring<'a> {
    args: &'a OffloadArgs,
    loadgen: Loadgen,
    stop: &'a AtomicBool,
    steps: Steps,
    /// What CPU time transactions take, by profile, round by round.
    cpu: Vec<Vec<Cpu>>,
    /// The first of the two runs that it is taken from.
    samples: Vec<model::Sample>,
    /// By profile, line and length.
    made: BTreeMap<(usize, usize, u64), Vec<Made>>,
    runs: Vec<CurveRun>,
}

impl Measuring<'_> {
    /// Makes the first of these runs.
    fn run(&mut self, models: &[(String, Model)], to_come: &[Order]) -> Result<(), Failure> {
        let order = &to_come[0];
        let (name, model) = &models[order.profile];
        let seed = self.args.seed.wrapping_add(u64::from(order.repeat));
        let seed = match order.line {
            Some(_) => seed,
            None => seed.wrapping_add(CPU_SEED),
        };
        let Sizes { sessions, .. } = order.sizes;
        // Where transactions bid, many at once would outbid each other.
        let at_once = match model.bids {
            true => sessions.min(2_500),
            false => sessions,
        };
        let options = options(order, name, at_once, seed);
        let what = format!(
            "{}, {} sessions of {} payments, {} disputed",
            model.profile,
            sessions,
            order.cell.payments,
            order.cell.disputes.percent()
        );
        self.steps.begin(what, left(to_come));
        let expected = model.expected(&order.cell, sessions, seed);
        let expected = expected.expect("a run takes the profile, so that all has a price");
        let run = self.loadgen.run("a run", &options, self.stop)?.file;
        self.runs.push(CurveRun {
            options,
            line: order.line,
            repeat: order.repeat,
            run: run.clone(),
        });
        self.steps.end();
        let made = Made {
            run,
            expected,
            payments: order.cell.payments,
            at_once,
        };
        match order.line {
            Some(line) => {
                let key = (order.profile, line, order.cell.payments);
                self.made.entry(key).or_default().push(made);
                Ok(())
            }
            None => self.take_cpu(order.profile, &made),
        }
    }

    /// What CPU time transactions take, when both runs are there that it is taken from.
    fn take_cpu(&mut self, profile: usize, made: &Made) -> Result<(), Failure> {
        let problem = made.invalid();
        let problem = problem.or_else(|| match made.sample() {
            Some(_) => None,
            None => Some("it has no baseline".to_owned()),
        });
        if let Some(problem) = problem {
            let text = format!("the run that CPU time is taken from is INVALID: {problem}");
            return Err(Failure::new(Exit::Invalid, text));
        }
        self.samples.extend(made.sample());
        if let [short, long] = self.samples[..] {
            self.cpu[profile].push(Cpu::of(&short, &long));
            self.samples.clear();
        }
        Ok(())
    }

    /// The curve's lines.
    fn lines(&self, models: &[(String, Model)], lines: &[Vec<Cell>]) -> Vec<CurveLine> {
        let mut all = Vec::new();
        for (profile, (_, model)) in models.iter().enumerate() {
            let cpu = Cpu::median(&self.cpu[profile]);
            for (nth, line) in lines.iter().enumerate() {
                let Some(first) = line.first() else { continue };
                let even = |resource: &str| model.break_even(first, resource, &cpu);
                let even = RESOURCES.map(|resource| (resource.to_owned(), even(resource)));
                let cells = line.iter().map(|cell| {
                    let made = self.made.get(&(profile, nth, cell.payments));
                    let made = made.map_or(&[][..], Vec::as_slice);
                    self::cell(model, &cpu, cell, made, self.args.cpu_within)
                });
                all.push(CurveLine {
                    profile: model.profile.clone(),
                    unit: model.unit.clone(),
                    disputes: first.disputes.exact().to_f64(),
                    open_batch: first.open_batch,
                    break_even_payments: even.into(),
                    cells: cells.collect(),
                });
            }
        }
        all
    }
}

/// A cell with what its runs say, or the model where there are none; CPU time may be `within` this
/// share of the model's.
fn cell(model: &Model, cpu: &Cpu, cell: &Cell, made: &[Made], within: f64) -> CurveCell {
    let sizes = cell.sizes();
    let mut found = CurveCell {
        payments: cell.payments,
        modelled: sizes.is_none(),
        sessions: sizes.map(|of| of.sessions),
        cosign_every: sizes.map(|of| of.cosign_every),
        disputed: made.iter().map(|of| of.expected.disputed).collect(),
        figures: BTreeMap::new(),
        problems: Vec::new(),
    };
    for (made, number) in made.iter().zip(1..) {
        let invalid = made.invalid();
        let invalid = invalid.map(|reasons| format!("run {number} is INVALID: {reasons}"));
        found.problems.extend(invalid);
    }
    // Nothing is averaged over a run that proves nothing.
    if !found.problems.is_empty() {
        return found;
    }
    let mut differs: Vec<&str> = Vec::new();
    for (made, number) in made.iter().zip(1..) {
        for (resource, text) in made.differs() {
            differs.push(resource);
            found.problems.push(format!("run {number}: {text}"));
        }
    }
    if let Some(text) = cpu_differs(made, cpu, within) {
        differs.push(CPU);
        found.problems.push(text);
    }
    for resource in RESOURCES {
        if let Some(figure) = figure(model, cpu, cell, made, resource) {
            let agrees = !differs.contains(&resource);
            let figure = CurveFigure { agrees, ..figure };
            found.figures.insert(resource.to_owned(), figure);
        }
    }
    found
}

/// A resource in a cell: of the runs the one with the median ratio, or what the model says.
fn figure(
    model: &Model,
    cpu: &Cpu,
    cell: &Cell,
    made: &[Made],
    resource: &str,
) -> Option<CurveFigure> {
    let point = model.point(cell, resource, cpu)?;
    let per_payment = made.iter().filter_map(|made| made.per_payment(resource));
    let runs: Vec<(f64, f64)> = per_payment
        .filter(|(direct, channels)| (direct / channels).is_finite())
        .collect();
    let ratio = |(direct, channels): &(f64, f64)| direct / channels;
    let ratios: Vec<f64> = runs.iter().map(ratio).collect();
    let of_median = median(ratios.iter().copied())
        .and_then(|median| runs.iter().find(|run| ratio(run) == median).copied());
    let (direct, channels) = of_median.unwrap_or((point.direct, point.channels));
    Some(CurveFigure {
        ratio: direct / channels,
        direct,
        channels,
        modelled_ratio: point.ratio,
        ratios,
        agrees: true,
    })
}

/// The options of `loadgen run` that make it.
fn options(order: &Order, profile: &str, at_once: u64, seed: u64) -> Vec<String> {
    let Order { cell, sizes, .. } = order;
    let mut options = [
        option("--sessions", sizes.sessions),
        option("--concurrent", at_once),
        option("--payments", cell.payments),
        option("--cosign-every", sizes.cosign_every),
        option("--l1", profile),
        option("--baseline-sessions", sizes.baseline_sessions),
        option("--seed", seed),
    ]
    .concat();
    if !cell.disputes.is_none() {
        let share = cell.disputes.exact().to_f64();
        options.extend(option("--adversary", format_args!("stale-close={share}")));
    }
    options
}

/// How long these runs take, about.
fn left(to_come: &[Order]) -> Duration {
    let payments = |order: &Order| {
        let made = order.cell.payments as f64 * order.sizes.sessions as f64;
        made / order.sizes.cosign_every as f64
    };
    let seconds = |order: &Order| RUN_S + payments(order) / PAYMENTS_PER_S;
    Duration::from_secs_f64(to_come.iter().map(seconds).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use duet_modelled::Share;

    /// One without a baseline: all counts of transfers differ.
    fn made(model: &Model, cell: &Cell, valid: bool) -> Made {
        let mut run = sample::open_loop();
        run.achieved.valid = valid;
        run.achieved.invalid_reasons = vec!["a signature is wrong".to_owned()];
        Made {
            run,
            expected: model.expected(cell, 2_500, 1).unwrap(),
            payments: cell.payments,
            at_once: 2_500,
        }
    }

    #[test]
    fn nothing_is_averaged_over_a_run_that_is_invalid() {
        let model = Model::of(&Profile::find("duet").unwrap(), &[]).unwrap();
        let of = Cell {
            disputes: Share::of_percent(0),
            open_batch: 1,
            payments: 9,
        };
        let found = |valid: [bool; 2]| {
            let made = valid.map(|valid| made(&model, &of, valid));
            cell(&model, &Cpu::default(), &of, &made, 0.15)
        };
        let one = found([true, false]);
        assert_eq!(one.problems, ["run 2 is INVALID: a signature is wrong"]);
        assert!(one.figures.is_empty());
        // Valid, and not what was expected.
        let none = found([true, true]);
        assert!(
            none.problems
                .iter()
                .any(|text| text.starts_with("run 1: payments "))
        );
        assert!(
            none.problems
                .iter()
                .any(|text| text.starts_with("run 2: bytes of channels"))
        );
        let modelled = cell(&model, &Cpu::default(), &of, &[], 0.15);
        assert!(modelled.problems.is_empty());
        assert_eq!(modelled.figures["transactions"].ratio, 4.5);
    }
}
