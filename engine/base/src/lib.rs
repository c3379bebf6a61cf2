//! What Duet's crates stand on: [`bytes`] are read from the front; [`chunks`] are rows that never
//! move, with an [`index`] of their places; [`clock`] reads CPU time, [`metered`] threads tell
//! theirs in full; a [`folder`] is held open.

#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

pub mod bytes;
pub mod chunks;
pub mod clock;
pub mod folder;
pub mod index;
pub mod metered;
