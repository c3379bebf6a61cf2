//! Grids by name: what a capacity plan needs, in how long a time. Pure.

use std::time::Duration;

use clap::ValueEnum;
use duet_run_file::sweep::Calibration;
use duet_terminal::units::parse_count;

use super::grid::{Axes, Cell, Load, order};

/// A plan's sweep makes shorter runs and more of them.
pub(super) const PLAN_TRIAL: Duration = Duration::from_secs(3);
/// What a plan's sweep is promised to end in.
pub(super) const PLAN_PROMISE: Duration = Duration::from_secs(15 * 60);
const PLAN_REPEATS_MOST: u32 = 5;
/// Fewer say nothing of how much a cell varies.
const PLAN_REPEATS_WANTED: u32 = 2;
/// What is planned for: the promise, and some time to spare.
const PLAN_TAKES_S: f64 = 780.0;
/// Channels may take so many times what payments take.
const CHANNELS_SHARE_MOST: f64 = 3.0;
/// Numbers of channels that a plan is asked for; the first of them that the machine makes in its
/// time is the most, and the last one is made in any case.
const CHANNELS_MOST: [u64; 3] = [300_000, 100_000, 30_000];

/// A grid by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// What `reports plan` needs, in 15 minutes at most: loads, numbers of channels, of cores and
    /// of payments a session.
    Plan,
}

/// What a plan needs: the load at one core and at all of them, channels up to `channels_most`,
/// short sessions, and up to eight numbers of cores.
pub(super) fn plan_cells(
    settings: &[(&'static str, Vec<String>)],
    cores: u64,
    channels_most: u64,
) -> Vec<Cell> {
    let list = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    let loads = |text: &str| -> Vec<Load> {
        let loads = text.split(',').map(str::parse);
        loads.collect::<Result<_, _>>().expect("constants")
    };
    let grid = |rate: &str, concurrent: &[&str], shards: Vec<String>, payments: &[&str]| {
        let mut options = vec![
            ("--concurrent", list(concurrent)),
            ("--shards", shards),
            ("--payments", list(payments)),
        ];
        options.extend(settings.iter().cloned());
        Axes {
            rate: loads(rate),
            options,
        }
        .cells()
    };
    let all = || vec![cores.to_string()];
    let up_to = |counts: &[&'static str]| -> Vec<&'static str> {
        let count = |text: &str| parse_count(text).expect("a constant");
        let kept = counts.iter().filter(|text| count(text) <= channels_most);
        kept.copied().collect()
    };
    let mut cells = grid("max,10%,25%,40%,55%,70%,80%,90%", &["10k"], all(), &["10k"]);
    cells.extend(grid(
        "max",
        &up_to(&["1k", "3k", "30k", "100k", "300k"]),
        all(),
        &["10k"],
    ));
    // Low enough to be held: what channels take that pay is seen in no closed loop.
    let paying = up_to(&["3k", "30k", "100k", "300k"]);
    cells.extend(grid("30%", &paying, all(), &["10k"]));
    cells.extend(grid("max", &["10k"], all(), &["100", "1k"]));
    cells.extend(grid(
        "max,50%,70%,90%",
        &["10k"],
        shard_counts(cores),
        &["10k"],
    ));
    cells
}

/// At most eight numbers of cores from 1 to all of them, evenly spread.
fn shard_counts(cores: u64) -> Vec<String> {
    const MOST: u64 = 8;
    let steps = cores.min(MOST);
    let mut counts: Vec<u64> = (1..=steps)
        .map(|step| (step * cores).div_ceil(steps))
        .collect();
    counts[0] = 1;
    counts.iter().map(u64::to_string).collect()
}

/// What a run takes besides its payments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    /// However few channels it has.
    pub(super) run_s: f64,
    /// For each channel: keys, opening, closing.
    pub(super) channel_s: f64,
}

impl From<Calibration> for Cost {
    fn from(found: Calibration) -> Cost {
        Cost {
            run_s: found.run_s,
            channel_s: found.channel_s,
        }
    }
}

impl Cost {
    /// Of a machine of which nothing was measured.
    pub(super) const ASSUMED: Cost = Cost {
        run_s: 1.0,
        channel_s: 40e-6,
    };

    /// From two runs of this length, each with its channels and the seconds that it took in all.
    pub(super) fn measured(trial: Duration, few: (u64, f64), many: (u64, f64)) -> Cost {
        let channel_s = (many.1 - few.1) / (many.0 - few.0) as f64;
        // A machine that was busy in the first run alone has told nothing of channels.
        let channel_s = channel_s.max(1e-6);
        let run_s = few.1 - trial.as_secs_f64() - channel_s * few.0 as f64;
        Cost {
            run_s: run_s.max(0.05),
            channel_s,
        }
    }

    /// Of a run of this cell.
    pub(super) fn takes_s(&self, cell: &Cell, trial: Duration) -> f64 {
        let channels = channels(cell) as f64;
        trial.as_secs_f64() + self.run_s + self.channel_s * channels
    }

    /// Of one run of each of these cells.
    pub(super) fn round_s(&self, cells: &[Cell], trial: Duration) -> f64 {
        let takes = |cell| self.takes_s(cell, trial);
        cells.iter().map(takes).sum()
    }
}

/// The channels that a cell names; a cell that names none has few.
fn channels(cell: &Cell) -> u64 {
    let given = cell.options.iter().position(|word| word == "--concurrent");
    let channels = given.and_then(|at| parse_count(cell.options.get(at + 1)?).ok());
    channels.unwrap_or(0).min(1 << 28)
}

/// What a plan's sweep is cut to on a machine of this cost: the most channels of which enough
/// rounds fit into its time, and as many rounds as do. The median of more is nearer to what a
/// shared machine does without its neighbours.
pub(super) fn calibrated(
    settings: &[(&'static str, Vec<String>)],
    cores: u64,
    cost: Cost,
    trial: Duration,
    repeats: Option<u32>,
) -> Calibration {
    let round_s = |channels_most| {
        let cells = order(plan_cells(settings, cores, channels_most), 1, 0);
        let cells: Vec<Cell> = cells.into_iter().map(|(cell, _)| cell).collect();
        let bare = Cost {
            channel_s: 0.0,
            ..cost
        };
        (cost.round_s(&cells, trial), bare.round_s(&cells, trial))
    };
    let wanted = f64::from(repeats.unwrap_or(PLAN_REPEATS_WANTED));
    let fits = |most: &u64| {
        let (round_s, bare_s) = round_s(*most);
        wanted * round_s <= PLAN_TAKES_S && round_s <= (1.0 + CHANNELS_SHARE_MOST) * bare_s
    };
    let [.., least] = CHANNELS_MOST;
    let channels_most = CHANNELS_MOST.into_iter().find(fits).unwrap_or(least);
    let rounds = (PLAN_TAKES_S / round_s(channels_most).0) as u32;
    Calibration {
        run_s: cost.run_s,
        channel_s: cost.channel_s,
        channels_most,
        repeats: repeats.unwrap_or(rounds.clamp(1, PLAN_REPEATS_MOST)),
    }
}

/// How long what is left takes, corrected by what was made so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    cost: Cost,
    trial: Duration,
    /// Of the runs that were made: what they took, and were expected to.
    took_s: f64,
    expected_s: f64,
}

impl Estimate {
    /// Runs after which the correction counts.
    const ENOUGH_S: f64 = 5.0;

    pub(super) fn new(cost: Cost, trial: Duration) -> Self {
        Estimate {
            cost,
            trial,
            took_s: 0.0,
            expected_s: 0.0,
        }
    }

    /// A run of this cell has taken so long.
    pub(super) fn took(&mut self, cell: &Cell, took_s: f64) {
        self.took_s += took_s;
        self.expected_s += self.cost.takes_s(cell, self.trial);
    }

    /// How long runs of these cells take.
    pub(super) fn left_s<'a>(&self, cells: impl Iterator<Item = &'a Cell>) -> f64 {
        let correction = match self.expected_s < Self::ENOUGH_S {
            true => 1.0,
            false => self.took_s / self.expected_s,
        };
        let takes = |cell| self.cost.takes_s(cell, self.trial);
        correction * cells.map(takes).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_cores_are_spread() {
        for (cores, expected) in [
            (1, "1"),
            (2, "1 2"),
            (5, "1 2 3 4 5"),
            (16, "1 4 6 8 10 12 14 16"),
            (128, "1 32 48 64 80 96 112 128"),
        ] {
            assert_eq!(shard_counts(cores).join(" "), expected);
        }
    }

    #[test]
    fn the_plan_fits_into_a_quarter_of_an_hour_on_every_back_end() {
        // Keys, opening and closing of a channel: with lanes, with library code, on a slow machine.
        for (cores, channel_us, channels_most, repeats) in [
            (1, 8.0, 300_000, 5),
            (2, 8.0, 300_000, 5),
            (16, 8.0, 300_000, 4),
            (128, 8.0, 300_000, 4),
            (2, 100.0, 300_000, 4),
            (2, 400.0, 100_000, 3),
            (2, 1_500.0, 30_000, 1),
        ] {
            let cost = Cost {
                run_s: 0.5,
                channel_s: channel_us / 1e6,
            };
            let found = calibrated(&[], cores, cost, PLAN_TRIAL, None);
            let case = format!("{cores} cores, {channel_us} us");
            assert_eq!(
                (found.channels_most, found.repeats),
                (channels_most, repeats),
                "{case}"
            );
            let cells = plan_cells(&[], cores, found.channels_most);
            let runs = order(cells, found.repeats, 1);
            let takes_s = Estimate::new(cost, PLAN_TRIAL).left_s(runs.iter().map(|(cell, _)| cell));
            assert!(takes_s <= 780.0, "{case}: {takes_s} s");
        }
    }

    #[test]
    fn a_hasty_plan_has_fewer_channels_and_not_more_patience() {
        let cost = Cost {
            run_s: 0.5,
            channel_s: 400e-6,
        };
        let trial = Duration::from_secs(1);
        let found = calibrated(&[], 2, cost, trial, Some(1));
        assert_eq!((found.channels_most, found.repeats), (30_000, 1));
        // What was asked for is done, however long it takes.
        assert_eq!(calibrated(&[], 2, cost, trial, Some(9)).repeats, 9);
    }

    #[test]
    fn what_channels_cost_is_told_from_two_runs() {
        let trial = Duration::from_millis(200);
        let cost = Cost::measured(trial, (100, 0.45), (2_000, 1.4));
        assert!((cost.channel_s - 500e-6).abs() < 1e-9, "{cost:?}");
        assert!((cost.run_s - 0.2).abs() < 1e-9, "{cost:?}");
        // Noise makes nothing negative.
        let cost = Cost::measured(trial, (100, 1.0), (2_000, 0.3));
        assert!(cost.channel_s > 0.0 && cost.run_s > 0.0, "{cost:?}");
        let cell = |channels: &str| Cell {
            load: Load::Closed,
            options: vec!["--concurrent".to_owned(), channels.to_owned()],
        };
        for (channels, expected_s) in [("500", 3.02), ("10k", 3.4), ("300k", 15.0)] {
            let cost = Cost {
                run_s: 0.0,
                channel_s: 40e-6,
            };
            let takes_s = cost.takes_s(&cell(channels), PLAN_TRIAL);
            assert!((takes_s - expected_s).abs() < 1e-9, "{channels}: {takes_s}");
        }
        // An estimate that was too small is corrected by what runs took.
        let mut estimate = Estimate::new(Cost::ASSUMED, PLAN_TRIAL);
        let few = cell("10k");
        let before = estimate.left_s([&few, &few].into_iter());
        for _ in 0..3 {
            estimate.took(&few, before);
        }
        let after = estimate.left_s([&few, &few].into_iter());
        assert!((after / before - 2.0).abs() < 1e-9, "{before} {after}");
    }
}
