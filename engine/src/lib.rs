//! Two-party payment channels, very many at once: the engine behind Duet.
//!
//! Its rooms are crates of their own, each of which knows only those above it; this one puts them
//! together, and drives them:
//!
//! - [`crypto`] hashes, signs and verifies, in batches. Only it can make a [`crypto::Verified`].
//! - [`protocol`] holds the rules of a channel as pure state machines.
//! - [`legs`] is one party's work on the messages of many channels, in batches.
//! - [`driver`] is one party's side of many channels, without I/O: what a hub or a wallet is built
//!   on.
//! - [`l1`] is the in-process Layer 1 on which channels are opened and closed, and which counts
//!   its own load.
//! - [`consensus`] has validators decide its blocks, in virtual time.
//! - [`light_client`] believes what a node says of Layer 1 by certificate and proof alone.
//! - [`watchtower`] answers posts for parties that are offline.
//! - [`log`] keeps the newest record of each key durably. It carries bytes and knows only hashing.
//! - [`transcript`] writes down what was said, for auditors who trust none of this.
//! - [`pipeline`] runs channels in shards, in batches, and measures them.

#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

pub mod light_client;
pub mod pipeline;
pub mod transcript;

pub use duet_channels::{crypto, driver, legs, protocol};
pub use duet_consensus as consensus;
pub use duet_ledger::{l1, watchtower};
pub use duet_log as log;
