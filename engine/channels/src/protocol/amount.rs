//! Amounts of value and their checked arithmetic.

use std::fmt;

/// A quantity of value in the ledger's smallest unit.
///
/// There is no unchecked arithmetic: sums and differences say when they do not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u64);

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);

    /// This many of the smallest unit.
    #[must_use]
    pub const fn new(units: u64) -> Amount {
        Amount(units)
    }

    /// The amount in the smallest unit.
    #[must_use]
    pub const fn units(self) -> u64 {
        self.0
    }

    /// The sum, if it fits.
    #[must_use]
    pub const fn plus(self, other: Amount) -> Option<Amount> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Amount(sum)),
            None => None,
        }
    }

    /// The difference, if it is not negative.
    #[must_use]
    pub const fn minus(self, other: Amount) -> Option<Amount> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Amount(difference)),
            None => None,
        }
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
