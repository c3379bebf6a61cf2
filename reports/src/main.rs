//! `reports`: shows run files. Results go to stdout, complaints to stderr.

#![forbid(unsafe_code)]

mod command;

use std::io::{self, Write as _};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use duet_run_file::{
    Exit,
    exit::EXIT_CODES_HELP,
    help::{Completions, FirstOptions, completions_help, with_first_options},
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
    Offload(command::offload::Args),
    Csv(command::csv::Args),
    Diff(command::diff::Args),
    Hgrm(command::hgrm::Args),
    Html(command::html::Args),
    Show(command::show::Args),
    Plan(Box<command::plan::Args>),
    #[command(after_help = completions_help("reports"))]
    Completions(Completions),
}

/// What `-h` shows of commands with many options.
const FIRST_OPTIONS: [FirstOptions<'_>; 2] = [
    (
        "offload",
        [
            "l1",
            "payments",
            "disputes",
            "deposits",
            "open-batch",
            "transfer-batch",
            "sessions",
            "json",
            "csv",
            "constants",
        ],
    ),
    (
        "plan",
        [
            "rate",
            "channels",
            "payments",
            "inverse",
            "slo",
            "l1",
            "cosign-every",
            "durability",
            "from",
            "json",
        ],
    ),
];

impl Cli {
    fn command_line() -> clap::Command {
        with_first_options(Cli::command(), &FIRST_OPTIONS)
    }

    fn of_the_process() -> Cli {
        let matches = Cli::command_line().get_matches();
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

fn main() -> Exit {
    let done = match Cli::of_the_process().command {
        Command::Offload(args) => args.run(),
        Command::Csv(args) => args.run(),
        Command::Diff(args) => args.run(),
        Command::Hgrm(args) => args.run(),
        Command::Html(args) => args.run(),
        Command::Show(args) => args.run(),
        Command::Completions(args) => Ok(args.script(Cli::command_line())),
        Command::Plan(args) => match args.run() {
            Ok((text, exit)) => {
                return match print(&text) {
                    Exit::Ok => exit,
                    failed => failed,
                };
            }
            Err(refusal) => Err(refusal),
        },
    };
    match done {
        Ok(text) => print(&text),
        Err(refusal) => {
            complain(&refusal.message);
            refusal.exit
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound_and_its_short_help_short() {
        Cli::command_line().debug_assert();
        assert_eq!(
            duet_run_file::help::check_short_help(&Cli::command_line()),
            Ok(())
        );
    }
}
