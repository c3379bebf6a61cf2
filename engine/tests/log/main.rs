//! The durable log against a disk that breaks, and against real files.
//!
//! The oracle: whatever was acknowledged is recovered, at its version or higher, or the log is
//! refused with a reason; a refusal needs a fault beyond a crash.

mod crashes;
mod faults;
mod files;
mod owner;
mod pace;
mod rng;
mod space;
mod streams;
mod table;
mod teeth;
