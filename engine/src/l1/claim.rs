//! What a transaction asks for, once all that can be said without a ledger has been said.

use super::refusal::Refusal;
use super::transaction::Transaction;
use crate::crypto::{Digest, PublicKey};
use crate::protocol::{Amount, ChannelId, Entry, State, Terms};

/// A transaction whose content is in order. Who signed it is not known yet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Claim {
    /// An amount above zero to move.
    Transfer {
        from: PublicKey,
        nonce: u64,
        to: PublicKey,
        amount: Amount,
    },
    /// Terms that make a channel, with what follows from them.
    Open {
        terms: Terms,
        capacity: Amount,
        channel: ChannelId,
    },
    /// A final state: of version 0 as the channel opened, or of a version above 0.
    Close {
        submitter: PublicKey,
        channel: ChannelId,
        state: State,
    },
}

impl Claim {
    /// Checks a transaction's content, on the Layer 1 of this genesis.
    pub(super) fn of(transaction: &Transaction, genesis: &Digest) -> Result<Claim, Refusal> {
        match *transaction {
            Transaction::Transfer {
                from,
                nonce,
                to,
                amount,
            } => {
                if amount.is_zero() {
                    return Err(Refusal::ZeroAmount);
                }
                Ok(Claim::Transfer {
                    from,
                    nonce,
                    to,
                    amount,
                })
            }
            Transaction::Open {
                nonce,
                index,
                keys,
                deposits,
                challenge_window_blocks,
                reserve,
            } => {
                if index != 0 {
                    return Err(Refusal::WrongIndex {
                        expected: 0,
                        got: index,
                    });
                }
                let terms = Terms {
                    genesis: *genesis,
                    nonce,
                    index,
                    keys,
                    deposits,
                    challenge_window_blocks,
                    reserve,
                };
                Ok(Claim::Open {
                    capacity: terms.capacity().map_err(Refusal::Terms)?,
                    channel: terms.channel_id(),
                    terms,
                })
            }
            Transaction::CooperativeClose {
                submitter,
                ref proof,
            } => {
                let channel = proof.channel;
                if let State::After { entry, .. } = &proof.state
                    && Entry::decode(entry).version == 0
                {
                    return Err(Refusal::VersionZero { channel });
                }
                Ok(Claim::Close {
                    submitter,
                    channel,
                    state: proof.state,
                })
            }
        }
    }
}
