//! Layer 1's validators: n of them decide one block a height, by Tendermint's rules, in virtual
//! time and in one process. They know a block by its hash, and nothing of what is in it.
//!
//! A [`Simulation`] is a network drawn from a seed, and the validators on it. For each height it
//! asks [`Blocks`] what a proposer offers and whether a validator may vote for what it got, and
//! gives what was decided, with the [`Certificate`] that shows it to anybody who knows the
//! validators' keys. The same seed, faults and blocks give the same votes at the same instants.
//!
//! The rules are those of `arc-malachitebft-core-driver`; what it leaves to its caller is in
//! `validator` and `simulation` (`docs/decisions/consensus.md`).

mod blocks;
mod certificate;
mod context;
mod counts;
mod faults;
mod message;
mod network;
mod queue;
mod registry;
mod simulation;
#[cfg(test)]
mod tests;
mod turn;
mod validator;

pub use blocks::{Block, Blocks, Offer};
pub use certificate::{Certificate, CertificateError, Validators, keys_digest};
pub use counts::{Counts, Finality};
pub use faults::{Fault, Faults, TooManyFaults};
pub use network::{Latency, LatencyError, MOST_LOSS_PPM, Network, Partition};
pub use simulation::{Decision, Setup, Simulation, Stopped};
