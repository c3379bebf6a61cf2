//! Holds a run's threads back at their end, until the process's CPU time has been read: each of
//! them has booked all that it took by then, and none takes any more. Starts and joins no thread.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// The door that a run's threads leave by.
pub(super) struct Door {
    state: Mutex<State>,
    all_done: Condvar,
    opened: Condvar,
}

struct State {
    /// Threads that have not done yet.
    at_work: usize,
    is_open: bool,
}

impl Door {
    /// Shut, with so many threads at work behind it.
    pub(super) fn shut(threads: usize) -> Door {
        Door {
            state: Mutex::new(State {
                at_work: threads,
                is_open: false,
            }),
            all_done: Condvar::new(),
            opened: Condvar::new(),
        }
    }

    /// The calling thread has done; it waits until the door opens.
    pub(super) fn leave(&self) {
        let state = self.count_out();
        drop(self.opened.wait_while(state, |state| !state.is_open));
    }

    /// The calling thread is gone without having done: nobody waits for it.
    pub(super) fn gone(&self) {
        drop(self.count_out());
    }

    fn count_out(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        state.at_work -= 1;
        if state.at_work == 0 {
            self.all_done.notify_all();
        }
        state
    }

    /// Waits so long at most until all threads have done; whether they have.
    pub(super) fn wait(&self, most: Duration) -> bool {
        let waited = self
            .all_done
            .wait_timeout_while(self.state(), most, |state| state.at_work > 0);
        let (state, _) = waited.expect(NO_PANIC);
        state.at_work == 0
    }

    /// Lets everybody out: when the returned guard is dropped, if its holder panics too.
    pub(super) fn opener(&self) -> Opener<'_> {
        Opener(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(NO_PANIC)
    }
}

const NO_PANIC: &str = "nobody panics while counting";

/// Opens the door when it is dropped.
pub(super) struct Opener<'d>(&'d Door);

impl Drop for Opener<'_> {
    fn drop(&mut self) {
        self.0.state().is_open = true;
        self.0.opened.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn nobody_leaves_before_the_door_opens_and_nobody_waits_for_who_is_gone() {
        let (door, out) = (Door::shut(3), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    door.leave();
                    out.fetch_add(1, Ordering::Relaxed);
                });
            }
            assert!(!door.wait(Duration::from_millis(20)), "one is at work");
            scope.spawn(|| door.gone());
            let opener = door.opener();
            assert!(door.wait(Duration::from_secs(60)));
            assert_eq!(out.load(Ordering::Relaxed), 0);
            drop(opener);
        });
        assert_eq!(out.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_panic_of_who_reads_opens_the_door() {
        let door = Door::shut(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            thread::scope(|scope| {
                scope.spawn(|| door.leave());
                let _opener = door.opener();
                panic!("as an observer may");
            });
        }));
        assert!(panicked.is_err(), "and it came back");
    }
}
