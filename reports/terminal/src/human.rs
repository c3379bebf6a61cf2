//! Numbers for people: three significant digits and a unit. What is not finite reads `n/a`.
//!
//! Zeros at the end are cut only when the number is exact without them: `10 k` is 10,000,
//! `10.0 k` is about that.

const SI: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
const BINARY: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const NANOSECONDS: [&str; 4] = ["ns", "µs", "ms", "s"];

/// A count: `999`, `1.23 M`.
#[must_use]
pub fn count(value: u64) -> String {
    figure(value as f64)
}

/// A count and what is counted: `1 session`, `10 k sessions`.
#[must_use]
pub fn counted(value: u64, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(value))
}

/// A figure that need not be whole: `0.0123`, `3`, `8.13 M`.
#[must_use]
pub fn figure(value: f64) -> String {
    scaled(value, 1000.0, &SI)
}

/// A number of bytes: `512 KiB`.
#[must_use]
pub fn bytes(value: f64) -> String {
    scaled(value, 1024.0, &BINARY)
}

/// A duration given in nanoseconds: `4.56 µs`.
#[must_use]
pub fn nanoseconds(value: f64) -> String {
    // Below this three digits of a second would say more than three of any smaller unit.
    const MINUTES_FROM_NS: f64 = 120e9;
    match value {
        0.0 => "0 s".into(),
        _ if value.is_finite() && value >= MINUTES_FROM_NS => hours_and_minutes(value / 1e9),
        _ => scaled(value, 1000.0, &NANOSECONDS),
    }
}

/// A duration given in seconds: `12.3 s`, `2 min 5 s`.
#[must_use]
pub fn seconds(value: f64) -> String {
    nanoseconds(value * 1e9)
}

/// How many times one figure is another: `0.805 x`, `49.5 x`, `10,000 x`. Never rounds up to 1,
/// so that a ratio below 1 is seen to be.
#[must_use]
pub fn ratio(value: f64) -> String {
    match value {
        _ if !value.is_finite() => "n/a".into(),
        0.999..1.0 => "0.999 x".into(),
        999.5.. => format!("{} x", grouped(value.round() as u64)),
        _ => format!("{} x", significant(value)),
    }
}

/// A share of 1 as per cent: `97.2 %`.
#[must_use]
pub fn share(value: f64) -> String {
    if value.is_finite() {
        format!("{:.1} %", value * 100.0)
    } else {
        "n/a".into()
    }
}

/// A whole number in full with its thousands apart: `10,000`.
#[must_use]
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The value in the largest unit that leaves at least 1 of it.
fn scaled(value: f64, base: f64, units: &[&str]) -> String {
    if !value.is_finite() {
        return "n/a".into();
    }
    // What would round up to the base is already one of the next unit.
    let limit = base - 0.5;
    let (mut value, mut unit) = (value, 0);
    while value.abs() >= limit && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    format!("{} {}", significant(value), units[unit])
        .trim_end()
        .to_owned()
}

/// Three significant digits, fewer when the number is exact without them, more of a number above
/// 999.5, which stands with all its whole digits.
fn significant(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        0.0 => 0,
        99.95.. => 0,
        9.995.. => 1,
        0.9995.. => 2,
        1e-4.. => (2.0 - size.log10().floor()) as usize,
        _ => return format!("{value:.2e}"),
    };
    let text = format!("{value:.decimals$}");
    let cut = text.trim_end_matches('0').trim_end_matches('.');
    if decimals > 0 && is_exact(cut, value) {
        cut.to_owned()
    } else {
        text
    }
}

fn is_exact(text: &str, value: f64) -> bool {
    text.parse::<f64>()
        .is_ok_and(|shown| (shown - value).abs() <= value.abs() * 1e-12)
}

fn hours_and_minutes(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{hours} h {minutes} min")
    } else {
        format!("{minutes} min {seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(show: fn(f64) -> String, table: &[(f64, &str)]) {
        for &(value, expected) in table {
            assert_eq!(show(value), expected, "{value}");
        }
    }

    #[test]
    fn counts() {
        let table = [
            (0, "0"),
            (7, "7"),
            (999, "999"),
            (1_000, "1 k"),
            (1_001, "1.00 k"),
            (10_000, "10 k"),
            (10_004, "10.0 k"),
            (999_499, "999 k"),
            (999_500, "1.00 M"),
            (1_230_000, "1.23 M"),
            (1_234_567, "1.23 M"),
            (u64::MAX, "18.4 E"),
        ];
        for (value, expected) in table {
            assert_eq!(count(value), expected, "{value}");
        }
        assert_eq!(counted(1, "shard"), "1 shard");
        assert_eq!(counted(10_000, "shard"), "10 k shards");
    }

    #[test]
    fn figures() {
        let table = [
            (0.0, "0"),
            (3.0, "3"),
            (3.004, "3.00"),
            (0.5, "0.5"),
            (0.01234, "0.0123"),
            (0.99951, "1.00"),
            (0.000_01, "1.00e-5"),
            (9.996, "10.0"),
            (99.96, "100"),
            (999.6, "1.00 k"),
            (8_134_567.0, "8.13 M"),
            (-1_500.0, "-1.5 k"),
            (1e30, "1000000000000 E"),
            (f64::NAN, "n/a"),
            (f64::INFINITY, "n/a"),
        ];
        check(figure, &table);
    }

    #[test]
    fn byte_counts() {
        let table = [
            (0.0, "0 B"),
            (1023.0, "1023 B"),
            (1024.0, "1 KiB"),
            (524_288.0, "512 KiB"),
            (524_300.0, "512 KiB"),
            (1.5 * 1024.0 * 1024.0, "1.5 MiB"),
            (64.0 * 1024.0 * 1024.0 * 1024.0, "64 GiB"),
        ];
        check(bytes, &table);
    }

    #[test]
    fn durations() {
        let table = [
            (0.0, "0 s"),
            (15.0, "15 ns"),
            (4_560.0, "4.56 µs"),
            (999_600.0, "1.00 ms"),
            (12_345_678.0, "12.3 ms"),
            (12_345_678_901.0, "12.3 s"),
            (119_400_000_000.0, "119 s"),
            (125_000_000_000.0, "2 min 5 s"),
            (3_725_000_000_000.0, "1 h 2 min"),
            (f64::NAN, "n/a"),
        ];
        check(nanoseconds, &table);
        assert_eq!(seconds(12.345), "12.3 s");
        assert_eq!(seconds(0.000_001_5), "1.5 µs");
    }

    #[test]
    fn ratios() {
        let table = [
            (0.0, "0 x"),
            (0.805, "0.805 x"),
            (0.8, "0.8 x"),
            (0.9996, "0.999 x"),
            (1.0, "1 x"),
            (49.512, "49.5 x"),
            (999.7, "1,000 x"),
            (10_000.0, "10,000 x"),
            (f64::INFINITY, "n/a"),
        ];
        check(ratio, &table);
    }

    #[test]
    fn shares_and_thousands() {
        check(
            share,
            &[(0.9721, "97.2 %"), (1.0, "100.0 %"), (f64::NAN, "n/a")],
        );
        for (value, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(value), expected);
        }
    }
}
