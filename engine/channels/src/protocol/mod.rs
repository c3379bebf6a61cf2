//! The rules of a channel as pure state machines: no I/O, no clock, no threads, no randomness.
//!
//! | rule | decided in |
//! | --- | --- |
//! | S1, S2: one state per version, each extending the newest by valid payments | [`Balance::step`], `Endpoint::propose`, `Endpoint::accept` |
//! | S4: what a payee counts as received | `Endpoint::accept` |
//! | S5: who may propose | `endpoint/turn.rs` |
//! | S6: the final signature is the last | `endpoint/finish.rs` |
//! | S3: what must be stored before a signature leaves | `endpoint/record/` |
//! | S7, S8: answering posts, closing without the peer | `endpoint/close.rs` |

mod amount;
mod burst;
mod endpoint;
mod entry;
#[cfg(test)]
mod fixture;
mod message;
mod new_state;
mod payments;
mod proof;
mod rejection;
mod terms;

pub use amount::Amount;
pub use burst::Burst;
pub use endpoint::{
    Acknowledged, AcknowledgementClaim, Answer, CoSignOrder, Endpoint, FinalClaim, InMemory,
    Incoming, MOST_NOTE, ProposalClaim, RECORD_FORMAT, RecordError, Recovered, RecoveredClaim,
    Rules, SignOrder, Status, Storage, WindowPool, record_identity,
};
pub use entry::{Balance, Entry, EntryBytes, Limits, Payment};
pub use message::Message;
pub use new_state::{NewState, Tip};
pub use payments::{PackedPayments, Payments};
pub use proof::{CoSigned, FinalProof, HalfSigned, Post, State, final_digest, state_digest};
pub use rejection::Rejection;
pub use terms::{ChannelId, Pair, Party, Terms, TermsError};
