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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Party::{A, B};

    const LIMITS: Limits = limits(100, 0);

    const fn limits(capacity: u64, reserve: u64) -> Limits {
        Limits {
            capacity: Amount::new(capacity),
            reserve: Amount::new(reserve),
        }
    }

    const fn at(version: u64, a: u64) -> Balance {
        Balance {
            version,
            a: Amount::new(a),
        }
    }

    const fn pays(payer: Party, amount: u64) -> Payment {
        Payment {
            payer,
            amount: Amount::new(amount),
            tag: 0,
        }
    }

    fn insufficient(have: u64, reserve: u64, got: u64) -> Rejection {
        Rejection::InsufficientBalance {
            have: Amount::new(have),
            reserve: Amount::new(reserve),
            got: Amount::new(got),
        }
    }

    #[test]
    fn a_payment_moves_value_or_is_refused() {
        const MOST: u64 = u64::MAX;
        let all = limits(MOST, 0);
        let reserved = limits(100, 10);
        let tagged = |tag| Payment { tag, ..pays(A, 1) };
        let too_large = |got| Err(Rejection::TagTooLarge { got });
        let table = [
            (at(0, 60), pays(A, 15), LIMITS, Ok(at(1, 45))),
            (at(0, 60), pays(B, 15), LIMITS, Ok(at(1, 75))),
            (at(7, 60), pays(A, 60), LIMITS, Ok(at(8, 0))),
            (at(7, 60), pays(B, 40), LIMITS, Ok(at(8, 100))),
            (at(0, 60), pays(A, 0), LIMITS, Err(Rejection::ZeroAmount)),
            (at(0, 60), pays(A, 61), LIMITS, Err(insufficient(60, 0, 61))),
            (at(0, 60), pays(B, 41), LIMITS, Err(insufficient(40, 0, 41))),
            (at(0, 0), pays(A, 1), LIMITS, Err(insufficient(0, 0, 1))),
            (at(0, 100), pays(B, 1), LIMITS, Err(insufficient(0, 0, 1))),
            (
                at(0, 60),
                pays(A, MOST),
                LIMITS,
                Err(insufficient(60, 0, MOST)),
            ),
            // A reserve binds the payer only.
            (at(0, 60), pays(A, 50), reserved, Ok(at(1, 10))),
            (
                at(0, 60),
                pays(A, 51),
                reserved,
                Err(insufficient(60, 10, 51)),
            ),
            (
                at(0, 60),
                pays(B, 31),
                reserved,
                Err(insufficient(40, 10, 31)),
            ),
            (at(0, 95), pays(A, 1), reserved, Ok(at(1, 94))),
            (at(0, 5), pays(A, 1), reserved, Err(insufficient(5, 10, 1))),
            // The widest numbers.
            (at(0, MOST), pays(A, MOST), all, Ok(at(1, 0))),
            (at(0, 0), pays(B, MOST), all, Ok(at(1, MOST))),
            (at(MOST - 1, 1), pays(A, 1), all, Ok(at(MOST, 0))),
            (at(MOST, 1), pays(A, 1), all, Err(Rejection::LogFull)),
            // Tags.
            (at(0, 1), tagged((1 << 63) - 1), LIMITS, Ok(at(1, 0))),
            (at(0, 1), tagged(1 << 63), LIMITS, too_large(1 << 63)),
            (at(0, 1), tagged(MOST), LIMITS, too_large(MOST)),
        ];
        for (from, payment, limits, expected) in table {
            let made = from.step(&payment, &limits);
            let after = made.map(|(_, after)| after);
            assert_eq!(after, expected, "{payment:?} at {from:?} within {limits:?}");
        }
    }

    #[test]
    fn an_entry_that_arrives_is_the_one_that_its_payment_makes() {
        let entry = |version, payer, amount, balance_a| Entry {
            version,
            amount: Amount::new(amount),
            balance_a: Amount::new(balance_a),
            payer,
            tag: 3,
        };
        let wrong_version = |got| Rejection::WrongVersion { expected: 8, got };
        let wrong_balance = |got| Rejection::WrongBalance {
            expected: Amount::new(45),
            got: Amount::new(got),
        };
        let from = at(7, 60);
        let table = [
            (A, entry(8, A, 15, 45), Ok(at(8, 45))),
            (B, entry(8, B, 15, 75), Ok(at(8, 75))),
            (A, entry(7, A, 15, 45), Err(wrong_version(7))),
            (A, entry(9, A, 15, 45), Err(wrong_version(9))),
            (A, entry(u64::MAX, A, 15, 45), Err(wrong_version(u64::MAX))),
            (
                A,
                entry(8, B, 15, 75),
                Err(Rejection::NotThePayer { proposer: A }),
            ),
            (
                B,
                entry(8, A, 15, 45),
                Err(Rejection::NotThePayer { proposer: B }),
            ),
            (A, entry(8, A, 0, 60), Err(Rejection::ZeroAmount)),
            (A, entry(8, A, 61, 0), Err(insufficient(60, 0, 61))),
            (A, entry(8, A, 15, 44), Err(wrong_balance(44))),
            (A, entry(8, A, 15, 46), Err(wrong_balance(46))),
            (A, entry(8, A, 15, 75), Err(wrong_balance(75))),
            (A, entry(8, A, 15, u64::MAX), Err(wrong_balance(u64::MAX))),
        ];
        for (proposer, entry, expected) in table {
            assert_eq!(from.check(&entry, proposer, &LIMITS), expected, "{entry:?}");
        }
        let full = at(u64::MAX, 60).check(&entry(0, A, 15, 45), A, &LIMITS);
        assert_eq!(full, Err(Rejection::LogFull));
    }

    fn party() -> impl Strategy<Value = Party> {
        prop_oneof![Just(A), Just(B)]
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(
            payer in party(),
            (version, amount, balance_a) in any::<(u64, u64, u64)>(),
            tag in 0_u64..1 << 63,
        ) {
            let (amount, balance_a) = (Amount::new(amount), Amount::new(balance_a));
            let entry = Entry { version, amount, balance_a, payer, tag };
            prop_assert_eq!(Entry::decode(&entry.encode()), entry);
        }

        #[test]
        fn encoding_undoes_decoding(bytes: EntryBytes) {
            prop_assert_eq!(Entry::decode(&bytes).encode(), bytes);
        }

        /// What one side makes the other one takes; no value comes or goes; and 128-bit
        /// arithmetic says the same about who can pay what.
        #[test]
        fn a_step_is_checked_by_the_same_rule(
            payer in party(),
            (capacity, a, amount) in any::<(u64, u64, u64)>(),
            reserve in prop_oneof![3 => Just(0), 1 => any::<u64>()],
            version: u64,
            small: bool,
        ) {
            let (capacity, amount) = if small { (capacity % 50, amount % 50) } else { (capacity, amount) };
            let a = if capacity == u64::MAX { a } else { a % (capacity + 1) };
            let limits = limits(capacity, reserve % 20);
            let from = at(version, a);
            let have = i128::from(from.of(payer, &limits).units());
            let covered = have - i128::from(amount) >= i128::from(limits.reserve.units());
            match from.step(&pays(payer, amount), &limits) {
                Ok((entry, after)) => {
                    prop_assert!(covered && amount > 0 && version < u64::MAX);
                    prop_assert_eq!(from.check(&entry, payer, &limits), Ok(after));
                    let other = payer.other();
                    let gained = after.of(other, &limits).minus(from.of(other, &limits));
                    prop_assert_eq!(gained, Some(Amount::new(amount)));
                    let both = after.of(A, &limits).plus(after.of(B, &limits));
                    prop_assert_eq!(both, Some(limits.capacity));
                }
                Err(rejection) => {
                    prop_assert!(!covered || amount == 0 || version == u64::MAX, "{}", rejection);
                }
            }
        }
    }
}
