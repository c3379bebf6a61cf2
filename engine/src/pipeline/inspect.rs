//! Reads the log of a run as a restart would, checks all of it, and tells what is there. Writes
//! nothing.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crossbeam::utils::CachePadded;
use rayon::prelude::*;

use super::accounts::{Accounts, Parties};
use super::accounts::{CHANNELS, units};
use super::config::Config;
use super::error::RunError;
use super::restore::{Purpose, parties_and_log};
use super::schedule::Schedule;
use super::shard::Shard;
use super::shared::Beginning;
use super::shared::{ShardProgress, Shared};
use super::slot::{Channel, SlotState};
use super::stage::StageClock;
use super::steps::{Link, batches};
use super::threads;
use super::workload::Workload;
use duet_channels::crypto::Digest;
use duet_channels::protocol::{ChannelId, Pair};

/// What a log holds.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Every channel that was opened, closed ones among them.
    pub channels: Vec<ChannelFound>,
    /// Sessions whose channel Layer 1 has closed.
    pub sessions_closed: u64,
    /// The versions at which it has closed them, in sum.
    pub settled: u64,
    /// Each of them at all of its session's payments: none was cut short or refused.
    pub settled_in_full: bool,
    /// Layer 1's height.
    pub height: u64,
    /// The hash of its last block.
    pub tip: Digest,
    /// Commits that a crash interrupted, one sentence each.
    pub cut: Vec<String>,
}

/// One channel of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelFound {
    /// Whose it is.
    pub session: u64,
    /// Which.
    pub channel: ChannelId,
    /// How far its ends are; none if Layer 1 has closed it.
    pub open: Option<OpenChannel>,
}

/// How far the ends of an open channel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenChannel {
    /// The newest version that each has signed.
    pub signed: Pair<u64>,
    /// The newest version that each holds with both signatures.
    pub held: Pair<u64>,
}

/// Reads the log that `config` names, of this very run.
///
/// # Errors
/// As [`run`](super::run()). Nothing is written, and nothing need be writable.
///
/// # Panics
/// If `config` names no log.
pub fn inspect(config: &Config, workload: &dyn Workload) -> Result<Inspection, RunError> {
    threads::pool()?;
    let schedule = Schedule::new(workload.sessions(), config.concurrent);
    let (parties, log) = parties_and_log(config, workload, &schedule, Purpose::Inspect)?;
    let mut log = log.expect("a log to inspect");
    let units = |account| units(config, workload, 0, account);
    let chain = {
        let parties: Vec<&Parties> = parties.iter().map(|(_, parties)| parties).collect();
        let accounts = Accounts::of(&parties, config, workload, units)?;
        let genesis = accounts.genesis(CHANNELS);
        log.chain(&genesis.id(&config.l1))?
    };
    let chain = chain.ok_or(RunError::NotBegun)?;
    let stop = AtomicBool::new(false);
    let shared = Shared {
        config,
        workload,
        schedule,
        genesis: *chain.genesis(),
        epoch: Instant::now(),
        stop: &stop,
        abort: AtomicBool::new(false),
        beginning: Beginning::default(),
        paces: Mutex::new(Vec::new()),
    };
    let links: Vec<Link> = parties
        .iter()
        .map(|_| Link::new(batches(config, &schedule)))
        .collect();
    let progress = CachePadded::<ShardProgress>::default();
    let mut shards: Vec<Shard<'_>> = parties
        .into_par_iter()
        .zip(&links)
        .map(|((of, parties), link)| Shard::new(&shared, of, parties, link, &progress))
        .collect();
    log.restore(&mut shards, &chain)?;
    let found = shards.par_iter().map(Shard::found);
    let mut channels = found.flatten().collect::<Vec<ChannelFound>>();
    // The ends meet as they would if the run went on: a log whose links cannot come up is not in
    // order.
    shards.par_iter_mut().try_for_each(|shard| {
        shard.clock = StageClock::from_now();
        shard.reconnect()
    })?;
    channels.par_sort_unstable_by_key(|found| found.session);
    let closed = channels.iter().filter(|found| found.open.is_none());
    Ok(Inspection {
        sessions_closed: closed.count() as u64,
        settled: shards.iter().map(|shard| shard.tally.counts.settled).sum(),
        settled_in_full: (shards.iter())
            .all(|shard| shard.tally.counts.sessions_cut == 0 && shard.tally.counts.refused == 0),
        channels,
        height: chain.height(),
        tip: *chain.tip(),
        cut: log.cut(),
    })
}

impl Shard<'_> {
    /// Whether a slot has had this channel before the restart.
    pub(super) fn has_had(&self, channel: &ChannelId) -> bool {
        self.found().iter().any(|found| found.channel == *channel)
    }

    /// The channels that the slots have had so far.
    fn found(&self) -> Vec<ChannelFound> {
        let mut found = Vec::with_capacity(self.slots.len());
        for (slot, held) in (0..).zip(&self.slots) {
            let number = self.parties.of.number(slot);
            for generation in 0..self.restoring.opened(slot) {
                let session = self.shared.schedule.session(number, generation);
                found.push(match &held.state {
                    SlotState::Running(channel) if channel.session == session => {
                        ChannelFound::open(channel)
                    }
                    _ => ChannelFound {
                        session,
                        channel: (self.terms(slot, &self.shared.workload.session(session)))
                            .channel_id(),
                        open: None,
                    },
                });
            }
        }
        found
    }
}

impl ChannelFound {
    fn open(channel: &Channel) -> ChannelFound {
        ChannelFound {
            session: channel.session,
            channel: *channel.ends.a.channel(),
            open: Some(OpenChannel {
                signed: Pair::each(|party| channel.ends[party].signed().version()),
                held: Pair::each(|party| channel.ends[party].held_version()),
            }),
        }
    }
}
