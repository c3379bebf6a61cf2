//! The `bench` program: parses, compares, prints, and turns failures into exit codes.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use duet_bench::compare::compare;
use duet_bench::exit::{self, Failure};
use duet_bench::gate::options::GateOptions;
use duet_bench::gate::{self, markdown};
use duet_bench::instructions::{self, options::InstructionsOptions};
use duet_bench::interrupt::Interrupt;
use duet_bench::options::{BenchCommand, CompareOptions, Options, output_apart};
use duet_bench::progress::{Progress, say};
use duet_bench::report;
use duet_bench::trials;
use duet_bench::trials::options::TrialsOptions;

fn main() -> ExitCode {
    let ended = match Options::of_the_process().command {
        BenchCommand::Compare(options) => match options.as_gate() {
            Ok(None) => run_compare(&options),
            Ok(Some(options)) => run_gate(options),
            Err(failure) => Err(failure),
        },
        BenchCommand::Gate(options) => run_gate(options),
        BenchCommand::Trials(options) => run_trials(&options),
        BenchCommand::Instructions(options) => run_instructions(&options),
        BenchCommand::Completions(completions) => {
            print(&completions.script(Options::command_line())).map(|()| exit::OK)
        }
    };
    ExitCode::from(ended.unwrap_or_else(|failure| {
        say(&format!("bench: {failure}"));
        failure.exit_code()
    }))
}

fn run_compare(options: &CompareOptions) -> Result<u8, Failure> {
    let interrupt = Interrupt::on_signals()?;
    let comparison = compare(options, &interrupt)?;
    let text = if options.session.json {
        format!("{:#}\n", report::json(&comparison))
    } else {
        report::text(&comparison)
    };
    print(&text).map(|()| exit::OK)
}

fn run_gate(options: GateOptions) -> Result<u8, Failure> {
    let options = options.checked()?;
    let file = gate::markdown_file(&options)?;
    let interrupt = Interrupt::on_signals()?;
    let progress = Progress::new(options.session.quiet);
    let gated = gate::gate(&options, &interrupt, &progress)?;
    drop(progress);
    if let Some(file) = file {
        gate::write_text(file, &markdown(&gated))?;
    }
    let text = if options.session.json {
        format!("{:#}\n", gate::report::json(&gated))
    } else if options.gate.markdown_on_stdout() {
        markdown(&gated)
    } else {
        gate::report::text(&gated)
    };
    print(&text).map(|()| gated.exit_code)
}

fn run_trials(options: &TrialsOptions) -> Result<u8, Failure> {
    let interrupt = Interrupt::on_signals()?;
    let book = trials::trials(options, &interrupt)?;
    let text = if options.json {
        format!("{:#}\n", trials::report::json(&book))
    } else {
        trials::report::text(&book)
    };
    print(&text).map(|()| exit::OK)
}

fn run_instructions(options: &InstructionsOptions) -> Result<u8, Failure> {
    if let Some(file) = &options.markdown {
        output_apart("--markdown", file, &[&options.base, &options.head], &[])?;
        gate::check_file(file)?;
    }
    let interrupt = Interrupt::on_signals()?;
    let counted = instructions::instructions(options, &interrupt, &Progress::new(options.quiet))?;
    if let Some(file) = &options.markdown {
        gate::write_text(file, &instructions::report::markdown(&counted))?;
    }
    let text = if options.json {
        format!("{:#}\n", instructions::report::json(&counted))
    } else {
        instructions::report::text(&counted)
    };
    print(&text)?;
    Ok(if counted.is_regression() {
        exit::REGRESSION
    } else {
        exit::OK
    })
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
