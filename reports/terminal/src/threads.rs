//! Starts threads: where the system has none left, that is an error in words, and no panic.

use std::{io, thread};

/// Starts a thread.
///
/// # Errors
/// If the system starts none, such as at a container's limit of processes; the text says so.
pub fn start<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    let builder = thread::Builder::new().name(name.to_owned());
    builder.spawn(work).map_err(|error| cannot_start(&error))
}

/// The error that says what could not be started.
fn cannot_start(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot start a thread: {error}"))
}

/// Cores that this process may use.
#[must_use]
pub fn cores() -> u64 {
    thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_does_its_work_and_a_failure_says_what_failed() {
        let thread = start("adds", || 1 + 1).unwrap();
        assert_eq!(thread.join().unwrap(), 2);
        let error = cannot_start(&io::ErrorKind::WouldBlock.into());
        assert!(error.to_string().starts_with("cannot start a thread: "));
    }
}
