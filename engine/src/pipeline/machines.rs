//! Several machines that run one workload over one Layer 1, that of machine 0: how they meet, and
//! what they tell each other once. What goes on step by step is in `inlet` and `relay`.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use duet_fabric::{Batch, Gate, Sockets, connect_lines};

pub use duet_fabric::{FabricError, Hosts, Terms};

use super::error::RunError;
use super::schedule::{Schedule, ShardOf};

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
#[derive(Debug)]
pub struct Machines {
    hosts: Hosts,
    terms: Terms,
    wait: Duration,
    patience: Duration,
    /// The sockets of each meeting, from the first one on until they are used.
    met: Mutex<Vec<Option<Sockets>>>,
}

/// What machines come together for, each over sockets of its own. All of these are connected at the
/// start: after that no port is open, and who falls is noticed wherever the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meeting {
    /// Machine 0 is told all keys, and tells what Layer 1 began with.
    Genesis,
    /// Steps go to Layer 1, and their outcomes back.
    Steps,
    /// Machine 0 is told what each account should have gained, and says whether it has.
    Balances,
    /// Machine 0 is told what all machines measured, and says how the run ended.
    Reports,
}

const MEETINGS: usize = 4;

/// How a run of several machines has ended, as machine 0 says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The exit code of all machines.
    pub code: u8,
    /// Why there is no report; empty if there is one.
    pub problem: String,
}

impl Machines {
    /// Machines at these hosts, which were told alike. They wait for each other so long at the
    /// start, and so long for one of which nothing is heard later.
    #[must_use]
    pub fn new(hosts: Hosts, terms: Terms, wait: Duration, patience: Duration) -> Machines {
        Machines {
            hosts,
            terms,
            wait,
            patience,
            met: Mutex::default(),
        }
    }

    /// Where they are.
    #[must_use]
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// This machine's place.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            machine: self.hosts.me() as u32,
            machines: self.hosts.len() as u32,
        }
    }

    /// Waits until all machines have come, and are connected for all that they have to say.
    ///
    /// # Errors
    /// If one does not come, or was told otherwise.
    pub(super) fn meet(&self, stop: &AtomicBool) -> Result<(), FabricError> {
        let met = connect_lines(MEETINGS, &self.hosts, &self.terms, self.wait, stop)?;
        let met = met.into_iter().map(Some).collect();
        *self.met.lock().expect("nothing panics with it") = met;
        Ok(())
    }

    /// # Panics
    /// If the machines have not met, or for the second time.
    fn sockets(&self, meeting: Meeting) -> Sockets {
        let mut met = self.met.lock().expect("nothing panics with it");
        let sockets = met.get_mut(meeting as usize).and_then(Option::take);
        sockets.expect("the machines have met, and come to this once")
    }

    /// The way over which steps go.
    pub(super) fn way(&self) -> Way {
        Way {
            sockets: self.sockets(Meeting::Steps),
            patience: self.patience,
        }
    }

    /// Each machine tells machine 0 something, which tells all of them the same after that.
    ///
    /// # Errors
    /// If a machine falls meanwhile.
    pub(super) fn exchange(
        &self,
        meeting: Meeting,
        own: Vec<u8>,
        answer: impl FnOnce(&[Vec<u8>]) -> Vec<u8>,
    ) -> Result<Vec<u8>, FabricError> {
        let (me, machines) = (self.hosts.me(), self.hosts.len());
        let mut answer = Some(answer);
        let mut gate = Gate::open(self.sockets(meeting), self.patience)?;
        gate.send(Batch::new(0, me as u32, 0, own));
        gate.pass(u64::MAX);
        let told = loop {
            gate.turn(TURN)?;
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

    /// Tells machine 0 what this machine measured, and hears how the run has ended. Another machine
    /// may fall meanwhile: whether that matters, machine 0 says.
    ///
    /// # Errors
    /// If machine 0 falls before it has said so; or if it says that this machine, by its number, was
    /// silent for too long: then it has its report all the same.
    ///
    /// # Panics
    /// On machine 0.
    pub fn report(&self, own: Vec<u8>) -> Result<Verdict, FabricError> {
        let sockets = self.sockets(Meeting::Reports).into_pairs();
        let sockets = sockets.into_iter().next().expect("a pair with machine 0");
        let mut gate = Gate::open(sockets, self.patience)?;
        gate.send(Batch::new(0, self.hosts.me() as u32, 0, own));
        gate.pass(u64::MAX);
        loop {
            let turned = gate.turn(TURN);
            turned.map_err(|error| error.of_pair(self.hosts.me()))?;
            if let Some(told) = gate.answered() {
                let code = told.tag as u8;
                let problem = String::from_utf8_lossy(told.body()).into_owned();
                // All is said.
                let _ = gate.close();
                return Ok(Verdict { code, problem });
            }
        }
    }

    /// Gathers what all other machines measured, in their order, makes the report of it, and tells
    /// them how the run has ended. If one has fallen before it said what it measured, `merge` hears
    /// that.
    ///
    /// # Panics
    /// On another machine than 0.
    pub fn gather(&self, merge: impl FnOnce(Result<Vec<Vec<u8>>, FabricError>) -> Verdict) {
        let pairs = self.sockets(Meeting::Reports).into_pairs();
        let mut gates = Vec::new();
        let mut fallen = None;
        for pair in pairs {
            match Gate::open(pair, self.patience) {
                Ok(mut gate) => {
                    gate.pass(u64::MAX);
                    gates.push((gate, None));
                }
                Err(error) => fallen = fallen.or(Some(error)),
            }
        }
        while fallen.is_none() && gates.iter().any(|(_, told)| told.is_none()) {
            for (other, (gate, told)) in (1..).zip(&mut gates) {
                if told.is_none() {
                    let turned = gate.turn(TURN / 4).err();
                    fallen = fallen.or(turned.map(|error| error.of_pair(other)));
                    let step = gate.next_step();
                    *told = step.and_then(|(_, mut batches)| batches.pop());
                }
            }
        }
        let given = match fallen {
            Some(error) => Err(error),
            None => {
                let told = gates.iter_mut().filter_map(|(_, told)| told.take());
                Ok(told.map(Batch::into_body).collect())
            }
        };
        let Verdict { code, problem } = merge(given);
        // Who has fallen by now has said all that it had to say, and holds up nobody else's answer.
        for (gate, _) in &mut gates {
            let problem = problem.clone().into_bytes();
            gate.answer(1, Batch::new(0, 0, code.into(), problem));
            let _ = gate.turn(Duration::ZERO);
        }
        for (gate, _) in gates {
            let _ = gate.close();
        }
    }
}

/// For how long a thread parks with nothing to do.
const TURN: Duration = Duration::from_millis(20);

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
        match error {
            FabricError::Stopped => RunError::Interrupted,
            error => RunError::Machines {
                is_bad_input: error.is_bad_input(),
                problem: error.to_string(),
            },
        }
    }
}
