//! The thread that writes the audit log, and the buffers between it and those who record. A shard
//! hands over a megabyte at a time and takes an empty buffer; it waits only when the disk is slower
//! than the run. No lock and no allocation per payment.

use std::sync::Arc;

use crossbeam::channel::{Receiver, Sender, bounded};

use super::manifest::{self, Finish, Start};
use super::record::{
    Burst, put_account, put_block, put_burst, put_certificate, put_genesis, put_validators,
};
use super::segment::{self, Ended, Source, Stream};
use super::{Settings, TranscriptError};
use duet_base::folder::Folder;
use duet_base::metered::{Held, Metered};
use duet_channels::crypto::PublicKey;
use duet_consensus::Certificate;
use duet_ledger::l1::{Allocations, Config, Genesis, Header};

/// A buffer is handed over once it holds this much; records are never cut.
const CHUNK_BYTES: usize = 1 << 20;
/// Room beyond, so that few buffers ever grow.
const SLACK_BYTES: usize = 1 << 18;
/// A block's record beside its body, with a state root.
pub(super) const BLOCK_HEAD_BYTES: usize = 5 + 32 + 8 + 4 + 32 + 32;
/// Buffers of each stream: one is filled while the others wait for the disk.
const BUFFERS: usize = 4;

/// An audit log being written.
pub(crate) struct Transcript {
    folder: Arc<Folder>,
    start: Start,
    writer: Metered<Result<Vec<Ended>, TranscriptError>>,
}

/// An audit log all of whose streams are whole, but which does not say so yet.
pub(crate) struct Closed {
    folder: Arc<Folder>,
    start: Start,
    streams: Vec<Ended>,
    /// CPU time of the writer's thread, in nanoseconds.
    pub(crate) cpu_ns: u64,
    /// That thread.
    _writer: Held,
}

/// A full buffer on its way to the disk.
struct Filled {
    stream: usize,
    bytes: Vec<u8>,
}

impl Transcript {
    /// Begins a log in an empty folder: one stream per shard, and Layer 1's, which comes last.
    ///
    /// # Errors
    /// The machine failed, or blocks may be longer than a chunk, which an auditor would refuse.
    pub(crate) fn begin(
        settings: &Settings,
        start: Start,
        l1: &Config,
    ) -> Result<(Transcript, Vec<Recorder>), TranscriptError> {
        let path = &settings.folder;
        let most = Settings::MOST_BLOCK_BYTES;
        if l1.most_block_bytes() > most {
            return Err(TranscriptError {
                path: path.clone(),
                reason: format!(
                    "expected blocks of at most {most} bytes, not of {}",
                    l1.most_block_bytes()
                ),
            });
        }
        let folder = Arc::new(Folder::open(path).map_err(TranscriptError::of(path))?);
        manifest::write(&folder, &start, None)?;
        let sources = (0..start.shards).map(Source::Shard).chain([Source::L1]);
        let streams: Vec<Stream> = sources
            .map(|source| Stream::begin(source, &folder, &start.genesis, settings.segment_bytes))
            .collect::<Result<_, _>>()?;
        let (to_writer, from_recorders) = bounded(BUFFERS * streams.len());
        // A segment smaller than a buffer is for tests: it is cut where it should be.
        let chunk_bytes = usize::try_from(settings.segment_bytes).unwrap_or(usize::MAX);
        let chunk_bytes = chunk_bytes.min(CHUNK_BYTES);
        let mut recorders = Vec::new();
        let mut back = Vec::new();
        for stream in 0..streams.len() {
            let (to_recorder, empty) = bounded(BUFFERS);
            let buffer = || Vec::with_capacity(CHUNK_BYTES + SLACK_BYTES);
            for _ in 1..BUFFERS {
                to_recorder.send(buffer()).expect("room for all buffers");
            }
            recorders.push(Recorder {
                stream,
                chunk_bytes,
                buffer: buffer(),
                ends: Vec::new(),
                to_writer: to_writer.clone(),
                empty,
                broken: false,
            });
            back.push(to_recorder);
        }
        let writer = Metered::spawn("audit", move || write(streams, &from_recorders, &back));
        let writer = writer
            .map_err(|error| {
                std::io::Error::new(error.kind(), format!("cannot start a thread: {error}"))
            })
            .map_err(TranscriptError::of(path))?;
        let transcript = Transcript {
            folder,
            start,
            writer,
        };
        Ok((transcript, recorders))
    }

    /// Waits until everything is written: all recorders are gone by now.
    pub(crate) fn close(self) -> Result<Closed, TranscriptError> {
        let (streams, cpu_ns, writer) = self.writer.done();
        Ok(Closed {
            folder: self.folder,
            start: self.start,
            streams: streams?,
            cpu_ns,
            _writer: writer,
        })
    }
}

impl Closed {
    /// Makes all files durable, then says that the log is complete and what it adds up to.
    pub(crate) fn finish(&self, finish: &Finish) -> Result<(), TranscriptError> {
        for name in self.streams.iter().flat_map(segment::names) {
            let synced = segment::sync(&self.folder, &name);
            synced.map_err(TranscriptError::of(&self.folder.path(&name)))?;
        }
        manifest::write(&self.folder, &self.start, Some((finish, &self.streams)))
    }
}

/// Writes what comes until nobody records any more.
fn write(
    mut streams: Vec<Stream>,
    filled: &Receiver<Filled>,
    back: &[Sender<Vec<u8>>],
) -> Result<Vec<Ended>, TranscriptError> {
    for Filled { stream, mut bytes } in filled {
        streams[stream].append(&bytes)?;
        bytes.clear();
        // Its recorder may have left.
        let _ = back[stream].send(bytes);
    }
    streams.into_iter().map(Stream::end).collect()
}

/// Records one stream. What is left in its buffer is handed over when it is dropped.
pub(crate) struct Recorder {
    stream: usize,
    chunk_bytes: usize,
    buffer: Vec<u8>,
    ends: Vec<u64>,
    to_writer: Sender<Filled>,
    empty: Receiver<Vec<u8>>,
    broken: bool,
}

impl Recorder {
    /// Whether the writer has failed: nothing more is recorded, and the run should end.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Records one channel's part of a wave.
    pub(crate) fn burst(&mut self, burst: &Burst<'_>) {
        put_burst(&mut self.buffer, burst, &mut self.ends);
        self.hand_over_if_full();
    }

    /// Records what Layer 1 starts from.
    pub(crate) fn genesis<A: Allocations>(&mut self, genesis: &Genesis<A>, config: &Config) {
        let count = genesis.allocations.count();
        put_genesis(&mut self.buffer, &genesis.label, count, config);
        genesis.allocations.each(|key, amount| {
            put_account(&mut self.buffer, &key, amount);
            self.hand_over_if_full();
        });
        self.hand_over();
    }

    /// Records a block. It is on its way to the disk before anything that follows from it.
    pub(crate) fn block(&mut self, header: &Header, body: &[u8]) {
        put_block(&mut self.buffer, header, body);
        self.hand_over();
    }

    /// Records who decides about blocks, after the last account.
    pub(crate) fn validators(&mut self, keys: &[PublicKey]) {
        put_validators(&mut self.buffer, keys);
        self.hand_over_if_full();
    }

    /// Records why the last block is final.
    pub(crate) fn certificate(&mut self, certificate: &Certificate) {
        put_certificate(&mut self.buffer, certificate);
        self.hand_over_if_full();
    }

    fn hand_over_if_full(&mut self) {
        if self.buffer.len() >= self.chunk_bytes {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        if self.broken {
            self.buffer.clear();
        }
        if self.buffer.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.buffer);
        let stream = self.stream;
        // There is room for all buffers: this never waits.
        let sent = self.to_writer.send(Filled { stream, bytes });
        match (sent, self.empty.recv()) {
            (Ok(()), Ok(buffer)) => self.buffer = buffer,
            _ => self.broken = true,
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if !self.buffer.is_empty() {
            let bytes = std::mem::take(&mut self.buffer);
            let _ = self.to_writer.send(Filled {
                stream: self.stream,
                bytes,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_channels::crypto::Digest;

    fn begin(folder: &std::path::Path, block_bytes: u64) -> Result<(), TranscriptError> {
        let start = Start {
            genesis: Digest([1; 32]),
            shards: 1,
            sessions: 1,
            cosign_every: 1,
            in_flight: 1,
            validators: None,
        };
        let l1 = Config {
            block_bytes,
            block_transactions: u32::MAX,
            ..Config::default()
        };
        let (transcript, recorders) =
            Transcript::begin(&Settings::new(folder.to_owned()), start, &l1)?;
        drop(recorders);
        transcript.close().map(|_| ())
    }

    /// An auditor reads no longer chunk: such a log could not be audited.
    #[test]
    fn blocks_longer_than_a_chunk_are_refused_before_anything_is_written() {
        let most = Settings::MOST_BLOCK_BYTES;
        let folder = tempfile::tempdir().unwrap();
        let error = begin(folder.path(), most + 1).unwrap_err();
        let said = format!(
            "expected blocks of at most {most} bytes, not of {}",
            most + 1
        );
        assert_eq!(error.reason, said);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        begin(folder.path(), most).unwrap();
    }

    #[test]
    fn what_is_put_in_a_segments_place_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let name = "shard-0-000000.audit";
        let path = folder.path().join(name);
        let opened = Folder::open(folder.path()).unwrap();
        segment::sync(&opened, name).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(segment::sync(&opened, name).is_err());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "whole").unwrap();
        segment::sync(&opened, name).unwrap();
    }

    /// Another run may take the path of a folder that was moved while its run went on.
    #[test]
    fn a_log_goes_on_in_its_folder_wherever_that_is_moved() {
        let outside = tempfile::tempdir().unwrap();
        let (path, moved) = (outside.path().join("log"), outside.path().join("moved"));
        std::fs::create_dir(&path).unwrap();
        let start = Start {
            genesis: Digest([1; 32]),
            shards: 1,
            sessions: 1,
            cosign_every: 1,
            in_flight: 1,
            validators: None,
        };
        let settings = Settings {
            segment_bytes: 100,
            ..Settings::new(path.clone())
        };
        let (transcript, mut recorders) =
            Transcript::begin(&settings, start, &Config::default()).unwrap();
        std::fs::rename(&path, &moved).unwrap();
        std::fs::create_dir(&path).unwrap();
        for _ in 0..5 {
            recorders[0].buffer.resize(200, 7);
            recorders[0].hand_over();
        }
        drop(recorders);
        let closed = transcript.close().unwrap();
        let finish = Finish {
            tip: Digest([2; 32]),
            height: 1,
            l1_transactions: 1,
            sessions_opened: 1,
            sessions_closed: 1,
            payments: 1,
        };
        closed.finish(&finish).unwrap();
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
        let manifest = std::fs::read_to_string(moved.join("audit.toml")).unwrap();
        assert!(manifest.contains("\"complete\""), "{manifest}");
        assert!(moved.join("shard-0-000004.audit").exists());
    }
}
