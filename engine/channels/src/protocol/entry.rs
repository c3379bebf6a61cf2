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
    /// [`Rejection::ZeroAmount`], [`Rejection::TagTooLarge`], [`Rejection::InsufficientBalance`]
    /// or [`Rejection::LogFull`].
    pub fn step(&self, payment: &Payment, limits: &Limits) -> Result<(Entry, Balance), Rejection> {
        let mut steps = self.steps(payment.payer, limits);
        let entry = steps.step(payment.amount, payment.tag)?;
        Ok((entry, steps.balance()))
    }

    /// The log from here on, as far as one party pays.
    pub(super) fn steps(&self, payer: Party, limits: &Limits) -> Steps {
        Steps {
            payer,
            version: self.version,
            have: self.of(payer, limits).units(),
            reserve: limits.reserve.units(),
            capacity: limits.capacity.units(),
        }
    }
}

/// Where a log stands in which one party pays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    payer: Party,
    version: u64,
    /// The payer's balance.
    have: u64,
    reserve: u64,
    capacity: u64,
}

impl Steps {
    /// Rule S2 for the next payment: the entry that it makes. If it is refused, the log stands
    /// where it did.
    ///
    /// # Errors
    /// As [`Balance::step`].
    #[inline(always)]
    pub(super) fn step(&mut self, amount: Amount, tag: u64) -> Result<Entry, Rejection> {
        let units = amount.units();
        // Nothing is one less than the most.
        let is_covered = units.wrapping_sub(1) < self.may_spend();
        if !is_covered || tag & B_PAYS != 0 || self.version == u64::MAX {
            return Err(self.refusal(amount, tag));
        }
        Ok(self.made(amount, tag))
    }

    /// As [`Steps::step`] for each of these payments, if they are covered all together: their
    /// entries are appended. Else nothing is done.
    #[inline(always)]
    pub(super) fn step_all(
        &mut self,
        payments: impl ExactSizeIterator<Item = (Amount, u64)> + Clone,
        entries: &mut Vec<EntryBytes>,
    ) -> bool {
        // Sums of so many so small amounts do not overflow.
        const MOST: usize = 1 << 14;
        const SMALL: u64 = 1 << 48;
        let count = payments.len();
        let (mut sum, mut all, mut tags, mut nothing) = (0_u64, 0, 0, false);
        for (amount, tag) in payments.clone() {
            sum = sum.wrapping_add(amount.units());
            all |= amount.units();
            nothing |= amount.is_zero();
            tags |= tag;
        }
        let is_covered = count < MOST
            && all < SMALL
            && sum <= self.may_spend()
            && !nothing
            && tags & B_PAYS == 0
            && self.version.checked_add(count as u64).is_some();
        if is_covered {
            entries.extend(payments.map(|(amount, tag)| self.made(amount, tag).encode()));
        }
        is_covered
    }

    fn may_spend(&self) -> u64 {
        self.have.saturating_sub(self.reserve)
    }

    /// The entry of a payment that is covered.
    #[inline(always)]
    fn made(&mut self, amount: Amount, tag: u64) -> Entry {
        self.have -= amount.units();
        self.version += 1;
        Entry {
            version: self.version,
            amount,
            balance_a: self.balance_a(),
            payer: self.payer,
            tag,
        }
    }

    /// Why a payment is refused.
    #[cold]
    fn refusal(&self, amount: Amount, tag: u64) -> Rejection {
        if amount.is_zero() {
            return Rejection::ZeroAmount;
        }
        if tag & B_PAYS != 0 {
            return Rejection::TagTooLarge { got: tag };
        }
        let left = self.have.checked_sub(amount.units());
        if left.is_some_and(|left| left >= self.reserve) {
            return Rejection::LogFull;
        }
        Rejection::InsufficientBalance {
            have: Amount::new(self.have),
            reserve: Amount::new(self.reserve),
            got: amount,
        }
    }

    #[inline(always)]
    fn balance_a(&self) -> Amount {
        Amount::new(match self.payer {
            Party::A => self.have,
            Party::B => self.capacity - self.have,
        })
    }

    /// Where the log stands.
    pub(super) fn balance(&self) -> Balance {
        Balance {
            version: self.version,
            a: self.balance_a(),
        }
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

        /// No value comes or goes, and 128-bit arithmetic says the same about who can pay what.
        #[test]
        fn a_step_moves_value_and_no_more(
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
                    prop_assert_eq!((entry.version, entry.payer), (version + 1, payer));
                    prop_assert_eq!(entry.balance_a, after.a);
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
