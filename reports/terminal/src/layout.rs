//! Lines of text: aligned columns, and phrases wrapped after a label. No line is wider than
//! [`WIDTH`], no table wider than [`TABLE_WIDTH`], and no control character from a file reaches the
//! terminal.

/// The most columns of a line, but for tables.
pub const WIDTH: usize = 80;

/// Columns of a table at most: its cells are not broken.
pub const TABLE_WIDTH: usize = 100;

/// A column: its heading, and the side on which its cells line up.
pub enum Column<'a> {
    /// For words.
    Left(&'a str),
    /// For numbers.
    Right(&'a str),
}

/// A table whose columns are as wide as their widest cell.
pub struct Table {
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows yet.
    pub fn new(columns: &[Column<'_>]) -> Self {
        let mut table = Self {
            right: Vec::new(),
            rows: vec![Vec::new()],
        };
        for column in columns {
            let (heading, right) = match column {
                Column::Left(heading) => (heading, false),
                Column::Right(heading) => (heading, true),
            };
            table.right.push(right);
            table.rows[0].push(clean(heading));
        }
        table
    }

    /// Adds a row.
    ///
    /// # Panics
    /// Unless there is a cell for each column.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        assert_eq!(N, self.right.len(), "a cell for each column");
        self.rows
            .push(cells.iter().map(|cell| clean(cell)).collect());
    }

    /// The heading and the rows, each a line without its newline.
    pub fn lines(&self) -> Vec<String> {
        let widths: Vec<usize> = (0..self.right.len())
            .map(|column| {
                self.rows
                    .iter()
                    .map(|row| columns(&row[column]))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        self.rows
            .iter()
            .map(|row| clip(&self.line(row, &widths), TABLE_WIDTH))
            .collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, width), right) in row.iter().zip(widths).zip(&self.right) {
            let gap = " ".repeat(width - columns(cell));
            let (before, after) = if *right {
                (gap, String::new())
            } else {
                (String::new(), gap)
            };
            line.push_str(&format!("{before}{cell}{after}  "));
        }
        line.trim_end().to_owned()
    }
}

/// As [`flow`], on at most `lines_max` lines. Where these are not enough, phrases are cut to a
/// line, and those that find no room are counted: `, +3 more`.
pub fn wrap(start: &str, phrases: &[String], separator: char, lines_max: usize) -> Vec<String> {
    let whole = flow(start, phrases, &separator.to_string());
    if whole.len() <= lines_max {
        return whole;
    }
    const ROOM_FOR_THE_REST: usize = ", +9999 more".len();
    let indent = columns(start);
    let longest = match phrases.len() {
        1 => WIDTH - indent,
        _ => WIDTH - indent - ROOM_FOR_THE_REST,
    };
    let phrases: Vec<String> = phrases
        .iter()
        .map(|phrase| clip(&clean(phrase), longest))
        .collect();
    let mut lines = vec![start.to_owned()];
    for (index, phrase) in phrases.iter().enumerate() {
        let rest = &phrases[index..];
        let rest_columns = rest.iter().map(|phrase| 2 + columns(phrase)).sum::<usize>() - 2;
        let last_line = lines.len() == lines_max;
        let line = lines.last_mut().expect("never empty");
        let joint = match index {
            0 => String::new(),
            _ => format!("{separator} "),
        };
        let used = columns(line) + columns(&joint) + columns(phrase);
        let fits = match last_line {
            true => {
                used + ROOM_FOR_THE_REST <= WIDTH
                    || columns(line) + columns(&joint) + rest_columns <= WIDTH
            }
            // The separator that ends the line.
            false => used < WIDTH || rest.len() == 1 && used == WIDTH,
        };
        if fits {
            line.push_str(&format!("{joint}{phrase}"));
        } else if last_line {
            line.push_str(&format!("{joint}+{} more", rest.len()));
            break;
        } else {
            line.push(separator);
            lines.push(format!("{:indent$}{phrase}", ""));
        }
    }
    lines
}

/// The phrases after `start`, separated by `separator`, on as many lines as they take, which line
/// up with it. Nothing is cut: a phrase too long for a line is broken between words, a word too
/// long for a line wherever it has to be.
pub fn flow(start: &str, phrases: &[String], separator: &str) -> Vec<String> {
    let indent = columns(start);
    let room = WIDTH - indent;
    let mut lines = vec![start.to_owned()];
    let mut put = |piece: &str| {
        let line = lines.last_mut().expect("never empty");
        let joint = usize::from(columns(line) > indent);
        if columns(line) + joint + columns(piece) <= WIDTH {
            line.push_str(&" ".repeat(joint));
            line.push_str(piece);
        } else {
            lines.push(format!("{:indent$}{piece}", ""));
        }
    };
    for (index, phrase) in phrases.iter().enumerate() {
        let mut phrase = clean(phrase);
        if index + 1 < phrases.len() {
            phrase.push_str(separator);
        }
        if columns(&phrase) <= room {
            put(&phrase);
            continue;
        }
        for word in words(&phrase) {
            let letters: Vec<char> = word.chars().collect();
            for part in letters.chunks(room) {
                put(&part.iter().collect::<String>());
            }
        }
    }
    lines
}

/// A sentence after `start`, broken between words.
pub fn sentence(start: &str, sentence: &str) -> Vec<String> {
    flow(start, &[sentence.to_owned()], "")
}

/// With its thousands apart and a sign of what is exact or not.
const LONGEST_NUMBER: usize = 30;

/// The words of a text, a number and what follows it being one.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    // Not a hash, which may begin with a digit and is as long as a line.
    let is_number = |word: &str| {
        word.len() <= LONGEST_NUMBER && word.starts_with(|letter: char| letter.is_ascii_digit())
    };
    for word in text.split_whitespace() {
        match words.last_mut().filter(|last| is_number(last)) {
            Some(last) if !last.contains(' ') => *last += &format!(" {word}"),
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// The text cut to `width` columns; an ellipsis tells that it was.
pub fn clip(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width - 1).collect();
    format!("{}…", kept.trim_end())
}

/// The most columns of what an error says of a file: however long a name or a value in it is.
pub const MOST_OF_DETAIL: usize = 400;

/// What is wrong with a file, as a library or a reader words it: cut in its middle if it is longer
/// than [`MOST_OF_DETAIL`], since its end says where.
pub fn detail(text: &str) -> String {
    let length = columns(text);
    if length <= MOST_OF_DETAIL {
        return text.to_owned();
    }
    let half = MOST_OF_DETAIL / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text
        .chars()
        .skip(length + 1 + half - MOST_OF_DETAIL)
        .collect();
    format!("{head}…{tail}")
}

/// The text on one line, with nothing in it that a terminal would obey: controls, what ends a line
/// or turns the direction of writing, and what is not seen at all.
pub fn clean(text: &str) -> String {
    let is_obeyed = |char: char| {
        char.is_control()
            || matches!(
                char,
                '\u{ad}'
                    | '\u{61c}'
                    | '\u{180e}'
                    | '\u{200b}'..='\u{200f}'
                    | '\u{2028}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}'
                    | '\u{feff}'
                    | '\u{fff9}'..='\u{fffb}'
                    | '\u{e0000}'..='\u{e007f}'
            )
    };
    text.chars()
        .map(|char| if is_obeyed(char) { ' ' } else { char })
        .collect()
}

/// The lines, each ended by a newline.
pub fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&[Column::Left("stage"), Column::Right("µs"), Column::Left("")]);
        table.row(["hash".into(), "1.5".into(), "a".into()]);
        table.row(["verification".into(), "12.25".into(), String::new()]);
        let expected = [
            "stage            µs",
            "hash            1.5  a",
            "verification  12.25",
        ];
        assert_eq!(table.lines(), expected);
    }

    #[test]
    fn phrases_wrap_and_those_without_room_are_counted() {
        let phrase = |length: usize| "p".repeat(length);
        // Lengths of phrases, lines allowed → lines used, phrases left out.
        let table: [(&[usize], usize, usize, usize); 7] = [
            (&[], 1, 1, 0),
            (&[10, 10], 1, 1, 0),
            (&[60, 60], 2, 2, 0),
            (&[60, 60], 1, 1, 1),
            (&[60, 60, 60, 60], 2, 2, 2),
            (&[200], 1, 1, 0),
            (&[200, 200, 200], 2, 2, 1),
        ];
        for (lengths, lines_max, line_count, left_out) in table {
            let phrases: Vec<String> = lengths.iter().map(|length| phrase(*length)).collect();
            let lines = wrap("start: ", &phrases, ',', lines_max);
            assert_eq!(lines.len(), line_count, "{lengths:?}: {lines:?}");
            assert!(
                lines.iter().all(|line| columns(line) <= WIDTH),
                "{lengths:?}: {lines:?}"
            );
            let rest = format!(", +{left_out} more");
            assert_eq!(
                lines.concat().contains(&rest),
                left_out > 0,
                "{lengths:?}: {lines:?}"
            );
        }
    }

    #[test]
    fn what_flows_is_whole_and_no_line_is_too_wide() {
        let sentence = "several words that go on ".repeat(9);
        let phrases: Vec<String> = ["short".to_owned(), sentence.clone(), "w".repeat(250)]
            .into_iter()
            .chain((0..20).map(|number| format!("phrase number {number}")))
            .collect();
        let lines = flow("start     ", &phrases, ",");
        assert!(
            lines.iter().all(|line| columns(line) <= WIDTH),
            "{lines:#?}"
        );
        assert!(lines[1..].iter().all(|line| line.starts_with("          ")));
        let bare = |text: &str| text.split_whitespace().collect::<String>();
        let whole = format!("start{}", phrases.join(","));
        assert_eq!(bare(&lines.concat()), bare(&whole));
        assert_eq!(flow("a ", &["b".into(), "c d".into()], ";"), ["a b; c d"]);
        let measured = format!("{}words 50 ms of it", "word ".repeat(14));
        let lines = flow("", &[measured], "");
        assert_eq!(lines[1], "50 ms of it", "a number stands by its unit");
    }

    #[test]
    fn control_characters_are_dropped_and_long_text_is_cut() {
        assert_eq!(clean("a\u{1b}[31m\nb"), "a [31m b");
        // Turned around, with a line's end, and with what is not seen.
        let hidden = "a\u{202e}b\u{2066}c\u{2028}d\u{200b}e\u{feff}f\u{e0041}g";
        assert_eq!(clean(hidden), "a b c d e f g");
        assert_eq!(clean("größe µs – 9×9"), "größe µs – 9×9");
        assert_eq!(clip("abcdef", 6), "abcdef");
        assert_eq!(clip("abcdef", 4), "abc…");
    }

    #[test]
    fn a_detail_keeps_how_it_begins_and_ends() {
        let most = "m".repeat(MOST_OF_DETAIL);
        assert_eq!(detail(&most), most);
        for length in [MOST_OF_DETAIL - 3, 1 << 20] {
            let cut = detail(&format!("begin{}end", "ä".repeat(length)));
            assert_eq!(columns(&cut), MOST_OF_DETAIL, "{length}");
            assert!(cut.starts_with("beginä") && cut.ends_with("äend"), "{cut}");
            assert!(cut.contains('…'), "{cut}");
        }
    }
}
