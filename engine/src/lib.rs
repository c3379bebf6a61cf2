//! Two-party payment channels, very many at once: the engine behind Duet.
//!
//! Rooms, each depending only on those above it:
//!
//! - [`crypto`] hashes, signs and verifies, in batches. Only it can make a [`crypto::Verified`].
//! - [`protocol`] holds the rules of a channel as pure state machines.
//! - [`legs`] is one party's work on the messages of many channels, in batches.
//! - [`driver`] is one party's side of many channels, without I/O: what a hub or a wallet is built
//!   on.
//! - [`l1`] is the in-process Layer 1 on which channels are opened and closed, and which counts
//!   its own load.
//! - [`watchtower`] answers posts for parties that are offline.
//! - [`transcript`] writes down what was said, for auditors who trust none of this.
//! - [`log`] keeps the newest record of each key durably. It carries bytes and knows only hashing.
//! - [`pipeline`] runs channels in shards, in batches, and measures them.

#![forbid(unsafe_code)]

mod chunks;
mod clock;
pub mod crypto;
pub mod driver;
mod folder;
mod index;
pub mod l1;
pub mod legs;
pub mod log;
mod metered;
pub mod pipeline;
pub mod protocol;
pub mod transcript;
pub mod watchtower;
