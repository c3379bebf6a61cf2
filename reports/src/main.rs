//! `reports`: shows run files. Results go to stdout, complaints to stderr.

#![forbid(unsafe_code)]

use std::{
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use clap::{Parser, Subcommand};
use duet_reports::{
    Exit, RunFile, RunFileError,
    exit::EXIT_CODES_HELP,
    run_file::{read_text, utf8},
    summary::summary,
    tables::tables,
};

/// Shows Duet's run files.
#[derive(Parser)]
#[command(name = "reports", version, max_term_width = 100, after_help = EXIT_CODES_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prints one run: its summary, then stages, phases, latency, series and rejections.
    ///
    /// A run that is INVALID is shown too, with that word first, and exits 0.
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// The run file; `-` reads standard input.
        file: PathBuf,
        /// Print the run file itself, once it has been checked.
        #[arg(long)]
        json: bool,
    },
}

const SHOW_EXAMPLES: &str = "\
Examples:
    reports show run.json
    reports show run.json --json | jq .achieved
    loadgen --json | reports show -";

fn main() -> Exit {
    let Command::Show { file, json } = Cli::parse().command;
    match show(&file, json) {
        Ok(shown) => print(&shown),
        Err(error) => {
            complain(&error.to_string());
            Exit::BadInput
        }
    }
}

fn show(file: &Path, json: bool) -> Result<String, RunFileError> {
    let text = if file == Path::new("-") {
        read_stdin()?
    } else {
        read_text(file)?
    };
    let run = RunFile::parse(file, &text)?;
    // The text as it came also holds the fields that later versions added.
    Ok(if json {
        text
    } else {
        summary(&run) + &tables(&run)
    })
}

fn read_stdin() -> Result<String, RunFileError> {
    let path = Path::new("-");
    let mut bytes = Vec::new();
    io::stdin()
        .read_to_end(&mut bytes)
        .map_err(|source| RunFileError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
    utf8(path, bytes)
}

/// Whoever closes the pipe, such as `head`, has read enough: that is no error.
fn print(text: &str) -> Exit {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => Exit::Ok,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(error) => {
            complain(&format!("standard output: {error}"));
            Exit::MachineFault
        }
    }
}

/// Unlike `eprintln!`, does not panic when stderr is closed.
fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "reports: {message}");
}
