//! What can happen off chain, and in which words.

use std::fmt;

use strum::VariantArray;

use super::Bounds;
use super::honest::Point;

/// One thing that happens off chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// The honest party proposes these payments as one state.
    Proposes { amounts: Vec<u64>, pass: bool },
    /// The honest party passes the turn without a payment.
    Passes,
    /// The honest party signs its final.
    Finishes,
    /// The peer answers up to this version.
    Answered { version: u64 },
    /// The peer proposes these states together; the honest party signs all, or the last only.
    Proposed {
        states: Vec<Vec<u64>>,
        pass: bool,
        last_only: bool,
    },
    /// The peer passes the turn.
    Passed,
    /// The peer signs a final, of its own accord or as an answer.
    Final { answer: bool },
    /// The link breaks, or the honest party crashes; the peer claims to stand at this version.
    Resumed { at: u64, crashed: bool },
    /// The peer breaks a rule.
    Broke(Offence),
}

/// A message that must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, VariantArray)]
pub(super) enum Offence {
    /// A proposal that raises the proposer's balance.
    RaisesItself,
    /// A proposal that skips a version.
    SkipsAVersion,
    /// A proposal whose signature is of another state.
    ForgedProposal,
    /// An answer whose signature is of another state.
    ForgedAnswer,
    /// A final over a version that is not the newest.
    FinalOfAnother,
}

impl Step {
    /// Everything that may happen next. What is refused where it stands is left to
    /// [`Bench::take`](super::honest::Bench::take).
    pub(super) fn all(point: &Point, bounds: &Bounds) -> Vec<Step> {
        let end = &point.end;
        let newest = end.signed().version();
        let left = bounds.payments.saturating_sub(newest) as usize;
        let runs = bounds.runs(left);
        let mut steps = vec![Step::Passes, Step::Finishes, Step::Passed];
        for pass in [false, true] {
            for amounts in runs.clone() {
                steps.push(Step::Proposes { amounts, pass });
            }
            let mut batches: Vec<Vec<Vec<u64>>> =
                runs.iter().map(|run| vec![run.clone()]).collect();
            for first in &runs {
                for second in bounds.runs(left - first.len()) {
                    batches.push(vec![first.clone(), second]);
                }
            }
            for states in batches {
                for last_only in [false, true] {
                    if states.len() > 1 || !last_only {
                        let states = states.clone();
                        steps.push(Step::Proposed {
                            states,
                            pass,
                            last_only,
                        });
                    }
                }
            }
        }
        for version in end.held_version() + 1..=newest {
            steps.push(Step::Answered { version });
        }
        steps.extend([false, true].map(|answer| Step::Final { answer }));
        let ahead = u64::from(bounds.in_flight * bounds.cosign_every) + 2;
        for at in 0..=newest + ahead {
            steps.extend([false, true].map(|crashed| Step::Resumed { at, crashed }));
        }
        steps.extend(Offence::VARIANTS.iter().copied().map(Step::Broke));
        steps
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passing = |pass: &bool| if *pass { " and passes the turn" } else { "" };
        match self {
            Step::Proposes { amounts, pass } => {
                write!(
                    f,
                    "honest party proposes to pay {amounts:?}{}",
                    passing(pass)
                )
            }
            Step::Passes => write!(f, "honest party passes the turn"),
            Step::Finishes => write!(f, "honest party signs its final"),
            Step::Answered { version } => write!(f, "peer co-signs v{version}"),
            Step::Proposed {
                states,
                pass,
                last_only,
            } => {
                let which = if *last_only { "only the last" } else { "all" };
                let passing = passing(pass);
                write!(f, "peer pays {states:?}{passing}, co-signed: {which}")
            }
            Step::Passed => write!(f, "peer passes the turn"),
            Step::Final { .. } => write!(f, "peer signs its final"),
            Step::Resumed { at, crashed } => {
                let what = if *crashed {
                    "honest party crashes"
                } else {
                    "link breaks"
                };
                write!(f, "{what}, peer says it stands at v{at}")
            }
            Step::Broke(offence) => write!(f, "peer breaks a rule: {offence:?}"),
        }
    }
}
