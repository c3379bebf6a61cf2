//! The log entry: one payment and the balances that result from it, in 32 bytes.

use super::amount::Amount;
use super::rejection::Rejection;
use super::terms::Party;

/// A log entry as it is hashed and sent:
/// `version u64 · amount u64 · balance_a u64 (after) · meta u64`, little-endian.
pub type EntryBytes = [u8; 32];

/// A payment to make: who pays, how much, and the user's tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Who pays.
    pub payer: Party,
    /// How much; more than zero.
    pub amount: Amount,
    /// The user's own, 63 bits.
    pub tag: u64,
}

/// A decoded log entry. Every 32 bytes are an entry; whether it may follow is [`Balance::step`]'s
/// to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The log's length with this entry.
    pub version: u64,
    /// How much was paid.
    pub amount: Amount,
    /// What A has after it; B has the rest of the capacity.
    pub balance_a: Amount,
    /// Who paid.
    pub payer: Party,
    /// The user's own, 63 bits.
    pub tag: u64,
}

/// The top bit of an entry's meta field: set when B pays A.
const B_PAYS: u64 = 1 << 63;

impl Entry {
    /// Reads an entry.
    #[must_use]
    pub fn decode(bytes: &EntryBytes) -> Entry {
        let word = |i: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[8 * i..8 * i + 8]);
            u64::from_le_bytes(word)
        };
        let meta = word(3);
        Entry {
            version: word(0),
            amount: Amount::new(word(1)),
            balance_a: Amount::new(word(2)),
            payer: if meta & B_PAYS == 0 {
                Party::A
            } else {
                Party::B
            },
            tag: meta & !B_PAYS,
        }
    }

    /// Writes an entry.
    #[must_use]
    pub fn encode(&self) -> EntryBytes {
        let payer = match self.payer {
            Party::A => 0,
            Party::B => B_PAYS,
        };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.version.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.amount.units().to_le_bytes());
        bytes[16..24].copy_from_slice(&self.balance_a.units().to_le_bytes());
        bytes[24..].copy_from_slice(&(self.tag | payer).to_le_bytes());
        bytes
    }
}

/// How much is locked, and the least that a payment may leave its payer: fixed for a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Both balances' sum.
    pub capacity: Amount,
    /// The least balance after one's own payment.
    pub reserve: Amount,
}

/// Where a log stands: its length and A's balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The log's length.
    pub version: u64,
    /// What A has; B has the rest of the capacity.
    pub a: Amount,
}

impl Balance {
    /// One side's balance.
    ///
    /// # Panics
    /// If A's balance is above the capacity, which no checked step leads to.
    #[must_use]
    pub fn of(&self, party: Party, limits: &Limits) -> Amount {
        match party {
            Party::A => self.a,
            Party::B => limits
                .capacity
                .minus(self.a)
                .expect("balance within capacity"),
        }
    }

    /// Rule S2 for one payment: the entry that it makes and where the log stands after it.
    ///
    /// # Errors
    /// [`Rejection::ZeroAmount`], [`Rejection::InsufficientBalance`] or
    /// [`Rejection::TagTooLarge`].
    pub fn step(&self, payment: &Payment, limits: &Limits) -> Result<(Entry, Balance), Rejection> {
        if payment.amount.is_zero() {
            return Err(Rejection::ZeroAmount);
        }
        if payment.tag & B_PAYS != 0 {
            return Err(Rejection::TagTooLarge { got: payment.tag });
        }
        let have = self.of(payment.payer, limits);
        let left = have
            .minus(payment.amount)
            .filter(|left| *left >= limits.reserve);
        let Some(left) = left else {
            return Err(Rejection::InsufficientBalance {
                have,
                reserve: limits.reserve,
                got: payment.amount,
            });
        };
        let balance_a = match payment.payer {
            Party::A => left,
            Party::B => limits
                .capacity
                .minus(left)
                .expect("balance within capacity"),
        };
        let version = self.version.checked_add(1).ok_or(Rejection::LogFull)?;
        let entry = Entry {
            version,
            amount: payment.amount,
            balance_a,
            payer: payment.payer,
            tag: payment.tag,
        };
        Ok((
            entry,
            Balance {
                version,
                a: balance_a,
            },
        ))
    }

    /// Rule S2 for an entry that the peer sent: it must be exactly the one that its payment makes.
    ///
    /// # Errors
    /// As [`Balance::step`], and [`Rejection::WrongVersion`], [`Rejection::NotThePayer`] or
    /// [`Rejection::WrongBalance`] with what was expected and what was found.
    pub fn check(
        &self,
        entry: &Entry,
        proposer: Party,
        limits: &Limits,
    ) -> Result<Balance, Rejection> {
        let expected = self.version.checked_add(1).ok_or(Rejection::LogFull)?;
        if entry.version != expected {
            return Err(Rejection::WrongVersion {
                expected,
                got: entry.version,
            });
        }
        if entry.payer != proposer {
            return Err(Rejection::NotThePayer { proposer });
        }
        let payment = Payment {
            payer: entry.payer,
            amount: entry.amount,
            tag: entry.tag,
        };
        let (made, after) = self.step(&payment, limits)?;
        if made.balance_a != entry.balance_a {
            return Err(Rejection::WrongBalance {
                expected: made.balance_a,
                got: entry.balance_a,
            });
        }
        Ok(after)
    }
}
