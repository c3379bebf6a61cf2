//! One shard: the channels of its slots, and the loop that moves them. Shares nothing with other
//! shards and takes no lock; its only links are the two queues to and from Layer 1.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::thread::Thread;
use std::time::Duration;

use super::accounts::Parties;
use super::acknowledgements::Acknowledgements;
use super::arrivals::{ArrivalQueue, ScheduleEnd};
use super::attack::Attacks;
use super::beginning::{Before, Logged};
use super::case::{Case, Parley};
use super::config::Config;
use super::error::RunError;
use super::fault::Faults;
use super::flight::{Flight, MOST_ENTRIES};
use super::journal::Journal;
use super::latency::Latencies;
use super::pace::{AtEnd, Pace};
use super::planted::Planted;
use super::restoring::ShardRestoring;
use super::schedule::ShardOf;
use super::shared::{ShardProgress, Shared};
use super::slot::{At, Phase, Slot};
use super::stage::{Stage, StageClock};
use super::steps::{Link, Steps};
use super::tally::Tally;
use super::workload::Workload;
use crate::crypto::{Domain, Hasher};
use crate::legs::Legs;
use crate::protocol::Payment;
use crate::transcript::Recorder;

/// Channels with something to do, in the order in which they got it.
pub(super) struct Ready {
    queue: VecDeque<u32>,
    queued: Vec<bool>,
}

/// One shard.
pub(super) struct Shard<'w> {
    pub(super) config: &'w Config,
    pub(super) workload: &'w dyn Workload,
    pub(super) shared: &'w Shared<'w>,
    pub(super) link: &'w Link,
    pub(super) progress: &'w ShardProgress,
    pub(super) l1: Option<Thread>,

    pub(super) of: ShardOf,
    pub(super) slots: Vec<Slot>,
    pub(super) parties: Parties,

    pub(super) ready: Ready,
    pub(super) finishing: Vec<u32>,
    pub(super) attacked: Vec<u32>,
    pub(super) attacks: Attacks,
    pub(super) arrivals: ArrivalQueue,
    pub(super) steps: Steps,
    /// No session opens any more, and no payment comes due.
    pub(super) draining: bool,
    /// Where the schedule ends, once that is known.
    pub(super) end: Option<ScheduleEnd>,
    /// How it kept up by then.
    pub(super) at_end: Option<AtEnd>,
    /// Draining: until when payments that had come due by then are served.
    pub(super) serving_until_ns: Option<u64>,

    /// What a wave has drawn, reused.
    pub(super) payments: Vec<Payment>,
    /// Flights that no wave needs at the moment.
    pub(super) hangar: Vec<Flight>,
    /// Durable runs: the wave whose proposals, and the one whose answers, are being made durable.
    pub(super) proposed: Option<Flight>,
    pub(super) answered: Option<Flight>,
    pub(super) journal: Option<Journal>,
    pub(super) restoring: ShardRestoring,
    /// The run goes on after a restart: the ends' links are to be brought up first.
    pub(super) reconnect: bool,
    pub(super) acknowledgements: Option<Acknowledgements>,
    pub(super) payer: Legs<At>,
    pub(super) payee: Legs<At>,
    /// What is said between the parties of a channel once one of them cheats.
    pub(super) contest: Legs<()>,
    pub(super) faults: Faults,
    pub(super) planted: Option<Planted>,

    pub(super) clock: StageClock,
    /// What was done before the figures began.
    pub(super) before: Before,
    pub(super) latency: Latencies,
    pub(super) value_at_risk: u64,
    /// When the first wave was completed.
    pub(super) first_completion_ns: Option<u64>,
    pub(super) last_completion_ns: u64,
    /// When the first wave was drawn, and how many sessions were open by then.
    pub(super) first_wave_ns: Option<u64>,
    pub(super) opened_before_paying: u64,
    /// The process's CPU time then, and when the last wave was completed.
    pub(super) cpu_before_paying_ns: Option<u64>,
    pub(super) cpu_after_paying_ns: u64,
    /// When sessions were closed since the last wave was completed, and how many: a millisecond's together.
    pub(super) closed_since: Vec<(u64, u64)>,
    pub(super) tally: Tally,
    pub(super) recorder: Option<Recorder>,
}

/// What a shard hands over when it is done.
pub(super) struct ShardOutcome {
    pub(super) tally: Tally,
    pub(super) parties: Parties,
    /// What the shard's part of the durable log did.
    pub(super) log: Option<Logged>,
    pub(super) clock: StageClock,
    pub(super) before: Before,
    pub(super) latency: Latencies,
    pub(super) legs: [Legs<At>; 2],
    pub(super) value_at_risk: u64,
    pub(super) bytes: u64,
    pub(super) pace: Pace,
    pub(super) first_wave_ns: Option<u64>,
    pub(super) last_completion_ns: u64,
    pub(super) opened_before_paying: u64,
    pub(super) cpu_before_paying_ns: Option<u64>,
    pub(super) cpu_after_paying_ns: u64,
    pub(super) closed_since: Vec<(u64, u64)>,
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
            config,
            workload,
            schedule,
            ..
        } = *shared;
        let slots = parties.slots();
        let share = of.sessions(&schedule) as f64 / schedule.sessions() as f64;
        let backend = config.backend;
        Shard {
            config,
            workload,
            shared,
            link,
            progress,
            l1: None,
            of,
            slots: (0..slots).map(|_| Slot::default()).collect(),
            parties,
            ready: Ready {
                queue: VecDeque::new(),
                queued: vec![false; slots],
            },
            finishing: Vec::new(),
            attacked: Vec::new(),
            attacks: Attacks::new(config.seed, &config.attacks),
            arrivals: ArrivalQueue::new(
                &config.arrivals,
                slots,
                share,
                arrival_seed(config.seed, of.index),
                config.rules.cosign_every,
                config.cosign_after,
            )
            .lasting(config.duration),
            steps: Steps::new(schedule, of),
            draining: false,
            end: None,
            at_end: None,
            serving_until_ns: None,
            payments: Vec::with_capacity(MOST_ENTRIES),
            hangar: Vec::new(),
            proposed: None,
            answered: None,
            journal: None,
            restoring: ShardRestoring::default(),
            reconnect: false,
            acknowledgements: None,
            payer: Legs::with_room(backend, MOST_ENTRIES),
            payee: Legs::with_room(backend, MOST_ENTRIES),
            contest: Legs::with_room(backend, 0),
            faults: Faults::new(&config.faults),
            planted: Planted::new(config.planted_slowdown),
            clock: StageClock::from_now(),
            before: Before::default(),
            latency: Latencies::new(),
            value_at_risk: 0,
            first_completion_ns: None,
            last_completion_ns: 0,
            first_wave_ns: None,
            opened_before_paying: 0,
            cpu_before_paying_ns: None,
            cpu_after_paying_ns: 0,
            closed_since: Vec::new(),
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
        if self.reconnect {
            self.reconnect()?;
            self.links_are_up()?;
        }
        while !self.steps.done() && !self.shared.abort.load(Ordering::Relaxed) {
            self.arrive();
            let mut busy = self.send_steps();
            busy |= self.read_receipts();
            let (completed, moved) = self.fly()?;
            busy |= moved || !self.attacked.is_empty();
            self.contest();
            if completed > 0 {
                self.progress
                    .payments
                    .fetch_add(completed, Ordering::Relaxed);
            }
            if !busy {
                self.wait();
            }
        }
        let pace = self.pace();
        let log = if self.shared.abort.load(Ordering::Relaxed) {
            None
        } else {
            self.judge_pace(pace);
            self.close_journal()?
        };
        // A shard that never pays has opened all of its own before the others pay.
        let opened_before_paying = match self.first_wave_ns {
            Some(_) => self.opened_before_paying,
            None => self.tally.sessions_opened,
        };
        Ok(ShardOutcome {
            log,
            tally: self.tally,
            parties: self.parties,
            clock: self.clock,
            before: self.before,
            latency: self.latency,
            bytes: self.hangar.iter().map(Flight::carried).sum(),
            legs: [self.payer, self.payee],
            value_at_risk: self.value_at_risk,
            pace,
            first_wave_ns: self.first_wave_ns,
            last_completion_ns: self.last_completion_ns,
            opened_before_paying,
            cpu_before_paying_ns: self.cpu_before_paying_ns,
            cpu_after_paying_ns: self.cpu_after_paying_ns,
            closed_since: self.closed_since,
        })
    }

    /// Decides what a running channel does next: pay, wait for arrivals, or finish.
    pub(super) fn requeue(&mut self, slot: u32) {
        let now_ns = self.now_ns();
        let Phase::Running(channel) = &mut self.slots[slot as usize].phase else {
            return;
        };
        if channel.aloft {
            return;
        }
        channel.pause();
        let waits = self.arrivals.waits_at(slot);
        if channel.left() == 0 || self.draining && !waits {
            assert!(!waits, "no more payments come due than a session has");
            channel.aloft = true;
            if channel.is_attacked() {
                self.attacked.push(slot);
            } else {
                self.finishing.push(slot);
            }
        } else if self.arrivals.available(slot, now_ns, channel.left()) > 0 {
            self.ready.push(slot);
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
        let phase = &mut self.slots[slot as usize].phase;
        let channel = match std::mem::replace(phase, Phase::Vacant) {
            Phase::Running(channel) => channel,
            // Two messages of one channel were refused in one wave.
            other => {
                *phase = other;
                return Ok(());
            }
        };
        if self.config.log.is_some() {
            let session = channel.session;
            return Err(RunError::Stopped { session, name });
        }
        let plan = self.workload.session(channel.session);
        self.tally.count(&channel, plan.payments);
        let now_ns = self.shared.now_ns();
        let response = &mut self.latency.response;
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
        *phase = Phase::Contested(Box::new(case));
        self.steps.session_ended(slot);
        Ok(())
    }

    /// Cheaters begin to cheat.
    fn contest(&mut self) {
        for slot in std::mem::take(&mut self.attacked) {
            let phase = &mut self.slots[slot as usize].phase;
            let Phase::Running(mut channel) = std::mem::replace(phase, Phase::Vacant) else {
                unreachable!("slot {slot} runs");
            };
            let plan = self.workload.session(channel.session);
            self.tally.count(&channel, plan.payments);
            let cheat = channel.cheat.take().expect("somebody cheats");
            let mut parley = Parley {
                pairs: &self.parties.pairs,
                places: self.parties.places(slot),
                legs: &mut self.contest,
            };
            let case = Case::begin(channel, &plan, &cheat, &mut parley);
            *phase = Phase::Contested(Box::new(case));
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

impl Ready {
    pub(super) fn push(&mut self, slot: u32) {
        if !std::mem::replace(&mut self.queued[slot as usize], true) {
            self.queue.push_back(slot);
        }
    }

    pub(super) fn pop(&mut self) -> Option<u32> {
        let slot = self.queue.pop_front()?;
        self.queued[slot as usize] = false;
        Some(slot)
    }

    pub(super) fn clear(&mut self) {
        while self.pop().is_some() {}
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
