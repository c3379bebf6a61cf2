//! The Layer 1 thread: merges the shards' steps in their logical order and seals each step's blocks
//! when every shard has passed it, whatever order the shards came in. In a durable run, a step goes
//! back to the shards when its blocks are durable.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::beginning::Logged;
use super::case::Case;
use super::chain_log::ChainLog;
use super::court::Court;
use super::error::RunError;
use super::shared::Shared;
use super::stage::{Stage, StageClock};
use super::steps::{Link, StepBatch, StepOutcome};
use crate::transcript::Recorder;
use duet_channels::protocol::Pair;
use duet_ledger::l1::{Chain, Executed, Header, Receipt, SubmitError};
use duet_log::Sequence;

/// What the Layer 1 thread hands over when it is done.
pub(super) struct Settled {
    pub(super) chain: Chain,
    pub(super) clock: StageClock,
    pub(super) court: Court,
    /// CPU time that Layer 1 had taken when the figures began, before the restart.
    pub(super) l1_cpu_before_ns: u64,
    /// When the last dispute was decided.
    pub(super) last_payout_ns: Option<u64>,
    /// What Layer 1's part of the durable log did.
    pub(super) log: Option<Logged>,
}

/// Settles every step from the first one on, and decides every dispute.
///
/// # Errors
/// If the log cannot be written.
#[expect(
    clippy::too_many_lines,
    reason = "the loop of Layer 1, and what it begins and ends with"
)]
pub(super) fn settle(
    chain: Chain,
    log: Option<ChainLog>,
    first: u64,
    shared: &Shared<'_>,
    links: &[Link],
    transactions: &AtomicU64,
    recorder: Option<Recorder>,
) -> Result<Settled, RunError> {
    let config = shared.config;
    let (delay, window) = (config.l1_delay_blocks, config.challenge_window_blocks);
    let mut desk = Desk {
        court: Court::new(config.backend, config.seed, delay, window),
        chain,
        clock: StageClock::of_thread(),
        step: Step {
            recorder,
            ..Step::default()
        },
        log,
        returning: VecDeque::new(),
    };
    if let Some(log) = &mut desk.log {
        log.attach();
    }
    if shared.await_figures() {
        desk.clock.begin_figures(Stage::Wait);
        if let Some(log) = &mut desk.log {
            log.metered().begin_figures();
        }
    }
    let before = *desk.chain.load();
    let mut inbound: Vec<Inbound<'_>> = links.iter().map(Inbound::new).collect();
    let mut last_payout_ns = None;
    let aborted = || shared.abort.load(Ordering::Relaxed);
    'steps: for number in first..shared.schedule.steps() {
        while !collect(&mut inbound) {
            if aborted() {
                break 'steps;
            }
            desk.give_back()?;
            desk.clock.lap(Stage::Wait, 1);
            std::thread::park_timeout(Duration::from_millis(20));
        }
        if inbound.iter().all(Inbound::ended) {
            break;
        }
        let (links, batches): (Vec<&Link>, Vec<StepBatch>) = inbound
            .iter_mut()
            .filter_map(|inbound| Some((inbound.link, inbound.take(number)?)))
            .unzip();
        desk.settle(links, batches)?;
        transactions.store(
            desk.chain.load().transactions - before.transactions,
            Ordering::Relaxed,
        );
        desk.clock.lap(Stage::Settle, 0);
        desk.give_back()?;
    }
    while !desk.returning.is_empty() && !aborted() {
        desk.await_durable()?;
        desk.give_back()?;
    }
    // Time passes until the last window is over.
    while !desk.court.is_empty() && !aborted() {
        let Desk {
            step,
            chain,
            court,
            clock,
            ..
        } = &mut desk;
        step.seal(chain, court, true, clock);
        transactions.store(
            chain.load().transactions - before.transactions,
            Ordering::Relaxed,
        );
        last_payout_ns = Some(shared.epoch.elapsed().as_nanos() as u64);
    }
    let settled = desk.chain.load().transactions - before.transactions;
    desk.clock.lap(Stage::Settle, settled as usize);
    (desk.clock).add(Stage::Settle, desk.chain.others_cpu_ns());
    let log = match desk.log {
        Some(log) if !aborted() => Some(log.finish()?),
        _ => None,
    };
    Ok(Settled {
        chain: desk.chain,
        clock: desk.clock,
        court: desk.court,
        l1_cpu_before_ns: before.cpu_ns,
        last_payout_ns,
        log,
    })
}

/// All that the Layer 1 thread works with.
struct Desk<'l> {
    chain: Chain,
    court: Court,
    clock: StageClock,
    step: Step,
    log: Option<ChainLog>,
    /// Steps that are settled and not durable yet: they go back when this commit is.
    returning: VecDeque<(Sequence, Vec<&'l Link>, Vec<StepBatch>)>,
}

impl<'l> Desk<'l> {
    fn settle(
        &mut self,
        links: Vec<&'l Link>,
        mut batches: Vec<StepBatch>,
    ) -> Result<(), RunError> {
        let Desk {
            chain,
            court,
            clock,
            step,
            ..
        } = self;
        step.settle(chain, court, &mut batches, clock);
        let sequence = match &mut self.log {
            None => 0,
            Some(log) => {
                clock.lap(Stage::Settle, 0);
                let sequence = log.commit(chain)?;
                clock.lap(Stage::Log, 0);
                sequence
            }
        };
        self.returning.push_back((sequence, links, batches));
        Ok(())
    }

    /// Gives the steps back whose blocks are durable.
    fn give_back(&mut self) -> Result<(), RunError> {
        let durable = match &self.log {
            None => 0,
            Some(log) => log.durable()?,
        };
        while let Some((_, links, batches)) =
            (self.returning).pop_front_if(|(sequence, ..)| *sequence <= durable)
        {
            for (link, batch) in links.into_iter().zip(batches) {
                link.to_shard(batch);
            }
        }
        Ok(())
    }

    fn await_durable(&mut self) -> Result<(), RunError> {
        self.clock.lap(Stage::Settle, 0);
        if let (Some(log), Some((sequence, ..))) = (&mut self.log, self.returning.front()) {
            log.wait(*sequence)?;
        }
        self.clock.lap(Stage::Wait, 1);
        Ok(())
    }
}

/// What has come from one shard and was not settled yet.
struct Inbound<'l> {
    link: &'l Link,
    batches: VecDeque<StepBatch>,
    /// The shard's last batch has come.
    last: bool,
}

impl<'l> Inbound<'l> {
    fn new(link: &'l Link) -> Inbound<'l> {
        Inbound {
            link,
            batches: VecDeque::new(),
            last: false,
        }
    }

    /// Nothing is left to settle, and nothing more will come.
    fn ended(&self) -> bool {
        self.last && self.batches.is_empty()
    }

    /// The shard's part of the next step; none if the shard ended before it.
    fn take(&mut self, step: u64) -> Option<StepBatch> {
        let batch = self.batches.pop_front()?;
        assert_eq!(batch.step, step, "shards send steps in order");
        Some(batch)
    }
}

/// Takes in what the shards sent; whether every shard has passed the next step.
fn collect(inbound: &mut [Inbound<'_>]) -> bool {
    for inbound in &mut *inbound {
        while let Some(batch) = inbound.link.at_l1() {
            inbound.last = batch.last;
            inbound.batches.push_back(batch);
        }
    }
    inbound
        .iter()
        .all(|inbound| inbound.last || !inbound.batches.is_empty())
}

/// Scratch memory of one step, reused.
#[derive(Default)]
struct Step {
    /// The step's transactions in their logical order, as (batch, place in it).
    order: Vec<(usize, usize)>,
    receipts: Vec<Receipt>,
    recorder: Option<Recorder>,
}

impl Step {
    fn settle(
        &mut self,
        chain: &mut Chain,
        court: &mut Court,
        batches: &mut [StepBatch],
        clock: &mut StageClock,
    ) {
        let mut cases: Vec<Case> = batches
            .iter_mut()
            .flat_map(|batch| batch.cases.drain(..))
            .collect();
        if !cases.is_empty() {
            clock.lap(Stage::Settle, 0);
            cases.sort_unstable_by_key(|case| case.session);
            for case in cases {
                court.take(case, chain.height());
            }
            clock.lap(Stage::Dispute, 0);
        }
        self.order.clear();
        for (at, batch) in batches.iter().enumerate() {
            self.order
                .extend((0..batch.transactions.len()).map(|place| (at, place)));
        }
        self.order
            .sort_unstable_by_key(|&(at, place)| batches[at].transactions[place].order);

        for ticket in 0..self.order.len() {
            let (at, place) = self.order[ticket];
            let bytes = &batches[at].bytes[batches[at].range(place)];
            let refused = loop {
                match chain.submit(ticket as u64, bytes) {
                    Ok(()) => break None,
                    // Pushed back: a block makes room.
                    Err(SubmitError::MempoolFull { .. } | SubmitError::MempoolBytesFull { .. }) => {
                        self.seal(chain, court, false, clock);
                    }
                    Err(SubmitError::AnswersInVain { .. }) => self.seal(chain, court, true, clock),
                    Err(SubmitError::Refused(refusal)) => break Some(refusal.name()),
                    Err(SubmitError::Malformed(_)) => break Some("l1_malformed"),
                    Err(SubmitError::TooLarge { .. } | SubmitError::TooManyItems { .. }) => {
                        break Some("l1_too_large");
                    }
                };
            };
            batches[at].transactions[place].outcome = refused.map(|name| StepOutcome::Refused {
                name,
                fee_paid: false,
            });
        }
        while chain.pending() > 0 {
            self.seal(chain, court, false, clock);
        }
        for receipt in self.receipts.drain(..) {
            let (at, place) = self.order[receipt.ticket as usize];
            batches[at].transactions[place].outcome = Some(outcome(&receipt));
        }
    }

    /// One block, and the court's part in it.
    fn seal(
        &mut self,
        chain: &mut Chain,
        court: &mut Court,
        even_empty: bool,
        clock: &mut StageClock,
    ) {
        if !court.is_empty() {
            clock.lap(Stage::Settle, 0);
            court.before_block(chain, clock);
            clock.lap(Stage::Dispute, 0);
        }
        let header = if even_empty {
            Some(chain.seal_even_empty(&mut self.receipts))
        } else {
            chain.seal(&mut self.receipts)
        };
        if let Some(recorder) = &mut self.recorder {
            clock.lap(Stage::Settle, 0);
            record_block(recorder, header, chain);
            clock.lap(Stage::Audit, 0);
        }
        if !court.is_empty() {
            clock.lap(Stage::Settle, 0);
            let ours = self.receipts.extract_if(.., |receipt| Court::owns(receipt));
            court.after_block(chain, ours, clock);
            clock.lap(Stage::Dispute, 0);
        }
    }
}

fn outcome(receipt: &Receipt) -> StepOutcome {
    match &receipt.outcome {
        Ok(Executed::Opened { .. }) => StepOutcome::Opened,
        Ok(Executed::Closed { payouts, version }) => StepOutcome::Closed {
            payouts: Pair {
                a: payouts.a.units(),
                b: payouts.b.units(),
            },
            version: *version,
        },
        Ok(
            Executed::Transferred
            | Executed::OpenedBatch { .. }
            | Executed::ClosedBatch { .. }
            | Executed::Posted { .. }
            | Executed::PaidOut { .. }
            | Executed::RolledOver { .. },
        ) => unreachable!("sessions open and close channels"),
        Ok(Executed::Failed(failure)) => StepOutcome::Refused {
            name: failure.name(),
            fee_paid: true,
        },
        Err(refusal) => StepOutcome::Refused {
            name: refusal.name(),
            fee_paid: false,
        },
    }
}

/// Records the block that was sealed, if any, and lets go of its body.
fn record_block(recorder: &mut Recorder, header: Option<Header>, chain: &mut Chain) {
    for body in chain.take_bodies() {
        let header = header.expect("a body is a block's");
        recorder.block(&header, &body);
    }
}
