//! Figures as rows and columns, each column with its unit: what is behind a chart, a table and a
//! CSV file alike, so that all of them say the same. Made once, shown as text, CSV, JSON or HTML.

use serde_json::{Map, Number, Value};

use crate::human;
use crate::layout::{self, Table};

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

/// Up to here every whole number is exact in a reader that keeps all numbers as doubles.
const EXACT_MAX: u64 = 1 << 53;

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

/// A column, and how a row of kind `R` fills it.
pub type Filled<R> = (Column, fn(&R) -> Cell);

/// A column by its name, heading and kind, filled by `cell`. Best written with [`columns!`].
///
/// [`columns!`]: crate::columns
pub fn filled<R>(name: &str, heading: &str, kind: Kind, cell: fn(&R) -> Cell) -> Filled<R> {
    let (name, heading) = (name.to_owned(), heading.to_owned());
    let column = Column {
        name,
        heading,
        kind,
    };
    (column, cell)
}

/// Columns, a line each: name, heading, kind, and the value in a row. The row is named first.
#[macro_export]
macro_rules! columns {
    (|$row:pat_param| $($name:literal, $heading:literal, $kind:ident: $value:expr;)*) => {
        vec![$($crate::dataset::filled($name, $heading, $crate::dataset::Kind::$kind, |row| {
            #[allow(unused_variables)] // A column need not look at all of the row.
            let $row = row;
            $crate::dataset::Cell::from($value)
        })),*]
    };
}

/// Values by their names, a line each.
#[macro_export]
macro_rules! named {
    ($($name:literal: $value:expr;)*) => {
        vec![$(($name, $crate::dataset::Cell::from($value))),*]
    };
}

/// Rows and columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, a cell for each column.
    pub rows: Vec<Vec<Cell>>,
}

impl Dataset {
    /// The rows, each shown in the columns.
    pub fn of<R>(rows: impl IntoIterator<Item = R>, columns: Vec<Filled<R>>) -> Self {
        let cells = |row: R| columns.iter().map(|(_, cell)| cell(&row)).collect();
        Self {
            rows: rows.into_iter().map(cells).collect(),
            columns: columns.into_iter().map(|(column, _)| column).collect(),
        }
    }

    /// Without the columns of which `drop` says so by name.
    #[must_use]
    pub fn without(mut self, drop: impl Fn(&str) -> bool) -> Self {
        let kept: Vec<bool> = (self.columns.iter())
            .map(|column| !drop(&column.name))
            .collect();
        let mut of_column = kept.iter();
        self.columns.retain(|_| *of_column.next().expect("as many"));
        for row in &mut self.rows {
            let mut of_cell = kept.iter();
            row.retain(|_| *of_cell.next().expect("as many"));
        }
        self
    }

    /// Without columns that hold nothing in any row.
    #[must_use]
    pub fn in_use(self) -> Self {
        let is_there = |column: usize| self.rows.iter().any(|row| row[column].is_there());
        let empty: Vec<String> = (0..self.columns.len())
            .filter(|column| !is_there(*column))
            .map(|column| self.columns[column].name.clone())
            .collect();
        self.without(|name| empty.iter().any(|empty| empty == name))
    }

    /// The cells of the column that is called `name`.
    ///
    /// # Panics
    /// If there is none.
    pub fn column(&self, name: &str) -> impl Iterator<Item = &Cell> {
        let at = self.columns.iter().position(|column| column.name == name);
        let at = at.unwrap_or_else(|| panic!("no column {name}"));
        self.rows.iter().map(move |row| &row[at])
    }

    /// The rows as lines of a table for people; none if there are no rows.
    #[must_use]
    pub fn to_lines(&self) -> Vec<String> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let columns = self.columns.iter().map(|column| match column.kind {
            Kind::Text => layout::Column::Left(&column.heading),
            _ => layout::Column::Right(&column.heading),
        });
        let mut table = Table::new(&columns.collect::<Vec<_>>());
        for row in &self.rows {
            let shown = row.iter().zip(&self.columns);
            table.cells(
                shown
                    .map(|(cell, column)| cell.shown(column.kind))
                    .collect(),
            );
        }
        table.lines()
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
        format!("{}\n", self.to_value())
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
}

impl Cell {
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

    /// Whether there is a value, and any word of a text.
    #[must_use]
    pub fn is_there(&self) -> bool {
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

    /// As JSON, exact.
    #[must_use]
    pub fn to_value(&self) -> Value {
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
#[must_use]
pub fn number_shown(value: f64, kind: Kind) -> String {
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

macro_rules! cell_from {
    ($($from:ty, $value:ident => $cell:expr;)*) => {
        $(impl From<$from> for Cell {
            fn from($value: $from) -> Self {
                $cell
            }
        })*
    };
}

cell_from! {
    u64, value => Self::Count(value);
    f64, value => Self::Figure(value);
    bool, value => Self::Flag(value);
    &str, value => Self::Text(value.to_owned());
    &String, value => Self::Text(value.clone());
    String, value => Self::Text(value);
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Missing, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_and_json_are_exact_and_the_shown_is_rounded() {
        let text = |text: &str| Cell::from(text);
        // Cell, kind → CSV, JSON, shown.
        let table = [
            (
                text("a, \"b\""),
                Kind::Text,
                "\"a, \"\"b\"\"\"",
                r#""a, \"b\"""#,
                "a, \"b\"",
            ),
            (text("=1+1"), Kind::Text, "'=1+1", "\"=1+1\"", "=1+1"),
            (text("@a"), Kind::Text, "'@a", "\"@a\"", "@a"),
            (text("a=1"), Kind::Text, "a=1", "\"a=1\"", "a=1"),
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
            let column = filled("x", "X", kind, Cell::clone);
            let dataset = Dataset::of(
                [cell.clone()],
                vec![column, columns! { |_| "y", "Y", Text: "y"; }.remove(0)],
            );
            assert_eq!(dataset.to_csv(), format!("x,y\n{csv},y\n"), "{cell:?}");
            let expected = format!("[{{\"x\":{json},\"y\":\"y\"}}]\n");
            assert_eq!(dataset.to_json(), expected, "{cell:?}");
            assert_eq!(cell.shown(kind), shown, "{cell:?}");
            let lines = dataset.to_lines();
            assert!(lines[1].contains(shown), "{lines:?}");
        }
    }

    #[test]
    fn columns_are_left_out_by_name_or_for_want_of_anything_in_them() {
        let rows = [(1_u64, None), (2, None::<f64>)];
        let dataset = Dataset::of(
            rows,
            columns! { |(one, other)|
                "one", "One", Figure: *one;
                "other", "Other", Figure: *other;
                "name", "Name", Text: "n";
            },
        );
        assert_eq!(dataset.clone().in_use().to_csv(), "one,name\n1,n\n2,n\n");
        let one = dataset.clone().without(|name| name != "one");
        assert_eq!(one.to_lines(), ["One", "  1", "  2"]);
        assert_eq!(dataset.column("one").map(Cell::number).sum::<f64>(), 3.0);
        assert!(Dataset::default().to_lines().is_empty());
    }
}
