//! The regression gate: pass, inconclusive or regression, at an error that is known. It stands on
//! the comparison's session of processes; what it adds is when to look ([`look`]), what a look says
//! ([`decide`]), and that a slowdown has to be seen twice ([`judge`](mod@judge)).
//!
//! All but `session` is pure.

pub mod decide;
pub mod judge;
pub mod look;
mod markdown;
pub mod needs;
pub mod options;
pub mod report;
mod session;

use std::path::Path;

use crate::compare::side;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::options::output_apart;
use crate::progress::Progress;
use crate::revision::LOADGEN;
use crate::subject::Subject;
use crate::summary::summarise;
use duet_terminal::output::{OutputError, check_writable, write_atomically};

use decide::Rule;
use judge::judge;
use options::GateOptions;
use report::Gated;
use session::{Session, Setup};

pub use markdown::markdown;

/// Judges HEAD against BASE.
///
/// # Errors
/// See [`Failure`]. Whatever was created on the way, worktrees included, is gone afterwards.
///
/// # Panics
/// Never: a session that has ended well has found out what ran.
pub fn gate(
    options: &GateOptions,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<Gated, Failure> {
    let asked = &options.session;
    let base = Subject::resolve("BASE", &options.base, interrupt)?;
    let head = Subject::resolve("HEAD", &options.head, interrupt)?;
    let executables = [
        base.executable(LOADGEN, interrupt, progress)?,
        head.executable(LOADGEN, interrupt, progress)?,
    ];
    let budget = options.gate.budget();
    progress.start_budget(budget);
    let mut session = Session::new(Setup {
        base: &executables[0],
        head: &executables[1],
        options: asked,
        interrupt,
        progress,
    });
    let rule = Rule {
        threshold: options.gate.threshold(),
    };
    let judgement = judge(&rule, budget, &mut session)?;
    let spent = judgement.stages.iter().map(|stage| stage.spent).sum();
    let found = session.found.expect("a stage has begun");
    let pairs = session.stages;
    let last = pairs.last().expect("a stage has pairs");
    let [base_engine, head_engine] = found.engines;
    Ok(Gated {
        base: side(&base, &asked.a_args, base_engine),
        head: side(&head, &asked.b_args, head_engine),
        same_bytes: found.same_bytes,
        workload: asked.workload.clone(),
        terms: found.terms,
        differences: found.differences,
        machine: found.machine,
        metric: asked.metric,
        rule,
        budget,
        spent,
        exit: options.gate.exit(judgement.verdict),
        judgement,
        metrics: summarise(last, asked.bootstrap_seed),
        bootstrap_seed: asked.bootstrap_seed,
        pairs,
    })
}

/// The file that the Markdown goes to, checked before anything is measured for it.
///
/// # Errors
/// [`Failure::BadInput`] if it cannot be written.
pub fn markdown_file(options: &GateOptions) -> Result<Option<&Path>, Failure> {
    match &options.gate.markdown {
        Some(path) if !options.gate.markdown_on_stdout() => {
            let session = &options.session;
            let words = [&session.workload, &session.a_args.0, &session.b_args.0];
            output_apart(
                "--markdown",
                path,
                &[&options.base, &options.head],
                &words.map(Vec::as_slice),
            )?;
            check_file(path)?;
            Ok(Some(path))
        }
        _ => Ok(None),
    }
}

/// Checks that a text can be written there.
///
/// # Errors
/// [`Failure::BadInput`] if not.
pub fn check_file(path: &Path) -> Result<(), Failure> {
    check_writable(path).map_err(output_failure)
}

/// Writes a text whole or not at all.
///
/// # Errors
/// If it cannot be written.
pub fn write_text(path: &Path, text: &str) -> Result<(), Failure> {
    let written: Result<(), OutputError> = write_atomically(path, |out| {
        out.write_all(text.as_bytes())
            .map_err(|source| OutputError::Failed {
                path: path.to_owned(),
                source,
            })
    });
    written.map_err(output_failure)
}

fn output_failure(error: OutputError) -> Failure {
    if error.is_machine_fault() {
        Failure::MachineFault(error.to_string())
    } else {
        Failure::BadInput(error.to_string())
    }
}
