//! Files of JSON, a line each, to which lines are only ever added: where their whole lines end, and
//! what a writer that was cut off has left behind them.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};

use serde::de::IgnoredAny;

/// The bytes of such a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines<'b> {
    whole: &'b [u8],
    torn: &'b [u8],
}

impl<'b> Lines<'b> {
    /// Splits them behind the last whole line. One of whole JSON is whole, although nothing ends
    /// it: its writer was cut off just there, or somebody's editor takes ends for nothing.
    #[must_use]
    pub fn of(bytes: &'b [u8]) -> Lines<'b> {
        let end = bytes.iter().rposition(|byte| *byte == b'\n');
        let (whole, torn) = bytes.split_at(end.map_or(0, |at| at + 1));
        match serde_json::from_slice::<IgnoredAny>(torn) {
            Ok(_) => Lines {
                whole: bytes,
                torn: &[],
            },
            Err(_) => Lines { whole, torn },
        }
    }

    /// The whole lines that say anything, each with its number from 1.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &'b [u8])> + use<'b> {
        let lines = (1..).zip(self.whole.split(|byte| *byte == b'\n'));
        lines.filter(|(_, line)| !line.is_empty())
    }

    /// Bytes behind them: a line that was begun.
    #[must_use]
    pub fn torn_bytes(&self) -> usize {
        self.torn.len()
    }

    /// Whether a line that was begun is one that begins so: nobody else's file is cut.
    #[must_use]
    pub fn may_be_taken_back(&self, beginning: &str) -> bool {
        let beginning = beginning.as_bytes();
        self.torn.starts_with(beginning) || beginning.starts_with(self.torn)
    }

    /// Takes back the line that was begun, or ends the last one that nothing ends, and stands
    /// behind it in the file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn end(&self, file: &mut File) -> io::Result<()> {
        file.set_len(self.whole.len() as u64)?;
        file.seek(SeekFrom::End(0))?;
        match self.whole.last() {
            None | Some(b'\n') => Ok(()),
            Some(_) => file.write_all(b"\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_that_was_begun_so_is_taken_back() {
        // A file => its lines' numbers, torn bytes, whether these may be taken back, and its end.
        type Row<'t> = (&'t str, &'t [usize], usize, bool, &'t str);
        let table: [Row<'_>; 8] = [
            ("", &[], 0, true, ""),
            ("{\"a\":1}\n", &[1], 0, true, "{\"a\":1}\n"),
            (
                "{\"a\":1}\n\n{\"a\":2}\n",
                &[1, 3],
                0,
                true,
                "{\"a\":1}\n\n{\"a\":2}\n",
            ),
            ("{\"a\":1}\n{\"a\":2", &[1], 6, true, "{\"a\":1}\n"),
            ("{\"a\":1}\n{\"a", &[1], 3, true, "{\"a\":1}\n"),
            // Whole, and without an end.
            (
                "{\"a\":1}\n{\"a\":2}",
                &[1, 2],
                0,
                true,
                "{\"a\":1}\n{\"a\":2}\n",
            ),
            // Somebody else's.
            ("{\"b\":1, ", &[], 8, false, ""),
            ("{\"a\":1}\nmy notes", &[1], 8, false, "{\"a\":1}\n"),
        ];
        for (text, numbers, torn, ours, ended) in table {
            let lines = Lines::of(text.as_bytes());
            let found: Vec<usize> = lines.numbered().map(|(number, _)| number).collect();
            assert_eq!(found, numbers, "{text}");
            assert_eq!(lines.torn_bytes(), torn, "{text}");
            assert_eq!(lines.may_be_taken_back("{\"a\":"), ours, "{text}");
            let path = tempfile::NamedTempFile::new().expect("a disk");
            std::fs::write(path.path(), text).expect("a disk");
            let options = File::options().read(true).write(true).open(path.path());
            lines.end(&mut options.expect("a file")).expect("a disk");
            assert_eq!(std::fs::read_to_string(path.path()).expect("a file"), ended);
        }
    }
}
