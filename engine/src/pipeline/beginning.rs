//! When a run's figures begin: at once, or, where it goes on after a restart, when the links of all
//! shards are up. What came before is accounted for, and in no figure.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::latency::Latencies;
use super::shard::{Shard, Shared};
use super::stage::Stage;
use crate::crypto::VerifierCounts;
use crate::log::{Closed, LogError, Statistics, Stream};
use crate::metered::Held;

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

    /// When the figures began, if they have.
    pub(super) fn begun(&self) -> Option<Moment> {
        self.beginning.moment.get().copied()
    }

    /// Waits until the figures begin, or the run is aborted; whether there was anything to wait for.
    /// No shard pays sooner: a payment is in the figures only if its time is.
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

/// What one shard had done before the figures began: nothing, but after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Before {
    pub(super) sessions_opened: u64,
    pub(super) sessions_closed: u64,
    /// Payments that a co-signed state covered.
    pub(super) payments: u64,
    /// Payments that their payer's own endpoint refused.
    pub(super) refused: u64,
    pub(super) signatures_made: u64,
    pub(super) verified: VerifierCounts,
}

impl Shard<'_> {
    /// This shard's links are up: waits for the others', and begins the figures with them.
    ///
    /// # Errors
    /// If the log has stopped.
    pub(super) fn links_are_up(&mut self) -> Result<(), LogError> {
        if let Some(journal) = &mut self.journal {
            journal.metered().settle()?;
        }
        if self.shared.beginning.down.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.begin_figures();
        }
        self.shared.await_figures();
        self.clock.begin_figures(Stage::Wait);
        if let Some(journal) = &mut self.journal {
            journal.metered().begin_figures();
        }
        self.latency = Latencies::new();
        self.first_completion_ns = None;
        self.last_completion_ns = 0;
        self.closed_since.clear();
        self.progress.payments.store(0, Ordering::Relaxed);
        let channels = || self.slots.iter().filter_map(|slot| slot.phase.open());
        let covered = channels().map(|channel| channel.covered).sum::<u64>();
        let refused = channels().map(|channel| channel.refused).sum::<u64>();
        let both = [&self.payer, &self.payee];
        self.before = Before {
            sessions_opened: self.tally.sessions_opened,
            sessions_closed: self.tally.sessions_closed,
            payments: self.tally.covered + covered,
            refused: self.tally.refused + refused,
            signatures_made: both.iter().map(|legs| legs.signer.made()).sum(),
            verified: VerifierCounts::default(),
        };
        for legs in both {
            self.before.verified.add(legs.verifier.counts());
        }
        Ok(())
    }
}

/// A stream of the log, and its thread's CPU time at the two moments from which that counts.
pub(super) struct Metered {
    pub(super) stream: Stream,
    /// When the run's threads started.
    started_ns: u64,
    /// When the figures began.
    begun_ns: u64,
}

/// What a stream did.
pub(super) struct Logged {
    /// With the CPU time since the figures began.
    pub(super) statistics: Statistics,
    /// CPU time of its thread between the start of the run's threads and then.
    pub(super) before_ns: u64,
    /// That thread: it ends once the process's clock was read.
    _thread: Held,
}

impl Metered {
    pub(super) fn new(stream: Stream) -> Metered {
        Metered {
            stream,
            started_ns: 0,
            begun_ns: 0,
        }
    }

    /// The run's threads start now.
    ///
    /// # Errors
    /// If the stream has stopped.
    pub(super) fn threads_start(&mut self) -> Result<(), LogError> {
        self.settle()?;
        self.started_ns = self.stream.cpu_ns();
        self.begun_ns = self.started_ns;
        Ok(())
    }

    /// Waits for the batch that is under way, if any: the writer tells its CPU time when it hands a
    /// batch back, which is later than the batch is durable. An empty batch is not written.
    ///
    /// # Errors
    /// If the stream has stopped.
    pub(super) fn settle(&mut self) -> Result<(), LogError> {
        if self.stream.batch().is_empty() {
            self.stream.commit()?;
        }
        Ok(())
    }

    /// The figures begin now.
    pub(super) fn begin_figures(&mut self) {
        self.begun_ns = self.stream.cpu_ns();
    }

    /// Ends the stream's thread.
    ///
    /// # Errors
    /// If the stream has stopped.
    pub(super) fn close(self) -> Result<Logged, LogError> {
        let Closed {
            mut statistics,
            durable,
            thread,
        } = self.stream.close();
        durable?;
        statistics.cpu_ns -= self.begun_ns;
        Ok(Logged {
            statistics,
            before_ns: self.begun_ns - self.started_ns,
            _thread: thread,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::disk::SimulatedDisk;
    use crate::log::{Durability, Log, Options, Recovered};

    #[test]
    fn what_a_writer_took_before_the_threads_start_is_in_no_figure() {
        let options = Options {
            durability: Durability::Log,
            streams: vec!["shard-0".to_owned()],
            key_limit: 100,
            ..Options::default()
        };
        let log = Log::open(SimulatedDisk::new(1), options).expect("a new log");
        let stream = log.recover(0).and_then(Recovered::start).expect("new");
        let mut metered = Metered::new(stream);
        for _ in 0..20 {
            for key in 0..100 {
                metered.stream.put(key, &[1; 10_000]);
            }
            let sequence = metered.stream.commit().expect("a disk in order");
            metered.stream.wait(sequence).expect("a disk in order");
            metered.threads_start().expect("a disk in order");
            // It is durable, and the writer has told what it took, with what came after that.
            let told = metered.started_ns;
            std::thread::sleep(Duration::from_millis(5));
            assert_eq!(metered.stream.cpu_ns(), told);
        }
    }
}
