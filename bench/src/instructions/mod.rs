//! Instruction counts of two revisions' kernels, taken in one job: the gate that no noise disturbs.
//! Each side brings its own kernels (`bench/instructions` of its revision), counted by gungraun
//! under Valgrind.

pub mod count;
pub mod options;
pub mod report;

use std::collections::{BTreeMap, BTreeSet};

use duet_experiment::Failure;

use crate::compare::both;
use crate::operator::Operator;
use crate::revision::INSTRUCTIONS;
use crate::subject::Subject;

use options::InstructionsOptions;

/// Instructions by kernel.
pub type Counts = BTreeMap<String, u64>;

/// Both sides, and what they came to.
#[derive(Debug)]
pub struct Counted {
    /// BASE and HEAD.
    pub sides: [Subject; 2],
    /// What is let through, as a share.
    pub threshold: f64,
    /// Valgrind's version.
    pub valgrind: String,
    /// Every kernel of either side.
    pub kernels: Vec<Kernel>,
}

/// One kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// Its name.
    pub name: String,
    /// Instructions in BASE; none if BASE does not have it.
    pub base: Option<u64>,
    /// Instructions in HEAD; none if HEAD does not have it.
    pub head: Option<u64>,
    /// What that says.
    pub call: Call,
}

/// What a kernel's two counts say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Not more than the threshold lets through.
    Within,
    /// More.
    Beyond,
    /// Only one side has the kernel.
    NotGated,
}

impl Kernel {
    /// HEAD's count over BASE's; none if one of them is missing.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        Some(self.head? as f64 / self.base? as f64)
    }
}

impl Counted {
    /// Whether a kernel needs more than the threshold lets through.
    #[must_use]
    pub fn is_regression(&self) -> bool {
        self.kernels
            .iter()
            .any(|kernel| kernel.call == Call::Beyond)
    }
}

/// Holds the counts against each other.
#[must_use]
pub fn judge(base: &Counts, head: &Counts, threshold: f64) -> Vec<Kernel> {
    let names: BTreeSet<&String> = base.keys().chain(head.keys()).collect();
    let kernel = |name: &String| {
        let (base, head) = (base.get(name).copied(), head.get(name).copied());
        let call = match (base, head) {
            (Some(base), Some(head)) if head as f64 > base as f64 * (1.0 + threshold) => {
                Call::Beyond
            }
            (Some(_), Some(_)) => Call::Within,
            _ => Call::NotGated,
        };
        Kernel {
            name: name.clone(),
            base,
            head,
            call,
        }
    };
    names.into_iter().map(kernel).collect()
}

/// Builds both sides' kernels and counts them.
///
/// # Errors
/// See [`Failure`]: a side that does not build, Valgrind or its runner that are not there, two
/// sides without a common kernel.
pub fn instructions(options: &InstructionsOptions, on: &Operator<'_>) -> Result<Counted, Failure> {
    let valgrind = count::valgrind_version(on)?;
    let (base, head) = (&*options.base, &*options.head);
    let (sides, executables) = both([("BASE", base), ("HEAD", head)], INSTRUCTIONS, on)?;
    on.bar.say("counting BASE's instructions, then HEAD's");
    let [of_base, of_head] = executables.map(|executable| count::count(&executable, on));
    let kernels = judge(&of_base?, &of_head?, options.threshold());
    if kernels.iter().all(|kernel| kernel.call == Call::NotGated) {
        return Err(Failure::bad_input(format!(
            "{base} and {head} have no kernel in common: nothing can be gated"
        )));
    }
    Ok(Counted {
        sides,
        threshold: options.threshold(),
        valgrind,
        kernels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_calls() {
        use Call::{Beyond, NotGated, Within};
        for (base, head, expected) in [
            (Some(1_000_000), Some(1_000_000), Within),
            (Some(1_000_000), Some(500_000), Within),
            (Some(1_000_000), Some(1_010_000), Within),
            (Some(1_000_000), Some(1_010_001), Beyond),
            (Some(1_000_000), Some(9_000_000), Beyond),
            (None, Some(1), NotGated),
            (Some(1), None, NotGated),
            (Some(0), Some(0), Within),
            (Some(0), Some(1), Beyond),
        ] {
            let counts = |count: Option<u64>| -> Counts {
                let named = count.map(|count| ("k".to_owned(), count));
                named.into_iter().collect()
            };
            let kernels = judge(&counts(base), &counts(head), 0.01);
            assert_eq!(kernels.len(), 1);
            assert_eq!(kernels[0].call, expected, "{base:?} to {head:?}");
        }
    }
}
