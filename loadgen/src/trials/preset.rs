//! Grids by name: what a capacity plan needs, in how long a time. Pure.

use std::time::Duration;

use clap::ValueEnum;
use duet_run_file::units::parse_count;

use super::grid::{Axes, Cell, parse_loads};

/// A plan's sweep makes shorter runs and more of them.
pub(super) const PLAN_TRIAL: Duration = Duration::from_secs(3);
const PLAN_REPEATS_MOST: u32 = 5;
/// A quarter of an hour, and some time to spare.
const PLAN_TAKES_S: f64 = 780.0;
/// A grid by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// What `reports plan` needs, in 15 minutes at most: loads, numbers of channels, of cores and
    /// of payments a session.
    Plan,
}

/// What a plan needs: the load at one core and at all of them, channels up to 300,000, short
/// sessions, and up to eight numbers of cores.
pub(super) fn plan_cells(settings: Vec<(&'static str, Vec<String>)>, cores: u64) -> Vec<Cell> {
    let list = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    let loads = |text: &str| parse_loads(text).expect("a constant").0;
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
    let mut cells = grid("max,10%,25%,40%,55%,70%,80%,90%", &["10k"], all(), &["10k"]);
    cells.extend(grid(
        "max",
        &["1k", "3k", "30k", "100k", "300k"],
        all(),
        &["10k"],
    ));
    // Low enough to be held: what channels take that pay is seen in no closed loop.
    cells.extend(grid("30%", &["3k", "30k", "100k", "300k"], all(), &["10k"]));
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

/// How many runs of each cell a plan's sweep makes: the median of more is nearer to what a shared machine
/// does without its neighbours.
pub(super) fn plan_repeats(cells: &[Cell], trial: Duration) -> u32 {
    let rounds = PLAN_TAKES_S / takes_s(cells.iter(), trial);
    (rounds as u32).clamp(1, PLAN_REPEATS_MOST)
}

/// How long runs of these cells take, about: keys and opening, paying, closing.
pub(super) fn takes_s<'a>(cells: impl Iterator<Item = &'a Cell>, trial: Duration) -> f64 {
    let takes = |cell| trial.as_secs_f64() + 2.0 * opening(cell).as_secs_f64() + 1.0;
    cells.map(takes).sum()
}

/// How long opening a cell's channels takes at most: far more than with the lanes, and about what
/// library code does.
fn opening(cell: &Cell) -> Duration {
    const CHANNELS_PER_S: f64 = 50e3;
    let given = cell.options.iter().position(|word| word == "--concurrent");
    let channels = given.and_then(|at| parse_count(cell.options.get(at + 1)?).ok());
    Duration::from_secs_f64(channels.unwrap_or(0).min(1 << 28) as f64 / CHANNELS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trials::grid::Load;

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
    fn the_plan_fits_into_a_quarter_of_an_hour() {
        for (cores, expected) in [(1, 5), (2, 5), (16, 3), (128, 3)] {
            let cells = plan_cells(Vec::new(), cores);
            let repeats = plan_repeats(&cells, PLAN_TRIAL);
            let takes_s = f64::from(repeats) * takes_s(cells.iter(), PLAN_TRIAL);
            assert_eq!(repeats, expected, "{cores} cores");
            assert!(takes_s <= 780.0, "{cores} cores: {takes_s} s");
        }
    }

    #[test]
    fn many_channels_take_longer() {
        for (channels, expected_ms) in [("500", 10), ("10k", 200), ("300k", 6_000)] {
            let cell = Cell {
                load: Load::Closed,
                options: vec!["--concurrent".to_owned(), channels.to_owned()],
            };
            assert_eq!(opening(&cell), Duration::from_millis(expected_ms));
        }
    }
}
