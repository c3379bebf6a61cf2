//! The cells of a sweep: every combination of what is varied, in an order that a drifting machine
//! cannot mistake for an effect. Pure.

use std::fmt;
use std::str::FromStr;

use duet_terminal::units::{parse_count, parse_rate, parse_share};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What arrives in a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// A closed loop: as much as goes.
    Closed,
    /// This many payments per second.
    PerS(f64),
    /// This share of what the closed loop of the same cell has made in this sweep.
    OfClosed(f64),
}

impl FromStr for Load {
    type Err = String;

    fn from_str(text: &str) -> Result<Load, String> {
        let text = text.trim();
        if text == "max" {
            return Ok(Load::Closed);
        }
        if text.ends_with('%') {
            let share = parse_share(text)?;
            return if share > 0.0 {
                Ok(Load::OfClosed(share))
            } else {
                Err(format!("'{text}': expected more than 0 %"))
            };
        }
        parse_rate(text).map(Load::PerS).map_err(|_| {
            format!("'{text}' is not a load: expected a rate as in 50k, a share of the closed loop as in 75%, or max")
        })
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Load::Closed => f.write_str("max"),
            Load::PerS(rate) => write!(f, "{rate}"),
            // To the digits that it was given in: 0.55 is 55.00000000000001 hundredths.
            Load::OfClosed(share) => write!(f, "{}%", (share * 1e8).round() / 1e6),
        }
    }
}

/// What is varied: every combination is a cell. An empty list leaves the choice to `run`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axes {
    /// What arrives.
    pub rate: Vec<Load>,
    /// Options of `run` with their values, in this order.
    pub options: Vec<(&'static str, Vec<String>)>,
}

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// What arrives.
    pub load: Load,
    /// Options of `run`, words apart, without the rate.
    pub options: Vec<String>,
}

impl Cell {
    /// The words that name it in the sweep's file.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let rate = ["--rate".to_owned(), self.load.to_string()];
        rate.into_iter()
            .chain(self.options.iter().cloned())
            .collect()
    }

    /// The cell whose closed loop its rate is a share of.
    #[must_use]
    pub fn closed(&self) -> Cell {
        Cell {
            load: Load::Closed,
            options: self.options.clone(),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(" "))
    }
}

impl Axes {
    /// Every combination.
    #[must_use]
    pub fn cells(&self) -> Vec<Cell> {
        let mut rows: Vec<Vec<String>> = vec![Vec::new()];
        for (option, values) in self.options.iter().filter(|(_, values)| !values.is_empty()) {
            rows = rows
                .iter()
                .flat_map(|row| {
                    values.iter().map(|value| {
                        let pair = [(*option).to_owned(), value.clone()];
                        row.iter().cloned().chain(pair).collect()
                    })
                })
                .collect();
        }
        let loads = match self.rate.as_slice() {
            [] => &[Load::Closed],
            loads => loads,
        };
        rows.iter()
            .flat_map(|options| {
                loads.iter().map(|load| Cell {
                    load: *load,
                    options: options.clone(),
                })
            })
            .collect()
    }
}

/// Rounds of closed loops that rates are shares of; the other rounds are made among those of the
/// shares, so that a machine that drifts is not taken for an effect of the load.
#[must_use]
pub fn rounds_first(repeats: u32) -> u32 {
    repeats.div_ceil(2)
}

/// The order in which `repeats` runs of each cell are made: round by round, shuffled anew in each;
/// of the closed loops that rates are shares of, half of the rounds first. Cells that are there
/// twice run once.
#[must_use]
pub fn order(cells: Vec<Cell>, repeats: u32, seed: u64) -> Vec<(Cell, u32)> {
    let mut distinct: Vec<Cell> = Vec::new();
    for cell in cells {
        // A share needs the closed loop that it is a share of.
        let needed = matches!(cell.load, Load::OfClosed(_)).then(|| cell.closed());
        for cell in needed.into_iter().chain([cell]) {
            if !distinct.contains(&cell) {
                distinct.push(cell);
            }
        }
    }
    let (shares, others): (Vec<Cell>, Vec<Cell>) = distinct
        .into_iter()
        .partition(|cell| matches!(cell.load, Load::OfClosed(_)));
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let mut runs = Vec::new();
    let mut round = |mut round: Vec<(Cell, u32)>| {
        shuffle(&mut round, &mut random);
        runs.extend(round);
    };
    let of = |cells: &[Cell], repeat: u32| -> Vec<(Cell, u32)> {
        cells.iter().map(|cell| (cell.clone(), repeat)).collect()
    };
    let first = match shares.is_empty() {
        true => repeats,
        false => rounds_first(repeats),
    };
    for repeat in 0..first {
        round(of(&others, repeat));
    }
    if !shares.is_empty() {
        for repeat in 0..repeats {
            let mut both = of(&shares, repeat);
            if first + repeat < repeats {
                both.extend(of(&others, first + repeat));
            }
            round(both);
        }
    }
    runs
}

/// Fisher and Yates; the bias of a remainder of 64 bits is nothing.
fn shuffle<T>(items: &mut [T], random: &mut impl Rng) {
    for last in (1..items.len()).rev() {
        let other = (random.next_u64() % (last as u64 + 1)) as usize;
        items.swap(last, other);
    }
}

/// A count of at least one, as it is written: `10k`.
///
/// # Errors
/// Names what is none.
pub fn count_as_written(text: &str) -> Result<String, String> {
    match parse_count(text.trim())? {
        0 => Err(format!("'{text}' is too small: expected 1 or more")),
        _ => Ok(text.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(text: &str) -> Result<Vec<Load>, String> {
        text.split(',').map(str::parse).collect()
    }

    fn axes(rate: &str, options: &[(&'static str, &str)]) -> Axes {
        let values = |text: &str| text.split(',').map(str::to_owned).collect();
        Axes {
            rate: loads(rate).unwrap(),
            options: options
                .iter()
                .map(|(name, text)| (*name, values(text)))
                .collect(),
        }
    }

    fn shown(cells: &[Cell]) -> Vec<String> {
        cells.iter().map(Cell::to_string).collect()
    }

    #[test]
    fn cells_are_all_combinations() {
        let cells = axes("max,10k", &[("--shards", "1,2"), ("--concurrent", "1k")]).cells();
        let expected = [
            "--rate max --shards 1 --concurrent 1k",
            "--rate 10000 --shards 1 --concurrent 1k",
            "--rate max --shards 2 --concurrent 1k",
            "--rate 10000 --shards 2 --concurrent 1k",
        ];
        assert_eq!(shown(&cells), expected);
        assert_eq!(shown(&Axes::default().cells()), ["--rate max"]);
    }

    #[test]
    fn shares_come_after_the_closed_loops_that_they_need() {
        let cells = axes("50%,90%", &[("--shards", "1,2,3")]).cells();
        let runs = order(cells, 2, 7);
        assert_eq!(runs.len(), (3 + 6) * 2);
        let is_closed = |(cell, _): &(Cell, u32)| cell.load == Load::Closed;
        assert!(runs.iter().take(3).all(is_closed));
        // The second round of the closed loops is among the first of the shares.
        assert_eq!(runs[3..12].iter().filter(|run| is_closed(run)).count(), 3);
        assert!(!runs[12..].iter().any(is_closed));
        for (cell, repeat) in &runs {
            let same = runs.iter().filter(|run| (&run.0, run.1) == (cell, *repeat));
            assert_eq!(same.count(), 1, "{cell} {repeat}");
        }
        // Rounds one after the other, each in an order of its own, the same for the same seed.
        let shares = runs.iter().filter(|run| !is_closed(run));
        let repeats: Vec<u32> = shares.map(|(_, repeat)| *repeat).collect();
        assert_eq!(repeats, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
        let again = order(axes("50%,90%", &[("--shards", "1,2,3")]).cells(), 2, 7);
        assert_eq!(runs, again);
        let other = order(axes("50%,90%", &[("--shards", "1,2,3")]).cells(), 2, 8);
        assert_ne!(runs, other);
    }

    #[test]
    fn loads_are_read_and_nonsense_is_refused_by_name() {
        assert_eq!(
            loads("max, 75%,2.5k").unwrap(),
            [Load::Closed, Load::OfClosed(0.75), Load::PerS(2500.0)]
        );
        for (text, words) in [
            ("", "'' is not a load"),
            ("fast", "'fast' is not a load"),
            ("0%", "more than 0 %"),
            ("120%", "0% to 100%"),
            ("10k,,5k", "'' is not a load"),
        ] {
            let error = loads(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(count_as_written("ten").unwrap_err().contains("'ten'"));
        assert!(count_as_written("0").unwrap_err().contains("too small"));
        assert_eq!(count_as_written(" 1k").unwrap(), "1k");
    }
}
