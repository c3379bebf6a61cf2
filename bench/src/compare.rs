//! `bench compare` from its options to its result: resolve both sides, build them, copy them, run
//! them, summarise. Prints nothing but progress and notes.

use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::options::{CompareOptions, Words};
use crate::progress::Progress;
use crate::report::{Comparison, Side};
use crate::runner::{Plan, RunCommand, run_session};
use crate::schedule::Contender;
use crate::snapshot::Snapshot;
use crate::subject::Subject;
use crate::summary::summarise;
use duet_reports::terms::Across;

/// Compares A with B.
///
/// # Errors
/// See [`Failure`]. Whatever was created on the way, worktrees included, is gone afterwards.
pub fn compare(options: &CompareOptions, interrupt: &Interrupt) -> Result<Comparison, Failure> {
    let progress = Progress::new(options.quiet);
    let a = Subject::resolve("A", &options.a, interrupt)?;
    let b = Subject::resolve("B", &options.b, interrupt)?;
    let snapshot = Snapshot::take(
        &a.executable(interrupt, &progress)?,
        &b.executable(interrupt, &progress)?,
    )?;
    let plan = plan(options, &snapshot);
    let same_bytes = snapshot.a_is_b()?;
    if same_bytes && options.a_args == options.b_args {
        progress.say("note: A and B are the same bytes with the same options");
    }

    let session = run_session(&plan, interrupt, &progress)?;
    for key in plan.across.idle(&session.differences) {
        progress.say(&format!(
            "note: --across {key} names nothing in which A and B differ"
        ));
    }
    let [a_run, b_run, _] = session.warm_ups;
    Ok(Comparison {
        a: side(&a, &options.a_args, a_run.engine),
        b: side(&b, &options.b_args, b_run.engine),
        same_bytes,
        workload: options.shared_workload(),
        terms: a_run.terms,
        differences: session.differences,
        decisive: options.metric,
        bootstrap_seed: options.bootstrap_seed,
        metrics: summarise(&session.pairs, options.bootstrap_seed),
        pairs: session.pairs,
    })
}

fn plan(options: &CompareOptions, snapshot: &Snapshot) -> Plan {
    let command = |contender: Contender| {
        let extra = match contender {
            Contender::A | Contender::ACopy => &options.a_args,
            Contender::B => &options.b_args,
        };
        RunCommand {
            executable: snapshot.executable(contender),
            arguments: options.run_arguments(extra),
        }
    };
    Plan {
        commands: Contender::ALL.map(command),
        pairs: options.pairs,
        decisive: options.metric,
        across: Across::new(&options.across),
    }
}

fn side(subject: &Subject, extra: &Words, engine: serde_json::Value) -> Side {
    Side {
        name: subject.name.clone(),
        kind: subject.kind_word(),
        commit: subject.commit().map(str::to_owned),
        extra_options: extra.0.clone(),
        engine,
    }
}
