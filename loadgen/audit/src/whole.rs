//! Replays the streams of a run that has ended, several at a time.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use super::finding::AuditError;
use super::manifest::End;
use super::segment::{Next, Segment};
use super::source::Source;
use super::stream::{Against, Batch, Stream, cpu_ns};
use duet_terminal::progress::Bar;

/// The streams at their ends, and what that took.
pub(super) struct Replayed {
    pub(super) streams: Vec<Stream>,
    pub(super) replay_ns: u64,
    pub(super) threads: u64,
}

/// Progress, and when to leave.
pub(super) struct Watch<'a> {
    pub(super) entries: AtomicU64,
    pub(super) stop: &'a AtomicBool,
    pub(super) failed: AtomicBool,
}

impl<'a> Watch<'a> {
    pub(super) fn new(stop: &'a AtomicBool) -> Watch<'a> {
        Watch {
            entries: AtomicU64::new(0),
            stop,
            failed: AtomicBool::new(false),
        }
    }

    fn leaves(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.failed.load(Ordering::Relaxed)
    }
}

/// What the threads share.
struct Crew<'a> {
    folder: &'a Path,
    end: &'a End,
    against: Against<'a>,
    watch: Watch<'a>,
    left: Mutex<std::vec::IntoIter<(u32, Stream)>>,
    done: Mutex<Vec<(u32, Result<Stream, AuditError>)>>,
    replay_ns: AtomicU64,
    at_work: AtomicU64,
}

/// Replays every stream to its end.
pub(super) fn replay(
    folder: &Path,
    end: &End,
    against: Against<'_>,
    streams: Vec<Stream>,
    threads: u64,
    bar: &Bar,
    stop: &AtomicBool,
) -> Result<Replayed, AuditError> {
    let threads = threads.clamp(1, streams.len() as u64);
    let streams: Vec<(u32, Stream)> = (0..).zip(streams).collect();
    let crew = Crew {
        folder,
        end,
        against,
        watch: Watch::new(stop),
        done: Mutex::new(Vec::with_capacity(streams.len())),
        left: Mutex::new(streams.into_iter()),
        replay_ns: AtomicU64::new(0),
        at_work: AtomicU64::new(0),
    };
    let started = std::thread::scope(|scope| {
        let start = |_: &u64| {
            let leave = Leave::when_done(&crew.at_work);
            let crew = &crew;
            let work = move || {
                let _leave = leave;
                crew.work();
            };
            let thread = std::thread::Builder::new().spawn_scoped(scope, work);
            thread.is_ok()
        };
        // If the machine has no more threads, those that there are do the work, or this one.
        let started = (0..threads).take_while(start).count() as u64;
        if started == 0 {
            crew.work();
        }
        while crew.at_work.load(Ordering::Acquire) > 0 {
            std::thread::park_timeout(Duration::from_millis(100));
            bar.at(crew.watch.entries.load(Ordering::Relaxed), "");
        }
        started
    });
    bar.clear();
    let mut done: Vec<(u32, Result<Stream, AuditError>)> = lock(&crew.done).drain(..).collect();
    // A stream that was left since another one failed has nothing to say.
    done.sort_by_key(|(shard, result)| (matches!(result, Err(AuditError::Interrupted)), *shard));
    let streams = done.into_iter().map(|(_, result)| result);
    Ok(Replayed {
        streams: streams.collect::<Result<_, _>>()?,
        replay_ns: crew.replay_ns.into_inner(),
        threads: started.max(1),
    })
}

impl Crew<'_> {
    /// One thread's part: stream after stream.
    fn work(&self) {
        let mut batch = Batch::new();
        loop {
            let next = lock(&self.left).next();
            let Some((shard, mut stream)) = next else {
                break;
            };
            let source = Source::Shard(shard);
            let segments = stream.segment..self.end.stream(source).segments;
            let result = segments.into_iter().try_for_each(|_| {
                let Crew { folder, watch, .. } = self;
                segment(folder, source, &mut stream, self.against, &mut batch, watch)
            });
            if result.is_err() {
                self.watch.failed.store(true, Ordering::Relaxed);
            }
            lock(&self.done).push((shard, result.map(|()| stream)));
        }
        let replay_ns = cpu_ns() - batch.verifying_ns;
        self.replay_ns.fetch_add(replay_ns, Ordering::Relaxed);
    }
}

/// Says that a thread has left, in whichever way.
struct Leave<'a>(&'a AtomicU64, Thread);

impl<'a> Leave<'a> {
    /// Counts a thread of which the calling one hears when it has left.
    fn when_done(at_work: &'a AtomicU64) -> Leave<'a> {
        at_work.fetch_add(1, Ordering::Relaxed);
        Leave(at_work, std::thread::current())
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
        self.1.unpark();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    let locked = mutex.lock();
    locked.unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Replays a stream's next segment.
pub(super) fn segment(
    folder: &Path,
    source: Source,
    stream: &mut Stream,
    against: Against<'_>,
    batch: &mut Batch,
    watch: &Watch<'_>,
) -> Result<(), AuditError> {
    let genesis = &against.ledger.genesis;
    let (number, previous) = (stream.segment, stream.checksum);
    let chunk = std::mem::take(&mut batch.chunk);
    let mut segment = Segment::open(folder, source, number, genesis, &previous, chunk)?;
    while let Next::Records(records) = segment.next()? {
        if watch.leaves() {
            return Err(AuditError::Interrupted);
        }
        let before = stream.counts.entries;
        stream.replay(records, against, batch)?;
        let entries = stream.counts.entries - before;
        watch.entries.fetch_add(entries, Ordering::Relaxed);
    }
    stream.checksum = segment.checksum;
    stream.segment += 1;
    batch.chunk = segment.into_chunk();
    Ok(())
}
