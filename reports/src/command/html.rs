//! `reports html`: one run, or several side by side, as one page.

use std::path::{Path, PathBuf};

use duet_profile::Profile;
use duet_reports::html::{RUNS_MAX, curve_page, page, sweep_page};
use duet_run_file::sweep::Sweep;
use duet_terminal::output::{check_writable, write_text};
use duet_terminal::paths::Paths;

use super::{Answer, Refusal, Selection, find_profiles};

const EXAMPLES: &str = "\
Examples:
    reports html run.json -o run.html
    reports html run.json -o run.html --l1 ethereum-60m --l1 ./my-chain.toml
    reports html none.json fsync.json --across durability -o durability.html
    reports html plan.sweep -o plan.html
    reports html curve.json -o curve.html";

/// Makes one HTML page of runs, with charts, tables and their data; it loads nothing.
///
/// Up to eight runs stand side by side. Of a sweep's file it shows what was handled, and how fast,
/// over the offered rate, of an offload curve the ratios over the length of sessions; how to read
/// the figures is in docs/reading-a-report.md.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    runs: Selection,
    /// Where to write the page; `-` prints it.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Price the runs' own Layer 1 transactions by a profile or its file (see `reports offload`),
    /// as often as wanted; what comes of it is modelled [default: the five known profiles].
    #[arg(long, value_name = "PROFILE|FILE")]
    l1: Vec<String>,
}

impl Args {
    /// Writes the page, or gives it to be printed.
    pub(crate) fn run(&self) -> Answer {
        let out = Some(&*self.out).filter(|out| *out != Path::new("-"));
        let paths = self.runs.of(Paths::default()).writes("-o", out);
        let profiles = self.l1.iter().map(Path::new);
        let paths = profiles.fold(paths, |paths, profile| paths.reads("--l1", Some(profile)));
        paths.check().map_err(Refusal::bad_input)?;
        if let Some(out) = out {
            check_writable(out)?;
        }
        let page = match (self.runs.curve()?, self.runs.sweep()?) {
            (Some((name, curve, digest)), _) => {
                self.unpriced("a curve")?;
                let page = curve_page(&name, &curve, &digest);
                page.map_err(|lacks| Refusal::bad_input(format!("{name}: {lacks}")))?
            }
            (None, Some((name, sweep))) => self.of_sweep(&name, &sweep)?,
            (None, None) => self.of_runs()?,
        };
        let Some(out) = out else {
            return Ok(page);
        };
        write_text(out, &page)?;
        Ok(String::new())
    }

    /// What has no run's own transactions to price takes no profile.
    fn unpriced(&self, what: &str) -> Result<(), Refusal> {
        match self.l1.is_empty() {
            true => Ok(()),
            false => Err(Refusal::bad_input(format!(
                "--l1 beside {what}: expected run files, whose transactions it prices"
            ))),
        }
    }

    /// The page of a sweep, which has nothing to be priced.
    fn of_sweep(&self, name: &str, sweep: &Sweep) -> Result<String, Refusal> {
        self.unpriced("a sweep")?;
        sweep_page(name, sweep).map_err(|lacks| Refusal::bad_input(format!("{name}: {lacks}")))
    }

    fn of_runs(&self) -> Result<String, Refusal> {
        if self.runs.count() > RUNS_MAX {
            return Err(Refusal::bad_input(format!(
                "{} runs; expected at most {RUNS_MAX}, as many as a chart can tell apart",
                self.runs.count()
            )));
        }
        let profiles = if self.l1.is_empty() {
            Profile::known()
        } else {
            find_profiles(&self.l1)?
        };
        Ok(page(&self.runs.read()?, &profiles))
    }
}
