//! The engine's single-threaded kernels, each with its setting made beforehand, so that what is
//! counted is the kernel alone. They take the `dalek` back end by name, and those in lanes AVX2 and
//! FMA: Valgrind knows no AVX-512.
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
pub use signatures::{Chains, Signing, SigningInLanes, Verifying};
