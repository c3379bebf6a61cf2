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
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use super::acknowledgements::Acknowledgements;
use super::chain_log::ChainLog;
use super::journal::{Journal, Note, place};
use super::run::{Config, RunError, ShardsParties, parties, units};
use super::schedule::Schedule;
use super::shard::Shard;
use super::slot::{Channel, Phase};
use super::tally::Kept;
use super::workload::Workload;
use crate::crypto::{Digest, Forged, Verifier};
use crate::l1::{self, Chain};
use crate::log::{Durability, Files, Log, LogError, Options, Recovered, RunId};
use crate::protocol::{
    self, ChannelId, Endpoint, Party, RecordError, RecoveredClaim, Rejection, Status,
    record_identity,
};

/// Where and how a run is made durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The directory, for this run alone.
    pub directory: PathBuf,
    /// Whether the log must be there: then none is made.
    pub must_exist: bool,
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
        /// In which slot, over all shards.
        slot: u64,
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
    /// The two ends of a channel cannot stand where their records say.
    Apart {
        /// Which channel.
        channel: ChannelId,
        /// What one end says of the other.
        rejection: Rejection,
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
    /// What came out of Layer 1's records, until it is asked for.
    chain: Option<Chain>,
    /// Layer 1's records are there.
    has_begun: bool,
}

impl ShardRestoring {
    /// How many sessions have opened in a slot.
    pub(super) fn opened(&self, slot: u32) -> u64 {
        self.opened.get(slot as usize).copied().unwrap_or(0)
    }
}

/// Opens the log, if the run has one; then derives the parties' keys, and meanwhile reads it.
pub(super) fn parties_and_log(
    config: &Config,
    workload: &dyn Workload,
    schedule: &Schedule,
) -> Result<(ShardsParties, Option<OpenLog>), RunError> {
    let log = config.log.as_ref().map(|log| open(log, config));
    let log = log.transpose()?;
    let (parties, read) = rayon::join(
        || parties(config, workload, schedule),
        || log.map(|(log, of)| OpenLog::read(log, of, config)),
    );
    Ok((parties, read.transpose()?))
}

/// Opens a run's log, and looks whose it is.
fn open<'c>(config: &'c LogConfig, run: &Config) -> Result<(Log<Files>, &'c LogConfig), LogError> {
    let mut streams = vec!["l1".to_owned()];
    streams.extend((0..run.shards).map(|index| format!("shard-{index}")));
    let options = Options {
        run: config.run,
        streams,
        durability: config.durability,
        ..Options::default()
    };
    let refused = |error: std::io::Error| LogError::Io {
        operation: "open the directory",
        file: config.directory.display().to_string(),
        kind: error.kind(),
        message: error.to_string(),
    };
    let log = if config.must_exist {
        let files = Files::existing(&config.directory).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => LogError::MissingFile {
                file: config.directory.display().to_string(),
                named_by: "the run".to_owned(),
            },
            _ => refused(error),
        })?;
        Log::open_existing(files, options)?
    } else {
        let files = Files::new(&config.directory).map_err(refused)?;
        Log::open(files, options)?
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

    /// Layer 1 as its blocks left it, if it began as this run's does; none if the run has not begun.
    pub(super) fn chain(&mut self, genesis: &Digest) -> Result<Option<Chain>, RestoreError> {
        let Some(chain) = self.chain.take() else {
            return Ok(None);
        };
        if chain.genesis() != genesis {
            return Err(RestoreError::OtherGenesis);
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
            shard.journal = Some(journal);
            shard.restoring = ShardRestoring::default();
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
        if !self.has_begun {
            return Ok(0);
        }
        let steps: Result<Vec<u64>, RunError> = shards
            .par_iter_mut()
            .zip(&mut self.shards)
            .map(|(shard, recovered)| shard.restore(recovered, chain))
            .collect();
        // Layer 1 takes one step after the other: all before the first that is not finished are.
        let first_step = steps?.into_iter().min().expect("at least one shard");
        let accounts = shards.first().map_or(0, |shard| shard.workload.accounts());
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

/// A record that waits for its peer's signatures to be verified, and its place.
struct Waiting {
    slot: u32,
    party: Party,
    note: Note,
    end: protocol::Recovered,
}

/// What a shard remembers while it is brought back.
#[derive(Default)]
pub(super) struct ShardRestoring {
    /// How many sessions have opened in each slot.
    opened: Vec<u64>,
    /// Channels that are closed on Layer 1 and not counted yet.
    closed: HashMap<u32, Channel>,
    /// Slots whose closed sessions were counted here: their records are to be taken out.
    pub(super) counted: Vec<u32>,
}

impl Shard<'_> {
    /// Brings every slot to where it was; gives the first step that is not finished in this shard.
    fn restore(
        &mut self,
        recovered: &mut Recovered<Files>,
        chain: &Chain,
    ) -> Result<u64, RunError> {
        let first_step = self.open_sessions(chain);
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut verifier = Verifier::new(self.config.backend);
        let mut refused: Option<RestoreError> = None;
        recovered.for_each(|key, _, record| {
            if refused.is_some() {
                return;
            }
            let restored = match place(key, self.slots.len()) {
                None => self.restore_tally(key, record),
                Some((slot, party)) => self
                    .restore_end(slot, party, record)
                    .map(|read| waiting.push(read)),
            };
            refused = restored.err();
            if waiting.len() >= Verifier::LARGEST_BATCH && refused.is_none() {
                refused = self.admit(&mut waiting, &mut verifier).err();
            }
        })?;
        if refused.is_none() {
            refused = self.admit(&mut waiting, &mut verifier).err();
        }
        if let Some(error) = refused {
            return Err(error.into());
        }
        self.check_ends()?;
        self.count_closed();
        Ok(first_step)
    }

    /// That the two ends of each open channel can stand where their records say: one of them at most
    /// has payments in flight, and there are none once one of them begins to end it.
    fn check_ends(&self) -> Result<(), RestoreError> {
        for (slot, held) in (0..).zip(&self.slots) {
            let Phase::Running(Channel { a, b, .. }) = &held.phase else {
                continue;
            };
            let flying = (a.in_flight() > 0, b.in_flight() > 0);
            let level = a.signed().version() == b.signed().version();
            let fits = match (a.status(), b.status()) {
                (Status::Running, Status::Running) => flying != (true, true),
                (Status::Finishing, Status::Finishing)
                | (Status::Running, Status::Finished)
                | (Status::Finished, Status::Running) => false,
                _ => level && flying == (false, false),
            };
            if !fits {
                return Err(RestoreError::NoPlace {
                    shard: self.of.index,
                    key: super::journal::key(slot, Party::A),
                    problem: "its channel's two ends cannot both stand where they say",
                });
            }
        }
        Ok(())
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
            self.restoring.opened.push(opened);
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

    /// Reads one end's record: of the session that is open in its slot, or of the one before, which
    /// Layer 1 has closed, but which the shard has not counted yet.
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
        let bad = |error| RestoreError::Record {
            slot: self.of.number(slot),
            party,
            error,
        };
        let (channel, me) = record_identity(record).map_err(bad)?;
        if me != party {
            return Err(no_place("it is of the other party"));
        }
        let before;
        let opened = match &self.slots[slot as usize].phase {
            Phase::Running(open) if *open.a.channel() == channel => open,
            _ => {
                let found = self.opened_before(slot, &channel);
                before = found.ok_or(no_place("its channel is none of the slot's"))?;
                &before
            }
        };
        let session = opened.session;
        let windows = &mut self.windows;
        let (end, note) = opened.end(party).recorded(record, windows).map_err(bad)?;
        if !matches!(
            end.status(),
            Status::Running | Status::Finishing | Status::Finished
        ) {
            return Err(no_place("its end has stopped, and a durable run with it"));
        }
        let note = Note::decode(note).filter(|note| note.session == session);
        let note = note.ok_or(no_place("its note is none of this session's"))?;
        let made = note.drawn.checked_sub(note.refused);
        let planned = self.workload.session(session).payments;
        if note.drawn > planned || made.is_none_or(|made| made < end.version()) {
            return Err(no_place("its note counts other payments than it has"));
        }
        Ok(Waiting {
            slot,
            party,
            note,
            end,
        })
    }

    /// A channel of a slot as it was opened, if it is one of its last two.
    fn opened_before(&self, slot: u32, channel: &ChannelId) -> Option<Channel> {
        let number = self.of.number(slot);
        let opened = self.restoring.opened[slot as usize];
        let mut newest = (0..opened).rev().take(2).map(|generation| {
            let session = self.shared.schedule.session(number, generation);
            self.channel(slot, session, &self.workload.session(session))
        });
        newest.find(|opened| opened.a.channel() == channel)
    }

    /// Verifies the peers' signatures of these ends, and puts the ends where they belong: into their
    /// slot, or aside.
    fn admit(
        &mut self,
        waiting: &mut Vec<Waiting>,
        verifier: &mut Verifier,
    ) -> Result<(), RestoreError> {
        let mut claims: Vec<RecoveredClaim> =
            waiting.iter().flat_map(|read| read.end.claims()).collect();
        let mut judged = Vec::with_capacity(claims.len());
        verifier.verify(self.parties.pairs.ring(), &mut claims, &mut judged);
        let mut judged = judged.into_iter();
        for read in waiting.drain(..) {
            let claims = read.end.claims().count();
            let verified: Result<Vec<_>, Forged<RecoveredClaim>> =
                judged.by_ref().take(claims).collect();
            let verified = verified.map_err(|_| RestoreError::Forged {
                channel: *read.end.channel(),
                party: read.party,
            })?;
            let end = read.end.verified(verified);
            self.put_end(read.slot, end, &read.note);
        }
        Ok(())
    }

    fn put_end(&mut self, slot: u32, end: Endpoint, note: &Note) {
        let open = match &mut self.slots[slot as usize].phase {
            Phase::Running(channel) if channel.session == note.session => Some(channel),
            _ => None,
        };
        let channel = match open {
            Some(channel) => channel,
            None => {
                let plan = self.workload.session(note.session);
                let opened = self.channel(slot, note.session, &plan);
                self.restoring.closed.entry(slot).or_insert(opened)
            }
        };
        // Of two ends, the one that has signed more knows of more payments.
        if end.signed().version() >= channel.end(end.me().other()).signed().version() {
            channel.drawn = note.drawn;
            channel.refused = note.refused;
            channel.paid = note.paid;
        }
        let me = end.me();
        *channel.end_mut(me) = end;
        channel.covered = channel.a.held_version().min(channel.b.held_version());
    }

    /// Counts the sessions that Layer 1 closed and the shard did not come to count.
    fn count_closed(&mut self) {
        for (slot, channel) in std::mem::take(&mut self.restoring.closed) {
            let plan = self.workload.session(channel.session);
            self.tally.count(&channel, plan.payments);
            self.tally.sessions_closed += 1;
            self.tally.settled += channel.a.held_version();
            self.restoring.counted.push(slot);
        }
    }

    /// Goes on at this step, with what is open.
    fn resume(&mut self, first_step: u64, chain: &Chain, taken: &[AtomicBool]) {
        let schedule = self.shared.schedule;
        let mut running = Vec::new();
        for slot in 0..self.slots.len() as u32 {
            let number = self.of.number(slot);
            let phase = &mut self.slots[slot as usize].phase;
            if !matches!(phase, Phase::Running(_)) {
                continue;
            }
            let newest = self.restoring.opened[slot as usize] - 1;
            if schedule.step(number, newest) < first_step {
                running.push(slot);
            } else if let Phase::Running(channel) = std::mem::take(phase) {
                // It opened in the very step that was not finished.
                *phase = Phase::Early(channel);
            }
        }
        self.steps.resume(first_step, running.into_iter());
        // What these sums leave out was checked when it was paid out.
        let (config, workload) = (self.config, self.workload);
        let allocation = |account| units(config, workload, &HashMap::new(), account).unwrap_or(0);
        self.parties.begin_at(chain, workload, allocation, taken);
        self.reconnect = true;
    }
}

impl From<RestoreError> for RunError {
    fn from(error: RestoreError) -> RunError {
        RunError::Restore(error)
    }
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreError::L1(error) => write!(f, "Layer 1's part of the log: {error}"),
            RestoreError::OtherGenesis => write!(
                f,
                "the log's Layer 1 began with other accounts than this run's"
            ),
            RestoreError::Record { slot, party, error } => {
                write!(f, "the record of slot {slot}, party {party:?}: {error}")
            }
            RestoreError::NoPlace {
                shard,
                key,
                problem,
            } => write!(f, "record {key} of shard {shard}: {problem}"),
            RestoreError::Apart { channel, rejection } => write!(
                f,
                "channel {}: its two ends do not fit together: {rejection}",
                channel.0
            ),
            RestoreError::Forged { channel, party } => write!(
                f,
                "channel {}: a signature in party {party:?}'s record is not its peer's",
                channel.0
            ),
        }
    }
}

impl std::error::Error for RestoreError {}
