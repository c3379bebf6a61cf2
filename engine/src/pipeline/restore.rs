//! Brings a run back from its durable log: Layer 1 first, then both ends of every channel that is
//! open there, then the schedule, at the step that was not finished.
//!
//! Layer 1 decides what is open: an open or a close counts once its block is durable. What an end has
//! signed is in its record; a channel without records has signed nothing. The peers' signatures are
//! verified again, in batches; a party's own are covered by the log's checksums. Nothing is written
//! before all of it has been read and found in order.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use rayon::prelude::*;

use super::accounts::Parties;
use super::acknowledgements::Acknowledgements;
use super::journal::{Journal, Note, place};
use super::run::{Config, RunError};
use super::shard::Shard;
use super::slot::{Channel, Phase};
use super::steps::ShardOf;
use super::tally::Kept;
use crate::crypto::{Backend, KeyRing, Verifier};
use crate::l1::{self, Chain, Genesis};
use crate::log::{Durability, Files, Log, LogError, Options, Recovered, RunId, Stream};
use crate::protocol::{ChannelId, Party, RecordError};

/// Where and how a run is made durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The directory, for this run alone.
    pub directory: PathBuf,
    /// What an acknowledgement means.
    pub durability: Durability,
    /// What the run is: a directory of another one is refused.
    pub run: RunId,
    /// Where to write down each channel and version that is acknowledged.
    pub acknowledgements: Option<PathBuf>,
}

/// Why a log, each record of which is in order, does not make a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// Layer 1's records do not fit together.
    L1(l1::RestoreError),
    /// Layer 1 began otherwise than this run's does.
    OtherGenesis,
    /// A record of a channel is not in order.
    Record {
        /// The session, as far as it can be told.
        session: u64,
        /// Whose end.
        party: Party,
        /// What is wrong.
        error: RecordError,
    },
    /// A record's key or note makes no sense in this run.
    NoPlace {
        /// In the stream of which shard.
        shard: u64,
        /// The record's key.
        key: u32,
        /// What is wrong, in words.
        problem: &'static str,
    },
    /// A peer's signature in a record does not verify.
    Forged {
        /// Which channel.
        channel: ChannelId,
        /// Whose end's record.
        party: Party,
    },
}

/// A run's log, read, and not written to yet.
pub(super) struct OpenLog {
    config: LogConfig,
    l1: Recovered<Files>,
    shards: Vec<Recovered<Files>>,
}

impl OpenLog {
    /// Opens and reads the log of a run of these shards.
    pub(super) fn open(
        config: &LogConfig,
        parties: &[(ShardOf, Parties)],
    ) -> Result<OpenLog, LogError> {
        let mut streams = vec!["l1".to_owned()];
        streams.extend(parties.iter().map(|(of, _)| format!("shard-{}", of.index)));
        let files = Files::new(&config.directory).map_err(|error| LogError::Io {
            operation: "open the directory",
            file: config.directory.display().to_string(),
            kind: error.kind(),
            message: error.to_string(),
        })?;
        let options = Options {
            run: config.run,
            streams,
            durability: config.durability,
            ..Options::default()
        };
        let log = Log::open(files, options)?;
        let recovered: Result<Vec<Recovered<Files>>, LogError> = (0..=parties.len())
            .into_par_iter()
            .map(|stream| log.recover(stream))
            .collect();
        let mut recovered = recovered?;
        let shards = recovered.split_off(1);
        let l1 = recovered.pop().expect("one stream is Layer 1's");
        Ok(OpenLog {
            config: config.clone(),
            l1,
            shards,
        })
    }

    /// Whether the run has not begun.
    pub(super) fn is_new(&self) -> bool {
        self.l1.sequence() == 0
    }

    /// Layer 1 as its blocks left it.
    pub(super) fn chain(&mut self, config: &Config, genesis: &Genesis) -> Result<Chain, RunError> {
        let mut restoring = l1::Restoring::new(config.l1, config.backend);
        let mut refused = None;
        self.l1.for_each(|key, _, record| {
            if refused.is_none() {
                refused = restoring.record(key, record).err();
            }
        })?;
        let chain = match refused {
            None => restoring.finish(),
            Some(error) => Err(error),
        };
        let chain = chain.map_err(RestoreError::L1)?;
        if *chain.genesis() != genesis.id(&config.l1) {
            return Err(RestoreError::OtherGenesis.into());
        }
        Ok(chain)
    }

    /// Puts the shards where they were, and begins to write. Gives the step to go on from, and
    /// Layer 1's stream.
    pub(super) fn start(
        mut self,
        shards: &mut [Shard<'_>],
        chain: &Chain,
    ) -> Result<(u64, Stream), RunError> {
        let first_step = self.restore(shards, chain)?;
        let l1 = self.l1.start()?;
        for (shard, recovered) in shards.iter_mut().zip(self.shards) {
            shard.journal = Some(Journal::new(recovered.start()?));
            if let Some(path) = &self.config.acknowledgements {
                shard.acknowledgements = Some(Acknowledgements::open(path)?);
            }
        }
        Ok((first_step, l1))
    }

    /// Puts the shards where they were. Writes nothing.
    pub(super) fn restore(
        &mut self,
        shards: &mut [Shard<'_>],
        chain: &Chain,
    ) -> Result<u64, RunError> {
        if self.is_new() {
            return Ok(0);
        }
        let steps: Result<Vec<u64>, RunError> = shards
            .par_iter_mut()
            .zip(&mut self.shards)
            .map(|(shard, recovered)| shard.restore(recovered, chain))
            .collect();
        // Layer 1 takes one step after the other: all before the first that is not finished are.
        let first_step = steps?.into_iter().min().expect("at least one shard");
        for shard in shards {
            shard.resume(first_step);
        }
        Ok(first_step)
    }
}

/// A record that waits for its peer's signatures to be verified, and its place.
struct Waiting {
    slot: u32,
    party: Party,
    note: Note,
    end: crate::protocol::RecoveredEndpoint,
}

impl Shard<'_> {
    /// Brings every slot to where it was; gives the first step that is not finished in this shard.
    fn restore(
        &mut self,
        recovered: &mut Recovered<Files>,
        chain: &Chain,
    ) -> Result<u64, RunError> {
        let first_step = self.open_sessions(chain);
        let mut closed = HashMap::new();
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut verifier = Verifier::new(self.config.backend);
        let mut refused: Option<RestoreError> = None;
        recovered.for_each(|key, _, record| {
            if refused.is_some() {
                return;
            }
            let restored = match place(key, self.slots.len()) {
                None => self.restore_tally(key, record),
                Some((slot, party)) => {
                    self.restore_end(slot, party, record).map(|read| waiting.push(read))
                }
            };
            refused = restored.err();
            if waiting.len() >= Verifier::LARGEST_BATCH && refused.is_none() {
                refused = self.admit(&mut waiting, &mut verifier, &mut closed).err();
            }
        })?;
        if refused.is_none() {
            refused = self.admit(&mut waiting, &mut verifier, &mut closed).err();
        }
        if let Some(error) = refused {
            return Err(error.into());
        }
        self.count_closed(closed);
        Ok(first_step)
    }

    /// Opens the sessions that are open on Layer 1, with ends that have signed nothing.
    fn open_sessions(&mut self, chain: &Chain) -> u64 {
        let schedule = self.shared.schedule;
        let mut first_step = schedule.steps();
        for slot in 0..self.slots.len() as u32 {
            let number = self.of.number(slot);
            let sessions = schedule.sessions_of(number);
            let opener = self.parties.public_keys(slot).a;
            let nonce = chain.account(&opener).map_or(0, |account| account.nonce);
            // A slot's sessions open in order, each with the opener's next nonce of its own.
            let (mut opened, mut most) = (0, sessions);
            while opened < most {
                let middle = opened + (most - opened) / 2;
                let plan = self.workload.session(schedule.session(number, middle));
                if plan.nonce < nonce {
                    opened = middle + 1;
                } else {
                    most = middle;
                }
            }
            for generation in 0..opened {
                let plan = self.workload.session(schedule.session(number, generation));
                self.tally.sessions_opened += 1;
                self.tally.planned += plan.payments;
            }
            let mut next = schedule.step(number, opened);
            if let Some(newest) = opened.checked_sub(1) {
                let session = schedule.session(number, newest);
                let plan = self.workload.session(session);
                let channel = self.channel(slot, session, &plan);
                if chain.channel(channel.a.channel()).is_some() {
                    self.slots[slot as usize].phase = Phase::Running(channel);
                } else if opened == sessions {
                    // Nothing is left to open or close: its last step is behind it.
                    next = u64::MAX;
                }
            }
            first_step = first_step.min(next);
        }
        first_step
    }

    fn restore_tally(&mut self, key: u32, record: &[u8]) -> Result<(), RestoreError> {
        let no_place = |problem| RestoreError::NoPlace {
            shard: self.of.index,
            key,
            problem,
        };
        if key as usize != 2 * self.slots.len() {
            return Err(no_place("no slot has this key"));
        }
        let kept = Kept::decode(record).ok_or(no_place("its counts have another length"))?;
        let (mut tally, value_at_risk) = kept.restore();
        tally.sessions_opened = self.tally.sessions_opened;
        tally.planned = self.tally.planned;
        self.tally = tally;
        self.value_at_risk = value_at_risk;
        Ok(())
    }

    fn restore_end(
        &mut self,
        slot: u32,
        party: Party,
        record: &[u8],
    ) -> Result<Waiting, RestoreError> {
        let key = super::journal::key(slot, party);
        let no_place = |problem| RestoreError::NoPlace {
            shard: self.of.index,
            key,
            problem,
        };
        let note = crate::protocol::record_note(record).and_then(Note::decode);
        let note = note.ok_or(no_place("its note has another length"))?;
        let schedule = self.shared.schedule;
        let in_slot = note.session < self.workload.sessions()
            && note.session % schedule.concurrent() == self.of.number(slot);
        if !in_slot {
            return Err(no_place("its session is none of the slot's"));
        }
        let plan = self.workload.session(note.session);
        let terms = self.terms(slot, &plan);
        let peer = *self.parties.key_ids(slot).of(party.other());
        let read = crate::protocol::RecoveredEndpoint::read(
            record,
            party,
            &terms,
            peer,
            self.config.rules,
            &mut self.windows,
        );
        let end = read.map_err(|error| RestoreError::Record {
            session: note.session,
            party,
            error,
        })?;
        Ok(Waiting {
            slot,
            party,
            note,
            end,
        })
    }

    /// Verifies the peers' signatures of these ends, and puts the ends where they belong: into their
    /// slot, or, if Layer 1 has closed the channel and the shard has not counted it yet, aside.
    fn admit(
        &mut self,
        waiting: &mut Vec<Waiting>,
        verifier: &mut Verifier,
        closed: &mut HashMap<u32, Channel>,
    ) -> Result<(), RestoreError> {
        todo!()
    }

    /// Counts the sessions that Layer 1 closed and the shard did not come to count.
    fn count_closed(&mut self, closed: HashMap<u32, Channel>) {
        todo!()
    }
}
