//! Watches over the other machines: who was heard of when, who fell first, and that all are told.
//! Its thread says every now and then that this machine is there, whatever the others do.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use rustix::net::SendFlags;

use crate::error::FabricError;
use crate::fall::{Fall, Why};
use crate::frame::{Channels, Control};
use crate::hosts::Hosts;

/// A machine says this many times within the patience of the others that it is there.
/// What the thread that watches is called.
pub(crate) const WATCH: &str = "fabric-watch";
const PULSES: u32 = 5;
/// How often the watch looks, likewise.
const LOOKS: u32 = 20;
/// How long the others may take to hear of a fall before this machine leaves.
const TELLING: Duration = Duration::from_millis(250);
/// The shortest patience: shorter ones find sleepy machines silent.
const LEAST_PATIENCE: Duration = Duration::from_millis(200);

/// What all threads of one gate share.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) hosts: Hosts,
    patience: Duration,
    begun: Instant,
    /// By machine; none for this one.
    peers: Vec<Option<Peer>>,
    /// Which channels there are, once the dataflow is built.
    pub(crate) channels: OnceLock<Channels>,
    /// The thread that the gate lives on.
    gate: Thread,
    has_fallen: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The first machine to fall.
    fall: Option<Fall>,
    /// All others have heard of it, or had the time to.
    is_told: bool,
    /// The gate uses its sockets no more.
    is_over: bool,
}

/// One other machine.
#[derive(Debug)]
struct Peer {
    socket: TcpStream,
    out: Mutex<Out>,
    /// When it was heard last, in nanoseconds since the beginning.
    heard_ns: AtomicU64,
    /// It has said that it is through.
    is_through: AtomicBool,
    /// Its socket has ended, or makes no sense any more.
    is_lost: AtomicBool,
}

#[derive(Debug, Default)]
struct Out {
    /// The rest of a pulse that did not fit into the socket.
    owed: Vec<u8>,
    is_shut: bool,
}

impl Watch {
    /// A watch over these sockets, by the thread that calls.
    pub(crate) fn new(hosts: Hosts, sockets: Vec<Option<TcpStream>>, patience: Duration) -> Watch {
        let peer = |socket| Peer {
            socket,
            out: Mutex::default(),
            heard_ns: AtomicU64::new(0),
            is_through: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
        };
        Watch {
            hosts,
            patience: patience.max(LEAST_PATIENCE),
            begun: Instant::now(),
            peers: sockets.into_iter().map(|socket| socket.map(peer)).collect(),
            channels: OnceLock::new(),
            gate: thread::current(),
            has_fallen: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Starts to say that this machine is there, and to notice who is not.
    pub(crate) fn start(self: Arc<Watch>) -> io::Result<JoinHandle<()>> {
        let watching = move || self.run();
        thread::Builder::new()
            .name(WATCH.to_owned())
            .spawn(watching)
    }

    /// The first machine to fall, once the others have been told.
    pub(crate) fn verdict(&self) -> Option<FabricError> {
        if !self.has_fallen.load(Ordering::Acquire) {
            return None;
        }
        let is_untold = |state: &mut State| !state.is_told;
        let waiting = self
            .changed
            .wait_timeout_while(self.state(), TELLING * 2, is_untold);
        let (state, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        state.fall.as_ref().map(|fall| self.error(fall))
    }

    fn error(&self, fall: &Fall) -> FabricError {
        let (machine, told_by) = (fall.machine, fall.told_by);
        let address = self.hosts.address(machine).to_owned();
        match fall.why.clone() {
            Why::Gone(what) => FabricError::Gone {
                machine,
                address,
                what,
                told_by,
            },
            Why::Left => FabricError::Gone {
                machine,
                address,
                what: "it left before the end".to_owned(),
                told_by,
            },
            Why::Silent => FabricError::Silent {
                machine,
                address,
                patience: self.patience,
                told_by,
            },
            Why::Garbled(what) => FabricError::Garbled {
                machine,
                address,
                what,
                told_by,
            },
        }
    }

    /// Waits for the next bytes of a machine: at least one.
    pub(crate) fn receive(&self, machine: usize, bytes: &mut [u8]) -> Result<usize, Why> {
        let peer = self.peer(machine);
        loop {
            match (&peer.socket).read(bytes) {
                Ok(0) => return Err(Why::Gone("its connection was closed".to_owned())),
                Ok(read) => {
                    self.heard(peer);
                    return Ok(read);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Why::Gone(error.to_string())),
            }
        }
    }

    /// A machine has fallen. Only the first one counts.
    pub(crate) fn fell(&self, fall: Fall) {
        let mut state = self.state();
        if state.fall.is_none() && !state.is_over {
            state.fall = Some(fall);
            self.has_fallen.store(true, Ordering::Release);
            self.changed.notify_all();
        }
    }

    /// Nothing more is read from a machine.
    pub(crate) fn lost(&self, machine: usize, why: Why) {
        self.peer(machine).is_lost.store(true, Ordering::Release);
        self.fell(Fall {
            machine,
            why,
            told_by: None,
        });
    }

    /// A machine has said that it is through: it falls no more.
    pub(crate) fn came_through(&self, machine: usize) {
        self.peer(machine).is_through.store(true, Ordering::Release);
    }

    fn heard(&self, peer: &Peer) {
        let now_ns = self.begun.elapsed().as_nanos() as u64;
        peer.heard_ns.store(now_ns, Ordering::Relaxed);
    }

    /// The gate uses its sockets no more.
    pub(crate) fn end(&self) {
        self.state().is_over = true;
        self.changed.notify_all();
    }

    pub(crate) fn wait_for_end(&self) {
        let waiting = self
            .changed
            .wait_while(self.state(), |state| !state.is_over);
        drop(waiting.unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn socket(&self, machine: usize) -> &TcpStream {
        &self.peer(machine).socket
    }

    /// Sends whole messages. After a fall they go nowhere.
    pub(crate) fn send(&self, machine: usize, messages: &[u8]) {
        let peer = self.peer(machine);
        let mut out = lock(&peer.out);
        if self.has_fallen.load(Ordering::Acquire) {
            return;
        }
        let owed = std::mem::take(&mut out.owed);
        let mut socket = &peer.socket;
        let sent = socket
            .write_all(&owed)
            .and_then(|()| socket.write_all(messages));
        // The reader notices, too, but first reads what the machine has said last: it may have
        // told of another fall, and hung up.
        drop(sent);
    }

    /// Nothing more will be sent to a machine.
    pub(crate) fn shut(&self, machine: usize) {
        self.peer(machine).shut();
    }

    fn peer(&self, machine: usize) -> &Peer {
        self.peers[machine].as_ref().expect("another machine")
    }

    fn others(&self) -> impl Iterator<Item = (usize, &Peer)> {
        let others = self.peers.iter().enumerate();
        others.filter_map(|(machine, peer)| Some((machine, peer.as_ref()?)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn run(&self) {
        let look = self.patience / LOOKS;
        let mut looked = Instant::now();
        for looks in 0_u64.. {
            if looks.is_multiple_of(u64::from(LOOKS / PULSES)) {
                for (machine, peer) in self.others() {
                    peer.whisper(&Control::Pulse.message(self.hosts.me(), machine));
                }
            }
            let is_quiet = |state: &mut State| state.fall.is_none() && !state.is_over;
            let waiting = self
                .changed
                .wait_timeout_while(self.state(), look, is_quiet);
            let (state, _) = waiting.unwrap_or_else(PoisonError::into_inner);
            let (fall, is_over) = (state.fall.clone(), state.is_over);
            drop(state);
            if let Some(fall) = fall {
                return self.tell(&fall);
            }
            if is_over {
                return;
            }
            self.look(looked.elapsed() > self.patience / 2);
            looked = Instant::now();
        }
    }

    /// Who has been silent for too long falls. If this process itself was stopped for a while, it
    /// has heard nobody, and the count begins anew.
    fn look(&self, was_stopped: bool) {
        for (machine, peer) in self.others() {
            if was_stopped {
                self.heard(peer);
            }
            let heard = Duration::from_nanos(peer.heard_ns.load(Ordering::Relaxed));
            let silent = self.begun.elapsed().saturating_sub(heard);
            // One look earlier, so that a silence is noticed within the patience.
            let is_silent = silent > self.patience - self.patience / LOOKS;
            if is_silent && !peer.is_through.load(Ordering::Acquire) {
                self.fell(Fall {
                    machine,
                    why: Why::Silent,
                    told_by: None,
                });
            }
        }
    }

    /// Tells the others who fell first, so that all name the same machine; then hangs up. They do
    /// likewise, and this one waits for it: a socket that is closed too early takes back what it
    /// has not sent yet.
    fn tell(&self, fall: &Fall) {
        let me = self.hosts.me();
        let until = Instant::now() + TELLING;
        // Who is gone hears nothing more; others may go on and wonder.
        let hears = |(machine, _): &(usize, &Peer)| {
            let may_go_on = matches!(fall.why, Why::Silent | Why::Garbled(_));
            *machine != fall.machine || may_go_on
        };
        let message = |to| Control::of(fall).message(me, to);
        let telling = self.others().filter(hears);
        let mut telling: Vec<_> = telling.map(|(to, peer)| (peer, message(to))).collect();
        loop {
            telling.retain_mut(|(peer, message)| !peer.take_leave(message));
            let mut others = self
                .others()
                .filter(|(machine, _)| *machine != fall.machine);
            if telling.is_empty() && others.all(|(_, peer)| peer.has_left()) {
                break;
            }
            if Instant::now() > until {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        for (_, peer) in self.others() {
            let _ = peer.socket.shutdown(Shutdown::Both); // Fails only if it is closed.
        }
        self.state().is_told = true;
        self.changed.notify_all();
        self.gate.unpark();
    }
}

impl Peer {
    fn has_left(&self) -> bool {
        self.is_lost.load(Ordering::Acquire) || self.is_through.load(Ordering::Acquire)
    }

    /// Nothing more will be sent.
    fn shut(&self) {
        lock(&self.out).is_shut = true;
        let _ = self.socket.shutdown(Shutdown::Write); // Fails only if it is closed.
    }

    /// Says a last message. False: something of it is left for another try.
    fn take_leave(&self, message: &mut Vec<u8>) -> bool {
        if !self.whisper(message) {
            return false;
        }
        // What did not fit in is owed; the empty message comes after it.
        message.clear();
        let is_said = self.whisper(message);
        if is_said {
            self.shut();
        }
        is_said
    }

    /// Sends a short message if that takes no waiting. False: it may be tried again.
    fn whisper(&self, message: &[u8]) -> bool {
        let mut out = match self.out.try_lock() {
            Ok(out) => out,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        if out.is_shut {
            return true;
        }
        let mut flags = SendFlags::DONTWAIT;
        if cfg!(target_os = "linux") {
            flags |= SendFlags::NOSIGNAL;
        }
        while !out.owed.is_empty() {
            match rustix::net::send(&self.socket, &out.owed, flags) {
                Ok(sent) => drop(out.owed.drain(..sent)),
                Err(error) => return error != rustix::io::Errno::WOULDBLOCK,
            }
        }
        match rustix::net::send(&self.socket, message, flags) {
            Ok(sent) => out.owed.extend_from_slice(&message[sent..]),
            Err(error) => return error != rustix::io::Errno::WOULDBLOCK,
        }
        true
    }
}

/// No thread panics while it holds one of these, and if so the state is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
