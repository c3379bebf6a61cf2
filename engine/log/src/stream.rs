//! One writer's stream: gathers records, hands batches to its own thread, learns what is durable.
//!
//! Putting takes no lock and, once warm, allocates nothing. Two batches go round: one fills while
//! the other is written. Nothing but [`commit`](Stream::commit) and [`wait`](Stream::wait) ever
//! waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};

use super::Sequence;
use super::batch::Batch;
use super::committer::Committer;
use super::disk::Disk;
use super::error::{During, LogError};
use super::index::Index;
use super::statistics::Statistics;
use duet_base::clock::thread_cpu_ns;
use duet_base::metered::{Held, Metered};

/// A stream that is being written. Dropping it waits until what was committed is written.
pub struct Stream {
    index: Index,
    batch: Batch,
    /// The other batch, when it is not under way.
    idle: Option<Batch>,
    to_writer: Option<Sender<Batch>>,
    from_writer: Receiver<Batch>,
    shared: Arc<Shared>,
    writer: Option<Metered<Statistics>>,
}

/// What a stream came to.
#[derive(Debug)]
pub struct Closed {
    /// What its writer did.
    pub statistics: Statistics,
    /// The newest batch that is durable, or why the stream has stopped.
    pub durable: Result<Sequence, LogError>,
    /// The writer's thread, whose CPU time the statistics have in full.
    pub thread: Held,
}

/// What the writer's thread says.
#[derive(Default)]
struct Shared {
    durable: AtomicU64,
    failed: OnceLock<LogError>,
    cpu_ns: AtomicU64,
    waker: OnceLock<Thread>,
}

impl Stream {
    pub(super) fn start<D: Disk>(
        index: Index,
        committer: Committer<D>,
    ) -> Result<Stream, LogError> {
        let (to_writer, batches) = bounded(1);
        let (written, from_writer) = bounded(2);
        let shared = Arc::new(Shared::default());
        shared.durable.store(committer.floor(), Ordering::Release);
        let name = format!("log {}", committer.place.stream);
        let of_writer = Arc::clone(&shared);
        let work = move || write(committer, &batches, &written, &of_writer);
        let writer = Metered::spawn(&name, work).during("start a thread for", "the log")?;
        Ok(Stream {
            index,
            batch: Batch::new(),
            idle: Some(Batch::new()),
            to_writer: Some(to_writer),
            from_writer,
            shared,
            writer: Some(writer),
        })
    }

    /// Makes this a key's newest record, as of the current batch. The last one in a batch counts.
    ///
    /// # Panics
    /// If the key is not below [`Options::key_limit`](super::Options::key_limit), or the batch
    /// reaches 4 GiB.
    pub fn put(&mut self, key: u32, record: &[u8]) {
        self.index.put(&mut self.batch, key, record);
    }

    /// Removes a key, as of the current batch.
    pub fn remove(&mut self, key: u32) {
        self.index.remove(&mut self.batch, key);
    }

    /// The current batch.
    #[must_use]
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// See [`Index::to_refresh`]: keys whose newest record should be put again in this batch.
    pub fn to_refresh(&mut self, limit: usize, keys: &mut Vec<u32>) {
        self.index.to_refresh(limit, keys);
    }

    /// Hands the current batch to be written. None if the batch before is still under way: the
    /// current one stays, and may grow. An empty batch is not written: its number is that of the
    /// last one.
    ///
    /// # Errors
    /// If the stream has stopped.
    pub fn try_commit(&mut self) -> Result<Option<Sequence>, LogError> {
        self.check()?;
        if self.idle.is_none() {
            self.idle = self.from_writer.try_recv().ok();
        }
        Ok(self.idle.take().map(|idle| self.hand_over(idle)))
    }

    /// Hands the current batch to be written; waits for the batch before, if that is under way.
    ///
    /// # Errors
    /// If the stream has stopped.
    pub fn commit(&mut self) -> Result<Sequence, LogError> {
        self.check()?;
        let idle = match self.idle.take() {
            Some(idle) => idle,
            None => match self.from_writer.recv() {
                Ok(idle) => idle,
                Err(_) => return Err(self.shared.failure()),
            },
        };
        Ok(self.hand_over(idle))
    }

    fn hand_over(&mut self, idle: Batch) -> Sequence {
        if self.batch.is_empty() {
            self.idle = Some(idle);
            return self.index.last();
        }
        let sequence = self.index.seal(&mut self.batch);
        let batch = std::mem::replace(&mut self.batch, idle);
        if let Some(to_writer) = &self.to_writer {
            // It fails if the writer has stopped, which the next question for what is durable says.
            let _ = to_writer.send(batch);
        }
        sequence
    }

    /// Up to which batch everything is durable. Takes no lock.
    ///
    /// # Errors
    /// If the stream has stopped: what was not durable before never will be.
    pub fn durable(&self) -> Result<Sequence, LogError> {
        self.check()?;
        Ok(self.shared.durable.load(Ordering::Acquire))
    }

    /// Waits until a batch is durable.
    ///
    /// # Errors
    /// If the stream has stopped before it was.
    pub fn wait(&self, sequence: Sequence) -> Result<(), LogError> {
        // Short enough to go unnoticed beside a sync. Whoever is woken need not look by itself: a
        // thread that looks every 20 µs takes as much of a core as a wave's hashing.
        let is_woken =
            (self.shared.waker.get()).is_some_and(|waker| waker.id() == thread::current().id());
        let nap = Duration::from_micros(if is_woken { 20_000 } else { 20 });
        loop {
            if self.shared.durable.load(Ordering::Acquire) >= sequence {
                return Ok(());
            }
            self.check()?;
            thread::park_timeout(nap);
        }
    }

    /// Has this thread unparked whenever a batch becomes durable,
    /// [`try_commit`](Stream::try_commit) would take the next one, or the stream stops. The first
    /// call counts.
    pub fn wake(&self, thread: Thread) {
        let _ = self.shared.waker.set(thread);
    }

    /// CPU time of the writer's thread, as of its newest batch.
    #[must_use]
    pub fn cpu_ns(&self) -> u64 {
        self.shared.cpu_ns.load(Ordering::Relaxed)
    }

    /// The newest records' bytes, with 12 more for each.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        self.index.live_bytes()
    }

    /// Waits until everything committed is written, and says what was done.
    ///
    /// Records that were put since the last commit are not written.
    ///
    /// # Panics
    /// If the writer's thread has panicked: our own bug, with the same.
    pub fn close(mut self) -> Closed {
        self.to_writer = None;
        let writer = self.writer.take().expect("a stream is closed once");
        let (statistics, cpu_ns, thread) = writer.done();
        Closed {
            statistics: Statistics {
                cpu_ns,
                ..statistics
            },
            durable: self.durable(),
            thread,
        }
    }

    fn check(&self) -> Result<(), LogError> {
        let is_gone = self.writer.as_ref().is_some_and(Metered::is_done);
        if is_gone || self.shared.failed.get().is_some() {
            return Err(self.shared.failure());
        }
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Without it, the writer comes to its end.
        self.to_writer = None;
        drop(self.writer.take());
    }
}

impl Shared {
    fn failure(&self) -> LogError {
        self.failed.get().cloned().unwrap_or_else(|| LogError::Io {
            operation: "go on with",
            file: "the log".to_owned(),
            kind: std::io::ErrorKind::BrokenPipe,
            message: "its thread is gone".to_owned(),
        })
    }

    fn wake(&self) {
        if let Some(thread) = self.waker.get() {
            thread.unpark();
        }
    }
}

/// The writer's thread.
fn write<D: Disk>(
    mut committer: Committer<D>,
    batches: &Receiver<Batch>,
    written: &Sender<Batch>,
    shared: &Shared,
) -> Statistics {
    shared.cpu_ns.store(thread_cpu_ns(), Ordering::Relaxed);
    while let Ok(mut batch) = batches.recv() {
        let result = committer.commit(&mut batch).and_then(|sequence| {
            shared.durable.store(sequence, Ordering::Release);
            shared.wake();
            committer.tidy(&batch)
        });
        shared.cpu_ns.store(thread_cpu_ns(), Ordering::Relaxed);
        if let Err(error) = result {
            let _ = shared.failed.set(error);
            shared.wake();
            break;
        }
        batch.clear();
        if written.send(batch).is_err() {
            break;
        }
        // Whoever waits for room for the next batch.
        shared.wake();
    }
    committer.statistics().clone()
}
