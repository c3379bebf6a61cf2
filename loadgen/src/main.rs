//! The `loadgen` binary: reads the command line and does what it says.

#![forbid(unsafe_code)]

use std::iter;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

use duet_audit::audit;
use duet_loadgen::cli::{Cli, Command};
use duet_loadgen::drive::drive;
use duet_loadgen::recover::recover;
use duet_loadgen::trace::hourly::{GenerateError, TraceArgs, generate_file};
use duet_loadgen::trials::exit::exit as exit_at_once;
use duet_loadgen::trials::offload::offload;
use duet_loadgen::trials::search::search;
use duet_loadgen::trials::sweep::sweep;
use duet_terminal::exit::Exit;
use duet_terminal::input;
use duet_terminal::process;
use duet_terminal::say::{complain, print, say};
use duet_terminal::signals::{self, Asked};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Set by the first Ctrl-C: a run finishes what is open and reports, a trace is taken back. The
/// second one ends it; so does the first, while nothing is done but reading a file that was named.
static STOP: AtomicBool = AtomicBool::new(false);

fn main() -> Exit {
    let cli = Cli::of_the_process();
    signals::survive_file_limits();
    match cli.command {
        Some(Command::Trace(args)) => stoppable(|| trace(&args)),
        Some(Command::Audit(args)) => stoppable(|| audit(&args, &STOP)),
        Some(Command::Search(args)) => stoppable(|| search(&args, words(), &STOP)),
        Some(Command::Exit(args)) => stoppable(|| exit_at_once(&args, words(), &STOP)),
        Some(Command::Offload(args)) => stoppable(|| offload(&args, words(), &STOP)),
        Some(Command::Sweep(args)) => stoppable(|| sweep(&args, &STOP)),
        Some(Command::Completions(completions)) => print(&completions.script(Cli::command_line()))
            .err()
            .unwrap_or(Exit::Ok),
        Some(Command::Man(manual)) => match manual.page(Cli::command_line()) {
            Ok(page) => print(&page).err().unwrap_or(Exit::Ok),
            Err(error) => {
                complain(error);
                Exit::BadInput
            }
        },
        Some(Command::Run(args)) => run(&args),
        Some(Command::Recover(args)) => stoppable(|| recover(&args, words(), &STOP)),
        None => run(&cli.run),
    }
}

fn run(args: &duet_loadgen::cli::RunArgs) -> Exit {
    stoppable(|| drive(args, words(), &STOP))
}

/// The command line, the program by its name: where it lies is nothing to whoever repeats the run.
/// What is not UTF-8 cannot stand in a run file as it is.
fn words() -> Vec<String> {
    let options = std::env::args_os().skip(1);
    let options = options.map(|word| word.to_string_lossy().into_owned());
    iter::once(env!("CARGO_BIN_NAME").to_owned())
        .chain(options)
        .collect()
}

fn trace(args: &TraceArgs) -> Exit {
    match generate_file(args, &STOP) {
        Ok(report) => {
            say(report);
            Exit::Ok
        }
        Err(GenerateError::Stopped) => Exit::Interrupted,
        Err(error) => {
            complain(&error);
            if error.is_machine_fault() {
                Exit::MachineFault
            } else {
                Exit::BadInput
            }
        }
    }
}

/// Does what takes a while: from here on, a signal asks it to stop.
fn stoppable(work: impl FnOnce() -> Exit) -> Exit {
    let handler = signals::on_stop(|asked| {
        STOP.store(true, Ordering::Relaxed);
        if input::interrupt() {
            complain("interrupted while reading");
            exit(Exit::Interrupted.code().into());
        }
        match asked {
            Asked::ToStop => complain("stopping; once more to end at once"),
            Asked::ToEndAtOnce => {
                process::end_at_once();
                exit(Exit::Interrupted.code().into());
            }
        }
    });
    match handler {
        Ok(()) => work(),
        // Without the handler's thread, signals would come to nobody.
        Err(error) => {
            complain(error);
            Exit::MachineFault
        }
    }
}
