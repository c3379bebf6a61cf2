//! The user's wish to stop, as a flag that is looked at between and during runs. Nothing is undone
//! in the signal's handler: unwinding through ordinary returns removes what was created.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use duet_terminal::process;
use duet_terminal::signals::{self, Asked};

use crate::failure::Failure;
use duet_terminal::Exit;
use duet_terminal::say::complain;

/// Whether a stop was asked for. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// A flag that Ctrl-C, SIGTERM and SIGHUP raise, unless they were ignored when the process
    /// began; once more, they end it where it is. To be called once per process.
    ///
    /// # Errors
    /// The operating system refuses the handler, or a thread for it.
    pub fn on_signals() -> Result<Self, Failure> {
        let interrupt = Self::default();
        let raised = interrupt.clone();
        let handle = move |asked| match asked {
            Asked::ToStop => raised.raise(),
            Asked::ToEndAtOnce => {
                process::end_at_once();
                complain("ended at once; what was built or copied for it may be left");
                std::process::exit(Exit::Interrupted.code().into());
            }
        };
        signals::on_stop(handle).map_err(|error| Failure::MachineFault(error.to_string()))?;
        Ok(interrupt)
    }

    /// Asks for a stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The flag itself.
    #[must_use]
    pub fn flag(&self) -> &AtomicBool {
        &self.0
    }

    /// Turns a raised flag into the failure that ends the comparison.
    ///
    /// # Errors
    /// [`Failure::Interrupted`] if a stop was asked for.
    pub fn check(&self) -> Result<(), Failure> {
        if self.is_raised() {
            Err(Failure::Interrupted)
        } else {
            Ok(())
        }
    }
}
