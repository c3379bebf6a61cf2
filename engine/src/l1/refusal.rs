//! Every way in which Layer 1 says no, by name, with what was expected and what was found.

use std::fmt;

use crate::crypto::{KeyError, PublicKey};
use crate::protocol::{Amount, ChannelId, Party, TermsError};

/// Why a transaction is invalid: it is in no block, pays nothing and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    // What it says, whatever the ledger holds.
    /// A transfer of nothing.
    ZeroAmount,
    /// A transaction opens one channel until batched opens come: its index is 0.
    WrongIndex {
        /// The index that would be right.
        expected: u32,
        /// The index found.
        got: u32,
    },
    /// The terms make no channel.
    Terms(TermsError),
    /// A final state after an entry, and the entry's version is 0: rule L2 wants at least 1.
    VersionZero {
        /// Which channel was to close.
        channel: ChannelId,
    },
    /// A signer's or a party's key is none.
    Key(KeyError),

    // Who it is for and from.
    /// No such channel: never opened, closed already, or on another Layer 1.
    UnknownChannel {
        /// Which channel was to close.
        channel: ChannelId,
    },
    /// A signature does not verify.
    BadSignature {
        /// What the signature was for.
        role: SignatureRole,
        /// The key that should have made it.
        key: PublicKey,
    },
    /// No such account.
    UnknownAccount {
        /// The account that was to pay.
        account: PublicKey,
    },
    /// Sent before, or out of order.
    WrongNonce {
        /// The account's next nonce.
        expected: u64,
        /// The nonce found.
        got: u64,
    },
    /// The account cannot pay for being included.
    FeeAboveBalance {
        /// The account's balance.
        have: Amount,
        /// The fee.
        fee: Amount,
    },

    // The channel's state.
    /// The final state gives A more than the channel holds.
    BalanceAboveCapacity {
        /// What the channel holds.
        capacity: Amount,
        /// What A would get.
        got: Amount,
    },
}

/// Which of a transaction's signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureRole {
    /// That of the account that pays the fee.
    Signer,
    /// B's, of an open to which B deposits.
    Consent,
    /// A party's, over the final state.
    Final(Party),
}

/// Why a valid transaction did not do what it asks: it is in the block and paid its fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A transfer of more than the account has after the fee.
    TransferAboveBalance {
        /// What the account has after the fee.
        have: Amount,
        /// What was to move.
        got: Amount,
    },
    /// A deposit of more than the account has, for the opener after the fee.
    DepositAboveBalance {
        /// Whose deposit.
        party: Party,
        /// What the account has.
        have: Amount,
        /// What was to be locked.
        got: Amount,
    },
}

/// Why bytes are no transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// No bytes at all.
    Empty,
    /// A first byte that names no kind.
    UnknownKind {
        /// The byte.
        got: u8,
    },
    /// Bytes missing or left over.
    WrongLength {
        /// The kind's byte.
        kind: u8,
        /// The length of that kind.
        expected: usize,
        /// The length found.
        got: usize,
    },
    /// The kind for two depositors, and B deposits nothing.
    ZeroDepositOfB,
}

/// Why a transaction is not queued. The caller still has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// The queue is full: the same bytes are welcome after the next block.
    MempoolFull {
        /// How many transactions may wait.
        capacity: u32,
    },
    /// The bytes are no transaction.
    Malformed(Malformed),
    /// The transaction fits in no block.
    TooLarge {
        /// A block's bytes.
        limit: u64,
        /// The transaction's.
        got: u64,
    },
}

impl Refusal {
    /// The name under which it is counted.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Refusal::ZeroAmount => "l1_zero_amount",
            Refusal::WrongIndex { .. } => "l1_wrong_index",
            Refusal::Terms(_) => "l1_terms",
            Refusal::VersionZero { .. } => "l1_version_zero",
            Refusal::Key(_) => "l1_key",
            Refusal::UnknownChannel { .. } => "l1_unknown_channel",
            Refusal::BadSignature { .. } => "l1_bad_signature",
            Refusal::UnknownAccount { .. } => "l1_unknown_account",
            Refusal::WrongNonce { .. } => "l1_wrong_nonce",
            Refusal::FeeAboveBalance { .. } => "l1_fee_above_balance",
            Refusal::BalanceAboveCapacity { .. } => "l1_balance_above_capacity",
        }
    }
}

impl Failure {
    /// The name under which it is counted.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Failure::TransferAboveBalance { .. } => "l1_transfer_above_balance",
            Failure::DepositAboveBalance { .. } => "l1_deposit_above_balance",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::ZeroAmount => write!(f, "amount 0, expected more"),
            Refusal::WrongIndex { expected, got } => write!(f, "index {got}, expected {expected}"),
            Refusal::Terms(TermsError::SameKey(key)) => {
                write!(f, "both parties have the key {key}, expected two keys")
            }
            Refusal::Terms(TermsError::CapacityOverflow(deposits)) => write!(
                f,
                "deposits of {} and {}, expected a sum of at most {}",
                deposits.a,
                deposits.b,
                u64::MAX
            ),
            Refusal::Terms(TermsError::NothingLocked) => {
                write!(f, "deposits of 0 and 0, expected more")
            }
            Refusal::Terms(TermsError::NoWindow) => {
                write!(f, "a challenge window of 0 blocks, expected at least 1")
            }
            Refusal::VersionZero { channel } => write!(
                f,
                "channel {} closed after an entry of version 0, expected at least 1",
                channel.0
            ),
            Refusal::Key(error) => error.fmt(f),
            Refusal::UnknownChannel { channel } => write!(f, "no channel {}", channel.0),
            Refusal::BadSignature { role, key } => {
                write!(f, "signature ({role}) does not verify under the key {key}")
            }
            Refusal::UnknownAccount { account } => write!(f, "no account {account}"),
            Refusal::WrongNonce { expected, got } => write!(f, "nonce {got}, expected {expected}"),
            Refusal::FeeAboveBalance { have, fee } => {
                write!(f, "a balance of {have}, expected at least the fee of {fee}")
            }
            Refusal::BalanceAboveCapacity { capacity, got } => {
                write!(f, "balance of A {got}, expected at most {capacity}")
            }
        }
    }
}

impl fmt::Display for SignatureRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignatureRole::Signer => write!(f, "the signer's"),
            SignatureRole::Consent => write!(f, "B's consent"),
            SignatureRole::Final(party) => write!(f, "final, of {party:?}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::TransferAboveBalance { have, got } => {
                write!(f, "transfer of {got} from a balance of {have}")
            }
            Failure::DepositAboveBalance { party, have, got } => {
                write!(f, "{party:?}'s deposit of {got} from a balance of {have}")
            }
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Empty => write!(f, "no bytes"),
            Malformed::UnknownKind { got } => write!(f, "kind {got}, expected 1 to 5"),
            Malformed::WrongLength {
                kind,
                expected,
                got,
            } => {
                write!(f, "{got} bytes of kind {kind}, expected {expected}")
            }
            Malformed::ZeroDepositOfB => write!(f, "deposit of B 0, expected kind 2 for that"),
        }
    }
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubmitError::MempoolFull { capacity } => {
                write!(f, "{capacity} transactions wait already")
            }
            SubmitError::Malformed(malformed) => write!(f, "malformed transaction: {malformed}"),
            SubmitError::TooLarge { limit, got } => {
                write!(
                    f,
                    "a transaction of {got} bytes, expected at most a block's {limit}"
                )
            }
        }
    }
}

impl std::error::Error for Refusal {}
impl std::error::Error for Failure {}
impl std::error::Error for Malformed {}
impl std::error::Error for SubmitError {}
