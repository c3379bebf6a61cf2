//! The Layer 1 thread: merges the shards' steps in their logical order and seals each step's
//! blocks when every shard has passed it, whatever order the shards came in.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::shard::Shared;
use super::stage::{Stage, StageClock};
use super::steps::{Link, StepBatch, StepOutcome};
use crate::l1::{Chain, Executed, Receipt, SubmitError};
use crate::protocol::Pair;

/// Settles every step; gives the chain and the thread's stage costs back.
pub(super) fn settle(
    mut chain: Chain,
    shared: &Shared<'_>,
    links: &[Link],
    transactions: &AtomicU64,
) -> (Chain, StageClock) {
    let mut clock = StageClock::start();
    let mut inbound: Vec<Inbound<'_>> = links.iter().map(Inbound::new).collect();
    let mut step = Step::default();
    for number in 0..shared.schedule.steps() {
        while !collect(&mut inbound) {
            if shared.abort.load(Ordering::Relaxed) {
                return (chain, clock);
            }
            clock.lap(Stage::Wait, 1);
            std::thread::park_timeout(Duration::from_millis(20));
        }
        if inbound.iter().all(Inbound::ended) {
            break;
        }
        let (links, mut batches): (Vec<&Link>, Vec<StepBatch>) = inbound
            .iter_mut()
            .filter_map(|inbound| Some((inbound.link, inbound.take(number)?)))
            .unzip();
        step.settle(&mut chain, &mut batches);
        transactions.store(chain.load().transactions, Ordering::Relaxed);
        clock.lap(Stage::Settle, step.order.len());
        for (link, batch) in links.into_iter().zip(batches) {
            link.to_shard(batch);
        }
    }
    clock.lap(Stage::Settle, 0);
    (chain, clock)
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
}

impl Step {
    fn settle(&mut self, chain: &mut Chain, batches: &mut [StepBatch]) {
        self.order.clear();
        for (at, batch) in batches.iter().enumerate() {
            self.order
                .extend((0..batch.transactions.len()).map(|place| (at, place)));
        }
        self.order
            .sort_unstable_by_key(|&(at, place)| batches[at].transactions[place].order);

        for (ticket, &(at, place)) in self.order.iter().enumerate() {
            let bytes = &batches[at].bytes[batches[at].range(place)];
            let refused = loop {
                match chain.submit(ticket as u64, bytes) {
                    Ok(()) => break None,
                    // Pushed back: a block makes room.
                    Err(SubmitError::MempoolFull { .. }) => chain.seal(&mut self.receipts),
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
            chain.seal(&mut self.receipts);
        }
        for receipt in self.receipts.drain(..) {
            let (at, place) = self.order[receipt.ticket as usize];
            batches[at].transactions[place].outcome = Some(outcome(&receipt));
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
