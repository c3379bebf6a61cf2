//! The command line of `bench`, with its limits. Parsing refuses; nothing behind it has to.

use std::path::Path;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use duet_experiment::Failure;
use duet_terminal::help::{
    Completions, FirstOptions, Manual, completions_help, manual_help, with_first_options,
};
use duet_terminal::output::check_writable;
use duet_terminal::paths::Paths;

use crate::gate::options::{GateFlags, GateOptions};
use crate::instructions::options::InstructionsOptions;
use crate::session_options::SessionOptions;

/// The workload of a comparison that names none: about a second per run on two cores.
pub const DEFAULT_WORKLOAD: &str = "--sessions 8 --payments 2k --baseline-sessions 0";

/// Pairs of a comparison that names no number.
const DEFAULT_PAIRS: usize = 10;

const EXAMPLES: &str = "\
Examples:
  bench compare HEAD~1 HEAD
      Did the last commit change the CPU time per payment?
  bench compare main WORKTREE --pairs 20
      The uncommitted tree against main, with a narrower interval.
  bench compare old/loadgen target/release/loadgen -- --sessions 64 --payments 10k
      Two executables on a workload of your own.
  bench compare HEAD HEAD --a-args '--shards 1' --b-args '--shards 2' --metric payments-per-s
      One build, two settings.
  bench compare HEAD HEAD --b-args '--cosign-every 100' --across cosign_every
      Settings of different assurance: the difference has to be named.
  bench compare main WORKTREE --threshold 5%
      The same as `bench gate main WORKTREE`: exits 6 if the tree is slower by more than 5 %.

Exit codes: 0 a verdict, whichever; of a gate: pass · 1 machine fault · 2 bad input, or runs that do
not compare · 3 a run was INVALID · 130 interrupted; of a gate: 5 inconclusive · 6 regression";

/// Compares builds of Duet's load generator on a noisy machine
#[derive(Debug, Parser)]
#[command(name = "bench", version, after_help = EXAMPLES)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub command: BenchCommand,
}

/// The commands of `bench`.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Says whether B is faster or slower than A, beyond what the machine does to identical code
    ///
    /// Runs A, B and a byte copy of A as processes in a balanced, interleaved order, pairs them,
    /// and gives the ratio B/A of each metric with a 95 % interval, by signed ranks. The copy's
    /// ratio to A, taken in the same session, is the A/A floor: a difference is claimed only if
    /// the interval excludes 1 and the ratio is further from 1 than the floor. Anything else is "no
    /// difference seen", which is not a proof that there is none.
    ///
    /// With --threshold it is a gate, as `bench gate` is.
    Compare(CompareOptions),

    /// Fails if HEAD is slower than BASE by more than the threshold and the noise, seen twice
    ///
    /// Runs BASE, HEAD and a byte copy of BASE as `bench compare` does, looks at the pairs now and
    /// then, and stops as soon as the answer is clear: pass, if the whole interval of HEAD/BASE is
    /// below the threshold; regression, if it is above threshold and A/A floor, and a second
    /// session from scratch, of twice as many pairs, says so too; inconclusive, if the budget is
    /// spent before. docs/regression-gate.md has the statistics.
    Gate(GateOptions),

    /// Fails if a kernel of HEAD takes more instructions than BASE's, counted under Valgrind
    ///
    /// The kernels are single-threaded, those in lanes on AVX2; counts hardly depend on the
    /// machine's load.
    Instructions(InstructionsOptions),

    /// Prints a completion script for a shell
    #[command(after_help = completions_help("bench"))]
    Completions(Completions),

    /// Prints a manual page
    #[command(after_help = manual_help("bench"))]
    Man(Manual),
}

/// What `-h` shows of commands with many options.
const FIRST_OPTIONS: [FirstOptions<'_>; 2] = [
    (
        "compare",
        [
            "pairs",
            "metric",
            "a-args",
            "b-args",
            "across",
            "threshold",
            "budget",
            "on-inconclusive",
            "json",
            "quiet",
        ],
    ),
    (
        "gate",
        [
            "threshold",
            "budget",
            "on-inconclusive",
            "markdown",
            "metric",
            "a-args",
            "b-args",
            "across",
            "json",
            "quiet",
        ],
    ),
];

impl Options {
    /// The command line, with the first options only under `-h`.
    #[must_use]
    pub fn command_line() -> clap::Command {
        with_first_options(Self::command(), &FIRST_OPTIONS)
    }

    /// Those of this process. Ends it with a message if they cannot be read.
    #[must_use]
    pub fn of_the_process() -> Self {
        let matches = Self::command_line().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// The options of `bench compare`. Those of a gate need the threshold, which makes one of it.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = EXAMPLES,
    mut_arg("budget", |arg| arg.requires("threshold")),
    mut_arg("on_inconclusive", |arg| arg.requires("threshold")),
    mut_arg("markdown", |arg| arg.requires("threshold")),
)]
pub struct CompareOptions {
    /// Path of a loadgen executable, or a git revision of this repository (built in a clean
    /// worktree and kept under target/bench-compare), or WORKTREE for the uncommitted tree. A file
    /// wins over a revision of the same name
    pub a: String,

    /// The same for the other side; ratios are B/A
    pub b: String,

    /// Measured runs of each of A, B and the copy of A, after one warm-up each. Fewer than 6 have
    /// no interval. Not with --threshold, which makes as many as it needs [default: 10]
    #[arg(long, value_name = "N", value_parser = pair_count, conflicts_with = "threshold")]
    pub pairs: Option<usize>,

    /// What both sides run.
    #[command(flatten)]
    pub session: SessionOptions,

    /// What makes a gate of it.
    #[command(flatten)]
    pub gate: GateFlags,
}

/// Checks an output before anything is measured for it: it can be written, and is a file of its
/// own, none of what is compared and none that the runs read.
///
/// # Errors
/// Bad input that names both.
pub fn check_output(
    option: &str,
    output: Option<&Path>,
    subjects: [&str; 2],
    session: Option<&SessionOptions>,
) -> Result<(), Failure> {
    let words = session.map(|of| [&of.workload, &of.a_args.0, &of.b_args.0]);
    let words = words.into_iter().flatten().flatten();
    // `--option=path` as well as `--option path`.
    let words = words.map(|word| word.split_once('=').map_or(word.as_str(), |(_, path)| path));
    let words = words.map(|path| ("an option of the runs", path));
    subjects
        .map(|subject| ("an executable", subject))
        .into_iter()
        .chain(words)
        .fold(Paths::default(), |paths, (option, path)| {
            paths.reads(option, Some(Path::new(path)))
        })
        .writes(option, output)
        .check()
        .map_err(Failure::bad_input)?;
    Ok(output.map_or(Ok(()), check_writable)?)
}

impl CompareOptions {
    /// The number of pairs, given or not.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.pairs.unwrap_or(DEFAULT_PAIRS)
    }

    /// The gate that it asks for, or none if it has no threshold.
    #[must_use]
    pub fn as_gate(&self) -> Option<GateOptions> {
        self.gate.threshold.map(|_| GateOptions {
            base: self.a.clone(),
            head: self.b.clone(),
            gate: self.gate.clone(),
            session: self.session.clone(),
        })
    }
}

/// Fewer than six pairs have no interval, and a thousand take hours.
fn pair_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(pairs @ 2..=1000) => Ok(pairs),
        _ => Err("give a number of pairs from 2 to 1000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;
    use crate::schedule::Contender;

    fn parse(arguments: &[&str]) -> Result<CompareOptions, clap::Error> {
        let arguments = ["bench", "compare"].iter().chain(arguments);
        match Options::try_parse_from(arguments)?.command {
            BenchCommand::Compare(options) => Ok(options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Options::command_line().debug_assert();
        let short = duet_terminal::help::check_short_help(&Options::command_line());
        assert_eq!(short, Ok(()));
    }

    #[test]
    fn defaults() {
        let options = parse(&["A", "B"]).unwrap();
        assert_eq!(options.pairs(), 10);
        let session = options.session.with_default_workload(DEFAULT_WORKLOAD);
        assert_eq!(session.metric, Metric::CpuPerPayment);
        assert_eq!(
            session.run_options(Contender::A).join(" "),
            "--sessions 8 --payments 2k --baseline-sessions 0"
        );
    }

    #[test]
    fn a_workload_replaces_the_default_and_each_side_adds_to_it() {
        let options = parse(&[
            "A",
            "B",
            "--a-args",
            "--shards 1",
            "--b-args",
            "--trace 'my file.csv'",
            "--",
            "--payments",
            "10k",
            "--json",
        ])
        .unwrap();
        let session = options.session.with_default_workload(DEFAULT_WORKLOAD);
        assert_eq!(
            session.run_options(Contender::ACopy).join("|"),
            "--payments|10k|--shards|1"
        );
        assert_eq!(
            session.run_options(Contender::B).join("|"),
            "--payments|10k|--trace|my file.csv"
        );
    }

    /// Of whatever runs many times.
    #[test]
    fn no_workload_writes_what_every_run_would_write_anew() {
        for command in ["compare A B", "gate A B"] {
            for output in ["--out", "--audit-log", "--ack-file"] {
                let words = format!("bench {command} -- --shards 1 {output} f");
                let parsed = Options::try_parse_from(words.split(' '));
                let told = parsed.expect_err(&words).to_string();
                assert!(told.contains(&format!("without {output}")), "{told}");
            }
            let words = format!("bench {command} -- --shards 1");
            assert!(Options::try_parse_from(words.split(' ')).is_ok(), "{words}");
        }
    }

    #[test]
    fn absurd_options_are_refused() {
        for bad in [
            &["A"] as &[&str],
            &["A", "B", "C"],
            &["A", "B", "--pairs", "0"],
            &["A", "B", "--pairs", "1"],
            &["A", "B", "--pairs", "-3"],
            &["A", "B", "--pairs", "1e9"],
            &["A", "B", "--metric", "speed"],
            &["A", "B", "--a-args", "'open"],
            &["A", "B", "--", "--shards", "1", "--out", "A"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
