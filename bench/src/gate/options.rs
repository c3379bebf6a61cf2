//! The command line of a gate, on its own or on top of a comparison.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use duet_experiment::Failure;
use duet_terminal::units::{parse_duration, parse_share};

use crate::session_options::SessionOptions;
use duet_terminal::Exit;

use super::judge::Verdict;

/// The workload of a gate that names none: a tenth of a second per run with lanes, and four with
/// library code. Many short runs tell more in the same time than few long ones: what a shared
/// machine does meanwhile is the same for neighbours (docs/regression-gate.md has the figures).
pub const DEFAULT_WORKLOAD: &str = "--sessions 8 --payments 1k --baseline-sessions 0";

/// The slowdown that a gate lets through unless told otherwise, as a share.
const DEFAULT_THRESHOLD: f64 = 0.05;
/// The time that a gate measures at most unless told otherwise.
const DEFAULT_BUDGET: Duration = Duration::from_secs(20 * 60);
/// No pair ends in less, and nobody waits longer.
const BUDGETS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));

const EXAMPLES: &str = "\
Examples:
  bench gate main HEAD
      Is HEAD slower than main by more than 5 %?
  bench gate origin/main HEAD --budget 10m --on-inconclusive pass --markdown verdict.md
      In a pull request, on a machine that may be too noisy to tell.
  bench gate old/loadgen new/loadgen --threshold 3% --metric payments-per-s -- --sessions 64
      Two executables, another metric, a workload of your own.

Exit codes: 0 pass · 5 inconclusive (0 with --on-inconclusive pass) · 6 regression · 1 machine fault ·
2 bad input, or runs that do not compare · 3 a run was INVALID · 130 interrupted";

/// What an inconclusive gate exits with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OnInconclusive {
    /// 0
    Pass,
    /// 5
    #[default]
    Fail,
}

/// What makes a gate of a comparison.
#[derive(Debug, Clone, Default, Args)]
pub struct GateFlags {
    /// The slowdown that is let through [default of a gate: 5%]
    #[arg(long, value_name = "SHARE", value_parser = threshold, help_heading = "Gate")]
    pub threshold: Option<f64>,

    /// Measure for this long at most, builds aside [default of a gate: 20m]
    #[arg(long, value_name = "TIME", value_parser = budget, help_heading = "Gate")]
    pub budget: Option<Duration>,

    /// Whether an inconclusive gate exits with 0 or 5 [default of a gate: fail, which is 5]
    #[arg(long, value_enum, value_name = "WHAT", help_heading = "Gate")]
    pub on_inconclusive: Option<OnInconclusive>,

    /// Write the verdict as Markdown here, for a comment; - for standard output in place of the
    /// text
    #[arg(long, value_name = "FILE", help_heading = "Gate")]
    pub markdown: Option<PathBuf>,
}

/// The options of `bench gate`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct GateOptions {
    /// What was there before: a loadgen executable, a git revision, or WORKTREE, as for compare
    pub base: String,

    /// What is to be let through, or not
    pub head: String,

    /// How it is judged.
    #[command(flatten)]
    pub gate: GateFlags,

    /// What both sides run.
    #[command(flatten)]
    pub session: SessionOptions,
}

impl GateFlags {
    /// The threshold, given or not.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.threshold.unwrap_or(DEFAULT_THRESHOLD)
    }

    /// The budget, given or not.
    #[must_use]
    pub fn budget(&self) -> Duration {
        self.budget.unwrap_or(DEFAULT_BUDGET)
    }

    /// How the process ends for a verdict.
    #[must_use]
    pub fn exit(&self, verdict: Verdict) -> Exit {
        match (verdict, self.on_inconclusive.unwrap_or_default()) {
            (Verdict::Pass, _) | (Verdict::Inconclusive, OnInconclusive::Pass) => Exit::Ok,
            (Verdict::Inconclusive, OnInconclusive::Fail) => Exit::Inconclusive,
            (Verdict::Regression, _) => Exit::Regression,
        }
    }

    /// Whether the Markdown takes the place of the text.
    #[must_use]
    pub fn markdown_on_stdout(&self) -> bool {
        self.markdown.as_deref() == Some(Path::new("-"))
    }

    /// The file that the Markdown goes to.
    #[must_use]
    pub fn markdown_file(&self) -> Option<&Path> {
        self.markdown
            .as_deref()
            .filter(|_| !self.markdown_on_stdout())
    }
}

impl GateOptions {
    /// Refuses options that contradict each other, and takes the gate's own workload if none was
    /// named.
    ///
    /// # Errors
    /// A failure with the options' names.
    pub fn checked(mut self) -> Result<Self, Failure> {
        if self.session.json && self.gate.markdown_on_stdout() {
            return Err(Failure::bad_input(
                "--json contradicts --markdown -: both print on standard output",
            ));
        }
        self.session = self.session.with_default_workload(DEFAULT_WORKLOAD);
        Ok(self)
    }
}

pub(crate) fn threshold(text: &str) -> Result<f64, String> {
    match parse_share(text)? {
        0.0 => Err(format!(
            "'{text}' is too small: expected more than 0%, since no measurement can exclude less"
        )),
        share => Ok(share),
    }
}

pub(crate) fn budget(text: &str) -> Result<Duration, String> {
    let budget = parse_duration(text)?;
    let (least, most) = BUDGETS;
    if (least..=most).contains(&budget) {
        Ok(budget)
    } else {
        Err(format!("'{text}' is no budget: expected 1s to 24h"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::options::{BenchCommand, Options};

    fn parse(words: &str) -> Result<BenchCommand, String> {
        let words = ["bench"].into_iter().chain(words.split(' '));
        Options::try_parse_from(words)
            .map(|options| options.command)
            .map_err(|error| error.to_string())
    }

    fn gate_of(words: &str) -> Result<GateOptions, String> {
        let gate = match parse(words)? {
            BenchCommand::Gate(options) => options,
            BenchCommand::Compare(options) => options.as_gate().ok_or("a plain comparison")?,
            other => panic!("{other:?}"),
        };
        gate.checked().map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_comparison_with_a_threshold_is_the_gate() {
        let gate = gate_of("gate main HEAD").unwrap();
        assert_eq!(gate.gate.threshold(), 0.05);
        assert_eq!(gate.gate.budget(), Duration::from_secs(1200));
        assert_eq!(gate.session.workload.join(" "), DEFAULT_WORKLOAD);
        let compare = gate_of("compare main HEAD --threshold 5%").unwrap();
        assert_eq!(
            format!("{:?}", compare.session),
            format!("{:?}", gate.session)
        );
        assert_eq!((compare.base, compare.head), (gate.base, gate.head));
        assert_eq!(compare.gate.threshold(), 0.05);
        assert_eq!(
            gate_of("compare main HEAD").unwrap_err(),
            "a plain comparison"
        );
        let own = gate_of("gate main HEAD --threshold 2.5% --budget 90s -- --shards 1").unwrap();
        assert_eq!(own.gate.threshold(), 0.025);
        assert_eq!(own.gate.budget(), Duration::from_secs(90));
        assert_eq!(own.session.workload, ["--shards", "1"]);
    }

    #[test]
    fn each_verdict_has_its_exit_code() {
        for (words, verdict, code) in [
            ("gate A B", Verdict::Pass, 0),
            ("gate A B", Verdict::Inconclusive, 5),
            ("gate A B", Verdict::Regression, 6),
            ("gate A B --on-inconclusive fail", Verdict::Inconclusive, 5),
            ("gate A B --on-inconclusive pass", Verdict::Inconclusive, 0),
            ("gate A B --on-inconclusive pass", Verdict::Regression, 6),
        ] {
            let gate = gate_of(words).unwrap().gate;
            assert_eq!(gate.exit(verdict).code(), code, "{words} {verdict:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_reason() {
        for (words, said) in [
            ("gate A", "<HEAD>"),
            ("gate A B --threshold 0%", "more than 0%"),
            ("gate A B --threshold 200%", "0% to 100%"),
            ("gate A B --threshold fast", "'fast' is not a share"),
            ("gate A B --budget 0s", "1s to 24h"),
            ("gate A B --budget 25h", "1s to 24h"),
            ("gate A B --budget 20", "not a duration"),
            ("gate A B --on-inconclusive maybe", "'maybe'"),
            (
                "gate A B --json --markdown -",
                "--json contradicts --markdown -",
            ),
            ("gate A B --pairs 10", "--pairs"),
            ("compare A B --budget 5m", "--threshold <SHARE>"),
            ("compare A B --markdown x.md", "--threshold <SHARE>"),
            ("compare A B --on-inconclusive pass", "--threshold <SHARE>"),
            (
                "compare A B --pairs 9 --threshold 5%",
                "'--pairs <N>' cannot be used with '--threshold <SHARE>'",
            ),
        ] {
            let refused = gate_of(words).unwrap_err();
            assert!(refused.contains(said), "{words}: {refused}");
        }
    }
}
