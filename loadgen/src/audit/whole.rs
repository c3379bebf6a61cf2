//! Replays the streams of a run that has ended, several at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::AuditArgs;
use super::finding::AuditError;
use super::ledger::Ledger;
use super::manifest::{End, Manifest};
use super::segment::{Next, Segment, Source};
use super::signature::Sampled;
use super::stream::{Against, Batch, Stream, cpu_ns};
use crate::progress::Bar;

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

impl Watch<'_> {
    pub(super) fn leaves(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.failed.load(Ordering::Relaxed)
    }
}

/// Replays every stream to its end.
#[allow(clippy::too_many_arguments)] // Each is one thing that is known by now.
pub(super) fn replay(
    args: &AuditArgs,
    manifest: &Manifest,
    end: &End,
    ledger: &Ledger,
    sampled: &Sampled,
    streams: Vec<Stream>,
    threads: u64,
    stop: &AtomicBool,
) -> Result<Replayed, AuditError> {
    let against = Against {
        ledger,
        sampled,
        sessions: manifest.sessions,
    };
    let watch = Watch {
        entries: AtomicU64::new(0),
        stop,
        failed: AtomicBool::new(false),
    };
    let threads = threads.clamp(1, streams.len() as u64);
    let replay_ns = AtomicU64::new(0);
    let shards = streams.len();
    let work = Mutex::new(
        (0..)
            .map(Source::Shard)
            .zip(streams)
            .collect::<Vec<_>>()
            .into_iter(),
    );
    let done = Mutex::new(Vec::with_capacity(shards));
    let bar = Bar::new("audit", end.payments, args.quiet || args.json);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut batch = Batch::new();
                    loop {
                        let next = lock(&work).next();
                        let Some((source, mut stream)) = next else {
                            break;
                        };
                        let segments = end.stream(source).segments;
                        let folder = &args.folder;
                        let result = (stream.segment..segments).try_for_each(|_| {
                            segment(folder, source, &mut stream, against, &mut batch, &watch)
                        });
                        if result.is_err() {
                            watch.failed.store(true, Ordering::Relaxed);
                        }
                        lock(&done).push((source, result.map(|()| stream)));
                    }
                    replay_ns.fetch_add(cpu_ns() - batch.verifying_ns, Ordering::Relaxed);
                })
            })
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(Duration::from_millis(10));
            bar.at(watch.entries.load(Ordering::Relaxed));
        }
    });
    bar.clear();
    let mut done = lock(&done);
    let mut done: Vec<(Source, Result<Stream, AuditError>)> = done.drain(..).collect();
    // A stream that was left since another one failed has nothing to say.
    done.sort_by_key(|(source, result)| {
        let left = matches!(result, Err(AuditError::Interrupted));
        (
            left,
            match source {
                Source::Shard(shard) => *shard,
                Source::L1 => u32::MAX,
            },
        )
    });
    let streams = done.into_iter().map(|(_, result)| result);
    Ok(Replayed {
        streams: streams.collect::<Result<_, _>>()?,
        replay_ns: replay_ns.into_inner(),
        threads,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Replays a stream's next segment.
pub(super) fn segment(
    folder: &std::path::Path,
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
