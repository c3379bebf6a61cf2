//! `bench compare` from its options to its result: resolve both sides, build them, copy them, run
//! them, summarise. Prints nothing but progress and notes.

use std::path::PathBuf;

use duet_experiment::Failure;

use crate::operator::Operator;
use crate::options::{CompareOptions, DEFAULT_WORKLOAD};
use crate::report::{Comparison, Ground};
use crate::revision::Product;
use crate::schedule::{Contender, schedule};
use crate::session::Session;
use crate::subject::Subject;
use crate::summary::summarise;

/// Compares A with B.
///
/// # Errors
/// See [`Failure`]. Whatever was created on the way, worktrees included, is gone afterwards.
pub fn compare(options: &CompareOptions, on: &Operator<'_>) -> Result<Comparison, Failure> {
    let asked = options.session.clone();
    let asked = asked.with_default_workload(DEFAULT_WORKLOAD);
    let sides = [("A", &*options.a), ("B", &*options.b)];
    let (subjects, executables) = both(sides, crate::revision::LOADGEN, on)?;
    let triples = schedule(options.pairs());
    let runs = Contender::ALL.len() * (1 + triples.len());
    on.bar.count(runs as u64, "runs");
    let executables = executables.each_ref().map(PathBuf::as_path);
    let mut session = Session::begin(&asked, executables, Some(runs), on)?;
    session.note(["A", "B"]);
    let pairs = triples.into_iter().map(|triple| session.pair(triple));
    let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
    Ok(Comparison {
        ground: Ground::of(&session, &asked, subjects),
        decisive: asked.metric,
        metrics: summarise(&pairs),
        pairs,
    })
}

/// Both sides, each with its name in messages, and what is built of them: both names are known to
/// be good before the first build.
///
/// # Errors
/// As [`Subject::resolve`] and [`Subject::executable`].
pub fn both(
    [a, b]: [(&str, &str); 2],
    product: Product,
    on: &Operator<'_>,
) -> Result<([Subject; 2], [PathBuf; 2]), Failure> {
    let subjects = [
        Subject::resolve(a.0, a.1, on)?,
        Subject::resolve(b.0, b.1, on)?,
    ];
    let executables = [
        subjects[0].executable(product, on)?,
        subjects[1].executable(product, on)?,
    ];
    Ok((subjects, executables))
}
