//! A socket as the dataflow engine sees it: one that never fails. The engine panics on a socket
//! that does, and on messages that it does not expect; here both become a fall that the watch
//! knows of, and the engine's threads wait until the gate has gone.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use timely::communication::allocator::zero_copy::stream::Stream;

use crate::fall::Why;
use crate::frame::{self, Announced, Control, HEADER, MOST_PREFIX};
use crate::watch::Watch;

const READ_AHEAD: usize = 64 << 10;

/// One machine's socket. Of its clones one reads, one writes.
#[derive(Debug)]
pub(crate) struct Wire {
    watch: Arc<Watch>,
    machine: usize,
    ahead: Ahead,
    state: State,
}

/// How far the reader is.
#[derive(Debug)]
enum State {
    BetweenMessages,
    /// A header and the beginning of its message, checked: these bytes are next, then the body.
    Start {
        bytes: [u8; HEADER + MOST_PREFIX],
        next: usize,
        end: usize,
        body: usize,
    },
    /// So many bytes of a message are yet to come.
    Body(usize),
    /// The machine is through; the engine has yet to see so many bytes of its last header.
    Through(usize),
    /// Some machine has fallen: this many bytes are missing from the last message.
    Fallen(usize),
    End,
}

/// Bytes that were read and not yet looked at.
#[derive(Debug, Default)]
struct Ahead {
    bytes: Box<[u8]>,
    next: usize,
    end: usize,
}

impl Wire {
    pub(crate) fn new(watch: Arc<Watch>, machine: usize) -> Wire {
        Wire {
            watch,
            machine,
            ahead: Ahead::default(),
            state: State::BetweenMessages,
        }
    }

    /// Takes the next message, up to its body. It is one for the engine, or the last one.
    fn next_message(&mut self) -> Result<State, Why> {
        loop {
            let mut head = [0; HEADER];
            self.fill(&mut head)?;
            let header = frame::header(&head);
            let me = self.watch.hosts.me();
            // Others may send before this machine has built its dataflow.
            let channels = self.watch.channels.wait();
            let announced = frame::check_header(&header, self.machine, me, channels);
            let announced = announced.map_err(Why::Garbled)?;
            let mut bytes = [0; HEADER + MOST_PREFIX];
            bytes[..HEADER].copy_from_slice(&head);
            let end = HEADER + announced.prefix();
            self.fill(&mut bytes[HEADER..end])?;
            let prefix = &bytes[HEADER..end];
            frame::check_prefix(announced, header.length, prefix, me).map_err(Why::Garbled)?;
            match announced {
                Announced::End => {
                    self.watch.came_through(self.machine);
                    return Ok(State::Through(HEADER));
                }
                Announced::Control => self.hear(prefix)?,
                Announced::Batch | Announced::Progress => {
                    return Ok(State::Start {
                        bytes,
                        next: 0,
                        end,
                        body: header.length - announced.prefix(),
                    });
                }
            }
        }
    }

    fn hear(&mut self, message: &[u8]) -> Result<(), Why> {
        let unknown = || Why::Garbled("an unknown message".to_owned());
        let control = Control::decode(message).ok_or_else(unknown)?;
        let fall = control.fall(self.machine, self.watch.hosts.len());
        if let Some(fall) = fall.map_err(Why::Garbled)? {
            self.watch.fell(fall);
        }
        Ok(())
    }

    fn fill(&mut self, mut bytes: &mut [u8]) -> Result<(), Why> {
        while !bytes.is_empty() {
            let read = self.pull(bytes)?;
            bytes = &mut bytes[read..];
        }
        Ok(())
    }

    /// At least one byte: one that was read ahead, or the socket's next.
    fn pull(&mut self, bytes: &mut [u8]) -> Result<usize, Why> {
        if self.ahead.next == self.ahead.end {
            if bytes.len() >= READ_AHEAD {
                return self.watch.receive(self.machine, bytes);
            }
            if self.ahead.bytes.is_empty() {
                self.ahead.bytes = vec![0; READ_AHEAD].into();
            }
            self.ahead.next = 0;
            self.ahead.end = 0; // Also if nothing is received.
            self.ahead.end = self.watch.receive(self.machine, &mut self.ahead.bytes)?;
        }
        let read = (&self.ahead.bytes[self.ahead.next..self.ahead.end]).read(bytes);
        let read = read.unwrap_or(0); // A slice does not fail.
        self.ahead.next += read;
        Ok(read)
    }

    /// One step of the reader; 0 bytes if it has only changed its state.
    fn advance(&mut self, bytes: &mut [u8]) -> Result<usize, Why> {
        match &mut self.state {
            State::BetweenMessages => {
                self.state = self.next_message()?;
                Ok(0)
            }
            State::Start {
                bytes: start,
                next,
                end,
                body,
            } => {
                let read = (end.saturating_sub(*next)).min(bytes.len());
                bytes[..read].copy_from_slice(&start[*next..*next + read]);
                *next += read;
                if next == end {
                    self.state = State::body(*body);
                }
                Ok(read)
            }
            State::Body(left) => {
                let left = *left;
                let most = left.min(bytes.len());
                let read = self.pull(&mut bytes[..most])?;
                self.state = State::body(left - read);
                Ok(read)
            }
            State::Through(left) => {
                let read = (*left).min(bytes.len());
                bytes[..read].fill(0);
                *left -= read;
                if *left == 0 {
                    self.state = State::End;
                }
                Ok(read)
            }
            State::Fallen(missing) => {
                // The engine's worker is gone by then: nobody looks at these zeros. They let its
                // thread end as if the machine had said that it is through.
                self.watch.wait_for_end();
                let read = (*missing).min(bytes.len());
                bytes[..read].fill(0);
                *missing -= read;
                if *missing == 0 {
                    self.state = State::Through(HEADER);
                }
                Ok(read)
            }
            State::End => Ok(0),
        }
    }
}

impl State {
    fn body(left: usize) -> State {
        match left {
            0 => State::BetweenMessages,
            left => State::Body(left),
        }
    }
}

impl Read for Wire {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        loop {
            let missing = match &self.state {
                State::Body(left) => *left,
                _ => 0,
            };
            match self.advance(bytes) {
                Ok(0) if !matches!(self.state, State::End) => {}
                Ok(read) => return Ok(read),
                Err(why) => {
                    self.watch.lost(self.machine, why);
                    self.state = State::Fallen(missing);
                }
            }
        }
    }
}

/// The engine writes whole messages at a time.
impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.watch.send(self.machine, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Wire {
    fn try_clone(&self) -> io::Result<Wire> {
        Ok(Wire::new(Arc::clone(&self.watch), self.machine))
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.watch.socket(self.machine).set_nonblocking(nonblocking)
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        self.watch.shut(self.machine);
        Ok(())
    }
}
