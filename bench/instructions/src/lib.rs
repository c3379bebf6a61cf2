//! The engine's single-threaded, portable kernels, each with its setting made beforehand, so that what
//! is counted is the kernel alone. All take the `dalek` back end by name: Valgrind knows no AVX-512,
//! and what the lanes do cannot be counted under it.
//!
//! Work is the same in every run but for what the operating system draws: coefficients of a batch
//! (`verify`, `layer_1`) and the multipliers of index tables. They move a count by parts of a
//! thousand.
#![forbid(unsafe_code)]

mod channels;
mod layer_1;
mod signatures;

pub use channels::{CoSigning, Completing, Proposing, Receiving};
pub use layer_1::Transfers;
pub use signatures::{Chains, Signing, Verifying};
