//! A book of what was made: lines of JSON in a file, added durably as each ends. Whoever was
//! stopped goes on where it was; nothing that was measured is ever overwritten, and no file of
//! somebody else's is cut.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use duet_run_file::RunFile;
use duet_run_file::sweep::{self, Line, Sweep};
use duet_terminal::input::Limit;
use duet_terminal::lines::Lines;
use duet_terminal::output::open_alone;

use crate::failure::Failure;

/// A file of lines, open for the next one.
#[derive(Debug)]
pub struct Book {
    file: File,
    path: PathBuf,
    /// Whether a line that a writer was cut off in was taken back.
    pub was_torn: bool,
}

impl Book {
    /// Opens a file of lines that begin as `beginning`, or makes it, and gives what `read` makes of
    /// it. A line that was being written when its writer was cut off is taken back.
    ///
    /// # Errors
    /// The file cannot be opened, `read` refuses it, or it does not end as such a file does; it is
    /// left alone then.
    pub fn open<T>(
        path: &Path,
        limit: Limit,
        beginning: &str,
        read: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<(Book, T), Failure> {
        let shown = path.display();
        let mut file = open_alone(path)?;
        let unreadable = |error| Failure::bad_input(format!("cannot write '{shown}': {error}"));
        let bytes = limit.read(&file).map_err(unreadable)?;
        let found = read(&bytes).map_err(Failure::bad_input)?;
        let lines = Lines::of(&bytes);
        if !lines.may_be_taken_back(beginning) {
            return Err(Failure::bad_input(format!(
                "{shown}: it does not end as {} does; expected one, or a new file",
                limit.kind
            )));
        }
        lines.end(&mut file).map_err(unreadable)?;
        let book = Book {
            file,
            path: path.to_owned(),
            was_torn: lines.torn_bytes() > 0,
        };
        Ok((book, found))
    }

    /// Adds a line, newline included, durably.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn append(&mut self, line: &str) -> Result<(), Failure> {
        let written = self.file.write_all(line.as_bytes());
        written
            .and_then(|()| self.file.sync_data())
            .map_err(|error| {
                Failure::machine_fault(format!("writing '{}' failed: {error}", self.path.display()))
            })
    }
}

/// The runs of a question, in the order in which they ended: in a sweep's file, or nowhere.
#[derive(Debug, Default)]
pub struct Runs {
    book: Option<Book>,
    lines: Vec<Line>,
}

impl Runs {
    /// Those of a sweep's file, to which more are added.
    ///
    /// # Errors
    /// As [`Book::open`].
    pub fn in_file(path: &Path) -> Result<Runs, Failure> {
        let read = |bytes: &[u8]| Sweep::parse(path, bytes).map_err(|error| error.to_string());
        let (book, sweep) = Book::open(path, sweep::LIMIT, sweep::BEGINNING, read)?;
        Ok(Runs {
            book: Some(book),
            lines: sweep.lines,
        })
    }

    /// All of them.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Whether the last run of an earlier process was not whole.
    #[must_use]
    pub fn was_torn(&self) -> bool {
        self.book.as_ref().is_some_and(|book| book.was_torn)
    }

    /// A cell's run of this number. One that failed its own checks is to be made again.
    #[must_use]
    pub fn find(&self, cell: &[String], repeat: u32) -> Option<&RunFile> {
        let mut sound = self
            .lines
            .iter()
            .filter(|line| line.run.achieved.broken().next().is_none());
        let found = sound.find(|line| line.cell == cell && line.repeat == repeat);
        found.map(|line| &line.run)
    }

    /// Adds a run.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add(&mut self, line: Line) -> Result<(), Failure> {
        if let Some(book) = &mut self.book {
            book.append(&line.to_json())?;
        }
        self.lines.push(line);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use std::fs;

    fn line(repeat: u32) -> Line {
        Line {
            cell: vec!["--rate".to_owned(), "5".to_owned()],
            repeat,
            calibration: None,
            run: sample::open_loop(),
        }
    }

    #[test]
    fn what_was_added_is_found_again_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs");
        let mut runs = Runs::in_file(&path).unwrap();
        for repeat in 0..3 {
            runs.add(line(repeat)).unwrap();
        }
        // No two write at once.
        assert!(Runs::in_file(&path).unwrap_err().text.contains("in use"));
        drop(runs);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 100]).unwrap();
        let mut runs = Runs::in_file(&path).unwrap();
        assert!(runs.was_torn());
        let cell = line(0).cell;
        let found = [0, 1, 2].map(|repeat| runs.find(&cell, repeat).is_some());
        assert_eq!(found, [true, true, false]);
        assert!(runs.find(&cell[..1], 0).is_none());
        runs.add(line(2)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn a_run_that_failed_its_own_checks_is_made_again() {
        let mut runs = Runs::default();
        let mut broken = line(0);
        broken.run.achieved.valid = false;
        broken.run.achieved.invalid_reasons = vec!["a signature is wrong".to_owned()];
        runs.add(broken).unwrap();
        assert!(runs.find(&line(0).cell, 0).is_none());
        runs.add(line(0)).unwrap();
        assert!(runs.find(&line(0).cell, 0).is_some());
    }

    #[test]
    fn other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        for (text, said) in [
            ("hello\n", "line 1"),
            ("hello", "does not end as a sweep does"),
            ("{\"schema\":1,\"command\":", "does not end as a sweep does"),
        ] {
            fs::write(&path, text).unwrap();
            let refused = Runs::in_file(&path).unwrap_err();
            assert!(refused.text.contains(said), "{refused}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
