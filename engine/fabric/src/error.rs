//! What can go wrong between machines, each in one line that names the machine and its address.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// Why machines cannot begin together, or cannot go on.
#[derive(Debug, Error)]
pub enum FabricError {
    /// The list of hosts, or this machine's place in it.
    #[error("{0}")]
    Hosts(String),
    /// This machine's own address cannot be listened on.
    #[error("machine {machine} cannot listen on {address}: {source}")]
    Listen {
        /// This machine.
        machine: usize,
        /// Its address, as the list has it.
        address: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The time to wait is over, and some machine has not come.
    #[error(
        "{here} of {of} machines are here after {} s; not here: {missing}",
        Seconds(*.wait)
    )]
    NotHere {
        /// How many are here, this one among them.
        here: usize,
        /// How many there should be.
        of: usize,
        /// How long this one has waited.
        wait: Duration,
        /// Those that have not come: their numbers and addresses.
        missing: String,
    },
    /// A machine was told something else than this one.
    #[error("machine {machine} ({address}) {difference}")]
    Mismatch {
        /// The other machine's number: the one that it gives, unless its place is the difference.
        machine: usize,
        /// Its address.
        address: String,
        /// What differs.
        difference: Difference,
    },
    /// The caller asked to stop before all machines had come.
    #[error("stopped before all machines had come")]
    Stopped,
    /// A machine has ended, or its connection has.
    #[error("machine {machine} ({address}) is gone: {what}{}", By(.told_by))]
    Gone {
        /// The first machine to fall, as far as this one knows.
        machine: usize,
        /// Its address.
        address: String,
        /// How it was noticed.
        what: String,
        /// The machine that noticed; none if this one did.
        told_by: Option<usize>,
    },
    /// A machine is connected and says nothing: it hangs, or was stopped.
    #[error(
        "machine {machine} ({address}) has been silent for {} s{}",
        Seconds(*.patience),
        By(.told_by)
    )]
    Silent {
        /// The machine.
        machine: usize,
        /// Its address.
        address: String,
        /// For how long this machine waits.
        patience: Duration,
        /// The machine that noticed; none if this one did.
        told_by: Option<usize>,
    },
    /// A machine sends what no machine of this build sends.
    #[error("machine {machine} ({address}) sends what is no batch: {what}{}", By(.told_by))]
    Garbled {
        /// The machine.
        machine: usize,
        /// Its address.
        address: String,
        /// What is wrong with it.
        what: String,
        /// The machine that noticed; none if this one did.
        told_by: Option<usize>,
    },
    /// This machine cannot start its threads, or the dataflow engine has stopped.
    #[error("machine {machine} ({address}): {what}")]
    Engine {
        /// This machine.
        machine: usize,
        /// Its address.
        address: String,
        /// The first thing that went wrong.
        what: String,
    },
}

impl FabricError {
    /// The error of a pair of machines, with the number that the other one has among all.
    #[must_use]
    pub fn of_pair(mut self, other: usize) -> FabricError {
        match &mut self {
            FabricError::Gone {
                machine, told_by, ..
            }
            | FabricError::Silent {
                machine, told_by, ..
            }
            | FabricError::Garbled {
                machine, told_by, ..
            } => {
                for number in [Some(machine), told_by.as_mut()].into_iter().flatten() {
                    *number = if *number == 1 { other } else { *number };
                }
            }
            FabricError::Engine { machine, .. } if *machine == 1 => *machine = other,
            _ => {}
        }
        self
    }

    /// Whether a person has to change what was asked for: hosts, terms, a machine that was never
    /// started. Otherwise a machine has failed, or the caller stopped.
    pub fn is_bad_input(&self) -> bool {
        match self {
            FabricError::Hosts(_)
            | FabricError::Listen { .. }
            | FabricError::NotHere { .. }
            | FabricError::Mismatch { .. } => true,
            FabricError::Stopped
            | FabricError::Gone { .. }
            | FabricError::Silent { .. }
            | FabricError::Garbled { .. }
            | FabricError::Engine { .. } => false,
        }
    }
}

/// In what two machines differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Their greetings have different formats: builds that are far apart.
    Greeting,
    /// Their builds.
    Build {
        /// The other machine's.
        theirs: String,
        /// This machine's.
        ours: String,
    },
    /// How many machines there are.
    Machines {
        /// As the other machine was told.
        theirs: usize,
        /// As this machine was told.
        ours: usize,
    },
    /// The hash of configuration, workload and seed.
    Run,
    /// The token.
    Token,
    /// The other machine stands elsewhere in the list than it says.
    Place {
        /// The number that it gives.
        says: usize,
    },
    /// A second process has the same number.
    Twice,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Greeting => {
                f.write_str("greets as another version does: its build differs")
            }
            Difference::Build { theirs, ours } => {
                write!(f, "is another build: {theirs:?}, here {ours:?}")
            }
            Difference::Machines { theirs, ours } => {
                write!(f, "was told of {theirs} machines, this one of {ours}")
            }
            Difference::Run => {
                f.write_str("was told another run: its configuration, workload or seed differs")
            }
            Difference::Token => f.write_str("has another token"),
            Difference::Place { says } => {
                write!(
                    f,
                    "says that it is machine {says}: the lists of hosts differ"
                )
            }
            Difference::Twice => f.write_str("is there twice: two processes have its number"),
        }
    }
}

/// ", says machine 1": who noticed, if another did.
struct By<'a>(&'a Option<usize>);

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(machine) => write!(f, ", says machine {machine}"),
            None => Ok(()),
        }
    }
}

/// Whole seconds without a point, others with what they have.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs_f64())
    }
}
