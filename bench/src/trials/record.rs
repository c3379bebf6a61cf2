//! The file of trials: a line of JSON each, appended when the trial has ended. Reads back only what
//! it would write under the same settings, so that no rate mixes two experiments.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use duet_terminal::input::Limit;
use duet_terminal::lines::Lines;
use duet_terminal::output::open_alone;

use crate::failure::Failure;

/// The version of a line's shape.
const SCHEMA: u32 = 1;

/// How a line begins.
const BEGINNING: &str = "{\"schema\":1,\"executable_sha256\":\"";

/// A trial has some 500 bytes: 100,000 of them, months of a machine.
const LIMIT: Limit = Limit {
    bytes: 64 << 20,
    kind: "a file of trials",
};

/// What all trials of a file have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Always [`SCHEMA`].
    schema: u32,
    /// SHA-256 of the executable, in hex.
    pub executable_sha256: String,
    /// The workload's options.
    pub workload: String,
    /// The metric that is gated.
    pub metric: String,
    /// What is let through, as a share.
    pub threshold: f64,
    /// Each trial's budget, in seconds.
    pub budget_s: f64,
}

/// One trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// What it has in common with the others.
    #[serde(flatten)]
    pub settings: Settings,
    /// The share of each wave's CPU time that was planted.
    pub planted: f64,
    /// Whether another core was kept busy.
    pub other_core_loaded: bool,
    /// Its number among those of the same slowdown and load, from 1.
    pub trial: u32,
    /// `pass`, `inconclusive` or `regression`.
    pub verdict: String,
    /// What `bench gate` would exit with by default.
    pub exit_code: u8,
    /// The stages' figures.
    pub stages: serde_json::Value,
    /// Time measured, in seconds.
    pub spent_s: f64,
    /// When it began, in seconds since 1970.
    pub started_unix_s: u64,
    /// The system's load average of a minute then, this process included; none where it is not
    /// told.
    pub load_average: Option<f64>,
    /// The machine, as the runs describe it.
    pub machine: serde_json::Value,
}

impl Settings {
    /// Settings of these values.
    #[must_use]
    pub fn new(
        executable_sha256: String,
        workload: String,
        metric: String,
        threshold: f64,
        budget_s: f64,
    ) -> Self {
        Self {
            schema: SCHEMA,
            executable_sha256,
            workload,
            metric,
            threshold,
            budget_s,
        }
    }

    /// What differs, in words.
    fn difference(&self, other: &Self) -> Option<String> {
        let fields = [
            ("schema", self.schema.to_string(), other.schema.to_string()),
            (
                "executable_sha256",
                self.executable_sha256.clone(),
                other.executable_sha256.clone(),
            ),
            ("workload", self.workload.clone(), other.workload.clone()),
            ("metric", self.metric.clone(), other.metric.clone()),
            (
                "threshold",
                self.threshold.to_string(),
                other.threshold.to_string(),
            ),
            (
                "budget_s",
                self.budget_s.to_string(),
                other.budget_s.to_string(),
            ),
        ];
        let found = fields.into_iter().find(|(_, here, there)| here != there);
        found.map(|(name, here, there)| format!("{name} is {there} there and {here} here"))
    }
}

/// The file, open for the next line.
#[derive(Debug)]
pub struct Book {
    file: File,
    path: PathBuf,
    /// All trials in it.
    pub trials: Vec<Trial>,
}

impl Book {
    /// Opens a file of trials under these settings, or makes it. A last line without its end, which
    /// a trial was about to write when it was stopped, is taken away.
    ///
    /// # Errors
    /// [`Failure::BadInput`] if the file cannot be opened, a line is no trial, or it was made under
    /// other settings; a machine fault if it cannot be read or cut.
    pub fn open(path: &Path, settings: &Settings) -> Result<Self, Failure> {
        let shown = path.display();
        let mut file = open_alone(path).map_err(|error| Failure::BadInput(error.to_string()))?;
        let fault = |error: io::Error| Failure::MachineFault(format!("'{shown}': {error}"));
        let bytes = LIMIT
            .read(&file)
            .map_err(|error| Failure::BadInput(format!("'{shown}': {error}")))?;
        let lines = Lines::of(&bytes);
        let mut trials = Vec::new();
        for (number, line) in lines.numbered() {
            let refused = |reason: String| {
                Failure::BadInput(format!(
                    "'{shown}', line {number}: {reason}; expected a file of trials, or a new one"
                ))
            };
            let trial: Trial = serde_json::from_slice(line)
                .map_err(|error| refused(format!("it is no trial: {error}")))?;
            if let Some(difference) = settings.difference(&trial.settings) {
                return Err(refused(format!(
                    "it is of another experiment: {difference}"
                )));
            }
            let is_same = |other: &Trial| {
                other.trial == trial.trial
                    && other.planted == trial.planted
                    && other.other_core_loaded == trial.other_core_loaded
            };
            if let Some(before) = trials.iter().position(is_same) {
                return Err(refused(format!(
                    "it is the trial of line {} once more, so that two processes have written here",
                    before + 1
                )));
            }
            trials.push(trial);
        }
        if !lines.may_be_taken_back(BEGINNING) {
            return Err(Failure::BadInput(format!(
                "'{shown}' is no file of trials, or does not end as one: expected one, or a new one"
            )));
        }
        lines.end(&mut file).map_err(fault)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            trials,
        })
    }

    /// How many trials of a slowdown there are.
    #[must_use]
    pub fn count(&self, planted: f64, loaded: bool) -> u32 {
        self.of(planted, loaded).count() as u32
    }

    /// The trials of a slowdown.
    pub fn of(&self, planted: f64, loaded: bool) -> impl Iterator<Item = &Trial> {
        let trials = self.trials.iter();
        trials.filter(move |trial| trial.planted == planted && trial.other_core_loaded == loaded)
    }

    /// Appends a trial, durably.
    ///
    /// # Errors
    /// A machine fault if it cannot be written.
    pub fn append(&mut self, trial: Trial) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(&trial).expect("every key is a string");
        line.push(b'\n');
        let written = self.file.write_all(&line);
        written
            .and_then(|()| self.file.sync_data())
            .map_err(|error| {
                Failure::MachineFault(format!(
                    "cannot append to '{}': {error}",
                    self.path.display()
                ))
            })?;
        self.trials.push(trial);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new("ab".into(), "--shards 1".into(), "cpu".into(), 0.05, 60.0)
    }

    fn trial(planted: f64, number: u32) -> Trial {
        Trial {
            settings: settings(),
            planted,
            other_core_loaded: false,
            trial: number,
            verdict: "pass".into(),
            exit_code: 0,
            stages: serde_json::json!([]),
            spent_s: 1.5,
            started_unix_s: 7,
            load_average: None,
            machine: serde_json::Value::Null,
        }
    }

    fn refused(path: &Path, settings: &Settings) -> String {
        match Book::open(path, settings) {
            Err(Failure::BadInput(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_appended_is_there_again_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trials.jsonl");
        let mut book = Book::open(&path, &settings()).unwrap();
        assert!(book.trials.is_empty());
        for (planted, number) in [(0.0, 1), (0.1, 1), (0.0, 2)] {
            book.append(trial(planted, number)).unwrap();
        }
        drop(book);
        let whole = std::fs::read(&path).unwrap();
        let line = whole.len() / 3;
        std::fs::write(&path, &whole[..whole.len() - line / 2]).unwrap();
        let mut book = Book::open(&path, &settings()).unwrap();
        assert_eq!(book.trials, [trial(0.0, 1), trial(0.1, 1)]);
        assert_eq!((book.count(0.0, false), book.count(0.1, false)), (1, 1));
        assert_eq!(book.count(0.0, true), 0);
        book.append(trial(0.0, 2)).unwrap();
        drop(book);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn a_torn_first_line_is_a_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trials.jsonl");
        std::fs::write(&path, "{\"schema\":1,\"exec").unwrap();
        assert!(Book::open(&path, &settings()).unwrap().trials.is_empty());
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn other_experiments_and_other_files_are_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trials.jsonl");
        let mut book = Book::open(&path, &settings()).unwrap();
        book.append(trial(0.0, 1)).unwrap();
        drop(book);
        let mut others = [(); 5].map(|()| settings());
        others[0].executable_sha256 = "cd".into();
        others[1].workload = "--shards 2".into();
        others[2].metric = "peak-rss".into();
        others[3].threshold = 0.1;
        others[4].budget_s = 30.0;
        for other in others {
            let said = refused(&path, &other);
            assert!(
                said.contains("line 1: it is of another experiment"),
                "{said}"
            );
            assert!(said.contains(" there and "), "{said}");
        }
        let device = refused(Path::new("/dev/zero"), &settings());
        assert!(device.contains("expected a plain file"), "{device}");
        for text in ["hello\n", "hello", "{}\n", "[1]\n{}"] {
            std::fs::write(&path, text).unwrap();
            let said = refused(&path, &settings());
            assert!(
                said.contains("no trial") || said.contains("no file of trials"),
                "{said}"
            );
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        let said = refused(folder.path(), &settings());
        assert!(said.contains("cannot write"), "{said}");
    }
}
