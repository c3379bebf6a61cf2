//! Exact fractions that are not negative: what a share of disputes or a part of a batch makes of
//! whole prices. Rounded only when shown.

use std::{
    iter::Sum,
    ops::{Add, Div, Mul},
};

use num_bigint::BigUint;
use num_rational::Ratio;
use num_traits::ToPrimitive as _;
use serde::{Serialize, Serializer};

/// Up to here every whole number is exact in a reader that keeps all numbers as doubles.
const EXACT_MAX: u64 = 1 << 53;

/// A fraction of any size, in lowest terms, 0 or more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact(Ratio<BigUint>);

impl Exact {
    /// `numerator / denominator`.
    ///
    /// # Panics
    ///
    /// If `denominator` is 0.
    #[must_use]
    pub fn fraction(numerator: u64, denominator: u64) -> Self {
        Self(Ratio::new(numerator.into(), denominator.into()))
    }

    /// The least whole number that is not below it.
    #[must_use]
    pub fn ceil(&self) -> Self {
        Self(self.0.ceil())
    }

    /// The largest whole number that is not above it.
    #[must_use]
    pub fn floor(&self) -> Self {
        Self(self.0.floor())
    }

    /// It as a `u64`, if it is one.
    #[must_use]
    pub fn whole(&self) -> Option<u64> {
        if self.0.is_integer() {
            self.0.to_integer().to_u64()
        } else {
            None
        }
    }

    /// Its digits, if it is whole.
    #[must_use]
    pub fn digits(&self) -> Option<String> {
        let whole = self.0.is_integer();
        whole.then(|| self.0.numer().to_string())
    }

    /// The nearest double; infinite beyond the largest.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        self.0.to_f64().unwrap_or(f64::INFINITY)
    }
}

impl From<u64> for Exact {
    fn from(whole: u64) -> Self {
        Self(Ratio::from_integer(whole.into()))
    }
}

impl Add for Exact {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Mul for Exact {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self(self.0 * other.0)
    }
}

impl Div for Exact {
    type Output = Self;

    /// Panics if `other` is 0.
    fn div(self, other: Self) -> Self {
        Self(self.0 / other.0)
    }
}

impl Sum for Exact {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::from(0), Add::add)
    }
}

/// A whole number as such, as a string above 2^53; a fraction as the nearest double.
impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.whole() {
            Some(whole) if whole <= EXACT_MAX => to.serialize_u64(whole),
            _ if self.0.is_integer() => to.collect_str(&self.0.numer()),
            _ => to.serialize_f64(self.to_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_stay_whole_in_json_and_fractions_are_doubles() {
        let table = [
            (Exact::from(187_418), "187418"),
            (Exact::fraction(6, 3), "2"),
            (Exact::fraction(1, 4), "0.25"),
            (Exact::from(1 << 53), "9007199254740992"),
            (Exact::from((1 << 53) + 1), "\"9007199254740993\""),
            (
                Exact::from(u64::MAX) * Exact::from(10),
                "\"184467440737095516150\"",
            ),
        ];
        for (value, json) in table {
            assert_eq!(serde_json::to_string(&value).unwrap(), json);
        }
    }

    #[test]
    fn rounding_is_up_and_down_to_the_next_whole_number() {
        let half = Exact::fraction(5, 2);
        assert_eq!(half.ceil().whole(), Some(3));
        assert_eq!(half.floor().whole(), Some(2));
        assert_eq!(half.whole(), None);
        assert_eq!(Exact::from(3).ceil(), Exact::from(3));
    }
}
