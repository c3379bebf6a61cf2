//! How numbers stand in the JSON: whole numbers above 2^53 as strings, figures that are not
//! finite as `null`. Reading accepts every whole number in either form. And how those of several
//! runs add up.

use std::collections::BTreeMap;
use std::fmt;

/// Declares structs of the run file, whose JSON names are the fields' names. The type of a field
/// says how it stands there: a `u64` is a count, an `f64` a figure of 0 or more, a `Difference` an
/// `f64` of either sign. Files of earlier versions may lack a field with a `?` after its name, which
/// is then its type's default, and any `Option`.
macro_rules! schema {
    (@ $of:tt [$($done:tt)*] $(#[$meta:meta])* pub $field:ident?: $($rest:tt)*) => {
        schema!(@ $of [$($done)*] $(#[$meta])* #[serde(default)] pub $field: $($rest)*);
    };
    (@ $of:tt [$($done:tt)*] $(#[$meta:meta])* pub $field:ident: u64, $($rest:tt)*) => {
        schema!(@ $of [$($done)* {
            $(#[$meta])* #[serde(with = "number::count")] $field: u64
        }] $($rest)*);
    };
    (@ $of:tt [$($done:tt)*] $(#[$meta:meta])* pub $field:ident: Option<u64>, $($rest:tt)*) => {
        schema!(@ $of [$($done)* {
            $(#[$meta])* #[serde(default, with = "number::count_if_any")] $field: Option<u64>
        }] $($rest)*);
    };
    (@ $of:tt [$($done:tt)*] $(#[$meta:meta])* pub $field:ident: f64, $($rest:tt)*) => {
        schema!(@ $of [$($done)* {
            $(#[$meta])* #[serde(deserialize_with = "number::figure")] $field: f64
        }] $($rest)*);
    };
    (@ $of:tt [$($done:tt)*] $(#[$meta:meta])* pub $field:ident: Option<f64>, $($rest:tt)*) => {
        schema!(@ $of [$($done)* {
            $(#[$meta])*
            #[serde(default, deserialize_with = "number::figure_if_any")] $field: Option<f64>
        }] $($rest)*);
    };
    (@ $of:tt [$($done:tt)*] $(#[$meta:meta])* pub $field:ident: Difference, $($rest:tt)*) => {
        schema!(@ $of [$($done)* {
            $(#[$meta])* #[serde(deserialize_with = "number::difference")] $field: f64
        }] $($rest)*);
    };
    (@ $of:tt [$($done:tt)*] $(#[$meta:meta])* pub $field:ident: $type:ty, $($rest:tt)*) => {
        schema!(@ $of [$($done)* { $(#[$meta])* $field: $type }] $($rest)*);
    };
    (@ { $(#[$of:meta])* $name:ident } [$({ $(#[$meta:meta])* $field:ident: $type:ty })*]) => {
        $(#[$of])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct $name {
            $($(#[$meta])* pub $field: $type,)*
        }

        impl crate::run_file::number::Add for $name {
            fn add(&mut self, other: &Self) {
                $(self.$field.add(&other.$field);)*
            }
        }
    };
    ($($(#[$of:meta])* pub struct $name:ident { $($fields:tt)* })*) => {
        $(schema!(@ { $(#[$of])* $name } [] $($fields)*);)*
    };
}

/// Adds what another part of the run counted: counts and figures are summed, a flag is whether any
/// part had it. What is no figure stays that of the first part. Whether a sum means anything is for
/// whoever asks for it.
pub(crate) trait Add {
    fn add(&mut self, other: &Self);
}

/// The sum over parts; none without any.
pub(crate) fn sum<'a, T: Add + Clone + 'a>(parts: impl IntoIterator<Item = &'a T>) -> Option<T> {
    let mut parts = parts.into_iter();
    let first = parts.next()?.clone();
    Some(parts.fold(first, |mut sum, part| {
        sum.add(part);
        sum
    }))
}

/// The sums over those that are `same`, in the order of the first ones.
pub(crate) fn sums<'a, T: Add + Clone + 'a>(
    parts: impl Iterator<Item = &'a T>,
    same: fn(&T, &T) -> bool,
) -> Vec<T> {
    let mut sums: Vec<T> = Vec::new();
    for part in parts {
        match sums.iter_mut().find(|sum| same(sum, part)) {
            None => sums.push(part.clone()),
            Some(sum) => sum.add(part),
        }
    }
    sums
}

impl Add for u64 {
    fn add(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }
}

impl Add for f64 {
    fn add(&mut self, other: &Self) {
        *self += other;
    }
}

impl Add for bool {
    fn add(&mut self, other: &Self) {
        *self |= other;
    }
}

impl Add for String {
    fn add(&mut self, _: &Self) {}
}

impl<T> Add for Vec<T> {
    fn add(&mut self, _: &Self) {}
}

impl<T: Add + Clone> Add for Option<T> {
    fn add(&mut self, other: &Self) {
        *self = sum(self.iter().chain(other));
    }
}

impl<T: Add + Clone> Add for BTreeMap<String, T> {
    fn add(&mut self, other: &Self) {
        for (name, one) in other {
            match self.get_mut(name) {
                Some(sum) => sum.add(one),
                None => drop(self.insert(name.clone(), one.clone())),
            }
        }
    }
}

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Up to here every whole number is exact in a reader that keeps all numbers as doubles.
const EXACT_MAX: u64 = 1 << 53;

/// For `#[serde(with)]` on a `u64`.
pub(super) mod count {
    use super::{Count, Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        value: &u64,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        Count(*value).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<u64, D::Error> {
        Count::deserialize(from).map(|count| count.0)
    }
}

/// For `#[serde(with)]` on an `Option<u64>`; add `default`, so that it may be missing.
pub(super) mod count_if_any {
    use super::{Count, Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        value: &Option<u64>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(Count).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<u64>, D::Error> {
        Ok(Option::<Count>::deserialize(from)?.map(|count| count.0))
    }
}

/// For `#[serde(with)]` on a map from names to `u64`.
pub(super) mod counts_by_name {
    use std::collections::BTreeMap;

    use super::{Count, Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        counts: &BTreeMap<String, u64>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_map(counts.iter().map(|(name, count)| (name, Count(*count))))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<String, u64>, D::Error> {
        let counts = BTreeMap::<String, Count>::deserialize(from)?;
        Ok(counts
            .into_iter()
            .map(|(name, count)| (name, count.0))
            .collect())
    }
}

/// For `#[serde(deserialize_with)]` on an `f64` that is measured, and so not below 0: `null`, which
/// is how a figure that is not finite is written, reads as NaN.
pub(super) fn figure<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(figure_if_any(from)?.unwrap_or(f64::NAN))
}

/// As [`figure`], on an `Option<f64>`; add `default`, so that it may be missing.
pub(super) fn figure_if_any<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    match Option::<f64>::deserialize(from)? {
        Some(below) if below < 0.0 => Err(de::Error::invalid_value(
            de::Unexpected::Float(below),
            &"a figure of 0 or more, or null",
        )),
        figure => Ok(figure),
    }
}

/// As [`figure`], on a difference, which may be below 0.
pub(super) fn difference<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(from)?.unwrap_or(f64::NAN))
}

struct Count(u64);

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0 > EXACT_MAX {
            to.collect_str(&self.0)
        } else {
            to.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl de::Visitor<'_> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0 to 2^64 - 1, or such a number as a string")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Count, E> {
        Ok(Count(value))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Count, E> {
        // `u64::from_str` alone would let a plus sign through.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(value) if digits => Ok(Count(value)),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_strings_above_two_to_the_53() {
        let table = [
            (0, "0"),
            (EXACT_MAX - 1, "9007199254740991"),
            (EXACT_MAX, "9007199254740992"),
            (EXACT_MAX + 1, "\"9007199254740993\""),
            (u64::MAX, "\"18446744073709551615\""),
        ];
        for (value, json) in table {
            assert_eq!(serde_json::to_string(&Count(value)).unwrap(), json);
            assert_eq!(serde_json::from_str::<Count>(json).unwrap().0, value);
        }
    }

    #[test]
    fn whole_numbers_are_read_in_either_form_and_nothing_else_is() {
        let good = ["7", "\"7\"", "18446744073709551615", "\"9007199254740993\""];
        for json in good {
            assert!(serde_json::from_str::<Count>(json).is_ok(), "{json}");
        }
        let bad = [
            "-1",
            "1.5",
            "\"\"",
            "\"+7\"",
            "\"-7\"",
            "\" 7\"",
            "\"18446744073709551616\"",
            "null",
        ];
        for json in bad {
            let Err(error) = serde_json::from_str::<Count>(json) else {
                panic!("{json}")
            };
            assert!(
                error
                    .to_string()
                    .contains("a whole number from 0 to 2^64 - 1"),
                "{error}"
            );
        }
    }
}
