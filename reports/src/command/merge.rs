//! `reports merge`: one run of the parts that several machines made.

use std::path::PathBuf;

use duet_run_file::{RunFileError, merge::merge, run_file::read_text, summary::summary};
use duet_terminal::output::{check_writable, write_text};
use duet_terminal::paths::Paths;
use duet_terminal::{Exit, exit::EXIT_CODES_HELP};

use super::Refusal;

const EXAMPLES: &str = "\
Examples:
    reports merge part-1.json part-2.json part-3.json -o run.json
    reports merge part-*.json --json | jq .merged.parts

The parts are made by `loadgen run --part 1/3 …`, `--part 2/3 …` and so on.";

/// Makes one run file of the parts of a run, each made by `loadgen run --part I/N`.
///
/// Histograms are added exactly, counts are summed, ratios and percentiles are computed anew. Parts
/// that are missing make the run INVALID; parts of other runs, and repeats, are refused.
#[derive(clap::Args)]
#[command(after_help = help_end())]
pub(crate) struct Args {
    /// The parts' run files, in any order; `-` reads standard input.
    #[arg(required = true, value_name = "PART")]
    files: Vec<PathBuf>,
    /// Write the merged run file here.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the merged run file instead of its summary.
    #[arg(long)]
    json: bool,
}

fn help_end() -> String {
    format!("{EXAMPLES}\n\n{EXIT_CODES_HELP}")
}

impl Args {
    /// The summary or the run file, and whether the run is VALID.
    pub(crate) fn run(&self) -> Result<(String, Exit), Refusal> {
        let files = self.files.iter();
        let paths = Paths::default().writes("--out", self.out.as_deref());
        let paths = files.fold(paths, |paths, file| paths.reads("a part", Some(file)));
        paths.check().map_err(Refusal::bad_input)?;
        if let Some(out) = &self.out {
            check_writable(out)?;
        }
        let read_one = |path: &PathBuf| Ok((path.clone(), read_text(path)?));
        let texts: Result<Vec<_>, RunFileError> = self.files.iter().map(read_one).collect();
        let run = merge(&texts?, self.command())?;
        let json = run.to_json();
        if let Some(out) = &self.out {
            write_text(out, &json)?;
        }
        let exit = match run.achieved.valid {
            true => Exit::Ok,
            false => Exit::Invalid,
        };
        Ok((if self.json { json } else { summary(&run) }, exit))
    }

    /// How the merged file was made.
    fn command(&self) -> Vec<String> {
        let files = self.files.iter();
        let files = files.map(|file| file.to_string_lossy().into_owned());
        let words = ["reports", "merge"].map(str::to_owned);
        words.into_iter().chain(files).collect()
    }
}
