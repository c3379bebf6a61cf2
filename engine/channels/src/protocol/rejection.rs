//! Every way in which a message or a payment breaks a rule of the channel, by name.

use super::amount::Amount;
use super::terms::Party;

/// Why an endpoint refuses. Each costs one channel and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Rejection {
    // The payment itself (S2).
    /// A payment of nothing.
    #[error("amount 0, expected more")]
    ZeroAmount,
    /// The payer would be left with less than the reserve.
    #[error("payment of {got} from a balance of {have} with a reserve of {reserve}")]
    InsufficientBalance {
        /// The payer's balance.
        have: Amount,
        /// The channel's reserve.
        reserve: Amount,
        /// The payment.
        got: Amount,
    },
    /// A tag of more than 63 bits.
    #[error("tag {got:#x}, expected 63 bits")]
    TagTooLarge {
        /// The tag.
        got: u64,
    },
    /// The log has reached its last version.
    #[error("the log is at its last version")]
    LogFull,

    // The log (S1, S2).
    /// The state is not the next one: an earlier one was refused, or is missing.
    #[error("version {got}, expected {expected}")]
    WrongVersion {
        /// The version that would follow.
        expected: u64,
        /// The version found.
        got: u64,
    },
    /// The state extends another log than this one's, although the version would fit.
    #[error("version {version} belongs to another log")]
    BrokenChain {
        /// The version at which the logs differ.
        version: u64,
    },
    /// The payer is not the proposer: the payment would raise the proposer's balance.
    #[error("{proposer:?} proposed a payment to itself")]
    NotThePayer {
        /// Who sent it.
        proposer: Party,
    },
    /// A proposal without payments, or with more than the co-sign interval.
    #[error("{got} entries in a proposal, expected 1 to {most}")]
    WrongEntryCount {
        /// The co-sign interval.
        most: u32,
        /// Payments found.
        got: u32,
    },
    /// The signature does not verify over the state that the receiver itself computed.
    #[error("signature over version {version} does not verify")]
    BadSignature {
        /// The version that was to be signed.
        version: u64,
    },

    // The turn (S5).
    /// A proposal, a pass or a final from a party that does not hold the turn.
    #[error("{holder:?} holds the turn")]
    NotYourTurn {
        /// Who holds it.
        holder: Party,
    },
    /// The turn is asked for by its holder, or asked for or passed at a count that it has not
    /// reached or that the asker has left behind.
    #[error("turn {got} asked for or passed, after {passed} passes")]
    WrongTurn {
        /// How often it has been passed.
        passed: u64,
        /// The count found.
        got: u64,
    },
    /// More proposals than may be unanswered.
    #[error("more than {most} proposals in flight")]
    TooManyInFlight {
        /// The limit.
        most: u32,
    },
    /// The turn was passed while something the holder signed was unacknowledged.
    #[error("turn passed with {in_flight} proposals in flight")]
    PassedInFlight {
        /// Proposals in flight.
        in_flight: u32,
    },

    // Acknowledgements and broken links.
    /// An acknowledgement of a version that was never proposed, or a resume from a version at
    /// which the peer cannot stand.
    #[error("no state of version {got} to go on from, the newest is {newest}")]
    UnknownVersion {
        /// The newest version that this party has signed; in a resume, a final counts as one more.
        newest: u64,
        /// The version found.
        got: u64,
    },
    /// A resume on a link that did not break.
    #[error("resume on a link that did not break")]
    UnexpectedResume,
    /// Anything but a resume on a link that broke.
    #[error("expected a resume on a link that broke")]
    MissingResume,

    // The end (S6).
    /// A final over a state that is not the newest one.
    #[error("final over version {got}, the newest is {expected}")]
    FinalNotNewest {
        /// The newest version.
        expected: u64,
        /// The final's version.
        got: u64,
    },
    /// A final while proposals are in flight.
    #[error("final with {in_flight} proposals in flight")]
    FinalInFlight {
        /// Proposals in flight.
        in_flight: u32,
    },
    /// A message after this party signed a final, or without its own final being open.
    #[error("a final has been signed")]
    Ended,

    // Bytes.
    /// Bytes that are no message.
    #[error("malformed message: {what}")]
    Malformed {
        /// Which part is wrong.
        what: &'static str,
    },
}

impl Rejection {
    /// The name under which it is counted.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }
}
