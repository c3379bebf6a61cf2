//! `bench compare` from its options to its result: resolve both sides, build them, copy them, run
//! them, summarise. Prints nothing but progress and notes.

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::options::{CompareOptions, DEFAULT_WORKLOAD};
use crate::progress::Progress;
use crate::report::{Comparison, Side};
use crate::revision::LOADGEN;
use crate::runner::{Plan, RunCommand, run_session};
use crate::schedule::Contender;
use crate::session_options::{SessionOptions, Words};
use crate::snapshot::Snapshot;
use crate::subject::Subject;
use crate::summary::summarise;
use duet_run_file::terms::{Across, Difference};

/// Compares A with B.
///
/// # Errors
/// See [`Failure`]. Whatever was created on the way, worktrees included, is gone afterwards.
pub fn compare(options: &CompareOptions, interrupt: &Interrupt) -> Result<Comparison, Failure> {
    let session_options = options
        .session
        .clone()
        .with_default_workload(&DEFAULT_WORKLOAD);
    let asked = &session_options;
    let progress = Progress::new(asked.quiet);
    let a = Subject::resolve("A", &options.a, interrupt)?;
    let b = Subject::resolve("B", &options.b, interrupt)?;
    let snapshot = Snapshot::take(
        &a.executable(LOADGEN, interrupt, &progress)?,
        &b.executable(LOADGEN, interrupt, &progress)?,
    )?;
    let plan = plan(asked, &snapshot);
    let same_bytes = snapshot.a_is_b()?;
    if same_bytes && asked.a_args == asked.b_args {
        progress.say("note: A and B are the same bytes with the same options");
    }

    let session = run_session(&plan, options.pairs(), interrupt, &progress)?;
    note_idle_across(&plan, &session.differences, &progress);
    let [a_run, b_run, _] = session.warm_ups;
    Ok(Comparison {
        a: side(&a, &asked.a_args, a_run.engine),
        b: side(&b, &asked.b_args, b_run.engine),
        same_bytes,
        workload: asked.workload.clone(),
        terms: a_run.terms,
        differences: session.differences,
        decisive: asked.metric,
        bootstrap_seed: asked.bootstrap_seed,
        metrics: summarise(&session.pairs, asked.bootstrap_seed),
        pairs: session.pairs,
    })
}

/// Most likely typing errors.
pub(crate) fn note_idle_across(plan: &Plan, differences: &[Difference], progress: &Progress) {
    for key in plan.across.idle(differences) {
        progress.say(&format!(
            "note: --across {key} names nothing in which A and B differ"
        ));
    }
}

/// What the contenders of these executables run.
pub(crate) fn plan(options: &SessionOptions, snapshot: &Snapshot) -> Plan {
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
        decisive: options.metric,
        across: Across::new(&options.across),
    }
}

/// One side for a report.
pub(crate) fn side(subject: &Subject, extra: &Words, engine: serde_json::Value) -> Side {
    Side {
        name: subject.name.clone(),
        kind: subject.kind_word(),
        commit: subject.commit().map(str::to_owned),
        extra_options: extra.0.clone(),
        engine,
    }
}
