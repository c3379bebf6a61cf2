//! Reads the numbers that people type on a command line: `10k`, `500ms`, `2.5k`. Exact: a value
//! that its unit cannot hold is refused, never rounded. Knows nothing of what is counted.

use std::time::Duration;

/// Reads a count: digits with optional `_` between them, an optional fraction or exponent, and an
/// optional k (10³), M (10⁶) or G (10⁹), in either case: `10k`, `2.5k`, `1_000`, `1e6`, `1M`.
///
/// # Errors
/// Says what was given and what was expected: not a number, not whole, or larger than `u64`.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let expected = || {
        format!("'{text}' is not a count: expected digits with an optional k, M or G, as in 10k")
    };
    let decimal = Decimal::scan(text).ok_or_else(expected)?;
    let power = power_of_suffix(decimal.suffix).ok_or_else(expected)?;
    decimal.scaled(1, power).map_err(|inexact| match inexact {
        Inexact::Fraction => format!("'{text}' is not a count: it is not a whole number"),
        Inexact::TooLarge => format!("'{text}' is too large a count: the largest is {}", u64::MAX),
    })
}

/// Reads a count as [`parse_count`] does and refuses zero.
///
/// # Errors
/// Those of [`parse_count`], and zero.
pub fn parse_positive_count(text: &str) -> Result<u64, String> {
    match parse_count(text)? {
        0 => Err(format!("'{text}' is too small: expected 1 or more")),
        count => Ok(count),
    }
}

/// Reads a share of a whole, 0 to 1: `1%`, `0.5%`, or a fraction: `0.01`.
///
/// # Errors
/// Says what was given and what was expected: no number, below 0 % or above 100 %.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let share = number.parse::<f64>().ok().map(|number| number / scale);
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("'{text}' is not a share: expected 0% to 100%"))
}

/// Reads a duration: a number and its unit, one of ns, us (or µs), ms, s, m (minutes), h: `30s`,
/// `500ms`, `1.5s`, `2m`. Zero is a duration.
///
/// # Errors
/// Says what was given and what was expected: no unit, finer than a nanosecond, or more than
/// `u64` nanoseconds (584 years).
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || {
        format!(
            "'{text}' is not a duration: expected a number and its unit \
             (ns, us, ms, s, m or h), as in 500ms"
        )
    };
    let decimal = Decimal::scan(text).ok_or_else(expected)?;
    let (factor, power) = match decimal.suffix {
        "ns" => (1, 0),
        "us" | "µs" | "μs" => (1, 3),
        "ms" => (1, 6),
        "s" => (1, 9),
        "m" | "min" => (60, 9),
        "h" => (3_600, 9),
        _ => return Err(expected()),
    };
    match decimal.scaled(factor, power) {
        Ok(nanoseconds) => Ok(Duration::from_nanos(nanoseconds)),
        Err(Inexact::Fraction) => Err(format!(
            "'{text}' is too fine a duration: it is not a whole number of nanoseconds"
        )),
        Err(Inexact::TooLarge) => Err(format!(
            "'{text}' is too long a duration: the longest is 584 years"
        )),
    }
}

/// Reads a rate per second: a number above zero with an optional k, M or G and an optional `/s`:
/// `50k`, `0.5`, `1e6`, `2.5k/s`.
///
/// # Errors
/// Says what was given and what was expected: not a number, zero, or not finite.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let expected = || {
        format!(
            "'{text}' is not a rate: expected a number above 0 per second \
             with an optional k, M or G, as in 50k"
        )
    };
    let decimal = Decimal::scan(text).ok_or_else(expected)?;
    let suffix = decimal.suffix.strip_suffix("/s").unwrap_or(decimal.suffix);
    let power = power_of_suffix(suffix).ok_or_else(expected)?;
    // Through text, because only that rounds once: 0.1k is then exactly 100.
    let exponent = i64::from(decimal.exponent) + i64::from(power);
    let rate: f64 = format!("{}e{exponent}", decimal.digits)
        .parse()
        .map_err(|_| expected())?;
    if rate > 0.0 && rate.is_finite() {
        Ok(rate)
    } else {
        Err(expected())
    }
}

fn power_of_suffix(suffix: &str) -> Option<u32> {
    match suffix {
        "" => Some(0),
        "k" | "K" => Some(3),
        "M" | "m" => Some(6),
        "G" | "g" => Some(9),
        _ => None,
    }
}

/// A number as written: `digits × 10^exponent`, then the rest of the text.
struct Decimal<'a> {
    digits: u128,
    exponent: i32,
    suffix: &'a str,
}

enum Inexact {
    Fraction,
    TooLarge,
}

/// More digits than this are refused as "not a number": no unit here needs them.
const MOST_DIGITS: u32 = 36;
/// Beyond this exponent every number is too large or has a fraction.
const LARGEST_EXPONENT: i32 = 999;

impl<'a> Decimal<'a> {
    fn scan(text: &'a str) -> Option<Self> {
        let (mut digits, mut digit_count) = (0_u128, 0_u32);
        let mut take = |text: &'a str| -> Option<(&'a str, i32)> {
            let mut rest = text;
            let mut taken = 0;
            loop {
                // An underscore stands between two digits only.
                let next = match rest.strip_prefix('_') {
                    Some(after) if taken > 0 => after,
                    Some(_) => return None,
                    None => rest,
                };
                let Some(digit) = next.chars().next().and_then(|c| c.to_digit(10)) else {
                    return (next.len() == rest.len()).then_some((rest, taken));
                };
                digit_count += u32::from(digits > 0 || digit > 0);
                if digit_count > MOST_DIGITS {
                    return None;
                }
                digits = digits * 10 + u128::from(digit);
                taken += 1;
                rest = &next[1..];
            }
        };
        let (mut rest, mut taken) = take(text)?;
        let mut exponent = 0;
        if let Some(after) = rest.strip_prefix('.') {
            let (after, fraction_digits) = take(after)?;
            if fraction_digits == 0 {
                return None;
            }
            taken += fraction_digits;
            exponent = -fraction_digits;
            rest = after;
        }
        if taken == 0 {
            return None;
        }
        if let Some(after) = rest.strip_prefix(['e', 'E']) {
            let unsigned = after.strip_prefix(['+', '-']).unwrap_or(after);
            let length = unsigned.bytes().take_while(u8::is_ascii_digit).count();
            let written = &after[..after.len() - unsigned.len() + length];
            // Saturates: what is beyond the bound is refused as too large or not whole.
            let value: i32 = match written.parse() {
                Ok(value) => value,
                Err(_) if length > 0 && written.starts_with('-') => -LARGEST_EXPONENT,
                Err(_) if length > 0 => LARGEST_EXPONENT,
                Err(_) => return None,
            };
            exponent += value.clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT);
            rest = &unsigned[length..];
        }
        Some(Self {
            digits,
            exponent,
            suffix: rest,
        })
    }

    /// `digits × factor × 10^(exponent + power)`, if that is a `u64`.
    fn scaled(&self, factor: u64, power: u32) -> Result<u64, Inexact> {
        if self.digits == 0 {
            return Ok(0);
        }
        let mut value = self
            .digits
            .checked_mul(factor.into())
            .ok_or(Inexact::TooLarge)?;
        let mut exponent = i64::from(self.exponent) + i64::from(power);
        while exponent < 0 {
            if !value.is_multiple_of(10) {
                return Err(Inexact::Fraction);
            }
            value /= 10;
            exponent += 1;
        }
        while exponent > 0 {
            value = value.checked_mul(10).ok_or(Inexact::TooLarge)?;
            exponent -= 1;
        }
        u64::try_from(value).map_err(|_| Inexact::TooLarge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        for (text, count) in [
            ("0", 0),
            ("7", 7),
            ("007", 7),
            ("10k", 10_000),
            ("10K", 10_000),
            ("1M", 1_000_000),
            ("1m", 1_000_000),
            ("3G", 3_000_000_000),
            ("2.5k", 2_500),
            (".5k", 500),
            ("1_000", 1_000),
            ("1_0_0.5_0k", 100_500),
            ("1e6", 1_000_000),
            ("1E+3", 1_000),
            ("2500e-2", 25),
            ("1.5e3k", 1_500_000),
            ("0e99999999999", 0),
            ("18446744073709551615", u64::MAX),
            ("18446744073709551.615k", u64::MAX),
        ] {
            assert_eq!(parse_count(text), Ok(count), "{text}");
        }
    }

    #[test]
    fn counts_refused() {
        let expected = "expected digits with an optional k, M or G, as in 10k";
        for (text, words) in [
            ("", expected),
            ("10q", expected),
            ("k", expected),
            ("-5", expected),
            ("+5", expected),
            (" 5", expected),
            ("5 ", expected),
            ("1,000", expected),
            ("_1", expected),
            ("1_", expected),
            ("1__0", expected),
            ("1_k", expected),
            ("1.", expected),
            ("1._5k", expected),
            ("1e", expected),
            ("1e+", expected),
            ("1.2.3", expected),
            ("0x10", expected),
            ("NaN", expected),
            ("inf", expected),
            ("٣", expected),
            ("10kk", expected),
            ("1.5", "is not a whole number"),
            ("1e-1", "is not a whole number"),
            ("1e-99999999999", "is not a whole number"),
            ("1.0005k", "is not a whole number"),
            (
                "18446744073709551616",
                "the largest is 18446744073709551615",
            ),
            ("1e20", "the largest is 18446744073709551615"),
            ("99999999999G", "the largest is 18446744073709551615"),
            ("1e99999999999", "the largest is 18446744073709551615"),
        ] {
            let error = parse_count(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
            assert!(
                error.starts_with(&format!("'{text}' is ")),
                "{text}: {error}"
            );
        }
        assert_eq!(parse_positive_count("2k"), Ok(2_000));
        assert_eq!(
            parse_positive_count("0").unwrap_err(),
            "'0' is too small: expected 1 or more"
        );
    }

    #[test]
    fn durations() {
        for (text, nanoseconds) in [
            ("0s", 0),
            ("7ns", 7),
            ("5us", 5_000),
            ("5µs", 5_000),
            ("500ms", 500_000_000),
            ("30s", 30_000_000_000),
            ("1.5s", 1_500_000_000),
            ("0.000000001s", 1),
            ("2m", 120_000_000_000),
            ("2min", 120_000_000_000),
            ("1h", 3_600_000_000_000),
            ("1e3s", 1_000_000_000_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_nanos(nanoseconds)),
                "{text}"
            );
        }
        for (text, words) in [
            ("30", "expected a number and its unit"),
            ("s", "expected a number and its unit"),
            ("-1s", "expected a number and its unit"),
            ("3 s", "expected a number and its unit"),
            ("3d", "expected a number and its unit"),
            ("0.5ns", "not a whole number of nanoseconds"),
            ("1e12s", "the longest is 584 years"),
        ] {
            let error = parse_duration(text).unwrap_err();
            assert!(
                error.contains(words) && error.contains(text),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn rates() {
        for (text, rate) in [
            ("50k", 50_000.0),
            ("0.5", 0.5),
            ("0.1k", 100.0),
            ("1e6", 1e6),
            ("2.5M", 2.5e6),
            ("100/s", 100.0),
            ("10k/s", 10_000.0),
        ] {
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
        }
        for text in [
            "0", "0.0k", "", "-1", "fast", "1e400", "1e-400", "NaN", "10/m", "/s",
        ] {
            let error = parse_rate(text).unwrap_err();
            assert!(
                error.contains("expected a number above 0 per second"),
                "{text}: {error}"
            );
        }
    }
}
