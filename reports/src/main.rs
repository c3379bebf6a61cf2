//! `reports`: shows run files. Results go to stdout, complaints to stderr.

#![forbid(unsafe_code)]

mod command;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use duet_terminal::{
    Exit,
    exit::EXIT_CODES_HELP,
    help::{Completions, FirstOptions, Manual, completions_help, manual_help, with_first_options},
    say::{complain, print},
    signals,
};

/// Shows Duet's run files.
#[derive(Parser)]
#[command(name = "reports", version, max_term_width = 80, after_help = EXIT_CODES_HELP)]
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
    Merge(command::merge::Args),
    Show(command::show::Args),
    Plan(Box<command::plan::Args>),
    #[command(after_help = completions_help("reports"))]
    Completions(Completions),
    /// Print a manual page.
    #[command(after_help = manual_help("reports"))]
    Man(Manual),
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
    signals::survive_file_limits();
    let text = match Cli::of_the_process().command {
        Command::Merge(args) => return end(args.run()),
        Command::Plan(args) => return end(args.run()),
        Command::Offload(args) => args.run(),
        Command::Csv(args) => args.run(),
        Command::Diff(args) => args.run(),
        Command::Hgrm(args) => args.run(),
        Command::Html(args) => args.run(),
        Command::Show(args) => args.run(),
        Command::Completions(args) => Ok(args.script(Cli::command_line())),
        Command::Man(args) => (args.page(Cli::command_line())).map_err(command::Refusal::bad_input),
    };
    end(text.map(|text| (text, Exit::Ok)))
}

/// Prints what there is to print, and says why there is none.
fn end(done: Result<(String, Exit), command::Refusal>) -> Exit {
    match done {
        Ok((text, exit)) => print(&text).err().unwrap_or(exit),
        Err(refusal) => {
            complain(refusal.message);
            refusal.exit
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound_and_its_short_help_short() {
        Cli::command_line().debug_assert();
        assert_eq!(
            duet_terminal::help::check_short_help(&Cli::command_line()),
            Ok(())
        );
    }
}
