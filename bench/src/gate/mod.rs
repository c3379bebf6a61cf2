//! The regression gate: pass, inconclusive or regression, at an error that is known. It stands on
//! the comparison's session of processes; what it adds is when to look ([`look`]), what a look says
//! ([`decide`]), and that a slowdown has to be seen twice ([`judge`](mod@judge)).
//!
//! All but `stages` is pure.

pub mod decide;
pub mod judge;
pub mod look;
mod markdown;
pub mod needs;
pub mod options;
pub mod report;
mod stages;

use std::path::PathBuf;

use duet_experiment::Failure;

use crate::compare::both;
use crate::operator::Operator;
use crate::revision::LOADGEN;
use crate::summary::summarise;

use decide::Rule;
use judge::judge;
use options::GateOptions;
use report::Gated;
use stages::Stages;

pub use markdown::markdown;

/// Judges HEAD against BASE.
///
/// # Errors
/// See [`Failure`]. Whatever was created on the way, worktrees included, is gone afterwards.
///
/// # Panics
/// Never: a gate that has ended well has begun a stage.
pub fn gate(options: &GateOptions, on: &Operator<'_>) -> Result<Gated, Failure> {
    let asked = &options.session;
    let sides = [("BASE", &*options.base), ("HEAD", &*options.head)];
    let (subjects, executables) = both(sides, LOADGEN, on)?;
    let budget = options.gate.budget();
    on.bar.count(budget.as_secs(), "s");
    let mut stages = Stages::new(executables.each_ref().map(PathBuf::as_path), asked, on);
    let rule = Rule {
        threshold: options.gate.threshold(),
    };
    let judgement = judge(&rule, budget, &mut stages)?;
    Ok(Gated {
        ground: stages.ground(subjects),
        metric: asked.metric,
        rule,
        budget,
        spent: judgement.stages.iter().map(|stage| stage.spent).sum(),
        exit: options.gate.exit(judgement.verdict),
        judgement,
        metrics: summarise(stages.pairs.last().expect("a stage has pairs")),
        pairs: stages.pairs,
    })
}
