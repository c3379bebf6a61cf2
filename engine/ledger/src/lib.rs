//! The in-process Layer 1 on which channels are opened and closed, and which counts its own load
//! ([`l1`]); and who answers posts there for parties that are offline ([`watchtower`]).

#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

pub mod l1;
pub mod watchtower;
