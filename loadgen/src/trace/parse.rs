//! One line of a trace: its fields, each checked by itself. Knows nothing of other lines or files.

use std::borrow::Cow;

use super::{HEADER, LARGEST_AMOUNT, error::LineError, error::shown};

/// A payment as a line gives it.
pub(super) struct PaymentLine<'a> {
    pub(super) time_ns: u64,
    pub(super) payer: Cow<'a, [u8]>,
    pub(super) payee: Cow<'a, [u8]>,
    pub(super) amount: u64,
}

/// Times stay below this: 292 years.
const TIME_LIMIT_NS: u64 = 1 << 63;
const NS_PER_S: u64 = 1_000_000_000;
const TEN_POWERS: [u64; 10] = {
    let mut powers = [1; 10];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// Reads a line without its line end. Names need not be UTF-8 yet.
pub(super) fn payment(line: &[u8]) -> Result<PaymentLine<'_>, LineError> {
    let [time, payer, payee, amount] = fields(line)?;
    let payment = PaymentLine {
        time_ns: time_ns(&time)?,
        payer,
        payee,
        amount: amount_units(&amount)?,
    };
    if payment.payer.is_empty() {
        return Err(LineError::EmptyName { column: "payer" });
    }
    if payment.payee.is_empty() {
        return Err(LineError::EmptyName { column: "payee" });
    }
    if payment.payer == payment.payee {
        return Err(LineError::PaymentToSelf {
            name: shown(&payment.payer),
        });
    }
    Ok(payment)
}

/// Checks the first line, without its line end; a byte order mark before it is allowed.
pub(super) fn header(line: &[u8]) -> Result<(), LineError> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let found = || LineError::Header { found: shown(line) };
    let columns = fields(line).map_err(|_| found())?;
    let same = columns
        .iter()
        .zip(HEADER.split(','))
        .all(|(column, name)| column.eq_ignore_ascii_case(name.as_bytes()));
    if same { Ok(()) } else { Err(found()) }
}

/// The four fields, without the spaces around them and, by RFC 4180, without their quotation marks.
fn fields(line: &[u8]) -> Result<[Cow<'_, [u8]>; 4], LineError> {
    if line.contains(&b'"') {
        let fields = quoted_fields(line)?;
        let found = fields.len();
        return fields.try_into().map_err(|_| LineError::Fields { found });
    }
    let mut fields = line.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    match (
        fields.next(),
        fields.next(),
        fields.next(),
        fields.next(),
        fields.next(),
    ) {
        (Some(time), Some(payer), Some(payee), Some(amount), None) => {
            Ok([time.into(), payer.into(), payee.into(), amount.into()])
        }
        _ => Err(LineError::Fields {
            found: line.split(|&byte| byte == b',').count(),
        }),
    }
}

/// Any number of fields, some of them perhaps in quotation marks. Spaces around a text are never
/// part of it, inside the marks neither: some programs pad columns.
pub(super) fn quoted_fields(line: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, LineError> {
    let mut fields = Vec::with_capacity(4);
    let mut rest = line;
    loop {
        let field;
        if let Some(mut inside) = rest.trim_ascii_start().strip_prefix(b"\"") {
            let mut unquoted = Vec::new();
            loop {
                let mark = inside
                    .iter()
                    .position(|&b| b == b'"')
                    .ok_or(LineError::Quotes)?;
                unquoted.extend_from_slice(&inside[..mark]);
                inside = &inside[mark + 1..];
                match inside.strip_prefix(b"\"") {
                    Some(after) => {
                        unquoted.push(b'"');
                        inside = after;
                    }
                    None => break,
                }
            }
            field = Cow::Owned(unquoted.trim_ascii().to_owned());
            rest = inside.trim_ascii_start();
            if !(rest.is_empty() || rest.starts_with(b",")) {
                return Err(LineError::Quotes);
            }
        } else {
            let end = rest.iter().position(|&b| b == b',').unwrap_or(rest.len());
            if rest[..end].contains(&b'"') {
                return Err(LineError::Quotes);
            }
            field = Cow::Borrowed(rest[..end].trim_ascii());
            rest = &rest[end..];
        }
        fields.push(field);
        match rest.strip_prefix(b",") {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// Decimal seconds in nanoseconds; digits beyond the ninth after the point are dropped.
fn time_ns(field: &[u8]) -> Result<u64, LineError> {
    let (seconds, seconds_digits) = leading_digits(field);
    let (mut nanoseconds, mut fraction_digits) = (0, 0);
    let mut rest = &field[seconds_digits..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let (kept_value, kept_digits) = leading_digits(&fraction[..fraction.len().min(9)]);
        nanoseconds = kept_value * TEN_POWERS[9 - kept_digits];
        fraction_digits = leading_digits(fraction).1;
        rest = &fraction[fraction_digits..];
    }
    if !rest.is_empty() || seconds_digits + fraction_digits == 0 {
        return other_time_ns(field);
    }
    seconds
        .checked_mul(NS_PER_S)
        .and_then(|whole_ns| whole_ns.checked_add(nanoseconds))
        .filter(|&time_ns| time_ns < TIME_LIMIT_NS)
        .ok_or_else(|| LineError::TimeTooLarge {
            found: shown(field),
        })
}

/// A time that is not digits and a point: `1e-05`, which many programs write, or an error.
#[cold]
fn other_time_ns(field: &[u8]) -> Result<u64, LineError> {
    let found = || shown(field);
    let is_number = |b: &u8| b.is_ascii_digit() || b"+-.eE".contains(b);
    // Without this, "inf" and "nan" would be numbers.
    let number = str::from_utf8(field)
        .ok()
        .filter(|text| text.as_bytes().iter().all(is_number));
    match number.and_then(|text| text.parse::<f64>().ok()) {
        None => Err(LineError::TimeNotANumber { found: found() }),
        Some(_) if field.starts_with(b"-") => Err(LineError::TimeNegative { found: found() }),
        Some(seconds) => {
            // Exact below 2^53 ns (104 days); a cast saturates.
            let time_ns = (seconds * NS_PER_S as f64).round() as u64;
            if time_ns < TIME_LIMIT_NS {
                Ok(time_ns)
            } else {
                Err(LineError::TimeTooLarge { found: found() })
            }
        }
    }
}

/// An amount: digits only, 1 to [`LARGEST_AMOUNT`].
fn amount_units(field: &[u8]) -> Result<u64, LineError> {
    let (amount, digits) = leading_digits(field);
    if digits < field.len() || field.is_empty() {
        return Err(other_amount(field));
    }
    match amount {
        0 => Err(LineError::AmountZero),
        amount if amount <= LARGEST_AMOUNT => Ok(amount),
        _ => Err(LineError::AmountTooLarge {
            found: shown(field),
        }),
    }
}

#[cold]
fn other_amount(field: &[u8]) -> LineError {
    let found = shown(field);
    let number = str::from_utf8(field)
        .ok()
        .and_then(|text| text.parse::<f64>().ok());
    match number.filter(|number| number.is_finite()) {
        None => LineError::AmountNotANumber { found },
        Some(_) if field.starts_with(b"-") => LineError::AmountNegative { found },
        Some(_) => LineError::AmountNotWhole { found },
    }
}

/// The value of the digits that the text starts with, and their number. Saturates.
fn leading_digits(text: &[u8]) -> (u64, usize) {
    let mut value = 0_u64;
    for (index, byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return (value, index);
        }
        value = value.saturating_mul(10).saturating_add(digit.into());
    }
    (value, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, time_ns) in [
            ("0", 0),
            ("12", 12_000_000_000),
            ("12.", 12_000_000_000),
            (".5", 500_000_000),
            ("0.000000001", 1),
            ("0.0000000019", 1),
            ("1700000000.123456789", 1_700_000_000_123_456_789),
            ("9223372036.854775807", (1 << 63) - 1),
            ("1e-05", 10_000),
            ("1.5E+3", 1_500_000_000_000),
        ] {
            assert_eq!(super::time_ns(text.as_bytes()), Ok(time_ns), "{text}");
        }
    }

    #[test]
    fn fields_with_quotation_marks() {
        for (line, expected) in [
            (r#"1,"Smith, Ann",b,3"#, ["1", "Smith, Ann", "b", "3"]),
            (r#" "1" , a , "b ""B""" ,3 "#, ["1", "a", "b \"B\"", "3"]),
            (r#""""",",",,"3""#, ["\"", ",", "", "3"]),
            (r#"1," ann ","bob ", 3"#, ["1", "ann", "bob", "3"]),
        ] {
            let found = fields(line.as_bytes()).unwrap();
            let found = found.map(|field| String::from_utf8(field.into_owned()).unwrap());
            assert_eq!(found, expected, "{line}");
        }
        for line in [
            r#"1,"a,b,3"#,
            r#"1,a"b,c,3"#,
            r#"1,"a"b,c,3"#,
            r#"1,a,b,""""#,
        ] {
            assert_eq!(fields(line.as_bytes()), Err(LineError::Quotes), "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(line: Vec<u8>) {
            let _ = payment(&line).map(|_| ());
            let _ = header(&line);
        }

        #[test]
        fn any_near_miss_is_read_or_refused(line in "[-+0-9.eE, \"ab]{0,40}") {
            if let Ok(payment) = payment(line.as_bytes()) {
                assert!((1..=LARGEST_AMOUNT).contains(&payment.amount));
                assert_ne!(payment.payer, payment.payee);
            }
        }
    }
}
