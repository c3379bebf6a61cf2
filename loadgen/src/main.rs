//! The `loadgen` binary: reads the command line and does what it says.

#![forbid(unsafe_code)]

use std::io;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{CommandFactory, Parser};
use duet_loadgen::cli::{Cli, Command};
use duet_loadgen::drive::drive;
use duet_loadgen::trace::hourly::{TraceArgs, generate_file};
use duet_reports::exit::Exit;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Set by the first Ctrl-C: the run finishes what is open and reports. The second one ends it.
static STOP: AtomicBool = AtomicBool::new(false);

fn main() -> Exit {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Trace(args)) => trace(&args),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "loadgen", &mut io::stdout());
            Exit::Ok
        }
        Some(Command::Run(args)) => run(&args),
        None => run(&cli.run),
    }
}

fn run(args: &duet_loadgen::cli::RunArgs) -> Exit {
    let handler = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            exit(Exit::Interrupted.code().into());
        }
        eprintln!("loadgen: stopping; once more to end at once");
    });
    if let Err(error) = handler {
        eprintln!("loadgen: no clean stop on Ctrl-C: {error}");
    }
    drive(args, std::env::args().collect(), &STOP)
}

fn trace(args: &TraceArgs) -> Exit {
    match generate_file(args) {
        Ok(report) => {
            eprintln!("{report}");
            Exit::Ok
        }
        Err(error) => {
            eprintln!("loadgen: {error}");
            if error.is_machine_fault() {
                Exit::MachineFault
            } else {
                Exit::BadInput
            }
        }
    }
}
