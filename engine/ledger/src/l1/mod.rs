//! An in-process Layer 1: accounts, channels, blocks, and the count of its own load.
//!
//! One writer, no network, no clock but the block's height: the same bytes submitted in the same
//! order make the same blocks, byte for byte. What makes it scarce beside bytes (`market`: block
//! time, units, bids) can be left out. Whatever arrives, supply is conserved (rule L7).
//! Baseline and channels run on this same code, so that their loads compare.
//!
//! A transaction's way through the files:
//!
//! 1. [`Chain::submit`] decodes the bytes (`transaction`) and keeps them in the `mempool`, or in
//!    the `pool` if they bid. Of an answer with room of its own it verifies all, once; what was in vain
//!    is its submitter's (`vain`). What each takes of a block, and pays, is in `asks`.
//! 2. [`Chain::seal`] takes them in order, in `rounds`: what each one of a `round` asks for
//!    (`claim`), all its keys together, and all their signatures in one batch (`witness`), on other
//!    threads if that is wanted.
//! 3. The `ledger` decides (`channel` and `dispute` for what concerns one channel), then applies.
//! 4. The bytes of those included stream into the `block`; every one gets a [`Receipt`].
//! 5. If it is asked for, the block's header commits to the whole state (`root`).
//!
//! A durable log can keep it: `chain/durable.rs` says what changed, as `records`, and makes a Layer
//! 1 of them again ([`Chain::restore`]).
//!
//! Three ends: *refused* (invalid: not included, no fee, no trace), *failed* (valid, but above a
//! balance that it cannot control: included, pays its fee), *executed*. A transaction's end does
//! not depend on how the queue is cut into blocks, but for posts and payouts: for these, the height
//! is the time.
//!
//! | rule | decided in |
//! | --- | --- |
//! | L1: opening and rolling over | `ledger/decide.rs` |
//! | L2, L3: what a state pays, the cooperative end | `channel.rs`; the signatures in `witness.rs` |
//! | L4, L5, L6: posts, windows, settlement, punishment | `dispute.rs` |
//! | L7: supply | `ledger/mod.rs` |
//! | L8: replays, fees, room for answers | `ledger/decide.rs`, `mempool.rs`, `vain.rs` |

mod asks;
mod block;
mod chain;
mod channel;
mod claim;
mod config;
mod dispute;
#[cfg(test)]
mod games;
mod heads;
mod ledger;
mod load;
mod market;
mod mempool;
mod pool;
mod receipt;
mod records;
mod refusal;
mod restore;
mod root;
mod round;
mod rounds;
mod tape;
#[cfg(test)]
mod tests;
mod transaction;
mod vain;
mod witness;

pub use block::Header;
pub use chain::{Aside, Chain, Restoring};
pub use channel::{ChannelRecord, ChannelStatus};
pub use config::{Allocations, Config, ConfigError, Genesis, SetupError, Verification};
pub use dispute::Dispute;
pub use ledger::{Account, Imbalance, Totals};
pub use load::{Load, Space};
pub use market::{Answers, Bid, Order, Pace, Prices, Rate, Units};
pub use receipt::{Executed, Notice, PaidOut, Receipt};
pub use refusal::{Failure, Malformed, NotExecuted, Refusal, SignatureRole, SubmitError};
pub use restore::RestoreError;
pub use root::{AccountProof, ChannelProof};
pub use tape::{Asked, Tape};
pub use transaction::{COOPERATIVE_CLOSE_BYTES, Opening, Output, SignedTransaction, Transaction};
