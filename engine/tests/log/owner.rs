//! The owner of a stream in these tests: it knows every state that the log may come back with.

use std::collections::BTreeMap;

use duet_engine::log::disk::SimulatedDisk;
use duet_engine::log::{
    Batch, Committer, Durability, Index, Log, LogError, Options, Recovered, RunId, Sequence,
};

use crate::rng::Rng;

pub(crate) const SEGMENT_BYTES: u64 = 5 * 4096;
const KEYS: u64 = 24;

pub(crate) fn options() -> Options {
    Options {
        run: RunId([9; 32]),
        streams: vec!["shard-0".to_owned()],
        segment_bytes: SEGMENT_BYTES,
        key_limit: 4096,
        ..Options::default()
    }
}

/// Each key's version.
pub(crate) type Versions = BTreeMap<u32, u64>;

/// Knows what was put and what was acknowledged.
#[derive(Clone)]
pub(crate) struct Owner {
    rng: Rng,
    /// As of everything put.
    versions: Versions,
    /// The state after each batch that may be there.
    states: BTreeMap<Sequence, Versions>,
    pub(crate) acknowledged: Sequence,
    next_version: u64,
    /// The broken build: what is handed over counts as acknowledged.
    pub(crate) acknowledges_early: bool,
    /// What an acknowledgement means from the next opening on.
    pub(crate) durability: Durability,
}

/// What the oracle says against a recovery.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// An acknowledged batch is not there, and nothing was said.
    SilentLoss {
        acknowledged: Sequence,
        found: Sequence,
    },
    /// The records are those of no batch.
    WrongState { sequence: Sequence },
    /// The log is refused, although there was no fault but a crash.
    Refused(LogError),
}

/// How a life of the process ended.
pub(crate) enum End {
    /// All batches were written.
    Done,
    /// The machine failed.
    Stopped(LogError),
}

/// A record's bytes: they name key and version, and nothing else has them.
pub(crate) fn record(key: u32, version: u64) -> Vec<u8> {
    let mut rng = Rng(u64::from(key) << 32 ^ version);
    // Some keys' records keep their length.
    let length = if key.is_multiple_of(3) {
        200
    } else {
        rng.below(700)
    };
    let mut bytes = Vec::from(version.to_le_bytes());
    bytes.extend((0..length).map(|_| rng.next() as u8));
    bytes
}

impl Owner {
    pub(crate) fn new(seed: u64) -> Owner {
        Owner {
            rng: Rng(seed),
            versions: Versions::new(),
            states: BTreeMap::from([(0, Versions::new())]),
            acknowledged: 0,
            next_version: 1,
            acknowledges_early: false,
            durability: Durability::Fsync,
        }
    }

    /// Opens the log, checks what is there, and writes so many batches.
    pub(crate) fn live(&mut self, disk: &SimulatedDisk, batches: usize) -> Result<End, Violation> {
        let stop = |error: LogError| match error.is_machine_fault() {
            true => Ok(End::Stopped(error)),
            false => Err(Violation::Refused(error)),
        };
        let (mut index, mut committer) = match self.recover(disk) {
            Ok(halves) => halves?,
            Err(error) => return stop(error),
        };
        let mut batch = Batch::new();
        for _ in 0..batches {
            if let Err(error) = self.write(&mut index, &mut committer, &mut batch) {
                return stop(error);
            }
        }
        Ok(End::Done)
    }

    pub(crate) fn recover(
        &mut self,
        disk: &SimulatedDisk,
    ) -> Result<Result<(Index, Committer<SimulatedDisk>), Violation>, LogError> {
        let options = Options {
            durability: self.durability,
            ..options()
        };
        let mut recovered = Log::open(disk.clone(), options)?.recover(0)?;
        if let Err(violation) = self.judge(&mut recovered)? {
            return Ok(Err(violation));
        }
        let sequence = recovered.sequence();
        let halves = recovered.resume()?;
        // From here on the owner acts on it.
        self.acknowledged = sequence;
        self.states.retain(|&kept, _| kept == sequence);
        Ok(Ok(halves))
    }

    /// The oracle.
    pub(crate) fn judge(
        &mut self,
        recovered: &mut Recovered<SimulatedDisk>,
    ) -> Result<Result<(), Violation>, LogError> {
        let found = recovered.sequence();
        let mut versions = Versions::new();
        let mut is_intact = true;
        recovered.for_each(|key, sequence, bytes| {
            let version = bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
            is_intact &= bytes == record(key, version) && sequence <= found;
            is_intact &= versions.insert(key, version).is_none();
        })?;
        if found < self.acknowledged {
            return Ok(Err(Violation::SilentLoss {
                acknowledged: self.acknowledged,
                found,
            }));
        }
        if !is_intact || self.states.get(&found) != Some(&versions) {
            return Ok(Err(Violation::WrongState { sequence: found }));
        }
        self.versions = versions;
        Ok(Ok(()))
    }

    fn write(
        &mut self,
        index: &mut Index,
        committer: &mut Committer<SimulatedDisk>,
        batch: &mut Batch,
    ) -> Result<(), LogError> {
        batch.clear();
        self.fill(index, batch);
        let sequence = index.seal(batch);
        self.states.insert(sequence, self.versions.clone());
        if self.acknowledges_early {
            self.acknowledged = sequence;
        }
        assert_eq!(committer.commit(batch)?, sequence);
        self.acknowledged = sequence;
        committer.tidy(batch)
    }

    pub(crate) fn fill(&mut self, index: &mut Index, batch: &mut Batch) {
        let records = match self.rng.below(12) {
            // Longer than a segment.
            0 => 80,
            // Often one block.
            1..6 => 1,
            some => some,
        };
        for _ in 0..records {
            let key = self.rng.below(KEYS) as u32;
            if self.rng.once_in(7) {
                index.remove(batch, key);
                self.versions.remove(&key);
            } else {
                self.put(index, batch, key);
            }
        }
        if batch.is_empty() {
            self.put(index, batch, 0);
        }
        let mut refresh = Vec::new();
        index.to_refresh(batch.len().max(16), &mut refresh);
        for key in refresh {
            index.put(batch, key, &record(key, self.versions[&key]));
        }
    }

    fn put(&mut self, index: &mut Index, batch: &mut Batch, key: u32) {
        self.versions.insert(key, self.next_version);
        index.put(batch, key, &record(key, self.next_version));
        self.next_version += 1;
    }
}
