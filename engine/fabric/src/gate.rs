//! One worker of the dataflow engine on the caller's thread: batches go to Layer 1's machine,
//! answers come back, and the engine's frontier says which steps all machines have passed. Settles
//! nothing itself.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use timely::WorkerConfig;
use timely::communication::Hooks;
use timely::communication::allocator::thread::Thread;
use timely::communication::allocator::zero_copy::allocator::TcpBuilder;
use timely::communication::allocator::zero_copy::initialize::{
    CommsGuard, initialize_networking_from_sockets,
};
use timely::communication::allocator::{Allocator, ProcessBuilder};
use timely::container::NoopBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::{DistributorPact, ParallelizationContract};
use timely::dataflow::operators::Operator;
use timely::logging::TimelyLogger;
use timely::progress::Timestamp;
use timely::worker::Worker;

use crate::arrivals::{Arrivals, Waited};
use crate::batch::{Batch, Route};
use crate::connect::Sockets;
use crate::error::FabricError;
use crate::fall::{Fall, Why};
use crate::frame::Channels;
use crate::quiet;
use crate::watch::{WATCH, Watch};
use crate::wire::Wire;

/// The machine with Layer 1.
const LAYER_1: usize = 0;
/// How long a turn may park while the gate closes.
const CLOSING_TURN: Duration = Duration::from_millis(20);

type Input = InputHandle<u64, NoopBuilder<Batch>>;

/// A machine's way to Layer 1.
///
/// It is bound to the thread that has opened it. After an error it can only be dropped.
pub struct Gate {
    watch: Arc<Watch>,
    watching: Option<JoinHandle<()>>,
    /// The engine's worker, and what keeps its threads. None once they are gone.
    worker: Option<Worker>,
    comms: Option<CommsGuard>,
    /// Where this machine's batches go in; none once it has closed.
    batches: Option<Input>,
    /// Where Layer 1's answers go in; on its machine only.
    answers: Option<Input>,
    arrivals: Rc<RefCell<Arrivals>>,
    answered: Rc<RefCell<VecDeque<Batch>>>,
    /// What the engine has said as it stopped.
    stopped: Option<String>,
}

impl Gate {
    /// Starts the engine's worker on this very thread. All machines do so at about the same time.
    ///
    /// A machine of which nothing is heard for `patience` counts as hung. A thread of its own
    /// says that this machine is there, and listens: the gate's thread may be busy for as long as
    /// it likes, and a process that was stopped or a host that hangs is noticed all the same. A
    /// process whose gate's thread never turns again is *not* noticed: it is there.
    ///
    /// # Errors
    ///
    /// [`FabricError::Engine`] if the threads cannot be started.
    pub fn open(sockets: Sockets, patience: Duration) -> Result<Gate, FabricError> {
        quiet::install();
        let Sockets { hosts, streams } = sockets;
        let (me, machines) = (hosts.me(), hosts.len());
        let watch = Arc::new(Watch::new(hosts, streams, patience));
        let mut gate = Gate {
            watch: Arc::clone(&watch),
            watching: None,
            worker: None,
            comms: None,
            batches: None,
            answers: None,
            arrivals: Rc::new(RefCell::new(Arrivals::new(machines))),
            answered: Rc::default(),
            stopped: None,
        };
        let allocator = if machines == 1 {
            Allocator::Thread(Thread::default())
        } else {
            let watching = Arc::clone(&watch).start();
            gate.watching = Some(watching.map_err(|error| gate.engine(error.to_string()))?);
            gate.start_engine(me, machines)?
        };
        let built = quiet::call(|| gate.build(allocator, me, machines));
        let channels = built.map_err(|what| gate.stop(what))?;
        let _ = watch.channels.set(channels); // Nobody else sets them.
        Ok(gate)
    }

    /// Starts the engine's threads that read and write.
    fn start_engine(&mut self, me: usize, machines: usize) -> Result<Allocator, FabricError> {
        let wires = (0..machines)
            .map(|machine| (machine != me).then(|| Wire::new(Arc::clone(&self.watch), machine)));
        let wires: Vec<Option<Wire>> = wires.collect();
        let started = quiet::call(|| {
            let hooks = Hooks::default();
            let process = ProcessBuilder::new_typed_vector(1, hooks.refill.clone(), None);
            let started = initialize_networking_from_sockets(process, wires, me, 1, hooks);
            started.map(|(builders, comms)| {
                let allocator = builders.into_iter().next().map(TcpBuilder::build);
                (allocator, comms)
            })
        });
        match started {
            Ok(Ok((Some(allocator), comms))) => {
                self.comms = Some(comms);
                Ok(Allocator::Tcp(allocator))
            }
            Ok(Ok((None, _))) => Err(self.engine("no worker".to_owned())),
            Ok(Err(error)) => Err(self.engine(error.to_string())),
            Err(what) => Err(self.engine(what)),
        }
    }

    /// Builds the dataflow: one stream of batches for each machine, so that each has a frontier
    /// of its own, and one of answers.
    fn build(&mut self, allocator: Allocator, me: usize, machines: usize) -> Channels {
        // Without a clock it would never park.
        let worker = Worker::new(WorkerConfig::default(), allocator, Some(Instant::now()));
        let worker = self.worker.insert(worker);
        let channels = Rc::new(RefCell::new(BTreeMap::new()));
        let pact = |from: usize| Noted {
            channels: Rc::clone(&channels),
            from,
        };
        let mut inputs: Vec<Input> = worker.dataflow(|scope| {
            let input = |machine: usize| {
                let mut input = Input::new_with_builder();
                let arrivals = Rc::clone(&self.arrivals);
                let arrive = move |(batches, frontier): Received<'_, '_>| {
                    arrive(&mut arrivals.borrow_mut(), machine, batches, frontier);
                };
                input
                    .to_stream(scope)
                    .sink(pact(machine), "batches", arrive);
                input
            };
            (0..machines).map(input).collect()
        });
        // Each machine has its own; the engine learns that the others have no part in it here.
        self.batches = Some(inputs.swap_remove(me));
        drop(inputs);
        let answers = worker.dataflow(|scope| {
            let mut input = Input::new_with_builder();
            let answered = Rc::clone(&self.answered);
            input
                .to_stream(scope)
                .sink(pact(LAYER_1), "answers", move |(batches, _)| {
                    let mut answered = answered.borrow_mut();
                    batches.for_each(|_, batch| answered.push_back(mem::take(batch)));
                });
            input
        });
        self.answers = (me == LAYER_1).then_some(answers);
        Channels {
            batches: channels.take(),
            end: worker.peek_identifier(),
        }
    }

    /// Sends a batch to Layer 1.
    ///
    /// # Panics
    ///
    /// If this machine has passed the batch's step, or the step is `u64::MAX`, which none can pass.
    pub fn send(&mut self, mut batch: Batch) {
        let Some(batches) = &mut self.batches else {
            return; // The engine has stopped, and the next turn says so.
        };
        let passed = *batches.time();
        assert!(
            batch.step >= passed,
            "step {} of those below {passed}",
            batch.step
        );
        assert!(batch.step < u64::MAX, "the last step");
        batch.to = LAYER_1 as u32;
        let sent = quiet::call(|| batches.send_batch(&mut batch));
        self.note(sent);
    }

    /// This machine has sent all that it has of the steps below. A machine with no more to send
    /// passes `u64::MAX`: the others then no longer wait for it.
    pub fn pass(&mut self, steps: u64) {
        if let Some(batches) = &mut self.batches
            && steps > *batches.time()
        {
            let passed = quiet::call(|| batches.advance_to(steps));
            self.note(passed);
        }
    }

    /// The next step to settle: the first that all machines have passed and that has batches, in
    /// the order of their shards, and of one shard in the order in which it has sent them. Only
    /// ever on machine 0.
    pub fn next_step(&mut self) -> Option<(u64, Vec<Batch>)> {
        self.arrivals.borrow_mut().next_step()
    }

    /// All bits of the tags of batches that have come to machine 0, of steps that are not its turn
    /// yet too: what cannot wait for them.
    pub fn tags(&self) -> u32 {
        self.arrivals.borrow().tags()
    }

    /// Whether all machines have passed all steps there are, and none is left to settle. Known on
    /// machine 0 only.
    pub fn all_passed(&self) -> bool {
        self.arrivals.borrow().all_passed()
    }

    /// A machine sent what the caller can make no sense of: it counts as fallen. Gives the error of
    /// that, or of whatever fell before.
    pub fn refuse(&mut self, machine: usize, what: &str) -> FabricError {
        self.watch.fell(Fall {
            machine,
            why: Why::Garbled(what.to_owned()),
            told_by: None,
        });
        match self.check() {
            Err(error) => error,
            Ok(()) => self.engine(format!("machine {machine} sent {what}")),
        }
    }

    /// CPU time so far of the threads that carry bytes and watch, in nanoseconds; 0 where the
    /// system does not tell. They end when the gate closes.
    pub fn threads_cpu_ns(&self) -> u64 {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
        let of_one = |task: fs::DirEntry| {
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            let is_own = name.starts_with("timely:") || name.trim_end() == WATCH;
            let spent = fs::read_to_string(task.path().join("schedstat")).ok()?;
            let on_cpu_ns = spent.split(' ').next()?.parse::<u64>().ok()?;
            is_own.then_some(on_cpu_ns)
        };
        tasks.flatten().filter_map(of_one).sum()
    }

    /// Sends a machine Layer 1's answer to one of its shards. Only on machine 0.
    ///
    /// # Panics
    ///
    /// If there is no such machine, or this one is not machine 0.
    pub fn answer(&mut self, to: usize, mut batch: Batch) {
        let hosts = &self.watch.hosts;
        assert!(to < hosts.len(), "machine {to} of {}", hosts.len());
        assert_eq!(hosts.me(), LAYER_1, "Layer 1 answers");
        batch.to = to as u32;
        if let Some(answers) = &mut self.answers {
            let sent = quiet::call(|| answers.send_batch(&mut batch));
            self.note(sent);
        }
    }

    /// The next answer to this machine, in the order in which Layer 1 has given them.
    pub fn answered(&mut self) -> Option<Batch> {
        self.answered.borrow_mut().pop_front()
    }

    /// Does what there is to do. If there is nothing, and nothing to take out either, parks this
    /// thread for at most `longest`; any other thread may unpark it.
    ///
    /// # Errors
    ///
    /// The first machine to fall ([`FabricError::Gone`], [`FabricError::Silent`],
    /// [`FabricError::Garbled`]), and the same again in each later turn; or
    /// [`FabricError::Engine`].
    pub fn turn(&mut self, longest: Duration) -> Result<(), FabricError> {
        let has_some = {
            let mut arrivals = self.arrivals.borrow_mut();
            let has_some = arrivals.is_ready() || !self.answered.borrow().is_empty();
            if !has_some {
                arrivals.wait(Instant::now());
            }
            has_some
        };
        self.step(if has_some { Duration::ZERO } else { longest })
    }

    fn step(&mut self, longest: Duration) -> Result<(), FabricError> {
        self.check()?;
        if let Some(worker) = &mut self.worker {
            let stepped = quiet::call(|| {
                worker.step_or_park(Some(longest));
                // What has ended the park is done at once.
                worker.step();
            });
            self.note(stepped);
        }
        self.check()
    }

    /// For each machine: how often and how long Layer 1 waited for it. Known on machine 0 only.
    pub fn waited(&self) -> Vec<Waited> {
        self.arrivals.borrow().waited()
    }

    /// This machine sends no more. Waits until all others have closed, too; batches and answers
    /// that have not been taken out are lost.
    ///
    /// # Errors
    ///
    /// As [`Gate::turn`].
    pub fn close(mut self) -> Result<(), FabricError> {
        let (batches, answers) = (self.batches.take(), self.answers.take());
        let closed = quiet::call(|| drop((batches, answers)));
        self.note(closed);
        while self.worker.as_ref().is_some_and(Worker::has_dataflows) {
            self.step(CLOSING_TURN)?;
            self.answered.borrow_mut().clear();
        }
        self.check()?;
        let worker = self.worker.take();
        let dropped = quiet::call(|| drop(worker));
        self.note(dropped);
        self.check()?;
        // The engine's threads send what is left, say goodbye and wait for that of the others.
        if let Some(ended) = self.reap() {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(CLOSING_TURN) {
                self.check()?;
            }
        }
        self.end_watch();
        Ok(())
    }

    /// Waits for the engine's threads on another thread, which says when they have ended.
    fn reap(&mut self) -> Option<mpsc::Receiver<()>> {
        let comms = self.comms.take()?;
        let (ending, ended) = mpsc::channel();
        let reaping = move || {
            let _ = quiet::call(|| drop(comms)); // It panics if one of its threads has.
            drop(ending);
        };
        // Should there be no thread to wait on, theirs end by themselves.
        let _ = thread::Builder::new()
            .name("reaper".to_owned())
            .spawn(reaping);
        Some(ended)
    }

    fn end_watch(&mut self) {
        self.watch.end();
        if let Some(watching) = self.watching.take() {
            let _ = watching.join(); // It does not panic.
        }
    }

    /// What has gone wrong so far.
    fn check(&mut self) -> Result<(), FabricError> {
        if let Some((machine, what)) = self.arrivals.borrow().broken() {
            self.watch.fell(Fall {
                machine,
                why: Why::Garbled(what.to_owned()),
                told_by: None,
            });
        }
        if let Some(error) = self.watch.verdict() {
            return Err(error);
        }
        match self.stopped.clone() {
            Some(what) => Err(self.engine(what)),
            None => Ok(()),
        }
    }

    fn note(&mut self, called: Result<(), String>) {
        if let Err(what) = called {
            self.stop(what);
        }
    }

    /// The engine has panicked. What is left of it is in no state to be used, or dropped.
    fn stop(&mut self, what: String) -> FabricError {
        mem::forget((self.worker.take(), self.comms.take()));
        mem::forget((self.batches.take(), self.answers.take()));
        let error = self.engine(what.clone());
        self.stopped.get_or_insert(what);
        error
    }

    fn engine(&self, what: String) -> FabricError {
        let machine = self.watch.hosts.me();
        FabricError::Engine {
            machine,
            address: self.watch.hosts.address(machine).to_owned(),
            what: format!("the dataflow engine has stopped: {what}"),
        }
    }
}

/// A gate that was not closed leaves the run: the others are told.
impl Drop for Gate {
    fn drop(&mut self) {
        if self.watching.is_some() {
            self.watch.fell(Fall {
                machine: self.watch.hosts.me(),
                why: Why::Left,
                told_by: None,
            });
            let _ = self.watch.verdict(); // They hear of it before this returns.
        }
        let _ = self.watch.channels.set(Channels::default()); // Fails if they are known.
        let inputs = (self.batches.take(), self.answers.take());
        let worker = self.worker.take();
        let _ = quiet::call(|| drop((inputs, worker))); // It panics if one of its threads has.
        self.end_watch();
        let _ = self.reap(); // They end by themselves.
    }
}

type Puller = <Noted as ParallelizationContract<u64, Batch>>::Puller;
type BatchesIn = timely::dataflow::operators::generic::InputHandleCore<u64, Batch, Puller>;
type Frontier = timely::progress::frontier::MutableAntichain<u64>;
type Received<'a, 'b> = (&'a mut BatchesIn, &'b Frontier);

/// What the engine has for Layer 1 of one machine.
fn arrive(arrivals: &mut Arrivals, machine: usize, batches: &mut BatchesIn, frontier: &Frontier) {
    batches.for_each(|sent, batch| {
        let sent_at = sent.stamp().elements().first().copied();
        arrivals.put(machine, sent_at, mem::take(batch));
    });
    let passed = frontier.frontier().first().copied();
    arrivals.pass(machine, passed, Instant::now());
}

/// Sends batches to the machines that they name, on a channel whose number is noted.
struct Noted {
    channels: Rc<RefCell<BTreeMap<usize, usize>>>,
    from: usize,
}

type ByName = DistributorPact<fn(usize) -> Route>;

impl<T: Timestamp> ParallelizationContract<T, Batch> for Noted {
    type Pusher = <ByName as ParallelizationContract<T, Batch>>::Pusher;
    type Puller = <ByName as ParallelizationContract<T, Batch>>::Puller;

    fn connect(
        self,
        worker: &Worker,
        channel: usize,
        address: Rc<[usize]>,
        logging: Option<TimelyLogger>,
    ) -> (Self::Pusher, Self::Puller) {
        self.channels.borrow_mut().insert(channel, self.from);
        let by_name: ByName = DistributorPact(|_| Route);
        by_name.connect(worker, channel, address, logging)
    }
}

#[cfg(test)]
mod tests;
