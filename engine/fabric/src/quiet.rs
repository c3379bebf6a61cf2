//! Runs the dataflow engine so that its panics are errors: nothing reaches the terminal or the
//! caller. Other panics go to the hook that was there before.
//!
//! The engine's threads are not known to panic on anything that comes over a socket; what it
//! panics on is stopped before it (`wire.rs`). This is the second line.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

thread_local! {
    static IS_IN_ENGINE: Cell<bool> = const { Cell::new(false) };
}

/// The first panic of one of the engine's threads in this process: what its worker then panics on
/// says nothing.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Installs the hook, once for the process. It stays, and passes on all panics but the engine's.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IS_IN_ENGINE.get() {
                // It is caught, and becomes an error.
            } else if is_engines_thread() {
                note(info);
            } else {
                before(info);
            }
        }));
    });
}

/// Calls the engine. If it panics, returns why.
pub(crate) fn call<R>(engine: impl FnOnce() -> R) -> Result<R, String> {
    let was_in_engine = IS_IN_ENGINE.replace(true);
    let called = panic::catch_unwind(AssertUnwindSafe(engine));
    IS_IN_ENGINE.set(was_in_engine);
    called.map_err(|payload| {
        let text = text(payload.as_ref());
        let first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
        match is_consequence(&text) {
            true => first.clone().unwrap_or(text),
            false => text,
        }
    })
}

/// Whether another thread of the engine has panicked before.
fn is_consequence(text: &str) -> bool {
    text.contains("poisoned")
}

fn is_engines_thread() -> bool {
    let thread = thread::current();
    thread
        .name()
        .is_some_and(|name| name.starts_with("timely:"))
}

fn note(info: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("unnamed");
    let text = text(info.payload());
    if !is_consequence(&text) {
        let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| format!("thread {name}: {text}"));
    }
}

/// A panic's message in one line.
fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message")
        .replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_engine_is_an_error_and_others_pass() {
        install();
        install();
        assert_eq!(call(|| 7), Ok(7));
        let said = call(|| panic!("on\n{} lines", 2)).unwrap_err();
        assert_eq!(said, "on 2 lines");
        assert!(!IS_IN_ENGINE.get() && !is_engines_thread());
        let other = thread::Builder::new().name("timely:recv-1".to_owned());
        assert!(other.spawn(is_engines_thread).unwrap().join().unwrap());
    }
}
