//! Several machines that run one workload over one Layer 1, that of machine 0: how they meet, and
//! what they tell each other once. What goes on step by step is in `inlet` and `relay`.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use duet_fabric::{Batch, Gate, Sockets, connect};

pub use duet_fabric::{FabricError, Hosts, Terms};

use super::error::RunError;
use super::schedule::{Schedule, ShardOf};

/// A stop that nobody asks for: once machines have begun, all of them have to come.
pub(super) static NEVER: AtomicBool = AtomicBool::new(false);

/// Which machine this is, of how many that run the workload together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Counted from 0. Machine 0 has Layer 1.
    pub machine: u32,
    /// How many there are.
    pub machines: u32,
}

impl Place {
    /// The only one.
    pub const ALONE: Place = Place {
        machine: 0,
        machines: 1,
    };

    /// The sessions, and how many at once, of the whole that the machine has with so many shards.
    #[must_use]
    pub fn share(self, schedule: &Schedule, shards: u32) -> (u64, u64) {
        let [first, own, all] = [
            u64::from(self.machine) * u64::from(shards),
            u64::from(shards),
            u64::from(self.machines) * u64::from(shards),
        ];
        let shards = (first..first + own).map(|index| ShardOf { index, shards: all });
        shards.fold((0, 0), |(sessions, slots), of| {
            let own = u64::from(of.slots_below(schedule.concurrent()));
            (sessions + of.sessions(schedule), slots + own)
        })
    }

    /// Whether Layer 1 is here.
    #[must_use]
    pub fn has_layer_1(self) -> bool {
        self.machine == 0
    }
}

/// The machines of a run.
#[derive(Clone, Debug)]
pub struct Machines {
    /// Where they are, and which of them this one is.
    pub hosts: Hosts,
    /// What all of them were told alike: configuration, workload and seed, as a hash.
    pub terms: Terms,
    /// For how long they wait for each other at the start.
    pub wait: Duration,
    /// For how long they wait for one of which nothing is heard.
    pub patience: Duration,
}

/// When machines meet, and what for. Each time they do so anew: what they tell each other at one
/// time is on no socket at another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// Machine 0 is told all keys, and tells what Layer 1 began with.
    Genesis,
    /// Steps go to Layer 1, and their outcomes back.
    Steps,
    /// Machine 0 is told what each account should have gained, and says whether it has.
    Balances,
    /// Machine 0 is told what all machines measured, and says how the run ended.
    Reports,
}

impl Machines {
    /// This machine's place.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            machine: self.hosts.me() as u32,
            machines: self.hosts.len() as u32,
        }
    }

    /// Waits until all machines have come to a meeting.
    ///
    /// # Errors
    /// If one does not come, or was told otherwise.
    fn meet(&self, meeting: Meeting, stop: &AtomicBool) -> Result<Sockets, FabricError> {
        let mut terms = self.terms.clone();
        terms.run[0] ^= meeting as u8;
        // They have been there before: who does not come now has fallen.
        let wait = match meeting {
            Meeting::Genesis => self.wait,
            Meeting::Steps | Meeting::Balances | Meeting::Reports => self.patience,
        };
        connect(&self.hosts, &terms, wait, stop)
    }

    /// The way over which steps go.
    ///
    /// # Errors
    /// If a machine does not come.
    pub(super) fn way(&self) -> Result<Way, FabricError> {
        Ok(Way {
            sockets: self.meet(Meeting::Steps, &NEVER)?,
            patience: self.patience,
        })
    }

    /// Each machine tells machine 0 what it measured; machine 0 makes one report of it, and tells
    /// all of them how the run ended.
    ///
    /// # Errors
    /// If a machine does not come, or falls meanwhile.
    pub fn report(
        &self,
        own: Vec<u8>,
        merge: impl FnOnce(&[Vec<u8>]) -> u8,
    ) -> Result<u8, FabricError> {
        let told = self.exchange(Meeting::Reports, &NEVER, own, |given| vec![merge(given)])?;
        Ok(told.first().copied().unwrap_or(u8::MAX))
    }

    /// Each machine tells machine 0 something, which tells all of them the same after that.
    ///
    /// # Errors
    /// If a machine does not come, or falls meanwhile.
    pub(super) fn exchange(
        &self,
        meeting: Meeting,
        stop: &AtomicBool,
        own: Vec<u8>,
        answer: impl FnOnce(&[Vec<u8>]) -> Vec<u8>,
    ) -> Result<Vec<u8>, FabricError> {
        let (me, machines) = (self.hosts.me(), self.hosts.len());
        let mut answer = Some(answer);
        let mut gate = Gate::open(self.meet(meeting, stop)?, self.patience)?;
        gate.send(Batch::new(0, me as u32, 0, own));
        gate.pass(u64::MAX);
        let told = loop {
            gate.turn(Duration::from_millis(20))?;
            if let Some((_, batches)) = gate.next_step()
                && let Some(answer) = answer.take()
            {
                let all: Vec<Vec<u8>> = batches.into_iter().map(Batch::into_body).collect();
                let told = answer(&all);
                for machine in 0..machines {
                    gate.answer(machine, Batch::new(0, machine as u32, 0, told.clone()));
                }
            }
            if let Some(told) = gate.answered() {
                break told.into_body();
            }
        };
        gate.close()?;
        Ok(told)
    }
}

/// The way to the other machines, not opened yet: the thread that opens it keeps it.
pub(super) struct Way {
    sockets: Sockets,
    patience: Duration,
}

impl Way {
    /// Opens the way, on the thread that is to use it.
    ///
    /// # Errors
    /// If the threads that carry bytes cannot be started.
    pub(super) fn open(self) -> Result<Gate, FabricError> {
        Gate::open(self.sockets, self.patience)
    }
}

impl From<FabricError> for RunError {
    fn from(error: FabricError) -> RunError {
        RunError::Machines {
            is_bad_input: error.is_bad_input(),
            problem: error.to_string(),
        }
    }
}
