//! A payment trace in memory: one channel per unordered pair of names, each payment in its
//! direction, every session's payments side by side. Made by [`Trace::read`]; never changed after.

mod capacity;
mod error;
pub mod hourly;
mod parse;
mod read;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::part::Part;

pub use capacity::{Capacity, Deposits, total_deposits};
pub use error::{LineError, TraceError};

/// The header line of a payment trace.
pub const HEADER: &str = "time_s,payer,payee,amount";
/// The largest amount of one payment: 2^53.
pub const LARGEST_AMOUNT: u64 = 1 << 53;
/// The largest sum of a pair's amounts, both directions together: 2^62.
pub const LARGEST_PAIR_TOTAL: u64 = 1 << 62;

/// A trace of payments between named accounts, arranged by channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    accounts: Vec<String>,
    sessions: Vec<Session>,
    /// Session i's payments end here and start where those of session i - 1 end.
    ends: Vec<usize>,
    payments: Vec<TracePayment>,
    sha256: String,
    duration_ns: u64,
    near_names: Option<NearNames>,
}

/// Names that differ from another one only in case or in what parts their words, as `Ann` and `ann`
/// do. They are accounts of their own; whoever made the trace may have meant one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearNames {
    /// The line of the first of them, counted from 1 (the header).
    pub line: u64,
    /// Its name.
    pub name: String,
    /// The name above it that it is like.
    pub like: String,
    /// How many there are.
    pub names: u64,
}

impl std::fmt::Display for NearNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            line,
            name,
            like,
            names,
        } = self;
        write!(
            f,
            "line {line}: '{name}' is almost '{like}', and an account of its own"
        )?;
        match names {
            1 => Ok(()),
            more => write!(f, "; {} more like it", more - 1),
        }
    }
}

/// The two accounts of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Session {
    opener: u32,
    peer: u32,
}

/// One channel of a trace: its two accounts and its payments in order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionView<'a> {
    /// Party A, who pays first: an index into [`Trace::accounts`].
    pub opener: u32,
    /// Party B: an index into [`Trace::accounts`].
    pub peer: u32,
    /// At least one payment; in the file's order, so that `due_ns` never falls.
    pub payments: &'a [TracePayment],
}

/// One payment of a session, in 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TracePayment {
    due_ns: u64,
    /// The amount; [`FROM_OPENER`] says who pays.
    amount_and_payer: u64,
}

const _: () = assert!(size_of::<TracePayment>() == 16);
const FROM_OPENER: u64 = 1 << 63;

impl TracePayment {
    /// A payment due `due_ns` nanoseconds after the trace's first, of `amount`, paid by the
    /// session's opener or else by its peer.
    ///
    /// # Panics
    /// If the amount is zero or above [`LARGEST_AMOUNT`].
    pub fn new(due_ns: u64, amount: u64, from_opener: bool) -> Self {
        assert!((1..=LARGEST_AMOUNT).contains(&amount), "amount {amount}");
        let payer = if from_opener { FROM_OPENER } else { 0 };
        Self {
            due_ns,
            amount_and_payer: amount | payer,
        }
    }

    /// When it is to be paid, in nanoseconds after the trace's first payment.
    #[inline]
    pub fn due_ns(self) -> u64 {
        self.due_ns
    }

    /// What is paid: 1 to [`LARGEST_AMOUNT`].
    #[inline]
    pub fn amount(self) -> u64 {
        self.amount_and_payer & !FROM_OPENER
    }

    /// Whether the session's opener (party A) pays; else its peer (party B) does.
    #[inline]
    pub fn from_opener(self) -> bool {
        self.amount_and_payer & FROM_OPENER != 0
    }
}

impl std::fmt::Debug for TracePayment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TracePayment")
            .field("due_ns", &self.due_ns())
            .field("amount", &self.amount())
            .field("from_opener", &self.from_opener())
            .finish()
    }
}

impl Trace {
    /// The number of payments in all sessions; at least 1.
    pub fn payments(&self) -> usize {
        self.payments.len()
    }

    /// The number of sessions: one per unordered pair of names that pays at all; at least 1.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Session `session`, counted from 0 in the order of the sessions' first payments.
    ///
    /// # Panics
    /// If there is no such session.
    #[inline]
    pub fn session(&self, session: usize) -> SessionView<'_> {
        let Session { opener, peer } = self.sessions[session];
        let start = session
            .checked_sub(1)
            .map_or(0, |previous| self.ends[previous]);
        SessionView {
            opener,
            peer,
            payments: &self.payments[start..self.ends[session]],
        }
    }

    /// The sessions of a part, which are dealt to the parts in turn, with their accounts. Times stay
    /// those of the whole.
    #[must_use]
    pub fn part(&self, part: Part) -> Trace {
        let own = part.share(self.sessions() as u64);
        let mut places: HashMap<u32, u32> = HashMap::new();
        let mut found = Trace {
            accounts: Vec::new(),
            sessions: Vec::new(),
            ends: Vec::new(),
            payments: Vec::new(),
            sha256: self.sha256.clone(),
            duration_ns: self.duration_ns,
            near_names: self.near_names.clone(),
        };
        for at in 0..own {
            let session = self.session(part.number(at) as usize);
            let mut place = |account: u32| {
                *places.entry(account).or_insert_with(|| {
                    found.accounts.push(self.accounts[account as usize].clone());
                    found.accounts.len() as u32 - 1
                })
            };
            let [opener, peer] = [session.opener, session.peer].map(&mut place);
            found.sessions.push(Session { opener, peer });
            found.payments.extend_from_slice(session.payments);
            found.ends.push(found.payments.len());
        }
        found
    }

    /// Every session, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = SessionView<'_>> {
        (0..self.sessions()).map(|session| self.session(session))
    }

    /// The names, in the order in which the file first mentions them.
    pub fn accounts(&self) -> &[String] {
        &self.accounts
    }

    /// SHA-256 of the file's bytes, 64 lower-case hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Names that are almost the same, if there are any.
    pub fn near_names(&self) -> Option<&NearNames> {
        self.near_names.as_ref()
    }

    /// From the first payment to the last, in nanoseconds.
    pub fn duration_ns(&self) -> u64 {
        self.duration_ns
    }
}
