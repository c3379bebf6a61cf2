//! What was done before a run's figures began, which is accounted for and in no figure: nothing,
//! but where it goes on after a restart.

use duet_base::metered::Held;
use duet_channels::crypto::VerifierCounts;
use duet_log::{Closed, LogError, Statistics, Stream};

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
    use duet_log::disk::SimulatedDisk;
    use duet_log::{Durability, Log, Options, Recovered};
    use std::time::Duration;

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
