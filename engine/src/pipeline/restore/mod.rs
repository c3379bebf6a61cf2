//! Brings a run back from its durable log: Layer 1 first, then both ends of every channel that is
//! open there, then the schedule, at the step that was not finished.
//!
//! Layer 1 decides what is open: an open or a close counts once its block is durable. What an end
//! has signed is in its record; a channel without records has signed nothing. The peers' signatures
//! are verified again, in batches; a party's own are covered by the log's checksums. Nothing is
//! written before all of it has been read and found in order.

mod ends;

use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use super::accounts::{ShardsParties, parties};
use super::acknowledgements::Acknowledgements;
use super::chain_log::ChainLog;
use super::config::{Beside, Config, LogConfig};
use super::error::{RestoreError, RunError};
use super::journal::Journal;
use super::schedule::Schedule;
use super::shard::Shard;
use super::workload::Workload;
use duet_channels::crypto::Digest;
use duet_ledger::l1::{self, Chain};
use duet_log::{Disk, DiskFile, Durability, Files, Log, LogError, Options, Recovered};

/// What a log is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be looked at: nothing is made, and it need not be writable.
    Inspect,
    /// To be gone on with.
    Run,
}

/// A run's log, read, and not written to yet.
pub(super) struct OpenLog {
    config: LogConfig,
    l1: Recovered<Files>,
    shards: Vec<Recovered<Files>>,
    /// What came out of Layer 1's records, until it is asked for.
    chain: Option<Chain>,
    /// Layer 1's records are there.
    has_begun: bool,
}

/// Opens the log, if the run has one; then derives the parties' keys, and meanwhile reads it.
pub(super) fn parties_and_log(
    config: &Config,
    workload: &dyn Workload,
    schedule: &Schedule,
    purpose: Purpose,
) -> Result<(ShardsParties, Option<OpenLog>), RunError> {
    let log = (config.log.as_ref()).map(|log| open(log, config, purpose));
    let log = log.transpose()?;
    let (parties, read) = rayon::join(
        || parties(config, workload, schedule),
        || log.map(|(log, of)| OpenLog::read(log, of, config)),
    );
    Ok((parties, read.transpose()?))
}

/// Opens a run's log, and looks whose it is.
fn open<'c>(
    config: &'c LogConfig,
    run: &Config,
    purpose: Purpose,
) -> Result<(Log<Files>, &'c LogConfig), RunError> {
    let mut streams = vec!["l1".to_owned()];
    streams.extend((0..run.shards).map(|index| format!("shard-{index}")));
    let options = Options {
        run: config.run,
        streams,
        durability: config.durability,
        ..Options::default()
    };
    let refused = |error: std::io::Error| {
        let directory = config.directory.display().to_string();
        LogError::of("open the directory", &directory, &error)
    };
    // Past the page cache only where each write is synced: `log` means to have it in that cache.
    let as_synced = |files: Files| match config.durability {
        Durability::Fsync => files.direct(),
        Durability::Log => files,
    };
    let is_to_be_made = purpose == Purpose::Run && !config.must_exist;
    let log = if is_to_be_made {
        let files = Files::new(&config.directory).map_err(refused)?;
        Log::open(as_synced(files), options)?
    } else {
        let files = match purpose {
            Purpose::Inspect => Files::to_read(&config.directory),
            Purpose::Run => Files::existing(&config.directory).map(as_synced),
        };
        let files = files.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => RunError::NotBegun,
            _ => refused(error).into(),
        })?;
        Log::open_existing(files, options)?.ok_or(RunError::NotBegun)?
    };
    Ok((log, config))
}

impl OpenLog {
    /// Reads the log of a run, and Layer 1 out of it.
    fn read(log: Log<Files>, config: &LogConfig, run: &Config) -> Result<OpenLog, RunError> {
        let recovered: Result<Vec<Recovered<Files>>, LogError> = (0..=run.shards as usize)
            .into_par_iter()
            .map(|stream| log.recover(stream))
            .collect();
        let mut recovered = recovered?;
        let shards = recovered.split_off(1);
        let mut l1 = recovered.pop().expect("one stream is Layer 1's");
        Ok(OpenLog {
            config: config.clone(),
            chain: read_chain(&mut l1, run)?,
            l1,
            shards,
            has_begun: false,
        })
    }

    /// Commits that a crash interrupted, a sentence each.
    pub(super) fn cut(&self) -> Vec<String> {
        let streams = (self.shards.iter().enumerate())
            .map(|(shard, recovered)| (format!("shard {shard}"), recovered.cut()));
        std::iter::once(("Layer 1".to_owned(), self.l1.cut()))
            .chain(streams)
            .filter_map(|(stream, cut)| Some((stream, cut?)))
            .map(|(stream, cut)| {
                format!(
                    "{stream}: commit {} in segment {} at byte {} is not whole: {}",
                    cut.sequence, cut.segment, cut.offset, cut.damage
                )
            })
            .collect()
    }

    /// Layer 1 as its blocks left it, if it began as this run's does; none if the run has not
    /// begun.
    pub(super) fn chain(&mut self, genesis: &Digest) -> Result<Option<Chain>, RunError> {
        let Some(chain) = self.chain.take() else {
            // The shards begin after Layer 1 has.
            if let Some(shard) = self.shards.iter().position(|shard| shard.sequence() > 0) {
                return Err(RestoreError::NoLayer1 { shard }.into());
            }
            return match self.config.must_exist {
                true => Err(RunError::NotBegun),
                false => Ok(None),
            };
        };
        if chain.genesis() != genesis {
            return Err(RestoreError::OtherGenesis.into());
        }
        self.has_begun = true;
        Ok(Some(chain))
    }

    /// Puts the shards where they were, and begins to write. Gives the step to go on from, and
    /// Layer 1's stream.
    pub(super) fn start(
        mut self,
        shards: &mut [Shard<'_>],
        chain: &mut Chain,
    ) -> Result<(u64, ChainLog), RunError> {
        let first_step = self.restore(shards, chain)?;
        if let Some(path) = &self.config.acknowledgements {
            Acknowledgements::mend(path, |channel| {
                shards.iter().any(|shard| shard.has_had(channel))
            })?;
        }
        if let Some(beside) = &self.config.beside {
            write(beside)?;
        }
        let mut l1 = ChainLog::new(self.l1.start()?);
        chain.track_changes(true);
        if self.has_begun {
            chain.drain_changes(|_, _| {});
        } else {
            l1.begin(chain)?;
        }
        for (shard, recovered) in shards.iter_mut().zip(self.shards) {
            let mut journal = Journal::new(recovered.start()?);
            for slot in shard.restoring.counted.drain(..) {
                journal.closed(slot);
            }
            if let Some(path) = &self.config.acknowledgements {
                journal.acknowledgements = Some(Acknowledgements::open(path)?);
            }
            shard.journal = Some(journal);
        }
        Ok((first_step, l1))
    }

    /// Puts the shards where they were. Writes nothing.
    pub(super) fn restore(
        &mut self,
        shards: &mut [Shard<'_>],
        chain: &Chain,
    ) -> Result<u64, RunError> {
        if !self.has_begun {
            return Ok(0);
        }
        let steps: Vec<Result<u64, RunError>> = shards
            .par_iter_mut()
            .zip(&mut self.shards)
            .map(|(shard, recovered)| shard.restore(recovered, chain))
            .collect();
        // Of several shards that are refused, the first one is named, whichever was read first.
        let steps = steps.into_iter().collect::<Result<Vec<u64>, RunError>>()?;
        // Layer 1 takes one step after the other: all before the first that is not finished are.
        let first_step = steps.into_iter().min().expect("at least one shard");
        let accounts = shards
            .first()
            .map_or(0, |shard| shard.shared.workload.accounts());
        let taken: Vec<AtomicBool> = (0..accounts).map(|_| AtomicBool::new(false)).collect();
        shards
            .par_iter_mut()
            .for_each(|shard| shard.resume(first_step, chain, &taken));
        Ok(first_step)
    }
}

/// Layer 1 out of its records; none if the run has not begun.
fn read_chain(l1: &mut Recovered<Files>, config: &Config) -> Result<Option<Chain>, RunError> {
    let restoring = l1::Restoring::new(config.l1, config.backend);
    let mut restoring = restoring.map_err(RestoreError::L1)?;
    let mut refused = None;
    l1.for_each(|key, _, record| {
        if refused.is_none() {
            refused = restoring.record(key, record).err();
        }
    })?;
    let chain = match refused {
        None => restoring.finish(),
        Some(error) => Err(error),
    };
    match chain {
        // The head comes last: a start that was interrupted begins once more.
        Err(l1::RestoreError::NoHead) => Ok(None),
        chain => Ok(Some(chain.map_err(RestoreError::L1)?)),
    }
}

/// Writes a file beside the log.
fn write(beside: &Beside) -> Result<(), LogError> {
    let write = || {
        let files = Files::existing(&beside.directory)?;
        let mut file = files.create(Beside::NEW)?;
        file.write_at(0, &beside.bytes)?;
        file.sync()?;
        files.rename(Beside::NEW, beside.name)?;
        files.sync_directory()
    };
    write().map_err(|error| LogError::of("write", beside.name, &error))
}
