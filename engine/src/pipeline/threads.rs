//! Starts a run's threads: where the system has none left, that is an error, and nobody waits for a
//! thread that never was.

use std::error::Error as _;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::door::Door;
use super::error::RunError;
use super::shared::Shared;

/// Starts the threads of rayon's pool, which all of the engine uses, if they do not run already.
/// The pool itself would panic where it cannot.
pub(super) fn pool() -> Result<(), RunError> {
    static STARTED: OnceLock<Result<(), RunError>> = OnceLock::new();
    let start = || match rayon::ThreadPoolBuilder::new().build_global() {
        Ok(()) => Ok(()),
        Err(error) => match error.source() {
            Some(source) => Err(RunError::Thread(source.to_string())),
            // It was there already.
            None => Ok(()),
        },
    };
    STARTED.get_or_init(start).clone()
}

/// Starts a thread that leaves by the door. If that fails, the run is aborted, and the thread
/// counts as gone.
pub(super) fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    shared: &Shared<'_>,
    door: &Door,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, RunError> {
    Builder::new().spawn_scoped(scope, work).map_err(|error| {
        shared.abort.store(true, Ordering::Relaxed);
        door.gone();
        RunError::Thread(error.to_string())
    })
}
