//! Where Layer 1's steps come from, and go back to: the shards of this process, and those of other
//! machines, whose steps come through a gate.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use duet_fabric::{Batch, Gate, Waited};

use super::error::RunError;
use super::relay::{LONGEST_PARK, Outbound, STOP, WORD};
use super::shared::Shared;
use super::stage::{Stage, StageClock};
use super::step_bytes::{decode_step, encode_outcomes};
use super::steps::{Link, StepBatch};

/// All shards' ways to Layer 1.
pub(super) enum Inlet<'l> {
    /// All shards are in this process.
    Shards(Vec<Inbound<'l>>),
    /// Some are on other machines.
    Machines(Box<FromMachines<'l>>),
}

/// Whom a step goes back to.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    /// Over all machines.
    shard: u32,
}

impl<'l> Inlet<'l> {
    pub(super) fn of_shards(links: &'l [Link]) -> Inlet<'l> {
        Inlet::Shards(links.iter().map(Inbound::new).collect())
    }

    pub(super) fn of_machines(gate: Gate, links: &'l [Link], shared: &Shared<'_>) -> Inlet<'l> {
        Inlet::Machines(Box::new(FromMachines {
            gate,
            outbound: Outbound::new(links, shared),
            shards: shared.config.shards,
            machines: shared.config.place.machines,
            ready: None,
            has_told_stop: false,
        }))
    }

    /// Takes in what has come; whether every shard has passed the next step.
    ///
    /// # Errors
    /// If another machine falls.
    pub(super) fn collect(
        &mut self,
        shared: &Shared<'_>,
        clock: &mut StageClock,
    ) -> Result<bool, RunError> {
        match self {
            Inlet::Shards(inbound) => Ok(collect(inbound)),
            Inlet::Machines(machines) => machines.collect(shared, Duration::ZERO, clock),
        }
    }

    /// Waits for more to come.
    ///
    /// # Errors
    /// If another machine falls.
    pub(super) fn wait(
        &mut self,
        shared: &Shared<'_>,
        clock: &mut StageClock,
    ) -> Result<(), RunError> {
        match self {
            Inlet::Shards(_) => {
                clock.lap(Stage::Wait, 1);
                std::thread::park_timeout(LONGEST_PARK);
                Ok(())
            }
            Inlet::Machines(machines) => {
                machines.collect(shared, LONGEST_PARK, clock)?;
                Ok(())
            }
        }
    }

    /// Nothing is left to settle, and nothing more will come.
    pub(super) fn ended(&self) -> bool {
        match self {
            Inlet::Shards(inbound) => inbound.iter().all(Inbound::ended),
            Inlet::Machines(machines) => machines.ready.is_none(),
        }
    }

    /// The next step, which every shard has passed.
    ///
    /// # Errors
    /// If another machine sends what is no step.
    pub(super) fn take(&mut self, step: u64) -> Result<(Vec<Origin>, Vec<StepBatch>), RunError> {
        match self {
            Inlet::Shards(inbound) => Ok(inbound
                .iter_mut()
                .zip(0..)
                .filter_map(|(inbound, shard)| Some((Origin { shard }, inbound.take(step)?)))
                .unzip()),
            Inlet::Machines(machines) => machines.take(step),
        }
    }

    /// Gives a step back to the shard that it came from.
    pub(super) fn give_back(&mut self, to: Origin, batch: StepBatch) {
        match self {
            Inlet::Shards(inbound) => inbound[to.shard as usize].link.to_shard(batch),
            Inlet::Machines(machines) => machines.give_back(to, batch),
        }
    }

    /// The gate, if there is one, and how long Layer 1 waited for each machine.
    pub(super) fn into_gate(self) -> Option<(Gate, Vec<Waited>)> {
        match self {
            Inlet::Shards(_) => None,
            Inlet::Machines(machines) => {
                let waited = machines.gate.waited();
                Some((machines.gate, waited))
            }
        }
    }
}

/// What has come from one shard and was not settled yet.
pub(super) struct Inbound<'l> {
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

/// Steps of all machines. Those of this one's own shards stay here: of them only the fact that they
/// are passed goes through the gate.
pub(super) struct FromMachines<'l> {
    gate: Gate,
    outbound: Outbound<'l>,
    /// Of each machine.
    shards: u32,
    machines: u32,
    /// The next step, which every machine has passed.
    ready: Option<(u64, Vec<Batch>)>,
    has_told_stop: bool,
}

impl FromMachines<'_> {
    /// As [`Inlet::collect`]; parks for so long at most.
    fn collect(
        &mut self,
        shared: &Shared<'_>,
        longest: Duration,
        clock: &mut StageClock,
    ) -> Result<bool, RunError> {
        let count = self.outbound.send(&mut self.gate, shared, |_, _| ());
        self.gate
            .turn(if count > 0 { Duration::ZERO } else { longest })?;
        if self.ready.is_none() {
            self.ready = self.gate.next_step();
        }
        self.hear_and_tell_a_stop(shared);
        clock.lap(Stage::Fabric, count);
        Ok(self.ready.is_some() || self.gate.all_passed())
    }

    /// A stop on one machine is one on all.
    fn hear_and_tell_a_stop(&mut self, shared: &Shared<'_>) {
        if self.gate.tags() & STOP != 0 {
            shared.stop.store(true, Ordering::Relaxed);
        }
        if shared.stop.load(Ordering::Relaxed) && !self.has_told_stop {
            self.has_told_stop = true;
            for machine in 1..self.machines {
                let word = Batch::new(0, machine * self.shards, STOP | WORD, Vec::new());
                self.gate.answer(machine as usize, word);
            }
        }
    }

    fn take(&mut self, number: u64) -> Result<(Vec<Origin>, Vec<StepBatch>), RunError> {
        let (step, batches) = self.ready.take().expect("a step is ready");
        let batches = batches.into_iter().filter(|batch| batch.tag & WORD == 0);
        let mut steps = (Vec::new(), Vec::new());
        for batch in batches {
            let machine = machine_of(batch.from, self.shards, self.machines)?;
            let own = self.outbound.sent.get_mut(batch.from as usize);
            let found = match own {
                Some(sent) => sent.pop_front(),
                None => decode_step(step, batch.body()),
            };
            let found = found.filter(|found| found.step == number);
            let found = found.ok_or_else(|| self.gate.refuse(machine, "a step that is none"))?;
            steps.0.push(Origin { shard: batch.from });
            steps.1.push(found);
        }
        Ok(steps)
    }

    fn give_back(&mut self, to: Origin, batch: StepBatch) {
        let machine = to.shard / self.shards;
        if machine == 0 {
            self.outbound.give_back(to.shard as usize, batch);
            return;
        }
        let mut bytes = Vec::new();
        encode_outcomes(&batch, &mut bytes);
        let answer = Batch::new(batch.step, to.shard, 0, bytes);
        self.gate.answer(machine as usize, answer);
    }
}

/// The machine that has a shard, of so many machines with so many shards each.
///
/// # Errors
/// If none has it. Who said so is not known.
fn machine_of(shard: u32, shards: u32, machines: u32) -> Result<usize, RunError> {
    let machine = shard / shards;
    if machine < machines {
        return Ok(machine as usize);
    }
    let all = u64::from(shards) * u64::from(machines);
    Err(RunError::Machines {
        is_bad_input: false,
        problem: format!("a machine sent a step of shard {shard}, and there are {all} shards"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_of_no_machine_is_an_error() {
        for (shard, machine) in [(0, 0), (3, 0), (4, 1), (11, 2)] {
            assert_eq!(machine_of(shard, 4, 3).unwrap(), machine);
        }
        for shard in [12, u32::MAX] {
            let error = machine_of(shard, 4, 3).unwrap_err().to_string();
            let words = format!("a step of shard {shard}, and there are 12 shards");
            assert!(error.contains(&words), "{error}");
        }
    }
}
