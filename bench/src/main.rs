//! The `bench` program: parses, compares, prints, and turns failures into exit codes.
#![forbid(unsafe_code)]

use duet_bench::compare::compare;
use duet_bench::gate::options::GateOptions;
use duet_bench::gate::{self, markdown};
use duet_bench::instructions::{self, options::InstructionsOptions};
use duet_bench::operator::Operator;
use duet_bench::options::{BenchCommand, CompareOptions, Options, check_output};
use duet_bench::report;
use duet_experiment::Failure;
use duet_terminal::Exit;
use duet_terminal::output::write_text;
use duet_terminal::say::print;
use duet_terminal::signals;

fn main() -> Exit {
    signals::survive_file_limits();
    let ended = match Options::of_the_process().command {
        BenchCommand::Compare(options) => match options.as_gate() {
            None => run_compare(&options),
            Some(options) => run_gate(options),
        },
        BenchCommand::Gate(options) => run_gate(options),
        BenchCommand::Instructions(options) => run_instructions(&options),
        BenchCommand::Completions(completions) => {
            Ok((completions.script(Options::command_line()), Exit::Ok))
        }
        BenchCommand::Man(manual) => (manual.page(Options::command_line()))
            .map(|page| (page, Exit::Ok))
            .map_err(Failure::bad_input),
    };
    match ended {
        Ok((text, exit)) => print(&text).err().unwrap_or(exit),
        Err(failure) => failure.tell(),
    }
}

fn run_compare(options: &CompareOptions) -> Result<(String, Exit), Failure> {
    let comparison = compare(options, &Operator::of_this_process(options.session.quiet)?)?;
    let text = match options.session.json {
        true => format!("{:#}\n", report::json(&comparison)),
        false => report::text(&comparison),
    };
    Ok((text, Exit::Ok))
}

fn run_gate(options: GateOptions) -> Result<(String, Exit), Failure> {
    let options = options.checked()?;
    let markdown_file = options.gate.markdown_file();
    let sides = [&*options.base, &*options.head];
    check_output("--markdown", markdown_file, sides, Some(&options.session))?;
    let gated = gate::gate(&options, &Operator::of_this_process(options.session.quiet)?)?;
    markdown_file.map_or(Ok(()), |file| write_text(file, &markdown(&gated)))?;
    let text = match (options.session.json, options.gate.markdown_on_stdout()) {
        (true, _) => format!("{:#}\n", gate::report::json(&gated)),
        (false, true) => markdown(&gated),
        (false, false) => gate::report::text(&gated),
    };
    Ok((text, gated.exit))
}

fn run_instructions(options: &InstructionsOptions) -> Result<(String, Exit), Failure> {
    let file = options.markdown.as_deref();
    let sides = [&*options.base, &*options.head];
    check_output("--markdown", file, sides, None)?;
    let counted = instructions::instructions(options, &Operator::of_this_process(options.quiet)?)?;
    file.map_or(Ok(()), |file| {
        write_text(file, &instructions::report::markdown(&counted))
    })?;
    let text = match options.json {
        true => format!("{:#}\n", instructions::report::json(&counted)),
        false => instructions::report::text(&counted),
    };
    let exit = match counted.is_regression() {
        true => Exit::Regression,
        false => Exit::Ok,
    };
    Ok((text, exit))
}
