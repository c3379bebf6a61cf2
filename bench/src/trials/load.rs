//! Somebody else's work: a thread of this process that keeps one core busy, and ends with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use duet_terminal::threads;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::failure::Failure;

/// A busy core, until it is dropped.
#[derive(Debug)]
pub(super) struct BusyCore {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl BusyCore {
    /// Keeps the last core that this process may use busy; the runs may use it too.
    ///
    /// # Errors
    /// [`Failure::BadInput`] if there is only one, which would then be no other; a machine fault if
    /// the system refuses.
    pub(super) fn begin() -> Result<Self, Failure> {
        let fault = |error: rustix::io::Errno| {
            Failure::MachineFault(format!("cannot keep to one core: {error}"))
        };
        let allowed = sched_getaffinity(None).map_err(fault)?;
        if allowed.count() < 2 {
            return Err(Failure::BadInput(
                "--load-other-core needs a second core: this process may use one only".to_owned(),
            ));
        }
        let core = (0..CpuSet::MAX_CPU)
            .rev()
            .find(|core| allowed.is_set(*core));
        let core = core.unwrap_or_default();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = threads::start("load", move || {
            let mut only = CpuSet::new();
            only.set(core);
            // Unpinned it loads a core as well, if not always the same.
            let _ = sched_setaffinity(None, &only);
            let mut x = 1_u64;
            while !stopped.load(Ordering::Relaxed) {
                for round in 0..10_000 {
                    x = std::hint::black_box(x.wrapping_mul(3) ^ round);
                }
            }
        });
        let thread = thread.map_err(|error| Failure::MachineFault(error.to_string()))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for BusyCore {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
