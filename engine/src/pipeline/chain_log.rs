//! Layer 1's part of the durable log: the records that its blocks changed, a commit per step. An
//! open or a close counts once its block is durable.

use super::beginning::{Logged, Metered};
use duet_ledger::l1::Chain;
use duet_log::{LogError, Sequence, Stream};

/// Records put again per commit at least, if so many are stale: else as many as were put.
const LEAST_REFRESHED: usize = 16;

/// What of a beginning is committed together.
const PIECE_BYTES: u64 = 4 << 20;

/// Layer 1's stream.
pub(super) struct ChainLog {
    log: Metered,
    committed: Sequence,
    record: Vec<u8>,
    stale: Vec<u32>,
}

impl ChainLog {
    pub(super) fn new(stream: Stream) -> ChainLog {
        ChainLog {
            log: Metered::new(stream),
            committed: 0,
            record: Vec::new(),
            stale: Vec::new(),
        }
    }

    /// The stream, for its thread's CPU time.
    pub(super) fn metered(&mut self) -> &mut Metered {
        &mut self.log
    }

    /// The calling thread is Layer 1's, to be woken when something has become durable.
    pub(super) fn attach(&self) {
        self.log.stream.wake(std::thread::current());
    }

    /// Puts Layer 1 as it begins: in pieces, the head last, so that a start that is interrupted is
    /// told from one that is whole.
    pub(super) fn begin(&mut self, chain: &mut Chain) -> Result<(), LogError> {
        let stream = &mut self.log.stream;
        let mut committed = Ok(0);
        chain.drain_changes(|key, record| {
            if let Some(record) = record {
                stream.put(key, record);
            }
            if committed.is_ok() && stream.batch().disk_bytes() >= PIECE_BYTES {
                committed = stream.commit();
            }
        });
        committed?;
        self.committed = self.log.stream.commit()?;
        self.wait(self.committed)
    }

    /// Puts all that changed since the last commit, and commits it.
    pub(super) fn commit(&mut self, chain: &mut Chain) -> Result<Sequence, LogError> {
        let ChainLog {
            log, record, stale, ..
        } = self;
        let stream = &mut log.stream;
        chain.drain_changes(|key, record| match record {
            Some(record) => stream.put(key, record),
            None => stream.remove(key),
        });
        stale.clear();
        stream.to_refresh(stream.batch().len().max(LEAST_REFRESHED), stale);
        for &key in &*stale {
            record.clear();
            chain.record(key, record);
            stream.put(key, record);
        }
        self.committed = stream.commit()?;
        Ok(self.committed)
    }

    pub(super) fn durable(&self) -> Result<Sequence, LogError> {
        self.log.stream.durable()
    }

    pub(super) fn wait(&self, sequence: Sequence) -> Result<(), LogError> {
        self.log.stream.wait(sequence)
    }

    /// Ends the stream's thread; what was committed is durable.
    pub(super) fn finish(self) -> Result<Logged, LogError> {
        self.wait(self.committed)?;
        self.log.close()
    }
}
