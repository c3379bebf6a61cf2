//! Runs that may stand side by side: read whole, VALID, and of the same assurance and workload but
//! for the differences that the user named. Everything that shows a figure of more than one run
//! takes them from here; only `reports show` reads a run by itself, and shows an INVALID one.

use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;

use crate::{
    layout::clean,
    run_file::{RunFile, RunFileError},
    terms::{Across, Difference, Terms},
};
use duet_run_file::histogram;

/// One run and what to call it.
#[derive(Clone, Debug)]
pub struct NamedRun {
    /// Short, and no other run's: the file's name without `.json`, or its path where that is
    /// needed to tell two apart.
    pub name: String,
    /// The file it was read from.
    pub path: PathBuf,
    /// The run.
    pub run: RunFile,
    /// [`LatencyHistogram::response`](crate::run_file::LatencyHistogram::response), decoded.
    pub response: Option<Histogram<u64>>,
    /// [`LatencyHistogram::service`](crate::run_file::LatencyHistogram::service), decoded.
    pub service: Option<Histogram<u64>>,
}

impl NamedRun {
    /// A run that stands alone, its distributions aside.
    pub(crate) fn unnamed(run: &RunFile) -> Self {
        Self {
            name: String::new(),
            path: PathBuf::new(),
            run: run.clone(),
            response: None,
            service: None,
        }
    }

    /// The distributions that were measured, by name.
    pub fn latencies(&self) -> impl Iterator<Item = (&'static str, &Histogram<u64>)> {
        let kinds = [("response", &self.response), ("service", &self.service)];
        kinds
            .into_iter()
            .filter_map(|(kind, found)| Some((kind, found.as_ref()?)))
    }
}

/// One run or more that may stand side by side.
#[derive(Clone, Debug)]
pub struct Runs {
    runs: Vec<NamedRun>,
    differences: Vec<Difference>,
    idle: Vec<String>,
}

/// Why runs were not taken. All of these are bad input (exit code 2).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunsError {
    /// A file is no run file of this schema.
    #[error(transparent)]
    File(#[from] RunFileError),
    /// A run failed its own checks; its figures mean nothing.
    #[error(
        "{path}: the run is INVALID: {}; expected a VALID run (`reports show` shows this one)",
        in_words(.reasons)
    )]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why it is not valid, one sentence each.
        reasons: Vec<String>,
    },
    /// A figure would stand without its assurance.
    #[error("{path}: {detail}; no figure stands without it")]
    WithoutTerms {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        detail: String,
    },
    /// A latency distribution cannot be read.
    #[error("{path}: `latency_histogram.{kind}`: {detail}")]
    Histogram {
        /// The file.
        path: PathBuf,
        /// `response` or `service`.
        kind: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// Two runs did not do the same work, or not with the same assurance.
    #[error(
        "{first} and {other} did not do the same, and do not stand side by side:\n\
         {}if such a difference is what you want to see, name it:{}",
        lines(.differences), options(.differences)
    )]
    Different {
        /// The first file.
        first: PathBuf,
        /// The one that differs from it.
        other: PathBuf,
        /// The differences that nobody named.
        differences: Vec<Difference>,
    },
}

impl Runs {
    /// Takes the run files' texts; the paths serve to name them.
    ///
    /// # Errors
    /// The first file that is no run file, is INVALID, or differs from the first one in a key that
    /// `across` does not name.
    ///
    /// # Panics
    /// Without any file.
    pub fn gather(files: &[(PathBuf, String)], across: &Across) -> Result<Self, RunsError> {
        assert!(!files.is_empty(), "at least one run");
        let mut runs: Vec<NamedRun> = Vec::new();
        let mut first_terms = Terms::default();
        let mut differences: Vec<Difference> = Vec::new();
        let names = names(files.iter().map(|(path, _)| path.as_path()));
        for ((path, text), name) in files.iter().zip(names) {
            let (run, terms) = one(path, text)?;
            if runs.is_empty() {
                first_terms = terms;
            } else {
                let found = first_terms.differences(&terms);
                let unwanted = found.iter().filter(|found| !across.allows(&found.key));
                let unwanted: Vec<Difference> = unwanted.cloned().collect();
                if !unwanted.is_empty() {
                    return Err(RunsError::Different {
                        first: files[0].0.clone(),
                        other: path.clone(),
                        differences: unwanted,
                    });
                }
                differences.extend(found);
            }
            let histograms = &run.latency_histogram;
            let response = decoded(path, "response", histograms.response.as_deref())?;
            let service = decoded(path, "service", histograms.service.as_deref())?;
            runs.push(NamedRun {
                name,
                path: path.clone(),
                run,
                response,
                service,
            });
        }
        let idle = across.idle(&differences).map(str::to_owned).collect();
        Ok(Self {
            runs,
            differences,
            idle,
        })
    }

    /// The runs in the order given; never empty.
    #[must_use]
    pub fn all(&self) -> &[NamedRun] {
        &self.runs
    }

    /// Where the others differ from the first one, allowed all of it.
    #[must_use]
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// The keys of `across` in which no runs differ: most likely typing errors.
    #[must_use]
    pub fn idle(&self) -> &[String] {
        &self.idle
    }
}

fn one(path: &Path, text: &str) -> Result<(RunFile, Terms), RunsError> {
    let run = RunFile::parse(path, text)?;
    if !run.achieved.valid {
        return Err(RunsError::Invalid {
            path: path.to_owned(),
            reasons: run.achieved.invalid_reasons,
        });
    }
    let terms = Terms::parse(text).map_err(|detail| RunsError::WithoutTerms {
        path: path.to_owned(),
        detail,
    })?;
    Ok((run, terms))
}

fn decoded(
    path: &Path,
    kind: &'static str,
    text: Option<&str>,
) -> Result<Option<Histogram<u64>>, RunsError> {
    let refused = |detail| RunsError::Histogram {
        path: path.to_owned(),
        kind,
        detail,
    };
    text.map(histogram::decode).transpose().map_err(refused)
}

/// A name for each file that no other one has.
fn names<'a>(paths: impl Iterator<Item = &'a Path>) -> Vec<String> {
    let paths: Vec<&Path> = paths.collect();
    let stems: Vec<String> = paths
        .iter()
        .map(|path| path.file_stem().unwrap_or(path.as_os_str()))
        .map(|stem| clean(&stem.to_string_lossy()))
        .collect();
    let taken = |names: &[String], name: &String| names.iter().filter(|n| *n == name).count() > 1;
    let mut names = Vec::new();
    for (path, stem) in paths.iter().zip(&stems) {
        let name = match stem.as_str() {
            "-" => "standard input".to_owned(),
            _ if taken(&stems, stem) => clean(&path.to_string_lossy()),
            _ => stem.clone(),
        };
        // The same file given twice.
        let again = names.iter().filter(|other| **other == name).count();
        names.push(if again > 0 {
            format!("{name} ({})", again + 1)
        } else {
            name
        });
    }
    names
}

/// Why a run is not valid.
fn in_words(reasons: &[String]) -> String {
    if reasons.is_empty() {
        return "no reason is given".to_owned();
    }
    clean(&reasons.join("; "))
}

/// What differs, a line each.
fn lines(differences: &[Difference]) -> String {
    let lines = differences.iter().map(|found| format!("  {found}\n"));
    lines.collect()
}

/// The options that name what differs, a line each.
fn options(differences: &[Difference]) -> String {
    let options = differences
        .iter()
        .map(|found| format!("\n  --across {}", clean(&found.key)));
    options.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn file(name: &str, change: impl FnOnce(&mut RunFile)) -> (PathBuf, String) {
        let mut run = sample::open_loop();
        change(&mut run);
        (PathBuf::from(name), run.to_json())
    }

    fn gather(files: &[(PathBuf, String)], across: &[&str]) -> Result<Runs, String> {
        let across: Vec<String> = across.iter().map(|key| (*key).to_owned()).collect();
        Runs::gather(files, &Across::new(&across)).map_err(|error| error.to_string())
    }

    #[test]
    fn names_tell_the_runs_apart() {
        let table: [(&[&str], &[&str]); 4] = [
            (&["a/one.json", "b/two.json"], &["one", "two"]),
            (&["a/one.json", "b/one.json"], &["a/one.json", "b/one.json"]),
            (
                &["one.json", "one.json", "-"],
                &["one.json", "one.json (2)", "standard input"],
            ),
            (&["a\u{1b}[31m.json"], &["a [31m"]),
        ];
        for (paths, expected) in table {
            assert_eq!(names(paths.iter().map(Path::new)), expected, "{paths:?}");
        }
    }

    #[test]
    fn what_may_not_stand_side_by_side_is_refused_with_its_reason() {
        let plain = || file("a.json", |_| {});
        let invalid = file("bad.json", |run| {
            run.achieved.valid = false;
            run.achieved.invalid_reasons = vec!["balances differ".into(), "late".into()];
        });
        let other_k = file("k.json", |run| {
            run.workload.cosign_every = 1;
            run.assurance.cosign_every = 1;
        });
        let table = [
            (
                vec![invalid.clone()],
                "bad.json: the run is INVALID: balances differ; late; expected a VALID run",
            ),
            (vec![plain(), invalid], "bad.json: the run is INVALID"),
            (
                vec![plain(), plain(), other_k.clone()],
                "a.json and k.json did not do the same, and do not stand side by side:\n  \
                 assurance.cosign_every: 100 and 1\n  workload.cosign_every: 100 and 1\n\
                 if such a difference is what you want to see, name it:\n  \
                 --across assurance.cosign_every\n  --across workload.cosign_every",
            ),
            (
                vec![("cut.json".into(), plain().1[..500].to_owned())],
                "cut.json: truncated",
            ),
        ];
        for (files, expected) in table {
            let refusal = gather(&files, &[]).expect_err(expected);
            assert!(refusal.starts_with(expected), "{expected}: {refusal}");
        }
        let runs = gather(&[plain(), other_k], &["cosign_every", "typo"]).unwrap();
        assert_eq!(runs.all().len(), 2);
        assert_eq!(runs.differences().len(), 2);
        assert_eq!(runs.idle(), ["typo"]);
    }

    #[test]
    fn seed_and_shards_may_differ_and_what_a_later_version_adds_may_not() {
        let seed = file("b.json", |run| run.workload.seed = 7);
        let runs = gather(&[file("a.json", |_| {}), seed], &[]).unwrap();
        assert_eq!(runs.differences()[0].key, "workload.seed");

        let (path, text) = file("c.json", |_| {});
        let newer = text.replacen("\"workload\": {", "\"workload\": { \"hops\": 2,", 1);
        let refusal = gather(&[file("a.json", |_| {}), (path, newer)], &[]).unwrap_err();
        assert!(refusal.contains("workload.hops: null and 2"), "{refusal}");
    }
}
