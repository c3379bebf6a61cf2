//! Lets several processes, the *machines*, run one benchmark over one Layer 1: carries bytes to it
//! step by step, and its answers back.
//!
//! Machine 0 has Layer 1. Each machine's shards send [`Batch`]es of steps; when all machines have
//! passed a step, machine 0 gets all its batches at once, in the order of their shards, and
//! answers each. The bytes are opaque. On one machine no socket is opened, and nothing is copied.
//!
//! Underneath is timely dataflow: one worker a process, whose frontier says which steps all have
//! passed. Sockets, greetings, heartbeats and failures are this crate's own.
//!
//! ```no_run
//! use std::sync::atomic::AtomicBool;
//! use std::time::Duration;
//!
//! use duet_fabric::{Batch, FabricError, Gate, Hosts, Terms, connect};
//!
//! # fn main() -> Result<(), FabricError> {
//! let hosts = Hosts::parse("10.0.0.7:2101,10.0.0.8:2101", 0)?;
//! let terms = Terms { build: "0.1.0".to_owned(), ..Terms::default() };
//! let stop = AtomicBool::new(false);
//! let sockets = connect(&hosts, &terms, Duration::from_secs(30), &stop)?;
//! let mut gate = Gate::open(sockets, Duration::from_secs(10))?;
//!
//! gate.send(Batch::new(0, 0, 0, b"what shard 0 has of step 0".to_vec()));
//! gate.pass(1);
//! loop {
//!     gate.turn(Duration::from_millis(20))?;
//!     while let Some((step, batches)) = gate.next_step() {
//!         for batch in batches {
//!             let machine = batch.from as usize; // Here each machine has one shard.
//!             gate.answer(machine, Batch::new(step, batch.from, 0, b"settled".to_vec()));
//!         }
//!     }
//!     if let Some(answer) = gate.answered() {
//!         assert_eq!(answer.body(), b"settled");
//!         break;
//!     }
//! }
//! gate.close()
//! # }
//! ```
//!
//! # What it promises
//!
//! - Machines begin together or not at all: all are there within a time, and were told the same
//!   ([`Terms`]). Otherwise each says who is missing, or what differs. Strangers on the port are
//!   ignored.
//! - A step is settled once, with all its batches, after the steps before it.
//! - A machine that ends, hangs or is cut off ends the run on all others, within a second or
//!   within their patience. They name the machine that fell first, as far as they can know: who
//!   notices a fall tells the others before it leaves.
//! - No panic and no output, whatever happens to the other machines.
//!
//! # What it does not
//!
//! - Nothing is encrypted, and nothing but the greeting is authenticated: the token keeps
//!   strangers and other runs out, and no more. Use it on private networks.
//! - Messages are checked before they are used, against faults rather than malice: a machine that
//!   has the token can send batches of its own.
//! - Queues have no bound: the caller bounds how many steps it is ahead of its answers.
//! - A machine that falls does not come back, and a run does not go on without it.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::too_many_lines))]

mod arrivals;
mod batch;
mod connect;
mod error;
mod fall;
mod frame;
mod gate;
mod greeting;
mod hosts;
mod quiet;
mod watch;
mod wire;

pub use arrivals::Waited;
pub use batch::{Batch, MOST_BYTES};
pub use connect::{Sockets, connect, connect_lines};
pub use error::{Difference, FabricError};
pub use gate::Gate;
pub use greeting::Terms;
pub use hosts::Hosts;
