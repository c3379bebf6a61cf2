//! One shard: the channels of its slots, and the loop that moves them. Shares nothing with other
//! shards and takes no lock; its only links are the two queues to and from Layer 1.

use std::sync::atomic::Ordering;
use std::thread::Thread;
use std::time::Duration;

use super::accounts::Parties;
use super::arrivals::ArrivalQueue;
use super::beginning::Logged;
use super::case::{Case, Parley};
use super::error::RunError;
use super::gauges::Gauges;
use super::journal::Journal;
use super::line::Line;
use super::mischief::Mischief;
use super::pace::{Ending, Pace};
use super::restoring::ShardRestoring;
use super::schedule::ShardOf;
use super::shared::{ShardProgress, Shared};
use super::slot::{At, Slot, SlotState};
use super::stage::{Stage, StageClock};
use super::steps::{Link, Steps, batches};
use super::tally::Tally;
use super::waves::{MOST_ENTRIES, Waves};
use crate::transcript::Recorder;
use duet_channels::crypto::{Domain, Hasher};
use duet_channels::legs::Legs;

/// One shard.
pub(super) struct Shard<'w> {
    pub(super) shared: &'w Shared<'w>,
    pub(super) link: &'w Link,
    pub(super) progress: &'w ShardProgress,
    pub(super) l1: Option<Thread>,

    pub(super) slots: Vec<Slot>,
    pub(super) parties: Parties,
    pub(super) line: Line,
    pub(super) arrivals: ArrivalQueue,
    pub(super) ending: Ending,
    pub(super) steps: Steps,

    pub(super) waves: Waves,
    pub(super) payer: Legs<At>,
    pub(super) payee: Legs<At>,
    /// Only of durable runs.
    pub(super) journal: Option<Journal>,
    pub(super) restoring: ShardRestoring,
    pub(super) mischief: Mischief,

    pub(super) clock: StageClock,
    pub(super) gauges: Gauges,
    pub(super) tally: Tally,
    pub(super) recorder: Option<Recorder>,
}

/// What a shard hands over when it is done.
pub(super) struct ShardOutcome {
    pub(super) tally: Tally,
    pub(super) gauges: Gauges,
    pub(super) pace: Pace,
    pub(super) clock: StageClock,
    pub(super) parties: Parties,
    pub(super) legs: [Legs<At>; 2],
    /// Bytes that its waves carried.
    pub(super) bytes: u64,
    /// What the shard's part of the durable log did.
    pub(super) log: Option<Logged>,
}

impl<'w> Shard<'w> {
    /// A shard of these parties' slots, all of them vacant.
    pub(super) fn new(
        shared: &'w Shared<'w>,
        of: ShardOf,
        parties: Parties,
        link: &'w Link,
        progress: &'w ShardProgress,
    ) -> Shard<'w> {
        let Shared {
            config, schedule, ..
        } = *shared;
        let slots = parties.slots();
        let share = of.sessions(&schedule) as f64 / schedule.sessions() as f64;
        let arrivals = ArrivalQueue::new(
            &config.arrivals,
            slots,
            share,
            arrival_seed(config.seed, of.index),
            config.rules.cosign_every,
            config.cosign_after,
        );
        Shard {
            shared,
            link,
            progress,
            l1: None,
            slots: (0..slots).map(|_| Slot::default()).collect(),
            parties,
            line: Line::new(slots),
            arrivals: arrivals.lasting(config.duration),
            ending: Ending::default(),
            steps: Steps::new(schedule, of, batches(config, &schedule)),
            waves: Waves::new(),
            payer: Legs::with_room(config.backend, MOST_ENTRIES),
            payee: Legs::with_room(config.backend, MOST_ENTRIES),
            journal: None,
            restoring: ShardRestoring::default(),
            mischief: Mischief::new(config),
            clock: StageClock::from_now(),
            gauges: Gauges::new(),
            tally: Tally::default(),
            recorder: None,
        }
    }

    /// Runs on the calling thread until every session of its slots is closed.
    ///
    /// # Errors
    /// If the log or a file cannot be written. Nothing leaves the parties from then on.
    pub(super) fn run(mut self, l1: Thread) -> Result<ShardOutcome, RunError> {
        self.l1 = Some(l1);
        self.clock = StageClock::of_thread();
        self.link.attach();
        if let Some(journal) = &mut self.journal {
            journal.attach();
        }
        if self.restoring.reconnect {
            self.reconnect()?;
            self.links_are_up()?;
        }
        while !self.steps.done() && !self.shared.abort.load(Ordering::Relaxed) {
            self.arrive();
            let mut busy = self.send_steps();
            busy |= self.read_receipts();
            let (completed, moved) = self.move_waves()?;
            busy |= moved || !self.line.attacked.is_empty();
            self.contest();
            if completed > 0 {
                self.progress.completed(completed, &self.gauges.latency);
            }
            if !busy {
                self.wait();
            }
        }
        if self.shared.config.watching.latencies {
            self.progress.tell(&self.gauges.latency);
        }
        let pace = self.pace();
        let log = if self.shared.abort.load(Ordering::Relaxed) {
            None
        } else {
            self.judge_pace(pace);
            self.close_journal()?
        };
        if self.gauges.first_wave_ns.is_none() {
            // One that never pays has opened all of its own before the others pay.
            self.gauges.opened_before_paying = self.tally.counts.sessions_opened;
        }
        Ok(ShardOutcome {
            tally: self.tally,
            gauges: self.gauges,
            pace,
            clock: self.clock,
            parties: self.parties,
            bytes: self.waves.carried(),
            legs: [self.payer, self.payee],
            log,
        })
    }

    /// Decides what a running channel does next: pay, wait for arrivals, or finish.
    pub(super) fn requeue(&mut self, slot: u32) {
        let now_ns = self.now_ns();
        let SlotState::Running(channel) = &mut self.slots[slot as usize].state else {
            return;
        };
        if channel.busy {
            return;
        }
        channel.pause();
        let waits = self.arrivals.waits_at(slot);
        if channel.left() == 0 || self.ending.draining && !waits {
            assert!(!waits, "no more payments come due than a session has");
            channel.busy = true;
            if channel.is_attacked() {
                self.line.attacked.push(slot);
            } else {
                self.line.finishing.push(slot);
            }
        } else if self.arrivals.available(slot, now_ns, channel.left()) > 0 {
            self.line.ready.push(slot);
        } else {
            self.arrivals.served(slot);
        }
    }

    /// A rule was broken in a channel: it goes to court (rule S8), and no other is touched.
    ///
    /// # Errors
    /// In a durable run: both ends are honest, and so is the link between them. The log has the
    /// channel as it was before.
    pub(super) fn stop_channel(&mut self, slot: u32, name: &'static str) -> Result<(), RunError> {
        let state = &mut self.slots[slot as usize].state;
        let channel = match std::mem::replace(state, SlotState::Vacant) {
            SlotState::Running(channel) => channel,
            // Two messages of one channel were refused in one wave.
            other => {
                *state = other;
                return Ok(());
            }
        };
        if self.shared.config.log.is_some() {
            let session = channel.session;
            return Err(RunError::Stopped { session, name });
        }
        let plan = self.shared.workload.session(channel.session);
        self.tally.count(&channel, plan.payments);
        let now_ns = self.shared.now_ns();
        let response = &mut self.gauges.latency.response;
        self.arrivals.withdraw(slot, now_ns, |age_ns, payments| {
            response.record(age_ns, payments);
        });
        let spoilt = channel
            .cheat
            .as_ref()
            .map_or(0, |cheat| cheat.poisoned_payments);
        let case = if spoilt > 0 {
            Case::poisoned(channel, &plan, name)
        } else {
            self.tally.count_stop(channel.session, name);
            Case::stopped(channel, &plan)
        };
        *state = SlotState::Disputed(Box::new(case));
        self.steps.session_ended(slot);
        Ok(())
    }

    /// Cheaters begin to cheat.
    fn contest(&mut self) {
        for slot in std::mem::take(&mut self.line.attacked) {
            let state = &mut self.slots[slot as usize].state;
            let SlotState::Running(mut channel) = std::mem::replace(state, SlotState::Vacant)
            else {
                unreachable!("slot {slot} runs");
            };
            let plan = self.shared.workload.session(channel.session);
            self.tally.count(&channel, plan.payments);
            let cheat = channel.cheat.take().expect("somebody cheats");
            let mut parley = Parley {
                pairs: &self.parties.pairs,
                places: self.parties.places(slot),
                legs: &mut self.mischief.contest,
            };
            let case = Case::begin(channel, &plan, &cheat, &mut parley);
            *state = SlotState::Disputed(Box::new(case));
            self.steps.session_ended(slot);
            self.clock.lap(Stage::Dispute, 1);
        }
    }

    /// Waits for Layer 1 or for the next arrival. Short waits are spun through: a thread that was
    /// put to sleep comes back late by more than they last.
    fn wait(&mut self) {
        const SPIN: Duration = Duration::from_micros(200);
        const LONGEST: Duration = Duration::from_millis(20);
        let due = self
            .arrivals
            .next_ns()
            .map(|due_ns| Duration::from_nanos(due_ns.saturating_sub(self.now_ns())));
        match due {
            Some(due) if due < SPIN => std::hint::spin_loop(),
            Some(due) => std::thread::park_timeout((due - SPIN).min(LONGEST)),
            None => std::thread::park_timeout(LONGEST),
        }
        self.clock.lap(Stage::Wait, 1);
    }

    /// Nanoseconds since the run's epoch.
    pub(super) fn now_ns(&self) -> u64 {
        self.shared.now_ns()
    }
}

fn arrival_seed(seed: u64, shard: u64) -> [u8; 32] {
    let mut hasher = Hasher::new(Domain::Genesis);
    hasher
        .update(b"benchmark arrivals")
        .update(&seed.to_le_bytes())
        .update(&shard.to_le_bytes());
    hasher.finish().0
}
