//! What all shards of a run and its Layer 1 share, read-only but for flags and counters.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use crossbeam::atomic::AtomicCell;

use super::config::Config;
use super::latency::Latencies;
use super::pace::Pace;
use super::schedule::Schedule;
use super::workload::Workload;
use duet_channels::crypto::Digest;

/// What all shards of a run share, read-only but for the flags and counters.
pub(super) struct Shared<'w> {
    pub(super) config: &'w Config,
    pub(super) workload: &'w dyn Workload,
    pub(super) schedule: Schedule,
    pub(super) genesis: Digest,
    pub(super) epoch: Instant,
    /// No more payments: finish and close what is open.
    pub(super) stop: &'w AtomicBool,
    /// A thread has panicked: everybody leaves.
    pub(super) abort: AtomicBool,
    pub(super) beginning: Beginning,
    /// How the shards that have ended kept up.
    pub(super) paces: Mutex<Vec<Pace>>,
}

/// Says when the figures begin.
#[derive(Default)]
pub(super) struct Beginning {
    /// Shards whose links are not up yet.
    down: AtomicUsize,
    moment: OnceLock<Moment>,
}

/// A moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Since the run's epoch.
    pub(super) ns: u64,
    /// The process's CPU time.
    pub(super) cpu_ns: u64,
}

impl Shared<'_> {
    /// Nanoseconds since the run's epoch.
    pub(super) fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }
}

/// What a shard tells the observer, now and then.
#[derive(Default)]
pub(super) struct ShardProgress {
    pub(super) payments: AtomicU64,
    pub(super) sessions_closed: AtomicU64,
    /// The observer wants to know latencies: the shard's next wave tells them.
    wants_latencies: AtomicBool,
    /// A pointer, so that no lock is taken.
    latencies: AtomicCell<Option<Box<Latencies>>>,
}

impl ShardProgress {
    /// A wave has completed these payments; the shard's latencies so far.
    pub(super) fn completed(&self, payments: u64, latencies: &Latencies) {
        self.payments.fetch_add(payments, Ordering::Relaxed);
        if self.wants_latencies.load(Ordering::Relaxed) {
            self.wants_latencies.store(false, Ordering::Relaxed);
            self.tell(latencies);
        }
    }

    /// Hands the shard's latencies to the observer.
    pub(super) fn tell(&self, latencies: &Latencies) {
        self.latencies.store(Some(Box::new(latencies.clone())));
    }

    /// The observer wants the latencies of the shard's next wave.
    pub(super) fn ask_latencies(&self) {
        self.wants_latencies.store(true, Ordering::Relaxed);
    }

    /// What the shard has told since they were last taken.
    pub(super) fn take_latencies(&self) -> Option<Box<Latencies>> {
        self.latencies.take()
    }
}

impl Shared<'_> {
    /// The figures begin now.
    pub(super) fn begin_figures(&self) {
        let moment = Moment {
            ns: self.epoch.elapsed().as_nanos() as u64,
            cpu_ns: self.config.cpu_ns(),
        };
        self.beginning.moment.get_or_init(|| moment);
    }

    /// The figures begin when the links of so many shards are up.
    pub(super) fn begin_figures_after(&self, shards: usize) {
        self.beginning.down.store(shards, Ordering::Relaxed);
    }

    /// The links of one more shard are up.
    pub(super) fn links_are_up(&self) {
        if self.beginning.down.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.begin_figures();
        }
    }

    /// When the figures began, if they have.
    pub(super) fn begun(&self) -> Option<Moment> {
        self.beginning.moment.get().copied()
    }

    /// Waits until the figures begin, or the run is aborted; whether there was anything to wait
    /// for. No shard pays sooner: a payment is in the figures only if its time is.
    pub(super) fn await_figures(&self) -> bool {
        if self.begun().is_some() {
            return false;
        }
        while self.begun().is_none() && !self.abort.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_micros(200));
        }
        true
    }
}
