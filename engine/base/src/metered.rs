//! A thread whose CPU time is told in full: when its work is done it says what it took, and it ends
//! only when it is let go. Whoever reads the process's clock in between misses none of it.

use std::io;
use std::thread::{self, JoinHandle};

use crossbeam::channel::{Receiver, Sender, bounded};

use crate::clock::thread_cpu_ns;

/// A thread at work.
pub struct Metered<T> {
    told: Receiver<(T, u64)>,
    thread: Held,
}

/// A thread that has done its work. Dropping it lets the thread end, and waits for that.
pub struct Held {
    let_go: Option<Sender<()>>,
    handle: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Metered<T> {
    /// Starts a thread.
    ///
    /// # Errors
    /// If the operating system has none.
    pub fn spawn(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<Metered<T>> {
        let (tell, told) = bounded(1);
        let (let_go, held) = bounded::<()>(0);
        let handle = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let done = work();
                if tell.send((done, thread_cpu_ns())).is_ok() {
                    // Until the other end is dropped.
                    let _ = held.recv();
                }
            })?;
        Ok(Metered {
            told,
            thread: Held {
                let_go: Some(let_go),
                handle: Some(handle),
            },
        })
    }

    /// Whether its work is done, or it has panicked.
    pub fn is_done(&self) -> bool {
        let handle = self.thread.handle.as_ref();
        !self.told.is_empty() || handle.is_none_or(JoinHandle::is_finished)
    }

    /// Waits until its work is done: gives what came of it, and the thread's CPU time since it was
    /// started, in nanoseconds.
    ///
    /// # Panics
    /// If the thread has panicked: with the same.
    pub fn done(self) -> (T, u64, Held) {
        let Metered { told, mut thread } = self;
        match told.recv() {
            Ok((done, cpu_ns)) => (done, cpu_ns, thread),
            Err(_) => match thread.handle.take().map(JoinHandle::join) {
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                _ => unreachable!("a thread that does not panic tells its time"),
            },
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.let_go = None;
        if let Some(handle) = self.handle.take() {
            // If it has panicked, it has said so.
            let _ = handle.join();
        }
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work() -> u64 {
        let mut x = 1_u64;
        for i in 0..200_000 {
            x = std::hint::black_box(x.wrapping_mul(3) ^ i);
        }
        thread_cpu_ns()
    }

    #[test]
    fn all_that_its_work_took_is_told_and_it_ends_when_it_is_let_go() {
        let metered = Metered::spawn("metered", work).expect("a thread");
        let (at_work, cpu_ns, thread) = metered.done();
        assert!(at_work > 0 && cpu_ns >= at_work);
        let handle = thread.handle.as_ref().expect("not let go yet");
        assert!(!handle.is_finished());
        drop(thread);
    }

    #[test]
    fn a_thread_that_nobody_asks_ends_too() {
        drop(Metered::spawn("metered", work).expect("a thread"));
    }

    #[test]
    #[should_panic(expected = "of its own")]
    fn a_panic_comes_through() {
        let metered = Metered::spawn("metered", || panic!("of its own")).expect("a thread");
        while !metered.is_done() {
            thread::yield_now();
        }
        let ((), _, _) = metered.done();
    }
}
