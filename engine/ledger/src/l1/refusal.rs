//! Every way in which Layer 1 says no, by name, with what was expected and what was found.

use std::fmt;

use super::transaction::Kind;
use duet_channels::crypto::{KeyError, PublicKey};
use duet_channels::protocol::{Amount, ChannelId, Party, TermsError};

/// Why a transaction is invalid: it is in no block, pays nothing and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "l1_")]
pub enum Refusal {
    // What it says, whatever the ledger holds.
    /// A transfer of nothing.
    #[error("amount 0, expected more")]
    ZeroAmount,
    /// The channel that a transaction opens alone has index 0.
    #[error("index {got}, expected {expected}")]
    WrongIndex {
        /// The index that would be right.
        expected: u32,
        /// The index found.
        got: u32,
    },
    /// The terms make no channel.
    #[error("{0}")]
    Terms(TermsError),
    /// A state after an entry, and the entry's version is 0: rule L2 wants at least 1.
    #[error("channel {} after an entry of version 0, expected at least 1", .channel.0)]
    VersionZero {
        /// Of which channel.
        channel: ChannelId,
    },
    /// A signer's or a party's key is none.
    #[error("{0}")]
    Key(KeyError),

    // Who it is for and from.
    /// No such channel: never opened, closed already, or on another Layer 1.
    #[error("no channel {}", .channel.0)]
    UnknownChannel {
        /// The channel named.
        channel: ChannelId,
    },
    /// A roll-over between others than the parties of the channel that it ends.
    #[error("keys of others than the parties of channel {}", .channel.0)]
    OtherParties {
        /// The channel that was to end.
        channel: ChannelId,
    },
    /// A signature does not verify.
    #[error("signature ({role}) does not verify under the key {key}")]
    BadSignature {
        /// What the signature was for.
        role: SignatureRole,
        /// The key that should have made it.
        key: PublicKey,
    },
    /// No such account.
    #[error("no account {account}")]
    UnknownAccount {
        /// The account that was to pay.
        account: PublicKey,
    },
    /// Sent before, or out of order.
    #[error("nonce {got}, expected {expected}")]
    WrongNonce {
        /// The account's next nonce.
        expected: u64,
        /// The nonce found.
        got: u64,
    },
    /// The account cannot pay for being included.
    #[error("a balance of {have}, expected at least the fee of {fee}")]
    FeeAboveBalance {
        /// The account's balance.
        have: Amount,
        /// The fee.
        fee: Amount,
    },

    // What it pays.
    /// It has a bid, and this Layer 1 takes none.
    #[error("a bid, expected none: every transaction pays the same")]
    BidNotTaken,
    /// It has no bid, and this Layer 1 goes by bids.
    #[error("no bid, expected one")]
    NoBid,
    /// Its bid does not reach the block's base fee.
    #[error("a bid of at most {got} for a million units, expected the base fee of {base}")]
    BidBelowBase {
        /// The base fee.
        base: u64,
        /// What it pays at most.
        got: u64,
    },
    /// It waited, and made way for a higher bid.
    #[error("a transaction that waited, evicted by a bid of {by} for a million units")]
    Evicted {
        /// The higher bid.
        by: u64,
    },

    // The channel's state.
    /// The state gives A more than the channel holds.
    #[error("balance of A {got}, expected at most {capacity}")]
    BalanceAboveCapacity {
        /// What the channel holds.
        capacity: Amount,
        /// What A would get.
        got: Amount,
    },

    // Posts and payouts (rules L4 and L5).
    /// The offer gives A more than the channel holds.
    #[error("balance of A {got} offered, expected at most {capacity}")]
    OfferAboveCapacity {
        /// What the channel holds.
        capacity: Amount,
        /// What A would get.
        got: Amount,
    },
    /// An offer of a version that is not above that of the state shown.
    #[error("version {got} offered, expected more than the {shown} shown")]
    OfferNotHigher {
        /// The version shown.
        shown: u64,
        /// The offer's version.
        got: u64,
    },
    /// An offer in which the poster gives itself more than in the state shown.
    #[error("an offer of {got} to its poster, expected at most the {have} shown")]
    OfferRaisesPoster {
        /// What it has in the state shown.
        have: Amount,
        /// What it would have.
        got: Amount,
    },
    /// An offer of an account that is no party of the channel.
    #[error("an offer of an account that is no party of channel {}", .channel.0)]
    OfferByStranger {
        /// The channel.
        channel: ChannelId,
    },
    /// The first post in a channel is a party's: anyone else can only answer.
    #[error("an answer in channel {}, in which nothing was posted", .channel.0)]
    NothingToAnswer {
        /// The channel.
        channel: ChannelId,
    },
    /// An answer that shows no higher version than was shown before.
    #[error("version {got} posted, expected more than the {highest} posted before")]
    PostNotHigher {
        /// The highest version shown.
        highest: u64,
        /// The version found.
        got: u64,
    },
    /// An answer in the block of the first post.
    #[error("an answer at height {height}, expected {from} or more")]
    WindowNotOpen {
        /// From which height on answers count.
        from: u64,
        /// The height of the block.
        height: u64,
    },
    /// An answer after the challenge window.
    #[error("an answer at height {height}, expected {until} or less")]
    WindowClosed {
        /// Up to which height answers counted.
        until: u64,
        /// The height of the block.
        height: u64,
    },
    /// A payout before the end of the challenge window.
    #[error("a payout at height {height}, expected more than {until}")]
    WindowStillOpen {
        /// Up to which height answers count.
        until: u64,
        /// The height of the block.
        height: u64,
    },
    /// A payout from a channel in which nothing was posted.
    #[error("a payout from channel {}, in which nothing was posted", .channel.0)]
    NothingPosted {
        /// The channel.
        channel: ChannelId,
    },
    /// An answer that waited in the reserved room, and made way for a higher one.
    #[error("an answer that waited, replaced by one of version {by}")]
    Superseded {
        /// The version of the higher one.
        by: u64,
    },
}

/// Which of a transaction's signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureRole {
    /// That of the account that pays the fee.
    Signer,
    /// B's, of an open to which B deposits, or of a roll-over.
    Consent,
    /// A party's, over the final state.
    Final(Party),
    /// A party's, over the state shown.
    State(Party),
    /// The poster's, over the state that it offers.
    Offer,
}

/// Why a valid transaction did not do what it asks: it is in the block and paid its fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "l1_")]
pub enum Failure {
    /// A transfer of more than the account has after the fee.
    #[error("transfer of {got} from a balance of {have}")]
    TransferAboveBalance {
        /// What the account has after the fee.
        have: Amount,
        /// What was to move.
        got: Amount,
    },
    /// A deposit of more than the account has, for the opener after the fee.
    #[error("{party:?}'s deposit of {got} from a balance of {have}")]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No bytes at all.
    #[error("no bytes")]
    Empty,
    /// A first byte that names no kind.
    #[error("kind {got}, expected 1 to {}", Kind::LAST)]
    UnknownKind {
        /// The byte.
        got: u8,
    },
    /// Bytes missing or left over.
    #[error("{got} bytes of kind {kind}, expected {expected}")]
    WrongLength {
        /// The kind's byte.
        kind: u8,
        /// The length of that kind; of a batch, as far as it could be read.
        expected: usize,
        /// The length found.
        got: usize,
    },
    /// The kind for two depositors, and B deposits nothing.
    #[error("deposit of B 0, expected kind 2 for that")]
    ZeroDepositOfB,
    /// A batch of nothing, or of more than one may hold.
    #[error("a batch of {got} items, expected 1 to {most}")]
    WrongCount {
        /// The largest batch.
        most: usize,
        /// The count found.
        got: usize,
    },
    /// An item in a batch that is not of the batch's kind.
    #[error("an item of kind {got}, expected 2 or 3 to open, 4 or 5 to close")]
    WrongItem {
        /// The item's kind byte.
        got: u8,
    },
}

/// Why a transaction is not queued. The caller still has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The queue is full: the same bytes are welcome after the next block.
    #[error("{capacity} transactions wait already")]
    MempoolFull {
        /// How many transactions may wait.
        capacity: u32,
    },
    /// The queue has no room for so long a transaction: the same bytes are welcome after the next
    /// block.
    #[error("a transaction of {got} bytes, expected at most the {left} that are left to wait in")]
    MempoolBytesFull {
        /// The bytes that it has left.
        left: usize,
        /// The transaction's.
        got: usize,
    },
    /// The queue is full of bids as high: a higher one is welcome.
    #[error("a bid of {got} for a million units, expected more than {floor}: the queue is full")]
    Outbid {
        /// The lowest bid that waits.
        floor: u64,
        /// The transaction's.
        got: u64,
    },
    /// The same transaction waits already, with the same bid: whoever sent it, it is in a block if
    /// that is.
    #[error("a transaction that waits already, with the same bid")]
    AlreadyWaits,
    /// The queue is full, and what its account has numbered before it is missing there, or bids
    /// least of all: nothing makes way for what could not follow. The same bytes are welcome after
    /// the next block.
    #[error("the queue is full, and what comes before it is not there to stay")]
    NotInTurn,
    /// An answer of an account of which so many others were verified in vain since the last block:
    /// the same bytes are welcome after the next one.
    #[error("{limit} answers of this account were verified in vain since the last block")]
    AnswersInVain {
        /// How many of one account may be.
        limit: u32,
    },
    /// What no block could include: an answer that is not sound, or a batch that its signer has not
    /// signed.
    #[error("{0}")]
    Refused(Refusal),
    /// The bytes are no transaction.
    #[error("malformed transaction: {0}")]
    Malformed(Malformed),
    /// The transaction fits in no block.
    #[error("a transaction of {got} bytes, expected at most a block's {limit}")]
    TooLarge {
        /// A block's bytes.
        limit: u64,
        /// The transaction's.
        got: u64,
    },
    /// The transaction takes more units than a block has for it.
    #[error("a transaction of {got} units, expected no more than a block has for it")]
    TooManyUnits {
        /// The transaction's.
        got: u64,
    },
    /// The batch has more items than a block.
    #[error("a batch of {got} items, expected at most a block's {limit}")]
    TooManyItems {
        /// A block's operations.
        limit: u32,
        /// The batch's.
        got: u32,
    },
}

impl Refusal {
    /// The name under which it is counted.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

impl Failure {
    /// The name under which it is counted.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for SignatureRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignatureRole::Signer => write!(f, "the signer's"),
            SignatureRole::Consent => write!(f, "B's consent"),
            SignatureRole::Final(party) => write!(f, "final, of {party:?}"),
            SignatureRole::State(party) => write!(f, "of {party:?}, over the state shown"),
            SignatureRole::Offer => write!(f, "the poster's, over its offer"),
        }
    }
}

/// Why a transaction was not executed ([`Chain::include`](super::Chain::include)).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotExecuted {
    /// It is in no block.
    #[error("{0}")]
    Submit(SubmitError),
    /// It is in a block, and paid its fee.
    #[error("{0}")]
    Failed(Failure),
}
