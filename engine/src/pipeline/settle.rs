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
    let mut arrived: Vec<VecDeque<StepBatch>> = links.iter().map(|_| VecDeque::new()).collect();
    let mut step = Step::default();
    for number in 0..shared.schedule.steps() {
        while !collect(links, &mut arrived) {
            if shared.abort.load(Ordering::Relaxed) {
                return (chain, clock);
            }
            clock.lap(Stage::Wait, 1);
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let batches = arrived.iter_mut().map(|queue| {
            let batch = queue.pop_front().expect("every shard has passed the step");
            assert_eq!(batch.step, number, "shards send steps in order");
            batch
        });
        let batches = step.settle(&mut chain, batches.collect());
        transactions.store(chain.load().transactions, Ordering::Relaxed);
        clock.lap(Stage::Settle, step.order.len());
        for (link, batch) in links.iter().zip(batches) {
            link.to_shard(batch);
        }
    }
    clock.lap(Stage::Settle, 0);
    (chain, clock)
}

/// Takes in what the shards sent; whether every shard has passed the next step.
fn collect(links: &[Link], arrived: &mut [VecDeque<StepBatch>]) -> bool {
    for (link, queue) in links.iter().zip(&mut *arrived) {
        while let Some(batch) = link.at_l1() {
            queue.push_back(batch);
        }
    }
    arrived.iter().all(|queue| !queue.is_empty())
}

/// Scratch memory of one step, reused.
#[derive(Default)]
struct Step {
    /// The step's transactions in their logical order, as (batch, place in it).
    order: Vec<(usize, usize)>,
    receipts: Vec<Receipt>,
}

impl Step {
    fn settle(&mut self, chain: &mut Chain, mut batches: Vec<StepBatch>) -> Vec<StepBatch> {
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
                    Err(SubmitError::TooLarge { .. }) => break Some("l1_too_large"),
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
        batches
    }
}

fn outcome(receipt: &Receipt) -> StepOutcome {
    match receipt.outcome {
        Ok(Executed::Opened { .. }) => StepOutcome::Opened,
        Ok(Executed::Closed { payouts, version }) => StepOutcome::Closed {
            payouts: Pair {
                a: payouts.a.units(),
                b: payouts.b.units(),
            },
            version,
        },
        Ok(Executed::Transferred) => unreachable!("sessions open and close channels"),
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
