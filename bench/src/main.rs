//! The `bench` program: parses, compares, prints, and turns failures into exit codes.
#![forbid(unsafe_code)]

use duet_bench::compare::compare;
use duet_bench::failure::Failure;
use duet_bench::gate::options::GateOptions;
use duet_bench::gate::{self, markdown};
use duet_bench::instructions::{self, options::InstructionsOptions};
use duet_bench::interrupt::Interrupt;
use duet_bench::options::{BenchCommand, CompareOptions, Options, output_apart};
use duet_bench::progress::Progress;
use duet_bench::report;
use duet_bench::trials;
use duet_bench::trials::options::TrialsOptions;
use duet_terminal::Exit;
use duet_terminal::say::{complain, print};
use duet_terminal::signals;

fn main() -> Exit {
    signals::survive_file_limits();
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
            let script = completions.script(Options::command_line());
            Ok(printed(&script, Exit::Ok))
        }
        BenchCommand::Man(manual) => (manual.page(Options::command_line()))
            .map(|page| printed(&page, Exit::Ok))
            .map_err(Failure::BadInput),
    };
    ended.unwrap_or_else(|failure| {
        complain(&failure);
        failure.exit()
    })
}

fn run_compare(options: &CompareOptions) -> Result<Exit, Failure> {
    let interrupt = Interrupt::on_signals()?;
    let comparison = compare(options, &interrupt)?;
    let text = if options.session.json {
        format!("{:#}\n", report::json(&comparison))
    } else {
        report::text(&comparison)
    };
    Ok(printed(&text, Exit::Ok))
}

fn run_gate(options: GateOptions) -> Result<Exit, Failure> {
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
    Ok(printed(&text, gated.exit))
}

fn run_trials(options: &TrialsOptions) -> Result<Exit, Failure> {
    let interrupt = Interrupt::on_signals()?;
    let book = trials::trials(options, &interrupt)?;
    let text = if options.json {
        format!("{:#}\n", trials::report::json(&book))
    } else {
        trials::report::text(&book)
    };
    Ok(printed(&text, Exit::Ok))
}

fn run_instructions(options: &InstructionsOptions) -> Result<Exit, Failure> {
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
    let exit = match counted.is_regression() {
        true => Exit::Regression,
        false => Exit::Ok,
    };
    Ok(printed(&text, exit))
}

/// How the process ends that has this to print.
fn printed(text: &str, exit: Exit) -> Exit {
    print(text).err().unwrap_or(exit)
}
