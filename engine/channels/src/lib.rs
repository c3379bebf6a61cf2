//! Two-party payment channels, very many at once. Rooms, each depending only on those above it:
//!
//! - [`crypto`] hashes, signs and verifies, in batches. Only it can make a [`crypto::Verified`].
//! - [`protocol`] holds the rules of a channel as pure state machines.
//! - [`legs`] is one party's work on the messages of many channels, in batches.
//! - [`driver`] is one party's side of many channels, without I/O: what a hub or a wallet is built
//!   on.

#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

pub mod crypto;
pub mod driver;
pub mod legs;
pub mod protocol;
