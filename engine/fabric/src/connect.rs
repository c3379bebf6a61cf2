//! Machines find each other: within a deadline, and only those that were told the same. A stranger
//! on the port is ignored and holds nobody up. Names are looked up again at each try.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Difference, FabricError};
use crate::greeting::{Hello, Start, Terms, Verdict};
use crate::hosts::Hosts;

/// How long somebody may take to greet, all in all.
const GREETING: Duration = Duration::from_secs(2);
/// How long a call may take to be put through.
const CALLING: Duration = Duration::from_secs(1);
const BETWEEN_CALLS: Duration = Duration::from_millis(50);
const TICK: Duration = Duration::from_millis(5);
/// For how long another process may still hold this machine's port: one that is about to end.
const PORT_IN_USE: Duration = Duration::from_secs(2);
/// Greetings at the same time at most. Who comes then is turned away and may call again.
const GREETINGS: usize = 256;

/// Sockets to all other machines, which were told the same.
#[derive(Debug)]
pub struct Sockets {
    pub(crate) hosts: Hosts,
    /// By machine; none to this one.
    pub(crate) streams: Vec<Option<TcpStream>>,
}

impl Sockets {
    /// The same sockets as pairs of machine 0 with each other one: on machine 0 all of them, in
    /// order, elsewhere its own. In a pair, machine 0 is 0, and the other one 1. One of them may
    /// fall, and the others go on.
    pub fn into_pairs(self) -> Vec<Sockets> {
        let hosts = self.hosts;
        let me = hosts.me();
        let pair = |other: usize, me: usize, stream: TcpStream| Sockets {
            hosts: hosts.pair(other, me),
            streams: match me {
                0 => vec![None, Some(stream)],
                _ => vec![Some(stream), None],
            },
        };
        let streams = self.streams.into_iter().enumerate();
        let streams = streams.filter_map(|(machine, stream)| Some((machine, stream?)));
        match me {
            0 => streams
                .map(|(other, stream)| pair(other, 0, stream))
                .collect(),
            me => {
                let mut own = streams.filter(|(machine, _)| *machine == 0);
                own.next()
                    .map(|(_, stream)| pair(me, 1, stream))
                    .into_iter()
                    .collect()
            }
        }
    }
}

/// Waits until all machines are there and agree, for at most `wait`. `stop` ends it early.
///
/// Every machine calls those with lower numbers. A machine that ends and starts again meanwhile is
/// taken back. When all are there, the port is closed. A single machine opens no port.
///
/// # Errors
///
/// [`FabricError::NotHere`], [`FabricError::Mismatch`], [`FabricError::Listen`], or
/// [`FabricError::Stopped`].
pub fn connect(
    hosts: &Hosts,
    terms: &Terms,
    wait: Duration,
    stop: &AtomicBool,
) -> Result<Sockets, FabricError> {
    let one = connect_lines(1, hosts, terms, wait, stop)?;
    Ok(one.into_iter().next().expect("one line"))
}

/// The same with several sockets to each machine, for as many gates, one after the other: what
/// machines have to say later needs no open port.
///
/// # Errors
///
/// As [`connect`].
///
/// # Panics
///
/// Without a line, or with more than 256.
pub fn connect_lines(
    lines: usize,
    hosts: &Hosts,
    terms: &Terms,
    wait: Duration,
    stop: &AtomicBool,
) -> Result<Vec<Sockets>, FabricError> {
    assert!((1..=256).contains(&lines), "{lines} lines");
    let (events, arrived) = mpsc::channel();
    let meeting = Meeting {
        hosts: hosts.clone(),
        terms: terms.clone(),
        over: AtomicBool::new(false),
        greetings: AtomicUsize::new(0),
    };
    let gathering = Gathering {
        meeting: Arc::new(meeting),
        events,
        arrived,
        begun: Instant::now(),
        streams: (0..lines * hosts.len()).map(|_| None).collect(),
        have_come: vec![false; hosts.len()],
        others_came: false,
    };
    gathering.run(wait, stop)
}

/// What the threads that greet know.
struct Meeting {
    hosts: Hosts,
    terms: Terms,
    over: AtomicBool,
    greetings: AtomicUsize,
}

enum Event {
    /// This machine called; it is welcome there.
    Called(End, TcpStream),
    /// That machine called; it waits for a verdict.
    Caller(End, TcpStream),
    Differs(FabricError),
    /// Somebody without this run's token, or of another version: nobody, where there is a token.
    OtherToken,
}

/// One of the lines to another machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    machine: usize,
    line: usize,
}

struct Gathering {
    meeting: Arc<Meeting>,
    events: Sender<Event>,
    arrived: Receiver<Event>,
    begun: Instant,
    /// By line, and in it by machine.
    streams: Vec<Option<TcpStream>>,
    /// Who has been here, even if it left.
    have_come: Vec<bool>,
    /// Somebody came without the token.
    others_came: bool,
}

impl Drop for Gathering {
    fn drop(&mut self) {
        self.meeting.over.store(true, Ordering::Relaxed);
    }
}

impl Gathering {
    fn run(mut self, wait: Duration, stop: &AtomicBool) -> Result<Vec<Sockets>, FabricError> {
        let (me, machines) = (self.meeting.hosts.me(), self.meeting.hosts.len());
        let lower = (0..self.streams.len()).map(|at| self.end(at));
        let lower: Vec<End> = lower.filter(|end| end.machine < me).collect();
        lower.into_iter().for_each(|end| self.call(end));
        let (mut listener, mut listen_at) = (None, self.begun);
        loop {
            self.forget_those_that_left();
            if self.missing().is_empty() {
                let mut streams = std::mem::take(&mut self.streams).into_iter();
                let mut lines = Vec::new();
                while streams.len() > 0 {
                    lines.push(Sockets {
                        hosts: self.meeting.hosts.clone(),
                        streams: streams.by_ref().take(machines).collect(),
                    });
                }
                return Ok(lines);
            }
            if stop.load(Ordering::Relaxed) {
                return Err(FabricError::Stopped);
            }
            // Nobody calls the last one.
            if listener.is_none() && me + 1 < machines && Instant::now() >= listen_at {
                listener = self.listen(wait)?;
                listen_at = Instant::now() + BETWEEN_CALLS;
            }
            if let Some(listener) = &listener {
                self.accept(listener);
            }
            if let Ok(event) = self.arrived.recv_timeout(TICK) {
                self.take(event)?;
            } else if self.begun.elapsed() >= wait {
                return Err(self.not_here(wait));
            }
        }
    }

    fn end(&self, at: usize) -> End {
        let machines = self.meeting.hosts.len();
        End {
            machine: at % machines,
            line: at / machines,
        }
    }

    /// Where an end's socket is; none if there are not so many lines.
    fn place(&self, end: End) -> Option<usize> {
        let at = end.line * self.meeting.hosts.len() + end.machine;
        (at < self.streams.len()).then_some(at)
    }

    /// Machines to which not all lines are there.
    fn missing(&self) -> Vec<usize> {
        let (me, machines) = (self.meeting.hosts.me(), self.meeting.hosts.len());
        let is_missing = |machine: &usize| {
            let mut lines = self.streams[*machine..].iter().step_by(machines);
            *machine != me && lines.any(Option::is_none)
        };
        (0..machines).filter(is_missing).collect()
    }

    fn not_here(&self, wait: Duration) -> FabricError {
        let hosts = &self.meeting.hosts;
        let missing = self.missing();
        let here = hosts.len() - missing.len();
        let (left, never): (Vec<_>, Vec<_>) = missing
            .into_iter()
            .partition(|machine| self.have_come[*machine]);
        let left = match left.is_empty() {
            true => String::new(),
            false => format!("{} (left again)", hosts.named(&left)),
        };
        let others = match self.others_came {
            true => "and somebody came without this run's token".to_owned(),
            false => String::new(),
        };
        let parts = [hosts.named(&never), left, others];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        FabricError::NotHere {
            here,
            of: hosts.len(),
            wait,
            missing: parts.join(", "),
        }
    }

    /// The port that the others call. None: its name has no address of this machine yet.
    fn listen(&self, wait: Duration) -> Result<Option<TcpListener>, FabricError> {
        let hosts = &self.meeting.hosts;
        let me = hosts.me();
        let listening = hosts.resolve(me).and_then(|addresses| {
            let listener = TcpListener::bind(&addresses[..])?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        match listening {
            Ok(listener) => Ok(Some(listener)),
            Err(source) => {
                let until = match source.kind() {
                    io::ErrorKind::AddrInUse => wait.min(PORT_IN_USE),
                    io::ErrorKind::PermissionDenied => Duration::ZERO,
                    _ => wait,
                };
                if self.begun.elapsed() < until {
                    return Ok(None);
                }
                Err(FabricError::Listen {
                    machine: me,
                    address: hosts.address(me).to_owned(),
                    source,
                })
            }
        }
    }

    /// Greets all that have called, each on a thread of its own.
    fn accept(&self, listener: &TcpListener) {
        while let Ok((stream, _)) = listener.accept() {
            let meeting = Arc::clone(&self.meeting);
            if meeting.greetings.fetch_add(1, Ordering::Relaxed) >= GREETINGS {
                meeting.greetings.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let events = self.events.clone();
            let greeter = move || {
                let event = meeting.answer(stream);
                meeting.greetings.fetch_sub(1, Ordering::Relaxed);
                event.map(|event| events.send(event))
            };
            let spawned = thread::Builder::new()
                .name("greeting".to_owned())
                .spawn(greeter);
            if spawned.is_err() {
                self.meeting.greetings.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Calls a machine until it answers, on a thread.
    fn call(&self, end: End) {
        let meeting = Arc::clone(&self.meeting);
        let events = self.events.clone();
        let caller = move || {
            while !meeting.over.load(Ordering::Relaxed) {
                if let Some(event) = meeting.call(end) {
                    let _ = events.send(event); // Nobody waits any more if this fails.
                    return;
                }
                thread::sleep(BETWEEN_CALLS);
            }
        };
        // Without a thread the machine stays missing, and the error says so.
        let _ = thread::Builder::new()
            .name("greeting".to_owned())
            .spawn(caller);
    }

    fn take(&mut self, event: Event) -> Result<(), FabricError> {
        let (at, stream) = match event {
            Event::Called(end, stream) => (self.place(end), stream),
            Event::Caller(end, mut stream) => {
                self.forget_those_that_left();
                let at = self.place(end);
                if at.is_some_and(|at| self.streams[at].is_some()) {
                    let _ = stream.write_all(&Verdict::Twice.encode());
                    return Err(self.meeting.differs(end.machine, Difference::Twice));
                }
                if stream.write_all(&Verdict::Welcome.encode()).is_err() {
                    return Ok(());
                }
                (at, stream)
            }
            Event::Differs(error) => return Err(error),
            Event::OtherToken => {
                self.others_came = true;
                return Ok(());
            }
        };
        if let Some(at) = at {
            self.streams[at] = Some(stream);
            self.have_come[at % self.meeting.hosts.len()] = true;
        }
        Ok(())
    }

    /// A machine may end and be started again while the others wait.
    fn forget_those_that_left(&mut self) {
        for at in 0..self.streams.len() {
            if self.streams[at].as_ref().is_some_and(has_left) {
                self.streams[at] = None;
                let end = self.end(at);
                if end.machine < self.meeting.hosts.me() {
                    self.call(end);
                }
            }
        }
    }
}

impl Meeting {
    /// Calls a machine once. None: it is not there, or somebody else is.
    fn call(&self, end: End) -> Option<Event> {
        let machine = end.machine;
        let addresses = self.hosts.resolve(machine).ok()?;
        let stream = addresses
            .iter()
            .find_map(|address| TcpStream::connect_timeout(address, CALLING).ok())?;
        // A port that nobody listens on may be the caller's own, on one host.
        if stream.local_addr().ok() == stream.peer_addr().ok() {
            return None;
        }
        let mut line = Line::new(stream)?;
        let ours = self.hello(end.line as u32)?;
        line.say(&ours.encode())?;
        let theirs = match line.hear_hello()? {
            Heard::Hello(theirs) => theirs,
            Heard::OtherVersion => return Some(self.differ(machine, Difference::Greeting)),
        };
        if let Some(difference) = ours.difference(&theirs) {
            return Some(self.differ(machine, difference));
        }
        let says = theirs.me as usize;
        if says != machine {
            return Some(self.differ(machine, Difference::Place { says }));
        }
        line.say(&ours.proof(&theirs, &self.terms.token))?;
        if line.hear::<32>()? != theirs.proof(&ours, &self.terms.token) {
            return Some(self.differ(machine, Difference::Token));
        }
        match Verdict::decode(line.hear()?)? {
            Verdict::Welcome => Some(Event::Called(end, line.done()?)),
            Verdict::Twice => Some(self.differ(self.hosts.me(), Difference::Twice)),
        }
    }

    /// Answers a call. None: a stranger, or a machine that has ended.
    fn answer(&self, stream: TcpStream) -> Option<Event> {
        let mut line = Line::new(stream)?;
        let heard = line.hear_hello()?;
        let asked = match &heard {
            Heard::Hello(theirs) => theirs.line,
            Heard::OtherVersion => 0,
        };
        let ours = self.hello(asked)?;
        line.say(&ours.encode())?;
        let theirs = match heard {
            Heard::Hello(theirs) => theirs,
            Heard::OtherVersion if !self.terms.token.is_empty() => return Some(Event::OtherToken),
            Heard::OtherVersion => {
                let error = FabricError::Mismatch {
                    machine: self.hosts.me(),
                    address: line.address(),
                    difference: Difference::Greeting,
                };
                return Some(Event::Differs(error));
            }
        };
        let machine = theirs.me as usize;
        let difference = ours.difference(&theirs);
        if let Some(difference) = &difference
            && self.terms.token.is_empty()
        {
            return Some(self.differ(machine, difference.clone()));
        }
        line.say(&ours.proof(&theirs, &self.terms.token))?;
        if line.hear::<32>()? != theirs.proof(&ours, &self.terms.token) {
            // Without a token to keep others out, it was this machine that was to be kept out.
            return match self.terms.token.is_empty() {
                true => Some(self.differ(machine, Difference::Token)),
                false => Some(Event::OtherToken),
            };
        }
        if let Some(difference) = difference {
            return Some(self.differ(machine, difference));
        }
        if machine >= self.hosts.len() {
            return None;
        }
        // Those with lower numbers are called.
        if machine <= self.hosts.me() {
            let _ = line.say(&Verdict::Twice.encode());
            return Some(self.differ(machine, Difference::Twice));
        }
        let end = End {
            machine,
            line: asked as usize,
        };
        Some(Event::Caller(end, line.done()?))
    }

    fn hello(&self, line: u32) -> Option<Hello> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).ok()?;
        let (me, of) = (self.hosts.me(), self.hosts.len());
        let mut hello = Hello::new(me, of, &self.terms, nonce);
        hello.line = line;
        Some(hello)
    }

    fn differ(&self, machine: usize, difference: Difference) -> Event {
        Event::Differs(self.differs(machine, difference))
    }

    fn differs(&self, machine: usize, difference: Difference) -> FabricError {
        let known = machine < self.hosts.len();
        FabricError::Mismatch {
            machine,
            address: match known {
                true => self.hosts.address(machine).to_owned(),
                false => "not in this machine's list".to_owned(),
            },
            difference,
        }
    }
}

enum Heard {
    Hello(Hello),
    OtherVersion,
}

/// A socket during the greeting, which ends in time whatever the other side does. None says that
/// the other side is no machine, or is gone.
struct Line {
    stream: TcpStream,
    until: Instant,
}

impl Line {
    fn new(stream: TcpStream) -> Option<Line> {
        stream.set_nonblocking(false).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_write_timeout(Some(GREETING)).ok()?;
        let until = Instant::now() + GREETING;
        Some(Line { stream, until })
    }

    fn say(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).ok()
    }

    fn hear<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Some(bytes)
    }

    fn fill(&mut self, mut bytes: &mut [u8]) -> Option<()> {
        while !bytes.is_empty() {
            let left = self.until.saturating_duration_since(Instant::now());
            let left = (!left.is_zero()).then_some(left)?;
            self.stream.set_read_timeout(Some(left)).ok()?;
            match self.stream.read(bytes) {
                Ok(0) => return None,
                Ok(read) => bytes = &mut bytes[read..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(())
    }

    fn hear_hello(&mut self) -> Option<Heard> {
        let mut bytes = [0; Hello::BYTES];
        let start = self.hear::<{ Hello::START }>()?;
        match Hello::start(&start) {
            Start::Stranger => return None,
            Start::OtherVersion => return Some(Heard::OtherVersion),
            Start::Ours => bytes[..Hello::START].copy_from_slice(&start),
        }
        self.fill(&mut bytes[Hello::START..])?;
        Hello::decode(&bytes).map(Heard::Hello)
    }

    fn address(&self) -> String {
        let address = self.stream.peer_addr();
        address.map_or_else(|_| "unknown".to_owned(), |at| at.to_string())
    }

    /// The socket as the run uses it.
    fn done(self) -> Option<TcpStream> {
        self.stream.set_read_timeout(None).ok()?;
        self.stream.set_write_timeout(None).ok()?;
        notice_a_cut(&self.stream).ok()?;
        Some(self.stream)
    }
}

/// A machine that vanishes without a word is noticed: data or probes unanswered for 10 s.
fn notice_a_cut(stream: &TcpStream) -> rustix::io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_socket_keepalive(stream, true)?;
    #[cfg(target_os = "linux")]
    {
        sockopt::set_tcp_keepidle(stream, Duration::from_secs(5))?;
        sockopt::set_tcp_keepintvl(stream, Duration::from_secs(1))?;
        sockopt::set_tcp_keepcnt(stream, 5)?;
        sockopt::set_tcp_user_timeout(stream, 10_000)?;
    }
    Ok(())
}

/// Whether the other side has closed a socket on which it has said nothing.
fn has_left(stream: &TcpStream) -> bool {
    let peeked = stream
        .set_nonblocking(true)
        .and_then(|()| stream.peek(&mut [0]));
    let again = stream.set_nonblocking(false);
    match peeked {
        Ok(bytes) => bytes == 0 || again.is_err(),
        Err(error) => error.kind() != io::ErrorKind::WouldBlock || again.is_err(),
    }
}
