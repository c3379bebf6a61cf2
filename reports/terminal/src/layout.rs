//! Lines of text: aligned columns, and phrases wrapped after a label. No line is wider than
//! [`width`], and no control character from a file reaches the terminal.

use std::sync::OnceLock;

use anstyle::AnsiColor;

/// The most columns of a line.
pub const WIDTH: usize = 80;

/// The least columns of a line: on a narrower terminal, lines are broken by the terminal.
const LEAST_WIDTH: usize = 60;

/// Columns of a line at most: [`WIDTH`], fewer where standard output is a narrower terminal.
pub fn width() -> usize {
    static COLUMNS: OnceLock<usize> = OnceLock::new();
    *COLUMNS.get_or_init(|| {
        let size = terminal_size::terminal_size_of(std::io::stdout());
        size.map_or(WIDTH, |(columns, _)| usize::from(columns.0))
            .clamp(LEAST_WIDTH, WIDTH)
    })
}

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
        self.cells(cells.into());
    }

    /// As [`Table::row`], of as many cells as it has columns.
    ///
    /// # Panics
    /// As [`Table::row`].
    pub fn cells(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.right.len(), "a cell for each column");
        let cell = |cell: &String| clip(&clean(cell), MOST_OF_CELL);
        self.rows.push(cells.iter().map(cell).collect());
    }

    /// The heading and the rows, each a line without its newline. Where they are wider than a line,
    /// headings are broken between words, and then columns go on below, after those of a row's
    /// name.
    pub fn lines(&self) -> Vec<String> {
        self.lines_within(width())
    }

    fn lines_within(&self, most: usize) -> Vec<String> {
        let all: Vec<usize> = (0..self.right.len()).collect();
        let natural = |column: usize| self.rows.iter().map(|row| columns(&row[column])).max();
        let natural: Vec<usize> = all.iter().filter_map(|at| natural(*at)).collect();
        if total(&natural) <= most {
            return self.block(&all, &natural, most);
        }
        let narrow: Vec<usize> = all.iter().map(|at| self.narrow(*at)).collect();
        let mut blocks: Vec<Vec<usize>> = vec![self.keys(&narrow, most)];
        let keys = blocks[0].clone();
        for at in all.into_iter().skip(keys.len()) {
            let block = blocks.last_mut().expect("never empty");
            let used: Vec<usize> = block.iter().chain([&at]).map(|at| narrow[*at]).collect();
            match total(&used) <= most || block.len() == keys.len() {
                true => block.push(at),
                false => blocks.push([&keys[..], &[at]].concat()),
            }
        }
        let lines = blocks.iter().map(|block| self.block(block, &narrow, most));
        lines.collect::<Vec<_>>().concat()
    }

    /// The columns that name a row, and stand in each block of a table: those of words before any
    /// of numbers, as far as they leave half of a line to others; the first one in any case.
    fn keys(&self, widths: &[usize], most: usize) -> Vec<usize> {
        let words = self.right.iter().take_while(|right| !**right).count();
        let fits = |count: &usize| total(&widths[..*count]) <= most / 2;
        let count = (1..=words).rev().find(fits).unwrap_or(1);
        (0..count).collect()
    }

    /// The least room of a column: its cells and each word of its heading are whole.
    fn narrow(&self, at: usize) -> usize {
        let words = self.rows[0][at].split(' ').map(columns);
        let cells = self.rows.iter().skip(1).map(|row| columns(&row[at]));
        words.chain(cells).max().unwrap_or(0)
    }

    fn block(&self, block: &[usize], widths: &[usize], most: usize) -> Vec<String> {
        let headings: Vec<Vec<String>> = (block.iter())
            .map(|at| flow_within("", &[self.rows[0][*at].clone()], "", widths[*at].max(1)))
            .collect();
        let high = headings.iter().map(Vec::len).max().unwrap_or(1);
        let heading = (0..high).map(|nth| {
            let line =
                |of: &Vec<String>| (nth + of.len()).checked_sub(high).map(|at| of[at].clone());
            headings
                .iter()
                .map(line)
                .map(Option::unwrap_or_default)
                .collect()
        });
        let cells = |row: &Vec<String>| block.iter().map(|at| row[*at].clone()).collect();
        let rows = self.rows.iter().skip(1).map(cells);
        let lines = heading.chain(rows).map(|cells: Vec<String>| {
            let mut line = String::new();
            for (cell, at) in cells.iter().zip(block) {
                let gap = " ".repeat(widths[*at] - columns(cell));
                line += &match self.right[*at] {
                    true => format!("{gap}{cell}  "),
                    false => format!("{cell}{gap}  "),
                };
            }
            clip(line.trim_end(), most)
        });
        lines.collect()
    }
}

/// The columns of a line of cells, two apart.
fn total(widths: &[usize]) -> usize {
    widths.iter().map(|width| width + 2).sum::<usize>() - 2
}

/// The most columns of a cell.
const MOST_OF_CELL: usize = 60;

/// As [`flow`], on at most `lines_max` lines. Where these are not enough, phrases are cut to a
/// line, and those that find no room are counted: `, +3 more`.
pub fn wrap(start: &str, phrases: &[String], separator: char, lines_max: usize) -> Vec<String> {
    let whole = flow(start, phrases, &separator.to_string());
    if whole.len() <= lines_max {
        return whole;
    }
    const ROOM_FOR_THE_REST: usize = ", +9999 more".len();
    let (width, indent) = (width(), columns(start));
    let longest = match phrases.len() {
        1 => width - indent,
        _ => width - indent - ROOM_FOR_THE_REST,
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
                used + ROOM_FOR_THE_REST <= width
                    || columns(line) + columns(&joint) + rest_columns <= width
            }
            // The separator that ends the line.
            false => used < width || rest.len() == 1 && used == width,
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
    flow_within(start, phrases, separator, width())
}

/// As [`flow`], in lines of at most so many columns.
pub fn flow_within(start: &str, phrases: &[String], separator: &str, most: usize) -> Vec<String> {
    let indent = columns(start);
    let room = most - indent;
    let mut lines = vec![start.to_owned()];
    let mut put = |piece: &str| {
        let line = lines.last_mut().expect("never empty");
        let joint = usize::from(columns(line) > indent);
        if columns(line) + joint + columns(piece) <= most {
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

/// A command after `start`, as it would be typed: a line that goes on below ends with `\\`.
pub fn command(start: &str, words: &[String]) -> Vec<String> {
    let room = width() - 2;
    let indent = " ".repeat(columns(start));
    let mut lines = vec![start.to_owned()];
    let mut is_begun = false;
    for word in words.iter().map(|word| quoted(&clean(word))) {
        let line = lines.last_mut().expect("one at least");
        // What is longer than a line has one for itself: broken, it would be two words.
        if is_begun && columns(line) + 1 + columns(&word) > room {
            line.push_str(" \\");
            lines.push(format!("{indent}{word}"));
        } else {
            line.push_str(if is_begun { " " } else { "" });
            line.push_str(&word);
        }
        is_begun = true;
    }
    lines
}

/// A word of a command as it would be typed: in quotes if it has any but plain characters.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
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

/// The text with colours for a terminal: verdicts that begin a line, and what rises at its end.
pub fn painted(text: &str) -> String {
    let [good, bad, risen] = [AnsiColor::Green, AnsiColor::Red, AnsiColor::Yellow];
    let paint = |color: AnsiColor, text: &str| {
        let style = color.on_default().bold();
        format!("{style}{text}{style:#}")
    };
    let line = |line: &str| {
        let (body, end) = line.split_at(line.trim_end().len());
        let verdict = [("VALID", good), ("INVALID", bad)];
        let verdict = (verdict.iter())
            .find_map(|(word, color)| Some((paint(*color, word), body.strip_prefix(word)?)));
        let (verdict, body) = verdict.unwrap_or((String::new(), body));
        let rise = RISES
            .iter()
            .find_map(|words| body.strip_suffix(words).map(|rest| (rest, words)));
        match rise {
            Some((rest, words)) => format!("{verdict}{rest}{}{end}", paint(risen, words)),
            None => format!("{verdict}{body}{end}"),
        }
    };
    text.split_inclusive('\n').map(line).collect()
}

/// How a line ends of something of which channels take more.
const RISES: [&str; 2] = [": more, not less", ": more"];

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
    fn a_table_that_is_too_wide_breaks_its_headings_and_then_goes_on_below() {
        let headings = ["name", "CPU per item", "of process CPU", "share"];
        let mut table = Table::new(&headings.map(Column::Right));
        table.row(["hash", "1.5 ns", "4 %", "0.1"].map(str::to_owned));
        let expected = [
            "         CPU       of",
            "         per  process",
            "name    item      CPU  share",
            "hash  1.5 ns      4 %    0.1",
        ];
        assert_eq!(table.lines_within(30), expected);
        let expected = [
            "         CPU",
            "         per",
            "name    item",
            "hash  1.5 ns",
            "           of",
            "      process",
            "name      CPU",
            "hash      4 %",
            "name  share",
            "hash    0.1",
        ];
        assert_eq!(table.lines_within(14), expected);
        let mut keyed = Table::new(&[
            Column::Left("role"),
            Column::Left("stage"),
            Column::Right("items"),
            Column::Right("CPU"),
        ]);
        keyed.row(["payer", "sign", "2,003,048", "1.41 s"].map(str::to_owned));
        let expected = [
            "role   stage      items",
            "payer  sign   2,003,048",
            "role   stage     CPU",
            "payer  sign   1.41 s",
        ];
        assert_eq!(keyed.lines_within(26), expected);
        for most in 50..=WIDTH {
            let wide = table.lines_within(most);
            assert!(wide.iter().all(|line| columns(line) <= most), "{wide:#?}");
        }
    }

    #[test]
    fn commands_can_be_pasted() {
        for (word, expected) in [
            ("--sessions", "--sessions"),
            ("all=1%", "all=1%"),
            ("it's here.json", r"'it'\''s here.json'"),
            ("$(rm x)", "'$(rm x)'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
        let words = [
            "loadgen".to_owned(),
            "run".to_owned(),
            "--sessions=1000".repeat(3),
            "-j".repeat(9),
        ];
        let lines = command("command   ", &words);
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(
            lines[0].ends_with(" \\") && !lines[1].ends_with('\\'),
            "{lines:#?}"
        );
        let pasted = lines
            .join(" ")
            .replacen("command", "", 1)
            .replace(" \\", " ");
        assert!(
            pasted
                .split_whitespace()
                .eq(words.iter().map(String::as_str)),
            "{lines:#?}"
        );
    }

    #[test]
    fn no_word_is_broken_in_sixty_columns() {
        let sentence = "several words, some of them unforeseeably long, that go on ".repeat(9);
        let lines = flow_within("start     ", std::slice::from_ref(&sentence), ",", 60);
        assert!(lines.iter().all(|line| columns(line) <= 60), "{lines:#?}");
        let words: Vec<&str> = lines
            .iter()
            .flat_map(|line| line.split_whitespace())
            .collect();
        assert!(
            words[1..]
                .iter()
                .eq(sentence.split_whitespace().collect::<Vec<_>>().iter())
        );
    }

    #[test]
    fn verdicts_and_rises_are_painted_and_nothing_else_is() {
        let green = |text| format!("\u{1b}[1m\u{1b}[32m{text}\u{1b}[0m");
        let table = [
            ("VALID: good\n", format!("{}: good\n", green("VALID"))),
            (
                "INVALID, RESUMED\n",
                format!("{}, RESUMED\n", green("INVALID").replace("32", "31")),
            ),
            (
                "CPU  2 x: more",
                format!("CPU  2 x{}", green(": more").replace("32", "33")),
            ),
            (
                "{\"a\": \"INVALID\"}\nmore\n",
                "{\"a\": \"INVALID\"}\nmore\n".to_owned(),
            ),
        ];
        for (plain, expected) in table {
            assert_eq!(painted(plain), expected);
        }
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
