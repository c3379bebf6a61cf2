//! What stands where Layer 1's thread does on a machine that has none: hands the shards' steps to
//! machine 0, and their outcomes back.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use duet_fabric::{Batch, FabricError, Gate};

use super::shared::Shared;
use super::stage::{Stage, StageClock};
use super::step_bytes::{decode_outcomes, encode_step};
use super::steps::{Link, StepBatch};

/// For how long a thread parks with nothing to do. A shard with a step wakes it.
pub(super) const LONGEST_PARK: Duration = Duration::from_millis(20);

/// A batch's tag: no more payments are to be made.
pub(super) const STOP: u32 = 1;
/// A batch's tag: it is of no step, and says what its tag says.
pub(super) const WORD: u32 = 2;

/// How far the shards of this machine are.
pub(super) struct Outbound<'l> {
    links: &'l [Link],
    /// Of each shard: the steps below which it has sent all.
    passed: Vec<u64>,
    /// Steps that are on their way.
    pub(super) sent: Vec<VecDeque<StepBatch>>,
    first_shard: u32,
    has_told_stop: bool,
}

impl<'l> Outbound<'l> {
    pub(super) fn new(links: &'l [Link], shared: &Shared<'_>) -> Outbound<'l> {
        let config = shared.config;
        Outbound {
            links,
            passed: vec![0; links.len()],
            sent: links.iter().map(|_| VecDeque::new()).collect(),
            first_shard: config.place.machine * config.shards,
            has_told_stop: false,
        }
    }

    /// Sends what the shards have, with these bytes of each step. Gives how many steps there were.
    pub(super) fn send(
        &mut self,
        gate: &mut Gate,
        shared: &Shared<'_>,
        encode: impl Fn(&StepBatch, &mut Vec<u8>),
    ) -> usize {
        let mut count = 0;
        for (at, link) in self.links.iter().enumerate() {
            while let Some(batch) = link.at_l1() {
                let mut bytes = Vec::new();
                encode(&batch, &mut bytes);
                gate.send(Batch::new(
                    batch.step,
                    self.first_shard + at as u32,
                    0,
                    bytes,
                ));
                self.passed[at] = if batch.last { u64::MAX } else { batch.step + 1 };
                self.sent[at].push_back(batch);
                count += 1;
            }
        }
        let passed = self.passed.iter().copied().min().unwrap_or(u64::MAX);
        // A step may be far away: its shards pay until then.
        if shared.stop.load(Ordering::Relaxed) && !self.has_told_stop && passed < u64::MAX {
            gate.send(Batch::new(
                passed,
                self.first_shard,
                STOP | WORD,
                Vec::new(),
            ));
            self.has_told_stop = true;
        }
        gate.pass(passed);
        count
    }

    /// All steps were sent, and have come back.
    fn is_done(&self) -> bool {
        let all_sent = self.passed.iter().all(|passed| *passed == u64::MAX);
        all_sent && self.sent.iter().all(VecDeque::is_empty)
    }

    /// Which of this machine's shards it is, counted from 0.
    fn own(&self, shard: u32) -> Option<usize> {
        let at = shard.checked_sub(self.first_shard)? as usize;
        (at < self.links.len()).then_some(at)
    }

    /// Gives a step back to its shard.
    pub(super) fn give_back(&self, at: usize, batch: StepBatch) {
        self.links[at].to_shard(batch);
    }
}

/// Relays until all steps of this machine's shards have come back.
///
/// # Errors
/// If another machine falls, or answers what makes no sense.
pub(super) fn relay(
    gate: &mut Gate,
    shared: &Shared<'_>,
    links: &[Link],
    clock: &mut StageClock,
) -> Result<(), FabricError> {
    let mut outbound = Outbound::new(links, shared);
    while !outbound.is_done() && !shared.abort.load(Ordering::Relaxed) {
        let count = outbound.send(gate, shared, encode_step);
        gate.turn(if count > 0 {
            Duration::ZERO
        } else {
            LONGEST_PARK
        })?;
        while let Some(answer) = gate.answered() {
            if answer.tag & STOP != 0 {
                shared.stop.store(true, Ordering::Relaxed);
            }
            if answer.tag & WORD != 0 {
                continue;
            }
            let step = outbound.own(answer.from).and_then(|at| {
                let mut step = outbound.sent[at].pop_front()?;
                let is_its = step.step == answer.step;
                decode_outcomes(answer.body(), &mut step).filter(|()| is_its)?;
                Some((at, step))
            });
            let (at, step) =
                step.ok_or_else(|| gate.refuse(0, "outcomes of no step of this machine"))?;
            outbound.give_back(at, step);
        }
        clock.lap(Stage::Fabric, count);
    }
    Ok(())
}
