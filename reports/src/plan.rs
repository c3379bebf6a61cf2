//! Capacity planning: from what a sweep measured to the machines that a load needs, and back.
//!
//! What is asked ([`Ask`]) and the runs make a model, the model an [`Answer`]; a run can be set
//! beside it ([`Comparison`]).
//!
//! # The model
//!
//! Fitted from the runs of one assurance, with coefficients that cannot be negative:
//!
//! - **CPU time** of a stage per payment: `a + b/n + g/√n + e/s + c/P + d log2(C)`, with n
//!   signatures a wave, s of them of one key, P payments a session, C channels a shard (`cpu.rs`
//!   says which stage has which).
//! - **Waves**: a shard takes what is ready, so that n follows from the rate λ:
//!   `n = λ T(n) + exp(−λ T(n))`, `T(n) = α n cpu(n) + σ` (`waves.rs`).
//! - **Response time**: measured percentiles over the rate, made rising, interpolated
//!   (`response.rs`). The objective gives the most payments per second and shard. Nothing is said
//!   beyond the measured rates, but which sweep would measure there (`wanting.rs`).
//! - **Scaling** over shards: the Universal Scalability Law from five counts on, the measured
//!   efficiency below (`scaling.rs`).
//! - **Memory**: a process's, a shard's, a channel's, its batches'; **log**: bytes a signature, a
//!   wave, a session (`storage.rs`).
//! - **Layer 1**: modelled from a profile's prices (`l1.rs`).
//!
//! What is planned for other channels, sessions or one end only is the measured rate with its CPU
//! part exchanged, at the same wave: `1/λ' = (1/λ) ((1 − u) + u cpu'/cpu)`, where u is the share of
//! the time in which a shard computed. docs/capacity-planning.md has the reasons, and how to read a
//! plan.

mod answer;
mod ask;
mod check;
mod compare;
mod cpu;
mod holdout;
mod input;
mod interval;
mod l1;
mod least_squares;
mod machine;
mod model;
mod observation;
mod response;
mod scaling;
mod size;
mod statistics;
mod storage;
mod text;
mod wanting;
mod waves;

#[cfg(test)]
mod synthetic;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Fit, OwnLayer1, TermCost, plan};
pub use ask::{Ask, Percentile, Role, Slo, Wanted};
pub use compare::{Comparison, Figure};
pub use cpu::StageCpu;
pub use holdout::{Edge, Errors, HoldoutError, Spread};
pub use input::{Assurance, Inputs, InvalidRun, Source, SweepMachine, Together};
pub use interval::Interval;
pub use l1::{L1Load, L1Prices};
pub use size::{Constraint, PerCore, Point, Size};
pub use text::text;

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The files or options cannot be planned with.
    #[error("{0}")]
    Refused(String),
    /// They can, and say that the objective is not met by any number of machines.
    #[error("{0}")]
    Missed(String),
}
