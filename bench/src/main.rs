//! The `bench` program: parses, compares, prints, and turns failures into exit codes.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use duet_bench::compare::compare;
use duet_bench::exit::{self, Failure};
use duet_bench::interrupt::Interrupt;
use duet_bench::options::{BenchCommand, CompareOptions, Options};
use duet_bench::report;

fn main() -> ExitCode {
    let BenchCommand::Compare(options) = Options::parse().command;
    match run(&options) {
        Ok(()) => ExitCode::from(exit::OK),
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(options: &CompareOptions) -> Result<(), Failure> {
    let interrupt = Interrupt::on_signals()?;
    let comparison = compare(options, &interrupt)?;
    let text = if options.json {
        format!("{:#}\n", report::json(&comparison))
    } else {
        report::text(&comparison)
    };
    print(&text)
}

/// A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::MachineFault(
            format!("cannot print the result: {error}"),
        )),
        _ => Ok(()),
    }
}
