//! Why there is no answer, with what the user should read and how the process ends for it. An
//! answer that nobody likes is no failure.

use duet_terminal::Exit;
use duet_terminal::output::OutputError;
use duet_terminal::process::Unfinished;
use duet_terminal::say::{complain, say};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// What the user should read.
    pub text: String,
}

impl Failure {
    /// A failure that ends the process so.
    pub fn new(exit: Exit, text: impl Into<String>) -> Failure {
        let text = text.into();
        Failure { exit, text }
    }

    /// What the user gave cannot be used: an option, a path, two runs that do not compare.
    pub fn bad_input(text: impl Into<String>) -> Failure {
        Failure::new(Exit::BadInput, text)
    }

    /// A run crashed, a disk refused, memory ran out.
    pub fn machine_fault(text: impl Into<String>) -> Failure {
        Failure::new(Exit::MachineFault, text)
    }

    /// The user asked for a stop.
    #[must_use]
    pub fn interrupted() -> Failure {
        Failure::new(Exit::Interrupted, "stopped before there was an answer")
    }

    /// A child process that this program needs did not come to its end.
    #[must_use]
    pub fn unfinished(name: &str, unfinished: Unfinished) -> Failure {
        match unfinished {
            Unfinished::Interrupted => Failure::interrupted(),
            Unfinished::NotStarted(error) => {
                Failure::machine_fault(format!("{name} cannot be started: {error}"))
            }
            Unfinished::Lost(error) => Failure::machine_fault(format!("{name} was lost: {error}")),
        }
    }

    /// Whether the user asked for a stop.
    #[must_use]
    pub fn is_interrupt(&self) -> bool {
        self.exit == Exit::Interrupted
    }

    /// Says it on standard error; a stop that was asked for is no error.
    pub fn tell(&self) -> Exit {
        match self.is_interrupt() {
            true => say(self),
            false => complain(self),
        }
        self.exit
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Failure {
        let exit = match error.is_machine_fault() {
            true => Exit::MachineFault,
            false => Exit::BadInput,
        };
        Failure::new(exit, error.to_string())
    }
}
