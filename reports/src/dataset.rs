//! Figures as rows and columns, each column with its unit: what is behind a chart, a table of the
//! HTML page and a CSV file alike, so that all of them say the same.

mod course;
mod disputes;
mod durability;
mod latency;
mod modelled;
mod offload;
mod stages;
mod summary;

use serde_json::{Map, Number, Value};

pub use self::{
    course::course, disputes::disputes, durability::durability, latency::latency,
    modelled::modelled, modelled::modelled_prices, offload::offload, stages::stages,
    summary::summary,
};
pub(crate) use self::{
    course::{Rates, with_rates},
    offload::offload_heading,
};
use crate::{human, runs::NamedRun};

/// How a column's values are shown to people. CSV and JSON always have them exact, in the unit that
/// the column's name ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    Text,
    /// A number without a unit, or one that its name tells.
    Figure,
    /// Bytes.
    Bytes,
    /// Nanoseconds.
    Nanoseconds,
    /// Seconds.
    Seconds,
    /// How many times one figure is another.
    Ratio,
    /// A share of 1.
    Share,
    /// A percentile, in per cent.
    Percentile,
}

/// One value. A figure that is not finite is missing.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A whole number.
    Count(u64),
    /// A number.
    Figure(f64),
    /// Yes or no.
    Flag(bool),
    /// Not measured, or not there in this run.
    Missing,
}

/// What a spreadsheet takes for the start of a formula (OWASP, CSV Injection).
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The name in CSV and JSON, with its unit at the end.
    pub name: String,
    /// The heading for people.
    pub heading: String,
    /// How its values are shown to people.
    pub kind: Kind,
}

/// Rows and columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// What the rows are, such as `latency`; serves as a file name.
    pub name: &'static str,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, a cell for each column.
    pub rows: Vec<Vec<Cell>>,
}

impl Dataset {
    /// No rows yet; each column by its name, heading and kind.
    #[must_use]
    pub fn new(name: &'static str, columns: &[(&str, &str, Kind)]) -> Self {
        let column = |(name, heading, kind): &(&str, &str, Kind)| Column {
            name: (*name).to_owned(),
            heading: (*heading).to_owned(),
            kind: *kind,
        };
        Self {
            name,
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it has not a cell for each column.
    pub fn push(&mut self, row: Vec<Cell>) {
        assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        self.rows.push(row);
    }

    /// The rows as CSV after a row of the columns' names. What is missing is empty. A text that a
    /// spreadsheet would take for a formula has an apostrophe before it.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let names = self.columns.iter().map(|column| column.name.as_str());
        let written = writer.write_record(names).and_then(|()| {
            self.rows
                .iter()
                .try_for_each(|row| writer.write_record(row.iter().map(Cell::exact)))
        });
        written.expect("writing rows of one length to memory cannot fail");
        let bytes = writer
            .into_inner()
            .expect("writing to memory cannot fail at the end either");
        String::from_utf8(bytes).expect("made of strings")
    }

    /// The rows as a JSON array of objects. Whole numbers above 2^53 are strings, what is missing
    /// is `null`, as in a run file.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string(&self.to_value())
            .expect("writing to memory cannot fail and every key is a string");
        text.push('\n');
        text
    }

    /// As [`Dataset::to_json`], not yet text.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let object = |row: &Vec<Cell>| {
            let named = self.columns.iter().zip(row);
            let members = named.map(|(column, cell)| (column.name.clone(), cell.to_value()));
            Value::Object(members.collect::<Map<_, _>>())
        };
        self.rows.iter().map(object).collect()
    }

    /// The columns that hold anything in any row, for a table that people read.
    pub(crate) fn columns_in_use(&self) -> Vec<usize> {
        let in_use = |column: &usize| self.rows.iter().any(|row| row[*column].is_there());
        (0..self.columns.len()).filter(in_use).collect()
    }
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The value, or [`Cell::Missing`] if there is none.
    pub fn or_missing<T: Into<Cell>>(value: Option<T>) -> Self {
        value.map_or(Cell::Missing, Into::into)
    }

    /// The value as a number, NaN where it is none.
    #[must_use]
    pub fn number(&self) -> f64 {
        match self {
            Self::Count(value) => *value as f64,
            Self::Figure(value) => *value,
            Self::Text(_) | Self::Flag(_) | Self::Missing => f64::NAN,
        }
    }

    /// For people: rounded, with a unit.
    #[must_use]
    pub fn shown(&self, kind: Kind) -> String {
        match self {
            Self::Missing => "–".into(),
            Self::Text(text) => text.clone(),
            Self::Flag(true) => "yes".into(),
            Self::Flag(false) => "no".into(),
            Self::Count(value) if matches!(kind, Kind::Figure | Kind::Text) => {
                human::grouped(*value)
            }
            Self::Count(_) | Self::Figure(_) => number_shown(self.number(), kind),
        }
    }

    fn is_there(&self) -> bool {
        match self {
            Self::Missing => false,
            Self::Figure(value) => value.is_finite(),
            Self::Text(text) => !text.is_empty(),
            Self::Count(_) | Self::Flag(_) => true,
        }
    }

    /// With all its digits; empty if there is nothing.
    fn exact(&self) -> String {
        match self {
            Self::Text(text) if text.starts_with(FORMULA) => format!("'{text}"),
            Self::Text(text) => text.clone(),
            Self::Count(value) => value.to_string(),
            Self::Figure(value) if value.is_finite() => value.to_string(),
            Self::Flag(value) => value.to_string(),
            Self::Figure(_) | Self::Missing => String::new(),
        }
    }

    pub(crate) fn to_value(&self) -> Value {
        /// Up to here every whole number is exact in a reader that keeps all numbers as doubles.
        const EXACT_MAX: u64 = 1 << 53;
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Count(value) if *value > EXACT_MAX => value.to_string().into(),
            Self::Count(value) => (*value).into(),
            Self::Figure(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Self::Flag(value) => (*value).into(),
            Self::Missing => Value::Null,
        }
    }
}

/// A number for people, rounded and with the unit of its kind.
pub(crate) fn number_shown(value: f64, kind: Kind) -> String {
    match kind {
        _ if !value.is_finite() => "–".into(),
        Kind::Text | Kind::Figure => human::figure(value),
        Kind::Bytes => human::bytes(value),
        Kind::Nanoseconds => human::nanoseconds(value),
        Kind::Seconds => human::seconds(value),
        Kind::Ratio => human::ratio(value),
        Kind::Share => human::share(value),
        // More digits than any number of payments can fill tell nothing.
        Kind::Percentile => {
            let text = format!("{value:.8}");
            format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
        }
    }
}

impl From<u64> for Cell {
    fn from(value: u64) -> Self {
        Self::Count(value)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Figure(value)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

/// The columns that name a run and say what its rates were bought with.
const ASSURED: [(&str, &str, Kind); 5] = [
    ("run", "Run", Kind::Text),
    ("cosign_every", "Co-signed every", Kind::Figure),
    ("in_flight", "In flight", Kind::Figure),
    ("durability", "Durability", Kind::Text),
    ("both_endpoints_checked", "Both ends checked", Kind::Text),
];

/// The cells of [`ASSURED`].
fn assured(named: &NamedRun) -> Vec<Cell> {
    let assurance = &named.run.assurance;
    vec![
        (&named.name).into(),
        assurance.cosign_every.into(),
        assurance.in_flight.into(),
        (&assurance.durability).into(),
        assurance.both_endpoints_checked.into(),
    ]
}

/// [`ASSURED`] before `own`.
fn with_assurance(name: &'static str, own: &[(&str, &str, Kind)]) -> Dataset {
    Dataset::new(name, &[&ASSURED, own].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_and_json_are_exact_and_the_shown_is_rounded() {
        // Cell, kind → CSV, JSON, shown.
        let table = [
            (
                Cell::text("a, \"b\""),
                Kind::Text,
                "\"a, \"\"b\"\"\"",
                r#""a, \"b\"""#,
                "a, \"b\"",
            ),
            (Cell::text("=1+1"), Kind::Text, "'=1+1", "\"=1+1\"", "=1+1"),
            (Cell::text("@a"), Kind::Text, "'@a", "\"@a\"", "@a"),
            (Cell::text("a=1"), Kind::Text, "a=1", "\"a=1\"", "a=1"),
            (Cell::Figure(-1.5), Kind::Figure, "-1.5", "-1.5", "-1.5"),
            (
                Cell::Count(1_234_567),
                Kind::Figure,
                "1234567",
                "1234567",
                "1,234,567",
            ),
            (
                Cell::Count(u64::MAX),
                Kind::Bytes,
                "18446744073709551615",
                "\"18446744073709551615\"",
                "16 EiB",
            ),
            (
                Cell::Figure(0.1 + 0.2),
                Kind::Figure,
                "0.30000000000000004",
                "0.30000000000000004",
                "0.3",
            ),
            (
                Cell::Figure(1e-9),
                Kind::Seconds,
                "0.000000001",
                "1e-9",
                "1 ns",
            ),
            (Cell::Figure(f64::NAN), Kind::Ratio, "", "null", "–"),
            (Cell::Figure(f64::INFINITY), Kind::Figure, "", "null", "–"),
            (Cell::Missing, Kind::Figure, "", "null", "–"),
            (Cell::Flag(true), Kind::Text, "true", "true", "yes"),
            (
                Cell::Figure(99.999),
                Kind::Percentile,
                "99.999",
                "99.999",
                "99.999 %",
            ),
        ];
        for (cell, kind, csv, json, shown) in table {
            let mut dataset = Dataset::new("test", &[("x", "X", kind), ("y", "Y", Kind::Text)]);
            dataset.push(vec![cell.clone(), "y".into()]);
            assert_eq!(dataset.to_csv(), format!("x,y\n{csv},y\n"), "{cell:?}");
            let expected = format!("[{{\"x\":{json},\"y\":\"y\"}}]\n");
            assert_eq!(dataset.to_json(), expected, "{cell:?}");
            assert_eq!(cell.shown(kind), shown, "{cell:?}");
        }
    }
}
