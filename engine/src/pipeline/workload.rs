//! What the pipeline is asked to do: sessions, and the payments in each, in order.

use duet_channels::protocol::{Amount, Pair, Party, Payment};

/// An account of the workload: a party's key and its balance on Layer 1.
pub type AccountIndex = u32;

/// One session: one channel's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who takes part; party A opens.
    pub accounts: Pair<AccountIndex>,
    /// What each locks.
    pub deposits: Pair<Amount>,
    /// How many payments there are to make.
    pub payments: u64,
    /// The opener's account nonce: how many channels it opens in earlier sessions.
    pub nonce: u64,
}

/// What comes after a run of one party's payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// More payments of the same party.
    Same,
    /// A payment of the other party.
    Other,
    /// Nothing: the session's payments are all drawn.
    End,
}

/// Sessions and their payments, each a pure function of its place: any shard can ask for any of
/// them at any time and gets the same answer.
pub trait Workload: Send + Sync {
    /// How many sessions there are, at least one.
    fn sessions(&self) -> u64;

    /// How many accounts there are.
    fn accounts(&self) -> AccountIndex;

    /// What an account holds on Layer 1 before the first session, fees not included.
    fn allocation(&self, account: AccountIndex) -> Amount;

    /// How many sessions an account opens: it pays the fees of their opening and closing.
    fn opens(&self, account: AccountIndex) -> u64;

    /// One session's terms.
    fn session(&self, session: u64) -> Session;

    /// Who makes a session's payment.
    fn payer(&self, session: u64, payment: u64) -> Party;

    /// Appends payments from `first` on, all of the same party, at most `most` (≥ 1) of them, and
    /// says what comes next. `first` is below the session's number of payments.
    fn draw(&self, session: u64, first: u64, most: usize, payments: &mut Vec<Payment>) -> Next;

    /// When a payment is due after the start of the workload's own clock, in nanoseconds; only for
    /// workloads that carry times.
    fn due_ns(&self, _session: u64, _payment: u64) -> Option<u64> {
        None
    }
}
