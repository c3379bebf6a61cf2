//! A table, as text for people and as Markdown for a comment. Pure.

use duet_terminal::layout::{Column, Table};

/// Rows of cells below their headings.
pub struct Cells<const N: usize> {
    columns: [Column<'static>; N],
    /// The rows.
    pub rows: Vec<[String; N]>,
}

impl<const N: usize> Cells<N> {
    /// A table without rows yet.
    #[must_use]
    pub fn new(columns: [Column<'static>; N]) -> Self {
        let rows = Vec::new();
        Self { columns, rows }
    }

    /// Its lines, columns as wide as their widest cell.
    #[must_use]
    pub fn text(&self) -> Vec<String> {
        let mut table = Table::new(&self.columns);
        self.rows.iter().for_each(|row| table.row(row.clone()));
        table.lines()
    }

    /// Its lines, in Markdown.
    #[must_use]
    pub fn markdown(&self) -> Vec<String> {
        let columns = self.columns.each_ref().map(|column| match column {
            Column::Left(heading) => (*heading, "---"),
            Column::Right(heading) => (*heading, "---:"),
        });
        let sides = columns.map(|(_, side)| side).join(" | ");
        let mut lines = vec![row(columns.map(|(heading, _)| heading))];
        lines.push(format!("| {sides} |"));
        lines.extend(self.rows.iter().map(row));
        lines
    }
}

fn row(cells: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let cells = cells.into_iter().map(|cell| escaped(cell.as_ref()));
    format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
}

/// Names, options and machines are others' words: none of them shall become markup, a link, or a
/// call to a user.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' => escaped.push_str("&#64;"),
            '\n' | '\r' => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '!' | '~' | '#' => {
                escaped.extend(['\\', letter]);
            }
            _ => escaped.push(letter),
        }
    }
    escaped
}
