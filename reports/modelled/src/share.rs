//! A share of a whole, exact: parts per billion.

use serde::{Serialize, Serializer};

use duet_terminal::{human, units::parse_share};

use crate::exact::Exact;

const BILLION: u64 = 1_000_000_000;

/// A share from 0 to 1, in parts per billion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u64);

impl Share {
    /// All of it.
    pub const ALL: Self = Self(BILLION);

    /// So many per cent.
    ///
    /// # Panics
    ///
    /// Above 100.
    #[must_use]
    pub const fn of_percent(percent: u64) -> Self {
        assert!(percent <= 100, "at most the whole");
        Self(percent * (BILLION / 100))
    }

    /// Reads a share as [`parse_share`] does: `1%`, `0.01`.
    ///
    /// # Errors
    ///
    /// Those of [`parse_share`], and a share that is no whole number of parts per billion.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = parse_share(text)? * BILLION as f64;
        // A decimal fraction of up to nine places is off by less than this as a double.
        if (parts - parts.round()).abs() > 1e-6 {
            return Err(format!(
                "'{text}' is too fine a share: expected a whole number of parts per billion"
            ));
        }
        Ok(Self(parts.round() as u64))
    }

    /// In parts per billion.
    #[must_use]
    pub const fn per_billion(self) -> u64 {
        self.0
    }

    /// Whether it is 0.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// So many parts of this whole.
    #[must_use]
    pub(crate) fn parts(self) -> (u64, u64) {
        (self.0, BILLION)
    }

    /// It as a fraction.
    #[must_use]
    pub fn exact(self) -> Exact {
        Exact::fraction(self.0, BILLION)
    }

    /// What is left of the whole.
    #[must_use]
    pub fn rest(self) -> Exact {
        Exact::fraction(BILLION - self.0, BILLION)
    }

    /// `1 %`.
    #[must_use]
    pub fn percent(self) -> String {
        format!("{} %", human::figure(self.0 as f64 / 1e7))
    }
}

/// As a number from 0 to 1; 0 and 1 are whole.
impl Serialize for Share {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.exact().serialize(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact_or_refused() {
        for (text, parts, percent) in [
            ("0", 0, "0 %"),
            ("1%", 10_000_000, "1 %"),
            ("0.01", 10_000_000, "1 %"),
            ("0.1%", 1_000_000, "0.1 %"),
            ("100%", BILLION, "100 %"),
            ("0.0000001%", 1, "1.00e-7 %"),
        ] {
            let share = Share::parse(text).unwrap();
            assert_eq!(share, Share(parts), "{text}");
            assert_eq!(share.percent(), percent, "{text}");
            assert_eq!(share.exact() + share.rest(), Exact::from(1), "{text}");
        }
        for (text, words) in [
            ("101%", "expected 0% to 100%"),
            ("-1%", "expected 0% to 100%"),
            ("NaN", "expected 0% to 100%"),
            ("1/3", "expected 0% to 100%"),
            ("0.00000000001", "parts per billion"),
        ] {
            let error = Share::parse(text).unwrap_err();
            assert!(error.contains(words) && error.contains(text), "{error}");
        }
    }
}
